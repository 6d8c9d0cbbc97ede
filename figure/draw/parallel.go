package draw

import (
	"math"

	"github.com/attune-hpo/attune/figure"
)

// parallel draws upright axes and a line across them for each thing. A thing without a
// value on an axis passes below it.
func (p *pen) parallel(f figure.Parallel, cell box, shade shadeScale) {
	n := len(f.Axes)
	if n == 0 {
		return
	}
	t := smallFace()
	room := cell.width() / float64(n) // for an axis and the labels at its left
	rows, wide := 1, room-labelGap    // of the names, which stand in two rows in turn if one does not fit
	for _, a := range f.Axes {
		if n > 2 && t.measure(clean(a.Label)) > wide {
			rows = 2
		}
	}
	if rows == 2 {
		wide = 1.7*room - labelGap
	}
	area := box{cell.x0, cell.y0 + float64(rows)*t.lineHeight() + tickGap + 4, cell.x1, cell.y1 - 8}
	floor := cell.y1 - 8 // where things without a value pass
	absent := false
	for _, l := range f.Lines {
		for _, v := range l {
			absent = absent || math.IsNaN(v)
		}
	}
	if absent {
		area.y1 -= 28
	}
	axes := make([]axis, n)
	for i, a := range f.Axes {
		data := nothing()
		for _, l := range f.Lines {
			data.add(a.Scale, l[i])
		}
		axes[i] = bounded(a, data, 0)
		axes[i].place(area.y1, area.y0)
		if a.Scale == figure.Names {
			axes[i].place(area.y0, area.y1)
		}
		axes[i].chooseY(t, area.height(), max(0, min(90, 0.6*room-tickGap)))
	}
	left := area.x0 + max(axes[0].widest(t), t.measure("none")) + tickGap
	at := func(i int) float64 { return left + float64(i)/float64(max(1, n-1))*(area.x1-24-left) }

	for k, l := range f.Lines {
		step, ok := shade.step(f.Shade[k])
		if !ok {
			continue
		}
		line := make([]point, n)
		for i, v := range l {
			line[i] = point{at(i), axes[i].at(v)}
			if math.IsNaN(line[i].y) {
				line[i].y = floor
			}
		}
		c := p.theme.stepColour(step)
		c.A = uint8(max(90, 255-len(f.Lines)/4))
		p.line(stroke{colour: c, width: 1, dashed: k < len(f.Dashed) && f.Dashed[k]}, line...)
	}
	frame := stroke{colour: p.theme.colour(figure.Muted, 1), width: 1}
	for i := range axes {
		half := min(14, room/3)
		p.area(box{at(i) - half, area.y0, at(i) + half, area.y1}, nil, &axes[i])
		for k, l := range f.Lines {
			p.found(point{at(i), axes[i].at(l[i])}, math.NaN(), l[i], f.Keys, k)
		}
		name := box{cell.x0, cell.y0 + float64(i%rows)*t.lineHeight(), cell.x1, cell.y1}
		p.uprightAxis(&axes[i], at(i), area, name, wide)
		if absent {
			p.line(frame, point{at(i) - 3, floor}, point{at(i) + 3, floor})
		}
	}
	if absent {
		p.text(t, "none", point{left - tickGap, floor + t.ascent/2 - 1}, end, figure.Ink)
	}
}

// uprightAxis draws one axis of parallel coordinates, and its name at the top of a cell.
func (p *pen) uprightAxis(a *axis, x float64, area, cell box, wide float64) {
	t := smallFace()
	frame := stroke{colour: p.theme.colour(figure.Muted, 1), width: 1}
	p.line(frame, point{x, area.y0}, point{x, area.y1})
	name := t.fit(clean(a.Label), wide)
	p.text(t, name, point{within(t, name, x, cell), cell.y0 + t.ascent}, start, figure.Ink)
	for _, k := range a.ticks {
		y := a.pixel(k.at)
		p.line(frame, point{x - 3, y}, point{x, y})
		paper := p.theme.paper
		paper.A = 200
		p.rectangle(paper, box{x - tickGap - t.measure(k.text) - 2, y - t.lineHeight()/2, x - tickGap + 2, y + t.lineHeight()/2})
		p.text(t, k.text, point{x - tickGap, y + t.ascent/2 - 1}, end, figure.Ink)
	}
}
