package tpe

import "math"

// The functions below are the standard normal distribution, as far as truncated
// kernels need it: φ its density, Φ its cumulative distribution.

const (
	halfLog2Pi = 0.91893853320467274178 // ½·log 2π
	farTail    = 8.3                    // 1 - Φ(farTail) is below half a unit in the last place of 1
)

// logPhi returns log Φ(x), to a relative 1e-13.
func logPhi(x float64) float64 {
	switch {
	case x > 6:
		return math.Log1p(-0.5 * math.Erfc(x/math.Sqrt2))
	case x > -30:
		return math.Log(0.5 * math.Erfc(-x/math.Sqrt2))
	}
	// Abramowitz and Stegun 26.2.12: Φ(x) = φ(x)/(-x) · (1 - 1/x² + 3/x⁴ - 15/x⁶ ...).
	y := 1 / (x * x)
	series := -y * (1 - 3*y*(1-5*y*(1-7*y*(1-9*y))))
	return -0.5*x*x - math.Log(-x) - halfLog2Pi + math.Log1p(series)
}

// logMass returns log(Φ(b) - Φ(a)) for a < b.
func logMass(a, b float64) float64 {
	if a > 0 { // the lower tail has the digits
		a, b = -b, -a
	}
	if b > 0 {
		tails := 0.0
		if a > -farTail {
			tails += math.Erfc(-a / math.Sqrt2)
		}
		if b < farTail {
			tails += math.Erfc(b / math.Sqrt2)
		}
		switch {
		case tails == 0:
			return 0
		case tails < 1:
			return math.Log1p(-0.5 * tails)
		}
		return math.Log(0.5 * (math.Erf(b/math.Sqrt2) + math.Erf(-a/math.Sqrt2)))
	}
	h, c := b-a, a+0.5*(b-a)
	if h*max(1, -c) < 0.1 { // the digits of the difference are lost
		return logCellMass(c, h, math.Log(h))
	}
	upper := logPhi(b)
	return upper + math.Log1p(-math.Exp(logPhi(a)-upper))
}

// logCellMass returns log(Φ(c + h/2) - Φ(c - h/2)) for h > 0, given log h. Unlike
// logMass it keeps its digits when h is tiny.
func logCellMass(c, h, logH float64) float64 {
	c2, q := c*c, 0.25*h*h
	if q*max(1, c2) >= 1 {
		c = math.Abs(c)
		return logMass(c-0.5*h, c+0.5*h)
	}
	// Taylor's series φ(c)·h·Σ He₂ₖ(c)·(h/2)²ᵏ/(2k+1)!, with Hermite's polynomials;
	// what is left out is of the order of (ch/2)¹⁴/15!.
	he2 := c2 - 1
	he4 := (c2-5)*he2 - 2
	he6 := (c2-9)*he4 - 12*he2
	he8 := (c2-13)*he6 - 30*he4
	he10 := (c2-17)*he8 - 56*he6
	he12 := (c2-21)*he10 - 90*he8
	x := q / 6 * (he2 + q/20*(he4+q/42*(he6+q/72*(he8+q/110*(he10+q/156*he12)))))
	return logH - 0.5*c2 - halfLog2Pi + log1p(x)
}

// log1p returns log(1 + x) for |x| < 0.4, within 1e-12, as 2·artanh(x/(2 + x)).
func log1p(x float64) float64 {
	y := x / (2 + x)
	y2 := y * y
	return 2 * y * (1 + y2*(1./3+y2*(1./5+y2*(1./7+y2*(1./9+y2*(1./11+y2*(1./13)))))))
}

// truncatedQuantile returns x in [a, b] such that Φ(x) = Φ(a) + u·(Φ(b) - Φ(a)),
// for a < b and u in [0, 1].
func truncatedQuantile(u, a, b float64) float64 {
	if a > 0 {
		return -truncatedQuantile(1-u, -b, -a)
	}
	l := newLimits(a, b)
	return l.quantile(u)
}

// limits are the limits a < b of a truncated normal distribution, not both above 0, with the masses that they cut
// off, which are expensive to compute.
type limits struct{ a, b, below, above, mass float64 }

func newLimits(a, b float64) limits {
	l := limits{a: a, b: b}
	if b > -5 {
		l.below, l.above = 0.5*math.Erfc(-a/math.Sqrt2), 0.5*math.Erfc(b/math.Sqrt2)
		l.mass = 1 - l.below - l.above
		if b < 0 {
			l.mass = 0.5*math.Erfc(-b/math.Sqrt2) - l.below
		}
	}
	return l
}

// quantile is [truncatedQuantile] for a <= 0.
func (l *limits) quantile(u float64) float64 {
	var x float64
	if l.b > -5 {
		if p := l.below + u*l.mass; p <= 0.5 {
			x = quantile(p)
		} else {
			x = -quantile(l.above + (1-u)*l.mass)
		}
	} else if u > 0 {
		first, rest := logPhi(l.a), math.Log(u)+logMass(l.a, l.b)
		top := max(first, rest)
		x = tailQuantile(top + math.Log1p(math.Exp(min(first, rest)-top)))
	} else {
		x = l.a
	}
	return min(max(x, l.a), l.b)
}

// quantile returns x such that Φ(x) = p, for p in [0, ½].
func quantile(p float64) float64 {
	if p > 1e-3 {
		return -math.Sqrt2 * math.Erfinv(1-2*p)
	}
	return tailQuantile(math.Log(p))
}

// tailQuantile returns x such that log Φ(x) = logP, for logP < log ½: Newton's
// method in logarithms from Abramowitz and Stegun 26.2.23, which is off by at
// most 4.5e-4.
func tailQuantile(logP float64) float64 {
	if math.IsInf(logP, -1) {
		return math.Inf(-1)
	}
	t := math.Sqrt(-2 * logP)
	x := -t + (2.515517+t*(0.802853+t*0.010328))/(1+t*(1.432788+t*(0.189269+t*0.001308)))
	for range 4 {
		l := logPhi(x)
		dx := (l - logP) * math.Exp(l+0.5*x*x+halfLog2Pi)
		x -= dx
		if math.Abs(dx) < 1e-9*math.Abs(x) {
			break
		}
	}
	return x
}
