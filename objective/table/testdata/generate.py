"""Writes the data sets and the metrics' figures that the tests compare with.

    pip install scikit-learn==1.9.1
    python generate.py
"""

import csv
import json
import math

import numpy as np
import sklearn
from sklearn import datasets, metrics


def write(name, header, rows):
    with open(name, "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(header)
        w.writerows(rows)


d = datasets.load_diabetes(scaled=False)
write("diabetes.csv", [*d.feature_names, "progression"],
      [[f"{v:.10g}" for v in [*x, y]] for x, y in zip(d.data, d.target)])

d = datasets.load_iris()
write("iris.csv", [n.removesuffix(" (cm)").replace(" ", "_") for n in d.feature_names] + ["species"],
      [[*(f"{v:.10g}" for v in x), d.target_names[y]] for x, y in zip(d.data, d.target)])

d = datasets.load_breast_cancer()
write("breast_cancer.csv", [n.removeprefix("mean ").replace(" ", "_") for n in d.feature_names[:10]] + ["diagnosis"],
      [[*(f"{v:.10g}" for v in x[:10]), d.target_names[y]] for x, y in zip(d.data, d.target)])

rng = np.random.default_rng(7)
cases = []


def case(name, truth, predicted, weight, scores):
    cases.append({"name": name, "truth": np.asarray(truth, float).tolist(), "predicted": np.asarray(predicted, float).ravel().tolist(),
                  "weight": None if weight is None else weight.tolist(), "scores": scores})


for weighted in [False, True]:
    label = "weighted" if weighted else "plain"
    n = 30
    w = np.round(rng.uniform(0, 3, n), 2) if weighted else None
    if weighted:
        w[3] = 0
    y = np.round(rng.normal(10, 3, n), 2)
    f = np.round(y + rng.normal(0, 2, n), 2)
    case(f"numbers {label}", y, f, w, {
        "rmse": metrics.root_mean_squared_error(y, f, sample_weight=w),
        "mae": metrics.mean_absolute_error(y, f, sample_weight=w),
        "mape": 100 * metrics.mean_absolute_percentage_error(y, f, sample_weight=w),
        "r2": metrics.r2_score(y, f, sample_weight=w),
        "pinball@0.9": metrics.mean_pinball_loss(y, f, alpha=0.9, sample_weight=w),
    })
    y = (rng.uniform(size=n) < 0.4).astype(int)
    p = np.round(np.clip(0.5 * y + rng.uniform(0, 0.6, n), 0, 1), 1)  # with ties
    p[0], p[1] = 0, 1  # both may be wrong
    case(f"two classes {label}", y, p, w, {
        "logloss": metrics.log_loss(y, np.c_[1 - p, p], sample_weight=w, labels=[0, 1]),
        "brier": metrics.brier_score_loss(y, p, sample_weight=w),
        "accuracy": metrics.accuracy_score(y, p > 0.5, sample_weight=w),
        "f1": metrics.f1_score(y, p > 0.5, average="macro", sample_weight=w),
        "auc": metrics.roc_auc_score(y, p, sample_weight=w),
        "ap": metrics.average_precision_score(y, p, sample_weight=w),
    })
    y = rng.integers(0, 4, n)
    p = np.round(rng.dirichlet([1, 1, 1, 1], n) * 0.6 + 0.4 * np.eye(4)[(y + (rng.uniform(size=n) < 0.4)) % 4], 2)
    p[:, 3] = 1 - p[:, :3].sum(axis=1)
    guess = p.argmax(axis=1)
    case(f"four classes {label}", y, p, w, {
        "logloss": metrics.log_loss(y, p, sample_weight=w),
        "brier": metrics.brier_score_loss(y, p, sample_weight=w, labels=[0, 1, 2, 3]),
        "accuracy": metrics.accuracy_score(y, guess, sample_weight=w),
        "f1": metrics.f1_score(y, guess, average="macro", sample_weight=w),
        # One class against the rest, each for itself: scikit-learn's own ovr average
        # takes no weights for several classes in all versions.
        "auc": np.mean([metrics.roc_auc_score(y == k, p[:, k], sample_weight=w) for k in range(4)]),
        "ap": np.mean([metrics.average_precision_score(y == k, p[:, k], sample_weight=w) for k in range(4)]),
    })
    if not weighted:
        assert math.isclose(cases[-1]["scores"]["auc"], metrics.roc_auc_score(y, p, multi_class="ovr", average="macro"))

with open("metrics.json", "w") as f:
    json.dump({"scikit-learn": sklearn.__version__, "cases": cases}, f, indent=1)
    f.write("\n")
