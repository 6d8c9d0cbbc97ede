package storagetest

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// summaries compares the summaries of studies with those of their trials.
func (s suite) summaries(t *testing.T) {
	st := s.Open(t)
	tells, ok := st.(storage.Summarizer)
	if !ok {
		t.Skip("the store is no Summarizer")
	}
	interrupted := trial.Attrs{{Key: trial.InterruptedKey, JSON: "true"}}
	missed := []trial.Constraint{{Name: "memory", Value: 1}}
	x := space.Params{Space: space.Of(space.Float("x", 0, 1)), Point: []float64{0.5}}
	studies := []struct {
		header trial.Header
		trials []trial.Record
		starts int
	}{
		{header: trial.Header{Name: "a b"}},
		{header: trial.Header{Name: "failures"}, trials: []trial.Record{
			{State: trial.Failed, Err: "e", Started: at(3), Finished: at(4)}, {State: trial.Failed, Notes: interrupted},
		}},
		{header: trial.Header{Name: "mixed"}, starts: 1, trials: []trial.Record{
			{State: trial.Complete, Values: []float64{3}, Params: x, Started: at(5), Finished: at(9)},
			{State: trial.Complete, Values: []float64{1}, Constraints: missed},
			{State: trial.Complete, Values: []float64{2}, Params: x, Started: at(2), Finished: at(3)},
			{State: trial.Complete, Values: []float64{2}},
			{State: trial.Complete, Values: []float64{math.Inf(1)}, Constraints: []trial.Constraint{{Name: "memory", Value: math.NaN()}}},
			{State: trial.Pruned, Values: []float64{0}, Reports: []trial.Report{{Step: 1, Value: 0}}},
			{State: trial.Waiting}, {State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: "0.25"}}},
		}},
		{header: trial.Header{Name: "several", Directions: []trial.Direction{trial.Maximize, trial.Minimize}}, trials: []trial.Record{
			{State: trial.Complete, Values: []float64{1, 1}}, {State: trial.Complete, Values: []float64{2, 2}},
			{State: trial.Complete, Values: []float64{0, 1}}, {State: trial.Complete, Values: []float64{1, 1}},
			{State: trial.Complete, Values: []float64{9, 0}, Constraints: missed},
		}},
		{header: trial.Header{Name: "several, reported", Directions: []trial.Direction{trial.Maximize, trial.Minimize}}, trials: []trial.Record{
			{State: trial.Pruned, Notes: trial.Attrs{{Key: "report:4", JSON: "[1, 2]"}}},
		}},
		{header: trial.Header{Name: "upwards", Directions: []trial.Direction{trial.Maximize}}, trials: []trial.Record{
			{State: trial.Complete, Values: []float64{math.Inf(-1)}}, {State: trial.Complete, Values: []float64{-3}},
		}},
	}
	var want []trial.Summary
	for _, study := range studies {
		l := create(t, st, study.header)
		_, err := l.Add(t.Context(), study.trials...)
		require.NoError(t, err)
		for range study.starts {
			r := start(t, l)
			write(t, l, r.Number, trial.Suggested(x), trial.Reported{Step: 2, Value: 1})
		}
		header, err := l.Header(t.Context())
		require.NoError(t, err)
		h := trial.NewHistory(header)
		for _, r := range all(t, l) {
			h.Put(r)
		}
		now := h.Snapshot()
		sum := now.Summary()
		sum.Took = 0

		p, err := tells.Preview(t.Context(), header.Name, 3)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("the store behind it is no Summarizer")
		}
		require.NoError(t, err)
		records := now.Records()
		slices.Reverse(records)
		assert.Equal(t, sum, p.Summary)
		Equal(t, records[:min(3, len(records))], p.Newest)
		Equal(t, now.Running(), p.Running)
		if now.Objectives() > 1 {
			Equal(t, now.Front(), p.Front)
		} else if sum.Best != nil {
			Equal(t, []trial.Record{*sum.Best}, p.Front)
		}
		var values []float64
		for _, r := range slices.Backward(records) {
			if now.Objectives() == 1 && r.State == trial.Complete && r.Feasible() {
				values = append(values, r.Values[0])
			}
		}
		assert.Equal(t, values, p.Values)
		assert.Equal(t, slices.ContainsFunc(records, func(r trial.Record) bool { return len(r.Reports) > 0 || len(r.Vectors()) > 0 }), p.Reported, header.Name)

		if b := sum.Best; b != nil {
			sum.Best = &trial.Record{Number: b.Number, State: b.State, Values: b.Values}
		}
		want = append(want, sum)
	}
	var got []trial.Summary
	for sum, err := range tells.Summaries(t.Context()) {
		require.NoError(t, err)
		got = append(got, sum)
	}
	assert.Equal(t, want, got)
	_, err := tells.Preview(t.Context(), "none", 3)
	assert.ErrorIs(t, err, storage.ErrNotExist)
}

// rows asks for the rows of trials of two studies.
func (s suite) rows(t *testing.T) {
	st := s.Open(t)
	rower, ok := st.(storage.Rower)
	if !ok {
		t.Skip("the store is no Rower")
	}
	seen := map[int64]bool{}
	for _, name := range []string{"a", "b"} {
		l := create(t, st, trial.Header{Name: name})
		_, err := l.Add(t.Context(), trial.Record{State: trial.Waiting}, trial.Record{State: trial.Waiting})
		require.NoError(t, err)
		for n := range 2 {
			row, err := rower.Row(t.Context(), name, n)
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skip("the store behind it is no Rower")
			}
			require.NoError(t, err)
			assert.False(t, seen[row])
			seen[row] = true
		}
	}
	_, err := rower.Row(t.Context(), "a", 2)
	require.ErrorIs(t, err, storage.ErrNoTrial)
	_, err = rower.Row(t.Context(), "none", 0)
	require.ErrorIs(t, err, storage.ErrNotExist)
}
