// Package tables reads and writes Optuna's tables over any SQL connection: headers of studies, records of trials, and
// changes of a trial. Package optunadb defines the meaning of columns and keys.
package tables

import (
	"database/sql/driver"
	"fmt"
	"strings"
)

// A Value is the content of a column: int64, float64, string, []byte or nil.
type Value = driver.Value

// A DB runs statements in a transaction. Their parameters are question marks.
type DB interface {
	// Exec runs a statement that has no answer. It may delay the statement until the next Insert or Query, or until
	// the end of the transaction, which then report its error.
	Exec(sql string, args ...Value) error
	// Insert runs an INSERT and returns the new row's id, which is in the named column.
	Insert(sql, id string, args ...Value) (int64, error)
	// Query calls each with every row of the result. The row is valid until each returns.
	Query(sql string, args []Value, each func(row []Value) error) error
}

// A Dialect has the parts of SQL that differ between engines.
type Dialect struct {
	Key string // the column named key, in quotes if need be
	// Upsert ends an INSERT that replaces value_json if the row exists; its %s stands for the columns that make a row
	// unique.
	Upsert string
	// Skip ends an INSERT that does nothing for existing rows.
	Skip string
}

// Statements are the statements of a dialect.
type Statements struct {
	studyUser, studySystem, trialUser, trialSystem string // replace an attribute
	userOf, systemOf                               string // read those of studies
	withdraw                                       string // remove a proposal
	params                                         [maxParams + 1]string
	skip                                           string
}

// maxParams is how many parameters one statement inserts.
const maxParams = 16

// New returns the statements of a dialect.
func New(d Dialect) *Statements {
	set := func(table, owner string) string {
		return fmt.Sprintf("INSERT INTO %s (%s, %s, value_json) VALUES (?, ?, ?) ", table, owner, d.Key) +
			strings.ReplaceAll(d.Upsert, "%s", owner+", "+d.Key)
	}
	read := func(kind string) string {
		return fmt.Sprintf("SELECT study_id, %s, value_json FROM study_%s_attributes %%s ORDER BY study_%[2]s_attribute_id", d.Key, kind)
	}
	s := &Statements{
		studyUser: set("study_user_attributes", "study_id"), studySystem: set("study_system_attributes", "study_id"),
		trialUser: set("trial_user_attributes", "trial_id"), trialSystem: set("trial_system_attributes", "trial_id"),
		userOf: read("user"), systemOf: read("system"),
		// By key, which is a range of the index: ";" follows ":".
		withdraw: fmt.Sprintf("DELETE FROM trial_system_attributes WHERE trial_id = ? AND %s >= 'tpe:relative_params:' AND %[1]s < 'tpe:relative_params;'", d.Key),
		skip:     d.Skip,
	}
	for n := range s.params {
		s.params[n] = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES " +
			strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", n), ", ")
	}
	return s
}

// Int returns the integer in a column, or 0 if there is none.
func Int(v Value) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	}
	return 0
}

// Text returns the content of a column as text, "" for NULL.
func Text(v Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}
