package dbserver

import (
	"fmt"
	"strings"

	"github.com/attune-hpo/attune/storage/internal/tables"
)

// A Dialect is the SQL of an engine.
type Dialect struct {
	*tables.Statements
	Key   string // the column named key, in quotes if need be
	Text  string // a format that casts an expression to text
	Float string // NULL of the type of floating-point numbers
	Lock  string // ends a SELECT that locks what it returns
	// LockTrials ends a SELECT that locks the rows of its table t, and perhaps others.
	LockTrials string
	Listed     string // the columns id and mark of the parameter, a JSON list of pairs
	// Each joins every row of a first table, which has the id of a trial, to the rows of that
	// trial in a second table, as x and by index; a format of both names.
	Each string
	// Version returns, as text, a value that differs whenever newly committed changes are visible. It is "" if the
	// engine has no such value.
	Version string
	// Assert locks a running trial, which is a parameter, and fails with an error of the class Clash unless the
	// condition appended to it holds, too. It is "" for an engine whose queries cannot be made to fail.
	Assert string
	// Beat renews the lease of a trial if the trial is running.
	Beat string
	// Ago is the database's time minus a number of seconds, which is a parameter.
	Ago string
	// MaxName is the maximum number of characters in a name. NoNUL forbids NUL among them.
	MaxName int
	NoNUL   bool

	news, whole, expired string
}

// The kinds of a Row, and where the columns of the tables are in one.
const (
	kindTrial   = iota // N number, K state, V start, W end
	kindParam          // K name, X value, V distribution
	kindReport         // N step, X value, K type
	kindValue          // N objective, X value, K type
	kindUser           // K key, V JSON
	kindSystem         // K key, V JSON
	kindStudy          // is there if the study is
	kindVersion        // V version
)

// Complete fills in the statements that are built from the others.
func (d *Dialect) Complete() *Dialect {
	text := func(column string) string { return fmt.Sprintf(d.Text, column) }
	arms := []struct{ table, columns string }{
		{"trials", "0, number, " + text("state") + ", " + d.Float + ", " + text("datetime_start") + ", " + text("datetime_complete")},
		{"trial_params", "param_id, 0, " + text("param_name") + ", param_value, " + text("distribution_json") + ", NULL"},
		{"trial_intermediate_values", "trial_intermediate_value_id, step, " + text("intermediate_value_type") + ", intermediate_value, NULL, NULL"},
		{"trial_values", "trial_value_id, objective, " + text("value_type") + ", value, NULL, NULL"},
		{"trial_user_attributes", "trial_user_attribute_id, 0, " + text(d.Key) + ", NULL, " + text("value_json") + ", NULL"},
		{"trial_system_attributes", "trial_system_attribute_id, 0, " + text(d.Key) + ", NULL, " + text("value_json") + ", NULL"},
	}
	var news, whole strings.Builder
	news.WriteString("WITH listed AS (" + d.Listed + "), " +
		"which AS (SELECT listed.id, CASE WHEN x.state = 'RUNNING' THEN listed.mark ELSE 0 END AS mark FROM " + fmt.Sprintf(d.Each, "listed", "trials") + " " +
		// A range with two ends, so that no planner estimates it as a third of the table.
		"UNION ALL SELECT trial_id, 0 FROM trials WHERE study_id = ? AND trial_id > ? AND trial_id < 2147483648) ")
	for kind, arm := range arms {
		fmt.Fprintf(&news, "SELECT %d, x.trial_id, %s FROM %s", kind, arm.columns, fmt.Sprintf(d.Each, "which", arm.table))
		fmt.Fprintf(&whole, "SELECT %d, x.trial_id, %s FROM %s x ", kind, arm.columns, arm.table)
		if kind == kindTrial {
			whole.WriteString("WHERE study_id = ?")
		} else {
			whole.WriteString("JOIN trials t ON t.trial_id = x.trial_id WHERE t.study_id = ?")
		}
		if kind == kindReport {
			news.WriteString(" WHERE trial_intermediate_value_id > which.mark")
		}
		news.WriteString(" UNION ALL ")
		whole.WriteString(" UNION ALL ")
	}
	rest := fmt.Sprintf("SELECT %d, 0, 0, 0, NULL, NULL, NULL, NULL FROM studies WHERE study_id = ?", kindStudy)
	if d.Version != "" {
		rest += fmt.Sprintf(" UNION ALL SELECT %d, 0, 0, 0, NULL, NULL, (%s), NULL", kindVersion, d.Version)
	}
	d.news, d.whole = news.String()+rest, whole.String()+rest
	d.expired = "SELECT t.trial_id FROM (" + d.Listed + ") k JOIN trials t ON t.trial_id = k.id JOIN trial_heartbeats h ON h.trial_id = t.trial_id " +
		"WHERE t.state = 'RUNNING' AND h.heartbeat < " + d.Ago + " ORDER BY t.trial_id"
	return d
}

const (
	countParams  = "(SELECT count(*) FROM trial_params p WHERE p.trial_id = t.trial_id)"
	countReports = "(SELECT count(*) FROM trial_intermediate_values r WHERE r.trial_id = t.trial_id)"
)

// guard locks a trial and returns the counts of its rows.
func (d *Dialect) guard() string {
	return "SELECT " + fmt.Sprintf(d.Text, "state") + ", " + countParams + ", " + countReports + " FROM trials t WHERE trial_id = ? " + d.Lock
}
