"""Prints the processor time of Optuna's importances, for studies as importance's benchmarks have them"""

import sys
import time
import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

space = {f"f{i:02d}": FloatDistribution(0, 1) for i in range(14)}
for i in range(3):
    space[f"i{i:02d}"] = IntDistribution(1, 100)
    space[f"c{i:02d}"] = CategoricalDistribution(("a", "b", "c"))
rng = np.random.default_rng(1)
study = optuna.create_study()
for _ in range(1000):
    p = {}
    for name, d in space.items():
        if isinstance(d, FloatDistribution):
            p[name] = float(rng.uniform())
        elif isinstance(d, IntDistribution):
            p[name] = int(rng.integers(1, 101))
        else:
            p[name] = d.choices[rng.integers(3)]
    value = p["f00"] * p["f01"] + p["f02"] ** 2 + 0.001 * p["i00"] + 0.1 * rng.normal()
    study.add_trial(optuna.trial.create_trial(params=p, distributions=space, values=[value]))

runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
for name, make in (("PED-ANOVA", PedAnovaImportanceEvaluator), ("fANOVA", lambda: FanovaImportanceEvaluator(seed=0))):
    times = []
    for _ in range(runs):
        began = time.process_time()
        make().evaluate(study)
        times.append(time.process_time() - began)
    print(f"Optuna {optuna.__version__} {name}: {1000 * np.median(times):.0f} ms, median of {runs}")
