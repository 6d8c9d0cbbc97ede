// Resume interrupts a study halfway and continues it from its file, as after Ctrl-C, a crash or a reboot. The trial
// that was cut short is run again.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var (
	x = space.Float("x", -5, 10)
	y = space.Float("y", 0, 15)
)

const total = 40

// optimize brings the study in a file to a total of 40 evaluated trials. That is
// all there is to resuming: Open creates the study or finds it, and Total counts
// what is there already.
func optimize(ctx context.Context, file string, o study.Func) error {
	st, err := study.Open(ctx, sqlite.File(file), "bowl", study.Config{Sampler: tpe.New(tpe.Config{})})
	if err != nil {
		return err
	}
	defer st.Close()
	return st.Optimize(ctx, o, study.Run{Total: total})
}

func bowl(_ context.Context, t *study.Trial) (float64, error) {
	a, b := x.Suggest(t), y.Suggest(t)
	return (a-1)*(a-1) + (b-2)*(b-2), nil
}

// report prints how a study stands.
func report(file string) error {
	ctx := context.Background()
	st, err := study.Load(ctx, sqlite.File(file), "bowl", study.Config{Sampler: tpe.New(tpe.Config{})})
	if err != nil {
		return err
	}
	defer st.Close()
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d complete, %d failed, %d waiting\n", h.Count(trial.Complete), h.Count(trial.Failed), h.Count(trial.Waiting))
	return nil
}

func run() error {
	dir, err := os.MkdirTemp("", "attune-resume-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "resume.db")

	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	err = optimize(ctx, file, func(ctx context.Context, t *study.Trial) (float64, error) {
		if t.Number() == total/2 {
			interrupt() // as signal.NotifyContext does on Ctrl-C
			return 0, ctx.Err()
		}
		return bowl(ctx, t)
	})
	fmt.Println("interrupted:", errors.Is(err, context.Canceled))
	if err := report(file); err != nil {
		return err
	}

	if err := optimize(context.Background(), file, bowl); err != nil {
		return err
	}
	fmt.Println("resumed")
	return report(file)
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
