package onnx

import (
	"maps"
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

// is reports which texts are s.
func (g *pipelineGraph) is(x Value, s string) Value {
	return g.b.Op("Equal", nil, g.places(x, []string{s}, []int64{1}), g.b.Integers(1))
}

// cut splits texts at the matches of a regular expression, with ONNX Runtime's own operator. pad fills up texts with
// fewer pieces.
func (g *pipelineGraph) cut(x Value, expression, pad string) Value {
	return g.b.Node(Node{Op: "Tokenizer", Domain: Microsoft, Attrs: []Attr{
		{"mark", Int(0)}, {"mincharnum", Int(1)}, {"pad_value", String(pad)}, {"tokenexp", String(expression)}}}, 1, x)[0]
}

// joins fails if the operators of the form cannot join texts.
func (g *pipelineGraph) joins(what string) bool {
	if g.b.Form() == Compatible {
		g.b.fail("pipeline: %w: %s in the form %v, whose operators cannot join texts: use exact", ErrUnsupported, what, g.b.Form())
	}
	return g.b.Form() != Compatible
}

const character = "(?s:.)" // a regular expression

// prepared returns the texts of a column, [batch], in lower case and without accents if that is wanted.
func (g *pipelineGraph) prepared(column int, lower bool, strip pipeline.Strip) Value {
	b := g.b
	text := b.Reshape(g.columns[column], -1)
	if lower { // in a locale that every Linux has
		text = b.Op("StringNormalizer", []Attr{{"case_change_action", String("LOWER")}, {"is_case_sensitive", Int(1)}, {"locale", String("C.UTF-8")}}, text)
	}
	if strip == "" || !g.joins("stripped accents") {
		return text
	}
	// Each character becomes the text that replaces it, and the texts of a row are joined.
	const none = "##" // which no character is
	x := g.cut(text, character, none)
	changes := strip.Changes()
	var keys, values Strings
	for _, r := range slices.Sorted(maps.Keys(changes)) {
		keys, values = append(keys, string(r)), append(values, changes[r])
	}
	encode := func(otherwise string) Value {
		return b.Node(Node{Op: "LabelEncoder", Domain: ML, Attrs: []Attr{
			{"default_string", String(otherwise)}, {"keys_strings", keys}, {"values_strings", values}}}, 1, x)[0]
	}
	if strip == pipeline.ASCII {
		for r := range rune(utf8.RuneSelf) {
			keys, values = append(keys, string(r)), append(values, string(r))
		}
		x = encode("")
	} else {
		keys, values = append(keys, none), append(values, "")
		to := encode(none)
		x = b.Op("Where", nil, g.is(to, none), x, to)
	}
	return g.joined(x, g.text(g.columns[column], ""))
}

// joined joins the texts of each row, [batch]: neighbours first, then pairs of them, and so on. empty has one empty
// text for each row.
func (g *pipelineGraph) joined(x, empty Value) Value {
	b := g.b
	every := func(x Value, from int64) Value {
		return b.Op("Slice", nil, x, b.Integers(from), b.Integers(endOfAxis), b.Integers(1), b.Integers(2))
	}
	x = b.Concat(1, x, empty)
	for range 24 { // 16 million texts in a row
		x = b.Op("StringConcat", nil, every(x, 0), every(b.Concat(1, x, empty), 1))
	}
	return b.Reshape(x, -1)
}

// words counts terms of words.
func (g *pipelineGraph) words(op pipeline.Words) Value {
	b := g.b
	text := g.prepared(op.Column, op.Lower, op.Strip)
	const none = " " // which no word is
	tokens := g.cut(text, op.Expression(), none)
	if len(op.Skip) > 0 { // move the others to the front; TopK keeps their order
		tokens = b.Concat(1, tokens, b.Reshape(g.text(text, none), -1, 1)) // there is at least one
		skipped := g.places(tokens, append(slices.Clone(op.Skip), none), slices.Repeat([]int64{1}, len(op.Skip)+1))
		at := b.Node(Node{Op: "TopK", Attrs: []Attr{{"axis", Int(1)}, {"largest", Int(0)}, {"sorted", Int(1)}}}, 2, skipped, b.Gather(b.Op("Shape", nil, tokens), 0, 1))[1]
		words := b.Op("GatherElements", []Attr{{"axis", Int(1)}}, tokens, at)
		gone := b.Op("GatherElements", []Attr{{"axis", Int(1)}}, skipped, at)
		tokens = b.Op("Where", nil, b.Op("Equal", nil, gone, b.Integers(1)), g.text(words, none), words)
		tokens = b.Reshape(tokens, 0, -1) // the number of places is not known before, nor that of dimensions
	}
	if op.Hashed != nil {
		var terms, there []Value
		word, last := tokens, b.Op("Not", nil, g.is(tokens, none)) // a row without this word lacks those after it
		for n := 1; n <= op.To; n++ {
			if n > 1 {
				if !g.joins("hashes of several words") {
					return Value{}
				}
				next := b.Op("StringConcat", nil, g.text(tokens, " "), tokens)
				word = b.Op("StringConcat", nil, b.Slice(word, 1, 0, -1), b.Slice(next, 1, n-1, endOfAxis))
			}
			if n >= op.From {
				terms, there = append(terms, word), append(there, b.Slice(last, 1, n-1, endOfAxis))
			}
		}
		return g.hashed(op.Column, terms, there, *op.Hashed, op.Binary)
	}
	return g.termCounts(tokens, op.Terms, op.From, op.To, func(term string) []string { return strings.Split(term, " ") }, op.Binary)
}

const endOfAxis = 1<<31 - 1 // of slices

// termCounts counts terms, each a sequence of tokens, of [least, most] tokens.
func (g *pipelineGraph) termCounts(tokens Value, terms []string, least, most int, parts func(term string) []string, binary bool) Value {
	b := g.b
	// The pool has the terms of one token, then those of two, and so on.
	var pool Strings
	var starts, places []int64
	for n := 1; n <= most; n++ {
		starts = append(starts, int64(len(pool)))
		for i, term := range terms {
			if of := parts(term); len(of) == n {
				pool, places = append(pool, of...), append(places, int64(i))
			}
		}
	}
	counts := b.Op("TfIdfVectorizer", []Attr{{"max_gram_length", Int(most)}, {"max_skip_count", Int(0)}, {"min_gram_length", Int(least)}, {"mode", String("TF")},
		{"ngram_counts", Ints(starts)}, {"ngram_indexes", Ints(places)}, {"pool_strings", pool}}, tokens)
	return g.atMost(b.Cast(counts, Float64), binary)
}

// atMost makes counts 0 or 1 if they are binary.
func (g *pipelineGraph) atMost(x Value, binary bool) Value {
	if binary {
		x = g.b.Cast(g.b.Op("Greater", nil, x, g.number(0)), Float64)
	}
	return x
}

// hashed counts terms in the buckets of their hashes. there says which terms count.
func (g *pipelineGraph) hashed(column int, terms, there []Value, h pipeline.Hashed, binary bool) Value {
	b := g.b
	hash := b.Node(Node{Op: "MurmurHash3", Domain: Microsoft, Attrs: []Attr{{"positive", Int(0)}, {"seed", Int(0)}}}, 1, b.Concat(1, terms...))[0]
	hash = b.Cast(hash, Int64) // whose absolute value always exists
	by := b.Cast(b.Concat(1, there...), Float64)
	if h.Signed {
		by = b.Op("Where", nil, b.Op("Less", nil, hash, b.Integers(0)), b.Op("Neg", nil, by), by)
	}
	n := int64(h.Buckets)
	shape := b.Concat(0, b.Gather(b.Op("Shape", nil, g.columns[column]), 0, 0), b.Integers(n))
	x := b.Reshape(b.Op("Expand", nil, g.number(0), shape), -1, n)
	x = b.Op("ScatterElements", []Attr{{"axis", Int(1)}, {"reduction", String("add")}}, x, b.Op("Mod", nil, b.Op("Abs", nil, hash), b.Integers(n)), by)
	return g.atMost(x, binary)
}

// letters counts terms of characters.
func (g *pipelineGraph) letters(op pipeline.Letters) Value {
	b := g.b
	if !g.joins("terms of characters") {
		return Value{}
	}
	text := g.prepared(op.Column, op.Lower, op.Strip)
	whole := func(x Value, expression string) Value {
		return b.Op("RegexFullMatch", []Attr{{"pattern", String(expression)}}, x)
	}
	none, mark := "##", "" // which no piece is
	var tokens Value
	if op.Within {
		// Each word gets a space on both sides, and between words comes a character that occurs in no term.
		none = "  "
		for r := rune(0xe000); mark == "" || slices.ContainsFunc(op.Terms, func(t string) bool { return strings.Contains(t, mark) }); r++ {
			mark = string(r)
		}
		words := g.cut(text, "[^"+pipeline.Blank+"]+", none)
		spaced := b.Op("StringConcat", nil, b.Op("StringConcat", nil, g.text(words, " "), words), g.text(words, " "+mark))
		words = b.Op("Where", nil, whole(words, none), g.text(words, mark), spaced)
		last := g.text(g.columns[op.Column], mark) // if there is no word at all
		tokens = b.Reshape(g.cut(b.Concat(1, words, last), character, none), 0, -1)
	} else {
		tokens = g.cut(text, "["+pipeline.Blank+"]["+pipeline.Blank+"]+|"+character, none) // one character, or white spaces
		tokens = b.Op("Where", nil, whole(tokens, "["+pipeline.Blank+"]["+pipeline.Blank+"]+"), g.text(tokens, " "), tokens)
	}
	if op.Hashed != nil {
		return g.hashedLetters(op, tokens, none, mark)
	}
	least, most := op.To, 1
	for _, t := range op.Terms {
		n := utf8.RuneCountInString(t)
		least, most = min(least, n), max(most, n)
	}
	return g.termCounts(tokens, op.Terms, least, most, func(term string) []string { return strings.Split(term, "") }, op.Binary)
}

// hashedLetters counts terms of characters in buckets. tokens are characters; none fills rows up, and mark is between
// words.
func (g *pipelineGraph) hashedLetters(op pipeline.Letters, tokens Value, none, mark string) Value {
	b := g.b
	var terms, there []Value
	gone := g.is(tokens, none)
	if mark != "" {
		gone = b.Op("Or", nil, gone, g.is(tokens, mark))
	}
	kept := b.Op("Not", nil, gone)
	blank := g.is(tokens, " ")
	term, all := tokens, kept
	for n := 1; n <= op.To; n++ {
		if n > 1 {
			term = b.Op("StringConcat", nil, b.Slice(term, 1, 0, -1), b.Slice(tokens, 1, n-1, endOfAxis))
			all = b.Op("And", nil, b.Slice(all, 1, 0, -1), b.Slice(kept, 1, n-1, endOfAxis))
		}
		switch {
		case n >= op.From:
			terms, there = append(terms, term), append(there, all)
		case op.Within && n > 2: // a whole word
			ends := b.Op("And", nil, b.Slice(blank, 1, 0, 1-n), b.Slice(blank, 1, n-1, endOfAxis))
			terms, there = append(terms, term), append(there, b.Op("And", nil, all, ends))
		}
	}
	return g.hashed(op.Column, terms, there, *op.Hashed, op.Binary)
}
