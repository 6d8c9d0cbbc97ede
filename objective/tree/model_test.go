package tree

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stump is a valid model of one split.
func stump() *Model {
	return &Model{
		Features: []Feature{{Name: "x"}, {Name: "c", Kind: Categorical}},
		Outputs:  1,
		Trees: []Tree{{
			Nodes:  []Node{{Feature: 0, Threshold: 0.5, Left: ^0, Right: ^1, Count: 10}},
			Leaves: []Leaf{{Value: 1, Count: 4}, {Value: 2, Count: 6}},
		}},
	}
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	three := func(m *Model) *Tree { // the root and a node on each side
		m.Trees[0] = Tree{
			Nodes:  []Node{{Left: 1, Right: 2}, {Left: ^0, Right: ^1}, {Left: ^2, Right: ^3}},
			Leaves: make([]Leaf, 4),
		}
		return &m.Trees[0]
	}
	for _, c := range []struct {
		name  string
		spoil func(m *Model)
		says  string
	}{
		{"no outputs", func(m *Model) { m.Outputs = 0 }, "0 outputs"},
		{"base of another size", func(m *Model) { m.Base = []float64{1, 2} }, "2 base values for 1 outputs"},
		{"NaN base", func(m *Model) { m.Base = []float64{math.NaN()} }, "base value NaN of output 0"},
		{"average and base", func(m *Model) { m.Average, m.Base = true, []float64{1} }, "add it to the leaves"},
		{"link", func(m *Model) { m.Link.Func = 99 }, "unknown link LinkFunc(99)"},
		{"scale", func(m *Model) { m.Link.Scale = -1 }, "scale -1"},
		{"kind", func(m *Model) { m.Features[0].Kind = 9 }, `feature 0 ("x"): unknown kind`},
		{"output", func(m *Model) { m.Trees[0].Output = 1 }, "tree 0: output 1, not in 0..0"},
		{"leaves", func(m *Model) { m.Trees[0].Leaves = m.Trees[0].Leaves[:1] }, "1 leaves and 1 inner nodes"},
		{"feature", func(m *Model) { m.Trees[0].Nodes[0].Feature = 2 }, "tree 0: node 0: feature 2, not in 0..1"},
		{"negative feature", func(m *Model) { m.Trees[0].Nodes[0].Feature = -1 }, "feature -1"},
		{"threshold", func(m *Model) { m.Trees[0].Nodes[0].Threshold = math.NaN() }, "threshold is NaN"},
		{"missing", func(m *Model) { m.Trees[0].Nodes[0].Missing = 7 }, "Missing(7)"},
		{"child", func(m *Model) { m.Trees[0].Nodes[0].Left = 1 }, "child 1 out of range"},
		{"leaf", func(m *Model) { m.Trees[0].Nodes[0].Right = ^2 }, "child -3 out of range"},
		{"far leaf", func(m *Model) { m.Trees[0].Nodes[0].Right = math.MinInt }, "out of range"},
		{"leaf value", func(m *Model) { m.Trees[0].Leaves[1].Value = math.Inf(1) }, "leaf 1: value +Inf"},
		{"weight", func(m *Model) { m.Trees[0].Leaves[1].Weight = -1 }, "weight -1"},
		{"count", func(m *Model) { m.Trees[0].Nodes[0].Count = -1 }, "count -1"},
		{"gain", func(m *Model) { m.Trees[0].Nodes[0].Gain = math.NaN() }, "gain NaN"},
		{"categories of a number", func(m *Model) { m.Trees[0].Nodes[0].SetCategories(1) }, "categorical split on numeric feature 0"},
		{"categories without NaN", func(m *Model) {
			n := &m.Trees[0].Nodes[0]
			n.Feature, n.Missing = 1, MissingZero
			n.SetCategories(1)
		}, "categorical split with missing zero"},
		{"linear sizes", func(m *Model) { m.Trees[0].Leaves[0].Linear = &Linear{Features: []int{0}} }, "0 coefficients for 1 features"},
		{"linear feature", func(m *Model) {
			m.Trees[0].Leaves[0].Linear = &Linear{Features: []int{5}, Coefs: []float64{1}}
		}, "feature 5"},
		{"loop to itself", func(m *Model) { three(m).Nodes[1].Left = 1 }, "node 1 is reached twice"},
		{"loop to the root", func(m *Model) { three(m).Nodes[2].Right = 0 }, "node 0 is reached twice"},
		{"two parents", func(m *Model) { three(m).Nodes[0].Right = 1 }, "reached twice"},
		{"island", func(m *Model) {
			x := three(m)
			x.Nodes[0].Left, x.Nodes[1].Left = ^0, 1
		}, "node 1 is never reached"},
		{"shared leaf", func(m *Model) { three(m).Nodes[2].Right = ^2 }, "leaf 2 is reached twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := stump()
			require.NoError(t, m.Validate())
			c.spoil(m)
			err := m.Validate()
			require.ErrorIs(t, err, ErrInvalid)
			assert.ErrorContains(t, err, c.says)
			_, err = NewPredictor(m)
			assert.ErrorIs(t, err, ErrInvalid)
			assert.ErrorIs(t, m.SHAP(nil, nil), ErrInvalid)
		})
	}
	assert.ErrorIs(t, (*Model)(nil).Validate(), ErrInvalid)
}

func TestWhereMissingValuesGo(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name string
		node Node
		left []float64
		not  []float64
	}{
		{"NaN right", Node{Threshold: 1}, []float64{1, 0, -inf}, []float64{1.5, nan, inf}},
		{"NaN left", Node{Threshold: -1, DefaultLeft: true}, []float64{-1, nan}, []float64{0, inf}},
		{"none", Node{Threshold: -1, Missing: MissingNone, DefaultLeft: true}, []float64{-2}, []float64{0, nan}},
		{"none, 0 left", Node{Threshold: 1, Missing: MissingNone}, []float64{0, nan}, []float64{2}},
		{"zero left", Node{Threshold: -1, Missing: MissingZero, DefaultLeft: true}, []float64{0, nan, 1e-36, -ZeroRange, -2}, []float64{1e-34, 1}},
		{"zero right", Node{Threshold: 1, Missing: MissingZero}, []float64{1e-34, -1}, []float64{0, nan, -1e-36, 2}},
		{"infinite threshold", Node{Threshold: inf}, []float64{inf, -inf, 0}, []float64{nan}},
		{"no threshold", Node{Threshold: -inf}, []float64{-inf}, []float64{nan, 0, inf}},
		{"categories", Node{Categories: []uint32{0b101, 1}}, []float64{0, 2, 2.9, 32, -0.5}, []float64{1, 3, 33, 64, -1, -2, nan, 1e9, -1e300, inf}},
		{"categories and NaN", Node{Categories: []uint32{0b10}, DefaultLeft: true}, []float64{1, nan}, []float64{0, -1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := stump()
			m.Features[0].Kind = Categorical
			c.node.Left, c.node.Right = ^0, ^1
			m.Trees[0].Nodes[0] = c.node
			for i, xs := range [][]float64{c.left, c.not} {
				for _, x := range xs {
					raw, _ := predict(t, m, []float64{x, 0})
					assert.EqualValues(t, i+1, raw[0], "%v", x)
				}
			}
		})
	}
}

func TestWidenKeepsTheSidesOfRounding(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	thresholds := []float64{0, math.Copysign(0, -1), 1, -1, math.MaxFloat32, -math.MaxFloat32, math.Inf(1), math.Inf(-1),
		math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 0.1, 1e300, -1e300, 1 << 24, 16777217}
	for range 2000 {
		thresholds = append(thresholds, float64(math.Float32frombits(r.Uint32())))
	}
	for _, at := range thresholds {
		if math.IsNaN(at) {
			continue
		}
		w := widen(at)
		for _, x := range []float64{w, math.Nextafter(w, math.Inf(1)), math.Nextafter(w, math.Inf(-1)), at, 0, -at,
			float64(math.Nextafter32(float32(at), float32(math.Inf(1)))), math.Inf(1), math.Inf(-1), r.NormFloat64()} {
			require.Equal(t, float64(float32(x)) <= at, x <= w, "threshold %v, x %v", at, x)
		}
	}
}

// random returns a model that uses everything a model can have.
func random(r *rand.Rand, trees, leaves, features, outputs int) *Model {
	m := &Model{Outputs: outputs, Features: make([]Feature, features)}
	for i := range m.Features {
		if i%4 == 3 {
			m.Features[i].Kind = Categorical
		}
	}
	for i := range trees {
		t := Tree{Output: i % outputs, Leaves: []Leaf{{Value: r.NormFloat64()}}}
		// Split a random leaf, many times.
		parent, side := []int{-1}, []bool{false}
		for len(t.Leaves) < leaves {
			at := r.IntN(len(t.Leaves))
			n := Node{Feature: r.IntN(features), Threshold: r.NormFloat64(), DefaultLeft: r.IntN(2) == 0, Missing: Missing(r.IntN(3))}
			if m.Features[n.Feature].Kind == Categorical {
				n.Missing = MissingNaN
				n.SetCategories(r.IntN(40), r.IntN(40), r.IntN(80))
			}
			n.Left, n.Right = ^at, ^len(t.Leaves)
			id := len(t.Nodes)
			if p := parent[at]; p >= 0 {
				if side[at] {
					t.Nodes[p].Left = id
				} else {
					t.Nodes[p].Right = id
				}
			}
			parent[at], side[at] = id, true
			parent, side = append(parent, id), append(side, false)
			t.Nodes = append(t.Nodes, n)
			t.Leaves = append(t.Leaves, Leaf{Value: r.NormFloat64()})
		}
		for j := range t.Leaves {
			t.Leaves[j].Count = 1 + r.IntN(20)
		}
		for j := len(t.Nodes) - 1; j >= 0; j-- {
			n := &t.Nodes[j]
			for _, c := range []int{n.Left, n.Right} {
				if c < 0 {
					n.Count += t.Leaves[^c].Count
				} else {
					n.Count += t.Nodes[c].Count
				}
			}
		}
		m.Trees = append(m.Trees, t)
	}
	return m
}

func randomRows(r *rand.Rand, n, features int) []float64 {
	rows := make([]float64, n*features)
	for i := range rows {
		rows[i] = r.NormFloat64()
		if i%features%4 == 3 {
			rows[i] = float64(r.IntN(90) - 5)
		}
		if k := r.IntN(40); k < 8 {
			rows[i] = []float64{math.NaN(), 0, 1e-36, math.Inf(1), math.Inf(-1), 0.5, -0.5, 1e10}[k]
		}
	}
	return rows
}

// The fast predictor agrees with its plain twin for all shapes and any number of threads.
func TestPredictorIsItsPlainTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		features, outputs := 1+r.IntN(9), 1+r.IntN(3)
		m := random(r, r.IntN(12), 1+r.IntN(40), features, outputs)
		switch r.IntN(3) {
		case 0:
			m.Average = true
		case 1:
			m.Base = slices.Repeat([]float64{1.25}, outputs)
		}
		m.Float32 = r.IntN(2) == 0
		if len(m.Trees) > 0 && r.IntN(3) == 0 {
			m.Trees[0].Leaves[0].Linear = &Linear{1, []int{0}, []float64{2}}
		}
		n := r.IntN(700)
		rows := randomRows(r, n, features)
		want, _ := predict(t, m, rows)
		p, err := NewPredictor(m)
		require.NoError(t, err)
		p.Threads = 3
		got := make([]float64, len(want))
		require.NoError(t, p.PredictRaw(rows, got))
		sameBits(t, want, got)
	}
}

func TestPredictorRefusesWrongSizes(t *testing.T) {
	p, err := NewPredictor(stump())
	require.NoError(t, err)
	out := []float64{7}
	for _, rows := range [][]float64{nil, {1}, {1, 2, 3}, {1, 2, 3, 4}} {
		require.ErrorContains(t, p.Predict(rows, out), "want 2 in and 1 out a row")
		assert.Equal(t, []float64{7}, out, "nothing is written")
	}
	require.NoError(t, p.Predict(nil, nil))
}

// shapley computes SHAP values by their definition, over all subsets of features
// (Lundberg et al. 2018, equation 2, with the expectations of algorithm 1).
func shapley(m *Model, row []float64) []float64 {
	f := len(m.Features)
	expect := func(t *Tree, known int) float64 {
		var walk func(i int) (value, count float64)
		walk = func(i int) (float64, float64) {
			if i < 0 {
				return t.Leaves[^i].Value, float64(t.Leaves[^i].Count)
			}
			n := &t.Nodes[i]
			l, lc := walk(n.Left)
			r, rc := walk(n.Right)
			switch {
			case known>>n.Feature&1 == 0:
				return (l*lc + r*rc) / (lc + rc), lc + rc
			case n.left(row[n.Feature], false):
				return l, lc + rc
			}
			return r, lc + rc
		}
		if len(t.Nodes) == 0 {
			return t.Leaves[0].Value
		}
		v, _ := walk(0)
		return v
	}
	factorial := func(n int) float64 { return math.Gamma(float64(n) + 1) }
	out := make([]float64, f+1)
	for i := range m.Trees {
		t := &m.Trees[i]
		out[f] += expect(t, 0)
		for set := range 1 << f {
			size := 0
			for j := range f {
				size += set >> j & 1
			}
			for j := range f {
				if set>>j&1 == 0 {
					w := factorial(size) * factorial(f-size-1) / factorial(f)
					out[j] += w * (expect(t, set|1<<j) - expect(t, set))
				}
			}
		}
	}
	return out
}

func TestSHAPIsTheShapleyValue(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		m := random(r, 3, 12, 5, 1)
		row := randomRows(r, 1, 5)
		out := make([]float64, 6)
		require.NoError(t, m.SHAP(row, out))
		near(t, shapley(m, row), out, 1e-12)
	}
}

func TestSHAPRefuses(t *testing.T) {
	m := stump()
	require.ErrorContains(t, m.SHAP([]float64{1, 2}, make([]float64, 2)), "want 2 in and 3 out a row")
	m.Trees[0].Nodes[0].Count, m.Trees[0].Leaves[0].Count, m.Trees[0].Leaves[1].Count = 0, 0, 0
	err := m.SHAP([]float64{1, 2}, make([]float64, 3))
	require.ErrorIs(t, err, ErrUnsupported)
	require.ErrorContains(t, err, "without counts and weights")
}

func TestLinks(t *testing.T) {
	for _, c := range []struct {
		link     Link
		in, want []float64
	}{
		{Link{}, []float64{-2, 3}, []float64{-2, 3}},
		{Link{Func: Sigmoid}, []float64{0, math.Log(3), -1000}, []float64{0.5, 0.75, 0}},
		{Link{Func: Sigmoid, Scale: 2}, []float64{math.Log(3) / 2}, []float64{0.75}},
		{Link{Func: Softmax}, []float64{1000, 1000 + math.Log(3)}, []float64{0.25, 0.75}},
		{Link{Func: Exp}, []float64{0, 1}, []float64{1, math.E}},
		{Link{Func: Square}, []float64{-3, 2}, []float64{-9, 4}},
		{Link{Func: Softplus}, []float64{0, 1000, -1000}, []float64{math.Ln2, 1000, 0}},
		{Link{Func: Step}, []float64{-1, 0, 1}, []float64{0, 0, 1}},
		{Link{Func: Anomaly, Scale: 10}, []float64{0, 10, 20}, []float64{1, 0.5, 0.25}},
	} {
		t.Run(c.link.Func.String(), func(t *testing.T) {
			got := slices.Clone(c.in)
			c.link.Apply(got)
			assert.InDeltaSlice(t, c.want, got, 1e-13)
		})
	}
}
