package katib

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/katib/internal/api"
	"github.com/attune-hpo/attune/space"
)

// errSpec reports an invalid experiment.
var errSpec = errors.New("bad experiment")

// A param is a parameter of an experiment: an axis to search, and the conversion of its
// coordinates.
type param struct {
	axis space.Axis
	text func(coord float64) string
	// coord is the inverse. ok is false for a text that is not a value of the parameter.
	coord func(text string) (x float64, ok bool)
}

// params returns the parameters of an experiment.
func params(specs []*api.ParameterSpec) ([]param, error) {
	if len(specs) == 0 {
		return nil, fmt.Errorf("%w: it has no parameters", errSpec)
	}
	out, seen := make([]param, len(specs)), map[string]bool{}
	for i, s := range specs {
		if seen[s.Name] {
			return nil, fmt.Errorf("%w: there are two parameters named %q", errSpec, s.Name)
		}
		seen[s.Name] = true
		p, err := parameter(s)
		if err != nil {
			return nil, fmt.Errorf("%w: parameter %q: %w", errSpec, s.Name, err)
		}
		if p.axis.Distribution, err = p.axis.Distribution.Normalize(); err != nil {
			return nil, fmt.Errorf("%w: parameter %q: %w", errSpec, s.Name, err)
		}
		p.axis.Name = s.Name
		out[i] = p
	}
	return out, nil
}

func parameter(s *api.ParameterSpec) (param, error) {
	f := s.FeasibleSpace
	if f == nil {
		f = &api.FeasibleSpace{}
	}
	switch s.ParameterType {
	case api.ParameterType_DOUBLE:
		return number(f, false)
	case api.ParameterType_INT:
		return number(f, true)
	case api.ParameterType_DISCRETE:
		return discrete(f.List)
	case api.ParameterType_CATEGORICAL:
		return categorical(f.List)
	}
	return param{}, errors.New("want the type double, int, discrete or categorical")
}

func number(f *api.FeasibleSpace, whole bool) (param, error) {
	low, high, step := 0.0, 0.0, 0.0
	for _, x := range []struct {
		name, text string
		to         *float64
	}{{"min", f.Min, &low}, {"max", f.Max, &high}, {"step", f.Step, &step}} {
		if x.name == "step" && x.text == "" {
			continue
		}
		v, err := strconv.ParseFloat(x.text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return param{}, fmt.Errorf("%s %q: want a number", x.name, x.text)
		}
		if whole && v != math.Trunc(v) {
			return param{}, fmt.Errorf("%s %q: want a whole number, or the type double", x.name, x.text)
		}
		*x.to = v
	}
	switch {
	case low > high:
		return param{}, fmt.Errorf("min %s is above max %s", f.Min, f.Max)
	case step < 0:
		return param{}, fmt.Errorf("step %s is negative", f.Step)
	}
	log := f.Distribution == api.Distribution_LOG_UNIFORM || f.Distribution == api.Distribution_LOG_NORMAL
	if log && low <= 0 {
		return param{}, fmt.Errorf("min %s: a logarithmic scale needs one above 0", f.Min)
	}
	normal := f.Distribution == api.Distribution_NORMAL || f.Distribution == api.Distribution_LOG_NORMAL
	if low == high {
		normal, log, step = false, false, 0
	}
	if whole {
		step = max(step, 1)
	}
	switch {
	case normal, log && (step > 0 && !whole || step > 1):
		return quantile(low, high, step, log, normal, whole), nil
	case whole:
		d := space.IntDistribution{Low: int(low), High: int(high), Step: int(step), Log: log}
		return direct(d, whole), nil
	}
	return direct(space.FloatDistribution{Low: low, High: high, Step: step, Log: log}, whole), nil
}

// direct returns a parameter whose coordinates are its values.
func direct(d space.Distribution, whole bool) param {
	return param{
		axis: space.Axis{Distribution: d},
		text: func(x float64) string { return numeral(x, whole) },
		coord: func(text string) (float64, bool) {
			x, err := strconv.ParseFloat(text, 64)
			return x, err == nil
		},
	}
}

// quantile returns a parameter whose coordinates are probabilities: the probability that its
// distribution assigns to smaller values. Values are rounded to a step, starting at low.
func quantile(low, high, step float64, log, normal, whole bool) param {
	a, b := low, high
	if log {
		a, b = math.Log(low), math.Log(high)
	}
	const widths = 3 // standard deviations from the mean to a or b
	edge := phi(-widths)
	value := func(u float64) float64 {
		if normal {
			z := math.Sqrt2 * math.Erfinv(2*(edge+u*(1-2*edge))-1)
			u = (z + widths) / (2 * widths)
		}
		x := a + u*(b-a)
		if log {
			x = math.Exp(x)
		}
		if step > 0 {
			x = low + step*math.Round((min(max(x, low), high)-low)/step)
			if x > high {
				x -= step
			}
		}
		return min(max(x, low), high)
	}
	return param{
		axis: space.Axis{Distribution: space.FloatDistribution{Low: 0, High: 1}},
		text: func(u float64) string { return numeral(value(u), whole) },
		coord: func(text string) (float64, bool) {
			x, err := strconv.ParseFloat(text, 64)
			if err != nil || !(low <= x && x <= high) {
				return 0, false
			}
			if log {
				x = math.Log(x)
			}
			u := (x - a) / (b - a)
			if normal {
				u = (phi(2*widths*u-widths) - edge) / (1 - 2*edge)
			}
			return min(max(u, 0), 1), true
		},
	}
}

// phi is the distribution function of the standard normal distribution.
func phi(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

func numeral(x float64, whole bool) string {
	if whole {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// discrete returns a parameter whose coordinates are indices into its sorted numbers.
func discrete(list []string) (param, error) {
	type entry struct {
		text  string
		value float64
	}
	var entries []entry
	for _, text := range list {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) {
			return param{}, fmt.Errorf("%q in its list: want a number, or the type categorical", text)
		}
		entries = append(entries, entry{text, v})
	}
	if len(entries) == 0 {
		return param{}, errors.New("its list is empty")
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	entries = slices.CompactFunc(entries, func(a, b entry) bool { return a.value == b.value })
	return param{
		axis: space.Axis{Distribution: space.IntDistribution{Low: 0, High: len(entries) - 1}},
		text: func(x float64) string { return entries[int(x)].text },
		coord: func(text string) (float64, bool) {
			v, err := strconv.ParseFloat(text, 64)
			i := slices.IndexFunc(entries, func(e entry) bool { return e.value == v })
			return float64(i), err == nil && i >= 0
		},
	}, nil
}

func categorical(list []string) (param, error) {
	if len(list) == 0 {
		return param{}, errors.New("its list is empty")
	}
	choices := make([]space.Literal, len(list))
	for i, text := range list {
		choices[i] = space.Lit(text)
	}
	return param{
		axis: space.Axis{Distribution: &space.CategoricalDistribution{Choices: choices}},
		text: func(x float64) string { return list[int(x)] },
		coord: func(text string) (float64, bool) {
			i := slices.Index(list, text)
			return float64(i), i >= 0
		},
	}, nil
}
