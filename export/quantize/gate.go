package quantize

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/validate"
)

// ErrWorse reports a quantized model that is further from the native one than the
// tolerance.
var ErrWorse = errors.New("worse than the tolerance")

// A Gate is what is asked of a quantized model, in batches of each size of [InBatches]. The
// zero value asks for every value to be within a tenth of the spread of the native ones:
// their standard deviation, over all rows and steps. On average they are closer: see
// Report.Error. Where native values are all the same, it asks what the zero
// [validate.Gate] does.
type Gate struct {
	// Tolerance is how far a value may be from the native one, as a share of the spread.
	// Default 0.1.
	Tolerance float64
	// Time is how long each model is run for each size of batch, to see how fast it is.
	// Default 100 ms; negative: not at all.
	Time time.Duration
}

// A Report says what quantizing a model brought and cost.
type Report struct {
	Kind          Kind
	Bytes, Before int // size of the file, and of the one before
	// Batch is the size of batches that the quantized model was worst in, of which Error
	// and Detail are.
	Batch int
	// Error is the root of the mean square of quantized - native, as a share of the
	// spread; Unquantized that of the model before. They are NaN or infinite for native
	// values that are all the same.
	Error, Unquantized float64
	Spread             float64 // the standard deviation of the native values
	Speed              []Speed
	Detail             validate.Report // all values, beside the native ones
}

// A Speed is the median time of a run with so many rows, after and before.
type Speed struct {
	Rows         int
	Time, Before time.Duration
}

// String returns a few lines of text.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d bytes of %d (%.1fx smaller), error %.3g of the spread (before: %.1g), largest difference %.3g, in batches of %d\n",
		r.Kind, r.Bytes, r.Before, float64(r.Before)/float64(r.Bytes), r.Error, r.Unquantized, r.Detail.MaxAbsolute, r.Batch)
	for _, s := range r.Speed {
		fmt.Fprintf(&b, "  batches of %d: %v, before %v (%.2fx as fast)\n", s.Rows, s.Time, s.Before, float64(s.Before)/float64(s.Time))
	}
	return b.String()
}

// Compare runs m and q, which is m quantized, on rows in ONNX Runtime and compares them
// with the native model. A q that is not within the tolerance is an error that wraps
// [ErrWorse] and has the figures, with the report; so is one whose forecasts are NaN
// where the native ones are not.
//
// It fails with [ErrConfig] for rows that do not fit, with [validate.ErrInput], and as
// [Runtime] does.
func (g Gate) Compare(ctx context.Context, m, q *onnx.Model, rows Rows) (Report, error) {
	r, err := g.compare(ctx, m, q, rows)
	if err == nil && !r.Detail.Pass {
		err = fmt.Errorf("%w of %.3g of the spread: in batches of %d: %s: the error is %.3g, the largest difference %.3g of it: keep the model as it is, or take %s",
			ErrWorse, g.tolerance(), r.Batch, r.Detail.Reason, r.Error, r.Detail.MaxAbsolute/r.Spread, FP16)
	}
	if err != nil {
		return r, fmt.Errorf("quantize: %s: %w", r.Kind, err)
	}
	return r, nil
}

func (g Gate) tolerance() float64 {
	if g.Tolerance == 0 {
		return 0.1
	}
	return g.Tolerance
}

func (g Gate) compare(ctx context.Context, m, q *onnx.Model, rows Rows) (Report, error) {
	var r Report
	for _, p := range q.Metadata {
		if p.Key == property {
			r.Kind = Kind(p.Value)
		}
	}
	if t := g.tolerance(); !(t > 0) || math.IsInf(t, 0) {
		return r, fmt.Errorf("%w: tolerance %v: want a number above 0", ErrConfig, t)
	}
	n, err := count(rows.Inputs)
	if err != nil {
		return r, err
	}
	if len(rows.Native) == 0 || len(rows.Native)%n != 0 {
		return r, fmt.Errorf("%w: %d native values of %d rows", ErrConfig, len(rows.Native), n)
	}
	r.Spread = spread(rows.Native)
	var models [2]struct {
		run  func([]onnx.Tensor) ([]float64, error)
		size int
	}
	for i, model := range []*onnx.Model{q, m} {
		b, err := model.Encode()
		if err != nil {
			return r, err
		}
		s, err := open(model)
		if err != nil {
			return r, err
		}
		defer s.Close()
		models[i].size = len(b)
		models[i].run = func(inputs []onnx.Tensor) ([]float64, error) {
			out, err := run(ctx, s, inputs)
			if err != nil {
				return nil, err
			}
			if len(out) != 1 {
				return nil, fmt.Errorf("%w: %d outputs of numbers, want one", ErrConfig, len(out))
			}
			return floats(out[0])
		}
	}
	r.Bytes, r.Before = models[0].size, models[1].size
	flat, err := flatten(rows.Inputs, n)
	if err != nil {
		return r, err
	}
	gate := validate.Gate{ATol: g.tolerance() * r.Spread}
	of := validate.Rows{Values: flat, Width: len(flat) / n, Outputs: len(rows.Native) / n}
	err = InBatches(rows.Inputs, models[0].run, func(size int, out []float64) error {
		detail, err := gate.Values(rows.Native, out, of)
		if err == nil && (r.Batch == 0 || Worse(detail, r.Detail)) {
			r.Batch, r.Detail, r.Error = size, detail, distance(rows.Native, out)/r.Spread
		}
		return err
	})
	if err != nil {
		return r, err
	}
	before, err := models[1].run(rows.Inputs)
	if err != nil {
		return r, err
	}
	if len(before) != len(rows.Native) {
		return r, fmt.Errorf("%w: the model before makes %d values, not %d", ErrConfig, len(before), len(rows.Native))
	}
	r.Unquantized = distance(rows.Native, before) / r.Spread
	if g.Time < 0 {
		return r, nil
	}
	took := g.Time
	if took == 0 {
		took = 100 * time.Millisecond
	}
	for _, size := range []int{1, 10} {
		if size > n {
			break
		}
		batch := cut(rows.Inputs, 0, size)
		var times [2][]time.Duration
		for start := time.Now(); time.Since(start) < 2*took; {
			for i := range models { // in turns, so that what else runs slows both
				began := time.Now()
				if _, err := models[i].run(batch); err != nil {
					return r, err
				}
				times[i] = append(times[i], time.Since(began))
			}
		}
		r.Speed = append(r.Speed, Speed{size, median(times[0]), median(times[1])})
	}
	return r, nil
}

// InBatches runs a model on all rows in batches of 1, of 8 and of all, and calls yield with
// what it predicts for them, one row after the other. What goes into a layer that is
// quantized as it comes is turned to bytes by its range in the batch, so that predictions
// depend on the rows beside theirs. It fails with [ErrConfig] for inputs that do not fit,
// and as run and yield do.
func InBatches(inputs []onnx.Tensor, run func([]onnx.Tensor) ([]float64, error), yield func(size int, out []float64) error) error {
	n, err := count(inputs)
	if err != nil {
		return err
	}
	last := 0
	for _, size := range []int{1, 8, n} {
		if size = min(size, n); size == last {
			break
		}
		last = size
		var out []float64
		for from := 0; from < n; from += size {
			part, err := run(cut(inputs, from, min(from+size, n)))
			if err != nil {
				return err
			}
			out = append(out, part...)
		}
		if err := yield(size, out); err != nil {
			return err
		}
	}
	return nil
}

// Worse reports whether a is: it has not passed, and b has, or it is further off.
func Worse(a, b validate.Report) bool {
	if a.Pass != b.Pass {
		return !a.Pass
	}
	return a.MaxAbsolute > b.MaxAbsolute
}

// median sorts times.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// floats returns the values of a tensor.
func floats(t onnx.Tensor) ([]float64, error) {
	if t.Type == onnx.Float64 {
		return onnx.Values[float64](t)
	}
	var out []float64
	if t.Type == onnx.Int64 {
		v, err := onnx.Values[int64](t)
		for _, x := range v {
			out = append(out, float64(x))
		}
		return out, err
	}
	v, err := onnx.Values[float32](t)
	for _, x := range v {
		out = append(out, float64(x))
	}
	return out, err
}

// flatten returns the values of all inputs row by row.
func flatten(inputs []onnx.Tensor, rows int) ([]float64, error) {
	parts := make([][]float64, len(inputs))
	for i, t := range inputs {
		var err error
		if parts[i], err = floats(t); err != nil {
			return nil, err
		}
	}
	var out []float64
	for row := range rows {
		for _, p := range parts {
			n := len(p) / rows
			out = append(out, p[row*n:(row+1)*n]...)
		}
	}
	return out, nil
}

// spread returns the standard deviation.
func spread(v []float64) float64 {
	mean, square := 0.0, 0.0
	for i, x := range v {
		mean += (x - mean) / float64(i+1)
	}
	for _, x := range v {
		square += (x - mean) * (x - mean) / float64(len(v))
	}
	return math.Sqrt(square)
}

// distance returns the root of the mean square of the differences.
func distance(a, b []float64) float64 {
	square := 0.0
	for i, x := range a {
		square += (x - b[i]) * (x - b[i]) / float64(len(a))
	}
	return math.Sqrt(square)
}
