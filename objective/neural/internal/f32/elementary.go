package f32

import "math"

// Constants of the elementary functions. eʳ = 1 + r + r²·q(r) for |r| <= ½·log 2. q is the
// polynomial, lowest power first, that minimizes the maximum relative error of eʳ: 3.1e-9.
const (
	log2e = 1.44269502
	ln2Hi = 0.693147182 // log 2 as a float32,
	ln2Lo = -1.90465421e-09
	round = 1<<23 + 1<<22 // adding it rounds to an integer, which is in the low bits

	q0 = 0.49999994
	q1 = 0.166665211
	q2 = 0.0416682661
	q3 = 0.00836867373
	q4 = 0.00138206338

	expLow  = -104 // eˣ is 0 from here down,
	expHigh = 89   // +Inf from here up
	tanhTop = 20   // tanh x is 1 for 2x from here up
)

// constants are the constants in the order that the kernels expect. Each fills a vector.
var constants = func() (t [16][8]float32) {
	for i, c := range []float32{
		round, log2e, -ln2Hi, -ln2Lo, q4, q3, q2, q1, q0, 1,
		expLow, expHigh, tanhTop, float32(math.Copysign(0, -1)), math.Float32frombits(1<<31 - 1),
		2,
	} {
		for j := range t[i] {
			t[i][j] = c
		}
	}
	return t
}()

// fma returns a·b+c, almost always rounded only once: the product is exact in double
// precision.
func fma(a, b, c float32) float32 { return float32(float64(a)*float64(b) + float64(c)) }

// expm1 returns n and em with eˣ = 2ⁿ(1+em), |em| < 0.42.
func expm1(x float32) (n int32, em float32) {
	t := fma(x, log2e, round)
	whole := t - round
	r := fma(whole, -ln2Hi, x)
	r = fma(whole, -ln2Lo, r)
	q := fma(fma(fma(fma(q4, r, q3), r, q2), r, q1), r, q0)
	return int32(math.Float32bits(t)) - int32(math.Float32bits(round)), fma(r*r, q, r)
}

// power returns 2ⁿ for a normal result.
func power(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

func exp(x float32) float32 {
	n, em := expm1(min(max(x, expLow), expHigh))
	return (em + 1) * power(n>>1) * power(n-n>>1)
}

// sigmoid uses the exponential of -|x|, which does not overflow.
func sigmoid(x float32) float32 {
	n, em := expm1(max(-abs(x), expLow))
	z := (em + 1) * power(n>>1) * power(n-n>>1)
	if math.Signbit(float64(x)) {
		return z / (z + 1)
	}
	return 1 / (z + 1)
}

// tanh is u/(u+2) with u = e²ˣ-1, which is accurate near 0.
func tanh(x float32) float32 {
	n, em := expm1(min(abs(x)+abs(x), tanhTop))
	s := power(n)
	u := fma(s, em, s-1)
	return float32(math.Copysign(float64(u/(u+2)), float64(x)))
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }
