package pipeline_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/pipeline"
)

// A file of any bytes is read or refused, and what is read predicts.
func FuzzRead(f *testing.F) {
	file, err := os.Open("testdata/beside.json.gz")
	require.NoError(f, err)
	defer file.Close()
	z, err := gzip.NewReader(file)
	require.NoError(f, err)
	var doc struct {
		Cases []struct {
			Before [][]byte
			File   []byte
		}
	}
	require.NoError(f, json.NewDecoder(z).Decode(&doc))
	for _, c := range doc.Cases {
		f.Add(c.File)
		unpacked := unzlib(f, c.File)
		f.Add(unpacked)
		for _, b := range c.Before {
			f.Add(unzlib(f, b))
		}
	}
	for _, k := range readKept(f, "testdata/kinds-0.24.2.json.gz") { // the smallest of many kinds
		if len(k.File) > 1500 {
			continue
		}
		f.Add(k.File)
		m, _, err := pipeline.Read(bytes.NewReader(k.File))
		require.NoError(f, err)
		var b bytes.Buffer
		require.NoError(f, pipeline.Write(&b, m))
		f.Add(b.Bytes())
	}
	var saved bytes.Buffer
	require.NoError(f, pipeline.Write(&saved, warm()))
	f.Add(saved.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) { readAndPredict(t, data) })
}

func readAndPredict(t *testing.T, data []byte) {
	m, _, err := pipeline.ReadWith(bytes.NewReader(data), pipeline.ReadOptions{ZerosMissing: len(data)%2 == 0})
	if err != nil {
		return
	}
	p, err := pipeline.NewPredictor(m)
	if err != nil {
		t.Fatal(err)
	}
	columns := make([]pipeline.Column, len(m.Inputs))
	for i, in := range m.Inputs {
		if in.Kind == pipeline.Text {
			columns[i].Texts = []string{"", "a cat"}
		} else {
			columns[i].Numbers = []float64{0, 1}
		}
	}
	if _, err := p.Predict(columns); err != nil && !errors.Is(err, pipeline.ErrInput) {
		t.Fatal(err)
	}
}

// unzlib unpacks a file of joblib; others stay as they are.
func unzlib(f testing.TB, data []byte) []byte {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return data
	}
	out, err := io.ReadAll(z)
	require.NoError(f, err)
	return out
}
