package table

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A Column holds one value per row.
type Column struct {
	Name string
	// Values are numbers, or indices of Categories. NaN is a missing value.
	Values []float64
	// Categories are the distinct texts of a categorical column, or the classes of a
	// target; nil for numbers.
	Categories []string
}

// A Table is the data that a model learns from. [CSV] reads one; one that is built by hand
// is checked when it is used. It is read only: copies of a Table share its slices.
type Table struct {
	Columns []Column // the features, at least one
	// Target is the column to predict: numbers or classes. Isolation forests do not learn
	// from it but are judged by it: anomalies are 1 and other rows 0, or anomalies are the
	// second of two classes. For a ranking the numbers are grades; see [NDCG]. Values is nil if there is no target.
	Target Column
	// Weight says how much a row counts in training and in scores. It is at least 0; a row
	// of weight 0 has no effect. Default 1 for each row.
	Weight []float64
	// Group holds the number of the group of each row. No fold splits a group, and a ranking
	// orders the rows of each.
	// Default: each row is its own group.
	Group []int

	NA    []string // texts that mean a missing value, for models that predict rows of texts; default as in [CSV]
	Comma rune     // field separator, for models that predict files; default as in [CSV.Comma]
}

// Rows returns the number of rows.
func (t Table) Rows() int {
	if len(t.Columns) == 0 {
		return 0
	}
	return len(t.Columns[0].Values)
}

// Take returns a table of the given rows of t, numbered from 0, in the given order.
func (t Table) Take(rows []int) Table {
	out := t
	out.Columns = nil
	for _, c := range t.Columns {
		c.Values = take(c.Values, rows)
		out.Columns = append(out.Columns, c)
	}
	out.Target.Values = take(t.Target.Values, rows)
	out.Weight = take(t.Weight, rows)
	out.Group = take(t.Group, rows)
	return out
}

func take[T any](values []T, rows []int) []T {
	if values == nil {
		return nil
	}
	out := make([]T, len(rows))
	for i, row := range rows {
		out[i] = values[row]
	}
	return out
}

// Features returns the values of the features, row by row.
func (t Table) Features() [][]float64 {
	out := make([][]float64, t.Rows())
	all := make([]float64, len(out)*len(t.Columns))
	for i := range out {
		out[i], all = all[:len(t.Columns):len(t.Columns)], all[len(t.Columns):]
		for f, c := range t.Columns {
			out[i][f] = c.Values[i]
		}
	}
	return out
}

// Validate reports the first inconsistency in t, wrapping [ErrTable] and naming the column
// and the row, counted from 0: lengths that differ, names that are empty or duplicated,
// invalid indices of categories, targets that are missing or not finite, negative weights.
// It wraps [ErrConstant] for a target with only one value.
func (t Table) Validate() error {
	fail := func(format string, args ...any) error {
		return pkg.Errorf("%w: %s", ErrTable, fmt.Sprintf(format, args...))
	}
	n := t.Rows()
	if n == 0 {
		return pkg.Errorf("%w: %w", ErrTable, ErrEmpty)
	}
	all := t.Columns
	if t.Target.Values != nil {
		all = append(slices.Clone(all), t.Target)
	}
	for i, c := range all {
		target := i == len(t.Columns)
		switch same := func(d Column) bool { return c.Name == d.Name }; {
		case c.Name == "" && !target:
			return fail("column %d has no name", i)
		case slices.ContainsFunc(all[:i], same):
			return fail("column %q occurs twice", c.Name)
		case len(c.Values) != n:
			return fail("column %q has %d rows, %q has %d", c.Name, len(c.Values), t.Columns[0].Name, n)
		}
		if at, twice := repeated(c.Categories); twice {
			return fail("column %q: category %q occurs twice", c.Name, at)
		}
		if i := slices.IndexFunc(c.Categories, func(text string) bool { return !utf8.ValidString(text) }); i >= 0 {
			return fail("column %q: category %q is not UTF-8", c.Name, c.Categories[i])
		}
		for row, v := range c.Values {
			switch {
			case target && (math.IsNaN(v) || math.IsInf(v, 0)):
				return fail("target %q, row %d: %v", c.Name, row, v)
			case c.Categories != nil && !math.IsNaN(v) && !(v >= 0 && int(v) < len(c.Categories) && v == math.Trunc(v)):
				return fail("column %q, row %d: %v is not an index of its %d categories", c.Name, row, v, len(c.Categories))
			}
		}
	}
	if len(t.Target.Categories) > maxClasses {
		return fail("target %q has %d classes, more than %d: is it a column of numbers?", t.Target.Name, len(t.Target.Categories), maxClasses)
	}
	if y := t.Target.Values; y != nil && slices.Min(y) == slices.Max(y) {
		return pkg.Errorf("target %q: %w: %s", t.Target.Name, ErrConstant, t.Target.text(y[0]))
	}
	if t.Weight != nil && len(t.Weight) != n || t.Group != nil && len(t.Group) != n {
		return fail("%d weights and %d groups for %d rows", len(t.Weight), len(t.Group), n)
	}
	for row, w := range t.Weight {
		if !(w >= 0) || math.IsInf(w, 0) {
			return fail("weight of row %d: %v, want a finite number of at least 0", row, w)
		}
	}
	return nil
}

const maxClasses = 1000 // the limit of engine.Params.Classes

func repeated(texts []string) (string, bool) {
	seen := map[string]bool{}
	for _, s := range texts {
		if seen[s] {
			return s, true
		}
		seen[s] = true
	}
	return "", false
}

// text formats the value v of c.
func (c Column) text(v float64) string {
	if c.Categories != nil {
		return c.Categories[int(v)]
	}
	return fmt.Sprint(v)
}

// dataset returns t as a dataset of an engine. It includes the target if labelled is set.
func (t Table) dataset(labelled bool) engine.Dataset {
	d := engine.Dataset{Weight: t.Weight}
	for f, c := range t.Columns {
		d.Columns = append(d.Columns, c.Values)
		d.Names = append(d.Names, c.Name)
		if c.Categories != nil {
			d.Categorical = append(d.Categorical, f)
		}
	}
	if labelled {
		d.Label = t.Target.Values
	}
	return d
}

// fingerprint returns a text that is equal for tables with the same columns, weights,
// groups and values.
func (t Table) fingerprint() string {
	h := sha256.New()
	for _, c := range append(slices.Clone(t.Columns), t.Target, Column{Name: "weight", Values: t.Weight}) {
		fmt.Fprintf(h, "|%q %q %d ", c.Name, c.Categories, len(c.Values))
		binary.Write(h, binary.LittleEndian, c.Values)
	}
	fmt.Fprintf(h, "|%d", t.Group)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
