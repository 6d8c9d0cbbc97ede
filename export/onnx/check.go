package onnx

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// Check reports the first fault of m and its place, wrapping [ErrInvalid]. It also finds faults that ONNX Runtime
// accepts, or only reports when the model runs:
//
//   - names that are used before they are set, or set twice, and outputs that are never set;
//   - operators whose domain is not imported, or that are newer than the imported version or withdrawn in it;
//   - tensors whose data do not match their dimensions;
//   - types and dimensions that do not fit together, and declared ones that differ from the inferred ones, as far as
//     these are known;
//   - trees with nodes out of range, with cycles, with more than 5,000 levels, with a feature or a target that does
//     not exist, or with lists of different lengths;
//   - duplicate attributes and metadata, and texts that are not UTF-8.
func (m *Model) Check() error {
	if err := m.check(); err != nil {
		return pkg.Errorf("check: %w: %w", ErrInvalid, err)
	}
	return nil
}

func (m *Model) check() error {
	if m.IR < 3 || m.IR > newestIR {
		return fmt.Errorf("IR version %d, not in 3..%d", m.IR, newestIR)
	}
	if err := texts("the model", m.Producer, m.ProducerVersion, m.Domain, m.Doc); err != nil {
		return err
	}
	domains := map[string]bool{}
	for _, o := range m.Opsets {
		domain := o.Domain
		if sameDomain(domain, Standard) {
			domain = Standard
		}
		if domains[domain] {
			return fmt.Errorf("domain %q is imported twice", o.Domain)
		}
		domains[domain] = true
		newest := int64(1 << 31)
		switch {
		case sameDomain(o.Domain, Standard):
			newest = newestOpset
		case o.Domain == ML:
			newest = newestML
		case o.Domain == Microsoft:
			newest = newestMS
		}
		if o.Version < 1 || o.Version > newest {
			return fmt.Errorf("version %d of domain %q, not in 1..%d", o.Version, o.Domain, newest)
		}
	}
	keys := map[string]bool{}
	for _, p := range m.Metadata {
		if keys[p.Key] || p.Key == "" {
			return fmt.Errorf("metadata: key %q is empty or there twice", p.Key)
		}
		keys[p.Key] = true
		if err := texts("metadata "+p.Key, p.Key, p.Value); err != nil {
			return err
		}
	}
	c := checker{m: m, known: map[string]fact{}}
	return c.graph(&m.Graph)
}

func texts(where string, ss ...string) error {
	for _, s := range ss {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%s: the text %q is not UTF-8", where, s)
		}
	}
	return nil
}

type checker struct {
	m     *Model
	known map[string]fact // values set so far
}

func (c *checker) graph(g *Graph) error {
	if g.Name == "" {
		return errors.New("the graph has no name")
	}
	if err := texts("the graph", g.Name, g.Doc); err != nil {
		return err
	}
	for i, v := range g.Inputs {
		if err := v.check(); err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
		if err := c.set(v.Name, fact{v.Type, v.Dims, nil}); err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
	}
	defaults := map[string]bool{}
	for i := range g.Initializers {
		t := &g.Initializers[i]
		if err := t.check(); err != nil {
			return fmt.Errorf("initializer %d (%q): %w", i, t.Name, err)
		}
		if in, ok := c.known[t.Name]; ok && in.value == nil && !defaults[t.Name] { // default of an input, which may be overridden
			defaults[t.Name] = true
			if err := agree(factOf(t), ValueInfo{Type: in.typ, Dims: in.dims}); err != nil {
				return fmt.Errorf("initializer %d (%q): %w", i, t.Name, err)
			}
			continue
		}
		if err := c.set(t.Name, factOf(t)); err != nil {
			return fmt.Errorf("initializer %d: %w", i, err)
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if err := c.node(n); err != nil {
			return fmt.Errorf("node %d (%s %q): %w", i, n.Op, n.Name, err)
		}
	}
	if len(g.Outputs) == 0 {
		return errors.New("the graph has no outputs")
	}
	if err := c.declared("output", g.Outputs); err != nil {
		return err
	}
	return c.declared("value", g.Values)
}

// declared compares the declared types and dimensions of values with the inferred ones.
func (c *checker) declared(what string, values []ValueInfo) error {
	seen := map[string]bool{}
	for i, v := range values {
		if err := v.check(); err != nil {
			return fmt.Errorf("%s %d: %w", what, i, err)
		}
		f, ok := c.known[v.Name]
		switch {
		case !ok:
			return fmt.Errorf("%s %d (%q): nothing sets it", what, i, v.Name)
		case seen[v.Name]:
			return fmt.Errorf("%s %d (%q): it is duplicated", what, i, v.Name)
		}
		seen[v.Name] = true
		if err := agree(f, v); err != nil {
			return fmt.Errorf("%s %d (%q): %w", what, i, v.Name, err)
		}
	}
	return nil
}

func (v *ValueInfo) check() error {
	if v.Type.size() == 0 && v.Type != Texts {
		return fmt.Errorf("(%q): elements of unknown type %v", v.Name, v.Type)
	}
	for _, d := range v.Dims {
		if err := texts(v.Name, d.Name); err != nil {
			return err
		}
	}
	return texts(v.Name, v.Doc)
}

// agree compares the inferred type and dimensions of a value with the declared ones.
func agree(f fact, v ValueInfo) error {
	if f.typ != 0 && f.typ != v.Type {
		return fmt.Errorf("elements are declared to be %v, and are %v", v.Type, f.typ)
	}
	if !f.ranked() || v.Dims == nil {
		return nil
	}
	if len(f.dims) != len(v.Dims) {
		return fmt.Errorf("dimensions are declared to be %v, and are %v", v.Dims, f.dims)
	}
	for i, d := range v.Dims {
		if d.known() && f.dims[i].known() && d != f.dims[i] {
			return fmt.Errorf("dimensions are declared to be %v, and are %v", v.Dims, f.dims)
		}
	}
	return nil
}

// set notes a value, once.
func (c *checker) set(name string, f fact) error {
	if name == "" {
		return errors.New("it has no name")
	}
	if err := texts("name", name); err != nil {
		return err
	}
	if _, ok := c.known[name]; ok {
		return fmt.Errorf("the name %q is taken", name)
	}
	c.known[name] = f
	return nil
}

func (c *checker) node(n *Node) error {
	if err := c.operator(n); err != nil {
		return err
	}
	if err := texts("node", n.Name, n.Doc); err != nil {
		return err
	}
	attrs := map[string]bool{}
	for _, a := range n.Attrs {
		if a.Value == nil {
			return fmt.Errorf("attribute %s: it has no value", a.Name)
		}
		if attrs[a.Name] {
			return fmt.Errorf("attribute %s: it is duplicated", a.Name)
		}
		attrs[a.Name] = true
		if err := texts("attribute", a.Name); err != nil {
			return err
		}
		if t, ok := a.Value.(Tensor); ok {
			if err := t.check(); err != nil {
				return fmt.Errorf("attribute %s: %w", a.Name, err)
			}
		}
	}
	for _, a := range n.Attrs {
		if g, ok := a.Value.(Graph); ok {
			inner := checker{m: c.m, known: maps.Clone(c.known)}
			if err := inner.graph(&g); err != nil {
				return fmt.Errorf("attribute %s: %w", a.Name, err)
			}
		}
	}
	in := make([]fact, len(n.Inputs))
	for i, name := range n.Inputs {
		f, ok := c.known[name]
		if !ok && name != "" {
			return fmt.Errorf("input %d (%q): nothing before it sets it", i, name)
		}
		in[i] = f
	}
	out, err := infer(n, in)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(n.Outputs, func(name string) bool { return name != "" }) {
		return errors.New("it has no outputs")
	}
	for i, name := range n.Outputs {
		if name == "" {
			continue // an omitted output
		}
		if err := c.set(name, out[i]); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

// operator checks whether the model may use a node's operator.
func (c *checker) operator(n *Node) error {
	version := c.m.Opset(n.Domain)
	if version == 0 {
		return fmt.Errorf("domain %q is not imported", n.Domain)
	}
	domain := n.Domain
	if sameDomain(domain, Standard) {
		domain = Standard
	}
	known, ok := since[domain]
	if !ok {
		return nil // another's domain
	}
	first, ok := known[n.Op]
	switch last := until[domain][n.Op]; {
	case !ok:
		return fmt.Errorf("domain %q has no such operator up to version %d", n.Domain, version)
	case first > version:
		return fmt.Errorf("the operator came with version %d, and the model imports %d", first, version)
	case last > 0 && last <= version:
		return fmt.Errorf("the operator was withdrawn with version %d, and the model imports %d", last, version)
	}
	return nil
}
