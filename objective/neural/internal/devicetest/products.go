package devicetest

import (
	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// products: matrix products.
var products = []law{
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
	{"gemms of heads", func(b *bench) { // heads of tokens: each begins a head's width after the one before
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
}
