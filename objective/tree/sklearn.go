package tree

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
)

// ReadScikitLearn reads a model of scikit-learn 0.24 or later that joblib.dump or
// pickle.dump wrote: decision trees, random forests, extra trees, gradient boosting and
// histogram gradient boosting, each for regression and classification, and isolation
// forests. It reads r to its end. A pickle is a program for Python, but ReadScikitLearn
// treats it as data: it executes nothing, and refuses by name any class that such a model
// does not contain.
//
// The model predicts
//
//	trees, forests          what predict gives for regressors, predict_proba for classifiers
//	gradient boosting       the same; for two classes, only the probability of the second
//	isolation forests       -score_samples: anomaly scores from 0 to 1
//
// bit for bit as scikit-learn does on one core, except that link functions and the base
// values of classes may differ in the last bits. Node.Count and Weight are
// n_node_samples and weighted_n_node_samples. Node.Gain is the decrease of the impurity
// times the weight, divided equally among the outputs.
//
// Missing values go where scikit-learn 1.3 and later send them. In models of older
// versions, which refuse missing values, they go to the right. A category of histogram
// gradient boosting is the number that it was trained with; a text category is its index
// in scikit-learn's sorted list of categories. A number between categories, such as 1.5,
// is unknown to scikit-learn and thus missing; here it is category 1, as in every [Model].
//
// The memory that a file can make ReadScikitLearn allocate is bounded: by about 300 MB
// for a small file, however much it unpacks to, and in proportion to its size for a large
// one. A file that needs more is refused with [ErrUnsupported].
//
// Also refused with [ErrUnsupported]: other estimators, such as pipelines and
// searches (package pipeline reads these), classification with several targets,
// and gradient boosting with a custom init estimator.
func ReadScikitLearn(r io.Reader) (*Model, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, pkg.Errorf("read scikit-learn: %w", err)
	}
	rd := newReading(data, ReadOptions{})
	if data, err = pickle.Unpack(data); err != nil {
		m, _, err := rd.finish("scikit-learn", nil, err)
		return m, err
	}
	rd.size = len(data)
	root, err := pickle.Decode(data, rd.packed, pickledNames)
	if err != nil {
		m, _, err := rd.finish("scikit-learn", nil, err)
		return m, err
	}
	m, err := sklModel(rd, rd.packed, root)
	m, _, err = rd.finish("scikit-learn", m, err)
	return m, err
}

// sklModel converts the root object of a file that had packed bytes before unpacking.
func sklModel(r *reading, packed int, root any) (*Model, error) {
	o, ok := root.(*pickle.Object)
	if !ok || !strings.HasPrefix(o.Class.Module, "sklearn.") {
		return nil, unsupported("%s: want a model of scikit-learn by itself", pickle.Kind(root))
	}
	r.words = min(r.words, 8<<20+64*packed)
	s := &sklearn{reading: r, model: o, packed: packed, arrays: 1<<16 + 4*r.size, left: 96<<20 + 512*int64(packed), m: &Model{Float32: true, Outputs: 1}}
	version, _ := o.Get("_sklearn_version").(string)
	fmt.Sscanf(version, "%d.%d", &s.major, &s.minor) // stays 0, older than any version, if it does not parse
	kind := o.Class.Name
	s.classes = strings.HasSuffix(kind, "Classifier")
	var read func() error
	switch strings.TrimSuffix(strings.TrimSuffix(kind, "Classifier"), "Regressor") {
	case "DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees":
		read = s.forest
	case "IsolationForest":
		read = s.isolation
	case "GradientBoosting":
		read = s.boosting
	case "HistGradientBoosting":
		read = s.histBoosting
	case "Pipeline", "GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV":
		return nil, unsupported("%s: dump the model inside, model[-1] or model.best_estimator_, by itself, and prepare rows as the steps before it do", kind)
	default:
		return nil, unsupported("%s: want a decision tree, a random forest, extra trees, (histogram) gradient boosting or an isolation forest", kind)
	}
	err := s.features()
	if err == nil {
		err = read()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return s.m, nil
}

// An sklearn is a model of scikit-learn being read.
type sklearn struct {
	*reading
	model        *pickle.Object
	m            *Model
	major, minor int
	classes      bool  // it predicts classes
	packed       int   // bytes of the file
	arrays       int   // bytes of arrays still allowed; a model uses each array once, but a file may refer to one many times
	left         int64 // bytes still allowed for values made from arrays, which take many times more if elements are single bytes
}

// since reports whether the model was fitted with version 1.minor or later.
func (s *sklearn) since(minor int) bool { return s.major > 1 || s.major == 1 && s.minor >= minor }

func (s *sklearn) features() error {
	columns, err := sklInt(s.model, "n_features_in_", "n_features_")
	if err != nil {
		return err
	}
	if columns >= 0 && columns <= MaxFeatures {
		if err := s.makes(columns, 24); err != nil {
			return err
		}
	}
	if s.m.Features, err = s.reading.features(columns); err != nil {
		return err
	}
	names, ok := s.model.Get("feature_names_in_").(*pickle.Array) // since 1.0, if trained on a data frame
	if !ok {
		return nil
	}
	if names.Len() != columns {
		return fmt.Errorf("feature_names_in_: %d names for %d features", names.Len(), columns)
	}
	text, err := names.Strings()
	if err != nil {
		return fmt.Errorf("feature_names_in_: %w", err)
	}
	for i, name := range text {
		s.m.Features[i].Name = name
	}
	return nil
}

// makes charges n items of the given size to the memory allowed, before they are made.
func (s *sklearn) makes(n, bytes int) error {
	if int64(n) > s.left/int64(bytes) {
		return unsupported("it needs more memory than a file of %d bytes is allowed: write an uncompressed file, which is allowed more, with joblib.dump(model, \"model.joblib\", compress=0)", s.packed)
	}
	s.left -= int64(n) * int64(bytes)
	return nil
}

// array returns v as an array, and charges it as 8-byte numbers.
func (s *sklearn) array(v any) (*pickle.Array, error) {
	a, ok := v.(*pickle.Array)
	if !ok {
		return nil, fmt.Errorf("want an array, have %s", pickle.Kind(v))
	}
	if s.arrays -= len(a.Data) + len(a.Objects); s.arrays < 0 {
		return nil, errors.New("arrays are used more often than any model uses them")
	}
	return a, s.makes(a.Len(), 8)
}

// Approximate sizes of nodes, in bytes.
const (
	sklColumns = 100 // the columns of a node: those in sklNodes, one or two more, and its number
	sklNode    = 60  // the mean of an inner node (88) and a leaf (32), which are about equally many
	sklTree    = 128 // a tree without its nodes
)

// columns returns the nodes of a tree as records. One tree per output is made from them.
func (s *sklearn) columns(v any) (*pickle.Array, error) {
	records, err := s.array(v)
	if err == nil {
		err = s.makes(records.Len(), sklColumns)
	}
	return records, err
}

// trees charges trees with the given numbers of nodes and outputs, before they are made.
func (s *sklearn) trees(nodes, outputs int) error {
	if err := s.makes(outputs, sklTree); err != nil {
		return err
	}
	return s.makes(nodes*outputs, sklNode)
}

// floats returns an array of n numbers, or of any length if n is negative.
func (s *sklearn) floats(v any, n int) ([]float64, error) {
	a, err := s.array(v)
	if err != nil {
		return nil, err
	}
	if n >= 0 && a.Len() != n {
		return nil, fmt.Errorf("want %d numbers, have %d", n, a.Len())
	}
	return a.Floats()
}

// sklInt returns the first of the attributes that exists.
func sklInt(o *pickle.Object, attributes ...string) (int, error) {
	for _, a := range attributes {
		if v := o.Get(a); v != nil {
			n, ok := pickle.Int(v)
			if !ok {
				return 0, fmt.Errorf("%s: want a whole number, have %s", a, pickle.Kind(v))
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s is missing: is the model fitted?", attributes[0])
}

func sklObject(v any) (*pickle.Object, error) {
	o, ok := v.(*pickle.Object)
	if !ok {
		return nil, fmt.Errorf("want an object, have %s", pickle.Kind(v))
	}
	return o, nil
}

func sklItems(o *pickle.Object, attribute string) ([]any, error) {
	v := o.Get(attribute)
	if v == nil {
		return nil, fmt.Errorf("%s is missing: is the model fitted?", attribute)
	}
	items, ok := pickle.Items(v)
	if !ok {
		return nil, fmt.Errorf("%s: want a list, have %s", attribute, pickle.Kind(v))
	}
	return items, nil
}

// An sklNodes is a tree in scikit-learn's layout: one numbering for inner nodes and
// leaves, the root first.
type sklNodes struct {
	left, right []int64 // negative for leaves
	feature     []int64
	threshold   []float64
	missingLeft []int64 // nil if missing values go right
	count       []int64
	weight      []float64
	impurity    []float64
	gain        []float64 // only for histogram gradient boosting, instead of weight and impurity

	value            []float64 // node by node, outputs × classes
	outputs, classes int
}

// sklColumn fills a column from records.
func sklColumn[T any](records *pickle.Array, name string, values func(*pickle.Array) ([]T, error), to *[]T, err *error) {
	if *err != nil {
		return
	}
	var column *pickle.Array
	if column, *err = records.Field(name); *err == nil {
		*to, *err = values(column)
	}
}

// nodes reads the tree_ of an estimator.
func (s *sklearn) nodes(estimator any) (*sklNodes, error) {
	o, err := sklObject(estimator)
	if err != nil {
		return nil, err
	}
	if o, err = sklObject(o.Get("tree_")); err != nil {
		return nil, fmt.Errorf("tree_: %w", err)
	}
	records, err := s.columns(o.Get("nodes"))
	if err != nil {
		return nil, fmt.Errorf("tree_: nodes: %w", err)
	}
	a := new(sklNodes)
	ints, floats := (*pickle.Array).Ints, (*pickle.Array).Floats
	sklColumn(records, "left_child", ints, &a.left, &err)
	sklColumn(records, "right_child", ints, &a.right, &err)
	sklColumn(records, "feature", ints, &a.feature, &err)
	sklColumn(records, "threshold", floats, &a.threshold, &err)
	sklColumn(records, "impurity", floats, &a.impurity, &err)
	sklColumn(records, "n_node_samples", ints, &a.count, &err)
	sklColumn(records, "weighted_n_node_samples", floats, &a.weight, &err)
	if s.since(3) {
		sklColumn(records, "missing_go_to_left", ints, &a.missingLeft, &err)
	}
	if err != nil {
		return nil, fmt.Errorf("tree_: nodes: %w", err)
	}
	values, err := s.array(o.Get("values"))
	if err == nil {
		if len(values.Shape) != 3 || values.Shape[0] != len(a.left) {
			return nil, fmt.Errorf("tree_: values of shape %v for %d nodes", values.Shape, len(a.left))
		}
		a.outputs, a.classes = values.Shape[1], values.Shape[2]
		a.value, err = values.Floats()
	}
	if err != nil {
		return nil, fmt.Errorf("tree_: values: %w", err)
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	return a, s.trees(len(a.left), len(a.value)/len(a.left))
}

// check checks that the children are nodes, so that they can be followed, and that the
// number of leaves fits. [Model.Validate] checks that they form a tree.
func (a *sklNodes) check() error {
	n := int64(len(a.left))
	if n == 0 {
		return errors.New("a tree without nodes")
	}
	leaves := 0
	for i := range a.left {
		l, r := a.left[i], a.right[i]
		if (l < 0) != (r < 0) || l >= n || r >= n {
			return fmt.Errorf("node %d: children %d and %d of %d nodes", i, l, r, n)
		}
		if l < 0 {
			leaves++
		}
	}
	if a.left[0] < 0 && n > 1 {
		return errors.New("a root without children has other nodes beside it")
	}
	if 2*leaves != len(a.left)+1 {
		return fmt.Errorf("%d leaves among %d nodes: a tree has one leaf more than inner nodes", leaves, n)
	}
	return nil
}

// depths returns how far each node is from the root.
func (a *sklNodes) depths() ([]int, error) {
	depth := make([]int, len(a.left))
	seen := 0
	for stack := []int64{0}; len(stack) > 0; {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen++; seen > len(depth) {
			return nil, errors.New("a node is reached twice")
		}
		if a.left[i] >= 0 {
			depth[a.left[i]], depth[a.right[i]] = depth[i]+1, depth[i]+1
			stack = append(stack, a.left[i], a.right[i])
		}
	}
	return depth, nil
}

// tree makes a tree with the given leaf values. It divides the gains by share.
func (a *sklNodes) tree(share float64, value func(i int) float64) Tree {
	number := make([]int, len(a.left)) // index as a child, of an inner node or a leaf
	inner, leaves := 0, 0
	for i, l := range a.left {
		if l >= 0 {
			number[i] = inner
			inner++
		} else {
			number[i] = ^leaves
			leaves++
		}
	}
	t := Tree{Nodes: make([]Node, 0, inner), Leaves: make([]Leaf, 0, leaves)}
	cover := func(i int) (weight float64, count int) {
		if a.weight != nil {
			weight = max(clean(a.weight[i]), 0)
		}
		return weight, int(max(a.count[i], 0))
	}
	for i, l := range a.left {
		weight, count := cover(i)
		if l < 0 {
			t.Leaves = append(t.Leaves, Leaf{Value: value(i), Weight: weight, Count: count})
			continue
		}
		r := a.right[i]
		n := Node{
			Feature: int(a.feature[i]), Threshold: a.threshold[i],
			DefaultLeft: a.missingLeft != nil && a.missingLeft[i] != 0,
			Left:        number[l], Right: number[r],
			Weight: weight, Count: count,
		}
		if a.gain != nil {
			n.Gain = clean(a.gain[i])
		} else {
			drop := float64(a.weight[i]*a.impurity[i]) - float64(a.weight[l]*a.impurity[l]) - float64(a.weight[r]*a.impurity[r])
			n.Gain = clean(drop / share)
		}
		t.Nodes = append(t.Nodes, n)
	}
	return t
}

// forest reads a single tree or a forest.
func (s *sklearn) forest() error {
	trees := []any{s.model}
	if s.model.Get("tree_") == nil {
		var err error
		if trees, err = sklItems(s.model, "estimators_"); err != nil {
			return err
		}
	}
	targets, err := sklInt(s.model, "n_outputs_")
	if err != nil {
		return err
	}
	if s.classes && targets != 1 {
		if !s.inside {
			return unsupported("classes of %d targets: fit one model per target, or read it with package pipeline", targets)
		}
		names, err := sklItems(s.model, "classes_")
		if err != nil {
			return err
		}
		for k, of := range names {
			a, ok := of.(*pickle.Array)
			if !ok || a.Len() < 1 || a.Len() > MaxOutputs {
				return fmt.Errorf("classes_ of target %d: %s", k, pickle.Kind(of))
			}
			s.source.Targets = append(s.source.Targets, a.Len())
		}
	}
	s.m.Average = true
	for i, e := range trees {
		a, err := s.nodes(e)
		if err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
		outputs := a.outputs
		if s.classes {
			outputs = a.classes
		}
		if s.source.Targets != nil {
			if outputs, err = a.flatten(s.source.Targets); err != nil {
				return fmt.Errorf("tree %d: %w", i, err)
			}
		}
		if i == 0 {
			s.m.Outputs = outputs
		}
		if a.outputs != targets || outputs != s.m.Outputs || len(a.value) != len(a.left)*outputs {
			return fmt.Errorf("tree %d: values of %d×%d for %d targets", i, a.outputs, a.classes, targets)
		}
		if s.classes && !s.since(4) { // class weights, which 1.4 and later store as shares
			counts := s.source.Targets
			if counts == nil {
				counts = []int{outputs}
			}
			for at := 0; at < len(a.value); {
				for _, n := range counts {
					toShares(a.value[at : at+n])
					at += n
				}
			}
		}
		for k := range outputs {
			t := a.tree(float64(outputs), func(i int) float64 { return a.value[i*outputs+k] })
			t.Output = k
			s.m.Trees = append(s.m.Trees, t)
		}
	}
	return nil
}

// flatten removes the places of classes that a target does not have, since all have as many as the one with the most. It
// returns the number of classes of all targets.
func (a *sklNodes) flatten(counts []int) (int, error) {
	outputs := 0
	for _, n := range counts {
		outputs += n
	}
	if a.outputs != len(counts) || slices.Max(counts) != a.classes || len(a.value) != len(a.left)*a.outputs*a.classes {
		return 0, fmt.Errorf("values of %d×%d for %d targets", a.outputs, a.classes, len(counts))
	}
	value := make([]float64, 0, len(a.left)*outputs)
	for at := 0; at < len(a.value); {
		for _, n := range counts {
			value = append(value, a.value[at:at+n]...)
			at += a.classes
		}
	}
	a.value = value
	return outputs, nil
}

// toShares divides numbers by their sum, unless that is 0.
func toShares(of []float64) {
	sum := 0.0
	for _, v := range of {
		sum += v
	}
	if sum == 0 {
		return
	}
	for k := range of {
		of[k] /= sum
	}
}

// pathLength is the mean depth of an unsuccessful search among n rows: c(n) of Liu,
// Ting and Zhou 2008, eq. 1, with Euler's constant.
func pathLength(n float64) float64 {
	const euler = 0.5772156649015328606065120900824024310421593359399235988057672348848677
	switch {
	case n <= 1:
		return 0
	case n == 2:
		return 1
	}
	return float64(2*(math.Log(n-1)+euler)) - float64(2*(n-1))/n
}

func (s *sklearn) isolation() error {
	trees, err := sklItems(s.model, "estimators_")
	if err != nil {
		return err
	}
	rows, err := sklInt(s.model, "_max_samples", "max_samples_")
	if err != nil {
		return err
	}
	used, err := sklInt(s.model, "_max_features")
	if err != nil {
		return err
	}
	var columns []any // features of each tree, unless it uses all
	if used != len(s.m.Features) {
		if columns, err = sklItems(s.model, "estimators_features_"); err != nil {
			return err
		}
		if len(columns) != len(trees) {
			return fmt.Errorf("estimators_features_ of %d trees for %d", len(columns), len(trees))
		}
	}
	s.m.Average = true
	s.m.Link = Link{Anomaly, pathLength(float64(rows))}
	for i, e := range trees {
		a, err := s.nodes(e)
		if err == nil && columns != nil {
			err = s.renumber(a, columns[i])
		}
		var depth []int
		if err == nil {
			depth, err = a.depths()
		}
		if err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
		s.m.Trees = append(s.m.Trees, a.tree(1, func(i int) float64 {
			if rows <= 1 { // there is no scale: scikit-learn returns ½
				return 1
			}
			return float64(depth[i]+1) + pathLength(float64(a.count[i])) - 1
		}))
	}
	return nil
}

// renumber replaces the features of a tree, which are indices into list, by those of the model.
func (s *sklearn) renumber(a *sklNodes, list any) error {
	features, err := s.array(list)
	if err != nil {
		return err
	}
	to, err := features.Ints()
	if err != nil {
		return err
	}
	for i, l := range a.left {
		if l < 0 {
			continue
		}
		f := a.feature[i]
		if f < 0 || f >= int64(len(to)) {
			return fmt.Errorf("node %d: feature %d of %d", i, f, len(to))
		}
		a.feature[i] = to[f]
	}
	return nil
}
