package f32

import "golang.org/x/sys/cpu"

// vector says whether the processor can run the kernels, and wide whether it can also run
// those for AVX-512.
var (
	vector = cpu.X86.HasAVX2 && cpu.X86.HasFMA
	wide   = vector && cpu.X86.HasAVX512F
)

// The kernels compute m rows of a panel of C, 32, 16 or 8 columns wide, from as many rows
// of A and a panel of B with k rows. m and k are positive, and strides are in elements. All
// kernels give the same bits.

//go:noescape
func gemm32AVX512(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha, beta float32)

//go:noescape
func gemm16AVX2(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha, beta float32)

//go:noescape
func gemm8AVX2(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha, beta float32)

// packVectors copies rows of 16 elements.
//
//go:noescape
func packVectors(dst *float32, ldd int, src *float32, lds, rows int)

// transposeVectors transposes eight rows of 8·blocks columns.
//
//go:noescape
func transposeVectors(dst *float32, ldd int, src *float32, lds int, blocks int)

// The functions on vectors take the number of vectors of eight elements, which is positive.
// The plain loops of their callers are their twins.

//go:noescape
func expVectors(dst, src *float32, vectors int, table *[16][8]float32)

//go:noescape
func lstmCellVectors(h, c, tanhC, gates, cPrev *float32, hidden, vectors int, table *[16][8]float32)

//go:noescape
func lstmCellGradVectors(dgates, dc, dh, gates, tanhC, cPrev *float32, hidden, vectors int, table *[16][8]float32)

//go:noescape
func addVectors(dst, a, b *float32, vectors int)

//go:noescape
func mulVectors(dst, a, b *float32, vectors int)

//go:noescape
func mulAddVectors(dst, a, b, c *float32, vectors int)

//go:noescape
func axpyVectors(dst, x, y *float32, alpha float32, vectors int)

//go:noescape
func affineVectors(dst, src *float32, scale, shift float32, vectors int)

//go:noescape
func reluVectors(dst, src *float32, vectors int)

//go:noescape
func reluGradVectors(dx, x, dy *float32, vectors int)

//go:noescape
func dotVectors(x, y *float32, vectors int) float32

//go:noescape
func sumVectors(x *float32, vectors int) float32

//go:noescape
func sumSquaresVectors(x *float32, vectors int) float64

//go:noescape
func maximumVectors(x *float32, vectors int) float32

//go:noescape
func adamVectors(x, grad, m, v *float32, vectors int, f *adamFactors)

//go:noescape
func uniformVectors(dst *float32, vectors int, unit float32, states *[4]uint64)

// panel computes C = alpha·A·B + beta·C for a panel of B of width columns: 8, 16 or,
// if wide is set, 32.
func panel(m, k, width int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	switch {
	case !vector:
		panelPlain(m, k, width, alpha, a, lda, b, ldb, beta, c, ldc)
	case width == 32:
		gemm32AVX512(m, k, &a[0], lda, &b[0], ldb, &c[0], ldc, alpha, beta)
	case width == 16:
		gemm16AVX2(m, k, &a[0], lda, &b[0], ldb, &c[0], ldc, alpha, beta)
	default:
		gemm8AVX2(m, k, &a[0], lda, &b[0], ldb, &c[0], ldc, alpha, beta)
	}
}

// transpose sets dst[j·ldd+i] to src[i·lds+j] for i < rows, j < cols.
func transpose(dst []float32, ldd int, src []float32, lds int, rows, cols int) {
	i := 0
	if vector && cols >= 8 {
		for ; i+8 <= rows; i += 8 {
			transposeVectors(&dst[i], ldd, &src[i*lds], lds, cols/8)
			if done := cols &^ 7; done < cols {
				transposePlain(dst[done*ldd+i:], ldd, src[i*lds+done:], lds, 8, cols-done)
			}
		}
	}
	if i < rows {
		transposePlain(dst[i:], ldd, src[i*lds:], lds, rows-i, cols)
	}
}
