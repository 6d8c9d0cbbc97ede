package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// ledgers returns n ledgers of a new study, of as many handles as there can be.
func (s suite) ledgers(t *testing.T, n int) []storage.Ledger {
	t.Helper()
	st := s.Open(t)
	out := []storage.Ledger{create(t, st, trial.Header{Name: "study"})}
	for i := 1; i < n; i++ {
		handle := st
		if i%2 == 1 && s.Address != nil {
			handle = s.again(t, st)
		}
		out = append(out, open(t, handle, "study"))
	}
	return out
}

// together calls f at once for each of n workers, and returns what failed.
func together(n int, f func(worker int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s suite) startOnce(t *testing.T) {
	const workers, each, waiting = 6, 12, 20
	ls := s.ledgers(t, workers)
	var queue []trial.Record
	for i := range waiting {
		queue = append(queue, trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: space.Lit(i)}}})
	}
	_, err := ls[0].Add(t.Context(), queue...)
	require.NoError(t, err)
	var mu sync.Mutex
	claims := map[int]int{}
	fixed := map[space.Literal]int{}
	require.NoError(t, together(workers, func(w int) error {
		for range each {
			r, err := ls[w].Start(t.Context(), at(w), "")
			if err != nil {
				return err
			}
			mu.Lock()
			claims[r.Number]++
			for _, f := range r.Fixed {
				fixed[f.Value]++
			}
			mu.Unlock()
			if err := ls[w].Write(t.Context(), r.Number, trial.Reported{Step: w, Value: 1}, complete(float64(w))); err != nil {
				return err
			}
		}
		return nil
	}))
	assert.Len(t, claims, workers*each)
	assert.Len(t, fixed, waiting, "each waiting trial is started")
	for n := range workers * each {
		assert.Equal(t, 1, claims[n], "trial %d", n)
	}
	for _, l := range ls {
		rs := all(t, l)
		require.Len(t, rs, workers*each)
		for _, r := range rs {
			assert.Equal(t, trial.Complete, r.State)
			assert.Len(t, r.Reports, 1)
		}
	}
}

func (s suite) sinceMissesNothing(t *testing.T) {
	const writers, each = 4, 15
	ls := s.ledgers(t, writers+2)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, together(writers+2, func(w int) error {
		if w < writers {
			for range each {
				r, err := ls[w].Start(ctx, at(w), "")
				if err == nil {
					err = ls[w].Write(ctx, r.Number, trial.Reported{Step: 0, Value: 1})
				}
				if err == nil {
					err = ls[w].Write(ctx, r.Number, trial.Reported{Step: 1, Value: 2}, complete(0))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
		// A reader that always resumes from the last cursor it saw learns how every
		// trial ended, in whatever order the writers commit.
		ended := map[int]bool{}
		var at storage.Cursor
		for len(ended) < writers*each {
			for u, err := range ls[w].Since(ctx, at) {
				if err != nil {
					return fmt.Errorf("reader with %d of %d: %w", len(ended), writers*each, err)
				}
				at = u.Cursor
				if r := u.Trial; r.State.Done() {
					if len(r.Reports) != 2 || len(r.Values) != 1 {
						return fmt.Errorf("half of a trial: %+v", r)
					}
					ended[r.Number] = true
				}
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	}))
}

// handles is what one handle sees of another.
func (s suite) handles(t *testing.T) {
	st := s.Open(t)
	st2 := s.again(t, st)
	l := create(t, st, trial.Header{Name: "a"})
	_, err := st2.Create(t.Context(), trial.Header{Name: "a"})
	require.ErrorIs(t, err, storage.ErrExist)
	l2 := open(t, st2, "a")
	_, err = l.Add(t.Context(), samples(t)...)
	require.NoError(t, err)
	Equal(t, canonical(t, samples(t)...), all(t, l2))

	// Each change, and only what changed.
	var at storage.Cursor
	for u := range l2.Since(t.Context(), 0) {
		at = u.Cursor
	}
	r := start(t, l)
	for _, c := range story() {
		write(t, l, r.Number, c)
		r, err = r.Apply(c)
		require.NoError(t, err)
		var got []trial.Record
		for u, err := range l2.Since(t.Context(), at) {
			require.NoError(t, err)
			at = u.Cursor
			if u.Trial.Number == r.Number {
				got = append(got, u.Trial)
			}
		}
		want, err := storage.Canonical(r)
		require.NoError(t, err)
		if _, nothing := c.(trial.Suggested); nothing && len(got) == 0 {
			continue // an empty suggestion is no change
		}
		Equal(t, []trial.Record{want}, got)
	}
	require.ErrorIs(t, l2.Write(t.Context(), r.Number, complete(1)), trial.ErrFinished)

	require.NoError(t, l2.Annotate(t.Context(), trial.Attrs{{Key: "k", JSON: "1"}}, nil))
	assert.Equal(t, trial.Attrs{{Key: "k", JSON: "1"}}, header(t, l).Attrs)
	require.NoError(t, st2.Rename(t.Context(), "a", "b"))
	assert.Equal(t, "b", header(t, l).Name)

	// Gone, and another study in its place: first of one that is the last in the
	// store and has no trials, which is as much like the next as can be.
	empty := create(t, st, trial.Header{Name: "empty"})
	for _, old := range []struct {
		name string
		l    storage.Ledger
	}{{"empty", empty}, {"b", l}} {
		require.NoError(t, st2.Delete(t.Context(), old.name))
		create(t, st2, trial.Header{Name: old.name})
		for method, err := range uses(t.Context(), old.l) {
			assert.ErrorIs(t, err, storage.ErrNotExist, "%s of %s", method, old.name)
		}
	}
}

func leaser(t *testing.T, l storage.Ledger) storage.Leaser {
	t.Helper()
	out, ok := l.(storage.Leaser)
	if !ok {
		t.Skip("the ledger is no Leaser")
	}
	return out
}

func (s suite) leases(t *testing.T) {
	const never = time.Hour
	l := leaser(t, s.ledger(t))
	_, err := l.Add(t.Context(), trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: "1"}}})
	require.NoError(t, err)
	waiting, fresh, free := start(t, l), start(t, l), start(t, l)
	write(t, l, waiting.Number, trial.Proposed{{Name: "x", Value: "1"}}, trial.Reported{Step: 0, Value: 1})
	require.NoError(t, l.Release(t.Context(), free.Number))
	write(t, l, start(t, l).Number, complete(1))

	reaped, err := l.Reap(t.Context(), nil, never, at(3), nil)
	require.NoError(t, err)
	assert.Empty(t, reaped)
	require.NoError(t, l.Renew(t.Context()))
	require.NoError(t, l.Renew(t.Context(), waiting.Number, 3), "a finished trial is passed over")
	require.ErrorIs(t, l.Renew(t.Context(), 99), storage.ErrNoTrial)

	// Nothing tells a reader of leases.
	before := all(t, l)
	require.NoError(t, l.Renew(t.Context(), waiting.Number))
	Equal(t, before, all(t, l))

	// One worker goes on, the other does not.
	const grace = 300 * time.Millisecond
	deadline := time.Now().Add(time.Minute)
	for len(reaped) == 0 && time.Now().Before(deadline) {
		renewed := time.Now()
		require.NoError(t, l.Renew(t.Context(), fresh.Number))
		reaped, err = l.Reap(t.Context(), nil, grace, at(3), func(failed trial.Record) (trial.Record, bool) {
			return trial.Record{State: trial.Waiting, Fixed: failed.Fixed, Notes: trial.Attrs{{Key: "failed_trial", JSON: fmt.Sprint(failed.Number)}}}, true
		})
		require.NoError(t, err)
		if time.Since(renewed) >= grace { // this process stood still, and the lease may have ended: that says nothing
			s.leases(t)
			return
		}
	}
	require.Len(t, reaped, 1)
	assert.Equal(t, waiting.Number, reaped[0].Number)
	assert.NotEmpty(t, reaped[0].Err)
	want, err := before[0].Apply(trial.Finished{State: trial.Failed, Err: reaped[0].Err, At: at(3)})
	require.NoError(t, err)
	Equal(t, canonical(t, want), reaped)
	rs := all(t, l)
	Equal(t, reaped, rs[:1])
	require.Len(t, rs, 5)
	Equal(t, []trial.Record{{
		Number: 4, Fixed: waiting.Fixed, Notes: trial.Attrs{{Key: "failed_trial", JSON: "0"}},
	}}, rs[4:])
	assert.Equal(t, trial.Running, rs[fresh.Number].State)
	require.ErrorIs(t, l.Write(t.Context(), waiting.Number, complete(1)), trial.ErrFinished)
	assert.Equal(t, 4, start(t, l).Number, "the retry waits")

	// A retry that cannot be added leaves all as it was.
	time.Sleep(10 * time.Millisecond)
	before = all(t, l)
	_, err = l.Reap(t.Context(), nil, 0, at(4), func(trial.Record) (trial.Record, bool) { return trial.Record{State: trial.Running}, true })
	require.ErrorIs(t, err, trial.ErrValues)
	Equal(t, before, all(t, l))
	// So does one that panics.
	require.PanicsWithValue(t, "retry", func() {
		_, _ = l.Reap(t.Context(), nil, 0, at(4), func(trial.Record) (trial.Record, bool) { panic("retry") })
	})
	Equal(t, before, all(t, l))
	reaped, err = l.Reap(t.Context(), nil, 0, at(4), func(trial.Record) (trial.Record, bool) { return trial.Record{}, false })
	require.NoError(t, err)
	assert.Len(t, reaped, 2)
	assert.Equal(t, trial.Running, all(t, l)[free.Number].State, "a lease that was released never ends")
}

func (s suite) reapOnce(t *testing.T) {
	const workers, dead = 6, 10
	ls := s.ledgers(t, workers)
	leaser(t, ls[0])
	for range dead {
		start(t, ls[0])
	}
	time.Sleep(10 * time.Millisecond)
	var mu sync.Mutex
	seen := map[int]int{}
	require.NoError(t, together(workers, func(w int) error {
		rs, err := ls[w].(storage.Leaser).Reap(t.Context(), nil, time.Millisecond, at(1), func(trial.Record) (trial.Record, bool) {
			return trial.Record{State: trial.Waiting}, true
		})
		mu.Lock()
		defer mu.Unlock()
		for _, r := range rs {
			seen[r.Number]++
		}
		return err
	}))
	assert.Len(t, seen, dead)
	for n, times := range seen {
		assert.Equal(t, 1, times, "trial %d", n)
	}
	assert.Len(t, all(t, ls[1]), 2*dead)
}
