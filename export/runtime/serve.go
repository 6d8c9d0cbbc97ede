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

// A Func is a function as a [Model].
type Func func(rows, out []float64) error

// Predict calls f.
func (f Func) Predict(rows, out []float64) error { return f(rows, out) }

// predict calls m and converts a panic to an error.
func predict(m Model, rows, out []float64) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = pkg.Errorf("predict: %T panicked: %v", m, r)
		}
	}()
	return m.Predict(rows, out)
}

// caught calls f and converts a panic to an error.
func caught(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = pkg.Errorf("predict: panicked: %v", r)
		}
	}()
	return f()
}

// closeAll closes the models that have a Close method.
func closeAll(models ...Model) error {
	var errs []error
	for _, m := range models {
		if c, ok := m.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// milestone reports whether to log the nth event: the 1st, 2nd, 4th, 8th and so on. So
// an event that occurs in every call does not fill the log.
func milestone(n uint64) bool { return bits.OnesCount64(n) == 1 }

// A Fallback is a [Model] that asks Secondary if Primary fails, by an error or a
// panic. It counts failures, and logs the 1st, 2nd, 4th, 8th and so on. A mistake of the
// caller ([ErrInput]) is not a failure and is returned unchanged.
//
// Do not change its fields once it is in use.
type Fallback struct {
	Primary   Model // nil counts as always failing
	Secondary Model
	// Cause says why Primary is nil.
	Cause error
	Log   *slog.Logger // default [slog.Default]

	calls, fallbacks, failures atomic.Uint64

	mu   sync.Mutex
	last error
}

// OpenFallback opens the file like [OpenPredictor], with native as the Secondary. If the
// file or the library cannot be opened at all, OpenFallback logs the error, which becomes
// the [Fallback]'s Cause. The caller must ensure that the file and native belong together;
// package deploy opens attune's models and checks that.
func OpenFallback(path string, c Config, p PredictorConfig, native Model) *Fallback {
	f := &Fallback{Secondary: native, Log: c.Log}
	primary, err := openPredictor(path, c, p)
	if err != nil {
		f.Cause = err
		f.Lost()
	} else {
		f.Primary = primary
	}
	return f
}

// Lost logs that there is no primary model, because of Cause.
func (f *Fallback) Lost() { f.log().Warn("onnx: the native model answers", "error", f.Cause) }

func (f *Fallback) log() *slog.Logger { return cmp.Or(f.Log, slog.Default()) }

var errNoPrimary = errors.New("fallback: there is no primary model")

// Predict implements [Model]. If both models fail, the error contains both errors.
func (f *Fallback) Predict(rows, out []float64) error {
	return f.Do(func() error {
		if f.Primary == nil {
			return cmp.Or(f.Cause, errNoPrimary)
		}
		return predict(f.Primary, rows, out)
	}, func() error { return predict(f.Secondary, rows, out) })
}

// Do is like [Fallback.Predict], for models whose rows are not those of a [Model]: the functions primary and
// secondary take the place of Primary and Secondary, which may be nil.
func (f *Fallback) Do(primary, secondary func() error) error {
	f.calls.Add(1)
	err := caught(primary)
	if err == nil || errors.Is(err, ErrInput) {
		return err
	}
	n := f.fallbacks.Add(1)
	f.mu.Lock()
	f.last = err
	f.mu.Unlock()
	if milestone(n) && (f.Primary != nil || f.Cause == nil) && err != errNoPrimary {
		f.log().Warn("onnx: the native model answered for one that failed", "failures", n, "error", err)
	}
	if second := caught(secondary); second != nil {
		f.failures.Add(1)
		return errors.Join(err, second)
	}
	return nil
}

// FallbackStats counts the calls of a [Fallback].
type FallbackStats struct {
	Calls     uint64
	Fallbacks uint64 // calls for which Primary failed and Secondary was asked
	Failures  uint64 // calls for which both failed
	Last      error  // last error of Primary; nil if it never failed
}

// Stats returns the counts so far.
func (f *Fallback) Stats() FallbackStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return FallbackStats{f.calls.Load(), f.fallbacks.Load(), f.failures.Load(), f.last}
}

// Close closes the models that have a Close method.
func (f *Fallback) Close() error { return closeAll(f.Primary, f.Secondary) }

// A Shadow is a [Model] that answers with Live. It also lets Candidate predict the same
// rows, to compare its answers and its speed. Candidate never affects an answer.
//
// A value disagrees if |candidate - live| > ATol + RTol·|live|, or if only one of them is
// NaN; an infinity agrees with itself. Disagreements and failures of Candidate are counted,
// and logged like those of a [Fallback].
//
// Do not change its fields once it is in use.
type Shadow struct {
	Live, Candidate Model
	RTol, ATol      float64 // default 1e-3 and 1e-4, if both are 0
	// Outputs is the number of predicted values per row. Default 1.
	Outputs int
	// Share is the share of the calls that Candidate gets, evenly spread. Default 1 (when 0).
	Share float64
	// Background is the number of goroutines for Candidate, in addition to the caller's.
	// With the default 0, Candidate runs in the caller's goroutine, which waits for it. A
	// call that finds all goroutines busy is not compared: see Dropped in [ShadowStats].
	Background int
	Log        *slog.Logger // default [slog.Default]

	calls, dropped, errors atomic.Uint64
	live, candidate        Latency
	running                sync.WaitGroup
	slots                  atomic.Int64

	mu    sync.Mutex
	stats ShadowStats
}

// ShadowStats are the findings of a [Shadow].
type ShadowStats struct {
	Calls    uint64 // calls, including failed ones
	Compared uint64 // calls that both predicted
	Dropped  uint64 // calls not compared because all goroutines were busy
	Errors   uint64 // calls for which Candidate failed and Live answered
	Rows     uint64 // rows compared
	// Disagreements counts the rows in which at least one value disagrees.
	Disagreements uint64
	// MaxAbs and MaxRel are the maxima of |candidate - live| and of |candidate - live|/|live|
	// over finite values; MaxRel ignores live values of 0.
	MaxAbs, MaxRel float64
	// Worst is the row with the value that exceeds its tolerance most.
	Worst           *Disagreement
	Live, Candidate Summary // durations of the calls that did not fail
}

// A Disagreement is a row on which two models disagree.
type Disagreement struct {
	Row             []float64 // the input
	Output          int       // index of the predicted value
	Live, Candidate float64
	excess          float64
}

// Predict implements [Model].
func (s *Shadow) Predict(rows, out []float64) error {
	return s.Do(func() error { return s.Live.Predict(rows, out) }, func(background bool) (candidate func() error, compare func()) {
		if background {
			rows, out = slices.Clone(rows), slices.Clone(out)
		}
		got := make([]float64, len(out))
		return func() error { return predict(s.Candidate, rows, got) }, func() { s.compare(rows, out, got) }
	})
}

// Do is like [Shadow.Predict], for models whose rows are not those of a [Model]. It calls live in place of Live, which
// may be nil. If the candidate takes part in this call, Do then calls aside, which returns two functions: candidate
// predicts in place of Candidate, and compare compares the two predictions, unless candidate has failed. If background
// is set, the two run in another goroutine, so aside must copy what its caller may change. Do counts calls, durations
// and failures.
func (s *Shadow) Do(live func() error, aside func(background bool) (candidate func() error, compare func())) error {
	n := s.calls.Add(1)
	start := time.Now()
	if err := live(); err != nil {
		return err
	}
	s.live.Add(time.Since(start))
	if s.Share != 0 && !sampled(n, s.Share) {
		return nil
	}
	if s.Background <= 0 {
		s.beside(aside(false))
		return nil
	}
	if s.slots.Add(1) > int64(s.Background) {
		s.slots.Add(-1)
		s.dropped.Add(1)
		return nil
	}
	candidate, compare := aside(true)
	s.running.Go(func() {
		defer s.slots.Add(-1)
		s.beside(candidate, compare)
	})
	return nil
}

// beside calls the candidate, and compares if it does not fail.
func (s *Shadow) beside(candidate func() error, compare func()) {
	start := time.Now()
	if err := caught(candidate); err != nil {
		if n := s.errors.Add(1); milestone(n) {
			s.log().Warn("shadow: the candidate failed", "failures", n, "error", err)
		}
		return
	}
	s.candidate.Add(time.Since(start))
	compare()
}

// sampled reports whether the nth call, from 1, belongs to the share, spread evenly.
func sampled(n uint64, share float64) bool {
	return math.Floor(float64(n)*share) > math.Floor(float64(n-1)*share)
}

func (s *Shadow) log() *slog.Logger { return cmp.Or(s.Log, slog.Default()) }

// compare compares what Live and Candidate predicted for the same rows.
func (s *Shadow) compare(rows, live, got []float64) {
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

// difference returns |b - a|, or +Inf if exactly one of them is NaN or infinite, and
// updates the maxima for finite values.
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

// add adds the findings of one call.
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

// Stats returns the findings so far.
func (s *Shadow) Stats() ShadowStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.stats
	t.Calls, t.Dropped, t.Errors = s.calls.Load(), s.dropped.Load(), s.errors.Load()
	t.Live, t.Candidate = s.live.Summary(), s.candidate.Summary()
	if t.Worst != nil {
		w := *t.Worst
		w.Row = slices.Clone(w.Row)
		t.Worst = &w
	}
	return t
}

// Wait waits for the comparisons in the background. Do not call Predict meanwhile.
func (s *Shadow) Wait() { s.running.Wait() }

// Close waits for the comparisons in the background and closes the models that have a Close
// method.
func (s *Shadow) Close() error {
	s.Wait()
	return closeAll(s.Live, s.Candidate)
}

// An AB is a [Model] that sends a share of the calls to B and the others to A.
//
// Do not change its fields once it is in use.
type AB struct {
	A, B  Model
	Share float64 // share of B, in [0, 1]
	// Name is the name of the experiment. Keys are distributed differently in each experiment.
	Name string

	calls atomic.Uint64
	arms  [2]struct {
		latency Latency
		errors  atomic.Uint64
	}
}

// Predict implements [Model]. It chooses by counting: of n calls, B gets Share·n, rounded
// down and evenly spread.
func (ab *AB) Predict(rows, out []float64) error {
	return ab.Do(func() error { return ab.A.Predict(rows, out) }, func() error { return ab.B.Predict(rows, out) })
}

// PredictKey is like [AB.Predict], but chooses the model by key: the same key always gets
// the same model, in any process. The choice depends on the SHA-256 of Name and key. Keys
// that go to B still do after Share grows.
func (ab *AB) PredictKey(key string, rows, out []float64) error {
	return ab.DoKey(key, func() error { return ab.A.Predict(rows, out) }, func() error { return ab.B.Predict(rows, out) })
}

// Do is like [AB.Predict], for models whose rows are not those of a [Model]: the functions a and b take the place of
// A and B, which may be nil.
func (ab *AB) Do(a, b func() error) error {
	arm := 0
	if sampled(ab.calls.Add(1), ab.Share) {
		arm = 1
	}
	return ab.do(arm, a, b)
}

// DoKey is like [AB.PredictKey], with the functions of [AB.Do].
func (ab *AB) DoKey(key string, a, b func() error) error {
	ab.calls.Add(1)
	return ab.do(ab.arm(key), a, b)
}

func (ab *AB) arm(key string) int {
	sum := sha256.Sum256([]byte(ab.Name + "\x00" + key))
	if float64(binary.BigEndian.Uint64(sum[:])>>11)/(1<<53) < ab.Share {
		return 1
	}
	return 0
}

func (ab *AB) do(arm int, a, b func() error) error {
	start := time.Now()
	err := [2]func() error{a, b}[arm]()
	if err != nil {
		ab.arms[arm].errors.Add(1)
		return err
	}
	ab.arms[arm].latency.Add(time.Since(start))
	return nil
}

// ABStats are the counts of an [AB].
type ABStats struct {
	A, B             Summary // durations of the calls that did not fail
	AErrors, BErrors uint64
}

// Stats returns the counts so far.
func (ab *AB) Stats() ABStats {
	a, b := &ab.arms[0], &ab.arms[1]
	return ABStats{a.latency.Summary(), b.latency.Summary(), a.errors.Load(), b.errors.Load()}
}

// Close closes the models that have a Close method.
func (ab *AB) Close() error { return closeAll(ab.A, ab.B) }
