"""Prints studies as JSON, and the importances of their parameters as Optuna computes them"""

import json
import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution as C
from optuna.distributions import FloatDistribution as F
from optuna.distributions import IntDistribution as I
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def draw(rng, d):
    if isinstance(d, C):
        return d.choices[rng.integers(len(d.choices))]
    if isinstance(d, I):
        return int(rng.integers((d.high - d.low) // d.step + 1)) * d.step + d.low
    if d.step:
        return round(int(rng.integers(round((d.high - d.low) / d.step) + 1)) * d.step + d.low, 12)
    if d.log:
        return float(np.exp(rng.uniform(np.log(d.low), np.log(d.high))))
    return float(rng.uniform(d.low, d.high))


def study(n, directions, space, values, seed):
    rng = np.random.default_rng(seed)
    s = optuna.create_study(directions=directions)
    for i in range(n):
        params, distributions = {}, {}
        for name, d in space(i, params, rng):
            distributions[name], params[name] = d, draw(rng, d)
        s.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, values=values(params, rng)))
    return s


def mixed(i, params, rng):
    yield "lr", F(1e-5, 1e-1, log=True)
    yield "units", I(1, 1000, log=True)
    yield "layers", I(1, 9, step=2)
    yield "many", I(0, 400)
    yield "rate", F(0, 1, step=0.1)
    yield "width", F(-1, 1) if i < 120 else F(-0.5, 0.25)
    yield "fixed", I(3, 3)
    yield "opt", C(["sgd", "adam", "none", "lion"])
    if params["opt"] != "none":
        yield "momentum", F(0, 1)
    if i == 7:
        yield "once", F(0, 1)


def mixed_value(p, rng):
    if p["many"] == 13:
        return [float("inf")]
    return [round(-abs(np.log10(p["lr"]) + 3) + p["rate"] * p.get("momentum", 0.2) - abs(p["width"]) + 0.05 * len(p["opt"]) + 0.1 * rng.normal(), 2)]


def plain(i, params, rng):
    yield "a", F(0, 1)
    yield "b", F(-1, 1)
    yield "n", I(0, 500)
    yield "c", C(["x", "y"])


def plain_value(p, rng):
    return [2 * p["a"] * p["b"] + p["n"] / 400 + 0.9 * (p["c"] == "x")]


def smooth(i, params, rng):
    yield "a", F(0, 1)
    yield "b", F(0, 1)
    yield "c", I(0, 9)


def two(p, rng):
    return [round(p["a"] + 0.3 * p["b"], 2), round(p["b"] * 10 - p["a"] ** 2 * 4, 1)]


studies = {
    "mixed": study(240, ["maximize"], mixed, mixed_value, 1),
    "two": study(200, ["minimize", "maximize"], smooth, two, 2),
    "plain": study(80, ["minimize"], plain, plain_value, 3),
}
ped = {"default": {}, "wide": {"target_quantile": 0.25}, "local": {"target_quantile": 0.1, "region_quantile": 0.5}, "uniform": {"evaluate_on_local": False}}
out = {}
for name, s in studies.items():
    out[name] = {
        "directions": [d.name for d in s.directions],
        "trials": [
            {
                "params": [[k, json.dumps(v), optuna.distributions.distribution_to_json(t.distributions[k])] for k, v in t.params.items()],
                "values": [repr(float(v)) for v in t.values],
            }
            for t in s.trials
        ],
        "ped": {k: PedAnovaImportanceEvaluator(**kw).evaluate(s) for k, kw in ped.items()},
    }
out["plain"]["fanova"] = [FanovaImportanceEvaluator(n_trees=24, seed=seed).evaluate(studies["plain"]) for seed in range(6)]
print(json.dumps(out))
