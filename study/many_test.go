package study_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// One trial with n parameters, which are declared, suggested without a declaration, or enqueued: the time should grow
// in proportion to n.
func BenchmarkManyParameters(b *testing.B) {
	for _, n := range []int{2_500, 5_000, 10_000} {
		params := make([]space.Param[float64], n)
		axers := make([]space.Axer, n)
		settings := make([]space.Setting, n)
		for i := range params {
			params[i] = space.Float(fmt.Sprintf("parameter-%05d", i), 0, 1)
			axers[i], settings[i] = params[i], params[i].At(0.5)
		}
		declared := space.Of(axers...)
		for _, tc := range []struct {
			name    string
			space   space.Space
			enqueue []space.Setting
		}{
			{"declared", declared, nil},
			{"undeclared", nil, nil},
			{"enqueued", nil, settings},
		} {
			b.Run(fmt.Sprintf("%s/n=%d", tc.name, n), func(b *testing.B) {
				ctx := b.Context()
				s, err := study.Create(ctx, new(memory.Store), "s", study.Config{Sampler: random.Sampler{}, Space: tc.space})
				require.NoError(b, err)
				for b.Loop() {
					if tc.enqueue != nil {
						_, err := s.Enqueue(ctx, tc.enqueue...)
						require.NoError(b, err)
					}
					t, err := s.Ask(ctx)
					require.NoError(b, err)
					for _, p := range params {
						p.Suggest(t)
					}
					require.NoError(b, t.Err())
					require.NoError(b, s.Tell(ctx, t, []float64{1}, nil))
				}
			})
		}
	}
}
