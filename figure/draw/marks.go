package draw

import (
	"image"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"

	"github.com/attune-hpo/attune/figure"
)

const bandOpacity = 0.25

func radius(m figure.Points) float64 {
	if m.Radius > 0 {
		return m.Radius
	}
	return 2.6
}

func spanHeight(m figure.Spans) float64 {
	if m.Height > 0 {
		return m.Height
	}
	return 0.8
}

func (p *pen) lineStroke(m figure.Line) stroke {
	if m.Thin { // one of many: where they are dense, it is darker
		return stroke{colour: p.theme.colour(m.Colour, 0.45), width: 0.9, dashed: m.Dashed}
	}
	return stroke{colour: p.theme.colour(m.Colour, 1), width: 1.8, dashed: m.Dashed}
}

func (p *pen) mark(m figure.Mark, x, y *axis, area box, shade shadeScale) {
	switch m := m.(type) {
	case figure.Line:
		p.lineMark(m, x, y, area)
	case figure.Points:
		p.pointsMark(m, x, y, shade)
	case figure.Bars:
		p.barsMark(m, x, y)
	case figure.Band:
		p.bandMark(m, x, y, area)
	case figure.Spans:
		p.spansMark(m, x, y, area)
	case figure.Heat:
		p.heatMark(m, x, y, shade)
	}
}

// lineMark draws the parts of a line between values that cannot be drawn.
func (p *pen) lineMark(m figure.Line, x, y *axis, area box) {
	var part []point
	flush := func() {
		if len(part) == 1 && area.holds(part[0]) {
			p.dots(p.theme.colour(m.Colour, 1), part, 1.5, false)
		}
		for _, l := range clip(thin(part), area) {
			p.line(p.lineStroke(m), l...)
		}
		part = part[:0]
	}
	for i := range min(len(m.X), len(m.Y)) {
		at := point{x.at(m.X[i]), y.at(m.Y[i])}
		if math.IsNaN(at.x) || math.IsNaN(at.y) {
			flush()
			continue
		}
		if area.holds(at) {
			p.found(at, m.X[i], m.Y[i], m.Keys, i)
		}
		if m.Steps && len(part) > 0 {
			part = append(part, point{at.x, part[len(part)-1].y})
		}
		part = append(part, at)
	}
	flush()
}

// thin returns a line that looks the same. If many points lie in one column of pixels, it keeps the first, the last,
// the highest and the lowest.
func thin(line []point) []point {
	if len(line) < 1000 {
		return line
	}
	var out []point
	for i := 0; i < len(line); {
		j, high, low := i, i, i
		for ; j < len(line) && math.Floor(line[j].x) == math.Floor(line[i].x); j++ {
			if line[j].y < line[high].y {
				high = j
			}
			if line[j].y > line[low].y {
				low = j
			}
		}
		for _, k := range []int{i, min(low, high), max(low, high), j - 1} {
			if len(out) == 0 || out[len(out)-1] != line[k] {
				out = append(out, line[k])
			}
		}
		i = j
	}
	return out
}

// clip returns the parts of a line that lie in a box (Liang and Barsky 1984).
func clip(line []point, b box) [][]point {
	var out [][]point
	for i := 1; i < len(line); i++ {
		from, to := line[i-1], line[i]
		dx, dy := to.x-from.x, to.y-from.y
		enter, leave := 0.0, 1.0
		for _, edge := range [4][2]float64{{-dx, from.x - b.x0}, {dx, b.x1 - from.x}, {-dy, from.y - b.y0}, {dy, b.y1 - from.y}} {
			switch towards, room := edge[0], edge[1]; {
			case towards == 0 && room < 0:
				leave = -1
			case towards < 0:
				enter = max(enter, room/towards)
			case towards > 0:
				leave = min(leave, room/towards)
			}
		}
		if enter > leave {
			continue
		}
		first, last := point{from.x + enter*dx, from.y + enter*dy}, point{from.x + leave*dx, from.y + leave*dy}
		if n := len(out); n > 0 && enter == 0 && out[n-1][len(out[n-1])-1] == first {
			out[n-1] = append(out[n-1], last)
		} else {
			out = append(out, []point{first, last})
		}
	}
	return out
}

// crowd is the number of points that make a crowd. In a crowd, points within a few pixels of each other are drawn as
// one, whatever their colours: the last one, which lies on top.
const crowd = 2000

// pointsMark draws points by colour. If several points of one colour lie on one spot, it draws one of them.
func (p *pen) pointsMark(m figure.Points, x, y *axis, shade shadeScale) {
	const own = shadeSteps // the colour of the mark, after those of the scale
	type spot struct{ x, y, colour int }
	seen := map[spot]bool{}
	var by [shadeSteps + 1][]point
	n := min(len(m.X), len(m.Y))
	for i := n - 1; i >= 0; i-- {
		c := own
		if m.Shade != nil {
			step, ok := shade.step(m.Shade[i])
			if !ok {
				continue
			}
			c = step
		}
		if !x.contains(m.X[i]) || !y.contains(m.Y[i]) {
			continue
		}
		at := point{x.at(m.X[i]), y.at(m.Y[i])}
		s := spot{int(at.x * 1.5), int(at.y * 1.5), c}
		if n > crowd {
			s = spot{int(at.x / 4), int(at.y / 4), own}
		}
		if !seen[s] {
			seen[s] = true
			by[c] = append(by[c], at)
			p.found(at, m.X[i], m.Y[i], m.Keys, i)
		}
	}
	for c, points := range by {
		colour := p.theme.colour(m.Colour, 0.85)
		if c != own {
			colour = p.theme.stepColour(c)
			colour.A = 230
		}
		p.dots(colour, points, radius(m), m.Hollow)
	}
}

// barText returns the width of the widest text at the end of a bar.
func (p *pen) barText(m figure.Bars) float64 {
	w := 0.0
	for _, s := range m.Text {
		w = max(w, smallFace().measure(clean(s))+8)
	}
	return w
}

func (p *pen) barsMark(m figure.Bars, x, y *axis) {
	t := smallFace()
	row := math.Abs(y.pixel(1) - y.pixel(0))
	half := min(row*0.36, 12)
	zero := x.at(max(0, x.low))
	ink := stroke{colour: p.theme.colour(figure.Ink, 1), width: 1}
	for i, v := range m.Length {
		tip, at := x.at(v), y.at(float64(i))
		if math.IsNaN(tip) {
			continue
		}
		p.rectangle(p.theme.colour(m.Colour, 1), box{min(zero, tip), at - half, max(zero, tip), at + half})
		if i < len(m.Deviation) && m.Deviation[i] > 0 {
			low, high := max(zero, x.at(v-m.Deviation[i])), x.at(v+m.Deviation[i])
			p.line(ink, point{low, at}, point{high, at})
			for _, e := range []float64{low, high} {
				p.line(ink, point{e, at - half/2}, point{e, at + half/2})
			}
			tip = max(tip, high)
		}
		if i < len(m.Text) && row >= t.lineHeight() {
			p.text(t, clean(m.Text[i]), point{tip + 5, at + t.ascent/2 - 1}, start, figure.Muted)
		}
	}
}

func (p *pen) bandMark(m figure.Band, x, y *axis, area box) {
	var upper, lower []point
	flush := func() {
		if len(upper) > 1 {
			slices.Reverse(lower)
			p.polygon(p.theme.colour(m.Colour, bandOpacity), append(upper, lower...)...)
		}
		upper, lower = nil, nil
	}
	inside := func(v float64) float64 { return max(area.y0, min(v, area.y1)) }
	for i := range min(len(m.X), len(m.Low), len(m.High)) {
		low, high := y.at(m.Low[i]), y.at(m.High[i])
		if !x.contains(m.X[i]) || math.IsNaN(low) || math.IsNaN(high) {
			flush()
			continue
		}
		upper, lower = append(upper, point{x.at(m.X[i]), inside(high)}), append(lower, point{x.at(m.X[i]), inside(low)})
	}
	flush()
}

func (p *pen) spansMark(m figure.Spans, x, y *axis, area box) {
	half := math.Abs(y.pixel(spanHeight(m))-y.pixel(0)) / 2
	var path vg.Path
	seen := map[[3]int]bool{} // spans that look the same
	for i := range min(len(m.From), len(m.To), len(m.Y)) {
		from, to, at := x.at(m.From[i]), x.at(m.To[i]), y.at(m.Y[i])
		if math.IsNaN(from) || math.IsNaN(to) || math.IsNaN(at) {
			continue
		}
		if from, to = max(area.x0, from), min(area.x1, max(to, from+1)); from < to { // the shortest is still seen
			look := [3]int{int(from), int(to), int(at)}
			if seen[look] {
				continue
			}
			seen[look] = true
			for _, end := range []float64{from, (from + to) / 2, to} {
				p.found(point{end, at}, m.From[i], m.Y[i], m.Keys, i)
			}
			path = append(path, p.path([]point{{from, at - half}, {to, at - half}, {to, at + half}, {from, at + half}})...)
			path.Close()
		}
	}
	if len(path) > 0 {
		p.canvas.SetColor(p.theme.colour(m.Colour, 1))
		p.canvas.Fill(path)
	}
}

// heatLevels is how many bands of colour a heat map has: their edges are its contours.
const heatLevels = 12

// heatMark draws a grid as an image, in which values between the middles of cells are
// interpolated, and cut into levels.
func (p *pen) heatMark(m figure.Heat, x, y *axis, shade shadeScale) {
	nx, ny := len(m.X), len(m.Y)
	if nx < 2 || ny < 2 || len(m.Value) < ny {
		return
	}
	b := box{x.at(m.X[0]), y.at(m.Y[ny-1]), x.at(m.X[nx-1]), y.at(m.Y[0])}
	down := b.y0 > b.y1 // the first is at the top
	if down {
		b.y0, b.y1 = b.y1, b.y0
	}
	w, h := int(min(b.width(), 500)), int(min(b.height(), 500))
	if w < 2 || h < 2 {
		return
	}
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for j := range h {
		v := float64(j) / float64(h-1)
		if !down {
			v = 1 - v
		}
		for i := range w {
			value := between(m, float64(i)/float64(w-1)*float64(nx-1), v*float64(ny-1))
			if u, ok := shade.unit(value); ok {
				img.SetNRGBA(i, j, p.theme.shade((math.Floor(min(u, 0.999)*heatLevels)+0.5)/heatLevels))
			}
		}
	}
	p.canvas.DrawImage(vg.Rectangle{Min: p.vg(point{b.x0, b.y1}), Max: p.vg(point{b.x1, b.y0})}, img)
}

// between returns the value at a place between the middles of cells, NaN if one of the
// four around it is.
func between(m figure.Heat, x, y float64) float64 {
	i, j := min(int(x), len(m.X)-2), min(int(y), len(m.Y)-2)
	fx, fy := x-float64(i), y-float64(j)
	row := func(r []float64) float64 { return (1-fx)*r[i] + fx*r[i+1] }
	return (1-fy)*row(m.Value[j]) + fy*row(m.Value[j+1])
}
