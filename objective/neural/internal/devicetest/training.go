package devicetest

import (
	"math"

	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// training: losses and steps of training.
var training = []law{
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
}
