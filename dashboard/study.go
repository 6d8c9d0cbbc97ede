package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// A studyPage is the content of the page of a study.
type studyPage struct {
	Title, Name, Goal, Version, Events string
	Filter, FilterForm, Problem        string
	Filtered                           bool // a filter applies: it has no Problem
	Summary                            trial.Summary
	Shown                              int // number of trials that pass the filter
	Best                               []recipe
	Several                            bool
	Plots                              []plotLink
	Missing                            []string // sentences on plots that are not for this study
	Objectives                         []option
	Columns                            []column
	Rows                               []trialRow
	Pager                              pager
	Left                               int // number of columns left out
	Note                               noteForm
	Model                              string // the address of the page about its model, or ""
}

// A recipe is a trial with its settings, ready to use.
type recipe struct {
	Number int
	Link   string
	Values []string
	Forms  []recipeForm
	Open   bool // unfolded, if there are several
	// Enqueue is the address of a form for a trial like it, or "".
	Enqueue string
}

type recipeForm struct{ ID, Name, Text, File string }

type plotLink struct{ Name, About, Light, Dark string }

type option struct {
	Name, Link string
	Chosen     bool
}

// A column is a heading of the table of trials. Arrow shows how it sorts the table.
type column struct{ Name, Link, Arrow, Sort string }

type trialRow struct {
	Number      int
	Link, State string
	Cells       []string
}

const (
	mostColumns = 30 // parameters in the table
	mostRecipes = 10 // of a Pareto front
)

// study shows the study ?name. ?filter applies to the plots and the table. ?sort, ?down and
// ?page apply to the table.
func (d *Dashboard) study(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	name := q.Get("name")
	if !q.Has("filter") && !q.Has("sort") && !q.Has("page") {
		if first, ok := d.preview(r.Context(), name); ok {
			return d.first(w, r, first)
		}
	}
	x, err := d.index(r.Context(), name)
	if err != nil {
		return err
	}
	objective, err := objectiveOf(x.study.Header(), q.Get("objective"))
	if err != nil {
		return err
	}
	p := newStudyPage(x.summary, x.key.version)
	p.Events += "&v=" + url.QueryEscape(p.Version)
	p.Filter = q.Get("filter")
	f, err := parseFilter(p.Filter)
	if err != nil {
		p.Problem = err.Error()
		q.Del("filter")
	}
	p.Filtered = len(f) > 0
	if d.hasModel(x.study.Header()) {
		p.Model = "model" + with(&url.URL{}, "name", name)
	}
	p.Best = d.recipes(name, x.front())
	p.plots(q, x.reported, objective)
	shown := slices.Clone(f.of(x.study.Header(), x.trials))
	p.Shown = len(shown)
	o := order{name: cmp.Or(q.Get("sort"), "number"), down: q.Has("down") || !q.Has("sort")} // the newest first
	if o.name == "number" && o.down {
		slices.Reverse(shown)
	} else if o.name != "number" {
		o.sort(x.study.Header(), shown)
	}
	var from, to int
	p.Pager, from, to = paged(r.URL, len(shown), trialsPerPage)
	p.table(shown[from:to], o, r.URL)
	notes, err := d.notes(r.Context(), name)
	if err != nil {
		return err
	}
	if p.Note, err = d.noteForm(r.Context(), name, -1, notes); err != nil {
		return err
	}
	d.execute(w, r, "study.html", p)
	return nil
}

// first shows a study that is not read yet. When it is, the stream of events says so.
func (d *Dashboard) first(w http.ResponseWriter, r *http.Request, first storage.Preview) error {
	s := first.Summary
	objective, err := objectiveOf(s.Header, r.URL.Query().Get("objective"))
	if err != nil {
		return err
	}
	finished := s.Complete + s.Pruned + s.Failed + s.Interrupted
	p := newStudyPage(s, versionOf(finished, first.Running, s.Waiting))
	if d.hasModel(s.Header) {
		p.Model = "model" + with(&url.URL{}, "name", s.Header.Name)
	}
	p.Best = d.recipes(s.Header.Name, first.Front)
	p.plots(r.URL.Query(), first.Reported, objective)
	p.Shown = finished + s.Running + s.Waiting
	p.Pager, _, _ = paged(r.URL, p.Shown, trialsPerPage)
	rows := make([]*trial.Record, len(first.Newest))
	for i := range rows {
		rows[i] = &first.Newest[i]
	}
	p.table(rows, order{name: "number", down: true}, r.URL)
	if p.Note, err = d.noteForm(r.Context(), s.Header.Name, -1, s.Header.Notes); err != nil {
		return err
	}
	d.execute(w, r, "study.html", p)
	return nil
}

func newStudyPage(s trial.Summary, version string) *studyPage {
	name := s.Header.Name
	return &studyPage{Title: name, Name: name, Goal: goal(s.Header), Version: version, Events: "events" + with(&url.URL{}, "name", name),
		FilterForm: filterForm, Summary: s, Several: s.Header.Objectives() > 1}
}

// objectiveOf parses the number of an objective.
func objectiveOf(h trial.Header, text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 0 || i >= h.Objectives() {
		return 0, problem{http.StatusBadRequest, fmt.Sprintf("There is no objective %q: they are counted from 0 to %d.", text, h.Objectives()-1)}
	}
	return i, nil
}

// recipes returns the best trial, or the first ones of the Pareto front, ready to use.
func (d *Dashboard) recipes(study string, front []trial.Record) []recipe {
	var all []recipe
	for i, r := range front[:min(len(front), mostRecipes)] {
		all = append(all, d.recipe(study, r, i == 0))
	}
	return all
}

// recipe returns a trial with its settings, ready to use.
func (d *Dashboard) recipe(study string, r trial.Record, open bool) recipe {
	out := recipe{Open: open, Number: r.Number, Link: trialLink(study, r.Number)}
	for _, v := range r.Values {
		out.Values = append(out.Values, number(v))
	}
	if d.config.Write && len(r.Params.Point) > 0 {
		out.Enqueue = "enqueue" + with(&url.URL{}, "name", study, "number", strconv.Itoa(r.Number))
	}
	for _, f := range export.Forms() {
		var b strings.Builder
		if export.Settings(&b, f, d.settings(r)) != nil {
			continue // JSON has no infinities; the other forms do
		}
		out.Forms = append(out.Forms, recipeForm{
			ID: fmt.Sprintf("t%d-%s", r.Number, f), Name: formNames[f], Text: b.String(),
			File: "params" + with(&url.URL{}, "name", study, "number", strconv.Itoa(r.Number), "form", string(f)),
		})
	}
	return out
}

var formNames = map[export.Form]string{export.JSON: "JSON", export.YAML: "YAML", export.Go: "Go", export.Python: "Python", export.Flags: "Command line"}

// settings returns the settings to use from a trial.
func (d *Dashboard) settings(r trial.Record) []space.Setting {
	if d.config.Settings != nil {
		if all, ok := d.config.Settings(r); ok {
			return all
		}
	}
	return r.Params.Settings()
}

func trialLink(study string, n int) string {
	return "trial" + with(&url.URL{}, "name", study, "number", strconv.Itoa(n))
}

// unsuited returns why a study has no plot of a kind, or "".
func unsuited(kind string, h trial.Header, reported bool) string {
	several := h.Objectives() > 1
	switch {
	case (kind == "front" || kind == "hypervolume") && !several:
		return "the study has one objective"
	case kind == "regret" && several:
		return "the study has several objectives"
	case kind == "intermediate" && !reported:
		return "no trial has reported a value"
	case kind == "backtest" && !backtest.Expected(h):
		return "the study has no models of time series"
	}
	return ""
}

// plots sets the plots for this kind of study.
func (p *studyPage) plots(q url.Values, reported bool, objective int) {
	base := &url.URL{RawQuery: url.Values{"name": {p.Name}, "v": {p.Version}}.Encode()}
	h := p.Summary.Header
	var missing plot.Missing
	for _, k := range plot.Kinds() {
		if why := unsuited(k.Name, h, reported); why != "" {
			missing.Add(k.Name, why)
			continue
		}
		pairs := []string{"kind", k.Name, "filter", q.Get("filter"), "width", strconv.Itoa(half)}
		if k.Objective && (p.Several && q.Has("objective") || objective > 0) {
			pairs = append(pairs, "objective", strconv.Itoa(objective))
		}
		light := "plot.svg" + with(base, pairs...)
		p.Plots = append(p.Plots, plotLink{Name: k.Name, About: k.About, Light: light, Dark: "plot.svg" + with(base, append(pairs, "theme", "dark")...)})
	}
	p.Missing = missing.Sentences()
	if !p.Several {
		return
	}
	here := &url.URL{RawQuery: q.Encode()}
	for i := range h.Objectives() {
		name := fmt.Sprintf("objective %d", i)
		if names := h.Metrics(); i < len(names) {
			name = names[i]
		}
		p.Objectives = append(p.Objectives, option{Name: name, Link: with(here, "objective", strconv.Itoa(i)), Chosen: i == objective && q.Has("objective")})
	}
}

// table sets the table of trials: rows in an order. It has the parameters of these rows.
func (p *studyPage) table(rows []*trial.Record, o order, u *url.URL) {
	h := p.Summary.Header
	names := []string{"number", "state"}
	if h.Objectives() == 1 {
		names = append(names, "value")
	} else {
		for i := range h.Objectives() {
			name := fmt.Sprintf("value %d", i)
			if all := h.Metrics(); i < len(all) {
				name = all[i]
			}
			names = append(names, name)
		}
	}
	values := len(names)
	params := paramsOf(rows)
	p.Left = max(0, len(params)-mostColumns)
	params = params[:len(params)-p.Left]
	names = append(append(names, params...), "duration")
	for i, name := range names {
		c := column{Name: name, Sort: "none"}
		if h.Objectives() == 1 && i == 2 && len(h.Metrics()) == 1 {
			c.Name = h.Metrics()[0]
		}
		c.Link = with(u, "sort", name, "page", "", "down", "")
		if o.name == name {
			c.Arrow, c.Sort = "↑", "ascending"
			if o.down {
				c.Arrow, c.Sort = "↓", "descending"
			} else {
				c.Link = with(u, "sort", name, "page", "", "down", "1")
			}
		}
		p.Columns = append(p.Columns, c)
	}
	for _, r := range rows {
		row := trialRow{Number: r.Number, Link: trialLink(p.Name, r.Number), State: stateOf(*r)}
		for i := range values - 2 {
			cell := ""
			if i < len(r.Values) {
				cell = number(r.Values[i])
			}
			row.Cells = append(row.Cells, cell)
		}
		for _, name := range params {
			l, ok := r.Get(name)
			cell := ""
			if ok {
				cell = short(shown(l), 40)
			}
			row.Cells = append(row.Cells, cell)
		}
		row.Cells = append(row.Cells, took(r))
		p.Rows = append(p.Rows, row)
	}
}

// paramsOf returns the parameters of trials, with those of the most recent spaces first.
func paramsOf(trials []*trial.Record) []string {
	var all []string
	seen := map[string]bool{}
	var last space.Space
	for _, r := range trials {
		if len(r.Params.Space) == len(last) && len(last) > 0 && &r.Params.Space[0] == &last[0] {
			continue // spaces are shared
		}
		last = r.Params.Space
		for _, a := range last {
			if !seen[a.Name] {
				seen[a.Name] = true
				all = append(all, a.Name)
			}
		}
	}
	return all
}

// stateOf describes the state of a trial.
func stateOf(r trial.Record) string {
	switch {
	case r.Interrupted():
		return "interrupted"
	case r.State == trial.Complete && !r.Feasible():
		return "infeasible"
	}
	return r.State.String()
}
