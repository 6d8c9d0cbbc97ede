package runtime

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Func is a [Model] made of a function.
type Func func(rows, out []float64) error

// Predict calls f.
func (f Func) Predict(rows, out []float64) error { return f(rows, out) }

// predict calls m and makes an error of a panic.
func predict(m Model, rows, out []float64) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = pkg.Errorf("predict: %T panicked: %v", m, r)
		}
	}()
	return m.Predict(rows, out)
}

// closeAll closes the models that can be closed.
func closeAll(models ...Model) error {
	var errs []error
	for _, m := range models {
		if c, ok := m.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// milestone says whether the nth of something is to be logged: the 1st, 2nd, 4th,
// 8th and so on, so that what happens on every call does not fill a log.
func milestone(n uint64) bool { return bits.OnesCount64(n) == 1 }

// A Fallback is a [Model] that asks Secondary where Primary fails, by an error or a
// panic. Failures are counted and logged, the 1st, 2nd, 4th, 8th and so on. A mistake
// of the caller's ([ErrInput]) is returned as it is.
//
// Its fields must not be changed once it is in use.
type Fallback struct {
	Primary   Model // nil: it fails always
	Secondary Model
	// Cause says why there is no Primary.
	Cause error
	Log   *slog.Logger // default [slog.Default]

	calls, fallbacks, failures atomic.Uint64

	mu   sync.Mutex
	last error
}

// OpenFallback opens the file as [OpenPredictor] does, with native to answer where it
// fails, and where the file or the library cannot be opened at all: that is logged,
// and the [Fallback]'s Cause. Whether the two belong together is the caller's to know;
// package deploy opens attune's models and sees to it.
func OpenFallback(path string, c Config, p PredictorConfig, native Model) *Fallback {
	f := &Fallback{Secondary: native, Log: c.Log}
	primary, err := openPredictor(path, c, p)
	if err != nil {
		f.Cause = err
		f.log().Warn("onnx: the native model answers", "error", err)
	} else {
		f.Primary = primary
	}
	return f
}

func (f *Fallback) log() *slog.Logger { return cmp.Or(f.Log, slog.Default()) }

// Predict implements [Model]. When both fail, the error holds both.
func (f *Fallback) Predict(rows, out []float64) error {
	f.calls.Add(1)
	err := f.Cause
	if f.Primary != nil {
		err = predict(f.Primary, rows, out)
		if err == nil || errors.Is(err, ErrInput) {
			return err
		}
	} else if err == nil {
		err = errors.New("fallback: there is no primary model")
	}
	n := f.fallbacks.Add(1)
	f.mu.Lock()
	f.last = err
	f.mu.Unlock()
	if milestone(n) && f.Primary != nil {
		f.log().Warn("onnx: the native model answered for one that failed", "failures", n, "error", err)
	}
	if second := predict(f.Secondary, rows, out); second != nil {
		f.failures.Add(1)
		return errors.Join(err, second)
	}
	return nil
}

// FallbackStats counts the calls of a [Fallback].
type FallbackStats struct {
	Calls     uint64
	Fallbacks uint64 // Primary failed and Secondary was asked
	Failures  uint64 // both failed
	Last      error  // of Primary; nil when it never failed
}

// Stats returns what was counted until now.
func (f *Fallback) Stats() FallbackStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return FallbackStats{f.calls.Load(), f.fallbacks.Load(), f.failures.Load(), f.last}
}

// Close closes both models, where they can be closed.
func (f *Fallback) Close() error { return closeAll(f.Primary, f.Secondary) }

// A Shadow is a [Model] that answers with Live, and has Candidate predict the same,
// to see what it would have answered and how long it takes. What becomes of
// Candidate never shows in an answer.
//
// A value disagrees when |candidate - live| > ATol + RTol·|live|, or when one is NaN
// and the other is not; infinities agree with themselves. Disagreements and failures
// of Candidate are counted, and logged as those of a [Fallback].
//
// Its fields must not be changed once it is in use.
type Shadow struct {
	Live, Candidate Model
	RTol, ATol      float64 // default 1e-3 and 1e-4, when both are 0
	// Outputs is the number of values that are predicted for a row. Default 1.
	Outputs int
	// Share of the calls that Candidate gets, evenly spread. Default 1, when 0.
	Share float64
	// Background is how many goroutines Candidate may run in, beside the caller's.
	// Default 0: in the caller's, which waits for it. Calls that find all of them at
	// work are not compared: see Dropped in [ShadowStats].
	Background int
	Log        *slog.Logger // default [slog.Default]

	calls, dropped, errors atomic.Uint64
	live, candidate        latency
	running                sync.WaitGroup
	slots                  atomic.Int64

	mu    sync.Mutex
	stats ShadowStats
}

// ShadowStats is what a [Shadow] found.
type ShadowStats struct {
	Calls    uint64 // that were answered, or failed
	Compared uint64 // calls that both predicted
	Dropped  uint64 // not compared for want of a goroutine
	Errors   uint64 // of Candidate where Live answered
	Rows     uint64 // compared
	// Disagreements counts the rows with at least one value that disagreed.
	Disagreements uint64
	// MaxAbs and MaxRel are the largest |candidate - live|, and that over |live|,
	// among finite values; live values of 0 have no part in MaxRel.
	MaxAbs, MaxRel float64
	// Worst is the row with the value that is furthest beyond what is tolerated.
	Worst           *Disagreement
	Live, Candidate Summary // of the calls that did not fail
}

// A Disagreement is a row on which two models disagree.
type Disagreement struct {
	Row             []float64 // what they were given
	Output          int       // which of the values they predicted
	Live, Candidate float64
	excess          float64
}

// Predict implements [Model].
func (s *Shadow) Predict(rows, out []float64) error {
	n := s.calls.Add(1)
	start := time.Now()
	if err := s.Live.Predict(rows, out); err != nil {
		return err
	}
	s.live.add(time.Since(start))
	if s.Share != 0 && !sampled(n, s.Share) {
		return nil
	}
	if s.Background <= 0 {
		s.compare(rows, out)
		return nil
	}
	if s.slots.Add(1) > int64(s.Background) {
		s.slots.Add(-1)
		s.dropped.Add(1)
		return nil
	}
	rows, out = slices.Clone(rows), slices.Clone(out)
	s.running.Go(func() {
		defer s.slots.Add(-1)
		s.compare(rows, out)
	})
	return nil
}

// sampled says whether the nth call, from 1 on, is among share of them, spread evenly.
func sampled(n uint64, share float64) bool {
	return math.Floor(float64(n)*share) > math.Floor(float64(n-1)*share)
}

func (s *Shadow) log() *slog.Logger { return cmp.Or(s.Log, slog.Default()) }

// compare has Candidate predict what Live did.
func (s *Shadow) compare(rows, live []float64) {
	got := make([]float64, len(live))
	start := time.Now()
	if err := predict(s.Candidate, rows, got); err != nil {
		if n := s.errors.Add(1); milestone(n) {
			s.log().Warn("shadow: the candidate failed", "failures", n, "error", err)
		}
		return
	}
	s.candidate.add(time.Since(start))
	rtol, atol := s.RTol, s.ATol
	if rtol == 0 && atol == 0 {
		rtol, atol = 1e-3, 1e-4
	}
	outputs := max(s.Outputs, 1)
	n := len(live) / outputs
	var found ShadowStats
	for r := range n {
		disagrees := false
		for o := range outputs {
			want, got := live[r*outputs+o], got[r*outputs+o]
			excess := difference(want, got, &found)
			if !math.IsInf(excess, 0) {
				excess -= atol + rtol*math.Abs(want)
			}
			if !(excess > 0) {
				continue
			}
			disagrees = true
			if found.Worst == nil || excess > found.Worst.excess {
				found.Worst = &Disagreement{slices.Clone(rows[r*(len(rows)/n) : (r+1)*(len(rows)/n)]), o, want, got, excess}
			}
		}
		if disagrees {
			found.Disagreements++
		}
	}
	s.add(n, found)
}

// difference returns |b - a|, or +Inf where one of them alone is NaN or infinite, and
// keeps the largest of finite values.
func difference(a, b float64, most *ShadowStats) float64 {
	switch d := math.Abs(b - a); {
	case a == b || a != a && b != b:
		return 0
	case d != d || math.IsInf(d, 0):
		return math.Inf(1)
	default:
		most.MaxAbs = max(most.MaxAbs, d)
		if a != 0 {
			most.MaxRel = max(most.MaxRel, d/math.Abs(a))
		}
		return d
	}
}

// add adds what one call found.
func (s *Shadow) add(rows int, found ShadowStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.stats
	before := t.Disagreements
	t.Compared++
	t.Rows += uint64(rows)
	t.Disagreements += found.Disagreements
	t.MaxAbs, t.MaxRel = max(t.MaxAbs, found.MaxAbs), max(t.MaxRel, found.MaxRel)
	w := found.Worst
	if w == nil {
		return
	}
	if t.Worst == nil || w.excess > t.Worst.excess {
		t.Worst = w
	}
	if bits.Len64(before) != bits.Len64(t.Disagreements) {
		s.log().Warn("shadow: the candidate disagrees", "rows", t.Disagreements, "of", t.Rows, "live", w.Live, "candidate", w.Candidate)
	}
}

// Stats returns what was found until now.
func (s *Shadow) Stats() ShadowStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.stats
	t.Calls, t.Dropped, t.Errors = s.calls.Load(), s.dropped.Load(), s.errors.Load()
	t.Live, t.Candidate = s.live.summary(), s.candidate.summary()
	if t.Worst != nil {
		w := *t.Worst
		w.Row = slices.Clone(w.Row)
		t.Worst = &w
	}
	return t
}

// Wait waits for what runs in the background. Nothing may be predicted meanwhile.
func (s *Shadow) Wait() { s.running.Wait() }

// Close waits for what runs in the background and closes both models, where they can
// be closed.
func (s *Shadow) Close() error {
	s.Wait()
	return closeAll(s.Live, s.Candidate)
}

// An AB is a [Model] that sends a share of the calls to B and the others to A.
//
// Its fields must not be changed once it is in use.
type AB struct {
	A, B  Model
	Share float64 // of B, in [0, 1]
	// Name of the experiment: keys that are with B in one are spread anew in another.
	Name string

	calls atomic.Uint64
	arms  [2]struct {
		latency latency
		errors  atomic.Uint64
	}
}

// Predict implements [Model]. Which model is asked is settled by counting: among n
// calls B gets Share·n, rounded down, evenly spread.
func (ab *AB) Predict(rows, out []float64) error {
	arm := 0
	if sampled(ab.calls.Add(1), ab.Share) {
		arm = 1
	}
	return ab.predict(arm, rows, out)
}

// PredictKey is [AB.Predict] for someone or something, the same model each time, in
// any process: the one that the SHA-256 of the name and the key stands for. A larger
// Share leaves those with B that were.
func (ab *AB) PredictKey(key string, rows, out []float64) error {
	ab.calls.Add(1)
	return ab.predict(ab.arm(key), rows, out)
}

func (ab *AB) arm(key string) int {
	sum := sha256.Sum256([]byte(ab.Name + "\x00" + key))
	if float64(binary.BigEndian.Uint64(sum[:])>>11)/(1<<53) < ab.Share {
		return 1
	}
	return 0
}

func (ab *AB) predict(arm int, rows, out []float64) error {
	start := time.Now()
	err := [2]Model{ab.A, ab.B}[arm].Predict(rows, out)
	if err != nil {
		ab.arms[arm].errors.Add(1)
		return err
	}
	ab.arms[arm].latency.add(time.Since(start))
	return nil
}

// ABStats is what an [AB] counted.
type ABStats struct {
	A, B             Summary // of the calls that did not fail
	AErrors, BErrors uint64
}

// Stats returns what was counted until now.
func (ab *AB) Stats() ABStats {
	a, b := &ab.arms[0], &ab.arms[1]
	return ABStats{a.latency.summary(), b.latency.summary(), a.errors.Load(), b.errors.Load()}
}

// Close closes both models, where they can be closed.
func (ab *AB) Close() error { return closeAll(ab.A, ab.B) }
