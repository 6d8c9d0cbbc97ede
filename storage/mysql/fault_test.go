package mysql_test

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
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/trial"
)

func with(t testing.TB, rawURL string, change func(u *url.URL)) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	change(u)
	return u.String()
}

func server(t testing.TB) string { return servertest.Server(t, servertest.MySQLEnv) }

func TestURLs(t *testing.T) {
	const secret = "hunter2"
	for _, test := range []struct {
		name, url string
		want      error
	}{
		{"empty", "", storage.ErrPath},
		{"a path", "attune.db", storage.ErrPath},
		{"no database", "mysql://u:" + secret + "@localhost/", storage.ErrPath},
		{"an odd port", "mysql://u:" + secret + "@localhost:many/db", storage.ErrPath},
		{"an odd setting", "mysql://u:" + secret + "@localhost/db?timeout=long", storage.ErrPath},
		{"an odd password", "mysql://u:" + secret + "%zz@localhost/db", storage.ErrPath},
		{"nobody listens", "mysql://u:" + secret + "@127.0.0.1:1/db", storage.ErrUnreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := mysql.Database(test.url)
			_, created := store.Create(t.Context(), trial.Header{Name: "a"})
			_, opened := store.Open(t.Context(), "a")
			_, read := store.Read(t.Context(), "a")
			var listed error
			for _, listed = range store.Studies(t.Context()) {
			}
			for _, err := range []error{created, opened, read, listed, store.Rename(t.Context(), "a", "b"), store.Delete(t.Context(), "a")} {
				require.ErrorIs(t, err, test.want)
				assert.ErrorContains(t, err, "set mysql.Store.URL to")
				assert.NotContains(t, err.Error(), secret)
			}
			assert.NotContains(t, store.Address(), secret)
		})
	}
}

// filled returns a database with the study "a", of one waiting trial.
func filled(t *testing.T) string {
	t.Helper()
	at := servertest.MySQL(t)
	l, err := mysql.Database(at).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Add(t.Context(), trial.Record{State: trial.Waiting})
	require.NoError(t, err)
	return at
}

// reader returns the URL of a user who may only read.
func reader(t *testing.T, at string) string {
	t.Helper()
	const user = "attune_reader"
	u, err := url.Parse(at)
	require.NoError(t, err)
	servertest.MySQLRun(t, server(t), "CREATE OR REPLACE USER "+user+"@'127.0.0.1' IDENTIFIED BY 'hunter2'", "GRANT SELECT ON "+strings.Trim(u.Path, "/")+".* TO "+user+"@'127.0.0.1'")
	t.Cleanup(func() { servertest.MySQLRun(t, server(t), "DROP USER "+user+"@'127.0.0.1'") })
	u.User = url.UserPassword(user, "hunter2")
	return u.String()
}

func TestDatabasesThatCannotBe(t *testing.T) {
	for _, test := range []struct {
		name string
		url  func(t *testing.T) string
		want error
		says string
	}{
		{"a wrong password", func(t *testing.T) string {
			return with(t, server(t), func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "hunter2") })
		}, storage.ErrAccess, "MYSQL_PWD"},
		{"no such database", func(t *testing.T) string {
			return with(t, server(t), func(u *url.URL) { u.Path = "/attune_missing" })
		}, storage.ErrPath, `"attune_missing": create it, as with CREATE DATABASE, or set mysql.Store.URL to mysql:`},
		{"tables of another program", func(t *testing.T) string {
			at := servertest.MySQL(t)
			servertest.MySQLRun(t, at, "CREATE TABLE orders (id int)")
			return at
		}, storage.ErrFormat, "orders: create another database for the studies: set mysql.Store.URL to"},
		{"an older version", func(t *testing.T) string {
			at := filled(t)
			servertest.MySQLRun(t, at, "UPDATE alembic_version SET version_num = 'v2.6.0.a'")
			return at
		}, storage.ErrVersion, "optuna storage upgrade"},
		{"a newer version", func(t *testing.T) string {
			at := filled(t)
			servertest.MySQLRun(t, at, "UPDATE alembic_version SET version_num = 'v9.0.0.a'")
			return at
		}, storage.ErrVersion, "a newer attune"},
		{"a user who may only read", func(t *testing.T) string { return reader(t, filled(t)) }, storage.ErrAccess, "privilege"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server(t)
			_, err := mysql.Database(test.url(t)).Create(t.Context(), trial.Header{Name: "b"})
			require.ErrorIs(t, err, test.want)
			assert.ErrorContains(t, err, test.says)
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}

// A user who may only read can read. The next process completes tables that another left incomplete.
func TestReadersAndUnfinishedTables(t *testing.T) {
	server(t)
	at := filled(t)
	l, err := mysql.Database(reader(t, at)).Read(t.Context(), "a")
	require.NoError(t, err)
	defer l.Close()
	n := 0
	for _, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 1, n)

	servertest.MySQLRun(t, at, "DROP TABLE alembic_version", "DROP TABLE trial_values")
	_, err = mysql.Database(at).Open(t.Context(), "a")
	require.ErrorIs(t, err, storage.ErrVersion)
	l, err = mysql.Database(at).Create(t.Context(), trial.Header{Name: "b"})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	l, err = mysql.Database(at).Open(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// A process that opens a study while another creates the tables, one by one, waits for it.
func TestTablesThatAreBeingMade(t *testing.T) {
	server(t)
	at := filled(t)
	made := make(chan struct{})
	go func() {
		defer close(made)
		servertest.MySQLRun(t, at, "DO GET_LOCK('attune', 30)", "CREATE TEMPORARY TABLE later SELECT * FROM alembic_version",
			"DELETE FROM alembic_version", "DO SLEEP(0.4)", "INSERT INTO alembic_version SELECT * FROM later")
	}()
	for { // before, while and after
		l, err := mysql.Database(at).Open(t.Context(), "a")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		select {
		case <-made:
			return
		default:
		}
	}
}

// Tables that Optuna made store whole seconds.
func TestWholeSeconds(t *testing.T) {
	at := filled(t)
	servertest.MySQLRun(t, at, "ALTER TABLE trials MODIFY datetime_start DATETIME, MODIFY datetime_complete DATETIME", "ALTER TABLE trial_heartbeats MODIFY heartbeat DATETIME NOT NULL")
	store := mysql.Database(at)
	l, err := store.Open(t.Context(), "a")
	require.NoError(t, err)
	defer l.Close()
	begun := time.Date(2026, 11, 21, 1, 36, 53, 900_000_000, time.UTC)
	r, err := l.Start(t.Context(), begun, "")
	require.NoError(t, err)
	require.NoError(t, l.Write(t.Context(), r.Number, trial.Finished{State: trial.Complete, Values: []float64{1}, At: begun.Add(time.Hour)}))
	reaped, err := l.(storage.Leaser).Reap(t.Context(), nil, time.Minute, begun, nil)
	require.NoError(t, err)
	assert.Empty(t, reaped)
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		assert.Equal(t, begun.Truncate(time.Second), u.Trial.Started)
		assert.Equal(t, begun.Add(time.Hour).Truncate(time.Second), u.Trial.Finished)
	}
}

// A full disk of the server gives an error that says so, and undoes nothing.
func TestFullDisk(t *testing.T) {
	server(t)
	at := filled(t)
	l, err := mysql.Database(at).Open(t.Context(), "a")
	require.NoError(t, err)
	defer l.Close()
	r, err := l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	records := func() (rs []trial.Record) {
		for u, err := range l.Since(t.Context(), 0) {
			require.NoError(t, err)
			rs = append(rs, u.Trial)
		}
		return rs
	}
	before := records()
	for _, full := range []string{
		"1021, MESSAGE_TEXT = 'Disk full'", "1114, MESSAGE_TEXT = 'The table is full'",
		`1030, MESSAGE_TEXT = 'Got error 28 "No space left on device" from storage engine InnoDB'`,
	} {
		for _, table := range []string{"trials", "trial_values", "trial_intermediate_values"} {
			servertest.MySQLRun(t, at, "CREATE OR REPLACE TRIGGER full_"+table+" BEFORE INSERT ON "+table+
				" FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = "+full)
		}
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
		assert.Equal(t, before, records())
	}
	servertest.MySQLRun(t, at, "DROP TRIGGER full_trials", "DROP TRIGGER full_trial_values", "DROP TRIGGER full_trial_intermediate_values")
	require.NoError(t, l.Write(t.Context(), r.Number, trial.Finished{State: trial.Complete, Values: []float64{1}, At: time.Now()}), "what fits goes on")
}

// If the server ends connections at any moment, no told trial is lost. If it is not known whether a trial was begun,
// Start begins another one, and the first is reaped later.
func TestLostConnections(t *testing.T) {
	const workers, each = 4, 12
	at := servertest.MySQLReused(t)
	store := &mysql.Store{URL: at, Connections: 2}
	l, err := store.Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	defer l.Close()
	u, err := url.Parse(at)
	require.NoError(t, err)
	ctx, done := context.WithCancel(t.Context())
	var killer, work sync.WaitGroup
	killer.Go(func() {
		for ctx.Err() == nil {
			servertest.MySQLRun(t, server(t), fmt.Sprintf(`BEGIN NOT ATOMIC
				FOR c IN (SELECT id FROM information_schema.processlist WHERE db = '%s') DO
					BEGIN
						DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
						KILL c.id;
					END;
				END FOR;
			END`, strings.Trim(u.Path, "/")))
			time.Sleep(20 * time.Millisecond)
		}
	})
	errs := make([]error, workers)
	told := make([][]int, workers)
	for w := range workers {
		work.Go(func() {
			errs[w] = func() error {
				for len(told[w]) < each {
					r, err := l.Start(ctx, time.Now(), "")
					if err == nil {
						err = l.Write(ctx, r.Number, trial.Reported{Step: 1, Value: 2})
					}
					if err == nil {
						err = l.Write(ctx, r.Number, trial.Finished{State: trial.Complete, Values: []float64{float64(r.Number)}, At: time.Now()})
					}
					if err != nil {
						return err
					}
					told[w] = append(told[w], r.Number)
				}
				return nil
			}()
		})
	}
	work.Wait()
	done()
	killer.Wait()
	require.NoError(t, errors.Join(errs...))
	rs := map[int]trial.Record{}
	complete := 0
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		rs[u.Trial.Number] = u.Trial
		if u.Trial.State == trial.Complete {
			complete++
		}
	}
	assert.Equal(t, workers*each, complete)
	seen := map[int]bool{}
	for _, ns := range told {
		for _, n := range ns {
			assert.False(t, seen[n], "trial %d was given away twice", n)
			seen[n] = true
			assert.Equal(t, []float64{float64(n)}, rs[n].Values)
			assert.Len(t, rs[n].Reports, 1)
		}
	}
}

func ExampleDatabase() {
	// The password comes from MYSQL_PWD.
	store := mysql.Database("mysql://tuner@db.example.com/studies?tls=true")
	fmt.Println(store.Address())

	// Output:
	// mysql://db.example.com:3306/studies
}
