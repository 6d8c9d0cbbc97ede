package tpe

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// distributions are one of each kind, and the extreme ones.
var distributions = map[string]space.Distribution{
	"float":               space.FloatDistribution{Low: -5, High: 5},
	"float, widest":       space.FloatDistribution{Low: -0.8e308, High: 0.9e308},
	"float, narrowest":    space.FloatDistribution{Low: 1, High: math.Nextafter(1, 2)},
	"float, denormal":     space.FloatDistribution{Low: 0, High: 5e-324},
	"log":                 space.FloatDistribution{Low: 1e-5, High: 1, Log: true},
	"log, widest":         space.FloatDistribution{Low: 1e-300, High: 1e300, Log: true},
	"log, narrowest":      space.FloatDistribution{Low: 2, High: math.Nextafter(2, 3), Log: true},
	"step":                space.FloatDistribution{Low: 0, High: 1, Step: 0.1},
	"step, fine":          space.FloatDistribution{Low: -1, High: 1, Step: 1e-3},
	"step, very fine":     space.FloatDistribution{Low: 0, High: 1, Step: 1e-7},
	"step, two values":    space.FloatDistribution{Low: 0, High: 0.5, Step: 0.5},
	"step, wide":          space.FloatDistribution{Low: -0.8e308, High: 0.8e308, Step: 1.6e308},
	"int":                 space.IntDistribution{Low: 1, High: 10},
	"int, two values":     space.IntDistribution{Low: 0, High: 1},
	"int, stepped":        space.IntDistribution{Low: -30, High: 60, Step: 3},
	"int, thousands":      space.IntDistribution{Low: 100, High: 3000},
	"int, ten thousands":  space.IntDistribution{Low: 0, High: 50_000},
	"int, all":            space.IntDistribution{Low: -min(1<<53, math.MaxInt/2), High: min(1<<53, math.MaxInt/2)},
	"int log":             space.IntDistribution{Low: 16, High: 1024, Log: true},
	"int log, two values": space.IntDistribution{Low: 1, High: 2, Log: true},
	"int log, widest":     space.IntDistribution{Low: 1, High: min(1<<53, math.MaxInt/2), Log: true},
	"choice":              &space.CategoricalDistribution{Choices: []space.Literal{`"a"`, `"b"`, `"c"`}},
	"choice of two":       &space.CategoricalDistribution{Choices: []space.Literal{"true", "null"}},
}

func spaceOf(t testing.TB, names ...string) space.Space {
	t.Helper()
	var s space.Space
	for i, name := range names {
		require.Contains(t, distributions, name)
		s = append(s, space.Axis{Name: fmt.Sprintf("%d, %s", i, name), Distribution: distributions[name]})
	}
	s, err := s.Normalize()
	require.NoError(t, err)
	return s
}

// randomSpace returns up to most axes, of any kind.
func randomSpace(t testing.TB, rng *rand.Rand, most int) space.Space {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range distributions {
			if !yield(name) {
				return
			}
		}
	})
	picked := make([]string, 1+rng.IntN(most))
	for i := range picked {
		picked[i] = names[rng.IntN(len(names))]
	}
	return spaceOf(t, picked...)
}

// randomRecord returns a trial of a state that is usual for its number, with the
// axes of s or some of them.
func randomRecord(rng *rand.Rand, s space.Space, number, objectives int, running bool) trial.Record {
	r := trial.Record{Number: number, State: trial.Complete}
	for _, a := range s {
		if rng.IntN(50) == 0 {
			continue // conditional
		}
		x := unit.Draw(a.Distribution, rng)
		if rng.IntN(2) == 0 {
			x = unit.From(a.Distribution, 0.3+0.01*rng.NormFloat64())
		}
		switch {
		case running && rng.IntN(2) == 0:
			r.Proposed = append(r.Proposed, space.Setting{Name: a.Name, Value: a.Distribution.Decode(x)})
		default:
			r.Params.Space = append(r.Params.Space, a)
			r.Params.Point = append(r.Params.Point, x)
		}
	}
	switch k := rng.IntN(10); {
	case running:
		r.State = trial.Running
		return r
	case k == 0:
		r.State = trial.Failed
		if rng.IntN(4) == 0 {
			r.Notes = trial.Attrs{{Key: trial.InterruptedKey, JSON: "true"}}
		}
		return r
	case k < 3:
		r.State = trial.Pruned
		for step := range rng.IntN(4) {
			r.Reports = append(r.Reports, trial.Report{Step: step, Value: math.Round(4 * rng.NormFloat64())})
		}
	default:
		for range objectives {
			r.Values = append(r.Values, math.Round(8*rng.NormFloat64())/4)
		}
		if rng.IntN(20) == 0 {
			r.Values[0] = math.Inf(1 - 2*rng.IntN(2))
		}
	}
	if rng.IntN(4) == 0 {
		r.Constraints = []trial.Constraint{{Name: "c", Value: rng.NormFloat64()}}
	}
	return r
}

// requirePlain requires that a point is what Sample proposes as it reads in the
// papers: of the candidates that are new, if there are any, one with the highest
// score, up to rounding.
func requirePlain(t *testing.T, c Config, r sampler.Request, point []float64) {
	t.Helper()
	c = c.resolved(r.History.Objectives())
	repeats := func(x []float64) bool { return !c.Repeat && plainTried(r, x) }
	var wants string
	for range rounds(c.Kernel) {
		found, left := true, point
		for _, s := range subspaces(c, r.Space) {
			l, g := plainEstimators(c, r, s)
			top, proposed := math.Inf(-1), math.Inf(-1)
			var argmax []float64
			fresh := false
			for range c.Candidates {
				x := l.sample(r.Rand)
				score := l.logPDF(x) - g.logPDF(x)
				for d := range x {
					x[d] = l.axes[d].coordinate(x[d])
				}
				isNew := c.Kernel == Multivariate && !repeats(x)
				if fresh && !isNew {
					continue
				}
				if isNew && !fresh {
					fresh, top, proposed = true, math.Inf(-1), math.Inf(-1)
				}
				if slices.Equal(x, left[:len(x)]) {
					proposed = max(proposed, score)
				}
				if score > top {
					top, argmax = score, x
				}
			}
			if !(top-proposed <= 1e-9) {
				found = false
				wants = fmt.Sprintf("want %v with %v, got %v with %v", argmax, top, left[:len(s)], proposed)
			}
			require.False(t, fresh && !found, wants)
			left = left[len(s):]
		}
		if found && !repeats(point) {
			return
		}
		if c.Kernel == Univariate {
			c.Candidates = (c.Candidates + 1) / 2
		}
	}
	require.True(t, repeats(point), "%d trials: %s", r.History.Len(), wants)
}

// plainTried reports whether x is to be avoided: an observation has all its values
// and no others that vary or, where all points of the space were tried, one that
// failed has, and none that worked. Where none has worked, nothing is to be avoided.
func plainTried(r sampler.Request, x []float64) bool {
	size := r.Space.Len()
	if size == 0 {
		return false
	}
	// key is the configuration of settings; it is not ok if that is not one of r.Space.
	key := func(settings []space.Setting) (text string, ok bool) {
		has := map[string]space.Literal{}
		for _, s := range settings {
			i := r.Space.Index(s.Name)
			a, known := r.History.Axis(s.Name)
			if i < 0 && known && a.Distribution.Len() == 1 {
				continue
			}
			if i < 0 {
				return "", false
			}
			if _, err := r.Space[i].Distribution.Encode(s.Value); err != nil {
				return "", false
			}
			has[s.Name] = s.Value
		}
		return fmt.Sprint(has), len(has) == len(r.Space)
	}
	worked, broken, runs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, t := range r.History.Records() {
		at, ok := key(slices.Concat(t.Params.Settings(), t.Proposed))
		switch {
		case !ok:
		case t.State == trial.Running:
			runs[at] = runs[at] || t.Number != r.Number
		case failed(&t):
			broken[at] = true
		case t.State.Done() && counts(&t, r.History):
			worked[at] = true
		}
	}
	maps.DeleteFunc(broken, func(key string, _ bool) bool { return worked[key] })
	at, _ := key(space.Params{Space: r.Space, Point: x}.Settings())
	switch {
	case len(worked)+len(broken) < size:
		return worked[at] || broken[at] || runs[at]
	case len(worked) == 0:
		return false
	}
	return broken[at]
}

func subspaces(c Config, s space.Space) []space.Space {
	if c.Kernel == Multivariate {
		return []space.Space{s}
	}
	var out []space.Space
	for _, a := range s {
		out = append(out, space.Space{a})
	}
	return out
}

// The two densities of the sampler equal those of the plain estimator, for any space, any states of the trials, and any
// order.
func TestTwins(t *testing.T) {
	for seed := range uint64(32) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 99))
			s := randomSpace(t, rng, 8)
			objectives := 1 + rng.IntN(3)
			h := trial.NewHistory(trial.Header{Directions: make([]trial.Direction, objectives)})
			c := Config{Startup: -1, IgnoreRunning: rng.IntN(4) == 0, Candidates: 1 + rng.IntN(30), Repeat: seed%4 == 0}.resolved(objectives)
			c.Kernel = Kernel(1 + rng.IntN(2))
			sam := New(c)
			most := []int{3, 30, 130, 300}[seed%4]
			var open []int
			for number := 0; number < most; {
				// Start some, finish some.
				for range rng.IntN(4) {
					h.Put(randomRecord(rng, s, number, objectives, true))
					open = append(open, number)
					number++
				}
				for len(open) > 0 && rng.IntN(3) > 0 {
					i := rng.IntN(len(open))
					h.Put(randomRecord(rng, s, open[i], objectives, false))
					open = slices.Delete(open, i, i+1)
				}
				if rng.IntN(max(1, most/12)) > 0 {
					continue
				}
				asks := number
				if len(open) > 0 {
					asks = open[rng.IntN(len(open))]
				}
				given := space.Params{Space: s[:1], Point: []float64{unit.Draw(s[0].Distribution, rng)}}
				part := len(s) > 1 && rng.IntN(4) == 0
				request := func() sampler.Request {
					r := sampler.Request{Number: asks, Space: s, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(seed, uint64(number)))}
					if part {
						r.Space, r.Given, r.Fixed = s[1:], given, []string{s[0].Name}
					}
					return r
				}
				got, err := sam.Sample(context.Background(), request())
				require.NoError(t, err)
				again, err := New(c).Sample(context.Background(), request())
				require.NoError(t, err)
				require.Equal(t, again.Point, got.Point, "incremental and rebuilt")
				requirePlain(t, c, request(), got.Point)
				for i, a := range request().Space {
					require.True(t, a.Distribution.Contains(got.Point[i]), "%v in %v", got.Point[i], a)
				}
				compareDensities(t, rng, c, sam, request(), 1e-9)
			}
		})
	}
}

func compareDensities(t *testing.T, rng *rand.Rand, c Config, s *Sampler, r sampler.Request, tolerance float64) {
	k := remembered(s, r.History)
	for _, sp := range subspaces(c, r.Space) {
		x := k.indexes.of(sp, r.Number)
		l, g := plainEstimators(c, r, sp)
		for _, pair := range []struct {
			fast  *mixture
			plain *parzen
			equal bool
		}{{x.l, l, r.History.Objectives() > 1}, {x.g, g, false}} {
			const n = 2 * candidates
			points, scores := make([]float64, n*len(sp)), make([]float64, n)
			for c := range n {
				point := l.sample(rng)
				if c%2 == 0 {
					for d, a := range sp {
						point[d] = values([]axis{newAxis(a)}, []float64{unit.Draw(a.Distribution, rng)})[0]
					}
				}
				for d := range point {
					points[d*n+c] = point[d]
				}
			}
			var w workspace
			pair.fast.logPDF(points, scores, 1, pair.equal, &w)
			for c := range n {
				point := make([]float64, len(sp))
				for d := range point {
					point[d] = points[d*n+c]
				}
				want := pair.plain.logPDF(point)
				require.False(t, math.IsInf(want, 0) || math.IsNaN(want), "plain %v at %v in %v", want, point, sp)
				assert.InDelta(t, want, scores[c], tolerance*max(1, math.Abs(want)), "at %v in %v", point, sp)
			}
		}
	}
}
