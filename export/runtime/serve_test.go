package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// times returns a model that multiplies by f.
func times(f float64) Func {
	return func(rows, out []float64) error {
		if len(rows) != len(out) {
			return fmt.Errorf("%w: sizes", ErrInput)
		}
		for i, v := range rows {
			out[i] = f * v
		}
		return nil
	}
}

// failing returns a model that writes nonsense and fails.
func failing(err error) Func {
	return func(_, out []float64) error {
		for i := range out {
			out[i] = -1
		}
		return err
	}
}

func logger() (*slog.Logger, *strings.Builder) {
	var b strings.Builder
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

func TestFallback(t *testing.T) {
	broken, worse := errors.New("broken"), errors.New("worse")
	panics := Func(func([]float64, []float64) error { panic("at the disco") })
	for name, c := range map[string]struct {
		primary, secondary Model
		want               float64
		errs               []error
		stats              FallbackStats
		logged             string
	}{
		"the primary answers":   {times(2), failing(worse), 6, nil, FallbackStats{Calls: 1}, ""},
		"the secondary answers": {failing(broken), times(3), 9, nil, FallbackStats{Calls: 1, Fallbacks: 1, Last: broken}, "error=broken"},
		"both fail":             {failing(broken), failing(worse), 0, []error{broken, worse}, FallbackStats{1, 1, 1, broken}, "error=broken"},
		"no primary":            {nil, times(3), 9, nil, FallbackStats{Calls: 1, Fallbacks: 1}, ""},
		"a panic":               {panics, times(3), 9, nil, FallbackStats{Calls: 1, Fallbacks: 1}, "panicked: at the disco"},
		"two panics":            {panics, panics, 0, []error{nil}, FallbackStats{Calls: 1, Fallbacks: 1, Failures: 1}, "panicked"},
	} {
		t.Run(name, func(t *testing.T) {
			log, logged := logger()
			f := &Fallback{Primary: c.primary, Secondary: c.secondary, Log: log}
			out := []float64{0}
			err := f.Predict([]float64{3}, out)
			stats := f.Stats()
			if c.errs == nil {
				require.NoError(t, err)
				require.Equal(t, c.want, out[0])
			} else {
				require.Error(t, err)
				for _, want := range c.errs {
					if want != nil {
						require.ErrorIs(t, err, want)
					}
				}
			}
			if c.stats.Last != nil {
				require.Equal(t, c.stats.Last, stats.Last)
			}
			stats.Last, c.stats.Last = nil, nil
			require.Equal(t, c.stats, stats)
			require.Contains(t, logged.String(), c.logged)
			if c.logged == "" {
				require.Empty(t, logged.String())
			}
		})
	}
	t.Run("a mistake of the caller's", func(t *testing.T) {
		f := &Fallback{Primary: times(2), Secondary: times(3)}
		require.ErrorIs(t, f.Predict([]float64{1, 2}, []float64{0}), ErrInput)
		require.Equal(t, FallbackStats{Calls: 1}, f.Stats())
	})
	t.Run("the log does not fill", func(t *testing.T) {
		log, logged := logger()
		f := &Fallback{Primary: failing(broken), Secondary: times(3), Log: log}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range 100 {
					assert.NoError(t, f.Predict([]float64{3}, []float64{0}))
				}
			})
		}
		wg.Wait()
		require.Equal(t, uint64(1000), f.Stats().Fallbacks)
		require.Equal(t, 10, strings.Count(logged.String(), "\n")) // 1, 2, 4, …, 512
	})
	require.NoError(t, (&Fallback{Secondary: times(1)}).Close())
}

func TestOpenFallback(t *testing.T) {
	log, logged := logger()
	f := OpenFallback(file("absent"), Config{Log: log}, PredictorConfig{}, times(3))
	out := []float64{0}
	require.NoError(t, f.Predict([]float64{3}, out))
	require.Equal(t, 9.0, out[0])
	require.Error(t, f.Cause)
	require.Equal(t, f.Cause, f.Stats().Last)
	require.Equal(t, 1, strings.Count(logged.String(), "the native model answers"))

	library(t)
	f = OpenFallback(file("trees_double"), Config{Log: log}, PredictorConfig{}, nativeTrees(t, 100))
	require.NoError(t, f.Cause)
	require.ErrorIs(t, f.Predict(make([]float64, 3), out), ErrInput)
	require.NoError(t, f.Predict(make([]float64, features), out))
	require.NoError(t, f.Close())
	require.NoError(t, f.Predict(make([]float64, features), out), "closed, but the native model goes on")
	require.Equal(t, uint64(1), f.Stats().Fallbacks)
	require.ErrorIs(t, f.Stats().Last, ErrClosed)
}

func TestShadow(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	fixed := func(values ...float64) Func {
		return func(_, out []float64) error { copy(out, values); return nil }
	}
	rows := []float64{10, 11, 20, 21, 30, 31} // three rows of two
	for name, c := range map[string]struct {
		live, candidate []float64
		disagreements   uint64
		maxAbs, maxRel  float64
		worst           *Disagreement
	}{
		"the same":             {[]float64{1, 2, 3}, []float64{1, 2, 3}, 0, 0, 0, nil},
		"within rtol":          {[]float64{1000, 2, 3}, []float64{1000.9, 2, 3}, 0, 0.9, 0.0009, nil},
		"within atol":          {[]float64{0, 2, 3}, []float64{1e-4, 2, 3}, 0, 1e-4, 0, nil},
		"beyond":               {[]float64{1, 2, 3}, []float64{1, 2.5, 3}, 1, 0.5, 0.25, &Disagreement{Row: []float64{20, 21}, Live: 2, Candidate: 2.5}},
		"NaN agrees with NaN":  {[]float64{nan, 2, 3}, []float64{nan, 2, 3}, 0, 0, 0, nil},
		"infinities agree":     {[]float64{inf, -inf, 3}, []float64{inf, -inf, 3}, 0, 0, 0, nil},
		"other infinities":     {[]float64{inf, 2, 3}, []float64{-inf, 2, 3}, 1, 0, 0, &Disagreement{Row: []float64{10, 11}, Live: inf, Candidate: -inf}},
		"NaN against a number": {[]float64{1, 2, 3}, []float64{1, nan, 4}, 2, 1, 1. / 3, &Disagreement{Row: []float64{20, 21}, Live: 2, Candidate: nan}},
	} {
		t.Run(name, func(t *testing.T) {
			log, _ := logger()
			s := &Shadow{Live: fixed(c.live...), Candidate: fixed(c.candidate...), Log: log}
			out := make([]float64, 3)
			require.NoError(t, s.Predict(rows, out))
			for i := range out {
				require.Equal(t, math.Float64bits(c.live[i]), math.Float64bits(out[i]))
			}
			got := s.Stats()
			require.Equal(t, c.disagreements, got.Disagreements)
			require.Equal(t, uint64(3), got.Rows)
			require.InDelta(t, c.maxAbs, got.MaxAbs, 1e-12)
			require.InDelta(t, c.maxRel, got.MaxRel, 1e-12)
			if c.worst == nil {
				require.Nil(t, got.Worst)
				return
			}
			require.Equal(t, c.worst.Row, got.Worst.Row)
			require.Equal(t, c.worst.Live, got.Worst.Live)
			require.Equal(t, math.Float64bits(c.worst.Candidate), math.Float64bits(got.Worst.Candidate))
		})
	}
}

func TestShadowOutputs(t *testing.T) {
	log, logged := logger()
	s := &Shadow{
		Live:      Func(func(_, out []float64) error { copy(out, []float64{1, 2, 3, 4}); return nil }),
		Candidate: Func(func(_, out []float64) error { copy(out, []float64{1, 2.1, 4, 5}); return nil }),
		Outputs:   2, ATol: 0.05, Log: log,
	}
	require.NoError(t, s.Predict([]float64{7, 8}, make([]float64, 4)))
	got := s.Stats()
	require.Equal(t, uint64(2), got.Rows)
	require.Equal(t, uint64(2), got.Disagreements)
	require.Equal(t, []float64{8}, got.Worst.Row)
	require.Equal(t, 0, got.Worst.Output)
	require.Contains(t, logged.String(), "rows=2 of=2 live=3 candidate=4")
}

func TestShadowCandidateFails(t *testing.T) {
	log, logged := logger()
	live := errors.New("live failed")
	for _, bad := range []Model{failing(errors.New("no")), Func(func([]float64, []float64) error { panic("no") }), nil} {
		s := &Shadow{Live: times(2), Candidate: bad, Log: log}
		out := []float64{0}
		require.NoError(t, s.Predict([]float64{1}, out))
		require.Equal(t, 2.0, out[0])
		got := s.Stats()
		require.Equal(t, uint64(1), got.Errors)
		require.Zero(t, got.Compared)
		require.Zero(t, got.Candidate.Calls)
		require.Equal(t, uint64(1), got.Live.Calls)
	}
	require.Equal(t, 3, strings.Count(logged.String(), "the candidate failed"))
	s := &Shadow{Live: failing(live), Candidate: times(1)}
	require.ErrorIs(t, s.Predict([]float64{1}, []float64{0}), live)
	require.Zero(t, s.Stats().Compared)
}

func TestShadowShare(t *testing.T) {
	for _, share := range []float64{0, 0.25, 0.1, 1} {
		var asked atomic.Int64
		candidate := Func(func(rows, out []float64) error { asked.Add(1); return times(2)(rows, out) })
		s := &Shadow{Live: times(2), Candidate: candidate, Share: share}
		for range 1000 {
			require.NoError(t, s.Predict([]float64{1}, []float64{0}))
		}
		want := int64(1000 * share)
		if share == 0 {
			want = 1000
		}
		require.InDelta(t, want, asked.Load(), 1)
	}
}

func TestShadowBackground(t *testing.T) {
	release := make(chan struct{})
	s := &Shadow{
		Live:       times(2),
		Candidate:  Func(func(rows, out []float64) error { <-release; return times(2)(rows, out) }),
		Background: 2,
	}
	rows, out := []float64{5}, []float64{0}
	for range 5 {
		require.NoError(t, s.Predict(rows, out), "the answer does not wait")
		require.Equal(t, 10.0, out[0])
		rows[0], out[0] = 5, -1 // the caller may change both again
	}
	close(release)
	s.Wait()
	got := s.Stats()
	require.Equal(t, ShadowStats{Calls: 5, Compared: 2, Dropped: 3, Rows: 2, Live: got.Live, Candidate: got.Candidate}, got)

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				assert.NoError(t, s.Predict([]float64{float64(i)}, []float64{0}))
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.Close())
	got = s.Stats()
	require.Equal(t, uint64(805), got.Calls)
	require.Equal(t, got.Calls, got.Compared+got.Dropped)
	require.Zero(t, got.Disagreements)
}

func TestAB(t *testing.T) {
	ab := &AB{A: times(1), B: times(2), Share: 0.3, Name: "spring"}
	out := []float64{0}
	b := 0
	for range 1000 {
		require.NoError(t, ab.Predict([]float64{1}, out))
		if out[0] == 2 {
			b++
		}
	}
	require.InDelta(t, 300, b, 1)
	got := ab.Stats()
	require.Equal(t, uint64(1000), got.A.Calls+got.B.Calls)
	require.Equal(t, uint64(b), got.B.Calls)

	// A key keeps its model, and stays with B if B's share grows.
	b = 0
	wider, other := &AB{Share: 0.6, Name: "spring"}, &AB{Share: 0.3, Name: "autumn"}
	differs := 0
	for i := range 2000 {
		key := fmt.Sprint("customer ", i)
		require.NoError(t, ab.PredictKey(key, []float64{1}, out))
		arm := ab.arm(key)
		require.Equal(t, float64(1+arm), out[0])
		require.GreaterOrEqual(t, wider.arm(key), arm)
		if arm != other.arm(key) {
			differs++
		}
		b += arm
	}
	require.InDelta(t, 600, b, 100)       // ±5 standard deviations
	require.InDelta(t, 840, differs, 110) // 2·0.3·0.7
	require.Zero(t, (&AB{Share: 0}).arm("x"))
	require.Equal(t, 1, (&AB{Share: 1}).arm("x"))

	ab = &AB{A: failing(errors.New("no")), B: times(2), Share: 0.5}
	require.Error(t, ab.Predict([]float64{1}, out))
	require.NoError(t, ab.Predict([]float64{1}, out))
	require.Equal(t, uint64(1), ab.Stats().AErrors)
	require.Zero(t, ab.Stats().BErrors)
	require.NoError(t, ab.Close())
}
