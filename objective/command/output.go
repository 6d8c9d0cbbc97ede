package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/trial"
)

// A message is a line of output for the study.
type message struct {
	step        int // -1 if the line has none
	values      []float64
	named       map[int]float64 // values of single objectives
	constraints []trial.Constraint
	attrs       []attr
}

// An attr is an attribute whose value can be written as JSON.
type attr struct {
	key   string
	value any
}

// prefix begins a line for the study.
const prefix = "attune:"

// A reader finds messages in lines of output.
type reader struct {
	metrics []string
	matches []*regexp.Regexp
}

// read returns the message of a line. ok is false if the line has none. The prefix counts
// only in standard output; the regular expressions apply to both outputs.
func (r reader) read(line string, standard bool) (m message, ok bool, err error) {
	if text, found := strings.CutPrefix(strings.TrimLeft(line, " \t"), prefix); found && standard {
		m, err := r.parse(text)
		if err != nil {
			return m, true, fmt.Errorf("%w: line %s: %w", ErrOutput, shorten(strings.TrimSpace(line)), err)
		}
		return m, true, nil
	}
	for _, re := range r.matches {
		if groups := re.FindStringSubmatch(line); groups != nil {
			m, err := r.matched(re, groups)
			if err != nil {
				return m, true, fmt.Errorf("%w: line %s, found by %q: %w", ErrOutput, shorten(strings.TrimSpace(line)), re, err)
			}
			return m, len(m.values)+len(m.named) > 0, nil
		}
	}
	return message{}, false, nil
}

// shorten quotes a line for people.
func shorten(line string) string {
	const most = 120
	if len(line) > most {
		return strconv.Quote(line[:most]) + "..."
	}
	return strconv.Quote(line)
}

// parse reads the text after the prefix: pairs KEY=VALUE with spaces between them.
func (r reader) parse(text string) (message, error) {
	m := message{step: -1}
	empty := true
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" {
			break
		}
		empty = false
		key, rest, ok := strings.Cut(text, "=")
		if !ok || strings.ContainsAny(key, " \t") {
			word, _, _ := strings.Cut(text, " ")
			return m, fmt.Errorf("%q is no KEY=VALUE", word)
		}
		value, after, err := cutValue(rest)
		if err == nil {
			err = r.set(&m, key, value)
		}
		if err != nil {
			return m, fmt.Errorf("%s: %w", key, err)
		}
		text = after
	}
	if empty {
		return m, errors.New("want KEY=VALUE, such as value=0.39")
	}
	return m, m.check()
}

// cutValue returns the value at the beginning of text, and the rest. A value is a JSON
// string, list or object, or ends at a space.
func cutValue(text string) (value, rest string, err error) {
	if text != "" && strings.Contains(`"[{`, text[:1]) {
		d := json.NewDecoder(strings.NewReader(text))
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return "", "", fmt.Errorf("%s is not JSON: %w", shorten(text), err)
		}
		rest := text[d.InputOffset():]
		if rest != "" && !strings.HasPrefix(rest, " ") && !strings.HasPrefix(rest, "\t") {
			return "", "", fmt.Errorf("%s: want a space after the value", shorten(text))
		}
		return string(raw), rest, nil
	}
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		return text[:i], text[i:], nil
	}
	return text, "", nil
}

// set applies a pair to m.
func (r reader) set(m *message, key, value string) (err error) {
	if name, ok := strings.CutPrefix(key, "constraint."); ok && name != "" {
		x, err := number(value)
		m.constraints = append(m.constraints, trial.Constraint{Name: name, Value: x})
		return err
	}
	if name, ok := strings.CutPrefix(key, "attr."); ok && name != "" {
		m.attrs = append(m.attrs, attr{name, attribute(value)})
		return nil
	}
	switch i := slices.Index(r.metrics, key); {
	case key == "step":
		if m.step, err = strconv.Atoi(value); err != nil || m.step < 0 {
			return fmt.Errorf("%q: want a whole number from 0", value)
		}
	case key == "value":
		m.values = nil
		for _, one := range strings.Split(value, ",") {
			x, err := number(one)
			if err != nil {
				return err
			}
			m.values = append(m.values, x)
		}
	case i >= 0:
		x, err := number(value)
		if err != nil {
			return err
		}
		if m.named == nil {
			m.named = map[int]float64{}
		}
		m.named[i] = x
	default:
		want := slices.Concat([]string{"step", "value"}, r.metrics, []string{"constraint.NAME", "attr.NAME"})
		return fmt.Errorf("unknown key: want one of %s", strings.Join(want, ", "))
	}
	return nil
}

// check fails if the parts of m contradict each other.
func (m message) check() error {
	switch {
	case len(m.values) > 0 && len(m.named) > 0:
		return errors.New("give value, or objectives by their names")
	case m.step >= 0 && len(m.values)+len(m.named) == 0:
		return errors.New("a step has no value")
	}
	return nil
}

// number reads a number. NaN, inf and -inf are numbers.
func number(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN(), fmt.Errorf("%s: want a number", shorten(text))
	}
	return x, nil
}

// attribute parses text as JSON, or else as a number, or else returns it as text.
func attribute(text string) any {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	if x, err := number(text); err == nil {
		return x
	}
	return text
}

// matched returns the message of a line that matches a regular expression. It has no values
// if their groups did not match.
func (r reader) matched(re *regexp.Regexp, groups []string) (message, error) {
	m := message{step: -1}
	for i, name := range re.SubexpNames() {
		if i == 0 || i >= len(groups) || groups[i] == "" {
			continue
		}
		if name == "" {
			if re.NumSubexp() > 1 {
				continue
			}
			name = "value"
		}
		if err := r.set(&m, name, groups[i]); err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(m.values)+len(m.named) == 0 {
		return m, nil
	}
	return m, m.check()
}

// checkMatch fails if a regular expression cannot give a message.
func (r reader) checkMatch(re *regexp.Regexp) error {
	step, values := 0, 0
	for _, name := range re.SubexpNames()[1:] {
		switch {
		case name == "step":
			step++
		case name == "value", name == "" && re.NumSubexp() == 1, slices.Contains(r.metrics, name) && name != "":
			values++
		case name != "":
			want := slices.Concat([]string{"step", "value"}, r.metrics)
			return fmt.Errorf("%w: regular expression %q: unknown group %q: want %s", ErrConfig, re, name, strings.Join(want, ", "))
		}
	}
	if values == 0 {
		return fmt.Errorf("%w: regular expression %q has no group for a value: write one, as in loss=(\\S+), or name it (?P<value>\\S+)", ErrConfig, re)
	}
	if step > 1 || step == 1 && values > 1 {
		return fmt.Errorf("%w: regular expression %q: want one group for the step, and one for its value", ErrConfig, re)
	}
	return nil
}

// A splitter is an [io.Writer] that calls line for each line, without its end. A carriage
// return also ends a line, because some programs draw over a line. A line is cut to maxLine
// bytes. The last line may lack an end; close passes it.
type splitter struct {
	line func(text string)
	held []byte
}

// maxLine is the maximum length of a line in bytes.
const maxLine = 1 << 20

func (s *splitter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexAny(p, "\n\r")
		part := p
		if end >= 0 {
			part = p[:end]
		}
		if room := maxLine - len(s.held); len(part) > room {
			part = part[:room]
		}
		s.held = append(s.held, part...)
		if end < 0 {
			return n, nil
		}
		s.close()
		p = p[end+1:]
	}
	return n, nil
}

// close passes the last line.
func (s *splitter) close() {
	if len(s.held) > 0 {
		s.line(string(s.held))
	}
	s.held = s.held[:0]
	if cap(s.held) > 1<<16 {
		s.held = nil
	}
}

// A tail keeps the last lines of an output for an error.
type tail []string

func (t *tail) add(line string) {
	const most, width = 8, 300
	if strings.TrimSpace(line) == "" {
		return
	}
	if len(line) > width {
		line = line[:width] + "..."
	}
	if *t = append(*t, line); len(*t) > most {
		*t = slices.Delete(*t, 0, 1)
	}
}

// last returns the last line, or "".
func (t tail) last() string {
	if len(t) == 0 {
		return ""
	}
	return strings.TrimSpace(t[len(t)-1])
}
