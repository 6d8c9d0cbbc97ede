package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// savedFormat and savedVersion begin what Write writes; doc/format/tree.md describes it.
const (
	savedFormat  = "attune tree model"
	savedVersion = 1
)

// A savedModel is a [Model] as JSON. The nodes of a tree are columns, and what is
// the same in all of them, and nothing, is left out.
type savedModel struct {
	Format   string         `json:"format"`
	Version  int            `json:"version"`
	Features []savedFeature `json:"features"`
	Outputs  int            `json:"outputs"`
	Base     []float64      `json:"base,omitempty"`
	Average  bool           `json:"average,omitempty"`
	Float32  bool           `json:"float32,omitempty"`
	Link     string         `json:"link,omitempty"`
	Scale    float64        `json:"link_scale,omitempty"`
	Trees    []savedTree    `json:"trees"`
}

type savedFeature struct {
	Name        string `json:"name"`
	Categorical bool   `json:"categorical,omitempty"`
}

type savedTree struct {
	Output      int            `json:"output,omitempty"`
	Feature     []int          `json:"feature,omitempty"`
	Threshold   []savedNumber  `json:"threshold,omitempty"`
	Categories  [][]uint32     `json:"categories,omitempty"` // of categorical splits, in order: bit sets
	Categorical []bool         `json:"categorical,omitempty"`
	Missing     []Missing      `json:"missing,omitempty"`
	DefaultLeft []bool         `json:"default_left,omitempty"`
	Left        []int          `json:"left,omitempty"`
	Right       []int          `json:"right,omitempty"`
	Gain        []float64      `json:"gain,omitempty"`
	Weight      []float64      `json:"weight,omitempty"`
	Count       []int          `json:"count,omitempty"`
	Leaf        []float64      `json:"leaf"`
	LeafWeight  []float64      `json:"leaf_weight,omitempty"`
	LeafCount   []int          `json:"leaf_count,omitempty"`
	Linear      []*savedLinear `json:"linear,omitempty"`
}

type savedLinear struct {
	Const    float64   `json:"const"`
	Features []int     `json:"features"`
	Coefs    []float64 `json:"coefs"`
}

// A savedNumber may be infinite, as the string "inf" or "-inf".
type savedNumber float64

func (n savedNumber) MarshalJSON() ([]byte, error) {
	switch v := float64(n); {
	case math.IsInf(v, 1):
		return []byte(`"inf"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-inf"`), nil
	default:
		return json.Marshal(v)
	}
}

func (n *savedNumber) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case `"inf"`:
		*n = savedNumber(math.Inf(1))
	case `"-inf"`:
		*n = savedNumber(math.Inf(-1))
	default:
		return json.Unmarshal(text, (*float64)(n))
	}
	return nil
}

// columnOf returns what of gives for each of the items, or nil if that is zero for all.
func columnOf[T any, V comparable](items []T, of func(*T) V) []V {
	var zero V
	var out []V
	for i := range items {
		v := of(&items[i])
		if out == nil && v != zero {
			out = make([]V, len(items))
		}
		if out != nil {
			out[i] = v
		}
	}
	return out
}

// Write writes m as JSON, whatever it is: every bit of it is there when [Read] reads
// it again. It fails with [ErrInvalid] for an invalid model.
func Write(w io.Writer, m *Model) error {
	if err := m.Validate(); err != nil {
		return err
	}
	s := savedModel{Format: savedFormat, Version: savedVersion, Outputs: m.Outputs, Base: m.Base, Average: m.Average, Float32: m.Float32,
		Scale: m.Link.Scale, Features: []savedFeature{}, Trees: []savedTree{}}
	if m.Link.Func != Identity {
		s.Link = m.Link.Func.String()
	}
	for _, f := range m.Features {
		s.Features = append(s.Features, savedFeature{f.Name, f.Kind == Categorical})
	}
	for _, t := range m.Trees {
		saved := savedTree{
			Output:      t.Output,
			Feature:     make([]int, len(t.Nodes)),
			Threshold:   make([]savedNumber, len(t.Nodes)),
			Categorical: columnOf(t.Nodes, func(n *Node) bool { return n.Categorical() }),
			Missing:     columnOf(t.Nodes, func(n *Node) Missing { return n.Missing }),
			DefaultLeft: columnOf(t.Nodes, func(n *Node) bool { return n.DefaultLeft }),
			Left:        make([]int, len(t.Nodes)),
			Right:       make([]int, len(t.Nodes)),
			Gain:        columnOf(t.Nodes, func(n *Node) float64 { return n.Gain }),
			Weight:      columnOf(t.Nodes, func(n *Node) float64 { return n.Weight }),
			Count:       columnOf(t.Nodes, func(n *Node) int { return n.Count }),
			LeafWeight:  columnOf(t.Leaves, func(l *Leaf) float64 { return l.Weight }),
			LeafCount:   columnOf(t.Leaves, func(l *Leaf) int { return l.Count }),
		}
		for i, n := range t.Nodes {
			saved.Feature[i], saved.Threshold[i], saved.Left[i], saved.Right[i] = n.Feature, savedNumber(n.Threshold), n.Left, n.Right
			if n.Categorical() {
				saved.Threshold[i] = 0
				saved.Categories = append(saved.Categories, n.Categories)
			}
		}
		for i, l := range t.Leaves {
			saved.Leaf = append(saved.Leaf, l.Value)
			if l.Linear != nil {
				if saved.Linear == nil {
					saved.Linear = make([]*savedLinear, len(t.Leaves))
				}
				saved.Linear[i] = (*savedLinear)(l.Linear)
			}
		}
		s.Trees = append(s.Trees, saved)
	}
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("tree: write: %w", err)
	}
	if _, err := w.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("tree: write: %w", err)
	}
	return nil
}

// isSaved reports whether data begins as what Write writes does.
func isSaved(data []byte) bool { return bytes.HasPrefix(data, []byte(`{"format":"`+savedFormat+`"`)) }

// parseSaved reads what Write wrote.
func parseSaved(data []byte) (*Model, error) {
	var s savedModel
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%w: attune JSON: %w", ErrFormat, err)
	}
	if s.Version != savedVersion {
		return nil, unsupported("attune JSON of version %d: this is a reader of version %d", s.Version, savedVersion)
	}
	m := &Model{Outputs: s.Outputs, Base: s.Base, Average: s.Average, Float32: s.Float32, Link: Link{Scale: s.Scale}}
	if s.Link != "" {
		for m.Link.Func.String() != s.Link {
			if m.Link.Func++; m.Link.Func > Anomaly {
				return nil, fmt.Errorf("%w: attune JSON: link %q", ErrFormat, s.Link)
			}
		}
	}
	for _, f := range s.Features {
		kind := Numeric
		if f.Categorical {
			kind = Categorical
		}
		m.Features = append(m.Features, Feature{f.Name, kind})
	}
	for i, t := range s.Trees {
		n, leaves := len(t.Feature), len(t.Leaf)
		fits := func(have, want int) bool { return have == 0 || have == want }
		if len(t.Threshold) != n || len(t.Left) != n || len(t.Right) != n || !fits(len(t.Categorical), n) || !fits(len(t.Missing), n) ||
			!fits(len(t.DefaultLeft), n) || !fits(len(t.Gain), n) || !fits(len(t.Weight), n) || !fits(len(t.Count), n) ||
			!fits(len(t.LeafWeight), leaves) || !fits(len(t.LeafCount), leaves) || !fits(len(t.Linear), leaves) {
			return nil, fmt.Errorf("%w: attune JSON: tree %d: columns of different lengths", ErrFormat, i)
		}
		out := Tree{Output: t.Output, Nodes: make([]Node, n), Leaves: make([]Leaf, leaves)}
		for k := range out.Nodes {
			node := &out.Nodes[k]
			*node = Node{Feature: t.Feature[k], Threshold: float64(t.Threshold[k]), Left: t.Left[k], Right: t.Right[k],
				Missing: at(t.Missing, k), DefaultLeft: at(t.DefaultLeft, k), Gain: at(t.Gain, k), Weight: at(t.Weight, k), Count: at(t.Count, k)}
			if at(t.Categorical, k) {
				if len(t.Categories) == 0 {
					return nil, fmt.Errorf("%w: attune JSON: tree %d: fewer sets of categories than categorical splits", ErrFormat, i)
				}
				node.Categories, t.Categories = t.Categories[0], t.Categories[1:]
			}
		}
		for k := range out.Leaves {
			out.Leaves[k] = Leaf{Value: t.Leaf[k], Weight: at(t.LeafWeight, k), Count: at(t.LeafCount, k), Linear: (*Linear)(at(t.Linear, k))}
		}
		m.Trees = append(m.Trees, out)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("attune JSON: %w", err)
	}
	return m, nil
}

// at returns v[i], or zero of a column that was left out.
func at[T any](v []T, i int) T {
	var zero T
	if len(v) == 0 {
		return zero
	}
	return v[i]
}
