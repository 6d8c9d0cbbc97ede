package deploy

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/table"
)

// Pipeline exports a pipeline (see [onnx.Pipeline]) and compares the file with the native model
// on columns, which are values of the model's inputs, and on the rows of [ProbePipeline]. If
// columns is nil, it only uses the rows of ProbePipeline.
//
// The report is about the numbers of all outputs, side by side. Labels must be equal, except in
// rows whose two largest probabilities differ by less than a millionth. Without a Gate,
// numbers must be within 1e-9 + 1e-9·|native| for the form Exact, and pass the zero Gate for the
// form Compatible.
//
// Pipeline fails with [ErrFailed], and like [Trees] and onnx.Pipeline.
func Pipeline(ctx context.Context, m *pipeline.Model, columns []pipeline.Column, o TreesOptions) (Result, error) {
	return exportPipeline(ctx, m, columns, o, func(w io.Writer) error { return pipeline.Write(w, m) })
}

// Table is [Pipeline] for a model of a table: see [table.Model.Pipeline]. It compares on rows of
// the model's features, as for [table.Model.Predict], unless rows is nil. The native model in a
// registry is m.
func Table(ctx context.Context, m table.Model, rows [][]float64, o TreesOptions) (Result, error) {
	p, err := m.Pipeline()
	if err != nil {
		return Result{}, pkg.Errorf("%w", err)
	}
	var columns []pipeline.Column
	if rows != nil {
		columns = m.Inputs(rows)
	}
	return exportPipeline(ctx, p, columns, o, m.Write)
}

func exportPipeline(ctx context.Context, m *pipeline.Model, columns []pipeline.Column, o TreesOptions, save func(io.Writer) error) (Result, error) {
	native, err := pipeline.NewPredictor(m)
	if err != nil {
		return Result{}, pkg.Errorf("%w", err)
	}
	e := export{file: o.File, keepFailed: o.KeepFailed, register: o.Register, runtime: o.Runtime, form: o.Form,
		native: save, note: o.Info.Doc, meta: map[string]string{}}
	for _, p := range o.Info.Metadata {
		e.meta[p.Key] = p.Value
	}
	if e.model, err = onnx.Pipeline(m, onnx.PipelineOptions{Form: o.Form, Info: information(o.Info, e.native)}); err != nil {
		return Result{}, err
	}
	gate := o.Gate
	if gate == (validate.Gate{}) && o.Form == onnx.Exact {
		gate = validate.Gate{RTol: 1e-9, ATol: 1e-9}
	}
	e.check = func(s *runtime.Session, to *Result) error {
		c := comparison{ctx, m, native, s, gate}
		probe := ProbePipeline(m, 0)
		if columns == nil {
			to.Report, err = c.run(probe)
			return err
		}
		if to.Report, err = c.run(columns); err != nil {
			return err
		}
		report, err := c.run(probe)
		to.Probe = &report
		return err
	}
	return e.run(ctx)
}

// A comparison compares the native pipeline with the exported one in ONNX Runtime.
type comparison struct {
	ctx     context.Context
	m       *pipeline.Model
	native  *pipeline.Predictor
	session *runtime.Session
	gate    validate.Gate
}

// run compares the two on the rows of a table.
func (c comparison) run(columns []pipeline.Column) (validate.Report, error) {
	want, err := c.native.Predict(columns)
	if err != nil {
		return validate.Report{}, err
	}
	got, err := c.exported(columns)
	if err != nil {
		return validate.Report{}, err
	}
	rows := c.rows(columns)
	n := len(rows.Values) / rows.Width
	var a, b []float64
	var widths []int
	for i := range c.m.Outputs {
		if c.m.Outputs[i].Labels == nil {
			widths = append(widths, c.native.Width(i))
			rows.Outputs += c.native.Width(i)
		}
	}
	for r := range n {
		k := 0
		for i, o := range c.m.Outputs {
			if o.Labels != nil {
				continue
			}
			w := widths[k]
			k++
			a, b = append(a, want[i][r*w:(r+1)*w]...), append(b, got[i].Floats()[r*w:(r+1)*w]...)
		}
	}
	report, err := c.gate.Values(a, b, rows)
	if err != nil || !report.Pass {
		return report, err
	}
	for i, o := range c.m.Outputs {
		if o.Labels == nil {
			continue
		}
		if other := c.labels(o, want, i, got[i]); other > 0 {
			report.Pass, report.Reason = false, fmt.Sprintf("%d of %d labels of output %s differ", other, n, o.Name)
		}
	}
	return report, nil
}

// exported returns the outputs of the exported pipeline.
func (c comparison) exported(columns []pipeline.Column) (tensor.List, error) {
	inputs := pipelineInputs(c.m, columns)
	n, err := inputs.Rows()
	if err != nil {
		return nil, err
	}
	var parts []tensor.List
	const batch = 16 // rows of hashed texts have up to a million numbers, several times over
	for from := 0; from < n; from += batch {
		out, err := c.session.Run(c.ctx, inputs.Slice(from, min(from+batch, n)))
		if err != nil {
			return nil, err
		}
		parts = append(parts, out)
	}
	return tensor.Join(parts...)
}

// pipelineInputs converts a table to the inputs of the exported pipeline.
func pipelineInputs(m *pipeline.Model, columns []pipeline.Column) tensor.List {
	names := onnx.PipelineInputs(m)
	if names == nil {
		n := len(columns[0].Numbers)
		rows := make([]float64, n*len(columns))
		for k, c := range columns {
			for i, x := range c.Numbers {
				rows[i*len(columns)+k] = x
			}
		}
		return tensor.List{{Name: "rows", Shape: []int64{int64(n), int64(len(columns))}, Data: rows}}
	}
	var list tensor.List
	for k, c := range columns {
		t := tensor.Tensor{Name: names[k], Shape: []int64{int64(len(c.Numbers)), 1}, Data: c.Numbers}
		if m.Inputs[k].Kind == pipeline.Text {
			t.Shape, t.Data = []int64{int64(len(c.Texts)), 1}, c.Texts
		}
		list = append(list, t)
	}
	return list
}

// rows returns the table for a report. Texts are in the label of a row.
func (c comparison) rows(columns []pipeline.Column) validate.Rows {
	out := validate.Rows{Width: len(columns)}
	n := max(len(columns[0].Numbers), len(columns[0].Texts))
	for k := range columns {
		out.Names = append(out.Names, c.m.Inputs[k].Name)
	}
	for i := range n {
		for k := range columns {
			x := math.NaN()
			if c.m.Inputs[k].Kind == pipeline.Number {
				x = columns[k].Numbers[i]
			}
			out.Values = append(out.Values, x)
		}
	}
	out.Label = func(row int) string {
		var texts []string
		for k := range columns {
			if c.m.Inputs[k].Kind == pipeline.Text {
				texts = append(texts, fmt.Sprintf("%s=%.60q", c.m.Inputs[k].Name, columns[k].Texts[row]))
			}
		}
		return strings.Join(texts, ", ")
	}
	return out
}

// labels counts the labels that differ, except where the choice is close.
func (c comparison) labels(o pipeline.Output, want [][]float64, output int, got tensor.Tensor) int {
	chosen := c.m.Nodes[o.Node]
	var scores []float64 // output of the node that determines the label, if there is one
	width := 0
	if len(chosen.In) == 1 {
		for i, other := range c.m.Outputs {
			if other.Node == chosen.In[0] {
				scores, width = want[i], c.native.Width(i)
			}
		}
	}
	if scores == nil { // the label has a node of its own
		_, suffix, _ := strings.Cut(o.Name, "label")
		for i, other := range c.m.Outputs {
			if kind, ok := strings.CutSuffix(other.Name, suffix); ok && (kind == "probabilities" || kind == "scores") {
				scores, width = want[i], c.native.Width(i)
			}
		}
	}
	count := 0
	for r, place := range want[output] {
		same := false
		switch all := got.Data.(type) {
		case []string:
			same = all[r] == o.Labels.Texts[int(place)]
		case []int64:
			same = all[r] == o.Labels.Numbers[int(place)]
		}
		if !same && !isClose(scores, width, r) {
			count++
		}
	}
	return count
}

// isClose reports whether the two largest scores of a row are almost equal, or its only score is
// almost 0, or some score is NaN.
func isClose(scores []float64, width, r int) bool {
	if width == 0 {
		return false
	}
	row := slices.Clone(scores[r*width : (r+1)*width])
	slices.Sort(row)
	if width == 1 {
		return !(math.Abs(row[0]) > 1e-6)
	}
	return !(row[width-1]-row[width-2] > 1e-6)
}

// ProbePipeline makes a table on which a pipeline and a wrong export are likely to differ. Its
// rows are random mixtures of the values at which the model changes (see
// [pipeline.Model.Telling]), the float64 numbers next to them, values far outside, missing
// values, texts that are categories, and other texts.
//
// n is the number of rows. 0 means enough for each value to occur once, from 500 to 20,000, but
// at most 8 million values, unless that is less than 100 rows.
func ProbePipeline(m *pipeline.Model, n int) []pipeline.Column {
	values := m.Telling()
	far := !sums(m)
	longest := 0
	for i, v := range values {
		low, high := -1.0, 1.0
		if len(v) > 0 {
			low, high = slices.Min(v), slices.Max(v)
		}
		for _, x := range v[:len(v):len(v)] {
			v = append(v, math.Nextafter(x, math.Inf(1)), math.Nextafter(x, math.Inf(-1)))
		}
		v = append(v, 0, 1, -1, low-(high-low), low+(high-low)/3, high+(high-low))
		if far {
			v = append(v, everywhere...)
		}
		v = slices.DeleteFunc(v, func(x float64) bool { return math.IsNaN(x) || !far && math.IsInf(x, 0) })
		slices.Sort(v)
		values[i] = slices.Compact(v)
		longest = max(longest, len(values[i]))
	}
	texts := textsOf(m)
	for _, t := range texts {
		longest = max(longest, len(t))
	}
	if n <= 0 {
		n = min(max(longest*10/9+1, 500), 20000, max(100, 1<<23/max(1, len(m.Inputs))))
	}
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(values))))
	out := make([]pipeline.Column, len(m.Inputs))
	for k, in := range m.Inputs {
		if in.Kind == pipeline.Text {
			t := texts[k]
			r.Shuffle(len(t), func(i, j int) { t[i], t[j] = t[j], t[i] })
			for i := range n {
				out[k].Texts = append(out[k].Texts, t[i%len(t)])
			}
			continue
		}
		v := values[k]
		r.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
		for i, at := 0, 0; i < n; i++ {
			x := math.NaN()
			if r.IntN(10) > 0 {
				x = v[at%len(v)]
				at++
			}
			out[k].Numbers = append(out[k].Numbers, x)
		}
	}
	return out
}

// sums reports whether a pipeline adds several numbers of a row, so that the largest would
// dominate the others.
func sums(m *pipeline.Model) bool {
	for _, n := range m.Nodes {
		switch n.Op.(type) {
		case pipeline.Linear, pipeline.Normalize:
			return true
		}
	}
	return false
}

// sentences returns texts of known and unknown terms, in many forms, one of longest words.
func sentences(terms []string, longest int) []string {
	r := rand.New(rand.NewPCG(uint64(len(terms)), 1))
	marks := []string{" ", "  ", "\n", ", ", ". ", "-", "/", "\t", "\u00a0", "\u2026", "'"}
	odd := []string{"a", "x1_y", "été", "ÀÉÎ", "Straße", "\u4e2d\u6587", "\u0661\u0662", "q\u0301", "_", "__", "3.14", "a_b", "\U0001f600", "#", "<b>", "zzzunknown", "\ufb01x", "\ud55c\uae00", "\u00bd"}
	out := []string{strings.Repeat("a ", longest), "#", "...", strings.Join(odd, " ")}
	for len(out) < 300 {
		var b strings.Builder
		for range r.IntN(40) {
			term := odd[r.IntN(len(odd))]
			if r.IntN(5) > 0 {
				term = terms[r.IntN(len(terms))]
			}
			switch r.IntN(6) {
			case 0:
				term = strings.ToUpper(term)
			case 1:
				term += term
			}
			b.WriteString(term + marks[r.IntN(len(marks))])
		}
		out = append(out, b.String())
	}
	for i, x := range out { // these have a lower case of their own: see onnx.Pipeline
		out[i] = strings.NewReplacer("İ", "I", "Σ", "S").Replace(x)
	}
	return out
}

// known returns terms, if there are any. A hashing vectorizer has none, because it takes every word: for it, known
// returns the words that it skips, and invented ones.
func known(terms, skipped []string) []string {
	if len(terms) > 0 {
		return terms
	}
	r := rand.New(rand.NewPCG(2, 3))
	words := slices.Clone(skipped)
	for range 500 {
		words = append(words, strconv.FormatUint(r.Uint64()>>(20+r.IntN(42)), 36))
	}
	return words
}

// textsOf returns, for each text input, texts that it knows and others.
func textsOf(m *pipeline.Model) [][]string {
	out := make([][]string, len(m.Inputs))
	for k, in := range m.Inputs {
		if in.Kind == pipeline.Text {
			out[k] = []string{"", " ", "never seen", "é", "\u65e5\u672c"}
		}
	}
	add := func(at []int, categories [][]string) {
		for i, c := range at {
			for _, name := range categories[i] {
				out[c] = append(out[c], name, name+" ")
			}
		}
	}
	for _, n := range m.Nodes {
		switch op := n.Op.(type) {
		case pipeline.TextOneHot:
			add(op.At, op.Categories)
		case pipeline.TextOrdinal:
			add(op.At, op.Categories)
		case pipeline.Words:
			longest := 3000
			if op.Strip != "" { // ONNX Runtime makes a text of each character, for all rows as many as the longest has
				longest = 100
			}
			out[op.Column] = append(out[op.Column], sentences(known(op.Terms, op.Skip), longest)...)
		case pipeline.Letters:
			out[op.Column] = append(out[op.Column], sentences(known(op.Terms, nil), 100)...)
		}
	}
	return out
}
