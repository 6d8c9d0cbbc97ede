package server

import (
	"context"
	"errors"
	"sync"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
)

// mostOpen is how many studies are kept open while nobody uses them.
const mostOpen = 256

// studies opens the studies of a store, and keeps those that were used last.
type studies struct {
	store  storage.Store
	config func(space.Space) study.Config

	mu     sync.Mutex
	open   map[string]*opened
	clock  int // counts uses
	closed bool
}

// An opened study is closed when it is neither kept nor used.
type opened struct {
	name  string
	once  sync.Once // sets the next three, under studies.mu
	study *study.Study
	space space.Space // as declared; empty if it is not
	err   error

	users, used int  // guarded by studies.mu, as the next
	gone        bool // no longer kept
}

func newStudies(store storage.Store, config func(space.Space) study.Config) *studies {
	return &studies{store: store, config: config, open: map[string]*opened{}}
}

// use calls f with a study. If the study was deleted since it was opened, f is called again with the study that has
// its name now.
func (s *studies) use(ctx context.Context, name string, f func(*opened) error) error {
	again, err := s.try(ctx, name, f)
	if again {
		_, err = s.try(ctx, name, f)
	}
	return err
}

func (s *studies) try(ctx context.Context, name string, f func(*opened) error) (again bool, err error) {
	o, err := s.acquire(name)
	if err != nil {
		return false, err
	}
	defer s.release(o)
	kept := true
	o.once.Do(func() {
		kept = false
		st, declared, err := s.load(context.WithoutCancel(ctx), name)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed && err == nil {
			st.Close()
			err = pkg.Errorf("%w", storage.ErrClosed)
		}
		if o.err = err; err == nil {
			o.study, o.space = st, declared
		}
	})
	if err = o.err; err == nil {
		err = f(o)
	}
	if o.study == nil || errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrClosed) || errors.Is(err, errUndeclared) {
		s.forget(o) // the next request looks again
		return kept, err
	}
	return false, err
}

// load opens a study with the space that was declared for it.
func (s *studies) load(ctx context.Context, name string) (*study.Study, space.Space, error) {
	v, err := study.Read(ctx, s.store, name)
	if err != nil {
		return nil, nil, err
	}
	declared, _, err := declaredIn(v.Header().Attrs)
	if err = errors.Join(err, v.Close()); err != nil {
		return nil, nil, err
	}
	st, err := study.Load(ctx, s.store, name, s.config(declared))
	return st, declared, err
}

func (s *studies) acquire(name string) (*opened, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, pkg.Errorf("%w", storage.ErrClosed)
	}
	o, ok := s.open[name]
	if !ok {
		o = &opened{name: name}
		s.open[name] = o
	}
	s.clock++
	o.users, o.used = o.users+1, s.clock
	if len(s.open) > mostOpen {
		if idle := s.idle(); idle != nil {
			s.drop(idle)
		}
	}
	return o, nil
}

// idle returns the study that nobody has used for longest, or nil. The caller holds mu.
func (s *studies) idle() (idle *opened) {
	for _, o := range s.open {
		if o.users == 0 && (idle == nil || o.used < idle.used) {
			idle = o
		}
	}
	return idle
}

func (s *studies) release(o *opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.users--; o.gone && o.users == 0 && o.study != nil {
		o.study.Close()
	}
}

// forget makes the next use of the study open it again.
func (s *studies) forget(o *opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(o)
}

// forgetName is forget for the study with a given name.
func (s *studies) forgetName(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.open[name]; ok {
		s.drop(o)
	}
}

// drop no longer keeps a study. The caller holds mu.
func (s *studies) drop(o *opened) {
	if s.open[o.name] == o {
		delete(s.open, o.name)
	}
	if !o.gone && o.users == 0 && o.study != nil {
		o.study.Close()
	}
	o.gone = true
}

// all returns the studies that are open. The caller releases each.
func (s *studies) all() (all []*opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.open {
		if o.study == nil {
			continue // not yet, or it could not be
		}
		o.users++
		all = append(all, o)
	}
	return all
}

// close closes all studies, in use or not.
func (s *studies) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for _, o := range s.open {
		if o.study != nil {
			errs = append(errs, o.study.Close())
		}
	}
	return errors.Join(errs...)
}
