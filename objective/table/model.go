package table

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/internal/atomicfile"
	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A Feature is a column that a model uses.
type Feature struct {
	Name       string
	Categories []string // its categories, nil for numbers; any other text is missing
}

// A Model predicts a column of tables, and knows its origin. It is read only, and safe
// for concurrent use.
type Model struct {
	model.Origin
	Kind     Kind
	Style    string
	Target   string // name of the predicted column
	Classes  []string
	Features []Feature // in the order of rows
	NA       []string  // texts that mean a missing value
	Comma    rune      // field separator of files; default as in [CSV.Comma]
	Trees    *tree.Model
	// Graph is what predicts instead of Trees, for linear models and networks. It has an
	// input for each feature, a number.
	Graph *pipeline.Model

	predict func(rows, out []float64) error
}

// compile checks m and prepares it for prediction.
func (m *Model) compile() error {
	features := -1
	switch {
	case m.Trees != nil && m.Graph == nil:
		features = len(m.Trees.Features)
	case m.Graph != nil && m.Trees == nil && m.Graph.Numeric() && len(m.Graph.Outputs) == 1:
		features = len(m.Graph.Inputs)
	}
	if features != len(m.Features) {
		return pkg.Errorf("%w: what predicts does not match the features", ErrModel)
	}
	want := m.outputs()
	if n := len(m.Classes); kinds[m.Kind] == nil || m.Kind == Classification && n < 2 {
		return pkg.Errorf("%w: %q of %d classes", ErrModel, m.Kind, n)
	}
	predict, outputs, err := body{m.Trees, m.Graph}.compile()
	if err != nil {
		return pkg.Errorf("%w: %w", ErrModel, err)
	}
	if outputs != want {
		return pkg.Errorf("%w: %d outputs, want %d", ErrModel, outputs, want)
	}
	m.predict = predict
	return nil
}

// outputs is the number of outputs of what predicts.
func (m Model) outputs() int {
	if m.Kind == Classification && len(m.Classes) > 2 {
		return len(m.Classes)
	}
	return 1
}

// Predictions are the predictions of a model for rows, in the rows' order.
type Predictions struct {
	Values        []float64   // numbers, or scores of anomalies or of a ranking; for classes the index of the most likely (the first if several are)
	Probabilities [][]float64 // probability of each class; nil without classes
	Classes       []string    // name of the most likely class; nil without classes
}

// Scored returns the predictions in the form that [Metric.Score] takes.
func (p Predictions) Scored() []float64 {
	if p.Probabilities == nil {
		return p.Values
	}
	var out []float64
	for _, row := range p.Probabilities {
		if len(row) == 2 {
			row = row[1:]
		}
		out = append(out, row...)
	}
	return out
}

// Predict predicts rows that hold a value for each of m.Features: a number, or an index
// into Categories. NaN is a missing value; the infinities are less and greater than all
// numbers. Predict fails with [ErrTable] for a row of another length, and with [ErrModel]
// if m was neither fitted nor read.
func (m Model) Predict(rows [][]float64) (Predictions, error) {
	if m.predict == nil {
		if err := m.compile(); err != nil {
			return Predictions{}, err
		}
	}
	flat := make([]float64, 0, len(rows)*len(m.Features))
	for i, row := range rows {
		if len(row) != len(m.Features) {
			return Predictions{}, pkg.Errorf("predict: row %d: %w: %d values, want %d: %s", i, ErrTable, len(row), len(m.Features), m.columns())
		}
		flat = append(flat, row...)
	}
	k := m.outputs()
	out := make([]float64, len(rows)*k)
	if err := m.predict(flat, out); err != nil {
		return Predictions{}, pkg.Errorf("predict: %w", err)
	}
	if m.Kind != Classification {
		return Predictions{Values: out}, nil
	}
	p := Predictions{Values: make([]float64, len(rows)), Probabilities: make([][]float64, len(rows)), Classes: make([]string, len(rows))}
	for i := range rows {
		row := out[i*k : (i+1)*k : (i+1)*k]
		best := likeliest(row)
		if k == 1 {
			row = []float64{1 - row[0], row[0]}
		}
		p.Values[i], p.Probabilities[i], p.Classes[i] = float64(best), row, m.Classes[best]
	}
	return p, nil
}

// PredictTexts predicts rows with a text for each of m.Features. Categories that did not
// occur in training are missing values. It fails like [Model.Predict], and with
// [ErrNumber] for text where a number should be.
func (m Model) PredictTexts(rows [][]string) (Predictions, error) {
	index := m.index()
	out := make([][]float64, len(rows))
	for i, row := range rows {
		if len(row) != len(m.Features) {
			return Predictions{}, pkg.Errorf("predict: row %d: %w: %d values, want %d: %s", i, ErrTable, len(row), len(m.Features), m.columns())
		}
		out[i] = make([]float64, len(row))
		for f, text := range row {
			v, ok := index[f](strings.TrimSpace(text))
			if !ok {
				return Predictions{}, pkg.Errorf("predict: row %d: column %q: %q: %w", i, m.Features[f].Name, text, ErrNumber)
			}
			out[i][f] = v
		}
	}
	return m.Predict(out)
}

// PredictFile predicts the rows of a file of comma-separated values. The header must have
// all of m.Features, in any order; other columns are ignored. Errors are a *[CSVError], as
// in [CSV.Read], or those of [Model.Predict].
func (m Model) PredictFile(name string) (Predictions, error) {
	rows, err := csvfile.ReadFile(name, nil, m.rows)
	if err != nil {
		return Predictions{}, pkg.Errorf("csv: %w", err)
	}
	return m.Predict(rows)
}

// PredictCSV is like [Model.PredictFile] for a reader.
func (m Model) PredictCSV(r io.Reader) (Predictions, error) {
	rows, err := m.rows(r)
	if err != nil {
		return Predictions{}, pkg.Errorf("csv: %w", err)
	}
	return m.Predict(rows)
}

// ReadRows reads the features of the rows of comma-separated values, for [Model.Predict]. It
// fails like [Model.PredictFile].
func (m Model) ReadRows(r io.Reader) ([][]float64, error) {
	rows, err := m.rows(r)
	if err != nil {
		return nil, pkg.Errorf("csv: %w", err)
	}
	return rows, nil
}

// rows reads the features of comma-separated values.
func (m Model) rows(r io.Reader) ([][]float64, error) {
	in, err := readCells(r, m.Comma)
	if err != nil {
		return nil, err
	}
	rows := make([][]float64, len(in.rows))
	for i := range rows {
		rows[i] = make([]float64, len(m.Features))
	}
	for f, index := range m.index() {
		k, err := in.Find(m.Features[f].Name)
		if err != nil {
			return nil, err
		}
		for i, row := range in.rows {
			v, ok := index(row[k])
			if !ok {
				return nil, in.at(i, k, ErrNumber)
			}
			rows[i][f] = v
		}
	}
	return rows, nil
}

// index returns a function for each feature that converts a text to a value, if it can.
func (m Model) index() []func(text string) (float64, bool) {
	out := make([]func(string) (float64, bool), len(m.Features))
	for f, feature := range m.Features {
		out[f] = func(text string) (float64, bool) { return csvfile.Number(text, m.NA) }
		if feature.Categories != nil {
			index := Column{Categories: feature.Categories}.index()
			out[f] = func(text string) (float64, bool) { return index(text), true }
		}
	}
	return out
}

func (m Model) columns() string {
	var out []string
	for _, f := range m.Features {
		out = append(out, f.Name)
	}
	return csvfile.Names(out)
}

// An Importance says how much a model uses a feature; see [tree.Importance].
type Importance struct {
	Name string
	tree.Importance
}

// Importance returns the importance of all features of trees in descending order: by gain,
// then by splits. It is nil for other models: see [Model.Permute].
func (m Model) Importance() []Importance {
	if m.Trees == nil {
		return nil
	}
	var out []Importance
	for f, i := range m.Trees.Importance() {
		out = append(out, Importance{m.Features[f].Name, i})
	}
	slices.SortStableFunc(out, func(a, b Importance) int {
		return cmp.Or(cmp.Compare(b.Gain, a.Gain), cmp.Compare(b.Splits, a.Splits))
	})
	return out
}

const modelFormat = "attune table model"

// savedModel is a Model as JSON, without its origin. Version 1.
type savedModel struct {
	Kind     Kind            `json:"kind"`
	Style    string          `json:"style"`
	Target   string          `json:"target,omitempty"`
	Classes  []string        `json:"classes,omitempty"`
	Features []savedFeature  `json:"features"`
	NA       []string        `json:"na"`
	Comma    string          `json:"comma,omitempty"`
	Trees    json.RawMessage `json:"trees,omitempty"` // output of tree.Write
	Graph    json.RawMessage `json:"graph,omitempty"` // output of pipeline.Write; one of the two
}

type savedFeature struct {
	Name       string   `json:"name"`
	Categories []string `json:"categories"` // null for numbers
}

// Write writes m as a line of JSON, followed by a line with its SHA-256.
func (m Model) Write(w io.Writer) error {
	s := savedModel{Kind: m.Kind, Style: m.Style, Target: m.Target, Classes: m.Classes, NA: m.NA}
	var b bytes.Buffer
	if m.Graph != nil {
		if err := pipeline.Write(&b, m.Graph); err != nil {
			return pkg.Errorf("write model: %w", err)
		}
		s.Graph = b.Bytes()
	} else {
		if err := tree.Write(&b, m.Trees); err != nil {
			return pkg.Errorf("write model: %w", err)
		}
		s.Trees = b.Bytes()
	}
	for _, f := range m.Features {
		s.Features = append(s.Features, savedFeature(f))
	}
	if m.Comma != 0 {
		s.Comma = string(m.Comma)
	}
	if err := model.WriteSealed(w, modelFormat, 1, m.Origin, s); err != nil {
		return pkg.Errorf("write model: %w", err)
	}
	return nil
}

// WriteFile writes m to a file. It is atomic: the file is either complete or absent.
func (m Model) WriteFile(path string) error {
	if err := atomicfile.Write(path, m.Write); err != nil {
		return pkg.Errorf("write model %s: %w", path, err)
	}
	return nil
}

// ReadFile reads a file of [Model.WriteFile]. It fails with [ErrModel] for a file that is
// damaged, truncated, or something else.
func ReadFile(path string) (Model, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Model{}, pkg.Errorf("read model: %w", err)
	}
	m, err := read(data)
	if err != nil {
		return Model{}, pkg.Errorf("%w: %s: %w", ErrModel, path, err)
	}
	return m, nil
}

// Read reads what [Model.Write] wrote. It fails with [ErrModel] for anything else.
func Read(r io.Reader) (Model, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return Model{}, pkg.Errorf("read model: %w", err)
	}
	m, err := read(data)
	if err != nil {
		return Model{}, pkg.Errorf("%w: %w", ErrModel, err)
	}
	return m, nil
}

func read(data []byte) (Model, error) {
	var s savedModel
	origin, err := model.Unseal(data, modelFormat, 1, &s)
	if err != nil {
		return Model{}, err
	}
	m := Model{Origin: origin, Kind: s.Kind, Style: s.Style, Target: s.Target, Classes: s.Classes, NA: s.NA}
	for _, f := range s.Features {
		m.Features = append(m.Features, Feature(f))
	}
	for _, c := range s.Comma {
		m.Comma = c
		break
	}
	if s.Graph != nil {
		m.Graph, _, err = pipeline.Read(bytes.NewReader(s.Graph))
	} else {
		m.Trees, err = tree.Read(bytes.NewReader(s.Trees))
	}
	if err != nil {
		return Model{}, err
	}
	return m, m.compile()
}

// Best returns the model of the study's best trial. It reads the file that keeps it. If the file is missing, unreadable
// or from another trial, Best fits the model again and keeps it. It fails like [study.View.Best].
func (t *Task) Best(ctx context.Context, st study.Reader) (Model, error) {
	return t.task().Best(ctx, st)
}

// Refit fits the model of a complete trial to all rows, with the trial's
// hyperparameters, seed and number of rounds. The result is the same model that the trial
// had. A trial without settings, such as one added from elsewhere, is fitted with its
// parameters, the fixed hyperparameters, and the default number of rounds.
func (t *Task) Refit(ctx context.Context, st study.Reader, r trial.Record) (Model, error) {
	if err := t.prepare(); err != nil {
		return Model{}, err
	}
	return t.task().Refit(ctx, st, r)
}
