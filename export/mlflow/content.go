package mlflow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// The tags that identify runs.
const (
	studyTag  = "attune.study" // an identity
	roleTag   = "attune.role"  // study or trial
	trialTag  = "attune.trial" // its number
	stateTag  = "attune.state"
	parentTag = "mlflow.parentRunId"
)

const reports = "intermediate_value"

// identity identifies a study within an experiment, in characters that need no quoting in a
// filter.
func identity(h trial.Header) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", h.Seed, h.Name))
	return hex.EncodeToString(sum[:10])
}

// objectives returns the names of the objectives' metrics.
func objectives(h trial.Header) []string {
	if names := h.Metrics(); names != nil {
		return names
	}
	if h.Objectives() == 1 {
		return []string{"value"}
	}
	names := make([]string, h.Objectives())
	for i := range names {
		names[i] = "value_" + strconv.Itoa(i)
	}
	return names
}

// content returns the content of a trial's run, with the reports after a step only.
func content(h trial.Header, r trial.Record, after int) batch {
	var b batch
	var params, metrics, tags names
	for _, s := range r.Params.Settings() {
		b.Params = append(b.Params, tag{params.of("parameter", s.Name), cut(text(s.Value), maxParam)})
	}
	begun, ended := millis(r.Started), millis(r.Finished)
	for i, p := range r.Reports {
		if p.Step > after {
			b.Metrics = append(b.Metrics, metric{metrics.of("reports", reports), float(p.Value), begun + int64(i), p.Step})
		}
	}
	for i, v := range r.Vectors() {
		for k, key := range objectives(h) {
			if v.Step > after && k < len(v.Values) {
				b.Metrics = append(b.Metrics, metric{metrics.of("reports", reports+"."+key), float(v.Values[k]), begun + int64(i), v.Step})
			}
		}
	}
	b.Tags = append(b.Tags, tag{stateTag, r.State.String()})
	if !r.State.Done() {
		return b
	}
	log := func(kind, key string, x float64) {
		b.Metrics = append(b.Metrics, metric{metrics.of(kind, key), float(x), ended, 0})
	}
	for i, v := range r.Values {
		if keys := objectives(h); i < len(keys) {
			log("objective", keys[i], v)
		}
	}
	for _, c := range r.Constraints {
		log("constraint", "constraint."+c.Name, c.Value)
	}
	if r.Err != "" {
		b.Tags = append(b.Tags, tag{"attune.error", cut(r.Err, maxTag)})
	}
	for _, a := range r.Attrs {
		if a.Key == backtest.Key { // it is too long for a tag
			continue
		}
		if x, ok := number(a.JSON); ok {
			log("attribute", a.Key, x)
		} else {
			b.Tags = append(b.Tags, attribute(&tags, a))
		}
	}
	return b
}

// attribute returns the tag of an attribute: strings without their quotes. Users cannot set
// MLflow's own tags or those of this package.
func attribute(n *names, a trial.Attr) tag {
	key := a.Key
	if strings.HasPrefix(key, "mlflow.") || strings.HasPrefix(key, "attune.") {
		key = "attr." + key
	}
	return tag{n.of("attribute", key), cut(text(a.JSON), maxTag)}
}

// text returns a JSON value as text: strings without their quotes.
func text[T ~string](literal T) string {
	var s string
	if literal != "null" && json.Unmarshal([]byte(literal), &s) == nil {
		return s
	}
	return string(literal)
}

// number parses a JSON number as Python writes it.
func number(text string) (x float64, ok bool) {
	if text == "NaN" || text == "Infinity" || text == "-Infinity" {
		x, err := strconv.ParseFloat(text, 64)
		return x, err == nil
	}
	return x, text != "null" && json.Unmarshal([]byte(text), &x) == nil
}

// studyTags returns the tags of a study that do not depend on its trials.
func studyTags(h trial.Header) []tag {
	directions := make([]string, h.Objectives())
	for i := range directions {
		directions[i] = h.Direction(i).String()
	}
	tags := []tag{
		{studyTag, identity(h)},
		{roleTag, "study"},
		{"attune.name", cut(h.Name, maxTag)},
		{"attune.seed", strconv.FormatUint(h.Seed, 10)},
		{"attune.directions", strings.Join(directions, ",")},
	}
	var n names
	for _, a := range h.Attrs {
		tags = append(tags, attribute(&n, a))
	}
	return tags
}

// summary returns the tags of the state of a study, starting with the best trial.
func summary(h trial.Snapshot) []tag {
	tags := []tag{
		{"attune.complete", strconv.Itoa(h.Count(trial.Complete))},
		{"attune.pruned", strconv.Itoa(h.Count(trial.Pruned))},
		{"attune.failed", strconv.Itoa(h.Count(trial.Failed))},
	}
	keys := objectives(h.Header())
	if h.Objectives() > 1 {
		front := h.Front()
		numbers := make([]string, len(front))
		for i, r := range front {
			numbers[i] = strconv.Itoa(r.Number)
		}
		note := fmt.Sprintf("Study **%s**: %d trials on the Pareto front.\n", escape(h.Header().Name), len(front))
		return append(tags, tag{"attune.front", cut(strings.Join(numbers, ","), maxTag)}, tag{"mlflow.note.content", cut(note, maxTag)})
	}
	best, ok := h.Best()
	if !ok {
		return tags
	}
	var params []byte
	var note strings.Builder
	fmt.Fprintf(&note, "Study **%s**: best %s = **%.6g**, trial %d.\n\n| parameter | value |\n|---|---|\n", escape(h.Header().Name), escape(keys[0]), best.Values[0], best.Number)
	for _, s := range best.Params.Settings() {
		params = append(append(pyjson.AppendString(append(params, ", "...), s.Name), ": "...), s.Value...)
		fmt.Fprintf(&note, "| %s | %s |\n", escape(s.Name), escape(text(s.Value)))
	}
	return append(tags,
		tag{"attune.best_trial", strconv.Itoa(best.Number)},
		tag{"attune.best_params", cut("{"+strings.TrimPrefix(string(params), ", ")+"}", maxTag)},
		tag{"mlflow.note.content", cut(note.String(), maxTag)},
	)
}

// escape escapes a text for Markdown.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\r':
			r = ' '
		case strings.ContainsRune("\\`*_{}[]()<>#+-!|~&", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// climb returns a metric for each trial that improved the best value, of those that finished
// after the first n. best is the best value before, or nil if there is none.
func climb(h trial.Snapshot, n int, best *float64) (rungs []metric, last *float64) {
	if h.Objectives() > 1 {
		return nil, nil
	}
	loss := h.Direction(0).Loss
	for r := range h.Since(n) {
		if r.State == trial.Complete && len(r.Values) == 1 && r.Feasible() && (best == nil || loss(r.Values[0]) < loss(*best)) {
			v := r.Values[0]
			best = &v
			rungs = append(rungs, metric{"best", float(v), millis(r.Finished), r.Number})
		}
	}
	return rungs, best
}
