package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
)

// settings returns the fixed hyperparameters of a model. One that is fixed for all models
// only applies to the models that have it.
func (o *optimize) settings(model string) (space.Settings, error) {
	var out space.Settings
	for _, text := range o.fixed {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("--fixed %s: want NAME=VALUE, or MODEL.NAME=VALUE", quote(text))
		}
		of, rest, ofOne := strings.Cut(name, ".")
		if ofOne {
			if !slices.Contains(o.models, of) {
				return nil, fmt.Errorf("--fixed %s: %s is not one of the --models", text, of)
			}
			if of != model {
				continue
			}
			name = rest
		}
		if name == "device" {
			return nil, fmt.Errorf("--fixed %s: it is not a hyperparameter: use --device", text)
		}
		if _, twice := out.Get(name); twice {
			return nil, fmt.Errorf("--fixed: %s is fixed twice", name)
		}
		l, err := space.ParseLiteral(value)
		if err != nil {
			l = space.Lit(value)
		}
		x := space.Setting{Name: name, Value: l}
		if !ofOne && o.ofOthers(model, x) {
			continue
		}
		out = append(out, x)
	}
	return out, nil
}

// ofOthers reports whether a setting is meant for other models, not for this one. It is meant for the models that can
// have it. If none can, it is meant for those with more hyperparameters, because their error is more helpful.
func (o *optimize) ofOthers(model string, x space.Setting) bool {
	if o.takes(model, x) {
		return false
	}
	return slices.ContainsFunc(o.models, func(other string) bool { return o.takes(other, x) }) ||
		o.table.task == forecastTask && isStatistical(model) && slices.ContainsFunc(o.models, func(m string) bool { return !isStatistical(m) })
}

// takes reports whether a model can have a setting.
func (o *optimize) takes(model string, x space.Setting) bool {
	if o.table.task != forecastTask {
		return takesTable(model, x)
	}
	m, err := models.get("models", model)
	must(err) // it has been checked
	f, _, err := m.family(how{engine: nativeEngine})
	must(err)
	_, err = f.New(space.Settings{x})
	return err == nil
}

// The shipped spaces.
const (
	quickSpace = "quick"
	fullSpace  = "full"
)

// space returns the space that a model searches: a custom one, or nil and whether to use
// the full shipped one.
func (o *optimize) space(model string) (own space.Space, full bool, err error) {
	var all, one string // values of the flag for all models, and for this one
	for _, text := range o.spaces {
		of, what, named := strings.Cut(text, "=")
		said := &one
		switch {
		case !named && (text == quickSpace || text == fullSpace):
			said, what = &all, text
		case !named && len(o.models) > 1:
			return nil, false, fmt.Errorf("--space %s: there are several models: name one, MODEL=FILE", quote(text))
		case !named:
			what = text
		case !slices.Contains(o.models, of):
			return nil, false, fmt.Errorf("--space %s: %s is not one of the --models", text, quote(of))
		case of != model:
			continue
		}
		switch {
		case what == "":
			return nil, false, fmt.Errorf("--space %s: want %s, %s or a YAML file", quote(text), quickSpace, fullSpace)
		case *said != "":
			return nil, false, fmt.Errorf("--space: two spaces for %s, %s and %s", model, *said, what)
		}
		*said = what
	}
	what := cmp.Or(one, all, quickSpace)
	if inline, ok := o.file.spaces[model]; ok && one == "" && all == "" {
		own, err := parseSpace(strings.NewReader(inline))
		if err != nil {
			err = fmt.Errorf("--config: space: %s: %w", model, err)
		}
		return own, false, err
	}
	if what == quickSpace || what == fullSpace {
		return nil, what == fullSpace, nil
	}
	own, err = readSpace(what)
	switch {
	case errors.Is(err, space.ErrInvalid), errors.Is(err, space.ErrConstraint):
		err = fmt.Errorf("--space %s: %w", what, err)
	case err != nil:
		err = fmt.Errorf("--space %s: %w: or use %s or %s", what, err, quickSpace, fullSpace)
	}
	return own, false, err
}

// readSpace reads the space in a YAML file. It fails if no values meet its constraints.
func readSpace(file string) (space.Space, error) {
	f, err := regular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseSpace(f)
}

// parseSpace is readSpace for a text.
func parseSpace(r io.Reader) (space.Space, error) {
	s, err := spaceyaml.Read(r)
	if err == nil {
		err = sampler.Possible(s)
	}
	return s, err
}
