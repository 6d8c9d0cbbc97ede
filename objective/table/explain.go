package table

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/objective/dense"
	"github.com/attune-hpo/attune/objective/pipeline"
)

// SHAP returns, for each row, how much each feature contributes to the raw outputs of m
// (before the link: for classes these are log odds). A row of the result has, output by
// output, a value for each of m.Features and then the expected value; the values of an output
// add up to its raw output. See tree.Model.SHAP, and [dense.SHAP] for linear models.
// rows are as for [Model.Predict]. It fails with [dense.ErrUnsupported] for networks, and with
// tree.ErrUnsupported for trees without counts.
func (m Model) SHAP(rows [][]float64) ([][]float64, error) {
	var flat []float64
	for i, row := range rows {
		if len(row) != len(m.Features) {
			return nil, pkg.Errorf("shap: row %d: %w: %d values, want %d: %s", i, ErrTable, len(row), len(m.Features), m.columns())
		}
		flat = append(flat, row...)
	}
	width := m.outputs() * (len(m.Features) + 1)
	all := make([]float64, len(rows)*width)
	var err error
	if m.Graph != nil {
		err = dense.SHAP(m.Graph, flat, all)
	} else {
		err = m.Trees.SHAP(flat, all)
	}
	if err != nil {
		return nil, pkg.Errorf("shap: %w", err)
	}
	out := make([][]float64, len(rows))
	for i := range out {
		out[i] = all[i*width : (i+1)*width : (i+1)*width]
	}
	return out, nil
}

// A Reliance is how much worse a model predicts without a feature.
type Reliance struct {
	Name  string
	Value float64 // in the units of the metric; at most about 0 for a feature that does not help
}

// Permute returns how much worse a metric becomes if the values of a feature are shuffled
// among the rows of t (Breiman 2001), for each feature, greatest first. t must have m's
// features as columns, in any order, with the same categories, and a target. Equal seeds give
// equal results. Permute fails with [ErrTable] for another table, and if the metric is NaN.
func (m Model) Permute(t Table, metric Metric, seed uint64) ([]Reliance, error) {
	aligned := t
	aligned.Columns = nil
	for _, f := range m.Features {
		i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == f.Name && slices.Equal(c.Categories, f.Categories) })
		if i < 0 {
			return nil, pkg.Errorf("permute: %w: there is no column %q with the model's categories", ErrTable, f.Name)
		}
		aligned.Columns = append(aligned.Columns, t.Columns[i])
	}
	score := func(rows [][]float64) (float64, error) {
		p, err := m.Predict(rows)
		if err != nil {
			return 0, err
		}
		return metric.ScoreGroups(t.Target.Values, p.Scored(), t.Weight, t.Group), nil
	}
	rows := aligned.Features()
	base, err := score(rows)
	if err == nil && math.IsNaN(base) {
		err = pkg.Errorf("permute: %w: %s is NaN", ErrTable, metric.Name())
	}
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(seed, 0x9e37))
	out := make([]Reliance, len(m.Features))
	for f := range m.Features {
		values := slices.Clone(aligned.Columns[f].Values)
		random.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		for i := range rows {
			rows[i][f] = values[i]
		}
		now, err := score(rows)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			rows[i][f] = aligned.Columns[f].Values[i]
		}
		if out[f] = (Reliance{m.Features[f].Name, now - base}); metric.Maximize() {
			out[f].Value = -out[f].Value
		}
	}
	slices.SortStableFunc(out, func(a, b Reliance) int { return cmp.Compare(b.Value, a.Value) })
	return out, nil
}

// Pipeline returns the whole model as a graph that takes a table as people have it: a number
// or a text for each feature, with the feature's name. NaN is a missing number; a text that
// is none of the categories is a missing category. Its outputs are prediction, for numbers;
// score, for anomalies and rankings; or probabilities, one for each class, and label, for classes.
func (m Model) Pipeline() (*pipeline.Model, error) {
	if m.predict == nil {
		if err := m.compile(); err != nil {
			return nil, err
		}
	}
	out := new(pipeline.Model)
	add := func(op pipeline.Op, in ...int) int {
		out.Nodes = append(out.Nodes, pipeline.Node{Op: op, In: in})
		return len(out.Nodes) - 1
	}
	var numbers []int
	texts := pipeline.TextOrdinal{Unknown: pipeline.Float(math.NaN())}
	place := make([]int, len(m.Features)) // of each feature after numbers and texts are joined
	for f, feature := range m.Features {
		in := pipeline.Input{Name: feature.Name}
		if feature.Categories != nil {
			in.Kind = pipeline.Text
			place[f] = len(texts.At)
			texts.At, texts.Categories = append(texts.At, f), append(texts.Categories, feature.Categories)
		} else {
			place[f] = len(numbers)
			numbers = append(numbers, f)
		}
		out.Inputs = append(out.Inputs, in)
	}
	var rows int
	switch {
	case len(texts.At) == 0:
		rows = add(pipeline.Columns{At: numbers})
	case len(numbers) == 0:
		rows = add(texts)
	default:
		for f, feature := range m.Features {
			if feature.Categories != nil {
				place[f] += len(numbers)
			}
		}
		rows = add(pipeline.Pick{At: place}, add(pipeline.Join{}, add(pipeline.Columns{At: numbers}), add(texts)))
	}
	at := 0
	if m.Graph == nil {
		at = add(pipeline.Trees{Model: m.Trees}, rows)
	} else {
		moved := make([]int, len(m.Graph.Nodes))
		for i, n := range m.Graph.Nodes {
			if c, ok := n.Op.(pipeline.Columns); ok {
				moved[i] = add(pipeline.Pick(c), rows)
				continue
			}
			in := make([]int, len(n.In))
			for k, from := range n.In {
				in[k] = moved[from]
			}
			moved[i] = add(n.Op, in...)
		}
		at = moved[m.Graph.Outputs[0].Node]
	}
	switch m.Kind {
	case Regression:
		out.Outputs = []pipeline.Output{{Name: "prediction", Node: at}}
	case Anomalies, Ranking:
		out.Outputs = []pipeline.Output{{Name: "score", Node: at}}
	default:
		if m.outputs() == 1 {
			at = add(pipeline.Complement{}, at)
		}
		label := add(pipeline.Largest{}, at)
		out.Outputs = []pipeline.Output{{Name: "probabilities", Node: at}, {Name: "label", Node: label, Labels: &pipeline.Labels{Texts: m.Classes}}}
	}
	return out, out.Validate()
}

// Inputs returns rows of features, as for [Model.Predict], as columns for [Model.Pipeline].
// A missing category is an empty text.
func (m Model) Inputs(rows [][]float64) []pipeline.Column {
	out := make([]pipeline.Column, len(m.Features))
	for f, feature := range m.Features {
		for _, row := range rows {
			switch v := row[f]; {
			case feature.Categories == nil:
				out[f].Numbers = append(out[f].Numbers, v)
			case v >= 0 && int(v) < len(feature.Categories):
				out[f].Texts = append(out[f].Texts, feature.Categories[int(v)])
			default:
				out[f].Texts = append(out[f].Texts, "")
			}
		}
	}
	return out
}
