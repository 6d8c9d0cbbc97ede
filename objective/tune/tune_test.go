package tune_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// airPassengers returns the series without its last year, and the whole series.
func airPassengers(t testing.TB) (train, all forecast.Frame) {
	t.Helper()
	all, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	train, _, err = all.Cut(12)
	require.NoError(t, err)
	return train, all
}

func newTask(t testing.TB, s style.Style) *tune.Task {
	train, _ := airPassengers(t)
	back, err := forecast.NewBacktest(train, forecast.Splits{Horizon: 12, Windows: 2})
	require.NoError(t, err)
	return &tune.Task{Backtest: back, Family: treeforecast.Family{Style: s, Cache: forecast.NewCache(20)}, MaxRounds: 20}
}

func open(t testing.TB, task *tune.Task, name string, p pruner.Pruner) *study.Study {
	t.Helper()
	cfg := task.Config(tpe.New(tpe.Config{}), p)
	cfg.Observer = study.On(func(_ context.Context, e study.Warned) { t.Error(e.Err) })
	st, err := study.Open(context.Background(), new(memory.Store), name, cfg)
	require.NoError(t, err)
	return st
}

// A deadline ends a trial after its round, and the model has the rounds that were trained.
func TestDeadline(t *testing.T) {
	for _, late := range []bool{false, true} {
		task := newTask(t, style.LightGBM)
		task.Fixed = space.Settings{{Name: "learning_rate", Value: space.Lit(0.01)}} // the first round is not the best
		if task.Deadline = time.Now().Add(time.Hour); late {
			task.Deadline = time.Now().Add(-time.Hour)
		}
		st := open(t, task, "s", nil)
		require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 1}))
		best, err := st.Best(t.Context())
		require.NoError(t, err)
		rounds, ok := best.Attrs.Get(tune.RoundsKey)
		require.True(t, ok)
		assert.Equal(t, late, rounds.JSON == "1", rounds.JSON)
	}
}

// A forest that a deadline cuts short has as many trees in the model as in the folds.
func TestDeadlineOfForest(t *testing.T) {
	task := newTask(t, style.RandomForest)
	task.Fixed = space.Settings{{Name: "n_estimators", Value: space.Lit(50)}}
	task.Deadline = time.Now().Add(-time.Hour)
	st := open(t, task, "s", nil)
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 1}))
	best, err := st.Best(t.Context())
	require.NoError(t, err)
	m, err := task.Refit(t.Context(), st, best)
	require.NoError(t, err)
	trees := m.Forecaster.(*forecast.Tabular).Models()[0].(*treeforecast.Regressor).Model().Trees
	assert.Len(t, trees, 1)
	n, _ := m.Settings.Get("n_estimators")
	assert.Equal(t, space.Lit(1), n)
}

// The kept forecasts of a trial are those that another training makes.
func TestForecasts(t *testing.T) {
	of := func(s style.Style) tune.Family { return newTask(t, s).Family }
	for _, family := range []tune.Family{of(style.LightGBM), of(style.XGBoost), of(style.CatBoost), of(style.RandomForest), neural.NLinear{}, statistical.Theta{}} {
		t.Run(family.Name(), func(t *testing.T) {
			task := newTask(t, style.LightGBM)
			task.Family, task.Forecasts = family, tune.NewForecasts(2)
			st := open(t, task, "s", nil)
			require.NoError(t, task.Optimize(t.Context(), st, study.Run{Total: 3}))
			h, err := st.Snapshot(t.Context())
			require.NoError(t, err)
			again := *task
			again.Forecasts = nil
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			kept := 0
			for r := range h.All() {
				got, err := task.OutOfFold(ended, st, r)
				if err != nil {
					require.ErrorIs(t, err, context.Canceled, "it is not kept, and must be trained")
					continue
				}
				kept++
				want, err := again.OutOfFold(t.Context(), st, r)
				require.NoError(t, err)
				assert.Equal(t, r.Values[0], got.Scores[0])
				require.Len(t, got.Folds, len(want.Folds))
				for i, f := range want.Folds {
					assert.Equal(t, f.Forecast, got.Folds[i].Forecast)
				}
			}
			assert.Equal(t, min(2, h.Count(trial.Complete)), kept)
		})
	}
}

// A trial keeps its forecasts in the folds only if it is the best so far.
func TestBacktestRecords(t *testing.T) {
	task := newTask(t, style.LightGBM)
	task.Data = &forecast.CSV{Target: "passengers"}
	st := open(t, task, "s", nil)
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 3}))
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 3}), "a run that resumes")
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	var best float64
	for r := range h.All() {
		b, ok := backtest.Of(r)
		leads := r.Number == 0 || r.Values[0] < best
		assert.Equal(t, leads, ok, r.Number)
		if !leads {
			continue
		}
		best = r.Values[0]
		want, err := task.OutOfFold(t.Context(), st, r)
		require.NoError(t, err)
		assert.Equal(t, "passengers", b.Label)
		assert.Equal(t, 2, b.Windows)
		for i, w := range b.Series[0].Windows {
			assert.InEpsilonSlice(t, want.Folds[i].Forecast[0].Y, []float64(w.Forecast), 1e-5)
		}
	}
	attrs, err := st.Attrs(t.Context())
	require.NoError(t, err)
	assert.True(t, backtest.Expected(trial.Header{Attrs: attrs}))
	f, err := plot.Backtest(h)
	require.NoError(t, err)
	assert.Equal(t, "passengers", f.Panels[0].Y.Label)
}

// On the same data a refit makes the trial's model; on newer data, or with other rounds, another.
func TestRefitOn(t *testing.T) {
	task := newTask(t, style.LightGBM)
	st := open(t, task, "s", nil)
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 2}))
	best, err := st.Best(t.Context())
	require.NoError(t, err)
	want, err := task.Refit(t.Context(), st, best)
	require.NoError(t, err)
	same, err := task.RefitOn(t.Context(), st, best, task.Backtest, 0)
	require.NoError(t, err)
	var a, b bytes.Buffer
	require.NoError(t, want.Write(&a))
	require.NoError(t, same.Write(&b))
	assert.Equal(t, a.String(), b.String())

	_, all := airPassengers(t)
	newer, err := forecast.NewBacktest(all, forecast.Splits{Horizon: 12})
	require.NoError(t, err)
	m, err := task.RefitOn(t.Context(), st, best, newer, 3)
	require.NoError(t, err)
	rounds, _ := m.Settings.Get("num_iterations")
	assert.Equal(t, space.Lit(3), rounds)
	next, err := m.Forecaster.Predict(t.Context(), all, 12)
	require.NoError(t, err)
	assert.Equal(t, 1961, next[0].Start.Year())
	assert.Equal(t, all.End(), m.Until)
	file := filepath.Join(t.TempDir(), "m.json")
	require.NoError(t, m.WriteFile(file))
	read, err := tune.ReadFile(file, task.Family)
	require.NoError(t, err)
	assert.True(t, read.Until.Equal(all.End()))
	assert.NotEqual(t, newer.Frame().Fingerprint(), task.Backtest.Frame().Fingerprint(), "the task keeps its data")
}

// The kept model is that of the best trial. It equals a refit bit for bit, with any number of threads.
func TestBest(t *testing.T) {
	ctx := context.Background()
	for _, s := range []style.Style{style.LightGBM, style.XGBoost, style.CatBoost, style.RandomForest} {
		t.Run(s.Name(), func(t *testing.T) {
			task := newTask(t, s)
			task.Folder = filepath.Join(t.TempDir(), "models")
			task.Data = &forecast.CSV{Time: "month", Target: "passengers", Fill: forecast.Carry}
			task.Fixed = space.Settings{{Name: "transform", Value: `"log,diff 12"`}}
			st := open(t, task, "of /"+s.Name(), pruner.None{})
			require.NoError(t, task.Optimize(ctx, st, study.Run{Trials: 4}))
			best, err := st.Best(ctx)
			require.NoError(t, err)

			kept, err := tune.ReadFile(model.Path(task.Folder, st.Name()), task.Family)
			require.NoError(t, err)
			assert.Equal(t, best.Number, kept.Trial)
			assert.Equal(t, best.Values[0], kept.Value)
			assert.Equal(t, "of /"+s.Name(), kept.Study)
			assert.Equal(t, "mape", kept.Metric)
			assert.Equal(t, task.Data, kept.Data)
			file, err := os.ReadFile(model.Path(task.Folder, st.Name()))
			require.NoError(t, err)
			for _, threads := range []int{1, 3} {
				task.Threads = threads
				again, err := task.Refit(ctx, st, best)
				require.NoError(t, err)
				var b bytes.Buffer
				require.NoError(t, again.Write(&b))
				assert.Equal(t, string(file), b.String())
			}

			for _, key := range []string{"valid_mape", "valid_rmse", "valid_mae", "train_mape", "train_rmse", "train_mae", tune.SecondsKey, tune.RoundsKey, tune.SettingsKey} {
				_, ok := best.Attrs.Get(key)
				assert.True(t, ok, key)
			}
			settings, ok := tune.Settings(best)
			assert.True(t, ok)
			assert.Equal(t, kept.Settings, settings)
			var valid, train float64
			a, _ := best.Attrs.Get("valid_mape")
			require.NoError(t, a.Decode(&valid))
			assert.Equal(t, best.Values[0], valid)
			a, _ = best.Attrs.Get("train_mape")
			require.NoError(t, a.Decode(&train))
			assert.Less(t, train, valid)

			if s.Name() != style.LightGBM.Name() {
				return // damage is mended without regard to the style
			}
			// If the model is damaged, missing or of another trial, it is fitted again and is the same.
			for name, spoil := range map[string]func() error{
				"damaged": func() error { return os.WriteFile(model.Path(task.Folder, st.Name()), file[:len(file)/2], 0o600) },
				"a bit": func() error {
					return os.WriteFile(model.Path(task.Folder, st.Name()), bytes.Replace(file, []byte("1"), []byte("2"), 1), 0o600)
				},
				"missing":       func() error { return os.RemoveAll(task.Folder) },
				"another trial": func() error { m := kept; m.Trial++; return m.WriteFile(model.Path(task.Folder, st.Name())) },
			} {
				require.NoError(t, spoil(), name)
				_, err := task.Best(ctx, st)
				require.NoError(t, err, name)
				again, err := os.ReadFile(model.Path(task.Folder, st.Name()))
				require.NoError(t, err)
				assert.Equal(t, string(file), string(again), name)
			}
		})
	}
}

// A trial's learning curve is that of all folds together, and a pruner may end a trial before the end of the curve. The
// numbers of workers and threads do not change a trial.
func TestCurves(t *testing.T) {
	ctx := context.Background()
	run := func(p pruner.Pruner, workers, threads int) []trial.Record {
		task := newTask(t, style.LightGBM)
		task.Threads = threads
		st, err := study.Open(ctx, new(memory.Store), "curves", task.Config(random.Sampler{}, p))
		require.NoError(t, err)
		require.NoError(t, task.Optimize(ctx, st, study.Run{Trials: 16, Workers: workers}))
		h, err := st.Snapshot(ctx)
		require.NoError(t, err)
		return slices.SortedFunc(h.All(), func(a, b trial.Record) int { return a.Number - b.Number })
	}
	full := run(pruner.None{}, 1, 1)
	for _, r := range full {
		require.Equal(t, trial.Complete, r.State)
		least := r.Reports[0].Value
		for _, x := range r.Reports {
			least = min(least, x.Value)
		}
		assert.Equal(t, least, r.Values[0], "the value is the best of the curve")
	}
	again := run(pruner.None{}, 3, 2)
	for i := range full {
		assert.Equal(t, values(full[i]), values(again[i]))
	}
	pruned := run(pruner.Median{Startup: 4}, 1, 1)
	ended := 0
	for i := range full {
		curve := values(pruned[i])
		assert.Equal(t, values(full[i])[:len(curve)], curve)
		if pruned[i].State == trial.Pruned {
			ended++
		}
	}
	assert.Positive(t, ended)
}

// values returns a trial's learning curve.
func values(r trial.Record) []float64 {
	var out []float64
	for _, x := range r.Reports {
		out = append(out, x.Value)
	}
	return out
}

func TestBadTasks(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		change func(*tune.Task)
		want   string
	}{
		"unknown in the space": {func(k *tune.Task) { k.Space = space.Of(space.Float("eta", 0.1, 0.2)) }, "lightgbm: there is no eta"},
		"unknown and fixed":    {func(k *tune.Task) { k.Fixed = space.Settings{{Name: "depth", Value: "3"}} }, "lightgbm: there is no depth"},
		"both": {func(k *tune.Task) {
			k.Space = space.Of(space.Int("num_leaves", 2, 5))
			k.Fixed = space.Settings{{Name: "num_leaves", Value: "3"}}
		}, "num_leaves is fixed and searched"},
		"out of range": {func(k *tune.Task) { k.Space = space.Of(space.Float("bagging_fraction", 0.5, 1.5)) }, "bagging_fraction is 1.5"},
		"transform":    {func(k *tune.Task) { k.Space = space.Of(space.Categorical("transform", "none", "cube")) }, "transform is cube"},
		"no family":    {func(k *tune.Task) { k.Family = nil }, "needs a backtest and a family"},
	} {
		task := newTask(t, style.LightGBM)
		st := open(t, task, "bad", pruner.None{})
		c.change(task)
		err := task.Optimize(ctx, st, study.Run{Trials: 1})
		require.ErrorIs(t, err, tune.ErrSpace, name)
		assert.ErrorContains(t, err, c.want, name)
	}
	_, err := tune.ReadFile(filepath.Join(t.TempDir(), "none"), treeforecast.Family{Style: style.LightGBM})
	assert.ErrorIs(t, err, fs.ErrNotExist)

	task := newTask(t, style.LightGBM)
	task.Folder = t.TempDir()
	st := open(t, task, strings.Repeat("../é", 90), pruner.None{})
	_, err = task.Best(ctx, st)
	assert.ErrorIs(t, err, study.ErrNoTrial)
	require.NoError(t, task.Optimize(ctx, st, study.Run{Trials: 1}))
	files, err := os.ReadDir(task.Folder)
	require.NoError(t, err)
	require.Len(t, files, 1, "whatever the study's name, its file is in the folder")
	_, err = tune.ReadFile(filepath.Join(task.Folder, files[0].Name()), treeforecast.Family{Style: style.XGBoost})
	require.ErrorIs(t, err, tune.ErrModel)
	assert.ErrorContains(t, err, `its family is "lightgbm"`)
}

// A model keeps all settings with which its data were read.
func TestModelData(t *testing.T) {
	task := newTask(t, style.LightGBM)
	forecaster, err := task.Family.New(nil)
	require.NoError(t, err)
	require.NoError(t, forecaster.Fit(t.Context(), task.Backtest.Frame(), forecast.FitOptions{Horizon: 1}))
	for name, data := range map[string]*forecast.CSV{
		"none":       nil,
		"no setting": {Time: "month", Target: "passengers"},
		"all": {Time: "t", Target: "y", ID: "i", Past: []string{"p"}, Known: []string{"k"}, Static: []string{"s"}, Join: []string{"j.csv"}, Categories: map[string][]string{"p": {"a"}}, Freq: forecast.Frequency{N: 2, Unit: forecast.Month, End: true},
			Layout: "02.01.2006", Location: time.UTC, Comma: '§', Decimal: ",", NA: []string{"-"}, Fill: forecast.Carry, Sort: true, AllowConstant: true},
	} {
		if name == "all" {
			for field, v := range reflect.ValueOf(*data).Fields() {
				require.Equal(t, field.Name == "Open", v.IsZero(), "%s: all but how files are opened", field.Name)
			}
		}
		file := filepath.Join(t.TempDir(), "model.json")
		require.NoError(t, tune.Model{Family: task.Family.Name(), Horizon: 1, Data: data, Forecaster: forecaster}.WriteFile(file))
		m, err := tune.ReadFile(file, task.Family)
		require.NoError(t, err, name)
		assert.Equal(t, data, m.Data, name)
	}
}

// The way that would check and keep nothing, st.Optimize(ctx, task, run), does not compile.
func TestOneDoor(t *testing.T) {
	_, ok := any(new(tune.Task)).(study.Objective)
	assert.False(t, ok)
}

// The scores of one study are comparable: another task is refused, and so is a metric without a value.
func TestOtherTasks(t *testing.T) {
	ctx := context.Background()
	task := newTask(t, style.LightGBM)
	st := open(t, task, "s", pruner.None{})
	require.NoError(t, task.Optimize(ctx, st, study.Run{Trials: 1}))
	require.NoError(t, newTask(t, style.LightGBM).Optimize(ctx, st, study.Run{Trials: 1}))
	_, all := airPassengers(t)
	for name, change := range map[string]func(*tune.Task) error{
		"data": func(k *tune.Task) (err error) {
			k.Backtest, err = forecast.NewBacktest(all, forecast.Splits{Horizon: 12, Windows: 2})
			return err
		},
		"folds": func(k *tune.Task) (err error) {
			k.Backtest, err = forecast.NewBacktest(k.Backtest.Frame(), forecast.Splits{Horizon: 12, Windows: 3})
			return err
		},
		"metric": func(k *tune.Task) (err error) {
			k.Backtest, err = forecast.NewBacktest(k.Backtest.Frame(), forecast.Splits{Horizon: 12, Windows: 2}, forecast.MASE)
			return err
		},
		"fixed":  func(k *tune.Task) error { k.Fixed = space.Settings{{Name: "max_bin", Value: "31"}}; return nil },
		"family": func(k *tune.Task) error { k.Family = treeforecast.Family{Style: style.XGBoost}; return nil },
	} {
		task := newTask(t, style.LightGBM)
		require.NoError(t, change(task))
		err := task.Optimize(ctx, st, study.Run{Trials: 1})
		require.ErrorIs(t, err, tune.ErrStudy, name)
		assert.ErrorContains(t, err, "give study.Create another name", name)
	}
	zero := all[0]
	zero.Y = make([]float64, len(zero.Y))
	back, err := forecast.NewBacktest(forecast.Frame{zero}, forecast.Splits{Horizon: 12})
	require.NoError(t, err)
	task = &tune.Task{Backtest: back, Family: treeforecast.Family{Style: style.LightGBM}}
	require.ErrorIs(t, task.Validate(), tune.ErrScore)
	assert.ErrorContains(t, task.Validate(), "mape has no value on these data")
}

// If logarithms fail, as they may with a user's own space, the trial fails and says why. The others continue.
func TestFailingTrial(t *testing.T) {
	ctx := context.Background()
	frame := forecast.Frame{{ID: "", Start: must(airPassengers(t))[0].Start, Freq: must(airPassengers(t))[0].Freq, Y: make([]float64, 100)}}
	for i := range frame[0].Y {
		frame[0].Y[i] = float64(i%12) - 3
	}
	back, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: 6}, forecast.RMSE)
	require.NoError(t, err)
	task := &tune.Task{Backtest: back, Family: treeforecast.Family{Style: style.CatBoost}, MaxRounds: 5,
		Space: space.Of(space.Categorical("transform", "none", "log"))}
	st := open(t, task, "failing", pruner.None{})
	require.NoError(t, task.Optimize(ctx, st, study.Run{Trials: 6}))
	h, err := st.Snapshot(ctx)
	require.NoError(t, err)
	assert.Positive(t, h.Count(trial.Failed))
	assert.Positive(t, h.Count(trial.Complete))
}

func must(_, all forecast.Frame) forecast.Frame { return all }

// A cancelled run leaves a study in SQLite that can be continued, and a complete model or none.
func TestCancelled(t *testing.T) {
	task := newTask(t, style.LightGBM)
	dir := t.TempDir()
	task.Folder = dir
	store := sqlite.File(filepath.Join(dir, "a.db"))
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("enough")
	n := 0
	cfg := task.Config(tpe.New(tpe.Config{}), pruner.None{})
	cfg.Observer = study.On(func(context.Context, study.Reported) {
		if n++; n == 60 {
			cancel(cause)
		}
	})
	st, err := study.Open(ctx, store, "s", cfg)
	require.NoError(t, err)
	err = task.Optimize(ctx, st, study.Run{Trials: 50})
	require.ErrorIs(t, err, cause)
	require.NoError(t, st.Close())
	ctx = context.Background()
	st, err = study.Open(ctx, store, "s", task.Config(tpe.New(tpe.Config{}), pruner.None{}))
	require.NoError(t, err)
	defer st.Close()
	require.NoError(t, task.Optimize(ctx, st, study.Run{Total: 4}))
	best, err := st.Best(ctx)
	require.NoError(t, err)
	m, err := task.Best(ctx, st)
	require.NoError(t, err)
	assert.Equal(t, best.Number, m.Trial)
}

// Networks are families, as trees are. Their epochs are the rounds. The model has the best number of rounds, even if
// the space has another.
func TestNetworks(t *testing.T) {
	ctx := context.Background()
	for _, family := range []tune.Family{neural.LSTM{Quick: true}, neural.TCN{Quick: true}, neural.Transformer{Quick: true}, neural.NLinear{}} {
		t.Run(family.Name(), func(t *testing.T) {
			train, _ := airPassengers(t)
			back, err := forecast.NewBacktest(train, forecast.Splits{Horizon: 12, Windows: 2})
			require.NoError(t, err)
			task := &tune.Task{Backtest: back, Family: family, Folder: t.TempDir(), Fixed: space.Settings{{Name: "window", Value: "12"}}}
			if family.Rounds() != "" {
				task.Fixed = append(task.Fixed, space.Setting{Name: "epochs", Value: "6"})
			}
			st := open(t, task, family.Name(), pruner.None{})
			require.NoError(t, task.Optimize(ctx, st, study.Run{Trials: 2, Workers: 2}))
			best, err := st.Best(ctx)
			require.NoError(t, err)
			if family.Rounds() != "" {
				assert.Len(t, best.Reports, 6)
			}
			kept, err := os.ReadFile(model.Path(task.Folder, st.Name()))
			require.NoError(t, err)
			m, err := task.Refit(ctx, st, best)
			require.NoError(t, err)
			var b bytes.Buffer
			require.NoError(t, m.Write(&b))
			assert.Equal(t, string(kept), b.String())
			read, err := tune.ReadFile(model.Path(task.Folder, st.Name()), family)
			require.NoError(t, err)
			want, err := m.Forecaster.Predict(ctx, train, 12)
			require.NoError(t, err)
			got, err := read.Forecaster.Predict(ctx, train, 12)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}
