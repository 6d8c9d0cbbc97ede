package statistical

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

// MSTL is for series with several seasons, or a long one: hours have days and weeks. It
// separates a component for each season by local regression (Bandara, Hyndman and Bergmeir,
// "MSTL", arXiv:2107.13462, 2021). The last cycle of each component is repeated, and [ETS]
// without a season forecasts the rest.
type MSTL struct {
	// Seasons has the number of steps in each season. A season is not used for a series with fewer than two of them.
	// The default is the season of the frequency, and in addition a week for hours and minutes, and a year for days
	// and business days.
	Seasons []int
	// Transform is none, or log for series whose seasons grow with their level. log needs
	// positive values. Default none.
	Transform string
}

const (
	none = "none"
	logs = "log"
)

// Name returns "mstl".
func (MSTL) Name() string { return "mstl" }

// Rounds returns "": training has no rounds.
func (MSTL) Rounds() string { return "" }

// Space returns the transform if all values are positive, and else nothing.
func (t MSTL) Space(train forecast.Frame) space.Space {
	if t.Transform != "" {
		return nil
	}
	for _, s := range train {
		for _, v := range s.Y {
			if v <= 0 {
				return nil
			}
		}
	}
	return space.Of(space.Categorical("transform", none, logs))
}

// New returns a forecaster. The settings seasons, such as "24,168", and transform replace the
// fields of t. It fails with [forecast.ErrConfig].
func (t MSTL) New(settings space.Settings) (forecast.Forecaster, error) {
	seasons := field{"seasons", "whole numbers from 2 to 100000, such as 24,168", func(value any) bool {
		t.Seasons = nil
		for part := range strings.SplitSeq(fmt.Sprint(value), ",") {
			m, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil {
				return false
			}
			t.Seasons = append(t.Seasons, m)
		}
		return validSeasons(t.Seasons)
	}}
	if err := apply("mstl", settings, seasons, text("transform", &t.Transform)); err != nil {
		return nil, err
	}
	if t.Transform = cmp.Or(t.Transform, none); t.Transform != none && t.Transform != logs {
		return nil, pkg.Errorf("mstl: transform is %s: %w: want none or log", t.Transform, forecast.ErrConfig)
	}
	if !validSeasons(t.Seasons) {
		return nil, pkg.Errorf("mstl: seasons are %v: %w: want whole numbers from 2 to 100000", t.Seasons, forecast.ErrConfig)
	}
	return &Forecaster{method: t}, nil
}

func validSeasons(seasons []int) bool {
	return !slices.ContainsFunc(seasons, func(m int) bool { return m < 2 || m > 100_000 })
}

func (t MSTL) seasonsOf(f forecast.Frequency) []int {
	if len(t.Seasons) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(t.Seasons)))
	}
	m := f.Season()
	switch {
	case m == 1:
	case f.Unit == forecast.Minute || f.Unit == forecast.Hour:
		return []int{m, 7 * m}
	case f.Unit == forecast.Day && f.N == 1:
		return []int{m, 365}
	case f.Unit == forecast.BusinessDay && f.N == 1:
		return []int{m, 261}
	}
	return []int{m}
}

// Decomposed is a fitted model of [MSTL]. Its components are computed again from the past that is given.
type Decomposed struct {
	Transform string          `json:"transform"`
	Seasons   []int           `json:"seasons,omitempty"`
	Rest      json.RawMessage `json:"rest"` // a model of ets

	rest *Smoothing
}

// fit implements method.
func (t MSTL) fit(y []float64, seasons []int) (fitted, error) {
	if t.Transform == logs && slices.Min(y) <= 0 {
		return nil, fmt.Errorf("%w: the transform log takes values above 0: use the transform none", forecast.ErrDomain)
	}
	s := &Decomposed{Transform: t.Transform}
	for _, m := range seasons {
		if m > 1 && len(y) > 2*m {
			s.Seasons = append(s.Seasons, m)
		}
	}
	_, rest := separate(s.transformed(y), s.Seasons)
	model, err := ETS{Form: auto, Estimation: standard}.fit(rest, []int{1})
	if err != nil {
		return nil, err
	}
	s.rest = model.(*Smoothing)
	s.Rest, err = json.Marshal(s.rest)
	return s, err
}

// decode implements method.
func (MSTL) decode(raw json.RawMessage) (fitted, error) {
	s := new(Decomposed)
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, err
	}
	rest, err := ETS{}.decode(s.Rest)
	if err != nil {
		return nil, err
	}
	s.rest = rest.(*Smoothing)
	if s.Transform != none && s.Transform != logs || !validSeasons(s.Seasons) || s.rest.form.season != 'N' {
		return nil, forecast.ErrFormat
	}
	return s, nil
}

func (s *Decomposed) transformed(y []float64) []float64 {
	out := slices.Clone(y)
	if s.Transform == logs {
		for i, v := range out {
			out[i] = math.Log(v)
		}
	}
	return out
}

// forecast implements fitted.
func (s *Decomposed) forecast(y []float64, _ []int, begun bool, horizon int) []float64 {
	for _, m := range s.Seasons {
		if len(y) <= 2*m {
			return nil
		}
	}
	if s.Transform == logs && slices.Min(y) <= 0 {
		return nil
	}
	parts, rest := separate(s.transformed(y), s.Seasons)
	out := s.rest.forecast(rest, nil, begun, horizon)
	for h := range out {
		for i, m := range s.Seasons {
			out[h] += parts[i][len(y)-m+h%m]
		}
		if s.Transform == logs {
			out[h] = math.Exp(out[h])
		}
	}
	return out
}
