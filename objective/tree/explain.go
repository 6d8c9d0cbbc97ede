package tree

import (
	"slices"
)

// An Importance says how much a model uses a feature.
type Importance struct {
	Gain   float64 // sum of [Node.Gain] over the splits by the feature; 0 where a library does not report it (CatBoost)
	Splits int     // number of splits by it
}

// Importance returns the importance of each feature, in the features' order:
// LightGBM's importance types gain and split, XGBoost's total_gain and weight.
func (m *Model) Importance() []Importance {
	out := make([]Importance, len(m.Features))
	for i := range m.Trees {
		for j := range m.Trees[i].Nodes {
			n := &m.Trees[i].Nodes[j]
			out[n.Feature].Gain += n.Gain
			out[n.Feature].Splits++
		}
	}
	return out
}

// SHAP writes to out how much each feature contributes to the raw outputs of rows:
// the SHAP values of "path-dependent" TreeSHAP (Lundberg, Erion and Lee 2018,
// "Consistent Individualized Feature Attribution for Tree Ensembles", algorithm 2).
//
// rows is as for [Predictor.Predict]. out is ordered by row, then by output; each
// output gets one value per feature, then the expected value. So len(out) is the number
// of rows × m.Outputs × (number of features + 1). The values of an output add up to
// [Predictor.PredictRaw], except for rounding.
//
// The expectation at a split weighs each side by its training rows ([Node.Count]), or
// by Weight in trees without counts. SHAP refuses a tree that has neither, or has linear
// leaves, with [ErrUnsupported], and an invalid model with [ErrInvalid]. The values are
// those of CatBoost and LightGBM, and of XGBoost within the precision of float32.
func (m *Model) SHAP(rows, out []float64) error {
	if err := m.Validate(); err != nil {
		return err
	}
	f := len(m.Features)
	n, err := m.rows(rows, out, m.Outputs*(f+1))
	if err != nil {
		return err
	}
	shares := m.shares()
	clear(out)
	trees := make([]shapTree, len(m.Trees))
	for i := range m.Trees {
		if err := trees[i].init(&m.Trees[i], m.Float32); err != nil {
			return pkg.Errorf("%w (SHAP of tree %d)", err, i)
		}
	}
	row := make([]float64, f)
	phi := make([]float64, f)
	for r := range n {
		copy(row, rows[r*f:])
		if m.Float32 {
			round(row, row)
		}
		for i := range trees {
			t := &trees[i]
			at := out[(r*m.Outputs+t.Output)*(f+1):][:f+1]
			clear(phi)
			t.explain(row, phi)
			for j, v := range phi {
				at[j] += v / shares[t.Output]
			}
			at[f] += t.expected / shares[t.Output]
		}
		for o, b := range m.Base {
			out[(r*m.Outputs+o)*(f+1)+f] += b
		}
	}
	return nil
}

// A shapTree is a tree and what TreeSHAP needs to know about it.
type shapTree struct {
	*Tree
	float32s bool
	fraction []float64 // of the training rows at a node, those that went left
	expected float64
	paths    [][]pathStep // scratch, by depth
}

// A pathStep is an entry of the path of algorithm 2: a feature, the fractions of
// "zero" paths (feature unknown) and "one" paths (known) that flow through, and the
// weight of the subsets that have as many features as the entry's index.
type pathStep struct {
	feature           int
	zero, one, weight float64
}

func (t *shapTree) init(of *Tree, float32s bool) error {
	t.Tree, t.float32s = of, float32s
	if slices.ContainsFunc(of.Leaves, func(l Leaf) bool { return l.Linear != nil }) {
		return unsupported("linear leaves")
	}
	cover := func(i int) float64 {
		counted := len(of.Nodes) > 0 && of.Nodes[0].Count > 0
		switch {
		case i < 0 && counted:
			return float64(of.Leaves[^i].Count)
		case i < 0:
			return of.Leaves[^i].Weight
		case counted:
			return float64(of.Nodes[i].Count)
		}
		return of.Nodes[i].Weight
	}
	t.fraction = make([]float64, len(of.Nodes))
	for i := range of.Nodes {
		n := &of.Nodes[i]
		left, right := cover(n.Left), cover(n.Right)
		switch {
		case left+right > 0:
			t.fraction[i] = left / (left + right)
		case i == 0:
			return unsupported("a tree without counts and weights")
		default: // no row came here: the path to it has weight zero
			t.fraction[i] = 0.5
		}
	}
	if len(of.Nodes) == 0 {
		t.expected = of.Leaves[0].Value
		return nil
	}
	// expected = Σ leaf × the product of the fractions on its path
	type flow struct {
		node  int
		share float64
	}
	for stack := []flow{{0, 1}}; len(stack) > 0; {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if at.node < 0 {
			t.expected += at.share * of.Leaves[^at.node].Value
			continue
		}
		n, l := &of.Nodes[at.node], t.fraction[at.node]
		stack = append(stack, flow{n.Right, at.share * (1 - l)}, flow{n.Left, at.share * l})
	}
	return nil
}

// explain adds the tree's SHAP values for the row to phi.
func (t *shapTree) explain(row, phi []float64) {
	if len(t.Nodes) > 0 {
		t.recurse(0, 0, row, phi, nil, 1, 1, -1)
	}
}

// recurse is RECURSE of algorithm 2. It does not change path, which is the caller's.
func (t *shapTree) recurse(node, depth int, row, phi []float64, path []pathStep, zero, one float64, feature int) {
	if depth == len(t.paths) {
		t.paths = append(t.paths, nil)
	}
	p := append(t.paths[depth][:0], path...)
	p = extend(p, zero, one, feature)
	t.paths[depth] = p
	if node < 0 {
		v := t.Leaves[^node].Value
		for i := 1; i < len(p); i++ {
			phi[p[i].feature] += unwoundSum(p, i) * (p[i].one - p[i].zero) * v
		}
		return
	}
	n := &t.Nodes[node]
	hot, cold, hotShare := n.Left, n.Right, t.fraction[node]
	if !n.left(row[n.Feature], t.float32s) {
		hot, cold, hotShare = cold, hot, 1-hotShare
	}
	zero, one = 1, 1
	if k := slices.IndexFunc(p[1:], func(s pathStep) bool { return s.feature == n.Feature }); k >= 0 {
		zero, one = p[k+1].zero, p[k+1].one
		p = unwind(p, k+1)
	}
	t.recurse(hot, depth+1, row, phi, p, zero*hotShare, one, n.Feature)
	t.recurse(cold, depth+1, row, phi, p, zero*(1-hotShare), 0, n.Feature)
}

// extend is EXTEND: it adds a feature to the subsets.
func extend(p []pathStep, zero, one float64, feature int) []pathStep {
	l := len(p)
	s := pathStep{feature, zero, one, 0}
	if l == 0 {
		s.weight = 1
	}
	p = append(p, s)
	for i := l - 1; i >= 0; i-- {
		p[i+1].weight += one * p[i].weight * float64(i+1) / float64(l+1)
		p[i].weight = zero * p[i].weight * float64(l-i) / float64(l+1)
	}
	return p
}

// unwind is UNWIND: it undoes the extension by entry k.
func unwind(p []pathStep, k int) []pathStep {
	l := len(p) - 1
	zero, one, next := p[k].zero, p[k].one, p[l].weight
	for i := l - 1; i >= 0; i-- {
		if one != 0 {
			w := p[i].weight
			p[i].weight = next * float64(l+1) / (float64(i+1) * one)
			next = w - p[i].weight*zero*float64(l-i)/float64(l+1)
		} else if zero != 0 {
			p[i].weight = p[i].weight * float64(l+1) / (zero * float64(l-i))
		}
	}
	for i := k; i < l; i++ {
		p[i].feature, p[i].zero, p[i].one = p[i+1].feature, p[i+1].zero, p[i+1].one
	}
	return p[:l]
}

// unwoundSum returns the sum of the weights of p without entry k.
func unwoundSum(p []pathStep, k int) float64 {
	l := len(p) - 1
	zero, one, next := p[k].zero, p[k].one, p[l].weight
	sum := 0.0
	for i := l - 1; i >= 0; i-- {
		if one != 0 {
			w := next * float64(l+1) / (float64(i+1) * one)
			sum += w
			next = p[i].weight - w*zero*float64(l-i)/float64(l+1)
		} else if zero != 0 {
			sum += p[i].weight * float64(l+1) / (zero * float64(l-i))
		}
	}
	return sum
}
