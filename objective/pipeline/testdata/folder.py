"""Writes models of many kinds into a folder, to convert with `attune convert --input`.

    python folder.py FOLDER [NUMBER]

NUMBER is 100 by default. The sizes are those of models in use: 50 to 200 trees, 5 to 40 columns, texts with up to
10,000 terms. scaled/ has isolation forests with their scalers beside them, for --before scaler.joblib.
"""

import os
import sys

import joblib
import lightgbm
import numpy
import pandas
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

folder, number = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100


def table(r, rows=1500):
    x = r.normal(size=(rows, r.integers(5, 41)))
    return x, 3 * x[:, 0] - x[:, 1] * x[:, 2] + r.normal(size=rows)


def lines(r, rows=1500):
    """Log lines: a few forms with names, numbers and paths."""
    names = ["".join(r.choice(list("abcdefghijklmnopqrstuvwxyz"), r.integers(3, 9))) for _ in range(6000)]
    forms = [
        "user {0} logged in from host {1} with client {2}",
        "connection to {0} refused after retry of {1}",
        "disk {0} of {1} is full: {2} cannot write",
        "job {0} finished without errors on {1} {2}",
    ]
    y = r.integers(0, len(forms), rows)
    return [forms[k].format(*(names[int(len(names) * r.random() ** 2)] for _ in range(3))) for k in y], y


def lightgbm_pipeline(r):
    x, y = table(r)
    return Pipeline([("scale", StandardScaler()), ("model", lightgbm.LGBMRegressor(n_estimators=100, verbose=-1, n_jobs=2))]).fit(x, y)


def lightgbm_multi(r):
    x, y = table(r)
    targets = numpy.stack([y, y * y, -y], axis=1)
    return MultiOutputRegressor(lightgbm.LGBMRegressor(n_estimators=50, verbose=-1, n_jobs=2)).fit(x, targets)


def lightgbm_classes(r):
    x, y = table(r)
    return lightgbm.LGBMClassifier(n_estimators=50, verbose=-1, n_jobs=2).fit(x, numpy.digitize(y, [-2, 2]))


def xgboost_classes(r):
    x, y = table(r)
    return xgboost.XGBClassifier(n_estimators=100, max_depth=5, n_jobs=2).fit(x, y > 0)


def xgboost_numbers(r):
    x, y = table(r)
    return xgboost.XGBRegressor(n_estimators=200, n_jobs=2).fit(x, y)


def texts(r):
    x, y = lines(r)
    model = xgboost.XGBClassifier(n_estimators=50, max_depth=4, n_jobs=2)
    return Pipeline([("words", TfidfVectorizer(max_features=10000, ngram_range=(1, 2))), ("model", model)]).fit(x, y)


def linear_texts(r):
    x, y = lines(r)
    return Pipeline([("words", TfidfVectorizer(max_features=5000)), ("model", LogisticRegression())]).fit(x, y)


def anomalies(r):
    x, _ = table(r)
    scaler = StandardScaler().fit(x)
    return {"scaler": scaler, "model": IsolationForest(n_estimators=100, random_state=1).fit(scaler.transform(x))}


def forest(r):
    x, y = table(r)
    return RandomForestRegressor(n_estimators=50, max_depth=10, random_state=1, n_jobs=2).fit(x, y)


def forest_classes(r):
    x, y = table(r)
    model = RandomForestClassifier(n_estimators=50, max_depth=10, random_state=1, n_jobs=2)
    return Pipeline([("scale", MinMaxScaler()), ("model", model)]).fit(x, numpy.where(y > 0, "high", "low"))


def histogram(r):
    x, y = table(r)
    return HistGradientBoostingClassifier(max_iter=100, random_state=1).fit(x, y > 0)


def mixed(r):
    x, y = table(r)
    t = pandas.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    t["colour"] = r.choice(["red", "green", "blue"], len(t))
    columns = ColumnTransformer([("numbers", StandardScaler(), list(t.columns[:-1])), ("colour", OneHotEncoder(handle_unknown="ignore"), ["colour"])])
    return Pipeline([("columns", columns), ("model", lightgbm.LGBMRegressor(n_estimators=100, verbose=-1, n_jobs=2))]).fit(t, y)


kinds = [lightgbm_pipeline, lightgbm_multi, lightgbm_classes, xgboost_classes, xgboost_numbers, texts, linear_texts, anomalies, forest,
         forest_classes, histogram, mixed]
os.makedirs(f"{folder}/plain", exist_ok=True)
for i in range(number):
    kind = kinds[i % len(kinds)]
    joblib.dump(kind(numpy.random.default_rng(i)), f"{folder}/plain/{kind.__name__}_{i:03}.joblib")
for i in range(2):
    model = anomalies(numpy.random.default_rng(1000 + i))
    os.makedirs(f"{folder}/scaled/{i}", exist_ok=True)
    joblib.dump(model["scaler"], f"{folder}/scaled/{i}/scaler.joblib")
    joblib.dump(model["model"], f"{folder}/scaled/{i}/forest.joblib")
