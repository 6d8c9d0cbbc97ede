package lightgbm

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Trainings with the same number of threads run together. Others wait. A training that stops waiting blocks no other.
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
		enter(ctx, 3)
		enter(ctx, 1)
		assert.Equal(t, []int{1}, drain(), "past 2, which waits")
		cancel()
		g.leave()
		g.leave()
		assert.Empty(t, drain())
		enter(ctx, 4)
		enter(ctx, 3)
		g.leave()
		assert.Equal(t, []int{3, 3}, drain(), "2 is gone")
		g.leave()
		g.leave()
		assert.Equal(t, []int{4}, drain())
		g.leave()
		require.ErrorIs(t, g.enter(impatient, 1), context.Canceled)
		assert.Zero(t, g.inside)
	})
}
