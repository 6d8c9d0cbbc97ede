package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"os"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

var (
	_ storage.Summarizer = (*Store)(nil)
	_ storage.Rower      = (*Store)(nil)
	_ storage.Placed     = (*Store)(nil)
)

// Summaries implements [storage.Summarizer]. It reads only the state, the times and the values of each trial.
func (s *Store) Summaries(ctx context.Context) iter.Seq2[trial.Summary, error] {
	return func(yield func(trial.Summary, error) bool) {
		var all []trial.Summary
		err := s.look(ctx, func(c *conn) (err error) {
			all, err = summarizer(ctx, c).Summaries(ctx)
			return err
		})
		if err != nil && err != errNoFile {
			yield(trial.Summary{}, s.wrap("list studies", err))
			return
		}
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// Preview implements [storage.Summarizer].
func (s *Store) Preview(ctx context.Context, name string, newest int) (p storage.Preview, err error) {
	err = s.look(ctx, func(c *conn) error {
		id, err := tables.StudyID(c, name)
		if err != nil {
			return err
		}
		p, err = summarizer(ctx, c).Preview(ctx, id, newest)
		return err
	})
	return p, s.wrap(fmt.Sprintf("read study %q", name), err)
}

// Row implements [storage.Rower].
func (s *Store) Row(ctx context.Context, study string, number int) (row int64, err error) {
	err = s.look(ctx, func(c *conn) error {
		id, err := tables.StudyID(c, study)
		if err != nil {
			return err
		}
		row, err = tables.TrialID(c, id, number)
		return err
	})
	return row, s.wrap(fmt.Sprintf("look up a trial of study %q", study), err)
}

// look calls f in a read transaction, on its own connection unless the file is open, so that other ledgers need not
// wait.
func (s *Store) look(ctx context.Context, f func(c *conn) error) error {
	from := s.reader()
	return from.use(ctx, false, func(c *conn) error {
		return from.read(ctx, c, func() error { return f(c) })
	})
}

// summarizer returns what reads summaries.
func summarizer(ctx context.Context, c *conn) *tables.Summarizer {
	return &tables.Summarizer{Statements: statements, DB: c, Key: "key", Text: "CAST(%s AS TEXT)", Load: func(id int64, rows []int64) ([]tables.Read, error) {
		l := loader{ctx: ctx, conn: c, study: &study{id: id, last: math.MaxInt64}} // nothing after the rows listed
		return l.load(rows)
	}}
}

// Exists implements [storage.Placed].
func (s *Store) Exists() (bool, error) {
	_, err := os.Stat(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, s.wrap("look for a file", err)
}
