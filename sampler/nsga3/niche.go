package nsga3

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// niches selects by reference directions: sections IV.B to IV.E of the paper, with its
// symbols.
type niches struct{ divisions int }

const (
	mostDivisions  = 50
	mostDirections = 2000
)

// Spread implements [genetic.Selection]: all points of a front are as good as parents.
func (niches) Spread([][]float64) []float64 { return nil }

// Cut implements [genetic.Selection].
func (n niches) Cut(above, front [][]float64, k int, rng *rand.Rand) []int {
	m := len(front[0])
	directions := n.directions(m, len(above)+k)
	points := normalized(append(slices.Clip(above), front...))
	nearest, distance := associate(points, directions)

	counts := make([]int, len(directions)) // ρ_j, the niche count
	for i := range above {
		counts[nearest[i]]++
	}
	waiting := make([][]int, len(directions)) // of front, by direction, the nearest first
	for i := range front {
		j := nearest[len(above)+i]
		waiting[j] = append(waiting[j], i)
	}
	for _, w := range waiting {
		slices.SortStableFunc(w, func(a, b int) int {
			da, db := distance[len(above)+a], distance[len(above)+b]
			switch {
			case da < db:
				return -1
			case da > db:
				return 1
			}
			return 0
		})
	}
	var chosen []int
	for len(chosen) < k { // algorithm 4
		var least []int // directions of the smallest niche count that have points waiting
		for j, w := range waiting {
			switch {
			case len(w) == 0:
			case len(least) == 0 || counts[j] < counts[least[0]]:
				least = append(least[:0], j)
			case counts[j] == counts[least[0]]:
				least = append(least, j)
			}
		}
		j := least[rng.IntN(len(least))]
		at := 0 // an empty niche gets its nearest point
		if counts[j] > 0 {
			at = rng.IntN(len(waiting[j]))
		}
		chosen = append(chosen, waiting[j][at])
		waiting[j] = slices.Delete(waiting[j], at, at+1)
		counts[j]++
	}
	slices.Sort(chosen)
	return chosen
}

// directions returns the points of a regular grid on the simplex of m objectives (Das
// and Dennis, "Normal-Boundary Intersection", SIAM Journal on Optimization 8, 1998).
func (n niches) directions(m, members int) [][]float64 {
	p := n.divisions
	if p == 0 {
		for p = 1; p < mostDivisions && choose(m+p, p+1) <= members; {
			p++
		}
	}
	for p > 1 && choose(m+p-1, p) > mostDirections {
		p--
	}
	var out [][]float64
	at := make([]int, m)
	var fill func(k, left int)
	fill = func(k, left int) {
		if k == m-1 {
			at[k] = left
			d := make([]float64, m)
			for i, a := range at {
				d[i] = float64(a) / float64(p)
			}
			out = append(out, d)
			return
		}
		for a := range left + 1 {
			at[k] = a
			fill(k+1, left-a)
		}
	}
	fill(0, p)
	return out
}

// choose returns the binomial coefficient, or a large number where it is larger.
func choose(n, k int) int {
	c := 1.0
	for i := range k {
		c *= float64(n-i) / float64(i+1)
		if c > 1e6 {
			return 1e6
		}
	}
	return int(math.Round(c))
}

// normalized returns the points with the ideal point moved to the origin and the
// intercepts of the hyperplane through the extreme points at 1 (algorithm 2). Infinite
// losses are at the worst or best finite one.
func normalized(points [][]float64) [][]float64 {
	m := len(points[0])
	out := make([][]float64, len(points))
	for i := range points {
		out[i] = make([]float64, m)
	}
	for k := range m {
		low, high := math.Inf(1), math.Inf(-1)
		for _, p := range points {
			if !math.IsInf(p[k], 0) {
				low, high = math.Min(low, p[k]), math.Max(high, p[k])
			}
		}
		if !(low < high) {
			continue // all equal, or none finite
		}
		for i, p := range points { // of halves: the difference may overflow
			out[i][k] = (math.Min(math.Max(p[k], low), high)/2 - low/2) / (high/2 - low/2)
		}
	}
	for k, a := range intercepts(out) {
		for i := range out {
			out[i][k] /= a
		}
	}
	return out
}

// intercepts returns where the hyperplane through the extreme points of points, whose
// ideal point is the origin, meets the axes; and 1, where the worst point of an axis
// is, if there is no such plane.
func intercepts(points [][]float64) []float64 {
	m := len(points[0])
	ones := slices.Repeat([]float64{1}, m)
	extremes := mat.NewDense(m, m, nil)
	for k := range m {
		best, least := 0, math.Inf(1)
		for i, p := range points {
			worst := 0.0 // the achievement scalarizing function, equation 4
			for j, v := range p {
				if j != k {
					v /= 1e-6
				}
				worst = math.Max(worst, v)
			}
			if worst < least {
				best, least = i, worst
			}
		}
		extremes.SetRow(k, points[best])
	}
	var plane mat.VecDense
	if plane.SolveVec(extremes, mat.NewVecDense(m, ones)) != nil {
		return ones
	}
	a := make([]float64, m)
	for k := range a {
		a[k] = 1 / plane.AtVec(k)
		if !(1e-6 < a[k] && a[k] <= 1) { // beyond the worst point, or none
			return ones
		}
	}
	return a
}

// associate returns for each point the direction to which it is nearest, and how far
// from it (algorithm 3).
func associate(points, directions [][]float64) (nearest []int, distance []float64) {
	nearest, distance = make([]int, len(points)), make([]float64, len(points))
	for i, p := range points {
		distance[i] = math.Inf(1)
		for j, w := range directions {
			along, length := 0.0, 0.0
			for k, v := range w {
				along += v * p[k]
				length += v * v
			}
			squares := 0.0
			for k, v := range w {
				d := p[k] - along/length*v
				squares += d * d
			}
			if squares < distance[i] {
				nearest[i], distance[i] = j, squares
			}
		}
	}
	return nearest, distance
}
