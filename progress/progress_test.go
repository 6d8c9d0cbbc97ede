package progress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A fake is a display whose clock ticks when told to.
type fake struct {
	*Display
	out     bytes.Buffer
	clock   time.Time
	timers  []*timer
	history *trial.History
}

type timer struct {
	at      time.Time
	call    func()
	stopped bool
}

// wait lets time pass, during which nothing happens.
func (f *fake) wait(d time.Duration) {
	end := f.clock.Add(d)
	for _, t := range f.timers {
		if !t.stopped && !t.at.After(end) {
			t.stopped = true
			f.clock = t.at
			t.call()
		}
	}
	f.clock = end
}

func newFake(columns int) *fake {
	f := &fake{clock: time.Unix(0, 0), history: trial.NewHistory(trial.Header{Name: "s"})}
	f.Display = &Display{out: &f.out, now: func() time.Time { return f.clock }, after: func(d time.Duration, call func()) func() bool {
		t := &timer{at: f.clock.Add(d), call: call}
		f.timers = append(f.timers, t)
		return func() bool {
			was := t.stopped
			t.stopped = true
			return !was
		}
	}}
	if columns > 0 {
		f.cols = func() int { return columns }
	}
	return f
}

func (f *fake) begin(total int) { f.see(study.Began{Study: f.history.Snapshot(), Total: total}) }

func (f *fake) see(e study.Event) { f.Observe(context.Background(), e) }

// finish lets a trial finish, some time after the last.
func (f *fake) finish(after time.Duration, number int, s trial.State, values ...float64) {
	f.clock = f.clock.Add(after)
	r := trial.Record{Number: number, State: s, Values: values}
	f.history.Put(r)
	f.see(study.Told{Study: f.history.Snapshot(), Trial: r})
}

// screen returns the lines that a terminal would show.
func (f *fake) screen() (lines []string) {
	for _, text := range strings.Split(f.out.String(), "\n") {
		var cells []rune
		at := 0
		for _, r := range text {
			if r == '\r' {
				at = 0
				continue
			}
			if at == len(cells) {
				cells = append(cells, ' ')
			}
			cells[at] = r
			at++
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return lines
}

func TestLines(t *testing.T) {
	f := newFake(0)
	f.begin(5)
	f.finish(2*time.Second, 0, trial.Complete, 0.5)
	f.finish(100*time.Millisecond, 1, trial.Complete, 0.25)
	f.finish(100*time.Millisecond, 2, trial.Pruned, 3)
	f.finish(time.Second, 3, trial.Failed)
	f.see(study.Asked{Trial: trial.Record{Number: 4}})
	f.finish(0, 4, trial.Complete, 1)
	f.see(study.Warned{Err: errors.New("careful")})
	f.see(study.Ended{Err: nil})
	assert.Equal(t, []string{
		"1/5 trials in 2s, best 0.5 (trial 0)",
		"4/5 trials in 3s, best 0.25 (trial 1), 1 pruned, 1 failed",
		"warning: careful",
		"5/5 trials in 3s, best 0.25 (trial 1), 1 pruned, 1 failed",
		"",
	}, f.screen())
}

// The last of a burst is not held back for longer than a second without events.
func TestQuiet(t *testing.T) {
	f := newFake(0)
	f.history.Put(trial.Record{Number: 9, State: trial.Running}) // of another process
	f.begin(5)
	for n := range 3 {
		f.see(study.Asked{Trial: trial.Record{Number: n}})
	}
	f.wait(time.Hour)
	f.finish(0, 0, trial.Complete, 0.5)
	f.finish(100*time.Millisecond, 1, trial.Complete, 0.25)
	f.wait(999 * time.Millisecond)
	require.Len(t, f.screen(), 2)
	f.wait(time.Millisecond)
	require.Len(t, f.screen(), 3)
	f.wait(time.Hour)
	f.finish(0, 2, trial.Pruned, 3)
	f.wait(2 * time.Second)
	f.see(study.Asked{Trial: trial.Record{Number: 3}})
	f.finish(0, 3, trial.Complete, 1)
	late := *f.timers[len(f.timers)-1]
	f.see(study.Ended{Err: nil})
	f.wait(time.Hour)
	late.call() // it was already waiting for the lock
	assert.Equal(t, []string{
		"1/5 trials in 1h0m0s, best 0.5 (trial 0)",
		"2/5 trials in 1h0m1s, best 0.25 (trial 1)",
		"3/5 trials in 2h0m1s, best 0.25 (trial 1), 1 pruned",
		"3/5 trials in 2h0m2s, best 0.25 (trial 1), 1 pruned, 1 running in other processes",
		"4/5 trials in 2h0m3s, best 0.25 (trial 1), 1 pruned",
		"4/5 trials in 2h0m3s, best 0.25 (trial 1), 1 pruned",
		"",
	}, f.screen())
}

// On a terminal, too.
func TestQuietBar(t *testing.T) {
	f := newFake(120)
	f.begin(4)
	f.finish(time.Millisecond, 0, trial.Complete, 1.5)
	assert.Regexp(t, `\(0/4\)`, f.screen()[0])
	f.wait(time.Second)
	assert.Regexp(t, `\(1/4\) .* best 1.5 \(trial 0\)$`, f.screen()[0])
	f.see(study.Ended{Err: nil})
	assert.Empty(t, f.screen()[1])
}

// Trials that Ctrl-C cut short did not fail.
func TestInterrupted(t *testing.T) {
	f := newFake(0)
	f.begin(5)
	f.finish(2*time.Second, 0, trial.Complete, 0.5)
	for number, notes := range []trial.Attrs{1: nil, 2: {{Key: trial.InterruptedKey, JSON: "true"}}, 3: {{Key: trial.InterruptedKey, JSON: "true"}}} {
		if number > 0 {
			f.clock = f.clock.Add(time.Second)
			f.see(study.Told{Study: f.history.Snapshot(), Trial: trial.Record{Number: number, State: trial.Failed, Notes: notes}})
		}
	}
	f.see(study.Ended{Err: errors.New("interrupt signal received")})
	assert.Equal(t, []string{
		"1/5 trials in 2s, best 0.5 (trial 0)",
		"2/5 trials in 3s, best 0.5 (trial 0), 1 failed",
		"2/5 trials in 5s, best 0.5 (trial 0), 1 failed, 2 interrupted: ended by: interrupt signal received",
		"",
	}, f.screen())
}

func TestBar(t *testing.T) {
	f := newFake(120)
	f.begin(4)
	require.Len(t, f.screen(), 1)
	assert.Regexp(t, `^   0% \|          \| \(0/4\)`, f.screen()[0])
	f.finish(time.Second, 0, trial.Complete, 1.5)
	assert.Regexp(t, `^  25% \|██        \| \(1/4\)  ?\[.*\] best 1.5 \(trial 0\)$`, f.screen()[0])
	f.finish(time.Second, 1, trial.Pruned, 9)
	assert.Regexp(t, `^  50% \|█████     \| \(2/4\)  ?\[.*\] best 1.5 \(trial 0\), 1 pruned$`, f.screen()[0])

	fmt.Fprintf(f, "a line of the objective\n")
	require.Len(t, f.screen(), 2)
	assert.Equal(t, "a line of the objective", f.screen()[0])
	assert.Regexp(t, `^  50% .*1 pruned$`, f.screen()[1], "the bar is below it")

	fmt.Fprintf(f, "in two ")
	f.finish(time.Second, 2, trial.Failed)
	fmt.Fprintf(f, "parts\n")
	require.Len(t, f.screen(), 3)
	assert.Equal(t, "in two parts", f.screen()[1])
	assert.Regexp(t, `^  75% .*1 pruned, 1 failed$`, f.screen()[2])

	f.finish(0, 3, trial.Complete, -1)
	assert.Regexp(t, `^  75% `, f.screen()[2], "too soon after the last drawing")
	f.clock = f.clock.Add(time.Second)
	f.see(study.Asked{Trial: trial.Record{Number: 4}})
	assert.Regexp(t, `^ 100% .*best -1 \(trial 3\), 1 pruned, 1 failed$`, f.screen()[2])
	f.see(study.Ended{Err: fault.Package("study").Errorf("disk full")})
	assert.Equal(t, []string{
		"a line of the objective", "in two parts",
		"4/4 trials in 4s, best -1 (trial 3), 1 pruned, 1 failed: ended by: disk full", "",
	}, f.screen())
}

func TestBarUnknownTotal(t *testing.T) {
	f := newFake(80)
	f.begin(0)
	for i := range 100 {
		f.finish(time.Second, i, trial.Complete, float64(-i))
	}
	require.Len(t, f.screen(), 1)
	assert.Regexp(t, `^\S \(100, \d+ trials/\w+\).* best -99 \(trial 99\)$`, f.screen()[0])
	fmt.Fprint(f, "unfinished")
	f.see(study.Ended{Err: nil})
	assert.Equal(t, []string{"unfinished", "100 trials in 1m40s, best -99 (trial 99)", ""}, f.screen())
}

func TestBarBeyondItsTotal(t *testing.T) {
	f := newFake(80)
	f.begin(2)
	for i := range 5 {
		f.finish(time.Second, i, trial.Failed)
		f.see(study.Asked{Trial: trial.Record{Number: i + 1}})
	}
	assert.Contains(t, f.screen()[0], "(5, ")
	f.see(study.Ended{Err: nil})
	assert.Equal(t, []string{"5 trials in 5s, 5 failed", ""}, f.screen())
}

func TestBarInANarrowTerminal(t *testing.T) {
	for _, columns := range []int{1, 50, 60, 80} {
		f := newFake(columns)
		f.begin(1000)
		for i := range 10 {
			f.finish(time.Second, i, trial.Complete, float64(-i)/3)
		}
		if columns > 45 {
			assert.LessOrEqual(t, len([]rune(f.screen()[0])), columns, "a line must not wrap")
		}
	}
}

func TestSeveralObjectivesAndRuns(t *testing.T) {
	f := newFake(0)
	f.history = trial.NewHistory(trial.Header{Directions: []trial.Direction{trial.Minimize, trial.Maximize}})
	for range 2 {
		f.begin(2)
		f.finish(2*time.Second, f.history.Snapshot().Len(), trial.Complete, 1, 2)
		f.see(study.Ended{Err: nil})
	}
	assert.Equal(t, []string{
		"1/2 trials in 2s", "1/2 trials in 2s, Pareto front of 1",
		"1/2 trials in 2s", "1/2 trials in 2s, Pareto front of 2", "",
	}, f.screen())
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	f := newFake(80)
	f.begin(100)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 25 {
				fmt.Fprintf(f, "trial %d of worker %d\n", j, i)
				f.see(study.Asked{Trial: trial.Record{}})
				f.see(study.Told{Trial: trial.Record{State: trial.Pruned}})
			}
		})
	}
	all.Wait()
	f.see(study.Ended{Err: nil})
	lines := f.screen()
	require.Len(t, lines, 102)
	for _, l := range lines[:100] {
		assert.Regexp(t, `^trial \d+ of worker \d$`, l)
	}
	assert.Equal(t, "100/100 trials in 0s, 100 pruned", lines[100])
}

func TestLog(t *testing.T) {
	var out bytes.Buffer
	o := Log(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	params := space.Params{
		Space: space.Of(space.Float("lr", 0, 1), space.Categorical("kind", "a", "b"), space.Categorical("odd", math.Inf(1))),
		Point: []float64{0.5, 1, 0},
	}
	at := time.Unix(0, 0).UTC()
	history := trial.NewHistory(trial.Header{Name: "s"})
	finish := func(r trial.Record) {
		r.Started, r.Finished, r.Params = at, at.Add(time.Second), params
		history.Put(r)
		o.Observe(t.Context(), study.Told{Study: history.Snapshot(), Trial: r})
	}
	see := func(e study.Event) { o.Observe(t.Context(), e) }
	see(study.Began{Study: history.Snapshot()})
	see(study.Asked{Trial: trial.Record{Number: 3}})
	see(study.Reported{Trial: trial.Record{Number: 3}, Report: trial.Report{Step: 1, Value: math.NaN()}})
	finish(trial.Record{Number: 3, State: trial.Complete, Values: []float64{1}})
	finish(trial.Record{Number: 4, State: trial.Complete, Values: []float64{math.Inf(1)}})
	finish(trial.Record{Number: 5, State: trial.Pruned, Err: "too slow", Reports: []trial.Report{{Step: 7}}})
	finish(trial.Record{Number: 6, State: trial.Failed, Err: "boom"})
	see(study.Retried{Trial: trial.Record{Number: 6}})
	see(study.Warned{Err: errors.New("careful")})
	see(study.Ended{})
	see(study.Ended{Err: errors.New("disk full")})
	const p = `"params":{"lr":0.5,"kind":"b","odd":"Infinity"},"duration":1000000000`
	assert.Equal(t, []string{
		`{"level":"INFO","msg":"run started","study":"s","trials":0,"finished":0}`,
		`{"level":"DEBUG","msg":"trial started","trial":3}`,
		`{"level":"DEBUG","msg":"trial reported","trial":3,"step":1,"value":"NaN"}`,
		`{"level":"INFO","msg":"trial complete","trial":3,"values":[1],` + p + `,"best":true}`,
		`{"level":"INFO","msg":"trial complete","trial":4,"values":["Infinity"],` + p + `}`,
		`{"level":"INFO","msg":"trial pruned","trial":5,"step":7,` + p + `,"reason":"too slow"}`,
		`{"level":"WARN","msg":"trial failed","trial":6,` + p + `,"error":"boom"}`,
		`{"level":"INFO","msg":"trial enqueued again","trial":6}`,
		`{"level":"WARN","msg":"run warning","error":"careful"}`,
		`{"level":"INFO","msg":"run ended"}`,
		`{"level":"ERROR","msg":"run ended","error":"disk full"}`,
		"",
	}, strings.Split(out.String(), "\n"))
	for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		assert.True(t, json.Valid([]byte(l)))
	}
}

func TestObserversTee(t *testing.T) {
	f := newFake(0)
	o := study.Tee(f, nil, Log(slog.New(slog.DiscardHandler)))
	o.Observe(t.Context(), study.Began{Total: 1})
	o.Observe(t.Context(), study.Reported{})
	o.Observe(t.Context(), study.Ended{})
	assert.Equal(t, []string{"0/1 trials in 0s", ""}, f.screen())
}

// Trials that are asked for and told by hand, outside of a run, are not shown.
func TestOutsideOfARun(t *testing.T) {
	f := newFake(0)
	f.see(study.Asked{})
	f.finish(time.Minute, 0, trial.Complete, 1)
	f.begin(1)
	f.finish(time.Second, 1, trial.Complete, 1)
	f.see(study.Ended{})
	f.see(study.Asked{})
	f.finish(time.Minute, 2, trial.Complete, 1)
	f.wait(time.Hour)
	assert.Equal(t, []string{"1/1 trials in 1s, best 1 (trial 0)", "1/1 trials in 1s, best 1 (trial 0)", ""}, f.screen())
}

// A rule that ended a run is named.
func TestReason(t *testing.T) {
	var b strings.Builder
	d := New(&b)
	d.Observe(t.Context(), study.Began{})
	d.Observe(t.Context(), study.Ended{Reason: "the last 30 trials gained nothing"})
	assert.Equal(t, "0 trials in 0s: stopped: the last 30 trials gained nothing\n", b.String())

	// What the rule says is left is shown until the run ends.
	b.Reset()
	d.Observe(t.Context(), study.Began{Total: 2})
	d.Observe(t.Context(), study.Continued{Reason: "at most 3% left to gain"})
	d.Observe(t.Context(), study.Asked{})
	d.Observe(t.Context(), study.Told{Trial: trial.Record{State: trial.Pruned}})
	d.Observe(t.Context(), study.Ended{})
	assert.Equal(t, "1/2 trials in 0s, at most 3% left to gain, 1 pruned\n1/2 trials in 0s, 1 pruned\n", b.String())
}
