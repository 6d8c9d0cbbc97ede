package table

import (
	"errors"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/model"
)

const pkg fault.Package = "table"

// Hints that name a setting.
var (
	setClasses  = fault.Hint{Field: "table.CSV.Classes", Want: "set %s"}
	otherClass  = fault.Hint{Field: "table.CSV.Positive", Want: "name one of two classes with %s"}
	ignore      = fault.Hint{Field: "table.CSV.Ignore", Want: "ignore the column with %s"}
	ignoreBlank = fault.Hint{Field: "table.CSV.Ignore", Want: "add \"\" to %s"}
	readAsTexts = fault.Hint{Field: "table.CSV.Categorical", Want: "read the column as categories with %s"}
	readAsNone  = fault.Hint{Field: "table.CSV.NA", Want: "list it with %s if it means a missing value"}
	orderBy     = fault.Hint{Field: "table.CSV.Time", Want: "sort the rows by it with %s"}
	leaveOrder  = fault.Hint{Field: "table.Splits.Ordered", Want: "leave out %s"}
	setGroups   = fault.Hint{Field: "table.CSV.Group", Want: "name the column that says which rows are ranked together with %s"}
	leaveGroups = fault.Hint{Field: "table.Table.Group", Want: "leave out %s"}
)

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
