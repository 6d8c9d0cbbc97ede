package random_test

import (
	"context"
	"fmt"
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

func TestEveryValueIsReached(t *testing.T) {
	s := space.Of(space.Int("int", 0, 3))
	reached := map[float64]bool{}
	for seed := range uint64(100) {
		p, err := random.Sampler{}.Sample(t.Context(), request(s, seed))
		require.NoError(t, err)
		reached[p.Point[0]] = true
	}
	assert.Len(t, reached, 4, "goptuna v0.9.0 never draws 3 from Int(0, 3)")
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
