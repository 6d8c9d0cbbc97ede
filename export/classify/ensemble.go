package classify

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"sync/atomic"

	"go.yaml.in/yaml/v3"
)

// A Rule gives texts that match a regular expression a label.
type Rule struct {
	Match      *regexp.Regexp
	Label      string
	Confidence float64 // in (0, 1]
}

// Rules are a [Classifier] of texts. The score of a label is the highest confidence of its rules
// that match; the label with the highest score is the answer. If no rule matches, the answer is
// the zero Answer. Rules take only items with a Text, and give others the zero Answer.
type Rules []Rule

// Classify implements [Classifier]. It never fails.
func (r Rules) Classify(items []Item) ([]Answer, error) {
	answers := make([]Answer, len(items))
	for i, item := range items {
		if item.Row != nil || item.Values != nil {
			continue
		}
		var scores map[string]float64
		for _, rule := range r {
			if rule.Confidence > scores[rule.Label] && rule.Match.MatchString(item.Text) {
				if scores == nil {
					scores = map[string]float64{}
				}
				scores[rule.Label] = rule.Confidence
			}
		}
		answers[i] = best(scores)
	}
	return answers, nil
}

// A Config has the rules and the weights of an ensemble.
type Config struct {
	Rules   Rules
	Weights map[string]float64 // by the name of a member
}

// ReadConfig reads a configuration in YAML:
//
//	weights: {rules: 2, text: 1, anomaly: 0.5}
//	rules:
//	  - {match: '(?i)out of memory', label: memory, confidence: 0.95}
//	  - {match: 'disk \S+ is full', label: disk, confidence: 0.9}
//
// A regular expression has the syntax of package regexp, whose time is linear in the length of
// the text. ReadConfig fails with [ErrConfig], which names the rule or the weight.
func ReadConfig(r io.Reader) (Config, error) {
	var file struct {
		Weights map[string]float64
		Rules   []struct {
			Match      *string
			Label      string
			Confidence *float64
		}
	}
	in := yaml.NewDecoder(r)
	in.KnownFields(true)
	if err := in.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, pkg.Errorf("%w: %w", ErrConfig, err)
	}
	c := Config{Weights: file.Weights}
	for name, w := range file.Weights {
		if err := checkWeight(w); err != nil {
			return Config{}, pkg.Errorf("%w: weight of %s: %w", ErrConfig, name, err)
		}
	}
	for i, rule := range file.Rules {
		fail := func(err error) (Config, error) {
			return Config{}, pkg.Errorf("%w: rule %d: %w", ErrConfig, i+1, err)
		}
		if rule.Match == nil || *rule.Match == "" || rule.Label == "" || rule.Confidence == nil {
			return fail(errors.New("want match, label and confidence"))
		}
		if p := *rule.Confidence; !(p > 0 && p <= 1) {
			return fail(fmt.Errorf("confidence %v: want a number above 0, at most 1", p))
		}
		match, err := regexp.Compile(*rule.Match)
		if err != nil {
			return fail(err)
		}
		c.Rules = append(c.Rules, Rule{match, rule.Label, *rule.Confidence})
	}
	return c, nil
}

func checkWeight(w float64) error {
	if !(w >= 0) || math.IsInf(w, 0) {
		return fmt.Errorf("%v: want a number from 0", w)
	}
	return nil
}

// A Member is a classifier of an [Ensemble].
type Member struct {
	Name       string
	Classifier Classifier
	Weight     float64 // 0 or more
}

// An Ensemble is a [Classifier] that combines several with weights. The score of a label is the weighted mean
// of its members' scores. A member that does not know the label has the score 0 for it, and one that gives
// the zero Answer does not take part. An Ensemble with no member left gives the zero Answer.
//
// A member that fails does not take part either; [Ensemble.Failures] counts them. Classify fails
// only if all members fail.
type Ensemble struct {
	members  []Member
	failures []atomic.Uint64
}

// NewEnsemble makes an ensemble. It fails with [ErrConfig] if there are no members, if two have the
// same name, or if a weight is negative or not finite, or all are 0.
func NewEnsemble(members ...Member) (*Ensemble, error) {
	sum := 0.0
	for i, m := range members {
		if err := checkWeight(m.Weight); err != nil {
			return nil, pkg.Errorf("%w: weight of %s: %w", ErrConfig, m.Name, err)
		}
		if slices.ContainsFunc(members[:i], func(o Member) bool { return o.Name == m.Name }) {
			return nil, pkg.Errorf("%w: two members %q", ErrConfig, m.Name)
		}
		sum += m.Weight
	}
	if !(sum > 0) {
		return nil, pkg.Errorf("%w: want a member with a weight above 0", ErrConfig)
	}
	return &Ensemble{slices.Clone(members), make([]atomic.Uint64, len(members))}, nil
}

// Classify implements [Classifier].
func (e *Ensemble) Classify(items []Item) ([]Answer, error) {
	scores := make([]map[string]float64, len(items))
	weights := make([]float64, len(items))
	var failed []error
	for k, m := range e.members {
		answers, err := m.Classifier.Classify(items)
		if err == nil && len(answers) != len(items) {
			err = fmt.Errorf("%d answers for %d items", len(answers), len(items))
		}
		if err != nil {
			e.failures[k].Add(1)
			failed = append(failed, fmt.Errorf("%s: %w", m.Name, err))
			continue
		}
		for i, a := range answers {
			if a.Label == "" || m.Weight == 0 {
				continue
			}
			if scores[i] == nil {
				scores[i] = map[string]float64{}
			}
			weights[i] += m.Weight
			for label, s := range a.Scores {
				scores[i][label] += m.Weight * s
			}
			if a.Scores == nil {
				scores[i][a.Label] += m.Weight * a.Confidence
			}
		}
	}
	if len(failed) == len(e.members) {
		return nil, pkg.Errorf("%w", errors.Join(failed...))
	}
	answers := make([]Answer, len(items))
	for i := range items {
		for label := range scores[i] {
			scores[i][label] /= weights[i]
		}
		answers[i] = best(scores[i])
	}
	return answers, nil
}

// Failures counts the calls in which each member failed, by its name.
func (e *Ensemble) Failures() map[string]uint64 {
	out := map[string]uint64{}
	for k, m := range e.members {
		out[m.Name] = e.failures[k].Load()
	}
	return out
}
