package genetic

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// An individual is a finished trial that may be a parent.
type individual struct {
	number int
	x      []float64 // in the domain
	losses []float64 // nil unless it is complete and feasible
	key    [2]float64
}

// A pool has the individuals of a history that lie in a domain.
type pool struct {
	*domain
	read int
	near int // individuals near what is fixed

	fronts     pareto.Fronts // of complete feasible ones
	complete   []*individual // in the order of fronts
	pruned     []*individual // feasible; the best first
	infeasible []*individual // by violation
	keys       map[string]bool
}

// pools are those of the last few domains, the last used at the end.
type pools struct{ known []*pool }

const mostPools = 16

// of returns the pool of h for d, which is up to date with it.
func (m *pools) of(d *domain, h trial.Snapshot) *pool {
	p := &pool{domain: d, keys: map[string]bool{}}
	if i := slices.IndexFunc(m.known, func(p *pool) bool { return p.equal(d) }); i >= 0 {
		p = m.known[i]
		m.known = slices.Delete(m.known, i, i+1)
	}
	if len(m.known) == mostPools {
		m.known = slices.Delete(m.known, 0, 1)
	}
	m.known = append(m.known, p)
	p.take(h)
	return p
}

// take reads what is new in h. Where values are fixed and enough trials are near
// them, the others leave.
func (p *pool) take(h trial.Snapshot) {
	const enough = 10
	few := p.near < enough
	var points [][]float64
	for ; p.read < h.Len(); p.read++ {
		r := h.At(p.read)
		x, ok := p.locate(r.Params)
		if !ok || r.Interrupted() {
			continue
		}
		p.keys[key(x)] = true
		near := p.domain.near(r.Params)
		if near && r.State != trial.Failed {
			p.near++
		}
		if few || near {
			points = p.add(h, r, x, points)
		}
	}
	p.fronts.Add(points...)
	if few && p.near >= enough && len(p.fixed.Space) > 0 {
		all := p.near
		*p = pool{domain: p.domain, near: all, keys: map[string]bool{}}
		p.take(h) // from the beginning, and without those that are far
		p.near = all
	}
}

// add takes in a trial, if it may be a parent. Losses of complete ones it appends to
// points, which the caller adds to the fronts.
func (p *pool) add(h trial.Snapshot, r *trial.Record, x []float64, points [][]float64) [][]float64 {
	o := &individual{number: r.Number, x: x}
	into := func(list *[]*individual) {
		at, _ := slices.BinarySearchFunc(*list, o, func(a, b *individual) int {
			return cmp.Or(cmp.Compare(a.key[0], b.key[0]), cmp.Compare(a.key[1], b.key[1]), cmp.Compare(a.number, b.number))
		})
		*list = slices.Insert(*list, at, o)
	}
	v := r.Violation()
	switch {
	case r.State == trial.Complete && len(r.Values) != h.Objectives():
	case r.State == trial.Complete && v > 0:
		o.key[0] = v
		into(&p.infeasible)
	case r.State == trial.Complete:
		o.losses = h.Header().Losses(r.Values)
		p.complete = append(p.complete, o)
		points = append(points, o.losses)
	case r.State == trial.Pruned && v > 0:
		o.key = [2]float64{v, 1}
		into(&p.infeasible)
	case r.State == trial.Pruned:
		o.key = [2]float64{1, 0}
		if len(r.Reports) > 0 {
			last := r.Reports[len(r.Reports)-1]
			o.key = [2]float64{-float64(last.Step), h.Direction(0).Loss(last.Value)}
		}
		if math.IsNaN(o.key[1]) {
			o.key[1] = math.Inf(1)
		}
		into(&p.pruned)
	}
	return points
}

func (p *pool) len() int { return len(p.complete) + len(p.pruned) + len(p.infeasible) }

// A member is an individual of a population.
type member struct {
	*individual
	rank   int // 0 is best
	spread float64
}

func (m member) beats(o member) bool {
	return m.rank < o.rank || m.rank == o.rank && m.spread > o.spread
}

func (m member) objectives() int { return max(1, len(m.losses)) }

// best returns the n best individuals, or all: the fronts of the feasible complete
// ones in turn, then feasible pruned ones by how far they came, then those that break
// constraints by how much (Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist
// Multiobjective Genetic Algorithm: NSGA-II", 2002, sections III and VI). Of the front
// that does not fit, s chooses.
func (p *pool) best(n int, s Selection, rng *rand.Rand) []member {
	var out []member
	var above [][]float64
	rank := 0
	for indices := range p.fronts.All() {
		if len(out) == n {
			break
		}
		front := make([]*individual, len(indices))
		for k, i := range indices {
			front[k] = p.complete[i]
		}
		slices.SortFunc(front, func(a, b *individual) int { return cmp.Compare(a.number, b.number) })
		losses := pointsOf(front)
		if room := n - len(out); len(front) > room {
			var kept []*individual
			for _, i := range s.Cut(above, losses, room, rng) {
				kept = append(kept, front[i])
			}
			front, losses = kept, pointsOf(kept)
		}
		spread := s.Spread(losses)
		for i, o := range front {
			m := member{individual: o, rank: rank}
			if spread != nil {
				m.spread = spread[i]
			}
			out = append(out, m)
		}
		above = append(above, losses...)
		rank++
	}
	for _, list := range [][]*individual{p.pruned, p.infeasible} {
		for _, o := range list[:min(len(list), n-len(out))] {
			out = append(out, member{individual: o, rank: rank})
			rank++
		}
	}
	return out
}

func pointsOf(front []*individual) [][]float64 {
	points := make([][]float64, len(front))
	for i, o := range front {
		points[i] = o.losses
	}
	return points
}

// tried returns a function that reports whether a finished or running trial other than
// the one asked about is at a position.
func (p *pool) tried(r sampler.Request) func(x []float64) bool {
	running := map[string]bool{}
	for _, o := range r.History.Running() {
		if x, ok := p.ahead(o); ok && o.Number != r.Number {
			running[key(x)] = true
		}
	}
	return func(x []float64) bool {
		k := key(x)
		return p.keys[k] || running[k]
	}
}

// ahead returns where a running trial looks, if that is decided.
func (d *domain) ahead(r trial.Record) ([]float64, bool) {
	x, ok := r.Ahead(d.axes)
	for j := range x {
		x[j] = unit.Position(d.axes[j].Distribution, x[j])
	}
	return x, ok
}

// key is equal for equal positions.
func key(x []float64) string {
	b := make([]byte, 0, 8*len(x))
	for _, v := range x {
		u := math.Float64bits(v)
		for k := range 8 {
			b = append(b, byte(u>>(8*k)))
		}
	}
	return string(b)
}
