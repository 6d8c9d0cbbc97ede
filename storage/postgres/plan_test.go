package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/servertest"
	"github.com/attune-hpo/attune/trial"
)

// A statement that runs for 0.2 ms is not compiled for 25 ms.
func TestNoCompiler(t *testing.T) {
	config, err := Database(servertest.Server(t, servertest.PostgresEnv)).config()
	require.NoError(t, err)
	p, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer p.Close()
	var jit string
	require.NoError(t, p.QueryRow(t.Context(), "SHOW jit").Scan(&jit))
	assert.Equal(t, "off", jit)
}

// Reading new trials does not read the old ones again.
func TestNewsScanNothing(t *testing.T) {
	servertest.Server(t, servertest.PostgresEnv)
	const old, turns = 20_000, 20
	at := servertest.Postgres(t)
	l, err := Database(at).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	servertest.PostgresRun(t, at,
		"INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) "+
			"SELECT n, study_id, 'FAIL', now(), now() FROM generate_series(0, 19999) n, studies",
		"ANALYZE")

	c, err := pgx.Connect(t.Context(), at)
	require.NoError(t, err)
	defer c.Close(t.Context())
	// Rows of trials that were read without an index, once the server has counted them: when
	// a connection ends.
	scanned := func() (rows int64) {
		last := int64(-1)
		require.Eventually(t, func() bool {
			require.NoError(t, c.QueryRow(t.Context(), "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relid = 'trials'::regclass").Scan(&rows))
			same := rows == last
			last = rows
			return same
		}, 10*time.Second, 200*time.Millisecond)
		return rows
	}
	work := func(turns int) int64 {
		before := scanned()
		one, err := Database(at).Open(t.Context(), "a")
		require.NoError(t, err)
		defer one.Close()
		other, err := Database(at).Open(t.Context(), "a")
		require.NoError(t, err)
		defer other.Close()
		for range turns {
			_, err := other.Add(t.Context(), trial.Record{State: trial.Waiting})
			require.NoError(t, err)
			for _, err := range one.Since(t.Context(), 0) {
				require.NoError(t, err)
				break
			}
		}
		require.NoError(t, one.Close())
		require.NoError(t, other.Close())
		return scanned() - before
	}
	opening := work(0)
	assert.Less(t, work(turns)-opening, int64(turns*old/2), "each look at what is new reads the whole table")
}
