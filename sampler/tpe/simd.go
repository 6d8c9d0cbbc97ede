package tpe

import "math"

// Kernels are stored for vector instructions: a panel has several lanes, and for each axis the lanes' quadratic
// coefficients, followed by their linear ones. Several panels make a block, the unit of work. Candidates are
// taken a few at a time.
//
// The functions below have a twin in assembly where the processor has AVX2 and
// FMA. Both do the same operations in the same order, so that the results are the
// same bits: a study proposes the same points on either.
const (
	lanes      = 8
	block      = 64 // kernels
	panelsOf   = block / lanes
	candidates = 4 // taken at a time

	// negligible is the distance below the greatest term of a sum of exponentials at which terms are left out: e⁻⁴⁰
	// is 4·10⁻¹⁸.
	negligible = 40
)

// exponentsPlain computes the log-densities of a block of kernels at some candidates,
//
//	out[c][k] = base[k] + Σ_d (a[d,k]·x[d,c] + b[d,k])·x[d,c]
//
// for the dims axes d. The coefficients of the block are in coef.
func exponentsPlain(out *[candidates][block]float64, coef, base, x []float64, dims int) {
	for p := range panelsOf {
		panel := coef[p*dims*2*lanes : (p+1)*dims*2*lanes]
		for c := range candidates {
			acc := (*[lanes]float64)(out[c][p*lanes:])
			copy(acc[:], base[p*lanes:(p+1)*lanes])
			for d := range dims {
				t := x[d*candidates+c]
				ab := (*[2 * lanes]float64)(panel[d*2*lanes:])
				for k := range lanes {
					acc[k] = math.FMA(math.FMA(ab[k], t, ab[lanes+k]), t, acc[k])
				}
			}
		}
	}
}

// maximumPlain returns the greatest of v.
func maximumPlain(v *[block]float64) float64 {
	top := v[0]
	for _, x := range v {
		if x > top {
			top = x
		}
	}
	return top
}

// expSumPlain returns Σ w[k]·exp(v[k]-top), leaving out terms that are negligible. No
// v may be above top.
func expSumPlain(v, w *[block]float64, top float64) float64 {
	var s [lanes]float64
	for k, x := range v {
		if d := x - top; d >= -negligible {
			s[k%lanes] = math.FMA(exp(d), w[k], s[k%lanes])
		}
	}
	for k := lanes / 2; k > 0; k /= 2 {
		for i := range k {
			s[i] += s[i+k]
		}
	}
	return s[0]
}

// exp returns eˣ for x in [-negligible, 0], to a relative 1e-12: e^r by Taylor's
// series to the tenth power, for |r| <= ½·log 2, times a power of 2.
func exp(x float64) float64 {
	t := math.FMA(x, expConst[0], expConst[1])
	k := t - expConst[1]
	r := math.FMA(k, expConst[2], x)
	r = math.FMA(k, expConst[3], r)
	p := expConst[4]
	for _, c := range expConst[5:] {
		p = math.FMA(p, r, c)
	}
	return math.Float64frombits(math.Float64bits(p) + math.Float64bits(t)<<52)
}

// expConst are the constants of exp in the order in which it uses them.
var expConst = [15]float64{
	math.Log2E,
	1 << 52 * 1.5,           // adding it rounds to a whole number, in the low bits
	-6.93147180369123816e-1, // -log 2, its first 32 bits
	-1.90821492927058770e-10,
	1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
	1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1,
}
