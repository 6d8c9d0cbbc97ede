package tensor_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/tensor"
)

func list() tensor.List {
	return tensor.List{
		{Name: "window", Shape: []int64{3, 2}, Data: []float64{1, 2, 3, 4, 5, 6}},
		{Name: "series", Shape: []int64{3}, Data: []int64{7, 8, 9}},
		{Name: "scale", Shape: []int64{3, 1, 1}, Data: []float32{0.5, 1, 2}},
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		t   tensor.Tensor
		err string
	}{
		"a single value":      {tensor.Tensor{Data: []float32{7}}, ""},
		"a matrix":            {tensor.Tensor{Shape: []int64{2, 2}, Data: []int64{1, 2, 3, 4}}, ""},
		"no rows":             {tensor.Tensor{Shape: []int64{0, 2}, Data: []float64(nil)}, ""},
		"no rows, overflow":   {tensor.Tensor{Shape: []int64{math.MaxInt64, 2, 0}, Data: []float64{}}, ""},
		"no data":             {tensor.Tensor{}, "data of type <nil>"},
		"data of ints":        {tensor.Tensor{Shape: []int64{1}, Data: []int{1}}, "data of type []int"},
		"too few":             {tensor.Tensor{Shape: []int64{3}, Data: []float32{1}}, "1 values do not fill the shape [3]"},
		"too many":            {tensor.Tensor{Shape: []int64{1}, Data: []float32{1, 2}}, "2 values do not fill the shape [1]"},
		"two for one value":   {tensor.Tensor{Data: []float32{1, 2}}, "2 values do not fill the shape []"},
		"none for one value":  {tensor.Tensor{Data: []float32{}}, "0 values do not fill the shape []"},
		"a negative size":     {tensor.Tensor{Shape: []int64{-1}, Data: []float32{1}}, "do not fill"},
		"two negative sizes":  {tensor.Tensor{Shape: []int64{-1, -1}, Data: []float32{1}}, "do not fill"},
		"sizes that overflow": {tensor.Tensor{Shape: []int64{math.MaxInt64, 2}, Data: []float64{1, 2}}, "do not fill"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.t.Check()
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tensor.ErrShape)
			require.ErrorContains(t, err, c.err)
		})
	}
}

func TestFloats(t *testing.T) {
	l := list()
	assert.Equal(t, []float64{7, 8, 9}, l[1].Floats())
	assert.Equal(t, []float64{0.5, 1, 2}, l[2].Floats())
	assert.Same(t, &l[0].Data.([]float64)[0], &l[0].Floats()[0], "no copy")
	assert.Nil(t, tensor.Tensor{Data: "text"}.Floats())
}

func TestRows(t *testing.T) {
	l := list()
	n, err := l.Rows()
	require.NoError(t, err)
	require.Equal(t, 3, n)
	got, ok := l.Named("series")
	require.True(t, ok)
	require.Equal(t, l[1], got)
	_, ok = l.Named("strange")
	require.False(t, ok)
	for name, c := range map[string]struct {
		l   tensor.List
		err string
	}{
		"empty":          {nil, "there are no tensors"},
		"a single value": {tensor.List{{Name: "x", Data: []float32{1}}}, `tensor "x" with dimensions [] has no rows`},
		"no rows":        {tensor.List{{Name: "x", Shape: []int64{0}, Data: []float32{}}}, `tensor "x" with dimensions [0] has no rows`},
		"other rows":     {append(list(), tensor.Tensor{Name: "x", Shape: []int64{1}, Data: []float64{1}}), `tensor "x" has 1 rows, and tensor "window" has 3`},
		"does not fill":  {tensor.List{{Name: "x", Shape: []int64{2}, Data: []float32{1}}}, `tensor "x": wrong shape: 1 values do not fill`},
	} {
		_, err := c.l.Rows()
		require.ErrorIs(t, err, tensor.ErrShape, name)
		require.ErrorContains(t, err, c.err, name)
	}
}

// Rows that are cut apart, picked and joined again are unchanged.
func TestParts(t *testing.T) {
	l := list()
	require.Equal(t, l, l.Pick(0, 1, 2))
	require.Equal(t, l, l.Slice(0, 3))
	require.Equal(t, l.Pick(1, 2), l.Slice(1, 3))
	require.Equal(t, []int64{9, 7}, l.Pick(2, 0)[1].Data)
	all, err := tensor.Join(l.Slice(0, 0), l.Slice(0, 1), l.Slice(1, 3))
	require.NoError(t, err)
	require.Equal(t, l, all)
	none, err := tensor.Join()
	require.NoError(t, err)
	require.Empty(t, none)

	joined, err := tensor.Join(l.Slice(0, 1), l.Slice(2, 3))
	require.NoError(t, err)
	require.Equal(t, []float64{1, 2, 5, 6}, joined[0].Data)
	require.Equal(t, list(), l, "joining writes to no part")
}

func TestJoinRefuses(t *testing.T) {
	for name, change := range map[string]func(l tensor.List) tensor.List{
		"fewer":          func(l tensor.List) tensor.List { return l[:2] },
		"another name":   func(l tensor.List) tensor.List { l[0].Name = "past"; return l },
		"another type":   func(l tensor.List) tensor.List { l[1].Data = []float64{1, 2, 3}; return l },
		"another width":  func(l tensor.List) tensor.List { l[0].Shape = []int64{2, 3}; return l },
		"a single value": func(l tensor.List) tensor.List { l[1] = tensor.Tensor{Name: "series", Data: []int64{1}}; return l },
	} {
		_, err := tensor.Join(list(), change(list()))
		require.ErrorIs(t, err, tensor.ErrShape, name)
	}
}

func Example() {
	l := tensor.List{{Name: "x", Shape: []int64{3, 2}, Data: []float64{1, 2, 3, 4, 5, 6}}}
	fmt.Println(l[0], l.Slice(1, 3)[0].Data, l.Pick(2, 0)[0].Data)
	// Output: x float64 [3 2] [3 4 5 6] [5 6 1 2]
}
