// Package compare measures how well samplers search. The commands below it run
// attune and its peers on the same problems; doc/benchmarks has the results.
package compare

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/internal/dev/compare/table"
	"github.com/attune-hpo/attune/objective/problem"
)

// Checkpoints are the numbers of trials after which the best value is recorded.
var Checkpoints = []int{10, 25, 50, 100, 150, 200, 500}

// A Run is the result of one study. Both the Go and the Python commands write it as a JSON
// line.
type Run struct {
	Sampler  string          `json:"sampler"`
	Problem  string          `json:"problem"`
	Seed     int             `json:"seed"`
	Best     map[int]float64 `json:"best"`     // best value by number of trials; for a front, the missing share of the hypervolume
	Distinct int             `json:"distinct"` // number of configurations tried
}

// Read returns the runs in r.
func Read(r io.Reader) ([]Run, error) {
	var runs []Run
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			return runs, lines.Err()
		}
		var run Run
		if err := json.Unmarshal(lines.Bytes(), &run); err != nil {
			return nil, fmt.Errorf("compare: line %d: %w", len(runs)+1, err)
		}
		runs = append(runs, run)
	}
}

// Problems returns the problems for comparing search quality: functions with a known
// minimum, followed by tables.
func Problems() []problem.Problem {
	all := []problem.Problem{
		problem.Branin(), problem.Hartmann6(), problem.Ackley(10), problem.Rosenbrock(5), problem.Pipeline(),
	}
	for _, t := range table.All() {
		all = append(all, t.Problem)
	}
	return all
}

// sets are groups of problems with a common name.
var sets = map[string]func() []problem.Problem{
	"functions": func() []problem.Problem { return Problems()[:len(Problems())-len(table.All())] },
	"tables":    func() []problem.Problem { return Problems()[len(Problems())-len(table.All()):] },
	"tuning":    Tuning,
	"judging":   Judging,
	"again":     Again,
	"mixed":     Mixed,
	"fresh":     func() []problem.Problem { return slices.Concat(Fresh(), MixedFresh()) },
}

// Never is the best value where no trial has met the constraints.
const Never = 1e300

// Named returns the problems, fronts and problems with constraints of the given names,
// separated by commas; "" means all of [Problems]. "functions", "tables", "tuning",
// "again", "judging", "fresh", "mixed", "fronts" and "constrained" mean all problems of that kind.
func Named(names string) (some []problem.Problem, fronts []problem.Front, bounded []Bounded, err error) {
	if names == "" {
		return Problems(), nil, nil, nil
	}
	all := slices.Concat(Problems(), Tuning(), Again(), Judging(), Fresh(), Mixed(), MixedFresh())
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(p problem.Problem) bool { return p.Name == name })
		f := slices.IndexFunc(Fronts(), func(f problem.Front) bool { return f.Name == name })
		b := slices.IndexFunc(Constrained(), func(b Bounded) bool { return b.Name == name })
		switch {
		case name == "constrained":
			bounded = append(bounded, Constrained()...)
		case b >= 0:
			bounded = append(bounded, Constrained()[b])
		case name == "fronts":
			fronts = append(fronts, Fronts()...)
		case sets[name] != nil:
			some = append(some, sets[name]()...)
		case i >= 0:
			some = append(some, all[i])
		case f >= 0:
			fronts = append(fronts, Fronts()[f])
		default:
			return nil, nil, nil, fmt.Errorf("compare: no problem %q", name)
		}
	}
	return some, fronts, bounded, nil
}

// Quartiles returns the quartiles of xs, which must not be empty. It interpolates linearly
// between order statistics, like numpy.
func Quartiles(xs []float64) (q [3]float64) {
	xs = slices.Sorted(slices.Values(xs))
	for i := range q {
		at, frac := math.Modf(float64(len(xs)-1) * float64(i+1) / 4)
		q[i] = xs[int(at)]
		if frac > 0 {
			q[i] += frac * (xs[int(at)+1] - q[i])
		}
	}
	return q
}

// A Verdict compares two samples of losses by the test of Mann and Whitney (1947),
// in the normal approximation with the correction for ties. It suits samples of at least
// about eight.
type Verdict struct {
	Wins float64 // the probability that a is less than b, ties counting half
	P    float64 // probability of a difference at least as large, in either direction, if there is none
}

// Judge compares a with b. Both must have elements, and no NaN.
func Judge(a, b []float64) Verdict {
	wins := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x < y:
				wins++
			case x == y:
				wins += 0.5
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	all := slices.Concat(a, b)
	slices.Sort(all)
	ties := 0.0 // Σ t³ - t over the groups of equal values
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j] == all[i] {
			j++
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	variance := n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1)))
	v := Verdict{Wins: wins / (n * m), P: 1}
	if variance > 0 {
		z := max(0, math.Abs(wins-n*m/2)-0.5) / math.Sqrt(variance)
		v.P = math.Erfc(z / math.Sqrt2)
	}
	return v
}

// String says which sample is better beyond noise, at a level of 5 %.
func (v Verdict) String() string {
	word := "same"
	switch {
	case v.P >= 0.05:
	case v.Wins > 0.5:
		word = "better"
	default:
		word = "worse"
	}
	return fmt.Sprintf("%s: wins %.0f %%, p %.2g", word, 100*v.Wins, v.P)
}
