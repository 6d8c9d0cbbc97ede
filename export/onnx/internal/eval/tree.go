package eval

import (
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/export/onnx"
)

func list(n *onnx.Node, name string) []int64 {
	v, _ := n.Attr(name).(onnx.Ints)
	return v
}

func tensor(n *onnx.Node, name string) []float64 {
	t, ok := n.Attr(name).(onnx.Tensor)
	if !ok {
		return nil
	}
	a, err := fromTensor(t)
	if err != nil {
		panic(err)
	}
	return a.Data
}

// treeEnsemble is that of ai.onnx.ml 5: the sum of the leaves, tree by tree.
func treeEnsemble(n *onnx.Node, in []Array) (Array, error) {
	if integer(n, "aggregate_function", 1) != 1 || integer(n, "post_transform", 0) != 0 {
		return Array{}, fmt.Errorf("only sums")
	}
	splits, modes, weights := tensor(n, "nodes_splits"), tensor(n, "nodes_modes"), tensor(n, "leaf_weights")
	feature, missing := list(n, "nodes_featureids"), list(n, "nodes_missing_value_tracks_true")
	child := [2][]int64{list(n, "nodes_falsenodeids"), list(n, "nodes_truenodeids")}
	leaf := [2][]int64{list(n, "nodes_falseleafs"), list(n, "nodes_trueleafs")}
	targets := list(n, "leaf_targetids")
	sets := make([][]float64, len(modes))
	members := tensor(n, "membership_values")
	for i, mode := range modes {
		if mode == 6 {
			end := slices.IndexFunc(members, math.IsNaN)
			sets[i], members = members[:end], members[end+1:]
		}
	}
	x := in[0]
	k := integer(n, "n_targets", 1)
	out := Array{x.Type, []int{x.Dims[0], k}, make([]float64, x.Dims[0]*k)}
	for r := range x.Dims[0] {
		row := x.Data[r*x.Dims[1]:][:x.Dims[1]]
		for _, at := range list(n, "tree_roots") {
			for isLeaf := int64(0); isLeaf == 0; {
				v := row[feature[at]]
				var yes bool
				switch modes[at] {
				case 0:
					yes = v <= splits[at]
				case 4:
					yes = v == splits[at]
				case 6:
					yes = slices.Contains(sets[at], v)
				default:
					return out, fmt.Errorf("mode %v", modes[at])
				}
				yes = yes || v != v && missing != nil && missing[at] != 0
				side := int(truth(yes))
				isLeaf, at = leaf[side][at], child[side][at]
			}
			sum := &out.Data[r*k+int(targets[at])]
			*sum += weights[at]
			if x.Type == onnx.Float32 {
				*sum = float64(float32(*sum))
			}
		}
	}
	return out, nil
}

// either returns the numbers of an attribute that may be a list or, with another name, a
// tensor; double reports whether they are float64.
func either(n *onnx.Node, name string) (v []float64, double bool) {
	if t, ok := n.Attr(name + "_as_tensor").(onnx.Tensor); ok {
		return tensor(n, name+"_as_tensor"), t.Type == onnx.Float64
	}
	list, _ := n.Attr(name).(onnx.Floats)
	for _, x := range list {
		v = append(v, float64(x))
	}
	return v, false
}

// treeRegressor is that of ai.onnx.ml 1 and 3: the sum of the leaves, in float64 where
// they are, rounded to float32.
func treeRegressor(n *onnx.Node, in []Array) (Array, error) {
	if s, ok := n.Attr("aggregate_function").(onnx.String); ok && s != "SUM" || n.Attr("base_values") != nil {
		return Array{}, fmt.Errorf("only sums, without base values")
	}
	modes, _ := n.Attr("nodes_modes").(onnx.Strings)
	values, _ := either(n, "nodes_values")
	weights, double := either(n, "target_weights")
	tree, node, feature := list(n, "nodes_treeids"), list(n, "nodes_nodeids"), list(n, "nodes_featureids")
	yes, no, missing := list(n, "nodes_truenodeids"), list(n, "nodes_falsenodeids"), list(n, "nodes_missing_value_tracks_true")
	type id [2]int64
	index := map[id]int{}
	child := map[id]bool{}
	for i := range modes {
		index[id{tree[i], node[i]}] = i
		if modes[i] != "LEAF" {
			child[id{tree[i], yes[i]}], child[id{tree[i], no[i]}] = true, true
		}
	}
	adds := map[int][]int{} // by leaf
	targetIDs, leafTrees, leafNodes := list(n, "target_ids"), list(n, "target_treeids"), list(n, "target_nodeids")
	for i := range targetIDs {
		at := index[id{leafTrees[i], leafNodes[i]}]
		adds[at] = append(adds[at], i)
	}
	x := in[0]
	k := integer(n, "n_targets", 1)
	out := Array{onnx.Float32, []int{x.Dims[0], k}, make([]float64, x.Dims[0]*k)}
	for r := range x.Dims[0] {
		row := x.Data[r*x.Dims[1]:][:x.Dims[1]]
		for at := range modes {
			if child[id{tree[at], node[at]}] {
				continue // not a root
			}
			for modes[at] != "LEAF" {
				v := row[feature[at]]
				var yesSide bool
				switch modes[at] {
				case "BRANCH_LEQ":
					yesSide = v <= values[at]
				case "BRANCH_EQ":
					yesSide = v == values[at]
				default:
					return out, fmt.Errorf("mode %v", modes[at])
				}
				to := no[at]
				if yesSide || v != v && missing != nil && missing[at] != 0 {
					to = yes[at]
				}
				at = index[id{tree[at], to}]
			}
			for _, i := range adds[at] {
				sum := &out.Data[r*k+int(targetIDs[i])]
				if *sum += weights[i]; !double {
					*sum = float64(float32(*sum))
				}
			}
		}
		for i := range out.Data[r*k:][:k] {
			out.Data[r*k+i] = float64(float32(out.Data[r*k+i]))
		}
	}
	return out, nil
}
