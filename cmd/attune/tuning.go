package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/progress"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A session is a run of the command, with all choices made.
type session struct {
	*optimize
	stderr io.Writer
	store  store
	job    job            // the common part of all plans' jobs
	frame  forecast.Frame // all data
	back   *forecast.Backtest
	plans  []*plan
	live   live // trials on a tracking server

	warmed map[string]bool // studies whose warm start was reported

	lost error // trials that the storage did not take; nil if there are none

	configured string // the configuration of the run, YAML

	ensembles *plan // plan of the study of ensembles; nil if there is none
}

// A plan is the tuning of one model.
type plan struct {
	job    job
	family tune.Family
	space  space.Space // nil for the family's own
	back   *forecast.Backtest
	name   string        // name of the study
	study  *study.Study  // open; nil until there is one
	fresh  bool          // the study has no job yet
	trees  engine.Engine // of trees for tables

	footprint *footprint // of the tables of trees in a trial; nil for other models
}

// A tuner is the task of a plan: a *tune.Task or a *table.Task.
type tuner interface {
	Config(sampler.Sampler, pruner.Pruner) study.Config
	Optimize(ctx context.Context, st *study.Study, run study.Run) error
}

// task returns the task of a plan. Models are kept in folder.
func (p *plan) task(folder string, threads int) *tune.Task {
	t := p.job.task(p.back, p.family, folder, threads)
	t.Space = p.space
	return t
}

// close closes the studies.
func (s *session) close() {
	if s == nil {
		return
	}
	for _, p := range append(s.plans, s.ensembles) {
		if p != nil && p.study != nil {
			p.study.Close()
		}
	}
	s.live.close()
}

// say reports progress.
func (s *session) say(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(s.stderr, format+"\n", args...)
	}
}

// warn prints a warning, even with --quiet.
func (s *session) warn(err error) { warn(s.stderr, err) }

// threads returns the number of threads per trial when the given number of trials run at once.
func (s *session) threads(trials int) int { return max(1, runtime.GOMAXPROCS(0)/trials) }

// printSpace writes the search space of the only plan.
func (s *session) printSpace(w io.Writer) error {
	if len(s.plans) > 1 {
		return fmt.Errorf("--print-space: which model? Choose one with --models: %s", strings.Join(s.models, ", "))
	}
	return spaceyaml.Write(w, s.plans[0].task("", 1).Config(random.Sampler{}, nil).Space)
}

// tune runs all studies. It fails if no model has a complete trial.
func (s *session) tune(ctx context.Context) (*report, error) {
	if err := s.folders(); err != nil {
		return nil, err
	}
	r := &report{job: s.job, back: s.back, storage: shown(s.storage), frame: s.frame, notes: s.adapted}
	s.say("%s: %s by %s, %s", s.data.File, s.job.Data.Target, s.frame[0].Freq, s.job.Span)
	for _, n := range r.notes {
		s.say("%s", n)
	}
	left := s.timeout
	for i, p := range s.plans {
		share, begun := portion(left, len(s.plans)-i), time.Now()
		if s.timeout == 0 {
			share = 0 // no limit
		}
		row, err := s.one(ctx, p, share)
		left = after(left, share, time.Since(begun))
		switch {
		case err == nil:
			r.models = append(r.models, row)
			continue
		case ctx.Err() != nil:
			return nil, err
		case !errors.Is(err, study.ErrNoTrial) || row.sum.Failed > 0 || s.timeout == 0: // there was enough time
		case len(s.plans) == 1:
			err = fmt.Errorf("study %q: no trial was completed within --timeout %v: raise it", row.study, s.timeout)
		default:
			err = fmt.Errorf("study %q: no trial was completed within its share of --timeout %v, which was %v: raise it", row.study, s.timeout, share.Round(time.Millisecond))
		}
		row.missing = err
		r.missing = append(r.missing, row)
	}
	if len(r.models) > 0 {
		return r, nil
	}
	err := r.missing[0].missing
	for _, m := range r.missing[1:] {
		err = fmt.Errorf("%w; %w", err, m.missing)
	}
	return nil, err
}

// portion returns a model's share of the remaining time. It is never 0, because that would
// mean no limit.
func portion(left time.Duration, models int) time.Duration {
	return max(time.Nanosecond, left/time.Duration(models))
}

// after returns the time that remains once a model has used took. Time beyond its share,
// which it needed to finish trials, does not count against the models after it.
func after(left, share, took time.Duration) time.Duration { return left - min(share, took) }

// one runs the study of a plan until it has all trials. Even with an error, the row names the
// study and has its counts. The error says why there is no best trial, or what went wrong.
func (s *session) one(ctx context.Context, p *plan, timeout time.Duration) (row, error) {
	none := row{name: p.job.Model, study: p.name}
	if f, ok := p.family.(treeforecast.Family); ok {
		f.Cache = forecast.NewCache(tables(p.footprint, s.memory.limit()))
		p.family = f
	}
	folder := tunedFolder(s.storage)
	if p.job.Test == 0 {
		folder = modelsFolder(s.storage)
	}
	task := p.task(folder, s.threads(s.workers))
	if timeout > 0 {
		task.Deadline = time.Now().Add(timeout)
	}
	if s.combines() {
		task.Forecasts = tune.NewForecasts(bestOfEach)
	}
	if err := s.begin(ctx, p, task); err != nil {
		return none, err
	}
	ended, err := s.run(ctx, p, task, timeout)
	if err != nil {
		return none, err
	}
	r, err := newRow(ctx, s.studyOf(p), task)
	if h, no := p.study.Snapshot(ctx); no == nil {
		r.settled = s.settled(h)
	}
	switch {
	case errors.Is(err, study.ErrNoTrial) && ended != nil:
		return r, ended
	case err == nil && ended != nil:
		if r.ended = ended; s.lost == nil {
			s.warn(ended)
		}
	case err == nil && timeout > 0 && r.made() < s.total(task) && !r.settled:
		r.notMade = s.total(task) - r.made()
		s.say("%s", r.ranOut())
	}
	return r, err
}

// studyOf returns the open study of a plan.
func (s *session) studyOf(p *plan) *jobStudy {
	return &jobStudy{openStudy: p.study, work: p.study, job: p.job, storage: s.storage, device: s.device, family: p.family, frame: s.frame}
}

// begin creates the study of a plan if there is none, and writes its job if it has none.
func (s *session) begin(ctx context.Context, p *plan, task *tune.Task) (err error) {
	if p.study == nil {
		config := s.config(task)
		config.Seed = s.seed
		if err = s.warmStart(ctx, p.name, &config); err != nil {
			return err
		}
		if p.study, err = study.Open(ctx, s.store, p.name, config); err != nil {
			return err
		}
		if err := p.check(ctx, s.frame); err != nil { // another process may have written it first
			return err
		}
	}
	if err := s.keepConfig(ctx, p.study); err != nil || !p.fresh {
		return err
	}
	if err := p.study.SetAttr(ctx, model.RecordKey, task.Record()); err != nil {
		return err
	}
	return p.study.SetAttr(ctx, noteKey, p.job.note)
}

// keepConfig keeps the configuration of the run with a study.
func (s *session) keepConfig(ctx context.Context, st *study.Study) error {
	attrs, err := st.Attrs(ctx)
	if err != nil {
		return err
	}
	var was string
	if a, ok := attrs.Get(configKey); ok && a.Decode(&was) == nil && was == s.configured {
		return nil
	}
	return st.SetAttr(ctx, configKey, s.configured)
}

// config returns the configuration of a study, without the seed.
func (s *session) config(task tuner) study.Config {
	config := task.Config(s.search.make())
	config.Grace, config.Observer = s.grace, progress.Bar(s.stderr)
	if s.quiet {
		config.Observer = study.On(func(_ context.Context, e study.Warned) { s.warn(e.Err) })
	}
	config.Observer = s.live.observer(config.Observer)
	return config
}

// run runs the missing trials. It returns why they ended early, or an error if the command
// was interrupted.
func (s *session) run(ctx context.Context, p *plan, task tuner, timeout time.Duration) (ended, err error) {
	h, err := p.study.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	total := s.total(task)
	s.say("%s", toGo(p.name, h.Evaluated(), total))
	if h.Evaluated() >= total {
		return nil, nil
	}
	if p.footprint != nil {
		s.say("%s: a trial has %s", p.name, p.footprint)
	}
	done, began, timed := h.Evaluated(), time.Now(), false
	settled, why := false, ""
	rule, err := stopRule(s.stopWhen, nil)
	if err != nil {
		return nil, err
	}
	run := study.Run{Total: total, Workers: s.workers, Lag: s.lag, Timeout: timeout, Failures: 10,
		Fatal: func(err error) bool { return errors.Is(err, engine.ErrUnavailable) },
		StopWhen: func(h trial.Snapshot) (string, bool) {
			if others := total - h.Evaluated(); !timed && h.Evaluated() > done {
				timed = true
				if took := time.Since(began); others > 0 && took > time.Second {
					s.say("%s: the first trial took %v: the %d others take about %v, unless the study ends early", p.name,
						took.Round(100*time.Millisecond), others, (took * time.Duration(others) / time.Duration(s.workers)).Round(time.Second))
				}
			}
			left := ""
			if rule != nil {
				reason, stop := rule(h)
				if stop {
					why = reason
					return reason, true
				}
				left = reason
			}
			if settled = settled || s.settled(h); settled {
				left = ""
			}
			return left, settled
		}}
	if ended = task.Optimize(ctx, p.study, run); ended != nil {
		ended = fmt.Errorf("study %q: %w", p.name, ended)
	}
	lost := errors.Is(ended, study.ErrUnrecorded)
	if ctx.Err() != nil {
		if lost {
			s.warn(ended)
		}
		return nil, fmt.Errorf("%w: %s keeps its trials: run the same command again to resume", errInterrupted, p.name)
	}
	if lost {
		s.lost = errors.Join(s.lost, ended)
	}
	if ended != nil {
		return ended, nil
	}
	if h, err = p.study.Snapshot(ctx); err != nil {
		return nil, err
	}
	switch {
	case why != "":
		s.say("%s: stopped after %d of %d trials: %s", p.name, h.Evaluated(), total, why)
	case settled:
		s.say("%s", settledNote(p.name, h.Evaluated(), total))
	}
	return nil, nil
}

// total is the number of trials of a task: at most as many as its space has points.
func (s *session) total(task tuner) int {
	if points := task.Config(random.Sampler{}, nil).Space.Len(); points > 0 {
		return min(s.trials, points)
	}
	return s.trials
}

// plural formats a number of things: "1 trial", "2 trials".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// tables is the number of tables to cache for other trials: as many as fit in half a gigabyte, or in a quarter of
// the memory.
func tables(f *footprint, memory int64) int {
	if f == nil {
		return 1
	}
	return max(1, min(64, int(float64(min(512<<20, memory/4))/(float64(f.rows)*f.perRow()))))
}
