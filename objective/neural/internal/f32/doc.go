// Package f32 implements the single-precision arithmetic of training neural networks: the
// matrix product ([Gemm], [GemmPacked]), elementary functions, the steps of layers forward
// and backward, the Adam update, and random initial weights.
//
// Matrices are slices, row by row. Functions run on the calling goroutine, allocate nothing
// once warm, and give the same bits for the same inputs on the same machine, so that
// concurrent trials are reproducible. They panic on slices whose lengths do not fit. Slices
// may be the same where the documentation says so, and must not overlap otherwise.
//
// On amd64 with AVX2 and FMA, assembly kernels do the work. AVX-512 has wider kernels for
// the product, which give the same bits (not timed yet). Elsewhere plain Go code runs,
// which the tests compare with the kernels. Elementary functions have the same bits in
// both, except for a double rounding in about one of 10⁸ cases; products and sums differ
// by their rounding.
//
// # Speed
//
// On one core of an AMD EPYC (Zen 3, 2.45 GHz, AVX2), as measured by
//
//	go test -bench . ./objective/neural/internal/f32
//
// in GFLOP/s, compared with gonum v0.17.0 and numpy 2.4.6 (OpenBLAS, one thread):
//
//	product                                shape   f32  gonum  numpy
//	recurrent, hidden 32, packed       32×128×32    88     14     51
//	recurrent, hidden 64, packed       32×256×64    94     10     70
//	recurrent, hidden 128, packed     32×512×128    97     13     73
//	recurrent, hidden 256, packed    32×1024×256    96      9     72
//	recurrent, hidden 256            32×1024×256    78      9     72
//	back, hidden 256, transposed     32×256×1024    79      9     69
//	gradient, hidden 128, transposed 128×512×768    91     10     92
//	convolution, 32 channels           736×32×32    94      7     66
//	batch of 32×24 rows              768×128×128    95     11     90
//	attention scores, transposed         24×24×8    40      2      5
//	one output                          768×1×64    10    0.3     22
//
// Exp takes 0.4 ns per element, 40 times less than package math; an LSTM cell takes 3.5
// ns forward and 0.5 ns back; Adam and Uniform take 0.35 ns per parameter.
package f32

//go:generate go run gen.go
