package onnx

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Builder builds a graph node by node, and infers the types and dimensions of values. It keeps the first error and
// ignores later calls; [Builder.Model] returns the error. Equal calls make equal bytes. It must be used by one
// goroutine at a time.
type Builder struct {
	form   Form
	err    error
	nodes  []Node
	inits  []Tensor
	inputs []ValueInfo
	out    []ValueInfo
	facts  map[string]fact
	taken  map[string]int    // names, and the number of values made with each
	consts map[string]Value  // by type, dimensions and bytes
	rename map[string]string // values that are outputs
	trees  bool              // ai.onnx.ml is used
	// operators of ONNX Runtime's own domain are used
	runtime bool
}

// NewBuilder returns a builder of a model of a form.
func NewBuilder(form Form) *Builder {
	b := &Builder{form: form, facts: map[string]fact{}, taken: map[string]int{}, consts: map[string]Value{}, rename: map[string]string{}}
	if form < Exact || form > Single {
		b.fail("form %v: %w", form, ErrUnsupported)
	}
	return b
}

// A Value is the result of a node, an input or a constant.
type Value struct {
	name string
	Type DataType // 0: not known
	Dims []Dim    // nil: not known
}

// Width returns the size of the last dimension, or -1 if it is unknown.
func (v Value) Width() int {
	if n := len(v.Dims); n > 0 && v.Dims[n-1].known() {
		return int(v.Dims[n-1].Size)
	}
	return -1
}

// Form returns the form of the model.
func (b *Builder) Form() Form { return b.form }

// Err returns the first error.
func (b *Builder) Err() error { return b.err }

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = pkg.Errorf("build: "+format, args...)
	}
}

// fresh returns an unused name.
func (b *Builder) fresh(stem string) string {
	for {
		b.taken[stem]++
		name := stem + "_" + strconv.Itoa(b.taken[stem])
		if _, ok := b.taken[name]; !ok {
			b.taken[name] = 0
			return name
		}
	}
}

// reserve reserves a requested name.
func (b *Builder) reserve(what, name string) {
	if _, ok := b.taken[name]; ok || name == "" {
		b.fail("%s %q: the name is empty or taken", what, name)
	}
	b.taken[name] = 0
}

func (b *Builder) value(name string, f fact) Value {
	b.facts[name] = f
	return Value{name, f.typ, f.dims}
}

// Input declares an input of the graph.
func (b *Builder) Input(name string, typ DataType, dims ...Dim) Value {
	b.reserve("input", name)
	dims = append([]Dim{}, dims...)
	b.inputs = append(b.inputs, ValueInfo{Name: name, Type: typ, Dims: dims})
	return b.value(name, fact{typ, dims, nil})
}

// Batch is the dimension of the rows of a batch, of any size.
var Batch = Dim{Name: "batch"}

// Output declares a value as an output of the graph.
func (b *Builder) Output(name string, v Value) {
	if b.err != nil {
		return
	}
	if !slices.ContainsFunc(b.nodes, func(n Node) bool { return slices.Contains(n.Outputs, v.name) }) || b.rename[v.name] != "" {
		v = b.Op("Identity", nil, v) // an input, a constant or an output already
	}
	b.reserve("output", name)
	b.rename[v.name] = name
	b.out = append(b.out, ValueInfo{Name: name, Type: v.Type, Dims: v.Dims})
}

// Const returns a constant. Its name does not matter; equal constants are stored once.
func (b *Builder) Const(t Tensor) Value {
	if err := t.check(); err != nil {
		b.fail("constant: %w: %w", ErrInvalid, err)
		return Value{}
	}
	key := fmt.Sprint(t.Type, t.Dims, "|") + string(t.Raw)
	if v, ok := b.consts[key]; ok {
		return v
	}
	t.Name = b.fresh("const")
	b.inits = append(b.inits, t)
	b.consts[key] = b.value(t.Name, factOf(&t))
	return b.consts[key]
}

// Floats returns a constant of floating point numbers, of the type of like.
func (b *Builder) Floats(like Value, x []float64, dims ...int64) Value {
	switch like.Type {
	case Float64:
		return b.Const(NewTensor("", x, dims...))
	case Float32:
		f := make([]float32, len(x))
		for i, v := range x {
			f[i] = float32(v)
		}
		return b.Const(NewTensor("", f, dims...))
	}
	b.fail("constants of type %v: %w", like.Type, ErrUnsupported)
	return Value{}
}

// Number returns a constant without dimensions, of the type of like.
func (b *Builder) Number(like Value, x float64) Value {
	return b.Floats(like, []float64{x}, []int64{}...)
}

// Integers returns a constant list of integers.
func (b *Builder) Integers(x ...int64) Value { return b.Const(NewTensor("", x)) }

// Op adds a node of a standard operator with one output.
func (b *Builder) Op(op string, attrs []Attr, in ...Value) Value {
	return b.Node(Node{Op: op, Attrs: attrs}, 1, in...)[0]
}

// Node adds a node with the given number of outputs. The builder names the values; n has everything else. A zero
// [Value] is an omitted input.
func (b *Builder) Node(n Node, outputs int, in ...Value) []Value {
	values := make([]Value, outputs)
	if b.err != nil {
		return values
	}
	facts := make([]fact, len(in))
	n.Inputs, n.Outputs = nil, nil
	for i, v := range in {
		n.Inputs = append(n.Inputs, v.name)
		facts[i] = b.facts[v.name]
	}
	stem := strings.ToLower(n.Op)
	for range outputs {
		n.Outputs = append(n.Outputs, b.fresh(stem))
	}
	if n.Name == "" && outputs > 0 {
		n.Name = n.Outputs[0]
	}
	out, err := infer(&n, facts)
	if err != nil {
		b.fail("%s %q: %w: %w", n.Op, n.Name, ErrInvalid, err)
		return values
	}
	for i, f := range out {
		values[i] = b.value(n.Outputs[i], f)
	}
	b.trees, b.runtime = b.trees || n.Domain == ML, b.runtime || n.Domain == Microsoft
	b.nodes = append(b.nodes, n)
	return values
}

// Cast converts a value to a type. It does nothing if the value has that type.
func (b *Builder) Cast(v Value, to DataType) Value {
	if v.Type == to {
		return v
	}
	return b.Op("Cast", []Attr{{"to", Int(to)}}, v)
}

// Concat joins values along an axis. It returns a single value unchanged.
func (b *Builder) Concat(axis int, v ...Value) Value {
	if len(v) == 1 {
		return v[0]
	}
	return b.Op("Concat", []Attr{{"axis", Int(axis)}}, v...)
}

// Gather picks elements along an axis, in the order of their indices.
func (b *Builder) Gather(v Value, axis int, indices ...int64) Value {
	return b.Op("Gather", []Attr{{"axis", Int(axis)}}, v, b.Integers(indices...))
}

// Slice returns [from, to) of an axis.
func (b *Builder) Slice(v Value, axis, from, to int) Value {
	return b.Op("Slice", nil, v, b.Integers(int64(from)), b.Integers(int64(to)), b.Integers(int64(axis)))
}

// Reshape changes the dimensions: 0 keeps a dimension, and -1 stands for the rest.
func (b *Builder) Reshape(v Value, dims ...int64) Value {
	return b.Op("Reshape", nil, v, b.Integers(dims...))
}

// Sum adds along the last axis, in order as a loop would, and keeps the axis with size 1. (ReduceSum adds in an
// unspecified order.)
func (b *Builder) Sum(v Value) Value {
	last := len(v.Dims) - 1
	if v.Width() == 1 {
		return v
	}
	sums := b.Op("CumSum", nil, v, b.Const(Scalar("", int64(last))))
	return b.Gather(sums, last, -1)
}

// Scale returns (v-shift)/scale, column by column of the last axis: a scaler. With
// one number each it is the same for all columns.
func (b *Builder) Scale(v Value, shift, scale []float64) Value {
	return b.Op("Div", nil, b.Op("Sub", nil, v, b.Floats(v, shift)), b.Floats(v, scale))
}

// Unscale undoes Scale.
func (b *Builder) Unscale(v Value, shift, scale []float64) Value {
	return b.Op("Add", nil, b.Op("Mul", nil, v, b.Floats(v, scale)), b.Floats(v, shift))
}

// Log1p returns log(1+v), which is also accurate for small v (Kahan's method: the rounding of 1+v is divided out). It
// is NaN below -1.
func (b *Builder) Log1p(v Value) Value {
	one := b.Number(v, 1)
	u := b.Op("Add", nil, one, v)
	d := b.Op("Sub", nil, u, one)
	scaled := b.Op("Div", nil, b.Op("Mul", nil, b.Op("Log", nil, u), v), d)
	// v itself if 1+v is 1; the plain logarithm for infinity and 0.
	plain := b.Op("Or", nil, b.Op("Equal", nil, u, b.Number(v, math.Inf(1))), b.Op("Equal", nil, u, b.Number(v, 0)))
	scaled = b.Op("Where", nil, plain, b.Op("Log", nil, u), scaled)
	return b.Op("Where", nil, b.Op("Equal", nil, d, b.Number(v, 0)), v, scaled)
}

// Expm1 returns exp(v)-1, which is also accurate for small v (Kahan's method).
func (b *Builder) Expm1(v Value) Value {
	one := b.Number(v, 1)
	u := b.Op("Exp", nil, v)
	d := b.Op("Sub", nil, u, one)
	scaled := b.Op("Div", nil, b.Op("Mul", nil, d, v), b.Op("Log", nil, u))
	// The plain difference where it is accurate, which includes the values where log u is not a number.
	far := b.Op("Greater", nil, b.Op("Abs", nil, v), b.Number(v, 0.5))
	scaled = b.Op("Where", nil, far, d, scaled)
	return b.Op("Where", nil, b.Op("Equal", nil, d, b.Number(v, 0)), v, scaled)
}

// Info describes a model in its file.
type Info struct {
	Name     string     // of the graph; default "attune"
	Doc      string     // for people
	Version  string     // of the program that wrote it, such as "v1.2.3"
	Metadata []Property // in order, keys unique; see [TrialMetadata]
}

// Model returns the model built so far, without nodes that no output needs. It fails with the first error of the
// builder, and as [Model.Check] does.
func (b *Builder) Model(info Info) (*Model, error) {
	if b.err != nil {
		return nil, b.err
	}
	stamp := b.form.Stamp()
	m := &Model{IR: stamp.IR, Opsets: []Opset{{Standard, stamp.Opset}}, Producer: producer, ProducerVersion: info.Version, Doc: info.Doc,
		Metadata: slices.Clone(info.Metadata)}
	if b.trees {
		m.Opsets = append(m.Opsets, Opset{ML, stamp.ML})
	}
	if b.runtime {
		m.Opsets = append(m.Opsets, Opset{Microsoft, 1})
	}
	m.Graph = Graph{Name: info.Name, Inputs: slices.Clone(b.inputs), Outputs: slices.Clone(b.out)}
	if m.Graph.Name == "" {
		m.Graph.Name = producer
	}
	// Nodes that no output needs are left out.
	needed := map[string]bool{}
	for from := range b.rename {
		needed[from] = true
	}
	for _, n := range slices.Backward(b.nodes) {
		if slices.ContainsFunc(n.Outputs, func(name string) bool { return needed[name] }) {
			m.Graph.Nodes = append(m.Graph.Nodes, b.used(n, needed))
		}
	}
	slices.Reverse(m.Graph.Nodes)
	for _, t := range b.inits {
		if needed[t.Name] {
			m.Graph.Initializers = append(m.Graph.Initializers, t)
		}
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	return m, nil
}

// used returns a copy of a node with the final names of values, and adds the values that it needs.
func (b *Builder) used(n Node, needed map[string]bool) Node {
	n.Inputs, n.Outputs = slices.Clone(n.Inputs), slices.Clone(n.Outputs)
	for _, name := range n.Inputs {
		needed[name] = true
	}
	for _, names := range [][]string{n.Inputs, n.Outputs} {
		for i, name := range names {
			if to := b.rename[name]; to != "" {
				names[i] = to
			}
		}
	}
	for i, a := range n.Attrs {
		g, ok := a.Value.(Graph)
		if !ok {
			continue
		}
		for _, v := range g.Outputs {
			needed[v.Name] = true
		}
		inner := g.Nodes
		g.Nodes = nil
		for _, n := range slices.Backward(inner) {
			if slices.ContainsFunc(n.Outputs, func(name string) bool { return needed[name] }) {
				g.Nodes = append(g.Nodes, b.used(n, needed))
			}
		}
		slices.Reverse(g.Nodes)
		n.Attrs = slices.Clone(n.Attrs)
		n.Attrs[i].Value = g
	}
	return n
}
