package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
)

// A recursion is the part of a graph that runs statistical models over whole series. Vectors have one number for each
// row of the batch. Rows begin with NaN where a series is shorter than the longest.
type recursion struct {
	*Builder
	history Value   // [batch, steps], with gaps
	like    Value   // any vector of the batch
	series  Value   // the places of the rows' models, or nothing if there is one model
	fills   []Value // see filled
	seasons []int   // of fills
	horizon int
}

func (r *recursion) add(a, b Value) Value      { return r.Op("Add", nil, a, b) }
func (r *recursion) sub(a, b Value) Value      { return r.Op("Sub", nil, a, b) }
func (r *recursion) mul(a, b Value) Value      { return r.Op("Mul", nil, a, b) }
func (r *recursion) div(a, b Value) Value      { return r.Op("Div", nil, a, b) }
func (r *recursion) where(c, a, b Value) Value { return r.Op("Where", nil, c, a, b) }
func (r *recursion) not(c Value) Value         { return r.Op("Not", nil, c) }
func (r *recursion) missing(v Value) Value     { return r.Op("IsNaN", nil, v) }
func (r *recursion) known(v Value) Value       { return r.not(r.missing(v)) }
func (r *recursion) less(v Value, x float64) Value {
	return r.Op("Less", nil, v, r.Number(r.like, x))
}
func (r *recursion) plus(v Value, x float64) Value  { return r.add(v, r.Number(r.like, x)) }
func (r *recursion) times(v Value, x float64) Value { return r.mul(v, r.Number(r.like, x)) }

// column returns a vector as a column, [batch, 1].
func (r *recursion) column(v Value) Value { return r.Op("Unsqueeze", nil, v, r.Integers(1)) }

// all returns a vector of one number.
func (r *recursion) all(x float64) Value {
	return r.where(r.Const(Scalar("", true)), r.Number(r.like, x), r.like)
}

// blank returns [batch, n] of one number.
func (r *recursion) blank(x float64, n int) Value {
	if n == 0 {
		return Value{}
	}
	return r.where(r.Const(Scalar("", true)), r.Floats(r.like, slices.Repeat([]float64{x}, n)), r.column(r.like))
}

// each returns a number for each row, from numbers by model.
func (r *recursion) each(x []float64) Value {
	if len(x) == 1 {
		return r.all(x[0])
	}
	return r.Op("Gather", []Attr{{"axis", Int(0)}}, r.Floats(r.like, x), r.series)
}

// rows returns [batch, n], from lists of n numbers by model.
func (r *recursion) rows(x [][]float64) Value {
	n := len(x[0])
	if len(x) == 1 {
		return r.where(r.Const(Scalar("", true)), r.Floats(r.like, x[0]), r.column(r.like))
	}
	return r.Op("Gather", []Attr{{"axis", Int(0)}}, r.Floats(r.like, slices.Concat(x...), int64(len(x)), int64(n)), r.series)
}

// tail returns v without its first n columns, and head without its last n.
func (r *recursion) tail(v Value, n int) Value { return r.Slice(v, 1, n, math.MaxInt32) }
func (r *recursion) head(v Value, n int) Value { return r.Slice(v, 1, 0, -n) }

// front returns the first column as a vector, and back the last.
func (r *recursion) front(v Value) Value { return r.pick(v, 1, 0) }
func (r *recursion) back(v Value) Value  { return r.pick(v, 1, -1) }

// push drops the first of n columns and appends a vector.
func (r *recursion) push(v Value, n int, last Value) Value {
	if n == 1 {
		return r.column(last)
	}
	return r.Concat(1, r.Slice(v, 1, 1, n), r.column(last))
}

// turn returns n columns, the first ones last: those from by on come first.
func (r *recursion) turn(v Value, n, by int) Value {
	if by %= n; by == 0 {
		return v
	}
	return r.Concat(1, r.Slice(v, 1, by, n), r.Slice(v, 1, 0, by))
}

// over runs body over the columns of inputs. Where the first input is missing, the states stay, and what is collected
// does not matter.
func (r *recursion) over(backward bool, states, inputs []Value, body func(states, in []Value) (next, out []Value)) (last, collected []Value) {
	return r.Scan(backward, states, inputs, func(old, in []Value) ([]Value, []Value) {
		next, out := body(old, in)
		known := r.known(in[0])
		for i, v := range next {
			if r.err != nil {
				break
			}
			c := known
			if len(old[i].Dims) > 1 {
				c = r.column(known)
			}
			next[i] = r.where(c, v, old[i])
		}
		return next, out
	})
}

// ahead runs body a number of times. It returns the last states, and one vector of each time as columns, if body
// returns any.
func (r *recursion) ahead(steps int, states []Value, body func(states []Value) (next, out []Value)) (last []Value, columns Value) {
	rounds := r.Floats(r.like, make([]float64, steps), 1, int64(steps))
	last, collected := r.Scan(false, states, []Value{rounds}, func(states, _ []Value) ([]Value, []Value) { return body(states) })
	if len(collected) > 0 {
		columns = collected[0]
	}
	return last, columns
}

// filled returns the history without gaps, for a season of m steps: see the documentation of package statistical.
func (r *recursion) filled(m int) Value {
	if i := slices.Index(r.seasons, m); i >= 0 {
		return r.fills[i]
	}
	nan := r.all(math.NaN())
	zero := r.all(0)
	// The next known value, and how far it is.
	_, next := r.Scan(true, []Value{nan, zero}, []Value{r.history}, func(states, in []Value) ([]Value, []Value) {
		known := r.known(in[0])
		value, far := r.where(known, in[0], states[0]), r.where(known, r.all(0), r.plus(states[1], 1))
		return []Value{value, far}, []Value{value, far}
	})
	if r.err != nil {
		return Value{}
	}
	// The states are the last known value, how far it is, the number of values, and the last season.
	_, out := r.Scan(false, []Value{nan, zero, zero, r.blank(math.NaN(), m)}, append([]Value{r.history}, next...), func(states, in []Value) ([]Value, []Value) {
		known, since := r.known(in[0]), r.plus(states[1], 1)
		value := r.where(known, in[0], states[0])
		between := r.add(states[0], r.div(r.mul(r.sub(in[1], states[0]), since), r.add(since, in[2])))
		season := r.back(states[3])
		if m > 1 {
			season = r.where(r.less(states[2], float64(m)), season, r.front(states[3]))
		}
		v := r.where(known, in[0], r.where(r.missing(in[1]), season, between))
		begun := r.known(v)
		count := r.where(begun, r.plus(states[2], 1), states[2])
		return []Value{value, r.where(known, r.all(0), since), count, r.push(states[3], m, v)}, []Value{v}
	})
	if r.err != nil {
		return Value{}
	}
	r.seasons, r.fills = append(r.seasons, m), append(r.fills, out[0])
	return out[0]
}

// statistical returns the forecasts of fitted models, [batch, horizon]. The models of all series are of one method,
// and of several forms: each form runs on all rows.
func (r *recursion) statistical(models []statistical.Fitted, seasons []int) Value {
	kinds, first := map[string]int{}, []any{}
	var kind []float64
	for _, m := range models {
		text := kindOf(m.Model)
		if _, ok := kinds[text]; !ok {
			kinds[text], first = len(first), append(first, m.Model)
		}
		kind = append(kind, float64(kinds[text]))
	}
	var out Value
	for k := range first {
		of := make([]any, len(models)) // rows of other kinds take the parameters of one of this kind
		for i, m := range models {
			of[i] = first[k]
			if int(kind[i]) == k {
				of[i] = m.Model
			}
		}
		next := r.method(of, seasons)
		if k == 0 {
			out = next
			continue
		}
		mine := r.Op("Equal", nil, r.column(r.each(kind)), r.Number(r.like, float64(k)))
		out = r.where(mine, next, out)
	}
	return out
}

// kindOf returns what a graph depends on, apart from numbers.
func kindOf(model any) string {
	switch m := model.(type) {
	case *statistical.Smoothing:
		return fmt.Sprint(m.Form, len(m.Season))
	case *statistical.ThetaLine:
		return m.Form + m.Adjust
	case *statistical.ComplexLevel:
		return m.Form
	case *statistical.Integrated:
		sd, d := m.Differences()
		return fmt.Sprint(sd, d, m.Season)
	case statistical.Demand:
		return m.Form
	case *statistical.Decomposed:
		return fmt.Sprint(m.Transform, m.Seasons, m.Remainder().Form)
	}
	return ""
}

func (r *recursion) method(models []any, seasons []int) Value {
	y := r.filled(seasons[0])
	if r.err != nil {
		return Value{}
	}
	switch models[0].(type) {
	case *statistical.Smoothing:
		return r.smoothing(as[*statistical.Smoothing](models), y)
	case *statistical.ThetaLine:
		return r.theta(as[*statistical.ThetaLine](models), y, seasons[0])
	case *statistical.ComplexLevel:
		return r.ces(as[*statistical.ComplexLevel](models), y, seasons[0])
	case *statistical.Integrated:
		return r.arima(as[*statistical.Integrated](models), y)
	case statistical.Demand:
		return r.croston(as[statistical.Demand](models), y)
	case *statistical.Decomposed:
		return r.decomposed(as[*statistical.Decomposed](models), y)
	}
	r.fail("forecaster: %w: a model of type %T", ErrUnsupported, models[0])
	return Value{}
}

func as[T any](models []any) []T {
	out := make([]T, len(models))
	for i, m := range models {
		out[i] = m.(T)
	}
	return out
}

// of returns a number of each model.
func of[T any](models []T, f func(T) float64) []float64 {
	out := make([]float64, len(models))
	for i, m := range models {
		out[i] = f(m)
	}
	return out
}

// listOf returns a list of numbers of each model.
func listOf[T any](models []T, f func(T) []float64) [][]float64 {
	out := make([][]float64, len(models))
	for i, m := range models {
		out[i] = f(m)
	}
	return out
}

// smoothing returns the forecasts of models of exponential smoothing of one form.
func (r *recursion) smoothing(models []*statistical.Smoothing, y Value) Value {
	form, m := models[0].Form, len(models[0].Season)
	trend, season, damped := form[1], form[len(form)-1], len(form) == 4
	alpha := r.each(of(models, func(s *statistical.Smoothing) float64 { return s.Alpha }))
	follow := r.each(of(models, func(s *statistical.Smoothing) float64 { return s.Beta / s.Alpha }))
	gamma := r.each(of(models, func(s *statistical.Smoothing) float64 { return s.Gamma }))
	phi := r.each(of(models, func(s *statistical.Smoothing) float64 { return s.Phi }))
	// The growth counts only if there is a trend.
	states := []Value{r.each(of(models, func(s *statistical.Smoothing) float64 { return s.Level })),
		r.each(of(models, func(s *statistical.Smoothing) float64 { return s.Growth }))}
	if season != 'N' {
		states = append(states, r.rows(listOf(models, func(s *statistical.Smoothing) []float64 { return s.Season })))
	}
	end, _ := r.over(false, states, []Value{y}, func(states, in []Value) ([]Value, []Value) {
		v, level, growth := in[0], states[0], states[1]
		grown, q, p := growth, level, v
		switch trend {
		case 'A':
			grown = r.mul(phi, growth)
			q = r.add(level, grown)
		case 'M':
			if damped {
				grown = r.Op("Pow", nil, growth, phi)
			}
			q = r.mul(level, grown)
		}
		var figure Value
		switch season {
		case 'A':
			figure = r.front(states[2])
			p = r.sub(v, figure)
		case 'M':
			figure = r.front(states[2])
			p = r.div(v, figure)
		}
		next := r.add(q, r.mul(alpha, r.sub(p, q)))
		switch trend {
		case 'A':
			growth = r.add(grown, r.mul(follow, r.sub(r.sub(next, level), grown)))
		case 'M':
			growth = r.add(grown, r.mul(follow, r.sub(r.div(next, level), grown)))
		}
		out := []Value{next, growth}
		if season != 'N' {
			of := r.sub(v, q)
			if season == 'M' {
				of = r.div(v, q)
			}
			figure = r.add(figure, r.mul(gamma, r.sub(of, figure)))
			out = append(out, r.push(states[2], m, figure))
		}
		return out, nil
	})
	sums := r.rows(listOf(models, func(s *statistical.Smoothing) []float64 { // of the powers of phi
		out := make([]float64, r.horizon)
		sum, power := 0.0, s.Phi
		for h := range out {
			sum += power
			power *= s.Phi
			out[h] = sum
		}
		return out
	}))
	out := r.column(end[0])
	switch trend {
	case 'N':
		out = r.add(out, r.blank(0, r.horizon))
	case 'A':
		out = r.add(out, r.mul(sums, r.column(end[1])))
	case 'M':
		out = r.mul(out, r.Op("Pow", nil, r.column(end[1]), sums))
	}
	switch season {
	case 'A':
		return r.add(out, r.repeated(end[2], m))
	case 'M':
		return r.mul(out, r.repeated(end[2], m))
	}
	return out
}

// repeated returns the columns of a season, [batch, horizon], which begin with the next step.
func (r *recursion) repeated(season Value, m int) Value {
	at := make([]int64, r.horizon)
	for h := range at {
		at[h] = int64(h % m)
	}
	return r.Gather(season, 1, at...)
}

// figure returns the seasonal figure of y by classical decomposition, [batch, m]. It begins with the next step.
func (r *recursion) figure(y Value, m int, multiplicative bool) Value {
	half := m / 2
	w := 2*half + 1
	y = r.Concat(1, r.blank(math.NaN(), w+1), y)
	zero := r.where(r.missing(y), r.Number(y, 0), y)
	sums := r.Concat(1, r.blank(0, 1), r.Op("CumSum", nil, zero, r.Const(Scalar("", int64(1)))))
	trend := r.sub(r.tail(sums, w), r.head(sums, w))
	first := r.head(y, w-1)
	if m%2 == 0 {
		trend = r.sub(trend, r.div(r.add(r.head(zero, w-1), r.tail(zero, w-1)), r.Number(y, 2)))
	}
	trend = r.where(r.missing(first), first, r.div(trend, r.Number(y, float64(m))))
	centre := r.head(r.tail(y, half), half)
	ratio := r.sub(centre, trend)
	if multiplicative {
		ratio = r.div(centre, trend)
	}
	end, _ := r.Scan(false, []Value{r.blank(0, m), r.blank(0, m)}, []Value{ratio}, func(states, in []Value) ([]Value, []Value) {
		known := r.known(in[0])
		sum := r.add(r.front(states[0]), r.where(known, in[0], r.all(0)))
		count := r.add(r.front(states[1]), r.Cast(known, Float64))
		return []Value{r.push(states[0], m, sum), r.push(states[1], m, count)}, nil
	})
	figure := r.div(r.turn(end[0], m, half), r.turn(end[1], m, half))
	mean := r.div(r.Sum(figure), r.Number(y, float64(m)))
	if multiplicative {
		return r.div(figure, mean)
	}
	return r.sub(figure, mean)
}

// adjusted returns y without its season, and the figure beginning with the first value of y. The given figure begins
// with the next step.
func (r *recursion) adjusted(y, figure Value, m int, multiplicative bool) (z, first Value) {
	begin, out := r.over(true, []Value{figure}, []Value{y}, func(states, in []Value) ([]Value, []Value) {
		last := r.back(states[0])
		z := r.sub(in[0], last)
		if multiplicative {
			z = r.div(in[0], last)
		}
		return []Value{r.turn(states[0], m, m-1)}, []Value{z}
	})
	if r.err != nil {
		return Value{}, Value{}
	}
	return out[0], begin[0]
}

// theta returns the forecasts of models of the Theta method of one form.
func (r *recursion) theta(models []*statistical.ThetaLine, y Value, m int) Value {
	form, adjust := models[0].Form, models[0].Adjust
	dynamic := form == "dstm" || form == "dotm"
	var figure Value
	if adjust != "" {
		figure = r.figure(y, m, adjust == "multiplicative")
		y, _ = r.adjusted(y, figure, m, adjust == "multiplicative")
	}
	alpha := r.each(of(models, func(l *statistical.ThetaLine) float64 { return l.Alpha }))
	rest := r.each(of(models, func(l *statistical.ThetaLine) float64 { return 1 - l.Alpha }))
	slope := r.each(of(models, func(l *statistical.ThetaLine) float64 { return 1 - 1/l.Theta }))
	zero := r.all(0)
	// The states are n, the level, the mean, a and b of Fiorucci et al.
	states := []Value{zero, r.each(of(models, func(l *statistical.ThetaLine) float64 { return l.Level }))}
	var a, b Value
	if dynamic {
		states = append(states, zero, zero, zero)
	} else {
		a, b = r.line(y)
	}
	with := func(states []Value, v Value) []Value {
		n := r.plus(states[0], 1)
		next := []Value{n, r.add(r.mul(alpha, v), r.mul(rest, states[1]))}
		if !dynamic {
			return next
		}
		mean := r.div(r.add(r.mul(states[0], states[2]), v), n)
		b := r.div(r.add(r.mul(r.plus(states[0], -1), states[4]), r.div(r.times(r.sub(v, states[2]), 6), n)), r.plus(n, 1))
		b = r.where(r.less(states[0], 1), r.all(0), b)
		a := r.sub(mean, r.div(r.mul(b, r.plus(n, 1)), r.Number(y, 2)))
		return append(next, mean, a, b)
	}
	end, _ := r.over(false, states, []Value{y}, func(states, in []Value) ([]Value, []Value) { return with(states, in[0]), nil })
	_, out := r.ahead(r.horizon, end, func(states []Value) ([]Value, []Value) {
		a, b := a, b
		if dynamic {
			a, b = states[3], states[4]
		}
		decay := r.Op("Pow", nil, rest, states[0])
		next := r.div(r.mul(b, r.sub(r.all(1), r.mul(decay, rest))), alpha)
		next = r.add(states[1], r.mul(slope, r.add(r.mul(a, decay), next)))
		return with(states, next), []Value{next}
	})
	switch adjust {
	case "additive":
		return r.add(out, r.repeated(figure, m))
	case "multiplicative":
		return r.mul(out, r.repeated(figure, m))
	}
	return out
}

// line returns the least-squares line a + b·t through y at t = 1, 2, ...
func (r *recursion) line(y Value) (a, b Value) {
	zero := r.all(0)
	end, _ := r.over(false, []Value{zero, zero, zero}, []Value{y}, func(states, in []Value) ([]Value, []Value) {
		n := r.plus(states[0], 1)
		return []Value{n, r.add(states[1], in[0]), r.add(states[2], r.mul(n, in[0]))}, nil
	})
	n, mean := end[0], r.div(end[1], end[0])
	next := r.plus(n, 1)
	b = r.div(r.times(r.sub(r.div(r.times(end[2], 2), n), r.mul(next, mean)), 6), r.plus(r.mul(n, n), -1))
	b = r.where(r.less(n, 2), zero, b)
	return r.sub(mean, r.div(r.mul(next, b), r.Number(y, 2))), b
}

// began returns the mean of the first n values of y.
func (r *recursion) began(y Value, n int) Value {
	end, _ := r.over(false, []Value{r.all(0), r.all(0)}, []Value{y}, func(states, in []Value) ([]Value, []Value) {
		more := r.less(states[1], float64(n))
		return []Value{r.where(more, r.add(states[0], in[0]), states[0]), r.where(more, r.plus(states[1], 1), states[1])}, nil
	})
	return r.div(end[0], end[1])
}

// ces returns the forecasts of models of complex exponential smoothing of one form.
func (r *recursion) ces(models []*statistical.ComplexLevel, y Value, m int) Value {
	form := models[0].Form
	number := func(i int, season bool) Value {
		return r.each(of(models, func(l *statistical.ComplexLevel) float64 {
			if season {
				return l.Beta[i]
			}
			return l.Alpha[i]
		}))
	}
	aReal, aImaginary, bReal, bImaginary := number(0, false), number(1, false), number(0, true), number(1, true)
	// smaller returns the imaginary part of an initial state.
	smaller := func(v Value) Value { return r.div(v, r.Number(r.like, 1.1)) }
	var states []Value // of a season: the level's parts, and those of the season
	switch form {
	case "none":
		m = 1
		mean := r.began(y, 10)
		states = []Value{r.column(mean), r.column(smaller(mean))}
	case "simple":
		first, _ := r.over(false, []Value{r.blank(0, m), r.all(0)}, []Value{y}, func(states, in []Value) ([]Value, []Value) {
			more := r.less(states[1], float64(m))
			return []Value{r.where(r.column(more), r.push(states[0], m, in[0]), states[0]), r.plus(states[1], 1)}, nil
		})
		states = []Value{first[0], smaller(first[0])}
	default:
		mean := r.began(y, m)
		_, figure := r.adjusted(y, r.figure(y, m, false), m, false)
		level := r.add(r.column(mean), r.blank(0, m))
		states = []Value{level, smaller(level), figure}
		if form == "full" {
			states = append(states, smaller(figure))
		}
	}
	value := func(states []Value) Value {
		switch form {
		case "simple", "none":
			return r.front(states[0])
		}
		return r.add(r.back(states[0]), r.front(states[2]))
	}
	turned := func(real, imaginary, re, im, e Value) (Value, Value) {
		return r.add(r.sub(real, r.mul(r.sub(r.all(1), im), imaginary)), r.mul(r.sub(re, im), e)),
			r.add(r.add(real, r.mul(r.sub(r.all(1), re), imaginary)), r.mul(r.add(re, im), e))
	}
	update := func(states []Value, e Value) []Value {
		real, imaginary := r.back(states[0]), r.back(states[1])
		if form == "simple" {
			real, imaginary = r.front(states[0]), r.front(states[1])
		}
		real, imaginary = turned(real, imaginary, aReal, aImaginary, e)
		next := []Value{r.push(states[0], m, real), r.push(states[1], m, imaginary)}
		switch form {
		case "partial":
			next = append(next, r.push(states[2], m, r.add(r.front(states[2]), r.mul(bReal, e))))
		case "full":
			real, imaginary := turned(r.front(states[2]), r.front(states[3]), bReal, bImaginary, e)
			next = append(next, r.push(states[2], m, real), r.push(states[3], m, imaginary))
		}
		return next
	}
	filter := func(states []Value, backward bool) []Value {
		end, _ := r.over(backward, states, []Value{y}, func(states, in []Value) ([]Value, []Value) {
			return update(states, r.sub(in[0], value(states))), nil
		})
		return end
	}
	reversed := make([]int64, m)
	for i := range reversed {
		reversed[i] = int64(m - 1 - i)
	}
	for pass := range 3 { // forward, backward and forward
		if states = filter(states, pass == 1); pass == 2 || r.err != nil {
			break
		}
		states, _ = r.ahead(m, states, func(states []Value) ([]Value, []Value) { return update(states, r.all(0)), nil })
		for i, v := range states {
			states[i] = r.Gather(v, 1, reversed...)
		}
	}
	_, out := r.ahead(r.horizon, states, func(states []Value) ([]Value, []Value) {
		return update(states, r.all(0)), []Value{value(states)}
	})
	return out
}

// arima returns the forecasts of models of ARIMA with the same differences.
func (r *recursion) arima(models []*statistical.Integrated, y Value) Value {
	seasonal, steps := models[0].Differences()
	var lags []int
	for range seasonal {
		lags = append(lags, models[0].Season)
	}
	for range steps {
		lags = append(lags, 1)
	}
	w := y
	var levels []Value // the last values before each difference
	for _, lag := range lags {
		levels = append(levels, r.Slice(w, 1, -lag, math.MaxInt32))
		w = r.Concat(1, r.blank(math.NaN(), lag), w)
		w = r.sub(r.tail(w, lag), r.head(w, lag))
	}
	filters := make([]statistical.Filter, len(models))
	n := 0 // elements of a state
	for i, m := range models {
		f, ok := m.Filter()
		if !ok {
			f = statistical.Filter{Phi: []float64{math.NaN()}, Gain: []float64{0}, Change: []float64{0}, Variance: 1} // no forecast
		}
		filters[i] = f
		n = max(n, len(f.Gain))
	}
	wide := func(of func(statistical.Filter) []float64) Value {
		return r.rows(listOf(filters, func(f statistical.Filter) []float64 {
			return append(slices.Clone(of(f)), make([]float64, n-len(of(f)))...)
		}))
	}
	mean := r.each(of(models, func(m *statistical.Integrated) float64 { return m.Mean }))
	phi := wide(func(f statistical.Filter) []float64 { return f.Phi })
	// move returns a state a step later, without a new error.
	move := func(state Value) Value {
		return r.add(r.push(state, n, r.all(0)), r.mul(phi, r.column(r.front(state))))
	}
	states := []Value{r.blank(0, n), wide(func(f statistical.Filter) []float64 { return f.Gain }),
		wide(func(f statistical.Filter) []float64 { return f.Change }),
		r.each(of(filters, func(f statistical.Filter) float64 { return f.Variance })),
		r.each(of(filters, func(f statistical.Filter) float64 { return -1 / f.Variance }))}
	end, _ := r.over(false, states, []Value{w}, func(states, in []Value) ([]Value, []Value) {
		state, gain, change, variance, size := states[0], states[1], states[2], states[3], states[4]
		e := r.sub(r.sub(in[0], mean), r.front(state))
		state = r.add(move(state), r.mul(r.column(r.div(e, variance)), gain))
		c := r.front(change)
		next := r.add(variance, r.mul(size, r.mul(c, c)))
		change = move(change)
		gain = r.add(gain, r.mul(r.column(r.mul(size, c)), change))
		change = r.sub(change, r.mul(r.column(r.div(c, next)), gain))
		return []Value{state, gain, change, next, r.mul(size, r.div(next, variance))}, nil
	})
	if r.err != nil {
		return Value{}
	}
	_, out := r.ahead(r.horizon, end[:1], func(states []Value) ([]Value, []Value) {
		return []Value{move(states[0])}, []Value{r.add(r.front(states[0]), mean)}
	})
	for i, lag := range slices.Backward(lags) {
		out = r.integrated(out, levels[i], lag)
	}
	return out
}

// integrated undoes a difference of forecasts: before has the lag values before them.
func (r *recursion) integrated(z, before Value, lag int) Value {
	var blocks []Value
	for from := 0; from < r.horizon; from += lag {
		to := min(from+lag, r.horizon)
		if to-from < lag {
			before = r.Slice(before, 1, 0, to-from)
		}
		before = r.add(r.Slice(z, 1, from, to), before)
		blocks = append(blocks, before)
	}
	return r.Concat(1, blocks...)
}

// croston returns the forecasts of models of intermittent demand of one form.
func (r *recursion) croston(models []statistical.Demand, y Value) Value {
	form := models[0].Form
	alpha := r.each(of(models, func(d statistical.Demand) float64 { return d.Alpha }))
	zero := r.all(0)
	// The states are the number of steps up to the first demand, or since the last; the size of demands, 0 before the
	// first; and the interval or the probability.
	end, _ := r.over(false, []Value{zero, zero, zero, zero}, []Value{y}, func(states, in []Value) ([]Value, []Value) {
		since, size, every, begun := r.plus(states[0], 1), states[1], states[2], states[3]
		some := r.not(r.Op("Equal", nil, in[0], r.Number(r.like, 0)))
		old := r.not(r.less(begun, 1))
		nextSize := r.where(old, r.add(size, r.mul(alpha, r.sub(in[0], size))), in[0])
		nextEvery := r.where(old, r.add(every, r.mul(alpha, r.sub(since, every))), since)
		otherwise := every
		if form == "tsb" {
			nextEvery = r.where(old, r.add(every, r.mul(alpha, r.sub(r.all(1), every))), r.div(r.all(1), since))
			otherwise = r.sub(every, r.mul(alpha, every))
		}
		return []Value{r.where(some, r.all(0), since), r.where(some, nextSize, size), r.where(some, nextEvery, otherwise),
			r.where(some, r.all(1), begun)}, nil
	})
	rate := r.div(end[1], end[2])
	switch form {
	case "tsb":
		rate = r.mul(end[1], end[2])
	case "sba":
		rate = r.mul(rate, r.each(of(models, func(d statistical.Demand) float64 { return 1 - d.Alpha/2 })))
	}
	rate = r.where(r.less(end[3], 1), zero, rate)
	return r.add(r.column(rate), r.blank(0, r.horizon))
}

// baseline returns the forecasts of a baseline, [batch, horizon]. For a series that is too short it is the last value.
func (r *recursion) baseline(b *forecast.Baseline, f forecast.Frequency) Value {
	m := b.Steps(f)
	y := r.history
	nan := r.all(math.NaN())
	// The states are the first and the last known value, and the steps since both.
	ends, _ := r.Scan(false, []Value{nan, nan, r.all(0), r.all(0)}, []Value{y}, func(states, in []Value) ([]Value, []Value) {
		known := r.known(in[0])
		first := r.where(r.missing(states[0]), in[0], states[0])
		begun := r.Cast(r.known(first), Float64)
		return []Value{first, r.where(known, in[0], states[1]), r.add(states[2], begun), r.where(known, r.all(0), r.plus(states[3], 1))}, nil
	})
	if r.err != nil {
		return Value{}
	}
	first, last, steps, since := ends[0], ends[1], ends[2], ends[3]
	level := r.add(r.column(last), r.blank(0, r.horizon))
	ahead := make([]float64, r.horizon)
	for h := range ahead {
		ahead[h] = float64(h + 1)
	}
	one := func(v Value) Value { return r.add(r.column(v), r.blank(0, r.horizon)) }
	enough := func(n int) Value { return r.column(r.not(r.less(steps, float64(n)))) }
	switch b.String() {
	case "naive":
		return level
	case "drift":
		between := r.plus(r.sub(steps, since), -1)
		growth := r.div(r.sub(last, first), between)
		growth = r.where(r.less(between, 1), nan, growth)
		out := r.add(level, r.mul(r.column(growth), r.add(r.Floats(y, ahead), r.column(since))))
		return r.where(r.missing(r.column(growth)), level, out)
	case "window mean":
		window := r.Slice(r.Concat(1, r.blank(math.NaN(), m), y), 1, -m, math.MaxInt32)
		known := r.known(window)
		sum := r.Sum(r.where(known, window, r.Number(y, 0)))
		mean := r.div(r.pick(sum, 1, 0), r.pick(r.Sum(r.Cast(known, Float64)), 1, 0))
		return r.where(enough(m), one(mean), level)
	}
	// The last season: its last known values, and how many seasons ago they were.
	end, _ := r.Scan(false, []Value{r.blank(math.NaN(), m), r.blank(0, m)}, []Value{y}, func(states, in []Value) ([]Value, []Value) {
		known := r.known(in[0])
		value := r.where(known, in[0], r.front(states[0]))
		return []Value{r.push(states[0], m, value), r.push(states[1], m, r.where(known, r.all(1), r.plus(r.front(states[1]), 1)))}, nil
	})
	out := r.repeated(end[0], m)
	whole := r.known(r.pick(r.Sum(out), 1, -1))
	if b.String() == "seasonal naive + drift" {
		padded := r.Concat(1, r.blank(math.NaN(), m), y)
		change := r.sub(r.tail(padded, m), r.head(padded, m))
		known := r.known(change)
		growth := r.div(r.Sum(r.where(known, change, r.Number(y, 0))), r.Sum(r.Cast(known, Float64)))
		seasons := make([]float64, r.horizon)
		for h := range seasons {
			seasons[h] = float64(h / m)
		}
		out = r.add(out, r.mul(growth, r.add(r.repeated(end[1], m), r.Floats(y, seasons))))
		whole = r.known(r.pick(r.Sum(out), 1, -1))
	}
	return r.where(r.column(whole), out, level)
}
