// Package postgres keeps studies in a PostgreSQL database that is shared with Optuna.
//
// The database has the tables of Optuna's newest schema and nothing else, so Python's Optuna 5 and
// optuna-dashboard work on it while Go workers do. All other data of a study are in attributes whose keys begin
// with "attune:". doc/format/sqlite.md lists every table and key, doc/format/servers.md what is different here.
//
//	store := postgres.Database("postgres://tuner@db.example.com/studies")
//	st, err := study.Open(ctx, store, "lightgbm", study.Config{Sampler: tpe.New(tpe.Config{})})
//
// Any number of goroutines and processes on any number of machines may work on one
// database. Each trial is given to one worker only, even if some workers use Python.
//
// # Durability
//
// Whatever a method has written survives the death of the worker. It also survives a crash of the server, except the
// parameters and reports of a running trial: the server may lose those of the last half second. When the trial is
// told, missing ones are written again. So a trial waits for the disk once when it begins and once when it ends.
//
// The Store reconnects if a connection is lost. If that happens during a commit, it determines whether the commit
// succeeded: it asks the server for the status of the transaction, or reads the written trial. So nothing is written
// twice or silently lost. Deadlocks and serialization failures are retried. All retries end after [Store.Patience].
//
// # Caveats
//
//   - PostgreSQL 13 or newer.
//   - A name of a study, parameter or attribute has at most 512 characters, none of which is NUL. Other names are
//     refused with space.ErrInvalid.
//   - A process keeps the records of an open study in memory. Whenever anything in the database cluster was
//     committed, it rereads the unfinished trials, except their known reports.
//   - With PgBouncer in transaction mode, use PgBouncer 1.21 or newer with support for prepared statements.
package postgres

import (
	"context"
	"fmt"
	"iter"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/dbserver"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "postgres"

// someURL is the way out of a URL that names no database.
var someURL = fault.Hint{Field: "postgres.Store.URL", Want: "set %s to postgres://user@host:5432/database"}

// A Store is a PostgreSQL database. Its fields must not change once it is in use. It is
// safe for concurrent use, and must not be copied.
//
// Connections are made when they are needed and closed when no ledger is open. The first Create makes the tables if
// the database has none. Errors wrap [storage.ErrPath] for an invalid URL or a missing database,
// [storage.ErrUnreachable] if no server answers, [storage.ErrAccess] if the user may not connect or write,
// [storage.ErrFormat] if the database belongs to another program, [storage.ErrVersion] if another version of Optuna
// made the tables, [storage.ErrBusy] after Patience, and [storage.ErrFull] on a full disk. No error contains a
// password.
type Store struct {
	// URL names the database, as in postgres://user@host:5432/database?sslmode=verify-full.
	// Missing parts come from the environment, as for psql: PGHOST, PGUSER, PGPASSWORD,
	// PGSSLMODE and so on, and the password from ~/.pgpass.
	URL string
	// Connections is the maximum number of connections, and thus of methods that work at the same time; others wait.
	// Default 4.
	Connections int
	// Patience is how long to retry while the server is unavailable or busy. If the server does not answer the first
	// time, the method fails at once. Default 30 s.
	Patience time.Duration
	// Away, if not nil, is called with the reason when the server has not answered for a second, and
	// with nil when it answers again. It must not use the Store.
	Away func(err error)

	once sync.Once
	db   *dbserver.Store
	err  error // in URL
}

var (
	_ storage.Reader     = (*Store)(nil)
	_ storage.Rower      = (*Store)(nil)
	_ storage.Summarizer = (*Store)(nil)
)

// Database returns the store in the database of the given URL, with default settings. It
// does not connect.
func Database(url string) *Store { return &Store{URL: url} }

// open returns what does the work.
func (s *Store) open() (*dbserver.Store, error) {
	s.once.Do(func() {
		config, err := s.config()
		if err != nil {
			s.err = pkg.Errorf("%w", err)
			return
		}
		s.db = &dbserver.Store{Package: pkg, Name: address(config), Engine: engine{config, s.patience()}, Patience: s.patience()}
		s.db.Outage.Away = s.Away
	})
	return s.db, s.err
}

func (s *Store) patience() time.Duration {
	if s.Patience > 0 {
		return s.Patience
	}
	return 30 * time.Second
}

// config reads the URL. Its errors do not quote the URL, which may hold a password.
func (s *Store) config() (*pgxpool.Config, error) {
	if !strings.HasPrefix(s.URL, "postgres://") && !strings.HasPrefix(s.URL, "postgresql://") {
		return nil, fmt.Errorf("%w: the URL does not begin with postgres://: %w", storage.ErrPath, someURL)
	}
	config, err := pgxpool.ParseConfig(s.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL, a variable of the environment that begins with PG, or a file that they name cannot be read: %w", storage.ErrPath, someURL)
	}
	config.MaxConns = 4
	if s.Connections > 0 {
		config.MaxConns = int32(min(s.Connections, 1<<15))
	}
	if _, ok := config.ConnConfig.RuntimeParams["application_name"]; !ok {
		config.ConnConfig.RuntimeParams["application_name"] = "attune"
	}
	// Before the first ANALYZE of a study the planner overestimates what a statement costs, and compiles
	// for 25 ms what then runs for 0.2. Not a parameter of the connection: poolers refuse those that they
	// do not know.
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SET jit = off")
		return err
	}
	return config, nil
}

// address names a database in messages.
func address(c *pgxpool.Config) string {
	u := url.URL{Scheme: "postgres", Path: "/" + c.ConnConfig.Database}
	if host := c.ConnConfig.Host; strings.HasPrefix(host, "/") { // the folder of a socket
		u.RawQuery = "host=" + host
	} else {
		u.Host = net.JoinHostPort(host, strconv.Itoa(int(c.ConnConfig.Port)))
	}
	return u.String()
}

// Address returns the URL of the database with the host, the port and the database name, without the user, the
// password and the settings.
func (s *Store) Address() string {
	if config, err := s.config(); err == nil {
		return address(config)
	}
	return "postgres://"
}

// Create implements [storage.Store].
func (s *Store) Create(ctx context.Context, header trial.Header) (storage.Ledger, error) {
	db, err := s.open()
	if err != nil {
		return nil, err
	}
	return db.Create(ctx, header)
}

// Open implements [storage.Store].
func (s *Store) Open(ctx context.Context, name string) (storage.Ledger, error) {
	db, err := s.open()
	if err != nil {
		return nil, err
	}
	return db.Open(ctx, name)
}

// Read implements [storage.Reader]. It works for a user who may only read, and on a replica.
func (s *Store) Read(ctx context.Context, name string) (storage.Ledger, error) {
	db, err := s.open()
	if err != nil {
		return nil, err
	}
	return db.Read(ctx, name)
}

// Row implements [storage.Rower].
func (s *Store) Row(ctx context.Context, study string, number int) (int64, error) {
	db, err := s.open()
	if err != nil {
		return 0, err
	}
	return db.Row(ctx, study, number)
}

// Summaries implements [storage.Summarizer]. It reads only the state, the times and the values of each trial.
func (s *Store) Summaries(ctx context.Context) iter.Seq2[trial.Summary, error] {
	db, err := s.open()
	if err != nil {
		return func(yield func(trial.Summary, error) bool) { yield(trial.Summary{}, err) }
	}
	return db.Summaries(ctx)
}

// Preview implements [storage.Summarizer].
func (s *Store) Preview(ctx context.Context, name string, newest int) (storage.Preview, error) {
	db, err := s.open()
	if err != nil {
		return storage.Preview{}, err
	}
	return db.Preview(ctx, name, newest)
}

// Studies implements [storage.Store]. An empty database has none.
func (s *Store) Studies(ctx context.Context) iter.Seq2[trial.Header, error] {
	db, err := s.open()
	if err != nil {
		return func(yield func(trial.Header, error) bool) { yield(trial.Header{}, err) }
	}
	return db.Studies(ctx)
}

// Rename implements [storage.Store].
func (s *Store) Rename(ctx context.Context, from, to string) error {
	db, err := s.open()
	if err != nil {
		return err
	}
	return db.Rename(ctx, from, to)
}

// Delete implements [storage.Store].
func (s *Store) Delete(ctx context.Context, name string) error {
	db, err := s.open()
	if err != nil {
		return err
	}
	return db.Delete(ctx, name)
}
