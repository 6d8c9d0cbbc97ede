package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
	"github.com/attune-hpo/attune/objective/tree"
)

// ReadOptions are options for reading models of other libraries. The zero value reads what is
// in the file.
type ReadOptions struct {
	// AllTrees is as in [tree.ReadOptions].
	AllTrees bool
	// Before are pickles of steps that prepare the model's rows and were saved in separate files: a scaler, an
	// encoder, a vectorizer or a Pipeline of these. The first step takes the row of the table, each other step the
	// result of the one before it, and the model the result of the last. The readers are read to their end.
	Before []io.Reader
	// ZerosMissing treats zeros in the inputs of ensembles as missing. XGBoost trained on a sparse matrix takes zeros
	// for missing values, and its file does not say so: see [Source.Sparse].
	ZerosMissing bool
}

// A Source describes the file of a model.
type Source struct {
	// Format is the format of the file, or describes the object in a pickle, as in
	// "Pipeline(StandardScaler, LGBMRegressor)".
	Format string
	// Trees and Taken are as in [tree.Source], summed over all ensembles.
	Trees, Taken int
	// Sparse reports an ensemble of XGBoost that takes its rows from the table and was probably trained on a sparse
	// matrix: there were missing values, and all its thresholds are above 0. If so, its predictions for dense rows
	// with zeros differ from those for sparse rows, unless [ReadOptions.ZerosMissing] is set.
	Sparse bool
	// Strict has the encoders that raise an error for an unknown category in Python (handle_unknown="error"), with
	// their paths. Here a OneHotEncoder returns zeros, and an OrdinalEncoder NaN.
	Strict []string
}

// Read reads any file that [tree.Read] reads, and pickles of scikit-learn pipelines and
// similar objects: see [ReadWith].
func Read(r io.Reader) (*Model, Source, error) { return ReadWith(r, ReadOptions{}) }

// ReadWith reads a model. If the file is not a pickle, or contains only an ensemble that
// predicts numbers, the model consists of the ensemble: see [Model.Trees]. In other pickles
// ReadWith supports
//
//	Pipeline, ColumnTransformer, FeatureUnion
//	a dict or a tuple of a model and the steps that prepare its rows
//	StandardScaler, MinMaxScaler, RobustScaler, MaxAbsScaler, Normalizer, Binarizer
//	PolynomialFeatures, PowerTransformer, QuantileTransformer, KBinsDiscretizer
//	FunctionTransformer of a function of NumPy such as log1p
//	SimpleImputer, for numbers and texts; MissingIndicator
//	OneHotEncoder, OrdinalEncoder, TargetEncoder; LabelEncoder in a dict, for the labels of classes
//	VarianceThreshold, SelectKBest and other tests, RFE, SelectFromModel of a linear model
//	PCA, IncrementalPCA, TruncatedSVD, FastICA
//	CountVectorizer, TfidfVectorizer, HashingVectorizer, TfidfTransformer; of words or of characters. A token_pattern
//	  is a run of characters of one class, such as \b\w\w+\b, \S+ or [a-z]{3,}
//	linear, generalized linear and logistic regression and their variants; PLSRegression
//	LinearSVC, SGDClassifier, RidgeClassifier, Perceptron; linear and quadratic discriminants
//	naive Bayes; MLPRegressor, MLPClassifier; IsotonicRegression; KMeans, NearestCentroid
//	SVC, NuSVC without probabilities; SVR, NuSVR, OneClassSVM, KernelRidge; kernels rbf, poly, sigmoid and linear
//	GaussianMixture; DummyRegressor, DummyClassifier that draws nothing at random
//	MultiOutput, chains, OneVsRest, OneVsOne, Voting, Stacking, Bagging, AdaBoost
//	CalibratedClassifierCV, TransformedTargetRegressor, FixedThresholdClassifier, TunedThresholdClassifierCV
//	FrozenEstimator around any of these
//	GridSearchCV and similar searches: their best estimator
//	all estimators that tree.Read reads, with their class labels
//
// A regressor has the output "predictions". A classifier has "label" and "probabilities", or
// "scores" if it has no probabilities: what its decision_function returns, votes, or negative
// squared distances. With several targets, or several labels a row, they are "label_0", "probabilities_0" and so on. An
// isolation forest or a OneClassSVM has "label" (-1 or 1), "score" and "decision", which are the results of its
// predict, score_samples and decision_function.
//
// Columns that have names and that no step takes, because a ColumnTransformer drops them, are
// not inputs of the model. The columns of categories of a pandas data frame are texts where
// the estimator of LightGBM, XGBoost or HistGradientBoosting has kept their names. A missing text is "".
//
// An unknown category becomes zeros, or the encoder's value for unknown categories, where
// scikit-learn may raise an error.
//
// XGBoost treats the zeros of a sparse matrix, which vectorizers and encoders return, as
// missing. The model then has a step that makes them NaN. For a sparse matrix that was made
// outside of the file, see [ReadOptions.ZerosMissing].
//
// ReadWith reads r to its end and executes nothing. Its errors wrap [ErrFormat],
// [ErrUnsupported], which gives the path of the step, or errors of package tree.
func ReadWith(r io.Reader, o ReadOptions) (*Model, Source, error) {
	root, data, err := load(r, o)
	if err != nil {
		return nil, Source{}, err
	}
	if root.saved != nil {
		if len(o.Before) > 0 || o.ZerosMissing {
			return nil, Source{}, pkg.Errorf("%w: a model in attune's own format has its steps, and takes none before it", ErrUnsupported)
		}
		return root.saved, Source{Format: "attune JSON"}, nil
	}
	b := &builder{options: o, size: root.size, room: 1<<22 + 2*data, m: &Model{}}
	v, names, err := b.before(o.Before)
	if err != nil {
		return nil, Source{}, refused(err)
	}
	what := root.from.Format
	if root.trees == nil {
		what = describe(root.object)
		err = b.root(root.object, v)
	} else {
		err = b.alone(root, v)
	}
	if root.unknown != nil {
		return nil, Source{}, root.unknown.explain(err)
	}
	if err != nil {
		return nil, Source{}, refused(err)
	}
	b.prune()
	b.unused()
	if err := b.m.Validate(); err != nil {
		return nil, Source{}, err
	}
	if len(names) > 0 {
		what = strings.Join(append(names, what), " + ")
	}
	return b.m, Source{what, b.trees, b.taken, b.sparse, b.strict}, nil
}

// A loaded is the content of a file: a model of attune's, an ensemble or the object of a pickle.
type loaded struct {
	saved  *Model
	trees  *tree.Model
	from   tree.Source
	object any
	size   int // of the file
	// unknown is not nil if the object has classes or functions that no reader knows.
	unknown *unknown
}

// An unknown is an error about classes or functions that no reader knows.
type unknown struct {
	err   error
	names []pickle.Global
}

// explain returns the error that says most: that of the builder, if it names one of the unknown classes with its path.
func (u *unknown) explain(built error) error {
	for _, g := range u.names {
		if built != nil && errors.Is(built, ErrUnsupported) && strings.Contains(built.Error(), "step ") && strings.Contains(built.Error(), g.Name) {
			return refused(built)
		}
	}
	return refused(fmt.Errorf("%w: save the model without it, or the model of a library that is inside it", u.err))
}

// load reads a file, and returns also its size unpacked.
func load(r io.Reader, o ReadOptions) (l loaded, unpacked int, err error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return l, 0, pkg.Errorf("read: %w", err)
	}
	whole := data
	l.size = len(data)
	if pickle.Packed(data) {
		if data, err = pickle.Unpack(data); err != nil {
			return l, 0, refused(err)
		}
	}
	switch {
	case isSaved(data):
		l.saved, err = parseSaved(data)
	case !pickle.Detect(data):
		l.trees, l.from, err = tree.ReadOptions{AllTrees: o.AllTrees}.Read(bytes.NewReader(whole))
	default:
		if l.object, err = pickle.Decode(data, l.size, tree.PickledNames); errors.Is(err, pickle.ErrUnknown) {
			u := &unknown{err: err}
			any := func(g pickle.Global) bool { // which executes nothing either
				if !tree.PickledNames(g) {
					u.names = append(u.names, g)
				}
				return true
			}
			if object, again := pickle.Decode(data, l.size, any); again == nil {
				l.object, l.unknown, err = object, u, nil
			}
		}
		if err != nil {
			err = refused(err)
		}
	}
	return l, len(data), err
}

// before adds the steps of files of their own, and returns their names and what the last one
// returns.
func (b *builder) before(files []io.Reader) (value, []string, error) {
	v := value{node: tableNode}
	var names []string
	for i, r := range files {
		step, data, err := load(r, ReadOptions{})
		if err == nil && step.object == nil {
			err = b.unsupported("it is a model, not a step before one")
		}
		if err == nil && step.unknown != nil {
			err = step.unknown.explain(nil)
		}
		o, ok := step.object.(*pickle.Object)
		if err == nil && (!ok || !transforms(o)) {
			err = b.unsupported("%s: want a scaler, an encoder, a vectorizer or another step that prepares rows", pickle.Kind(step.object))
		}
		if err == nil {
			b.size, b.room = b.size+step.size, b.room+2*data
			v, err = b.transform(o, v)
		}
		if err != nil {
			return v, nil, fmt.Errorf("step %d before the model: %w", i+1, err)
		}
		names = append(names, describe(step.object))
	}
	return v, names, nil
}

// alone adds an ensemble that is a file of its own.
func (b *builder) alone(l loaded, v value) error {
	b.trees, b.taken = l.from.Trees, l.from.Taken
	xgboost := strings.HasPrefix(l.from.Format, "XGBoost")
	if v.node == tableNode && !b.options.ZerosMissing {
		b.m, b.sparse = wrap(l.trees), xgboost && looksSparse(l.trees)
		return nil
	}
	if v.node == tableNode {
		names := make([]string, len(l.trees.Features))
		for i, f := range l.trees.Features {
			names[i] = f.Name
		}
		var err error
		if v, err = b.table(len(names), names); err != nil {
			return err
		}
	}
	if len(l.trees.Features) != v.width {
		return fmt.Errorf("the model takes %d columns, and the step before it gives %d", len(l.trees.Features), v.width)
	}
	if xgboost {
		var err error
		if v, err = b.dense(v); err != nil {
			return err
		}
	}
	if b.options.ZerosMissing {
		v = b.fill(v, 0)
	}
	b.output("predictions", b.add(Trees{l.trees}, v.node), nil)
	return nil
}

// looksSparse reports whether an ensemble of XGBoost looks as if it was trained on a sparse matrix.
// XGBoost sends missing values left only where there were some.
func looksSparse(m *tree.Model) bool {
	missing := false
	for _, t := range m.Trees {
		for _, n := range t.Nodes {
			if n.Categorical() {
				continue
			}
			if !(n.Threshold > 0) {
				return false
			}
			missing = missing || n.DefaultLeft
		}
	}
	return missing
}

// refused wraps an error in one of the package's sentinels, unless it wraps one of tree's.
func refused(err error) error {
	switch {
	case errors.Is(err, tree.ErrUnsupported), errors.Is(err, tree.ErrFormat), errors.Is(err, tree.ErrInvalid),
		errors.Is(err, ErrUnsupported), errors.Is(err, ErrFormat):
		return err
	case errors.Is(err, pickle.ErrUnsupported):
		return pkg.Errorf("%w: %w", ErrUnsupported, err)
	}
	return pkg.Errorf("%w: %w", ErrFormat, err)
}

// wrap returns a model that consists only of an ensemble.
func wrap(t *tree.Model) *Model {
	m := &Model{Inputs: make([]Input, len(t.Features)), Outputs: []Output{{Name: "predictions", Node: 1}}}
	for i, f := range t.Features {
		m.Inputs[i].Name = f.Name
	}
	m.Nodes = []Node{{Op: Columns{all(len(t.Features))}}, {Op: Trees{t}, In: []int{0}}}
	return m
}

// describe describes an object with its components.
func describe(v any) string {
	o, ok := v.(*pickle.Object)
	if !ok {
		switch v := v.(type) {
		case *pickle.Dict:
			return "dict(" + inside(v.Values) + ")"
		case pickle.Tuple:
			return "tuple(" + inside(v) + ")"
		case *pickle.List:
			return "list(" + inside(v.Items) + ")"
		}
		return pickle.Kind(v)
	}
	switch o.Class.Name {
	case "Pipeline":
		steps, _ := pickle.Items(o.Get("steps"))
		var of []any
		for _, s := range steps {
			if pair, ok := pickle.Items(s); ok && len(pair) == 2 {
				of = append(of, pair[1])
			}
		}
		return "Pipeline(" + inside(of) + ")"
	case "MultiOutputRegressor", "MultiOutputClassifier":
		all, _ := pickle.Items(o.Get("estimators_"))
		if len(all) > 0 {
			return fmt.Sprintf("%s(%d × %s)", o.Class.Name, len(all), describe(all[0]))
		}
	}
	return o.Class.Name
}

func inside(of []any) string {
	var names []string
	for _, v := range of {
		if o, ok := v.(*pickle.Object); ok {
			names = append(names, describe(o))
		}
	}
	return strings.Join(names, ", ")
}

// A builder makes a model from the objects of a pickle.
type builder struct {
	options      ReadOptions
	size         int // size of the file
	m            *Model
	path         []string
	room         int // numbers and texts that may still be copied: an object may be named often
	trees, taken int
	sparse       bool     // see [Source.Sparse]
	strict       []string // see [Source.Strict]
	rest         []any    // the steps of the Pipeline after the one that is read
	signed       bool     // a vectorizer counts below 0
	labels       *Labels  // labels of a LabelEncoder beside the model
}

// A value is a node, or the unchanged table.
type value struct {
	node   int // tableNode: the table
	width  int
	sparse bool // a matrix of scipy, in which zeros are absent
	// filled has, for each column, which text a step before replaces by which. It is nil if there
	// is no such step.
	filled []filling
	// present adds a node that is 0 where a number is absent from a sparse matrix and 1 elsewhere. It is nil if
	// absent numbers are those that are 0.
	present func() int
}

// A filling replaces the text that means missing.
type filling struct{ missing, with string }

// filledAt returns what columns are filled with, or nil.
func (v value) filledAt(at []int) []filling {
	if v.filled == nil {
		return nil
	}
	out := make([]filling, len(at))
	for k, i := range at {
		out[k] = v.filled[i]
	}
	return out
}

const (
	tableNode = -1
	maxNested = 50 // nesting depth of pipelines
)

func (b *builder) add(op Op, in ...int) int {
	b.m.Nodes = append(b.m.Nodes, Node{op, in})
	return len(b.m.Nodes) - 1
}

func (b *builder) output(name string, node int, l *Labels) {
	b.m.Outputs = append(b.m.Outputs, Output{name, node, l})
}

// prune removes the nodes that no output needs.
func (b *builder) prune() {
	needed := make([]bool, len(b.m.Nodes))
	for _, o := range b.m.Outputs {
		needed[o.Node] = true
	}
	for i := len(needed) - 1; i >= 0; i-- {
		for _, from := range b.m.Nodes[i].In {
			needed[from] = needed[from] || needed[i]
		}
	}
	place := make([]int, len(needed))
	var kept []Node
	for i, n := range b.m.Nodes {
		if !needed[i] {
			continue
		}
		for k, from := range n.In {
			n.In[k] = place[from]
		}
		place[i] = len(kept)
		kept = append(kept, n)
	}
	b.m.Nodes = kept
	for i := range b.m.Outputs {
		b.m.Outputs[i].Node = place[b.m.Outputs[i].Node]
	}
}

// unused removes the columns that no node takes, if the columns have names: those that a
// ColumnTransformer drops may be texts.
func (b *builder) unused() {
	taken := make([]bool, len(b.m.Inputs))
	visit := func(f func(at int) int) {
		for i := range b.m.Nodes {
			switch op := b.m.Nodes[i].Op.(type) {
			case Columns:
				op.At = changed(op.At, f)
				b.m.Nodes[i].Op = op
			case TextOneHot:
				op.At = changed(op.At, f)
				b.m.Nodes[i].Op = op
			case TextOrdinal:
				op.At = changed(op.At, f)
				b.m.Nodes[i].Op = op
			case Words:
				op.Column = f(op.Column)
				b.m.Nodes[i].Op = op
			case Letters:
				op.Column = f(op.Column)
				b.m.Nodes[i].Op = op
			}
		}
	}
	visit(func(at int) int {
		taken[at] = true
		return at
	})
	var kept []Input
	place := make([]int, len(taken))
	for i, in := range b.m.Inputs {
		if in.Name == "" {
			return
		}
		if taken[i] {
			place[i] = len(kept)
			kept = append(kept, in)
		}
	}
	if len(kept) == 0 || len(kept) == len(taken) {
		return
	}
	b.m.Inputs = kept
	visit(func(at int) int { return place[at] })
}

func changed(at []int, f func(int) int) []int {
	out := make([]int, len(at))
	for k, c := range at {
		out[k] = f(c)
	}
	return out
}

// then adds an operator after a value.
func (b *builder) then(v value, width int, op Op) value {
	out := value{node: b.add(op, v.node), width: width, sparse: v.sparse}
	switch op := op.(type) {
	case Normalize:
		out.present = v.present
	case Arithmetic:
		if op.Do == Multiply || op.Do == Divide {
			out.present = v.present
		}
	}
	return out
}

// fail adds the path of the step to an error.
func (b *builder) fail(err error) error {
	if len(b.path) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", strings.Join(b.path, ": "), err)
}

func (b *builder) unsupported(format string, args ...any) error {
	return pkg.Errorf("%w: %w", ErrUnsupported, b.fail(fmt.Errorf(format, args...)))
}

// spend counts numbers and texts that are copied, n of them, before they are.
func (b *builder) spend(n int) error {
	if b.room -= n; b.room < 0 || len(b.m.Nodes) > MaxNodes {
		return b.unsupported("it becomes much larger than its file of %d bytes, as a step that occurs again and again would make it", b.size)
	}
	return nil
}

// within calls do with a step added to the path.
func (b *builder) within(step string, do func() error) error {
	if len(b.path) >= maxNested {
		return b.unsupported("more than %d steps within each other", maxNested)
	}
	b.path = append(b.path, step)
	defer func() { b.path = b.path[:len(b.path)-1] }()
	return do()
}

// table makes the inputs if there are none, with the given number of columns, and returns them
// as numbers.
func (b *builder) table(width int, names []string) (value, error) {
	if err := b.inputs(width, names); err != nil {
		return value{}, err
	}
	return b.numbers(all(width))
}

func all(n int) []int {
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	return at
}

// inputs makes the columns of the table, or checks their number if they exist.
func (b *builder) inputs(width int, names []string) error {
	if width < 1 || width > min(MaxInputs, 1<<16+b.size) {
		return b.fail(fmt.Errorf("%d columns", width))
	}
	if len(b.m.Inputs) == 0 {
		b.m.Inputs = make([]Input, width)
		for i, name := range names[:min(len(names), width)] {
			b.m.Inputs[i].Name = name
		}
	}
	if len(b.m.Inputs) != width {
		return b.fail(fmt.Errorf("%d columns, where another step has %d", width, len(b.m.Inputs)))
	}
	return nil
}

// numbers returns columns of the table as numbers.
func (b *builder) numbers(at []int) (value, error) {
	if err := b.spend(len(at)); err != nil {
		return value{}, err
	}
	for _, c := range at {
		if b.m.Inputs[c].Kind != Number {
			return value{}, b.unsupported("column %q is taken as a number and as a text", b.m.Inputs[c].Name)
		}
	}
	return value{node: b.add(Columns{at}), width: len(at)}, nil
}

// matrix returns a value as numbers. If it is the table, these are the columns that the object
// was fitted with.
func (b *builder) matrix(o *pickle.Object, v value) (value, error) {
	if v.node != tableNode {
		return v, nil
	}
	width, names, err := b.fitted(o)
	if err != nil {
		return v, err
	}
	return b.table(width, names)
}

// fitted returns the number and the names of the columns that an object was fitted with.
func (b *builder) fitted(o *pickle.Object) (int, []string, error) {
	for _, a := range []string{"n_features_in_", "_n_features", "n_features_"} {
		if n, ok := pickle.Int(o.Get(a)); ok {
			var names []string
			for _, attribute := range []string{"feature_names_in_", "_feature_names_in"} { // the latter before 1.0
				if list, ok := o.Get(attribute).(*pickle.Array); ok {
					names, _ = list.Strings()
				}
			}
			return n, names, nil
		}
	}
	// Some objects did not have the attribute before scikit-learn 1.0.
	if list, ok := pickle.Items(o.Get("categories_")); ok && len(list) > 0 {
		return len(list), nil, nil
	}
	if a, ok := o.Get("coef_").(*pickle.Array); ok && len(a.Shape) > 0 && a.Shape[len(a.Shape)-1] > 0 {
		return a.Shape[len(a.Shape)-1], nil, nil
	}
	return 0, nil, b.fail(fmt.Errorf("%s: n_features_in_ is missing: is it fitted?", o.Class.Name))
}

// floats returns an attribute of n numbers, or nil for None.
func (b *builder) floats(o *pickle.Object, attribute string, n int) ([]float64, error) {
	v := o.Get(attribute)
	if v == nil {
		return nil, nil
	}
	a, ok := v.(*pickle.Array)
	if !ok {
		return nil, b.fail(fmt.Errorf("%s is %s, not an array", attribute, pickle.Kind(v)))
	}
	if a.Len() != n {
		return nil, b.fail(fmt.Errorf("%s: %d numbers, want %d", attribute, a.Len(), n))
	}
	if err := b.spend(n); err != nil {
		return nil, err
	}
	x, err := a.Floats()
	if err != nil {
		return nil, b.fail(fmt.Errorf("%s: %w", attribute, err))
	}
	return x, nil
}

// flag returns an attribute that is a bool.
func flag(o *pickle.Object, attribute string, absent bool) bool {
	if v, ok := o.Get(attribute).(bool); ok {
		return v
	}
	return absent
}

// labelsOf returns the names of classes, or nil if v is something else.
func labelsOf(v any) *Labels {
	a, ok := v.(*pickle.Array)
	if !ok || a.Len() == 0 {
		return nil
	}
	if n, err := a.Ints(); err == nil {
		return &Labels{Numbers: n}
	}
	if texts, err := a.Strings(); err == nil {
		return &Labels{Texts: texts}
	}
	var n []int64
	if f, err := a.Floats(); err == nil {
		for _, x := range f {
			if x != math.Trunc(x) || math.Abs(x) > 1<<53 {
				return nil
			}
			n = append(n, int64(x))
		}
		return &Labels{Numbers: n}
	}
	return nil
}

// counted returns the labels 0, 1, … of n classes.
func counted(n int) *Labels {
	l := &Labels{}
	for i := range n {
		l.Numbers = append(l.Numbers, int64(i))
	}
	return l
}
