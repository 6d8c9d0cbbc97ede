package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/attune-hpo/attune/storage/internal/dbserver"
	"github.com/attune-hpo/attune/storage/internal/tables"
)

// tx is a [dbserver.Tx]. Statements that have no answer wait for one that has, or for the
// commit, and travel with it: one round trip for all of them.
type tx struct {
	ctx    context.Context
	pool   *pool
	conn   *pgxpool.Conn // nil when the transaction has ended
	mode   dbserver.Mode
	queued []statement
	id     string // of the transaction on the server, "" if it is not known
	begun  bool   // the server knows of it
	ending bool   // with the next round trip
}

type statement struct {
	sql  string
	args []any
}

func (t *tx) queue(sql string, args ...any) { t.queued = append(t.queued, statement{sql, args}) }

// Exec implements [tables.DB].
func (t *tx) Exec(sql string, args ...tables.Value) error {
	t.queue(numbered(sql), values(args)...)
	return nil
}

// Insert implements [tables.DB].
func (t *tx) Insert(sql, column string, args ...tables.Value) (id int64, err error) {
	t.queue(numbered(sql+" RETURNING "+column), values(args)...)
	err = t.flush(func(rows pgx.Rows) error { return rows.Scan(&id) })
	return id, err
}

// Query implements [tables.DB].
func (t *tx) Query(sql string, args []tables.Value, each func(row []tables.Value) error) error {
	t.queue(numbered(sql), values(args)...)
	var out []tables.Value
	return t.flush(func(rows pgx.Rows) error {
		row, err := rows.Values()
		if err != nil {
			return err
		}
		out = out[:0]
		for _, v := range row {
			out = append(out, column(v))
		}
		return each(out)
	})
}

// column returns what a column of these tables holds as one of the types of a Value.
func column(v any) driver.Value {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case int16:
		return int64(v)
	}
	return v
}

// Rows implements [dbserver.Tx].
func (t *tx) Rows(sql string, args []tables.Value, each func(*dbserver.Row) error) error {
	t.queue(numbered(sql), values(args)...)
	var row dbserver.Row
	var n pgtype.Int8
	var x pgtype.Float8
	var k, v, w pgtype.Text
	targets := []any{&row.Kind, &row.Trial, &row.ID, &n, &k, &x, &v, &w}
	return t.flush(func(rows pgx.Rows) error {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		row.N, row.NoN = n.Int64, !n.Valid
		row.X, row.NoX = x.Float64, !x.Valid
		row.K, row.V, row.W = k.String, v.String, w.String
		return each(&row)
	})
}

// Change implements [dbserver.Tx].
func (t *tx) Change(sql string, args ...tables.Value) (changed int64, err error) {
	t.queue(numbered(sql), values(args)...)
	tag, err := t.send(nil)
	return tag.RowsAffected(), err
}

func (t *tx) flush(each func(pgx.Rows) error) error {
	_, err := t.send(each)
	return err
}

// send sends what is queued, reads the answer to the last statement, and returns its tag.
func (t *tx) send(each func(pgx.Rows) error) (tag pgconn.CommandTag, err error) {
	asks := t.mode == dbserver.Durable && !t.begun && !t.ending
	if asks {
		// To be able to ask for it, should the answer to the commit be lost.
		t.queued = append(t.queued[:1:1], append([]statement{{"SELECT pg_current_xact_id()::text", nil}}, t.queued[1:]...)...)
	}
	var b pgx.Batch
	for _, s := range t.queued {
		b.Queue(s.sql, s.args...)
	}
	results := t.conn.SendBatch(t.ctx, &b)
	last := len(t.queued) - 1
	for i := range t.queued {
		switch {
		case i == 1 && asks:
			err = results.QueryRow().Scan(&t.id)
		case i == last && each != nil:
			var rows pgx.Rows
			if rows, err = results.Query(); err == nil {
				for err == nil && rows.Next() {
					err = each(rows)
				}
				rows.Close()
				err = errors.Join(err, rows.Err())
			}
		default:
			tag, err = results.Exec()
		}
		if err != nil {
			break
		}
	}
	if fault := results.Close(); err == nil {
		err = fault
	}
	t.queued, t.begun = t.queued[:0], true
	if err != nil && code(err) == "" && t.conn.Conn().IsClosed() && t.ctx.Err() == nil {
		err = dbserver.Lost{Cause: err}
	}
	return tag, err
}

// Commit implements [dbserver.Tx].
func (t *tx) Commit() error {
	if t.mode == dbserver.Reading {
		t.release()
		return nil
	}
	t.queue("COMMIT")
	t.ending = true
	_, err := t.send(nil)
	if _, ok := errors.AsType[dbserver.Lost](err); ok || shutDown(err) {
		t.release() // before another connection is asked for, which there may not be
		if t.id == "" {
			return dbserver.ErrUnknown
		}
		return t.fate(err)
	}
	if err != nil { // the statements before the commit may have failed
		t.Rollback()
		return err
	}
	t.release()
	return err
}

// shutDown reports whether a server said that it ends the connection: perhaps instead of
// the answer to a commit.
func shutDown(err error) bool {
	c := code(err)
	return c == "57P01" || c == "57P02"
}

// fate finds out whether the transaction was committed, once its connection is lost.
func (t *tx) fate(cause error) error {
	deadline := time.Now().Add(t.pool.patience)
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		var status *string
		err := t.pool.QueryRow(t.ctx, "SELECT pg_xact_status($1::text::xid8)", t.id).Scan(&status)
		switch {
		case err != nil || status != nil && *status == "in progress": // until the server notices
		case status == nil:
			return dbserver.ErrUnknown
		case *status == "committed":
			return nil
		default:
			return dbserver.Lost{Cause: cause}
		}
		if err := t.ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: the server is away since: %v", dbserver.ErrUnknown, cause)
		}
		time.Sleep(wait)
	}
}

// Rollback implements [dbserver.Tx].
func (t *tx) Rollback() {
	if t.conn == nil {
		return
	}
	if t.begun && t.mode != dbserver.Reading && !t.conn.Conn().IsClosed() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), 5*time.Second)
		defer cancel()
		if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil {
			_ = t.conn.Conn().Close(ctx) // so that the pool does not give it out again
		}
	}
	t.release()
}

func (t *tx) release() {
	t.conn.Release()
	t.conn = nil
}

func values(vs []tables.Value) []any {
	out := make([]any, len(vs))
	for i, v := range vs {
		out[i] = v
	}
	return out
}

// texts remembers statements with numbered parameters.
var texts sync.Map

// numbered returns a statement with its question marks as $1, $2 and so on.
func numbered(sql string) string {
	if text, ok := texts.Load(sql); ok {
		return text.(string)
	}
	var b strings.Builder
	n := 0
	for _, r := range sql {
		if r == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	texts.Store(sql, b.String())
	return b.String()
}
