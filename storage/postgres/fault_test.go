package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/servertest"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/trial"
)

// with returns a URL with something changed.
func with(t testing.TB, rawURL string, change func(u *url.URL)) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	change(u)
	return u.String()
}

func TestURLs(t *testing.T) {
	const secret = "hunter2"
	for _, test := range []struct {
		name, url string
		want      error
	}{
		{"empty", "", storage.ErrPath},
		{"a path", "attune.db", storage.ErrPath},
		{"another database", "mysql://u:" + secret + "@localhost/db", storage.ErrPath},
		{"an odd port", "postgres://u:" + secret + "@localhost:many/db", storage.ErrPath},
		{"an odd setting", "postgres://u:" + secret + "@localhost/db?sslmode=perhaps", storage.ErrPath},
		{"an odd password", "postgres://u:" + secret + "%zz@localhost/db", storage.ErrPath},
		{"nobody listens", "postgres://u:" + secret + "@127.0.0.1:1/db", storage.ErrUnreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := postgres.Database(test.url)
			_, created := store.Create(t.Context(), trial.Header{Name: "a"})
			_, opened := store.Open(t.Context(), "a")
			_, read := store.Read(t.Context(), "a")
			var listed error
			for _, listed = range store.Studies(t.Context()) {
			}
			for _, err := range []error{created, opened, read, listed, store.Rename(t.Context(), "a", "b"), store.Delete(t.Context(), "a")} {
				require.ErrorIs(t, err, test.want)
				assert.ErrorContains(t, err, "set postgres.Store.URL to")
				assert.NotContains(t, err.Error(), secret)
			}
			assert.NotContains(t, store.Address(), secret)
		})
	}
}

func TestDatabasesThatCannotBe(t *testing.T) {
	const user = "attune_writer"
	for _, test := range []struct {
		name string
		url  func(t *testing.T) string
		want error
		says string
	}{
		{"a wrong password", func(t *testing.T) string {
			return with(t, server(t), func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "hunter2") })
		}, storage.ErrAccess, "PGPASSWORD"},
		{"no such database", func(t *testing.T) string {
			return with(t, server(t), func(u *url.URL) { u.Path = "/attune_missing" })
		}, storage.ErrPath, `"attune_missing": create it, as with createdb, or set postgres.Store.URL to postgres:`},
		{"tables of another program", func(t *testing.T) string {
			at := servertest.Postgres(t)
			servertest.PostgresRun(t, at, "CREATE TABLE orders (id int)")
			return at
		}, storage.ErrFormat, "orders: create another database for the studies: set postgres.Store.URL to"},
		{"tables without a version", func(t *testing.T) string {
			at := servertest.Postgres(t)
			servertest.PostgresRun(t, at, "CREATE TABLE studies (id int)")
			return at
		}, storage.ErrVersion, "optuna storage upgrade"},
		{"an older version", func(t *testing.T) string { return version(t, "v2.6.0.a") }, storage.ErrVersion, "optuna storage upgrade"},
		{"a newer version", func(t *testing.T) string { return version(t, "v9.0.0.a") }, storage.ErrVersion, "a newer attune"},
		{"a user who may only read", func(t *testing.T) string {
			at := filled(t)
			grantReading(t, at, user)
			return with(t, at, func(u *url.URL) { u.User = url.UserPassword(user, "hunter2") })
		}, storage.ErrAccess, "privilege"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server(t)
			at := test.url(t)
			_, err := postgres.Database(at).Create(t.Context(), trial.Header{Name: "b"})
			require.ErrorIs(t, err, test.want)
			assert.ErrorContains(t, err, test.says)
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}

// schema returns the schema in a URL.
func schema(t testing.TB, rawURL string) string {
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	return strings.TrimPrefix(u.Query().Get("options"), "-csearch_path=")
}

func server(t testing.TB) string { return servertest.Server(t, servertest.PostgresEnv) }

// grantReading makes a user who may read a database.
func grantReading(t testing.TB, at, user string) {
	t.Helper()
	servertest.PostgresRun(t, at,
		"DROP ROLE IF EXISTS "+user, "CREATE ROLE "+user+" LOGIN PASSWORD 'hunter2'",
		"GRANT SELECT ON ALL TABLES IN SCHEMA "+schema(t, at)+" TO "+user, "GRANT USAGE ON SCHEMA "+schema(t, at)+" TO "+user)
	t.Cleanup(func() { servertest.PostgresRun(t, server(t), "DROP OWNED BY "+user, "DROP ROLE "+user) })
}

// filled returns a database with the study "a", of one waiting trial.
func filled(t *testing.T) string {
	t.Helper()
	at := servertest.Postgres(t)
	l, err := postgres.Database(at).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Add(t.Context(), trial.Record{State: trial.Waiting})
	require.NoError(t, err)
	return at
}

// version returns a database of another version.
func version(t *testing.T, v string) string {
	t.Helper()
	at := filled(t)
	servertest.PostgresRun(t, at, "UPDATE alembic_version SET version_num = '"+v+"'")
	return at
}

// A user who may only read reads.
func TestReaders(t *testing.T) {
	server(t)
	at := filled(t)
	const user = "attune_reader"
	grantReading(t, at, user)
	store := postgres.Database(with(t, at, func(u *url.URL) { u.User = url.UserPassword(user, "hunter2") }))
	l, err := store.Read(t.Context(), "a")
	require.NoError(t, err)
	defer l.Close()
	assert.Len(t, records(t, l), 1)
	_, err = l.Start(t.Context(), time.Now(), "")
	require.ErrorIs(t, err, storage.ErrReadOnly)
	l, err = store.Open(t.Context(), "a")
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Start(t.Context(), time.Now(), "")
	require.ErrorIs(t, err, storage.ErrAccess)
	assert.Equal(t, trial.Waiting, records(t, l)[0].State)
}

func records(t testing.TB, l storage.Ledger) []trial.Record {
	t.Helper()
	rs := map[int]trial.Record{}
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		rs[u.Trial.Number] = u.Trial
	}
	out := make([]trial.Record, len(rs))
	for n := range out {
		var ok bool
		out[n], ok = rs[n]
		require.True(t, ok, "trial %d is missing", n)
	}
	return out
}

// What a running trial loses in a crash of the server is restored when the trial is told.
func TestRestoresWhatACrashTook(t *testing.T) {
	at := servertest.PostgresReused(t)
	l, err := postgres.Database(at).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	defer l.Close()
	r, err := l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	for step := range 3 {
		require.NoError(t, l.Write(t.Context(), r.Number, trial.Reported{Step: step, Value: float64(step)}))
	}
	servertest.PostgresRun(t, at, "DELETE FROM trial_intermediate_values WHERE step > 0")
	require.NoError(t, l.Write(t.Context(), r.Number, trial.Reported{Step: 3, Value: 3}, trial.Finished{State: trial.Complete, Values: []float64{1}}))

	fresh, err := postgres.Database(at).Open(t.Context(), "a")
	require.NoError(t, err)
	defer fresh.Close()
	for _, l := range []storage.Ledger{l, fresh} {
		assert.Equal(t, []trial.Report{{Step: 0, Value: 0}, {Step: 1, Value: 1}, {Step: 2, Value: 2}, {Step: 3, Value: 3}}, records(t, l)[0].Reports)
	}
}

// A full disk of the server gives an error that says so, and undoes nothing.
func TestFullDisk(t *testing.T) {
	server(t)
	at := filled(t)
	l, err := postgres.Database(at).Open(t.Context(), "a")
	require.NoError(t, err)
	defer l.Close()
	r, err := l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	before := records(t, l)
	tables := []string{"trials", "trial_values", "trial_intermediate_values"}
	full := []string{"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " +
		"RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"}
	for _, table := range tables {
		full = append(full, "CREATE TRIGGER full_disk BEFORE INSERT ON "+table+" FOR EACH ROW EXECUTE FUNCTION refuse()")
	}
	servertest.PostgresRun(t, at, full...)
	_, added := l.Add(t.Context(), trial.Record{State: trial.Waiting})
	_, begun := l.Start(t.Context(), time.Now(), "")
	for _, err := range []error{
		added, begun,
		l.Write(t.Context(), r.Number, trial.Reported{Step: 1, Value: 2}),
		l.Write(t.Context(), r.Number, trial.Finished{State: trial.Complete, Values: []float64{1}, At: time.Now()}),
	} {
		require.ErrorIs(t, err, storage.ErrFull)
		assert.ErrorContains(t, err, "the disk of the server is full: free some; what was committed is safe")
	}
	assert.Equal(t, before, records(t, l))
	for _, table := range tables {
		servertest.PostgresRun(t, at, "DROP TRIGGER full_disk ON "+table)
	}
	require.NoError(t, l.Write(t.Context(), r.Number, trial.Finished{State: trial.Complete, Values: []float64{1}, At: time.Now()}), "what fits goes on")
}

// If the server ends connections at any moment, nothing is lost.
func TestLostConnections(t *testing.T) {
	const workers, each = 4, 15
	at := with(t, servertest.PostgresReused(t), func(u *url.URL) {
		q := u.Query()
		q.Set("application_name", "attune_lost")
		u.RawQuery = q.Encode()
	})
	store := &postgres.Store{URL: at, Connections: 2}
	l, err := store.Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	defer l.Close()
	ctx, done := context.WithCancel(t.Context())
	var killer, work sync.WaitGroup
	killer.Go(func() {
		for ctx.Err() == nil {
			servertest.PostgresRun(t, server(t), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'attune_lost'")
			time.Sleep(30 * time.Millisecond)
		}
	})
	errs := make([]error, workers)
	claims := make([][]int, workers)
	for w := range workers {
		work.Go(func() {
			errs[w] = func() error {
				for range each {
					r, err := l.Start(ctx, time.Now(), "")
					if err != nil {
						return err
					}
					claims[w] = append(claims[w], r.Number)
					if err := l.Write(ctx, r.Number, trial.Reported{Step: 1, Value: 2}); err != nil {
						return err
					}
					if err := l.Write(ctx, r.Number, trial.Finished{State: trial.Complete, Values: []float64{float64(r.Number)}}); err != nil {
						return err
					}
				}
				return nil
			}()
		})
	}
	work.Wait()
	done()
	killer.Wait()
	require.NoError(t, errors.Join(errs...))
	rs := records(t, l)
	require.Len(t, rs, workers*each, "a trial that was begun was begun once")
	seen := map[int]bool{}
	for _, ns := range claims {
		for _, n := range ns {
			assert.False(t, seen[n], "trial %d was given away twice", n)
			seen[n] = true
			assert.Equal(t, trial.Complete, rs[n].State)
			assert.Equal(t, []float64{float64(n)}, rs[n].Values)
			assert.Len(t, rs[n].Reports, 1)
		}
	}
}

// Many processes that begin at the same time create the tables once.
func TestTablesAreMadeOnce(t *testing.T) {
	at := servertest.Postgres(t)
	for h, err := range postgres.Database(at).Studies(t.Context()) {
		t.Fatal("an empty database has no studies", h, err)
	}
	_, err := postgres.Database(at).Open(t.Context(), "a")
	require.ErrorIs(t, err, storage.ErrNotExist)
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			l, err := postgres.Database(at).Create(t.Context(), trial.Header{Name: fmt.Sprint(i)})
			if errs[i] = err; err == nil {
				errs[i] = l.Close()
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	n := 0
	for _, err := range postgres.Database(at).Studies(t.Context()) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, len(errs), n)
}
