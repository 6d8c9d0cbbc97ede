package quantize

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/export/validate"
)

// Compare compares a quantized model with the native one on windows, in batches of 1, of
// 8 and of all windows, and returns the worst of the three reports. If that did not pass,
// its reason names the batch size. Batches matter because the inputs of a quantized layer
// become bytes by their range in the batch, so a forecast depends on the other rows.
//
// The zero gate requires each value to be within a tenth of the standard deviation of
// the native values. If these are all equal, it requires what the zero [validate.Gate]
// does.
//
// run returns the forecasts of the quantized model, row by row. Compare returns the errors
// of run, [validate.ErrInput], and [tensor.ErrShape] for windows whose inputs do not fit
// together.
func Compare(w *validate.Windows, g validate.Gate, run func(tensor.List) ([]float64, error)) (validate.Report, error) {
	if g == (validate.Gate{}) {
		g.ATol = deviation(w.Native) / 10
	}
	var worst validate.Report
	rows, err := w.Inputs.Rows()
	if err != nil {
		return worst, pkg.Errorf("compare: %w", err)
	}
	last := 0
	for _, size := range []int{1, 8, rows} {
		if size = min(size, rows); size == last {
			break
		}
		last = size
		got, err := inBatches(w.Inputs, rows, size, run)
		if err != nil {
			return worst, err
		}
		report, err := w.Compare(g, got)
		if err != nil {
			return worst, err
		}
		if !report.Pass {
			report.Reason = fmt.Sprintf("in batches of %d: %s", size, report.Reason)
		}
		if worst.Rows == 0 || worse(report, worst) {
			worst = report
		}
	}
	return worst, nil
}

// inBatches runs a model on size rows at a time.
func inBatches(in tensor.List, rows, size int, run func(tensor.List) ([]float64, error)) ([]float64, error) {
	var out []float64
	for from := 0; from < rows; from += size {
		part, err := run(in.Slice(from, min(from+size, rows)))
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}

// worse reports whether a is worse than b: a failed and b passed, or a deviates more.
func worse(a, b validate.Report) bool {
	if a.Pass != b.Pass {
		return !a.Pass
	}
	return a.MaxAbsolute > b.MaxAbsolute
}

// deviation returns the standard deviation of values.
func deviation(v []float64) float64 {
	var mean, squares float64
	for i, x := range v {
		d := x - mean
		mean += d / float64(i+1)
		squares += d * (x - mean)
	}
	return math.Sqrt(squares / float64(len(v)))
}
