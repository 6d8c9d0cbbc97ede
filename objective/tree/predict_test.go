package tree

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"
)

// awkward are values and thresholds for which comparisons easily go wrong.
var awkward = []float64{
	0, math.Copysign(0, -1), 1, -1, math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64,
	math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, ZeroRange, -ZeroRange, 1e-36, 0.1, float64(float32(0.1)),
}

// nearby returns one of the awkward values, its neighbour, or NaN.
func nearby(r *rand.Rand) float64 {
	x := awkward[r.IntN(len(awkward))]
	switch r.IntN(8) {
	case 0:
		return math.NaN()
	case 1:
		return math.Nextafter(x, math.Inf(1))
	case 2:
		return math.Nextafter(x, math.Inf(-1))
	case 3:
		return r.NormFloat64()
	}
	return x
}

// same compares the predictor with its plain twin, on the first n rows for each n of
// counts, with and without the vector kernel.
func same(t *testing.T, m *Model, rows []float64, counts ...int) {
	t.Helper()
	f, k := len(m.Features), m.Outputs
	want := plain(m, rows)
	eachWay(t, func(t *testing.T) {
		p, err := NewPredictor(m)
		require.NoError(t, err)
		for _, n := range counts {
			got := make([]float64, n*k)
			require.NoError(t, p.PredictRaw(rows[:n*f], got))
			sameBits(t, want[:n*k], got)
		}
	})
}

func upTo(n int) (all []int) {
	for i := 1; i <= n; i++ {
		all = append(all, i)
	}
	return all
}

func TestPredictorAtThresholds(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 8 {
		features := 1 + r.IntN(40)
		m := random(r, 1+r.IntN(20), 1+r.IntN(70), features, 1+r.IntN(3))
		m.Float32 = r.IntN(2) == 0
		for i := range m.Trees {
			for j := range m.Trees[i].Nodes {
				x := nearby(r)
				for x != x {
					x = nearby(r)
				}
				m.Trees[i].Nodes[j].Threshold = x
			}
		}
		rows := randomRows(r, 130, features)
		for i := range rows {
			if m.Features[i%features].Kind == Numeric {
				rows[i] = nearby(r)
			}
		}
		same(t, m, rows, upTo(130)...)
	}
}

// Trees are evaluated whole or walked, depending on their size and that of the batch.
func TestPredictorOfTreesOfAllSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	m := &Model{Outputs: 2, Features: make([]Feature, 7)}
	for i, leaves := range []int{1, 2, 3, 48, 49, 96, 97, 1, 192, 193, 384, 385, 1500} {
		one := Random(r, 1, leaves, 7, 1)
		one.Trees[0].Output = i % 2
		m.Trees = append(m.Trees, one.Trees...)
	}
	m.Trees = append(m.Trees, Tree{Leaves: []Leaf{{Linear: &Linear{Const: 1, Features: []int{0}, Coefs: []float64{2}}}}})
	rows := randomRows(r, 130, 7)
	same(t, m, rows, 1, 2, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 69, 70, 128, 129, 130)
	for i := range m.Trees[:len(m.Trees)-1] {
		m.Trees[i] = Tree{Leaves: m.Trees[i].Leaves[:1]}
	}
	same(t, m, rows, 1, 7, 70)
}

// balanced returns a balanced tree with the thresholds in order. feature gives the feature of each.
func balanced(thresholds []float64, feature func(i int) int) Tree {
	var t Tree
	var grow func(from, to int) int
	grow = func(from, to int) int {
		if from == to {
			t.Leaves = append(t.Leaves, Leaf{Value: float64(from)})
			return ^(len(t.Leaves) - 1)
		}
		mid, at := (from+to)/2, len(t.Nodes)
		t.Nodes = append(t.Nodes, Node{Feature: feature(mid), Threshold: thresholds[mid], DefaultLeft: mid%3 == 0})
		left := grow(from, mid)
		right := grow(mid+1, to)
		t.Nodes[at].Left, t.Nodes[at].Right = left, right
		return at
	}
	grow(0, len(thresholds))
	return t
}

func TestPredictorOfManyThresholdsInAColumn(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	thresholds := make([]float64, 70000)
	for i := range thresholds {
		thresholds[i] = r.NormFloat64()
	}
	slices.Sort(thresholds)
	m := &Model{Outputs: 1, Features: make([]Feature, 2)}
	m.Trees = append(m.Trees, balanced(thresholds, func(int) int { return 0 }))
	m.Trees = append(m.Trees, balanced(thresholds[100:110], func(i int) int { return i % 2 }), balanced(thresholds[40000:40020], func(int) int { return 0 }))
	rows := make([]float64, 2*130)
	for i := range rows {
		rows[i] = thresholds[r.IntN(len(thresholds))]
		if r.IntN(4) == 0 {
			rows[i] = nearby(r)
		}
	}
	same(t, m, rows, 1, 2, 7, 70, 130)
}

func TestPredictorOfManyColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	thresholds := make([]float64, 66000)
	for i := range thresholds {
		thresholds[i] = r.NormFloat64()
	}
	for _, features := range []int{9000, len(thresholds)} {
		t.Run(fmt.Sprint(features), func(t *testing.T) {
			m := &Model{Outputs: 1, Features: make([]Feature, features)}
			m.Trees = append(m.Trees, balanced(thresholds, func(i int) int { return i % features }))
			for i := range 100 {
				m.Trees = append(m.Trees, balanced(thresholds[i*20:i*20+20], func(int) int { return r.IntN(features) }))
			}
			rows := make([]float64, 9*features)
			for i := range rows {
				rows[i] = r.NormFloat64()
			}
			same(t, m, rows, 1, 2, 7, 9)
		})
	}
}

func TestOrderedIsTheOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	for range 10000 {
		x, y := nearby(r), math.Float64frombits(r.Uint64())
		if x != x || y != y {
			continue
		}
		require.Equal(t, x < y, ordered(x) < ordered(y), "%v %v", x, y)
		require.Less(t, ordered(x), uint64(math.MaxUint64))
	}
	require.Equal(t, ordered(0), ordered(math.Copysign(0, -1)))
}

func TestSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	for _, n := range []int{1, 3, 7, 255, 1023} {
		sorted := make([]uint64, n)
		for i := range sorted {
			if sorted[i] = uint64(2 * i); i > n/2 {
				sorted[i] = math.MaxUint64
			}
		}
		var keys [blockRows]uint64
		for i := range keys {
			keys[i] = []uint64{r.Uint64N(uint64(n + 2)), 0, math.MaxUint64}[min(r.IntN(10), 2)%3]
		}
		var want, got, twin [blockRows]uint32
		for i, key := range keys {
			want[i] = uint32(sort.Search(n, func(k int) bool { return sorted[k] >= key }))
		}
		search(sorted, &keys, &got, blockRows)
		searchPlain(sorted, &keys, &twin, blockRows)
		require.Equal(t, want, got)
		require.Equal(t, want, twin)

		q := quad{half: (n + 1) / 2, sorted: [quadInputs][]uint64{sorted, sorted, sorted, sorted}}
		var ranks, plain [quadInputs]uint32
		searchQuad(&q, (*[quadInputs]uint64)(keys[:]), &ranks)
		searchQuadPlain(&q, (*[quadInputs]uint64)(keys[:]), &plain)
		require.Equal(t, want[:quadInputs], ranks[:])
		require.Equal(t, want[:quadInputs], plain[:])
	}
}
