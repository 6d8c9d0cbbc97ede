package onnx_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/onnx/internal/eval"
	"github.com/attune-hpo/attune/internal/dev/foreign"
	"github.com/attune-hpo/attune/objective/tree"
)

// An oracle is a model of LightGBM, XGBoost or CatBoost with rows, and what the
// library predicts for them; see objective/tree/testdata.
type oracle struct {
	name string
	m    *tree.Model
	rows []float64
}

func oracles(t testing.TB) []oracle {
	t.Helper()
	var all []oracle
	for _, c := range foreign.Read(t, "../../objective/tree/testdata/*.json.gz") {
		if c.Refuse != "" {
			continue
		}
		for _, format := range []string{"text", "txt", "json"} {
			if file, ok := c.Files[format]; ok {
				m, err := tree.Read(strings.NewReader(file))
				require.NoError(t, err, "%s %s", c.Library, c.Name)
				all = append(all, oracle{c.Library + " " + c.Name, m, c.Rows})
				break
			}
		}
	}
	return all
}

// raw returns what a predictor makes of rows, without the link and with it.
func predict(t testing.TB, m *tree.Model, rows []float64) (raw, linked []float64) {
	t.Helper()
	p, err := tree.NewPredictor(m)
	require.NoError(t, err)
	n := len(rows) / len(m.Features) * m.Outputs
	raw, linked = make([]float64, n), make([]float64, n)
	require.NoError(t, p.PredictRaw(rows, raw))
	require.NoError(t, p.Predict(rows, linked))
	return raw, linked
}

// A runner runs models on inputs: with ONNX Runtime, or with package eval.
type runner func(t testing.TB, m *onnx.Model, in map[string]eval.Array) map[string]eval.Array

// plainly runs a model in package eval, after it was written to a file and read back.
func plainly(t testing.TB, m *onnx.Model, in map[string]eval.Array) map[string]eval.Array {
	t.Helper()
	b, err := m.Encode()
	require.NoError(t, err)
	again, err := onnx.Decode(b)
	require.NoError(t, err)
	require.Equal(t, m, again)
	require.NoError(t, again.Check())
	out, err := eval.Run(again, in)
	require.NoError(t, err)
	return out
}

// runtime returns a runner of ONNX Runtime, which checks each model with ONNX's own
// checker first. It skips the test where ATTUNE_ONNX_PYTHON is not set.
func ort(t testing.TB, threads int) runner { return ortAnd(t, threads, 0) }

// ortAnd returns a runner of ONNX Runtime that has onnx's ReferenceEvaluator run the first
// rows, and fails where the two differ.
func ortAnd(t testing.TB, threads, reference int) runner {
	t.Helper()
	python := os.Getenv("ATTUNE_ONNX_PYTHON")
	if python == "" {
		t.Skip("set ATTUNE_ONNX_PYTHON to a python that has onnx, onnxruntime and numpy, to run models with ONNX Runtime")
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/run.py")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	answers := bufio.NewReader(stdout)
	return func(t testing.TB, m *onnx.Model, in map[string]eval.Array) map[string]eval.Array {
		t.Helper()
		type array struct {
			Type string `json:"type"`
			Dims []int  `json:"dims"`
			Data []byte `json:"data"`
		}
		file, err := m.Encode()
		require.NoError(t, err)
		request := struct {
			Model     []byte           `json:"model"`
			Threads   int              `json:"threads"`
			Reference int              `json:"reference"`
			Inputs    map[string]array `json:"inputs"`
		}{file, threads, reference, map[string]array{}}
		for name, a := range in {
			x := array{Dims: a.Dims}
			switch a.Type {
			case onnx.Float64:
				x.Type = "<f8"
				x.Data = onnx.NewTensor("", a.Data).Raw
			case onnx.Float32:
				x.Type = "<f4"
				f := make([]float32, len(a.Data))
				for i, v := range a.Data {
					f[i] = float32(v)
				}
				x.Data = onnx.NewTensor("", f).Raw
			case onnx.Int64:
				x.Type = "<i8"
				f := make([]int64, len(a.Data))
				for i, v := range a.Data {
					f[i] = int64(v)
				}
				x.Data = onnx.NewTensor("", f).Raw
			}
			request.Inputs[name] = x
		}
		line, err := json.Marshal(request)
		require.NoError(t, err)
		_, err = stdin.Write(append(line, '\n'))
		require.NoError(t, err)
		line, err = answers.ReadBytes('\n')
		require.NoError(t, err)
		var answer struct {
			Error    string            `json:"error"`
			Outputs  map[string]array  `json:"outputs"`
			Metadata map[string]string `json:"metadata"`
		}
		require.NoError(t, json.Unmarshal(line, &answer))
		require.Empty(t, answer.Error)
		require.Len(t, answer.Metadata, len(m.Metadata))
		for _, p := range m.Metadata {
			require.Equal(t, p.Value, answer.Metadata[p.Key])
		}
		out := map[string]eval.Array{}
		for name, x := range answer.Outputs {
			a := eval.Array{Dims: x.Dims}
			switch x.Type {
			case "<f8":
				a.Type = onnx.Float64
				for i := 0; i < len(x.Data); i += 8 {
					a.Data = append(a.Data, math.Float64frombits(binary.LittleEndian.Uint64(x.Data[i:])))
				}
			case "<f4":
				a.Type = onnx.Float32
				for i := 0; i < len(x.Data); i += 4 {
					a.Data = append(a.Data, float64(math.Float32frombits(binary.LittleEndian.Uint32(x.Data[i:]))))
				}
			default:
				require.Failf(t, "type", "%s", x.Type)
			}
			out[name] = a
		}
		return out
	}
}

func sameBits(t testing.TB, want, got []float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if math.Float64bits(want[i]) != math.Float64bits(got[i]) && !(want[i] == 0 && got[i] == 0) {
			require.Failf(t, "other bits", "value %d: want %v, have %v", i, want[i], got[i])
		}
	}
}

// distance is the greatest difference, relative to the greatest absolute value.
func distance(t testing.TB, want, got []float64) float64 {
	t.Helper()
	require.Len(t, got, len(want))
	most, far := 0.0, 0.0
	for i := range want {
		if want[i] == got[i] {
			continue
		}
		most = max(most, math.Abs(want[i]))
		far = max(far, math.Abs(want[i]-got[i]))
		require.False(t, math.IsNaN(want[i]-got[i]), "value %d: want %v, have %v", i, want[i], got[i])
	}
	if far == 0 {
		return 0
	}
	return far / most
}
