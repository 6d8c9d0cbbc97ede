package enginetest

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// same: every training gives the same model, with any number of threads.
func (s Suite) same(t *testing.T) {
	d := Data(engine.Logistic, 3000, 1)
	p := s.params(engine.Logistic)
	p.Bagging = 0.7
	if !s.NoFeatureFraction {
		p.FeatureFraction = 0.8
	}
	first := s.fit(t, d, engine.Dataset{}, p, nil)
	assert.Equal(t, first, s.fit(t, d, engine.Dataset{}, p, nil))
	p.Threads = 2
	assert.Equal(t, first, s.fit(t, d, engine.Dataset{}, p, nil), "two threads")
}

func (s Suite) seeds(t *testing.T) {
	d := Data(engine.L2, 500, 1)
	p := s.params(engine.L2)
	p.Bagging = 0.5
	models := map[string]bool{}
	for _, seed := range []uint64{0, 1, 1 << 40, math.MaxUint64} {
		p.Seed = seed
		models[fmt.Sprint(Predict(t, s.fit(t, d, engine.Dataset{}, p, nil), d))] = true
	}
	assert.Len(t, models, 4)
}

func (s Suite) invalid(t *testing.T) {
	train := Data(engine.L2, 100, 1)
	fit := func(d engine.Dataset, p engine.Params) error {
		_, err := s.Engine.Fit(context.Background(), d, engine.Dataset{}, p, nil)
		return err
	}
	p := s.params(engine.L2)
	require.ErrorIs(t, fit(engine.Dataset{}, p), engine.ErrData)
	p.LearningRate = -1
	require.ErrorIs(t, fit(train, p), engine.ErrParams)
	p = s.params(engine.L2)
	p.Extra = map[string]string{"num_leafs": "4"}
	require.ErrorIs(t, fit(train, p), engine.ErrParams)
}

// concurrent: eight concurrent trainings do not disturb one another.
func (s Suite) concurrent(t *testing.T) {
	train, valid := Data(engine.L2, 300, 1), Data(engine.L2, 100, 2)
	train.Weight = weights(300)
	want := make([]*tree.Model, 8)
	params := make([]engine.Params, 8)
	for i := range params {
		params[i] = s.params(engine.L2)
		params[i].Trees = 5 + i
		params[i].Threads = 1 + i%2
	}
	for i := range want {
		want[i] = s.fit(t, train, valid, params[i], nil)
	}
	var group sync.WaitGroup
	for i := range want {
		group.Go(func() {
			m, err := s.Engine.Fit(context.Background(), train, valid, params[i], func(it engine.Iteration) error {
				assert.Len(t, it.Predictions(), 100)
				return nil
			})
			assert.NoError(t, err)
			assert.Equal(t, want[i], m)
		})
	}
	group.Wait()
}

// leaks: many trainings need no more memory than a few.
func (s Suite) leaks(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	train, valid := Data(engine.L2, 2000, 1), Data(engine.L2, 500, 2)
	p := s.params(engine.L2)
	p.Trees = 2
	fits := s.Fits
	if fits == 0 {
		fits = 200
	}
	refused := p
	refused.Extra = map[string]string{"num_leafs": "4"}
	run := func(n int) {
		for range n {
			s.fit(t, train, valid, p, func(engine.Iteration) error { return nil })
			_, err := s.Engine.Fit(context.Background(), train, valid, refused, nil)
			require.Error(t, err)
		}
		debug.FreeOSMemory()
	}
	run(fits / 4)
	before := resident(t)
	run(fits)
	// The data alone takes 98 kB; other memory varies by a MB.
	assert.Less(t, resident(t)-before, max(fits*98/2, 2000), "kB")
}

// resident returns the memory of this process, in kB.
func resident(t testing.TB) int {
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(t, err)
	return pages * os.Getpagesize() / 1024
}
