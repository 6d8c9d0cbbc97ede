// Walmart tunes one model for all departments of some stores, on three files in the form of the
// "Walmart Recruiting" competition: train.csv has the weekly sales of each store and department,
// features.csv has columns for each store and week that are known weeks ahead, and stores.csv
// has the type and the size of each store. The sales are made up, from a fixed seed.
//
//	go run ./examples/walmart        # makes the files in a temporary folder, and tunes
//	go run ./examples/walmart DIR    # only makes the files, in DIR
//
// The command does the same as this program, and more:
//
//	attune optimize --data train.csv --target Weekly_Sales --id Store,Dept --join features.csv,stores.csv --horizon 8 --metric mae
package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

const (
	weeks = 143 // as in the competition
	ahead = 12  // weeks of features after the last sales
)

// A shop is a store. Its departments sell more in larger stores, and other things at Christmas.
type shop struct {
	kind  string
	size  int
	depts int
}

var shops = []shop{{"A", 151315, 3}, {"B", 70713, 3}, {"A", 203819, 3}, {"C", 39690, 2}}

// holiday reports whether a week that ends on a Friday has one of the competition's holidays: the
// Super Bowl, Labor Day, Thanksgiving and Christmas.
func holiday(friday time.Time) bool {
	d := friday.YearDay()
	return d > 37 && d <= 44 || d > 247 && d <= 254 || d > 325 && d <= 332 || d > 359
}

// write writes the three files to a folder.
func write(dir string) error {
	r := rand.New(rand.NewPCG(1, 2))
	var train, features, stores strings.Builder
	train.WriteString("Store,Dept,Date,Weekly_Sales,IsHoliday\n")
	features.WriteString("Store,Date,Temperature,Fuel_Price,MarkDown1,CPI,IsHoliday\n")
	stores.WriteString("Store,Type,Size\n")
	start := time.Date(2010, 2, 5, 0, 0, 0, 0, time.UTC)
	truth := map[bool]string{true: "TRUE", false: "FALSE"}
	for i, s := range shops {
		fmt.Fprintf(&stores, "%d,%s,%d\n", i+1, s.kind, s.size)
		warm, down := make([]float64, weeks+ahead), make([]float64, weeks+ahead)
		for w := range weeks + ahead {
			friday := start.AddDate(0, 0, 7*w)
			warm[w] = 60 - 25*math.Cos(2*math.Pi*float64(friday.YearDay())/365) + 4*r.NormFloat64()
			markdown, cpi := "NA", "NA"
			if w >= 92 { // the markdowns begin in November 2011
				down[w] = math.Max(0, 3000+2500*r.NormFloat64())
				markdown = fmt.Sprintf("%.2f", down[w])
			}
			if w < weeks { // the index of the next months is unknown
				cpi = fmt.Sprintf("%.3f", 210+0.05*float64(w))
			}
			fmt.Fprintf(&features, "%d,%s,%.2f,%.3f,%s,%s,%s\n", i+1, friday.Format(time.DateOnly), warm[w], 2.6+0.008*float64(w), markdown, cpi, truth[holiday(friday)])
		}
		for d := 1; d <= s.depts; d++ {
			for w := range weeks {
				if i == 3 && d == 2 && w < 60 {
					continue // a department that opened later
				}
				friday := start.AddDate(0, 0, 7*w)
				sales := float64(s.size) / 10 / float64(d) * math.Exp(0.08*r.NormFloat64()+0.001*float64(w))
				if holiday(friday) {
					sales *= 1 + 0.3*float64(d)
				}
				sales += down[w] * 0.5
				if d == 2 {
					sales *= 1 + (warm[w]-60)/120
				}
				fmt.Fprintf(&train, "%d,%d,%s,%.2f,%s\n", i+1, d, friday.Format(time.DateOnly), sales, truth[holiday(friday)])
			}
		}
	}
	for name, text := range map[string]*strings.Builder{"train.csv": &train, "features.csv": &features, "stores.csv": &stores} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, dir string) error {
	if err := write(dir); err != nil {
		return err
	}
	frame, err := forecast.CSV{Time: "Date", Target: "Weekly_Sales", ID: "Store,Dept",
		Join: []string{filepath.Join(dir, "features.csv"), filepath.Join(dir, "stores.csv")}}.ReadFile(filepath.Join(dir, "train.csv"))
	if err != nil {
		return err
	}
	fmt.Printf("%d series; known in advance:", len(frame))
	for _, c := range frame[0].Known {
		fmt.Printf(" %s", c.Name)
	}
	fmt.Println()

	// Tune on all but the last weeks.
	const horizon = 8
	before, _, err := frame.Cut(horizon)
	if err != nil {
		return err
	}
	back, err := forecast.NewBacktest(before, forecast.Splits{Horizon: horizon, Windows: 2, Step: horizon}, forecast.MAE)
	if err != nil {
		return err
	}
	task := &tune.Task{Backtest: back, Family: treeforecast.Family{Style: style.LightGBM}, MaxRounds: 60}
	st, err := study.Open(ctx, new(memory.Store), "sales", task.Config(tpe.New(tpe.Config{}), pruner.Median{}))
	if err != nil {
		return err
	}
	defer st.Close()
	if err := task.Optimize(ctx, st, study.Run{Trials: 4}); err != nil {
		return err
	}
	best, err := task.Best(ctx, st)
	if err != nil {
		return err
	}

	// Score on them, beside the baselines.
	final, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: horizon}, forecast.MAE)
	if err != nil {
		return err
	}
	tuned, err := task.Family.New(best.Settings)
	if err != nil {
		return err
	}
	scored, err := final.Run(ctx, "tuned LightGBM", tuned, forecast.RunOptions{Fit: forecast.FitOptions{Seed: best.Seed}})
	if err != nil {
		return err
	}
	table, err := final.Compare(ctx, scored)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, table)
	fmt.Printf("first of %d: %s\n", len(table.Rows), table.Rows[0].Name)

	// Forecast the weeks after them: their features are in the joined files.
	next, err := best.Forecaster.Predict(ctx, frame, horizon)
	if err != nil {
		return err
	}
	for _, s := range next {
		fmt.Fprintf(os.Stderr, "%s  %s  %.0f\n", s.ID, s.Time(0).Format(time.DateOnly), s.Y[0])
	}
	fmt.Printf("forecasts of %d series from %s to %s\n", len(next), next[0].Time(0).Format(time.DateOnly), next[0].Time(horizon-1).Format(time.DateOnly))
	return nil
}

func main() {
	if len(os.Args) > 1 {
		if err := write(os.Args[1]); err != nil {
			log.Fatal(err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "walmart")
	if err == nil {
		err = run(context.Background(), dir)
		os.RemoveAll(dir)
	}
	if err != nil {
		log.Fatal(err)
	}
}
