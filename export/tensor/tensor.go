// Package tensor represents the inputs and outputs of models: named arrays of numbers.
//
// A [List] holds the inputs of one call, with a row in each for every prediction. Package
// export/onnx makes the inputs of a forecaster, package export/runtime runs models on
// them, and package export/quantize calibrates with them. None of the three copies the
// numbers.
package tensor

import (
	"errors"
	"fmt"
	"slices"
)

// ErrShape reports a tensor whose data do not fill its shape, or tensors that do not
// fit together.
var ErrShape = errors.New("wrong shape")

// A Tensor is an array of numbers.
type Tensor struct {
	Name string
	// Shape holds the sizes of the dimensions. It is empty for a single value.
	Shape []int64
	// Data is a []float32, a []float64, an []int64 or a []string with as many values as Shape requires.
	// Values of the last dimension are adjacent.
	Data any
}

// Kind returns the type of the values, "float32", "float64", "int64" or "string", and their
// number. It returns "" and 0 for data of any other type.
func (t Tensor) Kind() (kind string, n int) {
	switch d := t.Data.(type) {
	case []float32:
		return "float32", len(d)
	case []float64:
		return "float64", len(d)
	case []int64:
		return "int64", len(d)
	case []string:
		return "string", len(d)
	}
	return "", 0
}

// Check fails with [ErrShape] if the type of the data is unknown, or their number does not
// match Shape.
func (t Tensor) Check() error {
	kind, n := t.Kind()
	if kind == "" {
		return fmt.Errorf("%w: data of type %T", ErrShape, t.Data)
	}
	size := 1
	for _, d := range t.Shape {
		// A product that exceeds n stays above n, so stop before it overflows.
		if d < 0 || d > 0 && n > 0 && size > n/int(d) {
			size = -1
			break
		}
		size *= int(d)
	}
	if size != n {
		return fmt.Errorf("%w: %d values do not fill the shape %v", ErrShape, n, t.Shape)
	}
	return nil
}

// Floats returns the values as float64: Data itself if it is a []float64, or nil if the
// type is unknown.
func (t Tensor) Floats() []float64 {
	switch d := t.Data.(type) {
	case []float64:
		return d
	case []float32:
		return convert(d)
	case []int64:
		return convert(d)
	}
	return nil
}

func convert[T float32 | int64](v []T) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// pick returns a copy of the rows listed in at.
func (t Tensor) pick(at []int) Tensor {
	switch d := t.Data.(type) {
	case []float32:
		t.Data = pick(d, int(t.Shape[0]), at)
	case []float64:
		t.Data = pick(d, int(t.Shape[0]), at)
	case []int64:
		t.Data = pick(d, int(t.Shape[0]), at)
	case []string:
		t.Data = pick(d, int(t.Shape[0]), at)
	}
	t.Shape = slices.Clone(t.Shape)
	t.Shape[0] = int64(len(at))
	return t
}

func pick[T any](v []T, rows int, at []int) []T {
	size := len(v) / rows
	out := make([]T, 0, len(at)*size)
	for _, i := range at {
		out = append(out, v[i*size:(i+1)*size]...)
	}
	return out
}

// slice returns the rows in [from, to), which share the values of t.
func (t Tensor) slice(from, to int) Tensor {
	switch d := t.Data.(type) {
	case []float32:
		t.Data = cut(d, int(t.Shape[0]), from, to)
	case []float64:
		t.Data = cut(d, int(t.Shape[0]), from, to)
	case []int64:
		t.Data = cut(d, int(t.Shape[0]), from, to)
	case []string:
		t.Data = cut(d, int(t.Shape[0]), from, to)
	}
	t.Shape = slices.Clone(t.Shape)
	t.Shape[0] = int64(to - from)
	return t
}

func cut[T any](v []T, rows, from, to int) []T {
	size := len(v) / rows
	return v[from*size : to*size : to*size]
}

// joins reports whether rows of u can follow those of t.
func (t Tensor) joins(u Tensor) bool {
	a, _ := t.Kind()
	b, _ := u.Kind()
	return t.Name == u.Name && a == b && len(t.Shape) > 0 && len(u.Shape) > 0 && slices.Equal(t.Shape[1:], u.Shape[1:])
}

// join returns a tensor with the rows of all parts.
func join(parts []Tensor) Tensor {
	t := parts[0]
	switch t.Data.(type) {
	case []float32:
		t.Data = concat[float32](parts)
	case []float64:
		t.Data = concat[float64](parts)
	case []int64:
		t.Data = concat[int64](parts)
	case []string:
		t.Data = concat[string](parts)
	}
	t.Shape = slices.Clone(t.Shape)
	t.Shape[0] = 0
	for _, p := range parts {
		t.Shape[0] += p.Shape[0]
	}
	return t
}

func concat[T any](parts []Tensor) []T {
	all := make([][]T, len(parts))
	for i, p := range parts {
		all[i] = p.Data.([]T)
	}
	return slices.Concat(all...)
}

// String returns something like "x float64 [3 2]".
func (t Tensor) String() string {
	kind, _ := t.Kind()
	if kind == "" {
		kind = fmt.Sprintf("%T", t.Data)
	}
	return fmt.Sprintf("%s %s %v", t.Name, kind, t.Shape)
}
