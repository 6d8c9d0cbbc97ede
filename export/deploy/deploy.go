// Package deploy takes a tuned model to where it is used. It exports the model to ONNX,
// runs the export in ONNX Runtime and the native model on real data, and leaves no file
// behind whose predictions differ from the native model's.
//
//	model, result, err := deploy.Best(ctx, task, st, deploy.ForecasterOptions{File: "model.onnx"})
//	fmt.Println(result.Report)
//
// [Best] exports the forecaster of a study's best trial, whole: from raw values to raw
// values. [Model] exports any other forecaster, [Trees] a tree ensemble. [Open] and
// [OpenTrees] run the file in place of the native model, which answers if the file fails.
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

// ErrFailed reports an export that does not predict what the native model does. The
// error says in what; the [Result] beside it has the report.
var ErrFailed = errors.New("the export does not predict what the native model does")

// ForecasterOptions say how a forecaster is exported, and where to. The zero value
// exports in the form [onnx.Exact], compares, and leaves nothing but the report.
type ForecasterOptions struct {
	// File is where the model goes when it has passed, whole or not at all. Until then
	// what was there stays.
	File string
	// KeepFailed keeps a model that failed, as NAME.failed.onnx in place of NAME.onnx.
	KeepFailed bool
	// Register, if not nil, puts a model that has passed into a registry.
	Register *Registration

	// Form, Info, Units and Regressor are those of [onnx.ForecasterOptions].
	//
	// To the metadata in Info are added: where the model comes from, the version of
	// attune, and under attune.native the SHA-256 of the native model as it is saved.
	Form      onnx.Form
	Info      onnx.Info
	Units     string
	Regressor func(b *onnx.Builder, m forecast.Regressor, rows onnx.Value) (onnx.Value, error)
	// Quantize makes a network smaller: see package quantize. Every second window
	// calibrates it. It is compared in batches of several sizes, and the worst counts:
	// see [quantize.Compare], which has another default Gate.
	Quantize quantize.Kind

	// Windows is how many windows of the data are compared at most: see
	// [validate.NewWindows]. Default 200.
	Windows int
	// Gate is what the export has to pass. Default: the zero Gate and, in the form
	// Single, one value in a hundred beyond its tolerance, since float32 sends rows
	// that lie on a threshold to other leaves.
	Gate validate.Gate
	// Runtime says how ONNX Runtime runs the export.
	Runtime runtime.Config
}

// TreesOptions say how a tree ensemble is exported, and where to. The zero value exports
// in the form [onnx.Exact], compares, and leaves nothing but the report.
type TreesOptions struct {
	// File is where the model goes when it has passed, whole or not at all. Until then
	// what was there stays.
	File string
	// KeepFailed keeps a model that failed, as NAME.failed.onnx in place of NAME.onnx.
	KeepFailed bool
	// Register, if not nil, puts a model that has passed into a registry.
	Register *Registration

	// Form, Info and Units are those of [onnx.TreesOptions].
	//
	// To the metadata in Info are added: the version of attune, and under attune.native
	// the SHA-256 of the native model as it is saved.
	Form  onnx.Form
	Info  onnx.Info
	Units []string

	// Gate is what the export has to pass. Default: in the form Exact equal raw outputs,
	// bit for bit, and the zero Gate for what a link makes of them; in the form
	// Compatible the zero Gate; in the form Single the zero Gate with one value in a
	// hundred beyond its tolerance, since float32 sends rows that lie on a threshold to
	// other leaves.
	Gate validate.Gate
	// Runtime says how ONNX Runtime runs the export.
	Runtime runtime.Config
}

// A Registration puts a model into a registry, beside the native one: files
// registry.ONNX and registry.Native. Its note is Info.Doc.
type Registration struct {
	Registry *registry.Registry
	Name     string
	Promote  bool // make it the live version
}

// A Result is what became of an export.
type Result struct {
	File   string    // that was left; with KeepFailed the failed one
	Size   int       // of the ONNX model, in bytes
	Form   onnx.Form // it has: networks are always Compatible
	Report validate.Report
	// Probe compares trees on the rows of [Probe], where Report is about others: rows of
	// the caller's or, in the form Single, rows of float32 numbers; else nil. In the form
	// Single it has no part in the verdict: it says how wrong the export is on rows that
	// are no float32 numbers.
	Probe *validate.Report
	// Raw compares raw outputs, before the link, of trees that have one; else nil.
	Raw *validate.Report
	// Version is that in the registry; zero without one.
	Version registry.Version
}

// Pass reports whether the export predicts what the native model does.
func (r Result) Pass() bool {
	return r.Report.Pass && (r.Raw == nil || r.Raw.Pass) && (r.Probe == nil || r.Probe.Pass || r.Form == onnx.Single)
}

// An export is a model on its way.
type export struct {
	file       string
	keepFailed bool
	register   *Registration
	runtime    runtime.Config

	model *onnx.Model
	form  onnx.Form
	// check compares it with the native model; it fills in the result's reports.
	check func(s *runtime.Session, to *Result) error
	// native writes the native model.
	native func(io.Writer) error
	note   string            // for the registry
	meta   map[string]string // for the registry
}

// run encodes, compares and keeps.
func (e export) run(ctx context.Context) (Result, error) {
	var r Result
	if e.register != nil && e.register.Registry == nil {
		return r, errors.New("a Registration without a Registry: open one with registry.Open")
	}
	if err := e.model.Check(); err != nil {
		return r, err
	}
	bytes, err := e.model.Encode()
	if err != nil {
		return r, err
	}
	r.Size, r.Form = len(bytes), e.form
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

// failed says why, and keeps the model if that is asked for.
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

// put puts the model into the registry.
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

// module is the path of this one.
const module = "github.com/attune-hpo/attune"

// version returns that of attune in this program, "" if it does not say.
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

// information returns what the file says of itself, with more metadata and the SHA-256 of
// the native model.
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

// lenient returns the gate for a model that need not be equal.
func lenient(g validate.Gate, form onnx.Form) validate.Gate {
	if g == (validate.Gate{}) && form == onnx.Single {
		g.Beyond = 0.01
	}
	return g
}
