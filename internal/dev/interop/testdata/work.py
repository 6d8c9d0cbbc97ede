"""Works on a study that others work on too: work.py FILE-OR-URL STUDY TRIALS"""
import sys

import optuna

import database

optuna.logging.set_verbosity(optuna.logging.ERROR)

storage = database.storage(sys.argv[1])
study = optuna.load_study(study_name=sys.argv[2], storage=storage, sampler=optuna.samplers.RandomSampler())


def objective(t):
    x = t.suggest_float("x", 0.0, 1.0)
    t.suggest_categorical("c", ["a", None, 1])
    t.report(x, 0)
    t.report(float("nan"), 1)
    t.set_user_attr("by", "python")
    return x


study.optimize(objective, n_trials=int(sys.argv[3]))
