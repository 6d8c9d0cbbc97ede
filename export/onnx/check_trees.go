package onnx

import (
	"errors"
	"fmt"
	"math"
)

// treeRules are the rules of ai.onnx.ml.
var treeRules = map[string]rule{
	"TreeEnsemble":          {1, inferTreeEnsemble},
	"TreeEnsembleRegressor": {1, inferTreeRegressor},
}

// targets is the shape of a tree ensemble's output.
func targets(in fact, n int64) []Dim {
	rows := Unknown
	if len(in.dims) == 2 {
		rows = in.dims[0]
	}
	return []Dim{rows, {Size: n}}
}

// sameLength returns the lists of integers of these names; those that are missing
// are nil, the others must be of one length.
func sameLength(n *Node, length int, names ...string) ([][]int64, error) {
	lists := make([][]int64, len(names))
	for i, name := range names {
		v := n.Attr(name)
		if v == nil {
			continue
		}
		list, ok := v.(Ints)
		if !ok {
			return nil, fmt.Errorf("attribute %s is no list of integers", name)
		}
		if len(list) != length {
			return nil, fmt.Errorf("attribute %s: %d values for %d", name, len(list), length)
		}
		lists[i] = list
	}
	return lists, nil
}

// featuresExist sees whether the features asked for are there.
func featuresExist(in fact, ids []int64) error {
	if in.ranked() && len(in.dims) > 2 {
		return fmt.Errorf("rows of %d dimensions", len(in.dims))
	}
	width := in.last()
	for i, f := range ids {
		if f < 0 || width.known() && f >= width.Size {
			return fmt.Errorf("tree node %d asks for feature %d of %v", i, f, width)
		}
	}
	return nil
}

// colours of a search in depth: nodes never met, those on the way, those done.
const (
	white = iota
	grey
	black
)

// acyclic follows the children of nodes from a root, -1 for none; it fails when it
// comes back to a node on its way.
func acyclic(root int, colour []uint8, children func(i int) [2]int) error {
	if colour[root] == black {
		return nil
	}
	stack := []int{root}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		if colour[i] != white {
			colour[i] = black
			stack = stack[:len(stack)-1]
			continue
		}
		colour[i] = grey
		for _, c := range children(i) {
			switch {
			case c < 0 || colour[c] == black:
			case colour[c] == grey:
				return fmt.Errorf("tree node %d leads back to node %d", i, c)
			default:
				stack = append(stack, c)
			}
		}
	}
	return nil
}

func inferTreeEnsemble(n *Node, in []fact) ([]fact, error) {
	outputs := attrInteger(n, "n_targets", 1)
	splits, ok1 := n.Attr("nodes_splits").(Tensor)
	modes, ok2 := n.Attr("nodes_modes").(Tensor)
	weights, ok3 := n.Attr("leaf_weights").(Tensor)
	if !ok1 || !ok2 || !ok3 || outputs < 1 || modes.Type != Uint8 || splits.Type != weights.Type {
		return nil, errors.New("nodes_splits, nodes_modes or leaf_weights are missing or of a wrong type, or there are no targets")
	}
	for _, t := range []Tensor{splits, modes, weights} {
		if err := t.check(); err != nil {
			return nil, err
		}
	}
	if f := in[0].typ; splits.Type != Float32 && splits.Type != Float64 && splits.Type != Float16 || f != 0 && f != splits.Type {
		return nil, fmt.Errorf("rows of %v for splits of %v", f, splits.Type)
	}
	nodes, leaves := len(modes.Raw), len(weights.Raw)/weights.Type.size()
	if len(splits.Raw)/splits.Type.size() != nodes {
		return nil, fmt.Errorf("%d splits for %d modes", len(splits.Raw)/splits.Type.size(), nodes)
	}
	lists, err := sameLength(n, nodes, "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs",
		"nodes_missing_value_tracks_true")
	if err != nil {
		return nil, err
	}
	for i, l := range lists[:5] {
		if l == nil && nodes > 0 {
			return nil, fmt.Errorf("list %d of the nodes is missing", i)
		}
	}
	if err := featuresExist(in[0], lists[0]); err != nil {
		return nil, err
	}
	sets := 0
	for i := range nodes {
		for side := range 2 {
			child, leaf := lists[1+side][i], lists[3+side][i]
			most := nodes
			if leaf != 0 {
				most = leaves
			}
			if leaf != 0 && leaf != 1 || child < 0 || child >= int64(most) {
				return nil, fmt.Errorf("tree node %d leads to %d (leaf: %d) of %d nodes and %d leaves", i, child, leaf, nodes, leaves)
			}
		}
		switch mode := modes.Raw[i]; {
		case mode > branchMember:
			return nil, fmt.Errorf("tree node %d has the unknown mode %d", i, mode)
		case mode == branchMember:
			sets++
		}
	}
	if err := membership(n, splits.Type, sets); err != nil {
		return nil, err
	}
	ids, err := sameLength(n, leaves, "leaf_targetids")
	if err != nil {
		return nil, err
	}
	if ids[0] == nil {
		return nil, errors.New("no leaf_targetids")
	}
	for i, t := range ids[0] {
		if t < 0 || t >= outputs {
			return nil, fmt.Errorf("leaf %d adds to target %d of %d", i, t, outputs)
		}
	}
	roots, _ := n.Attr("tree_roots").(Ints)
	if len(roots) == 0 {
		return nil, errors.New("it has no trees")
	}
	colour := make([]uint8, nodes)
	for _, r := range roots {
		if r < 0 || r >= int64(nodes) {
			return nil, fmt.Errorf("root %d of %d nodes", r, nodes)
		}
		err := acyclic(int(r), colour, func(i int) [2]int {
			c := [2]int{-1, -1}
			for side := range 2 {
				if lists[3+side][i] == 0 {
					c[side] = int(lists[1+side][i])
				}
			}
			return c
		})
		if err != nil {
			return nil, err
		}
	}
	return []fact{{splits.Type, targets(in[0], outputs), nil}}, nil
}

// membership counts the sets of values, each of which ends in a NaN.
func membership(n *Node, typ DataType, sets int) error {
	v := n.Attr("membership_values")
	if v == nil {
		if sets > 0 {
			return fmt.Errorf("%d nodes ask for members, and there are no membership_values", sets)
		}
		return nil
	}
	t, ok := v.(Tensor)
	if !ok || t.Type != typ {
		return fmt.Errorf("membership_values are no tensor of %v", typ)
	}
	ends := 0
	switch typ {
	case Float64:
		all, err := Values[float64](t)
		if err != nil {
			return err
		}
		for _, x := range all {
			if math.IsNaN(x) {
				ends++
			}
		}
	case Float32:
		all, err := Values[float32](t)
		if err != nil {
			return err
		}
		for _, x := range all {
			if x != x {
				ends++
			}
		}
	default:
		return nil
	}
	if ends != sets {
		return fmt.Errorf("%d sets of members for %d nodes that ask for them", ends, sets)
	}
	return nil
}

// indexNodes returns a function that finds where a node of a tree is listed. Mostly
// trees are listed one after the other, their nodes numbered from 0: then a table
// does; a map else.
func indexNodes(tree, node []int64) (find func(tree, node int64) (int, bool), err error) {
	type id struct{ tree, node int64 }
	table := make([]int, len(tree)) // of each tree, at its place, where node 0, 1, ... is
	starts := map[int64][2]int{}    // and the place and the number of nodes
	dense := true
	for i := 0; i < len(tree) && dense; {
		from := i
		for i < len(tree) && tree[i] == tree[from] {
			table[i] = -1
			i++
		}
		_, again := starts[tree[from]]
		starts[tree[from]] = [2]int{from, i - from}
		dense = !again
		for k := from; k < i && dense; k++ {
			if dense = node[k] >= 0 && node[k] < int64(i-from); dense {
				at := &table[from+int(node[k])]
				if *at >= 0 {
					return nil, fmt.Errorf("tree %d has node %d twice", tree[k], node[k])
				}
				*at = k
			}
		}
	}
	if dense {
		return func(tree, node int64) (int, bool) {
			s, ok := starts[tree]
			if !ok || node < 0 || node >= int64(s[1]) {
				return 0, false
			}
			return table[s[0]+int(node)], true
		}, nil
	}
	index := make(map[id]int, len(tree))
	for i := range tree {
		at := id{tree[i], node[i]}
		if _, ok := index[at]; ok {
			return nil, fmt.Errorf("tree %d has node %d twice", at.tree, at.node)
		}
		index[at] = i
	}
	return func(tree, node int64) (int, bool) {
		i, ok := index[id{tree, node}]
		return i, ok
	}, nil
}

func inferTreeRegressor(n *Node, in []fact) ([]fact, error) {
	outputs := attrInteger(n, "n_targets", 1)
	modes, ok := n.Attr("nodes_modes").(Strings)
	if !ok || outputs < 1 {
		return nil, errors.New("no nodes_modes, or no targets")
	}
	lists, err := sameLength(n, len(modes), "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids",
		"nodes_missing_value_tracks_true")
	if err != nil {
		return nil, err
	}
	for i, l := range lists[:5] {
		if l == nil && len(modes) > 0 {
			return nil, fmt.Errorf("list %d of the nodes is missing", i)
		}
	}
	count := func(plain, tensor string) int {
		if v, ok := n.Attr(plain).(Floats); ok {
			return len(v)
		}
		if t, ok := n.Attr(tensor).(Tensor); ok && t.check() == nil {
			return len(t.Raw) / t.Type.size()
		}
		return -1
	}
	if values := count("nodes_values", "nodes_values_as_tensor"); values != len(modes) {
		return nil, fmt.Errorf("%d values for %d nodes", values, len(modes))
	}
	if base := count("base_values", "base_values_as_tensor"); base >= 0 && int64(base) != outputs {
		return nil, fmt.Errorf("%d base values for %d targets", base, outputs)
	}
	if err := featuresExist(in[0], lists[2]); err != nil {
		return nil, err
	}
	find, err := indexNodes(lists[0], lists[1])
	if err != nil {
		return nil, err
	}
	children := make([][2]int, len(modes))
	leaf := func(i int) bool { return modes[i] == "LEAF" }
	for i, mode := range modes {
		children[i] = [2]int{-1, -1}
		switch mode {
		case "LEAF":
			continue
		case "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ":
		default:
			return nil, fmt.Errorf("tree node %d has the unknown mode %q", i, mode)
		}
		for side := range 2 {
			tree, to := lists[0][i], lists[3+side][i]
			c, ok := find(tree, to)
			if !ok {
				return nil, fmt.Errorf("tree %d has no node %d, a child of node %d", tree, to, lists[1][i])
			}
			children[i][side] = c
		}
	}
	colour := make([]uint8, len(modes))
	for i := range modes {
		if err := acyclic(i, colour, func(i int) [2]int { return children[i] }); err != nil {
			return nil, err
		}
	}
	ids, _ := n.Attr("target_ids").(Ints)
	at, err := sameLength(n, len(ids), "target_treeids", "target_nodeids")
	if err != nil {
		return nil, err
	}
	if weights := count("target_weights", "target_weights_as_tensor"); weights != len(ids) || len(ids) > 0 && (at[0] == nil || at[1] == nil) {
		return nil, fmt.Errorf("%d weights for %d targets of leaves", weights, len(ids))
	}
	for i, t := range ids {
		c, ok := find(at[0][i], at[1][i])
		if !ok || !leaf(c) || t < 0 || t >= outputs {
			return nil, fmt.Errorf("weight %d is for target %d of %d at node %d of tree %d, which must be a leaf", i, t, outputs, at[1][i], at[0][i])
		}
	}
	return []fact{{Float32, targets(in[0], outputs), nil}}, nil
}
