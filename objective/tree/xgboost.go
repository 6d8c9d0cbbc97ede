package tree

import (
	"fmt"
	"io"
	"math"
)

// ReadXGBoost reads a model that XGBoost 1.x to 3.x saved as JSON or UBJSON
// (save_model, or save_raw): gbtree and dart, numeric and categorical splits,
// forests (num_parallel_tree), several classes or targets. It reads r to its end.
//
// Predictions differ from XGBoost's only by rounding, because XGBoost sums in float32;
// every row ends in the same leaves. The link is that of the objective, with two
// exceptions: multi:softmax predicts probabilities like multi:softprob, and custom
// objectives predict raw values. Models trained on named categories (a data frame)
// expect the category's code. Trees after the best iteration of early stopping are omitted,
// as by XGBoost's estimators; [ReadOptions] can include them.
//
// ReadXGBoost refuses gblinear and trees with vector leaves (multi_output_tree) with
// [ErrUnsupported].
func ReadXGBoost(r io.Reader) (*Model, error) { return readDocument(r, "XGBoost", xgBoost) }

var xgbLinks = map[string]LinkFunc{
	"reg:squarederror": Identity, "reg:linear": Identity, "reg:squaredlogerror": Identity,
	"reg:pseudohubererror": Identity, "reg:absoluteerror": Identity, "reg:quantileerror": Identity,
	"reg:expectileerror": Identity,
	"reg:logistic":       Sigmoid, "binary:logistic": Sigmoid, "binary:logitraw": Identity, "binary:hinge": Step,
	"count:poisson": Exp, "reg:gamma": Exp, "reg:tweedie": Exp, "survival:cox": Exp, "survival:aft": Exp,
	"multi:softmax": Softmax, "multi:softprob": Softmax,
	"rank:pairwise": Identity, "rank:ndcg": Identity, "rank:map": Identity,
}

func xgBoost(r *reading, doc value) (*Model, error) {
	if inner := doc.get("Model"); !inner.absent() { // beside a Config, in the pickle of a booster
		doc = inner
	}
	learner := doc.get("learner")
	if learner.absent() {
		return nil, fmt.Errorf(".learner is missing")
	}
	param := learner.get("learner_model_param")
	size := func(key string, least int) (int, error) {
		v := param.get(key)
		if v.absent() {
			return least, nil
		}
		n, err := v.int()
		return max(n, least), err
	}
	columns, err := size("num_feature", 0)
	if err != nil {
		return nil, err
	}
	classes, err := size("num_class", 1)
	if err != nil {
		return nil, err
	}
	targets, err := size("num_target", 1)
	if err != nil {
		return nil, err
	}
	if classes > 1 && targets > 1 {
		return nil, unsupported("several classes and several targets at once")
	}
	m := &Model{Outputs: max(classes, targets), Float32: true}
	if m.Outputs > MaxOutputs {
		return nil, fmt.Errorf("%d outputs, at most %d", m.Outputs, MaxOutputs)
	}

	objective := "reg:squarederror"
	if v := learner.get("objective").get("name"); !v.absent() {
		if objective, err = v.str(); err != nil {
			return nil, err
		}
	}
	var known bool
	if m.Link.Func, known = xgbLinks[objective]; !known {
		return nil, unsupported("XGBoost objective %q", objective)
	}
	r.source.Labels = targets > 1 && m.Link.Func == Sigmoid
	if m.Base, err = xgbBase(param.get("base_score"), objective, m.Outputs); err != nil {
		return nil, err
	}

	booster := learner.get("gradient_booster")
	name, err := booster.get("name").str()
	if err != nil {
		return nil, err
	}
	if name != "gbtree" && name != "dart" {
		return nil, unsupported("XGBoost booster %q", name)
	}
	model := booster.get("model")
	if inner := booster.get("gbtree").get("model"); model.absent() {
		model = inner
	}
	if model.absent() {
		return nil, model.errorf("missing")
	}
	trees, err := model.get("trees").list()
	if err != nil {
		return nil, err
	}
	outputs, err := model.get("tree_info").ints()
	if err != nil {
		return nil, err
	}
	if len(outputs) != len(trees) {
		return nil, model.errorf("%d trees, tree_info for %d", len(trees), len(outputs))
	}
	if v := model.get("gbtree_model_param").get("num_trees"); !v.absent() {
		if n, err := v.int(); err != nil || n != len(trees) {
			return nil, v.errorf("%v trees declared, there are %d", v.v, len(trees))
		}
	}
	drop, err := xgbDrop(booster, model, name, len(trees))
	if err != nil {
		return nil, err
	}

	if m.Features, err = r.features(columns); err != nil {
		return nil, err
	}
	if err := xgbFeatures(learner, m.Features); err != nil {
		return nil, err
	}
	r.source.Categories = xgbNames(model.get("cats"), columns)
	taken, err := xgbTaken(learner, model, m.Outputs, len(trees))
	if err != nil {
		return nil, err
	}
	if r.AllTrees {
		taken = len(trees)
	}
	r.taken(taken, len(trees))
	m.Trees = make([]Tree, taken)
	for i, v := range trees[:taken] {
		t, err := xgbTree(r, v, m.Features)
		if err != nil {
			return nil, err
		}
		t.Output = outputs[i]
		for j := range t.Leaves {
			if drop != nil {
				t.Leaves[j].Value = float64(float32(drop[i]) * float32(t.Leaves[j].Value))
			}
		}
		m.Trees[i] = t
	}
	return m, nil
}

// xgbTaken returns the number of trees that XGBoost's estimators predict with: those up to
// the best iteration of early stopping, or all. Before 1.4, the file may give it as the
// number of trees per class.
func xgbTaken(learner, model value, outputs, trees int) (int, error) {
	attributes := learner.get("attributes")
	taken := trees
	if v := attributes.get("best_iteration"); !v.absent() {
		best, err := v.int()
		if err != nil {
			return 0, err
		}
		if best < 0 || best >= trees {
			return trees, nil
		}
		parallel := 1
		if v := model.get("gbtree_model_param").get("num_parallel_tree"); !v.absent() {
			if parallel, err = v.int(); err != nil {
				return 0, err
			}
		} else if v := attributes.get("best_ntree_limit"); !v.absent() { // before 1.6, which did not save it
			limit, err := v.int()
			if err != nil {
				return 0, err
			}
			parallel = min(limit, trees) / (best + 1)
		}
		taken = (best + 1) * max(parallel, 1) * outputs
		if v := model.get("iteration_indptr"); !v.absent() { // since 2.0: the first tree of each round
			first, err := v.ints()
			if err != nil {
				return 0, err
			}
			if best+1 < len(first) {
				taken = first[best+1]
			}
		}
	} else if v := attributes.get("best_ntree_limit"); !v.absent() {
		limit, err := v.int()
		if err != nil {
			return 0, err
		}
		if limit > 0 && limit <= trees {
			taken = limit * outputs
		}
	}
	if taken < 0 {
		return 0, attributes.errorf("a best iteration of %d trees", taken)
	}
	return min(taken, trees), nil
}

// xgbBase converts the base scores, which are saved as predictions, to raw values.
func xgbBase(v value, objective string, outputs int) ([]float64, error) {
	var scores []float64
	if s, ok := v.v.(string); ok && len(s) > 0 && s[0] == '[' { // 3.1 and later
		list, err := decodeJSON([]byte(s))
		if err != nil {
			return nil, v.errorf("%w", err)
		}
		list.path = v.path
		if scores, err = list.floats(); err != nil {
			return nil, err
		}
	} else if s, err := v.float(); err == nil {
		scores = []float64{s}
	} else if scores, err = v.floats(); err != nil {
		return nil, err
	}
	base := make([]float64, outputs)
	if len(scores) != 1 && len(scores) != outputs {
		return nil, v.errorf("%d values for %d outputs", len(scores), outputs)
	}
	for i := range base {
		s := float32(scores[min(i, len(scores)-1)])
		switch objective {
		case "reg:logistic", "binary:logistic":
			s = -float32(math.Log(float64(1/s - 1)))
		case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft":
			s = float32(math.Log(float64(s)))
		}
		base[i] = float64(s)
	}
	return base, nil
}

// xgbDrop returns the weights of dart's trees, nil when there are none. Until 3.2 they
// were stored beside the inner model; since then they are part of it.
func xgbDrop(booster, model value, name string, trees int) ([]float64, error) {
	for _, v := range []value{booster.get("weight_drop"), booster.get("gbtree").get("weight_drop"), model.get("weight_drop")} {
		if v.absent() {
			continue
		}
		w, err := v.floats()
		if err != nil {
			return nil, err
		}
		if len(w) == 0 && name != "dart" {
			continue
		}
		if len(w) != trees {
			return nil, v.errorf("%d weights for %d trees", len(w), trees)
		}
		return w, nil
	}
	if name == "dart" {
		return nil, booster.errorf("dart without weight_drop")
	}
	return nil, nil
}

func xgbFeatures(learner value, features []Feature) error {
	for _, key := range []string{"feature_names", "feature_types"} {
		list, err := learner.get(key).list()
		if err != nil {
			return err
		}
		if len(list) != 0 && len(list) != len(features) {
			return learner.get(key).errorf("%d entries for %d features", len(list), len(features))
		}
		for i, v := range list {
			s, err := v.str()
			switch {
			case err != nil:
				return err
			case key == "feature_names":
				features[i].Name = s
			case s == "c":
				features[i].Kind = Categorical
			}
		}
	}
	return nil
}

// An xgbArrays holds a tree as columns, with one entry per node.
type xgbArrays struct {
	left, right, feature          []int
	condition, defaultLeft        []float64
	splitType                     []int
	lossChange, hessian           []float64
	categories                    []int
	catNodes, catSegment, catSize []int
}

func xgbColumns(v value) (a xgbArrays, err error) {
	if w := v.get("tree_param").get("size_leaf_vector"); !w.absent() {
		n, err := w.int()
		if err != nil {
			return a, err
		}
		if n > 1 {
			return a, unsupported("XGBoost trees with vector leaves (multi_output_tree): train with multi_strategy=one_output_per_tree")
		}
	}
	ints := func(key string, to *[]int) {
		if err == nil {
			*to, err = v.get(key).ints()
		}
	}
	floats := func(key string, to *[]float64) {
		if err == nil {
			*to, err = v.get(key).floats()
		}
	}
	ints("left_children", &a.left)
	ints("right_children", &a.right)
	ints("split_indices", &a.feature)
	floats("split_conditions", &a.condition)
	floats("default_left", &a.defaultLeft)
	if !v.get("split_type").absent() { // since 1.3
		ints("split_type", &a.splitType)
		ints("categories", &a.categories)
		ints("categories_nodes", &a.catNodes)
		ints("categories_segments", &a.catSegment)
		ints("categories_sizes", &a.catSize)
	}
	if !v.get("loss_changes").absent() {
		floats("loss_changes", &a.lossChange)
	}
	if !v.get("sum_hessian").absent() {
		floats("sum_hessian", &a.hessian)
	}
	if err != nil {
		return a, err
	}
	n := len(a.left)
	switch {
	case n == 0:
		return a, v.errorf("no nodes")
	case len(a.right) != n, len(a.feature) != n, len(a.condition) != n, len(a.defaultLeft) != n,
		len(a.splitType) != n && len(a.splitType) != 0,
		len(a.lossChange) != n && len(a.lossChange) != 0,
		len(a.hessian) != n && len(a.hessian) != 0:
		return a, v.errorf("arrays of different lengths")
	case len(a.catSegment) != len(a.catNodes), len(a.catSize) != len(a.catNodes):
		return a, v.errorf("categories_nodes, _segments and _sizes of different lengths")
	}
	return a, nil
}

func xgbTree(r *reading, v value, features []Feature) (t Tree, err error) {
	a, err := xgbColumns(v)
	if err != nil {
		return t, err
	}
	cats := map[int]int{} // entry of catNodes by node
	for i, node := range a.catNodes {
		cats[node] = i
	}
	at := func(column []float64, i int) float64 {
		if len(column) == 0 {
			return 0
		}
		return column[i]
	}
	// Deleted nodes stay in the arrays: only nodes that the root reaches count.
	n, added := len(a.left), 0
	t.Nodes = make([]Node, 0, n/2)
	t.Leaves = make([]Leaf, 0, n/2+1)
	add := func(i int) (int, error) {
		if i < 0 || i >= n {
			return 0, v.errorf("child %d of %d nodes", i, n)
		}
		if added++; added > n {
			return 0, v.errorf("a node is reached twice")
		}
		if a.left[i] == -1 {
			t.Leaves = append(t.Leaves, Leaf{Value: float64(float32(a.condition[i])), Weight: max(at(a.hessian, i), 0)})
			return ^(len(t.Leaves) - 1), nil
		}
		node := Node{
			Feature: a.feature[i], DefaultLeft: a.defaultLeft[i] != 0,
			Left: a.left[i], Right: a.right[i],
			Gain: clean(at(a.lossChange, i)), Weight: max(at(a.hessian, i), 0),
		}
		if len(a.splitType) > 0 && a.splitType[i] == 1 {
			if err := xgbCategories(r, v, &a, cats, i, &node); err != nil {
				return 0, err
			}
			if node.Feature >= 0 && node.Feature < len(features) {
				features[node.Feature].Kind = Categorical
			}
		} else {
			c := float32(a.condition[i])
			if c != c || math.IsInf(float64(c), -1) {
				return 0, v.errorf("node %d splits at %v", i, c)
			}
			node.Threshold = below(c)
		}
		t.Nodes = append(t.Nodes, node)
		return len(t.Nodes) - 1, nil
	}
	if _, err := add(0); err != nil {
		return t, err
	}
	// The loop appends nodes as it goes. It replaces XGBoost's numbers of the children by
	// ours.
	for i := 0; i < len(t.Nodes); i++ {
		l, err := add(t.Nodes[i].Left)
		if err != nil {
			return t, err
		}
		rt, err := add(t.Nodes[i].Right)
		if err != nil {
			return t, err
		}
		t.Nodes[i].Left, t.Nodes[i].Right = l, rt
	}
	return t, nil
}

// xgbNames returns the names of the categories of a data frame, which XGBoost keeps since 3.1: the
// bytes of all names of a feature, and where each begins and ends; or numbers.
func xgbNames(cats value, columns int) map[int]Categories {
	list, err := cats.get("enc").list()
	if err != nil || len(list) != columns {
		return nil
	}
	out := map[int]Categories{}
	for i, enc := range list {
		if enc.get("offsets").absent() {
			if x, err := enc.get("values").floats(); err == nil && len(x) > 0 {
				out[i] = Categories{Numbers: x}
			}
			continue
		}
		offsets, err := enc.get("offsets").ints()
		if err != nil || len(offsets) < 2 {
			continue
		}
		codes, err := enc.get("values").ints()
		if err != nil {
			continue
		}
		data := make([]byte, len(codes))
		var c Categories
		for k, code := range codes {
			data[k] = byte(code)
			c.Cut = c.Cut || data[k] >= 0x80
		}
		for k, from := range offsets[:len(offsets)-1] {
			if to := offsets[k+1]; from < 0 || to < from || to > len(data) {
				c.Texts = nil
				break
			} else {
				c.Texts = append(c.Texts, string(data[from:to]))
			}
		}
		if c.Texts != nil {
			out[i] = c
		}
	}
	return out
}

// xgbCategories makes the node a categorical one. XGBoost sends the listed categories to
// the right, so the sides are swapped.
func xgbCategories(r *reading, v value, a *xgbArrays, cats map[int]int, i int, node *Node) error {
	c, ok := cats[i]
	if !ok {
		return v.errorf("categorical node %d has no categories", i)
	}
	from, size := a.catSegment[c], a.catSize[c]
	if from < 0 || size < 0 || size > len(a.categories) || from > len(a.categories)-size {
		return v.errorf("categories of node %d: segment %d+%d of %d", i, from, size, len(a.categories))
	}
	if err := r.categories(node, a.categories[from:from+size]); err != nil {
		return v.errorf("node %d: %w", i, err)
	}
	node.Left, node.Right, node.DefaultLeft = node.Right, node.Left, !node.DefaultLeft
	return nil
}
