package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/trial"
)

func ExampleFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store := sqlite.File(filepath.Join(dir, "study.db")) // opened when it is needed
	l, err := store.Create(ctx, trial.Header{Name: "example"})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	r, err := l.Start(ctx, time.Now(), "")
	if err != nil {
		log.Fatal(err)
	}
	if err := l.Write(ctx, r.Number, trial.Finished{State: trial.Complete, Values: []float64{0.5}}); err != nil {
		log.Fatal(err)
	}
	for u, err := range l.Since(ctx, 0) {
		fmt.Println(u.Trial.Number, u.Trial.State, u.Trial.Values, err)
	}
	// Output: 0 complete [0.5] <nil>
}
