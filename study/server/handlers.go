package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// on calls f with the study that a request names.
func (s *Server) on(r *http.Request, f func(*opened) error) error {
	name, err := named(r, "study")
	if err != nil {
		return err
	}
	return s.studies.use(r.Context(), name, f)
}

// onTrial calls f with the study and the number of the trial that a request names.
func (s *Server) onTrial(r *http.Request, f func(o *opened, number int) error) error {
	n, err := number(r)
	if err != nil {
		return err
	}
	return s.on(r, func(o *opened) error { return f(o, n) })
}

// A header is what the server says of a study in a list.
type header struct {
	Name       string   `json:"name"`
	Directions []string `json:"directions"`
	Metrics    []string `json:"metrics"`
}

func headerOf(h trial.Header) header {
	out := header{Name: h.Name, Metrics: append([]string{}, h.Metrics()...)}
	for i := range h.Objectives() {
		out.Directions = append(out.Directions, h.Direction(i).String())
	}
	return out
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) error {
	all, err := study.List(r.Context(), s.studies.store)
	if err != nil {
		return err
	}
	out := make([]header, len(all))
	for i, h := range all {
		out[i] = headerOf(h)
	}
	return answer(w, http.StatusOK, map[string]any{"studies": out})
}

func (s *Server) show(w http.ResponseWriter, r *http.Request) error {
	return s.on(r, func(o *opened) error { return describe(r.Context(), w, http.StatusOK, o) })
}

// describe sends the declaration of a study, and the numbers of its trials.
func describe(ctx context.Context, w http.ResponseWriter, code int, o *opened) error {
	attrs, err := o.study.Attrs(ctx)
	if err != nil {
		return err
	}
	_, parameters, err := declaredIn(attrs)
	if err != nil {
		return err
	}
	h, err := o.study.Snapshot(ctx)
	if err != nil {
		return err
	}
	counts := map[string]int{}
	for _, state := range states {
		counts[state.String()] = h.Count(state)
	}
	return answer(w, code, struct {
		header
		Seed       uint64          `json:"seed"`
		Parameters json.RawMessage `json:"parameters"`
		Trials     map[string]int  `json:"trials"`
	}{headerOf(o.study.Header()), o.study.Seed(), parameters, counts})
}

var states = []trial.State{trial.Waiting, trial.Running, trial.Complete, trial.Pruned, trial.Failed}

func (s *Server) best(w http.ResponseWriter, r *http.Request) error {
	return s.on(r, func(o *opened) error {
		best, err := o.study.Best(r.Context())
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, best)
	})
}

func (s *Server) front(w http.ResponseWriter, r *http.Request) error {
	return s.on(r, func(o *opened) error {
		front, err := o.study.Front(r.Context())
		if err != nil && !errors.Is(err, study.ErrNoTrial) {
			return err
		}
		return answer(w, http.StatusOK, map[string]any{"trials": append([]trial.Record{}, front...)})
	})
}

func (s *Server) attributes(w http.ResponseWriter, r *http.Request) error {
	return s.on(r, func(o *opened) error {
		attrs, err := o.study.Attrs(r.Context())
		if err != nil {
			return err
		}
		record, err := trial.Record{State: trial.Running, Attrs: attrs}.AppendJSON(nil)
		if err != nil {
			return err
		}
		var as struct {
			Attrs json.RawMessage `json:"attrs"`
		}
		if err := json.Unmarshal(record, &as); err != nil {
			return err
		}
		return answer(w, http.StatusOK, map[string]any{"attributes": as.Attrs})
	})
}

func (s *Server) setAttribute(w http.ResponseWriter, r *http.Request) error {
	key, err := named(r, "key")
	if err != nil {
		return err
	}
	text, err := body(r)
	if err != nil {
		return err
	}
	if !json.Valid(text) {
		return problem{http.StatusBadRequest, "the body is not JSON", `send one JSON value, such as 3 or "text"`}
	}
	if key == declaredKey {
		return problem{http.StatusConflict, "this attribute holds the declared parameters", "use another key"}
	}
	return s.on(r, func(o *opened) error {
		if err := o.study.SetAttr(r.Context(), key, json.RawMessage(text)); err != nil {
			return err
		}
		return answer(w, http.StatusOK, struct{}{})
	})
}

// page sends trials from a number on.
func (s *Server) page(w http.ResponseWriter, r *http.Request) error {
	from, err := whole(r, "from", 0, 0, math.MaxInt)
	if err != nil {
		return err
	}
	limit, err := whole(r, "limit", 100, 1, mostPage)
	if err != nil {
		return err
	}
	return s.on(r, func(o *opened) error {
		h, err := o.study.Snapshot(r.Context())
		if err != nil {
			return err
		}
		all := h.Records()
		at, _ := slices.BinarySearchFunc(all, from, func(r trial.Record, n int) int { return r.Number - n })
		all = all[at:]
		var next *int
		if len(all) > limit {
			next, all = &all[limit].Number, all[:limit]
		}
		return answer(w, http.StatusOK, map[string]any{"trials": append([]trial.Record{}, all...), "next": next})
	})
}

func (s *Server) trial(w http.ResponseWriter, r *http.Request) error {
	return s.onTrial(r, func(o *opened, n int) error {
		rec, err := record(r.Context(), o, n)
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, rec)
	})
}

// ask begins a trial for each key, or returns the one that was begun under it.
func (s *Server) ask(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Keys []string `json:"keys"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	if len(q.Keys) == 0 || len(q.Keys) > mostKeys {
		return problem{http.StatusBadRequest, fmt.Sprintf("%d keys", len(q.Keys)),
			fmt.Sprintf("give 1 to %d keys of your own, one for each trial, to get the same trials when you repeat the request", mostKeys)}
	}
	for _, key := range q.Keys {
		if err := checkName("key", key); err != nil {
			return err
		}
	}
	return s.on(r, func(o *opened) error {
		if len(o.space) == 0 {
			return errUndeclared
		}
		var out []trial.Record
		for _, key := range q.Keys {
			rec, err := begin(r.Context(), o.study, key)
			if errors.Is(err, sampler.ErrExhausted) && len(out) > 0 {
				break
			}
			if err != nil {
				return err
			}
			out = append(out, rec)
		}
		return answer(w, http.StatusOK, map[string]any{"trials": out})
	})
}

// begin asks for a trial. A trial with invalid enqueued values fails at once.
func begin(ctx context.Context, st *study.Study, key string) (trial.Record, error) {
	t, err := st.AskOnce(ctx, key)
	if err != nil {
		return trial.Record{}, err
	}
	if t.Err() != nil && !t.Record().State.Done() {
		if err := st.Tell(ctx, t, nil, t.Err()); err != nil {
			return trial.Record{}, err
		}
	}
	return t.Record(), nil
}

// heartbeat renews the lease of a trial.
func (s *Server) heartbeat(w http.ResponseWriter, r *http.Request) error {
	return s.onTrial(r, func(o *opened, n int) error {
		if _, err := o.study.Attach(r.Context(), n); err != nil {
			return err
		}
		return answer(w, http.StatusOK, struct{}{})
	})
}

// A reported is a report in a request: a value, or a value for each objective.
type reported struct {
	Step   *int    `json:"step"`
	Value  *float  `json:"value"`
	Values []float `json:"values"`
}

// report records intermediate values, all or none, and answers whether the trial should stop. With several objectives,
// it records one step.
func (s *Server) report(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		reported
		Attributes map[string]json.RawMessage `json:"attributes"`
		Reports    []reported                 `json:"reports"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	if (q.Reports == nil) == (q.Step == nil && q.Value == nil && q.Values == nil) {
		return problem{http.StatusBadRequest, "one report, or a list of reports", bodyHint}
	}
	if q.Reports == nil {
		q.Reports = append(q.Reports, q.reported)
	}
	var reports []trial.Report
	var vector *trial.Vector
	for _, p := range q.Reports {
		switch {
		case p.Step == nil || (p.Value == nil) == (p.Values == nil):
			return problem{http.StatusBadRequest, "a report needs a step and a value, or the values of several objectives", bodyHint}
		case p.Values == nil:
			reports = append(reports, trial.Report{Step: *p.Step, Value: float64(*p.Value)})
		default:
			vector = &trial.Vector{Step: *p.Step}
			for _, v := range p.Values {
				vector.Values = append(vector.Values, float64(v))
			}
		}
	}
	if vector != nil && len(q.Reports) > 1 {
		return problem{http.StatusBadRequest, "values of several objectives are reported one step at a time", bodyHint}
	}
	return s.onTrial(r, func(o *opened, n int) error {
		t, err := o.study.Attach(r.Context(), n)
		if err != nil {
			return err
		}
		if err := annotate(t, q.Attributes, nil); err != nil {
			return err
		}
		has := t.Record()
		if vector != nil {
			err = t.ReportValues(r.Context(), vector.Step, vector.Values...)
		} else {
			err = t.ReportAll(r.Context(), reports...)
		}
		if errors.Is(err, trial.ErrReport) && knows(has, reports, vector) {
			err = s.verdict(r.Context(), o.study, has) // the answer to the first was lost
		}
		if err != nil && !errors.Is(err, study.ErrPruned) {
			return err
		}
		return answer(w, http.StatusOK, map[string]any{"prune": err != nil})
	})
}

// knows reports whether a trial has these reports already.
func knows(has trial.Record, reports []trial.Report, vector *trial.Vector) bool {
	if vector != nil {
		was, ok := has.VectorAt(vector.Step)
		return ok && slices.EqualFunc(was, vector.Values, equal)
	}
	return !slices.ContainsFunc(reports, func(p trial.Report) bool {
		was, ok := has.ReportAt(p.Step)
		return !ok || !equal(was, p.Value)
	})
}

// verdict returns [study.ErrPruned] if a trial should stop after its last report.
func (s *Server) verdict(ctx context.Context, st *study.Study, r trial.Record) error {
	if s.cfg.Pruner == nil {
		return nil
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	if sc, ok := s.cfg.Pruner.(pruner.Scoper); ok {
		h = sc.Scope(r.Number, h)
	}
	if _, prune := s.cfg.Pruner.Prune(r, h); prune {
		return study.ErrPruned
	}
	return nil
}

// equal reports whether two numbers are the same; NaN is itself.
func equal(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// tell ends a trial.
func (s *Server) tell(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		State       string                     `json:"state"`
		Values      []float                    `json:"values"`
		Error       string                     `json:"error"`
		Attributes  map[string]json.RawMessage `json:"attributes"`
		Constraints map[string]float           `json:"constraints"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	values := make([]float64, len(q.Values))
	for i, v := range q.Values {
		values[i] = float64(v)
	}
	var outcome error
	state := trial.Complete
	switch {
	case q.State == "" || q.State == "complete":
	case len(values) > 0:
		return problem{http.StatusBadRequest, "values of a trial that is not complete", "leave values out: a pruned trial has the value of its last report"}
	case q.State == "pruned":
		state, outcome = trial.Pruned, study.ErrPruned
	case q.State == "failed":
		state = trial.Failed
		if outcome = errors.New(q.Error); q.Error == "" {
			outcome = errors.New("the worker gave no reason")
		}
	default:
		return problem{http.StatusBadRequest, fmt.Sprintf("state %q", q.State), "use complete, pruned or failed"}
	}
	return s.onTrial(r, func(o *opened, n int) error {
		t, err := o.study.Attach(r.Context(), n)
		if err == nil {
			err = annotate(t, q.Attributes, q.Constraints)
		}
		if err == nil {
			err = o.study.Tell(r.Context(), t, values, outcome)
		}
		if errors.Is(err, trial.ErrFinished) {
			if was, fault := record(r.Context(), o, n); fault == nil && told(was, state, values, outcome) {
				return answer(w, http.StatusOK, was) // the answer to the first was lost
			}
		}
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, t.Record())
	})
}

// annotate sets attributes and constraints of a trial, to be written with what follows.
func annotate(t *study.Trial, attributes map[string]json.RawMessage, constraints map[string]float) error {
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		t.SetAttr(key, attributes[key])
	}
	for _, name := range slices.Sorted(maps.Keys(constraints)) {
		t.Constrain(name, float64(constraints[name]))
	}
	if err := t.Err(); err != nil {
		return problem{http.StatusBadRequest, fault.Text(err, unsaid), "leave this attribute or constraint out"}
	}
	return nil
}

// told reports whether a trial has already ended with the outcome that a client tells.
func told(r trial.Record, state trial.State, values []float64, outcome error) bool {
	switch {
	case r.State != state:
		return false
	case state == trial.Complete:
		return slices.Equal(r.Values, values)
	case state == trial.Failed:
		return r.Err == fault.Text(outcome, nil)
	}
	return true
}

// record returns a trial by its number.
func record(ctx context.Context, o *opened, n int) (trial.Record, error) {
	h, err := o.study.Snapshot(ctx)
	if err != nil {
		return trial.Record{}, err
	}
	for _, open := range [][]trial.Record{h.Running(), h.Waiting()} {
		for _, r := range open {
			if r.Number == n {
				return r, nil
			}
		}
	}
	for i := h.Len() - 1; i >= 0; i-- { // in the order in which they ended; usually a late one is wanted
		if h.At(i).Number == n {
			return *h.At(i), nil
		}
	}
	return trial.Record{}, fmt.Errorf("trial %d: %w", n, storage.ErrNoTrial)
}
