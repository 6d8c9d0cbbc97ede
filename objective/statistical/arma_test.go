package statistical

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"github.com/attune-hpo/attune/objective/forecast"
)

// plainLikelihood is filter by definition: the density of a normal vector whose covariance
// comes from the moving average of infinite order. It returns the sum of squares, and the
// logarithm of the determinant.
func plainLikelihood(t *testing.T, a *arma, w []float64) (squares, logs float64) {
	const terms = 4000
	psi := make([]float64, terms)
	psi[0] = 1
	for k := 1; k < terms; k++ {
		if k <= len(a.theta) {
			psi[k] = a.theta[k-1]
		}
		for i, c := range a.phi {
			if k > i {
				psi[k] += c * psi[k-1-i]
			}
		}
	}
	n := len(w)
	cov := mat.NewSymDense(n, nil)
	for lag := range n {
		sum := 0.0
		for k := lag; k < terms; k++ {
			sum += psi[k] * psi[k-lag]
		}
		for i := range n - lag {
			cov.SetSym(i, i+lag, sum)
		}
	}
	var chol mat.Cholesky
	require.True(t, chol.Factorize(cov))
	var x mat.VecDense
	v := mat.NewVecDense(n, w)
	require.NoError(t, chol.SolveVecTo(&x, v))
	return mat.Dot(v, &x), chol.LogDet()
}

func TestFilter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := make([]float64, 60)
	for i := range w {
		w[i] = random.NormFloat64()
	}
	long := make([]float64, 400) // the filter settles within it
	for i := range long {
		long[i] = random.NormFloat64()
	}
	for name, c := range map[string]struct {
		ar, ma, sar, sma []float64
		w                []float64
	}{
		"white":              {nil, nil, nil, nil, w},
		"autoregression":     {[]float64{0.7}, nil, nil, nil, w},
		"two":                {[]float64{1.2, -0.5}, nil, nil, nil, w},
		"moving average":     {nil, []float64{-0.8}, nil, nil, w},
		"not invertible":     {nil, []float64{2.5}, nil, nil, w},
		"both":               {[]float64{0.5, 0.2}, []float64{0.4, -0.3, 0.2}, nil, nil, w},
		"a season":           {nil, []float64{-0.4}, nil, []float64{-0.6}, w},
		"all":                {[]float64{0.3, 0.2}, []float64{-0.4}, []float64{0.5}, []float64{-0.6, 0.1}, w},
		"a seasonal process": {nil, nil, []float64{0.6, -0.2}, nil, w},
		"long":               {[]float64{0.3}, []float64{-0.4, 0.1}, []float64{0.2}, []float64{0.3}, long},
	} {
		t.Run(name, func(t *testing.T) {
			var a arma
			for range 2 { // also in the memory of the run before
				a.set(c.ar, c.ma, c.sar, c.sma, 4)
				squares, logs := a.filter(c.w)
				wantSquares, wantLogs := plainLikelihood(t, &a, c.w)
				assert.InEpsilon(t, wantSquares, squares, 1e-8)
				assert.InDelta(t, wantLogs, logs, 1e-7)
			}
			// With one more value, the error is that of the forecast.
			before, _ := a.filter(c.w)
			next := a.next(3)[0]
			after, _ := a.filter(append(c.w[:len(c.w):len(c.w)], next))
			assert.InDelta(t, before, after, 1e-9)
		})
	}
	var a arma
	a.set([]float64{1.1}, nil, nil, nil, 1)
	squares, _ := a.filter(w)
	assert.True(t, math.IsInf(squares, 1), "not stationary")
}

func TestPartial(t *testing.T) {
	x, to, back := []float64{0.5, -1.2, 0.3}, make([]float64, 3), make([]float64, 3)
	partial(to, x)
	assert.True(t, isStationary(to, 1))
	require.True(t, unpartial(back, to))
	assert.InDeltaSlice(t, x, back, 1e-12)
	assert.False(t, unpartial(back, []float64{1.5, 0, 0}))
	assert.True(t, isStationary([]float64{0.9}, 1.1))
	assert.False(t, isStationary([]float64{0.9}, 1.2))
}

func TestDescent(t *testing.T) {
	rosenbrock := func(x []float64) float64 {
		return math.Pow(1-x[0], 2) + 100*math.Pow(x[1]-x[0]*x[0], 2)
	}
	x, value := descent{f: rosenbrock, iterations: 200, tolerance: 1e-6}.minimize([]float64{-1.2, 1})
	assert.InDeltaSlice(t, []float64{1, 1}, x, 1e-3)
	assert.Less(t, value, 1e-7)
	x, value = descent{f: func([]float64) float64 { return math.NaN() }, iterations: 9}.minimize([]float64{3})
	assert.Equal(t, []float64{3}, x)
	assert.True(t, math.IsInf(value, 1))
}

// The airline model (Box and Jenkins): R's arima has the coefficients -0.4018 and -0.5569 on the
// logarithms, and statsmodels the same.
func TestAirline(t *testing.T) {
	past, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	var y []float64
	for _, v := range past[0].Y {
		y = append(y, math.Log(v))
	}
	f, err := ARIMA{Form: "(0,1,1)(0,1,1)", Estimation: exact}.fit(y, []int{12})
	require.NoError(t, err)
	assert.InDelta(t, -0.4018, f.(*Integrated).MA[0], 1e-4)
	assert.InDelta(t, -0.5569, f.(*Integrated).SMA[0], 1e-4)
}

// A line and a season are continued, although nothing is left to fit.
func TestDifferencedAway(t *testing.T) {
	for name, at := range map[string]func(i int) float64{
		"line":         func(i int) float64 { return 50 + 2*float64(i) },
		"season":       func(i int) float64 { return []float64{3, 9, 4, 5}[i%4] },
		"season, line": func(i int) float64 { return []float64{3, 9, 4, 5}[i%4] + float64(i) },
	} {
		t.Run(name, func(t *testing.T) {
			y := make([]float64, 40)
			for i := range y {
				y[i] = at(i)
			}
			f, err := ARIMA{Form: auto}.fit(y, []int{4})
			require.NoError(t, err)
			for h, v := range f.forecast(y, []int{4}, true, 9) {
				assert.InDelta(t, at(40+h), v, 1e-6, "step %d of %s", h+1, f.(*Integrated).Form)
			}
		})
	}
}
