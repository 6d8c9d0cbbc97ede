package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/auto"
	"github.com/attune-hpo/attune/sampler/cmaes"
	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/sampler/qmc"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
)

// A search says how a command looks for better parameters: its sampler and its pruner, each a
// name, or a name with settings: tpe:startup=20,candidates=48.
type search struct{ sampler, pruner string }

// A maker makes a sampler or a pruner with settings, NAME=VALUE.
type maker[T any] struct {
	make     func(settings []string) (T, error)
	settings []string // names of all settings
}

var samplers = choices[maker[sampler.Sampler]]{
	{"auto", made(struct{}{}, func(struct{}) sampler.Sampler { return auto.New() })},
	{"tpe", made(tpe.Config{}, func(c tpe.Config) sampler.Sampler { return tpe.New(c) })},
	{"gp", made(gp.Config{}, func(c gp.Config) sampler.Sampler { return gp.New(c) })},
	{"cmaes", made(cmaes.Config{}, func(c cmaes.Config) sampler.Sampler { return cmaes.New(c) })},
	{"random", made(struct{}{}, func(struct{}) sampler.Sampler { return random.Sampler{} })},
	{"qmc", made(struct{}{}, func(struct{}) sampler.Sampler { return qmc.Sampler{} })},
}

// pruners get a step for each round of training. The first ten rounds say little.
var pruners = choices[maker[pruner.Pruner]]{
	{"median", made(pruner.Median{}, func(p pruner.Median) pruner.Pruner { return p })},
	{"halving", made(pruner.SuccessiveHalving{MinResource: 10, ReductionFactor: 2}, func(p pruner.SuccessiveHalving) pruner.Pruner { return p })},
	{"hyperband", made(pruner.Hyperband{MinResource: 10}, func(p pruner.Hyperband) pruner.Pruner { return p })},
	{"pareto", made(pruner.ParetoHalving{}, func(p pruner.ParetoHalving) pruner.Pruner { return p })},
	{"extrapolation", made(pruner.Extrapolation{}, func(p pruner.Extrapolation) pruner.Pruner { return p })},
	{"none", made(struct{}{}, func(struct{}) pruner.Pruner { return pruner.None{} })},
}

// made returns a maker from a struct with the defaults. Its settings are the fields that are
// numbers, truths or texts, in lower case with underscores.
func made[C, T any](base C, of func(C) T) maker[T] {
	fields := map[string]int{}
	m := maker[T]{}
	for i := range reflect.TypeFor[C]().NumField() {
		f := reflect.TypeFor[C]().Field(i)
		switch f.Type {
		case reflect.TypeFor[int](), reflect.TypeFor[float64](), reflect.TypeFor[bool](), reflect.TypeFor[string]():
			name := underscored(f.Name)
			fields[name], m.settings = i, append(m.settings, name)
		}
	}
	m.make = func(settings []string) (T, error) {
		var none T
		c := base
		for _, s := range settings {
			name, value, _ := strings.Cut(s, "=")
			i, ok := fields[name]
			if !ok && len(m.settings) == 0 {
				return none, fmt.Errorf("%s: it has no settings", s)
			}
			if !ok {
				return none, fmt.Errorf("%s: want NAME=VALUE, with a name of %s", quote(s), strings.Join(m.settings, ", "))
			}
			f := reflect.ValueOf(&c).Elem().Field(i)
			var err error
			switch f.Kind() {
			case reflect.Int:
				var n int
				if n, err = strconv.Atoi(value); err == nil {
					f.SetInt(int64(n))
				}
			case reflect.Float64:
				var x float64
				if x, err = strconv.ParseFloat(value, 64); err == nil {
					f.SetFloat(x)
				}
			case reflect.String:
				f.SetString(value)
			default:
				var b bool
				if b, err = strconv.ParseBool(value); err == nil {
					f.SetBool(b)
				}
			}
			if err != nil {
				return none, fmt.Errorf("%s: want %s", s, wanted[f.Kind().String()])
			}
		}
		out := of(c)
		if v, ok := any(out).(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return none, err
			}
		}
		return out, nil
	}
	return m
}

// underscored turns MinResource into min_resource.
func underscored(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// get returns what the value of a flag names.
func get[T any](all choices[maker[T]], flag, value string) (T, error) {
	var none T
	name, rest, some := strings.Cut(value, ":")
	m, err := all.get(flag, name)
	if err != nil {
		return none, err
	}
	var settings []string
	if some {
		settings = strings.Split(rest, ",")
	}
	out, err := m.make(settings)
	if err != nil {
		return none, fmt.Errorf("--%s %s: %w", flag, value, err)
	}
	return out, nil
}

// flags adds --sampler and --pruner, whose default is usual.
func (s *search) flags(cmd *cobra.Command, usual string) {
	f := cmd.Flags()
	f.StringVar(&s.sampler, "sampler", samplers[0].name, "`sampler` that proposes parameters: "+strings.Join(samplers.names(), ", ")+"; with settings: tpe:startup=20,candidates=48")
	f.StringVar(&s.pruner, "pruner", usual, "`pruner` that stops unpromising trials early: "+strings.Join(pruners.names(), ", ")+"; with settings: median:startup=5,warmup=10")
	complete(cmd, "sampler", samplers.names()...)
	complete(cmd, "pruner", pruners.names()...)
}

// check fails if a name or a setting is unknown.
func (s search) check() error {
	if _, err := get(samplers, "sampler", s.sampler); err != nil {
		return err
	}
	_, err := get(pruners, "pruner", s.pruner)
	return err
}

// make returns the chosen sampler and pruner. check must have passed.
func (s search) make() (sampler.Sampler, pruner.Pruner) {
	of, err := get(samplers, "sampler", s.sampler)
	must(err)
	p, err := get(pruners, "pruner", s.pruner)
	must(err)
	return of, p
}

// lagHelp is the help text of --lag.
const lagHelp = "draw each trial from all trials before it except the last `number`-1, and run at most that many at once in all processes; then the same --seed gives the same trials, regardless of the number of workers, timing and interruptions; 0: draw each trial from all that have ended"
