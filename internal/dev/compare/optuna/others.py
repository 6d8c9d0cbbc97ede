"""Search quality of SMAC3 and HEBO: one JSON line a run, as quality.py writes them.

    python others.py -variant smac|hebo -problems a,b [-seeds 3] [-trials 100] [-keep FILE]

Only for problems that always suggest the same parameters: both want the space in advance.
"""

import argparse
import importlib.metadata
import json
import math
import pathlib
import tempfile

from problems import FRESH, JUDGING, MIXED, MIXED_FRESH, PROBLEMS, TUNING

AT = [10, 25, 50, 100, 150, 200, 500]
FUNCTIONS = PROBLEMS | TUNING | JUDGING | FRESH | MIXED | MIXED_FRESH


class Space:
    """A trial that notes which parameters a problem suggests, and takes the first value of each."""

    def __init__(self, problem):
        self.axes = {}
        problem(self)

    def suggest_float(self, name, low, high, log=False, step=None):
        self.axes[name] = ("float", low, high, log, step)
        return low

    def suggest_int(self, name, low, high, log=False, step=1):
        self.axes[name] = ("int", low, high, log, step)
        return low

    def suggest_categorical(self, name, choices):
        self.axes[name] = ("choice", choices, None, False, None)
        return choices[0]


class Given:
    """A trial whose parameters are known."""

    def __init__(self, values):
        self.values = values

    def suggest_float(self, name, *_, **__):
        return float(self.values[name])

    def suggest_int(self, name, *_, **__):
        return int(self.values[name])

    def suggest_categorical(self, name, _):
        return self.values[name]


def steps(low, high, step):
    return [low + i * step for i in range(math.floor((high - low) / step + 1e-9) + 1)]


def smac(axes, problem, seed, trials):
    from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer, OrdinalHyperparameter
    from smac import HyperparameterOptimizationFacade, Scenario

    space = ConfigurationSpace(seed=seed)
    for name, (kind, low, high, log, step) in axes.items():
        if kind == "choice":
            space.add(Categorical(name, low))
        elif kind == "int":
            space.add(Integer(name, (low, high), log=log))
        elif step:
            space.add(OrdinalHyperparameter(name, steps(low, high, step)))
        else:
            space.add(Float(name, (low, high), log=log))
    tried = []

    def objective(config, seed=0):
        values = dict(config)
        tried.append((problem(Given(values)), values))
        return tried[-1][0]

    with tempfile.TemporaryDirectory() as at:
        scenario = Scenario(space, deterministic=True, n_trials=trials, seed=seed, output_directory=at)
        HyperparameterOptimizationFacade(scenario, objective, overwrite=True, logging_level=40).optimize()
    return tried


def hebo(axes, problem, seed, trials):
    import numpy
    import torch
    from hebo.design_space.design_space import DesignSpace
    from hebo.optimizers.hebo import HEBO

    numpy.random.seed(seed)
    torch.manual_seed(seed)
    declared = []
    for name, (kind, low, high, log, step) in axes.items():
        if kind == "choice":
            declared.append({"name": name, "type": "cat", "categories": low})
        elif kind == "int":
            declared.append({"name": name, "type": "pow_int" if log else "int", "lb": low, "ub": high})
        elif step:
            declared.append({"name": name, "type": "int", "lb": 0, "ub": len(steps(low, high, step)) - 1})
        else:
            declared.append({"name": name, "type": "pow" if log else "num", "lb": low, "ub": high})
    optimizer = HEBO(DesignSpace().parse(declared), scramble_seed=seed)
    tried = []
    for _ in range(trials):
        proposal = optimizer.suggest(n_suggestions=1)
        values = proposal.iloc[0].to_dict()
        for name, (kind, low, high, _, step) in axes.items():
            if kind == "float" and step:
                values[name] = steps(low, high, step)[int(values[name])]
        tried.append((problem(Given(values)), values))
        optimizer.observe(proposal, numpy.array([[tried[-1][0]]]))
    return tried


def main():
    args = argparse.ArgumentParser()
    args.add_argument("-variant", choices=["smac", "hebo"], required=True)
    args.add_argument("-problems", required=True)
    args.add_argument("-seeds", type=int, default=3)
    args.add_argument("-trials", type=int, default=100)
    args.add_argument("-keep", type=pathlib.Path)
    args = args.parse_args()

    search, package = {"smac": (smac, "smac"), "hebo": (hebo, "HEBO")}[args.variant]
    label = f"{args.variant} {importlib.metadata.version(package)}"
    known = set()
    if args.keep and args.keep.exists():
        known = {(r["problem"], r["seed"]) for r in map(json.loads, args.keep.read_text().splitlines())}
    out = args.keep.open("a") if args.keep else None
    for seed in range(args.seeds):
        for name in args.problems.split(","):
            if (name, seed) in known:
                continue
            problem = FUNCTIONS[name]
            tried = search(Space(problem).axes, problem, seed, args.trials)
            values = [v for v, _ in tried]
            run = {
                "sampler": label,
                "problem": name,
                "seed": seed,
                "best": {str(n): min(values[:n]) for n in AT if n <= args.trials},
                "distinct": len({json.dumps(p, sort_keys=True, default=str) for _, p in tried}),
            }
            print(json.dumps(run), file=out, flush=True)


main()
