package runtime

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	stdruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/internal/wire"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/internal/onnxsetup"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/tree"
)

// child is the environment variable that makes the test binary run one of children, in a
// process where the library is not loaded yet.
const child = "ATTUNE_TEST_CHILD"

var children = map[string]func(){
	"load": func() {
		fmt.Println(Load(os.Getenv("LIBRARY")))
		fmt.Println(Load("")) // fails again, or returns the library
		fmt.Println("telemetry off:", os.Getenv("ORT_DISABLE_TELEMETRY"))
	},
	"noise": func() {
		files, _ := filepath.Glob("testdata/*.onnx")
		for _, file := range files {
			s, err := Open(file, Config{})
			if err != nil {
				continue
			}
			NewPredictor(s, PredictorConfig{Width: 3})
			s.Close()
		}
	},
}

func TestMain(m *testing.M) {
	if do := children[os.Getenv(child)]; do != nil {
		do()
		return
	}
	os.Exit(m.Run())
}

// inChild runs one of children and returns what it prints.
func inChild(t *testing.T, name string, env ...string) (stdout, stderr string) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	var out, errs strings.Builder
	cmd := exec.Command(exe)
	cmd.Env = append(append(os.Environ(), child+"="+name), env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run(), "%s", &errs)
	return out.String(), errs.String()
}

// library returns the path of the loaded library, or skips the test.
func library(t testing.TB) string {
	t.Helper()
	lib := onnxtest.Require(t)
	if _, err := Load(""); err != nil {
		if strings.Contains(err.Error(), "without cgo") {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	return lib
}

func file(name string) string { return filepath.Join("testdata", name+".onnx") }

// openFile opens a model of testdata.
func openFile(t testing.TB, name string, o Config) *Session {
	t.Helper()
	library(t)
	s, err := Open(file(name), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// nativeTrees returns a native predictor of the first n trees of testdata.
func nativeTrees(t testing.TB, n int) *tree.Predictor {
	t.Helper()
	f, err := os.Open("testdata/trees.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var trees []struct {
		Nodes []struct {
			F    int
			T    float64
			D    bool
			L, R int
		}
		Leaves []float64
	}
	require.NoError(t, json.NewDecoder(z).Decode(&trees))
	m := &tree.Model{Features: make([]tree.Feature, features), Outputs: 1}
	for _, from := range trees[:n] {
		var to tree.Tree
		for _, n := range from.Nodes {
			to.Nodes = append(to.Nodes, tree.Node{Feature: n.F, Threshold: n.T, DefaultLeft: n.D, Left: n.L, Right: n.R})
		}
		for _, v := range from.Leaves {
			to.Leaves = append(to.Leaves, tree.Leaf{Value: v})
		}
		m.Trees = append(m.Trees, to)
	}
	p, err := tree.NewPredictor(m)
	require.NoError(t, err)
	return p
}

const features = 20

// normal returns n rows of random values, a tenth of them missing.
func normal(seed uint64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	rows := make([]float64, n*features)
	for i := range rows {
		rows[i] = r.NormFloat64()
		if r.IntN(10) == 0 {
			rows[i] = math.NaN()
		}
	}
	return rows
}

func TestLoadInChild(t *testing.T) {
	lib := library(t)
	t.Run("the right one", func(t *testing.T) {
		out, errs := inChild(t, "load", "LIBRARY="+lib, "ORT_DISABLE_TELEMETRY=")
		require.Contains(t, out, lib)
		require.Contains(t, out, "<nil>")
		require.Contains(t, out, "telemetry off: 1")
		require.Empty(t, errs)
	})
	t.Run("telemetry as the user says", func(t *testing.T) {
		out, _ := inChild(t, "load", "LIBRARY="+lib, "ORT_DISABLE_TELEMETRY=0")
		require.Contains(t, out, "telemetry off: 0")
	})
	t.Run("cut off", func(t *testing.T) {
		whole, err := os.ReadFile(lib)
		require.NoError(t, err)
		cut := filepath.Join(t.TempDir(), filepath.Base(lib))
		require.NoError(t, os.WriteFile(cut, whole[:len(whole)*9/10], 0o755))
		out, errs := inChild(t, "load", "LIBRARY="+cut, "ONNXRUNTIME_SHARED_LIBRARY_PATH="+cut)
		require.Equal(t, 2, strings.Count(out, "check "+cut))
		require.Contains(t, out, "ONNXRUNTIME_SHARED_LIBRARY_PATH: check")
		require.Empty(t, errs)
	})
	t.Run("none", func(t *testing.T) {
		home := t.TempDir()
		out, _ := inChild(t, "load", "LIBRARY=", "ONNXRUNTIME_SHARED_LIBRARY_PATH=", "LD_LIBRARY_PATH=", "HOME="+home, "XDG_CACHE_HOME="+home, "LocalAppData="+home)
		if strings.Contains(out, "1.") {
			t.Skip("this machine has ONNX Runtime in a system folder")
		}
		require.Contains(t, out, "run `attune setup onnxruntime`, or set ONNXRUNTIME_SHARED_LIBRARY_PATH")
	})
	t.Run("another library", func(t *testing.T) {
		other := "/lib/x86_64-linux-gnu/libc.so.6"
		if _, err := os.Stat(other); err != nil {
			t.Skip(err)
		}
		out, errs := inChild(t, "load", "LIBRARY="+other)
		require.Contains(t, out, "a library, but not ONNX Runtime")
		require.Empty(t, errs)
	})
}

// The library never prints anything.
func TestSilence(t *testing.T) {
	library(t)
	out, errs := inChild(t, "noise")
	require.Empty(t, out)
	require.Empty(t, errs)
}

func TestLoadAnother(t *testing.T) {
	lib := library(t)
	got, err := Load("")
	require.NoError(t, err)
	require.Equal(t, lib, got.Path)
	again, err := Load(lib)
	require.NoError(t, err)
	require.Equal(t, got, again)
	_, err = Load(filepath.Join(t.TempDir(), "other.so"))
	require.ErrorContains(t, err, "is already loaded, and a process can load only one")
	_, err = Open(file("linear"), Config{Library: "other.so"})
	require.ErrorContains(t, err, "is already loaded")
}

func TestSessionTells(t *testing.T) {
	s := openFile(t, "linear", Config{})
	require.Equal(t, []Info{{"x", "float32", []int64{-1, 3}}}, s.Inputs())
	require.Equal(t, []Info{{"y", "float32", []int64{-1, 1}}}, s.Outputs())
	require.Equal(t, "x float32 [? 3]", s.Inputs()[0].String())
	require.Equal(t, map[string]string{"attune.study": "demand", "attune.trial": "17"}, s.Metadata())
	require.Equal(t, CPU, s.Provider())
	require.NotEmpty(t, s.Reason())
	s.Inputs()[0].Shape[0] = 7
	require.Equal(t, int64(-1), s.Inputs()[0].Shape[0], "what was told is a copy")
}

func TestProvider(t *testing.T) {
	s := openFile(t, "linear", Config{Provider: CPU})
	require.Equal(t, CPU, s.Provider())
	require.Empty(t, s.Reason())

	var log strings.Builder
	s = openFile(t, "linear", Config{Provider: CUDA, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if s.Provider() == CUDA {
		t.Skip("this machine has CUDA")
	}
	require.Contains(t, s.Reason(), "CUDA")
	require.Contains(t, log.String(), "the CPU computes, although CUDA was requested")
	out, err := s.Run(t.Context(), tensor.List{{Name: "x", Shape: []int64{1, 3}, Data: []float32{1, 2, 3}}})
	require.NoError(t, err)
	require.Equal(t, []float32{14.5}, out[0].Data)
}

func TestRunKinds(t *testing.T) {
	s := openFile(t, "kinds", Config{})
	in := tensor.List{
		{Name: "f", Shape: []int64{3}, Data: []float32{1, 2, float32(math.Inf(1))}},
		{Name: "d", Shape: []int64{2, 2}, Data: []float64{1, 2, 3, 4}},
		{Name: "i", Shape: []int64{2, 2}, Data: []int64{math.MinInt64, 0, 1, math.MaxInt64}},
		{Name: "s", Data: []float32{7}},
	}
	out, err := s.Run(t.Context(), in)
	require.NoError(t, err)
	require.Len(t, out, 4, "bool is not returned")
	for _, x := range in {
		y, ok := out.Named(x.Name + "_out")
		require.True(t, ok, x.Name)
		require.Equal(t, x.Data, y.Data)
		require.ElementsMatch(t, x.Shape, y.Shape)
	}
	t.Run("in any order", func(t *testing.T) {
		other, err := s.Run(t.Context(), tensor.List{in[3], in[1], in[0], in[2]})
		require.NoError(t, err)
		require.Equal(t, out, other)
	})
	t.Run("none", func(t *testing.T) {
		in := tensor.List{{Name: "f", Shape: []int64{0}, Data: []float32{}}, {Name: "d", Shape: []int64{0, 2}, Data: []float64(nil)}, in[2], in[3]}
		out, err := s.Run(t.Context(), in)
		require.NoError(t, err)
		f, _ := out.Named("f_out")
		d, _ := out.Named("d_out")
		require.Empty(t, f.Data)
		require.Equal(t, []int64{0, 2}, d.Shape)
	})
	t.Run("given twice", func(t *testing.T) {
		_, err := s.Run(t.Context(), append(slices.Clone(in), in[0]))
		require.ErrorIs(t, err, ErrInput)
		require.ErrorContains(t, err, `input "f" is given twice`)
	})
	for name, c := range map[string]struct {
		t   tensor.Tensor
		err string
	}{
		"unknown name":        {tensor.Tensor{Name: "z"}, `there is no input "z"`},
		"another type":        {tensor.Tensor{Name: "f", Shape: []int64{1}, Data: []float64{1}}, "input f float32 [?]: its data are of type float64"},
		"unsupported type":    {tensor.Tensor{Name: "f", Shape: []int64{1}, Data: []int{1}}, "its data are a []int"},
		"no data":             {tensor.Tensor{Name: "f"}, "its data are a <nil>"},
		"another rank":        {tensor.Tensor{Name: "f", Shape: []int64{1, 1}, Data: []float32{1}}, "its shape is [1 1]"},
		"another size":        {tensor.Tensor{Name: "d", Shape: []int64{1, 3}, Data: []float64{1, 2, 3}}, "input d float64 [? 2]: its shape is [1 3]"},
		"too few data":        {tensor.Tensor{Name: "f", Shape: []int64{3}, Data: []float32{1}}, "1 values do not fill the shape [3]"},
		"too many data":       {tensor.Tensor{Name: "f", Shape: []int64{1}, Data: []float32{1, 2}}, "2 values do not fill the shape [1]"},
		"sizes that overflow": {tensor.Tensor{Name: "d", Shape: []int64{math.MaxInt64, 2}, Data: []float64{1, 2}}, "do not fill"},
		"a negative size":     {tensor.Tensor{Name: "f", Shape: []int64{-1}, Data: []float32{1}}, "do not fill"},
		"two for one value":   {tensor.Tensor{Name: "s", Data: []float32{1, 2}}, "2 values do not fill the shape []"},
		"none for one value":  {tensor.Tensor{Name: "s", Data: []float32{}}, "0 values do not fill the shape []"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := slices.DeleteFunc(slices.Clone(in), func(x tensor.Tensor) bool { return x.Name == c.t.Name })
			bad = append(bad, c.t)
			_, err := s.Run(t.Context(), bad)
			require.ErrorIs(t, err, ErrInput)
			require.ErrorContains(t, err, c.err)
			bad = slices.DeleteFunc(bad, func(x tensor.Tensor) bool { return x.Name == "f" })
			_, err = s.Run(t.Context(), bad)
			require.ErrorContains(t, err, "input f float32 [?] is missing")
		})
	}
}

// The slice may change once the model is open.
func TestOpenBytes(t *testing.T) {
	library(t)
	model, err := os.ReadFile(file("trees_double"))
	require.NoError(t, err)
	s, err := OpenBytes(model, Config{})
	require.NoError(t, err)
	defer s.Close()
	clear(model)
	p, err := NewPredictor(s, PredictorConfig{})
	require.NoError(t, err)
	requireTrees(t, p, 100)
}

func TestOpenBad(t *testing.T) {
	library(t)
	whole, err := os.ReadFile(file("trees_float"))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		model []byte
		err   string
	}{
		"nothing":   {nil, "the file is empty"},
		"text":      {[]byte("<html>not found</html>"), "not an ONNX file"},
		"zeros":     {make([]byte, 100), "not an ONNX file"},
		"cut off":   {whole[:len(whole)-1], "cut off or damaged"},
		"its half":  {whole[:len(whole)/2], "cut off or damaged"},
		"two bytes": {whole[:2], "it contains no graph"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenBytes(c.model, Config{})
			require.ErrorIs(t, err, ErrModel)
			require.ErrorContains(t, err, c.err)
			path := filepath.Join(t.TempDir(), "m.onnx")
			require.NoError(t, os.WriteFile(path, c.model, 0o644))
			_, err = Open(path, Config{})
			require.ErrorContains(t, err, "runtime: open "+path+": not a usable model: ")
		})
	}
	for name, want := range map[string]string{
		"new_ir":     "Unsupported model IR version: 99, max supported IR version: ",
		"new_opset":  "support for domain ai.onnx is till opset ",
		"unknown_op": "No Op registered for Levitate",
		"half":       "its input x float16 [? 2] is of an unsupported type",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(file(name), Config{})
			require.ErrorIs(t, err, ErrModel)
			require.ErrorContains(t, err, want)
			require.NotRegexp(t, `\.cc|onnxruntime::|\n`, err.Error())
		})
	}
	_, err = Open(file("absent"), Config{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(t.TempDir(), Config{})
	require.Error(t, err)
	for _, o := range []Config{{Threads: -2}, {InterThreads: -2}, {Provider: "webgpu"}, {Optimize: 9}} {
		_, err = Open(file("linear"), o)
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrModel)
	}
}

// A damaged file is an error, or goes unnoticed if only a number changed. It never crashes
// the process, although the library itself aborts on some of these files.
func TestDamaged(t *testing.T) {
	library(t)
	if testing.Short() {
		t.Skip("some seconds")
	}
	for _, name := range []string{"trees_double", "trees_float", "classifier", "linear", "kinds"} {
		whole, err := os.ReadFile(file(name))
		require.NoError(t, err)
		opened := 0
		for seed := range uint64(250) {
			r := rand.New(rand.NewPCG(seed, 7))
			model := append([]byte(nil), whole...)
			for range 1 + r.IntN(2) {
				model[r.IntN(len(model))] = byte(r.IntN(256))
			}
			s, err := OpenBytes(model, Config{})
			if err != nil {
				require.ErrorIs(t, err, ErrModel)
				continue
			}
			opened++
			if p, err := NewPredictor(s, PredictorConfig{}); err == nil && p.Width() <= features {
				p.Predict(make([]float64, 3*p.Width()), make([]float64, 3*p.Outputs()))
			}
			require.NoError(t, s.Close())
		}
		t.Logf("%s: %d of 250 opened", name, opened)
	}
}

func TestDeadline(t *testing.T) {
	s := openFile(t, "loop", Config{})
	in := func(n int64) tensor.List {
		return tensor.List{{Name: "n", Data: []int64{n}}, {Name: "x", Data: []float32{1}}}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	out, err := s.Run(ctx, in(5))
	require.NoError(t, err)
	require.Equal(t, []float32{6}, out[0].Data)

	// It would run for hours if it were not stopped.
	late := errors.New("too late")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := s.Run(ctx, in(math.MaxInt64))
			assert.ErrorIs(t, err, late)
		})
	}
	for range 1000 {
		stdruntime.Gosched()
	}
	cancel(late)
	wg.Wait()
	_, err = s.Run(ctx, in(5))
	require.ErrorIs(t, err, late)
	out, err = s.Run(context.Background(), in(2))
	require.NoError(t, err, "the session goes on")
	require.Equal(t, []float32{3}, out[0].Data)
}

func TestClose(t *testing.T) {
	s := openFile(t, "linear", Config{})
	p, err := NewPredictor(s, PredictorConfig{})
	require.NoError(t, err)
	in := tensor.List{{Name: "x", Shape: []int64{1, 3}, Data: []float32{1, 2, 3}}}

	// Close waits for running calls. Later calls fail.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				out := []float64{0}
				if err := p.Predict([]float64{1, 2, 3}, out); err != nil {
					assert.ErrorIs(t, err, ErrClosed)
					break
				}
				assert.Equal(t, 14.5, out[0])
				if _, err := s.Run(t.Context(), in); err != nil {
					assert.ErrorIs(t, err, ErrClosed)
				}
			}
		})
	}
	for range 100 {
		stdruntime.Gosched()
	}
	require.NoError(t, s.Close())
	wg.Wait()
	require.NoError(t, s.Close())
	require.NoError(t, p.Close())
	_, err = s.Run(t.Context(), in)
	require.ErrorIs(t, err, ErrClosed)
	require.EqualError(t, err, "runtime: run "+file("linear")+": session is closed")
	_, err = NewPredictor(s, PredictorConfig{})
	require.ErrorIs(t, err, ErrClosed)
	require.NotErrorIs(t, err, ErrModel)
	require.Len(t, s.Inputs(), 1)
}

// Settings change the speed, not the predictions.
func TestConfig(t *testing.T) {
	for name, o := range map[string]Config{
		"threads":           {Threads: 2, InterThreads: 2},
		"all cores":         {Threads: -1, InterThreads: -1},
		"little memory":     {NoArena: true, NoMemoryPattern: true},
		"no optimization":   {Optimize: OptimizeNone},
		"some optimization": {Optimize: OptimizeBasic},
		"more":              {Optimize: OptimizeExtended},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewPredictor(openFile(t, "trees_double", o), PredictorConfig{Batch: 500})
			require.NoError(t, err)
			native := nativeTrees(t, 100)
			rows := normal(1, 600)
			want, got := make([]float64, 600), make([]float64, 600)
			require.NoError(t, native.Predict(rows, want))
			require.NoError(t, p.Predict(rows, got))
			require.InDeltaSlice(t, want, got, 1e-12)
		})
	}
}

// Neither runs nor sessions, closed or forgotten, leak memory.
func TestLeaks(t *testing.T) {
	library(t)
	if _, ok := resident(); !ok {
		t.Skip("how much memory a process has is known for Linux")
	}
	model, err := os.ReadFile(file("trees_double"))
	require.NoError(t, err)
	open := func() (*Session, *Predictor) {
		s, err := OpenBytes(model, Config{})
		require.NoError(t, err)
		p, err := NewPredictor(s, PredictorConfig{})
		require.NoError(t, err)
		return s, p
	}
	s, p := open()
	defer s.Close()
	rows, out := normal(1, 3), make([]float64, 3)
	in := tensor.List{{Name: "x", Shape: []int64{3, features}, Data: rows}}
	for name, c := range map[string]struct {
		times int
		do    func()
	}{
		"runs":        {10_000, func() { _, err := s.Run(t.Context(), in); require.NoError(t, err) }},
		"predictions": {10_000, func() { require.NoError(t, p.PredictContext(t.Context(), rows, out)) }},
		"batches of all sizes": {2000, func() {
			n := 1 + rand.IntN(100)
			require.NoError(t, p.Predict(make([]float64, n*features), make([]float64, n)))
		}},
		"sessions": {50, func() {
			s, p := open()
			require.NoError(t, p.Predict(rows, out))
			s.Close()
		}},
		"forgotten sessions": {50, func() {
			_, p := open()
			require.NoError(t, p.Predict(rows, out))
			p = nil
			stdruntime.GC()
		}},
		"failures": {2000, func() { _, err := OpenBytes(model[:len(model)/2], Config{}); require.Error(t, err) }},
	} {
		t.Run(name, func(t *testing.T) {
			// A leak grows with each repetition, unlike other growth. A session takes 1.1 MB; a run
			// that leaked its output left 0.5 kB.
			limit := int64(c.times) * 250
			if strings.HasSuffix(name, "sessions") {
				limit = int64(c.times) * 500e3
			}
			var grown []int64
			for range 5 {
				before, _ := resident()
				for range c.times {
					c.do()
				}
				after, _ := resident()
				if grown = append(grown, after-before); after-before < limit {
					return
				}
			}
			require.Fail(t, "memory grows", "by %v bytes over %d times each", grown, c.times)
		})
	}
}

// The newest versions in the matrix are the library's.
func TestMatrix(t *testing.T) {
	library(t)
	lib, err := Load("")
	require.NoError(t, err)
	if lib.Version != onnxsetup.Version {
		t.Skipf("this is ONNX Runtime %s", lib.Version)
	}
	for _, c := range []struct {
		file, domain string
		newest       byte
	}{{"linear", "IR", onnxsetup.MaxIR}, {"linear", "", onnxsetup.MaxOpset}, {"classifier", "ai.onnx.ml", onnxsetup.MaxOpsetML}} {
		for version := c.newest; version <= c.newest+1; version++ {
			if c.domain == "ai.onnx.ml" && version == c.newest {
				continue // it has no such classifier
			}
			model, err := os.ReadFile(file(c.file))
			require.NoError(t, err)
			if c.domain == "IR" {
				model[1] = version // the first field
			}
			require.NoError(t, wire.Fields(model, func(f wire.Field) error {
				if f.Number == 8 && string(f.Data[2:len(f.Data)-2]) == c.domain { // opset_import
					f.Data[len(f.Data)-1] = version
				}
				return nil
			}))
			s, err := OpenBytes(model, Config{})
			if version == c.newest {
				require.NoError(t, err)
				require.NoError(t, s.Close())
			} else {
				require.ErrorIs(t, err, ErrModel, "%s %d", c.domain, version)
			}
		}
	}
}
