package bruteforce_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/bruteforce"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func TestLaws(t *testing.T) {
	samplertest.Run(t, samplertest.Config{New: func(space.Space) sampler.Sampler { return bruteforce.New() }, Ranks: true, Finite: true})
}

var (
	model  = space.Categorical("model", "tree", "network", "linear")
	depth  = space.Int("depth", 1, 4).When(model.Is("tree"))
	layers = space.Int("layers", 1, 2).When(model.Is("network"))
	width  = space.Int("width", 16, 64, space.Step(16)).When(model.Is("network"))
	drop   = space.Float("drop", 0, 0.5, space.Step(0.25)).When(layers.Is(2))
	seed   = space.Int("seed", 7, 7)
	whole  = space.Of(model, seed, depth, layers, width, drop)
)

const leaves = 1 + 4 + 4*(1+3)

// evaluate suggests the parameters one by one, and returns the configuration.
func evaluate(t *study.Trial) string {
	m := model.Suggest(t)
	seed.Suggest(t)
	switch m {
	case "tree":
		return fmt.Sprint("tree ", depth.Suggest(t))
	case "network":
		n, w := layers.Suggest(t), width.Suggest(t)
		if n == 2 {
			return fmt.Sprint("network ", n, w, drop.Suggest(t))
		}
		return fmt.Sprint("network ", n, w)
	}
	return "linear"
}

// Every configuration of a conditional space is visited once, whether the space is
// declared or not, some fail, or several run at once; and then the run ends.
func TestConditional(t *testing.T) {
	for _, declared := range []bool{true, false} {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("declared %v, %d workers", declared, workers), func(t *testing.T) {
				cfg := study.Config{Sampler: bruteforce.New(), Seed: 3}
				if declared {
					cfg.Space = whole
				}
				st, err := study.Create(t.Context(), new(memory.Store), "s", cfg)
				require.NoError(t, err)
				defer st.Close()
				require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
					t.SetAttr("at", evaluate(t))
					if t.Number()%5 == 2 {
						return 0, fmt.Errorf("failed")
					}
					return 1, nil
				}), study.Run{Trials: 200, Workers: workers, Failures: -1}))
				h, err := st.Snapshot(t.Context())
				require.NoError(t, err)
				at := map[string]int{}
				for r := range h.All() {
					if a, ok := r.Attrs.Get("at"); ok {
						at[a.JSON]++
					}
				}
				assert.Len(t, at, leaves)
				if declared || workers == 1 {
					assert.Equal(t, leaves, h.Len()-h.Interrupted(), "each once")
				}
			})
		}
	}
}

// If another process continues the study, it visits the remaining configurations.
func TestResumed(t *testing.T) {
	store := new(memory.Store)
	seen := map[string]bool{}
	for range 5 {
		st, err := study.Open(t.Context(), store, "s", study.Config{Sampler: bruteforce.New()})
		require.NoError(t, err)
		require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
			at := evaluate(t)
			if seen[at] {
				return 0, fmt.Errorf("%s again", at)
			}
			seen[at] = true
			return 1, nil
		}), study.Run{Trials: 6}))
		require.NoError(t, st.Close())
	}
	assert.Len(t, seen, leaves)
}

// An enqueued trial is completed to a new configuration, which is not proposed again.
func TestEnqueued(t *testing.T) {
	st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: bruteforce.New(), Space: whole})
	require.NoError(t, err)
	defer st.Close()
	for range 4 {
		_, err := st.Enqueue(t.Context(), model.At("tree"))
		require.NoError(t, err)
	}
	seen := map[string]int{}
	require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		seen[evaluate(t)]++
		return 1, nil
	}), study.Run{Trials: 100}))
	assert.Len(t, seen, leaves)
	for at, n := range seen {
		assert.Equal(t, 1, n, at)
	}
}

// In a space without conditions, each point has the same probability.
func TestUniform(t *testing.T) {
	axes := space.Of(space.Int("a", 1, 2), space.Int("b", 1, 3))
	counts := map[string]int{}
	for n := range 3000 {
		h := trial.NewHistory(trial.Header{Seed: uint64(n)})
		h.Put(trial.Record{Number: 0, State: trial.Complete, Values: []float64{1}, Params: space.Params{Space: axes, Point: []float64{1, 1}}})
		p, err := bruteforce.New().Sample(t.Context(), samplertestRequest(h, 1, axes))
		require.NoError(t, err)
		counts[fmt.Sprint(p.Point)]++
	}
	assert.Len(t, counts, 5)
	for at, n := range counts {
		assert.InDelta(t, 600, n, 75, at)
	}
}

func samplertestRequest(h *trial.History, number int, axes space.Space) sampler.Request {
	return sampler.Request{Number: number, Space: axes, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(h.Snapshot().Header().Seed, 1))}
}

func Example() {
	depth, act := space.Int("depth", 1, 3), space.Categorical("act", "relu", "tanh")
	st, err := study.Create(context.Background(), new(memory.Store), "all", study.Config{Sampler: bruteforce.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	best := 0
	err = st.Optimize(context.Background(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		v := depth.Suggest(t)
		if act.Suggest(t) == "tanh" {
			v *= 10
		}
		best = max(best, v)
		return float64(v), nil
	}), study.Run{}) // ends when everything was tried
	fmt.Println(best, err)
	// Output: 30 <nil>
}
