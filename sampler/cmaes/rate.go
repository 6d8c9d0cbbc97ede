package cmaes

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// rate adapts the learning rates of the mean and of the covariance so that the
// ratio of signal to noise of their updates stays constant (Nomura, Akimoto and
// Ono, "CMA-ES with Learning Rate Adaptation", GECCO 2023, algorithm 2). It makes
// noisy and multimodal problems solvable with the default population, at the cost
// of slower progress on easy ones.
type rate struct{ mean, cov signal }

// signal estimates the ratio of signal to noise of one kind of update.
type signal struct {
	eta      float64   // the learning rate, at most 1
	beta     float64   // of the averages below
	average  []float64 // E
	variance float64   // V
}

func newRate(d int) *rate {
	return &rate{
		mean: signal{eta: 1, beta: 0.1, average: make([]float64, d)},
		cov:  signal{eta: 1, beta: 0.03, average: make([]float64, d*d)},
	}
}

// learn takes in an update in local coordinates and adapts the rate to it.
func (s *signal) learn(update []float64) {
	const alpha, gamma = 1.4, 0.1
	floats.Scale(1-s.beta, s.average)
	floats.AddScaled(s.average, s.beta, update)
	s.variance = (1-s.beta)*s.variance + s.beta*floats.Dot(update, update)
	square := floats.Dot(s.average, s.average)
	ratio := (square - s.beta/(2-s.beta)*s.variance) / (s.variance - square)
	if math.IsNaN(ratio) { // nothing moved
		return
	}
	relative := math.Max(-1, math.Min(1, ratio/(alpha*s.eta)-1))
	s.eta = math.Min(1, s.eta*math.Exp(math.Min(gamma*s.eta, s.beta)*relative))
}

// earlier is a distribution before an update.
type earlier struct {
	mean []float64
	cov  *mat.SymDense // Σ = σ²C
	root *mat.SymDense // Σ^(-1/2)
}

// before returns the state of e that rate.adapt needs, or nil if rates are not adapted.
func (e *evolution) before() *earlier {
	if e.rate == nil {
		return nil
	}
	b := &earlier{mean: append([]float64(nil), e.mean...), cov: mat.NewSymDense(e.d, nil), root: mat.NewSymDense(e.d, nil)}
	b.cov.ScaleSym(e.sigma*e.sigma, e.c)
	for k := range e.d {
		column := make([]float64, e.d)
		if e.separable {
			column[k] = 1
		} else {
			mat.Col(column, k, &e.vectors)
		}
		b.root.SymRankOne(b.root, 1/(e.roots[k]*e.sigma), mat.NewVecDense(e.d, column))
	}
	return b
}

// adapt takes back as much of the update of e since b as the learning rates say.
func (r *rate) adapt(e *evolution, b *earlier) {
	step := make([]float64, e.d)
	floats.SubTo(step, e.mean, b.mean)
	var local mat.VecDense
	local.MulVec(b.root, mat.NewVecDense(e.d, step))

	var change mat.Dense
	cov := mat.NewSymDense(e.d, nil)
	cov.ScaleSym(e.sigma*e.sigma, e.c)
	change.Sub(cov, b.cov)
	var left, white mat.Dense
	left.Mul(b.root, &change)
	white.Mul(&left, b.root)
	white.Scale(1/math.Sqrt2, &white)

	was := r.mean.eta
	r.mean.learn(local.RawVector().Data)
	r.cov.learn(white.RawMatrix().Data)

	copy(e.mean, b.mean)
	floats.AddScaled(e.mean, r.mean.eta, step)
	for i := range e.d {
		for j := range i + 1 {
			cov.SetSym(i, j, b.cov.At(i, j)+r.cov.eta*(change.At(i, j)+change.At(j, i))/2)
		}
	}
	// Σ is split again so that C has determinant 1.
	var eigen mat.EigenSym
	if !eigen.Factorize(cov, false) {
		return
	}
	logs := 0.0
	for _, v := range eigen.Values(nil) {
		logs += math.Log(math.Max(v, math.SmallestNonzeroFloat64))
	}
	e.sigma = math.Exp(logs / 2 / float64(e.d))
	e.c.ScaleSym(1/(e.sigma*e.sigma), cov)
	e.sigma *= was / r.mean.eta // the step size that goes with the new rate
}
