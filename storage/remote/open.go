package remote

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

const (
	mostOpen = 256              // studies that a handler keeps open while nobody uses them
	goneTime = 10 * time.Minute // for which it remembers that a study was deleted
)

// studies are the open studies of a handler. All clients of a study share one ledger.
type studies struct {
	store storage.Store

	opening sync.Mutex // held while a study is opened

	mu       sync.Mutex // guards what follows, and the opened
	byHandle map[uint64]*opened
	byName   map[string]*opened // as it was when the study was opened
}

// An opened study.
type opened struct {
	handle uint64
	name   string
	ledger storage.Ledger

	users int
	used  time.Time
	gone  bool // the study was deleted; the ledger is closed when there are no users
}

// describe writes what a client needs to know about a study that it opens.
func (o *opened) describe(e *encoder, header trial.Header) {
	_, leases := o.ledger.(storage.Leaser)
	e.uint(o.handle)
	e.bool(leases)
	e.header(header)
}

// open returns the study of a name.
func (s *studies) open(ctx context.Context, name string) (*opened, trial.Header, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	o := s.byName[name]
	s.mu.Unlock()
	if o != nil { // which may have been renamed or deleted meanwhile
		var header trial.Header
		err := s.use(o.handle, func(o *opened) (err error) {
			header, err = o.ledger.Header(ctx)
			return err
		})
		if err == nil && header.Name == name {
			return o, header, nil
		}
		if ctx.Err() != nil {
			return nil, trial.Header{}, ctx.Err()
		}
	}
	l, err := s.store.Open(ctx, name)
	if err != nil {
		return nil, trial.Header{}, err
	}
	header, err := l.Header(ctx)
	if err != nil {
		return nil, trial.Header{}, errors.Join(err, l.Close())
	}
	return s.add(name, l), header, nil
}

// add keeps a study open.
func (s *studies) add(name string, l storage.Ledger) *opened {
	var handle [8]byte
	rand.Read(handle[:])
	o := &opened{handle: binary.LittleEndian.Uint64(handle[:]), name: name, ledger: l, used: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byHandle == nil {
		s.byHandle, s.byName = map[uint64]*opened{}, map[string]*opened{}
	}
	s.trim()
	s.byHandle[o.handle], s.byName[name] = o, o
	return o
}

// trim lets go of studies that nobody uses. The caller holds mu.
func (s *studies) trim() {
	var idle *opened
	n := 0
	for _, o := range s.byHandle {
		switch {
		case o.gone:
			if time.Since(o.used) > goneTime {
				s.drop(o)
			}
			continue
		case o.users == 0 && (idle == nil || o.used.Before(idle.used)):
			idle = o
		}
		n++
	}
	if n >= mostOpen && idle != nil {
		s.drop(idle)
		idle.ledger.Close()
	}
}

// drop forgets a study. The caller holds mu.
func (s *studies) drop(o *opened) {
	delete(s.byHandle, o.handle)
	if s.byName[o.name] == o {
		delete(s.byName, o.name)
	}
}

// asked calls f with the study that the query of a request names.
func (s *studies) asked(r *http.Request, f func(*opened) error) error {
	handle, err := strconv.ParseUint(r.URL.Query().Get("study"), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: the query: study", errMessage)
	}
	return s.use(handle, f)
}

// use calls f with the study of a handle. A handle keeps referring to its study when that is renamed, or deleted and
// replaced by another of the same name.
func (s *studies) use(handle uint64, f func(*opened) error) error {
	s.mu.Lock()
	o := s.byHandle[handle]
	if o == nil || o.gone {
		s.mu.Unlock()
		if o != nil {
			return storage.ErrNotExist
		}
		return errHandle
	}
	o.users++
	s.mu.Unlock()
	err := f(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	o.users--
	o.used = time.Now()
	if errors.Is(err, storage.ErrNotExist) {
		o.gone = true
		if s.byName[o.name] == o {
			delete(s.byName, o.name)
		}
	}
	if o.gone && o.users == 0 {
		o.ledger.Close()
	}
	return err
}

// close closes all studies.
func (s *studies) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, o := range s.byHandle {
		errs = append(errs, o.ledger.Close())
	}
	s.byHandle, s.byName = nil, nil
	return errors.Join(errs...)
}
