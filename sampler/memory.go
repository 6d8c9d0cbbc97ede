package sampler

import (
	"slices"
	"sync"

	"github.com/attune-hpo/attune/trial"
)

// A Memory keeps what a sampler has computed from the histories it was asked
// about: one T for each of the last few, so that the next request about a history
// costs what is new in it. The zero Memory is empty and ready to use. It may be
// used by several goroutines at once, and must not be copied.
//
// A T holds nothing but what follows from the history itself, so that forgetting
// it costs time and changes no proposal. The zero T stands for a history of which
// nothing is known yet.
type Memory[T any] struct {
	// Most is the number of histories that are remembered. The one that was not
	// used for longest is forgotten first. Default 32.
	Most int

	mu   sync.Mutex
	kept []*remembered[T] // in order of use
}

// remembered is what a [Memory] keeps of one history.
type remembered[T any] struct {
	id any

	mu    sync.Mutex
	read  int // finished trials of the longest view that was used
	value T
}

// Use calls f with what m keeps of the history that h is a view of, and keeps
// what f makes of it. No two calls of Use for one history run f at the same time;
// those for different histories do.
//
// The trials that f finds in its T are among those of h. For a view with fewer
// finished trials than one that was used before, and for an empty history, which
// has no [trial.Snapshot.ID], f gets a zero T that is not kept.
func (m *Memory[T]) Use(h trial.Snapshot, f func(*T)) {
	if h.ID() != nil {
		r := m.recall(h.ID())
		r.mu.Lock()
		defer r.mu.Unlock()
		if h.Len() >= r.read {
			r.read = h.Len()
			f(&r.value)
			return
		}
	}
	f(new(T))
}

// recall returns what m keeps of a history, as the last used.
func (m *Memory[T]) recall(id any) *remembered[T] {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &remembered[T]{id: id}
	if i := slices.IndexFunc(m.kept, func(r *remembered[T]) bool { return r.id == id }); i >= 0 {
		r = m.kept[i]
		m.kept = slices.Delete(m.kept, i, i+1)
	}
	most := m.Most
	if most <= 0 {
		most = 32
	}
	if extra := len(m.kept) + 1 - most; extra > 0 {
		m.kept = slices.Delete(m.kept, 0, extra)
	}
	m.kept = append(m.kept, r)
	return r
}
