package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// tableKey is the attribute of a study of a table: a tableJob as JSON.
const tableKey = "table"

// A tableJob is what a study of a table does, apart from what it searches. The attribute
// [model.RecordKey] has the fields that are not in its JSON. Version 1.
type tableJob struct {
	Version   int         `json:"version"`
	Task      string      `json:"task"`
	Data      tableSource `json:"data"`
	Span      string      `json:"span"` // for people
	Engine    string      `json:"engine,omitempty"`
	Test      int         `json:"test"`                // rows to hold out; with groups it may be a few more
	KeptBack  string      `json:"kept_back,omitempty"` // fingerprint of those rows
	MaxRounds int         `json:"max_rounds"`
	Patience  int         `json:"patience"`

	Model  string         `json:"-"`
	Metric string         `json:"-"`
	Folds  int            `json:"-"`
	Fixed  space.Settings `json:"-"`
	tuned  string         // fingerprint of the rows that the tuning sees
}

// isTable reports whether a study is of a table.
func isTable(attrs trial.Attrs) bool {
	_, ok := attrs.Get(tableKey)
	return ok
}

// readTableJob reads the job of a study from its attributes.
func readTableJob(attrs trial.Attrs) (tableJob, error) {
	var j tableJob
	a, ok := attrs.Get(tableKey)
	record, also := attrs.Get(model.RecordKey)
	if !ok || !also {
		return j, errNotJob
	}
	if err := a.Decode(&j); err != nil || j.Version != 1 {
		return j, fmt.Errorf("attribute %q cannot be read: another version of attune wrote it", tableKey)
	}
	var r struct {
		Kind, Metric string
		Folds        int
		Data         string
		Fixed        json.RawMessage
	}
	err := record.Decode(&r)
	if err == nil {
		j.Fixed, err = spaceyaml.ReadSettings(bytes.NewReader(r.Fixed))
	}
	if err != nil {
		return j, fmt.Errorf("attribute %q cannot be read: %w", model.RecordKey, err)
	}
	j.Model, j.Metric, j.Folds, j.tuned = r.Kind, r.Metric, r.Folds, r.Data
	return j, nil
}

// shares reports whether the models of two jobs are comparable.
func (j tableJob) shares(other tableJob) bool {
	return j.Task == other.Task && j.Data.Target == other.Data.Target && j.Metric == other.Metric && j.Folds == other.Folds && j.Test == other.Test &&
		j.KeptBack == other.KeptBack && j.tuned == other.tuned
}

// metric returns the metric that is optimized.
func (j tableJob) metric() table.Metric {
	m, err := table.ParseMetric(j.Metric)
	must(err) // it has been parsed before
	return m
}

// metrics returns the optimized metric, followed by others of the task.
func (j tableJob) metrics() []table.Metric {
	out := []table.Metric{j.metric()}
	for _, name := range metricNames(j.Task) {
		if m, err := table.ParseMetric(name); err == nil && m != out[0] && len(out) < 4 {
			out = append(out, m)
		}
	}
	return out
}

// task returns the task that tunes the job's model on a table.
func (j tableJob) task(on table.Table, trees engine.Engine, threads int) *table.Task {
	of, err := tableStyles.get("models", j.Model)
	must(err)
	return &table.Task{Table: on, Style: of, Engine: trees, Metric: j.metric(), Splits: table.Splits{Folds: j.Folds, Ordered: j.Data.Time != ""},
		Fixed: j.Fixed, MaxRounds: j.MaxRounds, Patience: j.Patience, Threads: threads}
}

// fingerprint returns a text that is equal for equal tables.
func fingerprint(t table.Table) string {
	h := sha256.New()
	must(json.NewEncoder(h).Encode([]any{t.Target.Name, t.Target.Categories, t.Weight, t.Group}))
	for _, c := range append(t.Columns, t.Target) {
		fmt.Fprintf(h, "%q %q %v\n", c.Name, c.Categories, c.Values)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// A tableStudy is a study of a table, opened for reading.
type tableStudy struct {
	openStudy
	job     tableJob
	storage string
}

// openTable opens a study of a table. ok is false if the study is of something else.
func openTable(ctx context.Context, st store, name string) (s *tableStudy, ok bool, err error) {
	view, err := study.Read(ctx, st, name)
	if err != nil {
		return nil, false, err
	}
	attrs, err := view.Attrs(ctx)
	if err != nil || !isTable(attrs) {
		view.Close()
		return nil, false, err
	}
	j, err := readTableJob(attrs)
	if err != nil {
		view.Close()
		return nil, false, fmt.Errorf("study %q: %w", name, err)
	}
	return &tableStudy{view, j, st.Path}, true, nil
}

// read returns all rows of the job, from its file or from data, if they have moved.
func (s *tableStudy) read(data string) (table.Table, error) {
	var first error
	for _, file := range []string{s.job.Data.File, data} {
		if file == "" {
			continue
		}
		from := s.job.Data
		from.File = file
		all, err := from.read()
		if err == nil && s.job.of(all) {
			return all, nil
		}
		if err == nil {
			err = fmt.Errorf("%s has changed: name the unchanged data with --data", file)
		} else if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: name the file with --data", err)
		}
		first = cmp.Or(first, err)
	}
	return table.Table{}, first
}

// of reports whether a table has the rows of the job.
func (j tableJob) of(all table.Table) bool {
	tuned, test, err := j.part(all)
	if err != nil {
		return false
	}
	task := j.task(tuned, nil, 1)
	a, err := trial.NewAttr(model.RecordKey, task.Record())
	var r struct{ Data string }
	return err == nil && a.Decode(&r) == nil && r.Data == j.tuned && (j.Test == 0 || fingerprint(test) == j.KeptBack)
}

// part separates the rows that the tuning sees from those to test on.
func (j tableJob) part(all table.Table) (tuned, test table.Table, err error) {
	if j.Test == 0 {
		return all, test, nil
	}
	folds, err := table.Splits{Holdout: float64(j.Test) / float64(all.Rows()), Ordered: j.Data.Time != ""}.Split(all)
	if err != nil {
		return all, test, err
	}
	return all.Take(folds[0].Train), all.Take(folds[0].Valid), nil
}

// final returns the model of the best trial, fitted to all rows, from the file that keeps it
// or fitted again. data names the job's file if it has moved.
func (s *tableStudy) final(ctx context.Context, data string) (table.Model, error) {
	best, err := s.Best(ctx)
	if err != nil {
		return table.Model{}, err
	}
	path := modelPath(s.storage, s.Name())
	if m, err := table.ReadFile(path); err == nil && m.Of(s.openStudy, best) {
		return m, nil
	}
	all, err := s.read(data)
	if err != nil {
		return table.Model{}, fmt.Errorf("study %q: its best model must be fitted to the data first: %w", s.Name(), err)
	}
	trees, err := s.job.trees()
	if err != nil {
		return table.Model{}, err
	}
	return finalTable(ctx, s.job.task(all, trees, runtime.GOMAXPROCS(0)), s.openStudy, best, s.storage)
}

// finalTable fits the model of a trial to all rows and keeps it. If it cannot be kept, it is
// returned together with an error.
func finalTable(ctx context.Context, task *table.Task, st study.Reader, best trial.Record, storage string) (table.Model, error) {
	m, err := task.Refit(ctx, st, best)
	if err != nil {
		return m, err
	}
	if err := os.MkdirAll(modelsFolder(storage), 0o755); err != nil {
		return m, err
	}
	return m, m.WriteFile(modelPath(storage, st.Name()))
}

// useTable is final, with a warning if the model could not be kept.
func useTable(ctx context.Context, s *tableStudy, data string, stderr io.Writer) (table.Model, error) {
	m, err := s.final(ctx, data)
	if err != nil && m.Features != nil {
		warn(stderr, fmt.Errorf("the model could not be saved and will be fitted again next time: %w", err))
		err = nil
	}
	return m, err
}
