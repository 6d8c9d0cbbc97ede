package dashboard

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/trial"
)

// plot draws one plot of the study ?name: ?kind, and optionally ?also for more studies, ?filter,
// ?objective, ?theme and, for the reports of one trial, ?number. If there is nothing to plot, the
// image says so.
func (d *Dashboard) plot(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	name := q.Get("name")
	x, err := d.index(r.Context(), name)
	if err != nil {
		return err
	}
	v := x.key.version
	i := slices.IndexFunc(plot.Kinds(), func(k plot.Kind) bool { return k.Name == q.Get("kind") })
	if i < 0 {
		return problem{http.StatusNotFound, fmt.Sprintf("There is no plot %q.", q.Get("kind"))}
	}
	objective, err := objectiveOf(x.study.Header(), q.Get("objective"))
	if err != nil {
		return err
	}
	f, err := parseFilter(q.Get("filter"))
	if err != nil {
		return err
	}
	choice := plot.Choice{Objective: objective}
	if q.Has("objective") {
		choice.Target = importance.Objective(objective)
	}
	if q.Has("number") {
		t, err := trialOf(x, q.Get("number"))
		if err != nil {
			return err
		}
		choice.Trials = []int{t.Number}
	}
	for _, name := range q["also"][:min(len(q["also"]), mostCompared-1)] {
		also, err := d.index(r.Context(), name)
		if err != nil {
			return err
		}
		choice.Also = append(choice.Also, d.filtered(also, q.Get("filter"), f))
		v += "." + also.key.version
	}
	key := v + "?" + keyOf(q)
	image, ok := d.drawn.get(key)
	if !ok {
		select {
		case d.drawing <- struct{}{}:
		case <-r.Context().Done():
			return r.Context().Err()
		}
		image, err = picture(r, d.filtered(x, q.Get("filter"), f), plot.Kinds()[i], choice, q.Get("theme") == "dark")
		<-d.drawing
		if err != nil {
			return err
		}
		d.drawn.put(key, image)
	}
	head := w.Header()
	head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'") // an image has inline styles
	head.Set("Content-Type", "image/svg+xml")
	head.Set("Vary", "Accept-Encoding")
	head.Set("Cache-Control", "no-store")
	if q.Get("v") == v { // the address changes with the trials
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
	out := url.Values{"also": q["also"]}
	for _, k := range []string{"name", "kind", "filter", "objective", "theme", "number"} {
		if q.Has(k) {
			out.Set(k, q.Get(k))
		}
	}
	return out.Encode()
}

// picture draws a plot as compressed SVG.
func picture(r *http.Request, h trial.Snapshot, k plot.Kind, c plot.Choice, dark bool) ([]byte, error) {
	f, err := k.Make(r.Context(), h, c)
	if err != nil {
		if r.Context().Err() != nil {
			return nil, err
		}
		f = figure.Figure{Title: strings.ToUpper(k.Name[:1]) + k.Name[1:], Notes: []string{said(err) + "."}}
	}
	o := draw.Options{Dark: dark}
	if len(f.Panels) == 0 {
		o.Height = 120
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := draw.SVG(z, f, o); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
