package statistical

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

// Theta is the Theta method (Assimakopoulos and Nikolopoulos, International Journal of
// Forecasting 16, 2000) as the state-space models of Fiorucci et al. (International Journal
// of Forecasting 32, 2016). A series is seasonally adjusted first if a test finds it seasonal.
type Theta struct {
	// Form is stm, the standard method; otm, which optimizes theta; dstm or dotm, which fit
	// the line again at each value; or auto, which chooses the form with the smallest squared
	// error of one step within the series. Default auto.
	Form string
	// Season is the number of steps in a season. The default is the season of the frequency.
	Season int
}

var thetaForms = []string{"stm", "otm", "dstm", "dotm"}

// Name returns "theta".
func (Theta) Name() string { return "theta" }

// Rounds returns "": training has no rounds.
func (Theta) Rounds() string { return "" }

// Space returns an empty space: Theta chooses its form itself.
func (Theta) Space(forecast.Frame) space.Space { return nil }

// New returns a forecaster. The settings form and season replace the fields of t. It fails
// with [forecast.ErrConfig].
func (t Theta) New(settings space.Settings) (forecast.Forecaster, error) {
	if err := formed("theta", settings, &t.Form, &t.Season, thetaForms); err != nil {
		return nil, err
	}
	return &Forecaster{method: t}, nil
}

func (t Theta) seasonsOf(f forecast.Frequency) []int { return []int{cmp.Or(t.Season, f.Season())} }

// ThetaLine is a fitted model of [Theta].
type ThetaLine struct {
	Form   string  `json:"form"`
	Level  float64 `json:"level"` // level before the first value
	Alpha  float64 `json:"alpha"`
	Theta  float64 `json:"theta"`
	Adjust string  `json:"adjust,omitempty"` // how the season is removed: additive, multiplicative, or not at all
}

const (
	additive       = "additive"
	multiplicative = "multiplicative"
)

// decode implements method.
func (Theta) decode(raw json.RawMessage) (fitted, error) {
	l := new(ThetaLine)
	if err := json.Unmarshal(raw, l); err != nil {
		return nil, err
	}
	if !slices.Contains(thetaForms, l.Form) || !(l.Alpha > 0 && l.Theta >= 1) {
		return nil, forecast.ErrFormat
	}
	return l, nil
}

// fit implements method.
func (t Theta) fit(y []float64, seasons []int) (fitted, error) {
	m := seasons[0]
	if len(y) <= 3 || isConstant(y) {
		return &ThetaLine{Form: "stm", Level: y[0], Alpha: 0.99, Theta: 1}, nil // repeats the last value
	}
	adjust := ""
	if isSeasonal(y, m) {
		adjust = additive
		if slices.Min(y) > 0 && slices.Min(decompose(y, m, true)) >= 0.01 {
			adjust = multiplicative
		}
	}
	z, _ := adjusted(y, m, adjust)
	candidates := thetaForms
	if t.Form != auto {
		candidates = []string{t.Form}
	}
	best, least := &ThetaLine{Form: candidates[0], Level: z[0], Alpha: 0.5, Theta: 2, Adjust: adjust}, math.Inf(1)
	for _, f := range candidates {
		l := &ThetaLine{Form: f, Theta: 2, Adjust: adjust}
		x, lower, upper := []float64{z[0] / 2, 0.5}, []float64{-1e10, 0.1}, []float64{1e10, 0.99}
		if l.optimizes() {
			x, lower, upper = append(x, 2), append(lower, 1), append(upper, 1e10)
		}
		scale := max(1e-10, average(absolute(z)))
		search := simplex{lower: lower, upper: upper, iterations: 1000, tolerance: 1e-4, f: func(x []float64) float64 {
			l.set(x)
			squares, _ := l.run(z)
			return squares / scale
		}}
		x, squares := search.minimize(x)
		if l.set(x); squares < least {
			best, least = l, squares
		}
	}
	return best, nil
}

func (l *ThetaLine) optimizes() bool { return l.Form == "otm" || l.Form == "dotm" }
func (l *ThetaLine) dynamic() bool   { return l.Form == "dstm" || l.Form == "dotm" }

func (l *ThetaLine) set(x []float64) {
	l.Level, l.Alpha = x[0], x[1]
	if l.optimizes() {
		l.Theta = x[2]
	}
}

// A thetaState is the state of a model after n values: the level, the mean of the values, and
// the line a + b·t through them.
type thetaState struct {
	n           float64
	level, mean float64
	a, b        float64
}

// next returns the forecast of the value after the state: equation (6) of Fiorucci et al.
func (l *ThetaLine) next(s thetaState) float64 {
	decay := math.Pow(1-l.Alpha, s.n)
	return s.level + (1-1/l.Theta)*(s.a*decay+s.b*(1-decay*(1-l.Alpha))/l.Alpha)
}

// with returns the state after one more value.
func (l *ThetaLine) with(s thetaState, y float64) thetaState {
	t := s
	t.n++
	t.level = l.Alpha*y + (1-l.Alpha)*s.level
	if l.dynamic() {
		t.mean = (s.n*s.mean + y) / t.n
		t.b = ((s.n-1)*s.b + 6*(y-s.mean)/t.n) / (t.n + 1)
		t.a = t.mean - t.b*(t.n+1)/2
	}
	return t
}

// run filters y. It returns the sum of the squared errors of one step, without the first
// three, and the state at the end.
func (l *ThetaLine) run(y []float64) (squares float64, s thetaState) {
	s = thetaState{n: 1, level: l.Alpha*y[0] + (1-l.Alpha)*l.Level, mean: y[0], a: y[0]}
	if !l.dynamic() {
		s.a, s.b = line(y)
	}
	for i, v := range y[1:] {
		if e := v - l.next(s); i >= 2 {
			squares += e * e
		}
		s = l.with(s, v)
	}
	return squares, s
}

// forecast implements fitted.
func (l *ThetaLine) forecast(y []float64, seasons []int, begun bool, horizon int) []float64 {
	m := seasons[0]
	if l.Adjust != "" && len(y) < 2*m || l.Adjust == multiplicative && slices.Min(y) <= 0 {
		return nil
	}
	again := *l
	if !begun {
		again.Level = y[0]
	}
	z, figure := adjusted(y, m, l.Adjust)
	_, s := again.run(z)
	out := make([]float64, horizon)
	for h := range out {
		out[h] = again.next(s)
		s = again.with(s, out[h])
		switch j := (len(y) + h) % m; l.Adjust {
		case additive:
			out[h] += figure[j]
		case multiplicative:
			out[h] *= figure[j]
		}
	}
	return out
}

// adjusted returns y without its season, and the seasonal figure.
func adjusted(y []float64, m int, how string) (z, figure []float64) {
	if how == "" {
		return y, nil
	}
	figure = decompose(y, m, how == multiplicative)
	z = make([]float64, len(y))
	for i, v := range y {
		if how == additive {
			z[i] = v - figure[i%m]
		} else {
			z[i] = v / figure[i%m]
		}
	}
	return z, figure
}

func absolute(y []float64) []float64 {
	out := make([]float64, len(y))
	for i, v := range y {
		out[i] = math.Abs(v)
	}
	return out
}
