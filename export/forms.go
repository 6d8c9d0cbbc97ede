package export

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
)

// A Form is a way in which a program takes parameters.
type Form string

const (
	JSON   Form = "json"   // an object
	YAML   Form = "yaml"   // a mapping
	Go     Form = "go"     // a map literal
	Python Form = "python" // a dict literal
	Flags  Form = "flags"  // arguments of a command line, quoted for a shell
)

// Forms returns all forms, in the order in which to offer them.
func Forms() []Form { return []Form{JSON, YAML, Python, Go, Flags} }

// Settings writes settings in a form, in their order. It fails with an error that wraps
// [space.ErrOutside], and writes nothing, for a value that the form lacks: JSON has no
// NaN and no infinities. It fails with [space.ErrInvalid] for an unknown form.
func Settings(w io.Writer, f Form, settings []space.Setting) error {
	var b []byte
	var err error
	switch f {
	case JSON:
		b, err = jsonObject(settings)
	case YAML:
		err = spaceyaml.WriteSettings(w, settings)
	case Go:
		b = literal("map[string]any{\n", "\t", "}\n", settings, goValue)
	case Python:
		b = literal("{\n", "    ", "}\n", settings, pythonValue)
	case Flags:
		b = flagsOf(settings)
	default:
		err = fmt.Errorf("%w: no form is called %q", space.ErrInvalid, string(f))
	}
	if err == nil && b != nil {
		_, err = w.Write(b)
	}
	if err != nil {
		return pkg.Errorf("settings: %w", err)
	}
	return nil
}

func jsonObject(settings []space.Setting) ([]byte, error) {
	b := []byte("{")
	for i, s := range settings {
		if !json.Valid([]byte(s.Value)) {
			return nil, fmt.Errorf("parameter %q: %w: JSON has no %s: write YAML", s.Name, space.ErrOutside, string(s.Value))
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n  "...)
		b = pyjson.AppendString(b, s.Name)
		b = append(b, ": "+string(s.Value)...)
	}
	if len(settings) > 0 {
		b = append(b, '\n')
	}
	return append(b, "}\n"...), nil
}

// literal writes a line for each setting, its key quoted as Go and Python both read it.
func literal(begin, indent, end string, settings []space.Setting, value func(any) string) []byte {
	b := []byte(begin)
	for _, s := range settings {
		b = append(b, indent+strconv.Quote(s.Name)+": "+value(s.Value.Any())+",\n"...)
	}
	return append(b, end...)
}

// goValue returns a Go expression. Integers and floats keep their types.
func goValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return strconv.Quote(v)
	case float64:
		switch {
		case math.IsNaN(v):
			return "math.NaN()"
		case math.IsInf(v, 0):
			return fmt.Sprintf("math.Inf(%d)", int(math.Copysign(1, v)))
		}
		return decimal(v)
	}
	return fmt.Sprint(v)
}

// pythonValue returns a Python expression.
func pythonValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return strconv.Quote(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprintf("float(%q)", strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(v, 'g', -1, 64)), "+"))
		}
		return decimal(v)
	}
	return fmt.Sprint(v)
}

// decimal writes a float such that it is not taken for an integer.
func decimal(v float64) string {
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// flagsOf writes --name=value for each setting, on one line.
func flagsOf(settings []space.Setting) []byte {
	var args []string
	for _, s := range settings {
		args = append(args, quoted("--"+s.Name+"="+s.Value.String()))
	}
	return []byte(strings.Join(args, " ") + "\n")
}

// quoted returns a word as a POSIX shell reads it.
func quoted(word string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=.,/:+@%", r)
	}
	if !slices.ContainsFunc([]rune(word), func(r rune) bool { return !safe(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
