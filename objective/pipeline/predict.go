package pipeline

import (
	"fmt"

	"github.com/attune-hpo/attune/objective/tree"
)

// A Column is a column of a table. It has a number or a text for each row.
type Column struct {
	Numbers []float64
	Texts   []string
}

func (c Column) len() int { return max(len(c.Numbers), len(c.Texts)) }

// A Predictor predicts with a [Model]. It is safe for concurrent use.
type Predictor struct {
	model   *Model
	widths  []int
	trees   []*tree.Predictor // by node; nil for other operators than Trees
	words   map[int]Words     // by node: of texts
	letters map[int]Letters
	last    []int // by node: the last node that uses it, or len(Nodes) for an output
}

// NewPredictor compiles a model. Do not change the model afterwards. It fails with [ErrInvalid].
func NewPredictor(m *Model) (*Predictor, error) {
	widths, err := m.widths()
	if err != nil {
		return nil, err
	}
	p := &Predictor{model: m, widths: widths, trees: make([]*tree.Predictor, len(m.Nodes)), words: map[int]Words{}, letters: map[int]Letters{}, last: make([]int, len(m.Nodes))}
	for i, n := range m.Nodes {
		for _, from := range n.In {
			p.last[from] = i
		}
		if of, ok := n.Op.(Words); ok {
			p.words[i] = of.prepared()
		}
		if of, ok := n.Op.(Letters); ok {
			p.letters[i] = of.prepared()
		}
		if of, ok := n.Op.(Trees); ok {
			if p.trees[i], err = tree.NewPredictor(of.Model); err != nil {
				return nil, pkg.Errorf("node %d: %w", i, err)
			}
		}
	}
	for _, o := range m.Outputs {
		p.last[o.Node] = len(m.Nodes)
	}
	return p, nil
}

// Width returns the number of numbers per row of an output.
func (p *Predictor) Width(output int) int { return p.widths[p.model.Outputs[output].Node] }

// blockSize limits the numbers that a node computes at a time.
const blockSize = 1 << 17

// Predict returns the numbers of each output, row after row. For an output with labels, the
// numbers are indices of labels. The columns must match the model's inputs and have equal
// lengths, or else Predict fails with [ErrInput].
func (p *Predictor) Predict(columns []Column) ([][]float64, error) {
	rows, err := p.check(columns)
	if err != nil {
		return nil, err
	}
	widest := 1
	for _, w := range p.widths {
		widest = max(widest, w)
	}
	block := min(max(blockSize/widest, 1), 256)
	outs := make([][]float64, len(p.model.Outputs))
	for i := range outs {
		outs[i] = make([]float64, 0, rows*p.Width(i))
	}
	for from := 0; from < rows; from += block {
		values, err := p.block(columns, from, min(from+block, rows))
		if err != nil {
			return nil, err
		}
		for i, o := range p.model.Outputs {
			outs[i] = append(outs[i], values[o.Node].data...)
		}
	}
	return outs, nil
}

// Check returns [ErrInput] if columns do not match the model's inputs.
func (p *Predictor) Check(columns []Column) error {
	_, err := p.check(columns)
	return err
}

// check returns the number of rows of the columns.
func (p *Predictor) check(columns []Column) (int, error) {
	if len(columns) != len(p.model.Inputs) {
		return 0, pkg.Errorf("predict: %w: %d columns, want %d", ErrInput, len(columns), len(p.model.Inputs))
	}
	rows := -1
	for i, in := range p.model.Inputs {
		c := columns[i]
		n := len(c.Numbers)
		if in.Kind == Text {
			n = len(c.Texts)
		}
		if n != c.len() {
			return 0, pkg.Errorf("predict: %w: column %d (%q) is no column of %ss", ErrInput, i, in.Name, in.Kind)
		}
		if rows < 0 {
			rows = n
		}
		if n != rows {
			return 0, pkg.Errorf("predict: %w: columns of %d and %d rows", ErrInput, rows, n)
		}
	}
	return max(rows, 0), nil
}

// block computes the rows in [from, to).
func (p *Predictor) block(columns []Column, from, to int) ([]matrix, error) {
	values := make([]matrix, len(p.model.Nodes))
	rows := to - from
	for i, n := range p.model.Nodes {
		switch op := n.Op.(type) {
		case Columns:
			x := matrix{len(op.At), make([]float64, rows*len(op.At))}
			for k, at := range op.At {
				for r, v := range columns[at].Numbers[from:to] {
					x.data[r*x.width+k] = v
				}
			}
			values[i] = x
		case Letters:
			values[i] = p.letters[i].compute(columns, from, to, p.widths[i])
		case Words:
			values[i] = p.words[i].compute(columns, from, to, p.widths[i])
		case interface {
			compute(columns []Column, from, to, width int) matrix
		}: // of texts
			values[i] = op.compute(columns, from, to, p.widths[i])
		case Trees:
			x := matrix{p.widths[i], make([]float64, rows*p.widths[i])}
			if err := p.trees[i].Predict(values[n.In[0]].data, x.data); err != nil {
				return nil, pkg.Errorf("node %d: %w", i, err)
			}
			values[i] = x
		default:
			in := make([]matrix, len(n.In))
			for k, at := range n.In {
				in[k] = values[at]
			}
			values[i] = compute(op, in, p.widths[i], rows)
		}
		for _, at := range n.In {
			if p.last[at] == i {
				values[at].data = nil // not needed any more
			}
		}
	}
	return values, nil
}

// PredictRows predicts for a model whose inputs are all numbers. rows and out have one row
// after the other. A row of out has the numbers of all outputs.
func (p *Predictor) PredictRows(rows, out []float64) error {
	if !p.model.Numeric() || len(p.model.Inputs) == 0 || len(rows)%len(p.model.Inputs) != 0 {
		return pkg.Errorf("predict: %w: %d values for rows of %d", ErrInput, len(rows), len(p.model.Inputs))
	}
	width := 0
	for i := range p.model.Outputs {
		width += p.Width(i)
	}
	n := len(rows) / len(p.model.Inputs)
	if len(out) != n*width {
		return pkg.Errorf("predict: %w: %w", ErrInput, fmt.Errorf("room for %d values, want %d", len(out), n*width))
	}
	columns := make([]Column, len(p.model.Inputs))
	for k := range columns {
		columns[k].Numbers = make([]float64, n)
		for i := range n {
			columns[k].Numbers[i] = rows[i*len(columns)+k]
		}
	}
	outs, err := p.Predict(columns)
	if err != nil {
		return err
	}
	at := 0
	for i, o := range outs {
		w := p.Width(i)
		for r := range n {
			copy(out[r*width+at:r*width+at+w], o[r*w:(r+1)*w])
		}
		at += w
	}
	return nil
}
