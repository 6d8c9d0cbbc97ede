package draw

import (
	"fmt"
	"strings"

	"github.com/attune-hpo/attune/figure"
)

const (
	margin    = 12.0
	panelGap  = 16.0
	tickGap   = 6.0  // between an axis and its labels
	barWidth  = 12.0 // of the scale of colours
	leastCell = 110  // the height of a panel with all that is around it
)

// figure draws all of f.
func (p *pen) figure(f figure.Figure) {
	p.rectangle(p.theme.paper, box{0, 0, p.width, p.height})
	area := box{margin, margin, p.width - margin, p.height - margin}
	if f.Title != "" {
		t := titleFace()
		p.text(t, t.fit(clean(f.Title), area.width()), point{area.x0, area.y0 + t.ascent}, start, figure.Ink)
		area.y0 += t.lineHeight() + 4
	}
	area.y0 = p.legend(f, area)

	columns := columnsOf(f, area.width())
	panels, notes := f.Panels, f.Notes
	rows := rowsOf(len(panels), columns)
	if fit := max(1, int((area.height()-p.notesHeight(notes, area)+panelGap)/(leastCell+panelGap))); rows > fit {
		rows = fit
		panels = panels[:fit*columns]
		notes = append(notes[:len(notes):len(notes)], fmt.Sprintf("Shown are %d of %d panels: a higher picture has room for more.", len(panels), len(f.Panels)))
	}
	area.y1 = p.notes(notes, area)
	if f.Shade != nil {
		area.x1 = p.shadeBar(*f.Shade, area)
	}
	width := (area.width() - panelGap*float64(columns-1)) / float64(columns)
	height := (area.height() - panelGap*float64(rows-1)) / float64(rows)
	for i, panel := range panels {
		x := area.x0 + float64(i%columns)*(width+panelGap)
		y := area.y0 + float64(i/columns)*(height+panelGap)
		cell := box{x, y, x + width, y + height}
		panel.Y.Hidden = panel.Y.Hidden && i%columns > 0
		shade := shadeScale{f.Shade, p.theme}
		if panel.Parallel != nil {
			p.parallel(*panel.Parallel, cell, shade)
		} else {
			p.panel(panel, cell, shade)
		}
	}
	p.thinPlaces()
}

// columnsOf returns the number of panels in a row.
func columnsOf(f figure.Figure, width float64) int {
	n := f.Columns
	if n <= 0 {
		n = 4
	}
	return max(1, min(n, len(f.Panels), int(width/180)))
}

func rowsOf(panels, columns int) int { return (panels + columns - 1) / columns }

// An entry is a line of the legend.
type entry struct {
	name string
	mark figure.Mark
}

// entries returns what the legend has: each name once.
func entries(f figure.Figure) []entry {
	var all []entry
	seen := map[string]bool{"": true}
	for _, panel := range f.Panels {
		for _, m := range panel.Marks {
			name := ""
			switch m := m.(type) {
			case figure.Line:
				name = m.Name
			case figure.Points:
				name = m.Name
			case figure.Band:
				name = m.Name
			case figure.Spans:
				name = m.Name
			}
			if !seen[name] {
				seen[name] = true
				all = append(all, entry{name, m})
			}
		}
	}
	return all
}

// legend draws the names of marks in up to three rows, and returns where they end.
func (p *pen) legend(f figure.Figure, area box) float64 {
	const icon, gap, most = 18.0, 14.0, 3
	all := entries(f)
	if len(all) == 0 {
		return area.y0
	}
	t := textFace()
	x, y, row := area.x0, area.y0+t.ascent, 1
	for i, e := range all {
		name := t.fit(clean(e.name), min(220, area.width()-icon-4))
		w := icon + 4 + t.measure(name)
		more := fmt.Sprintf("and %d more", len(all)-i)
		need := w
		if row == most && i+1 < len(all) {
			need += gap + t.measure(more)
		}
		if x > area.x0 && x+need > area.x1 {
			if row == most {
				p.text(t, t.fit(more, area.x1-x), point{x, y}, start, figure.Muted)
				break
			}
			row++
			x, y = area.x0, y+t.lineHeight()+3
		}
		p.icon(e.mark, point{x, y - t.ascent/2 + 1}, icon)
		p.text(t, name, point{x + icon + 4, y}, start, figure.Ink)
		x += w + gap
	}
	return y + t.descent + 6
}

// icon draws what a mark looks like, from its place to the right.
func (p *pen) icon(m figure.Mark, at point, width float64) {
	switch m := m.(type) {
	case figure.Line:
		s := p.lineStroke(m)
		s.colour = p.theme.colour(m.Colour, 1)
		p.line(s, at, point{at.x + width, at.y})
	case figure.Points:
		p.dots(p.theme.colour(m.Colour, 1), []point{{at.x + width/2, at.y}}, radius(m), m.Hollow)
	case figure.Band:
		p.rectangle(p.theme.colour(m.Colour, bandOpacity), box{at.x, at.y - 5, at.x + width, at.y + 5})
	case figure.Spans:
		p.rectangle(p.theme.colour(m.Colour, 1), box{at.x, at.y - 4, at.x + width, at.y + 4})
	}
}

// notes draws sentences at the foot, and returns where they begin.
func (p *pen) notes(notes []string, area box) float64 {
	t := smallFace()
	top := area.y1 - p.notesHeight(notes, area)
	y := top + 6 + t.ascent
	for _, l := range wrap(t, notes, area.width()) {
		p.text(t, l, point{area.x0, y}, start, figure.Muted)
		y += t.lineHeight()
	}
	return top
}

func (p *pen) notesHeight(notes []string, area box) float64 {
	if len(notes) == 0 {
		return 0
	}
	t := smallFace()
	return 6 + float64(len(wrap(t, notes, area.width())))*t.lineHeight()
}

// wrap breaks sentences into lines, at most four.
func wrap(t typeface, sentences []string, width float64) []string {
	const most = 4
	var lines []string
	line := ""
	for _, word := range strings.Fields(strings.Join(sentences, " ")) {
		word = clean(word)
		if longer := strings.TrimSpace(line + " " + word); line == "" || t.measure(longer) <= width {
			line = longer
			continue
		}
		lines = append(lines, line)
		line = word
	}
	if line != "" {
		lines = append(lines, line)
	}
	if len(lines) > most {
		lines = append(lines[:most-1], lines[most-1]+"…")
	}
	for i, l := range lines {
		lines[i] = t.fit(l, width)
	}
	return lines
}

// shadeBar draws the scale of colours at the right, and returns where the panels end.
func (p *pen) shadeBar(s figure.Shade, area box) float64 {
	t := smallFace()
	high := min(area.height()-24, 260)
	a := bounded(figure.Axis{Scale: s.Scale, Low: s.Low, High: s.High}, span{s.Scale.Position(s.Low), s.Scale.Position(s.Low)}, 0)
	a.place(area.y0+8+high, area.y0+8)
	a.chooseY(t, high, 60)
	x1 := area.x1 - a.widest(t) - 4
	if text := t.fit(clean(s.Label), high); text != "" {
		p.upright(t, text, point{area.x1 - t.lineHeight()/2, (a.from + a.to) / 2}, figure.Ink)
		x1 -= t.lineHeight() + 4
	}
	for i := range shadeSteps {
		y := a.from - float64(i)/shadeSteps*high
		step := i
		if s.Rising {
			step = shadeSteps - 1 - i
		}
		p.rectangle(p.theme.stepColour(step), box{x1 - barWidth, max(a.to, y-high/shadeSteps-0.5), x1, y})
	}
	for _, k := range a.ticks {
		p.text(t, k.text, point{x1 + 4, a.pixel(k.at) + t.ascent/2 - 1}, start, figure.Muted)
	}
	return x1 - barWidth - panelGap
}
