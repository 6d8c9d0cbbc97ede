package sampler

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// Fixed returns a sampler that gives the named parameters the given values and leaves the other parameters to s,
// which gets the fixed ones in Given. A setting has no effect if its parameter is not requested, or if the trial's
// value was enqueued.
//
// Sample fails with [space.ErrOutside] if a distribution does not contain its value;
// Validate with [ErrInvalid] if a parameter is set twice. Exhausted and Validate of s are
// called, too. If you combine Fixed with [NoRepeat], Fixed must be outermost.
func Fixed(s Sampler, settings ...space.Setting) Sampler {
	f := &fixed{Sampler: s, values: make(map[string]space.Literal, len(settings))}
	for _, set := range settings {
		if _, ok := f.values[set.Name]; ok && f.err == nil {
			f.err = pkg.Errorf("fix %q: %w: it has two values: give one", set.Name, ErrInvalid)
		}
		f.values[set.Name] = set.Value
	}
	return f
}

type fixed struct {
	Sampler
	values map[string]space.Literal
	err    error // in the settings

	last atomic.Pointer[parted]
}

// parted is the space of a request, and the part that fixed leaves to its sampler.
type parted struct{ asked, rest space.Space }

// Validate implements [Validator].
func (f *fixed) Validate() error {
	if f.err != nil {
		return f.err
	}
	return validate(f.Sampler)
}

func validate(s Sampler) error {
	if s == nil {
		return pkg.Errorf("%w: there is no sampler to build on", ErrInvalid)
	}
	if v, ok := s.(Validator); ok {
		return v.Validate()
	}
	return nil
}

// propose asks s, the sampler that another one wraps, and checks that the proposed point is as long as the space.
func propose(ctx context.Context, s Sampler, r Request) (Proposal, error) {
	if s == nil {
		return Proposal{}, validate(s)
	}
	p, err := s.Sample(ctx, r)
	if err == nil && len(p.Point) != len(r.Space) {
		err = pkg.Errorf("%T proposed %d coordinates for %d parameters", s, len(p.Point), len(r.Space))
	}
	if err != nil {
		return Proposal{}, err
	}
	return p, nil
}

// Sample implements [Sampler].
func (f *fixed) Sample(ctx context.Context, r Request) (Proposal, error) {
	if f.err != nil {
		return Proposal{}, f.err
	}
	point := make([]float64, len(r.Space))
	pins := space.Params{}
	for i, a := range r.Space {
		v, ok := f.values[a.Name]
		if !ok {
			continue
		}
		x, err := a.Distribution.Encode(v)
		if err != nil {
			return Proposal{}, pkg.Errorf("fix %q: %w", a.Name, err)
		}
		point[i] = x
		pins.Space, pins.Point = append(pins.Space, a), append(pins.Point, x)
	}
	switch len(pins.Space) {
	case 0:
		return propose(ctx, f.Sampler, r)
	case len(r.Space):
		return Proposal{Point: point}, nil
	}
	if f.exhausted(r) {
		return Proposal{}, pkg.Errorf("trial %d: %w", r.Number, ErrExhausted)
	}
	r.Given = space.Params{
		Space: append(r.Given.Space[:len(r.Given.Space):len(r.Given.Space)], pins.Space...),
		Point: append(r.Given.Point[:len(r.Given.Point):len(r.Given.Point)], pins.Point...),
	}
	r.Fixed = slices.Clip(r.Fixed)
	for _, a := range pins.Space {
		r.Fixed = append(r.Fixed, a.Name)
	}
	asked := r.Space
	r.Space = f.without(asked)
	p, err := propose(ctx, f.Sampler, r)
	if err != nil {
		return Proposal{}, err
	}
	rest := p.Point
	for i, a := range asked {
		if _, ok := f.values[a.Name]; !ok {
			point[i], rest = rest[0], rest[1:]
		}
	}
	p.Point = point
	return p, nil
}

// without returns the axes of s that are not fixed. For the space of the last request it returns the same slice,
// which a sampler that caches spaces finds faster.
func (f *fixed) without(s space.Space) space.Space {
	if last := f.last.Load(); last != nil && last.asked.Equal(s) && slices.EqualFunc(last.asked, s, func(a, b space.Axis) bool { return a.Prior == b.Prior }) {
		return last.rest
	}
	var rest space.Space
	for _, a := range s {
		if _, ok := f.values[a.Name]; !ok {
			rest = append(rest, a)
		}
	}
	f.last.Store(&parted{s, rest})
	return rest
}

// exhausted reports whether s has nothing left for a joint draw. s cannot distinguish fixed values from those that
// are only given this time.
func (f *fixed) exhausted(r Request) bool {
	for _, a := range r.Given.Space {
		if a.Distribution.Len() != 1 {
			return false
		}
	}
	return f.Exhausted(append(r.Given.Space[:len(r.Given.Space):len(r.Given.Space)], r.Space...), r.History)
}

// Exhausted implements [Finite].
func (f *fixed) Exhausted(s space.Space, h trial.Snapshot) bool {
	inner, ok := f.Sampler.(Finite)
	if !ok {
		return false
	}
	narrow := make(space.Space, len(s))
	for i, a := range s {
		if v, ok := f.values[a.Name]; ok {
			x, err := a.Distribution.Encode(v)
			if err != nil {
				return false // Sample returns the error
			}
			a.Distribution = space.Only(a.Distribution, x)
		}
		narrow[i] = a
	}
	return inner.Exhausted(narrow, h)
}
