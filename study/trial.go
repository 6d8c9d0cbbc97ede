package study

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// A Trial is one evaluation in progress: the objective gets its parameters from it, and reports values to it. It must
// be used by one goroutine at a time.
//
// Only [Trial.Report] returns errors. The first error of Suggest, Constrain or SetAttr is kept, as in a
// [bufio.Writer]: Err and the next Report return it, and it fails the trial.
type Trial struct {
	study *Study
	ctx   context.Context // of Ask, for the draws that Suggest makes
	seen  trial.Snapshot  // the history when the trial was asked for
	ahead space.Params    // drawn jointly, for Suggest to take from
	rec   trial.Record    // as it will be in the ledger after flush
	saved int             // parameters of rec that the ledger has
	dirty []trial.Change  // other changes that the ledger does not have yet
	err   error           // the first; see Err

	// Where the parameters of rec and ahead are, and what was fixed and proposed, by
	// name: a trial may have thousands.
	has, aheadAt    space.Finder
	fixes, proposed map[string]space.Literal

	turn *turn // in a reproducible run

	// through: each parameter is written when it is suggested, because another process may continue the trial at any
	// time.
	through bool
}

// Ask starts a trial: the waiting one with the lowest number, or a new one, whose parameters are drawn as far as the
// search space is known. Call [Study.Tell] with its outcome in the end; [Study.Optimize] does both.
//
// It fails with [sampler.ErrExhausted] when the sampler has nothing left to propose and no
// trial is waiting, and with [space.ErrMismatch] when a declared parameter has a different kind
// in the study. ctx also applies to the draws that Suggest makes later.
func (s *Study) Ask(ctx context.Context) (*Trial, error) { return s.ask(ctx, "") }

// AskOnce is like [Study.Ask], for callers that may have to ask again for the same trial: clients of a server whose
// answer was lost, or restarted jobs. Every call with the same key, in any process and at any time, returns the same
// trial.
//
// The trial may have finished in the meantime, as [Trial.Record] shows. It can then be read, but neither reported to
// nor told. A key that is empty or not UTF-8 fails with [ErrConfig].
func (s *Study) AskOnce(ctx context.Context, key string) (*Trial, error) {
	if key == "" || !utf8.ValidString(key) {
		return nil, pkg.Errorf("ask: %w: key %q: it must be UTF-8, and not empty", ErrConfig, key)
	}
	return s.ask(ctx, key)
}

// ask asks for trials until it has one. Another process may take a trial away, for example when this process was
// suspended for so long that it seems dead.
func (s *Study) ask(ctx context.Context, key string) (*Trial, error) {
	for {
		t, err := s.askOne(ctx, key)
		if err == nil {
			if !t.rec.State.Done() {
				s.observed(ctx, func(h trial.Snapshot) Event { return Asked{h, t.Record()} })
			}
			return t, nil
		}
		if lost := (*lostError)(nil); !errors.As(err, &lost) || ctx.Err() != nil {
			return nil, err
		}
		s.warn(ctx, fmt.Errorf("%w; asking for another", err))
	}
}

func (s *Study) askOne(ctx context.Context, key string) (*Trial, error) {
	// Held throughout, so that each trial sees the draws of the earlier ones, and no two trials take the last point
	// of a finite space.
	s.sampling.Lock()
	defer s.sampling.Unlock()
	if err := s.mayAsk(ctx, key); err != nil {
		return nil, err
	}
	var rec trial.Record
	err := patiently(ctx, func() (err error) {
		rec, err = s.ledger.Start(ctx, time.Now(), key)
		return err
	})
	if err != nil {
		return nil, pkg.Errorf("ask: %w", err)
	}
	// From here on the trial is ours, and ctx must not interrupt.
	t := s.newTrial(context.WithoutCancel(ctx), rec)
	if rec.State.Done() { // under this key, a while ago
		return t, nil
	}
	err = s.keepAlive(t.ctx, rec.Number)
	if again := key != "" && len(rec.Proposed)+len(rec.Params.Point) > 0; again {
		t.through = true // others may be at work on it
	} else if err == nil {
		err = t.draw()
	}
	if err != nil {
		return nil, s.abandon(t, rec, pkg.Errorf("ask: trial %d: %w", rec.Number, err))
	}
	t.ctx = ctx
	return t, nil
}

// mayAsk returns an error if no trial can be asked for: the sampler has nothing left, or the declared space does not
// fit the study.
func (s *Study) mayAsk(ctx context.Context, key string) error {
	finite, isFinite := s.cfg.Sampler.(sampler.Finite)
	if !isFinite && len(s.cfg.Space) == 0 {
		return nil
	}
	h, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	if err := s.compatible(h); err != nil {
		return pkg.Errorf("ask: %w", err)
	}
	if !isFinite || h.Count(trial.Waiting) > 0 || !finite.Exhausted(s.spaceKnown(h), h) {
		return nil
	}
	if key != "" && slices.ContainsFunc(h.Records(), func(r trial.Record) bool { return r.Key() == key }) {
		return nil // the trial is there
	}
	return pkg.Errorf("ask: %w", sampler.ErrExhausted)
}

// keepAlive renews or releases the lease of a trial of this process, as [Config.Renewal] says.
func (s *Study) keepAlive(ctx context.Context, number int) error {
	switch {
	case s.lease.ledger == nil:
		return nil
	case s.cfg.Renewal == ByCaller:
		s.lease.renewed(number) // by Start
		return nil
	case s.cfg.Renewal == Never:
		return s.lease.ledger.Release(ctx, number)
	}
	s.lease.hold(number, s.cfg.Grace)
	return nil
}

// abandon fails a trial that will not be evaluated, for a reason outside the trial, and returns the reason. If the
// trial was enqueued, its settings are enqueued again.
func (s *Study) abandon(t *Trial, claimed trial.Record, reason error) error {
	if lost := (*lostError)(nil); errors.As(reason, &lost) {
		s.lease.drop(claimed.Number) // it is someone else's
		return reason
	}
	if errors.Is(reason, sampler.ErrExhausted) { // another process took the last point a moment ago
		_ = t.change(trial.Noted(note(trial.InterruptedKey, true)))
	}
	err := s.finish(t.ctx, t, trial.Failed, nil, reason.Error())
	if lost := (*lostError)(nil); errors.As(err, &lost) {
		s.lease.drop(claimed.Number)
		return reason
	}
	if err == nil && len(claimed.Fixed)+len(claimed.Params.Point) > 0 {
		claimed.State, claimed.Started = trial.Waiting, time.Time{}
		_, err = s.add1(t.ctx, claimed)
	}
	if err != nil {
		return pkg.Errorf("%w, after: %s", err, fault.Text(reason, nil)) // an error of the storage comes first: a run must not take it for ErrExhausted
	}
	return reason
}

// Attach returns a running trial by its number, so that a process other than the one that asked for it can continue
// it: a detached trial (see [Never] and [ByCaller]), or one whose worker is known to be dead. With [ByStudy] this
// process renews its lease from now on. Later draws for the trial are those that the other process would have made,
// if the history is the same.
//
// It fails with [storage.ErrNoTrial] and [trial.ErrFinished].
func (s *Study) Attach(ctx context.Context, number int) (*Trial, error) {
	h, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	r, ok := find(h, number)
	switch {
	case !ok || r.State == trial.Waiting:
		err = storage.ErrNoTrial
	case r.State.Done():
		err = fmt.Errorf("%w: it is %v", trial.ErrFinished, r.State)
	case s.cfg.Renewal == ByCaller && s.lease.isFresh(number, s.cfg.Grace):
	case s.cfg.Renewal != Never && s.lease.ledger != nil:
		if err = s.lease.ledger.Renew(ctx, number); err == nil {
			s.lease.renewed(number)
		}
	}
	if err != nil {
		return nil, pkg.Errorf("attach: trial %d: %w", number, err)
	}
	if s.cfg.Renewal == ByStudy {
		s.lease.hold(number, s.cfg.Grace)
	}
	t := s.newTrial(ctx, r)
	t.through = true
	return t, nil
}

// find returns a trial of a study by its number.
func find(h trial.Snapshot, number int) (trial.Record, bool) {
	for _, rs := range [2][]trial.Record{h.Running(), h.Waiting()} {
		for _, r := range rs {
			if r.Number == number {
				return r, true
			}
		}
	}
	for i := h.Len() - 1; i >= 0; i-- {
		if r := h.At(i); r.Number == number {
			return *r, true
		}
	}
	return trial.Record{}, false
}

// fate describes what another process has done to a trial of this process.
func (s *Study) fate(ctx context.Context, number int) error {
	h, err := s.Snapshot(ctx)
	r, ok := find(h, number)
	switch {
	case err != nil || !ok:
		return errors.New("it is gone")
	case !r.State.Done():
		return errors.New("another process is working on it, so this one leaves it alone")
	case r.State == trial.Failed:
		return fmt.Errorf("it has failed (%s): %w", firstLine(r.Err), longerGrace)
	}
	return fmt.Errorf("it is %v", r.State)
}

func (s *Study) newTrial(ctx context.Context, r trial.Record) *Trial {
	return &Trial{study: s, ctx: ctx, rec: r, saved: len(r.Params.Point), through: s.cfg.Renewal != ByStudy,
		fixes: byName(r.Fixed), proposed: byName(r.Proposed)}
}

// compatible checks that the declared space fits the study.
func (s *Study) compatible(h trial.Snapshot) error {
	for _, a := range s.cfg.Space {
		if err := agree(h, a); err != nil {
			return err
		}
	}
	return nil
}

// agree returns an error that wraps [space.ErrMismatch] if a study has a
// parameter of another kind under the name of a.
func agree(h trial.Snapshot, a space.Axis) error {
	known, ok := h.Axis(a.Name)
	if !ok || space.Compatible(known.Distribution, a.Distribution) {
		return nil
	}
	return fmt.Errorf("%w: parameter %q is %s in this study, and now %s: give it another name", space.ErrMismatch,
		a.Name, space.Describe(known.Distribution), space.Describe(a.Distribution))
}

// spaceKnown returns the search space as far as it is known before a trial.
func (s *Study) spaceKnown(h trial.Snapshot) space.Space {
	if len(s.cfg.Space) > 0 {
		return s.cfg.Space
	}
	return h.Common()
}

// draw draws all parameters that can be drawn before the objective runs, and writes them for other workers. The
// caller holds t.study.sampling.
func (t *Trial) draw() error {
	s := t.study
	var err error
	if t.turn != nil {
		t.seen = t.turn.view
	} else if t.seen, err = s.Snapshot(t.ctx); err != nil {
		return err
	}
	if len(s.cfg.Space) == 0 {
		return t.drawAhead(t.seen.Common())
	}
	for _, a := range s.cfg.Space {
		if _, _, err := t.fixed(a); err != nil {
			t.fail(err) // the trial fails, and the run goes on
			return t.begun()
		}
	}
	for { // a round for each level of conditions
		var level space.Space
		for _, a := range s.cfg.Space {
			if t.index(a.Name) < 0 && a.Exists(t) {
				level = append(level, a)
			}
		}
		if len(level) == 0 {
			t.fail(s.cfg.Space.Meets(t)) // its enqueued values do not
			return t.begun()
		}
		if len(level) == len(s.cfg.Space) {
			level = s.cfg.Space // share it
		}
		point, err := t.sample(level)
		if errors.Is(err, space.ErrConstraint) && len(t.rec.Params.Point)+len(t.rec.Fixed) > 0 {
			t.fail(err) // the values of this trial leave none for the other parameters
			return t.begun()
		}
		if err != nil {
			return err
		}
		if t.rec.Params, err = t.rec.Params.Join(space.Params{Space: level, Point: point}); err != nil {
			return err
		}
	}
}

// drawAhead draws axes jointly, and Suggest returns the values later. Axes that the objective does not suggest never
// become parameters of the trial.
func (t *Trial) drawAhead(axes space.Space) error {
	if slices.ContainsFunc(axes, t.decided) {
		axes = slices.DeleteFunc(slices.Clone(axes), t.decided)
	}
	if len(axes) == 0 {
		if t.turn != nil {
			return t.begun()
		}
		return nil
	}
	point, err := t.sample(axes)
	if err != nil {
		return err
	}
	t.ahead, err = t.ahead.Join(space.Params{Space: axes, Point: point})
	if err != nil {
		return err
	}
	t.propose()
	return t.begun()
}

// begun writes the draws for t before the objective runs. In a reproducible run it also writes a note.
func (t *Trial) begun() error {
	if t.turn == nil {
		return t.flush(t.ctx)
	}
	drawn := map[string]space.Literal{}
	for _, s := range t.rec.Proposed {
		drawn[s.Name] = s.Value
	}
	if err := t.checked(trial.Noted(note(drawnKey, drawn))); err != nil {
		return err
	}
	return t.flush(t.ctx)
}

// decided reports whether a parameter must not be drawn ahead: the trial has it, or was enqueued with a value outside
// the bounds of earlier trials, which may have changed.
func (t *Trial) decided(a space.Axis) bool {
	_, _, err := t.fixed(a)
	return err != nil || t.index(a.Name) >= 0
}

// sample returns a coordinate for each axis: the user's if it is fixed, the only one if there is a single value, and
// for the rest a joint draw of the sampler. The caller holds t.study.sampling.
func (t *Trial) sample(axes space.Space) ([]float64, error) {
	point, open := make([]float64, len(axes)), len(axes)
	var decided space.Params
	for i, a := range axes {
		x, ok, err := t.fixed(a)
		if err != nil {
			return nil, err
		}
		if !ok && a.Distribution.Len() == 1 {
			x, ok = a.Distribution.At(0), true
		}
		if !ok {
			point[i] = math.NaN()
			continue
		}
		point[i] = x
		open--
		decided.Space, decided.Point = append(decided.Space, a), append(decided.Point, x)
	}
	given, err := clip(t.rec.Params).Join(decided)
	if err != nil {
		return nil, err
	}
	switch open {
	case 0:
		return point, nil
	case len(axes):
		return t.ask(axes, given)
	}
	rest := make(space.Space, 0, open)
	for i, a := range axes {
		if math.IsNaN(point[i]) {
			rest = append(rest, a)
		}
	}
	drawn, err := t.ask(rest, given)
	if err != nil {
		return nil, err
	}
	for i := range point {
		if math.IsNaN(point[i]) {
			point[i], drawn = drawn[0], drawn[1:]
		}
	}
	return point, nil
}

func clip(p space.Params) space.Params {
	return space.Params{Space: slices.Clip(p.Space), Point: slices.Clip(p.Point)}
}

// ask makes the sampler draw axes, and checks the proposal. The caller holds t.study.sampling.
func (t *Trial) ask(axes space.Space, given space.Params) ([]float64, error) {
	s := t.study
	h := t.seen
	if _, finite := s.cfg.Sampler.(sampler.Finite); !finite { // which must see all trials to avoid repetitions
		if sc, ok := s.cfg.Pruner.(pruner.Scoper); ok {
			h = sc.Scope(t.place(), h)
		}
	}
	var fixed []string
	for _, set := range t.rec.Fixed {
		fixed = append(fixed, set.Name)
	}
	r := sampler.Request{
		Number: t.place(), Space: axes, Given: given, Fixed: fixed, Constraints: t.constraints(axes), History: h,
		Rand: drawRand(s.header.Seed, t.place(), t.decidedCount()),
	}
	if len(r.Constraints) > 0 {
		r.Later = t.later(axes)
	}
	p, err := s.cfg.Sampler.Sample(t.ctx, r)
	if err != nil {
		return nil, err
	}
	if len(p.Point) != len(axes) {
		return nil, fmt.Errorf("%T proposed %d coordinates for %d parameters", s.cfg.Sampler, len(p.Point), len(axes))
	}
	for i, a := range axes {
		if !a.Distribution.Contains(p.Point[i]) {
			return nil, fmt.Errorf("%T proposed %v for %q: %w: %s", s.cfg.Sampler, p.Point[i], a.Name, space.ErrOutside, space.Describe(a.Distribution))
		}
	}
	if len(r.Constraints) > 0 && !r.Region().Contains(p.Point) {
		return nil, fmt.Errorf("%T proposed %v: %w: it must keep to the Region of the request", s.cfg.Sampler, space.Params{Space: axes, Point: p.Point}, space.ErrConstraint)
	}
	for _, n := range p.Notes {
		if err := t.checked(trial.Noted(n)); err != nil {
			return nil, err
		}
	}
	return p.Point, nil
}

// constraints returns the constraints that a draw of axes may have to meet.
func (t *Trial) constraints(axes space.Space) []space.Constraint {
	all := t.study.rules
	for _, a := range axes {
		for _, c := range a.Where {
			if !slices.ContainsFunc(all, func(b space.Constraint) bool { return b.Text == c.Text }) {
				all = append(slices.Clip(all), c)
			}
		}
	}
	return all
}

// later returns the declared parameters that neither t nor axes has, and that may be drawn later. A fixed parameter
// is reduced to its value.
func (t *Trial) later(axes space.Space) (later space.Space) {
	for _, a := range t.study.cfg.Space {
		if axes.Index(a.Name) >= 0 || t.index(a.Name) >= 0 {
			continue
		}
		if x, ok, err := t.fixed(a); ok && err == nil {
			a.Distribution = space.Only(a.Distribution, x)
		}
		later = append(later, a)
	}
	return later
}

// decidedCount returns the number of coordinates of t, suggested or drawn ahead. It is the same in all processes that
// continue the trial.
func (t *Trial) decidedCount() int {
	n := len(t.rec.Params.Space)
	for _, a := range t.ahead.Space {
		if t.index(a.Name) < 0 {
			n++
		}
	}
	for name := range t.proposed {
		if t.index(name) < 0 && t.aheadAt.Index(t.ahead.Space, name) < 0 {
			n++
		}
	}
	return n
}

// fixed returns the coordinate that the user fixed for an axis, if any.
func (t *Trial) fixed(a space.Axis) (x float64, ok bool, err error) {
	l, ok := t.fixes[a.Name]
	if !ok {
		return 0, false, nil
	}
	if x, err = a.Distribution.Encode(l); err != nil {
		err = fmt.Errorf("parameter %q was enqueued: %w", a.Name, err)
	}
	return x, true, err
}

// byName returns the first value of each name.
func byName(settings []space.Setting) map[string]space.Literal {
	if len(settings) == 0 {
		return nil
	}
	m := make(map[string]space.Literal, len(settings))
	for _, s := range slices.Backward(settings) {
		m[s.Name] = s.Value
	}
	return m
}

// Number returns the number of t in its study, from 0.
func (t *Trial) Number() int { return t.rec.Number }

// place returns the number that determines the trial's random numbers, and by which samplers and pruners identify it:
// its number or, in a reproducible run, its place.
func (t *Trial) place() int {
	if t.turn != nil {
		return t.turn.place
	}
	return t.rec.Number
}

// Seed returns a seed for whatever is random in the objective: the first eight bytes of SHA-256
// of the study's seed and the trial's number. It is different for each trial, and the same
// wherever and whenever the trial runs. In a reproducible run, a trial that repeats another has
// the same seed; see [trial.PlaceKey].
func (t *Trial) Seed() uint64 { return objectiveSeed(t.study.header.Seed, t.place()) }

// Record returns the trial as it is now, including changes that have not been written yet.
func (t *Trial) Record() trial.Record { return t.rec.Clip() }

// Get implements [space.Getter]: the value of a parameter suggested so far.
func (t *Trial) Get(name string) (space.Literal, bool) {
	if i := t.index(name); i >= 0 {
		return t.rec.Params.Space[i].Distribution.Decode(t.rec.Params.Point[i]), true
	}
	return "", false
}

// Err returns the first error met by Suggest, Constrain or SetAttr.
func (t *Trial) Err() error { return t.err }

// Suggest implements [space.Suggester]; objectives call [space.Param.Suggest]. Suggesting the
// same parameter again returns the same value. Suggest does no I/O if the parameter was drawn
// when the trial was asked for.
//
// It cannot fail. After an error (see [Trial.Err]) it returns the lowest value or the first choice. The errors are:
// [space.ErrInvalid]; [space.ErrMismatch] for a name that this trial or the study already has with an incompatible
// distribution; [space.ErrOutside] for an enqueued value outside the distribution; [space.ErrConstraint] for an
// enqueued value that breaks a constraint; and errors of the sampler and the storage.
func (t *Trial) Suggest(a space.Axis) float64 {
	if i := t.index(a.Name); i >= 0 {
		if !space.Equal(t.rec.Params.Space[i].Distribution, a.Distribution) {
			t.fail(pkg.Errorf("%w: parameter %q is already %s in this trial, not %s", space.ErrMismatch,
				a.Name, space.Describe(t.rec.Params.Space[i].Distribution), space.Describe(a.Distribution)))
			return a.Distribution.At(0)
		}
		return t.rec.Params.Point[i]
	}
	if a.Distribution == nil {
		t.fail(pkg.Errorf("%w: parameter %q has no distribution", space.ErrInvalid, a.Name))
		return 0
	}
	x, err := t.take(&a)
	if err != nil {
		t.fail(err)
		return a.Distribution.At(0)
	}
	if t.rec.Params.Space == nil { // usually these are the parameters that were drawn ahead
		n := max(1, len(t.ahead.Space))
		t.rec.Params = space.Params{Space: make(space.Space, 0, n), Point: make([]float64, 0, n)}
	}
	t.rec.Params.Space = append(t.rec.Params.Space, a)
	t.rec.Params.Point = append(t.rec.Params.Point, x)
	if t.through && !t.rec.State.Done() {
		return t.write(a, x)
	}
	return x
}

// write writes the last suggested parameter and returns its coordinate. If another process has just suggested the
// parameter, it returns that coordinate.
func (t *Trial) write(a space.Axis, x float64) float64 {
	err := t.flush(t.ctx)
	if errors.Is(err, space.ErrMismatch) {
		h, fault := t.study.Snapshot(t.ctx)
		if fault != nil {
			t.fail(fault)
			return x
		}
		r, _ := find(h, t.rec.Number)
		if i := r.Params.Space.Index(a.Name); i >= 0 && space.Equal(r.Params.Space[i].Distribution, a.Distribution) {
			t.rec.Params, t.saved, t.has = clip(r.Params), len(r.Params.Point), space.Finder{}
			return r.Params.Point[i]
		}
	}
	t.fail(err)
	return x
}

// take returns a coordinate for an axis that the trial does not have yet.
func (t *Trial) take(a *space.Axis) (float64, error) {
	if t.err != nil {
		return 0, t.err
	}
	if err := t.admit(a); err != nil {
		return 0, err
	}
	x, ok, err := t.fixed(*a)
	if ok && err == nil {
		err = t.meets(*a, x)
	}
	if ok || err != nil {
		return x, err
	}
	if i := t.aheadAt.Index(t.ahead.Space, a.Name); i >= 0 {
		x := t.ahead.Point[i] // unless it has another meaning on a, or breaks a constraint
		if a.Distribution.Contains(x) && space.Compatible(t.ahead.Space[i].Distribution, a.Distribution) && t.meets(*a, x) == nil {
			return x, nil
		}
	}
	if l, ok := t.proposed[a.Name]; ok { // by the process that asked for the trial
		if x, err := a.Distribution.Encode(l); err == nil && t.meets(*a, x) == nil {
			return x, nil
		}
	}
	if a.Distribution.Len() == 1 {
		return a.Distribution.At(0), t.meets(*a, a.Distribution.At(0))
	}
	group := t.group(*a)
	t.study.sampling.Lock()
	defer t.study.sampling.Unlock()
	point, err := t.sample(group)
	if err != nil {
		return 0, err
	}
	if len(group) == 1 {
		return point[0], nil
	}
	t.ahead, err = t.ahead.Join(space.Params{Space: group[1:], Point: point[1:]})
	if t.through && err == nil {
		t.propose()
	}
	return point[0], err
}

// meets returns an error if a parameter of t breaks one of its constraints with the value x.
func (t *Trial) meets(a space.Axis, x float64) error {
	if len(a.Where) == 0 {
		return nil
	}
	own := space.Settings{{Name: a.Name, Value: a.Distribution.Decode(x)}}
	return space.Space{a}.Meets(either{own, t})
}

// either combines two getters.
type either struct{ first, second space.Getter }

// Get implements [space.Getter].
func (e either) Get(name string) (space.Literal, bool) {
	if l, ok := e.first.Get(name); ok {
		return l, true
	}
	return e.second.Get(name)
}

// propose makes the next flush write what was drawn ahead, for other workers to see. It keeps the draws of the
// process that asked for the trial.
func (t *Trial) propose() {
	proposed := t.ahead.Settings()
	for _, s := range t.rec.Proposed {
		if t.aheadAt.Index(t.ahead.Space, s.Name) < 0 {
			proposed = append(proposed, s)
		}
	}
	t.rec.Proposed = proposed
	t.dirty = append(t.dirty, trial.Proposed(proposed))
}

// admit checks an axis against the study's axis of that name, and normalizes it.
func (t *Trial) admit(a *space.Axis) error {
	if t.turn == nil && t.seen.ID() == nil { // the trial is attached, or the study was empty
		h, err := t.study.Snapshot(t.ctx)
		if err != nil {
			return err
		}
		t.seen = h
	}
	known, ok := t.seen.Axis(a.Name)
	if ok && space.Equal(known.Distribution, a.Distribution) {
		return nil
	}
	norm, err := space.Space{{Name: a.Name, Distribution: a.Distribution}}.Normalize()
	if err != nil {
		return err
	}
	if !utf8.ValidString(a.Name) {
		return fmt.Errorf("%w: parameter %q: the name is not UTF-8", space.ErrInvalid, a.Name)
	}
	a.Distribution = norm[0].Distribution
	return agree(t.seen, *a)
}

// index returns the position of a parameter that t has, or -1.
func (t *Trial) index(name string) int { return t.has.Index(t.rec.Params.Space, name) }

// group returns a, followed by the parameters that have always occurred with it and that the trial lacks: a branch of
// a conditional space, which is drawn jointly.
func (t *Trial) group(a space.Axis) space.Space {
	group := space.Space{a}
	for _, g := range t.seen.Groups() {
		if g.Index(a.Name) < 0 {
			continue
		}
		for _, b := range g {
			_, proposed := t.proposed[b.Name]
			if b.Name != a.Name && !t.decided(b) && !proposed && t.aheadAt.Index(t.ahead.Space, b.Name) < 0 {
				group = append(group, b)
			}
		}
	}
	return group
}

// Report records an intermediate value and writes it at once. It returns an error that wraps [ErrPruned] if the trial
// should stop; the objective should return that error. Steps are integers from 0, in any order, each reported once.
//
// Other errors are: the error of the context; [trial.ErrReport] for a negative or repeated step, after which the
// trial can continue; [ErrObjectives] in a study of several objectives, for [Trial.ReportValues];
// [trial.ErrFinished] if another process has taken this worker for dead; and errors of the storage.
func (t *Trial) Report(ctx context.Context, step int, value float64) error {
	return t.ReportAll(ctx, trial.Report{Step: step, Value: value})
}

// ReportValues records an intermediate value of each objective, in their order, and writes them at once. It is
// [Trial.Report] for studies of several objectives, and returns the same errors; with one objective it does the same.
// Only pruner.ParetoHalving judges such trials.
func (t *Trial) ReportValues(ctx context.Context, step int, values ...float64) error {
	n := t.study.header.Objectives()
	if n == 1 && len(values) == 1 {
		return t.Report(ctx, step, values[0])
	}
	err := t.err
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && len(values) != n {
		err = fmt.Errorf("%w: %v has %d, the number of objectives is %d", ErrObjectives, values, len(values), n)
	}
	v := trial.Vector{Step: step, Values: slices.Clone(values)}
	if err == nil {
		var c trial.Noted
		if c, err = v.Change(t.rec); err == nil {
			err = t.checked(c)
		}
	}
	if err == nil {
		err = t.flush(ctx)
	}
	if err != nil {
		return pkg.Errorf("trial %d: report: %w", t.rec.Number, err)
	}
	t.study.observed(ctx, func(h trial.Snapshot) Event {
		return Reported{h, t.Record(), trial.Report{Step: step, Value: math.NaN()}, v.Values}
	})
	return t.judge(ctx)
}

// ReportAll is like [Trial.Report] for the values of several steps, in one write. The pruner is asked once, after the
// last one. If one value cannot be recorded, none is.
func (t *Trial) ReportAll(ctx context.Context, reports ...trial.Report) error {
	s := t.study
	err := t.err
	if err == nil {
		err = ctx.Err()
	}
	if n := s.header.Objectives(); err == nil && n > 1 {
		err = fmt.Errorf("%w: a report has 1 value, the number of objectives is %d", ErrObjectives, n)
	}
	before, dirty := t.rec, t.dirty
	for _, r := range reports {
		if err == nil {
			err = t.change(trial.Reported(r))
		}
	}
	if err != nil {
		t.rec, t.dirty = before, dirty
	} else {
		err = t.flush(ctx)
	}
	if err != nil {
		return pkg.Errorf("trial %d: report: %w", t.rec.Number, err)
	}
	for _, r := range reports {
		s.observed(ctx, func(h trial.Snapshot) Event { return Reported{h, t.Record(), r, []float64{r.Value}} })
	}
	return t.judge(ctx)
}

// judge returns an error that wraps [ErrPruned] if the pruner says so.
func (t *Trial) judge(ctx context.Context) error {
	s := t.study
	if _, never := s.cfg.Pruner.(pruner.None); never {
		return nil
	}
	judged, h := t.Record(), trial.Snapshot{}
	var err error
	if t.turn != nil {
		judged.Number, judged.Started, h = t.turn.place, time.Time{}, t.turn.view
	} else if h, err = s.Snapshot(ctx); err != nil {
		return pkg.Errorf("trial %d: report: %w", t.rec.Number, err)
	}
	if sc, ok := s.cfg.Pruner.(pruner.Scoper); ok {
		h = sc.Scope(judged.Number, h)
	}
	if reason, prune := s.cfg.Pruner.Prune(judged, h); prune {
		return pkg.Errorf("%w: %s", ErrPruned, reason)
	}
	return nil
}

// Constrain sets the value of a constraint, which is met if it is at most 0. It
// is written with the next report, or at the end.
func (t *Trial) Constrain(name string, value float64) {
	t.fail(t.checked(trial.Constrained{Name: name, Value: value}))
}

// SetAttr sets an attribute of the trial to the JSON of value. It is written with
// the next report, or at the end.
func (t *Trial) SetAttr(key string, value any) {
	a, err := trial.NewAttr(key, value)
	if err == nil {
		err = t.checked(trial.Annotated(a))
	}
	t.fail(err)
}

// checked makes a change only if every storage accepts it: a change that is refused at the next write would block all
// later changes.
func (t *Trial) checked(c trial.Change) error {
	canonical, err := storage.CanonicalChanges([]trial.Change{c})
	if err != nil {
		return err
	}
	return t.change(canonical[0])
}

// fail keeps the first error.
func (t *Trial) fail(err error) {
	if t.err == nil && err != nil {
		t.err = err
	}
}

// change makes a change, to be written by the next flush.
func (t *Trial) change(c trial.Change) error {
	rec, err := t.rec.Apply(c)
	if err == nil {
		t.rec, t.dirty = rec, append(t.dirty, c)
	}
	return err
}

// flush writes what the ledger does not have yet, in one transaction.
func (t *Trial) flush(ctx context.Context) error {
	changes := t.dirty
	if p := t.rec.Params; t.saved < len(p.Point) {
		fresh := trial.Suggested{Space: p.Space[t.saved:], Point: p.Point[t.saved:]}
		changes = append([]trial.Change{fresh}, changes...)
	}
	if len(changes) == 0 {
		return nil
	}
	err := patiently(ctx, func() error { return t.study.ledger.Write(ctx, t.rec.Number, changes...) })
	if err != nil {
		if aboutTrial(err) {
			err = &lostError{err}
		}
		return err
	}
	t.saved, t.dirty = len(t.rec.Params.Point), nil
	return nil
}

// A lostError is the error of a write that the state of the trial does not allow: another process has changed the
// trial, which no longer belongs to this process.
type lostError struct{ error }

func (e *lostError) Unwrap() error { return e.error }

// aboutTrial reports whether an error of [storage.Ledger] is about the trial, and
// not about the storage.
func aboutTrial(err error) bool {
	for _, about := range []error{
		trial.ErrFinished, trial.ErrReport, trial.ErrValues, storage.ErrNoTrial, storage.ErrReserved,
		space.ErrMismatch, space.ErrOutside, space.ErrInvalid,
	} {
		if errors.Is(err, about) {
			return true
		}
	}
	return false
}

// patiently repeats f while it fails with [storage.ErrBusy], for up to a minute. A failed call has changed nothing.
func patiently(ctx context.Context, f func() error) error {
	const patience = time.Minute
	begun := time.Now()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f()
		if !errors.Is(err, storage.ErrBusy) || time.Since(begun) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// Tell finishes a trial with the values of its objectives or with its error: it
// is complete if err is nil, pruned if err wraps [ErrPruned] (its value is then
// the last report, if that is a number), failed otherwise. A trial whose [Trial.Err]
// is set fails.
//
// There must be one value for each objective. NaN is not allowed, ±Inf is. Otherwise Tell fails with
// [trial.ErrValues], and the trial is still running and can be told again. Tell fails with [trial.ErrFinished] if the
// trial was told before, or another process has taken its worker for dead.
//
// While others lock the storage, Tell tries again for up to a minute. If it then fails, the trial is still running
// and can be told again.
func (s *Study) Tell(ctx context.Context, t *Trial, values []float64, err error) error {
	if err := s.tell(ctx, t, values, err); err != nil {
		return err
	}
	s.told(ctx, t)
	return nil
}

// told passes a told trial to the observer.
func (s *Study) told(ctx context.Context, t *Trial) {
	if s.audience.hears() {
		_, _ = s.Snapshot(ctx) // so that the trial is known; if not now, then later
	}
	s.observed(ctx, func(h trial.Snapshot) Event { return Told{h, t.Record()} })
}

func (s *Study) tell(ctx context.Context, t *Trial, values []float64, err error) error {
	if t.study != s {
		return pkg.Errorf("tell: %w: trial %d is of study %q, not %q", ErrConfig, t.rec.Number, t.study.Name(), s.Name())
	}
	err = t.outcome(err)
	state, text := trial.Complete, ""
	switch {
	case errors.Is(err, ErrPruned):
		state, text, values = trial.Pruned, fault.Text(err, nil), nil
		if n := len(t.rec.Reports); n > 0 && !math.IsNaN(t.rec.Reports[n-1].Value) {
			values = []float64{t.rec.Reports[n-1].Value}
		}
	case err != nil:
		state, text, values = trial.Failed, fault.Text(err, nil), nil
	default:
		if err := checkValues(values, s.header.Objectives()); err != nil {
			return pkg.Errorf("tell: trial %d: %w", t.rec.Number, err)
		}
	}
	if err := s.finish(ctx, t, state, values, text); err != nil {
		return pkg.Errorf("tell: trial %d: %w", t.rec.Number, err)
	}
	return nil
}

// outcome returns the error of t after its objective returned err: an earlier error of t takes precedence over
// success and pruning.
func (t *Trial) outcome(err error) error {
	if t.err != nil && (err == nil || errors.Is(err, ErrPruned)) {
		return t.err
	}
	return err
}

func checkValues(values []float64, objectives int) error {
	if len(values) != objectives {
		return fmt.Errorf("%w: %v has %d, the number of objectives is %d", trial.ErrValues, values, len(values), objectives)
	}
	return trial.CheckValues(trial.Complete, values)
}

// maxErr is the maximum length of a stored error, which may contain a stack.
const maxErr = 8 << 10

func (s *Study) finish(ctx context.Context, t *Trial, state trial.State, values []float64, text string) error {
	if len(text) > maxErr {
		text = strings.ToValidUTF8(text[:maxErr], "") + " ..."
	}
	before := t.dirty
	rec := t.rec
	err := t.change(trial.Finished{State: state, Values: slices.Clone(values), Err: text, At: storage.Stamp(time.Now())})
	if err == nil {
		err = t.flush(ctx)
	}
	if err == nil || errors.Is(err, trial.ErrFinished) {
		s.lease.drop(t.rec.Number)
	} else {
		t.rec, t.dirty = rec, before // it can be told again
	}
	return err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
