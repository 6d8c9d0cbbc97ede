package storage_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/trial"
)

// The life of a trial in a ledger: it waits, is started, changes, and finishes.
func ExampleLedger() {
	ctx := context.Background()
	l, err := new(memory.Store).Create(ctx, trial.Header{Name: "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()

	x := space.Axis{Name: "x", Distribution: space.FloatDistribution{Low: 0, High: 1}}
	l.Add(ctx, trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: "0.5"}}})
	r, _ := l.Start(ctx, time.Now(), "")
	l.Write(ctx, r.Number, trial.Suggested{Space: space.Space{x}, Point: []float64{0.5}}, trial.Reported{Step: 1, Value: 3})
	l.Write(ctx, r.Number, trial.Finished{State: trial.Complete, Values: []float64{2}, At: time.Now()})
	err = l.Write(ctx, r.Number, trial.Reported{Step: 2, Value: 1})
	fmt.Println(errors.Is(err, trial.ErrFinished))

	var at storage.Cursor
	for u, err := range l.Since(ctx, at) {
		if err != nil {
			fmt.Println(err)
			return
		}
		at = u.Cursor // to resume from
		fmt.Println(u.Trial.Number, u.Trial.State, u.Trial.Params, u.Trial.Values)
	}
	// Output:
	// true
	// 0 complete x=0.5 [2]
}

// A caller of Wait reads the ledger again each time that Wait returns.
func ExampleWait() {
	ctx := context.Background()
	store := new(memory.Store)
	l, err := store.Create(ctx, trial.Header{Name: "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	reader, err := storage.Read(ctx, store, "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reader.Close()

	go func() { // or another process
		r, _ := l.Start(ctx, time.Now(), "")
		_ = l.Write(ctx, r.Number, trial.Finished{State: trial.Complete, Values: []float64{2}})
	}()
	for at, done := storage.Cursor(0), false; !done; {
		if err := storage.Wait(ctx, reader, at); err != nil {
			fmt.Println(err)
			return
		}
		for u, err := range reader.Since(ctx, at) {
			if err != nil {
				fmt.Println(err)
				return
			}
			at, done = u.Cursor, u.Trial.State.Done()
		}
	}
	fmt.Println("trial 0 has finished")
	// Output: trial 0 has finished
}

// A ledger that was opened for reading refuses changes.
func ExampleRead() {
	ctx := context.Background()
	store := new(memory.Store)
	l, err := store.Create(ctx, trial.Header{Name: "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	reader, err := storage.Read(ctx, store, "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reader.Close()
	_, err = reader.Start(ctx, time.Now(), "")
	fmt.Println(errors.Is(err, storage.ErrReadOnly))
	// Output: true
}
