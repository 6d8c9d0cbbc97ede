package tree

import (
	"slices"
	"unsafe"
)

// compile compiles t into c and appends its cells, breadth first. The children of a node
// take the next two free cells, the right one before the left. See [walk] for the
// contents of a cell.
func (p *Predictor) compile(c *compiled, t *Tree, index inputIndex) {
	c.root, c.output = uint32(len(p.cells)), t.Output
	c.linear = slices.ContainsFunc(t.Leaves, func(l Leaf) bool { return l.Linear != nil })
	type place struct{ node, depth int }
	root := place{}
	if len(t.Nodes) == 0 {
		root.node = ^0
	}
	queue := append(make([]place, 0, 2*len(t.Leaves)), root)
	numeric := make([]uint64, len(t.Nodes)) // cells, by node
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		c.depth = max(c.depth, at.depth)
		cell, value := (uint64(c.root)+uint64(i))<<32|p.last(), 0.0
		if at.node < 0 {
			if value = t.Leaves[^at.node].Value; c.linear {
				value = float64(^at.node)
			}
		} else {
			n := &t.Nodes[at.node]
			in := p.of(n, index)
			cell = (uint64(c.root) + uint64(len(queue)) + 1) << 32
			if n.Categorical() {
				c.categories = true
				cell |= p.last() | uint64(in.first[n.side()]*lanes)
				value = float64(len(p.sets))
				p.sets = append(p.sets, n.Categories)
			} else {
				column, rank := p.split(in, n)
				cell |= uint64(rank)<<p.shift | uint64(column*lanes)
				numeric[at.node] = cell
			}
			queue = append(queue, place{n.Right, at.depth + 1}, place{n.Left, at.depth + 1})
		}
		p.cells, p.values = append(p.cells, cell), append(p.values, value)
	}
	if c.plain() && len(t.Leaves) <= maxVectorLeaves {
		c.vectorTree = p.compileVectors(t, numeric)
	}
}

// last is the rank, in its place in a cell, of leaves and of splits by category. With
// it, every row steps to the left child.
func (p *Predictor) last() uint64 { return 1<<32 - 1<<p.shift }

// walk takes steps from the cells in at, side by side. Column c of lane i is
// x[c*lanes+i]. It ends after the given number of steps, or when all lanes are at a leaf.
//
// A cell holds, from the top, its left child, the rank of its threshold and its column
// times lanes, in 32, 32-shift and shift bits. The right child is the cell before the
// left one. A step subtracts the row's rank, shifted likewise, from the whole cell. If
// the row's rank is greater, the borrow turns the left child into the right one. A leaf
// has column 0 and the greatest rank, and is its own left child.
func walk(cells, x []uint64, mask uint64, steps int, at *[lanes]uint64) {
	cell, rank := unsafe.Pointer(&cells[0]), unsafe.Pointer(&x[0])
	a, b, c, d, e, f, g, h := at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7]
	for ; steps > 0; steps-- {
		a = step(cell, rank, mask, a, 0)
		b = step(cell, rank, mask, b, 1)
		c = step(cell, rank, mask, c, 2)
		d = step(cell, rank, mask, d, 3)
		e = step(cell, rank, mask, e, 4)
		f = step(cell, rank, mask, f, 5)
		g = step(cell, rank, mask, g, 6)
		h = step(cell, rank, mask, h, 7)
		if steps%4 == 0 && (word(cell, a)|word(cell, b)|word(cell, c)|word(cell, d)|
			word(cell, e)|word(cell, f)|word(cell, g)|word(cell, h))&mask == 0 {
			break
		}
	}
	at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7] = a, b, c, d, e, f, g, h
}

func step(cells, x unsafe.Pointer, mask, at, lane uint64) uint64 {
	c := word(cells, at)
	return (c - word(x, c&mask+lane)) >> 32
}

// word returns p[i] without a bounds check. The checks, and the registers they take, make
// walks a third slower. The index is in range for every row, because compile made the
// cells: their children are cells and their columns are below p.columns.
func word(p unsafe.Pointer, i uint64) uint64 { return *(*uint64)(unsafe.Add(p, 8*i)) }

// walkRows adds a plain tree to the sums of n rows.
func (p *Predictor) walkRows(t *compiled, x []uint64, sums *[blockRows]float64, n int) {
	var at [lanes]uint64
	for r := 0; r < n; r += lanes {
		for i := range at {
			at[i] = uint64(t.root)
		}
		walk(p.cells, x[r*p.columns:][:lanes*p.columns], p.mask, t.depth, &at)
		to := (*[lanes]float64)(sums[r:])
		for i, leaf := range at {
			to[i] += p.values[leaf]
		}
	}
}

// walkTrees adds the trees of a group to the outputs of a row. x holds the row in all lanes.
func (p *Predictor) walkTrees(g *group, x []uint64, out []float64) {
	at := g.roots
	walk(p.cells, x[:lanes*p.columns], p.mask, g.depth, &at)
	if len(out) == 1 { // a sum that stays in a register
		sum := out[0]
		for _, leaf := range at[:g.trees] {
			sum += p.values[leaf]
		}
		out[0] = sum
		return
	}
	for i, leaf := range at[:g.trees] {
		out[p.trees[g.first+i].output] += p.values[leaf]
	}
}

// one returns what tree i adds for a row. x holds its ranks, values its original values.
func (p *Predictor) one(i int, x []uint64, values, scratch []float64) float64 {
	t := &p.trees[i]
	leaf := p.values[p.walkOne(t, x)]
	if !t.linear {
		return leaf
	}
	if p.m.Float32 {
		round(scratch, values)
		values = scratch
	}
	return p.m.Trees[i].Leaves[int(leaf)].at(values)
}

// walkOne returns the cell of the leaf where a row ends, for any kind of tree.
func (p *Predictor) walkOne(t *compiled, x []uint64) uint64 {
	mask, last := p.mask, p.last()
	at := uint64(t.root)
	for {
		c := p.cells[at]
		if c&last != last {
			at = (c - x[c&mask]) >> 32
			continue
		}
		if c&mask == 0 {
			return at
		}
		set := p.sets[int(p.values[at])]
		at = c >> 32
		code := x[c&mask]
		if code == 0 {
			continue
		}
		if code -= 2; code/32 >= uint64(len(set)) || set[code/32]>>(code%32)&1 == 0 {
			at--
		}
	}
}
