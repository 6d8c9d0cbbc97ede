package neural_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
)

const formatPage = "../../doc/format/network.md"

// The files of the format page: a network, a linear model and a checkpoint.
func pageFiles(t *testing.T, folder string) (network, linear, checkpoint []byte) {
	train, m := pageFit(folder)
	f := neural.New(m)
	require.NoError(t, f.Fit(ctx, train, forecast.FitOptions{}))
	var b, l bytes.Buffer
	require.NoError(t, f.Save(&b))
	n := neural.NewLinear(neural.NLinear{Window: 2})
	require.NoError(t, n.Fit(ctx, train, forecast.FitOptions{}))
	require.NoError(t, n.Save(&l))
	err := neural.New(m).Fit(ctx, train, forecast.FitOptions{OnIteration: func(forecast.Iteration) error { return errPruned }})
	require.ErrorIs(t, err, errPruned)
	names, err := filepath.Glob(filepath.Join(folder, "*.checkpoint"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	checkpoint, err = os.ReadFile(names[0])
	require.NoError(t, err)
	require.NoError(t, os.Remove(names[0]))
	return b.Bytes(), l.Bytes(), checkpoint
}

// pageFit is the fit that made the page's files.
func pageFit(folder string) (forecast.Frame, neural.Model) {
	train := wave(10, "a")
	train[0].Y = []float64{10, 12, 11, 14, 13, 15, 14, 17, 16, 18}
	return train, neural.LSTM{Training: neural.Training{Window: 2, Epochs: 2, Checkpoint: folder}, Hidden: 1}
}

var pageBlock = regexp.MustCompile("(?s)```(json|hex)\n(.*?)```")

// The examples of doc/format/network.md can be read, and are written again byte for byte.
// A fit resumes from the checkpoint. UPDATE=1 regenerates them.
func TestFormatPage(t *testing.T) {
	page, err := os.ReadFile(formatPage)
	require.NoError(t, err)
	if os.Getenv("UPDATE") != "" {
		network, linear, checkpoint := pageFiles(t, t.TempDir())
		var texts []string
		for _, file := range [][]byte{network, linear, checkpoint} {
			head, body, _ := bytes.Cut(file, []byte("\n"))
			texts = append(texts, fmt.Sprintf("```json\n%s\n```", head))
			if len(body) > 0 {
				var lines strings.Builder
				for len(body) > 0 {
					n := min(16, len(body))
					fmt.Fprintf(&lines, "% x\n", body[:n])
					body = body[n:]
				}
				texts = append(texts, "```hex\n"+lines.String()+"```")
			}
		}
		page = pageBlock.ReplaceAllFunc(page, func([]byte) []byte {
			text := texts[0]
			texts = texts[1:]
			return []byte(text)
		})
		require.Empty(t, texts)
		require.NoError(t, os.WriteFile(formatPage, page, 0o666))
	}

	var files [][]byte
	for _, block := range pageBlock.FindAllStringSubmatch(string(page), -1) {
		if block[1] == "json" {
			files = append(files, []byte(block[2]))
			continue
		}
		body, err := hex.DecodeString(strings.Join(strings.Fields(block[2]), ""))
		require.NoError(t, err)
		files[len(files)-1] = append(files[len(files)-1], body...)
	}
	require.Len(t, files, 3)

	folder := t.TempDir()
	train, m := pageFit(folder)
	for i, f := range []forecast.Forecaster{new(neural.Forecaster), new(neural.Linear)} {
		require.NoError(t, f.Load(bytes.NewReader(files[i])))
		next, err := f.Predict(ctx, train, 1)
		require.NoError(t, err)
		assert.InDelta(t, 18, next[0].Y[0], 3)
		var b bytes.Buffer
		require.NoError(t, f.Save(&b))
		assert.Equal(t, string(files[i]), b.String())
	}

	var head struct{ Content struct{ Fit string } }
	require.NoError(t, json.NewDecoder(bytes.NewReader(files[2])).Decode(&head))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "lstm-"+head.Content.Fit[:16]+".checkpoint"), files[2], 0o666))
	var rounds []int
	require.NoError(t, neural.New(m).Fit(ctx, train, forecast.FitOptions{OnIteration: func(it forecast.Iteration) error {
		rounds = append(rounds, it.Round)
		return nil
	}}))
	assert.Equal(t, []int{1}, rounds, "it goes on after the first epoch")
}
