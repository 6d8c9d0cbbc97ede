// Package data holds the data sets that ship with attune, for examples and tests; its
// README tells where they are from.
package data

import "embed"

// Files holds the CSV files of this folder.
//
//go:embed *.csv
var Files embed.FS
