// Package report writes everything about a study into one HTML page to share with others: the
// best parameters, ready to be copied, then plots, the best trials and the errors.
//
//	err := report.HTML(ctx, file, h, report.Options{})
//
// The page needs no network and has no script. It is light or dark as the reader prefers. Names
// and errors may contain anything: they are shown as text.
package report

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "report"

// Options are options for a page. The zero value is ready to use.
type Options struct {
	// Settings returns the settings to use from a trial, if they are more than its parameters.
	// For a model these include the fixed hyperparameters. If ok is false, the page shows the
	// parameters. Default: the parameters.
	Settings func(trial.Record) (settings space.Settings, ok bool)
}

const (
	mostTrials   = 50
	mostFailures = 20
	mostFront    = 20
)

//go:embed report.html
var source string

var page = template.Must(template.New("report").Parse(source))

// HTML writes the page of a study. The page of a study without trials says what is missing.
// HTML fails with the error of ctx or of w.
func HTML(ctx context.Context, w io.Writer, h trial.Snapshot, o Options) error {
	p := content{
		Name: h.Header().Name, Styles: template.CSS(draw.Styles()), Summary: summary(h),
		Best: o.best(h), None: "No trial is complete yet.", Failures: failures(h),
	}
	if h.Summary().Complete > 0 {
		p.None = "No complete trial meets its constraints yet."
	}
	var err error
	if p.Figures, p.Missing, err = figures(ctx, h); err == nil {
		p.Table = best(h)
		err = page.Execute(w, p)
	}
	if err != nil {
		return pkg.Errorf("study %s: %w", h.Header().Name, err)
	}
	return nil
}

// content is the input of the template.
type content struct {
	Name     string
	Styles   template.CSS
	Summary  []fact
	Best     []recipe
	None     string // why Best is empty
	Figures  []template.HTML
	Missing  []string
	Table    table
	Failures []failure
}

type fact struct{ Name, Value string }

// A recipe is a trial with its settings, ready to use.
type recipe struct {
	Title string
	Forms []form
}

type form struct{ Name, Text string }

type table struct {
	Head []string
	Rows [][]string
	Left int // number of rows left out
}

// A failure is an error, with the number of trials that failed with it.
type failure struct {
	Error  string
	Trials int
	First  int // number of the first such trial
}

// summary returns facts about a study.
func summary(h trial.Snapshot) []fact {
	s := h.Summary()
	var goals []string
	names := h.Header().Metrics()
	for i := range h.Objectives() {
		goal := h.Direction(i).String()
		if i < len(names) {
			goal += " " + names[i]
		}
		goals = append(goals, goal)
	}
	all := []fact{{"Objective", strings.Join(goals, ", ")}}
	if s.Best != nil {
		all = append(all, fact{"Best value", fmt.Sprintf("%s, in trial %d", number(s.Best.Values[0]), s.Best.Number)})
	}
	var states []string
	for _, c := range []struct {
		n    int
		name string
	}{{s.Complete, "complete"}, {s.Pruned, "pruned"}, {s.Failed, "failed"}, {s.Interrupted, "interrupted"}, {s.Running, "running"}, {s.Waiting, "waiting"}} {
		if c.n > 0 {
			states = append(states, fmt.Sprintf("%d %s", c.n, c.name))
		}
	}
	all = append(all, fact{"Trials", cmp.Or(strings.Join(states, ", "), "none")})
	if !s.Begun.IsZero() {
		all = append(all, fact{"First trial", instant(s.Begun)})
	}
	if !s.Latest.IsZero() {
		all = append(all, fact{"Latest trial", instant(s.Latest)}, fact{"Time in trials", s.Took.Round(time.Millisecond).String()})
	}
	return all
}

// best returns the best trial, or the Pareto front, ready to use.
func (o Options) best(h trial.Snapshot) []recipe {
	var all []recipe
	if h.Objectives() == 1 {
		if r, ok := h.Best(); ok {
			all = append(all, o.recipe(fmt.Sprintf("Trial %d: %s", r.Number, number(r.Values[0])), r))
		}
		return all
	}
	front := h.Front()
	for _, r := range front[:min(len(front), mostFront)] {
		var values []string
		for _, v := range r.Values {
			values = append(values, number(v))
		}
		all = append(all, o.recipe(fmt.Sprintf("Trial %d: %s", r.Number, strings.Join(values, ", ")), r))
	}
	return all
}

func (o Options) recipe(title string, r trial.Record) recipe {
	settings := r.Params.Settings()
	if o.Settings != nil {
		if all, ok := o.Settings(r); ok {
			settings = all
		}
	}
	out := recipe{Title: title}
	for _, f := range export.Forms() {
		var b strings.Builder
		if export.Settings(&b, f, settings) == nil { // JSON has no infinities; the other forms do
			out.Forms = append(out.Forms, form{names[f], b.String()})
		}
	}
	return out
}

var names = map[export.Form]string{export.JSON: "JSON", export.YAML: "YAML", export.Go: "Go", export.Python: "Python", export.Flags: "Command line"}

// figures returns all plots of a study, and the reasons why others are missing.
func figures(ctx context.Context, h trial.Snapshot) (all []template.HTML, missing []string, err error) {
	var lacks plot.Missing
	for _, kind := range plot.Kinds() {
		if err := context.Cause(ctx); err != nil {
			return nil, nil, err
		}
		f, err := kind.Make(ctx, h, plot.Choice{})
		if err != nil {
			lacks.Add(kind.Name, plot.Why(err))
			continue
		}
		image, err := draw.Inline(f, draw.Options{})
		if err != nil {
			return nil, nil, err
		}
		all = append(all, template.HTML(image)) // draw has escaped all names
	}
	return all, lacks.Sentences(), nil
}

// best returns the best trials as a table, by value, or by number if there are several
// objectives.
func best(h trial.Snapshot) table {
	var all []trial.Record
	params, seen := []string{}, map[string]bool{}
	for r := range h.All() {
		if r.State != trial.Complete {
			continue
		}
		all = append(all, r)
		for name := range r.Params.All() {
			if !seen[name] {
				seen[name] = true
				params = append(params, name)
			}
		}
	}
	d := h.Header()
	slices.SortFunc(all, func(a, b trial.Record) int {
		if len(d.Losses(a.Values)) == 1 {
			if by := cmp.Compare(d.Losses(a.Values)[0], d.Losses(b.Values)[0]); by != 0 {
				return by
			}
		}
		return cmp.Compare(a.Number, b.Number)
	})
	t := table{Head: []string{"trial"}, Left: max(0, len(all)-mostTrials)}
	for i := range h.Objectives() {
		name := "value"
		if metrics := d.Metrics(); i < len(metrics) {
			name = metrics[i]
		} else if h.Objectives() > 1 {
			name = fmt.Sprintf("value %d", i)
		}
		t.Head = append(t.Head, name)
	}
	params = params[:min(len(params), 40)]
	t.Head = append(t.Head, params...)
	for _, r := range all[:min(len(all), mostTrials)] {
		row := []string{strconv.Itoa(r.Number)}
		for _, v := range r.Values {
			row = append(row, number(v))
		}
		for _, name := range params {
			l, _ := r.Get(name)
			row = append(row, shown(l))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// shown formats a value. A number has six digits.
func shown(l space.Literal) string {
	if v, ok := l.Any().(float64); ok && l != "" {
		return number(v)
	}
	return l.String()
}

// failures returns the errors of failed trials, the most frequent first.
func failures(h trial.Snapshot) []failure {
	at := map[string]int{}
	var all []failure
	for r := range h.All() {
		if r.State != trial.Failed || r.Interrupted() {
			continue
		}
		text, _, _ := strings.Cut(strings.TrimSpace(r.Err), "\n")
		if runes := []rune(text); len(runes) > 300 {
			text = string(runes[:300]) + "…"
		}
		text = cmp.Or(text, "no error was recorded")
		i, known := at[text]
		if !known {
			i = len(all)
			at[text] = i
			all = append(all, failure{Error: text, First: r.Number})
		}
		all[i].Trials++
		all[i].First = min(all[i].First, r.Number)
	}
	slices.SortStableFunc(all, func(a, b failure) int { return cmp.Compare(b.Trials, a.Trials) })
	return all[:min(len(all), mostFailures)]
}

func number(v float64) string {
	if math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
