package report_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/export/report"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

func ExampleHTML() {
	x := space.Float("x", 0, 1)
	h := trial.NewHistory(trial.Header{Name: "bowl"})
	h.Put(trial.Record{State: trial.Complete, Params: space.Params{Space: space.Of(x), Point: []float64{0.5}}, Values: []float64{3}})
	var page bytes.Buffer
	if err := report.HTML(context.Background(), &page, h.Snapshot(), report.Options{}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(strings.Contains(page.String(), "<dt>Best value</dt><dd>3, in trial 0</dd>"))
	// Output: true
}

func html(t *testing.T, h trial.Snapshot, o report.Options) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.HTML(t.Context(), &b, h, o))
	return b.String()
}

// The page has the best parameters in every form, before any plot, and needs nothing
// from elsewhere.
func TestHTML(t *testing.T) {
	h := teststudy.New("walmart/lightgbm", 80, false, 1)
	best, ok := h.Best()
	require.True(t, ok)
	page := html(t, h, report.Options{})
	assert.Contains(t, page, fmt.Sprintf("<h3>Trial %d: ", best.Number))
	for _, form := range []string{"JSON", "YAML", "Python", "Go", "Command line"} {
		at := strings.Index(page, "<summary>"+form+"</summary>")
		assert.True(t, at > 0 && at < strings.Index(page, "<svg"), form)
	}
	assert.Equal(t, 10, strings.Count(page, "<svg "), "all but those for several objectives")
	assert.Contains(t, page, "out of memory")
	assert.False(t, strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/", ""), "http"), "it needs nothing from elsewhere")
	assert.NotContains(t, page, "<script")
	assert.Less(t, len(page), 1<<20)

	fixed := report.Options{Settings: func(trial.Record) (space.Settings, bool) {
		return space.Settings{{Name: "rounds", Value: "77"}}, true
	}}
	assert.Contains(t, html(t, h, fixed), "--rounds=77")
}

// With several objectives, the page has the whole front.
func TestSeveralObjectives(t *testing.T) {
	h := teststudy.New("trade", 80, true, 1)
	page := html(t, h, report.Options{})
	for _, r := range h.Front() {
		assert.Contains(t, page, fmt.Sprintf("<h3>Trial %d: ", r.Number))
	}
	assert.Contains(t, page, "<title>Pareto front of trade</title>")
	assert.Contains(t, page, "<dd>minimize rmse, maximize speed</dd>")
}

// The page says what is missing, and shows hostile content as text.
func TestOddStudies(t *testing.T) {
	page := html(t, trial.Snapshot{}, report.Options{})
	assert.Contains(t, page, "<dt>Trials</dt><dd>none</dd>")
	assert.Contains(t, page, "No trial is complete yet.")
	assert.Contains(t, page, "<p class=\"muted\">Not shown: history, parallel, slice, contour, rank, edf: no complete trial has a finite value (it has no trials).</p>")

	for name, h := range teststudy.Odd() {
		t.Run(name, func(t *testing.T) {
			page := html(t, h, report.Options{})
			missing := 0
			for _, m := range regexp.MustCompile(`<p class="muted">Not shown: ([a-z, ]+): [^<]+\.</p>`).FindAllStringSubmatch(page, -1) {
				missing += 1 + strings.Count(m[1], ",")
			}
			assert.Equal(t, len(plot.Kinds()), strings.Count(page, "<svg ")+missing, "each plot is there, or a sentence says why not")
		})
	}

	infeasible := trial.NewHistory(trial.Header{Name: "infeasible"})
	infeasible.Put(trial.Record{State: trial.Complete, Values: []float64{1}, Constraints: []trial.Constraint{{Name: "memory", Value: 2}}})
	assert.Contains(t, html(t, infeasible.Snapshot(), report.Options{}), "No complete trial meets its constraints yet.")

	const script = `<script>alert("1")</script>`
	h := trial.NewHistory(trial.Header{Name: script})
	x := space.Categorical(script, script, "b")
	h.Put(trial.Record{Number: 0, State: trial.Complete, Params: space.Params{Space: space.Of(x), Point: []float64{0}}, Values: []float64{1}})
	for i := range 30 {
		h.Put(trial.Record{Number: 1 + i, State: trial.Failed, Err: fmt.Sprintf("%s %d%s\nstack", script, i%25, strings.Repeat("long", 500))})
	}
	page = html(t, h.Snapshot(), report.Options{})
	assert.NotContains(t, page, "<script")
	assert.NotContains(t, page, "stack")
	assert.Equal(t, 1+20, strings.Count(page, "<tr><td>"), "one trial, and the most frequent errors")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, report.HTML(ctx, new(bytes.Buffer), h.Snapshot(), report.Options{}), context.Canceled)
	full := errors.New("full")
	require.ErrorIs(t, report.HTML(t.Context(), failing{full}, h.Snapshot(), report.Options{}), full)
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }
