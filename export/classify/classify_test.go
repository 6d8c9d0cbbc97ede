package classify_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/classify"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
)

// table is a model of a number and a text: whether a day is warm.
func table(t *testing.T) *classify.Model {
	stump := &tree.Model{Features: make([]tree.Feature, 2), Outputs: 1,
		Trees: []tree.Tree{{Nodes: []tree.Node{{Threshold: 20, Left: ^0, Right: ^1}}, Leaves: []tree.Leaf{{Value: 0.25}, {Value: 0.75}}}}}
	m := &pipeline.Model{
		Inputs: []pipeline.Input{{Name: "celsius"}, {Name: "sky", Kind: pipeline.Text}},
		Nodes: []pipeline.Node{
			{Op: pipeline.Columns{At: []int{0}}},
			{Op: pipeline.TextOrdinal{At: []int{1}, Categories: [][]string{{"blue", "grey"}}, Unknown: -1}},
			{Op: pipeline.Join{}, In: []int{0, 1}},
			{Op: pipeline.Trees{Model: stump}, In: []int{2}},
			{Op: pipeline.Complement{}, In: []int{3}},
			{Op: pipeline.Largest{}, In: []int{4}},
		},
		Outputs: []pipeline.Output{{Name: "label", Node: 5, Labels: &pipeline.Labels{Texts: []string{"cold", "warm"}}}, {Name: "probabilities", Node: 4}},
	}
	p, err := pipeline.NewPredictor(m)
	require.NoError(t, err)
	c, err := classify.NewModel(m, p, classify.ModelOptions{})
	require.NoError(t, err)
	return c
}

// Columns come by their names in any order, or in the model's order. An error says what does not fit.
func TestModelOfRows(t *testing.T) {
	c := table(t)
	answers, err := c.Classify([]classify.Item{
		{Row: map[string]any{"sky": "grey", "celsius": 25, "id": 7}},
		{Values: []any{12.5, "never seen"}},
		{Values: []any{true, ""}},
		{Values: []any{nil, "blue"}}, // missing goes right
	})
	require.NoError(t, err)
	warm := classify.Answer{Label: "warm", Confidence: 0.75, Scores: map[string]float64{"cold": 0.25, "warm": 0.75}}
	cold := classify.Answer{Label: "cold", Confidence: 0.75, Scores: map[string]float64{"cold": 0.75, "warm": 0.25}}
	assert.Equal(t, []classify.Answer{warm, cold, cold, warm}, answers)
	answers, err = c.Classify(nil)
	require.NoError(t, err)
	assert.Empty(t, answers)
	for want, item := range map[string]classify.Item{
		`column "sky" is missing`:                                 {Row: map[string]any{"celsius": 1.0, "Sky": "blue"}},
		`column "celsius": the text "warm": want a number`:        {Row: map[string]any{"celsius": "warm", "sky": "blue"}},
		`column "sky": 3: want a text`:                            {Row: map[string]any{"celsius": 1, "sky": 3}},
		`column "celsius": a []int: want a number`:                {Values: []any{[]int{1}, ""}},
		"1 values, want 2":                                        {Values: []any{1}},
		"a text for a model of a table: set Row or Values, or Mo": {Text: "warm"},
		"more than one of Text, Row and Values is set":            {Text: "warm", Values: []any{1, "blue"}},
	} {
		_, err := c.Classify([]classify.Item{{Values: []any{1, "blue"}}, item})
		require.ErrorIs(t, err, classify.ErrInput)
		require.ErrorIs(t, err, runtime.ErrInput)
		assert.ErrorContains(t, err, "item 1: wrong input: "+want)
	}
}

// python reads a model of the example, trained in Python.
func python(t *testing.T, file string, o classify.ModelOptions) *classify.Model {
	f, err := os.Open("../../examples/logs/" + file)
	require.NoError(t, err)
	defer f.Close()
	m, _, err := pipeline.Read(f)
	require.NoError(t, err)
	p, err := pipeline.NewPredictor(m)
	require.NoError(t, err)
	c, err := classify.NewModel(m, p, o)
	require.NoError(t, err)
	return c
}

func TestModelOfTexts(t *testing.T) {
	c := python(t, "text.joblib", classify.ModelOptions{})
	answers, err := c.Classify([]classify.Item{{Text: "accepted password for n12 from host9.example"}, {}, {Text: strings.Repeat("disk ", 2<<20)}, {Text: "\xff\xfe"}})
	require.NoError(t, err)
	assert.Equal(t, "1", answers[0].Label)
	assert.Greater(t, answers[0].Confidence, 0.8)
	for _, a := range answers {
		sum := 0.0
		for _, s := range a.Scores {
			sum += s
		}
		assert.InDelta(t, 1, sum, 1e-6)
	}
}

func TestModelOfAnomalies(t *testing.T) {
	length := func(text string) ([]float64, error) {
		switch text {
		case "broken":
			return nil, errors.New("no features")
		case "short":
			return []float64{1}, nil
		}
		return []float64{float64(len(text)), float64(len(text)) / 5, max(0, float64(len(text)-60)) / 3}, nil
	}
	items := []classify.Item{{Text: strings.Repeat("a", 43)}, {Text: strings.Repeat("a", 150)}}
	silent := python(t, "anomaly.joblib", classify.ModelOptions{Features: length})
	answers, err := silent.Classify(items)
	require.NoError(t, err)
	assert.Zero(t, answers[0])
	assert.Equal(t, "anomaly", answers[1].Label)
	assert.Greater(t, answers[1].Confidence, 0.5)
	named := python(t, "anomaly.joblib", classify.ModelOptions{Features: length, Anomaly: "odd", Normal: "usual"})
	answers, err = named.Classify(items)
	require.NoError(t, err)
	assert.Equal(t, "usual", answers[0].Label)
	assert.Greater(t, answers[0].Confidence, 0.5)
	assert.Equal(t, "odd", answers[1].Label)
	assert.InDelta(t, 1, answers[1].Scores["odd"]+answers[1].Scores["usual"], 1e-12)
	_, err = named.Classify([]classify.Item{{Text: "broken"}})
	require.ErrorContains(t, err, "features: no features")
	_, err = named.Classify([]classify.Item{{Text: "short"}})
	require.ErrorContains(t, err, "1 features for 3 columns")
}

func TestNewModelRefuses(t *testing.T) {
	m := &pipeline.Model{Inputs: make([]pipeline.Input, 1), Nodes: []pipeline.Node{{Op: pipeline.Columns{At: []int{0}}}}, Outputs: []pipeline.Output{{Name: "predictions"}}}
	_, err := classify.NewModel(m, nil, classify.ModelOptions{})
	require.ErrorIs(t, err, classify.ErrModel)
	require.ErrorContains(t, err, "its outputs are [predictions]: want label and probabilities")
	_, err = classify.NewModel(new(pipeline.Model), nil, classify.ModelOptions{})
	require.ErrorIs(t, err, pipeline.ErrInvalid)
}

func TestReadConfig(t *testing.T) {
	c, err := classify.ReadConfig(strings.NewReader("weights: {rules: 2, text: 0.5}\nrules:\n  - {match: '(?i)disk', label: disk, confidence: 0.9}\n  - {match: 'full$', label: disk, confidence: 1}\n  - {match: cat, label: pets, confidence: 0.9}\n"))
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"rules": 2, "text": 0.5}, c.Weights)
	answers, err := c.Rules.Classify([]classify.Item{{Text: "the DISK"}, {Text: "disk full"}, {Text: "dog"}, {Text: "cat on a disk"}, {Values: []any{"disk"}}, {Text: strings.Repeat("x", 10<<20) + "full"}})
	require.NoError(t, err)
	labels := make([]string, len(answers))
	for i, a := range answers {
		labels[i] = a.Label
	}
	assert.Equal(t, []string{"disk", "disk", "", "disk", "", "disk"}, labels)
	assert.Equal(t, 1.0, answers[1].Confidence)
	assert.Equal(t, map[string]float64{"disk": 0.9, "pets": 0.9}, answers[3].Scores)
	for _, empty := range []string{"", "# nothing yet\n", "rules:\nweights:\n"} {
		c, err = classify.ReadConfig(strings.NewReader(empty))
		require.NoError(t, err, empty)
		assert.Empty(t, c.Rules)
	}
	for text, want := range map[string]string{
		"weights: {rules: -1}":                           "weight of rules: -1: want a number from 0",
		"weights: {rules: .inf}":                         "weight of rules: +Inf",
		"rules: [{label: a, confidence: 1}]":             "rule 1: line 1: want match, label and confidence",
		"rules: [{match: a, label: a}]":                  "rule 1: line 1: want match, label and confidence",
		"rules: [{match: a, label: a, confidence: 1.5}]": "rule 1: confidence 1.5: want a number above 0, at most 1",
		"rules: [{match: '(', label: a, confidence: 1}]": "rule 1: error parsing regexp",
		"rule: []":                      `line 1: "rule" is not among weights, rules`,
		"weights: 3":                    `weights: line 1: want names with numbers, not "3"`,
		"weights: {rules: high}":        `weight of rules: line 1: want a number, not "high"`,
		"weights: {rules: 1, rules: 2}": `weights: line 1: "rules" is there twice`,
		"rules: {match: a}":             "line 1: rules: want a list, not a mapping",
		"rules:\n- disk":                `rule 1: line 2: want match, label, confidence, not "disk"`,
		"rules:\n- {match: [a]\n,label: a, confidence: 1}": "rule 1: match: line 2: want a text, not a list",
		"rules: [{match: '', label: a, confidence: 1}]":    "rule 1: line 1: match or label is empty",
		"rules: [{match: a, label: a, confidence: '1'}]":   `rule 1: confidence: line 1: want a number, not "1"`,
		"rules: [{match: a, label: a, confidence: ~}]":     "rule 1: line 1: want match, label and confidence",
		"[]":          "line 1: want weights, rules, not a list",
		"rules: [\n{": "yaml: line 2: ",
	} {
		_, err := classify.ReadConfig(strings.NewReader(text))
		require.ErrorIs(t, err, classify.ErrConfig, text)
		require.ErrorContains(t, err, want, text)
	}
}

func says(label string, confidence float64) classify.Classifier {
	return classify.Func(func(items []classify.Item) ([]classify.Answer, error) {
		out := make([]classify.Answer, len(items))
		for i := range out {
			out[i] = classify.Answer{Label: label, Confidence: confidence}
		}
		return out, nil
	})
}

var errBroken = errors.New("broken")

func fails() classify.Classifier {
	return classify.Func(func([]classify.Item) ([]classify.Answer, error) { return nil, errBroken })
}

func TestEnsemble(t *testing.T) {
	one := make([]classify.Item, 1)
	e, err := classify.NewEnsemble(
		classify.Member{Name: "a", Classifier: says("x", 0.9), Weight: 1}, classify.Member{Name: "b", Classifier: says("y", 0.5), Weight: 2},
		classify.Member{Name: "silent", Classifier: says("", 0), Weight: 9}, classify.Member{Name: "broken", Classifier: fails(), Weight: 9},
		classify.Member{Name: "short", Classifier: classify.Func(func([]classify.Item) ([]classify.Answer, error) { return nil, nil }), Weight: 9})
	require.NoError(t, err)
	answers, err := e.Classify(one)
	require.NoError(t, err)
	assert.Equal(t, "y", answers[0].Label)
	assert.InDeltaMapValues(t, map[string]float64{"x": 0.3, "y": 1.0 / 3}, answers[0].Scores, 1e-12)
	assert.Equal(t, map[string]uint64{"a": 0, "b": 0, "silent": 0, "broken": 1, "short": 1}, e.Failures())

	e, err = classify.NewEnsemble(classify.Member{Name: "silent", Classifier: says("", 0), Weight: 1})
	require.NoError(t, err)
	answers, err = e.Classify(one)
	require.NoError(t, err)
	assert.Equal(t, make([]classify.Answer, 1), answers)
	e, err = classify.NewEnsemble(classify.Member{Name: "broken", Classifier: fails(), Weight: 1})
	require.NoError(t, err)
	_, err = e.Classify(one)
	require.ErrorIs(t, err, errBroken)
	for _, members := range [][]classify.Member{nil, {{Name: "a"}}, {{Name: "a", Weight: -1}}, {{Name: "a", Weight: math.NaN()}}, {{Name: "a", Weight: 1}, {Name: "a", Weight: 1}}} {
		_, err := classify.NewEnsemble(members...)
		require.ErrorIs(t, err, classify.ErrConfig)
	}
}

func TestFallback(t *testing.T) {
	var logged bytes.Buffer
	f := &classify.Fallback{Primary: fails(), Secondary: says("b", 1), Log: slog.New(slog.NewTextHandler(&logged, nil))}
	for range 3 {
		answers, err := f.Classify(make([]classify.Item, 2))
		require.NoError(t, err)
		assert.Equal(t, "b", answers[1].Label)
	}
	assert.Equal(t, uint64(3), f.Stats().Fallbacks)
	assert.Equal(t, 2, strings.Count(logged.String(), "\n")) // the 1st and the 2nd
	panics := classify.Func(func([]classify.Item) ([]classify.Answer, error) { panic("oh") })
	_, err := (&classify.Fallback{Primary: panics, Secondary: fails(), Log: slog.New(slog.DiscardHandler)}).Classify(nil)
	require.ErrorContains(t, err, "oh")
	require.ErrorIs(t, err, errBroken)
	_, err = (&classify.Fallback{Primary: table(t), Secondary: says("b", 1)}).Classify([]classify.Item{{Text: "no row"}})
	require.ErrorIs(t, err, classify.ErrInput)
}

func TestAB(t *testing.T) {
	ab := &classify.AB{A: says("a", 1), B: says("b", 1), Share: 0.25, Name: "weights"}
	count := map[string]int{}
	keys := map[string]string{}
	for range 1000 {
		answers, err := ab.Classify(make([]classify.Item, 1))
		require.NoError(t, err)
		count[answers[0].Label]++
	}
	for i := range 1000 {
		key := string(rune('a' + i%26))
		answers, err := ab.ClassifyKey(key, make([]classify.Item, 1))
		require.NoError(t, err)
		if before, ok := keys[key]; ok {
			require.Equal(t, before, answers[0].Label)
		}
		keys[key] = answers[0].Label
	}
	assert.Equal(t, map[string]int{"a": 750, "b": 250}, count)
	stats := ab.Stats()
	assert.Equal(t, uint64(2000), stats.A.Calls+stats.B.Calls)
	_, err := (&classify.AB{A: fails(), B: fails()}).Classify(nil)
	require.ErrorIs(t, err, errBroken)
}

func TestShadow(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	items := []classify.Item{{Text: "one"}, {Text: "two"}}
	s := &classify.Shadow{Live: says("a", 0.9), Candidate: says("a", 0.905), Log: quiet}
	answers, err := s.Classify(items)
	require.NoError(t, err)
	assert.Equal(t, "a", answers[0].Label)
	stats := s.Stats()
	assert.Equal(t, []uint64{1, 1, 2, 0, 0}, []uint64{stats.Calls, stats.Compared, stats.Items, stats.Disagreements, stats.Errors})
	assert.Equal(t, uint64(1), stats.Candidate.Calls)

	s = &classify.Shadow{Live: says("a", 0.9), Candidate: says("b", 0.9), Log: quiet, Background: 1}
	for range 5 {
		_, err = s.Classify(items)
		require.NoError(t, err)
	}
	s.Wait()
	stats = s.Stats()
	assert.Equal(t, uint64(5), stats.Compared+stats.Dropped)
	assert.Equal(t, 2*stats.Compared, stats.Disagreements)
	assert.Equal(t, stats.Disagreements, stats.Labels)
	assert.Equal(t, "two", stats.Last.Item.Text)
	assert.Equal(t, "b", stats.Last.Candidate.Label)

	s = &classify.Shadow{Live: says("a", 0.9), Candidate: fails(), Log: quiet}
	_, err = s.Classify(items)
	require.NoError(t, err)
	assert.Equal(t, uint64(1), s.Stats().Errors)
	slow := classify.Func(func([]classify.Item) ([]classify.Answer, error) { time.Sleep(time.Microsecond); panic("oh") })
	s = &classify.Shadow{Live: says("a", 0.9), Candidate: slow, Log: quiet}
	_, err = s.Classify(items)
	require.NoError(t, err)
	_, err = (&classify.Shadow{Live: fails(), Candidate: says("a", 1)}).Classify(items)
	require.ErrorIs(t, err, errBroken)
}
