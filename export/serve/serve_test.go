package serve_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/serve"
	"github.com/attune-hpo/attune/export/tensor"
)

// A fake is a model that multiplies x by a factor and repeats its text.
type fake struct {
	factor float64
	runs   atomic.Int64
	widest atomic.Int64
	gate   chan struct{} // a run waits for it, unless nil
	closed atomic.Bool
	fail   error
	panics bool
	fixed  bool // takes two rows only
}

func (f *fake) Inputs() []runtime.Info {
	rows := int64(-1)
	if f.fixed {
		rows = 2
	}
	return []runtime.Info{{Name: "x", Type: "float64", Shape: []int64{rows, 2}}, {Name: "text", Type: "string", Shape: []int64{rows, 1}}}
}

func (f *fake) Outputs() []runtime.Info {
	return []runtime.Info{{Name: "y", Type: "float64", Shape: []int64{-1, 2}}, {Name: "label", Type: "string", Shape: []int64{-1}}, {Name: "map", Type: "map"}}
}

func (f *fake) Run(_ context.Context, in tensor.List) (tensor.List, error) {
	f.runs.Add(1)
	if f.gate != nil {
		<-f.gate
	}
	if f.panics {
		panic("oh")
	}
	if f.fail != nil {
		return nil, f.fail
	}
	x, _ := in.Named("x")
	text, _ := in.Named("text")
	f.widest.Store(max(f.widest.Load(), x.Shape[0]))
	y := tensor.Tensor{Name: "y", Shape: x.Shape}
	var out []float64
	for _, v := range x.Floats() {
		if v == 13 {
			return nil, fmt.Errorf("%w: 13", runtime.ErrInput)
		}
		out = append(out, f.factor*v)
	}
	y.Data = out
	return tensor.List{y, {Name: "label", Shape: text.Shape[:1], Data: text.Data}}, nil
}

func (f *fake) Close() error { f.closed.Store(true); return nil }

func start(t *testing.T, c serve.Config, m serve.Model) *serve.Server {
	c.Name, c.Log = "shop", slog.New(slog.DiscardHandler)
	s, err := serve.New(c, serve.Version{Name: "7", Model: m})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func send(s http.Handler, method, path, body string, headers ...string) (int, string, http.Header) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

// wait waits until something is true.
func wait(t *testing.T, done func() bool) {
	t.Helper()
	require.Eventually(t, done, time.Minute, time.Millisecond)
}

const infer = "/v2/models/shop/infer"

func body(x, text string, rows int) string {
	return fmt.Sprintf(`{"id":"a","inputs":[{"name":"text","shape":[%d,1],"datatype":"BYTES","data":%s},{"name":"x","shape":[%d,2],"datatype":"FP64","data":%s}]}`, rows, text, rows, x)
}

// The requests and answers of the protocol.
func TestProtocol(t *testing.T) {
	s := start(t, serve.Config{}, &fake{factor: 2})
	for path, want := range map[string]string{
		"/v2":                        `{"extensions":["binary_tensor_data"],"name":"attune","version":"2"}`,
		"/v2/health/live":            `{"live":true}`,
		"/v2/health/ready":           `{"ready":true}`,
		"/v2/models/shop/ready":      `{"name":"shop","ready":true}`,
		"/v2/models/shop":            `{"inputs":[{"name":"x","datatype":"FP64","shape":[-1,2]},{"name":"text","datatype":"BYTES","shape":[-1,1]}],"name":"shop","outputs":[{"name":"y","datatype":"FP64","shape":[-1,2]},{"name":"label","datatype":"BYTES","shape":[-1]}],"platform":"onnxruntime_onnx","versions":["7"]}`,
		"/v2/models/shop/versions/7": `{"inputs":[{"name":"x","datatype":"FP64","shape":[-1,2]},{"name":"text","datatype":"BYTES","shape":[-1,1]}],"name":"shop","outputs":[{"name":"y","datatype":"FP64","shape":[-1,2]},{"name":"label","datatype":"BYTES","shape":[-1]}],"platform":"onnxruntime_onnx","versions":["7"]}`,
	} {
		code, text, _ := send(s, "GET", path, "")
		assert.Equal(t, http.StatusOK, code, path)
		assert.Equal(t, want+"\n", text, path)
	}
	for _, path := range []string{"/v2/models/other", "/v2/models/shop/versions/6", "/v2/models/shop/infer", "/nothing"} {
		code, text, _ := send(s, "GET", path, "")
		assert.Equal(t, http.StatusNotFound, code, path)
		assert.Contains(t, text, `{"error":"`, path)
	}
	want := `{"model_name":"shop","model_version":"7","id":"a","outputs":[{"name":"y","shape":[2,2],"datatype":"FP64","data":[2,5,null,-8]},{"name":"label","shape":[2],"datatype":"BYTES","data":["é",""]}]}` + "\n"
	for _, x := range []string{"[1,2.5,null,-4]", "[[1,2.5],[null,-4]]"} {
		for _, path := range []string{infer, "/v2/models/shop/versions/7/infer"} {
			code, text, _ := send(s, "POST", path, body(x, `["é",""]`, 2))
			assert.Equal(t, http.StatusOK, code, text)
			assert.Equal(t, want, text)
		}
	}
	code, text, _ := send(s, "POST", infer, strings.TrimSuffix(body("[true,2]", `["a"]`, 1), "}")+`,"outputs":[{"name":"label"}]}`)
	assert.Equal(t, http.StatusOK, code)
	assert.Equal(t, `{"model_name":"shop","model_version":"7","id":"a","outputs":[{"name":"label","shape":[1],"datatype":"BYTES","data":["a"]}]}`+"\n", text)
	assert.Equal(t, uint64(9), s.Stats().Rows)
	assert.Equal(t, uint64(4), s.Stats().Missing)
	assert.Equal(t, "POST /v2/models/{model}/infer", s.Route(httptest.NewRequest("POST", infer, nil)))
}

// Tensors in binary form follow the JSON, in both directions.
func TestBinary(t *testing.T) {
	s := start(t, serve.Config{}, &fake{factor: 3})
	numbers := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, math.Float64bits(1.5)), math.Float64bits(math.NaN()))
	text := append(binary.LittleEndian.AppendUint32(nil, 3), "dog"...)
	head := `{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","parameters":{"binary_data_size":16}},{"name":"text","shape":[1,1],"datatype":"BYTES","parameters":{"binary_data_size":7}}]}`
	all := head + string(numbers) + string(text)
	code, got, headers := send(s, "POST", infer, all, "Inference-Header-Content-Length", strconv.Itoa(len(head)))
	require.Equal(t, http.StatusOK, code, got)
	n, err := strconv.Atoi(headers.Get("Inference-Header-Content-Length"))
	require.NoError(t, err)
	var out struct {
		Outputs []struct {
			Name       string
			Parameters map[string]int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(got[:n]), &out))
	assert.Equal(t, 16, out.Outputs[0].Parameters["binary_data_size"])
	rest := []byte(got[n:])
	assert.Equal(t, 4.5, math.Float64frombits(binary.LittleEndian.Uint64(rest)))
	assert.True(t, math.IsNaN(math.Float64frombits(binary.LittleEndian.Uint64(rest[8:]))))
	assert.Equal(t, text, rest[16:])
	for _, length := range []string{"x", "-1", "9999"} {
		code, _, _ := send(s, "POST", infer, all, "Inference-Header-Content-Length", length)
		assert.Equal(t, http.StatusBadRequest, code)
	}
	code, got, _ = send(s, "POST", infer, head+string(numbers), "Inference-Header-Content-Length", strconv.Itoa(len(head)))
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Contains(t, got, "binary_data_size 7, and 0 bytes are left")
}

func TestWrongRequests(t *testing.T) {
	s := start(t, serve.Config{Rows: 3}, &fake{factor: 2})
	for request, want := range map[string]string{
		"":                            "it is not JSON of the protocol",
		"{}":                          "input x float64 [? 2] is missing",
		body("[1,2,3]", `["a"]`, 1):   "input \\\"x\\\": 3 values, but the shape has 2",
		body("[1,\"a\"]", `["a"]`, 1): "input \\\"x\\\": the text \\\"a\\\", want a number",
		body("[1,2]", `[1]`, 1):       "input \\\"text\\\": 1 where a value of BYTES belongs",
		body("[1,{}]", `["a"]`, 1):    "an object where values belong",
		body("[1,1e999]", `["a"]`, 1): "1e999: want a number of 64 bits",
		body(strings.Repeat("[", 50), `["a"]`, 1):                                                               "it is not JSON of the protocol",
		body("[1,2,3,4,5,6,7,8]", `["","","",""]`, 4):                                                           "4 rows: at most 3 in a request",
		body("[]", "[]", 0):                                                                                     "has no rows",
		body("[13,1]", `["a"]`, 1):                                                                              "wrong input: 13",
		strings.Replace(body("[1,2]", `["a"]`, 1), "FP64", "BYTES", 1):                                          "datatype \\\"BYTES\\\", want FP64",
		strings.Replace(body("[1,2]", `["a"]`, 1), "FP64", "COMPLEX", 1):                                        "datatype \\\"COMPLEX\\\" is unknown",
		strings.Replace(body("[1,2]", `["a"]`, 1), `"name":"x"`, `"name":"z"`, 1):                               "input \\\"z\\\" is unknown or given twice",
		strings.Replace(body("[1,2]", `["a"]`, 1), `"name":"x"`, `"name":"text"`, 1):                            "input \\\"text\\\" is unknown or given twice",
		strings.Replace(body("[1,2]", `["a"]`, 1), "[1,2],\"datatype", "[2,1],\"datatype", 1):                   "shape [2 1], want [-1 2]",
		strings.Replace(body("[1,2]", `["a"]`, 1), "[1,2],\"datatype", "[4611686018427387904,4],\"datatype", 1): "shape [4611686018427387904 4]",
		strings.Replace(body("[1,2]", `["a"]`, 1), "[1,2],\"datatype", "[-1,2],\"datatype", 1):                  "shape [-1 2]",
		strings.TrimSuffix(body("[1,2]", `["a"]`, 1), "}") + `,"outputs":[{"name":"z"}]}`:                       "there is no output \\\"z\\\"",
		`{"inputs":[{"name":"x","shape":"1,2","datatype":"FP64"}]}`:                                             "it is not JSON of the protocol: inputs.shape: want a list, not a text",
		`{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64"}]}`:                                             "there is no data",
	} {
		code, text, _ := send(s, "POST", infer, request)
		assert.Equal(t, http.StatusBadRequest, code, request)
		assert.Contains(t, text, want, request)
	}
	r := httptest.NewRequest("POST", infer, strings.NewReader(body("[1,2]", `["`+strings.Repeat("a", 1000)+`"]`, 1)))
	w := httptest.NewRecorder()
	r.Body = http.MaxBytesReader(w, r.Body, 100)
	s.ServeHTTP(w, r)
	assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	assert.Contains(t, w.Body.String(), "more than 100 bytes")

	code, text, _ := send(start(t, serve.Config{}, &fake{fail: errors.New("secret")}), "POST", infer, body("[1,2]", `["a"]`, 1))
	assert.Equal(t, http.StatusInternalServerError, code)
	assert.NotContains(t, text, "secret")
	code, _, _ = send(start(t, serve.Config{}, &fake{panics: true}), "POST", infer, body("[1,2]", `["a"]`, 1))
	assert.Equal(t, http.StatusInternalServerError, code)
	code, text, _ = send(start(t, serve.Config{}, &fake{fixed: true, factor: 1}), "POST", infer, body("[1,2,3,4]", `["a","b"]`, 2))
	assert.Equal(t, http.StatusOK, code, text)
	_, err := serve.New(serve.Config{}, serve.Version{})
	require.Error(t, err)
	_, err = serve.New(serve.Config{Name: "a", Rows: -1}, serve.Version{Model: &fake{}})
	require.Error(t, err)
}

// Requests that wait for a run are run together, and each gets its own rows. A faulty request does not affect the
// others. When too many wait, the next one is refused.
func TestBatches(t *testing.T) {
	m := &fake{factor: 10, gate: make(chan struct{})}
	s := start(t, serve.Config{Workers: 1, Queue: 20}, m)
	var done sync.WaitGroup
	ask := func(i int) {
		code, text, _ := send(s, "POST", infer, body(fmt.Sprintf("[%d,0]", i), `["a"]`, 1))
		if i == 13 {
			assert.Equal(t, http.StatusBadRequest, code)
			return
		}
		assert.Equal(t, http.StatusOK, code)
		assert.Contains(t, text, fmt.Sprintf(`"data":[%d,0]`, 10*i))
	}
	done.Go(func() { ask(0) })
	wait(t, func() bool { return !(m.runs.Load() == 0) })
	for i := 1; i <= 20; i++ {
		done.Go(func() { ask(i) })
	}
	wait(t, func() bool { return !(s.Stats().Waiting < 20) })
	code, text, headers := send(s, "POST", infer, body("[1,2]", `["a"]`, 1))
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Contains(t, text, "too many requests are waiting")
	assert.Equal(t, "1", headers.Get("Retry-After"))
	close(m.gate)
	done.Wait()
	assert.Equal(t, uint64(1), s.Stats().Refused)
	assert.Equal(t, int64(22), m.runs.Load(), "one alone, one of twenty, which failed, and those twenty")

	m = &fake{factor: 10, gate: make(chan struct{})}
	s = start(t, serve.Config{Workers: 1}, m)
	done.Go(func() { ask(0) })
	wait(t, func() bool { return !(m.runs.Load() == 0) })
	for i := 1; i <= 9; i++ {
		done.Go(func() { ask(i) })
	}
	wait(t, func() bool { return !(s.Stats().Waiting < 9) })
	close(m.gate)
	done.Wait()
	assert.Equal(t, int64(2), m.runs.Load())
	assert.Equal(t, int64(9), m.widest.Load())
	assert.Equal(t, uint64(9), s.Stats().Joined)
}

// Another version goes live between two runs; the one before is closed when it is idle.
func TestSwap(t *testing.T) {
	first, second := &fake{factor: 1}, &fake{factor: 2}
	s := start(t, serve.Config{}, first)
	var stop atomic.Bool
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			for !stop.Load() {
				code, text, _ := send(s, "POST", infer, body("[1,2]", `["a"]`, 1))
				assert.Equal(t, http.StatusOK, code)
				assert.Equal(t, strings.Contains(text, `"model_version":"7"`), strings.Contains(text, `"data":[1,2]`), "an answer is of the version that it names")
			}
		})
	}
	require.NoError(t, s.Swap(serve.Version{Name: "8", Model: second}))
	assert.True(t, first.closed.Load())
	assert.Equal(t, "8", s.Live())
	_, text, _ := send(s, "POST", infer, body("[1,2]", `["a"]`, 1))
	assert.Contains(t, text, `"model_version":"8"`)
	code, text, _ := send(s, "POST", "/v2/models/shop/versions/7/infer", "")
	assert.Equal(t, http.StatusNotFound, code)
	assert.Contains(t, text, `version \"7\" is not live: version \"8\" is`)
	stop.Store(true)
	done.Wait()
	require.NoError(t, s.Close())
	assert.True(t, second.closed.Load())
	code, _, _ = send(s, "POST", infer, body("[1,2]", `["a"]`, 1))
	assert.Equal(t, http.StatusServiceUnavailable, code)
}

// A model in the shadow is compared, row by row.
func TestShadow(t *testing.T) {
	s := start(t, serve.Config{}, &fake{factor: 2})
	other := &fake{factor: 2.001} // within the tolerance for numbers up to 0.1
	assert.Nil(t, s.Shadow(&serve.Version{Name: "8", Model: other}))
	code, _, _ := send(s, "POST", infer, body("[0.01,0.02,0,0,50,null]", `["a","b","c"]`, 3))
	require.Equal(t, http.StatusOK, code)
	wait(t, func() bool { return !(s.Stats().Compared == 0) })
	assert.Equal(t, uint64(3), s.Stats().Compared)
	assert.Equal(t, uint64(0), s.Stats().Disagreements)
	s.Shadow(&serve.Version{Name: "9", Model: &fake{factor: 2.1}})
	send(s, "POST", infer, body("[0.01,0.02,0,0,50,null]", `["a","b","c"]`, 3))
	wait(t, func() bool { return !(s.Stats().Compared == 3) })
	assert.Equal(t, uint64(2), s.Stats().Disagreements)
	s.Shadow(&serve.Version{Name: "10", Model: &fake{fail: errors.New("broken")}})
	send(s, "POST", infer, body("[0,0]", `["a"]`, 1))
	wait(t, func() bool { return !(s.Stats().ShadowErrors == 0) })
	assert.Equal(t, "10", s.Shadow(nil).Name)
}

// Drift compares the latest thousand rows with the first.
func TestDrift(t *testing.T) {
	s := start(t, serve.Config{}, &fake{factor: 1})
	thousand := func(from float64, label string) {
		var x, text bytes.Buffer
		for i := range 1000 {
			fmt.Fprintf(&x, ",%g,%d", from+float64(i%100), i%7)
			fmt.Fprintf(&text, ",%q", label+strconv.Itoa(i%2))
		}
		code, got, _ := send(s, "POST", infer, body("["+x.String()[1:]+"]", "["+text.String()[1:]+"]", 1000))
		require.Equal(t, http.StatusOK, code, got[:min(len(got), 200)])
	}
	thousand(100, "a")
	assert.Empty(t, s.Stats().Drift)
	thousand(100, "a")
	all := s.Stats().Drift
	require.Len(t, all, 5)
	for _, d := range all {
		assert.InDelta(t, 0, d.Index, 1e-9, d)
	}
	thousand(150, "b")
	all = s.Stats().Drift
	assert.Equal(t, "input x", all[0].Tensor)
	assert.Greater(t, all[0].Index, 0.25)
	assert.InDelta(t, 0, all[1].Index, 1e-9)
	assert.Equal(t, "output label", all[4].Tensor)
	assert.Greater(t, all[4].Index, 0.25)
	require.NoError(t, s.Swap(serve.Version{Name: "8", Model: &fake{}}))
	assert.Empty(t, s.Stats().Drift)
}

func FuzzInfer(f *testing.F) {
	f.Add(body("[1,2]", `["a"]`, 1), "")
	f.Add(`{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","parameters":{"binary_data_size":16}}]}0123456789012345`, "97")
	s, err := serve.New(serve.Config{Name: "shop", Log: slog.New(slog.DiscardHandler)}, serve.Version{Name: "7", Model: &fake{factor: 1}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body, length string) {
		r := httptest.NewRequest("POST", infer, strings.NewReader(body))
		if length != "" {
			r.Header["Inference-Header-Content-Length"] = []string{length}
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

func ExampleNew() {
	model := &fake{factor: 2} // as runtime.Open returns
	s, err := serve.New(serve.Config{Name: "shop"}, serve.Version{Name: "1", Model: model})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("POST", "/v2/models/shop/infer", strings.NewReader(`{"inputs": [
		{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]},
		{"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["warm"]}]}`)))
	fmt.Print(w.Body)
	// Output: {"model_name":"shop","model_version":"1","outputs":[{"name":"y","shape":[1,2],"datatype":"FP64","data":[2,4]},{"name":"label","shape":[1],"datatype":"BYTES","data":["warm"]}]}
}
