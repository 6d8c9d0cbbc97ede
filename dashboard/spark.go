package dashboard

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/attune-hpo/attune/trial"
)

// Size of a sparkline in pixels.
const (
	sparkWidth  = 96
	sparkHeight = 20
)

// spark draws how the best value of the study ?name got better, without axes: one line of a
// few hundred bytes.
func (d *Dashboard) spark(w http.ResponseWriter, r *http.Request) error {
	name := r.URL.Query().Get("name")
	var path string
	if p, ok := d.preview(r.Context(), name); ok {
		path = sparkPath(p.Summary.Header.Direction(0), p.Values)
	} else if x, err := d.index(r.Context(), name); err != nil {
		return err
	} else if x.study.Objectives() == 1 {
		path = sparkPath(x.study.Direction(0), x.values())
	}
	colour := "#0072b2"
	if r.URL.Query().Get("theme") == "dark" {
		colour = "#6cb6ea"
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", fmt.Sprintf("private, max-age=%d", int(time.Minute.Seconds())))
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d"><path d="%s" fill="none" stroke="%s" stroke-width="1.5" stroke-linejoin="round"/></svg>`,
		sparkWidth, sparkHeight, path, colour)
	return nil
}

// sparkPath returns the line of the best value so far, better being lower. It is empty for fewer
// than two finite values.
func sparkPath(dir trial.Direction, values []float64) string {
	best := make([]float64, 0, len(values)) // so far, after each finite value
	for _, v := range values {
		if math.IsInf(v, 0) {
			continue
		}
		v = dir.Loss(v)
		if n := len(best); n > 0 {
			v = min(v, best[n-1])
		}
		best = append(best, v)
	}
	if len(best) < 2 {
		return ""
	}
	// The first values are often far off, so the scale begins where a tenth of them are done.
	top, bottom := best[len(best)/10], best[len(best)-1]
	if top == bottom {
		top = best[0]
	}
	var b strings.Builder
	last := math.NaN()
	for i := range sparkWidth + 1 {
		v := best[i*(len(best)-1)/sparkWidth]
		y := 1.5
		if top > bottom {
			y += (sparkHeight - 3) * (1 - math.Min(1, (v-bottom)/(top-bottom)))
		} else {
			y = sparkHeight - 1.5
		}
		switch {
		case i == 0:
			fmt.Fprintf(&b, "M0 %.1f", y)
		case y != last || i == sparkWidth:
			fmt.Fprintf(&b, "H%dV%.1f", i, y)
		}
		last = y
	}
	return b.String()
}
