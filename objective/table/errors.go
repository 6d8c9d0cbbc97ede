package table

import (
	"errors"

	"github.com/attune-hpo/attune/internal/csvfile"
)

// What can be wrong with data and settings; errors of this package wrap them.
var (
	ErrEmpty    = csvfile.ErrEmpty  // "there are no rows"
	ErrColumn   = csvfile.ErrColumn // "column"
	ErrNumber   = errors.New("not a finite number")
	ErrMissing  = errors.New("a missing value")
	ErrConstant = errors.New("the target is constant")
	ErrShort    = errors.New("too few rows")
	ErrTable    = errors.New("not a table")
	ErrConfig   = errors.New("not a possible setting")
	ErrScore    = errors.New("no score")
	ErrModel    = errors.New("no model file")
	// ErrStudy reports a study whose trials are of another task, so that their values do
	// not compare.
	ErrStudy = errors.New("study of another task")
)

// A CSVError says where in a file something is wrong.
type CSVError struct {
	Line   int    // of the file, the header being 1; 0: the file as a whole
	Column string // its name in the header; may be empty
	Value  string // the text found there; may be empty
	Err    error
}

// Error returns what is wrong after line, column and value, long ones cut short.
func (e *CSVError) Error() string { return "table: csv: " + (*csvfile.Error)(e).Error() }

// Unwrap returns the cause.
func (e *CSVError) Unwrap() error { return e.Err }

// located returns the error of a reader as one of this package.
func located(err error) error {
	if e, ok := errors.AsType[*csvfile.Error](err); ok {
		return (*CSVError)(e)
	}
	return err
}
