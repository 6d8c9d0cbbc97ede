// Package draw makes images of figures: SVG and PNG files, and self-contained HTML pages.
//
//	err := draw.SVG(file, f, draw.Options{})
//
// No two labels of an image overlap: a name that is too long ends in an ellipsis, and an axis has fewer ticks if
// there is no room for all. The colours can be distinguished with any kind of colour vision. Text is in Liberation
// Sans. In an SVG file it stays text: a browser that lacks the font uses another one at the same width.
//
// Names may contain anything: they are shown as text.
package draw

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"image/png"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/figure"
)

const pkg fault.Package = "draw"

// Options are options for an image. The zero value is ready to use.
type Options struct {
	Width  int  // in pixels, from 200 to 10,000; default 800
	Height int  // in pixels, from 120 to 10,000; default: as high as the figure needs
	Dark   bool // on a dark ground
	// Scale is the number of dots of a PNG file for each pixel in each direction, up to 10. With the default, 2, an
	// image of 800 x 400 pixels has 1600 x 800 dots.
	Scale int
}

// size returns how large the image of f is.
func (o Options) size(f figure.Figure) (width, height float64, err error) {
	width, height = float64(o.Width), float64(o.Height)
	if o.Width == 0 {
		width = 800
	}
	if o.Height == 0 {
		height = natural(f, width)
	}
	if width < 200 || width > 10000 || height < 120 || height > 10000 || o.Scale < 0 || o.Scale > 10 {
		return 0, 0, fmt.Errorf("an image of %g x %g pixels at scale %d: want 200 x 120 to 10000 x 10000, and a scale up to 10", width, height, o.Scale)
	}
	return width, height, nil
}

// natural returns the height that f needs at a width.
func natural(f figure.Figure, width float64) float64 {
	rows := rowsOf(len(f.Panels), columnsOf(f, width-2*margin))
	if rows > 1 {
		return min(90+230*float64(rows), 10000)
	}
	if len(f.Panels) > 1 {
		return 330
	}
	for _, panel := range f.Panels {
		for _, m := range panel.Marks {
			if _, ok := m.(figure.Bars); ok {
				return min(max(180, 110+24*float64(len(panel.Y.Names))), 2000)
			}
		}
	}
	return 420
}

// SVG writes f as an SVG file. It fails if the options ask for an impossible size, and
// with the error of w.
func SVG(w io.Writer, f figure.Figure, o Options) error {
	image, err := svg(f, o)
	if err == nil {
		_, err = w.Write(image)
	}
	return wrapped("SVG", err)
}

// PNG writes f as a PNG file. It fails as [SVG] does.
func PNG(w io.Writer, f figure.Figure, o Options) error {
	width, height, err := o.size(f)
	if err != nil {
		return wrapped("PNG", err)
	}
	if o.Scale == 0 {
		o.Scale = 2
	}
	c := vgimg.NewWith(vgimg.UseWH(vg.Length(width), vg.Length(height)), vgimg.UseDPI(72*o.Scale))
	o.pen(c, width, height).figure(f)
	return wrapped("PNG", png.Encode(w, c.Image()))
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return pkg.Errorf("%s: %w", what, err)
}

func (o Options) pen(c vg.Canvas, width, height float64) *pen {
	t := light
	if o.Dark {
		t = dark
	}
	return &pen{canvas: c, width: width, height: height, theme: t}
}

// svg returns f as an element of SVG.
func svg(f figure.Figure, o Options) ([]byte, error) {
	width, height, err := o.size(f)
	if err != nil {
		return nil, err
	}
	c := vgsvg.New(vg.Length(width), vg.Length(height))
	p := o.pen(c, width, height)
	p.figure(f)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	// The library measures in points, writes no title, names one font, and calls every
	// image a JPEG.
	_, body, _ := strings.Cut(b.String(), "<svg")
	_, body, _ = strings.Cut(body, ">")
	body = strings.NewReplacer(
		"font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;",
		"font-family:Liberation Sans;font-variant:normal;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;",
		"data:image/jpg;", "data:image/png;",
	).Replace(body)
	body = measured(body, p.labels)
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="%g" height="%g" viewBox="0 0 %g %g" role="img">`+
		"\n<title>%s</title>", width, height, width, height, html.EscapeString(clean(f.Title)))
	return []byte(head + body), nil
}

// measured gives each text its length, so that it fills its place in any font.
func measured(body string, labels []label) string {
	var b strings.Builder
	for _, l := range labels {
		before, after, found := strings.Cut(body, "<text ")
		if !found {
			break
		}
		fmt.Fprintf(&b, `%s<text textLength="%.1f" lengthAdjust="spacingAndGlyphs" `, before, l.length())
		body = after
	}
	return b.String() + body
}

// Inline returns f as an SVG element for an HTML page. Its colours come from [Styles], light or dark as the page is.
// It fails as [SVG] does.
func Inline(f figure.Figure, o Options) (string, error) {
	o.Dark = false
	image, err := svg(f, o)
	if err != nil {
		return "", wrapped("SVG", err)
	}
	names := properties(light)
	if slices.ContainsFunc(f.Panels, func(p figure.Panel) bool {
		return slices.ContainsFunc(p.Marks, func(m figure.Mark) bool { _, ok := m.(figure.Heat); return ok })
	}) { // a heat map is an image in the light scale, and the bar beside it must be, too
		names = names[:len(names)-shadeSteps]
	}
	return coloured.ReplaceAllStringFunc(string(image), func(s string) string {
		what, digits, _ := strings.Cut(s, "#")
		v, _ := strconv.ParseUint(digits, 16, 32)
		best, least := "", 5 // colours that let others through are rounded: by up to 4
		for _, p := range names {
			if d := apart(p.colour, rgb(uint32(v))); d < least {
				best, least = p.name, d
			}
		}
		if best == "" {
			return s
		}
		return what + "var(" + best + ")"
	}), nil
}

// coloured matches the colours of elements.
var coloured = regexp.MustCompile("(?:fill|stroke):#[0-9A-F]{6}")

// A property is a custom property of a style sheet, whose value is a colour.
type property struct {
	name   string
	colour color.NRGBA
}

// properties returns the custom properties of a theme, those of the scale of colours last.
func properties(t theme) []property {
	all := []property{{"--figure-paper", t.paper}}
	for i, c := range t.colours {
		all = append(all, property{fmt.Sprintf("--figure-%d", i), c})
	}
	for i := range shadeSteps {
		all = append(all, property{fmt.Sprintf("--figure-shade-%d", i), t.stepColour(i)})
	}
	return all
}

// apart returns the greatest difference of two colours in red, green or blue.
func apart(a, b color.NRGBA) int {
	d := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return max(d(a.R, b.R), d(a.G, b.G), d(a.B, b.B))
}

// Styles is the style sheet that figures of [Inline] need. It defines custom
// properties whose names begin with --figure: paper is the ground, 0 is the colour of
// text, 1 that of labels, 2 that of grids, and those with shade the scale of colours.
func Styles() string {
	rules := func(t theme) string {
		var b strings.Builder
		for _, p := range properties(t) {
			fmt.Fprintf(&b, "%s:%s;", p.name, hex(p.colour))
		}
		return b.String()
	}
	return ":root{color-scheme:light dark;" + rules(light) + "}\n@media (prefers-color-scheme:dark){:root{" + rules(dark) + "}}\n"
}

// HTML writes f as a self-contained page, light or dark as its reader prefers. It fails as [SVG] does.
func HTML(w io.Writer, f figure.Figure, o Options) error {
	image, err := Inline(f, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>
%sbody{margin:1rem;background:var(--figure-paper)}
svg{max-width:100%%;height:auto}
</style>
</head>
<body>
%s</body>
</html>
`, html.EscapeString(clean(f.Title)), Styles(), image)
	return wrapped("HTML", err)
}
