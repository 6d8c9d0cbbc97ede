package lightgbm

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who wants as many threads is inside together, others come in order, and who gives
// up waiting stands in nobody's way.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		ctx := context.Background()
		entered := make(chan int, 10)
		enter := func(ctx context.Context, threads int) {
			go func() {
				if g.enter(ctx, threads) == nil {
					entered <- threads
				}
			}()
			synctest.Wait()
		}
		drain := func() (all []int) {
			synctest.Wait()
			for len(entered) > 0 {
				all = append(all, <-entered)
			}
			return all
		}
		enter(ctx, 1)
		enter(ctx, 1)
		assert.Equal(t, []int{1, 1}, drain())
		impatient, cancel := context.WithCancel(ctx)
		enter(impatient, 2)
		enter(ctx, 1)
		assert.Empty(t, drain(), "behind 2")
		cancel()
		assert.Equal(t, []int{1}, drain(), "2 is gone")
		enter(ctx, 2)
		enter(ctx, 1)
		g.leave()
		g.leave()
		assert.Empty(t, drain())
		g.leave()
		assert.Equal(t, []int{2}, drain())
		g.leave()
		assert.Equal(t, []int{1}, drain())
		g.leave()
		require.ErrorIs(t, g.enter(impatient, 1), context.Canceled)
		assert.Zero(t, g.inside)
	})
}
