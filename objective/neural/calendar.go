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

// checkCalendar fails for features that are none, or there twice.
func checkCalendar(features []forecast.Calendar) error {
	for i, c := range features {
		if math.IsNaN(c.At(time.Time{})) || slices.Contains(features[:i], c) {
			return fmt.Errorf("calendar %q: %w: name features of forecast.Calendar, each once", c, forecast.ErrConfig)
		}
	}
	return nil
}

func (c *check) calendar(features []forecast.Calendar) {
	if err := checkCalendar(features); err != nil && c.err == nil {
		c.err = err
	}
}

// none is the calendar without features, as a setting.
const none = "none"

// calendarField is features with commas between them, or none.
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

// circles are the calendar features to search, with how long they take to come around.
var circles = []struct {
	period   time.Duration
	features [2]forecast.Calendar
}{
	{365 * 24 * time.Hour, [2]forecast.Calendar{forecast.SineOfYear, forecast.CosineOfYear}},
	{7 * 24 * time.Hour, [2]forecast.Calendar{forecast.SineOfWeek, forecast.CosineOfWeek}},
	{24 * time.Hour, [2]forecast.Calendar{forecast.SineOfDay, forecast.CosineOfDay}},
}

// withCalendar adds the setting calendar to a space, with the choices none and the phases
// of all that comes around in the longest series, at least twice, and not within the
// longest window: that shows itself, and a calendar beside it made forecasts no better.
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

// dated returns series with the calendar of a view behind the columns known in advance,
// as far ahead as it forecasts.
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

// given returns the names of the columns known in advance that are not of the calendar.
func (v *view) given() []string { return v.known[:len(v.known)-len(v.calendar)] }

// WithCalendar returns series with the columns of [Training.Calendar] behind those known
// in advance, as the export of f takes them; before Fit, and without a calendar, the
// series as they are.
func (f *Forecaster) WithCalendar(past forecast.Frame) forecast.Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view.withCalendar(past)
}

// WithCalendar returns what [Forecaster.WithCalendar] does.
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
