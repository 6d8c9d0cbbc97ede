package table_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/dense"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/native"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func diabetes() table.Table {
	return must(table.CSV{Target: "progression"}.ReadFile("testdata/diabetes.csv"))
}

func iris() table.Table {
	return must(table.CSV{Target: "species"}.ReadFile("testdata/iris.csv"))
}

func cancer() table.Table {
	return must(table.CSV{Target: "diagnosis"}.ReadFile("testdata/breast_cancer.csv"))
}

// rare is the cancer table with the given number of malignant rows, the anomalies.
func rare(malignant int) table.Table {
	all := cancer()
	var keep []int
	for row, y := range all.Target.Values {
		if y == 0 {
			keep = append(keep, row)
		} else if malignant > 0 {
			malignant--
			keep = append(keep, row)
		}
	}
	return all.Take(keep)
}

// shops has two numbers, a category that matters most, missing values, weights, and a price.
func shops(n int) table.Table {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("area,age,town,weight,price\n")
	for range n {
		area, age, town := r.Float64(), r.Float64(), r.IntN(6)
		name := []string{"Ayr", "Bonn", "Cork", "Dax", "Elx", "NA"}[town]
		price := 3*area - age + 2*float64(town%3) + 0.1*r.NormFloat64()
		fmt.Fprintf(&b, "%.3f,%.3f,%s,%d,%.4f\n", area, age, name, 1+r.IntN(2), price)
	}
	return must(table.CSV{Target: "price", Weight: "weight"}.Read(strings.NewReader(b.String())))
}

// answers are the answers to queries: two numbers and a category by which the grades 0 to 3 rise,
// and a number that only differs from query to query.
func answers(queries int) table.Table {
	r := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	b.WriteString("match,age,kind,common,query,grade\n")
	for q := range queries {
		common := r.Float64()
		for range 3 + r.IntN(8) {
			match, age, kind := r.Float64(), r.Float64(), r.IntN(3)
			grade := min(max(int(4*match-2*age+float64(kind)+r.NormFloat64()/2), 0), 3)
			fmt.Fprintf(&b, "%.3f,%.3f,%s,%.3f,q%d,%d\n", match, age, []string{"news", "blog", "shop"}[kind], common, q, grade)
		}
	}
	return must(table.CSV{Target: "grade", Group: "query"}.Read(strings.NewReader(b.String())))
}

// tasks are one task of each kind, all quick.
func tasks() map[string]*table.Task {
	return map[string]*table.Task{
		"regression":      {Table: diabetes(), Style: style.XGBoost, MaxRounds: 60, Splits: table.Splits{Folds: 3}},
		"two classes":     {Table: cancer(), Style: style.LightGBM, MaxRounds: 20, Splits: table.Splits{Folds: 3}},
		"three classes":   {Table: iris(), Style: style.CatBoost, Metric: table.F1, MaxRounds: 15, Splits: table.Splits{Folds: 3}},
		"forest":          {Table: iris(), Style: style.RandomForest, Fixed: space.Settings{{Name: "n_estimators", Value: space.Lit(15)}}, Splits: table.Splits{Folds: 3}},
		"anomalies":       {Table: rare(20), Style: style.IsolationForest, Metric: table.AP, Space: space.Of(space.Int("max_samples", 64, 256)), Fixed: space.Settings{{Name: "n_estimators", Value: space.Lit(25)}}, Splits: table.Splits{Folds: 3}},
		"linear":          {Table: shops(100), Style: dense.Linear, Splits: table.Splits{Folds: 3}},
		"logistic":        {Table: iris(), Style: dense.Linear, Splits: table.Splits{Folds: 3}},
		"network":         {Table: cancer(), Style: dense.MLP, MaxRounds: 12, Splits: table.Splits{Folds: 3}},
		"ranking":         {Table: answers(60), Style: style.LightGBM, Metric: table.NDCG(5), MaxRounds: 30, Splits: table.Splits{Folds: 3}},
		"ranking numbers": {Table: answers(60), Style: style.RandomForest, Metric: table.NDCG(10), Fixed: space.Settings{{Name: "n_estimators", Value: space.Lit(15)}}, Splits: table.Splits{Folds: 3}},
		"weights, texts":  {Table: shops(200), Style: style.LightGBM, Metric: table.MAE, MaxRounds: 30, Splits: table.Splits{Holdout: 0.3}},
	}
}

func open(t testing.TB, task *table.Task, p pruner.Pruner) *study.Study {
	st, err := study.Open(t.Context(), new(memory.Store), "s", task.Config(random.Sampler{}, p))
	require.NoError(t, err)
	t.Cleanup(func() { st.Close() })
	return st
}

func bytesOf(t *testing.T, m table.Model) string {
	var b bytes.Buffer
	require.NoError(t, m.Write(&b))
	return b.String()
}

// A trial's scores and its model do not depend on the threads and workers. The kept model,
// the refitted one and the one read back are byte-equal.
func TestTask(t *testing.T) {
	for name, task := range tasks() {
		t.Run(name, func(t *testing.T) {
			task.Folder = filepath.Join(t.TempDir(), "models")
			st := open(t, task, nil)
			require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 4}))
			best, err := st.Best(t.Context())
			require.NoError(t, err)
			kept, err := os.ReadFile(model.Path(task.Folder, "s"))
			require.NoError(t, err)
			m, err := task.Best(t.Context(), st)
			require.NoError(t, err)
			assert.Equal(t, string(kept), bytesOf(t, m))
			again, err := task.Refit(t.Context(), st, best)
			require.NoError(t, err)
			assert.Equal(t, string(kept), bytesOf(t, again))
			assert.Equal(t, best.Number, m.Trial)
			assert.Equal(t, best.Values[0], m.Value)
			assert.Equal(t, task.Kind(), m.Kind)
			settings, ok := table.Settings(best)
			assert.True(t, ok)
			assert.Equal(t, m.Settings, settings)

			metric, err := table.ParseMetric(m.Metric)
			require.NoError(t, err)
			assert.Equal(t, best.Values[0], attr(t, best, "valid_"+m.Metric))
			p, err := m.Predict(task.Table.Features())
			require.NoError(t, err)
			assert.Equal(t, metric.ScoreGroups(task.Table.Target.Values, p.Scored(), task.Table.Weight, task.Table.Group), attr(t, best, "train_"+m.Metric))
			if name == "linear" || name == "logistic" {
				assert.Empty(t, best.Reports)
				_, ok := best.Attrs.Get(table.RoundsKey)
				assert.False(t, ok)
				return
			}
			assert.Positive(t, attr(t, best, table.RoundsKey))
			last := best.Reports[len(best.Reports)-1]
			if name == "forest" || name == "anomalies" || name == "ranking numbers" {
				assert.Equal(t, best.Values[0], last.Value, "of forests the last round counts")
				assert.Equal(t, float64(last.Step+1), attr(t, best, table.RoundsKey))
			} else {
				for _, r := range best.Reports {
					assert.False(t, metric.Better(r.Value, best.Values[0]), "of boosting the best round counts")
				}
			}

			other := tasks()[name]
			other.Threads = 2
			two := open(t, other, nil)
			require.NoError(t, other.Optimize(t.Context(), two, study.Run{Trials: 4, Workers: 2}))
			a, b := records(t, st), records(t, two)
			for i := range 4 {
				assert.Equal(t, a[i].Values, b[i].Values)
				assert.Equal(t, values(a[i].Reports), values(b[i].Reports))
			}
			same, err := other.Best(t.Context(), two)
			require.NoError(t, err)
			assert.Equal(t, string(kept), bytesOf(t, same))
		})
	}
}

func values(reports []trial.Report) []float64 {
	var out []float64
	for _, r := range reports {
		out = append(out, r.Value)
	}
	return out
}

func attr(t *testing.T, r trial.Record, key string) (v float64) {
	a, ok := r.Attrs.Get(key)
	require.True(t, ok, key)
	require.NoError(t, a.Decode(&v))
	return v
}

// records returns the trials in the order of their numbers.
func records(t *testing.T, st *study.Study) []trial.Record {
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	return slices.SortedFunc(slices.Values(h.Records()), func(a, b trial.Record) int { return a.Number - b.Number })
}

// A spy is an engine that records what it gets.
type spy struct {
	mu  sync.Mutex
	fit []seen
}

type seen struct{ train, valid engine.Dataset }

func (s *spy) Fit(ctx context.Context, train, valid engine.Dataset, p engine.Params, onIteration func(engine.Iteration) error) (*tree.Model, error) {
	s.mu.Lock()
	s.fit = append(s.fit, seen{train, valid})
	s.mu.Unlock()
	return native.Fit(ctx, train, valid, p, onIteration)
}

// In no fold does a row both train and judge. No engine sees a label that judges it, or any
// label of an anomaly.
func TestNoLeakage(t *testing.T) {
	numbers := numbered(60, nil, func(i int) int { return i / 4 })
	numbers.Target = table.Column{Name: "y", Values: make([]float64, 60)}
	for i := range 60 {
		numbers.Target.Values[i] = float64(i%7) * 3
	}
	ordered := numbers
	ordered.Group = nil
	binary := ordered
	binary.Target.Values = make([]float64, 60)
	for i := range 60 {
		binary.Target.Values[i] = float64(i / 50)
	}
	for name, task := range map[string]*table.Task{
		"groups":    {Table: numbers, Style: style.LightGBM, Fixed: space.Settings{{Name: "min_data_in_leaf", Value: space.Lit(2)}}, MaxRounds: 5},
		"ordered":   {Table: ordered, Style: style.XGBoost, Splits: table.Splits{Ordered: true}, MaxRounds: 5},
		"anomalies": {Table: binary, Style: style.IsolationForest, Space: space.Of(space.Int("n_estimators", 5, 9))},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(spy)
			task.Engine = s
			st := open(t, task, nil)
			require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 1}))
			require.Len(t, s.fit, 6, "five folds, and the model of all rows")
			for _, f := range s.fit {
				assert.Nil(t, f.valid.Label)
				assert.Equal(t, name == "anomalies", f.train.Label == nil)
				for _, row := range f.train.Columns[0] { // x is the number of the row
					if len(f.valid.Columns) == 0 {
						continue
					}
					assert.NotContains(t, f.valid.Columns[0], row)
					for _, v := range f.valid.Columns[0] {
						if name == "groups" {
							assert.NotEqual(t, int(row)/4, int(v)/4)
						}
						if name == "ordered" {
							assert.Less(t, row, v)
						}
					}
				}
			}
			assert.Empty(t, s.fit[5].valid.Columns)
			assert.Len(t, s.fit[5].train.Columns[0], 60)
		})
	}
}

// Noise gets a noise score: no label of a fold leaks into its predictions.
func TestNoiseIsNotLearnt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	data := numbered(400, func(int) int { return r.IntN(2) }, nil)
	for i := range data.Columns[0].Values {
		data.Columns[0].Values[i] = r.Float64()
	}
	task := &table.Task{Table: data, Style: style.LightGBM, Metric: table.AUC, MaxRounds: 40, Patience: -1}
	st := open(t, task, nil)
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 2}))
	for _, r := range records(t, st) {
		assert.Len(t, r.Reports, 40)
		assert.InDelta(t, 0.5, r.Values[0], 0.1)
		assert.Greater(t, attr(t, r, "train_auc"), r.Values[0], "on rows that were learnt from it seems so")
	}
}

// The way that would check and keep nothing, st.Optimize(ctx, task, run), does not compile.
func TestOneDoor(t *testing.T) {
	_, ok := any(new(table.Task)).(study.Objective)
	assert.False(t, ok)
}

// The scores of a study must be comparable, so another task is refused.
func TestOtherTasks(t *testing.T) {
	first := func() *table.Task { return &table.Task{Table: iris(), Style: style.LightGBM, MaxRounds: 2} }
	st := open(t, first(), nil)
	require.NoError(t, first().Optimize(t.Context(), st, study.Run{Trials: 1}))
	again := first()
	again.MaxRounds, again.Splits.Folds = 3, 5 // the default
	require.NoError(t, again.Optimize(t.Context(), st, study.Run{Trials: 1}))
	for name, change := range map[string]func(*table.Task){
		"a value": func(k *table.Task) { k.Table.Columns[0].Values[7]++ },
		"a name":  func(k *table.Task) { k.Table.Columns[0].Name = "x" },
		"a class": func(k *table.Task) { k.Table.Target.Categories[0] = "x" },
		"weights": func(k *table.Task) { k.Table.Weight = slices.Repeat([]float64{1}, k.Table.Rows()) },
		"folds":   func(k *table.Task) { k.Splits.Folds = 3 },
		"seed":    func(k *table.Task) { k.Splits.Seed = 1 },
		"metric":  func(k *table.Task) { k.Metric = table.Accuracy },
		"fixed":   func(k *table.Task) { k.Fixed = space.Settings{{Name: "max_bin", Value: "31"}} },
		"style":   func(k *table.Task) { k.Style = style.XGBoost },
	} {
		task := first()
		change(task)
		err := task.Optimize(t.Context(), st, study.Run{Trials: 1})
		require.ErrorIs(t, err, table.ErrStudy, name)
		assert.ErrorContains(t, err, "give study.Create another name", name)
	}
}

// A row of weight 2 counts like two rows, and a row of weight 0 like none, in scores and models.
func TestWeights(t *testing.T) {
	data := diabetes()
	data.Weight = slices.Repeat([]float64{1}, data.Rows())
	var once []int
	for row := range data.Rows() {
		if row%5 == 0 {
			data.Weight[row] = 0
			data.Target.Values[row] = 1e6
		} else {
			once = append(once, row)
		}
	}
	task := &table.Task{Table: data, Style: style.XGBoost, MaxRounds: 20}
	st := open(t, task, nil)
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 2}))
	for _, r := range records(t, st) {
		assert.Less(t, attr(t, r, "valid_rmse"), 100.0)
		assert.Less(t, attr(t, r, "train_rmse"), 100.0)
	}
	a, err := task.Fit(t.Context(), nil, 1)
	require.NoError(t, err)
	some := data.Take(once)
	b, err := (&table.Task{Table: some, Style: style.XGBoost}).Fit(t.Context(), nil, 1)
	require.NoError(t, err)
	pa, err := a.Predict(data.Features())
	require.NoError(t, err)
	pb, err := b.Predict(data.Features())
	require.NoError(t, err)
	assert.InDeltaSlice(t, pb.Values, pa.Values, 1e-6)
}

func TestCategories(t *testing.T) {
	task := &table.Task{Table: shops(300), Style: style.LightGBM}
	m, err := task.Fit(t.Context(), space.Settings{{Name: "min_data_in_leaf", Value: space.Lit(3)}}, 1)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "m.json")
	require.NoError(t, m.WriteFile(path))
	read, err := table.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, bytesOf(t, m), bytesOf(t, read))
	assert.Equal(t, []string{"Ayr", "Bonn", "Cork", "Dax", "Elx"}, read.Features[2].Categories)
	assert.Equal(t, "town", m.Importance()[0].Name)
	assert.Greater(t, m.Importance()[0].Gain, m.Importance()[1].Gain)

	texts, err := read.PredictTexts([][]string{{"0.5", "0.5", "Ayr"}, {".5", "5e-1", " Cork "}, {"0.5", "0.5", "Oslo"}, {"0.5", "0.5", "NA"}, {"0.5", "?", ""}})
	require.NoError(t, err)
	numbers, err := m.Predict([][]float64{{0.5, 0.5, 0}, {0.5, 0.5, 2}, {0.5, 0.5, math.NaN()}, {0.5, 0.5, math.NaN()}, {0.5, math.NaN(), math.NaN()}})
	require.NoError(t, err)
	assert.Equal(t, numbers, texts, "an unknown category is a missing one")
	assert.InDelta(t, 1, texts.Values[0], 0.5)
	assert.InDelta(t, 5, texts.Values[1], 0.5)
	file, err := read.PredictCSV(strings.NewReader("town,price,age,area\nAyr,,0.5,0.5\nCork,,0.5,0.5\nOslo,,0.5,0.5\n"))
	require.NoError(t, err)
	assert.Equal(t, texts.Values[:3], file.Values, "columns are found by name")

	for text, says := range map[string]string{
		"town,age\nAyr,1\n":              `table: csv: line 1: column "area": column not found: there are "town", "age"`,
		"town,age,age,area\nAyr,1,1,1\n": `line 1: column "age": column occurs twice`,
		"town,age,area\nAyr,1,big\n":     `line 2: column "area": "big": not a finite number`,
		"":                               `there are no rows`,
	} {
		_, err := m.PredictCSV(strings.NewReader(text))
		assert.ErrorContains(t, err, says)
	}
	_, err = m.PredictTexts([][]string{{"1", "1", "Ayr"}, {"x", "1", "Ayr"}})
	assert.EqualError(t, err, `table: predict: row 1: column "area": "x": not a finite number`)
	_, err = m.PredictTexts([][]string{{"1"}})
	assert.EqualError(t, err, `table: predict: row 0: not a table: 1 values, want 3: "area", "age", "town"`)
	_, err = m.Predict([][]float64{{1}})
	assert.ErrorIs(t, err, table.ErrTable)
	none, err := m.Predict(nil)
	require.NoError(t, err)
	assert.Empty(t, none.Values)
	_, err = m.PredictFile(filepath.Join(t.TempDir(), "none.csv"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = table.Model{}.Predict([][]float64{{1}})
	assert.ErrorIs(t, err, table.ErrModel)
}

func TestPredictClasses(t *testing.T) {
	for name, data := range map[string]table.Table{"two": cancer(), "three": iris()} {
		for _, s := range []style.Style{style.XGBoost, style.RandomForest} {
			m, err := (&table.Task{Table: data, Style: s}).Fit(t.Context(), nil, 1)
			require.NoError(t, err)
			p, err := m.Predict(data.Features())
			require.NoError(t, err)
			right := 0
			for i, row := range p.Probabilities {
				require.Len(t, row, len(data.Target.Categories))
				sum := 0.0
				for _, v := range row {
					sum += v
				}
				assert.InDelta(t, 1, sum, 1e-12)
				assert.Equal(t, m.Classes[int(p.Values[i])], p.Classes[i])
				if p.Values[i] == data.Target.Values[i] {
					right++
				}
			}
			assert.Greater(t, right, data.Rows()*98/100, "%s %s", name, s.Name())
			assert.InDelta(t, float64(right)/float64(data.Rows()), table.Accuracy.Score(data.Target.Values, p.Scored(), nil), 1e-12)
		}
	}
}

// An isolation forest needs no target.
func TestAnomaliesWithoutTarget(t *testing.T) {
	data := rare(20)
	truth := data.Target
	data.Target = table.Column{}
	task := &table.Task{Table: data, Style: style.IsolationForest}
	m, err := task.Fit(t.Context(), nil, 1)
	require.NoError(t, err)
	p, err := m.Predict(data.Features())
	require.NoError(t, err)
	assert.Greater(t, table.AUC.Score(truth.Values, p.Scored(), nil), 0.9)
	assert.ErrorContains(t, task.Validate(), "there is no target to score predictions by: name the column")
}

// A quantile metric trains for the quantile.
func TestPinball(t *testing.T) {
	task := &table.Task{Table: diabetes(), Style: style.XGBoost, Metric: table.Pinball(0.9), MaxRounds: 40}
	st := open(t, task, nil)
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 1}))
	m, err := task.Best(t.Context(), st)
	require.NoError(t, err)
	p, err := m.Predict(task.Table.Features())
	require.NoError(t, err)
	above := 0.0
	for i, y := range task.Table.Target.Values {
		if y > p.Values[i] {
			above++
		}
	}
	assert.InDelta(t, 0.1, above/float64(len(p.Values)), 0.06)
}

// The median pruner stops trials in the middle of training, in an SQLite study that is
// resumed. The best model is available, even after its file was damaged.
func TestPruning(t *testing.T) {
	dir := t.TempDir()
	store := sqlite.File(filepath.Join(dir, "a.db"))
	var pruned, steps int
	for part := range 2 {
		task := &table.Task{Table: diabetes(), Style: style.XGBoost, MaxRounds: 100, Folder: dir, Splits: table.Splits{Folds: 3}}
		st, err := study.Open(t.Context(), store, "a/b", task.Config(random.Sampler{}, pruner.Median{Startup: 3, Warmup: 5}))
		require.NoError(t, err)
		require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 10}))
		best, err := st.Best(t.Context())
		require.NoError(t, err)
		m, err := table.ReadFile(model.Path(task.Folder, "a/b"))
		require.NoError(t, err)
		assert.Equal(t, best.Number, m.Trial)
		if part == 1 {
			kept := bytesOf(t, m)
			for _, damage := range []string{"", kept[:len(kept)/2], "{}\n", strings.Replace(kept, "xgboost", "xgbOost", 1)} {
				require.NoError(t, os.WriteFile(model.Path(task.Folder, "a/b"), []byte(damage), 0o644))
				_, err := table.ReadFile(model.Path(task.Folder, "a/b"))
				require.ErrorIs(t, err, table.ErrModel)
				again, err := task.Best(t.Context(), st)
				require.NoError(t, err)
				assert.Equal(t, kept, bytesOf(t, again))
				_, err = table.ReadFile(model.Path(task.Folder, "a/b"))
				require.NoError(t, err)
			}
		}
		pruned, steps = 0, 0
		for _, r := range records(t, st) {
			assert.NotEqual(t, trial.Failed, r.State)
			if r.State == trial.Pruned {
				pruned++
				steps += len(r.Reports)
			}
		}
		require.NoError(t, st.Close())
	}
	assert.Greater(t, pruned, 4)
	assert.Less(t, steps/pruned, 60)
}

// A fake is an engine with the behaviour of a function.
type fake func(ctx context.Context, train, valid engine.Dataset, p engine.Params, onIteration func(engine.Iteration) error) (*tree.Model, error)

func (f fake) Fit(ctx context.Context, train, valid engine.Dataset, p engine.Params, onIteration func(engine.Iteration) error) (*tree.Model, error) {
	return f(ctx, train, valid, p, onIteration)
}

func TestEngines(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		engine fake
		says   string // "" if trials are complete
	}{
		"without rounds": {func(ctx context.Context, train, valid engine.Dataset, p engine.Params, _ func(engine.Iteration) error) (*tree.Model, error) {
			return native.Fit(ctx, train, valid, p, nil)
		}, ""},
		"a fold ends early": {func(ctx context.Context, train, valid engine.Dataset, p engine.Params, on func(engine.Iteration) error) (*tree.Model, error) {
			if train.Rows() == 353 { // in two of the five folds
				p.Trees = min(p.Trees, 3)
			}
			return native.Fit(ctx, train, valid, p, on)
		}, ""},
		"broken at once": {func(context.Context, engine.Dataset, engine.Dataset, engine.Params, func(engine.Iteration) error) (*tree.Model, error) {
			return nil, broken
		}, "fold 0: broken"},
		"broken in a fold": {func(ctx context.Context, train, valid engine.Dataset, p engine.Params, on func(engine.Iteration) error) (*tree.Model, error) {
			return native.Fit(ctx, train, valid, p, func(it engine.Iteration) error {
				if train.Rows() == 353 && it.Round == 2 {
					return broken
				}
				return on(it)
			})
		}, "broken"},
		"panics": {func(context.Context, engine.Dataset, engine.Dataset, engine.Params, func(engine.Iteration) error) (*tree.Model, error) {
			panic("lost")
		}, "lost"},
		"says nothing": {func(ctx context.Context, train, valid engine.Dataset, p engine.Params, on func(engine.Iteration) error) (*tree.Model, error) {
			return native.Fit(ctx, train, valid, p, func(it engine.Iteration) error {
				it.Predictions = func() []float64 { return slices.Repeat([]float64{math.NaN()}, valid.Rows()) }
				return on(it)
			})
		}, "no score: rmse is NaN: use another metric"},
	} {
		t.Run(name, func(t *testing.T) {
			task := &table.Task{Table: diabetes(), Style: style.XGBoost, Engine: c.engine, MaxRounds: 10, Threads: 3}
			st := open(t, task, nil)
			require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 2}))
			for _, r := range records(t, st) {
				if c.says == "" {
					assert.Equal(t, trial.Complete, r.State)
					assert.InDelta(t, 60, r.Values[0], 25)
				} else {
					assert.Equal(t, trial.Failed, r.State)
					assert.Contains(t, r.Err, c.says)
				}
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	task := &table.Task{Table: diabetes(), Style: style.XGBoost, Patience: -1, Folder: t.TempDir()}
	cfg := task.Config(random.Sampler{}, nil)
	cfg.Observer = study.On(func(_ context.Context, e study.Reported) {
		if e.Report.Step == 7 {
			cancel(why)
		}
	})
	st, err := study.Open(t.Context(), new(memory.Store), "s", cfg)
	require.NoError(t, err)
	defer st.Close()
	err = task.Optimize(ctx, st, study.Run{Workers: 2})
	assert.ErrorIs(t, err, why)
	_, err = task.Fit(ctx, nil, 1)
	assert.Error(t, err)
}

func TestTaskErrors(t *testing.T) {
	lit := func(name string, v float64) space.Settings { return space.Settings{{Name: name, Value: space.Lit(v)}} }
	three := iris()
	for name, c := range map[string]struct {
		task *table.Task
		is   error
		says string
	}{
		"no style":              {&table.Task{Table: diabetes()}, table.ErrConfig, "a task needs a style"},
		"no table":              {&table.Task{Style: style.LightGBM}, table.ErrEmpty, "there are no rows"},
		"classes by rmse":       {&table.Task{Table: iris(), Style: style.LightGBM, Metric: table.RMSE}, table.ErrConfig, "metric rmse does not go with classification"},
		"numbers by logloss":    {&table.Task{Table: diabetes(), Style: style.LightGBM, Metric: table.LogLoss}, table.ErrConfig, `metric logloss is for classes, but target "progression" has numbers: set table.CSV.Classes`},
		"anomalies by accuracy": {&table.Task{Table: rare(9), Style: style.IsolationForest, Metric: table.Accuracy}, table.ErrConfig, "metric accuracy does not go with anomalies"},
		"anomalies of numbers":  {&table.Task{Table: diabetes(), Style: style.IsolationForest}, table.ErrConfig, "must be 1 for anomalies and 0 for the rest"},
		"anomalies of classes":  {&table.Task{Table: three, Style: style.IsolationForest}, table.ErrConfig, "has 3 classes, want 2, the second being anomalies"},
		"an unknown setting":    {&table.Task{Table: diabetes(), Style: style.XGBoost, Fixed: lit("depth", 3)}, style.ErrSetting, "xgboost: there is no depth: there are alpha"},
		"fixed and searched":    {&table.Task{Table: diabetes(), Style: style.XGBoost, Fixed: lit("eta", 0.1), Space: space.Of(space.Float("eta", 0.1, 1))}, table.ErrConfig, "eta is fixed and searched: remove it from one of the two"},
		"bounds":                {&table.Task{Table: diabetes(), Style: style.XGBoost, Space: space.Of(space.Float("subsample", 0.5, 2))}, style.ErrSetting, "table: xgboost: subsample is 2.0, want a share"},
		"another objective":     {&table.Task{Table: iris(), Style: style.LightGBM, Fixed: space.Settings{{Name: "objective", Value: space.Lit("regression")}}}, table.ErrConfig, "objective regression with a target of 3 classes: leave it out"},
		"too few rows":          {&table.Task{Table: iris(), Style: style.LightGBM, Splits: table.Splits{Folds: 200}}, table.ErrShort, "150 rows for 200 folds"},
		"labels of the loss": {&table.Task{Table: numbered(30, nil, nil), Style: style.XGBoost, Fixed: space.Settings{{Name: "objective", Value: space.Lit("binary:logistic")}}},
			engine.ErrData, "it must be 0 or 1"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.task.Validate()
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, c.says)
			assert.True(t, strings.HasPrefix(err.Error(), "table: "), err)
		})
	}
	_, err := (&table.Task{}).Fit(t.Context(), nil, 0)
	assert.ErrorIs(t, err, table.ErrConfig)
	no := diabetes()
	no.Target = table.Column{}
	_, err = (&table.Task{Table: no, Style: style.LightGBM}).Fit(t.Context(), nil, 0)
	assert.ErrorContains(t, err, "no target to learn")
	_, err = (&table.Task{Table: diabetes(), Style: style.LightGBM}).Fit(t.Context(), lit("eta", 1), 0)
	assert.ErrorIs(t, err, style.ErrSetting)
}

// Trees learn the order within the groups, wherever the rows of a group stand, and no group is
// split.
func TestRanking(t *testing.T) {
	all := answers(60)
	shuffled := make([]int, all.Rows())
	for i := range shuffled {
		shuffled[i] = i * 97 % len(shuffled)
	}
	all = all.Take(shuffled)
	for _, s := range []style.Style{style.LightGBM, style.XGBoost, style.CatBoost} {
		task := &table.Task{Table: all, Style: s, Metric: table.NDCG(3)}
		assert.Equal(t, table.Ranking, task.Kind())
		m, err := task.Fit(t.Context(), nil, 1)
		require.NoError(t, err)
		p, err := m.Predict(all.Features())
		require.NoError(t, err)
		random := table.NDCG(3).ScoreGroups(all.Target.Values, make([]float64, all.Rows()), nil, all.Group)
		assert.Less(t, random, 0.6)
		assert.Greater(t, table.NDCG(3).ScoreGroups(all.Target.Values, p.Values, nil, all.Group), 0.9, s.Name())
		g, err := m.Pipeline()
		require.NoError(t, err)
		assert.Equal(t, "score", g.Outputs[0].Name)
	}
	invalid := func(change func(*table.Task)) error {
		task := &table.Task{Table: answers(20), Style: style.LightGBM, Metric: table.NDCG(5)}
		change(task)
		return task.Validate()
	}
	assert.NoError(t, invalid(func(*table.Task) {}))
	assert.ErrorContains(t, invalid(func(task *table.Task) { task.Table.Group = nil }), "there are no groups: name the column that says which rows are ranked together with table.CSV.Group")
	assert.ErrorContains(t, invalid(func(task *table.Task) { task.Table.Target.Values[4] = 2.5 }), `target "grade", row 4: 2.5 is not a grade, a whole number from 0 to 30`)
	assert.ErrorContains(t, invalid(func(task *table.Task) { task.Style = style.IsolationForest }), "of an isolation forest must be 1 for anomalies")
	cancer := cancer()
	assert.ErrorContains(t, invalid(func(task *table.Task) { task.Table = cancer }), "metric ndcg@5 does not go with classification")
}
