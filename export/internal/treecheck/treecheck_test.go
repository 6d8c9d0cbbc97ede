package treecheck

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Nodes may share a child, as those of a set do. A node below itself is found from any
// start. Tests of whole files cover the rest.
func TestWalk(t *testing.T) {
	for name, c := range map[string]struct {
		children [][2]int32
		cycle    bool
	}{
		"a diamond":       {[][2]int32{{1, 2}, {3, -1}, {3, -1}, {-1, -1}}, false},
		"a short cut":     {[][2]int32{{1, 3}, {2, 3}, {3, -1}, {-1, -1}}, false},
		"the same twice":  {[][2]int32{{1, 1}, {2, 2}, {-1, -1}}, false},
		"backwards":       {[][2]int32{{-1, -1}, {0, -1}, {1, 0}}, false},
		"itself":          {[][2]int32{{-1, -1}, {1, -1}}, true},
		"a loop of three": {[][2]int32{{1, -1}, {2, -1}, {3, -1}, {1, -1}}, true},
		"no root":         {[][2]int32{{-1, -1}, {2, -1}, {3, -1}, {-1, 1}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := walk(c.children, MaxDepth)
			require.Equal(t, c.cycle, err != nil, "%v", err)
		})
	}
}

func TestWalkIsBounded(t *testing.T) {
	chain := func(levels int) (down [][2]int32) {
		for i := range int32(levels) {
			down = append(down, [2]int32{i - 1, -1})
		}
		return down
	}
	require.NoError(t, walk(chain(9), 9))
	require.EqualError(t, walk(chain(10), 9), "it has a tree of more than 9 levels")
	// Two parts are each walked before they join.
	parts := append(chain(5), [][2]int32{{4, -1}, {5, -1}, {6, -1}, {7, -1}, {8, -1}}...)
	require.Error(t, walk(parts, 9))
	require.NoError(t, walk(parts, 10))
}

func TestIndex(t *testing.T) {
	in, err := newIndex([]int64{7, 7, 3, 3, 3}, []int64{1, 0, 0, 50, -2})
	require.NoError(t, err)
	for _, c := range [][3]int64{{7, 0, 1}, {7, 1, 0}, {7, 2, -1}, {3, 0, 2}, {3, 50, 3}, {3, -2, 4}, {3, 1, -1}, {9, 0, -1}} {
		require.EqualValues(t, c[2], in.find(c[0], c[1]), "%v", c)
	}
	_, err = newIndex([]int64{1, 2, 1}, []int64{0, 0, 1})
	require.EqualError(t, err, "the nodes of tree 1 are not side by side")
	for _, nodes := range [][]int64{{0, 0}, {9, 9}} {
		_, err = newIndex([]int64{1, 1}, nodes)
		require.ErrorContains(t, err, "of tree 1 is duplicated")
	}
}

// One number may represent two classes, with a single base value, as written by xgboost's
// converter.
func TestClassifierBase(t *testing.T) {
	stump := func(classes, base int) map[string]Attr {
		ints := func(v ...int64) Attr { return Attr{Ints: v, N: len(v)} }
		return map[string]Attr{
			"nodes_treeids": ints(0, 0, 0), "nodes_nodeids": ints(0, 1, 2), "nodes_featureids": ints(0, 0, 0), "nodes_values": {N: 3},
			"nodes_modes": {Modes: []Mode{ModeOf("BRANCH_LEQ"), ModeOf("LEAF"), ModeOf("LEAF")}, N: 3}, "nodes_truenodeids": ints(1, 0, 0),
			"nodes_falsenodeids": ints(2, 0, 0), "class_treeids": ints(0, 0), "class_nodeids": ints(1, 2), "class_ids": ints(0, 0),
			"class_weights": {N: 2}, "classlabels_int64s": ints(make([]int64, classes)...), "base_values": {N: base},
		}
	}
	for _, c := range []struct {
		classes, base int
		sound         bool
	}{{2, 0, true}, {2, 1, true}, {2, 2, true}, {2, 3, false}, {3, 1, false}, {3, 3, true}} {
		n, err := Node("TreeEnsembleClassifier", stump(c.classes, c.base), 1)
		require.Equal(t, c.sound, err == nil, "%v: %v", c, err)
		require.EqualValues(t, c.classes, n)
	}
	broken := stump(2, 1)
	broken["nodes_featureids"] = Attr{Ints: []int64{1, 0, 0}, N: 3}
	_, err := Node("TreeEnsembleClassifier", broken, 1)
	require.EqualError(t, err, "nodes_featureids[0] is 1, want 0 to 0")
	_, err = Node("TreeEnsembleClassifier", broken, -1)
	require.NoError(t, err)
	_, err = Node("Scaler", nil, 1)
	require.NoError(t, err)
}
