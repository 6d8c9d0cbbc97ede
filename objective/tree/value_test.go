package tree

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// short reads numbers with the same bits as ParseFloat, and leaves the rest to it.
func TestShortIsParseFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"0", "-0", "-", "", "1.", ".5", "1e", "1e+", "1e5", "1E-5", "-1.25e3", "007", "1e22", "1e23", "1e-22", "1e-23",
		"999999999999999", "1234567890123456", "1.5e999999999999", "0.000000000000001", "1-2", "1.2.3", "1e5e5", "1+", "12a", "1e5,", "5]"}
	for range 20000 {
		x := r.NormFloat64() * math.Pow10(r.IntN(50)-25)
		texts = append(texts, strconv.FormatFloat(x, "efgE"[r.IntN(4)], r.IntN(18)-1, 64), fmt.Sprint(r.IntN(1e6)))
	}
	read := 0
	for _, s := range texts {
		x, n := short(s)
		y, m := short([]byte(s + ","))
		require.Equal(t, n, m, s)
		require.Equal(t, math.Float64bits(x), math.Float64bits(y), s)
		if n == 0 {
			continue
		}
		read++
		want, err := strconv.ParseFloat(s[:n], 64)
		require.NoError(t, err, s)
		require.Equal(t, math.Float64bits(want), math.Float64bits(x), s)
	}
	assert.Greater(t, read, len(texts)/2)
}

func TestJSONErrorsSayWhere(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{`{"a":[1,2,x]}`, `at byte 10: unexpected 'x'`},
		{`{"a":[1,2,]}`, `at byte 10: unexpected ']'`},
		{`{"a":[1 2]}`, `at byte 8: want ',', have '2'`},
		{`{"a":[1,-]}`, `at byte 8: unexpected '-'`},
		{`{"a":[1,1.2.3]}`, `at byte 8: unexpected '1'`},
		{`{"a":1}}`, `at byte 7: unexpected '}' after the end`},
		{`{"a" 1}`, `at byte 5: want ':', have '1'`},
		{`{"a":[1,`, `at byte 8: ends too early`},
		{`{"a":nul}`, `at byte 5: unexpected 'n'`},
		{"{\"a\nb\":1}", `at byte 1: invalid character`},
	} {
		_, err := decodeJSON([]byte(c.text))
		assert.ErrorContains(t, err, c.says, c.text)
	}
}

func TestJSONValues(t *testing.T) {
	v, err := decodeJSON([]byte(`{"a":[1, -2.5 ,3e2,1e400],"b":[1,null,"x\u00e9\"y"],"c":[NaN,-Infinity],"d":[],"ä":true}`))
	require.NoError(t, err)
	assert.Equal(t, []float64{1, -2.5, 300, math.Inf(1)}, v.get("a").v)
	assert.Equal(t, []any{1.0, nil, `xé"y`}, v.get("b").v)
	c, err := v.get("c").floats()
	require.NoError(t, err)
	assert.True(t, math.IsNaN(c[0]) && math.IsInf(c[1], -1))
	assert.Empty(t, v.get("d").v)
	assert.Equal(t, true, v.get("ä").v)
}

// The size of a list does not depend on the lists inside it.
func TestListsAreSizedByTheirOwnElements(t *testing.T) {
	ones := strings.Repeat("1,", 1<<18) + "1"
	for name, text := range map[string]string{
		"saved": `{"format":"attune tree model","version":1,"features":[{"name":"a"}],"outputs":1,"trees":[{"leaf":[1]},{"leaf":[` + ones + `]}]}`,
		"first": `{"format":"attune tree model","version":1,"features":[{"name":"a"}],"outputs":1,"trees":[{"leaf":[` + ones + `]}]}`,
		"JSON":  `{"learner":` + strings.Repeat("[1,", 900) + ones + strings.Repeat("]", 900) + `}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(strings.NewReader(text))
		runtime.ReadMemStats(&after)
		require.Error(t, err, name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(80<<20), name)
	}
}
