package genetic

import (
	"math"
	"math/rand/v2"
)

// A Crossover says how the numbers of parents become those of a child. Each choice is taken from one of the parents,
// with equal probability.
type Crossover uint8

// The crossovers.
const (
	DefaultCrossover Crossover = iota
	Uniform
	SBX
	VSBX
	BLX
	SPX
	UNDX
	crossovers
)

var names = [crossovers]string{"default", "uniform", "SBX", "vSBX", "BLX-α", "SPX", "UNDX"}

// String returns the name of c.
func (c Crossover) String() string {
	if c < crossovers {
		return names[c]
	}
	return "unknown"
}

func (c Crossover) parents() int {
	if c == SPX || c == UNDX {
		return 3
	}
	return 2
}

// again is how often a child outside the unit cube is drawn again before it is moved
// to the nearest point inside.
const again = 10

// cross returns a child in the unit cube of parents in it.
func (c Crossover) cross(parents [][]float64, objectives int, rng *rand.Rand) []float64 {
	var child []float64
	for range again {
		if child = c.once(parents, objectives, rng); inside(child) {
			return child
		}
	}
	for i := range child {
		child[i] = math.Min(math.Max(child[i], 0), 1)
	}
	return child
}

func inside(x []float64) bool {
	for _, u := range x {
		if !(0 <= u && u <= 1) {
			return false
		}
	}
	return true
}

func (c Crossover) once(parents [][]float64, objectives int, rng *rand.Rand) []float64 {
	if len(parents) < c.parents() { // of a population of two
		c = Uniform
	}
	eta := 20.0
	if objectives == 1 {
		eta = 2
	}
	switch c {
	case SBX:
		return sbx(parents[0], parents[1], eta, rng)
	case VSBX:
		return vsbx(parents[0], parents[1], eta, rng)
	case BLX:
		return blx(parents[0], parents[1], rng)
	case SPX:
		return spx(parents, rng)
	case UNDX:
		return undx(parents, rng)
	}
	return uniform(parents[0], parents[1], rng)
}

// uniform takes each number from either parent (Syswerda, "Uniform Crossover in
// Genetic Algorithms", ICGA 1989).
func uniform(a, b []float64, rng *rand.Rand) []float64 {
	child := make([]float64, len(a))
	for i := range child {
		if child[i] = a[i]; rng.IntN(2) == 0 {
			child[i] = b[i]
		}
	}
	return child
}

// sbx is simulated binary crossover (Deb and Agrawal, "Simulated Binary Crossover for
// Continuous Search Space", Complex Systems 9, 1995), bounded as in Deb's book of 2001:
// the spread factor β of each number has the density that leaves both children within
// the bounds.
func sbx(a, b []float64, eta float64, rng *rand.Rand) []float64 {
	child := make([]float64, len(a))
	for i := range child {
		low, high := math.Min(a[i], b[i]), math.Max(a[i], b[i])
		child[i] = a[i]
		if rng.IntN(2) == 0 || high-low < 1e-14 { // as it is, from either
			if rng.IntN(2) == 0 {
				child[i] = b[i]
			}
			continue
		}
		u, upper := rng.Float64(), rng.IntN(2) == 0
		room := low
		if upper {
			room = 1 - high
		}
		alpha := 2 - math.Pow(1+2*room/(high-low), -(eta+1))
		beta := math.Pow(u*alpha, 1/(eta+1))
		if u > 1/alpha {
			beta = math.Pow(1/(2-u*alpha), 1/(eta+1))
		}
		half := beta * (high - low) / 2
		if upper {
			child[i] = (low+high)/2 + half
		} else {
			child[i] = (low+high)/2 - half
		}
	}
	return child
}

// vsbx is a variant whose children lie on either side of a parent alike (Ballester and
// Carter, "Real-Parameter Genetic Algorithms for Finding Multiple Optimal Solutions in
// Multi-modal Optimization", GECCO 2003).
func vsbx(a, b []float64, eta float64, rng *rand.Rand) []float64 {
	child := make([]float64, len(a))
	for i := range child {
		u := rng.Float64()
		center, beta := a[i], math.Pow(2*u, 1/(eta+1))
		if u > 0.5 {
			center, beta = b[i], math.Pow(1/(2*(1-u)), 1/(eta+1))
		}
		step := (1 - beta) * (a[i] - b[i]) / 2
		if rng.IntN(2) == 0 {
			step = -step
		}
		child[i] = center + step
	}
	return child
}

// blx draws each number from the interval of the parents, widened by half at each side
// (Eshelman and Schaffer, "Real-Coded Genetic Algorithms and Interval-Schemata", FOGA
// 1992).
func blx(a, b []float64, rng *rand.Rand) []float64 {
	const alpha = 0.5
	child := make([]float64, len(a))
	for i := range child {
		low, high := math.Min(a[i], b[i]), math.Max(a[i], b[i])
		by := alpha * (high - low)
		child[i] = low - by + rng.Float64()*(high-low+2*by)
	}
	return child
}

// spx draws from the simplex of the parents, expanded by √(d+2) (Tsutsui, Yamamura and
// Higuchi, "Multi-parent Recombination with Simplex Crossover in Real Coded Genetic
// Algorithms", GECCO 1999, section 2).
func spx(parents [][]float64, rng *rand.Rand) []float64 {
	d := len(parents[0])
	epsilon := math.Sqrt(float64(d) + 2)
	center := make([]float64, d)
	for _, p := range parents {
		for i, u := range p {
			center[i] += u / float64(len(parents))
		}
	}
	child := make([]float64, d) // C_k, then x_k + C_k
	for k, p := range parents {
		r := 0.0
		if k > 0 {
			r = math.Pow(rng.Float64(), 1/float64(k))
		}
		for i, u := range p {
			y := center[i] + epsilon*(u-center[i])
			if k == 0 {
				child[i] = y
				continue
			}
			child[i] = y + r*(child[i]-y) // y_k + C_k, as C_k = r (y_{k-1} - y_k + C_{k-1})
		}
	}
	return child
}

// undx draws from a normal distribution around the middle of two parents: along the
// line through them as wide as they are apart, and across as the third is away from
// it (Ono and Kobayashi, "A Real-Coded Genetic Algorithm for Function Optimization
// Using Unimodal Normal Distribution Crossover", ICGA 1997; σ_ξ = ½, σ_η = 0.35/√d).
func undx(parents [][]float64, rng *rand.Rand) []float64 {
	a, b, c := parents[0], parents[1], parents[2]
	d := len(a)
	along := make([]float64, d)
	length, onto := 0.0, 0.0
	for i := range along {
		along[i] = b[i] - a[i]
		length += along[i] * along[i]
		onto += along[i] * (c[i] - a[i])
	}
	distance := 0.0 // of c from the line, squared
	for i := range along {
		off := c[i] - a[i]
		if length > 0 {
			off -= onto / length * along[i]
		}
		distance += off * off
	}
	xi, eta := 0.5*rng.NormFloat64(), 0.35/math.Sqrt(float64(d))*math.Sqrt(distance)
	across := make([]float64, d)
	in := 0.0
	for i := range across {
		across[i] = eta * rng.NormFloat64()
		in += across[i] * along[i]
	}
	child := make([]float64, d)
	for i := range child {
		if length > 0 {
			across[i] -= in / length * along[i]
		}
		child[i] = (a[i]+b[i])/2 + xi*along[i] + across[i]
	}
	return child
}
