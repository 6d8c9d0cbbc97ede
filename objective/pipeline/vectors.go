package pipeline

import (
	"fmt"
	"math"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
	"github.com/attune-hpo/attune/objective/tree"
)

// Radial is an Op that compares a row x with points p: it returns exp(-Gamma·‖x-p‖²) for each point, the kernel of
// radial basis functions. NaN in a row makes all results NaN.
type Radial struct {
	Points [][]float64 `json:"points"`
	Gamma  float64     `json:"gamma"`
}

func (Radial) name() string { return "radial" }

func (o Radial) width(_ *Model, in []int) (int, error) {
	w, err := one(in)
	if err != nil {
		return 0, err
	}
	if !finite(o.Gamma) || o.Gamma < 0 {
		return 0, fmt.Errorf("gamma is %v", o.Gamma)
	}
	for _, p := range o.Points {
		if len(p) != w {
			return 0, fmt.Errorf("a point of %d numbers, want %d", len(p), w)
		}
		if err := allFinite(p); err != nil {
			return 0, err
		}
	}
	return len(o.Points), nil
}

func (o Radial) row(x, to []float64) {
	for i, p := range o.Points {
		sum := 0.0
		for k, v := range x {
			d := v - p[k]
			sum += float64(d * d)
		}
		to[i] = math.Exp(-o.Gamma * sum)
	}
}

// matrixOf returns the rows of an attribute that is an array or a sparse matrix of scipy. A sparse one needs the
// memory of a full one.
func (b *builder) matrixOf(o *pickle.Object, attribute string, width int) ([][]float64, error) {
	sparse, ok := o.Get(attribute).(*pickle.Object)
	if !ok {
		return b.weights(o, attribute, width)
	}
	wrong := func(what string) ([][]float64, error) {
		return nil, b.fail(fmt.Errorf("%s: %s is %s %s", o.Class.Name, attribute, pickle.Kind(sparse), what))
	}
	if !strings.HasPrefix(sparse.Class.Module, "scipy.sparse") || !strings.HasPrefix(sparse.Class.Name, "csr_") {
		return wrong("and not a matrix of rows: is it fitted?")
	}
	values, err := b.array(sparse, "data")
	if err != nil {
		return nil, err
	}
	indices, ok := wholes(sparse.Get("indices"))
	starts, too := wholes(sparse.Get("indptr"))
	if !ok || !too || len(indices) != len(values) || len(starts) < 2 || starts[0] != 0 || starts[len(starts)-1] != len(values) {
		return wrong("with wrong places")
	}
	n := len(starts) - 1
	if width < 1 || n > MaxWidth {
		return wrong(fmt.Sprintf("of %d rows", n))
	}
	if err := b.spend(n * width); err != nil {
		return nil, err
	}
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = make([]float64, width)
		if starts[i] > starts[i+1] || starts[i+1] > len(values) {
			return wrong("with wrong places")
		}
		for at := starts[i]; at < starts[i+1]; at++ {
			if indices[at] < 0 || indices[at] >= width {
				return wrong(fmt.Sprintf("with column %d of %d", indices[at], width))
			}
			rows[i][indices[at]] += values[at]
		}
	}
	return rows, nil
}

// kernel adds the kernel between a row and points. Its degree is a whole number.
func (b *builder) kernel(o *pickle.Object, name string, gamma, coef0 float64, points [][]float64, node int) (int, error) {
	if !finite(gamma) || !finite(coef0) {
		return 0, b.fail(fmt.Errorf("%s: gamma is %v and coef0 is %v", o.Class.Name, gamma, coef0))
	}
	products := func(gamma, coef0 float64) int {
		rows := make([][]float64, len(points))
		for i, p := range points {
			rows[i] = make([]float64, len(p))
			for k, x := range p {
				rows[i][k] = float64(gamma * x)
			}
		}
		return b.add(Linear{rows, filled(len(rows), coef0)}, node)
	}
	switch name {
	case "rbf":
		return b.add(Radial{points, gamma}, node), nil
	case "linear":
		return products(1, 0), nil
	case "sigmoid":
		return b.add(Function{"tanh"}, products(gamma, coef0)), nil
	case "poly", "polynomial":
		degree, ok := pickle.Int(o.Get("degree"))
		if !ok || degree < 0 || degree > maxFactors {
			return 0, b.unsupported("%s with degree=%v: want a whole number up to %d", o.Class.Name, o.Get("degree"), maxFactors)
		}
		terms := make([][]int, len(points))
		for i := range terms {
			for range degree {
				terms[i] = append(terms[i], i)
			}
		}
		return b.add(Product{terms}, products(gamma, coef0)), b.spend(degree * len(points))
	}
	return 0, b.unsupported("%s with kernel=%v: fit it with rbf, poly, sigmoid or linear", o.Class.Name, quoted(o.Get("kernel")))
}

// number returns an attribute that is a number.
func (b *builder) number(o *pickle.Object, attribute string) (float64, error) {
	x, ok := pickle.Float(o.Get(attribute))
	if !ok {
		return 0, b.fail(fmt.Errorf("%s: %s is %s: is it fitted?", o.Class.Name, attribute, pickle.Kind(o.Get(attribute))))
	}
	return x, nil
}

// machine adds what a support vector machine computes for each of its vectors, and returns its coefficients and
// intercepts as LIBSVM has them.
func (b *builder) machine(o *pickle.Object, v value) (kernels int, coefficients [][]float64, bias []float64, err error) {
	if v, err = b.matrix(o, v); err != nil {
		return 0, nil, nil, err
	}
	points, err := b.matrixOf(o, "support_vectors_", v.width)
	if err != nil {
		return 0, nil, nil, err
	}
	gamma, err := b.number(o, "_gamma")
	if err != nil {
		return 0, nil, nil, err
	}
	coef0, err := b.number(o, "coef0")
	if err != nil {
		return 0, nil, nil, err
	}
	name, _ := o.Get("kernel").(string)
	if kernels, err = b.kernel(o, name, gamma, coef0, points, v.node); err != nil {
		return 0, nil, nil, err
	}
	if coefficients, err = b.matrixOf(o, "_dual_coef_", len(points)); err != nil {
		return 0, nil, nil, err
	}
	bias, err = b.array(o, "_intercept_")
	return kernels, coefficients, bias, err
}

// supportRegression adds a support vector machine that predicts numbers.
func (b *builder) supportRegression(o *pickle.Object, v value) ([]prediction, error) {
	node, err := b.oneMachine(o, v)
	return []prediction{{numbers: node, width: 1}}, err
}

func (b *builder) oneMachine(o *pickle.Object, v value) (int, error) {
	kernels, coefficients, bias, err := b.machine(o, v)
	if err != nil {
		return 0, err
	}
	if len(coefficients) != 1 || len(bias) != 1 {
		return 0, b.fail(fmt.Errorf("%s: %d rows of coefficients and %d intercepts", o.Class.Name, len(coefficients), len(bias)))
	}
	return b.add(Linear{coefficients, bias}, kernels), nil
}

// supportNovelty adds a support vector machine that finds anomalies.
func (b *builder) supportNovelty(o *pickle.Object, v value) ([]prediction, error) {
	node, err := b.oneMachine(o, v)
	if err != nil {
		return nil, err
	}
	offset, err := b.number(o, "offset_")
	if err != nil {
		return nil, err
	}
	score := b.add(Arithmetic{Add, []float64{offset}}, node)
	return []prediction{{numbers: b.add(Function{"negative"}, score), width: 1, anomaly: true, above: true, offset: offset}}, nil
}

// supportClasses adds a support vector machine that tells classes apart: one against one.
func (b *builder) supportClasses(o *pickle.Object, v value) ([]prediction, error) {
	classes, err := b.classesOf(o)
	if err != nil {
		return nil, err
	}
	if flag(o, "probability", false) {
		return nil, b.unsupported("%s with probability=True, whose probabilities an iteration finds for each row: fit it without, in a CalibratedClassifierCV if probabilities are wanted", o.Class.Name)
	}
	kernels, coefficients, bias, err := b.machine(o, v)
	if err != nil {
		return nil, err
	}
	n := classes.Len()
	counts, ok := wholes(o.Get("_n_support"))
	if o.Get("_n_support") == nil {
		counts, ok = wholes(o.Get("n_support_")) // before 0.23
	}
	if !ok || n < 2 || len(counts) != n || len(coefficients) != n-1 || len(bias) != n*(n-1)/2 {
		return nil, b.fail(fmt.Errorf("%s: %d rows of coefficients, %d intercepts and vectors of %d classes, for %d classes", o.Class.Name, len(coefficients), len(bias), len(counts), n))
	}
	starts, vectors := make([]int, n+1), len(coefficients[0])
	for k, c := range counts {
		if c < 0 || c > vectors {
			return nil, b.fail(fmt.Errorf("%s: %d vectors of a class", o.Class.Name, c))
		}
		starts[k+1] = starts[k] + c
	}
	if starts[n] != vectors {
		return nil, b.fail(fmt.Errorf("%s: %d vectors of all classes, want %d", o.Class.Name, starts[n], vectors))
	}
	if err := b.spend(len(bias) * vectors); err != nil {
		return nil, err
	}
	var pairs [][]float64 // above 0 for the first class of the pair
	for i := range n {
		for j := i + 1; j < n; j++ {
			row := make([]float64, vectors)
			copy(row[starts[i]:starts[i+1]], coefficients[j-1][starts[i]:starts[i+1]])
			copy(row[starts[j]:starts[j+1]], coefficients[i][starts[j]:starts[j+1]])
			pairs = append(pairs, row)
		}
	}
	scores := b.add(Linear{pairs, bias}, kernels)
	against := b.add(Function{"negative"}, scores)
	first, second := b.add(Function{"positive"}, scores), b.add(Function{"positive"}, against)
	if n == 2 {
		none := b.add(Linear{[][]float64{{-1}}, []float64{1}}, first)
		return []prediction{{numbers: against, width: 1, classes: classes, scores: true, label: none, decision: func() (int, int, error) { return against, 1, nil }}}, nil
	}
	p := prediction{classes: classes, scores: true}
	p.numbers, p.width = b.pairwise(second, against, n), n
	if p.label = b.add(Largest{}, b.pairVotes(b.add(Linear{minusOne(len(pairs)), filled(len(pairs), 1)}, first), n)); flag(o, "break_ties", false) && o.Get("decision_function_shape") != "ovo" {
		p.label = b.add(Largest{}, p.numbers)
	}
	if o.Get("decision_function_shape") == "ovo" {
		p.numbers, p.width = scores, len(pairs)
	}
	p.decision = func() (int, int, error) { return p.numbers, p.width, nil }
	return []prediction{p}, nil
}

// minusOne returns weights that change the sign of each of n numbers.
func minusOne(n int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = filled(n, 0)
		out[i][i] = -1
	}
	return out
}

// pairVotes counts the votes of n classes. votes are 1 where the second class of a pair wins.
func (b *builder) pairVotes(votes, n int) int {
	counts, bias := make([][]float64, n), filled(n, 0)
	for i := range n {
		counts[i] = filled(n*(n-1)/2, 0)
	}
	k := 0
	for i := range n {
		for j := i + 1; j < n; j++ {
			counts[i][k], counts[j][k] = -1, 1
			bias[i]++ // a vote that is not for j
			k++
		}
	}
	return b.add(Linear{counts, bias}, votes)
}

// pairwise adds scikit-learn's scores of n classes: their votes, plus the sums of the scores of pairs, which increase
// with the second class and are limited to a third of a vote.
func (b *builder) pairwise(votes, scores, n int) int {
	sums := make([][]float64, n)
	for i := range n {
		sums[i] = filled(n*(n-1)/2, 0)
	}
	k := 0
	for i := range n {
		for j := i + 1; j < n; j++ {
			sums[i][k], sums[j][k] = -1, 1
			k++
		}
	}
	confidence := b.add(Linear{sums, filled(n, 0)}, scores)
	size := b.add(Arithmetic{Multiply, filled(n, 3)}, b.add(Arithmetic{Add, filled(n, 1)}, b.add(Function{"abs"}, confidence)))
	return b.add(Between{Add}, b.pairVotes(votes, n), b.add(Between{Divide}, confidence, size))
}

// kernelRidge adds ridge regression with a kernel.
func (b *builder) kernelRidge(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	points, err := b.matrixOf(o, "X_fit_", v.width)
	if err != nil {
		return nil, err
	}
	gamma := 1 / float64(v.width)
	if o.Get("gamma") != nil {
		if gamma, err = b.number(o, "gamma"); err != nil {
			return nil, err
		}
	}
	coef0, err := b.number(o, "coef0")
	if err != nil {
		return nil, err
	}
	name, _ := o.Get("kernel").(string)
	kernels, err := b.kernel(o, name, gamma, coef0, points, v.node)
	if err != nil {
		return nil, err
	}
	x, err := b.array(o, "dual_coef_")
	if err != nil {
		return nil, err
	}
	targets := len(x) / len(points)
	if targets == 0 || targets*len(points) != len(x) {
		return nil, b.fail(fmt.Errorf("%s: %d coefficients for %d rows", o.Class.Name, len(x), len(points)))
	}
	rows := make([][]float64, targets)
	for k := range rows {
		for i := range points {
			rows[k] = append(rows[k], x[i*targets+k])
		}
	}
	return []prediction{{numbers: b.add(Linear{rows, filled(targets, 0)}, kernels), width: targets}}, nil
}

// mixture adds a mixture of normal distributions: the component of a row and the probabilities of all.
func (b *builder) mixture(o *pickle.Object, v value) ([]prediction, error) {
	v, err := b.matrix(o, v)
	if err != nil {
		return nil, err
	}
	d := v.width
	means, err := b.weights(o, "means_", d)
	if err != nil {
		return nil, err
	}
	shares, err := b.floats(o, "weights_", len(means))
	if err != nil {
		return nil, err
	}
	factors, err := b.array(o, "precisions_cholesky_")
	if err != nil {
		return nil, err
	}
	kind, _ := o.Get("covariance_type").(string)
	want := map[string]int{"full": len(means) * d * d, "tied": d * d, "diag": len(means) * d, "spherical": len(means)}[kind]
	if want == 0 || len(factors) != want || len(shares) != len(means) {
		return nil, b.fail(fmt.Errorf("%s: %d numbers in precisions_cholesky_ of %d components with covariance_type=%.60q", o.Class.Name, len(factors), len(means), kind))
	}
	if err := b.spend(len(means) * d * d); err != nil {
		return nil, err
	}
	var nodes []int
	for k, mean := range means {
		// y = (x-mean)·L for the Cholesky factor L of the precision
		at := func(i, j int) float64 {
			switch {
			case kind == "full":
				return factors[(k*d+i)*d+j]
			case kind == "tied":
				return factors[i*d+j]
			case i != j:
				return 0
			case kind == "diag":
				return factors[k*d+i]
			}
			return factors[k]
		}
		x := b.arithmetic(v, Subtract, mean)
		bias := math.Log(shares[k]) - 0.5*float64(d)*math.Log(2*math.Pi)
		rows, scale := make([][]float64, d), make([]float64, d)
		for j := range d {
			bias += math.Log(at(j, j))
			rows[j], scale[j] = make([]float64, d), at(j, j)
			for i := range d {
				rows[j][i] = at(i, j)
			}
		}
		y := 0
		if kind == "full" || kind == "tied" {
			y = b.add(Linear{rows, filled(d, 0)}, x.node)
		} else {
			y = b.add(Arithmetic{Multiply, scale}, x.node)
		}
		if math.IsInf(bias, -1) {
			return nil, b.unsupported("%s with a component of weight 0", o.Class.Name)
		}
		nodes = append(nodes, b.add(Linear{[][]float64{filled(d, -0.5)}, []float64{bias}}, b.add(Function{"square"}, y)))
	}
	joint := b.add(Join{}, nodes...)
	return []prediction{{numbers: b.add(Apply{tree.Link{Func: tree.Softmax}}, joint), width: len(means), classes: counted(len(means)), label: b.add(Largest{}, joint)}}, nil
}
