package mlflow_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/mlflow"
	"github.com/attune-hpo/attune/internal/dev/fakemlflow"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var (
	x    = space.Float("x", -1, 1)
	kind = space.Categorical("kind", "a", "b c")
)

func newFake(t *testing.T) *fakemlflow.Server {
	f := fakemlflow.New()
	t.Cleanup(f.Close)
	return f
}

func client(f *fakemlflow.Server) *mlflow.Client { return &mlflow.Client{URL: f.URL} }

// odd prunes the trials of odd numbers after their second report.
type odd struct{}

func (odd) Prune(r trial.Record, _ trial.Snapshot) (string, bool) {
	return "it is odd", r.Number%2 == 1 && len(r.Reports) > 1
}

// run runs a study of 20 trials: even ones are complete, odd ones pruned, but 7 fails.
func run(t *testing.T, store *memory.Store, o study.Observer) trial.Snapshot {
	t.Helper()
	st, err := study.Open(t.Context(), store, "net", study.Config{
		Sampler: random.Sampler{}, Pruner: odd{}, Observer: o, Seed: 7, Metrics: []string{"loss"},
	})
	require.NoError(t, err)
	defer st.Close()
	require.NoError(t, st.Optimize(t.Context(), study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
		v := x.Suggest(tr)
		kind.Suggest(tr)
		if tr.Number() == 7 {
			return 0, errors.New("no memory")
		}
		for step := range 3 {
			if err := tr.Report(ctx, step*10, v+float64(step)); err != nil {
				return 0, err
			}
		}
		tr.SetAttr("train_mape", v*2)
		tr.SetAttr("note", "a [b]")
		return v, nil
	}), study.Run{Trials: 20}))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	return h
}

// check fails unless the server has all of a study, once.
func check(t *testing.T, f *fakemlflow.Server, h trial.Snapshot) {
	t.Helper()
	parents, trials := f.Of("study"), f.Of("trial")
	require.Len(t, parents, 1)
	require.Len(t, trials, h.Len())
	byNumber := map[string]*fakemlflow.Run{}
	for _, r := range trials {
		byNumber[r.Tags["attune.trial"]] = r
		assert.Equal(t, parents[0].ID, r.Tags["mlflow.parentRunId"])
	}
	for _, r := range h.Records() {
		got := byNumber[strconv.Itoa(r.Number)]
		require.NotNil(t, got, r.Number)
		assert.Equal(t, map[trial.State]string{trial.Complete: "FINISHED", trial.Pruned: "KILLED", trial.Failed: "FAILED"}[r.State], got.Status)
		assert.Equal(t, r.Started.UnixMilli(), got.Start)
		assert.Equal(t, r.Finished.UnixMilli(), got.End)
		require.Len(t, got.Params, len(r.Params.Space))
		v, err := strconv.ParseFloat(got.Params["x"], 64)
		require.NoError(t, err)
		assert.Equal(t, r.Params.Point[0], v)
		require.Len(t, got.Metrics["intermediate_value"], len(r.Reports))
		for i, p := range r.Reports {
			assert.Equal(t, fakemlflow.Metric{Value: p.Value, Time: r.Started.UnixMilli() + int64(i), Step: p.Step}, got.Metrics["intermediate_value"][i])
		}
		if r.State == trial.Complete {
			assert.Equal(t, []fakemlflow.Metric{{Value: r.Values[0], Time: r.Finished.UnixMilli()}}, got.Metrics["loss"])
			assert.Equal(t, []fakemlflow.Metric{{Value: r.Values[0] * 2, Time: r.Finished.UnixMilli()}}, got.Metrics["train_mape"])
			assert.Equal(t, "a [b]", got.Tags["note"])
		}
		assert.Equal(t, r.Err, got.Tags["attune.error"], "which is why it was pruned, too")
	}
	best, ok := h.Best()
	require.True(t, ok)
	top := parents[0]
	assert.Equal(t, "FINISHED", top.Status)
	assert.Equal(t, strconv.Itoa(best.Number), top.Tags["attune.best_trial"])
	assert.Contains(t, top.Tags["mlflow.note.content"], "trial "+strconv.Itoa(best.Number))
	rungs := top.Metrics["best"]
	require.NotEmpty(t, rungs)
	assert.Equal(t, best.Values[0], rungs[len(rungs)-1].Value)
	for i, r := range rungs[1:] {
		assert.Less(t, r.Value, rungs[i].Value)
	}
}

func TestPush(t *testing.T) {
	f := newFake(t)
	h := run(t, new(memory.Store), nil)
	m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: client(f), Experiment: "e"}, h.Header())
	require.NoError(t, err)
	sent, err := m.Push(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, 20, sent)
	check(t, f, h)
	assert.Equal(t, f.Of("study")[0].ID, m.Parent())
	assert.Equal(t, f.URL+"/#/experiments/1/runs/"+m.Parent(), m.Page())

	again, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: client(f), Experiment: "e"}, h.Header())
	require.NoError(t, err)
	sent, err = again.Push(t.Context(), h)
	require.NoError(t, err)
	assert.Zero(t, sent)
	check(t, f, h)
}

func TestTracker(t *testing.T) {
	f := newFake(t)
	tracker := mlflow.NewTracker(mlflow.Config{Client: client(f), Warn: func(err error) { t.Error(err) }})
	h := run(t, new(memory.Store), tracker)
	require.NoError(t, tracker.Close(t.Context()))
	require.NoError(t, tracker.Close(t.Context()))
	check(t, f, h)
}

func TestATrackerThatHeardNothing(t *testing.T) {
	f := newFake(t)
	tracker := mlflow.NewTracker(mlflow.Config{Client: client(f)})
	require.NoError(t, tracker.Close(t.Context()))
	assert.Empty(t, f.Runs)
}

// An unreachable server costs no trial; the rest is pushed later.
func TestAServerThatIsAway(t *testing.T) {
	f := newFake(t)
	down := true
	f.Fail = func(int, string) int {
		if down {
			return http.StatusBadGateway
		}
		return 0
	}
	var mu sync.Mutex
	var warnings []error
	tracker := mlflow.NewTracker(mlflow.Config{Client: client(f), Warn: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, err)
	}})
	h := run(t, new(memory.Store), tracker)
	assert.Equal(t, 20, h.Len())
	err := tracker.Close(t.Context())
	require.ErrorContains(t, err, `mlflow: 20 trials were not sent: study "net": experiment "attune": `+f.URL+": the MLflow server refused: 502 Bad Gateway: no reason given: push the study with mlflow.NewMirror when the server is back")
	require.Len(t, warnings, 1, "one outage, one warning")
	assert.ErrorContains(t, warnings[0], "trials are kept")

	f.Lock()
	down = false
	f.Unlock()
	m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: client(f)}, h.Header())
	require.NoError(t, err)
	sent, err := m.Push(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, 20, sent)
	check(t, f, h)
}

// Whatever call the server fails in, before or after its work, a second push leaves all
// of the study there, once.
func TestAPushThatIsBrokenOffGoesOn(t *testing.T) {
	h := run(t, new(memory.Store), nil)
	for name, lost := range map[string]bool{"a failure": false, "a lost answer": true} {
		t.Run(name, func(t *testing.T) {
			for _, at := range []int{1, 2, 3, 4, 5, 6, 7, 9, 12, 20, 33, 64, 65, 66, 67, 68, 69} {
				f := newFake(t)
				bad := func() bool { return f.Calls == at } // called with f locked
				if lost {
					f.Lose = func(string) bool { return bad() }
				} else {
					f.Fail = func(int, string) int {
						if bad() {
							return http.StatusServiceUnavailable
						}
						return 0
					}
				}
				cfg := mlflow.Config{Client: client(f)}
				m, err := mlflow.NewMirror(t.Context(), cfg, h.Header())
				if err == nil {
					_, err = m.Push(t.Context(), h)
				}
				if f.Count() < at {
					require.Greater(t, at, 60)
					continue
				}
				require.Error(t, err, at)
				if m == nil {
					m, err = mlflow.NewMirror(t.Context(), cfg, h.Header())
					require.NoError(t, err)
				}
				_, err = m.Push(t.Context(), h)
				require.NoError(t, err)
				check(t, f, h)
			}
		})
	}
}

// Two processes that begin at the same time end up with one parent run.
func TestTwoProcessesShareAParent(t *testing.T) {
	f := newFake(t)
	h := run(t, new(memory.Store), nil)
	half := func(keep func(n int) bool) trial.Snapshot {
		hist := trial.NewHistory(h.Header())
		for _, r := range h.Records() {
			if keep(r.Number) {
				hist.Put(r)
			}
		}
		return hist.Snapshot()
	}
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: client(f)}, h.Header())
			if assert.NoError(t, err) {
				_, err = m.Push(t.Context(), half(func(n int) bool { return n%2 == i }))
				assert.NoError(t, err)
				_, err = m.Push(t.Context(), half(func(n int) bool { return n%2 == i }))
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	require.Len(t, f.Of("trial"), 20)
	m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: client(f)}, h.Header())
	require.NoError(t, err)
	_, err = m.Push(t.Context(), h)
	require.NoError(t, err)
	check(t, f, h)
}

// Names, texts and numbers that are too long for MLflow, or that it refuses unchanged.
func TestOddContent(t *testing.T) {
	f, h := newFake(t), oddities()
	m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: client(f)}, h.Header())
	require.NoError(t, err)
	_, err = m.Push(t.Context(), h)
	require.NoError(t, err)
	got := f.Of("trial")[0]
	assert.Len(t, got.Params, 11+150+1, "none took the name of another")
	assert.Len(t, got.Metrics["intermediate_value"], 2500)
	require.Len(t, got.Metrics["intermediate_value.value_0"], 2)
	assert.Equal(t, fakemlflow.Metric{Value: 0.5, Time: 1000, Step: 2}, got.Metrics["intermediate_value.value_0"][0])
	assert.Equal(t, fakemlflow.Metric{Value: "Infinity", Time: 1001, Step: 4}, got.Metrics["intermediate_value.value_1"][1])
	assert.Equal(t, "Infinity", got.Metrics["value_0"][0].Value)
	assert.Equal(t, "-Infinity", got.Metrics["value_1"][0].Value)
	assert.Equal(t, 3.0, got.Metrics["value_0_2"][0].Value)
	assert.Equal(t, "-Infinity", got.Metrics["constraint.c"][0].Value)
	assert.Equal(t, "NaN", got.Metrics["nan"][0].Value)
	assert.Equal(t, "null", got.Tags["null"])
	assert.Equal(t, "odd", got.Tags["attr.attune.state"])
	assert.Equal(t, "complete", got.Tags["attune.state"])
	assert.True(t, strings.HasSuffix(got.Params["c"], "ü…"))
	top := f.Of("study")[0]
	assert.Equal(t, "0", top.Tags["attune.front"])
	assert.Equal(t, "mine", top.Tags["attr.mlflow.parentRunId"])
}

// oddities is a study of one trial in which almost nothing has the form that MLflow requires.
func oddities() trial.Snapshot {
	hist := trial.NewHistory(trial.Header{Name: strings.Repeat("é", 10_000), Directions: []trial.Direction{trial.Minimize, trial.Maximize},
		Attrs: trial.Attrs{{Key: "mlflow.parentRunId", JSON: `"mine"`}}})
	r := trial.Record{
		State: trial.Complete, Values: []float64{math.Inf(1), math.Inf(-1)}, Started: time.Unix(1, 0), Finished: time.Unix(2, 0),
		Constraints: []trial.Constraint{{Name: "c", Value: math.Inf(-1)}},
	}
	add := func(name string) {
		r.Params.Space = append(r.Params.Space, space.Axis{Name: name, Distribution: space.FloatDistribution{High: 1}})
		r.Params.Point = append(r.Params.Point, 0.5)
	}
	for _, name := range []string{"a[0]", "a(0)", "a/../b", "/", ".", "..", "a//b", "b\xff", strings.Repeat("n", 300), strings.Repeat("n", 301), "<script>"} {
		add(name)
	}
	for i := range 150 {
		add("p" + strconv.Itoa(i))
	}
	choice := space.Lit(strings.Repeat("ü", 7000))
	r.Params.Space = append(r.Params.Space, space.Axis{Name: "c", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{choice}}})
	r.Params.Point = append(r.Params.Point, 0)
	for step := range 2500 {
		r.Reports = append(r.Reports, trial.Report{Step: step, Value: math.NaN()})
	}
	r.Notes = trial.Attrs{{Key: "report:4", JSON: "[0.25, Infinity]"}, {Key: "report:2", JSON: "[0.5, 1]"}}
	r.Attrs = trial.Attrs{{Key: "value_0", JSON: "3"}, {Key: "nan", JSON: "NaN"}, {Key: "null", JSON: "null"}, {Key: "list", JSON: `[1, "` + strings.Repeat("x", 200_000) + `"]`},
		{Key: "attune.state", JSON: `"odd"`}}
	hist.Put(r)
	return hist.Snapshot()
}

// If the server refuses a trial, the others are still sent.
func TestARefusedTrial(t *testing.T) {
	f := newFake(t)
	h := run(t, new(memory.Store), nil)
	f.Fail = func(_ int, path string) int {
		if strings.HasSuffix(path, "runs/create") && len(f.Runs) == 3 {
			f.Runs = append(f.Runs, &fakemlflow.Run{Deleted: true})
			return http.StatusBadRequest
		}
		return 0
	}
	m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: client(f)}, h.Header())
	require.NoError(t, err)
	sent, err := m.Push(t.Context(), h)
	require.ErrorIs(t, err, mlflow.ErrServer)
	assert.ErrorContains(t, err, `mlflow: study "net": 1 trials were not sent: trial `)
	assert.Equal(t, 19, sent)
	_, err = m.Push(t.Context(), h)
	require.NoError(t, err)
	check(t, f, h)
}

func TestAttach(t *testing.T) {
	f := newFake(t)
	h := run(t, new(memory.Store), nil)
	m, err := mlflow.NewMirror(t.Context(), mlflow.Config{Client: client(f)}, h.Header())
	require.NoError(t, err)
	best, _ := h.Best()
	require.ErrorIs(t, m.Attach(t.Context(), best.Number, "a", strings.NewReader("x")), mlflow.ErrNoRun)
	_, err = m.Push(t.Context(), h)
	require.NoError(t, err)
	require.NoError(t, m.Attach(t.Context(), best.Number, "model/a b.onnx", strings.NewReader("bytes")))
	require.Len(t, f.Artifacts, 1)
	for path, text := range f.Artifacts {
		assert.True(t, strings.HasSuffix(path, "/artifacts/model/a b.onnx"), path)
		assert.Equal(t, "bytes", text)
	}
	assert.Error(t, m.Attach(t.Context(), best.Number, "../a", strings.NewReader("")))
	for _, want := range []string{"1", "2"} {
		version, err := m.Register(t.Context(), best.Number, "model", "net")
		require.NoError(t, err)
		assert.Equal(t, want, version)
	}
	assert.True(t, strings.HasSuffix(f.Models["net"][0], "/artifacts/model"))
}

func TestClient(t *testing.T) {
	t.Setenv("MLFLOW_TRACKING_URI", "")
	_, err := mlflow.FromEnv()
	require.ErrorContains(t, err, "MLFLOW_TRACKING_URI is not set")
	for address, want := range map[string]string{
		"sqlite:///mlflow.db":        "not the address of a tracking server",
		"localhost:5000":             "not the address of a tracking server",
		"http://u:secret@host:port/": "is not a URL",
		"ftp://u:secret@host/":       "u:xxxxx@host",
	} {
		_, err := mlflow.NewClient(address)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
	f := newFake(t)
	var auth []string
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth = append(auth, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
	})
	host := strings.TrimPrefix(f.URL, "http://")
	for _, address := range []string{"http://u:secret@" + host, f.URL + "/"} {
		t.Setenv("MLFLOW_TRACKING_TOKEN", "abc")
		c, err := mlflow.NewClient(address)
		require.NoError(t, err)
		assert.Equal(t, f.URL, c.URL)
		_, err = mlflow.NewMirror(t.Context(), mlflow.Config{Client: c}, trial.Header{Name: "s"})
		require.ErrorIs(t, err, mlflow.ErrServer)
		require.ErrorContains(t, err, "401 Unauthorized: set MLFLOW_TRACKING_TOKEN")
		assert.NotContains(t, err.Error(), "secret")
	}
	assert.Equal(t, []string{"Basic dTpzZWNyZXQ=", "Bearer abc"}, auth)

	_, err = mlflow.NewMirror(t.Context(), mlflow.Config{}, trial.Header{Name: "s"})
	require.ErrorContains(t, err, "there is no client: set mlflow.Config.Client")
	f.Close()
	_, err = mlflow.NewMirror(t.Context(), mlflow.Config{Client: client(f)}, trial.Header{Name: "s"})
	require.ErrorContains(t, err, "connection refused")
}
