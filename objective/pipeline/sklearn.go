package pipeline

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
	"github.com/attune-hpo/attune/objective/tree"
)

// A prediction is the result of a model.
type prediction struct {
	numbers int // node of the predictions, or of the probabilities or scores of classes
	width   int
	classes *Labels // nil: numbers
	scores  bool    // numbers are scores, not probabilities. One score is of the second class
	label   int     // node of the index of the class, or 0: that of the greatest number
	anomaly bool    // a model of anomalies: the node is -score_samples
	above   bool    // of which only rows with a decision above 0 are normal
	offset  float64 // offset of its decision_function
	// decision adds what decision_function returns. It is nil if the model has no such method.
	decision func() (node, width int, err error)
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
		return b.unsupported("%s: want a model of scikit-learn by itself, or with its preprocessing", what)
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
			side := Op(Side{})
			if p.above {
				side = Function{"positive"}
			}
			b.output("label"+suffix, b.add(side, decision), &Labels{Numbers: []int64{-1, 1}})
			b.output("score"+suffix, score, nil)
			b.output("decision"+suffix, decision, nil)
		case p.classes != nil:
			b.output("label"+suffix, b.index(p), p.classes)
			name := "probabilities"
			if p.scores {
				name = "scores"
			}
			b.output(name+suffix, p.numbers, nil)
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
		"CountVectorizer": (*builder).countVectorizer, "TfidfVectorizer": (*builder).tfidfVectorizer, "TfidfTransformer": (*builder).tfidfTransformer, "HashingVectorizer": (*builder).hashingVectorizer,
		"FunctionTransformer": (*builder).functionTransformer, "Binarizer": (*builder).binarizer, "PolynomialFeatures": (*builder).polynomials,
		"PowerTransformer": (*builder).powerTransformer, "QuantileTransformer": (*builder).quantileTransformer, "KBinsDiscretizer": (*builder).binsDiscretizer,
		"TargetEncoder": (*builder).targetEncoder, "MissingIndicator": (*builder).missingIndicator,
		"SelectKBest": (*builder).selector, "SelectPercentile": (*builder).selector, "SelectFpr": (*builder).selector, "SelectFdr": (*builder).selector, "SelectFwe": (*builder).selector,
		"RFE": (*builder).selector, "RFECV": (*builder).selector, "SequentialFeatureSelector": (*builder).selector, "SelectFromModel": (*builder).selector,
		"IncrementalPCA": (*builder).pca, "FastICA": (*builder).ica,
		"VarianceThreshold": (*builder).varianceThreshold, "PCA": (*builder).pca, "TruncatedSVD": (*builder).truncatedSVD,
	}
	models = map[string]func(*builder, *pickle.Object, value) ([]prediction, error){
		"Pipeline": (*builder).pipelinePredict, "MultiOutputRegressor": (*builder).multiOutput, "MultiOutputClassifier": (*builder).multiOutput,
		"GridSearchCV": (*builder).search, "RandomizedSearchCV": (*builder).search, "HalvingGridSearchCV": (*builder).search, "HalvingRandomSearchCV": (*builder).search,
		"TransformedTargetRegressor": (*builder).transformedTarget, "VotingRegressor": (*builder).voting,
		"LogisticRegression": (*builder).logistic, "LogisticRegressionCV": (*builder).logistic, "SGDClassifier": (*builder).sgd,
		"LinearDiscriminantAnalysis": (*builder).discriminant, "QuadraticDiscriminantAnalysis": (*builder).quadratic,
		"GaussianNB": (*builder).gaussianNB, "MultinomialNB": (*builder).naiveBayes, "ComplementNB": (*builder).naiveBayes, "BernoulliNB": (*builder).naiveBayes,
		"MLPRegressor": (*builder).perceptrons, "MLPClassifier": (*builder).perceptrons, "RANSACRegressor": (*builder).ransac,
		"PLSRegression": (*builder).pls, "PLSCanonical": (*builder).pls, "CCA": (*builder).pls,
		"PoissonRegressor": (*builder).generalized, "GammaRegressor": (*builder).generalized, "TweedieRegressor": (*builder).generalized,
		"IsotonicRegression": (*builder).isotonic, "NearestCentroid": (*builder).nearest, "KMeans": (*builder).nearest, "MiniBatchKMeans": (*builder).nearest,
		"SVC": (*builder).supportClasses, "NuSVC": (*builder).supportClasses, "SVR": (*builder).supportRegression, "NuSVR": (*builder).supportRegression,
		"OneClassSVM": (*builder).supportNovelty, "KernelRidge": (*builder).kernelRidge, "GaussianMixture": (*builder).mixture, "DummyClassifier": (*builder).dummyClasses,
		"DummyRegressor": (*builder).dummy, "OneVsRestClassifier": (*builder).oneVsRest, "OneVsOneClassifier": (*builder).oneVsOne,
		"ClassifierChain": (*builder).chain, "RegressorChain": (*builder).chain, "VotingClassifier": (*builder).votingClassifier,
		"StackingRegressor": (*builder).stacking, "StackingClassifier": (*builder).stacking, "BaggingRegressor": (*builder).bagging, "BaggingClassifier": (*builder).bagging,
		"FixedThresholdClassifier": (*builder).threshold, "TunedThresholdClassifierCV": (*builder).threshold,
		"AdaBoostRegressor": (*builder).adaBoost, "AdaBoostClassifier": (*builder).adaBoost, "CalibratedClassifierCV": (*builder).calibrated,
	}
	for _, name := range []string{"RidgeClassifier", "RidgeClassifierCV", "Perceptron", "PassiveAggressiveClassifier", "LinearSVC"} {
		models[name] = (*builder).linearClassifier
	}
	for _, name := range []string{"LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "BayesianRidge", "ARDRegression",
		"HuberRegressor", "Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "SGDRegressor", "PassiveAggressiveRegressor", "QuantileRegressor", "LinearSVR", "TheilSenRegressor", "OrthogonalMatchingPursuit",
		"OrthogonalMatchingPursuitCV", "MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV"} {
		models[name] = (*builder).linear
	}
}

// thawed returns the estimator inside FrozenEstimators, or the object itself.
func thawed(o *pickle.Object) *pickle.Object {
	for range 64 {
		inner, ok := o.Get("estimator").(*pickle.Object)
		if !ok || o.Class.Name != "FrozenEstimator" || !strings.HasPrefix(o.Class.Module, "sklearn.") {
			break
		}
		o = inner
	}
	return o
}

// transforms reports whether an object is a step that prepares rows.
func transforms(o *pickle.Object) bool {
	o = thawed(o)
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
		return v, b.unsupported("%s is not a step", pickle.Kind(step))
	}
	o = thawed(o)
	add, ok := transformers[o.Class.Name]
	if !ok || !strings.HasPrefix(o.Class.Module, "sklearn.") {
		return v, b.unsupported("%s is not among the steps that are read: %s", o.Class, insteadOfStep(o.Class.Name))
	}
	return add(b, o, v)
}

// predict adds a model.
func (b *builder) predict(o *pickle.Object, v value) ([]prediction, error) {
	o = thawed(o)
	if add, ok := models[o.Class.Name]; ok && strings.HasPrefix(o.Class.Module, "sklearn.") {
		return add(b, o, v)
	}
	if !isEnsemble(o) {
		return nil, b.unsupported("%s is not among the models that are read: %s", o.Class.Name, instead(o.Class.Name))
	}
	return b.ensemble(o, v)
}

// isEnsemble reports whether [tree.ReadPickled] may read an object.
func isEnsemble(o *pickle.Object) bool {
	if library, _, _ := strings.Cut(o.Class.Module, "."); library != "sklearn" {
		return predicts(o)
	}
	switch strings.TrimSuffix(strings.TrimSuffix(o.Class.Name, "Classifier"), "Regressor") {
	case "DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees", "GradientBoosting", "HistGradientBoosting", "IsolationForest":
		return true
	}
	return false
}

// insteadOfStep says what can be done about a step that is not read.
func insteadOfStep(class string) string {
	switch class {
	case "KNNImputer", "IterativeImputer":
		return "it fills a row by the training data or by models of its own. Use SimpleImputer, or leave missing values to LightGBM, XGBoost or HistGradientBoosting"
	case "KernelPCA", "Nystroem", "Isomap", "LocallyLinearEmbedding":
		return "it compares each row with rows of the training data. Use PCA"
	case "NMF", "MiniBatchNMF", "LatentDirichletAllocation", "DictionaryLearning", "SparsePCA":
		return "it solves a problem for each row. Use TruncatedSVD or PCA"
	}
	return "leave it out of the pipeline and prepare rows with it before, or replace it by a step that is read"
}

// instead says what can be done about a model that is not read.
func instead(class string) string {
	switch class {
	case "GaussianProcessRegressor", "GaussianProcessClassifier":
		return "it compares each row with rows of the training data. Use SVR, KernelRidge, an MLP or a tree ensemble, or convert this model by itself with skl2onnx"
	case "KNeighborsClassifier", "KNeighborsRegressor", "RadiusNeighborsClassifier", "RadiusNeighborsRegressor", "LocalOutlierFactor":
		return "it searches the training data. Use a tree ensemble, or convert this model by itself with skl2onnx"
	}
	return "use one of linear models, naive Bayes, MLPs, trees and their ensembles, or LightGBM, XGBoost and CatBoost, or convert this model by itself with skl2onnx"
}

func (b *builder) walk(o *pickle.Object, v value, last func(step any, v value) error) error {
	names, steps, _, err := b.pairs(o, "steps")
	if err != nil {
		return err
	}
	if len(steps) == 0 {
		return b.unsupported("a Pipeline without steps")
	}
	before := b.rest
	defer func() { b.rest = before }()
	for i, step := range steps {
		if err := b.spend(1); err != nil {
			return err
		}
		b.rest = steps[i+1:]
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
			return b.unsupported("the Pipeline ends in %s, which is not a model: dump it in a dict with its model", pickle.Kind(step))
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
	all, _, err := b.members(o, "estimators_", v)
	if err != nil {
		return nil, err
	}
	weights, err := b.optionalWeights(o, len(all))
	if err != nil {
		return nil, err
	}
	var nodes []int
	for _, p := range all {
		nodes = append(nodes, p.numbers)
	}
	return []prediction{{numbers: b.blend(nodes, weights), width: all[0].width}}, nil
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
		if out[i].numbers, err = b.undone(transformer, out[i].numbers, out[i].width); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// undone adds the inverse of a transformation.
func (b *builder) undone(o *pickle.Object, node, width int) (int, error) {
	times := func(do Operation, attribute string, on bool) error {
		if !on {
			return nil
		}
		by, err := b.floats(o, attribute, width)
		if err == nil && by != nil {
			node = b.add(Arithmetic{do, by}, node)
		}
		return err
	}
	type change struct {
		do        Operation
		attribute string
		on        bool
	}
	var changes []change
	switch o.Class.Name {
	case "FunctionTransformer":
		if o.Get("inverse_func") == nil {
			return node, nil
		}
		name := known[functionName(o.Get("inverse_func"))]
		if name == "" {
			return 0, b.unsupported("TransformedTargetRegressor with %s as inverse_func: a program, which is not executed here. Known are functions of NumPy such as numpy.expm1", pickle.Kind(o.Get("inverse_func")))
		}
		return b.add(Function{name}, node), nil
	case "StandardScaler":
		changes = []change{{Multiply, "scale_", flag(o, "with_std", true)}, {Add, "mean_", flag(o, "with_mean", true)}}
	case "RobustScaler":
		changes = []change{{Multiply, "scale_", flag(o, "with_scaling", true)}, {Add, "center_", flag(o, "with_centering", true)}}
	case "MinMaxScaler":
		changes = []change{{Subtract, "min_", true}, {Divide, "scale_", true}}
	case "MaxAbsScaler":
		changes = []change{{Multiply, "scale_", true}}
	case "PowerTransformer":
		if scaler, ok := o.Get("_scaler").(*pickle.Object); ok && flag(o, "standardize", true) {
			var err error
			if node, err = b.undone(scaler, node, width); err != nil {
				return 0, err
			}
		}
		lambdas, err := b.floats(o, "lambdas_", width)
		return b.add(Power{Lambdas: lambdas, Box: o.Get("method") == "box-cox", Inverse: true}, node), err
	case "QuantileTransformer":
		if o.Get("output_distribution") != "uniform" {
			return 0, b.unsupported("TransformedTargetRegressor with a QuantileTransformer of another distribution than the uniform one")
		}
		references, err := b.array(o, "references_")
		if err != nil {
			return 0, err
		}
		quantiles, err := b.byColumn(o, "quantiles_", width)
		if err != nil {
			return 0, err
		}
		op := Interpolate{Y: quantiles}
		for range width {
			op.X = append(op.X, references)
		}
		return b.add(op, node), b.spend(2 * width * len(references))
	default:
		return 0, b.unsupported("TransformedTargetRegressor with a %s, which is not inverted here", o.Class)
	}
	for _, c := range changes {
		if err := times(c.do, c.attribute, c.on); err != nil {
			return 0, err
		}
	}
	return node, nil
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
	a, ok := o.Get("statistics_").(*pickle.Array)
	if !ok {
		return v, b.fail(fmt.Errorf("SimpleImputer: statistics_ is %s: is it fitted?", pickle.Kind(o.Get("statistics_"))))
	}
	if texts, err := a.Strings(); err == nil && a.Len() > 0 {
		return b.textImputer(o, v, texts)
	}
	missing, ok := pickle.Float(o.Get("missing_values"))
	if !ok {
		return v, b.unsupported("SimpleImputer of numbers for missing_values of %s", pickle.Kind(o.Get("missing_values")))
	}
	with, err := a.Floats()
	if err != nil {
		with = nil
		for _, x := range a.Objects { // a constant
			f, ok := pickle.Float(x)
			if !ok {
				return v, b.unsupported("SimpleImputer of texts and numbers at once: use one for each")
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
	flags, err := b.flags(indicator, raw, missing)
	if err != nil || flags.node == tableNode {
		return v, err
	}
	return value{node: b.add(Join{}, v.node, flags.node), width: v.width + flags.width}, nil
}

// textImputer remembers what missing texts are filled with, for the encoder after it. A missing
// text is "", or a text of its own.
func (b *builder) textImputer(o *pickle.Object, v value, with []string) (value, error) {
	missing, ok := o.Get("missing_values").(string)
	if x, number := pickle.Float(o.Get("missing_values")); !ok && number && x == x {
		return v, b.unsupported("SimpleImputer of texts for missing_values=%v", x)
	}
	if flag(o, "add_indicator", false) {
		return v, b.unsupported("SimpleImputer of texts with add_indicator")
	}
	v, at, err := b.tableColumns(o, v, len(with))
	if err != nil {
		return v, err
	}
	if at == nil || v.filled != nil {
		return v, b.unsupported("SimpleImputer of texts that are not columns of the table")
	}
	if err := b.spend(len(with)); err != nil {
		return v, err
	}
	for _, c := range at {
		b.m.Inputs[c].Kind = Text
	}
	v = value{node: b.add(Columns{at}), width: len(at)}
	for _, w := range with {
		v.filled = append(v.filled, filling{missing, w})
	}
	return v, nil
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
	v, err := b.scaled(o, v, scaling{Subtract, "mean_", o.Get("mean_") != nil})
	if err != nil {
		return v, err
	}
	if v, err = b.project(o, v); err != nil || !flag(o, "whiten", false) {
		return v, err
	}
	variances, err := b.floats(o, "explained_variance_", v.width)
	if err != nil {
		return v, err
	}
	scale := make([]float64, len(variances))
	for i, x := range variances {
		scale[i] = max(math.Sqrt(x), 0x1p-52)
	}
	return b.arithmetic(v, Divide, scale), nil
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
			if names = textsOrMissing(a.Objects); names == nil {
				for _, x := range a.Objects { // numbers as objects
					f, ok := pickle.Float(x)
					if !ok {
						return nil, nil, b.unsupported("%s: the categories of column %d are texts and numbers at once: make them texts before training", o.Class.Name, i)
					}
					of = append(of, Float(f))
				}
			}
		}
		numbers, texts = append(numbers, of), append(texts, names)
	}
	return numbers, texts, nil
}

// textsOrMissing returns texts, the last of which may be missing: that is "". It returns nil for
// other objects.
func textsOrMissing(of []any) []string {
	var out []string
	for i, x := range of {
		text, ok := x.(string)
		if f, number := x.(float64); !ok && (i == 0 || i < len(of)-1 || x != nil && !(number && f != f) || slices.Contains(out, "")) {
			return nil
		}
		out = append(out, text)
	}
	return out
}

// grouped returns, for each column of an encoder, what becomes of each category when rare ones
// are grouped: an index, the largest of which is that of the rare ones. It returns nil for a
// column without rare ones.
func (b *builder) grouped(o *pickle.Object, columns int) ([][]Float, error) {
	out := make([][]Float, columns)
	if !flag(o, "_infrequent_enabled", false) {
		return out, nil
	}
	list, ok := pickle.Items(o.Get("_default_to_infrequent_mappings"))
	if !ok || len(list) != columns {
		return nil, b.fail(fmt.Errorf("%s: _default_to_infrequent_mappings is %s", o.Class.Name, pickle.Kind(o.Get("_default_to_infrequent_mappings"))))
	}
	for i, item := range list {
		a, ok := item.(*pickle.Array)
		if !ok {
			continue // no rare ones
		}
		if err := b.spend(a.Len()); err != nil {
			return nil, err
		}
		x, err := a.Floats()
		if err != nil {
			return nil, b.fail(err)
		}
		for _, y := range x {
			out[i] = append(out[i], Float(y))
		}
	}
	return out, nil
}

// groupedOneHot adds columns for categories some of which are grouped, or filled in.
func (b *builder) groupedOneHot(o *pickle.Object, v value, numbers [][]Float, texts [][]string, rare [][]Float, dropped []int) (value, error) {
	handling, _ := o.Get("handle_unknown").(string)
	values, unknown := make([][]Float, len(texts)), make([]Float, len(texts))
	op := OneHot{Dropped: dropped}
	for i := range texts {
		n := max(len(numbers[i]), len(texts[i]))
		if unknown[i] = -1; rare[i] == nil {
			values[i] = floatsUpTo(n)
		} else {
			if values[i] = rare[i]; len(values[i]) != n {
				return v, b.fail(fmt.Errorf("%s: column %d has %d categories, of which %d are grouped", o.Class.Name, i, n, len(values[i])))
			}
			n = 0
			for _, x := range values[i] {
				n = max(n, int(x)+1)
			}
			if handling == "infrequent_if_exist" || handling == "warn" {
				unknown[i] = Float(n - 1)
			}
		}
		op.Categories = append(op.Categories, floatsUpTo(n))
	}
	if dropped != nil && len(dropped) != len(texts) {
		return v, b.fail(fmt.Errorf("%s: %d dropped categories of %d columns", o.Class.Name, len(dropped), len(texts)))
	}
	x, err := b.lookedUp(o, v, numbers, texts, values, func(i int) Float { return unknown[i] })
	if err != nil {
		return v, err
	}
	return b.sized(b.add(op, x.node)), nil
}

func (b *builder) oneHotEncoder(o *pickle.Object, v value) (value, error) {
	b.noteStrict(o)
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
	rare, err := b.grouped(o, len(texts))
	if err != nil {
		return v, err
	}
	if v.filled != nil || slices.ContainsFunc(rare, func(of []Float) bool { return of != nil }) {
		out, err := b.groupedOneHot(o, v, numbers, texts, rare, dropped)
		out.sparse = sparse
		return out, err
	}
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
	out, err := b.encoded(o, v, texts, func(at, columns []int, _ [][]string) Op {
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

// noteStrict notes an encoder that raises an error for an unknown category.
func (b *builder) noteStrict(o *pickle.Object) {
	if how, ok := o.Get("handle_unknown").(string); !ok || how == "error" {
		b.strict = append(b.strict, b.fail(errors.New(o.Class.Name)).Error())
	}
}

func (b *builder) ordinalEncoder(o *pickle.Object, v value) (value, error) {
	b.noteStrict(o)
	unknown := Float(math.NaN())
	if x, ok := pickle.Float(o.Get("unknown_value")); ok {
		unknown = Float(x)
	}
	numbers, texts, err := b.categories(o)
	if err != nil {
		return v, err
	}
	rare, err := b.grouped(o, len(texts))
	if err != nil {
		return v, err
	}
	absent := Float(math.NaN()) // what a missing value becomes
	if x, ok := pickle.Float(o.Get("encoded_missing_value")); ok {
		absent = Float(x)
	}
	values := make([][]Float, len(texts))
	for i := range values {
		n := max(len(numbers[i]), len(texts[i]))
		if values[i] = slices.Clone(rare[i]); values[i] == nil {
			values[i] = floatsUpTo(n)
		}
		k := len(numbers[i])
		missing := k > 0 && numbers[i][k-1] != numbers[i][k-1] || len(texts[i]) > 0 && b.missingText(o, i)
		if missing && len(values[i]) == n-1 { // grouped without the missing one
			values[i] = append(values[i], absent)
		}
		if len(values[i]) != n {
			return v, b.fail(fmt.Errorf("OrdinalEncoder: column %d has %d categories, of which %d are grouped", i, n, len(values[i])))
		}
		if missing {
			values[i][n-1] = absent
		}
	}
	return b.lookedUp(o, v, numbers, texts, values, func(int) Float { return unknown })
}

// missingText reports whether the last category of a column of texts is a missing one.
func (b *builder) missingText(o *pickle.Object, column int) bool {
	list, _ := pickle.Items(o.Get("categories_"))
	a, ok := list[column].(*pickle.Array)
	if !ok || len(a.Objects) == 0 {
		return false
	}
	_, text := a.Objects[len(a.Objects)-1].(string)
	return !text
}

// encoded adds an encoder for columns of numbers and texts, one node for each run of one kind.
func (b *builder) encoded(o *pickle.Object, v value, texts [][]string, ofTexts func(at, columns []int, names [][]string) Op, ofNumbers func(at []int) Op) (value, error) {
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
			names := make([][]string, len(at)) // the categories, and what stands for one of them
			for k, i := range at {
				names[k] = texts[i]
				if v.filled != nil && slices.Contains(texts[i], v.filled[i].with) && !slices.Contains(texts[i], v.filled[i].missing) {
					names[k] = append(slices.Clone(texts[i]), v.filled[i].missing)
				}
			}
			nodes = append(nodes, b.add(ofTexts(at, columns[from:to:to], names)))
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
			if err == nil {
				x, err = b.weighted(o, names[i], x)
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

// weighted multiplies what a step returns by its weight.
func (b *builder) weighted(o *pickle.Object, step string, v value) (value, error) {
	weights, ok := o.Get("transformer_weights").(*pickle.Dict)
	if !ok {
		return v, nil
	}
	if weights.Get(step) == nil {
		return v, nil
	}
	w, ok := pickle.Float(weights.Get(step))
	if !ok {
		return v, b.fail(fmt.Errorf("transformer_weights of %q is %s", step, pickle.Kind(weights.Get(step))))
	}
	return b.arithmetic(v, Multiply, filled(v.width, w)), nil
}

func (b *builder) columnTransformer(o *pickle.Object, v value) (value, error) {
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
			if x.filled != nil {
				return b.unsupported("texts that no encoder follows")
			}
			if x, err = b.weighted(o, steps[i], x); err != nil {
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
		c, ok := b.m.Nodes[v.node].Op.(Columns)
		if !ok {
			return b.then(v, len(at), Pick{at}), nil
		}
		for i, k := range at {
			if k >= len(c.At) {
				return v, b.fail(fmt.Errorf("column %d of %d", k, len(c.At)))
			}
			at[i] = c.At[k]
		}
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
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	p := prediction{width: width, classes: classes, decision: func() (int, int, error) { return x, width, nil }}
	switch {
	case width == 1:
		link := tree.Link{Func: tree.Sigmoid}
		if kind == "multinomial" {
			link.Scale = 2 // the softmax of -x and x
		}
		p.numbers, p.width = b.pair(b.add(Apply{link}, x)), 2
	case kind == "ovr" || solver == "liblinear":
		p.numbers = b.normalized(b.add(Function{"logistic"}, x), width)
	default:
		p.numbers = b.add(Apply{tree.Link{Func: tree.Softmax}}, x)
	}
	p.label = b.index(prediction{numbers: x, width: width})
	return []prediction{p}, nil
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
	var names []string
	if list, ok := o.Get("feature_names_in_").(*pickle.Array); ok {
		names, _ = list.Strings()
	}
	if v.node == tableNode || len(from.Categories) > 0 {
		for _, f := range m.Features[min(len(names), len(m.Features)):] {
			names = append(names, f.Name)
		}
	}
	if v.node == tableNode {
		if err := b.inputs(len(m.Features), names); err != nil {
			return nil, err
		}
		v = value{node: b.add(Columns{all(len(m.Features))}), width: len(m.Features)}
	}
	if len(m.Features) != v.width {
		return nil, b.fail(fmt.Errorf("%s takes %d columns, and the step before it gives %d", o.Class.Name, len(m.Features), v.width))
	}
	fromTable := b.numeric(v)
	if table, ok := b.m.Nodes[v.node].Op.(Columns); ok { // a model around this one may have no names
		for i, name := range names[:min(len(names), v.width)] {
			if in := &b.m.Inputs[table.At[i]]; in.Name == "" {
				in.Name = name
			}
		}
	}
	if v, err = b.named(o, from.Categories, v); err != nil {
		return nil, err
	}
	if strings.HasPrefix(o.Class.Module, "xgboost") {
		b.sparse = b.sparse || fromTable && !b.options.ZerosMissing && looksSparse(m)
		if v, err = b.absent(o, v); err != nil {
			return nil, err
		}
	}
	if b.options.ZerosMissing {
		v = b.fill(v, 0)
	}
	if strings.HasPrefix(o.Class.Name, "HistGradientBoosting") {
		v = b.wholeCategories(o, m, v)
	}
	p := prediction{numbers: b.add(Trees{m}, v.node), width: m.Outputs}
	if len(from.Targets) > 1 {
		return b.targets(o, p, from.Targets)
	}
	switch {
	case o.Class.Name == "IsolationForest":
		p.anomaly = true
		if p.offset, _ = pickle.Float(o.Get("offset_")); o.Get("offset_") == nil {
			p.offset = -0.5
		}
	// LightGBM's has a decision_function since 4.7, which also has this attribute.
	case strings.HasSuffix(o.Class.Name, "GradientBoostingClassifier"), o.Class.Name == "LGBMClassifier" && o.Get("_fitted_with_feature_names") != nil:
		p.decision = func() (int, int, error) {
			raw := *m
			raw.Link = tree.Link{}
			return b.add(Trees{&raw}, v.node), raw.Outputs, b.spend(size)
		}
		return b.classes(o, m, p, from)
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

// named turns the names of categories into numbers, for a model whose file has them: a name becomes the number of its
// category, and another text becomes missing.
func (b *builder) named(o *pickle.Object, categories map[int]tree.Categories, v value) (value, error) {
	table, ok := b.m.Nodes[v.node].Op.(Columns)
	if len(categories) == 0 {
		if ok { // no column may be a text to another model
			return b.numbers(table.At)
		}
		return v, nil
	}
	kind := func(i int) int {
		switch c := categories[i]; {
		case len(c.Texts) > 0:
			return 1
		case len(c.Numbers) > 0:
			return 2
		}
		return 0
	}
	for i, c := range categories {
		if c.Cut {
			return v, b.unsupported("XGBoost cuts the names of categories that are not ASCII, as those of column %d: name categories in ASCII before training, or encode them with an OrdinalEncoder", i)
		}
		if !ok && len(c.Texts) > 0 {
			return v, b.unsupported("%s takes the names of categories from the step before it: encode column %d with an OrdinalEncoder", o.Class.Name, i)
		}
	}
	nan := Float(math.NaN())
	var nodes []int
	for from := 0; from < v.width; {
		to := from
		for to < v.width && kind(to) == kind(from) {
			to++
		}
		var texts [][]string
		var numbers [][]Float
		at := all(v.width)[from:to:to]
		for _, i := range at {
			c := categories[i]
			if err := b.spend(len(c.Texts) + len(c.Numbers)); err != nil {
				return v, err
			}
			texts = append(texts, c.Texts)
			var of []Float
			for _, x := range c.Numbers {
				of = append(of, Float(x))
			}
			numbers = append(numbers, of)
		}
		x := b.then(v, len(at), Pick{at})
		if ok {
			at = table.At[from:to:to]
		}
		if kind(from) == 1 {
			for _, i := range at {
				b.m.Inputs[i].Kind = Text
			}
			nodes = append(nodes, b.add(TextOrdinal{At: at, Categories: texts, Unknown: nan}))
		} else {
			if ok {
				var err error
				if x, err = b.numbers(at); err != nil {
					return v, err
				}
			}
			if kind(from) == 2 {
				x.node = b.add(Ordinal{Categories: numbers, Unknown: nan}, x.node)
			}
			nodes = append(nodes, x.node)
		}
		from = to
	}
	if len(nodes) == 1 {
		return value{node: nodes[0], width: v.width}, nil
	}
	return value{node: b.add(Join{}, nodes...), width: v.width}, nil
}

// absent turns the values that XGBoost treats as missing into NaN: those absent from a sparse
// matrix, and the estimator's own missing value.
func (b *builder) absent(o *pickle.Object, v value) (value, error) {
	missing, ok := pickle.Float(o.Get("missing"))
	sparse := v.sparse
	v, err := b.dense(v)
	if err == nil && ok && missing == missing && !(missing == 0 && sparse) {
		v = b.fill(b.then(v, v.width, Function{"single"}), missing) // as XGBoost compares
	}
	return v, err
}

// dense turns the values absent from a sparse matrix into NaN.
func (b *builder) dense(v value) (value, error) {
	switch {
	case !v.sparse:
		return v, nil
	case !b.signed:
		return b.fill(v, 0), nil
	case v.present == nil:
		return v, b.unsupported("steps between a HashingVectorizer and XGBoost, which takes a count of 0 for a number if words cancel each other, and for missing if there is none: set alternate_sign=False and fit it again")
	}
	return value{node: b.add(Between{Divide}, v.node, v.present()), width: v.width}, nil // x/1 is x, and 0/0 NaN
}

// wholeCategories makes numbers between categories NaN, which scikit-learn does not know. Before 1.4 it took them for
// bytes: without their fraction, and modulo 256; since 1.2 numbers below 0 are NaN.
func (b *builder) wholeCategories(o *pickle.Object, m *tree.Model, v value) value {
	var of, others []int
	place := make([]int, v.width)
	for i, f := range m.Features {
		if f.Kind == tree.Categorical {
			of = append(of, i)
		}
	}
	if of == nil {
		return v
	}
	for i, f := range m.Features {
		if f.Kind != tree.Categorical {
			others = append(others, i)
		}
	}
	for k, i := range append(of[:len(of):len(of)], others...) {
		place[i] = k
	}
	x := b.then(v, len(of), Pick{of})
	switch {
	case sinceVersion(o, 1, 4):
		x = b.then(x, len(of), Function{"whole"})
	case sinceVersion(o, 1, 2):
		x = b.then(b.then(x, len(of), Function{"natural"}), len(of), Function{"byte"})
	default:
		x = b.then(x, len(of), Function{"byte"})
	}
	if others != nil {
		x = value{node: b.add(Join{}, x.node, b.then(v, len(others), Pick{others}).node), width: v.width}
		x = b.then(x, v.width, Pick{place})
	}
	return x
}

// fill turns a number into NaN.
func (b *builder) fill(v value, missing float64) value {
	with := make([]Float, v.width)
	for i := range with {
		with[i] = Float(math.NaN())
	}
	return b.then(v, v.width, Fill{Float(missing), with})
}

// targets parts the probabilities of a classifier of several targets.
func (b *builder) targets(o *pickle.Object, p prediction, counts []int) ([]prediction, error) {
	names, _ := pickle.Items(o.Get("classes_"))
	if len(names) != len(counts) {
		return nil, b.fail(fmt.Errorf("%s: classes_ of %d targets for %d", o.Class.Name, len(names), len(counts)))
	}
	var out []prediction
	at := 0
	for k, n := range counts {
		one := prediction{numbers: b.add(Pick{all(p.width)[at : at+n]}, p.numbers), width: n, classes: labelsOf(names[k])}
		if one.classes == nil || one.classes.Len() != n {
			return nil, b.unsupported("%s: classes_ of target %d are neither texts nor whole numbers", o.Class.Name, k)
		}
		out, at = append(out, one), at+n
	}
	return out, nil
}

// classes turns the predictions of a classifier's ensemble into probabilities, and finds the
// names of its classes.
func (b *builder) classes(o *pickle.Object, m *tree.Model, p prediction, from tree.Source) ([]prediction, error) {
	// XGBoost's estimator takes the number of any objective of two classes for a probability.
	binary := strings.HasPrefix(o.Class.Module, "xgboost") && m.Outputs == 1
	if !strings.HasPrefix(o.Class.Module, "sklearn") && m.Link.Func != tree.Sigmoid && m.Link.Func != tree.Softmax && !binary {
		return nil, b.unsupported("%s with an objective that gives no probabilities: dump its booster by itself", o.Class.Name)
	}
	if from.Labels {
		return b.manyLabels(p.numbers, p.width), nil
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
