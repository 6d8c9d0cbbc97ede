package quantize

import (
	"context"
	"fmt"
	"slices"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/objective/forecast"
)

// Rows are inputs of a model, and what the model in Go says of them.
type Rows struct {
	Inputs []onnx.Tensor // by name; the first dimension of each is that of the rows
	Native []float64     // one row after the other
}

// Windows returns what a fitted forecaster forecasts of the series of a frame after so
// many steps, for each of the origins, and the inputs that its export takes for it. The
// horizon is the one that it was fitted with. It fails as Predict does and
// [onnx.ForecastInputs].
func Windows(ctx context.Context, f forecast.Forecaster, frame forecast.Frame, horizon int, origins ...int) (Rows, error) {
	var r Rows
	for _, n := range origins {
		past := make(forecast.Frame, len(frame))
		for i, s := range frame {
			if n < 1 || n > s.Len() {
				return r, fmt.Errorf("quantize: windows: %w: origin %d of a series of %d", ErrConfig, n, s.Len())
			}
			past[i] = s.Until(n, horizon)
		}
		out, err := f.Predict(ctx, past, horizon)
		if err != nil {
			return r, fmt.Errorf("quantize: windows: %w", err)
		}
		for _, s := range out {
			r.Native = append(r.Native, s.Y...)
		}
		in, err := onnx.ForecastInputs(f, past)
		if err != nil {
			return r, fmt.Errorf("quantize: windows: %w", err)
		}
		if r.Inputs == nil {
			r.Inputs = in
			continue
		}
		for i, t := range in {
			to := &r.Inputs[i]
			to.Dims[0] += t.Dims[0]
			to.Raw = append(to.Raw, t.Raw...)
		}
	}
	return r, nil
}

// count returns how many rows inputs have.
func count(inputs []onnx.Tensor) (int, error) {
	rows := int64(-1)
	for _, t := range inputs {
		if len(t.Dims) == 0 || t.Dims[0] < 1 || rows >= 0 && t.Dims[0] != rows || len(t.Raw)%int(t.Dims[0]) != 0 {
			return 0, fmt.Errorf("%w: input %q has dimensions %v, others %d rows", ErrConfig, t.Name, t.Dims, rows)
		}
		rows = t.Dims[0]
	}
	if rows < 0 {
		return 0, fmt.Errorf("%w: there are no inputs", ErrConfig)
	}
	return int(rows), nil
}

// cut returns some rows.
func cut(inputs []onnx.Tensor, from, to int) []onnx.Tensor {
	out := slices.Clone(inputs)
	for i, t := range out {
		row := len(t.Raw) / int(t.Dims[0])
		out[i].Raw = t.Raw[from*row : to*row]
		out[i].Dims = slices.Clone(t.Dims)
		out[i].Dims[0] = int64(to - from)
	}
	return out
}

// Runtime runs a model in ONNX Runtime, on the CPU: it is a [Runner]. It fails as
// [runtime.OpenBytes] and [runtime.Session.Run] do.
func Runtime(ctx context.Context, m *onnx.Model, inputs []onnx.Tensor) ([]onnx.Tensor, error) {
	s, err := open(m)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return run(ctx, s, inputs)
}

func open(m *onnx.Model) (*runtime.Session, error) {
	b, err := m.Encode()
	if err != nil {
		return nil, err
	}
	return runtime.OpenBytes(b, runtime.Options{Provider: runtime.CPU})
}

// run runs a session on tensors.
func run(ctx context.Context, s *runtime.Session, inputs []onnx.Tensor) ([]onnx.Tensor, error) {
	in, err := feed(inputs)
	if err != nil {
		return nil, err
	}
	got, err := s.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []onnx.Tensor
	for _, info := range s.Outputs() {
		t, ok := got[info.Name]
		if !ok {
			continue
		}
		switch v := t.Data.(type) {
		case []float32:
			out = append(out, onnx.NewTensor(info.Name, v, t.Shape...))
		case []float64:
			out = append(out, onnx.NewTensor(info.Name, v, t.Shape...))
		case []int64:
			out = append(out, onnx.NewTensor(info.Name, v, t.Shape...))
		}
	}
	return out, nil
}

// feed returns tensors as the runtime takes them.
func feed(inputs []onnx.Tensor) (map[string]runtime.Tensor, error) {
	in := map[string]runtime.Tensor{}
	for _, t := range inputs {
		x := runtime.Tensor{Shape: t.Dims}
		var err error
		switch t.Type {
		case onnx.Float32:
			x.Data, err = values[float32](t)
		case onnx.Float64:
			x.Data, err = values[float64](t)
		case onnx.Int64:
			x.Data, err = values[int64](t)
		default:
			err = fmt.Errorf("%w: input %q is %v", ErrConfig, t.Name, t.Type)
		}
		if err != nil {
			return nil, err
		}
		in[t.Name] = x
	}
	return in, nil
}

func values[T onnx.Element](t onnx.Tensor) (any, error) { return onnx.Values[T](t) }
