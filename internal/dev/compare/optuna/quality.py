"""Search quality of real Optuna: one JSON line a run, as the Go side writes them.

    python quality.py [-problems a,b] [-first 0] [-seeds 60] [-trials 200] [-variant default]

A line holds the best value after 10, 25, 50, 100, 150 and 200 trials and how many
distinct configurations were tried.
"""

import argparse
import json

import optuna

from problems import PROBLEMS

AT = [10, 25, 50, 100, 150, 200]
VARIANTS = {
    "default": {},
    "group": {"multivariate": True, "group": True},
    "univariate": {"multivariate": False},
}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("-problems", default=",".join(p for p in PROBLEMS if p != "sphere10"))
    args.add_argument("-first", type=int, default=0)
    args.add_argument("-seeds", type=int, default=60)
    args.add_argument("-trials", type=int, default=200)
    args.add_argument("-variant", default="default", choices=VARIANTS)
    args = args.parse_args()

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name in args.problems.split(","):
        for seed in range(args.first, args.first + args.seeds):
            sampler = optuna.samplers.TPESampler(seed=seed, **VARIANTS[args.variant])
            study = optuna.create_study(sampler=sampler)
            study.optimize(PROBLEMS[name], n_trials=args.trials)
            values = [t.value for t in study.trials]
            run = {
                "sampler": f"optuna {optuna.__version__} tpe {args.variant}",
                "problem": name,
                "seed": seed,
                "best": {str(n): min(values[:n]) for n in AT if n <= args.trials},
                "distinct": len({json.dumps(t.params, sort_keys=True) for t in study.trials}),
            }
            print(json.dumps(run), flush=True)


main()
