package native

import "math"

// A histogram holds the sums of a leaf's derivatives for each feature of a tree and each
// bin. Sums are integers, so they do not depend on the order of addition, and a leaf's
// sums are exactly its parent's minus its sibling's.
//
// A cell of g packs two sums into one addition: the number of rows in the low bits, the
// first derivatives above. Second derivatives are in h, which is nil if all are 1.
type histogram struct {
	g, h [][cells]int64 // by slot, padded to whole blocks
}

// quantize chooses the scale for n rows whose derivatives have the given absolute
// sums, so that no partial sum overflows: with b bits for the count, sums stay below
// 2^(61-b). The mean derivative then keeps at least 62-2b bits.
func quantize(n int, sumG, sumH float64, constant bool) scale {
	shift := uint(1)
	for n>>shift != 0 {
		shift++
	}
	u := scale{shift: shift, g: power(sumG, 61-int(shift)), h: 1, constant: constant}
	if !constant {
		u.h = power(sumH, 61)
	}
	return u
}

// power returns the largest power of two that keeps sum below 2^bits.
func power(sum float64, bits int) float64 {
	if sum == 0 {
		return 1
	}
	_, exponent := math.Frexp(sum) // sum < 2^exponent
	return math.Ldexp(1, min(bits-exponent, 1000))
}

// chunk is the number of rows whose derivatives are gathered at a time, to stay in cache.
const chunk = 1024

// add adds the rows from..to-1, in the tree's order, to the histograms of the slots
// first..last-1. Both slots are multiples of four, or one pair apart.
func (g *grower) add(h *histogram, from, to, first, last int, buffer *[chunk]int64) {
	if g.whole && first%4 == 0 && last%4 == 0 {
		g.addAll(h, from, to, first, last)
		return
	}
	for ; from < to; from += chunk {
		rows := g.rows[from:min(from+chunk, to)]
		g.addChunk(h.g, g.packed, rows, first, last, buffer)
		if h.h != nil {
			g.addChunk(h.h, g.curves, rows, first, last, buffer)
		}
	}
}

func (g *grower) addChunk(h [][cells]int64, derivative []int64, rows []uint32, first, last int, buffer *[chunk]int64) {
	values := buffer[:len(rows)]
	for i, r := range rows {
		values[i] = derivative[r]
	}
	for s := first; s < last; {
		words := g.blocks[s/width]
		if s%width == 0 && last-s >= width {
			add8((*[8][cells]int64)(h[s:]), words, rows, values)
			s += width
			continue
		}
		if last-s >= 4 {
			add4((*[4][cells]int64)(h[s:]), words, 8*uint(s%width), rows, values)
			s += 4
			continue
		}
		add2((*[2][cells]int64)(h[s:]), words, 8*uint(s%width), rows, values)
		s += 2
	}
}

// addAll is add for rows that are in the order of the table.
func (g *grower) addAll(h *histogram, from, to, first, last int) {
	for ; from < to; from += chunk {
		end := min(from+chunk, to)
		for s := first; s < last; s += 4 {
			words := g.blocks[s/width][from:end]
			addAll4((*[4][cells]int64)(h.g[s:]), words, 8*uint(s%width), g.packed[from:end])
			if h.h != nil {
				addAll4((*[4][cells]int64)(h.h[s:]), words, 8*uint(s%width), g.curves[from:end])
			}
		}
	}
}

func add8(h *[8][cells]int64, words []uint64, rows []uint32, values []int64) {
	values = values[:len(rows)]
	for i, r := range rows {
		v, w := values[i], words[r]
		h[0][uint8(w)] += v
		h[1][uint8(w>>8)] += v
		h[2][uint8(w>>16)] += v
		h[3][uint8(w>>24)] += v
		h[4][uint8(w>>32)] += v
		h[5][uint8(w>>40)] += v
		h[6][uint8(w>>48)] += v
		h[7][uint8(w>>56)] += v
	}
}

func add4(h *[4][cells]int64, words []uint64, shift uint, rows []uint32, values []int64) {
	values = values[:len(rows)]
	for i, r := range rows {
		v, w := values[i], words[r]>>(shift&63)
		h[0][uint8(w)] += v
		h[1][uint8(w>>8)] += v
		h[2][uint8(w>>16)] += v
		h[3][uint8(w>>24)] += v
	}
}

func add2(h *[2][cells]int64, words []uint64, shift uint, rows []uint32, values []int64) {
	values = values[:len(rows)]
	for i, r := range rows {
		v, w := values[i], words[r]>>(shift&63)
		h[0][uint8(w)] += v
		h[1][uint8(w>>8)] += v
	}
}

func addAll4(h *[4][cells]int64, words []uint64, shift uint, values []int64) {
	values = values[:len(words)]
	for i, w := range words {
		v := values[i]
		w >>= shift & 63
		h[0][uint8(w)] += v
		h[1][uint8(w>>8)] += v
		h[2][uint8(w>>16)] += v
		h[3][uint8(w>>24)] += v
	}
}

// take returns a histogram with arbitrary content.
func (g *grower) take() *histogram {
	if n := len(g.free); n > 0 {
		h := g.free[n-1]
		g.free = g.free[:n-1]
		return h
	}
	h := &histogram{g: make([][cells]int64, g.slots)}
	if !g.unit.constant {
		h.h = make([][cells]int64, g.slots)
	}
	return h
}

func (g *grower) release(h *histogram) {
	if h != nil {
		g.free = append(g.free, h)
	}
}

func (h *histogram) clear(first, last int) {
	clear(h.g[first:last])
	if h.h != nil {
		clear(h.h[first:last])
	}
}

// plus adds other to slot s of h, and minus subtracts it. Both change only the first bins.
func (h *histogram) plus(other *histogram, s, bins int) {
	for _, p := range h.pairs(other, s) {
		a, b := p[0][:bins], p[1][:bins]
		for i, v := range b {
			a[i] += v
		}
	}
}

func (h *histogram) minus(other *histogram, s, bins int) {
	for _, p := range h.pairs(other, s) {
		a, b := p[0][:bins], p[1][:bins]
		for i, v := range b {
			a[i] -= v
		}
	}
}

func (h *histogram) pairs(other *histogram, s int) [][2]*[cells]int64 {
	pairs := [2][2]*[cells]int64{{&h.g[s], &other.g[s]}}
	if h.h == nil {
		return pairs[:1]
	}
	pairs[1] = [2]*[cells]int64{&h.h[s], &other.h[s]}
	return pairs[:2]
}

// at returns the cells of a slot. second is nil if all second derivatives are 1.
func (h *histogram) at(slot int) (first, second *[cells]int64) {
	if h.h != nil {
		second = &h.h[slot]
	}
	return &h.g[slot], second
}
