package tree

// A vectorTree is a tree for [walkVectors]. Its leaves are numbered from left to right
// and its nodes are in preorder. Each row starts at leaf 0. At a node, a row that is at
// the first leaf below the node and whose value exceeds the threshold moves to the first
// leaf below the right child; all other rows stay. After the last node, each row is at
// its leaf.
type vectorTree struct {
	nodes  []vectorNode
	leaves []float64
}

// A vectorNode holds 16-bit numbers, each stored twice.
type vectorNode struct {
	offset uint32 // bytes before its column
	rank   uint32 // -1 minus the rank of its threshold
	first  uint32 // first leaf below it
	right  uint32 // first leaf below its right child
}

// maxVectorLeaves is the largest number of leaves for which evaluating all nodes for 64
// rows is faster than walking. For smaller blocks it shrinks in proportion.
const maxVectorLeaves = 384

// compileVectors makes a vectorTree of a plain tree, given its cells by node.
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
