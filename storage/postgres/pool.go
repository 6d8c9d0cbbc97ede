package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/dbserver"
	"github.com/attune-hpo/attune/storage/internal/tables"
)

// schema creates the tables, as SQLAlchemy does for Optuna 5.0.0.
//
//go:embed schema.sql
var schema string

// pool is a [dbserver.Pool].
type pool struct {
	*pgxpool.Pool
	patience time.Duration
}

// Begin implements [dbserver.Pool].
func (p *pool) Begin(ctx context.Context, mode dbserver.Mode) (dbserver.Tx, error) {
	c, err := p.Acquire(ctx)
	if err != nil {
		return nil, lost(ctx, err)
	}
	t := &tx{ctx: ctx, pool: p, conn: c, mode: mode}
	switch mode {
	case dbserver.Reading:
	case dbserver.Snapshot:
		t.queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	default:
		t.queue("BEGIN")
		if mode == dbserver.Lazy {
			t.queue("SET LOCAL synchronous_commit TO off")
		}
	}
	return t, nil
}

// creating is the key of the advisory lock that a process holds while it creates the tables: "attune".
const creating = 0x617474756e65

// lost returns an error of the network as that of a lost connection, unless ctx is done.
func lost(ctx context.Context, err error) error {
	_, network := errors.AsType[net.Error](err)
	if ctx.Err() == nil && code(err) == "" && (network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return dbserver.Lost{Cause: err}
	}
	return err
}

// EnsureSchema implements [dbserver.Pool].
func (p *pool) EnsureSchema(ctx context.Context, create bool) error {
	return lost(ctx, p.ensureSchema(ctx, create)) // even if it was made, that can be repeated
}

func (p *pool) ensureSchema(ctx context.Context, create bool) error {
	err := p.checkSchema(ctx, p.Pool)
	if !errors.Is(err, dbserver.ErrEmpty) || !create {
		return err
	}
	return pgx.BeginFunc(ctx, p.Pool, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(creating)); err != nil {
			return err
		}
		if err := p.checkSchema(ctx, t); !errors.Is(err, dbserver.ErrEmpty) { // another was quicker
			return err
		}
		if _, err := t.Exec(ctx, schema); err != nil {
			return err
		}
		if _, err := t.Exec(ctx, "INSERT INTO version_info VALUES (1, 12, $1)", tables.LibraryVersion); err != nil {
			return err
		}
		_, err := t.Exec(ctx, "INSERT INTO alembic_version VALUES ($1)", tables.Head)
		return err
	})
}

func (p *pool) checkSchema(ctx context.Context, db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}) error {
	list := func(sql string) ([]string, error) {
		rows, err := db.Query(ctx, sql)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[string])
	}
	names, err := list("SELECT table_name::text FROM information_schema.tables WHERE table_schema = ANY (current_schemas(false)) ORDER BY 1")
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return dbserver.ErrEmpty
	case !slices.Contains(names, "studies") && !slices.Contains(names, "alembic_version"):
		return fmt.Errorf("%w: the database holds tables of another program, %s: create another database for the studies: %w", storage.ErrFormat, few(names), someURL)
	case !slices.Contains(names, "alembic_version"):
		return fmt.Errorf("%w: it has the tables of Optuna, but no version: Optuna before 0.10 made them, or Optuna was stopped while it made them: run `optuna storage upgrade`", storage.ErrVersion)
	}
	versions, err := list("SELECT version_num FROM alembic_version")
	if err != nil {
		return err
	}
	return tables.CheckVersion(strings.Join(versions, ", "))
}

// few lists the first few names.
func few(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
