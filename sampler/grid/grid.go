// Package grid visits every combination of given values once.
//
// The trial with number n takes the n-th point in the order of visiting, so that processes that share a study
// do not collide. If that point has been taken, for example by an enqueued trial, or if n is beyond the grid,
// the trial takes a remaining point. Which points are taken follows from the history alone: a study can be
// resumed anywhere, and trials that other samplers or people proposed count too.
//
// Each trial notes its point as Optuna's GridSampler does with its default seed (grid_id, search_space), so each of
// the two recognizes the other's trials.
package grid

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "grid"

// MaxPoints is the number of points that a grid may have: about a million.
const MaxPoints = 1 << 20

// mostRemembered is the number of points, summed over the studies, that a
// sampler remembers as taken or free: at 8 bytes each, 32 MB.
const mostRemembered = 1 << 22

// Config has the settings of a [Sampler].
type Config struct {
	// Values are the values to try, in any order of parameters:
	//
	//	[]space.Setting{lr.At(0.1), lr.At(0.01), depth.At(3), depth.At(5)}
	//
	// is a grid of four points. [All] lists the values of a finite parameter.
	Values []space.Setting
	// InOrder visits the points in lexicographic order: parameters by name, values as they
	// stand in Values, the last parameter changing fastest. By default the points are
	// shuffled by the seed of the study, so that a run that stops early has visited all
	// parts of the grid.
	InOrder bool
}

// A Sampler proposes the points of a grid. Points that a trial has visited or is
// visiting are not proposed again, whether the trial completed, was pruned or
// failed; to try a failed one again, enqueue it. When no point is left, Sample
// fails with [sampler.ErrExhausted].
//
// A Sampler may serve several studies at once: each visits the whole grid.
//
// Points that break a constraint are left out.
//
// A trial in which some parameters were enqueued gets the rest from a point that agrees with them. A complete or
// pruned trial that never suggested some of the parameters has visited all points that differ only in these.
type Sampler struct {
	config Config
	err    error             // in the settings
	names  []string          // of the parameters, sorted
	values [][]space.Literal // of each
	size   int               // number of points
	search string            // the JSON of search_space

	optuna func() numbering // computed once
	memory sampler.Memory[taken]
}

var (
	_ sampler.Sampler   = (*Sampler)(nil)
	_ sampler.Finite    = (*Sampler)(nil)
	_ sampler.Validator = (*Sampler)(nil)
)

// New returns a sampler with the given settings. Validate and Sample return an error if they are invalid.
func New(c Config) *Sampler {
	g := &Sampler{config: c, size: 1}
	g.err = g.gather()
	g.optuna = sync.OnceValue(func() numbering { return number(g.size) })
	g.memory.Most = min(max(2, mostRemembered/g.size), 32)
	return g
}

// Of returns the sampler of the grid of the given values, in shuffled order.
func Of(values ...space.Setting) *Sampler { return New(Config{Values: values}) }

// All returns all values of the given parameters, for [Of] and [Config]. Like a declaration it panics, with an error
// that wraps [space.ErrInvalid], if a parameter is continuous or has more than [MaxPoints] values.
func All(params ...space.Axer) []space.Setting {
	var out []space.Setting
	for _, p := range params {
		a := p.Axis()
		n := a.Distribution.Len()
		if n == 0 || n > MaxPoints {
			panic(pkg.Errorf("parameter %q: %w: %s has too many values to list: name some", a.Name, space.ErrInvalid, space.Describe(a.Distribution)))
		}
		for i := range n {
			out = append(out, space.Setting{Name: a.Name, Value: a.Distribution.Decode(a.Distribution.At(i))})
		}
	}
	return out
}

// Config returns the settings of g, as they were given to [New].
func (g *Sampler) Config() Config { return g.config }

// Len returns the number of points of the grid.
func (g *Sampler) Len() int { return g.size }

// Validate returns an error that wraps [sampler.ErrInvalid] if the grid has no
// values, a duplicate value, or more than [MaxPoints] points.
func (g *Sampler) Validate() error { return g.err }

func (g *Sampler) gather() error {
	invalid := func(format string, args ...any) error {
		return pkg.Errorf("%w: %s", sampler.ErrInvalid, fmt.Sprintf(format, args...))
	}
	if len(g.config.Values) == 0 {
		return invalid("no values: name some")
	}
	byName, named := map[string][]space.Literal{}, map[space.Setting]bool{}
	for _, v := range g.config.Values {
		if named[v] {
			return invalid("value %s of parameter %q is duplicated: name it once", v.Value, v.Name)
		}
		named[v] = true
		byName[v.Name] = append(byName[v.Name], v.Value)
	}
	search := map[string][]pyjson.Raw{}
	for name, values := range byName {
		g.names = append(g.names, name)
		for _, v := range values {
			search[name] = append(search[name], pyjson.Raw(v))
		}
	}
	slices.Sort(g.names)
	for _, name := range g.names {
		g.values = append(g.values, byName[name])
		if g.size *= len(byName[name]); g.size > MaxPoints {
			return invalid("more than %d points: name fewer values, or use package random", MaxPoints)
		}
	}
	text, err := pyjson.Marshal(search)
	if err != nil {
		return pkg.Errorf("%w: %w", sampler.ErrInvalid, err)
	}
	g.search = text
	return nil
}

// Sample implements [sampler.Sampler]. It fails with [sampler.ErrExhausted] when no point is left that agrees
// with r.Given; with an error that wraps [sampler.ErrInvalid] for a parameter that the grid lacks, or that has
// two equal values (1 and 1.0); with [space.ErrOutside] for a value that its distribution does not contain; and
// as Validate does.
func (g *Sampler) Sample(_ context.Context, r sampler.Request) (p sampler.Proposal, err error) {
	if g.err != nil {
		return sampler.Proposal{}, g.err
	}
	g.memory.Use(r.History, func(t *taken) {
		t.of(g)
		p, err = t.sample(r)
	})
	return p, err
}

// Exhausted implements [sampler.Finite]: it reports whether every point of the grid that
// lies in s has been visited or is being visited. Parameters that s lacks are ignored.
func (g *Sampler) Exhausted(s space.Space, h trial.Snapshot) (exhausted bool) {
	if g.err != nil {
		return false // Sample returns the error
	}
	g.memory.Use(h, func(t *taken) {
		t.of(g)
		exhausted = t.exhausted(s, h)
	})
	return exhausted
}

// value returns the index of the value of point p for the k-th parameter.
func (g *Sampler) value(p, k int) int {
	for i := len(g.names) - 1; i > k; i-- {
		p /= len(g.values[i])
	}
	return p % len(g.values[k])
}

// agrees reports whether point p has the given values, where they are not free.
func (g *Sampler) agrees(p int, values []int) bool {
	for k := len(values) - 1; k >= 0; k-- {
		n := len(g.values[k])
		if v := values[k]; v >= 0 && v != p%n {
			return false
		}
		p /= n
	}
	return true
}

// shuffled returns the numbers below n in the order of visiting.
func (g *Sampler) shuffled(seed uint64) []int32 {
	out := make([]int32, g.size)
	for i := range out {
		out[i] = int32(i)
	}
	if !g.config.InOrder {
		rng := rand.New(rand.NewPCG(seed, 0x67726964)) // "grid": a stream of its own
		rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return out
}
