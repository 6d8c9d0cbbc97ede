package dashboard

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// An index is a study as of some moment, as the pages need it. Read only.
type index struct {
	key      indexKey
	study    trial.Snapshot
	trials   []*trial.Record // by number
	summary  trial.Summary
	reported bool // whether a trial has reported anything
}

type indexKey struct {
	name, version string
	history       any // tells a study from a later one with its name
}

// index returns the study of a name.
func (d *Dashboard) index(ctx context.Context, name string) (*index, error) {
	h, v, err := d.snapshot(ctx, name)
	if err != nil {
		return nil, err
	}
	key := indexKey{name, v, h.ID()}
	return d.indexed.made(key, func() *index { return newIndex(key, h) }), nil
}

func newIndex(key indexKey, h trial.Snapshot) *index {
	x := &index{key: key, study: h, summary: h.Summary()}
	add := func(r *trial.Record) {
		x.trials = append(x.trials, r)
		x.reported = x.reported || len(r.Reports) > 0 || len(r.Vectors()) > 0
	}
	x.trials = make([]*trial.Record, 0, h.Len()+len(h.Running())+len(h.Waiting()))
	for i := range h.Len() {
		add(h.At(i))
	}
	for _, rs := range [][]trial.Record{h.Running(), h.Waiting()} {
		for i := range rs {
			add(&rs[i])
		}
	}
	slices.SortFunc(x.trials, func(a, b *trial.Record) int { return a.Number - b.Number })
	return x
}

// trial returns the trial of a number.
func (x *index) trial(number int) (*trial.Record, bool) {
	i, ok := slices.BinarySearchFunc(x.trials, number, func(r *trial.Record, n int) int { return r.Number - n })
	if !ok {
		return nil, false
	}
	return x.trials[i], true
}

// front returns the best trial, or the Pareto front.
func (x *index) front() []trial.Record {
	if x.study.Objectives() > 1 {
		return x.study.Front()
	}
	if best, ok := x.study.Best(); ok {
		return []trial.Record{best}
	}
	return nil
}

// values returns the values of the first objective of the feasible complete trials.
func (x *index) values() []float64 {
	var out []float64
	for _, r := range x.trials {
		if r.State == trial.Complete && len(r.Values) > 0 && r.Feasible() {
			out = append(out, r.Values[0])
		}
	}
	return out
}

// filtered returns the study with only the trials that pass a filter, which has a text.
func (d *Dashboard) filtered(x *index, text string, f filter) trial.Snapshot {
	if len(f) == 0 {
		return x.study
	}
	return d.passed.made(passedKey{x.key, text}, func() trial.Snapshot {
		out := trial.NewHistory(x.study.Header())
		for _, r := range f.of(x.study.Header(), x.trials) {
			out.Put(*r)
		}
		return out.Snapshot()
	})
}

type passedKey struct {
	study indexKey
	text  string
}

// preview returns what one sees of a study first. It is not ok if the study is read already,
// or if the storage has to read all of it anyway.
func (d *Dashboard) preview(ctx context.Context, name string) (p storage.Preview, ok bool) {
	tells, ok := d.studies.store.(storage.Summarizer)
	if !ok || name == "" || d.studies.ready(name) {
		return p, false
	}
	p, err := tells.Preview(ctx, name, trialsPerPage)
	return p, err == nil // or else the index says what is wrong
}

// summaries returns the summaries of all studies, by name, if the storage tells them. They may
// be some seconds old if it takes long to tell them.
func (d *Dashboard) summaries(ctx context.Context) (all []trial.Summary, ok bool, err error) {
	tells, ok := d.studies.store.(storage.Summarizer)
	if !ok {
		return nil, false, nil
	}
	all, ok, err = d.told.get(func() ([]trial.Summary, error) {
		var all []trial.Summary
		for s, err := range tells.Summaries(ctx) {
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		return all, nil
	})
	if errors.Is(err, errors.ErrUnsupported) { // the store behind it cannot
		return nil, false, nil
	}
	return all, ok, err
}

// told keeps summaries for ten times as long as it took to get them.
type told struct {
	mu    sync.Mutex // guards what follows
	all   []trial.Summary
	until time.Time
}

func (t *told) get(ask func() ([]trial.Summary, error)) ([]trial.Summary, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if began := time.Now(); t.all == nil || began.After(t.until) {
		all, err := ask()
		if err != nil {
			return nil, true, err
		}
		now := time.Now()
		t.all, t.until = all, now.Add(10*now.Sub(began))
	}
	return t.all, true, nil
}
