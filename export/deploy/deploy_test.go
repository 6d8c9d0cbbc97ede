package deploy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

var quiet = runtime.Config{Log: slog.New(slog.DiscardHandler)}

func airPassengers(t testing.TB) forecast.Frame {
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	return frame
}

// tuned returns a task and a study of a few trials.
func tuned(t testing.TB, s style.Style) (*tune.Task, *study.Study) {
	ctx := context.Background()
	before, _, err := airPassengers(t).Cut(12)
	require.NoError(t, err)
	back, err := forecast.NewBacktest(before, forecast.Splits{Horizon: 6, Windows: 2})
	require.NoError(t, err)
	task := &tune.Task{Backtest: back, Family: treeforecast.Family{Style: s}, MaxRounds: 20}
	st, err := study.Open(ctx, new(memory.Store), "air/"+s.Name(), task.Config(random.Sampler{}, pruner.None{}))
	require.NoError(t, err)
	t.Cleanup(func() { st.Close() })
	require.NoError(t, task.Optimize(ctx, st, study.Run{Trials: 2}))
	return task, st
}

func TestBest(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	_, held, err := airPassengers(t).Cut(12)
	require.NoError(t, err)
	require.Equal(t, 12, held[0].Len())
	for _, s := range []style.Style{style.LightGBM, style.XGBoost, style.CatBoost, style.RandomForest} {
		for _, form := range []onnx.Form{onnx.Exact, onnx.Compatible} {
			t.Run(s.Name()+" "+form.String(), func(t *testing.T) {
				task, st := tuned(t, s)
				file := filepath.Join(t.TempDir(), "model.onnx")
				m, r, err := deploy.Best(ctx, task, st, deploy.ForecasterOptions{File: file, Form: form, Runtime: quiet, Units: "thousands"})
				require.NoError(t, err, r.Report)
				assert.True(t, r.Pass())
				assert.Equal(t, file, r.File)
				assert.GreaterOrEqual(t, r.Report.Rows, 80)
				assert.Equal(t, 6, r.Report.Outputs)
				if form == onnx.Exact {
					assert.Less(t, r.Report.MaxRelative, 1e-12)
				}
				info, err := os.Stat(file)
				require.NoError(t, err)
				assert.EqualValues(t, r.Size, info.Size())

				session, err := runtime.Open(file, quiet)
				require.NoError(t, err)
				defer session.Close()
				meta := session.Metadata()
				best, err := st.Best(ctx)
				require.NoError(t, err)
				assert.Equal(t, "air/"+s.Name(), meta["attune.study"])
				assert.Equal(t, strconv.Itoa(best.Number), meta["attune.trial"])
				assert.Equal(t, s.Name(), meta["attune.family"])
				assert.Equal(t, "mape", meta["attune.metric"])
				assert.Equal(t, `["thousands"]`, meta["attune.units"])
				value, err := strconv.ParseFloat(meta["attune.value"], 64)
				require.NoError(t, err)
				assert.Equal(t, best.Values[0], value)
				for name, v := range best.Params.All() {
					assert.Equal(t, v.String(), meta["attune.param."+name])
				}

				// Serve data that neither tuning nor fitting saw: with the export and with the model
				// read from its file.
				native := filepath.Join(t.TempDir(), "native.json")
				require.NoError(t, m.WriteFile(native))
				m, err = tune.ReadFile(native, task.Family)
				require.NoError(t, err)
				f, err := deploy.Open(file, m.Forecaster, quiet)
				require.NoError(t, err)
				defer f.Close()
				for n := 132; n <= 144; n++ {
					past := forecast.Frame{airPassengers(t)[0].Until(n, 0)}
					want, err := m.Forecaster.Predict(ctx, past, 4)
					require.NoError(t, err)
					got, err := f.Predict(ctx, past, 4)
					require.NoError(t, err)
					require.Len(t, got, 1)
					assert.InEpsilonSlice(t, want[0].Y, got[0].Y, 1e-3)
					want[0].Y, got[0].Y = nil, nil
					assert.Equal(t, want, got)
				}
				assert.Equal(t, runtime.FallbackStats{Calls: 13}, f.Stats())
			})
		}
	}
}

// A network is also exported as a whole.
func TestNetwork(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	frame := airPassengers(t)
	net := neural.New(neural.LSTM{Training: neural.Training{Window: 24, Epochs: 3}, Hidden: 8})
	require.NoError(t, net.Fit(ctx, frame, forecast.FitOptions{Horizon: 6}))
	file := filepath.Join(t.TempDir(), "model.onnx")
	reg, err := registry.Open(t.TempDir())
	require.NoError(t, err)
	r, err := deploy.Model(ctx, tune.Model{Family: "lstm", Horizon: 6, Forecaster: net}, frame, deploy.ForecasterOptions{File: file, Register: &deploy.Registration{Registry: reg, Name: "net"}, Runtime: quiet})
	require.NoError(t, err, r.Report)
	assert.Equal(t, onnx.Compatible, r.Form)
	assert.Equal(t, "compatible", r.Version.Meta["form"])
	var saved bytes.Buffer
	require.NoError(t, net.Save(&saved))
	require.NoError(t, net.Load(&saved))
	f, err := deploy.Open(file, net, quiet)
	require.NoError(t, err)
	defer f.Close()
	want, err := net.Predict(ctx, frame, 6)
	require.NoError(t, err)
	got, err := f.Predict(ctx, frame, 6)
	require.NoError(t, err)
	assert.InEpsilonSlice(t, want[0].Y, got[0].Y, 1e-5)
	assert.Zero(t, f.Stats().Fallbacks)
}

// A quantized network is also compared with the native one, by its own gate.
func TestQuantize(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	frame := airPassengers(t)
	net := neural.New(neural.LSTM{Training: neural.Training{Window: 24, Epochs: 5, Transform: forecast.Log{}}, Hidden: 48})
	require.NoError(t, net.Fit(ctx, frame, forecast.FitOptions{Horizon: 6}))
	m := tune.Model{Family: "lstm", Horizon: 6, Forecaster: net}
	full, err := deploy.Model(ctx, m, frame, deploy.ForecasterOptions{Runtime: quiet})
	require.NoError(t, err)
	for _, kind := range []quantize.Kind{quantize.FP16, quantize.Int8} {
		file := filepath.Join(t.TempDir(), "model.onnx")
		r, err := deploy.Model(ctx, m, frame, deploy.ForecasterOptions{File: file, Quantize: kind, Runtime: quiet})
		require.NoError(t, err, "%s %s", kind, r.Report)
		assert.Less(t, r.Size, full.Size*3/4, kind)
		assert.Greater(t, r.Report.MaxAbsolute, full.Report.MaxAbsolute, kind)
		assert.FileExists(t, file)

		_, err = deploy.Model(ctx, m, frame, deploy.ForecasterOptions{Quantize: kind, Gate: validate.Gate{RTol: 1e-7}, Runtime: quiet})
		assert.ErrorIs(t, err, deploy.ErrFailed, kind)
	}
	_, err = deploy.Model(ctx, ridge(t, frame, forecast.Recipe{}, 6), frame, deploy.ForecasterOptions{Quantize: quantize.Int8, Runtime: quiet})
	assert.ErrorIs(t, err, quantize.ErrNothing)
}

// wrong adds one percent to the predictions of a model.
func wrong(b *onnx.Builder, m forecast.Regressor, rows onnx.Value) (onnx.Value, error) {
	model := m.(interface {
		Linear() (forecast.Linear, error)
	})
	l, err := model.Linear()
	y := b.Linear(l, rows)
	return b.Op("Mul", nil, y, b.Number(y, 1.01)), err
}

// ridge returns a fitted forecaster.
func ridge(t testing.TB, on forecast.Frame, recipe forecast.Recipe, horizon int) tune.Model {
	f := &forecast.Tabular{Recipe: recipe, New: func() forecast.Regressor { return &forecast.Ridge{Lambda: 1} }}
	require.NoError(t, f.Fit(context.Background(), on, forecast.FitOptions{Horizon: horizon}))
	return tune.Model{Family: "ridge", Horizon: horizon, Forecaster: f}
}

func TestFailedExportLeavesNothing(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	frame := airPassengers(t)
	m := ridge(t, frame, forecast.Recipe{}, 3)
	dir := t.TempDir()
	file := filepath.Join(dir, "model.onnx")
	require.NoError(t, os.WriteFile(file, []byte("what serves now"), 0o644))
	reg, err := registry.Open(filepath.Join(dir, "registry"))
	require.NoError(t, err)
	o := deploy.ForecasterOptions{File: file, Regressor: wrong, Runtime: quiet, Register: &deploy.Registration{Registry: reg, Name: "air"}}

	r, err := deploy.Model(ctx, m, frame, o)
	require.ErrorIs(t, err, deploy.ErrFailed)
	assert.ErrorContains(t, err, "are beyond the tolerance")
	assert.Empty(t, fault.Hints(err), "many differ")
	few := o
	few.Gate.ATol = r.Report.MaxAbsolute * (1 - 1e-9)
	_, err = deploy.Model(ctx, m, frame, few)
	require.ErrorIs(t, err, deploy.ErrFailed)
	assert.ErrorContains(t, err, "1 of 399 values are beyond the tolerance; if so few may differ, set validate.Gate.Beyond to 0.01")
	assert.False(t, r.Pass())
	assert.Empty(t, r.File)
	assert.NotEmpty(t, r.Report.Worst.Inputs)
	assert.Contains(t, r.Report.String(), "window[0]=")
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "what serves now", string(got))
	names, err := reg.Names()
	require.NoError(t, err)
	assert.Empty(t, names)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2)

	o.KeepFailed = true
	r, err = deploy.Model(ctx, m, frame, o)
	require.ErrorIs(t, err, deploy.ErrFailed)
	assert.Equal(t, filepath.Join(dir, "model.failed.onnx"), r.File)
	assert.FileExists(t, r.File)

	// One percent is within a tolerance of two.
	o.Gate = validate.Gate{RTol: 0.02}
	r, err = deploy.Model(ctx, m, frame, o)
	require.NoError(t, err)
	assert.Equal(t, file, r.File)
}

func TestRegistry(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	task, st := tuned(t, style.LightGBM)
	reg, err := registry.Open(t.TempDir())
	require.NoError(t, err)
	o := deploy.ForecasterOptions{Register: &deploy.Registration{Registry: reg, Name: "air", Promote: true}, Runtime: quiet, Info: onnx.Info{Doc: "passengers, six months ahead"}}
	m, r, err := deploy.Best(ctx, task, st, o)
	require.NoError(t, err)
	assert.Equal(t, 1, r.Version.Number)
	assert.Empty(t, r.File)
	live, err := reg.Live("air")
	require.NoError(t, err)
	assert.Equal(t, 1, live.Number)
	assert.Equal(t, "passengers, six months ahead", live.Note)
	assert.Equal(t, st.Name(), live.Meta["attune.study"])
	assert.Equal(t, strconv.Itoa(m.Trial), live.Meta["attune.trial"])
	assert.Equal(t, "exact", live.Meta["form"])

	native, err := live.Path(registry.Native)
	require.NoError(t, err)
	back, err := tune.ReadFile(native, task.Family)
	require.NoError(t, err)
	file, err := live.Path(registry.ONNX)
	require.NoError(t, err)
	f, err := deploy.Open(file, back.Forecaster, quiet)
	require.NoError(t, err)
	defer f.Close()
	want, err := m.Forecaster.Predict(ctx, airPassengers(t), 6)
	require.NoError(t, err)
	got, err := f.Predict(ctx, airPassengers(t), 6)
	require.NoError(t, err)
	assert.InEpsilonSlice(t, want[0].Y, got[0].Y, 1e-12)

	_, err = deploy.Model(ctx, m, airPassengers(t), deploy.ForecasterOptions{Register: &deploy.Registration{Name: "air"}})
	assert.ErrorContains(t, err, "without a registry")
}

// Series with columns, of several lengths and from their first value on.
func TestColumnsAndSeries(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	base := airPassengers(t)[0]
	var frame forecast.Frame
	for k := range 3 {
		s := base
		s.ID = "s" + strconv.Itoa(k)
		n := 60 + 20*k
		s.Y = s.Y[:n]
		promo, holiday := make([]float64, n), make([]float64, n+4)
		for i := range promo {
			promo[i] = math.Sin(float64(i * (k + 1)))
		}
		for i := range holiday {
			holiday[i] = float64(i % 7)
		}
		s.Past = []forecast.Column{{Name: "promo", Values: promo}}
		s.Known = []forecast.Column{{Name: "holiday", Values: holiday}}
		frame = append(frame, s)
	}
	recipe := forecast.Recipe{Transform: forecast.Chain{forecast.Log{}, forecast.Diff{}}, Strategy: forecast.Pooled,
		Features: forecast.Features{Lags: []int{1, 2, 12}, PastLags: []int{1}, KnownLags: []int{0}, SeriesID: true, Calendar: []forecast.Calendar{forecast.MonthOfYear}}}
	m := ridge(t, frame, recipe, 4)
	r, err := deploy.Model(ctx, m, frame, deploy.ForecasterOptions{Runtime: quiet, Windows: 50})
	require.NoError(t, err, r.Report)
	assert.InDelta(t, 48, r.Report.Rows, 6)
	assert.Contains(t, r.Report.Worst.Label, "s")

	many := deploy.ForecasterOptions{Runtime: quiet, Windows: 1}
	r, err = deploy.Model(ctx, m, frame, many)
	require.NoError(t, err)
	assert.Equal(t, 1, r.Report.Rows)
}

func TestServing(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	frame := airPassengers(t)
	m := ridge(t, frame, forecast.Recipe{Strategy: forecast.Recursive}, 3)
	native := m.Forecaster.(*forecast.Tabular)
	file := filepath.Join(t.TempDir(), "model.onnx")
	_, err := deploy.Model(ctx, m, frame, deploy.ForecasterOptions{File: file, Runtime: quiet})
	require.NoError(t, err)
	f, err := deploy.Open(file, native, quiet)
	require.NoError(t, err)

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := 100; n < 140; n++ {
				past := forecast.Frame{frame[0].Until(n, 0)}
				want, err := native.Predict(ctx, past, 3)
				assert.NoError(t, err)
				got, err := f.Predict(ctx, past, 3)
				assert.NoError(t, err)
				assert.InEpsilonSlice(t, want[0].Y, got[0].Y, 1e-9)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, runtime.FallbackStats{Calls: 320}, f.Stats())

	_, err = f.Predict(ctx, nil, 3)
	assert.ErrorIs(t, err, forecast.ErrEmpty)
	_, err = f.Predict(ctx, frame, 0)
	assert.ErrorIs(t, err, forecast.ErrHorizon)
	assert.Zero(t, f.Stats().Fallbacks, "mistakes of the caller's are none of the export's")

	longer, err := f.Predict(ctx, frame, 5)
	require.NoError(t, err, "the native one can go further than the export")
	assert.Len(t, longer[0].Y, 5)
	assert.EqualValues(t, 1, f.Stats().Fallbacks)

	done, cancel := context.WithCancel(ctx)
	cancel()
	_, err = f.Predict(done, frame, 3)
	assert.ErrorIs(t, err, context.Canceled)

	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	next, err := f.Predict(ctx, frame, 3)
	require.NoError(t, err)
	assert.Len(t, next[0].Y, 3)
	assert.EqualValues(t, 2, f.Stats().Fallbacks)
	assert.ErrorIs(t, f.Stats().Last, runtime.ErrClosed)
}

func TestServingWithoutTheFile(t *testing.T) {
	ctx := context.Background()
	frame := airPassengers(t)
	m := ridge(t, frame, forecast.Recipe{}, 3)
	native := m.Forecaster.(*forecast.Tabular)
	var log bytes.Buffer
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.onnx")
	require.NoError(t, os.WriteFile(broken, []byte("no model"), 0o644))
	for _, file := range []string{filepath.Join(dir, "missing.onnx"), broken} {
		log.Reset()
		f, err := deploy.Open(file, native, runtime.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		want, err := native.Predict(ctx, frame, 3)
		require.NoError(t, err)
		got, err := f.Predict(ctx, frame, 3)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.EqualValues(t, 1, f.Stats().Fallbacks)
		assert.Error(t, f.Stats().Last)
		assert.Contains(t, log.String(), "the native forecaster answers")
		require.NoError(t, f.Close())
	}
	_, err := deploy.Open(broken, new(forecast.Tabular), quiet)
	assert.ErrorIs(t, err, forecast.ErrNotFitted)
	_, err = deploy.Open(broken, unknown{forecast.Naive()}, quiet)
	assert.ErrorIs(t, err, onnx.ErrUnsupported)
}

// unknown is a forecaster that the exporter does not know.
type unknown struct{ forecast.Forecaster }

func TestErrors(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	frame := airPassengers(t)
	_, err := deploy.Model(ctx, tune.Model{Family: "naive", Forecaster: unknown{forecast.Naive()}}, frame, deploy.ForecasterOptions{})
	require.ErrorIs(t, err, onnx.ErrUnsupported)
	assert.ErrorContains(t, err, "naive")

	m := ridge(t, frame, forecast.Recipe{}, 3)
	_, err = deploy.Model(ctx, m, nil, deploy.ForecasterOptions{Runtime: quiet})
	assert.ErrorIs(t, err, validate.ErrInput)

	weekly := frame[0]
	weekly.Freq = forecast.Frequency{N: 1, Unit: forecast.Week}
	_, err = deploy.Model(ctx, m, forecast.Frame{weekly}, deploy.ForecasterOptions{Runtime: quiet})
	require.ErrorIs(t, err, validate.ErrInput)
	assert.ErrorIs(t, err, forecast.ErrFrequency)

	done, cancel := context.WithCancel(ctx)
	cancel()
	_, err = deploy.Model(done, m, frame, deploy.ForecasterOptions{Runtime: quiet})
	assert.ErrorIs(t, err, context.Canceled)

	_, err = deploy.Model(ctx, m, frame, deploy.ForecasterOptions{Runtime: quiet, File: filepath.Join(t.TempDir(), "no", "such", "folder.onnx")})
	assert.ErrorContains(t, err, "folder.onnx")
	assert.ErrorIs(t, err, os.ErrNotExist)

	task, st := tuned(t, style.LightGBM)
	empty, err := study.Open(ctx, new(memory.Store), "empty", task.Config(random.Sampler{}, pruner.None{}))
	require.NoError(t, err)
	defer empty.Close()
	defer st.Close()
	_, _, err = deploy.Best(ctx, task, empty, deploy.ForecasterOptions{})
	assert.ErrorIs(t, err, study.ErrNoTrial)

	settings := space.Settings{{Name: "a", Value: space.Lit(1)}, {Name: "a", Value: space.Lit(2)}}
	m.Settings = settings
	_, err = deploy.Model(ctx, m, frame, deploy.ForecasterOptions{Runtime: quiet})
	assert.NoError(t, err, "the last of equal names counts")
}

// A regressor that cannot be saved leaves nothing in the registry.
type unsaved struct{ *forecast.Ridge }

func (unsaved) Save(io.Writer) error { return os.ErrPermission }

func TestNativeThatCannotBeSaved(t *testing.T) {
	onnxtest.Require(t)
	frame := airPassengers(t)
	f := &forecast.Tabular{New: func() forecast.Regressor { return unsaved{&forecast.Ridge{}} }}
	require.NoError(t, f.Fit(context.Background(), frame, forecast.FitOptions{Horizon: 2}))
	reg, err := registry.Open(t.TempDir())
	require.NoError(t, err)
	right := func(b *onnx.Builder, m forecast.Regressor, rows onnx.Value) (onnx.Value, error) {
		l, err := m.(unsaved).Linear()
		return b.Linear(l, rows), err
	}
	_, err = deploy.Model(context.Background(), tune.Model{Horizon: 2, Forecaster: f}, frame,
		deploy.ForecasterOptions{Regressor: right, Register: &deploy.Registration{Registry: reg, Name: "x"}, Runtime: quiet})
	require.ErrorIs(t, err, os.ErrPermission)
	names, err := reg.Names()
	require.NoError(t, err)
	assert.Empty(t, names)
}

// An export that is opened with another model is refused. A model that was saved and loaded
// is still the same model.
func TestMismatch(t *testing.T) {
	onnxtest.Require(t)
	ctx := context.Background()
	frame := airPassengers(t)
	dir := t.TempDir()
	m := ridge(t, frame, forecast.Recipe{}, 3)
	m.Study, m.Trial = "monthly", 7
	file := filepath.Join(dir, "model.onnx")
	_, err := deploy.Model(ctx, m, frame, deploy.ForecasterOptions{File: file, Runtime: quiet})
	require.NoError(t, err)
	other := ridge(t, forecast.Frame{frame[0].Until(140, 0)}, forecast.Recipe{}, 3)
	_, err = deploy.Open(file, other.Forecaster, quiet)
	require.ErrorIs(t, err, deploy.ErrMismatch)
	assert.ErrorContains(t, err, "deploy: open "+file+": it was not exported from this native model: the file is from the model (study monthly, trial 7) with SHA-256 ")

	var saved bytes.Buffer
	require.NoError(t, m.Forecaster.Save(&saved))
	sum := sha256.Sum256(saved.Bytes())
	s, err := runtime.Open(file, quiet)
	require.NoError(t, err)
	assert.Equal(t, hex.EncodeToString(sum[:]), s.Metadata()["attune.native"])
	require.NoError(t, s.Close())
	again := &forecast.Tabular{New: func() forecast.Regressor { return &forecast.Ridge{} }}
	require.NoError(t, again.Load(&saved))
	f, err := deploy.Open(file, again, quiet)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	// A file that was not made by this package names no model.
	plain, err := onnx.Forecaster(m.Forecaster, onnx.ForecasterOptions{})
	require.NoError(t, err)
	require.NoError(t, plain.WriteFile(file))
	f, err = deploy.Open(file, other.Forecaster, quiet)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	trees, rows := forest(t, 3)
	more, _ := forest(t, 4)
	_, err = deploy.Trees(ctx, trees, rows, deploy.TreesOptions{File: file, Runtime: quiet})
	require.NoError(t, err)
	_, err = deploy.OpenTrees(file, more, quiet)
	require.ErrorIs(t, err, deploy.ErrMismatch)
	saved.Reset()
	require.NoError(t, tree.Write(&saved, trees))
	same, err := tree.Read(&saved)
	require.NoError(t, err)
	p, err := deploy.OpenTrees(file, same, quiet)
	require.NoError(t, err)
	require.NoError(t, p.Close())

	// JSON cannot hold bytes that are not UTF-8, so such a name is saved as another.
	trees.Features[0].Name, trees.Features[1].Name = "caf\xe9", "\xe9t\xe9\xff\xff"
	_, err = deploy.Trees(ctx, trees, rows, deploy.TreesOptions{File: file, Runtime: quiet})
	require.NoError(t, err)
	saved.Reset()
	require.NoError(t, tree.Write(&saved, trees))
	same, err = tree.Read(&saved)
	require.NoError(t, err)
	require.NotEqual(t, trees.Features, same.Features)
	for _, m := range []*tree.Model{trees, same} {
		p, err := deploy.OpenTrees(file, m, quiet)
		require.NoError(t, err)
		require.NoError(t, p.Close())
	}
	same.Features[0].Name = "cafe"
	_, err = deploy.OpenTrees(file, same, quiet)
	require.ErrorIs(t, err, deploy.ErrMismatch)
}
