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
// "Forecasting with Exponential Smoothing", 2008). Its models have an error, a trend and a
// season, each additive or multiplicative. The trend may be damped. A simplex search
// maximizes the likelihood of the parameters and initial states. The form is the one with
// the smallest AICc.
type ETS struct {
	// Form is auto, all, or the letters of error, trend and season, such as MAdM. A means
	// additive, M multiplicative, N none, and Ad or Md a damped trend. auto chooses among the
	// forms without a multiplicative trend, which extrapolates too boldly; all includes them.
	// Both leave out the forms that are numerically unstable: additive errors with anything
	// multiplicative, and MMA. Default auto.
	Form string
	// Season is the number of steps in a season. The default is the season of the frequency
	// if it is at most 24 steps, else no season.
	Season int
	// Estimation is standard or careful. standard gives the forecasts of statsforecast: it
	// makes one search, in which the growth parameter beta is at most 0.2, or 0.2 divided by
	// the season in forms with a season or with multiplicative errors. careful divides by the
	// season in all forms, so that no trend chases the last values. It also resumes a search
	// that ended early, which happens with many seasonal states. Default standard.
	Estimation string
}

const (
	standard = "standard"
	careful  = "careful"
)

// mostSeason is the longest default season. A longer one would have too many initial states.
const mostSeason = 24

// Name returns "ets".
func (ETS) Name() string { return "ets" }

// Rounds returns "": training has no rounds.
func (ETS) Rounds() string { return "" }

// Space returns the choice of the estimation if the series have a season, unless they are so numerous that careful
// estimation takes minutes. Otherwise it is empty: ETS chooses its form itself.
func (e ETS) Space(train forecast.Frame) space.Space {
	season, values := e.seasonOf(train[0].Freq), 0
	for _, s := range train {
		values += s.Len()
	}
	if e.Estimation != "" || season == 1 || values*season > mostCareful {
		return nil
	}
	return space.Of(space.Categorical("estimation", standard, careful))
}

// mostCareful limits the values, times the steps of a season, whose careful estimation is tried.
const mostCareful = 200_000

// New returns a forecaster. The settings form, season and estimation replace the fields of
// e. It fails with [forecast.ErrConfig].
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

func (e ETS) seasonsOf(f forecast.Frequency) []int { return []int{e.seasonOf(f)} }

// A form is the combination of components of a model.
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

// multiplicative reports whether the form requires positive values.
func (f form) multiplicative() bool { return f.err == 'M' || f.trend == 'M' || f.season == 'M' }

// forms returns what to choose from for y with a season of m.
func (e ETS) forms(y []float64, m int) []form {
	if e.Form != auto && e.Form != "all" {
		f, err := parseForm(e.Form)
		if err != nil {
			panic("statistical: an ETS that New did not check")
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

// Smoothing is a fitted model of [ETS]. Season holds the initial seasonal states, starting with the
// state of the first value.
type Smoothing struct {
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

// few is the largest number of values for which nothing is estimated: the forecast is then
// the last value.
const few = 6

// fit implements method.
func (e ETS) fit(y []float64, seasons []int) (fitted, error) {
	m := seasons[0]
	if len(y) <= m {
		m = 1
	}
	walk := &Smoothing{Form: "ANN", Alpha: 0.9999, Phi: 1, Level: y[0], form: form{err: 'A', trend: 'N', season: 'N'}}
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
	s := new(Smoothing)
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
// The search is the well-tested one of R's forecast and of statsforecast. It begins with small
// smoothing parameters, which are smaller for longer seasons, and with states from a
// decomposition of the first values.
func (e ETS) estimate(y []float64, m int, f form) (*Smoothing, float64) {
	const low, high = 1e-4, 1 - 1e-4
	season := 1.0
	if f.season != 'N' {
		season = float64(m)
	}
	growth := low + 0.2*(high-low) // the largest Beta
	if e.Estimation == careful || f.season != 'N' || f.err == 'M' {
		growth = low + 0.2*(high-low)/float64(m)
	}
	s := &Smoothing{Form: f.String(), Alpha: low + 0.2*(high-low)/season, Phi: 1, form: f}
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

// searches returns the maximum number of searches. Each starts where the last one ended.
func (e ETS) searches() int {
	if e.Estimation == careful {
		return 5
	}
	return 1
}

// set takes the parameters from a point of the search. It reports whether they are valid.
func (s *Smoothing) set(x []float64, m int) bool {
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
	s.Season[0] = 0 // the states add up to 0, or to m if multiplicative
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
func (s *Smoothing) begin(y []float64, m int) {
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

// figure returns initial seasonal states of y. With fewer than three seasons they are the
// residuals of a line and a wave in the first season.
func (s *Smoothing) figure(y []float64, m int) []float64 {
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

// run filters y. It returns the deviance, which is -2 times the logarithm of the likelihood
// without a constant, and the states at the end. It leaves the seasonal states in season: the
// state of y[i] is at i modulo its length.
func (s *Smoothing) run(y []float64, season []float64) (deviance float64, end state) {
	f, m := s.form, len(season)
	copy(season, s.Season)
	l, b := s.Level, s.Growth
	follow := s.Beta / s.Alpha
	var squares, logs float64
	product := 1.0 // of forecasts, whose logarithms cost more than all else
	j := 0         // i modulo m
	for _, v := range y {
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
			at, p = q+season[j], v-season[j]
		case 'M':
			at, p = q*season[j], v/season[j]
		}
		e := v - at
		if f.err == 'M' {
			e /= at
			if product *= math.Abs(at); !(product > 1e-100 && product < 1e100) {
				logs += math.Log(product)
				product = 1
			}
		}
		squares += e * e
		next := q + s.Alpha*(p-q)
		switch f.trend {
		case 'A':
			b = grown + follow*(next-l-grown)
		case 'M':
			b = grown + follow*(next/l-grown)
		}
		l = next
		switch f.season {
		case 'A':
			season[j] += s.Gamma * (v - q - season[j])
		case 'M':
			season[j] += s.Gamma * (v/q - season[j])
		}
		if j++; j >= m {
			j = 0
		}
	}
	logs += math.Log(product)
	return float64(len(y))*math.Log(max(squares, 1e-300)) + 2*logs, state{l, b, season}
}

// A state is the state of a model at the end of a series.
type state struct {
	level, growth float64
	season        []float64
}

// forecast implements fitted. The smoothing parameters stay; the initial states are estimated
// again for a series that begins elsewhere.
func (s *Smoothing) forecast(y []float64, _ []int, begun bool, horizon int) []float64 {
	m := max(1, len(s.Season))
	if !begun {
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
