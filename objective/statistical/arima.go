package statistical

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

// ARIMA is the autoregressive integrated moving average with a season (Box and Jenkins, "Time
// Series Analysis", 1970). It chooses the orders as Hyndman and Khandakar do (Journal of
// Statistical Software 27, 2008): a season of a certain strength is differenced once; tests
// of Kwiatkowski, Phillips, Schmidt and Shin determine the other differences; and a stepwise
// search minimizes the AICc, with the exact likelihood.
type ARIMA struct {
	// Form is auto, or the orders of a model, such as (1,1,2) or (0,1,1)(0,1,1), with a c at the
	// end if the differenced series has a mean. The orders of the season come second. Default
	// auto.
	Form string
	// Season is the number of steps in a season. The default is the season of the frequency
	// if it is at most 24 steps, else no season.
	Season int
	// Estimation is standard or exact. standard gives the forecasts of statsforecast: if the
	// series is differenced, the parameters are those of the least conditional squares. exact
	// gives those of R's forecast: the parameters maximize the exact likelihood. Default
	// standard.
	Estimation string
}

const exact = "exact"

// Name returns "arima".
func (ARIMA) Name() string { return "arima" }

// Rounds returns "": training has no rounds.
func (ARIMA) Rounds() string { return "" }

// Space returns the estimation: ARIMA chooses its orders itself.
func (a ARIMA) Space(forecast.Frame) space.Space {
	if a.Estimation != "" {
		return nil
	}
	return space.Of(space.Categorical("estimation", standard, exact))
}

// New returns a forecaster. The settings form, season and estimation replace the fields of a.
// It fails with [forecast.ErrConfig].
func (a ARIMA) New(settings space.Settings) (forecast.Forecaster, error) {
	err := apply("arima", settings, text("form", &a.Form), whole("season", &a.Season, 1), text("estimation", &a.Estimation))
	if err != nil {
		return nil, err
	}
	if a.Estimation = cmp.Or(a.Estimation, standard); a.Estimation != standard && a.Estimation != exact {
		return nil, pkg.Errorf("arima: estimation is %s: %w: want standard or exact", a.Estimation, forecast.ErrConfig)
	}
	if a.Form = cmp.Or(a.Form, auto); a.Form != auto {
		if _, err := parseOrders(a.Form); err != nil {
			return nil, pkg.Errorf("arima: form is %s: %w: want auto, or orders of at most 9 such as (0,1,1)(0,1,1), with a c at the end for a mean", a.Form, err)
		}
	}
	return &Forecaster{method: a}, nil
}

func (a ARIMA) seasonsOf(f forecast.Frequency) []int { return ETS{Season: a.Season}.seasonsOf(f) }

// Orders are the numbers of parameters and differences of a model.
type orders struct {
	p, d, q    int
	sp, sd, sq int  // of the season
	mean       bool // of the differenced series
}

var ordersText = regexp.MustCompile(`^\((\d),(\d),(\d)\)(?:\((\d),(\d),(\d)\))?(c?)$`)

func parseOrders(text string) (orders, error) {
	g := ordersText.FindStringSubmatch(strings.ReplaceAll(text, " ", ""))
	if g == nil {
		return orders{}, forecast.ErrConfig
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(g[i]) // 0 if absent
		return n
	}
	return orders{number(1), number(2), number(3), number(4), number(5), number(6), g[7] == "c"}, nil
}

func (o orders) String() string {
	out := fmt.Sprintf("(%d,%d,%d)", o.p, o.d, o.q)
	if o.sp+o.sd+o.sq > 0 {
		out += fmt.Sprintf("(%d,%d,%d)", o.sp, o.sd, o.sq)
	}
	if o.mean {
		out += "c"
	}
	return out
}

// size returns the number of coefficients without the mean.
func (o orders) size() int { return o.p + o.q + o.sp + o.sq }

// Integrated is a fitted model of [ARIMA]. With B the step back and w the series after its differences, less Mean:
//
//	(1 - Σ AR[i]·B^(i+1))·(1 - Σ SAR[j]·B^(m·(j+1))) w[t] = (1 + Σ MA[i]·B^(i+1))·(1 + Σ SMA[j]·B^(m·(j+1))) e[t]
type Integrated struct {
	Form   string    `json:"form"` // the orders
	Season int       `json:"season"`
	AR     []float64 `json:"ar,omitempty"`
	MA     []float64 `json:"ma,omitempty"`
	SAR    []float64 `json:"seasonal_ar,omitempty"`
	SMA    []float64 `json:"seasonal_ma,omitempty"`
	Mean   float64   `json:"mean,omitempty"` // of the differenced series

	orders orders
}

// decode implements method.
func (ARIMA) decode(raw json.RawMessage) (fitted, error) {
	f := new(Integrated)
	if err := json.Unmarshal(raw, f); err != nil {
		return nil, err
	}
	var err error
	if f.orders, err = parseOrders(f.Form); err != nil {
		return nil, err
	}
	o := f.orders
	if len(f.AR) != o.p || len(f.MA) != o.q || len(f.SAR) != o.sp || len(f.SMA) != o.sq || f.Season < 1 || f.Season > 10_000 {
		return nil, forecast.ErrFormat
	}
	return f, nil
}

// forecast implements fitted.
func (f *Integrated) forecast(y []float64, _ []int, _ bool, horizon int) []float64 {
	if f.orders == (orders{d: 1}) {
		return slices.Repeat(y[len(y)-1:], horizon)
	}
	levels, w := differences(y, f.orders.sd, f.Season, f.orders.d)
	if w == nil {
		return nil
	}
	var a arma
	a.set(f.AR, f.MA, f.SAR, f.SMA, f.Season)
	w = slices.Clone(w)
	for i := range w {
		w[i] -= f.Mean
	}
	if squares, _ := a.filter(w); math.IsInf(squares, 0) {
		return nil
	}
	out := a.next(horizon)
	for h := range out {
		out[h] += f.Mean
	}
	// Each level was differenced to give the next one, the last one to give w.
	for i := len(levels) - 1; i >= 0; i-- {
		lag := 1
		if i < f.orders.sd {
			lag = f.Season
		}
		all := append(slices.Clone(levels[i][len(levels[i])-lag:]), out...)
		for h := range out {
			all[lag+h] += all[h]
		}
		out = all[lag:]
	}
	return out
}

// differences returns y differenced by the season, and then by steps, and each series that it
// differenced. It returns nil if there are no values left.
func differences(y []float64, seasonal, m, steps int) (levels [][]float64, w []float64) {
	w = y
	for i := range seasonal + steps {
		lag := 1
		if i < seasonal {
			lag = m
		}
		if len(w) <= lag {
			return nil, nil
		}
		levels = append(levels, w)
		w = difference(w, lag)
	}
	return levels, w
}

func difference(y []float64, lag int) []float64 {
	out := make([]float64, len(y)-lag)
	for i := range out {
		out[i] = y[i+lag] - y[i]
	}
	return out
}

// The largest orders, and the number of models that the search fits at most.
const (
	mostOrder         = 5
	mostSeasonalOrder = 2
	mostModels        = 94
)

// fit implements method.
func (a ARIMA) fit(y []float64, seasons []int) (fitted, error) {
	m := seasons[0]
	if a.Form != auto {
		o, err := parseOrders(a.Form)
		if err != nil {
			panic("statistical: an ARIMA that New did not check")
		}
		if m == 1 {
			o.sp, o.sd, o.sq = 0, 0, 0
		}
		if _, w := differences(y, o.sd, m, o.d); w != nil && !isConstant(w) {
			if f, aicc := a.search(w, m, o).fit(o); !math.IsInf(aicc, 0) {
				return f, nil
			}
		}
		return lastValue(), nil
	}
	if len(y) <= few || isConstant(y) {
		return lastValue(), nil
	}
	var o orders
	if m > 1 && len(y) > 2*m && seasonalStrength(y, m) > 0.64 {
		o.sd = 1
	}
	_, w := differences(y, o.sd, m, 0)
	o.d = differencesFor(w)
	_, w = differences(y, o.sd, m, o.d)
	if w == nil || isConstant(w) {
		f := &Integrated{Season: m}
		if o.mean = w != nil && o.sd+o.d < 2; o.mean {
			f.Mean = w[0]
		}
		f.orders, f.Form = o, o.String()
		return f, nil
	}
	return a.search(w, m, o).choose(len(y)), nil
}

// lastValue returns the model that repeats the last value.
func lastValue() *Integrated {
	return &Integrated{Form: "(0,1,0)", Season: 1, orders: orders{d: 1}}
}

// seasonalStrength returns 1 less the share of the variance that the season leaves of the
// series without its trend (Wang, Smith and Hyndman, Data Mining and Knowledge Discovery 13,
// 2006): 1 for a series that is all season and trend.
func seasonalStrength(y []float64, m int) float64 {
	season, trend := stl(y, m, 11)
	rest, both := make([]float64, len(y)), make([]float64, len(y))
	for i, v := range y {
		both[i] = v - trend[i]
		rest[i] = both[i] - season[i]
	}
	return 1 - variance(rest)/variance(both)
}

func variance(y []float64) float64 {
	mean, sum := average(y), 0.0
	for _, v := range y {
		sum += (v - mean) * (v - mean)
	}
	return sum / float64(len(y))
}

// differencesFor returns the number of differences, at most 2, after which a test at 5 % no
// longer finds y unsteady.
func differencesFor(y []float64) int {
	const critical = 0.463 // table 1 of Kwiatkowski et al.
	for d := range 2 {
		if len(y) < 2 || isConstant(y) || !(unsteadiness(y) > critical) {
			return d
		}
		if y = difference(y, 1); d > 0 || len(y) < 2 {
			continue
		}
		y = y[1:] // as R's forecast and statsforecast do
	}
	return 2
}

// unsteadiness returns the statistic of the test of a constant level (Kwiatkowski, Phillips,
// Schmidt and Shin, Journal of Econometrics 54, 1992).
func unsteadiness(y []float64) float64 {
	n := float64(len(y))
	lags := int(3 * math.Sqrt(n) / 13)
	mean := average(y)
	var walk, squares, long float64
	for _, v := range y {
		walk += v - mean
		squares += walk * walk
		long += (v - mean) * (v - mean)
	}
	for k := 1; k <= lags; k++ {
		sum := 0.0
		for i := k; i < len(y); i++ {
			sum += (y[i] - mean) * (y[i-k] - mean)
		}
		long += 2 * sum * (1 - float64(k)/float64(lags+1))
	}
	return squares / (n * long)
}

// An arimaSearch fits models to one differenced series.
type arimaSearch struct {
	w      []float64 // the differenced series, its mean square 1
	m      int
	o      orders // the differences
	scale  float64
	mean   float64 // of w
	spread float64 // ten standard errors of the mean
	exact  bool    // maximize the likelihood of differenced series, too

	a       arma
	ar, sar []float64
	rest    []float64 // w without its mean
	tried   map[orders]bool
}

func (a ARIMA) search(w []float64, m int, o orders) *arimaSearch {
	s := &arimaSearch{m: m, o: o, exact: a.Estimation == exact, tried: map[orders]bool{}}
	s.scale = math.Sqrt(variance(w)) + math.Abs(average(w))
	for _, v := range w {
		s.w = append(s.w, v/s.scale)
	}
	s.mean = average(s.w)
	s.spread = 10 * math.Sqrt(variance(s.w)/float64(len(w)))
	s.rest = make([]float64, len(w))
	return s
}

// choose searches stepwise for the orders of a series of n values.
func (s *arimaSearch) choose(n int) *Integrated {
	most := min(mostOrder, n/3)
	seasonal := min(mostSeasonalOrder, n/3/s.m)
	if s.m == 1 {
		seasonal = 0
	} else if most > 0 {
		most = min(most, s.m-1)
	}
	mean := s.o.d+s.o.sd < 2
	least := math.Inf(1)
	best := lastValue()
	// try fits a model that was not tried, and reports whether it is the best so far.
	try := func(p, q, sp, sq int, mean bool) bool {
		o := orders{p, s.o.d, q, sp, s.o.sd, sq, mean}
		if p < 0 || q < 0 || sp < 0 || sq < 0 || p > most || q > most || sp > seasonal || sq > seasonal || s.tried[o] || len(s.tried) >= mostModels {
			return false
		}
		s.tried[o] = true
		if f, aicc := s.fit(o); aicc < least && !nearRoot(s.a.phi, 1) && !nearRoot(s.a.theta, -1) {
			best, least = f, aicc
			return true
		}
		return false
	}
	start, startSeasonal := min(2, most), min(1, seasonal)
	if n < 10 {
		start, startSeasonal = min(1, most), 0
	}
	try(start, start, startSeasonal, startSeasonal, mean)
	try(0, 0, 0, 0, mean)
	if most+seasonal > 0 {
		try(min(1, most), 0, min(1, seasonal), 0, mean)
		try(0, min(1, most), 0, min(1, seasonal), mean)
	}
	at := best.orders // the constant is not that of the best, but what was asked for
	at.mean = mean
	if mean && try(0, 0, 0, 0, false) {
		at = orders{mean: mean}
	}
	neighbours := [][4]int{ // changes of p, q, sp, sq
		{0, 0, -1, 0}, {0, 0, 0, -1}, {0, 0, 1, 0}, {0, 0, 0, 1}, {0, 0, -1, -1}, {0, 0, -1, 1}, {0, 0, 1, -1}, {0, 0, 1, 1},
		{-1, 0, 0, 0}, {0, -1, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}, {-1, -1, 0, 0}, {-1, 1, 0, 0}, {1, -1, 0, 0}, {1, 1, 0, 0},
	}
	for improved := true; improved; {
		improved = false
		for _, c := range neighbours {
			if try(at.p+c[0], at.q+c[1], at.sp+c[2], at.sq+c[3], at.mean) {
				improved = true
				break
			}
		}
		if !improved && mean {
			improved = try(at.p, at.q, at.sp, at.sq, !at.mean)
		}
		if improved {
			at = best.orders
		}
	}
	return best
}

// fit returns the model of some orders, which s.a then is, and its AICc without what all models
// have in common. The AICc is infinite if there are too few values, or if the least squares are
// those of a process that is not stationary.
func (s *arimaSearch) fit(o orders) (*Integrated, float64) {
	x := make([]float64, o.size(), o.size()+1)
	if o.mean {
		x = append(x, 0)
	}
	n, k := float64(len(s.w)), float64(len(x)+1) // the variance is a parameter, too
	if n-k-1 <= 0 {
		return nil, math.Inf(1)
	}
	x, _ = descent{iterations: 100, tolerance: 1e-6, f: func(x []float64) float64 {
		s.set(o, x, false)
		return math.Log(s.a.conditional(s.rest)) / 2
	}}.minimize(x)
	ar, sar := x[:o.p], x[o.p+o.q:o.p+o.q+o.sp]
	if !unpartial(ar, slices.Clone(ar)) || !unpartial(sar, slices.Clone(sar)) {
		return nil, math.Inf(1)
	}
	likelihood := descent{iterations: 100, tolerance: 1e-6, f: func(x []float64) float64 {
		s.set(o, x, true)
		squares, logs := s.a.filter(s.rest)
		return (math.Log(squares/n) + logs/n) / 2
	}}
	value := likelihood.at(x)
	if s.exact || o.d+o.sd == 0 {
		x, value = likelihood.minimize(x)
	}
	aicc := 2*n*value + 2*k + 2*k*(k+1)/(n-k-1)
	if math.IsInf(aicc, 0) || math.IsNaN(aicc) {
		return nil, math.Inf(1)
	}
	s.set(o, x, true)
	f := &Integrated{Form: o.String(), Season: s.m, orders: o}
	f.AR = append(f.AR, s.ar...)
	f.MA = append(f.MA, x[o.p:o.p+o.q]...)
	f.SAR = append(f.SAR, s.sar...)
	f.SMA = append(f.SMA, x[o.p+o.q+o.sp:o.size()]...)
	if o.mean {
		f.Mean = (s.mean + s.spread*x[o.size()]) * s.scale
	}
	return f, aicc
}

// nearRoot reports whether 1 - s·Σ x[i]·z^(i+1) has a root closer to 0 than 1.01, so that the
// process is close to one that is not stationary, or not invertible. A polynomial of degree 1
// is not tested, as in R's forecast.
func nearRoot(x []float64, s float64) bool {
	last := len(x)
	for last > 0 && math.Abs(x[last-1]) <= 1e-8 {
		last--
	}
	if last < 2 {
		return false
	}
	x = slices.Clone(x[:last])
	for i := range x {
		x[i] *= s
	}
	return !isStationary(x, 1.01)
}

// set sets the process, and the series without its mean, from a point of the search. partials
// says whether the point has partial autocorrelations instead of autoregressive coefficients.
func (s *arimaSearch) set(o orders, x []float64, partials bool) {
	ar, sar := x[:o.p], x[o.p+o.q:o.p+o.q+o.sp]
	s.ar, s.sar = append(s.ar[:0], ar...), append(s.sar[:0], sar...)
	if partials {
		partial(s.ar, ar)
		partial(s.sar, sar)
	}
	s.a.set(s.ar, x[o.p:o.p+o.q], s.sar, x[o.p+o.q+o.sp:o.size()], s.m)
	mean := 0.0
	if o.mean {
		mean = s.mean + s.spread*x[o.size()]
	}
	for i, v := range s.w {
		s.rest[i] = v - mean
	}
}
