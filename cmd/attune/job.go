package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/ensemble"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/trial"
)

// A job is what a study of forecasters does, apart from what it searches. It must be the
// same whenever the study is resumed. A study stores it in two attributes: the record of the
// task, [model.RecordKey], and the additions of the command, noteKey.
type job struct {
	note
	Model   string
	Metric  string
	Horizon int
	Windows int
	Step    int // steps from one window to the next
	Fixed   space.Settings
	tuned   string // fingerprint of the data that the tuning sees
	whole   string // fingerprint of all data, the only one of jobs from version 1
}

// noteKey is the attribute of a study that says how its data are read, and whatever else is
// needed to fit its models: a note as JSON.
const noteKey = "forecast"

// A note holds the command's additions to the record of the task. Version 2.
type note struct {
	Version   int    `json:"version"`
	Data      source `json:"data"`
	Span      string `json:"span"` // span of all data, for people
	Engine    string `json:"engine"`
	Test      int    `json:"test"`                // steps at the end that the tuning does not see
	Ends      string `json:"ends,omitempty"`      // "each": the end of each series; default: that of the last
	KeptBack  string `json:"kept_back,omitempty"` // fingerprint of those steps
	MaxRounds int    `json:"max_rounds"`
	Patience  int    `json:"patience"`
}

// errNotJob reports a study that attune optimize did not make.
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
		return j, fmt.Errorf("attribute %q cannot be read: another version of attune wrote it", noteKey)
	}
	record, ok := attrs.Get(model.RecordKey)
	if !ok {
		return j, errNotJob // interrupted between writing the two attributes
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

// readJob1 reads a job of version 1, which is all in one attribute.
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
	tuned, kept, err := j.fingerprints(frame)
	return err == nil && tuned == j.tuned && kept == j.KeptBack
}

// fingerprints returns the fingerprint of the data that the tuning sees, and that of the test
// span, "" if there is none.
func (j job) fingerprints(frame forecast.Frame) (tuned, kept string, err error) {
	if j.Test == 0 {
		return frame.Fingerprint(), "", nil
	}
	before, after, err := j.cut(frame, j.Test)
	if err != nil {
		return "", "", err
	}
	return before.Fingerprint(), after.Fingerprint(), nil
}

// factFlags are the names, on the command line, of the facts in a task's record.
var factFlags = map[string]string{"kind": "the model", "metric": "--metric", "fixed": "--fixed", "horizon": "--horizon", "windows": "--windows", "step": "--step"}

// agree fails if a study's attributes belong to a job other than j, which task tunes on
// frame.
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
		{"--ends", cmp.Or(was.Ends, lastEnd), cmp.Or(j.Ends, lastEnd)},
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
		return fmt.Errorf("study %q was made with different values in the data (%s, as now): their scores are not comparable: use another --name", study, was.Span)
	}
	return fmt.Errorf("study %q was made with different data (%s; now %s): their scores are not comparable: use another --name", study, was.Span, j.Span)
}

// differ says that a study was made with another value of a flag.
func differ(study, flag string, was, is any) error {
	return fmt.Errorf("study %q was made with %s %v, but it is now %v: use that value again, or use another --name", study, flag, was, is)
}

// renewed converts the attributes of a study of version 1 to the current version. The old
// fingerprint of all data shows whether the frame, and thus the task's data, is the same.
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
	if slices.Equal(j.Fixed, now.Fixed) { // the task writes them in their order
		delete(record, "fixed")
	}
	a, err := trial.NewAttr(model.RecordKey, record)
	must(err)
	return trial.Attrs{a}
}

// shares reports whether the models of two jobs are comparable: tuned for the same forecasts
// of the same data.
func (j job) shares(other job) bool {
	return j.Data.Target == other.Data.Target && j.Metric == other.Metric && j.Horizon == other.Horizon && j.Windows == other.Windows &&
		j.Step == other.Step && j.Ends == other.Ends && j.Test == other.Test && j.KeptBack == other.KeptBack && j.tuned == other.tuned && j.whole == other.whole
}

// fewestToLearn is the number of rows of a series from which some model can learn.
const fewestToLearn = 3

// tuning returns the backtest for tuning, on all data except the test span. It fails with
// [forecast.ErrShort] if the first fold has too few rows for any model to learn from.
func (j job) tuning(frame forecast.Frame) (*forecast.Backtest, error) {
	before, _, err := j.cut(frame, j.Test)
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
	rows := 0
	for _, s := range train {
		rows = max(rows, s.Len())
	}
	if errors.Is(err, forecast.ErrShort) && rows >= fewestToLearn {
		err = nil // statistical models may do
	}
	return back, j.short(frame, err)
}

// short explains an error about too few rows: which numbers they are too few for, and which
// flag to lower. It returns any other error unchanged.
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
	return fmt.Errorf("%w: there are %d, but %d are needed: %d to learn from (--horizon + 2), %d for --windows %d of --horizon %d, --step %d apart, and --test %d: lower %s",
		forecast.ErrShort, rows, learn+scored+j.Test, learn, scored, j.Windows, j.Horizon, j.Step, j.Test, lower)
}

// backtest splits a frame as the job says.
func (j job) backtest(frame forecast.Frame) (*forecast.Backtest, error) {
	return forecast.NewBacktest(frame, forecast.Splits{Horizon: j.Horizon, Windows: j.Windows, Step: j.Step, Each: j.Ends == eachEnd}, j.metrics()...)
}

// The values of --ends.
const (
	lastEnd = "last"
	eachEnd = "each"
)

// cut separates the last n steps of a frame.
func (j job) cut(frame forecast.Frame, n int) (before, after forecast.Frame, err error) {
	if j.Ends == eachEnd {
		return frame.CutEach(n)
	}
	return frame.Cut(n)
}

// span returns a backtest of windows at the end of a frame.
func (j job) span(frame forecast.Frame, horizon, windows int) (*forecast.Backtest, error) {
	return forecast.NewBacktest(frame, forecast.Splits{Horizon: horizon, Windows: windows, Each: j.Ends == eachEnd}, j.metrics()...)
}

// family returns the family to tune. Networks train on the device.
func (j job) family(device string) (tune.Family, error) {
	if j.Model == ensemble.Name {
		return ensemble.Family{Of: memberFamilies(j.Engine, device)}, nil
	}
	m, err := models.get("models", j.Model)
	if err != nil {
		return nil, err
	}
	f, _, err := m.family(how{engine: j.Engine, device: device})
	return f, err
}

// metrics returns the optimized metric, followed by others.
func (j job) metrics() []forecast.Metric {
	first, err := forecast.ParseMetric(j.Metric)
	must(err) // it has been parsed before
	out := []forecast.Metric{first}
	for _, m := range []forecast.Metric{forecast.MAPE, forecast.MASE, forecast.RMSE} {
		if m != first {
			out = append(out, m)
		}
	}
	return out
}

// task returns the task that tunes a family on a backtest. Models are kept in folder.
func (j job) task(back *forecast.Backtest, family tune.Family, folder string, threads int) *tune.Task {
	return &tune.Task{Backtest: back, Family: family, Fixed: j.Fixed, MaxRounds: j.MaxRounds, Patience: j.Patience,
		Threads: threads, Folder: folder, Data: &j.Data.CSV}
}
