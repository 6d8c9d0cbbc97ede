package unit_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
)

func normal(t testing.TB, d space.Distribution) space.Distribution {
	t.Helper()
	n, err := d.Normalize()
	require.NoError(t, err)
	return n
}

type (
	float = space.FloatDistribution
	ints  = space.IntDistribution
)

var choices = &space.CategoricalDistribution{Choices: []space.Literal{`"a"`, `"b"`, "null"}}

func TestFrom(t *testing.T) {
	below := math.Nextafter(1, 0)
	for _, tc := range []struct {
		name    string
		d       space.Distribution
		u, want float64
	}{
		{"float, the middle", float{Low: -1, High: 3}, 0.5, 1},
		{"float, both ends", float{Low: -1, High: 3}, 1, 3},
		{"float of the greatest width", float{Low: -0.8e308, High: 0.9e308}, 1, 0.9e308},
		{"a single float", float{Low: 2, High: 2}, below, 2},
		{"log, the geometric mean", float{Low: 1e-4, High: 1, Log: true}, 0.5, 0.01},
		{"log over 600 decades", float{Low: 1e-300, High: 1e300, Log: true}, below, 1e300},
		{"log from the smallest float", float{Low: 5e-324, High: 1, Log: true}, 0, 5e-324},
		{"a step is written as a clean decimal", float{Low: 0, High: 1, Step: 0.1}, 0.3, 0.3},
		{"the last cell of a step", float{Low: 0, High: 1, Step: 0.3}, below, 0.9},
		{"int, the last value, which goptuna never returns", ints{Low: 0, High: 3}, below, 3},
		{"int, the end of the first cell", ints{Low: 0, High: 3}, math.Nextafter(0.25, 0), 0},
		{"int, the start of the second", ints{Low: 0, High: 3}, 0.25, 1},
		{"int step stays in the range", ints{Low: 1, High: 10, Step: 4}, 1, 9},
		{"int, the greatest", ints{Low: -1 << 53, High: 1 << 53}, 1, 1 << 53},
		{"int log, first", ints{Low: 1, High: 100, Log: true}, 0, 1},
		{"int log, last", ints{Low: 1, High: 100, Log: true}, 1, 100},
		{"int log, the greatest", ints{Low: 1, High: 1 << 53, Log: true}, 1, 1 << 53},
		{"choice, the last", choices, below, 2},
		{"below 0", ints{Low: 5, High: 9}, -3, 5},
		{"above 1", ints{Low: 5, High: 9}, 7, 9},
		{"NaN", choices, math.NaN(), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := normal(t, tc.d)
			got := unit.From(d, tc.u)
			assert.InEpsilon(t, 1+math.Abs(tc.want), 1+math.Abs(got), 1e-12)
			assert.True(t, d.Contains(got), "%v contains %v", tc.d, got)
		})
	}
}

// A grid returns decimals as they were written, not as sums of binary steps.
func TestGridsAreClean(t *testing.T) {
	d := normal(t, float{Low: 0.1, High: 2.3, Step: 0.1})
	for i := range d.Len() {
		x := unit.From(d, (float64(i)+0.5)/float64(d.Len()))
		assert.Equal(t, fmt.Sprintf("%.1f", 0.1+0.1*float64(i)), fmt.Sprintf("%.1f", x))
		assert.LessOrEqual(t, len(string(d.Decode(x))), 3)
	}
}

// Cells of integers on a logarithmic scale: x has log((x+½)/(x-½)) of the whole.
func TestIntLogCells(t *testing.T) {
	d := normal(t, ints{Low: 1, High: 9, Log: true})
	const n = 200_000
	var counts [10]int
	for i := range n {
		counts[int(unit.From(d, (float64(i)+0.5)/n))]++
	}
	for x := 1; x <= 9; x++ {
		want := math.Log((float64(x)+0.5)/(float64(x)-0.5)) / math.Log(9.5/0.5)
		assert.InDelta(t, want, float64(counts[x])/n, 1e-4, "x = %d", x)
	}
}

func TestTo(t *testing.T) {
	for _, tc := range []struct {
		name    string
		d       space.Distribution
		x, want float64
	}{
		{"float", float{Low: -1, High: 3}, 0, 0.25},
		{"float, the upper end", float{Low: -1, High: 3}, 3, 1},
		{"a single float", float{Low: 2, High: 2}, 2, 0.5},
		{"log", float{Low: 1e-4, High: 1, Log: true}, 0.01, 0.5},
		{"int, the middle of a cell", ints{Low: 0, High: 3}, 0, 0.125},
		{"step", float{Low: 0, High: 1, Step: 0.25}, 0.5, 0.5},
		{"choice", choices, 1, 0.5},
		{"outside", ints{Low: 0, High: 3}, 99, 0.875},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.InDelta(t, tc.want, unit.To(normal(t, tc.d), tc.x), 1e-12)
		})
	}
}

func TestCell(t *testing.T) {
	for _, tc := range []struct {
		name string
		d    space.Distribution
		x    float64
		i    int
		ok   bool
	}{
		{"int", ints{Low: -3, High: 9, Step: 3}, 3, 2, true},
		{"int between two", ints{Low: -3, High: 9, Step: 3}, 4, 0, false},
		{"step, as a sum of steps", float{Low: 0, High: 1, Step: 0.1}, 0.1 + 0.1 + 0.1, 3, true},
		{"choice", choices, 2, 2, true},
		{"no such choice", choices, 3, 0, false},
		{"a single float", float{Low: 2, High: 2}, 2, 0, true},
		{"a continuum", float{Low: 0, High: 1}, 0, 0, false},
		{"NaN", ints{Low: 0, High: 1}, math.NaN(), 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i, ok := unit.Cell(normal(t, tc.d), tc.x)
			assert.Equal(t, tc.ok, ok)
			assert.Equal(t, tc.i, i)
		})
	}
}

// Pearson's test of 20,000 draws against the probability of each value; 3 seeds,
// at a level of 0.1 %: quantiles of χ² from Abramowitz and Stegun, table 26.8.
func TestDrawOnCells(t *testing.T) {
	quantile := map[int]float64{1: 10.83, 2: 13.82, 3: 16.27, 9: 27.88, 10: 29.59}
	logWeight := func(x float64) float64 { return math.Log((x + 0.5) / (x - 0.5)) }
	same := func(float64) float64 { return 1 }
	for _, tc := range []struct {
		name   string
		d      space.Distribution
		weight func(x float64) float64
	}{
		{"ints from 0 to 3", ints{Low: 0, High: 3}, same},
		{"ints, stepped", ints{Low: -10, High: 10, Step: 7}, same},
		{"floats, stepped", float{Low: 0, High: 1, Step: 0.1}, same},
		{"ints on a logarithmic scale", ints{Low: 1, High: 10, Log: true}, logWeight},
		{"choices", choices, same},
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s, seed %d", tc.name, seed), func(t *testing.T) {
				d := normal(t, tc.d)
				rng := rand.New(rand.NewPCG(seed, 0))
				const n = 20_000
				counts := make([]float64, d.Len())
				for range n {
					i, ok := unit.Cell(d, unit.Draw(d, rng))
					require.True(t, ok)
					counts[i]++
				}
				total := 0.0
				for i := range counts {
					total += tc.weight(d.At(i))
				}
				chi2 := 0.0
				for i, c := range counts {
					want := n * tc.weight(d.At(i)) / total
					chi2 += (c - want) * (c - want) / want
				}
				assert.Less(t, chi2, quantile[len(counts)-1])
			})
		}
	}
}

// Rescaling an interval rescales the draws.
func TestDrawScales(t *testing.T) {
	one, wide := normal(t, float{Low: 0, High: 1}), normal(t, float{Low: -8, High: 24})
	logs := normal(t, float{Low: 1e-3, High: 1e2, Log: true})
	r1, r2, r3 := rand.New(rand.NewPCG(7, 7)), rand.New(rand.NewPCG(7, 7)), rand.New(rand.NewPCG(7, 7))
	for range 100 {
		u := unit.Draw(one, r1)
		assert.InDelta(t, -8+32*u, unit.Draw(wide, r2), 1e-12)
		assert.InDelta(t, -3+5*u, math.Log10(unit.Draw(logs, r3)), 1e-12)
	}
}

func FuzzUnit(f *testing.F) {
	for _, s := range []struct {
		kind            uint8
		low, high, step float64
		u               float64
	}{
		{0, -1, 1, 0, 0.5}, {0, -0.8e308, 0.9e308, 0, math.Nextafter(1, 0)}, {0, 5e-324, 1e-323, 0, 0.5},
		{1, 1e-300, 1e300, 0, math.Nextafter(1, 0)}, {1, 5e-324, 1.7e308, 0, 0},
		{2, 0, 1, 0.1, 0.99}, {2, 0, 1e6, 1e-3, 0.7}, {2, 1234567890123456, 1234567890123556, 1, 0.1}, {2, -1e300, 1e300, 1e290, 0.3},
		{3, 0, 3, 1, math.Nextafter(1, 0)}, {3, -1 << 53, 1 << 53, 3, 0.5}, {4, 1, 1 << 53, 0, 0.9}, {4, 1 << 52, 1<<52 + 3, 0, 0.4},
		{5, 0, 7, 0, 1},
	} {
		f.Add(s.kind, s.low, s.high, s.step, s.u)
	}
	f.Fuzz(func(t *testing.T, kind uint8, low, high, step, u float64) {
		var d space.Distribution
		switch kind % 6 {
		case 0:
			d = float{Low: low, High: high}
		case 1:
			d = float{Low: low, High: high, Log: true}
		case 2:
			d = float{Low: low, High: high, Step: step}
		case 3:
			d = ints{Low: int(low), High: int(high), Step: int(step)}
		case 4:
			d = ints{Low: int(low), High: int(high), Log: true}
		case 5:
			c := &space.CategoricalDistribution{}
			for i := range int(high) & 31 {
				c.Choices = append(c.Choices, space.Lit(i))
			}
			d = c
		}
		d, err := d.Normalize()
		if err != nil {
			return
		}
		x := unit.From(d, u)
		require.True(t, d.Contains(x), "%s: %v at %v", space.Describe(d), x, u)
		drawn := unit.Draw(d, rand.New(rand.NewPCG(uint64(kind), math.Float64bits(u))))
		require.True(t, d.Contains(drawn), "%s: drew %v", space.Describe(d), drawn)
		v := unit.To(d, x)
		require.True(t, 0 <= v && v <= 1, "%v", v)
		if fd, ok := d.(float); ok && max(math.Abs(fd.Low), math.Abs(fd.High)) > 0x1p40*fd.Step {
			return // finer than floats are
		}
		if n := d.Len(); n > 0 && n < 1<<40 {
			i, ok := unit.Cell(d, x)
			require.True(t, ok)
			require.Equal(t, x, d.At(i))
			if id, isInt := d.(ints); !isInt || !id.Log || id.High < 1<<40 {
				require.Equal(t, x, unit.From(d, v), "%s there and back", space.Describe(d))
			}
		}
	})
}

func BenchmarkDraw(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, d := range map[string]space.Distribution{
		"float": float{Low: 0, High: 1}, "log": float{Low: 1e-5, High: 1, Log: true}, "step": float{Low: 0, High: 1, Step: 0.1},
		"int": ints{Low: 0, High: 9}, "choice": choices,
	} {
		d := normal(b, d)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				unit.Draw(d, rng)
			}
		})
	}
}
