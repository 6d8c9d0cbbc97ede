//go:build !amd64

package tpe

func exponents(out *[candidates][block]float64, coef, base, x []float64, dims int) {
	exponentsPlain(out, coef, base, x, dims)
}

func maximum(v *[block]float64) float64 { return maximumPlain(v) }

func expSum(v, w *[block]float64, top float64) float64 { return expSumPlain(v, w, top) }
