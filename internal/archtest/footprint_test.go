package archtest

import (
	"os"
	"path"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Importers compile exactly what the table lists: no library comes along unnoticed.
func TestFootprint(t *testing.T) {
	doc, err := os.ReadFile("../../doc/architecture.md")
	require.NoError(t, err)
	all := rows(string(doc), "importing")
	require.NotEmpty(t, all)
	for _, cells := range all {
		var patterns []string
		for _, pkg := range inside(codeSpan, cells[0]) {
			patterns = append(patterns, path.Join(module, pkg))
		}
		want := inside(codeSpan, cells[2])
		switch cells[1] {
		case "on":
			modules, _ := compiled(t, "1", patterns)
			assert.Equal(t, want, modules, "%s, with cgo", cells[0])
		case "off":
			modules, _ := compiled(t, "0", patterns)
			assert.Equal(t, want, modules, "%s, without cgo", cells[0])
		case "either":
			modules, cgo := compiled(t, "1", patterns)
			assert.Equal(t, want, modules, "%s, with cgo", cells[0])
			assert.Empty(t, cgo, "%s: needs cgo", cells[0])
			modules, _ = compiled(t, "0", patterns)
			assert.Equal(t, want, modules, "%s, without cgo", cells[0])
		default:
			t.Errorf("%s: cgo is on, off or either, not %q", cells[0], cells[1])
		}
	}
}

// compiled lists, in order, the other modules that importers of the given packages
// compile, and which of all packages use cgo.
func compiled(t *testing.T, cgo string, patterns []string) (modules, cgoPackages []string) {
	t.Helper()
	env := []string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=" + cgo}
	for _, p := range list(t, env, append([]string{"-deps"}, patterns...)...) {
		if p.Standard {
			continue
		}
		if p.Module.Path != module {
			modules = append(modules, p.Module.Path)
		}
		if len(p.CgoFiles) > 0 {
			cgoPackages = append(cgoPackages, p.ImportPath)
		}
	}
	slices.Sort(modules)
	return slices.Compact(modules), cgoPackages
}
