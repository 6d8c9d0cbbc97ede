package onnx

import (
	"errors"
	"fmt"
	"slices"
)

// A fact is what can be known about a value without running the graph.
type fact struct {
	typ   DataType // 0: not known
	dims  []Dim    // nil: not even their number
	value *Tensor  // not nil: it is constant
}

func (f fact) ranked() bool { return f.dims != nil }

// last returns the last dimension.
func (f fact) last() Dim {
	if len(f.dims) == 0 {
		return Unknown
	}
	return f.dims[len(f.dims)-1]
}

func factOf(t *Tensor) fact { return fact{t.Type, Fixed(t.Dims...), t} }

// ints returns a constant list of integers.
func (f fact) ints() ([]int64, bool) {
	if f.value == nil || f.value.Type != Int64 {
		return nil, false
	}
	v, err := Values[int64](*f.value)
	return v, err == nil
}

// elementwise infers an operator that works element by element and returns elements of a type; 0 means the inputs'
// type.
func elementwise(to DataType, in ...fact) ([]fact, error) {
	out := in[0]
	out.value = nil
	for _, f := range in[1:] {
		if out.typ == 0 {
			out.typ = f.typ
		}
		if f.typ != 0 && f.typ != out.typ {
			return nil, fmt.Errorf("elements of types %v and %v", out.typ, f.typ)
		}
		var err error
		if out.dims, err = broadcast(out.dims, f.dims); err != nil {
			return nil, err
		}
	}
	if to != 0 {
		out.typ = to
	}
	return []fact{out}, nil
}

// broadcast returns the dimensions of an elementwise result of two arrays: they are aligned at the end, and a
// dimension of 1 is repeated.
func broadcast(a, b []Dim) ([]Dim, error) {
	if a == nil || b == nil {
		return nil, nil
	}
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i, y := range b {
		x := &out[len(a)-len(b)+i]
		switch {
		case *x == y || y.known() && y.Size == 1:
		case x.known() && x.Size == 1:
			*x = y
		case x.known() && y.known():
			return nil, fmt.Errorf("dimensions %v and %v do not fit together", a, b)
		case y.known():
			*x = y
		case !x.known():
			*x = Unknown
		}
	}
	return out, nil
}

// axis returns an axis counted from the start.
func axis(a int64, rank int) (int, error) {
	if a < -int64(rank) || a >= int64(rank) {
		return 0, fmt.Errorf("axis %d of %d dimensions", a, rank)
	}
	if a < 0 {
		a += int64(rank)
	}
	return int(a), nil
}

func attrInteger(n *Node, name string, otherwise int64) int64 {
	if v, ok := n.Attr(name).(Int); ok {
		return int64(v)
	}
	return otherwise
}

// axes returns the axes of a node, from an attribute or its second input. They are unknown if that input is not a
// constant.
func axes(n *Node, in []fact) (v []int64, given, known bool) {
	if v, ok := n.Attr("axes").(Ints); ok {
		return v, true, true
	}
	if len(in) < 2 || len(n.Inputs) < 2 || n.Inputs[1] == "" {
		return nil, false, true
	}
	v, known = in[1].ints()
	return v, true, known
}

func inferReduce(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: in[0].typ}
	by, given, known := axes(n, in)
	if !in[0].ranked() || !known {
		return []fact{out}, nil
	}
	rank := len(in[0].dims)
	gone := make([]bool, rank)
	for _, a := range by {
		i, err := axis(a, rank)
		if err != nil {
			return nil, err
		}
		gone[i] = true
	}
	if (!given || len(by) == 0) && attrInteger(n, "noop_with_empty_axes", 0) == 0 {
		for i := range gone {
			gone[i] = true
		}
	}
	out.dims = []Dim{}
	for i, d := range in[0].dims {
		switch {
		case !gone[i]:
			out.dims = append(out.dims, d)
		case attrInteger(n, "keepdims", 1) != 0:
			out.dims = append(out.dims, Dim{Size: 1})
		}
	}
	return []fact{out}, nil
}

func inferConcat(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: in[0].typ, dims: slices.Clone(in[0].dims)}
	a, ok := n.Attr("axis").(Int)
	if !ok {
		return nil, errors.New("no attribute axis")
	}
	for _, f := range in[1:] {
		if f.typ != 0 && out.typ != 0 && f.typ != out.typ {
			return nil, fmt.Errorf("elements of types %v and %v", out.typ, f.typ)
		}
		if !out.ranked() || !f.ranked() {
			out.dims = nil
			continue
		}
		if len(f.dims) != len(out.dims) {
			return nil, fmt.Errorf("%d and %d dimensions", len(out.dims), len(f.dims))
		}
		along, err := axis(int64(a), len(out.dims))
		if err != nil {
			return nil, err
		}
		for i, d := range f.dims {
			x := &out.dims[i]
			switch {
			case i == along && x.known() && d.known():
				x.Size += d.Size
			case i == along:
				*x = Unknown
			case x.known() && d.known() && *x != d:
				return nil, fmt.Errorf("dimension %d is %v and %v", i, *x, d)
			case d.known():
				*x = d
			}
		}
	}
	return []fact{out}, nil
}

func inferGather(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: in[0].typ}
	if !in[0].ranked() || !in[1].ranked() {
		return []fact{out}, nil
	}
	along, err := axis(attrInteger(n, "axis", 0), len(in[0].dims))
	if err != nil {
		return nil, err
	}
	if at, ok := in[1].ints(); ok && in[0].dims[along].known() {
		for _, i := range at {
			if size := in[0].dims[along].Size; i < -size || i >= size {
				return nil, fmt.Errorf("index %d of %d", i, size)
			}
		}
	}
	out.dims = slices.Concat(in[0].dims[:along], in[1].dims, in[0].dims[along+1:])
	return []fact{out}, nil
}

func inferReshape(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: in[0].typ}
	to, ok := in[1].ints()
	if !ok {
		if in[1].ranked() && len(in[1].dims) == 1 && in[1].dims[0].known() && in[1].dims[0].Size < 64 {
			out.dims = slices.Repeat([]Dim{Unknown}, int(in[1].dims[0].Size))
		}
		return []fact{out}, nil
	}
	out.dims = []Dim{}
	free, have, want := -1, int64(1), int64(1)
	open := 0 // dimensions of unknown size that are not copied
	for _, d := range in[0].dims {
		switch {
		case !d.known():
			open++
		case have <= MaxSize:
			have *= d.Size
		}
	}
	for i, size := range to {
		d := Dim{Size: size}
		switch {
		case size == 0 && attrInteger(n, "allowzero", 0) == 0:
			d = Unknown
			if in[0].ranked() {
				if i >= len(in[0].dims) {
					return nil, fmt.Errorf("shape %v copies dimension %d of %d", to, i, len(in[0].dims))
				}
				if d = in[0].dims[i]; !d.known() {
					open--
				}
			}
		case size == -1:
			if free >= 0 {
				return nil, fmt.Errorf("shape %v: -1 twice", to)
			}
			free, d = i, Unknown
		case size < 0:
			return nil, fmt.Errorf("shape %v", to)
		}
		if d.known() && want <= MaxSize {
			want *= d.Size
		}
		out.dims = append(out.dims, d)
	}
	counted := in[0].ranked() && open == 0 && have <= MaxSize && want <= MaxSize
	if counted && free >= 0 && want > 0 && have%want == 0 {
		out.dims[free] = Dim{Size: have / want}
		want = have
	}
	if counted && have != want && want > 0 {
		return nil, fmt.Errorf("shape %v for %v", to, in[0].dims)
	}
	// A batch of unknown size is kept if all other dimensions are the same.
	if free >= 0 && in[0].ranked() && !out.dims[free].known() {
		if d, ok := rest(in[0].dims, out.dims, free); ok {
			out.dims[free] = d
		}
	}
	return []fact{out}, nil
}

// rest returns the only unknown dimension of from, if the product of its other dimensions equals that of to without
// dimension free.
func rest(from, to []Dim, free int) (Dim, bool) {
	d, found, a, b := Unknown, 0, int64(1), int64(1)
	for _, x := range from {
		if x.known() && a <= MaxSize {
			a *= x.Size
		} else {
			d, found = x, found+1
		}
	}
	for i, x := range to {
		if i == free {
			continue
		}
		if !x.known() || b > MaxSize {
			return d, false
		}
		b *= x.Size
	}
	return d, found == 1 && a == b && a > 0
}

func inferUnsqueeze(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: in[0].typ}
	by, given, known := axes(n, in)
	if !given {
		return nil, errors.New("no axes")
	}
	if !in[0].ranked() || !known {
		return []fact{out}, nil
	}
	rank := len(in[0].dims) + len(by)
	is := make([]bool, rank)
	for _, a := range by {
		i, err := axis(a, rank)
		if err != nil {
			return nil, err
		}
		if is[i] {
			return nil, fmt.Errorf("axis %d twice", a)
		}
		is[i] = true
	}
	k := 0
	for i := range rank {
		if is[i] {
			out.dims = append(out.dims, Dim{Size: 1})
			continue
		}
		out.dims = append(out.dims, in[0].dims[k])
		k++
	}
	return []fact{out}, nil
}

func inferSqueeze(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: in[0].typ}
	by, given, known := axes(n, in)
	if !in[0].ranked() || !known || !given {
		return []fact{out}, nil
	}
	gone := make([]bool, len(in[0].dims))
	for _, a := range by {
		i, err := axis(a, len(gone))
		if err != nil {
			return nil, err
		}
		if d := in[0].dims[i]; d.known() && d.Size != 1 {
			return nil, fmt.Errorf("dimension %d is %v, not 1", a, d)
		}
		gone[i] = true
	}
	out.dims = []Dim{}
	for i, d := range in[0].dims {
		if !gone[i] {
			out.dims = append(out.dims, d)
		}
	}
	return []fact{out}, nil
}

func inferSlice(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: in[0].typ}
	if !in[0].ranked() || len(in) < 3 {
		return []fact{out}, nil
	}
	out.dims = slices.Repeat([]Dim{Unknown}, len(in[0].dims))
	starts, ok1 := in[1].ints()
	ends, ok2 := in[2].ints()
	along := make([]int64, len(starts))
	steps := make([]int64, len(starts))
	for i := range starts {
		along[i], steps[i] = int64(i), 1
	}
	ok3, ok4 := true, true
	if len(in) > 3 && n.Inputs[3] != "" {
		along, ok3 = in[3].ints()
	}
	if len(in) > 4 && n.Inputs[4] != "" {
		steps, ok4 = in[4].ints()
	}
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return []fact{out}, nil
	}
	if len(ends) != len(starts) || len(along) != len(starts) || len(steps) != len(starts) {
		return nil, fmt.Errorf("%d starts, %d ends, %d axes, %d steps", len(starts), len(ends), len(along), len(steps))
	}
	copy(out.dims, in[0].dims)
	for k, a := range along {
		i, err := axis(a, len(out.dims))
		if err != nil {
			return nil, err
		}
		d := in[0].dims[i]
		if !d.known() || steps[k] <= 0 {
			out.dims[i] = Unknown
			continue
		}
		at := func(v int64) int64 {
			if v < 0 {
				v += d.Size
			}
			return min(max(v, 0), d.Size)
		}
		out.dims[i] = Dim{Size: (max(0, at(ends[k])-at(starts[k])) + steps[k] - 1) / steps[k]}
	}
	return []fact{out}, nil
}

func inferMatMul(_ *Node, in []fact) ([]fact, error) {
	a, b := in[0], in[1]
	if a.typ != 0 && b.typ != 0 && a.typ != b.typ {
		return nil, fmt.Errorf("elements of types %v and %v", a.typ, b.typ)
	}
	out := fact{typ: a.typ}
	if len(a.dims) < 2 || len(b.dims) < 2 {
		return []fact{out}, nil
	}
	ra, rb := len(a.dims), len(b.dims)
	if x, y := a.dims[ra-1], b.dims[rb-2]; x.known() && y.known() && x != y {
		return nil, fmt.Errorf("matrices of %v and %v", a.dims, b.dims)
	}
	batch, err := broadcast(a.dims[:ra-2], b.dims[:rb-2])
	out.dims = append(batch, a.dims[ra-2], b.dims[rb-1])
	return []fact{out}, err
}

func inferGemm(n *Node, in []fact) ([]fact, error) {
	a, b := in[0], in[1]
	out := fact{typ: a.typ}
	if len(a.dims) != 2 || len(b.dims) != 2 {
		return []fact{out}, nil
	}
	rows, inner := a.dims[0], a.dims[1]
	if attrInteger(n, "transA", 0) != 0 {
		rows, inner = inner, rows
	}
	other, cols := b.dims[0], b.dims[1]
	if attrInteger(n, "transB", 0) != 0 {
		other, cols = cols, other
	}
	if inner.known() && other.known() && inner != other {
		return nil, fmt.Errorf("matrices of %v and %v", a.dims, b.dims)
	}
	out.dims = []Dim{rows, cols}
	return []fact{out}, nil
}

// inferLSTM: the input is [steps, batch, features].
func inferLSTM(n *Node, in []fact) ([]fact, error) {
	w, r := in[1].dims, in[2].dims // [directions, 4·hidden, features], [directions, 4·hidden, hidden]
	if len(w) == 3 && len(r) == 3 {
		directions := int64(1)
		if d, ok := n.Attr("direction").(String); ok && d == "bidirectional" {
			directions = 2
		}
		hidden := r[2].Size
		want := [][]Dim{Fixed(directions, 4*hidden, w[2].Size), Fixed(directions, 4*hidden, hidden)}
		if r[2].known() && (!compatible(w, want[0]) || !compatible(r, want[1]) || attrInteger(n, "hidden_size", hidden) != hidden) {
			return nil, fmt.Errorf("weights %v and %v of %d directions, hidden_size %d", w, r, directions, attrInteger(n, "hidden_size", hidden))
		}
		if len(in) > 3 && in[3].ranked() && r[2].known() && !compatible(in[3].dims, Fixed(directions, 8*hidden)) {
			return nil, fmt.Errorf("biases %v of %d directions, hidden_size %d", in[3].dims, directions, hidden)
		}
	}
	return lstmOutputs(n, in[0], w, r)
}

// lstmOutputs returns the states of all steps, the last ones, and the last cells.
func lstmOutputs(n *Node, x fact, w, r []Dim) ([]fact, error) {
	all, last := fact{typ: x.typ}, fact{typ: x.typ}
	if len(x.dims) == 3 && len(w) == 3 && len(r) == 3 && attrInteger(n, "layout", 0) == 0 {
		if f := x.dims[2]; f.known() && w[2].known() && f != w[2] {
			return nil, fmt.Errorf("weights %v for input %v", w, x.dims)
		}
		all.dims = []Dim{x.dims[0], r[0], x.dims[1], r[2]}
		last.dims = all.dims[1:]
	}
	return []fact{all, last, last}, nil
}

// inferQuantizedLSTM: weights are [directions, features, 4·hidden] and
// [directions, hidden, 4·hidden], and have scales and zero points behind them.
func inferQuantizedLSTM(n *Node, in []fact) ([]fact, error) {
	if len(in) != 12 {
		return nil, fmt.Errorf("%d inputs of 12", len(in))
	}
	w, r := in[1].dims, in[2].dims
	if len(w) != 3 || len(r) != 3 {
		return lstmOutputs(n, in[0], nil, nil)
	}
	if !compatible([]Dim{w[0], w[2]}, []Dim{r[0], r[2]}) || r[1].known() && (!compatible(r[2:], Fixed(4*r[1].Size)) || attrInteger(n, "hidden_size", r[1].Size) != r[1].Size) {
		return nil, fmt.Errorf("weights %v and %v of hidden_size %d", w, r, attrInteger(n, "hidden_size", -1))
	}
	for i, of := range []int{1, 1, 2, 2} { // scale and zero point of each
		f := in[8+i]
		if f.ranked() && !compatible(f.dims, w[:1]) && !compatible(f.dims, []Dim{w[0], w[2]}) {
			return nil, fmt.Errorf("input %d is %v for weights %v", 8+i, f.dims, w)
		}
		if i%2 == 1 && f.typ != 0 && in[of].typ != 0 && f.typ != in[of].typ {
			return nil, fmt.Errorf("elements of type %v with a zero point of %v", in[of].typ, f.typ)
		}
	}
	return lstmOutputs(n, in[0], []Dim{w[0], w[2], w[1]}, []Dim{r[0], r[2], r[1]})
}

// scales checks the scale and the zero point of an array: one of each, or one for each
// index of an axis.
func scales(n *Node, dims []Dim, of []fact) error {
	for _, f := range of {
		switch {
		case dims == nil || len(f.dims) == 0:
		case len(f.dims) > 1:
			return nil // blocks
		default:
			along, err := axis(attrInteger(n, "axis", 1), max(len(dims), 2)) // unused for a list
			if err != nil {
				return err
			}
			if !compatible(f.dims, Fixed(1)) && (along >= len(dims) || !compatible(f.dims, dims[along:along+1])) {
				return fmt.Errorf("scales or zero points %v along axis %d of %v", f.dims, along, dims)
			}
		}
	}
	return nil
}

// compatible reports whether dimensions may be the same.
func compatible(a, b []Dim) bool {
	return slices.EqualFunc(a, b, func(a, b Dim) bool { return a == b || !a.known() || !b.known() })
}

// inferConv: the input is [batch, channels, steps …], the kernels [out, channels, taps …].
func inferConv(n *Node, in []fact) ([]fact, error) {
	x, w := in[0].dims, in[1].dims
	out := fact{typ: in[0].typ}
	if x == nil || w == nil {
		return []fact{out}, nil
	}
	if len(x) < 3 || len(x) != len(w) {
		return nil, fmt.Errorf("kernels %v for input %v", w, x)
	}
	if group := attrInteger(n, "group", 1); x[1].known() && w[1].known() && x[1].Size != w[1].Size*group {
		return nil, fmt.Errorf("kernels %v for input %v", w, x)
	}
	if len(in) > 2 && in[2].ranked() && !compatible(in[2].dims, w[:1]) {
		return nil, fmt.Errorf("biases %v for kernels %v", in[2].dims, w)
	}
	space := len(x) - 2
	list := func(name string, otherwise int64, size int) ([]int64, error) {
		v, ok := n.Attr(name).(Ints)
		if !ok {
			return slices.Repeat([]int64{otherwise}, size), nil
		}
		if len(v) != size {
			return nil, fmt.Errorf("%s %v for %d dimensions", name, v, space)
		}
		return v, nil
	}
	pads, err := list("pads", 0, 2*space)
	strides, err2 := list("strides", 1, space)
	dilations, err3 := list("dilations", 1, space)
	if err = errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	out.dims = append([]Dim{x[0], w[0]}, slices.Repeat([]Dim{Unknown}, space)...)
	if auto, ok := n.Attr("auto_pad").(String); ok && auto != "NOTSET" {
		return []fact{out}, nil
	}
	if k, ok := n.Attr("kernel_shape").(Ints); ok && !compatible(Fixed(k...), w[2:]) {
		return nil, fmt.Errorf("kernel_shape %v for kernels %v", k, w)
	}
	for i := range space {
		size, taps := x[2+i], w[2+i]
		if !size.known() || !taps.known() {
			continue
		}
		if strides[i] < 1 || dilations[i] < 1 || pads[i] < 0 || pads[space+i] < 0 || max(pads[i], pads[space+i], dilations[i], taps.Size) > MaxSize {
			return nil, fmt.Errorf("strides %v, dilations %v, pads %v", strides, dilations, pads)
		}
		room := size.Size + pads[i] + pads[space+i] - dilations[i]*(taps.Size-1) - 1
		if room < 0 {
			return nil, fmt.Errorf("kernels %v, dilations %v, pads %v for input %v", w, dilations, pads, x)
		}
		out.dims[2+i] = Dim{Size: room/strides[i] + 1}
	}
	return []fact{out}, nil
}

// microsoftRules are those of operators of the domain [Microsoft].
var microsoftRules = map[string]rule{"DynamicQuantizeLSTM": {3, inferQuantizedLSTM}, "Tokenizer": {1, inferTokenizer}, "MurmurHash3": {1, inferHash}}

// inferTokenizer: the words of each text, along a new dimension.
func inferTokenizer(_ *Node, in []fact) ([]fact, error) {
	out := fact{typ: Texts}
	if in[0].ranked() {
		out.dims = append(slices.Clone(in[0].dims), Unknown)
	}
	return []fact{out}, nil
}

// inferHash: a number of 32 bits for each element, with a sign or without.
func inferHash(n *Node, in []fact) ([]fact, error) {
	out := fact{dims: in[0].dims}
	if attrInteger(n, "positive", 1) == 0 {
		out.typ = Int32
	}
	return []fact{out}, nil
}

// inferConcatTexts: texts joined one by one.
func inferConcatTexts(_ *Node, in []fact) ([]fact, error) { return elementwise(Texts, in...) }

// inferTfIdf: a number for each term of each row.
func inferTfIdf(n *Node, in []fact) ([]fact, error) {
	places, ok := n.Attr("ngram_indexes").(Ints)
	if !ok || len(places) == 0 {
		return nil, errors.New("no ngram_indexes")
	}
	out := fact{typ: Float32}
	if len(in[0].dims) == 2 {
		out.dims = []Dim{in[0].dims[0], {Size: slices.Max(places) + 1}}
	}
	return []fact{out}, nil
}

// infer returns a fact about each output of a node.
func infer(n *Node, in []fact) ([]fact, error) {
	out := make([]fact, len(n.Outputs))
	r, ok := rules[n.Op]
	if sameDomain(n.Domain, ML) {
		r, ok = treeRules[n.Op]
	} else if n.Domain == Microsoft {
		r, ok = microsoftRules[n.Op]
	} else if !sameDomain(n.Domain, Standard) {
		ok = false
	}
	if !ok {
		return out, nil
	}
	for i := range r.least {
		if i >= len(n.Inputs) || n.Inputs[i] == "" {
			return nil, fmt.Errorf("input %d is missing, of %d", i, r.least)
		}
	}
	some, err := r.infer(n, slices.Clone(in))
	copy(out, some)
	return out, err
}
