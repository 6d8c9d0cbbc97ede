package spaceyaml

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/attune-hpo/attune/space"
)

var (
	numeral = regexp.MustCompile(`^[-+]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)
	sixties = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`)
	octal   = regexp.MustCompile(`^[-+]?0[0-9]+$`)
	plain   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)
)

// words are what YAML 1.1 or 1.2 gives a meaning of its own, in lower case, and
// the literal it has here; none where readers disagree.
var words = map[string]space.Literal{
	"null": "null", "~": "null", "true": "true", "false": "false",
	".nan": "NaN", ".inf": "Infinity", "+.inf": "Infinity", "-.inf": "-Infinity",
	"yes": "", "no": "", "on": "", "off": "",
}

// text returns the string n.
func text(n *yaml.Node) (string, error) {
	if why := reason(n); why != "" {
		return "", wrong(n, "%s", why)
	}
	l, _ := scalar(follow(n))
	s, _ := l.Any().(string)
	return s, nil
}

// reason says why n is not a string; empty if it is one.
func reason(n *yaml.Node) string {
	l, why := scalar(follow(n))
	if why != "" {
		return why
	}
	if s, ok := l.Any().(string); !ok || l[0] != '"' {
		return fmt.Sprintf("want a name, not the value %s: write it in quotes", l)
	} else if s == "" {
		return "want a name, not an empty string"
	}
	return ""
}

// scalar returns the literal of n, or why it has none.
func scalar(n *yaml.Node) (l space.Literal, why string) {
	if n.Kind != yaml.ScalarNode {
		return "", "want a single value"
	}
	v := n.Value
	if n.Style&yaml.TaggedStyle != 0 {
		if n.ShortTag() != "!!str" {
			return "", fmt.Sprintf("tag %s: write the value without it", n.Tag)
		}
		return space.Lit(v), ""
	}
	if n.Style != 0 {
		return space.Lit(v), ""
	}
	word, special := words[strings.ToLower(v)]
	switch {
	case v == "":
		return "", `the value is missing: write null or ""`
	case special && word != "":
		return word, ""
	case special:
		return "", fmt.Sprintf("%s is true or false to some readers and a word to others: write %q, or true or false", v, v)
	case octal.MatchString(v):
		return "", fmt.Sprintf("%s is octal to some readers and decimal to others: write it without the zero, or %q", v, v)
	case numeral.MatchString(v):
		return number(v)
	case sixties.MatchString(v) || n.ShortTag() != "!!str":
		return "", fmt.Sprintf("%s is a number or a date to some readers and a word to others: write %q, or a decimal number", v, v)
	}
	return space.Lit(v), ""
}

// number returns the literal of a decimal numeral.
func number(v string) (space.Literal, string) {
	if !strings.ContainsAny(v, ".eE") {
		l, err := space.ParseLiteral(strings.TrimPrefix(v, "+"))
		if err != nil {
			return "", err.Error()
		}
		return l, ""
	}
	x, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return "", fmt.Sprintf("%s is beyond a float64: write .inf if that is meant", v)
	}
	return space.Lit(x), ""
}

// format returns l as YAML that every reader understands alike.
func format(l space.Literal) (string, error) {
	switch v := l.Any().(type) {
	case nil, bool, int64:
		return string(l), nil
	case string:
		if l == "" || l[0] != '"' {
			return "", fmt.Errorf("%w: %.60q is not a literal: write it with space.Lit", space.ErrInvalid, string(l))
		}
		return quote(v), nil
	case float64:
		if strings.Trim(string(l), "-0123456789") == "" { // an integer beyond an int64
			return string(l), nil
		}
		return formatFloat(v), nil
	}
	return "", fmt.Errorf("%w: %.60s is not a scalar", space.ErrInvalid, string(l))
}

// formatFloat writes x with a point, which YAML 1.1 wants in a float.
func formatFloat(x float64) string {
	switch {
	case math.IsNaN(x):
		return ".nan"
	case math.IsInf(x, 1):
		return ".inf"
	case math.IsInf(x, -1):
		return "-.inf"
	}
	s := string(space.Lit(x))
	if mantissa, exponent, ok := strings.Cut(s, "e"); ok && !strings.Contains(mantissa, ".") {
		return mantissa + ".0e" + exponent
	}
	return s
}

// quote returns s plain if nobody can take it for anything but a word, and in
// double quotes otherwise.
func quote(s string) string {
	lower := strings.ToLower(s)
	if _, special := words[lower]; plain.MatchString(s) && !special && lower != "y" && lower != "n" && lower != "nan" && lower != "inf" {
		return s
	}
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case unicode.IsPrint(r):
			b = append(b, string(r)...)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return string(append(b, '"'))
}
