// Parallel lets several processes work on one file. There is no server and no leader: each process opens the same
// study and evaluates trials until the study has enough. Keep the file on a local disk: SQLite's locks are unreliable
// on network file systems.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

const (
	processes = 4
	total     = 100
)

var (
	x = space.Float("x", -5, 10)
	y = space.Float("y", 0, 15)
)

func objective(_ context.Context, t *study.Trial) (float64, error) {
	t.SetAttr("pid", os.Getpid())
	a, b := x.Suggest(t), y.Suggest(t)
	return (a-1)*(a-1) + (b-2)*(b-2), nil
}

func open(ctx context.Context, file string) (*study.Study, error) {
	return study.Open(ctx, sqlite.File(file), "shared", study.Config{Sampler: tpe.New(tpe.Config{})})
}

// work is what each process does.
func work(ctx context.Context, file string) error {
	st, err := open(ctx, file)
	if err != nil {
		return err
	}
	defer st.Close()
	return st.Optimize(ctx, study.Func(objective), study.Run{Total: total})
}

// lead starts the processes and looks at what they did.
func lead(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "attune-parallel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "parallel.db")

	var running sync.WaitGroup
	failed := make(chan error, processes)
	for range processes {
		running.Go(func() {
			cmd := exec.CommandContext(ctx, os.Args[0], "-file", file)
			cmd.Stderr = os.Stderr
			if err := cmd.Run(); err != nil {
				failed <- err
			}
		})
	}
	running.Wait()
	close(failed)
	for err := range failed {
		return err
	}

	st, err := open(ctx, file)
	if err != nil {
		return err
	}
	defer st.Close()
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	workers := map[string]bool{}
	for r := range h.All() {
		pid, _ := r.Attrs.Get("pid")
		workers[pid.JSON] = true
	}
	best, err := st.Best(ctx)
	if err != nil {
		return err
	}
	// Processes that look at the same moment may both start a last trial.
	fmt.Printf("%d trials complete and %d failed, in %d processes\n", h.Count(trial.Complete), h.Count(trial.Failed), len(workers))
	fmt.Printf("best: %.4f\n", best.Values[0])
	return nil
}

func main() {
	file := flag.String("file", "", "work on this file (set for the processes that this program starts)")
	flag.Parse()
	var err error
	if *file != "" {
		err = work(context.Background(), *file)
	} else {
		err = lead(context.Background())
	}
	if err != nil {
		log.Fatal(err)
	}
}
