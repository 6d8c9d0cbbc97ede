package statistical

import (
	"math"
	"slices"
)

// An arma is an autoregressive moving average with a season:
//
//	φ(B)Φ(B^m) w[t] = θ(B)Θ(B^m) e[t]
//
// where B is the step back. It has the coefficients of the expanded polynomials, with
// w[t] = Σ phi[i]·w[t-1-i] + e[t] + Σ theta[i]·e[t-1-i], and what its likelihood needs.
type arma struct {
	phi, theta []float64
	ar, ma     []term // coefficients that are not 0

	levels             [][]float64 // coefficients of the autoregressions of order 1, 2, ...
	auto, sums         []float64   // autocovariances
	products, psi      []float64
	state, gain, shift []float64 // of the filter
	errs               []float64
}

// A term is a coefficient and its lag.
type term struct {
	lag   int
	value float64
}

// set expands the polynomials of a season of m steps. Signs are those of the type's equation.
func (a *arma) set(ar, ma, sar, sma []float64, m int) {
	a.phi = expand(a.phi[:0], ar, sar, m, -1)
	a.theta = expand(a.theta[:0], ma, sma, m, 1)
	a.ar, a.ma = terms(a.ar[:0], a.phi), terms(a.ma[:0], a.theta)
}

// expand appends the coefficients of (1 + s·Σ x[i]·B^(i+1))·(1 + s·Σ seasonal[j]·B^(m·(j+1))), each
// times s and without the first, to out.
func expand(out, x, seasonal []float64, m int, s float64) []float64 {
	n := len(x)
	if k := len(seasonal); k > 0 {
		n += m * k
	}
	for range n {
		out = append(out, 0)
	}
	copy(out, x)
	for j, v := range seasonal {
		out[(j+1)*m-1] += v
		for i, u := range x {
			out[(j+1)*m+i] += s * u * v
		}
	}
	return out
}

func terms(out []term, x []float64) []term {
	for i, v := range x {
		if v != 0 {
			out = append(out, term{i + 1, v})
		}
	}
	return out
}

// resized returns a slice of n zeros, in the memory of x if it fits.
func resized(x []float64, n int) []float64 {
	x = slices.Grow(x[:0], n)[:n]
	clear(x)
	return x
}

// conditional returns the mean squared error of one step, given the first values and errors
// of 0 before.
func (a *arma) conditional(w []float64) float64 {
	from := len(a.phi)
	if from >= len(w) {
		return math.NaN()
	}
	a.errs = resized(a.errs, len(w))
	sum := 0.0
	for t := from; t < len(w); t++ {
		e := w[t]
		for _, c := range a.ar {
			e -= c.value * w[t-c.lag]
		}
		for _, c := range a.ma {
			if t-c.lag < from {
				break
			}
			e -= c.value * a.errs[t-c.lag]
		}
		a.errs[t] = e
		sum += e * e
	}
	return sum / float64(len(w)-from)
}

// begin sets the filter to the state before the first value: the stationary distribution. It
// returns the variance of the value in units of the variance of e, and false if the process is
// not stationary.
func (a *arma) begin() (variance float64, ok bool) {
	p, q := len(a.phi), len(a.theta)
	r := max(p, q+1)
	if !a.autocovariances(p + q) {
		return 0, false
	}
	// products[l] is Σ θ[i]·θ[i+l], with θ[0] = 1.
	a.products = resized(a.products, q+1)
	a.products[0] = 1
	for _, c := range a.ma {
		a.products[c.lag] += c.value
		for _, d := range a.ma {
			if d.lag >= c.lag {
				a.products[d.lag-c.lag] += c.value * d.value
			}
		}
	}
	// sums[k] is the autocovariance of the process at lag k.
	a.sums = resized(a.sums, p+1)
	for l, c := range a.products {
		if c == 0 {
			continue
		}
		for k := range a.sums {
			if l == 0 {
				a.sums[k] += c * a.auto[k]
			} else {
				a.sums[k] += c * (a.auto[max(k-l, l-k)] + a.auto[k+l])
			}
		}
	}
	// psi[k] is the covariance of w[t] and e[t-k].
	a.psi = resized(a.psi, q+1)
	a.psi[0] = 1
	for k := 1; k <= q; k++ {
		a.psi[k] = a.theta[k-1]
		for _, c := range a.ar {
			if c.lag > k {
				break
			}
			a.psi[k] += c.value * a.psi[k-c.lag]
		}
	}
	// shift is the covariance of the state with the value, at first.
	a.shift = resized(a.shift, r+1)
	a.shift[0] = a.sums[0]
	for _, c := range a.ar {
		for i := 1; i < c.lag; i++ {
			a.shift[i] += c.value * a.sums[c.lag-i]
		}
	}
	for _, c := range a.ma {
		for i := 1; i <= c.lag; i++ {
			a.shift[i] += c.value * a.psi[c.lag-i]
		}
	}
	a.gain, a.state = resized(a.gain, r), resized(a.state, r+1)
	a.move(a.gain, a.shift)
	copy(a.shift, a.gain)
	a.shift[r] = 0
	return a.sums[0], true
}

// autocovariances computes those of the autoregression alone, with errors of variance 1, up to
// a lag. It reports whether the autoregression is stationary.
func (a *arma) autocovariances(most int) bool {
	p := len(a.phi)
	for len(a.levels) <= p {
		a.levels = append(a.levels, nil)
	}
	variance := 1.0
	level := a.phi
	for k := p; k >= 1; k-- {
		a.levels[k] = append(a.levels[k][:0], level...)
		level = a.levels[k]
		last := level[k-1]
		rest := 1 - last*last
		if !(rest > 0) {
			return false
		}
		variance /= rest
		below := resized(a.levels[k-1], k-1)
		if last == 0 {
			copy(below, level)
		} else {
			for j := range below {
				below[j] = (level[j] + last*level[k-2-j]) / rest
			}
		}
		a.levels[k-1], level = below, below
	}
	a.auto = resized(a.auto, most+1)
	a.auto[0] = variance
	for k := 1; k <= min(p, most); k++ {
		sum := 0.0
		for j, c := range a.levels[k] {
			sum += c * a.auto[k-1-j]
		}
		a.auto[k] = sum
	}
	for k := p + 1; k <= most; k++ {
		for _, c := range a.ar {
			a.auto[k] += c.value * a.auto[k-c.lag]
		}
	}
	return true
}

// isStationary reports whether all roots of 1 - Σ x[i]·z^(i+1) are farther than radius from 0.
func isStationary(x []float64, radius float64) bool {
	level := slices.Clone(x)
	power := 1.0
	for i := range level {
		power *= radius
		level[i] *= power
	}
	for k := len(level); k >= 1; k-- {
		last := level[k-1]
		rest := 1 - last*last
		if !(rest > 0) {
			return false
		}
		below := make([]float64, k-1)
		for j := range below {
			below[j] = (level[j] + last*level[k-2-j]) / rest
		}
		level = below
	}
	return true
}

// move sets to, of r values, to the state after from, of r+1, without a new error.
func (a *arma) move(to, from []float64) {
	first := from[0]
	copy(to, from[1:])
	for _, c := range a.ar {
		to[c.lag-1] += c.value * first
	}
}

// settled is how close to its limit the variance of a forecast is when the filter stops
// following it.
const settled = 1e-12

// filter runs the process over w, by the Kalman filter. It returns the sum of the squared
// errors of one step, each divided by its variance, and the sum of the logarithms of the
// variances; the variances are in units of the variance of e. The state after the last value
// is in a.state. The sums are infinite if the process is not stationary.
//
// The covariance of the state changes by a matrix of rank one at each step, so the filter
// follows a vector instead (Morf, Sidhu and Kailath, "Some new algorithms for recursive
// estimation in constant, linear, discrete-time systems", IEEE Transactions on Automatic
// Control 19, 1974).
func (a *arma) filter(w []float64) (squares, logs float64) {
	variance, ok := a.begin()
	if !ok {
		return math.Inf(1), math.Inf(1)
	}
	r := len(a.gain)
	state, gain, shift := a.state, a.gain, a.shift
	size := -1 / variance
	product, exponent := 1.0, 0.0 // of the variances
	for t, v := range w {
		e := v - state[0]
		squares += e * e / variance
		if product *= variance; product > 1e200 || product < 1e-200 {
			exponent += math.Log(product)
			product = 1
		}
		x := e / variance
		first := state[0]
		for i := range r {
			state[i] = state[i+1] + x*gain[i]
		}
		for _, c := range a.ar {
			state[c.lag-1] += c.value * first
		}
		if variance-1 < settled && t >= r {
			squares += a.steady(w[t+1:])
			break
		}
		// The next variance, gain and change of the covariance.
		at := shift[0]
		next := variance + size*at*at
		for i := range r {
			shift[i] = shift[i+1]
		}
		for _, c := range a.ar {
			shift[c.lag-1] += c.value * at
		}
		x, ratio := size*at, at/next
		for i := range r {
			gain[i] += x * shift[i]
			shift[i] -= ratio * gain[i]
		}
		size *= next / variance
		variance = next
	}
	return squares, exponent + math.Log(product)
}

// steady continues the filter when the variance is 1.
func (a *arma) steady(w []float64) (squares float64) {
	r := len(a.gain)
	for _, v := range w {
		e := v - a.state[0]
		squares += e * e
		first := a.state[0] + e
		for i := range r {
			a.state[i] = a.state[i+1]
		}
		for _, c := range a.ar {
			a.state[c.lag-1] += c.value * first
		}
		for _, c := range a.ma {
			a.state[c.lag-1] += c.value * e
		}
	}
	return squares
}

// next returns the forecast of some steps after the last value that filter saw.
func (a *arma) next(steps int) []float64 {
	r := len(a.gain)
	out := make([]float64, steps)
	for h := range out {
		out[h] = a.state[0]
		a.move(a.state[:r], a.state)
		a.state[r] = 0
	}
	return out
}

// partial returns the coefficients of a stationary autoregression whose partial
// autocorrelations are tanh(x) (Jones, Technometrics 22, 1980). to has the length of x.
func partial(to, x []float64) {
	for k, v := range x {
		last := math.Tanh(v)
		for i, j := 0, k-1; i <= j; i, j = i+1, j-1 {
			u, v := to[i], to[j]
			to[i], to[j] = u-last*v, v-last*u
		}
		to[k] = last
	}
}

// unpartial is the inverse of partial. It reports whether the autoregression is stationary.
func unpartial(to, coefficients []float64) bool {
	level := slices.Clone(coefficients)
	for k := len(level) - 1; k >= 0; k-- {
		last := level[k]
		rest := 1 - last*last
		if !(rest > 0) {
			return false
		}
		to[k] = math.Atanh(last)
		below := make([]float64, k)
		for j := range below {
			below[j] = (level[j] + last*level[k-1-j]) / rest
		}
		level = below
	}
	return true
}
