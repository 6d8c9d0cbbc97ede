package forecast

import (
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
	quarters     = "2006Q1"
	quartersDash = "2006-Q1"
)

// layouts are tried in this order. None can be mistaken for another.
var layouts = []string{
	time.RFC3339,
	"2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly, "2006-01",
	"2006/01/02 15:04:05", "2006/01/02 15:04", "2006/01/02", "2006/01", "2006/1/2", "2006/1",
	"2006-1-2", "2006.01.02", "20060102", "2006",
	"Jan 2006", "January 2006", "Jan 2, 2006", "Jan 2 2006", "2 Jan 2006", "Jan-2006",
	quarters, quartersDash,
}

// RecognizeLayout returns the layout of a time stamp, as [CSV.Layout] has it: ISO
// 8601 and RFC 3339 with the time, the day or less left out, the same with
// slashes, years, quarters as in 2006Q1 and 2006-Q1, and dates with English
// months; numbers of 9 or 10 digits are seconds since 1970, those of 12 or 13
// milliseconds. It returns "" for others, and for 01/02/2006, which is one day in
// America and another elsewhere.
func RecognizeLayout(text string) string {
	for _, layout := range layouts {
		if _, err := parseTime(layout, text, time.UTC); err == nil {
			return layout
		}
	}
	whole, _, _ := strings.Cut(text, ".")
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		switch len(whole) {
		case 9, 10:
			return epochSeconds
		case 12, 13:
			return epochMillis
		}
	}
	return ""
}

// parseTime parses a stamp, which is in loc if it has no zone, and puts it there.
func parseTime(layout, text string, loc *time.Location) (time.Time, error) {
	switch layout {
	case epochSeconds, epochMillis:
		x, err := strconv.ParseFloat(text, 64)
		if layout == epochSeconds {
			x *= 1000
		}
		if err != nil || math.IsNaN(x) || math.Abs(x) > 1e15 {
			return time.Time{}, fmt.Errorf("want a number of seconds or milliseconds since 1970")
		}
		return time.UnixMilli(int64(math.Round(x))).In(loc), nil
	case quarters, quartersDash:
		mark := "Q"
		if layout == quartersDash {
			mark = "-Q"
		}
		year, q, ok := strings.Cut(text, mark)
		y, err := strconv.Atoi(year)
		if !ok || err != nil || len(year) != 4 || len(q) != 1 || q < "1" || q > "4" {
			return time.Time{}, fmt.Errorf("want a year and a quarter")
		}
		return time.Date(y, time.Month(3*(q[0]-'1')+1), 1, 0, 0, 0, 0, loc), nil
	}
	t, err := time.ParseInLocation(layout, text, loc)
	return t.In(loc), err
}
