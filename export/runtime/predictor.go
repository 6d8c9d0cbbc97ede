package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/export/tensor"
)

// A Model predicts rows, as objective/tree's Predictor does.
//
// rows holds the values of one row after the other; out gets the predictions of one
// row after the other, as many for each as the model has outputs. It is safe for
// concurrent use.
type Model interface {
	Predict(rows, out []float64) error
}

// A Predictor is a [Model] that runs in ONNX Runtime. The file must have one input,
// of floats: rows in its first dimension.
type Predictor struct {
	session        *Session
	layout         *layout
	width, outputs int // values a row
	batch          int
	fixed          bool // the model takes batch rows, not fewer
}

// A layout lists the tensors of a call: of its input and of all outputs that the
// session returns. A first size of -1 is the number of rows.
type layout struct {
	in   Info
	outs []Info
	out  int // the one to predict
}

// A PredictorConfig says how a [Predictor] uses a session. The zero value is right for
// most files.
type PredictorConfig struct {
	// Output is the name of the output to predict. Default: the only one of floats.
	Output string
	// Width is the number of values of a row. It must be given if the model does not
	// say.
	Width int
	// Batch is the greatest number of rows that run at once; larger calls are split. A
	// [Measurement] finds the best number. Up to 32 batches, one for each call that runs
	// at once, are kept in memory. Default 1024.
	Batch int
}

const defaultBatch = 1024

// OpenPredictor loads a file as [Open] does and makes a predictor of it with the zero
// [PredictorConfig]. It must be closed. For another one, use Open and [NewPredictor].
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

// NewPredictor makes a predictor that runs in s. It runs two rows of zeros, to see
// that the model runs and what it returns. The error wraps [ErrModel] where the model
// is no predictor, and says why.
//
// Closing the session closes the predictor, and the other way round.
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
	if l.in.Type == "int64" || l.in.Shape != nil && len(l.in.Shape) == 0 {
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
		return fail("a trial run of %d rows of zeros: %w", rows, errors.Unwrap(err)) // the file is named already
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
		return fail("its output %v does not have one row after the other: %d rows were run", out, rows)
	}
	if p.outputs = product(out.Shape[1:]); p.outputs == 0 {
		return fail("its output %v is empty", out)
	}
	return p, nil
}

// setInput settles the shape of the input, and whether the batch is the model's to say.
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
		return fmt.Errorf("its input %v does not say how many values a row has: give Width, a multiple of %d", told, p.width)
	}
	in.Shape[free] = int64(width / p.width)
	p.width = width
	return nil
}

// output returns the index among the returned of the one asked for, or the only one
// of floats.
func (s *Session) output(name string) (int, error) {
	var found []int
	for i, info := range s.returned {
		if info.Name == name || name == "" && info.Type != "int64" {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 1 && s.returned[found[0]].Type != "int64":
		return found[0], nil
	case name != "":
		return 0, fmt.Errorf("it has no output %q of floats: it has %v", name, s.outputs)
	case len(found) == 0:
		return 0, fmt.Errorf("it has no output of floats: it has %v", s.outputs)
	}
	return 0, fmt.Errorf("it has several outputs of floats: name one of %s", strings.Join(names(s.returned), ", "))
}

// Session returns what p runs in.
func (p *Predictor) Session() *Session { return p.session }

// Width returns how many values a row has.
func (p *Predictor) Width() int { return p.width }

// Outputs returns how many values are predicted for a row.
func (p *Predictor) Outputs() int { return p.outputs }

// Predict writes to out what the model predicts for rows: see [Model]. Values are
// rounded to float32 where the model takes these. Sizes that do not fit are an error
// that wraps [ErrInput], and nothing is written; when a batch fails, those before it
// have been. After Close it fails with [ErrClosed].
func (p *Predictor) Predict(rows, out []float64) error {
	return p.PredictContext(context.Background(), rows, out)
}

// PredictContext is [Predictor.Predict] with a deadline: when ctx ends, it returns
// ctx's cause once the operator at work, on one batch, is done.
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
