package table

import (
	"errors"
	"fmt"
)

// What can be wrong with data and settings; errors of this package wrap them.
var (
	ErrEmpty    = errors.New("there are no rows")
	ErrColumn   = errors.New("column")
	ErrNumber   = errors.New("not a finite number")
	ErrMissing  = errors.New("a missing value")
	ErrConstant = errors.New("the target is constant")
	ErrShort    = errors.New("too few rows")
	ErrTable    = errors.New("not a table")
	ErrConfig   = errors.New("not a possible setting")
	ErrScore    = errors.New("no score")
	ErrModel    = errors.New("no model file")
)

// A CSVError says where in a file something is wrong.
type CSVError struct {
	Line   int    // of the file, the header being 1; 0: the file as a whole
	Column string // its name in the header; may be empty
	Value  string // the text found there; may be empty
	Err    error
}

// Error returns what is wrong after line, column and value.
func (e *CSVError) Error() string {
	s := "table: csv"
	if e.Line > 0 {
		s += fmt.Sprintf(": line %d", e.Line)
	}
	if e.Column != "" {
		s += fmt.Sprintf(": column %q", e.Column)
	}
	if e.Value != "" {
		s += fmt.Sprintf(": %q", e.Value)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *CSVError) Unwrap() error { return e.Err }
