package samplertest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// recorder is a test that notes whether it has failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) FailNow()              { r.failed = true; panic(r) }

// failing returns the laws that c breaks.
func (c Config) failing(t *testing.T) (broken []string) {
	c = c.resolved()
	for _, l := range laws {
		r := &recorder{TB: t}
		func() {
			defer func() {
				if v := recover(); v != nil && v != any(r) {
					r.failed = true
				}
			}()
			l.check(r, c)
		}()
		if r.failed {
			broken = append(broken, l.name)
		}
	}
	return broken
}

// uniform proposes a random point.
func uniform(r sampler.Request) sampler.Proposal {
	p := sampler.Proposal{Point: make([]float64, len(r.Space))}
	for i, a := range r.Space {
		p.Point[i] = draw(a, r.Rand)
	}
	return p
}

// near proposes the same place on each axis, which a function of the values gives.
func near(of func(h trial.Snapshot) float64) func(r sampler.Request) sampler.Proposal {
	return func(r sampler.Request) sampler.Proposal {
		p := uniform(r)
		r.Rand = rand.New(rand.NewPCG(math.Float64bits(of(r.History)), uint64(r.Number)))
		if r.History.Len() > 20 {
			p = uniform(r)
		}
		return p
	}
}

// sum adds f over the complete trials, in order of their numbers.
func sum(h trial.Snapshot, f func(r trial.Record) float64) (total float64) {
	for _, r := range h.Records() {
		if r.State == trial.Complete {
			total += f(r)
		}
	}
	return total
}

// Each of these samplers breaks a law, and the suite detects which one.
func TestBroken(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	for name, tc := range map[string]struct {
		config Config
		sample func(r sampler.Request) sampler.Proposal
		astray bool     // the points may break constraints
		broken []string // at least
	}{
		"none is": {sample: uniform},
		"its own generator": {
			sample: func(r sampler.Request) sampler.Proposal {
				mu.Lock()
				defer mu.Unlock()
				calls++
				r.Rand = rand.New(rand.NewPCG(uint64(calls), 1))
				return uniform(r)
			},
			broken: []string{"the same request has the same answer", "a resumed study goes on as an uninterrupted one", "studies that share a sampler do not notice"},
		},
		"the request is changed": {
			sample: func(r sampler.Request) sampler.Proposal {
				_ = append(r.Given.Point, 1)
				return uniform(r)
			},
			broken: []string{"a request and its history stay as they are"},
		},
		"out of bounds": {
			sample: func(r sampler.Request) sampler.Proposal {
				p := uniform(r)
				for i, a := range r.Space {
					if d, ok := a.Distribution.(space.FloatDistribution); ok && d.Log {
						p.Point[i] = math.Exp(math.Log(d.Low)+(math.Log(d.High)-math.Log(d.Low))*1) * (1 + 1e-15)
					}
				}
				return p
			},
			broken: []string{"points lie in the space"},
		},
		"a point too short": {
			sample: func(sampler.Request) sampler.Proposal { return sampler.Proposal{} },
			broken: []string{"points lie in the space", "conditions"},
		},
		"the sign": {
			sample: near(func(h trial.Snapshot) float64 {
				return sum(h, func(r trial.Record) float64 { return r.Values[0] })
			}),
			broken: []string{"maximizing f is minimizing -f"},
		},
		"values, said to be ranks": {
			config: Config{Ranks: true},
			sample: near(func(h trial.Snapshot) float64 {
				return sum(h, func(r trial.Record) float64 { return h.Direction(0).Loss(r.Values[0]) })
			}),
			broken: []string{"a monotone transform changes nothing"},
		},
		"values": {
			sample: near(func(h trial.Snapshot) float64 {
				return sum(h, func(r trial.Record) float64 { return h.Direction(0).Loss(r.Values[0]) })
			}),
		},
		"the order of finishing": {
			sample: near(func(h trial.Snapshot) float64 {
				if h.Len() == 0 {
					return 0
				}
				return float64(h.At(h.Len() - 1).Number)
			}),
			broken: []string{"the order of finishing does not matter"},
		},
		"units": {
			sample: func(r sampler.Request) sampler.Proposal {
				p := uniform(r)
				for i, a := range r.Space {
					if a.Distribution.Contains(0.25) {
						p.Point[i] = 0.25
					}
				}
				return p
			},
			broken: []string{"rescaled intervals rescale the proposals"},
		},
		"constraints": {
			config: Config{Trials: 20},
			sample: func(r sampler.Request) sampler.Proposal {
				p := uniform(r)
				if len(r.Constraints) > 0 {
					for i, a := range r.Space {
						p.Point[i] = draw(a, r.Rand)
					}
				}
				return p
			},
			astray: true,
			broken: []string{"constraints"},
		},
		"one place": {
			sample: func(r sampler.Request) sampler.Proposal {
				r.Rand = rand.New(rand.NewPCG(uint64(r.History.Len()), 1))
				return uniform(r)
			},
			broken: []string{"parallel trials go to different places"},
		},
		"several objectives are refused unasked": {
			config: Config{OneObjective: true},
			sample: uniform,
			broken: []string{"several objectives"},
		},
		"never at an end": {
			config: Config{Finite: true},
			sample: uniform,
			broken: []string{"a finite sampler visits each point once"},
		},
		"a value that all have": {
			sample: func(r sampler.Request) sampler.Proposal {
				p := uniform(r)
				best, ok := r.History.Best()
				if x := slices.IndexFunc(r.Space, func(a space.Axis) bool { return a.Name == "x" }); ok && x >= 0 {
					p.Point[x], _ = best.Params.Coord("x")
				}
				return p
			},
			broken: []string{"a space that changes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := tc.config
			c.New = func(space.Space) sampler.Sampler {
				return sampler.Func(func(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
					p := tc.sample(r)
					if tc.astray {
						return p, nil
					}
					return p, r.Region().Move(p.Point, rand.New(rand.NewPCG(1, 2)))
				})
			}
			broken := c.failing(t)
			if tc.broken == nil {
				assert.Empty(t, broken)
			}
			for _, name := range tc.broken {
				require.True(t, slices.ContainsFunc(laws, func(l law) bool { return l.name == name }), name)
				assert.Contains(t, broken, name)
			}
		})
	}
}

// A sampler that keeps one state for all studies.
func TestBrokenMemory(t *testing.T) {
	c := Config{New: func(space.Space) sampler.Sampler {
		var mu sync.Mutex
		most := 0
		return sampler.Func(func(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
			mu.Lock()
			defer mu.Unlock()
			most = max(most, r.History.Len())
			r.Rand = rand.New(rand.NewPCG(uint64(most), uint64(r.Number)))
			return uniform(r), nil
		})
	}}
	broken := c.failing(t)
	for _, law := range []string{"an older view is what it was", "studies that share a sampler do not notice"} {
		assert.Contains(t, broken, law)
	}
}

// A sampler that respects its context, and one that a cancelled context breaks.
func TestCancelled(t *testing.T) {
	for heeds, broken := range map[bool]bool{true: false, false: true} {
		c := Config{New: func(space.Space) sampler.Sampler {
			spoilt := false
			return sampler.Func(func(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
				if ctx.Err() != nil {
					spoilt = !heeds
					return sampler.Proposal{}, fmt.Errorf("mine: %w", context.Cause(ctx))
				}
				p := uniform(r)
				if spoilt {
					p.Point[0] = r.Space[0].Distribution.At(0)
				}
				return p, nil
			})
		}}.resolved()
		r := &recorder{TB: t}
		cancelled(r, c)
		assert.Equal(t, broken, r.failed)
	}
}
