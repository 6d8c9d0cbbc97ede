package deploy_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/internal/dev/foreign"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/native"
)

// eachForeign calls f with each model of LightGBM, XGBoost and CatBoost in the tests of
// package tree, and the rows there.
func eachForeign(t *testing.T, f func(t *testing.T, m *tree.Model, rows []float64)) {
	for _, c := range foreign.Read(t, "../../objective/tree/testdata/*.json.gz") {
		text := cmp.Or(c.Files["text"], c.Files["txt"], c.Files["json"])
		if text == "" || c.Refuse != "" {
			continue
		}
		t.Run(c.Library+" "+c.Name, func(t *testing.T) {
			m, err := tree.Read(strings.NewReader(text))
			require.NoError(t, err)
			f(t, m, c.Rows)
		})
	}
}

// Every model of the three libraries is exported, and predicts equally: on the rows that the
// libraries predicted, and on rows made to reveal differences.
func TestTreesOfOtherLibraries(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	eachForeign(t, func(t *testing.T, m *tree.Model, rows []float64) {
		for _, rows := range [][]float64{rows, nil} {
			r, err := deploy.Trees(ctx, m, rows, deploy.TreesOptions{Runtime: quiet})
			require.NoError(t, err, r.Report)
			assert.Equal(t, m.Link.Func == tree.Identity, r.Raw == nil)
		}
		for _, form := range []onnx.Form{onnx.Compatible, onnx.Single} {
			r, err := deploy.Trees(ctx, m, nil, deploy.TreesOptions{Form: form, Runtime: quiet})
			if !errors.Is(err, onnx.ErrUnsupported) {
				require.NoError(t, err, r.Report)
				assert.Equal(t, form, r.Form)
				assert.Zero(t, r.Report.Beyond, "the same leaves: of any rows, or of float32 rows")
			}
		}
	})
}

// Histogram gradient boosting splits at values of its data, LightGBM just above them, and
// XGBoost at float32 numbers. The compatible form sends float64 rows on and next to these
// thresholds where the model does, though it adds up in float32. The form float32 cannot,
// and says so without a fail.
func TestThresholds(t *testing.T) {
	onnxtest.Require(t)
	for _, c := range foreign.Read(t, "testdata/thresholds.json.gz") {
		t.Run(c.Name, func(t *testing.T) {
			text := c.Files["joblib"]
			if text == "" {
				text = base64.StdEncoding.EncodeToString([]byte(c.Files["text"] + c.Files["json"]))
			}
			m, err := tree.Read(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
			require.NoError(t, err)
			for _, rows := range [][]float64{c.Rows, nil} {
				r, err := deploy.Trees(t.Context(), m, rows, deploy.TreesOptions{Form: onnx.Compatible, Runtime: quiet})
				require.NoError(t, err, r.Report)
				assert.Zero(t, r.Report.Beyond)
				assert.Less(t, r.Report.MaxRelative, 3e-7)
				if rows != nil {
					require.NotNil(t, r.Probe, "rows at the thresholds are compared, whatever rows are given")
					assert.True(t, r.Probe.Pass && r.Probe.Beyond == 0)
				}
			}
			r, err := deploy.Trees(t.Context(), m, nil, deploy.TreesOptions{Form: onnx.Single, Runtime: quiet})
			require.NoError(t, err)
			assert.True(t, r.Pass())
			require.NotNil(t, r.Probe)
			if !m.Float32 {
				assert.False(t, r.Probe.Pass)
				assert.Greater(t, r.Probe.Beyond, r.Probe.Rows/20)
			}

			// The library's predictions for these rows.
			p, err := tree.NewPredictor(m)
			require.NoError(t, err)
			got := make([]float64, len(c.Pred))
			require.NoError(t, p.Predict(c.Rows, got))
			assert.InDeltaSlice(t, c.Pred, got, 1e-4)
		})
	}
}

// forest is a forest of isolation trees with 8 features.
func forest(t testing.TB, trees int) (*tree.Model, []float64) {
	r := rand.New(rand.NewPCG(3, 4))
	rows := make([]float64, 500*8)
	for i := range rows {
		rows[i] = r.NormFloat64()
	}
	columns := make([][]float64, 8)
	for i, x := range rows {
		columns[i%8] = append(columns[i%8], x)
	}
	m, err := native.Fit(context.Background(), engine.Dataset{Columns: columns}, engine.Dataset{}, engine.Params{Method: engine.Isolation, Trees: trees}, nil)
	require.NoError(t, err)
	return m, rows
}

func TestIsolationForest(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	m, rows := forest(t, 50)
	file := filepath.Join(t.TempDir(), "forest.onnx")
	reg, err := registry.Open(t.TempDir())
	require.NoError(t, err)
	r, err := deploy.Trees(ctx, m, rows, deploy.TreesOptions{File: file, Runtime: quiet, Register: &deploy.Registration{Registry: reg, Name: "outliers"},
		Info: onnx.Info{Metadata: []onnx.Property{{Key: "owner", Value: "me"}}}})
	require.NoError(t, err)
	require.NotNil(t, r.Raw)
	assert.True(t, r.Raw.Gate.Equal)
	assert.Less(t, r.Report.MaxRelative, 1e-12)
	assert.Equal(t, "me", r.Version.Meta["owner"])
	data, err := r.Version.Read(registry.Native)
	require.NoError(t, err)
	back, err := tree.Read(strings.NewReader(string(data)))
	require.NoError(t, err)

	f, err := deploy.OpenTrees(file, back, quiet)
	require.NoError(t, err)
	defer f.Close()
	p, err := tree.NewPredictor(m)
	require.NoError(t, err)
	want, got := make([]float64, 500), make([]float64, 500)
	require.NoError(t, p.Predict(rows, want))
	require.NoError(t, f.Predict(rows, got))
	assert.InDeltaSlice(t, want, got, 1e-14)
	assert.Equal(t, runtime.FallbackStats{Calls: 1}, f.Stats())
	_, err = deploy.OpenTrees(file, nil, quiet)
	assert.Error(t, err)
}

// Single precision is not equal to double, and the gate says so.
func TestFailedTrees(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	m, rows := forest(t, 10)
	dir := t.TempDir()
	o := deploy.TreesOptions{File: filepath.Join(dir, "forest.onnx"), Form: onnx.Compatible, Gate: validate.Gate{Equal: true}, Runtime: quiet}
	r, err := deploy.Trees(ctx, m, rows, o)
	require.ErrorIs(t, err, deploy.ErrFailed)
	assert.ErrorContains(t, err, "are not equal")
	assert.False(t, r.Pass())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)

	_, err = deploy.Trees(ctx, m, rows[:7], deploy.TreesOptions{Runtime: quiet})
	assert.ErrorIs(t, err, validate.ErrInput)
	_, err = deploy.Trees(ctx, &tree.Model{}, rows, deploy.TreesOptions{Runtime: quiet})
	assert.ErrorIs(t, err, tree.ErrInvalid)
}

// The rows of Probe meet every threshold from below, on it and from above, and contain
// numbers that float32 cannot represent.
func TestProbe(t *testing.T) {
	m, _ := forest(t, 10)
	for _, form := range onnx.Forms {
		rows := deploy.Probe(m, form, 0)
		assert.True(t, slices.EqualFunc(rows, deploy.Probe(m, form, 0), func(a, b float64) bool { return a == b || a != a && b != b }))
		assert.Len(t, deploy.Probe(m, form, 10), 80)
		seen := map[float64]bool{}
		missing := 0
		for _, x := range rows {
			seen[x] = true
			if x != x {
				missing++
			}
			if form == onnx.Single && x == x {
				assert.Equal(t, float64(float32(x)), x)
			}
		}
		assert.InDelta(t, 0.08, float64(missing)/float64(len(rows)), 0.04)
		for _, tree := range m.Trees {
			for _, n := range tree.Nodes {
				for _, x := range []float64{n.Threshold, math.Nextafter(n.Threshold, math.Inf(1)), math.Nextafter(n.Threshold, math.Inf(-1))} {
					if form == onnx.Single {
						x = float64(float32(x))
					}
					assert.True(t, seen[x], "%v", x)
				}
			}
		}
		for _, x := range []float64{20240131, 1706659200, 1<<24 + 1, 1e300, math.Inf(1), math.Inf(-1), 5e-324} {
			if form == onnx.Single {
				x = float64(float32(x))
			}
			assert.True(t, seen[x], "%v", x)
		}
		assert.LessOrEqual(t, len(deploy.Probe(&tree.Model{Outputs: 1, Features: make([]tree.Feature, 50000)}, form, 0)), 1<<24)
	}
	categories := &tree.Model{Features: []tree.Feature{{Kind: tree.Categorical}}, Outputs: 1,
		Trees: []tree.Tree{{Nodes: []tree.Node{{Left: ^0, Right: ^1}}, Leaves: []tree.Leaf{{Value: 1}, {Value: 2}}}}}
	categories.Trees[0].Nodes[0].SetCategories(3, 40)
	rows := deploy.Probe(categories, onnx.Exact, 0)
	for _, c := range []float64{3, 4, 40, 41, -1, 0.5, math.Inf(1)} {
		assert.Contains(t, rows, c)
	}

	// Probe reaches both sides of a node far below the root, which random rows do not reach.
	chain := &tree.Model{Features: make([]tree.Feature, 1), Outputs: 1, Trees: []tree.Tree{{Leaves: make([]tree.Leaf, 41)}}}
	for i := range 40 {
		n := tree.Node{Threshold: float64(-i), Left: i + 1, Right: ^i}
		if i == 39 {
			n.Left = ^40
		}
		chain.Trees[0].Nodes = append(chain.Trees[0].Nodes, n)
	}
	for i := range chain.Trees[0].Leaves {
		chain.Trees[0].Leaves[i].Value = float64(i)
	}
	p, err := tree.NewPredictor(chain)
	require.NoError(t, err)
	rows = deploy.Probe(chain, onnx.Exact, 0)
	leaves := make([]float64, len(rows))
	require.NoError(t, p.Predict(rows, leaves))
	for i := range 41 {
		assert.Contains(t, leaves, float64(i))
	}
}
