// Package leavespredict predicts with github.com/dmitryikh/leaves, as an independent check
// of package tree's own predictor, which is faster and reads more models.
//
// leaves only gets text that [tree.WriteLightGBM] made of a valid model, and only computes
// raw values; this package applies averages and links. So leaves never meets files that it
// misreads or objectives that it does not know.
package leavespredict

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"

	"github.com/dmitryikh/leaves"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/tree"
)

const pkg fault.Package = "leavespredict"

// A Predictor is safe for concurrent use.
type Predictor struct {
	m        *tree.Model
	ensemble *leaves.Ensemble
	shares   []float64
	threads  int
}

// New makes a predictor of m that uses at most threads goroutines per call; 0 and 1 mean
// only the caller's. It refuses the models that [tree.WriteLightGBM] refuses, with the
// same errors, except for links. It also refuses linear leaves, which leaves would ignore,
// with [tree.ErrUnsupported].
//
// The range that leaves takes for zero is smaller than LightGBM's by the last bit of a
// float32: a value just within ±1e-35, missing to [tree.MissingZero], may go elsewhere.
func New(m *tree.Model, threads int) (*Predictor, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	for i := range m.Trees {
		for j := range m.Trees[i].Leaves {
			if m.Trees[i].Leaves[j].Linear != nil {
				return nil, fmt.Errorf("%w: linear leaves in leaves (tree %d)", tree.ErrUnsupported, i)
			}
		}
	}
	sums := *m
	sums.Link, sums.Average = tree.Link{}, false
	var text bytes.Buffer
	if err := tree.WriteLightGBM(&text, &sums); err != nil {
		return nil, err
	}
	e, err := leaves.LGEnsembleFromReader(bufio.NewReader(&text), false)
	if err != nil {
		return nil, pkg.Errorf("load model: %w", err)
	}
	p := &Predictor{m: m, ensemble: e, threads: threads}
	if m.Average {
		p.shares = make([]float64, m.Outputs)
		for i := range m.Trees {
			p.shares[m.Trees[i].Output]++
		}
		for i := range p.shares {
			p.shares[i] = max(p.shares[i], 1)
		}
	}
	return p, nil
}

// Predict is like [tree.Predictor.Predict], with the same shapes and errors.
func (p *Predictor) Predict(rows, out []float64) error {
	if err := p.PredictRaw(rows, out); err != nil {
		return err
	}
	for row := range slices.Chunk(out, p.m.Outputs) {
		p.m.Link.Apply(row)
	}
	return nil
}

// PredictRaw is like [tree.Predictor.PredictRaw], with the same bits.
func (p *Predictor) PredictRaw(rows, out []float64) error {
	k, f := p.m.Outputs, len(p.m.Features)
	n := len(out) / k
	if len(out)%k != 0 || len(rows) != n*f {
		return pkg.Errorf("predict: %d values in and %d out: want %d in and %d out a row", len(rows), len(out), f, k)
	}
	if err := p.ensemble.PredictDense(rows, n, f, out, 0, p.threads); err != nil {
		return pkg.Errorf("predict: %w", err)
	}
	if p.shares != nil {
		for i := range out {
			out[i] /= p.shares[i%k]
		}
	}
	return nil
}
