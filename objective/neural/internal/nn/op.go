package nn

import (
	"fmt"
	"hash"
	"hash/fnv"
	"io"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// An op is an operation of the graph. Its hash includes its unit, because gorgonia
// merges operations that look alike. Its result has its own memory, so it neither
// overwrites an input nor uses memory that a machine has allocated for it.
//
// A layer's backward pass has several results, but an operation of gorgonia has one. So the
// kind backward computes all of them, and operations of kind slope return them one by one.
type op struct {
	kind kind
	net  *Net
	u    *unit
	i    int // slope: index of the input, or of the weights if beyond the inputs
}

type kind int

const (
	forward  kind = iota // inputs and weights to output
	measure              // output, truth and their weights to loss
	outset               // loss to gradient of the output
	backward             // inputs, weights, output and its gradient to that gradient
	slope                // the result of backward to the gradient of an input or of the weights
)

var kinds = [...]string{"forward", "measure", "outset", "backward", "slope"}

// run computes the operation.
func (o op) run() {
	switch o.kind {
	case forward:
		o.u.forward()
	case measure:
		o.net.measure(o.u.dout.To(o.net.pass.Rows * o.u.shape.Size()))
	case backward:
		o.u.backward()
	}
}

// result returns the memory of o's result.
func (o op) result() gorgonia.Value {
	shape, _ := o.InferShape()
	switch {
	case o.kind == forward:
		return asTensor(o.u.out, shape)
	case o.kind == measure:
		return gorgonia.NewF32(float32(o.net.measured))
	case o.kind != slope:
		return asTensor(o.u.dout, shape)
	case o.i < len(o.u.in):
		return asTensor(o.u.in[o.i].dout, shape)
	}
	return asTensor(o.net.Slopes.Part(o.u.first, o.u.first+o.u.size), shape)
}

// Arity implements [gorgonia.Op].
func (o op) Arity() int {
	switch n := len(o.u.in) + min(o.u.size, 1); o.kind {
	case forward:
		return n
	case measure:
		return 3
	case backward:
		return n + 2
	}
	return 1
}

var activation = gorgonia.TensorType{Dims: 3, Of: tensor.Float32}

// Type implements [gorgonia.Op].
func (o op) Type() hm.Type {
	types := make([]hm.Type, o.Arity()+1)
	for i := range types {
		types[i] = activation
	}
	switch o.kind {
	case measure:
		types[3] = tensor.Float32
	case outset:
		types[0] = tensor.Float32
	}
	return hm.NewFnType(types...)
}

// InferShape implements [gorgonia.Op].
func (o op) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	s := o.u.shape
	switch {
	case o.kind == measure:
		return tensor.ScalarShape(), nil
	case o.kind == slope && o.i < len(o.u.in):
		s = o.u.in[o.i].shape
	case o.kind == slope:
		return tensor.Shape{1, 1, o.u.size}, nil
	}
	return tensor.Shape{s.Steps, o.net.rows, s.Features}, nil
}

// Do implements [gorgonia.Op]. It recovers from panics, which must not reach the machine.
func (o op) Do(...gorgonia.Value) (v gorgonia.Value, err error) {
	if err := o.net.run([]func(){o.run}); err != nil {
		return nil, err
	}
	return o.result(), nil
}

// UsePreallocDo implements [gorgonia.UsePreallocDoer].
func (o op) UsePreallocDo(_ gorgonia.Value, in ...gorgonia.Value) (gorgonia.Value, error) {
	return o.Do(in...)
}

// DiffWRT implements [gorgonia.SDOp].
func (o op) DiffWRT(inputs int) []bool {
	diffs := make([]bool, inputs)
	for i := range diffs {
		switch o.kind {
		case forward:
			diffs[i] = i >= len(o.u.in) || o.u.in[i].learns
		case measure:
			diffs[i] = i == 0
		}
	}
	return diffs
}

// SymDiff implements [gorgonia.SDOp]. The loss is what gorgonia differentiates, so the
// loss's own gradient is 1.
func (o op) SymDiff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	grads := make(gorgonia.Nodes, len(in))
	from, next := out, outset
	if o.kind == forward {
		var err error
		args := append(append(gorgonia.Nodes{}, in...), out, grad)
		if from, err = gorgonia.ApplyOp(op{kind: backward, net: o.net, u: o.u}, args...); err != nil {
			return nil, err
		}
		next = slope
	}
	for i, wanted := range o.DiffWRT(len(in)) {
		if !wanted {
			continue
		}
		var err error
		if grads[i], err = gorgonia.ApplyOp(op{next, o.net, o.u, i}, from); err != nil {
			return nil, err
		}
	}
	return grads, nil
}

// ReturnsPtr implements [gorgonia.Op].
func (o op) ReturnsPtr() bool { return true }

// CallsExtern implements [gorgonia.Op].
func (o op) CallsExtern() bool { return false }

// OverwritesInput implements [gorgonia.Op].
func (o op) OverwritesInput() int { return -1 }

// WriteHash implements [gorgonia.Op].
func (o op) WriteHash(h hash.Hash) { io.WriteString(h, o.String()) }

// Hashcode implements [gorgonia.Op].
func (o op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// String implements [gorgonia.Op].
func (o op) String() string {
	return fmt.Sprintf("%s %d of %d %s", kinds[o.kind], o.i, o.u.id, o.u.name)
}
