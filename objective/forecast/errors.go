package forecast

import (
	"errors"

	"github.com/attune-hpo/attune/internal/csvfile"
)

// What can be wrong with data and settings; errors of this package wrap them.
var (
	ErrEmpty     = csvfile.ErrEmpty  // "there are no rows"
	ErrColumn    = csvfile.ErrColumn // "column"
	ErrTime      = errors.New("not a time")
	ErrFrequency = errors.New("no frequency")
	ErrOrder     = errors.New("out of order")
	ErrDuplicate = errors.New("duplicate")
	ErrGap       = errors.New("a gap")
	ErrNumber    = errors.New("not a finite number")
	ErrMissing   = errors.New("a missing value")
	ErrConstant  = errors.New("the target is constant")
	ErrShort     = errors.New("too few rows")
	ErrDomain    = errors.New("outside of the transform's domain")
	ErrHorizon   = errors.New("the horizon")
	ErrConfig    = errors.New("not a possible setting")
	ErrNotFitted = errors.New("not fitted: call Fit or Load first")
	ErrFormat    = errors.New("not a saved forecaster of this kind")
)

// A CSVError says where in a table something is wrong.
type CSVError struct {
	Line   int    // of the file, the header being 1; 0: the table as a whole
	Column string // its name in the header; may be empty
	Value  string // the text found there; may be empty
	Err    error
}

// Error returns what is wrong after line, column and value, long ones cut short.
func (e *CSVError) Error() string { return "forecast: csv: " + (*csvfile.Error)(e).Error() }

// Unwrap returns the cause.
func (e *CSVError) Unwrap() error { return e.Err }

// located returns the error of a reader as one of this package.
func located(err error) error {
	if e, ok := errors.AsType[*csvfile.Error](err); ok {
		return (*CSVError)(e)
	}
	return err
}
