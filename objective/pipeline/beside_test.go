package pipeline_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/foreign"
	"github.com/attune-hpo/attune/objective/pipeline"
)

// Steps in separate files come before the model, and zeros are missing if the caller says so. The truth is what Python
// predicts step by step.
func TestReadBeside(t *testing.T) {
	file, err := os.Open("testdata/beside.json.gz")
	require.NoError(t, err)
	defer file.Close()
	z, err := gzip.NewReader(file)
	require.NoError(t, err)
	var doc struct {
		Cases []struct {
			Name          string
			Zeros         bool
			Contamination float64
			Before        [][]byte
			File          []byte
			Columns       []struct {
				Numbers foreign.Floats
				Texts   []string
			}
			Outputs map[string]foreign.Floats
		}
	}
	require.NoError(t, json.NewDecoder(z).Decode(&doc))
	require.Len(t, doc.Cases, 4)
	formats := []string{"StandardScaler + IsolationForest", "TfidfVectorizer + XGBoost JSON", "XGBoost JSON", "StandardScaler + IsolationForest"}
	for i, c := range doc.Cases {
		t.Run(c.Name, func(t *testing.T) {
			var before []io.Reader
			for _, b := range c.Before {
				before = append(before, bytes.NewReader(b))
			}
			m, from, err := pipeline.ReadWith(bytes.NewReader(c.File), pipeline.ReadOptions{Before: before, ZerosMissing: c.Zeros})
			require.NoError(t, err)
			assert.Equal(t, formats[i], from.Format)
			assert.False(t, from.Sparse)
			assert.Equal(t, 10, from.Taken)
			var columns []pipeline.Column
			for _, k := range c.Columns {
				columns = append(columns, pipeline.Column{Numbers: k.Numbers, Texts: k.Texts})
			}
			if c.Contamination > 0 {
				m, err = m.Contaminated(columns, c.Contamination)
				require.NoError(t, err)
			}
			p, err := pipeline.NewPredictor(m)
			require.NoError(t, err)
			got, err := p.Predict(columns)
			require.NoError(t, err)
			for k, out := range m.Outputs {
				if want := c.Outputs[out.Name]; want != nil {
					assert.InDeltaSlice(t, []float64(want), got[k], 1e-6, out.Name)
				}
			}
			if !c.Zeros {
				return
			}
			m, from, err = pipeline.Read(bytes.NewReader(c.File))
			require.NoError(t, err)
			assert.True(t, from.Sparse, "the file shows it")
			p, err = pipeline.NewPredictor(m)
			require.NoError(t, err)
			dense, err := p.Predict(columns)
			require.NoError(t, err)
			assert.NotEqual(t, got, dense, "and it matters")
		})
	}
	scaler, forest, booster := doc.Cases[0].Before[0], doc.Cases[0].File, doc.Cases[1].File
	for _, c := range []struct {
		before, file []byte
		want         string
	}{
		{forest, booster, "unsupported: a sklearn.ensemble._iforest.IsolationForest: want a scaler"},
		{booster, forest, "unsupported: it is a model, not a step before one"},
		{[]byte("hello"), forest, "step 1 before the model: tree: malformed model"},
		{scaler, booster, "the model takes 10 columns, and the step before it gives 3"},
	} {
		_, _, err := pipeline.ReadWith(bytes.NewReader(c.file), pipeline.ReadOptions{Before: []io.Reader{bytes.NewReader(c.before)}})
		require.ErrorContains(t, err, c.want)
	}
	_, err = warm().Contaminated(nil, 0.1)
	require.ErrorIs(t, err, pipeline.ErrUnsupported)
	m, _, err := pipeline.Read(bytes.NewReader(forest))
	require.NoError(t, err)
	for _, share := range []float64{0, -1, 0.6, math.NaN()} {
		_, err = m.Contaminated(nil, share)
		require.ErrorIs(t, err, pipeline.ErrInput, "%v", share)
	}
	_, err = m.Contaminated(make([]pipeline.Column, 3), 0.1)
	require.ErrorContains(t, err, "no rows")
	var saved bytes.Buffer
	require.NoError(t, pipeline.Write(&saved, warm()))
	_, _, err = pipeline.ReadWith(&saved, pipeline.ReadOptions{ZerosMissing: true})
	require.ErrorIs(t, err, pipeline.ErrUnsupported)
}
