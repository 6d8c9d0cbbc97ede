package pipeline

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/tree"
)

// An Op is an operator. The set of operators is closed; their documentation says "is an Op".
type Op interface {
	// name is the name in files.
	name() string
	// width returns the number of numbers per row, for inputs of the given widths.
	width(m *Model, in []int) (int, error)
}

// one checks that there is one input, and returns its width.
func one(in []int) (int, error) {
	if len(in) != 1 {
		return 0, fmt.Errorf("%d inputs, want one", len(in))
	}
	return in[0], nil
}

// Columns is an Op without inputs. It returns columns of the table that are numbers.
type Columns struct {
	At []int `json:"at"`
}

// Join is an Op that concatenates the rows of its inputs.
type Join struct{}

// Pick is an Op that selects numbers of a row.
type Pick struct {
	At []int `json:"at"`
}

// Arithmetic is an Op that adds, subtracts, multiplies or divides each number of a row by its
// own constant. NaN stays NaN.
type Arithmetic struct {
	Do Operation `json:"do"`
	By []float64 `json:"by"`
}

// An Operation is an operation of [Arithmetic]: x + by, x - by, x * by or x / by.
type Operation string

// The operations.
const (
	Add      Operation = "add"
	Subtract Operation = "subtract"
	Multiply Operation = "multiply"
	Divide   Operation = "divide"
)

// Clip is an Op that limits numbers to [Low, High]. NaN stays NaN.
type Clip struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Fill is an Op that replaces missing values by a constant for each column. A value is missing
// if it equals Missing, which may be NaN. If the constant is NaN, the result is NaN.
type Fill struct {
	Missing Float   `json:"missing"`
	With    []Float `json:"with"`
}

// Flag is an Op that returns 1 for a missing number, else 0.
type Flag struct {
	Missing Float `json:"missing"`
}

// OneHot is an Op that turns each number into one number per category: 1 for the category that
// it equals, 0 for the others. Dropped, if not empty, gives for each number the index of a
// category that is left out, or -1. A number that equals no category becomes zeros. NaN equals a
// category NaN.
type OneHot struct {
	Categories [][]Float `json:"categories"`
	Dropped    []int     `json:"dropped,omitempty"`
}

// Ordinal is an Op that turns each number into the index of its category, or Unknown if it
// equals none. Values, if not empty, are what categories become instead of their indices.
type Ordinal struct {
	Categories [][]Float `json:"categories"`
	Values     [][]Float `json:"values,omitempty"`
	Unknown    Float     `json:"unknown"`
}

// Value returns what a category of a column becomes.
func (o Ordinal) Value(column, category int) float64 { return valueOf(o.Values, column, category) }

func valueOf(values [][]Float, column, category int) float64 {
	if len(values) > 0 {
		return float64(values[column][category])
	}
	return float64(category)
}

// sameLengths checks that values are for categories of the given lengths, if there are any.
func sameLengths(values [][]Float, n int, categories func(i int) int) error {
	if len(values) == 0 {
		return nil
	}
	if len(values) != n {
		return fmt.Errorf("values for %d columns of %d", len(values), n)
	}
	for i, of := range values {
		if len(of) != categories(i) {
			return fmt.Errorf("%d values for %d categories", len(of), categories(i))
		}
	}
	return nil
}

// Normalize is an Op that divides each row by its norm: "l1", "l2", or "max", which is the
// maximum of the absolute values. A row of zeros stays unchanged.
type Normalize struct {
	Norm string `json:"norm"`
}

// Trees is an Op that predicts with a tree ensemble and its link.
type Trees struct {
	Model *tree.Model `json:"-"`
}

// Linear is an Op that returns, for each row of weights, the bias plus the weighted sum of the
// numbers of a row. It adds them in order, bias first. NaN makes the sum NaN.
type Linear struct {
	Weights [][]float64 `json:"weights"`
	Bias    []float64   `json:"bias"`
}

// Apply is an Op that applies the link of a tree ensemble to a row.
type Apply struct {
	Link tree.Link `json:"link"`
}

// Complement is an Op that turns one number p into [1-p, p].
type Complement struct{}

// Largest is an Op that returns the index of the largest number of a row, or the first index if
// several are equal. NaN counts as the largest.
type Largest struct{}

// Side is an Op that returns 0 for numbers below 0 and 1 for others.
type Side struct{}

// A Float is a float64 in JSON. NaN and infinities are strings.
type Float float64

func (Columns) name() string    { return "columns" }
func (Join) name() string       { return "join" }
func (Pick) name() string       { return "pick" }
func (Arithmetic) name() string { return "arithmetic" }
func (Clip) name() string       { return "clip" }
func (Fill) name() string       { return "fill" }
func (Flag) name() string       { return "flag" }
func (OneHot) name() string     { return "one hot" }
func (Ordinal) name() string    { return "ordinal" }
func (Normalize) name() string  { return "normalize" }
func (Trees) name() string      { return "trees" }
func (Linear) name() string     { return "linear" }
func (Apply) name() string      { return "link" }
func (Complement) name() string { return "complement" }
func (Largest) name() string    { return "largest" }
func (Side) name() string       { return "side" }

func (o Columns) width(m *Model, in []int) (int, error) {
	if len(in) != 0 {
		return 0, fmt.Errorf("%d inputs, want none", len(in))
	}
	for _, at := range o.At {
		if at < 0 || at >= len(m.Inputs) || m.Inputs[at].Kind != Number {
			return 0, fmt.Errorf("column %d is not among the %d, or is not a number", at, len(m.Inputs))
		}
	}
	return len(o.At), nil
}

func (Join) width(_ *Model, in []int) (int, error) {
	sum := 0
	for _, w := range in {
		sum += w
	}
	return sum, nil
}

func (o Pick) width(_ *Model, in []int) (int, error) {
	w, err := one(in)
	for _, at := range o.At {
		if err == nil && (at < 0 || at >= w) {
			err = fmt.Errorf("number %d of %d", at, w)
		}
	}
	return len(o.At), err
}

// each returns the width of an operator with a setting for each number of a row.
func each(in []int, settings int) (int, error) {
	w, err := one(in)
	if err == nil && settings != w {
		err = fmt.Errorf("settings for %d numbers of %d", settings, w)
	}
	return w, err
}

func (o Arithmetic) width(_ *Model, in []int) (int, error) {
	switch o.Do {
	case Add, Subtract, Multiply, Divide:
	default:
		return 0, fmt.Errorf("operation %q is unknown", o.Do)
	}
	for _, by := range o.By {
		if !finite(by) {
			return 0, fmt.Errorf("%s by %v", o.Do, by)
		}
	}
	return each(in, len(o.By))
}

func (o Clip) width(_ *Model, in []int) (int, error) {
	if !(o.Low <= o.High) {
		return 0, fmt.Errorf("from %v to %v", o.Low, o.High)
	}
	return one(in)
}

func (o Fill) width(_ *Model, in []int) (int, error) { return each(in, len(o.With)) }
func (o Flag) width(_ *Model, in []int) (int, error) { return one(in) }

// kept returns the number of columns that a number becomes, and calls f for each category with
// a column.
func (o OneHot) kept(i int, f func(c Float, at int)) int {
	n := 0
	for k, c := range o.Categories[i] {
		if len(o.Dropped) > 0 && o.Dropped[i] == k {
			continue
		}
		if f != nil {
			f(c, n)
		}
		n++
	}
	return n
}

func (o OneHot) width(_ *Model, in []int) (int, error) {
	if _, err := each(in, len(o.Categories)); err != nil {
		return 0, err
	}
	if len(o.Dropped) != 0 && len(o.Dropped) != len(o.Categories) {
		return 0, fmt.Errorf("%d dropped categories for %d numbers", len(o.Dropped), len(o.Categories))
	}
	w := 0
	for i := range o.Categories {
		w += o.kept(i, nil)
	}
	return w, nil
}

func (o Ordinal) width(_ *Model, in []int) (int, error) {
	if err := sameLengths(o.Values, len(o.Categories), func(i int) int { return len(o.Categories[i]) }); err != nil {
		return 0, err
	}
	return each(in, len(o.Categories))
}

func (o Normalize) width(_ *Model, in []int) (int, error) {
	if o.Norm != "l1" && o.Norm != "l2" && o.Norm != "max" {
		return 0, fmt.Errorf("norm %q: want l1, l2 or max", o.Norm)
	}
	return one(in)
}

func (o Trees) width(_ *Model, in []int) (int, error) {
	if err := o.Model.Validate(); err != nil {
		return 0, err
	}
	_, err := each(in, len(o.Model.Features))
	return o.Model.Outputs, err
}

func (o Linear) width(_ *Model, in []int) (int, error) {
	w, err := one(in)
	if err != nil {
		return 0, err
	}
	if len(o.Bias) != len(o.Weights) {
		return 0, fmt.Errorf("%d biases for %d outputs", len(o.Bias), len(o.Weights))
	}
	for k, row := range o.Weights {
		if len(row) != w {
			return 0, fmt.Errorf("%d weights for %d numbers", len(row), w)
		}
		for _, x := range append(row[:len(row):len(row)], o.Bias[k]) {
			if !finite(x) {
				return 0, fmt.Errorf("a weight or bias is %v", x)
			}
		}
	}
	return len(o.Weights), nil
}

func (o Apply) width(_ *Model, in []int) (int, error) {
	w, err := one(in)
	if err == nil && (o.Link.Func > tree.MeanVariance || o.Link.Func == tree.MeanVariance && w != 2) {
		err = fmt.Errorf("link %v of %d numbers", o.Link.Func, w)
	}
	return w, err
}

func (Complement) width(_ *Model, in []int) (int, error) {
	w, err := one(in)
	if err == nil && w != 1 {
		err = fmt.Errorf("%d numbers, want one", w)
	}
	return 2, err
}

func (Largest) width(_ *Model, in []int) (int, error) {
	_, err := one(in)
	return 1, err
}

func (Side) width(_ *Model, in []int) (int, error) { return one(in) }

// same reports whether x equals a category or the missing value f.
func (f Float) same(x float64) bool {
	return x == float64(f) || x != x && f != f
}

// A matrix has rows of numbers, one after the other.
type matrix struct {
	width int
	data  []float64
}

func (x matrix) row(i int) []float64 { return x.data[i*x.width : (i+1)*x.width] }

// compute applies an operator other than Columns and Trees to rows.
func compute(op Op, in []matrix, width, rows int) matrix {
	out := matrix{width, make([]float64, rows*width)}
	for i := range rows {
		to := out.row(i)
		switch op.(type) {
		case Join, Between, Blend:
			several(op, in, i, to)
		default:
			row(op, in[0].row(i), to)
		}
	}
	return out
}

// row computes one row.
func row(op Op, from, to []float64) {
	switch o := op.(type) {
	case Pick:
		for k, at := range o.At {
			to[k] = from[at]
		}
	case Arithmetic:
		o.row(from, to)
	case Clip:
		for k, x := range from {
			if to[k] = x; x < o.Low {
				to[k] = o.Low
			} else if x > o.High {
				to[k] = o.High
			}
		}
	case Fill:
		for k, x := range from {
			if to[k] = x; o.Missing.same(x) {
				to[k] = float64(o.With[k])
			}
		}
	case Flag:
		for k, x := range from {
			if o.Missing.same(x) {
				to[k] = 1
			}
		}
	case OneHot:
		at := 0
		for k, x := range from {
			at += o.kept(k, func(c Float, n int) {
				if c.same(x) {
					to[at+n] = 1
				}
			})
		}
	case Ordinal:
		for k, x := range from {
			to[k] = float64(o.Unknown)
			if at := slices.IndexFunc(o.Categories[k], func(c Float) bool { return c.same(x) }); at >= 0 {
				to[k] = o.Value(k, at)
			}
		}
	case Normalize:
		o.row(from, to)
	case Damp:
		damp(from, to)
	case Linear:
		for k, weights := range o.Weights {
			sum := 0.0
			for j, w := range weights {
				sum += float64(w * from[j]) // the conversion prevents a fused multiply-add
			}
			to[k] = sum + o.Bias[k]
		}
	case Apply:
		copy(to, from)
		o.Link.Apply(to)
	case Function:
		f := functions[o.Of]
		for k, x := range from {
			to[k] = f(x)
		}
	case Power:
		for k, x := range from {
			to[k] = o.of(k, x)
		}
	case Interpolate:
		for k, x := range from {
			to[k] = o.of(k, x)
		}
	case Bins:
		for k, x := range from {
			for _, edge := range o.Edges[k] {
				if x >= edge {
					to[k]++
				}
			}
		}
	case Product:
		for k, term := range o.Terms {
			to[k] = 1
			for _, at := range term {
				to[k] *= from[at]
			}
		}
	case Radial:
		o.row(from, to)
	case WeightedMedian:
		to[0] = o.of(from)
	case Complement:
		to[0], to[1] = 1-from[0], from[0]
	case Largest:
		best := 0
		for k, x := range from {
			if x > from[best] || x != x && from[best] == from[best] {
				best = k
			}
		}
		to[0] = float64(best)
	case Side:
		for k, x := range from {
			if !(x < 0) {
				to[k] = 1
			}
		}
	default:
		panic(errors.New("pipeline: an operator without a row: " + op.name()))
	}
}

// rows computes all rows: with a subtraction before a division, as a scaler has them, both.
func (o Arithmetic) rows(subtract Arithmetic, from, to []float64) {
	width := len(o.By)
	if subtract.By == nil {
		for at := 0; at < len(from); at += width {
			o.row(from[at:at+width], to[at:at+width])
		}
		return
	}
	for at := 0; at < len(from); at += width {
		x, y := from[at:at+width], to[at:at+width]
		less, by := subtract.By[:len(x)], o.By[:len(x)]
		for k, v := range x {
			y[k] = (v - less[k]) / by[k]
		}
	}
}

func (o Arithmetic) row(from, to []float64) {
	by := o.By[:len(from)]
	to = to[:len(from)]
	switch o.Do {
	case Add:
		for k, x := range from {
			to[k] = x + by[k]
		}
	case Subtract:
		for k, x := range from {
			to[k] = x - by[k]
		}
	case Multiply:
		for k, x := range from {
			to[k] = x * by[k]
		}
	case Divide:
		for k, x := range from {
			to[k] = x / by[k]
		}
	}
}

func (o Normalize) row(from, to []float64) {
	norm := 0.0
	for _, x := range from {
		switch o.Norm {
		case "l1":
			norm += math.Abs(x)
		case "l2":
			norm += float64(x * x)
		case "max":
			norm = max(norm, math.Abs(x))
		}
	}
	if o.Norm == "l2" {
		norm = math.Sqrt(norm)
	}
	if norm == 0 {
		norm = 1
	}
	for k, x := range from {
		to[k] = x / norm
	}
}

// TextOneHot is [OneHot] for columns of the table that are texts. It has no inputs.
type TextOneHot struct {
	At         []int      `json:"at"`
	Categories [][]string `json:"categories"`
	Dropped    []int      `json:"dropped,omitempty"`
}

// TextOrdinal is [Ordinal] for columns of the table that are texts. It has no inputs.
type TextOrdinal struct {
	At         []int      `json:"at"`
	Categories [][]string `json:"categories"`
	Values     [][]Float  `json:"values,omitempty"`
	Unknown    Float      `json:"unknown"`
}

// Value returns what a category of a column becomes.
func (o TextOrdinal) Value(column, category int) float64 {
	return valueOf(o.Values, column, category)
}

func (TextOneHot) name() string  { return "text one hot" }
func (TextOrdinal) name() string { return "text ordinal" }

// texts checks columns of texts that each have a setting.
func texts(m *Model, in, at []int, settings int) error {
	if len(in) != 0 || len(at) != settings {
		return fmt.Errorf("%d inputs and %d columns with %d settings", len(in), len(at), settings)
	}
	for _, c := range at {
		if c < 0 || c >= len(m.Inputs) || m.Inputs[c].Kind != Text {
			return fmt.Errorf("column %d is not among the %d, or is not a text", c, len(m.Inputs))
		}
	}
	return nil
}

// Keeps reports whether a category of a column has its own number.
func (o TextOneHot) Keeps(column, category int) bool {
	return len(o.Dropped) == 0 || o.Dropped[column] != category
}

func (o TextOneHot) width(m *Model, in []int) (int, error) {
	if err := texts(m, in, o.At, len(o.Categories)); err != nil {
		return 0, err
	}
	if len(o.Dropped) != 0 && len(o.Dropped) != len(o.At) {
		return 0, fmt.Errorf("%d dropped categories for %d columns", len(o.Dropped), len(o.At))
	}
	w := 0
	for i, list := range o.Categories {
		for k := range list {
			if o.Keeps(i, k) {
				w++
			}
		}
	}
	return w, nil
}

func (o TextOrdinal) width(m *Model, in []int) (int, error) {
	if err := sameLengths(o.Values, len(o.Categories), func(i int) int { return len(o.Categories[i]) }); err != nil {
		return 0, err
	}
	return len(o.At), texts(m, in, o.At, len(o.Categories))
}

func (o TextOneHot) compute(columns []Column, from, to, width int) matrix {
	x := matrix{width, make([]float64, (to-from)*width)}
	at := 0
	for i, c := range o.At {
		place := map[string]int{}
		for k, name := range o.Categories[i] {
			if o.Keeps(i, k) {
				place[name] = at
				at++
			}
		}
		for r, text := range columns[c].Texts[from:to] {
			if k, ok := place[text]; ok {
				x.data[r*width+k] = 1
			}
		}
	}
	return x
}

func (o TextOrdinal) compute(columns []Column, from, to, width int) matrix {
	x := matrix{width, make([]float64, (to-from)*width)}
	for i, c := range o.At {
		place := map[string]float64{}
		for k, name := range o.Categories[i] {
			place[name] = o.Value(i, k)
		}
		for r, text := range columns[c].Texts[from:to] {
			x.data[r*width+i] = float64(o.Unknown)
			if v, ok := place[text]; ok {
				x.data[r*width+i] = v
			}
		}
	}
	return x
}
