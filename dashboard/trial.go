package dashboard

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// A trialPage is the content of the page of a trial.
type trialPage struct {
	Title, Study, StudyLink string
	State                   string
	Trial                   trial.Record
	Started, Finished, Took string
	Values                  []named
	Params                  []named
	Fixed                   space.Settings
	Recipe                  recipe
	Light, Dark             string // the plot of its reports
	Backtest                *plotLink
	Attrs, Notes            trial.Attrs // without what is shown as a plot
	Previous, Next          string
	Note                    noteForm
	Enqueue                 string // the address of a form for a trial like it
}

type named struct{ Name, Value, About string }

// trial shows the trial ?number of the study ?name.
func (d *Dashboard) trial(w http.ResponseWriter, r *http.Request) error {
	x, err := d.index(r.Context(), r.URL.Query().Get("name"))
	if err != nil {
		return err
	}
	h, v := x.study, x.key.version
	t, err := trialOf(x, r.URL.Query().Get("number"))
	if err != nil {
		return err
	}
	name := h.Header().Name
	p := trialPage{
		Title: fmt.Sprintf("Trial %d of %s", t.Number, name), Study: name, StudyLink: "study" + with(&url.URL{}, "name", name),
		State: stateOf(t), Trial: t, Started: instant(t.Started), Finished: instant(t.Finished), Fixed: t.Fixed, Recipe: d.recipe(name, t, true),
	}
	if !t.Finished.IsZero() {
		p.Took = t.Duration().String()
	}
	for i, value := range t.Values {
		label := "value"
		if names := h.Header().Metrics(); i < len(names) {
			label = names[i]
		}
		p.Values = append(p.Values, named{Name: label, Value: number(value), About: h.Direction(i).String()})
	}
	for i, a := range t.Params.Space {
		p.Params = append(p.Params, named{a.Name, shown(a.Distribution.Decode(t.Params.Point[i])), space.Describe(a.Distribution)})
	}
	p.Notes = slices.Clone(t.Notes)
	vectors := t.Vectors()
	for _, v := range vectors { // shown as a plot
		key := fmt.Sprint(trial.VectorPrefix, v.Step)
		p.Notes = slices.DeleteFunc(p.Notes, func(a trial.Attr) bool { return a.Key == key })
	}
	if len(t.Reports) > 0 || len(vectors) > 0 {
		pairs := []string{"name", name, "v", v, "kind", "intermediate", "number", strconv.Itoa(t.Number)}
		p.Light = "plot.svg" + with(&url.URL{}, pairs...)
		p.Dark = "plot.svg" + with(&url.URL{}, append(pairs, "theme", "dark")...)
	}
	for _, a := range t.Attrs {
		if a.Key != backtest.Key { // shown as a plot
			p.Attrs = append(p.Attrs, a)
		}
	}
	if _, ok := backtest.Of(t); ok {
		pairs := []string{"name", name, "v", v, "kind", "backtest", "number", strconv.Itoa(t.Number)}
		p.Backtest = &plotLink{Light: "plot.svg" + with(&url.URL{}, pairs...), Dark: "plot.svg" + with(&url.URL{}, append(pairs, "theme", "dark")...)}
	}
	notes, err := d.notes(r.Context(), name)
	if err != nil {
		return err
	}
	if p.Note, err = d.noteForm(r.Context(), name, t.Number, notes); err != nil {
		return err
	}
	p.Enqueue = p.Recipe.Enqueue
	if t.Number > 0 {
		p.Previous = trialLink(name, t.Number-1)
	}
	if _, ok := x.trial(t.Number + 1); ok {
		p.Next = trialLink(name, t.Number+1)
	}
	d.execute(w, r, "trial.html", p)
	return nil
}

// trialOf returns the trial with a number.
func trialOf(x *index, number string) (trial.Record, error) {
	n, err := strconv.Atoi(number)
	if err != nil {
		return trial.Record{}, problem{http.StatusBadRequest, fmt.Sprintf("Which trial? %q is not a number.", number)}
	}
	r, ok := x.trial(n)
	if !ok {
		return trial.Record{}, problem{http.StatusNotFound, fmt.Sprintf("The study has no trial %d.", n)}
	}
	return *r, nil
}

// paramFiles are the names and types of files with parameters.
var paramFiles = map[export.Form]struct{ name, kind string }{
	export.JSON: {"params.json", "application/json"}, export.YAML: {"params.yaml", "application/yaml"},
	export.Go: {"params.go.txt", "text/plain; charset=utf-8"}, export.Python: {"params.py", "text/plain; charset=utf-8"},
	export.Flags: {"params.txt", "text/plain; charset=utf-8"},
}

// params sends the parameters of a trial as a file: ?name, ?number and ?form.
func (d *Dashboard) params(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	x, err := d.index(r.Context(), q.Get("name"))
	if err != nil {
		return err
	}
	t, err := trialOf(x, q.Get("number"))
	if err != nil {
		return err
	}
	file, ok := paramFiles[export.Form(q.Get("form"))]
	if !ok {
		return problem{http.StatusBadRequest, fmt.Sprintf("There is no form %q.", q.Get("form"))}
	}
	var b bytes.Buffer
	if err := export.Settings(&b, export.Form(q.Get("form")), d.settings(t)); err != nil {
		return problem{http.StatusUnprocessableEntity, err.Error()}
	}
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": file.name}))
	w.Write(b.Bytes())
	return nil
}
