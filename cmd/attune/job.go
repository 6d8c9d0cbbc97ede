package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// jobKey is the attribute of a study that says what it tunes: a job as JSON.
const jobKey = "forecast"

// A job is what a study of a forecaster does, besides what it searches. It stays the
// same whenever the study is resumed.
type job struct {
	Version     int            `json:"version"` // 1
	Data        source         `json:"data"`
	Span        string         `json:"span"`        // of the frame, for people
	Fingerprint string         `json:"fingerprint"` // of the frame
	Model       string         `json:"model"`
	Engine      string         `json:"engine"`
	Metric      string         `json:"metric"`
	Horizon     int            `json:"horizon"`
	Windows     int            `json:"windows"`
	Step        int            `json:"step"` // from one window to the next
	Test        int            `json:"test"` // steps at the end that the tuning does not see
	MaxRounds   int            `json:"max_rounds"`
	Patience    int            `json:"patience"`
	Fixed       space.Settings `json:"fixed,omitempty"`
}

// conflict returns an error that says in what a study's job differs from the one to be
// run.
func (j job) conflict(study string, now job) error {
	if j.Version != now.Version {
		return fmt.Errorf("study %q was made by another version of attune: take another --name", study)
	}
	for _, d := range []struct {
		flag    string
		was, is any
	}{
		{"--target", j.Data.Target, now.Data.Target},
		{"--metric", j.Metric, now.Metric},
		{"--horizon", j.Horizon, now.Horizon},
		{"--windows", j.Windows, now.Windows},
		{"--step", j.Step, now.Step},
		{"--test", j.Test, now.Test},
		{"the model", j.Model, now.Model},
		{"--engine", j.Engine, now.Engine},
		{"--max-rounds", j.MaxRounds, now.MaxRounds},
		{"--patience", j.Patience, now.Patience},
	} {
		if d.was != d.is {
			return differ(study, d.flag, d.was, d.is)
		}
	}
	switch {
	case !slices.Equal(j.Fixed, now.Fixed):
		return differ(study, "--fixed", j.Fixed, now.Fixed)
	case j.Fingerprint == now.Fingerprint:
		return nil
	case j.Span == now.Span:
		return fmt.Errorf("study %q was made with other values in the data (%s, as now): scores of the two do not compare, so take another --name", study, j.Span)
	}
	return fmt.Errorf("study %q was made with other data (%s; now %s): scores of the two do not compare, so take another --name", study, j.Span, now.Span)
}

// differ says that a study was made with another value of a flag.
func differ(study, flag string, was, is any) error {
	return fmt.Errorf("study %q was made with %s %v, and now it is %v: go back to that, or take another --name", study, flag, was, is)
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

// A jobStudy is a study that optimize made, opened to be looked at.
type jobStudy struct {
	openStudy
	work    *study.Study // the same, where it was opened to be worked on; or nil
	job     job
	storage string
	device  string         // to fit networks on
	data    string         // file to look for the job's data in, if they are not where they were; or empty
	frame   forecast.Frame // the job's data, if they have been read

	kept  *tune.Model // the model that was kept, once it was looked for; perhaps none
	whole *tune.Task  // that fits models to all data, once it was needed
}

// An openStudy is a *study.View or a *study.Study.
type openStudy interface {
	study.Reader
	Close() error
}

// errNotJob reports a study that attune optimize has not made.
var errNotJob = errors.New("not made by attune optimize")

// openJob opens a study of a store and reads its job.
func openJob(ctx context.Context, store *sqlite.Store, name string) (*jobStudy, error) {
	st, err := study.Read(ctx, store, name)
	if err != nil {
		return nil, err
	}
	attrs, err := st.Attrs(ctx)
	if err != nil {
		st.Close()
		return nil, err
	}
	j, err := readJob(attrs)
	if err != nil {
		st.Close()
		return nil, fmt.Errorf("study %q: %w", name, err)
	}
	return &jobStudy{openStudy: st, job: j, storage: store.Path, device: autoDevice}, nil
}

func readJob(attrs trial.Attrs) (job, error) {
	var j job
	a, ok := attrs.Get(jobKey)
	if !ok {
		return j, errNotJob
	}
	if err := a.Decode(&j); err != nil || j.Version != 1 {
		return j, fmt.Errorf("attribute %q cannot be read: it was made by another version of attune: %w", jobKey, err)
	}
	return j, nil
}

// modelsFolder is where the models of a store are kept: those fitted to all data, and
// below it those that have not seen the test span.
func modelsFolder(storage string) string { return storage + ".models" }

// modelPath is the file of a study's model, fitted to all data.
func modelPath(storage, study string) string {
	return (&tune.Task{Folder: modelsFolder(storage)}).Path(study)
}

func tunedFolder(storage string) string { return filepath.Join(modelsFolder(storage), "tuned") }

// read returns the data that the study was made with.
func (s *jobStudy) read() (forecast.Frame, error) {
	if s.frame != nil {
		return s.frame, nil
	}
	var first error
	for _, file := range []string{s.job.Data.File, s.data} {
		from := s.job.Data
		if from.File = file; file == "" {
			continue
		}
		frame, err := from.read()
		if err == nil && fingerprint(frame) == s.job.Fingerprint {
			return frame, nil
		}
		if err == nil {
			err = fmt.Errorf("%s has changed since: say with --data where it is as it was", file)
		} else if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: say with --data where it is", err)
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// bestModel returns the final model of a study, by its name or the only one of a store, and
// how the data that it is used on are read: those of the file data or, if that is empty, of
// the study.
func bestModel(ctx context.Context, storage, name, data string, stderr io.Writer) (tune.Model, source, error) {
	store, err := openStore(storage)
	if err != nil {
		return tune.Model{}, source{}, err
	}
	if name, err = pick(ctx, store, name); err != nil {
		return tune.Model{}, source{}, err
	}
	s, err := openJob(ctx, store, name)
	if err != nil {
		return tune.Model{}, source{}, err
	}
	defer s.Close()
	s.data = data
	m, err := s.use(ctx, stderr)
	from := s.job.Data
	from.File = cmp.Or(data, from.File)
	return m, from, err
}

// use returns the final model to be used, and warns if it could not be kept or is not to be
// trusted.
func (s *jobStudy) use(ctx context.Context, stderr io.Writer) (tune.Model, error) {
	m, err := s.final(ctx, runtime.GOMAXPROCS(0))
	switch {
	case err != nil && m.Forecaster == nil:
		return m, err
	case err != nil:
		warn(stderr, fmt.Errorf("the model could not be kept, and will be fitted anew the next time: %w", err))
	}
	if doubt := s.doubt(ctx, m.Trial); doubt != nil {
		warn(stderr, doubt)
	}
	return m, nil
}

// openStore returns the store of a file that is to be read.
func openStore(path string) (*sqlite.Store, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such file: attune optimize makes it; say where it is with --storage", quote(path))
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s: a folder: --storage wants a file", path)
	}
	return sqlite.File(path), nil
}
