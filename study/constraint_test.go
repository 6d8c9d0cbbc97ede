package study_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var (
	kind   = space.Categorical("kind", "plain", "deep")
	first  = space.Float("first", 0, 1)
	second = space.Float("second", 0, 1)
	extra  = space.Float("extra", 0.5, 1).When(kind.Is("deep"))
	three  = space.Of(kind, first, second, extra).Where("first + second <= 0.5", "first + extra <= 0.7")
)

func sum(_ context.Context, t *study.Trial) (float64, error) {
	v := first.Suggest(t) + second.Suggest(t)
	if kind.Suggest(t) == "deep" {
		v -= extra.Suggest(t)
	}
	return -v, nil
}

// All trials of a declared space meet its constraints, also with conditions, enqueued values and fixed values.
func TestConstraints(t *testing.T) {
	for name, s := range map[string]sampler.Sampler{
		"random": random.Sampler{}, "tpe": tpe.New(tpe.Config{}), "fixed": sampler.Fixed(tpe.New(tpe.Config{}), kind.At("deep"), first.At(0.15)),
	} {
		t.Run(name, func(t *testing.T) {
			st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: s, Space: three})
			require.NoError(t, err)
			_, err = st.Enqueue(t.Context(), second.At(0.45))
			require.NoError(t, err)
			_, err = st.Enqueue(t.Context(), extra.At(0.65))
			require.NoError(t, err)
			require.NoError(t, st.Optimize(t.Context(), study.Func(sum), study.Run{Trials: 40, Workers: 2}))
			h, err := st.Snapshot(t.Context())
			require.NoError(t, err)
			complete := 0
			for _, r := range h.Records() {
				if r.State == trial.Complete {
					complete++
					require.NoError(t, three.Meets(r.Params), "trial %d", r.Number)
				}
			}
			assert.GreaterOrEqual(t, complete, 38, "what was enqueued may not fit what is fixed")
			note, ok := st.Header().Notes.Get(study.ConstraintsKey)
			require.True(t, ok)
			assert.Equal(t, `["first + second <= 0.5", "first + extra <= 0.7"]`, note.JSON)
		})
	}
}

// An objective without a declared space states its constraints where it suggests.
func TestConstraintsOfAnObjective(t *testing.T) {
	below := second.Where("first + second <= 0.5")
	for name, s := range map[string]sampler.Sampler{"random": random.Sampler{}, "tpe": tpe.New(tpe.Config{})} {
		t.Run(name, func(t *testing.T) {
			st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: s})
			require.NoError(t, err)
			_, err = st.Enqueue(t.Context(), first.At(0.3), second.At(0.4))
			require.NoError(t, err)
			objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
				a := min(first.Suggest(t), 0.5)
				return a - below.Suggest(t), nil
			})
			require.NoError(t, st.Optimize(t.Context(), objective, study.Run{Trials: 60}))
			h, err := st.Snapshot(t.Context())
			require.NoError(t, err)
			failed := 0
			for _, r := range h.Records() {
				if r.State == trial.Failed {
					failed++
					continue
				}
				a, _ := first.Value(r)
				b, _ := second.Value(r)
				require.LessOrEqual(t, a+b, 0.5+1e-9, "trial %d", r.Number)
			}
			assert.Positive(t, failed, "what was enqueued, and where first leaves nothing for second")
			assert.Less(t, failed, 45)
		})
	}
}

func TestConstraintsThatCannotBeMet(t *testing.T) {
	never := space.Of(first, second).Where("first + second >= 2.5")
	_, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: random.Sampler{}, Space: never})
	require.ErrorIs(t, err, study.ErrConfig)
	require.ErrorIs(t, err, space.ErrConstraint)
	assert.ErrorContains(t, err, "no values were found for which first + second >= 2.5: widen the bounds, or leave out a constraint")

	st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: random.Sampler{}, Space: three})
	require.NoError(t, err)
	_, err = st.Enqueue(t.Context(), first.At(0.4), second.At(0.2))
	require.ErrorIs(t, err, space.ErrConstraint)
	assert.EqualError(t, err, "study: enqueue: constraint not met: first + second <= 0.5 does not hold for first=0.4 second=0.2")

	_, err = st.Enqueue(t.Context(), first.At(0.6)) // which leaves nothing for second
	require.NoError(t, err)
	require.NoError(t, st.Optimize(t.Context(), study.Func(sum), study.Run{Trials: 3}))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, h.Count(trial.Failed))
	assert.Equal(t, 2, h.Count(trial.Complete), "and the run goes on")
}

// A sampler that does not obey is named.
func TestSamplerThatBreaksAConstraint(t *testing.T) {
	deaf := sampler.Func(func(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
		return sampler.Proposal{Point: []float64{0.9, 0.9}}, nil
	})
	st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: deaf, Space: space.Of(first, second).Where("first + second <= 1")})
	require.NoError(t, err)
	err = st.Optimize(t.Context(), study.Func(sum), study.Run{Trials: 3})
	require.ErrorIs(t, err, space.ErrConstraint)
	assert.ErrorContains(t, err, "sampler.Func proposed first=0.9 second=0.9")
}
