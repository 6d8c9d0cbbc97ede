// Package figure describes charts as data: axes, lines, points and bars as plain numbers.
// A test can check them, and [draw] makes images of them.
//
//	f := figure.Figure{Title: "Squares", Panels: []figure.Panel{{
//		X:     figure.Axis{Label: "x"},
//		Y:     figure.Axis{Label: "x²"},
//		Marks: []figure.Mark{figure.Line{X: []float64{1, 2, 3}, Y: []float64{1, 4, 9}}},
//	}}}
//
// NaN and infinite numbers are not drawn, and interrupt a line. The same applies to numbers
// that are not positive on a logarithmic axis.
//
// [draw]: https://pkg.go.dev/github.com/attune-hpo/attune/figure/draw
package figure

import "math"

// A Figure is a chart with one or more panels.
type Figure struct {
	Title   string
	Panels  []Panel
	Columns int      // number of panels in a row; default: as many as are wide enough
	Shade   *Shade   // the scale of colours, shown as a bar at the side; nil: none
	Notes   []string // sentences below the panels, such as on what is left out
}

// A Panel is one coordinate system with its marks.
type Panel struct {
	Title    string
	X, Y     Axis
	Marks    []Mark    // in drawing order: later ones are on top
	Parallel *Parallel // parallel coordinates instead of all of the above
}

// An Axis is one direction of a panel. The zero value is linear, with the bounds of the data.
type Axis struct {
	Label string // with the unit, if there is one
	Scale Scale
	// Low and High are the bounds. If they are equal, the bounds are those of the data with
	// some margin.
	Low, High float64
	Names     []string // of a Names axis: the names of its values 0, 1, 2, ...
	// Field is the name of what the axis shows, for programs that let people choose data on it;
	// "" if they cannot. It is not drawn.
	Field string
	// Hidden hides the labels of a Y axis, except in the first panel of a row. Use it for
	// panels that share the axis.
	Hidden bool
}

// A Scale is the kind of an axis.
type Scale uint8

const (
	Linear Scale = iota
	Log          // logarithmic
	Time         // seconds since 1970, in UTC
	Names        // names at 0, 1, 2, ..., the first one at the left or at the top
)

// Position returns the position of v on the scale, in units that are evenly spaced. It is
// NaN if v cannot be drawn.
func (s Scale) Position(v float64) float64 {
	if s == Log {
		v = math.Log10(v)
	}
	if math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

// A Colour is one of a few colours that can be distinguished with any kind of colour vision
// (after Okabe and Ito 2008, Color Universal Design), or a shade of grey.
type Colour uint8

const (
	Ink   Colour = iota // the colour of text
	Muted               // weaker than text
	Faint               // for the background
	Blue                // the first of the colours for data; see Nth
	Orange
	Green
	Pink
	Yellow
	Sky
)

// Nth returns the colour of the i-th thing, counting from 0. There are six different colours.
func Nth(i int) Colour { return Blue + Colour(i%6) }

// A Shade is a scale of colours for numbers. Brightness changes steadily along it, so the order
// is visible with any kind of colour vision. The low end stands out from the background or, if
// Rising is set, the high end.
type Shade struct {
	Label     string
	Scale     Scale // Linear or Log
	Low, High float64
	Rising    bool
}

// A Mark is something to draw in a panel: a [Line], [Points], [Bars], a [Band], [Spans] or a
// [Heat]. No other types implement it.
type Mark interface{ mark() }

// A Line joins points, in order.
type Line struct {
	Name   string // in the legend; "": none. Lines with the same name have one entry
	Colour Colour
	Thin   bool
	Dashed bool
	Steps  bool // a step function
	X, Y   []float64
	Keys   []int // of each point: see Points
}

// Points are a scatter plot.
type Points struct {
	Name   string // in the legend; "": none
	Colour Colour
	Hollow bool
	Radius float64 // in pixels; default 2.6
	X, Y   []float64
	Shade  []float64 // of each: a number on the figure's Shade, which replaces Colour
	Keys   []int     // of each: what it stands for, such as the number of a trial; nil: nothing
}

// Bars are horizontal bars, one for each name of the Y axis.
type Bars struct {
	Colour    Colour
	Length    []float64
	Deviation []float64 // of each, drawn as a whisker; nil: none
	Text      []string  // at the end of each; nil: none
}

// A Band is the area between two lines over X.
type Band struct {
	Name      string // in the legend; "": none
	Colour    Colour
	X         []float64
	Low, High []float64
}

// Spans are intervals of the X axis, such as of time, each at a height.
type Spans struct {
	Name     string // in the legend; "": none
	Colour   Colour
	From, To []float64
	Y        []float64
	Height   float64 // of each, on the Y axis; default 0.8
	Keys     []int   // of each: see Points
}

// A Heat is a grid of colours from the figure's Shade. Cells with value NaN are left out.
type Heat struct {
	X, Y  []float64   // centres of the cells, ascending and evenly spaced on their axes
	Value [][]float64 // by Y, then by X
}

func (Line) mark()   {}
func (Points) mark() {}
func (Bars) mark()   {}
func (Band) mark()   {}
func (Spans) mark()  {}
func (Heat) mark()   {}

// A Parallel has vertical axes, and a line across them for each thing with a value on each
// axis.
type Parallel struct {
	Axes   []Axis
	Lines  [][]float64 // of each thing: its value on each axis, NaN if none; later ones are on top
	Shade  []float64   // of each thing: a number on the figure's Shade
	Dashed []bool      // of each thing; nil: none
	Keys   []int       // of each thing: see Points
}
