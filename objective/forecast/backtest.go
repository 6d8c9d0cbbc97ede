package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/attune-hpo/attune/fault"
)

// A Backtest scores forecasters on the same folds. Make it once for a study: it is safe for
// concurrent use.
type Backtest struct {
	frame   Frame
	folds   []Fold
	trains  [][]int // by fold and series of its Test: the index of the series in Train
	horizon int
	gap     int
	splits  Splits
	freq    Frequency
	metrics []Metric

	mu        sync.Mutex // held while the baselines run
	baselines []Result   // nil if not run yet
	notes     []string   // about baselines that failed
}

// NewBacktest splits a frame. Results are compared by the first metric. Without metrics it
// uses MAPE, RMSE and MASE. It fails like [Splits.Folds].
func NewBacktest(f Frame, s Splits, metrics ...Metric) (*Backtest, error) {
	folds, err := s.Folds(f)
	if err != nil {
		return nil, err
	}
	if len(metrics) == 0 {
		metrics = []Metric{MAPE, RMSE, MASE}
	}
	if slices.Contains(metrics, Metric{}) {
		return nil, pkg.Errorf("backtest: %w: a zero metric: parse one by its name", ErrConfig)
	}
	s, _ = s.normalize() // Folds has validated it
	return &Backtest{frame: f, splits: s, folds: folds, trains: trains(folds), horizon: s.Horizon, gap: s.Gap, freq: f[0].Freq, metrics: slices.Clone(metrics)}, nil
}

// trains returns, by fold and series of its Test, the index of the series in its Train.
func trains(folds []Fold) [][]int {
	out := make([][]int, len(folds))
	for i, f := range folds {
		at := 0 // both are in the order of the frame
		for _, s := range f.Test {
			for f.Train[at].ID != s.ID {
				at++
			}
			out[i] = append(out[i], at)
		}
	}
	return out
}

// Frame returns the frame that is split. Do not change it.
func (b *Backtest) Frame() Frame { return b.frame }

// Horizon returns the number of steps after an origin that a fold reaches, including the gap.
func (b *Backtest) Horizon() int { return b.gap + b.horizon }

// Metrics returns the metrics. Results are compared by the first.
func (b *Backtest) Metrics() []Metric { return slices.Clone(b.metrics) }

// Samples returns the points of a result, to score them by other metrics with [Metric.Score].
func (b *Backtest) Samples(r Result) []Sample {
	var all []Sample
	for i, f := range r.Folds {
		all = append(all, b.samples(i, f.Forecast)...)
	}
	return all
}

// Splits returns the splits of the frame, with defaults filled in.
func (b *Backtest) Splits() Splits { return b.splits }

// Folds returns the folds, in time order.
func (b *Backtest) Folds() []Fold { return slices.Clone(b.folds) }

// A Result is the performance of a forecaster.
type Result struct {
	Name     string
	Metrics  []Metric
	Scores   []float64 // by metric, over the points of all folds
	Folds    []FoldResult
	Steps    [][]float64 // by step and metric; Steps[0] is for the first scored step
	Warnings []string    // about points that a metric skips
	Baseline bool
}

// A FoldResult is the performance of a forecaster in a fold.
type FoldResult struct {
	Origin   time.Time
	Scores   []float64     // by metric
	Forecast Frame         // for the series and times of the fold's Test
	Took     time.Duration // time to fit and predict
}

// Score returns the score by a metric, or NaN if the result lacks it.
func (r Result) Score(m Metric) float64 {
	if i := slices.Index(r.Metrics, m); i >= 0 {
		return r.Scores[i]
	}
	return math.NaN()
}

// RunOptions say how to run a backtest.
type RunOptions struct {
	// Fit has the options of each fold's fit. Run sets Horizon to what the folds need, and
	// does not call OnIteration.
	Fit FitOptions
	// OnIteration, if not nil, is called after each round of training in a fold. Folds count
	// from 0. If it returns an error, the run ends and returns the error wrapped.
	OnIteration func(fold int, it Iteration) error
	// OnFold, if not nil, is called after each fold with the result so far. If it returns an
	// error, the run ends and returns the error wrapped.
	OnFold func(soFar Result) error
}

// Run fits and scores a forecaster in each fold, one after another, and leaves it fitted to
// the last. An error of the forecaster ends the run. name is the name of the result.
func (b *Backtest) Run(ctx context.Context, name string, model Forecaster, opts RunOptions) (Result, error) {
	var done []FoldResult
	for i, fold := range b.folds {
		if ctx.Err() != nil {
			return Result{}, context.Cause(ctx)
		}
		begin := time.Now()
		forecast, err := b.fold(ctx, i, model, opts)
		if err != nil {
			return Result{}, b.failed(name, i, err)
		}
		done = append(done, FoldResult{Origin: fold.Origin, Forecast: forecast, Took: time.Since(begin)})
		if opts.OnFold != nil {
			if err := opts.OnFold(b.result(name, done)); err != nil {
				return Result{}, pkg.Errorf("backtest %s: fold %d: %w", name, i, err)
			}
		}
	}
	return b.result(name, done), nil
}

// Error returns the standard error of a result's score by the first metric, as
// [Jackknife] estimates it. It is NaN with fewer than two folds.
func (b *Backtest) Error(r Result) float64 {
	byFold := make([][]Sample, len(r.Folds))
	for i, f := range r.Folds {
		byFold[i] = b.samples(i, f.Forecast)
	}
	return Jackknife(len(b.folds), func(without int) float64 {
		var rest []Sample
		for i, s := range byFold {
			if i != without {
				rest = append(rest, s...)
			}
		}
		return b.metrics[0].Score(rest...)
	})
}

// Jackknife returns the standard error of a statistic of n folds (Efron and Stein, Annals of
// Statistics 9, 1981). score returns the statistic of all folds but one. Folds that overlap
// are taken as if they did not: with a step of half the horizon, the standard error may really
// be up to 1.4 times as large. It is NaN with fewer than two folds, and where a score is.
func Jackknife(n int, score func(without int) float64) float64 {
	if n < 2 {
		return math.NaN()
	}
	scores, mean := make([]float64, n), 0.0
	for i := range scores {
		scores[i] = score(i)
		mean += scores[i] / float64(n)
	}
	var squares float64
	for _, s := range scores {
		squares += (s - mean) * (s - mean)
	}
	return math.Sqrt(squares * float64(n-1) / float64(n))
}

func (b *Backtest) failed(name string, fold int, err error) error {
	return pkg.Errorf("backtest %s: fold %d, origin %s: %w", name, fold, stamp(b.folds[fold].Origin), err)
}

// result scores the forecasts of the first folds. done has all of them except the Scores.
func (b *Backtest) result(name string, done []FoldResult) Result {
	out := Result{Name: name, Metrics: slices.Clone(b.metrics), Folds: slices.Clone(done)}
	for i := range out.Folds {
		out.Folds[i].Scores, _ = b.score(b.samples(i, out.Folds[i].Forecast))
	}
	all := b.Samples(out)
	out.Scores, out.Warnings = b.score(all)
	out.Steps = b.steps(all)
	return out
}

// fold returns the forecast of a fold's test.
func (b *Backtest) fold(ctx context.Context, i int, model Forecaster, opts RunOptions) (Frame, error) {
	fit := opts.Fit
	fit.Horizon, fit.OnIteration = b.gap+b.horizon, nil
	if opts.OnIteration != nil {
		fit.OnIteration = func(it Iteration) error { return opts.OnIteration(i, it) }
	}
	if err := model.Fit(ctx, b.folds[i].Train, fit); err != nil {
		return nil, err
	}
	return b.predict(ctx, i, model)
}

// predict returns the forecast of a fold's test by a model that was fitted to the fold.
func (b *Backtest) predict(ctx context.Context, i int, model Forecaster) (Frame, error) {
	var past Frame // of the series to forecast, which have not ended
	for _, at := range b.trains[i] {
		past = append(past, b.folds[i].Train[at])
	}
	next, err := model.Predict(ctx, past, b.gap+b.horizon)
	if err != nil {
		return nil, err
	}
	return b.scored(i, next)
}

// scored returns the part of a forecast that is compared with a fold's test.
func (b *Backtest) scored(i int, next Frame) (Frame, error) {
	var out Frame
	k := -1
	for _, test := range b.folds[i].Test {
		if k++; k >= len(next) || next[k].ID != test.ID { // usually next has the same order
			k = slices.IndexFunc(next, func(s Series) bool { return s.ID == test.ID })
		}
		if k < 0 {
			return nil, fmt.Errorf("%sthe forecaster returned nothing: the last values are missing or too few, or columns are not known far enough ahead", of(test.ID))
		}
		if n := next[k].Len(); n < b.gap+b.horizon {
			return nil, fmt.Errorf("%sthe forecaster returned %d steps of %d", of(test.ID), n, b.gap+b.horizon)
		}
		out = append(out, next[k].part(b.gap, b.gap+test.Len(), 0))
	}
	return out, nil
}

// samples returns the points of a forecast of a fold's test.
func (b *Backtest) samples(fold int, forecast Frame) []Sample {
	f := b.folds[fold]
	out := make([]Sample, len(f.Test))
	for k, s := range f.Test {
		out[k] = Sample{Truth: s.Y, Forecast: forecast[k].Y, Train: f.Train[b.trains[fold][k]].Y, Season: s.Freq.Season()}
	}
	return out
}

func (b *Backtest) score(samples []Sample) (scores []float64, warnings []string) {
	for _, m := range b.metrics {
		score, leftOut := m.score(samples)
		scores = append(scores, score)
		if leftOut > 0 {
			why := "a truth of 0"
			if m != MAPE {
				why = "a training part that is constant, or not longer than a season"
			}
			warnings = append(warnings, fmt.Sprintf("%s leaves out %d points with %s", m.Name(), leftOut, why))
		}
	}
	return scores, warnings
}

func (b *Backtest) steps(samples []Sample) [][]float64 {
	out := make([][]float64, b.horizon)
	for h := range out {
		var at []Sample
		for _, s := range samples {
			if h < len(s.Truth) {
				s.Truth, s.Forecast = s.Truth[h:h+1], s.Forecast[h:h+1]
				at = append(at, s)
			}
		}
		out[h], _ = b.score(at)
	}
	return out
}

// Baselines returns the results of the [Baselines] for the frame's frequency. They run
// only once. Baselines that fail, because series are too short or values too large, are
// omitted, and a comparison says why.
func (b *Backtest) Baselines(ctx context.Context) ([]Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.baselines != nil {
		return slices.Clone(b.baselines), nil
	}
	var results []Result
	var notes []string
	for _, base := range Baselines(b.freq) {
		r, err := b.Run(ctx, base.String(), base, RunOptions{})
		if err != nil && ctx.Err() == nil {
			notes = append(notes, fmt.Sprintf("no %s: %s", base, fault.Text(err, nil)))
			continue
		}
		if err != nil {
			return nil, err
		}
		r.Baseline = true
		results = append(results, r)
	}
	b.baselines, b.notes = results, notes
	return slices.Clone(results), nil
}

// A Comparison is a table of results, best first.
type Comparison struct {
	Metrics []Metric
	Rows    []Result
	Notes   []string
}

// Compare ranks results and the baselines by the first metric.
func (b *Backtest) Compare(ctx context.Context, results ...Result) (Comparison, error) {
	base, err := b.Baselines(ctx)
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{Metrics: slices.Clone(b.metrics), Rows: append(slices.Clone(results), base...), Notes: slices.Clone(b.notes)}
	first := b.metrics[0]
	slices.SortStableFunc(c.Rows, func(p, q Result) int {
		switch x, y := p.Score(first), q.Score(first); {
		case first.Better(x, y):
			return -1
		case first.Better(y, x):
			return 1
		}
		return 0
	})
	for _, r := range c.Rows {
		for _, w := range r.Warnings {
			if !slices.Contains(c.Notes, w) {
				c.Notes = append(c.Notes, w)
			}
		}
	}
	return c, nil
}

// String returns the table as text with aligned columns, followed by the notes.
func (c Comparison) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "model")
	for _, m := range c.Metrics {
		fmt.Fprint(w, "\t", m.Name())
	}
	fmt.Fprintln(w)
	for _, r := range c.Rows {
		fmt.Fprint(w, r.Name)
		if r.Baseline {
			fmt.Fprint(w, " (baseline)")
		}
		for _, m := range c.Metrics {
			fmt.Fprintf(w, "\t%.4g", r.Score(m))
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	for _, n := range c.Notes {
		fmt.Fprintln(&b, n)
	}
	return b.String()
}
