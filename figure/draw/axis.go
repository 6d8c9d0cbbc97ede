package draw

import (
	"math"

	"github.com/attune-hpo/attune/figure"
)

// A span grows to hold the positions that it is given.
type span struct{ low, high float64 }

func nothing() span { return span{math.Inf(1), math.Inf(-1)} }

func (s span) empty() bool { return s.low > s.high }

func (s *span) add(scale figure.Scale, values ...float64) {
	for _, v := range values {
		if p := scale.Position(v); !math.IsNaN(p) {
			s.low, s.high = min(s.low, p), max(s.high, p)
		}
	}
}

// An axis is a figure.Axis that knows its bounds, as positions of its scale, and
// where they lie on the canvas.
type axis struct {
	figure.Axis
	low, high float64
	from, to  float64 // pixels of low and high
	ticks     []tick
}

// bounded returns the axis with its bounds. Room is the share of the extent of the
// data that is left free at both ends.
func bounded(a figure.Axis, data span, room float64) axis {
	out := axis{Axis: a, low: 0, high: 1}
	set := func(low, high float64) {
		if low < high && !math.IsInf(high-low, 0) {
			out.low, out.high = low, high
		}
	}
	switch {
	case a.Scale == figure.Names:
		set(-0.5, float64(len(a.Names))-0.5)
	case a.Low < a.High:
		set(a.Scale.Position(a.Low), a.Scale.Position(a.High))
	case data.empty():
	case data.low < data.high:
		free := room * (data.high - data.low)
		set(data.low-free, data.high+free)
	default:
		free := max(1, math.Abs(data.low)/1e6)
		if a.Scale == figure.Log {
			free = 0.5
		}
		set(data.low-free, data.high+free)
	}
	return out
}

// place puts the axis on the canvas.
func (a *axis) place(from, to float64) { a.from, a.to = from, to }

// at returns the pixel of a value, NaN for one that cannot be drawn.
func (a *axis) at(v float64) float64 { return a.pixel(a.Scale.Position(v)) }

func (a *axis) pixel(position float64) float64 { return a.from + a.share(position)*(a.to-a.from) }

// share returns where between the bounds a position lies, from 0 to 1.
func (a *axis) share(position float64) float64 { return (position - a.low) / (a.high - a.low) }

// contains reports whether a value lies within the bounds.
func (a *axis) contains(v float64) bool {
	u := a.share(a.Scale.Position(v))
	return u >= -1e-9 && u <= 1+1e-9
}

// names returns all names of the axis, or every second, third, ... one, so that each has need pixels of the length.
func (a *axis) names(length, need float64) []tick {
	n := len(a.Names)
	every := max(1, int(math.Ceil(need*float64(n)/length)))
	var all []tick
	for i := 0; i < n; i += every {
		all = append(all, tick{float64(i), clean(a.Names[i])})
	}
	return all
}

const labelGap = 8 // between labels side by side

// chooseX chooses ticks for a width so that their labels do not touch.
func (a *axis) chooseX(t typeface, width float64) {
	if a.Scale == figure.Names {
		a.ticks = a.names(width, 36)
		for i := range a.ticks {
			a.ticks[i].text = t.fit(a.ticks[i].text, width/float64(len(a.ticks))-labelGap)
		}
		return
	}
	for n := int(max(1, min(10, width/35))); n >= 1; n-- {
		a.ticks = ticks(a.Scale, a.low, a.high, n)
		last, apart := math.Inf(-1), true
		for _, k := range a.ticks {
			x, w := a.share(k.at)*width, t.measure(k.text)
			apart = apart && x-w/2 >= last+labelGap
			last = x + w/2
		}
		if apart {
			return
		}
	}
	a.ticks = a.ticks[:1]
}

// chooseY chooses ticks for a height, their labels no wider than widest.
func (a *axis) chooseY(t typeface, height, widest float64) {
	if a.Scale == figure.Names {
		a.ticks = a.names(height, t.lineHeight()+1)
		for i := range a.ticks {
			a.ticks[i].text = t.fit(a.ticks[i].text, widest)
		}
	} else {
		for n := int(max(1, min(8, height/28))); n >= 1; n-- {
			a.ticks = ticks(a.Scale, a.low, a.high, n)
			if a.apart(height, t.lineHeight()) {
				break
			}
		}
		if !a.apart(height, t.lineHeight()) {
			a.ticks = a.ticks[:1]
		}
		if a.widest(t) > widest { // part of a number would be another number
			a.ticks = nil
		}
	}
}

// apart reports whether the ticks are at least need pixels of a length from one another.
func (a *axis) apart(length, need float64) bool {
	for i := 1; i < len(a.ticks); i++ {
		if (a.share(a.ticks[i].at)-a.share(a.ticks[i-1].at))*length < need {
			return false
		}
	}
	return true
}

// widest returns the width of the widest label.
func (a *axis) widest(t typeface) float64 {
	w := 0.0
	for _, k := range a.ticks {
		w = max(w, t.measure(k.text))
	}
	return w
}
