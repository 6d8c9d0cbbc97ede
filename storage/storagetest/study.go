package storagetest

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

func header(t *testing.T, l storage.Ledger) trial.Header {
	t.Helper()
	h, err := l.Header(t.Context())
	require.NoError(t, err)
	return h
}

func names(t *testing.T, st storage.Store) []string {
	t.Helper()
	out := []string{}
	for h, err := range st.Studies(t.Context()) {
		require.NoError(t, err)
		out = append(out, h.Name)
	}
	return out
}

func (s suite) create(t *testing.T) {
	st := s.Open(t)
	want := trial.Header{
		Name:       "a",
		Directions: []trial.Direction{trial.Maximize, trial.Minimize},
		Seed:       math.MaxUint64,
		Attrs:      attrs(t),
		Notes:      trial.Attrs{{Key: "study:metric_names", JSON: `["loss", "acc"]`}},
	}
	l := create(t, st, want)
	assert.Equal(t, want, header(t, l))
	assert.Equal(t, want, header(t, open(t, st, "a")))

	_, err := st.Create(t.Context(), trial.Header{Name: "a"})
	require.ErrorIs(t, err, storage.ErrExist)
	assert.Equal(t, want, header(t, l), "the second Create changes nothing")

	l = create(t, st, trial.Header{Name: "default"})
	assert.Equal(t, trial.Header{Name: "default", Directions: []trial.Direction{trial.Minimize}}, header(t, l),
		"no direction means one, Minimize")
}

func (s suite) notExist(t *testing.T) {
	st := s.Open(t)
	for i := range 2 { // in an empty store, and in one that has another study
		_, err := st.Open(t.Context(), "none")
		require.ErrorIs(t, err, storage.ErrNotExist)
		require.ErrorIs(t, st.Delete(t.Context(), "none"), storage.ErrNotExist)
		require.ErrorIs(t, st.Rename(t.Context(), "none", "other"), storage.ErrNotExist)
		create(t, st, trial.Header{Name: fmt.Sprint("study ", i)})
	}
}

func (s suite) studies(t *testing.T) {
	st := s.Open(t)
	assert.Empty(t, names(t, st))
	for _, name := range []string{"b", "a", "B", "é", "10", "9"} {
		create(t, st, trial.Header{Name: name, Seed: 7, Directions: []trial.Direction{trial.Maximize}})
	}
	assert.Equal(t, []string{"10", "9", "B", "a", "b", "é"}, names(t, st))
	for h, err := range st.Studies(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, trial.Header{Name: "10", Seed: 7, Directions: []trial.Direction{trial.Maximize}}, h)
		break // an iterator can be left
	}
	// and used for something while it runs
	for h, err := range st.Studies(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, st.Delete(t.Context(), h.Name))
	}
	assert.Empty(t, names(t, st))
}

func (s suite) rename(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "old"})
	create(t, st, trial.Header{Name: "taken"})
	r := start(t, l)

	require.ErrorIs(t, st.Rename(t.Context(), "old", "taken"), storage.ErrExist)
	assert.Equal(t, "old", header(t, l).Name)
	require.NoError(t, st.Rename(t.Context(), "old", "old"), "a name may be kept")
	require.NoError(t, st.Rename(t.Context(), "old", "new"))
	assert.Equal(t, "new", header(t, l).Name, "open ledgers stay with the study")
	write(t, l, r.Number, complete(1))
	assert.Len(t, all(t, open(t, st, "new")), 1)
	_, err := st.Open(t.Context(), "old")
	require.ErrorIs(t, err, storage.ErrNotExist)
	assert.Equal(t, []string{"new", "taken"}, names(t, st))
	create(t, st, trial.Header{Name: "old"})
}

func (s suite) delete(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	kept := create(t, st, trial.Header{Name: "kept"})
	_, err := l.Add(t.Context(), samples(t)...)
	require.NoError(t, err)
	_, err = kept.Add(t.Context(), samples(t)...)
	require.NoError(t, err)

	require.NoError(t, st.Delete(t.Context(), "a"))
	fails := func(t *testing.T) {
		for name, err := range uses(t.Context(), l) {
			assert.ErrorIs(t, err, storage.ErrNotExist, name)
		}
	}
	fails(t)
	assert.Equal(t, []string{"kept"}, names(t, st))
	// The next study of that name is another one, to those that had the first open.
	next := create(t, st, trial.Header{Name: "a"})
	fails(t)
	assert.Empty(t, all(t, next))
	assert.Equal(t, 0, start(t, next).Number)
	Equal(t, canonical(t, samples(t)...), all(t, kept))
}

// uses calls each method of a ledger and returns what it failed with.
func uses(ctx context.Context, l storage.Ledger) map[string]error {
	errs := map[string]error{}
	_, errs["Header"] = l.Header(ctx)
	errs["Annotate"] = l.Annotate(ctx, trial.Attrs{{Key: "k", JSON: "1"}}, nil)
	_, errs["Add"] = l.Add(ctx, trial.Record{State: trial.Waiting})
	_, errs["Start"] = l.Start(ctx, at(0), "")
	errs["Write"] = l.Write(ctx, 0, trial.Annotated{Key: "k", JSON: "1"})
	_, errs["Since"] = records(ctx, l)
	errs["Wait"] = storage.Wait(ctx, l, 0)
	if l, ok := l.(storage.Leaser); ok {
		errs["Renew"] = l.Renew(ctx, 0)
		errs["Release"] = l.Release(ctx, 0)
		_, errs["Reap"] = l.Reap(ctx, nil, 0, at(0), nil)
	}
	return errs
}

func (s suite) close(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	other := open(t, st, "a")
	start(t, l)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close(), "closing twice is harmless")
	for name, err := range uses(t.Context(), l) {
		assert.ErrorIs(t, err, storage.ErrClosed, name)
	}
	assert.Len(t, all(t, other), 1, "the other ledger is open still")
	require.NoError(t, other.Close())
	assert.Len(t, all(t, open(t, st, "a")), 1, "and the store lives on")
}

func (s suite) cancelled(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	start(t, l)
	before := all(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range uses(ctx, l) {
		assert.ErrorIs(t, err, context.Canceled, name)
	}
	_, err := st.Create(ctx, trial.Header{Name: "b"})
	require.ErrorIs(t, err, context.Canceled)
	_, err = st.Open(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, st.Rename(ctx, "a", "b"), context.Canceled)
	require.ErrorIs(t, st.Delete(ctx, "a"), context.Canceled)
	failed := false
	for _, err := range st.Studies(ctx) {
		require.ErrorIs(t, err, context.Canceled)
		failed = true
	}
	assert.True(t, failed)
	Equal(t, before, all(t, l))
	assert.Equal(t, []string{"a"}, names(t, st))
}

func (s suite) studyAttributes(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a", Seed: 3, Attrs: trial.Attrs{{Key: "z", JSON: "1"}, {Key: "a", JSON: "2"}}})
	require.NoError(t, l.Annotate(t.Context(), trial.Attrs{{Key: "m", JSON: `"é"`}, {Key: "z", JSON: "[1, 2.0]"}}, trial.Attrs{{Key: "z", JSON: "NaN"}}))
	want := trial.Header{
		Name: "a", Seed: 3, Directions: []trial.Direction{trial.Minimize},
		Attrs: trial.Attrs{{Key: "z", JSON: "[1, 2.0]"}, {Key: "a", JSON: "2"}, {Key: "m", JSON: `"é"`}},
		Notes: trial.Attrs{{Key: "z", JSON: "NaN"}},
	}
	assert.Equal(t, want, header(t, l), "in the order in which they were first set")
	assert.Equal(t, want, header(t, open(t, st, "a")))

	require.Error(t, l.Annotate(t.Context(), trial.Attrs{{Key: "good", JSON: "1"}, {Key: "bad", JSON: "{"}}, nil))
	reserved := trial.Attrs{{Key: "attune:seed", JSON: "1"}}
	require.ErrorIs(t, l.Annotate(t.Context(), trial.Attrs{{Key: "good", JSON: "1"}}, reserved), storage.ErrReserved)
	assert.Equal(t, want, header(t, l), "all or none")
	_, err := st.Create(t.Context(), trial.Header{Name: "b", Notes: reserved})
	require.ErrorIs(t, err, storage.ErrReserved)
	assert.Equal(t, []string{"a"}, names(t, st))
	require.NoError(t, l.Annotate(t.Context(), reserved, nil), "attributes are the user's")
}

func (s suite) studyNames(t *testing.T) {
	st := s.Open(t)
	kept, refused := s.hostile()
	for i, name := range kept {
		create(t, st, trial.Header{Name: name, Seed: uint64(i), Attrs: trial.Attrs{{Key: name, JSON: "1"}}})
	}
	for i, name := range kept {
		h := header(t, open(t, st, name))
		assert.Equal(t, name, h.Name)
		assert.Equal(t, uint64(i), h.Seed)
		assert.Equal(t, trial.Attrs{{Key: name, JSON: "1"}}, h.Attrs)
	}
	assert.Len(t, names(t, st), len(kept))
	for _, name := range refused {
		_, err := st.Create(t.Context(), trial.Header{Name: name})
		require.ErrorIs(t, err, space.ErrInvalid)
		_, err = st.Create(t.Context(), trial.Header{Name: "y", Attrs: trial.Attrs{{Key: name, JSON: "1"}}})
		require.ErrorIs(t, err, space.ErrInvalid)
		_, err = st.Open(t.Context(), name)
		require.ErrorIs(t, err, storage.ErrNotExist)
		require.ErrorIs(t, st.Rename(t.Context(), "x", name), space.ErrInvalid)
	}
	assert.Len(t, names(t, st), len(kept))
	_, err := st.Create(t.Context(), trial.Header{Name: "\xff"})
	require.Error(t, err, "a name is UTF-8")
}
