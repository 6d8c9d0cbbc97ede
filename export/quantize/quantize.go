package quantize

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "quantize"

var (
	// ErrConfig reports options that are invalid or do not fit the model.
	ErrConfig = errors.New("wrong option")
	// ErrNothing reports a model without weights to quantize.
	ErrNothing = errors.New("there is nothing to quantize")
)

// A Kind is the form in which weights are stored.
type Kind string

// The kinds; see the package documentation.
const (
	FP16 Kind = "fp16"
	Int8 Kind = "int8"
)

// Options say how a model is quantized.
type Options struct {
	Kind Kind
	// Calibration holds inputs of the model: some hundred rows of the training data, from
	// all seasons. Int8 needs them for convolutions, to find the ranges of the values inside
	// the network.
	Calibration tensor.List
	// Precise uses 8 bits for the weights of Int8 instead of 7. This gives 0.3 to 0.9 times
	// the error, at 0.7 to 0.9 times the speed (with AVX2).
	Precise bool
	// Run runs the model on Calibration. Default [Runtime].
	Run Runner
}

// Least is the minimum number of elements of weights to quantize. Quantizing smaller ones
// would hardly shrink the file.
const Least = 1024

const property = "attune.quantized" // metadata

// Quantize returns a smaller model that computes about the same as m. It does not change
// m. Weights are float32 constants of a MatMul, an LSTM or a Conv; FP16 takes all
// constants. The metadata property attune.quantized records the kind.
//
// It fails with [ErrNothing] for a model without weights of at least [Least] elements,
// such as trees and linear models; with [ErrConfig] for an unknown kind, a model that is
// already quantized or has an opset below 13, and for convolutions without Calibration;
// with the error of Run; and with [onnx.ErrInvalid] for an invalid model.
func Quantize(ctx context.Context, m *onnx.Model, o Options) (*onnx.Model, error) {
	e, err := newEditor(m, o.Kind)
	if err == nil {
		switch o.Kind {
		case FP16:
			e.halve()
		case Int8:
			err = e.bytes(ctx, o)
		default:
			err = fmt.Errorf("%w: kind %q: want %s or %s", ErrConfig, o.Kind, FP16, Int8)
		}
	}
	if err == nil && e.changed == 0 {
		err = fmt.Errorf("%w: no weights of float32 have %d elements", ErrNothing, Least)
	}
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return e.model()
}

// An editor turns one graph into another.
type editor struct {
	old     *onnx.Model
	consts  map[string]onnx.Tensor
	taken   map[string]bool
	nodes   []onnx.Node
	inits   []onnx.Tensor // new constants
	renamed map[string]string
	dynamic map[string][]string // values converted to bytes, with their scale and zero point
	shared  map[string]string   // constants that several nodes share
	changed int                 // number of quantized weights
	kind    Kind
	foreign bool // the domain Microsoft is used
}

func newEditor(m *onnx.Model, kind Kind) (*editor, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	for _, p := range m.Metadata {
		if p.Key == property {
			return nil, fmt.Errorf("%w: the model is quantized already: %s", ErrConfig, p.Value)
		}
	}
	if v := m.Opset(onnx.Standard); v < 13 {
		return nil, fmt.Errorf("%w: the model is of opset %d: want 13 or later", ErrConfig, v)
	}
	e := &editor{old: m, consts: map[string]onnx.Tensor{}, taken: map[string]bool{}, renamed: map[string]string{}, dynamic: map[string][]string{}, shared: map[string]string{}, kind: kind}
	for _, t := range m.Graph.Initializers {
		e.consts[t.Name], e.taken[t.Name] = t, true
	}
	for _, v := range m.Graph.Inputs {
		delete(e.consts, v.Name) // a default, which a caller may override
		e.taken[v.Name] = true
	}
	for _, n := range m.Graph.Nodes {
		for _, name := range n.Outputs {
			e.taken[name] = true
		}
	}
	return e, nil
}

// weights returns the values of a constant that is worth quantizing, nil for another.
func (e *editor) weights(name string, dims int) (onnx.Tensor, []float32) {
	t, ok := e.consts[name]
	if !ok || t.Type != onnx.Float32 || dims > 0 && len(t.Dims) != dims {
		return t, nil
	}
	v, err := onnx.Values[float32](t)
	if err != nil || len(v) < Least || !allFinite(v) {
		return t, nil
	}
	return t, v
}

func allFinite(v []float32) bool {
	return !slices.ContainsFunc(v, func(x float32) bool { return !finite(float64(x)) })
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// fresh returns an unused name.
func (e *editor) fresh(name string) string {
	for try := name; ; try += "_" {
		if !e.taken[try] {
			e.taken[try] = true
			return try
		}
	}
}

// add adds a constant and returns its name.
func (e *editor) add(name string, t onnx.Tensor) string {
	t.Name = e.fresh(name)
	e.inits = append(e.inits, t)
	return t.Name
}

// emit adds a node with new outputs and returns their names.
func (e *editor) emit(n onnx.Node, outputs ...string) []string {
	for _, name := range outputs {
		n.Outputs = append(n.Outputs, e.fresh(name))
	}
	if n.Name == "" {
		n.Name = n.Outputs[0]
	}
	e.nodes = append(e.nodes, n)
	return n.Outputs
}

// model returns the resulting model.
func (e *editor) model() (*onnx.Model, error) {
	m := *e.old
	m.Graph.Nodes = e.nodes
	m.Metadata = append(slices.Clone(m.Metadata), onnx.Property{Key: property, Value: string(e.kind)})
	used := map[string]bool{}
	for _, n := range e.nodes {
		for _, name := range n.Inputs {
			used[name] = true
		}
	}
	for _, v := range slices.Concat(m.Graph.Outputs, m.Graph.Inputs) {
		used[v.Name] = true
	}
	m.Graph.Initializers = slices.DeleteFunc(slices.Concat(m.Graph.Initializers, e.inits), func(t onnx.Tensor) bool { return !used[t.Name] })
	m.Graph.Values = nil
	if e.foreign && m.Opset(onnx.Microsoft) == 0 {
		m.Opsets = append(slices.Clone(m.Opsets), onnx.Opset{Domain: onnx.Microsoft, Version: 1})
	}
	if err := m.Check(); err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return &m, nil
}

// halve stores constants in half precision, except those out of its range.
func (e *editor) halve() {
	for _, t := range e.old.Graph.Initializers {
		_, v := e.weights(t.Name, 0)
		raw := make([]byte, 0, 2*len(v))
		for _, x := range v {
			h := half(x)
			if h&0x7fff == 0x7c00 {
				v = nil // out of range
				break
			}
			raw = binary.LittleEndian.AppendUint16(raw, h)
		}
		if v == nil {
			continue
		}
		name := e.add(t.Name+"_fp16", onnx.Tensor{Type: onnx.Float16, Dims: t.Dims, Raw: raw})
		out := e.emit(onnx.Node{Op: "Cast", Inputs: []string{name}, Attrs: []onnx.Attr{{Name: "to", Value: onnx.Int(onnx.Float32)}}}, t.Name+"_cast")
		e.renamed[t.Name] = out[0]
		e.changed++
	}
	for _, n := range e.old.Graph.Nodes {
		e.nodes = append(e.nodes, e.current(n))
	}
}

// current returns a node with its inputs replaced by the current ones.
func (e *editor) current(n onnx.Node) onnx.Node {
	n.Inputs = slices.Clone(n.Inputs)
	for i, name := range n.Inputs {
		if to, ok := e.renamed[name]; ok {
			n.Inputs[i] = to
		}
	}
	return n
}

// half returns the bits of a finite number in half precision, rounded to nearest, ties to
// even; infinity if the number is too large.
func half(x float32) uint16 {
	sign := uint16(math.Float32bits(x) >> 16 & 0x8000)
	a := math.Abs(float64(x))
	if a < 0x1p-14 { // multiples of 2⁻²⁴
		return sign | uint16(math.RoundToEven(a*0x1p24))
	}
	_, e := math.Frexp(a) // a = f·2ᵉ, f in [1/2, 1)
	m := math.RoundToEven(math.Ldexp(a, 11-e))
	bits := (e+14)<<10 + int(m) - 1024 // a mantissa of 2048 carries into the exponent
	return sign | uint16(min(bits, 0x7c00))
}
