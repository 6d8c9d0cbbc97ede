package lightgbm_test

import (
	"testing"

	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/enginetest"
	"github.com/attune-hpo/attune/objective/tree/lightgbm"
)

func TestEngine(t *testing.T) {
	enginetest.Require(t, lightgbm.Engine{}.Available())
	enginetest.Suite{
		Engine:    lightgbm.Engine{},
		Tolerance: 1e-14, // of links, and of the averages of forests
		Losses: []engine.Loss{
			engine.L2, engine.L1, engine.Huber, engine.Quantile, engine.Poisson, engine.Tweedie, engine.Logistic, engine.Softmax,
		},
	}.Run(t)
}
