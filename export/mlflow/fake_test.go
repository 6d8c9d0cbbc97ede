package mlflow_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/attune-hpo/attune/export/mlflow"
)

// A fake is a tracking server of which tests can ask what it has, and that fails on
// demand. What it refuses, a server of version 3.17 refuses; see TestServer.
type fake struct {
	*httptest.Server

	mu          sync.Mutex
	experiments map[string]string // ids by name
	runs        []*fakeRun
	artifacts   map[string]string
	models      map[string][]string // sources of versions
	calls       int
	fail        func(call int, path string) int // the status to answer with; 0: none
	lose        func(path string) bool          // the answer is lost once the work is done
}

type fakeRun struct {
	ID, Experiment, Name, Status string
	Start, End                   int64
	Deleted                      bool
	Params, Tags                 map[string]string
	Metrics                      map[string][]fakeMetric
}

type fakeMetric struct {
	Value any
	Time  int64
	Step  int
}

func newFake(t testing.TB) *fake {
	f := &fake{experiments: map[string]string{}, artifacts: map[string]string{}, models: map[string][]string{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) client() *mlflow.Client { return &mlflow.Client{URL: f.URL} }

// count returns the number of calls so far.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// of returns the runs of a role that are not deleted, in order of creation.
func (f *fake) of(role string) (out []*fakeRun) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.runs {
		if !r.Deleted && r.Tags["attune.role"] == role {
			out = append(out, r)
		}
	}
	return out
}

type refusal struct {
	status        int
	code, message string
}

func (f *fake) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.fail != nil {
		if status := f.fail(f.calls, req.URL.Path); status != 0 {
			http.Error(w, "<html>bad gateway</html>", status)
			return
		}
	}
	answer, no := f.answer(req, body)
	if f.lose != nil && f.lose(req.URL.Path) {
		panic(http.ErrAbortHandler)
	}
	if no != nil {
		w.WriteHeader(no.status)
		json.NewEncoder(w).Encode(map[string]string{"error_code": no.code, "message": no.message})
		return
	}
	json.NewEncoder(w).Encode(answer)
}

func invalid(format string, args ...any) *refusal {
	return &refusal{400, "INVALID_PARAMETER_VALUE", fmt.Sprintf(format, args...)}
}

var (
	filter  = regexp.MustCompile("^tags.`attune.study` = '([0-9a-f]+)' and tags.`attune.role` = '([a-z]+)'$")
	goodKey = regexp.MustCompile(`^[\p{L}\p{Nd}_\-. :/]+$`)
)

func keyOK(key string) bool {
	return len(key) <= 250 && goodKey.MatchString(key) && !strings.Contains(key, "//") && !strings.HasPrefix(key, "/") && !strings.HasPrefix(key, "..")
}

func (f *fake) answer(req *http.Request, body []byte) (any, *refusal) {
	const prefix = "/api/2.0/mlflow-artifacts/artifacts/"
	if path, ok := strings.CutPrefix(req.URL.Path, prefix); ok && req.Method == http.MethodPut {
		f.artifacts[path] = string(body)
		return map[string]any{}, nil
	}
	var in struct {
		Name    string              `json:"name"`
		Exp     string              `json:"experiment_id"`
		Run     string              `json:"run_id"`
		RunName string              `json:"run_name"`
		Start   int64               `json:"start_time"`
		End     int64               `json:"end_time"`
		Status  string              `json:"status"`
		Filter  string              `json:"filter"`
		Page    string              `json:"page_token"`
		Source  string              `json:"source"`
		Key     string              `json:"key"`
		Value   string              `json:"value"`
		Tags    []map[string]string `json:"tags"`
		Params  []map[string]string `json:"params"`
		Metrics []struct {
			Key   string
			Value any
			Time  int64 `json:"timestamp"`
			Step  int
		} `json:"metrics"`
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, &refusal{400, "BAD_REQUEST", err.Error()}
		}
	}
	var run *fakeRun
	if id := in.Run + req.URL.Query().Get("run_id"); id != "" {
		i := slices.IndexFunc(f.runs, func(r *fakeRun) bool { return r.ID == id })
		if i < 0 {
			return nil, &refusal{404, "RESOURCE_DOES_NOT_EXIST", "no run " + id}
		}
		run = f.runs[i]
	}
	setTags := func(r *fakeRun) {
		for _, t := range in.Tags {
			r.Tags[t["key"]] = t["value"]
		}
	}
	switch endpoint := strings.TrimPrefix(req.URL.Path, "/api/2.0/mlflow/"); endpoint {
	case "experiments/create":
		if _, ok := f.experiments[in.Name]; ok {
			return nil, &refusal{400, "RESOURCE_ALREADY_EXISTS", "it is there"}
		}
		f.experiments[in.Name] = fmt.Sprint(len(f.experiments) + 1)
		return map[string]string{"experiment_id": f.experiments[in.Name]}, nil
	case "experiments/get-by-name":
		id := f.experiments[req.URL.Query().Get("experiment_name")]
		return map[string]any{"experiment": map[string]string{"experiment_id": id, "lifecycle_stage": "active"}}, nil
	case "runs/create":
		r := &fakeRun{ID: fmt.Sprintf("%032x", 1<<40-len(f.runs)), Experiment: in.Exp, Name: in.RunName, Status: "RUNNING", Start: in.Start,
			Params: map[string]string{}, Tags: map[string]string{}, Metrics: map[string][]fakeMetric{}}
		setTags(r)
		f.runs = append(f.runs, r)
		return map[string]any{"run": f.describe(r)}, nil
	case "runs/get":
		return map[string]any{"run": f.describe(run)}, nil
	case "registered-models/create":
		if f.models[in.Name] != nil {
			return nil, &refusal{400, "RESOURCE_ALREADY_EXISTS", "it is there"}
		}
		f.models[in.Name] = []string{}
	case "model-versions/create":
		f.models[in.Name] = append(f.models[in.Name], in.Source)
		return map[string]any{"model_version": map[string]string{"version": fmt.Sprint(len(f.models[in.Name]))}}, nil
	case "runs/update":
		run.Status, run.End = in.Status, in.End
	case "runs/delete":
		run.Deleted = true
	case "runs/set-tag":
		run.Tags[in.Key] = in.Value
	case "runs/search":
		m := filter.FindStringSubmatch(in.Filter)
		if m == nil {
			return nil, invalid("filter %q", in.Filter)
		}
		const page = 7 // so that there are several
		var found []any
		first := 0
		fmt.Sscan(in.Page, &first)
		at := 0
		for _, r := range f.runs {
			if r.Deleted || r.Tags["attune.study"] != m[1] || r.Tags["attune.role"] != m[2] {
				continue
			}
			if at++; at > first && at <= first+page {
				found = append(found, f.describe(r))
			}
		}
		answer := map[string]any{"runs": found}
		if at > first+page {
			answer["next_page_token"] = fmt.Sprint(first + page)
		}
		return answer, nil
	case "runs/log-batch":
		switch n := len(in.Metrics) + len(in.Params) + len(in.Tags); {
		case len(in.Metrics) > 1000, len(in.Params) > 100, len(in.Tags) > 100, n > 1000, len(body) > 1e6:
			return nil, invalid("a batch of %d metrics, %d parameters, %d tags, %d bytes", len(in.Metrics), len(in.Params), len(in.Tags), len(body))
		}
		for _, p := range in.Params {
			key, value := p["key"], p["value"]
			if old, ok := run.Params[key]; !keyOK(key) || ok && old != value || utf8.RuneCountInString(value) > 6000 {
				return nil, invalid("parameter %q", key)
			}
			run.Params[key] = value
		}
		for _, m := range in.Metrics {
			it := fakeMetric{m.Value, m.Time, m.Step}
			if !keyOK(m.Key) {
				return nil, invalid("metric %q", m.Key)
			}
			if !slices.Contains(run.Metrics[m.Key], it) {
				run.Metrics[m.Key] = append(run.Metrics[m.Key], it)
			}
		}
		for _, t := range in.Tags {
			if !keyOK(t["key"]) || utf8.RuneCountInString(t["value"]) > 8000 {
				return nil, invalid("tag %q", t["key"])
			}
		}
		setTags(run)
	default:
		return nil, &refusal{404, "ENDPOINT_NOT_FOUND", req.URL.Path}
	}
	return map[string]any{}, nil
}

func (f *fake) describe(r *fakeRun) any {
	tags, metrics := []map[string]string{}, []map[string]any{}
	for k, v := range r.Tags {
		tags = append(tags, map[string]string{"key": k, "value": v})
	}
	for k, vs := range r.Metrics {
		last := slices.MaxFunc(vs, func(a, b fakeMetric) int { return a.Step - b.Step })
		metrics = append(metrics, map[string]any{"key": k, "value": last.Value, "timestamp": last.Time, "step": last.Step})
	}
	return map[string]any{
		"info": map[string]string{"run_id": r.ID, "status": r.Status, "artifact_uri": "mlflow-artifacts:/" + r.Experiment + "/" + r.ID + "/artifacts"},
		"data": map[string]any{"tags": tags, "metrics": metrics},
	}
}
