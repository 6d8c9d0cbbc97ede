package neural

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

// checkCalendar fails if a feature is unknown or occurs more than once.
func checkCalendar(features []forecast.Calendar) error {
	for i, c := range features {
		if math.IsNaN(c.At(time.Time{})) || slices.Contains(features[:i], c) {
			return fmt.Errorf("calendar %q: %w: name known features, each once", c, forecast.ErrConfig)
		}
	}
	return nil
}

func (c *check) calendar(features []forecast.Calendar) {
	if err := checkCalendar(features); err != nil && c.err == nil {
		c.err = err
	}
}

// none is the value of the setting for a calendar without features.
const none = "none"

// calendarField is the setting calendar: features separated by commas, or none.
func calendarField(p *[]forecast.Calendar) field {
	return text("calendar", func(s string) error {
		*p = nil
		if s == none {
			return nil
		}
		for name := range strings.SplitSeq(s, ",") {
			*p = append(*p, forecast.Calendar(strings.TrimSpace(name)))
		}
		return checkCalendar(*p)
	})
}

// circles are the calendar features to search, with their periods.
var circles = []struct {
	period   time.Duration
	features [2]forecast.Calendar
}{
	{365 * 24 * time.Hour, [2]forecast.Calendar{forecast.SineOfYear, forecast.CosineOfYear}},
	{7 * 24 * time.Hour, [2]forecast.Calendar{forecast.SineOfWeek, forecast.CosineOfWeek}},
	{24 * time.Hour, [2]forecast.Calendar{forecast.SineOfDay, forecast.CosineOfDay}},
}

// withCalendar adds the setting calendar to a space. The choices are none and the phases
// of all periods that fit at least twice into the longest series but not into the longest
// window. A network sees shorter periods in its window, and adding them to the calendar
// did not improve forecasts.
func withCalendar(s space.Space, train forecast.Frame) space.Space {
	if s.Index("calendar") >= 0 || len(train) == 0 {
		return s
	}
	longest := train[0]
	for _, t := range train {
		if t.Len() > longest.Len() {
			longest = t
		}
	}
	window := 2
	if i := s.Index("window"); i >= 0 {
		if d, ok := s[i].Distribution.(space.IntDistribution); ok {
			window = max(window, d.High)
		}
	}
	span := longest.Time(longest.Len()).Sub(longest.Start)
	seen := span.Seconds() / float64(longest.Len()) * float64(window)
	var names []string
	for _, c := range circles {
		if span >= 2*c.period && c.period.Seconds() > seen {
			names = append(names, string(c.features[0]), string(c.features[1]))
		}
	}
	if names == nil {
		return s
	}
	return append(s, space.Categorical("calendar", none, strings.Join(names, ",")).Axis())
}

// dated returns series with the calendar of a view after the columns known in advance,
// as far ahead as the view forecasts.
func (v *view) dated(f forecast.Frame) forecast.Frame {
	if len(v.calendar) == 0 {
		return f
	}
	out := slices.Clone(f)
	for i, s := range out {
		out[i].Known = slices.Clip(s.Known)
		for _, c := range v.calendar {
			values := make([]float64, s.Len()+v.horizon)
			for at := range values {
				values[at] = c.At(s.Time(at))
			}
			out[i].Known = append(out[i].Known, forecast.Column{Name: string(c), Values: values})
		}
	}
	return out
}

// given returns the names of the columns known in advance, without those of the calendar.
func (v *view) given() []string { return v.known[:len(v.known)-len(v.calendar)] }

// WithCalendar returns series with the columns of [Training.Calendar] after those known in
// advance, as exported models of f expect them. Before Fit, or without a calendar, it
// returns the series unchanged.
func (f *Forecaster) WithCalendar(past forecast.Frame) forecast.Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view.withCalendar(past)
}

// WithCalendar is like [Forecaster.WithCalendar].
func (f *Linear) WithCalendar(past forecast.Frame) forecast.Frame {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.view.withCalendar(past)
}

func (v *view) withCalendar(past forecast.Frame) forecast.Frame {
	if v == nil {
		return past
	}
	return v.dated(past)
}
