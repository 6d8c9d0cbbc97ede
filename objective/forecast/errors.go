package forecast

import (
	"errors"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/csvfile"
)

const pkg fault.Package = "forecast"

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

// A CSVError says where in a file something is wrong. It has four fields: the Line of the
// file, an int, which is 1 for the header and 0 for the file as a whole; the name of the
// Column and the text of the Value, which may be empty; and Err, what is wrong.
type CSVError = csvfile.Error
