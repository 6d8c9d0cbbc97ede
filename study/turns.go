package study

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// turns lets the trials of a reproducible run begin one after the other, each with a history that depends only on the
// trials before it; see [Run.Lag].
//
// The place of a trial is the number it would have if no trial had ever been repeated. A
// repetition, after an interruption, an error or the death of a worker, has the place of
// the trial that it repeats. The trial at place p begins when the trials before it have
// begun and those up to p-lag have ended for good. Its history shows the latter as they
// ended, and those in between as they began: running, with their draws. It shows no times.
//
// So a repetition is drawn from the same history by the same generator, and gets the same parameters. All of this is
// in the storage: the record and the notes of a trial say how it began.
type turns struct {
	run   *run
	study *Study
	lag   int

	asking sync.Mutex     // held while a trial begins; guards the fields below
	learnt int            // known finished trials of the study
	places map[int]int    // by the number of a trial
	all    []*place       // in order
	next   int            // the place that begins next
	shown  int            // the history shows the ends of the places before this one
	past   *trial.History // its trials are numbered by their places
	ready  map[int]*Trial // by number: started in the ledger, before their turn

	mu    sync.Mutex      // guards what follows
	own   map[int]bool    // places of the trials that this run evaluates
	moved context.Context // done when one of these has ended
	move  context.CancelFunc
}

// A place holds what is known of the trials at a place.
type place struct {
	first  trial.Record   // the one that repeats none
	last   trial.Record   // the last that has finished; its number is -1 if there is none
	open   int            // the number of the one that waits or runs, or -1
	latest trial.Record   // the last of all
	view   trial.Snapshot // the history from which it is drawn, once it has begun
}

// A turn is the place of a trial, and its history.
type turn struct {
	place int
	view  trial.Snapshot
}

func newTurns(r *run) *turns {
	ts := &turns{run: r, study: r.study, lag: r.Lag, past: trial.NewHistory(r.study.header),
		places: map[int]int{}, ready: map[int]*Trial{}, own: map[int]bool{}}
	ts.moved, ts.move = context.WithCancel(r.starting)
	return ts
}

// errNoTurn reports that a run has ended before a trial could begin.
var errNoTurn = errors.New("the run has ended")

// ask waits until a trial can begin, and begins it. It fails as [Study.Ask] does, and with
// errNoTurn.
func (ts *turns) ask(ctx context.Context) (*Trial, error) {
	for {
		moved := ts.watch()
		if ts.run.starting.Err() != nil {
			return nil, errNoTurn
		}
		t, others, err := ts.try(ctx)
		switch lost := (*lostError)(nil); {
		case errors.As(err, &lost) && ctx.Err() == nil:
			ts.study.warn(ctx, pkg.Errorf("%w; asking for another", err))
			continue
		case t == nil && err == nil:
			ts.wait(moved, others)
			continue
		case err == nil:
			ts.study.observed(ctx, func(h trial.Snapshot) Event { return Asked{h, t.Record()} })
		}
		return t, err
	}
}

// try begins a trial, or returns nil if none can begin. It also reports whether trials of other runs may be the
// reason.
func (ts *turns) try(ctx context.Context) (t *Trial, others bool, err error) {
	ts.asking.Lock()
	defer ts.asking.Unlock()
	for {
		h, err := ts.study.Snapshot(ctx)
		if err == nil {
			err = ts.learn(ctx, h)
		}
		if err != nil {
			return nil, false, err
		}
		p, ok, err := ts.choose(ctx, h)
		switch {
		case err != nil:
			return nil, false, err
		case ok && p < len(ts.all):
			t, err = ts.begin(ctx, p)
			return t, false, err
		case !ok:
			return nil, ts.others(), nil
		}
		if _, err := ts.start(ctx); err != nil { // learn determines its place: other processes start trials, too
			return nil, false, err
		}
	}
}

// others reports whether trials of other runs may prevent the next one from beginning.
func (ts *turns) others() bool {
	for p := ts.shown; p < len(ts.all); p++ {
		if ts.all[p].open >= 0 && !ts.owns(p) {
			return true
		}
	}
	return false
}

// watch returns a context that is done when a trial of this run ends, from now on.
func (ts *turns) watch() context.Context {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.moved
}

// wait waits until a trial of this run has ended or, if trials of other runs are in the way, until any trial has
// changed or a while has passed.
func (ts *turns) wait(moved context.Context, others bool) {
	ctx, cancel := context.WithTimeout(moved, min(time.Second, ts.study.cfg.Grace/2))
	defer cancel()
	if !others || storage.Wait(ctx, ts.study.ledger, ts.study.cursor()) != nil {
		<-ctx.Done()
	}
}

// ended records that a trial of this run has ended, and that its repetition, if there is one, is enqueued.
func (ts *turns) ended(t *Trial) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.own, t.turn.place)
	ts.move()
	ts.moved, ts.move = context.WithCancel(ts.run.starting)
}

func (ts *turns) owns(p int) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.own[p]
}

// learn takes in what has happened in the study.
func (ts *turns) learn(ctx context.Context, h trial.Snapshot) error {
	news := slices.Concat(slices.Collect(h.Since(ts.learnt)), h.Running(), h.Waiting())
	ts.learnt = h.Len()
	slices.SortFunc(news, func(a, b trial.Record) int { return a.Number - b.Number })
	for _, known := range ts.all[ts.shown:] {
		known.open = -1
	}
	for _, r := range news {
		known := ts.of(r)
		if r.Number == known.first.Number {
			known.first = r
		}
		if r.Number >= known.latest.Number {
			known.latest = r
		}
		if !r.State.Done() {
			known.open = r.Number
		} else if r.Number > known.last.Number {
			known.last = r
		}
	}
	for p := ts.shown; p < len(ts.all); p++ {
		known := ts.all[p]
		if known.open >= 0 || ts.owns(p) || !known.last.Interrupted() || time.Since(known.last.Finished) < ts.study.cfg.Grace {
			continue
		}
		number, err := ts.study.add1(ctx, repeatOf(known.last)) // its process died before it did so
		if err != nil {
			return err
		}
		ts.places[number], known.open = p, number
	}
	return nil
}

// of returns the place of a trial. A trial that is not a repetition gets the next place.
func (ts *turns) of(r trial.Record) *place {
	p, ok := ts.places[r.Number]
	if !ok {
		p, ok = ts.places[firstOf(r)]
	}
	if !ok {
		p = len(ts.all)
		ts.all = append(ts.all, &place{first: r, latest: r, last: trial.Record{Number: -1}, open: -1})
	}
	ts.places[r.Number] = p
	return ts.all[p]
}

// over reports whether the trial of a place has ended for good.
func (ts *turns) over(p int) bool {
	known := ts.all[p]
	return known.last.Number >= 0 && known.open < 0 && !known.last.Interrupted() && !ts.owns(p)
}

// choose returns the place that can begin now, with its trial started if the ledger has one. It returns false if
// there is no such place.
func (ts *turns) choose(ctx context.Context, h trial.Snapshot) (p int, ok bool, err error) {
	for p := ts.shown; p < ts.next; p++ { // these have begun before, and may have to be repeated
		if open := ts.all[p].open; open >= 0 && !ts.owns(p) {
			if ok, err := ts.claim(ctx, h, open); ok || err != nil {
				return p, ok, err
			}
		}
	}
	for ; ts.next < len(ts.all) && ts.elsewhere(ts.next); ts.next++ {
		ts.pass(ts.next)
	}
	if !ts.show(ts.next-ts.lag) || !ts.needed() {
		return 0, false, ts.done()
	}
	if ts.run.enough(ts.past.Snapshot()) {
		return 0, false, errNoTurn
	}
	if ts.next < len(ts.all) {
		ok, err := ts.claim(ctx, h, ts.all[ts.next].open)
		return ts.next, ok, err
	}
	if err := ts.study.compatible(h); err != nil {
		return 0, false, pkg.Errorf("ask: %w", err)
	}
	now := ts.past.Snapshot()
	if finite, ok := ts.study.cfg.Sampler.(sampler.Finite); ok && finite.Exhausted(ts.study.spaceKnown(now), now) {
		return 0, false, pkg.Errorf("ask: %w", sampler.ErrExhausted)
	}
	return ts.next, true, nil
}

// count returns how many of the trials before the next place are complete or pruned, and
// how many have not ended.
func (ts *turns) count() (evaluated, open int) {
	evaluated = ts.past.Snapshot().Evaluated()
	for p := ts.shown; p < ts.next; p++ {
		switch state := ts.all[p].last.State; {
		case !ts.over(p):
			open++
		case state == trial.Complete || state == trial.Pruned:
			evaluated++
		}
	}
	return evaluated, open
}

// needed reports whether the trial of the next place is needed for [Run.Total], even if all trials before it succeed.
func (ts *turns) needed() bool {
	evaluated, open := ts.count()
	return ts.run.Total == 0 || evaluated+open < ts.run.Total
}

// done returns errNoTurn if the trials before the next place suffice for [Run.Total].
func (ts *turns) done() error {
	if evaluated, _ := ts.count(); ts.run.Total > 0 && evaluated >= ts.run.Total {
		return errNoTurn
	}
	return nil
}

// claim makes the ledger start the trial of a number, if it is waiting and was not started before.
func (ts *turns) claim(ctx context.Context, h trial.Snapshot, number int) (ok bool, err error) {
	if ts.ready[number] != nil {
		return true, nil
	}
	if !slices.ContainsFunc(h.Waiting(), func(r trial.Record) bool { return r.Number == number }) {
		return false, nil // another worker has it, dead or alive
	}
	for got := -1; got < number; { // the ledger starts those of lower numbers first
		if got, err = ts.start(ctx); err != nil {
			return false, err
		}
	}
	return ts.ready[number] != nil, nil
}

// start makes the ledger start a trial, and returns its number.
func (ts *turns) start(ctx context.Context) (number int, err error) {
	s := ts.study
	var r trial.Record
	err = patiently(ctx, func() (err error) {
		r, err = s.ledger.Start(ctx, time.Now(), "")
		return err
	})
	if err != nil {
		return 0, pkg.Errorf("ask: %w", err)
	}
	ts.ready[r.Number] = s.newTrial(context.WithoutCancel(ctx), r)
	if err := s.keepAlive(context.WithoutCancel(ctx), r.Number); err != nil {
		return 0, pkg.Errorf("ask: trial %d: %w", r.Number, err)
	}
	return r.Number, nil
}

// show makes the history show the ends of the trials up to a place. It returns false if one of them has not ended.
func (ts *turns) show(upTo int) (ok bool) {
	for ; ts.shown <= upTo; ts.shown++ {
		if !ts.over(ts.shown) {
			return false
		}
		known := ts.all[ts.shown]
		r := ts.plain(known.last, ts.shown)
		r.Fixed, r.Started, r.Finished = known.first.Fixed, time.Time{}, time.Time{}
		ts.past.Put(r)
		known.view = trial.Snapshot{}
	}
	return true
}

// plain returns a record as it would be if its number were its place, and no other trial had that place.
func (ts *turns) plain(r trial.Record, p int) trial.Record {
	r.Number = p
	r.Notes = slices.DeleteFunc(slices.Clone(r.Notes), func(a trial.Attr) bool {
		return slices.Contains([]string{firstKey, historyKey, trial.InterruptedKey, trial.PlaceKey, drawnKey}, a.Key)
	})
	return r
}

// begin draws the trial of a place, which the ledger has started.
func (ts *turns) begin(ctx context.Context, p int) (*Trial, error) {
	number := ts.all[p].open
	t := ts.ready[number]
	delete(ts.ready, number)
	ts.mu.Lock()
	ts.own[p] = true
	ts.mu.Unlock()
	claimed := t.rec
	if err := ts.draw(t, p); err != nil {
		err = ts.study.abandon(t, claimed, pkg.Errorf("ask: trial %d: %w", number, err))
		ts.ended(t)
		return nil, err
	}
	ts.next = max(ts.next, p+1)
	t.ctx = ctx
	return t, nil
}

// elsewhere reports whether the trial of a place began in another run and need not begin in this one: it has ended
// for good, or is being evaluated.
func (ts *turns) elsewhere(p int) bool {
	if ts.over(p) {
		return true
	}
	known := ts.all[p]
	_, begun := known.latest.Notes.Get(drawnKey)
	return begun && known.latest.State == trial.Running && ts.ready[known.open] == nil
}

// pass skips a place whose trial began in another run. It keeps how that trial began, which later trials may have to
// see.
func (ts *turns) pass(p int) {
	known := ts.all[p]
	seen := !ts.over(p) || len(ts.all) < p+ts.lag
	for q := p + 1; q < min(len(ts.all), p+ts.lag); q++ {
		seen = seen || !ts.over(q)
	}
	if !seen {
		return
	}
	ts.show(p - ts.lag)
	ts.past.Put(trial.Record{Number: p, State: trial.Running, Fixed: known.first.Fixed})
	known.view = ts.past.Snapshot() // in case it must be repeated here
	ts.past.Put(ts.begun(known.latest, p))
}

// begun returns the record of a trial as it was when it began: with the draws of that time, even if the objective did
// not suggest them, and without later draws and reports.
func (ts *turns) begun(r trial.Record, p int) trial.Record {
	out := trial.Record{Number: p, State: trial.Running, Fixed: ts.all[p].first.Fixed}
	out.Notes = slices.DeleteFunc(ts.plain(r, p).Notes, func(a trial.Attr) bool { return strings.HasPrefix(a.Key, trial.VectorPrefix) })
	var drawn space.Finder
	for i, a := range r.Params.Space {
		if drawn.Index(ts.study.cfg.Space, a.Name) >= 0 {
			out.Params.Space, out.Params.Point = append(out.Params.Space, a), append(out.Params.Point, r.Params.Point[i])
		}
	}
	if a, ok := r.Notes.Get(drawnKey); ok {
		var ahead map[string]space.Literal
		_ = a.Decode(&ahead) // another form of note comes from another program
		for _, name := range slices.Sorted(maps.Keys(ahead)) {
			out.Proposed = append(out.Proposed, space.Setting{Name: name, Value: ahead[name]})
		}
	}
	return out
}

// drawnKey is the key of the note that marks a begun trial of a reproducible run. It holds the draws of that time
// that are not among the parameters, as an object of literals as texts. (A proposal would be deleted when the trial
// finishes.)
const drawnKey = "drawn"

// draw draws all parameters of a place's trial that can be drawn before its evaluation.
func (ts *turns) draw(t *Trial, p int) error {
	known := ts.all[p]
	t.rec.Fixed = known.first.Fixed // without the draws of the trial that this one repeats
	t.fixes = byName(t.rec.Fixed)
	if p >= ts.next {
		ts.past.Put(trial.Record{Number: p, State: trial.Running, Fixed: t.rec.Fixed})
		known.view = ts.past.Snapshot()
	}
	t.turn = &turn{p, known.view}
	if err := ts.mark(t, p); err != nil {
		return err
	}
	ts.study.sampling.Lock()
	err := t.draw()
	ts.study.sampling.Unlock()
	if err == nil && p >= ts.next {
		ts.past.Put(ts.begun(t.Record(), p))
	}
	return err
}

// mark notes the place of a trial, if that is not its number.
func (ts *turns) mark(t *Trial, p int) error {
	if p == t.rec.Number {
		return nil
	}
	return t.checked(trial.Noted(note(trial.PlaceKey, p)))
}

// letGo enqueues again the trials that were started in the ledger but have not begun.
func (ts *turns) letGo(ctx context.Context) error {
	ts.asking.Lock()
	defer ts.asking.Unlock()
	for number, t := range ts.ready {
		delete(ts.ready, number)
		again := repeatOf(t.rec)
		err := ts.mark(t, ts.places[number])
		if err == nil {
			err = t.checked(trial.Noted(note(trial.InterruptedKey, true)))
		}
		if err == nil {
			err = ts.study.finish(ctx, t, trial.Failed, nil, errNoTurn.Error())
		}
		if err == nil {
			_, err = ts.study.add1(ctx, again)
		}
		if err != nil && !aboutTrial(err) {
			return err
		}
	}
	return nil
}
