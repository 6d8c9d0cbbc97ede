package pipeline

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
	"github.com/attune-hpo/attune/objective/tree"
)

// array returns an attribute that is an array of numbers.
func (b *builder) array(o *pickle.Object, attribute string) ([]float64, error) {
	a, ok := o.Get(attribute).(*pickle.Array)
	if !ok {
		if x, ok := pickle.Float(o.Get(attribute)); ok {
			return []float64{x}, nil
		}
		return nil, b.fail(fmt.Errorf("%s: %s is %s: is it fitted?", o.Class.Name, attribute, pickle.Kind(o.Get(attribute))))
	}
	return b.floats(o, attribute, a.Len())
}

// list returns an attribute that is a list of objects, which are not empty.
func (b *builder) list(o *pickle.Object, attribute string) ([]*pickle.Object, error) {
	items, _ := pickle.Items(o.Get(attribute))
	var out []*pickle.Object
	for _, v := range items {
		if model, ok := v.(*pickle.Object); ok {
			out = append(out, model)
		}
	}
	if len(out) == 0 || len(out) != len(items) {
		return nil, b.fail(fmt.Errorf("%s: %s is %s, not a list of models: is it fitted?", o.Class.Name, attribute, pickle.Kind(o.Get(attribute))))
	}
	return out, b.spend(len(out))
}

// classesOf returns the labels of a classifier.
func (b *builder) classesOf(o *pickle.Object) (*Labels, error) {
	of := o.Get("classes_")
	if encoder, ok := o.Get("_label_binarizer").(*pickle.Object); ok && of == nil { // of a RidgeClassifier before 1.7
		of = encoder.Get("classes_")
	}
	classes := labelsOf(of)
	if classes == nil {
		return nil, b.unsupported("%s: classes_ are neither texts nor whole numbers", o.Class.Name)
	}
	return classes, nil
}

// one predicts with a model within another one, and returns its only result.
func (b *builder) inner(step string, model *pickle.Object, v value) (p prediction, err error) {
	err = b.within(step, func() error {
		all, err := b.predict(model, v)
		if err != nil {
			return err
		}
		if len(all) != 1 || all[0].anomaly {
			return b.unsupported("%s has other results than one model's predictions", model.Class.Name)
		}
		p = all[0]
		return nil
	})
	return p, err
}

// members predicts with the models of a list.
func (b *builder) members(o *pickle.Object, attribute string, v value) ([]prediction, value, error) {
	list, err := b.list(o, attribute)
	if err != nil {
		return nil, v, err
	}
	var of []any
	for _, m := range list {
		of = append(of, m)
	}
	if v, err = b.matrixOfFirst(o, of, v); err != nil {
		return nil, v, err
	}
	var out []prediction
	for i, m := range list {
		p, err := b.inner(fmt.Sprintf("%s: model %d", o.Class.Name, i), m, v)
		if err != nil {
			return nil, v, err
		}
		out = append(out, p)
	}
	return out, v, nil
}

// blend returns the weighted mean of nodes of equal width; nil weights are equal.
func (b *builder) blend(nodes []int, weights []float64) int {
	sum := 0.0
	for i := range nodes {
		if weights == nil {
			sum++
		} else {
			sum += weights[i]
		}
	}
	shares := make([]float64, len(nodes))
	for i := range nodes {
		if shares[i] = 1 / sum; weights != nil {
			shares[i] = weights[i] / sum
		}
	}
	return b.add(Blend{shares}, nodes...)
}

// optionalWeights returns the attribute weights of a vote, or nil.
func (b *builder) optionalWeights(o *pickle.Object, n int) ([]float64, error) {
	var out []float64
	if list, ok := pickle.Items(o.Get("weights")); ok {
		for _, v := range list {
			x, ok := pickle.Float(v)
			if !ok {
				return nil, b.fail(fmt.Errorf("weights has %s", pickle.Kind(v)))
			}
			out = append(out, x)
		}
	} else if o.Get("weights") == nil {
		return nil, nil
	} else {
		var err error
		if out, err = b.array(o, "weights"); err != nil {
			return nil, err
		}
	}
	if _, given, _, err := b.pairs(o, "estimators"); err == nil && len(given) == len(out) { // without dropped models
		kept := out[:0]
		for i, model := range given {
			if text, ok := model.(string); !ok || text != "drop" {
				kept = append(kept, out[i])
			}
		}
		out = kept
	}
	if len(out) != n {
		return nil, b.fail(fmt.Errorf("%d weights for %d models", len(out), n))
	}
	return out, nil
}

// width1 returns constants for each number of a row.
func filled(n int, x float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = x
	}
	return out
}

// index returns the node with the index of the class that a classifier predicts.
func (b *builder) index(p prediction) int {
	if p.label > 0 {
		return p.label
	}
	if p.width == 1 { // a score
		return b.add(Function{"positive"}, p.numbers)
	}
	return b.add(Largest{}, p.numbers)
}

// votes returns a column for each of n classes: 1 for the one that a classifier predicts.
func (b *builder) votes(p prediction, n int) int {
	of := make([]Float, n)
	for i := range of {
		of[i] = Float(i)
	}
	return b.add(OneHot{Categories: [][]Float{of}}, b.index(p))
}

// normalized divides rows by their sum. A sum of 0 gives equal shares.
func (b *builder) normalized(node, n int) int {
	sum := b.add(Linear{[][]float64{filled(n, 1)}, []float64{0}}, node)
	none := b.add(OneHot{Categories: [][]Float{{0}}}, sum) // 1 where the sum is 0
	up := b.add(Linear{slicesOf(n, 1), filled(n, 0)}, none)
	whole := b.add(Linear{[][]float64{{float64(n)}}, []float64{0}}, none)
	return b.add(Between{Divide}, b.add(Between{Add}, node, up), b.add(Between{Add}, sum, whole))
}

func slicesOf(n int, x float64) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = []float64{x}
	}
	return out
}

// proba wraps p, one probability, into those of two classes.
func (b *builder) pair(node int) int { return b.add(Complement{}, node) }

// sgd adds a linear classifier whose loss determines what it predicts.
func (b *builder) sgd(o *pickle.Object, v value) ([]prediction, error) {
	switch loss, _ := o.Get("loss").(string); loss {
	case "log_loss", "log":
		p, err := b.scores(o, v)
		if err != nil {
			return nil, err
		}
		node := b.add(Function{"logistic"}, p.numbers)
		return b.ofScores(p, node), nil
	case "modified_huber":
		p, err := b.scores(o, v)
		if err != nil {
			return nil, err
		}
		half := b.add(Arithmetic{Add, filled(p.width, 1)}, b.add(Clip{-1, 1}, p.numbers))
		return b.ofScores(p, b.add(Arithmetic{Divide, filled(p.width, 2)}, half)), nil
	}
	p, err := b.scores(o, v)
	return []prediction{p}, err
}

// ofScores returns the prediction of a classifier from the probabilities of one class against
// the rest. The label is that of its scores.
func (b *builder) ofScores(scores prediction, node int) []prediction {
	p := prediction{classes: scores.classes, label: b.index(scores), decision: scores.decision}
	if scores.width == 1 {
		p.numbers, p.width = b.pair(node), 2
	} else {
		p.numbers, p.width = b.normalized(node, scores.width), scores.width
	}
	return []prediction{p}
}

// scores adds a linear classifier that has no probabilities.
func (b *builder) scores(o *pickle.Object, v value) (prediction, error) {
	x, width, err := b.decision(o, v)
	if err != nil {
		return prediction{}, err
	}
	classes, err := b.classesOf(o)
	if err != nil {
		return prediction{}, err
	}
	if want := classes.Len(); want != width && !(want == 2 && width == 1) {
		return prediction{}, b.unsupported("%s with %d scores for %d classes", o.Class.Name, width, want)
	}
	p := prediction{numbers: x, width: width, classes: classes, scores: true}
	p.decision = func() (int, int, error) { return x, width, nil }
	return p, nil
}

func (b *builder) linearClassifier(o *pickle.Object, v value) ([]prediction, error) {
	if encoder, ok := o.Get("_label_binarizer").(*pickle.Object); ok { // of a RidgeClassifier
		if kind, _ := encoder.Get("y_type_").(string); strings.HasPrefix(kind, "multilabel") {
			x, width, err := b.decision(o, v)
			var out []prediction
			for k := range width {
				one := b.add(Pick{[]int{k}}, x)
				out = append(out, prediction{numbers: one, width: 1, classes: counted(2), scores: true, decision: func() (int, int, error) { return one, 1, nil }})
			}
			return out, err
		}
	}
	p, err := b.scores(o, v)
	return []prediction{p}, err
}

// generalized adds a generalized linear regression: the exponential of a linear model.
func (b *builder) generalized(o *pickle.Object, v value) ([]prediction, error) {
	all, err := b.linear(o, v)
	if err != nil {
		return nil, err
	}
	log := true
	if o.Class.Name == "TweedieRegressor" {
		power, _ := pickle.Float(o.Get("power"))
		if link, _ := o.Get("link").(string); link == "identity" || link == "auto" && power <= 0 {
			log = false
		}
	}
	if log {
		all[0].numbers = b.add(Function{"exp"}, all[0].numbers)
	}
	return all, nil
}

func (b *builder) ransac(o *pickle.Object, v value) ([]prediction, error) {
	inner, ok := o.Get("estimator_").(*pickle.Object)
	if !ok {
		return nil, b.fail(fmt.Errorf("%s: estimator_ is %s: is it fitted?", o.Class.Name, pickle.Kind(o.Get("estimator_"))))
	}
	return b.predict(inner, v)
}

// pls adds partial least squares.
func (b *builder) pls(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	attribute := "_x_mean"
	if o.Get(attribute) == nil {
		attribute = "x_mean_"
	}
	mean, err := b.floats(o, attribute, v.width)
	if err != nil {
		return nil, err
	}
	name, of := "coef_", "intercept_"
	transposed := o.Get(of) == nil // before 1.1
	if transposed {
		of = strings.Replace(attribute, "x", "y", 1)
	} else if o.Get("_coef_") != nil { // before 1.3
		name = "_coef_"
	}
	coef, ok := o.Get(name).(*pickle.Array)
	bias, err := b.array(o, of)
	if err != nil {
		return nil, err
	}
	if mean == nil || !ok || coef.Len() != len(bias)*v.width {
		return nil, b.fail(fmt.Errorf("%s: %s is %s: is it fitted?", o.Class.Name, name, pickle.Kind(o.Get(name))))
	}
	x, err := b.array(o, name)
	if err != nil {
		return nil, err
	}
	rows := make([][]float64, len(bias))
	for k := range rows {
		rows[k] = make([]float64, v.width)
		for j := range rows[k] {
			if rows[k][j] = x[k*v.width+j]; transposed {
				rows[k][j] = x[j*len(bias)+k]
			}
		}
	}
	if !sinceVersion(o, 1, 5) { // coefficients of scaled columns
		std, err := b.floats(o, strings.Replace(attribute, "mean", "std", 1), v.width)
		if err != nil || std == nil {
			return nil, b.unsupported("%s of this version of scikit-learn: fit it with 1.5 or later", o.Class.Name)
		}
		v = b.arithmetic(b.arithmetic(v, Subtract, mean), Divide, std)
	} else {
		v = b.arithmetic(v, Subtract, mean)
	}
	return []prediction{{numbers: b.add(Linear{rows, bias}, v.node), width: len(rows)}}, nil
}

// sinceVersion reports whether an object was fitted with a version of scikit-learn, or a later one.
func sinceVersion(o *pickle.Object, major, minor int) bool {
	text, _ := o.Get("_sklearn_version").(string)
	var a, c int
	if _, err := fmt.Sscanf(text, "%d.%d", &a, &c); err != nil {
		return true // parts of a model have no version of their own
	}
	return a > major || a == major && c >= minor
}

// discriminant adds linear discriminant analysis.
func (b *builder) discriminant(o *pickle.Object, v value) ([]prediction, error) {
	p, err := b.scores(o, v)
	if err != nil {
		return nil, err
	}
	if p.width == 1 {
		return b.ofScores(p, b.add(Function{"logistic"}, p.numbers)), nil
	}
	return []prediction{{numbers: b.add(Apply{tree.Link{Func: tree.Softmax}}, p.numbers), width: p.width, classes: p.classes, label: b.index(p), decision: p.decision}}, nil
}

// likelihoods returns the probabilities for logarithms of likelihoods.
func (b *builder) likelihoods(node int, classes *Labels) []prediction {
	return []prediction{{numbers: b.add(Apply{tree.Link{Func: tree.Softmax}}, node), width: classes.Len(), classes: classes}}
}

// quadratic adds quadratic discriminant analysis.
func (b *builder) quadratic(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	n := classes.Len()
	means, err := b.weights(o, "means_", v.width)
	if err != nil {
		return nil, err
	}
	priors, err := b.floats(o, "priors_", n)
	if err != nil {
		return nil, err
	}
	rotations, _ := pickle.Items(o.Get("rotations_"))
	scalings, _ := pickle.Items(o.Get("scalings_"))
	if len(means) != n || len(priors) != n || len(rotations) != n || len(scalings) != n {
		return nil, b.fail(fmt.Errorf("%s: of %d classes, %d have a rotation: is it fitted?", o.Class.Name, n, len(rotations)))
	}
	var nodes []int
	for k := range n {
		r, ok := rotations[k].(*pickle.Array)
		s, too := scalings[k].(*pickle.Array)
		if !ok || !too || r.Len() != v.width*s.Len() || s.Len() == 0 {
			return nil, b.fail(fmt.Errorf("%s: rotations_ or scalings_ are not arrays of %d columns", o.Class.Name, v.width))
		}
		if err := b.spend(r.Len()); err != nil {
			return nil, err
		}
		rotation, err := r.Floats()
		if err != nil {
			return nil, b.fail(err)
		}
		scaling, err := s.Floats()
		if err != nil {
			return nil, b.fail(err)
		}
		rows, bias := make([][]float64, len(scaling)), math.Log(priors[k])
		squares := make([]float64, len(scaling))
		for j, by := range scaling {
			rows[j] = make([]float64, v.width)
			for i := range rows[j] {
				rows[j][i] = rotation[i*len(scaling)+j] / math.Sqrt(by)
			}
			bias -= 0.5 * math.Log(by)
			squares[j] = -0.5
		}
		x := b.arithmetic(v, Subtract, means[k])
		y := b.add(Function{"square"}, b.add(Linear{rows, filled(len(rows), 0)}, x.node))
		nodes = append(nodes, b.add(Linear{[][]float64{squares}, []float64{bias}}, y))
	}
	joint := b.add(Join{}, nodes...)
	out := b.likelihoods(joint, classes)
	out[0].decision = func() (int, int, error) {
		if n == 2 {
			return b.add(Linear{[][]float64{{-1, 1}}, []float64{0}}, joint), 1, nil
		}
		return joint, n, nil
	}
	return out, nil
}

func (b *builder) gaussianNB(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	attribute := "var_"
	if o.Get(attribute) == nil {
		attribute = "sigma_" // before 1.0
	}
	means, err := b.weights(o, "theta_", v.width)
	if err != nil {
		return nil, err
	}
	variances, err := b.weights(o, attribute, v.width)
	if err != nil {
		return nil, err
	}
	priors, err := b.floats(o, "class_prior_", classes.Len())
	if err != nil {
		return nil, err
	}
	if len(means) != classes.Len() || len(variances) != len(means) || len(priors) != len(means) {
		return nil, b.fail(fmt.Errorf("%s: %d means and %d variances of %d classes", o.Class.Name, len(means), len(variances), classes.Len()))
	}
	var nodes []int
	for k := range means {
		row, bias := make([]float64, v.width), math.Log(priors[k])
		for i, s := range variances[k] {
			row[i] = -0.5 / s
			bias -= 0.5 * math.Log(2*math.Pi*s)
		}
		x := b.arithmetic(v, Subtract, means[k])
		nodes = append(nodes, b.add(Linear{[][]float64{row}, []float64{bias}}, b.add(Function{"square"}, x.node)))
	}
	return b.likelihoods(b.add(Join{}, nodes...), classes), nil
}

// naiveBayes adds a model of counts.
func (b *builder) naiveBayes(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	rows, err := b.weights(o, "feature_log_prob_", v.width)
	if err != nil {
		return nil, err
	}
	bias, err := b.floats(o, "class_log_prior_", classes.Len())
	if err != nil {
		return nil, err
	}
	if len(rows) != classes.Len() || len(bias) != len(rows) {
		return nil, b.fail(fmt.Errorf("%s: %d rows of feature_log_prob_ for %d classes", o.Class.Name, len(rows), classes.Len()))
	}
	node := v.node
	switch o.Class.Name {
	case "ComplementNB":
		if len(rows) > 1 {
			bias = filled(len(rows), 0)
		}
	case "BernoulliNB":
		if at, ok := pickle.Float(o.Get("binarize")); ok && o.Get("binarize") != nil {
			node = b.add(Bins{above(at, v.width)}, node)
		}
		changed := make([][]float64, len(rows))
		for k, row := range rows {
			changed[k] = make([]float64, len(row))
			for i, p := range row {
				not := math.Log(1 - math.Exp(p))
				changed[k][i] = p - not
				bias[k] += not
			}
		}
		rows = changed
	}
	return b.likelihoods(b.add(Linear{rows, bias}, node), classes), nil
}

// above returns edges that numbers above at reach.
func above(at float64, n int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = []float64{math.Nextafter(at, math.Inf(1))}
	}
	return out
}

// nearest adds models that choose the nearest of some points.
func (b *builder) nearest(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	attribute := "cluster_centers_"
	var classes *Labels
	if o.Class.Name == "NearestCentroid" {
		attribute = "centroids_"
		if classes, err = b.classesOf(o); err != nil {
			return nil, err
		}
		if metric, _ := o.Get("metric").(string); metric != "euclidean" {
			return nil, b.unsupported("NearestCentroid with metric=%v: fit it with euclidean", quoted(o.Get("metric")))
		}
		if priors, ok := o.Get("priors").(string); ok && priors != "uniform" || o.Get("shrink_threshold") != nil {
			return nil, b.unsupported("NearestCentroid with priors or shrink_threshold: leave them at their defaults")
		}
	}
	centers, err := b.weights(o, attribute, v.width)
	if err != nil {
		return nil, err
	}
	if classes == nil {
		classes = counted(len(centers))
	}
	if classes.Len() != len(centers) {
		return nil, b.fail(fmt.Errorf("%s: %d centres of %d classes", o.Class.Name, len(centers), classes.Len()))
	}
	var nodes []int
	for _, c := range centers {
		x := b.arithmetic(v, Subtract, c)
		nodes = append(nodes, b.add(Linear{[][]float64{filled(v.width, -1)}, []float64{0}}, b.add(Function{"square"}, x.node)))
	}
	decision := func() (int, int, error) {
		return 0, 0, b.unsupported("what decision_function of %s returns", o.Class.Name)
	}
	if !sinceVersion(o, 1, 6) || o.Class.Name != "NearestCentroid" {
		decision = nil // it has none
	}
	return []prediction{{numbers: b.add(Join{}, nodes...), width: len(nodes), classes: classes, scores: true, decision: decision}}, nil
}

// perceptrons adds a multi-layer perceptron.
func (b *builder) perceptrons(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	layers, _ := pickle.Items(o.Get("coefs_"))
	biases, _ := pickle.Items(o.Get("intercepts_"))
	if len(layers) == 0 || len(layers) != len(biases) {
		return nil, b.fail(fmt.Errorf("%s: %d layers and %d intercepts: is it fitted?", o.Class.Name, len(layers), len(biases)))
	}
	node, width := v.node, v.width
	for i := range layers {
		w, ok := layers[i].(*pickle.Array)
		bias, too := biases[i].(*pickle.Array)
		if !ok || !too || bias.Len() < 1 || w.Len() != width*bias.Len() {
			return nil, b.fail(fmt.Errorf("%s: layer %d is %s for %d numbers", o.Class.Name, i, pickle.Kind(layers[i]), width))
		}
		if err := b.spend(w.Len()); err != nil {
			return nil, err
		}
		x, err := w.Floats()
		if err != nil {
			return nil, b.fail(err)
		}
		by, err := bias.Floats()
		if err != nil {
			return nil, b.fail(err)
		}
		rows := make([][]float64, len(by))
		for k := range rows {
			rows[k] = make([]float64, width)
			for j := range rows[k] {
				rows[k][j] = x[j*len(by)+k]
			}
		}
		node, width = b.add(Linear{rows, by}, node), len(by)
		name, _ := o.Get("activation").(string)
		if i == len(layers)-1 {
			name, _ = o.Get("out_activation_").(string)
		}
		switch name {
		case "identity":
		case "relu", "tanh", "logistic", "exp":
			node = b.add(Function{name}, node)
		case "softmax":
			node = b.add(Apply{tree.Link{Func: tree.Softmax}}, node)
		default:
			return nil, b.unsupported("%s with the activation %.60q", o.Class.Name, name)
		}
	}
	if o.Class.Name == "MLPRegressor" {
		return []prediction{{numbers: node, width: width}}, nil
	}
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	encoder, _ := o.Get("_label_binarizer").(*pickle.Object)
	many := false
	if encoder != nil {
		kind, _ := encoder.Get("y_type_").(string)
		many = strings.HasPrefix(kind, "multilabel")
	}
	switch {
	case many:
		return b.manyLabels(node, width), nil
	case width == 1:
		node, width = b.pair(node), 2
	}
	if width != classes.Len() {
		return nil, b.fail(fmt.Errorf("%s: %d outputs for %d classes", o.Class.Name, width, classes.Len()))
	}
	return []prediction{{numbers: node, width: width, classes: classes}}, nil
}

// manyLabels returns a prediction for each probability of a label.
func (b *builder) manyLabels(node, width int) []prediction {
	var out []prediction
	for k := range width {
		out = append(out, prediction{numbers: b.pair(b.add(Pick{[]int{k}}, node)), width: 2, classes: counted(2)})
	}
	return out
}

// isotonic adds isotonic regression.
func (b *builder) isotonic(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrixOr(o, v, 1)
	if err != nil {
		return nil, err
	}
	node, err := b.isotonicOf(o, v.node)
	return []prediction{{numbers: node, width: 1}}, err
}

// matrixOr is matrix, for objects that do not know how many columns they have.
func (b *builder) matrixOr(o *pickle.Object, v value, width int) (value, error) {
	if v.node != tableNode {
		return v, nil
	}
	if _, _, err := b.fitted(o); err == nil {
		return b.matrix(o, v)
	}
	return b.table(width, nil)
}

func (b *builder) isotonicOf(o *pickle.Object, node int) (int, error) {
	if out, _ := o.Get("out_of_bounds").(string); out != "clip" {
		return 0, b.unsupported("IsotonicRegression with out_of_bounds=%v: fit it with clip", quoted(o.Get("out_of_bounds")))
	}
	x, err := b.array(o, "X_thresholds_")
	if err != nil {
		return 0, err
	}
	y, err := b.array(o, "y_thresholds_")
	if err != nil {
		return 0, err
	}
	return b.add(Interpolate{[][]float64{x}, [][]float64{y}}, node), nil
}

// dummy adds a model that predicts the same for every row.
func (b *builder) dummy(o *pickle.Object, v value) ([]prediction, error) {
	of, err := b.array(o, "constant_")
	if err != nil {
		return nil, err
	}
	node, err := b.constant(o, v, of)
	return []prediction{{numbers: node, width: len(of)}}, err
}

// constant adds the same numbers for every row.
func (b *builder) constant(o *pickle.Object, v value, of []float64) (int, error) {
	if v.node == tableNode && o.Get("n_features_in_") == nil {
		return 0, b.unsupported("%s of scikit-learn before 1.5, whose file does not say how many columns it takes: it predicts the same for every row", o.Class.Name)
	}
	v, err := b.matrix(o, v)
	if err != nil {
		return 0, err
	}
	zero := make([][]float64, len(of))
	for i := range zero {
		zero[i] = filled(v.width, 0)
	}
	with := make([]Float, v.width)
	known := b.add(Fill{Float(math.NaN()), with}, v.node)
	return b.add(Linear{zero, of}, b.add(Clip{0, 0}, known)), nil
}

// dummyClasses adds a classifier that predicts the same for every row.
func (b *builder) dummyClasses(o *pickle.Object, v value) ([]prediction, error) {
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	n := classes.Len()
	shares, err := b.floats(o, "class_prior_", n)
	if err != nil {
		return nil, err
	}
	if shares == nil {
		return nil, b.fail(fmt.Errorf("%s: class_prior_ is missing: is it fitted?", o.Class.Name))
	}
	at := 0
	for k, p := range shares {
		if p > shares[at] {
			at = k
		}
	}
	switch strategy, _ := o.Get("strategy").(string); strategy {
	case "prior":
	case "constant":
		at = -1
		for k := range n {
			text, _ := o.Get("constant").(string)
			if number, ok := pickle.Int(o.Get("constant")); ok && classes.Numbers != nil && classes.Numbers[k] == int64(number) || classes.Texts != nil && classes.Texts[k] == text {
				at = k
			}
		}
		if at < 0 {
			return nil, b.unsupported("%s with the constant %s, which is not among its classes", o.Class.Name, pickle.Kind(o.Get("constant")))
		}
		fallthrough
	case "most_frequent":
		shares = filled(n, 0)
		shares[at] = 1
	default:
		return nil, b.unsupported("%s with strategy=%v, which draws at random", o.Class.Name, quoted(o.Get("strategy")))
	}
	node, err := b.constant(o, v, shares)
	return []prediction{{numbers: node, width: n, classes: classes}}, err
}

// oneVsRest adds a model for each class.
func (b *builder) oneVsRest(o *pickle.Object, v value) ([]prediction, error) {
	encoder, _ := o.Get("label_binarizer_").(*pickle.Object)
	if encoder == nil {
		return nil, b.fail(fmt.Errorf("%s: label_binarizer_ is %s: is it fitted?", o.Class.Name, pickle.Kind(o.Get("label_binarizer_"))))
	}
	classes := labelsOf(encoder.Get("classes_"))
	if classes == nil {
		return nil, b.unsupported("%s: classes_ are neither texts nor whole numbers", o.Class.Name)
	}
	all, _, err := b.members(o, "estimators_", v)
	if err != nil {
		return nil, err
	}
	if kind, _ := encoder.Get("y_type_").(string); strings.HasPrefix(kind, "multilabel") {
		var out []prediction
		for _, p := range all {
			if p.scores {
				return nil, b.unsupported("%s of many labels, of models without probabilities", o.Class.Name)
			}
			p.classes = counted(2)
			out = append(out, p)
		}
		return out, nil
	}
	var decisions, probabilities []int // of each class against the rest
	scores := false
	for _, p := range all {
		if p.classes == nil || p.width > 2 {
			return nil, b.unsupported("%s of models that are not binary classifiers", o.Class.Name)
		}
		one := p.numbers
		if p.width == 2 {
			one = b.add(Pick{[]int{1}}, one)
		}
		scores = scores || p.scores
		probabilities = append(probabilities, one)
		if p.decision != nil {
			node, _, err := p.decision()
			if err != nil {
				return nil, err
			}
			one = node
		}
		decisions = append(decisions, one)
	}
	if len(all) == 1 { // of two classes
		if scores {
			return []prediction{{numbers: decisions[0], width: 1, classes: classes, scores: true, decision: all[0].decision}}, nil
		}
		return []prediction{{numbers: b.pair(probabilities[0]), width: 2, classes: classes, label: b.index(all[0]), decision: all[0].decision}}, nil
	}
	n := len(all)
	if classes.Len() != n {
		return nil, b.fail(fmt.Errorf("%s: %d models of %d classes", o.Class.Name, n, classes.Len()))
	}
	joined := b.add(Join{}, decisions...)
	// Of equal scores, the last counts: it is the first of the row in reverse.
	back := make([]int, n)
	reverse := make([]Float, n)
	for i := range back {
		back[i], reverse[i] = n-1-i, Float(n-1-i)
	}
	place := b.add(Largest{}, b.add(Pick{back}, joined))
	label := b.add(Ordinal{Categories: [][]Float{floatsUpTo(n)}, Values: [][]Float{reverse}}, place)
	p := prediction{numbers: joined, width: n, classes: classes, scores: scores, label: label}
	if p.decision = nil; !scores {
		p.numbers = b.add(Join{}, probabilities...)
		sum := b.add(Linear{[][]float64{filled(n, 1)}, []float64{0}}, p.numbers)
		if sinceVersion(o, 1, 7) { // a row of zeros stays; before it became NaN
			sum = b.add(Between{Add}, sum, b.add(OneHot{Categories: [][]Float{{0}}}, sum))
		}
		p.numbers = b.add(Between{Divide}, p.numbers, sum)
	}
	if all[0].decision != nil {
		p.decision = func() (int, int, error) { return joined, n, nil }
	}
	return []prediction{p}, nil
}

func floatsUpTo(n int) []Float {
	out := make([]Float, n)
	for i := range out {
		out[i] = Float(i)
	}
	return out
}

// oneVsOne adds a model for each two classes. The label is the class with the most votes and, among equals, the
// greatest sum of scores.
func (b *builder) oneVsOne(o *pickle.Object, v value) ([]prediction, error) {
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	if o.Get("pairwise_indices_") != nil {
		return nil, b.unsupported("%s of models that take a kernel", o.Class.Name)
	}
	all, _, err := b.members(o, "estimators_", v)
	if err != nil {
		return nil, err
	}
	n := classes.Len()
	if len(all) != n*(n-1)/2 {
		return nil, b.fail(fmt.Errorf("%s: %d models of %d classes", o.Class.Name, len(all), n))
	}
	var votes, scores []int
	for _, p := range all {
		if p.classes == nil || p.width > 2 {
			return nil, b.unsupported("%s of models that are not binary classifiers", o.Class.Name)
		}
		votes = append(votes, b.index(p))
		switch {
		case p.decision != nil:
			node, _, err := p.decision()
			if err != nil {
				return nil, err
			}
			scores = append(scores, node)
		case p.width == 2:
			scores = append(scores, b.add(Pick{[]int{1}}, p.numbers))
		default:
			scores = append(scores, p.numbers)
		}
	}
	node := b.pairwise(b.add(Join{}, votes...), b.add(Join{}, scores...), n)
	if n == 2 {
		second := b.add(Pick{[]int{1}}, node)
		return []prediction{{numbers: second, width: 1, classes: classes, scores: true, label: votes[0], decision: func() (int, int, error) { return second, 1, nil }}}, nil
	}
	return []prediction{{numbers: node, width: n, classes: classes, scores: true, decision: func() (int, int, error) { return node, n, nil }}}, nil
}

// wholes returns whole numbers from an array, or from a list or tuple, which scikit-learn keeps as it was given.
func wholes(v any) ([]int, bool) {
	if a, ok := v.(*pickle.Array); ok {
		ints, err := a.Ints()
		out := make([]int, len(ints))
		for i, x := range ints {
			out[i] = int(x)
		}
		return out, err == nil
	}
	items, ok := pickle.Items(v)
	out := make([]int, len(items))
	for i, x := range items {
		n, whole := pickle.Int(x)
		out[i], ok = n, ok && whole
	}
	return out, ok
}

// chain adds models that take the predictions of those before them as columns.
func (b *builder) chain(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	list, err := b.list(o, "estimators_")
	if err != nil {
		return nil, err
	}
	if method, ok := o.Get("chain_method_").(string); ok && method != "predict" {
		return nil, b.unsupported("%s with chain_method=%q: fit it with predict", o.Class.Name, method)
	}
	order := all(len(list))
	if of := o.Get("order_"); of != nil {
		ints, ok := wholes(of)
		if !ok || len(ints) != len(list) {
			return nil, b.fail(fmt.Errorf("%s: order_ is %s", o.Class.Name, pickle.Kind(of)))
		}
		order = ints
	}
	out := make([]prediction, len(list))
	filledIn := make([]bool, len(list))
	x := v
	for i, model := range list {
		p, err := b.inner(fmt.Sprintf("%s: model %d", o.Class.Name, i), model, x)
		if err != nil {
			return nil, err
		}
		at := order[i]
		if at < 0 || at >= len(out) || filledIn[at] {
			return nil, b.fail(fmt.Errorf("%s: order_ has %d", o.Class.Name, at))
		}
		out[at], filledIn[at] = p, true
		said := p.numbers
		if p.classes != nil {
			if p.classes.Numbers == nil {
				return nil, b.unsupported("%s of classes that are texts", o.Class.Name)
			}
			of := make([]Float, p.classes.Len())
			for k, n := range p.classes.Numbers {
				of[k] = Float(n)
			}
			said = b.add(Ordinal{Categories: [][]Float{floatsUpTo(len(of))}, Values: [][]Float{of}}, b.index(p))
		} else if p.width != 1 {
			return nil, b.unsupported("%s of models of several targets", o.Class.Name)
		}
		x = value{node: b.add(Join{}, x.node, said), width: x.width + 1}
	}
	if out[0].classes != nil {
		return out, nil
	}
	var nodes []int
	for _, p := range out {
		nodes = append(nodes, p.numbers)
	}
	return []prediction{{numbers: b.add(Join{}, nodes...), width: len(nodes)}}, nil
}

// votingClassifier adds the weighted mean of probabilities, or of votes.
func (b *builder) votingClassifier(o *pickle.Object, v value) ([]prediction, error) {
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	all, _, err := b.members(o, "estimators_", v)
	if err != nil {
		return nil, err
	}
	weights, err := b.optionalWeights(o, len(all))
	if err != nil {
		return nil, err
	}
	soft, _ := o.Get("voting").(string)
	var nodes []int
	n := classes.Len()
	for _, p := range all {
		switch {
		case p.classes == nil || p.classes.Len() != n:
			return nil, b.unsupported("%s of models that do not know all of its %d classes", o.Class.Name, n)
		case soft != "soft":
			nodes = append(nodes, b.votes(p, n))
		case p.scores:
			return nil, b.unsupported("%s with voting=\"soft\" of models without probabilities", o.Class.Name)
		default:
			nodes = append(nodes, p.numbers)
		}
	}
	return []prediction{{numbers: b.blend(nodes, weights), width: n, classes: classes, scores: soft != "soft"}}, nil
}

// stacking adds models whose predictions are the columns of a last one.
func (b *builder) stacking(o *pickle.Object, v value) ([]prediction, error) {
	all, v, err := b.members(o, "estimators_", v)
	if err != nil {
		return nil, err
	}
	methods, _ := pickle.Items(o.Get("stack_method_"))
	if len(methods) != len(all) {
		return nil, b.fail(fmt.Errorf("%s: stack_method_ of %d models for %d", o.Class.Name, len(methods), len(all)))
	}
	var nodes []int
	width := 0
	for i, p := range all {
		node, n := p.numbers, p.width
		switch method, _ := methods[i].(string); method {
		case "predict_proba":
			if n == 2 {
				node, n = b.add(Pick{[]int{1}}, node), 1
			}
		case "decision_function":
			if p.decision == nil {
				return nil, b.unsupported("%s with decision_function of model %d", o.Class.Name, i)
			}
			if node, n, err = p.decision(); err != nil {
				return nil, err
			}
		case "predict":
			if p.classes != nil {
				if p.classes.Numbers == nil {
					return nil, b.unsupported("%s with the predicted texts of model %d", o.Class.Name, i)
				}
				of := make([]Float, p.classes.Len())
				for k, n := range p.classes.Numbers {
					of[k] = Float(n)
				}
				node, n = b.add(Ordinal{Categories: [][]Float{floatsUpTo(len(of))}, Values: [][]Float{of}}, b.index(p)), 1
			}
		default:
			return nil, b.unsupported("%s with stack_method %.60q", o.Class.Name, method)
		}
		nodes, width = append(nodes, node), width+n
	}
	if flag(o, "passthrough", false) {
		if v.node == tableNode {
			return nil, b.unsupported("%s with passthrough of a table", o.Class.Name)
		}
		nodes, width = append(nodes, v.node), width+v.width
	}
	last, ok := o.Get("final_estimator_").(*pickle.Object)
	if !ok {
		return nil, b.fail(fmt.Errorf("%s: final_estimator_ is %s: is it fitted?", o.Class.Name, pickle.Kind(o.Get("final_estimator_"))))
	}
	p, err := b.inner("final_estimator_", last, value{node: b.add(Join{}, nodes...), width: width})
	if err != nil {
		return nil, err
	}
	if p.classes != nil {
		if p.classes, err = b.classesOf(o); err != nil {
			return nil, err
		}
	}
	return []prediction{p}, nil
}

// bagging adds models that each take some of the columns.
func (b *builder) bagging(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	list, err := b.list(o, "estimators_")
	if err != nil {
		return nil, err
	}
	features, _ := pickle.Items(o.Get("estimators_features_"))
	if len(features) != len(list) {
		return nil, b.fail(fmt.Errorf("%s: estimators_features_ of %d models for %d", o.Class.Name, len(features), len(list)))
	}
	var classes *Labels
	if strings.HasSuffix(o.Class.Name, "Classifier") {
		if classes, err = b.classesOf(o); err != nil {
			return nil, err
		}
	}
	var nodes []int
	var members []prediction
	width := 0
	for i, model := range list {
		x := v
		if a, ok := features[i].(*pickle.Array); ok {
			ints, err := a.Ints()
			if err != nil {
				return nil, b.fail(err)
			}
			at := make([]int, len(ints))
			for k, c := range ints {
				at[k] = int(c)
			}
			if err := b.spend(len(at)); err != nil {
				return nil, err
			}
			if !slices.Equal(at, all(v.width)) {
				x = b.then(v, len(at), Pick{at})
			}
		}
		p, err := b.inner(fmt.Sprintf("%s: model %d", o.Class.Name, i), model, x)
		if err != nil {
			return nil, err
		}
		members = append(members, p)
		node := p.numbers
		if classes != nil {
			if p.classes == nil {
				return nil, b.unsupported("%s of a model that is not a classifier", o.Class.Name)
			}
			if node, err = b.spread(p, classes.Len()); err != nil {
				return nil, err
			}
			p.width = classes.Len()
		}
		nodes, width = append(nodes, node), p.width
	}
	p := prediction{numbers: b.blend(nodes, nil), width: width, classes: classes}
	if members[0].decision != nil {
		p.decision = func() (int, int, error) { return b.meanDecision(o, members) }
	}
	return []prediction{p}, nil
}

// meanDecision adds the mean of what decision_function of several models returns.
func (b *builder) meanDecision(o *pickle.Object, of []prediction) (int, int, error) {
	var nodes []int
	width := 0
	for i, p := range of {
		if p.decision == nil {
			return 0, 0, b.unsupported("%s: decision_function of model %d", o.Class.Name, i)
		}
		node, w, err := p.decision()
		if err != nil {
			return 0, 0, err
		}
		if i > 0 && w != width {
			return 0, 0, b.unsupported("%s of models that do not know all classes: their scores differ in number", o.Class.Name)
		}
		nodes, width = append(nodes, node), w
	}
	return b.blend(nodes, nil), width, nil
}

// spread returns the probabilities of n classes of a model that was fitted with their indices,
// maybe not all of them, or its votes.
func (b *builder) spread(p prediction, n int) (int, error) {
	if p.classes.Len() == n {
		if p.scores {
			return b.votes(p, n), nil
		}
		return p.numbers, nil
	}
	if p.classes.Numbers == nil {
		return 0, b.unsupported("models that do not know all classes")
	}
	node, width := p.numbers, p.width
	if p.scores {
		node, width = b.votes(p, p.classes.Len()), p.classes.Len()
	}
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = filled(width, 0)
	}
	for k, c := range p.classes.Numbers {
		if c < 0 || int(c) >= n || k >= width {
			return 0, b.fail(fmt.Errorf("class %d of %d", c, n))
		}
		rows[c][k] = 1
	}
	return b.add(Linear{rows, filled(n, 0)}, node), nil
}

// adaBoost adds models with weights.
func (b *builder) adaBoost(o *pickle.Object, v value) ([]prediction, error) {
	all, _, err := b.members(o, "estimators_", v)
	if err != nil {
		return nil, err
	}
	weights, err := b.array(o, "estimator_weights_")
	if err != nil {
		return nil, err
	}
	if len(weights) < len(all) {
		return nil, b.fail(fmt.Errorf("%s: %d weights of %d models", o.Class.Name, len(weights), len(all)))
	}
	weights = weights[:len(all)]
	if o.Class.Name == "AdaBoostRegressor" {
		var nodes []int
		for _, p := range all {
			if p.width != 1 || p.classes != nil {
				return nil, b.unsupported("AdaBoostRegressor of models of several targets")
			}
			nodes = append(nodes, p.numbers)
		}
		return []prediction{{numbers: b.add(WeightedMedian{weights}, b.add(Join{}, nodes...)), width: 1}}, nil
	}
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	n := classes.Len()
	if n < 2 {
		return nil, b.unsupported("AdaBoostClassifier of one class")
	}
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	// Real boosting, which scikit-learn had before 1.6, adds logarithms of probabilities.
	algorithm, _ := o.Get("algorithm").(string)
	isReal := algorithm == "SAMME.R"
	var nodes []int
	for _, p := range all {
		if p.classes == nil || p.classes.Len() != n {
			return nil, b.unsupported("AdaBoostClassifier of models that do not know all of its %d classes", n)
		}
		rows, bias := make([][]float64, n), filled(n, 0)
		node := 0
		if isReal {
			node = b.add(Function{"log"}, b.add(Clip{0x1p-52, math.MaxFloat64}, p.numbers))
		} else {
			node = b.votes(p, n)
		}
		for i := range rows {
			if isReal { // (n-1)(log p - mean log p)
				rows[i] = filled(n, -float64(n-1)/float64(n))
				rows[i][i] += float64(n - 1)
				continue
			}
			rows[i] = filled(n, -1/float64(n-1))
			rows[i][i] = 1
		}
		nodes = append(nodes, b.add(Linear{rows, bias}, node))
	}
	shares := filled(len(all), 1/sum)
	for i := range shares {
		if shares[i] = weights[i] / sum; isReal {
			shares[i] = 1 / sum
		}
	}
	decision := b.add(Blend{shares}, nodes...)
	scaled := b.add(Arithmetic{Divide, filled(n, float64(n-1))}, decision)
	p := prediction{width: n, classes: classes, label: b.add(Largest{}, decision)}
	if n == 2 { // its score is the difference, which scikit-learn halves again
		one := b.add(Linear{[][]float64{{-1, 1}}, []float64{0}}, decision)
		p.decision = func() (int, int, error) { return one, 1, nil }
		scaled = b.add(Linear{[][]float64{{-0.5}, {0.5}}, []float64{0, 0}}, one)
		p.label = b.add(Function{"positive"}, one)
	} else {
		p.decision = func() (int, int, error) { return decision, n, nil }
	}
	p.numbers = b.add(Apply{tree.Link{Func: tree.Softmax}}, scaled)
	return []prediction{p}, nil
}

// calibrated adds classifiers whose scores are calibrated, and means of their probabilities.
func (b *builder) calibrated(o *pickle.Object, v value) ([]prediction, error) {
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	n := classes.Len()
	list, err := b.list(o, "calibrated_classifiers_")
	if err != nil {
		return nil, err
	}
	var nodes []int
	for i, one := range list {
		err := b.within(fmt.Sprintf("%s: classifier %d", o.Class.Name, i), func() error {
			inner, ok := one.Get("estimator").(*pickle.Object)
			if !ok {
				if inner, ok = one.Get("base_estimator").(*pickle.Object); !ok {
					return b.fail(fmt.Errorf("estimator is %s", pickle.Kind(one.Get("estimator"))))
				}
			}
			if v, err = b.matrixOfFirst(o, []any{inner}, v); err != nil {
				return err
			}
			p, err := b.inner("estimator", inner, v)
			if err != nil {
				return err
			}
			if p.classes == nil || p.classes.Len() != n {
				return b.unsupported("%s does not know all of the %d classes", inner.Class.Name, n)
			}
			node, err := b.calibrate(one, p, n)
			nodes = append(nodes, node)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return []prediction{{numbers: b.blend(nodes, nil), width: n, classes: classes}}, nil
}

// calibrate returns the probabilities of a calibrated classifier.
func (b *builder) calibrate(o *pickle.Object, p prediction, n int) (int, error) {
	attribute := "calibrators"
	if o.Get(attribute) == nil {
		attribute = "calibrators_" // before 0.24
	}
	list, err := b.list(o, attribute)
	if err != nil {
		return 0, err
	}
	node, width := p.numbers, p.width
	if p.decision != nil {
		if node, width, err = p.decision(); err != nil {
			return 0, err
		}
	} else if width == 2 && n == 2 {
		node, width = b.add(Pick{[]int{1}}, node), 1
	}
	if list[0].Class.Name == "_TemperatureScaling" {
		beta, ok := pickle.Float(list[0].Get("beta_"))
		if !ok {
			return 0, b.fail(fmt.Errorf("beta_ is %s", pickle.Kind(list[0].Get("beta_"))))
		}
		switch {
		case p.decision == nil: // probabilities: their logarithms
			node, width = b.add(Function{"log"}, b.add(Arithmetic{Add, filled(p.width, 1e-12)}, p.numbers)), p.width
		case width == 1: // the score is the logit of the second class, and its negative that of the first
			node, width = b.add(Linear{[][]float64{{-1}, {1}}, []float64{0, 0}}, node), 2
		}
		return b.add(Apply{tree.Link{Func: tree.Softmax}}, b.add(Arithmetic{Multiply, filled(width, beta)}, node)), nil
	}
	if len(list) != width {
		return 0, b.unsupported("%d calibrators of %d scores", len(list), width)
	}
	var parts []int
	for k, c := range list {
		at := node
		if width > 1 {
			at = b.add(Pick{[]int{k}}, node)
		}
		switch c.Class.Name {
		case "IsotonicRegression":
			if at, err = b.isotonicOf(c, at); err != nil {
				return 0, err
			}
		case "_SigmoidCalibration":
			a, ok := pickle.Float(c.Get("a_"))
			d, too := pickle.Float(c.Get("b_"))
			if !ok || !too {
				return 0, b.fail(fmt.Errorf("a_ is %s", pickle.Kind(c.Get("a_"))))
			}
			at = b.add(Function{"logistic"}, b.add(Linear{[][]float64{{-a}}, []float64{-d}}, at))
		default:
			return 0, b.unsupported("a calibrator %s", c.Class)
		}
		parts = append(parts, at)
	}
	if width == 1 {
		return b.pair(parts[0]), nil
	}
	return b.normalized(b.add(Join{}, parts...), width), nil
}

// threshold adds a classifier of two classes with a threshold of its own.
func (b *builder) threshold(o *pickle.Object, v value) ([]prediction, error) {
	inner, ok := o.Get("estimator_").(*pickle.Object)
	if !ok {
		return nil, b.fail(fmt.Errorf("%s: estimator_ is %s: is it fitted?", o.Class.Name, pickle.Kind(o.Get("estimator_"))))
	}
	p, err := b.inner("estimator_", inner, v)
	if err != nil {
		return nil, err
	}
	if p.classes == nil || p.classes.Len() != 2 {
		return nil, b.unsupported("%s of a model that is not a classifier of two classes", o.Class.Name)
	}
	// The class whose score counts is the second one, unless the file names it.
	class := o.Get("pos_label")
	if scorer, ok := o.Get("_curve_scorer").(*pickle.Object); ok {
		kwargs, _ := scorer.Get("_kwargs").(*pickle.Dict)
		class = kwargs.Get("pos_label")
		if n := p.classes.Numbers; class == nil && n != nil && n[0] == 1 {
			return nil, b.unsupported("%s of the classes 1 and %d: make_scorer with a pos_label says which of them is found", o.Class.Name, n[1])
		}
	}
	first := false
	if text, ok := class.(string); ok && len(p.classes.Texts) > 0 {
		first = p.classes.Texts[0] == text
	} else if n, ok := pickle.Int(class); ok && p.classes.Numbers != nil {
		first = p.classes.Numbers[0] == int64(n)
	} else if class != nil {
		return nil, b.unsupported("%s with pos_label=%s", o.Class.Name, pickle.Kind(class))
	}
	score, at := 0, 0.0
	switch method, _ := o.Get("response_method").(string); {
	case !p.scores && method != "decision_function":
		place := 1
		if first {
			place = 0
		}
		score, at = b.add(Pick{[]int{place}}, p.numbers), 0.5
	case p.decision != nil && (method != "predict_proba"):
		node, width, err := p.decision()
		if err != nil {
			return nil, err
		}
		if width != 1 {
			return nil, b.unsupported("%s of a model with %d scores", o.Class.Name, width)
		}
		if score = node; first {
			score = b.add(Function{"negative"}, node)
		}
	default:
		return nil, b.unsupported("%s with response_method=%q of a model without it", o.Class.Name, method)
	}
	attribute := "threshold"
	if o.Class.Name == "TunedThresholdClassifierCV" {
		attribute = "best_threshold_"
	}
	if text, _ := o.Get(attribute).(string); text != "auto" {
		x, ok := pickle.Float(o.Get(attribute))
		if !ok {
			return nil, b.fail(fmt.Errorf("%s: %s is %s: is it fitted?", o.Class.Name, attribute, pickle.Kind(o.Get(attribute))))
		}
		at = x
	}
	if !finite(at) {
		return nil, b.unsupported("%s with the threshold %v", o.Class.Name, at)
	}
	p.label = b.add(Bins{[][]float64{{at}}}, score)
	if first {
		p.label = b.add(Linear{[][]float64{{-1}}, []float64{1}}, p.label)
	}
	return []prediction{p}, nil
}
