package gp

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// Points are rows of positions. On a number two positions differ by their
// distance, on a choice by 1 or 0.
type points struct {
	n, d    int
	x       []float64 // n × d, row by row
	choices []bool    // of d
}

func (p *points) row(i int) []float64 { return p.x[i*p.d : (i+1)*p.d] }

func (p *points) add(row []float64) {
	p.x = append(p.x, row...)
	p.n++
}

// square returns the squared difference of two positions on axis j.
func (p *points) square(j int, a, b float64) float64 {
	if p.choices[j] {
		if a == b {
			return 0
		}
		return 1
	}
	return (a - b) * (a - b)
}

// hyper are the parameters of a model, all positive.
type hyper struct {
	weights []float64 // of the axes: 1/ℓ², ℓ being the length scale
	scale   float64   // variance of the function
	noise   float64   // variance of the observations around it
}

// matern returns the Matérn kernel with ν = 5/2 at squared distance r2, and its
// derivative by r2 (Rasmussen and Williams, "Gaussian Processes for Machine
// Learning", 2006, equation 4.17):
//
//	k = (1 + √5 r + 5/3 r²) exp(-√5 r)    ∂k/∂r² = -5/6 (1 + √5 r) exp(-√5 r)
func matern(r2 float64) (k, slope float64) {
	s := math.Sqrt(5 * r2)
	e := math.Exp(-s)
	return (1 + s + s*s/3) * e, -5.0 / 6 * (1 + s) * e
}

// A model is the posterior of a Gaussian process of mean 0 given observations.
type model struct {
	hyper
	points
	factor []float64 // L, n × n, lower triangle: K + noise·I = L·Lᵀ
	alpha  []float64 // (K + noise·I)⁻¹·y
}

// jitter keeps a matrix of equal points positive definite.
const jitter = 1e-8

// newModel returns the posterior given y at p. It is not ok if the covariance
// cannot be factorized, even with a hundred times the noise.
func newModel(h hyper, p points, y []float64) (*model, bool) {
	m := &model{hyper: h, points: p, factor: make([]float64, p.n*p.n), alpha: make([]float64, p.n)}
	for noise := h.noise + jitter*h.scale; noise <= 100*(h.noise+jitter*h.scale); noise *= 10 {
		for i := range p.n {
			row := m.factor[i*p.n : i*p.n+i+1]
			m.covariances(row, p.row(i), i+1)
			row[i] = h.scale + noise
		}
		if !factorize(m.factor, p.n) {
			continue
		}
		copy(m.alpha, y)
		m.solve(m.alpha)
		return m, true
	}
	return nil, false
}

// covariances sets out to the covariances of x and the first len(out) points.
func (m *model) covariances(out, x []float64, n int) {
	for i := range out[:n] {
		k, _ := matern(m.distance(m.row(i), x))
		out[i] = m.scale * k
	}
}

// distance returns r², the weighted square of the distance.
func (m *model) distance(a, b []float64) float64 {
	sum := 0.0
	for j, w := range m.weights {
		if m.choices[j] {
			if a[j] != b[j] {
				sum += w
			}
			continue
		}
		d := a[j] - b[j]
		sum += w * d * d
	}
	return sum
}

// factorize replaces the lower triangle of a by its Cholesky factor.
func factorize(a []float64, n int) bool {
	_, ok := lapack64.Potrf(blas64.Symmetric{Uplo: blas.Lower, N: n, Stride: n, Data: a})
	return ok
}

func (m *model) triangle() blas64.Triangular {
	return blas64.Triangular{Uplo: blas.Lower, Diag: blas.NonUnit, N: m.n, Stride: m.n, Data: m.factor}
}

// half sets v to L⁻¹·v, and solve sets it to (L·Lᵀ)⁻¹·v.
func (m *model) half(v []float64) {
	blas64.Trsv(blas.NoTrans, m.triangle(), blas64.Vector{N: m.n, Inc: 1, Data: v})
}

func (m *model) solve(v []float64) {
	m.half(v)
	blas64.Trsv(blas.Trans, m.triangle(), blas64.Vector{N: m.n, Inc: 1, Data: v})
}

// at returns the posterior mean and standard deviation of the function at x. Where
// gradients are asked for, it writes ∂mean/∂x and ∂deviation/∂x, which are 0 for
// choices. Scratch has room for 3n numbers.
func (m *model) at(x, gradMean, gradDev, scratch []float64) (mean, dev float64) {
	k, slopes, solved := scratch[:m.n], scratch[m.n:2*m.n], scratch[2*m.n:3*m.n]
	for i := range m.n {
		v, s := matern(m.distance(m.row(i), x))
		k[i], slopes[i] = m.scale*v, m.scale*s
	}
	mean = floats.Dot(k, m.alpha)
	copy(solved, k)
	m.half(solved)
	dev = math.Sqrt(math.Max(m.scale-floats.Dot(solved, solved), 1e-12*m.scale))
	if gradMean == nil {
		return mean, dev
	}
	blas64.Trsv(blas.Trans, m.triangle(), blas64.Vector{N: m.n, Inc: 1, Data: solved})
	clear(gradMean)
	clear(gradDev)
	for i := range m.n {
		row := m.row(i)
		byMean, byDev := 2*slopes[i]*m.alpha[i], -2*slopes[i]*solved[i]/dev
		for j, w := range m.weights {
			if !m.choices[j] {
				d := w * (x[j] - row[j])
				gradMean[j] += byMean * d
				gradDev[j] += byDev * d
			}
		}
	}
	return mean, dev
}

// batch returns the posterior means and standard deviations at rows.
func (m *model) batch(rows *points) (means, devs []float64) {
	means, devs = make([]float64, rows.n), make([]float64, rows.n)
	const block = 64
	k := make([]float64, m.n*block) // n × block
	column := make([]float64, m.n)
	for from := 0; from < rows.n; from += block {
		width := min(block, rows.n-from)
		for c := range width {
			m.covariances(column, rows.row(from+c), m.n)
			means[from+c] = floats.Dot(column, m.alpha)
			for i, v := range column {
				k[i*block+c] = v
			}
		}
		b := blas64.General{Rows: m.n, Cols: width, Stride: block, Data: k}
		blas64.Trsm(blas.Left, blas.NoTrans, 1, m.triangle(), b)
		sums := make([]float64, width)
		for i := range m.n {
			for c, v := range k[i*block : i*block+width] {
				sums[c] += v * v
			}
		}
		for c, s := range sums {
			devs[from+c] = math.Sqrt(math.Max(m.scale-s, 1e-12*m.scale))
		}
	}
	return means, devs
}

// with returns the posterior that takes its own mean at the given rows as observed. It is then certain there,
// and its mean elsewhere is unchanged (Ginsbourger, Le Riche and Carraro, "Kriging Is Well-Suited to
// Parallelize Optimization", 2010, the kriging believer).
func (m *model) with(rows [][]float64) *model {
	if len(rows) == 0 {
		return m
	}
	n := m.n + len(rows)
	out := &model{hyper: m.hyper, points: points{m.n, m.d, append([]float64(nil), m.x...), m.choices}, factor: make([]float64, n*n), alpha: append([]float64(nil), m.alpha...)}
	for i := range m.n {
		copy(out.factor[i*n:], m.factor[i*m.n:i*m.n+i+1])
	}
	for _, x := range rows {
		i := out.n
		row := out.factor[i*n : i*n+i]
		out.covariances(row, x, i)
		blas64.Trsv(blas.NoTrans, blas64.Triangular{Uplo: blas.Lower, Diag: blas.NonUnit, N: i, Stride: n, Data: out.factor}, blas64.Vector{N: i, Inc: 1, Data: row})
		noise := m.noise + jitter*m.scale
		out.factor[i*n+i] = math.Sqrt(math.Max(m.scale+noise-floats.Dot(row, row), noise))
		out.add(x)
		out.alpha = append(out.alpha, 0) // the residual of what it believes is 0
	}
	return out
}
