// Package fuzz fuzzes the code that reads and changes ONNX files. It is a separate package
// because an execution takes longer the more code is linked, and the tests of onnx and
// quantize link networks and all the code that trains them.
package fuzz

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/tensor"
)

// model returns the model that build describes.
func model(f *testing.F, build func(b *onnx.Builder)) *onnx.Model {
	b := onnx.NewBuilder(onnx.Compatible)
	build(b)
	m, err := b.Model(onnx.Info{})
	require.NoError(f, err)
	return m
}

func seed(f *testing.F, m *onnx.Model) {
	file, err := m.Encode()
	require.NoError(f, err)
	f.Add(file)
}

// A file that is read is written, and read again as the same model.
func FuzzDecode(f *testing.F) {
	seed(f, model(f, func(b *onnx.Builder) {
		b.Output("y", b.Op("Relu", nil, b.Input("x", onnx.Float32, onnx.Batch, onnx.Dim{Size: 2})))
	}))
	seed(f, &onnx.Model{
		IR: 8, Opsets: []onnx.Opset{{Domain: onnx.ML, Version: 3}}, Producer: "p", Metadata: []onnx.Property{{Key: "a", Value: "b"}},
		Graph: onnx.Graph{
			Name: "g", Doc: "d",
			Nodes: []onnx.Node{{Op: "N", Inputs: []string{"x", "", "w"}, Outputs: []string{"y"}, Attrs: []onnx.Attr{
				{Name: "f", Value: onnx.Float(0.5)}, {Name: "i", Value: onnx.Int(-1)}, {Name: "s", Value: onnx.String("s")},
				{Name: "fs", Value: onnx.Floats{0, 1}}, {Name: "is", Value: onnx.Ints{-1, 1 << 40}}, {Name: "ss", Value: onnx.Strings{"T", ""}},
				{Name: "t", Value: onnx.NewTensor("", []int8{-1, 1})}}}},
			Initializers: []onnx.Tensor{onnx.NewTensor("w", []float64{1, 2}, 2, 1), onnx.Scalar("b", true)},
			Inputs:       []onnx.ValueInfo{{Name: "x", Type: onnx.Float32, Dims: []onnx.Dim{onnx.Batch, onnx.Unknown, {Size: 7}}}},
			Outputs:      []onnx.ValueInfo{{Name: "y", Type: onnx.Float16}},
		},
	})
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := onnx.Decode(file)
		if err != nil {
			return
		}
		_ = m.Check()
		once, err := m.Encode()
		require.NoError(t, err)
		again, err := onnx.Decode(once)
		require.NoError(t, err)
		twice, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, once, twice)
	})
}

// Quantize makes valid models of valid models, and their files read back.
func FuzzQuantize(f *testing.F) {
	for _, build := range []func(b *onnx.Builder) onnx.Value{
		func(b *onnx.Builder) onnx.Value { // dense
			x := b.Input("x", onnx.Float32, onnx.Batch, onnx.Dim{Size: 32})
			return b.Op("MatMul", nil, x, weights(b, 32, 32))
		},
		func(b *onnx.Builder) onnx.Value { // a convolution
			x := b.Input("x", onnx.Float32, onnx.Batch, onnx.Dim{Size: 16}, onnx.Dim{Size: 4})
			return b.Op("Relu", nil, b.Op("Conv", nil, x, weights(b, 16, 16, 4), weights(b, 16)))
		},
		func(b *onnx.Builder) onnx.Value { // recurrent
			x := b.Input("x", onnx.Float32, onnx.Dim{Size: 2}, onnx.Batch, onnx.Dim{Size: 16})
			size := []onnx.Attr{{Name: "hidden_size", Value: onnx.Int(16)}}
			return b.Node(onnx.Node{Op: "LSTM", Attrs: size}, 1, x, weights(b, 1, 64, 16), weights(b, 1, 64, 16))[0]
		},
	} {
		m := model(f, func(b *onnx.Builder) { b.Output("y", build(b)) })
		q, err := quantized(f, m, quantize.Int8)
		require.NoError(f, err)
		require.NoError(f, q.Check())
		empty(m)
		seed(f, m)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := onnx.Decode(file)
		if err != nil {
			return
		}
		fill(m)
		for _, kind := range []quantize.Kind{quantize.FP16, quantize.Int8} {
			q, err := quantized(t, m, kind)
			if err != nil {
				continue
			}
			if q.Check() == nil {
				require.NoError(t, m.Check(), "a sound model of one that is not")
			}
			_, err = q.Encode()
			require.NoError(t, err)
		}
	})
}

// quantized runs m on one row. All nodes of m compute 1.
func quantized(t testing.TB, m *onnx.Model, kind quantize.Kind) (*onnx.Model, error) {
	return quantize.Quantize(t.Context(), m, quantize.Options{
		Kind:        kind,
		Calibration: tensor.List{{Name: "x", Shape: []int64{1, 16, 4}, Data: make([]float32, 64)}},
		Run: func(_ context.Context, m *onnx.Model, _ tensor.List) (out tensor.List, err error) {
			for _, v := range m.Graph.Outputs {
				out = append(out, tensor.Tensor{Name: v.Name, Shape: []int64{1}, Data: []float32{1}})
			}
			return out, nil
		},
	})
}

// Only weights with at least quantize.Least elements are quantized, which would make long
// files. So seeds omit them, and the target fills them in.

func weights(b *onnx.Builder, dims ...int64) onnx.Value {
	return b.Const(onnx.NewTensor("", make([]float32, elements(dims)), dims...))
}

func empty(m *onnx.Model) {
	for i := range m.Graph.Initializers {
		if t := &m.Graph.Initializers[i]; t.Type == onnx.Float32 {
			t.Raw = nil
		}
	}
}

func fill(m *onnx.Model) {
	for i := range m.Graph.Initializers {
		t := &m.Graph.Initializers[i]
		if n := elements(t.Dims); t.Type == onnx.Float32 && len(t.Raw) == 0 && n <= 4*quantize.Least {
			t.Raw = make([]byte, 4*n)
		}
	}
}

// elements returns the product of dims, or math.MaxInt64 if it is large or negative.
func elements(dims []int64) int64 {
	n := int64(1)
	for _, d := range dims {
		if d < 0 || d > 1<<20 || n > 1<<20 {
			return math.MaxInt64
		}
		n *= d
	}
	return n
}
