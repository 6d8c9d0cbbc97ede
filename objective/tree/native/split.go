package native

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// cells is the number of bins of a feature in a histogram.
const cells = 256

// sums are totals over some rows: their number, and their first and second derivatives.
type sums struct {
	rows, g, h int64 // g and h in units of the quantized derivatives
}

func (s sums) minus(t sums) sums { return sums{s.rows - t.rows, s.g - t.g, s.h - t.h} }
func (s sums) plus(t sums) sums  { return sums{s.rows + t.rows, s.g + t.g, s.h + t.h} }

// A split sends the rows of a leaf left or right.
type split struct {
	gain        float64
	feature     int // column; slot is its index among the tree's features
	slot        int
	bin         int     // numeric: bins up to this one go left
	missingLeft bool    // numeric: missing values go left
	set         *bitset // categorical: these bins go left
	left        sums
	leftValue   float64
	rightValue  float64
}

// better reports whether s is preferred to t. The order does not depend on which was
// found first.
func (s split) better(t split) bool {
	return s.gain > t.gain || s.gain == t.gain && s.gain > 0 && s.slot < t.slot
}

// A bitset is a set of bins.
type bitset [cells / 64]uint64

func (b *bitset) add(i int)      { b[i>>6] |= 1 << (i & 63) }
func (b *bitset) has(i int) bool { return b[i>>6]>>(i&63)&1 != 0 }

// table returns, for each bin, 1 if the split sends it left, else 0. bins does not count
// the bin of missing values.
func (s *split) table(bins int) (t [cells]uint8) {
	if s.set != nil {
		for b := range bins {
			if s.set.has(b) {
				t[b] = 1
			}
		}
	} else {
		for b := range t[:min(bins, s.bin+1)] {
			t[b] = 1
		}
	}
	if s.set == nil && s.missingLeft && bins < cells {
		t[bins] = 1
	}
	return t
}

// A finder searches the histograms of leaves for their best splits.
type finder struct {
	p      engine.Params
	bins   []binner
	unit   scale // scale of the histograms
	simple bool  // no feature is monotone, so leaf values are not needed
}

// scale is how histograms hold derivatives: first derivatives times g, shifted left by
// shift to leave room for the count; second derivatives, if not all 1, times h.
type scale struct {
	shift    uint
	g, h     float64
	constant bool
}

// at returns the sums of a cell.
func (u scale) at(g, h *[cells]int64, b int) sums {
	c := g[b]
	s := sums{rows: c & (1<<u.shift - 1), g: c >> u.shift}
	s.h = s.rows
	if h != nil {
		s.h = h[b]
	}
	return s
}

// grad and hess convert the derivatives of s to real units.
func (f *finder) grad(s sums) float64 { return float64(s.g) / f.unit.g }
func (f *finder) hess(s sums) float64 { return float64(s.h) / f.unit.h }

// value returns the best value of a leaf within [low, high]:
// -sign(G) max(|G|-L1, 0) / (H+L2).
func (f *finder) value(s sums, l2, low, high float64) float64 {
	g := f.grad(s)
	switch l1 := f.p.LambdaL1; {
	case g > l1:
		g -= l1
	case g < -l1:
		g += l1
	default:
		return min(max(0, low), high)
	}
	if h := f.hess(s) + l2; h > 0 {
		return min(max(-g/h, low), high)
	}
	return min(max(0, low), high) // no information about the value
}

// score returns how much a leaf of value v lowers the loss, doubled:
// -(2 G v + (H+L2) v² + 2 L1 |v|).
func (f *finder) score(s sums, v, l2 float64) float64 {
	return -(2*f.grad(s)*v + (f.hess(s)+l2)*v*v + 2*f.p.LambdaL1*math.Abs(v))
}

// allowed reports whether a leaf may have the rows of s.
func (f *finder) allowed(s sums) bool {
	return s.rows >= int64(f.p.MinRows) && f.hess(s) >= f.p.MinWeight
}

// try returns the gain of splitting l into left and the rest, or 0 if that is not allowed.
func (f *finder) try(l *leaf, left sums, l2 float64, monotone int) (gain, leftValue, rightValue float64) {
	right := l.total.minus(left)
	if !f.allowed(left) || !f.allowed(right) {
		return 0, 0, 0
	}
	leftValue = f.value(left, l2, l.low, l.high)
	rightValue = f.value(right, l2, l.low, l.high)
	if monotone > 0 && leftValue > rightValue || monotone < 0 && leftValue < rightValue {
		return 0, 0, 0
	}
	gain = f.score(left, leftValue, l2) + f.score(right, rightValue, l2) - l.score
	return gain, leftValue, rightValue
}

// monotone returns the monotone constraint of a feature: 1, -1 or 0.
func (f *finder) monotone(feature int) int {
	if f.p.Monotone == nil {
		return 0
	}
	return f.p.Monotone[feature]
}

// find returns the best split of l at a feature whose histograms are g and h
// (nil if constant). Its gain is 0 if no split is possible.
func (f *finder) find(l *leaf, feature int, g, h *[cells]int64) split {
	var s split
	switch b := &f.bins[feature]; {
	case b.categorical:
		s = f.categories(l, b, g, h)
	case f.simple:
		s = f.fast(l, b, g, h)
	default:
		s = f.thresholds(l, feature, g, h)
	}
	if !(s.gain > f.p.MinGain) {
		return split{}
	}
	s.feature = feature
	return s
}

// thresholds tries every threshold, with missing values on either side.
func (f *finder) thresholds(l *leaf, feature int, g, h *[cells]int64) split {
	b := &f.bins[feature]
	monotone := f.monotone(feature)
	var missing sums
	if b.missing {
		missing = f.unit.at(g, h, b.bins)
	}
	var best split
	search := func(left sums, missingLeft bool) {
		for i := range b.bins {
			cell := f.unit.at(g, h, i)
			if cell.rows == 0 {
				continue
			}
			left = left.plus(cell)
			if gain, lv, rv := f.try(l, left, f.p.LambdaL2, monotone); gain > best.gain {
				best = split{gain: gain, bin: i, missingLeft: missingLeft, left: left, leftValue: lv, rightValue: rv}
			}
		}
	}
	search(sums{}, false)
	if missing.rows > 0 {
		search(missing, true)
	} else {
		best.missingLeft = 2*best.left.rows > l.total.rows
	}
	return best
}

// fast is thresholds without bounds on values. Then, with G in any unit and T(G) =
// max(|G|-L1, 0),
//
//	gain = T(GL)²/(HL+L2) + T(GR)²/(HR+L2) - T(G)²/(H+L2)
//
// The first two terms are compared as one fraction, which avoids the divisions.
func (f *finder) fast(l *leaf, b *binner, g, h *[cells]int64) split {
	s := scan{
		shift: f.unit.shift, minRows: int64(f.p.MinRows), minHess: f.p.MinWeight, l1: f.p.LambdaL1 * f.unit.g, l2: f.p.LambdaL2, perH: 1 / f.unit.h,
		rows: l.total.rows, g0: float64(l.total.g), h0: f.hess(l.total),
	}
	search := func(start candidate, left, leftH int64) candidate {
		if h == nil {
			return s.ones(start, g, b.bins, left)
		}
		return s.curves(start, g, h, b.bins, left, leftH)
	}
	best := search(candidate{bin: -1, den: 1}, 0, 0)
	missingLeft := false
	if b.missing && g[uint8(b.bins)] != 0 {
		var leftH int64
		if h != nil {
			leftH = h[uint8(b.bins)]
		}
		other := search(best, g[uint8(b.bins)], leftH)
		missingLeft = other != best
		best = other
	}
	if best.bin < 0 {
		return split{}
	}
	left := sums{best.left & (1<<s.shift - 1), best.left >> s.shift, best.leftH}
	if h == nil {
		left.h = left.rows
	}
	if !b.missing || g[uint8(b.bins)] == 0 {
		missingLeft = 2*left.rows > l.total.rows
	}
	return split{
		gain: best.num/best.den/f.unit.g/f.unit.g - l.score,
		bin:  best.bin, missingLeft: missingLeft, left: left,
		leftValue:  f.value(left, s.l2, l.low, l.high),
		rightValue: f.value(l.total.minus(left), s.l2, l.low, l.high),
	}
}

// A scan holds everything that is the same for all thresholds of a leaf.
type scan struct {
	shift                         uint
	minRows, rows                 int64
	minHess, l1, l2, perH, g0, h0 float64
}

// A candidate is a threshold, and the fraction num/den of its gain.
type candidate struct {
	num, den    float64
	bin         int
	left, leftH int64 // sums of the left side, in histogram units
}

// ones scans the thresholds when all second derivatives are 1. left is the initial sum of
// the left side.
func (s *scan) ones(best candidate, g *[cells]int64, bins int, left int64) candidate {
	shift, mask := s.shift&63, int64(1)<<s.shift-1
	least := max(s.minRows, int64(math.Ceil(s.minHess)))
	most := s.rows - least
	g0, h0, l1, l2 := s.g0, s.h0, s.l1, s.l2
	num, den := best.num, best.den
	at, atLeft := best.bin, best.left
	of := g[:bins]
	for i := 0; i < len(of); i++ {
		cell := of[i]
		if cell == 0 {
			for i+4 < len(of) && of[i+1]|of[i+2]|of[i+3]|of[i+4] == 0 {
				i += 4 // most cells of a small leaf are empty
			}
			continue
		}
		left += cell
		rows := left & mask
		if rows < least {
			continue
		}
		if rows > most {
			break
		}
		gl, hl := float64(left>>shift), float64(rows)
		gr, hr := g0-gl, h0-hl+l2
		hl += l2
		if l1 > 0 {
			gl, gr = shrink(gl, l1), shrink(gr, l1)
		}
		n, d := gl*gl*hr+gr*gr*hl, hl*hr
		if n*den > num*d {
			num, den, at, atLeft = n, d, i, left
		}
	}
	return candidate{num, den, at, atLeft, 0}
}

// curves is like ones, with second derivatives in h.
func (s *scan) curves(best candidate, g, h *[cells]int64, bins int, left, leftH int64) candidate {
	shift, mask := s.shift&63, int64(1)<<s.shift-1
	least, most := s.minRows, s.rows-s.minRows
	g0, h0, l1, l2 := s.g0, s.h0, s.l1, s.l2
	for i, cell := range g[:bins] {
		if cell == 0 {
			continue
		}
		left += cell
		leftH += h[uint8(i)]
		rows := left & mask
		if rows < least {
			continue
		}
		if rows > most {
			break
		}
		gl, hl := float64(left>>shift), float64(leftH)*s.perH
		gr, hr := g0-gl, h0-hl
		if hl < s.minHess || hr < s.minHess {
			continue
		}
		hl, hr = hl+l2, hr+l2
		if l1 > 0 {
			gl, gr = shrink(gl, l1), shrink(gr, l1)
		}
		n, d := gl*gl*hr+gr*gr*hl, hl*hr
		if n*best.den > best.num*d {
			best = candidate{n, d, i, left, leftH}
		}
	}
	return best
}

// shrink returns max(|g|-l1, 0).
func shrink(g, l1 float64) float64 {
	if g = math.Abs(g) - l1; g > 0 {
		return g
	}
	return 0
}

// categories finds the best set of categories to send left. With few categories, the set
// is a single one. Otherwise it is a prefix or suffix of the categories ordered by G/H,
// which for a convex loss includes the best of all sets (Fisher, On grouping for maximum
// homogeneity, 1958). Missing, rare and unknown categories go right.
func (f *finder) categories(l *leaf, b *binner, g, h *[cells]int64) split {
	type category struct {
		bin   int
		order float64
		sums
	}
	var best split
	set := func(members []category, s split) split {
		s.set = new(bitset)
		for _, c := range members {
			s.set.add(c.bin)
		}
		return s
	}
	all := make([]category, 0, b.bins)
	for i := range b.bins {
		c := category{bin: i, sums: f.unit.at(g, h, i)}
		if c.rows == 0 {
			continue
		}
		c.order = f.grad(c.sums) / (f.hess(c.sums) + f.p.CategorySmooth)
		all = append(all, c)
	}
	if b.bins <= f.p.OneHot {
		for i, c := range all {
			if gain, lv, rv := f.try(l, c.sums, f.p.LambdaL2, 0); gain > best.gain {
				best = set(all[i:i+1], split{gain: gain, left: c.sums, leftValue: lv, rightValue: rv})
			}
		}
		return best
	}
	slices.SortStableFunc(all, func(c, d category) int { return cmp.Compare(c.order, d.order) })
	from, to := 0, 0 // bounds of the best set
	for _, backwards := range []bool{false, true} {
		left := sums{}
		for n := range min(len(all), f.p.CategorySet) {
			first, last := 0, n+1
			c := all[n]
			if backwards {
				first, last = len(all)-1-n, len(all)
				c = all[first]
			}
			left = left.plus(c.sums)
			if gain, lv, rv := f.try(l, left, f.p.LambdaL2+f.p.CategoryL2, 0); gain > best.gain {
				best = split{gain: gain, left: left, leftValue: lv, rightValue: rv}
				from, to = first, last
			}
		}
	}
	if best.gain > 0 {
		best = set(all[from:to], best)
	}
	return best
}
