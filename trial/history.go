package trial

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial/pareto"
)

// A History gathers the records of one study and keeps the facts that follow from
// them. It is not safe for concurrent use, but its snapshots are. The zero value is
// the empty history of a study without a name.
type History struct {
	pool    space.Pool
	learnt  *space.Axis          // the pooled space that was learnt last
	spaces  map[*space.Axis]bool // recent pooled spaces that common and groups know
	groups  []group              // those of now, and where they come from
	waiting []Record             // by number; append-only but for its front
	running []Record             // by number; small
	state   map[int]State        // of trials that have not finished
	done    []uint64             // a bit for each finished number
	now     Snapshot             // all but its running trials
}

// NewHistory returns the empty history of a study.
func NewHistory(header Header) *History { return &History{now: Snapshot{header: header}} }

// Put adds r, or replaces the earlier record of its trial. Records may come more
// than once and late: Put ignores r if the trial has finished, or if it is running
// and r is waiting.
func (h *History) Put(r Record) {
	if h.state == nil {
		h.state, h.spaces = map[int]State{}, map[*space.Axis]bool{}
		h.now.lazy, h.now.names = &lazy{}, &names{at: map[string]int{}}
		h.now.best = -1
	}
	if h.finished(r.Number) {
		return
	}
	old, known := h.state[r.Number]
	if known && r.State < old {
		return
	}
	if known && old == Waiting && r.State != Waiting {
		h.waiting = without(h.waiting, r.Number)
	}
	if known && old == Running && r.State != Running {
		h.running = without(h.running, r.Number)
	}
	r.Params.Space = h.pool.Share(r.Params.Space)
	h.learn(r.Params.Space)
	switch {
	case r.State.Done():
		delete(h.state, r.Number)
		h.finish(r)
	case r.State == Waiting:
		h.state[r.Number] = Waiting
		h.waiting = with(h.waiting, r)
	default:
		h.state[r.Number] = Running
		h.running = with(h.running, r)
	}
}

// Snapshot returns a view of the history so far, which later calls of Put do not
// change. It costs O(1).
func (h *History) Snapshot() Snapshot {
	s := h.now
	s.finished, s.waiting, s.running = slices.Clip(s.finished), slices.Clip(h.waiting), slices.Clip(h.running)
	return s
}

func (h *History) finished(number int) bool {
	return number>>6 < len(h.done) && h.done[number>>6]>>(number&63)&1 == 1
}

func (h *History) finish(r Record) {
	for r.Number>>6 >= len(h.done) {
		h.done = append(h.done, 0)
	}
	h.done[r.Number>>6] |= 1 << (r.Number & 63)
	h.now.finished = append(h.now.finished, r)
	h.now.counts[r.State]++
	if r.Interrupted() {
		h.now.broken++
	}
	if r.State == Complete && h.now.horizon.after(r) {
		if last := r.LastStep(); last >= 0 {
			h.now.horizon = &horizon{r.Finished, r.Number, last}
		}
	}
	if r.State != Complete && r.State != Pruned {
		return
	}
	if h.now.better(r) {
		h.now.best = len(h.now.finished) - 1
	}
	h.relate(r.Params.Space, r.Number)
}

// relate takes the space of a complete or pruned trial into common and groups. A
// space that is known costs a look at each group.
func (h *History) relate(s space.Space, number int) {
	first := h.now.Evaluated() == 1
	if len(s) == 0 {
		h.now.common = nil
		return
	}
	from, changed := &s[0], false
	in := finder{space: s}
	if !h.spaces[from] {
		const most = 64 // if each trial has a space of its own, to remember them is of no use
		if len(h.spaces) == most {
			clear(h.spaces)
		}
		h.spaces[from] = true
		h.now.common = intersect(h.now.common, &in, first)
		h.groups = refine(h.groups, &in)
		changed = true
	}
	for k := range h.groups {
		changed = h.groups[k].update(&in, number) || changed
	}
	if !changed {
		return
	}
	h.now.groups = make([]space.Space, len(h.groups)) // snapshots share the old one
	for k, g := range h.groups {
		h.now.groups[k] = g.axes
	}
}

// A finder looks for axes in one space.
type finder struct {
	space space.Space
	index space.Finder
}

// axis returns the axis of a name, or nil.
func (f *finder) axis(name string) *space.Axis {
	if i := f.index.Index(f.space, name); i >= 0 {
		return &f.space[i]
	}
	return nil
}

// A group is parameters that occur in the same trials.
type group struct {
	axes   space.Space // by name
	number int         // the highest of these trials, which the distributions are from
	from   *space.Axis // its pooled space; of a group without a trial nil
}

// update gives g the distributions that a trial has, if it has g and a higher
// number. It reports whether one is new.
func (g *group) update(in *finder, number int) bool {
	if g.from != nil && number <= g.number || in.axis(g.axes[0].Name) == nil {
		return false
	}
	g.number = number
	if g.from == &in.space[0] {
		return false
	}
	g.from = &in.space[0]
	axes := make(space.Space, len(g.axes)) // snapshots share the old ones
	changed := false
	for i, a := range g.axes {
		axes[i] = *in.axis(a.Name)
		changed = changed || !space.Equal(a.Distribution, axes[i].Distribution)
	}
	if changed {
		g.axes = axes
	}
	return changed
}

// learn keeps the first axis seen under each name.
func (h *History) learn(s space.Space) {
	if len(s) == 0 || &s[0] == h.learnt {
		return
	}
	h.learnt = &s[0]
	h.now.names.mu.Lock()
	defer h.now.names.mu.Unlock()
	for _, a := range s {
		if _, ok := h.now.names.at[a.Name]; !ok {
			h.now.names.at[a.Name] = len(h.now.axes)
			h.now.axes = append(h.now.axes, a)
		}
	}
}

// names says where axes are by name. All snapshots of a history share it; to each
// of them, what is beyond its own axes is unknown.
type names struct {
	mu sync.RWMutex
	at map[string]int
}

// with returns rs, sorted by number, with r added or replaced.
func with(rs []Record, r Record) []Record {
	if len(rs) == 0 || rs[len(rs)-1].Number < r.Number {
		return append(rs, r)
	}
	i, found := find(rs, r.Number)
	rs = slices.Clone(rs)
	if found {
		rs[i] = r
		return rs
	}
	return slices.Insert(rs, i, r)
}

// without returns rs without the record of the given number.
func without(rs []Record, number int) []Record {
	i, found := find(rs, number)
	switch {
	case !found:
		return rs
	case i == 0:
		return rs[1:]
	}
	return slices.Delete(slices.Clone(rs), i, i+1)
}

func find(rs []Record, number int) (int, bool) {
	return slices.BinarySearchFunc(rs, number, func(r Record, n int) int { return cmp.Compare(r.Number, n) })
}

// intersect returns the axes that common and the space of a trial share, by name.
// The first space of all is taken whole.
func intersect(common space.Space, in *finder, first bool) space.Space {
	if first {
		return slices.SortedFunc(slices.Values(in.space), byName)
	}
	gone := func(a space.Axis) bool {
		b := in.axis(a.Name)
		return b == nil || !space.Equal(a.Distribution, b.Distribution)
	}
	if !slices.ContainsFunc(common, gone) {
		return common
	}
	return slices.DeleteFunc(slices.Clone(common), gone) // snapshots share the old one
}

// refine splits groups by whether their parameters occur in the space of a trial,
// and adds what is new in it as a group of its own. Groups are in order of their
// first names, whatever the order of the spaces.
func refine(groups []group, trial *finder) []group {
	var out []group
	known := map[string]bool{}
	for _, g := range groups {
		var in, rest space.Space
		for _, a := range g.axes {
			known[a.Name] = true
			if trial.axis(a.Name) != nil {
				in = append(in, a)
			} else {
				rest = append(rest, a)
			}
		}
		for _, part := range []space.Space{in, rest} {
			if len(part) > 0 {
				out = append(out, group{part, g.number, g.from})
			}
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(trial.space), func(a space.Axis) bool { return known[a.Name] })
	if len(fresh) > 0 {
		slices.SortFunc(fresh, byName)
		out = append(out, group{axes: fresh})
	}
	slices.SortFunc(out, func(a, b group) int { return cmp.Compare(a.axes[0].Name, b.axes[0].Name) })
	return out
}

func byName(a, b space.Axis) int { return cmp.Compare(a.Name, b.Name) }

// A Snapshot is an immutable view of a study, safe for concurrent use. The zero
// value is the view of an empty study.
type Snapshot struct {
	header   Header
	finished []Record
	waiting  []Record
	running  []Record
	counts   [Failed + 1]int // of finished trials
	broken   int             // of the failed ones, those that were interrupted
	best     int             // in finished; -1 if there is none
	common   space.Space
	groups   []space.Space
	axes     []space.Axis // the first under each name
	names    *names
	horizon  *horizon // nil if there is none
	scoped   any      // the key of the Scope it is; nil for all trials
	lazy     *lazy    // shared by all snapshots of one history
}

// horizon is what is known of the complete trial with reports that finished
// first.
type horizon struct {
	finished         time.Time
	number, lastStep int
}

// after reports whether r finished before h.
func (h *horizon) after(r Record) bool {
	return h == nil || cmp.Or(r.Finished.Compare(h.finished), cmp.Compare(r.Number, h.number)) < 0
}

// Header returns the header of the study, as it was given to [NewHistory].
func (s Snapshot) Header() Header { return s.header }

// Objectives returns the number of objectives, at least 1.
func (s Snapshot) Objectives() int { return s.header.Objectives() }

// Direction returns the direction of the i-th objective.
func (s Snapshot) Direction(i int) Direction { return s.header.Direction(i) }

// Len returns the number of finished trials.
func (s Snapshot) Len() int { return len(s.finished) }

// Count returns the number of trials in a state.
func (s Snapshot) Count(state State) int {
	switch state {
	case Waiting:
		return len(s.waiting)
	case Running:
		return len(s.running)
	}
	return s.counts[state]
}

// Evaluated returns the number of trials that are complete or pruned.
func (s Snapshot) Evaluated() int { return s.counts[Complete] + s.counts[Pruned] }

// Interrupted returns the number of failed trials for which [Record.Interrupted]
// holds. Count(Failed) includes them.
func (s Snapshot) Interrupted() int { return s.broken }

// All returns an iterator over the finished trials in order of finishing.
func (s Snapshot) All() iter.Seq[Record] { return s.Since(0) }

// Since returns an iterator over the finished trials from the n-th on, in order of
// finishing. A sampler that keeps an index remembers [Snapshot.Len], and next time
// reads only what is new; see [Snapshot.ID].
//
// What a sampler proposes must not depend on the order of finishing: a study that is
// read from a file may have another order.
func (s Snapshot) Since(n int) iter.Seq[Record] { return slices.Values(s.finished[n:]) }

// At returns the i-th finished trial in order of finishing, 0 <= i < Len(). Read only.
func (s Snapshot) At(i int) *Record { return &s.finished[i] }

// Running returns the trials that are being evaluated, sorted by number. Read only.
func (s Snapshot) Running() []Record { return s.running }

// Waiting returns the enqueued trials, sorted by number. Read only.
func (s Snapshot) Waiting() []Record { return s.waiting }

// Records returns all trials, in whatever state, sorted by number.
func (s Snapshot) Records() []Record {
	rs := slices.Concat(s.finished, s.running, s.waiting)
	slices.SortFunc(rs, func(a, b Record) int { return cmp.Compare(a.Number, b.Number) })
	return rs
}

// ID returns a comparable value that identifies the history: it is equal for two
// snapshots of one [History] and differs between histories. It is nil while the
// history is empty.
func (s Snapshot) ID() any {
	if s.lazy == nil {
		return nil
	}
	return s.lazy
}

// Axis returns the first axis with the given name that a trial in any state had. It
// is not ok if no trial had one.
func (s Snapshot) Axis(name string) (space.Axis, bool) {
	if s.names == nil {
		return space.Axis{}, false
	}
	s.names.mu.RLock()
	defer s.names.mu.RUnlock()
	if i, ok := s.names.at[name]; ok && i < len(s.axes) {
		return s.axes[i], true
	}
	return space.Axis{}, false
}

// Common returns the parameters that all complete and pruned trials have, with the
// same distribution in all of them, sorted by name. Read only.
func (s Snapshot) Common() space.Space { return s.common }

// Groups partitions the parameters of all complete and pruned trials: two are in one group if each of these trials has
// both or neither. Groups, and the parameters in each, are sorted by name. If a parameter has had several
// distributions, its axis has that of the trial with the highest number. Read only.
func (s Snapshot) Groups() []space.Space { return s.groups }

// Horizon returns the last step of the first complete trial that reported anything, or -1 if there is none. The first
// is the one that finished earliest; among equals it is the one with the lowest number. A pruner may take this as the
// length of a full evaluation if its user did not give one. Unlike the longest length so far, it never changes once it
// is known.
func (s Snapshot) Horizon() int {
	if s.horizon == nil {
		return -1
	}
	return s.horizon.lastStep
}

// Best returns the feasible complete trial with the best value, and among equals the one with the lowest number. It is
// not ok if there is none, or if the study has several objectives; see [Snapshot.Front].
func (s Snapshot) Best() (best Record, ok bool) {
	if s.lazy == nil || s.best < 0 {
		return Record{}, false
	}
	return s.finished[s.best], true
}

// better reports whether r is to be the best of s.
func (s *Snapshot) better(r Record) bool {
	if r.State != Complete || s.Objectives() != 1 || len(r.Values) != 1 || !r.Feasible() {
		return false
	}
	if s.best < 0 {
		return true
	}
	best := &s.finished[s.best]
	loss := s.Direction(0).Loss
	return cmp.Or(cmp.Compare(loss(r.Values[0]), loss(best.Values[0])), cmp.Compare(r.Number, best.Number)) < 0
}

// Front returns the Pareto front, sorted by number: the feasible complete trials that no other such trial dominates. If
// several trials have equal values, it contains all of them or none. With one objective it contains all trials with the
// best value. Each call computes it again, at the cost of [pareto.Ranks].
func (s Snapshot) Front() []Record {
	var candidates []int
	var losses [][]float64
	for i := range s.finished {
		r := &s.finished[i]
		if r.State == Complete && len(r.Values) == s.Objectives() && r.Feasible() {
			candidates = append(candidates, i)
			losses = append(losses, s.header.Losses(r.Values))
		}
	}
	front := pareto.Front(losses)
	out := make([]Record, len(front))
	for i, at := range front {
		out[i] = s.finished[candidates[at]]
	}
	slices.SortFunc(out, func(a, b Record) int { return cmp.Compare(a.Number, b.Number) })
	return out
}
