package draw

import (
	"fmt"
	"image/color"
	"math"

	"github.com/attune-hpo/attune/figure"
)

// A theme is the colours of a figure.
type theme struct {
	paper   color.NRGBA
	colours [9]color.NRGBA // by figure.Colour
	shades  [2]float64     // the part of the scale that shows on the paper, from what stands out
}

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{uint8(hex >> 16), uint8(hex >> 8), uint8(hex), 255}
}

// The colours for data are those of Okabe and Ito, made darker or lighter until they
// have a contrast of 3:1 with the paper, as WCAG 2.1 (1.4.11) asks of graphics.
var (
	light = theme{
		paper: rgb(0xffffff),
		colours: [9]color.NRGBA{
			rgb(0x1f2328), rgb(0x59636e), rgb(0xdfe3e8),
			rgb(0x0072b2), rgb(0xd55e00), rgb(0x008f68), rgb(0xb0558c), rgb(0x755900), rgb(0x2b8cc4),
		},
		shades: [2]float64{0, 0.85},
	}
	dark = theme{
		paper: rgb(0x14181d),
		colours: [9]color.NRGBA{
			rgb(0xe6edf3), rgb(0x9ba5b0), rgb(0x323943),
			rgb(0x4aa3df), rgb(0xf0803c), rgb(0x2bc497), rgb(0xe39bc4), rgb(0xf2b632), rgb(0x8ccbf2),
		},
		shades: [2]float64{1, 0.2},
	}
)

// colour returns a colour of the theme; one that does not exist is Ink.
func (t theme) colour(c figure.Colour, opacity float64) color.NRGBA {
	if int(c) >= len(t.colours) {
		c = figure.Ink
	}
	out := t.colours[c]
	out.A = uint8(math.Round(255 * opacity))
	return out
}

// viridis are nine colours of the scale of that name, evenly spaced. Its brightness
// rises steadily.
var viridis = []color.NRGBA{
	rgb(0x440154), rgb(0x472d7b), rgb(0x3b528b), rgb(0x2c728e), rgb(0x21918c),
	rgb(0x28ae80), rgb(0x5ec962), rgb(0xaddc30), rgb(0xfde725),
}

// shade returns the colour of the scale at u, from 0 to 1.
func (t theme) shade(u float64) color.NRGBA {
	u = t.shades[0] + max(0, min(u, 1))*(t.shades[1]-t.shades[0])
	at := u * float64(len(viridis)-1)
	i := min(int(at), len(viridis)-2)
	f := at - float64(i)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + f*(float64(b)-float64(a)))) }
	a, b := viridis[i], viridis[i+1]
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// shadeSteps is how many colours of the scale are used: points of one colour are one
// element of an SVG file.
const shadeSteps = 24

// stepColour returns the i-th of them.
func (t theme) stepColour(i int) color.NRGBA { return t.shade((float64(i) + 0.5) / shadeSteps) }

// hex returns a colour as the library writes it into SVG.
func hex(c color.NRGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

// A shadeScale gives the numbers of a figure their colours.
type shadeScale struct {
	*figure.Shade
	theme theme
}

// unit returns where a number lies between the end of the scale that stands out, 0, and
// the other, 1. It is not ok for a number that cannot be drawn.
func (s shadeScale) unit(v float64) (u float64, ok bool) {
	if s.Shade == nil {
		return 0, false
	}
	low, high, x := s.Scale.Position(s.Low), s.Scale.Position(s.High), s.Scale.Position(v)
	if math.IsNaN(x) {
		return 0, false
	}
	if !(high > low) {
		return 0, true
	}
	u = max(0, min((x-low)/(high-low), 1))
	if s.Rising {
		u = 1 - u
	}
	return u, true
}

// step returns which of the shadeSteps colours a number has.
func (s shadeScale) step(v float64) (i int, ok bool) {
	u, ok := s.unit(v)
	return min(int(u*shadeSteps), shadeSteps-1), ok
}
