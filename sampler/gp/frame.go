package gp

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// A frame is a coordinate system for the continuous axes of a local search: its origin is the center, its axes are the
// principal axes of the best trials around the center, and its units are their standard deviations there. In it a
// narrow valley in any direction is about as wide as it is long, and as the best trials draw together, a box of a given
// size becomes smaller. CMA-ES learns its metric from the best trials, too (see package cmaes).
type frame struct {
	axes        []int // of the domain
	center      []float64
	there, back *mat.Dense // from the frame to the domain and back
}

// mostFramed is the greatest number of axes of a frame. In ten dimensions the best trials are too few to tell the
// directions: boxes along the axes come nearer to the minimum.
const mostFramed = 7

// frame returns the frame of the best trials with the choices of the center, of which there are three and two for each
// continuous axis. The order is that of p.obs, best first. It returns nil if there is no continuous axis to be drawn, if
// there are more than mostFramed, or if these would not be the better half.
func (p *past) frame(d *domain, order []int, center []float64) *frame {
	f := &frame{center: center}
	for j, g := range d.given {
		if d.continuous(j) && math.IsNaN(g) {
			f.axes = append(f.axes, j)
		}
	}
	k := len(f.axes)
	most := 3 + 2*k
	if k == 0 || k > mostFramed || len(order) < 2*most {
		return nil
	}
	scatter, off := mat.NewSymDense(k, nil), make([]float64, k)
	taken := 0
	for _, i := range order {
		if taken == most {
			break
		}
		if !d.alike(p.obs[i].x, center) {
			continue
		}
		for a, j := range f.axes {
			off[a] = p.obs[i].x[j] - center[j]
		}
		scatter.SymRankOne(scatter, 1/float64(most), mat.NewVecDense(k, off))
		taken++
	}
	// At least a thousandth of the mean variance in each direction, so that the search can turn.
	widen := scatter.Trace()/float64(k)*1e-3 + 1e-14
	for a := range k {
		scatter.SetSym(a, a, scatter.At(a, a)+widen)
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(scatter, true) {
		return nil
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	f.there, f.back = mat.NewDense(k, k, nil), mat.NewDense(k, k, nil)
	for b, variance := range eigen.Values(nil) {
		s := math.Sqrt(math.Max(variance, 1e-16))
		for a := range k {
			f.there.Set(a, b, vectors.At(a, b)*s)
			f.back.Set(b, a, vectors.At(a, b)/s)
		}
	}
	return f
}

// alike reports whether two positions have the same choices.
func (d *domain) alike(x, y []float64) bool {
	for j, choice := range d.choices {
		if choice && x[j] != y[j] {
			return false
		}
	}
	return true
}

// has reports whether axis j of the domain is one of the frame's.
func (f *frame) has(j int) bool { return slices.Contains(f.axes, j) }

// to returns a position of the domain in the frame.
func (f *frame) to(x []float64) []float64 {
	out, off := slices.Clone(x), make([]float64, len(f.axes))
	for a, j := range f.axes {
		off[a] = x[j] - f.center[j]
	}
	for a, j := range f.axes {
		out[j] = floats.Dot(f.back.RawRowView(a), off)
	}
	return out
}

// from returns a position of the frame in the domain, moved to the border if it is outside.
func (f *frame) from(u []float64) []float64 {
	out, off := slices.Clone(u), make([]float64, len(f.axes))
	for a, j := range f.axes {
		off[a] = u[j]
	}
	for a, j := range f.axes {
		out[j] = math.Min(math.Max(f.center[j]+floats.Dot(f.there.RawRowView(a), off), 0), 1)
	}
	return out
}

// around returns the observations within a distance of the center on each axis of the frame that have its choices, up to
// the first that is farther or has others, and at least a number of them. They come nearest first.
func (f *frame) around(d *domain, obs []observation, center []float64, distance float64, least int) []observation {
	n := min(least, len(obs))
	for n < len(obs) && d.alike(obs[n].x, center) && !slices.ContainsFunc(f.axes, func(j int) bool { return math.Abs(obs[n].x[j]) > distance }) {
		n++
	}
	return obs[:n]
}
