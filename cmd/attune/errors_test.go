package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/fault"
)

// A badInput makes the command fail with a hint of the library.
type badInput struct {
	csv   func(lines []string) []string // changes air.csv; nil: unchanged
	args  []string                      // in addition to those that tune air.csv
	table string                        // a plain table to tune on instead; args then name the task and the target
}

// badInputs are inputs that make the command show each hint, by the field of the hint. Every
// hint of the library whose field is in inFlags needs one.
var badInputs = map[string][]badInput{
	"forecast.CSV.Fill": {{csv: without(8, 9)}},
	"forecast.CSV.Freq": {
		{csv: func(l []string) []string { return l[:2] }},
		{csv: func([]string) []string {
			return []string{"month,passengers", "2020-01-01,1", "2020-01-29,2", "2020-02-10,3"}
		}},
	},
	"forecast.CSV.ID": {{csv: func(l []string) []string { return append(l, l[1:]...) }}},
	"forecast.CSV.Layout": {{
		csv:  func([]string) []string { return []string{"day,passengers", "01/02/2020,1", "01/03/2020,2"} },
		args: []string{"--time", "day"},
	}},
	"forecast.CSV.Sort": {{csv: func(l []string) []string {
		l[7], l[8] = l[8], l[7]
		return l
	}}},
	"forecast.FitOptions.Holdout": {{args: []string{"--fixed", "lags=500"}}},
	"forecast.Recipe.Lags":        {{args: []string{"--fixed", "lags=500"}}},
	"neural.Training.Device":      {{args: []string{"--models", "lstm", "--device", "cuda:9999"}}},
	"neural.Training.Window":      {{args: []string{"--models", "nlinear", "--fixed", "nlinear.window=200"}}},
	"mysql.Store.URL":             {{args: []string{"--storage", "mysql://u@127.0.0.1:1/db"}}},
	"postgres.Store.URL":          {{args: []string{"--storage", "postgres://u@127.0.0.1:1/db"}}},
	"remote.Store.URL":            {{args: []string{"--storage", "https://"}}, {args: []string{"--storage", "http://127.0.0.1:1"}}},
	"sqlite.Store.Path":           {{args: []string{"--storage", "air.csv"}}, {args: []string{"--storage", "."}}},
	"table.CSV.Categorical":       {{table: "x,y\n1,1\n2,2\nabc,3\n", args: []string{"--task", "regression", "--target", "y"}}},
	"table.CSV.Classes":           {{table: "x,y\n1,1\n2,2\n3,many\n", args: []string{"--task", "regression", "--target", "y"}}},
	"table.CSV.Group":             {{table: "x,y\n1,1\n2,2\n3,0\n", args: []string{"--task", "ranking", "--target", "y"}}},
	"table.CSV.Ignore": {
		{table: "x,day,y\n1,2026-01-31,1\n2,2026-02-01,2\n", args: []string{"--task", "regression", "--target", "y"}},
		{table: ",x,y\n0,1,1\n1,2,2\n", args: []string{"--task", "regression", "--target", "y"}},
	},
	"table.CSV.NA":         {{table: "x,y\n1,1\n2,2\n-,3\n", args: []string{"--task", "regression", "--target", "y"}}},
	"table.CSV.Positive":   {{table: "x,y\n1,a\n2,b\n", args: []string{"--task", "binary", "--target", "y", "--positive", "c"}}},
	"table.CSV.Time":       {{table: "x,day,y\n1,2026-01-31,1\n2,2026-02-01,2\n", args: []string{"--task", "regression", "--target", "y"}}},
	"table.Splits.Ordered": {{table: orders, args: []string{"--task", "regression", "--target", "y", "--time", "t", "--group", "g", "--test", "0"}}},
	"table.Table.Group":    {{table: orders, args: []string{"--task", "regression", "--target", "y", "--time", "t", "--group", "g", "--test", "0"}}},
}

const orders = "x,t,g,y\n1,1,a,1\n2,2,a,2\n3,3,b,3\n4,4,b,4\n5,5,c,5\n6,6,c,6\n7,7,d,7\n8,8,d,8\n"

// outOfReach are fields whose hints no input causes, with the reason.
var outOfReach = map[string]string{
	"mlflow.NewMirror":     "a server that is away is a warning; see TestMLflow",
	"remote.Store.Token":   "it takes a server with a token; see TestServeStorage",
	"study.Create":         "the command compares what a study was begun on by itself, and says --name",
	"study.Config.Grace":   "it takes a process that is suspended while it works on a trial",
	"validate.Gate.Beyond": "it takes an export that rounds differently at a threshold",
}

// outOfReachWant are single hints that no input causes.
var outOfReachWant = map[string]string{
	"fill it with %s": "the command refuses missing values before a network sees them, unless --fill is given",
	"set %s to cpu":   "it takes a GPU that is too small",
}

func without(from, to int) func([]string) []string {
	return func(lines []string) []string { return slices.Delete(lines, from-1, to) }
}

// Every hint of the library is shown in the words of the command line.
func TestHints(t *testing.T) {
	t.Parallel()
	hints := hintsOf(t)
	require.NotEmpty(t, hints)
	names := goNames(t)
	fields := map[string]bool{}
	for _, h := range hints {
		fields[h.Field] = true
		assert.Equal(t, 1, strings.Count(h.Want, "%s"), "%q names its field once", h.Want)
		words, known := inFlags[h.Field]
		if !assert.True(t, known, "inFlags has no words for %s", h.Field) || words == "" || outOfReach[h.Field] != "" || outOfReachWant[h.Want] != "" {
			continue
		}
		want := plain(fmt.Errorf("%w", h))
		t.Run(h.Field+": "+want, func(t *testing.T) {
			t.Parallel()
			var said []string
			for _, in := range badInputs[h.Field] {
				said = append(said, in.run(t, names))
			}
			assert.Contains(t, strings.Join(said, ""), want)
		})
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(fields)), slices.Collect(maps.Keys(inFlags)), "words that no hint needs")
}

// run returns what the command writes to standard error.
func (in badInput) run(t *testing.T, names map[string]bool) string {
	t.Helper()
	dir, args := air(t)
	file := filepath.Join(dir, "air.csv")
	if in.csv != nil {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		lines := in.csv(strings.Split(strings.TrimSpace(string(data)), "\n"))
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	}
	args = args[:len(args)-2] // without --fixed
	if in.table != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "table.csv"), []byte(in.table), 0o644))
		args = []string{"optimize", "--data", "table.csv", "--trials", "1"}
	}
	o := attune(t, dir, append(append(args, "--quiet"), in.args...)...)
	assert.Equal(t, 1, o.code, o.stdout)
	assert.Equal(t, 1, countLines(o.stderr), o.stderr)
	for pkg := range names {
		if !strings.Contains(pkg, ".") && !slices.Contains([]string{"lightgbm", "xgboost", "catboost"}, pkg) { // these are also models
			assert.NotContains(t, o.stderr, ": "+pkg+": ", "a Go package")
		}
	}
	return o.stderr
}

// An error that was kept with a trial as a text is shown in the words of the command line, too.
func TestStoredErrors(t *testing.T) {
	t.Parallel()
	for _, h := range hintsOf(t) {
		err := fmt.Errorf("fold 0: too few rows: the longest has 8: %w", h)
		assert.Equal(t, plain(err), stored(err.Error()), h.Want)
	}
	const rows = "fold 0: too few rows: the longest has 8: lower forecast.Recipe.Lags, or lower forecast.FitOptions.Holdout"
	assert.Equal(t, "fold 0: too few rows: the longest has 8: take fewer lags, or lower --horizon, --windows or --test", stored(rows))
	const plain = "exit status 1: module.Error.Name: no such file, or lower.Case"
	assert.Equal(t, plain, stored(plain))
	assert.Equal(t, "panic: a; b", stored("panic: a\nb\n\ngoroutine 1 [running]:\nmain.main()"))
}

// The field of a hint is a name that go doc knows.
func TestHintsNameFields(t *testing.T) {
	t.Parallel()
	names := goNames(t)
	for _, h := range hintsOf(t) {
		assert.True(t, names[h.Field], "go doc knows no %s", h.Field)
	}
}

// A text of a library package that the command reaches names no exported Go name, outside hints:
// neither one of its own package, nor package.Name of another. The command's users know no Go.
func TestTextsNameNoGo(t *testing.T) {
	t.Parallel()
	all := goNames(t)
	own := map[string]map[string]bool{} // exported names of each folder
	walk(t, func(path string, node ast.Node) {
		dir := filepath.Dir(path)
		if own[dir] == nil {
			own[dir] = map[string]bool{}
		}
		for _, name := range declared(node) {
			if ast.IsExported(name) {
				own[dir][name] = true
			}
		}
	})
	reached := reachable(t)
	var texts []string
	skipped := token.NoPos // the end of what is no text of an error
	walk(t, func(path string, node ast.Node) {
		dir := filepath.Dir(path)
		if !reached[dir] || strings.HasSuffix(path, ".pb.go") || node.Pos() < skipped && node.Pos() != token.NoPos {
			return
		}
		text := ""
		switch n := node.(type) {
		case *ast.File:
			skipped = n.Name.End()
		case *ast.CallExpr:
			if fmt.Sprint(n.Fun) == "panic" {
				skipped = n.End()
			}
		case *ast.CompositeLit:
			if typ, ok := n.Type.(*ast.SelectorExpr); ok && typ.Sel.Name == "Hint" {
				skipped = n.End()
			}
		case *ast.BasicLit:
			text, _ = strconv.Unquote(n.Value)
		}
		if !strings.Contains(text, " ") || strings.Contains(text, "(?") || strings.Count(text, "\n") > 1 {
			return // a single word, a regular expression or a list
		}
		for _, m := range goWord.FindAllStringIndex(text, -1) {
			name := text[m[0]:m[1]]
			first, _, qualified := strings.Cut(name, ".")
			switch {
			case m[0] == 0 && !qualified, slices.Contains(plainWords, name): // the first word of a sentence
			case qualified && all[name], own[dir][first]:
				texts = append(texts, text)
				assert.NotEmpty(t, forPrograms[text], "%s: %q names %s of Go: make it a fault.Hint, or say in forPrograms why no user of the command sees it", path, text, name)
				return
			}
		}
	})
	for text := range forPrograms {
		assert.Contains(t, texts, text, "it is needless in forPrograms")
	}
}

// goWord matches a word that may be a name of Go.
var goWord = regexp.MustCompile(`\b(?:[a-z]\w*\.)?[A-Z]\w*(?:\.[A-Z]\w*)*`)

// declared returns the names that a node declares for users of its package: those of functions,
// types, fields, constants and variables.
func declared(node ast.Node) []string {
	var names []string
	switch n := node.(type) {
	case *ast.FuncDecl:
		names = append(names, n.Name.Name)
	case *ast.TypeSpec:
		names = append(names, n.Name.Name)
	case *ast.StructType:
		for _, f := range n.Fields.List {
			for _, name := range f.Names {
				names = append(names, name.Name)
			}
		}
	case *ast.ValueSpec:
		for _, name := range n.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// reachable returns the folders of the packages that the command imports, also through others.
func reachable(t *testing.T) map[string]bool {
	t.Helper()
	const module = "github.com/attune-hpo/attune/"
	imports := map[string][]string{} // folders that a folder imports
	walk(t, func(path string, node ast.Node) {
		if spec, ok := node.(*ast.ImportSpec); ok {
			if to, _ := strconv.Unquote(spec.Path.Value); strings.HasPrefix(to, module) {
				dir := filepath.Dir(path)
				imports[dir] = append(imports[dir], filepath.Join(moduleRoot, strings.TrimPrefix(to, module)))
			}
		}
	})
	reached := map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		for _, to := range imports[dir] {
			if !reached[to] {
				reached[to] = true
				visit(to)
			}
		}
	}
	visit(filepath.Join(moduleRoot, "cmd", "attune"))
	assert.Greater(t, len(reached), 50)
	return reached
}

// plainWords are names of Go that are also words of the field, or begin a sentence.
var plainWords = []string{"ASCII", "BIPOP", "CPU", "CUDA", "CatBoost", "CategoricalDistribution", "FloatDistribution", "Halton", "ID", "IPOP", "IR", "IntDistribution", "JSON", "LSTM", "LightGBM", "NaN", "ONNX", "Pearson", "Python", "SHAP", "SQLite", "Sobol", "Spearman", "URL", "XGBoost", "YAML"}

// forPrograms are texts that name something of Go and that no user of the command sees, with the
// reason.
var forPrograms = map[string]string{
	"choice %.60q is not a literal: write it with space.Lit":          "what reads choices makes them literals",
	"%w: %.60q is not a literal: write it with space.Lit":             "what reads choices makes them literals",
	"%w: the store is nil: use new(memory.Store) or sqlite.File(...)": "the command always has one",
	"Expand Scan": "operators of ONNX",
	"{Lower:%s Upper:%s Warmup:%d Interval:%d}": "the form in which package fmt prints it",
}

// hintsOf returns all hints in the source of a module.
func hintsOf(t *testing.T) []fault.Hint {
	t.Helper()
	var hints []fault.Hint
	walk(t, func(path string, node ast.Node) {
		lit, ok := node.(*ast.CompositeLit)
		if !ok {
			return
		}
		if typ, ok := lit.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "Hint" || fmt.Sprint(typ.X) != "fault" {
			return
		}
		texts := map[string]string{}
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				if text, ok := kv.Value.(*ast.BasicLit); ok {
					texts[fmt.Sprint(kv.Key)], _ = strconv.Unquote(text.Value)
				}
			}
		}
		h := fault.Hint{Field: texts["Field"], Want: texts["Want"]}
		assert.True(t, h.Field != "" && h.Want != "", "%s: Field and Want are literals, so that this test finds them", path)
		if !slices.Contains(hints, h) {
			hints = append(hints, h)
		}
	})
	return hints
}

// goNames returns the names that go doc knows in a module's packages: package, package.Name
// and package.Type.Field.
func goNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	var pkg string
	walk(t, func(_ string, node ast.Node) {
		switch n := node.(type) {
		case *ast.File:
			pkg = n.Name.Name
			names[pkg] = true
		case *ast.FuncDecl:
			if n.Recv == nil {
				names[pkg+"."+n.Name.Name] = true
			}
		case *ast.TypeSpec:
			names[pkg+"."+n.Name.Name] = true
			if s, ok := n.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						names[pkg+"."+n.Name.Name+"."+name.Name] = true
					}
				}
			}
		}
	})
	return names
}

// moduleRoot is the root of this module.
var moduleRoot = filepath.Join("..", "..")

// walk visits the source of the module, except tests and the module's own tools.
func walk(t *testing.T, visit func(path string, node ast.Node)) {
	t.Helper()
	module, err := parseModule()
	require.NoError(t, err)
	for _, file := range module {
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			if n != nil {
				visit(file.path, n)
			}
			return true
		})
	}
}

// A parsed is a file of Go.
type parsed struct {
	path   string
	syntax *ast.File
}

// parseModule parses the module, once for all tests.
var parseModule = sync.OnceValues(func() ([]parsed, error) {
	var module []parsed
	files := token.NewFileSet()
	err := filepath.WalkDir(moduleRoot, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || name == "dev" || strings.HasPrefix(name, ".") && path != moduleRoot):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		module = append(module, parsed{path, file})
		return err
	})
	return module, err
})
