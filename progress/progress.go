// Package progress shows the progress of a run: in a terminal, with [Bar] or a [Display], and in structured logs,
// with [Log].
//
//	st, err := study.Open(ctx, store, "name", study.Config{
//		Sampler:  tpe.New(tpe.Config{}),
//		Observer: study.Tee(progress.Bar(os.Stderr), progress.Log(logger)),
//	})
package progress

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// Bar returns an observer that shows a run in w; see [Display].
func Bar(w io.Writer) study.Observer { return New(w) }

// A Display is a [study.Observer] that shows one run at a time: how many trials are done, the best value of the
// study, what [study.Run.StopWhen] says of what is left, how many trials of the run were pruned or failed, the time so far and the estimated remaining time or, if
// the number of trials is unknown, the rate. Interrupted trials count neither as done nor as failed: the last line
// counts them as interrupted.
//
// On a terminal that is a bar in the last line, redrawn when trials start, report and
// finish. Elsewhere it prints a line when a trial has finished, at most one a second; a
// delayed line appears when nothing has happened for a second. If none of the run's own
// trials is being evaluated, but trials of other processes are, the line says that the run
// may be waiting for them. A last line summarizes the run.
//
// Other output to the terminal while the display shows a bar would mix with the bar's line. So let a logger write to
// the display, which keeps the two apart:
//
//	d := progress.New(os.Stderr)
//	log.SetOutput(d)
//
// A Display is safe for concurrent use. Only Write reports write errors; otherwise they are ignored.
type Display struct {
	out  io.Writer
	cols func() int // of the terminal; nil if it is none
	now  func() time.Time
	// after calls f in its own goroutine after d, unless it is stopped before.
	after func(d time.Duration, f func()) (stop func() bool)

	mu          sync.Mutex
	bar         *progressbar.ProgressBar // nil if none is shown
	drawing     bytes.Buffer             // what bar wrote
	open        bool                     // a line was written and has not ended
	stale       bool                     // more is known than was shown
	shown       time.Time
	begun       time.Time
	total       int // 0 if not known
	done        int
	pruned      int
	failed      int
	interrupted int
	own         int // trials of the run that are being evaluated
	latest      trial.Snapshot
	left        string      // what the rule that may end the run says of what is left
	elsewhere   int         // trials of others not yet reported
	wake        func() bool // stops the next call of quiet; nil if there is none
	run         int         // a number of its own for each run, and for the time after it
	running     bool        // a run is in progress
}

// New returns a Display that writes to w and does not close it. It shows a bar if w is a terminal: an [os.File], or
// another type with its method Fd.
func New(w io.Writer) *Display {
	d := &Display{out: w, now: time.Now, after: func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }}
	f, ok := w.(interface{ Fd() uintptr })
	if ok && term.IsTerminal(int(f.Fd())) {
		d.cols = func() int {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width
			}
			return 80
		}
	}
	return d
}

const (
	frame = 20 * time.Millisecond // least time between two drawings of the bar
	line  = time.Second           // and between two lines; quiet is so long without an event
)

var _ study.Observer = (*Display)(nil)

// Observe implements [study.Observer]. It does not show trials that are asked for and told outside of a run.
func (d *Display) Observe(_ context.Context, e study.Event) {
	switch e := e.(type) {
	case study.Began:
		d.begin(e.Total, e.Study)
	case study.Asked:
		d.refresh(1)
	case study.Reported:
		d.refresh(0)
	case study.Told:
		d.finish(e.Trial, e.Study)
	case study.Continued:
		d.mu.Lock()
		d.left = e.Reason
		d.mu.Unlock()
	case study.Warned:
		fmt.Fprintf(d, "warning: %v\n", e.Err)
	case study.Ended:
		d.end(e.Err, e.Reason)
	}
}

// Write writes p above the bar. If p does not end its line, the bar comes back
// when another call does.
func (d *Display) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if d.bar != nil && !d.open {
		d.bar.Clear()
		d.flush()
	}
	n, err := d.out.Write(p)
	d.open = p[len(p)-1] != '\n'
	d.draw()
	return n, err
}

func (d *Display) begin(total int, h trial.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun, d.shown, d.total, d.latest = d.now(), time.Time{}, total, h
	d.done, d.pruned, d.failed, d.interrupted, d.own, d.elsewhere = 0, 0, 0, 0, 0, 0
	d.left = ""
	d.stale = false
	d.run++
	d.running = true
	d.listen()
	if d.cols == nil {
		return
	}
	d.bar = newBar(&d.drawing, total)
	d.draw()
}

func newBar(w io.Writer, total int) *progressbar.ProgressBar {
	options := []progressbar.Option{
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(10),
		progressbar.OptionShowCount(),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetSpinnerChangeInterval(0), // else it starts a goroutine
	}
	if total == 0 {
		total = -1
		options = append(options, progressbar.OptionShowTotalBytes(false),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("trials"))
	}
	return progressbar.NewOptions(total, options...)
}

func (d *Display) finish(r trial.Record, h trial.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.running {
		return
	}
	d.latest, d.stale, d.elsewhere = h, true, 0
	d.done++
	d.own--
	defer d.listen()
	switch r.State {
	case trial.Pruned:
		d.pruned++
	case trial.Failed:
		if r.Interrupted() {
			d.done--
			d.interrupted++
			return
		}
		d.failed++
	}
	d.show()
}

// refresh shows an event that changes the number of trials being evaluated.
func (d *Display) refresh(more int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.running {
		return
	}
	d.own += more
	d.elsewhere = 0
	d.show()
	d.listen()
}

// listen has quiet called if nothing happens for a while, where that has something to
// show.
func (d *Display) listen() {
	d.hush()
	if d.stale || d.others() > 0 {
		run := d.run
		d.wake = d.after(line, func() { d.quiet(run) })
	}
}

// hush takes back what listen said.
func (d *Display) hush() {
	if d.wake != nil {
		d.wake()
		d.wake = nil
	}
}

// quiet shows what is held back since the last event of a run.
func (d *Display) quiet(run int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if run != d.run {
		return
	}
	if n := d.others(); n > 0 {
		d.elsewhere, d.stale = n, true
	}
	d.show()
}

// others returns how many trials other processes evaluate while this run evaluates none.
func (d *Display) others() int {
	if d.own > 0 {
		return 0
	}
	return d.latest.Count(trial.Running)
}

// show brings the display up to date, unless it was a moment ago.
func (d *Display) show() {
	since := d.now().Sub(d.shown)
	switch {
	case d.bar != nil && since >= frame:
		d.draw()
	case d.bar == nil && d.stale && since >= line:
		d.shown, d.stale = d.now(), false
		fmt.Fprintf(d.out, "%s\n", d.summary())
	}
}

// draw draws the bar in the last line, which nobody else is writing.
func (d *Display) draw() {
	if d.bar == nil || d.open {
		return
	}
	d.shown, d.stale = d.now(), false
	if d.total > 0 && d.done > d.total { // failed trials were made up for, nobody knows how many will be
		d.bar.Clear()
		d.flush()
		d.bar, d.total = newBar(&d.drawing, 0), 0
	}
	d.bar.Describe(cut(d.status(), d.cols()-45)) // what stands before it takes less
	d.drawing.Reset()                            // only what is drawn last counts
	d.bar.Set(d.done)
	d.flush()
}

func (d *Display) flush() {
	d.out.Write(d.drawing.Bytes())
	d.drawing.Reset()
}

func (d *Display) end(err error, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hush()
	d.run++
	d.running = false
	d.elsewhere = 0
	d.left = ""
	if d.bar != nil && !d.open {
		d.bar.Clear()
		d.flush()
	}
	if d.bar != nil {
		d.bar.Exit()
		d.bar = nil
	}
	last := d.summary()
	if d.interrupted > 0 {
		last += fmt.Sprintf(", %d interrupted", d.interrupted)
	}
	if n := d.latest.Objectives(); n > 1 {
		last += fmt.Sprintf(", Pareto front of %d", len(d.latest.Front()))
	}
	if err != nil {
		last += ": ended by: " + fault.Text(err, nil)
	} else if reason != "" {
		last += ": stopped: " + reason
	}
	if d.open {
		last = "\n" + last
	}
	d.open = false
	fmt.Fprintf(d.out, "%s\n", last)
}

// summary returns what there is to say in a line: "37/100 trials in 12s, best
// 0.25 (trial 7), 3 pruned".
func (d *Display) summary() string {
	count := fmt.Sprint(d.done)
	if d.total >= d.done && d.total > 0 {
		count += fmt.Sprintf("/%d", d.total)
	}
	parts := []string{fmt.Sprintf("%s trials in %v", count, d.now().Sub(d.begun).Round(time.Second))}
	if s := d.status(); s != "" {
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

func (d *Display) status() string {
	var parts []string
	if best, ok := d.latest.Best(); ok {
		parts = append(parts, fmt.Sprintf("best %.6g (trial %d)", best.Values[0], best.Number))
	}
	if d.left != "" {
		parts = append(parts, d.left)
	}
	if d.pruned > 0 {
		parts = append(parts, fmt.Sprintf("%d pruned", d.pruned))
	}
	if d.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", d.failed))
	}
	if d.elsewhere > 0 {
		parts = append(parts, fmt.Sprintf("%d running in other processes", d.elsewhere))
	}
	return strings.Join(parts, ", ")
}

// cut returns the first columns of s, which is ASCII.
func cut(s string, columns int) string { return s[:min(len(s), max(0, columns))] }
