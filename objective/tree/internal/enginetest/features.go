package enginetest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// weights: a row of weight 0 has no effect, and other weights do.
func (s Suite) weights(t *testing.T) {
	all := Data(engine.L2, 400, 1)
	all.Weight = weights(400)
	var some engine.Dataset
	some.Columns = make([][]float64, features)
	for i, w := range all.Weight {
		if w == 0 {
			continue
		}
		for f := range some.Columns {
			some.Columns[f] = append(some.Columns[f], all.Columns[f][i])
		}
		some.Label, some.Weight = append(some.Label, all.Label[i]), append(some.Weight, w)
	}
	p := s.params(engine.L2)
	weighted := s.fit(t, all, engine.Dataset{}, p, nil)
	assert.Equal(t, s.fit(t, some, engine.Dataset{}, p, nil), weighted)
	all.Weight = nil
	assert.NotEqual(t, s.fit(t, all, engine.Dataset{}, p, nil), weighted)
	all.Weight = slices.Repeat([]float64{1}, 400)
	ones := s.fit(t, all, engine.Dataset{}, p, nil)
	all.Weight = nil
	assert.Equal(t, s.fit(t, all, engine.Dataset{}, p, nil), ones)
}

// missing: a model can learn from missing values alone.
func (s Suite) missing(t *testing.T) {
	d := Data(engine.L2, 400, 1)
	for i := range d.Label {
		d.Label[i] = 0
		if math.IsNaN(d.Columns[0][i]) {
			d.Label[i] = 5
		}
	}
	p := s.params(engine.L2)
	p.Trees, p.LearningRate = 30, 0.5
	m := s.fit(t, d, engine.Dataset{}, p, nil)
	for i, v := range Predict(t, m, d) {
		require.InDelta(t, d.Label[i], v, 0.5)
	}
}

// infinite: the infinities are less and greater than all other values.
func (s Suite) infinite(t *testing.T) {
	d := Data(engine.L2, 400, 1)
	for i := range d.Label {
		d.Columns[1][i] = float64(i % 7) // few distinct values, so that none shares an interval with an infinity
		switch i % 4 {
		case 0:
			d.Columns[1][i], d.Label[i] = math.Inf(1), 3
		case 1:
			d.Columns[1][i], d.Label[i] = math.Inf(-1), -3
		default:
			d.Label[i] = 0
		}
	}
	p := s.params(engine.L2)
	p.Trees, p.LearningRate = 30, 0.5
	var last []float64
	m := s.fit(t, d, d, p, func(it engine.Iteration) error {
		last = it.Predictions()
		return nil
	})
	got := Predict(t, m, d)
	s.near(t, got, last, "predictions")
	for i, v := range got {
		require.InDelta(t, d.Label[i], v, 0.5)
	}
}

// monotone: predictions never fall as feature 1 grows, and never rise as feature 2 does.
func (s Suite) monotone(t *testing.T) {
	d := Data(engine.L2, 800, 1)
	p := s.params(engine.L2)
	p.Monotone = []int{0, 1, -1, 0, 0}
	p.Trees = 30
	m := s.fit(t, d, engine.Dataset{}, p, nil)
	for f, direction := range map[int]float64{1: 1, 2: -1} {
		sweep := engine.Dataset{Columns: make([][]float64, features)}
		for at := range sweep.Columns {
			sweep.Columns[at] = slices.Repeat([]float64{d.Columns[at][5]}, 100)
		}
		for i := range 100 {
			sweep.Columns[f][i] = float64(i-50) / 20
		}
		got := Predict(t, m, sweep)
		for i := 1; i < len(got); i++ {
			require.GreaterOrEqual(t, direction*(got[i]-got[i-1]), 0.0)
		}
	}
	p.Monotone = nil
	assert.NotEqual(t, s.fit(t, d, engine.Dataset{}, p, nil), m)
}

// categories: their order has no meaning.
func (s Suite) categories(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	data := func(n int) engine.Dataset {
		d := Data(engine.L2, n, r.Uint64())
		d.Categorical = []int{3, 4}
		for i := range n {
			d.Columns[3][i] = float64(r.IntN(12))
			d.Columns[4][i] = float64(100 * r.IntN(3))
			d.Label[i] += 4 * math.Mod(7*d.Columns[3][i], 3)
			if i%50 == 0 {
				d.Columns[3][i] = []float64{math.NaN(), -1, -7}[r.IntN(3)]
			}
		}
		return d
	}
	train, valid := data(800), data(200)
	valid.Columns[3][0], valid.Columns[3][1] = 99, 31 // never seen
	s.rounds(t, train, valid, s.params(engine.L2))
	p := s.params(engine.L2)
	p.Trees = 40
	m := s.fit(t, train, engine.Dataset{}, p, nil)
	assert.Less(t, Score(p, valid, Predict(t, m, valid)), 0.9)
	assert.Equal(t, tree.Categorical, m.Features[3].Kind)
	assert.Equal(t, tree.Numeric, m.Features[2].Kind)
}

func (s Suite) names(t *testing.T) {
	d := Data(engine.L2, 100, 1)
	p := s.params(engine.L2)
	p.Trees = 1
	m := s.fit(t, d, engine.Dataset{}, p, nil)
	assert.Equal(t, "Column_4", m.Features[4].Name)
	d.Names = []string{"plain", `"quoted", [bracketed] <b>`, "", "Größe", "with space"}
	m = s.fit(t, d, engine.Dataset{}, p, nil)
	for f, name := range d.Names {
		assert.Equal(t, name, m.Features[f].Name)
	}
}

// constant: equal labels give a constant model.
func (s Suite) constant(t *testing.T) {
	d := Data(engine.L2, 60, 1)
	d.Label = slices.Repeat([]float64{4}, 60)
	m := s.fit(t, d, d, s.params(engine.L2), func(it engine.Iteration) error {
		assert.InDelta(t, 0, it.Score, 1e-6)
		return nil
	})
	for _, v := range Predict(t, m, d) {
		require.InDelta(t, 4, v, 1e-6)
	}
}
