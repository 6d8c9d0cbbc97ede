package sqlite_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/storage/storagetest"
	"github.com/attune-hpo/attune/trial"
)

// A ledger that has read only the changes of others has the same records as one that reads the file for the first time.
func TestFollowingEqualsReadingAgain(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			path := temp(t)
			open := func() storage.Ledger {
				l, err := (&sqlite.Store{Path: path, Sync: sqlite.SyncSeldom}).Open(t.Context(), "a")
				require.NoError(t, err)
				t.Cleanup(func() { l.Close() })
				return l
			}
			first, err := (&sqlite.Store{Path: path, Sync: sqlite.SyncSeldom}).Create(t.Context(), trial.Header{Name: "a"})
			require.NoError(t, err)
			defer first.Close()
			ledgers := []storage.Ledger{first, open(), open()}
			var running []int
			for range 120 {
				l := ledgers[rng.IntN(2)] // the third one looks only now and then
				pick := func() int { return running[rng.IntN(len(running))] }
				switch n := rng.IntN(10); {
				case n < 2 || len(running) == 0:
					r, err := l.Start(t.Context(), time.Now(), "")
					require.NoError(t, err)
					running = append(running, r.Number)
				case n < 7: // in any order of steps; a step that was reported is refused
					err := l.Write(t.Context(), pick(), trial.Reported{Step: rng.IntN(1000), Value: math.Float64frombits(rng.Uint64())})
					if err != nil {
						require.ErrorIs(t, err, trial.ErrReport)
					}
				case n < 8:
					require.NoError(t, l.Write(t.Context(), pick(), trial.Annotated{Key: fmt.Sprint(rng.IntN(3)), JSON: fmt.Sprint(rng.IntN(9))}))
				case n < 9:
					i := rng.IntN(len(running))
					require.NoError(t, l.Write(t.Context(), running[i], trial.Finished{State: trial.Failed, At: time.Now()}))
					running = append(running[:i], running[i+1:]...)
				default: // a study comes and goes, and its rows are used again
					other := &sqlite.Store{Path: path, Sync: sqlite.SyncSeldom}
					o, err := other.Create(t.Context(), trial.Header{Name: "other"})
					require.NoError(t, err)
					require.NoError(t, run(t, o))
					read(t, ledgers[1])
					require.NoError(t, other.Delete(t.Context(), "other"))
					require.NoError(t, o.Close())
				}
				if rng.IntN(20) == 0 {
					read(t, ledgers[2])
				}
			}
			want := byNumber(read(t, open()))
			for _, l := range ledgers {
				storagetest.Equal(t, want, byNumber(read(t, l)))
			}
		})
	}
}

// A report that Optuna overwrites keeps its value until the trial has finished; then it is read again.
func TestReportsThatChange(t *testing.T) {
	path := temp(t)
	l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	defer l.Close()
	r, err := l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	for step := range 3 {
		require.NoError(t, l.Write(t.Context(), r.Number, trial.Reported{Step: step, Value: 1}))
	}
	read(t, l)
	sql(t, path, "UPDATE trial_intermediate_values SET intermediate_value = 2 WHERE step = 1")
	require.Len(t, read(t, l)[0].Reports, 3)
	sql(t, path, "UPDATE trials SET state = 'FAIL'")
	require.Equal(t, []trial.Report{{Step: 0, Value: 1}, {Step: 1, Value: 2}, {Step: 2, Value: 1}}, read(t, l)[0].Reports)
}
