// Package teststudy makes studies that have everything a study can have, for tests of
// what shows them.
package teststudy

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// New returns a study of n trials: conditional, logarithmic and categorical parameters,
// reports, constraints, and all states. It has one objective, rmse, or two, rmse and
// speed, of which the second is maximized.
func New(name string, n int, several bool, seed uint64) trial.Snapshot {
	header := trial.Header{Name: name, Notes: trial.Attrs{{Key: trial.MetricsKey, JSON: `["rmse"]`}}}
	if several {
		header.Directions = []trial.Direction{trial.Minimize, trial.Maximize}
		header.Notes = trial.Attrs{{Key: trial.MetricsKey, JSON: `["rmse", "speed"]`}}
	}
	lr, leaves := space.Float("learning_rate", 1e-4, 0.5, space.Log()), space.Int("num_leaves", 2, 256, space.Log())
	booster := space.Categorical("boosting_type", "gbdt", "dart", "goss")
	drop, frac := space.Float("drop_rate", 0, 0.5), space.Float("feature_fraction", 0.2, 1)
	h := trial.NewHistory(header)
	rng := rand.New(rand.NewPCG(seed, 1))
	now := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	for i := range n {
		s := space.Of(lr, leaves, booster, frac)
		r := trial.Record{Number: i, State: trial.Complete, Started: now}
		point := []float64{}
		for _, a := range s {
			point = append(point, unit.Draw(a.Distribution, rng))
		}
		loss := math.Abs(math.Log10(point[0])+1.3) + 0.3*math.Abs(math.Log2(point[1])-5) + 0.2*rng.Float64() + 0.4*point[3]
		if point[2] == 1 {
			s = append(s, drop.Axis())
			point = append(point, unit.Draw(drop.Axis().Distribution, rng))
			loss += point[4]
		}
		r.Params = space.Params{Space: s, Point: point}
		took := time.Duration((5 + 60*rng.Float64()) * float64(time.Second))
		r.Finished = now.Add(took)
		now = now.Add(took / 4)
		for step := range 20 {
			r.Reports = append(r.Reports, trial.Report{Step: step, Value: loss + 3*math.Exp(-float64(step)/4) + 0.05*rng.NormFloat64()})
		}
		r.Values = []float64{loss}
		if several {
			r.Values = append(r.Values, 1/point[1]+0.1*rng.Float64())
		}
		switch {
		case i%13 == 5:
			r.State, r.Values, r.Err = trial.Failed, nil, "out of memory"
		case i%7 == 3:
			r.State, r.Reports = trial.Pruned, r.Reports[:5]
			r.Values = []float64{r.Reports[4].Value}
		case i%17 == 2:
			r.Constraints = []trial.Constraint{{Name: "memory", Value: 1}}
		case i >= n-2 && n > 2:
			r.State, r.Values, r.Finished, r.Reports = trial.Running, nil, time.Time{}, r.Reports[:3]
		}
		h.Put(r)
	}
	return h.Snapshot()
}
