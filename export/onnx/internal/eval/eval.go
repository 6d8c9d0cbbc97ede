// Package eval runs the part of ONNX that package onnx writes, slowly and plainly:
// a second opinion on what a graph says, for tests where there is no runtime.
//
// Every number is a float64. Results of type FLOAT are rounded to float32, node by
// node. Integers are exact up to 2^53.
package eval

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/attune-hpo/attune/export/onnx"
)

// An Array is a tensor: Data by row, as many as Dims say.
type Array struct {
	Type onnx.DataType
	Dims []int
	Data []float64
}

// New returns an array of a type.
func New(typ onnx.DataType, data []float64, dims ...int) Array {
	return Array{typ, dims, data}.rounded()
}

func (a Array) rounded() Array {
	if a.Type == onnx.Float32 {
		a.Data = slices.Clone(a.Data)
		for i, v := range a.Data {
			a.Data[i] = float64(float32(v))
		}
	}
	return a
}

func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

func (a Array) ints() []int {
	out := make([]int, len(a.Data))
	for i, v := range a.Data {
		out[i] = int(v)
	}
	return out
}

// fromTensor converts a tensor.
func fromTensor(t onnx.Tensor) (Array, error) {
	a := Array{Type: t.Type, Dims: make([]int, len(t.Dims))}
	for i, d := range t.Dims {
		a.Dims[i] = int(d)
	}
	var err error
	switch t.Type {
	case onnx.Float64:
		a.Data, err = onnx.Values[float64](t)
	case onnx.Float32:
		a.Data, err = convert[float32](t)
	case onnx.Int64:
		a.Data, err = convert[int64](t)
	case onnx.Uint8:
		a.Data, err = convert[uint8](t)
	case onnx.Int8:
		a.Data, err = convert[int8](t)
	case onnx.Int32:
		a.Data, err = convert[int32](t)
	case onnx.Float16:
		for i := 0; i+1 < len(t.Raw); i += 2 {
			a.Data = append(a.Data, half(uint16(t.Raw[i])|uint16(t.Raw[i+1])<<8))
		}
	case onnx.Bool:
		var v []bool
		v, err = onnx.Values[bool](t)
		for _, x := range v {
			a.Data = append(a.Data, truth(x))
		}
	default:
		err = fmt.Errorf("elements of type %v", t.Type)
	}
	return a, err
}

func convert[T float32 | int64 | int32 | uint8 | int8](t onnx.Tensor) ([]float64, error) {
	v, err := onnx.Values[T](t)
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out, err
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Run returns the outputs of a model, by name. Inputs must have the type and the
// dimensions declared, and dimensions of one name be of one size.
func Run(m *onnx.Model, inputs map[string]Array) (out map[string]Array, err error) {
	named := map[string]int{}
	values := map[string]Array{}
	for _, v := range m.Graph.Inputs {
		in, ok := inputs[v.Name]
		if !ok || in.Type != v.Type || len(in.Dims) != len(v.Dims) || len(in.Data) != size(in.Dims) {
			return nil, fmt.Errorf("eval: input %q: want %v %v, have %v %v of %d values", v.Name, v.Type, v.Dims, in.Type, in.Dims, len(in.Data))
		}
		for i, d := range v.Dims {
			want := int(d.Size)
			if d.Name != "" {
				if named[d.Name] == 0 {
					named[d.Name] = in.Dims[i]
				}
				want = named[d.Name]
			}
			if want >= 0 && want != in.Dims[i] {
				return nil, fmt.Errorf("eval: input %q: dimension %d is %d, not %d", v.Name, i, in.Dims[i], want)
			}
		}
		values[v.Name] = in
	}
	for _, t := range m.Graph.Initializers {
		if values[t.Name], err = fromTensor(t); err != nil {
			return nil, fmt.Errorf("eval: initializer %q: %w", t.Name, err)
		}
	}
	if err := runNodes(m.Graph.Nodes, values); err != nil {
		return nil, err
	}
	out = map[string]Array{}
	for _, v := range m.Graph.Outputs {
		a := values[v.Name]
		if a.Type != v.Type || v.Dims != nil && len(a.Dims) != len(v.Dims) {
			return nil, fmt.Errorf("eval: output %q is %v %v, not %v %v", v.Name, a.Type, a.Dims, v.Type, v.Dims)
		}
		for i, d := range v.Dims {
			if d.Name == "" && d.Size >= 0 && int(d.Size) != a.Dims[i] {
				return nil, fmt.Errorf("eval: output %q is %v, not %v", v.Name, a.Dims, v.Dims)
			}
		}
		out[v.Name] = a
	}
	return out, nil
}

// runNodes runs nodes, which read values and add to them.
func runNodes(nodes []onnx.Node, values map[string]Array) error {
	for _, n := range nodes {
		in := make([]Array, len(n.Inputs))
		for i, name := range n.Inputs {
			in[i] = values[name]
		}
		f, ok := ops[n.Op]
		several, ok2 := manyOps[n.Op]
		switch {
		case n.Op == "Scan":
			several = func(n *onnx.Node, in []Array) ([]Array, error) { return scan(n, in, values) }
		case ok:
			several = func(n *onnx.Node, in []Array) ([]Array, error) {
				out, err := f(n, in)
				return []Array{out}, err
			}
		case !ok2:
			return fmt.Errorf("eval: node %q: no operator %s here", n.Name, n.Op)
		}
		got, err := several(&n, in)
		if err != nil {
			return fmt.Errorf("eval: node %q (%s): %w", n.Name, n.Op, err)
		}
		for i, name := range n.Outputs {
			values[name] = got[i].rounded()
		}
	}
	return nil
}

// scan runs the loops that package onnx writes: along axis 1, all forward or all backward.
func scan(n *onnx.Node, in []Array, outer map[string]Array) ([]Array, error) {
	g := n.Attr("body").(onnx.Graph)
	inputs := integer(n, "num_scan_inputs", 0)
	states := len(in) - inputs
	directions, _ := n.Attr("scan_input_directions").(onnx.Ints)
	rounds := in[states].Dims[1]
	values := maps.Clone(outer)
	collected := make([][]Array, len(g.Outputs)-states)
	for i := range states {
		values[g.Inputs[i].Name] = in[i]
	}
	for t := range rounds {
		if directions[0] == 1 {
			t = rounds - 1 - t
		}
		for i := states; i < len(in); i++ {
			before, along, after := split(in[i].Dims, 1)
			part := Array{Type: in[i].Type, Dims: slices.Delete(slices.Clone(in[i].Dims), 1, 2)}
			for b := range before {
				part.Data = append(part.Data, in[i].Data[(b*along+t)*after:][:after]...)
			}
			values[g.Inputs[i].Name] = part
		}
		if err := runNodes(g.Nodes, values); err != nil {
			return nil, err
		}
		for i := range collected {
			one := values[g.Outputs[states+i].Name]
			one.Dims = slices.Insert(slices.Clone(one.Dims), 1, 1)
			collected[i] = append(collected[i], one)
		}
		next := make([]Array, states)
		for i := range next {
			next[i] = values[g.Outputs[i].Name]
		}
		for i, v := range next {
			values[g.Inputs[i].Name] = v
		}
	}
	out := make([]Array, states)
	for i := range out {
		out[i] = values[g.Inputs[i].Name]
	}
	for _, parts := range collected {
		if directions[0] == 1 {
			slices.Reverse(parts)
		}
		one, err := concat(&onnx.Node{Attrs: []onnx.Attr{{Name: "axis", Value: onnx.Int(1)}}}, parts)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

var ops = map[string]func(n *onnx.Node, in []Array) (Array, error){
	"Abs":                   unary(math.Abs),
	"Ceil":                  unary(math.Ceil),
	"Floor":                 unary(math.Floor),
	"Neg":                   unary(func(x float64) float64 { return -x }),
	"Exp":                   unary(math.Exp),
	"Log":                   unary(math.Log),
	"Sqrt":                  unary(math.Sqrt),
	"Sigmoid":               unary(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
	"Identity":              unary(func(x float64) float64 { return x }),
	"IsNaN":                 test(math.IsNaN),
	"Not":                   test(func(x float64) bool { return x == 0 }),
	"Add":                   binary(0, func(x, y float64) float64 { return x + y }),
	"Sub":                   binary(0, func(x, y float64) float64 { return x - y }),
	"Mul":                   binary(0, func(x, y float64) float64 { return x * y }),
	"Div":                   divide,
	"Pow":                   binary(0, math.Pow),
	"Max":                   binary(0, math.Max),
	"Min":                   binary(0, math.Min),
	"And":                   binary(onnx.Bool, func(x, y float64) float64 { return x * y }),
	"Or":                    binary(onnx.Bool, math.Max),
	"Equal":                 compare(func(x, y float64) bool { return x == y }),
	"Less":                  compare(func(x, y float64) bool { return x < y }),
	"LessOrEqual":           compare(func(x, y float64) bool { return x <= y }),
	"Greater":               compare(func(x, y float64) bool { return x > y }),
	"GreaterOrEqual":        compare(func(x, y float64) bool { return x >= y }),
	"Where":                 where,
	"Cast":                  cast,
	"Concat":                concat,
	"Gather":                gather,
	"GatherElements":        gatherElements,
	"Slice":                 slice,
	"Reshape":               reshape,
	"Expand":                expand,
	"Transpose":             transpose,
	"Unsqueeze":             unsqueeze,
	"CumSum":                cumSum,
	"Range":                 numbers,
	"Shape":                 shape,
	"ReduceMin":             reduce(math.Inf(1), math.Min),
	"ReduceMax":             reduce(math.Inf(-1), math.Max),
	"ReduceSum":             reduce(0, func(x, y float64) float64 { return x + y }),
	"Softmax":               softmax,
	"MatMul":                matMul,
	"Relu":                  unary(func(x float64) float64 { return max(x, 0) }),
	"LayerNormalization":    layerNorm,
	"Conv":                  conv,
	"QuantizeLinear":        quantize,
	"DequantizeLinear":      dequantize,
	"MatMulInteger":         matMulInteger,
	"TreeEnsemble":          treeEnsemble,
	"TreeEnsembleRegressor": treeRegressor,
}

type op = func(n *onnx.Node, in []Array) (Array, error)

func unary(f func(float64) float64) op {
	return func(_ *onnx.Node, in []Array) (Array, error) {
		out := Array{in[0].Type, in[0].Dims, make([]float64, len(in[0].Data))}
		for i, v := range in[0].Data {
			out.Data[i] = f(v)
		}
		return out, nil
	}
}

func test(f func(float64) bool) op {
	return func(n *onnx.Node, in []Array) (Array, error) {
		out, err := unary(func(x float64) float64 { return truth(f(x)) })(n, in)
		out.Type = onnx.Bool
		return out, err
	}
}

// divide truncates whole numbers.
func divide(n *onnx.Node, in []Array) (Array, error) {
	out, err := binary(0, func(x, y float64) float64 { return x / y })(n, in)
	if out.Type == onnx.Int64 {
		for i, v := range out.Data {
			out.Data[i] = math.Trunc(v)
		}
	}
	return out, err
}

func compare(f func(x, y float64) bool) op {
	return binary(onnx.Bool, func(x, y float64) float64 { return truth(f(x, y)) })
}

// broadcast returns the common dimensions of arrays.
func broadcast(in ...Array) ([]int, error) {
	var dims []int
	for _, a := range in {
		if extra := len(a.Dims) - len(dims); extra > 0 {
			dims = append(slices.Repeat([]int{1}, extra), dims...)
		}
		for i, d := range a.Dims {
			x := &dims[len(dims)-len(a.Dims)+i]
			switch {
			case *x == 1:
				*x = d
			case d != 1 && d != *x:
				return nil, fmt.Errorf("dimensions %v and %v", dims, a.Dims)
			}
		}
	}
	return dims, nil
}

// stretch returns a repeated to dimensions.
func (a Array) stretch(dims []int) []float64 {
	out := make([]float64, size(dims))
	for i := range out {
		at, rest, step := 0, i, 1
		for k := len(dims) - 1; k >= 0; k-- {
			x := rest % dims[k]
			rest /= dims[k]
			if own := k - len(dims) + len(a.Dims); own >= 0 {
				if a.Dims[own] > 1 {
					at += x * step
				}
				step *= a.Dims[own]
			}
		}
		out[i] = a.Data[at]
	}
	return out
}

func binary(typ onnx.DataType, f func(x, y float64) float64) op {
	return func(_ *onnx.Node, in []Array) (Array, error) {
		dims, err := broadcast(in...)
		if err != nil {
			return Array{}, err
		}
		out := Array{in[0].Type, dims, in[0].stretch(dims)}
		for _, a := range in[1:] {
			for i, y := range a.stretch(dims) {
				out.Data[i] = f(out.Data[i], y)
			}
		}
		if typ != 0 {
			out.Type = typ
		}
		return out, nil
	}
}

func where(_ *onnx.Node, in []Array) (Array, error) {
	dims, err := broadcast(in...)
	if err != nil {
		return Array{}, err
	}
	c, x := in[0].stretch(dims), in[1].stretch(dims)
	out := Array{in[1].Type, dims, in[2].stretch(dims)}
	for i := range c {
		if c[i] != 0 {
			out.Data[i] = x[i]
		}
	}
	return out, nil
}

func integer(n *onnx.Node, name string, otherwise int) int {
	if v, ok := n.Attr(name).(onnx.Int); ok {
		return int(v)
	}
	return otherwise
}

func cast(n *onnx.Node, in []Array) (Array, error) {
	to := onnx.DataType(integer(n, "to", 0))
	out := Array{to, in[0].Dims, slices.Clone(in[0].Data)}
	for i, v := range out.Data {
		switch to {
		case onnx.Int64:
			out.Data[i] = math.Trunc(v)
		case onnx.Bool:
			out.Data[i] = truth(v != 0)
		}
	}
	return out, nil
}

// split returns the sizes before, along and after an axis.
func split(dims []int, axis int) (before, along, after int) {
	return size(dims[:axis]), dims[axis], size(dims[axis+1:])
}

func axisOf(a, rank int) int {
	if a < 0 {
		a += rank
	}
	return a
}

func concat(n *onnx.Node, in []Array) (Array, error) {
	axis := axisOf(integer(n, "axis", 0), len(in[0].Dims))
	out := Array{Type: in[0].Type, Dims: slices.Clone(in[0].Dims)}
	out.Dims[axis] = 0
	for _, a := range in {
		out.Dims[axis] += a.Dims[axis]
	}
	before, _, after := split(out.Dims, axis)
	for b := range before {
		for _, a := range in {
			part := a.Dims[axis] * after
			out.Data = append(out.Data, a.Data[b*part:(b+1)*part]...)
		}
	}
	return out, nil
}

func gather(n *onnx.Node, in []Array) (Array, error) {
	axis := axisOf(integer(n, "axis", 0), len(in[0].Dims))
	before, along, after := split(in[0].Dims, axis)
	out := Array{Type: in[0].Type, Dims: slices.Concat(in[0].Dims[:axis], in[1].Dims, in[0].Dims[axis+1:])}
	for b := range before {
		for _, i := range in[1].ints() {
			i = axisOf(i, along)
			if i < 0 || i >= along {
				return out, fmt.Errorf("index %d of %d", i, along)
			}
			out.Data = append(out.Data, in[0].Data[(b*along+i)*after:][:after]...)
		}
	}
	return out, nil
}

func gatherElements(n *onnx.Node, in []Array) (Array, error) {
	if len(in[0].Dims) != 2 || integer(n, "axis", 0) != 1 {
		return Array{}, fmt.Errorf("only of columns")
	}
	out := Array{in[0].Type, in[1].Dims, make([]float64, len(in[1].Data))}
	for i, c := range in[1].ints() {
		out.Data[i] = in[0].Data[i/in[1].Dims[1]*in[0].Dims[1]+c]
	}
	return out, nil
}

func slice(_ *onnx.Node, in []Array) (Array, error) {
	starts, ends := in[1].ints(), in[2].ints()
	axes := in[3].ints()
	if len(starts) != 1 || len(axes) != 1 || len(in) > 4 {
		return Array{}, fmt.Errorf("only one axis, without steps")
	}
	axis := axisOf(axes[0], len(in[0].Dims))
	before, along, after := split(in[0].Dims, axis)
	clamp := func(i int) int { return min(max(axisOf(i, along), 0), along) }
	from, to := clamp(starts[0]), clamp(ends[0])
	out := Array{Type: in[0].Type, Dims: slices.Clone(in[0].Dims)}
	out.Dims[axis] = max(0, to-from)
	for b := range before {
		for i := from; i < to; i++ {
			out.Data = append(out.Data, in[0].Data[(b*along+i)*after:][:after]...)
		}
	}
	return out, nil
}

func reshape(_ *onnx.Node, in []Array) (Array, error) {
	out := Array{Type: in[0].Type, Data: in[0].Data, Dims: in[1].ints()}
	free, n := -1, 1
	for i, d := range out.Dims {
		switch {
		case d == 0:
			out.Dims[i] = in[0].Dims[i]
		case d < 0:
			free = i
			continue
		}
		n *= out.Dims[i]
	}
	if free >= 0 {
		out.Dims[free] = len(out.Data) / n
	}
	if size(out.Dims) != len(out.Data) {
		return out, fmt.Errorf("%v for %v", out.Dims, in[0].Dims)
	}
	return out, nil
}

func expand(_ *onnx.Node, in []Array) (Array, error) {
	dims, err := broadcast(in[0], Array{Dims: in[1].ints()})
	if err != nil {
		return Array{}, err
	}
	return Array{in[0].Type, dims, in[0].stretch(dims)}, nil
}

func transpose(n *onnx.Node, in []Array) (Array, error) {
	perm, ok := n.Attr("perm").(onnx.Ints)
	if !ok || len(perm) != len(in[0].Dims) {
		return Array{}, fmt.Errorf("perm %v", perm)
	}
	out := Array{Type: in[0].Type, Data: make([]float64, len(in[0].Data))}
	for _, p := range perm {
		out.Dims = append(out.Dims, in[0].Dims[p])
	}
	for i := range out.Data {
		index := make([]int, len(perm)) // in the input
		for rest, k := i, len(perm)-1; k >= 0; k-- {
			index[perm[k]] = rest % out.Dims[k]
			rest /= out.Dims[k]
		}
		at := 0
		for k, d := range in[0].Dims {
			at = at*d + index[k]
		}
		out.Data[i] = in[0].Data[at]
	}
	return out, nil
}

func unsqueeze(_ *onnx.Node, in []Array) (Array, error) {
	axes := in[1].ints()
	rank := len(in[0].Dims) + len(axes)
	for i := range axes {
		axes[i] = axisOf(axes[i], rank)
	}
	out := Array{Type: in[0].Type, Data: in[0].Data}
	k := 0
	for i := range rank {
		if slices.Contains(axes, i) {
			out.Dims = append(out.Dims, 1)
			continue
		}
		out.Dims = append(out.Dims, in[0].Dims[k])
		k++
	}
	return out, nil
}

// numbers returns the whole numbers from a first one to before a last one.
func numbers(_ *onnx.Node, in []Array) (Array, error) {
	out := Array{Type: in[0].Type}
	for x := in[0].Data[0]; x < in[1].Data[0]; x += in[2].Data[0] {
		out.Data = append(out.Data, x)
	}
	out.Dims = []int{len(out.Data)}
	return out, nil
}

func shape(_ *onnx.Node, in []Array) (Array, error) {
	out := Array{Type: onnx.Int64, Dims: []int{len(in[0].Dims)}}
	for _, d := range in[0].Dims {
		out.Data = append(out.Data, float64(d))
	}
	return out, nil
}

func cumSum(_ *onnx.Node, in []Array) (Array, error) {
	out := in[0]
	out.Data = slices.Clone(out.Data)
	_, along, after := split(out.Dims, axisOf(in[1].ints()[0], len(out.Dims)))
	for i := range out.Data {
		if i/after%along > 0 {
			out.Data[i] += out.Data[i-after]
			if out.Type == onnx.Float32 {
				out.Data[i] = float64(float32(out.Data[i]))
			}
		}
	}
	return out, nil
}

// reduce folds the last axis.
func reduce(start float64, f func(x, y float64) float64) op {
	return func(n *onnx.Node, in []Array) (Array, error) {
		rank := len(in[0].Dims)
		var axes []int
		if v, ok := n.Attr("axes").(onnx.Ints); ok {
			for _, a := range v {
				axes = append(axes, int(a))
			}
		} else if len(in) > 1 {
			axes = in[1].ints()
		}
		if len(axes) != 1 || axisOf(axes[0], rank) != rank-1 {
			return Array{}, fmt.Errorf("only of the last axis")
		}
		out := Array{Type: in[0].Type, Dims: slices.Clone(in[0].Dims)}
		width := out.Dims[rank-1]
		out.Dims[rank-1] = 1
		for i := range size(out.Dims) {
			x := start
			for _, y := range in[0].Data[i*width : (i+1)*width] {
				x = f(x, y)
			}
			out.Data = append(out.Data, x)
		}
		if integer(n, "keepdims", 1) == 0 {
			out.Dims = out.Dims[:rank-1]
		}
		return out, nil
	}
}

func softmax(n *onnx.Node, in []Array) (Array, error) {
	rank := len(in[0].Dims)
	if axisOf(integer(n, "axis", -1), rank) != rank-1 {
		return Array{}, fmt.Errorf("only of the last axis")
	}
	out := in[0]
	out.Data = slices.Clone(out.Data)
	for row := range slices.Chunk(out.Data, out.Dims[rank-1]) {
		most, sum := slices.Max(row), 0.0
		for i, v := range row {
			row[i] = math.Exp(v - most)
			sum += row[i]
		}
		for i := range row {
			row[i] /= sum
		}
	}
	return out, nil
}
