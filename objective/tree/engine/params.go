package engine

import (
	"errors"
	"fmt"
	"math"
)

// ErrParams reports an invalid setting. The message names the field of [Params].
var ErrParams = errors.New("invalid params")

// A Method says how the trees of a model relate to one another.
type Method int

const (
	// Boosting fits each tree to the errors of the trees before it
	// (Friedman, Greedy function approximation: a gradient boosting machine, 2001).
	Boosting Method = iota
	// Forest fits each tree to the labels, on rows drawn with replacement, and
	// averages them (Breiman, Random forests, 2001).
	Forest
	// Isolation needs no labels: it measures how few random cuts isolate a row (Liu,
	// Ting and Zhou, Isolation forest, 2008). Predictions are the anomaly scores of
	// its equation 2: towards 1 for anomalies, below 0.5 for ordinary rows.
	Isolation
)

// A Growth is the order in which a tree grows. Each order is known from the library
// named; using it does not reproduce that library's results.
type Growth int

const (
	LeafWise  Growth = iota // always splits the leaf with the largest gain, like LightGBM
	LevelWise               // splits level by level, like XGBoost
	Oblivious               // uses one split for all leaves of a level, like CatBoost
)

// A Loss is what training minimizes. Trees add up scores; a loss with a link predicts the
// inverse link of their sum.
type Loss int

// The losses, for a label y and a prediction p.
const (
	L2       Loss = iota // (y-p)²: predicts means
	L1                   // |y-p|: predicts medians
	Huber                // (y-p)²/2 up to Params.HuberDelta, linear beyond: means that resist outliers
	Quantile             // the pinball loss: predicts the quantile Params.Quantile
	Poisson              // p - y log p: rates of counts, y >= 0; link log
	Tweedie              // deviance of power Params.TweediePower: amounts that are often 0, y >= 0; link log
	Logistic             // cross entropy of labels 0 and 1: predicts the probability of 1; link logit
	Softmax              // cross entropy of the classes 0 to Params.Classes-1: predicts a probability for each
	// LambdaRank raises NDCG at [RankDepth] (see [NDCG]) of the grades y, whole numbers from 0
	// to [MaxGrade], within each query of [Dataset.Query]: the row with the greatest prediction
	// comes first. Predictions have no unit, and are not comparable between queries (Burges,
	// From RankNet to LambdaRank to LambdaMART, 2010).
	LambdaRank
)

var lossNames = [...]string{"l2", "l1", "huber", "quantile", "poisson", "tweedie", "logistic", "softmax", "lambdarank"}

func (l Loss) String() string {
	if l < 0 || int(l) >= len(lossNames) {
		return fmt.Sprintf("Loss(%d)", int(l))
	}
	return lossNames[l]
}

// Params are the settings of training. The zero value is useful: it boosts 100 trees on
// the squared error.
//
// A field that is 0 takes the engine's default. The defaults stated here are the native
// engine's; each library has its own. A library never ignores a field: if it has no
// setting for a field that is not 0, it refuses the field with [ErrParams].
type Params struct {
	Method Method
	Growth Growth
	Loss   Loss

	Quantile     float64 // the level of the Quantile loss, between 0 and 1. Default 0.5
	HuberDelta   float64 // where the Huber loss turns linear, > 0. Default 1
	TweediePower float64 // the power of the Tweedie loss, between 1 and 2. Default 1.5
	Classes      int     // the number of classes of the Softmax loss, 2 to 1000. No default

	// Trees is the number of rounds. With Softmax each round grows a tree for each class.
	// Default 100.
	Trees int
	// LearningRate, above 0, scales the values of each tree. It does not apply to
	// forests. Default 0.1.
	LearningRate float64
	// Leaves is the maximum number of leaves of a tree, at least 2. Oblivious trees do
	// not use it. Default: 31 for leaf-wise boosting, otherwise unlimited.
	Leaves int
	// Depth is the maximum number of splits from the root to a leaf. Oblivious trees
	// allow at most 16. Default: unlimited for leaf-wise growth and forests, otherwise 6.
	Depth     int
	MinRows   int     // the minimum number of rows in a leaf. Default 20; 5 in forests
	MinWeight float64 // the minimum sum of weighted second derivatives in a leaf. Default 0.001
	MinGain   float64 // a split must gain more than this. Default 0
	LambdaL1  float64 // the L1 penalty of leaf values. Default 0
	LambdaL2  float64 // the L2 penalty of leaf values. Default 0

	// MaxBins is the number of intervals that a feature is divided into, 2 to 255. Default
	// 255.
	MaxBins int
	// Bagging is the share of the rows drawn for each tree: with replacement in forests,
	// otherwise without. Default 1.
	Bagging float64
	// FeatureFraction is the share of the features drawn for each tree. Default 1.
	FeatureFraction float64
	// NodeFraction is the share of those features redrawn for each leaf, or for each level
	// of oblivious trees. Default 1; in forests 1/3, or for classes the square root of the
	// number of features.
	NodeFraction float64
	// Monotone says for each column how predictions may change as its value grows: 1
	// never decreasing, -1 never increasing, 0 unconstrained. Default nil: all unconstrained.
	Monotone []int

	// OneHot is the maximum number of categories for which a categorical feature is split
	// one category against the rest. Default 4.
	OneHot int
	// CategorySmooth shrinks the statistic that orders the categories, as if each
	// category had this many additional rows. Default 10.
	CategorySmooth float64
	// CategoryL2 is added to LambdaL2 for sets of categories. Default 10.
	CategoryL2 float64
	// CategorySet is the maximum number of categories in the smaller part of a split.
	// Default 32.
	CategorySet int

	// EarlyStopping ends training after this many rounds without a better validation
	// score, and keeps the rounds up to the best. Default 0: off.
	EarlyStopping int
	// Samples is the number of rows drawn for each tree of an isolation forest. Default 256.
	Samples int

	// Threads is the number of goroutines that work on one model. The default is 1,
	// because studies run trials in parallel. Give it the cores that each trial may have
	// to itself: idle threads spin for microseconds before they sleep. The model is the
	// same, bit for bit, for any number.
	Threads int
	Seed    uint64 // of all random draws. Default 0, a seed like any other

	// Extra holds settings of a library under its own names, such as {"boosting": "dart"}
	// for LightGBM. They override the fields. The native engine has none, and refuses them.
	Extra map[string]string
}

// A ParamError says that a field of [Params] has a wrong value. It is an [ErrParams].
type ParamError struct {
	Field string // such as Depth, or Monotone[2]
	Value any
	Want  string // what is wanted instead: "at least 1"
}

// Error returns the text: "invalid params: Depth is 0, want at least 1".
func (e *ParamError) Error() string {
	return fmt.Sprintf("%v: %s is %v, want %s", ErrParams, e.Field, e.Value, e.Want)
}

// Unwrap returns [ErrParams].
func (e *ParamError) Unwrap() error { return ErrParams }

// BadParam returns a [ParamError].
func BadParam(field string, value any, want string) error {
	return &ParamError{field, value, want}
}

// WithDefaults returns p with its zero fields set to the native engine's defaults for
// data with the given number of columns.
func (p Params) WithDefaults(columns int) Params {
	setInt := func(field *int, v int) {
		if *field == 0 {
			*field = v
		}
	}
	set := func(field *float64, v float64) {
		if *field == 0 {
			*field = v
		}
	}
	forest := p.Method == Forest
	set(&p.Quantile, 0.5)
	set(&p.HuberDelta, 1)
	set(&p.TweediePower, 1.5)
	setInt(&p.Trees, 100)
	set(&p.LearningRate, 0.1)
	if p.Growth == LeafWise && !forest {
		setInt(&p.Leaves, 31)
	}
	setInt(&p.Leaves, math.MaxInt32)
	if p.Growth == Oblivious || p.Growth == LevelWise && !forest {
		setInt(&p.Depth, 6)
	}
	setInt(&p.Depth, math.MaxInt32)
	if forest {
		setInt(&p.MinRows, 5)
		share := 1.0 / 3
		if p.Loss == Logistic || p.Loss == Softmax {
			share = 1 / math.Sqrt(float64(max(columns, 1)))
		}
		set(&p.NodeFraction, share)
	}
	setInt(&p.MinRows, 20)
	set(&p.MinWeight, 1e-3)
	setInt(&p.MaxBins, 255)
	set(&p.Bagging, 1)
	set(&p.FeatureFraction, 1)
	set(&p.NodeFraction, 1)
	setInt(&p.OneHot, 4)
	set(&p.CategorySmooth, 10)
	set(&p.CategoryL2, 10)
	setInt(&p.CategorySet, 32)
	setInt(&p.Samples, 256)
	setInt(&p.Threads, 1)
	return p
}

// Validate reports the first invalid setting, wrapping [ErrParams]. [Check] also checks
// settings that depend on the data, such as the length of Monotone.
func (p Params) Validate() error {
	q := p.WithDefaults(1)
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	share := func(v float64) bool { return v > 0 && v <= 1 }
	const fraction = "a share between 0 (exclusive) and 1"
	for _, c := range []struct {
		ok    bool
		field string
		value any
		want  string
	}{
		{q.Method >= Boosting && q.Method <= Isolation, "Method", int(p.Method), "one of the methods"},
		{q.Growth >= LeafWise && q.Growth <= Oblivious, "Growth", int(p.Growth), "one of the ways to grow"},
		{q.Loss >= L2 && q.Loss <= LambdaRank, "Loss", int(p.Loss), "one of the losses"},
		{q.Method != Forest || q.Loss != Poisson && q.Loss != Tweedie && q.Loss != Huber && q.Loss != LambdaRank, "Loss", p.Loss, "a loss that a forest has; the squared one predicts means"},
		{q.Quantile > 0 && q.Quantile < 1, "Quantile", p.Quantile, "a level between 0 and 1"},
		{q.HuberDelta > 0 && finite(q.HuberDelta), "HuberDelta", p.HuberDelta, "a finite number above 0"},
		{q.TweediePower > 1 && q.TweediePower < 2, "TweediePower", p.TweediePower, "a power between 1 and 2"},
		{q.Loss != Softmax || q.Classes >= 2 && q.Classes <= 1000, "Classes", p.Classes, "2 to 1000"},
		{q.Trees > 0, "Trees", p.Trees, "at least 1"},
		{q.LearningRate > 0 && finite(q.LearningRate), "LearningRate", p.LearningRate, "a finite number above 0"},
		{q.Leaves >= 2, "Leaves", p.Leaves, "at least 2"},
		{q.Depth >= 1, "Depth", p.Depth, "at least 1"},
		{q.Growth != Oblivious || q.Depth <= maxOblivious, "Depth", p.Depth, "at most 16 for oblivious trees"},
		{q.MinRows >= 1, "MinRows", p.MinRows, "at least 1"},
		{q.MinWeight >= 0 && finite(q.MinWeight), "MinWeight", p.MinWeight, "a finite number >= 0"},
		{q.MinGain >= 0 && finite(q.MinGain), "MinGain", p.MinGain, "a finite number >= 0"},
		{q.LambdaL1 >= 0 && finite(q.LambdaL1), "LambdaL1", p.LambdaL1, "a finite number >= 0"},
		{q.LambdaL2 >= 0 && finite(q.LambdaL2), "LambdaL2", p.LambdaL2, "a finite number >= 0"},
		{q.MaxBins >= 2 && q.MaxBins <= 255, "MaxBins", p.MaxBins, "2 to 255"},
		{share(q.Bagging), "Bagging", p.Bagging, fraction},
		{share(q.FeatureFraction), "FeatureFraction", p.FeatureFraction, fraction},
		{share(q.NodeFraction), "NodeFraction", p.NodeFraction, fraction},
		{q.OneHot >= 1, "OneHot", p.OneHot, "at least 1"},
		{q.CategorySmooth >= 0 && finite(q.CategorySmooth), "CategorySmooth", p.CategorySmooth, "a finite number >= 0"},
		{q.CategoryL2 >= 0 && finite(q.CategoryL2), "CategoryL2", p.CategoryL2, "a finite number >= 0"},
		{q.CategorySet >= 1, "CategorySet", p.CategorySet, "at least 1"},
		{q.EarlyStopping >= 0, "EarlyStopping", p.EarlyStopping, "rounds, or 0 for never"},
		{q.EarlyStopping == 0 || q.Method == Boosting, "EarlyStopping", p.EarlyStopping, "0, except for boosting"},
		{q.Samples >= 2, "Samples", p.Samples, "at least 2"},
		{q.Threads >= 1 && q.Threads <= 1024, "Threads", p.Threads, "1 to 1024"},
	} {
		if !c.ok {
			return BadParam(c.field, c.value, c.want)
		}
	}
	for f, m := range p.Monotone {
		if m < -1 || m > 1 {
			return BadParam(fmt.Sprintf("Monotone[%d]", f), m, "-1, 0 or 1")
		}
	}
	return nil
}

// fits reports the first setting that does not fit the data.
func (p Params) fits(train, valid Dataset) error {
	if p.Monotone != nil {
		if len(p.Monotone) != len(train.Columns) {
			return BadParam("Monotone", fmt.Sprintf("%d directions", len(p.Monotone)), fmt.Sprintf("one for each of %d columns", len(train.Columns)))
		}
		for _, f := range train.Categorical {
			if p.Monotone[f] != 0 {
				return BadParam(fmt.Sprintf("Monotone[%d]", f), p.Monotone[f], "0 for a categorical column")
			}
		}
		for f, m := range p.Monotone {
			if m != 0 && (p.Loss == Softmax || p.Method == Isolation) {
				return BadParam(fmt.Sprintf("Monotone[%d]", f), m, "0: neither several classes nor isolation forests have a direction")
			}
		}
	}
	if p.EarlyStopping > 0 && (valid.Rows() == 0 || valid.Label == nil) {
		return BadParam("EarlyStopping", p.EarlyStopping, "0 where there are no validation rows with labels")
	}
	return nil
}

// maxOblivious bounds the depth of oblivious trees, which have 2^depth leaves.
const maxOblivious = 16
