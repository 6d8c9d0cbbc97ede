package devicetest

import (
	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/f32"
)

// elements: elementwise operations, and sums of elements.
var elements = []law{
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
}
