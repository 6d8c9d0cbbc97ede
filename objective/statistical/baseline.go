package statistical

import (
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

// A Baseline makes one of the baselines of package forecast a family, so that it can be kept
// and used like any model.
type Baseline struct {
	name string
	make func() *forecast.Baseline
}

// Baselines returns all baselines. Their season is the season of the frequency.
func Baselines() []Baseline {
	return []Baseline{
		{"naive", forecast.Naive},
		{"seasonal_naive", func() *forecast.Baseline { return forecast.SeasonalNaive(0) }},
		{"seasonal_drift", func() *forecast.Baseline { return forecast.SeasonalDrift(0) }},
		{"drift", forecast.Drift},
		{"window_mean", func() *forecast.Baseline { return forecast.WindowMean(0) }},
	}
}

// Name returns the name: naive, seasonal_naive, seasonal_drift, drift or window_mean.
func (b Baseline) Name() string { return b.name }

// Rounds returns "": there is no training.
func (Baseline) Rounds() string { return "" }

// Space returns an empty space.
func (Baseline) Space(forecast.Frame) space.Space { return nil }

// New returns the baseline. It fails with [forecast.ErrConfig] if there are settings.
func (b Baseline) New(settings space.Settings) (forecast.Forecaster, error) {
	if err := apply(b.name, settings); err != nil {
		return nil, err
	}
	return b.make(), nil
}
