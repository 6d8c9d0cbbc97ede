package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/fault"
)

var setWidth = fault.Hint{Field: "runtime.PredictorConfig.Width", Want: "set %s"}

// A Model predicts rows, like the Predictor of objective/tree.
//
// rows holds the values of the rows, row by row. out gets the predictions, row by row, with
// one value per output of the model. A Model must be safe for concurrent use.
type Model interface {
	Predict(rows, out []float64) error
}

// A Predictor is a [Model] that runs in ONNX Runtime. The file must have one input of
// floats, whose first dimension is the rows.
type Predictor struct {
	session        *Session
	layout         *layout
	width, outputs int // values per row
	batch          int
	fixed          bool // the model takes exactly batch rows
}

// A layout lists the tensors of a call: the input, and all outputs that the session
// returns. A first size of -1 is the number of rows.
type layout struct {
	in   Info
	outs []Info
	out  int // index of the output to predict
}

// A PredictorConfig says how a [Predictor] uses a session. The zero value suits most
// files.
type PredictorConfig struct {
	// Output is the name of the output to predict. Default: the only output of floats.
	Output string
	// Width is the number of values per row. It is required if the model does not say.
	Width int
	// Batch is the maximum number of rows per run; larger calls are split. A [Measurement]
	// finds the best number. The Predictor keeps up to 32 batches in memory, one for each
	// concurrent call. Default 1024.
	Batch int
}

const defaultBatch = 1024

// OpenPredictor loads a file like [Open] and makes a predictor of it with the zero
// [PredictorConfig]. Close it after use. For another configuration, use Open and
// [NewPredictor].
func OpenPredictor(path string, c Config) (*Predictor, error) {
	return openPredictor(path, c, PredictorConfig{})
}

func openPredictor(path string, c Config, p PredictorConfig) (*Predictor, error) {
	s, err := Open(path, c)
	if err != nil {
		return nil, err
	}
	out, err := NewPredictor(s, p)
	if err != nil {
		s.Close()
		return nil, err
	}
	return out, nil
}

// NewPredictor makes a predictor that runs in s. It runs two rows of zeros to check
// that the model runs and what it returns. If the model is not a predictor, the error
// wraps [ErrModel] and says why.
//
// Closing the session closes the predictor, and vice versa.
func NewPredictor(s *Session, c PredictorConfig) (*Predictor, error) {
	fail := func(format string, args ...any) (*Predictor, error) {
		return nil, pkg.Errorf("predictor of %s: %w: %w", s.name, ErrModel, fmt.Errorf(format, args...))
	}
	if c.Width < 0 || c.Batch < 0 {
		return nil, pkg.Errorf("predictor of %s: width %d and batch %d: want 0 or more", s.name, c.Width, c.Batch)
	}
	if len(s.inputs) != 1 {
		return fail("it has %d inputs, want one: run it as a session", len(s.inputs))
	}
	l := &layout{in: s.inputs[0]}
	p := &Predictor{session: s, layout: l, batch: cmp.Or(c.Batch, defaultBatch)}
	if l.in.Type == "int64" || l.in.Type == "string" || l.in.Shape != nil && len(l.in.Shape) == 0 {
		return fail("its input %v does not take rows of floats", l.in)
	}
	if err := p.setInput(c.Width); err != nil {
		return fail("%w", err)
	}
	var err error
	if l.out, err = s.output(c.Output); err != nil {
		return fail("%w", err)
	}
	rows := 2
	if p.fixed {
		rows = p.batch
	}
	t := tensor.Tensor{Name: l.in.Name, Shape: slices.Clone(l.in.Shape)}
	t.Shape[0] = int64(rows)
	if l.in.Type == "float32" {
		t.Data = make([]float32, rows*p.width)
	} else {
		t.Data = make([]float64, rows*p.width)
	}
	got, err := s.Run(context.Background(), tensor.List{t})
	switch {
	case errors.Is(err, ErrClosed):
		return nil, err
	case err != nil:
		return fail("a trial run of %d rows of zeros: %w", rows, errors.Unwrap(err)) // the error already names the file
	}
	for i, info := range s.returned {
		info.Shape = got[i].Shape
		if len(info.Shape) > 0 && info.Shape[0] == int64(rows) {
			info.Shape[0] = -1
		}
		l.outs = append(l.outs, info)
	}
	out := l.outs[l.out]
	if len(out.Shape) == 0 || out.Shape[0] != -1 {
		return fail("its output %v does not have one row for each of the %d rows in a run", out, rows)
	}
	if p.outputs = product(out.Shape[1:]); p.outputs == 0 {
		return fail("its output %v is empty", out)
	}
	return p, nil
}

// setInput determines the shape of the input, and whether the model fixes the batch.
func (p *Predictor) setInput(width int) error {
	in := &p.layout.in
	told := *in
	in.Shape = slices.Clone(in.Shape)
	if in.Shape == nil {
		in.Shape = []int64{-1, -1}
	}
	if slices.Contains(in.Shape, 0) {
		return fmt.Errorf("its input %v is empty", told)
	}
	if in.Shape[0] > 0 {
		p.batch, p.fixed = int(in.Shape[0]), true
	}
	in.Shape[0] = -1
	p.width = 1
	free := 0
	for i, d := range in.Shape[1:] {
		switch {
		case d > 0:
			p.width *= int(d)
		case free > 0:
			return fmt.Errorf("its input %v has more than one free dimension besides the rows", told)
		default:
			free = i + 1
		}
	}
	switch {
	case free == 0 && (width == 0 || width == p.width):
		return nil
	case free == 0:
		return fmt.Errorf("its input %v takes %d values a row, not %d", told, p.width, width)
	case width == 0 || width%p.width != 0:
		return fmt.Errorf("its input %v does not say how many values a row has, a multiple of %d: %w", told, p.width, setWidth)
	}
	in.Shape[free] = int64(width / p.width)
	p.width = width
	return nil
}

// output returns the index, among the returned outputs, of the output with the given name,
// or of the only output of floats.
func (s *Session) output(name string) (int, error) {
	var found []int
	for i, info := range s.returned {
		if info.Name == name || name == "" && floats32or64(info.Type) {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 1 && floats32or64(s.returned[found[0]].Type):
		return found[0], nil
	case name != "":
		return 0, fmt.Errorf("it has no output %q of floats: it has %v", name, s.outputs)
	case len(found) == 0:
		return 0, fmt.Errorf("it has no output of floats: it has %v", s.outputs)
	}
	return 0, fmt.Errorf("it has several outputs of floats: name one of %s", strings.Join(names(s.returned), ", "))
}

func floats32or64(kind string) bool { return kind == "float32" || kind == "float64" }

// Session returns what p runs in.
func (p *Predictor) Session() *Session { return p.session }

// Width returns the number of values per row.
func (p *Predictor) Width() int { return p.width }

// Outputs returns the number of predicted values per row.
func (p *Predictor) Outputs() int { return p.outputs }

// Predict writes the predictions for rows to out: see [Model]. It rounds values to float32
// if the model takes float32. Sizes that do not fit are an error that wraps [ErrInput], and
// nothing is written. If a batch fails, the batches before it have been written. After
// Close it fails with [ErrClosed].
func (p *Predictor) Predict(rows, out []float64) error {
	return p.PredictContext(context.Background(), rows, out)
}

// PredictContext is like [Predictor.Predict]. When ctx ends, it returns ctx's cause as soon
// as the operator that is running on the current batch is done.
func (p *Predictor) PredictContext(ctx context.Context, rows, out []float64) error {
	n := len(out) / p.outputs
	if len(out)%p.outputs != 0 || len(rows) != n*p.width {
		return pkg.Errorf("predict: %w: %d values in and %d out: want %d in and %d out a row", ErrInput, len(rows), len(out), p.width, p.outputs)
	}
	s := p.session
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.engine == nil {
		return s.failed(ErrClosed)
	}
	for from := 0; from < n; from += p.batch {
		to := min(from+p.batch, n)
		size := to - from
		if p.fixed {
			size = p.batch
		}
		at, err := s.engine.take(p.layout, size)
		if err != nil {
			return s.failed(err)
		}
		err = s.engine.predict(ctx, at, rows[from*p.width:to*p.width], out[from*p.outputs:to*p.outputs])
		s.engine.give(at)
		if err != nil {
			return s.failed(err)
		}
	}
	return nil
}

// Close closes the session that p runs in.
func (p *Predictor) Close() error { return p.session.Close() }

func product(shape []int64) int {
	size := 1
	for _, d := range shape {
		size *= int(d)
	}
	return size
}
