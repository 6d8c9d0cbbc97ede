package onnx_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/onnx/internal/eval"
	"github.com/attune-hpo/attune/objective/tree"
)

func TestTreesPlainly(t *testing.T) { testTrees(t, plainly) }

func TestTreesInRuntime(t *testing.T) { testTrees(t, ort(t, 1)) }

// testTrees exports every model of the libraries and runs it.
func testTrees(t *testing.T, run runner) {
	all := oracles(t)
	var most gaps
	for _, o := range all {
		t.Run(o.name, func(t *testing.T) { most.add(measure(t, o.m, o.rows, run)) })
	}
	t.Logf("%d models: %v", len(all), most)
}

func TestRandomTreesPlainly(t *testing.T) { testRandomTrees(t, plainly) }

func TestRandomTreesInRuntime(t *testing.T) { testRandomTrees(t, ort(t, 1)) }

// testRandomTrees exports models that mix all that a model may hold.
func testRandomTrees(t *testing.T, run runner) {
	var most gaps
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			m := randomModel(r)
			most.add(measure(t, m, randomRows(r, len(m.Features), []int{1, 2, 40, 150}[seed%4]), run))
		})
	}
	t.Log(most)
}

// onnx's ReferenceEvaluator agrees on sets of categories, category 0 in them, and on rows
// with NaN. Files of the form Compatible it cannot run: it does not know
// nodes_values_as_tensor.
func TestReferenceEvaluator(t *testing.T) {
	run := ortAnd(t, 1, 4)
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 9))
		m := randomModel(r)
		rows := randomRows(r, len(m.Features), 4)
		for _, form := range []onnx.Form{onnx.Exact, onnx.Single} {
			exported, err := onnx.Trees(m, onnx.TreesOptions{Form: form, Raw: true})
			require.NoError(t, err)
			typ := map[onnx.Form]onnx.DataType{onnx.Exact: onnx.Float64, onnx.Single: onnx.Float32}[form]
			run(t, exported, map[string]eval.Array{"rows": eval.New(typ, rows, 4, len(m.Features))})
		}
	}
}

// gaps are the greatest differences between a predictor and an export, relative to
// the greatest prediction.
type gaps struct{ raw, linked, compatible, compatibleLinked, single, singleLinked float64 }

func (g *gaps) add(other gaps) {
	g.raw, g.linked = max(g.raw, other.raw), max(g.linked, other.linked)
	g.compatible, g.compatibleLinked = max(g.compatible, other.compatible), max(g.compatibleLinked, other.compatibleLinked)
	g.single, g.singleLinked = max(g.single, other.single), max(g.singleLinked, other.singleLinked)
}

func (g gaps) String() string {
	return fmt.Sprintf("greatest differences: exact %.2g, with links %.2g; compatible %.2g, with links %.2g; float32 %.2g, with links %.2g", g.raw, g.linked, g.compatible, g.compatibleLinked, g.single, g.singleLinked)
}

// measure compares a model's export in all forms with its predictor: bit for bit
// where it is exact.
func measure(t *testing.T, m *tree.Model, rows []float64, run runner) gaps {
	t.Helper()
	var g gaps
	n, f := len(rows)/len(m.Features), len(m.Features)
	single := make([]float64, len(rows))
	for i, v := range rows {
		single[i] = float64(float32(v))
	}
	for _, c := range []struct {
		form  onnx.Form
		typ   onnx.DataType
		rows  []float64
		raw   bool
		limit float64
		gap   *float64
	}{
		{onnx.Exact, onnx.Float64, rows, true, 0, &g.raw},
		{onnx.Exact, onnx.Float64, rows, false, 1e-14, &g.linked},
		{onnx.Compatible, onnx.Float64, rows, true, 1e-7, &g.compatible},
		{onnx.Compatible, onnx.Float64, rows, false, 1e-5, &g.compatibleLinked},
		{onnx.Single, onnx.Float32, single, true, 1e-5, &g.single},
		{onnx.Single, onnx.Float32, single, false, 1e-5, &g.singleLinked},
	} {
		raw, want := predict(t, m, c.rows)
		if c.raw {
			want = raw
		}
		exported, err := onnx.Trees(m, onnx.TreesOptions{Form: c.form, Raw: c.raw})
		require.NoError(t, err)
		out := run(t, exported, map[string]eval.Array{"rows": eval.New(c.typ, c.rows, n, f)})["predictions"]
		require.Equal(t, []int{n, m.Outputs}, out.Dims)
		require.Equal(t, c.typ, out.Type)
		if c.limit == 0 {
			sameBits(t, want, out.Data)
		}
		*c.gap = distance(t, want, out.Data)
		require.LessOrEqual(t, *c.gap, c.limit, "%v, raw %t", c.form, c.raw)
	}
	return g
}

// randomModel returns a model of whatever a model may hold.
func randomModel(r *rand.Rand) *tree.Model {
	m := &tree.Model{Features: make([]tree.Feature, 2+r.IntN(5)), Outputs: 1 + r.IntN(3)*r.IntN(2), Float32: r.IntN(3) == 0, Average: r.IntN(4) == 0}
	for i := range m.Features {
		m.Features[i] = tree.Feature{Name: fmt.Sprint("f", i), Kind: tree.Kind(r.IntN(2))}
	}
	m.Link = tree.Link{Func: tree.LinkFunc(r.IntN(8)), Scale: float64(r.IntN(3))}
	if !m.Average && r.IntN(2) == 0 {
		m.Base = make([]float64, m.Outputs)
		for o := range m.Base {
			m.Base[o] = r.NormFloat64()
		}
	}
	linear := r.IntN(4) == 0
	for range r.IntN(30) {
		m.Trees = append(m.Trees, randomTree(r, m, linear))
	}
	return m
}

func randomTree(r *rand.Rand, m *tree.Model, linear bool) tree.Tree {
	t := tree.Tree{Output: r.IntN(m.Outputs), Leaves: []tree.Leaf{{}}}
	for range r.IntN(12) {
		n := tree.Node{Feature: r.IntN(len(m.Features)), DefaultLeft: r.IntN(2) == 0}
		n.Threshold = []float64{0, 1, -1, 2.5, 3, 1e-36, -1e-36, math.Inf(1), math.Inf(-1), 0.1, r.NormFloat64(), 20200101.5}[r.IntN(12)]
		if m.Features[n.Feature].Kind == tree.Categorical && r.IntN(4) > 0 {
			var set []int
			for range r.IntN(6) {
				set = append(set, []int{0, 1, 2, 3, 5, 31, 32, 63, 64, 65, 200, 1 << 20, tree.MaxCategories - 1}[r.IntN(13)])
			}
			n.SetCategories(set...)
		} else {
			n.Missing = tree.Missing(r.IntN(3))
		}
		// The node replaces a leaf. The leaf and a new one become its children.
		leaf := r.IntN(len(t.Leaves))
		n.Left, n.Right = ^leaf, ^len(t.Leaves)
		for i := range t.Nodes {
			for _, side := range []*int{&t.Nodes[i].Left, &t.Nodes[i].Right} {
				if *side == ^leaf {
					*side = len(t.Nodes)
				}
			}
		}
		t.Nodes, t.Leaves = append(t.Nodes, n), append(t.Leaves, tree.Leaf{})
	}
	for i := range t.Leaves {
		t.Leaves[i].Value = r.NormFloat64()
		if linear && r.IntN(3) > 0 {
			lin := &tree.Linear{Const: r.NormFloat64()}
			for range r.IntN(4) {
				lin.Features, lin.Coefs = append(lin.Features, r.IntN(len(m.Features))), append(lin.Coefs, r.NormFloat64()*1e-8)
			}
			t.Leaves[i].Linear = lin
		}
	}
	return t
}

func randomRows(r *rand.Rand, width, n int) []float64 {
	rows := make([]float64, n*width)
	special := []float64{math.NaN(), 0, math.Copysign(0, -1), 1e-36, -1e-36, 1e-35, 2e-35, -0.5, -1, -1.5, 1, 2, 2.5, 2.9, 3, 5.7, 31, 32, 63, 64, 65, 200,
		1 << 20, 1<<24 - 1, 1 << 24, 0.1, 20200101, 20200101.5, 20200102, 3e38}
	for i := range rows {
		rows[i] = r.NormFloat64()
		if r.IntN(3) > 0 {
			rows[i] = special[r.IntN(len(special))]
		}
	}
	return rows
}
