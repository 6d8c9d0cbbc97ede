package trial

import (
	"sort"
	"sync"
)

// lazy holds what the snapshots of one history have been asked for beyond the
// facts that every study needs. It grows with the longest snapshot that asked;
// a shorter one reads a prefix.
type lazy struct {
	mu     sync.Mutex
	read   int // finished records that steps has taken in
	steps  map[int]*series
	scopes map[string]*scope
}

// series is what complete trials reported at one step.
type series struct {
	at     []int // positions in finished, ascending
	values []float64
}

// CompletedAt returns the values that complete trials reported at exactly the
// given step, NaN included, in no particular order. Read only.
//
// The first call indexes all reports of the study; later ones add what is new.
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
			sr := s.lazy.steps[report.Step]
			if sr == nil {
				sr = &series{}
				s.lazy.steps[report.Step] = sr
			}
			sr.at = append(sr.at, s.lazy.read)
			sr.values = append(sr.values, report.Value)
		}
	}
	sr := s.lazy.steps[step]
	if sr == nil {
		return nil
	}
	n := sort.SearchInts(sr.at, len(s.finished))
	return sr.values[:n:n]
}

// scope is the history of some of the trials.
type scope struct {
	history *History
	read    int // finished records it has taken in
}

// Scope returns the view that has only the trials whose number keep accepts, as
// if the others did not exist. The key names keep: two scopes of one history
// with equal keys must accept the same numbers.
func (s Snapshot) Scope(key string, keep func(number int) bool) Snapshot {
	if s.lazy == nil {
		return s
	}
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	sc := s.lazy.scopes[key]
	if sc == nil || sc.read > len(s.finished) { // a view older than the last that asked starts anew
		sc = &scope{history: NewHistory(s.study)}
		if s.lazy.scopes == nil {
			s.lazy.scopes = map[string]*scope{}
		}
		s.lazy.scopes[key] = sc
	}
	for ; sc.read < len(s.finished); sc.read++ {
		if r := s.finished[sc.read]; keep(r.Number) {
			sc.history.Put(r)
		}
	}
	out := sc.history.Snapshot()
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
