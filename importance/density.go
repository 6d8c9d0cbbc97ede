package importance

import (
	"math"

	"github.com/attune-hpo/attune/space"
)

// gridSize is the number of grid points of a continuous parameter.
const gridSize = 50

// A grid has the points of a parameter at which densities are compared. They are evenly
// spaced on the parameter's scale. Choices are points, too.
type grid struct {
	size       int // number of points; 1 if nothing varies
	choices    bool
	log        bool
	low, width float64 // the first point, and the distance between points, on the scale
	prior      []float64
}

func newGrid(d space.Distribution) grid {
	g := grid{size: 1}
	span := func(low, high float64) {
		if g.log {
			low, high = math.Log(low), math.Log(high)
		}
		g.low, g.width = low, (high-low)/float64(g.size-1)
		g.prior = middle(g.size)
	}
	if d.Len() == 1 {
		return g
	}
	switch d := d.(type) {
	case *space.CategoricalDistribution:
		g.choices, g.size = true, len(d.Choices)
	case space.IntDistribution:
		g.log = d.Log
		low, high := float64(d.Low), float64(d.High)
		if g.log {
			g.size = min(gridSize, int(math.Ceil(math.Log(high-low+1)/math.Log(2)))+1)
		} else {
			g.size = min(gridSize, int(math.RoundToEven((high-low)/float64(max(1, d.Step))))+1)
		}
		span(low, high)
	case space.FloatDistribution:
		g.log, g.size = d.Log, gridSize
		if d.Step > 0 {
			g.size = int(min(gridSize, math.RoundToEven((d.High-d.Low)/d.Step)+1))
		} else if d.Low == d.High {
			g.size = 1
		}
		span(d.Low, d.High)
	}
	return g
}

// cell returns the point nearest to a coordinate, or the lower one of two.
func (g grid) cell(x float64) int {
	if g.choices || g.size < 2 {
		return min(int(x), g.size-1)
	}
	if g.log {
		x = math.Log(x)
	}
	at := math.Ceil((x-g.low)/g.width - 0.5)
	return int(max(0, min(at, float64(g.size-1))))
}

// density estimates the distribution of values, given the number of values at each point.
// It is positive everywhere.
func (g grid) density(counts []int) []float64 {
	n := 0
	for _, c := range counts {
		n += c
	}
	var p []float64
	switch {
	case n == 0:
		p = uniform(g.size)
	case g.choices:
		p = smoothed(counts, n)
	default:
		p = parzen(counts, n, g.prior)
	}
	for i := range p {
		p[i] += 1e-12
	}
	return p
}

// smoothed adds one count, spread over all choices, to the counts of choices. Each choice
// that occurs is a kernel, which gives a little of its count to the others.
func smoothed(counts []int, n int) []float64 {
	k, kernels := float64(len(counts)), 1.0
	for _, c := range counts {
		if c > 0 {
			kernels++
		}
	}
	p := make([]float64, len(counts))
	rest := 0.0 // the share of every choice in all kernels
	for _, c := range counts {
		rest += float64(c) / (1 + k/kernels) / kernels
	}
	for i, c := range counts {
		p[i] = (rest + float64(c)/(1+k/kernels) + 1/k) / float64(n+1)
	}
	return p
}

// parzen returns a mixture of normal distributions, truncated to the grid and discretized to
// its points. It has one distribution at each value, with a common deviation by Scott's rule,
// and one in the middle that is as wide as the grid.
func parzen(counts []int, n int, prior []float64) []float64 {
	size := len(counts)
	sigma := max(scott(counts, n), 0.5/1.64) // nine tenths of a kernel stay at its point
	k := newKernel(size, sigma)
	p := make([]float64, size)
	for mu, c := range counts {
		if c == 0 {
			continue
		}
		w := float64(c) / float64(n+1) / (1 - k.tail[mu] - k.tail[size-1-mu])
		for i := range p[:mu] {
			p[i] += w * k.mass[mu-i]
		}
		for i := range p[mu:] {
			p[mu+i] += w * k.mass[i]
		}
	}
	for i, q := range prior {
		p[i] += q / float64(n+1)
	}
	return p
}

// A kernel is a normal distribution with its mean at a point of a grid.
type kernel struct {
	mass []float64 // by distance from the mean
	tail []float64 // mass beyond that distance, on one side
}

func newKernel(size int, sigma float64) kernel {
	k := kernel{make([]float64, size), make([]float64, size)}
	for d := range size {
		k.tail[d] = math.Erfc((float64(d)+0.5)/sigma/math.Sqrt2) / 2
		if d == 0 {
			k.mass[d] = 1 - 2*k.tail[d]
		} else {
			k.mass[d] = k.tail[d-1] - k.tail[d]
		}
	}
	return k
}

// middle returns the normal distribution in the middle of a grid, as wide as the grid and
// truncated to it.
func middle(size int) []float64 {
	mean, sigma := float64(size-1)/2, float64(size)
	below := func(x float64) float64 { return math.Erf((x - mean) / sigma / math.Sqrt2) }
	low, high := below(-0.5), below(float64(size)-0.5)
	p := make([]float64, size)
	for i := range p {
		p[i] = (below(float64(i)+0.5) - below(float64(i)-0.5)) / (high - low)
	}
	return p
}

// scott returns the bandwidth by Scott's rule (Scott 1992, Multivariate Density Estimation)
// for n values, given the number of values at each point. It uses the smaller of two measures
// of their spread.
func scott(counts []int, n int) float64 {
	mean := 0.0
	for i, c := range counts {
		mean += float64(i) * float64(c)
	}
	mean /= float64(n)
	variance := 0.0
	for i, c := range counts {
		d := float64(i) - mean
		variance += d * d * float64(c)
	}
	deviation := math.Sqrt(variance / float64(max(1, n-1)))

	first, third, last := -1, -1, 0 // the quartiles
	seen := 0
	for i, c := range counts {
		if c == 0 {
			continue
		}
		seen += c
		last = i
		if first < 0 && seen >= n/4 {
			first = i
		}
		if third < 0 && seen > n*3/4 {
			third = i
		}
	}
	if third < 0 {
		third = last
	}
	return 1.059 * min(float64(third-first)/1.34, deviation) * math.Pow(float64(n), -0.2)
}
