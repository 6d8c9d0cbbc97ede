package deploy_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/internal/dev/foreign"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/pipeline"
)

// eachPipeline calls f with each model in the tests of package pipeline, and its table.
func eachPipeline(t *testing.T, f func(t *testing.T, m *pipeline.Model, columns []pipeline.Column)) {
	for _, file := range []string{"pipelines.json.gz", "texts.json.gz", "tokens.json.gz", "hashes.json.gz", "versions.json.gz", "kinds.json.gz", "nests.json.gz", "vectors.json.gz"} {
		eachPipelineOf(t, filepath.Join("../../objective/pipeline/testdata", file), f)
	}
}

func eachPipelineOf(t *testing.T, name string, f func(t *testing.T, m *pipeline.Model, columns []pipeline.Column)) {
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	z, err := gzip.NewReader(file)
	require.NoError(t, err)
	var doc struct {
		Cases []struct {
			Name    string
			File    []byte
			Columns []struct {
				Name    string
				Numbers foreign.Floats
				Texts   []string
			}
		}
	}
	require.NoError(t, json.NewDecoder(z).Decode(&doc))
	require.NotEmpty(t, doc.Cases)
	for _, c := range doc.Cases {
		t.Run(c.Name, func(t *testing.T) {
			m, _, err := pipeline.Read(bytes.NewReader(c.File))
			require.NoError(t, err)
			var columns []pipeline.Column
			for _, k := range c.Columns {
				if len(m.Inputs) < len(c.Columns) && !slices.ContainsFunc(m.Inputs, func(in pipeline.Input) bool { return in.Name == k.Name }) {
					continue // the model drops it
				}
				columns = append(columns, pipeline.Column{Numbers: k.Numbers, Texts: k.Texts})
			}
			f(t, m, columns)
		})
	}
}

// Every pipeline is exported and predicts the same in ONNX Runtime: numbers, labels and
// probabilities, on its own rows and on those at its thresholds.
func TestPipelines(t *testing.T) {
	onnxtest.Require(t)
	eachPipeline(t, func(t *testing.T, m *pipeline.Model, columns []pipeline.Column) {
		for _, form := range []onnx.Form{onnx.Exact, onnx.Compatible} {
			r, err := deploy.Pipeline(t.Context(), m, columns, deploy.TreesOptions{Form: form, Runtime: quiet})
			if form == onnx.Compatible && slices.ContainsFunc(m.Nodes, joinsTexts) {
				require.ErrorIs(t, err, onnx.ErrUnsupported)
				continue
			}
			require.NoError(t, err, "%v %v", r.Report, r.Probe)
			require.NotNil(t, r.Probe)
			assert.Zero(t, r.Probe.Beyond)
		}
	})
}

// joinsTexts reports whether a pipeline has a node whose ONNX form joins texts, which the compatible form cannot do.
func joinsTexts(n pipeline.Node) bool {
	switch op := n.Op.(type) {
	case pipeline.Letters:
		return true
	case pipeline.Words:
		return op.Strip != "" || op.Hashed != nil && op.To > 1
	}
	return false
}

// A pipeline that was exported is in the registry with its native form, which reads back.
func TestPipelineRegistered(t *testing.T) {
	onnxtest.Require(t)
	dir := t.TempDir()
	r, err := registry.Open(filepath.Join(dir, "models"))
	require.NoError(t, err)
	eachPipeline(t, func(t *testing.T, m *pipeline.Model, columns []pipeline.Column) {
		if t.Name() != "TestPipelineRegistered/ColumnTransformer_and_XGBoost" {
			return
		}
		got, err := deploy.Pipeline(t.Context(), m, nil, deploy.TreesOptions{File: filepath.Join(dir, "m.onnx"), Runtime: quiet, Register: &deploy.Registration{Registry: r, Name: "shop"}})
		require.NoError(t, err)
		assert.FileExists(t, got.File)
		data, err := got.Version.Read(registry.Native)
		require.NoError(t, err)
		back, _, err := pipeline.Read(bytes.NewReader(data))
		require.NoError(t, err)
		var want, again bytes.Buffer
		require.NoError(t, pipeline.Write(&want, m))
		require.NoError(t, pipeline.Write(&again, back))
		assert.Equal(t, want.String(), again.String())
		_, err = deploy.Pipeline(t.Context(), m, nil, deploy.TreesOptions{Form: onnx.Single, Runtime: quiet})
		assert.ErrorIs(t, err, onnx.ErrUnsupported)
	})
}
