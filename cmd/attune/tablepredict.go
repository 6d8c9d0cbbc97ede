package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/table"
)

// table returns the model to predict with, if it is of a table.
func (p predict) table(ctx context.Context, stderr io.Writer) (m table.Model, ok bool, err error) {
	var file string
	switch {
	case p.model != "" && p.folder == "" && p.study == "":
		file = p.model
	case p.folder != "" && p.name != "" && p.model == "" && p.study == "":
		if file, err = liveModel(p.folder, p.name); err != nil {
			return m, false, err
		}
	case p.model != "" || p.folder != "" || p.name != "":
		return m, false, nil // load says what is wrong
	default:
		s, ok, err := pickTableStudy(ctx, p.storage, p.study)
		if !ok || err != nil {
			return m, false, err
		}
		defer s.Close()
		if err := p.checkTable(); err != nil {
			return m, false, err
		}
		m, err := useTable(ctx, s, "", stderr)
		return m, true, err
	}
	if m, err = table.ReadFile(file); err != nil {
		return m, false, nil // a forecaster, or nothing: load says
	}
	return m, true, p.checkTable()
}

// checkTable refuses flags that are for series.
func (p predict) checkTable() error {
	for _, flag := range []struct {
		name  string
		given bool
	}{{"horizon", p.horizon != 0}, {"plot", p.plot != ""}, {"levels", len(p.levels) > 0}, {"series", p.series != ""}} {
		if flag.given {
			return fmt.Errorf("--%s is for series, and the model is of a table: leave it out", flag.name)
		}
	}
	if p.data == "" {
		return fmt.Errorf("which rows to predict? Name their file with --data")
	}
	return nil
}

// pickTableStudy opens a study of a table: the one with a name or the default one. ok is false if
// the study is of something else.
func pickTableStudy(ctx context.Context, storage, name string) (*tableStudy, bool, error) {
	st, err := openStore(storage)
	if err != nil {
		return nil, false, err
	}
	if name, err = pick(ctx, st, name); err != nil {
		return nil, false, err
	}
	return openTable(ctx, st, name)
}

// predictTable writes the predictions of a model for the rows of --data.
func (p predict) predictTable(m table.Model, stdout io.Writer) error {
	all, err := csvfile.ReadFile(p.data, openData, m.PredictCSV)
	if err != nil {
		return err
	}
	return output(stdout, p.output, func(to io.Writer) error {
		w := csv.NewWriter(to)
		head := []string{"row", "prediction"}
		if m.Kind == table.Anomalies || m.Kind == table.Ranking {
			head[1] = "score"
		}
		for _, c := range m.Classes {
			head = append(head, "probability_"+c)
		}
		w.Write(head) // its error comes at Flush
		for i, v := range all.Values {
			row := []string{strconv.Itoa(i + 1), float(v)}
			if m.Classes != nil {
				row[1] = all.Classes[i]
				for _, x := range all.Probabilities[i] {
					row = append(row, float(x))
				}
			}
			w.Write(row)
		}
		w.Flush()
		return w.Error()
	})
}

func float(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// table exports the model of a table. done is false if the study is of something else.
func (e *exportONNX) table(ctx context.Context, form onnx.Form, register *deploy.Registration, stdout, stderr io.Writer) (done bool, err error) {
	s, ok, err := pickTableStudy(ctx, e.storage, e.study)
	if !ok || err != nil {
		return false, err
	}
	defer s.Close()
	if e.quant != "" {
		return true, fmt.Errorf("--quantize %s is for networks that forecast: leave it out", e.quant)
	}
	m, err := useTable(ctx, s, e.data, stderr)
	if err != nil {
		return true, err
	}
	file := e.data
	if file == "" {
		file = s.job.Data.File
	}
	rows, err := csvfile.ReadFile(file, openData, m.ReadRows)
	if err != nil {
		return true, whither(err, e.data)
	}
	rows = slices.Clip(rows[:min(len(rows), mostCompared)])
	fmt.Fprintf(stdout, "%s, trial %d of study %s\n", m.Style, m.Trial, m.Study)
	o := tableOptions(m)
	o.File, o.KeepFailed, o.Register, o.Form, o.Gate = e.output, e.keepFailed, register, form, e.gate
	r, err := deploy.Table(ctx, m, rows, o)
	return true, e.tell(stdout, r, err)
}

// mostCompared is the number of rows on which an export is compared with its model.
const mostCompared = 2000

// tableOptions returns the options of an export, with what the file says of its model.
func tableOptions(m table.Model) (o deploy.TreesOptions) {
	o.Info.Doc = fmt.Sprintf("%s of %s, trial %d of study %s", m.Style, m.Target, m.Trial, m.Study)
	o.Info.Metadata = []onnx.Property{{Key: "attune.family", Value: m.Style}, {Key: "attune.study", Value: m.Study}, {Key: "attune.trial", Value: strconv.Itoa(m.Trial)},
		{Key: "attune.metric", Value: m.Metric}, {Key: "attune.value", Value: float(m.Value)}}
	return o
}
