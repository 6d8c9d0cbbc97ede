package serve

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/internal/plainjson"
)

// lengthHeader is the header with the size of the JSON before binary tensors.
const lengthHeader = "Inference-Header-Content-Length"

// routes sets the handlers of the protocol.
func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /v2", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]any{"name": "attune", "version": "2", "extensions": []string{"binary_tensor_data"}})
	})
	s.mux.HandleFunc("GET /v2/health/live", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, map[string]bool{"live": true}) })
	s.mux.HandleFunc("GET /v2/health/ready", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]bool{"ready": true})
	})
	for _, model := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		s.mux.HandleFunc("GET "+model, s.named(s.metadata))
		s.mux.HandleFunc("GET "+model+"/ready", s.named(func(w http.ResponseWriter, _ *http.Request) {
			write(w, http.StatusOK, map[string]any{"name": s.config.Name, "ready": true})
		}))
		s.mux.HandleFunc("POST "+model+"/infer", s.named(s.answer))
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Errorf("%s %s is no request of the Open Inference Protocol, version 2", r.Method, r.URL.Path))
	})
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Route returns the pattern of a request, for metrics.
func (s *Server) Route(r *http.Request) string {
	_, pattern := s.mux.Handler(r)
	return pattern
}

func write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

// Refuse answers a request that is rejected before it reaches the server, in the protocol's form.
func Refuse(w http.ResponseWriter, text string, code int) { refuse(w, code, errors.New(text)) }

func refuse(w http.ResponseWriter, code int, err error) {
	write(w, code, map[string]string{"error": err.Error()})
}

// named refuses requests for another model or version.
func (s *Server) named(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if name := r.PathValue("model"); name != s.config.Name {
			refuse(w, http.StatusNotFound, fmt.Errorf("there is no model %q: this server has %q", name, s.config.Name))
			return
		}
		if v, live := r.PathValue("version"), s.Live(); v != "" && v != live {
			refuse(w, http.StatusNotFound, fmt.Errorf("version %q is not live: version %q is", v, live))
			return
		}
		h(w, r)
	}
}

// datatypes are the protocol's names of types.
var datatypes = map[string]string{"float32": "FP32", "float64": "FP64", "int64": "INT64", "string": "BYTES"}

type described struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

func describe(all []runtime.Info) []described {
	out := []described{}
	for _, i := range all {
		if t, ok := datatypes[i.Type]; ok {
			shape := i.Shape
			if shape == nil {
				shape = []int64{-1}
			}
			out = append(out, described{i.Name, t, shape})
		}
	}
	return out
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	write(w, http.StatusOK, map[string]any{"name": s.config.Name, "versions": []string{s.live.Name}, "platform": s.config.Platform,
		"inputs": describe(s.live.Model.Inputs()), "outputs": describe(s.live.Model.Outputs())})
}

// A request is the JSON of an inference.
type request struct {
	ID         string         `json:"id"`
	Parameters map[string]any `json:"parameters"`
	Inputs     []struct {
		Name       string          `json:"name"`
		Shape      []int64         `json:"shape"`
		Datatype   string          `json:"datatype"`
		Parameters map[string]any  `json:"parameters"`
		Data       json.RawMessage `json:"data"`
	} `json:"inputs"`
	Outputs []struct {
		Name       string         `json:"name"`
		Parameters map[string]any `json:"parameters"`
	} `json:"outputs"`
}

// A response is the JSON of predictions.
type response struct {
	Model   string     `json:"model_name"`
	Version string     `json:"model_version"`
	ID      string     `json:"id,omitempty"`
	Outputs []returned `json:"outputs"`
}

type returned struct {
	Name       string         `json:"name"`
	Shape      []int64        `json:"shape"`
	Datatype   string         `json:"datatype"`
	Parameters map[string]any `json:"parameters,omitempty"`
	Data       any            `json:"data,omitempty"`
}

// errRequest is a mistake of the client.
var errRequest = errors.New("wrong request")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errRequest, fmt.Errorf(format, args...))
}

// answer answers an inference.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	in, binaries, err := parse(r)
	var inputs tensor.List
	rows := 0
	if err == nil {
		s.mu.RLock()
		infos := s.live.Model.Inputs()
		outs := s.live.Model.Outputs()
		s.mu.RUnlock()
		inputs, rows, err = s.inputs(in, binaries, infos)
		for _, o := range in.Outputs {
			if err == nil && !has(outs, o.Name) {
				err = wrong("there is no output %q: it has %v", o.Name, outs)
			}
		}
	}
	var got result
	if err == nil {
		got = s.infer(r.Context(), inputs, rows)
		err = got.err
	}
	var large *http.MaxBytesError
	switch {
	case err == nil:
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the request has more than %d bytes: send fewer rows", large.Limit))
		return
	case errors.Is(err, errRequest), errors.Is(err, runtime.ErrInput):
		refuse(w, http.StatusBadRequest, err)
		return
	case errors.Is(err, ErrBusy), errors.Is(err, ErrClosed):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, err)
		return
	case r.Context().Err() != nil: // nobody listens
		refuse(w, http.StatusServiceUnavailable, err)
		return
	default:
		s.config.Log.Error("serve: the model failed", "model", s.config.Name, "error", err)
		refuse(w, http.StatusInternalServerError, errors.New("the model failed: the server's log says why"))
		return
	}
	s.respond(w, in, got)
}

func has(all []runtime.Info, name string) bool {
	for _, i := range all {
		if i.Name == name {
			return true
		}
	}
	return false
}

// parse reads the body of an inference: JSON, and binary tensors after it.
func parse(r *http.Request) (in request, binaries []byte, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return in, nil, err
	}
	if text := r.Header.Get(lengthHeader); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > len(body) {
			return in, nil, wrong("%s is %q, and the body has %d bytes", lengthHeader, text, len(body))
		}
		body, binaries = body[:n], body[n:]
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return in, nil, wrong("it is not JSON of the protocol: %w", plainjson.Explain(err))
	}
	return in, binaries, nil
}

// inputs converts the inputs of a request to those of the model. rows is their number, or 0 if the
// request cannot be joined with others.
func (s *Server) inputs(in request, binaries []byte, infos []runtime.Info) (list tensor.List, rows int, err error) {
	for _, given := range in.Inputs {
		at := -1
		for i, info := range infos {
			if info.Name == given.Name {
				at = i
			}
		}
		if _, twice := list.Named(given.Name); at < 0 || twice {
			return nil, 0, wrong("input %q is unknown or given twice: want %v", given.Name, infos)
		}
		n := int64(1)
		for _, d := range given.Shape {
			if d < 0 || d > 0 && n > math.MaxInt32/d {
				return nil, 0, wrong("input %q: shape %v", given.Name, given.Shape)
			}
			n *= d
		}
		t := tensor.Tensor{Name: given.Name, Shape: given.Shape}
		if size, ok := given.Parameters["binary_data_size"].(float64); ok {
			if size < 0 || size > float64(len(binaries)) || size != math.Trunc(size) {
				return nil, 0, wrong("input %q: binary_data_size %v, and %d bytes are left", given.Name, size, len(binaries))
			}
			t.Data, err = fromBinary(binaries[:int(size)], given.Datatype, int(n), infos[at].Type)
			binaries = binaries[int(size):]
		} else {
			t.Data, err = fromJSON(given.Data, given.Datatype, int(n), infos[at].Type)
		}
		if err != nil {
			return nil, 0, wrong("input %q: %w", given.Name, err)
		}
		info := infos[at]
		fits := info.Shape == nil || len(info.Shape) == len(t.Shape)
		for k := range info.Shape {
			fits = fits && (info.Shape[k] < 0 || info.Shape[k] == t.Shape[k])
		}
		if !fits {
			return nil, 0, wrong("input %q: shape %v, want %v", given.Name, t.Shape, info.Shape)
		}
		list = append(list, t)
	}
	if len(list) < len(infos) {
		for _, info := range infos {
			if _, ok := list.Named(info.Name); !ok {
				return nil, 0, wrong("input %v is missing", info)
			}
		}
	}
	// In the model's order, so that requests can be joined.
	ordered := make(tensor.List, len(infos))
	join := true
	for i, info := range infos {
		ordered[i], _ = list.Named(info.Name)
		join = join && len(info.Shape) > 0 && info.Shape[0] < 0
	}
	n, err := ordered.Rows()
	if err != nil {
		return nil, 0, wrong("%w", err)
	}
	if n > s.config.Rows {
		return nil, 0, wrong("%d rows: at most %d in a request", n, s.config.Rows)
	}
	if !join {
		n = 0
	}
	return ordered, n, nil
}

// respond writes predictions.
func (s *Server) respond(w http.ResponseWriter, in request, got result) {
	all, _ := in.Parameters["binary_data_output"].(bool)
	out := response{Model: s.config.Name, Version: got.version, ID: in.ID, Outputs: []returned{}}
	var binaries bytes.Buffer
	add := func(t tensor.Tensor, asBinary bool) {
		kind, _ := t.Kind()
		o := returned{Name: t.Name, Shape: t.Shape, Datatype: datatypes[kind]}
		if asBinary {
			before := binaries.Len()
			toBinary(&binaries, t)
			o.Parameters = map[string]any{"binary_data_size": binaries.Len() - before}
		} else {
			o.Data = toJSON(t)
		}
		out.Outputs = append(out.Outputs, o)
	}
	if len(in.Outputs) == 0 {
		for _, t := range got.outputs {
			add(t, all)
		}
	}
	for _, o := range in.Outputs {
		asBinary, ok := o.Parameters["binary_data"].(bool)
		if !ok {
			asBinary = all
		}
		if t, ok := got.outputs.Named(o.Name); ok {
			add(t, asBinary)
		}
	}
	if binaries.Len() == 0 {
		write(w, http.StatusOK, out)
		return
	}
	head, err := json.Marshal(out)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set(lengthHeader, strconv.Itoa(len(head)))
	_, _ = w.Write(head)
	_, _ = binaries.WriteTo(w)
}

// fromJSON reads n values, in one list or in nested ones, as the model's type. null is a missing
// number.
func fromJSON(data json.RawMessage, datatype string, n int, kind string) (any, error) {
	if len(data) == 0 {
		return nil, errors.New("there is no data")
	}
	isText := datatype == "BYTES"
	if isText != (kind == "string") {
		return nil, fmt.Errorf("datatype %q, want %s", datatype, datatypes[kind])
	}
	if !isText && !strings.HasPrefix(datatype, "FP") && !strings.HasPrefix(datatype, "INT") && !strings.HasPrefix(datatype, "UINT") && datatype != "BOOL" {
		return nil, fmt.Errorf("datatype %q is unknown: want %s", datatype, datatypes[kind])
	}
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	var texts []string
	var numbers []float64
	var ints []int64
	depth := 0
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		x := math.NaN()
		switch v := token.(type) {
		case json.Delim:
			if v == '{' || v == '}' {
				return nil, errors.New("an object where values belong")
			}
			if v == '[' {
				if depth++; depth > 16 {
					return nil, errors.New("lists within lists within lists")
				}
			} else {
				depth--
			}
			continue
		case string:
			if !isText {
				return nil, fmt.Errorf("the text %.60q, want a number", v)
			}
			texts = append(texts, v)
			continue
		case json.Number:
			if kind == "int64" {
				i, err := v.Int64()
				if err != nil {
					return nil, fmt.Errorf("%s: want a whole number", v)
				}
				ints = append(ints, i)
				continue
			}
			if x, err = v.Float64(); err != nil {
				return nil, fmt.Errorf("%s: want a number of 64 bits", v)
			}
		case bool:
			x = 0
			if v {
				x = 1
			}
		case nil:
		}
		if isText || kind == "int64" && x != x {
			return nil, fmt.Errorf("%v where a value of %s belongs", token, datatypes[kind])
		}
		numbers, ints = append(numbers, x), append(ints, int64(x))
		if kind != "int64" {
			ints = ints[:0]
		}
	}
	have := max(len(texts), len(numbers))
	if kind == "int64" {
		have = len(ints)
	}
	if have != n {
		return nil, fmt.Errorf("%d values, but the shape has %d", have, n)
	}
	switch kind {
	case "string":
		return texts, nil
	case "int64":
		return ints, nil
	}
	return typed(numbers, kind), nil
}

// typed returns numbers as the type of an input.
func typed(numbers []float64, kind string) any {
	switch kind {
	case "float32":
		out := make([]float32, len(numbers))
		for i, x := range numbers {
			out[i] = float32(x)
		}
		return out
	case "int64":
		out := make([]int64, len(numbers))
		for i, x := range numbers {
			out[i] = int64(x)
		}
		return out
	}
	return numbers
}

// fromBinary reads n values of the protocol's binary form, which is little-endian.
func fromBinary(data []byte, datatype string, n int, kind string) (any, error) {
	if (datatype == "BYTES") != (kind == "string") {
		return nil, fmt.Errorf("datatype %q, want %s", datatype, datatypes[kind])
	}
	if datatype == "BYTES" {
		var out []string
		for len(data) > 0 {
			if len(data) < 4 || int(binary.LittleEndian.Uint32(data)) > len(data)-4 {
				return nil, errors.New("a text that ends too early")
			}
			size := int(binary.LittleEndian.Uint32(data))
			out, data = append(out, string(data[4:4+size])), data[4+size:]
		}
		if len(out) != n {
			return nil, fmt.Errorf("%d texts, but the shape has %d", len(out), n)
		}
		return out, nil
	}
	if (datatype == "INT64") != (kind == "int64") {
		return nil, fmt.Errorf("datatype %q, want %s", datatype, datatypes[kind])
	}
	size := map[string]int{"FP32": 4, "FP64": 8, "INT64": 8}[datatype]
	if size == 0 {
		return nil, fmt.Errorf("datatype %q in binary form: want %s", datatype, datatypes[kind])
	}
	if len(data) != n*size {
		return nil, fmt.Errorf("%d bytes, but the shape has %d values of %d", len(data), n, size)
	}
	if datatype == "INT64" {
		out := make([]int64, n)
		for i := range out {
			out[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
		}
		return out, nil
	}
	numbers := make([]float64, n)
	for i := range numbers {
		if size == 4 {
			numbers[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		} else {
			numbers[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
		}
	}
	return typed(numbers, kind), nil
}

// toBinary writes a tensor in the protocol's binary form.
func toBinary(w *bytes.Buffer, t tensor.Tensor) {
	var b []byte
	switch data := t.Data.(type) {
	case []float32:
		for _, x := range data {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	case []float64:
		for _, x := range data {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
	case []int64:
		for _, x := range data {
			b = binary.LittleEndian.AppendUint64(b, uint64(x))
		}
	case []string:
		for _, x := range data {
			b = append(binary.LittleEndian.AppendUint32(b, uint32(len(x))), x...)
		}
	}
	w.Write(b)
}

// toJSON returns the values of a tensor for JSON, which has no NaN and no infinities: they are
// null.
func toJSON(t tensor.Tensor) any {
	finite := true
	_, n := t.Kind()
	var numbers []float64
	switch t.Data.(type) {
	case []float32, []float64:
		numbers = t.Floats()
	}
	for _, x := range numbers {
		finite = finite && !math.IsNaN(x) && !math.IsInf(x, 0)
	}
	if finite {
		return t.Data
	}
	out := make([]any, n)
	for i, x := range numbers {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			out[i] = x
			if f, ok := t.Data.([]float32); ok {
				out[i] = f[i]
			}
		}
	}
	return out
}
