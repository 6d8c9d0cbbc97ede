package tree

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// WriteLightGBM writes m as a LightGBM text file (version v3). LightGBM 3.2 and later
// load it and predict as m does, bit for bit except for link functions, whichever
// library m comes from:
//
//   - base values go into the leaves of the first tree of each output;
//   - the trees of several outputs are put in LightGBM's order, and an output with fewer
//     trees is padded with trees of a single zero leaf;
//   - the thresholds of a [Model.Float32] model become float64 thresholds that separate
//     float64 values as rounding to float32 first would. Its categories are assumed
//     to be whole numbers;
//   - characters that LightGBM forbids in feature names become "_", and
//     nameless features become Column_0, Column_1, ….
//
// WriteLightGBM refuses the following with [ErrUnsupported] and names the reason: links
// that no LightGBM objective has (Step, Anomaly, and with several outputs all but Sigmoid
// and Softmax: set Link to its zero value in a copy of m, and apply the link yourself);
// missing values that go to the side of the listed categories; an average over outputs
// with different numbers of trees; linear leaves or MissingZero in a Float32 model; no
// features. It refuses an invalid model with [ErrInvalid].
func WriteLightGBM(w io.Writer, m *Model) error {
	if err := m.Validate(); err != nil {
		return pkg.Errorf("%w (writing LightGBM text)", err)
	}
	objective, err := lgbObjective(m)
	if err != nil {
		return pkg.Errorf("%w (writing LightGBM text)", err)
	}
	trees, err := lgbOrder(m)
	if err != nil {
		return pkg.Errorf("%w (writing LightGBM text)", err)
	}
	blocks := make([]string, len(trees))
	sizes := make([]string, len(trees))
	for i := range trees {
		body, err := lgbBlock(m, &trees[i])
		if err != nil {
			return pkg.Errorf("%w (tree %d, writing LightGBM text)", err, i)
		}
		blocks[i] = fmt.Sprintf("Tree=%d\n%s\n\n", i, body)
		sizes[i] = strconv.Itoa(len(blocks[i]))
	}

	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "tree\nversion=v3\nnum_class=%d\nnum_tree_per_iteration=%d\nlabel_index=0\nmax_feature_idx=%d\nobjective=%s\n",
		m.Outputs, m.Outputs, len(m.Features)-1, objective)
	if m.Average {
		fmt.Fprintln(out, "average_output")
	}
	names, infos := lgbNames(m)
	fmt.Fprintf(out, "feature_names=%s\nfeature_infos=%s\ntree_sizes=%s\n\n", names, infos, strings.Join(sizes, " "))
	for _, b := range blocks {
		out.WriteString(b)
	}
	fmt.Fprint(out, "end of trees\n")
	if err := out.Flush(); err != nil {
		return pkg.Errorf("write LightGBM text: %w", err)
	}
	return nil
}

func lgbObjective(m *Model) (string, error) {
	scale := m.Link.Scale
	if scale == 0 {
		scale = 1
	}
	one := m.Outputs == 1
	switch f := m.Link.Func; {
	case len(m.Features) == 0:
		return "", unsupported("a model without features")
	case f == Identity && one:
		return "regression", nil
	case f == Identity:
		return "custom", nil
	case f == Sigmoid && one:
		return "binary sigmoid:" + number(scale), nil
	case f == Sigmoid:
		return fmt.Sprintf("multiclassova num_class:%d sigmoid:%s", m.Outputs, number(scale)), nil
	case f == Softmax && !one:
		return fmt.Sprintf("multiclass num_class:%d", m.Outputs), nil
	case f == Exp && one:
		return "poisson", nil
	case f == Square && one:
		return "regression sqrt", nil
	case f == Softplus && one:
		return "cross_entropy_lambda", nil
	}
	return "", unsupported("link %v with %d outputs: write a copy of the model without its link, and apply the link to its predictions", m.Link.Func, m.Outputs)
}

// lgbOrder returns the trees by iteration and output. They include the base values.
func lgbOrder(m *Model) ([]Tree, error) {
	by := make([][]Tree, m.Outputs)
	most := 1 // readers expect at least one tree
	for _, t := range m.Trees {
		by[t.Output] = append(by[t.Output], t)
		most = max(most, len(by[t.Output]))
	}
	base := m.base()
	trees := make([]Tree, 0, most*m.Outputs)
	for i := range most {
		for o := range by {
			t := Tree{Output: o, Leaves: make([]Leaf, 1)}
			if i < len(by[o]) {
				t = by[o][i]
			} else if m.Average && len(by[o]) > 0 {
				return nil, unsupported("an average of %d trees for output %d and %d for another", len(by[o]), o, most)
			}
			if i == 0 && base[o] != 0 {
				t.Leaves = slices.Clone(t.Leaves)
				for j := range t.Leaves {
					l := &t.Leaves[j]
					l.Value += base[o]
					if l.Linear != nil {
						lin := *l.Linear
						lin.Const += base[o]
						l.Linear = &lin
					}
				}
			}
			trees = append(trees, t)
		}
	}
	return trees, nil
}

// lgbNames returns the lines feature_names and feature_infos. The info of a numeric
// feature is the range of its thresholds, because the range of its values is unknown.
func lgbNames(m *Model) (names, infos string) {
	low, high := make([]float64, len(m.Features)), make([]float64, len(m.Features))
	used := make([]bool, len(m.Features))
	cats := make([][]uint32, len(m.Features))
	for i := range m.Trees {
		for j := range m.Trees[i].Nodes {
			n := &m.Trees[i].Nodes[j]
			f := n.Feature
			for len(cats[f]) < len(n.Categories) {
				cats[f] = append(cats[f], 0)
			}
			for k, w := range n.Categories {
				cats[f][k] |= w
			}
			at := m.threshold(n)
			if !used[f] {
				low[f], high[f] = at, at
			}
			low[f], high[f] = min(low[f], at), max(high[f], at)
			used[f] = true
		}
	}
	var ns, is []string
	for i, f := range m.Features {
		name := strings.Map(func(r rune) rune {
			if r <= ' ' || r == 0x7f || r == 0xfffd || strings.ContainsRune(`",:[]{}=`, r) || strings.TrimSpace(string(r)) == "" {
				return '_'
			}
			return r
		}, f.Name)
		if name == "" {
			name = "Column_" + strconv.Itoa(i)
		}
		ns = append(ns, name)
		switch {
		case f.Kind == Categorical:
			var c []string
			for k, w := range cats[i] {
				for b := range 32 {
					if w>>b&1 == 1 {
						c = append(c, strconv.Itoa(32*k+b))
					}
				}
			}
			if len(c) == 0 {
				c = []string{"0"}
			}
			is = append(is, strings.Join(c, ":"))
		case used[i]:
			is = append(is, "["+number(low[i])+":"+number(high[i])+"]")
		default:
			is = append(is, "none")
		}
	}
	return strings.Join(ns, " "), strings.Join(is, " ")
}

func lgbBlock(m *Model, t *Tree) (string, error) {
	var b strings.Builder
	var bounds, words []string
	sets := 0
	decision, threshold := make([]string, len(t.Nodes)), make([]string, len(t.Nodes))
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Categorical() {
			if n.DefaultLeft {
				return "", unsupported("missing values on the side of the listed categories in a categorical split (node %d)", i)
			}
			if sets == 0 {
				bounds = append(bounds, "0")
			}
			for _, w := range n.Categories {
				words = append(words, strconv.FormatUint(uint64(w), 10))
			}
			bounds = append(bounds, strconv.Itoa(len(words)))
			decision[i], threshold[i] = strconv.Itoa(lgbCategorical|2<<lgbMissingShift), strconv.Itoa(sets) // NaN is missing
			sets++
			continue
		}
		if m.Float32 && n.Missing == MissingZero {
			return "", unsupported("missing zeros in a float32 model (node %d)", i)
		}
		d := slices.Index(lgbMissing, n.Missing) << lgbMissingShift
		if n.DefaultLeft {
			d |= lgbDefaultLeft
		}
		decision[i], threshold[i] = strconv.Itoa(d), number(m.threshold(n))
	}
	fmt.Fprintf(&b, "num_leaves=%d\nnum_cat=%d\n", len(t.Leaves), sets)
	nodes := func(key string, of func(*Node) string) { column(&b, key, t.Nodes, of) }
	leaves := func(key string, of func(*Leaf) string) { column(&b, key, t.Leaves, of) }
	nodes("split_feature", func(n *Node) string { return strconv.Itoa(n.Feature) })
	nodes("split_gain", func(n *Node) string { return number(n.Gain) })
	fmt.Fprintf(&b, "threshold=%s\ndecision_type=%s\n", strings.Join(threshold, " "), strings.Join(decision, " "))
	nodes("left_child", func(n *Node) string { return strconv.Itoa(n.Left) })
	nodes("right_child", func(n *Node) string { return strconv.Itoa(n.Right) })
	leaves("leaf_value", func(l *Leaf) string { return number(l.Value) })
	leaves("leaf_weight", func(l *Leaf) string { return number(l.Weight) })
	leaves("leaf_count", func(l *Leaf) string { return strconv.Itoa(l.Count) })
	nodes("internal_value", func(*Node) string { return "0" })
	nodes("internal_weight", func(n *Node) string { return number(n.Weight) })
	nodes("internal_count", func(n *Node) string { return strconv.Itoa(n.Count) })
	if sets > 0 {
		fmt.Fprintf(&b, "cat_boundaries=%s\ncat_threshold=%s\n", strings.Join(bounds, " "), strings.Join(words, " "))
	}
	linear := slices.ContainsFunc(t.Leaves, func(l Leaf) bool { return l.Linear != nil })
	if linear {
		if m.Float32 {
			return "", unsupported("linear leaves in a float32 model")
		}
		lin := func(l *Leaf) *Linear {
			if l.Linear == nil {
				return &Linear{Const: l.Value}
			}
			return l.Linear
		}
		b.WriteString("is_linear=1\n")
		leaves("leaf_const", func(l *Leaf) string { return number(lin(l).Const) })
		leaves("num_features", func(l *Leaf) string { return strconv.Itoa(len(lin(l).Features)) })
		leaves("leaf_features", func(l *Leaf) string {
			s := ""
			for _, f := range lin(l).Features {
				s += strconv.Itoa(f) + " "
			}
			return s
		})
		leaves("leaf_coeff", func(l *Leaf) string {
			s := ""
			for _, c := range lin(l).Coefs {
				s += number(c) + " "
			}
			return s
		})
	} else {
		b.WriteString("is_linear=0\n")
	}
	b.WriteString("shrinkage=1\n")
	return b.String(), nil
}

func column[T any](b *strings.Builder, key string, items []T, of func(*T) string) {
	b.WriteString(key)
	b.WriteByte('=')
	for i := range items {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(of(&items[i]))
	}
	b.WriteByte('\n')
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// threshold returns the t for which x <= t, with x in float64, is the condition of n for
// a number in m.
func (m *Model) threshold(n *Node) float64 {
	if !m.Float32 {
		return n.Threshold
	}
	return widen(n.Threshold)
}

// widen returns the greatest float64 that is <= t once rounded to float32.
// Rounding is monotone, so x <= widen(t) is equivalent to float32(x) <= t.
func widen(t float64) float64 {
	low := float32(t)
	if float64(low) > t {
		low = math.Nextafter32(low, float32(math.Inf(-1)))
	}
	if math.IsInf(float64(low), 1) {
		return math.Inf(1)
	}
	// Values that round to low end half way to its upper neighbour. The midpoint itself is
	// a tie and goes to the even one. Next after the greatest float32 comes ±2¹²⁸.
	const beyond = 0x1p128
	lo, hi := float64(low), float64(math.Nextafter32(low, float32(math.Inf(1))))
	mid := max(lo, -beyond)/2 + min(hi, beyond)/2
	if float64(float32(mid)) <= t {
		return mid
	}
	return math.Nextafter(mid, math.Inf(-1))
}
