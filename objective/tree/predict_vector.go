package tree

// A vectorTree is a tree for [walkVectors]: with its leaves numbered from left to
// right, and its nodes, parents first, from left to right too. Rows begin at leaf 0,
// the first one below the root. At a node, those that are at the first leaf below it,
// and whose value is greater than its threshold, go to the first leaf below its right
// child; all others stay where they are. After the last node they are at their leaf.
type vectorTree struct {
	nodes  []vectorNode
	leaves []float64
}

// A vectorNode holds numbers of 16 bits, twice each.
type vectorNode struct {
	offset uint32 // bytes before its column
	rank   uint32 // -1 less the rank of its threshold
	first  uint32 // leaf below it
	right  uint32 // first leaf below its right child
}

// maxVectorLeaves is the greatest number of leaves with which it is faster to evaluate
// all nodes for 64 rows than to walk; of fewer rows, as many fewer leaves.
const maxVectorLeaves = 384

// vectorTree makes one of a plain tree, given its cells by node.
func (p *Predictor) compileVectors(t *Tree, cells []uint64) (v vectorTree) {
	v.nodes, v.leaves = make([]vectorNode, 0, len(t.Nodes)), make([]float64, 0, len(t.Leaves))
	twice := func(x int) uint32 { return uint32(uint16(x)) * 0x10001 }
	var add func(i int)
	add = func(i int) {
		if i < 0 {
			v.leaves = append(v.leaves, t.Leaves[^i].Value)
			return
		}
		n := &t.Nodes[i]
		column, rank := int(cells[i]&p.mask)/lanes, int(uint32(cells[i])>>p.shift)
		at := len(v.nodes)
		v.nodes = append(v.nodes, vectorNode{offset: uint32(2 * blockRows * column), rank: twice(^rank), first: twice(len(v.leaves))})
		add(n.Left)
		v.nodes[at].right = twice(len(v.leaves))
		add(n.Right)
	}
	if len(t.Nodes) > 0 {
		add(0)
	}
	return v
}

// add adds the tree to the sums of rows.
func (t *vectorTree) add(x []int16, sums *[blockRows]float64, s blockSize) {
	walkVectors(&t.nodes[0], len(t.nodes), &x[0], &t.leaves[0], &sums[0], 1<<max(s-1, 0))
}
