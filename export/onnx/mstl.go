package onnx

import (
	"math"

	"github.com/attune-hpo/attune/objective/statistical"
)

// decomposed returns the forecasts of models of MSTL with the same seasons and transform. The decomposition of a row
// depends on how many values it has, so rows are decomposed one by one.
func (r *recursion) decomposed(models []*statistical.Decomposed, y Value) Value {
	seasons, logs := models[0].Seasons, models[0].Transform == "log"
	if logs {
		y = r.Op("Log", nil, y)
	}
	rest := y
	var last Value // cycles of all seasons
	if len(seasons) > 0 {
		_, out := r.Scan(false, nil, []Value{r.transpose(y, 1, 0)}, func(_, in []Value) ([]Value, []Value) {
			// The row without what is missing, which is at the beginning.
			known := r.Cast(r.known(in[0]), Float64)
			count := r.Cast(r.Gather(r.Op("CumSum", nil, known, r.Const(Scalar("", int64(0)))), 0, -1), Int64)
			d := decomposition{recursion: r, length: count}
			d.n = r.Reshape(count)
			row := r.Op("Slice", nil, in[0], r.Op("Neg", nil, count), r.Integers(math.MaxInt32), r.Integers(0))
			parts, rest := d.separate(row, seasons)
			var cycles []Value
			for i, m := range seasons {
				cycles = append(cycles, r.Slice(parts[i], 0, -m, math.MaxInt32))
			}
			lost := r.Op("Sub", nil, r.Op("Shape", nil, in[0]), count)
			return nil, []Value{r.Concat(0, cycles...), r.Concat(0, r.Op("Slice", nil, in[0], r.Integers(0), lost, r.Integers(0)), rest)}
		})
		if r.err != nil {
			return Value{}
		}
		last, rest = r.transpose(out[0], 1, 0), r.transpose(out[1], 1, 0)
	}
	next := make([]*statistical.Smoothing, len(models))
	for i, m := range models {
		next[i] = m.Remainder()
	}
	out := r.smoothing(next, rest)
	from := 0
	for _, m := range seasons {
		out = r.add(out, r.repeated(r.Slice(last, 1, from, from+m), m))
		from += m
	}
	if logs {
		return r.Op("Exp", nil, out)
	}
	return out
}

// A decomposition works on one row of n values, which are only known when the graph runs.
type decomposition struct {
	*recursion
	length, n Value // the number of values, as a list and as a number
}

// separate returns the seasonal components of a row, and the rest: see separate in package statistical.
func (d *decomposition) separate(y Value, seasons []int) (parts []Value, rest Value) {
	passes := 2
	if len(seasons) < 2 {
		passes = 1
	}
	parts = make([]Value, len(seasons))
	stls := make([]*stl, len(seasons))
	for k, m := range seasons {
		stls[k] = d.stl(m, 11+4*k)
	}
	rest = y
	for pass := range passes {
		for k := range seasons {
			if pass > 0 {
				rest = d.add(rest, parts[k])
			}
			parts[k] = stls[k].season(rest)
			rest = d.sub(rest, parts[k])
		}
	}
	return parts, rest
}

// An stl finds the seasonal component of a row for one season: see stl in package statistical.
type stl struct {
	*decomposition
	m              int
	cycles         Value // seasons of the row, the last one perhaps not whole
	long           Value // which phases of the season have as many values as there are seasons
	trend, low     loess
	phase, shorter loess // of phases of the season
}

// A loess smooths a row of values by local regression: output i is the sum of weights[i] times the values at places[i].
type loess struct{ weights, places Value }

func (d *decomposition) stl(m, cycle int) *stl {
	s := &stl{decomposition: d, m: m}
	width := int(math.Ceil(1.5 * float64(m) / (1 - 1.5/float64(cycle))))
	s.trend, s.low = d.loess(d.n, width|1, true, false), d.loess(d.n, (m+1)|1, true, false)
	whole := func(x int64) Value { return d.Const(Scalar("", x)) }
	s.cycles = d.div(d.add(d.n, whole(int64(m-1))), whole(int64(m)))
	before := d.sub(s.cycles, whole(1))
	s.phase, s.shorter = d.loess(s.cycles, cycle, false, true), d.loess(before, cycle, false, true)
	phases := make([]int64, m)
	for j := range phases {
		phases[j] = int64(j)
	}
	s.long = d.Op("Less", nil, d.Const(NewTensor("", phases, int64(m), 1)), d.sub(d.n, d.mul(before, whole(int64(m)))))
	return s
}

// loess returns the local regression of n values on the nearest values: see package statistical. extended adds an
// output before the first and after the last value.
func (d *decomposition) loess(n Value, width int, line, extended bool) loess {
	whole := func(x int64) Value { return d.Const(Scalar("", x)) }
	float := func(v Value) Value { return d.Cast(v, Float64) }
	from, to := whole(0), n
	if extended {
		from, to = whole(-1), d.add(n, whole(1))
	}
	k := d.Op("Min", nil, n, whole(int64(width)))
	at := d.column(d.Op("Range", nil, from, to, whole(1)))
	first := d.Op("Max", nil, d.Op("Min", nil, d.sub(at, whole(int64(width/2))), d.sub(n, k)), whole(0))
	places := d.add(first, d.Op("Range", nil, whole(0), k, whole(1)))
	x, p := float(at), float(places)
	reach := d.Op("Max", nil, d.sub(at, first), d.sub(d.sub(d.add(first, k), whole(1)), at))
	reach = float(d.add(reach, d.div(d.sub(whole(int64(width)), k), whole(2))))
	far := d.Op("Abs", nil, d.sub(p, x))
	cube := func(v Value) Value { return d.mul(d.mul(v, v), v) }
	w := cube(d.sub(d.Number(p, 1), cube(d.div(far, reach))))
	w = d.where(d.Op("LessOrEqual", nil, far, d.times(reach, 0.999)), w, d.Number(p, 0))
	w = d.where(d.Op("LessOrEqual", nil, far, d.times(reach, 0.001)), d.Number(p, 1), w)
	sum := func(v Value) Value { return d.Op("ReduceSum", nil, v, d.Integers(-1)) }
	w = d.div(w, sum(w))
	if line {
		from := d.sub(p, sum(d.mul(w, p)))
		spread := sum(d.mul(w, d.mul(from, from)))
		slope := d.div(d.sub(x, sum(d.mul(w, p))), spread)
		tilted := d.mul(w, d.plus(d.mul(slope, from), 1))
		steep := d.Op("Greater", nil, d.Op("Sqrt", nil, spread), d.times(d.plus(float(n), -1), 0.001))
		w = d.where(steep, tilted, w)
	}
	return loess{w, places}
}

// smooth returns the smooth values of the last axis of y.
func (d *decomposition) smooth(l loess, y Value, axis int) Value {
	near := d.Op("Gather", []Attr{{"axis", Int(axis)}}, y, l.places)
	return d.Op("ReduceSum", []Attr{{"keepdims", Int(0)}}, d.mul(near, l.weights), d.Integers(-1))
}

// moving returns the means of m neighbouring values.
func (d *decomposition) moving(y Value, m int) Value {
	sums := d.Op("CumSum", nil, d.Concat(0, d.Const(NewTensor("", []float64{0})), y), d.Const(Scalar("", int64(0))))
	return d.div(d.sub(d.Slice(sums, 0, m, math.MaxInt32), d.Slice(sums, 0, 0, -m)), d.Number(y, float64(m)))
}

func (s *stl) season(y Value) Value {
	var season, trend Value
	for pass := range 5 {
		rest := y
		if pass > 0 {
			rest = s.sub(y, trend)
		}
		cycles := s.phases(rest)
		level := s.smooth(s.low, s.moving(s.moving(s.moving(cycles, s.m), s.m), 3), 0)
		season = s.sub(s.Slice(cycles, 0, s.m, -s.m), level)
		if pass < 4 {
			trend = s.smooth(s.trend, s.sub(y, season), 0)
		}
	}
	return season
}

// phases smooths the values of each phase of the season. The result has a season more than y at both ends.
func (s *stl) phases(y Value) Value {
	// [phase, season], with zeros after the last value.
	padded := s.Concat(0, y, s.Const(NewTensor("", make([]float64, s.m))))
	cycles := s.Reshape(s.cycles, 1)
	size := s.mul(cycles, s.Integers(int64(s.m)))
	padded = s.Op("Slice", nil, padded, s.Integers(0), size, s.Integers(0))
	table := s.transpose(s.Reshape(padded, -1, int64(s.m)), 1, 0)
	full := s.smooth(s.phase, table, 1)
	short := s.smooth(s.shorter, table, 1)
	short = s.Concat(1, short, s.Const(NewTensor("", make([]float64, s.m), int64(s.m), 1)))
	out := s.Reshape(s.transpose(s.where(s.long, full, short), 1, 0), -1)
	return s.Op("Slice", nil, out, s.Integers(0), s.add(s.length, s.Integers(int64(2*s.m))), s.Integers(0))
}
