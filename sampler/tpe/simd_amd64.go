package tpe

import "golang.org/x/sys/cpu"

var vector = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func exponentsAVX2(out, coef, base, x *float64, dims int)

//go:noescape
func maximumAVX2(v *float64) float64

//go:noescape
func expSumAVX2(v, w, constants *float64, top float64) float64

func exponents(out *[candidates][block]float64, coef, base, x []float64, dims int) {
	if vector && dims > 0 {
		exponentsAVX2(&out[0][0], &coef[0], &base[0], &x[0], dims)
	} else {
		exponentsPlain(out, coef, base, x, dims)
	}
}

func maximum(v *[block]float64) float64 {
	if vector {
		return maximumAVX2(&v[0])
	}
	return maximumPlain(v)
}

func expSum(v, w *[block]float64, top float64) float64 {
	if vector {
		return expSumAVX2(&v[0], &w[0], &expConst[0], top)
	}
	return expSumPlain(v, w, top)
}
