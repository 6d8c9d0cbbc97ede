package random_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
)

func request(s space.Space, seed uint64) sampler.Request {
	return sampler.Request{Space: s, Rand: rand.New(rand.NewPCG(seed, 0))}
}

func ExampleSampler() {
	lr := space.Float("lr", 1e-5, 1e-1, space.Log())
	depth := space.Int("depth", 1, 3)

	p, _ := random.Sampler{}.Sample(context.Background(), sampler.Request{
		Space: space.Of(lr, depth),
		Rand:  rand.New(rand.NewPCG(1, 2)),
	})
	fmt.Printf("lr %.2g, depth %v\n", p.Point[0], p.Point[1])
	// Output: lr 0.0051, depth 2
}

func TestSample(t *testing.T) {
	s := space.Of(
		space.Float("float", -1, 1),
		space.Float("log", 1e-300, 1e300, space.Log()),
		space.Float("step", 0, 1, space.Step(0.1)),
		space.Int("int", 0, 3),
		space.Int("int step", 1, 10, space.Step(4)),
		space.Int("int log", 1, min(1<<53, math.MaxInt/2), space.Log()),
		space.Categorical("choice", "a", "b"),
	)
	reached := map[float64]bool{}
	for seed := range uint64(500) {
		p, err := random.Sampler{}.Sample(t.Context(), request(s, seed))
		require.NoError(t, err)
		require.Len(t, p.Point, len(s))
		for i, a := range s {
			require.True(t, a.Distribution.Contains(p.Point[i]), "%s: %v", a.Name, p.Point[i])
		}
		reached[p.Point[3]] = true

		again, err := random.Sampler{}.Sample(t.Context(), request(s, seed))
		require.NoError(t, err)
		require.Equal(t, p, again, "the same request, the same answer")
	}
	assert.Len(t, reached, 4, "goptuna v0.9.0 never draws 3 from Int(0, 3)")
}

// Re-scaling the intervals re-scales the proposals.
func TestSampleScales(t *testing.T) {
	unit := space.Of(space.Float("x", 0, 1), space.Float("y", 0, 1))
	wide := space.Of(space.Float("x", 0, 1024), space.Float("y", -2, 2))
	for seed := range uint64(100) {
		p, err := random.Sampler{}.Sample(t.Context(), request(unit, seed))
		require.NoError(t, err)
		q, err := random.Sampler{}.Sample(t.Context(), request(wide, seed))
		require.NoError(t, err)
		assert.Equal(t, 1024*p.Point[0], q.Point[0])
		assert.Equal(t, 4*p.Point[1]-2, q.Point[1])
	}
}

func floats(n int) space.Space {
	s := make(space.Space, n)
	for i := range s {
		s[i] = space.Float(fmt.Sprintf("x%d", i), -5, 5).Axis()
	}
	return s
}

func TestSampleAllocatesThePointOnly(t *testing.T) {
	r := request(floats(10), 1)
	allocs := testing.AllocsPerRun(100, func() { _, _ = random.Sampler{}.Sample(t.Context(), r) })
	assert.LessOrEqual(t, allocs, 1.0)
}

func BenchmarkSample10Floats(b *testing.B) {
	r := request(floats(10), 1)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = random.Sampler{}.Sample(b.Context(), r)
	}
}
