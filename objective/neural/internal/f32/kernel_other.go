//go:build !amd64

package f32

// Without kernels, the plain functions are used and those below are never called.
const vector, wide = false, false

func expVectors(dst, src *float32, vectors int, table *[16][8]float32) {}
func lstmCellVectors(h, c, tanhC, gates, cPrev *float32, hidden, vectors int, table *[16][8]float32) {
}
func lstmCellGradVectors(dgates, dc, dh, gates, tanhC, cPrev *float32, hidden, vectors int, table *[16][8]float32) {
}
func addVectors(dst, a, b *float32, vectors int)                         {}
func mulVectors(dst, a, b *float32, vectors int)                         {}
func mulAddVectors(dst, a, b, c *float32, vectors int)                   {}
func axpyVectors(dst, x, y *float32, alpha float32, vectors int)         {}
func affineVectors(dst, src *float32, scale, shift float32, vectors int) {}
func reluVectors(dst, src *float32, vectors int)                         {}
func reluGradVectors(dx, x, dy *float32, vectors int)                    {}
func dotVectors(x, y *float32, vectors int) float32                      { return 0 }
func sumVectors(x *float32, vectors int) float32                         { return 0 }
func sumSquaresVectors(x *float32, vectors int) float64                  { return 0 }
func maximumVectors(x *float32, vectors int) float32                     { return 0 }
func adamVectors(x, grad, m, v *float32, vectors int, f *adamFactors)    {}
func packVectors(dst *float32, ldd int, src *float32, lds, rows int)     {}

func uniformVectors(dst *float32, vectors int, unit float32, states *[4]uint64) {
}

func panel(m, k, width int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	panelPlain(m, k, width, alpha, a, lda, b, ldb, beta, c, ldc)
}

func transpose(dst []float32, ldd int, src []float32, lds int, rows, cols int) {
	transposePlain(dst, ldd, src, lds, rows, cols)
}
