package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// mostTrials is how many trials are compared at once.
const mostTrials = 12

// A comparedRow is a line of the comparison of trials: what one thing is in each of them.
type comparedRow struct {
	Name    string
	Cells   []string
	Differs bool
}

// trials compares trials of the study ?name: ?number of each.
func (d *Dashboard) trials(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	numbers := q["number"]
	if len(numbers) < 2 || len(numbers) > mostTrials {
		return problem{http.StatusBadRequest, "Choose 2 to 12 trials to compare."}
	}
	x, err := d.index(r.Context(), q.Get("name"))
	if err != nil {
		return err
	}
	name := x.study.Header().Name
	p := struct {
		Title, Study, StudyLink string
		Trials                  []trialRow
		Rows                    []comparedRow
		Light, Dark             string // the plot of their reports
	}{Title: "Trials of " + name, Study: name, StudyLink: "study" + with(&url.URL{}, "name", name)}
	var all []*trial.Record
	reported := false
	for _, number := range numbers {
		t, err := trialOf(x, number)
		if err != nil {
			return err
		}
		all = append(all, &t)
		p.Trials = append(p.Trials, trialRow{Number: t.Number, Link: trialLink(name, t.Number), State: stateOf(t)})
		reported = reported || len(t.Reports) > 0
	}
	row := func(name string, of func(*trial.Record) string) {
		out := comparedRow{Name: name}
		for _, t := range all {
			out.Cells = append(out.Cells, of(t))
			out.Differs = out.Differs || out.Cells[0] != out.Cells[len(out.Cells)-1]
		}
		p.Rows = append(p.Rows, out)
	}
	metrics := x.study.Header().Metrics()
	for i := range x.study.Objectives() {
		label := "value"
		if i < len(metrics) {
			label = metrics[i]
		} else if x.study.Objectives() > 1 {
			label += " " + strconv.Itoa(i)
		}
		row(label, func(t *trial.Record) string {
			if i < len(t.Values) {
				return number(t.Values[i])
			}
			return ""
		})
	}
	for _, param := range paramsOf(all) {
		row(param, func(t *trial.Record) string {
			if l, ok := t.Get(param); ok {
				return short(shown(l), 60)
			}
			return ""
		})
	}
	row("duration", func(t *trial.Record) string { return took(t) })
	for _, key := range attrsOf(all) {
		row(key, func(t *trial.Record) string {
			a, _ := t.Attrs.Get(key)
			return short(a.JSON, 60)
		})
	}
	if reported {
		query := url.Values{"name": {name}, "v": {x.key.version}, "kind": {"intermediate"}, "number": numbers}
		p.Light = "plot.svg?" + query.Encode()
		p.Dark = p.Light + "&theme=dark"
	}
	d.execute(w, r, "trials.html", p)
	return nil
}

// attrsOf returns the keys of the attributes of trials, in the order in which they come.
func attrsOf(trials []*trial.Record) (keys []string) {
	for _, t := range trials {
		for _, a := range t.Attrs {
			if a.Key != backtest.Key && !slices.Contains(keys, a.Key) {
				keys = append(keys, a.Key)
			}
		}
	}
	return keys
}

// took returns how long a trial took, or "" if it has not finished.
func took(t *trial.Record) string {
	if t.Finished.IsZero() {
		return ""
	}
	return t.Duration().Round(1e6).String()
}
