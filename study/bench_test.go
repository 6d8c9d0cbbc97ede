package study_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// One ask and tell on the sphere over ten floats, in memory, in a study with that many finished trials. Each iteration
// takes twenty trials of a study made for it.
func BenchmarkAskTell(b *testing.B) {
	const turn = 20
	var params []space.Param[float64]
	var axes space.Space
	for i := range 10 {
		p := space.Float(fmt.Sprint("x", i), -5, 5)
		params, axes = append(params, p), append(axes, p.Axis())
	}
	square := func(xs []float64) (sum float64) {
		for _, x := range xs {
			sum += x * x
		}
		return sum
	}
	o := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		xs := make([]float64, len(params))
		for i, p := range params {
			xs[i] = p.Suggest(t)
		}
		return square(xs), nil
	})
	for name, s := range map[string]func() sampler.Sampler{
		"tpe":    func() sampler.Sampler { return tpe.New(tpe.Config{}) },
		"random": func() sampler.Sampler { return random.Sampler{} },
	} {
		for _, n := range []int{1000, 10000} {
			b.Run(fmt.Sprintf("%s/trials=%d", name, n), func(b *testing.B) {
				rng := rand.New(rand.NewPCG(1, 2))
				history := make([]trial.Record, n)
				for i := range history {
					xs := make([]float64, len(axes))
					for d := range xs {
						xs[d] = rng.Float64()*10 - 5
					}
					history[i] = trial.Record{State: trial.Complete, Params: space.Params{Space: axes, Point: xs}, Values: []float64{square(xs)}}
				}
				for b.Loop() {
					b.StopTimer()
					st, err := study.Open(b.Context(), new(memory.Store), "bench", study.Config{Sampler: s()})
					require.NoError(b, err)
					_, err = st.Add(b.Context(), history...)
					require.NoError(b, err)
					require.NoError(b, st.Optimize(b.Context(), o, study.Run{Trials: 1})) // reads the history
					b.StartTimer()
					require.NoError(b, st.Optimize(b.Context(), o, study.Run{Trials: turn}))
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/turn, "ns/trial")
			})
		}
	}
}
