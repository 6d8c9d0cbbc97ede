// Package image holds what a process knows about the trials of a study: their records, which of them are waiting, and
// what has changed since a [storage.Cursor]. A back end keeps one image for each open study, and updates it.
package image

import (
	"fmt"
	"slices"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// A Study is the image of a study. The zero value has no trials. It is not safe
// for concurrent use.
type Study struct {
	trials  []entry
	waiting []int          // numbers, ascending
	changed []int          // numbers, in order of change; a Cursor is an index past it
	keys    map[string]int // numbers of the trials started under a key
	news    chan struct{}  // closed at the next change; nil if nobody waits for it
	pool    space.Pool
}

// An entry is a trial. One that was never put is missing: its at is 0.
type entry struct {
	trial.Record
	at storage.Cursor // of the latest change
}

// Len returns the number of the next new trial.
func (s *Study) Len() int { return len(s.trials) }

// Trial returns the trial of a number, or an error that wraps [storage.ErrNoTrial]. A
// caller that passes the trial on must clip it first.
func (s *Study) Trial(number int) (trial.Record, error) {
	if number < 0 || number >= len(s.trials) || s.trials[number].at == 0 {
		return trial.Record{}, fmt.Errorf("trial %d: %w", number, storage.ErrNoTrial)
	}
	return s.trials[number].Record, nil
}

// Next returns the trial for the next worker: the waiting one with the lowest number or, if none is waiting, a new
// one.
func (s *Study) Next() (r trial.Record, waiting bool) {
	if len(s.waiting) == 0 {
		return trial.Record{Number: len(s.trials)}, false
	}
	return s.trials[s.waiting[0]].Record, true
}

// ByKey returns the trial that was started under a key, if there is one.
func (s *Study) ByKey(key string) (r trial.Record, ok bool) {
	n, ok := s.keys[key]
	if !ok {
		return trial.Record{}, false
	}
	return s.trials[n].Record, true
}

// Put replaces the record of a trial. Numbers below that of r may be missing.
func (s *Study) Put(r trial.Record) {
	for r.Number >= len(s.trials) {
		s.trials = append(s.trials, entry{})
	}
	old := s.trials[r.Number]
	s.wait(r.Number, old.at > 0 && old.State == trial.Waiting, r.State == trial.Waiting)
	if r.State.Done() {
		r.Params.Space = s.pool.Share(r.Params.Space)
		r = r.Clip()
	}
	s.changed = append(s.changed, r.Number)
	s.trials[r.Number] = entry{r, storage.Cursor(len(s.changed))}
	if key := r.Key(); key != "" && r.State != trial.Waiting {
		if s.keys == nil {
			s.keys = map[string]int{}
		}
		if _, taken := s.keys[key]; !taken {
			s.keys[key] = r.Number
		}
	}
	s.Wake()
}

// wait notes whether a trial is waiting, before and after a change.
func (s *Study) wait(number int, before, now bool) {
	if before == now {
		return
	}
	i, _ := slices.BinarySearch(s.waiting, number)
	switch {
	case now:
		s.waiting = slices.Insert(s.waiting, i, number)
	case i == 0: // as nearly always: without moving the rest
		s.waiting = s.waiting[1:]
	default:
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

// Grow makes room for n more trials.
func (s *Study) Grow(n int) {
	s.trials, s.changed = slices.Grow(s.trials, n), slices.Grow(s.changed, n)
}

// Share returns a space equal to sp that all trials with such a space share; see [space.Pool].
func (s *Study) Share(sp space.Space) space.Space { return s.pool.Share(sp) }

// Since returns the trials that changed after a cursor, clipped, in the order of
// their latest change.
func (s *Study) Since(after storage.Cursor) []storage.Update {
	after = min(max(after, 0), storage.Cursor(len(s.changed)))
	if int(after) == len(s.changed) {
		return nil
	}
	news := make([]storage.Update, 0, min(len(s.changed)-int(after), len(s.trials)))
	for i, n := range s.changed[after:] {
		if e := &s.trials[n]; e.at == after+storage.Cursor(i)+1 {
			news = append(news, storage.Update{Cursor: e.at, Trial: e.Clip()})
		}
	}
	return news
}

// News returns a channel that is closed at the next change, or by Wake. The channel is nil if there already is a
// change after the cursor.
func (s *Study) News(after storage.Cursor) <-chan struct{} {
	if max(after, 0) < storage.Cursor(len(s.changed)) {
		return nil
	}
	if s.news == nil {
		s.news = make(chan struct{})
	}
	return s.news
}

// Wake closes the channels of News, so that waiting callers check again.
func (s *Study) Wake() {
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
}
