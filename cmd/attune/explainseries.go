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
	"text/tabwriter"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/treeforecast"
)

// mostExplained is the maximum number of rows whose SHAP values are computed, over all models.
const mostExplained = 2000

// series explains a model of series.
func (e explain) series(ctx context.Context, stdout, stderr io.Writer) error {
	store, err := openStore(e.storage)
	if err != nil {
		return err
	}
	name, err := pickOf(ctx, store, e.study, isTrees)
	if err != nil {
		return err
	}
	m, from, err := bestModel(ctx, e.storage, name, e.data, stderr)
	if err != nil {
		return err
	}
	t, ok := m.Forecaster.(*forecast.Tabular)
	if !ok || !isTrees(m.Family) {
		return fmt.Errorf("study %q: %s does not forecast with features: choose a study of trees with --study", name, m.Family)
	}
	frame, _, err := from.series()
	if err != nil {
		return whither(err, e.data)
	}
	x, err := shapOf(t, frame)
	if err != nil {
		return err
	}
	if e.output != "" {
		if x.failed != nil {
			return fmt.Errorf("--output: %w", x.failed)
		}
		if err := writeFile("output", e.output, func(w io.Writer) error { return x.write(w, from) }); err != nil {
			return err
		}
	}
	all := x.features()
	slices.SortStableFunc(all, func(a, b explained) int {
		if a.SHAP != nil {
			return cmp.Compare(*b.SHAP, *a.SHAP)
		}
		return cmp.Compare(*b.Gain, *a.Gain)
	})
	if e.format == "json" {
		return writeJSON(stdout, struct {
			Study    string      `json:"study"`
			Model    string      `json:"model"`
			Rows     int         `json:"rows"`
			Features []explained `json:"features"`
		}{name, m.Family, len(x.rows), all})
	}
	fmt.Fprintf(stdout, "study %s, trial %d: %s, %s\n\n", name, m.Trial, m.Family, plural(len(x.rows), "row"))
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "feature\tgain\tshap")
	for _, f := range all {
		shap := "-"
		if f.SHAP != nil {
			shap = fmt.Sprintf("%.4g", *f.SHAP)
		}
		fmt.Fprintf(w, "%s\t%.1f %%\t%s\n", f.Feature, *f.Gain*100, shap)
	}
	return w.Flush()
}

// explainedRows are the SHAP values of rows that a forecaster learns from.
type explainedRows struct {
	names  []string
	gains  []float64 // by feature
	rows   []explainedRow
	failed error // why there are no SHAP values
}

// An explainedRow has the SHAP values of one output: those of the features, and the expected
// value.
type explainedRow struct {
	table  forecast.Table
	at     int // row of the table
	output int
	values []float64
}

// shapOf explains the rows of all models of a forecaster of trees, evenly spaced if there are many.
func shapOf(t *forecast.Tabular, frame forecast.Frame) (explainedRows, error) {
	models := t.Models()
	x := explainedRows{names: t.FeatureNames()}
	x.gains = make([]float64, len(x.names))
	for k, one := range models {
		r, ok := one.(*treeforecast.Regressor)
		if !ok || r.Model() == nil {
			return x, errors.New("the model has no trees")
		}
		for i, imp := range r.Model().Importance() {
			x.gains[i] += imp.Gain
		}
		rows, err := t.Table(frame, k)
		if err != nil {
			return x, err
		}
		n := min(rows.X.Rows, max(1, mostExplained/len(models)))
		outputs, width := r.Model().Outputs, len(x.names)+1
		values := make([]float64, outputs*width)
		for i := range n {
			at := i * rows.X.Rows / n
			if err := r.Model().SHAP(rows.X.Row(at), values); errors.Is(err, tree.ErrUnsupported) {
				x.rows, x.failed = nil, err
				return x, nil
			} else if err != nil {
				return x, err
			}
			for o := range outputs {
				x.rows = append(x.rows, explainedRow{rows, at, o, slices.Clone(values[o*width : (o+1)*width])})
			}
		}
	}
	return x, nil
}

// features returns the features with their gains, and the means of their absolute SHAP values.
func (x explainedRows) features() []explained {
	all := make([]explained, len(x.names))
	sum := 0.0
	for _, g := range x.gains {
		sum += g
	}
	for f, name := range x.names {
		gain := x.gains[f] / max(sum, math.SmallestNonzeroFloat64)
		all[f] = explained{Feature: name, Gain: &gain}
		if x.rows == nil {
			continue
		}
		mean := 0.0
		for _, r := range x.rows {
			mean += math.Abs(r.values[f]) / float64(len(x.rows))
		}
		all[f].SHAP = &mean
	}
	return all
}

// write writes a line for each row.
func (x explainedRows) write(to io.Writer, from source) error {
	w := csv.NewWriter(to)
	w.Write(slices.Concat([]string{"id", "origin", "target"}, x.names, []string{"expected"})) // its error comes at Flush
	for _, r := range x.rows {
		line := []string{r.table.Series(r.at), from.stamp(r.table.Origin(r.at)), from.stamp(r.table.Target(r.at))}
		for _, v := range r.values {
			line = append(line, float(v))
		}
		w.Write(line)
	}
	w.Flush()
	return w.Error()
}
