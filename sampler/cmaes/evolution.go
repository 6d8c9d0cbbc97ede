package cmaes

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// weights are the constants of a strategy for one number of solutions (Hansen,
// "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772v2, table 1, with the
// symbols used there).
type weights struct {
	w          []float64 // of the solutions, best first; the second half is negative
	mu         int       // solutions with a positive weight
	muEff      float64
	c1, cMu    float64
	cSigma, cC float64
	damping    float64 // d_σ
}

// newWeights returns the constants for n solutions in d dimensions.
func newWeights(n, d int, separable bool) weights {
	dim := float64(d)
	k := weights{w: make([]float64, n), mu: n / 2}
	sum := func(ws []float64) (sum, eff float64) {
		squares := 0.0
		for _, w := range ws {
			sum += w
			squares += w * w
		}
		return sum, sum * sum / squares
	}
	if separable { // Ros and Hansen, "A Simple Modification in CMA-ES", PPSN X, 2008
		for i := range k.mu {
			k.w[i] = math.Log(float64(k.mu)+1) - math.Log(float64(i)+1)
		}
		var total float64
		total, k.muEff = sum(k.w[:k.mu])
		floats.Scale(1/total, k.w)
		full := 2/(k.muEff*(dim+math.Sqrt2)*(dim+math.Sqrt2)) + (1-1/k.muEff)*math.Min(1, (2*k.muEff-1)/((dim+2)*(dim+2)+k.muEff))
		k.cMu = full * (dim + 2) / 3
		k.c1 = 2 / ((dim+1.3)*(dim+1.3) + k.muEff)
		k.cMu = math.Min(k.cMu, 1-k.c1)
		k.cSigma = (k.muEff + 2) / (dim + k.muEff + 3)
		k.cC = 4 / (dim + 4)
	} else {
		for i := range k.w {
			k.w[i] = math.Log((float64(n)+1)/2) - math.Log(float64(i)+1)
		}
		good, muEff := sum(k.w[:k.mu])
		_, muEffBad := sum(k.w[k.mu:])
		k.muEff = muEff
		k.c1 = 2 / ((dim+1.3)*(dim+1.3) + muEff)
		k.cMu = math.Min(1-k.c1-1e-8, 2*(muEff-2+1/muEff)/((dim+2)*(dim+2)+muEff))
		bad := 0.0
		for _, w := range k.w {
			bad -= math.Min(w, 0)
		}
		most := math.Min(1+k.c1/k.cMu, math.Min(1+2*muEffBad/(muEff+2), (1-k.c1-k.cMu)/(dim*k.cMu)))
		for i, w := range k.w {
			if w >= 0 {
				k.w[i] = w / good
			} else {
				k.w[i] = w * most / bad
			}
		}
		k.cSigma = (muEff + 2) / (dim + muEff + 5)
		k.cC = (4 + muEff/dim) / (dim + 4 + 2*muEff/dim)
	}
	k.damping = 1 + 2*math.Max(0, math.Sqrt((k.muEff-1)/(dim+1))-1) + k.cSigma
	return k
}

// evolution is the search distribution N(m, σ²C) over d coordinates, and how it
// learns. The zero value has no dimension; make one with newEvolution.
type evolution struct {
	d          int
	lambda     int
	separable  bool
	mean       []float64
	sigma      float64
	c          *mat.SymDense // diagonal if separable
	pathSigma  []float64     // p_σ, the path of the step size
	pathC      []float64     // p_c, the path of the covariance
	generation int
	rate       *rate // learning-rate adaptation; nil without

	vectors mat.Dense // B, of the eigenvectors of C; not set if separable
	roots   []float64 // D, of the square roots of its eigenvalues
	scratch []float64
}

func newEvolution(mean []float64, sigma float64, lambda int, separable bool) *evolution {
	d := len(mean)
	e := &evolution{d: d, lambda: lambda, separable: separable, mean: mean, sigma: sigma, c: mat.NewSymDense(d, nil),
		pathSigma: make([]float64, d), pathC: make([]float64, d), roots: make([]float64, d), scratch: make([]float64, d)}
	for i := range d {
		e.c.SetSym(i, i, 1)
	}
	e.decompose()
	return e
}

// decompose brings B and D up to date with C, and removes from C what made an
// eigenvalue negative.
func (e *evolution) decompose() {
	if e.separable {
		for i := range e.d {
			e.roots[i] = math.Sqrt(math.Max(e.c.At(i, i), epsilon))
		}
		return
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(e.c, true) { // does not converge for NaN and ∞ only, which C does not have
		return
	}
	eigen.VectorsTo(&e.vectors)
	repaired := false
	for i, v := range eigen.Values(e.roots) {
		if v < epsilon {
			v, repaired = epsilon, true
		}
		e.roots[i] = math.Sqrt(v)
	}
	if !repaired {
		return
	}
	var scaled mat.Dense
	scaled.Apply(func(_, j int, v float64) float64 { return v * e.roots[j] * e.roots[j] }, &e.vectors)
	var c mat.Dense
	c.Mul(&scaled, e.vectors.T())
	for i := range e.d {
		for j := range i + 1 {
			e.c.SetSym(i, j, (c.At(i, j)+c.At(j, i))/2)
		}
	}
}

const epsilon = 1e-8 * 1e-8

// draw sets y to B·D·z, a draw from N(0, C) if z is one from N(0, I).
func (e *evolution) draw(y, z []float64) {
	if e.separable {
		floats.MulTo(y, e.roots, z)
		return
	}
	floats.MulTo(e.scratch, e.roots, z)
	product(y, &e.vectors, e.scratch, false)
}

// whiten sets z to C^(-1/2)·y, which is B·D^(-1)·Bᵀ·y.
func (e *evolution) whiten(z, y []float64) {
	if e.separable {
		floats.DivTo(z, y, e.roots)
		return
	}
	product(e.scratch, &e.vectors, y, true)
	floats.Div(e.scratch, e.roots)
	product(z, &e.vectors, e.scratch, false)
}

// product sets dst to m·x, or to mᵀ·x.
func product(dst []float64, m *mat.Dense, x []float64, transposed bool) {
	out := mat.NewVecDense(len(dst), dst)
	if transposed {
		out.MulVec(m.T(), mat.NewVecDense(len(x), x))
	} else {
		out.MulVec(m, mat.NewVecDense(len(x), x))
	}
}

// update learns from solutions, the steps y = (x-m)/σ in order, best first.
// There may be more of them than λ, but no fewer than two. It is one generation
// of the tutorial's figure 6.
func (e *evolution) update(steps [][]float64) {
	k := newWeights(len(steps), e.d, e.separable)
	before := e.before()
	e.generation++

	step := make([]float64, e.d) // y_w
	for i, y := range steps[:k.mu] {
		floats.AddScaled(step, k.w[i], y)
	}
	floats.AddScaled(e.mean, e.sigma, step)

	white := make([]float64, e.d)
	e.whiten(white, step)
	floats.Scale(1-k.cSigma, e.pathSigma)
	floats.AddScaled(e.pathSigma, math.Sqrt(k.cSigma*(2-k.cSigma)*k.muEff), white)
	length := floats.Norm(e.pathSigma, 2)
	dim := float64(e.d)
	expected := math.Sqrt(dim) * (1 - 1/(4*dim) + 1/(21*dim*dim)) // of a standard normal vector
	e.sigma = math.Min(e.sigma*math.Exp(k.cSigma/k.damping*(length/expected-1)), 1e32)

	moving := 0.0 // h_σ
	if length/math.Sqrt(1-math.Pow(1-k.cSigma, 2*float64(e.generation+1))) < (1.4+2/(dim+1))*expected {
		moving = 1
	}
	floats.Scale(1-k.cC, e.pathC)
	floats.AddScaled(e.pathC, moving*math.Sqrt(k.cC*(2-k.cC)*k.muEff), step)

	sum := floats.Sum(k.w)
	keep := 1 + k.c1*(1-moving)*k.cC*(2-k.cC) - k.c1 - k.cMu*sum
	scales := make([]float64, len(steps)) // of y·yᵀ
	for i, y := range steps {
		scales[i] = k.cMu * k.w[i]
		if k.w[i] < 0 { // Jastrebski and Arnold, "Improving Evolution Strategies through Active CMA", CEC 2006
			e.whiten(white, y)
			scales[i] *= dim / (floats.Dot(white, white) + epsilon)
		}
	}
	if e.separable {
		for i := range e.d {
			v := keep*e.c.At(i, i) + k.c1*e.pathC[i]*e.pathC[i]
			for j, y := range steps {
				v += scales[j] * y[i] * y[i]
			}
			e.c.SetSym(i, i, v)
		}
	} else {
		e.c.ScaleSym(keep, e.c)
		e.c.SymRankOne(e.c, k.c1, mat.NewVecDense(e.d, e.pathC))
		for i, y := range steps {
			e.c.SymRankOne(e.c, scales[i], mat.NewVecDense(e.d, y))
		}
	}
	if e.rate != nil {
		e.rate.adapt(e, before)
	}
	e.decompose()
}
