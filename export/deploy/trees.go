package deploy

import (
	"context"
	"errors"
	"io"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/objective/tree"
)

// Trees exports a tree ensemble, see [onnx.Trees], and compares it with the native model.
// rows are the rows to compare on, row by row as for [tree.Predictor.Predict]. Trees always
// also compares on the rows of [Probe]: see [Result.Probe].
//
// In the form Exact and without a Gate, raw outputs must be equal bit for bit. If a link
// turns them into predictions, these must pass the zero Gate, because exponentials differ in
// their last bits. In the form Single, the rows of Probe are rounded to float32 for the
// verdict, and Result.Probe measures the error on unrounded rows.
//
// Trees fails with [ErrFailed], and then leaves no file except one that is named as failed.
// It also returns the errors of onnx.Trees, runtime.ErrNoLibrary if there is no ONNX
// Runtime, and validate.ErrInput for rows of the wrong width.
func Trees(ctx context.Context, m *tree.Model, rows []float64, o TreesOptions) (Result, error) {
	native, err := tree.NewPredictor(m)
	if err != nil {
		return Result{}, pkg.Errorf("%w", err)
	}
	export := export{file: o.File, keepFailed: o.KeepFailed, register: o.Register, runtime: o.Runtime,
		native: func(w io.Writer) error { return tree.Write(w, m) }, form: o.Form, note: o.Info.Doc, meta: map[string]string{}}
	for _, p := range o.Info.Metadata {
		export.meta[p.Key] = p.Value
	}
	options := onnx.TreesOptions{Form: o.Form, Info: information(o.Info, export.native), Units: o.Units}
	if export.model, err = onnx.Trees(m, options); err != nil {
		return Result{}, err
	}
	probed := rows == nil
	if probed {
		rows = Probe(m, o.Form, 0)
	}
	table := validate.Rows{Values: rows, Width: len(m.Features), Outputs: m.Outputs}
	for _, f := range m.Features {
		table.Names = append(table.Names, f.Name)
	}
	exact := o.Form == onnx.Exact && o.Gate == (validate.Gate{})
	export.check = func(s *runtime.Session, to *Result) error {
		p, err := runtime.NewPredictor(s, runtime.PredictorConfig{})
		if err != nil {
			return err
		}
		gate := lenient(o.Gate, o.Form)
		if exact && m.Link.Func == tree.Identity {
			gate.Equal = true
		}
		if to.Report, err = gate.Compare(native, p, table); err != nil {
			return err
		}
		if !probed || o.Form == onnx.Single {
			more := table
			more.Values = Probe(m, onnx.Exact, 0) // float64 numbers
			report, err := gate.Compare(native, p, more)
			if err != nil {
				return err
			}
			to.Probe = &report
		}
		if !exact || gate.Equal {
			return nil
		}
		return compareRaw(m, native, options, o.Runtime, table, to)
	}
	return export.run(ctx)
}

// compareRaw compares raw outputs, using an export of the same trees without the link.
func compareRaw(m *tree.Model, native *tree.Predictor, options onnx.TreesOptions, o runtime.Config, rows validate.Rows, to *Result) error {
	options.Raw = true
	raw, err := onnx.Trees(m, options)
	if err != nil {
		return err
	}
	data, err := raw.Encode()
	if err != nil {
		return err
	}
	s, err := runtime.OpenBytes(data, o)
	if err != nil {
		return err
	}
	defer s.Close()
	p, err := runtime.NewPredictor(s, runtime.PredictorConfig{})
	if err != nil {
		return err
	}
	report, err := validate.Gate{Equal: true}.Compare(runtime.Func(native.PredictRaw), p, rows)
	if err != nil {
		return err
	}
	to.Raw = &report
	return nil
}

// OpenTrees runs an exported tree ensemble in ONNX Runtime, and falls back to the native
// model if that fails: see [runtime.OpenFallback]. Close it after use.
//
// It fails with [ErrMismatch] for a file that was exported from another model. Files of
// [Trees] name their model; any other file is accepted. A later version of attune
// may refuse older files, see [Match]: export them again.
func OpenTrees(file string, m *tree.Model, o runtime.Config) (*runtime.Fallback, error) {
	if m == nil {
		return nil, errors.New("open trees: there is no native model")
	}
	native, err := tree.NewPredictor(m)
	if err != nil {
		return nil, pkg.Errorf("open trees: %w", err)
	}
	f := runtime.OpenFallback(file, o, runtime.PredictorConfig{Width: len(m.Features)}, native)
	if p, ok := f.Primary.(*runtime.Predictor); ok {
		err = belongs(file, p.Session(), func(w io.Writer) error { return tree.Write(w, m) })
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
