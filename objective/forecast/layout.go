package forecast

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Layouts that time.Parse does not know.
const (
	epochSeconds = "epoch"
	epochMillis  = "epoch ms"
	wholeNumbers = "index"
	rowNumbers   = "rows"
)

// quarters maps layouts of a year and a quarter to the mark between the two.
var quarters = map[string]string{"2006Q1": "Q", "2006-Q1": "-Q", "2006 Q1": " Q"}

// layouts are tried in this order. None can be mistaken for another.
var layouts = []string{
	time.RFC3339,
	"2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly, "2006-01",
	"2006/01/02 15:04:05", "2006/01/02 15:04", "2006/01/02", "2006/01", "2006/1/2", "2006/1",
	"2006-1-2", "2006.01.02", "20060102", "2006",
	"02.01.2006 15:04:05", "02.01.2006 15:04", "02.01.2006", "2.1.2006",
	"Jan 2006", "January 2006", "2006 Jan", "2006 January", "Jan 2, 2006", "Jan 2 2006", "2 Jan 2006", "Jan-2006", "Jan-2-2006",
	"2006Q1", "2006-Q1", "2006 Q1",
}

// RecognizeLayout returns the layout of a time stamp, in the form of [CSV.Layout]. It
// recognizes ISO 8601 and RFC 3339, also without the time, the day or less, and the same with
// slashes; days and months before years, separated by dots; years; quarters such as 2006Q1,
// 2006-Q1 and 2006 Q1; dates with English months; numbers of 9 or 10 digits as seconds since
// 1970, and of 12 or 13 digits as milliseconds. It returns "" for other texts, and for
// 01/02/2006, which means different days in America and elsewhere: see [InferLayout].
func RecognizeLayout(text string) string {
	for _, layout := range layouts {
		if _, err := ParseTime(layout, text, time.UTC); err == nil {
			return layout
		}
	}
	whole, _, _ := strings.Cut(text, ".")
	if _, err := decimal(text); err == nil {
		switch len(whole) {
		case 9, 10:
			return epochSeconds
		case 12, 13:
			return epochMillis
		}
	}
	return ""
}

// dayFirst and monthFirst are layouts with slashes or hyphens that can be mistaken for
// each other.
var (
	dayFirst   = ambiguous("02/01/2006", "2/1/2006", "02-01-2006", "2-1-2006", "02/01/06", "02-01-06")
	monthFirst = ambiguous("01/02/2006", "1/2/2006", "01-02-2006", "1-2-2006", "01/02/06", "01-02-06")
)

// ambiguous returns dates with the times of day that may follow them.
func ambiguous(dates ...string) []string {
	var all []string
	for _, date := range dates {
		all = append(all, date, date+" 15:04", date+" 15:04:05")
	}
	return all
}

// InferLayout returns the layout of the time stamps of a column: that of [RecognizeLayout]
// for the first stamp or, if days and months could be confused, the one that fits most
// stamps. For example, 31/01/2020 cannot begin with a month. If two layouts fit all
// stamps, it is the one that leaves no step missing: 01/01/2020, 01/02/2020, ...,
// 01/01/2021 are months, not the first days of January. InferLayout returns "" if no
// layout fits most stamps, or if it cannot decide between two.
func InferLayout(stamps []string) string {
	if len(stamps) == 0 {
		return ""
	}
	if layout := RecognizeLayout(stamps[0]); layout != "" {
		return layout
	}
	day, days := most(dayFirst, stamps)
	month, months := most(monthFirst, stamps)
	switch {
	case days > months && 2*days > len(stamps):
		return day
	case months > days && 2*months > len(stamps):
		return month
	case days == len(stamps) && months == days:
		switch byDay, byMonth := gapless(day, stamps), gapless(month, stamps); {
		case byDay && !byMonth:
			return day
		case byMonth && !byDay:
			return month
		}
	}
	return ""
}

// gapless reports whether no step is missing among the stamps of one or several series, one after
// the other.
func gapless(layout string, stamps []string) bool {
	var series [][]time.Time
	var last time.Time
	for _, text := range stamps {
		t, err := ParseTime(layout, text, time.UTC)
		if err != nil {
			return false
		}
		if len(series) == 0 || !t.After(last) {
			series = append(series, nil)
		}
		k := len(series) - 1
		series[k], last = append(series[k], t), t
	}
	f, err := InferFrequency(series...)
	if err != nil {
		return false
	}
	for _, ts := range series {
		if n, on := f.Index(ts[0], ts[len(ts)-1]); !on || n != len(ts)-1 {
			return false
		}
	}
	return true
}

// most returns the layout that fits most stamps, and their number.
func most(layouts, stamps []string) (best string, count int) {
	for _, layout := range layouts {
		n := 0
		for _, s := range stamps {
			if _, err := ParseTime(layout, s, time.UTC); err == nil {
				n++
			}
		}
		if n > count {
			best, count = layout, n
		}
	}
	return best, count
}

// directives are those of strptime, and their equivalents in a layout of package time.
var directives = strings.NewReplacer("%%", "%", "%Y", "2006", "%y", "06", "%m", "01", "%B", "January", "%b", "Jan", "%d", "02", "%e", "_2", "%j", "002",
	"%A", "Monday", "%a", "Mon", "%H", "15", "%I", "03", "%M", "04", "%S", "05", "%f", "000000", "%p", "PM", "%z", "-0700", "%Z", "MST",
	"%F", "2006-01-02", "%T", "15:04:05", "%q", "1", "%s", epochSeconds)

// layout returns the layout of package time for s, which may contain directives such as %d.
func layout(s string) string {
	if strings.Contains(s, "%") {
		return directives.Replace(s)
	}
	return s
}

// parts are the elements of a layout, in letters that people know.
var parts = strings.NewReplacer("Z07:00", "+hh:mm", "-07:00", "+hh:mm", "-0700", "+hhmm", "2006", "YYYY", "January", "MONTH", "Jan", "MON", "Monday", "WEEKDAY", "Mon", "DAY",
	"002", "DDD", "01", "MM", "02", "DD", "_2", "D", "03", "hh", "04", "mm", "05", "ss", "06", "YY", "15", "hh", "1", "M", "2", "D", "3", "h", "4", "m", "5", "s")

// form describes a layout to people who do not know Go: YYYY-MM-DD.
func form(s string) string {
	switch mark, quarter := quarters[s]; {
	case quarter:
		return "YYYY" + mark + "n"
	case s == epochSeconds:
		return "seconds since 1970"
	case s == epochMillis:
		return "milliseconds since 1970"
	case s == wholeNumbers:
		return "17, a whole number"
	case strings.Contains(s, "%"):
		return s
	}
	return parts.Replace(s)
}

// ParseTime parses a stamp in a layout that [CSV.Layout] accepts. loc is the location of a
// stamp without a zone, and of the result. ParseTime fails with [ErrTime].
func ParseTime(how, text string, loc *time.Location) (time.Time, error) {
	l := layout(how)
	mark, quarter := quarters[l]
	var t time.Time
	var err error
	switch {
	case l == wholeNumbers:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || max(n, -n) > 1e11 {
			return time.Time{}, fmt.Errorf("%w of the form %s", ErrTime, form(how))
		}
		return counted(int(n)), nil
	case l == epochSeconds || l == epochMillis:
		t, err = sinceEpoch(l, text)
	case quarter:
		t, err = quarterOf(text, mark, loc)
	default:
		t, err = time.ParseInLocation(l, text, loc)
	}
	if err != nil {
		why := ""
		if e, ok := errors.AsType[*time.ParseError](err); ok {
			why = e.Message // such as ": day out of range", but usually empty
		}
		return time.Time{}, fmt.Errorf("%w of the form %s%s", ErrTime, form(how), why)
	}
	return t.In(loc), nil
}

// FormatTime formats a time in a layout that [CSV.Layout] accepts; "" means RFC 3339.
func FormatTime(how string, t time.Time) string {
	l := layout(how)
	mark, quarter := quarters[l]
	switch {
	case l == wholeNumbers, l == rowNumbers:
		return strconv.FormatInt(t.Unix(), 10)
	case l == epochSeconds:
		return strconv.FormatInt(t.Unix(), 10)
	case l == epochMillis:
		return strconv.FormatInt(t.UnixMilli(), 10)
	case quarter:
		return fmt.Sprintf("%d%s%d", t.Year(), mark, (t.Month()+2)/3)
	case l == "":
		return t.Format(time.RFC3339)
	}
	return t.Format(l)
}

// counted returns the time that represents the number of a [Step]. Its location distinguishes it from other times.
func counted(n int) time.Time { return time.Unix(int64(n), 0).In(steplike) }

var steplike = time.FixedZone("steps", 0)

// decimal parses a number of digits, a point and a sign only.
func decimal(text string) (float64, error) {
	if strings.Trim(text, "+-.0123456789") != "" {
		return 0, ErrNumber
	}
	return strconv.ParseFloat(text, 64)
}

func sinceEpoch(layout, text string) (time.Time, error) {
	x, err := decimal(text)
	if layout == epochSeconds {
		x *= 1000
	}
	if err != nil || math.IsNaN(x) || math.Abs(x) > 1e15 {
		return time.Time{}, ErrTime
	}
	return time.UnixMilli(int64(math.Round(x))), nil
}

// quarterOf parses a year, a mark and a quarter.
func quarterOf(text, mark string, loc *time.Location) (time.Time, error) {
	year, q, ok := strings.Cut(text, mark)
	y, err := strconv.Atoi(year)
	if !ok || err != nil || len(year) != 4 || len(q) != 1 || q < "1" || q > "4" {
		return time.Time{}, ErrTime
	}
	return time.Date(y, time.Month(3*(q[0]-'1')+1), 1, 0, 0, 0, 0, loc), nil
}
