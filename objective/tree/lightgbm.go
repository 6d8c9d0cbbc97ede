package tree

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// ReadLightGBM reads the text file of a LightGBM model, versions v2 to v4
// (save_model, or model_to_string). It reads all objectives and boosting types, numeric
// splits with each kind of missing values, categorical splits and linear trees. It
// reads r to its end.
//
// Predictions equal LightGBM's bit for bit, with three exceptions. Raw outputs of a random forest (boosting=rf) are
// averages here, but sums in raw_score. The functions of a link may differ in the last bit. LightGBM takes a value
// whose magnitude is at most [ZeroRange] for 0 at every split. Models trained on named categories (pandas_categorical)
// expect the category's code.
func ReadLightGBM(r io.Reader) (*Model, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, pkg.Errorf("read LightGBM: %w", err)
	}
	rd := newReading(data, ReadOptions{})
	m, err := lightGBM(rd, string(data))
	m, _, err = rd.finish("LightGBM text", m, err)
	return m, err
}

// fields are the key=value lines of one section of the file.
type fields struct {
	part string
	m    map[string]string
}

func (f fields) int(key string, absent int) (int, error) {
	s, ok := f.m[key]
	if !ok {
		return absent, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%s: %s: want a whole number, have %.40q", f.part, key, s)
	}
	return n, nil
}

// list parses n numbers separated by spaces. An absent key has zero numbers.
func list[T int | float64 | uint32](f fields, key string, n int, parse func(string) (T, error)) ([]T, error) {
	text := f.m[key]
	if n < 0 || n > len(text)/2+1 { // do not allocate more than the text can hold
		return nil, fmt.Errorf("%s: %s: want %d numbers, have %d", f.part, key, n, len(strings.Fields(text)))
	}
	out := make([]T, 0, n)
	var bad error
	for w := range strings.FieldsSeq(text) {
		x, err := parse(w)
		if err != nil && bad == nil {
			bad = fmt.Errorf("%s: %s: %.40q is not such a number", f.part, key, w)
		}
		out = append(out, x)
	}
	if len(out) != n {
		return nil, fmt.Errorf("%s: %s: want %d numbers, have %d", f.part, key, n, len(out))
	}
	if bad != nil {
		return nil, bad
	}
	return out, nil
}

func parseFloat(s string) (float64, error) {
	if f, n := short(s); n > 0 && n == len(s) {
		return f, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && errors.Is(err, strconv.ErrRange) {
		err = nil
	}
	return f, err
}

func parseWord(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

func (f fields) floats(key string, n int) ([]float64, error) { return list(f, key, n, parseFloat) }
func (f fields) ints(key string, n int) ([]int, error)       { return list(f, key, n, strconv.Atoi) }

// optional is like floats, but returns zeros if the key is absent or its list is empty.
func (f fields) optional(key string, n int) ([]float64, error) {
	if strings.TrimSpace(f.m[key]) == "" {
		return make([]float64, n), nil
	}
	return f.floats(key, n)
}

func lightGBM(r *reading, text string) (*Model, error) {
	if first, _, _ := strings.Cut(text, "\n"); strings.TrimSpace(first) != "tree" {
		return nil, fmt.Errorf(`the first line is %.40q, not "tree"`, first)
	}
	head := fields{"header", map[string]string{}}
	part := head
	var trees []fields
	ended := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "end of trees" {
			ended = true
			break
		}
		key, val, _ := strings.Cut(line, "=")
		if key == "Tree" {
			if val != strconv.Itoa(len(trees)) {
				return nil, fmt.Errorf("tree %d is announced as %.40q", len(trees), line)
			}
			part = fields{fmt.Sprintf("tree %d", len(trees)), map[string]string{}}
			trees = append(trees, part)
			continue
		}
		part.m[key] = val
	}
	if !ended {
		return nil, errors.New(`no line "end of trees": the file is cut off`)
	}
	switch v := head.m["version"]; v {
	case "v2", "v3", "v4":
	default:
		return nil, unsupported("LightGBM text of version %.40q, only v2, v3 and v4", v)
	}
	perIteration, err := head.int("num_tree_per_iteration", 1)
	if err != nil {
		return nil, err
	}
	if perIteration < 1 || perIteration > MaxOutputs {
		return nil, fmt.Errorf("num_tree_per_iteration is %d", perIteration)
	}
	if len(trees)%perIteration != 0 {
		return nil, fmt.Errorf("%d trees, %d an iteration: the file is cut off", len(trees), perIteration)
	}
	if sizes, ok := head.m["tree_sizes"]; ok && len(strings.Fields(sizes)) != len(trees) {
		return nil, fmt.Errorf("tree_sizes lists %d trees, the file has %d", len(strings.Fields(sizes)), len(trees))
	}
	m := &Model{Outputs: perIteration}
	_, m.Average = head.m["average_output"]
	if m.Link, err = lgbLink(head.m["objective"]); err != nil {
		return nil, err
	}
	if m.Features, err = lgbFeatures(r, head); err != nil {
		return nil, err
	}
	m.Trees = make([]Tree, len(trees))
	for i, f := range trees {
		if m.Trees[i], err = lgbTree(f, m.Features); err != nil {
			return nil, err
		}
		m.Trees[i].Output = i % perIteration
	}
	r.source.Categories = lgbCategories(text, m.Features)
	return m, nil
}

// lgbCategories returns the names of the categories of a data frame, or nil. They stand after the
// parameters, in the order of the features that one of the parameters lists.
func lgbCategories(text string, features []Feature) map[int]Categories {
	const key = "\npandas_categorical:"
	at := strings.LastIndex(text, key)
	if at < 0 {
		return nil
	}
	line, _, _ := strings.Cut(text[at+len(key):], "\n")
	doc, err := decodeJSON([]byte(line))
	if err != nil {
		return nil
	}
	lists, err := doc.list()
	if err != nil || len(lists) == 0 {
		return nil
	}
	var of []int
	if _, rest, ok := strings.Cut(text, "\n[categorical_feature: "); ok {
		list, _, _ := strings.Cut(rest, "]")
		for part := range strings.SplitSeq(list, ",") {
			if n, err := strconv.Atoi(part); err == nil && n >= 0 && n < len(features) {
				of = append(of, n)
			}
		}
	}
	if len(of) != len(lists) {
		of = nil
		for i, f := range features {
			if f.Kind == Categorical {
				of = append(of, i)
			}
		}
	}
	if len(of) != len(lists) {
		return nil
	}
	out := map[int]Categories{}
	for i, v := range lists {
		out[of[i]] = categoriesOf(v)
	}
	return out
}

// categoriesOf returns the names in a list: texts or numbers.
func categoriesOf(v value) Categories {
	if x, err := v.floats(); err == nil {
		return Categories{Numbers: x}
	}
	list, _ := v.list()
	var c Categories
	for _, item := range list {
		text, err := item.str()
		if err != nil {
			return Categories{}
		}
		c.Texts = append(c.Texts, text)
	}
	return c
}

// lgbLink reads the objective line: a name and name:value settings.
func lgbLink(objective string) (link Link, err error) {
	words := strings.Fields(objective)
	if len(words) == 0 {
		return link, nil
	}
	sqrt := slices.Contains(words, "sqrt")
	switch words[0] {
	case "regression", "regression_l2", "regression_l1", "huber", "fair", "quantile", "mape":
		if sqrt {
			link.Func = Square
		}
	case "lambdarank", "rank_xendcg", "custom", "none":
	case "poisson", "gamma", "tweedie":
		link.Func = Exp
	case "binary", "multiclassova":
		link.Func = Sigmoid
	case "cross_entropy", "xentropy":
		link.Func = Sigmoid
	case "cross_entropy_lambda", "xentlambda":
		link.Func = Softplus
	case "multiclass":
		link.Func = Softmax
	default:
		return link, unsupported("LightGBM objective %.60q", objective)
	}
	for _, w := range words[1:] {
		if s, ok := strings.CutPrefix(w, "sigmoid:"); ok {
			if link.Scale, err = strconv.ParseFloat(s, 64); err != nil || !(link.Scale > 0) {
				return link, fmt.Errorf("objective %.60q: %q is not a scale", objective, s)
			}
		}
	}
	return link, nil
}

func lgbFeatures(r *reading, head fields) ([]Feature, error) {
	last, err := head.int("max_feature_idx", -1)
	if err != nil {
		return nil, err
	}
	features, err := r.features(last + 1)
	if err != nil {
		return nil, err
	}
	// LightGBM separates names only at spaces: tabs and other white space belong to them.
	names := strings.FieldsFunc(head.m["feature_names"], func(c rune) bool { return c == ' ' })
	infos := strings.Fields(head.m["feature_infos"])
	if len(names) != len(features) || len(infos) != 0 && len(infos) != len(features) {
		return nil, fmt.Errorf("header: %d feature_names and %d feature_infos for %d features", len(names), len(infos), len(features))
	}
	for i, n := range names {
		features[i].Name = n
	}
	for i, info := range infos { // "[min:max]", "none" or the categories "1:2:3"
		if info != "none" && !strings.HasPrefix(info, "[") {
			features[i].Kind = Categorical
		}
	}
	return features, nil
}

// Bits of decision_type.
const (
	lgbCategorical  = 1
	lgbDefaultLeft  = 2
	lgbMissingShift = 2
)

var lgbMissing = []Missing{MissingNone, MissingZero, MissingNaN}

func lgbTree(f fields, features []Feature) (t Tree, err error) {
	leaves, err := f.int("num_leaves", 0)
	if err != nil {
		return t, err
	}
	if leaves < 1 {
		return t, fmt.Errorf("%s: num_leaves is %d", f.part, leaves)
	}
	values, err := f.floats("leaf_value", leaves)
	if err != nil {
		return t, err
	}
	weights, err := f.optional("leaf_weight", leaves)
	if err != nil {
		return t, err
	}
	counts, err := f.optional("leaf_count", leaves)
	if err != nil {
		return t, err
	}
	t.Leaves = make([]Leaf, leaves)
	for i := range t.Leaves {
		t.Leaves[i] = Leaf{Value: values[i], Weight: max(weights[i], 0), Count: lgbCount(counts[i])}
	}
	if err := lgbLinear(f, t.Leaves); err != nil {
		return t, err
	}
	if leaves > 1 {
		t.Nodes, err = lgbNodes(f, leaves-1, features)
	}
	return t, err
}

func lgbCount(c float64) int { return int(min(max(c, 0), 1<<52)) }

func lgbNodes(f fields, n int, features []Feature) ([]Node, error) {
	var err error
	ints := func(key string) (out []int) {
		if err == nil {
			out, err = f.ints(key, n)
		}
		return out
	}
	optional := func(key string) (out []float64) {
		if err == nil {
			out, err = f.optional(key, n)
		}
		return out
	}
	feature, decision := ints("split_feature"), ints("decision_type")
	left, right := ints("left_child"), ints("right_child")
	gain, weight, count := optional("split_gain"), optional("internal_weight"), optional("internal_count")
	if err != nil {
		return nil, err
	}
	threshold, err := f.floats("threshold", n)
	if err != nil {
		return nil, err
	}
	sets, err := lgbSets(f)
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, n)
	for i := range nodes {
		d := decision[i]
		if d < 0 || d > 15 || d>>lgbMissingShift >= len(lgbMissing) {
			return nil, fmt.Errorf("%s: decision_type %d of node %d", f.part, d, i)
		}
		nodes[i] = Node{
			Feature: feature[i], Left: left[i], Right: right[i],
			Gain: clean(gain[i]), Weight: max(weight[i], 0), Count: lgbCount(count[i]),
		}
		if d&lgbCategorical == 0 {
			nodes[i].Threshold = threshold[i]
			nodes[i].Missing = lgbMissing[d>>lgbMissingShift]
			nodes[i].DefaultLeft = d&lgbDefaultLeft != 0
			continue
		}
		s := threshold[i]
		if !(s >= 0 && s < float64(len(sets))) || s != float64(int(s)) {
			return nil, fmt.Errorf("%s: node %d takes category set %v of %d", f.part, i, s, len(sets))
		}
		nodes[i].Categories = sets[int(s)]
		if fi := feature[i]; fi >= 0 && fi < len(features) {
			features[fi].Kind = Categorical
		}
	}
	return nodes, nil
}

// lgbSets returns the category sets of a tree. No set is empty.
func lgbSets(f fields) ([][]uint32, error) {
	n, err := f.int("num_cat", 0)
	if err != nil || n == 0 {
		return nil, err
	}
	if n < 0 || n > len(f.m["cat_boundaries"]) {
		return nil, fmt.Errorf("%s: num_cat is %d", f.part, n)
	}
	bounds, err := f.ints("cat_boundaries", n+1)
	if err != nil {
		return nil, err
	}
	words, err := list(f, "cat_threshold", len(strings.Fields(f.m["cat_threshold"])), parseWord)
	if err != nil {
		return nil, err
	}
	sets := make([][]uint32, n)
	for i := range sets {
		from, to := bounds[i], bounds[i+1]
		if from < 0 || to < from || to > len(words) {
			return nil, fmt.Errorf("%s: cat_boundaries %d to %d of %d words", f.part, from, to, len(words))
		}
		if sets[i] = words[from:to:to]; from == to {
			sets[i] = []uint32{0}
		}
	}
	return sets, nil
}

func lgbLinear(f fields, leaves []Leaf) error {
	if is, err := f.int("is_linear", 0); err != nil || is == 0 {
		return err
	}
	consts, err := f.floats("leaf_const", len(leaves))
	if err != nil {
		return err
	}
	sizes, err := f.ints("num_features", len(leaves))
	if err != nil {
		return err
	}
	total := 0
	for _, s := range sizes {
		if s < 0 || s > len(f.m["leaf_features"])-total {
			return fmt.Errorf("%s: num_features has %d", f.part, s)
		}
		total += s
	}
	features, err := f.ints("leaf_features", total)
	if err != nil {
		return err
	}
	coefs, err := f.floats("leaf_coeff", total)
	if err != nil {
		return err
	}
	at := 0
	for i, s := range sizes {
		leaves[i].Linear = &Linear{Const: consts[i], Features: features[at : at+s : at+s], Coefs: coefs[at : at+s : at+s]}
		at += s
	}
	return nil
}
