package device

// Dry allocates and computes nothing: it counts what a network would need.
type Dry struct {
	Numbers  int // numbers allocated, each vector rounded up to 256 bytes
	Launches int // number of operations
	Products int // multiplications in matrix products

	right []int // multiplications for each row of a product with GemmRecurrent
}

var _ Device = (*Dry)(nil)

// Alloc implements [Device].
func (d *Dry) Alloc(n int) Vec {
	d.Numbers += (n + 63) / 64 * 64
	return At(1, n)
}

func (d *Dry) gemm(count, m, n, k int) {
	d.Launches++
	d.Products += count * m * n * k
}

// Gemm implements [Device].
func (d *Dry) Gemm(m, n, k int, _ float32, _, _ Matrix, _ float32, _ Matrix) { d.gemm(1, m, n, k) }

// Gemms implements [Device].
func (d *Dry) Gemms(count, m, n, k int, _ float32, _ Matrix, _ int, _ Matrix, _ int, _ float32, _ Matrix, _ int) {
	d.gemm(count, m, n, k)
}

// Recurrent implements [Device].
func (d *Dry) Recurrent(slot, k, n int, _ Matrix) {
	for len(d.right) <= slot {
		d.right = append(d.right, 0)
	}
	d.right[slot] = k * n
}

// GemmRecurrent implements [Device].
func (d *Dry) GemmRecurrent(slot, m int, _ Matrix, _ float32, _ Matrix) {
	d.gemm(1, m, 1, d.right[slot])
}

// Write implements [Device].
func (*Dry) Write(Vec, []float32) {}

// Read implements [Device].
func (*Dry) Read([]float32, Vec) {}

// Free implements [Device].
func (*Dry) Free() {}

// Err implements [Device].
func (*Dry) Err() error { return nil }

// String implements [Device].
func (*Dry) String() string { return "dry" }

// Zero implements [Device].
func (d *Dry) Zero(Vec) { d.Launches++ }

// Copy implements [Device].
func (d *Dry) Copy(Vec, Vec) { d.Launches++ }

// CopyRows implements [Device].
func (d *Dry) CopyRows(Matrix, Matrix, int, int) { d.Launches++ }

// Add implements [Device].
func (d *Dry) Add(Vec, Vec, Vec) { d.Launches++ }

// AddRow implements [Device].
func (d *Dry) AddRow(Vec, Vec) { d.Launches++ }

// AddRows implements [Device].
func (d *Dry) AddRows(Vec, Vec) { d.Launches++ }

// Relu implements [Device].
func (d *Dry) Relu(Vec, Vec) { d.Launches++ }

// ReluGrad implements [Device].
func (d *Dry) ReluGrad(Vec, Vec, Vec) { d.Launches++ }

// Softmax implements [Device].
func (d *Dry) Softmax(Vec, Vec, int, bool) { d.Launches++ }

// SoftmaxGrad implements [Device].
func (d *Dry) SoftmaxGrad(Vec, Vec, Vec, int) { d.Launches++ }

// LayerNorm implements [Device].
func (d *Dry) LayerNorm(Vec, Vec, Vec, Vec, Vec, Vec) { d.Launches++ }

// LayerNormGrad implements [Device].
func (d *Dry) LayerNormGrad(Vec, Vec, Vec, Vec, Vec, Vec, Vec) { d.Launches++ }

// LSTMCell implements [Device].
func (d *Dry) LSTMCell(Vec, Vec, Vec, Vec, Vec, int) { d.Launches++ }

// LSTMCellGrad implements [Device].
func (d *Dry) LSTMCellGrad(Vec, Vec, Vec, Vec, Vec, Vec, int) { d.Launches++ }

// WeightNorm implements [Device].
func (d *Dry) WeightNorm(Vec, Vec, Vec, Vec) { d.Launches++ }

// WeightNormGrad implements [Device].
func (d *Dry) WeightNormGrad(Vec, Vec, Vec, Vec, Vec, Vec) { d.Launches++ }

// Dropout implements [Device].
func (d *Dry) Dropout(Vec, Vec, float32, uint64) { d.Launches++ }

// Adam implements [Device].
func (d *Dry) Adam(AdamStep, Vec, Vec, Vec, Vec) { d.Launches++ }

// Loss implements [Device].
func (d *Dry) Loss(Loss, float32, Vec, Vec, Vec, Vec) float64 {
	d.Launches++
	return 0
}

// Norm2 implements [Device].
func (d *Dry) Norm2(Vec) float64 {
	d.Launches++
	return 0
}
