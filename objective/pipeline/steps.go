package pipeline

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
)

// known are the functions of NumPy and SciPy that a FunctionTransformer may apply, by name.
var known = map[string]string{
	"abs": "abs", "absolute": "abs", "fabs": "abs", "negative": "negative", "sign": "sign", "reciprocal": "reciprocal", "square": "square", "sqrt": "sqrt", "cbrt": "cbrt",
	"exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p", "sin": "sin", "cos": "cos", "tanh": "tanh", "expit": "logistic",
}

// functionName returns the name of a function in a pickle, or "".
func functionName(f any) string {
	switch f := f.(type) {
	case pickle.Global:
		if library, _, _ := strings.Cut(f.Module, "."); library == "numpy" || library == "scipy" {
			return f.Name
		}
	case *pickle.Object: // a ufunc is reconstructed from its name
		if library, _, _ := strings.Cut(f.Class.Module, "."); (library == "numpy" || library == "scipy") && len(f.Args) > 0 {
			name, _ := f.Args[len(f.Args)-1].(string)
			return name
		}
	}
	return ""
}

// functionTransformer adds a known function, or nothing if the step has none, as a
// ColumnTransformer uses it for columns that pass through.
func (b *builder) functionTransformer(o *pickle.Object, v value) (value, error) {
	from := o
	if v.node == tableNode && o.Get("n_features_in_") == nil { // before 1.2 the file does not say: take it from a later step
		for _, step := range b.rest {
			later, ok := step.(*pickle.Object)
			if ok {
				from = later
			}
			if !ok || later.Class.Name != "FunctionTransformer" {
				break
			}
		}
	}
	if o.Get("func") == nil {
		return b.matrix(from, v)
	}
	name := known[functionName(o.Get("func"))]
	if name == "" {
		return v, b.unsupported("FunctionTransformer with %s: a program, which is not executed here. Known are functions of NumPy such as numpy.log1p", pickle.Kind(o.Get("func")))
	}
	if d, ok := o.Get("kw_args").(*pickle.Dict); ok && len(d.Keys) > 0 {
		return v, b.unsupported("FunctionTransformer with kw_args")
	}
	v, err := b.matrix(from, v)
	if err != nil {
		return v, err
	}
	v.sparse = false
	return b.then(v, v.width, Function{name}), nil
}

func (b *builder) binarizer(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	at, ok := pickle.Float(o.Get("threshold"))
	if !ok || !finite(at) {
		return v, b.fail(fmt.Errorf("%s: threshold is %s", o.Class.Name, pickle.Kind(o.Get("threshold"))))
	}
	return b.then(v, v.width, Bins{above(at, v.width)}), nil
}

// polynomials adds products of columns, in the order of scikit-learn: by degree, and then
// combinations in the order of their columns.
func (b *builder) polynomials(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	low, high := 0, 0
	if d, ok := pickle.Int(o.Get("degree")); ok {
		high = d
	} else if pair, ok := pickle.Items(o.Get("degree")); ok && len(pair) == 2 {
		low, _ = pickle.Int(pair[0])
		high, _ = pickle.Int(pair[1])
	}
	if high < 0 || high > maxFactors || low < 0 || low > high {
		return v, b.unsupported("PolynomialFeatures of degree %d to %d", low, high)
	}
	only := flag(o, "interaction_only", false)
	var op Product
	if flag(o, "include_bias", true) {
		op.Terms = append(op.Terms, nil)
	}
	for degree := max(low, 1); degree <= high; degree++ {
		term := make([]int, degree)
		var add func(at, from int) error
		add = func(at, from int) error {
			if at == degree {
				op.Terms = append(op.Terms, slices.Clone(term))
				return b.spend(degree)
			}
			for c := from; c < v.width; c++ {
				term[at] = c
				next := c
				if only {
					next = c + 1
				}
				if err := add(at+1, next); err != nil {
					return err
				}
			}
			return nil
		}
		if err := add(0, 0); err != nil {
			return v, err
		}
	}
	v.sparse = false
	return b.then(v, len(op.Terms), op), nil
}

// powerTransformer makes columns more like normal distributions.
func (b *builder) powerTransformer(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	lambdas, err := b.floats(o, "lambdas_", v.width)
	if err != nil {
		return v, err
	}
	method, _ := o.Get("method").(string)
	v.sparse = false
	v = b.then(v, v.width, Power{Lambdas: lambdas, Box: method == "box-cox"})
	scaler, ok := o.Get("_scaler").(*pickle.Object)
	if !flag(o, "standardize", true) || !ok {
		return v, nil
	}
	return b.standardScaler(scaler, v)
}

// columns cuts the numbers of an array with a row of numbers for each row of a table.
func (b *builder) byColumn(o *pickle.Object, attribute string, width int) ([][]float64, error) {
	rows, err := b.weights(o, attribute, width)
	if err != nil {
		return nil, err
	}
	out := make([][]float64, width)
	for k := range out {
		for _, row := range rows {
			out[k] = append(out[k], row[k])
		}
	}
	return out, nil
}

// mirrored returns points of -x and -y, which increase again.
func mirrored(of []float64) []float64 {
	out := make([]float64, len(of))
	for i, x := range of {
		out[len(of)-1-i] = -x
	}
	return out
}

// boundsThreshold is scikit-learn's: numbers that close to the first or last quantile are its.
const boundsThreshold = 1e-7

// quantileTransformer maps columns to their quantiles, or to those of a normal distribution.
func (b *builder) quantileTransformer(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	references, err := b.array(o, "references_")
	if err != nil {
		return v, err
	}
	quantiles, err := b.byColumn(o, "quantiles_", v.width)
	if err != nil {
		return v, err
	}
	if err := b.spend(4 * len(references) * v.width); err != nil {
		return v, err
	}
	var up, down Interpolate
	normal := o.Get("output_distribution") == "normal"
	for k, q := range quantiles {
		if len(q) != len(references) || len(q) == 0 {
			return v, b.fail(fmt.Errorf("QuantileTransformer: %d quantiles and %d references", len(q), len(references)))
		}
		// The mean of both directions counts where quantiles are equal, except at the ends.
		q = slices.Clone(q)
		for i := 1; i < len(q); i++ { // rounding may make quantiles fall
			q[i] = max(q[i], q[i-1])
		}
		quantiles[k] = q
		up.X, up.Y = append(up.X, q), append(up.Y, references)
		down.X, down.Y = append(down.X, mirrored(q)), append(down.Y, mirrored(references))
	}
	ascending := b.add(up, v.node)
	descending := b.add(down, b.add(Function{"negative"}, v.node))
	mean := b.add(Arithmetic{Multiply, filled(v.width, 0.5)}, b.add(Between{Subtract}, ascending, descending))
	// At the ends: 0 up to the first quantile, and where it is another, 1 from the last on.
	first, last := make([][]float64, v.width), make([][]float64, v.width)
	for k, q := range quantiles {
		low, high := q[0], q[len(q)-1]
		if normal {
			low, high = low+boundsThreshold, high-boundsThreshold
			first[k], last[k] = []float64{low}, []float64{math.Nextafter(high, math.Inf(1))}
		} else {
			first[k], last[k] = []float64{math.Nextafter(low, math.Inf(1))}, []float64{high}
		}
	}
	inside := b.add(Bins{first}, v.node)                                                                      // 0 at the first quantile
	end := b.add(Bins{last}, v.node)                                                                          // 1 at the last
	low := b.add(Between{Multiply}, mean, inside)                                                             // 0 at the first
	rest := b.add(Arithmetic{Add, filled(v.width, 1)}, b.add(Arithmetic{Multiply, filled(v.width, -1)}, end)) // 0 at the last
	high := b.add(Between{Add}, b.add(Between{Multiply}, low, rest), b.add(Between{Multiply}, end, inside))
	v.sparse = false
	v.node = high
	if normal {
		const most = 5.19933758270342 // the quantile of 1-(1e-7-2^-52)
		v = b.then(v, v.width, Function{"probit"})
		v = b.then(v, v.width, Clip{-most, most})
	}
	return v, nil
}

// binsDiscretizer cuts columns into bins.
func (b *builder) binsDiscretizer(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	list, ok := pickle.Items(o.Get("bin_edges_"))
	if !ok || len(list) != v.width {
		return v, b.fail(fmt.Errorf("KBinsDiscretizer: bin_edges_ is %s: is it fitted?", pickle.Kind(o.Get("bin_edges_"))))
	}
	var op Bins
	var categories [][]Float
	for _, item := range list {
		a, ok := item.(*pickle.Array)
		if !ok || a.Len() < 2 {
			return v, b.fail(fmt.Errorf("KBinsDiscretizer: bin_edges_ has %s", pickle.Kind(item)))
		}
		if err := b.spend(2 * a.Len()); err != nil {
			return v, err
		}
		edges, err := a.Floats()
		if err != nil {
			return v, b.fail(err)
		}
		op.Edges = append(op.Edges, edges[1:len(edges)-1])
		categories = append(categories, floatsUpTo(len(edges)-1))
	}
	encode, _ := o.Get("encode").(string)
	v.sparse = false
	v = b.then(v, v.width, op)
	if encode == "ordinal" {
		return v, nil
	}
	out := b.sized(b.add(OneHot{Categories: categories}, v.node))
	out.sparse = encode == "onehot"
	return out, nil
}

// scores returns an attribute with a number for each column, in which NaN is the smallest.
func (b *builder) columnScores(o *pickle.Object, attribute string, width int) ([]float64, error) {
	of, err := b.floats(o, attribute, width)
	if err == nil && of == nil {
		err = b.fail(fmt.Errorf("%s: %s is missing: is it fitted?", o.Class.Name, attribute))
	}
	return of, err
}

// selector selects the columns that a univariate test, or a model, chose.
func (b *builder) selector(o *pickle.Object, v value) (value, error) {
	of := o
	if inner, ok := o.Get("estimator_").(*pickle.Object); ok && o.Class.Name == "SelectFromModel" {
		of = inner // it knows how many columns there are
	}
	v, err := b.matrix(of, v)
	if err != nil {
		return v, err
	}
	mask, err := b.support(o, v.width)
	if err != nil {
		return v, err
	}
	var pick Pick
	for i, in := range mask {
		if in {
			pick.At = append(pick.At, i)
		}
	}
	if len(pick.At) == 0 {
		return v, b.unsupported("%s, which selects no column", o.Class.Name)
	}
	return b.then(v, len(pick.At), pick), nil
}

// support returns which columns a selector selects.
func (b *builder) support(o *pickle.Object, width int) ([]bool, error) {
	mask := make([]bool, width)
	switch o.Class.Name {
	case "RFE", "RFECV", "SequentialFeatureSelector":
		of, err := b.columnScores(o, "support_", width)
		for i := range of {
			mask[i] = of[i] != 0
		}
		return mask, err
	case "SelectFromModel":
		return b.fromModel(o, width)
	}
	alpha, _ := pickle.Float(o.Get("alpha"))
	switch o.Class.Name {
	case "SelectFpr", "SelectFwe", "SelectFdr":
		p, err := b.columnScores(o, "pvalues_", width)
		if err != nil {
			return nil, err
		}
		limit := alpha
		switch o.Class.Name {
		case "SelectFwe":
			limit = alpha / float64(width)
		case "SelectFdr":
			sorted := slices.Clone(p)
			slices.Sort(sorted)
			limit = math.Inf(-1)
			for i, x := range sorted {
				if x <= alpha/float64(width)*float64(i+1) {
					limit = x
				}
			}
		}
		for i, x := range p {
			mask[i] = x < limit || o.Class.Name == "SelectFdr" && x == limit
		}
		return mask, nil
	}
	scores, err := b.columnScores(o, "scores_", width)
	if err != nil {
		return nil, err
	}
	scores = slices.Clone(scores)
	for i, x := range scores {
		if x != x {
			scores[i] = -math.MaxFloat64
		}
	}
	order := all(width) // ascending, as a stable sort leaves it
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case scores[i] < scores[j]:
			return -1
		case scores[i] > scores[j]:
			return 1
		}
		return 0
	})
	if o.Class.Name == "SelectKBest" {
		k, ok := pickle.Int(o.Get("k"))
		if !ok { // "all"
			k = width
		}
		for _, i := range order[max(0, width-k):] {
			mask[i] = true
		}
		return mask, nil
	}
	percentile, ok := pickle.Float(o.Get("percentile"))
	if !ok || percentile < 0 || percentile > 100 {
		return nil, b.fail(fmt.Errorf("SelectPercentile: percentile is %s", pickle.Kind(o.Get("percentile"))))
	}
	if percentile == 0 {
		return mask, nil
	}
	// NumPy's percentile, which interpolates linearly.
	at := (100 - percentile) / 100 * float64(width-1)
	low := int(at)
	limit := scores[order[low]]
	if low+1 < width {
		limit += (scores[order[low+1]] - limit) * (at - float64(low))
	}
	chosen := 0
	for i, x := range scores {
		if mask[i] = x > limit; mask[i] {
			chosen++
		}
	}
	for i, x := range scores { // of equal ones, the first
		if x == limit && chosen < int(float64(width)*percentile/100) {
			mask[i] = true
			chosen++
		}
	}
	return mask, nil
}

// fromModel returns the columns whose coefficients in a linear model are large enough.
func (b *builder) fromModel(o *pickle.Object, width int) ([]bool, error) {
	inner, ok := o.Get("estimator_").(*pickle.Object)
	if !ok {
		inner, ok = o.Get("estimator").(*pickle.Object) // with prefit=True
	}
	if !ok || inner.Get("coef_") == nil {
		return nil, b.unsupported("SelectFromModel of a model without coef_: use SelectKBest or RFE")
	}
	if x, ok := pickle.Float(o.Get("norm_order")); o.Get("norm_order") != nil && (!ok || x != 1) {
		return nil, b.unsupported("SelectFromModel with norm_order: leave it at 1")
	}
	rows, err := b.weights(inner, "coef_", width)
	if err != nil {
		return nil, err
	}
	of := make([]float64, width)
	for _, row := range rows {
		for i, x := range row {
			of[i] += math.Abs(x)
		}
	}
	limit, err := b.limitOf(o, inner, of)
	if err != nil {
		return nil, err
	}
	mask := make([]bool, width)
	order := all(width)
	most := width
	if o.Get("max_features") != nil {
		if most, ok = pickle.Int(o.Get("max_features")); !ok {
			return nil, b.unsupported("SelectFromModel with max_features of %s: give a number", pickle.Kind(o.Get("max_features")))
		}
		slices.SortStableFunc(order, func(i, j int) int {
			switch {
			case of[i] > of[j]:
				return -1
			case of[i] < of[j]:
				return 1
			}
			return 0
		})
	}
	for _, i := range order[:min(max(most, 0), width)] {
		mask[i] = of[i] >= limit
	}
	return mask, nil
}

// limitOf returns the smallest coefficient that SelectFromModel selects.
func (b *builder) limitOf(o, inner *pickle.Object, of []float64) (float64, error) {
	if x, ok := pickle.Float(o.Get("threshold")); ok && o.Get("threshold") != nil {
		return x, nil
	}
	mean := 0.0
	for _, x := range of {
		mean += x / float64(len(of))
	}
	text, ok := o.Get("threshold").(string)
	switch {
	case ok:
	case o.Get("threshold") != nil:
		return 0, b.unsupported("SelectFromModel with a threshold of %s", pickle.Kind(o.Get("threshold")))
	case strings.Contains(inner.Class.Name, "Lasso") || inner.Get("penalty") == "l1":
		return 1e-5, nil
	case strings.Contains(inner.Class.Name, "ElasticNet"):
		if ratio, ok := pickle.Float(inner.Get("l1_ratio")); ok && math.Abs(ratio-1) <= 1e-8+1e-5 {
			return 1e-5, nil
		}
		return mean, nil
	default:
		return mean, nil
	}
	factor := 1.0
	if scale, name, ok := strings.Cut(text, "*"); ok {
		x, err := strconv.ParseFloat(strings.TrimSpace(scale), 64)
		if err != nil {
			return 0, b.unsupported("SelectFromModel with threshold=%.60q", text)
		}
		factor, text = x, strings.TrimSpace(name)
	}
	switch text {
	case "mean":
		return factor * mean, nil
	case "median":
		sorted := slices.Clone(of)
		slices.Sort(sorted)
		n := len(sorted)
		return factor * (sorted[(n-1)/2] + sorted[n/2]) / 2, nil
	}
	return 0, b.unsupported("SelectFromModel with threshold=%.60q", text)
}

// ica adds independent components, which are a projection.
func (b *builder) ica(o *pickle.Object, v value) (value, error) {
	v, err := b.scaled(o, v, scaling{Subtract, "mean_", o.Get("mean_") != nil})
	if err != nil {
		return v, err
	}
	return b.project(o, v)
}

// missingIndicator returns where columns are missing.
func (b *builder) missingIndicator(o *pickle.Object, v value) (value, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return v, err
	}
	missing, ok := pickle.Float(o.Get("missing_values"))
	if !ok {
		return v, b.unsupported("MissingIndicator for missing_values of %s", pickle.Kind(o.Get("missing_values")))
	}
	return b.flags(o, v, missing)
}

// flags returns where the columns of an indicator's features_ are missing.
func (b *builder) flags(indicator *pickle.Object, v value, missing float64) (value, error) {
	at, ok := indicator.Get("features_").(*pickle.Array)
	if !ok {
		return v, b.fail(fmt.Errorf("MissingIndicator: features_ is %s: is it fitted?", pickle.Kind(indicator.Get("features_"))))
	}
	ints, err := at.Ints()
	if err != nil {
		return v, b.fail(err)
	}
	if err := b.spend(len(ints)); err != nil {
		return v, err
	}
	var pick Pick
	for _, i := range ints {
		pick.At = append(pick.At, int(i))
	}
	if len(pick.At) == 0 {
		return value{node: tableNode}, nil
	}
	v.sparse = false
	return b.then(b.then(v, v.width, Flag{Float(missing)}), len(pick.At), pick), nil
}

// targetEncoder maps categories to means of the target.
func (b *builder) targetEncoder(o *pickle.Object, v value) (value, error) {
	numbers, texts, err := b.categories(o)
	if err != nil {
		return v, err
	}
	if kind, _ := o.Get("target_type_").(string); kind == "multiclass" {
		return v, b.unsupported("TargetEncoder of several classes: use a OneHotEncoder")
	}
	mean, ok := pickle.Float(o.Get("target_mean_"))
	list, are := pickle.Items(o.Get("encodings_"))
	if !ok || !are || len(list) != len(numbers) {
		return v, b.fail(fmt.Errorf("TargetEncoder: encodings_ is %s: is it fitted?", pickle.Kind(o.Get("encodings_"))))
	}
	values := make([][]Float, len(list))
	for i, item := range list {
		a, ok := item.(*pickle.Array)
		if !ok || a.Len() != max(len(numbers[i]), len(texts[i])) {
			return v, b.fail(fmt.Errorf("TargetEncoder: encodings_ has %s", pickle.Kind(item)))
		}
		if err := b.spend(a.Len()); err != nil {
			return v, err
		}
		x, err := a.Floats()
		if err != nil {
			return v, b.fail(err)
		}
		for _, y := range x {
			values[i] = append(values[i], Float(y))
		}
	}
	return b.lookedUp(o, v, numbers, texts, values, func(int) Float { return Float(mean) })
}

// lookedUp maps the categories of each column to values. unknown is what other values of a
// column become.
func (b *builder) lookedUp(o *pickle.Object, v value, numbers [][]Float, texts [][]string, values [][]Float, unknown func(i int) Float) (value, error) {
	same := true
	for i := range values {
		if a, z := unknown(i), unknown(0); a != z && (a == a || z == z) {
			same = false
		}
	}
	if !same { // one column at a time
		v, at, err := b.tableColumns(o, v, len(values))
		if err != nil {
			return v, err
		}
		var nodes []int
		for i := range values {
			part := v
			if at != nil {
				part = value{node: b.add(Columns{at[i : i+1 : i+1]}), width: 1}
				part.filled = v.filledAt([]int{i})
			} else {
				part = b.then(v, 1, Pick{[]int{i}})
			}
			x, err := b.lookedUp(o, part, numbers[i:i+1], texts[i:i+1], values[i:i+1], func(int) Float { return unknown(i) })
			if err != nil {
				return v, err
			}
			nodes = append(nodes, x.node)
		}
		return b.sized(b.add(Join{}, nodes...)), nil
	}
	return b.encoded(o, v, texts, func(at, columns []int, names [][]string) Op {
		op := TextOrdinal{At: columns, Unknown: unknown(at[0])}
		for k, i := range at {
			row := slices.Clone(values[i])
			if len(names[k]) > len(row) { // a missing text is filled with a category
				row = append(row, values[i][slices.Index(texts[i], v.filled[i].with)])
			}
			op.Categories, op.Values = append(op.Categories, names[k]), append(op.Values, row)
		}
		op.Values = unlessIndices(op.Values)
		return op
	}, func(at []int) Op {
		op := Ordinal{Unknown: unknown(at[0])}
		for _, i := range at {
			op.Categories, op.Values = append(op.Categories, numbers[i]), append(op.Values, values[i])
		}
		op.Values = unlessIndices(op.Values)
		return op
	})
}

// unlessIndices returns nil for values that are the indices of their categories.
func unlessIndices(values [][]Float) [][]Float {
	for _, of := range values {
		if !slices.Equal(of, floatsUpTo(len(of))) {
			return values
		}
	}
	return nil
}

// tableColumns returns the columns of the table that a value has, or nil if it has computed
// numbers.
func (b *builder) tableColumns(o *pickle.Object, v value, n int) (value, []int, error) {
	if v.node == tableNode {
		width, names, err := b.fitted(o)
		if err != nil {
			return v, nil, err
		}
		if err := b.inputs(width, names); err != nil {
			return v, nil, err
		}
		if width != n {
			return v, nil, b.fail(fmt.Errorf("%s: categories of %d columns for %d", o.Class.Name, n, width))
		}
		return v, all(width), nil
	}
	if c, ok := b.m.Nodes[v.node].Op.(Columns); ok {
		if len(c.At) != n {
			return v, nil, b.fail(fmt.Errorf("%s: categories of %d columns for %d", o.Class.Name, n, len(c.At)))
		}
		return v, c.At, nil
	}
	return v, nil, nil
}
