package remote

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/image"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

// ledger is a study on a server. It keeps an image of the trials, which Since brings up to date.
type ledger struct {
	store    *Store
	link     *link
	readOnly bool

	once   sync.Once
	closed chan struct{}

	syncing sync.Mutex // held while the image is brought up to date, or the study opened again

	mu     sync.Mutex   // guards what follows
	name   string       // as it was last known
	fixed  trial.Header // what never changes
	handle uint64
	cursor storage.Cursor // of the server
	gone   bool
	trials image.Study
	got    int // number of trials received since the last opening; -1 once all have come
}

// leaser is a ledger whose server has leases.
type leaser struct{ *ledger }

var (
	_ storage.Waiter = (*ledger)(nil)
	_ storage.Leaser = leaser{}
	_ storage.Waiter = leaser{}
)

// take takes in the answer to open.
func (l *ledger) take(d *decoder) (leases bool, err error) {
	handle, leases, header := d.uint(), d.bool(), d.header()
	if err := d.end(); err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fixed := trial.Header{Directions: header.Directions, Seed: header.Seed}
	if l.name != "" && (fixed.Seed != l.fixed.Seed || !slices.Equal(fixed.Directions, l.fixed.Directions)) {
		l.end()
		return false, storage.ErrNotExist
	}
	l.name, l.fixed, l.handle, l.cursor, l.got = header.Name, fixed, handle, 0, 0
	return leases, nil
}

// end notes that the study was deleted. The caller holds mu.
func (l *ledger) end() {
	l.gone = true
	l.trials.Wake()
}

// check returns an error if the ledger cannot be used.
func (l *ledger) check(ctx context.Context) error {
	select {
	case <-l.closed:
		return storage.ErrClosed
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case l.gone:
		return storage.ErrNotExist
	}
	return nil
}

// Close implements [storage.Ledger]. The server keeps the study open for others.
func (l *ledger) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// seen notes what an error says of the study.
func (l *ledger) seen(err error) error {
	if errors.Is(err, storage.ErrNotExist) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.end()
	}
	return err
}

// reopen opens the study again on the current server, if the unknown handle is still the ledger's.
func (l *ledger) reopen(ctx context.Context, handle uint64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	name, same := l.name, l.handle == handle
	l.mu.Unlock()
	if !same {
		return nil // another call was quicker
	}
	d, err := l.link.get(ctx, "open", url.Values{"name": {name}})
	if err == nil {
		_, err = l.take(d)
	}
	return l.seen(err)
}

// get sends a request that reads from the study. query may be nil.
func (l *ledger) get(ctx context.Context, op string, query func(url.Values)) (*decoder, error) {
	for {
		if err := l.check(ctx); err != nil {
			return nil, err
		}
		l.mu.Lock()
		handle := l.handle
		q := url.Values{"study": {strconv.FormatUint(handle, 10)}}
		if query != nil {
			query(q)
		}
		l.mu.Unlock()
		d, err := l.link.get(ctx, op, q)
		if !errors.Is(err, errHandle) {
			return d, l.seen(err)
		}
		if err := l.reopen(ctx, handle); err != nil {
			return nil, err
		}
	}
}

// Header implements [storage.Ledger].
func (l *ledger) Header(ctx context.Context) (trial.Header, error) {
	d, err := l.get(ctx, "header", nil)
	if err != nil {
		return trial.Header{}, l.store.wrap("read study", err)
	}
	h := d.header()
	if err := d.end(); err != nil {
		return trial.Header{}, l.store.wrap("read study", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.name = h.Name
	return h, nil
}

// change makes a change of the study. If the server restarted meanwhile, settled checks in the trials whether the
// change was made.
func (l *ledger) change(ctx context.Context, op string, args []byte, settled func() (bool, error)) (*decoder, error) {
	if l.readOnly {
		return nil, storage.ErrReadOnly
	}
	if err := l.check(ctx); err != nil {
		return nil, err
	}
	c, err := l.link.begin(ctx, op)
	if err != nil {
		return nil, err
	}
	defer c.end()
	for {
		l.mu.Lock()
		e := encoder{b: make([]byte, 0, len(args)+10)}
		handle := l.handle
		l.mu.Unlock()
		e.uint(handle)
		d, err := c.send(ctx, append(e.b, args...))
		if !errors.Is(err, errHandle) && !errors.Is(err, errProcess) {
			return d, l.seen(err)
		}
		if err := l.reopen(ctx, handle); err != nil {
			return nil, err
		}
		if !errors.Is(err, errProcess) {
			continue // the server remembers the changes that it has made
		}
		doubt := c.doubt
		c.renewed()
		if !doubt {
			continue
		}
		if err := l.sync(ctx); err != nil {
			return nil, err
		}
		if there, err := settled(); err != nil || there {
			return nil, err
		}
	}
}

// again is for changes that may be made twice.
func again() (bool, error) { return false, nil }

// Annotate implements [storage.Ledger].
func (l *ledger) Annotate(ctx context.Context, attrs, notes trial.Attrs) error {
	h, err := storage.CanonicalStudy(trial.Header{Attrs: attrs, Notes: notes})
	if err == nil {
		var e encoder
		e.attrs(h.Attrs)
		e.attrs(h.Notes)
		_, err = l.change(ctx, "annotate", e.b, again)
	}
	return l.store.wrap("annotate study", err)
}

// Add implements [storage.Ledger].
func (l *ledger) Add(ctx context.Context, records ...trial.Record) ([]int, error) {
	numbers, err := l.add(ctx, records)
	if err != nil {
		return nil, l.store.wrap("add trials", err)
	}
	return numbers, nil
}

func (l *ledger) add(ctx context.Context, records []trial.Record) (numbers []int, err error) {
	var e encoder
	e.count(len(records))
	checked := make([]trial.Record, len(records))
	for i, r := range records {
		if checked[i], err = storage.Canonical(r); err != nil {
			return nil, err
		}
		e.record(checked[i])
	}
	l.mu.Lock()
	before := l.trials.Len()
	l.mu.Unlock()
	d, err := l.change(ctx, "add", e.b, func() (bool, error) {
		numbers = l.find(before, checked)
		return numbers != nil, nil
	})
	if err != nil || d == nil {
		return numbers, err
	}
	return d.numbers(), d.end()
}

// find returns the numbers of the added trials among those from number from on, or nil if they are missing.
func (l *ledger) find(from int, added []trial.Record) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; from+len(added) <= l.trials.Len(); from++ {
		numbers := make([]int, len(added))
		for i, want := range added {
			numbers[i] = from + i
			r, err := l.trials.Trial(from + i)
			want.Number = from + i
			if r.State != trial.Waiting && want.State == trial.Waiting { // it was taken since
				want.State, want.Started = r.State, r.Started
			}
			if err != nil || !tables.Same(r, want) {
				numbers = nil
				break
			}
		}
		if numbers != nil {
			return numbers
		}
	}
	return nil
}

// Start implements [storage.Ledger].
func (l *ledger) Start(ctx context.Context, at time.Time, key string) (trial.Record, error) {
	var e encoder
	e.time(storage.Stamp(at))
	e.text(key)
	d, err := l.change(ctx, "start", e.b, again)
	var r trial.Record
	if err == nil {
		r = d.record()
		err = d.end()
	}
	if err != nil {
		return trial.Record{}, l.store.wrap("start trial", err)
	}
	return r, nil
}

// Write implements [storage.Ledger].
func (l *ledger) Write(ctx context.Context, number int, changes ...trial.Change) error {
	canonical, err := storage.CanonicalChanges(changes)
	if err == nil {
		var e encoder
		e.number(number)
		e.changes(canonical)
		_, err = l.change(ctx, "write", e.b, func() (bool, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			r, err := l.trials.Trial(number)
			return err == nil && has(r, canonical), nil
		})
	}
	return l.store.wrap("write trial", err)
}

// has reports whether changes were made to a trial and not undone since.
func has(r trial.Record, changes []trial.Change) bool {
	same := func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }
	attr := func(as trial.Attrs, a trial.Attr) bool {
		b, ok := as.Get(a.Key)
		return ok && b == a
	}
	return !slices.ContainsFunc(changes, func(c trial.Change) bool {
		switch c := c.(type) {
		case trial.Proposed:
			return !r.State.Done() && !slices.Equal(r.Proposed, c)
		case trial.Suggested:
			for i, a := range c.Space {
				at := slices.IndexFunc(r.Params.Space, func(b space.Axis) bool { return a.Name == b.Name })
				if at < 0 || i >= len(c.Point) || !same(r.Params.Point[at], c.Point[i]) {
					return true
				}
			}
		case trial.Reported:
			v, ok := r.ReportAt(c.Step)
			return !ok || !same(v, c.Value)
		case trial.Constrained:
			return !slices.ContainsFunc(r.Constraints, func(b trial.Constraint) bool { return b.Name == c.Name && same(b.Value, c.Value) })
		case trial.Annotated:
			return !attr(r.Attrs, trial.Attr(c))
		case trial.Noted:
			return !attr(r.Notes, trial.Attr(c))
		case trial.Finished:
			return r.State != c.State || r.Err != c.Err || !r.Finished.Equal(c.At) || !slices.EqualFunc(r.Values, c.Values, same)
		}
		return false
	})
}

// sync brings the image up to date.
func (l *ledger) sync(ctx context.Context) error {
	for {
		more, err := l.fetch(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// fetch updates the image with some of the changes.
func (l *ledger) fetch(ctx context.Context) (rest bool, err error) {
	// Not under the lock, which reopen takes if the handle must be renewed first.
	var handle uint64
	var after storage.Cursor
	d, err := l.get(ctx, "since", func(q url.Values) {
		handle, after = l.handle, l.cursor
		q.Set("after", strconv.FormatInt(int64(after), 10))
	})
	if err != nil {
		return false, err
	}
	var news []storage.Update
	kind := d.byte()
	for ; kind == another; kind = d.byte() {
		news = append(news, d.update())
	}
	if err := d.end(); err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handle != handle || l.cursor != after {
		return true, nil // another call was quicker
	}
	for _, u := range news {
		old, err := l.trials.Trial(u.Trial.Number)
		known := err == nil && tables.Same(old, u.Trial)
		if err == nil && !known && old.State.Done() {
			l.end() // a finished trial never changes: this is another study of that name
			return false, storage.ErrNotExist
		}
		if !known {
			l.trials.Put(u.Trial)
		}
		l.cursor = u.Cursor
	}
	if l.got >= 0 {
		l.got += len(news)
		if kind == last {
			if l.got < l.trials.Len() {
				l.end() // trials do not go away: this is another study of that name
				return false, storage.ErrNotExist
			}
			l.got = -1
		}
	}
	return kind == more, nil
}

// Since implements [storage.Ledger].
func (l *ledger) Since(ctx context.Context, after storage.Cursor) iter.Seq2[storage.Update, error] {
	return func(yield func(storage.Update, error) bool) {
		err := l.sync(ctx)
		if err != nil {
			yield(storage.Update{}, l.store.wrap("read trials", err))
			return
		}
		l.mu.Lock()
		news := l.trials.Since(after)
		l.mu.Unlock()
		for _, u := range news {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// Wait implements [storage.Waiter]. The server answers when something changes.
func (l *ledger) Wait(ctx context.Context, after storage.Cursor) error {
	return l.store.wrap("wait for changes", l.wait(ctx, after))
}

func (l *ledger) wait(ctx context.Context, after storage.Cursor) error {
	ask, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		if err := l.check(ctx); err != nil {
			return err
		}
		l.mu.Lock()
		news := l.trials.News(after)
		l.mu.Unlock()
		if news == nil {
			return nil
		}
		asked := make(chan error, 1)
		go func() {
			_, err := l.get(ask, "wait", func(q url.Values) { q.Set("after", strconv.FormatInt(int64(l.cursor), 10)) })
			if err == nil {
				err = l.sync(ask)
			}
			asked <- err
		}()
		var err error
		select {
		case err = <-asked:
		case <-news: // another call was told
			cancel()
			<-asked
			return l.check(ctx)
		case <-l.closed:
			cancel()
			<-asked
		}
		if err != nil {
			return err
		}
	}
}

// Renew implements [storage.Leaser].
func (l leaser) Renew(ctx context.Context, numbers ...int) error {
	var e encoder
	e.numbers(numbers)
	_, err := l.change(ctx, "renew", e.b, again)
	return l.store.wrap("renew leases", err)
}

// Release implements [storage.Leaser].
func (l leaser) Release(ctx context.Context, numbers ...int) error {
	var e encoder
	e.numbers(numbers)
	_, err := l.change(ctx, "release", e.b, again)
	return l.store.wrap("release leases", err)
}

// Reap implements [storage.Leaser]. Retry runs here, so the server asks for its result once for
// each trial, and reaps them when it knows all.
func (l leaser) Reap(ctx context.Context, held []int, grace time.Duration, at time.Time, retry storage.Retry) ([]trial.Record, error) {
	reaped, err := l.reap(ctx, held, grace, at, retry)
	if err != nil {
		return nil, l.store.wrap("reap trials", err)
	}
	return reaped, nil
}

// reap asks the server at first without results of retry: as a rule nobody is dead, and there are none.
// If a trial has failed, the second request has the results for all trials that may have, too.
func (l leaser) reap(ctx context.Context, held []int, grace time.Duration, at time.Time, retry storage.Retry) ([]trial.Record, error) {
	replies := map[int]reply{}
	for {
		var e encoder
		e.time(storage.Stamp(at))
		e.int(int64(grace))
		e.numbers(held)
		e.bool(retry != nil)
		e.count(len(replies))
		for number, r := range replies {
			e.number(number)
			e.uint(r.failed)
			e.record(r.again)
			e.bool(r.ok)
		}
		d, err := l.change(ctx, "reap", e.b, again)
		if err != nil {
			return nil, err
		}
		if done := d.bool(); done {
			reaped := list(d, 10, d.record)
			return reaped, d.end()
		}
		failed := d.record()
		if err := d.end(); err != nil {
			return nil, err
		}
		all := []trial.Record{failed}
		if len(replies) == 0 {
			others, err := l.mayFailAs(ctx, failed, held)
			if err != nil {
				return nil, err
			}
			all = append(all, others...)
		}
		for _, r := range all {
			again, ok := retry(r.Clip())
			again, err := storage.Canonical(again)
			if err != nil && r.Number == failed.Number {
				return nil, fmt.Errorf("trial %d again: %w", r.Number, err)
			}
			if err == nil { // else the server asks, if it is wanted
				replies[r.Number] = reply{sum(r), again, ok}
			}
		}
	}
}

// mayFailAs returns the running trials other than held, as they are if they fail in the same Reap as
// a trial that has failed.
func (l leaser) mayFailAs(ctx context.Context, failed trial.Record, held []int) (out []trial.Record, err error) {
	if err := l.sync(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range l.trials.Len() {
		r, missing := l.trials.Trial(n)
		if missing != nil || r.State != trial.Running || n == failed.Number || slices.Contains(held, n) {
			continue
		}
		if r, err = r.Apply(trial.Finished{State: trial.Failed, Err: failed.Err, At: failed.Finished}); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
