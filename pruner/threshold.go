package pruner

import (
	"fmt"
	"math"
	"strconv"

	"github.com/attune-hpo/attune/trial"
)

// Threshold prunes a trial whose last value is NaN or outside fixed bounds: a diverged
// loss, an accuracy below chance. The zero value prunes NaN alone.
type Threshold struct {
	Lower, Upper *float64 // bounds, themselves allowed: Threshold{Upper: new(100.0)}. Default none
	Warmup       int      // steps below which no trial is judged. Default 0
	Interval     int      // steps from one verdict to the next. Default 1
}

// Validate returns an error that wraps [ErrInvalid] if a bound is NaN, Lower
// exceeds Upper, or Interval is negative.
func (p Threshold) Validate() error {
	if low, high := p.bounds(); !(low <= high) {
		return invalid("bounds %v and %v: want numbers, the lower first", low, high)
	}
	return validInterval(p.Interval)
}

// Prune implements [Pruner].
func (p Threshold) Prune(t trial.Record, _ trial.Snapshot) (string, bool) {
	if len(t.Reports) == 0 || p.Validate() != nil || !due(t, max(0, p.Warmup), or(p.Interval, 1)) {
		return "", false
	}
	low, high := p.bounds()
	last := t.Reports[len(t.Reports)-1]
	switch {
	case math.IsNaN(last.Value):
		return fmt.Sprintf("NaN at step %d", last.Step), true
	case last.Value < low:
		return fmt.Sprintf("%s at step %d is below %s", number(last.Value), last.Step, number(low)), true
	case last.Value > high:
		return fmt.Sprintf("%s at step %d is above %s", number(last.Value), last.Step, number(high)), true
	}
	return "", false
}

// String returns p as Go would write it, with bounds instead of pointers.
func (p Threshold) String() string {
	bound := func(b *float64) string {
		if b == nil {
			return "nil"
		}
		return strconv.FormatFloat(*b, 'g', -1, 64)
	}
	return fmt.Sprintf("{Lower:%s Upper:%s Warmup:%d Interval:%d}", bound(p.Lower), bound(p.Upper), p.Warmup, p.Interval)
}

func (p Threshold) bounds() (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	if p.Lower != nil {
		low = *p.Lower
	}
	if p.Upper != nil {
		high = *p.Upper
	}
	return low, high
}
