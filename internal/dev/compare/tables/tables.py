"""Tunes models of six plain tables with attune and with LightGBM + Optuna, and prints the error
of both on rows that neither has seen: root mean squared error, or log loss for classes.

    tables.py ATTUNE [SPLITS [flags of attune optimize ...]]

ATTUNE is the program. Each of SPLITS (default 3) random splits keeps a quarter of the rows back.
The rest is tuned on by a cross-validation of five folds, 50 trials at most, and the best model is
fitted to all of it. attune runs twice: with all its models, and with LightGBM's style alone.
Optuna's TPE searches the parameters of its own LightGBM tuner, and early stopping ends each fold.
"""
import io
import os
import pkgutil
import subprocess
import sys
import tempfile

import lightgbm as lgb
import numpy as np
import optuna
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

optuna.logging.set_verbosity(optuna.logging.ERROR)
program = sys.argv[1]
splits = int(sys.argv[2]) if len(sys.argv) > 2 else 3
flags = sys.argv[3:]


def packaged(package, name):
    return io.BytesIO(pkgutil.get_data(package, name))


def cancer():
    rows = load_breast_cancer(as_frame=True).frame
    return rows.assign(target=rows.target.map({0: "malignant", 1: "benign"}))


def cars():  # texts, and horse powers that are missing
    rows = pd.read_json(packaged("vega_datasets", "_data/cars.json")).dropna(subset="Miles_per_Gallon")
    return rows.drop(columns="Name").assign(Year=pd.to_datetime(rows.Year).dt.year)


def affairs():
    rows = pd.read_csv(packaged("statsmodels", "datasets/fair/fair.csv"))
    return rows.assign(affairs=np.where(rows.affairs > 0, "some", "none"))


def parties():
    rows = pd.read_csv(packaged("statsmodels", "datasets/anes96/anes96.csv"), sep="\t", quotechar="'")
    return rows.assign(PID="party " + rows.PID.astype(int).astype(str)).drop(columns=["vote"])


tables = [
    ("diabetes", "regression", "target", lambda: load_diabetes(as_frame=True, scaled=False).frame),
    ("cars", "regression", "Miles_per_Gallon", cars),
    ("visits to the doctor", "regression", "mdvis", lambda: pd.read_csv(packaged("statsmodels", "datasets/randhie/randhie.csv"))),
    ("breast cancer", "binary", "target", cancer),
    ("affairs", "binary", "affairs", affairs),
    ("parties", "multiclass", "PID", parties),
]


def error(task, y, predicted, classes):
    if task == "regression":
        return root_mean_squared_error(y, predicted)
    return log_loss(y, predicted, labels=classes)


def attune(task, target, train, test, classes, seed, more):
    with tempfile.TemporaryDirectory() as at:
        train.to_csv(f"{at}/train.csv", index=False)
        test.drop(columns=target).to_csv(f"{at}/test.csv", index=False)
        subprocess.run([program, "optimize", "--task", task, "--data", f"{at}/train.csv", "--target", target, "--test", "0", "--seed", str(seed),
                        "--storage", f"{at}/t.db", "--quiet", "--json", *more, *flags], check=True, capture_output=True)
        subprocess.run([program, "predict", "--storage", f"{at}/t.db", "--data", f"{at}/test.csv", "--output", f"{at}/p.csv"], check=True, capture_output=True, cwd=at)
        got = pd.read_csv(f"{at}/p.csv")
    if task == "regression":
        return got.prediction.to_numpy()
    return got[[f"probability_{c}" for c in classes]].to_numpy()


def peer(task, target, train, test, classes, seed, trials):
    x, y = train.drop(columns=target), train[target]
    both = pd.concat([x, test.drop(columns=target)])
    for c in both.select_dtypes(exclude="number"):
        both[c] = both[c].astype("category")
    x, z = both.iloc[: len(x)], both.iloc[len(x):]
    fixed = {"objective": "regression", "verbosity": -1, "seed": seed, "num_threads": 1}
    if task != "regression":
        y = y.map({c: i for i, c in enumerate(classes)})
        fixed |= {"objective": "binary"} if task == "binary" else {"objective": "multiclass", "num_class": len(classes)}
    folds = list((KFold if task == "regression" else StratifiedKFold)(5, shuffle=True, random_state=seed).split(x, y))

    def objective(trial):
        p = fixed | {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 2, 256, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 5, 100),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1),
            "bagging_fraction": trial.suggest_float("bagging_fraction", 0.4, 1),
            "bagging_freq": trial.suggest_int("bagging_freq", 1, 7),
            "lambda_l1": trial.suggest_float("lambda_l1", 1e-8, 10, log=True),
            "lambda_l2": trial.suggest_float("lambda_l2", 1e-8, 10, log=True),
        }
        got = lgb.cv(p, lgb.Dataset(x, y, free_raw_data=False), 500, folds=folds, callbacks=[lgb.early_stopping(30, verbose=False)])
        (means,) = (v for k, v in got.items() if k.endswith("-mean"))
        trial.set_user_attr("best", (p, len(means)))
        return means[-1]

    if trials:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        study.optimize(objective, trials)
        p, rounds = study.best_trial.user_attrs["best"]
    else:
        p, rounds = fixed, 100
    got = lgb.train(p, lgb.Dataset(x, y), rounds).predict(z)
    return np.column_stack([1 - got, got]) if task == "binary" else got


methods = [
    ("attune", lambda *a: attune(*a, [])),
    ("attune, LightGBM's style", lambda *a: attune(*a, ["--models", "lightgbm"])),
    ("LightGBM + Optuna", lambda *a: peer(*a, 50)),
    ("LightGBM untuned", lambda *a: peer(*a, 0)),
]
print("| table | rows × columns | error |", " | ".join(f"{m} | CPU s" for m, _ in methods), "|\n|---|---|---|" + "--:|--:|" * len(methods))
ratios = {m: [] for m, _ in methods}
for name, task, target, load in tables:
    rows = load()
    classes = [] if task == "regression" else sorted(rows[target].unique())
    errors, cpu = {m: [] for m, _ in methods}, {m: 0.0 for m, _ in methods}
    for seed in range(splits):
        train, test = train_test_split(rows, test_size=0.25, random_state=seed, stratify=rows[target] if classes else None)
        for method, run in methods:
            begin = sum(os.times()[:4])
            errors[method].append(error(task, test[target], run(task, target, train, test, classes, seed), classes))
            cpu[method] += sum(os.times()[:4]) - begin
    cells = []
    for method, _ in methods:
        e = np.mean(errors[method])
        ratios[method].append(e / np.mean(errors["LightGBM + Optuna"]))
        cells.append(f"{e:.4g} | {cpu[method] / splits:.1f}")
    print(f"| {name} | {len(rows)} × {rows.shape[1] - 1} | {'RMSE' if task == 'regression' else 'log loss'} |", " | ".join(cells), "|", flush=True)
print("| geometric mean of error / LightGBM + Optuna's | | |", " | ".join(f"{np.exp(np.mean(np.log(ratios[m]))):.3f} |" for m, _ in methods), "|")
