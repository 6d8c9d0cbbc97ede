package forecast

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Features say what a model sees of a series when it forecasts step h = 1, 2, ... after an
// origin, the end of the known values. Only columns known in advance and the calendar look
// beyond the origin.
//
// Lags count back from the first step: lag 1 is the last known value. Lags, seasonal lags
// and rolling statistics use the transformed target.
type Features struct {
	Lags     []int     `json:"lags,omitempty"`      // each at least 1
	Seasonal []int     `json:"seasonal,omitempty"`  // season lengths: each gives the last known value a whole number of seasons before the step
	Rolling  []Rolling `json:"rolling,omitempty"`   // statistics of the last known values
	PastLags []int     `json:"past_lags,omitempty"` // lags of each column in Series.Past; default 1
	// KnownLags are the lags of each column in Series.Known, counted back from the step
	// itself. Default 0, the value at the step.
	KnownLags []int      `json:"known_lags,omitempty"`
	Calendar  []Calendar `json:"calendar,omitempty"`  // features of the step's time
	SeriesID  bool       `json:"series_id,omitempty"` // the series, as a category
}

// Rolling is a statistic of Window consecutive values. The last of them is Lag steps
// before the first step to forecast. Missing values are skipped.
type Rolling struct {
	Stat   Stat `json:"stat"`
	Window int  `json:"window"`
	Lag    int  `json:"lag,omitempty"` // default 1, the last known value
}

// A Stat is a statistic of a window.
type Stat string

// The statistics. Std divides by the number of values minus 1, and is NaN for a single
// value.
const (
	Mean Stat = "mean"
	Std  Stat = "std"
	Min  Stat = "min"
	Max  Stat = "max"
)

// A Calendar is a feature of a time in the location of the series.
type Calendar string

// The calendar features.
const (
	CalendarYear  Calendar = "year"
	QuarterOfYear Calendar = "quarter"      // 1 to 4
	MonthOfYear   Calendar = "month"        // 1 to 12
	WeekOfYear    Calendar = "week"         // 1 to 53, by ISO 8601
	DayOfYear     Calendar = "day_of_year"  // 1 to 366
	DayOfMonth    Calendar = "day_of_month" // 1 to 31
	DayOfWeek     Calendar = "day_of_week"  // Monday 0 to Sunday 6
	Weekend       Calendar = "weekend"      // 1 on Saturday and Sunday, else 0
	MonthStart    Calendar = "month_start"  // 1 on the first day, else 0
	MonthEnd      Calendar = "month_end"    // 1 on the last day, else 0
	HourOfDay     Calendar = "hour"         // 0 to 23
	MinuteOfHour  Calendar = "minute"       // 0 to 59
	Elapsed       Calendar = "elapsed"      // years since 1970: a trend
	SineOfYear    Calendar = "sin_year"     // position in the year, on a circle
	CosineOfYear  Calendar = "cos_year"
	SineOfWeek    Calendar = "sin_week"
	CosineOfWeek  Calendar = "cos_week"
	SineOfDay     Calendar = "sin_day"
	CosineOfDay   Calendar = "cos_day"
)

// Lengths in seconds. That of the year is the Gregorian mean.
const (
	daySeconds  = 24 * 3600
	weekSeconds = 7 * daySeconds
	yearSeconds = 365.2425 * daySeconds
)

// categoryUnseen is the category of a series that is not in the training data.
const categoryUnseen = -1

var calendar = map[Calendar]func(t time.Time) float64{
	CalendarYear:  func(t time.Time) float64 { return float64(t.Year()) },
	QuarterOfYear: func(t time.Time) float64 { return float64((t.Month()-1)/3 + 1) },
	MonthOfYear:   func(t time.Time) float64 { return float64(t.Month()) },
	WeekOfYear:    func(t time.Time) float64 { _, w := t.ISOWeek(); return float64(w) },
	DayOfYear:     func(t time.Time) float64 { return float64(t.YearDay()) },
	DayOfMonth:    func(t time.Time) float64 { return float64(t.Day()) },
	DayOfWeek:     func(t time.Time) float64 { return float64(weekday(t)) },
	Weekend:       func(t time.Time) float64 { return indicator(weekday(t) >= 5) },
	MonthStart:    func(t time.Time) float64 { return indicator(t.Day() == 1) },
	MonthEnd:      func(t time.Time) float64 { return indicator(monthEnd(t)) },
	HourOfDay:     func(t time.Time) float64 { return float64(t.Hour()) },
	MinuteOfHour:  func(t time.Time) float64 { return float64(t.Minute()) },
	Elapsed:       func(t time.Time) float64 { return float64(t.Unix()) / yearSeconds },
	SineOfYear:    func(t time.Time) float64 { return math.Sin(yearAngle(t)) },
	CosineOfYear:  func(t time.Time) float64 { return math.Cos(yearAngle(t)) },
	SineOfWeek:    func(t time.Time) float64 { return math.Sin(weekAngle(t)) },
	CosineOfWeek:  func(t time.Time) float64 { return math.Cos(weekAngle(t)) },
	SineOfDay:     func(t time.Time) float64 { return math.Sin(dayAngle(t)) },
	CosineOfDay:   func(t time.Time) float64 { return math.Cos(dayAngle(t)) },
}

func yearAngle(t time.Time) float64 {
	return 2 * math.Pi * (float64(t.YearDay()-1) + clock(t).Seconds()/daySeconds) * daySeconds / yearSeconds
}

func weekAngle(t time.Time) float64 {
	return 2 * math.Pi * (float64(weekday(t))*daySeconds + clock(t).Seconds()) / weekSeconds
}

func dayAngle(t time.Time) float64 { return 2 * math.Pi * clock(t).Seconds() / daySeconds }

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// DefaultFeatures returns features to start with: all lags of a season (at most 24; 12
// without a season), the seasonal lag, means of the last 3 values and of a season, the
// standard deviation over a season, and the calendar features that vary at the frequency.
func DefaultFeatures(f Frequency) Features {
	season := f.Season()
	lags := min(season, 24)
	if season == 1 {
		lags = 12
	}
	out := Features{Rolling: []Rolling{{Stat: Mean, Window: 3}}}
	for l := 1; l <= lags; l++ {
		out.Lags = append(out.Lags, l)
	}
	if season > 1 {
		out.Seasonal = []int{season}
		out.Rolling = append(out.Rolling, Rolling{Stat: Mean, Window: season}, Rolling{Stat: Std, Window: season})
	}
	switch f.Unit {
	case Quarter:
		out.Calendar = []Calendar{QuarterOfYear}
	case Month:
		out.Calendar = []Calendar{MonthOfYear}
	case Week:
		out.Calendar = []Calendar{WeekOfYear}
	case Day, BusinessDay:
		out.Calendar = []Calendar{DayOfWeek, DayOfMonth, MonthOfYear}
	case Hour:
		out.Calendar = []Calendar{HourOfDay, DayOfWeek, MonthOfYear}
	case Minute:
		out.Calendar = []Calendar{MinuteOfHour, HourOfDay, DayOfWeek}
	}
	return out
}

// validate returns f with its defaults set, or [ErrConfig].
func (f Features) validate() (Features, error) {
	bad := func(format string, args ...any) error {
		return pkg.Errorf("features: %w: %s", ErrConfig, fmt.Sprintf(format, args...))
	}
	if f.PastLags == nil {
		f.PastLags = []int{1}
	}
	if f.KnownLags == nil {
		f.KnownLags = []int{0}
	}
	f.Rolling = slices.Clone(f.Rolling)
	for i, r := range f.Rolling {
		if r.Lag == 0 {
			f.Rolling[i].Lag = 1
		}
		if !slices.Contains([]Stat{Mean, Std, Min, Max}, r.Stat) {
			return f, bad("statistic %q: want mean, std, min or max", r.Stat)
		}
		if r.Window < 1 || r.Window > maxLag || r.Lag < 0 || r.Lag > maxLag {
			return f, bad("%s of %d values at lag %d: both are at least 1", r.Stat, r.Window, r.Lag)
		}
	}
	for _, lags := range []struct {
		of    string
		lags  []int
		least int
	}{{"lag", f.Lags, 1}, {"season", f.Seasonal, 1}, {"lag of past columns", f.PastLags, 1}, {"lag of known columns", f.KnownLags, 0}} {
		for i, l := range lags.lags {
			if l < lags.least || l > maxLag {
				return f, bad("%s %d: it is at least %d: a model cannot look ahead", lags.of, l, lags.least)
			}
			if slices.Contains(lags.lags[:i], l) {
				return f, bad("%s %d: it is duplicated", lags.of, l)
			}
		}
	}
	for _, c := range f.Calendar {
		if calendar[c] == nil {
			return f, bad("calendar feature %q", c)
		}
	}
	return f, nil
}

// maxLag limits the lags of a saved model.
const maxLag = 1 << 30

// reach returns the number of values before the origin that the features of the target,
// and with columns also those of the past columns, need.
func (f Features) reach(columns bool) int {
	n := 0
	for _, l := range slices.Concat(f.Lags, f.Seasonal) {
		n = max(n, l)
	}
	for _, r := range f.Rolling {
		n = max(n, r.Lag+r.Window-1)
	}
	if columns {
		for _, l := range f.PastLags {
			n = max(n, l)
		}
	}
	return n
}

// originNames and stepNames are the names of the features that are the same for all
// steps after an origin, and of those that differ.
func (f Features) originNames(like Series) []string {
	var names []string
	for _, l := range f.Lags {
		names = append(names, fmt.Sprintf("lag_%d", l))
	}
	for _, r := range f.Rolling {
		name := fmt.Sprintf("%s_%d", r.Stat, r.Window)
		if r.Lag > 1 {
			name += fmt.Sprintf("_lag_%d", r.Lag)
		}
		names = append(names, name)
	}
	for _, c := range like.Past {
		for _, l := range f.PastLags {
			names = append(names, fmt.Sprintf("%s_lag_%d", c.Name, l))
		}
	}
	if f.SeriesID {
		names = append(names, "series")
	}
	return names
}

func (f Features) stepNames(like Series) []string {
	var names []string
	for _, m := range f.Seasonal {
		names = append(names, fmt.Sprintf("seasonal_%d", m))
	}
	for _, c := range like.Known {
		for _, l := range f.KnownLags {
			name := c.Name
			if l > 0 {
				name = fmt.Sprintf("%s_lag_%d", c.Name, l)
			}
			names = append(names, name)
		}
	}
	for _, c := range f.Calendar {
		names = append(names, string(c))
	}
	return names
}

// A source is a series from which features are computed.
type source struct {
	Series
	z        []float64 // the transformed target, which may continue beyond Y with forecasts
	category float64
}

// atOrigin appends the features for the origin o, the number of known values. Those of the
// target are relative to anchor.
func (f Features) atOrigin(x []float64, s *source, o int, anchor float64) []float64 {
	for _, l := range f.Lags {
		x = append(x, at(s.z, o-l)-anchor)
	}
	for _, r := range f.Rolling {
		end := o - r.Lag + 1
		v := r.Stat.of(s.z[max(0, end-r.Window):max(0, end)])
		if r.Stat != Std {
			v -= anchor
		}
		x = append(x, v)
	}
	for _, c := range s.Past {
		for _, l := range f.PastLags {
			x = append(x, at(c.Values, o-l))
		}
	}
	if f.SeriesID {
		x = append(x, s.category)
	}
	return x
}

// atStep appends the features for step h after the origin o. Those of the target are relative
// to anchor.
func (f Features) atStep(x []float64, s *source, o, h int, anchor float64) []float64 {
	target := o + h - 1
	for _, m := range f.Seasonal {
		x = append(x, at(s.z, target-(h+m-1)/m*m)-anchor)
	}
	for _, c := range s.Known {
		for _, l := range f.KnownLags {
			x = append(x, at(c.Values, target-l))
		}
	}
	if len(f.Calendar) > 0 {
		t := s.Time(target)
		for _, c := range f.Calendar {
			x = append(x, calendar[c](t))
		}
	}
	return x
}

func at(v []float64, i int) float64 {
	if i < 0 || i >= len(v) {
		return math.NaN()
	}
	return v[i]
}

func (s Stat) of(window []float64) float64 {
	n, sum, low, high := 0.0, 0.0, math.Inf(1), math.Inf(-1)
	for _, v := range window {
		if !math.IsNaN(v) {
			n, sum, low, high = n+1, sum+v, min(low, v), max(high, v)
		}
	}
	switch {
	case n == 0:
		return math.NaN()
	case s == Mean:
		return sum / n
	case s == Min:
		return low
	case s == Max:
		return high
	}
	if n == 1 {
		return math.NaN()
	}
	ss := 0.0
	for _, v := range window {
		if !math.IsNaN(v) {
			ss += (v - sum/n) * (v - sum/n)
		}
	}
	return math.Sqrt(ss / (n - 1))
}

// columnList formats names for an error.
func columnList(names []string) string { return strings.Join(names, ", ") }
