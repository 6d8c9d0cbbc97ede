package image_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/image"
	"github.com/attune-hpo/attune/trial"
)

func numbers(news []storage.Update) (out []int) {
	for _, u := range news {
		out = append(out, u.Trial.Number)
	}
	return out
}

func TestSince(t *testing.T) {
	var s image.Study
	assert.Empty(t, s.Since(0))
	for n := range 4 {
		s.Put(trial.Record{Number: n, State: trial.Running})
	}
	s.Put(trial.Record{Number: 1, State: trial.Failed})
	news := s.Since(0)
	assert.Equal(t, []int{0, 2, 3, 1}, numbers(news), "each once, as it is now")
	assert.Equal(t, []int{2, 3, 1}, numbers(s.Since(news[0].Cursor)))
	assert.Empty(t, s.Since(news[3].Cursor))
	for _, odd := range []storage.Cursor{-1, 99} {
		s.Since(odd)
	}
	assert.Len(t, s.Since(-1), 4)
	assert.Empty(t, s.Since(99))
}

func TestWaiting(t *testing.T) {
	var s image.Study
	r, waiting := s.Next()
	assert.Equal(t, 0, r.Number)
	assert.False(t, waiting)
	for _, n := range []int{2, 0, 1} {
		s.Put(trial.Record{Number: n, State: trial.Waiting})
	}
	s.Put(trial.Record{Number: 1, State: trial.Running}) // out of turn
	for _, want := range []int{0, 2} {
		r, waiting = s.Next()
		assert.True(t, waiting)
		assert.Equal(t, want, r.Number)
		r.State = trial.Running
		s.Put(r)
	}
	r, waiting = s.Next()
	assert.Equal(t, 3, r.Number)
	assert.False(t, waiting)
}

func TestMissingNumbers(t *testing.T) {
	var s image.Study
	s.Put(trial.Record{Number: 2, State: trial.Running})
	assert.Equal(t, 3, s.Len())
	for _, n := range []int{-1, 0, 1, 3} {
		_, err := s.Trial(n)
		require.ErrorIs(t, err, storage.ErrNoTrial)
	}
	_, err := s.Trial(2)
	require.NoError(t, err)
	assert.Equal(t, []int{2}, numbers(s.Since(0)))
}

func TestNews(t *testing.T) {
	var s image.Study
	a, b := s.News(0), s.News(0)
	s.Put(trial.Record{State: trial.Running})
	<-a
	<-b
	assert.Nil(t, s.News(0))
	c := s.News(1)
	s.Wake()
	<-c
}

func TestKeys(t *testing.T) {
	var s image.Study
	key, err := trial.NewAttr(trial.KeyNote, "k")
	require.NoError(t, err)
	s.Put(trial.Record{Number: 0, State: trial.Waiting, Notes: trial.Attrs{key}})
	_, ok := s.ByKey("k")
	assert.False(t, ok, "it has not started")
	s.Put(trial.Record{Number: 0, State: trial.Running, Notes: trial.Attrs{key}})
	s.Put(trial.Record{Number: 1, State: trial.Running, Notes: trial.Attrs{key}})
	r, ok := s.ByKey("k")
	assert.True(t, ok)
	assert.Equal(t, 0, r.Number, "the first one counts")
}

// Finished trials of one space share it, and cannot grow in place.
func TestFinishedTrialsShare(t *testing.T) {
	var s image.Study
	for n := range 2 {
		s.Put(trial.Record{Number: n, State: trial.Complete, Params: space.Params{
			Space: space.Space{{Name: "x", Distribution: space.FloatDistribution{High: 1}}}, Point: []float64{0.5}}})
	}
	a, _ := s.Trial(0)
	b, _ := s.Trial(1)
	assert.Same(t, &a.Params.Space[0], &b.Params.Space[0])
	assert.Equal(t, len(a.Params.Point), cap(a.Params.Point))
}
