package enginetest_test

import (
	"testing"

	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/enginetest"
	"github.com/attune-hpo/attune/objective/tree/native"
)

// The native engine passes the suite, which needs no library.
func TestNative(t *testing.T) {
	enginetest.Suite{
		Engine:    native.Engine{},
		Tolerance: 0,
		Losses: []engine.Loss{
			engine.L2, engine.L1, engine.Huber, engine.Quantile, engine.Poisson, engine.Tweedie, engine.Logistic, engine.Softmax, engine.LambdaRank,
		},
	}.Run(t)
}
