// Package enginetest is a test suite that every implementation of engine.Engine must pass.
package enginetest

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A Suite tests an engine. Its fields describe the engine.
type Suite struct {
	Engine engine.Engine
	Growth engine.Growth
	Losses []engine.Loss // losses that it has; all except Softmax, which needs more params, are tried without other settings

	// Tolerance is the allowed difference between the engine's own predictions and the
	// model's, relative to their size (at least 1).
	Tolerance float64

	WholeForest       bool // a forest trains in one round
	NoForest          bool
	NoCategories      bool
	NoMonotone        bool
	NoFeatureFraction bool

	Extras []map[string]string // settings of the library with which its predictions must also be the model's

	Fits int // how many fits TestLeaks makes. Default 200
}

// Require returns if err is nil. Otherwise it fails the test if the environment variable
// ATTUNE_REQUIRE_ENGINES is 1, and skips it if not.
func Require(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("ATTUNE_REQUIRE_ENGINES") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

const (
	features = 5
	rounds   = 12
)

func (s Suite) params(loss engine.Loss) engine.Params {
	p := engine.Params{Loss: loss, Growth: s.Growth, Trees: rounds, LearningRate: 0.2}
	if loss == engine.Softmax {
		p.Classes = 3
	}
	return p
}

func (s Suite) fit(t testing.TB, train, valid engine.Dataset, p engine.Params, on func(engine.Iteration) error) *tree.Model {
	t.Helper()
	m, err := s.Engine.Fit(context.Background(), train, valid, p, on)
	require.NoError(t, err)
	require.NoError(t, m.Validate())
	return m
}

func (s Suite) near(t testing.TB, want, got []float64, msg string) {
	t.Helper()
	require.Len(t, got, len(want), msg)
	for i := range want {
		if want[i] == got[i] {
			continue
		}
		if d := math.Abs(want[i] - got[i]); !(d <= s.Tolerance*max(1, math.Abs(want[i]))) {
			require.Failf(t, msg, "value %d: want %v, got %v", i, want[i], got[i])
		}
	}
}

// Run runs all tests.
func (s Suite) Run(t *testing.T) {
	for _, loss := range s.Losses {
		t.Run("loss="+loss.String(), func(t *testing.T) { s.rounds(t, Data(loss, 600, 1), Data(loss, 200, 2), s.params(loss)) })
		t.Run("loss="+loss.String()+"/weights", func(t *testing.T) {
			train, valid := Data(loss, 600, 1), Data(loss, 200, 2)
			train.Weight, valid.Weight = weights(600), weights(200)
			s.rounds(t, train, valid, s.params(loss))
		})
	}
	if !s.NoForest {
		for _, loss := range []engine.Loss{engine.L2, engine.Logistic, engine.Softmax} {
			t.Run("forest="+loss.String(), func(t *testing.T) {
				p := s.params(loss)
				p.Method, p.LearningRate = engine.Forest, 0
				s.rounds(t, Data(loss, 600, 1), Data(loss, 200, 2), p)
			})
		}
	}
	for _, law := range []struct {
		name string
		test func(*testing.T)
	}{
		{"weights", s.weights},
		{"missing", s.missing},
		{"infinite", s.infinite},
		{"constant", s.constant},
		{"names", s.names},
		{"validation", s.validation},
		{"early stopping", s.earlyStopping},
		{"stop", s.stop},
		{"cancelled", s.cancelled},
		{"same", s.same},
		{"seeds", s.seeds},
		{"invalid", s.invalid},
		{"concurrent", s.concurrent},
		{"leaks", s.leaks},
	} {
		t.Run(law.name, law.test)
	}
	for _, extra := range s.Extras {
		t.Run(fmt.Sprint("extra=", extra), func(t *testing.T) {
			train, valid := Data(engine.Logistic, 600, 1), Data(engine.Logistic, 200, 2)
			p := s.params(engine.Logistic)
			p.Extra = extra
			var last []float64
			m := s.fit(t, train, valid, p, func(it engine.Iteration) error {
				last = it.Predictions()
				return nil
			})
			s.near(t, Predict(t, m, valid), last, "predictions of the last round")
		})
	}
	if !s.NoMonotone {
		t.Run("monotone", s.monotone)
	}
	if !s.NoCategories {
		t.Run("categories", s.categories)
	}
}
