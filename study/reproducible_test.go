package study_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/cmaes"
	"github.com/attune-hpo/attune/sampler/grid"
	"github.com/attune-hpo/attune/sampler/qmc"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A repeatable is a study that must be the same for any timing. Tests run in a bubble of synctest, in which sleeping
// takes no time.
type repeatable struct {
	sampler  func() sampler.Sampler // default TPE
	pruner   pruner.Pruner
	declared bool
	workers  int
	lag      int // default 4
	retries  int
	total    int
	enqueue  []float64
	cut      int // interrupt repeatedly, each time after about this many pauses; 0: never

	processes int  // default 1
	two       bool // two objectives
}

// report reports the loss at a step, and with two objectives another one.
func (c repeatable) report(ctx context.Context, t *study.Trial, step int, loss float64) error {
	if c.two {
		return t.ReportValues(ctx, step, loss, float64(t.Seed()%100))
	}
	return t.Report(ctx, step, loss)
}

func (c repeatable) directions() []trial.Direction {
	if c.two {
		return make([]trial.Direction, 2)
	}
	return nil
}

var (
	rx = space.Float("x", -5, 5)
	rk = space.Categorical("kind", "a", "b", "c")
	ry = space.Int("y", 0, 100).When(rk.Is("b"))
	rz = space.Float("z", 1e-3, 10, space.Log()).When(rk.Is("b"))
)

// evaluate is an objective that takes the time that pause returns before each report.
func (c repeatable) evaluate(ctx context.Context, t *study.Trial, pause func()) (float64, error) {
	pause()
	r := rand.New(rand.NewPCG(t.Seed(), 0))
	x := rx.Suggest(t)
	loss := x * x
	if rk.Suggest(t) == "b" {
		pause()
		loss += math.Abs(float64(ry.Suggest(t))-50)/50 + math.Abs(math.Log(rz.Suggest(t)))
	} else {
		loss += 3
	}
	loss += r.NormFloat64() / 10
	for step := range 4 {
		pause()
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := c.report(ctx, t, step, loss+10/float64(1+step)); err != nil {
			return 0, err
		}
	}
	if math.Mod(math.Abs(x)*1000, 7) < 1 {
		return 0, errors.New("no luck")
	}
	return loss, nil
}

// space returns the space as far as it is declared.
func (c repeatable) space() space.Space {
	if c.declared {
		return space.Of(rx, rk, ry, rz)
	}
	return nil
}

// run makes the study with timings of its own, and returns its trials by their places, as
// text.
func (c repeatable) run(t *testing.T, timing uint64, lag int) []string {
	t.Helper()
	store := newLeasing()
	clock := rand.New(rand.NewPCG(timing, 1))
	slow := make([]time.Duration, 1000) // of some pauses; drawn beforehand, as the order of pauses varies
	for i := range slow {
		slow[i] = time.Duration(clock.ExpFloat64() * float64(time.Second))
	}
	for first := true; ; first = false {
		ctx, cancel := context.WithCancel(t.Context())
		var left atomic.Int64 // pauses until all is interrupted
		left.Store(-1)
		if c.cut > 0 {
			left.Store(1 + clock.Int64N(int64(2*c.cut)))
		}
		objective := study.MultiFunc(func(ctx context.Context, t *study.Trial) ([]float64, error) {
			i := t.Number() * 13
			loss, err := c.evaluate(ctx, t, func() {
				i++
				time.Sleep(slow[(i*31+int(timing))%len(slow)])
				if left.Add(-1) == 0 {
					cancel()
				}
			})
			return []float64{loss, float64(t.Seed() % 100)}[:1+len(c.directions())/2], err
		})
		var last *study.Study
		var all sync.WaitGroup
		for range max(1, c.processes) {
			st, err := study.Open(t.Context(), store, "s", study.Config{Sampler: c.newSampler(), Pruner: c.pruner, Space: c.space(), Directions: c.directions(), Seed: 7, Grace: 5 * time.Second})
			require.NoError(t, err)
			defer st.Close()
			for _, x := range c.enqueue {
				if first && last == nil {
					_, err := st.Enqueue(t.Context(), rx.At(x))
					require.NoError(t, err)
				}
			}
			last = st
			all.Go(func() {
				err := st.Optimize(ctx, objective, study.Run{Total: c.total, Workers: c.workers, Retries: c.retries, Lag: lag})
				if ctx.Err() == nil {
					assert.NoError(t, err)
				}
			})
		}
		all.Wait()
		ended := ctx.Err() == nil
		cancel()
		if ended {
			h, err := last.Snapshot(t.Context())
			require.NoError(t, err)
			return byPlace(h)
		}
	}
}

func (c repeatable) newSampler() sampler.Sampler {
	if c.sampler != nil {
		return c.sampler()
	}
	return tpe.New(tpe.Config{Startup: 8})
}

// byPlace returns what came of each place.
func byPlace(h trial.Snapshot) []string {
	last := map[int]trial.Record{}
	for _, r := range h.Records() {
		if r.State != trial.Waiting && len(r.Params.Point) > 0 { // it has begun
			last[r.Place()] = r
		}
	}
	all := make([]string, len(last))
	for p, r := range last {
		notes := slices.DeleteFunc(slices.Clone(r.Notes), func(a trial.Attr) bool {
			return slices.Contains([]string{"failed_trial", "retry_history", trial.InterruptedKey, trial.PlaceKey, "drawn"}, a.Key)
		})
		all[p] = fmt.Sprintln(p, r.State, r.Params, r.Reports, r.Values, notes, r.Err)
	}
	return all
}

func TestReproducible(t *testing.T) {
	for name, c := range map[string]repeatable{
		"TPE":                  {},
		"declared space":       {declared: true},
		"one after the other":  {lag: 1},
		"a long lag":           {lag: 12},
		"pruned by the median": {pruner: pruner.Median{Startup: 3, Warmup: 1, Interval: 1}, declared: true},
		"pruned by Hyperband":  {pruner: pruner.Hyperband{MinResource: 1}},
		"of two objectives":    {pruner: pruner.ParetoHalving{MinResource: 1}, two: true, declared: true},
		"retries":              {retries: 2},
		"CMA-ES":               {sampler: func() sampler.Sampler { return cmaes.New(cmaes.Config{}) }, declared: true},
		"quasi-random":         {sampler: func() sampler.Sampler { return qmc.Sampler{} }, declared: true},
		"enqueued":             {enqueue: []float64{1, 2, 3, 0, 4, 5}, retries: 1},
	} {
		c.total = 30
		c.lag = cmp.Or(c.lag, 4)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.workers = c.lag
				want := c.run(t, 1, c.lag)
				require.GreaterOrEqual(t, len(want), c.total)
				for timing, how := range []struct{ workers, processes, cut int }{
					{workers: 1}, {workers: 7}, {workers: 2, processes: 2}, {workers: 4, cut: 30}, {workers: 3, processes: 3, cut: 40},
				} {
					c.workers, c.processes, c.cut = how.workers, how.processes, how.cut
					require.Equal(t, want, c.run(t, uint64(2+timing), c.lag), "%+v", how)
				}
			})
		})
	}
	t.Run("only if asked for", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := repeatable{workers: 4, total: 40}
			assert.NotEqual(t, c.run(t, 1, 0), c.run(t, 2, 0))
		})
	})
}

// A mortal is a store whose user renews no leases once it is dead.
type mortal struct {
	*leasing
	dead atomic.Bool
}

func (s *mortal) Create(ctx context.Context, header trial.Header) (storage.Ledger, error) {
	l, err := s.leasing.Create(ctx, header)
	return mortalLedger{l.(leaser), s}, err
}

type mortalLedger struct {
	leaser
	store *mortal
}

func (l mortalLedger) Renew(ctx context.Context, numbers ...int) error {
	if l.store.dead.Load() {
		return nil
	}
	return l.leaser.Renew(ctx, numbers...)
}

func (l mortalLedger) Reap(ctx context.Context, held []int, grace time.Duration, at time.Time, retry storage.Retry) ([]trial.Record, error) {
	if l.store.dead.Load() {
		return nil, nil
	}
	return l.leaser.Reap(ctx, held, grace, at, retry)
}

// A worker that dies in the middle of some trials leaves no trace.
func TestReproducibleAfterDeath(t *testing.T) {
	const workers, total = 3, 25
	for _, declared := range []bool{false, true} {
		c := repeatable{workers: workers, lag: workers, total: total, declared: declared}
		synctest.Test(t, func(t *testing.T) {
			want := c.run(t, 1, c.lag)
			for _, dies := range []int{0, 1, 5, 11, 20} {
				store := newLeasing()
				config := study.Config{Sampler: tpe.New(tpe.Config{Startup: 8}), Space: c.space(), Seed: 7, Grace: 5 * time.Second}
				victim := &mortal{leasing: store}
				dead, err := study.Create(t.Context(), victim, "s", config)
				require.NoError(t, err)
				hanging := make(chan struct{})
				done := make(chan error)
				go func() {
					done <- dead.Optimize(context.Background(), study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
						if t.Number() >= dies {
							rx.Suggest(t)
							<-hanging
						}
						return c.evaluate(ctx, t, func() {})
					}), study.Run{Workers: workers, Lag: workers})
				}()
				synctest.Wait()
				victim.dead.Store(true)
				dead.Stop()

				st, err := study.Load(t.Context(), store, "s", config)
				require.NoError(t, err)
				require.NoError(t, st.Optimize(t.Context(), study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
					return c.evaluate(ctx, t, func() { time.Sleep(time.Second) })
				}), study.Run{Total: total, Workers: workers, Lag: workers}))
				h, err := st.Snapshot(t.Context())
				require.NoError(t, err)
				assert.Equal(t, want, byPlace(h), "dies in trial %d", dies)
				require.NoError(t, st.Close())
				close(hanging)
				<-done
				require.NoError(t, dead.Close())
			}
		})
	}
}

// Trials see of one another what Run.Lag allows.
func TestReproducibleHistory(t *testing.T) {
	const workers = 3
	synctest.Test(t, func(t *testing.T) {
		seen := map[int]string{}
		spy := sampler.Func(func(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
			var b strings.Builder
			for _, one := range r.History.Records() {
				assert.True(t, one.Started.IsZero() && one.Finished.IsZero(), "no times")
				fmt.Fprintf(&b, "%d:%v:%d ", one.Number, one.State, len(one.Params.Point))
			}
			seen[r.Number] = strings.TrimSpace(b.String())
			return random.Sampler{}.Sample(t.Context(), r)
		})
		st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: spy, Space: space.Of(rx)})
		require.NoError(t, err)
		defer st.Close()
		require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
			time.Sleep(time.Duration(10-t.Number()) * time.Second) // the later, the quicker
			return rx.Suggest(t), nil
		}), study.Run{Trials: 6, Workers: workers, Lag: workers}))
		assert.Equal(t, map[int]string{
			0: "0:running:0",
			1: "0:running:1 1:running:0",
			2: "0:running:1 1:running:1 2:running:0",
			3: "0:complete:1 1:running:1 2:running:1 3:running:0",
			4: "0:complete:1 1:complete:1 2:running:1 3:running:1 4:running:0",
			5: "0:complete:1 1:complete:1 2:complete:1 3:running:1 4:running:1 5:running:0",
		}, seen)
	})
}

// A finite space is searched to its end, once.
func TestReproducibleExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := space.Int("a", 0, 3), space.Int("b", 0, 2)
		s := space.Of(a, b)
		st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: grid.New(grid.Config{Values: grid.All(a, b)}), Space: s})
		require.NoError(t, err)
		defer st.Close()
		require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
			time.Sleep(time.Duration(t.Number()%3) * time.Second)
			return 0, nil
		}), study.Run{Workers: 5, Lag: 5}))
		h, err := st.Snapshot(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 12, h.Len())
	})
}

// The share of their time that workers wait, for the table in doc/adr/0040.
func TestReproducibleIdle(t *testing.T) {
	const trials = 400
	workers := []int{2, 4, 8, 16}
	for name, c := range map[string]struct {
		seconds func(r *rand.Rand) float64
		idle    map[int][]float64 // by lag for each worker, in percent, for each number of workers
	}{
		"always the same":           {func(*rand.Rand) float64 { return 1 }, map[int][]float64{1: {0, 0, 0, 0}, 2: {0, 0, 0, 0}, 4: {0, 0, 0, 0}}},
		"evenly from 0.5 to 1.5":    {func(r *rand.Rand) float64 { return 0.5 + r.Float64() }, map[int][]float64{1: {5, 11, 18, 21}, 2: {0, 0, 1, 3}, 4: {0, 0, 1, 3}}},
		"half are pruned at 0.3":    {func(r *rand.Rand) float64 { return []float64{1, 0.3}[r.IntN(2)] }, map[int][]float64{1: {14, 24, 30, 35}, 2: {0, 1, 2, 3}, 4: {0, 1, 2, 3}}},
		"exponential":               {func(r *rand.Rand) float64 { return r.ExpFloat64() }, map[int][]float64{1: {24, 40, 51, 63}, 2: {4, 14, 29, 36}, 4: {1, 2, 3, 13}}},
		"log-normal of deviation 1": {func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) }, map[int][]float64{1: {24, 42, 56, 65}, 2: {7, 22, 34, 47}, 4: {1, 6, 14, 27}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var busy time.Duration
			takes := make([]time.Duration, trials)
			for i := range takes {
				takes[i] = time.Duration(c.seconds(r) * float64(time.Second))
				busy += takes[i]
			}
			for factor, want := range c.idle {
				var got []float64
				for _, w := range workers {
					synctest.Test(t, func(t *testing.T) {
						st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: random.Sampler{}})
						require.NoError(t, err)
						defer st.Close()
						begun := time.Now()
						require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
							time.Sleep(takes[t.Number()])
							return 0, nil
						}), study.Run{Trials: trials, Workers: w, Lag: factor * w}))
						got = append(got, 100*(1-busy.Seconds()/time.Since(begun).Seconds()/float64(w)))
					})
				}
				assert.InDeltaSlice(t, want, got, 1, "a lag of %d for each worker: %.0f", factor, got)
			}
		})
	}
}
