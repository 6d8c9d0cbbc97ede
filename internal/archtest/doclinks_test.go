package archtest

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every [Name] in a doc comment leads to something: go doc and pkg.go.dev show a dead link in brackets.
func TestDocLinks(t *testing.T) {
	set := token.NewFileSet()
	files := map[string][]*ast.File{} // by import path
	root := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch base := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (base == "testdata" || base == "dev" || strings.HasPrefix(base, ".") && name != root):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") || strings.HasSuffix(base, ".pb.go"):
			return nil
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		at := path.Join(module, filepath.ToSlash(folder))
		files[at] = append(files[at], file)
		return err
	}))
	all := map[string]*doc.Package{}
	for at, parsed := range files {
		p, err := doc.NewFromFiles(set, parsed, at, doc.AllDecls|doc.PreserveAST)
		require.NoError(t, err)
		all[at] = p
	}
	for at, parsed := range files {
		for _, file := range parsed {
			for _, c := range comments(file) {
				for _, name := range deadLinks(all[at], all, c.Text(), c.exported) {
					t.Errorf("%v: [%s] leads nowhere", set.Position(c.Pos()), name)
				}
			}
		}
	}
}

func TestDeadLinks(t *testing.T) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "p.go", "package p\n\nimport \"io\"\n\nvar _ io.Reader\n\ntype T struct{ F int }\n\nfunc (T) M() {}\n\nfunc f() {}\n", parser.ParseComments)
	require.NoError(t, err)
	p, err := doc.NewFromFiles(set, []*ast.File{file}, "example.com/p", doc.AllDecls|doc.PreserveAST)
	require.NoError(t, err)
	all := map[string]*doc.Package{"example.com/p": p}
	assert.Empty(t, deadLinks(p, all, "See [T], [*T], [T.M], [T.F], [io.Reader] and x[T] in [0, 1], [a] or [Go].\n\n\t[U]\n\n[Go]: https://go.dev\n", true))
	assert.Empty(t, deadLinks(p, all, "See [f].\n", false))
	assert.Equal(t, []string{"f"}, deadLinks(p, all, "See [f].\n", true))
	assert.Equal(t, []string{"U", "T.N", "q.T", "T"}, deadLinks(p, all, "See [U], [T.N], [q.T], and [T]s.\n", true))
}

// A docComment is a doc comment.
type docComment struct {
	*ast.CommentGroup
	exported bool // go doc shows it
}

// comments returns the doc comments of a file: its own, those of declarations, and those of fields.
func comments(file *ast.File) (all []docComment) {
	exported := true
	add := func(groups ...*ast.CommentGroup) {
		for _, g := range groups {
			if g != nil {
				all = append(all, docComment{g, exported})
			}
		}
	}
	add(file.Doc)
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			exported = d.Name.IsExported()
			add(d.Doc)
		case *ast.GenDecl:
			exported = slices.ContainsFunc(d.Specs, func(s ast.Spec) bool {
				switch s := s.(type) {
				case *ast.TypeSpec:
					return s.Name.IsExported()
				case *ast.ValueSpec:
					return slices.ContainsFunc(s.Names, (*ast.Ident).IsExported)
				}
				return false
			})
			add(d.Doc)
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.TypeSpec:
					add(n.Doc, n.Comment)
				case *ast.ValueSpec:
					add(n.Doc, n.Comment)
				case *ast.Field:
					add(n.Doc, n.Comment)
				case *ast.FuncLit:
					return false
				}
				return true
			})
		}
	}
	return all
}

// bracketed matches what looks like a link to a name, also with letters after it.
var bracketed = regexp.MustCompile(`(?:^|[^\w\])])\[\*?((?:[a-z]\w*\.)?[A-Z]\w*(?:\.[A-Z]\w*)?|[a-z]\w*)\]`)

// deadLinks returns the links in the text of a comment in p that lead nowhere. all are the packages by their paths.
// In an exported comment, an unexported name of p leads nowhere, too.
func deadLinks(p *doc.Package, all map[string]*doc.Package, text string, exported bool) (dead []string) {
	var inspect func(texts []comment.Text)
	inspect = func(texts []comment.Text) {
		for _, t := range texts {
			switch t := t.(type) {
			case comment.Plain:
				for _, m := range bracketed.FindAllStringSubmatch(string(t), -1) {
					if ast.IsExported(m[1]) || strings.Contains(m[1], ".") || exported && p.Parser().LookupSym("", m[1]) {
						dead = append(dead, m[1])
					}
				}
			case *comment.Link:
				inspect(t.Text)
			case *comment.DocLink:
				to := all[t.ImportPath]
				if to != nil && t.Name != "" && !to.Parser().LookupSym(t.Recv, t.Name) {
					dead = append(dead, strings.Trim(fmt.Sprint(path.Base(t.ImportPath), ".", t.Recv, ".", t.Name), "."))
				}
			}
		}
	}
	var visit func(blocks []comment.Block)
	visit = func(blocks []comment.Block) {
		for _, b := range blocks {
			switch b := b.(type) {
			case *comment.Heading:
				inspect(b.Text)
			case *comment.Paragraph:
				inspect(b.Text)
			case *comment.List:
				for _, item := range b.Items {
					visit(item.Content)
				}
			}
		}
	}
	visit(p.Parser().Parse(text).Content)
	return dead
}
