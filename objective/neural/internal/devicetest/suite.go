// Package devicetest is what tests of devices share: the suite that every device.Device
// passes, and a CUDA driver without a GPU.
package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/f32"
)

// Run compares all that a device computes with plain loops in double precision.
func Run(t *testing.T, d device.Device) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, d: d, r: rand.New(rand.NewPCG(1, 2))}
			c.run(b)
			b.margins()
			require.NoError(t, d.Err())
		})
	}
}

// A bench makes vectors, each with numbers around it that must stay what they are.
type bench struct {
	*testing.T
	d    device.Device
	r    *rand.Rand
	all  []device.Vec // with their margins
	lens []int
	many float64 // numbers that are summed, if they are thousands
}

const (
	margin = 3
	canary = 1234.5
)

var nan = float32(math.NaN())

// vec returns a vector of numbers.
func (b *bench) vec(x []float32) device.Vec {
	whole := make([]float32, len(x)+2*margin)
	for i := range whole {
		whole[i] = canary
	}
	copy(whole[margin:], x)
	v := b.d.Alloc(len(whole))
	b.d.Write(v, whole)
	b.all, b.lens = append(b.all, v), append(b.lens, len(x))
	return v.Part(margin, margin+len(x))
}

// unset returns a vector of NaNs.
func (b *bench) unset(n int) device.Vec {
	x := make([]float32, n)
	for i := range x {
		x[i] = nan
	}
	return b.vec(x)
}

func (b *bench) margins() {
	b.Helper()
	for i, v := range b.all {
		got := b.get(v)
		for j := range margin {
			require.EqualValues(b, canary, got[j], "before vector %d", i)
			require.EqualValues(b, canary, got[margin+b.lens[i]+j], "behind vector %d", i)
		}
	}
}

func (b *bench) get(v device.Vec) []float32 {
	x := make([]float32, v.Len())
	b.d.Read(x, v)
	return x
}

// normal returns random numbers.
func (b *bench) normal(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(b.r.NormFloat64())
	}
	return x
}

// near asserts that all of v is what is wanted, up to the rounding of single precision.
func (b *bench) near(want []float64, v device.Vec, name string, args ...any) {
	b.Helper()
	b.close(want, b.get(v), name, args...)
}

func (b *bench) close(want []float64, got []float32, name string, args ...any) {
	b.Helper()
	require.Len(b, got, len(want), name)
	for i, w := range want {
		g := float64(got[i])
		if math.Abs(g-w) > 1e-5*max(1, b.many/500)*(1+math.Abs(w)) || math.IsNaN(g) != math.IsNaN(w) {
			require.Fail(b, fmt.Sprintf(name, args...), "number %d of %d is %v, want %v", i, len(want), g, w)
		}
	}
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// lengths are around what vectors of the CPU and blocks of a GPU hold.
var lengths = []int{1, 7, 33, 255, 256, 257, 1000}

// tables are sizes of matrices, likewise.
var tables = [][2]int{{1, 1}, {1, 40}, {5, 3}, {9, 32}, {17, 33}, {40, 70}}

var cases = []struct {
	name string
	run  func(b *bench)
}{
	{"alloc, write and read", func(b *bench) {
		for _, n := range []int{0, 1, 5, 1000, 1<<20 + 5} {
			v := b.d.Alloc(n)
			assert.Equal(b, make([]float32, n), b.get(v))
			x := b.normal(n)
			b.d.Write(v, x)
			assert.Equal(b, x, b.get(v))
		}
		x, y := b.normal(9), make([]float32, 9)
		v := b.vec(x)
		copy(y, x)
		for range 3 { // what is written may change when Write has returned
			b.d.Write(v, y)
			y[0]++
		}
		x[0] += 2
		assert.Equal(b, x, b.get(v))
	}},
	{"zero and copy", func(b *bench) {
		for _, n := range lengths {
			x := b.normal(n)
			v, w := b.vec(x), b.unset(n)
			b.d.Copy(w, v)
			assert.Equal(b, x, b.get(w))
			b.d.Zero(v)
			assert.Equal(b, make([]float32, n), b.get(v))
		}
	}},
	{"copy rows", func(b *bench) {
		for _, s := range tables {
			rows, cols := s[0], s[1]
			x, y := b.normal(rows*(cols+2)), b.normal(rows*(cols+3))
			v, w := b.vec(x), b.vec(y)
			b.d.CopyRows(device.M(w.To((rows-1)*(cols+3)+cols), cols+3), device.M(v, cols+2), rows, cols)
			for r := range rows {
				copy(y[r*(cols+3):][:cols], x[r*(cols+2):])
			}
			assert.Equal(b, y, b.get(w))
		}
	}},
	{"add", func(b *bench) {
		for _, n := range append(lengths, 1<<20+1000) {
			x, y := b.normal(n), b.normal(n)
			v, w, sum := b.vec(x), b.vec(y), b.unset(n)
			want := make([]float64, n)
			for i := range want {
				want[i] = float64(x[i]) + float64(y[i])
			}
			b.d.Add(sum, v, w)
			b.near(want, sum, "%d", n)
			b.d.Add(v, v, w)
			b.near(want, v, "in place, %d", n)
		}
	}},
	{"add row and rows", func(b *bench) {
		for _, s := range append(tables, [2]int{300, 5}) {
			rows, cols := s[0], s[1]
			x, row := b.normal(rows*cols), b.normal(cols)
			v, w := b.vec(x), b.vec(row)
			sum, each := wide(row), wide(x)
			for i := range x {
				sum[i%cols] += float64(x[i])
				each[i] += float64(row[i%cols])
			}
			b.d.AddRow(v, w)
			b.near(each, v, "row, %v", s)
			b.d.AddRows(w, b.vec(x))
			b.near(sum, w, "rows, %v", s)
		}
	}},
	{"gemm", func(b *bench) {
		for _, s := range [][3]int{{1, 1, 1}, {5, 3, 2}, {1, 9, 4}, {9, 1, 4}, {4, 9, 1}, {33, 17, 65}, {2, 3, 0}, {0, 3, 2}, {3, 0, 2}} {
			for at := range 4 {
				for _, factors := range [][2]float32{{1, 0}, {1, 1}, {0.5, -2}, {0, 2}, {0, 0}} {
					b.product(1, s, at&1 > 0, at&2 > 0, factors[0], factors[1])
				}
			}
		}
	}},
	{"gemms", func(b *bench) {
		for at := range 4 {
			b.product(6, [3]int{5, 3, 7}, at&1 > 0, at&2 > 0, 0.5, 0)
			b.product(2, [3]int{1, 8, 4}, at&1 > 0, at&2 > 0, 1, 1)
			b.product(3, [3]int{2, 2, 0}, at&1 > 0, at&2 > 0, 1, 0.5)
		}
	}},
	{"gemms of heads", func(b *bench) { // of rows of tokens: each a head's width after the one before
		const rows, heads, width, steps = 3, 2, 5, 4
		x := b.normal(steps * rows * heads * width)
		v, scores := b.vec(x), b.unset(rows*heads*steps*steps)
		m := device.Matrix{Vec: v, Stride: rows * heads * width}
		b.d.Gemms(rows*heads, steps, steps, width, 1, m, width, m.Transposed(), width, 0, device.M(scores, steps), steps*steps)
		var want []float64
		for p := range rows * heads {
			for i := range steps {
				for j := range steps {
					s := 0.0
					for k := range width {
						s += float64(x[i*rows*heads*width+p*width+k]) * float64(x[j*rows*heads*width+p*width+k])
					}
					want = append(want, s)
				}
			}
		}
		b.near(want, scores, "scores")
	}},
	{"recurrent", func(b *bench) {
		const m, n, k = 5, 12, 3
		a, x, y := b.normal(m*k), b.normal(k*n), b.normal(k*n)
		v := b.vec(a)
		b.d.Recurrent(1, k, n, device.M(b.vec(x), n))
		b.d.Recurrent(0, k, n, device.M(b.vec(y), k).Transposed())
		for slot, of := range [][]float32{y, x} {
			want := make([]float64, m*n)
			for i := range m {
				for j := range n {
					want[i*n+j] = 1
					for l := range k {
						right := of[l*n+j]
						if slot == 0 {
							right = of[j*k+l]
						}
						want[i*n+j] += float64(a[i*k+l]) * float64(right)
					}
				}
			}
			ones := make([]float32, m*n)
			for i := range ones {
				ones[i] = 1
			}
			c := b.vec(ones)
			b.d.GemmRecurrent(slot, m, device.M(v, k), 1, device.M(c, n))
			b.near(want, c, "slot %d", slot)
		}
	}},
	{"relu", func(b *bench) {
		for _, n := range lengths {
			x, dy := b.normal(n), b.normal(n)
			x[n/2] = nan
			x[n-1] = 0
			y, back := wide(x), wide(dy)
			for i := range y {
				if y[i] <= 0 {
					y[i] = 0
				}
				if !(x[i] > 0) {
					back[i] = 0
				}
			}
			v, w := b.vec(x), b.vec(dy)
			b.d.Relu(v, v)
			b.near(y, v, "%d", n)
			b.d.ReluGrad(w, v, w)
			b.near(back, w, "gradient, %d", n)
		}
	}},
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
			dgain, dbias := wide(gain), wide(bias) // to which is added
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
			if cols == 1 { // whose deviation is 0: 316 times the rounding is to be seen
				continue
			}
			b.near(y, out, "%v", s)
			b.near(norm, h, "normed, %v", s)
			b.nearScales(rstd, scale)
			slope := b.vec(dy)
			dg, db := b.vec(gain), b.vec(bias)
			b.d.LayerNormGrad(slope, dg, db, slope, h, scale, g)
			if cols > 3 { // else a small deviation magnifies the rounding
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
			if rows > 1 { // else it is the rounding of 0
				b.near(dv, dvv, "gradient, %v", s)
			}
			b.near(dgain, dg, "gradient of gains, %v", s)
		}
	}},
	{"dropout", func(b *bench) {
		for _, n := range lengths {
			for _, rate := range []float32{0, 0.1, 0.5, 0.99} {
				const seed = 0xfedcba9876543210
				x := b.normal(n)
				limit, keep := device.DropoutLimit(rate)
				want := make([]float64, n)
				for i := range want {
					if f32.Mix(f32.Skip(seed, i/4*2))>>(i%4*16)&0xffff >= limit {
						want[i] = float64(x[i] * keep)
					}
				}
				v := b.vec(x)
				b.d.Dropout(v, v, rate, seed)
				b.near(want, v, "%v of %d", rate, n)
			}
		}
	}},
	{"loss", func(b *bench) {
		for _, n := range append(lengths, 1<<16+300) {
			for _, l := range []device.Loss{{Kind: device.Square}, {Kind: device.Absolute}, {Kind: device.Huber, Q: 1}, {Kind: device.Quantile, Q: 0.9}} {
				f, truth, weight := b.normal(n), b.normal(n), b.normal(n)
				truth[n/3] = f[n/3]
				weight[n/2], truth[n/2] = 0, nan
				want, slopes := 0.0, make([]float64, n)
				for i := range f {
					e, w := float64(truth[i])-float64(f[i]), float64(weight[i])*0.5
					if weight[i] == 0 {
						continue
					}
					loss, slope := lossOf(l, e)
					want += w * loss
					slopes[i] = -w * slope
				}
				df := b.unset(n)
				fv, tv, wv := b.vec(f), b.vec(truth), b.vec(weight)
				tolerance := 1e-5 * math.Sqrt(float64(n))
				assert.InDelta(b, want, b.d.Loss(l, 0.5, fv, tv, wv, df), tolerance, "%v of %d", l, n)
				b.near(slopes, df, "gradient of %v, %d", l, n)
				assert.InDelta(b, want, b.d.Loss(l, 0.5, fv, tv, wv, device.Vec{}), tolerance, "%v of %d, alone", l, n)
			}
		}
		one, of := b.vec([]float32{1}), b.vec([]float32{nan})
		assert.True(b, math.IsNaN(b.d.Loss(device.Loss{Kind: device.Huber, Q: 1}, 1, of, one, one, device.Vec{})))
	}},
	{"norm", func(b *bench) {
		for _, n := range append(lengths, 1<<16+300) {
			x := b.normal(n)
			want := 0.0
			for _, v := range x {
				want += float64(v) * float64(v)
			}
			v := b.vec(x)
			got := b.d.Norm2(v)
			assert.InEpsilon(b, want, got, 1e-6)
			assert.Equal(b, got, b.d.Norm2(v), "again")
		}
	}},
	{"adam", func(b *bench) {
		for _, n := range lengths {
			x := b.normal(n)
			m, v, want := make([]float64, n), make([]float64, n), wide(x)
			xv, mv, vv := b.vec(x), b.vec(make([]float32, n)), b.vec(make([]float32, n))
			for step := 1; step <= 3; step++ {
				g := b.normal(n)
				b.d.Adam(device.AdamStep{Rate: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Decay: 0.1, Step: step, Scale: 0.5}, xv, b.vec(g), mv, vv)
				for i := range want {
					d := float64(g[i]) * 0.5
					m[i] = 0.9*m[i] + 0.1*d
					v[i] = 0.999*v[i] + 0.001*d*d
					mean, square := m[i]/(1-math.Pow(0.9, float64(step))), v[i]/(1-math.Pow(0.999, float64(step)))
					want[i] -= 0.01 * (0.1*want[i] + mean/(math.Sqrt(square)+1e-8))
				}
			}
			b.near(want, xv, "%d", n)
			b.near(m, mv, "means, %d", n)
			b.near(v, vv, "squares, %d", n)
		}
	}},
	{"what does not fit panics", func(b *bench) {
		three, four := b.vec(make([]float32, 3)), b.vec(make([]float32, 4))
		m := device.M(four, 2)
		for name, f := range map[string]func(){
			"Add":          func() { b.d.Add(four, four, three) },
			"AddRow":       func() { b.d.AddRow(four, three) },
			"AddRows":      func() { b.d.AddRows(three, four) },
			"CopyRows":     func() { b.d.CopyRows(device.M(three, 2), m, 2, 2) },
			"Gemm":         func() { b.d.Gemm(2, 2, 2, 1, m, m, 0, device.M(three, 2)) },
			"Gemm, stride": func() { b.d.Gemm(1, 2, 2, 1, m, m, 0, device.M(four, 1)) },
			"Gemms":        func() { b.d.Gemms(2, 2, 1, 1, 1, m, 1, m, 1, 0, m, 2) },
			"Relu":         func() { b.d.Relu(three, four) },
			"Softmax":      func() { b.d.Softmax(three, three, 2, false) },
			"LSTMCell":     func() { b.d.LSTMCell(three, three, three, four, three, 3) },
			"LayerNorm":    func() { b.d.LayerNorm(four, four, three, four, three, three) },
			"Adam":         func() { b.d.Adam(device.AdamStep{}, four, four, four, four) },
			"Part":         func() { four.Part(2, 5) },
		} {
			assert.Panics(b, f, name)
		}
	}},
}

// nearScales asserts scales, which may be large, relative to what they are.
func (b *bench) nearScales(want []float64, v device.Vec) {
	b.Helper()
	for i, got := range b.get(v) {
		assert.InEpsilon(b, want[i], got, 1e-3)
	}
}

// product checks count products of one size, in matrices with room to spare.
func (b *bench) product(count int, size [3]int, ta, tb bool, alpha, beta float32) {
	b.Helper()
	m, n, k := size[0], size[1], size[2]
	stored := func(rows, cols int, t bool, spare int) (device.Matrix, []float32, int) {
		if t {
			rows, cols = cols, rows
		}
		each := rows*(cols+spare) + 1
		x := b.normal(count * each)
		return device.Matrix{Vec: b.vec(x), Stride: cols + spare, T: t}, x, each
	}
	am, a, sa := stored(m, k, ta, 1)
	bm, bs, sb := stored(k, n, tb, 2)
	cm, c, sc := stored(m, n, false, 3)
	if beta == 0 { // nothing of what was there is to be seen
		for p := range count {
			for i := range m {
				for j := range n {
					c[p*sc+i*cm.Stride+j] = nan
				}
			}
		}
		b.d.Write(cm.Vec, c)
	}
	at := func(x []float32, m device.Matrix, i, j int) float64 {
		if m.T {
			i, j = j, i
		}
		return float64(x[i*m.Stride+j])
	}
	want := wide(c)
	for p := range count {
		for i := range m {
			for j := range n {
				s := 0.0
				for l := range k {
					s += at(a[p*sa:], am, i, l) * at(bs[p*sb:], bm, l, j)
				}
				to := &want[p*sc+i*cm.Stride+j]
				if beta == 0 {
					*to = 0
				}
				*to = *to*float64(beta) + float64(alpha)*s
			}
		}
	}
	if count == 1 {
		b.d.Gemm(m, n, k, alpha, am, bm, beta, cm)
	} else {
		b.d.Gemms(count, m, n, k, alpha, am, sa, bm, sb, beta, cm, sc)
	}
	b.near(want, cm.Vec, "%d of %v, transposed %v %v, %v and %v", count, size, ta, tb, alpha, beta)
}

func softmaxOf(y []float64) {
	most, sum := math.Inf(-1), 0.0
	for _, x := range y {
		most = math.Max(most, x)
	}
	for j, x := range y {
		y[j] = math.Exp(x - most)
		sum += y[j]
	}
	for j := range y {
		y[j] /= sum
	}
}

// lossOf returns the loss of an error, and its derivative.
func lossOf(l device.Loss, e float64) (loss, slope float64) {
	sign := 0.0
	if e != 0 {
		sign = math.Copysign(1, e)
	}
	switch q := float64(l.Q); {
	case l.Kind == device.Square:
		return e * e, 2 * e
	case l.Kind == device.Absolute:
		return math.Abs(e), sign
	case l.Kind == device.Huber && math.Abs(e) <= q:
		return e * e / 2, e
	case l.Kind == device.Huber:
		return q * (math.Abs(e) - q/2), q * sign
	case e < 0:
		return (q - 1) * e, q - 1
	default:
		return q * e, q
	}
}
