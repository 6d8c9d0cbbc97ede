package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/internal/pickle"
)

// latin1 returns the original bytes of a file of testdata/sklearn.
func latin1(text string) []byte {
	b := make([]byte, 0, len(text))
	for _, c := range text {
		b = append(b, byte(c))
	}
	return b
}

// The files of the newest version by name and format.
var (
	sklOnce   sync.Once
	sklNewest = map[[2]string][]byte{}
)

func sklFile(t testing.TB, name, format string) []byte {
	t.Helper()
	sklOnce.Do(func() {
		for _, o := range oracles(t, "sklearn/1.9.1") {
			for format, text := range o.Files {
				sklNewest[[2]string{o.Name, format}] = latin1(text)
			}
		}
	})
	file := sklNewest[[2]string{name, format}]
	require.NotEmpty(t, file, "%s as %s", name, format)
	return bytes.Clone(file)
}

// scikit-learn also sums in float64 and in this order, so raw outputs have the same bits,
// except where the base values are logarithms.
func TestScikitLearnPredictsAsTheOriginal(t *testing.T) {
	for _, o := range oracles(t, "sklearn/") {
		for format, file := range o.Files {
			t.Run(o.library+"/"+o.Name+"/"+format, func(t *testing.T) {
				m, err := Read(bytes.NewReader(latin1(file)))
				switch {
				case o.Refuse != "":
					require.ErrorIs(t, err, ErrUnsupported)
					require.ErrorContains(t, err, o.Refuse)
					return
				}
				require.NoError(t, err)
				raw, pred := predict(t, m, o.Rows)
				if o.Raw != nil {
					if strings.HasPrefix(o.Name, "boosting, ") && m.Link.Func != Identity {
						near(t, o.Raw, raw, 1e-15)
					} else {
						sameBits(t, o.Raw, raw)
					}
				}
				near(t, o.Pred, pred, 1e-15)
				if !strings.Contains(o.Name, "rare") { // its leaves are too large for sums to agree
					explains(t, m, o, 0)
				}

				var sum float64
				importance := m.Importance()
				for _, f := range importance {
					sum += f.Gain
				}
				for i := range o.Gain {
					assert.InDelta(t, o.Gain[i], importance[i].Gain/max(sum, math.SmallestNonzeroFloat64), 1e-14, "feature %d", i)
				}
				for i, name := range o.Names {
					assert.Equal(t, name, m.Features[i].Name)
				}
				if strings.Contains(o.Name, "categor") {
					assert.Equal(t, Categorical, m.Features[3].Kind)
					assert.Equal(t, Numeric, m.Features[0].Kind)
				}
			})
		}
	}
}

func TestScikitLearnCutOff(t *testing.T) {
	for _, c := range []struct{ name, format string }{
		{"tree, pruned", "pickle 0"}, {"tree, pruned", "pickle 5"}, {"tree, pruned", "joblib"}, {"tree, pruned", "gzip"}, {"boosting", "joblib"}, {"hist, categories", "joblib"},
	} {
		file := sklFile(t, c.name, c.format)
		for n := 0; n < len(file); n += 1 + len(file)/500 {
			if _, err := ReadScikitLearn(bytes.NewReader(file[:n])); !errors.Is(err, ErrFormat) {
				t.Fatalf("%s, %s: %d bytes of %d: %v", c.name, c.format, n, len(file), err)
			}
		}
		_, err := ReadScikitLearn(bytes.NewReader(file))
		require.NoError(t, err)
	}
}

// get follows attributes, and list elements by number.
func get(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, ok := v.(*pickle.Object)
			require.True(t, ok, "%s of %s", p, pickle.Kind(v))
			v = o.Get(p)
		case int:
			items, ok := pickle.Items(v)
			require.True(t, ok, "element %d of %s", p, pickle.Kind(v))
			v = items[p]
		}
	}
	return v
}

// sklSet puts a value into a column of records.
func sklSet(t *testing.T, v any, row int, column string, to any) {
	t.Helper()
	a := v.(*pickle.Array)
	for _, f := range a.Type.Fields {
		if f.Name == column {
			_, err := binary.Encode(a.Data[row*a.Type.Size+f.Offset:][:f.Type.Size], binary.LittleEndian, to)
			require.NoError(t, err)
			return
		}
	}
	t.Fatal(column)
}

func TestScikitLearnRefusesBrokenModels(t *testing.T) {
	type change func(t *testing.T, model any)
	nodes := func(row int, column string, to any) change {
		return func(t *testing.T, model any) { sklSet(t, get(t, model, "tree_", "nodes"), row, column, to) }
	}
	hist := func(row int, column string, to any) change {
		return func(t *testing.T, model any) {
			sklSet(t, get(t, model, "_predictors", 0, 0, "nodes"), row, column, to)
		}
	}
	attribute := func(name string, to any) change {
		return func(_ *testing.T, model any) {
			d := model.(*pickle.Object).State.(*pickle.Dict)
			for i, k := range d.Keys {
				if k == name {
					d.Values[i] = to
				}
			}
		}
	}
	at := func(path []any, name string, to any) change {
		return func(t *testing.T, model any) { attribute(name, to)(t, get(t, model, path...)) }
	}
	shape := func(to ...int) change {
		return func(t *testing.T, model any) { get(t, model, "tree_", "values").(*pickle.Array).Shape = to }
	}
	const tree, isolation, boosting, histogram = "tree, pruned", "isolation, features", "boosting", "hist, categories"
	for _, c := range []struct {
		name, of string
		change   change
		is       error
		says     string
	}{
		{"a child is the root", tree, nodes(0, "left_child", int64(0)), ErrInvalid, "node 0 is reached twice"},
		{"a child passed over", tree, nodes(0, "left_child", int64(2)), ErrInvalid, "never reached from the root"},
		{"a child out of range", tree, nodes(0, "right_child", int64(1e12)), ErrFormat, "node 0: children 1 and 1000000000000"},
		{"half a leaf", tree, nodes(0, "right_child", int64(-1)), ErrFormat, "node 0: children 1 and -1"},
		{"a root that is a leaf", tree, func(t *testing.T, m any) {
			nodes(0, "left_child", int64(-1))(t, m)
			nodes(0, "right_child", int64(-1))(t, m)
		}, ErrFormat, "a root without children has other nodes"},
		{"a feature", tree, nodes(0, "feature", int64(4)), ErrInvalid, "feature 4, not in 0..3"},
		{"a threshold", tree, nodes(0, "threshold", math.NaN()), ErrInvalid, "threshold is NaN"},
		{"values of other shape", tree, shape(3, 1, 1), ErrFormat, "values of shape [3 1 1] for"},
		{"values without shape", tree, shape(), ErrFormat, "values of shape []"},
		{"values cut off", tree, func(t *testing.T, m any) {
			a := get(t, m, "tree_", "values").(*pickle.Array)
			a.Data = a.Data[:8]
		}, ErrFormat, "values of 1×1 for 1 targets"},
		{"no nodes", tree, func(t *testing.T, m any) { at([]any{"tree_"}, "nodes", nil)(t, m) }, ErrFormat, "nodes: want an array, have nothing"},
		{"nodes of numbers", tree, func(t *testing.T, m any) {
			at([]any{"tree_"}, "nodes", get(t, m, "tree_", "values"))(t, m)
		}, ErrFormat, `has no column "left_child"`},
		{"no tree", tree, attribute("tree_", nil), ErrFormat, "estimators_ is missing: is the model fitted?"},
		{"features", tree, attribute("n_features_in_", int64(1<<40)), ErrFormat, "1099511627776 features declared"},
		{"no features", tree, attribute("n_features_in_", nil), ErrFormat, "n_features_in_ is missing"},
		{"features of text", tree, attribute("n_features_in_", "4"), ErrFormat, "n_features_in_: want a whole number, have a str"},
		{"targets", tree, attribute("n_outputs_", int64(2)), ErrFormat, "for 2 targets"},
		{"another class", tree, func(_ *testing.T, m any) { m.(*pickle.Object).Class.Module = "mine" }, ErrUnsupported, "a mine.DecisionTreeRegressor: want a model"},

		{"isolation: a cycle", isolation, func(t *testing.T, m any) {
			sklSet(t, get(t, m, "estimators_", 0, "tree_", "nodes"), 1, "left_child", int64(0))
			sklSet(t, get(t, m, "estimators_", 0, "tree_", "nodes"), 1, "right_child", int64(0))
		}, ErrFormat, "tree 0: a node is reached twice"},
		{"isolation: lists of features", isolation, attribute("estimators_features_", &pickle.List{}), ErrFormat, "estimators_features_ of 0 trees for 5"},
		{"isolation: a feature", isolation, func(t *testing.T, m any) {
			sklSet(t, get(t, m, "estimators_", 1, "tree_", "nodes"), 0, "feature", int64(2))
		}, ErrFormat, "tree 1: node 0: feature 2 of 2"},

		{"boosting: learning rate", boosting, attribute("learning_rate", "0.1"), ErrFormat, "learning_rate: want a number, have a str"},
		{"boosting: no estimators", boosting, attribute("estimators_", nil), ErrFormat, "estimators_ is not an array of two dimensions"},
		{"boosting: one tree again and again", boosting, func(t *testing.T, m any) {
			a := get(t, m, "estimators_").(*pickle.Array)
			one := a.Objects[0]
			a.Shape, a.Objects = []int{10000, 1}, make([]any, 10000)
			for i := range a.Objects {
				a.Objects[i] = one
			}
		}, ErrFormat, "arrays are used more often"},
		{"boosting: a loss of one's own", boosting, attribute("loss", nil), ErrUnsupported, "a custom loss"},
		{"boosting: no beginning", boosting, attribute("init_", nil), ErrFormat, "init_: want an object, have nothing"},

		{"hist: a cycle", histogram, hist(0, "left", uint32(0)), ErrInvalid, "node 0 is reached twice"},
		{"hist: a child", histogram, hist(0, "left", uint32(1<<31)), ErrFormat, "node 0: children 2147483648"},
		{"hist: a feature", histogram, hist(0, "feature_idx", int64(-1)), ErrFormat, "node 0: feature -1 of 4"},
		{"hist: a set", histogram, func(t *testing.T, m any) {
			hist(0, "is_categorical", uint8(1))(t, m)
			hist(0, "feature_idx", int64(0))(t, m)
			hist(0, "bitset_idx", uint32(1e6))(t, m)
		}, ErrFormat, "node 0: set 1000000 of"},
		{"hist: a category of a number", histogram, func(t *testing.T, m any) {
			hist(0, "is_categorical", uint8(1))(t, m)
			hist(0, "feature_idx", int64(3))(t, m)
		}, ErrFormat, "node 0: a categorical split on a numeric column"},
		{"hist: trees", histogram, attribute("n_trees_per_iteration_", int64(2)), ErrFormat, "a regressor with 2 trees an iteration"},
		{"hist: many trees", histogram, attribute("n_trees_per_iteration_", int64(1<<40)), ErrFormat, "1099511627776 trees an iteration"},
		{"hist: no baseline", histogram, attribute("_baseline_prediction", nil), ErrFormat, "_baseline_prediction: want 1 numbers, have nothing"},
		{"hist: categories", histogram, attribute("_bin_mapper", nil), ErrFormat, "_bin_mapper: want an object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := sklFile(t, c.of, "joblib")
			model, err := pickle.Decode(file, len(file), pickledNames)
			require.NoError(t, err)
			c.change(t, model)
			_, _, err = newReading(file, ReadOptions{}).pickled(model)
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, c.says)
			assert.Less(t, len(err.Error()), 300)
		})
	}
}

// Nodes that take few bytes in a file make many trees.
func TestScikitLearnMemory(t *testing.T) {
	const nodes = 1 << 20
	file := sklFile(t, "tree, pruned", "joblib")
	model, err := pickle.Decode(file, len(file), pickledNames)
	require.NoError(t, err)
	tree := get(t, model, "tree_").(*pickle.Object)
	byte1 := pickle.DType{Kind: 'i', Size: 1}
	records := &pickle.Array{Type: pickle.DType{Kind: 'V', Size: 8}, Shape: []int{nodes}, Data: make([]byte, 8*nodes)}
	for i, name := range []string{"left_child", "right_child", "feature", "threshold", "impurity", "n_node_samples", "weighted_n_node_samples", "missing_go_to_left"} {
		records.Type.Fields = append(records.Type.Fields, pickle.Field{Name: name, Type: byte1, Offset: i})
	}
	d := tree.State.(*pickle.Dict)
	for i, k := range d.Keys {
		switch k {
		case "nodes":
			d.Values[i] = records
		case "values":
			d.Values[i] = &pickle.Array{Type: byte1, Shape: []int{nodes, 1, 1}, Data: make([]byte, nodes)}
		}
	}
	read := func(packed int) (bytes uint64, err error) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = sklModel(&reading{size: 9 * nodes}, packed, model)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc, err
	}
	bytes, err := read(17000)
	require.ErrorIs(t, err, ErrUnsupported)
	require.ErrorContains(t, err, "more memory than a file of 17000 bytes is allowed")
	assert.Less(t, bytes, uint64(1<<20))
	// A file of that size may have as many nodes, but they cannot all be inner nodes.
	bytes, err = read(9 * nodes)
	require.ErrorContains(t, err, "0 leaves among 1048576 nodes")
	assert.Less(t, bytes, uint64(200<<20))
}

func TestScikitLearnRefusesPrograms(t *testing.T) {
	for name, file := range map[string]string{
		"protocol 0": "cos\nsystem\n(S'echo hello'\ntR.",
		"protocol 4": "\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x02ls\x85R.",
	} {
		_, err := Read(strings.NewReader(file))
		require.ErrorIs(t, err, ErrUnsupported, name)
		assert.ErrorContains(t, err, "os.system is not among", name)
	}
}

func FuzzReadScikitLearn(f *testing.F) {
	var seeds [][]byte
	for _, format := range []string{"pickle 0", "pickle 2", "pickle 4", "joblib"} {
		seeds = append(seeds, sklFile(f, "tree, pruned", format))
	}
	fuzz(f, ReadScikitLearn, seeds...)
}
