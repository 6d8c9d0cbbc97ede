package memory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/storagetest"
	"github.com/attune-hpo/attune/trial"
)

func TestStore(t *testing.T) {
	storagetest.Run(t, storagetest.Config{
		Open: func(*testing.T) storage.Store { return new(memory.Store) },
	})
}

// plain is a store that has no optional ability: package storage serves it.
type plain struct{ storage.Store }

func (p plain) Create(ctx context.Context, h trial.Header) (storage.Ledger, error) {
	return plainLedger(p.Store.Create(ctx, h))
}

func (p plain) Open(ctx context.Context, name string) (storage.Ledger, error) {
	return plainLedger(p.Store.Open(ctx, name))
}

func plainLedger(l storage.Ledger, err error) (storage.Ledger, error) {
	if err != nil {
		return nil, err
	}
	return struct{ storage.Ledger }{l}, nil
}

func TestAStoreWithoutOptionalAbilities(t *testing.T) {
	storagetest.Run(t, storagetest.Config{
		Open: func(*testing.T) storage.Store { return plain{new(memory.Store)} },
	})
}

func ExampleStore() {
	ctx := context.Background()
	var store memory.Store
	l, _ := store.Create(ctx, trial.Header{Name: "example"})
	defer l.Close()
	r, _ := l.Start(ctx, time.Now(), "")
	_ = l.Write(ctx, r.Number, trial.Finished{State: trial.Complete, Values: []float64{0.5}})
	for u := range l.Since(ctx, 0) {
		fmt.Println(u.Trial.Number, u.Trial.State, u.Trial.Values)
	}
	// Output: 0 complete [0.5]
}
