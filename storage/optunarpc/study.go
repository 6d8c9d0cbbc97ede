package optunarpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/storage/optunarpc/internal/api"
	"github.com/attune-hpo/attune/trial"
)

// A study is one that is open.
type study struct {
	id     int64
	name   string
	ledger storage.Ledger

	mu     sync.Mutex // over what follows
	cursor storage.Cursor
	trials []trial.Record // by number; one that is missing has the number -1
	axes   map[string]space.Axis
	pieces map[int]map[int]string // of proposals that are coming, by number of trial

	spare []int // trials that run in the store, and wait for clients

	claims sync.Mutex // held while a trial is claimed
}

func (st *study) trialID(number int) int64 { return st.id<<numberBits | int64(number) }

// sync takes in what changed in the store. It is called with mu held.
func (st *study) sync(ctx context.Context) error {
	for u, err := range st.ledger.Since(ctx, st.cursor) {
		if err != nil {
			return err
		}
		st.cursor = u.Cursor
		for len(st.trials) <= u.Trial.Number {
			st.trials = append(st.trials, trial.Record{Number: -1})
		}
		st.trials[u.Trial.Number] = u.Trial
		for _, a := range u.Trial.Params.Space {
			if _, ok := st.axes[a.Name]; !ok {
				if st.axes == nil {
					st.axes = map[string]space.Axis{}
				}
				st.axes[a.Name] = a
			}
		}
		if u.Trial.State.Done() {
			delete(st.pieces, u.Trial.Number)
		}
	}
	return nil
}

// trial returns the trial of a number as it is now; [storage.ErrNoTrial].
func (st *study) trial(ctx context.Context, number int) (trial.Record, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.sync(ctx); err != nil {
		return trial.Record{}, err
	}
	if number >= len(st.trials) || st.trials[number].Number < 0 {
		return trial.Record{}, fmt.Errorf("trial %d: %w", number, storage.ErrNoTrial)
	}
	return st.trials[number], nil
}

// some returns the trials of some numbers, and all after a number.
func (st *study) some(ctx context.Context, numbers []int, after int) (rs []trial.Record, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.sync(ctx); err != nil {
		return nil, err
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		if n < len(st.trials) && st.trials[n].Number >= 0 {
			rs = append(rs, st.trials[n])
		}
	}
	for n := max(0, after+1); n < len(st.trials); n++ {
		if st.trials[n].Number >= 0 {
			rs = append(rs, st.trials[n])
		}
	}
	return rs, nil
}

// start returns the number of a trial that runs from now on: a spare one if there is one.
func (st *study) start(ctx context.Context) (int, error) {
	st.claims.Lock()
	defer st.claims.Unlock()
	for {
		n, ok := st.takeSpare()
		if !ok {
			break
		}
		r, err := st.trial(ctx, n)
		if err != nil {
			return 0, err
		}
		if r.State == trial.Running { // and has not been ended meanwhile
			return n, st.release(ctx, n)
		}
	}
	r, err := st.ledger.Start(ctx, now(), "")
	if err != nil {
		return 0, err
	}
	return r.Number, st.release(ctx, r.Number)
}

// release ends the lease of a trial: the protocol has no signs of life.
func (st *study) release(ctx context.Context, number int) error {
	if l, ok := st.ledger.(storage.Leaser); ok {
		return l.Release(ctx, number)
	}
	return nil
}

// takeSpare takes the first spare trial.
func (st *study) takeSpare() (number int, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.spare) == 0 {
		return 0, false
	}
	number, st.spare = st.spare[0], st.spare[1:]
	return number, true
}

// takeSpareNumber takes a spare trial, if it is one.
func (st *study) takeSpareNumber(number int) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	i := slices.Index(st.spare, number)
	if i >= 0 {
		st.spare = slices.Delete(slices.Clone(st.spare), i, i+1)
	}
	return i >= 0
}

// claim reports whether the caller is the one who gets a waiting trial. A store gives out
// the first trial that waits. Those before the one that is wanted become spare: to clients
// they wait as before. If the server dies, their leases end.
func (st *study) claim(ctx context.Context, number int) (bool, error) {
	st.claims.Lock()
	defer st.claims.Unlock()
	for {
		r, err := st.trial(ctx, number)
		switch {
		case err != nil:
			return false, err
		case r.State.Done():
			st.takeSpareNumber(number)
			return false, fmt.Errorf("trial %d: %w: it is %v", number, trial.ErrFinished, r.State)
		case st.takeSpareNumber(number):
			return true, st.release(ctx, number)
		case r.State != trial.Waiting:
			return false, nil
		}
		if r, err = st.ledger.Start(ctx, now(), ""); err != nil {
			return false, err
		}
		st.mu.Lock()
		st.spare = append(st.spare, r.Number)
		st.mu.Unlock()
	}
}

// add adds a trial as a client describes it.
func (st *study) add(ctx context.Context, t *api.Trial) (int, error) {
	r, err := record(t)
	if err != nil {
		return 0, err
	}
	ns, err := st.ledger.Add(ctx, r)
	if err != nil {
		return 0, err
	}
	return ns[0], nil
}

func (st *study) write(ctx context.Context, number int, c trial.Change) error {
	return st.ledger.Write(ctx, number, c)
}

// suggest adds a parameter to a trial. In a study, a parameter is of one kind, and has one
// list of choices. To set one again to what it is does nothing.
func (st *study) suggest(ctx context.Context, number int, a space.Axis, coord float64) error {
	st.mu.Lock()
	old, ok := st.axes[a.Name]
	st.mu.Unlock()
	if !ok || !compatible(old.Distribution, a.Distribution) { // else there is nothing to learn: Write looks at the trial
		if _, err := st.trial(ctx, number); err != nil {
			return err
		}
		st.mu.Lock()
		old, ok = st.axes[a.Name]
		st.mu.Unlock()
	}
	if ok && !compatible(old.Distribution, a.Distribution) {
		return fmt.Errorf("%w: %q was %s before, and is %s now: use another name", space.ErrMismatch, a.Name, space.Describe(old.Distribution), space.Describe(a.Distribution))
	}
	err := st.write(ctx, number, trial.Suggested{Space: space.Space{a}, Point: []float64{coord}})
	if errors.Is(err, space.ErrMismatch) {
		r, err := st.trial(ctx, number)
		if err != nil {
			return err
		}
		for i, b := range r.Params.Space {
			if b.Name == a.Name && space.Equal(b.Distribution, a.Distribution) && r.Params.Point[i] == coord {
				return nil
			}
		}
		return fmt.Errorf("%w: trial %d has another value of %q", space.ErrMismatch, number, a.Name)
	}
	return err
}

// compatible reports whether trials of one study may have both.
func compatible(a, b space.Distribution) bool {
	switch a := a.(type) {
	case *space.CategoricalDistribution:
		b, ok := b.(*space.CategoricalDistribution)
		return ok && slices.Equal(a.Choices, b.Choices)
	case space.FloatDistribution:
		_, ok := b.(space.FloatDistribution)
		return ok
	case space.IntDistribution:
		_, ok := b.(space.IntDistribution)
		return ok
	}
	return space.Equal(a, b)
}

// note sets a system attribute of a trial, which is a note unless its key means more.
func (st *study) note(ctx context.Context, number int, key, value string) error {
	switch {
	case strings.HasPrefix(key, optunadb.ConstraintPrefix), key == optunadb.ConstraintsKey:
		return st.constrain(ctx, number, trial.Attr{Key: key, JSON: value})
	case strings.HasPrefix(key, optunadb.ProposedPrefix):
		return st.propose(ctx, number, key[len(optunadb.ProposedPrefix):], value)
	}
	return st.write(ctx, number, trial.Noted{Key: key, JSON: value})
}

// constrain sets the constraints that an attribute holds.
func (st *study) constrain(ctx context.Context, number int, a trial.Attr) error {
	var r trial.Record
	optunadb.Interpret(&r, []trial.Attr{a})
	if len(r.Constraints) == 0 && a.JSON != "[]" && a.JSON != "null" {
		return fmt.Errorf("%w: attribute %q is no constraint: %.60s", errArgument, a.Key, a.JSON)
	}
	changes := make([]trial.Change, len(r.Constraints))
	for i, c := range r.Constraints {
		changes[i] = trial.Constrained(c)
	}
	return st.ledger.Write(ctx, number, changes...)
}

// propose takes in a piece of a proposal. Once the pieces are a whole, it is written.
func (st *study) propose(ctx context.Context, number int, index, text string) error {
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 {
		return fmt.Errorf("%w: the piece %q of a proposal has no number", errArgument, index)
	}
	st.mu.Lock()
	if st.pieces == nil {
		st.pieces = map[int]map[int]string{}
	}
	if i == 0 || st.pieces[number] == nil {
		st.pieces[number] = map[int]string{}
	}
	st.pieces[number][i] = text
	as := make([]trial.Attr, 0, i+1)
	for j, piece := range st.pieces[number] {
		as = append(as, trial.Attr{Key: optunadb.ProposedPrefix + strconv.Itoa(j), JSON: piece})
	}
	st.mu.Unlock()
	r := trial.Record{State: trial.Running}
	optunadb.Interpret(&r, as)
	if r.Proposed == nil {
		return nil
	}
	return st.write(ctx, number, trial.Proposed(r.Proposed))
}

// message returns a trial as clients know it.
func (st *study) message(r trial.Record) *api.Trial {
	st.mu.Lock()
	if r.State == trial.Running && slices.Contains(st.spare, r.Number) {
		r.State, r.Started = trial.Waiting, time.Time{}
	}
	st.mu.Unlock()
	t := &api.Trial{
		TrialId: st.trialID(r.Number), Number: int64(r.Number), State: stateOf[r.State], Values: r.Values,
		DatetimeStart: text(optunadb.TimeColumn(r.Started)), DatetimeComplete: text(optunadb.TimeColumn(r.Finished)),
		UserAttributes: attributes(r.Attrs), SystemAttributes: attributes(r.Notes),
	}
	if n := len(r.Params.Space); n > 0 {
		t.Params, t.Distributions = make(map[string]float64, n), make(map[string]string, n)
	}
	for i, a := range r.Params.Space {
		t.Params[a.Name], t.Distributions[a.Name] = r.Params.Point[i], a.Distribution.String()
	}
	if len(r.Reports) > 0 {
		t.IntermediateValues = make(map[int64]float64, len(r.Reports))
	}
	for _, p := range r.Reports {
		t.IntermediateValues[int64(p.Step)] = p.Value
	}
	system := optunadb.Proposed(r.Proposed)
	if len(r.Fixed) > 0 {
		system = append(system, optunadb.Fixed(r.Fixed))
	}
	for _, c := range r.Constraints {
		system = append(system, optunadb.Constrained(c))
	}
	if r.Err != "" {
		system = append(system, optunadb.Reason(r.Err))
	}
	for _, a := range system {
		if t.SystemAttributes == nil {
			t.SystemAttributes = map[string]string{}
		}
		t.SystemAttributes[a.Key] = a.JSON
	}
	return t
}

// record returns a trial that a client describes.
func record(t *api.Trial) (r trial.Record, err error) {
	r = trial.Record{State: state(t.State), Values: t.Values, Started: optunadb.Time(t.DatetimeStart), Finished: optunadb.Time(t.DatetimeComplete)}
	for _, name := range sorted(t.Params) {
		d, err := space.ParseDistribution(t.Distributions[name])
		if err != nil {
			return r, fmt.Errorf("parameter %q: %w", name, err)
		}
		r.Params.Space = append(r.Params.Space, space.Axis{Name: name, Distribution: d})
		r.Params.Point = append(r.Params.Point, t.Params[name])
	}
	for _, step := range sorted(t.IntermediateValues) {
		r.Reports = append(r.Reports, trial.Report{Step: int(step), Value: t.IntermediateValues[step]})
	}
	for _, key := range sorted(t.UserAttributes) {
		r.Attrs = append(r.Attrs, trial.Attr{Key: key, JSON: t.UserAttributes[key]})
	}
	var system []trial.Attr
	for _, key := range sorted(t.SystemAttributes) {
		system = append(system, trial.Attr{Key: key, JSON: t.SystemAttributes[key]})
	}
	optunadb.Interpret(&r, system)
	return r, nil
}

var stateOf = [...]api.TrialState{
	trial.Waiting: api.TrialState_WAITING, trial.Running: api.TrialState_RUNNING,
	trial.Complete: api.TrialState_COMPLETE, trial.Pruned: api.TrialState_PRUNED, trial.Failed: api.TrialState_FAIL,
}

// state returns a state as it is known here. One that is not known is waiting, which
// nothing but a new trial may be.
func state(s api.TrialState) trial.State {
	return trial.State(max(0, slices.Index(stateOf[:], s)))
}

func direction(d api.StudyDirection) trial.Direction {
	if d == api.StudyDirection_MAXIMIZE {
		return trial.Maximize
	}
	return trial.Minimize
}

func directions(h trial.Header) []api.StudyDirection {
	out := make([]api.StudyDirection, h.Objectives())
	for i := range out {
		if h.Direction(i) == trial.Maximize {
			out[i] = api.StudyDirection_MAXIMIZE
		}
	}
	return out
}

func attributes(as trial.Attrs) map[string]string {
	if len(as) == 0 {
		return nil
	}
	out := make(map[string]string, len(as))
	for _, a := range as {
		out[a.Key] = a.JSON
	}
	return out
}

// text returns a text, "" for nil.
func text(v any) string {
	s, _ := v.(string)
	return s
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
