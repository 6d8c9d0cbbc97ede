package pipeline

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
	"github.com/attune-hpo/attune/objective/tree"
)

// ReadOptions say how models of other libraries are read.
type ReadOptions = tree.ReadOptions

// A Source says what was read.
type Source struct {
	// Format is that of the file, or what the object in a pickle is, as in
	// "Pipeline(StandardScaler, LGBMRegressor)".
	Format string
	// Trees and Taken are those of [tree.Source], summed over all ensembles.
	Trees, Taken int
}

// Read reads any file that [tree.Read] reads, and pickles of what scikit-learn puts around
// models: see [ReadWith].
func Read(r io.Reader) (*Model, Source, error) { return ReadWith(r, ReadOptions{}) }

// ReadWith reads a model. Of a file that is no pickle, or of one of an ensemble that
// predicts numbers, the model is the ensemble: see [Model.Trees]. In other pickles it
// knows
//
//	Pipeline, ColumnTransformer, FeatureUnion
//	a dict or a tuple of a model and what prepares its rows
//	StandardScaler, MinMaxScaler, RobustScaler, MaxAbsScaler, Normalizer, SimpleImputer
//	OneHotEncoder, OrdinalEncoder; LabelEncoder in a dict, for the labels of classes
//	VarianceThreshold, PCA, TruncatedSVD
//	CountVectorizer, TfidfVectorizer, TfidfTransformer: words and n-grams of them
//	linear and logistic regression and their kin
//	MultiOutputRegressor, MultiOutputClassifier, TransformedTargetRegressor, VotingRegressor
//	GridSearchCV and its kin: the best estimator
//	all estimators that tree.Read reads, with their class labels
//
// Outputs are "predictions" for numbers; "label" and "probabilities" for classes, and for
// each target "label_0", "probabilities_0" and so on; "label" (-1 or 1), "score" and
// "decision" for an isolation forest, which are its predict, score_samples and
// decision_function.
//
// A sparse matrix, as a vectorizer or an encoder makes it, has no zeros for XGBoost: what
// is absent is missing. The model then has a step that says so.
//
// It reads r to its end, and executes nothing. Errors wrap [ErrFormat], [ErrUnsupported],
// which names the step by its path, or those of package tree.
func ReadWith(r io.Reader, o ReadOptions) (*Model, Source, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, Source{}, pkg.Errorf("read: %w", err)
	}
	whole, size := data, len(data)
	if pickle.Packed(data) {
		if data, err = pickle.Unpack(data); err != nil {
			return nil, Source{}, refused(err)
		}
	}
	if isSaved(data) {
		m, err := parseSaved(data)
		return m, Source{Format: "attune JSON"}, err
	}
	if !pickle.Detect(data) {
		m, from, err := o.Read(strings.NewReader(string(whole)))
		if err != nil {
			return nil, Source{}, err
		}
		return wrap(m), Source{from.Format, from.Trees, from.Taken}, nil
	}
	root, err := pickle.Decode(data, size, tree.PickledNames)
	if err != nil {
		return nil, Source{}, refused(err)
	}
	b := &builder{options: o, size: size, m: &Model{}}
	if err := b.root(root); err != nil {
		return nil, Source{}, refused(err)
	}
	b.prune()
	if err := b.m.Validate(); err != nil {
		return nil, Source{}, err
	}
	return b.m, Source{describe(root), b.trees, b.taken}, nil
}

// refused puts an error under one of the package's sentinels, unless it has one of tree's.
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

// wrap makes a model of an ensemble alone.
func wrap(t *tree.Model) *Model {
	b := &builder{m: &Model{}}
	v, _ := b.table(len(t.Features), nil)
	for i, f := range t.Features {
		b.m.Inputs[i].Name = f.Name
	}
	b.output("predictions", b.add(Trees{t}, v.node), nil)
	return b.m
}

// describe names an object and what is inside.
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

// A builder makes a model of the objects of a pickle.
type builder struct {
	options      ReadOptions
	size         int // of the file
	m            *Model
	path         []string
	trees, taken int
	labels       *Labels // of a LabelEncoder beside the model
	columns      map[string]int
}

// A value is a node, or the table before anything was made of it.
type value struct {
	node   int // tableNode: the table
	width  int
	sparse bool // a matrix of scipy: what is 0 is absent
}

const (
	tableNode = -1
	maxNested = 50 // pipelines in pipelines
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

// then adds an operator after a value.
func (b *builder) then(v value, width int, op Op) value {
	return value{b.add(op, v.node), width, v.sparse}
}

// fail says which step of what is wrong.
func (b *builder) fail(err error) error {
	if len(b.path) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", strings.Join(b.path, ": "), err)
}

func (b *builder) unsupported(format string, args ...any) error {
	return pkg.Errorf("%w: %w", ErrUnsupported, b.fail(fmt.Errorf(format, args...)))
}

// within does something under a longer path.
func (b *builder) within(step string, do func() error) error {
	if len(b.path) >= maxNested {
		return b.unsupported("more than %d steps within each other", maxNested)
	}
	b.path = append(b.path, step)
	defer func() { b.path = b.path[:len(b.path)-1] }()
	return do()
}

// table makes the inputs, of a number of columns, if there are none, and returns them as
// numbers.
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

// inputs makes the columns of the table, or checks that there are as many.
func (b *builder) inputs(width int, names []string) error {
	if width < 1 || width > min(MaxInputs, 1<<16+b.size) {
		return b.fail(fmt.Errorf("%d columns", width))
	}
	if len(b.m.Inputs) == 0 {
		b.m.Inputs = make([]Input, width)
		b.columns = map[string]int{}
		for i, name := range names[:min(len(names), width)] {
			b.m.Inputs[i].Name = name
			b.columns[name] = i
		}
	}
	if len(b.m.Inputs) != width {
		return b.fail(fmt.Errorf("%d columns, where another step has %d", width, len(b.m.Inputs)))
	}
	return nil
}

// numbers returns columns of the table as numbers.
func (b *builder) numbers(at []int) (value, error) {
	for _, c := range at {
		if b.m.Inputs[c].Kind != Number {
			return value{}, b.unsupported("column %q is taken as a number and as a text", b.m.Inputs[c].Name)
		}
	}
	return value{b.add(Columns{at}), len(at), false}, nil
}

// matrix returns a value as numbers: those of the table, if it is that, with the columns
// that the object was fitted with.
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

// fitted returns the columns that an object was fitted with.
func (b *builder) fitted(o *pickle.Object) (int, []string, error) {
	for _, a := range []string{"n_features_in_", "_n_features", "n_features_"} {
		if n, ok := pickle.Int(o.Get(a)); ok {
			var names []string
			if list, ok := o.Get("feature_names_in_").(*pickle.Array); ok {
				names, _ = list.Strings()
			}
			return n, names, nil
		}
	}
	return 0, nil, b.fail(fmt.Errorf("%s: n_features_in_ is missing: is it fitted?", o.Class.Name))
}

// floats returns an attribute that is n numbers; nil for None.
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

// labelsOf returns the names of classes, nil if it cannot.
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

// counted are the labels 0, 1, … of n classes.
func counted(n int) *Labels {
	l := &Labels{}
	for i := range n {
		l.Numbers = append(l.Numbers, int64(i))
	}
	return l
}
