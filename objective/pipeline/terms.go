package pipeline

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Hashed are the settings of [Words] and [Letters] without a list of terms: each term counts in the
// bucket of its hash, as scikit-learn's HashingVectorizer has it. The hash h is MurmurHash3 with 32
// bits and seed 0 of the term's UTF-8, as a signed number. The bucket is |h| modulo Buckets.
type Hashed struct {
	Buckets int  `json:"buckets"`
	Signed  bool `json:"signed,omitempty"` // a term with a negative hash counts -1
}

// A counter counts terms in a row of numbers.
type counter struct {
	place  map[string]int // index of a term; nil with hashed
	hashed *Hashed
	binary bool
}

// countedWidth returns the number of terms or buckets.
func countedWidth(terms []string, h *Hashed) (int, error) {
	if h == nil {
		return len(terms), nil
	}
	if len(terms) > 0 || h.Buckets < 1 || h.Buckets > MaxWidth {
		return 0, fmt.Errorf("%d terms and %d buckets: want terms, or 1 to %d buckets", len(terms), h.Buckets, MaxWidth)
	}
	return h.Buckets, nil
}

func newCounter(terms []string, h *Hashed, binary bool) *counter {
	c := &counter{hashed: h, binary: binary}
	if h == nil {
		c.place = places(terms)
	}
	return c
}

// places returns the index of each term.
func places(terms []string) map[string]int {
	at := make(map[string]int, len(terms))
	for i, t := range terms {
		at[t] = i
	}
	return at
}

// add counts a term.
func (c *counter) add(row []float64, term []byte) {
	at, by := 0, 1.0
	if c.hashed != nil {
		h := int64(int32(murmur(term)))
		if h < 0 {
			h = -h
			if c.hashed.Signed {
				by = -1
			}
		}
		at = int(h % int64(c.hashed.Buckets))
	} else {
		var ok bool
		if at, ok = c.place[string(term)]; !ok {
			return
		}
	}
	if c.binary {
		row[at] = 1
	} else {
		row[at] += by
	}
}

// murmur is MurmurHash3_x86_32 with seed 0, by Austin Appleby.
func murmur(data []byte) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	mixed := func(k uint32) uint32 { return bits.RotateLeft32(k*c1, 15) * c2 }
	h, n := uint32(0), len(data)
	for ; len(data) >= 4; data = data[4:] {
		h = bits.RotateLeft32(h^mixed(binary.LittleEndian.Uint32(data)), 13)*5 + 0xe6546b64
	}
	if len(data) > 0 {
		var rest [4]byte
		copy(rest[:], data)
		h ^= mixed(binary.LittleEndian.Uint32(rest[:]))
	}
	h ^= uint32(n)
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// A Strip says what happens to accents before a text is cut into terms.
type Strip string

const (
	// Unicode replaces each character by its compatibility decomposition (NFKD) without combining
	// characters: é becomes e, ﬁ becomes fi, and a Korean syllable its letters.
	Unicode Strip = "unicode"
	// ASCII does the same, and drops what is not ASCII.
	ASCII Strip = "ascii"
)

func (s Strip) check() error {
	if s != "" && s != Unicode && s != ASCII {
		return fmt.Errorf("strip %q: want %q or %q", string(s), string(Unicode), string(ASCII))
	}
	return nil
}

// of returns what a character becomes.
func (s Strip) of(r rune) string {
	var b strings.Builder
	for _, d := range norm.NFKD.String(string(r)) {
		if s == ASCII && d >= utf8.RuneSelf || norm.NFKD.PropertiesString(string(d)).CCC() != 0 {
			continue
		}
		b.WriteRune(d)
	}
	return b.String()
}

// text strips a text.
func (s Strip) text(text string) string {
	start := strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
	if s == "" || start < 0 {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:start])
	changes := s.Changes()
	for _, r := range text[start:] {
		if r < utf8.RuneSelf {
			b.WriteByte(byte(r))
		} else if to, ok := changes[r]; ok {
			b.WriteString(to)
		} else if s == Unicode {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Changes returns what characters beyond ASCII become: those that change, for [Unicode], or those
// that do not vanish, for [ASCII]. Do not change it.
func (s Strip) Changes() map[rune]string {
	if s == ASCII {
		return asciiChanges()
	}
	return unicodeChanges()
}

var (
	asciiChanges   = sync.OnceValue(func() map[rune]string { return ASCII.changes() })
	unicodeChanges = sync.OnceValue(func() map[rune]string { return Unicode.changes() })
)

func (s Strip) changes() map[rune]string {
	all := map[rune]string{}
	for r := rune(utf8.RuneSelf); r < 0x30000; r++ { // no character beyond has a decomposition or combines
		if to := s.of(r); s == ASCII && to != "" || s == Unicode && to != string(r) {
			all[r] = to
		}
	}
	return all
}
