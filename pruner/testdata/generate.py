"""Writes golden.json: what Optuna's pruners decide on random reports.

Run by hand, with optuna 5.0.0 and scipy installed:

    python generate.py > golden.json
"""

import json
import math
import random
import sys
import warnings

import numpy as np
import optuna
import scipy.stats
from optuna.trial import TrialState

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
P = optuna.pruners

HALVING = {"SuccessiveHalving", "Hyperband"}

STUDIES = [
    # name of the type in Go, its settings, Optuna's pruner
    ("Median", {"Warmup": -1}, lambda: P.MedianPruner()),
    ("Median", {}, lambda: P.MedianPruner(n_warmup_steps=10)),
    ("Median", {"Startup": -1, "Warmup": 3, "Interval": 2}, lambda: P.MedianPruner(0, 3, 2)),
    ("Median", {"Startup": 2, "Warmup": -1, "Interval": 3, "MinTrials": 4}, lambda: P.MedianPruner(2, 0, 3, n_min_trials=4)),
    ("Percentile", {"Percentile": 25, "Startup": 1, "Warmup": -1}, lambda: P.PercentilePruner(25, 1, 0)),
    ("Percentile", {"Percentile": 10, "Startup": 3, "Warmup": 1}, lambda: P.PercentilePruner(10, 3, 1)),
    ("Percentile", {"Percentile": 72.7, "Startup": 3, "Warmup": 2, "Interval": 4}, lambda: P.PercentilePruner(72.7, 3, 2, 4)),
    ("Percentile", {"Percentile": 100, "Startup": 1, "Warmup": -1}, lambda: P.PercentilePruner(100, 1, 0)),
    ("Threshold", {"Upper": 0.8}, lambda: P.ThresholdPruner(upper=0.8)),
    ("Threshold", {"Lower": 0.2, "Warmup": 2, "Interval": 3}, lambda: P.ThresholdPruner(0.2, None, 2, 3)),
    ("Threshold", {"Lower": 0.0, "Upper": 1.0, "Interval": 2}, lambda: P.ThresholdPruner(0.0, 1.0, 0, 2)),
    ("Patient", {}, lambda: P.PatientPruner(None, 0)),
    ("Patient", {"Patience": 2, "MinDelta": 0.1}, lambda: P.PatientPruner(None, 2, 0.1)),
    ("PatientMedian", {"Patience": 1}, lambda: P.PatientPruner(P.MedianPruner(n_startup_trials=2), 1)),
    ("Wilcoxon", {}, lambda: P.WilcoxonPruner()),
    ("Wilcoxon", {"P": 0.25, "Startup": 4}, lambda: P.WilcoxonPruner(p_threshold=0.25, n_startup_steps=4)),
    ("SuccessiveHalving", {"MinResource": 1}, lambda: P.SuccessiveHalvingPruner(1)),
    ("SuccessiveHalving", {"MinResource": 1, "ReductionFactor": 2}, lambda: P.SuccessiveHalvingPruner(1, 2)),
    ("SuccessiveHalving", {"MinResource": 2, "ReductionFactor": 3, "MinEarlyStoppingRate": 1}, lambda: P.SuccessiveHalvingPruner(2, 3, 1)),
    ("SuccessiveHalving", {"MinResource": 1, "ReductionFactor": 2, "Bootstrap": 3}, lambda: P.SuccessiveHalvingPruner(1, 2, 0, 3)),
    ("SuccessiveHalving", {"ReductionFactor": 2}, lambda: P.SuccessiveHalvingPruner(reduction_factor=2)),
    ("Hyperband", {"MaxResource": 20}, lambda: P.HyperbandPruner(1, 20)),
    ("Hyperband", {"MaxResource": 27, "MinResource": 2, "ReductionFactor": 2, "Bootstrap": 1}, lambda: P.HyperbandPruner(2, 27, 2, 1)),
    ("Hyperband", {"ReductionFactor": 2}, lambda: P.HyperbandPruner(reduction_factor=2)),
]


def number(v):
    """JSON has no NaN and no infinities."""
    return v if math.isfinite(v) else str(v)


def value(rng, quality, step, kind):
    u = rng.random()
    if kind == "wild" and u < 0.12:
        return rng.choice([math.nan, math.nan, math.inf, -math.inf])
    v = quality + rng.gauss(0, 0.25) + 0.5 / (1 + step)
    return round(v, 1 if kind == "ties" else 3)


def steps(rng, pattern, n):
    start = rng.choice([0, 0, 1])
    if pattern == "dense":
        return list(range(start, start + n))
    out = sorted(rng.sample(range(start, 3 * n), n))
    if pattern == "shuffled" and rng.random() < 0.4:
        rng.shuffle(out)
    return out


def study(seed, go, settings, make, direction, kind, pattern):
    rng = random.Random(seed)
    name = f"study-{seed}"
    st = optuna.create_study(study_name=name, direction=direction, pruner=make(), sampler=optuna.samplers.RandomSampler(0))
    auto = go in HALVING and ("MinResource" if go == "SuccessiveHalving" else "MaxResource") not in settings
    trials = []
    for i in range(40 if go in HALVING else 24):
        t = st.ask()
        quality = rng.random() * (1 if direction == "minimize" else -1)
        # A pruner left to find its resource learns it from a trial that brings no rung a value.
        first = auto and i == 0
        obeys = go in HALVING or rng.random() < 0.7
        reports, pruned = [], False
        count = rng.randint(1, 18)
        todo = list(range(rng.choice([19, 250]))) if first and go == "SuccessiveHalving" else steps(rng, pattern, count)
        if first:
            todo = todo[-5:]
        for step in todo:
            v = math.nan if first else value(rng, quality, step, kind)
            t.report(v, step)
            verdict = t.should_prune()
            reports.append([step, number(v), int(verdict)])
            if verdict and obeys:
                pruned = True
                break
        attrs = st._storage.get_trial(t._trial_id).system_attrs
        rungs = [number(attrs[f"completed_rung_{k}"]) for k in range(20) if f"completed_rung_{k}" in attrs]
        if pruned:
            state, final = TrialState.PRUNED, None
        elif rng.random() < 0.15 and not first:
            state, final = TrialState.FAIL, None
        else:
            state, final = TrialState.COMPLETE, round(quality + rng.gauss(0, 0.1), 2)
        st.tell(t, final, state=state)
        trial = {"r": reports, "s": state.name[0]}
        if final is not None:
            trial["v"] = final
        if rungs:
            trial["n"] = rungs
        trials.append(trial)
    return {"name": name, "pruner": go, "settings": settings, "direction": direction, "kind": kind, "pattern": pattern, "trials": trials}


def wilcoxon(rng):
    n = rng.choice([rng.randint(2, 13), rng.randint(14, 50), rng.randint(51, 70), 13, 14, 50, 51])
    shift = rng.choice([-0.3, 0, 0.2, 0.5])
    digits = rng.choice([0, 1, 4])
    ds = [round(rng.gauss(shift, 1), digits) + 0.0 for _ in range(n)]
    p = scipy.stats.wilcoxon(ds, alternative="greater", zero_method="zsplit").pvalue
    return {"d": ds, "p": float(p)}


def percentile(rng):
    xs = [round(rng.gauss(0, 1), rng.choice([1, 15])) for _ in range(rng.randint(1, 12))]
    q = rng.choice([0, 10, 25, 50, 72.7, 100, round(100 * rng.random(), 2)])
    return {"x": xs, "q": q, "want": float(np.nanpercentile(xs, q))}


def main():
    studies, seed = [], 0
    for go, settings, make in STUDIES:
        for direction in ["minimize", "maximize"]:
            for kind, pattern in [("ties", "dense"), ("wild", "sparse" if go in HALVING else "shuffled")]:
                seed += 1
                studies.append(study(seed, go, settings, make, direction, kind, pattern))
    rng = random.Random(0)
    lines = lambda xs: "[\n" + ",\n".join(json.dumps(x, separators=(",", ":")) for x in xs) + "\n]"
    sys.stdout.write(
        '{"source":"optuna %s, scipy %s, numpy %s",\n"studies":%s,\n"wilcoxon":%s,\n"percentiles":%s}\n'
        % (
            optuna.__version__, scipy.__version__, np.__version__, lines(studies),
            lines([wilcoxon(rng) for _ in range(110)]), lines([percentile(rng) for _ in range(60)]),
        )
    )


main()
