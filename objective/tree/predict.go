package tree

import (
	"math"
	"math/bits"
	"slices"
	"sync"
)

// A Predictor predicts with a model, fast. It is safe for concurrent use. It keeps
// the model, which must not change while the Predictor is in use.
//
// Before a row meets a tree, each of its values becomes a rank: the number of
// thresholds of its feature, in all of the model, that are less than the value. The rank
// also settles where a missing value goes, so that splits only compare small integers.
//
// Each tree processes 64 rows at a time. If the processor has vector instructions, all nodes of a small tree are
// evaluated for the 64 rows at once (vectorTree in the source). In other trees, eight rows walk side by side; a few
// rows are processed one by one, each through eight trees side by side (walk in the source). All ways add the same
// leaves in the same order.
type Predictor struct {
	// Threads is the maximum number of goroutines that share the rows of one call. It
	// does not change results. 0 and 1 mean the caller's goroutine alone, which suits
	// servers, whose calls run in parallel. Set it before the first prediction.
	Threads int

	m       *Model
	inputs  []input
	quads   []quad
	columns int    // of a row in ranks
	shift   int    // bits of a column in a cell
	mask    uint64 // of these bits
	most    int    // the greatest rank; it fits both a cell and an int16
	cells   []uint64
	values  []float64 // by cell: the value of a leaf, the index of a linear one, the set of a split by category
	sets    [][]uint32
	trees   []compiled
	groups  []group
	ways    [4]blockWays // by blockSize
	shares  []float64
	scratch sync.Pool // of *scratch
}

// A compiled is a tree in the forms that prediction uses.
type compiled struct {
	root       uint32 // among the cells
	depth      int    // number of steps after which any row is at its leaf
	output     int
	categories bool // some splits are by category
	linear     bool // some leaves are linear
	vectorTree      // if plain, with at most maxVectorLeaves leaves
}

// plain reports whether all splits are numeric and all leaves are constants.
func (t *compiled) plain() bool { return !t.categories && !t.linear }

// vectorable reports whether the tree's nodes are all evaluated for a block of this size.
func (t *compiled) vectorable(s blockSize) bool {
	return vectors && len(t.nodes) > 0 && len(t.nodes) < maxVectorLeaves>>(3-s)
}

// A group is a set of trees that one row goes through side by side, or a single tree.
type group struct {
	first, trees int
	together     bool // all are plain
	depth        int  // of the deepest
	roots        [lanes]uint64
}

// blockWays says which kinds of trees there are.
type blockWays struct{ vectors, walks bool }

// A blockSize is the size of a block of rows: up to 8, 16, 32 or 64.
type blockSize int

func sizeOf(rows int) blockSize { return blockSize(max(bits.Len(uint(rows-1)), 3) - 3) }

const (
	lanes       = 8 // walks side by side
	blockRows   = 64
	fewRows     = 6   // up to this many are predicted one by one
	rowsAThread = 256 // a goroutine does not pay for fewer
)

// NewPredictor compiles m. It returns the error of [Model.Validate].
func NewPredictor(m *Model) (*Predictor, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	total := 0
	for i := range m.Trees {
		total += len(m.Trees[i].Nodes) + len(m.Trees[i].Leaves)
	}
	p := &Predictor{m: m, shares: m.shares()}
	index := p.index()
	if uint64(total) > math.MaxUint32 || !p.layout() {
		return nil, unsupported("a model of %d features with %d nodes", len(m.Features), total)
	}
	p.cells, p.values = make([]uint64, 0, total), make([]float64, 0, total)
	p.trees = make([]compiled, len(m.Trees))
	for i := range m.Trees {
		p.compile(&p.trees[i], &m.Trees[i], index)
	}
	p.group()
	return p, nil
}

// group puts the trees in groups, in order, and records which ways of walking they need.
func (p *Predictor) group() {
	for i := range p.trees {
		t := &p.trees[i]
		n := len(p.groups)
		if n == 0 || !t.plain() || !p.groups[n-1].together || p.groups[n-1].trees == lanes {
			p.groups = append(p.groups, group{first: i, together: t.plain()})
		}
		g := &p.groups[len(p.groups)-1]
		for lane := g.trees; lane < lanes; lane++ { // lanes without a tree repeat the last
			g.roots[lane] = uint64(t.root)
		}
		g.trees++
		g.depth = max(g.depth, t.depth)
		for s := range p.ways {
			if t.vectorable(blockSize(s)) {
				p.ways[s].vectors = true
			} else if t.depth > 0 || t.linear {
				p.ways[s].walks = true
			}
		}
	}
}

// Model returns the model that p predicts with. Do not change it.
func (p *Predictor) Model() *Model { return p.m }

// Predict writes the model's predictions for rows, with its link applied, to out.
//
// rows holds one row after another, with one value per feature; NaN is a missing value,
// and a category is its number. out gets one row after another, with one value per
// output: len(out) must be the number of rows times m.Outputs. If the sizes do not fit,
// because of a wrong number of features for example, Predict returns an error and writes
// nothing.
func (p *Predictor) Predict(rows, out []float64) error {
	if err := p.PredictRaw(rows, out); err != nil {
		return err
	}
	if p.m.Link.Func != Identity {
		for row := range slices.Chunk(out, p.m.Outputs) {
			p.m.Link.Apply(row)
		}
	}
	return nil
}

// PredictRaw is like [Predictor.Predict] without the link: it gives margins, log-odds
// and the like. It does take averages.
func (p *Predictor) PredictRaw(rows, out []float64) error {
	n, err := p.m.rows(rows, out, p.m.Outputs)
	if err != nil {
		return err
	}
	threads := min(p.Threads, n/rowsAThread)
	if threads < 2 {
		p.span(rows, out, 0, n)
		return nil
	}
	blocks := (n + blockRows - 1) / blockRows
	var wg sync.WaitGroup
	for i := range threads {
		from, to := blocks*i/threads*blockRows, min(blocks*(i+1)/threads*blockRows, n)
		wg.Go(func() { p.span(rows, out, from, to) })
	}
	wg.Wait()
	return nil
}

// rows returns the number of rows, given that each has width values of output.
func (m *Model) rows(rows, out []float64, width int) (int, error) {
	n := len(out) / width
	if len(out)%width != 0 || len(rows) != n*len(m.Features) {
		return 0, pkg.Errorf("predict: %d values in and %d out: want %d in and %d out a row", len(rows), len(out), len(m.Features), width)
	}
	return n, nil
}

// A scratch is the working memory for a block of rows.
type scratch struct {
	keys          [blockRows]uint64
	ranks, others [blockRows]uint32
	sums          []float64 // blockRows values per output
	row           []float64 // rounded

	// Ranks, shifted as in the cells. Rows come in groups of lanes; each group is
	// stored column by column.
	x []uint64
	// Ranks, as -1-rank, stored column by column with blockRows values each.
	vectors []int16
}

// span predicts rows from..to-1.
func (p *Predictor) span(rows, out []float64, from, to int) {
	s, _ := p.scratch.Get().(*scratch)
	if s == nil {
		s = &scratch{row: make([]float64, len(p.m.Features))}
	}
	f, k := len(p.m.Features), p.m.Outputs
	for ; from < to; from += blockRows {
		end := min(from+blockRows, to)
		if end-from > fewRows {
			p.block(s, rows[from*f:end*f], out[from*k:end*k], end-from)
			continue
		}
		for r := from; r < end; r++ {
			p.row(s, rows[r*f:(r+1)*f], out[r*k:(r+1)*k])
		}
	}
	p.scratch.Put(s)
}

// block predicts n <= blockRows rows.
func (p *Predictor) block(s *scratch, rows, out []float64, n int) {
	f, k := len(p.m.Features), p.m.Outputs
	size := sizeOf(n)
	ways := p.ways[size]
	if ways.walks {
		s.x = grown(s.x, (n+lanes-1)/lanes*lanes*p.columns)
	}
	if ways.vectors {
		s.vectors = grown(s.vectors, blockRows*p.columns)
	}
	s.sums = grown(s.sums, blockRows*k)
	for i := range p.inputs {
		p.gather(s, &p.inputs[i], rows, n, ways)
	}
	clear(s.sums)
	if !p.m.Average {
		for o, b := range p.m.Base {
			for r := range n {
				s.sums[o*blockRows+r] = b
			}
		}
	}
	for i := range p.trees {
		t := &p.trees[i]
		sums := (*[blockRows]float64)(s.sums[t.output*blockRows:])
		switch {
		case t.vectorable(size):
			t.add(s.vectors, sums, size)
		case t.depth == 0 && !t.linear:
			for r := range n {
				sums[r] += p.values[t.root]
			}
		case t.plain():
			p.walkRows(t, s.x, sums, n)
		default:
			for r := range n {
				x := s.x[r/lanes*lanes*p.columns+r%lanes:]
				sums[r] += p.one(i, x, rows[r*f:(r+1)*f], s.row)
			}
		}
	}
	for o := range k {
		for r := range n {
			out[r*k+o] = s.sums[o*blockRows+r]
		}
	}
	p.average(out)
}

// row predicts one row.
func (p *Predictor) row(s *scratch, row, out []float64) {
	s.x = grown(s.x, lanes*p.columns)
	p.gatherRow(row, s.x)
	clear(out)
	if !p.m.Average {
		copy(out, p.m.Base)
	}
	for i := range p.groups {
		if g := &p.groups[i]; g.together {
			p.walkTrees(g, s.x, out)
		} else {
			out[p.trees[g.first].output] += p.one(g.first, s.x, row, s.row)
		}
	}
	p.average(out)
}

func (p *Predictor) average(out []float64) {
	if p.m.Average {
		for i := range out {
			out[i] /= p.shares[i%p.m.Outputs]
		}
	}
}

// grown returns s, or a longer slice if needed, with length n.
func grown[T any](s []T, n int) []T {
	if n > cap(s) {
		return make([]T, n)
	}
	return s[:n]
}

// round copies a row, its values rounded to float32.
func round(to, from []float64) {
	for i, v := range from {
		to[i] = float64(float32(v))
	}
}
