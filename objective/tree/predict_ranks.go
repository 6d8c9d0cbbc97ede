package tree

import (
	"math"
	"math/bits"
	"slices"
)

// An input is a feature with one kind of missing values, and the columns that hold its
// ranks: one for the splits that send missing values right and one for those that send
// them left. Each is followed by more columns if the feature has more thresholds than a
// column has ranks.
type input struct {
	feature     int
	missing     Missing
	categorical bool
	thresholds  []uint64 // as [ordered], ascending, distinct
	padded      []uint64 // thresholds, and the greatest number of all until there are 2·half-1 of the quad
	used        [2]bool  // by whether missing values go left
	first       [2]int   // columns, likewise
	sides       []int    // used, as 0 and 1
	parts       int      // columns of each side
}

// A quad is a run of numeric inputs. The values of a row for them are ranked side by
// side.
type quad struct {
	inputs int // at most quadInputs
	half   int // a power of two, for the search
	sorted [quadInputs][]uint64
}

const quadInputs = 4

// ordered returns an integer that increases with x and is less than the greatest
// uint64. Its result for NaN has no meaning.
func ordered(x float64) uint64 {
	b := int64(math.Float64bits(x + 0)) // -0 becomes 0
	return uint64(b^int64(uint64(b>>63)>>1)) ^ 1<<63
}

// side returns 1 for a node that sends missing values left, else 0.
func (n *Node) side() int {
	if n.DefaultLeft && n.Missing != MissingNone {
		return 1
	}
	return 0
}

// inputIndex gives the input of a node by feature and kind: three kinds for numbers,
// one for categories.
type inputIndex []int32

func (x inputIndex) at(feature int, m Missing, categorical bool) *int32 {
	if categorical {
		m = 3
	}
	return &x[4*feature+int(m)]
}

// of returns the input of a node.
func (p *Predictor) of(n *Node, index inputIndex) *input {
	return &p.inputs[*index.at(n.Feature, n.Missing, n.Categorical())]
}

// index makes the inputs: numeric ones first, in descending order of their number of
// thresholds.
func (p *Predictor) index() inputIndex {
	index := make(inputIndex, 4*len(p.m.Features))
	for i := range index {
		index[i] = -1
	}
	for i := range p.m.Trees {
		for j := range p.m.Trees[i].Nodes {
			n := &p.m.Trees[i].Nodes[j]
			at := index.at(n.Feature, n.Missing, n.Categorical())
			if *at < 0 {
				*at = int32(len(p.inputs))
				p.inputs = append(p.inputs, input{feature: n.Feature, missing: n.Missing, categorical: n.Categorical()})
			}
			in := &p.inputs[*at]
			in.used[n.side()] = true
			if !in.categorical {
				in.thresholds = append(in.thresholds, ordered(p.m.threshold(n)))
			}
		}
	}
	for i := range p.inputs {
		in := &p.inputs[i]
		slices.Sort(in.thresholds)
		in.thresholds = slices.Compact(in.thresholds)
	}
	slices.SortStableFunc(p.inputs, func(a, b input) int { return len(b.thresholds) - len(a.thresholds) })
	for i := range p.inputs {
		in := &p.inputs[i]
		*index.at(in.feature, in.missing, in.categorical) = int32(i)
		if in.categorical {
			continue
		}
		if i%quadInputs == 0 {
			p.quads = append(p.quads, quad{half: 1 << bits.Len(uint(len(in.thresholds))) / 2})
		}
		q := &p.quads[i/quadInputs]
		in.padded = make([]uint64, 2*q.half-1)
		in.thresholds = in.padded[:copy(in.padded, in.thresholds)]
		for k := len(in.thresholds); k < len(in.padded); k++ {
			in.padded[k] = math.MaxUint64
		}
		q.inputs++
		for k := i % quadInputs; k < quadInputs; k++ { // what is left repeats the last
			q.sorted[k] = in.padded
		}
	}
	return index
}

// layout divides the lower half of a cell between column and rank, and assigns columns
// to the inputs. It reports whether they fit.
func (p *Predictor) layout() bool {
	for p.shift = 16; p.shift <= 28; p.shift++ { // up to 2^25 columns, a rank of 15
		p.columns = 1                                  // column 0 is for leaves
		p.most = min(1<<(32-p.shift)-1, math.MaxInt16) // for vectors
		for i := range p.inputs {
			in := &p.inputs[i]
			in.parts = max(1, (len(in.thresholds)+p.most-1)/p.most)
			in.sides = in.sides[:0]
			for side, used := range in.used {
				if used {
					in.sides = append(in.sides, side)
					in.first[side] = p.columns
					p.columns += in.parts
				}
			}
		}
		if p.columns*lanes <= 1<<p.shift {
			p.mask = 1<<p.shift - 1
			return true
		}
	}
	return false
}

// split returns the column of the rank that a numeric node compares with, and its own rank.
func (p *Predictor) split(in *input, n *Node) (column, rank int) {
	at, _ := slices.BinarySearch(in.thresholds, ordered(p.m.threshold(n)))
	return in.first[n.side()] + at/p.most, at % p.most
}

// gather fills the columns of an input for n rows, in the forms that the ways need.
func (p *Predictor) gather(s *scratch, in *input, rows []float64, n int, to blockWays) {
	f := len(p.m.Features)
	if in.categorical {
		for _, side := range in.sides {
			for r := range n {
				if to.walks {
					s.x[(r/lanes*p.columns+in.first[side])*lanes+r%lanes] = p.code(rows[r*f+in.feature], side)
				}
			}
		}
		return
	}
	missing := p.keys(&s.keys, in, rows, n)
	search(in.padded, &s.keys, &s.ranks, n)
	for _, side := range in.sides {
		for part := range in.parts {
			ranks := &s.ranks
			if in.parts > 1 || missing != 0 {
				ranks = &s.others
				for r := range n {
					ranks[r] = p.rank(int(s.ranks[r]), part, missing>>r&1 == 1, side)
				}
			}
			column := in.first[side] + part
			if to.vectors {
				x := (*[blockRows]int16)(s.vectors[column*blockRows:])
				for r, rank := range ranks {
					x[r] = ^int16(rank)
				}
			}
			if to.walks {
				shift := p.shift & 31
				for r := 0; r < n; r += lanes {
					x := (*[lanes]uint64)(s.x[r*p.columns+column*lanes:])
					for i, rank := range ranks[r : r+lanes] {
						x[i] = uint64(rank) << shift
					}
				}
			}
		}
	}
}

// gatherRow fills the columns for one row, in all lanes of x.
func (p *Predictor) gatherRow(row []float64, x []uint64) {
	at := 0
	for i := range p.quads {
		q := &p.quads[i]
		var keys [quadInputs]uint64
		var ranks [quadInputs]uint32
		var missing [quadInputs]bool
		inputs := p.inputs[at : at+q.inputs]
		for k := range inputs {
			in := &inputs[k]
			v := row[in.feature]
			missing[k] = v != v
			switch {
			case in.missing == MissingNone && missing[k]:
				v, missing[k] = 0, false
			case in.missing == MissingZero:
				missing[k] = !(math.Abs(v) > p.zero())
			}
			keys[k] = ordered(v)
		}
		searchQuad(q, &keys, &ranks)
		for k := range inputs {
			in := &inputs[k]
			for _, side := range in.sides {
				for part := range in.parts {
					rank := p.rank(int(ranks[k]), part, missing[k], side)
					fill(x, in.first[side]+part, uint64(rank)<<(p.shift&31))
				}
			}
		}
		at += q.inputs
	}
	for ; at < len(p.inputs); at++ {
		in := &p.inputs[at]
		for _, side := range in.sides {
			fill(x, in.first[side], p.code(row[in.feature], side))
		}
	}
}

// fill fills a column of x, in all lanes.
func fill(x []uint64, column int, v uint64) {
	to := (*[lanes]uint64)(x[column*lanes:])
	for i := range to {
		to[i] = v
	}
}

// rank returns what part number part of the columns holds for a rank.
func (p *Predictor) rank(rank, part int, missing bool, side int) uint32 {
	switch most := p.most; {
	case !missing && part == 0:
		return uint32(min(rank, most))
	case !missing:
		return uint32(min(max(rank-part*most, 0), most))
	case side == 0:
		return uint32(most)
	}
	return 0
}

// zero is the bound below which [MissingZero] sees zero. If the model rounds to
// float32, it is widened like the thresholds (see [widen]), so that unrounded values can be
// compared with it.
func (p *Predictor) zero() float64 {
	if p.m.Float32 {
		return widen(ZeroRange)
	}
	return ZeroRange
}

// keys converts the values of an input to keys, and returns a bit set of the rows whose
// value is missing.
func (p *Predictor) keys(keys *[blockRows]uint64, in *input, rows []float64, n int) (missing uint64) {
	f := len(p.m.Features)
	switch in.missing {
	case MissingNone:
		for r := range keys[:n] {
			v := rows[r*f+in.feature]
			if v != v {
				v = 0
			}
			keys[r] = ordered(v)
		}
	case MissingZero:
		zero := p.zero()
		for r := range keys[:n] {
			v := rows[r*f+in.feature]
			if !(math.Abs(v) > zero) {
				missing |= 1 << r
			}
			keys[r] = ordered(v)
		}
	default:
		for r := range keys[:n] {
			v := rows[r*f+in.feature]
			if v != v {
				missing |= 1 << r
			}
			keys[r] = ordered(v)
		}
	}
	return missing
}

// searchPlain ranks n keys, and those that follow up to a multiple of lanes: a rank is
// the number of sorted values that are less. len(sorted) is 2^k-1. Every search takes the
// same number of steps, without branches.
func searchPlain(sorted []uint64, keys *[blockRows]uint64, ranks *[blockRows]uint32, n int) {
	for r := 0; r < n; r += lanes {
		for i := r; i < r+lanes; i += 2 {
			k0, k1 := keys[i], keys[i+1]
			var a0, a1 uint64
			for h := (uint64(len(sorted)) + 1) / 2; h > 0; h >>= 1 {
				a0 += less(sorted[a0+h-1], k0) & h
				a1 += less(sorted[a1+h-1], k1) & h
			}
			ranks[i], ranks[i+1] = uint32(a0), uint32(a1)
		}
	}
}

// searchQuadPlain is like searchPlain for one key of each input.
func searchQuadPlain(q *quad, keys *[quadInputs]uint64, ranks *[quadInputs]uint32) {
	for i, sorted := range q.sorted {
		at := uint64(0)
		for h := uint64(q.half); h > 0; h >>= 1 {
			at += less(sorted[at+h-1], keys[i]) & h
		}
		ranks[i] = uint32(at)
	}
}

// less returns ^0 when a < b, else 0.
func less(a, b uint64) uint64 {
	_, borrow := bits.Sub64(a, b, 0)
	return -borrow
}

// code returns the code of a category: 0 goes left in every set, 1 goes right, and 2
// is category 0.
func (p *Predictor) code(v float64, side int) uint64 {
	if p.m.Float32 {
		v = float64(float32(v))
	}
	switch {
	case v != v && side == 1:
		return 0
	case v != v, v <= -1, v >= MaxCategories, p.m.Float32 && v < 0:
		return 1
	}
	return uint64(int(v) + 2)
}
