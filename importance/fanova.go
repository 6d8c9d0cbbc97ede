package importance

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// FANOVA divides the variance of the objective among parameters and pairs of parameters
// (Hutter et al. 2014, An Efficient Approach for Assessing Hyperparameter Importance). It
// fits a random forest to the trials, and analyses the forest over the whole search space.
// There, all values of a parameter are equally likely on the parameter's scale.
//
// A parameter is left out if some trials lack it or have other bounds, and a doubt in the
// result names it. The zero value is ready to use.
type FANOVA struct {
	// Target must be a single value. The zero value works for a study with one objective.
	Target Target
	Trees  int    // default 64
	Depth  int    // maximum depth of a tree; default 64
	Trials int    // maximum number of trials, drawn at random from all; default 5000
	Seed   uint64 // seed of the forest
}

// A Curve says how the prediction of a forest depends on one parameter, averaged over all
// others.
type Curve struct {
	Axis      space.Axis
	At        []float64 // ascending coordinates on the axis; all choices or integers if there are few
	Mean      []float64 // mean of the objective at each coordinate
	Deviation []float64 // standard deviation of that mean over the trees
}

const (
	maxPairs     = 100
	curvePoints  = 50
	poorForest   = 0.5 // a smaller R² is a doubt
	fewForForest = 50  // fewer trials are a doubt
)

// Evaluate implements [Evaluator].
func (f FANOVA) Evaluate(ctx context.Context, h trial.Snapshot) (Result, error) {
	r, err := f.evaluate(ctx, h)
	if err != nil {
		return Result{}, pkg.Errorf("fANOVA: %w", err)
	}
	return r, nil
}

func (f FANOVA) evaluate(ctx context.Context, h trial.Snapshot) (Result, error) {
	var sums *tally
	return forest{"fANOVA", chooseTarget, f.Target, cmp.Or(f.Trees, 64), cmp.Or(f.Depth, 64), cmp.Or(f.Trials, 5000), f.Seed}.evaluate(ctx, h,
		func(axes space.Space, trees int) { sums = newTally(axes, trees) },
		func(t *table, tr tree, weight []float64) { sums.add(t, tr, weight) },
		func(t *table) Result { return sums.result(t) })
}

// A forest is what methods with a random forest have in common.
type forest struct {
	method               string
	choose               fault.Hint // how to choose an objective
	target               Target
	trees, depth, trials int
	seed                 uint64
}

// evaluate grows a forest. It calls begin with the parameters, add with each tree, and result
// in the end.
func (f forest) evaluate(ctx context.Context, h trial.Snapshot, begin func(space.Space, int), add func(*table, tree, []float64), result func(*table) Result) (Result, error) {
	if f.trees < 1 || f.depth < 1 || f.trials < 2 {
		return Result{}, fmt.Errorf("%w: %d trees of depth %d, fitted to %d trials: want 1, 1 and 2 or more", ErrConfig, f.trees, f.depth, f.trials)
	}
	s, err := f.target.draw(h)
	if err != nil {
		return Result{}, err
	}
	if s.several() {
		return Result{}, fmt.Errorf("%w: %s explains one value, but the study has %d objectives: %w", ErrTarget, f.method, len(s.losses[0]), f.choose)
	}
	rng := rand.New(rand.NewPCG(f.seed, 0))
	drawn := s.thin(f.trials, rng)

	axes, left := s.common()
	if len(axes) == 0 {
		return Result{}, fmt.Errorf("%w and that all %d trials have with the same bounds", ErrParams, len(s.trials))
	}
	t := s.table(axes)
	begin(axes, f.trees)
	g := newGrower(t, f.depth)
	for range f.trees {
		if err := context.Cause(ctx); err != nil {
			return Result{}, err
		}
		tr := g.grow(rng)
		add(t, tr, g.weight)
	}
	r := result(t)
	r.Method, r.Of = f.method, s.of
	for i := range r.Params {
		r.Params[i].Trials = len(s.trials)
	}
	r.Trials = len(s.trials)
	r.Doubts = append(r.Doubts, drawn...)
	if n := len(s.trials); n < fewForForest {
		r.Doubts = append(r.Doubts, fmt.Sprintf("%d trials are few for a forest: want %d", n, fewForForest))
	}
	if !(r.R2 >= poorForest) {
		r.Doubts = append(r.Doubts, fmt.Sprintf("the forest predicts unseen trials badly (R² %.2f)", r.R2))
	}
	if len(left) > 0 {
		r.Doubts = append(r.Doubts, fmt.Sprintf("left out, because some trials lack them or have them with other bounds: %s; PED-ANOVA takes them", some(left)))
	}
	return r, nil
}

// thin draws at most n of the trials, and returns a doubt that says so.
func (s *sample) thin(n int, rng *rand.Rand) (doubts []string) {
	all := len(s.trials)
	if all <= n {
		return nil
	}
	chosen := rng.Perm(all)[:n]
	slices.Sort(chosen)
	thin := sample{of: s.of}
	for _, i := range chosen {
		thin.trials = append(thin.trials, s.trials[i])
		thin.losses = append(thin.losses, s.losses[i])
		thin.values = append(thin.values, s.values[i])
	}
	*s = thin
	return []string{fmt.Sprintf("the forest is fitted to %d of %d trials, drawn at random", n, all)}
}

// common returns the axes that all trials have with the same distribution and more than one
// value, and the names of parameters that some trials lack or have with another distribution.
func (s sample) common() (axes space.Space, left []string) {
	counts := map[string]int{}
	var first space.Finder
	known := s.trials[0].Params.Space
	for _, r := range s.trials {
		for i, a := range r.Params.Space {
			at := i // the order is usually the same in all trials
			if at >= len(known) || known[at].Name != a.Name {
				at = first.Index(known, a.Name)
			}
			if at >= 0 && space.Equal(known[at].Distribution, a.Distribution) {
				counts[a.Name]++
			} else {
				counts[a.Name] += 0
			}
		}
	}
	for _, a := range known {
		if counts[a.Name] == len(s.trials) && varies(a.Distribution) {
			axes = append(axes, a)
		}
	}
	for name, n := range counts {
		if n < len(s.trials) {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	return axes, left
}

// varies reports whether d has more than one value.
func varies(d space.Distribution) bool {
	f, ok := d.(space.FloatDistribution)
	return d.Len() != 1 && !(ok && f.Low == f.High)
}

// table returns the trials as a table for a forest.
func (s sample) table(axes space.Space) *table {
	t := &table{values: s.values}
	for _, a := range axes {
		column := make([]float64, len(s.trials))
		k := 0
		if c, ok := a.Distribution.(*space.CategoricalDistribution); ok {
			k = len(c.Choices)
		}
		for i, r := range s.trials {
			x, _ := r.Params.Coord(a.Name)
			if k == 0 {
				x = unit.To(a.Distribution, x)
			}
			column[i] = x
		}
		t.columns = append(t.columns, column)
		t.choices = append(t.choices, k)
	}
	return t
}

// A tally collects the results of the trees of a forest.
type tally struct {
	axes   space.Space
	main   [][]float64 // by feature and tree: the share of the variance
	pairs  map[[2]int][]float64
	grids  [][]float64   // by feature: the points of its curve, in units of the table
	curves [][][]float64 // by feature, point and tree: the mean
	varied int           // trees whose variance is not 0
	unseen oob
}

// An oob collects predictions of rows by trees that did not see them.
type oob struct {
	sum []float64 // by row
	by  []float64 // by row: the number of such trees
}

// add adds a tree that was fitted to the rows with positive weight.
func (o *oob) add(t *table, tr tree, weight []float64) {
	if o.sum == nil {
		o.sum, o.by = make([]float64, len(t.values)), make([]float64, len(t.values))
	}
	for row, w := range weight {
		if w == 0 {
			o.sum[row] += tr.predict(t, row)
			o.by[row]++
		}
	}
}

func newTally(axes space.Space, trees int) *tally {
	y := &tally{axes: axes, main: make([][]float64, len(axes)), pairs: map[[2]int][]float64{}}
	for _, a := range axes {
		grid := curveGrid(a.Distribution)
		y.grids = append(y.grids, grid)
		y.curves = append(y.curves, make([][]float64, len(grid)))
	}
	return y
}

// curveGrid returns the points of the curve of a parameter, in units of a table. They are
// its values if there are few, else evenly spaced points.
func curveGrid(d space.Distribution) []float64 {
	n := d.Len()
	_, choices := d.(*space.CategoricalDistribution)
	if n == 0 || n > curvePoints && !choices {
		n = curvePoints
		grid := make([]float64, n)
		for i := range grid {
			grid[i] = float64(i) / float64(n-1)
		}
		return grid
	}
	grid := make([]float64, n)
	for i := range grid {
		grid[i] = float64(i)
		if !choices {
			grid[i] = unit.To(d, d.At(i))
		}
	}
	return grid
}

// add adds a tree that was fitted to the rows with positive weight.
func (y *tally) add(t *table, tr tree, weight []float64) {
	y.unseen.add(t, tr, weight)
	a := dissect(t, tr)
	for f, grid := range y.grids {
		for i, x := range grid {
			y.curves[f][i] = append(y.curves[f][i], a.mean+a.main[f][a.cells[f].at(x)])
		}
	}
	if !(a.variance > 0) {
		return
	}
	y.varied++
	for f, c := range a.main {
		y.main[f] = append(y.main[f], c.variance(a.cells[f].width)/a.variance)
	}
	for key, v := range a.pairs {
		y.pairs[key] = append(y.pairs[key], v/a.variance)
	}
}

// result returns the result of the forest.
func (y *tally) result(t *table) Result {
	r := Result{R2: y.unseen.r2(t.values)}
	for f, a := range y.axes {
		p := Param{Name: a.Name}
		p.Value, p.Deviation = meanAndDeviation(y.main[f])
		p.Curve.Axis = a
		for i, x := range y.grids[f] {
			if t.choices[f] == 0 {
				x = unit.From(a.Distribution, x)
			}
			mean, deviation := meanAndDeviation(y.curves[f][i])
			p.Curve.At = append(p.Curve.At, x)
			p.Curve.Mean = append(p.Curve.Mean, mean)
			p.Curve.Deviation = append(p.Curve.Deviation, deviation)
		}
		r.Params = append(r.Params, p)
	}
	r.Params = sorted(r.Params)
	place := map[string]int{}
	for i, p := range r.Params {
		place[p.Name] = i
	}
	for key, values := range y.pairs {
		values = append(values, make([]float64, y.varied-len(values))...) // 0 in trees without it
		p := Pair{A: y.axes[key[0]].Name, B: y.axes[key[1]].Name}
		if place[p.A] > place[p.B] {
			p.A, p.B = p.B, p.A
		}
		if p.Value, p.Deviation = meanAndDeviation(values); p.Value > 0 {
			r.Pairs = append(r.Pairs, p)
		}
	}
	slices.SortFunc(r.Pairs, func(a, b Pair) int {
		return cmp.Or(-cmp.Compare(a.Value, b.Value), cmp.Compare(place[a.A], place[b.A]), cmp.Compare(place[a.B], place[b.B]))
	})
	r.Pairs = slices.Clip(r.Pairs[:min(maxPairs, len(r.Pairs))])
	return r
}

// r2 returns the R² of the predictions.
func (o *oob) r2(values []float64) float64 {
	var seen []float64
	left := 0.0
	for row, n := range o.by {
		if n > 0 {
			d := values[row] - o.sum[row]/n
			left += d * d
			seen = append(seen, values[row])
		}
	}
	_, deviation := meanAndDeviation(seen)
	if deviation == 0 {
		return math.NaN()
	}
	return 1 - left/(deviation*deviation*float64(len(seen)))
}

// some lists names, but at most five of them.
func some(names []string) string {
	if n := len(names); n > 5 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), n-5)
	}
	return strings.Join(names, ", ")
}

// are returns the number of things, followed by "is" or "are".
func are(n int, thing string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s is", n, thing)
	}
	return fmt.Sprintf("%d %ss are", n, thing)
}
