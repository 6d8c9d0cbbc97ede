// Package deploy takes a tuned model to where it is used: it exports it to ONNX, has
// ONNX Runtime run the export beside the native model on real data, and leaves no file
// behind whose predictions are not the native model's.
//
//	model, result, err := deploy.Best(ctx, task, st, deploy.Options{File: "model.onnx"})
//	fmt.Println(result.Report)
//
// [Best] exports the forecaster of a study's best trial, whole: from raw values to raw
// values. [Model] does so for a forecaster that is at hand, [Trees] for a tree ensemble.
// [Open] runs the file in place of the forecaster, which answers where that fails.
//
// This package needs ONNX Runtime: see package export/runtime.
package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/internal/atomicfile"
	"github.com/attune-hpo/attune/objective/forecast"
)

// ErrFailed reports an export that does not predict what the native model does. The
// error says in what; the [Result] beside it has the report.
var ErrFailed = errors.New("the export does not predict what the native model does")

// Options say what is exported, and where to. The zero value exports in the form
// [onnx.Exact] and leaves nothing but the report.
type Options struct {
	// File is where the model goes: when it has passed, and whole or not at all. What
	// was there before stays if it has not.
	File string
	// KeepFailed keeps a model that failed, as NAME.failed.onnx in place of NAME.onnx.
	KeepFailed bool
	Form       onnx.Form
	// Gate is what it has to pass. Default: equal raw outputs, bit for bit, for trees in
	// the form Exact; else the zero Gate and, in the form Compatible, one value in a
	// hundred beyond its tolerance, since float32 sends rows to other leaves that all
	// but lie on a threshold.
	Gate validate.Gate
	// Info is what the file tells about itself. Its metadata come first; where the
	// model comes from, the names of its features, the SHA-256 of the native model as it
	// is saved (attune.native) and the like follow. Default Version: that of attune.
	Info  onnx.Info
	Units []string // of the features of trees; of a forecaster's target, one
	// Refit has Best fit the model anew, even if it was kept.
	Refit bool
	// Windows is how many windows of the data a forecaster is compared on, at most:
	// evenly spaced over all series. Default 200.
	Windows int
	// Regressor adds models to the graph that package onnx does not know: see
	// [onnx.ForecasterOptions].
	Regressor func(b *onnx.Builder, m forecast.Regressor, rows onnx.Value) (onnx.Value, error)
	// Quantize makes the network of a forecaster smaller, see package quantize; every
	// second window calibrates it. It is compared in batches of several sizes, and the
	// worst is reported. Default Gate then: each value within a tenth of the standard
	// deviation of the native ones.
	Quantize quantize.Kind
	Runtime  runtime.Options
	// Registry, if not nil, gets a model that has passed, under Name and beside the
	// native one: files registry.ONNX and registry.Native. Promote makes it live.
	Registry *registry.Registry
	Name     string
	Promote  bool
}

// A Result is what became of an export.
type Result struct {
	File   string    // that was left; with KeepFailed the failed one
	Size   int       // of the ONNX model, in bytes
	Form   onnx.Form // it has: networks are always Compatible
	Report validate.Report
	// Raw compares raw outputs, before the link, of trees that have one; else nil.
	Raw *validate.Report
	// Version is that in the registry; zero without one.
	Version registry.Version
}

// Pass reports whether the export predicts what the native model does.
func (r Result) Pass() bool { return r.Report.Pass && (r.Raw == nil || r.Raw.Pass) }

// An export is a model on its way.
type export struct {
	options Options
	model   *onnx.Model
	// check compares it with the native model; it fills in the result's reports.
	check func(s *runtime.Session, to *Result) error
	// native writes the native model.
	native func(io.Writer) error
	meta   map[string]string // for the registry
}

// run encodes, compares and keeps.
func (e export) run(ctx context.Context) (Result, error) {
	var r Result
	o := e.options
	if o.Registry == nil && (o.Promote || o.Name != "") {
		return r, errors.New("deploy: Name and Promote without a Registry: open one with registry.Open")
	}
	if err := e.model.Check(); err != nil {
		return r, err
	}
	bytes, err := e.model.Encode()
	if err != nil {
		return r, err
	}
	r.Size = len(bytes)
	if e.model.IR == onnx.Compatible.Stamp().IR {
		r.Form = onnx.Compatible
	}
	e.meta["form"] = r.Form.String()
	s, err := runtime.OpenBytes(bytes, o.Runtime)
	if err != nil {
		return r, fmt.Errorf("deploy: %w", err)
	}
	defer s.Close()
	if err := e.check(s, &r); err != nil {
		return r, fmt.Errorf("deploy: %w", err)
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if !r.Pass() {
		return e.failed(r, bytes)
	}
	if o.File != "" {
		if err := write(o.File, bytes); err != nil {
			return r, err
		}
		r.File = o.File
	}
	if o.Registry != nil {
		return r, e.register(ctx, &r, bytes)
	}
	return r, nil
}

func write(file string, data []byte) error {
	err := atomicfile.Write(file, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("deploy: write %s: %w", file, err)
	}
	return nil
}

// failed says why, and keeps the model if that is asked for.
func (e export) failed(r Result, data []byte) (Result, error) {
	reason := r.Report.Reason
	if r.Raw != nil && !r.Raw.Pass {
		reason = "raw outputs: " + r.Raw.Reason
	}
	err := fmt.Errorf("deploy: %w: %s", ErrFailed, reason)
	if e.options.KeepFailed && e.options.File != "" {
		ext := filepath.Ext(e.options.File)
		file := strings.TrimSuffix(e.options.File, ext) + ".failed" + ext
		if at := write(file, data); at != nil {
			return r, errors.Join(err, at)
		}
		r.File = file
	}
	return r, err
}

// register puts the model into the registry.
func (e export) register(ctx context.Context, r *Result, data []byte) error {
	var native bytes.Buffer
	if err := e.native(&native); err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	o := e.options
	v, err := o.Registry.Put(ctx, o.Name, registry.Draft{
		Files: map[string]io.Reader{registry.ONNX: bytes.NewReader(data), registry.Native: &native},
		Note:  o.Info.Doc, Meta: e.meta,
	})
	if err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	r.Version = v
	if o.Promote {
		if err := o.Registry.Promote(ctx, o.Name, v.Number); err != nil {
			return fmt.Errorf("deploy: %w", err)
		}
	}
	return nil
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

// info returns what the file tells about itself, with more metadata and the SHA-256 of
// the native model.
func (o Options) info(save func(io.Writer) error, more ...onnx.Property) onnx.Info {
	i := o.Info
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

// gate returns the gate for a model that need not be equal.
func (o Options) gate() validate.Gate {
	g := o.Gate
	if g == (validate.Gate{}) && o.Form == onnx.Compatible {
		g.Beyond = 0.01
	}
	return g
}
