// Quickstart tunes a forecasting model on real data, the monthly concentration of carbon
// dioxide at Mauna Loa, and then uses the best model.
//
// Every trial trains the model for 60 epochs and reports the validation error after each,
// so that the pruner can stop hopeless trials. The study is kept in quickstart.db:
// interrupt the program at any time and run it again, and it continues where it stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/progress"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space/bind"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

const (
	epochs     = 60
	validation = 48 // months by which configurations are compared
	test       = 48 // months after them, the last, which tuning never sees
)

// parameters ties the search space to the fields of config, both ways.
var parameters = bind.Must(config{})

// objective trains one configuration on the past and returns its error on the
// validation months, in ppm.
func objective(past []float64) study.Func {
	return func(ctx context.Context, t *study.Trial) (float64, error) {
		n := len(past) - validation
		m := newModel(parameters.Suggest(t), past[:n], t.Seed())
		loss := 0.0
		for epoch := range epochs {
			m.epoch(past[:n])
			loss = validate(m.forecast, past, n)
			if err := t.Report(ctx, epoch, loss); err != nil {
				return 0, err // pruned, interrupted or broken: all the same to an objective
			}
		}
		return loss, nil
	}
}

func run(ctx context.Context, file string, trials int) error {
	series, err := monthlyCO2()
	if err != nil {
		return err
	}
	past := series[:len(series)-test]

	st, err := study.Open(ctx, sqlite.File(file), "co2", study.Config{
		Sampler:  tpe.New(tpe.Config{}),
		Pruner:   pruner.Extrapolation{},
		Observer: progress.Bar(os.Stderr),
	})
	if err != nil {
		return err
	}
	defer st.Close()

	before, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	if n := before.Len(); n > 0 {
		fmt.Printf("resuming: %d trials are in %s\n", n, file)
	}
	err = st.Optimize(ctx, objective(past), study.Run{Trials: trials})
	if errors.Is(err, context.Canceled) {
		fmt.Printf("\ninterrupted: nothing is lost, run the same command to resume\n")
		ctx = context.WithoutCancel(ctx)
	} else if err != nil {
		return err
	}

	best, err := st.Best(ctx)
	if errors.Is(err, study.ErrNoTrial) {
		fmt.Println(err)
		return nil // interrupted before the first was complete
	} else if err != nil {
		return err
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d trials in %s: %d complete, %d pruned, %d failed\n",
		h.Len(), file, h.Count(trial.Complete), h.Count(trial.Pruned), h.Count(trial.Failed))
	fmt.Printf("best: trial %d, with a validation error of %.3f ppm\n", best.Number, best.Values[0])
	for name, value := range best.Params.All() {
		fmt.Printf("  %-14s %s\n", name, value)
	}
	return use(best, series)
}

// use trains the best configuration again, on all that came before the test
// months, and compares its forecasts there with three that need no training.
func use(best trial.Record, y []float64) error {
	c, err := parameters.Value(best)
	if err != nil {
		return err
	}
	n := len(y) - test
	m := newModel(c, y[:n], 1)
	for range epochs {
		m.epoch(y[:n])
	}
	fmt.Printf("mean absolute error, a year ahead, in the %d months that tuning never saw:\n", test)
	for _, f := range []struct {
		name     string
		forecast forecast
	}{
		{"tuned model", m.forecast},
		{"as a year ago, plus that year's rise", seasonalDrift},
		{"as a year ago", seasonalNaive},
		{"as last month", naive},
	} {
		fmt.Printf("  %-38s %.3f ppm\n", f.name, validate(f.forecast, y, n))
	}
	return save("best.yaml", best)
}

// save writes the best parameters for the program that will use them.
func save(name string, best trial.Record) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := export.ParamsYAML(file, best); err != nil {
		return errors.Join(err, file.Close())
	}
	fmt.Printf("best parameters: %s; run again to add more trials to the study\n", name)
	return file.Close()
}

func main() {
	file := flag.String("file", "quickstart.db", "SQLite file of the study")
	trials := flag.Int("trials", 60, "trials to run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := run(ctx, *file, *trials); err != nil {
		log.Fatal(err)
	}
}
