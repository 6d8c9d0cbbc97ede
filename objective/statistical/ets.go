package statistical

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

// ETS is exponential smoothing in state-space form (Hyndman, Koehler, Ord and Snyder,
// "Forecasting with Exponential Smoothing", 2008): models of error, trend and season, each
// additive or multiplicative, the trend perhaps damped. Parameters and initial states are
// those of the greatest likelihood, as far as a simplex search finds it, and the form is the
// one with the least AICc.
type ETS struct {
	// Form is the model: auto, all, or the letters of error, trend and season as in MAdM.
	// A is additive, M multiplicative, N none, and Ad or Md is a damped trend. auto chooses
	// among the forms without a multiplicative trend, which extrapolates too boldly; all
	// includes them. Neither tries the forms that are numerically unstable: additive errors
	// with anything multiplicative, and MMA. Default auto.
	Form string
	// Season is the number of steps in a season. Default that of the frequency, if it is at
	// most 24, else none.
	Season int
	// Estimation is how parameters are found. standard is the way of statsforecast, and gives
	// its forecasts: one search, with a growth parameter beta of at most 0.2, or 0.2 divided
	// by the season in forms with a season or with multiplicative errors. careful divides by
	// the season in all forms, so that no trend chases the last values, and goes on where a
	// search ended early, as it does with many seasonal states. Default standard.
	Estimation string
}

const (
	standard = "standard"
	careful  = "careful"
)

// mostSeason is the longest season that ETS has by default. A longer one would have too many
// initial states.
const mostSeason = 24

// Name returns "ets".
func (ETS) Name() string { return "ets" }

// Rounds returns "": training has no rounds.
func (ETS) Rounds() string { return "" }

// Space returns what there is to search: the estimation, if the series have a season. ETS
// chooses its form itself.
func (e ETS) Space(train forecast.Frame) space.Space {
	if e.Estimation != "" || e.seasonOf(train[0].Freq) == 1 {
		return nil
	}
	return space.Of(space.Categorical("estimation", standard, careful))
}

// New returns a forecaster with some settings other than e's: form, season and
// estimation, as the fields. It fails with [forecast.ErrConfig].
func (e ETS) New(settings space.Settings) (forecast.Forecaster, error) {
	err := apply("ets", settings, text("form", &e.Form), whole("season", &e.Season, 1), text("estimation", &e.Estimation))
	if err != nil {
		return nil, err
	}
	e.Form, e.Estimation = cmp.Or(e.Form, auto), cmp.Or(e.Estimation, standard)
	if e.Estimation != standard && e.Estimation != careful {
		return nil, pkg.Errorf("ets: estimation is %s: %w: want standard or careful", e.Estimation, forecast.ErrConfig)
	}
	if e.Form != auto && e.Form != "all" {
		if _, err := parseForm(e.Form); err != nil {
			return nil, pkg.Errorf("ets: form is %s: %w: want auto, all or letters such as AAdM", e.Form, err)
		}
	}
	return &Forecaster{method: e}, nil
}

func (e ETS) seasonOf(f forecast.Frequency) int {
	switch m := f.Season(); {
	case e.Season > 0:
		return e.Season
	case m <= mostSeason:
		return m
	}
	return 1
}

// A form is what a model is made of.
type form struct {
	err, trend, season byte // A, M or N; the error is not N
	damped             bool
}

var formText = regexp.MustCompile(`^([AM])(?:(N)|([AM])(d?))([NAM])$`)

func parseForm(text string) (form, error) {
	g := formText.FindStringSubmatch(text)
	if g == nil {
		return form{}, forecast.ErrConfig
	}
	return form{g[1][0], (g[2] + g[3])[0], g[5][0], g[4] == "d"}, nil
}

func (f form) String() string {
	d := ""
	if f.damped {
		d = "d"
	}
	return string(f.err) + string(f.trend) + d + string(f.season)
}

// stable reports whether the form has no numerical difficulties.
func (f form) stable() bool {
	if f.err == 'A' {
		return f.trend != 'M' && f.season != 'M'
	}
	return f.trend != 'M' || f.season != 'A'
}

// multiplicative reports whether the form takes values above 0.
func (f form) multiplicative() bool { return f.err == 'M' || f.trend == 'M' || f.season == 'M' }

// forms returns what to choose from for y with a season of m.
func (e ETS) forms(y []float64, m int) []form {
	if e.Form != auto && e.Form != "all" {
		f, err := parseForm(e.Form)
		if err != nil {
			panic("statistical: an ETS that New has not checked")
		}
		if m == 1 {
			f.season = 'N'
		}
		return []form{f}
	}
	positive := slices.Min(y) > 0
	var out []form
	for _, err := range "AM" {
		for _, trend := range "NAM" {
			for _, season := range "NAM" {
				for _, damped := range []bool{true, false} {
					f := form{byte(err), byte(trend), byte(season), damped}
					if f.stable() && (positive || !f.multiplicative()) && !(damped && trend == 'N') &&
						(e.Form == "all" || trend != 'M') && (m > 1 || season == 'N') {
						out = append(out, f)
					}
				}
			}
		}
	}
	return out
}

// A smoother is a fitted model. Season holds the initial seasonal states, that of the first
// value first.
type smoother struct {
	Form   string    `json:"form"`
	Alpha  float64   `json:"alpha"`
	Beta   float64   `json:"beta,omitempty"` // of the growth; at most alpha in theory
	Gamma  float64   `json:"gamma,omitempty"`
	Phi    float64   `json:"phi"` // 1: not damped
	Level  float64   `json:"level"`
	Growth float64   `json:"growth,omitempty"`
	Season []float64 `json:"season,omitempty"`

	form form
}

// few is the most values from which nothing is estimated: the forecast is the last of them.
const few = 6

// fit implements method.
func (e ETS) fit(y []float64, m int) (fitted, error) {
	if len(y) <= m {
		m = 1
	}
	walk := &smoother{Form: "ANN", Alpha: 0.9999, Phi: 1, Level: y[0], form: form{err: 'A', trend: 'N', season: 'N'}}
	if len(y) <= few || isConstant(y) {
		return walk, nil
	}
	best, least := walk, math.Inf(1)
	for _, f := range e.forms(y, m) {
		if f.multiplicative() && slices.Min(y) <= 0 {
			return nil, fmt.Errorf("%w: the form %v takes values above 0: use the form auto", forecast.ErrDomain, f)
		}
		if s, aicc := e.estimate(y, m, f); aicc < least {
			best, least = s, aicc
		}
	}
	return best, nil
}

// decode implements method.
func (ETS) decode(raw json.RawMessage) (fitted, error) {
	s := new(smoother)
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, err
	}
	var err error
	if s.form, err = parseForm(s.Form); err != nil {
		return nil, err
	}
	if (s.form.season == 'N') != (len(s.Season) == 0) || !(s.Alpha > 0) {
		return nil, forecast.ErrFormat
	}
	return s, nil
}

// estimate returns the model of a form and its AICc, which is infinite if there are too few
// values for its parameters.
//
// The search is the one that has proved itself in R's forecast and in statsforecast: it
// begins with smoothing parameters that are small, the smaller the longer the season, and
// with states from a decomposition of the first values.
func (e ETS) estimate(y []float64, m int, f form) (*smoother, float64) {
	const low, high = 1e-4, 1 - 1e-4
	season := 1.0
	if f.season != 'N' {
		season = float64(m)
	}
	growth := low + 0.2*(high-low) // the most that Beta may be
	if e.Estimation == careful || f.season != 'N' || f.err == 'M' {
		growth = low + 0.2*(high-low)/float64(m)
	}
	s := &smoother{Form: f.String(), Alpha: low + 0.2*(high-low)/season, Phi: 1, form: f}
	s.begin(y, m)

	var x, lower, upper []float64
	add := func(v, low, high float64) {
		x, lower, upper = append(x, v), append(lower, low), append(upper, high)
	}
	unbounded := math.Inf(1)
	add(s.Alpha, low, high)
	if f.trend != 'N' {
		add(low+0.1*(growth-low), low, growth)
	}
	if f.season != 'N' {
		rest := 1 - s.Alpha
		add(low+0.05*(rest-low), low, rest)
	}
	if f.damped {
		add(0.8+0.99*0.18, 0.8, 0.98)
	}
	add(s.Level, -unbounded, unbounded)
	if f.trend != 'N' {
		add(s.Growth, -unbounded, unbounded)
	}
	for _, v := range s.Season[min(1, len(s.Season)):] {
		add(v, -unbounded, unbounded)
	}
	if len(x) >= len(y)-1 {
		return nil, unbounded
	}
	work := make([]float64, len(s.Season))
	search := simplex{lower: lower, upper: upper, iterations: 1000, tolerance: 1e-4, f: func(x []float64) float64 {
		if !s.set(x, m) {
			return unbounded
		}
		deviance, _ := s.run(y, work)
		return deviance
	}}
	x, least := search.minimize(x)
	for range e.searches() - 1 {
		before := least
		if x, least = search.minimize(x); least > before-0.01 {
			break
		}
	}
	s.set(x, m)
	deviance, _ := s.run(y, work)
	n, k := float64(len(y)), float64(len(x)+1) // the variance of the error is a parameter, too
	aicc := deviance + 2*k + 2*k*(k+1)/(n-k-1)
	if math.IsNaN(aicc) || n-k-1 <= 0 {
		aicc = unbounded
	}
	return s, aicc
}

// searches is how many searches there are at most, each from where the last one ended.
func (e ETS) searches() int {
	if e.Estimation == careful {
		return 5
	}
	return 1
}

// set takes the parameters from a point of the search. It reports whether they are possible.
func (s *smoother) set(x []float64, m int) bool {
	take := func() float64 {
		v := x[0]
		x = x[1:]
		return v
	}
	s.Alpha = take()
	if s.form.trend != 'N' {
		s.Beta = take()
	}
	if s.form.season != 'N' {
		s.Gamma = take()
	}
	if s.form.damped {
		s.Phi = take()
	}
	s.Level = take()
	if s.form.trend != 'N' {
		s.Growth = take()
	}
	if s.form.season == 'N' {
		return true
	}
	s.Season[0] = 0 // what the others leave
	if s.form.season == 'M' {
		s.Season[0] = float64(m)
	}
	for i, v := range x {
		s.Season[i+1] = v
		s.Season[0] -= v
	}
	return s.form.season == 'A' || slices.Min(s.Season) >= 0
}

// begin sets the initial states to those of a decomposition of the first values.
func (s *smoother) begin(y []float64, m int) {
	adjusted := y
	s.Season = nil
	if s.form.season != 'N' {
		s.Season = s.figure(y, m)
		adjusted = make([]float64, len(y))
		for i, v := range y {
			if j := i % m; s.form.season == 'A' {
				adjusted[i] = v - s.Season[j]
			} else {
				adjusted[i] = v / s.Season[j]
			}
		}
	} else {
		m = 1
	}
	first := adjusted[:min(len(y), max(10, 2*m))]
	if s.form.trend == 'N' {
		s.Level = average(first)
		return
	}
	a, b := line(first)
	s.Level, s.Growth = a, b
	if s.form.trend == 'M' {
		s.Growth = (a + 2*b) / (a + b)
		s.Level = (a + b) / s.Growth
		if !(s.Level > 1e-8 && s.Growth > 1e-8) && len(first) > 1 {
			s.Level, s.Growth = max(first[0], 1e-3), max(first[1]/first[0], 1e-3)
		}
	}
}

// figure returns initial seasonal states of y. With fewer than three seasons they are what
// the first season leaves of a line and a wave.
func (s *smoother) figure(y []float64, m int) []float64 {
	var out []float64
	if len(y) < 3*m {
		a, b := wave(y, m)
		for i := range m {
			if t := a + b*float64(i+1); s.form.season == 'A' {
				out = append(out, y[i]-t)
			} else {
				out = append(out, y[i]/t)
			}
		}
	} else {
		out = decompose(y, m, s.form.season == 'M')
	}
	if s.form.season == 'M' {
		for i := range out {
			out[i] = max(out[i], 0.01)
		}
	}
	return out
}

// run filters y and returns -2 times the logarithm of the likelihood, but for a constant,
// and the states at the end, whose seasonal ones are in season: that of y[i] at i modulo its
// length.
func (s *smoother) run(y []float64, season []float64) (deviance float64, end state) {
	f, m := s.form, len(season)
	copy(season, s.Season)
	l, b := s.Level, s.Growth
	var squares, logs float64
	for i, v := range y {
		q, grown := l, 0.0 // the level without the season, and the growth
		switch f.trend {
		case 'A':
			grown = s.Phi * b
			q = l + grown
		case 'M':
			grown = b
			if f.damped {
				grown = math.Pow(b, s.Phi)
			}
			q = l * grown
		}
		at, p := q, v // the forecast, and the value without the season
		switch f.season {
		case 'A':
			at, p = q+season[i%m], v-season[i%m]
		case 'M':
			at, p = q*season[i%m], v/season[i%m]
		}
		e := v - at
		if f.err == 'M' {
			e /= at
			logs += math.Log(math.Abs(at))
		}
		squares += e * e
		next := q + s.Alpha*(p-q)
		switch f.trend {
		case 'A':
			b = grown + s.Beta/s.Alpha*(next-l-grown)
		case 'M':
			b = grown + s.Beta/s.Alpha*(next/l-grown)
		}
		l = next
		switch f.season {
		case 'A':
			season[i%m] += s.Gamma * (v - q - season[i%m])
		case 'M':
			season[i%m] += s.Gamma * (v/q - season[i%m])
		}
	}
	return float64(len(y))*math.Log(max(squares, 1e-300)) + 2*logs, state{l, b, season}
}

// A state is what a model knows at the end of a series.
type state struct {
	level, growth float64
	season        []float64
}

// forecast implements fitted. The smoothing parameters stay; the initial states are found
// anew for a series that begins elsewhere.
func (s *smoother) forecast(y []float64, m int, begun bool, horizon int) []float64 {
	if m = max(1, len(s.Season)); !begun {
		if len(y) < 2*m || s.form.multiplicative() && slices.Min(y) <= 0 {
			return nil
		}
		again := *s
		again.begin(y, m)
		s = &again
	}
	_, end := s.run(y, make([]float64, len(s.Season)))
	out := make([]float64, horizon)
	sum, power := 0.0, s.Phi // of the powers of Phi
	for h := range out {
		sum += power
		power *= s.Phi
		switch s.form.trend {
		case 'N':
			out[h] = end.level
		case 'A':
			out[h] = end.level + sum*end.growth
		case 'M':
			out[h] = end.level * math.Pow(end.growth, sum)
		}
		switch j := (len(y) + h) % m; s.form.season {
		case 'A':
			out[h] += end.season[j]
		case 'M':
			out[h] *= end.season[j]
		}
	}
	return out
}
