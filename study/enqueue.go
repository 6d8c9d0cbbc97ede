package study

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// Enqueue adds a waiting trial with the given settings, which the next Ask will return, and returns its number.
// Parameters without a setting are sampled. Enqueue fails with [space.ErrOutside] for a value that the declared space
// does not contain, with [space.ErrConstraint] for values that break one of its constraints, and with [ErrConfig] for
// a name that it does not have. If the space is not declared, the trial fails when its objective suggests such a
// parameter.
func (s *Study) Enqueue(ctx context.Context, settings ...space.Setting) (int, error) {
	if err := s.check(settings); err != nil {
		return 0, pkg.Errorf("enqueue: %w", err)
	}
	return s.add1(ctx, trial.Record{State: trial.Waiting, Fixed: slices.Clone(settings)})
}

// EnqueueOnce is like [Study.Enqueue], for settings that a program enqueues each time it starts. If a trial was
// enqueued with the same settings, or has exactly these parameters, EnqueueOnce adds nothing and returns that trial's
// number. A failed trial counts only if it was enqueued again, for example after an interruption; the number is then
// that of the latest repetition. Two processes that call EnqueueOnce at the same moment may both add a trial.
func (s *Study) EnqueueOnce(ctx context.Context, settings ...space.Setting) (int, error) {
	number, found, err := s.enqueued.find(ctx, settings)
	if found || err != nil {
		return number, err
	}
	return s.Enqueue(ctx, settings...)
}

// enqueued finds trials by the settings with which they were enqueued. It reads each change once.
type enqueued struct {
	ledger storage.Ledger

	mu    sync.Mutex // guards what follows
	at    storage.Cursor
	first map[string][]int     // numbers of trials by the settings they were enqueued with; not of repetitions
	alive map[int]map[int]bool // for each of these, itself and the repetitions that have not failed
	has   map[string]int       // the lowest number of a finished trial by its parameters
}

// find returns the trial that has the settings, or was enqueued with them.
func (e *enqueued) find(ctx context.Context, settings []space.Setting) (number int, found bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.first == nil {
		e.first, e.alive, e.has = map[string][]int{}, map[int]map[int]bool{}, map[string]int{}
	}
	for u, err := range e.ledger.Since(ctx, e.at) {
		if err != nil {
			return 0, false, pkg.Errorf("enqueue: %w", err)
		}
		e.learn(u.Trial)
		e.at = u.Cursor
	}
	key := settingsKey(settings)
	for _, first := range e.first[key] {
		if alive := e.alive[first]; len(alive) > 0 {
			return slices.Max(slices.Collect(maps.Keys(alive))), true, nil
		}
	}
	number, found = e.has[key]
	return number, found, nil
}

func (e *enqueued) learn(r trial.Record) {
	failed := r.State == trial.Failed
	if len(r.Fixed) > 0 {
		first := firstOf(r)
		if e.alive[first] == nil {
			e.alive[first] = map[int]bool{}
		}
		if key := settingsKey(r.Fixed); first == r.Number && !slices.Contains(e.first[key], first) {
			e.first[key] = append(e.first[key], first)
		}
		if e.alive[first][r.Number] = true; failed {
			delete(e.alive[first], r.Number)
		}
	}
	if len(r.Params.Point) > 0 && r.State.Done() && !failed {
		key := settingsKey(r.Params.Settings())
		if n, there := e.has[key]; !there || r.Number < n {
			e.has[key] = r.Number
		}
	}
}

// settingsKey returns a text that is equal for equal settings, in whatever order.
func settingsKey(settings []space.Setting) string {
	var b strings.Builder
	for _, s := range slices.SortedFunc(slices.Values(settings), func(a, b space.Setting) int { return cmp.Compare(a.Name, b.Name) }) {
		if l, err := space.ParseLiteral(string(s.Value)); err == nil {
			s.Value = l // as the storage has it
		}
		fmt.Fprintf(&b, "%q=%s;", s.Name, s.Value)
	}
	return b.String()
}

func (s *Study) check(settings []space.Setting) error {
	if name, twice := space.Settings(settings).Twice(); twice {
		return fmt.Errorf("%w: parameter %q is set twice", ErrConfig, name)
	}
	var find space.Finder
	for _, set := range settings {
		at := find.Index(s.cfg.Space, set.Name)
		switch {
		case at >= 0:
			if _, err := s.cfg.Space[at].Distribution.Encode(set.Value); err != nil {
				return fmt.Errorf("parameter %q: %w", set.Name, err)
			}
		case len(s.cfg.Space) > 0:
			return fmt.Errorf("%w: the declared space has no parameter %q", ErrConfig, set.Name)
		}
	}
	return s.cfg.Space.Meets(space.Settings(settings))
}

// Add adds trials that were evaluated elsewhere, or waiting ones, and returns their numbers;
// the numbers they come with are ignored. All are added, or none: running trials, and trials
// that break a rule of [storage.CheckAdd], are refused. So is a coordinate outside its
// distribution, with [space.ErrOutside], though a storage would accept the number.
// [space.Space.Params] makes parameters from settings.
func (s *Study) Add(ctx context.Context, records ...trial.Record) ([]int, error) {
	for _, r := range records {
		for i, x := range r.Params.Point[:min(len(r.Params.Point), len(r.Params.Space))] {
			if a := r.Params.Space[i]; a.Distribution != nil && !a.Distribution.Contains(x) {
				return nil, pkg.Errorf("add: %w: parameter %q: %v is not in %s", space.ErrOutside, a.Name, x, space.Describe(a.Distribution))
			}
		}
	}
	return s.add(ctx, records)
}

func (s *Study) add(ctx context.Context, records []trial.Record) (numbers []int, err error) {
	err = patiently(ctx, func() error {
		numbers, err = s.ledger.Add(ctx, records...)
		return err
	})
	if err != nil {
		return nil, pkg.Errorf("add: %w", err)
	}
	return numbers, nil
}

func (s *Study) add1(ctx context.Context, r trial.Record) (int, error) {
	numbers, err := s.add(ctx, []trial.Record{r})
	if err != nil {
		return 0, err
	}
	return numbers[0], nil
}
