package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/trial"
)

// A job is what a study of forecasters does, besides what it searches. It stays the same
// whenever the study is resumed. In a study it is two attributes: the record of the task,
// [model.RecordKey], and what the command adds to that, noteKey.
type job struct {
	note
	Model   string
	Metric  string
	Horizon int
	Windows int
	Step    int // from one window to the next
	Fixed   space.Settings
	tuned   string // fingerprint of the data that the tuning sees
	whole   string // fingerprint of all data; of jobs that version 1 has written, which have no other
}

// noteKey is the attribute of a study that says how its data are read, and what else it
// takes to fit its models: a note as JSON.
const noteKey = "forecast"

// A note is what the command adds to the record of the task. Version 2.
type note struct {
	Version   int    `json:"version"`
	Data      source `json:"data"`
	Span      string `json:"span"` // of all data, for people
	Engine    string `json:"engine"`
	Test      int    `json:"test"`                // steps at the end that the tuning does not see
	KeptBack  string `json:"kept_back,omitempty"` // fingerprint of those steps
	MaxRounds int    `json:"max_rounds"`
	Patience  int    `json:"patience"`
}

// errNotJob reports a study that attune optimize has not made.
var errNotJob = errors.New("not made by attune optimize")

// readJob reads the job of a study from its attributes.
func readJob(attrs trial.Attrs) (job, error) {
	a, ok := attrs.Get(noteKey)
	if !ok {
		return job{}, errNotJob
	}
	var j job
	err := a.Decode(&j.note)
	switch {
	case err == nil && j.Version == 1:
		return readJob1(a)
	case err != nil || j.Version != 2:
		return j, fmt.Errorf("attribute %q cannot be read: another version of attune has written it", noteKey)
	}
	record, ok := attrs.Get(model.RecordKey)
	if !ok {
		return j, errNotJob // it was interrupted between the two
	}
	var r struct {
		Kind, Metric           string
		Horizon, Windows, Step int
		Data                   string
		Fixed                  json.RawMessage
	}
	if err = record.Decode(&r); err == nil {
		j.Fixed, err = spaceyaml.ReadSettings(bytes.NewReader(r.Fixed))
	}
	if err != nil {
		return j, fmt.Errorf("attribute %q cannot be read: %w", model.RecordKey, err)
	}
	j.Model, j.Metric, j.Horizon, j.Windows, j.Step, j.tuned = r.Kind, r.Metric, r.Horizon, r.Windows, r.Step, r.Data
	return j, nil
}

// readJob1 reads what version 1 has written: all of the job in one attribute.
func readJob1(a trial.Attr) (job, error) {
	var was struct {
		note
		Fingerprint string
		Model       string
		Metric      string
		Horizon     int
		Windows     int
		Step        int
		Fixed       space.Settings
	}
	if err := a.Decode(&was); err != nil {
		return job{}, fmt.Errorf("attribute %q cannot be read: %w", noteKey, err)
	}
	return job{note: was.note, Model: was.Model, Metric: was.Metric, Horizon: was.Horizon, Windows: was.Windows, Step: was.Step,
		Fixed: was.Fixed, whole: was.Fingerprint}, nil
}

// of reports whether a frame is the data of the job.
func (j job) of(frame forecast.Frame) bool {
	if j.whole != "" {
		return frame.Fingerprint() == j.whole
	}
	tuned, kept, err := fingerprints(frame, j.Test)
	return err == nil && tuned == j.tuned && kept == j.KeptBack
}

// fingerprints returns that of the data that a tuning sees, and that of the steps at the end
// which it does not see: "" if there are none.
func fingerprints(frame forecast.Frame, test int) (tuned, kept string, err error) {
	if test == 0 {
		return frame.Fingerprint(), "", nil
	}
	before, after, err := frame.Cut(test)
	if err != nil {
		return "", "", err
	}
	return before.Fingerprint(), after.Fingerprint(), nil
}

// factFlags are what the facts of a task's record are on the command line.
var factFlags = map[string]string{"kind": "the model", "metric": "--metric", "fixed": "--fixed", "horizon": "--horizon", "windows": "--windows", "step": "--step"}

// agree fails if a study's attributes say that it is of another job than the one to be run,
// which a task tunes on a frame.
func (j job) agree(study string, attrs trial.Attrs, task *tune.Task, frame forecast.Frame) error {
	was, err := readJob(attrs)
	if err != nil {
		return err
	}
	if was.whole != "" {
		attrs = was.renewed(j, task, frame)
	}
	conflict := new(model.Conflict)
	if _, err := task.Agree(study, attrs); err != nil && !errors.As(err, &conflict) {
		return err
	}
	if flag, ok := factFlags[conflict.Fact]; ok {
		return differ(study, flag, strings.Trim(conflict.Was, `"`), strings.Trim(conflict.Is, `"`))
	}
	for _, d := range []struct {
		flag    string
		was, is any
	}{
		{"--target", was.Data.Target, j.Data.Target},
		{"--test", was.Test, j.Test},
		{"--engine", was.Engine, j.Engine},
		{"--max-rounds", was.MaxRounds, j.MaxRounds},
		{"--patience", was.Patience, j.Patience},
	} {
		if d.was != d.is {
			return differ(study, d.flag, d.was, d.is)
		}
	}
	switch {
	case was.of(frame):
		return nil
	case was.Span == j.Span:
		return fmt.Errorf("study %q was made with other values in the data (%s, as now): their scores are not comparable: use another --name", study, was.Span)
	}
	return fmt.Errorf("study %q was made with other data (%s; now %s): their scores are not comparable: use another --name", study, was.Span, j.Span)
}

// differ says that a study was made with another value of a flag.
func differ(study, flag string, was, is any) error {
	return fmt.Errorf("study %q was made with %s %v, and now it is %v: use that value again, or use another --name", study, flag, was, is)
}

// renewed returns the attributes that a study of version 1 would have today. Its fingerprint
// is of all data: it tells whether the frame is the same, and so whether that of the task is.
func (j job) renewed(now job, task *tune.Task, frame forecast.Frame) trial.Attrs {
	record := map[string]any{"kind": j.Model, "metric": j.Metric, "horizon": j.Horizon, "windows": j.Windows, "step": j.Step}
	if j.Windows == 1 {
		record["step"] = 0
	}
	fixed := make(map[string]json.RawMessage)
	for _, s := range j.Fixed {
		fixed[s.Name] = json.RawMessage(s.Value)
	}
	record["fixed"] = fixed
	if slices.Equal(j.Fixed, now.Fixed) { // as the task writes them, in their order
		delete(record, "fixed")
	}
	a, err := trial.NewAttr(model.RecordKey, record)
	must(err)
	return trial.Attrs{a}
}

// shares reports whether the models of two jobs are comparable: they were tuned for the same
// forecasts of the same data.
func (j job) shares(other job) bool {
	return j.Data.Target == other.Data.Target && j.Metric == other.Metric && j.Horizon == other.Horizon && j.Windows == other.Windows &&
		j.Step == other.Step && j.Test == other.Test && j.KeptBack == other.KeptBack && j.tuned == other.tuned && j.whole == other.whole
}

// tuning returns the backtest that is tuned on: of all but the last steps. It fails with
// [forecast.ErrShort] if the first fold has too few rows to learn from.
func (j job) tuning(frame forecast.Frame) (*forecast.Backtest, error) {
	before, _, err := frame.Cut(j.Test)
	if err != nil {
		return nil, j.short(frame, err)
	}
	back, err := j.backtest(before)
	if err != nil {
		return nil, j.short(frame, err)
	}
	train := back.Folds()[0].Train
	least, err := forecast.Recipe{Lags: 1, Strategy: forecast.Pooled, Horizon: j.Horizon}.Fit(train, 0)
	if err == nil {
		_, _, err = least.Tables(train, 0, 0)
	}
	return back, j.short(frame, err)
}

// short says of too few rows which numbers they are too few for, and which flag to lower.
// It returns any other error, and one with another cause, as it is.
func (j job) short(frame forecast.Frame, err error) error {
	rows := 0
	for _, s := range frame {
		rows = max(rows, s.Len())
	}
	learn := j.Horizon + 2 // with one lag
	scored := j.Horizon + (j.Windows-1)*j.Step
	if !errors.Is(err, forecast.ErrShort) || learn+scored+j.Test <= rows {
		return err
	}
	lower := "--horizon, --windows or --test"
	if free := rows - learn - j.Horizon - j.Test; free >= 0 {
		lower = fmt.Sprintf("--windows to %d", free/j.Step+1)
	}
	return fmt.Errorf("%w: %d, and it takes %d: %d to learn from (--horizon + 2), %d for --windows %d of --horizon %d, --step %d apart, and --test %d: lower %s",
		forecast.ErrShort, rows, learn+scored+j.Test, learn, scored, j.Windows, j.Horizon, j.Step, j.Test, lower)
}

// backtest splits a frame as the job has it.
func (j job) backtest(frame forecast.Frame) (*forecast.Backtest, error) {
	return forecast.NewBacktest(frame, forecast.Splits{Horizon: j.Horizon, Windows: j.Windows, Step: j.Step}, j.metrics()...)
}

// family returns what is tuned, networks to be trained on a device.
func (j job) family(device string) (tune.Family, error) {
	m, err := models.get("models", j.Model)
	if err != nil {
		return nil, err
	}
	f, _, err := m.family(how{engine: j.Engine, device: device})
	return f, err
}

// metrics returns the metric that is optimised and, beside it, others.
func (j job) metrics() []forecast.Metric {
	first, err := forecast.ParseMetric(j.Metric)
	must(err) // which was parsed before
	out := []forecast.Metric{first}
	for _, m := range []forecast.Metric{forecast.MAPE, forecast.MASE, forecast.RMSE} {
		if m != first {
			out = append(out, m)
		}
	}
	return out
}

// task returns the tuning of a family on a backtest; models are kept in folder.
func (j job) task(back *forecast.Backtest, family tune.Family, folder string, threads int) *tune.Task {
	return &tune.Task{Backtest: back, Family: family, Fixed: j.Fixed, MaxRounds: j.MaxRounds, Patience: j.Patience,
		Threads: threads, Folder: folder, Data: &j.Data.CSV}
}
