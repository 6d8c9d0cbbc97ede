package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// declaredKey is the attribute of a study that holds its declared space: a declared as JSON.
const declaredKey = "declared"

// A declared is the space of a study, for whichever server opens it next.
type declared struct {
	Version    int             `json:"version"` // 1
	Parameters json.RawMessage `json:"parameters"`
}

// errUndeclared reports a study without a declared space.
var errUndeclared = errors.New("the parameters of this study are not declared")

// declaredIn returns the space in the attributes of a study, and its parameters as JSON. Both are
// empty if there is none.
func declaredIn(attrs trial.Attrs) (space.Space, json.RawMessage, error) {
	a, ok := attrs.Get(declaredKey)
	if !ok {
		return nil, nil, nil
	}
	var d declared
	if err := a.Decode(&d); err != nil || d.Version != 1 {
		return nil, nil, fmt.Errorf("attribute %q cannot be read: another version of attune wrote it", declaredKey)
	}
	s, err := readSpace(d.Parameters)
	return s, d.Parameters, err
}

// readSpace reads parameters in JSON, a list of what package spaceyaml reads.
func readSpace(parameters json.RawMessage) (space.Space, error) {
	list, err := pyjson.Parse(string(parameters))
	if err != nil && len(parameters) > 0 {
		return nil, fmt.Errorf("%w: parameters: %w", space.ErrInvalid, err)
	}
	if err != nil || list.Kind != pyjson.List || len(list.List) == 0 {
		return nil, fmt.Errorf(`%w: want "parameters", a list of at least one`, space.ErrInvalid)
	}
	// JSON is YAML except for some escapes. With one parameter a line, the number of a line is that of a parameter.
	text := []byte("parameters:\n")
	for _, p := range list.List {
		text = append(appendYAML(append(text, "- "...), p), '\n')
	}
	s, err := spaceyaml.Read(bytes.NewReader(text))
	if err != nil {
		return nil, fault.Mark(errors.New(byParameter(fault.Text(err, nil))), space.ErrInvalid)
	}
	return s, nil
}

// appendYAML appends a value as JSON whose strings hold what YAML can read: their characters, not
// pairs of surrogates.
func appendYAML(b []byte, v pyjson.Value) []byte {
	str := func(b []byte, s string) []byte {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		_ = e.Encode(s) // a string can be encoded
		return append(b, bytes.TrimSpace(out.Bytes())...)
	}
	switch v.Kind {
	case pyjson.List:
		b = append(b, '[')
		for i, child := range v.List {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendYAML(b, child)
		}
		return append(b, ']')
	case pyjson.Object:
		b = append(b, '{')
		for i, m := range v.Members {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendYAML(append(str(b, m.Key), ": "...), m.Value)
		}
		return append(b, '}')
	case pyjson.String:
		s, _ := v.Str()
		return str(b, s)
	}
	return append(b, v.Text...)
}

var line = regexp.MustCompile(`(read: )?line (\d+): `)

// byParameter returns the text of an error with the position of a parameter, from 0 as in JSON, in place of its line.
func byParameter(text string) string {
	return line.ReplaceAllStringFunc(text, func(at string) string {
		n, _ := strconv.Atoi(line.FindStringSubmatch(at)[2])
		return fmt.Sprintf("parameters[%d]: ", n-2)
	})
}

// same reports whether two spaces are declared alike, conditions included.
func same(a, b space.Space) bool {
	var x, y strings.Builder
	return spaceyaml.Write(&x, a) == nil && spaceyaml.Write(&y, b) == nil && x.String() == y.String()
}

// config returns how the server opens a study with a declared space.
func (s *Server) config(declared space.Space) study.Config {
	return study.Config{Sampler: s.cfg.Sampler, Pruner: s.cfg.Pruner, Space: declared,
		Grace: s.cfg.Grace, Revivals: s.cfg.Revivals, Renewal: study.ByCaller}
}

// declare creates a study with its space, or declares the space of one that has none. It changes nothing if the study
// is as requested.
func (s *Server) declare(w http.ResponseWriter, r *http.Request) error {
	name, err := named(r, "study")
	if err != nil {
		return err
	}
	var q struct {
		Parameters json.RawMessage `json:"parameters"`
		Directions []string        `json:"directions"`
		Metrics    []string        `json:"metrics"`
		Seed       uint64          `json:"seed"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	space, err := readSpace(q.Parameters)
	if err != nil {
		return problem{http.StatusBadRequest, fault.Text(err, nil), spaceHint}
	}
	cfg := s.config(space)
	cfg.Metrics, cfg.Seed = q.Metrics, q.Seed
	for _, d := range q.Directions {
		switch d {
		case trial.Minimize.String():
			cfg.Directions = append(cfg.Directions, trial.Minimize)
		case trial.Maximize.String():
			cfg.Directions = append(cfg.Directions, trial.Maximize)
		default:
			return problem{http.StatusBadRequest, fmt.Sprintf("direction %q", d), "use minimize or maximize"}
		}
	}
	s.declaring.Lock()
	defer s.declaring.Unlock()
	code := http.StatusCreated
	st, err := study.Create(r.Context(), s.studies.store, name, cfg)
	if errors.Is(err, storage.ErrExist) {
		code = http.StatusOK
		st, err = study.Load(r.Context(), s.studies.store, name, cfg)
		if errors.Is(err, study.ErrConfig) {
			return problem{http.StatusConflict, fault.Text(err, unsaid), otherName}
		}
	}
	if err != nil {
		return err
	}
	err = errors.Join(agree(r.Context(), st, space, q.Parameters), st.Close())
	s.studies.forgetName(name)
	if err != nil {
		return err
	}
	return s.studies.use(r.Context(), name, func(o *opened) error { return describe(r.Context(), w, code, o) })
}

// otherName is the advice for a study that differs from the request.
const otherName = "GET /v1/studies/{study} shows what it is; give another study another name"

const spaceHint = `a parameter is {"name": "lr", "type": "float", "low": 1e-5, "high": 0.1, "log": true}, an int alike, or {"name": "kind", "type": "categorical", "choices": ["a", "b"]}`

// agree stores a declared space with a study. It fails if the study has another one.
func agree(ctx context.Context, st *study.Study, s space.Space, parameters json.RawMessage) error {
	was, _, err := declaredIn(st.Header().Attrs)
	switch {
	case err != nil:
		return err
	case was == nil:
		return st.SetAttr(ctx, declaredKey, declared{1, parameters})
	case !same(was, s):
		return problem{http.StatusConflict, "the study has other parameters", otherName}
	}
	return nil
}
