package forecast

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Column is an exogenous variable with one number per step. NaN is missing.
type Column struct {
	Name   string
	Values []float64
}

// A Series is a target at regular times, with other columns at the same times. Do not
// modify it: parts of it share its arrays.
type Series struct {
	ID    string    // empty for a single series
	Start time.Time // time of Y[0] and of the columns' first values
	Freq  Frequency
	Y     []float64 // the target; NaN is missing, infinite values are not allowed
	Past  []Column  // known as late as the target; each has as many values as Y
	Known []Column  // known in advance; each has at least as many values as Y, plus the horizon for a forecast
}

// Len returns the number of target values.
func (s Series) Len() int { return len(s.Y) }

// Time returns the time of Y[i]; i may be outside of Y.
func (s Series) Time(i int) time.Time { return s.Freq.Add(s.Start, i) }

// Until returns the part of s that is known at an origin: the first n values of the target
// and of the past columns, and the first n+ahead values of the columns known in advance,
// or fewer if there are fewer. Later values are not reachable through the result.
func (s Series) Until(n, ahead int) Series { return s.part(0, n, ahead) }

// part returns [from, to) of the target, and ahead more values of Known.
func (s Series) part(from, to, ahead int) Series {
	s.Start, s.Y = s.Time(from), s.Y[from:to:to]
	s.Past, s.Known = slices.Clone(s.Past), slices.Clone(s.Known)
	for i, c := range s.Past {
		s.Past[i].Values = c.Values[from:to:to]
	}
	for i, c := range s.Known {
		end := max(from, min(to+ahead, len(c.Values)))
		s.Known[i].Values = c.Values[from:end:end]
	}
	return s
}

// padded returns s with missing values appended to the columns known in advance, so that
// they reach ahead steps. It is for series that have ended.
func (s Series) padded(ahead int) Series {
	for i, c := range s.Known {
		if short := s.Len() + ahead - len(c.Values); short > 0 {
			s.Known[i].Values = append(slices.Clip(c.Values), slices.Repeat([]float64{math.NaN()}, short)...)
		}
	}
	return s
}

// A Frame holds series with one frequency, the same columns and different IDs, like a
// table with an id column. The series may begin and end at different times. A single
// series is a Frame of one.
type Frame []Series

// Validate returns the first error in the frame: [ErrEmpty]; [ErrFrequency];
// [ErrDuplicate] for an ID; [ErrColumn] for columns that differ or are too short;
// [ErrNumber] for an infinite value. [CSV.Read] and every function that takes a frame call
// Validate.
func (f Frame) Validate() error {
	if len(f) == 0 {
		return pkg.Errorf("frame: %w", ErrEmpty)
	}
	ids := map[string]bool{}
	for _, s := range f {
		if err := s.validate(f[0]); err != nil {
			return pkg.Errorf("%s%w", of(s.ID), err)
		}
		if ids[s.ID] {
			return pkg.Errorf("%w series %q: give each one a name of its own", ErrDuplicate, s.ID)
		}
		ids[s.ID] = true
	}
	return nil
}

func (s Series) validate(like Series) error {
	if len(s.Y) == 0 {
		return ErrEmpty
	}
	if !s.Freq.Valid() {
		return fmt.Errorf("%w: %+v", ErrFrequency, s.Freq)
	}
	if s.Freq != like.Freq {
		return fmt.Errorf("%w: %v, but that of series %q is %v", ErrFrequency, s.Freq, like.ID, like.Freq)
	}
	same := func(a, b Column) bool { return a.Name == b.Name }
	if !slices.EqualFunc(s.Past, like.Past, same) || !slices.EqualFunc(s.Known, like.Known, same) {
		return fmt.Errorf("%w names differ from those of series %q", ErrColumn, like.ID)
	}
	for _, c := range s.Past {
		if len(c.Values) != len(s.Y) {
			return fmt.Errorf("%w %q: %d values for a target of %d", ErrColumn, c.Name, len(c.Values), len(s.Y))
		}
	}
	for _, c := range s.Known {
		if len(c.Values) < len(s.Y) {
			return fmt.Errorf("%w %q: %d values for a target of %d", ErrColumn, c.Name, len(c.Values), len(s.Y))
		}
	}
	for _, c := range append(append([]Column{{"the target", s.Y}}, s.Past...), s.Known...) {
		for i, v := range c.Values {
			if math.IsInf(v, 0) {
				return fmt.Errorf("%w: %s is %v at %v", ErrNumber, c.Name, v, stamp(s.Time(i)))
			}
		}
	}
	return nil
}

// Fingerprint returns a text that is equal for frames with the same IDs, times, columns and
// values, and differs otherwise: half of their SHA-256, in hexadecimal.
func (f Frame) Fingerprint() string {
	h := sha256.New()
	numbers := func(ys []float64) {
		binary.Write(h, binary.LittleEndian, int64(len(ys)))
		binary.Write(h, binary.LittleEndian, ys)
	}
	for _, s := range f {
		fmt.Fprintf(h, "%q %d %s\n", s.ID, s.Start.UnixMilli(), s.Freq)
		numbers(s.Y)
		for _, c := range slices.Concat(s.Past, s.Known) {
			fmt.Fprintf(h, "%q\n", c.Name)
			numbers(c.Values)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// End returns the time of the last target value of any series. The frame must be valid.
func (f Frame) End() time.Time { return f.before(0) }

// before returns the time n steps before the end of the series that ends last.
func (f Frame) before(n int) time.Time {
	last := slices.MaxFunc(f, func(a, b Series) int { return a.Time(a.Len() - 1).Compare(b.Time(b.Len() - 1)) })
	return last.Time(last.Len() - 1 - n)
}

// Cut splits a frame in time: after has the last n steps before the end of the series that
// ends last, and before has the rest. Each omits series that have no value in it. Cut twice
// to get training, validation and test spans. It fails with [ErrShort] if before would be
// empty.
func (f Frame) Cut(n int) (before, after Frame, err error) {
	if err := f.Validate(); err != nil {
		return nil, nil, err
	}
	end := f.before(max(0, n))
	return f.cut(n, func(s Series) int { return s.knownAt(end) })
}

// CutEach is like [Frame.Cut], with the last n steps before the end of each series.
func (f Frame) CutEach(n int) (before, after Frame, err error) {
	if err := f.Validate(); err != nil {
		return nil, nil, err
	}
	return f.cut(n, func(s Series) int { return max(0, s.Len()-n) })
}

// cut splits a frame after the number of values that known returns.
func (f Frame) cut(n int, known func(Series) int) (before, after Frame, err error) {
	if n < 0 {
		return nil, nil, pkg.Errorf("cut off %d steps: %w", n, ErrConfig)
	}
	for _, s := range f {
		k := known(s)
		if k > 0 {
			before = append(before, s.Until(k, s.ahead(k)))
		}
		if k < s.Len() {
			after = append(after, s.part(k, s.Len(), s.ahead(s.Len())))
		}
	}
	if len(before) == 0 {
		return nil, nil, pkg.Errorf("cut off %d steps: %w: no rows are left before them", n, ErrShort)
	}
	return before, after, nil
}

// knownAt returns the number of target values of s up to and including time t.
func (s Series) knownAt(t time.Time) int {
	i, _ := s.Freq.Index(s.Start, t)
	return max(0, min(i+1, s.Len()))
}

// ahead returns the number of values after the first n in the columns known in advance.
func (s Series) ahead(n int) int {
	if len(s.Known) == 0 {
		return 0
	}
	least := len(s.Known[0].Values)
	for _, c := range s.Known {
		least = min(least, len(c.Values))
	}
	return least - n
}

// stamp prints a time as short as possible.
func stamp(t time.Time) string {
	if t.Location() == steplike {
		return FormatTime(wholeNumbers, t)
	}
	if clock(t) == 0 {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}
