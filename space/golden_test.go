package space_test

import (
	"bufio"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
)

// TestGolden compares with Optuna: the JSON, byte by byte, the upper bound that a
// step leaves, and what a distribution contains; see testdata/golden.py.
func TestGolden(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("some of the grids have more values than an int counts")
	}
	file, err := os.Open("testdata/golden.tsv")
	require.NoError(t, err)
	defer file.Close()
	number := func(text string) float64 {
		x, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		return x
	}
	integer := func(text string) int {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	var d space.Distribution
	seen := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		f := strings.Split(lines.Text(), "\t")
		seen[f[0]]++
		switch f[0] {
		case "has":
			if f[2] == "True" || !coarse(d) {
				require.Equal(t, f[2] == "True", d.Contains(number(f[1])), "%s in %s", f[1], d)
			}
			continue
		case "float":
			d = space.FloatDistribution{Low: number(f[1]), High: number(f[2]), Step: number(f[3]), Log: f[4] == "True"}
		case "int":
			d = space.IntDistribution{Low: integer(f[1]), High: integer(f[2]), Step: integer(f[3]), Log: f[4] == "True"}
		case "choice":
			d, err = space.ParseDistribution(f[1])
			require.NoError(t, err)
		}
		want := f[len(f)-1]
		d, err = d.Normalize()
		require.NoError(t, err, lines.Text())
		require.Equal(t, want, d.String())
		checkValues(t, d)

		back, err := space.ParseDistribution(want)
		require.NoError(t, err)
		require.True(t, space.Equal(d, back), want)
		require.True(t, space.Compatible(d, back), want)
		require.Equal(t, want, back.String())
	}
	assert.Greater(t, seen["float"], 500)
	assert.Greater(t, seen["int"], 100)
	assert.Greater(t, seen["has"], 1800)
	assert.Equal(t, 9, seen["choice"])
}

// coarse reports whether the steps of d are so small that a float64 rounds its
// values off the grid, which Optuna then calls outside.
func coarse(d space.Distribution) bool {
	f, ok := d.(space.FloatDistribution)
	return ok && f.Step > 0 && math.Nextafter(f.High, math.Inf(1))-f.High > 1e-9*f.Step
}

// checkValues checks that values of a distribution are contained, ascend, and
// have literals that stand for them.
func checkValues(t *testing.T, d space.Distribution) {
	n := d.Len()
	last := 0.0
	places := []int{0, 1, 2, n / 2, n/2 + 1, n - 2, n - 1}
	slices.Sort(places)
	for _, i := range places {
		if i < 0 || i >= max(n, 1) {
			continue
		}
		x := d.At(i)
		require.True(t, d.Contains(x), "At(%d) = %v of %s", i, x, d)
		l := d.Decode(x)
		y, err := d.Encode(l)
		require.NoError(t, err)
		require.Equal(t, x, y)
		parsed, err := space.ParseLiteral(string(l))
		require.NoError(t, err)
		require.Equal(t, l, parsed)
		if i > 0 {
			require.GreaterOrEqual(t, x, last, "At(%d) of %s", i, d)
		}
		last = x
	}
	switch d := d.(type) {
	case space.FloatDistribution:
		if n > 0 {
			require.Equal(t, d.High, d.At(n-1))
		}
	case space.IntDistribution:
		require.Equal(t, float64(d.High), d.At(n-1))
	}
}

func FuzzParseDistribution(f *testing.F) {
	for _, seed := range []string{
		`{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.95, "log": false}}`,
		`{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 10}}`,
		`{"name": "CategoricalDistribution", "attributes": {"choices": ["a", null, [1], 2.5]}}`,
		`{"name": "DiscreteUniformDistribution", "attributes": {"low": 0, "high": 1, "q": 0.25}}`,
		`{"type": "int", "low": 0, "high": 9, "step": 2}`,
		`{"name": "FloatDistribution", "attributes": {"step": 5e-324, "low": 0.0, "high": 1e308, "log": false}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := space.ParseDistribution(text)
		if err != nil {
			require.ErrorIs(t, err, space.ErrInvalid)
			return
		}
		again, err := space.ParseDistribution(d.String())
		require.NoError(t, err)
		require.Equal(t, d.String(), again.String())
		require.True(t, space.Equal(d, again))
		n := d.Len()
		require.GreaterOrEqual(t, n, 0)
		require.True(t, d.Contains(d.At(0)))
		require.True(t, d.Contains(d.At(max(0, n-1))), "%s", d)
		require.NotEmpty(t, space.Describe(d))
	})
}

func FuzzParseLiteral(f *testing.F) {
	for _, seed := range []string{"1", "1.0", "true", `"1"`, "null", "NaN", "1e-5", "-0", "-0.0", `"\ud800"`, "[1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := space.ParseLiteral(text)
		if err != nil {
			return
		}
		again, err := space.ParseLiteral(string(l))
		require.NoError(t, err)
		require.Equal(t, l, again)
		_ = l.String()
		switch v := l.Any().(type) {
		case string:
			require.Equal(t, l, space.Lit(v))
		case int64:
			require.Equal(t, l, space.Lit(int(v)))
		case bool:
			require.Equal(t, l, space.Lit(v))
		}
	})
}
