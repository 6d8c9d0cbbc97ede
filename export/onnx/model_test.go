package onnx_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/objective/tree"
)

// everything is a model that uses every field of a Model.
func everything() *onnx.Model {
	return &onnx.Model{
		IR: 8, Opsets: []onnx.Opset{{onnx.Standard, 17}, {onnx.ML, 3}}, Producer: "p", ProducerVersion: "v1", Domain: "org.example", Version: 3, Doc: "d",
		Metadata: []onnx.Property{{"b", "2"}, {"a", ""}},
		Graph: onnx.Graph{
			Name: "g", Doc: "gd",
			Nodes: []onnx.Node{
				{Name: "n", Op: "LeakyRelu", Inputs: []string{"x"}, Outputs: []string{"r"}, Attrs: []onnx.Attr{{"alpha", onnx.Float(0.5)}}, Doc: "nd"},
				{Op: "LSTM", Inputs: []string{"r", "w", "", "h"}, Outputs: []string{"", "last"}, Attrs: []onnx.Attr{
					{"direction", onnx.String("forward")}, {"hidden_size", onnx.Int(-1)}, {"activations", onnx.Strings{"Tanh", ""}},
					{"activation_alpha", onnx.Floats{0, float32(math.Inf(1))}}, {"ints", onnx.Ints{-1, 0, 1 << 40}}, {"none", onnx.Ints(nil)},
					{"tensor", onnx.NewTensor("", []int8{-1, 1})}}},
			},
			Initializers: []onnx.Tensor{onnx.NewTensor("w", []float64{1, 2, 3, 4}, 2, 2), onnx.Scalar("h", true), onnx.NewTensor[int32]("none", nil)},
			Inputs: []onnx.ValueInfo{{Name: "x", Type: onnx.Float32, Dims: []onnx.Dim{onnx.Batch, {Size: 0}, onnx.Unknown, {Size: 7}}, Doc: "in"},
				{Name: "s", Type: onnx.Uint8, Dims: []onnx.Dim{}}, {Name: "any", Type: onnx.Float16}},
			Outputs: []onnx.ValueInfo{{Name: "last", Type: onnx.Float32}},
			Values:  []onnx.ValueInfo{{Name: "r", Type: onnx.Float32, Dims: []onnx.Dim{onnx.Batch, {Size: 0}, onnx.Unknown, {Size: 7}}}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	m := everything()
	require.ErrorContains(t, m.Check(), "input 2 is missing, of 3") // of LSTM: only later ones may be left out
	b, err := m.Encode()
	require.NoError(t, err)
	again, err := onnx.Decode(b)
	require.NoError(t, err)
	assert.Equal(t, m, again)
	once, err := again.Encode()
	require.NoError(t, err)
	assert.Equal(t, b, once, "the same bytes")
}

func TestTensorTypes(t *testing.T) {
	check(t, []float64{math.Inf(1), -0.5, 3})
	check(t, []float32{1, 2, float32(math.Inf(-1))})
	check(t, []int64{math.MinInt64, 7})
	check(t, []int32{math.MinInt32, 7})
	check(t, []int8{-128, 7})
	check(t, []uint8{255, 7})
	check(t, []bool{true, false})
	_, err := onnx.Values[float32](onnx.NewTensor("t", []float64{1}))
	assert.EqualError(t, err, `onnx: tensor "t": invalid model: elements are DOUBLE, not FLOAT`)
	_, err = onnx.Values[float64](onnx.NewTensor("t", []float64{1}, 2))
	assert.EqualError(t, err, `onnx: tensor "t": invalid model: 8 bytes of data for dimensions [2] of DOUBLE, which take 16`)
}

func check[T onnx.Element](t *testing.T, values []T) {
	t.Helper()
	got, err := onnx.Values[T](onnx.NewTensor("", values))
	require.NoError(t, err)
	assert.Equal(t, values, got)
}

// small is a sound model that the cases below break.
func small(t testing.TB) *onnx.Model {
	m, err := onnx.Trees(stump(), onnx.TreesOptions{})
	require.NoError(t, err)
	return m
}

func stump() *tree.Model {
	n := tree.Node{Feature: 1, Left: ^1, Right: ^2}
	n.SetCategories(1, 5)
	return &tree.Model{
		Features: []tree.Feature{{Name: "a"}, {Name: "b", Kind: tree.Categorical}}, Outputs: 1, Base: []float64{2}, Link: tree.Link{Func: tree.Sigmoid},
		Trees: []tree.Tree{{Nodes: []tree.Node{{Threshold: 0.5, Left: ^0, Right: 1}, n}, Leaves: []tree.Leaf{{Value: 1}, {Value: 2}, {Value: 3}}}},
	}
}

func TestCheckFinds(t *testing.T) {
	node := func(m *onnx.Model, op string) *onnx.Node {
		for i := range m.Graph.Nodes {
			if m.Graph.Nodes[i].Op == op {
				return &m.Graph.Nodes[i]
			}
		}
		panic("no " + op)
	}
	set := func(name string, change func(v onnx.AttrValue) onnx.AttrValue) func(m *onnx.Model) {
		return func(m *onnx.Model) {
			n := node(m, "TreeEnsemble")
			for i := range n.Attrs {
				if n.Attrs[i].Name == name {
					n.Attrs[i].Value = change(n.Attrs[i].Value)
				}
			}
		}
	}
	ints := func(name string, change func(v onnx.Ints) onnx.Ints) func(m *onnx.Model) {
		return set(name, func(v onnx.AttrValue) onnx.AttrValue { return change(append(onnx.Ints{}, v.(onnx.Ints)...)) })
	}
	put := func(at int, x int64) func(v onnx.Ints) onnx.Ints {
		return func(v onnx.Ints) onnx.Ints { v[at] = x; return v }
	}
	for _, c := range []struct {
		name, want string
		change     func(m *onnx.Model)
	}{
		{"version", "IR version 2", func(m *onnx.Model) { m.IR = 2 }},
		{"no opset", `domain "" is not imported`, func(m *onnx.Model) { m.Opsets = m.Opsets[1:] }},
		{"domain not imported", `domain "ai.onnx.ml" is not imported`, func(m *onnx.Model) { m.Opsets = m.Opsets[:1] }},
		{"domain twice", "imported twice", func(m *onnx.Model) { m.Opsets = append(m.Opsets, onnx.Opset{Domain: "ai.onnx", Version: 2}) }},
		{"opset of the future", `version 99 of domain ""`, func(m *onnx.Model) { m.Opsets[0].Version = 99 }},
		{"operator too new", "came with version 5, and the model imports 3", func(m *onnx.Model) { m.Opsets[1].Version = 3 }},
		{"operator withdrawn", "withdrawn with version 5", func(m *onnx.Model) { node(m, "TreeEnsemble").Op = "TreeEnsembleRegressor" }},
		{"unknown operator", `no such operator`, func(m *onnx.Model) { node(m, "Sigmoid").Op = "Sigmoyd" }},
		{"order", "nothing before it sets it", func(m *onnx.Model) {
			slices.Reverse(m.Graph.Nodes)
		}},
		{"name taken", "is taken", func(m *onnx.Model) { node(m, "Sigmoid").Outputs[0] = "rows" }},
		{"output that nothing sets", `("x"): nothing sets it`, func(m *onnx.Model) { m.Graph.Outputs[0].Name = "x" }},
		{"output dimensions", "declared to be [batch 7], and are [batch 1]", func(m *onnx.Model) { m.Graph.Outputs[0].Dims[1].Size = 7 }},
		{"output rank", "declared to be [batch], and are [batch 1]", func(m *onnx.Model) { m.Graph.Outputs[0].Dims = m.Graph.Outputs[0].Dims[:1] }},
		{"output type", "declared to be FLOAT, and are DOUBLE", func(m *onnx.Model) { m.Graph.Outputs[0].Type = onnx.Float32 }},
		{"no outputs", "no outputs", func(m *onnx.Model) { m.Graph.Outputs = nil }},
		{"raw data", "7 bytes of data for dimensions", func(m *onnx.Model) { m.Graph.Initializers[0].Raw = make([]byte, 7) }},
		{"types", "elements of types DOUBLE and FLOAT", func(m *onnx.Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, onnx.Node{Op: "Add", Inputs: []string{"rows", "one"}, Outputs: []string{"sum"}})
			m.Graph.Initializers = append(m.Graph.Initializers, onnx.Scalar("one", float32(1)))
		}},
		{"broadcast", "do not fit together", func(m *onnx.Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, onnx.Node{Op: "Add", Inputs: []string{"rows", "three"}, Outputs: []string{"sum"}})
			m.Graph.Initializers = append(m.Graph.Initializers, onnx.NewTensor("three", []float64{1, 2, 3}))
		}},
		{"missing input", "input 1 is missing", func(m *onnx.Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, onnx.Node{Op: "Add", Inputs: []string{"rows"}, Outputs: []string{"sum"}})
		}},
		{"metadata", `key "attune.form"`, func(m *onnx.Model) { m.Metadata = append(m.Metadata, m.Metadata[0]) }},
		{"text", "not UTF-8", func(m *onnx.Model) { m.Doc = "\xff" }},
		{"attribute twice", "attribute n_targets: it is duplicated", func(m *onnx.Model) {
			n := node(m, "TreeEnsemble")
			n.Attrs = append(n.Attrs, onnx.Attr{Name: "n_targets", Value: onnx.Int(1)})
		}},
		{"attribute without value", "attribute x: it has no value", func(m *onnx.Model) {
			n := node(m, "TreeEnsemble")
			n.Attrs = append(n.Attrs, onnx.Attr{Name: "x"})
		}},
		{"feature", "nodes_featureids[1] is 2, want 0 to 1", ints("nodes_featureids", put(1, 2))},
		{"child", "a child of node 1 is 9, of 3", ints("nodes_falsenodeids", put(1, 9))},
		{"cycle", "node 1 is below itself", ints("nodes_falsenodeids", put(1, 1))},
		{"target", "leaf_targetids[0] is 1, want 0 to 0", ints("leaf_targetids", put(0, 1))},
		{"root", "tree_roots[0] is 3, want 0 to 2", ints("tree_roots", put(0, 3))},
		{"lengths", "nodes_trueleafs has 4 values, want 3", ints("nodes_trueleafs", func(v onnx.Ints) onnx.Ints { return append(v, 1) })},
		{"mode", "nodes_modes[2] is 7, want 0 to 6", set("nodes_modes", func(onnx.AttrValue) onnx.AttrValue { return onnx.NewTensor("", []uint8{0, 0, 7}) })},
		{"sets", "membership_values has 1 sets for 0 nodes", set("nodes_modes", func(onnx.AttrValue) onnx.AttrValue { return onnx.NewTensor("", []uint8{0, 0, 0}) })},
		{"splits", "rows of DOUBLE for splits of FLOAT", func(m *onnx.Model) {
			set("nodes_splits", func(onnx.AttrValue) onnx.AttrValue { return onnx.NewTensor("", []float32{0, 0, 0}) })(m)
			set("leaf_weights", func(onnx.AttrValue) onnx.AttrValue { return onnx.NewTensor("", []float32{0, 0, 0, 0, 0}) })(m)
			set("membership_values", func(onnx.AttrValue) onnx.AttrValue { return onnx.NewTensor("", []float32{1, float32(math.NaN())}) })(m)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := small(t)
			require.NoError(t, m.Check())
			c.change(m)
			err := m.Check()
			require.ErrorIs(t, err, onnx.ErrInvalid)
			assert.ErrorContains(t, err, c.want)
			var w bytes.Buffer
			require.ErrorIs(t, m.Write(&w), onnx.ErrInvalid)
			assert.Zero(t, w.Len(), "nothing is written")
		})
	}
}

func TestCheckRegressor(t *testing.T) {
	for _, c := range []struct {
		name, want, attr string
		value            onnx.AttrValue
	}{
		{"cycle", "node 2 is below itself", "nodes_truenodeids", onnx.Ints{0, 2, 0, 0, 0, 0, 0, 2}},
		{"no such child", "a child of node 0 of tree 1 is 77, which does not exist", "nodes_truenodeids", onnx.Ints{0, 77, 1, 0, 0, 0, 0, 1}},
		{"weight of no leaf", "target_nodeids[1] is 0, which is not a leaf of tree 1", "target_nodeids", onnx.Ints{0, 0, 3, 4}},
		{"mode", "nodes_modes[1] is unknown", "nodes_modes", onnx.Strings{"LEAF", "?", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF", "LEAF", "LEAF"}},
		{"values", "nodes_values has 1 values, want 7", "nodes_values", onnx.Floats{1}},
		{"node twice", "node 0 of tree 1 is duplicated", "nodes_nodeids", onnx.Ints{0, 0, 0, 1, 2, 3, 4}},
		{"node twice, far apart", "node 77 of tree 1 is duplicated", "nodes_nodeids", onnx.Ints{0, 77, 77, 1, 2, 3, 4}},
		{"nodes far apart", "a child of node 0 of tree 1 is 1, which does not exist", "nodes_nodeids", onnx.Ints{0, 0, 77, 2, 3, 4, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := onnx.Trees(stump(), onnx.TreesOptions{Form: onnx.Single})
			require.NoError(t, err)
			for i := range m.Graph.Nodes {
				n := &m.Graph.Nodes[i]
				for k := range n.Attrs {
					if n.Op == "TreeEnsembleRegressor" && n.Attrs[k].Name == c.attr {
						if v, ok := c.value.(onnx.Ints); ok {
							c.value = v[:len(n.Attrs[k].Value.(onnx.Ints))]
						}
						if v, ok := c.value.(onnx.Strings); ok {
							c.value = v[:len(n.Attrs[k].Value.(onnx.Strings))]
						}
						n.Attrs[k].Value = c.value
					}
				}
			}
			err = m.Check()
			require.ErrorIs(t, err, onnx.ErrInvalid)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestTreesRefuses(t *testing.T) {
	empty := &tree.Model{Outputs: 1}
	big := stump()
	big.Trees[0].Leaves[0].Value = 1e39
	deep := &tree.Model{Features: []tree.Feature{{Kind: tree.Categorical}}, Outputs: 1, Trees: []tree.Tree{{
		Nodes: []tree.Node{{Left: ^0, Right: ^1}}, Leaves: make([]tree.Leaf, 2)}}}
	var set []int
	for i := range 6000 {
		set = append(set, i)
	}
	deep.Trees[0].Nodes[0].SetCategories(set...)
	_, err := onnx.Trees(deep, onnx.TreesOptions{})
	require.NoError(t, err, "a set is one node")
	for _, c := range []struct {
		name string
		m    *tree.Model
		o    onnx.TreesOptions
		err  error
		want string
	}{
		{"invalid", &tree.Model{}, onnx.TreesOptions{}, tree.ErrInvalid, "onnx: trees: invalid model: 0 outputs"},
		{"no features", empty, onnx.TreesOptions{}, onnx.ErrUnsupported, "onnx: build: trees: unsupported: a model without features"},
		{"leaf above float32", big, onnx.TreesOptions{Form: onnx.Compatible}, onnx.ErrUnsupported, "use the form exact"},
		{"deep", deep, onnx.TreesOptions{Form: onnx.Compatible}, onnx.ErrUnsupported, "tree 0 is 6000 nodes deep"},
		{"unknown form", stump(), onnx.TreesOptions{Form: 7}, onnx.ErrUnsupported, "Form(7)"},
		{"units", stump(), onnx.TreesOptions{Units: []string{"m"}}, onnx.ErrInvalid, "1 units for 2 features"},
		{"names", stump(), onnx.TreesOptions{Input: "x", Output: "x"}, nil, `output "x": the name is empty or taken`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := onnx.Trees(c.m, c.o)
			require.ErrorContains(t, err, c.want)
			if c.err != nil {
				assert.ErrorIs(t, err, c.err)
			}
		})
	}
}

func TestThresholdsAreRoundedDown(t *testing.T) {
	// 16777217 = 2^24+1 lies between two float32: to the nearest, 16777216 either way
	// of a tie; 0.1 is above its float32's neighbour below.
	for _, threshold := range []float64{0.1, 16777217, 16777219, -16777217, 1e300, -1e300, math.Inf(1), math.Inf(-1), 0, 1e-320, -1e-320} {
		m := &tree.Model{Features: make([]tree.Feature, 1), Outputs: 1, Trees: []tree.Tree{{
			Nodes: []tree.Node{{Threshold: threshold, Left: ^0, Right: ^1}}, Leaves: []tree.Leaf{{Value: 1}, {Value: 2}}}}}
		f := float32(threshold)
		var rows []float64
		for _, x := range []float32{f, math.Nextafter32(f, float32(math.Inf(-1))), math.Nextafter32(f, float32(math.Inf(1)))} {
			rows = append(rows, float64(x))
		}
		measure(t, m, rows, plainly)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "m.onnx")
	m := small(t)
	require.NoError(t, m.WriteFile(name))
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	again, err := onnx.Read(f)
	require.NoError(t, err)
	assert.Equal(t, m, again)
	m.IR = 0
	require.ErrorIs(t, m.WriteFile(name), onnx.ErrInvalid)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "only the old file is left")
	require.ErrorIs(t, small(t).WriteFile(filepath.Join(dir, "none", "m.onnx")), os.ErrNotExist)
	assert.ErrorIs(t, small(t).Write(broken{}), errBroken)
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, file string
		err        error
		want       string
	}{
		{"nothing", "", onnx.ErrFormat, "it has no graph"},
		{"text", "hello", onnx.ErrFormat, "not an ONNX file"},
		{"short", "\x3a\x05\x0a", onnx.ErrFormat, "cut off or damaged"},
		{"length of 2^63", "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", onnx.ErrFormat, "cut off or damaged"},
		{"node without operator", "\x3a\x02\x0a\x00", onnx.ErrFormat, "graph: node 0: it has no operator"},
		{"tensor too long", "\x3a\x0a\x2a\x08\x08\x02\x10\x01\x4a\x02ab", onnx.ErrFormat, `graph: initializer 0 (""): 2 bytes of data for dimensions [2] of FLOAT`},
		{"sparse", "\x3a\x02\x7a\x00", onnx.ErrUnsupported, "sparse initializers"},
		{"functions", "\xca\x01\x00", onnx.ErrUnsupported, "functions"},
		{"graph attribute", "\x3a\x07\x0a\x05\x22\x01I\x2a\x00", onnx.ErrUnsupported, "attributes of type 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := onnx.Decode([]byte(c.file))
			require.ErrorIs(t, err, c.err)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// Other writers put numbers into typed fields and do not pack.
func TestDecodeOtherWriters(t *testing.T) {
	tensor := "\x08\x02" + // dims, not packed
		"\x10\x01" + // FLOAT
		"\x22\x08\x00\x00\x80\x3f\x00\x00\x00\x40" + // float_data
		"\x42\x01w"
	whole := "\x0a\x01\x03" + "\x10\x03" + "\x3a\x0c\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + "\x42\x01i" // int64_data of INT8
	attr := "\x0a\x01a" + "\x40\x05\x40\x06" + "\xa0\x01\x07"
	node := "\x22\x01N" + message(5, attr)
	m, err := onnx.Decode([]byte(message(7, message(1, node)+message(5, tensor)+message(5, whole))))
	require.NoError(t, err)
	assert.Equal(t, onnx.Ints{5, 6}, m.Graph.Nodes[0].Attr("a"))
	assert.Equal(t, []onnx.Tensor{onnx.NewTensor("w", []float32{1, 2}), onnx.NewTensor("i", []int8{1, 2, -1})}, m.Graph.Initializers)
}

func message(field int, body string) string {
	return fmt.Sprintf("%c%c%s", field<<3|2, len(body), body)
}

// Damaged files are refused or make another model; nothing panics.
func TestDecodeDamaged(t *testing.T) {
	m, err := onnx.Trees(stump(), onnx.TreesOptions{Form: onnx.Compatible})
	require.NoError(t, err)
	whole, err := m.Encode()
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		b := bytes.Clone(whole)
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		if m, err := onnx.Decode(b[:r.IntN(len(b)+1)]); err == nil {
			_ = m.Check()
		}
		if m, err := onnx.Decode(b); err == nil {
			_ = m.Check()
		}
	}
}

func TestBytesDependOnModelAlone(t *testing.T) {
	for range 3 {
		a, err := small(t).Encode()
		require.NoError(t, err)
		b, err := small(t).Encode()
		require.NoError(t, err)
		assert.Equal(t, a, b)
	}
}

func TestStamps(t *testing.T) {
	for _, c := range []struct {
		form onnx.Form
		want string
	}{{onnx.Exact, "exact 10 21 5"}, {onnx.Compatible, "compatible 8 17 3"}, {onnx.Single, "float32 8 17 3"}} {
		m, err := onnx.Trees(stump(), onnx.TreesOptions{Form: c.form})
		require.NoError(t, err)
		assert.Equal(t, c.want, fmt.Sprint(c.form, m.IR, m.Opset("ai.onnx"), m.Opset(onnx.ML)))
		assert.True(t, strings.HasPrefix(c.form.Stamp().Least, "1."))
		form, ok := onnx.ParseForm(c.form.String())
		assert.True(t, ok && form == c.form)
	}
}

func benchmarkModel(trees, leaves int) *tree.Model {
	r := rand.New(rand.NewPCG(1, uint64(leaves)))
	m := &tree.Model{Features: make([]tree.Feature, 20), Outputs: 1}
	for range trees {
		t := tree.Tree{}
		for i := range leaves - 1 { // a heap
			side := func(c int) int {
				if c >= leaves-1 {
					return ^(c - leaves + 1)
				}
				return c
			}
			t.Nodes = append(t.Nodes, tree.Node{Feature: r.IntN(20), Threshold: r.NormFloat64(), Left: side(2*i + 1), Right: side(2*i + 2)})
		}
		for range leaves {
			t.Leaves = append(t.Leaves, tree.Leaf{Value: r.NormFloat64()})
		}
		m.Trees = append(m.Trees, t)
	}
	return m
}

func BenchmarkTrees(b *testing.B) {
	for _, form := range []onnx.Form{onnx.Exact, onnx.Compatible} {
		for _, leaves := range []int{31, 63} {
			b.Run(fmt.Sprintf("%v/trees=1000/leaves=%d", form, leaves), func(b *testing.B) {
				m := benchmarkModel(1000, leaves)
				var w bytes.Buffer
				for b.Loop() {
					w.Reset()
					exported, err := onnx.Trees(m, onnx.TreesOptions{Form: form})
					if err == nil {
						err = exported.Write(&w)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(w.Len()), "bytes")
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	m, err := onnx.Trees(benchmarkModel(1000, 31), onnx.TreesOptions{})
	require.NoError(b, err)
	file, err := m.Encode()
	require.NoError(b, err)
	for b.Loop() {
		if _, err := onnx.Decode(file); err != nil {
			b.Fatal(err)
		}
	}
}
