package dbserver

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

// summarize calls f with what reads summaries, in a transaction that sees one state of the database.
func (s *Store) summarize(ctx context.Context, f func(*tables.Summarizer) error) error {
	return s.use(ctx, false, func() error {
		return s.transact(ctx, Snapshot, func(tx Tx) error {
			d := s.Engine.Dialect()
			return f(&tables.Summarizer{Statements: d.Statements, DB: tx, Key: d.Key, Text: d.Text, Of: true, Load: func(id int64, rows []int64) ([]tables.Read, error) {
				return s.load(tx, id, rows)
			}})
		})
	})
}

// load reads the trials of some rows of a study.
func (s *Store) load(tx Tx, id int64, rows []int64) ([]tables.Read, error) {
	st := &study{store: s, id: id, pending: map[int64]int64{}}
	for _, row := range rows {
		st.pending[row] = 0
	}
	r := reader{study: st, at: map[int64]int{}}
	// Nothing after the rows listed.
	if err := tx.Rows(s.Engine.Dialect().news, []tables.Value{st.list(), id, int64(math.MaxInt32), id}, r.take); err != nil {
		return nil, err
	}
	var all []tables.Read
	for i := range r.out {
		all = append(all, r.finish(&r.out[i]).Read)
	}
	slices.SortFunc(all, func(a, b tables.Read) int { return int(a.ID - b.ID) })
	return all, nil
}

// Summaries implements [storage.Summarizer].
func (s *Store) Summaries(ctx context.Context) iter.Seq2[trial.Summary, error] {
	return func(yield func(trial.Summary, error) bool) {
		var all []trial.Summary
		err := s.summarize(ctx, func(t *tables.Summarizer) (err error) {
			all, err = t.Summaries(ctx)
			return err
		})
		if err != nil && !errors.Is(err, ErrEmpty) {
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
	err = s.summarize(ctx, func(t *tables.Summarizer) error {
		id, err := tables.StudyID(t, name)
		if err != nil {
			return err
		}
		p, err = t.Preview(ctx, id, newest)
		return err
	})
	return p, s.wrap(fmt.Sprintf("read study %q", name), err)
}
