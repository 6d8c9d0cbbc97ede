"""Works on a study through a storage proxy: work.py PORT STUDY TRIALS"""
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(sys.argv[1]))
study = optuna.load_study(study_name=sys.argv[2], storage=storage, sampler=optuna.samplers.TPESampler(multivariate=True, constant_liar=True),
                          pruner=optuna.pruners.MedianPruner())


def objective(t):
    x = t.suggest_float("x", 0.0, 1.0)
    c = t.suggest_categorical("c", ["a", None, 1])
    for step in range(3):
        t.report(x + step, step)
        if t.should_prune():
            raise optuna.TrialPruned()
    t.set_user_attr("by", "python")
    return x + (c is None)


study.optimize(objective, n_trials=int(sys.argv[3]))
