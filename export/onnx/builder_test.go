package onnx_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/onnx/internal/eval"
	"github.com/attune-hpo/attune/objective/tree"
)

func TestFunctionsPlainly(t *testing.T) { testFunctions(t, plainly) }

func TestFunctionsInRuntime(t *testing.T) { testFunctions(t, ort(t, 1)) }

// testFunctions compares what builders compose of several operators with package math.
func testFunctions(t *testing.T, run runner) {
	inf := math.Inf(1)
	x := []float64{0, 1e-320, 1e-300, 1e-17, -1e-17, 1e-9, -1e-9, 3e-5, 0.1, -0.1, 0.499, 0.5, -0.5, -0.9, 1, 3, 36.9, 50, -50, 700, 1e15, -1, -1e-300, inf, math.NaN()}
	for _, c := range []struct {
		name string
		add  func(b *onnx.Builder, v onnx.Value) onnx.Value
		want func(x float64) float64
	}{
		{"log1p", (*onnx.Builder).Log1p, math.Log1p},
		{"expm1", (*onnx.Builder).Expm1, math.Expm1},
		{"softplus", func(b *onnx.Builder, v onnx.Value) onnx.Value { return b.Link(tree.Link{Func: tree.Softplus}, v) }, func(x float64) float64 {
			y := []float64{x}
			tree.Link{Func: tree.Softplus}.Apply(y)
			return y[0]
		}},
		{"scale", func(b *onnx.Builder, v onnx.Value) onnx.Value {
			return b.Scale(v, []float64{3}, []float64{7})
		}, func(x float64) float64 { return (x - 3) / 7 }},
		{"unscale", func(b *onnx.Builder, v onnx.Value) onnx.Value {
			return b.Unscale(v, []float64{3}, []float64{7})
		}, func(x float64) float64 { return float64(x*7) + 3 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for form, eps := range map[onnx.Form]float64{onnx.Exact: 4e-16, onnx.Compatible: 4e-16} {
				b := onnx.NewBuilder(form)
				v := b.Input("x", onnx.Float64, onnx.Batch, onnx.Dim{Size: 1})
				b.Output("y", c.add(b, v))
				m, err := b.Model(onnx.Info{})
				require.NoError(t, err)
				got := run(t, m, map[string]eval.Array{"x": eval.New(onnx.Float64, x, len(x), 1)})["y"].Data
				for i := range x {
					want := c.want(x[i])
					if math.IsNaN(want) || math.IsInf(want, 0) {
						assert.True(t, want == got[i] || math.IsNaN(want) && math.IsNaN(got[i]), "of %v: want %v, have %v", x[i], want, got[i])
						continue
					}
					assert.LessOrEqual(t, math.Abs(got[i]-want), eps*math.Abs(want)+5e-324, "of %v: want %v, have %v", x[i], want, got[i])
				}
			}
		})
	}
}

func TestBuilderErrors(t *testing.T) {
	x := func(b *onnx.Builder) onnx.Value { return b.Input("x", onnx.Float64, onnx.Batch, onnx.Dim{Size: 2}) }
	for _, c := range []struct {
		name, want string
		build      func(b *onnx.Builder)
	}{
		{"name", `input "x": the name is empty or taken`, func(b *onnx.Builder) { x(b); x(b) }},
		{"types", `Add "add_1": invalid model: elements of types DOUBLE and INT64`, func(b *onnx.Builder) { b.Op("Add", nil, x(b), b.Integers(1)) }},
		{"dimensions", "do not fit together", func(b *onnx.Builder) { v := x(b); b.Op("Add", nil, v, b.Floats(v, []float64{1, 2, 3})) }},
		{"the first error sticks", "Add", func(b *onnx.Builder) { b.Op("Sub", nil, b.Op("Add", nil, x(b))) }},
		{"rows of another width", "rows of DOUBLE [batch 2] for 1 features", func(b *onnx.Builder) {
			b.Trees(&tree.Model{Outputs: 1, Features: make([]tree.Feature, 1)}, x(b))
		}},
		{"numbers of no type", "constants of type INT64: unsupported", func(b *onnx.Builder) { b.Number(b.Integers(1), 2) }},
		{"data of a constant", "for dimensions [3]", func(b *onnx.Builder) { b.Const(onnx.NewTensor("", []float64{1}, 3)) }},
		{"operator of a later version", "came with version 20, and the model imports 17", func(b *onnx.Builder) { b.Output("y", b.Op("Gelu", nil, x(b))) }},
		{"index", "index 2 of 2", func(b *onnx.Builder) { b.Gather(x(b), 1, 2) }},
		{"matrices", "matrices of", func(b *onnx.Builder) { v := x(b); b.Op("MatMul", nil, v, b.Floats(v, []float64{1, 2, 3}, 3, 1)) }},
		{"no outputs", "the graph has no outputs", func(b *onnx.Builder) { x(b) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := onnx.NewBuilder(onnx.Compatible)
			c.build(b)
			_, err := b.Model(onnx.Info{})
			require.ErrorContains(t, err, c.want)
		})
	}
}

// What is inferred is what comes out.
func TestShapes(t *testing.T) {
	b := onnx.NewBuilder(onnx.Exact)
	x := b.Input("x", onnx.Float64, onnx.Batch, onnx.Dim{Size: 6})
	cube := b.Reshape(x, 0, 2, 3)
	for _, c := range []struct {
		v    onnx.Value
		want string
	}{
		{cube, "[batch 2 3]"},
		{b.Reshape(cube, -1, 6), "[batch 6]"},
		{b.Reshape(x, -1, 3), "[? 3]"},
		{b.Reshape(x, 0, -1, 2), "[batch 3 2]"},
		{b.Op("Transpose", []onnx.Attr{{Name: "perm", Value: onnx.Ints{2, 0, 1}}}, cube), "[3 batch 2]"},
		{b.Gather(cube, 1, 0), "[batch 1 3]"},
		{b.Op("Gather", []onnx.Attr{{Name: "axis", Value: onnx.Int(1)}}, cube, b.Const(onnx.Scalar("", int64(1)))), "[batch 3]"},
		{b.Slice(x, 1, -2, 100), "[batch 2]"},
		{b.Op("Unsqueeze", nil, x, b.Integers(-1, 0)), "[1 batch 6 1]"},
		{b.Op("Squeeze", nil, b.Slice(x, 1, 0, 1), b.Integers(1)), "[batch]"},
		{b.Concat(1, x, x, b.Slice(x, 1, 0, 1)), "[batch 13]"},
		{b.Op("Expand", nil, b.Slice(x, 1, 0, 1), b.Integers(1, 5)), "[batch 5]"},
		{b.Op("ReduceMax", []onnx.Attr{{Name: "keepdims", Value: onnx.Int(0)}}, cube, b.Integers(-1)), "[batch 2]"},
		{b.Op("ReduceSum", nil, cube), "[1 1 1]"},
		{b.Op("MatMul", nil, cube, b.Floats(x, make([]float64, 12), 3, 4)), "[batch 2 4]"},
		{b.Op("Gemm", nil, x, b.Floats(x, make([]float64, 12), 6, 2)), "[batch 2]"},
		{b.Sum(x), "[batch 1]"},
		{b.Op("IsNaN", nil, x), "[batch 6]"},
		{b.Op("Where", nil, b.Op("IsNaN", nil, cube), b.Number(x, 0), cube), "[batch 2 3]"},
		{b.Op("Shape", nil, x), "[2]"},
	} {
		require.NoError(t, b.Err())
		assert.Equal(t, c.want, dims(c.v), "%+v", c.v)
	}
}

func dims(v onnx.Value) string {
	s := "["
	for i, d := range v.Dims {
		if i > 0 {
			s += " "
		}
		s += d.String()
	}
	return s + "]"
}

func TestOutputs(t *testing.T) {
	b := onnx.NewBuilder(onnx.Compatible)
	x := b.Input("x", onnx.Float32, onnx.Batch)
	y := b.Op("Neg", nil, x)
	z := b.Op("Abs", nil, y)
	b.Output("same", x)
	b.Output("minus", y)
	b.Output("minus again", y)
	b.Output("size", z)
	b.Op("Add", nil, z, b.Number(z, 1)) // nothing needs it
	m, err := b.Model(onnx.Info{Name: "g", Doc: "d", Version: "v1", Metadata: []onnx.Property{{Key: "k", Value: "v"}}})
	require.NoError(t, err)
	assert.Equal(t, []any{"g", "d", "attune", "v1", 1}, []any{m.Graph.Name, m.Doc, m.Producer, m.ProducerVersion, len(m.Opsets)})
	assert.Len(t, m.Graph.Nodes, 4)
	assert.Empty(t, m.Graph.Initializers)
	out := plainly(t, m, map[string]eval.Array{"x": eval.New(onnx.Float32, []float64{-2, 3}, 2)})
	assert.Equal(t, []float64{-2, 3}, out["same"].Data)
	assert.Equal(t, []float64{2, -3}, out["minus"].Data)
	assert.Equal(t, []float64{2, -3}, out["minus again"].Data)
	assert.Equal(t, []float64{2, 3}, out["size"].Data)
}
