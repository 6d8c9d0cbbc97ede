// Package optunadb defines the meaning of the columns and keys of Optuna's tables: it converts records to rows and
// back, for any database. doc/format/sqlite.md lists them.
package optunadb

import (
	"slices"
	"strings"
)

// Keys of system attributes of a trial that are not its notes.
const (
	FixedKey         = "fixed_params"         // an object
	ProposedPrefix   = "tpe:relative_params:" // and a count from 0: strings, pieces of one object
	ConstraintPrefix = "constraints:"         // and a name: a number
	ConstraintsKey   = "constraints"          // before Optuna 5: a list of numbers, named "0", "1", ...
	ErrorKey         = "attune:error"         // a string
)

// Keys of system attributes of a study that are not its notes.
const (
	SeedKey  = "attune:seed" // an integer
	TokenKey = "attune:id"   // a string; distinguishes a study from a later one with the same row id
)

// OwnPrefix begins the keys that are attune's alone, of trials and of studies.
const OwnPrefix = "attune:"

// ReservedForStudies reports whether no note of a study may have the key.
func ReservedForStudies(key string) bool { return strings.HasPrefix(key, OwnPrefix) }

// Reserved reports whether no note of a trial may have the key.
func Reserved(key string) bool {
	is := func(prefix string) bool { return strings.HasPrefix(key, prefix) }
	return key == FixedKey || key == ConstraintsKey ||
		slices.ContainsFunc([]string{OwnPrefix, ProposedPrefix, ConstraintPrefix}, is)
}
