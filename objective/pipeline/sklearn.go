package pipeline

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
	"github.com/attune-hpo/attune/objective/tree"
)

// A prediction is the result of a model.
type prediction struct {
	numbers int // node of the predictions or of the class probabilities
	width   int
	classes *Labels // nil: numbers
	anomaly bool    // an isolation forest: the node is -score_samples
	offset  float64 // offset of its decision_function
}

// root makes the outputs for an object, dict, tuple or list.
func (b *builder) root(v any, from value) error {
	var of []any
	var keys []string
	switch v := v.(type) {
	case *pickle.Object:
		all, err := b.predict(v, from)
		if err == nil {
			b.outputs(all)
		}
		return err
	case *pickle.Dict:
		for i, k := range v.Keys {
			of, keys = append(of, v.Values[i]), append(keys, fmt.Sprint(k))
		}
	case pickle.Tuple:
		of = v
	case *pickle.List:
		of = v.Items
	default:
		return b.unsupported("%s: want a model of scikit-learn by itself, or an estimator or booster of LightGBM, XGBoost or CatBoost", pickle.Kind(v))
	}
	return b.beside(pickle.Kind(v), of, keys, from)
}

// beside makes the outputs for a model that was saved together with the steps before it.
func (b *builder) beside(what string, of []any, keys []string, v value) error {
	var model *pickle.Object
	var before []*pickle.Object
	var names []string
	encoders := 0
	for i, v := range of {
		o, ok := v.(*pickle.Object)
		if !ok {
			continue // names of columns, scores, dates …
		}
		name := o.Class.Name
		if keys != nil {
			name = keys[i]
		}
		switch {
		case o.Class.Name == "LabelEncoder":
			encoders++
			b.labels = labelsOf(o.Get("classes_"))
		case transforms(o):
			before, names = append(before, o), append(names, name)
		case predicts(o):
			if model != nil {
				return b.unsupported("%s of several models (%s and %s): dump one by itself", what, model.Class.Name, o.Class.Name)
			}
			model = o
		}
	}
	if model == nil {
		return b.unsupported("%s: want a model of scikit-learn by itself, or with what prepares its rows", what)
	}
	if len(before) > 1 {
		return b.unsupported("%s of several steps before the model (%s), whose order it does not say: put them in a Pipeline", what, strings.Join(names, ", "))
	}
	if encoders > 1 { // some are of columns, which are numbers to the model
		b.labels = nil
	}
	for i, o := range before {
		err := b.within(names[i], func() (err error) {
			v, err = b.transform(o, v)
			return err
		})
		if err != nil {
			return err
		}
	}
	out, err := b.predict(model, v)
	if err == nil {
		b.outputs(out)
	}
	return err
}

// outputs adds named outputs for predictions.
func (b *builder) outputs(all []prediction) {
	for i, p := range all {
		suffix := ""
		if len(all) > 1 {
			suffix = fmt.Sprintf("_%d", i)
		}
		switch {
		case p.anomaly:
			score := b.add(Arithmetic{Multiply, []float64{-1}}, p.numbers)
			decision := b.add(Arithmetic{Subtract, []float64{p.offset}}, score)
			b.output("label"+suffix, b.add(Side{}, decision), &Labels{Numbers: []int64{-1, 1}})
			b.output("score"+suffix, score, nil)
			b.output("decision"+suffix, decision, nil)
		case p.classes != nil:
			b.output("label"+suffix, b.add(Largest{}, p.numbers), p.classes)
			b.output("probabilities"+suffix, p.numbers, nil)
		default:
			b.output("predictions"+suffix, p.numbers, nil)
		}
	}
}

// The steps that prepare rows, and the models, by class name.
var (
	transformers = map[string]func(*builder, *pickle.Object, value) (value, error){}
	models       = map[string]func(*builder, *pickle.Object, value) ([]prediction, error){}
)

func init() {
	transformers = map[string]func(*builder, *pickle.Object, value) (value, error){
		"Pipeline": (*builder).pipelineTransform, "ColumnTransformer": (*builder).columnTransformer, "FeatureUnion": (*builder).featureUnion,
		"StandardScaler": (*builder).standardScaler, "MinMaxScaler": (*builder).minMaxScaler, "RobustScaler": (*builder).robustScaler,
		"MaxAbsScaler": (*builder).maxAbsScaler, "Normalizer": (*builder).normalizer, "SimpleImputer": (*builder).simpleImputer,
		"OneHotEncoder": (*builder).oneHotEncoder, "OrdinalEncoder": (*builder).ordinalEncoder,
		"CountVectorizer": (*builder).countVectorizer, "TfidfVectorizer": (*builder).tfidfVectorizer, "TfidfTransformer": (*builder).tfidfTransformer,
		"FunctionTransformer": (*builder).functionTransformer,
		"VarianceThreshold":   (*builder).varianceThreshold, "PCA": (*builder).pca, "TruncatedSVD": (*builder).truncatedSVD,
	}
	models = map[string]func(*builder, *pickle.Object, value) ([]prediction, error){
		"Pipeline": (*builder).pipelinePredict, "MultiOutputRegressor": (*builder).multiOutput, "MultiOutputClassifier": (*builder).multiOutput,
		"GridSearchCV": (*builder).search, "RandomizedSearchCV": (*builder).search, "HalvingGridSearchCV": (*builder).search, "HalvingRandomSearchCV": (*builder).search,
		"TransformedTargetRegressor": (*builder).transformedTarget, "VotingRegressor": (*builder).voting,
		"LogisticRegression": (*builder).logistic, "LogisticRegressionCV": (*builder).logistic,
	}
	for _, name := range []string{"LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "BayesianRidge", "ARDRegression",
		"HuberRegressor", "Lars", "LarsCV", "LassoLars", "LassoLarsCV", "SGDRegressor", "QuantileRegressor", "LinearSVR", "TheilSenRegressor", "OrthogonalMatchingPursuit"} {
		models[name] = (*builder).linear
	}
}

// transforms reports whether an object is a step that prepares rows.
func transforms(o *pickle.Object) bool {
	if o.Class.Name == "Pipeline" {
		last, ok := lastStep(o)
		return ok && transforms(last)
	}
	_, ok := transformers[o.Class.Name]
	return ok || strings.HasPrefix(o.Class.Module, "sklearn.preprocessing") || strings.HasPrefix(o.Class.Module, "sklearn.feature_extraction") ||
		strings.HasPrefix(o.Class.Module, "sklearn.impute") || strings.HasPrefix(o.Class.Module, "sklearn.decomposition") || strings.HasPrefix(o.Class.Module, "sklearn.feature_selection")
}

func predicts(o *pickle.Object) bool {
	library, _, _ := strings.Cut(o.Class.Module, ".")
	switch library {
	case "sklearn", "lightgbm", "xgboost", "catboost", "_catboost":
		return true
	}
	return false
}

// pairs returns the names and the objects of a list of pairs, and other elements as rest.
func (b *builder) pairs(o *pickle.Object, attribute string) (names []string, of []any, rest [][]any, err error) {
	list, ok := pickle.Items(o.Get(attribute))
	if !ok {
		return nil, nil, nil, b.fail(fmt.Errorf("%s: %s is %s, not a list: is it fitted?", o.Class.Name, attribute, pickle.Kind(o.Get(attribute))))
	}
	for _, v := range list {
		pair, ok := pickle.Items(v)
		if !ok || len(pair) < 2 {
			return nil, nil, nil, b.fail(fmt.Errorf("%s: %s has %s, want a name and a step", o.Class.Name, attribute, pickle.Kind(v)))
		}
		name, _ := pair[0].(string)
		names, of, rest = append(names, name), append(of, pair[1]), append(rest, pair[2:])
	}
	return names, of, rest, nil
}

func lastStep(o *pickle.Object) (*pickle.Object, bool) {
	list, _ := pickle.Items(o.Get("steps"))
	if len(list) == 0 {
		return nil, false
	}
	pair, _ := pickle.Items(list[len(list)-1])
	if len(pair) != 2 {
		return nil, false
	}
	last, ok := pair[1].(*pickle.Object)
	return last, ok
}

// transform adds a step that prepares rows. "passthrough" and None add nothing.
func (b *builder) transform(step any, v value) (value, error) {
	if text, ok := step.(string); step == nil || ok && text == "passthrough" {
		return v, nil
	}
	o, ok := step.(*pickle.Object)
	if !ok {
		return v, b.unsupported("%s is no step", pickle.Kind(step))
	}
	add, ok := transformers[o.Class.Name]
	if !ok || !strings.HasPrefix(o.Class.Module, "sklearn.") {
		return v, b.unsupported("%s is not among the steps that are read: leave it out of the pipeline and prepare rows with it before, or replace it by one that is", o.Class)
	}
	return add(b, o, v)
}

// predict adds a model.
func (b *builder) predict(o *pickle.Object, v value) ([]prediction, error) {
	if add, ok := models[o.Class.Name]; ok && strings.HasPrefix(o.Class.Module, "sklearn.") {
		return add(b, o, v)
	}
	return b.ensemble(o, v)
}

func (b *builder) walk(o *pickle.Object, v value, last func(step any, v value) error) error {
	names, steps, _, err := b.pairs(o, "steps")
	if err != nil {
		return err
	}
	if len(steps) == 0 {
		return b.unsupported("a Pipeline without steps")
	}
	for i, step := range steps {
		if err := b.spend(1); err != nil {
			return err
		}
		err := b.within(fmt.Sprintf("step %q of the Pipeline", names[i]), func() (err error) {
			if i == len(steps)-1 {
				return last(step, v)
			}
			v, err = b.transform(step, v)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) pipelineTransform(o *pickle.Object, v value) (out value, err error) {
	err = b.walk(o, v, func(step any, v value) (err error) {
		out, err = b.transform(step, v)
		return err
	})
	return out, err
}

func (b *builder) pipelinePredict(o *pickle.Object, v value) (out []prediction, err error) {
	err = b.walk(o, v, func(step any, v value) error {
		model, ok := step.(*pickle.Object)
		if !ok || transforms(model) {
			return b.unsupported("the Pipeline ends in %s, which is no model: dump it in a dict with its model", pickle.Kind(step))
		}
		out, err = b.predict(model, v)
		return err
	})
	return out, err
}

func (b *builder) search(o *pickle.Object, v value) (out []prediction, err error) {
	best, ok := o.Get("best_estimator_").(*pickle.Object)
	if !ok {
		return nil, b.unsupported("%s: best_estimator_ is missing: fit it with refit=True", o.Class.Name)
	}
	err = b.within("best_estimator_", func() error {
		out, err = b.predict(best, v)
		return err
	})
	return out, err
}

func (b *builder) multiOutput(o *pickle.Object, v value) ([]prediction, error) {
	list, ok := pickle.Items(o.Get("estimators_"))
	if !ok || len(list) == 0 {
		return nil, b.fail(fmt.Errorf("%s: estimators_ is %s: is it fitted?", o.Class.Name, pickle.Kind(o.Get("estimators_"))))
	}
	v, err := b.matrixOfFirst(o, list, v)
	if err != nil {
		return nil, err
	}
	var out []prediction
	for i, e := range list {
		err := b.within(fmt.Sprintf("%s: model %d", o.Class.Name, i), func() error {
			model, ok := e.(*pickle.Object)
			if !ok {
				return b.fail(fmt.Errorf("it is %s", pickle.Kind(e)))
			}
			one, err := b.predict(model, v)
			out = append(out, one...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	numbers := prediction{}
	var nodes []int
	for _, p := range out {
		if p.classes != nil || p.anomaly {
			return out, nil
		}
		nodes, numbers.width = append(nodes, p.numbers), numbers.width+p.width
	}
	numbers.numbers = b.add(Join{}, nodes...)
	return []prediction{numbers}, nil
}

// matrixOfFirst turns the table into numbers for several models at once.
func (b *builder) matrixOfFirst(o *pickle.Object, list []any, v value) (value, error) {
	if v.node != tableNode {
		return v, nil
	}
	if _, _, err := b.fitted(o); err == nil {
		return b.matrix(o, v)
	}
	if first, ok := list[0].(*pickle.Object); ok {
		if _, _, err := b.fitted(first); err == nil {
			return b.matrix(first, v)
		}
	}
	return v, nil // each model does that itself
}

func (b *builder) voting(o *pickle.Object, v value) ([]prediction, error) {
	if o.Get("weights") != nil {
		return nil, b.unsupported("VotingRegressor with weights: leave weights at None")
	}
	all, err := b.multiOutput(o, v)
	if err != nil {
		return nil, err
	}
	n := all[0].width
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = 1
	}
	sum := b.add(Linear{[][]float64{weights}, []float64{0}}, all[0].numbers)
	return []prediction{{numbers: b.add(Arithmetic{Divide, []float64{float64(n)}}, sum), width: 1}}, nil
}

// inverses are the NumPy functions with which a TransformedTargetRegressor may invert the
// transformation of its target.
var inverses = map[string]func(b *builder, node, width int) int{
	"exp": func(b *builder, node, _ int) int { return b.add(Apply{tree.Link{Func: tree.Exp}}, node) },
	"expm1": func(b *builder, node, width int) int {
		by := make([]float64, width)
		for i := range by {
			by[i] = 1
		}
		return b.add(Arithmetic{Subtract, by}, b.add(Apply{tree.Link{Func: tree.Exp}}, node))
	},
}

func (b *builder) transformedTarget(o *pickle.Object, v value) (out []prediction, err error) {
	inner, ok := o.Get("regressor_").(*pickle.Object)
	if !ok {
		return nil, b.fail(fmt.Errorf("regressor_ is %s: is it fitted?", pickle.Kind(o.Get("regressor_"))))
	}
	transformer, _ := o.Get("transformer_").(*pickle.Object)
	if transformer == nil {
		return nil, b.unsupported("TransformedTargetRegressor without a transformer_")
	}
	err = b.within("regressor_", func() error {
		out, err = b.predict(inner, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		p := &out[i]
		switch transformer.Class.Name {
		case "FunctionTransformer":
			inverse := transformer.Get("inverse_func")
			name := ""
			switch f := inverse.(type) {
			case pickle.Global:
				name = f.Name
			case *pickle.Object: // a ufunc is reconstructed from its name
				if len(f.Args) > 0 {
					name, _ = f.Args[len(f.Args)-1].(string)
				}
			}
			undo := inverses[name]
			if undo == nil {
				return nil, b.unsupported("TransformedTargetRegressor with an inverse_func other than numpy.exp and numpy.expm1")
			}
			p.numbers = undo(b, p.numbers, p.width)
		case "StandardScaler":
			if scale, err := b.floats(transformer, "scale_", p.width); err != nil {
				return nil, err
			} else if scale != nil && flag(transformer, "with_std", true) {
				p.numbers = b.add(Arithmetic{Multiply, scale}, p.numbers)
			}
			if mean, err := b.floats(transformer, "mean_", p.width); err != nil {
				return nil, err
			} else if mean != nil && flag(transformer, "with_mean", true) {
				p.numbers = b.add(Arithmetic{Add, mean}, p.numbers)
			}
		default:
			return nil, b.unsupported("TransformedTargetRegressor with a %s", transformer.Class)
		}
	}
	return out, nil
}

// arithmetic adds a step with one number for each column, or no step for nil.
func (b *builder) arithmetic(v value, do Operation, by []float64) value {
	if by == nil {
		return v
	}
	return b.then(v, v.width, Arithmetic{do, by})
}

// scaled adds up to two steps with the numbers in attributes of an object.
func (b *builder) scaled(o *pickle.Object, v value, steps ...struct {
	do   Operation
	name string
	on   bool
}) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	for _, s := range steps {
		if !s.on {
			continue
		}
		by, err := b.floats(o, s.name, v.width)
		if err != nil {
			return v, err
		}
		if by == nil {
			return v, b.fail(fmt.Errorf("%s: %s is missing: is it fitted?", o.Class.Name, s.name))
		}
		if s.do == Subtract || s.do == Add {
			v.sparse = false
		}
		v = b.arithmetic(v, s.do, by)
	}
	return v, nil
}

type scaling = struct {
	do   Operation
	name string
	on   bool
}

func (b *builder) standardScaler(o *pickle.Object, v value) (value, error) {
	return b.scaled(o, v, scaling{Subtract, "mean_", flag(o, "with_mean", true)}, scaling{Divide, "scale_", flag(o, "with_std", true)})
}

func (b *builder) robustScaler(o *pickle.Object, v value) (value, error) {
	return b.scaled(o, v, scaling{Subtract, "center_", flag(o, "with_centering", true)}, scaling{Divide, "scale_", flag(o, "with_scaling", true)})
}

func (b *builder) maxAbsScaler(o *pickle.Object, v value) (value, error) {
	v, err := b.scaled(o, v, scaling{Divide, "scale_", true})
	if err == nil && flag(o, "clip", false) {
		v = b.then(v, v.width, Clip{-1, 1})
	}
	return v, err
}

func (b *builder) minMaxScaler(o *pickle.Object, v value) (value, error) {
	v, err := b.scaled(o, v, scaling{Multiply, "scale_", true}, scaling{Add, "min_", true})
	if err != nil || !flag(o, "clip", false) {
		return v, err
	}
	limits, _ := pickle.Items(o.Get("feature_range"))
	if len(limits) == 2 {
		low, ok := pickle.Float(limits[0])
		high, too := pickle.Float(limits[1])
		if ok && too {
			return b.then(v, v.width, Clip{low, high}), nil
		}
	}
	return v, b.fail(fmt.Errorf("feature_range is %s", pickle.Kind(o.Get("feature_range"))))
}

func (b *builder) normalizer(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	norm, _ := o.Get("norm").(string)
	return b.then(v, v.width, Normalize{norm}), nil
}

func (b *builder) simpleImputer(o *pickle.Object, v value) (value, error) {
	missing, ok := pickle.Float(o.Get("missing_values"))
	if !ok {
		return v, b.unsupported("SimpleImputer for missing_values of %s: fill texts before the pipeline", pickle.Kind(o.Get("missing_values")))
	}
	a, ok := o.Get("statistics_").(*pickle.Array)
	if !ok {
		return v, b.fail(fmt.Errorf("SimpleImputer: statistics_ is %s: is it fitted?", pickle.Kind(o.Get("statistics_"))))
	}
	with, err := a.Floats()
	if err != nil {
		with = nil
		for _, x := range a.Objects { // a constant
			f, ok := pickle.Float(x)
			if !ok {
				return v, b.unsupported("SimpleImputer for texts: fill them before the pipeline")
			}
			with = append(with, f)
		}
	}
	if v, err = b.matrix(o, v); err != nil {
		return v, err
	}
	if len(with) != v.width {
		return v, b.fail(fmt.Errorf("SimpleImputer: %d statistics for %d columns", len(with), v.width))
	}
	raw := v
	fill := Fill{Missing: Float(missing)}
	var kept []int
	for i, x := range with {
		if x != x { // no value to fill in: the column is dropped
			x = 0
		} else {
			kept = append(kept, i)
		}
		fill.With = append(fill.With, Float(x))
	}
	v = b.then(v, v.width, fill)
	if len(kept) < len(with) {
		v = b.then(v, len(kept), Pick{kept})
	}
	if !flag(o, "add_indicator", false) {
		return v, nil
	}
	indicator, _ := o.Get("indicator_").(*pickle.Object)
	if indicator == nil {
		return v, b.fail(fmt.Errorf("SimpleImputer: indicator_ is %s", pickle.Kind(o.Get("indicator_"))))
	}
	at, ok := indicator.Get("features_").(*pickle.Array)
	if !ok {
		return v, b.fail(fmt.Errorf("SimpleImputer: indicator_.features_ is %s", pickle.Kind(indicator.Get("features_"))))
	}
	ints, err := at.Ints()
	if err != nil || len(ints) == 0 {
		return v, err
	}
	pick := Pick{}
	for _, i := range ints {
		pick.At = append(pick.At, int(i))
	}
	flags := b.then(b.then(raw, raw.width, Flag{Float(missing)}), len(pick.At), pick)
	return value{b.add(Join{}, v.node, flags.node), v.width + flags.width, false}, nil
}

// functionTransformer adds a step without a function, which a ColumnTransformer uses for
// columns that pass through.
func (b *builder) functionTransformer(o *pickle.Object, v value) (value, error) {
	if o.Get("func") != nil {
		return v, b.unsupported("FunctionTransformer with a function: a program that is not executed here")
	}
	return b.matrix(o, v)
}

// varianceThreshold selects the columns with a variance above the threshold.
func (b *builder) varianceThreshold(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	variances, err := b.floats(o, "variances_", v.width)
	if err != nil {
		return v, err
	}
	least, ok := pickle.Float(o.Get("threshold"))
	if !ok || variances == nil {
		return v, b.fail(fmt.Errorf("VarianceThreshold: variances_ or threshold is missing: is it fitted?"))
	}
	var pick Pick
	for i, x := range variances {
		if x > least {
			pick.At = append(pick.At, i)
		}
	}
	return b.then(v, len(pick.At), pick), nil
}

// weights returns an attribute that is a matrix with rows of the given width.
func (b *builder) weights(o *pickle.Object, attribute string, width int) ([][]float64, error) {
	a, ok := o.Get(attribute).(*pickle.Array)
	if !ok {
		return nil, b.fail(fmt.Errorf("%s: %s is %s: is it fitted?", o.Class.Name, attribute, pickle.Kind(o.Get(attribute))))
	}
	if err := b.spend(a.Len()); err != nil {
		return nil, err
	}
	x, err := a.Floats()
	if err != nil {
		return nil, b.fail(fmt.Errorf("%s: %w", attribute, err))
	}
	if width < 1 || len(x) == 0 || len(x)%width != 0 {
		return nil, b.fail(fmt.Errorf("%s: %s has %d numbers for %d columns", o.Class.Name, attribute, len(x), width))
	}
	var rows [][]float64
	for ; len(x) > 0; x = x[width:] {
		rows = append(rows, x[:width:width])
	}
	return rows, nil
}

func (b *builder) pca(o *pickle.Object, v value) (value, error) {
	if flag(o, "whiten", false) {
		return v, b.unsupported("PCA with whiten=True")
	}
	v, err := b.scaled(o, v, scaling{Subtract, "mean_", o.Get("mean_") != nil})
	if err != nil {
		return v, err
	}
	return b.project(o, v)
}

func (b *builder) truncatedSVD(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	return b.project(o, v)
}

func (b *builder) project(o *pickle.Object, v value) (value, error) {
	rows, err := b.weights(o, "components_", v.width)
	if err != nil {
		return v, err
	}
	v.sparse = false
	return b.then(v, len(rows), Linear{rows, make([]float64, len(rows))}), nil
}

// categories returns the categories of each column: numbers, or texts.
func (b *builder) categories(o *pickle.Object) (numbers [][]Float, texts [][]string, err error) {
	list, ok := pickle.Items(o.Get("categories_"))
	if !ok {
		return nil, nil, b.fail(fmt.Errorf("%s: categories_ is %s: is it fitted?", o.Class.Name, pickle.Kind(o.Get("categories_"))))
	}
	for i, v := range list {
		a, ok := v.(*pickle.Array)
		if !ok {
			return nil, nil, b.fail(fmt.Errorf("%s: categories_[%d] is %s", o.Class.Name, i, pickle.Kind(v)))
		}
		if err := b.spend(2 * a.Len()); err != nil {
			return nil, nil, err
		}
		var of []Float
		var names []string
		if x, err := a.Floats(); err == nil {
			for _, c := range x {
				of = append(of, Float(c))
			}
		} else if names, err = a.Strings(); err != nil {
			for _, x := range a.Objects { // numbers as objects
				f, ok := pickle.Float(x)
				if !ok {
					return nil, nil, b.unsupported("%s: the categories of column %d are texts and others, or some are missing: fill missing texts before the pipeline", o.Class.Name, i)
				}
				of = append(of, Float(f))
			}
			names = nil
		}
		numbers, texts = append(numbers, of), append(texts, names)
	}
	return numbers, texts, nil
}

// infrequent fails for encoders that group rare categories.
func (b *builder) infrequent(o *pickle.Object) error {
	if flag(o, "_infrequent_enabled", false) || o.Get("min_frequency") != nil || o.Get("max_categories") != nil {
		return b.unsupported("%s with min_frequency or max_categories", o.Class.Name)
	}
	return nil
}

func (b *builder) oneHotEncoder(o *pickle.Object, v value) (value, error) {
	if err := b.infrequent(o); err != nil {
		return v, err
	}
	var dropped []int
	drop := o.Get("_drop_idx_after_grouping")
	if drop == nil {
		drop = o.Get("drop_idx_")
	}
	numbers, texts, err := b.categories(o)
	if err != nil {
		return v, err
	}
	if items, ok := drop.(*pickle.Array); ok {
		for i := range items.Len() {
			at := -1
			if len(items.Objects) > 0 && items.Objects[i] != nil {
				at, _ = pickle.Int(items.Objects[i])
			} else if ints, err := items.Ints(); err == nil {
				at = int(ints[i])
			}
			dropped = append(dropped, at)
		}
	}
	sparse := flag(o, "sparse_output", flag(o, "sparse", true))
	pick := func(list []int, at []int) []int {
		if dropped == nil {
			return nil
		}
		var out []int
		for _, i := range at {
			if i >= len(list) {
				return nil
			}
			out = append(out, list[i])
		}
		return out
	}
	out, err := b.encoded(o, v, texts, func(at, columns []int) Op {
		op := TextOneHot{At: columns, Dropped: pick(dropped, at)}
		for _, i := range at {
			op.Categories = append(op.Categories, texts[i])
		}
		return op
	}, func(at []int) Op {
		op := OneHot{Dropped: pick(dropped, at)}
		for _, i := range at {
			op.Categories = append(op.Categories, numbers[i])
		}
		return op
	})
	out.sparse = sparse
	return out, err
}

func (b *builder) ordinalEncoder(o *pickle.Object, v value) (value, error) {
	if err := b.infrequent(o); err != nil {
		return v, err
	}
	unknown := Float(math.NaN())
	if x, ok := pickle.Float(o.Get("unknown_value")); ok {
		unknown = Float(x)
	}
	numbers, texts, err := b.categories(o)
	if err != nil {
		return v, err
	}
	missing, ok := pickle.Float(o.Get("encoded_missing_value"))
	for _, list := range numbers {
		if n := len(list); n > 0 && list[n-1] != list[n-1] && !(ok && missing != missing) && o.Get("encoded_missing_value") != nil {
			return v, b.unsupported("OrdinalEncoder with encoded_missing_value")
		}
	}
	return b.encoded(o, v, texts, func(at, columns []int) Op {
		op := TextOrdinal{At: columns, Unknown: unknown}
		for _, i := range at {
			op.Categories = append(op.Categories, texts[i])
		}
		return op
	}, func(at []int) Op {
		op := Ordinal{Unknown: unknown}
		for _, i := range at {
			list := numbers[i]
			if n := len(list); n > 0 && list[n-1] != list[n-1] && unknown != unknown {
				list = list[:n-1] // NaN stays NaN, like an unknown category
			}
			op.Categories = append(op.Categories, list)
		}
		return op
	})
}

// encoded adds an encoder for columns of numbers and texts, one node for each run of one kind.
func (b *builder) encoded(o *pickle.Object, v value, texts [][]string, ofTexts func(at, columns []int) Op, ofNumbers func(at []int) Op) (value, error) {
	columns := all(len(texts)) // of the table
	if v.node == tableNode {
		width, names, err := b.fitted(o)
		if err != nil {
			return v, err
		}
		if err := b.inputs(width, names); err != nil {
			return v, err
		}
	} else if c, ok := b.m.Nodes[v.node].Op.(Columns); ok { // some of these columns may be texts
		columns = c.At
	} else {
		for _, t := range texts {
			if t != nil {
				return v, b.unsupported("%s of texts that are not columns of the table", o.Class.Name)
			}
		}
		return b.sized(b.add(ofNumbers(all(len(texts))), v.node)), nil
	}
	if len(columns) != len(texts) {
		return v, b.fail(fmt.Errorf("%s: categories of %d columns for %d", o.Class.Name, len(texts), len(columns)))
	}
	var nodes []int
	for from := 0; from < len(texts); {
		to := from
		for to < len(texts) && (texts[to] != nil) == (texts[from] != nil) {
			to++
		}
		var at []int
		for i := from; i < to; i++ {
			at = append(at, i)
		}
		if texts[from] != nil {
			for _, c := range columns[from:to] {
				b.m.Inputs[c].Kind = Text
			}
			nodes = append(nodes, b.add(ofTexts(at, columns[from:to:to])))
		} else {
			x, err := b.numbers(columns[from:to:to])
			if err != nil {
				return v, err
			}
			nodes = append(nodes, b.add(ofNumbers(at), x.node))
		}
		from = to
	}
	if len(nodes) == 1 {
		return b.sized(nodes[0]), nil
	}
	return b.sized(b.add(Join{}, nodes...)), nil
}

// sized returns the value of a node, with its width.
func (b *builder) sized(node int) value {
	var width func(i int) int
	width = func(i int) int {
		n := b.m.Nodes[i]
		in := make([]int, len(n.In))
		for k, from := range n.In {
			in[k] = width(from)
		}
		w, err := n.Op.width(b.m, in)
		if err != nil {
			return 0 // Validate reports it
		}
		return w
	}
	return value{node: node, width: width(node)}
}

func (b *builder) featureUnion(o *pickle.Object, v value) (value, error) {
	names, steps, _, err := b.pairs(o, "transformer_list")
	if err != nil {
		return v, err
	}
	if w := o.Get("transformer_weights"); w != nil {
		return v, b.unsupported("FeatureUnion with transformer_weights")
	}
	var nodes []int
	out := value{}
	for i, step := range steps {
		if text, ok := step.(string); ok && text == "drop" {
			continue
		}
		err := b.within(fmt.Sprintf("step %q of the FeatureUnion", names[i]), func() error {
			x, err := b.transform(step, v)
			if err == nil && x.node == tableNode {
				x, err = b.matrix(o, x)
			}
			nodes, out.width, out.sparse = append(nodes, x.node), out.width+x.width, out.sparse || x.sparse
			return err
		})
		if err != nil {
			return v, err
		}
	}
	out.node = b.add(Join{}, nodes...)
	return out, nil
}

func (b *builder) columnTransformer(o *pickle.Object, v value) (value, error) {
	if o.Get("transformer_weights") != nil {
		return v, b.unsupported("ColumnTransformer with transformer_weights")
	}
	width, names, err := b.fitted(o)
	if err != nil {
		return v, err
	}
	if v.node == tableNode {
		if err := b.inputs(width, names); err != nil {
			return v, err
		}
	}
	steps, of, rest, err := b.pairs(o, "transformers_")
	if err != nil {
		return v, err
	}
	indices, _ := o.Get("_transformer_to_input_indices").(*pickle.Dict)
	var nodes []int
	out := value{}
	for i, step := range of {
		if text, ok := step.(string); ok && text == "drop" {
			continue
		}
		err := b.within(fmt.Sprintf("step %q of the ColumnTransformer", steps[i]), func() error {
			var where any
			if len(rest[i]) > 0 {
				where = rest[i][0]
			}
			at, err := b.picked(indices.Get(steps[i]), where, names, width)
			if err != nil || len(at) == 0 {
				return err
			}
			x, err := b.some(v, at, step)
			if err != nil {
				return err
			}
			if x, err = b.transform(step, x); err != nil {
				return err
			}
			nodes, out.width = append(nodes, x.node), out.width+x.width
			return nil
		})
		if err != nil {
			return v, err
		}
	}
	if len(nodes) == 0 {
		return v, b.unsupported("a ColumnTransformer that leaves no columns")
	}
	out.node, out.sparse = b.add(Join{}, nodes...), flag(o, "sparse_output_", false)
	return out, nil
}

// some selects columns of a value.
func (b *builder) some(v value, at []int, step any) (value, error) {
	if v.node != tableNode {
		return b.then(v, len(at), Pick{at}), nil
	}
	return value{node: b.add(Columns{at}), width: len(at)}, nil // an encoder may turn them into texts
}

// picked returns the columns of a step of a ColumnTransformer.
func (b *builder) picked(indices, where any, names []string, width int) ([]int, error) {
	list, ok := pickle.Items(indices)
	if !ok {
		if list, ok = pickle.Items(where); !ok {
			list = []any{where}
		}
	}
	var out []int
	for i, v := range list {
		at := -1
		switch x := v.(type) {
		case string:
			for k, name := range names {
				if name == x {
					at = k
				}
			}
		case bool:
			if !x {
				continue
			}
			at = i
		default:
			if n, ok := pickle.Int(v); ok {
				at = n
				if at < 0 {
					at += width
				}
			}
		}
		if at < 0 || at >= width {
			return nil, b.unsupported("columns given by %s: give their names", pickle.Kind(where))
		}
		out = append(out, at)
	}
	return out, nil
}

// linear adds a linear model that predicts numbers.
func (b *builder) linear(o *pickle.Object, v value) ([]prediction, error) {
	x, width, err := b.decision(o, v)
	if err != nil {
		return nil, err
	}
	return []prediction{{numbers: x, width: width}}, nil
}

// decision adds a step with coef_ and intercept_.
func (b *builder) decision(o *pickle.Object, v value) (node, width int, err error) {
	if v, err = b.matrix(o, v); err != nil {
		return 0, 0, err
	}
	rows, err := b.weights(o, "coef_", v.width)
	if err != nil {
		return 0, 0, err
	}
	bias := make([]float64, len(rows))
	if c, ok := pickle.Float(o.Get("intercept_")); ok {
		for i := range bias {
			bias[i] = c
		}
	} else if given, err := b.floats(o, "intercept_", len(rows)); err != nil {
		return 0, 0, err
	} else if given != nil {
		bias = given
	}
	return b.add(Linear{rows, bias}, v.node), len(rows), nil
}

// logistic adds logistic regression.
func (b *builder) logistic(o *pickle.Object, v value) ([]prediction, error) {
	kind, _ := o.Get("multi_class").(string)
	solver, _ := o.Get("solver").(string)
	x, width, err := b.decision(o, v)
	if err != nil {
		return nil, err
	}
	classes := labelsOf(o.Get("classes_"))
	if classes == nil {
		return nil, b.unsupported("%s: classes_ are neither texts nor whole numbers", o.Class.Name)
	}
	if width == 1 {
		link := tree.Link{Func: tree.Sigmoid}
		if kind == "multinomial" {
			link.Scale = 2 // the softmax of -x and x
		}
		return []prediction{{numbers: b.add(Complement{}, b.add(Apply{link}, x)), width: 2, classes: classes}}, nil
	}
	if kind == "ovr" || solver == "liblinear" {
		return nil, b.unsupported("%s of several classes, one against the rest: fit it with another solver", o.Class.Name)
	}
	return []prediction{{numbers: b.add(Apply{tree.Link{Func: tree.Softmax}}, x), width: width, classes: classes}}, nil
}

// ensemble adds a tree ensemble, with its class labels.
func (b *builder) ensemble(o *pickle.Object, v value) ([]prediction, error) {
	m, from, err := tree.ReadPickled(tree.ReadOptions{AllTrees: b.options.AllTrees}, o, b.size)
	if err != nil {
		return nil, b.fail(err)
	}
	size := len(m.Features)
	for i := range m.Trees {
		size += 12 * len(m.Trees[i].Leaves)
	}
	if err := b.spend(size); err != nil {
		return nil, err
	}
	b.trees, b.taken = b.trees+from.Trees, b.taken+from.Taken
	if v.node == tableNode {
		var names []string
		if list, ok := o.Get("feature_names_in_").(*pickle.Array); ok {
			names, _ = list.Strings()
		}
		for _, f := range m.Features[min(len(names), len(m.Features)):] {
			names = append(names, f.Name)
		}
		if v, err = b.table(len(m.Features), names); err != nil {
			return nil, err
		}
	}
	fromTable := b.numeric(v)
	if len(m.Features) != v.width {
		return nil, b.fail(fmt.Errorf("%s takes %d columns, and the step before it gives %d", o.Class.Name, len(m.Features), v.width))
	}
	if strings.HasPrefix(o.Class.Module, "xgboost") {
		b.sparse = b.sparse || fromTable && !b.options.ZerosMissing && looksSparse(m)
		v = b.absent(o, v)
	}
	if b.options.ZerosMissing {
		v = b.fill(v, 0)
	}
	p := prediction{numbers: b.add(Trees{m}, v.node), width: m.Outputs}
	switch {
	case o.Class.Name == "IsolationForest":
		p.anomaly = true
		if p.offset, _ = pickle.Float(o.Get("offset_")); o.Get("offset_") == nil {
			p.offset = -0.5
		}
	case strings.HasSuffix(o.Class.Name, "Classifier"):
		return b.classes(o, m, p, from)
	}
	return []prediction{p}, nil
}

// numeric reports whether a value is columns of the table, as they are.
func (b *builder) numeric(v value) bool {
	_, ok := b.m.Nodes[v.node].Op.(Columns)
	return ok
}

// absent turns the values that XGBoost treats as missing into NaN: those absent from a sparse
// matrix, and the estimator's own missing value.
func (b *builder) absent(o *pickle.Object, v value) value {
	missing, ok := pickle.Float(o.Get("missing"))
	if v.sparse {
		v = b.fill(v, 0)
	}
	if ok && missing == missing && !(missing == 0 && v.sparse) {
		v = b.fill(v, missing)
	}
	return v
}

// fill turns a number into NaN.
func (b *builder) fill(v value, missing float64) value {
	with := make([]Float, v.width)
	for i := range with {
		with[i] = Float(math.NaN())
	}
	return b.then(v, v.width, Fill{Float(missing), with})
}

// classes turns the predictions of a classifier's ensemble into probabilities, and finds the
// names of its classes.
func (b *builder) classes(o *pickle.Object, m *tree.Model, p prediction, from tree.Source) ([]prediction, error) {
	if !strings.HasPrefix(o.Class.Module, "sklearn") && m.Link.Func != tree.Sigmoid && m.Link.Func != tree.Softmax {
		return nil, b.unsupported("%s with an objective that gives no probabilities: dump its booster by itself", o.Class.Name)
	}
	if p.width == 1 && !(m.Average && strings.HasPrefix(o.Class.Module, "sklearn")) {
		p.numbers, p.width = b.add(Complement{}, p.numbers), 2
	}
	switch {
	case from.Numbers != nil:
		p.classes = &Labels{Numbers: from.Numbers}
	case from.Classes != nil:
		p.classes = &Labels{Texts: from.Classes}
	default:
		for _, a := range []string{"classes_", "_classes"} {
			if o.Get(a) != nil && p.classes == nil {
				if p.classes = labelsOf(o.Get(a)); p.classes == nil {
					return nil, b.unsupported("%s: %s are neither texts nor whole numbers", o.Class.Name, a)
				}
			}
		}
		if encoder, ok := o.Get("_le").(*pickle.Object); ok && p.classes == nil {
			p.classes = labelsOf(encoder.Get("classes_"))
		}
		if p.classes == nil {
			p.classes = counted(p.width)
		}
	}
	// The labels of an encoder stand for the numbers that it made of them.
	if b.labels != nil && b.labels.Len() == p.width && slices.Equal(p.classes.Numbers, counted(p.width).Numbers) {
		p.classes = b.labels
	}
	if p.classes.Len() != p.width {
		return nil, b.fail(fmt.Errorf("%s: %d classes, and %d probabilities", o.Class.Name, p.classes.Len(), p.width))
	}
	return []prediction{p}, nil
}
