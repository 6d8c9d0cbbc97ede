// Package data contains the data sets that ship with attune, for examples and tests. Its
// README gives their origin.
package data

import "embed"

// Files contains the CSV files of this folder.
//
//go:embed *.csv
var Files embed.FS
