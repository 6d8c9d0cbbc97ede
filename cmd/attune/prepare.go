package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
)

// A plan is the study of a model to be.
type plan struct {
	job    job
	family tune.Family
	space  space.Space // nil: the family's own
	back   *forecast.Backtest
}

// prepare settles the studies, one for each model. All that can be wrong with flags and
// data is found here, before anything is begun or written.
func (o *optimize) prepare(ctx context.Context) ([]plan, forecast.Frame, error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	frame, err := o.data.read()
	if err != nil {
		return nil, nil, err
	}
	base, err := o.base(frame)
	if err != nil {
		return nil, nil, err
	}
	back, err := base.tuning(frame)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", o.data.File, err)
	}
	if strings.HasPrefix(o.device, "cuda") && !slices.ContainsFunc(o.models, onDevice) {
		return nil, nil, fmt.Errorf("--device %s: none of the --models %s trains on a GPU", o.device, strings.Join(o.models, ", "))
	}
	if err := checkDevice(ctx, o.device); err != nil {
		return nil, nil, err
	}
	var plans []plan
	for _, name := range o.models {
		p, err := o.plan(ctx, base, name, frame, back)
		if err != nil {
			return nil, nil, err
		}
		plans = append(plans, p)
	}
	return plans, frame, nil
}

// folders makes those of the models, and sees that they can be written to.
func (o *optimize) folders() error {
	for _, folder := range []string{tunedFolder(o.storage), modelsFolder(o.storage)} {
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

// onDevice reports whether a model trains on a device that is chosen.
func onDevice(name string) bool {
	m, err := models.get("models", name)
	return err == nil && m.device
}

// enough is the most of what has no other bound.
const enough = 1_000_000

// check fails for what is wrong with the flags alone.
func (o *optimize) check() error {
	if _, err := forecast.ParseMetric(o.metric); err != nil {
		return oneOf("metric", o.metric, forecast.MetricNames())
	}
	if _, err := samplers.get("sampler", o.sampler); err != nil {
		return err
	}
	if _, err := pruners.get("pruner", o.pruner); err != nil {
		return err
	}
	for _, n := range []struct {
		flag               string
		value, least, most int
	}{
		{"trials", o.trials, 1, enough}, {"horizon", o.horizon, 1, enough}, {"windows", o.windows, 1, enough}, {"step", o.step, 1, enough},
		{"test", o.test, 0, enough}, {"workers", o.workers, 1, 1024}, {"max-rounds", o.rounds, 1, enough}, {"patience", o.patience, -1, enough},
	} {
		if o.given(n.flag) && (n.value < n.least || n.value > n.most) {
			return fmt.Errorf("--%s %d: want %d to %d", n.flag, n.value, n.least, n.most)
		}
	}
	if o.given("patience") && o.patience == 0 {
		return errors.New("--patience 0: want 1 or more, or -1 for never")
	}
	if o.timeout < 0 {
		return fmt.Errorf("--timeout %v: want a length above 0", o.timeout)
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
	for i, name := range o.models {
		if _, err := models.get("models", name); err != nil {
			return err
		}
		if slices.Contains(o.models[:i], name) {
			return fmt.Errorf("--models: %s stands there twice", name)
		}
	}
	o.data.unnamed = o.given("time") && o.data.Time == ""
	if o.data.File == "" {
		return errors.New("which series? Say it with --data FILE --target COLUMN")
	}
	return nil
}

// base returns what the jobs have in common, and settles the flags that depend on data.
func (o *optimize) base(frame forecast.Frame) (job, error) {
	if !o.given("horizon") {
		o.horizon = defaultHorizon(frame[0].Freq)
	}
	if !o.given("test") {
		o.test = o.horizon
	}
	if !o.given("step") {
		o.step = (o.horizon + 1) / 2
	}
	if h := min(o.horizon, o.test); h > 0 && o.test%h != 0 {
		return job{}, fmt.Errorf("--test %d: want a multiple of the horizon, %d, or no more than that", o.test, o.horizon)
	}
	if o.name == "" {
		file := filepath.Base(o.data.File)
		o.name = strings.TrimSuffix(file, filepath.Ext(file)) + "-" + o.data.Target
	}
	metric, err := forecast.ParseMetric(o.metric)
	if err != nil {
		return job{}, err
	}
	j := job{Version: 1, Data: o.data, Span: o.data.span(frame), Fingerprint: fingerprint(frame), Metric: metric.Name(),
		Horizon: o.horizon, Windows: o.windows, Step: o.step, Test: o.test, MaxRounds: o.rounds, Patience: o.patience}
	j.Data.File, err = filepath.Abs(o.data.File)
	return j, err
}

// defaultHorizon is a season, where there is one that a person would forecast.
func defaultHorizon(f forecast.Frequency) int {
	if season := f.Season(); season > 1 {
		return min(season, 60)
	}
	return 6
}

// plan returns that of a model.
func (o *optimize) plan(ctx context.Context, j job, name string, frame forecast.Frame, back *forecast.Backtest) (plan, error) {
	m, err := models.get("models", name)
	if err != nil {
		return plan{}, err
	}
	own, full, err := o.space(name)
	if err != nil {
		return plan{}, err
	}
	if j.Model = name; j.Patience == 0 {
		j.Patience = m.patience
	}
	if j.Fixed, err = o.settings(name); err != nil {
		return plan{}, err
	}
	p := plan{space: own, back: back}
	if p.family, j.Engine, err = m.family(how{o.engine, o.device, full}); err != nil {
		return plan{}, err
	}
	p.job = j
	if err := o.possible(ctx, p, frame); err != nil {
		return plan{}, err
	}
	return p, o.resumable(ctx, j)
}

// study returns the name of a job's study.
func (o *optimize) study(j job) string { return o.name + "/" + j.Model }

// possible fails if the model cannot be trained on the data, whatever is searched.
func (o *optimize) possible(ctx context.Context, p plan, frame forecast.Frame) error {
	t := p.task("", o.threads(1))
	err := t.Validate()
	if errors.Is(err, tune.ErrScore) {
		return fmt.Errorf("--metric %s: %w", o.metric, err)
	}
	if err == nil {
		err = try(ctx, t)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	without := func(fixed space.Settings, own space.Space) error {
		q := p
		q.job.Fixed, q.space = fixed, own
		return try(ctx, q.task("", o.threads(1)))
	}
	if same := without(nil, nil); same != nil {
		return fmt.Errorf("%s: %w", o.data.File, p.job.short(frame, same))
	}
	var all, cause []string
	for i, s := range p.job.Fixed {
		flag := fmt.Sprintf("--fixed %s=%s", s.Name, strings.Trim(s.Value.String(), `"`))
		all = append(all, flag)
		if without(slices.Delete(slices.Clone(p.job.Fixed), i, i+1), p.space) == nil {
			cause = append(cause, flag)
		}
	}
	if p.space != nil {
		all = append(all, "--space")
	}
	if len(cause) == 0 {
		cause = all
	}
	if len(o.models) > 1 {
		cause = append(cause, "for", p.job.Model)
	}
	return fmt.Errorf("%s: %w", strings.Join(cause, " "), err)
}

// errEnough ends a training that has shown that it works.
var errEnough = errors.New("enough")

// try trains for a round, or a moment, on what the first fold learns from: with the least
// of all that is searched or, where that fails, with the most.
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

// resumable fails if there is a study of the name that is not this job's.
func (o *optimize) resumable(ctx context.Context, j job) error {
	st, err := study.Read(ctx, sqlite.File(o.storage), o.study(j))
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer st.Close()
	if o.given("seed") && st.Seed() != o.seed {
		return differ(st.Name(), "--seed", st.Seed(), o.seed)
	}
	_, err = agree(ctx, st, j)
	return err
}
