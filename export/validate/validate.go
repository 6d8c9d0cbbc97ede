// Package validate compares an exported model with the native model that it was made from.
// An export that never ran proves nothing.
//
//	report, err := validate.Gate{}.Compare(native, exported, validate.Rows{Values: rows, Width: 20})
//	if err != nil || !report.Pass {
//		...
//
// A [Gate] says how close the predictions must be. A [Report] has the verdict, its reason
// and the differences. [Windows] are the data on which an exported forecaster is compared.
package validate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "validate"

// ErrInput reports rows that cannot be compared, because there are none or their sizes do not fit.
var ErrInput = errors.New("wrong input")

// A Model predicts rows: see Model in package export/runtime.
type Model interface {
	Predict(rows, out []float64) error
}

// A Gate is a requirement on two predictions of the same values. The zero Gate requires all
// of them to be within 1e-3·|native| + 1e-4 of the native value.
//
// NaN equals NaN, and an infinity equals itself; otherwise a prediction that is not finite
// on one side is beyond any tolerance.
type Gate struct {
	// A value is within tolerance if |exported - native| <= ATol + RTol·|native|.
	// Default 1e-3 and 1e-4, if both are 0.
	RTol, ATol float64
	// Equal requires equal numbers instead, without tolerance or exception. The signs of
	// zeros may differ.
	Equal bool
	// Beyond is the share of the values that may be beyond the tolerance, in [0, 1).
	// Default 0: none. It is for models in single precision, where a row that lies on a
	// threshold may end in another leaf. The predictions must then agree otherwise: both
	// Pearson's and Spearman's correlation, if defined, must be at least Correlation, and
	// both must be NaN at the same values.
	Beyond float64
	// Correlation is the minimum correlation if Beyond is set. Default 0.999.
	Correlation float64
}

// defaults returns g with its defaults set.
func (g Gate) defaults() (Gate, error) {
	if g.RTol == 0 && g.ATol == 0 {
		g.RTol, g.ATol = 1e-3, 1e-4
	}
	if g.Equal {
		g.RTol, g.ATol, g.Beyond = 0, 0, 0
	}
	if g.Correlation == 0 {
		g.Correlation = 0.999
	}
	switch {
	case !(g.RTol >= 0 && g.ATol >= 0) || math.IsInf(g.RTol+g.ATol, 0):
		return g, pkg.Errorf("%w: tolerances %v and %v: want finite numbers of at least 0", ErrInput, g.RTol, g.ATol)
	case !(g.Beyond >= 0 && g.Beyond < 1):
		return g, pkg.Errorf("%w: a share of %v beyond the tolerance: want [0, 1)", ErrInput, g.Beyond)
	case !(g.Correlation >= -1 && g.Correlation <= 1):
		return g, pkg.Errorf("%w: a correlation of %v: want [-1, 1]", ErrInput, g.Correlation)
	}
	return g, nil
}

// Rows are the input of both models.
type Rows struct {
	Values  []float64 // row by row
	Width   int       // values per row
	Outputs int       // predicted values per row. Default 1
	// Names are the names of the values of a row, and Label returns the label of a row. Both
	// are for people and may be nil.
	Names []string
	Label func(row int) string
}

// Compare predicts rows with both models and compares the predictions. The error is that
// of a model that fails, or wraps [ErrInput]. Predictions that differ are not an error.
func (g Gate) Compare(native, exported Model, rows Rows) (Report, error) {
	n, err := rows.count()
	if err != nil {
		return Report{}, err
	}
	want, got := make([]float64, n*rows.outputs()), make([]float64, n*rows.outputs())
	if err := native.Predict(rows.Values, want); err != nil {
		return Report{}, pkg.Errorf("native model: %w", err)
	}
	if err := exported.Predict(rows.Values, got); err != nil {
		return Report{}, pkg.Errorf("exported model: %w", err)
	}
	return g.Values(want, got, rows)
}

func (r Rows) outputs() int { return max(r.Outputs, 1) }

// count returns the number of rows.
func (r Rows) count() (int, error) {
	if r.Width < 1 || len(r.Values) == 0 || len(r.Values)%r.Width != 0 || r.Outputs < 0 {
		return 0, pkg.Errorf("%w: %d values in rows of %d: there is nothing to compare", ErrInput, len(r.Values), r.Width)
	}
	return len(r.Values) / r.Width, nil
}

// Values compares existing predictions, given row by row.
func (g Gate) Values(native, exported []float64, rows Rows) (Report, error) {
	g, err := g.defaults()
	if err != nil {
		return Report{}, err
	}
	n, err := rows.count()
	if err != nil {
		return Report{}, err
	}
	if len(native) != n*rows.outputs() || len(exported) != len(native) {
		return Report{}, pkg.Errorf("%w: %d and %d predictions of %d rows with %d outputs", ErrInput, len(native), len(exported), n, rows.outputs())
	}
	r := Report{Gate: g, Rows: n, Outputs: rows.outputs(), MaxRelative: math.NaN(), MeanRelative: math.NaN()}
	worst, excess := -1, 0.0
	var differences []float64
	var pairs [2][]float64 // values that are finite on both sides
	var relative, signs, relatives float64
	for i, x := range native {
		y := exported[i]
		d := difference(x, y)
		switch {
		case math.IsNaN(x) && math.IsNaN(y):
			r.NaN++
		case math.IsNaN(x) || math.IsNaN(y):
			r.OneNaN++
		}
		out := math.Inf(-1) // by how much it exceeds the tolerance
		if d > 0 {
			out = d
		}
		if d > 0 && finite(d) {
			out = d - g.ATol - g.RTol*math.Abs(x)
		}
		if out > 0 {
			r.Beyond++
		}
		if worst < 0 || out > excess {
			worst, excess = i, out
		}
		differences = append(differences, d)
		if finite(x) && finite(y) {
			pairs[0], pairs[1] = append(pairs[0], x), append(pairs[1], y)
			if x != 0 {
				rel := d / math.Abs(x)
				if relatives == 0 || rel > r.MaxRelative {
					r.MaxRelative = rel
				}
				relative += rel
				relatives++
			}
		}
		if sign(x) == sign(y) {
			signs++
		}
	}
	if relatives > 0 {
		r.MeanRelative = relative / relatives
	}
	sum := 0.0
	for _, d := range differences {
		sum += d
	}
	r.MeanAbsolute = sum / float64(len(differences))
	slices.Sort(differences)
	r.MaxAbsolute = differences[len(differences)-1]
	for _, p := range []float64{50, 90, 99, 99.9} {
		r.Percentiles = append(r.Percentiles, Percentile{p, differences[int(math.Ceil(p/100*float64(len(differences))))-1]})
	}
	r.Signs = signs / float64(len(native))
	r.Pearson = pearson(pairs[0], pairs[1])
	r.Spearman = pearson(ranks(pairs[0]), ranks(pairs[1]))
	row := worst / rows.outputs()
	r.Worst = Worst{Row: row, Output: worst % rows.outputs(), Inputs: slices.Clone(rows.Values[row*rows.Width : (row+1)*rows.Width]),
		Names: rows.Names, Native: native[worst], Exported: exported[worst]}
	if rows.Label != nil {
		r.Worst.Label = rows.Label(row)
	}
	r.Reason = r.judge()
	r.Pass = r.Reason == ""
	return r, nil
}

// judge returns why the gate fails, or nothing.
func (r *Report) judge() string {
	of := fmt.Sprintf("of %d values", r.Rows*r.Outputs)
	allowed := int(r.Gate.Beyond * float64(r.Rows*r.Outputs))
	low := func(c float64) bool { return c < r.Gate.Correlation } // NaN is not
	switch {
	case r.Gate.Equal && r.Beyond > 0:
		return fmt.Sprintf("%d %s are not equal", r.Beyond, of)
	case r.OneNaN > 0:
		return fmt.Sprintf("%d %s are NaN on one side only", r.OneNaN, of)
	case r.Beyond > allowed && allowed > 0:
		return fmt.Sprintf("%d %s are beyond the tolerance, and %d may be", r.Beyond, of, allowed)
	case r.Beyond > allowed:
		return fmt.Sprintf("%d %s are beyond the tolerance", r.Beyond, of)
	case r.Beyond > 0 && low(r.Pearson):
		return fmt.Sprintf("Pearson's correlation is %.6f, less than %v", r.Pearson, r.Gate.Correlation)
	case r.Beyond > 0 && low(r.Spearman):
		return fmt.Sprintf("Spearman's correlation is %.6f, less than %v", r.Spearman, r.Gate.Correlation)
	}
	return ""
}

// difference returns |y-x|, or infinity if one is not finite and the other is not the same.
func difference(x, y float64) float64 {
	switch {
	case x == y || math.IsNaN(x) && math.IsNaN(y):
		return 0
	case finite(x) && finite(y):
		return math.Abs(y - x)
	}
	return math.Inf(1)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// sign returns -1, 0 or 1, or 2 for NaN.
func sign(x float64) int {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	case x == 0:
		return 0
	}
	return 2
}

// pearson returns the correlation of x and y, NaN if one of them is constant.
func pearson(x, y []float64) float64 {
	mean := func(v []float64) (m float64) {
		for i, a := range v {
			m += (a - m) / float64(i+1)
		}
		return m
	}
	mx, my := mean(x), mean(y)
	var sx, sy float64 // scales that keep squares in range
	for i := range x {
		sx, sy = max(sx, math.Abs(x[i]-mx)), max(sy, math.Abs(y[i]-my))
	}
	if sx == 0 || sy == 0 {
		return math.NaN()
	}
	var xx, yy, xy float64
	for i := range x {
		a, b := (x[i]-mx)/sx, (y[i]-my)/sy
		xx, yy, xy = xx+a*a, yy+b*b, xy+a*b
	}
	return max(-1, min(1, xy/math.Sqrt(xx)/math.Sqrt(yy)))
}

// ranks returns the ranks of the values; equal values get their mean rank.
func ranks(v []float64) []float64 {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(v[a], v[b]) })
	out := make([]float64, len(v))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && v[order[j]] == v[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			out[order[k]] = float64(i+j-1) / 2
		}
		i = j
	}
	return out
}
