package grid

import (
	"math/bits"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// none stands for a parameter that a trial has no value for, or one that is not
// on the grid.
const none = -1

// taken says which points of the grid the finished trials of one history have
// visited, by position in the order of visiting.
type taken struct {
	history any     // its ID
	seed    uint64  // of the shuffle
	read    int     // finished trials taken in
	points  []int32 // by position
	pos     []int32 // the inverse of points
	bits    []uint64
	count   int
}

func (t *taken) has(pos int) bool { return t.bits[pos>>6]>>(pos&63)&1 == 1 }

// set takes a position, and reports whether it was free.
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

// survey brings g.order up to h, with the points of trials that have not
// finished, but for the given one, and returns how many points are left. What is
// not finished is forgotten by restore.
func (g *Sampler) survey(h trial.Snapshot, but int) (left int, restore func()) {
	t := &g.order
	if seed := h.Header().Seed; t.points == nil || t.seed != seed {
		*t = taken{seed: seed, points: g.shuffled(seed), pos: make([]int32, g.size)}
		for pos, p := range t.points {
			t.pos[p] = int32(pos)
		}
	}
	if t.bits == nil || t.history != h.ID() || t.read > h.Len() {
		t.history, t.read, t.count = h.ID(), 0, 0
		t.bits = make([]uint64, (g.size+63)/64)
	}
	for ; t.read < h.Len(); t.read++ {
		g.visits(*h.At(t.read), h, func(p int) { t.set(int(t.pos[p])) })
	}
	var pending []int
	for _, rs := range [][]trial.Record{h.Running(), h.Waiting()} {
		for _, r := range rs {
			if r.Number != but {
				g.visits(r, h, func(p int) {
					if pos := int(t.pos[p]); t.set(pos) {
						pending = append(pending, pos)
					}
				})
			}
		}
	}
	return g.size - t.count, func() {
		for _, pos := range pending {
			t.unset(pos)
		}
	}
}

// visits calls yield for the points that a trial visits.
func (g *Sampler) visits(r trial.Record, h trial.Snapshot, yield func(point int)) {
	values, onGrid := g.match(r.Params)
	for _, settings := range [][]space.Setting{r.Proposed, r.Fixed} {
		for _, s := range settings {
			k, known := slices.BinarySearch(g.names, s.Name)
			if r.State.Done() || !known || values[k] != none {
				continue
			}
			values[k] = slices.Index(g.values[k], s.Value)
			if a, ok := h.Axis(s.Name); ok {
				x, err := a.Distribution.Encode(s.Value)
				if values[k] = slices.Index(g.encode(k, a.Distribution).x, x); err != nil {
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
			p = p*len(g.values[k]) + v
		}
		yield(p)
	case unknown < len(values) && (r.State == trial.Complete || r.State == trial.Pruned):
		for p := range g.size {
			if g.agrees(p, values) {
				yield(p)
			}
		}
	default:
		if p, ok := g.noted(r.Notes); ok && g.agrees(p, values) {
			yield(p)
		}
	}
}

// match returns which value of the grid p has for each parameter, none where
// it has no such value. It is not ok if p has a value that the grid does not have.
func (g *Sampler) match(p space.Params) (values []int, ok bool) {
	values, ok = make([]int, len(g.names)), true
	for k, name := range g.names {
		values[k] = none
		if i := p.Space.Index(name); i >= 0 {
			values[k] = slices.Index(g.encode(k, p.Space[i].Distribution).x, p.Point[i])
			ok = ok && values[k] >= 0
		}
	}
	return values, ok
}

// noted returns the point that a trial of this grid noted.
func (g *Sampler) noted(notes trial.Attrs) (point int, ok bool) {
	if search, _ := notes.Get("search_space"); search.JSON != g.search {
		return 0, false
	}
	note, _ := notes.Get("grid_id")
	id, err := strconv.Atoi(note.JSON)
	if err != nil || id < 0 || id >= g.size {
		return 0, false
	}
	g.number()
	return int(g.points[id]), true
}

// number gives the points the numbers that Optuna gives them: their positions
// after NumPy's RandomState(0) has shuffled them.
func (g *Sampler) number() {
	if g.ids != nil {
		return
	}
	g.points, g.ids = make([]int32, g.size), make([]int32, g.size)
	for i := range g.points {
		g.points[i] = int32(i)
	}
	rng := newTwister(0)
	for i := g.size - 1; i > 0; i-- {
		j := rng.below(uint32(i))
		g.points[i], g.points[j] = g.points[j], g.points[i]
	}
	for id, p := range g.points {
		g.ids[p] = int32(id)
	}
}
