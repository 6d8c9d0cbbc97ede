package sqlite

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

// newToken returns the JSON of a random identity.
func newToken() string {
	var b [8]byte
	rand.Read(b[:])
	return `"` + hex.EncodeToString(b[:]) + `"`
}

// studyID returns the row of a study; ErrNotExist.
func (c *conn) studyID(name string) (id int64, err error) {
	err = c.query("SELECT study_id FROM studies WHERE study_name = ?", []value{name}, func(row []value) error {
		id = asInt(row[0])
		return nil
	})
	if err == nil && id == 0 {
		err = storage.ErrNotExist
	}
	return id, err
}

// identity returns the name and the token of a study; ErrNotExist. Studies that
// Optuna created have no token.
func (c *conn) identity(id int64) (name, token string, err error) {
	found := false
	err = c.query(`SELECT study_name, (SELECT value_json FROM study_system_attributes WHERE study_id = ?1 AND key = '`+optunadb.TokenKey+`')
		FROM studies WHERE study_id = ?1`, []value{id}, func(row []value) error {
		name, token, found = asText(row[0]), asText(row[1]), true
		return nil
	})
	if err == nil && !found {
		err = storage.ErrNotExist
	}
	return name, token, err
}

func (c *conn) insertStudy(s trial.Header, token string) (id int64, err error) {
	id, err = c.exec("INSERT INTO studies (study_name) VALUES (?)", s.Name)
	if err != nil {
		return 0, err
	}
	for i, d := range s.Directions {
		if _, err := c.exec("INSERT INTO study_directions (direction, study_id, objective) VALUES (?, ?, ?)",
			strings.ToUpper(d.String()), id, int64(i)); err != nil {
			return 0, err
		}
	}
	own := trial.Attrs{{Key: optunadb.SeedKey, JSON: strconv.FormatUint(s.Seed, 10)}, {Key: optunadb.TokenKey, JSON: token}}
	return id, c.annotate(id, s.Attrs, slices.Concat(own, s.Notes))
}

func (c *conn) annotate(id int64, attrs, notes trial.Attrs) error {
	const upsert = " (study_id, key, value_json) VALUES (?, ?, ?) ON CONFLICT (study_id, key) DO UPDATE SET value_json = excluded.value_json"
	for _, a := range attrs {
		if _, err := c.exec("INSERT INTO study_user_attributes"+upsert, id, a.Key, a.JSON); err != nil {
			return err
		}
	}
	for _, n := range notes {
		if _, err := c.exec("INSERT INTO study_system_attributes"+upsert, id, n.Key, n.JSON); err != nil {
			return err
		}
	}
	return nil
}

// headers returns the study of the given id or, if it is 0, all, by name.
func (c *conn) headers(id int64) ([]trial.Header, error) {
	var out []trial.Header
	at := map[int64]int{}
	err := c.query("SELECT study_id, study_name FROM studies WHERE ?1 IN (0, study_id) ORDER BY study_name", []value{id}, func(row []value) error {
		at[asInt(row[0])] = len(out)
		out = append(out, trial.Header{Name: asText(row[1])})
		return nil
	})
	each := func(sql string, f func(s *trial.Header, row []value)) {
		if err == nil {
			err = c.query(sql, []value{id}, func(row []value) error {
				if i, ok := at[asInt(row[0])]; ok {
					f(&out[i], row)
				}
				return nil
			})
		}
	}
	each("SELECT study_id, direction FROM study_directions WHERE ?1 IN (0, study_id) ORDER BY study_id, objective", func(s *trial.Header, row []value) {
		d := trial.Minimize
		if asText(row[1]) == "MAXIMIZE" {
			d = trial.Maximize
		}
		s.Directions = append(s.Directions, d)
	})
	each("SELECT study_id, key, value_json FROM study_user_attributes WHERE ?1 IN (0, study_id) ORDER BY study_user_attribute_id", func(s *trial.Header, row []value) {
		s.Attrs = append(s.Attrs, trial.Attr{Key: asText(row[1]), JSON: asText(row[2])})
	})
	each("SELECT study_id, key, value_json FROM study_system_attributes WHERE ?1 IN (0, study_id) ORDER BY study_system_attribute_id", func(s *trial.Header, row []value) {
		switch a := (trial.Attr{Key: asText(row[1]), JSON: asText(row[2])}); {
		case a.Key == optunadb.SeedKey:
			s.Seed, _ = strconv.ParseUint(a.JSON, 10, 64)
		case optunadb.ReservedForStudies(a.Key): // ours, and none of anyone's business
		default:
			s.Notes = append(s.Notes, a)
		}
	})
	for i := range out {
		s := &out[i] // to be handed out many times, so with slices that cannot grow in place
		s.Directions, s.Attrs, s.Notes = slices.Clip(s.Directions), slices.Clip(s.Attrs), slices.Clip(s.Notes)
		if s.Directions == nil {
			s.Directions = []trial.Direction{trial.Minimize}
		}
	}
	return out, err
}

// deleteStudy removes a study and all that hangs on it. The tables have foreign
// keys, but nothing cascades in them.
func (c *conn) deleteStudy(id int64) error {
	for _, table := range []string{
		"trial_params", "trial_values", "trial_intermediate_values",
		"trial_user_attributes", "trial_system_attributes", "trial_heartbeats",
	} {
		if _, err := c.exec("DELETE FROM "+table+" WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = ?)", id); err != nil {
			return err
		}
	}
	for _, table := range []string{"trials", "study_directions", "study_user_attributes", "study_system_attributes", "studies"} {
		if _, err := c.exec("DELETE FROM "+table+" WHERE study_id = ?", id); err != nil {
			return err
		}
	}
	return nil
}
