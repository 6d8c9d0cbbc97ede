// Package tree represents all tree ensembles by one model: boosted trees, random
// forests and isolation forests, from any library.
//
// A [Model] is plain data. Readers make one from the files of LightGBM
// ([ReadLightGBM]), XGBoost ([ReadXGBoost]), CatBoost ([ReadCatBoost]) and
// scikit-learn ([ReadScikitLearn]). A reader refuses anything that a Model cannot
// express, and names it. [Model.Validate] checks a model that was built by hand.
// [NewPredictor] compiles a model for fast prediction, [Model.Importance] and
// [Model.SHAP] explain it, and [WriteLightGBM] saves it in a file that LightGBM itself
// can load.
//
// All splits have one form: a number goes left if it is <= the threshold, a category if
// it is listed. The rules of the four libraries translate to it without loss: see
// [Model.Float32] and [Missing].
package tree

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "tree"

// ErrInvalid reports a model that is not consistent; see [Model.Validate].
var ErrInvalid = errors.New("invalid model")

// A Model is an ensemble of binary trees over the same features.
//
// Output o of a row is
//
//	raw[o] = Base[o] + Σ leaf(t, row)               over the trees t with t.Output == o
//	raw[o] = Σ leaf(t, row) / number of such trees  where Average is set
//
// The sum is in float64, starts at the base and follows the order of Trees. Link then
// turns raw into the prediction. Do not change a model that is shared.
type Model struct {
	Features []Feature // one per column of a row, in order
	Outputs  int       // values predicted for a row, >= 1: one per class if Link is [Softmax]
	Trees    []Tree    // may be empty
	Base     []float64 // one finite value per output; nil means zeros
	Average  bool      // a forest: the mean of the trees instead of their sum; requires Base to be nil or zeros
	Link     Link      // from raw outputs to predictions

	// Float32 rounds every value of a row to float32 before a split or a linear leaf
	// uses it, as XGBoost and CatBoost do. This makes their rules exact here: XGBoost's
	// x < t is x <= the float32 just below t. With Float32, no negative value is a
	// category; without it, values in (-1, 0) are category 0, as in LightGBM.
	Float32 bool
}

// A Feature is a column of the model's input rows.
type Feature struct {
	Name string // may be empty, need not be unique
	Kind Kind
}

// Kind says what the values of a feature are.
type Kind uint8

const (
	Numeric     Kind = iota
	Categorical      // category numbers, 0, 1, 2, …
)

func (k Kind) String() string { return name("Kind", int(k), "numeric", "categorical") }

// A Tree is a binary decision tree. A tree with a single leaf has no nodes.
type Tree struct {
	Output int    // the output that its leaves add to
	Nodes  []Node // inner nodes; the root is Nodes[0]
	Leaves []Leaf // len(Nodes) + 1
}

// A Node sends a row to the left or to the right.
//
//	numeric      x <= Threshold goes left, any other number right
//	categorical  x, rounded towards zero, goes left when bit x of Categories is set
//
// Missing values go to the default side: see [Missing].
type Node struct {
	Feature     int
	Threshold   float64  // of a numeric split; may be infinite but not NaN
	Categories  []uint32 // if not empty, the split is categorical: category c is bit c%32 of Categories[c/32]
	Missing     Missing
	DefaultLeft bool

	Left, Right int // >= 0: index of an inner node; < 0: ^index of a leaf

	Gain   float64 // improvement of the loss by the split; 0 when unknown
	Weight float64 // sum of hessians (or of row weights) that reached the node in training; 0 when unknown
	Count  int     // training rows that reached the node; 0 when unknown
}

// A Leaf holds what a tree adds to its output.
type Leaf struct {
	Value  float64 // finite; includes the learning rate and other factors
	Linear *Linear // nil except in models with linear leaves
	Weight float64 // as in [Node]
	Count  int     // as in [Node]
}

// Linear is the model of a linear leaf: Const + Σ Coefs[i]·x[Features[i]], summed in
// this order. If one of these features is NaN, the leaf's Value is used instead. All
// features are numeric.
type Linear struct {
	Const    float64
	Features []int
	Coefs    []float64
}

// Missing says which values are missing at a split. Missing values go left if
// [Node.DefaultLeft] is set, otherwise right.
type Missing uint8

const (
	// MissingNaN: NaN is missing. Categorical splits have no other kind.
	MissingNaN Missing = iota
	// MissingNone: nothing is missing; NaN counts as 0.
	MissingNone
	// MissingZero: NaN and all values within ±1e-35 (as a float32, [ZeroRange]) are missing.
	MissingZero
)

func (m Missing) String() string { return name("Missing", int(m), "nan", "none", "zero") }

// ZeroRange is the largest value that [MissingZero] takes for zero: LightGBM's 1e-35 in float32.
const ZeroRange = float64(float32(1e-35))

// A Link turns raw outputs into predictions. The zero Link leaves them unchanged.
type Link struct {
	Func LinkFunc
	// Scale is the s of [Sigmoid] and the c of [Anomaly]; other functions ignore it.
	// Default 1 (when 0).
	Scale float64
}

// LinkFunc names the function of a [Link].
type LinkFunc uint8

const (
	Identity     LinkFunc = iota
	Sigmoid               // 1 / (1 + exp(-s·x)), output by output: probability of the positive class
	Softmax               // exp(x_o) / Σ exp(x): class probabilities
	Exp                   // exp(x): Poisson, gamma, Tweedie, Cox, AFT
	Square                // sign(x)·x²: trained on the root of the target
	Softplus              // log(1 + exp(x)): LightGBM's cross_entropy_lambda
	Step                  // 1 when x > 0, else 0: XGBoost's hinge
	Anomaly               // 2^(-x/c): isolation forest, x the mean path length (Liu, Ting and Zhou 2008, eq. 2)
	MeanVariance          // x_0 and exp(2·x_1), for two outputs: CatBoost's RMSEWithUncertainty
)

func (f LinkFunc) String() string {
	return name("LinkFunc", int(f), "identity", "sigmoid", "softmax", "exp", "square", "softplus", "step", "anomaly", "mean and variance")
}

func name(typ string, i int, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", typ, i)
}

// Apply replaces the raw outputs of one row with predictions, in place. NaN stays NaN.
func (l Link) Apply(row []float64) {
	s := l.Scale
	if s == 0 {
		s = 1
	}
	switch l.Func {
	case Softmax:
		most := slices.Max(row)
		sum := 0.0
		for i, x := range row {
			row[i] = math.Exp(x - most)
			sum += row[i]
		}
		for i := range row {
			row[i] /= sum
		}
		return
	case Sigmoid:
		for i, x := range row {
			row[i] = 1 / (1 + math.Exp(-s*x))
		}
	case Exp:
		for i, x := range row {
			row[i] = math.Exp(x)
		}
	case Square:
		for i, x := range row {
			row[i] = math.Copysign(x*x, x)
		}
	case Softplus:
		for i, x := range row {
			row[i] = max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
		}
	case Step:
		for i, x := range row {
			row[i] = 0
			if x > 0 {
				row[i] = 1
			}
		}
	case Anomaly:
		for i, x := range row {
			row[i] = math.Exp2(-x / s)
		}
	case MeanVariance:
		row[1] = math.Exp(2 * row[1])
	}
}

// Limits of a model. They keep compiled and written indices within 32 bits.
// MaxOutputs also bounds how much a broken file can make a reader allocate.
const (
	MaxFeatures   = 1 << 24
	MaxOutputs    = 1 << 16
	MaxCategories = 1 << 24 // exclusive bound of category numbers
)

// Validate reports the first inconsistency in m, wrapping [ErrInvalid]: a child,
// feature or output out of range, a node that is reached twice (as in a cycle) or never,
// sizes that disagree, values that are not finite. Predictors, readers and writers call
// it. Other methods do not, and may panic on an invalid model.
func (m *Model) Validate() error {
	fail := func(format string, args ...any) error {
		return pkg.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
	}
	switch {
	case m == nil:
		return fail("it is nil")
	case len(m.Features) > MaxFeatures:
		return fail("%d features, at most %d", len(m.Features), MaxFeatures)
	case m.Outputs < 1 || m.Outputs > MaxOutputs:
		return fail("%d outputs, not in 1..%d", m.Outputs, MaxOutputs)
	case m.Base != nil && len(m.Base) != m.Outputs:
		return fail("%d base values for %d outputs", len(m.Base), m.Outputs)
	case m.Link.Func > MeanVariance:
		return fail("unknown link %v", m.Link.Func)
	case m.Link.Func == MeanVariance && m.Outputs != 2:
		return fail("%d outputs of a link for 2, %v", m.Outputs, m.Link.Func)
	case !(m.Link.Scale >= 0) || math.IsInf(m.Link.Scale, 0):
		return fail("scale %v of the link, not finite and >= 0", m.Link.Scale)
	}
	for o, b := range m.Base {
		if !finite(b) {
			return fail("base value %v of output %d is not finite", b, o)
		}
		if m.Average && b != 0 {
			return fail("an averaged model with base value %v: add it to the leaves instead", b)
		}
	}
	for i, f := range m.Features {
		if f.Kind > Categorical {
			return fail("feature %d (%q): unknown kind %v", i, f.Name, f.Kind)
		}
	}
	for i := range m.Trees {
		if err := m.validateTree(&m.Trees[i]); err != nil {
			return fail("tree %d: %w", i, err)
		}
	}
	return nil
}

func (m *Model) validateTree(t *Tree) error {
	switch {
	case t.Output < 0 || t.Output >= m.Outputs:
		return fmt.Errorf("output %d, not in 0..%d", t.Output, m.Outputs-1)
	case len(t.Leaves) != len(t.Nodes)+1:
		return fmt.Errorf("%d leaves and %d inner nodes: a binary tree has one leaf more than inner nodes", len(t.Leaves), len(t.Nodes))
	case len(t.Leaves) > math.MaxInt32/2:
		return fmt.Errorf("%d leaves, at most %d", len(t.Leaves), math.MaxInt32/2)
	}
	for i := range t.Nodes {
		if err := m.validateNode(&t.Nodes[i], t); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	for i := range t.Leaves {
		if err := m.validateLeaf(&t.Leaves[i]); err != nil {
			return fmt.Errorf("leaf %d: %w", i, err)
		}
	}
	if len(t.Nodes) == 0 {
		return nil
	}
	// A walk from the root must meet every node and every leaf once.
	nodes, leaves := make([]bool, len(t.Nodes)), make([]bool, len(t.Leaves))
	left := len(nodes) + len(leaves)
	for stack := []int{0}; len(stack) > 0; {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		seen, what, at := nodes, "node", i
		if i < 0 {
			seen, what, at = leaves, "leaf", ^i
		}
		if seen[at] {
			return fmt.Errorf("%s %d is reached twice", what, at)
		}
		seen[at] = true
		left--
		if i >= 0 {
			stack = append(stack, t.Nodes[i].Right, t.Nodes[i].Left)
		}
	}
	if left > 0 {
		if i := slices.Index(nodes, false); i >= 0 {
			return fmt.Errorf("node %d is never reached from the root", i)
		}
		return fmt.Errorf("leaf %d is never reached from the root", slices.Index(leaves, false))
	}
	return nil
}

func (m *Model) validateNode(n *Node, t *Tree) error {
	for _, c := range []int{n.Left, n.Right} {
		if c >= len(t.Nodes) || ^c >= len(t.Leaves) {
			return fmt.Errorf("child %d out of range: %d inner nodes, %d leaves", c, len(t.Nodes), len(t.Leaves))
		}
	}
	switch {
	case n.Feature < 0 || n.Feature >= len(m.Features):
		return fmt.Errorf("feature %d, not in 0..%d", n.Feature, len(m.Features)-1)
	case math.IsNaN(n.Threshold):
		return errors.New("threshold is NaN")
	case n.Missing > MissingZero:
		return fmt.Errorf("unknown kind of missing values %v", n.Missing)
	case len(n.Categories) > MaxCategories/32:
		return fmt.Errorf("%d words of categories, at most %d", len(n.Categories), MaxCategories/32)
	case n.Categorical() && n.Missing != MissingNaN:
		return fmt.Errorf("a categorical split with missing %v: only %v", n.Missing, MissingNaN)
	case n.Categorical() && m.Features[n.Feature].Kind != Categorical:
		return fmt.Errorf("a categorical split on numeric feature %d", n.Feature)
	case !finite(n.Gain):
		return fmt.Errorf("gain %v is not finite", n.Gain)
	}
	return validateCover(n.Weight, n.Count)
}

func (m *Model) validateLeaf(l *Leaf) error {
	if !finite(l.Value) {
		return fmt.Errorf("value %v is not finite", l.Value)
	}
	if lin := l.Linear; lin != nil {
		if !finite(lin.Const) {
			return fmt.Errorf("constant %v is not finite", lin.Const)
		}
		if len(lin.Features) != len(lin.Coefs) {
			return fmt.Errorf("%d coefficients for %d features", len(lin.Coefs), len(lin.Features))
		}
		for i, f := range lin.Features {
			if f < 0 || f >= len(m.Features) {
				return fmt.Errorf("feature %d, not in 0..%d", f, len(m.Features)-1)
			}
			if !finite(lin.Coefs[i]) {
				return fmt.Errorf("coefficient %v is not finite", lin.Coefs[i])
			}
		}
	}
	return validateCover(l.Weight, l.Count)
}

func validateCover(weight float64, count int) error {
	if !(weight >= 0) || math.IsInf(weight, 0) {
		return fmt.Errorf("weight %v, not finite and >= 0", weight)
	}
	if count < 0 {
		return fmt.Errorf("count %d is negative", count)
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// Categorical reports whether n splits by category.
func (n *Node) Categorical() bool { return len(n.Categories) > 0 }

// SetCategories makes n a categorical split that sends the listed categories, each in
// 0..[MaxCategories]-1, to the left. With an empty list it sends no category left.
func (n *Node) SetCategories(listed ...int) {
	n.Categories = make([]uint32, 1)
	for _, c := range listed {
		if short := c/32 + 1 - len(n.Categories); short > 0 {
			n.Categories = append(n.Categories, make([]uint32, short)...)
		}
		n.Categories[c/32] |= 1 << (c % 32)
	}
}

// left reports whether x goes left. If the model uses float32, x is rounded already.
// This defines what a split means: everything else in the package must agree with it.
func (n *Node) left(x float64, float32s bool) bool {
	if n.Categorical() {
		switch {
		case x != x:
			return n.DefaultLeft
		case x <= -1 || x >= MaxCategories || float32s && x < 0:
			return false
		}
		c := int(x)
		return c/32 < len(n.Categories) && n.Categories[c/32]>>(c%32)&1 == 1
	}
	switch n.Missing {
	case MissingNaN:
		if x != x {
			return n.DefaultLeft
		}
	case MissingZero:
		if x != x || math.Abs(x) <= ZeroRange {
			return n.DefaultLeft
		}
	case MissingNone:
		if x != x {
			x = 0
		}
	}
	return x <= n.Threshold
}

// leaf returns the index of the leaf where the row ends. If the model uses float32, the
// row is rounded already.
func (t *Tree) leaf(row []float64, float32s bool) int {
	if len(t.Nodes) == 0 {
		return 0
	}
	i := 0
	for i >= 0 {
		n := &t.Nodes[i]
		if n.left(row[n.Feature], float32s) {
			i = n.Left
		} else {
			i = n.Right
		}
	}
	return ^i
}

// at returns what the leaf adds for the row.
func (l *Leaf) at(row []float64) float64 {
	if l.Linear == nil {
		return l.Value
	}
	sum := l.Linear.Const
	for i, f := range l.Linear.Features {
		if row[f] != row[f] {
			return l.Value
		}
		sum += float64(l.Linear.Coefs[i] * row[f]) // the conversion rounds, which prevents a fused multiply-add
	}
	return sum
}

// base returns a new slice of the base values.
func (m *Model) base() []float64 {
	b := make([]float64, m.Outputs)
	copy(b, m.Base)
	return b
}

// shares returns, per output, the divisor of all its leaves: 1, or the number of its
// trees if m averages.
func (m *Model) shares() []float64 {
	n := make([]float64, m.Outputs)
	for i := range n {
		n[i] = 1
	}
	if m.Average {
		clear(n)
		for i := range m.Trees {
			n[m.Trees[i].Output]++
		}
		for i := range n {
			n[i] = max(n[i], 1)
		}
	}
	return n
}
