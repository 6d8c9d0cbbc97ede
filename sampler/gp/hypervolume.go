package gp

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/trial/pareto"
)

// A gain is the expected improvement of the hypervolume that a front dominates, of two
// objectives or three (Emmerich, Giannakoglou and Naujoks, "Single- and Multiobjective
// Evolutionary Optimization Assisted by Gaussian Random Field Metamodels", IEEE
// Transactions on Evolutionary Computation 10, 2006).
//
// The region that no point of the front dominates, up to a reference point, is cut into
// boxes, each from a lower corner l, which may be at -∞, to an upper corner u. The objectives
// Y of a point are independent normal variables. The volume that it adds within a box is
// the product of min(u, ·) - max(l, Y), and so the expectation is
//
//	Σ_boxes Π_k (ψ_k(u_k) - ψ_k(l_k))    ψ_k(a) = E[max(0, a - Y_k)] = s·h((a - m)/s)
//
// where m and s are the mean and the deviation of Y_k, and h(z) = φ(z) + z·Φ(z).
type gain struct {
	models []*model
	edges  [][]float64 // of each objective: where boxes begin and end, ascending; the first is -∞
	boxes  []box

	gradMean, gradDev [][]float64 // of each objective
	psi, below, at    [][]float64 // ψ, Φ and φ at its edges
	factor            []float64
	byMean, byDev     []float64
}

// A box has for each objective the places of its corners among the edges.
type box struct{ low, high [3]int }

// mostFront is the number of points of a front that boxes are made for.
const mostFront = 48

// newGain returns the gain over points, which need not be a front. Without points it is nil.
func newGain(models []*model, values [][]float64, whole bool) *gain {
	front := make([][]float64, 0, len(values))
	for _, i := range pareto.Front(values) {
		front = append(front, values[i])
	}
	if len(front) == 0 {
		return nil
	}
	reference := beyond(front, values, whole)
	if len(front) > mostFront {
		var some [][]float64
		for _, i := range pareto.Subset(front, mostFront, reference) {
			some = append(some, front[i])
		}
		front = some
	}
	g := &gain{models: models}
	for k := range models {
		edges := []float64{math.Inf(-1), reference[k]}
		for _, p := range front {
			edges = append(edges, p[k])
		}
		slices.Sort(edges)
		g.edges = append(g.edges, slices.Compact(edges))
		n, d := len(g.edges[k]), models[k].d
		g.psi, g.below, g.at = append(g.psi, make([]float64, n)), append(g.below, make([]float64, n)), append(g.at, make([]float64, n))
		g.gradMean, g.gradDev = append(g.gradMean, make([]float64, d)), append(g.gradDev, make([]float64, d))
	}
	places := make([][3]int, len(front))
	var top [3]int
	for k := range models {
		top[k], _ = slices.BinarySearch(g.edges[k], reference[k])
		for i, p := range front {
			places[i][k], _ = slices.BinarySearch(g.edges[k], p[k])
		}
	}
	g.boxes = undominated(places, top, len(models))
	g.factor = make([]float64, len(models))
	g.byMean, g.byDev = make([]float64, len(models)), make([]float64, len(models))
	return g
}

// beyond returns a reference point: a tenth of its extent beyond the worst of the front, or
// of all points if the whole is asked for.
func beyond(front, all [][]float64, whole bool) []float64 {
	if whole {
		front = all
	}
	reference := make([]float64, len(front[0]))
	for k := range reference {
		low, high := math.Inf(1), math.Inf(-1)
		for _, p := range front {
			low, high = math.Min(low, p[k]), math.Max(high, p[k])
		}
		reference[k] = high + math.Max(0.1*(high-low), 1e-3)
	}
	return reference
}

// undominated cuts the region that no point dominates, up to top, into boxes. Points and
// corners are given by the places of their coordinates among the edges. The first edge,
// 0, is at -∞. It sweeps along the third objective. At each height the region is a
// staircase: strips side by side along the first objective, each open downwards along the
// second. A point that comes ends the strips above it (for two objectives all have the same
// height; Lacour, Klamroth and Fonseca, "A Box Decomposition Algorithm to Compute the
// Hypervolume Indicator", Computers & Operations Research 79, 2017, count as many boxes).
func undominated(points [][3]int, top [3]int, objectives int) []box {
	if objectives == 2 {
		top[2] = 1
	}
	points = slices.Clone(points)
	slices.SortFunc(points, func(a, b [3]int) int {
		return cmp.Or(cmp.Compare(a[2], b[2]), cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	var boxes []box
	open := []box{{high: top}}
	for _, p := range points {
		if p[0] >= top[0] || p[1] >= top[1] || p[2] >= top[2] {
			continue
		}
		var next []box
		for _, s := range open {
			if s.high[0] <= p[0] || s.high[1] <= p[1] {
				next = append(next, s)
				continue
			}
			// The part of the strip to the left of p goes on.
			if s.low[0] < p[0] {
				left := s
				left.high[0] = p[0]
				next = append(next, left)
				s.low[0] = p[0]
			}
			// The rest ends at the height of p, above which only what is below p goes on.
			lower := s
			if s.high[2] = p[2]; s.high[2] > s.low[2] {
				boxes = append(boxes, s)
			}
			lower.high[1], lower.low[2] = p[1], p[2]
			next = append(next, lower)
		}
		open = merged(next)
	}
	return append(boxes, open...)
}

// merged joins strips that lie side by side and are equally high and deep.
func merged(strips []box) []box {
	out := strips[:0]
	for _, s := range strips {
		if n := len(out); n > 0 && out[n-1].high[0] == s.low[0] && out[n-1].high[1] == s.high[1] && out[n-1].low[2] == s.low[2] {
			out[n-1].high[0] = s.high[0]
			continue
		}
		out = append(out, s)
	}
	return out
}

// value returns the logarithm of the expected gain where the objectives have the given means
// and deviations, and its derivatives by these.
func (g *gain) value(means, devs []float64) (value float64, byMean, byDev []float64) {
	for k, edges := range g.edges {
		g.psi[k][0], g.below[k][0], g.at[k][0] = 0, 0, 0
		for i, a := range edges[1:] {
			z := (a - means[k]) / devs[k]
			below := math.Erfc(-z/math.Sqrt2) / 2
			density := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
			h := density + z*below
			if z < -5 { // where the sum has lost its digits
				log, _ := logH(z)
				h = math.Exp(log)
			}
			g.psi[k][i+1], g.below[k][i+1], g.at[k][i+1] = devs[k]*h, below, density
		}
	}
	clear(g.byMean)
	clear(g.byDev)
	total := 0.0
	for _, b := range g.boxes {
		product := 1.0
		for k := range g.models {
			g.factor[k] = g.psi[k][b.high[k]] - g.psi[k][b.low[k]]
			product *= g.factor[k]
		}
		total += product
		for k := range g.models {
			others := 1.0
			for j, f := range g.factor {
				if j != k {
					others *= f
				}
			}
			g.byMean[k] -= others * (g.below[k][b.high[k]] - g.below[k][b.low[k]])
			g.byDev[k] += others * (g.at[k][b.high[k]] - g.at[k][b.low[k]])
		}
	}
	if total > 1e-200 {
		for k := range g.models {
			g.byMean[k] /= total
			g.byDev[k] /= total
		}
		return math.Log(total), g.byMean, g.byDev
	}
	return g.distant(means, devs)
}

// distant returns an approximation if the gain is too small for a float64: the greatest gain of any box, if it
// extended to -∞.
func (g *gain) distant(means, devs []float64) (value float64, byMean, byDev []float64) {
	value = math.Inf(-1)
	for _, b := range g.boxes {
		sum := 0.0
		for k := range g.models {
			v, _, _ := logImprovement(g.edges[k][b.high[k]], means[k], devs[k])
			sum += v
		}
		if sum > value {
			value = sum
			for k := range g.models {
				_, g.byMean[k], g.byDev[k] = logImprovement(g.edges[k][b.high[k]], means[k], devs[k])
			}
		}
	}
	return value, g.byMean, g.byDev
}
