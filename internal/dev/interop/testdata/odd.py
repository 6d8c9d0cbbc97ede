"""Writes a study for each thing that Optuna keeps and attune cannot use, with an ordinary trial before and after it."""

import sys
import warnings

import optuna

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
inf = float("inf")


def study(name, odd, **enqueued):
    s = optuna.create_study(study_name=name, storage="sqlite:///" + sys.argv[1], sampler=optuna.samplers.RandomSampler(seed=1))
    ordinary = lambda t: t.suggest_float("x", 0, 1)
    s.optimize(ordinary, n_trials=1)
    if enqueued:
        s.enqueue_trial(enqueued)
    s.optimize(lambda t: 2.0 if odd(t) is None else 1.0, n_trials=1)
    s.optimize(ordinary, n_trials=1)


study("integers", lambda t: t.suggest_int("seed", 0, 2**62))
study("enqueued", lambda t: t.suggest_float("x", 0, 1), x=inf)
study("range", lambda t: t.suggest_float("y", -1e308, 1e308), y=0.5)
study("step", lambda t: t.suggest_float("z", 0, 1, step=1e-16), z=0.5)
