// Package study runs a search: it asks a sampler for points, passes them to an objective, and stores the outcome.
//
//	st, err := study.Open(ctx, sqlite.File("attune.db"), "lightgbm", study.Config{
//		Sampler: tpe.New(tpe.Config{}),
//		Pruner:  pruner.Extrapolation{},
//	})
//	if err != nil { ... }
//	defer st.Close()
//	err = st.Optimize(ctx, study.Func(train), study.Run{Trials: 100, Workers: 4})
//	best, err := st.Best(ctx)
//	rate, _ := lr.Value(best)
//
// All state of a study is in its storage: any number of processes may work on one at the same time, and an
// interrupted study continues where it stopped. The package knows the interfaces (sampler, pruner, storage) but none
// of their implementations, and does I/O only through the storage.
//
// # Working on a study
//
// [Study.Optimize] evaluates an [Objective] in this process, in goroutines.
//
// [Study.Ask] and [Study.Tell] are for evaluations that are not a function call: a job queue, a
// laboratory, the clients of a server. [Config.Renewal] says who renews the leases of trials,
// which show that their workers are alive; [Study.Renew] renews leases, and [Study.Reap] finds
// dead workers. [Study.Attach] continues a trial in another process. [Study.AskOnce] may be
// repeated: it returns one trial for each key.
//
// # Reading a study
//
// [Read] opens a study without a sampler, and without the right to change it. The [View] takes snapshots of all
// trials, and [View.Watch] yields the changes by any process:
//
//	v, err := study.Read(ctx, sqlite.File("attune.db"), "lightgbm")
//	if err != nil { ... }
//	defer v.Close()
//	changes := v.Watch(ctx)        // from here on
//	h, err := v.Snapshot(ctx)      // the trials so far
//	for r, err := range changes {  // until ctx is done
//		...
//	}
//
// A [Config.Observer] is told at once what this process itself does.
//
// # What goes wrong
//
// An objective that fails, panics or is pruned ends its trial, but not the run. The same holds if another process
// changes a trial of this process, or takes its worker for dead; that also causes a [Warned] event. While others lock
// the storage ([storage.ErrBusy]), writes are tried again for a minute. Any other error of the storage or the sampler
// ends the run, and [Study.Optimize] returns it.
package study

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "study"

var (
	// ErrPruned is returned by [Trial.Report] when the trial should stop. An
	// objective returns it, wrapped or not, and the trial is recorded as pruned.
	// An objective may also return it of its own accord.
	ErrPruned = errors.New("trial pruned")
	// ErrNoTrial is returned by [View.Best] when no trial qualifies.
	ErrNoTrial = errors.New("no complete trial")
	// ErrObjectives reports a call that requires a single objective on a study of several, or the reverse.
	ErrObjectives = errors.New("wrong number of objectives")
	// ErrConfig reports settings that are missing, invalid, or different from those that the study was created with.
	ErrConfig = errors.New("bad configuration")
	// ErrRunning reports an attempt to close a study during a run.
	ErrRunning = errors.New("a run is in progress")
	// ErrTimeout is the error of a trial that [Run.TrialTimeout] has ended.
	ErrTimeout = errors.New("trial timed out")
	// ErrFailing ends a run in which too many trials in a row have failed.
	ErrFailing = errors.New("too many failures in a row")
	// ErrUnrecorded reports a run that ended because the storage refused the outcome of a trial. The error names the
	// trial.
	ErrUnrecorded = errors.New("not recorded")
)

// Hints to change a setting.
var (
	setSampler      = fault.Hint{Field: "study.Config.Sampler", Want: "set %s, for instance to tpe.New(tpe.Config{})"}
	leaveDirections = fault.Hint{Field: "study.Config.Directions", Want: "leave %s empty"}
	leaveMetrics    = fault.Hint{Field: "study.Config.Metrics", Want: "leave %s empty"}
	leaveSeed       = fault.Hint{Field: "study.Config.Seed", Want: "leave %s at 0"}
	otherName       = fault.Hint{Field: "study.Create", Want: "give %s another name"}
	longerGrace     = fault.Hint{Field: "study.Config.Grace", Want: "raise %s if workers may be slow or suspended for longer"}
)

// Config configures a study. Only Sampler is required.
//
// Directions, Metrics and Seed are fixed when the study is created. When it is opened later they may be left out, but
// must not differ.
type Config struct {
	Sampler sampler.Sampler
	Pruner  pruner.Pruner // default pruner.None
	// Space declares the search space, or a part of it. Declared parameters are drawn jointly from the first trial
	// on, and conditions are obeyed. Without a declaration the study learns its space from the trials. The objective
	// may suggest more parameters than are declared here.
	Space      space.Space
	Directions []trial.Direction // one an objective; default one, Minimize
	Metrics    []string          // names of the objectives, for people; default none
	Seed       uint64            // of all random draws; 0 is a seed like any other
	// Observer receives the events that this process causes in the study. Default none.
	Observer Observer
	// Grace is how long a worker may be silent before others take it for dead, fail its trials
	// and enqueue them again; see [Study.Reap]. A Study renews the leases of its trials four
	// times in that time. All processes that work on one study should use the same Grace.
	// Default 1 minute. It has no effect if the storage has no leases; storage in memory has
	// none.
	Grace time.Duration
	// Renewal says who renews the leases of trials. Default ByStudy.
	Renewal Renewal
	// Revivals is how often a trial is enqueued again after the death of its worker. It is limited because the trial
	// may have caused the death. Default 3; negative: never.
	Revivals int
}

// A Renewal says who renews the leases of the trials that a Study asks for, and therefore whose death ends these
// trials.
type Renewal uint8

const (
	// ByStudy is for trials that are evaluated in this process. The Study renews
	// their leases until they are told or it is closed. When the process dies, they
	// are run again.
	ByStudy Renewal = iota
	// ByCaller is for trials that are evaluated elsewhere on behalf of this process, for example by the clients of a
	// server. The process calls [Study.Renew] for each trial whose worker has shown that it is alive, at least once
	// every [Config.Grace]. [Study.Attach] also renews the lease, unless it did so less than an eighth of the Grace
	// ago.
	ByCaller
	// Never is for detached trials, which belong to no process: they are asked for in one process and told in another, at any
	// later time, and are never taken for dead. See [Study.Attach].
	Never
)

// A Study drives one search: it is a [View] that can also ask and tell. Its methods
// are safe for concurrent use.
type Study struct {
	*View
	cfg      Config
	lease    lease
	audience audience
	enqueued enqueued
	rules    []space.Constraint // of the declared space

	sampling sync.Mutex // held from the reading of the history until the draw from it is written

	mu   sync.Mutex    // guards runs
	runs map[*run]bool // in progress
}

// Open opens the named study, or creates it if the store does not have it.
func Open(ctx context.Context, store storage.Store, name string, cfg Config) (*Study, error) {
	s, err := Load(ctx, store, name, cfg)
	if errors.Is(err, storage.ErrNotExist) {
		s, err = Create(ctx, store, name, cfg)
	}
	if errors.Is(err, storage.ErrExist) { // another process was quicker
		s, err = Load(ctx, store, name, cfg)
	}
	return s, err
}

// ConstraintsKey is the key of the note that holds the constraints of a study's declared space, as they were when the
// study was created: a list of texts.
const ConstraintsKey = "input_constraints"

var errNoStore = fmt.Errorf("%w: the store is nil: use new(memory.Store) or sqlite.File(...)", ErrConfig)

// Create creates a study. It fails with [storage.ErrExist] if the name is taken, and with [ErrConfig] if cfg is
// invalid.
func Create(ctx context.Context, store storage.Store, name string, cfg Config) (*Study, error) {
	cfg, err := cfg.normalize()
	switch {
	case err != nil:
	case store == nil:
		err = errNoStore
	case name == "":
		err = fmt.Errorf("%w: the name is empty", ErrConfig)
	}
	if err != nil {
		return nil, pkg.Errorf("create %q: %w", name, err)
	}
	header := trial.Header{Name: name, Directions: cfg.Directions, Seed: cfg.Seed}
	keep := func(key string, texts []string) {
		if len(texts) > 0 && err == nil {
			var note trial.Attr
			note, err = trial.NewAttr(key, texts)
			header.Notes = append(header.Notes, note)
		}
	}
	keep(trial.MetricsKey, cfg.Metrics)
	var rules []string
	for _, c := range cfg.Space.Constraints() {
		rules = append(rules, c.Text)
	}
	keep(ConstraintsKey, rules)
	if err != nil {
		return nil, pkg.Errorf("create %q: %w", name, err)
	}
	ledger, err := store.Create(ctx, header)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return newStudy(cfg, ledger, header), nil
}

// Load opens an existing study. It fails with [storage.ErrNotExist] if the store does not have it, and with
// [ErrConfig] if cfg is invalid or differs from what the study was created with.
func Load(ctx context.Context, store storage.Store, name string, cfg Config) (*Study, error) {
	given := cfg
	cfg, err := cfg.normalize()
	if err == nil && store == nil {
		err = errNoStore
	}
	if err != nil {
		return nil, pkg.Errorf("load %q: %w", name, err)
	}
	ledger, err := store.Open(ctx, name)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	header, err := ledger.Header(ctx)
	if err == nil {
		err = given.agrees(header)
	}
	if err != nil {
		ledger.Close()
		return nil, pkg.Errorf("load %q: %w", name, err)
	}
	return newStudy(cfg, ledger, header), nil
}

func newStudy(cfg Config, ledger storage.Ledger, header trial.Header) *Study {
	s := &Study{View: newView(ledger, header), cfg: cfg, runs: map[*run]bool{}, rules: cfg.Space.Constraints()}
	if l, ok := ledger.(storage.Leaser); ok {
		s.lease.ledger = l
	}
	s.audience.observer = cfg.Observer
	s.enqueued.ledger = ledger
	return s
}

// normalize returns cfg with its defaults filled in.
func (cfg Config) normalize() (Config, error) {
	if cfg.Sampler == nil {
		return cfg, fmt.Errorf("%w: there is no sampler: %w", ErrConfig, setSampler)
	}
	if cfg.Pruner == nil {
		cfg.Pruner = pruner.None{}
	}
	for _, part := range []any{cfg.Sampler, cfg.Pruner} {
		if v, ok := part.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return cfg, fmt.Errorf("%w: %w", ErrConfig, err)
			}
		}
	}
	if len(cfg.Directions) == 0 {
		cfg.Directions = []trial.Direction{trial.Minimize}
	}
	for i, d := range cfg.Directions {
		if d != trial.Minimize && d != trial.Maximize {
			return cfg, fmt.Errorf("%w: objective %d has the direction %d: want trial.Minimize or trial.Maximize", ErrConfig, i, d)
		}
	}
	for i, m := range cfg.Metrics {
		if slices.Contains(cfg.Metrics[:i], m) {
			return cfg, fmt.Errorf("%w: metric %q is duplicated", ErrConfig, m)
		}
	}
	if len(cfg.Metrics) > 0 && len(cfg.Metrics) != len(cfg.Directions) {
		return cfg, fmt.Errorf("%w: %d metrics, %q, for %d objectives", ErrConfig, len(cfg.Metrics), cfg.Metrics, len(cfg.Directions))
	}
	if cfg.Grace < 0 {
		return cfg, fmt.Errorf("%w: a grace of %v is negative", ErrConfig, cfg.Grace)
	}
	if cfg.Grace == 0 {
		cfg.Grace = time.Minute
	}
	if cfg.Renewal > Never {
		return cfg, fmt.Errorf("%w: there is no renewal %d", ErrConfig, cfg.Renewal)
	}
	if cfg.Revivals == 0 {
		cfg.Revivals = 3
	}
	cfg.Revivals = max(0, cfg.Revivals)
	var err error
	if cfg.Space, err = cfg.Space.Normalize(); err != nil {
		return cfg, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	cfg.Space = slices.Clip(cfg.Space)
	if err := sampler.Possible(cfg.Space); err != nil {
		return cfg, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return cfg, nil
}

// agrees returns an error if cfg differs from the study's settings.
func (cfg Config) agrees(header trial.Header) error {
	for i := range max(len(cfg.Directions), header.Objectives()) {
		if len(cfg.Directions) > 0 && (len(cfg.Directions) != header.Objectives() || cfg.Directions[i] != header.Direction(i)) {
			return fmt.Errorf("%w: directions %v, but the study was created with %v: %w, or %w",
				ErrConfig, cfg.Directions, header.Directions, leaveDirections, otherName)
		}
	}
	if cfg.Metrics != nil && !slices.Equal(cfg.Metrics, header.Metrics()) {
		return fmt.Errorf("%w: metrics %q, but the study was created with %q: %w, or %w",
			ErrConfig, cfg.Metrics, header.Metrics(), leaveMetrics, otherName)
	}
	if cfg.Seed != 0 && cfg.Seed != header.Seed {
		return fmt.Errorf("%w: seed %d, but the study was created with %d: %w, or %w",
			ErrConfig, cfg.Seed, header.Seed, leaveSeed, otherName)
	}
	return nil
}

// Close ends the work on the study and releases its storage. The leases of trials that were asked for but not told
// expire, and other processes then take them for dead; trials without a lease keep running. Closing twice is
// harmless. While Optimize runs, Close does nothing and fails with [ErrRunning].
//
// If the Observer has panicked, Close closes the study and returns an error that wraps [ErrObserver].
func (s *Study) Close() error {
	s.mu.Lock()
	running := len(s.runs)
	s.mu.Unlock()
	if running > 0 {
		return pkg.Errorf("close: %w: cancel its context and wait for its end", ErrRunning)
	}
	s.lease.stop()
	if err := s.View.Close(); err != nil {
		return err
	}
	if err := s.audience.failed(); err != nil {
		return pkg.Errorf("close: %w", err)
	}
	return nil
}

// SetAttr sets an attribute of the study to the JSON of value.
func (s *Study) SetAttr(ctx context.Context, key string, value any) error {
	a, err := trial.NewAttr(key, value)
	if err == nil {
		err = patiently(ctx, func() error { return s.ledger.Annotate(ctx, trial.Attrs{a}, nil) })
	}
	if err != nil {
		return pkg.Errorf("set attribute: %w", err)
	}
	return nil
}
