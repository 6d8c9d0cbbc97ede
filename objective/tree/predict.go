package tree

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// A Predictor predicts with a model, fast. It is safe for concurrent use, and keeps
// the model: m must not be changed while it is in use.
//
// The trees are laid out in nodes of 16 bytes, children side by side and leaves
// that point to themselves, so that a step is a comparison and an addition without
// a branch; 64 rows at a time go through one tree after the other, eight side by
// side. What a missing value means is settled before, column by column.
type Predictor struct {
	m       *Model
	columns []input
	cells   []cell
	sets    [][]uint32
	trees   []compiled
	groups  []group
	shares  []float64
	threads int
	scratch sync.Pool // of *[]float64
}

// A cell is a node: it sends a row to cell right, or to right+1 if the value in its
// column is <= threshold. A leaf compares the -Inf of column 0 with its value, and so
// stays where it is: its right is the cell before it, of the first cell the one
// before 0, which wraps.
type cell struct {
	threshold     float64 // of a categorical split: the index of its set
	column, right uint32
}

// A compiled is a tree among the cells.
type compiled struct {
	root   uint32
	depth  int // steps that take any row to its leaf
	output int
	walk   walk
}

// A group is trees that one row goes through side by side, or a tree alone.
type group struct {
	first, trees int
	together     bool // no splits by category, no linear leaves
	depth        int  // of the deepest
	roots        [lanes]uint32
}

// groups returns the trees in groups, in order.
func groups(trees []compiled) []group {
	var all []group
	for i, t := range trees {
		alone := t.walk != byNumber
		if n := len(all); n == 0 || alone || !all[n-1].together || all[n-1].trees == lanes {
			all = append(all, group{first: i, together: !alone})
		}
		g := &all[len(all)-1]
		for lane := g.trees; lane < lanes; lane++ { // lanes without a tree repeat the last
			g.roots[lane] = t.root
		}
		g.trees++
		g.depth = max(g.depth, t.depth)
	}
	return all
}

type walk uint8

const (
	byNumber   walk = iota
	byCategory      // some splits are categorical
	byModel         // leaves are linear: as the model says
)

// An input is a column made of a feature, in which the values missing for some
// splits have become such as go where these splits send them:
//
//	numeric      -Inf goes left, NaN right
//	categorical  the category's number; -2 goes left, -1 right
type input struct {
	feature     int
	categorical bool
	missing     Missing
	left        bool
}

const (
	lanes       = 8 // walks side by side
	stride      = 4 // steps before a look whether all walks have ended
	blockRows   = 64
	rowsAThread = 256 // a goroutine for less is not worth it
)

// NewPredictor compiles m. Predictions of many rows are shared among at most
// threads goroutines, as many as GOMAXPROCS when threads is 0 or less; the results
// are the same. It returns the error of [Model.Validate].
func NewPredictor(m *Model, threads int) (*Predictor, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := &Predictor{m: m, threads: threads, columns: make([]input, 1), shares: m.shares()}
	index := map[input]uint32{}
	size := 0
	for i := range m.Trees {
		size += len(m.Trees[i].Nodes) + len(m.Trees[i].Leaves)
	}
	if uint64(size) > math.MaxUint32 {
		return nil, unsupported("a model of %d nodes", size)
	}
	p.cells = make([]cell, 0, size)
	for i := range m.Trees {
		p.compile(&m.Trees[i], index)
	}
	p.groups = groups(p.trees)
	return p, nil
}

func (p *Predictor) compile(t *Tree, index map[input]uint32) {
	c := compiled{root: uint32(len(p.cells)), output: t.Output}
	linear := func(l Leaf) bool { return l.Linear != nil }
	if slices.ContainsFunc(t.Leaves, linear) {
		c.walk = byModel
		p.trees = append(p.trees, c)
		return
	}
	// Breadth first: the children of a node are the next two that are free.
	type place struct{ node, depth int }
	root := place{}
	if len(t.Nodes) == 0 {
		root.node = ^0
	}
	queue := append(make([]place, 0, 2*len(t.Leaves)), root)
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		c.depth = max(c.depth, at.depth)
		if at.node < 0 {
			p.cells = append(p.cells, cell{threshold: t.Leaves[^at.node].Value, right: c.root + uint32(i) - 1})
			continue
		}
		n := &t.Nodes[at.node]
		in := input{n.Feature, n.Categorical(), n.Missing, n.DefaultLeft}
		if n.Missing == MissingNone {
			in.left = false
		}
		column, ok := index[in]
		if !ok {
			column = uint32(len(p.columns))
			index[in] = column
			p.columns = append(p.columns, in)
		}
		next := cell{threshold: p.m.threshold(n), column: column, right: c.root + uint32(len(queue))}
		if n.Categorical() {
			c.walk = byCategory
			next.threshold = float64(len(p.sets))
			p.sets = append(p.sets, n.Categories)
		}
		p.cells = append(p.cells, next)
		queue = append(queue, place{n.Right, at.depth + 1}, place{n.Left, at.depth + 1})
	}
	p.trees = append(p.trees, c)
}

// Model returns the model that p predicts with; it must not be changed.
func (p *Predictor) Model() *Model { return p.m }

// Predict writes to out what the model predicts for rows, its link applied.
//
// rows holds the values of one row after the other, as many as the model has
// features; NaN is a missing value, categories are their numbers. out gets one
// value per output for one row after the other: len(out) is the number of rows
// times m.Outputs. Sizes that do not fit, a wrong number of features among them,
// are an error, and nothing is written.
func (p *Predictor) Predict(rows, out []float64) error {
	if err := p.PredictRaw(rows, out); err != nil {
		return err
	}
	if p.m.Link.Func != Identity {
		for row := range slices.Chunk(out, p.m.Outputs) {
			p.m.Link.Apply(row)
		}
	}
	return nil
}

// PredictRaw is [Predictor.Predict] without the link: margins, log-odds and the
// like. Averages are taken.
func (p *Predictor) PredictRaw(rows, out []float64) error {
	n, err := p.m.rows(rows, out, p.m.Outputs)
	if err != nil {
		return err
	}
	threads := min(p.threads, n/rowsAThread)
	if threads < 2 {
		p.span(rows, out, 0, n)
		return nil
	}
	blocks := (n + blockRows - 1) / blockRows
	var wg sync.WaitGroup
	for i := range threads {
		from, to := blocks*i/threads*blockRows, min(blocks*(i+1)/threads*blockRows, n)
		wg.Go(func() { p.span(rows, out, from, to) })
	}
	wg.Wait()
	return nil
}

// rows returns how many rows there are, given width values of output for each.
func (m *Model) rows(rows, out []float64, width int) (int, error) {
	n := len(out) / width
	if len(out)%width != 0 || len(rows) != n*len(m.Features) {
		return 0, fmt.Errorf("tree: predict: %d values in and %d out: want %d in and %d out a row", len(rows), len(out), len(m.Features), width)
	}
	return n, nil
}

// span predicts rows from..to-1.
func (p *Predictor) span(rows, out []float64, from, to int) {
	buf, _ := p.scratch.Get().(*[]float64)
	if buf == nil {
		b := make([]float64, blockRows*len(p.columns)+len(p.m.Features))
		buf = &b
	}
	f, k := len(p.m.Features), p.m.Outputs
	for ; from < to; from += blockRows {
		end := min(from+blockRows, to)
		p.block(rows[from*f:end*f], out[from*k:end*k], end-from, *buf)
	}
	p.scratch.Put(buf)
}

func (p *Predictor) block(rows, out []float64, n int, buf []float64) {
	width := len(p.columns)
	x, row := buf[:blockRows*width], buf[blockRows*width:]
	for c := range p.columns {
		p.gather(c, rows, x, n)
	}
	f, k := len(p.m.Features), p.m.Outputs
	clear(out)
	if p.m.Base != nil && !p.m.Average {
		for i := 0; i < len(out); i += k {
			copy(out[i:], p.m.Base)
		}
	}
	whole := n / lanes * lanes
	if whole > 0 {
		for i := range p.trees {
			switch t := &p.trees[i]; t.walk {
			case byNumber:
				p.rowsOf(t, x, out, whole)
			default:
				for r := range whole {
					out[r*k+t.output] += p.one(i, x[r*width:(r+1)*width], rows[r*f:(r+1)*f], row)
				}
			}
		}
	}
	for r := whole; r < n; r++ {
		p.treesOf(x[r*width:(r+1)*width], rows[r*f:(r+1)*f], out[r*k:(r+1)*k], row)
	}
	if p.m.Average {
		for i := range out {
			out[i] /= p.shares[i%k]
		}
	}
}

// round copies a row, its values rounded to float32.
func round(to, from []float64) {
	for i, v := range from {
		to[i] = float64(float32(v))
	}
}

// gather fills column c of n rows of x. Thresholds are widened already where the
// model rounds to float32 (see [widen]), so that numbers are taken as they are.
func (p *Predictor) gather(c int, rows, x []float64, n int) {
	width, f := len(p.columns), len(p.m.Features)
	if c == 0 {
		for r := range n {
			x[r*width] = math.Inf(-1)
		}
		return
	}
	in := p.columns[c]
	missing := math.NaN()
	if in.left {
		missing = math.Inf(-1)
	}
	switch {
	case in.categorical:
		for r := range n {
			x[r*width+c] = p.categoryOf(rows[r*f+in.feature], in.left)
		}
	case in.missing == MissingNone:
		for r := range n {
			v := rows[r*f+in.feature]
			if v != v {
				v = 0
			}
			x[r*width+c] = v
		}
	case in.missing == MissingZero:
		zero := ZeroRange
		if p.m.Float32 {
			zero = widen(zero)
		}
		for r := range n {
			v := rows[r*f+in.feature]
			if !(math.Abs(v) > zero) {
				v = missing
			}
			x[r*width+c] = v
		}
	default:
		for r := range n {
			v := rows[r*f+in.feature]
			if v != v {
				v = missing
			}
			x[r*width+c] = v
		}
	}
}

func (p *Predictor) categoryOf(v float64, missingLeft bool) float64 {
	if p.m.Float32 {
		v = float64(float32(v))
	}
	switch {
	case v != v && missingLeft:
		return -2
	case v != v, v <= -1, v >= MaxCategories, p.m.Float32 && v < 0:
		return -1
	}
	return math.Trunc(v)
}

// rowsOf adds a tree without categories to the outputs of n rows, a multiple of lanes.
func (p *Predictor) rowsOf(t *compiled, x, out []float64, n int) {
	cells, width, k := p.cells, len(p.columns), p.m.Outputs
	for r := 0; r < n; r += lanes {
		x0, x1 := x[r*width:][:width], x[(r+1)*width:][:width]
		x2, x3 := x[(r+2)*width:][:width], x[(r+3)*width:][:width]
		x4, x5 := x[(r+4)*width:][:width], x[(r+5)*width:][:width]
		x6, x7 := x[(r+6)*width:][:width], x[(r+7)*width:][:width]
		c0, c1, c2, c3 := t.root, t.root, t.root, t.root
		c4, c5, c6, c7 := t.root, t.root, t.root, t.root
		for d := t.depth; d > 0; d -= stride {
			for range min(d, stride) {
				c0, c1 = step(cells, x0, c0), step(cells, x1, c1)
				c2, c3 = step(cells, x2, c2), step(cells, x3, c3)
				c4, c5 = step(cells, x4, c4), step(cells, x5, c5)
				c6, c7 = step(cells, x6, c6), step(cells, x7, c7)
			}
			if cells[c0].column|cells[c1].column|cells[c2].column|cells[c3].column|
				cells[c4].column|cells[c5].column|cells[c6].column|cells[c7].column == 0 {
				break
			}
		}
		at := out[r*k+t.output:]
		at[0] += cells[c0].threshold
		at[k] += cells[c1].threshold
		at[2*k] += cells[c2].threshold
		at[3*k] += cells[c3].threshold
		at[4*k] += cells[c4].threshold
		at[5*k] += cells[c5].threshold
		at[6*k] += cells[c6].threshold
		at[7*k] += cells[c7].threshold
	}
}

// treesOf adds all trees to the outputs of one row, lanes trees side by side where
// they have no categories.
func (p *Predictor) treesOf(x, values, out, scratch []float64) {
	cells := p.cells
	for i := range p.groups {
		g := &p.groups[i]
		if !g.together {
			out[p.trees[g.first].output] += p.one(g.first, x, values, scratch)
			continue
		}
		c0, c1, c2, c3 := g.roots[0], g.roots[1], g.roots[2], g.roots[3]
		c4, c5, c6, c7 := g.roots[4], g.roots[5], g.roots[6], g.roots[7]
		for d := g.depth; d > 0; d -= stride {
			for range min(d, stride) {
				c0, c1 = step(cells, x, c0), step(cells, x, c1)
				c2, c3 = step(cells, x, c2), step(cells, x, c3)
				c4, c5 = step(cells, x, c4), step(cells, x, c5)
				c6, c7 = step(cells, x, c6), step(cells, x, c7)
			}
			if cells[c0].column|cells[c1].column|cells[c2].column|cells[c3].column|
				cells[c4].column|cells[c5].column|cells[c6].column|cells[c7].column == 0 {
				break
			}
		}
		leaves := [lanes]float64{
			cells[c0].threshold, cells[c1].threshold, cells[c2].threshold, cells[c3].threshold,
			cells[c4].threshold, cells[c5].threshold, cells[c6].threshold, cells[c7].threshold,
		}
		if len(out) == 1 && g.trees == lanes { // a sum that stays in a register
			out[0] = out[0] + leaves[0] + leaves[1] + leaves[2] + leaves[3] + leaves[4] + leaves[5] + leaves[6] + leaves[7]
			continue
		}
		for j, t := range p.trees[g.first:][:g.trees] {
			out[t.output] += leaves[j]
		}
	}
}

// one returns what tree i adds for a row: x in columns, values as they were given.
func (p *Predictor) one(i int, x, values, scratch []float64) float64 {
	t := &p.trees[i]
	if t.walk != byModel {
		return p.category(t, x)
	}
	if p.m.Float32 {
		round(scratch, values)
		values = scratch
	}
	mt := &p.m.Trees[i]
	return mt.Leaves[mt.leaf(values, p.m.Float32)].at(values)
}

func step(cells []cell, row []float64, at uint32) uint32 {
	c := &cells[at]
	var left uint32
	if row[c.column] <= c.threshold {
		left = 1
	}
	return c.right + left
}

// category returns the leaf value of a tree without linear leaves.
func (p *Predictor) category(t *compiled, row []float64) float64 {
	at := t.root
	for {
		c := &p.cells[at]
		if c.column == 0 {
			return c.threshold
		}
		if !p.columns[c.column].categorical {
			at = step(p.cells, row, at)
			continue
		}
		set := p.sets[int(c.threshold)]
		v := int(row[c.column])
		if v == -2 || v >= 0 && v/32 < len(set) && set[v/32]>>(v%32)&1 == 1 {
			at = c.right + 1
		} else {
			at = c.right
		}
	}
}
