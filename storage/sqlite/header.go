package sqlite

import (
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/storage/internal/tables"
)

// statements are those of SQLite.
var statements = tables.New(tables.Dialect{
	Key:    "key",
	Upsert: "ON CONFLICT (%s) DO UPDATE SET value_json = excluded.value_json",
	Skip:   " ON CONFLICT DO NOTHING",
})

// identity returns the name and the token of a study; ErrNotExist. Studies that
// Optuna created have no token.
func (c *conn) identity(id int64) (name, token string, err error) {
	found := false
	err = c.query(`SELECT study_name, (SELECT value_json FROM study_system_attributes WHERE study_id = ?1 AND key = '`+optunadb.TokenKey+`')
		FROM studies WHERE study_id = ?1`, []value{id}, func(row []value) error {
		name, token, found = tables.Text(row[0]), tables.Text(row[1]), true
		return nil
	})
	if err == nil && !found {
		err = storage.ErrNotExist
	}
	return name, token, err
}
