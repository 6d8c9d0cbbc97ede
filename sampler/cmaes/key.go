package cmaes

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// A key identifies the search of a request: its axes, and the values of others that no sampler has chosen. Both are
// sorted by name.
type key struct {
	axes  space.Space
	fixed space.Params
}

// newKey parts the axes of a search, sorted by name, into those that r has fixed and
// the others.
func newKey(axes space.Space, r sampler.Request) key {
	var k key
	for _, a := range axes {
		x, ok := r.Given.Coord(a.Name)
		if ok && slices.Contains(r.Fixed, a.Name) && a.Distribution.Contains(x) {
			k.fixed.Space, k.fixed.Point = append(k.fixed.Space, a), append(k.fixed.Point, x)
		} else {
			k.axes = append(k.axes, a)
		}
	}
	return k
}

// joint returns the key of the search over all axes, where nothing is fixed.
func (k key) joint() key {
	axes := slices.Concat(k.axes, k.fixed.Space)
	sortByName(axes)
	return key{axes: axes}
}

func (k key) equal(o key) bool {
	return k.axes.Equal(o.axes) && k.fixed.Space.Equal(o.fixed.Space) && slices.Equal(k.fixed.Point, o.fixed.Point)
}

// identity returns a name for the search that k stands for.
func (k key) identity() string {
	parts := make([]string, 0, len(k.axes)+len(k.fixed.Space))
	for _, a := range k.axes {
		parts = append(parts, a.Name)
	}
	for _, s := range k.fixed.Settings() {
		parts = append(parts, s.Name+"="+string(s.Value))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:6])
}

// reach is the distance from a fixed number up to which a trial is near, as a share of the range. Choices must be
// equal.
const reach = 0.2

// distance returns how far a trial is from what is fixed, at most 1 for each axis:
// 0 where nothing is.
func (k key) distance(p space.Params) (distance float64, near bool) {
	near = true
	for i, a := range k.fixed.Space {
		by := 1.0
		if x, ok := p.Coord(a.Name); ok && a.Distribution.Contains(x) {
			if _, choice := a.Distribution.(*space.CategoricalDistribution); !choice {
				by = math.Abs(unit.To(a.Distribution, x) - unit.To(a.Distribution, k.fixed.Point[i]))
			} else if x == k.fixed.Point[i] {
				by = 0
			}
		}
		distance += by
		near = near && by <= reach
	}
	return distance, near
}

// which returns the search that draws for k: the joint one, unless values are fixed that it would hardly draw. A
// search for fixed values that has begun continues.
func (m *searches) which(cfg Config, k key, h trial.Snapshot) *replay {
	if len(k.fixed.Space) == 0 {
		return m.of(cfg, k, h)
	}
	if own := m.of(cfg, k, h); own.warmed {
		return own
	}
	if joint := m.of(cfg, k.joint(), h); joint.search.generation > 0 && joint.search.likely(k.fixed) {
		return joint
	}
	return m.of(cfg, k, h)
}

// likely reports whether values are within three standard deviations of the search
// distribution, and choices not less than half as probable as at first.
func (s *search) likely(p space.Params) bool {
	const deviations = 3
	for i, a := range s.axes {
		x, ok := p.Coord(a.Name)
		switch {
		case !ok:
		case i >= s.numbers:
			if q := s.categories.q[i-s.numbers]; q[int(x)] < 0.5/float64(len(q)) {
				return false
			}
		default:
			deviation := s.normal.sigma * s.spread[i] * math.Sqrt(s.normal.c.At(i, i))
			if math.Abs(unit.To(a.Distribution, x)-s.normal.mean[i]) > deviations*deviation {
				return false
			}
		}
	}
	return true
}

// nearest returns the numbers of the trials that a search starts from: those near
// what is fixed, and as many of the nearest others as are needed to start at all.
func (p *replay) nearest() []int {
	numbers := slices.Clone(p.unused)
	slices.SortStableFunc(numbers, func(i, j int) int {
		return cmp.Compare(p.trials[i].distance, p.trials[j].distance)
	})
	least := min(fewestToWarm, len(numbers))
	for least < len(numbers) && p.trials[numbers[least]].near {
		least++
	}
	numbers = numbers[:least]
	slices.Sort(numbers)
	return numbers
}
