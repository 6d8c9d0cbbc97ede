package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tune"
)

// predict holds the flags of the command predict.
type predict struct {
	storage string
	study   string
	model   string
	folder  string // folder of a registry
	name    string // name of the model there
	data    string
	join    []string
	horizon int
	output  string
	plot    string
	series  string
	ends    string
	levels  []float64
}

func predictCommand() *cobra.Command {
	var p predict
	cmd := &cobra.Command{
		Use:   "predict",
		Short: "Forecast or predict with the best model of a study",
		Long: `Predict forecasts the steps after the end of the data with the best model of a study. It
writes CSV with the columns time and prediction, and id if there are several series.

By default it continues the data that the study was made with. Pass newer data in the
same form with --data: the model then forecasts from their end, and is not fitted again.
With --levels, each level L has two more columns, lower_L and upper_L: the true value lies
between them with a probability of L %, if errors stay as they were in the backtest. These
conformal intervals are wider for later steps, and scaled to each series.

Columns that are known in advance (--known) must cover the steps to forecast. A series without a
value of the target is left out. If series end at different times, each is forecast from its own
end; with --ends last all forecasts begin after the last end, and the model's own forecasts stand for the
steps up to there.

The model of a table predicts each row of --data. It writes CSV with the number of the row, from
1, and the prediction: a number, a class and the probability of each, or an anomaly score, which
is closer to 1 for rows that differ from the rest.`,
		Example: `  attune predict
  attune predict --storage attune.db --study airpassengers-passengers/lightgbm --output forecast.csv --plot forecast.svg
  attune predict --model attune.db.models/model-air%2Flightgbm.json --data newer.csv --horizon 6
  attune predict --levels 80,95
  attune predict --data newer.csv --ends last
  attune predict --registry models --name passengers --data newer.csv
  attune predict --study houses-price/lightgbm --data new.csv --output prices.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	storageFlags(cmd, &p.storage, &p.study)
	f := cmd.Flags()
	f.StringVar(&p.model, "model", "", "model `file` to use instead of a study; needs --data")
	f.StringVar(&p.folder, "registry", "", "`folder` of a registry, to use its live model; needs --name and --data")
	f.StringVar(&p.name, "name", "", "`name` of the model in the registry")
	f.StringVar(&p.data, "data", "", "`file` to continue, CSV or Parquet; - reads standard input (default: the data that the study was made with)")
	f.StringSliceVar(&p.join, "join", nil, "`files` to join instead of those of the study, in the same order")
	f.IntVar(&p.horizon, "horizon", 0, "`steps` to forecast, at most as many as the model was tuned for (default: all of them)")
	f.StringVar(&p.output, "output", "", "output `file` (default: standard output)")
	f.StringVar(&p.plot, "plot", "", "`file` to draw the forecast to, as .svg, .png or .html")
	f.Float64SliceVar(&p.levels, "levels", nil, "`percents` of prediction intervals, such as 80,95, in the output and in the plot (default: none)")
	f.Lookup("levels").DefValue = ""
	f.StringVar(&p.ends, "ends", eachEnd, "`end` from which to forecast if series end at different times: each (its own) or last (that of the last series)")
	complete(cmd, "ends", lastEnd, eachEnd)
	f.StringVar(&p.series, "series", "", "`id` of the one series to forecast (default: all)")
	return cmd
}

func (p predict) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := cmp.Or(checkFile("output", p.output), checkFile("plot", p.plot)); err != nil {
		return err
	}
	if err := cmp.Or(checkPicture("plot", p.plot), oneOf("ends", p.ends, []string{lastEnd, eachEnd})); err != nil {
		return err
	}
	if of, ok, err := p.table(ctx, stderr); ok || err != nil {
		if err != nil {
			return err
		}
		return p.predictTable(of, stdout)
	}
	m, from, err := p.load(ctx, stderr)
	if err != nil {
		return err
	}
	if len(p.join) > 0 {
		from.Join = p.join
	}
	frame, from, err := from.series()
	if err != nil {
		return whither(err, p.data)
	}
	frame, empty := begun(frame)
	if len(frame) == 0 {
		return fmt.Errorf("%s: no series has a value of %q", from.File, from.Target)
	}
	if len(empty) > 0 && p.series == "" {
		warn(stderr, fmt.Errorf("%d series left out, without a value of %q: %s", len(empty), from.Target, csvfile.Names(empty)))
	}
	end := frame.End()
	if ended := from.ended(frame); len(ended) > 0 && p.series == "" {
		how := "are forecast from their own ends"
		if p.ends == lastEnd {
			how = "forecasts stand for their steps up to there"
		}
		warn(stderr, fmt.Errorf("%d series end before %s, and %s: %s", len(ended), from.stamp(end), how, csvfile.Names(ended)))
	}
	if p.series != "" && from.ID == "" {
		return fmt.Errorf("--series %s: the data have a single series, without an id", p.series)
	}
	if p.series != "" {
		var ids []string
		for _, s := range frame {
			ids = append(ids, s.ID)
		}
		i := slices.Index(ids, p.series)
		if i < 0 {
			return fmt.Errorf("--series %s: no series has that id: there are %s", quote(p.series), csvfile.Names(ids))
		}
		frame = frame[i : i+1]
	}
	if p.plot != "" && len(frame) > 1 {
		return fmt.Errorf("--plot draws one series, and there are %d: choose one with --series", len(frame))
	}
	switch {
	case p.horizon == 0:
		p.horizon = m.Horizon
	case p.horizon < 0 || p.horizon > m.Horizon:
		return fmt.Errorf("--horizon %d: the model was tuned to forecast 1 to %d steps: for more, tune with a longer --horizon", p.horizon, m.Horizon)
	}
	if p.ends == lastEnd {
		if frame, err = reaching(ctx, m, frame, end); err != nil {
			return err
		}
	}
	next, err := m.Forecaster.Predict(ctx, frame, p.horizon)
	if err != nil {
		return err
	}
	bounds, err := p.intervals(m, next, frame)
	if err != nil {
		return err
	}
	if p.plot != "" {
		picture, err := forecast.Plot{Label: from.Target, Title: fmt.Sprintf("%s, next %d %ss, by %s", from.Target, p.horizon, frame[0].Freq.Unit, m.Family),
			Bands: bands(bounds), Truth: frame[0], Last: max(3*m.Horizon, 40), Forecasts: []forecast.Line{{Name: m.Family, Series: next[0]}}}.Figure()
		if err != nil {
			return err
		}
		if err := drawFile("plot", p.plot, picture, draw.Options{}); err != nil {
			return err
		}
	}
	write := func(w io.Writer) error { return writeForecast(w, next, from, bounds) }
	return output(stdout, p.output, write)
}

// begun returns the series that have a value of the target, and the names of the others.
func begun(frame forecast.Frame) (kept forecast.Frame, empty []string) {
	for _, s := range frame {
		if slices.ContainsFunc(s.Y, func(v float64) bool { return !math.IsNaN(v) }) {
			kept = append(kept, s)
		} else {
			empty = append(empty, s.ID)
		}
	}
	return kept, empty
}

// reaching returns the series up to a time. The model's forecasts are the values of those that end earlier, whose past
// columns are missing there.
func reaching(ctx context.Context, m tune.Model, frame forecast.Frame, end time.Time) (forecast.Frame, error) {
	frame = slices.Clone(frame)
	for i, s := range frame {
		left, _ := s.Freq.Index(s.Time(s.Len()-1), end)
		for left > 0 {
			n := min(left, m.Horizon)
			next, err := m.Forecaster.Predict(ctx, forecast.Frame{s}, n)
			if err != nil {
				return nil, err
			}
			s.Y = append(slices.Clip(s.Y), next[0].Y...)
			s.Past = slices.Clone(s.Past)
			for k, c := range s.Past {
				s.Past[k].Values = append(slices.Clip(c.Values), slices.Repeat([]float64{math.NaN()}, n)...)
			}
			left -= n
		}
		frame[i] = s
	}
	return frame, nil
}

// bands returns the prediction intervals of the first series, the widest first.
func bands(bounds []bound) []forecast.Interval {
	var out []forecast.Interval
	for i := 0; i < len(bounds); i += 2 {
		name, _ := strings.CutPrefix(bounds[i].name, "lower_")
		out = append(out, forecast.Interval{Name: name + " %", Lower: bounds[i].of[0], Upper: bounds[i+1].of[0]})
	}
	slices.SortStableFunc(out, func(a, b forecast.Interval) int {
		return cmp.Compare(b.Upper.Y[0]-b.Lower.Y[0], a.Upper.Y[0]-a.Lower.Y[0])
	})
	return out
}

// A bound is one side of the prediction intervals.
type bound struct {
	name string
	of   forecast.Frame
}

// intervals returns the bounds of the prediction intervals of a forecast that continues past.
func (p predict) intervals(m tune.Model, next, past forecast.Frame) ([]bound, error) {
	var out []bound
	for i, level := range p.levels {
		if !(level > 0 && level < 100) {
			return nil, fmt.Errorf("--levels %v: want percents between 0 and 100", level)
		}
		if slices.Contains(p.levels[:i], level) {
			return nil, fmt.Errorf("--levels %v occurs twice", level)
		}
		if m.Intervals == nil {
			return nil, fmt.Errorf("--levels: %s has no intervals: its backtest had too few errors, or it is of an earlier version: tune it again with more --windows", m.Family)
		}
		lower, upper, err := m.Intervals.Around(next, past, level/100)
		if err != nil {
			return nil, err
		}
		out = append(out, bound{fmt.Sprintf("lower_%v", level), lower}, bound{fmt.Sprintf("upper_%v", level), upper})
	}
	return out, nil
}

// load returns the model, and how to read the data that it continues. It warns of a study's
// model that should not be trusted.
func (p predict) load(ctx context.Context, stderr io.Writer) (tune.Model, source, error) {
	given := 0
	for _, flag := range []string{p.study, p.model, p.folder} {
		if flag != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return tune.Model{}, source{}, errors.New("--study, --model and --registry: give one of them")
	case (p.name == "") != (p.folder == ""):
		return tune.Model{}, source{}, errors.New("--registry and --name: give both, or none")
	case p.model != "":
		return p.fromFile("--model", p.model)
	case p.folder != "":
		file, err := liveModel(p.folder, p.name)
		if err != nil {
			return tune.Model{}, source{}, err
		}
		return p.fromFile("--registry", file)
	}
	return bestModel(ctx, p.storage, p.study, p.data, stderr)
}

// fromFile returns the model in the file of a flag, and how to read the data that it
// continues.
func (p predict) fromFile(flag, file string) (tune.Model, source, error) {
	if p.data == "" {
		return tune.Model{}, source{}, fmt.Errorf("%s: name the data to continue with --data", flag)
	}
	m, err := tune.ReadFile(file, families()...)
	if err != nil {
		if _, _, no := readModel(file, pipeline.ReadOptions{}); no != nil {
			return m, source{}, err
		}
		instead := "attune convert makes ONNX of it"
		if flag == "--registry" {
			instead = "serve its " + registry.ONNX
		}
		return m, source{}, fmt.Errorf("%s: a tree model, not a forecaster: %s", short(file), instead)
	}
	if m.Data == nil {
		return m, source{}, fmt.Errorf("%s does not say how its data are read: it was not made by attune optimize", file)
	}
	from := source{File: p.data, CSV: *m.Data}
	from.Comma = 0 // the new file may have another
	return m, from, nil
}

// liveModel returns the file of the native model of a registry's live version, after
// checking its checksum.
func liveModel(folder, name string) (string, error) {
	r, err := openRegistry(folder)
	if err != nil {
		return "", err
	}
	v, err := show(r, name, 0)
	if err != nil {
		return "", err
	}
	if _, err := v.Read(registry.Native); errors.Is(err, registry.ErrNotExist) {
		return "", fmt.Errorf("%s, version %d: it has no native model to predict with: add one with attune registry add --native", name, v.Number)
	} else if err != nil {
		return "", err
	}
	return v.Path(registry.Native)
}

// whither adds advice to an error about data that have moved: how to name them. given is the value of --data.
func whither(err error, given string) error {
	if given == "" && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: name the file with --data", err)
	}
	return err
}

// series reads data for a model to continue, and returns the source like read.
func (s source) series() (forecast.Frame, source, error) {
	s, err := s.look()
	if err != nil {
		return nil, s, fmt.Errorf("%s: %w", s.File, err)
	}
	s.AllowConstant, s.Open = true, openData
	frame, err := s.ReadFile(s.File)
	return frame, s, err
}

// writeForecast writes a frame as CSV.
func writeForecast(to io.Writer, f forecast.Frame, s source, bounds []bound) error {
	w := csv.NewWriter(to)
	row := func(id string, rest ...string) {
		if s.ID != "" {
			rest = append([]string{id}, rest...)
		}
		w.Write(rest) // its error comes at Flush
	}
	number := func(y float64) string { return strconv.FormatFloat(y, 'g', -1, 64) }
	head := []string{"time", "prediction"}
	for _, b := range bounds {
		head = append(head, b.name)
	}
	row("id", head...)
	for k, series := range f {
		for i, y := range series.Y {
			cells := []string{s.stamp(series.Time(i)), number(y)}
			for _, b := range bounds {
				cells = append(cells, number(b.of[k].Y[i]))
			}
			row(series.ID, cells...)
		}
	}
	w.Flush()
	return w.Error()
}
