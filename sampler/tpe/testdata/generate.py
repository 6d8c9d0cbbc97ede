"""Writes optuna.json: what Optuna's TPE computes, for the tests of this package.

Run it with the version of Optuna named in the file: python generate.py > optuna.json
"""

import json
import sys

import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume
from optuna._hypervolume.hssp import _solve_hssp as solve_hssp
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.samplers._tpe import _truncnorm, sampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.trial import TrialState, create_trial

optuna.logging.set_verbosity(optuna.logging.ERROR)
rng = np.random.RandomState(20260821)
parameters = _ParzenEstimatorParameters(1.0, True, False, sampler.default_weights, True)

DISTRIBUTIONS = [
    FloatDistribution(-1, 1),
    FloatDistribution(1e-5, 1, log=True),
    FloatDistribution(1e-300, 1e300, log=True),
    FloatDistribution(0, 1, step=0.1),
    FloatDistribution(-5, 20, step=0.005),
    IntDistribution(0, 10),
    IntDistribution(-30, 60, step=3),
    IntDistribution(0, 100000),
    IntDistribution(1, 100, log=True),
    IntDistribution(1, 100000, log=True),
    CategoricalDistribution(("a", "b", "c")),
    CategoricalDistribution((True, None)),
]


def draw(d):
    """A value of d in its internal form, half of them near one place."""
    u = 0.6 + 0.02 * rng.randn() if rng.rand() < 0.5 else rng.rand()
    u = min(max(u, 0), 1)
    if isinstance(d, CategoricalDistribution):
        return float(int(u * 0.999 * len(d.choices)))
    low, high = (np.log(d.low), np.log(d.high)) if d.log else (d.low, d.high)
    x = low + u * (high - low)
    x = np.exp(x) if d.log else x
    if d.step is not None:
        x = d.low + round((x - d.low) / d.step) * d.step
    return float(min(max(x, d.low), d.high))


def parzen(distributions, n, ones=False):
    space = {f"x{i}": d for i, d in enumerate(distributions)}
    # Which of equal observations gets which bandwidth is up to numpy's sort: have none in
    # several dimensions, and equal weights in one.
    observations = {}
    for name, d in space.items():
        for _ in range(1000):
            values = [draw(d) for _ in range(n)]
            if isinstance(d, CategoricalDistribution) or len(set(values)) == n:
                break
        else:
            values, ones = (values, True) if len(space) == 1 else (None, ones)
        observations[name] = values
    if None in observations.values():
        return None
    points = {name: [draw(d) for _ in range(6)] for name, d in space.items()}
    arrays = {k: np.array(v, dtype=float) for k, v in observations.items()}
    mpe = _ParzenEstimator(arrays, space, parameters, np.ones(n) if ones else None)
    with np.errstate(all="ignore"):
        logpdf = mpe.log_pdf({k: np.array(v) for k, v in points.items()})
    return {
        "distributions": [distribution_to_json(d) for d in distributions],
        "observations": [list(v) for v in zip(*observations.values())] if n else [],
        "ones": ones,
        "points": [list(v) for v in zip(*points.values())],
        "logpdf": logpdf.tolist(),
    }


def split(directions, n, m):
    study = optuna.create_study(directions=directions)
    trials, records = [], []
    for number in range(n):
        state = rng.choice(["complete"] * 6 + ["pruned"] * 2 + ["running"])
        values = [float(v) for v in np.round(rng.randn(len(directions)), 1)]
        # With three objectives Optuna stops comparing once a volume is infinite; we do not.
        if rng.rand() < 0.05 and len(directions) < 3:
            values[0] = float(rng.choice([np.inf, -np.inf]))
        if state != "complete":
            values = []
        reports = {}
        if state == "pruned" and len(directions) == 1:
            steps = rng.choice(6, size=rng.randint(0, 4), replace=False)
            reports = {int(s): float(rng.choice([np.nan, round(rng.randn(), 1)])) for s in steps}
        constraints = {} if m == 0 else {f"c{i}": float(round(rng.randn(), 1)) for i in range(m)}
        t = create_trial(
            state=TrialState[state.upper()],
            values=values or None,
            intermediate_values=reports,
            constraints=constraints if state != "running" else None,
        )
        t.number = number
        trials.append(t)
        records.append(
            {
                "state": state,
                "values": [repr(v) for v in values],
                "reports": {str(k): repr(v) for k, v in reports.items()},
                "constraints": constraints,
            }
        )
    finished = sum(t.state != TrialState.RUNNING for t in trials)
    gamma = sampler.default_gamma if len(directions) == 1 else sampler.default_gamma_multiobjective
    below, _ = sampler._split_trials(study, trials, gamma(finished))
    return {"directions": directions, "trials": records, "below": [t.number for t in below]}


def volume(n, m):
    points = np.round(rng.rand(n, m) * 10, 1)
    reference = [float(v) for v in rng.uniform(8, 12, m).round(1)]
    inside = points[np.all(points <= reference, axis=1)]
    return {
        "points": points.tolist(),
        "reference": reference,
        "volume": float(compute_hypervolume(inside, np.array(reference))),
    }


def subset(n, m, k):
    front = rng.rand(n, m)
    front /= np.linalg.norm(front, axis=1)[:, None]  # a sphere: none dominates another
    reference = [1.1] * m
    chosen = solve_hssp(front, np.arange(n), k, np.array(reference))
    return {"points": front.tolist(), "k": k, "reference": reference, "chosen": [int(i) for i in chosen]}


masses = [(-1, 2), (10, 11), (-0.001, 0.002), (-40, -39), (3, 300), (-9, 9), (-1e-3, 60), (-7, -6.99)]
quantiles = [(0.5, -1, 2), (0.999, -0.4, 0.6), (1e-9, -50, 50), (0.3, 5, 9), (0.7, -60, -50), (0.01, -3, -2)]

out = {
    "optuna": optuna.__version__,
    "numpy": np.__version__,
    "masses": [
        {"a": a, "b": b, "log": float(_truncnorm._log_gauss_mass(np.array([float(a)]), np.array([float(b)]))[0])}
        for a, b in masses
    ],
    "quantiles": [
        {"u": u, "a": a, "b": b, "x": float(_truncnorm.ppf(np.array([float(u)]), float(a), float(b))[0])}
        for u, a, b in quantiles
    ],
    "parzen": [
        p
        for p in [parzen([d], n) for d in DISTRIBUTIONS for n in (0, 1, 2, 5, 30)]
        + [parzen(DISTRIBUTIONS, n) for n in (0, 1)]
        + [
            parzen([DISTRIBUTIONS[i] for i in rng.choice([0, 1, 2, 4, 7, 9, 10, 11], 5, replace=False)], n, ones)
            for n in (2, 7, 24, 25, 26, 27, 60, 98, 130)
            for ones in (False, True)
        ]
        if p is not None
    ],
    "splits": [
        split(directions, n, m)
        for directions in (
            ["minimize"],
            ["maximize"],
            ["minimize", "maximize"],
            ["minimize", "minimize", "maximize"],
        )
        for n in (11, 40, 150)
        for m in (0, 2)
    ],
    "volumes": [volume(n, m) for m in (2, 3, 4, 5) for n in (1, 2, 7, 25)],
    "subsets": [subset(n, m, k) for m in (2, 3, 4) for n, k in ((2, 1), (12, 5), (60, 20), (60, 59))],
}
json.dump(out, sys.stdout, allow_nan=False, separators=(",", ":"))
print()
