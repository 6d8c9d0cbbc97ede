package f32

import (
	"fmt"
	"sync"
)

// Gemm computes C = alpha·op(A)·op(B) + beta·C for row-major matrices: op(A) is m×k,
// op(B) k×n and C m×n. op is the transpose if transA or transB is set; A is then stored as
// k×m, B as n×k. lda, ldb and ldc are the row strides of the stored matrices, in elements.
// If beta is 0, C is overwritten, and may contain NaN. If alpha or k is 0, A and B are not
// read. Gemm panics on a negative size, a stride below the length of a row, or a slice that
// is too short. C must not overlap A or B.
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
	product(transA, m, n, k, alpha, a, lda, matrix{b, ldb, transB, false}, beta, c, ldc)
}

// The product is computed in blocks of blockK columns of A, so that a panel of B stays in
// the first-level cache, and of blockM rows, so that a block of A stays in the second.
const (
	blockM = 192
	blockK = 256

	// direct is the number of rows up to which packing a panel of B costs more than it
	// gains.
	direct = 6
)

// matrix is the right-hand side of a product: stored by rows, by columns if trans, or
// packed.
//
// A packed matrix has a sequence of panels for each block of its rows. panelWidth gives
// their width; the last one is padded with zeros. A panel is stored by rows.
type matrix struct {
	data          []float32
	stride        int
	trans, packed bool
}

// Packed is the right-hand matrix of a product, in the layout that the kernels read.
// Packing pays if several products share the matrix, such as the weights of a recurrent
// layer over the time steps. The zero value is an empty matrix, ready for Set. Products may
// share a Packed concurrently, but not with Set.
type Packed struct {
	k, n int
	data []float32
}

// Set packs op(B), which is k×n, as in [Gemm]. It copies B, and reuses the memory of the
// previous matrix.
func (p *Packed) Set(transB bool, k, n int, b []float32, ldb int) {
	if k < 0 || n < 0 {
		panic(fmt.Sprintf("f32: Packed: negative size %d×%d", k, n))
	}
	checkOp("Packed", "B", transB, k, n, b, ldb)
	p.k, p.n = k, n
	full := padded(n)
	if need := k * full; cap(p.data) < need {
		p.data = make([]float32, need)
	} else {
		p.data = p.data[:need]
	}
	step := even(k, blockK, 1)
	for at := 0; at < k; at += step {
		depth := min(step, k-at)
		for j, width := 0, 0; j < n; j += width {
			width = panelWidth(n - j)
			pack(p.data[at*full+j*depth:], depth, width, matrix{b, ldb, transB, false}, at, j, n)
		}
	}
}

// Dims returns the size k×n of the matrix.
func (p *Packed) Dims() (k, n int) { return p.k, p.n }

// GemmPacked computes C = alpha·op(A)·B + beta·C like [Gemm], with the same bits. op(A)
// is m×k, B is k×n with the k and n of b, and C is m×n.
func GemmPacked(transA bool, m int, alpha float32, a []float32, lda int, b *Packed, beta float32, c []float32, ldc int) {
	if m < 0 {
		panic(fmt.Sprintf("f32: GemmPacked: negative size %d×%d×%d", m, b.n, b.k))
	}
	checkMatrix("GemmPacked", "C", m, b.n, c, ldc)
	if m == 0 || b.n == 0 {
		return
	}
	if b.k == 0 || alpha == 0 {
		scaleRows(m, b.n, beta, c, ldc)
		return
	}
	checkOp("GemmPacked", "A", transA, m, b.k, a, lda)
	product(transA, m, b.n, b.k, alpha, a, lda, matrix{data: b.data, packed: true}, beta, c, ldc)
}

// workspace is the memory of a product.
type workspace struct {
	a []float32            // a block of A, transposed
	b [blockK * 32]float32 // a panel of B
	c [blockM * 16]float32 // a panel of C that crosses the edge
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// product is Gemm for sizes above 0.
func product(transA bool, m, n, k int, alpha float32, a []float32, lda int, b matrix, beta float32, c []float32, ldc int) {
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
	if n == 1 && !transA {
		column(w, m, k, alpha, a, lda, b, beta, c, ldc)
		return
	}
	stepM, stepK, full := even(m, blockM, 6), even(k, blockK, 1), padded(n)
	for at := 0; at < k; at += stepK {
		depth := min(stepK, k-at)
		for i := 0; i < m; i += stepM {
			rows := min(stepM, m-i)
			left, ldl := a, lda
			if transA {
				ldl = depth + 16 // not a power of two, so that rows do not collide in the cache
				if len(w.a) < rows*ldl {
					w.a = make([]float32, blockM*(blockK+16))
				}
				left = w.a
				transpose(left, ldl, a[at*lda+i:], lda, depth, rows)
			} else {
				left = a[i*lda+at:]
			}
			for j, width := 0, 0; j < n; j += width {
				width = panelWidth(n - j)
				right, ldr := w.b[:], width
				switch {
				case b.packed:
					right = b.data[at*full+j*depth:]
				case !b.trans && (rows <= direct || rows <= 64 && depth*b.stride <= 1<<16) && j+width <= n:
					right, ldr = b.data[at*b.stride+j:], b.stride
				default:
					pack(right, depth, width, b, at, j, n)
				}
				if j+width <= n {
					panel(rows, depth, width, alpha, left, ldl, right, ldr, beta, c[i*ldc+j:], ldc)
					continue
				}
				panel(rows, depth, width, alpha, left, ldl, right, ldr, 0, w.c[:], width)
				merge(rows, n-j, w.c[:], width, beta, c[i*ldc+j:], ldc)
			}
		}
		beta = 1
	}
}

// column is product for a B of one column, where a panel would mostly be padding.
func column(w *workspace, m, k int, alpha float32, a []float32, lda int, b matrix, beta float32, c []float32, ldc int) {
	stride := b.stride
	switch {
	case b.packed:
		stride = panelWidth(1)
	case b.trans:
		stride = 1
	}
	for at := 0; at < k; at += len(w.b) {
		x := w.b[:min(len(w.b), k-at)]
		for p := range x {
			x[p] = b.data[(at+p)*stride]
		}
		for i := range m {
			y := alpha * Dot(a[i*lda+at:][:len(x)], x)
			if beta != 0 {
				y += beta * c[i*ldc]
			}
			c[i*ldc] = y
		}
		beta = 1
	}
}

// pack copies width columns of B from column j, in rows at to at+depth, to dst as a panel.
func pack(dst []float32, depth, width int, b matrix, at, j, n int) {
	cols := min(width, n-j)
	dst = dst[:depth*width]
	if cols < width {
		clear(dst)
	}
	switch {
	case b.trans:
		transpose(dst, width, b.data[j*b.stride+at:], b.stride, cols, depth)
	case vector && cols == width && width >= 16:
		for c := 0; c < width; c += 16 {
			packVectors(&dst[c], width, &b.data[at*b.stride+j+c], b.stride, depth)
		}
	default:
		for p := range depth {
			copy(dst[p*width:], b.data[(at+p)*b.stride+j:][:cols])
		}
	}
}

// merge sets C to T + beta·C.
func merge(m, n int, t []float32, ldt int, beta float32, c []float32, ldc int) {
	for i := range m {
		row, from := c[i*ldc:][:n], t[i*ldt:][:n]
		if beta == 0 {
			copy(row, from)
			continue
		}
		for j, v := range from {
			row[j] = v + beta*row[j]
		}
	}
}

// panelWidth returns the width of the next panel when n columns are left.
func panelWidth(n int) int {
	switch {
	case wide && n >= 32:
		return 32
	case n > 8:
		return 16
	default:
		return 8
	}
}

// padded returns the width of n columns with padding.
func padded(n int) int { return (n + 7) &^ 7 }

// even returns the size of the fewest equal blocks of n: a multiple of unit, at most limit.
func even(n, limit, unit int) int {
	blocks := max(1, (n+limit-1)/limit)
	size := (n + blocks - 1) / blocks
	return (size + unit - 1) / unit * unit
}

// scaleRows multiplies C by beta. If beta is 0, it clears C.
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

// checkOp panics unless op(X), of the given size, fits into x.
func checkOp(op, name string, trans bool, rows, cols int, x []float32, ld int) {
	if trans {
		rows, cols = cols, rows
	}
	checkMatrix(op, name, rows, cols, x, ld)
}

// checkMatrix panics unless a matrix of the given size and row stride fits into x.
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
