package tree

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// ReadCatBoost reads a model that CatBoost saved as JSON (save_model with
// format="json") or in its own format (.cbm). It reads oblivious trees (SymmetricTree)
// and others (Depthwise, Lossguide), with one output or several, if all splits are on
// float features. It reads r to its end.
//
// A tree whose leaves hold k values becomes k trees. Predictions equal CatBoost's
// except for the order of sums. The link follows the loss: it gives what predict_proba
// gives for losses of classes, and what predict gives by default for others. CatBoost's
// scale is multiplied into the leaves.
//
// Splits on categories (one-hot and CTR), on texts and on embeddings are refused
// with [ErrUnsupported] before any tree is read: encode categories as numbers before training.
func ReadCatBoost(r io.Reader) (*Model, error) {
	head := bufio.NewReader(r)
	if begins, _ := head.Peek(len(cbm)); string(begins) != cbm {
		return readDocument(head, "CatBoost", catBoost)
	}
	data, err := io.ReadAll(head)
	if err != nil {
		return nil, pkg.Errorf("read CatBoost: %w", err)
	}
	rd := newReading(data, ReadOptions{})
	m, err := catBoostBinary(rd, data)
	m, _, err = rd.finish("CatBoost .cbm", m, err)
	return m, err
}

// catLinks are the links of losses whose predictions differ from the raw values.
var catLinks = map[string]LinkFunc{
	"Logloss": Sigmoid, "CrossEntropy": Sigmoid, "Focal": Sigmoid,
	"MultiClassOneVsAll": Sigmoid, "MultiLogloss": Sigmoid, "MultiCrossEntropy": Sigmoid,
	"MultiClass": Softmax, "Poisson": Exp, "Tweedie": Exp, "RMSEWithUncertainty": MeanVariance,
}

// catLabels reports whether a loss is one of several labels a row.
func catLabels(loss string) bool { return loss == "MultiLogloss" || loss == "MultiCrossEntropy" }

// A catReader holds what all trees of a file have in common.
type catReader struct {
	*reading
	outputs int
	scale   float64
	columns []int  // by float feature: its column
	nanLeft []bool // by float feature: where NaN goes
	model   *Model
}

func catBoost(r *reading, doc value) (*Model, error) {
	c := &catReader{reading: r, model: &Model{Float32: true}}
	m := c.model
	if err := c.features(doc.get("features_info")); err != nil {
		return nil, err
	}
	if err := c.scaleAndBias(doc.get("scale_and_bias")); err != nil {
		return nil, err
	}
	loss, err := catLoss(doc.get("model_info").get("params"))
	if err != nil {
		return nil, err
	}
	m.Link.Func, r.source.Labels = catLinks[loss], catLabels(loss)
	if err := r.catClasses(doc.get("model_info").get("class_params")); err != nil {
		return nil, err
	}
	count := 0
	for _, kind := range []struct {
		key string
		add func(value) error
	}{{"oblivious_trees", c.oblivious}, {"trees", c.nested}} {
		list, err := doc.get(kind.key).list()
		if err != nil {
			return nil, err
		}
		for _, v := range list {
			if err := kind.add(v); err != nil {
				return nil, err
			}
		}
		count += len(list)
	}
	r.taken(count, count)
	return m, nil
}

// catLoss returns the name of the loss, or "" if the file does not name one.
func catLoss(params value) (string, error) {
	if s, ok := params.v.(string); ok { // older files hold it as JSON in a string
		inner, err := decodeJSON([]byte(s))
		if err != nil {
			return "", params.errorf("%w", err)
		}
		inner.path = params.path
		params = inner
	}
	loss := params.get("loss_function").get("type")
	if loss.absent() {
		return "", nil
	}
	return loss.str()
}

// catClasses notes the names of the classes, if there are any.
func (r *reading) catClasses(params value) error {
	if s, ok := params.v.(string); ok {
		inner, err := decodeJSON([]byte(s))
		if err != nil {
			return params.errorf("%w", err)
		}
		params = inner
	}
	if params.absent() {
		return nil
	}
	list, err := params.get("class_names").list()
	if err != nil {
		return err
	}
	var numbers []int64
	for _, v := range list {
		switch x := v.v.(type) {
		case string:
			r.source.Classes = append(r.source.Classes, x)
		case float64:
			r.source.Classes = append(r.source.Classes, strconv.FormatFloat(x, 'g', -1, 64))
			if x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
				numbers = append(numbers, int64(x))
			}
		default: // a bool
			r.source.Classes = nil
			return nil
		}
	}
	if len(numbers) == len(list) {
		r.source.Numbers = numbers
	}
	return nil
}

func (c *catReader) features(info value) error {
	if info.absent() {
		return info.errorf("missing")
	}
	columns := 0
	for _, kind := range []string{"float_features", "categorical_features", "text_features", "embedding_features"} {
		list, err := info.get(kind).list()
		if err != nil {
			return err
		}
		for i, f := range list {
			column, err := f.get("flat_feature_index").int()
			if err != nil {
				return err
			}
			if columns = max(columns, column+1); column < 0 || columns > MaxFeatures {
				return f.errorf("flat_feature_index %d", column)
			}
			if kind != "float_features" {
				continue
			}
			at, err := f.get("feature_index").int()
			if err != nil {
				return err
			}
			if at != i {
				return f.errorf("feature_index %d, want %d", at, i)
			}
			nan := "AsIs"
			if v := f.get("nan_value_treatment"); !v.absent() {
				if nan, err = v.str(); err != nil {
					return err
				}
			}
			if nan != "AsIs" && nan != "AsFalse" && nan != "AsTrue" {
				return unsupported("CatBoost nan_value_treatment %q", nan)
			}
			c.columns = append(c.columns, column)
			c.nanLeft = append(c.nanLeft, nan != "AsTrue")
		}
	}
	var err error
	if c.model.Features, err = c.reading.features(columns); err != nil {
		return err
	}
	for _, kind := range []string{"float_features", "categorical_features"} {
		list, _ := info.get(kind).list()
		for _, f := range list {
			column, _ := f.get("flat_feature_index").int()
			if name, err := f.get("feature_id").str(); err == nil {
				c.model.Features[column].Name = name
			}
			if kind == "categorical_features" {
				c.model.Features[column].Kind = Categorical
			}
		}
	}
	// One-hot splits have the values of their feature here, and CTR splits a list of their own.
	ctrs, _ := info.get("ctrs").list()
	split := len(ctrs) > 0
	list, _ := info.get("categorical_features").list()
	for _, f := range list {
		values, _ := f.get("values").list()
		split = split || len(values) > 0
	}
	if split {
		return c.categories()
	}
	return nil
}

// categories returns the error for splits on categories, which names the columns that have them.
func (c *catReader) categories() error {
	var names []string
	more := 0
	for i, f := range c.model.Features {
		switch {
		case f.Kind != Categorical:
		case len(names) == 5:
			more++
		case f.Name != "":
			names = append(names, fmt.Sprintf("%.60q", f.Name))
		default:
			names = append(names, strconv.Itoa(i))
		}
	}
	if len(names) == 0 {
		return unsupported("CatBoost splits on texts or embeddings: turn them into numbers before training")
	}
	of := strings.Join(names, ", ")
	if more > 0 {
		of += fmt.Sprintf(" and %d more", more)
	}
	return unsupported("CatBoost splits on categories (one-hot or CTR), which are in columns %s: train it without cat_features, after an OrdinalEncoder or TargetEncoder in a Pipeline", of)
}

func (c *catReader) scaleAndBias(v value) error {
	list, err := v.list()
	if err != nil {
		return err
	}
	if len(list) != 2 {
		return v.errorf("want a scale and biases")
	}
	if c.scale, err = list[0].float(); err != nil {
		return err
	}
	if b, err := list[1].float(); err == nil { // before 1.0
		c.model.Base = []float64{b}
	} else if c.model.Base, err = list[1].floats(); err != nil {
		return err
	}
	c.outputs = len(c.model.Base)
	c.model.Outputs = c.outputs
	if c.outputs == 0 {
		return v.errorf("no bias")
	}
	return nil
}

// split converts a split to a node. The caller sets the children.
func (c *catReader) split(v value) (n Node, err error) {
	kind := "FloatFeature"
	if k := v.get("split_type"); !k.absent() {
		if kind, err = k.str(); err != nil {
			return n, err
		}
	}
	switch kind {
	case "FloatFeature":
	case "OneHotFeature", "OnlineCtr":
		return n, c.categories()
	default:
		return n, unsupported("CatBoost splits of type %q", kind)
	}
	f, err := v.get("float_feature_index").int()
	if err != nil {
		return n, err
	}
	if f < 0 || f >= len(c.columns) {
		return n, v.errorf("float_feature_index %d of %d features", f, len(c.columns))
	}
	border, err := v.get("border").float()
	if err != nil {
		return n, err
	}
	return Node{Feature: c.columns[f], Threshold: float64(float32(border)), DefaultLeft: c.nanLeft[f]}, nil
}

// oblivious adds a tree in which all nodes of a depth share one split: bit d of a
// leaf's number is the side taken at split d.
func (c *catReader) oblivious(v value) error {
	splits, err := v.get("splits").list()
	if err != nil {
		return err
	}
	values, err := v.get("leaf_values").floats()
	if err != nil {
		return err
	}
	var weights []float64
	if w := v.get("leaf_weights"); !w.absent() {
		if weights, err = w.floats(); err != nil {
			return err
		}
	}
	depth := len(splits)
	if depth > 30 || len(values) != c.outputs<<depth {
		return v.errorf("%d leaf values for %d splits and %d outputs", len(values), depth, c.outputs)
	}
	leaves := 1 << depth
	if len(weights) != leaves && len(weights) != 0 {
		return v.errorf("%d leaf weights for %d leaves", len(weights), leaves)
	}
	nodes := make([]Node, depth)
	for i, v := range splits {
		if nodes[i], err = c.split(v); err != nil {
			return err
		}
	}
	c.symmetric(nodes, values, weights)
	return nil
}

// symmetric adds an oblivious tree with one split per level. weights are those of the
// leaves, or nil.
func (c *catReader) symmetric(splits []Node, values, weights []float64) {
	depth, leaves := len(splits), 1<<len(splits)
	t := Tree{Nodes: make([]Node, leaves-1), Leaves: make([]Leaf, leaves)}
	for i, w := range weights {
		t.Leaves[i].Weight = w
	}
	// The last split is the root, as in CatBoost's own SHAP values. That keeps the
	// leaves in order. The nodes of level d begin at 2^d-1.
	for d := range depth {
		n := splits[depth-1-d]
		first, next := 1<<d-1, 1<<(d+1)-1
		for i := range 1 << d {
			n.Left, n.Right = next+2*i, next+2*i+1
			if d == depth-1 {
				n.Left, n.Right = ^(2 * i), ^(2*i + 1)
			}
			t.Nodes[first+i] = n
		}
	}
	t.addWeights()
	c.add(t, values)
}

// nested adds a tree whose splits are nested objects.
func (c *catReader) nested(v value) error {
	var t Tree
	var values []float64
	var walk func(v value) (int, error)
	walk = func(v value) (int, error) {
		if s := v.get("split"); !s.absent() {
			n, err := c.split(s)
			if err != nil {
				return 0, err
			}
			at := len(t.Nodes)
			t.Nodes = append(t.Nodes, n)
			left, err := walk(v.get("left"))
			if err != nil {
				return 0, err
			}
			right, err := walk(v.get("right"))
			if err != nil {
				return 0, err
			}
			t.Nodes[at].Left, t.Nodes[at].Right = left, right
			return at, nil
		}
		w := 0.0
		if x := v.get("weight"); !x.absent() {
			var err error
			if w, err = x.float(); err != nil {
				return 0, err
			}
		}
		var of []float64
		if f, err := v.get("value").float(); err == nil {
			of = []float64{f}
		} else if of, err = v.get("value").floats(); err != nil {
			return 0, err
		}
		if len(of) != c.outputs {
			return 0, v.errorf("%d values for %d outputs", len(of), c.outputs)
		}
		values = append(values, of...)
		t.Leaves = append(t.Leaves, Leaf{Weight: w})
		return ^(len(t.Leaves) - 1), nil
	}
	if _, err := walk(v); err != nil {
		return err
	}
	t.addWeights()
	c.add(t, values)
	return nil
}

// add adds a copy of t for each output. values holds all outputs of one leaf together.
func (c *catReader) add(t Tree, values []float64) {
	for o := range c.outputs {
		k := Tree{Output: o, Nodes: t.Nodes, Leaves: make([]Leaf, len(t.Leaves))}
		for i, l := range t.Leaves {
			l.Value = values[i*c.outputs+o]
			if c.scale != 1 {
				l.Value *= c.scale
			}
			k.Leaves[i] = l
		}
		c.model.Trees = append(c.model.Trees, k)
	}
}

// addWeights sets each inner node's weight to the sum of its leaves' weights. Children
// come after their parents.
func (t *Tree) addWeights() {
	weight := func(i int) float64 {
		if i < 0 {
			return t.Leaves[^i].Weight
		}
		return t.Nodes[i].Weight
	}
	for i := len(t.Nodes) - 1; i >= 0; i-- {
		n := &t.Nodes[i]
		n.Weight = weight(n.Left) + weight(n.Right)
		if math.IsInf(n.Weight, 0) || math.IsNaN(n.Weight) {
			n.Weight = 0
		}
	}
}
