package tree

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
)

// savedFormat and savedVersion begin every file of Write; see doc/format/tree.md.
const (
	savedFormat  = "attune tree model"
	savedVersion = 1
)

// A savedModel is a [Model] as JSON. The nodes of a tree are stored as columns. A column
// of zero values is left out.
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

// A savedNumber may be infinite; JSON then has the string "inf" or "-inf".
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

// columnOf returns of(item) for each item, or nil if all are zero.
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

// Write writes m as JSON. [Read] restores every bit of it. Write fails with [ErrInvalid]
// for an invalid model.
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
		s.Features = append(s.Features, savedFeature{string([]rune(f.Name)), f.Kind == Categorical}) // replaces invalid UTF-8 as JSON does
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
		return pkg.Errorf("write: %w", err)
	}
	if _, err := w.Write(append(data, '\n')); err != nil {
		return pkg.Errorf("write: %w", err)
	}
	return nil
}

// isSaved reports whether data begins like a file of Write.
func isSaved(data []byte) bool { return bytes.HasPrefix(data, []byte(`{"format":"`+savedFormat+`"`)) }

// parseSaved reads what Write wrote.
func parseSaved(data []byte) (*Model, error) {
	p := &savedParser{jsonParser{data: data}}
	s, err := p.model()
	if err == nil {
		if p.next(); p.at < len(data) {
			err = p.unexpected()
		}
	}
	if err != nil {
		return nil, pkg.Errorf("%w: attune JSON: at byte %d: %w", ErrFormat, p.at, err)
	}
	if s.Version != savedVersion {
		return nil, unsupported("attune JSON of version %d: this is a reader of version %d", s.Version, savedVersion)
	}
	m := &Model{Outputs: s.Outputs, Base: s.Base, Average: s.Average, Float32: s.Float32, Link: Link{Scale: s.Scale}}
	if s.Link != "" {
		for m.Link.Func.String() != s.Link {
			if m.Link.Func++; m.Link.Func > MeanVariance {
				return nil, pkg.Errorf("%w: attune JSON: link %q", ErrFormat, s.Link)
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
	m.Trees = make([]Tree, 0, len(s.Trees))
	for i := range s.Trees {
		t := &s.Trees[i]
		n, leaves := len(t.Feature), len(t.Leaf)
		fits := func(have, want int) bool { return have == 0 || have == want }
		if len(t.Threshold) != n || len(t.Left) != n || len(t.Right) != n || !fits(len(t.Categorical), n) || !fits(len(t.Missing), n) ||
			!fits(len(t.DefaultLeft), n) || !fits(len(t.Gain), n) || !fits(len(t.Weight), n) || !fits(len(t.Count), n) ||
			!fits(len(t.LeafWeight), leaves) || !fits(len(t.LeafCount), leaves) || !fits(len(t.Linear), leaves) {
			return nil, pkg.Errorf("%w: attune JSON: tree %d: columns of different lengths", ErrFormat, i)
		}
		out := Tree{Output: t.Output, Nodes: make([]Node, n), Leaves: make([]Leaf, leaves)}
		for k := range out.Nodes {
			node := &out.Nodes[k]
			*node = Node{Feature: t.Feature[k], Threshold: float64(t.Threshold[k]), Left: t.Left[k], Right: t.Right[k],
				Missing: at(t.Missing, k), DefaultLeft: at(t.DefaultLeft, k), Gain: at(t.Gain, k), Weight: at(t.Weight, k), Count: at(t.Count, k)}
			if at(t.Categorical, k) {
				if len(t.Categories) == 0 {
					return nil, pkg.Errorf("%w: attune JSON: tree %d: fewer sets of categories than categorical splits", ErrFormat, i)
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

// at returns v[i], or zero if the column was left out.
func at[T any](v []T, i int) T {
	var zero T
	if len(v) == 0 {
		return zero
	}
	return v[i]
}

// A savedParser reads the JSON of a savedModel. It is as strict about numbers as
// encoding/json, and skips unknown members.
type savedParser struct{ jsonParser }

func (p *savedParser) model() (s savedModel, err error) {
	err = p.object(func(key string) (err error) {
		switch key {
		case "version":
			s.Version, err = p.int()
		case "features":
			s.Features, err = listOf(p, p.feature)
		case "outputs":
			s.Outputs, err = p.int()
		case "base":
			s.Base, err = listOf(p, p.float)
		case "average":
			s.Average, err = p.bool()
		case "float32":
			s.Float32, err = p.bool()
		case "link":
			p.space()
			s.Link, err = p.str()
		case "link_scale":
			s.Scale, err = p.float()
		case "trees":
			s.Trees, err = listOf(p, p.tree)
		default:
			_, err = p.value(0)
		}
		return err
	})
	return s, err
}

func (p *savedParser) feature() (f savedFeature, err error) {
	err = p.object(func(key string) (err error) {
		switch key {
		case "name":
			p.space()
			f.Name, err = p.str()
		case "categorical":
			f.Categorical, err = p.bool()
		default:
			_, err = p.value(0)
		}
		return err
	})
	return f, err
}

func (p *savedParser) tree() (t savedTree, err error) {
	err = p.object(func(key string) (err error) {
		switch key {
		case "output":
			t.Output, err = p.int()
		case "feature":
			t.Feature, err = listOf(p, p.int)
		case "threshold":
			t.Threshold, err = listOf(p, p.threshold)
		case "categories":
			t.Categories, err = listOf(p, func() ([]uint32, error) { return listOf(p, p.word) })
		case "categorical":
			t.Categorical, err = listOf(p, p.bool)
		case "missing":
			t.Missing, err = p.missing()
		case "default_left":
			t.DefaultLeft, err = listOf(p, p.bool)
		case "left":
			t.Left, err = listOf(p, p.int)
		case "right":
			t.Right, err = listOf(p, p.int)
		case "gain":
			t.Gain, err = listOf(p, p.float)
		case "weight":
			t.Weight, err = listOf(p, p.float)
		case "count":
			t.Count, err = listOf(p, p.int)
		case "leaf":
			t.Leaf, err = listOf(p, p.float)
		case "leaf_weight":
			t.LeafWeight, err = listOf(p, p.float)
		case "leaf_count":
			t.LeafCount, err = listOf(p, p.int)
		case "linear":
			t.Linear, err = listOf(p, p.linear)
		default:
			_, err = p.value(0)
		}
		return err
	})
	return t, err
}

func (p *savedParser) linear() (*savedLinear, error) {
	if p.skip("null") {
		return nil, nil
	}
	l := &savedLinear{}
	return l, p.object(func(key string) (err error) {
		switch key {
		case "const":
			l.Const, err = p.float()
		case "features":
			l.Features, err = listOf(p, p.int)
		case "coefs":
			l.Coefs, err = listOf(p, p.float)
		default:
			_, err = p.value(0)
		}
		return err
	})
}

// listOf reads an array, or null as an empty one.
func listOf[T any](p *savedParser, element func() (T, error)) (list []T, err error) {
	if p.next(); p.skip("null") {
		return nil, nil
	}
	err = p.array(func() error {
		x, err := element()
		if list == nil {
			switch any(x).(type) {
			case int, float64, savedNumber, uint32: // of others, the commas are not all between them
				list = make([]T, 0, p.commas()+1)
			}
		}
		list = append(list, x)
		return err
	})
	if list == nil {
		list = []T{}
	}
	return list, err
}

// skip reports whether text comes next, and skips it if so.
func (p *savedParser) skip(text string) bool {
	if !bytes.HasPrefix(p.data[p.at:], []byte(text)) {
		return false
	}
	p.at += len(text)
	return true
}

func (p *savedParser) bool() (bool, error) {
	switch p.next(); {
	case p.skip("true"):
		return true, nil
	case p.skip("false"):
		return false, nil
	}
	return false, p.unexpected()
}

func (p *savedParser) float() (float64, error) {
	if x, n := short(p.ahead()); n > 0 {
		p.at += n
		return x, nil
	}
	t, err := p.numeral()
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseFloat(string(t), 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is out of range", t)
	}
	p.at += len(t)
	return x, nil
}

// threshold reads a number that may be infinite.
func (p *savedParser) threshold() (savedNumber, error) {
	switch {
	case p.next() != '"':
	case p.skip(`"inf"`):
		return savedNumber(math.Inf(1)), nil
	case p.skip(`"-inf"`):
		return savedNumber(math.Inf(-1)), nil
	}
	x, err := p.float()
	return savedNumber(x), err
}

func (p *savedParser) int() (int, error) {
	// Most are short and not negative.
	n, ahead := 0, p.ahead()
	for i, c := range ahead[:min(len(ahead), 10)] {
		if c >= '0' && c <= '9' {
			n = n*10 + int(c-'0')
			continue
		}
		if i > 0 && (c == ',' || c == ']' || c == '}') {
			p.at += i
			return n, nil
		}
		break
	}
	t, err := p.numeral()
	if err != nil {
		return 0, err
	}
	n, err = strconv.Atoi(string(t))
	if err != nil {
		return 0, fmt.Errorf("want a whole number, have %.40q", t)
	}
	p.at += len(t)
	return n, nil
}

func (p *savedParser) word() (uint32, error) {
	t, err := p.numeral()
	if err != nil {
		return 0, err
	}
	n, err := parseWord(string(t))
	if err != nil {
		return 0, fmt.Errorf("want a number of 32 bits, have %.40q", t)
	}
	p.at += len(t)
	return n, nil
}

// missing reads a byte slice, which JSON holds as base64.
func (p *savedParser) missing() ([]Missing, error) {
	if p.next(); p.skip("null") {
		return nil, nil
	}
	at := p.at
	text, err := p.str()
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		p.at = at
		return nil, err
	}
	list := make([]Missing, len(raw))
	for i, b := range raw {
		list[i] = Missing(b)
	}
	return list, nil
}

// ahead returns the rest of the input, or nothing if it begins with a number that is not
// valid JSON.
func (p *savedParser) ahead() []byte {
	p.next()
	rest := p.data[p.at:]
	digits := rest
	if len(rest) > 0 && rest[0] == '-' {
		digits = rest[1:]
	}
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return nil
	}
	return rest
}

// numeral returns the next token if it is a valid JSON number.
func (p *savedParser) numeral() ([]byte, error) {
	p.next()
	t := p.token()
	rest := bytes.TrimPrefix(t, []byte("-"))
	digits := func() (n int) {
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		rest = rest[n:]
		return n
	}
	zero := len(rest) > 0 && rest[0] == '0'
	n := digits()
	ok := n == 1 || n > 1 && !zero
	if len(rest) > 0 && rest[0] == '.' {
		rest = rest[1:]
		ok = digits() > 0 && ok
	}
	if len(rest) > 0 && rest[0]|' ' == 'e' {
		if rest = rest[1:]; len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		ok = digits() > 0 && ok
	}
	if !ok || len(rest) > 0 {
		return nil, p.unexpected()
	}
	return t, nil
}
