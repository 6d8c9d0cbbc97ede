package gp

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

func somePoints(n int) (points, []float64) {
	rng := rand.New(rand.NewPCG(3, 4))
	p := points{d: 3, choices: []bool{false, true, false}}
	var y []float64
	for range n {
		x := []float64{rng.Float64(), float64(rng.IntN(3)), rng.Float64()}
		p.add(x)
		y = append(y, math.Sin(5*x[0])+x[1]*x[2]+0.1*rng.NormFloat64())
	}
	standardize(y)
	return p, y
}

// The gradient is the slope of the value, by differences.
func checkGradient(t *testing.T, f func(x, grad []float64) float64, x []float64, skip ...int) {
	t.Helper()
	grad, none := make([]float64, len(x)), make([]float64, len(x))
	f(x, grad)
	for i := range x {
		if len(skip) > 0 && i == skip[0] {
			continue
		}
		const h = 1e-5
		up, down := append([]float64(nil), x...), append([]float64(nil), x...)
		up[i] += h
		down[i] -= h
		want := (f(up, none) - f(down, none)) / (2 * h)
		assert.InDelta(t, want, grad[i], 1e-4*math.Max(1, math.Abs(want)), "∂/∂x%d", i)
	}
}

func TestLossGradient(t *testing.T) {
	p, y := somePoints(15)
	f := newFitting(p, y, 0)
	checkGradient(t, f.loss, []float64{0.5, -1, 1.2, 0.3, -3})
	f = newFitting(p, y, 1e-3)
	checkGradient(t, f.loss, []float64{0.5, -1, 1.2, 0.3, -3})
}

func TestAcquisitionGradient(t *testing.T) {
	p, y := somePoints(15)
	m, ok := newModel(hyper{[]float64{2, 0.5, 3}, 1.3, 0.01}, p, y)
	require.True(t, ok)
	x := space.Float("x", 0, 1).Axis()
	for _, best := range []float64{1, -1, -60} {
		a := &acquisition{domain: &domain{axes: space.Space{x, x, x}, choices: p.choices}, objective: m, best: best, constraints: []*model{m}, offsets: []float64{0.7}}
		a.prepare()
		checkGradient(t, a.at, []float64{0.4, 1, 0.7}, 1)
	}
}

// The values that are assumed for running trials change no mean, and remove the uncertainty there.
func TestWith(t *testing.T) {
	p, y := somePoints(20)
	m, ok := newModel(hyper{[]float64{2, 0.5, 3}, 1.3, 1e-4}, p, y)
	require.True(t, ok)
	at := []float64{0.5, 2, 0.5}
	w := m.with([][]float64{at, {0.1, 0, 0.9}})
	scratch := make([]float64, 3*w.n)
	mean, dev := m.at(at, nil, nil, scratch)
	got, sure := w.at(at, nil, nil, scratch)
	assert.InDelta(t, mean, got, 1e-9)
	assert.Less(t, sure, dev/5)
	// The same as a model of these points with the values of the mean.
	q := points{p.n, p.d, append([]float64(nil), p.x...), p.choices}
	q.add(at)
	q.add([]float64{0.1, 0, 0.9})
	second, _ := m.at([]float64{0.1, 0, 0.9}, nil, nil, scratch)
	plain, ok := newModel(m.hyper, q, append(append([]float64(nil), y...), mean, second))
	require.True(t, ok)
	for _, x := range [][]float64{{0.3, 1, 0.2}, {0.9, 0, 0.9}} {
		wm, wd := w.at(x, nil, nil, scratch)
		pm, pd := plain.at(x, nil, nil, scratch)
		assert.InDelta(t, pm, wm, 1e-9)
		assert.InDelta(t, pd, wd, 1e-9)
	}
	means, devs := w.batch(&q)
	for i := range q.n {
		wm, wd := w.at(q.row(i), nil, nil, scratch)
		assert.InDelta(t, wm, means[i], 1e-9)
		assert.InDelta(t, wd, devs[i], 1e-9)
	}
}

// The values are from SciPy 1.17 with 50 digits by mpmath: log(φ(z) + zΦ(z)).
func TestLogH(t *testing.T) {
	for _, z := range []float64{-0.999999, -1.000001, -24.9999, -25.0001} {
		a, ra := logH(z - 1e-6)
		b, rb := logH(z + 1e-6)
		assert.InDelta(t, ra*2e-6, b-a, 1e-9*math.Abs(a), "z %v", z)
		assert.InDelta(t, ra, rb, 1e-3*ra, "z %v", z)
	}
}

func TestMinimize(t *testing.T) {
	rosenbrock := func(x, grad []float64) float64 {
		a, b := x[0], x[1]
		grad[0], grad[1] = -400*a*(b-a*a)-2*(1-a), 200*(b-a*a)
		return 100*(b-a*a)*(b-a*a) + (1-a)*(1-a)
	}
	x := []float64{-1.2, 1}
	assert.Less(t, minimize(rosenbrock, x, []float64{-5, -5}, []float64{5, 5}, 200, 1e-6), 1e-8)
	x = []float64{-1.2, 1}
	v := minimize(rosenbrock, x, []float64{-5, -5}, []float64{0.5, 5}, 200, 1e-6) // held by a bound: at 0.5, 0.25
	assert.InDelta(t, 0.25, v, 1e-6)
	assert.InDeltaSlice(t, []float64{0.5, 0.25}, x, 1e-3)
}

// A known noise is the deviation of the model, in units of the objective.
func TestKnownNoise(t *testing.T) {
	noise := func(unit, deviation float64) float64 {
		d := &domain{axes: space.Space{space.Float("x", 0, 1).Axis()}, choices: []bool{false}}
		p := &past{fits: map[string]fitted{}}
		for i := range 20 {
			x := float64(i) / 20
			p.obs = append(p.obs, observation{number: i, x: []float64{x}, losses: []float64{unit * (x*x - x + 3)}, state: trial.Complete})
		}
		return p.hyper("objective 0", Config{}, d, func(obs []observation) []float64 { return targets(obs, 0) }, deviation).noise
	}
	one := noise(1, 0.01)
	assert.InEpsilon(t, 4*one, noise(1, 0.02), 1e-9)
	assert.InEpsilon(t, one, noise(1000, 10), 1e-9)
	assert.NotEqual(t, one, noise(1, 0), "estimated")
	y, unit := standardized([]observation{
		{losses: []float64{1}, state: trial.Complete}, {losses: []float64{2}, state: trial.Complete}, {losses: []float64{3}, state: trial.Complete},
	}, 0)
	assert.InDelta(t, 1/unit, y[1]-y[0], 1e-12, "below the median, a unit of the objective")
}
