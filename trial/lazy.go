package trial

import (
	"slices"
	"sort"
	"sync"
)

// lazy holds what the snapshots of one history have been asked for beyond the
// facts that every study needs. It grows with the longest snapshot that asked;
// a shorter one reads a prefix.
type lazy struct {
	mu      sync.Mutex
	read    int // finished records that steps has taken in
	steps   map[int]*series
	columns map[any]*column
	scopes  map[string]*scope
}

// series is a number for each of some finished trials.
type series struct {
	at     []int // positions in finished, ascending
	values []float64
}

func (s *series) add(at int, value float64) {
	s.at = append(s.at, at)
	s.values = append(s.values, value)
}

// first returns what s holds for the first n finished trials.
func (s *series) first(n int) []float64 {
	k := sort.SearchInts(s.at, n)
	return s.values[:k:k]
}

// CompletedAt returns the values that complete trials reported at exactly the given
// step, NaN included, in no particular order. Read only.
//
// The first call indexes all reports of the study, and later calls add new ones.
func (s Snapshot) CompletedAt(step int) []float64 {
	if s.lazy == nil {
		return nil
	}
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	if s.lazy.steps == nil {
		s.lazy.steps = map[int]*series{}
	}
	for ; s.lazy.read < len(s.finished); s.lazy.read++ {
		r := &s.finished[s.lazy.read]
		if r.State != Complete {
			continue
		}
		for _, report := range r.Reports {
			at := s.lazy.steps[report.Step]
			if at == nil {
				at = &series{}
				s.lazy.steps[report.Step] = at
			}
			at.add(s.lazy.read, report.Value)
		}
	}
	if at := s.lazy.steps[step]; at != nil {
		return at.first(len(s.finished))
	}
	return nil
}

// column is what a function says of each finished trial.
type column struct {
	series
	read int // finished records it has taken in
}

// Column returns value(r) for each finished trial for which it is ok, in order of
// finishing. Read only.
//
// The history keeps the answers under key, a comparable value that identifies the
// function, and asks about each record once. Two functions under one key must be the
// same. value must not use the snapshot. Keys are never forgotten: use few.
func (s Snapshot) Column(key any, value func(r *Record) (v float64, ok bool)) []float64 {
	if s.lazy == nil {
		return nil
	}
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	c := s.lazy.columns[key]
	if c == nil {
		c = &column{}
		if s.lazy.columns == nil {
			s.lazy.columns = map[any]*column{}
		}
		s.lazy.columns[key] = c
	}
	for ; c.read < len(s.finished); c.read++ {
		if v, ok := value(&s.finished[c.read]); ok {
			c.add(c.read, v)
		}
	}
	return c.first(len(s.finished))
}

// scope is the history of some of the trials.
type scope struct {
	history *History
	read    int    // finished records it has taken in
	views   []view // the last few, ascending: workers hold snapshots of slightly different age
}

// view is a scope as of the first read finished records.
type view struct {
	read int
	Snapshot
}

const recentViews = 64

func newScope(header Header) *scope {
	h := NewHistory(header)
	return &scope{history: h, views: []view{{0, h.Snapshot()}}}
}

func (sc *scope) take(finished []Record, keep func(number int) bool) {
	for ; sc.read < len(finished); sc.read++ {
		if r := finished[sc.read]; keep(r.Number) {
			if len(sc.views) == 2*recentViews {
				sc.views = append(sc.views[:0], sc.views[recentViews:]...)
			}
			sc.history.Put(r)
			sc.views = append(sc.views, view{sc.read + 1, sc.history.Snapshot()})
		}
	}
}

// at returns the view of the first n finished records, if it is recent enough.
func (sc *scope) at(n int) (Snapshot, bool) {
	for _, v := range slices.Backward(sc.views) {
		if v.read <= n {
			return v.Snapshot, true
		}
	}
	return Snapshot{}, false
}

// scope returns the finished part of the scope that key names.
func (l *lazy) scope(key string, s Snapshot, keep func(number int) bool) Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	sc := l.scopes[key]
	if sc == nil {
		sc = newScope(s.header)
		if l.scopes == nil {
			l.scopes = map[string]*scope{}
		}
		l.scopes[key] = sc
	}
	sc.take(s.finished, keep)
	out, ok := sc.at(len(s.finished))
	if !ok {
		old := newScope(s.header)
		old.take(s.finished, keep)
		out = old.history.Snapshot()
	}
	return out
}

// Scope returns a view that has only the trials whose number keep accepts, as if the others did not exist. Only
// [Snapshot.Axis] and [Snapshot.Horizon] still answer for the whole study.
//
// The key identifies keep: two scopes of one history with one key must accept the
// same numbers. A view scoped again under its own key stays the same.
func (s Snapshot) Scope(key string, keep func(number int) bool) Snapshot {
	if s.scoped == any(key) {
		return s
	}
	var out Snapshot
	if s.lazy != nil {
		out = s.lazy.scope(key, s, keep)
	}
	out.header, out.scoped, out.horizon = s.header, key, s.horizon
	out.axes, out.names = s.axes, s.names
	out.running, out.waiting = kept(s.running, keep), kept(s.waiting, keep)
	return out
}

func kept(rs []Record, keep func(number int) bool) []Record {
	var out []Record
	for _, r := range rs {
		if keep(r.Number) {
			out = append(out, r)
		}
	}
	return out
}
