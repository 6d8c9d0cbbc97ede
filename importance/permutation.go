package importance

import (
	"cmp"
	"context"
	"math/rand/v2"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// Permutation asks how much worse a random forest predicts the objective if it no longer knows a parameter (Breiman
// 2001, Random Forests, section 10). For each tree and parameter it takes the trials that the tree has not seen,
// shuffles their values of the parameter, and measures how much the mean squared error grows.
//
// Unlike [FANOVA], it asks about the region where the trials are, not about the whole search
// space: a parameter that matters only in regions that the sampler left has little importance.
// It has no interactions: what a parameter does together with another counts for both.
//
// A parameter is left out if some trials lack it or have other bounds, and a doubt in the
// result names it. The zero value is ready to use.
type Permutation struct {
	// Target must be a single value. The zero value works for a study with one objective.
	Target Target
	Trees  int    // default 64
	Depth  int    // maximum depth of a tree; default 64
	Trials int    // maximum number of trials, drawn at random from all; default 5000
	Seed   uint64 // seed of the forest and of the permutations
}

var choosePermuted = fault.Hint{Field: "importance.Permutation.Target", Want: "choose one with %s"}

// Evaluate implements [Evaluator].
func (p Permutation) Evaluate(ctx context.Context, h trial.Snapshot) (Result, error) {
	y := &shuffled{rng: rand.New(rand.NewPCG(p.Seed, 1))}
	f := forest{"permutation", choosePermuted, p.Target, cmp.Or(p.Trees, 64), cmp.Or(p.Depth, 64), cmp.Or(p.Trials, 5000), p.Seed}
	r, err := f.evaluate(ctx, h, y.begin, y.add, y.result)
	if err != nil {
		return Result{}, pkg.Errorf("permutation: %w", err)
	}
	return r, nil
}

// shuffled collects how much the errors of trees grow without each parameter.
type shuffled struct {
	axes   space.Space
	rng    *rand.Rand
	growth [][]float64 // by feature and tree
	unseen oob
}

func (y *shuffled) begin(axes space.Space, _ int) {
	y.axes, y.growth = axes, make([][]float64, len(axes))
}

// add adds a tree that was fitted to the rows with positive weight.
func (y *shuffled) add(t *table, tr tree, weight []float64) {
	y.unseen.add(t, tr, weight)
	var rows []int
	before := 0.0
	for row, w := range weight {
		if w == 0 {
			rows = append(rows, row)
			before += square(t.values[row] - tr.predict(t, row))
		}
	}
	if len(rows) == 0 {
		return
	}
	used := make([]bool, len(y.axes))
	for _, n := range tr {
		if n.feature >= 0 {
			used[n.feature] = true
		}
	}
	for f := range y.axes {
		growth := 0.0
		order := y.rng.Perm(len(rows)) // of each, so that the draws do not depend on the tree
		if used[f] {
			after := 0.0
			for i, row := range rows {
				after += square(t.values[row] - tr.predictWith(t, row, f, t.columns[f][rows[order[i]]]))
			}
			growth = (after - before) / float64(len(rows))
		}
		y.growth[f] = append(y.growth[f], growth)
	}
}

func square(x float64) float64 { return x * x }

// result returns the result of the forest.
func (y *shuffled) result(t *table) Result {
	r := Result{R2: y.unseen.r2(t.values)}
	_, deviation := meanAndDeviation(t.values)
	for f, a := range y.axes {
		mean, spread := meanAndDeviation(y.growth[f])
		p := Param{Name: a.Name}
		if deviation > 0 {
			p.Value, p.Deviation = max(0, mean)/square(deviation), spread/square(deviation)
		}
		r.Params = append(r.Params, p)
	}
	r.Params = sorted(r.Params)
	return r
}

// predictWith returns what tr predicts for a row if one feature of it were x.
func (tr tree) predictWith(t *table, row, feature int, x float64) float64 {
	at := 0
	for tr[at].feature >= 0 {
		n := &tr[at]
		v := t.columns[n.feature][row]
		if n.feature == feature {
			v = x
		}
		at = n.right
		if t.goesLeft(n.feature, v, n.cut) {
			at = n.left
		}
	}
	return tr[at].value
}
