package native

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A binner maps the values of one feature to bins: numbers to their interval,
// categories to their rank by frequency. Missing values get an extra bin after the last,
// so there are at most 256 bins.
type binner struct {
	bins        int       // not counting the bin of missing values
	upper       []float64 // numeric: bin b holds what is <= upper[b] and > upper[b-1]
	keys        []uint64  // upper as ordered integers, padded to 256
	categories  []int     // categorical: the category of bin b; rare categories have no bin and count as missing
	ranks       []uint8   // the bin of each category up to the largest that has one
	categorical bool
	missing     bool // some training value is missing
}

// sampleRows is the number of values from which the bounds are chosen.
const sampleRows = 200_000

// newBinner chooses the bins of a column: one per value if there are few values,
// otherwise bins with about equally many rows. buffer is scratch space.
func newBinner(column []float64, maxBins int, categorical bool, buffer *[2][]uint64) binner {
	if categorical {
		return newCategoryBinner(column, maxBins)
	}
	b := binner{}
	keys := buffer[0][:0]
	stride := 1
	if len(column) > sampleRows {
		stride = (len(column) + sampleRows - 1) / sampleRows
	}
	low, high := math.Inf(1), math.Inf(-1)
	for i, v := range column {
		if v != v {
			b.missing = true
			continue
		}
		low, high = min(low, v), max(high, v)
		if i%stride == 0 {
			keys = append(keys, key(v))
		}
	}
	if low > high { // only missing values
		return b
	}
	if stride > 1 { // include the extremes even if the sample misses them
		keys = append(keys, key(low), key(high))
	}
	keys = radixSort(keys, &buffer[1])
	buffer[0] = keys
	values, counts := make([]float64, 0, 256), make([]int, 0, 256)
	for i := 0; i < len(keys); {
		j := i + 1
		for j < len(keys) && keys[j] == keys[i] {
			j++
		}
		values, counts = append(values, unkey(keys[i])), append(counts, j-i)
		i = j
	}
	b.upper = bounds(values, counts, len(keys), maxBins)
	b.bins = len(b.upper)
	b.keys = make([]uint64, 256)
	for i := range b.keys {
		b.keys[i] = math.MaxUint64
		if i < b.bins-1 {
			b.keys[i] = key(b.upper[i])
		}
	}
	return b
}

// bounds returns the upper ends of at most maxBins bins for distinct ascending
// values. Each bin takes values as long as that brings its number of rows closer to an
// equal share of the remaining rows.
func bounds(values []float64, counts []int, rows, maxBins int) []float64 {
	var upper []float64
	if len(values) <= maxBins {
		for i := range values[1:] {
			upper = append(upper, between(values[i], values[i+1]))
		}
	} else {
		for i := 0; maxBins-len(upper) > 1 && i < len(values)-1; {
			share := float64(rows) / float64(maxBins-len(upper))
			taken := counts[i]
			i++
			for i < len(values) && math.Abs(float64(taken+counts[i])-share) <= share-float64(taken) {
				taken += counts[i]
				i++
			}
			if i == len(values) {
				break
			}
			rows -= taken
			upper = append(upper, between(values[i-1], values[i]))
		}
	}
	// In training, only missing values are above every bound.
	last := values[len(values)-1]
	switch {
	case last <= math.MaxFloat32:
		last = math.MaxFloat32
	case last <= math.MaxFloat64:
		last = math.MaxFloat64
	}
	return append(upper, last)
}

// between returns a threshold t with a <= t < b, so that x <= t separates a from b. It is
// near the middle, finite if possible, and a float32 if any lies in the interval, so
// that models in float32 lose nothing.
func between(a, b float64) float64 {
	mid := a/2 + b/2
	switch {
	case math.IsInf(a, -1) && math.IsInf(b, 1):
		return 0
	case math.IsInf(b, 1):
		mid = max(a, math.MaxFloat32)
	case math.IsInf(a, -1):
		mid = -math.MaxFloat32
	}
	if t := float64(float32(mid)); a <= t && t < b {
		return t
	}
	t := float32(min(b, math.MaxFloat32))
	if float64(t) >= b {
		t = math.Nextafter32(t, float32(math.Inf(-1)))
	}
	if !math.IsInf(float64(t), 0) && a <= float64(t) && float64(t) < b {
		return float64(t)
	}
	switch {
	case a <= mid && mid < b:
		return mid
	case math.IsInf(a, -1):
		return -math.MaxFloat64
	}
	return a
}

func newCategoryBinner(column []float64, maxBins int) binner {
	b := binner{categorical: true}
	counts := map[int]int{}
	for _, v := range column {
		if v >= 0 {
			counts[int(v)]++
		} else {
			b.missing = true
		}
	}
	for c := range counts {
		b.categories = append(b.categories, c)
	}
	slices.SortFunc(b.categories, func(c, d int) int {
		return cmp.Or(cmp.Compare(counts[d], counts[c]), cmp.Compare(c, d))
	})
	if len(b.categories) > maxBins {
		b.categories = b.categories[:maxBins]
		b.missing = true
	}
	b.bins = len(b.categories)
	if b.bins == 0 {
		return b
	}
	b.ranks = bytes.Repeat([]byte{uint8(b.bins)}, slices.Max(b.categories)+1)
	for i, c := range b.categories {
		b.ranks[c] = uint8(i)
	}
	return b
}

// fill writes the bins of column to out.
func (b *binner) fill(column []float64, out []uint8) {
	if b.categorical {
		for i, v := range column {
			out[i] = uint8(b.bins)
			if v >= 0 && int(v) < len(b.ranks) {
				out[i] = b.ranks[int(v)]
			}
		}
		return
	}
	if b.bins == 0 {
		clear(out)
		return
	}
	keys := (*[256]uint64)(b.keys)
	out = out[:len(column)]
	for i, v := range column {
		if v != v {
			out[i] = uint8(b.bins)
			continue
		}
		k := key(v)
		at := uint64(0) // the number of bounds below v
		_, c := bits.Sub64(keys[127], k, 0)
		at += 128 & -c
		_, c = bits.Sub64(keys[uint8(at+63)], k, 0)
		at += 64 & -c
		_, c = bits.Sub64(keys[uint8(at+31)], k, 0)
		at += 32 & -c
		_, c = bits.Sub64(keys[uint8(at+15)], k, 0)
		at += 16 & -c
		_, c = bits.Sub64(keys[uint8(at+7)], k, 0)
		at += 8 & -c
		_, c = bits.Sub64(keys[uint8(at+3)], k, 0)
		at += 4 & -c
		_, c = bits.Sub64(keys[uint8(at+1)], k, 0)
		at += 2 & -c
		_, c = bits.Sub64(keys[uint8(at)], k, 0)
		at += 1 & -c
		out[i] = uint8(at)
	}
}

// key maps numbers to integers in the same order, and both zeros to the same integer.
func key(v float64) uint64 {
	k := math.Float64bits(v + 0)
	return k ^ (uint64(int64(k)>>63) | 1<<63)
}

func unkey(k uint64) float64 {
	return math.Float64frombits(k ^ (uint64(int64(^k)>>63) | 1<<63))
}

// radixSort sorts keys by 11 bits at a time and returns them; spare is scratch.
func radixSort(keys []uint64, spare *[]uint64) []uint64 {
	if len(keys) < 256 {
		slices.Sort(keys)
		return keys
	}
	const digit, passes = 11, 6
	counts := new([passes][1 << digit]uint32)
	for _, k := range keys {
		for p := range passes {
			counts[p][k>>(digit*p)&(1<<digit-1)]++
		}
	}
	other := slices.Grow((*spare)[:0], len(keys))[:len(keys)]
	for p := range passes {
		at := &counts[p]
		if at[keys[0]>>(digit*p)&(1<<digit-1)] == uint32(len(keys)) {
			continue
		}
		sum := uint32(0)
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for _, k := range keys {
			d := k >> (digit * p) & (1<<digit - 1)
			other[at[d]] = k
			at[d]++
		}
		keys, other = other, keys
	}
	*spare = other
	return keys
}

// A table is a data set in bins. It is stored by column, and for the trainer in blocks of
// eight features, where each row of a block is one word.
type table struct {
	rows    int
	columns [][]uint8
}

// bin returns d in the bins of bs.
func bin(d engine.Dataset, bs []binner, w *workers) table {
	t := table{rows: d.Rows(), columns: make([][]uint8, len(bs))}
	w.each(len(bs), func(_, f int) {
		t.columns[f] = make([]uint8, t.rows)
		bs[f].fill(d.Columns[f], t.columns[f])
	})
	return t
}

// width is the number of features in a block.
const width = 8

// blocks returns the given columns side by side, eight bytes per row. The first feature
// of a block is the lowest byte. Bytes after the last feature are 0.
func (t table) blocks(features []int, w *workers) [][]uint64 {
	out := make([][]uint64, (len(features)+width-1)/width)
	none := make([]uint8, t.rows)
	for b := range out {
		var c [width][]uint8
		for k := range c {
			c[k] = none
			if i := b*width + k; i < len(features) {
				c[k] = t.columns[features[i]]
			}
		}
		words := make([]uint64, t.rows)
		w.rows(t.rows, func(_, from, to int) {
			var row [width]uint8
			for i := from; i < to; i++ {
				row = [width]uint8{c[0][i], c[1][i], c[2][i], c[3][i], c[4][i], c[5][i], c[6][i], c[7][i]}
				words[i] = binary.LittleEndian.Uint64(row[:])
			}
		})
		out[b] = words
	}
	return out
}
