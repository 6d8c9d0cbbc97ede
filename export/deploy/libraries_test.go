package deploy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/internal/dev/foreign"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/tree"
)

// python runs testdata/libraries.py and passes on the lines that it prints.
func python(t *testing.T, mode, folder string, stdin []byte, each func(line []byte)) {
	t.Helper()
	exe := os.Getenv("ATTUNE_ONNX_PYTHON")
	if exe == "" {
		t.Skip("set ATTUNE_ONNX_PYTHON to a python that has LightGBM, XGBoost, CatBoost, scikit-learn, onnx and onnxruntime, to compare with them: scripts/venv.sh makes one")
	}
	cmd := exec.CommandContext(t.Context(), exe, "testdata/libraries.py", mode, folder)
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &errs
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &errs)
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		each(lines.Bytes())
	}
}

// TestLibraries makes the libraries train models of every kind, exports them, and runs the
// files in ONNX Runtime from Python: they predict like the libraries.
func TestLibraries(t *testing.T) {
	onnxtest.Require(t)
	dir := t.TempDir()
	type trained struct {
		File, Missing string
		Rows          json.RawMessage
		Answer        foreign.Floats
	}
	var models []trained
	python(t, "train", dir, nil, func(line []byte) {
		var m trained
		require.NoError(t, json.Unmarshal(line, &m))
		if m.Missing == "" {
			models = append(models, m)
			return
		}
		require.NotEqual(t, "1", os.Getenv("ATTUNE_REQUIRE_ENGINES"), m.Missing)
		t.Log(m.Missing)
	})
	require.NotEmpty(t, models)

	type exported struct {
		trained
		ONNX string
		most float64 // allowed deviation, relative to the greatest prediction
	}
	var files []exported
	var requests bytes.Buffer
	for _, m := range models {
		f, err := os.Open(filepath.Join(dir, m.File))
		require.NoError(t, err)
		native, err := tree.Read(f)
		require.NoError(t, f.Close())
		require.NoError(t, err, m.File)
		var rows foreign.Floats
		require.NoError(t, json.Unmarshal(m.Rows, &rows))
		for _, form := range []onnx.Form{onnx.Exact, onnx.Compatible} {
			most := 1e-13
			if form == onnx.Compatible || strings.HasPrefix(m.File, "xgboost") { // XGBoost also sums in float32
				most = 1e-6
			}
			name := m.File + "." + form.String() + ".onnx"
			_, err := deploy.Trees(t.Context(), native, rows, deploy.TreesOptions{File: filepath.Join(dir, name), Form: form, Runtime: quiet})
			require.NoError(t, err, name)
			files = append(files, exported{m, name, most})
			line, err := json.Marshal(map[string]any{"onnx": name, "rows": m.Rows})
			require.NoError(t, err)
			requests.Write(append(line, '\n'))
		}
	}

	python(t, "check", dir, requests.Bytes(), func(line []byte) {
		var got struct {
			Error  string
			Answer foreign.Floats
		}
		require.NoError(t, json.Unmarshal(line, &got))
		require.NotEmpty(t, files)
		want := files[0]
		files = files[1:]
		require.Empty(t, got.Error, want.ONNX)
		require.Len(t, got.Answer, len(want.Answer), want.ONNX)
		var far, most float64
		for i, y := range want.Answer {
			far, most = max(far, math.Abs(got.Answer[i]-y)), max(most, math.Abs(y))
		}
		assert.LessOrEqual(t, far/most, want.most, want.ONNX)
		t.Logf("%s: %.1g", want.ONNX, far/most)
	})
	assert.Empty(t, files)
}

// TestKinds trains models of some of the kinds of scripts/kinds_models.py and converts them with
// the command: each file predicts what the model does, on rows that are made to find errors.
func TestKinds(t *testing.T) {
	onnxtest.Require(t)
	exe := os.Getenv("ATTUNE_ONNX_PYTHON")
	if exe == "" {
		t.Skip("set ATTUNE_ONNX_PYTHON to a python that has LightGBM, XGBoost, CatBoost, scikit-learn and onnxruntime: scripts/venv.sh makes one")
	}
	attune := filepath.Join(t.TempDir(), "attune")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", attune, "../../cmd/attune").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.CommandContext(t.Context(), exe, "../../scripts/kinds.py", attune, "--alone", "--only",
		`^(naive Bayes|MLP .*relu|steps (Quantile|Power|KBins|OneHot|Poly|Select)|tables (Target|One|missing)|models of models .* linear)`)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "OMP_NUM_THREADS=1")
	out, err = cmd.Output()
	require.NoError(t, err, "%s", out)
	total := regexp.MustCompile(`\*\*all\*\* \| (\d+) \| (\d+) \| (\d+) `).FindStringSubmatch(string(out))
	require.NotNil(t, total, "%s", out)
	assert.NotEqual(t, "0", total[1])
	assert.Equal(t, total[1], total[2], "%s", out)
	assert.Equal(t, total[1], total[3], "%s", out)
}
