package dbserver_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/dbserver"
)

// gone is the engine of an unreachable server.
type gone struct{ dbserver.Engine }

var errGone = dbserver.Lost{Cause: errors.New("refused")}

func (gone) Connect(context.Context) (dbserver.Pool, error) { return nil, errGone }
func (gone) Class(error) dbserver.Class                     { return dbserver.Again }
func (gone) Explain(err error) error                        { return err }

// The store waits for an unreachable server until its patience ends, or until the run ends whose last changes it
// writes. It reports the outage once.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		s := &dbserver.Store{Package: "test", Name: "db", Engine: gone{}, Patience: time.Minute}
		s.Outage.Away = func(err error) { told = append(told, err) }
		rename := func(ctx context.Context) (waited time.Duration) {
			begun := time.Now()
			for _, err := range s.Studies(ctx) {
				require.ErrorIs(t, err, storage.ErrUnreachable)
			}
			return time.Since(begun)
		}
		assert.GreaterOrEqual(t, rename(t.Context()), time.Minute)
		assert.Equal(t, []error{errGone}, told)

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		assert.Less(t, rename(storage.Finish(ctx)), 6*time.Second)
		assert.Zero(t, rename(storage.Finish(ctx)))
		assert.Len(t, told, 1)
	})
}
