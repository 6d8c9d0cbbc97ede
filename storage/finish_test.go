package storage_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/storage"
)

func TestFinish(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	last := storage.Finish(ctx)
	again := storage.Finish(last)
	below, stop := context.WithCancel(last)
	defer stop()
	assert.NoError(t, storage.Finishing(last).Err())
	cancel()
	assert.NoError(t, last.Err())
	assert.NoError(t, below.Err())
	for _, c := range []context.Context{ctx, last, again, below} {
		assert.ErrorIs(t, storage.Finishing(c).Err(), context.Canceled)
	}
	assert.NoError(t, storage.Finishing(context.Background()).Err())
}
