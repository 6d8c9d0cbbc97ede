// Package enginetest holds what every engine of package engine must pass.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A Suite is an engine, and what holds for it.
type Suite struct {
	Engine engine.Engine
	Growth engine.Growth
	Losses []engine.Loss // that it has; all but Softmax, whose params need more, are tried as they are

	// Tolerance is how far the engine's own predictions may be from those of the
	// model, relative to their size (at least 1).
	Tolerance float64

	WholeForest       bool // a forest is one round
	NoForest          bool
	NoCategories      bool
	NoMonotone        bool
	NoFeatureFraction bool

	Extras []map[string]string // settings of the library with which, too, its predictions are the model's

	Fits int // how many fits TestLeaks makes. Default 200
}

// Require returns if err is nil. It fails the test where the environment variable
// ATTUNE_REQUIRE_ENGINES is 1, and else skips it.
func Require(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("ATTUNE_REQUIRE_ENGINES") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

const (
	features = 5
	rounds   = 12
)

// Data returns rows of features numbers, and labels that suit the loss. Of the
// numbers a few are missing.
func Data(loss engine.Loss, n int, seed uint64) engine.Dataset {
	r := rand.New(rand.NewPCG(seed, 1))
	d := engine.Dataset{Columns: make([][]float64, features), Label: make([]float64, n)}
	for f := range d.Columns {
		d.Columns[f] = make([]float64, n)
	}
	for i := range n {
		for f := range d.Columns {
			d.Columns[f][i] = float64(float32(r.NormFloat64()))
		}
		s := math.Sin(2*d.Columns[0][i]) + d.Columns[1][i]*d.Columns[2][i]/2 + 0.3*r.NormFloat64()
		if i%17 == 3 {
			d.Columns[0][i] = math.NaN()
			s++
		}
		switch loss {
		case engine.Poisson:
			s = math.Floor(math.Exp(s))
		case engine.Tweedie:
			s = max(0, s)
		case engine.Logistic:
			s = indicator(s > 0)
		case engine.Softmax:
			s = indicator(s > -0.5) + indicator(s > 0.5)
		}
		d.Label[i] = s
	}
	return d
}

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Rows returns the rows of d, one after the other.
func Rows(d engine.Dataset) []float64 {
	rows := make([]float64, 0, d.Rows()*len(d.Columns))
	for i := range d.Rows() {
		for f := range d.Columns {
			rows = append(rows, d.Columns[f][i])
		}
	}
	return rows
}

// Predict returns what m says of the rows of d.
func Predict(t testing.TB, m *tree.Model, d engine.Dataset) []float64 {
	t.Helper()
	p, err := tree.NewPredictor(m, 1)
	require.NoError(t, err)
	out := make([]float64, d.Rows()*m.Outputs)
	require.NoError(t, p.Predict(Rows(d), out))
	return out
}

func (s Suite) params(loss engine.Loss) engine.Params {
	p := engine.Params{Loss: loss, Growth: s.Growth, Trees: rounds, LearningRate: 0.2}
	if loss == engine.Softmax {
		p.Classes = 3
	}
	return p
}

func (s Suite) fit(t testing.TB, train, valid engine.Dataset, p engine.Params, on func(engine.Iteration) error) *tree.Model {
	t.Helper()
	m, err := s.Engine.Fit(context.Background(), train, valid, p, on)
	require.NoError(t, err)
	require.NoError(t, m.Validate())
	return m
}

func (s Suite) near(t testing.TB, want, got []float64, msg string) {
	t.Helper()
	require.Len(t, got, len(want), msg)
	for i := range want {
		if want[i] == got[i] {
			continue
		}
		if d := math.Abs(want[i] - got[i]); !(d <= s.Tolerance*max(1, math.Abs(want[i]))) {
			require.Failf(t, msg, "value %d: want %v, got %v", i, want[i], got[i])
		}
	}
}

// Run runs all tests.
func (s Suite) Run(t *testing.T) {
	for _, loss := range s.Losses {
		t.Run("loss="+loss.String(), func(t *testing.T) { s.rounds(t, Data(loss, 600, 1), Data(loss, 200, 2), s.params(loss)) })
		t.Run("loss="+loss.String()+"/weights", func(t *testing.T) {
			train, valid := Data(loss, 600, 1), Data(loss, 200, 2)
			train.Weight, valid.Weight = weights(600), weights(200)
			s.rounds(t, train, valid, s.params(loss))
		})
	}
	if !s.NoForest {
		for _, loss := range []engine.Loss{engine.L2, engine.Logistic, engine.Softmax} {
			t.Run("forest="+loss.String(), func(t *testing.T) {
				p := s.params(loss)
				p.Method, p.LearningRate = engine.Forest, 0
				s.rounds(t, Data(loss, 600, 1), Data(loss, 200, 2), p)
			})
		}
	}
	for name, test := range map[string]func(*testing.T){
		"weights": s.weights, "missing": s.missing, "infinite": s.infinite,
		"validation": s.validation, "names": s.names, "same": s.same, "seeds": s.seeds,
		"stop": s.stop, "early stopping": s.earlyStopping, "cancelled": s.cancelled,
		"invalid": s.invalid, "concurrent": s.concurrent, "leaks": s.leaks, "constant": s.constant,
	} {
		t.Run(name, test)
	}
	for _, extra := range s.Extras {
		t.Run(fmt.Sprint("extra=", extra), func(t *testing.T) {
			train, valid := Data(engine.Logistic, 600, 1), Data(engine.Logistic, 200, 2)
			p := s.params(engine.Logistic)
			p.Extra = extra
			var last []float64
			m := s.fit(t, train, valid, p, func(it engine.Iteration) error {
				last = it.Predictions()
				return nil
			})
			s.near(t, Predict(t, m, valid), last, "predictions of the last round")
		})
	}
	if !s.NoMonotone {
		t.Run("monotone", s.monotone)
	}
	if !s.NoCategories {
		t.Run("categories", s.categories)
	}
}

func weights(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = float64(i%4) / 2 // some are 0
	}
	return w
}

// rounds looks at each round: its predictions are those of the model cut there, and
// its score is the loss of them.
func (s Suite) rounds(t *testing.T, train, valid engine.Dataset, p engine.Params) {
	var predictions [][]float64
	var scores []float64
	m := s.fit(t, train, valid, p, func(it engine.Iteration) error {
		assert.Equal(t, len(scores), it.Round)
		scores = append(scores, it.Score)
		predictions = append(predictions, it.Predictions())
		return nil
	})
	count := p.Trees
	if p.Method == engine.Forest && s.WholeForest {
		count = 1
	}
	require.Len(t, scores, count)
	require.Zero(t, len(m.Trees)%count)
	for i := range scores {
		part := *m
		part.Trees = m.Trees[:(i+1)*len(m.Trees)/count]
		s.near(t, Predict(t, &part, valid), predictions[i], fmt.Sprintf("predictions of round %d", i))
		assert.InEpsilon(t, Score(p, valid, predictions[i]), scores[i], 1e-9, "round %d", i)
	}
	if p.Method == engine.Boosting {
		assert.Less(t, scores[count-1], 0.97*scores[0])
	}
	constant := slices.Repeat([]float64{mean(train)}, len(predictions[0]))
	if p.Loss == engine.Softmax {
		constant = slices.Repeat([]float64{1.0 / 3}, len(predictions[0]))
	}
	assert.Less(t, scores[count-1], Score(p, valid, constant), "than a constant")
}

func mean(d engine.Dataset) float64 {
	sum, total := 0.0, 0.0
	for i, y := range d.Label {
		w := 1.0
		if d.Weight != nil {
			w = d.Weight[i]
		}
		sum, total = sum+w*y, total+w
	}
	return sum / total
}

// Score is the loss of predictions, in plain words.
func Score(p engine.Params, d engine.Dataset, predictions []float64) float64 {
	p = p.WithDefaults(len(d.Columns))
	sum, total := 0.0, 0.0
	for i, y := range d.Label {
		w := 1.0
		if d.Weight != nil {
			w = d.Weight[i]
		}
		at := predictions[min(i, len(predictions)-1)]
		d := math.Abs(y - at)
		l := 0.0
		switch p.Loss {
		case engine.L2:
			l = d * d
		case engine.L1:
			l = d
		case engine.Huber:
			l = d * d / 2
			if d > p.HuberDelta {
				l = p.HuberDelta*d - p.HuberDelta*p.HuberDelta/2
			}
		case engine.Quantile:
			l = p.Quantile * d
			if at > y {
				l = (1 - p.Quantile) * d
			}
		case engine.Poisson:
			l = at - y*math.Log(at)
		case engine.Tweedie:
			l = math.Pow(at, 2-p.TweediePower)/(2-p.TweediePower) - y*math.Pow(at, 1-p.TweediePower)/(1-p.TweediePower)
		case engine.Logistic:
			l = -y*math.Log(max(at, 1e-15)) - (1-y)*math.Log(max(1-at, 1e-15))
		case engine.Softmax:
			l = -math.Log(max(predictions[i*p.Classes+int(y)], 1e-15))
		}
		sum, total = sum+w*l, total+w
	}
	if p.Loss == engine.L2 {
		return math.Sqrt(sum / total)
	}
	return sum / total
}

// weights: a row of weight 0 is as good as absent, and weights count.
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

// missing: that a value is missing says all there is to know.
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

// infinite: the infinities are the smallest and the largest value there are.
func (s Suite) infinite(t *testing.T) {
	d := Data(engine.L2, 400, 1)
	for i := range d.Label {
		d.Columns[1][i] = float64(i % 7) // few values, or some would share an interval with an infinity
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

// categories: their order means nothing.
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

// validation: without validation rows, or labels of them, scores are of the training rows.
func (s Suite) validation(t *testing.T) {
	train, valid := Data(engine.L2, 400, 1), Data(engine.L2, 50, 2)
	valid.Label = nil
	p := s.params(engine.L2)
	for _, v := range []engine.Dataset{{}, valid} {
		count, score := 0, 0.0
		m := s.fit(t, train, v, p, func(it engine.Iteration) error {
			count, score = count+1, it.Score
			if v.Rows() == 0 {
				assert.Empty(t, it.Predictions())
			} else if it.Round == p.Trees-1 {
				got, again := it.Predictions(), it.Predictions()
				require.Len(t, got, 50)
				got[0]++
				assert.Equal(t, got[0], again[0]+1)
			}
			return nil
		})
		assert.Equal(t, p.Trees, count)
		assert.InEpsilon(t, Score(p, train, Predict(t, m, train)), score, max(1e-9, s.Tolerance))
	}
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

// same: one model, whenever and with however many threads.
func (s Suite) same(t *testing.T) {
	d := Data(engine.Logistic, 3000, 1)
	p := s.params(engine.Logistic)
	p.Bagging = 0.7
	if !s.NoFeatureFraction {
		p.FeatureFraction = 0.8
	}
	first := s.fit(t, d, engine.Dataset{}, p, nil)
	assert.Equal(t, first, s.fit(t, d, engine.Dataset{}, p, nil))
	p.Threads = 2
	assert.Equal(t, first, s.fit(t, d, engine.Dataset{}, p, nil), "two threads")
}

func (s Suite) seeds(t *testing.T) {
	d := Data(engine.L2, 500, 1)
	p := s.params(engine.L2)
	p.Bagging = 0.5
	models := map[string]bool{}
	for _, seed := range []uint64{0, 1, 1 << 40, math.MaxUint64} {
		p.Seed = seed
		models[fmt.Sprint(Predict(t, s.fit(t, d, engine.Dataset{}, p, nil), d))] = true
	}
	assert.Len(t, models, 4)
}

// stop: the callback ends the training.
func (s Suite) stop(t *testing.T) {
	train, valid := Data(engine.Softmax, 400, 1), Data(engine.Softmax, 100, 2)
	p := s.params(engine.Softmax)
	whole := s.fit(t, train, valid, p, nil)
	m := s.fit(t, train, valid, p, func(it engine.Iteration) error {
		if it.Round == 4 {
			return fmt.Errorf("enough: %w", engine.ErrStop)
		}
		return nil
	})
	assert.Equal(t, whole.Trees[:15], m.Trees)

	pruned := errors.New("pruned")
	calls := 0
	m, err := s.Engine.Fit(context.Background(), train, valid, p, func(engine.Iteration) error {
		calls++
		return pruned
	})
	require.ErrorIs(t, err, pruned)
	assert.Nil(t, m)
	assert.Equal(t, 1, calls)
}

// earlyStopping: what is kept are the rounds up to the best.
func (s Suite) earlyStopping(t *testing.T) {
	train, valid := Data(engine.L2, 100, 1), Data(engine.L2, 100, 2)
	p := s.params(engine.L2)
	p.Trees, p.LearningRate, p.EarlyStopping = 300, 0.5, 5
	var scores []float64
	m := s.fit(t, train, valid, p, func(it engine.Iteration) error {
		scores = append(scores, it.Score)
		return nil
	})
	best := slices.Index(scores, slices.Min(scores))
	assert.Len(t, scores, best+1+5)
	assert.Len(t, m.Trees, best+1)
	assert.Equal(t, m, s.fit(t, train, valid, p, nil), "unwatched")
}

func (s Suite) cancelled(t *testing.T) {
	train := Data(engine.L2, 200, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p := s.params(engine.L2)
	p.Trees = 100000
	calls := 0
	m, err := s.Engine.Fit(ctx, train, engine.Dataset{}, p, func(engine.Iteration) error {
		calls++
		if calls == 3 {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, m)
	assert.Less(t, calls, 10)
	_, err = s.Engine.Fit(ctx, train, engine.Dataset{}, p, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func (s Suite) invalid(t *testing.T) {
	train := Data(engine.L2, 100, 1)
	fit := func(d engine.Dataset, p engine.Params) error {
		_, err := s.Engine.Fit(context.Background(), d, engine.Dataset{}, p, nil)
		return err
	}
	p := s.params(engine.L2)
	require.ErrorIs(t, fit(engine.Dataset{}, p), engine.ErrData)
	p.LearningRate = -1
	require.ErrorIs(t, fit(train, p), engine.ErrParams)
	p = s.params(engine.L2)
	p.Extra = map[string]string{"num_leafs": "4"}
	require.ErrorIs(t, fit(train, p), engine.ErrParams)
}

// constant: labels that are all the same give a model that says so.
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

// concurrent: eight trainings at a time do not disturb one another.
func (s Suite) concurrent(t *testing.T) {
	train, valid := Data(engine.L2, 300, 1), Data(engine.L2, 100, 2)
	train.Weight = weights(300)
	want := make([]*tree.Model, 8)
	params := make([]engine.Params, 8)
	for i := range params {
		params[i] = s.params(engine.L2)
		params[i].Trees = 5 + i
		params[i].Threads = 1 + i%2
	}
	for i := range want {
		want[i] = s.fit(t, train, valid, params[i], nil)
	}
	var group sync.WaitGroup
	for i := range want {
		group.Go(func() {
			m, err := s.Engine.Fit(context.Background(), train, valid, params[i], func(it engine.Iteration) error {
				assert.Len(t, it.Predictions(), 100)
				return nil
			})
			assert.NoError(t, err)
			assert.Equal(t, want[i], m)
		})
	}
	group.Wait()
}

// leaks: many trainings need no more memory than some.
func (s Suite) leaks(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	train, valid := Data(engine.L2, 2000, 1), Data(engine.L2, 500, 2)
	p := s.params(engine.L2)
	p.Trees = 2
	fits := s.Fits
	if fits == 0 {
		fits = 200
	}
	refused := p
	refused.Extra = map[string]string{"num_leafs": "4"}
	run := func(n int) {
		for range n {
			s.fit(t, train, valid, p, func(engine.Iteration) error { return nil })
			_, err := s.Engine.Fit(context.Background(), train, valid, refused, nil)
			require.Error(t, err)
		}
		runtime.GC()
	}
	run(fits / 4)
	before := resident(t)
	run(fits)
	// The data alone has 98 kB; the collector's heap comes and goes by some MB.
	assert.Less(t, resident(t)-before, max(fits*98/2, 2000), "kB")
}

// resident returns the memory of this process, in kB.
func resident(t testing.TB) int {
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(t, err)
	return pages * os.Getpagesize() / 1024
}
