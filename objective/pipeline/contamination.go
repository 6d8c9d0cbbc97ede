package pipeline

import (
	"math"
	"slices"
	"strings"
)

// Contaminated returns a copy of m, which has an isolation forest, with another threshold: a share of the given
// rows, more than 0 and at most 0.5, has a decision below 0 and so the label -1. With the rows of the training,
// this is what scikit-learn's setting contamination does: the threshold is the quantile of the scores, interpolated
// between the two nearest ones.
//
// Contaminated fails with [ErrUnsupported] if m has no isolation forest, and with [ErrInput] if the rows do not fit m
// or are none, or the share is out of range.
func (m *Model) Contaminated(rows []Column, share float64) (*Model, error) {
	decision, score := -1, -1
	for i, out := range m.Outputs {
		switch {
		case out.Name == "decision":
			decision = out.Node
		case out.Name == "score":
			score = i
		}
	}
	if decision < 0 || score < 0 || !strings.HasPrefix(m.Outputs[0].Name, "label") {
		return nil, noForest()
	}
	threshold, ok := m.Nodes[decision].Op.(Arithmetic)
	if !ok || threshold.Do != Subtract || len(threshold.By) != 1 {
		return nil, noForest()
	}
	if !(0 < share && share <= 0.5) {
		return nil, pkg.Errorf("contamination %v: %w: want more than 0 and at most 0.5", share, ErrInput)
	}
	p, err := NewPredictor(m)
	if err != nil {
		return nil, err
	}
	all, err := p.Predict(rows)
	if err != nil {
		return nil, err
	}
	scores := all[score]
	if len(scores) == 0 {
		return nil, pkg.Errorf("contamination: %w: there are no rows", ErrInput)
	}
	slices.Sort(scores)
	at := share * float64(len(scores)-1)
	low := math.Floor(at)
	below, above := scores[int(low)], scores[min(int(low)+1, len(scores)-1)]
	out := *m
	out.Nodes = slices.Clone(m.Nodes)
	out.Nodes[decision].Op = Arithmetic{Subtract, []float64{below + (at-low)*(above-below)}}
	return &out, nil
}

func noForest() error {
	return pkg.Errorf("contamination: %w: the model has no isolation forest", ErrUnsupported)
}
