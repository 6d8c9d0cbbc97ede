package statistical

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

// Croston forecasts intermittent demand, whose values are mostly 0. The forecast is the same for all steps: the
// expected demand per step, from the smoothed sizes and frequencies of demands.
type Croston struct {
	// Form is classic (Croston, Operational Research Quarterly 23, 1972), which smooths the
	// sizes of demands and the intervals between them; sba, which corrects its bias (Syntetos
	// and Boylan, International Journal of Forecasting 21, 2005); or tsb, which smooths the
	// probability of a demand at every step, so that demand that has ended is forgotten
	// (Teunter, Syntetos and Babai, European Journal of Operational Research 214, 2011).
	// Default classic.
	Form string
	// Alpha is the smoothing parameter of sizes, intervals and probabilities, between 0 and 1.
	// Default 0.1.
	Alpha float64
}

var crostonForms = []string{"classic", "sba", "tsb"}

// Name returns "croston".
func (Croston) Name() string { return "croston" }

// Rounds returns "": training has no rounds.
func (Croston) Rounds() string { return "" }

// Space returns form and alpha, unless c has them.
func (c Croston) Space(forecast.Frame) space.Space {
	var out space.Space
	if c.Form == "" {
		out = append(out, space.Categorical("form", crostonForms...).Axis())
	}
	if c.Alpha == 0 {
		out = append(out, space.Float("alpha", 0.02, 0.5, space.Log()).Axis())
	}
	return out
}

// New returns a forecaster. The settings form and alpha replace the fields of c. It fails
// with [forecast.ErrConfig].
func (c Croston) New(settings space.Settings) (forecast.Forecaster, error) {
	if err := apply("croston", settings, text("form", &c.Form), share("alpha", &c.Alpha)); err != nil {
		return nil, err
	}
	c.Form, c.Alpha = cmp.Or(c.Form, "classic"), cmp.Or(c.Alpha, 0.1)
	if !slices.Contains(crostonForms, c.Form) || !(c.Alpha > 0 && c.Alpha <= 1) {
		return nil, pkg.Errorf("croston: form is %s and alpha %v: %w: want classic, sba or tsb, and an alpha above 0 and at most 1", c.Form, c.Alpha, forecast.ErrConfig)
	}
	return &Forecaster{method: c}, nil
}

// share is a field for a number above 0 and at most 1.
func share(name string, to *float64) field {
	return field{name, "a number above 0 and at most 1", func(value any) bool {
		switch v := value.(type) {
		case float64:
			*to = v
		case int64:
			*to = float64(v)
		}
		return *to > 0 && *to <= 1
	}}
}

func (Croston) seasonsOf(forecast.Frequency) []int { return []int{1} }

// Demand is a fitted model of [Croston]. There is nothing to estimate: forecasts smooth all of the past.
type Demand struct {
	Form  string  `json:"form"`
	Alpha float64 `json:"alpha"`
}

// fit implements method.
func (c Croston) fit([]float64, []int) (fitted, error) { return Demand(c), nil }

// decode implements method.
func (Croston) decode(raw json.RawMessage) (fitted, error) {
	var d Demand
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	if !slices.Contains(crostonForms, d.Form) || !(d.Alpha > 0 && d.Alpha <= 1) {
		return nil, forecast.ErrFormat
	}
	return d, nil
}

// forecast implements fitted.
func (d Demand) forecast(y []float64, _ []int, _ bool, horizon int) []float64 {
	level := d.rate(y)
	return slices.Repeat([]float64{level}, horizon)
}

// rate returns the demand by step after y: 0 if there was none.
func (d Demand) rate(y []float64) float64 {
	first := slices.IndexFunc(y, func(v float64) bool { return v != 0 })
	if first < 0 {
		return 0
	}
	size := y[first]
	if d.Form == "tsb" {
		p := 1 / float64(first+1)
		for _, v := range y[first+1:] {
			if v != 0 {
				p += d.Alpha * (1 - p)
				size += d.Alpha * (v - size)
			} else {
				p -= d.Alpha * p
			}
		}
		return p * size
	}
	interval, since := float64(first+1), 0.0
	for _, v := range y[first+1:] {
		if since++; v != 0 {
			size += d.Alpha * (v - size)
			interval += d.Alpha * (since - interval)
			since = 0
		}
	}
	rate := size / interval
	if d.Form == "sba" {
		rate *= 1 - d.Alpha/2
	}
	return rate
}
