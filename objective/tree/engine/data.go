package engine

import (
	"errors"
	"fmt"
	"math"
)

// ErrData reports data that cannot be used for training: columns of unequal
// length, a label that is not a number, a category that is not a whole number. The
// message names the column and the row, both counted from 0.
var ErrData = errors.New("invalid data")

// maxCategory is the largest code of a category. Models hold categories as bit
// sets, whose size grows with the largest code.
const maxCategory = 1<<20 - 1

// maxRows keeps row numbers within 32 bits, and sums of gradients within 64.
const maxRows = 1 << 28

// Check reports why a model cannot be trained on train with p: first any error of
// [Params.Validate], then any fault in the data or mismatch with the settings.
// Errors wrap [ErrParams] or [ErrData]. Engines call it first.
func Check(train, valid Dataset, p Params) error {
	if err := p.Validate(); err != nil {
		return err
	}
	q := p.WithDefaults(len(train.Columns))
	if err := train.check("train", q, p.Method != Isolation); err != nil {
		return err
	}
	if valid.Rows() > 0 {
		if err := valid.check("valid", q, p.Method != Isolation && valid.Label != nil); err != nil {
			return err
		}
		if err := valid.alike(train); err != nil {
			return err
		}
	}
	return p.fits(train, valid)
}

// A Dataset is a table of numbers, stored by column. [Columns] converts rows to
// columns. An engine does not modify a Dataset or keep a reference to it.
//
// Features are ordinary numbers. NaN is a missing value; the infinities are less and
// greater than all other values.
type Dataset struct {
	// Columns has a slice for each feature. All have the same length, the number of rows.
	Columns [][]float64
	// Names has a name for each column. Nil names them Column_0, Column_1, ...
	Names []string
	// Label has a finite number for each row. Isolation forests need no labels. Validation
	// rows need none if only their predictions are wanted.
	Label []float64
	// Weight has a finite number, at least 0, for each row. Nil gives all rows weight 1.
	// A row of weight 0 has no effect.
	Weight []float64
	// Query has a number for each row, which says whose answer it is; the rows of a query are
	// adjacent. Only the LambdaRank loss needs it, and others ignore it.
	Query []int
	// Categorical lists the columns that hold categories: whole numbers from 0 to
	// 1048575. NaN or a negative number is a missing category.
	Categorical []int
}

// Columns returns the columns of a table stored row by row in values. Each row has
// width values. Columns panics if width does not divide the length of values.
func Columns(values []float64, width int) [][]float64 {
	if width <= 0 || len(values)%width != 0 {
		panic(fmt.Sprintf("engine: columns: %d values are no rows of %d", len(values), width))
	}
	rows := len(values) / width
	all := make([]float64, len(values))
	columns := make([][]float64, width)
	for f := range columns {
		column := all[f*rows : (f+1)*rows : (f+1)*rows]
		for i := range column {
			column[i] = values[i*width+f]
		}
		columns[f] = column
	}
	return columns
}

// Rows returns the number of rows: the length of the first column, or of the
// label if there are no columns.
func (d Dataset) Rows() int {
	if len(d.Columns) > 0 {
		return len(d.Columns[0])
	}
	return len(d.Label)
}

// BadData returns an error that wraps [ErrData].
func BadData(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrData, fmt.Sprintf(format, args...))
}

// check reports the first fault in d. role ("train", "valid") names d in the error.
// labelled says whether d needs labels.
func (d Dataset) check(role string, p Params, labelled bool) error {
	n := d.Rows()
	switch {
	case len(d.Columns) == 0:
		return BadData("%s: no columns", role)
	case n == 0:
		return BadData("%s: no rows", role)
	case n > maxRows:
		return BadData("%s: %d rows, at most %d", role, n, maxRows)
	case d.Names != nil && len(d.Names) != len(d.Columns):
		return BadData("%s: %d names for %d columns", role, len(d.Names), len(d.Columns))
	case d.Weight != nil && len(d.Weight) != n:
		return BadData("%s: %d weights for %d rows", role, len(d.Weight), n)
	case labelled && len(d.Label) != n:
		return BadData("%s: %d labels for %d rows", role, len(d.Label), n)
	}
	for f, column := range d.Columns {
		if len(column) != n {
			return BadData("%s: column %d has %d rows, column 0 has %d", role, f, len(column), n)
		}
	}
	seen := make(map[int]bool, len(d.Categorical))
	for _, f := range d.Categorical {
		if f < 0 || f >= len(d.Columns) {
			return BadData("%s: categorical column %d of %d", role, f, len(d.Columns))
		}
		if seen[f] {
			return BadData("%s: categorical column %d is listed more than once", role, f)
		}
		seen[f] = true
		for i, v := range d.Columns[f] {
			if v > maxCategory || v != math.Trunc(v) && !math.IsNaN(v) {
				return BadData("%s: column %d, row %d: category %v is not a whole number up to %d", role, f, i, v, maxCategory)
			}
		}
	}
	total := 0.0
	for i, w := range d.Weight {
		if !(w >= 0 && w <= maxMagnitude) {
			return BadData("%s: weight of row %d is %v, not a finite number >= 0", role, i, w)
		}
		total += w
	}
	if d.Weight != nil && total == 0 {
		return BadData("%s: all weights are 0", role)
	}
	if !labelled {
		return nil
	}
	if p.Loss == LambdaRank {
		if len(d.Query) != n {
			return BadData("%s: %d queries for %d rows: lambdarank needs the query of each row", role, len(d.Query), n)
		}
		begun := map[int]bool{}
		for i, q := range d.Query {
			if (i == 0 || q != d.Query[i-1]) && begun[q] {
				return BadData("%s: row %d is of query %d, which ended before it: sort the rows by query", role, i, q)
			}
			begun[q] = true
		}
	}
	for i, y := range d.Label {
		if math.IsNaN(y) || math.Abs(y) > maxMagnitude {
			return BadData("%s: label of row %d is %v, not a number between -1e100 and 1e100", role, i, y)
		}
		if want, ok := p.accepts(y); !ok {
			return BadData("%s: label of row %d is %v: %s", role, i, y, want)
		}
	}
	return nil
}

// maxMagnitude bounds labels and weights, so that sums of squares stay finite.
const maxMagnitude = 1e100

// accepts reports whether the loss accepts the label y, and if not, what it wants.
func (p Params) accepts(y float64) (want string, ok bool) {
	switch p.Loss {
	case Poisson, Tweedie:
		return "it must not be negative", y >= 0
	case Logistic:
		return "it must be 0 or 1", y == 0 || y == 1
	case LambdaRank:
		return "it must be a grade, a whole number from 0 to 30", y >= 0 && y <= MaxGrade && y == math.Trunc(y)
	case Softmax:
		return fmt.Sprintf("it must be a class, 0 to %d", p.Classes-1), y >= 0 && y < float64(p.Classes) && y == math.Trunc(y)
	}
	return "", true
}

// alike returns an error if the columns of d differ from those of train.
func (d Dataset) alike(train Dataset) error {
	if len(d.Columns) != len(train.Columns) {
		return BadData("valid: %d columns, train has %d", len(d.Columns), len(train.Columns))
	}
	for f := range d.Names {
		if train.Names != nil && d.Names[f] != train.Names[f] {
			return BadData("valid: column %d is %q, in train it is %q", f, d.Names[f], train.Names[f])
		}
	}
	return nil
}
