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
		keep := func(values []float64) []float64 {
			if values == nil {
				return nil
			}
			out := make([]float64, 0, kept)
			for i, v := range values {
				if d.Weight[i] != 0 {
					out = append(out, v)
				}
			}
			return out
		}
		columns := make([][]float64, len(d.Columns))
		for f := range columns {
			columns[f] = keep(d.Columns[f])
		}
		d.Columns, d.Label, d.Weight = columns, keep(d.Label), keep(d.Weight)
	}
	if ones {
		d.Weight = nil
	}
	return d
}
