package tree

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/foreign"
)

// file returns a file of a case of testdata/estimators.
func estimatorFile(t testing.TB, c foreign.Case, kind string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(c.Files[kind])
	require.NoError(t, err)
	return data
}

// libraryEps is how far predictions may be off: XGBoost adds up in float32.
func libraryEps(name string) float64 {
	if strings.HasPrefix(name, "xgboost") {
		return 2e-6
	}
	return 1e-12
}

// Estimators and boosters that joblib.dump and pickle.dump wrote predict what they predict in Python, early stopping
// included. So do the files that the libraries save.
func TestEstimators(t *testing.T) {
	for _, c := range foreign.Read(t, "testdata/estimators/estimators.json.gz") {
		t.Run(c.Name, func(t *testing.T) {
			for kind := range c.Files {
				m, err := Read(bytes.NewReader(estimatorFile(t, c, kind)))
				require.NoError(t, err, kind)
				_, got := predict(t, m, c.Rows)
				near(t, c.Pred, got, libraryEps(c.Name))
			}
		})
	}
}

// Models of every objective of the three libraries predict what they predict in Python.
func TestObjectives(t *testing.T) {
	cases := foreign.Read(t, "testdata/estimators/objectives.json.gz")
	seen := map[string]bool{}
	for _, c := range cases {
		library, rest, _ := strings.Cut(c.Name, " ")
		name, _, _ := strings.Cut(rest, " ")
		if library == "catboost" {
			name, _, _ = strings.Cut(name, ":")
		}
		seen[library+" "+name] = true
		t.Run(c.Name, func(t *testing.T) {
			for kind := range c.Files {
				m, err := Read(bytes.NewReader(estimatorFile(t, c, kind)))
				require.NoError(t, err, kind)
				_, got := predict(t, m, c.Rows)
				near(t, c.Pred, got, libraryEps(c.Name))
			}
		})
	}
	// No objective is forgotten: the cases have every one that a reader knows, except old names of others.
	old := map[string]bool{"reg:linear": true, "reg:expectileerror": true}
	for name := range xgbLinks {
		assert.True(t, seen["xgboost "+name] || old[name], name)
	}
	for name := range catLinks {
		assert.True(t, seen["catboost "+name], name)
	}
}

// The trees after the best iteration are left out, and the reader says so, unless all trees are requested.
func TestEarlyStopping(t *testing.T) {
	for _, c := range foreign.Read(t, "testdata/estimators/estimators.json.gz") {
		if !strings.Contains(c.Name, "early") || strings.HasPrefix(c.Name, "catboost") {
			continue
		}
		for kind := range c.Files {
			file := estimatorFile(t, c, kind)
			m, s, err := ReadOptions{}.Read(bytes.NewReader(file))
			require.NoError(t, err)
			all, from, err := ReadOptions{AllTrees: true}.Read(bytes.NewReader(file))
			require.NoError(t, err)
			assert.Equal(t, s.Taken, len(m.Trees))
			assert.Equal(t, s.Trees, len(all.Trees))
			assert.Equal(t, from.Trees, from.Taken)
			stopped := strings.Contains(c.Name, "XGB") && !strings.Contains(c.Name, "Booster of") || c.Name == "lightgbm Booster, early"
			assert.Equal(t, stopped, s.Taken < s.Trees, "%s %s: %d of %d", c.Name, kind, s.Taken, s.Trees)
		}
	}
	// Before 1.4, XGBoost noted the trees of a class.
	base := `{"learner":{"learner_model_param":{"base_score":"0","num_class":"2","num_feature":"1"},"objective":{"name":"multi:softprob"},"attributes":{%},
"gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_trees":"6"},"tree_info":[0,1,0,1,0,1],"trees":[T,T,T,T,T,T]}}},"version":[1,3,0]}`
	base = strings.ReplaceAll(base, "T", `{"left_children":[-1],"right_children":[-1],"split_indices":[0],"split_conditions":[1],"default_left":[0]}`)
	for attributes, want := range map[string]int{"": 6, `"best_ntree_limit":"2"`: 4, `"best_iteration":"0","best_ntree_limit":"1"`: 2, `"best_iteration":"9"`: 6, `"best_ntree_limit":"0"`: 6} {
		m, err := Read(strings.NewReader(strings.Replace(base, "%", attributes, 1)))
		require.NoError(t, err)
		assert.Len(t, m.Trees, want, attributes)
	}
}

// LightGBM separates feature names only at spaces.
func TestLightGBMNames(t *testing.T) {
	c := foreign.Read(t, "testdata/estimators/objectives.json.gz")[0]
	text := string(estimatorFile(t, c, "text"))
	require.Contains(t, text, "feature_names=Column_0 Column_1 Column_2 Column_3\n")
	for r := rune(1); r < 0x3001; r++ {
		if r == '\n' || r == '\r' || r == ' ' || r > 0x20 && r < 0x7f || r > 0xa1 && r < 0x1680 || r > 0x205f && r < 0x3000 {
			continue
		}
		names := []string{"a" + string(r) + "b", string(r) + "c", "d" + string(r), "e=" + string(r) + "=f"}
		m, err := Read(strings.NewReader(strings.Replace(text, "Column_0 Column_1 Column_2 Column_3", strings.Join(names, " "), 1)))
		require.NoError(t, err, "%U", r)
		for i, f := range m.Features {
			assert.Equal(t, names[i], f.Name, "%U", r)
		}
	}
}

// For a file that is not a readable model, the error says what it is and what to do.
func TestReadOtherKinds(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"LightGBM JSON":   {`{"name":"tree","version":"v4","num_class":1,"num_tree_per_iteration":1,"tree_info":[]}`, `LightGBM's dump_model returns, which lacks parts of the model: save the model with booster.save_model("m.txt")`},
		"XGBoost dump":    {"[\n  { \"nodeid\": 0, \"depth\": 0 }]", "XGBoost's dump_model"},
		"XGBoost text":    {"booster[0]:\n0:[f0<1] yes=1,no=2\n", "XGBoost's text dump"},
		"XGBoost binary":  {"binf\x00\x00\x00\x3f", "load it with XGBoost 3.0 or older and save it again"},
		"other JSON":      {`{"model":"mine"}`, "JSON of another kind"},
		"ONNX":            {"\x08\x07\x12\x08catboost", "it looks like an ONNX model"},
		"zip":             {"PK\x03\x04....", "it is a zip archive"},
		"C++":             {"#include <string>\n", `save the model with model.save_model("m.json", format="json")`},
		"UTF-16":          {"\xff\xfet\x00r\x00", "it is text in UTF-16"},
		"gzipped nothing": {"\x1f\x8b\x08\x00", "unpack gzip"},
		"cut .cbm":        {"CBM1\xff\x00\x00\x00ab", "CatBoost .cbm: 255 bytes declared, 2 there"},
	} {
		_, err := Read(strings.NewReader(c.data))
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "scikit-learn: pickle", name)
		assert.Equal(t, name == "other JSON", errors.Is(err, ErrUnknown), name)
	}
	_, err := Read(strings.NewReader("notes of mine"))
	assert.ErrorIs(t, err, ErrUnknown)
	assert.ErrorIs(t, err, ErrFormat)
}

// A damaged .cbm is an error or another model, and costs little.
func FuzzReadCatBoostBinary(f *testing.F) {
	for _, c := range foreign.Read(f, "testdata/estimators/estimators.json.gz") {
		if c.Files["cbm"] != "" {
			f.Add(estimatorFile(f, c, "cbm"), uint32(100), byte(7))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint32, b byte) {
		if len(data) > 8 {
			data = bytes.Clone(data)
			data[8+int(at)%(len(data)-8)] ^= b
		}
		if m, err := ReadCatBoost(bytes.NewReader(append([]byte(cbm), data[min(4, len(data)):]...))); err == nil {
			require.NoError(t, m.Validate())
		}
	})
}

func TestDamagedCatBoostBinary(t *testing.T) {
	for _, c := range foreign.Read(t, "testdata/estimators/estimators.json.gz") {
		file := estimatorFile(t, c, "cbm")
		if len(file) == 0 {
			continue
		}
		for at := 0; at < len(file); at += 11 {
			for _, b := range []byte{0xff, 0x01, 0x80} {
				damaged := bytes.Clone(file)
				damaged[at] ^= b
				if m, err := Read(bytes.NewReader(damaged)); err == nil {
					require.NoError(t, m.Validate())
				}
			}
			_, _ = Read(bytes.NewReader(file[:at]))
		}
	}
}

func TestMeanVariance(t *testing.T) {
	m := &Model{Features: make([]Feature, 1), Outputs: 2, Base: []float64{3, 0.5}, Link: Link{Func: MeanVariance}}
	_, got := predict(t, m, []float64{0})
	assert.Equal(t, []float64{3, math.E}, got)
	m.Outputs, m.Base = 1, nil
	assert.ErrorIs(t, m.Validate(), ErrInvalid)
}
