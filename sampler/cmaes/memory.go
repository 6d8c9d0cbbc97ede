package cmaes

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// noteKey is the note of a trial that was drawn from a search.
const noteKey = "cmaes"

// A note says where a trial comes from.
type note struct {
	Search     string    `json:"search"`        // by the names of its axes; see identity
	Generation int       `json:"generation"`    // of the distribution it was drawn from
	Told       []int     `json:"told,omitzero"` // trials from which that generation came, ascending; the first of a generation says so
	At         []float64 `json:"at,omitempty"`  // positions on the unit interval at which discrete values were drawn, by name
}

func sortByName(s space.Space) {
	slices.SortFunc(s, func(a, b space.Axis) int { return cmp.Compare(a.Name, b.Name) })
}

// searches has a replay of one history for each of the last few spaces, the last used at the end.
type searches struct{ known []*replay }

const mostReplays = 8

// A replay is the state of one search, computed from the history of a study as far as it was read.
type replay struct {
	key
	identity string
	read     int // finished trials taken in

	trials map[int]*candidate // finished ones that can be learnt from, by number
	unused []int              // numbers of those not used yet, ascending
	told   map[int]notedStep  // by generation
	search *search            // its generation is the last that is in told, or 0 and not warmed
	warmed bool
	used   map[int]bool // numbers of those used
	partly bool         // it should have used trials that the view lacked
	places []int        // [axis], position in the last trial; in most trials it is the same
}

// A candidate is a finished trial that lies in the domain.
type candidate struct {
	solution
	number     int
	distance   float64 // from what is fixed
	near       bool    // to it
	generation int     // -1 if it was not drawn from the search
	class      int     // 0 complete, 1 infeasible, 2 pruned, 3 failed
	key        [2]float64
	loss       float64
}

// A notedStep has the trials from which a generation came, as noted by a trial.
type notedStep struct {
	by      int
	numbers []int
}

// of returns the replay of h for k, which is up to date with it.
func (m *searches) of(cfg Config, k key, h trial.Snapshot) *replay {
	p := newReplay(cfg, k, h)
	if at := slices.IndexFunc(m.known, func(p *replay) bool { return p.key.equal(k) }); at >= 0 {
		if known := m.known[at]; !known.partly && known.take(h) {
			p = known
		}
		m.known = slices.Delete(m.known, at, at+1)
	}
	p.take(h)
	if len(m.known) == mostReplays {
		m.known = slices.Delete(m.known, 0, 1)
	}
	m.known = append(m.known, p)
	for p.advance() {
	}
	return p
}

func newReplay(cfg Config, k key, h trial.Snapshot) *replay {
	return &replay{
		key: k, identity: k.identity(), trials: map[int]*candidate{}, told: map[int]notedStep{}, used: map[int]bool{},
		search: newSearch(newDomain(k.axes), cfg, h.Header().Seed), places: make([]int, len(k.axes)),
	}
}

// take reads the new trials of h. It returns false if they contradict the state of p, because a trial appears that
// another process started earlier.
func (p *replay) take(h trial.Snapshot) bool {
	consistent := true
	hear := func(r trial.Record) note {
		n := note{Generation: -1}
		a, ok := r.Notes.Get(noteKey)
		if !ok || a.Decode(&n) != nil || n.Search != p.identity {
			return note{Generation: -1}
		}
		if before, ok := p.told[n.Generation]; n.Told != nil && (!ok || r.Number < before.by) {
			p.told[n.Generation] = notedStep{r.Number, n.Told}
			if ok && !slices.Equal(before.numbers, n.Told) && (n.Generation < p.search.generation || n.Generation == p.search.generation && p.warmed) {
				consistent = false
			}
		}
		return n
	}
	for r := range h.Since(p.read) {
		n := hear(r)
		if c, ok := p.candidate(h, r, n); ok {
			p.trials[r.Number] = c
			if at, _ := slices.BinarySearch(p.unused, r.Number); !p.used[r.Number] {
				p.unused = slices.Insert(p.unused, at, r.Number)
			}
		}
	}
	p.read = h.Len()
	for _, r := range h.Running() {
		hear(r)
	}
	return consistent
}

// candidate returns the candidate of a finished trial, if there is one.
func (p *replay) candidate(h trial.Snapshot, r trial.Record, n note) (*candidate, bool) {
	c := &candidate{number: r.Number, generation: n.Generation, loss: math.NaN()}
	switch {
	case r.Interrupted():
		return nil, false
	case r.State == trial.Complete:
		c.loss = h.Direction(0).Loss(r.Values[0])
		c.key[0] = c.loss
		if v := r.Violation(); v > 0 {
			c.class, c.key = 1, [2]float64{v, c.loss}
		}
	case r.State == trial.Pruned:
		c.class = 2
		if len(r.Reports) > 0 {
			last := r.Reports[len(r.Reports)-1]
			c.loss = h.Direction(0).Loss(last.Value)
			c.key = [2]float64{-float64(last.Step), c.loss}
		}
	default:
		c.class = 3
	}
	c.distance, c.near = p.distance(r.Params)
	d := p.search.domain
	c.at, c.choices = make([]float64, d.numbers), make([]int, len(d.choices))
	countable := 0
	for i, a := range d.axes {
		had := r.Params.Space.IndexNear(p.places[i], a.Name)
		if had < 0 {
			return nil, false
		}
		p.places[i] = had
		x := r.Params.Point[had]
		if !a.Distribution.Contains(x) || !space.Compatible(a.Distribution, r.Params.Space[had].Distribution) {
			return nil, false
		}
		if i >= d.numbers {
			c.choices[i-d.numbers] = int(x)
			continue
		}
		c.at[i] = unit.To(a.Distribution, x)
		if d.grids[i].n > 0 {
			if countable < len(n.At) && unit.From(a.Distribution, n.At[countable]) == x {
				c.at[i] = n.At[countable]
			}
			countable++
		}
	}
	return c, true
}

// better orders candidates, best first; numbers decide between equals.
func better(a, b *candidate) int {
	return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(rank(a.key[0]), rank(b.key[0])),
		cmp.Compare(rank(a.key[1]), rank(b.key[1])), cmp.Compare(a.number, b.number))
}

// rank puts NaN last.
func rank(v float64) float64 {
	if math.IsNaN(v) {
		return math.Inf(1)
	}
	return v
}

// advance makes the next generation that is on record, if there is one.
func (p *replay) advance() bool {
	next := p.search.generation
	if p.warmed {
		next++
	}
	step, ok := p.told[next]
	if ok {
		p.step(p.search, step.numbers)
		p.warmed = true
		for _, n := range step.numbers {
			p.used[n] = true
		}
		p.unused = slices.DeleteFunc(p.unused, func(n int) bool { return p.used[n] })
	}
	return ok
}

// step makes the next generation of s from the trials with the given numbers. The step to generation 0 is a warm
// start, if there are enough of them.
func (p *replay) step(s *search, numbers []int) {
	var batch []*candidate
	for _, n := range numbers {
		if c, ok := p.trials[n]; ok {
			batch = append(batch, c)
		} else {
			p.partly = true
		}
	}
	fresh := batch
	if p.warmed {
		s.spent[s.regime] += len(fresh)
		batch = slices.Concat(fresh, s.last)
	}
	slices.SortFunc(batch, better)
	if !p.warmed {
		solutions := make([]solution, len(batch))
		for i, c := range batch {
			solutions[i] = c.solution
		}
		if len(solutions) >= fewestToWarm {
			s.warm(solutions, len(p.fixed.Space) > 0)
		}
		return
	}
	solutions := make([]scored, len(batch))
	for i, c := range batch {
		solutions[i] = scored{c.solution, c.loss, c.generation == s.generation}
	}
	if s.overlaps() {
		s.last = fresh
	}
	if len(solutions) >= 2 { // there are fewer if a view shows only a part of the study
		s.update(solutions)
	} else {
		s.generation++
	}
}

const fewestToWarm = 30

// due returns the numbers of the trials from which the next generation is made,
// ascending, and whether it is time.
func (p *replay) due(cfg Config) ([]int, bool) {
	if !p.warmed {
		numbers := p.nearest()
		if len(numbers) < fewestToWarm || cfg.Cold {
			numbers = []int{}
		}
		return numbers, true
	}
	numbers := slices.DeleteFunc(slices.Clone(p.unused), func(n int) bool { return !p.trials[n].near })
	good := slices.ContainsFunc(numbers, func(n int) bool { return p.trials[n].class < 3 })
	return numbers, good && len(numbers) >= p.search.batch()
}

// propose draws a point for r.
func (p *replay) propose(cfg Config, r sampler.Request) (sampler.Proposal, error) {
	s, said := p.search, note{Search: p.identity}
	if numbers, ok := p.due(cfg); ok {
		s = s.clone()
		p.step(s, numbers)
		said.Told = numbers
	}
	said.Generation = s.generation
	region, given := r.Region(), p.given(r)
	var drawn solution
	out := sampler.Proposal{Point: make([]float64, len(r.Space))}
	const again = 10 // that a draw has to meet the constraints before it is moved
	for range again {
		drawn = s.draw(given, r.Rand)
		for i, a := range s.axes {
			if at := r.Space.IndexNear(i, a.Name); at >= 0 {
				out.Point[at] = s.point(i, drawn)
			}
		}
		if region.Contains(out.Point) {
			break
		}
	}
	if err := region.Move(out.Point, r.Rand); err != nil {
		return sampler.Proposal{}, err
	}
	for i := range s.axes {
		if i < s.numbers && s.grids[i].n > 0 {
			said.At = append(said.At, drawn.at[i])
		}
	}
	a, err := trial.NewAttr(noteKey, said)
	if err != nil {
		return sampler.Proposal{}, err
	}
	out.Notes = trial.Attrs{a}
	return out, nil
}

// given returns the decided coordinates of r.
func (p *replay) given(r sampler.Request) solution {
	d := p.search.domain
	g := solution{make([]float64, d.numbers), make([]int, len(d.choices))}
	for i, a := range d.axes {
		x, ok := r.Given.Coord(a.Name)
		ok = ok && a.Distribution.Contains(x)
		switch {
		case i < d.numbers && ok:
			g.at[i] = unit.To(a.Distribution, x)
		case i < d.numbers:
			g.at[i] = math.NaN()
		case ok:
			g.choices[i-d.numbers] = int(x)
		default:
			g.choices[i-d.numbers] = -1
		}
	}
	return g
}
