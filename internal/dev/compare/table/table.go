// Package table has tabulated objectives: all configurations of a search space, trained by
// others. So the optimum and the success of random search are known exactly.
// testdata/README.md gives their origin.
package table

import (
	"embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/space"
)

//go:embed testdata/tables.json testdata/*.f32
var files embed.FS

// A Table is a tabulated problem. A numeric parameter is an integer, the index of its
// value; any other has the choices "c0", "c1", ...
type Table struct {
	problem.Problem
	sorted []float64
}

// All returns the six tables.
var All = sync.OnceValue(func() []*Table {
	text, err := files.ReadFile("testdata/tables.json")
	if err != nil {
		panic(err)
	}
	var index struct {
		Tables []struct {
			Name        string
			Params      []string
			Card        []int
			Categorical []bool
		}
	}
	if err := json.Unmarshal(text, &index); err != nil {
		panic(err)
	}
	var all []*Table
	for _, t := range index.Tables {
		data, err := files.ReadFile("testdata/" + t.Name + ".f32")
		if err != nil {
			panic(err)
		}
		values := make([]float64, len(data)/4)
		for i := range values {
			values[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		}
		sp := make(space.Space, len(t.Params))
		for i, name := range t.Params {
			if !t.Categorical[i] {
				sp[i] = space.Int(name, 0, t.Card[i]-1).Axis()
				continue
			}
			choices := make([]string, t.Card[i])
			for k := range choices {
				choices[k] = fmt.Sprintf("c%d", k)
			}
			sp[i] = space.Categorical(name, choices...).Axis()
		}
		all = append(all, newTable(t.Name, sp, values))
	}
	return all
})

func newTable(name string, sp space.Space, values []float64) *Table {
	t := &Table{sorted: slices.Sorted(slices.Values(values))}
	t.Name, t.Space, t.Minimum = name, sp, t.sorted[0]
	t.Loss = func(s space.Suggester) float64 {
		at := 0
		for _, a := range sp { // coordinates are indices here, for integers and choices
			at = at*a.Distribution.Len() + int(s.Suggest(a))
		}
		return values[at]
	}
	for at, v := range values {
		if v != t.Minimum {
			continue
		}
		point := make([]float64, len(sp))
		for i := range slices.Backward(sp) {
			point[i] = float64(at % sp[i].Distribution.Len())
			at /= sp[i].Distribution.Len()
		}
		t.Argmin = append(t.Argmin, space.Params{Space: sp, Point: point})
	}
	return t
}

// Rank returns the share of configurations at least as good as a loss of v, which is in the
// table: (number of strictly better ones + 1) / number of all.
func (t *Table) Rank(v float64) float64 {
	return float64(sort.SearchFloat64s(t.sorted, v)+1) / float64(len(t.sorted))
}

// Random returns the expected best loss of n random configurations, drawn with
// replacement. n must be positive and need not be whole.
func (t *Table) Random(n float64) float64 {
	sum, size := 0.0, float64(len(t.sorted))
	left := 1.0 // P(all draws from the i-th on)
	for i, v := range t.sorted {
		next := math.Pow(1-float64(i+1)/size, n)
		sum += v * (left - next)
		if left = next; left < 1e-18 {
			break
		}
	}
	return sum
}

// Draws returns the number of random configurations whose expected best loss is v, at
// most 1e7.
func (t *Table) Draws(v float64) float64 {
	low, high := 0.0, math.Log(1e7)
	for range 50 {
		if mid := (low + high) / 2; t.Random(math.Exp(mid)) > v {
			low = mid
		} else {
			high = mid
		}
	}
	return math.Exp(high)
}
