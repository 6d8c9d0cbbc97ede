package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/dense"
	"github.com/attune-hpo/attune/objective/table"
)

// explain holds the flags of the command explain.
type explain struct {
	storage string
	study   string
	data    string
	output  string
	format  string
}

func explainCommand() *cobra.Command {
	var e explain
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Show which features the best model uses, and what they do in each row",
		Long: `Explain shows, for each feature of the best model of a table, or of the best trees of series:

  gain    its share of what the splits of the trees gained in training
  shap    the mean of its absolute SHAP values: how much it moves the raw output (log odds, for
          classes) of a row, on average
  worse   how much the metric worsens if the feature's values are shuffled among the rows

The rows are those that the study was made with, or those of --data. With --output, the SHAP
values of each row are written as CSV. They add up, with the expected value, to the raw output.
Networks (mlp) have no SHAP values, and only trees have gains.

The features of series are lags, means of windows, the calendar and covariates. Their rows are those
that the trees learn from, at most 2,000 of them, and SHAP values are in the units of the target after
the model's transform. They have no column worse. attune importance shows which hyperparameters
mattered.`,
		Example: `  attune explain
  attune explain --study houses-price/lightgbm --output shap.csv
  attune explain --study airpassengers-passengers/lightgbm
  attune explain --data new.csv --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	storageFlags(cmd, &e.storage, &e.study)
	f := cmd.Flags()
	f.StringVar(&e.data, "data", "", "`file` with the rows to explain (default: that of the study)")
	f.StringVar(&e.output, "output", "", "CSV `file` for the SHAP values of each row")
	formatFlag(cmd, &e.format, "text", "json")
	return cmd
}

// An explained feature.
type explained struct {
	Feature string   `json:"feature"`
	Gain    *float64 `json:"gain,omitempty"` // share
	SHAP    *float64 `json:"shap,omitempty"`
	Worse   *float64 `json:"worse,omitempty"`
}

func (e explain) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := cmp.Or(oneOf("format", e.format, []string{"text", "json"}), checkFile("output", e.output)); err != nil {
		return err
	}
	s, ok, err := pickTableStudy(ctx, e.storage, e.study)
	if err != nil {
		return err
	}
	if !ok {
		return e.series(ctx, stdout, stderr)
	}
	defer s.Close()
	m, err := useTable(ctx, s, e.data, stderr)
	if err != nil {
		return err
	}
	from := s.job.Data
	if e.data != "" {
		from.File = e.data
	}
	rows, err := csvfile.ReadFile(from.File, openData, m.ReadRows)
	if err != nil {
		return whither(err, e.data)
	}
	shap, err := m.SHAP(rows)
	if err != nil && !errors.Is(err, dense.ErrUnsupported) {
		return err
	}
	if e.output != "" {
		if shap == nil {
			return fmt.Errorf("--output: %s has no SHAP values: leave it out, or choose another model with --study", m.Style)
		}
		if err := writeFile("output", e.output, func(w io.Writer) error { return writeSHAP(w, m, shap) }); err != nil {
			return err
		}
	}
	all := e.features(m, shap)
	if t, err := from.read(); err == nil && m.Kind != table.Anomalies { // without the target there is nothing to score
		metric := s.job.metric()
		if worse, err := m.Permute(t, metric, 0); err == nil {
			for _, r := range worse {
				i := slices.IndexFunc(all, func(x explained) bool { return x.Feature == r.Name })
				all[i].Worse = &r.Value
			}
		}
	}
	order := func(x explained) float64 {
		for _, v := range []*float64{x.SHAP, x.Worse, x.Gain} {
			if v != nil {
				return *v
			}
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b explained) int { return cmp.Compare(order(b), order(a)) })
	if e.format == "json" {
		return writeJSON(stdout, struct {
			Study    string      `json:"study"`
			Model    string      `json:"model"`
			Metric   string      `json:"metric"`
			Rows     int         `json:"rows"`
			Features []explained `json:"features"`
		}{s.Name(), m.Style, s.job.Metric, len(rows), all})
	}
	fmt.Fprintf(stdout, "study %s, trial %d: %s, %s\n\n", s.Name(), m.Trial, m.Style, plural(len(rows), "row"))
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "feature\tgain\tshap\tworse (%s)\n", s.job.Metric)
	text := func(v *float64, format string, times float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf(format, *v*times)
	}
	for _, x := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", x.Feature, text(x.Gain, "%.1f %%", 100), text(x.SHAP, "%.4g", 1), text(x.Worse, "%.4g", 1))
	}
	return t.Flush()
}

// features returns the features with their gains and SHAP values.
func (e explain) features(m table.Model, shap [][]float64) []explained {
	all := make([]explained, len(m.Features))
	gains, sum := map[string]float64{}, 0.0
	for _, i := range m.Importance() {
		gains[i.Name] = i.Gain
		sum += i.Gain
	}
	width := len(m.Features) + 1
	for f := range all {
		all[f].Feature = m.Features[f].Name
		if sum > 0 {
			share := gains[m.Features[f].Name] / sum
			all[f].Gain = &share
		}
		if len(shap) == 0 {
			continue
		}
		mean := 0.0
		for _, row := range shap {
			for at := f; at < len(row); at += width {
				mean += math.Abs(row[at])
			}
		}
		mean /= float64(len(shap) * len(shap[0]) / width)
		all[f].SHAP = &mean
	}
	return all
}

// writeSHAP writes a line for each row, or for each class of each row.
func writeSHAP(to io.Writer, m table.Model, shap [][]float64) error {
	w := csv.NewWriter(to)
	head := []string{"row"}
	classes := len(m.Classes) > 2
	if classes {
		head = append(head, "class")
	}
	for _, f := range m.Features {
		head = append(head, f.Name)
	}
	w.Write(append(head, "expected")) // its error comes at Flush
	width := len(m.Features) + 1
	for i, row := range shap {
		for k := range len(row) / width {
			line := []string{strconv.Itoa(i + 1)}
			if classes {
				line = append(line, m.Classes[k])
			}
			for _, v := range row[k*width : (k+1)*width] {
				line = append(line, float(v))
			}
			w.Write(line)
		}
	}
	w.Flush()
	return w.Error()
}
