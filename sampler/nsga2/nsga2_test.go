package nsga2_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/nsga2"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

func TestLaws(t *testing.T) {
	samplertest.Run(t, samplertest.Config{
		New:   func(space.Space) sampler.Sampler { return nsga2.New(nsga2.Config{Population: 20, Startup: 10}) },
		Ranks: true,
	})
}

// missing returns the share of the hypervolume of a front that a study does not reach.
func missing(t testing.TB, s sampler.Sampler, f problem.Front, trials, workers int) float64 {
	t.Helper()
	st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: s, Directions: make([]trial.Direction, f.Objectives)})
	require.NoError(t, err)
	defer st.Close()
	require.NoError(t, st.Optimize(t.Context(), study.MultiFunc(func(_ context.Context, t *study.Trial) ([]float64, error) {
		return f.Losses(t), nil
	}), study.Run{Trials: trials, Workers: workers}))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	var points [][]float64
	for r := range h.All() {
		points = append(points, r.Values)
	}
	reference := []float64{1.1, 1.1, 1.1}[:f.Objectives]
	return 1 - pareto.Hypervolume(points, reference)/f.Hypervolume
}

// With 400 trials most of the front is found, by one worker or eight at once.
func TestFronts(t *testing.T) {
	for _, tc := range []struct {
		f    problem.Front
		most float64
	}{
		{problem.ZDT1(5), 0.15}, {problem.ZDT3(5), 0.2}, {problem.DTLZ2(6, 3), 0.3},
	} {
		assert.Less(t, missing(t, nsga2.New(nsga2.Config{}), tc.f, 400, 1), tc.most, tc.f.Name)
		assert.Less(t, missing(t, nsga2.New(nsga2.Config{}), tc.f, 400, 8), 1.3*tc.most, "%s, parallel", tc.f.Name)
		assert.Greater(t, missing(t, random.Sampler{}, tc.f, 400, 1), tc.most, "%s, at random", tc.f.Name)
	}
}

func TestCrossovers(t *testing.T) {
	for c := nsga2.DefaultCrossover; c <= nsga2.UNDX; c++ {
		f := problem.ZDT1(4)
		assert.Less(t, missing(t, nsga2.New(nsga2.Config{Crossover: c}), f, 300, 1), 0.5, c.String())
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]nsga2.Config{
		"population 3":      {Population: 3},
		"startup 1":         {Startup: 1},
		"crossover 99":      {Crossover: 99},
		"crossover rate 2":  {CrossoverRate: 2},
		"mutation rate 1.5": {MutationRate: 1.5},
	} {
		err := nsga2.New(c).Validate()
		require.ErrorIs(t, err, sampler.ErrInvalid, name)
		assert.ErrorContains(t, err, name)
	}
	assert.NoError(t, nsga2.New(nsga2.Config{CrossoverRate: -1, MutationRate: -1}).Validate())
}

func ExampleNew() {
	x := space.Float("x", -1, 3)
	st, err := study.Create(context.Background(), new(memory.Store), "two objectives", study.Config{
		Sampler:    nsga2.New(nsga2.Config{}),
		Directions: []trial.Direction{trial.Minimize, trial.Minimize},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	err = st.Optimize(context.Background(), study.MultiFunc(func(_ context.Context, t *study.Trial) ([]float64, error) {
		v := x.Suggest(t)
		return []float64{v * v, (v - 2) * (v - 2)}, nil // 0 and 2 are the best, and everything between is a compromise
	}), study.Run{Trials: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	h, err := st.Snapshot(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("more than half are on the front:", len(h.Front()) > 50)
	// Output: more than half are on the front: true
}
