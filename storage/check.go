package storage

import (
	"fmt"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// CheckAdd returns an error unless r may be added to a study as it is. It serves
// back ends, which call it in [Ledger.Add]. The error wraps [trial.ErrValues],
// [trial.ErrReport] [space.ErrInvalid] or
// [space.ErrOutside].
func CheckAdd(s trial.Study, r trial.Record) error {
	if r.State == trial.Running {
		return fmt.Errorf("%w: a running trial cannot be added: start it", trial.ErrValues)
	}
	if _, err := r.Params.Space.Normalize(); err != nil {
		return err
	}
	if len(r.Params.Point) != len(r.Params.Space) {
		return fmt.Errorf("%w: %d coordinates for %d parameters", space.ErrOutside, len(r.Params.Point), len(r.Params.Space))
	}
	for i, a := range r.Params.Space {
		if x := r.Params.Point[i]; !a.Distribution.Contains(x) {
			return fmt.Errorf("%w: parameter %q: %v is not in %s", space.ErrOutside, a.Name, x, space.Describe(a.Distribution))
		}
	}
	for i, report := range r.Reports {
		if report.Step < 0 || i > 0 && report.Step <= r.Reports[i-1].Step {
			return fmt.Errorf("%w: steps must ascend from 0, not %v", trial.ErrReport, r.Reports)
		}
	}
	if r.State == trial.Waiting {
		return nil
	}
	if err := trial.CheckValues(r.State, r.Values); err != nil {
		return err
	}
	return CheckObjectives(s, r)
}

// CheckObjectives returns an error that wraps [trial.ErrValues] unless a finished
// trial has as many values as the study has objectives.
func CheckObjectives(s trial.Study, r trial.Record) error {
	if r.State == trial.Complete && len(r.Values) != s.Objectives() {
		return fmt.Errorf("%w: %d values %v, and the study has %d objectives", trial.ErrValues, len(r.Values), r.Values, s.Objectives())
	}
	return nil
}

// Stamp returns t as records keep it: in UTC, in whole microseconds, without a
// monotonic reading. The zero time stays zero.
func Stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
