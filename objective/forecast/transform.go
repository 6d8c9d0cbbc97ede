package forecast

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/fault"
)

// A Transform maps the values of a target to those that a model learns, and maps the
// model's predictions back. It is fitted to the training part of one series and never
// sees more. A nil Transform in a field means none.
//
// The set of transforms is closed, so that all can be saved and exported: [Log],
// [Log1p], [Diff], [Standard], [MinMax] and [Chain].
type Transform interface {
	// Fit learns from values. NaN is a missing value.
	Fit(y []float64) (Fitted, error)
	// String returns the transform in the form that [ParseTransform] reads.
	String() string

	transform() // closed
}

// A Fitted is a [Transform] that is fitted to data. [MarshalFitted] saves it.
type Fitted interface {
	// Apply returns the transformed values, as many as y. Values that cannot be
	// transformed are NaN: missing values, the first ones of a difference, numbers outside
	// a logarithm's domain. Value i depends only on y[:i+1].
	Apply(y []float64) []float64
	// Invert returns the values that transform to z. They come right after past, which
	// is not transformed. Invert is exact except for rounding.
	Invert(past, z []float64) []float64
	// Lost is the number of values at the start that Apply cannot transform.
	Lost() int
	// Steps returns the steps of Apply in order, for programs that implement it in
	// another language.
	Steps() []PlanStep

	saved() savedTransform // closed
}

// Log is the natural logarithm; values must be above 0.
type Log struct{}

// Log1p is the logarithm of 1+y; values must be above -1.
type Log1p struct{}

// Diff is the difference from the value Lag steps before. The default Lag, 1, removes a
// trend; the length of a season removes that season.
type Diff struct{ Lag int }

// Standard subtracts the mean and divides by the standard deviation (with the number of
// values as divisor). It only subtracts the mean if the values are constant.
type Standard struct{}

// MinMax maps the smallest value to 0 and the greatest to 1. Later values may lie
// outside. It only subtracts the smallest if the values are constant.
type MinMax struct{}

// Chain applies transforms one after another, and undoes them in reverse order.
type Chain []Transform

func (Log) transform()      {}
func (Log1p) transform()    {}
func (Diff) transform()     {}
func (Standard) transform() {}
func (MinMax) transform()   {}
func (Chain) transform()    {}

// String implements [Transform].
func (Log) String() string      { return "log" }
func (Log1p) String() string    { return "log1p" }
func (d Diff) String() string   { return "diff " + strconv.Itoa(max(1, d.Lag)) }
func (Standard) String() string { return "standard" }
func (MinMax) String() string   { return "minmax" }
func (c Chain) String() string {
	var b strings.Builder
	for i, t := range c {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.String())
	}
	return b.String()
}

// TransformsToTry returns the transforms that are worth trying on the targets of a frame,
// in the form that [ParseTransform] reads: none, differences, seasonal differences if there
// are more than three seasons, and each of these after a logarithm if all values are
// positive. For several series of very different size they bring all series to one scale first,
// by a logarithm or, where values are not positive, by [Standard]: otherwise a model would learn
// from the largest series alone.
func TransformsToTry(f Frame) []string {
	positive, rows := true, math.MaxInt
	smallest, largest := math.Inf(1), 0.0
	for _, s := range f {
		rows = min(rows, s.Len())
		sum, n := 0.0, 0.0
		for _, y := range s.Y {
			positive = positive && !(y <= 0)
			if !math.IsNaN(y) {
				sum, n = sum+math.Abs(y), n+1
			}
		}
		if sum > 0 {
			smallest, largest = min(smallest, sum/n), max(largest, sum/n)
		}
	}
	differ := largest > mostAlike*smallest
	out := []string{none, "diff"}
	if m := f[0].Freq.Season(); m > 1 && rows > 3*m {
		out = append(out, fmt.Sprintf("diff %d", m))
	}
	scale, scaled := "standard,", out
	if positive {
		scale = "log,"
	}
	if positive || differ {
		for _, t := range out {
			scaled = append(scaled, strings.TrimSuffix(scale+t, ","+none))
		}
	}
	if differ {
		return scaled[len(out):]
	}
	return scaled
}

// mostAlike is the ratio of the mean sizes of two series from which they are very different.
const mostAlike = 10

// none is the name of the transform that changes nothing.
const none = "none"

// ParseTransform reads transforms separated by commas, in the order of application: log,
// log1p, diff (or diff 12), standard, minmax. The empty text and none mean an empty
// Chain.
func ParseTransform(s string) (Transform, error) {
	chain := Chain{}
	if strings.TrimSpace(s) == none {
		return chain, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		name, arg, _ := strings.Cut(strings.TrimSpace(part), " ")
		var t Transform
		switch name {
		case "":
			if strings.TrimSpace(s) == "" {
				return chain, nil
			}
		case "log":
			t = Log{}
		case "log1p":
			t = Log1p{}
		case "standard":
			t = Standard{}
		case "minmax":
			t = MinMax{}
		case "diff":
			lag := 1
			if arg != "" {
				n, err := strconv.Atoi(arg)
				if err != nil || n < 1 {
					return nil, fault.Mark(pkg.Errorf("transform: the lag of %q must be a whole number from 1", part), ErrConfig)
				}
				lag, arg = n, ""
			}
			t = Diff{lag}
		}
		if t == nil || arg != "" {
			return nil, fault.Mark(pkg.Errorf("transform: want log, log1p, diff LAG, standard or minmax, not %q", part), ErrConfig)
		}
		chain = append(chain, t)
	}
	return chain, nil
}

// Fit implements [Transform]. It fails with [ErrDomain].
func (Log) Fit(y []float64) (Fitted, error) { return logarithm{0}, above(y, 0, "log") }

// Fit implements [Transform]. It fails with [ErrDomain].
func (Log1p) Fit(y []float64) (Fitted, error) { return logarithm{1}, above(y, -1, "log1p") }

func above(y []float64, limit float64, name string) error {
	for i, v := range y {
		if v <= limit {
			return pkg.Errorf("%s: value %d is %v: %w: it must be above %v", name, i, v, ErrDomain, limit)
		}
	}
	return nil
}

// A logarithm is log(y+plus), where plus is 0 or 1.
type logarithm struct {
	Plus float64 `json:"plus"`
}

func (l logarithm) Apply(y []float64) []float64 {
	z := make([]float64, len(y))
	for i, v := range y {
		switch {
		case v <= -l.Plus:
			z[i] = math.NaN()
		case l.Plus == 1:
			z[i] = math.Log1p(v)
		default:
			z[i] = math.Log(v)
		}
	}
	return z
}

func (l logarithm) Invert(_, z []float64) []float64 {
	y := make([]float64, len(z))
	for i, v := range z {
		if l.Plus == 1 {
			y[i] = math.Expm1(v)
		} else {
			y[i] = math.Exp(v)
		}
	}
	return y
}

func (logarithm) Lost() int               { return 0 }
func (l logarithm) saved() savedTransform { return savedTransform{Log: &l} }

func (l logarithm) Steps() []PlanStep {
	if l.Plus == 1 {
		return []PlanStep{{Kind: StepLog1p}}
	}
	return []PlanStep{{Kind: StepLog}}
}

// Fit implements [Transform]. It fails with [ErrConfig] for a negative lag.
func (d Diff) Fit([]float64) (Fitted, error) {
	if d.Lag < 0 {
		return nil, pkg.Errorf("diff %d: %w", d.Lag, ErrConfig)
	}
	return difference{max(1, d.Lag)}, nil
}

type difference struct {
	Lag int `json:"lag"`
}

func (d difference) Apply(y []float64) []float64 {
	z := make([]float64, len(y))
	for i := range y {
		z[i] = math.NaN()
		if i >= d.Lag {
			z[i] = y[i] - y[i-d.Lag]
		}
	}
	return z
}

func (d difference) Invert(past, z []float64) []float64 {
	y := make([]float64, len(z))
	for i, v := range z {
		switch k := i - d.Lag; {
		case k >= 0:
			y[i] = v + y[k]
		case len(past)+k >= 0:
			y[i] = v + past[len(past)+k]
		default:
			y[i] = math.NaN()
		}
	}
	return y
}

func (d difference) Lost() int             { return d.Lag }
func (d difference) Steps() []PlanStep     { return []PlanStep{{Kind: StepDiff, Lag: d.Lag}} }
func (d difference) saved() savedTransform { return savedTransform{Diff: &d} }

// Fit implements [Transform]. It fails with [ErrMissing] if all values are missing.
func (Standard) Fit(y []float64) (Fitted, error) {
	n, mean, m2 := 0.0, 0.0, 0.0 // Welford's, Technometrics 4 (1962)
	for _, v := range y {
		if !math.IsNaN(v) {
			n++
			d := v - mean
			mean += d / n
			m2 += d * (v - mean)
		}
	}
	if n == 0 {
		return nil, pkg.Errorf("standard: %w: all %d values are missing", ErrMissing, len(y))
	}
	return affine{mean, orOne(math.Sqrt(m2 / n))}, nil
}

// Fit implements [Transform]. It fails with [ErrMissing] if all values are missing.
func (MinMax) Fit(y []float64) (Fitted, error) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range y {
		if !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return nil, pkg.Errorf("minmax: %w: all %d values are missing", ErrMissing, len(y))
	}
	return affine{low, orOne(high - low)}, nil
}

func orOne(scale float64) float64 {
	if scale > 0 {
		return scale
	}
	return 1
}

// An affine is (y-shift)/scale.
type affine struct {
	Shift float64 `json:"shift"`
	Scale float64 `json:"scale"`
}

func (a affine) Apply(y []float64) []float64 {
	z := make([]float64, len(y))
	for i, v := range y {
		z[i] = (v - a.Shift) / a.Scale
	}
	return z
}

func (a affine) Invert(_, z []float64) []float64 {
	y := make([]float64, len(z))
	for i, v := range z {
		y[i] = v*a.Scale + a.Shift
	}
	return y
}

func (affine) Lost() int               { return 0 }
func (a affine) saved() savedTransform { return savedTransform{Affine: &a} }

func (a affine) Steps() []PlanStep {
	return []PlanStep{{Kind: StepAffine, Shift: a.Shift, Scale: a.Scale}}
}

// Fit implements [Transform]. Each transform is fitted to the output of those before it.
func (c Chain) Fit(y []float64) (Fitted, error) {
	fitted := chain{}
	for _, t := range c {
		f, err := t.Fit(y)
		if err != nil {
			return nil, err
		}
		fitted = append(fitted, f)
		y = f.Apply(y)
	}
	return fitted, nil
}

type chain []Fitted

func (c chain) Apply(y []float64) []float64 {
	for _, f := range c {
		y = f.Apply(y)
	}
	return y
}

func (c chain) Invert(past, z []float64) []float64 {
	pasts := make([][]float64, len(c))
	for i, f := range c {
		pasts[i] = past
		if i+1 < len(c) {
			past = f.Apply(past)
		}
	}
	for i := len(c) - 1; i >= 0; i-- {
		z = c[i].Invert(pasts[i], z)
	}
	return z
}

func (c chain) Lost() int {
	n := 0
	for _, f := range c {
		n += f.Lost()
	}
	return n
}

func (c chain) Steps() []PlanStep {
	var all []PlanStep
	for _, f := range c {
		all = append(all, f.Steps()...)
	}
	return all
}

func (c chain) saved() savedTransform {
	parts := []savedTransform{}
	for _, f := range c {
		parts = append(parts, f.saved())
	}
	return savedTransform{Chain: &parts}
}

// A savedTransform is the JSON of a fitted transform: an object with one member, named
// after its kind.
type savedTransform struct {
	Log    *logarithm        `json:"log,omitempty"`
	Diff   *difference       `json:"diff,omitempty"`
	Affine *affine           `json:"affine,omitempty"`
	Chain  *[]savedTransform `json:"chain,omitempty"`
}

// MarshalFitted returns a fitted transform as JSON, which [UnmarshalFitted] reads.
// Forecasters in other packages use it to save theirs. It fails if a number of the transform
// is not finite.
func MarshalFitted(f Fitted) ([]byte, error) {
	text, err := json.Marshal(f.saved())
	if err != nil {
		return nil, pkg.Errorf("transform: %w", err)
	}
	return text, nil
}

// UnmarshalFitted reads the output of [MarshalFitted]. It fails with [ErrFormat].
func UnmarshalFitted(text []byte) (Fitted, error) {
	var s savedTransform
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, pkg.Errorf("transform: %w: %w", ErrFormat, err)
	}
	f, err := s.load()
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return f, nil
}

func (s savedTransform) load() (Fitted, error) {
	switch {
	case s.Log != nil && (s.Log.Plus == 0 || s.Log.Plus == 1):
		return *s.Log, nil
	case s.Diff != nil && s.Diff.Lag >= 1 && s.Diff.Lag < 1<<31:
		return *s.Diff, nil
	case s.Affine != nil && s.Affine.Scale > 0:
		return *s.Affine, nil
	case s.Chain != nil:
		c := chain{}
		for _, part := range *s.Chain {
			f, err := part.load()
			if err != nil {
				return nil, err
			}
			c = append(c, f)
		}
		return c, nil
	}
	text, _ := json.Marshal(s)
	return nil, fmt.Errorf("%w: transform %s", ErrFormat, text)
}
