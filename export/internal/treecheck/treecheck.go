// Package treecheck checks the tree ensembles in ONNX files: the operators TreeEnsemble,
// TreeEnsembleRegressor and TreeEnsembleClassifier of ai.onnx.ml. ONNX Runtime trusts
// their arrays: an invalid child or target crashes the process or corrupts memory.
package treecheck

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// An Attr is an attribute of a node.
type Attr struct {
	Int   int64
	Ints  []int64
	Modes []Mode // modes in a list of strings
	N     int    // number of values of a list or a tensor; -1 if it does not match the dimensions
	Type  int64  // TensorProto.DataType of a tensor; 0 if it is not a tensor
	Raw   []byte // elements of a tensor, little-endian
}

// A Mode is what a node does.
type Mode uint8

const (
	unknown Mode = iota
	branch
	leaf
)

// ModeOf returns the mode of a node of TreeEnsembleRegressor and TreeEnsembleClassifier.
func ModeOf[T string | []byte](s T) Mode {
	switch string(s) {
	case "LEAF":
		return leaf
	case "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ":
		return branch
	}
	return unknown
}

// The element types of trees.
const (
	Float  = 1
	Uint8  = 2
	Double = 11
)

// Limits of counts that numbers in a file can reach.
const (
	maxFeature = math.MaxInt32
	maxTargets = 1 << 20
	// MaxDepth is the maximum number of nodes above a leaf. ONNX Runtime descends trees by
	// recursion when it loads them: 10,000 nodes worked, 100,000 crashed the process.
	MaxDepth = 5000
)

// Node checks the attributes of a node and returns its number of targets. The rows of the
// node have width values; width is negative if unknown. For other operators Node reports
// no error and no targets.
func Node(op string, attrs map[string]Attr, width int64) (targets int64, err error) {
	if width < 0 {
		width = maxFeature
	}
	a := node{attrs, width}
	switch op {
	case "TreeEnsemble":
		targets, err = attrs["n_targets"].Int, a.ensemble()
	case "TreeEnsembleRegressor":
		targets, err = attrs["n_targets"].Int, a.classic("target", attrs["n_targets"].Int)
	case "TreeEnsembleClassifier":
		targets = int64(max(attrs["classlabels_strings"].N, attrs["classlabels_int64s"].N))
		err = a.classic("class", targets)
	}
	return targets, err
}

type node struct {
	attrs map[string]Attr
	width int64
}

// need checks that the attributes have n values each. Optional ones may have none.
func (a node) need(n int, optional bool, names ...string) error {
	for _, name := range names {
		switch got := a.attrs[name].N; {
		case got < 0:
			return fmt.Errorf("%s holds fewer or more values than it declares", name)
		case got != n && !(optional && got == 0):
			return fmt.Errorf("%s has %d values, want %d", name, got, n)
		}
	}
	return nil
}

// lists checks that the attributes are lists of n integers each.
func (a node) lists(n int, names ...string) error {
	for _, name := range names {
		if len(a.attrs[name].Ints) != n {
			return fmt.Errorf("%s has %d values, want %d", name, len(a.attrs[name].Ints), n)
		}
	}
	return a.need(n, false, names...)
}

func (a node) within(name string, end int64) error {
	for i, v := range a.attrs[name].Ints {
		if uint64(v) >= uint64(end) {
			return fmt.Errorf("%s[%d] is %d, want 0 to %d", name, i, v, end-1)
		}
	}
	return nil
}

// ensemble checks a TreeEnsemble of ai.onnx.ml 5.
func (a node) ensemble() error {
	modes, n, leaves := a.attrs["nodes_modes"], len(a.attrs["nodes_featureids"].Ints), a.attrs["leaf_weights"].N
	targets, roots := a.attrs["n_targets"].Int, a.attrs["tree_roots"].Ints
	kind := a.attrs["nodes_splits"].Type
	switch sum, post := a.attrs["aggregate_function"].Int, a.attrs["post_transform"].Int; {
	case n == 0 || n > math.MaxInt32 || leaves < 1 || targets < 1 || targets > maxTargets || len(roots) == 0:
		return errors.New("it has no nodes, leaves, roots or targets")
	case kind != Float && kind != Double || a.attrs["leaf_weights"].Type != kind:
		return errors.New("its splits and weights are not both float or both double")
	case sum < 0 || sum > 3 || post < 0 || post > 4:
		return fmt.Errorf("aggregate_function is %d and post_transform %d, want 0 to 3 and 0 to 4", sum, post)
	case modes.Type != Uint8:
		return errors.New("nodes_modes is not of uint8")
	}
	if err := cmp.Or(
		a.need(n, false, "nodes_splits", "nodes_modes"),
		a.need(n, true, "nodes_hitrates", "nodes_missing_value_tracks_true"),
		a.lists(len(roots), "tree_roots"),
		a.lists(n, "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs"),
		a.lists(leaves, "leaf_targetids"),
		a.within("nodes_featureids", a.width),
		a.within("leaf_targetids", targets),
		a.within("tree_roots", int64(n)),
		a.within("nodes_trueleafs", 2), a.within("nodes_falseleafs", 2),
		a.within("nodes_missing_value_tracks_true", 2),
	); err != nil {
		return err
	}
	sets := 0
	for i, m := range modes.Raw {
		if m > 6 {
			return fmt.Errorf("nodes_modes[%d] is %d, want 0 to 6", i, m)
		}
		if m == 6 { // BRANCH_MEMBER
			sets++
		}
	}
	if err := a.members(sets, kind); err != nil {
		return err
	}
	children := make([][2]int32, n)
	for side, name := range []string{"nodes_truenodeids", "nodes_falsenodeids"} {
		leafs := a.attrs[[]string{"nodes_trueleafs", "nodes_falseleafs"}[side]].Ints
		for i, child := range a.attrs[name].Ints {
			end := n
			if leafs[i] == 1 {
				end = leaves
			}
			if uint64(child) >= uint64(end) {
				return fmt.Errorf("a child of node %d is %d, of %d", i, child, end)
			}
			if leafs[i] == 1 {
				child = -1
			}
			children[i][side] = int32(child)
		}
	}
	return walk(children, MaxDepth)
}

// members checks the sets that nodes test for membership: each ends with a NaN.
func (a node) members(sets int, kind int64) error {
	m := a.attrs["membership_values"]
	if m.N != 0 && m.Type != kind {
		return errors.New("membership_values is of another type than the splits")
	}
	if err := a.need(max(m.N, 0), false, "membership_values"); err != nil {
		return err
	}
	ends := 0
	for i := range m.N {
		var x float64
		if kind == Float {
			x = float64(math.Float32frombits(binary.LittleEndian.Uint32(m.Raw[4*i:])))
		} else {
			x = math.Float64frombits(binary.LittleEndian.Uint64(m.Raw[8*i:]))
		}
		if math.IsNaN(x) {
			ends++
		}
	}
	if ends != sets {
		return fmt.Errorf("membership_values has %d sets for %d nodes", ends, sets)
	}
	return nil
}

// classic checks a TreeEnsembleRegressor or TreeEnsembleClassifier of ai.onnx.ml 1 to
// 3, whose leaves add to the given number of targets. The first node of a tree is its root.
func (a node) classic(what string, targets int64) error {
	trees, nodes, modes := a.attrs["nodes_treeids"].Ints, a.attrs["nodes_nodeids"].Ints, a.attrs["nodes_modes"].Modes
	n, at := len(trees), a.attrs[what+"_treeids"].Ints
	if n == 0 || n > math.MaxInt32 || len(at) == 0 || targets < 1 || targets > maxTargets {
		return fmt.Errorf("it has no nodes, leaves or %s ids", what)
	}
	values, weights := "nodes_values", what+"_weights"
	for _, name := range []*string{&values, &weights} {
		if t := a.attrs[*name+"_as_tensor"]; t.Type != 0 {
			*name += "_as_tensor"
			if t.Type != Float && t.Type != Double {
				return fmt.Errorf("%s is neither of float nor of double", *name)
			}
		}
	}
	base := int(targets)
	if what == "class" && targets == 2 && a.attrs["base_values"].N == 1 {
		base = 1 // one number may represent two classes
	}
	if len(modes) != n {
		return fmt.Errorf("nodes_modes has %d values, want %d", len(modes), n)
	}
	if err := cmp.Or(
		a.lists(n, "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"),
		a.need(n, false, "nodes_modes", values),
		a.need(n, true, "nodes_hitrates", "nodes_hitrates_as_tensor", "nodes_missing_value_tracks_true"),
		a.lists(len(at), what+"_treeids", what+"_nodeids", what+"_ids"),
		a.need(len(at), false, weights),
		a.need(base, true, "base_values", "base_values_as_tensor"),
		a.within("nodes_featureids", a.width),
		a.within(what+"_ids", targets),
	); err != nil {
		return err
	}
	in, err := newIndex(trees, nodes)
	if err != nil {
		return err
	}
	children := make([][2]int32, n)
	yes, no := a.attrs["nodes_truenodeids"].Ints, a.attrs["nodes_falsenodeids"].Ints
	for i, mode := range modes {
		switch mode {
		case leaf:
			children[i] = [2]int32{-1, -1}
			continue
		case unknown:
			return fmt.Errorf("nodes_modes[%d] is unknown", i)
		}
		for side, child := range [2]int64{yes[i], no[i]} {
			c := in.find(trees[i], child)
			if c < 0 {
				return fmt.Errorf("a child of node %d of tree %d is %d, which does not exist", nodes[i], trees[i], child)
			}
			children[i][side] = c
		}
	}
	for i, id := range a.attrs[what+"_nodeids"].Ints {
		if to := in.find(at[i], id); to < 0 || modes[to] != leaf {
			return fmt.Errorf("%s_nodeids[%d] is %d, which is not a leaf of tree %d", what, i, id, at[i])
		}
	}
	return walk(children, MaxDepth+1) // leaves are nodes
}

// An index finds the nodes of trees in their list. Usually the nodes of a tree are numbered
// from 0; a table then holds the places of node 0, 1 and so on. Other nodes are in a map.
type index struct {
	trees map[int64]span
	last  span    // span of the last query
	table []int32 // -1 if absent
	far   map[[2]int64]int32
}

// A span is the range of the nodes of a tree in the list.
type span struct {
	tree     int64
	from, to int
}

func newIndex(trees, nodes []int64) (*index, error) {
	in := &index{trees: map[int64]span{}, table: make([]int32, len(trees)), far: map[[2]int64]int32{}}
	for from, to := 0, 0; from < len(trees); from = to {
		for to = from; to < len(trees) && trees[to] == trees[from]; to++ {
			in.table[to] = -1
		}
		in.last = span{trees[from], from, to}
		if _, again := in.trees[trees[from]]; again {
			return nil, fmt.Errorf("the nodes of tree %d are not side by side", trees[from])
		}
		in.trees[trees[from]] = in.last
		for i := from; i < to; i++ {
			id := nodes[i]
			if in.find(trees[i], id) >= 0 {
				return nil, fmt.Errorf("node %d of tree %d is duplicated", id, trees[i])
			}
			if id >= 0 && id < int64(to-from) {
				in.table[from+int(id)] = int32(i)
			} else {
				in.far[[2]int64{trees[i], id}] = int32(i)
			}
		}
	}
	return in, nil
}

// find returns the place of a node of a tree in the list, or -1.
func (in *index) find(tree, node int64) int32 {
	if tree != in.last.tree {
		s, ok := in.trees[tree]
		if !ok {
			return -1
		}
		in.last = s
	}
	if node >= 0 && node < int64(in.last.to-in.last.from) {
		return in.table[in.last.from+int(node)]
	}
	if i, ok := in.far[[2]int64{tree, node}]; ok {
		return i
	}
	return -1
}

// walk descends from each node to its children; a child of -1 means none. It returns an
// error if a node is its own descendant, or if there are more than most levels. Several
// nodes may share a child, because sets of categories are written as chains that do.
func walk(children [][2]int32, most int32) error {
	const above = -1
	levels := make([]int32, len(children)) // number of levels from a node down; 0 if not yet known
	for i := len(children) - 1; i >= 0; i-- {
		levels[i] = level(children[i], levels) // usually children come after their parents
	}
	var stack []int32
	for root := range children {
		stack = append(stack[:0], int32(root))
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			if levels[i] != 0 {
				if levels[i] == above { // the levels of its children are now known
					levels[i] = level(children[i], levels)
				}
				stack = stack[:len(stack)-1]
				continue
			}
			levels[i] = above
			for _, c := range children[i] {
				switch {
				case c < 0:
				case levels[c] == above:
					return fmt.Errorf("node %d is below itself", i)
				case levels[c] == 0:
					stack = append(stack, c)
				}
			}
		}
	}
	if slices.Max(levels) > most {
		return fmt.Errorf("it has a tree of more than %d levels", most)
	}
	return nil
}

// level returns the number of levels from a node down, or 0 if that of a child is unknown.
func level(children [2]int32, levels []int32) int32 {
	n := int32(1)
	for _, c := range children {
		if c < 0 {
			continue
		}
		if levels[c] <= 0 {
			return 0
		}
		n = max(n, levels[c]+1)
	}
	return n
}
