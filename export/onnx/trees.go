package onnx

import (
	"encoding/json"
	"math"
	"math/bits"
	"slices"

	"github.com/attune-hpo/attune/export/internal/treecheck"
	"github.com/attune-hpo/attune/objective/tree"
)

// TreesOptions say how to export a tree ensemble. The zero value is ready to use.
type TreesOptions struct {
	Form   Form
	Info   Info
	Raw    bool     // leave out the link: raw outputs, as of tree.Predictor.PredictRaw
	Input  string   // name of the input; default "rows"
	Output string   // name of the output; default "predictions"
	Units  []string // one for each feature, for people; or nil
}

// Trees returns a model that predicts what a [tree.Predictor] does:
//
//	rows         [batch, features]   DOUBLE; FLOAT in the form Single. NaN is missing, categories are their numbers
//	predictions  [batch, outputs]    likewise
//
// In the form [Exact], raw outputs equal those of the predictor bit for bit if the runtime adds the trees in order,
// as ONNX Runtime does with one intra-op thread. With more threads it divides the trees of some batches among them,
// which changes the last bits: by up to 1.3e-15 of the greatest output with 2 threads and 1,000 trees. Links are
// exact except for the last bits of exp.
//
// In the form [Compatible], every row reaches the same leaves as in the predictor, and raw outputs are rounded to
// float32. In the form [Single], this holds for rows of float32 numbers, and sums are in float32. Numbers that
// float32 cannot represent, such as a time in seconds or a date like 20240131, are rounded and may change sides.
//
// After the metadata of o.Info come the names of the features, as JSON, under attune.features, units under
// attune.units and the form under attune.form.
//
// It fails with [tree.ErrInvalid] for an invalid model, and with [ErrUnsupported] and the reason for a model without
// features, and for trees so deep that loading them would crash the process. In the forms [Compatible] and [Single],
// a set of categories adds a level for each member; there, values of leaves out of float32's range and more than 2^24
// linear leaves are unsupported, too.
func Trees(m *tree.Model, o TreesOptions) (*Model, error) {
	if err := m.Validate(); err != nil {
		return nil, pkg.Errorf("trees: %w", err)
	}
	if len(o.Units) > 0 && len(o.Units) != len(m.Features) {
		return nil, pkg.Errorf("trees: %w: %d units for %d features", ErrInvalid, len(o.Units), len(m.Features))
	}
	b := NewBuilder(o.Form)
	rows := b.Input(orString(o.Input, "rows"), o.Form.rows(), Batch, Dim{Size: int64(len(m.Features))})
	out := b.Trees(m, rows)
	if !o.Raw {
		out = b.Link(m.Link, out)
	}
	b.Output(orString(o.Output, "predictions"), out)
	names := make([]string, len(m.Features))
	for i, f := range m.Features {
		names[i] = f.Name
	}
	info := o.Info
	info.Metadata = append(slices.Clone(info.Metadata), Property{"attune.form", o.Form.String()}, list("attune.features", names))
	if len(o.Units) > 0 {
		info.Metadata = append(info.Metadata, list("attune.units", o.Units))
	}
	return b.Model(info)
}

// rows is the type of the rows and the outputs of trees in the form.
func (f Form) rows() DataType {
	if f == Single {
		return Float32
	}
	return Float64
}

// list is a property of several texts, as JSON.
func list(key string, texts []string) Property {
	b, _ := json.Marshal(texts) // strings cannot fail
	return Property{key, string(b)}
}

func orString(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// use is a way in which splits use a feature.
type use uint8

const (
	asNumber   use = iota
	asNonzero      // zeros are missing
	asCategory     // rounded towards zero
)

func useOf(n *tree.Node) use {
	switch {
	case n.Categorical():
		return asCategory
	case n.Missing == tree.MissingZero:
		return asNonzero
	}
	return asNumber
}

// columns has the column of the trees' input for each feature and use.
type columns struct {
	at    map[int][3]int // by feature
	uses  []use          // by column
	extra []int64        // features of the additional columns
}

func columnsOf(m *tree.Model) columns {
	used := make([][3]bool, len(m.Features))
	for i := range m.Trees {
		for j := range m.Trees[i].Nodes {
			n := &m.Trees[i].Nodes[j]
			used[n.Feature][useOf(n)] = true
		}
	}
	c := columns{at: map[int][3]int{}, uses: make([]use, len(m.Features))}
	for f, u := range used {
		at := [3]int{f, f, f}
		first := true
		for k := range use(3) {
			switch {
			case !u[k]:
			case first:
				c.uses[f], first = k, false
			default:
				at[k] = len(c.uses)
				c.uses = append(c.uses, k)
				c.extra = append(c.extra, int64(f))
			}
		}
		c.at[f] = at
	}
	return c
}

// prepare returns the columns that the trees use.
//
// In the form Exact, categories are numbered from 1, because onnx's ReferenceEvaluator takes a member 0 for the end
// of a set.
func (c *columns) prepare(b *Builder, x Value, float32s bool) Value {
	if len(c.extra) > 0 {
		x = b.Concat(1, x, b.Gather(x, 1, c.extra...))
	}
	if mask, some := c.mask(b, asNonzero); some {
		limit := tree.ZeroRange
		if float32s && x.Type == Float64 {
			limit = boundary(float32(limit))
		}
		zero := b.Op("LessOrEqual", nil, b.Op("Abs", nil, x), b.Number(x, limit))
		x = b.Op("Where", nil, b.Op("And", nil, zero, mask), b.Number(x, math.NaN()), x)
	}
	if mask, some := c.mask(b, asCategory); some {
		var whole Value
		if float32s {
			whole = b.Cast(b.Op("Floor", nil, b.Cast(x, Float32)), x.Type)
		} else {
			whole = b.Op("Floor", nil, x) // those in (-1, 0) are category 0
			whole = b.Op("Where", nil, b.Op("Less", nil, x, b.Number(x, 0)), b.Op("Ceil", nil, x), whole)
		}
		if b.form == Exact {
			whole = b.Op("Add", nil, whole, b.Number(x, firstCategory))
		}
		x = b.Op("Where", nil, mask, whole, x)
	}
	return x
}

// firstCategory is the number of category 0 in the form Exact.
const firstCategory = 1

func (c *columns) mask(b *Builder, u use) (mask Value, some bool) {
	is := make([]bool, len(c.uses))
	for i, have := range c.uses {
		is[i] = have == u
		some = some || is[i]
	}
	if some {
		mask = b.Const(NewTensor("", is, 1, int64(len(is))))
	}
	return mask, some
}

// Trees adds a tree ensemble to the graph: rows are [batch, features], the raw outputs,
// without the link, [batch, outputs]. Both have the same type: FLOAT in the form [Single],
// otherwise DOUBLE. See the function [Trees].
func (b *Builder) Trees(m *tree.Model, rows Value) Value {
	if b.err != nil {
		return Value{}
	}
	if err := m.Validate(); err != nil {
		b.fail("trees: %w", err)
		return Value{}
	}
	if len(m.Features) == 0 {
		b.fail("trees: %w: a model without features", ErrUnsupported)
		return Value{}
	}
	want := b.form.rows()
	if w := rows.Width(); rows.Type != want || len(rows.Dims) != 2 || w >= 0 && w != len(m.Features) {
		b.fail("trees: %w: rows of %v %v for %d features, which must be %v", ErrInvalid, rows.Type, rows.Dims, len(m.Features), want)
		return Value{}
	}
	e := ensemble{b: b, m: m, columns: columnsOf(m), classic: b.form != Exact}
	x := e.columns.prepare(b, rows, m.Float32)
	if slices.ContainsFunc(m.Trees, func(t tree.Tree) bool {
		return slices.ContainsFunc(t.Leaves, func(l tree.Leaf) bool { return l.Linear != nil })
	}) {
		return b.linear(&e, x, rows)
	}
	for o, v := range m.Base {
		if v != 0 && !m.Average {
			e.constant(o, v)
		}
	}
	for i := range m.Trees {
		e.add(&m.Trees[i], m.Trees[i].Output, func(leaf int) float64 { return m.Trees[i].Leaves[leaf].Value })
	}
	if e.trees == 0 {
		e.constant(0, 0)
	}
	if b.err != nil {
		return Value{}
	}
	return b.average(m, b.Cast(e.node(x, m.Outputs), want))
}

// average divides the sums of a forest by its numbers of trees.
func (b *Builder) average(m *tree.Model, sums Value) Value {
	if !m.Average {
		return sums
	}
	n := make([]float64, m.Outputs)
	for i := range m.Trees {
		n[m.Trees[i].Output]++
	}
	for i := range n {
		n[i] = max(1, n[i])
	}
	return b.Op("Div", nil, sums, b.Floats(sums, n))
}

// The modes of splits in ai.onnx.ml 5.
const (
	branchLEQ    = 0
	branchEQ     = 4
	branchMember = 6
)

// never is a category that no rounded number has.
const never = 0.5

// An ensemble collects the nodes of trees.
type ensemble struct {
	b       *Builder
	m       *tree.Model
	columns columns
	classic bool // ai.onnx.ml 3
	trees   int

	// Of inner nodes and, if classic, of leaves.
	feature, left, right, missing, leftLeaf, rightLeaf []int64
	mode                                               []byte
	split                                              []float64
	members                                            []float64 // ai.onnx.ml 5: sets, a NaN after each
	roots                                              []int64
	treeID, nodeID                                     []int64 // ai.onnx.ml 3

	// Of leaves.
	target         []int64
	weight         []float64
	leafTree, leaf []int64 // ai.onnx.ml 3
}

// branch has the place and the children of a split in the file.
type branch struct {
	feature, left, right, leftLeaf, rightLeaf int64
	mode                                      byte
	split                                     float64
	missing                                   bool
	tree, id                                  int64
}

const modeLeaf = 255 // ai.onnx.ml 3 only

func (e *ensemble) push(n branch) {
	e.feature, e.left, e.right = append(e.feature, n.feature), append(e.left, n.left), append(e.right, n.right)
	e.leftLeaf, e.rightLeaf = append(e.leftLeaf, n.leftLeaf), append(e.rightLeaf, n.rightLeaf)
	e.mode, e.split = append(e.mode, n.mode), append(e.split, n.split)
	missing := int64(0)
	if n.missing {
		missing = 1
	}
	e.missing = append(e.missing, missing)
	e.treeID, e.nodeID = append(e.treeID, n.tree), append(e.nodeID, n.id)
}

// constant adds a tree of one leaf.
func (e *ensemble) constant(output int, v float64) {
	e.add(&tree.Tree{Leaves: []tree.Leaf{{}}}, output, func(int) float64 { return v })
}

// depth returns the maximum number of nodes from the root to a leaf, as written to the file.
func (e *ensemble) depth(t *tree.Tree) int {
	type place struct{ node, depth int }
	most := 0
	for stack := []place{{0, 0}}; len(stack) > 0 && len(t.Nodes) > 0; {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if at.node < 0 {
			most = max(most, at.depth)
			continue
		}
		n := &t.Nodes[at.node]
		length := 1
		if e.classic && n.Categorical() {
			length = 0
			for range categories(n) {
				length++
			}
		}
		stack = append(stack, place{n.Left, at.depth + length}, place{n.Right, at.depth + length})
	}
	return most
}

// add adds a tree whose leaves add values to an output.
func (e *ensemble) add(t *tree.Tree, output int, value func(leaf int) float64) {
	if d := e.depth(t); d > treecheck.MaxDepth {
		e.b.fail("trees: %w: tree %d is %d nodes deep, sets of categories included in the form %v; at most %d", ErrUnsupported, e.trees, d, e.b.form, treecheck.MaxDepth)
		return
	}
	if e.classic {
		e.addClassic(t, output, value)
	} else {
		e.addNew(t, output, value)
	}
	e.trees++
}

func (e *ensemble) addNew(t *tree.Tree, output int, value func(leaf int) float64) {
	nodes, leaves := int64(len(e.mode)), int64(len(e.weight))
	e.roots = append(e.roots, nodes)
	if len(t.Nodes) == 0 {
		// A node with a leaf of this value on each side. The standard form, one leaf for both sides, makes ONNX
		// Runtime 1.24.3 use another tree's leaf.
		e.push(branch{left: leaves, right: leaves + 1, leftLeaf: 1, rightLeaf: 1})
		e.target, e.weight = append(e.target, int64(output), int64(output)), append(e.weight, value(0), value(0))
		return
	}
	n := len(t.Leaves)
	shift := 0 // of the leaves, around
	order, position := preorder(t)
	place := func(child int) (at, leaf int64) {
		if child < 0 {
			return leaves + int64((^child+shift)%n), 1
		}
		return nodes + int64(position[child]), 0
	}
	// ONNX Runtime up to 1.23 takes a root for a leaf if its children, a leaf and a node, have the same number
	// (microsoft/onnxruntime#24679).
	left, _ := place(t.Nodes[0].Left)
	if right, _ := place(t.Nodes[0].Right); left == right {
		shift = 1
	}
	for i := range n {
		e.target, e.weight = append(e.target, int64(output)), append(e.weight, value((i+n-shift)%n))
	}
	for _, i := range order {
		n := &t.Nodes[i]
		out := e.branch(n)
		out.left, out.leftLeaf = place(n.Left)
		out.right, out.rightLeaf = place(n.Right)
		if n.Categorical() {
			out.mode = branchMember
			before := len(e.members)
			for c := range categories(n) {
				e.members = append(e.members, float64(c+firstCategory))
			}
			if len(e.members) == before {
				out.mode, out.split = branchEQ, never
			} else {
				e.members = append(e.members, math.NaN())
			}
		}
		e.push(out)
	}
}

// preorder returns the nodes of a tree in preorder, left before right, and the position of each node in that order.
// onnx's ReferenceEvaluator assigns sets of categories in this order, ONNX Runtime in the order of the nodes.
func preorder(t *tree.Tree) (order, position []int) {
	position = make([]int, len(t.Nodes))
	for stack := []int{0}; len(stack) > 0; {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if i < 0 {
			continue
		}
		position[i] = len(order)
		order = append(order, i)
		stack = append(stack, t.Nodes[i].Right, t.Nodes[i].Left)
	}
	return order, position
}

// branch returns a numeric split.
func (e *ensemble) branch(n *tree.Node) branch {
	out := branch{feature: int64(e.columns.at[n.Feature][useOf(n)]), missing: n.DefaultLeft, mode: branchLEQ, split: e.threshold(n.Threshold)}
	if n.Missing == tree.MissingNone {
		out.missing = 0 <= n.Threshold
	}
	return out
}

// categories yields the categories that a split lists, ascending.
func categories(n *tree.Node) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i, word := range n.Categories {
			for ; word != 0; word &= word - 1 {
				if !yield(32*i + bits.TrailingZeros32(word)) {
					return
				}
			}
		}
	}
}

// addClassic adds a tree in the form of ai.onnx.ml 3: leaves are nodes, and a set of categories is a chain of nodes
// that share their left child.
func (e *ensemble) addClassic(t *tree.Tree, output int, value func(leaf int) float64) {
	id := int64(e.trees)
	nodes := int64(len(t.Nodes))
	next := nodes + int64(len(t.Leaves))
	place := func(child int) int64 {
		if child < 0 {
			return nodes + int64(^child)
		}
		return int64(child)
	}
	var chains []branch // their nodes but the first
	for i := range t.Nodes {
		n := &t.Nodes[i]
		out := e.branch(n)
		out.tree, out.id, out.left, out.right = id, int64(i), place(n.Left), place(n.Right)
		if n.Categorical() {
			out.mode, out.split = branchEQ, never
			link, first, last := out, true, &out
			for c := range categories(n) {
				if first {
					out.split, first = float64(c), false
					continue
				}
				link.id, link.split = next, float64(c)
				last.right = next
				next++
				chains = append(chains, link)
				last = &chains[len(chains)-1]
			}
		}
		e.push(out)
	}
	for i := range t.Leaves {
		e.push(branch{mode: modeLeaf, tree: id, id: nodes + int64(i)})
		e.leafTree, e.leaf = append(e.leafTree, id), append(e.leaf, nodes+int64(i))
		e.target, e.weight = append(e.target, int64(output)), append(e.weight, value(i))
	}
	for _, n := range chains {
		e.push(n)
	}
}

// threshold returns the number that replaces threshold t in the file.
func (e *ensemble) threshold(t float64) float64 {
	switch {
	case e.b.form == Single:
		return float64(roundDown(t))
	case e.m.Float32:
		return boundary(roundDown(t))
	}
	return t
}

// roundDown returns the largest float32 <= t: x <= t for the same float32 x.
func roundDown(t float64) float32 {
	f := float32(t)
	if float64(f) > t {
		f = math.Nextafter32(f, float32(math.Inf(-1)))
	}
	return f
}

// boundary returns the largest float64 that rounds to t or below: x <= boundary(t) for the
// x whose float32 is <= t. A graph that has it need not round its rows. Two Casts would:
// ONNX Runtime 1.16 takes them out.
func boundary(t float32) float64 {
	const beyond = 0x1p128 // the successor of the greatest float32, for rounding
	finite := func(x float32) float64 { return max(-beyond, min(float64(x), beyond)) }
	if math.IsInf(float64(t), 1) {
		return math.Inf(1)
	}
	middle := (finite(t) + finite(math.Nextafter32(t, float32(math.Inf(1))))) / 2
	if float32(middle) <= t {
		return middle
	}
	return math.Nextafter(middle, math.Inf(-1))
}

// numbers is an attribute of ai.onnx.ml 3: a tensor of DOUBLE, or floats in the form
// Single.
func (e *ensemble) numbers(name string, x []float64) Attr {
	if e.b.form != Single {
		return Attr{name + "_as_tensor", NewTensor("", x)}
	}
	f := make(Floats, len(x))
	for i, v := range x {
		f[i] = float32(v)
	}
	return Attr{name, f}
}

// node adds the trees to the graph as one node.
func (e *ensemble) node(x Value, targets int) Value {
	missing := Attr{"nodes_missing_value_tracks_true", Ints(e.missing)} // even if all are 0: onnx's ReferenceEvaluator needs it
	if !e.classic {
		attrs := []Attr{
			{"aggregate_function", Int(1)}, // the sum
			{"leaf_targetids", Ints(e.target)},
			{"leaf_weights", NewTensor("", e.weight)},
		}
		if len(e.members) > 0 {
			attrs = append(attrs, Attr{"membership_values", NewTensor("", e.members)})
		}
		attrs = append(attrs, Attr{"n_targets", Int(targets)},
			Attr{"nodes_falseleafs", Ints(e.rightLeaf)},
			Attr{"nodes_falsenodeids", Ints(e.right)},
			Attr{"nodes_featureids", Ints(e.feature)},
			missing,
			Attr{"nodes_modes", NewTensor("", e.mode)},
			Attr{"nodes_splits", NewTensor("", e.split)},
			Attr{"nodes_trueleafs", Ints(e.leftLeaf)},
			Attr{"nodes_truenodeids", Ints(e.left)},
			Attr{"tree_roots", Ints(e.roots)})
		return e.b.Node(Node{Op: "TreeEnsemble", Domain: ML, Attrs: attrs}, 1, x)[0]
	}
	for i, w := range e.weight {
		if math.Abs(w) > math.MaxFloat32 {
			e.b.fail("trees: %w: leaf %d of tree %d adds %v, which float32 cannot hold: use the form exact",
				ErrUnsupported, e.leaf[i], e.leafTree[i], w)
			return Value{}
		}
	}
	modes := make(Strings, len(e.mode))
	for i, mode := range e.mode {
		switch mode {
		case branchLEQ:
			modes[i] = "BRANCH_LEQ"
		case branchEQ:
			modes[i] = "BRANCH_EQ"
		case modeLeaf:
			modes[i] = "LEAF"
		}
	}
	attrs := []Attr{
		{"aggregate_function", String("SUM")},
		{"n_targets", Int(targets)},
		{"nodes_falsenodeids", Ints(e.right)},
		{"nodes_featureids", Ints(e.feature)},
	}
	attrs = append(attrs,
		missing,
		Attr{"nodes_modes", modes},
		Attr{"nodes_nodeids", Ints(e.nodeID)},
		Attr{"nodes_treeids", Ints(e.treeID)},
		Attr{"nodes_truenodeids", Ints(e.left)},
		e.numbers("nodes_values", e.split),
		Attr{"target_ids", Ints(e.target)},
		Attr{"target_nodeids", Ints(e.leaf)},
		Attr{"target_treeids", Ints(e.leafTree)},
		e.numbers("target_weights", e.weight))
	return e.b.Node(Node{Op: "TreeEnsembleRegressor", Domain: ML, Attrs: attrs}, 1, x)[0]
}

// linear adds a model with linear leaves. Each tree has its own output, the number of the leaf. Constants and
// coefficients are looked up by this number, and multiplied and added in the order of the predictor.
func (b *Builder) linear(e *ensemble, x, rows Value) Value {
	m := e.m
	var (
		constant, fallback []float64 // by leaf
		features           [][]int64 // by place in the leaf's list, then by leaf
		coefs              [][]float64
	)
	for i := range m.Trees {
		first := len(constant)
		for j := range m.Trees[i].Leaves {
			l := &m.Trees[i].Leaves[j]
			c := l.Value
			if l.Linear != nil {
				c = l.Linear.Const
			}
			constant, fallback = append(constant, c), append(fallback, l.Value)
		}
		e.add(&m.Trees[i], i, func(leaf int) float64 { return float64(first + leaf) })
	}
	if b.err != nil {
		return Value{}
	}
	leaves := len(constant)
	if e.classic && leaves > 1<<24 {
		b.fail("trees: %w: %d linear leaves in the form %v, at most %d", ErrUnsupported, leaves, b.form, 1<<24)
		return Value{}
	}
	width := int64(len(m.Features))
	at := 0
	for i := range m.Trees {
		for j := range m.Trees[i].Leaves {
			if lin := m.Trees[i].Leaves[j].Linear; lin != nil {
				for k, f := range lin.Features {
					if k == len(features) { // a column of zeros follows the features
						features, coefs = append(features, slices.Repeat([]int64{width}, leaves)), append(coefs, make([]float64, leaves))
					}
					features[k][at], coefs[k][at] = int64(f), lin.Coefs[k]
				}
			}
			at++
		}
	}
	ids := b.Cast(e.node(x, len(m.Trees)), Int64) // [batch, trees]
	row := b.Cast(rows, Float64)
	if m.Float32 && rows.Type == Float64 { // Neg keeps the Casts apart: see boundary
		single := b.Op("Neg", nil, b.Cast(row, Float32))
		row = b.Op("Neg", nil, b.Cast(single, Float64))
	}
	// A column of zeros, made from the first feature so that it has the batch's size.
	zero := b.Op("Where", nil, b.Const(NewTensor("", []bool{true}, 1, 1)), b.Const(NewTensor("", []float64{0}, 1, 1)), b.Slice(row, 1, 0, 1))
	row = b.Concat(1, row, zero)
	lookUp := func(t Tensor) Value { return b.Op("Gather", []Attr{{"axis", Int(0)}}, b.Const(t), ids) }
	sum := lookUp(NewTensor("", constant))
	var missing Value
	for k := range features {
		v := b.Op("GatherElements", []Attr{{"axis", Int(1)}}, row, lookUp(NewTensor("", features[k])))
		nan := b.Op("IsNaN", nil, v)
		if k == 0 {
			missing = nan
		} else {
			missing = b.Op("Or", nil, missing, nan)
		}
		sum = b.Op("Add", nil, sum, b.Op("Mul", nil, lookUp(NewTensor("", coefs[k])), v))
	}
	if len(features) > 0 {
		sum = b.Op("Where", nil, missing, lookUp(NewTensor("", fallback)), sum)
	}
	var outs []Value
	for o := range m.Outputs {
		var of []int64
		for i := range m.Trees {
			if m.Trees[i].Output == o {
				of = append(of, int64(i))
			}
		}
		base := 0.0
		if m.Base != nil {
			base = m.Base[o]
		}
		parts := []Value{b.Op("Add", nil, zero, b.Number(zero, base))}
		if len(of) > 0 {
			parts = append(parts, b.Gather(sum, 1, of...))
		}
		outs = append(outs, b.Sum(b.Concat(1, parts...)))
	}
	return b.Cast(b.average(m, b.Concat(1, outs...)), rows.Type)
}

// Link adds the function that turns raw outputs into predictions, [batch, outputs].
func (b *Builder) Link(l tree.Link, x Value) Value {
	s := l.Scale
	if s == 0 {
		s = 1
	}
	switch l.Func {
	case tree.Identity:
		return x
	case tree.Sigmoid:
		if s != 1 {
			x = b.Op("Mul", nil, x, b.Number(x, s))
		}
		return b.Op("Sigmoid", nil, x)
	case tree.Softmax:
		return b.Op("Softmax", []Attr{{"axis", Int(-1)}}, x)
	case tree.Exp:
		return b.Op("Exp", nil, x)
	case tree.Square:
		return b.Op("Mul", nil, x, b.Op("Abs", nil, x))
	case tree.Softplus: // max(x, 0) + log(1+exp(-|x|))
		small := b.Op("Exp", nil, b.Op("Neg", nil, b.Op("Abs", nil, x)))
		return b.Op("Add", nil, b.Op("Max", nil, x, b.Number(x, 0)), b.Log1p(small))
	case tree.Step:
		return b.Cast(b.Op("Greater", nil, x, b.Number(x, 0)), x.Type)
	case tree.Anomaly:
		return b.Op("Pow", nil, b.Number(x, 2), b.Op("Div", nil, b.Op("Neg", nil, x), b.Number(x, s)))
	case tree.MeanVariance:
		variance := b.Op("Exp", nil, b.Op("Mul", nil, b.Slice(x, 1, 1, 2), b.Number(x, 2)))
		return b.Concat(1, b.Slice(x, 1, 0, 1), variance)
	}
	b.fail("link %v: %w", l.Func, ErrUnsupported)
	return Value{}
}
