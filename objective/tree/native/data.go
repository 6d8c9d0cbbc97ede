package native

import "github.com/attune-hpo/attune/objective/tree/engine"

// weighted returns d without its rows of weight 0, and without weights if all are 1.
func weighted(d engine.Dataset) engine.Dataset {
	if d.Weight == nil {
		return d
	}
	kept, ones := 0, true
	for _, w := range d.Weight {
		if w != 0 {
			kept++
			ones = ones && w == 1
		}
	}
	if kept < len(d.Weight) {
		columns := make([][]float64, len(d.Columns))
		for f := range columns {
			columns[f] = weighing(d.Columns[f], d.Weight, kept)
		}
		d.Query = weighing(d.Query, d.Weight, kept)
		d.Columns, d.Label, d.Weight = columns, weighing(d.Label, d.Weight, kept), weighing(d.Weight, d.Weight, kept)
	}
	if ones {
		d.Weight = nil
	}
	return d
}

// weighing returns the values of the rows, kept in number, whose weight is not 0.
func weighing[T any](values []T, weight []float64, kept int) []T {
	if values == nil {
		return nil
	}
	out := make([]T, 0, kept)
	for i, v := range values {
		if weight[i] != 0 {
			out = append(out, v)
		}
	}
	return out
}
