package pipeline

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Letters is an Op without inputs. It counts how often each of Terms occurs in a text of the
// table. A term is several consecutive characters, after each run of two or more white spaces
// has become one space. With Within, each word, which is a run of other characters than white
// space, gets a space on both sides, and terms are parts of it: a word that is shorter than From
// is a term as a whole. With Hashed, it counts every term in the bucket of its hash instead.
type Letters struct {
	Column int      `json:"column"`
	Lower  bool     `json:"lower,omitempty"` // convert the text to lower case first, as Python does
	Strip  Strip    `json:"strip,omitempty"` // strip accents next; default none
	Within bool     `json:"within,omitempty"`
	From   int      `json:"from"` // From and To are the minimum and maximum number of characters in a term
	To     int      `json:"to"`
	Terms  []string `json:"terms,omitempty"`  // the terms in the order of the row's numbers, without duplicates
	Binary bool     `json:"binary,omitempty"` // count each term at most once

	Hashed *Hashed `json:"hashed,omitempty"` // count in buckets: Terms is empty then

	terms *counter
}

func (Letters) name() string { return "letters" }

// maxLetters limits the number of characters in a term.
const maxLetters = 64

func (o Letters) width(m *Model, in []int) (int, error) {
	if err := texts(m, in, []int{o.Column}, 1); err != nil {
		return 0, err
	}
	if o.From < 1 || o.To < o.From || o.To > maxLetters {
		return 0, fmt.Errorf("terms of %d to %d characters: want 1 to %d", o.From, o.To, maxLetters)
	}
	if err := o.Strip.check(); err != nil {
		return 0, err
	}
	seen := make(map[string]bool, len(o.Terms))
	for _, t := range o.Terms {
		n := utf8.RuneCountInString(t)
		if t == "" || n < o.From && !o.Within || n > o.To || seen[t] || !utf8.ValidString(t) {
			return 0, fmt.Errorf("term %.60q is empty, of another number of characters, or there twice", t)
		}
		seen[t] = true
	}
	return countedWidth(o.Terms, o.Hashed)
}

// prepared returns the operator with the index of its terms.
func (o Letters) prepared() Letters {
	o.terms = newCounter(o.Terms, o.Hashed, o.Binary)
	return o
}

func (o Letters) compute(columns []Column, from, to, width int) matrix {
	if o.terms == nil {
		o = o.prepared()
	}
	x := matrix{width, make([]float64, (to-from)*width)}
	var starts []int
	for r, text := range columns[o.Column].Texts[from:to] {
		if o.Lower {
			text = lower(text)
		}
		text = o.Strip.text(text)
		if row := x.row(r); o.Within {
			for word := range strings.FieldsFuncSeq(text, blank) {
				starts = o.count(" "+word+" ", row, starts)
			}
		} else {
			starts = o.count(single(text), row, starts)
		}
	}
	return x
}

// blank reports whether a rune is white space, like Python's \s.
func blank(r rune) bool {
	switch {
	case r >= '\t' && r <= '\r', r >= 0x1c && r <= ' ', r == 0x85, r == 0xa0, r == 0x1680, r >= 0x2000 && r <= 0x200a,
		r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000:
		return true
	}
	return false
}

// Blank is a class of regular expressions of RE2 for white space, like Python's \s.
const Blank = `\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}`

// single replaces runs of two or more white spaces by one space.
func single(text string) string {
	var b strings.Builder
	run, first := 0, rune(0)
	end := func() {
		if run == 1 {
			b.WriteRune(first)
		} else if run > 1 {
			b.WriteByte(' ')
		}
		run = 0
	}
	for _, r := range text {
		if blank(r) {
			if run++; run == 1 {
				first = r
			}
			continue
		}
		end()
		b.WriteRune(r)
	}
	end()
	return b.String()
}

// count adds the terms in a text to a row. starts is memory to use, which it returns.
func (o Letters) count(text string, row []float64, starts []int) []int {
	starts = starts[:0]
	for i := range text {
		starts = append(starts, i)
	}
	starts = append(starts, len(text))
	size := len(starts) - 1
	whole := []byte(text)
	if size < o.From {
		if o.Within {
			o.terms.add(row, whole)
		}
		return starts
	}
	for n := o.From; n <= min(o.To, size); n++ {
		for i := 0; i+n <= size; i++ {
			o.terms.add(row, whole[starts[i]:starts[i+n]])
		}
	}
	return starts
}
