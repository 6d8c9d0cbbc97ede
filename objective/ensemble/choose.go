package ensemble

import (
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
)

const pkg fault.Package = "ensemble"

// A Candidate is a model that can become a member of an ensemble.
type Candidate struct {
	Name string
	// Rank orders models by simplicity: the simplest model has the lowest rank.
	Rank int
	// Baseline marks a model that learns nothing. No ensemble is used that is clearly worse than
	// the best of these.
	Baseline bool
	// Result has the predictions in all folds of the backtest. Each fold was predicted by a
	// model that did not see the fold's test data.
	Result forecast.Result
}

// An Estimate is a number and its standard error, which is NaN if it is not known.
type Estimate struct{ Value, Error float64 }

// String returns "4.02 ± 0.31".
func (e Estimate) String() string {
	if math.IsNaN(e.Error) {
		return fmt.Sprintf("%.4g", e.Value)
	}
	return fmt.Sprintf("%.4g ± %.2g", e.Value, e.Error)
}

// A Choice says which of several candidates to forecast with.
type Choice struct {
	// Weights are the weights of the candidates in the ensemble. They are not negative and
	// add up to 1.
	Weights []float64
	// Ensemble is the score of ensembles chosen in the same way. The ensemble for each fold
	// was chosen on other folds, if there are others that do not overlap with it.
	Ensemble Estimate
	// Honest has what those ensembles predict in their folds.
	Honest forecast.Result
	// Picked is the score of single candidates chosen and scored in the same way.
	Picked Estimate
	// Gain says how much better those ensembles are than those candidates, in the folds that
	// they were not chosen on.
	Gain Estimate
	// Single is the candidate to use alone: the simplest of those that are worse than the
	// best by at most the standard error of the difference.
	Single int
	// Best is the candidate with the best score.
	Best int
	// Baseline is the baseline with the best score, -1 if there is none.
	Baseline int
	// Behind says how much worse the ensembles are than that baseline, in all folds. It is negative
	// if they are better.
	Behind Estimate
	// Beaten reports that the ensembles are worse than that baseline: by more than the standard
	// error, or by more than a tenth of the baseline's score.
	Beaten bool
	// Better reports whether to use the ensemble: it has several members, single candidates
	// are not better by more than the standard error, and it is neither Beaten nor Unproven.
	Better bool
	// Judged is the number of values that forecasts were compared with, without those of
	// folds that overlap with others.
	Judged int
	// Unproven reports that the folds say too little to believe in an ensemble: fewer than 10
	// values were judged, or the standard error of its score is more than half of the score.
	Unproven bool
}

// Loss returns how much worse the ensembles are: the opposite of Gain.
func (c Choice) Loss() Estimate { return Estimate{-c.Gain.Value, c.Gain.Error} }

// fewest is the number of values on which an ensemble must be judged to be believed.
const fewest = 10

// picks is the number of members that a selection has at most, counting repetitions.
const picks = 20

// least is the smallest weight of a member. A member with less costs more than it gains.
const least = 0.04

// near is how much worse than the best a candidate may score, relatively, to get a share of
// the equal weights.
const near = 0.1

// Choose chooses weights. They are a mean of two proposals. The first is greedy selection
// with replacement (Caruana et al., "Ensemble selection from libraries of models", ICML
// 2004): each of up to 20 steps adds the candidate that improves the mean forecast most, and
// the best ensemble of all steps counts. The second is equal weights for the models that score
// within 10 % of the best. A model with several candidates divides its weight among them. Equal
// weights are hard to beat where the folds say little, and greedy ones follow them where they
// say more. So the share of the equal weights is 1/√n, where n is the number of forecasts in the
// folds, of all series, that do not overlap.
//
// Choose makes one choice for each fold, on the folds whose tests do not overlap with it,
// and scores the choice on that fold. So the pooled score is unbiased. The weights are the
// means over these choices, which vary less than a single choice on all folds.
// Weights below 4 % become 0. Where all other folds overlap with a fold, its choice is made on
// all folds, and the fold does not count for the gain. If fewer than two folds count, nothing
// is known about the gain: it is 0, and its standard error NaN.
//
// Ensembles and single candidates chosen in this way can be equally bad: where a model is good in
// some folds and fails in others, those that choose it are not those that judge it. A baseline's
// own score does not depend on such a choice, so the ensembles must not be Beaten by it.
//
// It fails with [forecast.ErrConfig] if there are no candidates, or if a result lacks folds.
func Choose(back *forecast.Backtest, candidates []Candidate) (Choice, error) {
	l, err := newLibrary(back, candidates)
	if err != nil {
		return Choice{}, pkg.Errorf("choose: %w", err)
	}
	var c Choice
	all := l.others(-1)
	c.Best = l.best(all)
	c.Single = l.simplest(c.Best)
	c.Weights = make([]float64, len(candidates))
	honest, picked := make([][]float64, l.folds), make([][]float64, l.folds)
	var judged []int // folds
	for fold := range l.folds {
		others := l.others(fold)
		if len(others) > 0 {
			judged = append(judged, fold)
		} else {
			others = all
		}
		w := l.choose(others)
		for i, x := range w {
			c.Weights[i] += x / float64(l.folds)
		}
		honest[fold] = l.mean(w, fold)
		picked[fold] = l.forecasts[l.best(others)][fold]
	}
	c.Ensemble, c.Picked, c.Gain = l.estimate(honest), l.estimate(picked), Estimate{0, math.NaN()}
	c.Honest = l.result(candidates[0].Result, honest)
	if len(judged) > 1 {
		c.Gain = l.gain(honest, picked, judged)
		if math.Abs(c.Gain.Value) <= 1e-12*math.Abs(c.Picked.Value) { // the same, but for rounding
			c.Gain = Estimate{}
		}
	}
	c.Baseline, c.Behind = -1, Estimate{0, math.NaN()}
	for i, of := range candidates {
		if of.Baseline && (c.Baseline < 0 || l.metric.Better(l.score(l.forecasts[i], all), l.score(l.forecasts[c.Baseline], all))) {
			c.Baseline = i
		}
	}
	if c.Baseline >= 0 {
		c.Behind = l.gain(l.forecasts[c.Baseline], honest, all)
		score := math.Abs(l.score(l.forecasts[c.Baseline], all))
		c.Beaten = c.Behind.Value > 1e-12*score && (c.Behind.Value > c.Behind.Error || c.Behind.Value > score/10)
	}
	members := trim(c.Weights)
	c.Judged = l.judged()
	c.Unproven = c.Judged < fewest || c.Ensemble.Error > math.Abs(c.Ensemble.Value)/2
	c.Better = members > 1 && !c.Unproven && !c.Beaten && !(c.Gain.Value <= -c.Gain.Error)
	return c, nil
}

// trim removes small weights, and scales the others so that they add up to 1. It returns their
// number. The largest weights stay in any case.
func trim(weights []float64) (members int) {
	small, sum := min(least, slices.Max(weights)), 0.0
	for i, w := range weights {
		if w < small {
			weights[i] = 0
			continue
		}
		members, sum = members+1, sum+w
	}
	for i := range weights {
		weights[i] /= sum
	}
	return members
}

// A library has the forecasts of all candidates. The forecasts of a fold are one row.
type library struct {
	back      *forecast.Backtest
	metric    forecast.Metric
	names     []string // of the models, by candidate
	ranks     []int
	folds     int
	samples   [][]forecast.Sample // by fold; their forecasts are taken from elsewhere
	forecasts [][][]float64       // by candidate and fold
	overlap   int                 // folds before and after a fold that overlap with it
}

func newLibrary(back *forecast.Backtest, candidates []Candidate) (*library, error) {
	if len(candidates) == 0 {
		return nil, fmt.Errorf("%w: there are no candidates", forecast.ErrConfig)
	}
	splits := back.Splits()
	l := &library{back: back, metric: back.Metrics()[0], folds: len(back.Folds()), overlap: (splits.Horizon - 1) / splits.Step}
	for i, c := range candidates {
		if len(c.Result.Folds) != l.folds {
			return nil, fmt.Errorf("%w: candidate %s has %d folds of %d", forecast.ErrConfig, c.Name, len(c.Result.Folds), l.folds)
		}
		l.names, l.ranks = append(l.names, c.Name), append(l.ranks, c.Rank)
		samples := back.Samples(c.Result)
		var rows [][]float64
		for _, f := range c.Result.Folds {
			part := samples[:len(f.Forecast)]
			samples = samples[len(f.Forecast):]
			var row []float64
			for _, s := range part {
				row = append(row, s.Forecast...)
			}
			rows = append(rows, row)
			if i == 0 {
				l.samples = append(l.samples, slices.Clone(part))
			}
		}
		l.forecasts = append(l.forecasts, rows)
	}
	return l, nil
}

// others returns the folds that do not overlap with the given one, or all folds for -1.
func (l *library) others(fold int) []int {
	var out []int
	for i := range l.folds {
		if fold < 0 || i < fold-l.overlap || i > fold+l.overlap {
			out = append(out, i)
		}
	}
	return out
}

// judged returns the number of truths of folds that do not overlap.
func (l *library) judged() (n int) {
	for k := 0; k < l.folds; k += l.overlap + 1 {
		for _, s := range l.samples[k] {
			for _, y := range s.Truth {
				if !math.IsNaN(y) {
					n++
				}
			}
		}
	}
	return n
}

// score returns the score of forecasts, which are by fold, on some folds.
func (l *library) score(forecasts [][]float64, folds []int) float64 {
	var all []forecast.Sample
	for _, k := range folds {
		row := forecasts[k]
		for _, s := range l.samples[k] {
			s.Forecast, row = row[:len(s.Truth)], row[len(s.Truth):]
			all = append(all, s)
		}
	}
	return l.metric.Score(all...)
}

// best returns the candidate with the best score on some folds.
func (l *library) best(folds []int) int {
	best, top := 0, math.NaN()
	for i, f := range l.forecasts {
		if s := l.score(f, folds); l.metric.Better(s, top) {
			best, top = i, s
		}
	}
	return best
}

// choose returns the weights by some folds: means of greedy and of equal weights.
func (l *library) choose(folds []int) []float64 {
	out := l.greedy(folds)
	share := l.share(folds)
	for i, w := range l.equal(folds) {
		out[i] = (1-share)*out[i] + share*w
	}
	return out
}

// share returns the share of equal weights in those by some folds.
func (l *library) share(folds []int) float64 {
	forecasts := 0.0
	for _, k := range folds {
		forecasts += float64(len(l.samples[k])) / float64(l.overlap+1)
	}
	return 1 / math.Sqrt(max(1, forecasts))
}

// equal returns equal weights for the models with a score near the best on some folds.
func (l *library) equal(folds []int) []float64 {
	scores := make([]float64, len(l.forecasts))
	for i, f := range l.forecasts {
		scores[i] = l.score(f, folds)
	}
	best := scores[l.best(folds)]
	candidates := map[string]float64{} // number of those that are near, by model
	isNear := func(i int) bool { return math.Abs(scores[i]-best) <= near*math.Abs(best) }
	for i, name := range l.names {
		if isNear(i) {
			candidates[name]++
		}
	}
	out := make([]float64, len(scores))
	for i, name := range l.names {
		if isNear(i) {
			out[i] = 1 / candidates[name] / float64(len(candidates))
		}
	}
	return out
}

// greedy returns the weights of the selection on some folds.
func (l *library) greedy(folds []int) []float64 {
	counts, chosen := make([]float64, len(l.forecasts)), make([]float64, len(l.forecasts))
	sum := make([][]float64, l.folds)
	trial := make([][]float64, l.folds)
	for _, k := range folds {
		sum[k] = make([]float64, len(l.forecasts[0][k]))
		trial[k] = make([]float64, len(sum[k]))
	}
	top := math.NaN()
	for n := range picks {
		next, score := -1, math.NaN()
		for i, f := range l.forecasts {
			for _, k := range folds {
				for j, v := range f[k] {
					trial[k][j] = (sum[k][j] + v) / float64(n+1)
				}
			}
			if s := l.score(trial, folds); next < 0 || l.metric.Better(s, score) {
				next, score = i, s
			}
		}
		counts[next]++
		for _, k := range folds {
			for j, v := range l.forecasts[next][k] {
				sum[k][j] += v
			}
		}
		if n == 0 || l.metric.Better(score, top) {
			top = score
			for i, c := range counts {
				chosen[i] = c / float64(n+1)
			}
		}
	}
	return chosen
}

// mean returns the weighted forecasts of a fold.
func (l *library) mean(weights []float64, fold int) []float64 {
	out := make([]float64, len(l.forecasts[0][fold]))
	for i, w := range weights {
		if w == 0 {
			continue
		}
		for j, v := range l.forecasts[i][fold] {
			out[j] += w * v
		}
	}
	return out
}

// result returns forecasts as a result of the same series and times as another one.
func (l *library) result(like forecast.Result, forecasts [][]float64) forecast.Result {
	var out forecast.Result
	for k, f := range like.Folds {
		var frame forecast.Frame
		row := forecasts[k]
		for _, s := range f.Forecast {
			s.Y, row = row[:len(s.Y)], row[len(s.Y):]
			frame = append(frame, s)
		}
		out.Folds = append(out.Folds, forecast.FoldResult{Origin: f.Origin, Forecast: frame})
	}
	return out
}

// estimate returns the score of forecasts and its standard error.
func (l *library) estimate(forecasts [][]float64) Estimate {
	return jackknife(l.others(-1), func(folds []int) float64 { return l.score(forecasts, folds) })
}

// gain returns how much better a is than b on some folds.
func (l *library) gain(a, b [][]float64, folds []int) Estimate {
	return jackknife(folds, func(folds []int) float64 {
		d := l.score(b, folds) - l.score(a, folds)
		if l.metric.Maximize() {
			d = -d
		}
		return d
	})
}

// jackknife returns a statistic of folds, with its standard error as [forecast.Jackknife]
// estimates it.
func jackknife(folds []int, of func(folds []int) float64) Estimate {
	return Estimate{of(folds), forecast.Jackknife(len(folds), func(without int) float64 {
		return of(slices.Delete(slices.Clone(folds), without, without+1))
	})}
}

// simplest returns the simplest candidate that is worse than the best by at most the
// standard error of the difference.
func (l *library) simplest(best int) int {
	at := best
	for i, f := range l.forecasts {
		if l.ranks[i] >= l.ranks[at] {
			continue
		}
		if d := l.gain(l.forecasts[best], f, l.others(-1)); d.Value <= d.Error {
			at = i
		}
	}
	return at
}
