package runtime

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/internal/treecheck"
	"github.com/attune-hpo/attune/export/internal/wire"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

func TestHeader(t *testing.T) {
	for name, want := range map[string][2]string{
		"linear":       {"[x float32 [? 3]]", "[y float32 [? 1]]"},
		"window":       {"[x float32 [? 4 2]]", "[y float32 [?]]"},
		"fixed":        {"[x float32 [3 3]]", "[y float32 [3 1]]"},
		"kinds":        {"[f float32 [?] d float64 [? 2] i int64 [2 2] s float32 []]", "[f_out float32 [?] d_out float64 [? 2] i_out int64 [2 2] s_out float32 [] b_out bool [?]]"},
		"text":         {"[s string [?]]", "[t string [?]]"},
		"half":         {"[x float16 [? 2]]", "[y float16 [? 2]]"},
		"zipmap":       {"[x float32 [? 20]]", "[label int64 [?] map sequence]"},
		"trees_double": {"[x float64 [? 20]]", "[y float64 [? 1]]"},
	} {
		model, err := os.ReadFile(file(name))
		require.NoError(t, err)
		h, err := readHeader(model)
		require.NoError(t, err, name)
		assert.Equal(t, want[0], "["+join(h.inputs)+"]")
		assert.Equal(t, want[1], "["+join(h.outputs)+"]")
	}
}

func join(infos []Info) string {
	var s []string
	for _, i := range infos {
		s = append(s, i.String())
	}
	return strings.Join(s, " ")
}

// message returns a length-delimited field.
func message(number int, parts ...string) string {
	b := strings.Join(parts, "")
	n := len(b)
	size := []byte{}
	for ; n > 127; n >>= 7 {
		size = append(size, byte(n)|128)
	}
	return string([]byte{byte(number<<3 | wire.Bytes)}) + string(append(size, byte(n))) + b
}

func varint(number, v int) string { return string([]byte{byte(number << 3), byte(v)}) }

// attr returns an AttributeProto in a NodeProto.
func attr(name string, parts ...string) string {
	return message(5, append([]string{message(1, name)}, parts...)...)
}

func ints(values ...int) string {
	var s string
	for _, v := range values {
		s += varint(8, v)
	}
	return s
}

// stump is a TreeEnsemble of one node, with some of its attributes replaced.
func stump(replace map[string]string) []byte {
	doubles := func(n int) string {
		return message(5, varint(1, n), varint(2, treecheck.Double), message(9, strings.Repeat("\x00", 8*n)))
	}
	attrs := map[string]string{
		"n_targets": varint(3, 1), "tree_roots": ints(0), "nodes_featureids": ints(0), "nodes_splits": doubles(1),
		"nodes_modes":       message(5, varint(1, 1), varint(2, treecheck.Uint8), message(9, "\x00")),
		"nodes_truenodeids": ints(0), "nodes_falsenodeids": ints(1), "nodes_trueleafs": ints(1), "nodes_falseleafs": ints(1),
		"leaf_targetids": ints(0, 0), "leaf_weights": doubles(2),
	}
	node := message(4, "TreeEnsemble") + message(7, "ai.onnx.ml")
	maps.Copy(attrs, replace)
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		node += attr(name, attrs[name])
	}
	return []byte(message(7, message(1, node)))
}

func TestTreesRefused(t *testing.T) {
	_, err := readHeader(stump(nil))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		attribute, value, err string
	}{
		"a child that is not there":    {"nodes_truenodeids", ints(2), "a child of node 0 is 2, of 2"},
		"a cycle":                      {"nodes_trueleafs", ints(0), "node 0 is below itself"},
		"no roots":                     {"tree_roots", "", "it has no nodes, leaves, roots or targets"},
		"a root that is not there":     {"tree_roots", ints(1), "tree_roots[0] is 1, want 0 to 0"},
		"a target that is not there":   {"leaf_targetids", ints(0, 1), "leaf_targetids[1] is 1, want 0 to 0"},
		"too few targets":              {"leaf_targetids", ints(0), "leaf_targetids has 1 values, want 2"},
		"too many thresholds":          {"nodes_splits", message(5, varint(1, 2), varint(2, treecheck.Double), message(9, strings.Repeat("\x00", 16))), "nodes_splits has 2 values, want 1"},
		"a tensor that is too small":   {"nodes_splits", message(5, varint(1, 1), varint(2, treecheck.Double), message(9, "\x00\x00\x00\x00")), "nodes_splits holds fewer or more values than it declares"},
		"a tensor that tells too much": {"nodes_splits", message(5, varint(1, 9), varint(2, treecheck.Double), message(9, strings.Repeat("\x00", 8))), "nodes_splits holds fewer or more values than it declares"},
		"floats and doubles":           {"nodes_splits", message(5, varint(1, 1), varint(2, treecheck.Float), message(9, "\x00\x00\x00\x00")), "not both float or both double"},
		"an unknown mode":              {"nodes_modes", message(5, varint(1, 1), varint(2, treecheck.Uint8), message(9, "\x07")), "nodes_modes[0] is 7"},
		"a set that is not there":      {"nodes_modes", message(5, varint(1, 1), varint(2, treecheck.Uint8), message(9, "\x06")), "membership_values has 0 sets for 1 nodes"},
		"values of two kinds":          {"nodes_splits", message(5, varint(1, 1), varint(2, treecheck.Double), message(9, strings.Repeat("\x00", 8))) + ints(1), "nodes_splits holds fewer or more values than it declares"},
		"sets of two kinds":            {"membership_values", message(5, varint(1, 1), varint(2, treecheck.Double), message(9, strings.Repeat("\x00", 8))) + ints(1, 2), "membership_values holds fewer or more values than it declares"},
		"an unknown sum":               {"aggregate_function", varint(3, 4), "aggregate_function is 4"},
		"too many missing":             {"nodes_missing_value_tracks_true", ints(0, 1), "has 2 values, want 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readHeader(stump(map[string]string{c.attribute: c.value}))
			require.ErrorContains(t, err, "its TreeEnsemble is damaged")
			require.ErrorContains(t, err, c.err)
		})
	}
	twice := message(4, "Add") + attr("a") + attr("a")
	_, err = readHeader([]byte(message(7, message(1, twice))))
	require.ErrorContains(t, err, `an attribute "a" of a node is duplicated`)
	graph := message(1, message(4, "Add"))
	for range maxDepth + 1 {
		graph = message(1, attr("body", message(6, graph)))
	}
	_, err = readHeader([]byte(message(7, graph)))
	require.ErrorContains(t, err, "nested too deeply")
	_, err = readHeader([]byte(message(7, message(1)) + message(7, message(1))))
	require.Error(t, err, "two graphs")
	_, err = readHeader([]byte(message(7, message(5, message(8, "w"), varint(14, 1)))))
	require.ErrorContains(t, err, "its weights are in another file")
	// Other nodes may have attributes that are not checked: a tensor with two dimensions.
	matrix := message(5, varint(1, 2), varint(1, 3), varint(2, treecheck.Float), message(9, strings.Repeat("\x00", 24)))
	_, err = readHeader([]byte(message(7, message(1, message(4, "Constant")+attr("value", matrix)))))
	require.NoError(t, err)
	// Old files also list weights as inputs.
	h, err := readHeader([]byte(message(7, message(11, message(1, "x")), message(11, message(1, "w")), message(5, message(8, "w")))))
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, names(h.inputs))
}

// A long message of the library becomes one line.
func TestCleanMessage(t *testing.T) {
	for said, want := range map[string]string{
		"Error creating C session: /onnxruntime_src/onnxruntime/core/graph/model.cc:182 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::logging::Logger&) Unsupported model IR version: 99, max supported IR version: 13\n": "Unsupported model IR version: 99, max supported IR version: 13",
		"Error running network: Non-zero status code returned while running Gemm node. Name:'' Status Message: C:\\a\\b\\gemm.cc:12 Run dim mismatch":                                                                                                                        "Gemm node. Name:'' Status Message: dim mismatch",
		"/x/y.h:50 static onnxruntime::common::Status f(int (*)(void)) [with T = float] no":                                                                                                                                                                                  "no",
		"plain":         "plain",
		"":              "",
		"a.cc:1":        "",
		"a.cc:1 f((((":  "f((((",
		"two\n  lines.": "two lines",
	} {
		assert.Equal(t, want, cleanMessage(said))
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, model := range smallModels(f) {
		f.Add(model)
	}
	f.Fuzz(func(t *testing.T, model []byte) {
		h, err := readHeader(model)
		for _, i := range append(h.inputs, h.outputs...) {
			for _, d := range i.Shape {
				require.GreaterOrEqual(t, d, int64(-1))
			}
		}
		if err == nil && len(model) == 0 {
			t.Fatal("nothing is no model")
		}
	})
}

// Damaged files that pass the checks reach the library: none may crash the process.
func TestOpenDamaged(t *testing.T) {
	onnxtest.Require(t)
	models := smallModels(t)
	r := rand.New(rand.NewPCG(1, 2))
	opened := 0
	for range 5000 {
		model := slices.Clone(models[r.IntN(len(models))])
		for range r.IntN(4) {
			model[r.IntN(len(model))] = byte(r.Uint32())
		}
		s, err := OpenBytes(model, Config{})
		if err != nil {
			continue
		}
		opened++
		if p, err := NewPredictor(s, PredictorConfig{Width: 3}); err == nil && p.Width() < 100 {
			p.Predict(make([]float64, 3*p.Width()), make([]float64, 3*p.Outputs()))
		}
		s.Close()
	}
	require.Greater(t, opened, 1000)
}

// smallModels returns files of at most 1,000 bytes.
func smallModels(t testing.TB) [][]byte {
	files, err := filepath.Glob("testdata/*.onnx")
	require.NoError(t, err)
	models := [][]byte{stump(nil)}
	for _, name := range files {
		model, err := os.ReadFile(name)
		require.NoError(t, err)
		if len(model) <= 1000 {
			models = append(models, model)
		}
	}
	require.Greater(t, len(models), 10)
	return models
}
