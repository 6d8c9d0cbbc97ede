package deploy_test

import (
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/pipeline"
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
		assert.Equal(t, uint64(1), lost.Stats().Fallbacks)
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
