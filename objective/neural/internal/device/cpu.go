package device

import (
	"math"
	"math/bits"

	"github.com/attune-hpo/attune/objective/neural/internal/f32"
)

// LayerNormEpsilon keeps the division in a layer norm finite.
const LayerNormEpsilon = 1e-5

// CPU computes on one core, with package f32. It can serve one network at a time. The
// zero value is ready to use.
type CPU struct {
	packed []f32.Packed
}

// String implements [Device].
func (*CPU) String() string { return "cpu" }

// Alloc implements [Device].
func (*CPU) Alloc(n int) Vec { return Vec{host: &memory{n: n}, n: n} }

// Free implements [Device]. It does nothing, because the garbage collector frees memory.
func (*CPU) Free() {}

// Err implements [Device].
func (*CPU) Err() error { return nil }

// Write implements [Device].
func (*CPU) Write(dst Vec, src []float32) { copy(dst.Host(), src) }

// Read implements [Device].
func (*CPU) Read(dst []float32, src Vec) { copy(dst, src.Host()) }

// Zero implements [Device].
func (*CPU) Zero(x Vec) { clear(x.Host()) }

// Copy implements [Device].
func (*CPU) Copy(dst, src Vec) { copy(dst.Host(), src.Host()) }

// CopyRows implements [Device].
func (*CPU) CopyRows(dst, src Matrix, rows, cols int) {
	to, from := dst.Host(), src.Host()
	for r := range rows {
		copy(to[r*dst.Stride:][:cols], from[r*src.Stride:][:cols])
	}
}

// Add implements [Device].
func (*CPU) Add(dst, a, b Vec) { f32.Add(dst.Host(), a.Host(), b.Host()) }

// AddRow implements [Device].
func (*CPU) AddRow(x, row Vec) { f32.AddRow(x.Host(), row.Host()) }

// AddRows implements [Device].
func (*CPU) AddRows(sum, x Vec) { f32.AddRows(sum.Host(), x.Host()) }

// Gemm implements [Device].
func (*CPU) Gemm(m, n, k int, alpha float32, a, b Matrix, beta float32, c Matrix) {
	f32.Gemm(a.T, b.T, m, n, k, alpha, a.Host(), a.Stride, b.Host(), b.Stride, beta, c.Host(), c.Stride)
}

// Gemms implements [Device].
func (*CPU) Gemms(count, m, n, k int, alpha float32, a Matrix, sa int, b Matrix, sb int, beta float32, c Matrix, sc int) {
	x, y, z := a.Host(), b.Host(), c.Host()
	for i := range count {
		f32.Gemm(a.T, b.T, m, n, k, alpha, x[i*sa:], a.Stride, y[i*sb:], b.Stride, beta, z[i*sc:], c.Stride)
	}
}

// Recurrent implements [Device].
func (d *CPU) Recurrent(slot, k, n int, b Matrix) {
	for len(d.packed) <= slot {
		d.packed = append(d.packed, f32.Packed{})
	}
	d.packed[slot].Set(b.T, k, n, b.Host(), b.Stride)
}

// GemmRecurrent implements [Device].
func (d *CPU) GemmRecurrent(slot, m int, a Matrix, beta float32, c Matrix) {
	f32.GemmPacked(a.T, m, 1, a.Host(), a.Stride, &d.packed[slot], beta, c.Host(), c.Stride)
}

// Relu implements [Device].
func (*CPU) Relu(dst, src Vec) { f32.Relu(dst.Host(), src.Host()) }

// ReluGrad implements [Device].
func (*CPU) ReluGrad(dx, y, dy Vec) { f32.ReluGrad(dx.Host(), y.Host(), dy.Host()) }

// Softmax implements [Device].
func (*CPU) Softmax(dst, src Vec, cols int, causal bool) {
	x, y := src.Host(), dst.Host()
	if !causal {
		f32.Softmax(y, x, cols)
		return
	}
	for at, i := 0, 0; at < len(x); at, i = at+cols, (i+1)%cols {
		f32.Softmax(y[at:at+i+1], x[at:at+i+1], i+1)
		clear(y[at+i+1 : at+cols])
	}
}

// SoftmaxGrad implements [Device].
func (*CPU) SoftmaxGrad(dx, y, dy Vec, cols int) {
	f32.SoftmaxGrad(dx.Host(), y.Host(), dy.Host(), cols)
}

// LayerNorm implements [Device].
func (*CPU) LayerNorm(dst, norm, rstd, src, gain, bias Vec) {
	f32.LayerNorm(dst.Host(), norm.Host(), rstd.Host(), src.Host(), gain.Host(), bias.Host(), LayerNormEpsilon)
}

// LayerNormGrad implements [Device].
func (*CPU) LayerNormGrad(dx, dgain, dbias, dy, norm, rstd, gain Vec) {
	f32.LayerNormGrad(dx.Host(), dgain.Host(), dbias.Host(), dy.Host(), norm.Host(), rstd.Host(), gain.Host())
}

// LSTMCell implements [Device].
func (*CPU) LSTMCell(h, c, tanhC, gates, cPrev Vec, hidden int) {
	f32.LSTMCell(h.Host(), c.Host(), tanhC.Host(), gates.Host(), cPrev.Host(), hidden)
}

// LSTMCellGrad implements [Device].
func (*CPU) LSTMCellGrad(dgates, dc, dh, gates, tanhC, cPrev Vec, hidden int) {
	f32.LSTMCellGrad(dgates.Host(), dc.Host(), dh.Host(), gates.Host(), tanhC.Host(), cPrev.Host(), hidden)
}

// WeightNorm implements [Device].
func (*CPU) WeightNorm(w, norm, v, gain Vec) {
	x, g, sums := v.Host(), gain.Host(), norm.Host()
	cols := len(g)
	clear(sums)
	for at := 0; at < len(x); at += cols {
		for j, x := range x[at : at+cols] {
			sums[j] += x * x
		}
	}
	for j, s := range sums {
		sums[j] = float32(math.Sqrt(float64(s)))
	}
	for y := w.Host(); len(x) > 0; x, y = x[cols:], y[cols:] {
		for j, x := range x[:cols] {
			y[j] = x * (g[j] / sums[j])
		}
	}
}

// WeightNormGrad implements [Device]: with u = v/|v|, dgain = dw·u and
// dv = gain/|v|·(dw - dgain·u).
func (*CPU) WeightNormGrad(dv, dgain, dw, v, gain, norm Vec) {
	x, dx, dy, g, dg, norms := v.Host(), dv.Host(), dw.Host(), gain.Host(), dgain.Host(), norm.Host()
	cols := len(g)
	clear(dg)
	for at := 0; at < len(x); at += cols {
		for j, x := range x[at : at+cols] {
			dg[j] += x * dy[at+j]
		}
	}
	for j := range dg {
		dg[j] /= norms[j]
	}
	for at := 0; at < len(x); at += cols {
		for j, x := range x[at : at+cols] {
			n := norms[j]
			dx[at+j] = g[j] / n * (dy[at+j] - dg[j]*x/n)
		}
	}
}

// Dropout implements [Device]. Number i of dst is kept if 16 bits of a hash of the
// seed and i/4 are at least rate·2¹⁶, so the mask needs no memory.
func (*CPU) Dropout(dst, src Vec, rate float32, seed uint64) {
	limit, keep := DropoutLimit(rate)
	x := src.Host()
	y := dst.Host()[:len(x)]
	for i := 0; i < len(x); i += 4 {
		h := f32.Mix(f32.Skip(seed, i/2))
		for j := i; j < min(i+4, len(x)); j++ {
			_, below := bits.Sub64(h&0xffff, limit, 0)
			y[j] = x[j] * keep * float32(1-below)
			h >>= 16
		}
	}
}

// DropoutLimit returns the least 16 bits for which [Device.Dropout] keeps a number, and
// the factor by which it multiplies the number.
func DropoutLimit(rate float32) (limit uint64, keep float32) {
	limit = uint64(math.Round(float64(rate) * (1 << 16)))
	return limit, 1 / (1 - float32(limit)/(1<<16))
}

// Loss implements [Device].
func (*CPU) Loss(l Loss, scale float32, f, truth, weight, df Vec) float64 {
	sum := 0.0
	y, weights, slopes := truth.Host(), weight.Host(), df.Host()
	for i, p := range f.Host() {
		e := y[i] - p
		var loss, slope float32 // slope: d loss/d e
		switch l.Kind {
		case Square:
			loss, slope = e*e, 2*e
		case Absolute:
			loss, slope = abs(e), sign(e)
		case Huber:
			if a := abs(e); a <= l.Q || a != a {
				loss, slope = e*e/2, e
			} else {
				loss, slope = l.Q*(a-l.Q/2), l.Q*sign(e)
			}
		case Quantile:
			slope = l.Q
			if e < 0 {
				slope--
			}
			loss = slope * e
		default:
			panic("device: unknown loss")
		}
		w := weights[i] * scale
		if w == 0 { // the truth may be anything, and so may the loss
			loss, slope = 0, 0
		}
		sum += float64(w) * float64(loss)
		if df.n > 0 {
			slopes[i] = -w * slope
		}
	}
	return sum
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

func sign(x float32) float32 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// Norm2 implements [Device].
func (*CPU) Norm2(x Vec) float64 { return f32.SumSquares(x.Host()) }

// Adam implements [Device].
func (*CPU) Adam(s AdamStep, x, g, m, v Vec) {
	f32.Adam(f32.AdamStep{Rate: s.Rate, Beta1: s.Beta1, Beta2: s.Beta2, Epsilon: s.Epsilon, Decay: s.Decay, Step: s.Step},
		x.Host(), g.Host(), s.Scale, m.Host(), v.Host())
}
