package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

// A model of a registry is served, and another version soon after it is promoted. A version in the shadow is compared.
func TestServeModel(t *testing.T) {
	onnxtest.Require(t)
	dir := lightgbmModel(t)
	for _, form := range []string{"exact", "compatible"} {
		succeed(t, dir, "convert", "lightgbm.txt", "--output", form+".onnx", "--form", form, "--registry", "models", "--name", "shop")
	}
	o := attune(t, dir, "serve-model", "--registry", "models", "--name", "shop")
	assert.Equal(t, "attune: live version of shop: none was promoted: file does not exist: promote a version with: attune registry promote shop VERSION\n", o.stderr)
	succeed(t, dir, "registry", "promote", "shop", "1")

	cmd := program(t, dir, "serve-model", "--registry", "models", "--name", "shop", "--shadow", "2", "--listen", "127.0.0.1:0", "--reload", "20ms")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		_ = cmd.Wait() // the exit status is that of an interruption
	}()
	lines := bufio.NewReader(stderr)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	url := regexp.MustCompile(`http://\S+/v2/models/shop`).FindString(line)
	require.NotEmpty(t, url, line)
	assert.Contains(t, line, "attune: serving shop, version 1, on http://")
	get := func(url string) string {
		r, err := http.Get(url)
		require.NoError(t, err)
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return string(text)
	}
	var about struct {
		Versions []string
		Inputs   []struct {
			Name  string
			Shape []int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(get(url)), &about))
	assert.Equal(t, []string{"1"}, about.Versions)
	require.Len(t, about.Inputs, 1)
	ask := func() string {
		row := strings.Repeat(",0.5", about.Inputs[0].Shape[1])[1:]
		body, err := json.Marshal(map[string]any{"inputs": []any{map[string]any{"name": about.Inputs[0].Name, "shape": []int{1, about.Inputs[0].Shape[1]}, "datatype": "FP64", "data": json.RawMessage("[" + row + "]")}}})
		require.NoError(t, err)
		r, err := http.Post(url+"/infer", "application/json", strings.NewReader(string(body)))
		require.NoError(t, err)
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, r.StatusCode, string(text))
		return string(text)
	}
	assert.Contains(t, ask(), `"model_name":"shop","model_version":"1","outputs":[{"name":`)
	base := strings.TrimSuffix(url, "/v2/models/shop")
	assert.Eventually(t, func() bool {
		return strings.Contains(get(base+"/metrics"), `attune_model_shadow_rows_total{model="shop"} 1`)
	}, time.Minute, 10*time.Millisecond)
	metrics := get(base + "/metrics")
	assert.Contains(t, metrics, `attune_model_shadow_disagreements_total{model="shop"} 0`)
	assert.Contains(t, metrics, `attune_model_version{model="shop"} 1`)
	assert.Contains(t, metrics, `attune_requests_total{code="200",route="POST /v2/models/{model}/infer"} 1`)
	assert.Equal(t, `{"ready":true}`+"\n", get(base+"/v2/health/ready"))

	succeed(t, dir, "registry", "promote", "shop", "2")
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "attune: serving shop, version 2\n", line)
	assert.Contains(t, ask(), `"model_version":"2"`)
	// And back.
	succeed(t, dir, "registry", "promote", "shop", "1")
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "attune: serving shop, version 1\n", line)

	r, err := registry.Open(filepath.Join(dir, "models"))
	require.NoError(t, err)
	all, err := r.Comparisons("shop")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	assert.Equal(t, []int{1, 2, 1, 0}, []int{all[0].Live, all[0].Shadow, int(all[0].Rows), int(all[0].Disagreements)})
}

// If the ONNX file cannot be loaded, the native model answers, and the metrics say so.
func TestServeModelNatively(t *testing.T) {
	onnxtest.Require(t)
	dir := lightgbmModel(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m.onnx"), []byte("no model"), 0o644))
	cmd := program(t, dir, "serve-model", "m.onnx", "--native", "lightgbm.txt", "--listen", "127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		_ = cmd.Wait() // the exit status is that of an interruption
	}()
	lines := bufio.NewReader(stderr)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "version 1: the native model answers: ")
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	url := regexp.MustCompile(`http://\S+/v2/models/m`).FindString(line)
	require.NotEmpty(t, url, line)
	r, err := http.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	var about struct{ Inputs []struct{ Shape []int } }
	require.NoError(t, json.NewDecoder(r.Body).Decode(&about))
	n := about.Inputs[0].Shape[1]
	body := fmt.Sprintf(`{"inputs": [{"name": "rows", "shape": [1, %d], "datatype": "FP64", "data": [%s]}]}`, n, strings.Repeat(",0.5", n)[1:])
	r, err = http.Post(url+"/infer", "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"outputs":[{"name":"predictions","shape":[1,1],"datatype":"FP64","data":[`)
	r, err = http.Get(strings.TrimSuffix(url, "/v2/models/m") + "/metrics")
	require.NoError(t, err)
	defer r.Body.Close()
	text, err = io.ReadAll(r.Body)
	require.NoError(t, err)
	assert.Contains(t, string(text), `attune_model_fallback_runs_total{model="m"} 1`)
}

func TestServeModelRefuses(t *testing.T) {
	onnxtest.Require(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m.onnx"), []byte("no model"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "models"), 0o755))
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "want an ONNX file, or --registry and --name"},
		{[]string{"m.onnx", "--registry", "models"}, "--registry models: want no file besides: m.onnx"},
		{[]string{"--registry", "models"}, "--registry: name the model with --name"},
		{[]string{"--registry", "nowhere", "--name", "a"}, "--registry nowhere: there is no such folder"},
		{[]string{"--registry", "models", "--name", "a", "--native", "m.txt"}, "--native is for an ONNX file: a registry keeps the native model with each version"},
		{[]string{"m.onnx", "--native", "nowhere.joblib"}, "--native: open nowhere.joblib: no such file or directory"},
		{[]string{"m.onnx", "--shadow", "1"}, "--shadow is the number of a version in a registry: give --registry"},
		{[]string{"m.onnx", "--max-rows", "0"}, "--max-rows 0: want 1 or more"},
		{[]string{"m.onnx", "--max-body", "0"}, "--max-body 0: want 1 to 1024 MiB"},
		{[]string{"m.onnx", "--max-waiting", "0"}, "--max-waiting 0: want 1 or more"},
		{[]string{"m.onnx", "--workers", "-1"}, "--workers -1: want 1 or more"},
		{[]string{"m.onnx", "--reload", "0s"}, "--reload 0s: want at least 10ms"},
		{[]string{"m.onnx", "--log", "all"}, "--log all: want one of errors, text, json"},
		{[]string{"m.onnx"}, "open m.onnx: not a usable model"},
		{[]string{"nowhere.onnx"}, "open nowhere.onnx: no such file or directory"},
		{[]string{"a", "b"}, "want one ONNX file, not 2 arguments: see attune serve-model --help"},
	} {
		o := attune(t, dir, append([]string{"serve-model"}, c.args...)...)
		assert.Equal(t, 1, o.code, c.args)
		assert.Contains(t, o.stderr, c.want, c.args)
	}
}
