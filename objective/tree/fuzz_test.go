package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fuzz seeds f with the tiny models of the library and sees that whatever is read
// predicts, or is refused with an error of this package.
func fuzz(f *testing.F, library, format string, read func(io.Reader) (*Model, error)) {
	for _, o := range oracles(f, library) {
		if text := o.data(format); text != "" && strings.HasPrefix(o.Name, "tiny") {
			if library == "catboost" {
				text = slim(f, text)
			}
			f.Add([]byte(text))
		}
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
		p, err := NewPredictor(m, 1)
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

// slim drops what CatBoost tells of the training.
func slim(t testing.TB, text string) string {
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	doc["model_info"] = map[string]any{"params": map[string]any{"loss_function": map[string]any{"type": "Logloss"}}}
	b, err := json.Marshal(doc)
	require.NoError(t, err)
	return string(b)
}

func sameBitsOrNaN(t *testing.T, want, got []float64) {
	for i := range want {
		if want[i] != want[i] && got[i] != got[i] {
			return
		}
	}
	sameBits(t, want, got)
}

func FuzzReadLightGBM(f *testing.F)  { fuzz(f, "lightgbm-4", "text", ReadLightGBM) }
func FuzzReadXGBoost(f *testing.F)   { fuzz(f, "xgboost", "json", ReadXGBoost) }
func FuzzReadXGBoostUB(f *testing.F) { fuzz(f, "xgboost", "ubj", ReadXGBoost) }
func FuzzReadCatBoost(f *testing.F)  { fuzz(f, "catboost", "json", ReadCatBoost) }

func FuzzRead(f *testing.F) {
	for _, o := range oracles(f, "lightgbm-4") {
		if strings.HasPrefix(o.Name, "tiny") {
			var b bytes.Buffer
			require.NoError(f, Write(&b, o.Model(f)))
			f.Add(b.Bytes())
		}
	}
	fuzz(f, "lightgbm-4", "none", Read)
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
		{"empty", "", ErrFormat, "neither LightGBM text"},
		{"binary", "binf\x00\x01", ErrFormat, "save the model in one of these"},
		{"empty object", "{}", ErrFormat, ".learner is missing"},
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
