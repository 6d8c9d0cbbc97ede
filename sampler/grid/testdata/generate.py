"""Writes optuna.json: the trials of Optuna's GridSampler on a small grid. Optuna 5.0.0."""

import json

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(
    sampler=optuna.samplers.GridSampler({"lr": [0.1, 1e-5, 1.0], "x": [5, 1, 2, 3, 4], "c": ["a", "é"]})
)


def objective(trial):
    trial.suggest_categorical("c", ["a", "é"])
    return trial.suggest_int("x", 1, 5) * trial.suggest_float("lr", 1e-6, 1)


study.optimize(objective)
with open("optuna.json", "w") as f:
    rows = [json.dumps({"params": t.params, "attrs": t.system_attrs}) for t in study.trials]
    f.write("[\n" + ",\n".join(rows) + "\n]\n")
