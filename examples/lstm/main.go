// Command lstm tunes an LSTM on a monthly series, with the median pruner, in a SQLite file; compares it with a linear
// model and the baselines on a year that tuning never saw; and forecasts the year after. Run it again, and it continues
// from lstm.db.
package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"os"
	"os/signal"

	"github.com/attune-hpo/attune/data"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	file, err := data.Files.Open("airpassengers.csv")
	if err != nil {
		return err
	}
	defer file.Close()
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.Read(file)
	if err != nil {
		return err
	}
	past, _, err := frame.Cut(12)
	if err != nil {
		return err
	}

	// Tune on what came before the last year.
	back, err := forecast.NewBacktest(past, forecast.Splits{Horizon: 12, Windows: 3})
	if err != nil {
		return err
	}
	task := &tune.Task{Backtest: back, Family: neural.LSTM{Quick: true}, Folder: "lstm.models"}
	st, err := study.Open(ctx, sqlite.File("lstm.db"), "lstm", task.Config(tpe.New(tpe.Config{}), pruner.Median{Startup: 4}))
	if err != nil {
		return err
	}
	defer st.Close()
	if err := task.Optimize(ctx, st, study.Run{Total: 16, Workers: 2}); err != nil {
		return err
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d trials are complete or pruned\n", h.Evaluated())
	best, err := task.Best(ctx, st)
	if err != nil {
		return err
	}

	// Score on the last year, beside the linear model and the baselines.
	final, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: 12})
	if err != nil {
		return err
	}
	tuned, err := task.Family.New(best.Settings)
	if err != nil {
		return err
	}
	lstm, err := final.Run(ctx, "tuned LSTM", tuned, forecast.RunOptions{Fit: forecast.FitOptions{Seed: best.Seed}})
	if err != nil {
		return err
	}
	linear, err := final.Run(ctx, "NLinear", neural.NewLinear(neural.NLinear{Transform: forecast.Log{}}), forecast.RunOptions{})
	if err != nil {
		return err
	}
	table, err := final.Compare(ctx, lstm, linear)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, table)
	naive := math.NaN()
	for _, r := range table.Rows {
		if r.Name == forecast.SeasonalNaive(0).String() {
			naive = r.Score(forecast.MAPE)
		}
	}
	fmt.Printf("MAPE of 1960: %.3f for the tuned LSTM, %.3f for the seasonal naive forecast\n", lstm.Score(forecast.MAPE), naive)

	// Learn from all of it, and forecast what comes.
	if err := tuned.Fit(ctx, frame, forecast.FitOptions{Horizon: 12, Seed: best.Seed}); err != nil {
		return err
	}
	next, err := tuned.Predict(ctx, frame, 12)
	if err != nil {
		return err
	}
	fmt.Println("forecast of", next[0].Time(0).Format("January 2006"), "to", next[0].Time(11).Format("January 2006"))
	for i, y := range next[0].Y {
		fmt.Fprintf(os.Stderr, "%s  %.0f\n", next[0].Time(i).Format("2006-01"), y)
	}
	return nil
}
