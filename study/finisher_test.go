package study_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A finisher is an objective that is told the outcomes of its trials.
type finisher struct {
	study.Func
	finished func(r trial.Record, h trial.Snapshot) error
}

func (f finisher) Finished(_ context.Context, r trial.Record, h trial.Snapshot) error {
	return f.finished(r, h)
}

func TestAFinisherIsToldBeforeTheObserver(t *testing.T) {
	observer, log := diary()
	st := open(t, study.Config{Observer: observer})
	busy := 0 // calls at a time
	o := finisher{bowl, func(r trial.Record, h trial.Snapshot) error {
		busy++
		defer func() { busy-- }()
		assert.Equal(t, 1, busy, "one at a time")
		assert.True(t, r.State.Done())
		assert.Equal(t, r.Number, h.At(h.Len()-1).Number)
		*log = append(*log, "finished")
		return errors.New("careful")
	}}
	require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 1}))
	assert.Equal(t, []string{"began 1 of 0", "asked 0, 1 running", "finished", "warned careful", "told 0 complete of 1", "ended <nil>"}, *log)
}

func TestAFinisherThatPanicsEndsTheRun(t *testing.T) {
	st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	o := finisher{bowl, func(trial.Record, trial.Snapshot) error { panic(errBoom) }}
	err = st.Optimize(t.Context(), o, study.Run{Trials: 9})
	require.ErrorIs(t, err, errBoom)
	var panicked *study.PanicError
	require.ErrorAs(t, err, &panicked)
	all := records(t, st)
	require.Len(t, all, 1)
	assert.Equal(t, trial.Complete, all[0].State, "it was told before")
	require.NoError(t, st.Close())
}
