package registry

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"time"
)

// A Comparison is what a server has seen of a version in the shadow of the live one: both predicted
// the same rows.
type Comparison struct {
	Live   int       `json:"live"`
	Shadow int       `json:"shadow"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"` // time of this record
	Rows   uint64    `json:"rows"`  // rows that both predicted
	// Disagreements is the number of these rows in which the predictions differ.
	Disagreements uint64 `json:"disagreements"`
	Failures      uint64 `json:"failures"` // failed runs of the version in the shadow
	Dropped       uint64 `json:"dropped"`  // runs that were not compared, because it was busy
}

const comparedFile = "compared"

// mostComparisons is the maximum number of comparisons of a model; older ones are dropped.
const mostComparisons = 50

// Compared records a comparison. It replaces one of the same versions that began at the same time,
// so that a server can record its counts again and again. The latest 50 of a model are kept.
func (r *Registry) Compared(ctx context.Context, name string, c Comparison) error {
	c.Since, c.Until = c.Since.UTC().Truncate(time.Millisecond), c.Until.UTC().Truncate(time.Millisecond)
	err := r.locked(ctx, name, func() error {
		all, err := r.comparisons(name)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(o Comparison) bool { return o.Live == c.Live && o.Shadow == c.Shadow && o.Since.Equal(c.Since) })
		all = append(all, c)
		slices.SortStableFunc(all, func(a, b Comparison) int { return cmp.Or(a.Until.Compare(b.Until), a.Shadow-b.Shadow) })
		return r.writeSealed(name, comparedFile, all[max(0, len(all)-mostComparisons):])
	})
	if err != nil {
		return failed("compare", name, c.Shadow, err)
	}
	return nil
}

// Comparisons returns what servers have recorded with [Registry.Compared], the latest last.
func (r *Registry) Comparisons(name string) ([]Comparison, error) {
	err := checkName(name)
	var all []Comparison
	if err == nil {
		all, err = r.comparisons(name)
	}
	if err != nil {
		return nil, failed("comparisons of", name, 0, err)
	}
	return all, nil
}

func (r *Registry) comparisons(name string) (all []Comparison, err error) {
	return all, readSealed(filepath.Join(r.dir, name, comparedFile), &all)
}
