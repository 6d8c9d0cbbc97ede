// Package examples runs the programs in the folders below.
package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/gotool"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

// A reader who copies a program into a module of their own can build it.
func TestProgramsImportNothingInternal(t *testing.T) {
	out := gotool.Run(t, nil, "list", "-f", `{{.ImportPath}} imports{{range .Imports}} {{.}}{{end}}`, "./...")
	for line := range strings.Lines(string(out)) {
		assert.NotContains(t, line, "attune/internal/")
	}
}

// want is what each program prints; # stands for a digit that is not the same everywhere.
var want = map[string]string{
	"askandtell": `40 loaves, 3 of them burnt
best: 210 degrees, 35 minutes
`,
	"conditional": `the YAML says what the Go declaration says: true
control flow  best: sgd, momentum: true, beta2: false
declared      best: sgd, momentum: true, beta2: false
YAML          best: sgd, momentum: true, beta2: false
`,
	"convert": `30 trees that look at 4 features
exact: 0 of 1461 days differ, 6 kB where LightGBM has 27
compatible: furthest apart by #e-06 °C
tomorrow: 6.5 °C
features in the file: ["temp_max","temp_min","wind","precipitation"]
`,
	"enqueue": `the settings in use were trial 0
loss: 1.141 by hand, 0.### tuned
the tuned settings still have 4 threads
`,
	"hello": `best at x = 1.0, y = 7
`,
	"lstm": `16 trials are complete or pruned
MAPE of 1960: #.### for the tuned LSTM, 9.988 for the seasonal naive forecast
forecast of January 1961 to December 1961
`,
	"exportonnx": `124 windows compared: furthest apart by 0.000000 passengers
January 1961: ###.### thousand passengers, natively ###.###
refused: deploy: the export does not predict what the native model does: 14## of 1488 values are not equal
`,
	"logs": `Pipeline(TfidfVectorizer, XGBClassifier): predicts the same on 500 rows
dict(StandardScaler, IsolationForest): predicts the same on 1272 rows
disk     0.96  quota of n15 exceeded on host17.example
login    0.96  accepted password for n12 from host9.example
network  0.92  connection to host2.example refused after 3 tries
memory   0.38  worker n4: Out of memory
anomaly  0.36  GET /?q=%27%20OR%201=1;--<script>alert("%00%00%00%
with other weights, 2 of 5 confidences and 1 labels differ
`,
	"multiobjective": `### trials are on the front: the larger the model, the smaller the error
1 x   8: error 0.259 with     64 parameters
1 x 256: error 0.110 with  65536 parameters
`,
	"parallel": `10# trials complete and 0 failed, in # processes
best: 0.####
`,
	"walmart": `11 series; known in advance: Type=A Type=B Type=C Size Temperature Fuel_Price MarkDown1 CPI IsHoliday
first of 6: tuned LightGBM
forecasts of 11 series from 2012-11-02 to 2012-12-21
`,
	"resume": `interrupted: true
20 complete, 1 failed, 1 waiting
resumed
40 complete, 1 failed, 0 waiting
`,
	"shadow": `version 2 in the shadow of 1: 0 of 200 rows disagree, 0 errors
version 3 in the shadow of 2: 200 of 200 rows disagree, 0 errors
version 2 stays live
live was version 2, and is 1 after a roll back
`,
}

// needONNX are the programs that run ONNX Runtime.
var needONNX = []string{"convert", "exportonnx", "logs", "shadow"}

func output(t *testing.T, dir string, program ...string) string {
	t.Helper()
	cmd := exec.Command(program[0], program[1:]...)
	cmd.Dir = dir
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestExamples(t *testing.T) {
	programs := t.TempDir()
	gotool.Run(t, nil, "build", "-ldflags=-w", "-o", programs, "./...")
	folders, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	require.Len(t, folders, len(want)+1, "each example is tested")
	for name, text := range want {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if slices.Contains(needONNX, name) {
				onnxtest.Require(t)
			}
			pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(text), "#", "[0-9]") + "$"
			assert.Regexp(t, pattern, output(t, t.TempDir(), filepath.Join(programs, name)))
		})
	}
	t.Run("quickstart", func(t *testing.T) {
		t.Parallel()
		testQuickstart(t, filepath.Join(programs, "quickstart"))
	})
}

// The quick start runs, and continues where it stopped.
func testQuickstart(t *testing.T, program string) {
	dir := t.TempDir()
	first := output(t, dir, program, "-trials", "40")
	assert.Contains(t, first, "40 trials in quickstart.db")
	assert.NotContains(t, first, "resuming")
	second := output(t, dir, program, "-trials", "5")
	assert.Contains(t, second, "resuming: 40 trials are in quickstart.db")
	assert.Contains(t, second, "45 trials in quickstart.db")
	assert.Contains(t, second, "tuned model")

	best, err := os.ReadFile(filepath.Join(dir, "best.yaml"))
	require.NoError(t, err)
	assert.Contains(t, string(best), "learning_rate: ")
	header, err := os.ReadFile(filepath.Join(dir, "quickstart.db"))
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(header), "SQLite format 3"))
	// Bytes 18 and 19 of a file in WAL mode are 2 (sqlite.org/fileformat2.html, 1.3.3).
	assert.Equal(t, "\x01\x01", string(header[18:20]), "closed into one plain file")
}
