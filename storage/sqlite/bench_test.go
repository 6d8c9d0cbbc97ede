package sqlite_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/trial"
)

// five are the parameters of the benchmarks' trials.
var five = space.Space{
	{Name: "lr", Distribution: space.FloatDistribution{Low: 1e-5, High: 1e-1, Log: true}},
	{Name: "dropout", Distribution: space.FloatDistribution{Low: 0, High: 1}},
	{Name: "layers", Distribution: space.IntDistribution{Low: 1, High: 9, Step: 1}},
	{Name: "units", Distribution: space.IntDistribution{Low: 1, High: 1024, Step: 1, Log: true}},
	{Name: "kind", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{`"relu"`, `"tanh"`}}},
}

// BenchmarkTrial is one trial as the engine runs it: five parameters, drawn jointly, five reports, 8 transactions.
// Before each, it reads the changes of others.
func BenchmarkTrial(b *testing.B) {
	for _, sync := range []sqlite.Sync{sqlite.SyncTold, sqlite.SyncEach, sqlite.SyncSeldom} {
		b.Run(fmt.Sprintf("sync=%s", []string{"told", "each", "seldom"}[sync]), func(b *testing.B) {
			store := &sqlite.Store{Path: filepath.Join(b.TempDir(), "study.db"), Sync: sync}
			l, err := store.Create(b.Context(), trial.Header{Name: "bench"})
			require.NoError(b, err)
			defer l.Close()
			var at storage.Cursor
			look := func() {
				for u, err := range l.Since(b.Context(), at) {
					if err != nil {
						b.Fatal(err)
					}
					at = u.Cursor
				}
			}
			write := func(n int, changes ...trial.Change) {
				look()
				if err := l.Write(b.Context(), n, changes...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				look()
				r, err := l.Start(b.Context(), time.Now(), "")
				if err != nil {
					b.Fatal(err)
				}
				x := float64(r.Number%1000+1) / 1001
				p := space.Params{Space: five, Point: []float64{x / 11, x, 3, 64, 1}}
				write(r.Number, trial.Proposed(p.Settings()))
				write(r.Number, trial.Suggested(p), trial.Reported{Step: 0, Value: x})
				for step := 1; step < 5; step++ {
					write(r.Number, trial.Reported{Step: step, Value: x})
				}
				write(r.Number, trial.Finished{State: trial.Complete, Values: []float64{x}, At: time.Now()})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "trials/s")
		})
	}
}

// BenchmarkOpen reads a study of 100,000 finished trials with five parameters and
// five reports each.
func BenchmarkOpen(b *testing.B) {
	const trials = 100_000
	store := sqlite.File(filepath.Join(b.TempDir(), "study.db"))
	l, err := store.Create(b.Context(), trial.Header{Name: "bench"})
	require.NoError(b, err)
	batch := make([]trial.Record, trials)
	for i := range batch {
		x := float64(i+1) / (trials + 1)
		batch[i] = trial.Record{
			State: trial.Complete, Values: []float64{x}, Started: time.Now(), Finished: time.Now(),
			Params: space.Params{Space: five, Point: []float64{1e-5 + x/11, x, 3, 64, 1}},
		}
		for step := range 5 {
			batch[i].Reports = append(batch[i].Reports, trial.Report{Step: step, Value: x + float64(step)})
		}
	}
	_, err = l.Add(b.Context(), batch...)
	require.NoError(b, err)
	require.NoError(b, l.Close())
	batch = nil

	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		l, err := store.Open(b.Context(), "bench")
		require.NoError(b, err)
		n := 0
		for _, err := range l.Since(b.Context(), 0) {
			require.NoError(b, err)
			n++
		}
		b.StopTimer()
		require.Equal(b, trials, n)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/trials, "heapB/trial")
		require.NoError(b, l.Close())
		b.StartTimer()
	}
}

// BenchmarkOpenWide reads a study of 20,000 finished trials with 20 parameters and 50
// reports each: 1.4 million rows.
func BenchmarkOpenWide(b *testing.B) {
	const trials, params, reports = 20_000, 20, 50
	store := sqlite.File(filepath.Join(b.TempDir(), "study.db"))
	l, err := store.Create(b.Context(), trial.Header{Name: "bench"})
	require.NoError(b, err)
	wide := make(space.Space, params)
	for i := range wide {
		wide[i] = space.Axis{Name: fmt.Sprintf("p%02d", i), Distribution: space.FloatDistribution{High: 1}}
	}
	batch := make([]trial.Record, trials)
	for i := range batch {
		x := float64(i+1) / (trials + 1)
		batch[i] = trial.Record{
			State: trial.Complete, Values: []float64{x}, Started: time.Now(), Finished: time.Now(),
			Params: space.Params{Space: wide, Point: slices.Repeat([]float64{x}, params)},
		}
		for step := range reports {
			batch[i].Reports = append(batch[i].Reports, trial.Report{Step: step, Value: x + float64(step)})
		}
	}
	_, err = l.Add(b.Context(), batch...)
	require.NoError(b, err)
	require.NoError(b, l.Close())
	batch = nil
	for b.Loop() {
		l, err := store.Open(b.Context(), "bench")
		require.NoError(b, err)
		n := 0
		for _, err := range l.Since(b.Context(), 0) {
			require.NoError(b, err)
			n++
		}
		require.Equal(b, trials, n)
		require.NoError(b, l.Close())
	}
}

// BenchmarkReports is a report while another process reports, too: its time must not depend on the number of reports.
func BenchmarkReports(b *testing.B) {
	for _, reports := range []int{1000, 4000, 16000} {
		b.Run(fmt.Sprint(reports), func(b *testing.B) {
			for b.Loop() {
				path := filepath.Join(b.TempDir(), "study.db")
				var ledgers []storage.Ledger
				for i := range 2 {
					store := sqlite.File(path)
					l, err := store.Open(b.Context(), "bench")
					if i == 0 {
						l, err = store.Create(b.Context(), trial.Header{Name: "bench"})
					}
					require.NoError(b, err)
					_, err = l.Start(b.Context(), time.Now(), "")
					require.NoError(b, err)
					ledgers = append(ledgers, l)
				}
				for step := range reports {
					for number, l := range ledgers {
						if err := l.Write(b.Context(), number, trial.Reported{Step: step, Value: 1}); err != nil {
							b.Fatal(err)
						}
					}
				}
				for _, l := range ledgers {
					require.NoError(b, l.Close())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*2*reports), "µs/report")
		})
	}
}

// BenchmarkBesideALongTrial is a trial while another process writes and another trial with many reports is running: its
// time must not depend on the number of these reports.
func BenchmarkBesideALongTrial(b *testing.B) {
	for _, reports := range []int{0, 10_000, 100_000} {
		b.Run(fmt.Sprint(reports), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "study.db")
			long, err := sqlite.File(path).Create(b.Context(), trial.Header{Name: "bench"})
			require.NoError(b, err)
			defer long.Close()
			_, err = long.Start(b.Context(), time.Now(), "")
			require.NoError(b, err)
			changes := make([]trial.Change, reports)
			for step := range changes {
				changes[step] = trial.Reported{Step: step, Value: 1}
			}
			require.NoError(b, long.Write(b.Context(), 0, changes...))
			l, err := sqlite.File(path).Open(b.Context(), "bench")
			require.NoError(b, err)
			defer l.Close()
			step := reports
			for b.Loop() {
				require.NoError(b, long.Write(b.Context(), 0, trial.Reported{Step: step, Value: 1}))
				step++
				r, err := l.Start(b.Context(), time.Now(), "")
				require.NoError(b, err)
				require.NoError(b, l.Write(b.Context(), r.Number, trial.Finished{State: trial.Failed}))
			}
		})
	}
}

// BenchmarkAttribute sets an attribute of 50 MB.
func BenchmarkAttribute(b *testing.B) {
	l, err := sqlite.File(filepath.Join(b.TempDir(), "study.db")).Create(b.Context(), trial.Header{Name: "bench"})
	require.NoError(b, err)
	defer l.Close()
	r, err := l.Start(b.Context(), time.Now(), "")
	require.NoError(b, err)
	text := `"` + strings.Repeat("x", 50<<20) + `"`
	for b.Loop() {
		require.NoError(b, l.Write(b.Context(), r.Number, trial.Annotated{Key: "k", JSON: text}))
	}
}
