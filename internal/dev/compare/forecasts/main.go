// Command forecasts prints the forecasts of the statistical forecasters for the series in a
// CSV file with the columns id, date and value. It prints CSV with the columns id, step and
// one for each model. statistical.py compares it with statsforecast.
package main

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/objective/tune"
)

func main() {
	log.SetFlags(0)
	data := flag.String("data", "", "CSV `file` with the columns id, date and value")
	horizon := flag.Int("horizon", 8, "`steps` to forecast")
	most := flag.Int("series", 0, "`number` of series, evenly spaced; 0: all")
	freq := flag.String("freq", "", "frequency")
	models := flag.String("models", "ets,theta,mstl,arima,ces", "`models`")
	flag.Parse()
	if err := run(*data, *freq, *models, *horizon, *most); err != nil {
		log.Fatal(err)
	}
}

func run(data, freq, models string, horizon, most int) error {
	f, err := forecast.ParseFrequency(freq)
	if err != nil {
		return err
	}
	frame, err := forecast.CSV{ID: "id", Time: "date", Target: "value", Freq: f, AllowConstant: true}.ReadFile(data)
	if err != nil {
		return err
	}
	if n := len(frame); most > 0 && most < n {
		var some forecast.Frame
		for i := range most {
			some = append(some, frame[i*n/most])
		}
		frame = some
	}
	w := csv.NewWriter(os.Stdout)
	head := []string{"id", "step"}
	var columns []forecast.Frame
	for _, family := range []tune.Family{statistical.ETS{}, statistical.Theta{}, statistical.MSTL{}, statistical.ARIMA{}, statistical.CES{}} {
		if !slices.Contains(strings.Split(models, ","), family.Name()) {
			continue
		}
		head = append(head, family.Name())
		model, err := family.New(nil)
		if err != nil {
			return err
		}
		begin := time.Now()
		if err := model.Fit(context.Background(), frame, forecast.FitOptions{Horizon: horizon}); err != nil {
			return err
		}
		next, err := model.Predict(context.Background(), frame, horizon)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: %d series, %v each\n", family.Name(), len(frame), time.Since(begin)/time.Duration(len(frame)))
		columns = append(columns, next)
	}
	w.Write(head) // Flush reports its error
	for i, s := range frame {
		for h := range horizon {
			row := []string{s.ID, strconv.Itoa(h + 1)}
			for _, c := range columns {
				row = append(row, strconv.FormatFloat(c[i].Y[h], 'g', -1, 64))
			}
			w.Write(row)
		}
	}
	w.Flush()
	return w.Error()
}
