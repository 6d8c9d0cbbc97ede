package study_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// A sampler is told which values of a trial were enqueued.
func TestRequestNamesWhatIsFixed(t *testing.T) {
	x, y := space.Float("x", 0, 1), space.Float("y", 0, 1)
	for name, declared := range map[string]space.Space{"declared": space.Of(x, y), "not declared": nil} {
		t.Run(name, func(t *testing.T) {
			var asked []sampler.Request
			spy := sampler.Func(func(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
				asked = append(asked, r)
				return random.Sampler{}.Sample(ctx, r)
			})
			st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: spy, Space: declared})
			require.NoError(t, err)
			defer st.Close()
			_, err = st.Enqueue(t.Context(), y.At(0.5))
			require.NoError(t, err)
			objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
				return y.Suggest(t) + x.Suggest(t), nil
			})
			require.NoError(t, st.Optimize(t.Context(), objective, study.Run{Trials: 2}))
			require.GreaterOrEqual(t, len(asked), 2)
			assert.Equal(t, []string{"y"}, asked[0].Fixed)
			assert.Equal(t, []float64{0.5}, asked[0].Given.Point)
			assert.Empty(t, asked[len(asked)-1].Fixed, "the second was not enqueued")
		})
	}
}
