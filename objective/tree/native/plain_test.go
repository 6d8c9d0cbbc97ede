package native

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// predict returns what m predicts for the rows of d, computed directly from the
// definition of a model.
func predict(m *tree.Model, d engine.Dataset) []float64 {
	out := make([]float64, 0, d.Rows()*m.Outputs)
	for i := range d.Rows() {
		row := make([]float64, m.Outputs)
		copy(row, m.Base)
		counts := make([]float64, m.Outputs)
		for t := range m.Trees {
			tr := &m.Trees[t]
			row[tr.Output] += tr.Leaves[plainLeaf(tr, d, i)].Value
			counts[tr.Output]++
		}
		if m.Average {
			for k := range row {
				row[k] /= counts[k]
			}
		}
		m.Link.Apply(row)
		out = append(out, row...)
	}
	return out
}

func plainLeaf(t *tree.Tree, d engine.Dataset, i int) int {
	if len(t.Nodes) == 0 {
		return 0
	}
	at := 0
	for at >= 0 {
		n := &t.Nodes[at]
		x := d.Columns[n.Feature][i]
		left := x <= n.Threshold
		switch {
		case x != x:
			left = n.DefaultLeft
		case n.Categorical():
			c := int(x)
			left = c >= 0 && c/32 < len(n.Categories) && n.Categories[c/32]>>(c%32)&1 == 1
		}
		if at = n.Right; left {
			at = n.Left
		}
	}
	return ^at
}

// plainScores is a slow and simple twin of the trainer. It returns the scores of the
// training rows, from exact sums of floating-point numbers that it recomputes for every
// candidate split. It supports leaf-wise and level-wise growth of boosted trees with one
// output on all rows, without monotone features.
func plainScores(d engine.Dataset, p engine.Params) []float64 {
	p = p.WithDefaults(len(d.Columns))
	o := newObjective(p)
	n := d.Rows()
	start := o.start(d.Label, d.Weight)
	var bins []binner
	for f, column := range d.Columns {
		var scratch [2][]uint64
		bins = append(bins, newBinner(column, p.MaxBins, slices.Contains(d.Categorical, f), &scratch))
	}
	scores := slices.Repeat([]float64{start}, n)
	for range p.Trees {
		pl := plain{d: d, p: p, bins: bins, g: make([]float64, n), h: slices.Repeat([]float64{1}, n)}
		o.derive(scores, d.Label, pl.g, pl.h)
		for i, w := range d.Weight {
			pl.g[i] *= w
			pl.h[i] *= w
		}
		for _, l := range pl.grow() {
			if r, ok := o.(renewer); ok {
				var residuals, weights []float64
				for _, i := range l.rows {
					residuals = append(residuals, d.Label[i]-scores[i])
					if d.Weight != nil {
						weights = append(weights, d.Weight[i])
					}
				}
				l.value = r.renew(residuals, weights)
			}
			for _, i := range l.rows {
				scores[i] += p.LearningRate * l.value
			}
		}
	}
	return scores
}

type plain struct {
	d    engine.Dataset
	p    engine.Params
	bins []binner
	g, h []float64
}

type plainPart struct {
	rows        []int
	depth       int
	value       float64
	gain        float64
	left, right *plainPart
}

func (pl *plain) grow() []*plainPart {
	rows := make([]int, pl.d.Rows())
	for i := range rows {
		rows[i] = i
	}
	root := &plainPart{rows: rows}
	root.value = pl.value(rows, pl.p.LambdaL2)
	pl.split(root)
	parts := []*plainPart{root}
	for len(parts) < pl.p.Leaves {
		best := -1
		for i, q := range parts {
			if q.gain <= 0 {
				continue
			}
			switch {
			case best < 0:
				best = i
			case pl.p.Growth == engine.LevelWise && q.depth != parts[best].depth:
				if q.depth < parts[best].depth {
					best = i
				}
			case q.gain > parts[best].gain:
				best = i
			}
		}
		if best < 0 {
			break
		}
		q := parts[best]
		parts = slices.Delete(parts, best, best+1)
		for _, child := range []*plainPart{q.left, q.right} {
			child.depth = q.depth + 1
			pl.split(child)
			parts = append(parts, child)
		}
	}
	return parts
}

// split finds the best split of q.
func (pl *plain) split(q *plainPart) {
	if q.depth == pl.p.Depth {
		return
	}
	try := func(l2 float64, goesLeft func(i int) bool) {
		var left, right []int
		for _, i := range q.rows {
			if goesLeft(i) {
				left = append(left, i)
			} else {
				right = append(right, i)
			}
		}
		for _, side := range [][]int{left, right} {
			if _, h := pl.sums(side); len(side) < pl.p.MinRows || h < pl.p.MinWeight {
				return
			}
		}
		gain := pl.score(left, l2) + pl.score(right, l2) - pl.score(q.rows, pl.p.LambdaL2)
		if gain > pl.p.MinGain && gain > q.gain*(1+1e-9)+1e-9 {
			q.gain = gain
			q.left = &plainPart{rows: left, value: pl.value(left, l2)}
			q.right = &plainPart{rows: right, value: pl.value(right, l2)}
		}
	}
	for f := range pl.bins {
		b, column := &pl.bins[f], pl.d.Columns[f]
		if !b.categorical {
			for _, t := range b.upper {
				try(pl.p.LambdaL2, func(i int) bool { return column[i] <= t })
			}
			for _, t := range b.upper {
				try(pl.p.LambdaL2, func(i int) bool { return column[i] <= t || math.IsNaN(column[i]) })
			}
			continue
		}
		type category struct {
			c     int
			order float64
		}
		var present []category
		for _, c := range b.categories {
			var rows []int
			for _, i := range q.rows {
				if column[i] == float64(c) {
					rows = append(rows, i)
				}
			}
			if len(rows) > 0 {
				g, h := pl.sums(rows)
				present = append(present, category{c, g / (h + pl.p.CategorySmooth)})
			}
		}
		within := func(cs []category) func(int) bool {
			return func(i int) bool {
				return slices.ContainsFunc(cs, func(c category) bool { return column[i] == float64(c.c) })
			}
		}
		if len(b.categories) <= pl.p.OneHot {
			for i := range present {
				try(pl.p.LambdaL2, within(present[i:i+1]))
			}
			continue
		}
		slices.SortStableFunc(present, func(a, b category) int { return cmp.Compare(a.order, b.order) })
		for k := 1; k <= min(len(present), pl.p.CategorySet); k++ {
			try(pl.p.LambdaL2+pl.p.CategoryL2, within(present[:k]))
		}
		for k := 1; k <= min(len(present), pl.p.CategorySet); k++ {
			try(pl.p.LambdaL2+pl.p.CategoryL2, within(present[len(present)-k:]))
		}
	}
}

func (pl *plain) sums(rows []int) (g, h float64) {
	for _, i := range rows {
		g += pl.g[i]
		h += pl.h[i]
	}
	return g, h
}

func (pl *plain) value(rows []int, l2 float64) float64 {
	g, h := pl.sums(rows)
	return -math.Copysign(max(math.Abs(g)-pl.p.LambdaL1, 0), g) / (h + l2)
}

// score is twice the reduction of the loss by the best value of a leaf (Chen and
// Guestrin, XGBoost, 2016, eq. 6).
func (pl *plain) score(rows []int, l2 float64) float64 {
	g, h := pl.sums(rows)
	g = max(math.Abs(g)-pl.p.LambdaL1, 0)
	return g * g / (h + l2)
}
