package study_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// diary returns an observer and the list of the events that it receives.
func diary() (study.Observer, *[]string) {
	var log []string
	say := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	return study.ObserverFunc(func(_ context.Context, e study.Event) {
		switch e := e.(type) {
		case study.Began:
			say("began %d of %d", e.Total, e.Study.Len())
		case study.Asked:
			say("asked %d, %d running", e.Trial.Number, len(e.Study.Running()))
		case study.Reported:
			say("reported %d: %d %v", e.Trial.Number, e.Report.Step, e.Trial.Reports)
		case study.Told:
			say("told %d %v of %d", e.Trial.Number, e.Trial.State, e.Study.Len())
		case study.Retried:
			say("retried %d %v, %d waiting", e.Trial.Number, e.Trial.State, len(e.Study.Waiting()))
		case study.Warned:
			say("warned %v", e.Err)
		case study.Ended:
			say("ended %v", e.Err)
		}
	}), &log
}

func TestAnObserverSeesARunInOrder(t *testing.T) {
	observer, log := diary()
	st := open(t, study.Config{Observer: study.Tee(nil, observer)})
	boom := errors.New("boom")
	o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
		switch tr.Number() {
		case 1:
			return 0, study.ErrPruned
		case 2:
			return 0, boom
		}
		return 0, tr.Report(ctx, 7, 0.5)
	})
	require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 4, Retries: 1}))
	assert.Equal(t, []string{
		"began 4 of 0", "asked 0, 1 running", "reported 0: 7 [{7 0.5}]", "told 0 complete of 1",
		"asked 1, 1 running", "told 1 pruned of 2",
		"asked 2, 1 running", "told 2 failed of 3", "retried 2 failed, 1 waiting",
		"asked 3, 1 running", "reported 3: 7 [{7 0.5}]", "told 3 complete of 4", "ended <nil>",
	}, *log)
}

func TestAnObserverSeesAskAndTell(t *testing.T) {
	observer, log := diary()
	store := new(memory.Store)
	st := openIn(t, store, study.Config{Observer: observer, Renewal: study.Never})
	other := openIn(t, store, study.Config{})
	require.NoError(t, other.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 2}))
	tr, err := st.Ask(t.Context())
	require.NoError(t, err)
	require.NoError(t, tr.Report(t.Context(), 1, 2))
	require.Error(t, tr.Report(t.Context(), 1, 2))
	require.Error(t, st.Tell(t.Context(), tr, nil, nil), "what is refused did not happen")
	require.NoError(t, st.Tell(t.Context(), tr, []float64{1}, nil))
	assert.Equal(t, []string{"asked 2, 1 running", "reported 2: 1 [{1 2}]", "told 2 complete of 3"}, *log,
		"what this process does, with what it knows of the others")
}

// An observer that panics, at whatever event, ends the run and nothing else: running trials are finished, and the study
// can be closed.
func TestAnObserverThatPanics(t *testing.T) {
	at := func(event string, f func()) study.Observer {
		calls := 0
		return study.ObserverFunc(func(_ context.Context, e study.Event) {
			if assert.Zero(t, calls, "it is called no more"); fmt.Sprintf("%T", e) == "study."+event {
				calls++
				f()
			}
		})
	}
	o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) { return 1, tr.Report(ctx, 0, 1) })
	for _, event := range []string{"Began", "Asked", "Reported", "Told", "Ended"} {
		t.Run(event, func(t *testing.T) {
			st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{
				Sampler: random.Sampler{}, Observer: at(event, func() { panic(errBoom) }),
			})
			require.NoError(t, err)
			err = st.Optimize(t.Context(), o, study.Run{Trials: 2, Workers: 2})
			require.ErrorIs(t, err, study.ErrObserver)
			require.ErrorIs(t, err, errBoom)
			for _, r := range records(t, st) {
				assert.True(t, r.State.Done(), r.State)
				assert.Empty(t, r.Err)
			}
			require.ErrorIs(t, st.Optimize(t.Context(), o, study.Run{Trials: 1}), study.ErrObserver)
			tr, err := st.Ask(t.Context())
			require.NoError(t, err)
			require.NoError(t, st.Tell(t.Context(), tr, []float64{1}, nil))
			require.ErrorIs(t, st.Close(), study.ErrObserver)
			_, err = st.Snapshot(t.Context())
			require.Error(t, err, "it is closed all the same")
		})
		t.Run(event+" and ends its goroutine", func(t *testing.T) {
			st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{
				Sampler: random.Sampler{}, Observer: at(event, runtime.Goexit),
			})
			require.NoError(t, err)
			done := make(chan struct{})
			go func() {
				defer close(done)
				assert.ErrorIs(t, st.Optimize(t.Context(), o, study.Run{Trials: 2, Workers: 2}), study.ErrObserver)
			}()
			<-done
			require.ErrorIs(t, st.Close(), study.ErrObserver)
		})
	}
}

var errBoom = errors.New("boom")
