package sampler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
)

// A Region is the set of allowed answers to a [Request]: the points of its Space that, together with Given, meet its
// Constraints and leave room for the parameters of Later. It must be used by one goroutine at a time. Without
// constraints it is the whole space, at no cost.
type Region struct {
	r     Request
	rules []rule
	open  []int // axes that occur in a rule
}

// A rule is a constraint with the given values filled in.
type rule struct {
	constraint space.Constraint
	terms      []factor
	size       float64 // the largest of the terms that have no axes, and the bound
	later      []int   // parameters drawn later, which must exist for the rule to apply
}

// A factor is a term of a rule: the product of a number, of axes of the request, and of
// parameters that are drawn later.
type factor struct {
	coef        float64
	axes, later []int
}

// Region returns the region of r.
func (r Request) Region() *Region {
	g := &Region{r: r}
	for _, c := range r.Constraints {
		if u, ok := g.rule(c); ok {
			g.rules = append(g.rules, u)
			for _, f := range u.terms {
				g.open = append(g.open, f.axes...)
			}
		}
	}
	slices.Sort(g.open)
	g.open = slices.Compact(g.open)
	return g
}

// rule returns c with the given values filled in. It returns false if c does not apply to r.
func (g *Region) rule(c space.Constraint) (rule, bool) {
	u := rule{constraint: c, size: math.Abs(c.Bound)}
	about := false
	for _, t := range c.Terms {
		f := factor{coef: t.Coef}
		for _, name := range t.Names {
			if i := g.r.Space.Index(name); i >= 0 {
				f.axes, about = append(f.axes, i), true
			} else if i := g.r.Given.Space.Index(name); i >= 0 {
				x, _ := space.Number(g.r.Given.Space[i].Distribution, g.r.Given.Point[i])
				f.coef *= x
			} else if i := g.r.Later.Index(name); i >= 0 {
				f.later = append(f.later, i)
				u.later = append(u.later, i)
			} else {
				return u, false // the trial will not have it
			}
		}
		u.terms = append(u.terms, f)
	}
	return u, about
}

// Free reports whether the region is the whole space.
func (g *Region) Free() bool { return len(g.rules) == 0 }

// Contains reports whether a point lies in the region. Point[i] must be a coordinate of
// the i-th axis of the request's Space.
func (g *Region) Contains(point []float64) bool {
	for i := range g.rules {
		if !g.meets(&g.rules[i], point) {
			return false
		}
	}
	return true
}

// given are the known values of a trial.
type given struct {
	space.Params
	more space.Params
}

// Get implements [space.Getter].
func (v given) Get(name string) (space.Literal, bool) {
	if l, ok := v.Params.Get(name); ok {
		return l, true
	}
	return v.more.Get(name)
}

// applies reports whether the parameters of u that are drawn later will exist.
func (g *Region) applies(u *rule, point []float64) bool {
	for _, i := range u.later {
		if !g.r.Later[i].Exists(given{g.r.Given, space.Params{Space: g.r.Space, Point: point}}) {
			return false
		}
	}
	return true
}

func (g *Region) meets(u *rule, point []float64) bool {
	sum, size := g.least(u, point, -1, 0)
	return u.constraint.Admits(sum, size) || !g.applies(u, point)
}

// least returns the smallest sum of the terms of u over all values of the parameters drawn later, and the size of its
// largest term. If k is not negative, axis k has the number v.
func (g *Region) least(u *rule, point []float64, k int, v float64) (sum, size float64) {
	size = u.size
	for _, f := range u.terms {
		product := f.coef
		for _, i := range f.axes {
			if i == k {
				product *= v
				continue
			}
			x, _ := space.Number(g.r.Space[i].Distribution, point[i])
			product *= x
		}
		low, high := product, product
		for _, i := range f.later {
			a, b := numbers(g.r.Later[i].Distribution)
			low, high = min(low*a, low*b, high*a, high*b), max(low*a, low*b, high*a, high*b)
		}
		sum += low
		size = max(size, math.Abs(low), math.Abs(high))
	}
	return sum, size
}

// numbers returns the least and the greatest number of a distribution.
func numbers(d space.Distribution) (low, high float64) {
	switch d := d.(type) {
	case space.FloatDistribution:
		return d.Low, d.High
	case space.IntDistribution:
		return float64(d.Low), float64(d.High)
	}
	low, high = math.Inf(1), math.Inf(-1)
	for i := range d.Len() {
		x, _ := space.Number(d, d.At(i))
		low, high = min(low, x), max(high, x)
	}
	return low, high
}

// broken returns how much a point breaks the rules, each on its own scale. It is 0 for a point of the region.
func (g *Region) broken(point []float64) float64 {
	total := 0.0
	for i := range g.rules {
		u := &g.rules[i]
		if g.meets(u, point) {
			continue
		}
		sum, size := g.least(u, point, -1, 0)
		total += 1e-9 + max(0, sum-u.constraint.Bound)/max(size, math.SmallestNonzeroFloat64)
	}
	return total
}

// Numbers of attempts of [Region.Draw] and [Region.Move].
const (
	tries    = 64 // independent draws
	starts   = 24 // points that are moved, if none of these is in the region
	sweeps   = 12 // over the axes, for each start
	mostSeen = 1 << 16
)

// Draw returns a random point of the region. Its distribution is usually uniform, but may not be if the region is a
// small part of the space. Draw fails with an error that wraps [space.ErrConstraint] if it finds no point, because
// the region is empty or almost empty.
func (g *Region) Draw(rng *rand.Rand) ([]float64, error) {
	point := make([]float64, len(g.r.Space))
	draw := func() {
		for i, a := range g.r.Space {
			point[i] = unit.Draw(a.Distribution, rng)
		}
	}
	for range tries {
		if draw(); g.Contains(point) {
			return point, nil
		}
	}
	for range starts {
		draw()
		if g.sweep(point, rng, false) {
			for range 3 { // away from the border
				for _, k := range g.open {
					if x, ok := g.within(point, k, rng); ok {
						before := point[k]
						if point[k] = x; !g.Contains(point) {
							point[k] = before
						}
					}
				}
			}
			return point, nil
		}
	}
	if found := g.search(rng); found != nil {
		for i := range point {
			if _, open := slices.BinarySearch(g.open, i); open {
				point[i] = found[i]
			}
		}
		return point, nil
	}
	return nil, g.err()
}

// search tries all values of the axes in the rules, if they are not too many, and returns a point in the region.
func (g *Region) search(rng *rand.Rand) []float64 {
	n := 1
	for _, k := range g.open {
		m := g.r.Space[k].Distribution.Len()
		if m == 0 || n > mostSeen/m {
			return nil
		}
		n *= m
	}
	point := make([]float64, len(g.r.Space))
	for i, a := range g.r.Space {
		point[i] = a.Distribution.At(0)
	}
	for at, from := 0, rng.IntN(n); at < n; at++ {
		left := (at + from) % n
		for _, k := range g.open {
			d := g.r.Space[k].Distribution
			point[k] = d.At(left % d.Len())
			left /= d.Len()
		}
		if g.Contains(point) {
			return point
		}
	}
	return nil
}

// Possible returns an error that wraps [space.ErrConstraint] if no values were found that meet the
// constraints of s, as [Region.Draw] does for the parameters without conditions.
func Possible(s space.Space) error {
	rules := s.Constraints()
	if len(rules) == 0 {
		return nil
	}
	r := Request{Constraints: rules, Rand: rand.New(rand.NewPCG(0, 0))}
	for _, a := range s {
		if len(a.When) == 0 {
			r.Space = append(r.Space, a)
		} else {
			r.Later = append(r.Later, a)
		}
	}
	_, err := r.Region().Draw(r.Rand)
	return err
}

func (g *Region) err() error {
	var texts []string
	for _, u := range g.rules {
		texts = append(texts, u.constraint.Text)
	}
	beside := ""
	if len(g.r.Given.Space) > 0 {
		beside = fmt.Sprintf(" with %v", g.r.Given)
	}
	return pkg.Errorf("%w: no values were found for which %s%s: widen the bounds, or leave out a constraint", space.ErrConstraint, strings.Join(texts, ", and "), beside)
}

// Move moves a point that is outside the region into it, by a nearly minimal distance on the unit interval of each
// axis. It fails as [Region.Draw] does.
func (g *Region) Move(point []float64, rng *rand.Rand) error {
	if g.Contains(point) {
		return nil
	}
	var best []float64
	nearest := math.Inf(1)
	keep := func(p []float64) {
		if d := g.distance(p, point); d < nearest {
			best, nearest = slices.Clone(p), d
		}
	}
	p := slices.Clone(point)
	if g.project(p); g.sweep(p, rng, true) {
		keep(p)
	}
	for range 4 {
		if copy(p, point); g.sweep(p, rng, true) {
			keep(p)
		}
	}
	if best == nil {
		var err error
		if best, err = g.Draw(rng); err != nil {
			return err
		}
	}
	for _, k := range g.open {
		point[k] = best[k]
	}
	return nil
}

func (g *Region) distance(p, q []float64) float64 {
	sum := 0.0
	for _, k := range g.open {
		d := g.r.Space[k].Distribution
		by := unit.To(d, p[k]) - unit.To(d, q[k])
		if _, choice := d.(*space.CategoricalDistribution); choice && p[k] != q[k] {
			by = 0.5
		}
		sum += by * by
	}
	return sum
}

// project moves the numbers of a point towards the region: across the border of each rule
// that it breaks, in turn (Kaczmarz 1937, on the unit interval of each axis).
func (g *Region) project(point []float64) {
	slope := make([]float64, len(point))
	for range 50 {
		done := true
		for r := range g.rules {
			u := &g.rules[r]
			if g.meets(u, point) {
				continue
			}
			done = false
			sum, size := g.least(u, point, -1, 0)
			squares := 0.0
			for _, k := range g.open {
				d := g.r.Space[k].Distribution
				slope[k] = 0
				if _, choice := d.(*space.CategoricalDistribution); choice {
					continue
				}
				at := unit.To(d, point[k])
				left, right := unit.From(d, at-1e-3), unit.From(d, at+1e-3)
				if n := d.Len(); n > 0 {
					left, right = unit.From(d, at-1.5/float64(n)), unit.From(d, at+1.5/float64(n))
				}
				if left == right {
					continue
				}
				a, _ := g.least(u, point, k, left)
				b, _ := g.least(u, point, k, right)
				slope[k] = (b - a) / (unit.To(d, right) - unit.To(d, left))
				squares += slope[k] * slope[k]
			}
			if squares == 0 || math.IsInf(squares, 0) {
				continue
			}
			step := (sum - u.constraint.Bound + 1e-6*size) / squares
			for _, k := range g.open {
				if slope[k] != 0 {
					d := g.r.Space[k].Distribution
					point[k] = unit.From(d, unit.To(d, point[k])-step*slope[k])
				}
			}
		}
		if done {
			return
		}
	}
}

// sweep changes one coordinate after the other so that fewer rules are broken, and reports whether the point ends in
// the region. Coordinates move to the nearest suitable value, or to a random one.
func (g *Region) sweep(point []float64, rng *rand.Rand, near bool) bool {
	for range sweeps {
		if g.Contains(point) {
			return true
		}
		before := g.broken(point)
		for _, at := range rng.Perm(len(g.open)) {
			k := g.open[at]
			here := g.broken(point)
			if here == 0 {
				return true
			}
			was, best := point[k], point[k]
			for _, x := range g.candidates(point, k, rng, near) {
				point[k] = x
				if there := g.broken(point); there < here {
					best, here = x, there
				}
			}
			if point[k] = best; best != was && here == 0 {
				return true
			}
		}
		if g.broken(point) >= before && near {
			return false
		}
	}
	return g.Contains(point)
}

// candidates returns values for axis k that may break fewer rules, the best first.
func (g *Region) candidates(point []float64, k int, rng *rand.Rand, near bool) []float64 {
	d := g.r.Space[k].Distribution
	var out []float64
	if _, choice := d.(*space.CategoricalDistribution); choice {
		n := d.Len()
		from := rng.IntN(n)
		for i := range min(n, 64) {
			out = append(out, d.At((from+i)%n))
		}
		return out
	}
	low, high, ok := g.interval(point, k)
	if ok {
		if !near {
			out = append(out, g.value(d, low, high, rng.Float64()))
		}
		if point[k] < low {
			out = append(out, g.value(d, low, high, 0))
		} else if point[k] > high {
			out = append(out, g.value(d, low, high, 1))
		}
	}
	a, b := numbers(d)
	return append(out, a, b, unit.Draw(d, rng))
}

// within returns a random value of axis k for which the point is in the region.
func (g *Region) within(point []float64, k int, rng *rand.Rand) (float64, bool) {
	d := g.r.Space[k].Distribution
	if _, choice := d.(*space.CategoricalDistribution); choice {
		return unit.Draw(d, rng), true
	}
	low, high, ok := g.interval(point, k)
	if !ok {
		return 0, false
	}
	return g.value(d, low, high, rng.Float64()), true
}

// interval returns the numbers of axis k that meet all rules that it alone can meet, with the rest of the point
// unchanged. Each rule is linear in each number, as long as no later draw depends on it.
func (g *Region) interval(point []float64, k int) (low, high float64, ok bool) {
	low, high = numbers(g.r.Space[k].Distribution)
	width := high - low
	for r := range g.rules {
		u := &g.rules[r]
		if !slices.ContainsFunc(u.terms, func(f factor) bool { return slices.Contains(f.axes, k) }) || !g.applies(u, point) {
			continue
		}
		a, b := numbers(g.r.Space[k].Distribution)
		atA, sizeA := g.least(u, point, k, a)
		atB, sizeB := g.least(u, point, k, b)
		slack := 0.0
		if u.constraint.Strict {
			slack = 1e-9 * max(sizeA, sizeB)
		}
		slope := (atB - atA) / width
		border := a + (u.constraint.Bound-slack-atA)/slope
		switch {
		case slope > 0:
			high = min(high, border)
		case slope < 0:
			low = max(low, border)
		}
	}
	return low, high, low <= high
}

// value returns a value of d between two numbers, at a share of the way on the scale of d.
// If there is none, it is one next to them.
func (g *Region) value(d space.Distribution, low, high, share float64) float64 {
	if n := d.Len(); n > 0 {
		rounding := 1e-9 * max(math.Abs(low), math.Abs(high))
		first := sort.Search(n-1, func(i int) bool { return d.At(i) >= low-rounding })
		last := sort.Search(n, func(i int) bool { return d.At(i) > high+rounding }) - 1
		return d.At(min(first+int(share*float64(max(0, last-first)+1)), max(first, last)))
	}
	switch share { // the ends exactly
	case 0:
		return low
	case 1:
		return high
	}
	a, b := unit.To(d, low), unit.To(d, high)
	return min(max(unit.From(d, a+share*(b-a)), low), high)
}
