package onnx

import (
	"math"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/objective/pipeline"
)

// PipelineOptions say how to export a pipeline. The zero value is ready to use.
type PipelineOptions struct {
	Form Form // Exact or Compatible
	Info Info
}

// Pipeline returns a model that predicts what a [pipeline.Predictor] does. If all inputs are numbers it has one
// input:
//
//	rows    [batch, columns]   DOUBLE; NaN is missing
//
// Otherwise it has one for each column, [batch, 1], of DOUBLE or STRING, with the column's name: see
// [PipelineInputs]. Each output of the pipeline becomes an output of the graph: numbers, [batch, width] of DOUBLE;
// labels, [batch] of STRING or INT64.
//
// The form [Compatible] has no operators that join texts, which a pipeline needs for [pipeline.Letters], for stripped
// accents, and for hashes of several words. A pipeline with [pipeline.Letters] or [pipeline.Words] only runs in ONNX
// Runtime, because the operators Tokenizer and MurmurHash3 are not in the standard. Texts are
// lowercased in the locale C.UTF-8, which treats İ, and Σ at the end of a word, differently from Python and the
// native predictor.
//
// The metadata get the names of the columns, as JSON, under attune.features, and the form under attune.form. Pipeline
// fails with [pipeline.ErrInvalid], with [ErrUnsupported] for the form [Single], and as [Trees] does.
func Pipeline(m *pipeline.Model, o PipelineOptions) (*Model, error) {
	if err := m.Validate(); err != nil {
		return nil, pkg.Errorf("pipeline: %w", err)
	}
	if o.Form == Single {
		return nil, pkg.Errorf("pipeline: %w: the form %v, which rounds rows before scaling: use exact or compatible", ErrUnsupported, o.Form)
	}
	g := &pipelineGraph{b: NewBuilder(o.Form), m: m, values: make([]Value, len(m.Nodes))}
	g.inputs()
	for i, n := range m.Nodes {
		in := make([]Value, len(n.In))
		for k, at := range n.In {
			in[k] = g.values[at]
		}
		g.values[i] = g.node(n.Op, in)
	}
	for _, out := range m.Outputs {
		v := g.values[out.Node]
		if out.Labels != nil {
			v = g.labels(v, out.Labels)
		}
		g.b.Output(out.Name, v)
	}
	names := make([]string, len(m.Inputs))
	for i, in := range m.Inputs {
		names[i] = in.Name
	}
	info := o.Info
	info.Metadata = append(slices.Clone(info.Metadata), Property{"attune.form", o.Form.String()}, list("attune.features", names))
	return g.b.Model(info)
}

// PipelineInputs returns the names of the inputs of [Pipeline], one for each column. A column without a name is
// called column_0 and so on. It returns nil if all columns are numbers, because rows is then the only input.
func PipelineInputs(m *pipeline.Model) []string {
	if m.Numeric() {
		return nil
	}
	taken := map[string]bool{}
	for _, o := range m.Outputs {
		taken[o.Name] = true
	}
	names := make([]string, len(m.Inputs))
	for i, in := range m.Inputs {
		names[i] = in.Name
		if in.Name == "" || taken[in.Name] {
			names[i] = "column_" + strconv.Itoa(i)
		}
		for taken[names[i]] {
			names[i] += "_"
		}
		taken[names[i]] = true
	}
	return names
}

// A pipelineGraph is the graph of a pipeline under construction.
type pipelineGraph struct {
	b       *Builder
	m       *pipeline.Model
	rows    Value   // all columns, where they are numbers
	columns []Value // each, where they are not
	values  []Value // by node
}

func (g *pipelineGraph) inputs() {
	names := PipelineInputs(g.m)
	if names == nil {
		g.rows = g.b.Input("rows", Float64, Batch, Dim{Size: int64(len(g.m.Inputs))})
		return
	}
	for i, in := range g.m.Inputs {
		typ := Float64
		if in.Kind == pipeline.Text {
			typ = Texts
		}
		g.columns = append(g.columns, g.b.Input(names[i], typ, Batch, Dim{Size: 1}))
	}
}

func ints64(x []int) []int64 {
	out := make([]int64, len(x))
	for i, v := range x {
		out[i] = int64(v)
	}
	return out
}

// numbers is a constant row.
func (g *pipelineGraph) numbers(x []float64, dims ...int64) Value {
	if len(dims) == 0 {
		dims = []int64{int64(len(x))}
	}
	return g.b.Const(NewTensor("", x, dims...))
}

func (g *pipelineGraph) number(x float64) Value {
	return g.b.Const(NewTensor("", []float64{x}, []int64{}...))
}

// node adds a node of the pipeline.
func (g *pipelineGraph) node(op pipeline.Op, in []Value) Value {
	b := g.b
	switch op := op.(type) {
	case pipeline.Columns:
		return g.table(op.At)
	case pipeline.Join:
		return b.Concat(1, in...)
	case pipeline.Pick:
		return b.Gather(in[0], 1, ints64(op.At)...)
	case pipeline.Arithmetic:
		return b.Op(arithmetic[op.Do], nil, in[0], g.numbers(op.By))
	case pipeline.Between:
		return b.Op(arithmetic[op.Do], nil, in[0], in[1])
	case pipeline.Function:
		return g.function(op.Of, in[0])
	case pipeline.Power:
		return g.power(op, in[0])
	case pipeline.Interpolate:
		return g.interpolate(op, in[0])
	case pipeline.Bins:
		return g.bins(op, in[0])
	case pipeline.Product:
		return g.product(op, in[0].Width(), in[0])
	case pipeline.Blend:
		return g.blend(op, in)
	case pipeline.WeightedMedian:
		return g.weightedMedian(op, in[0])
	case pipeline.Radial:
		return g.radial(op, in[0])
	case pipeline.Clip:
		x := b.Op("Where", nil, b.Op("Less", nil, in[0], g.number(op.Low)), g.number(op.Low), in[0])
		return b.Op("Where", nil, b.Op("Greater", nil, x, g.number(op.High)), g.number(op.High), x)
	case pipeline.Fill:
		return b.Op("Where", nil, g.missing(in[0], op.Missing), g.numbers(plain(op.With)), in[0])
	case pipeline.Flag:
		return b.Cast(g.missing(in[0], op.Missing), Float64)
	case pipeline.OneHot:
		return g.oneHot(op, in[0])
	case pipeline.Ordinal:
		return g.ordinal(op, in[0])
	case pipeline.TextOneHot:
		return g.textOneHot(op)
	case pipeline.TextOrdinal:
		return g.textOrdinal(op)
	case pipeline.Normalize:
		return g.normalize(op, in[0])
	case pipeline.Words:
		return g.words(op)
	case pipeline.Letters:
		return g.letters(op)
	case pipeline.Damp:
		positive := b.Op("Greater", nil, in[0], g.number(0))
		x := b.Op("Where", nil, positive, in[0], g.number(1)) // for which the logarithm is 0
		return b.Op("Where", nil, positive, b.Op("Add", nil, b.Op("Log", nil, x), g.number(1)), in[0])
	case pipeline.Trees:
		return b.Link(op.Model.Link, b.Trees(op.Model, in[0]))
	case pipeline.Linear:
		return g.linear(op, in[0])
	case pipeline.Apply:
		return b.Link(op.Link, in[0])
	case pipeline.Complement:
		return b.Concat(1, b.Op("Sub", nil, g.number(1), in[0]), in[0])
	case pipeline.Largest:
		return b.Cast(b.Op("ArgMax", []Attr{{"axis", Int(1)}}, in[0]), Float64)
	case pipeline.Side:
		return b.Op("Where", nil, b.Op("Less", nil, in[0], g.number(0)), g.number(0), g.number(1))
	}
	b.fail("pipeline: %w: operator %T", ErrUnsupported, op)
	return Value{}
}

func plain(x []pipeline.Float) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// table returns columns of numbers.
func (g *pipelineGraph) table(at []int) Value {
	if g.columns == nil {
		for i, c := range at {
			if c != i || len(at) != len(g.m.Inputs) {
				return g.b.Gather(g.rows, 1, ints64(at)...)
			}
		}
		return g.rows
	}
	in := make([]Value, len(at))
	for i, c := range at {
		in[i] = g.columns[c]
	}
	return g.b.Concat(1, in...)
}

// missing is true where x equals the number that stands for a missing value.
func (g *pipelineGraph) missing(x Value, missing pipeline.Float) Value {
	if missing != missing {
		return g.b.Op("IsNaN", nil, x)
	}
	return g.b.Op("Equal", nil, x, g.number(float64(missing)))
}

// matches returns, for each category of each number, 1 if the number equals the category, otherwise 0.
func (g *pipelineGraph) matches(x Value, of []int64, categories []float64) Value {
	wide := g.b.Gather(x, 1, of...)
	is := g.b.Op("Equal", nil, wide, g.numbers(categories))
	nan := make([]bool, len(categories))
	for i, c := range categories {
		nan[i] = math.IsNaN(c)
	}
	if slices.Contains(nan, true) {
		mask := g.b.Const(NewTensor("", nan, int64(len(nan))))
		is = g.b.Op("Or", nil, is, g.b.Op("And", nil, mask, g.b.Op("IsNaN", nil, wide)))
	}
	return g.b.Cast(is, Float64)
}

func (g *pipelineGraph) oneHot(op pipeline.OneHot, x Value) Value {
	var of []int64
	var categories []float64
	for i, list := range op.Categories {
		for k, c := range list {
			if len(op.Dropped) == 0 || op.Dropped[i] != k {
				of, categories = append(of, int64(i)), append(categories, float64(c))
			}
		}
	}
	return g.matches(x, of, categories)
}

func (g *pipelineGraph) ordinal(op pipeline.Ordinal, x Value) Value {
	var of []int64
	var categories []float64
	for i, list := range op.Categories {
		for _, c := range list {
			of, categories = append(of, int64(i)), append(categories, float64(c))
		}
	}
	n := len(op.Categories)
	place, one := make([]float64, len(of)*n), make([]float64, len(of)*n)
	var table []float64 // what each category becomes
	for i, list := range op.Categories {
		for k := range list {
			at := len(table)
			place[at*n+i], one[at*n+i] = float64(at), 1
			table = append(table, op.Value(i, k))
		}
	}
	m := g.matches(x, of, categories)
	at := g.b.Cast(g.b.Op("MatMul", nil, m, g.numbers(place, int64(len(of)), int64(n))), Int64)
	known := g.b.Op("MatMul", nil, m, g.numbers(one, int64(len(of)), int64(n)))
	values := g.b.Op("Gather", []Attr{{"axis", Int(0)}}, g.numbers(table), at)
	return g.b.Op("Where", nil, g.b.Op("Greater", nil, known, g.number(0)), values, g.number(float64(op.Unknown)))
}

// places looks up texts: [batch, 1] of INT64, -1 for a text that is not listed.
func (g *pipelineGraph) places(x Value, texts []string, places []int64) Value {
	return g.b.Node(Node{Op: "LabelEncoder", Domain: ML, Attrs: []Attr{
		{"default_int64", Int(-1)}, {"keys_strings", Strings(texts)}, {"values_int64s", Ints(places)}}}, 1, x)[0]
}

func (g *pipelineGraph) textOneHot(op pipeline.TextOneHot) Value {
	var parts []Value
	for i, c := range op.At {
		var texts []string
		var places []int64
		for k, name := range op.Categories[i] {
			if op.Keeps(i, k) {
				places = append(places, int64(len(texts)))
				texts = append(texts, name)
			}
		}
		if len(texts) == 0 {
			continue
		}
		is := g.b.Op("Equal", nil, g.places(g.columns[c], texts, places), g.b.Integers(places...))
		parts = append(parts, g.b.Cast(is, Float64))
	}
	return g.b.Concat(1, parts...)
}

func (g *pipelineGraph) textOrdinal(op pipeline.TextOrdinal) Value {
	var parts []Value
	for i, c := range op.At {
		at := g.places(g.columns[c], op.Categories[i], ints64(places(len(op.Categories[i]))))
		table := make([]float64, len(op.Categories[i])+1) // the last one, at -1, is for unknown texts
		for k := range op.Categories[i] {
			table[k] = op.Value(i, k)
		}
		table[len(table)-1] = float64(op.Unknown)
		parts = append(parts, g.b.Op("Gather", []Attr{{"axis", Int(0)}}, g.numbers(table), at))
	}
	return g.b.Concat(1, parts...)
}

func places(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func (g *pipelineGraph) normalize(op pipeline.Normalize, x Value) Value {
	b := g.b
	var norm Value
	switch op.Norm {
	case "l1":
		norm = b.Op("ReduceSum", nil, b.Op("Abs", nil, x), b.Integers(-1))
	case "l2":
		norm = b.Op("Sqrt", nil, b.Op("ReduceSum", nil, b.Op("Mul", nil, x, x), b.Integers(-1)))
	default:
		abs := b.Op("Abs", nil, x) // ReduceMax may leave out NaN
		none := b.Op("IsNaN", nil, b.Op("ReduceSum", nil, abs, b.Integers(-1)))
		norm = b.Op("Where", nil, none, g.number(math.NaN()), b.reduce("ReduceMax", abs))
	}
	norm = b.Op("Where", nil, b.Op("Equal", nil, norm, g.number(0)), g.number(1), norm)
	return b.Op("Div", nil, x, norm)
}

func (g *pipelineGraph) linear(op pipeline.Linear, x Value) Value {
	outputs, width := len(op.Weights), len(op.Weights[0])
	w := make([]float64, outputs*width)
	for k, row := range op.Weights {
		for j, v := range row {
			w[j*outputs+k] = v
		}
	}
	return g.b.Op("Add", nil, g.b.Op("MatMul", nil, x, g.numbers(w, int64(width), int64(outputs))), g.numbers(op.Bias))
}

// labels returns the labels at the given places, [batch].
func (g *pipelineGraph) labels(x Value, l *pipeline.Labels) Value {
	at := g.b.Reshape(g.b.Cast(x, Int64), -1)
	if l.Numbers != nil {
		return g.b.Op("Gather", []Attr{{"axis", Int(0)}}, g.b.Integers(l.Numbers...), at)
	}
	return g.b.Node(Node{Op: "LabelEncoder", Domain: ML, Attrs: []Attr{
		{"default_string", String("")}, {"keys_int64s", Ints(ints64(places(len(l.Texts))))}, {"values_strings", Strings(l.Texts)}}}, 1, at)[0]
}
