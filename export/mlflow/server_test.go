//go:build unix

package mlflow_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/mlflow"
	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/trial"
)

// server starts an MLflow server, and returns its address and a Python that has mlflow.
func server(t *testing.T) (address, python string) {
	python = os.Getenv("ATTUNE_MLFLOW_PYTHON")
	if python == "" {
		t.Skip("ATTUNE_MLFLOW_PYTHON names no Python that has mlflow 3.17: set it to what scripts/mlflow.sh prints")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	dir := t.TempDir()
	var log bytes.Buffer
	cmd := exec.Command(python, "-m", "mlflow", "server", "--workers", "1", "--port", strconv.Itoa(port),
		"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "mlflow.db"), "--artifacts-destination", filepath.Join(dir, "artifacts"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "PATH="+filepath.Dir(python)+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has children that outlive it
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	address = fmt.Sprintf("http://127.0.0.1:%d", port)
	for {
		answer, err := http.Get(address + "/health")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return address, python
			}
		}
		select {
		case err := <-ended:
			ended <- err
			require.Fail(t, "the server ended", "%v\n%s", err, &log)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// A listing is what read.py prints.
type listing struct {
	Runs []struct {
		ID, Name, Status string
		Start, End       int64
		Params, Tags     map[string]string
		Metrics          map[string][][3]any
		Artifacts        []string
	}
	Versions [][3]any
	Loaded   []int // of each version, the number of predictions for one row
}

func list(t *testing.T, python string, args ...string) (l listing) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, append([]string{filepath.Join("testdata", "read.py")}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	require.NoError(t, json.Unmarshal(out, &l))
	return l
}

// shared pushes a study by two mirrors at once. They share its parent run, and every trial is there once.
func shared(t *testing.T, address, python string, h trial.Snapshot) {
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			half := trial.NewHistory(h.Header())
			for _, r := range h.Records() {
				if r.Number%2 == i {
					half.Put(r)
				}
			}
			m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: &mlflow.Client{URL: address}, Experiment: "shared"}, h.Header())
			if assert.NoError(t, err) {
				_, err = m.Push(t.Context(), half.Snapshot())
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: &mlflow.Client{URL: address}, Experiment: "shared"}, h.Header())
	require.NoError(t, err)
	sent, err := m.Push(t.Context(), h)
	require.NoError(t, err)
	assert.Zero(t, sent)
	seen := map[string]int{}
	for _, r := range list(t, python, address, "shared", "none").Runs {
		seen[r.Tags["attune.trial"]]++
		assert.Contains(t, []string{"", m.Parent()}, r.Tags["mlflow.parentRunId"])
	}
	delete(seen, "")
	assert.Len(t, seen, h.Len())
	for n, times := range seen {
		assert.Equal(t, 1, times, n)
	}
}

// away logs a study through a proxy that breaks down on the way. What was not sent is pushed later,
// without doubles.
func away(t *testing.T, address, python string) {
	to, err := url.Parse(address)
	require.NoError(t, err)
	var calls atomic.Int32
	proxy := httputil.NewSingleHostReverseProxy(to)
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) > 25 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		r.Host = to.Host // MLflow answers no other
		proxy.ServeHTTP(w, r)
	}))
	defer gate.Close()
	tracker := mlflow.NewTracker(mlflow.Config{Client: &mlflow.Client{URL: gate.URL}, Experiment: "away"})
	h := run(t, new(memory.Store), tracker)
	require.ErrorContains(t, tracker.Close(t.Context()), "trials were not sent")
	m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: &mlflow.Client{URL: address}, Experiment: "away"}, h.Header())
	require.NoError(t, err)
	sent, err := m.Push(t.Context(), h)
	require.NoError(t, err)
	assert.Positive(t, sent)
	runs := list(t, python, address, "away", "none").Runs
	require.Len(t, runs, 1+h.Len())
	for _, r := range runs {
		if r.ID != m.Parent() {
			n, err := strconv.Atoi(r.Tags["attune.trial"])
			require.NoError(t, err)
			assert.Len(t, r.Metrics["intermediate_value"], len(h.Records()[n].Reports), "each once")
		}
	}
}

// What MLflow's own client finds on a real server is the study.
func TestServer(t *testing.T) {
	address, python := server(t)
	client := &mlflow.Client{URL: address}
	tracker := mlflow.NewTracker(mlflow.Config{Client: client, Experiment: "nets", Warn: func(err error) { t.Error(err) }})
	h := run(t, new(memory.Store), tracker)
	require.NoError(t, tracker.Close(t.Context()))

	m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: client, Experiment: "nets"}, h.Header())
	require.NoError(t, err)
	sent, err := m.Push(t.Context(), h)
	require.NoError(t, err)
	assert.Zero(t, sent, "the tracker has sent all")
	best, _ := h.Best()
	require.NoError(t, m.Attach(t.Context(), best.Number, "plots/a b.txt", strings.NewReader("it")))
	f, err := plot.History(0, h)
	require.NoError(t, err)
	var svg bytes.Buffer
	require.NoError(t, draw.SVG(&svg, f, draw.Options{}))
	drawn := svg.String()
	require.NoError(t, m.Attach(t.Context(), best.Number, "plots/history.svg", &svg))
	file, err := os.Open(filepath.Join("..", "runtime", "testdata", "linear.onnx"))
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, m.AttachModel(t.Context(), best.Number, file))
	version, err := m.Register(t.Context(), best.Number, mlflow.ModelPath, "net")
	require.NoError(t, err)
	assert.Equal(t, "1", version)

	l := list(t, python, address, "nets", "net")
	assert.Equal(t, []int{1}, l.Loaded, "MLflow loads the model, and ONNX Runtime runs it")
	require.Len(t, l.Runs, 1+h.Len())
	seen := map[int]bool{}
	for _, r := range l.Runs {
		if r.ID == m.Parent() {
			assert.Equal(t, "net", r.Name)
			assert.Equal(t, "FINISHED", r.Status)
			assert.Equal(t, strconv.Itoa(best.Number), r.Tags["attune.best_trial"])
			assert.Contains(t, r.Tags["mlflow.note.content"], "best loss")
			continue
		}
		n, err := strconv.Atoi(r.Tags["attune.trial"])
		require.NoError(t, err)
		assert.False(t, seen[n])
		seen[n] = true
		want := h.Records()[n]
		assert.Equal(t, m.Parent(), r.Tags["mlflow.parentRunId"])
		assert.Equal(t, "trial "+strconv.Itoa(n), r.Name)
		assert.Equal(t, map[trial.State]string{trial.Complete: "FINISHED", trial.Pruned: "KILLED", trial.Failed: "FAILED"}[want.State], r.Status)
		assert.Equal(t, want.Started.UnixMilli(), r.Start)
		assert.Equal(t, want.Finished.UnixMilli(), r.End)
		assert.Equal(t, want.Err, r.Tags["attune.error"])
		for _, s := range want.Params.Settings() {
			assert.Equal(t, strings.Trim(string(s.Value), `"`), r.Params[s.Name])
		}
		require.Len(t, r.Metrics["intermediate_value"], len(want.Reports))
		for _, v := range r.Metrics["intermediate_value"] {
			value, ok := want.ReportAt(int(v[2].(float64)))
			assert.True(t, ok)
			assert.Equal(t, string(pyjson.AppendFloat(nil, value)), v[0])
		}
		if want.State == trial.Complete {
			assert.Equal(t, string(pyjson.AppendFloat(nil, want.Values[0])), r.Metrics["loss"][0][0])
			assert.Equal(t, string(pyjson.AppendFloat(nil, want.Values[0]*2)), r.Metrics["train_mape"][0][0])
		}
		if n == best.Number {
			answer, err := http.Get(address + "/get-artifact?path=plots%2Fhistory.svg&run_uuid=" + r.ID)
			require.NoError(t, err)
			kept, err := io.ReadAll(answer.Body)
			require.NoError(t, errors.Join(err, answer.Body.Close()))
			assert.Equal(t, drawn, string(kept))
			assert.Equal(t, []string{"model", "plots"}, r.Artifacts)
			assert.Equal(t, [][3]any{{"1", r.ID, "READY"}}, l.Versions)
		}
	}

	shared(t, address, python, h)
	away(t, address, python)

	// It refuses what the fake refuses, and takes what TestOddContent makes.
	odd := oddities()
	m, err = mlflow.NewMirror(t.Context(), mlflow.Config{Client: client, Experiment: "odd"}, odd.Header())
	require.NoError(t, err)
	_, err = m.Push(t.Context(), odd)
	require.NoError(t, err)
	l = list(t, python, address, "odd", "none")
	require.Len(t, l.Runs, 2)
	for _, r := range l.Runs {
		if r.ID != m.Parent() {
			assert.Len(t, r.Params, 11+150+1)
			assert.Len(t, r.Metrics["intermediate_value"], 2500)
		}
	}
}
