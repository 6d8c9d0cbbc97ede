package gp

import (
	"math"

	"github.com/attune-hpo/attune/trial"
)

// spent returns what a trial has cost, or NaN if that is not known.
func (d *domain) spent(r *trial.Record) float64 {
	cost := math.NaN()
	switch a, ok := r.Attrs.Get(d.cost); {
	case d.cost == "":
	case ok:
		if a.Decode(&cost) != nil {
			return math.NaN()
		}
	case d.cost == Duration:
		cost = r.Duration().Seconds()
	}
	if !(cost > 0) || math.IsInf(cost, 1) {
		return math.NaN()
	}
	return cost
}

// usualTrials is the number of trials of mean cost that the default budget pays for.
const usualTrials = 100

// price makes an acquisition one per cost, if costs are known. Only complete trials say what a point costs: the others
// ended early. All trials count as spent.
func (p *past) price(cfg Config, a *acquisition, obs []observation, at points, fitted func(string, func([]observation) []float64, float64) hyper) {
	if cfg.Cost == "" {
		return
	}
	sum, n := 0.0, 0.0
	for _, o := range p.obs {
		if !math.IsNaN(o.cost) {
			sum, n = sum+o.cost, n+1
		}
	}
	budget := cfg.Budget
	if budget == 0 {
		budget = usualTrials * sum / n
	}
	power := 1 - sum/budget
	costs, deviation := logCosts(obs)
	if !(power > 0) || deviation == 0 {
		return
	}
	m, ok := newModel(fitted("cost", func(obs []observation) []float64 {
		y, _ := logCosts(obs)
		return y
	}, 0), at, costs)
	if ok {
		a.cost, a.thrift = m, power*deviation
	}
}

// logCosts returns the standardized logarithms of the costs of complete trials, 0 for the others, and their deviation, which is 0 if
// they are all equal or none is known.
func logCosts(obs []observation) (y []float64, deviation float64) {
	y = make([]float64, len(obs))
	mean, n := 0.0, 0.0
	known := func(o observation) bool { return o.state == trial.Complete && !math.IsNaN(o.cost) }
	for _, o := range obs {
		if known(o) {
			mean, n = mean+math.Log(o.cost), n+1
		}
	}
	mean /= n
	for i, o := range obs {
		if known(o) {
			y[i] = math.Log(o.cost) - mean
			deviation += y[i] * y[i] / n
		}
	}
	deviation = math.Sqrt(deviation)
	if !(deviation > 1e-9) {
		return y, 0
	}
	for i := range y {
		y[i] /= deviation
	}
	return y, deviation
}
