package pyjson_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/pyjson"
)

// TestGolden compares with Python, byte by byte; see testdata/golden.py.
func TestGolden(t *testing.T) {
	file, err := os.Open("testdata/golden.tsv")
	require.NoError(t, err)
	defer file.Close()
	seen := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		kind, rest, _ := strings.Cut(lines.Text(), "\t")
		code, want, ok := strings.Cut(rest, "\t")
		require.True(t, ok, lines.Text())
		seen[kind]++
		if kind == "float" {
			bits, err := strconv.ParseUint(code, 16, 64)
			require.NoError(t, err)
			x := math.Float64frombits(bits)
			require.Equal(t, want, string(pyjson.AppendFloat(nil, x)))
			back, err := pyjson.Parse(want)
			require.NoError(t, err)
			y, ok := back.Number()
			require.True(t, ok)
			require.True(t, math.Float64bits(y) == bits || math.IsNaN(x) && math.IsNaN(y), want)
			continue
		}
		input, err := hex.DecodeString(code)
		require.NoError(t, err)
		if kind == "string" {
			require.Equal(t, want, string(pyjson.AppendString(nil, string(input))))
			back, err := pyjson.Parse(want)
			require.NoError(t, err)
			s, ok := back.Str()
			require.True(t, ok)
			require.Equal(t, string(input), s)
			continue
		}
		v, err := pyjson.Parse(string(input))
		require.NoError(t, err, "%s", input)
		require.Equal(t, want, v.String())
	}
	assert.Greater(t, seen["float"], 2000)
	assert.Greater(t, seen["string"], 200)
	assert.Greater(t, seen["document"], 150)
}

func TestMarshal(t *testing.T) {
	type level string
	var none []int
	self := map[string]any{}
	self["self"] = self
	for name, c := range map[string]struct {
		v    any
		want string
	}{
		"nil":              {nil, "null"},
		"nil slice":        {none, "null"},
		"nil map":          {map[string]int(nil), "null"},
		"nil pointer":      {(*int)(nil), "null"},
		"nil marshaler":    {(*time.Time)(nil), "null"},
		"int":              {-3, "-3"},
		"uint":             {uint8(200), "200"},
		"whole float":      {2.0, "2.0"},
		"float32":          {float32(0.1), "0.1"},
		"NaN":              {[]float64{math.NaN(), math.Inf(1), math.Inf(-1)}, "[NaN, Infinity, -Infinity]"},
		"string":           {"é<&>", `"\u00e9<&>"`},
		"named string":     {level("high"), `"high"`},
		"broken UTF-8":     {"a\xffb", `"a\ufffdb"`},
		"keys in order":    {map[string]any{"b": 1, "a": []any{1.5, nil, true}}, `{"a": [1.5, null, true], "b": 1}`},
		"integer keys":     {map[int]string{2: "x"}, `{"2": "x"}`},
		"bytes":            {[]byte{1, 2}, `"AQI="`},
		"array":            {[2]bool{true, false}, "[true, false]"},
		"struct":           {struct{ A, b int }{1, 2}, `{"A": 1}`},
		"json.Marshaler":   {time.Unix(0, 0).UTC(), `"1970-01-01T00:00:00Z"`},
		"TextMarshaler":    {textual(7), `"seven"`},
		"json.Number":      {json.Number("1.50"), "1.5"},
		"raw":              {pyjson.Raw(`{"x":NaN}`), `{"x":NaN}`},
		"pointer to value": {new(4.5), "4.5"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pyjson.Marshal(c.v)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	for name, v := range map[string]any{
		"channel": make(chan int), "function": func() {}, "complex": 1i,
		"struct keys": map[struct{}]int{{}: 1}, "cycle": self, "NaN in a struct": struct{ X float64 }{math.NaN()},
	} {
		t.Run("not "+name, func(t *testing.T) {
			_, err := pyjson.Marshal(v)
			assert.Error(t, err)
		})
	}
}

type textual int

func (textual) MarshalText() ([]byte, error) { return []byte("seven"), nil }

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "nul", "nullx", "True", "truefalse", "nan", "-NaN", "+1", "01", "1.", ".5", "1e", "--1", "1 2", "0x10", "1_000",
		`"`, `"\x"`, `"\u12"`, `"\u 123"`, "\"\n\"", "'a'", "[1,]", "[,1]", "[1 2]", "[", "]", `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1,}`, "{1:2}",
		strings.Repeat("[", 300) + strings.Repeat("]", 300),
	} {
		_, err := pyjson.Parse(text)
		assert.ErrorContains(t, err, "pyjson: byte", "%q", text)
	}
}

func TestParseSurrogates(t *testing.T) {
	for text, want := range map[string]string{
		`"\ud83d\ude00"`: "😀",
		`"\ud83dx"`:      "\ufffdx", // a lone surrogate cannot be UTF-8
		`"\ude00\ud83d"`: "\ufffd\ufffd",
		`"\ud83d\n"`:     "\ufffd\n",
		`"\ud83d\u0041"`: "\ufffdA",
		"\"\xff\"":       "\ufffd",
	} {
		v, err := pyjson.Parse(text)
		require.NoError(t, err, text)
		s, ok := v.Str()
		assert.True(t, ok)
		assert.Equal(t, want, s, text)
	}
}

func TestValue(t *testing.T) {
	v, err := pyjson.Parse(`{"a": 1, "b": [1.5, true, null, "x", 99999999999999999999], "a": 2}`)
	require.NoError(t, err)
	a, ok := v.Get("a")
	assert.True(t, ok)
	assert.Equal(t, "2", a.String(), "the last of two counts, as in Python")
	_, ok = v.Get("c")
	assert.False(t, ok)
	_, ok = v.Number()
	assert.False(t, ok)
	_, ok = v.Str()
	assert.False(t, ok)
	assert.Equal(t, map[string]any{"a": int64(2), "b": []any{1.5, true, nil, "x", 1e20}}, v.Any())
	_, ok = pyjson.Value{}.Get("a")
	assert.False(t, ok)
}

func TestUnmarshal(t *testing.T) {
	var x float64
	require.NoError(t, pyjson.Unmarshal("-Infinity", &x))
	assert.Equal(t, math.Inf(-1), x)
	assert.ErrorContains(t, pyjson.Unmarshal(`"1"`, &x), "not a number")
	var xs []float64
	require.NoError(t, pyjson.Unmarshal("[1, NaN]", &xs))
	assert.True(t, len(xs) == 2 && xs[0] == 1 && math.IsNaN(xs[1]))
	assert.ErrorContains(t, pyjson.Unmarshal("[1, true]", &xs), "element 1")
	var any any
	require.NoError(t, pyjson.Unmarshal("[NaN]", &any))
	assert.Len(t, any, 1)
	var point struct{ X, Y int }
	require.NoError(t, pyjson.Unmarshal(`{"X": 1, "Y": 2}`, &point))
	assert.Equal(t, struct{ X, Y int }{1, 2}, point)
	assert.ErrorContains(t, pyjson.Unmarshal("[NaN]", &point), "pyjson")
	assert.Error(t, pyjson.Unmarshal("{", &point))
}

// FuzzParse checks that nothing panics, and that accepted text has a canonical form, which is
// accepted and its own canonical form.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"null", "[1, 1.0, -0, 1e400]", `{"a": "\ud83d\ude00\u0000"}`, "NaN", "\"\xff\"", "[[[]", "1e-7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := pyjson.Parse(text)
		if err != nil {
			return
		}
		v.Any()
		again, err := pyjson.Parse(v.String())
		require.NoError(t, err)
		require.Equal(t, v, again)
		require.Equal(t, v.String(), again.String())
		marshalled, err := pyjson.Marshal(pyjson.Raw(text))
		require.NoError(t, err)
		require.Equal(t, text, marshalled)
	})
}
