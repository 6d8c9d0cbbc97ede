package dbserver

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

// names is the limit of names in the columns of an engine.
type names struct{ *Dialect }

func (s *Store) names() names { return names{s.Engine.Dialect()} }

// check returns an error that wraps [space.ErrInvalid] unless the tables can hold a
// name.
func (n names) check(what, name string) error {
	switch {
	case utf8.RuneCountInString(name) > n.MaxName:
		return fmt.Errorf("%w: the %s name %.40q... has %d characters: the database holds at most %d", space.ErrInvalid, what, name, utf8.RuneCountInString(name), n.MaxName)
	case n.NoNUL && strings.ContainsRune(name, 0):
		return fmt.Errorf("%w: the %s name %.60q has a NUL character, which the database cannot hold", space.ErrInvalid, what, name)
	}
	return nil
}

func (n names) attrs(list ...trial.Attrs) error {
	for _, as := range list {
		for _, a := range as {
			if err := n.check("attribute", a.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n names) space(s space.Space) error {
	for _, a := range s {
		if err := n.check("parameter", a.Name); err != nil {
			return err
		}
	}
	return nil
}

func (n names) report(step int) error {
	if step > math.MaxInt32 {
		return fmt.Errorf("%w: step %d: the database holds steps up to %d", trial.ErrReport, step, math.MaxInt32)
	}
	return nil
}

func (n names) constraint(name string) error {
	return n.check("constraint", optunadb.ConstraintPrefix+name)
}

func (n names) header(h trial.Header) error {
	if err := n.check("study", h.Name); err != nil {
		return err
	}
	return n.attrs(h.Attrs, h.Notes)
}

func (n names) record(r trial.Record) error {
	err := n.space(r.Params.Space)
	if err == nil {
		err = n.attrs(r.Attrs, r.Notes)
	}
	for _, c := range r.Constraints {
		if err == nil {
			err = n.constraint(c.Name)
		}
	}
	if len(r.Reports) > 0 && err == nil {
		err = n.report(r.Reports[len(r.Reports)-1].Step)
	}
	return err
}

func (n names) changes(changes []trial.Change) (err error) {
	for _, c := range changes {
		switch c := c.(type) {
		case trial.Suggested:
			err = n.space(c.Space)
		case trial.Reported:
			err = n.report(c.Step)
		case trial.Constrained:
			err = n.constraint(c.Name)
		case trial.Annotated:
			err = n.check("attribute", c.Key)
		case trial.Noted:
			err = n.check("attribute", c.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
