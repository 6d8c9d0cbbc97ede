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
	last    []int  // by node: the last node that uses it, or len(Nodes) for an output
	fused   []bool // by node: an Arithmetic that the next node, its only user, does on the way
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
	p.fused = make([]bool, len(m.Nodes))
	for i := 1; i < len(m.Nodes); i++ {
		first, ok := m.Nodes[i-1].Op.(Arithmetic)
		second, ok2 := m.Nodes[i].Op.(Arithmetic)
		p.fused[i-1] = ok && ok2 && first.Do == Subtract && second.Do == Divide && m.Nodes[i].In[0] == i-1 && p.last[i-1] == i
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
	outs := make([][]float64, len(p.model.Outputs))
	for i := range outs {
		outs[i] = make([]float64, 0, rows*p.Width(i))
	}
	err = p.blocks(rows, func(from, to int) error {
		values, err := p.block(columns, nil, from, to)
		if err != nil {
			return err
		}
		for i, o := range p.model.Outputs {
			outs[i] = append(outs[i], values[o.Node].data...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return outs, nil
}

// blocks calls f for one part of the rows after the other, until it fails.
func (p *Predictor) blocks(rows int, f func(from, to int) error) error {
	widest := 1
	for _, w := range p.widths {
		widest = max(widest, w)
	}
	block := min(max(blockSize/widest, 1), 1024)
	for from := 0; from < rows; from += block {
		if err := f(from, min(from+block, rows)); err != nil {
			return err
		}
	}
	return nil
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

// block computes the rows in [from, to) of columns or, if numbers is not nil, of numbers, which has one
// row after the other.
func (p *Predictor) block(columns []Column, numbers []float64, from, to int) ([]matrix, error) {
	values := make([]matrix, len(p.model.Nodes))
	rows := to - from
	for i, n := range p.model.Nodes {
		switch op := n.Op.(type) {
		case Columns:
			values[i] = op.take(columns, numbers, len(p.model.Inputs), from, to)
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
		case Arithmetic:
			if p.fused[i] {
				continue // the next node does both
			}
			from, first := n.In[0], Arithmetic{}
			if p.fused[from] {
				first = p.model.Nodes[from].Op.(Arithmetic)
				from = p.model.Nodes[from].In[0]
			}
			x := matrix{p.widths[i], make([]float64, rows*p.widths[i])}
			op.rows(first, values[from].data, x.data)
			values[i] = x
			if p.last[from] <= i {
				values[from].data = nil
			}
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
	return p.blocks(n, func(from, to int) error {
		values, err := p.block(nil, rows, from, to)
		if err != nil {
			return err
		}
		at := 0
		for i, o := range p.model.Outputs {
			w := p.Width(i)
			for r := from; r < to; r++ {
				copy(out[r*width+at:][:w], values[o.Node].row(r-from))
			}
			at += w
		}
		return nil
	})
}

// take returns the rows in [from, to) of some inputs: of columns or, if numbers is not nil, of numbers
// with rows of the given width. It may return a part of numbers itself.
func (c Columns) take(columns []Column, numbers []float64, width, from, to int) matrix {
	if numbers != nil && c.all(width) {
		return matrix{width, numbers[from*width : to*width]}
	}
	x := matrix{len(c.At), make([]float64, (to-from)*len(c.At))}
	for k, at := range c.At {
		if numbers == nil {
			for r, v := range columns[at].Numbers[from:to] {
				x.data[r*x.width+k] = v
			}
			continue
		}
		for r := range to - from {
			x.data[r*x.width+k] = numbers[(from+r)*width+at]
		}
	}
	return x
}

// all reports whether c takes all inputs in their order.
func (c Columns) all(inputs int) bool {
	for k, at := range c.At {
		if k != at {
			return false
		}
	}
	return len(c.At) == inputs
}
