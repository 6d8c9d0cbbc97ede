package pipeline

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Words is an Op without inputs. It counts how often each of Terms occurs in a text of the
// table. A word is a run of at least Least characters of the class Of: by default letters, digits
// and underscores of any script. A term is a word, or several consecutive words joined by a space. With Hashed, it counts
// every term in the bucket of its hash instead.
type Words struct {
	Column int   `json:"column"`
	Lower  bool  `json:"lower,omitempty"` // convert the text to lower case first, as Python does
	Strip  Strip `json:"strip,omitempty"` // strip accents next; default none
	Least  int   `json:"least"`           // 1 or more

	// Of is the class of the characters of words: \S is all but white space. Otherwise it is what a
	// regular expression has between brackets: ASCII characters, ranges of them, and \w for letters,
	// digits and underscores of any script, such as a-zA-Z or \w'. Default \w.
	Of string `json:"of,omitempty"`

	// Skip has words to leave out before terms are built, so that a term can join the words around
	// a skipped one. Default none.
	Skip []string `json:"skip,omitempty"`

	From   int      `json:"from"` // From and To are the minimum and maximum number of words in a term
	To     int      `json:"to"`
	Terms  []string `json:"terms,omitempty"`  // the terms in the order of the row's numbers, without duplicates
	Binary bool     `json:"binary,omitempty"` // count each term at most once

	Hashed *Hashed `json:"hashed,omitempty"` // count in buckets: Terms is empty then

	terms *counter
	skip  map[string]int // index in Skip
	class class
}

// Damp is an Op that turns each x above 0 into 1 + log x, and leaves other numbers unchanged.
type Damp struct{}

func (Words) name() string { return "words" }
func (Damp) name() string  { return "damp" }

func (Damp) width(_ *Model, in []int) (int, error) { return one(in) }

// maxWords limits the number of words in a term.
const maxWords = 16

func (o Words) width(m *Model, in []int) (int, error) {
	if err := texts(m, in, []int{o.Column}, 1); err != nil {
		return 0, err
	}
	if o.Least < 1 || o.From < 1 || o.To < o.From || o.To > maxWords {
		return 0, fmt.Errorf("terms of %d to %d words of %d letters: want 1 to %d words of 1 letter or more", o.From, o.To, o.Least, maxWords)
	}
	if _, err := classOf(o.Of); err != nil {
		return 0, err
	}
	if err := o.Strip.check(); err != nil {
		return 0, err
	}
	skipped := make(map[string]bool, len(o.Skip))
	for _, w := range o.Skip {
		if w == "" || strings.Contains(w, " ") || skipped[w] || !utf8.ValidString(w) {
			return 0, fmt.Errorf("skipped word %.60q is empty, of several words, or there twice", w)
		}
		skipped[w] = true
	}
	seen := make(map[string]bool, len(o.Terms))
	for _, t := range o.Terms {
		n := strings.Count(t, " ") + 1
		if t == "" || n < o.From || n > o.To || seen[t] || !utf8.ValidString(t) {
			return 0, fmt.Errorf("term %.60q is empty, of another number of words, or there twice", t)
		}
		seen[t] = true
	}
	return countedWidth(o.Terms, o.Hashed)
}

// prepared returns the operator with the index of its terms.
func (o Words) prepared() Words {
	o.terms, o.skip = newCounter(o.Terms, o.Hashed, o.Binary), places(o.Skip)
	o.class, _ = classOf(o.Of)
	return o
}

func (o Words) compute(columns []Column, from, to, width int) matrix {
	if o.terms == nil {
		o = o.prepared()
	}
	x := matrix{width, make([]float64, (to-from)*width)}
	var words []string
	for r, text := range columns[o.Column].Texts[from:to] {
		words = o.split(words[:0], text)
		o.count(words, x.row(r))
	}
	return x
}

// word reports whether a rune is part of a word, like Python's \w.
func word(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

// split appends the words of a text.
func (o Words) split(words []string, text string) []string {
	if o.Lower {
		text = lower(text)
	}
	text = o.Strip.text(text)
	in := word
	if o.Of != "" {
		in = o.class.has
	}
	for at := 0; at < len(text); {
		start := strings.IndexFunc(text[at:], in)
		if start < 0 {
			break
		}
		start += at
		end := strings.IndexFunc(text[start:], func(r rune) bool { return !in(r) })
		if end < 0 {
			end = len(text)
		} else {
			end += start
		}
		if w := text[start:end]; len(w) >= o.Least && (o.Least < 2 || utf8.RuneCountInString(w) >= o.Least) {
			if _, skipped := o.skip[w]; !skipped {
				words = append(words, w)
			}
		}
		at = end
	}
	return words
}

// count adds the terms of words to a row.
func (o Words) count(words []string, row []float64) {
	var term []byte
	for n := o.From; n <= o.To; n++ {
		for i := 0; i+n <= len(words); i++ {
			term = term[:0]
			for j, w := range words[i : i+n] {
				if j > 0 {
					term = append(term, ' ')
				}
				term = append(term, w...)
			}
			o.terms.add(row, term)
		}
	}
}

// lower converts a text to lower case like Python's str.lower: İ becomes two characters, and a
// Σ at the end of a word becomes ς.
func lower(text string) string {
	if !strings.ContainsAny(text, "İΣ") {
		return strings.ToLower(text)
	}
	runes := []rune(text)
	var b strings.Builder
	for i, r := range runes {
		switch {
		case r == 'İ':
			b.WriteString("i\u0307")
		case r == 'Σ' && i > 0 && unicode.IsLetter(runes[i-1]) && (i+1 == len(runes) || !unicode.IsLetter(runes[i+1])):
			b.WriteRune('ς')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// damp computes a row for [Damp].
func damp(from, to []float64) {
	for k, x := range from {
		if to[k] = x; x > 0 {
			to[k] = 1 + math.Log(x)
		}
	}
}

// class is a class of characters.
type class struct {
	word   bool // letters, digits and underscores of any script
	filled bool // all but white space; the rest is empty then
	ascii  [128]bool
}

func (c *class) has(r rune) bool {
	switch {
	case c.filled:
		return !blank(r)
	case r < 128:
		return c.ascii[r]
	}
	return c.word && word(r)
}

// classOf returns the class that [Words.Of] names.
func classOf(of string) (class, error) {
	var c class
	if of == "" {
		of = `\w`
	}
	if of == `\S` {
		c.filled = true
		return c, nil
	}
	fail := func() (class, error) {
		return c, fmt.Errorf("characters of words %.60q: want \\S, or ASCII characters, ranges of them and \\w", of)
	}
	rest := of
	next := func() (byte, bool) { // a character; it may be escaped if it is no letter or digit
		k := rest[0]
		rest = rest[1:]
		if k == '\\' {
			if rest == "" || word(rune(rest[0])) {
				return 0, false
			}
			k = rest[0]
			rest = rest[1:]
		} else if k == '[' || k == ']' || k == '^' || k == '&' || k == '~' || k == '|' { // which have a meaning there, or may get one
			return 0, false
		}
		return k, k > ' ' && k < 127
	}
	for rest != "" {
		if strings.HasPrefix(rest, `\w`) {
			c.word = true
			for r := range c.ascii {
				c.ascii[r] = c.ascii[r] || word(rune(r))
			}
			rest = rest[2:]
			if len(rest) > 1 && rest[0] == '-' {
				return fail()
			}
			continue
		}
		from, ok := next()
		if !ok {
			return fail()
		}
		to := from
		if len(rest) > 1 && rest[0] == '-' {
			rest = rest[1:]
			if to, ok = next(); !ok || to < from {
				return fail()
			}
		}
		for r := int(from); r <= int(to); r++ {
			c.ascii[r] = true
		}
	}
	return c, nil
}

// Expression returns a regular expression of RE2 whose longest matches are the words of a text,
// before any are skipped.
func (o Words) Expression() string {
	c, _ := classOf(o.Of)
	var b strings.Builder
	b.WriteByte('[')
	switch {
	case c.filled:
		b.WriteString("^" + Blank)
	default:
		if c.word {
			b.WriteString(`\p{L}\p{N}_`)
		}
		for r, in := range c.ascii {
			if in && !(c.word && word(rune(r))) {
				fmt.Fprintf(&b, `\x{%x}`, r)
			}
		}
	}
	fmt.Fprintf(&b, "]{%d,}", o.Least)
	return b.String()
}

// tokenPattern matches a run of characters of one class: its class once or more, and how often.
var tokenPattern = regexp.MustCompile(`^(?:\(\?u\))?(\\b)?((?:\\w|\\S|\[[^\[\]]+\])+)(\+|\{([1-9][0-9]{0,2}),\})(\\b)?$`)

// tokens reads a token pattern: the class of the characters of words, as [Words.Of] has it, and
// the minimum length of a word. whole says that words must end where runs of \w do.
func tokens(pattern string) (of string, least int, whole, ok bool) {
	m := tokenPattern.FindStringSubmatch(pattern)
	if m == nil {
		return "", 0, false, false
	}
	one := m[2]
	if end := strings.IndexByte(one, ']'); end > 0 {
		one = one[:end+1]
	} else {
		one = one[:2]
	}
	least = strings.Count(m[2], one)
	if least*len(one) != len(m[2]) {
		return "", 0, false, false
	}
	if m[4] != "" {
		n, _ := strconv.Atoi(m[4])
		least += n - 1
	}
	switch of = strings.TrimSuffix(strings.TrimPrefix(one, "["), "]"); of {
	case `^\s`:
		of = `\S`
	case `\w`:
		return "", least, false, true // a run of \w ends at \b
	case `\S`:
		if one != of { // [\S]
			return "", 0, false, false
		}
	}
	c, err := classOf(of)
	if err != nil {
		return "", 0, false, false
	}
	bounds := m[1] + m[5]
	whole = bounds == `\b\b`
	if bounds == `\b` { // one side only
		return "", 0, false, false
	}
	if whole {
		for r, in := range c.ascii { // other characters have a boundary within
			if in && !word(rune(r)) || c.filled {
				return "", 0, false, false
			}
		}
	}
	return of, least, whole, true
}
