package problem_test

import (
	"bufio"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/space"
)

func all() []problem.Problem {
	return []problem.Problem{
		problem.Branin(), problem.Hartmann6(), problem.Ackley(10), problem.Rosenbrock(5),
		problem.Sphere(10), problem.Pipeline(),
	}
}

func TestMinimum(t *testing.T) {
	for _, p := range append(all(), problem.Ackley(13), problem.Rosenbrock(2), problem.Sphere(1)) {
		t.Run(p.Name, func(t *testing.T) {
			require.NotEmpty(t, p.Argmin)
			for _, best := range p.Argmin {
				assert.InDelta(t, p.Minimum, p.Loss(problem.At(best)), 1e-12)
				for i, a := range best.Space {
					assert.True(t, a.Distribution.Contains(best.Point[i]), "%s = %v", a.Name, best.Point[i])
				}
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for range 2000 {
				require.GreaterOrEqual(t, p.Loss(anywhere{rng, p.Space}), p.Minimum)
			}
		})
	}
}

// TestMinimumIsOffCentre keeps samplers that start in the centre from looking good.
func TestMinimumIsOffCentre(t *testing.T) {
	for _, p := range []problem.Problem{problem.Ackley(24), problem.Sphere(24)} {
		for i, a := range p.Space {
			d := a.Distribution.(space.FloatDistribution)
			assert.NotEqual(t, (d.Low+d.High)/2, p.Argmin[0].Point[i], "%s %s", p.Name, a.Name)
		}
	}
}

func TestPipelineBranches(t *testing.T) {
	p := problem.Pipeline()
	model, layers := p.Space[0].Distribution, p.Space[p.Space.Index("layers")].Distribution
	at := func(kind string, n float64, want ...string) {
		x, err := model.Encode(space.Lit(kind))
		require.NoError(t, err)
		require.True(t, layers.Contains(n))
		fixed := map[string]float64{"model": x, "layers": n}
		met := map[string]bool{}
		p.Loss(suggester(func(a space.Axis) float64 {
			met[a.Name] = true
			if x, ok := fixed[a.Name]; ok {
				return x
			}
			return a.Distribution.At(0)
		}))
		for _, name := range append(want, "model", "scale", "features") {
			assert.True(t, met[name], "%s: %s", kind, name)
		}
		assert.Len(t, met, len(want)+3, kind)
	}
	at("linear", 1, "alpha", "penalty")
	at("forest", 1, "depth", "leaf")
	at("network", 1, "layers", "rate", "dropout", "units0")
	at("network", 3, "layers", "rate", "dropout", "units0", "units1", "units2")
}

func TestGolden(t *testing.T) {
	losses := map[string]func(space.Suggester) []float64{}
	spaces := map[string]space.Space{}
	for _, p := range all() {
		losses[p.Name] = func(s space.Suggester) []float64 { return []float64{p.Loss(s)} }
		spaces[p.Name] = p.Space
	}
	for _, f := range []problem.Front{problem.ZDT1(5), problem.ZDT2(5), problem.ZDT3(5), problem.DTLZ2(6, 3), problem.WFG4(6)} {
		losses[f.Name], spaces[f.Name] = f.Losses, f.Space
	}

	file, err := os.Open("testdata/golden.jsonl")
	require.NoError(t, err)
	defer file.Close()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var g struct {
			Problem string
			Params  map[string]json.RawMessage
			Values  []float64
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &g))
		var at problem.At
		for _, a := range spaces[g.Problem] {
			if text, ok := g.Params[a.Name]; ok {
				x, err := a.Distribution.Encode(space.Literal(text))
				require.NoError(t, err)
				at.Space, at.Point = append(at.Space, a), append(at.Point, x)
			}
		}
		require.Len(t, at.Point, len(g.Params), g.Problem)
		got := losses[g.Problem](at)
		require.Len(t, got, len(g.Values))
		for i, want := range g.Values {
			assert.InEpsilon(t, want, got[i], 1e-12, "%s", lines.Text())
		}
		seen[g.Problem] = true
	}
	assert.Len(t, seen, len(losses), "every problem has golden values")
}

func TestFront(t *testing.T) {
	two := problem.DTLZ2(30, 2)
	for _, f := range []problem.Front{problem.ZDT1(30), problem.ZDT2(30), problem.ZDT3(30), two} {
		t.Run(f.Name, func(t *testing.T) {
			const n = 1 << 14
			volume, least := 0.0, 1.1
			for i := range n {
				f1 := (float64(i) + 0.5) / n
				x := make([]float64, len(f.Space))
				x[0] = f1
				if f.Name == two.Name {
					x[0] = math.Acos(f1) * 2 / math.Pi
					for k := range x[1:] {
						x[1+k] = 0.5
					}
				}
				got := f.Losses(problem.At{Space: f.Space, Point: x})
				require.Len(t, got, f.Objectives)
				require.InDelta(t, f1, got[0], 1e-15)
				require.InDelta(t, f.Second(f1), got[1], 1e-12)
				least = min(least, got[1])
				volume += (1.1 - least) / n
			}
			volume += 0.1 * (1.1 - min(least, f.Second(1))) // right of the front
			assert.InDelta(t, f.Hypervolume, volume, 1e-5)
		})
	}
}

// On the front of DTLZ2 the squares of the losses add up to 1.
func TestDTLZ2(t *testing.T) {
	f := problem.DTLZ2(7, 4)
	assert.True(t, math.IsNaN(f.Hypervolume))
	assert.Nil(t, f.Second)
	losses := f.Losses(problem.At{Space: f.Space, Point: []float64{0.2, 0.9, 0.4, 0.5, 0.5, 0.5, 0.5}})
	require.Len(t, losses, f.Objectives)
	sum := 0.0
	for _, v := range losses {
		sum += v * v
	}
	assert.InDelta(t, 1, sum, 1e-12)
	assert.InDelta(t, 1.331-math.Pi/6, problem.DTLZ2(12, 3).Hypervolume, 1e-12)
}

func TestBadDimensionPanics(t *testing.T) {
	assert.Panics(t, func() { problem.Sphere(0) })
	assert.Panics(t, func() { problem.Rosenbrock(1) })
	assert.Panics(t, func() { problem.ZDT1(1) })
	assert.Panics(t, func() { problem.DTLZ2(2, 3) })
	assert.Panics(t, func() { problem.DTLZ2(2, 1) })
	assert.Panics(t, func() { problem.Branin().Loss(problem.At{}) })
}

// anywhere draws uniformly from what its space declares.
type anywhere struct {
	rng   *rand.Rand
	space space.Space
}

func (r anywhere) Suggest(a space.Axis) float64 {
	if i := r.space.Index(a.Name); i < 0 || !space.Equal(r.space[i].Distribution, a.Distribution) {
		panic(a.Name + " is not what the space declares")
	}
	if n := a.Distribution.Len(); n > 0 {
		return a.Distribution.At(r.rng.IntN(n))
	}
	d := a.Distribution.(space.FloatDistribution)
	if d.Log {
		return min(max(d.Low*math.Exp(r.rng.Float64()*math.Log(d.High/d.Low)), d.Low), d.High)
	}
	return d.Low + r.rng.Float64()*(d.High-d.Low)
}

type suggester func(space.Axis) float64

func (f suggester) Suggest(a space.Axis) float64 { return f(a) }
