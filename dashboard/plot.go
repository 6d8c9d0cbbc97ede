package dashboard

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A picture is a plot on a page: light and dark, and, for a narrow window, as wide as that is, so
// that its text can be read.
type picture struct{ Light, Dark, Alt string }

func newPicture(light, dark, alt string) picture { return picture{light, dark, alt} }

// Narrow returns the address of a plot for a narrow window.
func (picture) Narrow(address string) string {
	address, query, _ := strings.Cut(address, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return address // it is one of this package's
	}
	q.Set("width", strconv.Itoa(narrow))
	return address + "?" + q.Encode()
}

// narrow is the width of a plot for a narrow window.
const narrow = 400

// half is the width of one of two plots beside each other.
const half = 600

// mostAxes is the number of parallel axes whose labels fit into a narrow window.
const mostAxes = 6

// widthOf returns the width of a plot in a request. There are few, because pictures are kept.
func widthOf(q url.Values) int {
	for _, w := range []int{narrow, half} {
		if q.Get("width") == strconv.Itoa(w) {
			return w
		}
	}
	return 0
}

// fewerAxes leaves out the last axes of parallel coordinates, which matter least.
func fewerAxes(f figure.Figure, most int) figure.Figure {
	if len(f.Panels) != 1 || f.Panels[0].Parallel == nil || len(f.Panels[0].Parallel.Axes) <= most {
		return f
	}
	p := *f.Panels[0].Parallel
	f.Notes = append(slices.Clip(f.Notes), fmt.Sprintf("A wider window shows all %d axes.", len(p.Axes)))
	lines := make([][]float64, len(p.Lines))
	for i, l := range p.Lines {
		lines[i] = l[:most]
	}
	p.Axes, p.Lines = p.Axes[:most], lines
	f.Panels = []figure.Panel{{Title: f.Panels[0].Title, Parallel: &p}}
	return f
}

// A drawing is a plot that somebody asks for.
type drawing struct {
	key    string // of everything that it depends on
	fresh  bool   // the address has the version of the trials
	study  func() trial.Snapshot
	kind   plot.Kind
	choice plot.Choice
	dark   bool
	width  int
}

// drawing returns the plot in a request: of the study ?name: ?kind, and optionally ?also for more
// studies, ?filter, ?objective, ?theme, ?width=400 and, for the reports of some trials, ?number of each.
func (d *Dashboard) drawing(r *http.Request) (out drawing, err error) {
	q := r.URL.Query()
	x, err := d.index(r.Context(), q.Get("name"))
	if err != nil {
		return out, err
	}
	v := x.key.version
	i := slices.IndexFunc(plot.Kinds(), func(k plot.Kind) bool { return k.Name == q.Get("kind") })
	if i < 0 {
		return out, problem{http.StatusNotFound, fmt.Sprintf("There is no plot %q.", q.Get("kind"))}
	}
	objective, err := objectiveOf(x.study.Header(), q.Get("objective"))
	if err != nil {
		return out, err
	}
	f, err := parseFilter(q.Get("filter"))
	if err != nil {
		return out, err
	}
	choice := plot.Choice{Objective: objective}
	if q.Has("objective") {
		choice.Target = importance.Objective(objective)
	}
	for _, number := range q["number"][:min(len(q["number"]), mostTrials)] {
		t, err := trialOf(x, number)
		if err != nil {
			return out, err
		}
		choice.Trials = append(choice.Trials, t.Number)
	}
	for _, name := range q["also"][:min(len(q["also"]), mostCompared-1)] {
		also, err := d.index(r.Context(), name)
		if err != nil {
			return out, err
		}
		choice.Also = append(choice.Also, d.filtered(also, q.Get("filter"), f))
		v += "." + also.key.version
	}
	study := func() trial.Snapshot { return d.filtered(x, q.Get("filter"), f) }
	return drawing{v + "?" + keyOf(q), q.Get("v") == v, study, plot.Kinds()[i], choice, q.Get("theme") == "dark", widthOf(q)}, nil
}

// drawnBy returns what f makes of a drawing, compressed, or what it made of it before. At most as
// many are made at once as there are processors.
func (d *Dashboard) drawnBy(r *http.Request, what string, x drawing, f func(io.Writer, figure.Figure, draw.Options) error) ([]byte, error) {
	key := what + x.key
	if out, ok := d.drawn.get(key); ok {
		return out, nil
	}
	select {
	case d.pens <- struct{}{}:
		defer func() { <-d.pens }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	fig, o, err := made(r.Context(), x)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f(z, fig, o), z.Close()); err != nil {
		return nil, err
	}
	d.drawn.put(key, b.Bytes())
	return b.Bytes(), nil
}

// made makes the figure of a drawing. If there is nothing to plot, it says so.
func made(ctx context.Context, x drawing) (figure.Figure, draw.Options, error) {
	o := draw.Options{Dark: x.dark, Width: x.width}
	h := x.study()
	f, err := x.kind.Make(ctx, h, x.choice)
	if ctx.Err() != nil {
		return f, o, ctx.Err()
	}
	if err != nil {
		f = figure.Figure{Title: strings.ToUpper(x.kind.Name[:1]) + x.kind.Name[1:], Notes: []string{sentence(plot.Why(err))}}
	} else if x.kind.Name == "history" && len(x.choice.Also) == 0 {
		if progress, _ := (study.Stagnation{}).Reached(h); progress != "" {
			f.Notes = append(f.Notes, "Progress: "+progress+".")
		}
	}
	if x.width == narrow {
		f = fewerAxes(f, mostAxes)
	}
	if len(f.Panels) == 0 {
		o.Height = 120
	}
	return f, o, nil
}

// sentence returns a text as a sentence.
func sentence(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[n:] + "."
}

// plot draws a plot as an image.
func (d *Dashboard) plot(w http.ResponseWriter, r *http.Request) error {
	x, err := d.drawing(r)
	if err != nil {
		return err
	}
	image, err := d.drawnBy(r, "image", x, draw.SVG)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", imagePolicy)
	return sendPlot(w, r, "image/svg+xml", x.fresh, image)
}

// places says where things are in a plot, for the script of the page.
func (d *Dashboard) places(w http.ResponseWriter, r *http.Request) error {
	x, err := d.drawing(r)
	if err != nil {
		return err
	}
	x.dark = false
	out, err := d.drawnBy(r, "places", x, writePlaces)
	if err != nil {
		return err
	}
	return sendPlot(w, r, "application/json", x.fresh, out)
}

// sendPlot sends something compressed about a plot.
func sendPlot(w http.ResponseWriter, r *http.Request, kind string, fresh bool, image []byte) error {
	head := w.Header()
	head.Set("Content-Type", kind)
	head.Set("Vary", "Accept-Encoding")
	head.Set("Cache-Control", "no-store")
	if fresh { // the address changes with the trials
		head.Set("Cache-Control", "private, max-age=3600")
	}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		head.Set("Content-Encoding", "gzip")
		w.Write(image)
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(image))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil {
		return err
	}
	w.Write(b.Bytes())
	return nil
}

// keyOf returns the parts of a request on which an image depends, besides the trials.
func keyOf(q url.Values) string {
	out := url.Values{"also": q["also"], "number": q["number"]}
	for _, k := range []string{"name", "kind", "filter", "objective", "theme", "width"} {
		if q.Has(k) {
			out.Set(k, q.Get(k))
		}
	}
	return out.Encode()
}
