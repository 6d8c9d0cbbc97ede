package qmc_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/qmc"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

var (
	x = space.Float("x", 0, 1)
	y = space.Float("y", 0, 1)
	z = space.Float("z", 0, 1)
)

func ExampleSampler() {
	h := trial.NewHistory(trial.Header{Seed: 42}).Snapshot()
	s := space.Of(space.Int("layers", 1, 4), space.Categorical("activation", "relu", "tanh"))
	for number := range 4 { // each number of layers comes once, each activation twice
		p, _ := qmc.Sampler{}.Sample(context.Background(), sampler.Request{Number: number, Space: s, History: h})
		fmt.Println(space.Params{Space: s, Point: p.Point}.Settings())
	}
	// Output:
	// [{layers 1} {activation relu}]
	// [{layers 3} {activation tanh}]
	// [{layers 2} {activation tanh}]
	// [{layers 4} {activation relu}]
}

func sample(t testing.TB, q qmc.Sampler, r sampler.Request) []float64 {
	t.Helper()
	r.Rand = rand.New(rand.NewPCG(1, 1))
	p, err := q.Sample(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, p.Point, len(r.Space))
	return p.Point
}

func history(seed uint64, records ...trial.Record) trial.Snapshot {
	h := trial.NewHistory(trial.Header{Seed: seed})
	for i, r := range records {
		r.Number = i
		h.Put(r)
	}
	return h.Snapshot()
}

func complete(p space.Params) trial.Record {
	return trial.Record{State: trial.Complete, Params: p, Values: []float64{0}}
}

func params(s space.Space) space.Params {
	return space.Params{Space: s, Point: make([]float64, len(s))}
}

// The first points of Sobol' and Halton, as in any textbook.
func TestPlain(t *testing.T) {
	s := space.Of(x, y)
	for n, want := range [][]float64{{0, 0}, {0.5, 0.5}, {0.75, 0.25}, {0.25, 0.75}} {
		assert.Equal(t, want, sample(t, qmc.Sampler{Plain: true}, sampler.Request{Number: n, Space: s}))
	}
	for n, want := range [][]float64{{0, 0}, {1. / 2, 1. / 3}, {1. / 4, 2. / 3}, {3. / 4, 1. / 9}} {
		assert.InDeltaSlice(t, want, sample(t, qmc.Sampler{Sequence: qmc.Halton, Plain: true}, sampler.Request{Number: n, Space: s}), 1e-15)
	}
}

func TestSeeds(t *testing.T) {
	r := sampler.Request{Number: 3, Space: space.Of(x, y), History: history(1)}
	other := r
	other.History = history(2)
	for _, seq := range []qmc.Sequence{qmc.Sobol, qmc.Halton} {
		q := qmc.Sampler{Sequence: seq}
		assert.Equal(t, sample(t, q, r), sample(t, q, r), "nothing but the request matters")
		assert.NotEqual(t, sample(t, q, r), sample(t, q, other), "another seed, another sequence")
		q.Plain = true
		assert.Equal(t, sample(t, q, r), sample(t, q, other), "a plain one is the same for all")
	}
}

func TestDimensions(t *testing.T) {
	one := space.Int("one", 7, 7)
	xyz := sample(t, qmc.Sampler{}, sampler.Request{Number: 5, Space: space.Of(x, y, z)})
	for _, tc := range []struct {
		name string
		r    sampler.Request
		want []float64
	}{
		{"the order of the declaration is no matter", sampler.Request{Space: space.Of(z, x, y)}, []float64{xyz[2], xyz[0], xyz[1]}},
		{"a part of a known space", sampler.Request{Space: space.Of(z, x), History: history(0, complete(params(space.Of(x, y, z))))}, []float64{xyz[2], xyz[0]}},
		{"met alone after others", sampler.Request{Space: space.Of(x), Given: params(space.Of(z, y))}, []float64{xyz[2]}},
		{"met alone beside a known space, not all of which was suggested", sampler.Request{Space: space.Of(x), Given: params(space.Of(y)), History: history(0, complete(params(space.Of(y, z))))}, []float64{xyz[2]}},
		{"a single value takes none", sampler.Request{Space: space.Of(x, y), Given: params(space.Of(one)), History: history(0, complete(params(space.Of(one))))}, xyz[:2]},
		{"trials that failed tell nothing", sampler.Request{Space: space.Of(z), History: history(0, trial.Record{State: trial.Failed, Params: params(space.Of(x))})}, xyz[:1]},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.r.Number = 5
			assert.Equal(t, tc.want, sample(t, qmc.Sampler{}, tc.r))
		})
	}
}

// A thousand parameters have dimensions of their own; further ones are random.
func TestManyDimensions(t *testing.T) {
	var s space.Space
	for i := range qmc.Dimensions + 1 {
		s = append(s, space.Float(fmt.Sprintf("x%04d", i), 0, 1).Axis())
	}
	p := sample(t, qmc.Sampler{Plain: true}, sampler.Request{Number: 1, Space: s})
	for i := range qmc.Dimensions {
		require.Equal(t, 0.5, p[i])
	}
	assert.NotEqual(t, 0.5, p[qmc.Dimensions])
}

func TestValidate(t *testing.T) {
	require.NoError(t, qmc.Sampler{}.Validate())
	bad := qmc.Sampler{Sequence: 7}
	require.ErrorIs(t, bad.Validate(), sampler.ErrInvalid)
	_, err := bad.Sample(t.Context(), sampler.Request{Space: space.Of(x)})
	require.ErrorIs(t, err, sampler.ErrInvalid)
	assert.EqualError(t, err, "qmc: invalid settings: sequence(7): use Sobol or Halton")
}

func BenchmarkSample10Floats(b *testing.B) {
	var s space.Space
	for i := range 10 {
		s = append(s, space.Float(fmt.Sprintf("x%d", i), -5, 5).Axis())
	}
	r := sampler.Request{Number: 1000, Space: s, History: history(1, complete(params(s)))}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = qmc.Sampler{}.Sample(b.Context(), r)
	}
}
