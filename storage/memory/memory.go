// Package memory keeps studies in the memory of the process.
package memory

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// Store is an in-memory [storage.Store]. The zero value is empty and ready to
// use. What it holds lives as long as it does: closing a ledger loses nothing.
type Store struct {
	mu      sync.Mutex
	studies map[string]*study
}

var (
	_ storage.Store  = (*Store)(nil)
	_ storage.Waiter = (*ledger)(nil)
)

// Create implements [storage.Store].
func (s *Store) Create(ctx context.Context, header trial.Header) (storage.Ledger, error) {
	name := header.Name
	header, err := storage.CanonicalStudy(header)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("memory: create study %q: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.studies[header.Name]; ok {
		return nil, fmt.Errorf("memory: create study %q: %w", header.Name, storage.ErrExist)
	}
	if s.studies == nil {
		s.studies = make(map[string]*study)
	}
	st := &study{header: header}
	s.studies[header.Name] = st
	return newLedger(st), nil
}

// Open implements [storage.Store].
func (s *Store) Open(ctx context.Context, name string) (storage.Ledger, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.find(ctx, "open", name)
	if err != nil {
		return nil, err
	}
	return newLedger(st), nil
}

// find returns the named study. mu must be held.
func (s *Store) find(ctx context.Context, op, name string) (*study, error) {
	err := ctx.Err()
	st, ok := s.studies[name]
	if err == nil && !ok {
		err = storage.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("memory: %s study %q: %w", op, name, err)
	}
	return st, nil
}

// Studies implements [storage.Store].
func (s *Store) Studies(ctx context.Context) iter.Seq2[trial.Header, error] {
	return func(yield func(trial.Header, error) bool) {
		s.mu.Lock()
		all := maps.Clone(s.studies)
		s.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if err := ctx.Err(); err != nil {
				yield(trial.Header{}, fmt.Errorf("memory: list studies: %w", err))
				return
			}
			all[name].mu.Lock()
			header := all[name].header
			all[name].mu.Unlock()
			if !yield(header, nil) {
				return
			}
		}
	}
}

// Rename implements [storage.Store].
func (s *Store) Rename(ctx context.Context, from, to string) error {
	if _, err := storage.CanonicalStudy(trial.Header{Name: to}); err != nil {
		return fmt.Errorf("memory: rename study %q: %w", from, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.find(ctx, "rename", from)
	if err != nil {
		return err
	}
	if _, ok := s.studies[to]; ok && to != from {
		return fmt.Errorf("memory: rename study %q to %q: %w", from, to, storage.ErrExist)
	}
	delete(s.studies, from)
	s.studies[to] = st
	st.mu.Lock()
	defer st.mu.Unlock()
	st.header.Name = to
	return nil
}

// Delete implements [storage.Store].
func (s *Store) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.find(ctx, "delete", name)
	if err != nil {
		return err
	}
	delete(s.studies, name)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.deleted = true
	st.wake()
	return nil
}

// study is what the ledgers of one study share.
type study struct {
	mu      sync.Mutex
	header  trial.Header
	deleted bool
	pool    space.Pool
	trials  []entry
	waiting []int          // ascending
	changed []int          // numbers, in order of change; a Cursor is an index past it
	keys    map[string]int // numbers of the trials started under a key
	news    chan struct{}  // closed at the next change; nil if nobody waits for it
}

type entry struct {
	trial.Record
	at storage.Cursor // of the latest change
}

// wake ends the waiting of those that wait for a change. mu must be held.
func (st *study) wake() {
	if st.news != nil {
		close(st.news)
		st.news = nil
	}
}

// put records that r is now so. mu must be held.
func (st *study) put(r trial.Record) {
	if r.Number == len(st.trials) {
		st.trials = append(st.trials, entry{})
	}
	if r.State.Done() {
		r.Params.Space = st.pool.Share(r.Params.Space)
		r = r.Clip()
	}
	st.changed = append(st.changed, r.Number)
	st.trials[r.Number] = entry{r, storage.Cursor(len(st.changed))}
	if key := r.Key(); key != "" && r.State != trial.Waiting {
		if st.keys == nil {
			st.keys = map[string]int{}
		}
		if _, taken := st.keys[key]; !taken {
			st.keys[key] = r.Number
		}
	}
	st.wake()
}

type ledger struct {
	study *study

	once   sync.Once
	closed chan struct{}
}

func newLedger(st *study) *ledger { return &ledger{study: st, closed: make(chan struct{})} }

// lock locks the study for one method, unless the method must not go on.
func (l *ledger) lock(ctx context.Context, op string) (unlock func(), err error) {
	closed := false
	select {
	case <-l.closed:
		closed = true
	default:
	}
	l.study.mu.Lock()
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case closed:
		err = storage.ErrClosed
	case l.study.deleted:
		err = storage.ErrNotExist
	default:
		return l.study.mu.Unlock, nil
	}
	name := l.study.header.Name
	l.study.mu.Unlock()
	return nil, fmt.Errorf("memory: %s: study %q: %w", op, name, err)
}

func (l *ledger) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *ledger) Header(ctx context.Context) (trial.Header, error) {
	unlock, err := l.lock(ctx, "read")
	if err != nil {
		return trial.Header{}, err
	}
	defer unlock()
	return l.study.header, nil
}

func (l *ledger) Annotate(ctx context.Context, attrs, notes trial.Attrs) error {
	unlock, err := l.lock(ctx, "annotate")
	if err != nil {
		return err
	}
	defer unlock()
	checked, err := storage.CanonicalStudy(trial.Header{Attrs: attrs, Notes: notes})
	if err != nil {
		return fmt.Errorf("memory: annotate: %w", err)
	}
	for _, a := range checked.Attrs {
		l.study.header.Attrs = l.study.header.Attrs.With(a)
	}
	for _, n := range checked.Notes {
		l.study.header.Notes = l.study.header.Notes.With(n)
	}
	return nil
}

func (l *ledger) Add(ctx context.Context, records ...trial.Record) ([]int, error) {
	unlock, err := l.lock(ctx, "add")
	if err != nil {
		return nil, err
	}
	defer unlock()
	checked := make([]trial.Record, len(records))
	for i, r := range records {
		if checked[i], err = storage.CheckAdd(l.study.header, r); err != nil {
			return nil, fmt.Errorf("memory: add: %w", err)
		}
	}
	numbers := make([]int, len(records))
	for i, r := range checked {
		r.Number = len(l.study.trials)
		numbers[i] = r.Number
		if r.State == trial.Waiting {
			l.study.waiting = append(l.study.waiting, r.Number)
		}
		l.study.put(r)
	}
	return numbers, nil
}

func (l *ledger) Start(ctx context.Context, at time.Time, key string) (trial.Record, error) {
	unlock, err := l.lock(ctx, "start")
	if err != nil {
		return trial.Record{}, err
	}
	defer unlock()
	st := l.study
	if n, ok := st.keys[key]; ok {
		return st.trials[n].Clip(), nil
	}
	r := trial.Record{Number: len(st.trials)}
	if len(st.waiting) > 0 {
		r = st.trials[st.waiting[0]].Record
	}
	if r, err = storage.Claim(r, at, key); err != nil {
		return trial.Record{}, fmt.Errorf("memory: start: %w", err)
	}
	if len(st.waiting) > 0 {
		st.waiting = st.waiting[1:]
	}
	st.put(r)
	return r.Clip(), nil
}

func (l *ledger) Write(ctx context.Context, number int, changes ...trial.Change) error {
	unlock, err := l.lock(ctx, "write")
	if err != nil {
		return err
	}
	defer unlock()
	if number < 0 || number >= len(l.study.trials) {
		return fmt.Errorf("memory: write: trial %d: %w", number, storage.ErrNoTrial)
	}
	old := l.study.trials[number].Record
	changes, err = storage.CanonicalChanges(changes)
	var r trial.Record
	if err == nil {
		r, err = old.Apply(changes...)
	}
	if err == nil && r.State.Done() {
		err = storage.CheckObjectives(l.study.header, r)
	}
	if err != nil {
		return fmt.Errorf("memory: write: %w", err)
	}
	if old.State == trial.Waiting && r.State != trial.Waiting {
		l.study.waiting = slices.DeleteFunc(slices.Clone(l.study.waiting), func(n int) bool { return n == number })
	}
	l.study.put(r)
	return nil
}

func (l *ledger) Since(ctx context.Context, after storage.Cursor) iter.Seq2[storage.Update, error] {
	return func(yield func(storage.Update, error) bool) {
		news, err := l.since(ctx, after)
		if err != nil {
			yield(storage.Update{}, err)
			return
		}
		for _, u := range news {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// since returns the trials that changed after a cursor.
func (l *ledger) since(ctx context.Context, after storage.Cursor) (news []storage.Update, err error) {
	unlock, err := l.lock(ctx, "read")
	if err != nil {
		return nil, err
	}
	defer unlock()
	after = min(max(after, 0), storage.Cursor(len(l.study.changed)))
	for i, n := range l.study.changed[after:] {
		if e := l.study.trials[n]; e.at == after+storage.Cursor(i)+1 { // its latest change
			news = append(news, storage.Update{Cursor: e.at, Trial: e.Clip()})
		}
	}
	return news, nil
}

// Wait implements [storage.Waiter].
func (l *ledger) Wait(ctx context.Context, after storage.Cursor) error {
	for {
		unlock, err := l.lock(ctx, "wait")
		if err != nil {
			return err
		}
		if max(after, 0) < storage.Cursor(len(l.study.changed)) {
			unlock()
			return nil
		}
		if l.study.news == nil {
			l.study.news = make(chan struct{})
		}
		news := l.study.news
		unlock()
		select {
		case <-news:
		case <-l.closed:
		case <-ctx.Done():
		}
	}
}
