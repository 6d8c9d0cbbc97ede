// Package archtest keeps the import graph as doc/architecture.md draws it.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/gotool"
)

const module = "github.com/attune-hpo/attune/"

// A row says what a package may import: of this module, and of others. All are
// patterns of path.Match.
type row struct {
	pkg           string
	ours, foreign []string
}

// arrows lists the packages, lowest first. The first row that matches a package
// is the one that counts; a package that none matches is one that
// doc/architecture.md does not know.
var arrows = []row{
	{pkg: "fault"}, // which every package may import
	{pkg: "data"},
	{pkg: "internal/pyjson"},
	{pkg: "space", ours: []string{"internal/pyjson"}},
	{pkg: "space/bind", ours: []string{"space"}},
	{pkg: "space/unit", ours: []string{"space"}},
	{pkg: "space/spaceyaml", ours: []string{"space", "internal/pyjson"}, foreign: []string{"go.yaml.in/yaml/v3"}},
	{pkg: "trial", ours: []string{"space", "internal/pyjson"}},

	{pkg: "internal/compare", ours: []string{"internal/compare/*", "objective/*"}},
	{pkg: "internal/compare/*", ours: []string{"*", "*/*", "*/*/*"}},
	{pkg: "internal/dataset", ours: []string{"data"}},
	{pkg: "internal/f32", foreign: []string{"golang.org/x/sys/cpu"}},
	{pkg: "internal/f32/*", ours: []string{"internal/f32"}},
	{pkg: "internal/dylib", foreign: []string{"github.com/ebitengine/purego"}, ours: []string{"internal/python"}},
	{pkg: "internal/onnxsetup/*", ours: []string{"internal/onnxsetup"}},
	{pkg: "internal/onnxsetup", ours: []string{"internal/atomicfile", "internal/dylib"}},
	{pkg: "internal/tuned", ours: []string{"internal/atomicfile", "pruner", "sampler", "space", "space/spaceyaml", "study", "trial"}},
	{pkg: "internal/*", ours: []string{"space", "trial"}},

	{pkg: "sampler", ours: []string{"space", "space/unit", "trial"}},
	{pkg: "sampler/*", ours: []string{"sampler", "space", "space/unit", "trial", "internal/*"},
		foreign: []string{"golang.org/x/sys/cpu"}},
	{pkg: "pruner", ours: []string{"trial", "internal/selection"}},
	{pkg: "storage", ours: []string{"space", "trial", "internal/pyjson"}},
	{pkg: "storage/memory", ours: []string{"storage", "space", "trial"}},
	{pkg: "storage/sqlite", ours: []string{"storage", "space", "trial", "internal/pyjson"},
		foreign: []string{"github.com/mattn/go-sqlite3"}},
	{pkg: "storage/storagetest", ours: []string{"storage", "space", "trial"},
		foreign: []string{"github.com/stretchr/testify/*"}},

	{pkg: "study", ours: []string{"pruner", "sampler", "space", "storage", "trial"}},

	{pkg: "objective/forecast", ours: []string{"internal/csvfile", "internal/lockstep"}},
	{pkg: "objective/tree", ours: []string{"internal/pickle"}, foreign: []string{"golang.org/x/sys/cpu"}},
	{pkg: "objective/tree/engine", ours: []string{"objective/tree"}},
	{pkg: "objective/tree/style", ours: []string{"objective/tree/engine", "space", "space/spaceyaml"}},
	{pkg: "objective/tree/leavespredict", ours: []string{"objective/tree"},
		foreign: []string{"github.com/dmitryikh/leaves"}},
	{pkg: "objective/tree/internal/*", ours: []string{"objective/tree", "objective/tree/engine", "objective/tree/native"},
		foreign: []string{"github.com/stretchr/testify/*"}},
	{pkg: "objective/tree/*", ours: []string{"objective/tree", "objective/tree/engine", "objective/tree/internal/*", "internal/dylib", "internal/python", "internal/selection"},
		foreign: []string{"github.com/ebitengine/purego"}},
	{pkg: "objective/treeforecast", ours: []string{"objective/forecast", "objective/tree", "objective/tree/*", "space"}},
	{pkg: "objective/tune", ours: []string{"internal/atomicfile", "internal/tuned", "objective/forecast", "pruner", "sampler", "space", "space/spaceyaml", "study", "trial"}},
	{pkg: "objective/table", ours: []string{"internal/*", "objective/tree", "objective/tree/*", "pruner", "sampler", "space", "space/spaceyaml", "study", "trial"}},
	{pkg: "objective/neural", ours: []string{"internal/*", "objective/forecast", "objective/neural/*", "objective/neural/internal/*", "space", "space/spaceyaml"},
		foreign: []string{"gorgonia.org/*"}},
	{pkg: "objective/neural/*", ours: []string{"internal/*", "objective/forecast", "objective/neural/*", "objective/neural/internal/*"}, foreign: []string{"gorgonia.org/*", "gonum.org/v1/gonum/*"}},
	{pkg: "objective/neural/internal/*", ours: []string{"internal/*", "objective/neural/internal/*"}, foreign: []string{"github.com/ebitengine/purego", "gorgonia.org/*", "gonum.org/v1/gonum/*", "github.com/chewxy/hm", "github.com/stretchr/testify/*"}},
	{pkg: "objective/*", ours: []string{"space", "study", "trial"}},

	{pkg: "export", ours: []string{"space", "space/spaceyaml", "trial", "internal/pyjson"}},
	{pkg: "export/internal/*", ours: []string{"export/internal/*"}},
	{pkg: "export/onnx", ours: []string{"export/internal/*", "objective/forecast", "objective/neural/network", "objective/tree", "objective/treeforecast", "space", "trial", "export/onnx/internal/*"}},
	{pkg: "export/onnx/internal/*", ours: []string{"export/onnx", "export/onnx/internal/*"}},
	{pkg: "export/deploy", ours: []string{"export/*", "internal/atomicfile", "objective/*", "study", "trial"}},
	{pkg: "export/quantize", ours: []string{"export/onnx", "export/runtime", "export/validate", "objective/forecast"}},
	{pkg: "export/validate"},
	{pkg: "export/registry", foreign: []string{"golang.org/x/sys/windows"}},
	{pkg: "export/runtime", ours: []string{"export/internal/*", "internal/onnxsetup"}, foreign: []string{"github.com/yalue/onnxruntime_go"}},
	{pkg: "progress", ours: []string{"space", "study", "trial"},
		foreign: []string{"github.com/schollz/progressbar/v3", "golang.org/x/term"}},

	{pkg: "cmd/*", ours: []string{"*", "*/*", "*/*/*", "cmd/attune/*"}, foreign: []string{"github.com/spf13/cobra", "golang.org/x/term"}},
	{pkg: "cmd/attune/*", ours: []string{"*", "*/*", "*/*/*"}, foreign: []string{"github.com/spf13/cobra", "golang.org/x/term"}},

	{pkg: "examples"},
	{pkg: "examples/*", ours: []string{"*", "*/*", "*/*/*"}},
	{pkg: "."},
}

// A listed package is what go list -json says of one.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	CgoFiles   []string
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	out := gotool.Run(t, append([]string{"list", "-json=ImportPath,Standard,Imports,CgoFiles"}, args...)...)
	var pkgs []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		require.NoError(t, err)
		pkgs = append(pkgs, p)
	}
}

func TestArrows(t *testing.T) {
	for _, p := range list(t, module+"...") {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		if pkg+"/" == module {
			pkg = "."
		}
		i := slices.IndexFunc(arrows, func(r row) bool { return matches(pkg, r.pkg) })
		if !assert.GreaterOrEqual(t, i, 0, "%s has no row here: draw its arrows in doc/architecture.md first", pkg) {
			continue
		}
		may := arrows[i]
		for _, imp := range p.Imports {
			ours, isOurs := strings.CutPrefix(imp, module)
			switch {
			case ours == "fault": // anyone's
			case isOurs:
				assert.True(t, matches(ours, may.ours...), "%s may not import %s", pkg, ours)
			case isForeign(imp):
				assert.True(t, matches(imp, may.foreign...), "%s may not import %s", pkg, imp)
			}
		}
	}
}

// Importers of the engine, of any sampler and pruner and of the memory store
// need no C compiler, and no library for models that they do not use.
func TestCoreIsLight(t *testing.T) {
	core := []string{"fault", "study", "sampler/...", "pruner/...", "storage/memory", "space/...", "export", "progress/...",
		"objective/forecast/...", "objective/tree", "objective/tree/native", "objective/tree/style", "objective/treeforecast/...", "objective/tune/...", "export/onnx/...", "export/registry/..."}
	for i := range core {
		core[i] = module + core[i]
	}
	for _, p := range list(t, append([]string{"-deps"}, core...)...) {
		if p.Standard {
			continue
		}
		assert.Empty(t, p.CgoFiles, "%s needs cgo", p.ImportPath)
		for _, heavy := range []string{"gorgonia", "onnxruntime", "sqlite"} {
			assert.NotContains(t, p.ImportPath, heavy)
		}
	}
}

// isForeign reports whether an import path is of neither this module nor the
// standard library.
func isForeign(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return strings.Contains(first, ".")
}

func matches(s string, patterns ...string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, s)
		return ok && err == nil
	})
}
