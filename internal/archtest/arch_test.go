// Package archtest tests the module against doc/architecture.md, whose tables say what
// each package may import. It also follows the links in doc comments.
package archtest

import (
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/attune-hpo/attune"

func TestArchitecture(t *testing.T) {
	doc, err := os.ReadFile("../../doc/architecture.md")
	require.NoError(t, err)
	for _, fault := range faults(string(doc), moduleImports(t)) {
		t.Error(fault)
	}
}

func TestFaults(t *testing.T) {
	doc := func(rows ...string) string {
		return "| package | is | imports |\n|---|---|---|\n" + strings.Join(rows, "\n") +
			"\n\n| library | packages | for |\n|---|---|---|\n| *yaml* | `example.com/yaml/v3` | YAML |\n"
	}
	const low, high = "| `low` | ... | |", "| `high` `high/*` | ... | `low` *yaml* |"
	sound := func() imports {
		return imports{"low": {"io"}, "high": {"low", "example.com/yaml/v3"}, "high/a": nil}
	}
	with := func(pkg string, imported ...string) imports {
		all := sound()
		all[pkg] = append(all[pkg], imported...)
		return all
	}
	for _, c := range []struct {
		name  string
		doc   string
		found imports
		want  []string
	}{
		{name: "sound", doc: doc(low, high), found: sound()},
		{"a package without a row", doc(low, high), with("new"),
			[]string{"new: has no row"}},
		{"a package with two rows", doc(low, high, "| `high/a` | ... | |"), sound(),
			[]string{"high/a: has more than one row"}},
		{"a row without a package", doc(low, high, "| `gone` | ... | |"), sound(),
			[]string{"gone: matches no package"}},
		{"an import without permission", doc(low, high), with("high", "high/a"),
			[]string{"high: may not import high/a"}},
		{"a library without permission", doc(low, high), with("low", "example.com/yaml/v3"),
			[]string{"low: may not import example.com/yaml/v3"}},
		{"a library that the table lacks", doc(low, high), with("high", "example.com/toml"),
			[]string{"high: may not import example.com/toml"}},
		{"a permission that nothing uses", doc(low, high, "| `new` | ... | `low` *yaml* |"), with("new"),
			[]string{"new: does not import `low`", "new: does not import *yaml*"}},
		{"an import from below", doc(high, low), sound(),
			[]string{"high: imports low, which is listed below it"}},
		{"anything", doc(low, high, "| `cmd` | ... | anything |"), with("cmd", "low", "high"), nil},
		{"anything but libraries", doc(low, high, "| `cmd` | ... | anything |"), with("cmd", "low", "example.com/yaml/v3"),
			[]string{"cmd: may not import example.com/yaml/v3"}},
		{"anything, and nothing used", doc(low, high, "| `cmd` | ... | anything |"), with("cmd", "io"),
			[]string{"cmd: does not import anything"}},
		{name: "a package for everyone", doc: doc("| **`base`** | ... | |", low, high), found: imports{"base": nil, "low": {"base"}, "high": {"low", "example.com/yaml/v3"}, "high/a": {"base"}}},
		{"a library that nothing uses", doc(low, "| `high` `high/*` | ... | `low` |"), imports{"low": nil, "high": {"low"}, "high/a": nil},
			[]string{"*yaml*: nothing imports `example.com/yaml/v3`"}},
		{"an unknown library", doc(low, high, "| `new` | ... | *toml* |"), with("new"),
			[]string{"new: no library is called *toml*"}},
		{"a cell that is no list", doc(low, high, "| `new` | ... | low |"), with("new"),
			[]string{"new: \"low\" is neither a `package` nor a *library*"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, faults(c.doc, c.found))
		})
	}
}

// imports maps each package to its imports. A package of the module is named by its
// path below the module; the module's root is ".".
type imports map[string][]string

func (m imports) all() []string { return slices.Concat(slices.Collect(maps.Values(m))...) }

// faults compares what the packages import with the tables of doc.
func faults(doc string, found imports) []string {
	a := parse(doc)
	at, out := a.place(found)
	out = append(a.faults, out...)
	for i, r := range a.rows {
		used := imports{} // used by the packages of this row
		for _, pkg := range slices.Sorted(maps.Keys(at)) {
			if at[pkg] != i {
				continue
			}
			used[pkg] = found[pkg]
			for _, imp := range found[pkg] {
				if !a.permits(r, imp, found) {
					out = append(out, fmt.Sprintf("%s: may not import %s", pkg, imp))
				} else if at[imp] > i {
					out = append(out, fmt.Sprintf("%s: imports %s, which is listed below it", pkg, imp))
				}
			}
		}
		out = append(out, a.idle(r, used.all(), found)...)
	}
	return append(out, a.idleLibraries(found.all())...)
}

// place finds the row of each package.
func (a architecture) place(found imports) (at map[string]int, faults []string) {
	at = map[string]int{}
	for _, pkg := range slices.Sorted(maps.Keys(found)) {
		var in []int
		for i, r := range a.rows {
			if matches(pkg, r.packages...) {
				in = append(in, i)
			}
		}
		switch len(in) {
		case 0:
			faults = append(faults, pkg+": has no row")
		case 1:
			at[pkg] = in[0]
		default:
			faults = append(faults, pkg+": has more than one row")
		}
	}
	for _, r := range a.rows {
		for _, pattern := range r.packages {
			if !matchesAny(pattern, slices.Collect(maps.Keys(found))) {
				faults = append(faults, pattern+": matches no package")
			}
		}
	}
	return at, faults
}

// permits reports whether the packages of r may import imp.
func (a architecture) permits(r row, imp string, found imports) bool {
	if _, ours := found[imp]; ours {
		return r.anything || matches(imp, r.ours...) || matches(imp, a.common...)
	}
	first, _, _ := strings.Cut(imp, "/")
	if !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(r.libraries, func(lib string) bool { return matches(imp, a.libraries[lib]...) })
}

// idle finds the permissions of r that no import uses.
func (a architecture) idle(r row, used []string, found imports) (faults []string) {
	fault := func(what string) { faults = append(faults, strings.Join(r.packages, ", ")+": "+what) }
	isOurs := func(imp string) bool { _, ours := found[imp]; return ours }
	if r.anything && !slices.ContainsFunc(used, isOurs) {
		fault("does not import anything")
	}
	for _, pattern := range r.ours {
		if !matchesAny(pattern, used) {
			fault("does not import `" + pattern + "`")
		}
	}
	for _, lib := range r.libraries {
		if patterns, known := a.libraries[lib]; !known {
			fault("no library is called *" + lib + "*")
		} else if !slices.ContainsFunc(patterns, func(p string) bool { return matchesAny(p, used) }) {
			fault("does not import *" + lib + "*")
		}
	}
	return faults
}

// idleLibraries finds the packages of libraries that no import uses.
func (a architecture) idleLibraries(used []string) (faults []string) {
	for _, lib := range slices.Sorted(maps.Keys(a.libraries)) {
		for _, pattern := range a.libraries[lib] {
			if !matchesAny(pattern, used) {
				faults = append(faults, fmt.Sprintf("*%s*: nothing imports `%s`", lib, pattern))
			}
		}
	}
	return faults
}

// An architecture is the content of the tables of a document.
type architecture struct {
	rows      []row               // lowest first
	common    []string            // imports that all may use, as patterns
	libraries map[string][]string // packages of each library, as patterns
	faults    []string
}

// A row says what its packages may import. All except libraries are patterns of
// path.Match.
type row struct {
	packages, ours, libraries []string
	anything                  bool // any package of this module
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	emphasis = regexp.MustCompile(`\*([^*]+)\*`)
)

// parse reads the tables whose first column is named package or library.
func parse(doc string) architecture {
	a := architecture{libraries: map[string][]string{}}
	for _, cells := range rows(doc, "package") {
		r := row{packages: inside(codeSpan, cells[0]), ours: inside(codeSpan, cells[2])}
		rest := codeSpan.ReplaceAllString(cells[2], "")
		r.libraries = inside(emphasis, rest)
		switch rest = strings.TrimSpace(emphasis.ReplaceAllString(rest, "")); rest {
		case "":
		case "anything":
			r.anything = true
		default:
			a.faults = append(a.faults, fmt.Sprintf("%s: %q is neither a `package` nor a *library*", strings.Join(r.packages, ", "), rest))
		}
		a.rows = append(a.rows, r)
		if strings.HasPrefix(cells[0], "**") {
			a.common = append(a.common, r.packages...)
		}
	}
	for _, cells := range rows(doc, "library") {
		for _, lib := range inside(emphasis, cells[0]) {
			a.libraries[lib] = inside(codeSpan, cells[1])
		}
	}
	return a
}

// rows returns the cells of all tables with three columns and the given heading of the first
// column.
func rows(doc, heading string) (all [][]string) {
	table := ""
	for line := range strings.Lines(doc) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 { // three cells between bars
			table = ""
			continue
		}
		cells = cells[1:4]
		for i, c := range cells {
			cells[i] = strings.TrimSpace(c)
		}
		switch {
		case table == "":
			table = cells[0]
		case table == heading && !strings.HasPrefix(cells[0], "---"):
			all = append(all, cells)
		}
	}
	return all
}

// inside returns the first groups of all matches of pattern in s.
func inside(pattern *regexp.Regexp, s string) []string {
	var all []string
	for _, m := range pattern.FindAllStringSubmatch(s, -1) {
		all = append(all, m[1])
	}
	return all
}

// moduleImports lists what the packages of the module import on any platform,
// with cgo and without.
func moduleImports(t *testing.T) imports {
	t.Helper()
	all := imports{}
	for _, platform := range [][]string{
		{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1"},
		{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"},
		{"GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0"},
		{"GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0"},
	} {
		for _, p := range list(t, platform, module+"/...") {
			pkg := below(p.ImportPath)
			if _, known := all[pkg]; !known {
				all[pkg] = nil
			}
			for _, imp := range p.Imports {
				if imp = below(imp); !slices.Contains(all[pkg], imp) {
					all[pkg] = append(all[pkg], imp)
				}
			}
		}
	}
	return all
}

// below returns the path of a package below the module. It returns other paths unchanged.
func below(pkg string) string {
	if pkg == module {
		return "."
	}
	return strings.TrimPrefix(pkg, module+"/")
}

func matches(s string, patterns ...string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, s)
		return ok && err == nil
	})
}

func matchesAny(pattern string, all []string) bool {
	return slices.ContainsFunc(all, func(s string) bool { return matches(s, pattern) })
}
