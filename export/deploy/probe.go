package deploy

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/objective/tree"
)

// Probe makes rows on which a model and a wrong export are likely to differ: random mixtures
// of each threshold and its neighbours on either side, of values between and far
// outside, of 0 and what is all but 0, of missing values, and of categories listed,
// not listed and impossible. In the form Compatible, values are float32 numbers: others
// are rounded for it, and may end elsewhere.
//
// n is the number of rows; 0 is enough for each neighbour of a feature's thresholds to
// be there once, from 1,000 to 20,000. The same arguments make the same rows.
func Probe(m *tree.Model, form onnx.Form, n int) []float64 {
	values := make([][]float64, len(m.Features))
	for f := range values {
		values[f] = []float64{0, math.Copysign(0, -1), 1, -1}
	}
	single := m.Float32 || form == onnx.Compatible
	zeros := func(f int) {
		if z := tree.ZeroRange; !slices.Contains(values[f], z) {
			values[f] = append(values[f], z, -z, math.Nextafter(z, 1), -math.Nextafter(z, 1))
		}
	}
	for _, t := range m.Trees {
		for _, node := range t.Nodes {
			at := &values[node.Feature]
			if node.Categorical() {
				*at = append(*at, listed(node.Categories)...)
				continue
			}
			if node.Missing == tree.MissingZero {
				zeros(node.Feature)
			}
			x := node.Threshold
			*at = append(*at, x, math.Nextafter(x, math.Inf(-1)), math.Nextafter(x, math.Inf(1)))
			if single {
				near := float32(x)
				*at = append(*at, float64(near), float64(math.Nextafter32(near, float32(math.Inf(-1)))), float64(math.Nextafter32(near, float32(math.Inf(1)))))
			}
		}
	}
	longest := 0
	for f, v := range values {
		if m.Features[f].Kind == tree.Categorical {
			v = append(v, -1, -0.5, 0.5, float64(slices.Max(v)+1), 1e9)
		} else {
			low, high := slices.Min(v), slices.Max(v)
			for i := range 8 {
				v = append(v, low+(high-low)*float64(2*i-3)/9)
			}
		}
		if form == onnx.Compatible {
			for i, x := range v {
				v[i] = float64(float32(x))
			}
		}
		v = slices.DeleteFunc(v, func(x float64) bool { return math.IsInf(x, 0) || math.IsNaN(x) })
		slices.Sort(v)
		values[f] = slices.Compact(v)
		longest = max(longest, len(values[f]))
	}
	if n <= 0 {
		n = min(max(longest*10/9+1, 1000), 20000) // one in ten is missing
	}
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(values))))
	rows := make([]float64, n*len(values))
	for f, v := range values {
		r.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
		for i, k := 0, 0; i < n; i++ {
			x := math.NaN()
			if r.IntN(10) > 0 {
				x = v[k%len(v)]
				k++
			}
			rows[i*len(values)+f] = x
		}
	}
	return rows
}

// listed returns the categories of a set and those beside them.
func listed(set []uint32) []float64 {
	var out []float64
	for c := range 32 * len(set) {
		if set[c/32]>>(c%32)&1 == 1 {
			out = append(out, float64(c), float64(c+1))
		}
	}
	return out
}
