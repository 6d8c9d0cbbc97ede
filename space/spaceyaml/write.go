package spaceyaml

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/space"
)

// Write writes s, one parameter a line, and then its constraints, if it has any. [Read] returns it normalized. If s is invalid,
// or has a name or a choice that YAML cannot hold, Write writes nothing and fails with
// an error that wraps [space.ErrInvalid]: a name must be UTF-8 and not too long for a
// key, and a choice must be a scalar.
func Write(w io.Writer, s space.Space) error {
	s, err := s.Normalize()
	if err != nil {
		return pkg.Errorf("%w", err)
	}
	b := []byte("parameters:")
	if len(s) == 0 {
		b = append(b, " []"...)
	}
	b = append(b, '\n')
	for _, a := range s {
		line, err := formatAxis(a)
		if err != nil {
			return pkg.Errorf("parameter %q: %w", a.Name, err)
		}
		b = append(append(append(b, "  - {"...), line...), "}\n"...)
	}
	if rules := s.Constraints(); len(rules) > 0 {
		b = append(b, "constraints:\n"...)
		for _, c := range rules {
			b = fmt.Appendf(b, "  - %s\n", quote(c.Text))
		}
	}
	return write(w, b)
}

func write(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return pkg.Errorf("%w", err)
	}
	return nil
}

func formatAxis(a space.Axis) (string, error) {
	name, err := formatKey(a.Name)
	if err != nil {
		return "", err
	}
	log, line := false, "name: "+name
	switch d := a.Distribution.(type) {
	case space.FloatDistribution:
		line += fmt.Sprintf(", type: float, low: %s, high: %s", formatFloat(d.Low), formatFloat(d.High))
		if d.Step != 0 {
			line += ", step: " + formatFloat(d.Step)
		}
		log = d.Log
	case space.IntDistribution:
		line += fmt.Sprintf(", type: int, low: %d, high: %d", d.Low, d.High)
		if d.Step != 1 {
			line += fmt.Sprintf(", step: %d", d.Step)
		}
		log = d.Log
	case *space.CategoricalDistribution:
		choices, err := formatList(d.Choices)
		if err != nil {
			return "", err
		}
		line += ", type: categorical, choices: " + choices
	}
	if log {
		line += ", log: true"
	}
	if p := a.Prior; p != nil {
		switch {
		case len(p.Weights) > 0:
			texts := make([]string, len(p.Weights))
			for i, w := range p.Weights {
				texts[i] = formatFloat(w)
			}
			line += ", prior: {weights: [" + strings.Join(texts, ", ") + "]}"
		case p.Log:
			line += fmt.Sprintf(", prior: {median: %s, factor: %s}", formatFloat(p.Mean), formatFloat(p.Dev))
		default:
			line += fmt.Sprintf(", prior: {mean: %s, dev: %s}", formatFloat(p.Mean), formatFloat(p.Dev))
		}
	}
	if len(a.When) == 0 {
		return line, nil
	}
	when, err := formatConditions(a.When)
	return line + ", when: " + when, err
}

// formatKey returns a name, which YAML wants within 1024 bytes.
func formatKey(name string) (string, error) {
	key := quote(name)
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("%w: the name is not UTF-8", space.ErrInvalid)
	}
	if len(key) > 1000 {
		return "", fmt.Errorf("%w: the name has %d bytes, and YAML takes 1000: shorten it", space.ErrInvalid, len(key))
	}
	return key, nil
}

func formatList(ls []space.Literal) (string, error) {
	texts := make([]string, len(ls))
	for i, l := range ls {
		var err error
		if texts[i], err = format(l); err != nil {
			return "", err
		}
	}
	return "[" + strings.Join(texts, ", ") + "]", nil
}

// formatConditions writes a mapping, or a list of them if a parameter has several.
func formatConditions(when []space.Condition) (string, error) {
	texts, twice := make([]string, len(when)), false
	for i, c := range when {
		twice = twice || slices.ContainsFunc(when[:i], func(b space.Condition) bool { return b.Name == c.Name })
		key, err := formatKey(c.Name)
		if err != nil {
			return "", err
		}
		value, err := formatCondition(c)
		if err != nil {
			return "", err
		}
		texts[i] = key + ": " + value
	}
	if twice {
		return "[{" + strings.Join(texts, "}, {") + "}]", nil
	}
	return "{" + strings.Join(texts, ", ") + "}", nil
}

func formatCondition(c space.Condition) (string, error) {
	switch {
	case len(c.Values) == 1:
		return format(c.Values[0])
	case len(c.Values) > 1:
		return formatList(c.Values)
	case math.IsInf(c.High, 1):
		return "{min: " + formatFloat(c.Low) + "}", nil
	case math.IsInf(c.Low, -1):
		return "{max: " + formatFloat(c.High) + "}", nil
	}
	return fmt.Sprintf("{min: %s, max: %s}", formatFloat(c.Low), formatFloat(c.High)), nil
}

// WriteSettings writes settings as a mapping of names to values, in order, for a
// training job to read. It fails as [Write] does, and if a name is set twice; then it
// writes nothing.
func WriteSettings(w io.Writer, settings []space.Setting) error {
	if name, twice := space.Settings(settings).Twice(); twice {
		return pkg.Errorf("setting %q: %w: it is duplicated", name, space.ErrInvalid)
	}
	var b []byte
	for _, s := range settings {
		key, err := formatKey(s.Name)
		if err != nil {
			return pkg.Errorf("setting %q: %w", s.Name, err)
		}
		value, err := format(s.Value)
		if err != nil {
			return pkg.Errorf("setting %q: %w", s.Name, err)
		}
		b = fmt.Appendf(b, "%s: %s\n", key, value)
	}
	if len(settings) == 0 {
		b = []byte("{}\n")
	}
	return write(w, b)
}

// ReadSettings reads a mapping of names to values, in YAML or JSON, and keeps its
// order. It fails as [Read] does.
func ReadSettings(r io.Reader) ([]space.Setting, error) {
	all, err := io.ReadAll(r)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	// JSON is all but a subset of YAML; its surrogate pairs are not.
	if v, err := pyjson.Parse(string(all)); err == nil && v.Kind == pyjson.Object {
		return settingsOf(v)
	}
	root, err := document(string(all))
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	es, err := mapping(root)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	out := make([]space.Setting, len(es))
	for i, e := range es {
		l, why := scalar(e.node)
		if why != "" {
			return nil, pkg.Errorf("%w", wrong(e.at, "setting %q: %s", e.key, why))
		}
		out[i] = space.Setting{Name: e.key, Value: l}
	}
	return out, nil
}

func settingsOf(object pyjson.Value) ([]space.Setting, error) {
	out := make(space.Settings, len(object.Members))
	for i, m := range object.Members {
		switch {
		case m.Key == "":
			return nil, pkg.Errorf("%w: setting %d has no name", space.ErrInvalid, i+1)
		case m.Value.Kind == pyjson.List || m.Value.Kind == pyjson.Object:
			return nil, pkg.Errorf("setting %q: %w: want a single value, not %.60s", m.Key, space.ErrInvalid, m.Value)
		}
		out[i] = space.Setting{Name: m.Key, Value: space.Literal(m.Value.Text)}
	}
	if name, twice := out.Twice(); twice {
		return nil, pkg.Errorf("setting %q: %w: it is duplicated", name, space.ErrInvalid)
	}
	return out, nil
}
