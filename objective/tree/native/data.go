package native

import (
	"errors"
	"fmt"
	"math"
)

// ErrData reports data that nothing can be learnt from: columns of unequal
// length, a label that is not a number, a category that is no whole number. The
// message names the column and the row, both counted from 0.
var ErrData = errors.New("native: invalid data")

// maxCategory is the largest code of a category. Models hold categories as bit
// sets, whose size grows with the largest code.
const maxCategory = 1<<20 - 1

// maxRows keeps row numbers in 32 bits, and sums of gradients in 64.
const maxRows = 1 << 28

// A Dataset is a table of numbers, column by column. [Columns] turns rows into
// columns. Fit reads it and keeps nothing of it.
//
// Features are ordinary numbers: NaN is a missing value, and the infinities are
// the smallest and the largest value there are.
type Dataset struct {
	Columns     [][]float64 // one slice a feature, all of one length: the number of rows
	Names       []string    // one name a column; nil names them Column_0, Column_1, ...
	Label       []float64   // one finite number a row; isolation forests need none
	Weight      []float64   // one finite number >= 0 a row; nil weighs all rows 1. A row of weight 0 is as good as absent
	Categorical []int       // the columns that hold categories: whole numbers from 0 to 1048575, NaN or negative for a missing one
}

// Columns returns the columns of a table whose rows follow one another in values,
// each of the given width. It panics if width does not divide the length.
func Columns(values []float64, width int) [][]float64 {
	if width <= 0 || len(values)%width != 0 {
		panic(fmt.Sprintf("native: columns: %d values are no rows of %d", len(values), width))
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
// label where there are no columns.
func (d Dataset) Rows() int {
	if len(d.Columns) > 0 {
		return len(d.Columns[0])
	}
	return len(d.Label)
}

func badData(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrData, fmt.Sprintf(format, args...))
}

// check reports what is wrong with d, called role ("train", "valid").
func (d Dataset) check(role string, o objective) error {
	n := d.Rows()
	switch {
	case len(d.Columns) == 0:
		return badData("%s: no columns", role)
	case n == 0:
		return badData("%s: no rows", role)
	case n > maxRows:
		return badData("%s: %d rows, of which %d can be handled", role, n, maxRows)
	case d.Names != nil && len(d.Names) != len(d.Columns):
		return badData("%s: %d names for %d columns", role, len(d.Names), len(d.Columns))
	case d.Weight != nil && len(d.Weight) != n:
		return badData("%s: %d weights for %d rows", role, len(d.Weight), n)
	case o != nil && len(d.Label) != n:
		return badData("%s: %d labels for %d rows", role, len(d.Label), n)
	}
	for f, column := range d.Columns {
		if len(column) != n {
			return badData("%s: column %d has %d rows, column 0 has %d", role, f, len(column), n)
		}
	}
	seen := make(map[int]bool, len(d.Categorical))
	for _, f := range d.Categorical {
		if f < 0 || f >= len(d.Columns) {
			return badData("%s: categorical column %d of %d", role, f, len(d.Columns))
		}
		if seen[f] {
			return badData("%s: categorical column %d is listed twice", role, f)
		}
		seen[f] = true
		for i, v := range d.Columns[f] {
			if v > maxCategory || v != math.Trunc(v) && !math.IsNaN(v) {
				return badData("%s: column %d, row %d: category %v is no whole number up to %d", role, f, i, v, maxCategory)
			}
		}
	}
	total := 0.0
	for i, w := range d.Weight {
		if !(w >= 0 && w <= maxMagnitude) {
			return badData("%s: weight of row %d is %v, not a finite number >= 0", role, i, w)
		}
		total += w
	}
	if d.Weight != nil && total == 0 {
		return badData("%s: all weights are 0", role)
	}
	if o == nil {
		return nil
	}
	for i, y := range d.Label {
		if math.IsNaN(y) || math.Abs(y) > maxMagnitude {
			return badData("%s: label of row %d is %v, not a number between -1e100 and 1e100", role, i, y)
		}
		if err := o.accepts(y); err != nil {
			return badData("%s: label of row %d is %v: %v", role, i, y, err)
		}
	}
	return nil
}

// maxMagnitude bounds labels and weights, so that sums of squares stay finite.
const maxMagnitude = 1e100

// alike reports how valid does not fit train.
func (d Dataset) alike(train Dataset) error {
	if len(d.Columns) != len(train.Columns) {
		return badData("valid: %d columns, train has %d", len(d.Columns), len(train.Columns))
	}
	for f := range d.Names {
		if train.Names != nil && d.Names[f] != train.Names[f] {
			return badData("valid: column %d is %q, in train it is %q", f, d.Names[f], train.Names[f])
		}
	}
	return nil
}

// weighted returns d without its rows of weight 0, and without weights that say
// nothing because all are 1.
func (d Dataset) weighted() Dataset {
	if d.Weight == nil {
		return d
	}
	kept, ones := 0, true
	for _, w := range d.Weight {
		if w != 0 {
			kept++
			ones = ones && w == 1
		}
	}
	if kept < len(d.Weight) {
		keep := func(values []float64) []float64 {
			if values == nil {
				return nil
			}
			out := make([]float64, 0, kept)
			for i, v := range values {
				if d.Weight[i] != 0 {
					out = append(out, v)
				}
			}
			return out
		}
		columns := make([][]float64, len(d.Columns))
		for f := range columns {
			columns[f] = keep(d.Columns[f])
		}
		d.Columns, d.Label, d.Weight = columns, keep(d.Label), keep(d.Weight)
	}
	if ones {
		d.Weight = nil
	}
	return d
}
