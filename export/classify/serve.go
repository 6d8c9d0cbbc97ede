package classify

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/attune-hpo/attune/export/runtime"
)

// A Fallback is a [Classifier] that asks Secondary if Primary fails, by an error or a panic. It
// counts and logs failures like the Fallback of package runtime. [ErrInput] is not a failure.
//
// Do not change its fields once it is in use.
type Fallback struct {
	Primary, Secondary Classifier
	Log                *slog.Logger // default [slog.Default]

	once sync.Once
	core runtime.Fallback
}

// Classify implements [Classifier]. If both classifiers fail, the error contains both errors.
func (f *Fallback) Classify(items []Item) (answers []Answer, err error) {
	f.once.Do(func() { f.core.Log = f.Log })
	err = f.core.Do(
		func() error { answers, err = f.Primary.Classify(items); return err },
		func() error { answers, err = f.Secondary.Classify(items); return err })
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// Stats returns the counts so far.
func (f *Fallback) Stats() runtime.FallbackStats { return f.core.Stats() }

// An AB is a [Classifier] that sends a share of the calls to B and the others to A, like the AB of
// package runtime.
//
// Do not change its fields once it is in use.
type AB struct {
	A, B  Classifier
	Share float64 // share of B, in [0, 1]
	Name  string  // of the experiment: keys are distributed differently in each

	once sync.Once
	core runtime.AB
}

func (ab *AB) start() *runtime.AB {
	ab.once.Do(func() { ab.core.Share, ab.core.Name = ab.Share, ab.Name })
	return &ab.core
}

// Classify implements [Classifier]. It chooses by counting: of n calls, B gets Share·n, rounded
// down and evenly spread.
func (ab *AB) Classify(items []Item) (answers []Answer, err error) {
	err = ab.start().Do(
		func() error { answers, err = ab.A.Classify(items); return err },
		func() error { answers, err = ab.B.Classify(items); return err })
	return answers, err
}

// ClassifyKey is like [AB.Classify], but chooses by key: the same key always gets the same
// classifier, in any process.
func (ab *AB) ClassifyKey(key string, items []Item) (answers []Answer, err error) {
	err = ab.start().DoKey(key,
		func() error { answers, err = ab.A.Classify(items); return err },
		func() error { answers, err = ab.B.Classify(items); return err })
	return answers, err
}

// Stats returns the counts so far.
func (ab *AB) Stats() runtime.ABStats { return ab.core.Stats() }

// A Shadow is a [Classifier] that answers with Live. It also lets Candidate classify the same
// items, to compare answers and speed. Candidate never affects an answer.
//
// An item disagrees if the labels differ, or the confidences differ by more than Tolerance.
// Disagreements and failures of Candidate are counted, and the 1st, 2nd, 4th, 8th and so on are
// logged.
//
// Do not change its fields once it is in use.
type Shadow struct {
	Live, Candidate Classifier
	Tolerance       float64 // default 0.01
	// Background is the number of goroutines for Candidate, in addition to the caller's. With the
	// default 0, Candidate runs in the caller's goroutine. A call that finds all goroutines busy
	// is not compared. The items must not change after a call.
	Background int
	Log        *slog.Logger // default [slog.Default]

	once sync.Once
	core runtime.Shadow

	mu    sync.Mutex
	stats ShadowStats // without what core counts
}

// ShadowStats are the findings of a [Shadow].
type ShadowStats struct {
	Calls    uint64 // calls, including failed ones
	Compared uint64 // calls that both answered
	Dropped  uint64 // calls not compared because all goroutines were busy
	Errors   uint64 // calls for which Candidate failed and Live answered
	Items    uint64 // items compared
	// Disagreements counts the items that disagree, and Labels those of them with another label.
	Disagreements, Labels uint64
	// Last is the last item that disagreed; nil if none did.
	Last            *Disagreement
	Live, Candidate runtime.Summary // durations of the calls that did not fail
}

// A Disagreement is an item on which two classifiers disagree.
type Disagreement struct {
	Item            Item
	Live, Candidate Answer
}

// Classify implements [Classifier].
func (s *Shadow) Classify(items []Item) (answers []Answer, err error) {
	s.once.Do(func() { s.core.Background, s.core.Log = s.Background, s.Log })
	err = s.core.Do(func() error { answers, err = s.Live.Classify(items); return err }, func(background bool) (candidate func() error, compare func()) {
		live := answers
		if background {
			items, live = slices.Clone(items), slices.Clone(answers)
		}
		var got []Answer
		return func() (err error) {
			if got, err = s.Candidate.Classify(items); err == nil && len(got) != len(items) {
				err = fmt.Errorf("%d answers for %d items", len(got), len(items))
			}
			return err
		}, func() { s.compare(items, live, got) }
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// compare compares what Live and Candidate answered for the same items.
func (s *Shadow) compare(items []Item, live, got []Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.stats
	t.Compared++
	t.Items += uint64(len(items))
	before := t.Disagreements
	for i, a := range live {
		b := got[i]
		if a.Label == b.Label && math.Abs(a.Confidence-b.Confidence) <= cmp.Or(s.Tolerance, 0.01) {
			continue
		}
		t.Disagreements++
		if a.Label != b.Label {
			t.Labels++
		}
		t.Last = &Disagreement{items[i], a, b}
	}
	if bits.Len64(before) != bits.Len64(t.Disagreements) {
		cmp.Or(s.Log, slog.Default()).Warn("shadow: the candidate disagrees", "items", t.Disagreements, "of", t.Items, "live", t.Last.Live.Label, "candidate", t.Last.Candidate.Label)
	}
}

// Stats returns the findings so far.
func (s *Shadow) Stats() ShadowStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, c := s.stats, s.core.Stats()
	t.Calls, t.Dropped, t.Errors, t.Live, t.Candidate = c.Calls, c.Dropped, c.Errors, c.Live, c.Candidate
	return t
}

// Wait waits for the comparisons in the background. Do not call Classify meanwhile.
func (s *Shadow) Wait() { s.core.Wait() }
