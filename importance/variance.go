package importance

import (
	"math"
	"slices"
	"sort"
)

// An anatomy is the variance of a tree over the whole search space, in which every point is
// equally likely, and the share of each feature and of each pair of features in it. The
// leaves of a tree are boxes, so all of this is exact (Hutter et al. 2014, An Efficient
// Approach for Assessing Hyperparameter Importance).
type anatomy struct {
	mean     float64
	variance float64
	cells    []cells // by feature
	main     []curve // by feature
	pairs    map[[2]int]float64
}

// cells are the intervals into which the splits of a tree divide a feature, or the choices of
// a feature.
type cells struct {
	cuts  []float64 // between the cells, in order; nil for choices
	width []float64 // by cell; they add up to 1
}

// A curve is the difference between the mean of the tree in each cell of a feature and the
// mean of the tree.
type curve []float64

// A run is the adjacent cells from, ..., to-1.
type run struct{ from, to int }

// A side is the part of one feature that a box covers.
type side struct {
	feature int
	runs    []run
	width   float64
}

// dissect computes the anatomy of a tree of t.
func dissect(t *table, tr tree) anatomy {
	a := anatomy{pairs: map[[2]int]float64{}}
	for f := range t.columns {
		a.cells = append(a.cells, t.parted(tr, f))
		a.main = append(a.main, make(curve, len(a.cells[f].width)))
	}
	w := walker{table: t, tree: tr, cells: a.cells}
	for f := range t.columns {
		w.box = append(w.box, side{f, []run{{0, len(a.cells[f].width)}}, 1})
	}
	w.walk(0, func(value float64, _ []side, volume float64) { a.mean += value * volume })

	joint := map[[2]int][]float64{}
	w.walk(0, func(value float64, box []side, volume float64) {
		v := value - a.mean
		a.variance += v * v * volume
		for i, s := range box {
			a.main[s.feature].add(s.runs, v*volume/s.width)
			for _, t := range box[:i] {
				p, q := t, s
				if p.feature > q.feature {
					p, q = q, p
				}
				key := [2]int{p.feature, q.feature}
				rows, columns := len(a.cells[p.feature].width), len(a.cells[q.feature].width)
				if joint[key] == nil {
					joint[key] = make([]float64, (rows+1)*(columns+1))
				}
				addBoxes(joint[key], columns+1, p.runs, q.runs, v*volume/p.width/q.width)
			}
		}
	})
	for f, c := range a.main {
		c.integrate(a.cells[f].width)
	}
	for key, grid := range joint {
		a.pairs[key] = interaction(grid, a.cells[key[0]].width, a.cells[key[1]].width)
	}
	return a
}

// parted returns the cells of a feature.
func (t *table) parted(tr tree, f int) cells {
	if k := t.choices[f]; k > 0 {
		return cells{width: slices.Repeat([]float64{1 / float64(k)}, k)}
	}
	var c cells
	for _, n := range tr {
		if n.feature == f {
			c.cuts = append(c.cuts, n.cut)
		}
	}
	slices.Sort(c.cuts)
	c.cuts = slices.Compact(c.cuts)
	low := 0.0
	for _, cut := range c.cuts {
		c.width = append(c.width, cut-low)
		low = cut
	}
	c.width = append(c.width, 1-low)
	return c
}

// at returns the cell of x.
func (c cells) at(x float64) int {
	if c.cuts == nil && len(c.width) > 1 {
		return int(x)
	}
	return sort.SearchFloat64s(c.cuts, x)
}

// span returns the total width of runs.
func (c cells) span(runs []run) float64 {
	sum := 0.0
	for _, r := range runs {
		for _, w := range c.width[r.from:r.to] {
			sum += w
		}
	}
	return sum
}

// A walker visits the leaves of a tree, with the box of each.
type walker struct {
	*table
	tree  tree
	cells []cells
	box   []side // by feature, at the current node
	limit []int  // features that the current box does not cover completely
}

// walk calls visit for each leaf below a node, with the box's sides that do not cover a whole
// feature, and the box's share of the search space.
func (w *walker) walk(at int, visit func(value float64, box []side, volume float64)) {
	n := w.tree[at]
	if n.feature < 0 {
		volume := 1.0
		box := make([]side, 0, len(w.limit))
		for _, f := range w.limit {
			volume *= w.box[f].width
			box = append(box, w.box[f])
		}
		visit(n.value, box, volume)
		return
	}
	f, before := n.feature, w.box[n.feature]
	fresh := !slices.Contains(w.limit, f)
	if fresh {
		w.limit = append(w.limit, f)
	}
	left, right := w.halves(before, n.cut)
	for _, h := range []struct {
		runs []run
		next int
	}{{left, n.left}, {right, n.right}} {
		w.box[f] = side{f, h.runs, w.cells[f].span(h.runs)}
		w.walk(h.next, visit)
	}
	w.box[f] = before
	if fresh {
		w.limit = w.limit[:len(w.limit)-1]
	}
}

// halves splits the runs of a side at a cut.
func (w *walker) halves(s side, cut float64) (left, right []run) {
	from, to := int(cut), int(cut)+1 // the cells that go left
	if w.choices[s.feature] == 0 {
		from, to = 0, sort.SearchFloat64s(w.cells[s.feature].cuts, cut)+1
	}
	for _, r := range s.runs {
		for _, part := range []struct {
			half *[]run
			run  run
		}{
			{&right, run{r.from, min(r.to, from)}},
			{&left, run{max(r.from, from), min(r.to, to)}},
			{&right, run{max(r.from, to), r.to}},
		} {
			if part.run.from < part.run.to {
				*part.half = append(*part.half, part.run)
			}
		}
	}
	return left, right
}

// add adds v to the cells of runs, as differences from one cell to the next.
func (c curve) add(runs []run, v float64) {
	for _, r := range runs {
		c[r.from] += v
		if r.to < len(c) {
			c[r.to] -= v
		}
	}
}

// integrate turns differences into a curve with mean 0.
func (c curve) integrate(width []float64) {
	sum, mean := 0.0, 0.0
	for i := range c {
		sum += c[i]
		c[i] = sum
		mean += sum * width[i]
	}
	for i := range c {
		c[i] -= mean
	}
}

// variance returns the mean of the squares.
func (c curve) variance(width []float64) float64 {
	sum := 0.0
	for i, v := range c {
		sum += v * v * width[i]
	}
	return sum
}

// addBoxes adds v to the cells of a grid that lie in both runs, as differences along both
// axes. stride is the length of a row.
func addBoxes(grid []float64, stride int, rows, columns []run, v float64) {
	for _, r := range rows {
		for _, c := range columns {
			grid[r.from*stride+c.from] += v
			grid[r.from*stride+c.to] -= v
			grid[r.to*stride+c.from] -= v
			grid[r.to*stride+c.to] += v
		}
	}
}

// interaction returns the variance of a function of two features after subtracting its mean
// over each of them. This also removes what boxes add that cover one feature completely, so
// the grid need not have them.
func interaction(grid, rows, columns []float64) float64 {
	stride := len(columns) + 1
	byColumn := make([]float64, len(columns))
	byRow := make([]float64, len(rows))
	mean := 0.0
	for i, height := range rows {
		sum := 0.0
		for j, width := range columns {
			at := i*stride + j
			sum += grid[at]
			grid[at] = sum
			if i > 0 {
				grid[at] += grid[at-stride]
			}
			byRow[i] += grid[at] * width
			byColumn[j] += grid[at] * height
		}
		mean += byRow[i] * height
	}
	variance := 0.0
	for i, height := range rows {
		for j, width := range columns {
			d := grid[i*stride+j] - byRow[i] - byColumn[j] + mean
			variance += d * d * height * width
		}
	}
	return max(0, variance)
}

// meanAndDeviation returns the mean and the standard deviation of xs.
func meanAndDeviation(xs []float64) (mean, deviation float64) {
	if len(xs) == 0 {
		return 0, 0
	}
	for _, x := range xs {
		mean += x
	}
	mean /= float64(len(xs))
	sum := 0.0
	for _, x := range xs {
		sum += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(sum / float64(len(xs)))
}
