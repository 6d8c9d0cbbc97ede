// Package memory keeps studies in the memory of the process.
package memory

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/image"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "memory"

// Store is an in-memory [storage.Store]. The zero value is empty and ready to use. Its
// studies live as long as the Store: closing a ledger loses nothing.
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
		return nil, pkg.Errorf("create study %q: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.studies[header.Name]; ok {
		return nil, pkg.Errorf("create study %q: %w", header.Name, storage.ErrExist)
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
		return nil, pkg.Errorf("%s study %q: %w", op, name, err)
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
				yield(trial.Header{}, pkg.Errorf("list studies: %w", err))
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
		return pkg.Errorf("rename study %q: %w", from, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.find(ctx, "rename", from)
	if err != nil {
		return err
	}
	if _, ok := s.studies[to]; ok && to != from {
		return pkg.Errorf("rename study %q to %q: %w", from, to, storage.ErrExist)
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
	st.trials.Wake()
	return nil
}

// study is what the ledgers of one study share.
type study struct {
	mu      sync.Mutex
	header  trial.Header
	deleted bool
	trials  image.Study
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
	return nil, pkg.Errorf("%s: study %q: %w", op, name, err)
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
		return pkg.Errorf("annotate: %w", err)
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
			return nil, pkg.Errorf("add: %w", err)
		}
	}
	numbers := make([]int, len(records))
	l.study.trials.Grow(len(records))
	for i, r := range checked {
		r.Number = l.study.trials.Len()
		numbers[i] = r.Number
		l.study.trials.Put(r)
	}
	return numbers, nil
}

func (l *ledger) Start(ctx context.Context, at time.Time, key string) (trial.Record, error) {
	unlock, err := l.lock(ctx, "start")
	if err != nil {
		return trial.Record{}, err
	}
	defer unlock()
	if r, ok := l.study.trials.ByKey(key); ok {
		return r.Clip(), nil
	}
	r, _ := l.study.trials.Next()
	if r, err = storage.Claim(r, at, key); err != nil {
		return trial.Record{}, pkg.Errorf("start: %w", err)
	}
	l.study.trials.Put(r)
	return r.Clip(), nil
}

func (l *ledger) Write(ctx context.Context, number int, changes ...trial.Change) error {
	unlock, err := l.lock(ctx, "write")
	if err != nil {
		return err
	}
	defer unlock()
	r, err := l.study.trials.Trial(number)
	if err == nil {
		changes, err = storage.CanonicalChanges(changes)
	}
	if err == nil {
		r, err = r.Apply(changes...)
	}
	if err == nil && r.State.Done() {
		err = storage.CheckObjectives(l.study.header, r)
	}
	if err != nil {
		return pkg.Errorf("write: %w", err)
	}
	l.study.trials.Put(r)
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
	return l.study.trials.Since(after), nil
}

// Wait implements [storage.Waiter].
func (l *ledger) Wait(ctx context.Context, after storage.Cursor) error {
	for {
		unlock, err := l.lock(ctx, "wait")
		if err != nil {
			return err
		}
		news := l.study.trials.News(after)
		unlock()
		if news == nil {
			return nil
		}
		select {
		case <-news:
		case <-l.closed:
		case <-ctx.Done():
		}
	}
}
