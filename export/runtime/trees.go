package runtime

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The library trusts the arrays of a tree ensemble: a child or a target that is not
// there ends the process, or is a write to foreign memory. So they are looked at
// before.

// maxDepth bounds graphs within graphs.
const maxDepth = 16

// checkNode looks at a NodeProto, and at the graphs in it.
func checkNode(node []byte, depth int) error {
	var op, domain string
	attrs := map[string]attribute{}
	err := fields(node, func(f field) error {
		switch f.number {
		case 4: // op_type
			op = string(f.bytes)
		case 5: // attribute
			a, name, err := readAttribute(f.bytes, depth)
			if _, twice := attrs[name]; twice && err == nil {
				err = fmt.Errorf("an attribute %q of a node is there twice", name)
			}
			attrs[name] = a
			return err
		case 7: // domain
			domain = string(f.bytes)
		}
		return nil
	})
	if err != nil || domain != "ai.onnx.ml" {
		return err
	}
	switch op {
	case "TreeEnsemble":
		err = checkEnsemble(attrs)
	case "TreeEnsembleRegressor":
		err = checkClassic(attrs, "target", attrs["n_targets"].i)
	case "TreeEnsembleClassifier":
		err = checkClassic(attrs, "class", int64(max(attrs["classlabels_strings"].n, attrs["classlabels_int64s"].n)))
	}
	if err != nil {
		return fmt.Errorf("its %s is damaged: %w", op, err)
	}
	return nil
}

// checkGraph looks at the nodes of a GraphProto.
func checkGraph(graph []byte, depth int) error {
	if depth > maxDepth {
		return errors.New("its graphs are nested too deeply")
	}
	return fields(graph, func(f field) error {
		if f.number == 1 { // node
			return checkNode(f.bytes, depth)
		}
		return nil
	})
}

// An attribute of a node.
type attribute struct {
	i       int64
	ints    []int64
	strings []string
	n       int // values of a list, or of a tensor; -1 when its sizes tell another number
	tensor  tensorHead
}

type tensorHead struct {
	kind  uint64
	bytes []byte // values of uint8
}

// The numbers of TensorProto.DataType that trees are made of.
const (
	typeFloat  = 1
	typeUint8  = 2
	typeDouble = 11
)

// readAttribute reads an AttributeProto.
func readAttribute(b []byte, depth int) (attribute, string, error) {
	var a attribute
	var name string
	err := fields(b, func(f field) error {
		switch f.number {
		case 1: // name
			name = string(f.bytes)
		case 3: // i
			a.i = int64(f.value)
		case 5: // t
			if a.tensor.kind != 0 {
				return errCut
			}
			return a.readTensor(f.bytes)
		case 6, 11: // g, graphs
			return checkGraph(f.bytes, depth+1)
		case 7: // floats
			n, err := f.floats(wire32, 4)
			a.n += n
			return err
		case 8: // ints
			err := f.ints(func(v uint64) { a.ints = append(a.ints, int64(v)) })
			a.n = len(a.ints)
			return err
		case 9: // strings
			a.strings = append(a.strings, string(f.bytes))
			a.n = len(a.strings)
		}
		return nil
	})
	return a, name, err
}

// floats counts the values of a repeated field of numbers of so many bytes: the field
// holds one, or several packed.
func (f field) floats(wire uint64, width int) (int, error) {
	switch {
	case f.wire == wire:
		return 1, nil
	case f.wire == wireBytes && len(f.bytes)%width == 0:
		return len(f.bytes) / width, nil
	}
	return 0, errCut
}

// ints is likewise for integers.
func (f field) ints(yield func(uint64)) error {
	switch f.wire {
	case wireVarint:
		yield(f.value)
		return nil
	case wireBytes:
		for p := f.bytes; len(p) > 0; {
			v, n := binary.Uvarint(p)
			if n <= 0 {
				return errCut
			}
			yield(v)
			p = p[n:]
		}
		return nil
	}
	return errCut
}

// readTensor reads a TensorProto.
func (a *attribute) readTensor(b []byte) error {
	size := int64(1)
	var values, raw int
	err := fields(b, func(f field) error {
		switch f.number {
		case 1: // dims
			return f.ints(func(v uint64) { size *= int64(v) })
		case 2: // data_type
			a.tensor.kind = f.value
		case 4: // float_data
			n, err := f.floats(wire32, 4)
			values += n
			return err
		case 5: // int32_data, which holds uint8 too
			return f.ints(func(v uint64) { a.tensor.bytes = append(a.tensor.bytes, byte(min(v, math.MaxUint8))) })
		case 9: // raw_data
			raw = len(f.bytes)
			a.tensor.bytes = f.bytes
		case 10: // double_data
			n, err := f.floats(wire64, 8)
			values += n
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	width := map[uint64]int{typeFloat: 4, typeUint8: 1, typeDouble: 8}[a.tensor.kind]
	switch {
	case width == 0:
		return nil // what needs it refuses its type
	case raw > 0 && raw%width != 0:
		values = -1
	case raw > 0:
		values = raw / width
	case width == 1:
		values = len(a.tensor.bytes)
	}
	if a.n = values; int64(values) != size {
		a.n = -1
	}
	return nil
}

// need checks that the attributes have n values each; those that are optional may
// have none.
func need(attrs map[string]attribute, n int, optional bool, names ...string) error {
	for _, name := range names {
		switch got := attrs[name].n; {
		case got < 0:
			return fmt.Errorf("%s does not hold as many values as it tells", name)
		case got != n && !(optional && got == 0):
			return fmt.Errorf("%s has %d values, want %d", name, got, n)
		}
	}
	return nil
}

func within(attrs map[string]attribute, name string, end int64) error {
	for i, v := range attrs[name].ints {
		if v < 0 || v >= end {
			return fmt.Errorf("%s[%d] is %d, want 0 to %d", name, i, v, end-1)
		}
	}
	return nil
}

// maxFeature and maxTargets bound what is counted by numbers in a file.
const (
	maxFeature = math.MaxInt32
	maxTargets = 1 << 20
)

// checkEnsemble looks at TreeEnsemble of ai.onnx.ml 5.
func checkEnsemble(attrs map[string]attribute) error {
	n, leaves := attrs["nodes_featureids"].n, attrs["leaf_weights"].n
	targets := attrs["n_targets"].i
	if n == 0 || leaves < 1 || targets < 1 || targets > maxTargets || attrs["tree_roots"].n == 0 {
		return errors.New("it has no nodes, leaves, roots or targets")
	}
	kind := attrs["nodes_splits"].tensor.kind
	if kind != typeFloat && kind != typeDouble || attrs["leaf_weights"].tensor.kind != kind {
		return errors.New("its splits and weights are not both float or both double")
	}
	if a, p := attrs["aggregate_function"].i, attrs["post_transform"].i; a < 0 || a > 3 || p < 0 || p > 4 {
		return fmt.Errorf("aggregate_function is %d and post_transform %d, want 0 to 3 and 0 to 4", a, p)
	}
	modes := attrs["nodes_modes"].tensor
	if modes.kind != typeUint8 {
		return errors.New("nodes_modes is not of uint8")
	}
	if err := errors.Join(
		need(attrs, n, false, "nodes_splits", "nodes_modes", "nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs"),
		need(attrs, n, true, "nodes_hitrates", "nodes_missing_value_tracks_true"),
		need(attrs, leaves, false, "leaf_targetids"),
		within(attrs, "nodes_featureids", maxFeature),
		within(attrs, "leaf_targetids", targets),
		within(attrs, "tree_roots", int64(n)),
		within(attrs, "nodes_trueleafs", 2), within(attrs, "nodes_falseleafs", 2),
		within(attrs, "nodes_missing_value_tracks_true", 2),
	); err != nil {
		return err
	}
	if m := attrs["membership_values"]; m.n > 0 && m.tensor.kind != kind {
		return errors.New("membership_values is of another type than the splits")
	}
	members := 0
	for i, m := range modes.bytes {
		if m > 6 {
			return fmt.Errorf("nodes_modes[%d] is %d, want 0 to 6", i, m)
		}
		if m == 6 {
			members++
		}
	}
	if members > attrs["membership_values"].n {
		return fmt.Errorf("membership_values has %d values for %d nodes", attrs["membership_values"].n, members)
	}
	sides := [2]struct{ ids, leafs []int64 }{
		{attrs["nodes_truenodeids"].ints, attrs["nodes_trueleafs"].ints},
		{attrs["nodes_falsenodeids"].ints, attrs["nodes_falseleafs"].ints},
	}
	return walkTrees(n, attrs["tree_roots"].ints, func(i int64, visit func(int64)) error {
		for _, s := range sides {
			end := n
			if s.leafs[i] == 1 {
				end = leaves
			}
			if s.ids[i] < 0 || s.ids[i] >= int64(end) {
				return fmt.Errorf("a child of node %d is %d, of %d", i, s.ids[i], end)
			}
			if s.leafs[i] == 0 {
				visit(s.ids[i])
			}
		}
		return nil
	})
}

// maxTreeDepth bounds the levels of a tree, which the library goes down by recursion.
const maxTreeDepth = 5000

// walkTrees visits what children names, from the roots on. A node that is below itself
// is an error, and more than maxTreeDepth levels are. A node that is the child of
// several is none: sets of categories are written as chains that share a child.
func walkTrees(n int, roots []int64, children func(i int64, visit func(int64)) error) error {
	const above, done = 1, 2 // of the node at work, and left for good
	seen := make([]uint8, n)
	stack := make([]int64, 0, 64)
	depth := 0
	for _, root := range roots {
		stack = append(stack, root)
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			if seen[i] != 0 {
				if seen[i] == above {
					seen[i] = done
					depth--
				}
				stack = stack[:len(stack)-1]
				continue
			}
			seen[i] = above
			if depth++; depth > maxTreeDepth {
				return fmt.Errorf("it has a tree of more than %d levels", maxTreeDepth)
			}
			var cycle bool
			if err := children(i, func(child int64) {
				switch seen[child] {
				case 0:
					stack = append(stack, child)
				case above:
					cycle = true
				}
			}); err != nil {
				return err
			}
			if cycle {
				return fmt.Errorf("node %d is below itself", i)
			}
		}
	}
	return nil
}

// checkClassic looks at TreeEnsembleRegressor and TreeEnsembleClassifier of
// ai.onnx.ml 1 to 3, whose leaves add to so many targets. The first node of a tree is
// its root.
func checkClassic(attrs map[string]attribute, what string, targets int64) error {
	n, leaves := attrs["nodes_treeids"].n, attrs[what+"_treeids"].n
	if n == 0 || leaves == 0 || targets < 1 || targets > maxTargets {
		return fmt.Errorf("it has no nodes, leaves or %s ids", what)
	}
	values, weights := "nodes_values", what+"_weights"
	for _, name := range []*string{&values, &weights} {
		if t := attrs[*name+"_as_tensor"]; t.tensor.kind != 0 {
			*name += "_as_tensor"
			if t.tensor.kind != typeFloat && t.tensor.kind != typeDouble {
				return fmt.Errorf("%s is neither of float nor of double", *name)
			}
		}
	}
	if err := errors.Join(
		need(attrs, n, false, "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_truenodeids", "nodes_falsenodeids", values),
		need(attrs, n, true, "nodes_hitrates", "nodes_hitrates_as_tensor", "nodes_missing_value_tracks_true"),
		need(attrs, leaves, false, what+"_nodeids", what+"_ids", weights),
		need(attrs, int(targets), true, "base_values", "base_values_as_tensor"),
		within(attrs, "nodes_featureids", maxFeature),
		within(attrs, what+"_ids", targets),
	); err != nil {
		return err
	}
	type id struct{ tree, node int64 }
	at := make(map[id]int64, n)
	trees, nodes, modes := attrs["nodes_treeids"].ints, attrs["nodes_nodeids"].ints, attrs["nodes_modes"].strings
	var roots []int64
	started := map[int64]bool{}
	for i := range trees {
		k := id{trees[i], nodes[i]}
		if _, ok := at[k]; ok {
			return fmt.Errorf("node %d of tree %d is there twice", k.node, k.tree)
		}
		at[k] = int64(i)
		if i == 0 || trees[i] != trees[i-1] {
			if started[trees[i]] {
				return fmt.Errorf("the nodes of tree %d are not side by side", trees[i])
			}
			started[trees[i]] = true
			roots = append(roots, int64(i))
		}
		switch modes[i] {
		case "LEAF", "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ":
		default:
			return fmt.Errorf("nodes_modes[%d] is %q", i, modes[i])
		}
	}
	for i, tree := range attrs[what+"_treeids"].ints {
		k := id{tree, attrs[what+"_nodeids"].ints[i]}
		if leaf, ok := at[k]; !ok || modes[leaf] != "LEAF" {
			return fmt.Errorf("%s_nodeids[%d] is %d, which is no leaf of tree %d", what, i, k.node, tree)
		}
	}
	sides := [2][]int64{attrs["nodes_truenodeids"].ints, attrs["nodes_falsenodeids"].ints}
	return walkTrees(n, roots, func(i int64, visit func(int64)) error {
		if modes[i] == "LEAF" {
			return nil
		}
		for _, s := range sides {
			child, ok := at[id{trees[i], s[i]}]
			if !ok {
				return fmt.Errorf("a child of node %d of tree %d is %d, which there is not", nodes[i], trees[i], s[i])
			}
			visit(child)
		}
		return nil
	})
}
