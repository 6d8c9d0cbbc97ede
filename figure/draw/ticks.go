package draw

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/figure"
)

// A tick is a place on an axis that has a label, at a position of the scale.
type tick struct {
	at   float64
	text string
}

// ticks returns about n ticks between two positions.
func ticks(s figure.Scale, low, high float64, n int) []tick {
	switch s {
	case figure.Log:
		return logTicks(low, high, n)
	case figure.Time:
		return timeTicks(low, high, n)
	}
	return linearTicks(low, high, n)
}

// linearTicks are multiples of 1, 2 or 5 times a power of ten.
func linearTicks(low, high float64, n int) []tick {
	step := niceStep((high - low) / float64(n))
	var all []tick
	for k := math.Ceil(low/step - 1e-9); k <= math.Floor(high/step+1e-9); k++ {
		all = append(all, tick{k * step, number(k*step, step)})
	}
	return all
}

// niceStep returns 1, 2 or 5 times a power of ten, at least d.
func niceStep(d float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(d)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= d*(1-1e-12) {
			return m * p
		}
	}
	return 10 * p
}

// number writes a multiple of step.
func number(v, step float64) string {
	size := math.Abs(v)
	switch {
	case size < step/2:
		return "0"
	case size >= 1e6 || step < 1e-4:
		digits := math.Floor(math.Log10(size)+1e-9) - math.Floor(math.Log10(step)+1e-9)
		return scientific(v, int(min(digits, 12)))
	}
	return strconv.FormatFloat(v, 'f', int(max(0, -math.Floor(math.Log10(step)+1e-9))), 64)
}

// scientific writes a number as 1.5e-5.
func scientific(v float64, digits int) string {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', digits, 64), "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	sign, power := exponent[:1], strings.TrimLeft(exponent[1:], "0")
	if power == "" {
		return mantissa
	}
	return mantissa + "e" + strings.TrimPrefix(sign, "+") + power
}

// plain writes a number in a few characters.
func plain(v float64) string {
	if size := math.Abs(v); v != 0 && (size < 1e-3 || size >= 1e5) {
		return scientific(v, 3)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// logTicks are powers of ten: all of them, every second one, and so on. If these are few, their multiples are added.
func logTicks(low, high float64, n int) []tick {
	decades := high - low
	if decades < 0.5 {
		var all []tick
		for _, t := range linearTicks(math.Pow(10, low), math.Pow(10, high), n) {
			if t.at > 0 {
				all = append(all, tick{math.Log10(t.at), t.text})
			}
		}
		return all
	}
	multiples := []float64{1}
	switch {
	case 3*decades <= float64(n):
		multiples = []float64{1, 2, 5}
	case 2*decades <= float64(n):
		multiples = []float64{1, 3}
	}
	every := int(max(1, math.Ceil(decades/float64(n))))
	var all []tick
	for k := int(math.Floor(low)); k <= int(math.Ceil(high)); k++ {
		if k%every != 0 {
			continue
		}
		for _, m := range multiples {
			if at := float64(k) + math.Log10(m); at >= low-1e-9 && at <= high+1e-9 {
				all = append(all, tick{at, plain(m * math.Pow(10, float64(k)))})
			}
		}
	}
	return all
}

// A timeStep is a length of time that people count in, with the layout of the times at which it begins. It is a number
// of months if step is 0.
type timeStep struct {
	step   time.Duration
	months int
	layout string
}

var timeSteps = func() (all []timeStep) {
	add := func(unit time.Duration, layout string, ns ...int) {
		for _, n := range ns {
			all = append(all, timeStep{step: time.Duration(n) * unit, layout: layout})
		}
	}
	add(time.Millisecond, "05.000", 1, 5, 20)
	add(time.Millisecond, "15:04:05.0", 100, 500)
	add(time.Second, "15:04:05", 1, 5, 15, 30)
	add(time.Minute, "15:04", 1, 5, 15, 30)
	add(time.Hour, "01-02 15:04", 1, 3, 6, 12)
	add(24*time.Hour, time.DateOnly, 1, 2, 7, 14)
	for _, n := range []int{1, 3, 6} {
		all = append(all, timeStep{months: n, layout: "2006-01"})
	}
	for _, n := range []int{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000} {
		all = append(all, timeStep{months: 12 * n, layout: "2006"})
	}
	return all
}()

// timeTicks are round times: whole minutes, days, months, at most n of them.
func timeTicks(low, high float64, n int) []tick {
	if !(low > -6e10 && high < 2.5e11) { // before the year 1, after 9999
		return linearTicks(low, high, n)
	}
	from, to := unixTime(low), unixTime(high)
	for _, s := range timeSteps {
		var all []tick
		for t := s.begin(from); !t.After(to) && len(all) <= n; t = s.next(t) {
			if !t.Before(from) {
				all = append(all, tick{float64(t.UnixMicro()) / 1e6, t.Format(s.layout)})
			}
		}
		if len(all) <= n {
			return all
		}
	}
	return nil
}

// begin returns the last beginning up to t.
func (s timeStep) begin(t time.Time) time.Time {
	if s.months == 0 {
		return t.Truncate(s.step)
	}
	months := 12*t.Year() + int(t.Month()) - 1
	return time.Date(0, time.Month(1+months-months%s.months), 1, 0, 0, 0, 0, time.UTC)
}

func (s timeStep) next(t time.Time) time.Time {
	if s.months == 0 {
		return t.Add(s.step)
	}
	return t.AddDate(0, s.months, 0)
}

func unixTime(seconds float64) time.Time {
	whole := math.Floor(seconds)
	return time.Unix(int64(whole), int64((seconds-whole)*1e9)).UTC()
}
