package katib

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/katib/internal/api"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/auto"
	"github.com/attune-hpo/attune/sampler/cmaes"
	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/sampler/grid"
	"github.com/attune-hpo/attune/sampler/nsga2"
	"github.com/attune-hpo/attune/sampler/qmc"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
)

// An algorithm makes a sampler from settings.
type algorithm struct {
	name     string
	settings []string // names of the settings, in addition to random_state
	sampler  func(s settings, axes space.Space) (sampler.Sampler, error)
}

var algorithms = []algorithm{
	{"auto", nil, func(settings, space.Space) (sampler.Sampler, error) { return auto.New(), nil }},
	{"tpe", []string{"n_startup_trials", "n_ei_candidates"}, parzen},
	{"multivariate-tpe", []string{"n_startup_trials", "n_ei_candidates"}, parzen},
	{"bayesianoptimization", []string{"n_initial_points"}, gaussian},
	{"gp", []string{"n_initial_points"}, gaussian},
	{"cmaes", []string{"sigma", "restart_strategy"}, evolution},
	{"nsga2", nil, func(settings, space.Space) (sampler.Sampler, error) { return nsga2.New(nsga2.Config{}), nil }},
	{"sobol", nil, func(settings, space.Space) (sampler.Sampler, error) { return qmc.Sampler{}, nil }},
	{"grid", nil, every},
	{"random", nil, func(settings, space.Space) (sampler.Sampler, error) { return random.Sampler{}, nil }},
}

func parzen(s settings, _ space.Space) (sampler.Sampler, error) {
	var c tpe.Config
	if err := s.whole("n_startup_trials", &c.Startup); err != nil {
		return nil, err
	}
	if _, given := s["n_startup_trials"]; given && c.Startup == 0 {
		c.Startup = -1
	}
	return tpe.New(c), s.whole("n_ei_candidates", &c.Candidates)
}

func gaussian(s settings, _ space.Space) (sampler.Sampler, error) {
	var c gp.Config
	err := s.whole("n_initial_points", &c.Startup)
	return gp.New(c), err
}

func evolution(s settings, _ space.Space) (sampler.Sampler, error) {
	var c cmaes.Config
	if text, ok := s["sigma"]; ok {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || !(x > 0 && x <= 1) {
			return nil, fmt.Errorf("sigma %q: want a share of the ranges, such as 0.2", text)
		}
		c.Sigma = x
	}
	switch text := s["restart_strategy"]; text {
	case "", "ipop":
	case "bipop":
		c.Restart = cmaes.BIPOP
	default:
		return nil, fmt.Errorf("restart_strategy %q: want ipop or bipop, as a search that has converged always restarts", text)
	}
	return cmaes.New(c), nil
}

// every returns a sampler that visits each configuration once. Running trials count as visited.
func every(_ settings, axes space.Space) (sampler.Sampler, error) {
	var values []space.Setting
	points := 1
	for _, a := range axes {
		n := a.Distribution.Len()
		if n == 0 || n > grid.MaxPoints/points {
			return nil, fmt.Errorf("parameter %q: there are too many configurations: give it a step, or fewer values", a.Name)
		}
		points *= n
		values = append(values, grid.All(a)...)
	}
	return grid.New(grid.Config{Values: values}), nil
}

// settings are the settings of an algorithm by name.
type settings map[string]string

// whole parses an integer setting, if it is set.
func (s settings) whole(name string, to *int) error {
	text, ok := s[name]
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return fmt.Errorf("%s %q: want a whole number from 0", name, text)
	}
	*to = n
	return nil
}

// choose returns the sampler and the seed of an experiment.
func choose(e *api.Experiment, axes space.Space) (s sampler.Sampler, seed uint64, err error) {
	spec := e.GetSpec().GetAlgorithm()
	i := slices.IndexFunc(algorithms, func(a algorithm) bool { return a.name == spec.GetAlgorithmName() })
	if i < 0 {
		var names []string
		for _, a := range algorithms {
			names = append(names, a.name)
		}
		return nil, 0, fmt.Errorf("%w: algorithm %q: want one of %s", errSpec, spec.GetAlgorithmName(), strings.Join(names, ", "))
	}
	a, given := algorithms[i], settings{}
	h := fnv.New64a()
	h.Write([]byte(e.Name))
	seed = h.Sum64()
	for _, x := range spec.GetAlgorithmSettings() {
		switch {
		case x.Name == "random_state":
			n, err := strconv.ParseUint(x.Value, 10, 64)
			if err != nil {
				return nil, 0, fmt.Errorf("%w: random_state %q: want a whole number from 0", errSpec, x.Value)
			}
			seed = n
		case slices.Contains(a.settings, x.Name):
			given[x.Name] = x.Value
		default:
			return nil, 0, fmt.Errorf("%w: algorithm %s has no setting %q: want one of %s", errSpec, a.name, x.Name, strings.Join(append(slices.Clip(a.settings), "random_state"), ", "))
		}
	}
	if s, err = a.sampler(given, axes); err != nil {
		return nil, 0, fmt.Errorf("%w: algorithm %s: %w", errSpec, a.name, err)
	}
	return s, seed, nil
}
