package importance

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// A table is the data for a forest. It has a column for each feature, of numbers in [0, 1] or
// of choices, and a value for each row.
type table struct {
	columns [][]float64
	choices []int // by feature: the number of choices, or 0 for a number
	values  []float64
}

// A node splits its box in two, or is a leaf.
type node struct {
	feature     int     // -1 for a leaf
	cut         float64 // rows with at most this number, or with this choice, go left
	left, right int     // nodes
	value       float64 // mean of its rows
}

// A tree is a regression tree. Its root is the first node.
type tree []node

// goesLeft reports whether x lies on the left of a split.
func (t *table) goesLeft(feature int, x, cut float64) bool {
	if t.choices[feature] > 0 {
		return x == cut
	}
	return x <= cut
}

// predict returns the value of the leaf that a row of t falls into.
func (tr tree) predict(t *table, row int) float64 {
	at := 0
	for tr[at].feature >= 0 {
		n := &tr[at]
		at = n.right
		if t.goesLeft(n.feature, t.columns[n.feature][row], n.cut) {
			at = n.left
		}
	}
	return tr[at].value
}

// A grower fits trees to one table. Each column is sorted once. A node is a range of every
// column's order. A split partitions the range in place, stably.
type grower struct {
	*table
	depth  int
	sorted [][]int32 // by feature: all rows in order
	order  [][]int32 // by feature: the rows of the tree, in order within each node
	spare  []int32
	left   []bool    // by row
	weight []float64 // by row: how often the bootstrap drew it
	seen   []int     // features that may still vary, in random order
}

func newGrower(t *table, depth int) *grower {
	n := len(t.values)
	g := &grower{table: t, depth: depth, spare: make([]int32, n), left: make([]bool, n), weight: make([]float64, n)}
	for _, column := range t.columns {
		rows := make([]int32, n)
		for i := range rows {
			rows[i] = int32(i)
		}
		slices.SortStableFunc(rows, func(a, b int32) int { return cmp.Compare(column[a], column[b]) })
		g.sorted = append(g.sorted, rows)
		g.order = append(g.order, make([]int32, 0, n))
		g.seen = append(g.seen, len(g.seen))
	}
	return g
}

// grow fits a tree to a bootstrap sample of the rows. Rows outside the sample have weight 0
// afterwards.
func (g *grower) grow(rng *rand.Rand) tree {
	clear(g.weight)
	for range g.weight {
		g.weight[rng.IntN(len(g.weight))]++
	}
	n := 0
	for f, rows := range g.sorted {
		g.order[f] = g.order[f][:0]
		for _, i := range rows {
			if g.weight[i] > 0 {
				g.order[f] = append(g.order[f], i)
			}
		}
		n = len(g.order[f])
	}
	return g.node(nil, 0, n, g.depth, rng)
}

// node appends the node of a range of rows, and the nodes below it.
func (g *grower) node(tr tree, from, to, depth int, rng *rand.Rand) tree {
	sum, weight, low, high := 0.0, 0.0, math.Inf(1), math.Inf(-1)
	for _, i := range g.order[0][from:to] {
		v := g.values[i]
		sum += g.weight[i] * v
		weight += g.weight[i]
		low, high = min(low, v), max(high, v)
	}
	at := len(tr)
	tr = append(tr, node{feature: -1, value: sum / weight})
	if low == high || depth == 0 {
		return tr
	}
	f, cut, ok := g.split(from, to, sum, weight, rng)
	if !ok {
		return tr
	}
	middle := g.part(f, cut, from, to)
	tr[at].feature, tr[at].cut = f, cut
	tr[at].left = len(tr)
	tr = g.node(tr, from, middle, depth-1, rng)
	tr[at].right = len(tr)
	return g.node(tr, middle, to, depth-1, rng)
}

// split finds the split that leaves the smallest variance. Among equal ones, it chooses at
// random.
func (g *grower) split(from, to int, sum, weight float64, rng *rand.Rand) (feature int, cut float64, ok bool) {
	best := math.Inf(-1)
	consider := func(f int, c, s, w float64) {
		if gain := s*s/w + (sum-s)*(sum-s)/(weight-w); gain > best {
			best, feature, cut, ok = gain, f, c, true
		}
	}
	rng.Shuffle(len(g.seen), func(i, j int) { g.seen[i], g.seen[j] = g.seen[j], g.seen[i] })
	for _, f := range g.seen {
		column, rows := g.columns[f], g.order[f][from:to]
		if column[rows[0]] == column[rows[len(rows)-1]] {
			continue
		}
		s, w := 0.0, 0.0 // of the rows so far, or of the rows with this choice
		for k, i := range rows {
			s += g.weight[i] * g.values[i]
			w += g.weight[i]
			x := column[i]
			last := k+1 == len(rows)
			if !last && column[rows[k+1]] == x {
				continue
			}
			switch {
			case g.choices[f] > 0:
				consider(f, x, s, w)
				s, w = 0, 0
			case !last:
				consider(f, x+(column[rows[k+1]]-x)/2, s, w)
			}
		}
	}
	return feature, cut, ok
}

// part moves the rows that go left to the front in every order, and returns the beginning of
// the others.
func (g *grower) part(f int, cut float64, from, to int) (middle int) {
	for _, i := range g.order[f][from:to] {
		g.left[i] = g.goesLeft(f, g.columns[f][i], cut)
	}
	for _, order := range g.order {
		rows, right := order[from:to], g.spare[:0]
		n := 0
		for _, i := range rows {
			if g.left[i] {
				rows[n] = i
				n++
			} else {
				right = append(right, i)
			}
		}
		copy(rows[n:], right)
		middle = from + n
	}
	return middle
}
