// Package pipeline reads and runs models together with the steps around them: scalers,
// encoders, vectorizers, several models side by side, class labels.
//
// A [Model] is a small graph of plain data. Its inputs are the columns of a table. Its nodes
// compute numbers from columns and from earlier nodes. Its outputs are named nodes. [Read]
// makes a Model from a scikit-learn Pipeline or another object saved by joblib.dump, without
// executing it. [NewPredictor] predicts natively. Package export/onnx writes the same graph as
// an ONNX file.
//
// Numbers are float64. NaN is a missing value; each [Op] documents how it treats NaN.
package pipeline

import (
	"errors"
	"fmt"
	"math"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/tree"
)

const pkg fault.Package = "pipeline"

var (
	// ErrInvalid reports an inconsistent model; see [Model.Validate].
	ErrInvalid = errors.New("invalid model")
	// ErrFormat reports a file that is damaged or does not contain a model.
	ErrFormat = errors.New("malformed model")
	// ErrUnsupported reports a model with an unsupported step. The error gives the path of the
	// step.
	ErrUnsupported = errors.New("unsupported")
	// ErrInput reports rows that do not fit a model.
	ErrInput = errors.New("wrong input")
)

// A Model computes outputs from the columns of a table. Do not change a Model that is in use.
type Model struct {
	Inputs  []Input
	Nodes   []Node
	Outputs []Output
}

// An Input is a column of the table.
type Input struct {
	Name string // may be empty
	Kind Kind
}

// A Kind is the type of an input's values.
type Kind uint8

const (
	Number Kind = iota // float64; NaN is missing
	Text               // string
)

func (k Kind) String() string {
	switch k {
	case Number:
		return "number"
	case Text:
		return "text"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// A Node computes rows of numbers. Its operator determines the length of a row.
type Node struct {
	Op Op
	In []int // the nodes that are inputs of Op, all before this one
}

// An Output is a node with a name.
type Output struct {
	Name string
	Node int
	// Labels, if any, are the names for the node's numbers; number 0 means the first label. The
	// node has one number per row.
	Labels *Labels
}

// Labels are the names of classes: either texts or integers.
type Labels struct {
	Texts   []string
	Numbers []int64
}

// Len returns the number of labels.
func (l *Labels) Len() int { return max(len(l.Texts), len(l.Numbers)) }

// Limits of a model.
const (
	MaxInputs = 1 << 20
	MaxWidth  = 1 << 20 // numbers per row of a node
	MaxNodes  = 1 << 16
)

// Validate returns an error that wraps [ErrInvalid] if m is inconsistent: if a node has an
// input that is not before it, or inputs of the wrong width, if an output has no node, or if
// [tree.Model.Validate] fails for a tree ensemble.
func (m *Model) Validate() error {
	_, err := m.widths()
	return err
}

// widths returns the number of numbers per row of each node.
func (m *Model) widths() ([]int, error) {
	fail := func(format string, args ...any) ([]int, error) {
		return nil, pkg.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
	}
	if len(m.Inputs) > MaxInputs || len(m.Nodes) > MaxNodes {
		return fail("%d inputs and %d nodes: at most %d and %d", len(m.Inputs), len(m.Nodes), MaxInputs, MaxNodes)
	}
	widths := make([]int, len(m.Nodes))
	for i, n := range m.Nodes {
		if n.Op == nil {
			return fail("node %d has no operator", i)
		}
		in := make([]int, len(n.In))
		for k, from := range n.In {
			if from < 0 || from >= i {
				return fail("node %d takes node %d, which is not before it", i, from)
			}
			in[k] = widths[from]
		}
		w, err := n.Op.width(m, in)
		if err == nil && (w < 1 || w > MaxWidth) {
			err = fmt.Errorf("%d numbers a row, want 1 to %d", w, MaxWidth)
		}
		if err != nil {
			return fail("node %d, %s: %w", i, n.Op.name(), err)
		}
		widths[i] = w
	}
	if len(m.Outputs) == 0 {
		return fail("it has no output")
	}
	names := map[string]bool{}
	for _, o := range m.Outputs {
		switch {
		case o.Name == "" || names[o.Name]:
			return fail("output %q: the name is empty or taken", o.Name)
		case o.Node < 0 || o.Node >= len(m.Nodes):
			return fail("output %q is node %d of %d", o.Name, o.Node, len(m.Nodes))
		case o.Labels != nil && (o.Labels.Len() == 0 || len(o.Labels.Texts) > 0 && len(o.Labels.Numbers) > 0 || widths[o.Node] != 1):
			return fail("output %q: labels are texts or numbers of a node with one number a row", o.Name)
		}
		names[o.Name] = true
	}
	return widths, nil
}

// Trees returns the tree ensemble of m if m consists only of one, with all columns as features.
func (m *Model) Trees() (*tree.Model, bool) {
	if len(m.Nodes) != 2 || len(m.Outputs) != 1 || m.Outputs[0].Node != 1 || m.Outputs[0].Labels != nil {
		return nil, false
	}
	of, ok := m.Nodes[1].Op.(Trees)
	columns, all := m.Nodes[0].Op.(Columns)
	if !ok || !all || len(columns.At) != len(m.Inputs) {
		return nil, false
	}
	for i, at := range columns.At {
		if at != i {
			return nil, false
		}
	}
	return of.Model, true
}

// Numeric reports whether all inputs are numbers.
func (m *Model) Numeric() bool {
	for _, in := range m.Inputs {
		if in.Kind != Number {
			return false
		}
	}
	return true
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
