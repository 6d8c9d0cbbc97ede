package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
)

// prepare plans the studies, one per model. It finds all errors in flags and data before
// anything is started or written. The caller must close the session, even after an error.
func (o *optimize) prepare(ctx context.Context, stderr io.Writer) (*session, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	frame, from, err := o.data.read()
	if err != nil {
		return nil, err
	}
	s := &session{optimize: o, stderr: stderr, store: newStore(o.storage), frame: frame}
	if err := s.live.connect(o.mlflow, s.warn); err != nil {
		return nil, err
	}
	if s.job, err = o.job(frame, from); err != nil {
		return nil, err
	}
	o.metric = s.job.Metric
	if s.back, err = s.job.tuning(frame); err != nil {
		return nil, fmt.Errorf("%s: %w", o.data.File, err)
	}
	if s.job.tuned, s.job.KeptBack, err = s.job.fingerprints(frame); err != nil {
		return nil, fmt.Errorf("%s: %w", o.data.File, err)
	}
	if strings.HasPrefix(o.device, "cuda") && !slices.ContainsFunc(o.models, onDevice) {
		return nil, fmt.Errorf("--device %s: none of the --models %s trains on a GPU", o.device, strings.Join(o.models, ", "))
	}
	if err := checkDevice(ctx, o.device); err != nil {
		return nil, err
	}
	var impossible error
	left := map[string][]string{} // models, by the reason
	for _, name := range o.models {
		p, err := s.plan(name)
		if err != nil {
			return s, err
		}
		var note string
		if p.footprint, note, err = s.fits(p); err != nil {
			return s, err
		}
		if note != "" {
			o.adapted = append(o.adapted, note)
		}
		if err := s.possible(ctx, p); err != nil {
			if o.given("models") || o.given("fixed") || o.given("space") || ctx.Err() != nil || !errors.Is(err, forecast.ErrShort) && !errors.Is(err, forecast.ErrMissing) {
				return s, err
			}
			reason := "because the series are too short"
			if errors.Is(err, forecast.ErrMissing) {
				reason = "because they take no missing values, and there are some: fill them with --fill"
			}
			left[reason], impossible = append(left[reason], name), err
			continue
		}
		s.plans = append(s.plans, p)
		if err := s.resume(ctx, p); err != nil {
			return s, err
		}
	}
	if len(s.plans) == 0 {
		return s, impossible
	}
	if note := s.lookback(); note != "" {
		o.adapted = append(o.adapted, note)
	}
	if impossible != nil {
		for _, reason := range slices.Sorted(maps.Keys(left)) {
			o.adapted = append(o.adapted, fmt.Sprintf("left out, %s: %s", reason, strings.Join(left[reason], ", ")))
		}
		o.models = nil
		for _, p := range s.plans {
			o.models = append(o.models, p.job.Model)
		}
	}
	if o.combines() {
		if err := s.planEnsembles(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// lookback says that trees look back less far than usual, because the series are short, or "".
func (s *session) lookback() string {
	if !slices.ContainsFunc(s.plans, func(p *plan) bool { return isTrees(p.job.Model) }) {
		return ""
	}
	of, err := forecast.Recipe{Strategy: forecast.Pooled, Horizon: s.job.Horizon}.Fit(s.back.Folds()[0].Train, 0)
	if err != nil {
		return ""
	}
	if now, usual := of.Reach(); now < usual {
		return fmt.Sprintf("trees look back %d steps by default, not %d: the backtest begins with few rows", now, usual)
	}
	return ""
}

// folders creates the folders of the models, and checks that they are writable.
func (s *session) folders() error {
	for _, folder := range []string{tunedFolder(s.storage), modelsFolder(s.storage)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("the folder of the models: %w: name another file with --storage", err)
		}
		f, err := os.CreateTemp(folder, ".probe-*")
		if err != nil {
			return fmt.Errorf("the folder of the models: %w: name another file with --storage", err)
		}
		f.Close()
		os.Remove(f.Name())
	}
	return nil
}

// onDevice reports whether a model trains on a device that can be chosen.
func onDevice(name string) bool {
	m, err := models.get("models", name)
	return err == nil && m.device
}

// enough is the limit of numbers without another limit.
const enough = 1_000_000

// check fails for errors in the flags alone.
func (o *optimize) check() error {
	if _, err := stopRule(o.stopWhen, nil); err != nil {
		return err
	}
	if err := o.search.check(); err != nil {
		return err
	}
	for _, n := range []struct {
		flag               string
		value, least, most int
	}{
		{"trials", o.trials, 1, enough}, {"horizon", o.horizon, 1, enough}, {"windows", o.windows, 1, enough}, {"step", o.step, 1, enough},
		{"test", o.test, 0, enough}, {"workers", o.workers, 1, 1024}, {"lag", o.lag, 0, enough}, {"max-rounds", o.rounds, 1, enough}, {"patience", o.patience, -1, enough},
	} {
		if o.given(n.flag) && (n.value < n.least || n.value > n.most) {
			return fmt.Errorf("--%s %d: want %d to %d", n.flag, n.value, n.least, n.most)
		}
	}
	if !o.given("lag") {
		o.lag = o.workers // reproducible by default, for a given number of workers
	}
	if o.given("patience") && o.patience == 0 {
		return errors.New("--patience 0: want 1 or more, or -1 for never")
	}
	if o.timeout < 0 {
		return fmt.Errorf("--timeout %v: want at least 0s", o.timeout)
	}
	if o.grace < time.Second {
		return fmt.Errorf("--grace %v: want at least 1s", o.grace)
	}
	if o.storage == "" {
		return errors.New("--storage is empty: want a file")
	}
	if len(o.models) == 0 {
		return fmt.Errorf("--models: name at least one of %s", strings.Join(models.names(), ", "))
	}
	check := o.checkSeries
	if o.table.task != forecastTask {
		check = o.checkTable
	}
	if err := check(); err != nil {
		return err
	}
	for i, name := range o.models {
		if slices.Contains(o.models[:i], name) {
			return fmt.Errorf("--models: %s is listed twice", name)
		}
	}
	return nil
}

// badMetric returns the error for a metric that is none of names.
func badMetric(metric string, names []string) error {
	if strings.HasPrefix(metric, "pinball") && strings.HasPrefix(names[len(names)-1], "pinball") {
		return fmt.Errorf("--metric %s: want pinball@Q with a quantile Q between 0 and 1, such as pinball@0.9", quote(metric))
	}
	return oneOf("metric", metric, names)
}

// checkSeries is the part of check for series.
func (o *optimize) checkSeries() error {
	for _, flag := range onlyTables {
		if o.given(flag) {
			return fmt.Errorf("--%s is for tables: say what to predict with --task %s", flag, strings.Join(tableTasks.names(), ", "))
		}
	}
	if _, err := forecast.ParseMetric(o.metric); err != nil {
		return badMetric(o.metric, forecast.MetricNames())
	}
	for _, name := range o.models {
		if _, err := models.get("models", name); err != nil {
			return err
		}
	}
	if err := oneOf("ends", o.ends, []string{lastEnd, eachEnd}); err != nil {
		return err
	}
	o.data.unnamed = o.given("time") && o.data.Time == ""
	if o.data.File == "" {
		return errors.New("which series? Name it with --data FILE --target COLUMN")
	}
	return nil
}

// job returns the common part of all models' jobs, with the defaults that depend on the data.
func (o *optimize) job(frame forecast.Frame, from source) (job, error) {
	metric, err := forecast.ParseMetric(o.metric)
	must(err) // it has been checked
	j := job{Metric: metric.Name(), Horizon: o.horizon, Windows: o.windows, Step: o.step,
		note: note{Version: 2, Data: from, Span: from.span(frame), Test: o.test, MaxRounds: o.rounds, Patience: o.patience}}
	if o.ends == eachEnd {
		j.Ends = eachEnd
	}
	o.adapted = append(from.notes, j.fit(o, frame)...)
	if ended := from.ended(frame); len(ended) > 0 && j.Ends != eachEnd {
		o.adapted = append(o.adapted, fmt.Sprintf("%d series end before %s: steps after that are not scored for them, unless you give --ends each: %s", len(ended), from.stamp(frame.End()), csvfile.Names(ended)))
	}
	if h := min(j.Horizon, j.Test); h > 0 && j.Test%h != 0 {
		return job{}, fmt.Errorf("--test %d: want a multiple of the horizon, %d, or less than it", j.Test, j.Horizon)
	}
	if j.Data.File, err = kept(from.File); err != nil {
		return job{}, err
	}
	j.Data.Join = nil
	for _, file := range from.Join {
		if file, err = kept(file); err != nil {
			return job{}, err
		}
		j.Data.Join = append(j.Data.Join, file)
	}
	return j, nil
}

// defaultHorizon is one season, if that is a horizon that people would forecast.
func defaultHorizon(f forecast.Frequency) int {
	if season := f.Season(); season > 1 {
		return min(season, 60)
	}
	return 6
}

// plan returns the plan of a model.
func (s *session) plan(name string) (*plan, error) {
	m, err := models.get("models", name)
	if err != nil {
		return nil, err
	}
	own, full, err := s.space(name)
	if err != nil {
		return nil, err
	}
	p := &plan{job: s.job, space: own, back: s.back, name: s.study(name)}
	if p.job.Model = name; p.job.Patience == 0 {
		p.job.Patience = m.patience
	}
	if p.job.Fixed, err = s.settings(name); err != nil {
		return nil, err
	}
	p.family, p.job.Engine, err = m.family(how{engine: s.engine, device: s.device, full: full})
	return p, err
}

// study returns the name of a model's study.
func (s *session) study(model string) string {
	prefix := s.name
	if prefix == "" {
		file := strings.TrimSuffix(filepath.Base(s.data.File), ".gz")
		if file == stdin {
			file = "stdin"
		}
		prefix = strings.TrimSuffix(file, filepath.Ext(file)) + "-" + s.data.Target
	}
	return prefix + "/" + model
}

// possible fails if the model cannot be trained on the data with any hyperparameters.
func (s *session) possible(ctx context.Context, p *plan) error {
	t := p.task("", s.threads(1))
	err := t.Validate()
	if errors.Is(err, tune.ErrScore) {
		return fmt.Errorf("--metric %s: %w", s.metric, err)
	}
	if err == nil {
		err = try(ctx, t)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	without := func(fixed space.Settings, own space.Space) error {
		q := *p
		q.job.Fixed, q.space = fixed, own
		return try(ctx, q.task("", s.threads(1)))
	}
	if same := without(nil, nil); same != nil {
		return fmt.Errorf("%s: %w", s.data.File, p.job.short(s.frame, same))
	}
	return s.blame(p, p.job.Fixed, p.job.Model, err, without)
}

// blame adds to an error about hyperparameters the flags that cause it. A flag is a cause if there is no error without
// it, which the function without finds out. If no single flag is, all of them are.
func (s *session) blame(p *plan, given space.Settings, model string, err error, without func(fixed space.Settings, own space.Space) error) error {
	var all, cause []string
	for i, x := range given {
		flag := fmt.Sprintf("--fixed %s=%s", x.Name, strings.Trim(x.Value.String(), `"`))
		all = append(all, flag)
		if without(slices.Delete(slices.Clone(given), i, i+1), p.space) == nil {
			cause = append(cause, flag)
		}
	}
	if p.space != nil {
		all = append(all, "--space")
	}
	if len(cause) == 0 {
		cause = all
	}
	if len(s.models) > 1 {
		cause = append(cause, "for", model)
	}
	return fmt.Errorf("%s: %w", strings.Join(cause, " "), err)
}

// errEnough ends a training that has shown that it works.
var errEnough = errors.New("enough")

// try trains for one round, or a moment, on the training part of the first fold: with the
// minimum of all searched hyperparameters or, if that fails, with their maximum.
func try(ctx context.Context, t *tune.Task) error {
	searched := t.Config(random.Sampler{}, nil).Space
	var first error
	for _, high := range []bool{false, true} {
		f, err := t.Family.New(searched.Corner(t.Fixed, high))
		if err == nil {
			moment, cancel := context.WithTimeoutCause(ctx, time.Second, errEnough)
			err = f.Fit(moment, t.Backtest.Folds()[0].Train, forecast.FitOptions{Horizon: t.Backtest.Horizon(), Threads: t.Threads,
				OnIteration: func(forecast.Iteration) error { return errEnough }})
			if moment.Err() != nil && ctx.Err() == nil {
				err = nil
			}
			cancel()
		}
		if err == nil || errors.Is(err, errEnough) {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// resume opens the study of a plan, if it exists, and fails if it belongs to another job.
func (s *session) resume(ctx context.Context, p *plan) error {
	config := s.config(p.task("", 1))
	if err := s.warmStart(ctx, p.name, &config); err != nil {
		return err
	}
	config.Directions, config.Metrics = nil, nil // check compares them, and reports them by their flags
	st, err := study.Load(ctx, s.store, p.name, config)
	switch {
	case errors.Is(err, storage.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	p.study = st
	if s.given("seed") && st.Seed() != s.seed {
		return differ(p.name, "--seed", st.Seed(), s.seed)
	}
	return p.check(ctx, s.frame)
}

// check fails if the study of a plan belongs to another job. The plan is fresh if the study
// has no job yet, or has one in an older format.
func (p *plan) check(ctx context.Context, frame forecast.Frame) error {
	attrs, err := p.study.Attrs(ctx)
	if err != nil {
		return err
	}
	switch was, err := readJob(attrs); {
	case errors.Is(err, errNotJob):
		h, err := p.study.Snapshot(ctx)
		if err == nil && h.Len() > 0 {
			err = fmt.Errorf("study %q was %w and has trials: use another --name", p.name, errNotJob)
		}
		p.fresh = true
		return err
	case err != nil:
		return fmt.Errorf("study %q: %w", p.name, err)
	default:
		p.fresh = was.Version < p.job.Version
		return p.job.agree(p.name, attrs, p.task("", 1), frame)
	}
}
