package onnx

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/attune-hpo/attune/objective/pipeline"
)

// text replaces each text by the same text: an encoder that knows no other.
func (g *pipelineGraph) text(like Value, s string) Value {
	return g.b.Node(Node{Op: "LabelEncoder", Domain: ML, Attrs: []Attr{
		{"default_string", String(s)}, {"keys_strings", Strings{s}}, {"values_strings", Strings{s}}}}, 1, like)[0]
}

// cut splits texts at the matches of a regular expression, with ONNX Runtime's own operator. pad fills up texts with
// fewer pieces.
func (g *pipelineGraph) cut(x Value, expression, pad string) Value {
	return g.b.Node(Node{Op: "Tokenizer", Domain: Microsoft, Attrs: []Attr{
		{"mark", Int(0)}, {"mincharnum", Int(1)}, {"pad_value", String(pad)}, {"tokenexp", String(expression)}}}, 1, x)[0]
}

// letters counts terms of characters.
func (g *pipelineGraph) letters(op pipeline.Letters) Value {
	b := g.b
	if b.Form() == Compatible {
		b.fail("pipeline: %w: terms of characters in the form %v, whose operators cannot join texts: use exact", ErrUnsupported, b.Form())
		return Value{}
	}
	text := b.Reshape(g.columns[op.Column], -1)
	if op.Lower { // in a locale that every Linux has
		text = b.Op("StringNormalizer", []Attr{{"case_change_action", String("LOWER")}, {"is_case_sensitive", Int(1)}, {"locale", String("C.UTF-8")}}, text)
	}
	whole := func(x Value, expression string) Value {
		return b.Op("RegexFullMatch", []Attr{{"pattern", String(expression)}}, x)
	}
	const none = "  " // which no piece is
	var tokens Value
	if op.Within {
		// Each word gets a space on both sides, and between words comes a character that occurs in no term.
		mark := ""
		for r := rune(0xe000); mark == "" || slices.ContainsFunc(op.Terms, func(t string) bool { return strings.Contains(t, mark) }); r++ {
			mark = string(r)
		}
		words := g.cut(text, "[^"+pipeline.Blank+"]+", none)
		spaced := b.Op("StringConcat", nil, b.Op("StringConcat", nil, g.text(words, " "), words), g.text(words, " "+mark))
		words = b.Op("Where", nil, whole(words, none), g.text(words, mark), spaced)
		last := g.text(g.columns[op.Column], mark) // if there is no word at all
		tokens = b.Reshape(g.cut(b.Concat(1, words, last), "(?s:.)", none), 0, -1)
	} else {
		tokens = g.cut(text, "["+pipeline.Blank+"]["+pipeline.Blank+"]+|(?s:.)", "##") // one character, or white spaces
		tokens = b.Op("Where", nil, whole(tokens, "["+pipeline.Blank+"]["+pipeline.Blank+"]+"), g.text(tokens, " "), tokens)
	}
	least, most := op.To, 1
	for _, t := range op.Terms {
		n := utf8.RuneCountInString(t)
		least, most = min(least, n), max(most, n)
	}
	var pool Strings
	var starts, places []int64
	for n := 1; n <= most; n++ {
		starts = append(starts, int64(len(pool)))
		for i, term := range op.Terms {
			if utf8.RuneCountInString(term) == n {
				for _, r := range term {
					pool = append(pool, string(r))
				}
				places = append(places, int64(i))
			}
		}
	}
	counts := b.Op("TfIdfVectorizer", []Attr{{"max_gram_length", Int(most)}, {"max_skip_count", Int(0)}, {"min_gram_length", Int(least)}, {"mode", String("TF")},
		{"ngram_counts", Ints(starts)}, {"ngram_indexes", Ints(places)}, {"pool_strings", pool}}, tokens)
	x := b.Cast(counts, Float64)
	if op.Binary {
		x = b.Cast(b.Op("Greater", nil, x, g.number(0)), Float64)
	}
	return x
}
