package forecast

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// A Baseline is a simple forecaster that any other has to beat. It learns nothing: Fit only
// checks whether the series are long enough. See Hyndman and Athanasopoulos, "Forecasting:
// Principles and Practice", 3rd edition, section 5.2.
//
// With m the season, T the last step and h = 1, 2, ... the step to forecast, f(h) is:
//
//	Naive          y(T)
//	SeasonalNaive  y(T+h-mk),              k = ⌈h/m⌉
//	SeasonalDrift  y(T+h-mk) + k mean(y(t)-y(t-m))
//	Drift          y(T) + h (y(T)-y(1))/(T-1)
//	WindowMean     mean(y(T-n+1), ..., y(T))
//
// Missing values are skipped: the last value is the last known one, of the same season
// where that matters. Among several series, one that is too short for a baseline is forecast by
// Naive instead.
type Baseline struct {
	kind string
	n    int // season or window; 0 means the season of the frequency
}

// Naive repeats the last value.
func Naive() *Baseline { return &Baseline{kind: "naive"} }

// SeasonalNaive repeats the last season of the given number of steps; 0 means
// [Frequency.Season].
func SeasonalNaive(season int) *Baseline { return &Baseline{"seasonal naive", season} }

// SeasonalDrift is SeasonalNaive plus the mean growth per season: a
// seasonal random walk with drift.
func SeasonalDrift(season int) *Baseline { return &Baseline{"seasonal naive + drift", season} }

// Drift extends the line from the first to the last value.
func Drift() *Baseline { return &Baseline{kind: "drift"} }

// WindowMean repeats the mean of the last n values; 0 means a season.
func WindowMean(n int) *Baseline { return &Baseline{"window mean", n} }

// Baselines returns the baselines that make sense at a frequency.
func Baselines(f Frequency) []*Baseline {
	if f.Season() == 1 {
		return []*Baseline{Naive(), Drift(), WindowMean(10)}
	}
	return []*Baseline{Naive(), SeasonalNaive(0), SeasonalDrift(0), Drift(), WindowMean(0)}
}

// String returns the kind of b.
func (b *Baseline) String() string { return b.kind }

// Steps returns the number of steps in the season or in the window, at a frequency.
func (b *Baseline) Steps(f Frequency) int {
	if b.n == 0 {
		return f.Season()
	}
	return b.n
}

// Fit implements [Forecaster]. It fails with [ErrShort].
func (b *Baseline) Fit(ctx context.Context, train Frame, opts FitOptions) error {
	_, err := b.Predict(ctx, train, max(1, opts.Horizon))
	return err
}

// Predict implements [Forecaster]. It fails with [ErrShort].
func (b *Baseline) Predict(ctx context.Context, past Frame, horizon int) (Frame, error) {
	err := past.Validate()
	if err == nil {
		err = checkHorizon(horizon, math.MaxInt)
	}
	if err == nil && b.n < 0 {
		err = fmt.Errorf("%w: %d steps", ErrConfig, b.n)
	}
	var out Frame
	var short error
	shorts := 0
	for _, s := range past {
		if err == nil {
			err = context.Cause(ctx)
		}
		var y []float64
		if err == nil {
			y, err = b.forecast(s, horizon)
		}
		if errors.Is(err, ErrShort) && len(past) > 1 {
			short, shorts = cmp.Or(short, err), shorts+1
			y, err = Naive().forecast(s, horizon)
		}
		if err != nil {
			return nil, pkg.Errorf("%s: %w", b.kind, err)
		}
		next, err := continuation(s, y, "the values are too large: divide the target by a power of ten")
		if err != nil {
			return nil, pkg.Errorf("%s: %w", b.kind, err)
		}
		out = append(out, next)
	}
	if err == nil && shorts == len(past) {
		err = short
	}
	if err != nil {
		return nil, pkg.Errorf("%s: %w", b.kind, err)
	}
	return out, nil
}

func (b *Baseline) forecast(s Series, horizon int) ([]float64, error) {
	m := b.Steps(s.Freq)
	short := func(want int) error {
		return fmt.Errorf("%s%w: it has %d, possibly with missing values, and needs %d", of(s.ID), ErrShort, s.Len(), want)
	}
	y := s.Y
	first, last := 0, len(y)-1
	for first < len(y) && math.IsNaN(y[first]) {
		first++
	}
	for last >= 0 && math.IsNaN(y[last]) {
		last--
	}
	if last < 0 {
		return nil, short(1)
	}
	var growth float64
	switch b.kind {
	case "drift":
		if first == last {
			return nil, short(2)
		}
		growth = (y[last] - y[first]) / float64(last-first)
	case "seasonal naive + drift":
		n := 0.0
		for i := m; i < len(y); i++ {
			if d := y[i] - y[i-m]; !math.IsNaN(d) {
				growth, n = growth+d, n+1
			}
		}
		if n == 0 {
			return nil, short(m + 1)
		}
		growth /= n
	case "window mean":
		if len(y) < m {
			return nil, short(m)
		}
		growth = Mean.of(y[len(y)-m:])
	case "seasonal naive":
	case "naive":
	default:
		return nil, fmt.Errorf("%w: use a constructor", ErrConfig)
	}
	f := make([]float64, horizon)
	for i := range f {
		switch b.kind {
		case "naive":
			f[i] = y[last]
		case "drift":
			f[i] = y[last] + growth*float64(len(y)+i-last)
		case "window mean":
			f[i] = growth
		default:
			at := len(y) + i
			k := 0
			for at >= len(y) || at >= 0 && math.IsNaN(y[at]) {
				at, k = at-m, k+1
			}
			if at < 0 {
				return nil, short(m)
			}
			f[i] = y[at] + growth*float64(k)
		}
	}
	return f, nil
}

type savedBaseline struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Kind    string `json:"kind"`
	Steps   int    `json:"steps"`
}

const baselineFormat = "attune forecast baseline"

// Save implements [Forecaster]. It writes JSON.
func (b *Baseline) Save(w io.Writer) error {
	return json.NewEncoder(w).Encode(savedBaseline{baselineFormat, 1, b.kind, b.n})
}

// Load implements [Forecaster]. b becomes the saved baseline, of any kind. It fails with
// [ErrFormat].
func (b *Baseline) Load(r io.Reader) error {
	var s savedBaseline
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return pkg.Errorf("load baseline: %w: %w", ErrFormat, err)
	}
	switch s.Kind {
	case "naive", "seasonal naive", "seasonal naive + drift", "drift", "window mean":
		if s.Format == baselineFormat && s.Version == 1 && s.Steps >= 0 {
			*b = Baseline{s.Kind, s.Steps}
			return nil
		}
	}
	return pkg.Errorf("load baseline: %w: %+v", ErrFormat, s)
}
