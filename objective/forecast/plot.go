package forecast

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// A Plot draws forecasts against the truth.
type Plot struct {
	Title     string
	Truth     Series
	Forecasts []Line
	Last      int // number of last values of the truth to draw; default all
	Width     int // in pixels; default 800
	Height    int // in pixels; default 400
}

// A Line is a series with its name in the legend. Lines with the same name, such as the
// folds of a backtest, look alike and are named once.
type Line struct {
	Name   string
	Series Series
}

// Lines returns the forecasts of one series in all folds.
func (r Result) Lines(id string) []Line {
	var out []Line
	for _, fold := range r.Folds {
		for _, s := range fold.Forecast {
			if s.ID == id {
				out = append(out, Line{r.Name, s})
			}
		}
	}
	return out
}

// colours are those of Okabe and Ito, which nearly everyone can distinguish. The truth
// is black.
var colours = []string{"#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"}

// WriteSVG writes a self-contained picture: lines over a time axis, interrupted at missing
// values, and a legend. It fails with [ErrEmpty] if there is no value to draw, and with
// the writer's error.
func (p Plot) WriteSVG(w io.Writer) error {
	truth := p.Truth
	if p.Last > 0 && p.Last < truth.Len() {
		truth = truth.part(truth.Len()-p.Last, truth.Len(), 0)
	}
	c := canvas{w: bufio.NewWriter(w), width: orDefault(p.Width, 800), height: orDefault(p.Height, 400)}
	lines := append([]Line{{"truth", truth}}, p.Forecasts...)
	if err := c.scale(lines); err != nil {
		return err
	}
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", c.width, c.height, c.width, c.height)
	c.printf(`<rect width="100%%" height="100%%" fill="white"/>` + "\n")
	c.printf(`<text x="%d" y="20" font-size="15">%s</text>`+"\n", left, escape(p.Title))
	c.axes()
	colour := map[string]string{"truth": "#000000"}
	x := float64(left)
	for i, l := range lines {
		if colour[l.Name] == "" {
			colour[l.Name] = colours[(len(colour)-1)%len(colours)]
		}
		if i > 0 {
			c.join(truth, l.Series, colour[l.Name])
		}
		c.line(l.Series, colour[l.Name])
	}
	named := map[string]bool{}
	for _, l := range lines {
		if !named[l.Name] {
			named[l.Name] = true
			c.printf(`<path d="M%.1f 36h16" stroke="%s" stroke-width="2"/><text x="%.1f" y="40">%s</text>`+"\n", x, colour[l.Name], x+20, escape(l.Name))
			x += 36 + 7*float64(len([]rune(l.Name)))
		}
	}
	c.printf("</svg>\n")
	return c.w.Flush()
}

func orDefault(v, d int) int {
	if v <= 0 {
		return d
	}
	return v
}

// Margins, in pixels.
const left, right, top, bottom = 64, 16, 52, 32

type canvas struct {
	w             *bufio.Writer // Flush reports its first error
	width, height int
	from, to      time.Time
	low, high     float64
}

func (c *canvas) printf(format string, args ...any) { fmt.Fprintf(c.w, format, args...) }

// scale finds the bounds of all that is drawn.
func (c *canvas) scale(lines []Line) error {
	c.low, c.high = math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for i, v := range l.Series.Y {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			t := l.Series.Time(i)
			if math.IsInf(c.low, 1) {
				c.from, c.to = t, t
			}
			if t.Before(c.from) {
				c.from = t
			}
			if t.After(c.to) {
				c.to = t
			}
			c.low, c.high = min(c.low, v), max(c.high, v)
		}
	}
	if c.low > c.high {
		return pkg.Errorf("plot: %w: no values", ErrEmpty)
	}
	if c.low == c.high {
		c.low, c.high = c.low-1, c.high+1
	}
	if !c.to.After(c.from) {
		c.to = c.from.Add(time.Second)
	}
	return nil
}

func (c *canvas) x(t time.Time) float64 {
	// Time.Sub would overflow at 292 years.
	span := float64(c.to.UnixMilli() - c.from.UnixMilli())
	return left + float64(c.width-left-right)*float64(t.UnixMilli()-c.from.UnixMilli())/span
}

func (c *canvas) y(v float64) float64 {
	return top + float64(c.height-top-bottom)*((c.high-v)/(c.high-c.low))
}

func (c *canvas) axes() {
	step := niceStep((c.high - c.low) / 5)
	for k := range 6 {
		v := (math.Ceil(c.low/step) + float64(k)) * step
		if v > c.high {
			break
		}
		c.printf(`<path d="M%d %.1fH%d" stroke="#dddddd"/><text x="%d" y="%.1f" text-anchor="end">%.6g</text>`+"\n",
			left, c.y(v), c.width-right, left-6, c.y(v)+4, v)
	}
	times, layout := ticks(c.from, c.to)
	for _, t := range times {
		x := c.x(t)
		anchor := "middle"
		if x > float64(c.width-right-20) {
			anchor = "end"
		}
		c.printf(`<path d="M%.1f %dV%d" stroke="#eeeeee"/><text x="%.1f" y="%d" text-anchor="%s">%s</text>`+"\n",
			x, top, c.height-bottom, x, c.height-12, anchor, t.Format(layout))
	}
}

// ticks returns at most nine round times between from and to, and their layout.
func ticks(from, to time.Time) ([]time.Time, string) {
	const most = 9
	begin := func(unit Unit, n int) time.Time { // the last round time at or before from
		y, m, d := from.Date()
		switch unit {
		case Year:
			return time.Date(y-(y%n+n)%n, 1, 1, 0, 0, 0, 0, from.Location())
		case Month:
			return time.Date(y, m-(m-1)%time.Month(n), 1, 0, 0, 0, 0, from.Location())
		case Day:
			return time.Date(y, m, d, 0, 0, 0, 0, from.Location())
		case Hour:
			return time.Date(y, m, d, from.Hour()/n*n, 0, 0, 0, from.Location())
		}
		return from.Truncate(time.Duration(n) * unit.length())
	}
	for _, u := range []struct {
		unit   Unit
		steps  []int
		layout string
	}{
		{Millisecond, []int{1, 5, 20, 100, 500}, "05.000"},
		{Second, []int{1, 5, 15, 30}, time.TimeOnly},
		{Minute, []int{1, 5, 15, 30}, "01-02 15:04"},
		{Hour, []int{1, 3, 6, 12}, "01-02 15:04"},
		{Day, []int{1, 2, 7, 14}, time.DateOnly},
		{Month, []int{1, 3, 6}, "2006-01"},
		{Year, []int{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}, "2006"},
	} {
		for _, n := range u.steps {
			step := Frequency{N: n, Unit: u.unit}
			var out []time.Time
			for t := begin(u.unit, n); !t.After(to) && len(out) <= most; t = step.Add(t, 1) {
				if !t.Before(from) {
					out = append(out, t)
				}
			}
			if len(out) <= most {
				return out, u.layout
			}
		}
	}
	return []time.Time{from, to}, time.DateOnly
}

// niceStep returns 1, 2 or 5 times a power of ten, at least d.
func niceStep(d float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(d)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= d {
			return m * p
		}
	}
	return 10 * p
}

func (c *canvas) line(s Series, colour string) {
	var path strings.Builder
	command := "M"
	for i, v := range s.Y {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			command = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", command, c.x(s.Time(i)), c.y(v))
		if command == "M" {
			path.WriteString("h0") // makes a single point visible, as a round cap
		}
		command = "L"
	}
	c.printf(`<path d="%s" fill="none" stroke="%s" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"/>`+"\n", path.String(), colour)
}

// join draws the line from the truth to a forecast that begins one step after a known value.
func (c *canvas) join(truth, forecast Series, colour string) {
	i, onGrid := truth.Freq.Index(truth.Start, forecast.Start)
	i--
	if !onGrid || i < 0 || i >= truth.Len() || forecast.Len() == 0 {
		return
	}
	from, to := truth.Y[i], forecast.Y[0]
	if math.IsNaN(from-to) || math.IsInf(from-to, 0) {
		return
	}
	c.printf(`<path d="M%.1f %.1fL%.1f %.1f" fill="none" stroke="%s" stroke-width="1.5" stroke-dasharray="3 3"/>`+"\n",
		c.x(truth.Time(i)), c.y(from), c.x(forecast.Start), c.y(to), colour)
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
