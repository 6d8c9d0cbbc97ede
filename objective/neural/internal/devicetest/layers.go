package devicetest

import (
	"math"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// layers: layers of networks, forward and backward.
var layers = []law{
	{"softmax", func(b *bench) {
		inf := float32(math.Inf(1))
		for _, s := range append(tables, [2]int{5000, 2}) {
			rows, cols := s[0], s[1]
			x, dy := b.normal(rows*cols), b.normal(rows*cols)
			for i := range x {
				x[i] *= 30
			}
			if rows == 9 {
				x[3], x[2*cols+1], x[3*cols] = -inf, nan, inf
			}
			want, slope := wide(x), wide(dy)
			for r := range rows {
				y := want[r*cols : (r+1)*cols]
				softmaxOf(y)
				along := 0.0
				for j := range y {
					along += y[j] * slope[r*cols+j]
				}
				for j := range y {
					slope[r*cols+j] = y[j] * (slope[r*cols+j] - along)
				}
			}
			v, w := b.vec(x), b.vec(dy)
			b.d.Softmax(v, v, cols, false)
			b.near(want, v, "%v", s)
			b.d.SoftmaxGrad(w, v, w, cols)
			b.near(slope, w, "gradient, %v", s)
		}
	}},
	{"causal softmax", func(b *bench) {
		for _, cols := range []int{1, 5, 33} {
			x := b.normal(3 * cols * cols)
			want := wide(x)
			for r := range 3 * cols {
				y := want[r*cols : (r+1)*cols]
				softmaxOf(y[:r%cols+1])
				clear(y[r%cols+1:])
			}
			y := b.unset(len(x))
			b.d.Softmax(y, b.vec(x), cols, true)
			b.near(want, y, "%d", cols)
		}
	}},
	{"layer norm", func(b *bench) {
		for _, s := range append(tables, [2]int{5000, 3}) {
			rows, cols := s[0], s[1]
			n := rows * cols
			x, gain, bias, dy := b.normal(n), b.normal(cols), b.normal(cols), b.normal(n)
			y, norm, rstd, dx := make([]float64, n), make([]float64, n), make([]float64, rows), make([]float64, n)
			dgain, dbias := wide(gain), wide(bias) // gradients are added to these
			for r := range rows {
				at := r * cols
				mean, variance := 0.0, 0.0
				for j := range cols {
					mean += float64(x[at+j]) / float64(cols)
				}
				for j := range cols {
					variance += (float64(x[at+j]) - mean) * (float64(x[at+j]) - mean) / float64(cols)
				}
				rstd[r] = 1 / math.Sqrt(variance+device.LayerNormEpsilon)
				sum, along := 0.0, 0.0
				for j := range cols {
					h, d := (float64(x[at+j])-mean)*rstd[r], float64(dy[at+j])
					norm[at+j], y[at+j] = h, h*float64(gain[j])+float64(bias[j])
					dgain[j] += d * h
					dbias[j] += d
					sum += d * float64(gain[j]) / float64(cols)
					along += d * float64(gain[j]) * h / float64(cols)
				}
				for j := range cols {
					dx[at+j] = rstd[r] * (float64(dy[at+j])*float64(gain[j]) - sum - along*norm[at+j])
				}
			}
			g, c := b.vec(gain), b.vec(bias)
			out, h, scale := b.unset(n), b.unset(n), b.unset(rows)
			b.d.LayerNorm(out, h, scale, b.vec(x), g, c)
			if cols == 1 { // the deviation is 0, so 316 times the rounding shows
				continue
			}
			b.near(y, out, "%v", s)
			b.near(norm, h, "normed, %v", s)
			b.nearScales(rstd, scale)
			slope := b.vec(dy)
			dg, db := b.vec(gain), b.vec(bias)
			b.d.LayerNormGrad(slope, dg, db, slope, h, scale, g)
			if cols > 3 { // for few columns a small deviation magnifies the rounding
				b.near(dx, slope, "gradient, %v", s)
			}
			b.many = float64(rows)
			b.near(dgain, dg, "gradient of gains, %v", s)
			b.near(dbias, db, "gradient of biases, %v", s)
		}
	}},
	{"lstm cell", func(b *bench) {
		for _, s := range [][2]int{{1, 1}, {3, 5}, {7, 33}, {32, 64}} {
			rows, hidden := s[0], s[1]
			n := rows * hidden
			gates, before, dh, dc := b.normal(4*n), b.normal(n), b.normal(n), b.normal(n)
			gates[0] = 100 // saturated
			gates[4*n-1] = -100
			out, h, c, tanhC := make([]float64, 4*n), make([]float64, n), make([]float64, n), make([]float64, n)
			back, dcBefore := make([]float64, 4*n), make([]float64, n)
			sigmoid := func(x float32) float64 { return 1 / (1 + math.Exp(-float64(x))) }
			for at := range n {
				from := at/hidden*4*hidden + at%hidden
				i, f, g, o := sigmoid(gates[from]), sigmoid(gates[from+hidden]), math.Tanh(float64(gates[from+2*hidden])), sigmoid(gates[from+3*hidden])
				out[from], out[from+hidden], out[from+2*hidden], out[from+3*hidden] = i, f, g, o
				c[at] = f*float64(before[at]) + i*g
				tanhC[at] = math.Tanh(c[at])
				h[at] = o * tanhC[at]
				s := float64(dh[at])*o*(1-tanhC[at]*tanhC[at]) + float64(dc[at])
				dcBefore[at] = s * f
				back[from] = s * g * i * (1 - i)
				back[from+hidden] = s * float64(before[at]) * f * (1 - f)
				back[from+2*hidden] = s * i * (1 - g*g)
				back[from+3*hidden] = float64(dh[at]) * tanhC[at] * o * (1 - o)
			}
			v, prev, slopes := b.vec(gates), b.vec(before), b.vec(dc)
			hv, cv, tv := b.unset(n), b.unset(n), b.unset(n)
			b.d.LSTMCell(hv, cv, tv, v, prev, hidden)
			b.near(out, v, "gates, %v", s)
			b.near(c, cv, "c, %v", s)
			b.near(tanhC, tv, "tanh c, %v", s)
			b.near(h, hv, "h, %v", s)
			b.d.LSTMCellGrad(v, slopes, b.vec(dh), v, tv, prev, hidden)
			b.near(back, v, "gradient of gates, %v", s)
			b.near(dcBefore, slopes, "gradient of c, %v", s)
		}
	}},
	{"weight norm", func(b *bench) {
		for _, s := range append(tables, [2]int{300, 5}) {
			rows, cols := s[0], s[1]
			v, gain, dw := b.normal(rows*cols), b.normal(cols), b.normal(rows*cols)
			norm, w, dgain, dv := make([]float64, cols), make([]float64, rows*cols), make([]float64, cols), make([]float64, rows*cols)
			for i, x := range v {
				norm[i%cols] += float64(x) * float64(x)
				dgain[i%cols] += float64(x) * float64(dw[i])
			}
			for j := range cols {
				norm[j] = math.Sqrt(norm[j])
				dgain[j] /= norm[j]
			}
			for i, x := range v {
				j := i % cols
				w[i] = float64(gain[j]) * float64(x) / norm[j]
				dv[i] = float64(gain[j]) / norm[j] * (float64(dw[i]) - dgain[j]*float64(x)/norm[j])
			}
			at, g := b.vec(v), b.vec(gain)
			wv, nv := b.unset(rows*cols), b.unset(cols)
			b.d.WeightNorm(wv, nv, at, g)
			b.near(w, wv, "%v", s)
			b.near(norm, nv, "norms, %v", s)
			dvv, dg := b.unset(rows*cols), b.unset(cols)
			b.d.WeightNormGrad(dvv, dg, b.vec(dw), at, g, nv)
			if rows > 1 { // for one row it is only the rounding of 0
				b.near(dv, dvv, "gradient, %v", s)
			}
			b.near(dgain, dg, "gradient of gains, %v", s)
		}
	}},
}
