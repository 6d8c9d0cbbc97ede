"""Times Optuna or Rustuna as internal/dev/compare/speed times attune; see there.

    python speed.py optuna|rustuna sphere10 TRIALS
    python speed.py optuna sqlite TRIALS     (Rustuna has no reports)
"""

import importlib
import json
import sys
import tempfile
import time

from problems import sphere


def main(peer, work, trials):
    with tempfile.TemporaryDirectory() as folder:
        library = importlib.import_module(peer)
        if peer == "optuna":
            library.logging.set_verbosity(library.logging.ERROR)
        if work == "sphere10":
            study = library.create_study(sampler=library.samplers.TPESampler(seed=1))
            loss, reports = sphere(10), 0
        else:
            sampler = library.samplers.RandomSampler(seed=1)
            study = library.create_study(storage=f"sqlite:///{folder}/study.db", sampler=sampler)
            loss, reports = sphere(5), 5

        def objective(trial):
            value = loss(trial)
            for step in range(reports):
                trial.report(value, step)
            return value

        done, begin = 0, time.perf_counter()
        for n in [100, 200, 500, 1000, 2000, 5000, 10000]:
            if n > trials:
                break
            study.optimize(objective, n_trials=n - done)
            ms = (time.perf_counter() - begin) * 1e3 / (n - done)
            print(json.dumps({"peer": peer, "work": work, "trials": n, "ms": ms}), flush=True)
            done, begin = n, time.perf_counter()


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
