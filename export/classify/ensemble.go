package classify

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
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
// the text. ReadConfig fails with [ErrConfig], which names the rule or the weight, and the line.
func ReadConfig(r io.Reader) (Config, error) {
	fail := func(err error) (Config, error) { return Config{}, pkg.Errorf("%w: %w", ErrConfig, err) }
	var doc yaml.Node
	if err := yaml.NewDecoder(r).Decode(&doc); errors.Is(err, io.EOF) {
		return Config{}, nil
	} else if err != nil {
		return fail(err)
	}
	var c Config
	if len(doc.Content) == 0 {
		return c, nil
	}
	top, err := settings(doc.Content[0], "weights", "rules")
	if err != nil {
		return fail(err)
	}
	if node := top["weights"]; node != nil {
		weights, err := settings(node)
		if err != nil {
			return fail(fmt.Errorf("weights: %w", err))
		}
		c.Weights = make(map[string]float64, len(weights))
		for _, name := range slices.Sorted(maps.Keys(weights)) {
			if c.Weights[name], err = number(weights[name]); err == nil {
				err = checkWeight(c.Weights[name])
			}
			if err != nil {
				return fail(fmt.Errorf("weight of %s: %w", name, err))
			}
		}
	}
	if node := top["rules"]; node != nil {
		if node.Kind != yaml.SequenceNode {
			return fail(fmt.Errorf("line %d: rules: want a list, not %s", node.Line, shown(node)))
		}
		for i, n := range node.Content {
			rule, err := ruleOf(n)
			if err != nil {
				return fail(fmt.Errorf("rule %d: %w", i+1, err))
			}
			c.Rules = append(c.Rules, rule)
		}
	}
	return c, nil
}

// ruleOf reads one rule.
func ruleOf(n *yaml.Node) (Rule, error) {
	set, err := settings(n, "match", "label", "confidence")
	if err != nil {
		return Rule{}, err
	}
	var rule Rule
	if set["match"] == nil || set["label"] == nil || set["confidence"] == nil {
		return rule, fmt.Errorf("line %d: want match, label and confidence", n.Line)
	}
	match, err := text(set["match"])
	if err != nil {
		return rule, fmt.Errorf("match: %w", err)
	}
	if rule.Label, err = text(set["label"]); err != nil {
		return rule, fmt.Errorf("label: %w", err)
	}
	if match == "" || rule.Label == "" {
		return rule, fmt.Errorf("line %d: match or label is empty: want match, label and confidence", n.Line)
	}
	if rule.Confidence, err = number(set["confidence"]); err != nil {
		return rule, fmt.Errorf("confidence: %w", err)
	}
	if !(rule.Confidence > 0 && rule.Confidence <= 1) {
		return rule, fmt.Errorf("confidence %v: want a number above 0, at most 1", rule.Confidence)
	}
	rule.Match, err = regexp.Compile(match)
	return rule, err
}

// settings returns the values of a mapping by their keys, which must be among the names, if there are any.
func settings(n *yaml.Node, names ...string) (map[string]*yaml.Node, error) {
	n = followed(n)
	out := map[string]*yaml.Node{}
	if n.Tag == "!!null" {
		return out, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: want %s, not %s", n.Line, cmp.Or(strings.Join(names, ", "), "names with numbers"), shown(n))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case len(names) > 0 && !slices.Contains(names, key.Value):
			return nil, fmt.Errorf("line %d: %q is not among %s", key.Line, key.Value, strings.Join(names, ", "))
		case out[key.Value] != nil:
			return nil, fmt.Errorf("line %d: %q is there twice", key.Line, key.Value)
		}
		if out[key.Value] = followed(n.Content[i+1]); out[key.Value].Tag == "!!null" {
			delete(out, key.Value)
		}
	}
	return out, nil
}

// followed returns the node that an alias stands for.
func followed(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// text returns the text of a scalar: numbers are texts, too.
func text(n *yaml.Node) (string, error) {
	if n.Kind != yaml.ScalarNode {
		return "", fmt.Errorf("line %d: want a text, not %s", n.Line, shown(n))
	}
	return n.Value, nil
}

func number(n *yaml.Node) (float64, error) {
	var x float64
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" || n.Decode(&x) != nil {
		return 0, fmt.Errorf("line %d: want a number, not %s", n.Line, shown(n))
	}
	return x, nil
}

// shown describes a value as the file has it.
func shown(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	return fmt.Sprintf("%.60q", n.Value)
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
