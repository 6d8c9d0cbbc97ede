package grid

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// none stands for a parameter that a trial has no value for, or one that is not
// on the grid.
const none = -1

// taken has the points of a grid that the finished trials of one history have visited, by position in the order of
// visiting.
type taken struct {
	*Sampler
	coords []coordinates // of each value, in the distribution last seen
	read   int           // finished trials taken in
	points []int32       // by position
	pos    []int32       // the inverse of points
	bits   []uint64
	count  int
}

// of prepares a zero t for g.
func (t *taken) of(g *Sampler) {
	if t.Sampler == nil {
		*t = taken{Sampler: g, coords: make([]coordinates, len(g.names))}
	}
}

// coordinates are those of the values of a parameter in a distribution.
type coordinates struct {
	in  space.Distribution
	x   []float64 // NaN for a value outside
	err error     // if some value is outside, or the same as another
}

// encode returns the coordinates in d of the values of the k-th parameter.
func (t *taken) encode(k int, d space.Distribution) coordinates {
	c := &t.coords[k]
	if c.in != nil && space.Equal(c.in, d) {
		return *c
	}
	*c = coordinates{in: d}
	first := map[float64]space.Literal{}
	for _, v := range t.values[k] {
		x, err := d.Encode(v)
		if same, ok := first[x]; ok && err == nil {
			err = fmt.Errorf("%w: %s and %s are the same value: name it once", sampler.ErrInvalid, same, v)
		} else if err != nil {
			x = math.NaN()
		}
		c.err = cmp.Or(c.err, err)
		c.x, first[x] = append(c.x, x), v
	}
	return *c
}

func (t *taken) sample(r sampler.Request) (sampler.Proposal, error) {
	if err := t.check(r.Space); err != nil {
		return sampler.Proposal{}, err
	}
	fixed, onGrid := t.match(r.Given)
	pos, ok := t.choose(r, fixed)
	if !ok {
		return sampler.Proposal{}, pkg.Errorf("trial %d: %w", r.Number, sampler.ErrExhausted)
	}
	p := t.points[pos]
	out := sampler.Proposal{Point: t.at(p, r.Space)}
	if onGrid { // otherwise it is not a point of the grid
		out.Notes = trial.Attrs{{Key: "search_space", JSON: t.search}, {Key: "grid_id", JSON: fmt.Sprint(t.optuna().ids[p])}}
	}
	return out, nil
}

// at returns the coordinates of point p in s.
func (t *taken) at(p int32, s space.Space) []float64 {
	point := make([]float64, len(s))
	for i, a := range s {
		k, _ := slices.BinarySearch(t.names, a.Name)
		point[i] = t.encode(k, a.Distribution).x[t.value(int(p), k)]
	}
	return point
}

// check returns an error if s has a parameter that the grid does not fit.
func (t *taken) check(s space.Space) error {
	for _, a := range s {
		k, ok := slices.BinarySearch(t.names, a.Name)
		if !ok {
			return pkg.Errorf("parameter %q: %w: the grid has no values for it: name some, or fix it", a.Name, sampler.ErrInvalid)
		}
		if err := t.encode(k, a.Distribution).err; err != nil {
			return pkg.Errorf("parameter %q: %w", a.Name, err)
		}
	}
	return nil
}

// choose returns the position, in the order of visiting, of the point for r: the position with the trial's number if
// it is free, otherwise a remaining one.
func (t *taken) choose(r sampler.Request, fixed []int) (pos int, ok bool) {
	left, restore := t.survey(r.History, r.Number)
	defer restore()
	if left == 0 {
		return 0, false
	}
	start := r.Number
	if start >= t.size || t.has(start) {
		start = t.free(r.Number % left)
	}
	// Parameters drawn one by one get the values of one point, since each of these
	// draws starts here and stops at the first point that agrees with those before.
	for i := range t.size {
		pos := (start + i) % t.size
		if p := t.points[pos]; !t.has(pos) && t.agrees(int(p), fixed) && t.meets(int(p), r) {
			return pos, true
		}
	}
	return 0, false
}

func (t *taken) exhausted(s space.Space, h trial.Snapshot) bool {
	left, restore := t.survey(h, -1)
	defer restore()
	for pos := 0; left > 0; pos++ {
		if t.has(pos) {
			continue
		}
		if t.within(int(t.points[pos]), s) {
			return false
		}
		left--
	}
	return true
}

// meets reports whether point p meets the constraints of r, together with the given parameters, the requested ones,
// and those that will exist later.
func (t *taken) meets(p int, r sampler.Request) bool {
	if len(r.Constraints) == 0 {
		return true
	}
	values := t.settings(p, slices.Concat(r.Space, r.Later), r.Given.Settings())
	return !slices.ContainsFunc(r.Constraints, func(c space.Constraint) bool { return !c.Holds(values) })
}

// settings returns given and, of point p, the values of the parameters of s that exist.
func (t *taken) settings(p int, s space.Space, given space.Settings) space.Settings {
	for _, a := range s {
		if k, ok := slices.BinarySearch(t.names, a.Name); ok && a.Exists(given) {
			given = append(given, space.Setting{Name: a.Name, Value: t.values[k][t.value(p, k)]})
		}
	}
	return given
}

// within reports whether point p lies in s and meets its constraints.
func (t *taken) within(p int, s space.Space) bool {
	if len(s.Constraints()) > 0 && s.Meets(t.settings(p, s, nil)) != nil {
		return false
	}
	for k, name := range t.names {
		if i := s.Index(name); i >= 0 && math.IsNaN(t.encode(k, s[i].Distribution).x[t.value(p, k)]) {
			return false
		}
	}
	return true
}

func (t *taken) has(pos int) bool { return t.bits[pos>>6]>>(pos&63)&1 == 1 }

// set marks a position as taken, and reports whether it was free.
func (t *taken) set(pos int) bool {
	if t.has(pos) {
		return false
	}
	t.bits[pos>>6] |= 1 << (pos & 63)
	t.count++
	return true
}

func (t *taken) unset(pos int) {
	t.bits[pos>>6] &^= 1 << (pos & 63)
	t.count--
}

// free returns the i-th position that is not taken.
func (t *taken) free(i int) int {
	for w, word := range t.bits {
		n := bits.OnesCount64(^word)
		if i >= n {
			i -= n
			continue
		}
		for word = ^word; i > 0; i-- {
			word &= word - 1
		}
		return w<<6 + bits.TrailingZeros64(word)
	}
	panic("grid: nothing is free")
}

// survey updates t to h, including the points of unfinished trials other than the given one, and returns the number
// of remaining points. restore removes the points of unfinished trials.
func (t *taken) survey(h trial.Snapshot, but int) (left int, restore func()) {
	if t.points == nil {
		t.points, t.pos = t.shuffled(h.Header().Seed), make([]int32, t.size)
		for pos, p := range t.points {
			t.pos[p] = int32(pos)
		}
		t.bits = make([]uint64, (t.size+63)/64)
	}
	for ; t.read < h.Len(); t.read++ {
		t.visits(*h.At(t.read), h, func(p int) { t.set(int(t.pos[p])) })
	}
	var pending []int
	for _, rs := range [][]trial.Record{h.Running(), h.Waiting()} {
		for _, r := range rs {
			if r.Number != but {
				t.visits(r, h, func(p int) {
					if pos := int(t.pos[p]); t.set(pos) {
						pending = append(pending, pos)
					}
				})
			}
		}
	}
	return t.size - t.count, func() {
		for _, pos := range pending {
			t.unset(pos)
		}
	}
}

// visits calls yield for the points that a trial visits.
func (t *taken) visits(r trial.Record, h trial.Snapshot, yield func(point int)) {
	values, onGrid := t.match(r.Params)
	for _, settings := range [][]space.Setting{r.Proposed, r.Fixed} {
		for _, s := range settings {
			k, known := slices.BinarySearch(t.names, s.Name)
			if r.State.Done() || !known || values[k] != none {
				continue
			}
			values[k] = slices.Index(t.values[k], s.Value)
			if a, ok := h.Axis(s.Name); ok {
				x, err := a.Distribution.Encode(s.Value)
				if values[k] = slices.Index(t.encode(k, a.Distribution).x, x); err != nil {
					values[k] = none
				}
			}
			onGrid = onGrid && values[k] >= 0
		}
	}
	unknown := 0
	for _, v := range values {
		if v == none {
			unknown++
		}
	}
	switch {
	case !onGrid:
	case unknown == 0:
		p := 0
		for k, v := range values {
			p = p*len(t.values[k]) + v
		}
		yield(p)
	case unknown < len(values) && (r.State == trial.Complete || r.State == trial.Pruned):
		for p := range t.size {
			if t.agrees(p, values) {
				yield(p)
			}
		}
	default:
		if p, ok := t.noted(r.Notes); ok && t.agrees(p, values) {
			yield(p)
		}
	}
}

// match returns which value of the grid p has for each parameter, none where it has no such
// value. It returns false if p has a value that the grid lacks.
func (t *taken) match(p space.Params) (values []int, ok bool) {
	values, ok = make([]int, len(t.names)), true
	for k, name := range t.names {
		values[k] = none
		if i := p.Space.Index(name); i >= 0 {
			values[k] = slices.Index(t.encode(k, p.Space[i].Distribution).x, p.Point[i])
			ok = ok && values[k] >= 0
		}
	}
	return values, ok
}

// noted returns the point that a trial of this grid noted.
func (t *taken) noted(notes trial.Attrs) (point int, ok bool) {
	if search, _ := notes.Get("search_space"); search.JSON != t.search {
		return 0, false
	}
	note, _ := notes.Get("grid_id")
	id, err := strconv.Atoi(note.JSON)
	if err != nil || id < 0 || id >= t.size {
		return 0, false
	}
	return int(t.optuna().points[id]), true
}

// A numbering gives the points of a grid the numbers that Optuna gives them:
// their positions after NumPy's RandomState(0) has shuffled them.
type numbering struct {
	ids    []int32 // of each point
	points []int32 // the inverse of ids
}

func number(size int) numbering {
	n := numbering{make([]int32, size), make([]int32, size)}
	for i := range n.points {
		n.points[i] = int32(i)
	}
	rng := newTwister(0)
	for i := size - 1; i > 0; i-- {
		j := rng.below(uint32(i))
		n.points[i], n.points[j] = n.points[j], n.points[i]
	}
	for id, p := range n.points {
		n.ids[p] = int32(id)
	}
	return n
}
