package tables

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

// Head is the version of the schema that attune reads and writes, in Optuna's numbering.
const Head = "v3.2.0.a"

// LibraryVersion is the version of Optuna whose schema this is. Optuna shows it in
// messages.
const LibraryVersion = "5.0.0"

// older are the versions that `optuna storage upgrade` brings up to date.
var older = []string{
	"v0.9.0.a", "v1.2.0.a", "v1.3.0.a", "v2.4.0.a", "v2.6.0.a",
	"v3.0.0.a", "v3.0.0.b", "v3.0.0.c", "v3.0.0.d",
}

// CheckVersion returns an error that wraps [storage.ErrVersion] unless version is Head.
func CheckVersion(version string) error {
	switch {
	case version == Head:
		return nil
	case slices.Contains(older, version):
		return fmt.Errorf("%w: an older Optuna wrote it: its schema has version %s, not %s: run `optuna storage upgrade`", storage.ErrVersion, version, Head)
	}
	return fmt.Errorf("%w: its schema has version %.40q, not %s: a newer Optuna may have written it: look for a newer attune", storage.ErrVersion, version, Head)
}

// NewToken returns the JSON of a random identity.
func NewToken() string {
	var b [8]byte
	rand.Read(b[:])
	return `"` + hex.EncodeToString(b[:]) + `"`
}

// StudyID returns the row of a study. It fails with [storage.ErrNotExist].
func StudyID(db DB, name string) (id int64, err error) {
	err = db.Query("SELECT study_id FROM studies WHERE study_name = ?", []Value{name}, func(row []Value) error {
		id = Int(row[0])
		return nil
	})
	if err == nil && id == 0 {
		err = storage.ErrNotExist
	}
	return id, err
}

// TrialID returns the row of a trial of a study. It fails with [storage.ErrNoTrial].
func TrialID(db DB, study int64, number int) (id int64, err error) {
	err = db.Query("SELECT trial_id FROM trials WHERE study_id = ? AND number = ?", []Value{study, int64(number)}, func(row []Value) error {
		id = Int(row[0])
		return nil
	})
	if err == nil && id == 0 {
		err = fmt.Errorf("trial %d: %w", number, storage.ErrNoTrial)
	}
	return id, err
}

// InsertStudy adds a study and returns its row.
func (s *Statements) InsertStudy(db DB, h trial.Header, token string) (id int64, err error) {
	id, err = db.Insert("INSERT INTO studies (study_name) VALUES (?)", "study_id", h.Name)
	if err != nil {
		return 0, err
	}
	for i, d := range h.Directions {
		if err := db.Exec("INSERT INTO study_directions (direction, study_id, objective) VALUES (?, ?, ?)",
			strings.ToUpper(d.String()), id, int64(i)); err != nil {
			return 0, err
		}
	}
	own := trial.Attrs{{Key: optunadb.SeedKey, JSON: strconv.FormatUint(h.Seed, 10)}, {Key: optunadb.TokenKey, JSON: token}}
	return id, s.Annotate(db, id, h.Attrs, slices.Concat(own, h.Notes))
}

// Annotate sets attributes and notes of a study.
func (s *Statements) Annotate(db DB, id int64, attrs, notes trial.Attrs) error {
	for _, a := range attrs {
		if err := db.Exec(s.studyUser, id, a.Key, a.JSON); err != nil {
			return err
		}
	}
	for _, n := range notes {
		if err := db.Exec(s.studySystem, id, n.Key, n.JSON); err != nil {
			return err
		}
	}
	return nil
}

// Headers returns the study of the given id, none if there is no such study or, if id is
// 0, all studies, by name.
func (s *Statements) Headers(db DB, id int64) ([]trial.Header, error) {
	var out []trial.Header
	at := map[int64]int{}
	where, args := "WHERE study_id = ?", []Value{id}
	if id == 0 {
		where, args = "", nil
	}
	err := db.Query("SELECT study_id, study_name FROM studies "+where, args, func(row []Value) error {
		at[Int(row[0])] = len(out)
		out = append(out, trial.Header{Name: Text(row[1])})
		return nil
	})
	each := func(sql string, f func(h *trial.Header, row []Value)) {
		if err == nil {
			err = db.Query(strings.Replace(sql, "%s", where, 1), args, func(row []Value) error {
				if i, ok := at[Int(row[0])]; ok {
					f(&out[i], row)
				}
				return nil
			})
		}
	}
	each("SELECT study_id, direction FROM study_directions %s ORDER BY study_id, objective", func(h *trial.Header, row []Value) {
		d := trial.Minimize
		if Text(row[1]) == "MAXIMIZE" {
			d = trial.Maximize
		}
		h.Directions = append(h.Directions, d)
	})
	each(s.userOf, func(h *trial.Header, row []Value) {
		h.Attrs = append(h.Attrs, trial.Attr{Key: Text(row[1]), JSON: Text(row[2])})
	})
	each(s.systemOf, func(h *trial.Header, row []Value) {
		switch a := (trial.Attr{Key: Text(row[1]), JSON: Text(row[2])}); {
		case a.Key == optunadb.SeedKey:
			h.Seed, _ = strconv.ParseUint(a.JSON, 10, 64)
		case optunadb.ReservedForStudies(a.Key): // ours, and none of anyone's business
		default:
			h.Notes = append(h.Notes, a)
		}
	})
	for i := range out {
		h := &out[i] // to be handed out many times, so with slices that cannot grow in place
		h.Directions, h.Attrs, h.Notes = slices.Clip(h.Directions), slices.Clip(h.Attrs), slices.Clip(h.Notes)
		if h.Directions == nil {
			h.Directions = []trial.Direction{trial.Minimize}
		}
	}
	slices.SortFunc(out, func(a, b trial.Header) int { return cmp.Compare(a.Name, b.Name) })
	return out, err
}

// Each yields headers, and in the end the error of ctx if that is done, as wrap has it.
func Each(ctx context.Context, headers []trial.Header, wrap func(error) error, yield func(trial.Header, error) bool) {
	for _, h := range headers {
		if err := ctx.Err(); err != nil {
			yield(trial.Header{}, wrap(err))
			return
		}
		if !yield(h, nil) {
			return
		}
	}
}

// DeleteStudy removes a study and all rows that refer to it. The tables have foreign keys, but deletions do not
// cascade.
func DeleteStudy(db DB, id int64) error {
	for _, table := range []string{
		"trial_params", "trial_values", "trial_intermediate_values",
		"trial_user_attributes", "trial_system_attributes", "trial_heartbeats",
	} {
		if err := db.Exec("DELETE FROM "+table+" WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = ?)", id); err != nil {
			return err
		}
	}
	for _, table := range []string{"trials", "study_directions", "study_user_attributes", "study_system_attributes", "studies"} {
		if err := db.Exec("DELETE FROM "+table+" WHERE study_id = ?", id); err != nil {
			return err
		}
	}
	return nil
}
