package bruteforce

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A node is the state after some parameters are decided: it has the next parameter, or records that a trial ended
// here.
type node struct {
	axis     *space.Axis // the next parameter; nil if no trial has one
	children map[float64]*node
	finished bool // a finished trial ended here
	running  bool // an unfinished one that will get no more parameters
	perhaps  bool // an unfinished one that may get more
}

// below is the weight of a leaf where a running trial may still get more parameters: so small that the leaf is only
// chosen if nothing else is left.
const below = 1e-9

// A count counts the remaining leaves with the given values.
type count struct {
	given map[string]float64
	asked map[string]bool // axes that are drawn now; a leaf must have all of them
}

// under returns the number of leaves below a value of n of the leaves below n that no
// trial has seen: those that differ in the axes that are drawn now.
func (c count) under(n *node, unseen float64) float64 {
	if c.asked[n.axis.Name] {
		return unseen / size(*n.axis)
	}
	return unseen
}

// leaves returns the approximate number of remaining leaves from n on; unseen is the number if no trial has been
// there.
func (c count) leaves(n *node, unseen float64) float64 {
	switch {
	case n == nil:
		return unseen
	case n.axis == nil && n.perhaps:
		return below
	case n.axis == nil && (n.finished || n.running):
		return 0
	case n.axis == nil:
		return unseen
	}
	values := n.axis.Distribution.Len()
	if x, ok := c.given[n.axis.Name]; ok {
		return c.leaves(n.children[x], unseen)
	}
	if values == 0 {
		return size(*n.axis)
	}
	unseen = c.under(n, unseen)
	sum := float64(values-len(n.children)) * unseen
	for _, x := range n.values() {
		sum += c.leaves(n.children[x], unseen)
	}
	return sum
}

// values returns the values of n that trials had, ascending.
func (n *node) values() []float64 { return slices.Sorted(maps.Keys(n.children)) }

// choose returns a value of n, with a probability in proportion to the remaining leaves below it. If none is left, it
// returns what draw does.
func (c count) choose(n *node, unseen float64, uniform, draw func() float64) float64 {
	d := n.axis.Distribution
	values := d.Len()
	if values == 0 {
		return draw()
	}
	unseen = c.under(n, unseen)
	seen := n.values()
	weights := make([]float64, len(seen))
	sum := float64(values-len(seen)) * unseen
	for i, x := range seen {
		weights[i] = c.leaves(n.children[x], unseen)
		sum += weights[i]
	}
	if sum == 0 {
		return draw()
	}
	u := uniform() * sum
	last := -1
	for i, w := range weights {
		if w > 0 {
			last = i
		}
		if u < w {
			return seen[i]
		}
		u -= w
	}
	if values == len(seen) {
		return seen[last] // rounding
	}
	// The i-th of the values that no trial had.
	taken := make([]int, 0, len(seen))
	for _, x := range seen {
		taken = append(taken, sort.Search(values-1, func(i int) bool { return d.At(i) >= x }))
	}
	i := min(int(u/unseen), values-len(seen)-1)
	i += sort.Search(len(taken), func(j int) bool { return taken[j]-j > i })
	return d.At(i)
}

// A tree has the paths of the trials of one history.
type tree struct {
	root *node
	axes map[string]space.Axis // as they are now
	sets map[string]bool       // names of the parameters that complete and pruned trials had together
	read int
}

// exhausted reports whether no leaf is left.
func (t *tree) exhausted() bool { return count{}.leaves(t.root, 1) == 0 }

// use updates t to h. Axes are as in the request or, if it lacks them, as in the first trial that has them.
func (t *tree) use(axes space.Space, h trial.Snapshot) {
	changed := func(a space.Axis) bool {
		known, ok := t.axes[a.Name]
		return ok && !space.Equal(known.Distribution, a.Distribution)
	}
	if t.root == nil || slices.ContainsFunc(axes, changed) {
		*t = tree{root: new(node), axes: map[string]space.Axis{}, sets: map[string]bool{}}
	}
	for _, a := range axes {
		t.axes[a.Name] = a
	}
	for ; t.read < h.Len(); t.read++ {
		r := h.At(t.read)
		if r.Interrupted() {
			continue
		}
		steps, ok := t.steps(r.Params, nil, h)
		if r.State != trial.Failed {
			t.sets[set(steps)] = true
		}
		if !ok || len(steps) == 0 {
			continue
		}
		end, arrived := t.walk(steps, func(func()) {})
		if arrived {
			end.finished = true
		}
	}
}

// A step is a parameter of a trial and its value.
type step struct {
	axis space.Axis
	x    float64
}

// set returns a name for the parameters of steps.
func set(steps []step) string {
	var names []string
	for _, s := range steps {
		names = append(names, s.axis.Name)
	}
	slices.Sort(names)
	return strings.Join(names, "\x00")
}

// axis returns the axis of a name as it is now.
func (t *tree) axis(name string, h trial.Snapshot) (space.Axis, bool) {
	a, ok := t.axes[name]
	if !ok {
		if a, ok = h.Axis(name); ok {
			t.axes[name] = a
		}
	}
	return a, ok
}

// steps returns the parameters of a trial that vary, first those that it has asked for. It
// returns false if a value lies outside of its present axis.
func (t *tree) steps(p space.Params, ahead []space.Setting, h trial.Snapshot) (steps []step, ok bool) {
	ok = true
	add := func(name string, literal func() space.Literal, same func(a space.Axis) (float64, bool)) {
		a, known := t.axis(name, h)
		if !known || a.Distribution.Len() == 1 {
			return
		}
		x, equal := same(a)
		if !equal {
			var err error
			if x, err = a.Distribution.Encode(literal()); err != nil {
				ok = false
			}
		}
		steps = append(steps, step{a, x})
	}
	for i, had := range p.Space {
		add(had.Name, func() space.Literal { return had.Distribution.Decode(p.Point[i]) }, func(a space.Axis) (float64, bool) {
			return p.Point[i], space.Equal(a.Distribution, had.Distribution)
		})
	}
	for _, s := range ahead {
		if p.Space.Index(s.Name) < 0 {
			add(s.Name, func() space.Literal { return s.Value }, func(space.Axis) (float64, bool) { return 0, false })
		}
	}
	return steps, ok
}

// walk follows steps from the root, in the order of the tree where it has one, and extends
// it where it has none. It passes a function that removes each extension to undo. It
// returns false if the tree continues with a parameter that the steps lack.
func (t *tree) walk(steps []step, undo func(func())) (end *node, arrived bool) {
	at := t.root
	for steps = slices.Clone(steps); len(steps) > 0; {
		if at.axis == nil {
			n, a := at, steps[0].axis
			n.axis = &a
			undo(func() { n.axis, n.children = nil, nil })
		}
		i := slices.IndexFunc(steps, func(s step) bool { return s.axis.Name == at.axis.Name })
		if i < 0 {
			return at, false
		}
		x := steps[i].x
		next := at.children[x]
		if next == nil {
			if at.children == nil {
				at.children = map[float64]*node{}
			}
			next = new(node)
			n := at
			n.children[x] = next
			undo(func() { delete(n.children, x) })
		}
		steps = slices.Delete(steps, i, i+1)
		at = next
	}
	return at, true
}

// look adds running and waiting trials, except the given one, until forget is called.
func (t *tree) look(h trial.Snapshot, but int) (forget func()) {
	var undos []func()
	undo := func(f func()) { undos = append(undos, f) }
	for _, rs := range [][]trial.Record{h.Running(), h.Waiting()} {
		for _, r := range rs {
			if r.Number == but {
				continue
			}
			steps, ok := t.steps(r.Params, append(append([]space.Setting{}, r.Proposed...), r.Fixed...), h)
			if !ok || len(steps) == 0 {
				continue
			}
			known := t.sets[set(steps)]
			if r.State == trial.Waiting && !known {
				continue // some values are fixed, and the others open
			}
			if end, arrived := t.walk(steps, undo); arrived {
				before := *end
				end.running, end.perhaps = end.running || known, !known
				undo(func() { end.running, end.perhaps = before.running, before.perhaps })
			}
		}
	}
	return func() {
		for _, f := range slices.Backward(undos) {
			f()
		}
	}
}
