package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/serve"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/objective/tree"
)

// A Served runs the ONNX file of a pipeline or of trees, and predicts like the native model, which answers if the file
// fails. It predicts tables with [Served.Predict], like a [pipeline.Predictor], and tensors with [Served.Run], as package
// serve needs. It is safe for concurrent use. Close it after use.
type Served struct {
	model    *pipeline.Model
	native   *pipeline.Predictor
	session  *runtime.Session // nil if it cannot be opened
	fallback *runtime.Fallback
	places   []map[any]float64 // by output: number of a label
}

// OpenPipeline opens the file of [Pipeline] or [Trees] in ONNX Runtime, with m as the native model. If the
// file or the library cannot be opened at all, OpenPipeline logs the error, and m answers all
// calls: see [Served.Stats].
//
// It fails with [ErrMismatch] for a file that was exported from another model, and with
// [pipeline.ErrInvalid].
func OpenPipeline(file string, m *pipeline.Model, o runtime.Config) (*Served, error) {
	return openServed(file, m, saved(m), o, func() (*runtime.Session, error) { return runtime.Open(file, o) })
}

// saved returns how [Pipeline] saves a model or, for trees alone, [Trees]: either may have made the file.
func saved(m *pipeline.Model) []func(io.Writer) error {
	all := []func(io.Writer) error{func(w io.Writer) error { return pipeline.Write(w, m) }}
	if trees, ok := m.Trees(); ok {
		all = append(all, func(w io.Writer) error { return tree.Write(w, trees) })
	}
	return all
}

// OpenVersion opens the ONNX file of a version in a registry, for package serve. If the version's native model is
// a pipeline, trees or a model of a table, it answers if the file fails, as in [OpenPipeline]. Other models, such as
// forecasters, have only the file.
//
// It fails if the file cannot be opened and there is no such native model, with [ErrMismatch], and with the errors of
// [registry.Version.Read], which compares checksums.
func OpenVersion(v registry.Version, o runtime.Config) (serve.Version, error) {
	what := fmt.Sprintf("%s, version %d", v.Name, v.Number)
	fail := func(err error) (serve.Version, error) {
		return serve.Version{}, pkg.Errorf("open %s: %w", what, err)
	}
	out := serve.Version{Name: strconv.Itoa(v.Number)}
	file, err := v.Read(registry.ONNX)
	if err != nil {
		return fail(err)
	}
	open := func() (*runtime.Session, error) { return runtime.OpenBytes(file, o) }
	m, saves := nativeOf(v)
	if m == nil {
		if out.Model, err = open(); err != nil {
			return fail(err)
		}
		return out, nil
	}
	out.Model, err = openServed(what, m, saves, o, open)
	return out, err
}

// nativeOf returns the native model of a version, if it is one that predicts tables, and how it is saved.
func nativeOf(v registry.Version) (*pipeline.Model, []func(io.Writer) error) {
	data, err := v.Read(registry.Native)
	if err != nil {
		return nil, nil
	}
	if m, _, err := pipeline.Read(bytes.NewReader(data)); err == nil {
		return m, saved(m)
	}
	t, err := table.Read(bytes.NewReader(data))
	if err != nil {
		return nil, nil
	}
	m, err := t.Pipeline()
	if err != nil {
		return nil, nil
	}
	return m, []func(io.Writer) error{t.Write}
}

func openServed(what string, m *pipeline.Model, saves []func(io.Writer) error, o runtime.Config, open func() (*runtime.Session, error)) (*Served, error) {
	native, err := pipeline.NewPredictor(m)
	if err != nil {
		return nil, pkg.Errorf("open %s: %w", what, err)
	}
	s := &Served{model: m, native: native, fallback: &runtime.Fallback{Log: o.Log}}
	for _, out := range m.Outputs {
		places := map[any]float64{}
		if out.Labels != nil {
			for i, label := range out.Labels.Texts {
				places[label] = float64(i)
			}
			for i, label := range out.Labels.Numbers {
				places[label] = float64(i)
			}
		}
		s.places = append(s.places, places)
	}
	s.session, err = open()
	if err != nil {
		s.session = nil
		s.fallback.Cause = err
		s.fallback.Lost()
		return s, nil
	}
	for _, save := range saves {
		if err = belongs(what, s.session, save); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, s.session.Close())
}

// Model returns the model that s predicts like. Do not change it.
func (s *Served) Model() *pipeline.Model { return s.model }

// Predict predicts the rows of a table: see [pipeline.Predictor.Predict].
func (s *Served) Predict(columns []pipeline.Column) (out [][]float64, err error) {
	err = s.fallback.Do(
		func() error { out, err = s.exported(columns); return err },
		func() error { out, err = s.native.Predict(columns); return err })
	return out, err
}

// Inputs returns the inputs of the file, or what they would be if it cannot be opened.
func (s *Served) Inputs() []runtime.Info {
	if s.session != nil {
		return s.session.Inputs()
	}
	names := onnx.PipelineInputs(s.model)
	if names == nil {
		return []runtime.Info{{Name: "rows", Type: "float64", Shape: []int64{-1, int64(len(s.model.Inputs))}}}
	}
	var all []runtime.Info
	for i, in := range s.model.Inputs {
		typ := "float64"
		if in.Kind == pipeline.Text {
			typ = "string"
		}
		all = append(all, runtime.Info{Name: names[i], Type: typ, Shape: []int64{-1, 1}})
	}
	return all
}

// Outputs returns the outputs of the file, or what they would be if it cannot be opened.
func (s *Served) Outputs() []runtime.Info {
	if s.session != nil {
		return s.session.Outputs()
	}
	var all []runtime.Info
	for i, out := range s.model.Outputs {
		switch {
		case out.Labels == nil:
			all = append(all, runtime.Info{Name: out.Name, Type: "float64", Shape: []int64{-1, int64(s.native.Width(i))}})
		case out.Labels.Texts != nil:
			all = append(all, runtime.Info{Name: out.Name, Type: "string", Shape: []int64{-1}})
		default:
			all = append(all, runtime.Info{Name: out.Name, Type: "int64", Shape: []int64{-1}})
		}
	}
	return all
}

// Run predicts the rows of tensors, which are those of [Served.Inputs]. It fails with [runtime.ErrInput] for others, and
// with the cause of a context that is done.
func (s *Served) Run(ctx context.Context, inputs tensor.List) (out tensor.List, err error) {
	err = s.fallback.Do(func() error {
		if s.session == nil {
			return s.fallback.Cause
		}
		out, err = s.session.Run(ctx, inputs)
		if err != nil && ctx.Err() != nil { // nobody waits for the native model
			return fault.Mark(context.Cause(ctx), runtime.ErrInput)
		}
		return err
	}, func() error { out, err = s.natively(inputs); return err })
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return out, err
}

// natively predicts the rows of tensors with the native model.
func (s *Served) natively(inputs tensor.List) (tensor.List, error) {
	n, err := inputs.Rows()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrInput, err)
	}
	columns := make([]pipeline.Column, len(s.model.Inputs))
	for k, in := range s.Inputs() {
		t, ok := inputs.Named(in.Name)
		if _, size := t.Kind(); !ok || size != n*int(in.Shape[len(in.Shape)-1]) {
			return nil, fmt.Errorf("%w: no input %s that fits", runtime.ErrInput, in)
		}
		texts, _ := t.Data.([]string)
		switch x := t.Floats(); {
		case onnx.PipelineInputs(s.model) == nil:
			for c := range columns {
				for r := range n {
					columns[c].Numbers = append(columns[c].Numbers, x[r*len(columns)+c])
				}
			}
		case s.model.Inputs[k].Kind == pipeline.Text:
			columns[k].Texts = texts
		default:
			columns[k].Numbers = x
		}
	}
	values, err := s.native.Predict(columns)
	if err != nil {
		return nil, err
	}
	var out tensor.List
	for i, info := range s.Outputs() {
		t := tensor.Tensor{Name: info.Name, Shape: []int64{int64(n)}}
		labels := s.model.Outputs[i].Labels
		switch {
		case labels == nil && info.Type == "float32":
			x := make([]float32, len(values[i]))
			for k, v := range values[i] {
				x[k] = float32(v)
			}
			t.Shape, t.Data = append(t.Shape, int64(s.native.Width(i))), x
		case labels == nil:
			t.Shape, t.Data = append(t.Shape, int64(s.native.Width(i))), values[i]
		case labels.Texts != nil:
			x := make([]string, n)
			for r, at := range values[i] {
				x[r] = labels.Texts[int(at)]
			}
			t.Data = x
		default:
			x := make([]int64, n)
			for r, at := range values[i] {
				x[r] = labels.Numbers[int(at)]
			}
			t.Data = x
		}
		out = append(out, t)
	}
	return out, nil
}

// exported predicts with the file.
func (s *Served) exported(columns []pipeline.Column) ([][]float64, error) {
	if s.session == nil {
		return nil, s.fallback.Cause
	}
	if err := s.native.Check(columns); err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrInput, err)
	}
	c := comparison{ctx: context.Background(), m: s.model, session: s.session}
	got, err := c.exported(columns)
	if err != nil {
		return nil, err
	}
	out := make([][]float64, len(got))
	for i, t := range got {
		if s.model.Outputs[i].Labels == nil {
			out[i] = t.Floats()
			continue
		}
		if out[i], err = s.labels(i, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// labels returns the numbers of labels.
func (s *Served) labels(output int, t tensor.Tensor) ([]float64, error) {
	var out []float64
	add := func(label any) error {
		at, ok := s.places[output][label]
		if !ok {
			return pkg.Errorf("output %s: label %v is not among the model's", s.model.Outputs[output].Name, label)
		}
		out = append(out, at)
		return nil
	}
	var err error
	switch all := t.Data.(type) {
	case []string:
		for _, label := range all {
			err = errors.Join(err, add(label))
		}
	case []int64:
		for _, label := range all {
			err = errors.Join(err, add(label))
		}
	}
	return out, err
}

// Lost returns why the file cannot be opened, so that the native model answers all calls; nil if it is open.
func (s *Served) Lost() error { return s.fallback.Cause }

// Stats counts the calls, and those that the native model answered.
func (s *Served) Stats() runtime.FallbackStats { return s.fallback.Stats() }

// Close closes the file.
func (s *Served) Close() error {
	if s.session == nil {
		return nil
	}
	return s.session.Close()
}

// A PipelineMeasurement says how the speed of a pipeline and of its ONNX file are compared.
type PipelineMeasurement struct {
	// Read reads the native model.
	Read func() (*pipeline.Model, error)
	// Native and File are the files of the native model and of ONNX. Native may be empty.
	Native, File string
	// Columns are the rows to predict. Default: those of [ProbePipeline]. They are repeated if
	// there are fewer than in the largest batch.
	Columns []pipeline.Column
	// Batches, Time and Opens are as in [runtime.Measurement].
	Batches []int
	Time    time.Duration
	Opens   int
	Runtime runtime.Config
}

// Run measures the two. The subjects of the report are native and onnx.
func (p PipelineMeasurement) Run(ctx context.Context) (runtime.Report, error) {
	m, err := p.Read()
	if err != nil {
		return runtime.Report{}, err
	}
	if p.Columns == nil {
		p.Columns = ProbePipeline(m, 1000)
	}
	least := 1000
	for _, b := range p.Batches {
		least = max(least, b)
	}
	columns := repeated(m, p.Columns, least)
	n := max(len(columns[0].Numbers), len(columns[0].Texts))
	of := runtime.Measurement{Width: 1, Outputs: 1, Batches: p.Batches, Time: p.Time, Opens: p.Opens}
	for i := range n { // a row is the number of a row of the table
		of.Rows = append(of.Rows, float64(i))
	}
	report, err := of.Run(ctx,
		runtime.Subject{Name: "native", File: p.Native, Open: func() (runtime.Model, error) {
			m, err := p.Read()
			if err != nil {
				return nil, err
			}
			native, err := pipeline.NewPredictor(m)
			if err != nil {
				return nil, err
			}
			return runtime.Func(func(rows, _ []float64) error {
				_, err := native.Predict(slice(columns, rows))
				return err
			}), nil
		}},
		runtime.Subject{Name: "onnx", File: p.File, Open: func() (runtime.Model, error) {
			s, err := runtime.Open(p.File, p.Runtime)
			if err != nil {
				return nil, err
			}
			return &measured{comparison{ctx: ctx, m: m, session: s}, columns}, nil
		}})
	return report, err
}

// A measured is a pipeline's ONNX file, whose rows are numbers of rows of a table.
type measured struct {
	comparison
	columns []pipeline.Column
}

func (m *measured) Predict(rows, _ []float64) error {
	_, err := m.exported(slice(m.columns, rows))
	return err
}

func (m *measured) Close() error { return m.session.Close() }

// repeated returns at least n rows of a table.
func repeated(m *pipeline.Model, columns []pipeline.Column, n int) []pipeline.Column {
	out := make([]pipeline.Column, len(columns))
	for k, c := range columns {
		for len(out[k].Numbers)+len(out[k].Texts) < n {
			if m.Inputs[k].Kind == pipeline.Text {
				out[k].Texts = append(out[k].Texts, c.Texts...)
			} else {
				out[k].Numbers = append(out[k].Numbers, c.Numbers...)
			}
		}
	}
	return out
}

// slice returns consecutive rows of a table.
func slice(columns []pipeline.Column, rows []float64) []pipeline.Column {
	from := int(rows[0])
	to := from + len(rows)
	out := make([]pipeline.Column, len(columns))
	for k, c := range columns {
		if c.Texts != nil {
			out[k].Texts = c.Texts[from:to]
		} else {
			out[k].Numbers = c.Numbers[from:to]
		}
	}
	return out
}
