package dense

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// mostCategories is the maximum number of categories of a column that get a column of their
// own: the most frequent ones. The others count as none of them.
const mostCategories = 100

// outlier is the limit of a number, in standard deviations from the mean.
const outlier = 10

// An encoder turns features into numbers whose means over the rows of training are 0.
type encoder struct {
	numbers, flags, categories []int // features: numbers, those of them that are missing somewhere, categories
	mean, scale                []float64
	kept                       [][]pipeline.Float // categories with a column, by feature of categories
	center                     []float64          // means of the columns, which are subtracted
}

// newEncoder returns the encoder for the rows of d.
func newEncoder(d engine.Dataset) (*encoder, error) {
	e := new(encoder)
	weight := func(i int) float64 {
		if d.Weight == nil {
			return 1
		}
		return d.Weight[i]
	}
	for f, column := range d.Columns {
		if slices.Contains(d.Categorical, f) {
			e.categories, e.kept = append(e.categories, f), append(e.kept, frequent(column, weight))
			continue
		}
		sum, n, gaps := 0.0, 0.0, false
		for i, x := range column {
			gaps = gaps || math.IsNaN(x)
			if w := weight(i); w > 0 && finite(x) {
				sum, n = sum+w*x, n+w
			}
		}
		mean, squares := 0.0, 0.0
		if n > 0 {
			mean = sum / n
		}
		for i, x := range column {
			if w := weight(i); w > 0 && finite(x) {
				squares += w * (x - mean) * (x - mean)
			}
		}
		scale := math.Sqrt(squares / max(n, math.SmallestNonzeroFloat64))
		if !finite(mean) || !finite(scale) {
			return nil, pkg.Errorf("%w: the numbers of feature %d are too large to square: divide them by a power of ten", ErrData, f)
		}
		if scale == 0 {
			scale = 1
		}
		e.numbers, e.mean, e.scale = append(e.numbers, f), append(e.mean, mean), append(e.scale, scale)
		if gaps {
			e.flags = append(e.flags, f)
		}
	}
	e.center = make([]float64, e.width())
	rows, n := e.rows(d), 0.0
	for i := range d.Rows() {
		w := weight(i)
		for k := range e.center {
			e.center[k] += w * rows[i*len(e.center)+k]
		}
		n += w
	}
	if !(n > 0) {
		return nil, pkg.Errorf("%w: all rows weigh 0", ErrData)
	}
	for k := range e.center {
		e.center[k] /= n
	}
	return e, nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// frequent returns the most frequent categories of a column, in ascending order.
func frequent(column []float64, weight func(int) float64) []pipeline.Float {
	count := map[float64]float64{}
	for i, x := range column {
		if w := weight(i); w > 0 && x >= 0 {
			count[x] += w
		}
	}
	var all []float64
	for x := range count {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b float64) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	all = all[:min(len(all), mostCategories)]
	slices.Sort(all)
	out := make([]pipeline.Float, len(all))
	for i, x := range all {
		out[i] = pipeline.Float(x)
	}
	return out
}

// width is the number of columns.
func (e *encoder) width() int {
	w := len(e.numbers) + len(e.flags)
	for _, k := range e.kept {
		w += len(k)
	}
	return w
}

// rows returns the columns of d, row by row.
func (e *encoder) rows(d engine.Dataset) []float64 {
	width, n := e.width(), d.Rows()
	out := make([]float64, n*width)
	for k, f := range e.numbers {
		for i, x := range d.Columns[f] {
			if math.IsNaN(x) {
				x = e.mean[k]
			}
			out[i*width+k] = min(max((x-e.mean[k])/e.scale[k], -outlier), outlier)
		}
	}
	at := len(e.numbers)
	for _, f := range e.flags {
		for i, x := range d.Columns[f] {
			if math.IsNaN(x) {
				out[i*width+at] = 1
			}
		}
		at++
	}
	for c, f := range e.categories {
		for i, x := range d.Columns[f] {
			if k, ok := slices.BinarySearch(e.kept[c], pipeline.Float(x)); ok {
				out[i*width+at+k] = 1
			}
		}
		at += len(e.kept[c])
	}
	for i := range out {
		out[i] -= e.center[i%width]
	}
	return out
}

// A graph is a pipeline being made.
type graph struct{ pipeline.Model }

// add adds a node and returns its number.
func (g *graph) add(op pipeline.Op, in ...int) int {
	g.Nodes = append(g.Nodes, pipeline.Node{Op: op, In: in})
	return len(g.Nodes) - 1
}

// graph returns a graph that computes what rows does, and its last node.
func (e *encoder) graph(d engine.Dataset) (*graph, int) {
	g := new(graph)
	for f := range d.Columns {
		in := pipeline.Input{}
		if d.Names != nil {
			in.Name = d.Names[f]
		}
		g.Inputs = append(g.Inputs, in)
	}
	var parts []int
	missing := pipeline.Float(math.NaN())
	if len(e.numbers) > 0 {
		fill := pipeline.Fill{Missing: missing}
		for _, m := range e.mean {
			fill.With = append(fill.With, pipeline.Float(m))
		}
		x := g.add(fill, g.add(pipeline.Columns{At: e.numbers}))
		x = g.add(pipeline.Arithmetic{Do: pipeline.Divide, By: e.scale}, g.add(pipeline.Arithmetic{Do: pipeline.Subtract, By: e.mean}, x))
		parts = append(parts, g.add(pipeline.Clip{Low: -outlier, High: outlier}, x))
	}
	if len(e.flags) > 0 {
		parts = append(parts, g.add(pipeline.Flag{Missing: missing}, g.add(pipeline.Columns{At: e.flags})))
	}
	if len(e.categories) > 0 && e.width() > len(e.numbers)+len(e.flags) {
		parts = append(parts, g.add(pipeline.OneHot{Categories: e.kept}, g.add(pipeline.Columns{At: e.categories})))
	}
	return g, g.add(pipeline.Arithmetic{Do: pipeline.Subtract, By: e.center}, g.add(pipeline.Join{}, parts...))
}
