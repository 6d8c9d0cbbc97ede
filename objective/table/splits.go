package table

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Splits say how a table is split into rows to learn from and rows to judge a model by.
// The zero value is a cross-validation with 5 folds.
//
// Rows are shuffled and stratified: as far as possible, each class (or the anomalies) has
// the same share in every fold. If the table has groups, the groups are shuffled and dealt
// out instead, the largest first, so that folds have about the same number of rows. Equal
// seeds give equal folds.
type Splits struct {
	Folds int // number of folds; each row is judged in one of them; at least 2. Default 5
	// Holdout, if not 0, replaces the folds by a single one, in which this share of the
	// rows judges.
	Holdout float64
	// Ordered says that the rows are in time order. Nothing is shuffled then, and each fold
	// learns from all rows before those that judge it. The n rows end with Folds blocks of
	// n/(Folds+1) rows, one per fold.
	Ordered bool
	Seed    uint64 // seed of the shuffling; 0 is a seed like any other
}

// A Fold is one way to split a table. It holds row numbers from 0, in ascending order.
type Fold struct {
	Train []int // rows to learn from
	Valid []int // rows to judge by
}

// Split returns the folds of t. It fails with [ErrConfig] for settings that are invalid or
// do not fit groups, and with [ErrShort] if a fold would have no rows to learn from or none
// to judge by, or if a class has a single row.
func (s Splits) Split(t Table) ([]Fold, error) {
	if s.Folds == 0 {
		s.Folds = 5
	}
	n := t.Rows()
	switch {
	case s.Folds < 2:
		return nil, pkg.Errorf("split: %w: %d folds, want at least 2, or a holdout", ErrConfig, s.Folds)
	case !(s.Holdout >= 0 && s.Holdout < 1):
		return nil, pkg.Errorf("split: %w: a holdout of %v, want a share between 0 and 1", ErrConfig, s.Holdout)
	case s.Ordered && t.Group != nil:
		return nil, pkg.Errorf("split: %w: folds in time order would split groups: %w, or %w", ErrConfig, leaveOrder, leaveGroups)
	}
	if c := t.Target.Categories; c != nil && !s.Ordered && t.Group == nil {
		count := make([]int, len(c))
		for _, k := range t.Target.Values {
			count[int(k)]++
		}
		if k := slices.Index(count, 1); k >= 0 {
			return nil, pkg.Errorf("split: %w: class %q has one row, which cannot both train and test: remove the class, or merge it with another", ErrShort, c[k])
		}
	}
	var valid [][]int // rows that judge, by fold
	switch {
	case s.Ordered:
		valid = s.ordered(n)
	case t.Group != nil:
		valid = s.grouped(t)
	default:
		valid = s.shuffled(t)
	}
	folds := make([]Fold, len(valid))
	for i, rows := range valid {
		slices.Sort(rows)
		f := Fold{Valid: rows}
		for row := range n {
			if _, judged := slices.BinarySearch(rows, row); judged && s.Ordered {
				break
			} else if !judged {
				f.Train = append(f.Train, row)
			}
		}
		if len(f.Valid) == 0 || len(f.Train) == 0 {
			what := fmt.Sprintf("%d rows", n)
			if t.Group != nil {
				what = fmt.Sprintf("%d groups", countGroups(t.Group))
			}
			return nil, pkg.Errorf("split: %w: %s for %d folds", ErrShort, what, len(valid))
		}
		folds[i] = f
	}
	return folds, nil
}

// random returns the random source of the shuffling.
func (s Splits) random() *rand.Rand { return rand.New(rand.NewPCG(s.Seed, 0x5eed)) }

// parts returns the number of folds.
func (s Splits) parts() int {
	if s.Holdout > 0 {
		return 1
	}
	return s.Folds
}

func (s Splits) ordered(n int) [][]int {
	k, size := s.parts(), n/(s.Folds+1)
	if s.Holdout > 0 {
		size = int(s.Holdout*float64(n) + 0.5)
	}
	valid := make([][]int, k)
	for i := range valid {
		for row := n - (k-i)*size; row < n-(k-i-1)*size; row++ {
			valid[i] = append(valid[i], row)
		}
	}
	return valid
}

// shuffled deals out the rows of one class after another.
func (s Splits) shuffled(t Table) [][]int {
	classes := make([][]int, 1)
	if t.Target.Categories != nil {
		classes = make([][]int, len(t.Target.Categories))
	}
	if t.binary() {
		classes = make([][]int, 2)
	}
	for row := range t.Rows() {
		k := 0
		if len(classes) > 1 {
			k = int(t.Target.Values[row])
		}
		classes[k] = append(classes[k], row)
	}
	r, valid, dealt := s.random(), make([][]int, s.parts()), 0
	for _, rows := range classes {
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		for _, row := range rows {
			dealt++
			switch {
			case s.Holdout == 0:
				valid[dealt%s.Folds] = append(valid[dealt%s.Folds], row)
			case float64(len(valid[0]))+0.5 <= s.Holdout*float64(dealt):
				valid[0] = append(valid[0], row)
			}
		}
	}
	return valid
}

// binary reports whether the target consists of the numbers 0 and 1.
func (t Table) binary() bool {
	return t.Target.Values != nil && !slices.ContainsFunc(t.Target.Values, func(v float64) bool { return v != 0 && v != 1 })
}

func (s Splits) grouped(t Table) [][]int {
	members := map[int][]int{}
	var groups []int
	for row, g := range t.Group {
		if members[g] == nil {
			groups = append(groups, g)
		}
		members[g] = append(members[g], row)
	}
	s.random().Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	valid := make([][]int, s.parts())
	if s.Holdout > 0 {
		for _, g := range groups[:len(groups)-1] {
			if float64(len(valid[0])) < s.Holdout*float64(t.Rows()) {
				valid[0] = append(valid[0], members[g]...)
			}
		}
		return valid
	}
	slices.SortStableFunc(groups, func(a, b int) int { return len(members[b]) - len(members[a]) })
	for _, g := range groups {
		least := 0
		for i := range valid {
			if len(valid[i]) < len(valid[least]) {
				least = i
			}
		}
		valid[least] = append(valid[least], members[g]...)
	}
	return valid
}

func countGroups(groups []int) int {
	seen := map[int]bool{}
	for _, g := range groups {
		seen[g] = true
	}
	return len(seen)
}
