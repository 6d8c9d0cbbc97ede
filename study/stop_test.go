package study_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func TestStagnation(t *testing.T) {
	complete := func(values ...float64) (all []trial.Record) {
		for _, v := range values {
			all = append(all, trial.Record{State: trial.Complete, Values: []float64{v}})
		}
		return all
	}
	pruned := trial.Record{State: trial.Pruned, Values: []float64{-100}}
	failed := trial.Record{State: trial.Failed}
	bad := trial.Record{State: trial.Complete, Values: []float64{-100}, Constraints: []trial.Constraint{{Name: "c", Value: 1}}}
	inf := math.Inf(1)
	for name, c := range map[string]struct {
		rule   study.Stagnation // of the last 3 trials
		trials []trial.Record
		want   string // the reason, or "" if there is none
		left   string // what is said instead
	}{
		"no trials":              {},
		"too few":                {trials: complete(5, 4, 3, 3, 3)},
		"no gain":                {trials: complete(5, 9, 1, 3, 3, 3), want: "the last 3 trials gained 0% of the distance from the median to the best"},
		"some gain":              {trials: complete(5, 9, 1, 3, 0.9, 3), left: "gained 4.8% in 3 trials"},
		"less than the gain":     {trials: complete(5, 9, 1, 3, 0.99, 3), want: "the last 3 trials gained 0.5% of the distance from the median to the best"},
		"any gain will do":       {rule: study.Stagnation{Gain: -1}, trials: complete(5, 9, 1, 3, 0.9999, 3), left: "gained 0.005% in 3 trials"},
		"a larger gain is asked": {rule: study.Stagnation{Gain: 0.2}, trials: complete(5, 9, 1, 3, 0.9, 3), want: "the last 3 trials gained 4.8% of the distance from the median to the best"},
		"all are equal":          {trials: complete(1, 1, 1, 1, 1, 1), want: "the last 3 trials gained 0% of the distance from the median to the best"},
		"pruned trials count":    {trials: append(complete(5, 9, 1), pruned, pruned, pruned), want: "the last 3 trials gained 0% of the distance from the median to the best"},
		"failed ones do not":     {trials: append(complete(5, 9, 1), failed, failed, failed)},
		"infeasible ones":        {trials: append(complete(5, 9, 1), bad, bad, bad), want: "the last 3 trials gained 0% of the distance from the median to the best"},
		"the first feasible":     {trials: append([]trial.Record{bad, bad, bad}, complete(5, 9, 1)...)},
		"none feasible":          {trials: []trial.Record{bad, bad, bad, bad, bad, bad}},
		"infinite values":        {trials: complete(inf, inf, 1, inf, inf, inf), want: "the last 3 trials gained 0% of the distance from the median to the best"},
		"nothing but infinite":   {trials: complete(inf, inf, inf, inf, inf, inf)},
		"infinitely good":        {trials: complete(1, 2, 3, -inf, 1, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Trials = 3
			for _, direction := range []trial.Direction{trial.Minimize, trial.Maximize} {
				h := trial.NewHistory(trial.Header{Directions: []trial.Direction{direction}})
				for i := range c.trials { // the last to finish is the first by number
					r := c.trials[len(c.trials)-1-i]
					r.Number = len(c.trials) - 1 - i
					if r.Values != nil {
						r.Values = []float64{direction.Loss(r.Values[0])}
					}
					h.Put(r)
				}
				reason, stop := c.rule.Reached(h.Snapshot())
				assert.Equal(t, c.want+c.left, reason, direction)
				assert.Equal(t, c.want != "", stop, direction)
			}
		})
	}
	t.Run("several objectives", func(t *testing.T) {
		h := trial.NewHistory(trial.Header{Directions: make([]trial.Direction, 2)})
		for i := range 100 {
			h.Put(trial.Record{Number: i, State: trial.Complete, Values: []float64{1, 1}})
		}
		_, stop := study.Stagnation{}.Reached(h.Snapshot())
		assert.False(t, stop)
	})
}

// A rule ends a run, and also a run that resumes it, at once. Its reason is in the Ended event.
func TestStopWhen(t *testing.T) {
	for name, lag := range map[string]int{"without a lag": 0, "with a lag": 6} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended []int
				for timing := range 4 {
					x := space.Float("x", 0, 1)
					var reason string
					st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: random.Sampler{}, Space: space.Of(x), Seed: 4,
						Observer: study.On(func(_ context.Context, e study.Ended) { reason = e.Reason })})
					require.NoError(t, err)
					run := study.Run{Trials: 1000, Workers: 1 + timing, Lag: lag, StopWhen: study.Stagnation{Trials: 10}.Reached}
					objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
						time.Sleep(time.Duration((t.Number()*timing)%5) * time.Second)
						return x.Suggest(t), nil
					})
					for range 2 {
						require.NoError(t, st.Optimize(t.Context(), objective, run))
						assert.Regexp(t, `^the last 10 trials gained .*% of the distance`, reason)
						h, err := st.Snapshot(t.Context())
						require.NoError(t, err)
						ended = append(ended, h.Len())
						assert.Less(t, h.Len(), 1000)
						assert.Equal(t, h.Len(), len(h.Records()), "those that ran are finished")
					}
					require.NoError(t, st.Close())
				}
				assert.Equal(t, ended[0], ended[1], "it stays ended")
				for _, n := range ended {
					assert.True(t, lag == 0 || n == ended[0], "the end depends on no timing: %v", ended)
				}
			})
		})
	}
}

func ExampleStagnation() {
	ctx := context.Background()
	x := space.Float("x", -1, 1)
	st, err := study.Open(ctx, new(memory.Store), "parabola", study.Config{Sampler: random.Sampler{}})
	if err != nil {
		panic(err)
	}
	defer st.Close()
	err = st.Optimize(ctx, study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		return math.Pow(x.Suggest(t), 2), nil
	}), study.Run{Trials: 10000, StopWhen: study.Stagnation{Gain: 0.001}.Reached})
	if err != nil {
		panic(err)
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println("fewer than 1000 trials:", h.Len() < 1000)
	// Output: fewer than 1000 trials: true
}

// What a rule says while it lets a run go on is an event, and no reason for its end.
func TestARunThatGoesOnSaysWhatIsLeft(t *testing.T) {
	for _, lag := range []int{0, 2} {
		var said, ended []string
		st := open(t, study.Config{Observer: study.ObserverFunc(func(_ context.Context, e study.Event) {
			switch e := e.(type) {
			case study.Continued:
				said = append(said, e.Reason)
			case study.Ended:
				ended = append(ended, e.Reason)
			}
		})})
		rule := func(h trial.Snapshot) (string, bool) {
			switch n := h.Len(); {
			case n < 2:
				return "", false
			case n < 6:
				return fmt.Sprintf("%d left", 9-n/2), false
			}
			return "", false
		}
		require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 10, Lag: lag, StopWhen: rule}))
		assert.Equal(t, []string{"8 left", "7 left", ""}, said, "each once")
		assert.Equal(t, []string{""}, ended)
	}
}
