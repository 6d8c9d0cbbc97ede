package tpe

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// A mixture is a Parzen estimator that follows its trials: it is told which come
// and go, recomputes what that changes, and computes densities of many points
// with vector instructions. It agrees with the plain estimator in the tests.
//
// Trials have slots, in order of number. A slot whose trial is out keeps its
// place and has no kernel: trials come and go between the good and the bad, and
// moving all those behind it each time would cost more than the density itself.
type mixture struct {
	axes    []axis
	quad    []int     // the axes whose kernels are quadratic exponents, in the order of coef
	quadAt  []int     // [axis], its place in quad, or -1
	other   []int     // the other axes, sorted by their number of values
	count   int       // trials that are in
	clip    float64   // the smallest bandwidth, which depends on count
	numbers []int     // [slot], of trials
	in      []bool    // [slot]
	failed  []bool    // [slot]; of the bad only
	blame   float64   // the share of its weight that a failed trial has
	far     set       // far trials; may contain others, too
	hint    float64   // the share of its weight that one of far has
	thin    *thinning // of the bad only
	columns []column  // [axis]
	coef    []float64 // of quadratic exponents, as laid out in simd.go
	base    []float64 // [slot], the sum of the constants of its kernels; -Inf if it has none
	weights []float64 // [slot], 0 if out
	stale   []stale   // bandwidths to recompute
}

// A column is an axis of a mixture.
type column struct {
	mu    []float64 // [slot], position; of a choice, the index
	sigma []float64 // [slot], of those that are in; unused by choices
	norm  []float64 // [slot], constant term of the log-density
	order []int32   // slots that are in, by mu; unused by choices
	cells cells

	limits []limits // [slot], the last ones that were needed there; a cache
}

type stale struct{ axis, slot int }

func newMixture(axes []axis) *mixture {
	m := &mixture{axes: axes, columns: make([]column, len(axes)), quadAt: make([]int, len(axes))}
	for d := range axes {
		if a := &axes[d]; a.kind != choice && !a.hasCells() {
			m.quadAt[d] = len(m.quad)
			m.quad = append(m.quad, d)
		} else {
			m.quadAt[d] = -1
			m.other = append(m.other, d)
		}
	}
	slices.SortStableFunc(m.other, func(d, e int) int { return cmp.Compare(axes[d].n, axes[e].n) })
	return m
}

// slot returns the slot of a trial, or the place to insert it.
func (m *mixture) slot(number int) (slot int, ok bool) {
	if n := len(m.numbers); n == 0 || m.numbers[n-1] < number {
		return n, false
	}
	return slices.BinarySearch(m.numbers, number)
}

// add makes a slot for a trial, which is in. It must not have one.
func (m *mixture) add(o observation) {
	s, _ := m.slot(o.number)
	m.insertSlot(s, o)
	m.enter(s)
}

func (m *mixture) insertSlot(s int, o observation) {
	m.numbers = slices.Insert(m.numbers, s, o.number)
	m.in = slices.Insert(m.in, s, false)
	m.failed = slices.Insert(m.failed, s, o.failed)
	for d := range m.columns {
		c := &m.columns[d]
		c.mu = slices.Insert(c.mu, s, o.at[d])
		c.norm = slices.Insert(c.norm, s, 0)
		if m.axes[d].kind != choice {
			c.sigma = slices.Insert(c.sigma, s, 0)
		}
		switch m.axes[d].kind {
		case grid:
			c.cells.class = slices.Insert(c.cells.class, s, 0)
		case choice:
			c.cells.class = slices.Insert(c.cells.class, s, int32(o.at[d]))
		}
	}
	m.shift(s, 1)
}

// observation returns the trial of a slot.
func (m *mixture) observation(s int) observation {
	o := observation{at: make([]float64, len(m.columns))}
	m.read(s, &o)
	return o
}

// read writes the trial of a slot to o.
func (m *mixture) read(s int, o *observation) {
	o.number, o.failed = m.numbers[s], m.failed[s]
	for d := range m.columns {
		o.at[d] = m.columns[d].mu[s]
	}
}

// remove takes away a trial and its slot, if it has one.
func (m *mixture) remove(number int) {
	s, ok := m.slot(number)
	if !ok {
		return
	}
	m.leave(s)
	m.numbers = slices.Delete(m.numbers, s, s+1)
	m.in = slices.Delete(m.in, s, s+1)
	m.failed = slices.Delete(m.failed, s, s+1)
	m.stale = slices.DeleteFunc(m.stale, func(st stale) bool { return st.slot == s })
	for d := range m.columns {
		c := &m.columns[d]
		c.mu = slices.Delete(c.mu, s, s+1)
		c.norm = slices.Delete(c.norm, s, s+1)
		if m.axes[d].kind != choice {
			c.sigma = slices.Delete(c.sigma, s, s+1)
		}
		if m.axes[d].kind != continuum {
			c.cells.class = slices.Delete(c.cells.class, s, s+1)
		}
	}
	m.shift(s, -1)
}

// shift renumbers the slots from s on, after one has come or gone there.
func (m *mixture) shift(s, by int) {
	blocks := (len(m.numbers) + block - 1) / block
	for len(m.base) < blocks*block {
		m.base = append(m.base, math.Inf(-1))
		m.weights = append(m.weights, 0)
	}
	m.coef = append(m.coef, make([]float64, max(0, blocks*block*2*len(m.quad)-len(m.coef)))...)
	if s == len(m.numbers)-1 && by > 0 {
		return
	}
	for d := range m.columns {
		for r, o := range m.columns[d].order {
			if int(o) >= s {
				m.columns[d].order[r] += int32(by)
			}
		}
	}
	for i := range m.stale {
		if m.stale[i].slot >= s {
			m.stale[i].slot += by
		}
	}
	for q := s; q < len(m.numbers); q++ {
		for i, d := range m.quad {
			if m.in[q] && m.columns[d].sigma[q] > 0 {
				m.setCoef(q, i, d)
			}
		}
		m.setBase(q)
	}
	for q := len(m.numbers); q < len(m.base); q++ {
		m.base[q] = math.Inf(-1)
	}
}

// enter gives the trial of a slot its kernel, leave takes it.
func (m *mixture) enter(s int) {
	m.in[s] = true
	m.count++
	for d := range m.columns {
		if m.axes[d].kind == choice {
			continue
		}
		c := &m.columns[d]
		r := c.rank(s)
		c.order = slices.Insert(c.order, r, int32(s))
		c.sigma[s] = 0
		m.touch(d, r-1)
		m.touch(d, r)
		m.touch(d, r+1)
	}
	m.setBase(s)
}

func (m *mixture) leave(s int) {
	if !m.in[s] {
		return
	}
	m.in[s] = false
	m.count--
	for d := range m.columns {
		if m.axes[d].kind == choice {
			continue
		}
		c := &m.columns[d]
		r := c.rank(s)
		c.order = slices.Delete(c.order, r, r+1)
		if m.axes[d].kind == grid {
			c.cells.class[s] = 0 // any that exists
		}
		m.touch(d, r-1)
		m.touch(d, r)
	}
	m.setBase(s)
}

// rank returns the position of a slot in order, or the place to insert it.
func (c *column) rank(s int) int {
	low, high := 0, len(c.order)
	x := c.mu[s]
	for low < high {
		mid := int(uint(low+high) >> 1)
		o := int(c.order[mid])
		if y := c.mu[o]; y < x || y == x && o < s {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// touch notes that the bandwidth of the trial of the given rank may have changed.
func (m *mixture) touch(d, rank int) {
	if order := m.columns[d].order; 0 <= rank && rank < len(order) {
		m.stale = append(m.stale, stale{d, int(order[rank])})
	}
}

// load replaces all trials of m by others, in order of number; the function says which are in. The result is the same
// as that of adding them one by one.
func (m *mixture) load(trials []observation, in func(number int) bool) {
	fresh := newMixture(m.axes)
	n := len(trials)
	fresh.numbers = make([]int, n)
	fresh.in, fresh.failed = make([]bool, n), make([]bool, n)
	fresh.blame, fresh.far, fresh.hint, fresh.thin = m.blame, m.far, m.hint, m.thin
	var slots []int32
	for s, o := range trials {
		fresh.numbers[s], fresh.failed[s] = o.number, o.failed
		if in(o.number) {
			fresh.in[s] = true
			slots = append(slots, int32(s))
		}
	}
	fresh.count = len(slots)
	for d := range fresh.columns {
		c := &fresh.columns[d]
		c.mu, c.norm = make([]float64, n), make([]float64, n)
		for s, o := range trials {
			c.mu[s] = o.at[d]
		}
		if m.axes[d].kind != continuum {
			c.cells.class = make([]int32, n)
		}
		if m.axes[d].kind == choice {
			for s, mu := range c.mu {
				c.cells.class[s] = int32(mu)
			}
			continue
		}
		c.sigma = make([]float64, n)
		c.order = slices.Clone(slots)
		slices.SortFunc(c.order, func(a, b int32) int {
			return cmp.Or(cmp.Compare(c.mu[a], c.mu[b]), cmp.Compare(a, b))
		})
	}
	*m = *fresh
	m.shift(n, 1)
	for s := range trials {
		m.setBase(s)
	}
}

// refresh recomputes stale values. It must be called after changes, before any other use of m.
func (m *mixture) refresh() {
	if clip := 1 / min(100, float64(m.count)+2); clip != m.clip {
		m.clip = clip
		for d := range m.columns {
			if m.axes[d].kind == grid {
				m.columns[d].cells.clear()
				clear(m.columns[d].sigma) // so that none counts as unchanged
			}
			for r := range m.columns[d].order {
				m.rescale(d, r)
			}
		}
		for s, in := range m.in {
			if in {
				m.setBase(s)
			}
		}
	} else {
		for _, st := range m.stale {
			if m.in[st.slot] {
				m.rescale(st.axis, m.columns[st.axis].rank(st.slot))
			}
		}
		for _, st := range m.stale {
			m.setBase(st.slot)
		}
	}
	m.stale = m.stale[:0]
	for d := range m.columns {
		if c := &m.columns[d]; len(c.cells.shapes) > 2*m.count+256 {
			c.cells.clear() // most are of the past
			for _, s := range c.order {
				c.cells.class[s] = c.cells.classOf(shape{c.mu[s], c.sigma[s]})
			}
		}
	}
}

// rescale sets the bandwidth of the trial of rank r on an axis, and the values that depend on it. The bandwidth is
// the wider gap to a neighbour, clipped; the outermost trials use only the inner gap, if there is more than one
// trial.
func (m *mixture) rescale(d, r int) {
	c := &m.columns[d]
	s, last := c.order[r], len(c.order)-1
	mu := c.mu[s]
	left, right := mu+0.5, 0.5-mu
	if r > 0 {
		left = mu - c.mu[c.order[r-1]]
	}
	if r < last {
		right = c.mu[c.order[r+1]] - mu
	}
	switch {
	case last == 0:
	case r == 0:
		left = 0
	case r == last:
		right = 0
	}
	sigma := min(max(left, right, m.clip), 1)
	if sigma == c.sigma[s] {
		return
	}
	c.sigma[s] = sigma
	c.norm[s] = -logMass((-0.5-mu)/sigma, (0.5-mu)/sigma)
	a := &m.axes[d]
	if i := m.quadAt[d]; i >= 0 {
		c.norm[s] -= constant(a, sigma) - curvature(a, sigma)*mu*mu
		m.setCoef(int(s), i, d)
	} else if a.hasTable() {
		c.cells.class[s] = c.cells.classOf(shape{mu, sigma})
	}
}

// A quadratic kernel has, before truncation, the log-density
// curvature·(t-mu)² - constant.

func curvature(ax *axis, sigma float64) float64 {
	inverse := 1 / sigma
	c := -0.5 * inverse * inverse
	if ax.kind == grid { // the mass of a narrow cell: the first terms of logCellMass
		h := inverse / float64(ax.n)
		c *= 1 - h*h/12
	}
	return c
}

func constant(ax *axis, sigma float64) float64 {
	if ax.kind == grid {
		h := 1 / sigma / float64(ax.n)
		return halfLog2Pi + (h*h/24 - math.Log(h))
	}
	return halfLog2Pi + math.Log(sigma)
}

// setCoef stores a kernel as a polynomial of t; its constant part is in norm.
func (m *mixture) setCoef(s, i, d int) {
	c := &m.columns[d]
	a := curvature(&m.axes[d], c.sigma[s])
	at := (s/lanes*len(m.quad)+i)*2*lanes + s%lanes
	m.coef[at], m.coef[at+lanes] = a, -2*a*c.mu[s]
}

func (m *mixture) setBase(s int) {
	if !m.in[s] {
		m.base[s] = math.Inf(-1)
		return
	}
	sum := 0.0
	for d := range m.columns {
		sum += m.columns[d].norm[s]
	}
	m.base[s] = sum
}

// weigh sets the weights of the slots and returns their sum, including the weight of the prior, 1.
func (m *mixture) weigh(equal bool) float64 {
	total, i, all := 1.0, 0, 0 // the i-th of all trials that the kernels represent
	for s, in := range m.in {
		if in {
			all += m.thin.stands(m.numbers[s])
		}
	}
	for s, in := range m.in {
		w := 0.0
		if in {
			stands := m.thin.stands(m.numbers[s])
			w = float64(stands)
			if !equal {
				w *= recency(i+stands/2, all)
			}
			if m.failed[s] {
				w *= m.blame
			}
			if m.far.has(m.numbers[s]) {
				w *= m.hint
			}
			i += stands
		}
		m.weights[s] = w
		total += w
	}
	clear(m.weights[len(m.in):])
	return total
}

// recency returns the weight of the i-th of n trials in order of number: 1 for
// the last 25, then falling linearly to 1/n for the oldest (Bergstra et al. 2013,
// Making a Science of Model Search).
func recency(i, n int) float64 {
	old := n - 25
	if i >= old {
		return 1
	}
	first := 1 / float64(n)
	if old == 1 {
		return first
	}
	return first + float64(i)*((1-first)/float64(old-1))
}

// logPDF adds sign times the log-densities of points, given as values, to
// scores. points[d*stride+c] is that of candidate c on axis d; the stride is the
// number of candidates rounded up, with any valid value in the last.
func (m *mixture) logPDF(points []float64, scores []float64, sign float64, equal bool, w *workspace) {
	total := m.weigh(equal)
	stride := len(points) / len(m.axes)
	w.tops, w.sums = w.tops[:0], w.sums[:0]
	for c := range stride {
		top := 0.0
		for d := range m.axes {
			top += m.axes[d].logPrior(points[d*stride+c])
		}
		w.tops, w.sums = append(w.tops, top), append(w.sums, 1)
	}
	if m.count > 0 {
		for first := 0; first < stride; first += candidates {
			m.addKernels(points[first:], stride, w.tops[first:], w.sums[first:], w)
		}
	}
	logTotal := math.Log(total)
	for c := range scores {
		scores[c] += sign * (w.tops[c] + math.Log(w.sums[c]) - logTotal)
	}
}

// addKernels adds the kernels of the trials to the densities of a few candidates,
// which are sums·exp(tops).
func (m *mixture) addKernels(points []float64, stride int, tops, sums []float64, w *workspace) {
	w.cells = w.cells[:0]
	for _, d := range m.other {
		a := &m.axes[d]
		values := points[d*stride:][:candidates]
		switch {
		case a.kind == choice:
			hit, miss := choiceMasses(a.n, m.count)
			m.columns[d].cells.findChoices(a.n, values, hit, miss)
		case a.hasTable():
			m.columns[d].cells.find(values)
		}
		for _, v := range values {
			if a.kind == grid {
				w.cells = append(w.cells, a.cellOf(v))
			} else {
				w.cells = append(w.cells, cell{})
			}
		}
	}
	w.x = w.x[:0]
	for _, d := range m.quad {
		for _, v := range points[d*stride:][:candidates] {
			if m.axes[d].kind == grid {
				v = m.axes[d].center(v)
			}
			w.x = append(w.x, v)
		}
	}
	for k := 0; k < len(m.numbers); k += block {
		weights := (*[block]float64)(m.weights[k:])
		exponents(&w.out, m.coef[k*2*len(m.quad):], m.base[k:k+block], w.x, len(m.quad))
		for c := range candidates {
			v := &w.out[c]
			// The masses of cells are at most 1, so what is negligible stays so.
			if maximum(v) < tops[c]-negligible {
				continue
			}
			for i, d := range m.other {
				cell := w.cells[i*candidates+c]
				if m.axes[d].hasTable() {
					m.columns[d].cells.addTabled(cell, c, k, v, tops[c]-negligible)
				} else {
					m.columns[d].addCells(cell, k, v, tops[c]-negligible)
				}
			}
			most := maximum(v)
			if most < tops[c]-negligible {
				continue
			}
			if most > tops[c] {
				sums[c] *= math.Exp(tops[c] - most)
				tops[c] = most
			}
			sums[c] += expSum(v, weights, tops[c])
		}
	}
}

// workspace is memory that a draw needs.
type workspace struct {
	points     []float64 // [axis][candidate]
	cumulative []float64 // [slot]
	scores     []float64 // [candidate]
	tops, sums []float64 // [candidate]
	x          []float64 // [quadratic axis][candidate at hand]
	cells      []cell    // [other axis][candidate at hand]
	out        [candidates][block]float64
}

// choiceMasses returns the probabilities, as logarithms, that the kernel of one
// of count trials gives to its own choice and to each of the n-1 others.
func choiceMasses(n, count int) (hit, miss float64) {
	kernels := float64(count) + 1
	whole := float64(n)/kernels + 1
	return math.Log((1/kernels + 1) / whole), math.Log(1 / kernels / whole)
}

// logPrior returns the log-density of the prior: a normal distribution of standard
// deviation 1, cut off at ±½, or equal masses of all choices.
func (a *axis) logPrior(value float64) float64 {
	switch a.kind {
	case choice:
		return -math.Log(float64(a.n))
	case grid:
		return a.cellOf(value).logMass(0, 1, 0) - priorMass
	}
	return -0.5*value*value - halfLog2Pi - priorMass
}

var (
	priorMass   = logMass(-0.5, 0.5)
	priorLimits = newLimits(-0.5, 0.5)
)

// sample draws a value an axis from the mixture. weigh must have been called;
// cumulative has the sums of the weights up to each slot, and then 1 more for the
// prior.
func (m *mixture) sample(rng *rand.Rand, cumulative []float64, point []float64, stride int) {
	u := rng.Float64()
	if n := len(cumulative); n > 0 {
		u *= cumulative[n-1] + 1
	}
	s, _ := slices.BinarySearchFunc(cumulative, u, func(sum, u float64) int {
		if sum <= u {
			return -1
		}
		return 1
	})
	for d := range m.axes {
		a, c, u := &m.axes[d], &m.columns[d], rng.Float64()
		prior := s == len(cumulative)
		var v float64
		switch {
		case a.kind != choice:
			t := 0.0
			if prior {
				t = priorLimits.quantile(u)
			} else {
				t = c.mu[s] + c.sigma[s]*c.quantile(s, u)
			}
			v = a.value(min(max(t, -0.5), 0.5))
		case prior:
			v = min(math.Floor(u*float64(a.n)), float64(a.n-1))
		default:
			v = c.mu[s]
			hit, miss := choiceMasses(a.n, m.count)
			if u -= math.Exp(hit); u >= 0 {
				v = math.Floor(u / math.Exp(miss)) // of the others
				if v >= c.mu[s] {
					v++
				}
				v = min(v, float64(a.n-1))
			}
		}
		point[d*stride] = v
	}
}

// quantile returns the u-quantile of the kernel of slot s, in bandwidths from its middle.
func (c *column) quantile(s int, u float64) float64 {
	a, b := (-0.5-c.mu[s])/c.sigma[s], (0.5-c.mu[s])/c.sigma[s]
	if a > 0 {
		return truncatedQuantile(u, a, b)
	}
	if s >= len(c.limits) {
		c.limits = append(c.limits, make([]limits, s+1-len(c.limits))...)
	}
	l := &c.limits[s]
	if l.a != a || l.b != b {
		*l = newLimits(a, b)
	}
	return l.quantile(u)
}
