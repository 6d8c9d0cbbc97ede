package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/objective/pipeline"
)

// A Served runs the ONNX file of a pipeline, and predicts like a [pipeline.Predictor] of the same
// model, which answers if the file fails. It is safe for concurrent use. Close it after use.
type Served struct {
	model    *pipeline.Model
	native   *pipeline.Predictor
	session  *runtime.Session // nil if it cannot be opened
	fallback *runtime.Fallback
	places   []map[any]float64 // by output: number of a label
}

// OpenPipeline opens the file of [Pipeline] in ONNX Runtime, with m as the native model. If the
// file or the library cannot be opened at all, OpenPipeline logs the error, and m answers all
// calls: see [Served.Stats].
//
// It fails with [ErrMismatch] for a file that was exported from another model, and with
// [pipeline.ErrInvalid].
func OpenPipeline(file string, m *pipeline.Model, o runtime.Config) (*Served, error) {
	native, err := pipeline.NewPredictor(m)
	if err != nil {
		return nil, pkg.Errorf("open %s: %w", file, err)
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
	s.session, err = runtime.Open(file, o)
	if err != nil {
		s.session = nil
		s.fallback.Cause = err
		s.fallback.Lost()
		return s, nil
	}
	if err := belongs(file, s.session, func(w io.Writer) error { return pipeline.Write(w, m) }); err != nil {
		return nil, errors.Join(err, s.session.Close())
	}
	return s, nil
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
