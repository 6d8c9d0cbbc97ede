package table

import (
	"errors"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/model"
)

const pkg fault.Package = "table"

// Causes of errors in data and settings. Errors of this package wrap them.
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
	ErrModel    = errors.New("not a model file")
	// ErrStudy reports a study of another task, whose values are not comparable.
	ErrStudy = model.ErrStudy
)

// A CSVError gives the place of an error in a file. It has four fields: the Line of the
// file, an int, which is 1 for the header and 0 for the file as a whole; the name of the
// Column and the text of the Value, both possibly empty; and Err, the cause.
type CSVError = csvfile.Error
