package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// warmStart adds to the space of a study what other studies say about it, and returns that in words. The configuration
// has the study's directions.
func warmStart(ctx context.Context, store store, name string, from []string, config *study.Config) (said string, err error) {
	var others []trial.Snapshot
	for _, other := range from {
		if other == name {
			return "", fmt.Errorf("--warm-start %s: it is the study itself, which goes on from its own trials anyway", quote(other))
		}
		h, err := snapshot(ctx, store, other)
		if err != nil {
			return "", fmt.Errorf("--warm-start %s: %w", quote(other), err)
		}
		if h.Objectives() != 1 || len(config.Directions) > 1 || h.Direction(0) != (trial.Header{Directions: config.Directions}).Direction(0) {
			return "", fmt.Errorf("--warm-start %s: it must have one objective, as this study, and the same direction", quote(other))
		}
		others = append(others, h)
	}
	if len(others) == 0 {
		return "", nil
	}
	before := config.Space
	config.Space = sampler.WarmStart(before, others...)
	var beliefs []string
	for i, a := range config.Space {
		if a.Prior != before[i].Prior {
			beliefs = append(beliefs, fmt.Sprintf("%s %v", a.Name, a.Prior))
		}
	}
	if len(beliefs) == 0 {
		return "they say nothing about these parameters", nil
	}
	return strings.Join(beliefs, "; "), nil
}

// warmStart adds to the space of the study of a model what the studies of that model say that have other prefixes. It
// reports that once for each study, and warns of prefixes without such a study.
func (s *session) warmStart(ctx context.Context, name string, config *study.Config) error {
	model := path.Base(name)
	var from []string
	for _, prefix := range s.warm {
		other := prefix + "/" + model
		_, err := snapshot(ctx, s.store, other)
		switch {
		case errors.Is(err, storage.ErrNotExist) && other != name:
			if !s.warmed[name] {
				s.warn(fmt.Errorf("--warm-start %s: there is no study %s", prefix, quote(other)))
			}
		case err != nil && other != name:
			return fmt.Errorf("--warm-start %s: %w", prefix, err)
		default:
			from = append(from, other)
		}
	}
	said, err := warmStart(ctx, s.store, name, from, config)
	if said != "" && !s.warmed[name] {
		s.say("%s: warm start: %s", name, said)
	}
	if s.warmed == nil {
		s.warmed = map[string]bool{}
	}
	s.warmed[name] = true
	return err
}
