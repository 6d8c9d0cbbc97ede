package study

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// A View is a study opened to be read: it needs no sampler, and changes nothing.
// Close it in the end. Its methods are safe for concurrent use.
//
// What a program knows of a study it asks a [trial.Snapshot]. [View.Watch] yields
// what changes after that.
type View struct {
	ledger storage.Ledger
	header trial.Header // as it was when opened

	reading sync.Mutex // guards what follows
	history *trial.History
	at      storage.Cursor // of what history has
}

// A Reader is what a [View] can do and a [Study] too, for functions that take
// either of them.
type Reader interface {
	Name() string
	Header() trial.Header
	TrialSeed(number int) uint64
	Attrs(ctx context.Context) (trial.Attrs, error)
	Snapshot(ctx context.Context) (trial.Snapshot, error)
	Best(ctx context.Context) (trial.Record, error)
	Front(ctx context.Context) ([]trial.Record, error)
	Watch(ctx context.Context) iter.Seq2[trial.Record, error]
}

var (
	_ Reader = (*View)(nil)
	_ Reader = (*Study)(nil)
)

// Read opens a study to be read. It creates nothing: it fails with
// [storage.ErrNotExist] if the store does not hold the study. A SQLite file is
// opened read-only.
func Read(ctx context.Context, store storage.Store, name string) (*View, error) {
	if store == nil {
		return nil, pkg.Errorf("read %q: %w", name, errNoStore)
	}
	ledger, err := storage.Read(ctx, store, name)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	header, err := ledger.Header(ctx)
	if err != nil {
		return nil, errors.Join(pkg.Errorf("read %q: %w", name, err), ledger.Close())
	}
	return newView(ledger, header), nil
}

func newView(ledger storage.Ledger, header trial.Header) *View {
	return &View{ledger: ledger, header: header, history: trial.NewHistory(header)}
}

// Close gives back what the View holds of the storage, and ends every Watch.
// Closing twice is harmless.
func (v *View) Close() error {
	if err := v.ledger.Close(); err != nil {
		return pkg.Errorf("close: %w", err)
	}
	return nil
}

// Name returns the name the study was opened by.
func (v *View) Name() string { return v.header.Name }

// Header returns what was fixed about the study when it was created, and the
// attributes it had when it was opened. [View.Attrs] returns those it has now.
func (v *View) Header() trial.Header { return v.header }

// Directions returns the directions of the objectives, at least one. Read only.
func (v *View) Directions() []trial.Direction {
	if len(v.header.Directions) == 0 {
		return []trial.Direction{trial.Minimize}
	}
	return v.header.Directions
}

// Metrics returns the names of the objectives, or nil if they have none.
func (v *View) Metrics() []string { return v.header.Metrics() }

// Seed returns the seed of the study.
func (v *View) Seed() uint64 { return v.header.Seed }

// TrialSeed returns the [Trial.Seed] of the trial of that number, to do once more
// what it did. If the trial repeats another in a reproducible run, the View must have
// read it before, as by [View.Snapshot].
func (v *View) TrialSeed(number int) uint64 {
	place := number
	if r, ok := find(v.known(), number); ok {
		place = r.Place()
	}
	return objectiveSeed(v.header.Seed, place)
}

// Attrs returns the attributes of the study as they are now in the storage.
func (v *View) Attrs(ctx context.Context) (trial.Attrs, error) {
	header, err := v.ledger.Header(ctx)
	if err != nil {
		return nil, pkg.Errorf("attributes: %w", err)
	}
	return header.Attrs, nil
}

// Notes returns the notes of the study as they are now in the storage, those of other
// programs included.
func (v *View) Notes(ctx context.Context) (trial.Attrs, error) {
	header, err := v.ledger.Header(ctx)
	if err != nil {
		return nil, pkg.Errorf("notes: %w", err)
	}
	return header.Notes, nil
}

// Snapshot returns all trials as they are now, those of other processes too.
func (v *View) Snapshot(ctx context.Context) (trial.Snapshot, error) {
	v.reading.Lock()
	defer v.reading.Unlock()
	err := patiently(ctx, func() error {
		for u, err := range v.ledger.Since(ctx, v.at) {
			if err != nil {
				return err
			}
			v.history.Put(u.Trial)
			v.at = u.Cursor
		}
		return nil
	})
	if err != nil {
		return trial.Snapshot{}, pkg.Errorf("read: %w", err)
	}
	return v.history.Snapshot(), nil
}

// Best returns the best trial of a study of one objective: complete, with its
// constraints met, the lowest number among equals. Read its parameters with
// [space.Param.Value], or bind them into a struct with package bind.
//
// It fails with [ErrNoTrial] when there is none, and says what there is instead.
// It fails with [ErrObjectives] for a study of several objectives, which has a
// [View.Front].
func (v *View) Best(ctx context.Context) (trial.Record, error) {
	if n := v.header.Objectives(); n > 1 {
		return trial.Record{}, pkg.Errorf("best: %w: there are %d; ask for the front", ErrObjectives, n)
	}
	h, err := v.Snapshot(ctx)
	if err != nil {
		return trial.Record{}, err
	}
	best, ok := h.Best()
	if !ok {
		return trial.Record{}, pkg.Errorf("best: %w: %s", ErrNoTrial, instead(h))
	}
	return best, nil
}

// instead says what a study has that has no best trial.
func instead(h trial.Snapshot) string {
	text := fmt.Sprintf("%d complete but infeasible, %d pruned, %d failed, %d running, %d waiting",
		h.Count(trial.Complete), h.Count(trial.Pruned), h.Count(trial.Failed), h.Count(trial.Running), h.Count(trial.Waiting))
	for i := h.Len() - 1; i >= 0; i-- {
		if r := h.At(i); r.State == trial.Failed && r.Err != "" {
			return text + "; the last to fail: " + firstLine(r.Err)
		}
	}
	return text
}

// Front returns the Pareto front: the trials that no other beats in all
// objectives, by number; see [trial.Snapshot.Front]. It may be empty.
func (v *View) Front(ctx context.Context) ([]trial.Record, error) {
	h, err := v.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return h.Front(), nil
}

// Watch returns an iterator over the trials that change after the call, in
// whatever process, each as it is then. A trial that changes again comes again; one
// that changes several times in a moment may come once.
//
// Watch itself looks at the study, so that nothing is missed that happens after it
// returns. A program that also needs what was there before calls Watch first, then
// [View.Snapshot], and then iterates:
//
//	changes := v.Watch(ctx)
//	h, err := v.Snapshot(ctx)
//	...
//	for r, err := range changes {
//
// The iteration ends when ctx is done, without an error. It ends with an error when
// the View is closed ([storage.ErrClosed]), when the study is deleted
// ([storage.ErrNotExist]), and when the storage fails.
func (v *View) Watch(ctx context.Context) iter.Seq2[trial.Record, error] {
	start, failed := v.now(ctx)
	return func(yield func(trial.Record, error) bool) {
		at, err := start, failed
		for err == nil {
			if err = storage.Wait(ctx, v.ledger, at); err != nil {
				break
			}
			for u, fault := range v.ledger.Since(ctx, at) {
				if err = fault; err != nil {
					break
				}
				at = u.Cursor
				if !yield(u.Trial, nil) {
					return
				}
			}
		}
		if ctx.Err() == nil {
			yield(trial.Record{}, pkg.Errorf("watch: %w", err))
		}
	}
}

// now returns the cursor after all that has happened so far.
func (v *View) now(ctx context.Context) (storage.Cursor, error) {
	_, err := v.Snapshot(ctx)
	return v.cursor(), err
}

// known returns the study as far as this View has read it.
func (v *View) known() trial.Snapshot {
	v.reading.Lock()
	defer v.reading.Unlock()
	return v.history.Snapshot()
}

// cursor returns the cursor after all that this View has read.
func (v *View) cursor() storage.Cursor {
	v.reading.Lock()
	defer v.reading.Unlock()
	return v.at
}
