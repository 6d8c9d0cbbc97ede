package gp

import "math"

// logImprovement returns log E[max(0, best-f)] where f ~ N(mean, dev²), and its
// derivatives by mean and by dev (Ament, Daulton, Eriksson, Balandat and Bakshy,
// "Unexpected Improvements to Expected Improvement for Bayesian Optimization",
// NeurIPS 2023, equation 9). The logarithm keeps a slope where the improvement
// itself is too small for a float64.
func logImprovement(best, mean, dev float64) (value, byMean, byDev float64) {
	z := (best - mean) / dev
	log, ratio := logH(z)
	// h = φ + zΦ, h' = Φ; ratio is h'/h.
	return math.Log(dev) + log, -ratio / dev, (1 - z*ratio) / dev
}

// logH returns log h(z) for h(z) = φ(z) + z·Φ(z), and h'(z)/h(z).
func logH(z float64) (log, ratio float64) {
	const halfLog2Pi = 0.91893853320467274178
	switch {
	case z > -1:
		below := math.Erfc(-z/math.Sqrt2) / 2
		h := math.Exp(-z*z/2-halfLog2Pi) + z*below
		return math.Log(h), below / h
	case z > -25:
		// Φ/φ, of two numbers that are far from underflow.
		mills := math.Sqrt(math.Pi/2) * math.Exp(z*z/2) * math.Erfc(-z/math.Sqrt2)
		rest := 1 + z*mills
		return -z*z/2 - halfLog2Pi + math.Log(rest), mills / rest
	}
	// φ(z)/z² (1 - 3/z² + ...): the asymptotic expansion of h.
	return -z*z/2 - halfLog2Pi - 2*math.Log(-z) + math.Log1p(-3/(z*z)), -z - 2/z
}

// logBelow returns log P(f ≤ 0) where f ~ N(mean, dev²), and its derivatives.
func logBelow(mean, dev float64) (value, byMean, byDev float64) {
	const halfLog2Pi = 0.91893853320467274178
	z := -mean / dev
	var mills float64 // φ/Φ
	if z > -25 {
		below := math.Erfc(-z/math.Sqrt2) / 2
		value = math.Log(below)
		mills = math.Exp(-z*z/2-halfLog2Pi) / below
	} else {
		value = -z*z/2 - halfLog2Pi - math.Log(-z) + math.Log1p(-1/(z*z))
		mills = -z - 1/z
	}
	return value, -mills / dev, -mills * z / dev
}
