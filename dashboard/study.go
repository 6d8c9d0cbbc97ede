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
	"github.com/attune-hpo/attune/trial"
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
	Objectives                         []option
	Columns                            []column
	Rows                               []trialRow
	Pager                              pager
	Left                               int // number of columns left out
}

// A recipe is a trial with its settings, ready to use.
type recipe struct {
	Number int
	Link   string
	Values []string
	Forms  []recipeForm
	Open   bool // unfolded, if there are several
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
	h, v, err := d.snapshot(r.Context(), name)
	if err != nil {
		return err
	}
	p := studyPage{Title: name, Name: name, Goal: goal(h.Header()), Version: v, Events: "events" + with(&url.URL{}, "name", name, "v", v),
		Filter: q.Get("filter"), FilterForm: filterForm, Summary: h.Summary(), Several: h.Objectives() > 1}
	f, err := parseFilter(p.Filter)
	if err != nil {
		p.Problem = err.Error()
		q.Del("filter")
	}
	p.Filtered = len(f) > 0
	shown := d.filtered(h, v, name, q.Get("filter"), f)
	objective, err := objectiveOf(h, q.Get("objective"))
	if err != nil {
		return err
	}
	p.Best = d.recipes(h)
	p.plots(h, q, objective)
	p.table(h.Header(), shown, r.URL)
	d.execute(w, "study.html", p)
	return nil
}

// filtered returns a study with only the trials that pass a filter.
func (d *Dashboard) filtered(h trial.Snapshot, version, name, text string, f filter) trial.Snapshot {
	if len(f) == 0 {
		return h
	}
	key := name + "\x00" + version + "\x00" + text
	if s, ok := d.passed.get(key); ok {
		return s
	}
	s := f.apply(h)
	d.passed.put(key, s)
	return s
}

// objectiveOf parses the number of an objective.
func objectiveOf(h trial.Snapshot, text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 0 || i >= h.Objectives() {
		return 0, problem{http.StatusBadRequest, fmt.Sprintf("There is no objective %q: they are counted from 0 to %d.", text, h.Objectives()-1)}
	}
	return i, nil
}

// recipes returns the best trial, or the first ones of the Pareto front.
func (d *Dashboard) recipes(h trial.Snapshot) []recipe {
	if h.Objectives() == 1 {
		if best, ok := h.Best(); ok {
			return []recipe{d.recipe(h.Header().Name, best, true)}
		}
		return nil
	}
	var all []recipe
	front := h.Front()
	for i, r := range front[:min(len(front), mostRecipes)] {
		all = append(all, d.recipe(h.Header().Name, r, i == 0))
	}
	return all
}

// recipe returns a trial with its settings, ready to use.
func (d *Dashboard) recipe(study string, r trial.Record, open bool) recipe {
	out := recipe{Open: open, Number: r.Number, Link: trialLink(study, r.Number)}
	for _, v := range r.Values {
		out.Values = append(out.Values, number(v))
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

// plots sets the plots for this kind of study.
func (p *studyPage) plots(h trial.Snapshot, q url.Values, objective int) {
	base := &url.URL{RawQuery: url.Values{"name": {p.Name}, "v": {p.Version}}.Encode()}
	reported := slices.ContainsFunc(h.Running(), func(r trial.Record) bool { return len(r.Reports) > 0 })
	for i := 0; i < h.Len() && !reported; i++ {
		reported = len(h.At(i).Reports) > 0
	}
	for _, k := range plot.Kinds() {
		switch {
		case (k.Name == "front" || k.Name == "hypervolume") && !p.Several, k.Name == "intermediate" && !reported:
			continue
		}
		pairs := []string{"kind", k.Name, "filter", q.Get("filter")}
		if k.Objective && (p.Several && q.Has("objective") || objective > 0) {
			pairs = append(pairs, "objective", strconv.Itoa(objective))
		}
		light := "plot.svg" + with(base, pairs...)
		p.Plots = append(p.Plots, plotLink{Name: k.Name, About: k.About, Light: light, Dark: "plot.svg" + with(base, append(pairs, "theme", "dark")...)})
	}
	if !p.Several {
		return
	}
	here := &url.URL{RawQuery: q.Encode()}
	for i := range h.Objectives() {
		name := fmt.Sprintf("objective %d", i)
		if names := h.Header().Metrics(); i < len(names) {
			name = names[i]
		}
		p.Objectives = append(p.Objectives, option{Name: name, Link: with(here, "objective", strconv.Itoa(i)), Chosen: i == objective && q.Has("objective")})
	}
}

// table sets the requested page of the table of trials.
func (p *studyPage) table(h trial.Header, s trial.Snapshot, u *url.URL) {
	records := s.Records()
	p.Shown = len(records)
	o := order{name: cmp.Or(u.Query().Get("sort"), "number"), down: u.Query().Has("down")}
	if !u.Query().Has("sort") {
		o.down = true // the newest first
	}
	if o.name == "number" && o.down {
		slices.Reverse(records)
	} else if o.name != "number" {
		o.sort(h, records)
	}

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
	params := paramsOf(records)
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
	var from, to int
	p.Pager, from, to = paged(u, len(records), trialsPerPage)
	for _, r := range records[from:to] {
		row := trialRow{Number: r.Number, Link: trialLink(p.Name, r.Number), State: stateOf(r)}
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
		took := ""
		if !r.Finished.IsZero() {
			took = r.Duration().Round(1e6).String()
		}
		row.Cells = append(row.Cells, took)
		p.Rows = append(p.Rows, row)
	}
}

// paramsOf returns the parameters of trials, with those of the most recent spaces first.
func paramsOf(records []trial.Record) []string {
	var all []string
	seen := map[string]bool{}
	var last space.Space
	for _, r := range records {
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
