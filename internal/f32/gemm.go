package f32

import "fmt"

// Gemm computes C = alpha·op(A)·op(B) + beta·C for row-major matrices: op(A) is m×k,
// op(B) k×n and C m×n. op transposes where transA or transB says so: A is then stored
// k×m, B n×k. lda, ldb and ldc are the row strides of the matrices as stored, in
// elements. With beta 0 C is overwritten: a NaN in it does not matter. With alpha 0 or k
// 0 neither A nor B is read. Gemm panics on a negative size, a stride below the length of
// a row or a slice that is too short. C must not overlap A or B.
func Gemm(transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if m < 0 || n < 0 || k < 0 {
		panic(fmt.Sprintf("f32: Gemm: negative size %d×%d×%d", m, n, k))
	}
	checkMatrix("Gemm", "C", m, n, c, ldc)
	if m == 0 || n == 0 {
		return
	}
	if k == 0 || alpha == 0 {
		scaleRows(m, n, beta, c, ldc)
		return
	}
	checkOp("Gemm", "A", transA, m, k, a, lda)
	checkOp("Gemm", "B", transB, k, n, b, ldb)
	gemmPlain(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Packed is the right-hand matrix of a product in the layout in which the kernels read
// it. Packing pays where several products share it, as the weights of a recurrent layer
// do over the time steps. The zero value is an empty matrix, ready for Set. Products with
// the same Packed may run at once; Set must not run beside them.
type Packed struct {
	k, n int
	data []float32
}

// Set packs op(B), which is k×n, as in [Gemm]. It copies B, and reuses the memory of what
// was packed before.
func (p *Packed) Set(transB bool, k, n int, b []float32, ldb int) {
	if k < 0 || n < 0 {
		panic(fmt.Sprintf("f32: Packed: negative size %d×%d", k, n))
	}
	checkOp("Packed", "B", transB, k, n, b, ldb)
	p.k, p.n = k, n
	if cap(p.data) < k*n {
		p.data = make([]float32, k*n)
	}
	p.data = p.data[:k*n]
	for i := range k {
		for j := range n {
			if transB {
				p.data[i*n+j] = b[j*ldb+i]
			} else {
				p.data[i*n+j] = b[i*ldb+j]
			}
		}
	}
}

// Dims returns the size k×n of the matrix.
func (p *Packed) Dims() (k, n int) { return p.k, p.n }

// GemmPacked computes C = alpha·op(A)·B + beta·C as [Gemm] does, with the same bits. op(A)
// is m×k, B k×n with the k and n of b, C m×n.
func GemmPacked(transA bool, m int, alpha float32, a []float32, lda int, b *Packed, beta float32, c []float32, ldc int) {
	Gemm(transA, false, m, b.n, b.k, alpha, a, lda, b.data, max(1, b.n), beta, c, ldc)
}

func gemmPlain(transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	scaleRows(m, n, beta, c, ldc)
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		for p := range k {
			at := i*lda + p
			if transA {
				at = p*lda + i
			}
			x := alpha * a[at]
			if transB {
				for j := range row {
					row[j] += x * b[j*ldb+p]
				}
				continue
			}
			for j, y := range b[p*ldb : p*ldb+n] {
				row[j] += x * y
			}
		}
	}
}

// scaleRows multiplies C by beta; by 0 it clears it.
func scaleRows(m, n int, beta float32, c []float32, ldc int) {
	if beta == 1 {
		return
	}
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		if beta == 0 {
			clear(row)
			continue
		}
		for j := range row {
			row[j] *= beta
		}
	}
}

// checkOp panics unless op(X), of the given size, lies in x.
func checkOp(op, name string, trans bool, rows, cols int, x []float32, ld int) {
	if trans {
		rows, cols = cols, rows
	}
	checkMatrix(op, name, rows, cols, x, ld)
}

// checkMatrix panics unless a matrix of the given size and row stride lies in x.
func checkMatrix(op, name string, rows, cols int, x []float32, ld int) {
	if rows == 0 || cols == 0 {
		return
	}
	if ld < cols {
		panic(fmt.Sprintf("f32: %s: %s has a row stride of %d, below its %d columns", op, name, ld, cols))
	}
	if need := (rows-1)*ld + cols; len(x) < need {
		panic(fmt.Sprintf("f32: %s: %s holds %d elements, %d×%d with row stride %d needs %d", op, name, len(x), rows, cols, ld, need))
	}
}
