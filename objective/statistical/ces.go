package statistical

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

// CES is complex exponential smoothing (Svetunkov, Kourentzes and Ord, Naval Research Logistics
// 69, 2022). Its level is a complex number: the imaginary part holds what the level alone does
// not explain, so there is no trend to choose. A simplex search minimizes the squared errors.
type CES struct {
	// Form is none; simple, in which each phase of the season has a level of its own; partial,
	// which adds a season that is a real number; full, which adds a complex one; or auto, which
	// chooses the form with the smallest AICc. Without a season, or with fewer than two seasons
	// of values, it is none. Default auto.
	Form string
	// Season is the number of steps in a season. The default is the season of the frequency
	// if it is at most 24 steps, else no season.
	Season int
}

const (
	simple  = "simple"
	partly  = "partial"
	fully   = "full"
	backfit = 3 // passes over the values: forward, backward and forward
)

var cesForms = []string{none, simple, partly, fully}

// Name returns "ces".
func (CES) Name() string { return "ces" }

// Rounds returns "": training has no rounds.
func (CES) Rounds() string { return "" }

// Space returns an empty space: CES chooses its form itself.
func (CES) Space(forecast.Frame) space.Space { return nil }

// New returns a forecaster. The settings form and season replace the fields of c. It fails
// with [forecast.ErrConfig].
func (c CES) New(settings space.Settings) (forecast.Forecaster, error) {
	if err := formed("ces", settings, &c.Form, &c.Season, cesForms); err != nil {
		return nil, err
	}
	return &Forecaster{method: c}, nil
}

func (c CES) seasonsOf(f forecast.Frequency) []int { return ETS{Season: c.Season}.seasonsOf(f) }

// ComplexLevel is a fitted model of [CES]. There are no initial states: each run finds its own.
type ComplexLevel struct {
	Form  string     `json:"form"`
	Alpha [2]float64 `json:"alpha"` // real and imaginary part
	Beta  [2]float64 `json:"beta"`  // of the season
}

// decode implements method.
func (CES) decode(raw json.RawMessage) (fitted, error) {
	l := new(ComplexLevel)
	if err := json.Unmarshal(raw, l); err != nil {
		return nil, err
	}
	if !slices.Contains(cesForms, l.Form) {
		return nil, forecast.ErrFormat
	}
	return l, nil
}

// fit implements method.
func (c CES) fit(y []float64, seasons []int) (fitted, error) {
	m := seasons[0]
	best, least := &ComplexLevel{Form: none, Alpha: [2]float64{2, 1}}, math.Inf(1) // the last value
	if len(y) <= 4 || isConstant(y) {
		return best, nil
	}
	forms := []string{c.Form}
	switch {
	case m == 1 || len(y) < 2*m:
		forms = []string{none}
	case c.Form == auto:
		forms = cesForms
	}
	for _, form := range forms {
		l := &ComplexLevel{Form: form}
		x, upper := []float64{1.3, 1}, []float64{1.8, 1.9}
		switch form {
		case partly:
			x, upper = append(x, 0.1), append(upper, 1.5)
		case fully:
			x, upper = append(x, 1.3, 1), append(upper, 1.5, 1.5)
		}
		states := newCESStates(l, y, m)
		n := float64(len(y))
		search := simplex{lower: []float64{0.01, 0.01, 0.01, 0.01}[:len(x)], upper: upper, iterations: 1000, tolerance: 1e-4, f: func(x []float64) float64 {
			l.set(x)
			return n * math.Log(max(1e-300, states.run(l, y)))
		}}
		x, value := search.minimize(x)
		l.set(x)
		k := float64(states.size + 1)
		if n-k-1 <= 0 {
			continue
		}
		if aicc := value + 2*k + 2*k*(k+1)/(n-k-1); aicc < least {
			best, least = l, aicc
		}
	}
	return best, nil
}

func (l *ComplexLevel) set(x []float64) {
	l.Alpha = [2]float64{x[0], x[1]}
	copy(l.Beta[:], x[2:])
}

// cesStates has the states of a run, in rows: the season before the first value, and one row
// for each value. A row has the level's parts, and those of the season.
type cesStates struct {
	m, size int // rows of a season, and columns
	first   []float64
	rows    []float64
}

// newCESStates returns states that begin as a form requires.
func newCESStates(l *ComplexLevel, y []float64, m int) *cesStates {
	s := &cesStates{m: m, size: 2}
	switch l.Form {
	case none:
		s.m = 1
		mean := average(y[:min(10, len(y))])
		s.first = []float64{mean, mean / 1.1}
	case simple:
		for _, v := range y[:m] {
			s.first = append(s.first, v, v/1.1)
		}
	case partly, fully:
		mean := average(y[:m])
		for _, v := range decompose(y, m, false) {
			s.first = append(s.first, mean, mean/1.1, v)
			if l.Form == fully {
				s.first = append(s.first, v/1.1)
			}
		}
	}
	s.size = len(s.first) / s.m
	s.rows = make([]float64, (len(y)+s.m)*s.size)
	return s
}

// run filters y forward, backward and forward, and returns the sum of the squared errors of
// the last pass. Each pass begins with the forecast that continues the pass before.
func (s *cesStates) run(l *ComplexLevel, y []float64) (squares float64) {
	season := s.m * s.size
	copy(s.rows, s.first)
	for pass := range backfit {
		squares = 0
		for i := range y {
			at := i
			if pass == 1 {
				at = len(y) - 1 - i
			}
			e := y[at] - l.value(s.rows[i*s.size:], s.m, s.size)
			squares += e * e
			l.update(s.rows[i*s.size:], s.m, s.size, e)
		}
		if pass == backfit-1 {
			break
		}
		// The next pass begins with the rows after the last value, in reverse.
		end := s.rows[len(s.rows)-season:]
		ahead := make([]float64, 2*season)
		copy(ahead, end)
		for j := range s.m {
			l.update(ahead[j*s.size:], s.m, s.size, 0)
		}
		for j := range s.m {
			copy(s.rows[j*s.size:(j+1)*s.size], ahead[(2*s.m-1-j)*s.size:])
		}
	}
	return squares
}

// value returns the forecast after m rows.
func (l *ComplexLevel) value(rows []float64, m, size int) float64 {
	switch last := (m - 1) * size; l.Form {
	case simple:
		return rows[0]
	case none:
		return rows[last]
	default:
		return rows[last] + rows[2]
	}
}

// update sets the row after m rows by the error of its forecast.
func (l *ComplexLevel) update(rows []float64, m, size int, e float64) {
	real, imaginary := l.Alpha[0], l.Alpha[1]
	last, next := rows[(m-1)*size:], rows[m*size:]
	if l.Form == simple {
		last = rows
	}
	next[0], next[1] = last[0]-(1-imaginary)*last[1]+(real-imaginary)*e, last[0]+(1-real)*last[1]+(real+imaginary)*e
	switch real, imaginary := l.Beta[0], l.Beta[1]; l.Form {
	case partly:
		next[2] = rows[2] + real*e
	case fully:
		next[2], next[3] = rows[2]-(1-imaginary)*rows[3]+(real-imaginary)*e, rows[2]+(1-real)*rows[3]+(real+imaginary)*e
	}
}

// forecast implements fitted.
func (l *ComplexLevel) forecast(y []float64, seasons []int, _ bool, horizon int) []float64 {
	m := seasons[0]
	if l.Form != none && (m < 2 || len(y) < 2*m) {
		return nil
	}
	s := newCESStates(l, y, m)
	s.run(l, y)
	rows := append(s.rows[len(y)*s.size:], make([]float64, horizon*s.size)...)
	out := make([]float64, horizon)
	for h := range out {
		out[h] = l.value(rows[h*s.size:], s.m, s.size)
		l.update(rows[h*s.size:], s.m, s.size, 0)
	}
	return out
}
