package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// answer sends a value as JSON on one line.
func answer(w http.ResponseWriter, code int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(text, '\n')) // a client that is gone needs no answer
	return nil
}

// A problem is an answer to a request that is refused: what is wrong, and what to do.
type problem struct {
	code int
	text string
	hint string
}

func (p problem) Error() string { return p.text }

// Refuse sends an error in the form of the server's own errors, {"error": text, "hint": hint}, for handlers in front
// of it.
func Refuse(w http.ResponseWriter, code int, text, hint string) {
	refuse(w, problem{code, text, hint})
}

func refuse(w http.ResponseWriter, p problem) {
	if p.code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	_ = answer(w, p.code, struct {
		Error string `json:"error"`
		Hint  string `json:"hint"`
	}{p.text, p.hint})
}

// refusals has the status and the advice for each error.
var refusals = []struct {
	err  error
	code int
	hint string
}{
	{storage.ErrNotExist, http.StatusNotFound, "GET /v1/studies lists the studies; PUT /v1/studies/{study} creates one"},
	{storage.ErrNoTrial, http.StatusNotFound, "POST /v1/studies/{study}/trials begins a trial"},
	{study.ErrNoTrial, http.StatusNotFound, "ask again when a trial is complete"},
	{study.ErrObjectives, http.StatusConflict, "use front instead of best, and report values instead of value, for a study of several objectives"},
	{errUndeclared, http.StatusConflict, "declare them with PUT /v1/studies/{study}"},
	{sampler.ErrExhausted, http.StatusGone, "every configuration has been tried: stop asking"},
	{trial.ErrFinished, http.StatusConflict, "stop, and ask for another trial under a new key; if the worker was slow, send heartbeats more often"},
	{trial.ErrReport, http.StatusConflict, "report each step once, from 0"},
	{trial.ErrValues, http.StatusBadRequest, "give one number for each objective; tell the state failed if there is none"},
	{space.ErrMismatch, http.StatusConflict, "the study has trials with other parameters of these names: give another study another name"},
	{storage.ErrReserved, http.StatusBadRequest, "use another key"},
	{space.ErrInvalid, http.StatusBadRequest, "GET /v1/openapi.json describes what may be sent"},
	{study.ErrConfig, http.StatusBadRequest, "GET /v1/openapi.json describes what may be sent"},
	{storage.ErrReadOnly, http.StatusForbidden, "the server may only read its storage"},
	{storage.ErrAccess, http.StatusForbidden, "the server's user lacks this right in the database"},
	{storage.ErrBusy, http.StatusServiceUnavailable, "try again"},
	{storage.ErrUnreachable, http.StatusServiceUnavailable, "try again"},
	{storage.ErrClosed, http.StatusServiceUnavailable, "the server is ending: try again"},
	{context.Canceled, http.StatusServiceUnavailable, "the server is ending: try again"},
	{storage.ErrFull, http.StatusInsufficientStorage, "make room where the server keeps its studies"},
}

// problemOf returns the answer to a request that failed.
func problemOf(err error) problem {
	if p, ok := errors.AsType[problem](err); ok {
		return p
	}
	text := fault.Text(err, unsaid)
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return problem{r.code, text, r.hint}
		}
	}
	return problem{http.StatusInternalServerError, text, "this is an error of the server or its storage"}
}

// unsaid omits hints, which are for Go programs.
func unsaid(fault.Hint) string { return "" }

// decode reads the JSON object of a request, without keys that dst lacks.
func decode(r *http.Request, dst any) error {
	text, err := body(r)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err = d.Decode(dst); err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		return problem{http.StatusBadRequest, "the body: " + strings.TrimPrefix(err.Error(), "json: "), bodyHint}
	}
	return nil
}

const bodyHint = "send a JSON object as GET /v1/openapi.json describes it"

// body reads what a request sends, which is text of bounded length.
func body(r *http.Request) ([]byte, error) {
	large := problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", bodyBytes), "send less at once"}
	if r.ContentLength > bodyBytes {
		return nil, large
	}
	text, err := io.ReadAll(r.Body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, large
	}
	if err != nil {
		return nil, problem{http.StatusBadRequest, "the body ended early", "send it again"}
	}
	if !utf8.Valid(text) {
		return nil, problem{http.StatusBadRequest, "the body is not UTF-8", bodyHint}
	}
	return text, nil
}

// named returns a name in a path: that of a study, or the key of an attribute.
func named(r *http.Request, part string) (string, error) {
	name := r.PathValue(part)
	return name, checkName(part, name)
}

func checkName(what, name string) error {
	if name == "" || len(name) > nameBytes || !utf8.ValidString(name) {
		return problem{http.StatusBadRequest, fmt.Sprintf("the %s has %d bytes", what, len(name)),
			fmt.Sprintf("use 1 to %d bytes of UTF-8", nameBytes)}
	}
	return nil
}

// number returns the number of a trial in a path.
func number(r *http.Request) (int, error) {
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || n < 0 {
		return 0, problem{http.StatusBadRequest, "the number of a trial is a whole number from 0", "use the number in the answer of the request that began it"}
	}
	return n, nil
}

// whole returns a whole number in the query of a request, from least to most.
func whole(r *http.Request, key string, fallback, least, most int) (int, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, problem{http.StatusBadRequest, "the query: " + key, fmt.Sprintf("use a whole number from %d to %d", least, most)}
	}
	return n, nil
}

// A float is a number in the form of doc/format/record.md, where "NaN", "Infinity" and "-Infinity"
// are numbers too.
type float float64

// UnmarshalJSON implements [json.Unmarshaler].
func (f *float) UnmarshalJSON(text []byte) error {
	switch t := string(text); t {
	case `"NaN"`, `"Infinity"`, `"-Infinity"`:
		text = text[1 : len(text)-1]
	default:
		if text[0] != '-' && (text[0] < '0' || text[0] > '9') {
			return errors.New(`want a number, "NaN", "Infinity" or "-Infinity"`)
		}
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return fmt.Errorf("%s is not a number of 64 bits", text)
	}
	*f = float(x)
	return nil
}
