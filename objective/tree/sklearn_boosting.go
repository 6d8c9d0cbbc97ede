package tree

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/internal/pickle"
)

// link sets the link that belongs to the loss of a boosted model, and its number of
// outputs: the number of trees per iteration.
func (s *sklearn) link(trees int) error {
	if trees < 1 || trees > MaxOutputs {
		return fmt.Errorf("%d trees an iteration", trees)
	}
	s.m.Outputs = trees
	loss, ok := s.model.Get("loss").(string)
	switch {
	case !ok:
		return unsupported("a custom loss")
	case s.classes && trees > 1:
		s.m.Link.Func = Softmax
	case trees > 1:
		return fmt.Errorf("a regressor with %d trees an iteration", trees)
	case s.classes:
		s.m.Link.Func = Sigmoid
		if loss == "exponential" {
			s.m.Link.Scale = 2
		}
	case loss == "poisson", loss == "gamma":
		s.m.Link.Func = Exp
	}
	return nil
}

// boosting reads gradient boosting: an initial prediction plus the learning rate times
// the trees.
func (s *sklearn) boosting() error {
	grid, ok := s.model.Get("estimators_").(*pickle.Array)
	if !ok || len(grid.Shape) != 2 {
		return errors.New("estimators_ is not an array of two dimensions: is the model fitted?")
	}
	trees, ok := pickle.Items(grid)
	if !ok {
		return fmt.Errorf("estimators_: %s", pickle.Kind(grid))
	}
	if err := s.link(grid.Shape[1]); err != nil {
		return err
	}
	rate, ok := pickle.Float(s.model.Get("learning_rate"))
	if !ok {
		return fmt.Errorf("learning_rate: want a number, have %s", pickle.Kind(s.model.Get("learning_rate")))
	}
	if err := s.initial(); err != nil {
		return fmt.Errorf("init_: %w", err)
	}
	for i, e := range trees {
		a, err := s.nodes(e)
		if err == nil && len(a.value) != len(a.left) {
			err = fmt.Errorf("values of %d×%d", a.outputs, a.classes)
		}
		if err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
		t := a.tree(1, func(i int) float64 { return rate * a.value[i] })
		t.Output = i % s.m.Outputs
		s.m.Trees = append(s.m.Trees, t)
	}
	return nil
}

// initial sets the base values from the estimator of the initial prediction.
func (s *sklearn) initial() error {
	init := s.model.Get("init_")
	if init == "zero" {
		return nil
	}
	o, err := sklObject(init)
	if err != nil {
		return err
	}
	attribute, class := "constant_", "DummyRegressor"
	if s.classes {
		attribute, class = "class_prior_", "DummyClassifier"
	}
	if o.Class.Name != class || s.classes && o.Get("strategy") != "prior" {
		return unsupported("a model that begins with a %s: use the default init, or fit the model to that estimator's residuals", o.Class.Name)
	}
	want := s.m.Outputs
	if s.classes && want == 1 {
		want = 2
	}
	base, err := s.floats(o.Get(attribute), want)
	if err != nil {
		return fmt.Errorf("%s: %w", attribute, err)
	}
	if !s.classes {
		s.m.Base = base
		return nil
	}
	eps := 0x1p-23 // float32's epsilon, used until 1.8
	if s.since(8) {
		eps = 0x1p-52
	}
	for k, p := range base {
		base[k] = min(max(p, eps), 1-eps)
	}
	if s.m.Outputs == 1 {
		p := base[1]
		odds := math.Log(p / (1 - p))
		if s.m.Link.Scale == 2 {
			odds /= 2
		}
		s.m.Base = []float64{odds}
		return nil
	}
	mean := 0.0
	for k, p := range base {
		base[k] = math.Log(p)
		mean += base[k] / float64(len(base))
	}
	if s.since(4) {
		for k := range base {
			base[k] -= mean
		}
	}
	s.m.Base = base
	return nil
}

// histBoosting reads histogram gradient boosting.
func (s *sklearn) histBoosting() error {
	s.m.Float32 = false
	iterations, err := sklItems(s.model, "_predictors")
	if err != nil {
		return err
	}
	per, err := sklInt(s.model, "n_trees_per_iteration_")
	if err != nil {
		return err
	}
	if err := s.link(per); err != nil {
		return err
	}
	if s.m.Base, err = s.baseline(); err != nil {
		return fmt.Errorf("_baseline_prediction: %w", err)
	}
	c, err := s.categorical()
	if err != nil {
		return err
	}
	for i, it := range iterations {
		trees, ok := pickle.Items(it)
		if !ok || len(trees) != per {
			return fmt.Errorf("iteration %d: want %d trees, have %s of %d", i, per, pickle.Kind(it), len(trees))
		}
		for k, p := range trees {
			t, err := s.histTree(p, c)
			if err != nil {
				return fmt.Errorf("tree %d of iteration %d: %w", k, i, err)
			}
			t.Output = k
			s.m.Trees = append(s.m.Trees, t)
		}
	}
	return nil
}

// baseline returns the initial predictions, which are stored as a number or an array.
func (s *sklearn) baseline() ([]float64, error) {
	v := s.model.Get("_baseline_prediction")
	if _, ok := v.(*pickle.Array); ok {
		return s.floats(v, s.m.Outputs)
	}
	f, ok := pickle.Float(v)
	if !ok || s.m.Outputs != 1 {
		return nil, fmt.Errorf("want %d numbers, have %s", s.m.Outputs, pickle.Kind(v))
	}
	return []float64{f}, nil
}

// An sklCategories describes the columns that histogram gradient boosting sees.
type sklCategories struct {
	feature []int   // the feature that a column holds
	known   [][]int // known categories of a categorical column, as numbered in the trees; nil for a numeric column
	number  [][]int // category of each such number; nil if they are the same
}

// maxSklCategories bounds the categories of a column: the trees number them with one byte.
const maxSklCategories = 256

func (s *sklearn) categorical() (*sklCategories, error) {
	n := len(s.m.Features)
	c := &sklCategories{feature: make([]int, n), known: make([][]int, n), number: make([][]int, n)}
	for i := range c.feature {
		c.feature[i] = i
	}
	mask := s.model.Get("is_categorical_")
	if mask == nil {
		return c, nil
	}
	is, err := s.floats(mask, n)
	if err != nil {
		return nil, fmt.Errorf("is_categorical_: %w", err)
	}
	var features []int
	for f, yes := range is {
		if yes != 0 {
			features = append(features, f)
			s.m.Features[f].Kind = Categorical
		}
	}
	columns := features
	preprocessor, err := sklObject(s.model.Get("_preprocessor"))
	if err == nil { // since 1.4: the categorical columns come first, as places in lists
		c.feature = slices.Clone(features)
		for f, yes := range is {
			if yes == 0 {
				c.feature = append(c.feature, f)
			}
		}
		columns = c.feature[:len(features)]
		if columns, err = s.encoded(c, preprocessor, columns); err != nil {
			return nil, fmt.Errorf("_preprocessor: %w", err)
		}
	}
	binner, err := sklObject(s.model.Get("_bin_mapper"))
	if err != nil {
		return nil, fmt.Errorf("_bin_mapper: %w", err)
	}
	known, err := sklItems(binner, "bin_thresholds_")
	if err != nil {
		return nil, fmt.Errorf("_bin_mapper: %w", err)
	}
	if len(known) != n {
		return nil, fmt.Errorf("_bin_mapper: bin_thresholds_ for %d features, want %d", len(known), n)
	}
	for _, f := range columns {
		values, err := s.floats(known[f], -1)
		if err == nil && len(values) > maxSklCategories {
			err = fmt.Errorf("%d of them, more than %d", len(values), maxSklCategories)
		}
		if err != nil {
			return nil, fmt.Errorf("_bin_mapper: categories of column %d: %w", f, err)
		}
		c.known[f] = make([]int, len(values))
		for i, v := range values {
			if v < 0 || v >= maxSklCategories || v != math.Trunc(v) {
				return nil, fmt.Errorf("_bin_mapper: category %v of column %d, not in 0..%d", v, f, maxSklCategories-1)
			}
			c.known[f][i] = int(v)
		}
	}
	return c, nil
}

// encoded reads the category lists of columns that the trees number by list index, and
// returns these columns.
func (s *sklearn) encoded(c *sklCategories, preprocessor *pickle.Object, features []int) ([]int, error) {
	steps, err := sklItems(preprocessor, "transformers_")
	if err != nil {
		return nil, err
	}
	var lists []any
	for _, step := range steps {
		parts, _ := pickle.Items(step) // name, transformer, columns
		if len(parts) == 3 && parts[0] == "encoder" {
			encoder, err := sklObject(parts[1])
			if err != nil {
				return nil, err
			}
			if lists, err = sklItems(encoder, "categories_"); err != nil {
				return nil, err
			}
		}
	}
	if len(lists) != len(features) {
		return nil, fmt.Errorf("categories for %d features, want %d", len(lists), len(features))
	}
	columns := make([]int, len(features))
	for i, list := range lists {
		columns[i] = i
		a, err := s.array(list)
		if err != nil {
			return nil, err
		}
		values, ok := sklNumbers(a)
		if !ok {
			if texts, ok := sklTexts(a); ok { // the indices are the categories
				if s.source.Categories == nil {
					s.source.Categories = map[int]Categories{}
				}
				s.source.Categories[features[i]] = Categories{Texts: texts}
			}
			continue
		}
		for _, v := range values {
			switch {
			case v != v: // the last one, which means missing
				continue
			case v < 0 || v >= MaxCategories || v != math.Trunc(v):
				return nil, unsupported("category %v of feature %d: number categories 0, 1, 2, …", v, features[i])
			}
			c.number[i] = append(c.number[i], int(v))
		}
	}
	return columns, nil
}

// sklNumbers returns the elements of an array if all are numbers. Missing ones become NaN.
func sklNumbers(a *pickle.Array) ([]float64, bool) {
	items, ok := pickle.Items(a)
	if !ok {
		values, err := a.Floats()
		return values, err == nil
	}
	values := make([]float64, len(items))
	for i, v := range items {
		if values[i], ok = pickle.Float(v); v == nil {
			values[i], ok = math.NaN(), true
		}
		if !ok {
			return nil, false
		}
	}
	return values, true
}

// sklTexts returns the elements of an array if all are texts, but for the last one, which may be a missing value.
func sklTexts(a *pickle.Array) ([]string, bool) {
	items, ok := pickle.Items(a)
	if !ok {
		texts, err := a.Strings()
		return texts, err == nil
	}
	var texts []string
	for i, v := range items {
		text, ok := v.(string)
		if !ok && (i < len(items)-1 || i == 0) {
			return nil, false
		}
		if ok {
			texts = append(texts, text)
		}
	}
	return texts, true
}

// histTree reads a TreePredictor.
func (s *sklearn) histTree(predictor any, c *sklCategories) (t Tree, err error) {
	o, err := sklObject(predictor)
	if err != nil {
		return t, err
	}
	records, err := s.columns(o.Get("nodes"))
	if err != nil {
		return t, fmt.Errorf("nodes: %w", err)
	}
	var a sklNodes
	var leaf, categorical, set []int64
	ints, floats := (*pickle.Array).Ints, (*pickle.Array).Floats
	sklColumn(records, "left", ints, &a.left, &err)
	sklColumn(records, "right", ints, &a.right, &err)
	sklColumn(records, "is_leaf", ints, &leaf, &err)
	sklColumn(records, "feature_idx", ints, &a.feature, &err)
	sklColumn(records, "num_threshold", floats, &a.threshold, &err)
	sklColumn(records, "missing_go_to_left", ints, &a.missingLeft, &err)
	sklColumn(records, "count", ints, &a.count, &err)
	sklColumn(records, "gain", floats, &a.gain, &err)
	sklColumn(records, "value", floats, &a.value, &err)
	sklColumn(records, "is_categorical", ints, &categorical, &err)
	sklColumn(records, "bitset_idx", ints, &set, &err)
	if err != nil {
		return t, fmt.Errorf("nodes: %w", err)
	}
	for i, is := range leaf {
		if is != 0 {
			a.left[i], a.right[i] = -1, -1
		}
	}
	if err = a.check(); err == nil {
		err = s.trees(len(a.left), 1)
	}
	if err != nil {
		return t, err
	}
	t = a.tree(1, func(i int) float64 { return a.value[i] })

	var sets []int64
	inner := -1
	for i := range leaf {
		if a.left[i] < 0 {
			continue
		}
		inner++
		node := &t.Nodes[inner]
		column := a.feature[i]
		if column < 0 || column >= int64(len(c.feature)) {
			return t, fmt.Errorf("node %d: feature %d of %d", i, column, len(c.feature))
		}
		node.Feature = c.feature[column]
		if categorical[i] == 0 {
			continue
		}
		if c.known[column] == nil {
			return t, fmt.Errorf("node %d: a categorical split on a numeric column", i)
		}
		if sets == nil {
			all, err := s.array(o.Get("raw_left_cat_bitsets"))
			if err != nil {
				return t, fmt.Errorf("raw_left_cat_bitsets: %w", err)
			}
			if sets, err = all.Ints(); err != nil {
				return t, fmt.Errorf("raw_left_cat_bitsets: %w", err)
			}
		}
		if set[i] < 0 || set[i] >= int64(len(sets)/8) {
			return t, fmt.Errorf("node %d: set %d of %d", i, set[i], len(sets)/8)
		}
		if err := s.split(node, c, int(column), sets[8*set[i]:][:8]); err != nil {
			return t, fmt.Errorf("node %d: %w", i, err)
		}
	}
	return t, nil
}

// split makes node a categorical split. scikit-learn treats unknown categories as
// missing. So if missing values go left, split swaps the sides, because a node sends
// unlisted categories to the right.
func (s *sklearn) split(node *Node, c *sklCategories, column int, set []int64) error {
	var listed []int
	for _, k := range c.known[column] {
		if left := set[k/32]>>(k%32)&1 != 0; left == node.DefaultLeft {
			continue
		}
		if number := c.number[column]; number != nil {
			if k >= len(number) {
				return fmt.Errorf("category %d of %d", k, len(number))
			}
			k = number[k]
		}
		listed = append(listed, k)
	}
	if node.DefaultLeft {
		node.Left, node.Right, node.DefaultLeft = node.Right, node.Left, false
	}
	node.Threshold = 0
	return s.categories(node, listed)
}
