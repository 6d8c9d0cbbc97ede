package pipeline

import "math"

// Telling returns, for each numeric input, values at which the model changes: values that become a threshold of a
// tree, a category or a missing value, and values that become -1, 0 or 1 at a linear model. It leaves out values that
// cannot be traced back to a column.
func (m *Model) Telling() [][]float64 {
	out := make([][]float64, len(m.Inputs))
	widths, err := m.widths()
	if err != nil {
		return out
	}
	note := func(node, k int, x float64) {
		if in, x, ok := m.back(widths, node, k, x); ok && !math.IsNaN(x) {
			out[in] = append(out[in], x)
		}
	}
	for _, n := range m.Nodes {
		switch op := n.Op.(type) {
		case Trees:
			for _, t := range op.Model.Trees {
				for _, split := range t.Nodes {
					if split.Categorical() {
						note(n.In[0], split.Feature, 0)
						note(n.In[0], split.Feature, 1)
					} else {
						note(n.In[0], split.Feature, split.Threshold)
					}
				}
			}
		case OneHot:
			for i, list := range op.Categories {
				for _, c := range list {
					note(n.In[0], i, float64(c))
				}
			}
		case Ordinal:
			for i, list := range op.Categories {
				for _, c := range list {
					note(n.In[0], i, float64(c))
				}
			}
		case Fill:
			for i := range op.With {
				note(n.In[0], i, float64(op.Missing))
			}
		case Bins:
			for i, edges := range op.Edges {
				for _, x := range edges {
					note(n.In[0], i, x)
				}
			}
		case Interpolate:
			for i, points := range op.X {
				for _, x := range points {
					note(n.In[0], i, x)
				}
			}
		case Power:
			for i := range op.Lambdas {
				for _, x := range []float64{-1, 0, 1} {
					note(n.In[0], i, x)
				}
			}
		case Linear:
			for i := range op.Weights[0] {
				for _, x := range []float64{-1, 0, 1} {
					note(n.In[0], i, x)
				}
			}
		}
	}
	return out
}

// back traces number k of a node back to a column, and returns the column's value for which the
// number is x.
func (m *Model) back(widths []int, node, k int, x float64) (input int, at float64, ok bool) {
	for {
		n := m.Nodes[node]
		switch op := n.Op.(type) {
		case Columns:
			return op.At[k], x, true
		case Join:
			i := 0
			for ; k >= widths[n.In[i]]; i++ {
				k -= widths[n.In[i]]
			}
			node = n.In[i]
			continue
		case Pick:
			k = op.At[k]
		case Arithmetic:
			switch by := op.By[k]; op.Do {
			case Add:
				x -= by
			case Subtract:
				x += by
			case Multiply:
				x /= by
			case Divide:
				x *= by
			}
		case Fill, Clip:
		case Function:
			if op.Of != "single" && op.Of != "whole" && op.Of != "natural" && op.Of != "byte" {
				return 0, 0, false
			}
		default:
			return 0, 0, false
		}
		node = n.In[0]
	}
}
