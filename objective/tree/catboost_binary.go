package tree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// cbm begins files in CatBoost's own format. The size of a FlatBuffers document follows,
// and then the document, which contains the trees. The rest is about categories and texts.
const cbm = "CBM1"

// The fields that are read from the tables of the document, by their numbers in CatBoost's
// schema.
const (
	cbmTrees  = 1 // fields of the document
	cbmFacts  = 2
	cbmParts  = 3
	cbmKey    = 0 // fields of a fact
	cbmValue  = 1
	cbmValues = 0 // fields of the trees: values of leaves
	cbmSplits = 1
	cbmSizes  = 2
	cbmStarts = 3
	cbmCats   = 4
	cbmFloats = 5
	cbmLeaves = 8
	cbmWeight = 9
	cbmSteps  = 10
	cbmLeafID = 11
	cbmTexts  = 12
	cbmScale  = 14
	cbmBias   = 15
	cbmBiases = 16
	cbmEmbeds = 18
	cbmColumn = 2 // fields of a float feature
	cbmBorder = 3
	cbmName   = 4
	cbmNaN    = 5
	cbmCatCol = 1 // fields of a categorical, text or embedding feature
	cbmCatNam = 2
)

// catBoostBinary reads a .cbm file whose splits are on float features.
func catBoostBinary(r *reading, data []byte) (*Model, error) {
	if len(data) < 8 || string(data[:4]) != cbm {
		return nil, errors.New("it does not begin with CBM1")
	}
	size := binary.LittleEndian.Uint32(data[4:])
	if uint64(size) > uint64(len(data)-8) {
		return nil, fmt.Errorf("%d bytes declared, %d there: %w", size, len(data)-8, errShort)
	}
	f := &flat{data: data[8 : 8+size]}
	m := f.catBoost(r)
	if f.err != nil {
		return nil, f.err
	}
	return m, nil
}

// A flat reads a FlatBuffers document. It keeps the first error, after which reads return
// nothing.
type flat struct {
	data []byte
	err  error
}

// bytes returns n bytes at an offset.
func (f *flat) bytes(at, n int) []byte {
	if f.err != nil || at < 0 || n < 0 || at > len(f.data)-n {
		if f.err == nil {
			f.err = fmt.Errorf("byte %d: %w", at, errShort)
		}
		return nil
	}
	return f.data[at : at+n]
}

func (f *flat) uint32(at int) uint32 {
	if b := f.bytes(at, 4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// follow returns the target of an offset.
func (f *flat) follow(at int) int { return at + int(f.uint32(at)) }

// field returns the place of a field of a table, or 0 if it is absent. No field is at 0.
func (f *flat) field(table, number int) int {
	vtable := table - int(int32(f.uint32(table)))
	b := f.bytes(vtable, 2)
	if b == nil || 4+2*number+2 > int(binary.LittleEndian.Uint16(b)) {
		return 0
	}
	if b = f.bytes(vtable+4+2*number, 2); b == nil {
		return 0
	}
	if offset := int(binary.LittleEndian.Uint16(b)); offset > 0 {
		return table + offset
	}
	return 0
}

// vector returns the elements of a vector with elements of size bytes, or nil if it is absent.
func (f *flat) vector(table, number, size int) []byte {
	at := f.field(table, number)
	if at == 0 {
		return nil
	}
	at = f.follow(at)
	n := f.uint32(at)
	if uint64(n)*uint64(size) > uint64(len(f.data)) {
		f.err = fmt.Errorf("byte %d: a vector of %d elements: %w", at, n, errShort)
		return nil
	}
	return f.bytes(at+4, int(n)*size)
}

// tables returns the places of the tables in a vector.
func (f *flat) tables(table, number int) []int {
	at := f.field(table, number)
	if at == 0 {
		return nil
	}
	first := f.follow(at) + 4
	var out []int
	for i := range len(f.vector(table, number, 4)) / 4 {
		out = append(out, f.follow(first+4*i))
	}
	return out
}

func (f *flat) text(table, number int) string { return string(f.vector(table, number, 1)) }

func (f *flat) int(table, number, absent int) int {
	if at := f.field(table, number); at != 0 {
		return int(int32(f.uint32(at)))
	}
	return absent
}

func (f *flat) float(table, number int, absent float64) float64 {
	if at := f.field(table, number); at != 0 {
		if b := f.bytes(at, 8); b != nil {
			return math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	}
	return absent
}

func (f *flat) ints(table, number int) []int {
	b := f.vector(table, number, 4)
	out := make([]int, len(b)/4)
	for i := range out {
		out[i] = int(int32(binary.LittleEndian.Uint32(b[4*i:])))
	}
	return out
}

func (f *flat) floats(table, number int) []float64 {
	b := f.vector(table, number, 8)
	out := make([]float64, len(b)/8)
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return out
}

// fail records the first error.
func (f *flat) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// catBoost converts the document to a model.
func (f *flat) catBoost(r *reading) *Model {
	root := f.follow(0)
	at := f.field(root, cbmTrees)
	if at == 0 {
		f.fail(errors.New("there are no trees"))
		return nil
	}
	trees := f.follow(at)
	c := &catReader{reading: r, model: &Model{Float32: true}, scale: f.float(trees, cbmScale, 1)}
	c.model.Base = f.floats(trees, cbmBiases)
	c.outputs = max(1, f.int(trees, cbmValues, 1))
	if c.outputs > MaxOutputs {
		f.fail(fmt.Errorf("%d outputs, at most %d", c.outputs, MaxOutputs))
		return nil
	}
	if len(c.model.Base) == 0 {
		c.model.Base = make([]float64, c.outputs)
		c.model.Base[0] = f.float(trees, cbmBias, 0)
	}
	if c.model.Outputs = c.outputs; len(c.model.Base) != c.outputs {
		f.fail(fmt.Errorf("%d biases for %d outputs", len(c.model.Base), c.outputs))
		return nil
	}
	loss := ""
	for _, fact := range f.tables(root, cbmFacts) {
		if f.text(fact, cbmKey) == "class_params" {
			if err := r.catClasses(value{f.text(fact, cbmValue), "class_params"}); err != nil {
				f.fail(err)
			}
		}
		if f.text(fact, cbmKey) != "params" {
			continue
		}
		params, err := decodeJSON([]byte(f.text(fact, cbmValue)))
		if err == nil {
			loss, err = catLoss(params)
		}
		if err != nil {
			f.fail(fmt.Errorf("params: %w", err))
		}
	}
	c.model.Link.Func, r.source.Labels = catLinks[loss], catLabels(loss)
	splits := f.catFeatures(c, trees)
	if f.err != nil {
		return nil
	}
	if number := f.ints(trees, cbmSplits); len(number) > 0 && slices.Max(number) >= len(splits) {
		f.fail(c.categories())
		return nil
	}
	f.catTrees(c, trees, splits)
	return c.model
}

// catFeatures reads the features, and returns the splits by the number that trees use.
func (f *flat) catFeatures(c *catReader, trees int) []Node {
	type column struct {
		at   int
		name string
		kind Kind
	}
	var columns []column
	var splits []Node
	width := 0
	for _, t := range f.tables(trees, cbmFloats) {
		k := column{at: f.int(t, cbmColumn, -1), name: f.text(t, cbmName)}
		columns = append(columns, k)
		nan := 0
		if at := f.field(t, cbmNaN); at != 0 {
			if b := f.bytes(at, 1); b != nil {
				nan = int(b[0])
			}
		}
		if nan > 2 {
			f.fail(unsupported("CatBoost NanValueTreatment %d", nan))
		}
		borders := f.vector(t, cbmBorder, 4)
		for ; len(borders) >= 4; borders = borders[4:] {
			splits = append(splits, Node{Feature: k.at, Threshold: float64(math.Float32frombits(binary.LittleEndian.Uint32(borders))), DefaultLeft: nan != 2})
		}
	}
	for _, number := range []int{cbmCats, cbmTexts, cbmEmbeds} {
		for _, t := range f.tables(trees, number) {
			k := column{at: f.int(t, cbmCatCol, -1), name: f.text(t, cbmCatNam)}
			if number == cbmCats {
				k.kind = Categorical
			}
			columns = append(columns, k)
		}
	}
	for _, k := range columns {
		if k.at < 0 || k.at >= MaxFeatures {
			f.fail(fmt.Errorf("feature %q is column %d", k.name, k.at))
			return nil
		}
		width = max(width, k.at+1)
	}
	var err error
	if c.model.Features, err = c.reading.features(width); err != nil {
		f.fail(err)
		return nil
	}
	for _, k := range columns {
		c.model.Features[k.at] = Feature{k.name, k.kind}
	}
	return splits
}

// catTrees adds the trees.
func (f *flat) catTrees(c *catReader, trees int, splits []Node) {
	all, sizes, starts := f.ints(trees, cbmSplits), f.ints(trees, cbmSizes), f.ints(trees, cbmStarts)
	values, weights := f.floats(trees, cbmLeaves), f.floats(trees, cbmWeight)
	steps, leafIDs := f.vector(trees, cbmSteps, 4), f.ints(trees, cbmLeafID)
	nested := len(steps) > 0
	if f.err == nil && nested && (len(steps) != 4*len(all) || len(leafIDs) != len(all)) {
		f.fail(fmt.Errorf("%d steps and %d leaves for %d nodes", len(steps)/4, len(leafIDs), len(all)))
	}
	if f.err == nil && len(starts) != len(sizes) {
		f.fail(fmt.Errorf("%d starts of %d trees", len(starts), len(sizes)))
	}
	if f.err != nil {
		return
	}
	seen := 0 // leaf values used so far
	for i, size := range sizes {
		if size < 0 || starts[i] < 0 || starts[i] > len(all)-size {
			f.fail(fmt.Errorf("tree %d: %d splits from %d on, of %d", i, size, starts[i], len(all)))
			return
		}
		own := all[starts[i] : starts[i]+size]
		var err error
		if nested {
			err = c.stepTree(own, splits, steps[4*starts[i]:], leafIDs[starts[i]:], values, weights)
		} else {
			seen, err = c.flatTree(own, splits, values, weights, seen)
		}
		if err != nil {
			f.fail(fmt.Errorf("tree %d: %w", i, err))
			return
		}
	}
	c.taken(len(sizes), len(sizes))
}

// numbered returns a split by its number. Those of float features come first.
func numbered(splits []Node, number int) (Node, error) {
	if number < 0 || number >= len(splits) {
		return Node{}, fmt.Errorf("split %d of %d", number, len(splits))
	}
	return splits[number], nil
}

// flatTree adds an oblivious tree. Its leaf values are those after the first seen.
func (c *catReader) flatTree(own []int, splits []Node, values, weights []float64, seen int) (int, error) {
	depth := len(own)
	if depth > 30 || c.outputs<<depth > len(values)-seen {
		return 0, fmt.Errorf("%d leaf values left for %d splits and %d outputs", len(values)-seen, depth, c.outputs)
	}
	nodes := make([]Node, depth)
	for d, number := range own {
		var err error
		if nodes[d], err = numbered(splits, number); err != nil {
			return 0, err
		}
	}
	next := seen + c.outputs<<depth
	var w []float64
	if first := seen / c.outputs; len(weights) >= first+1<<depth {
		w = weights[first : first+1<<depth]
	}
	c.symmetric(nodes, values[seen:next], w)
	return next, nil
}

// stepTree adds a tree whose nodes store the distances to their two children. A distance of 0
// means that the side ends in the node's leaf.
func (c *catReader) stepTree(own []int, splits []Node, steps []byte, leafIDs []int, values, weights []float64) error {
	var t Tree
	var of []float64
	leaf := func(i int) (int, error) {
		at := leafIDs[i]
		if at < 0 || at > len(values)-c.outputs {
			return 0, fmt.Errorf("node %d: leaf value %d of %d", i, at, len(values))
		}
		l := Leaf{}
		if k := at / c.outputs; k < len(weights) {
			l.Weight = max(weights[k], 0)
		}
		t.Leaves = append(t.Leaves, l)
		of = append(of, values[at:at+c.outputs]...)
		return ^(len(t.Leaves) - 1), nil
	}
	var add func(i, depth int) (int, error)
	visited := 0
	add = func(i, depth int) (int, error) {
		if visited++; visited > len(own) {
			return 0, errors.New("a node is reached twice")
		}
		if depth > maxDepth {
			return 0, fmt.Errorf("it is more than %d nodes deep", maxDepth)
		}
		left, right := int(binary.LittleEndian.Uint16(steps[4*i:])), int(binary.LittleEndian.Uint16(steps[4*i+2:]))
		if left == 0 && right == 0 {
			return leaf(i)
		}
		n, err := numbered(splits, own[i])
		if err != nil {
			return 0, err
		}
		at := len(t.Nodes)
		t.Nodes = append(t.Nodes, n)
		for side, ahead := range []int{left, right} {
			var child int
			switch {
			case ahead == 0:
				child, err = leaf(i)
			case i+ahead >= len(own):
				err = fmt.Errorf("node %d: a side is %d ahead, of %d nodes", i, ahead, len(own))
			default:
				child, err = add(i+ahead, depth+1)
			}
			if err != nil {
				return 0, err
			}
			if side == 0 {
				t.Nodes[at].Left = child
			} else {
				t.Nodes[at].Right = child
			}
		}
		return at, nil
	}
	if len(own) == 0 {
		return errors.New("no nodes")
	}
	if _, err := add(0, 0); err != nil {
		return err
	}
	t.addWeights()
	c.add(t, of)
	return nil
}
