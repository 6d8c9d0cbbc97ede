package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// keys is one trial for each key, whoever asks.
func (s suite) keys(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	ask := func(l storage.Ledger, key string) trial.Record {
		t.Helper()
		r, err := l.Start(t.Context(), at(2), key)
		require.NoError(t, err)
		return r
	}
	_, err := l.Add(t.Context(), trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: "1"}}})
	require.NoError(t, err)

	first := ask(l, "job 1")
	assert.Equal(t, 0, first.Number, "the one that waits")
	assert.Equal(t, "job 1", first.Key())
	assert.Equal(t, trial.Running, first.State)
	for _, l := range s.both(t, st, "a", l) {
		Equal(t, []trial.Record{first}, []trial.Record{ask(l, "job 1")})
	}
	write(t, l, 0, trial.Reported{Step: 1, Value: 2}, complete(3))
	_, err = l.Add(t.Context(), trial.Record{State: trial.Waiting})
	require.NoError(t, err)
	for _, l := range s.both(t, st, "a", l) {
		again := ask(l, "job 1")
		assert.Equal(t, trial.Complete, again.State, "as it is now")
		assert.Equal(t, []float64{3}, again.Values)
	}
	assert.Len(t, all(t, l), 2, "a trial that is asked for again takes no other")

	assert.Equal(t, 1, ask(l, hostile[len(hostile)-1]).Number)
	for i, key := range hostile[:4] {
		for range 2 {
			assert.Equal(t, 2+i, ask(l, key).Number, key)
		}
	}
	assert.Equal(t, 6, ask(l, "").Number)
	assert.Equal(t, 7, ask(l, "").Number, "no key is no key")
	before := all(t, l)
	_, err = l.Start(t.Context(), at(2), "\xff")
	require.ErrorIs(t, err, space.ErrInvalid)
	Equal(t, before, all(t, l))

	// Many ask at once.
	const workers = 6
	ls := s.ledgers(t, workers)
	numbers := make([]int, workers)
	require.NoError(t, together(workers, func(w int) error {
		r, err := ls[w].Start(t.Context(), at(w), "one")
		numbers[w] = r.Number
		return err
	}))
	assert.Equal(t, make([]int, workers), numbers)
	assert.Len(t, all(t, ls[1]), 1)
}

// end returns the cursor after all that has happened.
func end(t *testing.T, l storage.Ledger) (at storage.Cursor) {
	t.Helper()
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		at = u.Cursor
	}
	return at
}

// waiting waits for a change in l after all that has happened, and returns what
// Wait does. It has begun to wait, or is about to.
func waiting(t *testing.T, ctx context.Context, l storage.Ledger) <-chan error {
	t.Helper()
	done, after := make(chan error, 1), end(t, l)
	go func() {
		for {
			err := storage.Wait(ctx, l, after)
			if err != nil || seen(ctx, l, after) {
				done <- err
				return
			}
		}
	}()
	return done
}

// seen reports whether there is a change after a cursor: Wait may be too early.
func seen(ctx context.Context, l storage.Ledger, after storage.Cursor) bool {
	for _, err := range l.Since(ctx, after) {
		return err == nil
	}
	return false
}

func (s suite) wait(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	r := start(t, l)
	require.NoError(t, storage.Wait(t.Context(), l, 0), "at once")
	for i, reader := range s.both(t, st, "a", l) {
		for _, change := range []func(){
			func() { write(t, l, r.Number, trial.Reported{Step: i, Value: 1}) },
			func() { start(t, l) },
			func() {
				_, err := l.Add(t.Context(), trial.Record{State: trial.Waiting})
				require.NoError(t, err)
			},
		} {
			done := waiting(t, t.Context(), reader)
			change()
			require.NoError(t, <-done)
		}
	}

	// Nothing happens.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, <-waiting(t, ctx, l), context.DeadlineExceeded)

	// The ledger is closed, or its study deleted, meanwhile.
	other := open(t, st, "a")
	done := waiting(t, t.Context(), other)
	require.NoError(t, other.Close())
	require.ErrorIs(t, <-done, storage.ErrClosed)
	var ends []<-chan error
	for _, l := range s.both(t, st, "a", l) {
		ends = append(ends, waiting(t, t.Context(), l))
	}
	require.NoError(t, st.Delete(t.Context(), "a"))
	for _, done := range ends {
		require.ErrorIs(t, <-done, storage.ErrNotExist)
	}
}

// read is a ledger that sees all and changes nothing.
func (s suite) read(t *testing.T) {
	st := s.Open(t)
	_, err := storage.Read(t.Context(), st, "a")
	require.ErrorIs(t, err, storage.ErrNotExist)
	assert.Empty(t, names(t, st))
	l := create(t, st, trial.Header{Name: "a", Seed: 7, Attrs: attrs(t)})
	_, err = storage.Read(t.Context(), st, "b")
	require.ErrorIs(t, err, storage.ErrNotExist)
	_, err = l.Add(t.Context(), samples(t)...)
	require.NoError(t, err)
	r := start(t, l)

	reader, err := storage.Read(t.Context(), st, "a")
	require.NoError(t, err)
	assert.Equal(t, header(t, l), header(t, reader))
	Equal(t, all(t, l), all(t, reader))
	before := all(t, l)
	for method, err := range uses(t.Context(), reader) {
		switch method {
		case "Header", "Since", "Wait":
			require.NoError(t, err, method)
		default:
			require.ErrorIs(t, err, storage.ErrReadOnly, method)
		}
	}
	Equal(t, before, all(t, l))

	done := waiting(t, t.Context(), reader)
	write(t, l, r.Number, complete(1))
	require.NoError(t, <-done)
	Equal(t, all(t, l), all(t, reader))
	require.NoError(t, l.Annotate(t.Context(), trial.Attrs{{Key: "new", JSON: "1"}}, nil))
	assert.Equal(t, header(t, l), header(t, reader))

	require.NoError(t, reader.Close())
	require.NoError(t, reader.Close())
	_, err = records(t.Context(), reader)
	require.ErrorIs(t, err, storage.ErrClosed)
	write(t, l, start(t, l).Number, complete(1))
}

func (s suite) reapSparesTheHeld(t *testing.T) {
	ls := s.ledgers(t, 2)
	l, other := leaser(t, ls[0]), leaser(t, ls[1])
	mine, dead := start(t, l), start(t, l)
	const grace = 200 * time.Millisecond
	for {
		time.Sleep(2 * grace) // in which this process might have been suspended
		renewed := time.Now()
		reaped, err := l.Reap(t.Context(), []int{mine.Number}, grace, at(1), nil)
		require.NoError(t, err)
		require.Len(t, reaped, 1, "held trials are renewed before any are reaped")
		assert.Equal(t, dead.Number, reaped[0].Number)
		reaped, err = other.Reap(t.Context(), nil, grace, at(1), nil)
		require.NoError(t, err)
		if len(reaped) == 0 {
			break
		}
		require.Greater(t, time.Since(renewed), grace, "what is held is renewed")
		mine, dead = start(t, l), start(t, l) // this process stood still: that says nothing
	}
	assert.Equal(t, trial.Running, all(t, l)[mine.Number].State)
	_, err := l.Reap(t.Context(), []int{99}, grace, at(1), nil)
	require.ErrorIs(t, err, storage.ErrNoTrial)
}
