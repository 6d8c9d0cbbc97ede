package f32

import "fmt"

// sameLen panics unless all slices are as long as the first.
func sameLen(op string, n int, lens ...int) {
	for _, l := range lens {
		if l != n {
			panic(fmt.Sprintf("f32: %s: slices of %d and %d elements, want equal lengths", op, n, l))
		}
	}
}

// whole returns the number of whole vectors of eight elements in n elements.
func whole(n int) int {
	if !vector {
		return 0
	}
	return n / 8
}

// Exp sets dst to eˣ for each x of src, to within 1.1 ulp. From 88.73 up it is +Inf, and
// below -103.97 it is 0. The result for NaN is NaN. dst may be src.
func Exp(dst, src []float32) {
	sameLen("Exp", len(dst), len(src))
	if !vector {
		for i, x := range src {
			dst[i] = exp(x)
		}
		return
	}
	n := len(src) / 8
	if n > 0 {
		expVectors(&dst[0], &src[0], n, &constants)
	}
	if rest := src[8*n:]; len(rest) > 0 {
		var t [8]float32
		copy(t[:], rest)
		expVectors(&t[0], &t[0], 1, &constants)
		copy(dst[8*n:], t[:])
	}
}

// Axpy adds alpha·x to y.
func Axpy(alpha float32, x, y []float32) {
	sameLen("Axpy", len(x), len(y))
	i := whole(len(x))
	if i > 0 {
		axpyVectors(&y[0], &x[0], &y[0], alpha, i)
	}
	for i *= 8; i < len(x); i++ {
		y[i] = fma(alpha, x[i], y[i])
	}
}

// Dot returns Σ x·y.
func Dot(x, y []float32) float32 {
	sameLen("Dot", len(x), len(y))
	var s float32
	i := whole(len(x))
	if i > 0 {
		s = dotVectors(&x[0], &y[0], i)
	}
	for i *= 8; i < len(x); i++ {
		s += x[i] * y[i]
	}
	return s
}

// Sum returns Σ x.
func Sum(x []float32) float32 {
	var s float32
	i := whole(len(x))
	if i > 0 {
		s = sumVectors(&x[0], i)
	}
	for i *= 8; i < len(x); i++ {
		s += x[i]
	}
	return s
}

// SumSquares returns Σ x², in double precision.
func SumSquares(x []float32) float64 {
	var s float64
	i := whole(len(x))
	if i > 0 {
		s = sumSquaresVectors(&x[0], i)
	}
	for i *= 8; i < len(x); i++ {
		s += float64(x[i]) * float64(x[i])
	}
	return s
}

// maximum returns the greatest element of x, which must not be empty. It may miss a NaN.
func maximum(x []float32) float32 {
	top := x[0]
	i := whole(len(x))
	if i > 0 {
		top = maximumVectors(&x[0], i)
	}
	for i *= 8; i < len(x); i++ {
		top = max(top, x[i])
	}
	return top
}

// Add sets dst to a+b. dst may be a or b.
func Add(dst, a, b []float32) {
	sameLen("Add", len(dst), len(a), len(b))
	i := whole(len(a))
	if i > 0 {
		addVectors(&dst[0], &a[0], &b[0], i)
	}
	for i *= 8; i < len(a); i++ {
		dst[i] = a[i] + b[i]
	}
}

// Mul sets dst to the elementwise product of a and b. dst may be a or b.
func Mul(dst, a, b []float32) {
	sameLen("Mul", len(dst), len(a), len(b))
	i := whole(len(a))
	if i > 0 {
		mulVectors(&dst[0], &a[0], &b[0], i)
	}
	for i *= 8; i < len(a); i++ {
		dst[i] = a[i] * b[i]
	}
}

// MulAdd sets dst to a·b + c, elementwise. dst may be any of them.
func MulAdd(dst, a, b, c []float32) {
	sameLen("MulAdd", len(dst), len(a), len(b), len(c))
	i := whole(len(a))
	if i > 0 {
		mulAddVectors(&dst[0], &a[0], &b[0], &c[0], i)
	}
	for i *= 8; i < len(a); i++ {
		dst[i] = fma(a[i], b[i], c[i])
	}
}

// Affine sets dst to scale·x + shift for each x of src. dst may be src.
func Affine(dst, src []float32, scale, shift float32) {
	sameLen("Affine", len(dst), len(src))
	i := whole(len(src))
	if i > 0 {
		affineVectors(&dst[0], &src[0], scale, shift, i)
	}
	for i *= 8; i < len(src); i++ {
		dst[i] = fma(src[i], scale, shift)
	}
}

// Scale multiplies x by alpha.
func Scale(alpha float32, x []float32) { Affine(x, x, alpha, 0) }

// AddRow adds row to each row of the matrix x, like a bias. It panics unless len(x) is a
// multiple of len(row).
func AddRow(x, row []float32) {
	checkRows("AddRow", len(x), len(row))
	for ; len(x) > 0; x = x[len(row):] {
		Add(x[:len(row)], x[:len(row)], row)
	}
}

// AddRows adds every row of the matrix x to sum, like the gradient of a bias. It panics
// unless len(x) is a multiple of len(sum).
func AddRows(sum, x []float32) {
	checkRows("AddRows", len(x), len(sum))
	for ; len(x) > 0; x = x[len(sum):] {
		Add(sum, sum, x[:len(sum)])
	}
}

// checkRows panics unless n is a multiple of cols.
func checkRows(op string, n, cols int) {
	if n > 0 && (cols <= 0 || n%cols != 0) {
		panic(fmt.Sprintf("f32: %s: %d elements do not divide into rows of %d", op, n, cols))
	}
}
