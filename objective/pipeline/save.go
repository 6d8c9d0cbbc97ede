package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/attune-hpo/attune/internal/plainjson"
	"github.com/attune-hpo/attune/objective/tree"
)

// savedFormat and savedVersion begin a saved model; doc/format/pipeline.md describes the format.
const (
	savedFormat  = "attune pipeline"
	savedVersion = 1
)

type savedModel struct {
	Format  string        `json:"format"`
	Version int           `json:"version"`
	Inputs  []savedInput  `json:"inputs"`
	Nodes   []savedNode   `json:"nodes"`
	Outputs []savedOutput `json:"outputs"`
}

type savedInput struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

type savedNode struct {
	Op    string          `json:"op"`
	In    []int           `json:"in,omitempty"`
	Set   json.RawMessage `json:"set,omitempty"`
	Trees json.RawMessage `json:"trees,omitempty"`
}

type savedOutput struct {
	Name    string   `json:"name"`
	Node    int      `json:"node"`
	Texts   []string `json:"texts,omitempty"`
	Numbers []int64  `json:"numbers,omitempty"`
}

// MarshalJSON writes NaN and infinities as strings.
func (f Float) MarshalJSON() ([]byte, error) {
	switch x := float64(f); {
	case math.IsNaN(x):
		return []byte(`"nan"`), nil
	case math.IsInf(x, 1):
		return []byte(`"inf"`), nil
	case math.IsInf(x, -1):
		return []byte(`"-inf"`), nil
	default:
		return json.Marshal(x)
	}
}

// UnmarshalJSON reads the output of MarshalJSON.
func (f *Float) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"nan"`:
		*f = Float(math.NaN())
	case `"inf"`:
		*f = Float(math.Inf(1))
	case `"-inf"`:
		*f = Float(math.Inf(-1))
	default:
		return json.Unmarshal(b, (*float64)(f))
	}
	return nil
}

// A savedLink is a link, by name.
type savedLink struct {
	Name  string  `json:"name"`
	Scale float64 `json:"scale,omitempty"`
}

// operators has a constructor of each operator, by its name in files.
var operators = map[string]func() any{
	"columns": func() any { return new(Columns) }, "join": func() any { return new(Join) }, "pick": func() any { return new(Pick) },
	"arithmetic": func() any { return new(Arithmetic) }, "clip": func() any { return new(Clip) }, "fill": func() any { return new(Fill) },
	"flag": func() any { return new(Flag) }, "one hot": func() any { return new(OneHot) }, "ordinal": func() any { return new(Ordinal) },
	"text one hot": func() any { return new(TextOneHot) }, "text ordinal": func() any { return new(TextOrdinal) },
	"normalize": func() any { return new(Normalize) }, "words": func() any { return new(Words) }, "letters": func() any { return new(Letters) }, "damp": func() any { return new(Damp) }, "linear": func() any { return new(Linear) }, "complement": func() any { return new(Complement) },
	"function": func() any { return new(Function) }, "power": func() any { return new(Power) }, "interpolate": func() any { return new(Interpolate) },
	"bins": func() any { return new(Bins) }, "product": func() any { return new(Product) }, "between": func() any { return new(Between) },
	"blend": func() any { return new(Blend) }, "weighted median": func() any { return new(WeightedMedian) },
	"radial": func() any { return new(Radial) }, "largest": func() any { return new(Largest) }, "side": func() any { return new(Side) },
}

// pointed returns the operator that p points to.
func pointed(p any) Op {
	switch p := p.(type) {
	case *Columns:
		return *p
	case *Join:
		return *p
	case *Pick:
		return *p
	case *Arithmetic:
		return *p
	case *Clip:
		return *p
	case *Fill:
		return *p
	case *Flag:
		return *p
	case *OneHot:
		return *p
	case *Ordinal:
		return *p
	case *TextOneHot:
		return *p
	case *TextOrdinal:
		return *p
	case *Normalize:
		return *p
	case *Words:
		return *p
	case *Letters:
		return *p
	case *Damp:
		return *p
	case *Linear:
		return *p
	case *Function:
		return *p
	case *Power:
		return *p
	case *Interpolate:
		return *p
	case *Bins:
		return *p
	case *Product:
		return *p
	case *Between:
		return *p
	case *Blend:
		return *p
	case *WeightedMedian:
		return *p
	case *Complement:
		return *p
	case *Radial:
		return *p
	case *Largest:
		return *p
	case *Side:
		return *p
	}
	return nil
}

// Write writes m as JSON that [Read] can read. It fails with [ErrInvalid] for an invalid model.
func Write(w io.Writer, m *Model) error {
	if err := m.Validate(); err != nil {
		return err
	}
	s := savedModel{Format: savedFormat, Version: savedVersion, Inputs: []savedInput{}}
	for _, in := range m.Inputs {
		s.Inputs = append(s.Inputs, savedInput{in.Name, in.Kind.String()})
	}
	for i, n := range m.Nodes {
		saved := savedNode{Op: n.Op.name(), In: n.In}
		var err error
		switch op := n.Op.(type) {
		case Trees:
			var b bytes.Buffer
			if err = tree.Write(&b, op.Model); err == nil {
				saved.Trees = b.Bytes()
			}
		case Apply:
			saved.Set, err = json.Marshal(savedLink{op.Link.Func.String(), op.Link.Scale})
		default:
			saved.Set, err = json.Marshal(op)
		}
		if err != nil {
			return pkg.Errorf("write node %d: %w", i, err)
		}
		s.Nodes = append(s.Nodes, saved)
	}
	for _, o := range m.Outputs {
		saved := savedOutput{Name: o.Name, Node: o.Node}
		if o.Labels != nil {
			saved.Texts, saved.Numbers = o.Labels.Texts, o.Labels.Numbers
		}
		s.Outputs = append(s.Outputs, saved)
	}
	b, err := json.Marshal(s)
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	if err != nil {
		return pkg.Errorf("write: %w", err)
	}
	return nil
}

func isSaved(data []byte) bool { return bytes.HasPrefix(data, []byte(`{"format":"`+savedFormat+`"`)) }

// parseSaved parses the output of Write.
func parseSaved(data []byte) (*Model, error) {
	fail := func(format string, args ...any) (*Model, error) {
		return nil, pkg.Errorf("%w: attune JSON: %w", ErrFormat, fmt.Errorf(format, args...))
	}
	var s savedModel
	if err := json.Unmarshal(data, &s); err != nil {
		return fail("%w", plainjson.Explain(err))
	}
	if s.Version != savedVersion {
		return nil, pkg.Errorf("%w: attune JSON of version %d: this is a reader of version %d", ErrUnsupported, s.Version, savedVersion)
	}
	m := &Model{}
	for _, in := range s.Inputs {
		k := Number
		if in.Kind == Text.String() {
			k = Text
		} else if in.Kind != Number.String() {
			return fail("input %q of kind %q", in.Name, in.Kind)
		}
		m.Inputs = append(m.Inputs, Input{in.Name, k})
	}
	for i, n := range s.Nodes {
		op, err := n.operator()
		if err != nil {
			return fail("node %d: %w", i, err)
		}
		m.Nodes = append(m.Nodes, Node{op, n.In})
	}
	for _, o := range s.Outputs {
		out := Output{Name: o.Name, Node: o.Node}
		if len(o.Texts)+len(o.Numbers) > 0 {
			out.Labels = &Labels{o.Texts, o.Numbers}
		}
		m.Outputs = append(m.Outputs, out)
	}
	return m, m.Validate()
}

func (n savedNode) operator() (Op, error) {
	switch n.Op {
	case Trees{}.name():
		m, err := tree.Read(bytes.NewReader(n.Trees))
		return Trees{m}, err
	case Apply{}.name():
		var l savedLink
		if err := json.Unmarshal(n.Set, &l); err != nil {
			return nil, err
		}
		for f := tree.Identity; f <= tree.MeanVariance; f++ {
			if f.String() == l.Name {
				return Apply{tree.Link{Func: f, Scale: l.Scale}}, nil
			}
		}
		return nil, fmt.Errorf("link %q", l.Name)
	}
	empty := operators[n.Op]
	if empty == nil {
		return nil, fmt.Errorf("operator %q", n.Op)
	}
	op := empty()
	if err := json.Unmarshal(n.Set, op); err != nil {
		return nil, err
	}
	return pointed(op), nil
}
