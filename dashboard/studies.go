package dashboard

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// mostOpen is the maximum number of open studies.
const mostOpen = 64

// studies opens studies for reading, and keeps the most recently used ones.
type studies struct {
	store storage.Store

	mu     sync.Mutex
	open   map[string]*opened
	recent *list.List // names, most recently used first
	closed bool
}

// An opened study is closed when it is no longer kept or used.
type opened struct {
	once  sync.Once // opens it
	view  *study.View
	err   error
	place *list.Element
	users int
	gone  bool        // no longer kept
	read  atomic.Bool // all trials were read, once
}

func newStudies(store storage.Store) *studies {
	return &studies{store: store, open: map[string]*opened{}, recent: list.New()}
}

// use calls f with the view of a study.
func (s *studies) use(ctx context.Context, name string, f func(*study.View) error) error {
	o, err := s.acquire(name)
	if err != nil {
		return err
	}
	defer s.release(o)
	o.once.Do(func() { o.view, o.err = study.Read(context.WithoutCancel(ctx), s.store, name) })
	if err = o.err; err == nil {
		err = f(o.view)
		o.read.Store(o.read.Load() || err == nil)
	}
	if err != nil && ctx.Err() == nil {
		s.forget(name, o) // the next request tries again
	}
	return err
}

func (s *studies) snapshot(ctx context.Context, name string) (h trial.Snapshot, err error) {
	take := func(v *study.View) (err error) {
		h, err = v.Snapshot(ctx)
		return err
	}
	if err = s.use(ctx, name, take); errors.Is(err, storage.ErrNotExist) {
		err = s.use(ctx, name, take) // a study with the same name may have replaced it
	}
	return h, err
}

// ready reports whether a study is open and read.
func (s *studies) ready(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.open[name]
	return ok && o.read.Load()
}

func (s *studies) acquire(name string) (*opened, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("dashboard: %w", storage.ErrClosed)
	}
	o, ok := s.open[name]
	if !ok {
		o = &opened{place: s.recent.PushFront(name)}
		s.open[name] = o
	}
	s.recent.MoveToFront(o.place)
	o.users++
	for len(s.open) > mostOpen {
		last := s.recent.Back().Value.(string)
		s.drop(last, s.open[last])
	}
	return o, nil
}

func (s *studies) release(o *opened) {
	s.mu.Lock()
	o.users--
	free := o.gone && o.users == 0
	s.mu.Unlock()
	if free && o.view != nil {
		o.view.Close()
	}
}

// forget removes a study from the open studies.
func (s *studies) forget(name string, o *opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[name] == o {
		s.drop(name, o)
	}
}

// drop removes a study from the open studies, and closes it if it is not in use. The caller
// holds mu.
func (s *studies) drop(name string, o *opened) {
	delete(s.open, name)
	s.recent.Remove(o.place)
	o.gone = true
	if o.users == 0 && o.view != nil {
		o.view.Close()
	}
}

// close removes all studies, and opens no others.
func (s *studies) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.forgetAll()
	return nil
}

// forgetAll removes all studies.
func (s *studies) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, o := range s.open {
		s.drop(name, o)
	}
}

// version returns a text that is equal for two snapshots of a study only if they are equal.
func version(h trial.Snapshot) string { return versionOf(h.Len(), h.Running(), len(h.Waiting())) }

func versionOf(finished int, running []trial.Record, waiting int) string {
	reports, params := 0, 0
	for _, r := range running {
		reports += len(r.Reports)
		params += len(r.Params.Point)
	}
	return fmt.Sprintf("%d-%d-%d-%d-%d", finished, len(running), waiting, reports, params)
}

// A cache keeps the most recently used values.
type cache[K comparable, V any] struct {
	most int

	mu     sync.Mutex
	at     map[K]*list.Element
	making map[K]func() V
	recent list.List // entries, most recently used first
}

type cached[K comparable, V any] struct {
	key   K
	value V
}

func (c *cache[K, V]) get(key K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[key]
	if !ok {
		return v, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(cached[K, V]).value, true
}

func (c *cache[K, V]) put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = map[K]*list.Element{}
	}
	if e, ok := c.at[key]; ok {
		c.recent.Remove(e)
	}
	c.at[key] = c.recent.PushFront(cached[K, V]{key, v})
	for len(c.at) > c.most {
		last := c.recent.Back()
		delete(c.at, last.Value.(cached[K, V]).key)
		c.recent.Remove(last)
	}
}

// made returns the value of a key, or what f returns, which is called once for a key, whoever
// asks.
func (c *cache[K, V]) made(key K, f func() V) V {
	c.mu.Lock()
	once := c.making[key]
	if e, ok := c.at[key]; ok {
		c.recent.MoveToFront(e)
		defer c.mu.Unlock()
		return e.Value.(cached[K, V]).value
	}
	if once == nil {
		once = sync.OnceValue(func() V {
			v := f()
			c.put(key, v)
			c.mu.Lock()
			delete(c.making, key)
			c.mu.Unlock()
			return v
		})
		if c.making == nil {
			c.making = map[K]func() V{}
		}
		c.making[key] = once
	}
	c.mu.Unlock()
	return once()
}
