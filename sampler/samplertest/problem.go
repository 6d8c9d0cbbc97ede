package samplertest

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// A problem is a space and what its points are worth.
type problem struct {
	name       string
	space      space.Space // conditions included
	directions []trial.Direction
	scale      func(v float64) float64 // applied to all values; nil leaves them as they are
	// end ends a trial. By default most trials complete, some are pruned, fail or miss a constraint.
	end func(r trial.Record) trial.Record
}

// value is that of an objective: a bowl in the unit cube, its minimum elsewhere
// for each objective.
func (p problem) value(objective int, params space.Params) float64 {
	sum := 0.0
	for i, a := range params.Space {
		at := math.Mod(0.3+0.11*float64(i)+0.4*float64(objective), 1)
		d := unit.To(a.Distribution, params.Point[i]) - at
		sum += d * d
	}
	return p.scaled(sum)
}

func (p problem) scaled(v float64) float64 {
	if p.scale != nil {
		return p.scale(v)
	}
	return v
}

// outcome returns r as it finishes.
func (p problem) outcome(r trial.Record) trial.Record {
	if p.end != nil {
		return p.end(r)
	}
	value := p.value(0, r.Params)
	switch {
	case r.Number%9 == 4:
		r.State, r.Err = trial.Failed, "out of memory"
		return r
	case r.Number%7 == 3 && len(p.directions) > 1:
		for step := range 1 + r.Number%3 {
			values := []float64{value}
			for i := range len(p.directions) - 1 {
				values = append(values, p.value(i+1, r.Params))
			}
			if c, err := (trial.Vector{Step: step, Values: values}).Change(r); err == nil {
				r.Notes = r.Notes.With(trial.Attr(c))
			}
		}
		r.State = trial.Pruned
		return r
	case r.Number%7 == 3:
		r.State = trial.Pruned
		r.Reports = []trial.Report{{Step: 0, Value: value}, {Step: 1 + r.Number%3, Value: value}}
		return r
	case r.Number%8 == 5:
		r.Constraints = []trial.Constraint{{Name: "memory", Value: 1 / float64(1+r.Number)}}
	}
	r.State = trial.Complete
	for i := range max(1, len(p.directions)) {
		r.Values = append(r.Values, p.value(i, r.Params))
	}
	return r
}

// scaledBy returns p with f applied to all values.
func (p problem) scaledBy(f func(v float64) float64, directions ...trial.Direction) problem {
	p.scale, p.directions = f, directions
	return p
}

var (
	plain = problem{name: "plain", space: space.Of(
		space.Float("x", -5, 5), space.Float("rate", 1e-5, 1, space.Log()), space.Int("depth", 1, 10),
		space.Categorical("booster", "tree", "dart", "linear"),
	)}
	finite = problem{name: "finite", space: space.Of(
		space.Int("depth", 1, 6), space.Categorical("booster", "tree", "dart", "linear"), space.Float("share", 0.5, 1, space.Step(0.25)),
	)}
	conditional = problem{name: "conditional", space: conditionalSpace()}
	two         = problem{name: "two objectives", space: plain.space, directions: []trial.Direction{trial.Minimize, trial.Maximize}}
	three       = problem{name: "three objectives", space: finite.space, directions: make([]trial.Direction, 3)}
)

func conditionalSpace() space.Space {
	model, layers := space.Categorical("model", "tree", "network", "linear"), space.Int("layers", 1, 3)
	return space.Of(
		model, space.Float("x", 0, 1), space.Int("version", 7, 7),
		layers.When(model.Is("network")),
		space.Int("width", 16, 512, space.Log()).When(model.Is("network")),
		space.Float("dropout", 0, 0.5).When(layers.Between(2, 3)),
		space.Int("depth", 1, 12).When(model.Is("tree")),
	)
}

// problems returns what the laws are tried on that hold for any problem.
func (c Config) problems() []problem {
	all := []problem{plain, finite, conditional}
	if !c.OneObjective {
		all = append(all, two, three)
	}
	return all
}

// kinds are distributions of every kind, the extreme ones included.
var kinds = []struct {
	name string
	space.Distribution
}{
	{"float", space.FloatDistribution{Low: -5, High: 5}},
	{"widest float", space.FloatDistribution{Low: -0.8e308, High: 0.9e308}},
	{"narrowest float", space.FloatDistribution{Low: 1, High: math.Nextafter(1, 2)}},
	{"denormal float", space.FloatDistribution{Low: 0, High: 5e-324}},
	{"far float", space.FloatDistribution{Low: 1e15, High: 1e15 + 1}},
	{"log", space.FloatDistribution{Low: 1e-5, High: 1, Log: true}},
	{"widest log", space.FloatDistribution{Low: 1e-300, High: 1e300, Log: true}},
	{"narrowest log", space.FloatDistribution{Low: 2, High: math.Nextafter(2, 3), Log: true}},
	{"step", space.FloatDistribution{Low: 0, High: 1, Step: 0.1}},
	{"fine step", space.FloatDistribution{Low: 0, High: 1, Step: 1e-7}},
	{"wide step", space.FloatDistribution{Low: -0.8e308, High: 0.8e308, Step: 1.6e308}},
	{"int", space.IntDistribution{Low: 1, High: 10}},
	{"int of two values", space.IntDistribution{Low: 0, High: 1}},
	{"stepped int", space.IntDistribution{Low: -30, High: 60, Step: 3}},
	{"int of many values", space.IntDistribution{Low: 0, High: 50_000}},
	{"widest int", space.IntDistribution{Low: -min(1<<53, math.MaxInt/2), High: min(1<<53, math.MaxInt/2)}},
	{"log int", space.IntDistribution{Low: 16, High: 1024, Log: true}},
	{"log int of two values", space.IntDistribution{Low: 1, High: 2, Log: true}},
	{"widest log int", space.IntDistribution{Low: 1, High: min(1<<53, math.MaxInt/2), Log: true}},
	{"choice", &space.CategoricalDistribution{Choices: []space.Literal{`"a"`, `"b"`, `"c"`}}},
	{"choice of two", &space.CategoricalDistribution{Choices: []space.Literal{"true", "null"}}},
	{"choice of hundreds", &space.CategoricalDistribution{Choices: numbers(300)}},
}

func numbers(n int) []space.Literal {
	out := make([]space.Literal, n)
	for i := range out {
		out[i] = space.Lit(i)
	}
	return out
}

// kindsOf returns a space of n axes, of the kinds in turn from the first on.
func kindsOf(first, n int) space.Space {
	s := make(space.Space, n)
	for i := range s {
		k := kinds[(first+i)%len(kinds)]
		s[i] = space.Axis{Name: fmt.Sprintf("%s %d", k.name, i), Distribution: k.Distribution}
	}
	s, err := s.Normalize()
	if err != nil {
		panic(err)
	}
	return s
}
