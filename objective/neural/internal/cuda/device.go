package cuda

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// A Device is a stream of work for a GPU, with its memory. Make it with [Open].
//
// Methods only queue work, except Read, Norm2 and Loss, which wait for it. [Device.Err]
// keeps the first error. After an error the device does nothing, and reads give NaN.
type Device struct {
	g      *gpu
	q      *queue
	err    error
	blocks []uintptr  // blocks of GPU memory
	rest   device.Vec // rest of the last block
	sums   device.Vec // sums of blocks
	used   int        // part of q.pinned that pending writes may use
	right  []right
	starts device.Vec // start addresses of the matrices of batched products

	// cuBLAS gets the addresses of these, so they must not move.
	alpha, beta float32
	args        [maxArgs]uint64
	at          [maxArgs]unsafe.Pointer
}

// A right is the right side of products with GemmRecurrent.
type right struct {
	k, n int
	b    device.Matrix
}

const (
	maxArgs = 12
	// align is the alignment of vectors: 256 bytes.
	align = 64
	// blockSize is the minimum count of numbers allocated at once: 16 MiB.
	blockSize = 1 << 22
	// maxVector is the maximum length of a vector, because kernels count in 32 bits.
	maxVector = 1<<31 - 1
	// spare is the count of numbers reserved for sums, start addresses of matrices and
	// alignment: 2 MiB.
	spare = 1 << 19
	// maxSums is the maximum number of blocks that sum at once.
	maxSums = 256
)

var (
	_ device.Device = (*Device)(nil)

	errFreed = errors.New("the device has been freed")
)

// Open returns a device on GPU number ordinal, counted from 0, with initial room for the
// given count of numbers. It fails with [ErrMissing] or [ErrMemory]. The caller must free
// the device.
func Open(ordinal, numbers int) (*Device, error) {
	g, err := find(ordinal)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	q, err := g.take()
	if err != nil {
		return nil, pkg.Errorf("%v: %w", g, err)
	}
	d := &Device{g: g, q: q}
	for i := range d.at {
		d.at[i] = unsafe.Pointer(&d.args[i])
	}
	d.grow(numbers + spare)
	d.sums = d.Alloc(2 * maxSums) // in double precision
	if err := d.err; err != nil {
		d.Free()
		return nil, err
	}
	return d, nil
}

// String returns the number of the GPU and its name.
func (d *Device) String() string { return d.g.String() }

// Err implements [device.Device].
func (d *Device) Err() error { return d.err }

// Free implements [device.Device]. The device must not be used afterwards.
func (d *Device) Free() {
	if d.q == nil {
		return
	}
	wait := d.g.within(d.g.streamSynchronize, d.q.stream)
	for _, b := range d.blocks {
		d.g.within(d.g.memFree, b)
	}
	if wait == 0 {
		d.g.give(d.q)
	} else {
		d.g.drop(d.q)
	}
	d.q, d.blocks, d.rest = nil, nil, device.Vec{}
	if d.err == nil {
		d.err = errFreed
	}
}

// fail keeps the first error.
func (d *Device) fail(what string, r result, err error) {
	if d.err != nil || r == 0 {
		return
	}
	d.err = pkg.Errorf("%v: %s: %w", d.g, what, err)
	d.g.breaks(r, err)
}

// do calls a function of the driver, unless an error has occurred before.
//
//go:uintptrescapes
func (d *Device) do(what string, function uintptr, args ...uintptr) {
	if d.err != nil {
		return
	}
	if r := d.g.within(function, args...); r != 0 {
		d.fail(what, r, d.g.error(r))
	}
}

// product calls a function of cuBLAS.
func (d *Device) product(what string, function uintptr, args ...uintptr) {
	if d.err != nil {
		return
	}
	if r := d.g.within(function, args...); r != 0 {
		d.err = pkg.Errorf("%v: %s: %w", d.g, what, blasError(r))
	}
}

// launch runs a kernel in the given number of blocks, each with width by height threads.
func (d *Device) launch(k kernel, blocks, width, height int, args ...uint64) {
	if d.err != nil || blocks == 0 {
		return
	}
	copy(d.args[:], args) // little-endian: a 4-byte argument is in the first of 8 bytes
	d.do(kernelNames[k], d.g.launchKernel, d.g.functions[k], uintptr(blocks), 1, 1, uintptr(width), uintptr(height), 1,
		0, d.q.stream, uintptr(unsafe.Pointer(&d.at[0])), 0)
}

// grow allocates a block of memory filled with zeros.
func (d *Device) grow(numbers int) {
	if d.err != nil {
		return
	}
	numbers = max(numbers, blockSize)
	var block uintptr
	if r := d.g.within(d.g.memAlloc, uintptr(unsafe.Pointer(&block)), 4*uintptr(numbers)); r != 0 {
		d.fail("allocate "+size(4*uint64(numbers)), r, fmt.Errorf("%w: %s", d.g.error(r), d.g.memory()))
		return
	}
	d.blocks = append(d.blocks, block)
	d.do("cuMemsetD32Async", d.g.memset, block, 0, uintptr(numbers), d.q.stream)
	d.rest = device.At(block, numbers)
}

// Alloc implements [device.Device].
func (d *Device) Alloc(n int) device.Vec {
	if n > maxVector && d.err == nil {
		d.err = pkg.Errorf("%v: allocate %s: %w: a vector may have up to 8 GiB", d.g, size(4*uint64(n)), ErrMemory)
	}
	room := (n + align - 1) / align * align
	if room > d.rest.Len() {
		d.grow(room)
	}
	if d.err != nil {
		return device.At(0, n)
	}
	v := device.At(d.rest.Addr(), n)
	d.rest = d.rest.From(room)
	return v
}

// wait returns when all queued work is done.
func (d *Device) wait() {
	d.do("cuStreamSynchronize", d.g.streamSynchronize, d.q.stream)
	d.used = 0
}

// Write implements [device.Device].
func (d *Device) Write(dst device.Vec, src []float32) {
	same("Write", dst.Len(), len(src))
	for d.err == nil && len(src) > 0 {
		if d.used == len(d.q.pinned) {
			d.wait()
		}
		n := copy(d.q.pinned[d.used:], src)
		d.do("cuMemcpyHtoDAsync", d.g.memcpyHtoD, dst.Addr(), uintptr(unsafe.Pointer(&d.q.pinned[d.used])), 4*uintptr(n), d.q.stream)
		d.used, src, dst = d.used+n, src[n:], dst.From(n)
	}
}

// Read implements [device.Device].
func (d *Device) Read(dst []float32, src device.Vec) {
	same("Read", len(dst), src.Len())
	for len(dst) > 0 {
		n := min(len(dst), pinnedSize)
		d.fetch(src.To(n))
		if d.err != nil {
			for i := range dst {
				dst[i] = float32(math.NaN())
			}
			return
		}
		copy(dst[:n], d.q.pinned)
		dst, src = dst[n:], src.From(n)
	}
}

// fetch copies a vector to memory that the host can read. It also completes pending writes,
// which come earlier in the stream.
func (d *Device) fetch(src device.Vec) {
	if d.err != nil {
		return
	}
	d.do("cuMemcpyDtoHAsync", d.g.memcpyDtoH, uintptr(unsafe.Pointer(&d.q.pinned[0])), src.Addr(), 4*uintptr(src.Len()), d.q.stream)
	d.wait()
}

// Zero implements [device.Device].
func (d *Device) Zero(x device.Vec) {
	if d.err == nil && x.Len() > 0 {
		d.do("cuMemsetD32Async", d.g.memset, x.Addr(), 0, uintptr(x.Len()), d.q.stream)
	}
}

// Copy implements [device.Device].
func (d *Device) Copy(dst, src device.Vec) {
	same("Copy", dst.Len(), src.Len())
	if d.err == nil && src.Len() > 0 {
		d.do("cuMemcpyDtoDAsync", d.g.memcpyDtoD, dst.Addr(), src.Addr(), 4*uintptr(src.Len()), d.q.stream)
	}
}

// CopyRows implements [device.Device].
func (d *Device) CopyRows(dst, src device.Matrix, rows, cols int) {
	fits("CopyRows", dst, rows, cols)
	fits("CopyRows", src, rows, cols)
	d.each(copyRows, rows*cols, vec(dst.Vec), num(dst.Stride), vec(src.Vec), num(src.Stride), num(rows), num(cols))
}

// Add implements [device.Device].
func (d *Device) Add(dst, a, b device.Vec) {
	same("Add", dst.Len(), a.Len(), b.Len())
	d.each(add, dst.Len(), vec(dst), vec(a), vec(b), num(dst.Len()))
}

// AddRow implements [device.Device].
func (d *Device) AddRow(x, row device.Vec) {
	rows("AddRow", x.Len(), row.Len())
	d.each(addRow, x.Len(), vec(x), vec(row), num(x.Len()), num(row.Len()))
}

// AddRows implements [device.Device].
func (d *Device) AddRows(sum, x device.Vec) {
	n := rows("AddRows", x.Len(), sum.Len())
	d.columns(addRows, sum.Len(), vec(sum), vec(x), num(n), num(sum.Len()))
}

// Gemm implements [device.Device].
func (d *Device) Gemm(m, n, k int, alpha float32, a, b device.Matrix, beta float32, c device.Matrix) {
	d.multiply(1, m, n, k, alpha, a, 0, b, 0, beta, c, 0)
}

// Gemms implements [device.Device].
func (d *Device) Gemms(count, m, n, k int, alpha float32, a device.Matrix, sa int, b device.Matrix, sb int, beta float32, c device.Matrix, sc int) {
	d.multiply(count, m, n, k, alpha, a, sa, b, sb, beta, c, sc)
}

// multiply makes products. cuBLAS stores matrices by columns, so it sees each of these
// matrices transposed, and computes Cᵀ = op(B)ᵀ·op(A)ᵀ.
func (d *Device) multiply(count, m, n, k int, alpha float32, a device.Matrix, sa int, b device.Matrix, sb int, beta float32, c device.Matrix, sc int) {
	if m < 0 || n < 0 || k < 0 || count < 0 || c.T {
		panic(fmt.Sprintf("cuda: Gemm: %d products of %d×%d×%d", count, m, n, k))
	}
	if count == 0 || m == 0 || n == 0 {
		return
	}
	last := count - 1
	fits("Gemm", from(c, last*sc), m, n)
	if k == 0 || alpha == 0 {
		for i := range count {
			d.each(scaleRows, m*n, vec(from(c, i*sc).Vec), num(c.Stride), num(m), num(n), float(beta))
		}
		return
	}
	fitsOp("Gemm", from(a, last*sa), m, k)
	fitsOp("Gemm", from(b, last*sb), k, n)
	d.alpha, d.beta = alpha, beta
	up, down := uintptr(unsafe.Pointer(&d.alpha)), uintptr(unsafe.Pointer(&d.beta)) // fields of d, which does not move
	if d.err != nil {
		return
	}
	if count == 1 {
		d.product("cublasSgemm", d.g.gemm, d.q.blas, op(b), op(a), uintptr(n), uintptr(m), uintptr(k),
			up, b.Addr(), uintptr(b.Stride), a.Addr(), uintptr(a.Stride), down, c.Addr(), uintptr(c.Stride))
		return
	}
	if d.starts.Len() < 6*count {
		d.starts = d.Alloc(6 * count)
	}
	ats, bts, cts := d.starts.To(2*count), d.starts.Part(2*count, 4*count), d.starts.Part(4*count, 6*count)
	d.each(pointers, count, vec(ats), vec(bts), vec(cts), vec(a.Vec), vec(b.Vec), vec(c.Vec), 4*uint64(sa), 4*uint64(sb), 4*uint64(sc), num(count))
	d.product("cublasSgemmBatched", d.g.gemmBatched, d.q.blas, op(b), op(a), uintptr(n), uintptr(m), uintptr(k),
		up, bts.Addr(), uintptr(b.Stride), ats.Addr(), uintptr(a.Stride), down, cts.Addr(), uintptr(c.Stride), uintptr(count))
}

// op returns cuBLAS's code for the operation on a matrix, which cuBLAS sees transposed.
func op(m device.Matrix) uintptr {
	if m.T {
		return 1
	}
	return 0
}

func from(m device.Matrix, at int) device.Matrix {
	m.Vec = m.From(at)
	return m
}

// Recurrent implements [device.Device]. It prepares nothing, so the matrix must not
// change.
func (d *Device) Recurrent(slot, k, n int, b device.Matrix) {
	for len(d.right) <= slot {
		d.right = append(d.right, right{})
	}
	d.right[slot] = right{k, n, b}
}

// GemmRecurrent implements [device.Device].
func (d *Device) GemmRecurrent(slot, m int, a device.Matrix, beta float32, c device.Matrix) {
	r := d.right[slot]
	d.Gemm(m, r.n, r.k, 1, a, r.b, beta, c)
}

// Relu implements [device.Device].
func (d *Device) Relu(dst, src device.Vec) {
	same("Relu", dst.Len(), src.Len())
	d.each(relu, dst.Len(), vec(dst), vec(src), num(dst.Len()))
}

// ReluGrad implements [device.Device].
func (d *Device) ReluGrad(dx, y, dy device.Vec) {
	same("ReluGrad", dx.Len(), y.Len(), dy.Len())
	d.each(reluGrad, dx.Len(), vec(dx), vec(y), vec(dy), num(dx.Len()))
}

// Softmax implements [device.Device].
func (d *Device) Softmax(dst, src device.Vec, cols int, causal bool) {
	same("Softmax", dst.Len(), src.Len())
	n := rows("Softmax", src.Len(), cols)
	only := 0
	if causal {
		only = 1
	}
	d.rows(softmax, n, vec(dst), vec(src), num(n), num(cols), num(only))
}

// SoftmaxGrad implements [device.Device].
func (d *Device) SoftmaxGrad(dx, y, dy device.Vec, cols int) {
	same("SoftmaxGrad", dx.Len(), y.Len(), dy.Len())
	n := rows("SoftmaxGrad", y.Len(), cols)
	d.rows(softmaxGrad, n, vec(dx), vec(y), vec(dy), num(n), num(cols))
}

// LayerNorm implements [device.Device].
func (d *Device) LayerNorm(dst, norm, rstd, src, gain, bias device.Vec) {
	cols := gain.Len()
	same("LayerNorm", src.Len(), dst.Len(), norm.Len(), rstd.Len()*cols)
	same("LayerNorm", cols, bias.Len())
	d.rows(layerNorm, rstd.Len(), vec(dst), vec(norm), vec(rstd), vec(src), vec(gain), vec(bias),
		num(rstd.Len()), num(cols), float(device.LayerNormEpsilon))
}

// LayerNormGrad implements [device.Device].
func (d *Device) LayerNormGrad(dx, dgain, dbias, dy, norm, rstd, gain device.Vec) {
	cols := gain.Len()
	same("LayerNormGrad", dy.Len(), dx.Len(), norm.Len(), rstd.Len()*cols)
	same("LayerNormGrad", cols, dgain.Len(), dbias.Len())
	n := num(rstd.Len())
	d.columns(layerNormGradRows, cols, vec(dgain), vec(dbias), vec(dy), vec(norm), n, num(cols)) // must come first, because dx may be dy
	d.rows(layerNormGrad, rstd.Len(), vec(dx), vec(dy), vec(norm), vec(rstd), vec(gain), n, num(cols))
}

// LSTMCell implements [device.Device].
func (d *Device) LSTMCell(h, c, tanhC, gates, cPrev device.Vec, hidden int) {
	n := h.Len()
	same("LSTMCell", n, c.Len(), tanhC.Len(), cPrev.Len())
	same("LSTMCell", 4*n, gates.Len())
	rows("LSTMCell", n, hidden)
	d.each(lstmCell, n, vec(h), vec(c), vec(tanhC), vec(gates), vec(cPrev), num(n), num(hidden))
}

// LSTMCellGrad implements [device.Device].
func (d *Device) LSTMCellGrad(dgates, dc, dh, gates, tanhC, cPrev device.Vec, hidden int) {
	n := dh.Len()
	same("LSTMCellGrad", n, dc.Len(), tanhC.Len(), cPrev.Len())
	same("LSTMCellGrad", 4*n, gates.Len(), dgates.Len())
	rows("LSTMCellGrad", n, hidden)
	d.each(lstmCellGrad, n, vec(dgates), vec(dc), vec(dh), vec(gates), vec(tanhC), vec(cPrev), num(n), num(hidden))
}

// WeightNorm implements [device.Device].
func (d *Device) WeightNorm(w, norm, v, gain device.Vec) {
	cols := gain.Len()
	same("WeightNorm", cols, norm.Len())
	same("WeightNorm", v.Len(), w.Len())
	d.columns(weightNorm, cols, vec(w), vec(norm), vec(v), vec(gain), num(rows("WeightNorm", v.Len(), cols)), num(cols))
}

// WeightNormGrad implements [device.Device].
func (d *Device) WeightNormGrad(dv, dgain, dw, v, gain, norm device.Vec) {
	cols := gain.Len()
	same("WeightNormGrad", cols, norm.Len(), dgain.Len())
	same("WeightNormGrad", v.Len(), dv.Len(), dw.Len())
	d.columns(weightNormGrad, cols, vec(dv), vec(dgain), vec(dw), vec(v), vec(gain), vec(norm), num(rows("WeightNormGrad", v.Len(), cols)), num(cols))
}

// Dropout implements [device.Device].
func (d *Device) Dropout(dst, src device.Vec, rate float32, seed uint64) {
	same("Dropout", dst.Len(), src.Len())
	limit, keep := device.DropoutLimit(rate)
	d.each(dropout, src.Len(), vec(dst), vec(src), num(src.Len()), num(int(limit)), float(keep), seed)
}

// Loss implements [device.Device].
func (d *Device) Loss(l device.Loss, scale float32, f, truth, weight, df device.Vec) float64 {
	n := f.Len()
	same("Loss", n, truth.Len(), weight.Len())
	if l.Kind < device.Square || l.Kind > device.Quantile {
		panic("cuda: unknown loss")
	}
	slopes := uint64(0)
	if df.Len() > 0 {
		same("Loss", n, df.Len())
		slopes = vec(df)
	}
	return d.sum(loss, n, num(int(l.Kind)), float(l.Q), float(scale), vec(f), vec(truth), vec(weight), slopes, num(n))
}

// Norm2 implements [device.Device].
func (d *Device) Norm2(x device.Vec) float64 { return d.sum(norm2, x.Len(), vec(x), num(x.Len())) }

// Adam implements [device.Device].
func (d *Device) Adam(s device.AdamStep, x, g, m, v device.Vec) {
	n := x.Len()
	same("Adam", n, g.Len(), m.Len(), v.Len())
	if s.Step < 1 {
		panic(fmt.Sprintf("cuda: Adam: step %d, want 1 or later", s.Step))
	}
	t := float64(s.Step)
	d.each(adam, n, vec(x), vec(g), vec(m), vec(v), num(n), float(s.Scale), float(1-s.Beta1), float(1-s.Beta2), float(1-s.Rate*s.Decay),
		float(float32(float64(s.Rate)/(1-math.Pow(float64(s.Beta1), t)))), float(float32(1/math.Sqrt(1-math.Pow(float64(s.Beta2), t)))), float(s.Epsilon))
}

// The numbers of threads in a block, as in kernels.cu.
const (
	perEach  = 256
	perRow   = 32
	perSum   = 256
	colWidth = 32
	colLanes = 8
)

// The maximum numbers of blocks. If there are more elements or rows, each block takes several.
const (
	maxEach = 1 << 12
	maxRows = 1 << 12
)

// each launches a kernel with a thread per element.
func (d *Device) each(k kernel, n int, args ...uint64) {
	d.launch(k, min((n+perEach-1)/perEach, maxEach), perEach, 1, args...)
}

// rows launches a kernel with a block per row.
func (d *Device) rows(k kernel, rows int, args ...uint64) {
	d.launch(k, min(rows, maxRows), perRow, 1, args...)
}

// columns launches a kernel with a block for several columns.
func (d *Device) columns(k kernel, cols int, args ...uint64) {
	d.launch(k, (cols+colWidth-1)/colWidth, colWidth, colLanes, args...)
}

// sum launches a kernel that sums in blocks, and waits for the total. It returns NaN after
// an error.
func (d *Device) sum(k kernel, n int, args ...uint64) float64 {
	blocks := min((n+perSum-1)/perSum, maxSums)
	if blocks == 0 {
		return 0
	}
	d.launch(k, blocks, perSum, 1, append([]uint64{vec(d.sums)}, args...)...)
	d.fetch(d.sums.To(2 * blocks))
	if d.err != nil {
		return math.NaN()
	}
	sum := 0.0
	for _, s := range unsafe.Slice((*float64)(unsafe.Pointer(&d.q.pinned[0])), blocks) {
		sum += s
	}
	return sum
}

func vec(v device.Vec) uint64 { return uint64(v.Addr()) }

func num(n int) uint64 { return uint64(uint32(n)) }

func float(x float32) uint64 { return uint64(math.Float32bits(x)) }

// same panics unless all lengths equal the first.
func same(op string, n int, lens ...int) {
	for _, l := range lens {
		if l != n {
			panic(fmt.Sprintf("cuda: %s: vectors of %d and %d numbers, want equal lengths", op, n, l))
		}
	}
}

// rows returns how many rows of cols numbers n numbers make. It panics on a remainder.
func rows(op string, n, cols int) int {
	if n == 0 {
		return 0
	}
	if cols <= 0 || n%cols != 0 {
		panic(fmt.Sprintf("cuda: %s: %d numbers do not divide into rows of %d", op, n, cols))
	}
	return n / cols
}

// fits panics unless a stored matrix of this size fits into its vector.
func fits(op string, m device.Matrix, rows, cols int) {
	if rows == 0 || cols == 0 {
		return
	}
	if need := (rows-1)*m.Stride + cols; m.Stride < cols || m.Len() < need {
		panic(fmt.Sprintf("cuda: %s: %d×%d with row stride %d in %d numbers", op, rows, cols, m.Stride, m.Len()))
	}
}

// fitsOp panics unless op(m) of this size fits into its vector.
func fitsOp(op string, m device.Matrix, rows, cols int) {
	if m.T {
		rows, cols = cols, rows
	}
	fits(op, m, rows, cols)
}
