package f32

import (
	"fmt"
	"math"
)

// sameLen panics unless all slices are as long as the first.
func sameLen(op string, n int, lens ...int) {
	for _, l := range lens {
		if l != n {
			panic(fmt.Sprintf("f32: %s: slices of %d and %d elements, want equal lengths", op, n, l))
		}
	}
}

// Exp sets dst to eˣ for each x of src. dst may be src.
func Exp(dst, src []float32) {
	sameLen("Exp", len(dst), len(src))
	for i, x := range src {
		dst[i] = float32(math.Exp(float64(x)))
	}
}

// Tanh sets dst to the hyperbolic tangent of each x of src. dst may be src.
func Tanh(dst, src []float32) {
	sameLen("Tanh", len(dst), len(src))
	for i, x := range src {
		dst[i] = float32(math.Tanh(float64(x)))
	}
}

// Sigmoid sets dst to 1/(1+e⁻ˣ) for each x of src. dst may be src.
func Sigmoid(dst, src []float32) {
	sameLen("Sigmoid", len(dst), len(src))
	for i, x := range src {
		dst[i] = float32(1 / (1 + math.Exp(-float64(x))))
	}
}

// Axpy adds alpha·x to y.
func Axpy(alpha float32, x, y []float32) {
	sameLen("Axpy", len(x), len(y))
	for i, v := range x {
		y[i] += alpha * v
	}
}

// Dot returns Σ x·y.
func Dot(x, y []float32) float32 {
	sameLen("Dot", len(x), len(y))
	var s float32
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

// Sum returns Σ x.
func Sum(x []float32) float32 {
	var s float32
	for _, v := range x {
		s += v
	}
	return s
}

// SumSquares returns Σ x², summed in double precision.
func SumSquares(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return s
}

// Add sets dst to a+b. dst may be a or b.
func Add(dst, a, b []float32) {
	sameLen("Add", len(dst), len(a), len(b))
	for i, v := range a {
		dst[i] = v + b[i]
	}
}

// Mul sets dst to the elementwise product of a and b. dst may be a or b.
func Mul(dst, a, b []float32) {
	sameLen("Mul", len(dst), len(a), len(b))
	for i, v := range a {
		dst[i] = v * b[i]
	}
}

// Scale multiplies x by alpha.
func Scale(alpha float32, x []float32) {
	for i := range x {
		x[i] *= alpha
	}
}

// AddRow adds the row to each row of the matrix x, as a bias is added. len(x) must be a
// multiple of len(row).
func AddRow(x, row []float32) {
	for len(x) > 0 {
		Add(x[:len(row)], x[:len(row)], row)
		x = x[len(row):]
	}
}

// AddRows adds every row of the matrix x to sum, as the gradient of a bias is summed.
// len(x) must be a multiple of len(sum).
func AddRows(sum, x []float32) {
	for len(x) > 0 {
		Add(sum, sum, x[:len(sum)])
		x = x[len(sum):]
	}
}
