// Package device is the interface between networks and the hardware that computes them:
// vectors in a device's memory and the operations of layers. [CPU] implements it with
// package f32; package cuda implements it on a GPU.
package device

// A Vec is a vector of single-precision numbers in the memory of a device. Its parts
// share its memory. The zero Vec is empty, and stands for a result that is not needed.
type Vec struct {
	host *memory // memory on the CPU
	addr uintptr // address on another device; offset in host on the CPU
	n    int
}

// memory is allocated on first use: a network that only predicts has none for gradients,
// and a network that is described but never run has none at all.
type memory struct {
	x []float32
	n int
}

func (m *memory) made() []float32 {
	if m.x == nil {
		m.x = make([]float32, m.n)
		hugePages(m.x)
	}
	return m.x
}

// Host returns a Vec of memory that the CPU can access.
func Host(x []float32) Vec { return Vec{host: &memory{x: x}, n: len(x)} }

// At returns a Vec of n numbers at an address of another device.
func At(addr uintptr, n int) Vec { return Vec{addr: addr, n: n} }

// Len returns the length of v.
func (v Vec) Len() int { return v.n }

// Host returns the numbers of v if the CPU can access them, else nil.
func (v Vec) Host() []float32 {
	if v.host == nil {
		return nil
	}
	return v.host.made()[v.addr:][:v.n:v.n]
}

// Addr returns the address of v on a device that is not the CPU, else 0.
func (v Vec) Addr() uintptr {
	if v.host != nil {
		return 0
	}
	return v.addr
}

// Part returns v[from:to].
func (v Vec) Part(from, to int) Vec {
	if from < 0 || from > to || to > v.n {
		panic("device: a part outside of its vector")
	}
	size := uintptr(4)
	if v.host != nil {
		size = 1
	}
	return Vec{host: v.host, addr: v.addr + size*uintptr(from), n: to - from}
}

// From returns v[from:].
func (v Vec) From(from int) Vec { return v.Part(from, v.n) }

// To returns v[:to].
func (v Vec) To(to int) Vec { return v.Part(0, to) }

// A Matrix is a matrix in a Vec, stored row by row.
type Matrix struct {
	Vec
	Stride int  // from one row to the next
	T      bool // products use the transpose of the stored matrix
}

// M returns the matrix in v with contiguous rows of cols columns.
func M(v Vec, cols int) Matrix { return Matrix{Vec: v, Stride: cols} }

// Transposed returns the transpose of m.
func (m Matrix) Transposed() Matrix {
	m.T = !m.T
	return m
}

// A Loss measures a network's output.
type Loss struct {
	Kind LossKind
	Q    float32 // the quantile, or the error at which Huber's loss turns linear
}

// A LossKind is a formula for the error e = y-f of a forecast f of a truth y.
type LossKind int

// The losses.
const (
	Square   LossKind = iota + 1 // e²
	Absolute                     // |e|
	Huber                        // e²/2 where |e| ≤ Q, else Q(|e|-Q/2) (Huber, Annals of Mathematical Statistics 35, 1964)
	Quantile                     // Qe where e ≥ 0, else (Q-1)e (Koenker and Bassett, Econometrica 46, 1978)
)

// An AdamStep is a step of Adam with decoupled weight decay; see f32.AdamStep.
type AdamStep struct {
	Rate, Beta1, Beta2, Epsilon, Decay float32
	Step                               int     // from 1
	Scale                              float32 // factor of the gradient
}

// A Device computes. Matrices are stored row by row. Methods panic on lengths that do not
// fit, which is a bug of the caller. Only one goroutine may use a Device, and methods may
// return before the work is done: [Device.Read], Norm2 and Loss wait for all earlier work.
type Device interface {
	// Alloc returns a vector of n zeros, which lives until Free or as long as the device.
	// On the CPU its memory is allocated on first use.
	Alloc(n int) Vec
	Write(dst Vec, src []float32)
	Read(dst []float32, src Vec)
	// Free releases all memory of the device.
	Free()
	// Err returns the first error of the device: out of memory, or broken. After an error
	// it computes nothing, and reads give NaN.
	Err() error
	String() string

	Zero(x Vec)
	Copy(dst, src Vec)
	// CopyRows copies rows of cols columns from one matrix to another.
	CopyRows(dst, src Matrix, rows, cols int)
	Add(dst, a, b Vec)
	AddRow(x, row Vec)  // adds row to each row of x
	AddRows(sum, x Vec) // adds each row of x to sum

	// Gemm sets the m by n matrix c to alpha·a·b + beta·c, where a has k columns.
	Gemm(m, n, k int, alpha float32, a, b Matrix, beta float32, c Matrix)
	// Gemms makes count products. The matrices of each begin sa, sb and sc numbers after
	// those of the one before.
	Gemms(count, m, n, k int, alpha float32, a Matrix, sa int, b Matrix, sb int, beta float32, c Matrix, sc int)
	// Recurrent prepares a k by n matrix as the right side of products with GemmRecurrent,
	// until the next call for the same slot. Slots count from 0.
	Recurrent(slot, k, n int, b Matrix)
	GemmRecurrent(slot, m int, a Matrix, beta float32, c Matrix)

	Relu(dst, src Vec)
	ReluGrad(dx, y, dy Vec)
	// Softmax sets the rows of dst to the softmax of those of src. If causal, row i uses
	// only its first 1 + i mod cols columns; the others become 0.
	Softmax(dst, src Vec, cols int, causal bool)
	SoftmaxGrad(dx, y, dy Vec, cols int)
	LayerNorm(dst, norm, rstd, src, gain, bias Vec)
	LayerNormGrad(dx, dgain, dbias, dy, norm, rstd, gain Vec) // adds to dgain and dbias
	LSTMCell(h, c, tanhC, gates, cPrev Vec, hidden int)
	LSTMCellGrad(dgates, dc, dh, gates, tanhC, cPrev Vec, hidden int)
	// WeightNorm sets each column of w to gain·v/|v| of that column of v (Salimans and
	// Kingma, arXiv:1602.07868), and norm to the |v|.
	WeightNorm(w, norm, v, gain Vec)
	// WeightNormGrad sets dv and dgain, given the gradient dw with respect to w.
	WeightNormGrad(dv, dgain, dw, v, gain, norm Vec)
	// Dropout copies src to dst, sets a random share rate of it to 0, and divides the rest
	// by 1-rate. The choice depends only on the seed and on the index in dst.
	Dropout(dst, src Vec, rate float32, seed uint64)

	// Loss returns scale·Σ weight·loss(truth-f) and sets df, unless it is empty, to its
	// gradient.
	Loss(l Loss, scale float32, f, truth, weight, df Vec) float64
	Norm2(x Vec) float64 // Σx²
	Adam(s AdamStep, x, g, m, v Vec)
}
