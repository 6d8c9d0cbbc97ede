package native

import "context"

// A family is what became of a leaf of the level above: two leaves, or, if right is nil,
// the leaf itself.
type family struct {
	parent      *histogram // of the leaf above, if it kept one
	left, right *leaf
}

// growOblivious grows a tree level by level, with one split for all leaves of a
// level: the one with the largest total gain. A leaf is not split at a level if the split
// would gain nothing in it, or leave too few rows on one side; it takes part in the next
// level. Categorical splits separate one category from the rest.
func (g *grower) growOblivious(ctx context.Context) (*grown, error) {
	t := &grown{}
	level := []family{{left: g.root()}}
	gains := make([][2][cells]float64, len(g.features))
	for depth := range g.p.Depth {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		drawn := g.drawSlots(depth)
		clear(gains)
		visit := func(_, slot int, l *leaf) {
			if drawn == nil || drawn[slot] {
				g.addGains(&gains[slot], slot, l)
			}
		}
		for _, f := range level {
			if f.left.hist != nil {
				g.workers.each(len(g.features), func(_, slot int) { visit(0, slot, f.left) })
				continue
			}
			g.survey(f.parent, f.left, f.right, visit)
			g.own(f.left, true)
			if f.right != nil {
				g.own(f.right, true)
			}
		}
		s := g.bestGain(gains)
		if !(s.gain > g.p.MinGain) {
			break
		}
		level = g.splitAll(t, level, s)
	}
	var all []*leaf
	for _, f := range level {
		for _, l := range f.leaves() {
			g.release(g.disown(l))
			all = append(all, l)
		}
		g.release(f.parent)
	}
	t.finish(all)
	return t, nil
}

func (f family) leaves() []*leaf {
	if f.right == nil {
		return []*leaf{f.left}
	}
	return []*leaf{f.left, f.right}
}

// addGains adds to gains what l gains by each split of a slot: with missing values on the
// right (0) and on the left (1).
func (g *grower) addGains(gains *[2][cells]float64, slot int, l *leaf) {
	feature := g.features[slot]
	b := &g.bins[feature]
	first, second := l.hist.at(slot)
	if b.categorical {
		for i := range b.bins {
			if cell := g.unit.at(first, second, i); cell.rows > 0 {
				gain, _, _ := g.try(l, cell, g.p.LambdaL2, 0)
				gains[0][i] += max(gain, 0)
			}
		}
		return
	}
	var missing sums
	if b.missing {
		missing = g.unit.at(first, second, b.bins)
	}
	for side, left := range [2]sums{{}, missing} {
		if side == 1 && !b.missing {
			break
		}
		gain := 0.0
		for i := range b.bins {
			if cell := g.unit.at(first, second, i); cell.rows > 0 {
				left = left.plus(cell)
				gain, _, _ = g.try(l, left, g.p.LambdaL2, g.monotone(feature))
			}
			gains[side][i] += max(gain, 0)
		}
	}
}

// bestGain returns the split with the largest sum of gains.
func (g *grower) bestGain(gains [][2][cells]float64) split {
	var best split
	for slot := range gains {
		feature := g.features[slot]
		for side, sums := range gains[slot] {
			for i, gain := range sums {
				if gain > best.gain {
					best = split{gain: gain, feature: feature, slot: slot, bin: i, missingLeft: side == 1}
				}
			}
		}
	}
	if best.gain > 0 && g.bins[best.feature].categorical {
		best.set = new(bitset)
		best.set.add(best.bin)
	}
	return best
}

// splitAll splits the leaves of a level by s if they allow it.
func (g *grower) splitAll(t *grown, level []family, s split) []family {
	var all []*leaf
	var counts []int
	lefts, total := 0, 0
	for _, f := range level {
		for _, l := range f.leaves() {
			n := g.partition(l, &s)
			all, counts = append(all, l), append(counts, n)
			lefts, total = lefts+n, total+l.to-l.from
		}
	}
	if b := &g.bins[s.feature]; !b.missing && !b.categorical {
		s.missingLeft = 2*lefts > total
	}
	var next []family
	for i, l := range all {
		l.best = s
		l.best.left = g.total(g.rows[l.from : l.from+counts[i]])
		l.best.gain, l.best.leftValue, l.best.rightValue = g.try(l, l.best.left, g.p.LambdaL2, g.monotone(s.feature))
		if !(l.best.gain > 0) {
			next = append(next, family{left: l})
			continue
		}
		left, right := g.split(t, l, counts[i], 2*len(t.nodes)+1)
		next = append(next, family{g.disown(l), left, right})
	}
	return next
}
