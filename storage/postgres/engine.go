package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/dbserver"
	"github.com/attune-hpo/attune/storage/internal/tables"
)

var dialect = (&dbserver.Dialect{
	Statements: tables.New(tables.Dialect{
		Key:    "key",
		Upsert: "ON CONFLICT (%s) DO UPDATE SET value_json = excluded.value_json",
		Skip:   " ON CONFLICT DO NOTHING",
	}),
	Key:        "key",
	Text:       "CAST(%s AS text)",
	Float:      "CAST(NULL AS float8)",
	Lock:       "FOR UPDATE",
	LockTrials: "FOR UPDATE OF t",
	Listed:     "SELECT CAST(pair ->> 0 AS int) AS id, CAST(pair ->> 1 AS int) AS mark FROM json_array_elements(CAST(? AS json)) AS pair",
	// OFFSET 0 keeps the planner from turning the loop into a scan of the table.
	Each: "%[1]s CROSS JOIN LATERAL (SELECT * FROM %[2]s WHERE trial_id = %[1]s.id OFFSET 0) x",
	// What can be seen is the same for as long as the same transactions are in progress.
	// A replica does not know them.
	Version: "CASE WHEN pg_is_in_recovery() THEN '' ELSE CAST(pg_current_snapshot() AS text) END",
	Assert:  "SELECT 1 / count(*) FROM (SELECT trial_id FROM trials WHERE trial_id = ? AND state = 'RUNNING' FOR UPDATE) t WHERE true",
	// Optuna writes the time of the session's time zone, too.
	Beat: "INSERT INTO trial_heartbeats (trial_id, heartbeat) SELECT trial_id, clock_timestamp() FROM trials WHERE trial_id = ? AND state = 'RUNNING' " +
		"ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat",
	Ago:     "CAST(clock_timestamp() AS timestamp) - make_interval(secs => ?)",
	MaxName: 512,
	NoNUL:   true,
}).Complete()

// engine is a [dbserver.Engine].
type engine struct {
	config   *pgxpool.Config
	patience time.Duration
}

func (engine) Dialect() *dbserver.Dialect { return dialect }

// Connect implements [dbserver.Engine].
func (e engine) Connect(ctx context.Context) (dbserver.Pool, error) {
	p, err := pgxpool.NewWithConfig(ctx, e.config.Copy())
	if err != nil {
		return nil, err
	}
	if err := p.Ping(ctx); err != nil {
		p.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if code(err) == "" {
			err = dbserver.Unreachable{Cause: err}
		}
		return nil, err
	}
	return &pool{p, e.patience}, nil
}

// code returns the SQLSTATE of an error, "" if it has none.
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// Class implements [dbserver.Engine].
func (engine) Class(err error) dbserver.Class {
	switch code := code(err); code {
	case "":
	case "23505", "23503", // unique violation, foreign key violation
		"22012": // division by zero, of an assertion
		return dbserver.Clash
	case "40001", "40P01", "55P03", // serialization failure, deadlock, lock not available
		"53300",                   // too many connections
		"57P01", "57P02", "57P03": // shut down, crashed, starting up
		return dbserver.Again
	default:
		if strings.HasPrefix(code, "08") { // a connection's
			return dbserver.Again
		}
		return dbserver.Final
	}
	if _, ok := errors.AsType[dbserver.Unreachable](err); ok {
		return dbserver.Final
	}
	if errors.Is(err, dbserver.ErrUnknown) {
		return dbserver.Final
	}
	if _, ok := errors.AsType[dbserver.Lost](err); ok {
		return dbserver.Again
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return dbserver.Again
	}
	return dbserver.Final
}

// Explain implements [dbserver.Engine].
func (e engine) Explain(err error) error {
	user, database := e.config.ConnConfig.User, e.config.ConnConfig.Database
	switch code := code(err); {
	case errors.Is(err, storage.ErrBusy), errors.Is(err, storage.ErrUnreachable), code == "" && errors.Is(err, context.Canceled), code == "" && errors.Is(err, context.DeadlineExceeded):
		return err
	case code == "28P01" || code == "28000":
		return fmt.Errorf("%w: the server does not let user %q in: check the name, and the password in PGPASSWORD or ~/.pgpass (%s)", storage.ErrAccess, user, message(err))
	case code == "3D000":
		return fmt.Errorf("%w: there is no database %q: create it, as with createdb, or %w", storage.ErrPath, database, someURL)
	case code == "42501":
		return fmt.Errorf("%w: user %q lacks a privilege: %s: grant it, as with GRANT ALL ON ALL TABLES, SEQUENCES IN SCHEMA public, or only read", storage.ErrAccess, user, message(err))
	case code == "25006":
		return fmt.Errorf("%w: the server takes no changes: it is a replica, or the user may only read (%s)", storage.ErrReadOnly, message(err))
	case code == "53100":
		return fmt.Errorf("%w: the disk of the server is full: free some; what was committed is safe", storage.ErrFull)
	case code == "42P01" || code == "42703":
		return fmt.Errorf("%w: a table of Optuna's is missing or odd: %s", storage.ErrFormat, message(err))
	case code != "":
		return fmt.Errorf("the server says: %s (SQLSTATE %s)", message(err), code)
	}
	if _, ok := errors.AsType[dbserver.Unreachable](err); ok {
		cause := err
		if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
			cause = errors.Unwrap(c)
		}
		return fmt.Errorf("%w: start the server, or %w: %w", storage.ErrUnreachable, someURL, cause)
	}
	return err
}

func message(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Message
	}
	return err.Error()
}
