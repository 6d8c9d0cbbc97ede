package main

import (
	"cmp"
	"encoding/json"
	"io"
	"math"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
)

// scores returns the scores of a result for JSON: null for NaN.
func scores(res forecast.Result) map[string]*float64 {
	out := map[string]*float64{}
	for i, s := range res.Scores {
		out[res.Metrics[i].Name()] = nil
		if !math.IsNaN(s) && !math.IsInf(s, 0) {
			out[res.Metrics[i].Name()] = &s
		}
	}
	return out
}

// writeJSON writes the report for programs.
func (r *report) writeJSON(w io.Writer) error {
	type item struct {
		Name       string              `json:"name"`
		Baseline   bool                `json:"baseline"`
		Validation map[string]*float64 `json:"validation"`
		StdError   *float64            `json:"validation_error,omitempty"` // standard error of the first metric
		Test       map[string]*float64 `json:"test,omitempty"`
		Study      string              `json:"study,omitempty"`
		Trials     int                 `json:"trials,omitempty"`
		Pruned     int                 `json:"pruned,omitempty"`
		Failed     int                 `json:"failed,omitempty"`
		NotMade    int                 `json:"not_made,omitempty"` // trials for which time ran out
		Seconds    float64             `json:"trial_seconds,omitempty"`
		Best       *int                `json:"best_trial,omitempty"`
		Rounds     json.RawMessage     `json:"rounds,omitempty"`
		Params     json.RawMessage     `json:"params,omitempty"`
		File       string              `json:"model_file,omitempty"`
		Error      string              `json:"error,omitempty"` // why there is no best trial, or the study ended early
	}
	out := struct {
		Data     source   `json:"data"`
		Metric   string   `json:"metric"`
		Horizon  int      `json:"horizon"`
		Windows  int      `json:"windows"`
		Test     int      `json:"test"`
		Storage  string   `json:"storage"`
		Winner   string   `json:"winner"` // the best model's study
		Verdict  string   `json:"verdict"`
		Notes    []string `json:"notes,omitempty"`
		Commands []string `json:"commands"`
		Rows     []item   `json:"rows"`
	}{r.job.Data, r.job.Metric, r.job.Horizon, r.job.Windows, r.job.Test, r.storage, "", r.verdict(), r.notes, r.commands(), nil}
	if len(r.models) > 0 {
		out.Winner = r.models[0].study
	}
	for _, m := range r.rows() {
		it := item{Name: m.name, Baseline: m.baseline, Validation: scores(m.valid), Study: m.study, Trials: m.made(),
			Pruned: m.sum.Pruned, Failed: m.sum.Failed, NotMade: m.notMade, Seconds: m.sum.Took.Seconds()}
		if m.study != "" && m.study == out.Winner {
			it.File = r.final
		}
		if e := m.errorOf; m.missing == nil && !math.IsNaN(e) && !math.IsInf(e, 0) {
			it.StdError = &e
		}
		if r.job.Test > 0 {
			it.Test = scores(m.test)
		}
		if err := cmp.Or(m.ended, m.missing); err != nil {
			it.Error = plain(err)
		}
		if m.of != nil {
			it.Best = &m.best.Number
			if a, ok := m.best.Attrs.Get(tune.RoundsKey); ok {
				it.Rounds = json.RawMessage(a.JSON)
			}
			it.Params = paramsJSON(m.best) // the same as attune best writes
		}
		out.Rows = append(out.Rows, it)
	}
	return writeJSON(w, out)
}
