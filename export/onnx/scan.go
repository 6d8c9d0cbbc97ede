package onnx

import (
	"errors"
	"fmt"
	"slices"
)

// Scan adds a loop over axis 1 of inputs, from the last index to the first if backward. In each round, body gets the
// states and one slice of each input, without that axis. It returns the next states, which must have the types and
// dimensions of the old ones, and values to collect. Scan returns the last states, and the collected values along
// axis 1 at the places of their slices. body may use other values of b. A loop that takes no input is not possible.
func (b *Builder) Scan(backward bool, states, inputs []Value, body func(states, slices []Value) (next, out []Value)) (last, collected []Value) {
	var g Graph
	declare := func(name string, f fact) Value {
		v := b.value(b.fresh(name), fact{typ: f.typ, dims: f.dims})
		g.Inputs = append(g.Inputs, ValueInfo{Name: v.name, Type: v.Type, Dims: v.Dims})
		return v
	}
	if b.err != nil {
		body = func(states, _ []Value) ([]Value, []Value) { return states, nil }
	}
	var old, parts []Value
	for _, v := range states {
		old = append(old, declare("state", b.facts[v.name]))
	}
	for _, v := range inputs {
		if len(v.Dims) < 2 {
			b.fail("scan: %w: an input of dimensions %v", ErrInvalid, v.Dims)
			return make([]Value, len(states)), nil
		}
		parts = append(parts, declare("slice", fact{typ: v.Type, dims: slices.Delete(slices.Clone(v.Dims), 1, 2)}))
	}
	outer := b.nodes
	b.nodes = nil
	next, out := body(old, parts)
	if b.err == nil && len(next) != len(states) {
		b.fail("scan: %w: %d states became %d", ErrInvalid, len(states), len(next))
	}
	for i, v := range slices.Concat(next, out) {
		v = b.Op("Identity", nil, v) // which may be an input, or a value outside
		if b.err == nil && i < len(states) && agree(b.facts[v.name], ValueInfo{Type: states[i].Type, Dims: states[i].Dims}) != nil {
			b.fail("scan: %w: state %d of %v %v became %v %v", ErrInvalid, i, states[i].Type, states[i].Dims, v.Type, v.Dims)
		}
		g.Outputs = append(g.Outputs, ValueInfo{Name: v.name, Type: v.Type, Dims: v.Dims})
	}
	g.Nodes, b.nodes = b.nodes, outer
	g.Name = b.fresh("loop")
	repeat := func(n int, x int64) Ints { return slices.Repeat(Ints{x}, n) }
	direction := int64(0)
	if backward {
		direction = 1
	}
	attrs := []Attr{{"body", g}, {"num_scan_inputs", Int(len(inputs))}, {"scan_input_axes", repeat(len(inputs), 1)},
		{"scan_input_directions", repeat(len(inputs), direction)}}
	if len(out) > 0 {
		attrs = append(attrs, Attr{"scan_output_axes", repeat(len(out), 1)}, Attr{"scan_output_directions", repeat(len(out), direction)})
	}
	all := b.Node(Node{Op: "Scan", Attrs: attrs}, len(states)+len(out), slices.Concat(states, inputs)...)
	last, collected = all[:len(states)], all[len(states):]
	for i, v := range collected { // as long as the inputs
		if f := b.facts[v.name]; b.err == nil && len(f.dims) > 1 {
			f.dims = slices.Clone(f.dims)
			f.dims[1] = inputs[0].Dims[1]
			collected[i] = b.value(v.name, f)
		}
	}
	return last, collected
}

// inferScan infers a loop from what its graph declares.
func inferScan(n *Node, in []fact) ([]fact, error) {
	g, ok := n.Attr("body").(Graph)
	count, counted := n.Attr("num_scan_inputs").(Int)
	states := len(in) - int(count)
	switch {
	case !ok || !counted:
		return nil, errors.New("no attribute body, or num_scan_inputs")
	case count < 1 || states < 0 || len(g.Inputs) != len(in):
		return nil, fmt.Errorf("%d of %d inputs are scanned, and the body takes %d", count, len(in), len(g.Inputs))
	case len(g.Outputs) < states || len(g.Outputs) != len(n.Outputs):
		return nil, fmt.Errorf("the body has %d outputs for %d states, and the node %d", len(g.Outputs), states, len(n.Outputs))
	}
	along := func(attr string, i int) int64 {
		if v, ok := n.Attr(attr).(Ints); ok && i < len(v) {
			return v[i]
		}
		return 0
	}
	for i, f := range in {
		if i >= states && f.ranked() {
			at, err := axis(along("scan_input_axes", i-states), len(f.dims))
			if err != nil {
				return nil, err
			}
			f.dims = slices.Delete(slices.Clone(f.dims), at, at+1)
		}
		if err := agree(f, g.Inputs[i]); err != nil {
			return nil, fmt.Errorf("input %d: %w", i, err)
		}
	}
	var out []fact
	for i, v := range g.Outputs {
		f := fact{typ: v.Type, dims: v.Dims}
		if i < states {
			if err := agree(in[i], v); err != nil {
				return nil, fmt.Errorf("state %d: %w", i, err)
			}
		} else if f.ranked() {
			at, err := axis(along("scan_output_axes", i-states), len(f.dims)+1)
			if err != nil {
				return nil, err
			}
			f.dims = slices.Insert(slices.Clone(f.dims), at, Unknown)
		}
		out = append(out, f)
	}
	return out, nil
}

func inferRange(_ *Node, in []fact) ([]fact, error) {
	return []fact{{in[0].typ, []Dim{Unknown}, nil}}, nil
}
