package genetic

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// The children of each crossover are around the middle of their parents, in the unit
// cube, and as wide as its paper says.
func TestCrossovers(t *testing.T) {
	parents := [][]float64{{0.3, 0.5, 0.6}, {0.5, 0.4, 0.6}, {0.4, 0.6, 0.3}}
	const n = 40000
	for c, variance := range map[Crossover]float64{ // of the first number; 0: not known
		Uniform: 0.01,                             // ±0.1 around 0.4
		BLX:     0.4 * 0.4 / 12,                   // uniform on [0.2, 0.6]
		SPX:     5 * 0.02 / 12,                    // ε² times that of a triangle
		UNDX:    0.01 + 0.35*0.35/3*0.108*(1-0.8), // along the line; across, 0.108 being the squared distance of the third
		SBX:     0, VSBX: 0,
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		rows := parents[:c.parents()]
		mean, squares := make([]float64, 3), 0.0
		for range n {
			child := c.cross(rows, 2, rng)
			require.Len(t, child, 3)
			require.True(t, inside(child))
			for i, u := range child {
				mean[i] += u / n
			}
			squares += (child[0] - 0.4) * (child[0] - 0.4) / n
		}
		for i := range mean {
			middle := (parents[0][i] + parents[1][i]) / 2
			if c == SPX {
				middle = (parents[0][i] + parents[1][i] + parents[2][i]) / 3
			}
			assert.InDelta(t, middle, mean[i], 0.005, "%v, number %d", c, i)
		}
		if variance > 0 {
			assert.InEpsilon(t, variance, squares, 0.05, "%v", c)
		}
	}
}

func TestCrossoverAtTheBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for c := range crossovers {
		for range 200 {
			child := c.cross([][]float64{{0, 1}, {1, 1}, {0, 1}}, 1, rng)
			require.True(t, inside(child), c.String())
		}
	}
}

// A mutation changes a value of a finite parameter, and moves a real number only a little.
func TestMutation(t *testing.T) {
	d := newDomain(sampler.Request{Space: space.Of(
		space.Float("x", 0, 1), space.Int("n", 0, 1), space.Categorical("c", "a", "b", "c"), space.Int("log", 1, 1000, space.Log()), space.Float("s", 0, 1, space.Step(0.25)),
	)})
	rng := rand.New(rand.NewPCG(1, 2))
	moved := 0.0
	const n = 4000
	for range n {
		u := rng.Float64()
		v := d.mutate(0, u, rng)
		require.True(t, 0 <= v && v <= 1)
		moved += math.Abs(v-u) / n
		for j, a := range d.axes[1:] {
			from := unit.Position(a.Distribution, a.Distribution.At(rng.IntN(a.Distribution.Len())))
			to := d.snap(j+1, d.mutate(j+1, from, rng))
			require.NotEqual(t, from, to, a.Name)
		}
	}
	assert.InDelta(t, 0.18, moved, 0.03)
}

// The order of the pool: first the fronts, then pruned trials by how far they got, then trials that break constraints
// by how much they do. Failed trials are not in it.
func TestOrder(t *testing.T) {
	axes := space.Of(space.Float("x", 0, 1))
	h := trial.NewHistory(trial.Header{})
	add := func(r trial.Record) {
		r.Params = space.Params{Space: axes, Point: []float64{float64(r.Number) / 10}}
		h.Put(r)
	}
	broken := []trial.Constraint{{Name: "c", Value: 2}}
	add(trial.Record{Number: 0, State: trial.Complete, Values: []float64{1}, Constraints: broken})
	add(trial.Record{Number: 1, State: trial.Complete, Values: []float64{3}})
	add(trial.Record{Number: 2, State: trial.Failed})
	add(trial.Record{Number: 3, State: trial.Pruned, Reports: []trial.Report{{Step: 2, Value: 0}}})
	add(trial.Record{Number: 4, State: trial.Pruned, Reports: []trial.Report{{Step: 5, Value: math.NaN()}}})
	add(trial.Record{Number: 5, State: trial.Complete, Values: []float64{2}})
	add(trial.Record{Number: 6, State: trial.Pruned})
	add(trial.Record{Number: 7, State: trial.Complete, Values: []float64{9}, Constraints: []trial.Constraint{{Name: "c", Value: 1}}})
	d := newDomain(sampler.Request{Space: axes})
	var m pools
	var numbers []int
	for _, o := range m.of(d, h.Snapshot()).best(100, whole{}, nil) {
		numbers = append(numbers, o.number)
	}
	assert.Equal(t, []int{5, 1, 4, 3, 6, 7, 0}, numbers)
}

// whole is for populations that need no selection.
type whole struct{}

func (whole) Cut(_, _ [][]float64, _ int, _ *rand.Rand) []int { panic("nothing to cut") }
func (whole) Spread([][]float64) []float64                    { return nil }

// If a value is fixed, the parents are near it, once there are ten such trials.
func TestFixedValues(t *testing.T) {
	x, y := space.Float("x", 0, 1), space.Float("y", 0, 1)
	h := trial.NewHistory(trial.Header{})
	var m pools
	for n := range 40 {
		h.Put(trial.Record{Number: n, State: trial.Complete, Values: []float64{float64(n)}, Params: space.Params{
			Space: space.Of(x, y), Point: []float64{0.5, float64(n%2) * 0.9},
		}})
		d := newDomain(sampler.Request{Space: space.Of(x), Given: space.Params{Space: space.Of(y), Point: []float64{0.9}}, Fixed: []string{"y"}})
		want := n + 1
		if near := (n + 1) / 2; near >= 10 {
			want = near
		}
		assert.Equal(t, want, m.of(d, h.Snapshot()).len(), "after trial %d", n)
		var fresh pools
		assert.Equal(t, want, fresh.of(d, h.Snapshot()).len(), "after trial %d, at once", n)
	}
}
