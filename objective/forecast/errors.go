package forecast

import (
	"errors"
	"fmt"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/csvfile"
)

const pkg fault.Package = "forecast"

// Hints that name a setting.
var (
	setSort       = fault.Hint{Field: "forecast.CSV.Sort", Want: "set %s"}
	tellApart     = fault.Hint{Field: "forecast.CSV.ID", Want: "name the column that tells them apart with %s"}
	setLayout     = fault.Hint{Field: "forecast.CSV.Layout", Want: "set %s to the way it is written, as in 02/01/2006"}
	setFreq       = fault.Hint{Field: "forecast.CSV.Freq", Want: "state it with %s"}
	setFill       = fault.Hint{Field: "forecast.CSV.Fill", Want: "set %s to carry, interpolate or keep"}
	allowConstant = fault.Hint{Field: "forecast.CSV.AllowConstant", Want: "set %s if it is meant to be"}
	fewerLags     = fault.Hint{Field: "forecast.Recipe.Lags", Want: "lower %s"}
	lessHoldout   = fault.Hint{Field: "forecast.FitOptions.Holdout", Want: "lower %s"}
)

// of returns a prefix for errors that names a series, or "" for the nameless series of a
// frame.
func of(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf("series %q: ", id)
}

// Causes of errors in data and settings. Errors of this package wrap them.
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
	ErrDomain    = errors.New("outside the transform's domain")
	ErrHorizon   = errors.New("the horizon")
	ErrConfig    = errors.New("not a possible setting")
	ErrNotFitted = errors.New("not fitted: fit or load it first")
	ErrFormat    = errors.New("not a saved forecaster of this kind")
)

// A CSVError gives the place of an error in a file. It has four fields: the Line of the
// file, an int, which is 1 for the header and 0 for the file as a whole; the name of the
// Column and the text of the Value, both possibly empty; and Err, the cause.
type CSVError = csvfile.Error
