package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/fakemlflow"
)

func TestMLflow(t *testing.T) {
	t.Parallel()
	f := fakemlflow.New()
	defer f.Close()
	dir, args := air(t, "--windows", "4", "--quiet", "--mlflow", f.URL)
	o := attune(t, dir, args...)
	require.Zero(t, o.code, o.stderr)
	assert.NotContains(t, o.stderr, "warning: trials")
	trials := f.Of("trial")
	require.Len(t, trials, 4)
	for _, r := range trials {
		assert.Contains(t, r.Metrics, "mape")
		assert.Contains(t, r.Metrics, "train_rmse")
		assert.Contains(t, r.Params, "num_leaves")
	}

	o = attune(t, dir, "mlflow", "push", "--tracking-uri", f.URL)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "study air-passengers/lightgbm: sent 0 of 4 trials; the server has all of them\n"+f.URL+"/#/experiments/1/runs/")

	// A server that is down costs no trial, only one warning.
	f.Lock()
	f.Fail = func(int, string) int { return http.StatusServiceUnavailable }
	f.Unlock()
	o = attune(t, dir, append(args, "--trials", "6")...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stderr, "attune: warning: 2 trials were not sent: ")
	assert.Contains(t, o.stderr, "503 Service Unavailable: no reason given: send them with attune mlflow push when the server is back\n")
	o = attune(t, dir, "mlflow", "push", "--tracking-uri", f.URL)
	assert.Equal(t, 1, o.code)
	f.Lock()
	f.Fail = nil
	f.Unlock()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.onnx"), []byte("bytes"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plot.svg"), []byte("<svg/>"), 0o644))
	o = attune(t, dir, "mlflow", "push", "--tracking-uri", f.URL, "--artifact", "plot.svg", "--plots", "--model", "model.onnx", "--register", "air")
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "sent 2 of 6 trials")
	assert.Contains(t, o.stdout, "air: version 1, of trial ")
	require.Len(t, f.Of("trial"), 6)
	var kept []string
	for path := range f.Artifacts {
		kept = append(kept, path[strings.Index(path, "artifacts/")+len("artifacts/"):])
	}
	assert.Subset(t, kept, []string{"plot.svg", "plots/history.svg", "plots/importance.svg", "plots/backtest.svg", "model/model.onnx", "model/MLmodel"})
	assert.NotContains(t, kept, "plots/front.svg", "there is one objective")

	for want, args := range map[string][]string{
		"which tracking server? Give its address with --tracking-uri, or in MLFLOW_TRACKING_URI": {},
		"--tracking-uri: ftp://host: not the address of a tracking server":                       {"--tracking-uri", "ftp://host"},
		"--register needs the model to register: give its file with --model":                     {"--tracking-uri", f.URL, "--register", "m"},
		"stat none.svg: no such file or directory":                                               {"--tracking-uri", f.URL, "--artifact", "none.svg"},
	} {
		o := attune(t, dir, append([]string{"mlflow", "push"}, args...)...)
		assert.Equal(t, 1, o.code)
		assert.Equal(t, 1, countLines(o.stderr), o.stderr)
		assert.Contains(t, o.stderr, want)
	}
}
