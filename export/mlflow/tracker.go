package mlflow

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var now = time.Now

// A Tracker is an observer that logs what its process does to a study as it happens. It
// never waits for the server and fails no trial. It keeps what cannot be sent, in at most as
// much memory as the study itself, and sends it when the server is available again. It
// serves one study. Create it with [NewTracker].
type Tracker struct {
	cfg     Config
	wake    chan struct{} // has room for one
	closing chan struct{} // closed by the first Close
	done    chan struct{} // closed when the sender has ended
	stop    context.CancelFunc

	mu     sync.Mutex
	closed bool
	heard  bool // reports whether it has observed a study
	study  trial.Snapshot
	news   map[int]trial.Record // trials to send
	lost   int                  // number of trials that the server refused
	gone   error                // error of the last attempt, or nil
}

// NewTracker returns a tracker. It does not contact the server before the first event. The
// caller must close it.
func NewTracker(cfg Config) *Tracker {
	ctx, stop := context.WithCancel(context.Background())
	t := &Tracker{
		cfg: cfg, stop: stop, news: map[int]trial.Record{},
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	go t.send(ctx)
	return t
}

// Observe implements [study.Observer]. It returns at once. After [Tracker.Close] it does
// nothing.
func (t *Tracker) Observe(_ context.Context, e study.Event) {
	switch e := e.(type) {
	case study.Began:
		t.note(e.Study)
	case study.Asked:
		t.note(e.Study, e.Trial)
	case study.Reported:
		t.note(e.Study, e.Trial)
	case study.Told:
		t.note(e.Study, e.Trial)
	case study.Ended:
		t.note(e.Study)
	}
}

func (t *Tracker) note(h trial.Snapshot, rs ...trial.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.heard, t.study = true, h
	for _, r := range rs {
		t.news[r.Number] = r
	}
	t.nudge()
}

func (t *Tracker) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Close tries once more to send the rest, until ctx is done, and stops the tracker. The
// error says how many trials could not be sent, and why; [Mirror.Push] can send them later.
// Further calls do nothing.
func (t *Tracker) Close(ctx context.Context) error {
	t.mu.Lock()
	if !t.closed {
		t.closed = true
		close(t.closing)
	}
	t.mu.Unlock()
	defer t.stop()
	select {
	case <-t.done:
	case <-ctx.Done():
		t.stop()
		<-t.done
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.news) + t.lost; n > 0 || t.gone != nil {
		why := t.gone
		if why == nil {
			why = ErrServer
		}
		return pkg.Errorf("%d trials were not sent: %w: %w", n, why, pushLater)
	}
	return nil
}

// Hints that name a setting.
var (
	pushLater = fault.Hint{Field: "mlflow.NewMirror", Want: "push the study with %s when the server is back"}
	setClient = fault.Hint{Field: "mlflow.Config.Client", Want: "set %s"}
)

const (
	pause    = 500 * time.Millisecond // between two batches
	patience = 30 * time.Second       // maximum between two attempts
)

// send sends news until the tracker is closed.
func (t *Tracker) send(ctx context.Context) {
	defer close(t.done)
	var m *Mirror
	wait := pause
	for last := false; !last; {
		select {
		case <-t.wake:
		case <-t.closing:
			last = true
		}
		if t.attempt(ctx, &m) {
			wait = pause
		} else {
			wait = min(2*wait, patience)
			t.nudge()
		}
		rest := time.NewTimer(wait)
		select {
		case <-rest.C:
		case <-t.closing:
			rest.Stop()
		}
	}
}

// attempt sends all news. It reports whether the server was available.
func (t *Tracker) attempt(ctx context.Context, m **Mirror) bool {
	t.mu.Lock()
	heard, h, news := t.heard, t.study, t.news
	t.news = map[int]trial.Record{}
	t.mu.Unlock()
	if !heard {
		return true
	}
	rs := slices.SortedFunc(maps.Values(news), func(a, b trial.Record) int { return a.Number - b.Number })
	var done result
	if *m == nil {
		*m, done.gone = NewMirror(ctx, t.cfg, h.Header())
	}
	if done.gone != nil {
		done.left = rs
	} else {
		done = (*m).push(ctx, h, rs)
	}

	t.mu.Lock()
	for _, r := range done.left {
		if _, newer := t.news[r.Number]; !newer {
			t.news[r.Number] = r
		}
	}
	fresh := done.gone != nil && t.gone == nil
	t.gone, t.lost = done.gone, t.lost+len(done.refused)
	t.mu.Unlock()
	if t.cfg.Warn != nil {
		for _, err := range done.refused {
			t.cfg.Warn(pkg.Errorf("%w", err))
		}
		if fresh {
			t.cfg.Warn(pkg.Errorf("%w: trials are kept, and sent when the server is back", done.gone))
		}
	}
	return done.gone == nil
}
