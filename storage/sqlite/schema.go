package sqlite

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/tables"
)

// schema creates the tables, as SQLAlchemy does for Optuna 5.0.0.
//
//go:embed schema.sql
var schema string

// errUnfinished reports tables without a version: Optuna creates them one after the other, each in its own
// transaction.
var errUnfinished = fmt.Errorf("%w: it has the tables of Optuna, but no version: "+
	"it was written by Optuna before 0.10, or Optuna was stopped while creating it: run `optuna storage upgrade`", storage.ErrVersion)

// patience is how long to wait for Optuna to finish that.
var patience = 3 * time.Second

// ensureSchema returns an error unless the file is a store of the version that
// this package knows. An empty file becomes one, or the error is errNoFile.
func (s *Store) ensureSchema(ctx context.Context, c *conn, create bool) error {
	for deadline := time.Now().Add(patience); ; {
		err := s.read(ctx, c, c.checkSchema)
		if errors.Is(err, errNoFile) && create {
			err = s.transact(ctx, c, "BEGIN IMMEDIATE", c.createSchema)
		}
		if !errors.Is(err, errUnfinished) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *conn) checkSchema() error {
	var names []string
	err := c.query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name", nil, func(row []value) error {
		names = append(names, asText(row[0]))
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return errNoFile
	case !slices.Contains(names, "studies") && !slices.Contains(names, "alembic_version"):
		return fmt.Errorf("%w: it is a SQLite database of another program, with the tables %s", storage.ErrFormat, strings.Join(names, ", "))
	case !slices.Contains(names, "studies") || !slices.Contains(names, "alembic_version"):
		return errUnfinished
	}
	version, err := c.text("SELECT version_num FROM alembic_version")
	switch {
	case err != nil:
		return err
	case version == "":
		return errUnfinished
	}
	return tables.CheckVersion(version)
}

// createSchema makes a store of an empty file, unless another process was faster.
func (c *conn) createSchema() error {
	if err := c.checkSchema(); !errors.Is(err, errNoFile) {
		return err
	}
	if err := c.db.Script(schema); err != nil {
		return err
	}
	if _, err := c.exec("INSERT INTO version_info VALUES (1, 12, ?)", tables.LibraryVersion); err != nil {
		return err
	}
	_, err := c.exec("INSERT INTO alembic_version VALUES (?)", tables.Head)
	return err
}
