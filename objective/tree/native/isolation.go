package native

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// isolate grows an isolation forest. A leaf's value is the length of its path plus the
// expected number of further splits that would isolate its rows. The link turns the mean
// path into the anomaly score. At each split, all missing values take the same random
// side.
func isolate(ctx context.Context, train, valid engine.Dataset, p engine.Params, onIteration func(engine.Iteration) error) (*tree.Model, error) {
	n := train.Rows()
	samples := min(p.Samples, n)
	if samples < 2 {
		return nil, engine.BadData("train: %d row of weight above 0: an isolation forest needs at least 2", n)
	}
	m := &tree.Model{Outputs: 1, Average: true, Link: tree.Link{Func: tree.Anomaly, Scale: pathLength(samples)}}
	for f := range train.Columns {
		name := fmt.Sprintf("Column_%d", f)
		if train.Names != nil {
			name = train.Names[f]
		}
		m.Features = append(m.Features, tree.Feature{Name: name})
	}
	for _, f := range train.Categorical {
		m.Features[f].Kind = tree.Categorical
	}
	rows := make([]int, n)
	paths := &paths{model: m, data: valid, sums: make([]float64, valid.Rows())}
	for round := range p.Trees {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g := isolator{columns: train.Columns, model: m, r: generator(p.Seed, drawIsolation, round, 0)}
		g.limit = int(math.Ceil(math.Log2(float64(samples))))
		for i := range rows {
			rows[i] = i
		}
		for i := range samples { // a partial Fisher-Yates shuffle
			j := i + g.r.IntN(n-i)
			rows[i], rows[j] = rows[j], rows[i]
		}
		g.grow(rows[:samples], 0)
		m.Trees = append(m.Trees, g.tree)
		if onIteration == nil {
			continue
		}
		err := onIteration(engine.Iteration{Round: round, Score: math.NaN(), Predictions: paths.scores})
		if errors.Is(err, engine.ErrStop) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// An isolator grows one isolation tree (Liu, Ting and Zhou 2008, Algorithm 2).
type isolator struct {
	columns [][]float64
	model   *tree.Model
	r       *rand.Rand
	limit   int // of the depth
	tree    tree.Tree
}

// grow grows the tree of rows and returns its root: a node or ^leaf. It reorders rows.
func (g *isolator) grow(rows []int, depth int) int {
	if len(rows) > 1 && depth < g.limit {
		// Try features in random order, until one separates some rows from others.
		for _, f := range g.r.Perm(len(g.columns)) {
			node, ok := g.cut(f, rows)
			if !ok {
				continue
			}
			n := 0
			for i, row := range rows {
				if g.left(&node, g.columns[f][row]) {
					rows[i], rows[n] = rows[n], rows[i]
					n++
				}
			}
			at := len(g.tree.Nodes)
			node.Count = len(rows)
			g.tree.Nodes = append(g.tree.Nodes, node)
			left := g.grow(rows[:n], depth+1)
			right := g.grow(rows[n:], depth+1)
			g.tree.Nodes[at].Left, g.tree.Nodes[at].Right = left, right
			return at
		}
	}
	g.tree.Leaves = append(g.tree.Leaves, tree.Leaf{Value: float64(depth) + pathLength(len(rows)), Count: len(rows)})
	return ^(len(g.tree.Leaves) - 1)
}

// cut draws a random split of rows at feature f. A threshold is uniform between the
// extremes; a category goes left or right with equal probability. cut reports whether
// there are two values to split.
func (g *isolator) cut(f int, rows []int) (tree.Node, bool) {
	node := tree.Node{Feature: f, DefaultLeft: g.r.IntN(2) == 0}
	if g.model.Features[f].Kind == tree.Categorical {
		seen := map[int]bool{}
		var all, left []int
		for _, row := range rows {
			if v := g.columns[f][row]; v >= 0 && !seen[int(v)] {
				seen[int(v)] = true
				all = append(all, int(v))
			}
		}
		if len(all) < 2 {
			return node, false
		}
		for len(left) == 0 || len(left) == len(all) {
			left = left[:0]
			for _, c := range all {
				if g.r.IntN(2) == 0 {
					left = append(left, c)
				}
			}
		}
		node.SetCategories(left...)
		return node, true
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, row := range rows {
		if v := g.columns[f][row]; v == v {
			low, high = min(low, v), max(high, v)
		}
	}
	if !(low < high) {
		return node, false
	}
	u := g.r.Float64()
	t := max(low, -math.MaxFloat64)*(1-u) + min(high, math.MaxFloat64)*u
	if r := float64(float32(t)); low <= r && r < high && !math.IsInf(r, 0) {
		t = r
	}
	if !(low <= t && t < high) {
		t = between(low, high)
	}
	node.Threshold = t
	return node, true
}

// left reports whether node sends v left. Negative categories are missing and go right,
// as in the model.
func (g *isolator) left(n *tree.Node, v float64) bool {
	switch {
	case math.IsNaN(v):
		return n.DefaultLeft
	case !n.Categorical():
		return v <= n.Threshold
	}
	c := int(v)
	return v >= 0 && c/32 < len(n.Categories) && n.Categories[c/32]>>(c%32)&1 == 1
}

// pathLength is the mean path of an unsuccessful search in a binary search tree of
// n rows (equation 1): c(n) = 2 H(n-1) - 2 (n-1)/n.
func pathLength(n int) float64 {
	if n < 2 {
		return 0
	}
	harmonic := 0.0
	for i := n - 1; i >= 1; i-- {
		harmonic += 1 / float64(i)
	}
	return 2*harmonic - 2*float64(n-1)/float64(n)
}

// paths holds the lengths of the paths of rows through the trees so far.
type paths struct {
	model *tree.Model
	data  engine.Dataset
	trees int       // counted so far
	sums  []float64 // by row
}

// scores returns the anomaly scores of the rows.
func (p *paths) scores() []float64 {
	g := isolator{columns: p.data.Columns, model: p.model}
	for _, t := range p.model.Trees[p.trees:] {
		for row := range p.sums {
			at := 0
			if len(t.Nodes) == 0 {
				at = ^0
			}
			for at >= 0 {
				n := &t.Nodes[at]
				if at = n.Right; g.left(n, p.data.Columns[n.Feature][row]) {
					at = n.Left
				}
			}
			p.sums[row] += t.Leaves[^at].Value
		}
	}
	p.trees = len(p.model.Trees)
	out := make([]float64, len(p.sums))
	for row, sum := range p.sums {
		out[row] = sum / float64(p.trees)
		p.model.Link.Apply(out[row : row+1])
	}
	return out
}
