// Package classify gives texts and rows of tables labels with confidences.
//
// A [Classifier] is a [Model], such as a scikit-learn pipeline in ONNX Runtime, [Rules] of regular
// expressions, or an [Ensemble] of several with weights. [Fallback], [Shadow] and [AB] are made of
// two, like those of package runtime:
//
//	served, err := deploy.OpenPipeline("model.onnx", native, runtime.Config{})
//	model, err := classify.NewModel(served.Model(), served, classify.ModelOptions{})
//	answers, err := model.Classify([]classify.Item{{Text: "disk sda1 is full"}})
//	fmt.Println(answers[0].Label, answers[0].Confidence)
package classify

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/pipeline"
)

const pkg fault.Package = "classify"

var (
	// ErrInput reports items that do not fit a model: a missing column, or a text instead of a number. It is the
	// caller's mistake, so a [Fallback] does not ask another model.
	ErrInput = fault.Mark(errors.New("wrong input"), runtime.ErrInput)
	// ErrModel reports a model without class labels.
	ErrModel = errors.New("not a classifier")
	// ErrConfig reports invalid rules or weights.
	ErrConfig = errors.New("wrong configuration")
)

// An Item is a text or a row of a table: exactly one field is set, and Text may be empty if no
// other is.
type Item struct {
	Text string
	// Row has the values by the names of the model's columns, in any order. It may have other
	// columns, which are ignored. A value is a number, a bool, a string, or nil for a missing
	// number.
	Row map[string]any
	// Values are the values in the order of the model's columns.
	Values []any
}

// An Answer is the label of an item. A classifier that knows nothing about the item gives the
// zero Answer.
type Answer struct {
	Label      string
	Confidence float64            // of the label, from 0 to 1
	Scores     map[string]float64 // confidence of each possible label; may be nil if there is no label
}

// A Classifier gives each item an answer. It is safe for concurrent use.
type Classifier interface {
	Classify(items []Item) ([]Answer, error)
}

// A Func is a function as a [Classifier].
type Func func(items []Item) ([]Answer, error)

// Classify calls f.
func (f Func) Classify(items []Item) ([]Answer, error) { return f(items) }

// best returns the answer with the highest of scores. Among equals, the label that is first in the alphabet wins.
func best(scores map[string]float64) Answer {
	a := Answer{Scores: scores}
	for _, label := range slices.Sorted(maps.Keys(scores)) {
		if s := scores[label]; a.Label == "" || s > a.Confidence {
			a.Label, a.Confidence = label, s
		}
	}
	return a
}

// A Table predicts the rows of a table, like [pipeline.Predictor], which implements it. So does
// the Served of package deploy, in ONNX Runtime.
type Table interface {
	Predict(columns []pipeline.Column) ([][]float64, error)
}

// ModelOptions say how a [Model] reads items and names its answers. The zero value suits
// classifiers of rows and of texts.
type ModelOptions struct {
	// Features returns the numbers of a text, in the order of the model's columns. A model of
	// numbers needs it to classify texts. It must be safe for concurrent use.
	Features func(text string) ([]float64, error)
	// Anomaly is the label of an isolation forest's anomalies. Default "anomaly".
	Anomaly string
	// Normal is the label of items that are not anomalies. By default the isolation forest gives them the zero
	// Answer, so that the other members of an [Ensemble] decide.
	Normal string
}

// A Model is a pipeline as a [Classifier]: a classifier with probabilities, or an isolation forest.
//
// The confidence of a classifier is the label's probability. That of an isolation forest is 0.5
// for both labels at its threshold, and grows in proportion to the anomaly score from there to 1
// for an anomaly score of 1 (an anomaly) or 0 (normal).
type Model struct {
	model         *pipeline.Model
	table         Table
	options       ModelOptions
	label, scores int // outputs; scores are probabilities, or those of an isolation forest
	width         int
	threshold     float64 // of the anomaly score; NaN for a classifier
	names         []string
}

// NewModel makes a classifier of a pipeline. table predicts with it: natively, or with its ONNX
// file. NewModel fails with [ErrModel] if the pipeline has no labels, or several of them, and
// with [pipeline.ErrInvalid].
func NewModel(m *pipeline.Model, table Table, o ModelOptions) (*Model, error) {
	native, err := pipeline.NewPredictor(m)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	o.Anomaly = cmp.Or(o.Anomaly, "anomaly")
	c := &Model{model: m, table: table, options: o, label: -1, scores: -1, threshold: math.NaN()}
	decision := -1
	for i, out := range m.Outputs {
		switch out.Name {
		case "label":
			c.label = i
		case "probabilities", "score":
			c.scores, c.width = i, native.Width(i)
		case "decision":
			decision = i
		}
	}
	if c.label < 0 || c.scores < 0 || m.Outputs[c.label].Labels == nil {
		var names []string
		for _, out := range m.Outputs {
			names = append(names, out.Name)
		}
		return nil, pkg.Errorf("%w: its outputs are %v: want label and probabilities, or those of an isolation forest", ErrModel, names)
	}
	labels := m.Outputs[c.label].Labels
	c.names = slices.Clone(labels.Texts)
	for _, n := range labels.Numbers {
		c.names = append(c.names, fmt.Sprint(n))
	}
	if decision >= 0 {
		c.threshold = 0.5
		if op, ok := m.Nodes[m.Outputs[decision].Node].Op.(pipeline.Arithmetic); ok && len(op.By) == 1 {
			c.threshold = -op.By[0]
		}
	} else if c.width != len(c.names) {
		return nil, pkg.Errorf("%w: %d labels and %d probabilities", ErrModel, len(c.names), c.width)
	}
	return c, nil
}

// Classify implements [Classifier]. It fails with [ErrInput], and with the errors of the table.
func (c *Model) Classify(items []Item) ([]Answer, error) {
	columns := make([]pipeline.Column, len(c.model.Inputs))
	for i, in := range c.model.Inputs {
		if in.Kind == pipeline.Text {
			columns[i].Texts = make([]string, len(items))
		} else {
			columns[i].Numbers = make([]float64, len(items))
		}
	}
	for i, item := range items {
		if err := c.fill(columns, i, item); err != nil {
			return nil, pkg.Errorf("item %d: %w: %w", i, ErrInput, err)
		}
	}
	if len(items) == 0 {
		return nil, nil
	}
	out, err := c.table.Predict(columns)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	answers := make([]Answer, len(items))
	for i := range items {
		place, scores := int(out[c.label][i]), out[c.scores][i*c.width:(i+1)*c.width]
		if c.threshold == c.threshold {
			answers[i] = c.anomaly(place == 0, -scores[0])
			continue
		}
		a := Answer{Label: c.names[place], Confidence: scores[place], Scores: make(map[string]float64, len(scores))}
		for k, p := range scores {
			a.Scores[c.names[k]] = p
		}
		answers[i] = a
	}
	return answers, nil
}

// anomaly returns the answer of an isolation forest for its anomaly score.
func (c *Model) anomaly(is bool, score float64) Answer {
	t := c.threshold
	p := 0.5 * score / t
	if score > t {
		p = 0.5 + 0.5*(score-t)/(1-t)
	}
	p = min(max(p, 0), 1)
	scores := map[string]float64{c.options.Anomaly: p}
	if c.options.Normal != "" {
		scores[c.options.Normal] = 1 - p
	}
	switch {
	case is:
		return Answer{c.options.Anomaly, p, scores}
	case c.options.Normal != "":
		return Answer{c.options.Normal, 1 - p, scores}
	}
	return Answer{}
}

// fill writes an item into row i of the columns.
func (c *Model) fill(columns []pipeline.Column, i int, item Item) error {
	inputs := c.model.Inputs
	switch {
	case item.Row != nil && (item.Values != nil || item.Text != "") || item.Values != nil && item.Text != "":
		return errors.New("more than one of Text, Row and Values is set")
	case item.Values != nil:
		if len(item.Values) != len(inputs) {
			return fmt.Errorf("%d values, want %d", len(item.Values), len(inputs))
		}
		for k, v := range item.Values {
			if err := set(columns, i, k, inputs[k], v); err != nil {
				return err
			}
		}
	case item.Row != nil:
		for k, in := range inputs {
			v, ok := item.Row[in.Name]
			if !ok || in.Name == "" {
				return fmt.Errorf("column %s is missing", column(k, in))
			}
			if err := set(columns, i, k, in, v); err != nil {
				return err
			}
		}
	case len(inputs) == 1 && inputs[0].Kind == pipeline.Text:
		columns[0].Texts[i] = item.Text
	case c.options.Features == nil:
		return errors.New("a text for a model of a table: set Row or Values, or ModelOptions.Features")
	default:
		x, err := c.options.Features(item.Text)
		if err != nil {
			return fmt.Errorf("features: %w", err)
		}
		if len(x) != len(inputs) || !c.model.Numeric() {
			return fmt.Errorf("%d features for %d columns", len(x), len(inputs))
		}
		for k, v := range x {
			columns[k].Numbers[i] = v
		}
	}
	return nil
}

func column(k int, in pipeline.Input) string {
	if in.Name == "" {
		return fmt.Sprint(k)
	}
	return fmt.Sprintf("%q", in.Name)
}

// set writes a value into row i of column k.
func set(columns []pipeline.Column, i, k int, in pipeline.Input, v any) error {
	text, isText := v.(string)
	if in.Kind == pipeline.Text {
		if !isText {
			return fmt.Errorf("column %s: %v: want a text", column(k, in), v)
		}
		columns[k].Texts[i] = text
		return nil
	}
	x := math.NaN()
	switch v := v.(type) {
	case nil:
	case float64:
		x = v
	case float32:
		x = float64(v)
	case int:
		x = float64(v)
	case int64:
		x = float64(v)
	case int32:
		x = float64(v)
	case bool:
		x = 0
		if v {
			x = 1
		}
	case string:
		return fmt.Errorf("column %s: the text %.60q: want a number", column(k, in), v)
	default:
		return fmt.Errorf("column %s: a %T: want a number", column(k, in), v)
	}
	columns[k].Numbers[i] = x
	return nil
}
