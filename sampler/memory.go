package sampler

import (
	"slices"
	"sync"

	"github.com/attune-hpo/attune/trial"
)

// A Memory keeps what a sampler has computed from histories: one T for each of the last few, so that the cost of the
// next request for a history depends only on its new trials. The zero Memory is empty and ready to use. It may be
// used by several goroutines at once, and must not be copied.
//
// A T must follow from the history alone, so that forgetting it costs time but changes no proposal. The zero T is the
// state for an empty history.
type Memory[T any] struct {
	// Most is the maximum number of histories to remember. The least recently used one is forgotten first. Default
	// 32.
	Most int

	mu   sync.Mutex
	kept []*remembered[T] // in order of use
}

// remembered is what a [Memory] keeps for one history.
type remembered[T any] struct {
	id any

	mu    sync.Mutex
	read  int // finished trials of the longest view that was used
	value T
}

// Use calls f with the T that m keeps for the history of h, and keeps the changes that f makes to it. Calls of f for
// the same history never overlap; calls for different histories may.
//
// The trials that f finds in its T are among those of h. If h has fewer finished trials than an earlier view, or is
// empty and so has no [trial.Snapshot.ID], f gets a zero T, which is not kept.
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

// recall returns what m keeps for a history, and marks it as the last used.
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
