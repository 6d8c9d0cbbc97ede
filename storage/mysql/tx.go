package mysql

import (
	"context"
	"database/sql"

	"github.com/attune-hpo/attune/storage/internal/dbserver"
	"github.com/attune-hpo/attune/storage/internal/tables"
)

// tx is a [dbserver.Tx].
type tx struct {
	ctx  context.Context
	conn *sql.Conn // nil when the transaction has ended
	tx   *sql.Tx   // nil for a reading one
	db   interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

// Exec implements [tables.DB]. The statement may be a query.
func (t *tx) Exec(sql string, args ...tables.Value) error {
	_, err := t.db.ExecContext(t.ctx, sql, values(args)...)
	return lost(t.ctx, err)
}

// Insert implements [tables.DB].
func (t *tx) Insert(sql, _ string, args ...tables.Value) (id int64, err error) {
	result, err := t.db.ExecContext(t.ctx, sql, values(args)...)
	if err != nil {
		return 0, lost(t.ctx, err)
	}
	return result.LastInsertId()
}

// Change implements [dbserver.Tx].
func (t *tx) Change(sql string, args ...tables.Value) (rows int64, err error) {
	result, err := t.db.ExecContext(t.ctx, sql, values(args)...)
	if err != nil {
		return 0, lost(t.ctx, err)
	}
	return result.RowsAffected()
}

// Query implements [tables.DB].
func (t *tx) Query(sql string, args []tables.Value, each func(row []tables.Value) error) error {
	rows, err := t.db.QueryContext(t.ctx, sql, values(args)...)
	if err != nil {
		return lost(t.ctx, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	row, targets := make([]tables.Value, len(columns)), make([]any, len(columns))
	for i := range row {
		targets[i] = (*any)(&row[i])
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return lost(t.ctx, rows.Err())
}

// Rows implements [dbserver.Tx].
func (t *tx) Rows(query string, args []tables.Value, each func(*dbserver.Row) error) error {
	rows, err := t.db.QueryContext(t.ctx, query, values(args)...)
	if err != nil {
		return lost(t.ctx, err)
	}
	defer rows.Close()
	var row dbserver.Row
	var n sql.NullInt64
	var x sql.NullFloat64
	var k, v, w sql.NullString
	targets := []any{&row.Kind, &row.Trial, &row.ID, &n, &k, &x, &v, &w}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		row.N, row.NoN = n.Int64, !n.Valid
		row.X, row.NoX = x.Float64, !x.Valid
		row.K, row.V, row.W = k.String, v.String, w.String
		if err := each(&row); err != nil {
			return err
		}
	}
	return lost(t.ctx, rows.Err())
}

// Commit implements [dbserver.Tx].
func (t *tx) Commit() (err error) {
	if t.tx != nil {
		if err = t.tx.Commit(); err != nil && t.ctx.Err() == nil && gone(err) {
			err = dbserver.ErrUnknown
		}
	}
	t.release()
	return err
}

// Rollback implements [dbserver.Tx].
func (t *tx) Rollback() {
	if t.conn == nil {
		return
	}
	if t.tx != nil {
		_ = t.tx.Rollback()
	}
	t.release()
}

func (t *tx) release() {
	_ = t.conn.Close()
	t.conn = nil
}

func values(vs []tables.Value) []any {
	out := make([]any, len(vs))
	for i, v := range vs {
		out[i] = v
	}
	return out
}
