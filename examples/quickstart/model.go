package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// config is what is tuned: how the model looks back, and how it is trained. The
// tags declare the search space; the best parameters are read back into the same
// struct.
type config struct {
	Lags       int     `attune:"lags,min=1,max=24"`
	Harmonics  int     `attune:"harmonics,min=0,max=6"`
	Difference int     `attune:"difference,choices=1|12"` // months
	Batch      int     `attune:"batch,choices=8|16|32|64"`
	Rate       float64 `attune:"learning_rate,log,min=1e-4,max=1"`
	Momentum   float64 `attune:"momentum,min=0,max=0.95"`
	Ridge      float64 `attune:"ridge,log,min=1e-6,max=0.1"`
}

// A model forecasts a monthly series: the change over Difference months is linear
// in its own last Lags values and in Harmonics of the year. It is ridge
// regression, fitted by stochastic gradient descent with momentum.
type model struct {
	config
	scale             float64 // of the changes
	weights, velocity []float64
	rand              *rand.Rand
}

func newModel(c config, y []float64, seed uint64) *model {
	n := c.Lags + 2*c.Harmonics + 1
	m := &model{
		config:  c,
		weights: make([]float64, n), velocity: make([]float64, n),
		rand: rand.New(rand.NewPCG(seed, 0)),
	}
	for t := c.Difference; t < len(y); t++ {
		d := y[t] - y[t-c.Difference]
		m.scale += d * d
	}
	m.scale = math.Sqrt(m.scale / float64(len(y)-c.Difference))
	return m
}

// change returns the scaled change that leads to y[t].
func (m *model) change(y []float64, t int) float64 { return (y[t] - y[t-m.Difference]) / m.scale }

// features fills x with what is known about month t before it.
func (m *model) features(x, y []float64, t int) {
	for i := range m.Lags {
		x[i] = m.change(y, t-1-i)
	}
	for k := range m.Harmonics {
		angle := 2 * math.Pi * float64((k+1)*t) / 12
		x[m.Lags+2*k], x[m.Lags+2*k+1] = math.Sincos(angle)
	}
	x[len(x)-1] = 1
}

// epoch trains m once on all of y, in random order.
func (m *model) epoch(y []float64) {
	first := m.Lags + m.Difference
	order := m.rand.Perm(len(y) - first)
	x, gradient := make([]float64, len(m.weights)), make([]float64, len(m.weights))
	for len(order) > 0 {
		n := min(m.Batch, len(order))
		for j, w := range m.weights {
			gradient[j] = m.Ridge * w
		}
		for _, i := range order[:n] {
			m.features(x, y, first+i)
			miss := dot(m.weights, x) - m.change(y, first+i)
			for j := range x {
				gradient[j] += miss * x[j] / float64(n)
			}
		}
		for j, g := range gradient {
			m.velocity[j] = m.Momentum*m.velocity[j] - m.Rate*g
			m.weights[j] += m.velocity[j]
		}
		order = order[n:]
	}
}

// forecast continues y by the given number of months, each forecast feeding the
// next.
func (m *model) forecast(y []float64, months int) []float64 {
	out := append(make([]float64, 0, len(y)+months), y...)
	x := make([]float64, len(m.weights))
	for t := len(y); t < len(y)+months; t++ {
		m.features(x, out, t)
		out = append(out, out[t-m.Difference]+m.scale*dot(m.weights, x))
	}
	return out[len(y):]
}

// A forecast continues y by a number of months.
type forecast func(y []float64, months int) []float64

// validate returns the mean absolute error of forecasts a year ahead, from every
// month of y after the first n.
func validate(f forecast, y []float64, n int) float64 {
	sum, forecasts := 0.0, 0
	for end := n; end+12 <= len(y); end++ {
		for i, v := range f(y[:end], 12) {
			sum += math.Abs(v-y[end+i]) / 12
		}
		forecasts++
	}
	return sum / float64(forecasts)
}

// What to beat: forecasts that need no training.

func naive(y []float64, months int) []float64 {
	return slices.Repeat(y[len(y)-1:], months)
}

func seasonalNaive(y []float64, months int) []float64 {
	return slices.Repeat(y[len(y)-12:], (months+11)/12)[:months]
}

func seasonalDrift(y []float64, months int) []float64 {
	rise := y[len(y)-1] - y[len(y)-13]
	out := seasonalNaive(y, months)
	for i := range out {
		out[i] += rise * float64(1+i/12)
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
