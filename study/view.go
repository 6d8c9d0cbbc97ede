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

// A View is a study opened for reading: it needs no sampler, and changes nothing. Close it in the end. Its methods
// are safe for concurrent use.
//
// [View.Snapshot] returns all trials as they are now, and [View.Watch] yields later changes.
type View struct {
	ledger storage.Ledger
	header trial.Header // as it was when opened

	reading sync.Mutex // guards what follows
	history *trial.History
	at      storage.Cursor // of what history has
}

// A Reader has the methods that [View] and [Study] share, for functions that accept either of them.
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

// Read opens a study for reading. It creates nothing: it fails with [storage.ErrNotExist] if the store does not have the study. A
// SQLite file is opened read-only.
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

// Close releases the storage of the View, and ends every Watch. Closing twice is harmless.
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

// TrialSeed returns the [Trial.Seed] of the trial with that number, to repeat its evaluation. If the trial repeats
// another one in a reproducible run, the View must have read it before, for example with [View.Snapshot].
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
// It fails with [ErrNoTrial] if there is none; the text says which trials there are instead. It
// fails with [ErrObjectives] for a study of several objectives, which has a [View.Front].
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

// instead describes the trials of a study without a best trial.
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

// Front returns the Pareto front, sorted by number: the trials that no other trial dominates; see
// [trial.Snapshot.Front]. It may be empty.
func (v *View) Front(ctx context.Context) ([]trial.Record, error) {
	h, err := v.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return h.Front(), nil
}

// Watch returns an iterator over the trials that change after the call, in any process, each as it is after the
// change. A trial that changes again is yielded again; several changes in quick succession may be yielded once.
//
// Watch reads the study when it is called, so the iterator misses no change after Watch returns. A program that also
// needs the trials from before calls Watch first, then [View.Snapshot], and then iterates:
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
