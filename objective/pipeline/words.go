package pipeline

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Words is an Op without inputs. It counts how often each of Terms occurs in a text of the
// table. A word is a run of at least Least letters, digits and underscores of any script. A term
// is a word, or several consecutive words joined by a space.
type Words struct {
	Column int      `json:"column"`
	Lower  bool     `json:"lower,omitempty"` // convert the text to lower case first, as Python does
	Least  int      `json:"least"`           // 1 or more
	From   int      `json:"from"`            // From and To are the minimum and maximum number of words in a term
	To     int      `json:"to"`
	Terms  []string `json:"terms"`            // the terms in the order of the row's numbers, without duplicates
	Binary bool     `json:"binary,omitempty"` // count each term at most once

	place map[string]int // index of a term
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
	seen := make(map[string]bool, len(o.Terms))
	for _, t := range o.Terms {
		n := strings.Count(t, " ") + 1
		if t == "" || n < o.From || n > o.To || seen[t] || !utf8.ValidString(t) {
			return 0, fmt.Errorf("term %.60q is empty, of another number of words, or there twice", t)
		}
		seen[t] = true
	}
	return len(o.Terms), nil
}

// prepared returns the operator with the index of its terms.
func (o Words) prepared() Words {
	o.place = places(o.Terms)
	return o
}

// places returns the index of each term.
func places(terms []string) map[string]int {
	at := make(map[string]int, len(terms))
	for i, t := range terms {
		at[t] = i
	}
	return at
}

func (o Words) compute(columns []Column, from, to, width int) matrix {
	if o.place == nil {
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
	for at := 0; at < len(text); {
		start := strings.IndexFunc(text[at:], word)
		if start < 0 {
			break
		}
		start += at
		end := strings.IndexFunc(text[start:], func(r rune) bool { return !word(r) })
		if end < 0 {
			end = len(text)
		} else {
			end += start
		}
		if w := text[start:end]; len(w) >= o.Least && (o.Least < 2 || utf8.RuneCountInString(w) >= o.Least) {
			words = append(words, w)
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
			k, ok := 0, false
			if n == 1 {
				k, ok = o.place[words[i]]
			} else {
				term = term[:0]
				for j, w := range words[i : i+n] {
					if j > 0 {
						term = append(term, ' ')
					}
					term = append(term, w...)
				}
				k, ok = o.place[string(term)]
			}
			switch {
			case !ok:
			case o.Binary:
				row[k] = 1
			default:
				row[k]++
			}
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

// tokenPatterns are the supported token patterns, with the minimum length of a word.
var tokenPatterns = map[string]int{
	`(?u)\b\w\w+\b`: 2, `\b\w\w+\b`: 2, `\w\w+`: 2, `(?u)\w\w+`: 2, `(?u)\b\w{2,}\b`: 2, `\b\w{2,}\b`: 2, `\w{2,}`: 2,
	`(?u)\b\w+\b`: 1, `\b\w+\b`: 1, `\w+`: 1, `(?u)\w+`: 1,
	`(?u)\b\w\w\w+\b`: 3, `\b\w\w\w+\b`: 3, `(?u)\b\w{3,}\b`: 3, `\b\w{3,}\b`: 3, `\w{3,}`: 3,
}

func patterns() []string {
	var all []string
	for p := range tokenPatterns {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}
