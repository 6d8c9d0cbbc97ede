package mysql

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/dbserver"
	"github.com/attune-hpo/attune/storage/internal/tables"
)

// schema creates the tables, as SQLAlchemy does for Optuna 5.0.0, except that times have fractions.
//
//go:embed schema.sql
var schema string

// pool is a [dbserver.Pool].
type pool struct{ db *sql.DB }

// Close implements [dbserver.Pool].
func (p *pool) Close() { _ = p.db.Close() }

// Begin implements [dbserver.Pool].
func (p *pool) Begin(ctx context.Context, mode dbserver.Mode) (dbserver.Tx, error) {
	c, err := p.db.Conn(ctx)
	if err != nil {
		return nil, lost(ctx, err)
	}
	t := &tx{ctx: ctx, conn: c, db: c}
	if mode == dbserver.Reading {
		return t, nil
	}
	var options *sql.TxOptions
	if mode == dbserver.Snapshot {
		options = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	if t.tx, err = c.BeginTx(ctx, options); err != nil {
		c.Close()
		return nil, lost(ctx, err)
	}
	t.db = t.tx
	return t, nil
}

// lost returns an error of a connection as one, unless ctx is done.
func lost(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil && gone(err) {
		return dbserver.Lost{Cause: err}
	}
	return err
}

// EnsureSchema implements [dbserver.Pool].
func (p *pool) EnsureSchema(ctx context.Context, create bool) error {
	c, err := p.db.Conn(ctx)
	if err != nil {
		return lost(ctx, err)
	}
	defer c.Close()
	err = checkSchema(ctx, c)
	if !errors.Is(err, errUnfinished) && (!create || !errors.Is(err, dbserver.ErrEmpty)) {
		return lost(ctx, err)
	}
	// Tables are created one by one. The process that creates them holds a lock, and others wait for it, even to read.
	// It also completes tables that another process left unfinished.
	var locked sql.NullInt64
	if err := c.QueryRowContext(ctx, "SELECT GET_LOCK('attune', 30)").Scan(&locked); err != nil {
		return lost(ctx, err)
	}
	if locked.Int64 != 1 {
		return fmt.Errorf("%w: another process is making the tables", storage.ErrBusy)
	}
	defer c.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK('attune')")
	err = checkSchema(ctx, c)
	if !create || !errors.Is(err, dbserver.ErrEmpty) && !errors.Is(err, errUnfinished) {
		return lost(ctx, err)
	}
	return lost(ctx, createSchema(ctx, c))
}

func createSchema(ctx context.Context, c *sql.Conn) error {
	var version string
	if err := c.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	collation := "utf8mb4_0900_bin"
	if strings.Contains(version, "MariaDB") {
		collation = "utf8mb4_nopad_bin"
	}
	for statement := range strings.SplitSeq(strings.TrimSpace(schema), ";\n") {
		statement = strings.TrimSuffix(statement, ";")
		if strings.HasPrefix(statement, "CREATE TABLE") {
			statement += " DEFAULT CHARACTER SET utf8mb4 COLLATE " + collation
		}
		if _, err := c.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if _, err := c.ExecContext(ctx, "INSERT IGNORE INTO version_info VALUES (1, 12, ?)", tables.LibraryVersion); err != nil {
		return err
	}
	_, err := c.ExecContext(ctx, "INSERT IGNORE INTO alembic_version VALUES (?)", tables.Head)
	return err
}

// errUnfinished reports tables without a version.
var errUnfinished = fmt.Errorf("%w: it has tables of Optuna, but no version: "+
	"Optuna before 0.10 made them, or a program was stopped while it made them: create a study, or run `optuna storage upgrade`", storage.ErrVersion)

func checkSchema(ctx context.Context, c *sql.Conn) error {
	names, err := list(ctx, c, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1")
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return dbserver.ErrEmpty
	case !slices.Contains(names, "studies") && !slices.Contains(names, "alembic_version"):
		return fmt.Errorf("%w: the database holds tables of another program, %s: create another database for the studies: %w", storage.ErrFormat, few(names), someURL)
	case !slices.Contains(names, "alembic_version"):
		return errUnfinished
	}
	versions, err := list(ctx, c, "SELECT version_num FROM alembic_version")
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return errUnfinished
	}
	return tables.CheckVersion(strings.Join(versions, ", "))
}

func list(ctx context.Context, c *sql.Conn, query string) (out []string, err error) {
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// few lists the first few names.
func few(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
