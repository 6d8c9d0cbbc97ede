package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
)

// countVectorizer adds the term counts of a CountVectorizer or TfidfVectorizer.
func (b *builder) countVectorizer(o *pickle.Object, v value) (value, error) {
	return b.terms(o, v, nil)
}

// hashingVectorizer adds the counts of a HashingVectorizer, and normalizes rows.
func (b *builder) hashingVectorizer(o *pickle.Object, v value) (value, error) {
	n, ok := pickle.Int(o.Get("n_features"))
	if !ok || n < 1 || n > MaxWidth {
		return v, b.unsupported("HashingVectorizer with n_features=%v: want 1 to %d", o.Get("n_features"), MaxWidth)
	}
	h := &Hashed{Buckets: n, Signed: flag(o, "alternate_sign", true) && !flag(o, "binary", false)}
	v, err := b.terms(o, v, h)
	if err != nil {
		return v, err
	}
	return b.normed(o, v)
}

// terms adds the counts of a vectorizer's terms: those of its vocabulary, or in buckets.
func (b *builder) terms(o *pickle.Object, v value, h *Hashed) (value, error) {
	column, err := b.textColumn(o, v)
	if err != nil {
		return v, err
	}
	if err := b.plainTexts(o); err != nil {
		return v, err
	}
	strip, _ := o.Get("strip_accents").(string)
	var list []string
	if h == nil {
		if list, err = b.vocabulary(o); err != nil {
			return v, err
		}
	}
	out := value{width: len(list), sparse: true}
	if h != nil {
		out.width = h.Buckets
	}
	from, to := 1, 1
	if sizes, _ := pickle.Items(o.Get("ngram_range")); len(sizes) == 2 {
		from, _ = pickle.Int(sizes[0])
		to, _ = pickle.Int(sizes[1])
	}
	var make func(h *Hashed, binary bool) Op
	if analyzer, _ := o.Get("analyzer").(string); analyzer == "char" || analyzer == "char_wb" {
		op := Letters{Column: column, Lower: flag(o, "lowercase", true), Strip: Strip(strip), Within: analyzer == "char_wb", From: from, To: to, Terms: list}
		make = func(h *Hashed, binary bool) Op {
			op.Hashed, op.Binary = h, binary
			return op
		}
	} else {
		op := Words{Column: column, Lower: flag(o, "lowercase", true), Strip: Strip(strip), From: from, To: to, Terms: list}
		if err := b.words(o, &op, h != nil); err != nil {
			return v, err
		}
		make = func(h *Hashed, binary bool) Op {
			op.Hashed, op.Binary = h, binary
			return op
		}
	}
	out.node = b.add(make(h, flag(o, "binary", false)))
	if h != nil && h.Signed { // a bucket may have a zero that is not absent from the matrix
		b.signed = true
		out.present = func() int { return b.add(make(&Hashed{Buckets: h.Buckets}, true)) }
	}
	return out, nil
}

// textColumn returns the text column for a vectorizer: the only one of the table, or the one
// that a ColumnTransformer gives it.
func (b *builder) textColumn(o *pickle.Object, v value) (int, error) {
	column := 0
	if v.node == tableNode {
		if err := b.inputs(1, []string{"text"}); err != nil {
			return 0, err
		}
	} else {
		c, ok := b.m.Nodes[v.node].Op.(Columns)
		if !ok || len(c.At) != 1 {
			return 0, b.unsupported("%s of an input that is not one column of the table", o.Class.Name)
		}
		column = c.At[0]
	}
	b.m.Inputs[column].Kind = Text
	return column, nil
}

// plainTexts fails for settings of a vectorizer that change texts in unknown ways.
func (b *builder) plainTexts(o *pickle.Object) error {
	kind := o.Class.Name
	for _, attribute := range []string{"tokenizer", "preprocessor"} {
		if o.Get(attribute) != nil {
			return b.unsupported("%s with a %s: a program, which a file of data cannot have: use the default and change texts before the pipeline", kind, attribute)
		}
	}
	switch strip := o.Get("strip_accents"); strip {
	case nil, string(Unicode), string(ASCII):
	default:
		return b.unsupported("%s with strip_accents=%v: want \"unicode\", \"ascii\" or None: change texts before the pipeline", kind, quoted(strip))
	}
	if input, _ := o.Get("input").(string); input != "content" {
		return b.unsupported("%s with input=%v: want texts themselves, \"content\"", kind, quoted(o.Get("input")))
	}
	if d, ok := o.Get("dtype").(pickle.Global); ok && d.Name != "float64" && d.Name != "int64" {
		return b.unsupported("%s with dtype=%s: fit it with the default", kind, d)
	}
	return nil
}

// words reads the settings of a vectorizer of words. all says that every word counts, not only
// those of a vocabulary.
func (b *builder) words(o *pickle.Object, op *Words, all bool) error {
	kind := o.Class.Name
	if analyzer, _ := o.Get("analyzer").(string); analyzer != "word" {
		return b.unsupported("%s with analyzer=%v: words, char and char_wb are read", kind, quoted(o.Get("analyzer")))
	}
	pattern, _ := o.Get("token_pattern").(string)
	of, least, whole, ok := tokens(pattern)
	if !ok {
		return b.unsupported("%s with token_pattern=%v: words are runs of characters of one class, such as \\b\\w\\w+\\b, \\S+ or [a-z]{3,}", kind, quoted(o.Get("token_pattern")))
	}
	op.Of, op.Least = of, least
	if whole { // the vocabulary has only words of those characters
		if op.To > 1 || all {
			return b.unsupported("%s with token_pattern=%v and terms of several words, or hashes: leave out \\b, or use a vocabulary of single words, and fit it again", kind, quoted(pattern))
		}
		op.Of = ""
	}
	if op.To > 1 || all { // a vocabulary of single words lacks them anyway
		return b.stopWords(o, op)
	}
	return nil
}

// stopWords sets the words to skip.
func (b *builder) stopWords(o *pickle.Object, op *Words) error {
	stop := o.Get("stop_words")
	if stop == nil {
		return nil
	}
	if name, named := stop.(string); named {
		if name != "english" {
			return b.unsupported("%s with stop_words=%v: want \"english\", a list or None", o.Class.Name, quoted(stop))
		}
		op.Skip = strings.Fields(englishStopWords)
		return nil
	}
	items, ok := pickle.Items(stop)
	if !ok {
		return b.fail(fmt.Errorf("%s: stop_words is %s, want a list", o.Class.Name, pickle.Kind(stop)))
	}
	for _, item := range items {
		w, ok := item.(string)
		if !ok {
			return b.fail(fmt.Errorf("%s: stop_words has %s, want texts", o.Class.Name, pickle.Kind(item)))
		}
		if w != "" && !strings.Contains(w, " ") { // else no word equals it
			op.Skip = append(op.Skip, w)
		}
	}
	slices.Sort(op.Skip) // a set has no order
	op.Skip = slices.Compact(op.Skip)
	return nil
}

// vocabulary returns the terms of a vectorizer.
func (b *builder) vocabulary(o *pickle.Object) ([]string, error) {
	kind := o.Class.Name
	vocabulary, ok := o.Get("vocabulary_").(*pickle.Dict)
	if !ok {
		return nil, b.fail(fmt.Errorf("%s: vocabulary_ is %s: is it fitted?", kind, pickle.Kind(o.Get("vocabulary_"))))
	}
	if err := b.spend(2 * len(vocabulary.Keys)); err != nil {
		return nil, err
	}
	terms := make([]string, len(vocabulary.Keys))
	for i, key := range vocabulary.Keys {
		term, ok := key.(string)
		at, whole := pickle.Int(vocabulary.Values[i])
		if !ok || !whole || at < 0 || at >= len(terms) || terms[at] != "" {
			return nil, b.fail(fmt.Errorf("%s: vocabulary_ has %s for %s", kind, pickle.Kind(vocabulary.Values[i]), pickle.Kind(key)))
		}
		terms[at] = term
	}
	return terms, nil
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%.60q", s)
	}
	return pickle.Kind(v)
}

func (b *builder) tfidfVectorizer(o *pickle.Object, v value) (value, error) {
	v, err := b.countVectorizer(o, v)
	if err != nil {
		return v, err
	}
	inner, ok := o.Get("_tfidf").(*pickle.Object)
	if !ok {
		return v, b.fail(fmt.Errorf("TfidfVectorizer: _tfidf is %s: is it fitted?", pickle.Kind(o.Get("_tfidf"))))
	}
	return b.tfidfTransformer(inner, v)
}

// tfidfTransformer weights counts by the rarity of the term, and normalizes rows.
func (b *builder) tfidfTransformer(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	if flag(o, "sublinear_tf", false) {
		if b.signed {
			return v, b.unsupported("TfidfTransformer with sublinear_tf after a HashingVectorizer with alternate_sign, whose counts may be below 0: set alternate_sign=False and fit it again")
		}
		v = b.then(v, v.width, Damp{})
	}
	if flag(o, "use_idf", true) {
		weights, err := b.idf(o, v.width)
		if err != nil {
			return v, err
		}
		v = b.then(v, v.width, Arithmetic{Multiply, weights})
	}
	return b.normed(o, v)
}

// normed divides rows by their norm, if o has one.
func (b *builder) normed(o *pickle.Object, v value) (value, error) {
	switch norm := o.Get("norm").(type) {
	case nil:
		return v, nil
	case string:
		return b.then(v, v.width, Normalize{norm}), nil
	default:
		return v, b.fail(fmt.Errorf("%s: norm is %s", o.Class.Name, pickle.Kind(norm)))
	}
}

// idf returns the weights of terms: an array or, before 1.5, the diagonal of a matrix.
func (b *builder) idf(o *pickle.Object, n int) ([]float64, error) {
	for _, a := range []string{"idf_", "_idf"} {
		if o.Get(a) != nil {
			return b.floats(o, a, n)
		}
	}
	if diagonal, ok := o.Get("_idf_diag").(*pickle.Object); ok {
		return b.floats(diagonal, "data", n)
	}
	return nil, b.fail(fmt.Errorf("TfidfTransformer: idf_ is missing: is it fitted?"))
}
