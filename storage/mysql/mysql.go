// Package mysql keeps studies in a MariaDB or MySQL database that is shared with Optuna.
//
// The database has the tables of Optuna's newest schema and nothing else, so Python's
// Optuna 5 and optuna-dashboard work on it while Go workers do. doc/format/sqlite.md lists
// every table and key, doc/format/servers.md what is different here.
//
//	store := mysql.Database("mysql://tuner@db.example.com/studies")
//	st, err := study.Open(ctx, store, "lightgbm", study.Config{Sampler: tpe.New(tpe.Config{})})
//
// Any number of goroutines and processes on any number of machines may work on one
// database. Each trial is given to one worker only, even if some workers use Python.
//
// With the server's default settings, whatever a method has written is on the server's disk. The Store reconnects if
// a connection is lost, and retries after deadlocks. If a connection is lost during the commit that adds trials, the
// method fails with an error that says that the change may have been made. After a doubtful write to a trial, the
// trial is read to see whether the write succeeded.
//
// # Caveats
//
//   - The server must be MariaDB 10.6 or newer, which the tests use, or MySQL 8, which is untested.
//   - Tables that attune makes store times in microseconds and distinguish all names. Tables that Optuna makes store
//     whole seconds, so leases end up to a second early; and depending on the collation of the database, names that
//     differ only in case are equal.
//   - A name has at most 512 characters, and the JSON of an attribute 65,535 bytes. Longer ones are refused with
//     [space.ErrInvalid].
//   - The server does not say whether the database has changed. So every reader of a study, and every wait for
//     changes, rereads the unfinished trials.
package mysql

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/dbserver"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "mysql"

// someURL is the way out of a URL that names no database.
var someURL = fault.Hint{Field: "mysql.Store.URL", Want: "set %s to mysql://user@host:3306/database"}

// A Store is a database on a MariaDB or MySQL server. Its fields must not change once it is
// in use. It is safe for concurrent use, and must not be copied.
//
// Connections are made when they are needed and closed when no ledger is open. The first Create makes the tables if
// the database has none. Errors wrap [storage.ErrPath] for an invalid URL or a missing database,
// [storage.ErrUnreachable] if no server answers, [storage.ErrAccess] if the user may not connect or write,
// [storage.ErrFormat] if the database belongs to another program, [storage.ErrVersion] if another version of Optuna
// made the tables, [storage.ErrBusy] after Patience, and [storage.ErrFull] on a full disk. No error contains a
// password.
type Store struct {
	// URL names the database, as in mysql://user@host:3306/database?tls=true. Its settings are
	// those of the driver, github.com/go-sql-driver/mysql. The password may be in the
	// environment variable MYSQL_PWD instead.
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
		patience := s.Patience
		if patience <= 0 {
			patience = 30 * time.Second
		}
		most := s.Connections
		if most <= 0 {
			most = 4
		}
		s.db = &dbserver.Store{Package: pkg, Name: address(config), Engine: engine{config, most}, Patience: patience}
		s.db.Outage.Away = s.Away
	})
	return s.db, s.err
}

// config reads the URL. Its errors do not quote the URL, which may hold a password.
func (s *Store) config() (*mysql.Config, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "mysql" || strings.Trim(u.Path, "/") == "" {
		return nil, fmt.Errorf("%w: the URL names no database: %w", storage.ErrPath, someURL)
	}
	// The driver reads settings from a form of its own, without the user and the password.
	config, err := mysql.ParseDSN("tcp(" + net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), "3306")) + ")/?" + u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: a setting in the URL is invalid: %w", storage.ErrPath, someURL)
	}
	config.DBName = strings.Trim(u.Path, "/")
	config.User = u.User.Username()
	config.Passwd = os.Getenv("MYSQL_PWD")
	if secret, ok := u.User.Password(); ok {
		config.Passwd = secret
	}
	config.InterpolateParams = true // one round trip for a statement
	config.Logger = &mysql.NopLogger{}
	return config, nil
}

// address names a database in messages.
func address(c *mysql.Config) string {
	u := url.URL{Scheme: "mysql", Host: c.Addr, Path: "/" + c.DBName}
	return u.String()
}

// Address returns the URL of the database with the host, the port and the database name, without the user, the
// password and the settings.
func (s *Store) Address() string {
	if config, err := s.config(); err == nil {
		return address(config)
	}
	return "mysql://"
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

// Read implements [storage.Reader]. It works for a user who may only read.
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
