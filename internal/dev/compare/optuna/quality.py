"""Search quality of real Optuna: one JSON line a run, as the Go side writes them.

    python quality.py [-problems a,b] [-first 0] [-seeds 60] [-trials 200] [-variant default] [-keep FILE]

A line holds the best value after 10, 25, 50, 100, 150, 200 and 500 trials (of several
objectives the share of the hypervolume that is missing) and how many distinct
configurations were tried. With -keep, lines are appended to a file, and the runs that it
has are not repeated.
"""

import argparse
import json
import math
import pathlib

import optuna
from optuna._hypervolume import compute_hypervolume

from problems import CONSTRAINED, FRESH, FRONTS, JUDGING, MIXED, MIXED_FRESH, PROBLEMS, TUNING

AT = [10, 25, 50, 100, 150, 200, 500]
SETS = {
    "tuning": TUNING,
    "judging": JUDGING,
    "fresh": FRESH | MIXED_FRESH,
    "mixed": MIXED | {"pipeline": PROBLEMS["pipeline"]},
    "fronts": FRONTS,
    "constrained": CONSTRAINED,
}
FUNCTIONS = PROBLEMS | TUNING | JUDGING | FRESH | MIXED | MIXED_FRESH
VARIANTS = {
    "default": ("tpe", lambda seed, **kw: optuna.samplers.TPESampler(seed=seed, **kw)),
    "group": ("tpe", lambda seed, **kw: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, **kw)),
    "univariate": ("tpe", lambda seed, **kw: optuna.samplers.TPESampler(seed=seed, multivariate=False, **kw)),
    "nsga2": ("nsga2", lambda seed, **kw: optuna.samplers.NSGAIISampler(seed=seed, **kw)),
    "nsga3": ("nsga3", lambda seed, **kw: optuna.samplers.NSGAIIISampler(seed=seed, **kw)),
    "cmaes": ("cmaes", lambda seed: optuna.samplers.CmaEsSampler(seed=seed)),
    "gp": ("gp", lambda seed, **kw: optuna.samplers.GPSampler(seed=seed, **kw)),
}
# Of the fronts up to the reference point (1.1, 1.1, ...); package objective/problem has them too.
VOLUMES = {
    "zdt1": 0.21 + 2 / 3,
    "zdt2": 0.21 + 1 / 3,
    "zdt3": 1.3317629,
    "dtlz2": 1.331 - math.pi / 6,
    "dtlz2-2": 1.21 - math.pi / 4,
    "wfg4": 1.21 - math.pi / 4,
}
NEVER = 1e300  # the loss of what no trial has met the constraints for


def missing(name, points):
    import numpy

    reference = numpy.full(len(points[0]), 1.1)
    points = numpy.array([p for p in points if all(v < 1.1 for v in p)])
    return 1 - (compute_hypervolume(points, reference) if len(points) else 0) / VOLUMES[name]


def search(name, sampler, trials):
    """Returns a study and the best value after each number of trials."""
    at = [n for n in AT if n <= trials]
    if name in FRONTS:
        directions = ["minimize"] * (3 if name == "dtlz2" else 2)
        study = optuna.create_study(sampler=sampler(), directions=directions)
        study.optimize(FRONTS[name], n_trials=trials)
        values = [t.values for t in study.trials]
        return study, {str(n): missing(name, values[:n]) for n in at}
    if name in CONSTRAINED:
        violations = {}

        def objective(t):
            loss, violations[t.number] = CONSTRAINED[name](t)
            return loss

        study = optuna.create_study(sampler=sampler(constraints_func=lambda t: violations[t.number]))
        study.optimize(objective, n_trials=trials)
        values = [t.value if max(violations[t.number]) <= 0 else NEVER for t in study.trials]
    else:
        study = optuna.create_study(sampler=sampler())
        study.optimize(FUNCTIONS[name], n_trials=trials)
        values = [t.value for t in study.trials]
    return study, {str(n): min(values[:n]) for n in at}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("-problems", default=",".join(p for p in PROBLEMS if p != "sphere10"))
    args.add_argument("-first", type=int, default=0)
    args.add_argument("-seeds", type=int, default=60)
    args.add_argument("-trials", type=int, default=200)
    args.add_argument("-variant", default="default", choices=VARIANTS)
    args.add_argument("-keep", type=pathlib.Path)
    args = args.parse_args()

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kind, sampler = VARIANTS[args.variant]
    label = f"optuna {optuna.__version__} " + (kind if kind == args.variant else f"{kind} {args.variant}")
    known = set()
    if args.keep and args.keep.exists():
        known = {(r["problem"], r["seed"]) for r in map(json.loads, args.keep.read_text().splitlines())}
    out = args.keep.open("a") if args.keep else None
    for name in [n for some in args.problems.split(",") for n in SETS.get(some, [some])]:
        for seed in range(args.first, args.first + args.seeds):
            if (name, seed) in known:
                continue
            study, best = search(name, lambda **kw: sampler(seed, **kw), args.trials)
            run = {
                "sampler": label,
                "problem": name,
                "seed": seed,
                "best": best,
                "distinct": len({json.dumps(t.params, sort_keys=True) for t in study.trials}),
            }
            print(json.dumps(run), file=out, flush=True)


main()
