package deploy_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/serve"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
)

// The file of every pipeline predicts like the model, labels included; without the file, the
// model itself answers.
func TestOpenPipeline(t *testing.T) {
	onnxtest.Require(t)
	quiet := runtime.Config{Log: slog.New(slog.DiscardHandler)}
	eachPipeline(t, func(t *testing.T, m *pipeline.Model, columns []pipeline.Column) {
		file := filepath.Join(t.TempDir(), "m.onnx")
		_, err := deploy.Pipeline(t.Context(), m, columns, deploy.TreesOptions{File: file})
		require.NoError(t, err)
		s, err := deploy.OpenPipeline(file, m, quiet)
		require.NoError(t, err)
		got, err := s.Predict(columns)
		require.NoError(t, err)
		lost, err := deploy.OpenPipeline(file+".absent", m, quiet)
		require.NoError(t, err)
		want, err := lost.Predict(columns)
		require.NoError(t, err)
		for i := range want {
			require.Len(t, got[i], len(want[i]))
			for k := range want[i] {
				if !(math.IsNaN(want[i][k]) && math.IsNaN(got[i][k])) {
					require.InDelta(t, want[i][k], got[i][k], 1e-9*max(1, math.Abs(want[i][k])), m.Outputs[i].Name)
				}
			}
		}
		assert.Equal(t, runtime.FallbackStats{Calls: 1}, s.Stats())
		sameTensors(t, m, columns, s, lost)
		assert.Equal(t, uint64(2), lost.Stats().Fallbacks)
		_, err = s.Predict(nil)
		require.ErrorIs(t, err, pipeline.ErrInput)
		require.ErrorIs(t, err, runtime.ErrInput)
		require.NoError(t, s.Close())
		_, err = s.Predict(columns)
		require.NoError(t, err, "a closed file falls back")
		require.NoError(t, lost.Close())
		assert.Same(t, m, s.Model())
	})
}

// sameTensors compares the tensors of an ONNX file with those of the native model alone.
func sameTensors(t *testing.T, m *pipeline.Model, columns []pipeline.Column, file, native *deploy.Served) {
	kinds := func(all []runtime.Info) (out []string) {
		for _, i := range all {
			out = append(out, i.Name+" "+i.Type)
		}
		return out
	}
	require.Equal(t, kinds(file.Inputs()), kinds(native.Inputs()))
	require.Equal(t, kinds(file.Outputs()), kinds(native.Outputs()))
	var inputs tensor.List
	for i, in := range file.Inputs() {
		x := tensor.Tensor{Name: in.Name, Shape: []int64{2, in.Shape[1]}}
		switch {
		case len(in.Shape) == 2 && in.Shape[1] == int64(len(columns)) && onnx.PipelineInputs(m) == nil:
			var rows []float64
			for r := range 2 {
				for _, c := range columns {
					rows = append(rows, c.Numbers[r])
				}
			}
			x.Data = rows
		case in.Type == "string":
			x.Data = columns[i].Texts[:2]
		default:
			x.Data = columns[i].Numbers[:2]
		}
		inputs = append(inputs, x)
	}
	a, err := file.Run(t.Context(), inputs)
	require.NoError(t, err)
	b, err := native.Run(t.Context(), inputs)
	require.NoError(t, err)
	require.Len(t, b, len(a))
	for i := range a {
		assert.Equal(t, a[i].Name, b[i].Name)
		assert.Equal(t, a[i].Shape, b[i].Shape)
		if want := a[i].Floats(); want != nil {
			got := b[i].Floats()
			require.Len(t, got, len(want))
			for k, x := range want {
				if !(math.IsNaN(x) && math.IsNaN(got[k])) {
					assert.InDelta(t, x, got[k], 1e-9*max(1, math.Abs(x)))
				}
			}
		} else {
			assert.Equal(t, a[i].Data, b[i].Data)
		}
	}
}

// The tensors of a version in a registry come from the native model if the ONNX file fails.
func TestOpenVersion(t *testing.T) {
	onnxtest.Require(t)
	models, err := registry.Open(t.TempDir())
	require.NoError(t, err)
	trees := &tree.Model{Features: make([]tree.Feature, 1), Outputs: 1,
		Trees: []tree.Tree{{Nodes: []tree.Node{{Threshold: 20, Left: ^0, Right: ^1}}, Leaves: []tree.Leaf{{Value: 0.25}, {Value: 0.75}}}}}
	quiet := runtime.Config{Log: slog.New(slog.DiscardHandler)}
	exported, err := deploy.Trees(t.Context(), trees, nil, deploy.TreesOptions{Form: onnx.Single, Runtime: quiet, Register: &deploy.Registration{Registry: models, Name: "m"}})
	require.NoError(t, err)
	file, err := exported.Version.Read(registry.ONNX)
	require.NoError(t, err)
	native, err := exported.Version.Read(registry.Native)
	require.NoError(t, err)
	add := func(onnx, native []byte) registry.Version {
		v, err := models.Put(t.Context(), "m", registry.Draft{Files: map[string]io.Reader{registry.ONNX: bytes.NewReader(onnx), registry.Native: bytes.NewReader(native)}})
		require.NoError(t, err)
		return v
	}
	damaged, other := add(file[:50], native), add(file[:50], []byte("a forecaster"))
	ask := func(v serve.Version) []float64 {
		out, err := v.Model.Run(t.Context(), tensor.List{{Name: "rows", Shape: []int64{2, 1}, Data: []float32{10, 30}}})
		require.NoError(t, err)
		return out[0].Floats()
	}
	v, err := deploy.OpenVersion(exported.Version, quiet)
	require.NoError(t, err)
	assert.Equal(t, "1", v.Name)
	assert.Equal(t, []float64{0.25, 0.75}, ask(v))
	served := v.Model.(*deploy.Served)
	assert.Zero(t, served.Stats().Fallbacks)
	require.NoError(t, served.Close())
	assert.Equal(t, []float64{0.25, 0.75}, ask(v), "after the file was closed")
	assert.Equal(t, uint64(1), served.Stats().Fallbacks)
	_, err = v.Model.Run(t.Context(), tensor.List{{Name: "x", Shape: []int64{1, 1}, Data: []float32{1}}})
	require.ErrorIs(t, err, runtime.ErrInput)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = v.Model.Run(ended, tensor.List{})
	require.ErrorIs(t, err, context.Canceled)

	v, err = deploy.OpenVersion(damaged, quiet)
	require.NoError(t, err)
	assert.Equal(t, "rows float64 [? 1]", v.Model.Inputs()[0].String())
	assert.Equal(t, "predictions float64 [? 1]", v.Model.Outputs()[0].String())
	assert.Equal(t, []float64{0.25, 0.75}, ask(v))
	assert.Error(t, v.Model.(*deploy.Served).Lost())
	_, err = deploy.OpenVersion(other, quiet)
	assert.ErrorContains(t, err, "open m, version 3: ")
	wrong := bytes.Replace(native, []byte("0.75"), []byte("0.85"), 1)
	require.NotEqual(t, native, wrong)
	_, err = deploy.OpenVersion(add(file, wrong), quiet)
	assert.ErrorIs(t, err, deploy.ErrMismatch)
}

func TestOpenPipelineOfAnotherModel(t *testing.T) {
	onnxtest.Require(t)
	var models []*pipeline.Model
	eachPipeline(t, func(_ *testing.T, m *pipeline.Model, _ []pipeline.Column) { models = append(models, m) })
	file := filepath.Join(t.TempDir(), "m.onnx")
	_, err := deploy.Pipeline(t.Context(), models[0], nil, deploy.TreesOptions{File: file})
	require.NoError(t, err)
	_, err = deploy.OpenPipeline(file, models[1], runtime.Config{})
	require.ErrorIs(t, err, deploy.ErrMismatch)
	_, err = deploy.OpenPipeline(file, new(pipeline.Model), runtime.Config{})
	require.ErrorIs(t, err, pipeline.ErrInvalid)

	report, err := deploy.PipelineMeasurement{File: file, Batches: []int{1, 2000}, Time: time.Microsecond, Opens: 1,
		Read: func() (*pipeline.Model, error) { return models[0], nil }}.Run(t.Context())
	require.NoError(t, err)
	for _, s := range report.Subjects {
		assert.Empty(t, s.Error)
		assert.Len(t, s.Batches, 2)
	}
}
