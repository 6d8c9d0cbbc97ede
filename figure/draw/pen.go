package draw

import (
	"image/color"
	"math"
	"strings"
	"sync"
	"unicode"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	stdfont "golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"

	"github.com/attune-hpo/attune/figure"
)

// A point is a place on the canvas, in pixels from the left and from the top.
type point struct{ x, y float64 }

// A box is an upright rectangle: x0 <= x1, and y0, at the top, <= y1.
type box struct{ x0, y0, x1, y1 float64 }

func (b box) width() float64  { return b.x1 - b.x0 }
func (b box) height() float64 { return b.y1 - b.y0 }

func (b box) holds(p point) bool { return p.x >= b.x0 && p.x <= b.x1 && p.y >= b.y0 && p.y <= b.y1 }

// A label is a text that was drawn, and the box that it fills.
type label struct {
	text string
	box
	upright bool
}

// length returns how long the text of a label is.
func (l label) length() float64 {
	if l.upright {
		return l.height()
	}
	return l.width()
}

// A pen draws on a canvas of the library, whose origin is at the bottom.
type pen struct {
	canvas        vg.Canvas
	width, height float64
	theme         theme
	labels        []label // all texts that were drawn
	places        *Places // nil if nobody wants them
}

// A typeface is one size and weight of the font of all figures: Liberation Sans, which
// is as wide as Arial and Helvetica.
type typeface struct {
	face            font.Face
	ascent, descent float64
}

// fonts are those that are compiled in.
var fonts = sync.OnceValue(func() *font.Cache {
	parse := func(ttf []byte) *opentype.Font {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic(err)
		}
		return f
	}
	return font.NewCache(font.Collection{
		{Font: font.Font{Typeface: "Liberation", Variant: "Sans"}, Face: parse(liberationsansregular.TTF)},
		{Font: font.Font{Typeface: "Liberation", Variant: "Sans", Weight: stdfont.WeightBold}, Face: parse(liberationsansbold.TTF)},
	})
})

func newTypeface(pixels float64, weight stdfont.Weight) typeface {
	f := fonts().Lookup(font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight}, vg.Length(pixels))
	e := f.Extents()
	return typeface{f, float64(e.Ascent), float64(e.Descent)}
}

var (
	textFace  = sync.OnceValue(func() typeface { return newTypeface(12, stdfont.WeightNormal) })
	smallFace = sync.OnceValue(func() typeface { return newTypeface(11, stdfont.WeightNormal) })
	titleFace = sync.OnceValue(func() typeface { return newTypeface(15, stdfont.WeightBold) })
)

func (t typeface) measure(s string) float64 { return float64(t.face.Width(s)) }
func (t typeface) lineHeight() float64      { return t.ascent + t.descent }

// fit returns s, or as much of it as fits into a width, with an ellipsis.
func (t typeface) fit(s string, width float64) string {
	if t.measure(s) <= width {
		return s
	}
	runes := []rune(s)
	fits, not := 0, len(runes)
	for not-fits > 1 {
		n := (fits + not) / 2
		if t.measure(string(runes[:n])+"…") <= width {
			fits = n
		} else {
			not = n
		}
	}
	if fits == 0 {
		return ""
	}
	return strings.TrimRight(string(runes[:fits]), " ") + "…"
}

// longest is how many characters of a text are looked at: no figure has room for more.
const longest = 300

// clean returns s as it can be drawn and stored in XML, in one line.
func clean(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n > longest:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || r == 0xfffe || r == 0xffff:
			return '�'
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
}

// An anchor says which part of a text lies at the given place.
type anchor int

const (
	start anchor = iota
	middle
	end
)

// text draws a line of text whose baseline is at at.y.
func (p *pen) text(t typeface, s string, at point, a anchor, c figure.Colour) {
	if s == "" {
		return
	}
	w := t.measure(s)
	x := at.x - w*float64(a)/2
	p.labels = append(p.labels, label{text: s, box: box{x, at.y - t.ascent, x + w, at.y + t.descent}})
	p.canvas.SetColor(p.theme.colour(c, 1))
	p.canvas.FillString(t.face, p.vg(point{x, at.y}), s)
}

// upright draws a text that is read from below, its middle at the given place.
func (p *pen) upright(t typeface, s string, at point, c figure.Colour) {
	if s == "" {
		return
	}
	w, h := t.measure(s), t.lineHeight()
	p.labels = append(p.labels, label{text: s, box: box{at.x - h/2, at.y - w/2, at.x + h/2, at.y + w/2}, upright: true})
	p.canvas.Push()
	p.canvas.SetColor(p.theme.colour(c, 1))
	p.canvas.Translate(p.vg(point{at.x + h/2 - t.descent, at.y + w/2}))
	p.canvas.Rotate(math.Pi / 2)
	p.canvas.FillString(t.face, vg.Point{}, s)
	p.canvas.Pop()
}

func (p *pen) vg(at point) vg.Point {
	return vg.Point{X: vg.Length(at.x), Y: vg.Length(p.height - at.y)}
}

// path returns the way along points.
func (p *pen) path(points []point) vg.Path {
	var path vg.Path
	for i, at := range points {
		if i == 0 {
			path.Move(p.vg(at))
		} else {
			path.Line(p.vg(at))
		}
	}
	return path
}

// A stroke is how a line is drawn.
type stroke struct {
	colour color.Color
	width  float64
	dashed bool
}

func (p *pen) line(s stroke, points ...point) {
	if len(points) > 1 {
		p.stroke(s, p.path(points))
	}
}

func (p *pen) stroke(s stroke, path vg.Path) {
	p.canvas.SetColor(s.colour)
	p.canvas.SetLineWidth(vg.Length(s.width))
	var dash []vg.Length
	if s.dashed {
		dash = []vg.Length{4, 3}
	}
	p.canvas.SetLineDash(dash, 0)
	p.canvas.Stroke(path)
}

func (p *pen) polygon(c color.Color, points ...point) {
	path := p.path(points)
	path.Close()
	p.canvas.SetColor(c)
	p.canvas.Fill(path)
}

func (p *pen) rectangle(c color.Color, b box) {
	p.polygon(c, point{b.x0, b.y0}, point{b.x1, b.y0}, point{b.x1, b.y1}, point{b.x0, b.y1})
}

// dots draws circles of one radius, filled or not.
func (p *pen) dots(c color.Color, points []point, radius float64, hollow bool) {
	if len(points) == 0 {
		return
	}
	var path vg.Path
	for _, at := range points {
		path.Move(p.vg(point{at.x + radius, at.y}))
		path.Arc(p.vg(at), vg.Length(radius), 0, 2*math.Pi)
		path.Close()
	}
	if hollow {
		p.stroke(stroke{colour: c, width: 1}, path)
		return
	}
	p.canvas.SetColor(c)
	p.canvas.Fill(path)
}
