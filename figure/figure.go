// Package figure holds pictures as data: axes, lines, points and bars as plain
// numbers, which a test can look at and [draw] makes an image of.
//
//	f := figure.Figure{Title: "Squares", Panels: []figure.Panel{{
//		X:     figure.Axis{Label: "x"},
//		Y:     figure.Axis{Label: "x²"},
//		Marks: []figure.Mark{figure.Line{X: []float64{1, 2, 3}, Y: []float64{1, 4, 9}}},
//	}}}
//
// Numbers that are NaN or infinite are not drawn, and interrupt a line. The same
// goes for numbers that are not positive on a logarithmic axis.
//
// [draw]: https://pkg.go.dev/github.com/attune-hpo/attune/figure/draw
package figure

import "math"

// A Figure is a picture of one panel or several.
type Figure struct {
	Title   string
	Panels  []Panel
	Columns int      // of panels; default: as many as are wide enough
	Shade   *Shade   // what colours from a scale mean, in a bar at the side; nil: there are none
	Notes   []string // sentences below the panels, as on what is left out
}

// A Panel is one coordinate system and what is drawn in it.
type Panel struct {
	Title    string
	X, Y     Axis
	Marks    []Mark    // in order: later ones lie on top
	Parallel *Parallel // parallel coordinates, in place of all of the above
}

// An Axis is one direction of a panel. Of the zero value the scale is linear and
// the bounds are those of the data.
type Axis struct {
	Label string // with the unit, if there is one
	Scale Scale
	// Low and High are the bounds. If they are equal, they are those of the data, with
	// a little room.
	Low, High float64
	Names     []string // of a Names axis: what its values 0, 1, 2, ... are called
	// Hidden leaves out the labels of a Y axis, but in the first panel of a row: its
	// neighbours have the same one.
	Hidden bool
}

// A Scale says how the numbers of an axis are laid out.
type Scale uint8

const (
	Linear Scale = iota
	Log          // by the logarithm
	Time         // seconds since 1970, in UTC
	Names        // names at 0, 1, 2, ..., the first one at the left or at the top
)

// Position returns where on the scale v lies: the number that is laid out evenly,
// NaN for one that cannot be drawn.
func (s Scale) Position(v float64) float64 {
	if s == Log {
		v = math.Log10(v)
	}
	if math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

// A Colour is one of a few that people with any kind of colour vision can tell
// apart (after Okabe and Ito 2008, Color Universal Design), or a shade of grey.
type Colour uint8

const (
	Ink   Colour = iota // as text
	Muted               // less strong than text
	Faint               // hardly there: what is in the background
	Blue                // the first of those for data, from which Nth counts
	Orange
	Green
	Pink
	Yellow
	Sky
)

// Nth returns a colour for the i-th of several things, from 0. There are six.
func Nth(i int) Colour { return Blue + Colour(i%6) }

// A Shade is a scale of colours for a number, in which brightness changes steadily,
// so that every kind of colour vision sees the order. The end that stands out from
// the ground is the low one or, if Rising is set, the high one.
type Shade struct {
	Label     string
	Scale     Scale // Linear or Log
	Low, High float64
	Rising    bool
}

// A Mark is something that is drawn in a panel: a [Line], [Points], [Bars], a
// [Band], [Spans] or a [Heat]. The set is closed.
type Mark interface{ mark() }

// A Line joins points, in order.
type Line struct {
	Name   string // in the legend; "": it is not there. Lines of one name are there once
	Colour Colour
	Thin   bool
	Dashed bool
	Steps  bool // it keeps its height until the next point
	X, Y   []float64
}

// Points are a cloud.
type Points struct {
	Name   string // in the legend; "": it is not there
	Colour Colour
	Hollow bool
	Radius float64 // in pixels; default 2.6
	X, Y   []float64
	Shade  []float64 // of each: a number on the scale of the figure, which then replaces Colour
}

// Bars lie on the X axis, one for each name of the Y axis.
type Bars struct {
	Colour    Colour
	Length    []float64
	Deviation []float64 // of each, drawn as a whisker; nil: there are none
	Text      []string  // at the end of each; nil: there is none
}

// A Band is the area between two lines over X.
type Band struct {
	Name      string // in the legend; "": it is not there
	Colour    Colour
	X         []float64
	Low, High []float64
}

// Spans are stretches of the X axis, as of time, each at a height.
type Spans struct {
	Name     string // in the legend; "": it is not there
	Colour   Colour
	From, To []float64
	Y        []float64
	Height   float64 // of each, on the Y axis; default 0.8
}

// A Heat is a grid of colours from the scale of the figure. Cells whose value is
// NaN are left out.
type Heat struct {
	X, Y  []float64   // the middles of the cells, ascending and evenly spaced on their axes
	Value [][]float64 // of each Y, then of each X
}

func (Line) mark()   {}
func (Points) mark() {}
func (Bars) mark()   {}
func (Band) mark()   {}
func (Spans) mark()  {}
func (Heat) mark()   {}

// Parallel is a set of upright axes, across which a line is drawn for each thing
// that has a value on them.
type Parallel struct {
	Axes   []Axis
	Lines  [][]float64 // of each thing: its value on each axis, NaN if it has none there; later ones lie on top
	Shade  []float64   // of each thing: a number on the scale of the figure
	Dashed []bool      // of each thing; nil: none is
}
