package tree

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fuzz checks that anything read can predict, or is refused with an error of this package.
func fuzz(f *testing.F, read func(io.Reader) (*Model, error), seeds ...[]byte) {
	for _, seed := range seeds {
		_, err := read(bytes.NewReader(seed))
		require.NoError(f, err)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := read(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrInvalid) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		if len(m.Features) > 1000 || m.Outputs > 100 {
			return
		}
		rows := make([]float64, len(m.Features))
		p, err := NewPredictor(m)
		require.NoError(t, err)
		out := make([]float64, m.Outputs)
		if len(rows) > 0 {
			require.NoError(t, p.PredictRaw(rows, out))
			sameBitsOrNaN(t, plain(m, rows), out)
		}
		if err := Write(io.Discard, m); err != nil {
			require.ErrorContains(t, err, "unsupported value") // a gain that is not finite
		}
		if err := WriteLightGBM(io.Discard, m); err != nil {
			require.ErrorIs(t, err, ErrUnsupported)
		}
	})
}

func sameBitsOrNaN(t *testing.T, want, got []float64) {
	for i := range want {
		if want[i] != want[i] && got[i] != got[i] {
			return
		}
	}
	sameBits(t, want, got)
}

// The seeds are small, so that mutations hit bytes that matter.

func FuzzRead(f *testing.F) { fuzz(f, Read, written(f, Write)...) }

func FuzzReadLightGBM(f *testing.F) { fuzz(f, ReadLightGBM, written(f, WriteLightGBM)...) }

func FuzzReadXGBoost(f *testing.F) { fuzz(f, ReadXGBoost, []byte(smallXGBoost), []byte(smallDart)) }

func FuzzReadXGBoostUB(f *testing.F) {
	var doc any
	require.NoError(f, json.Unmarshal([]byte(smallXGBoost), &doc))
	fuzz(f, ReadXGBoost, ubjson(doc))
}

func FuzzReadCatBoost(f *testing.F) { fuzz(f, ReadCatBoost, []byte(smallCatBoost)) }

// written returns the files of small models that have nodes and leaves of all kinds.
func written(f *testing.F, write func(io.Writer, *Model) error) (files [][]byte) {
	listed := Node{Feature: 1, Left: ^1, Right: ^2}
	listed.SetCategories(1, 5)
	features := []Feature{{Name: "a"}, {Name: "b", Kind: Categorical}}
	for _, m := range []*Model{
		{Features: features, Outputs: 1, Link: Link{Func: Sigmoid}, Trees: []Tree{
			{Nodes: []Node{{Threshold: 0.5, Left: ^0, Right: 1}, listed}, Leaves: []Leaf{{Value: 1}, {Value: 2}, {Value: 3}}},
		}},
		{Features: features, Outputs: 2, Link: Link{Func: Softmax}, Trees: []Tree{
			{Leaves: []Leaf{{Value: 1}}},
			{Output: 1, Nodes: []Node{{Threshold: -1, Left: ^0, Right: ^1}}, Leaves: []Leaf{
				{Value: 2}, {Value: 3, Linear: &Linear{Const: 1, Features: []int{0}, Coefs: []float64{0.5}}},
			}},
		}},
	} {
		var b bytes.Buffer
		require.NoError(f, write(&b, m))
		files = append(files, b.Bytes())
	}
	return files
}

// Excerpts of XGBoost 3.4 and CatBoost 1.2 files, without most trees and features, that
// contain everything the readers read.
const (
	smallXGBoost = `{"learner":{"feature_types":["q","c"],"gradient_booster":{"model":` + smallTrees + `,"name":"gbtree"},` + smallParams
	smallDart    = `{"learner":{"feature_types":["q","c"],"gradient_booster":{"gbtree":{"model":` + smallTrees + `},"name":"dart","weight_drop":[0.5]},` + smallParams

	smallTrees = `{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},"tree_info":[0],"trees":[{` +
		`"base_weights":[0,1,2,3,4],"categories":[1,2,7],"categories_nodes":[1],"categories_segments":[0],"categories_sizes":[3],` +
		`"default_left":[0,1,0,0,0],"left_children":[1,3,-1,-1,-1],"loss_changes":[1E3,1,0,0,0],"right_children":[2,4,-1,-1,-1],` +
		`"split_conditions":[-1.9E-1,1E-45,-1.2E-1,2,3],"split_indices":[0,1,0,0,0],"split_type":[0,1,0,0,0],"sum_hessian":[5,2,3,1,1],` +
		`"tree_param":{"num_nodes":"5","size_leaf_vector":"1"}}]}`
	smallParams = `"learner_model_param":{"base_score":"[1.8E0]","num_class":"0","num_feature":"2","num_target":"1"},` +
		`"objective":{"name":"reg:squarederror"}},"version":[3,4,1]}`

	smallCatBoost = `{"features_info":{"float_features":[{"borders":[-0.5,0.5],"feature_id":"a","feature_index":0,"flat_feature_index":0,` +
		`"has_nans":true,"nan_value_treatment":"AsFalse"}]},"model_info":{"params":{"loss_function":{"type":"Logloss"}}},"oblivious_trees":[{` +
		`"leaf_values":[-0.5,0,0,1],"leaf_weights":[3,4,0,5],"splits":[{"border":-0.5,"float_feature_index":0,"split_index":0,"split_type":"FloatFeature"},` +
		`{"border":0.5,"float_feature_index":0,"split_index":1,"split_type":"FloatFeature"}]}],"scale_and_bias":[1,[1.8]]}`
)

// ubjson writes the values of [encoding/json] as UBJSON. It packs arrays of numbers, as
// XGBoost does.
func ubjson(v any) []byte {
	length := func(n int) []byte { return binary.BigEndian.AppendUint64([]byte("L"), uint64(n)) }
	switch v := v.(type) {
	case map[string]any:
		b := []byte("{")
		for _, key := range slices.Sorted(maps.Keys(v)) {
			b = slices.Concat(b, length(len(key)), []byte(key), ubjson(v[key]))
		}
		return append(b, '}')
	case []any:
		if _, numbers := v[0].(float64); !numbers {
			b := []byte("[")
			for _, x := range v {
				b = append(b, ubjson(x)...)
			}
			return append(b, ']')
		}
		b := append([]byte("[$d#"), length(len(v))...)
		for _, x := range v {
			b = append(b, ubjson(x)[1:]...)
		}
		return b
	case string:
		return slices.Concat([]byte("S"), length(len(v)), []byte(v))
	case float64:
		return binary.BigEndian.AppendUint32([]byte("d"), math.Float32bits(float32(v)))
	}
	panic(fmt.Sprintf("%T", v))
}

func TestReadersRefuse(t *testing.T) {
	find := func(library, name, format string) string {
		for _, o := range oracles(t, library) {
			if o.Name == name {
				return o.data(format)
			}
		}
		t.Fatal(name)
		return ""
	}
	lgb := find("lightgbm-4", "categorical", "text")
	xgb := find("xgboost-3", "categorical", "json")
	ubj := find("xgboost-3", "categorical", "ubj")
	var tight bytes.Buffer
	require.NoError(t, json.Compact(&tight, []byte(find("catboost", "RMSE", "json"))))
	cat := tight.String()
	swap := func(s, old, by string) string {
		require.Contains(t, s, old)
		return strings.Replace(s, old, by, 1)
	}
	for _, c := range []struct {
		name, file string
		is         error
		says       string
	}{
		{"empty", "", ErrFormat, "want LightGBM text"},
		{"binary", "binf\x00\x01", ErrFormat, "XGBoost's old binary format: load it with XGBoost 3.0 or older"},
		{"empty object", "{}", ErrFormat, "want a model of XGBoost or CatBoost"},
		{"LightGBM: another version", swap(lgb, "version=v4", "version=v9"), ErrUnsupported, `version "v9"`},
		{"LightGBM: cut off", lgb[:len(lgb)/3], ErrFormat, "cut off"},
		{"LightGBM: a tree less", swap(lgb, "Tree=1\n", "Tree=2\n"), ErrFormat, `tree 1 is announced as "Tree=2"`},
		{"LightGBM: objective", swap(lgb, "objective=regression", "objective=magic"), ErrUnsupported, `objective "magic"`},
		{"LightGBM: leaves", swap(lgb, "num_leaves=8", "num_leaves=999999999"), ErrFormat, "tree 0: leaf_value: want 999999999 numbers, have 8"},
		{"LightGBM: a word", swap(lgb, "leaf_value=", "leaf_value=x"), ErrFormat, "tree 0: leaf_value"},
		{"LightGBM: child", swap(lgb, "left_child=", "left_child=9"), ErrInvalid, "tree 0: node 0: child"},
		{"LightGBM: features", swap(lgb, "max_feature_idx=5", "max_feature_idx=16000000"), ErrFormat, "16000001 features"},
		{"XGBoost: a child", swap(xgb, `"left_children":[1,`, `"left_children":[0,`), ErrFormat, "a node is reached twice"},
		{"XGBoost: far child", swap(xgb, `"left_children":[1,`, `"left_children":[99999,`), ErrFormat, "child 99999"},
		{"XGBoost: objective", swap(xgb, `"reg:squarederror"`, `"reg:magic"`), ErrUnsupported, `"reg:magic"`},
		{"XGBoost: features", swap(xgb, `"num_feature":"6","num_target"`, `"num_feature":"16000000","num_target"`), ErrFormat, "16000000 features"},
		{"XGBoost: segment", swap(xgb, `"categories_segments":[0,`, `"categories_segments":[77777,`), ErrFormat, "segment 77777"},
		{"XGBoost: category", swap(xgb, `"categories":[1,`, `"categories":[16777216,`), ErrFormat, "not in 0..16777215"},
		{"XGBoost: cut off", xgb[:len(xgb)/2], ErrFormat, "ends too early"},
		{"XGBoost: UBJSON cut off", ubj[:len(ubj)/2], ErrFormat, "ends too early"},
		{"XGBoost: UBJSON of 2 GiB", "{L\x00\x00\x00\x00\x00\x00\x00\x01a[$d#l\x7f\xff\xff\xff", ErrFormat, "length"},
		{"nested deep", `{"a":` + strings.Repeat("[", 1e6), ErrFormat, "nested more than 1000 deep"},
		{"UBJSON nested deep", "{i\x01a" + strings.Repeat("[", 1e6), ErrFormat, "nested more than 1000 deep"},
		{"CatBoost: border", swap(cat, `"float_feature_index":0`, `"float_feature_index":77`), ErrFormat, "float_feature_index 77 of 6"},
		{"CatBoost: leaf", swap(cat, `"leaf_values":[`, `"leaf_values":[1,`), ErrFormat, "9 leaf values"},
		{"CatBoost: NaN", swap(cat, `"AsIs"`, `"AsGod"`), ErrUnsupported, "AsGod"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.file))
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, c.says)
			assert.Less(t, len(err.Error()), 400)
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestReadersReportReadErrors(t *testing.T) {
	for _, read := range []func(io.Reader) (*Model, error){Read, ReadLightGBM, ReadXGBoost, ReadCatBoost} {
		_, err := read(broken{})
		assert.ErrorIs(t, err, io.ErrClosedPipe)
	}
}
