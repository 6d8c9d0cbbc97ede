package draw

import (
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/attune-hpo/attune/figure"
)

// Places says where marks are in the image of a figure, for programs that react to a pointer.
type Places struct {
	Width, Height float64 // of the image, in pixels
	Areas         []Area
}

// An Area is a panel, or an axis of parallel coordinates. Pixels count from the left and the top.
type Area struct {
	X0, Y0, X1, Y1 float64
	// X and Y are the axes. X is the zero value for an axis of parallel coordinates.
	X, Y   PlacedAxis
	Places []Place
}

// A PlacedAxis is an axis with the positions of its ends on its scale; see [figure.Scale.Position].
type PlacedAxis struct {
	figure.Axis
	// From is the position at the left or the top end, and To the position at the other end.
	From, To float64
}

// A Place is where a mark with a key is drawn. Of several marks on one spot only the last has a Place.
type Place struct {
	X, Y           float64 // in pixels
	ValueX, ValueY float64 // on the axes; ValueX is NaN on an axis of parallel coordinates
	Key            int
}

// mostPlaces is how many places of lines an area has.
const mostPlaces = 6000

// Find returns the places of the marks with keys in the image that [SVG] and [PNG] draw. It fails as they do.
func Find(f figure.Figure, o Options) (Places, error) {
	width, height, err := o.size(f)
	if err != nil {
		return Places{}, wrapped("places", err)
	}
	p := o.pen(vgsvg.New(vg.Length(width), vg.Length(height)), width, height)
	p.places = &Places{Width: width, Height: height}
	p.figure(f)
	return *p.places, nil
}

// area begins an area, if places are wanted.
func (p *pen) area(b box, x, y *axis) {
	if p.places == nil {
		return
	}
	a := Area{X0: b.x0, Y0: b.y0, X1: b.x1, Y1: b.y1}
	if x != nil {
		a.X = PlacedAxis{x.Axis, x.low, x.high}
	}
	if a.Y = (PlacedAxis{y.Axis, y.high, y.low}); y.from < y.to { // it points down
		a.Y.From, a.Y.To = y.low, y.high
	}
	p.places.Areas = append(p.places.Areas, a)
}

// found notes a place in the area that began last.
func (p *pen) found(at point, x, y float64, keys []int, i int) {
	if p.places == nil || i >= len(keys) || math.IsNaN(at.x) || math.IsNaN(at.y) {
		return
	}
	a := &p.places.Areas[len(p.places.Areas)-1]
	a.Places = append(a.Places, Place{at.x, at.y, x, y, keys[i]})
}

// thinPlaces drops places at even intervals until there are not too many.
func (p *pen) thinPlaces() {
	if p.places == nil {
		return
	}
	for i := range p.places.Areas {
		a := &p.places.Areas[i]
		n := len(a.Places)
		if n <= mostPlaces {
			continue
		}
		for k := range mostPlaces {
			a.Places[k] = a.Places[k*n/mostPlaces]
		}
		a.Places = a.Places[:mostPlaces]
	}
}
