package quantize

import (
	"context"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/tensor"
)

// A Runner runs a model on inputs and returns its outputs.
type Runner func(ctx context.Context, m *onnx.Model, inputs tensor.List) (tensor.List, error)

// Runtime is a [Runner] that runs a model in ONNX Runtime on the CPU. It returns the errors
// of [runtime.OpenBytes] and [runtime.Session.Run].
func Runtime(ctx context.Context, m *onnx.Model, inputs tensor.List) (tensor.List, error) {
	b, err := m.Encode()
	if err != nil {
		return nil, err
	}
	s, err := runtime.OpenBytes(b, runtime.Config{Provider: runtime.CPU})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Run(ctx, inputs)
}
