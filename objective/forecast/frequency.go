package forecast

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Unit is the unit of a [Frequency].
type Unit int

// The units. Units up to Hour have a fixed length. The others follow the calendar of the
// time's location, so a day may have 23 hours.
const (
	Millisecond Unit = iota + 1
	Second
	Minute
	Hour
	Day
	BusinessDay // Monday to Friday, including holidays
	Week
	Month
	Quarter
	Year
	Step // a whole number that counts the rows, without a calendar
)

var unitNames = [...]string{Millisecond: "millisecond", Second: "second", Minute: "minute", Hour: "hour", Day: "day",
	BusinessDay: "business day", Week: "week", Month: "month", Quarter: "quarter", Year: "year", Step: "step"}

// String returns the unit in the singular, such as "month".
func (u Unit) String() string {
	if u < Millisecond || u > Step {
		return fmt.Sprintf("Unit(%d)", int(u))
	}
	return unitNames[u]
}

// length returns the length of a unit with a fixed one, else 0.
func (u Unit) length() time.Duration {
	return [...]time.Duration{Millisecond: time.Millisecond, Second: time.Second, Minute: time.Minute, Hour: time.Hour, Step: time.Second}[u]
}

// months returns the number of months in a unit that consists of months, else 0.
func (u Unit) months() int {
	return [...]int{Month: 1, Quarter: 3, Year: 12, Step: 0}[u]
}

// A Frequency is the step of a regular series: N units. The zero value is an unknown
// frequency.
type Frequency struct {
	N    int // at least 1
	Unit Unit
	End  bool // only for months, quarters and years: time stamps are the last days of months
}

// Valid reports whether f is a frequency, and not the zero value.
func (f Frequency) Valid() bool {
	return f.N >= 1 && f.Unit >= Millisecond && f.Unit <= Step && (!f.End || f.Unit.months() > 0)
}

// String returns f in the form that [ParseFrequency] reads: "month", "15 minutes", "quarter
// end". The zero value is "".
func (f Frequency) String() string {
	if f == (Frequency{}) {
		return ""
	}
	s := f.Unit.String()
	if f.End {
		s += " end"
	}
	if f.N == 1 {
		return s
	}
	if f.End {
		return fmt.Sprintf("%d %ss end", f.N, f.Unit)
	}
	return fmt.Sprintf("%d %ss", f.N, s)
}

// MarshalText implements [encoding.TextMarshaler] with String.
func (f Frequency) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] with [ParseFrequency]. The empty text
// gives the zero value.
func (f *Frequency) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*f = Frequency{}
		return nil
	}
	g, err := ParseFrequency(string(text))
	if err == nil {
		*f = g
	}
	return err
}

var frequencyText = regexp.MustCompile(`^(\d{1,6})?\s*([A-Za-z]+(?: day)?s?)(-[A-Z]{3})?( end)?$`)

var frequencyNames = map[string]Frequency{
	"L": {1, Millisecond, false}, "ms": {1, Millisecond, false},
	"S": {1, Second, false}, "s": {1, Second, false}, "T": {1, Minute, false}, "min": {1, Minute, false},
	"H": {1, Hour, false}, "h": {1, Hour, false}, "hourly": {1, Hour, false},
	"D": {1, Day, false}, "d": {1, Day, false}, "daily": {1, Day, false}, "B": {1, BusinessDay, false},
	"W": {1, Week, false}, "weekly": {1, Week, false},
	"M": {1, Month, false}, "MS": {1, Month, false}, "ME": {1, Month, true}, "monthly": {1, Month, false},
	"Q": {1, Quarter, false}, "QS": {1, Quarter, false}, "QE": {1, Quarter, true}, "quarterly": {1, Quarter, false},
	"Y": {1, Year, false}, "A": {1, Year, false}, "YS": {1, Year, false}, "YE": {1, Year, true}, "yearly": {1, Year, false},
}

func init() {
	for u := Millisecond; u <= Step; u++ {
		frequencyNames[u.String()] = Frequency{1, u, false}
		frequencyNames[u.String()+"s"] = Frequency{1, u, false}
	}
}

// ParseFrequency reads a frequency: an optional number and a unit. The unit is a singular
// or plural, an adverb (daily), or one of pandas' aliases (MS, ME, M, W-SUN, D, B, H, min,
// s, ms, ...). An anchor after a hyphen is ignored, because the data determine it. M, Q and
// Y do not say whether stamps are first or last days; the data determine that, too.
func ParseFrequency(s string) (Frequency, error) {
	m := frequencyText.FindStringSubmatch(s)
	if m == nil {
		return Frequency{}, pkg.Errorf("frequency %q: %w: want, for instance, month, 15 minutes, W or 2 quarters", s, ErrFrequency)
	}
	f, ok := frequencyNames[m[2]]
	if ok && m[1] != "" {
		f.N, _ = strconv.Atoi(m[1])
	}
	f.End = f.End || m[4] != ""
	if !ok || !f.Valid() {
		return Frequency{}, pkg.Errorf("frequency %q: %w: want, for instance, month, 15 minutes, W or 2 quarters", s, ErrFrequency)
	}
	return f, nil
}

// Season returns the usual number of steps in a season. The season is a second for
// milliseconds, a minute for seconds, a day for minutes and hours, a week for days, and a
// year for weeks (52), months and quarters. Season returns 1, no season, for years and steps, and
// if N units do not divide the season.
func (f Frequency) Season() int {
	if !f.Valid() {
		return 1
	}
	whole := [...]int{Millisecond: 1000, Second: 60, Minute: 24 * 60, Hour: 24, Day: 7, BusinessDay: 5, Week: 52, Month: 12, Quarter: 4, Year: 1, Step: 1}[f.Unit]
	if whole%f.N != 0 {
		return 1
	}
	return whole / f.N
}

// Add returns the time n steps after t, which must be on the grid. n may be negative. If
// the month lacks the day, the result is the month's last day.
func (f Frequency) Add(t time.Time, n int) time.Time {
	n *= f.N
	switch {
	case f.Unit.length() > 0:
		return t.Add(time.Duration(n) * f.Unit.length())
	case f.Unit == Day:
		return t.AddDate(0, 0, n)
	case f.Unit == Week:
		return t.AddDate(0, 0, 7*n)
	case f.Unit == BusinessDay:
		w := weekday(t) + n // days from the Monday of t's week
		week := floorDiv(w, 5)
		return t.AddDate(0, 0, 7*week+w-5*week-weekday(t))
	}
	first := time.Date(t.Year(), t.Month(), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location()).AddDate(0, n*f.Unit.months(), 0)
	day := first.AddDate(0, 1, -1).Day()
	if !f.End {
		day = min(day, t.Day())
	}
	return first.AddDate(0, 0, day-1)
}

// Index returns the number of steps from start to t, rounded towards the past, and
// whether t is on start's grid.
func (f Frequency) Index(start, t time.Time) (n int, onGrid bool) {
	t = t.In(start.Location())
	switch {
	case f.Unit.length() > 0:
		d := t.Sub(start)
		n = int(d / (f.Unit.length() * time.Duration(f.N)))
	case f.Unit == Day:
		n = floorDiv(days(start, t), f.N)
	case f.Unit == Week:
		n = floorDiv(days(start, t), 7*f.N)
	case f.Unit == BusinessDay:
		weeks := floorDiv(days(start, t)+weekday(start), 7)
		n = floorDiv(5*weeks+min(weekday(t), 4)-weekday(start), f.N)
	default:
		n = floorDiv(monthsBetween(start, t), f.N*f.Unit.months())
	}
	for f.Add(start, n).After(t) {
		n--
	}
	return n, f.Add(start, n).Equal(t)
}

// weekday returns the day of the week, counted from Monday as 0.
func weekday(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// days returns the number of calendar days from a to b, which are in the same location.
func days(a, b time.Time) int {
	return int((midnight(b).Unix() - midnight(a).Unix()) / (24 * 3600))
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func monthsBetween(a, b time.Time) int {
	return 12*(b.Year()-a.Year()) + int(b.Month()) - int(a.Month())
}

func monthEnd(t time.Time) bool { return t.AddDate(0, 0, 1).Day() == 1 }

func clock(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

// InferFrequency returns the frequency of strictly ascending time stamps: the coarsest of
// N years, quarters, months, weeks, days, hours, minutes, seconds or milliseconds whose
// grid contains all stamps. Stamps may have gaps, but the smallest step must occur. Days
// from Monday to Friday without other gaps are business days. Several series share one
// frequency, but may have different phases. InferFrequency fails with [ErrFrequency] if
// there is no such frequency or no series has two stamps.
func InferFrequency(stamps ...[]time.Time) (Frequency, error) {
	var months, daysApart, apart steps
	onDay, onMonth, onEnd, working, gapless := true, true, true, true, true
	for _, ts := range stamps {
		for i, t := range ts {
			first := ts[0]
			onDay = onDay && clock(t) == clock(first)
			onMonth = onMonth && t.Day() == first.Day() && (t.Day() <= 28 || t.Month() == first.Month())
			onEnd = onEnd && monthEnd(t)
			working = working && weekday(t) < 5
			if i == 0 {
				continue
			}
			months.add(monthsBetween(ts[i-1], t))
			d := days(ts[i-1], t)
			daysApart.add(d)
			apart.add(int(t.Sub(ts[i-1])))
			gapless = gapless && (d == 1 || d == 3 && weekday(t) == 0)
		}
	}
	var f Frequency
	switch {
	case apart.n == 0:
		return f, pkg.Errorf("infer the frequency: %w: no series has two rows: %w", ErrFrequency, setFreq)
	case onDay && (onMonth || onEnd) && months.regular():
		f = Frequency{N: months.gcd, Unit: Month, End: !onMonth}
		switch {
		case f.N%12 == 0:
			f.N, f.Unit = f.N/12, Year
		case f.N == 3:
			f.N, f.Unit = 1, Quarter
		}
	case onDay && working && gapless && daysApart.n >= 5:
		f = Frequency{N: 1, Unit: BusinessDay}
	case onDay && daysApart.regular():
		f = Frequency{N: daysApart.gcd, Unit: Day}
		if f.N%7 == 0 {
			f.N, f.Unit = f.N/7, Week
		}
	case apart.regular() && apart.gcd%int(time.Millisecond) == 0:
		for _, u := range slices.Backward([]Unit{Millisecond, Second, Minute, Hour}) {
			if apart.gcd%int(u.length()) == 0 {
				f = Frequency{N: apart.gcd / int(u.length()), Unit: u}
				break
			}
		}
	default:
		return f, pkg.Errorf("infer the frequency: %w: the time stamps are from %v to %v apart: if there is one, %w",
			ErrFrequency, length(apart.least), length(apart.most), setFreq)
	}
	return f, nil
}

// length prints nanoseconds in a readable form: 28 days, 23h.
func length(d int) string {
	const day = 24 * time.Hour
	if d := time.Duration(d); d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	text := time.Duration(d).String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, none) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// steps collects the differences between stamps.
type steps struct{ n, gcd, least, most int }

func (s *steps) add(d int) {
	if s.n == 0 {
		s.least = d
	}
	s.n, s.least, s.most = s.n+1, min(s.least, d), max(s.most, d)
	for a := d; a != 0; {
		s.gcd, a = a, s.gcd%a
	}
}

// regular reports whether all steps are multiples of the smallest.
func (s steps) regular() bool { return s.n > 0 && s.least > 0 && s.gcd == s.least }
