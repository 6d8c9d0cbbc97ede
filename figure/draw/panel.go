package draw

import (
	"math"

	"github.com/attune-hpo/attune/figure"
)

// extent returns the bounds of what is drawn in a panel.
func extent(panel figure.Panel) (x, y span) {
	x, y = nothing(), nothing()
	both := func(xs, ys []float64) {
		for i := range min(len(xs), len(ys)) {
			if !math.IsNaN(panel.X.Scale.Position(xs[i])) && !math.IsNaN(panel.Y.Scale.Position(ys[i])) {
				x.add(panel.X.Scale, xs[i])
				y.add(panel.Y.Scale, ys[i])
			}
		}
	}
	for _, m := range panel.Marks {
		switch m := m.(type) {
		case figure.Line:
			both(m.X, m.Y)
		case figure.Points:
			both(m.X, m.Y)
		case figure.Bars:
			x.add(panel.X.Scale, 0)
			x.add(panel.X.Scale, m.Length...)
			for i, d := range m.Deviation {
				x.add(panel.X.Scale, m.Length[i]+d)
			}
		case figure.Band:
			both(m.X, m.Low)
			both(m.X, m.High)
		case figure.Spans:
			x.add(panel.X.Scale, m.From...)
			x.add(panel.X.Scale, m.To...)
			half := spanHeight(m) / 2
			for _, v := range m.Y {
				y.add(panel.Y.Scale, v-half, v+half)
			}
		case figure.Heat:
			x.add(panel.X.Scale, m.X...)
			y.add(panel.Y.Scale, m.Y...)
		}
	}
	return x, y
}

// axes returns the axes of a panel with their bounds.
func (p *pen) axes(panel figure.Panel, cell box) (x, y axis, empty bool) {
	dataX, dataY := extent(panel)
	room := 0.04
	for _, m := range panel.Marks {
		if _, ok := m.(figure.Heat); ok {
			room = 0
		}
	}
	x, y = bounded(panel.X, dataX, room), bounded(panel.Y, dataY, room)
	for _, m := range panel.Marks {
		b, ok := m.(figure.Bars)
		if !ok {
			continue
		}
		if dataX.low >= 0 && panel.X.Low >= panel.X.High {
			x.low = 0
		}
		// Texts stand at the ends of the bars.
		if wide, all := p.barText(b), 0.5*cell.width(); wide > 0 {
			x.high += (x.high - x.low) * wide / max(all, 1)
		}
	}
	return x, y, dataX.empty()
}

// panel draws axes and marks into a cell.
func (p *pen) panel(panel figure.Panel, cell box, shade shadeScale) {
	t := smallFace()
	x, y, empty := p.axes(panel, cell)
	area := cell
	if panel.Title != "" {
		text := textFace()
		p.text(text, text.fit(clean(panel.Title), cell.width()), point{cell.x0, cell.y0 + text.ascent}, start, figure.Ink)
		area.y0 += text.lineHeight() + 2
	}
	area.y0 += 4
	area.y1 -= t.lineHeight() + tickGap
	if panel.X.Label != "" {
		area.y1 -= t.lineHeight() + 2
	}
	y.chooseY(t, area.height(), 0.35*cell.width())
	if panel.Y.Hidden {
		area.x0 += 4
	} else {
		area.x0 += y.widest(t) + tickGap
		if panel.Y.Label != "" {
			area.x0 += t.lineHeight() + 4
		}
	}
	area.x1 -= 4
	x.chooseX(t, area.width())
	if k := len(x.ticks); k > 0 { // the last label reaches beyond the axis
		last := x.ticks[k-1]
		if over := x.share(last.at)*area.width() + t.measure(last.text)/2 - area.width() - 4; over > 0 {
			area.x1 -= over
			x.chooseX(t, area.width())
		}
	}
	if area.width() < 10 || area.height() < 10 {
		return
	}
	x.place(area.x0, area.x1)
	y.place(area.y1, area.y0)
	if panel.Y.Scale == figure.Names {
		y.place(area.y0, area.y1)
	}
	p.area(area, &x, &y)
	p.grid(&x, &y, area)
	for _, m := range panel.Marks {
		p.mark(m, &x, &y, area, shade)
	}
	if empty {
		p.text(t, t.fit("nothing to show", area.width()), point{(area.x0 + area.x1) / 2, (area.y0 + area.y1) / 2}, middle, figure.Muted)
	}
	frame := stroke{colour: p.theme.colour(figure.Muted, 1), width: 1}
	p.line(frame, point{area.x0, area.y0}, point{area.x0, area.y1}, point{area.x1, area.y1})
	p.axisLabels(panel, &x, &y, area, cell)
}

// grid draws faint lines at the ticks of numbers.
func (p *pen) grid(x, y *axis, area box) {
	faint := stroke{colour: p.theme.colour(figure.Faint, 1), width: 1}
	if x.Scale != figure.Names {
		for _, k := range x.ticks {
			p.line(faint, point{x.pixel(k.at), area.y0}, point{x.pixel(k.at), area.y1})
		}
	}
	if y.Scale != figure.Names {
		for _, k := range y.ticks {
			p.line(faint, point{area.x0, y.pixel(k.at)}, point{area.x1, y.pixel(k.at)})
		}
	}
}

// axisLabels draws the labels of ticks and axes.
func (p *pen) axisLabels(panel figure.Panel, x, y *axis, area, cell box) {
	t := smallFace()
	base := area.y1 + tickGap + t.ascent
	for _, k := range x.ticks {
		p.text(t, k.text, point{within(t, k.text, x.pixel(k.at), cell), base}, start, figure.Muted)
	}
	name := t.fit(clean(panel.X.Label), cell.width())
	p.text(t, name, point{within(t, name, (area.x0+area.x1)/2, cell), base + t.lineHeight() + 2}, start, figure.Ink)
	if panel.Y.Hidden {
		return
	}
	for _, k := range y.ticks {
		p.text(t, k.text, point{area.x0 - tickGap, y.pixel(k.at) + t.ascent/2 - 1}, end, figure.Muted)
	}
	p.upright(t, t.fit(clean(panel.Y.Label), area.height()), point{cell.x0 + t.lineHeight()/2, (area.y0 + area.y1) / 2}, figure.Ink)
}

// within returns where a text begins whose middle is at x, if it is to stay in a cell.
func within(t typeface, s string, x float64, cell box) float64 {
	w := t.measure(s)
	return max(cell.x0, min(x-w/2, cell.x1-w))
}
