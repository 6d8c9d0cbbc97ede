// Package deploy turns a tuned model into a file for production. It exports the model to
// ONNX, runs both the export (in ONNX Runtime) and the native model on real data, and keeps
// no file whose predictions differ from the native model's.
//
//	model, result, err := deploy.Best(ctx, task, st, deploy.ForecasterOptions{File: "model.onnx"})
//	fmt.Println(result.Report)
//
// [Best] exports the forecaster of a study's best trial as a whole, from raw values to raw
// values. [Model] exports any other forecaster, [Trees] a tree ensemble and [Pipeline] a model
// with the steps around it. [Open], [OpenTrees] and [OpenPipeline] run the file instead of the
// native model, which answers if the file fails.
//
// This package needs ONNX Runtime: see package export/runtime.
package deploy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/atomicfile"
	"github.com/attune-hpo/attune/objective/forecast"
)

const pkg fault.Package = "deploy"

// ErrFailed reports an export whose predictions differ from the native model's. The error
// says how; the [Result] returned with it has the report.
var ErrFailed = errors.New("the export does not predict what the native model does")

// ForecasterOptions say how to export a forecaster, and where to. The zero value exports in
// the form [onnx.Exact], compares, and only returns the report.
type ForecasterOptions struct {
	// File is the file for a model that passes. It is written atomically; until then, an
	// existing file stays.
	File string
	// KeepFailed keeps a model that failed, as NAME.failed.onnx instead of NAME.onnx.
	KeepFailed bool
	// Register, if not nil, adds a model that passes to a registry.
	Register *Registration

	// Form, Info, Units and Regressor are as in [onnx.ForecasterOptions].
	//
	// The metadata in Info are extended by the origin of the model, the version of attune
	// and, under attune.native, the SHA-256 of the saved native model.
	Form      onnx.Form
	Info      onnx.Info
	Units     string
	Regressor func(b *onnx.Builder, m forecast.Regressor, rows onnx.Value) (onnx.Value, error)
	// Quantize makes a network smaller: see package quantize. Every second window
	// calibrates it. It is compared in batches of several sizes, and the worst counts:
	// see [quantize.Compare], which has its own default Gate.
	Quantize quantize.Kind

	// Windows is the maximum number of windows of the data to compare on: see
	// [validate.NewWindows]. Default 200.
	Windows int
	// Gate is the test that the export must pass. Default: the zero Gate. In the form
	// Single it also allows one value in a hundred beyond its tolerance, because float32
	// sends rows that lie on a threshold to other leaves.
	Gate validate.Gate
	// Runtime says how ONNX Runtime runs the export.
	Runtime runtime.Config
}

// TreesOptions say how to export a tree ensemble, and where to. The zero value exports in
// the form [onnx.Exact], compares, and only returns the report.
type TreesOptions struct {
	// File is the file for a model that passes. It is written atomically; until then, an
	// existing file stays.
	File string
	// KeepFailed keeps a model that failed, as NAME.failed.onnx instead of NAME.onnx.
	KeepFailed bool
	// Register, if not nil, adds a model that passes to a registry.
	Register *Registration

	// Form, Info and Units are as in [onnx.TreesOptions].
	//
	// The metadata in Info are extended by the version of attune and, under attune.native,
	// the SHA-256 of the saved native model.
	Form  onnx.Form
	Info  onnx.Info
	Units []string

	// Gate is the test that the export must pass. Default: in the form Exact, raw outputs
	// must be equal bit for bit, and predictions must pass the zero Gate if there is a
	// link; in the form Compatible, the zero Gate; in the form Single, the zero Gate with
	// one value in a hundred beyond its tolerance, because float32 sends rows that lie on a
	// threshold to other leaves.
	Gate validate.Gate
	// Runtime says how ONNX Runtime runs the export.
	Runtime runtime.Config
}

// A Registration adds a model to a registry, together with the native model: as the files
// registry.ONNX and registry.Native. Its note is Info.Doc.
type Registration struct {
	Registry *registry.Registry
	Name     string
	Promote  bool // make it the live version
}

// A Result is the result of an export.
type Result struct {
	File string    // file that was written; with KeepFailed, possibly the failed one
	Size int       // size of the ONNX model in bytes
	Form onnx.Form // form of the export; networks are always Compatible
	// Opsets are the domains of operators that a runtime must have, with their versions. Texts need [onnx.Microsoft],
	// which is ONNX Runtime's own.
	Opsets []onnx.Opset
	Report validate.Report
	// Probe compares trees on the rows of [Probe] if Report is about other rows: those of
	// the caller or, in the form Single, rows of float32 numbers. Otherwise it is nil. In
	// the form Single it does not affect the verdict: it shows the error of the export on
	// rows that are not float32 numbers.
	Probe *validate.Report
	// Raw compares raw outputs, before the link, of trees that have a link. Otherwise it is nil.
	Raw *validate.Report
	// Version is the version in the registry, or zero without Register.
	Version registry.Version
}

// Pass reports whether the export predicts what the native model does.
func (r Result) Pass() bool {
	return r.Report.Pass && (r.Raw == nil || r.Raw.Pass) && (r.Probe == nil || r.Probe.Pass || r.Form == onnx.Single)
}

// An export is an export in progress.
type export struct {
	file       string
	keepFailed bool
	register   *Registration
	runtime    runtime.Config

	model *onnx.Model
	form  onnx.Form
	// check compares the export with the native model and fills in the result's reports.
	check func(s *runtime.Session, to *Result) error
	// native writes the native model.
	native func(io.Writer) error
	note   string            // for the registry
	meta   map[string]string // for the registry
}

// run encodes the model, compares it and keeps it.
func (e export) run(ctx context.Context) (Result, error) {
	var r Result
	if e.register != nil && e.register.Registry == nil {
		return r, errors.New("a registration without a registry")
	}
	if err := e.model.Check(); err != nil {
		return r, err
	}
	bytes, err := e.model.Encode()
	if err != nil {
		return r, err
	}
	r.Size, r.Form, r.Opsets = len(bytes), e.form, e.model.Opsets
	if r.Form == onnx.Exact && e.model.IR == onnx.Compatible.Stamp().IR {
		r.Form = onnx.Compatible
	}
	s, err := runtime.OpenBytes(bytes, e.runtime)
	if err != nil {
		return r, pkg.Errorf("%w", err)
	}
	defer s.Close()
	if err := e.check(s, &r); err != nil {
		return r, pkg.Errorf("%w", err)
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if !r.Pass() {
		return e.failed(r, bytes)
	}
	if e.file != "" {
		if err := write(e.file, bytes); err != nil {
			return r, err
		}
		r.File = e.file
	}
	if e.register != nil {
		e.meta["form"] = r.Form.String()
		r.Version, err = e.put(ctx, bytes)
	}
	return r, err
}

func write(file string, data []byte) error {
	err := atomicfile.Write(file, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return pkg.Errorf("write %s: %w", file, err)
	}
	return nil
}

// failed returns the reason of the failure, and keeps the model if requested.
func (e export) failed(r Result, data []byte) (Result, error) {
	reason := r.Report.Reason
	switch {
	case reason != "":
	case r.Raw != nil && !r.Raw.Pass:
		reason = "raw outputs: " + r.Raw.Reason
	case r.Probe != nil:
		reason = "rows at the thresholds: " + r.Probe.Reason
	}
	err := pkg.Errorf("%w: %s", ErrFailed, reason)
	if n := r.Report.Beyond; n > 0 && 100*n <= r.Report.Rows*r.Report.Outputs && !r.Report.Gate.Equal && r.Report.Gate.Beyond == 0 {
		// A value at a threshold of a tree falls on either side by the last bit of a logarithm.
		err = pkg.Errorf("%w: %s; if so few may differ, %w", ErrFailed, reason, fault.Hint{Field: "validate.Gate.Beyond", Want: "set %s to 0.01"})
	}
	if e.keepFailed && e.file != "" {
		ext := filepath.Ext(e.file)
		file := strings.TrimSuffix(e.file, ext) + ".failed" + ext
		if at := write(file, data); at != nil {
			return r, errors.Join(err, at)
		}
		r.File = file
	}
	return r, err
}

// put adds the model to the registry.
func (e export) put(ctx context.Context, data []byte) (registry.Version, error) {
	to := e.register
	var native bytes.Buffer
	if err := e.native(&native); err != nil {
		return registry.Version{}, pkg.Errorf("%w", err)
	}
	v, err := to.Registry.Put(ctx, to.Name, registry.Draft{
		Files: map[string]io.Reader{registry.ONNX: bytes.NewReader(data), registry.Native: &native},
		Note:  e.note,
		Meta:  e.meta,
	})
	if err != nil {
		return registry.Version{}, pkg.Errorf("%w", err)
	}
	if to.Promote {
		if err := to.Registry.Promote(ctx, to.Name, v.Number); err != nil {
			return v, pkg.Errorf("%w", err)
		}
	}
	return v, nil
}

// module is the path of this module.
const module = "github.com/attune-hpo/attune"

// version returns the version of attune in this program, or "" if unknown.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "(devel)" {
			return m.Version
		}
	}
	return ""
}

// information returns the information in the file, extended by more metadata and the
// SHA-256 of the native model.
func information(i onnx.Info, save func(io.Writer) error, more ...onnx.Property) onnx.Info {
	if i.Version == "" {
		i.Version = version()
	}
	i.Metadata = append(append([]onnx.Property{}, i.Metadata...), more...)
	if i.Version != "" {
		i.Metadata = append(i.Metadata, onnx.Property{Key: "attune.version", Value: i.Version})
	}
	if sum, err := fingerprint(save); err == nil {
		i.Metadata = append(i.Metadata, onnx.Property{Key: nativeKey, Value: sum})
	}
	return i
}

// lenient returns the default gate for a model whose predictions need not be equal.
func lenient(g validate.Gate, form onnx.Form) validate.Gate {
	if g == (validate.Gate{}) && form == onnx.Single {
		g.Beyond = 0.01
	}
	return g
}
