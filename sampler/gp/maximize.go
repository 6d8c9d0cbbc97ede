package gp

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
)

// An acquisition is the value of evaluating a point: the logarithm of the product of the expected improvement, over
// best or of a hypervolume, and the probability that all constraints are met.
type acquisition struct {
	*domain
	region      *sampler.Region // where the answer may lie
	objective   *model          // nil: there are several objectives, or no trial was feasible and only feasibility counts
	best        float64
	several     *gain
	trials      int      // number of trials, which determines the weight of a belief
	constraints []*model // of values that are met at ≤ 0, in their own scale less offset
	offsets     []float64
	cost        *model  // of the logarithm of the cost, standardized; nil: all points cost the same
	thrift      float64 // the power α of the cost, times the deviation of its logarithm

	low, high []float64 // the ends of each axis, within which the position is sought
	frame     *frame    // the coordinates of positions; nil: the domain's

	gradMean, gradDev, scratch []float64
}

// newAcquisition returns the acquisition without models, anywhere in d.
func newAcquisition(d *domain, region *sampler.Region, trials int) *acquisition {
	a := &acquisition{domain: d, region: region, trials: trials, low: make([]float64, len(d.axes)), high: make([]float64, len(d.axes))}
	for j := range a.high {
		a.high[j] = 1
	}
	return a
}

func (a *acquisition) prepare() {
	n := 0
	for _, m := range a.models() {
		n = max(n, m.n)
	}
	a.scratch = make([]float64, 3*n)
	a.gradMean, a.gradDev = make([]float64, len(a.axes)), make([]float64, len(a.axes))
}

func (a *acquisition) models() []*model {
	switch {
	case a.several != nil:
		return slices.Concat(a.several.models, a.constraints, a.priced())
	case a.objective == nil:
		return slices.Concat(a.constraints, a.priced())
	}
	return slices.Concat([]*model{a.objective}, a.constraints, a.priced())
}

// priced returns the model of the cost, if there is one.
func (a *acquisition) priced() []*model {
	if a.cost == nil {
		return nil
	}
	return []*model{a.cost}
}

// at returns the value at x, and writes its gradient if that is not nil.
func (a *acquisition) at(x, grad []float64) float64 {
	clear(grad)
	sum := 0.0
	gm, gd := a.gradMean, a.gradDev
	if grad == nil {
		gm, gd = nil, nil
	}
	take := func(value, byMean, byDev float64) {
		sum += value
		for j := range grad {
			grad[j] += byMean*gm[j] + byDev*gd[j]
		}
	}
	if a.objective != nil {
		mean, dev := a.objective.at(x, gm, gd, a.scratch)
		take(logImprovement(a.best, mean, dev))
	}
	if g := a.several; g != nil {
		means, devs := make([]float64, len(g.models)), make([]float64, len(g.models))
		for k, m := range g.models {
			if grad == nil {
				means[k], devs[k] = m.at(x, nil, nil, a.scratch)
			} else {
				means[k], devs[k] = m.at(x, g.gradMean[k], g.gradDev[k], a.scratch)
			}
		}
		value, byMean, byDev := g.value(means, devs)
		sum += value
		for j := range grad {
			for k := range g.models {
				grad[j] += byMean[k]*g.gradMean[k][j] + byDev[k]*g.gradDev[k][j]
			}
		}
	}
	for i, m := range a.constraints {
		mean, dev := m.at(x, gm, gd, a.scratch)
		take(logBelow(mean+a.offsets[i], dev))
	}
	if a.cost != nil {
		mean, _ := a.cost.at(x, gm, gd, a.scratch)
		take(-a.thrift*mean, -a.thrift, 0)
	}
	for j := range a.axes {
		if a.axes[j].Prior == nil {
			continue
		}
		sum += a.belief(j, x[j])
		if grad != nil && !a.choices[j] {
			const h = 1e-4
			low, high := math.Max(0, x[j]-h), math.Min(1, x[j]+h)
			grad[j] += (a.belief(j, high) - a.belief(j, low)) / (high - low)
		}
	}
	return sum
}

// belief returns the logarithm of the factor by which a prior changes the value of a position on an axis.
func (a *acquisition) belief(j int, u float64) float64 {
	return sampler.Belief(a.axes[j], a.coordinate(j, u), a.trials)
}

// all returns the values at rows.
func (a *acquisition) all(rows *points) []float64 {
	values := make([]float64, rows.n)
	if a.objective != nil {
		means, devs := a.objective.batch(rows)
		for i := range values {
			v, _, _ := logImprovement(a.best, means[i], devs[i])
			values[i] += v
		}
	}
	if g := a.several; g != nil {
		means, devs := make([][]float64, len(g.models)), make([][]float64, len(g.models))
		for k, m := range g.models {
			means[k], devs[k] = m.batch(rows)
		}
		mean, dev := make([]float64, len(g.models)), make([]float64, len(g.models))
		for i := range values {
			for k := range g.models {
				mean[k], dev[k] = means[k][i], devs[k][i]
			}
			v, _, _ := g.value(mean, dev)
			values[i] += v
		}
	}
	for c, m := range a.constraints {
		means, devs := m.batch(rows)
		for i := range values {
			v, _, _ := logBelow(means[i]+a.offsets[c], devs[i])
			values[i] += v
		}
	}
	if a.cost != nil {
		means, _ := a.cost.batch(rows)
		for i := range values {
			values[i] -= a.thrift * means[i]
		}
	}
	for j := range a.axes {
		if a.axes[j].Prior != nil {
			for i := range values {
				values[i] += a.belief(j, rows.row(i)[j])
			}
		}
	}
	return values
}

// Numbers of points that are compared before the best ones are improved.
const (
	scattered  = 384 // anywhere
	nearby     = 192 // around the best observations
	improved   = 4
	mostValues = 24 // of an axis that is searched value by value
)

// maximize returns a position with a high value: the best of some random points and of neighbours of the best
// observations, improved along the gradient and, on axes with few values, by trying them. It only returns a refused
// position if it finds no other.
func (a *acquisition) maximize(rng *rand.Rand, best [][]float64, refused func([]float64) bool) []float64 {
	a.prepare()
	rows := points{d: len(a.axes), choices: a.choices}
	add := func(x []float64) {
		if a.admit(x, rng) {
			rows.add(x)
		}
	}
	for range scattered {
		x := a.anywhere(rng)
		for j, u := range x { // into the box
			if math.IsNaN(a.given[j]) && !a.choices[j] {
				x[j] = a.snap(j, a.low[j]+u*(a.high[j]-a.low[j]))
			}
		}
		add(x)
	}
	for i := range nearby {
		if len(best) > 0 {
			x := a.near(best[i%len(best)], rng)
			a.bound(x)
			add(x)
		}
	}
	for _, x := range best {
		x = a.pinned(x)
		a.bound(x)
		add(x)
	}
	if rows.n == 0 { // no point meets the constraints, as Region.Draw says
		return nil
	}
	values := a.all(&rows)
	order := make([]int, rows.n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(values[j], values[i]) })

	type end struct {
		x     []float64
		value float64
	}
	var ends []end
	var starts [][]float64
	for _, i := range order {
		if x := rows.row(i); len(starts) < improved && !slices.ContainsFunc(starts, func(s []float64) bool { return a.apart(s, x) < 1e-3 }) {
			starts = append(starts, x)
		}
	}
	for _, x := range starts {
		x = slices.Clone(x)
		v := a.improve(x, rng)
		ends = append(ends, end{x, v})
	}
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(b.value, a.value) })
	for _, e := range ends {
		if !refused(e.x) {
			return e.x
		}
	}
	for _, i := range order {
		if x := rows.row(i); !refused(x) {
			return x
		}
	}
	return ends[0].x
}

// values returns the coordinates of a position on the axes of the request.
func (d *domain) values(x []float64) []float64 {
	point := make([]float64, len(x))
	n := 0
	for j, place := range d.place {
		if place >= 0 {
			point[place] = d.coordinate(j, x[j])
			n++
		}
	}
	return point[:n]
}

// admits reports whether a position is in the region.
func (a *acquisition) admits(x []float64) bool {
	return a.frame != nil || a.region.Free() || a.region.Contains(a.values(x))
}

// admit moves a position into the region, if there is one, and a position of a frame into the domain.
func (a *acquisition) admit(x []float64, rng *rand.Rand) bool {
	if a.frame != nil {
		copy(x, a.frame.to(a.frame.from(x)))
		return true
	}
	if a.admits(x) {
		return true
	}
	point := a.values(x)
	if a.region.Move(point, rng) != nil {
		return false
	}
	for j, place := range a.place {
		if place >= 0 {
			x[j] = unit.Position(a.axes[j].Distribution, point[place])
		}
	}
	return true
}

// apart returns the distance of two positions, in units of the box.
func (a *acquisition) apart(x, y []float64) float64 {
	sum := 0.0
	for j := range x {
		by := math.Abs(x[j] - y[j])
		if !a.choices[j] && a.high[j] > a.low[j] {
			by /= a.high[j] - a.low[j]
		}
		sum += by
	}
	return sum
}

func distance(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += math.Abs(a[i] - b[i])
	}
	return sum
}

// anywhere returns a random position, and near one close to another.
func (a *acquisition) anywhere(rng *rand.Rand) []float64 {
	x := make([]float64, len(a.axes))
	believe := false
	if slices.ContainsFunc(a.axes, func(axis space.Axis) bool { return axis.Prior != nil }) {
		believe = rng.IntN(2*(sampler.Trust+a.trials)) < sampler.Trust
	}
	for j, axis := range a.axes {
		if x[j] = a.given[j]; !math.IsNaN(x[j]) {
			continue
		}
		if believe && axis.Prior != nil {
			x[j] = unit.Position(axis.Distribution, sampler.Believed(axis, false, rng))
		} else {
			x[j] = unit.Position(axis.Distribution, unit.Draw(axis.Distribution, rng))
		}
	}
	return x
}

func (a *acquisition) near(center []float64, rng *rand.Rand) []float64 {
	x := a.pinned(center)
	open := 0
	for _, g := range a.given {
		if math.IsNaN(g) {
			open++
		}
	}
	// A few axes at a time where there are many (Regis and Shoemaker, "Combining
	// Radial Basis Function Surrogates and Dynamic Coordinate Search", 2013).
	share := math.Min(1, 8/float64(open))
	width := math.Pow(10, -2*rng.Float64()) / 3 // 0.33 to 0.0033
	for j, axis := range a.axes {
		if !math.IsNaN(a.given[j]) || rng.Float64() > share {
			continue
		}
		if a.choices[j] {
			if rng.Float64() < 0.3 {
				x[j] = float64(rng.IntN(axis.Distribution.Len()))
			}
			continue
		}
		u := x[j] + width*(a.high[j]-a.low[j])*rng.NormFloat64()
		if n := axis.Distribution.Len(); n > 0 && n <= mostValues && rng.Float64() < 0.5 { // a step at least
			u = x[j] + (float64(rng.IntN(2))*2-1)/float64(n)
		}
		x[j] = a.snap(j, math.Min(math.Max(u, a.low[j]), a.high[j]))
	}
	return x
}

// mostWork bounds the time that trying values takes, in pairs of an observation and an axis or another observation.
const mostWork = 8e7

// affordable returns some of the axes, at random, if trying the values of all would be more work than mostWork.
func (a *acquisition) affordable(axes []int, rng *rand.Rand) []int {
	n := 0
	for _, m := range a.models() {
		n += m.n * (m.n + len(a.axes))
	}
	left := mostWork / max(n, 1)
	tries := 0
	for _, j := range axes {
		tries += min(a.axes[j].Distribution.Len(), mostValues)
	}
	if tries <= left {
		return axes
	}
	axes = slices.Clone(axes)
	rng.Shuffle(len(axes), func(i, j int) { axes[i], axes[j] = axes[j], axes[i] })
	for i, j := range axes {
		if left -= min(a.axes[j].Distribution.Len(), mostValues); left < 0 {
			return axes[:i]
		}
	}
	return axes
}

// improve walks uphill from x and returns the value where it ends.
func (a *acquisition) improve(x []float64, rng *rand.Rand) float64 {
	var smooth, counted []int // axes that are searched along the gradient, and by trying values
	for j, axis := range a.axes {
		switch n := axis.Distribution.Len(); {
		case !math.IsNaN(a.given[j]):
		case a.choices[j] || n > 0 && n <= mostValues:
			counted = append(counted, j)
		default:
			smooth = append(smooth, j)
		}
	}
	value := a.at(x, nil)
	for range 3 {
		before := value
		if len(smooth) > 0 {
			value = math.Max(value, a.climb(x, smooth, value, rng))
		}
		for _, j := range a.affordable(counted, rng) {
			value = a.try(x, j, value, rng)
		}
		if len(counted) == 0 || value <= before+1e-9 {
			break
		}
	}
	return value
}

// climb improves x along the gradient on some axes, in units of the box, and leaves it unchanged if nothing is gained.
func (a *acquisition) climb(x []float64, axes []int, value float64, rng *rand.Rand) float64 {
	at, low, high := make([]float64, len(axes)), make([]float64, len(axes)), make([]float64, len(axes))
	for i, j := range axes {
		at[i], high[i] = (x[j]-a.low[j])/(a.high[j]-a.low[j]), 1
	}
	whole, grad := slices.Clone(x), make([]float64, len(x))
	minimize(func(at, out []float64) float64 {
		for i, j := range axes {
			whole[j] = a.low[j] + at[i]*(a.high[j]-a.low[j])
		}
		v := a.at(whole, grad)
		for i, j := range axes {
			out[i] = -grad[j] * (a.high[j] - a.low[j])
		}
		return -v
	}, at, low, high, 40, 1e-3)
	for i, j := range axes {
		whole[j] = a.snap(j, math.Min(math.Max(a.low[j]+at[i]*(a.high[j]-a.low[j]), a.low[j]), a.high[j]))
	}
	if a.frame != nil {
		a.admit(whole, rng)
	} else if !a.admits(whole) { // to the border on the way, or near the end
		if edge := a.edge(x, whole, axes); a.at(edge, nil) > value {
			copy(x, edge)
			value = a.at(edge, nil)
		}
		if !a.admit(whole, rng) {
			return value
		}
	}
	if v := a.at(whole, nil); v > value {
		copy(x, whole)
		return v
	}
	return value
}

// edge returns the last position in the region on the line from one in it to another.
func (a *acquisition) edge(from, to []float64, axes []int) []float64 {
	x := slices.Clone(from)
	low, high := 0.0, 1.0
	last := slices.Clone(from)
	for range 20 {
		share := (low + high) / 2
		for _, j := range axes {
			x[j] = a.snap(j, from[j]+share*(to[j]-from[j]))
		}
		if a.admits(x) {
			copy(last, x)
			low = share
		} else {
			high = share
		}
	}
	return last
}

// try sets x[j] to the best of the values of axis j, or of some of them.
func (a *acquisition) try(x []float64, j int, value float64, rng *rand.Rand) float64 {
	n := a.axes[j].Distribution.Len()
	best := x[j]
	for i := range min(n, mostValues) {
		v := i
		if n > mostValues {
			v = rng.IntN(n)
		}
		u := float64(v)
		if !a.choices[j] {
			if u = unit.Position(a.axes[j].Distribution, a.axes[j].Distribution.At(v)); u < a.low[j] || u > a.high[j] {
				continue
			}
		}
		x[j] = u
		if got := a.at(x, nil); got > value && a.admits(x) {
			best, value = u, got
		}
	}
	x[j] = best
	return value
}
