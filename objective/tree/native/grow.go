package native

import (
	"container/heap"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A grower grows one tree after another on the same binned rows.
type grower struct {
	finder
	train   table
	workers *workers

	// State of the tree that is being grown:
	number   int        // index of the tree
	features []int      // columns by slot, ascending
	slots    int        // number of features, padded to a multiple of four
	blocks   [][]uint64 // features side by side (see table.blocks)
	rows     []uint32   // rows drawn, grouped by leaf
	whole    bool       // rows are all rows, in order; only before the root is split
	packed   []int64    // by row: first derivatives and a count of 1, as in a histogram
	curves   []int64    // by row: second derivatives, nil if all are 1

	spare   []uint32
	free    []*histogram
	kept    int             // number of histograms that leaves keep
	most    int             // maximum of kept
	private []*histogram    // one per worker
	used    []bool          // which of private the current leaf uses
	buffers []*[chunk]int64 // one per worker
	found   [2][]split      // by slot, for two leaves
}

// A leaf of a growing tree.
type leaf struct {
	id       int
	from, to int // its rows, in grower.rows
	depth    int
	total    sums
	value    float64 // in real units, before the learning rate
	score    float64 // twice the gain of that value
	low      float64 // bounds of value, from monotone splits above
	high     float64
	hist     *histogram // nil if it is not needed or there is no room for it
	best     split      // gain 0 if there is none
	slots    []bool     // features drawn for it; nil for all
	parent   int        // node above, -1 at the root
	isLeft   bool
}

// A grown is a finished tree, both in bins, for the training rows, and as a tree.Tree.
type grown struct {
	nodes  []binNode
	out    tree.Tree
	leaves []*leaf // those of out, in order
}

type binNode struct {
	feature     int
	bin         uint8
	missing     uint8 // the bin of the missing values
	missingLeft bool
	set         *bitset
	left, right int // as in tree.Node
}

func (n *binNode) goesLeft(b uint8) bool {
	if n.set != nil {
		return n.set.has(int(b))
	}
	return b <= n.bin || n.missingLeft && b == n.missing
}

// leafOf returns the leaf of a row of t.
func (t *grown) leafOf(columns [][]uint8, row int) int {
	if len(t.nodes) == 0 {
		return 0
	}
	i := 0
	for i >= 0 {
		n := &t.nodes[i]
		if n.goesLeft(columns[n.feature][row]) {
			i = n.left
		} else {
			i = n.right
		}
	}
	return ^i
}

const (
	// keepRows is the number of rows from which a histogram is worth keeping: a subtraction
	// costs about as much as adding this many rows.
	keepRows = 256
	// keepBytes limits the memory of kept histograms.
	keepBytes = 512 << 20
	// shareRows is the number of rows from which several workers divide a leaf by rows
	// instead of features.
	shareRows = 2048
	// separateRows is the number of rows from which several workers partition them.
	separateRows = 8192
)

// begin draws the features of tree number and lays out their blocks.
func (g *grower) begin(number int) {
	g.number = number
	all := make([]int, 0, len(g.bins))
	for f, b := range g.bins {
		if b.bins > 1 || b.bins == 1 && b.missing {
			all = append(all, f)
		}
	}
	if g.p.FeatureFraction < 1 && len(all) > 0 {
		all = choose(generator(g.p.Seed, drawFeatures, number, 0), all, g.p.FeatureFraction)
	}
	if g.features == nil || !slices.Equal(all, g.features) {
		g.features = all
		g.blocks = g.train.blocks(all, g.workers)
	}
	if slots := (len(all) + 3) &^ 3; slots != g.slots {
		g.slots, g.free, g.private = slots, nil, nil
	}
	g.kept = 0
	bytes := max(1, g.slots) * cells * 8
	if !g.unit.constant {
		bytes *= 2
	}
	g.most = max(2, keepBytes/bytes)
	g.found[0], g.found[1] = make([]split, len(all)), make([]split, len(all))
	if g.buffers == nil {
		for range g.workers.n {
			g.buffers = append(g.buffers, new([chunk]int64))
		}
	}
}

// choose draws a share of items, at least one, and keeps their order.
func choose(r *rand.Rand, items []int, share float64) []int {
	n := max(1, int(math.Round(share*float64(len(items)))))
	out := make([]int, 0, n)
	for i, item := range items {
		if r.IntN(len(items)-i) < n-len(out) {
			out = append(out, item)
		}
	}
	return out
}

// Purposes of random numbers.
const (
	drawRows = iota + 1
	drawFeatures
	drawNode
	drawIsolation
	drawClasses
)

// generator returns the random numbers for a purpose, a tree and an item of it. They do
// not depend on earlier draws.
func generator(seed uint64, purpose, tree, item int) *rand.Rand {
	a := mix(seed + 0x9e3779b97f4a7c15*uint64(purpose))
	return rand.New(rand.NewPCG(mix(a^uint64(tree)), mix(a+uint64(item)+1<<63)))
}

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// drawSlots draws the features available to the leaf or level number item.
func (g *grower) drawSlots(item int) []bool {
	if g.p.NodeFraction >= 1 || len(g.features) == 0 {
		return nil
	}
	all := make([]int, len(g.features))
	for i := range all {
		all[i] = i
	}
	drawn := make([]bool, len(all))
	for _, s := range choose(generator(g.p.Seed, drawNode, g.number, item), all, g.p.NodeFraction) {
		drawn[s] = true
	}
	return drawn
}

// root returns the leaf of all rows drawn.
func (g *grower) root() *leaf {
	parts := make([]sums, len(g.rows)/blockRows+1)
	g.workers.rows(len(g.rows), func(b, from, to int) { parts[b] = g.total(g.rows[from:to]) })
	var total sums
	for _, part := range parts {
		total = total.plus(part)
	}
	l := &leaf{to: len(g.rows), total: total, low: math.Inf(-1), high: math.Inf(1), parent: -1, slots: g.drawSlots(0)}
	l.value = g.value(total, g.p.LambdaL2, l.low, l.high)
	g.rate(l)
	return l
}

// total adds up the derivatives of rows.
func (g *grower) total(rows []uint32) sums {
	packed, curves := int64(0), int64(len(rows))
	for _, r := range rows {
		packed += g.packed[r]
	}
	if g.curves != nil {
		curves = 0
		for _, r := range rows {
			curves += g.curves[r]
		}
	}
	return sums{int64(len(rows)), packed >> g.unit.shift, curves}
}

// rate sets the score of l to that of the best value within its bounds.
func (g *grower) rate(l *leaf) {
	l.score = g.score(l.total, g.value(l.total, g.p.LambdaL2, l.low, l.high), g.p.LambdaL2)
}

func (g *grower) splittable(l *leaf) bool {
	return l.depth < g.p.Depth && l.total.rows >= 2*int64(g.p.MinRows)
}

// grow grows a tree leaf by leaf. It splits the leaf with the largest gain next; in
// level-wise growth, the one with the largest gain in the highest level.
func (g *grower) grow(ctx context.Context) (*grown, error) {
	root := g.root()
	t := &grown{}
	queue := &leaves{levels: g.p.Growth == engine.LevelWise}
	g.explore(nil, root, nil)
	queue.push(root)
	for count := 1; count < g.p.Leaves && queue.Len() > 0; count++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l := heap.Pop(queue).(*leaf)
		if l.best.gain == 0 {
			queue.push(l)
			break
		}
		n := g.partition(l, &l.best)
		left, right := g.split(t, l, n, 2*count-1)
		if h := g.disown(l); count+1 < g.p.Leaves {
			g.explore(h, left, right)
		} else {
			g.release(h)
		}
		queue.push(left)
		queue.push(right)
	}
	for _, l := range queue.all {
		g.release(g.disown(l))
	}
	t.finish(queue.all)
	return t, nil
}

// leaves is a heap: the leaf to split next comes first.
type leaves struct {
	all    []*leaf
	levels bool
}

func (q *leaves) Len() int      { return len(q.all) }
func (q *leaves) Swap(i, j int) { q.all[i], q.all[j] = q.all[j], q.all[i] }
func (q *leaves) Push(x any)    { q.all = append(q.all, x.(*leaf)) }
func (q *leaves) Less(i, j int) bool {
	a, b := q.all[i], q.all[j]
	if (a.best.gain > 0) != (b.best.gain > 0) {
		return a.best.gain > 0
	}
	if q.levels && a.depth != b.depth {
		return a.depth < b.depth
	}
	if a.best.gain != b.best.gain {
		return a.best.gain > b.best.gain
	}
	return a.id < b.id
}

func (q *leaves) Pop() any {
	last := q.all[len(q.all)-1]
	q.all = q.all[:len(q.all)-1]
	return last
}
func (q *leaves) push(l *leaf) { heap.Push(q, l) }

// split replaces l by an inner node and returns the two new leaves, numbered from id. The
// first n rows of l go left.
func (g *grower) split(t *grown, l *leaf, n, id int) (left, right *leaf) {
	s := l.best
	b := &g.bins[s.feature]
	node := len(t.nodes)
	t.nodes = append(t.nodes, binNode{
		feature: s.feature, bin: uint8(s.bin), missing: uint8(b.bins), missingLeft: s.missingLeft, set: s.set,
	})
	out := tree.Node{
		Feature: s.feature, DefaultLeft: s.missingLeft, Gain: s.gain,
		Weight: g.hess(l.total), Count: int(l.total.rows),
	}
	if s.set != nil {
		var listed []int
		for i := range b.bins {
			if s.set.has(i) {
				listed = append(listed, b.categories[i])
			}
		}
		out.SetCategories(listed...)
	} else {
		out.Threshold = b.upper[s.bin]
	}
	t.out.Nodes = append(t.out.Nodes, out)
	t.attach(l, node)

	left = &leaf{
		id: id, from: l.from, to: l.from + n, depth: l.depth + 1, total: s.left,
		value: s.leftValue, low: l.low, high: l.high, parent: node, isLeft: true, slots: g.drawSlots(id),
	}
	right = &leaf{
		id: id + 1, from: l.from + n, to: l.to, depth: l.depth + 1, total: l.total.minus(s.left),
		value: s.rightValue, low: l.low, high: l.high, parent: node, slots: g.drawSlots(id + 1),
	}
	if g.p.Monotone != nil {
		middle := left.value/2 + right.value/2
		switch g.p.Monotone[s.feature] {
		case 1:
			left.high, right.low = middle, middle
		case -1:
			left.low, right.high = middle, middle
		}
	}
	g.rate(left)
	g.rate(right)
	return left, right
}

// attach puts child, an inner node or ^leaf, in the place of l.
func (t *grown) attach(l *leaf, child int) {
	switch {
	case l.parent < 0:
	case l.isLeft:
		t.nodes[l.parent].left, t.out.Nodes[l.parent].Left = child, child
	default:
		t.nodes[l.parent].right, t.out.Nodes[l.parent].Right = child, child
	}
}

// finish numbers the leaves in the order of their rows, which is from left to right.
func (t *grown) finish(all []*leaf) {
	t.leaves = slices.Clone(all)
	slices.SortFunc(t.leaves, func(a, b *leaf) int { return a.from - b.from })
	for i, l := range t.leaves {
		t.attach(l, ^i)
	}
}

// partition moves the rows of l that s sends left before the others, and returns their
// number. It is stable.
func (g *grower) partition(l *leaf, s *split) int {
	g.whole = false
	rows, spare := g.rows[l.from:l.to], g.spare[l.from:l.to]
	column, left := g.train.columns[s.feature], s.table(g.bins[s.feature].bins)
	if g.workers.n == 1 || len(rows) < separateRows {
		return separate(rows, spare, column, &left)
	}
	// Partition each piece, then join the pieces' left parts, and their right parts.
	pieces := 2 * g.workers.n
	piece := func(k int) (from, to int) { return k * len(rows) / pieces, (k + 1) * len(rows) / pieces }
	counts, starts := make([]int, pieces), make([]int, pieces)
	g.workers.each(pieces, func(_, k int) {
		from, to := piece(k)
		counts[k] = separate(rows[from:to], spare[from:to], column, &left)
	})
	total := 0
	for k, n := range counts {
		starts[k] = total
		total += n
	}
	g.workers.each(pieces, func(_, k int) {
		from, to := piece(k)
		copy(spare[starts[k]:], rows[from:from+counts[k]])
		copy(spare[total+from-starts[k]:], rows[from+counts[k]:to])
	})
	g.workers.each(pieces, func(_, k int) {
		from, to := piece(k)
		copy(rows[from:to], spare[from:to])
	})
	return total
}

// separate partitions rows without branches.
func separate(rows, spare []uint32, column []uint8, left *[cells]uint8) int {
	spare = spare[:len(rows)]
	n, m := 0, 0
	for _, r := range rows {
		l := int(left[column[r]])
		rows[n], spare[m] = r, r
		n += l
		m += 1 - l
	}
	copy(rows[n:], spare[:m])
	return n
}

// survey computes the histograms of the leaves that a leaf was split into. parent is the
// histogram of that leaf, or nil; survey consumes it. right is nil if left is not new.
// survey calls visit for each leaf that can be split and each slot, with k 0 for left
// and 1 for right.
func (g *grower) survey(parent *histogram, left, right *leaf, visit func(k, slot int, l *leaf)) {
	small, big, k := left, right, 0
	if right != nil && right.total.rows < left.total.rows {
		small, big, k = right, left, 1
	}
	wantSmall, wantBig := g.splittable(small), big != nil && g.splittable(big)
	if !wantSmall && !wantBig {
		g.release(parent)
		return
	}
	var build []*leaf
	subtract := wantBig && parent != nil
	if wantSmall || subtract {
		small.hist = g.take()
		build = append(build, small)
	}
	switch {
	case subtract:
		big.hist, parent = parent, nil
	case wantBig:
		big.hist = g.take()
		build = append(build, big)
	}
	g.release(parent)

	shared := g.workers.n > 1 && len(build) == 1 && build[0].total.rows >= shareRows
	switch {
	case shared:
		g.addByRows(build[0])
	case g.workers.n == 1:
		for _, l := range build {
			l.hist.clear(0, g.slots)
			g.add(l.hist, l.from, l.to, 0, g.slots, g.buffers[0])
		}
	}
	g.workers.each((len(g.features)+1)/2, func(worker, pair int) {
		first, last := 2*pair, 2*pair+2
		switch {
		case shared:
			g.gather(build[0].hist, first, last)
		case g.workers.n > 1:
			for _, l := range build {
				l.hist.clear(first, last)
				g.add(l.hist, l.from, l.to, first, last, g.buffers[worker])
			}
		}
		for s := first; s < min(last, len(g.features)); s++ {
			if subtract {
				big.hist.minus(small.hist, s, g.bins[g.features[s]].bins+1)
			}
			if wantSmall {
				visit(k, s, small)
			}
			if wantBig {
				visit(1-k, s, big)
			}
		}
	})
	if !wantSmall && small.hist != nil {
		g.release(small.hist)
		small.hist = nil
	}
}

// addByRows adds up the histogram of l in parts: each worker takes some of its rows.
func (g *grower) addByRows(l *leaf) {
	if g.private == nil {
		g.private, g.used = make([]*histogram, g.workers.n), make([]bool, g.workers.n)
		for k := range g.private {
			g.private[k] = g.take()
		}
	}
	clear(g.used)
	pieces := (l.to - l.from + chunk - 1) / chunk
	share := min(pieces, 4*g.workers.n)
	g.workers.each(share, func(worker, piece int) {
		h := g.private[worker]
		if !g.used[worker] {
			g.used[worker] = true
			h.clear(0, g.slots)
		}
		from, to := l.from+piece*pieces/share*chunk, l.from+(piece+1)*pieces/share*chunk
		g.add(h, from, min(to, l.to), 0, g.slots, g.buffers[worker])
	})
}

// gather adds up the slots of the workers' histograms from addByRows.
func (g *grower) gather(h *histogram, first, last int) {
	h.clear(first, last)
	for worker, used := range g.used {
		if !used {
			continue
		}
		for s := first; s < min(last, len(g.features)); s++ {
			h.plus(g.private[worker], s, g.bins[g.features[s]].bins+1)
		}
	}
}

// own keeps the histogram of l for its descendants, or releases it if it is useless or
// there are too many.
func (g *grower) own(l *leaf, useful bool) {
	switch {
	case l.hist == nil:
	case useful && l.total.rows >= keepRows && g.kept < g.most:
		g.kept++
	default:
		g.release(l.hist)
		l.hist = nil
	}
}

// disown takes the histogram from l and returns it. It returns nil if there is none.
func (g *grower) disown(l *leaf) *histogram {
	h := l.hist
	if h != nil {
		g.kept--
		l.hist = nil
	}
	return h
}

// explore finds the best splits of the leaves that a leaf was split into.
func (g *grower) explore(parent *histogram, left, right *leaf) {
	g.survey(parent, left, right, func(k, slot int, l *leaf) {
		g.found[k][slot] = split{}
		if l.slots == nil || l.slots[slot] {
			first, second := l.hist.at(slot)
			g.found[k][slot] = g.find(l, g.features[slot], first, second)
			g.found[k][slot].slot = slot
		}
	})
	for k, l := range []*leaf{left, right} {
		if l == nil || l.hist == nil {
			continue
		}
		for _, s := range g.found[k] {
			if s.better(l.best) {
				l.best = s
			}
		}
		g.own(l, l.best.gain > 0)
	}
}
