// Command speed times attune in the same way as its peers: the mean time per trial,
// in blocks as the study grows. scripts/speed.sh runs all of them and prints one
// table.
//
//	go run ./internal/dev/compare/speed -work sphere10 -trials 5000
//
// It writes a JSON line per block: the peer, the work, the number of trials at the end of the
// block, and the milliseconds per trial in it. The objective costs nothing, so this is all
// overhead. The works are
//
//	sphere10  TPE with its defaults on ten floats, in memory
//	sqlite    five floats drawn at random and five reports, in a new SQLite file
//	sqlite-sync  the same, each commit waiting for the disk as peers have it
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("speed: ")
	name := flag.String("work", "sphere10", "sphere10, sqlite or sqlite-sync")
	trials := flag.Int("trials", 1000, "trials to run")
	flag.Parse()

	dir, err := os.MkdirTemp("", "attune-speed")
	if err != nil {
		log.Fatal(err)
	}
	file := filepath.Join(dir, "study.db")
	var w work
	switch *name {
	case "sphere10":
		w = work{&memory.Store{}, tpe.New(tpe.Config{}), problem.Sphere(10), 0}
	case "sqlite":
		w = work{&sqlite.Store{Path: file, Sync: sqlite.SyncSeldom}, random.Sampler{}, problem.Sphere(5), 5}
	case "sqlite-sync":
		w = work{&sqlite.Store{Path: file, Sync: sqlite.SyncEach}, random.Sampler{}, problem.Sphere(5), 5}
	default:
		log.Fatalf("no work %q", *name)
	}
	err = w.run(context.Background(), *name, *trials)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

type work struct {
	store   storage.Store
	sampler sampler.Sampler
	problem problem.Problem
	reports int
}

func (w work) run(ctx context.Context, name string, trials int) error {
	st, err := study.Create(ctx, w.store, name, study.Config{Sampler: w.sampler})
	if err != nil {
		return err
	}
	defer st.Close()
	out := json.NewEncoder(os.Stdout)
	begin, done := time.Now(), 0
	for _, n := range []int{100, 200, 500, 1000, 2000, 5000, 10000} {
		if n > trials {
			break
		}
		err := st.Optimize(ctx, study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
			loss := w.problem.Loss(t)
			for step := range w.reports {
				if err := t.Report(ctx, step, loss); err != nil {
					return 0, err
				}
			}
			return loss, nil
		}), study.Run{Trials: n - done, Fatal: func(error) bool { return true }})
		if err != nil {
			return err
		}
		ms := time.Since(begin).Seconds() * 1e3 / float64(n-done)
		if err := out.Encode(map[string]any{"peer": "attune", "work": name, "trials": n, "ms": ms}); err != nil {
			return err
		}
		begin, done = time.Now(), n
	}
	return nil
}
