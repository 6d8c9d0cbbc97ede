package deploy

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/objective/tree"
)

// Probe makes rows on which a model and a wrong export are likely to differ. Half of them
// are random mixtures of special values: each threshold and the float64 numbers next to it,
// values between and far outside the thresholds, zeros and tiny numbers, infinities, times
// in seconds and dates as numbers, numbers that float32 cannot represent, missing values,
// and categories that are listed, unlisted and impossible. Each row of the other half aims
// at a node: its values are on the thresholds above the node, and on the node's threshold,
// just below it or just above it. In the form Single all values are rounded to float32.
//
// n is the number of rows. If n is 0, Probe makes 1,000 to 40,000 rows, enough for each
// neighbour of a feature's thresholds to occur at least once, but limits them to 16 million
// values as long as that allows 200 rows. The same arguments make the same rows.
func Probe(m *tree.Model, form onnx.Form, n int) []float64 {
	p := probe{model: m, single: form == onnx.Single}
	p.values = make([][]float64, len(m.Features))
	nodes, longest := 0, 0
	for f := range p.values {
		p.values[f] = slices.Clone(everywhere)
	}
	for i := range m.Trees {
		for j := range m.Trees[i].Nodes {
			p.near(&m.Trees[i].Nodes[j])
			nodes++
		}
		p.linear = p.linear || slices.ContainsFunc(m.Trees[i].Leaves, func(l tree.Leaf) bool { return l.Linear != nil })
	}
	for f := range p.values {
		p.finish(f)
		longest = max(longest, len(p.values[f]))
	}
	aimed := min(3*nodes, n/2)
	if n <= 0 {
		const most = 1 << 23 // values, of either half
		room := max(100, most/max(1, len(m.Features)))
		n = min(max(longest*10/9+1, 1000), 20000, room) // one in ten is missing
		aimed = min(3*nodes, n)
		n += aimed
	}
	p.r = rand.New(rand.NewPCG(uint64(n), uint64(len(p.values))))
	rows := p.mixed(n - aimed)
	if len(rows) == 0 || len(m.Features) == 0 {
		return rows
	}
	return p.aim(rows, aimed, nodes)
}

// everywhere are values for every feature: signed zeros, dates and times as numbers,
// whole numbers beyond float32's and float64's precision, the smallest and greatest numbers.
var everywhere = []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 20240131, 20240131.5, 1706659200, 1706659200.25, 1706659200123,
	1<<24 + 1, 1<<53 - 1, -1706659201, 5e-324, -1e-310, 1e-46, 1e300, -1e300, math.Inf(1), math.Inf(-1)}

// A probe makes the rows of [Probe].
type probe struct {
	model  *tree.Model
	values [][]float64 // by feature, ascending
	single bool        // all values are float32
	linear bool        // some leaves are linear
	r      *rand.Rand
}

// near records the values around the condition of a node.
func (p *probe) near(n *tree.Node) {
	at := &p.values[n.Feature]
	if n.Categorical() {
		*at = append(*at, listed(n.Categories)...)
		return
	}
	if z := tree.ZeroRange; n.Missing == tree.MissingZero && !slices.Contains(*at, z) {
		*at = append(*at, z, -z, math.Nextafter(z, 1), -math.Nextafter(z, 1))
	}
	*at = append(*at, neighbours(n.Threshold)...)
	if p.model.Float32 || p.single {
		x := float32(n.Threshold)
		*at = append(*at, float64(x), float64(math.Nextafter32(x, float32(math.Inf(-1)))), float64(math.Nextafter32(x, float32(math.Inf(1)))))
	}
}

// neighbours returns a number and the numbers next to it.
func neighbours(x float64) []float64 {
	return []float64{x, math.Nextafter(x, math.Inf(-1)), math.Nextafter(x, math.Inf(1))}
}

// finish adds values between those of a feature, and sorts them.
func (p *probe) finish(f int) {
	v := p.values[f]
	if p.model.Features[f].Kind == tree.Categorical {
		v = append(v, -0.5, 0.5, float64(tree.MaxCategories), 1e9)
		if own := v[len(everywhere):]; len(own) > 0 {
			v = append(v, slices.Max(own)+1)
		}
	} else if own := v[len(everywhere):]; len(own) > 0 {
		low, high := slices.Min(own), slices.Max(own)
		for i := range 8 {
			v = append(v, low+(high-low)*float64(2*i-3)/9)
		}
	}
	for i := range v {
		v[i] = p.round(v[i])
	}
	v = slices.DeleteFunc(v, func(x float64) bool {
		// The sums of linear leaves must stay within float32.
		return math.IsNaN(x) || p.single && p.linear && math.Abs(x) > 1e10
	})
	slices.Sort(v)
	p.values[f] = slices.Compact(v)
}

func (p *probe) round(x float64) float64 {
	if p.single {
		return float64(float32(x))
	}
	return x
}

// mixed returns n rows that take each feature's values in turn, with one in ten missing.
func (p *probe) mixed(n int) []float64 {
	rows := make([]float64, n*len(p.values))
	for f, v := range p.values {
		p.r.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
		for i, k := 0, 0; i < n; i++ {
			x := math.NaN()
			if p.r.IntN(10) > 0 {
				x = v[k%len(v)]
				k++
			}
			rows[i*len(p.values)+f] = x
		}
	}
	return rows
}

// aim adds n rows. Each is a copy of an existing row that is changed to reach a node and to
// lie on the node's threshold or next to it. The nodes are spread over all trees.
func (p *probe) aim(rows []float64, n, nodes int) []float64 {
	width, have := len(p.values), len(rows)/len(p.values)
	want := (n + 2) / 3 // nodes
	seen := 0
	for i := range p.model.Trees {
		t := &p.model.Trees[i]
		var above []int // by node: its parent
		for j := range t.Nodes {
			seen++
			if seen*want/nodes == (seen-1)*want/nodes {
				continue // other nodes represent it
			}
			if above == nil {
				above = parents(t)
			}
			for k := 0; k < 3 && n > 0; k, n = k+1, n-1 {
				from := p.r.IntN(have) * width
				rows = append(rows, rows[from:from+width]...)
				p.place(rows[len(rows)-width:], t, above, j, k)
			}
		}
	}
	return rows
}

// parents returns the parent of each node of a tree, -1 for the root.
func parents(t *tree.Tree) []int {
	above := make([]int, len(t.Nodes))
	above[0] = -1
	for i, n := range t.Nodes {
		for _, c := range []int{n.Left, n.Right} {
			if c >= 0 {
				above[c] = i
			}
		}
	}
	return above
}

// place changes a row so that it reaches a node, at the kth neighbour of its threshold. If
// two nodes need different values of a feature, the lower node wins.
func (p *probe) place(row []float64, t *tree.Tree, above []int, node, k int) {
	var path []int
	for i := node; i >= 0; i = above[i] {
		path = append(path, i)
	}
	for at := len(path) - 1; at > 0; at-- {
		n := &t.Nodes[path[at]]
		row[n.Feature] = p.round(side(n, n.Left == path[at-1], row[n.Feature]))
	}
	n := &t.Nodes[node]
	if n.Categorical() {
		row[n.Feature] = side(n, k == 0, math.Inf(-1))
	} else {
		row[n.Feature] = p.round(neighbours(n.Threshold)[k])
	}
}

// side returns a value that a node sends to the given side: x if possible, else the
// nearest.
func side(n *tree.Node, left bool, x float64) float64 {
	if n.Categorical() {
		if all := listed(n.Categories); left && len(all) > 0 {
			return all[0]
		}
		return -1 // not a category, so never listed
	}
	switch {
	case left && !(x <= n.Threshold):
		return n.Threshold
	case !left && !(x > n.Threshold):
		return math.Nextafter(n.Threshold, math.Inf(1))
	}
	return x
}

// listed returns the categories of a set, each followed by the next number.
func listed(set []uint32) []float64 {
	var out []float64
	for c := range 32 * len(set) {
		if set[c/32]>>(c%32)&1 == 1 {
			out = append(out, float64(c), float64(c+1))
		}
	}
	return out
}
