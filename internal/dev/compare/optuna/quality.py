"""Search quality of real Optuna: one JSON line a run, as the Go side writes them.

    python quality.py [-problems a,b] [-first 0] [-seeds 60] [-trials 200] [-variant default]

A line holds the best value after 10, 25, 50, 100, 150, 200 and 500 trials (of several
objectives the share of the hypervolume that is missing) and how many distinct
configurations were tried.
"""

import argparse
import json
import math

import optuna
from optuna._hypervolume import compute_hypervolume

from problems import FRONTS, PROBLEMS

AT = [10, 25, 50, 100, 150, 200, 500]
VARIANTS = {
    "default": ("tpe", lambda seed: optuna.samplers.TPESampler(seed=seed)),
    "group": ("tpe", lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)),
    "univariate": ("tpe", lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=False)),
    "nsga2": ("nsga2", lambda seed: optuna.samplers.NSGAIISampler(seed=seed)),
    "nsga3": ("nsga3", lambda seed: optuna.samplers.NSGAIIISampler(seed=seed)),
    "cmaes": ("cmaes", lambda seed: optuna.samplers.CmaEsSampler(seed=seed)),
    "gp": ("gp", lambda seed: optuna.samplers.GPSampler(seed=seed)),
}
# Of the fronts up to the reference point (1.1, 1.1, ...); package objective/problem has them too.
VOLUMES = {
    "zdt1": 0.21 + 2 / 3,
    "zdt2": 0.21 + 1 / 3,
    "zdt3": 1.3317629,
    "dtlz2": 1.331 - math.pi / 6,
}


def missing(name, points):
    import numpy

    reference = numpy.full(len(points[0]), 1.1)
    points = numpy.array([p for p in points if all(v < 1.1 for v in p)])
    return 1 - (compute_hypervolume(points, reference) if len(points) else 0) / VOLUMES[name]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("-problems", default=",".join(p for p in PROBLEMS if p != "sphere10"))
    args.add_argument("-first", type=int, default=0)
    args.add_argument("-seeds", type=int, default=60)
    args.add_argument("-trials", type=int, default=200)
    args.add_argument("-variant", default="default", choices=VARIANTS)
    args = args.parse_args()

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kind, sampler = VARIANTS[args.variant]
    label = kind if kind == args.variant else f"{kind} {args.variant}"
    for name in args.problems.split(","):
        for seed in range(args.first, args.first + args.seeds):
            if name in FRONTS:
                directions = ["minimize"] * (3 if name == "dtlz2" else 2)
                study = optuna.create_study(sampler=sampler(seed), directions=directions)
                study.optimize(FRONTS[name], n_trials=args.trials)
                values = [t.values for t in study.trials]
                best = {str(n): missing(name, values[:n]) for n in AT if n <= args.trials}
            else:
                study = optuna.create_study(sampler=sampler(seed))
                study.optimize(PROBLEMS[name], n_trials=args.trials)
                values = [t.value for t in study.trials]
                best = {str(n): min(values[:n]) for n in AT if n <= args.trials}
            run = {
                "sampler": f"optuna {optuna.__version__} {label}",
                "problem": name,
                "seed": seed,
                "best": best,
                "distinct": len({json.dumps(t.params, sort_keys=True) for t in study.trials}),
            }
            print(json.dumps(run), flush=True)


main()
