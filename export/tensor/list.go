package tensor

import "fmt"

// A List holds the inputs or the outputs of a model, in the model's order. The rows of a
// List are the first dimension of each tensor.
type List []Tensor

// Named returns the tensor with the given name, and whether there is one.
func (l List) Named(name string) (Tensor, bool) {
	for _, t := range l {
		if t.Name == name {
			return t, true
		}
	}
	return Tensor{}, false
}

// Rows returns the number of rows that all tensors have. It fails with [ErrShape] for an
// empty list, for a tensor without rows or one that [Tensor.Check] refuses, and for tensors
// with different numbers of rows.
func (l List) Rows() (int, error) {
	if len(l) == 0 {
		return 0, fmt.Errorf("%w: there are no tensors", ErrShape)
	}
	for _, t := range l {
		if err := t.Check(); err != nil {
			return 0, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if len(t.Shape) == 0 || t.Shape[0] < 1 {
			return 0, fmt.Errorf("%w: tensor %q with dimensions %v has no rows", ErrShape, t.Name, t.Shape)
		}
		if t.Shape[0] != l[0].Shape[0] {
			return 0, fmt.Errorf("%w: tensor %q has %d rows, and tensor %q has %d", ErrShape, t.Name, t.Shape[0], l[0].Name, l[0].Shape[0])
		}
	}
	return int(l[0].Shape[0]), nil
}

// Slice returns the rows in [from, to). They share the memory of l. It panics if l has
// fewer rows.
func (l List) Slice(from, to int) List {
	out := make(List, len(l))
	for i, t := range l {
		out[i] = t.slice(from, to)
	}
	return out
}

// Pick returns a copy of the given rows, in the given order. It panics if a row does not
// exist.
func (l List) Pick(rows ...int) List {
	out := make(List, len(l))
	for i, t := range l {
		out[i] = t.pick(rows)
	}
	return out
}

// Join returns a copy of the rows of all lists, list by list. It fails with [ErrShape]
// unless all have tensors with the same names, types and sizes of rows.
func Join(lists ...List) (List, error) {
	if len(lists) == 0 {
		return nil, nil
	}
	out := make(List, len(lists[0]))
	for i, first := range lists[0] {
		parts := make([]Tensor, len(lists))
		for k, l := range lists {
			if len(l) != len(out) {
				return nil, fmt.Errorf("%w: lists of %d and of %d tensors", ErrShape, len(out), len(l))
			}
			if !first.joins(l[i]) {
				return nil, fmt.Errorf("%w: %v and %v have different names, types or rows", ErrShape, first, l[i])
			}
			parts[k] = l[i]
		}
		out[i] = join(parts)
	}
	return out, nil
}
