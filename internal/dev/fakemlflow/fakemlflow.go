// Package fakemlflow is an MLflow tracking server for tests: it keeps what it receives in
// memory, refuses what a real server refuses, and fails on demand.
package fakemlflow

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
	"unicode/utf8"
)

// A Server is a tracking server. Hold the lock to access its fields while it serves.
type Server struct {
	*httptest.Server

	sync.Mutex
	Experiments map[string]string   // ids by name
	Runs        []*Run              // including deleted ones
	Artifacts   map[string]string   // by path
	Models      map[string][]string // sources of the versions of registered models
	Calls       int

	// Fail and Lose are called with the lock held; nil means never.
	Fail func(call int, path string) (status int) // before the work is done; 0 means to continue
	Lose func(path string) bool                   // whether the answer is lost after the work is done
}

// A Run is a run on the server.
type Run struct {
	ID, Experiment, Name, Status string
	Start, End                   int64
	Deleted                      bool
	Params, Tags                 map[string]string
	Metrics                      map[string][]Metric
}

// A Metric is one value of a metric. JSON has a string for a value that is not a number.
type Metric struct {
	Value any
	Time  int64
	Step  int
}

// New starts a server. Close it after use.
func New() *Server {
	s := &Server{Experiments: map[string]string{}, Artifacts: map[string]string{}, Models: map[string][]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// Count returns the number of calls so far.
func (s *Server) Count() int {
	s.Lock()
	defer s.Unlock()
	return s.Calls
}

// Of returns the runs of a role that are not deleted, in order of creation.
func (s *Server) Of(role string) (out []*Run) {
	s.Lock()
	defer s.Unlock()
	for _, r := range s.Runs {
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

func (s *Server) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	s.Lock()
	defer s.Unlock()
	s.Calls++
	if s.Fail != nil {
		if status := s.Fail(s.Calls, req.URL.Path); status != 0 {
			http.Error(w, "<html>bad gateway</html>", status)
			return
		}
	}
	answer, no := s.answer(req, body)
	if s.Lose != nil && s.Lose(req.URL.Path) {
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

func (s *Server) answer(req *http.Request, body []byte) (any, *refusal) {
	const prefix = "/api/2.0/mlflow-artifacts/artifacts/"
	if path, ok := strings.CutPrefix(req.URL.Path, prefix); ok && req.Method == http.MethodPut {
		s.Artifacts[path] = string(body)
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
	var run *Run
	if id := in.Run + req.URL.Query().Get("run_id"); id != "" {
		i := slices.IndexFunc(s.Runs, func(r *Run) bool { return r.ID == id })
		if i < 0 {
			return nil, &refusal{404, "RESOURCE_DOES_NOT_EXIST", "no run " + id}
		}
		run = s.Runs[i]
	}
	setTags := func(r *Run) {
		for _, t := range in.Tags {
			r.Tags[t["key"]] = t["value"]
		}
	}
	switch endpoint := strings.TrimPrefix(req.URL.Path, "/api/2.0/mlflow/"); endpoint {
	case "experiments/create":
		if _, ok := s.Experiments[in.Name]; ok {
			return nil, &refusal{400, "RESOURCE_ALREADY_EXISTS", "it is there"}
		}
		s.Experiments[in.Name] = fmt.Sprint(len(s.Experiments) + 1)
		return map[string]string{"experiment_id": s.Experiments[in.Name]}, nil
	case "experiments/get-by-name":
		id := s.Experiments[req.URL.Query().Get("experiment_name")]
		return map[string]any{"experiment": map[string]string{"experiment_id": id, "lifecycle_stage": "active"}}, nil
	case "runs/create":
		r := &Run{ID: fmt.Sprintf("%032x", 1<<40-len(s.Runs)), Experiment: in.Exp, Name: in.RunName, Status: "RUNNING", Start: in.Start,
			Params: map[string]string{}, Tags: map[string]string{}, Metrics: map[string][]Metric{}}
		setTags(r)
		s.Runs = append(s.Runs, r)
		return map[string]any{"run": s.describe(r)}, nil
	case "runs/get":
		return map[string]any{"run": s.describe(run)}, nil
	case "registered-models/create":
		if s.Models[in.Name] != nil {
			return nil, &refusal{400, "RESOURCE_ALREADY_EXISTS", "it is there"}
		}
		s.Models[in.Name] = []string{}
	case "model-versions/create":
		s.Models[in.Name] = append(s.Models[in.Name], in.Source)
		return map[string]any{"model_version": map[string]string{"version": fmt.Sprint(len(s.Models[in.Name]))}}, nil
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
		const page = 7 // small, so that there are several pages
		var found []any
		first := 0
		fmt.Sscan(in.Page, &first)
		at := 0
		for _, r := range s.Runs {
			if r.Deleted || r.Tags["attune.study"] != m[1] || r.Tags["attune.role"] != m[2] {
				continue
			}
			if at++; at > first && at <= first+page {
				found = append(found, s.describe(r))
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
			it := Metric{m.Value, m.Time, m.Step}
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

func (s *Server) describe(r *Run) any {
	tags, metrics := []map[string]string{}, []map[string]any{}
	for k, v := range r.Tags {
		tags = append(tags, map[string]string{"key": k, "value": v})
	}
	for k, vs := range r.Metrics {
		last := slices.MaxFunc(vs, func(a, b Metric) int { return a.Step - b.Step })
		metrics = append(metrics, map[string]any{"key": k, "value": last.Value, "timestamp": last.Time, "step": last.Step})
	}
	return map[string]any{
		"info": map[string]string{"run_id": r.ID, "status": r.Status, "artifact_uri": "mlflow-artifacts:/" + r.Experiment + "/" + r.ID + "/artifacts"},
		"data": map[string]any{"tags": tags, "metrics": metrics},
	}
}
