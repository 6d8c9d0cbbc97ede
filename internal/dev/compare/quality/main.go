// Command quality measures search quality: it runs one sampler on problems with
// known minima and writes a JSON line per run.
//
//	go run ./internal/dev/compare/quality -sampler tpe > tpe.jsonl
//	go run ./internal/dev/compare/versus tpe.jsonl doc/benchmarks/data/optuna-5.0.0-default.jsonl
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/internal/dev/compare"
	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/auto"
	"github.com/attune-hpo/attune/sampler/cmaes"
	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/sampler/nsga2"
	"github.com/attune-hpo/attune/sampler/nsga3"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

var samplers = map[string]sampler.Sampler{
	"random":         random.Sampler{},
	"tpe":            tpe.New(tpe.Config{}),
	"tpe-univariate": tpe.New(tpe.Config{Kernel: tpe.Univariate}),
	"tpe-repeat":     tpe.New(tpe.Config{Kernel: tpe.Univariate, Repeat: true}),
	"tpe-ignore":     tpe.New(tpe.Config{IgnoreRunning: true}),
	"tpe-alone":      alone(tpe.New(tpe.Config{})),
	"auto":           auto.New(),
	"gp":             gp.New(gp.Config{}),
	"cmaes":          cmaes.New(cmaes.Config{}),
	"nsga2":          nsga2.New(nsga2.Config{}),
	"nsga3":          nsga3.New(nsga3.Config{}),
}

// alone makes s draw the parameters that all trials share jointly, and any other parameter
// separately, like an engine that does not know groups.
func alone(s sampler.Sampler) sampler.Sampler {
	return sampler.Func(func(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
		if len(r.Given.Space) == 0 {
			return s.Sample(ctx, r)
		}
		var all sampler.Proposal
		axes := r.Space
		for i := range axes {
			r.Space = axes[i : i+1]
			p, err := s.Sample(ctx, r)
			if err != nil {
				return p, err
			}
			all.Point = append(all.Point, p.Point...)
		}
		return all, nil
	})
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("quality: ")
	name := flag.String("sampler", "tpe", fmt.Sprintf("one of %v", slices.Sorted(maps.Keys(samplers))))
	names := flag.String("problems", "", "names, separated by commas (default all)")
	first := flag.Int("first", 0, "first seed")
	seeds := flag.Int("seeds", 60, "runs per problem")
	trials := flag.Int("trials", 200, "trials per run, one after another")
	declare := flag.Bool("declare", false, "declare the study's space beforehand, including conditions")
	workers := flag.Int("workers", 1, "the number N of trials at once: each is drawn without the last N")
	keep := flag.String("keep", "", "append to this file, and do not repeat the runs that it has")
	flag.Parse()

	s, ok := samplers[*name]
	if !ok {
		log.Fatalf("no sampler %q", *name)
	}
	problems, fronts, bounded, err := compare.Named(*names)
	if err != nil {
		log.Fatal(err)
	}
	label := "attune " + *name
	if *declare {
		label += " declared"
	}
	if *workers > 1 {
		label += fmt.Sprintf(", %d workers", *workers)
	}
	out := json.NewEncoder(os.Stdout)
	known := map[string]bool{}
	if *keep != "" {
		f, err := os.OpenFile(*keep, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			log.Fatal(err)
		}
		defer f.Close()
		runs, err := compare.Read(f)
		if err != nil {
			log.Fatal(err)
		}
		for _, r := range runs {
			known[fmt.Sprint(r.Problem, " ", r.Seed)] = true
		}
		out = json.NewEncoder(f)
	}
	how := study.Run{Trials: *trials, Workers: *workers}
	if *workers > 1 {
		how.Lag = *workers
	}
	repeat := func(name string, axes space.Space, search func(cfg study.Config) (compare.Run, error)) {
		for seed := *first; seed < *first+*seeds; seed++ {
			if known[fmt.Sprint(name, " ", seed)] {
				continue
			}
			cfg := study.Config{Sampler: s, Seed: uint64(seed)}
			if *declare {
				cfg.Space = axes
			}
			run, err := search(cfg)
			if err != nil {
				log.Fatal(err)
			}
			run.Sampler, run.Seed = label, seed
			known[fmt.Sprint(name, " ", seed)] = true
			if err := out.Encode(run); err != nil {
				log.Fatal(err)
			}
		}
	}
	ctx := context.Background()
	for _, p := range problems {
		repeat(p.Name, p.Space, func(cfg study.Config) (compare.Run, error) {
			return search(ctx, cfg, compare.Bounded{Problem: p}, how)
		})
	}
	for _, f := range fronts {
		repeat(f.Name, f.Space, func(cfg study.Config) (compare.Run, error) { return searchFront(ctx, cfg, f, how) })
	}
	for _, b := range bounded {
		repeat(b.Name, b.Space, func(cfg study.Config) (compare.Run, error) { return search(ctx, cfg, b, how) })
	}
}

// searchFront runs a study with several objectives, and measures the share of the
// hypervolume that it misses.
func searchFront(ctx context.Context, cfg study.Config, f problem.Front, how study.Run) (compare.Run, error) {
	run := compare.Run{Problem: f.Name, Best: map[int]float64{}}
	cfg.Directions = make([]trial.Direction, f.Objectives)
	st, err := study.Create(ctx, &memory.Store{}, f.Name, cfg)
	if err != nil {
		return run, err
	}
	defer st.Close()
	objective := study.MultiFunc(func(_ context.Context, t *study.Trial) ([]float64, error) { return f.Losses(t), nil })
	if err := st.Optimize(ctx, objective, how); err != nil {
		return run, err
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return run, err
	}
	reference := slices.Repeat([]float64{1.1}, f.Objectives)
	configs := map[string]bool{}
	var points [][]float64
	for i, r := range h.Records() {
		points = append(points, r.Values)
		configs[fmt.Sprint(r.Params.Point)] = true
		if slices.Contains(compare.Checkpoints, i+1) {
			run.Best[i+1] = 1 - pareto.Hypervolume(points, reference)/f.Hypervolume
		}
	}
	run.Distinct = len(configs)
	return run, nil
}

func search(ctx context.Context, cfg study.Config, p compare.Bounded, how study.Run) (compare.Run, error) {
	run := compare.Run{Problem: p.Name, Best: map[int]float64{}}
	st, err := study.Create(ctx, &memory.Store{}, p.Name, cfg)
	if err != nil {
		return run, err
	}
	defer st.Close()
	objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		loss := p.Loss(t)
		if p.Limits != nil {
			for i, v := range p.Limits(t) {
				t.Constrain(fmt.Sprintf("c%02d", i), v)
			}
		}
		return loss, nil
	})
	if err := st.Optimize(ctx, objective, how); err != nil {
		return run, err
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return run, err
	}
	configs := map[string]bool{}
	best := compare.Never
	for i, r := range h.Records() { // by number: workers finish in any order
		if len(r.Values) != 1 {
			return run, fmt.Errorf("%s: trial %d is %v: %s", p.Name, r.Number, r.State, r.Err)
		}
		if r.Feasible() {
			best = min(best, r.Values[0])
		}
		if slices.Contains(compare.Checkpoints, i+1) {
			run.Best[i+1] = best
		}
		configs[fmt.Sprint(slices.SortedFunc(slices.Values(r.Params.Settings()), func(a, b space.Setting) int {
			return strings.Compare(a.Name, b.Name)
		}))] = true
	}
	run.Distinct = len(configs)
	return run, nil
}
