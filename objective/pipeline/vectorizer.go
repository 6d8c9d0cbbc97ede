package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
)

// countVectorizer adds the term counts of a CountVectorizer or TfidfVectorizer.
func (b *builder) countVectorizer(o *pickle.Object, v value) (value, error) {
	column, err := b.textColumn(o, v)
	if err != nil {
		return v, err
	}
	if analyzer, _ := o.Get("analyzer").(string); analyzer == "char" || analyzer == "char_wb" {
		op, err := b.letters(o, column, analyzer == "char_wb")
		return value{node: b.add(op), width: len(op.Terms), sparse: true}, err
	}
	op, err := b.words(o, column)
	if err != nil {
		return v, err
	}
	return value{node: b.add(op), width: len(op.Terms), sparse: true}, nil
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

// plainTexts fails for settings of a vectorizer that change texts.
func (b *builder) plainTexts(o *pickle.Object) error {
	kind := o.Class.Name
	for _, attribute := range []string{"tokenizer", "preprocessor", "strip_accents"} {
		if o.Get(attribute) != nil {
			return b.unsupported("%s with a %s: a program, or a rule, that an ONNX file cannot have: use the default and change texts before the pipeline", kind, attribute)
		}
	}
	if input, _ := o.Get("input").(string); input != "content" {
		return b.unsupported("%s with input=%v: want texts themselves, \"content\"", kind, quoted(o.Get("input")))
	}
	if d, ok := o.Get("dtype").(pickle.Global); ok && d.Name != "float64" && d.Name != "int64" {
		return b.unsupported("%s with dtype=%s: fit it with the default", kind, d)
	}
	return nil
}

// letters reads the settings of a vectorizer of characters.
func (b *builder) letters(o *pickle.Object, column int, within bool) (Letters, error) {
	op := Letters{Column: column, Lower: flag(o, "lowercase", true), Within: within, Binary: flag(o, "binary", false)}
	if err := b.plainTexts(o); err != nil {
		return op, err
	}
	if sizes, _ := pickle.Items(o.Get("ngram_range")); len(sizes) == 2 {
		op.From, _ = pickle.Int(sizes[0])
		op.To, _ = pickle.Int(sizes[1])
	}
	var err error
	op.Terms, err = b.vocabulary(o)
	return op, err
}

// words reads the settings of a vectorizer of words.
func (b *builder) words(o *pickle.Object, column int) (Words, error) {
	op := Words{Column: column, Lower: flag(o, "lowercase", true), Binary: flag(o, "binary", false)}
	kind := o.Class.Name
	if err := b.plainTexts(o); err != nil {
		return op, err
	}
	if analyzer, _ := o.Get("analyzer").(string); analyzer != "word" {
		return op, b.unsupported("%s with analyzer=%v: words, char and char_wb are read", kind, quoted(o.Get("analyzer")))
	}
	pattern, _ := o.Get("token_pattern").(string)
	of, least, whole, ok := tokens(pattern)
	if !ok {
		return op, b.unsupported("%s with token_pattern=%v: words are runs of characters of one class, such as \\b\\w\\w+\\b, \\S+ or [a-z]{3,}", kind, quoted(o.Get("token_pattern")))
	}
	op.Of, op.Least = of, least
	sizes, _ := pickle.Items(o.Get("ngram_range"))
	if len(sizes) == 2 {
		op.From, _ = pickle.Int(sizes[0])
		op.To, _ = pickle.Int(sizes[1])
	}
	if whole { // the vocabulary has only words of those characters
		if op.To > 1 {
			return op, b.unsupported("%s with token_pattern=%v and terms of several words: leave out \\b, or set ngram_range to (1, 1), and fit it again", kind, quoted(pattern))
		}
		op.Of = ""
	}
	if op.To > 1 {
		if err := b.stopWords(o, &op); err != nil {
			return op, err
		}
	}
	var err error
	op.Terms, err = b.vocabulary(o)
	return op, err
}

// stopWords sets the words to skip. If terms are single words, the vocabulary lacks them anyway.
func (b *builder) stopWords(o *pickle.Object, op *Words) error {
	stop := o.Get("stop_words")
	if stop == nil {
		return nil
	}
	if _, named := stop.(string); named {
		return b.unsupported("%s with stop_words=%v and terms of several words: the file does not contain the list, so set stop_words to list(vectorizer.get_stop_words()), without fitting, and save it again", o.Class.Name, quoted(stop))
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
		v = b.then(v, v.width, Damp{})
	}
	if flag(o, "use_idf", true) {
		weights, err := b.idf(o, v.width)
		if err != nil {
			return v, err
		}
		v = b.then(v, v.width, Arithmetic{Multiply, weights})
	}
	switch norm := o.Get("norm").(type) {
	case nil:
	case string:
		v = b.then(v, v.width, Normalize{norm})
	default:
		return v, b.fail(fmt.Errorf("TfidfTransformer: norm is %s", pickle.Kind(norm)))
	}
	return v, nil
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
