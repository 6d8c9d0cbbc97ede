"""Writes VERSION.json.gz: see README.md. Run it in this folder, with --brief for a part."""

import base64
import gzip
import json
import pathlib
import pickle
import sys
import tempfile
import warnings

import joblib
import numpy as np
import sklearn
import sklearn.experimental
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (AdaBoostRegressor, ExtraTreesClassifier, ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor,
                              IsolationForest, RandomForestClassifier, RandomForestRegressor)
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor

VERSION = tuple(int(x) for x in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting  # noqa: F401
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

warnings.simplefilter("ignore")
BRIEF = sys.argv[1:] == ["--brief"] and (
    "tree, pruned", "tree, missing values", "forest, classes", "forest, missing values", "extra", "isolation, features",
    "boosting", "boosting, three classes", "boosting, rare classes", "hist, three classes", "hist, categories")
ABSOLUTE = "absolute_error" if VERSION >= (1, 0) else "lad"

rng = np.random.default_rng(11)
x = rng.normal(size=(160, 4))
x[:, 2] = np.round(2 * x[:, 2])
x[:, 3] *= 1e3
y = 2 * x[:, 0] + np.sin(3 * x[:, 1]) + x[:, 3] / 2e3 + 0.1 * rng.normal(size=160)
three = (y > -1).astype(int) + (y > 1)
two = three > 0
weight = rng.integers(1, 5, size=160) / 3
holes = np.where(rng.random(x.shape) < 0.15, np.nan, x)
kinds = np.c_[x[:, 0], rng.integers(0, 12, size=160) * 3, x[:, 1], rng.integers(0, 5, size=160)]
kind_y = y + np.sin(kinds[:, 1]) * 3 + (kinds[:, 3] == 2)
kinds[rng.random(160) < 0.1, 1] = np.nan


def forests():
    yield "tree", DecisionTreeRegressor(max_depth=4, random_state=1).fit(x, y), x
    yield "tree, one leaf", DecisionTreeRegressor(max_depth=3).fit(x, np.full(160, 1.5)), x
    yield "tree, pruned", DecisionTreeRegressor(ccp_alpha=0.1, random_state=1).fit(x, y, weight), x
    yield "tree, two targets", DecisionTreeRegressor(max_depth=3, random_state=1).fit(x, np.c_[y, -y * y]), x
    yield "tree, classes", DecisionTreeClassifier(max_depth=3, random_state=1).fit(x, three, weight), x
    yield "tree, extra", ExtraTreeRegressor(max_depth=4, random_state=1).fit(x, y), x
    yield "forest", RandomForestRegressor(4, max_depth=3, random_state=1).fit(x, y), x
    yield "forest, two targets", RandomForestRegressor(3, max_depth=3, random_state=1).fit(x, np.c_[y, -y * y]), x
    yield "forest, classes", RandomForestClassifier(4, max_depth=3, class_weight="balanced", random_state=1).fit(x, three, weight), x
    yield "forest, named classes", RandomForestClassifier(3, max_depth=2, random_state=1).fit(x, np.where(two, "yes", "no")), x
    yield "extra", ExtraTreesRegressor(4, max_depth=3, random_state=1).fit(x, y), x
    yield "extra, classes", ExtraTreesClassifier(3, max_depth=3, bootstrap=True, random_state=np.random.RandomState(1)).fit(x, three), x
    if VERSION >= (1, 3):
        yield "tree, missing values", DecisionTreeRegressor(max_depth=4, random_state=1).fit(holes, y), holes
    if VERSION >= (1, 4):
        yield "forest, missing values", RandomForestClassifier(4, max_depth=3, random_state=1).fit(holes, three), holes
        yield "forest, first missing later", RandomForestRegressor(4, max_depth=3, random_state=1).fit(x, y), holes
        yield "forest, monotonic", RandomForestRegressor(3, max_depth=3, monotonic_cst=[1, 0, 0, -1], random_state=1).fit(x, y), x
    if VERSION >= (1, 6):
        yield "extra, missing values", ExtraTreesRegressor(4, max_depth=3, random_state=1).fit(holes, y), holes
    yield "isolation", IsolationForest(n_estimators=4, max_samples=30, random_state=1).fit(x), x
    yield "isolation, features", IsolationForest(n_estimators=5, max_features=2, max_samples=20, random_state=1).fit(x), x
    yield "isolation, two rows", IsolationForest(n_estimators=5, max_samples=2, random_state=1).fit(x), x
    if VERSION >= (1, 3):
        yield "isolation, one row", IsolationForest(n_estimators=2, max_samples=1, random_state=1).fit(x), x


def boosted():
    few = {"n_estimators": 4, "max_depth": 2, "random_state": 1}
    yield "boosting", GradientBoostingRegressor(**few).fit(x, y), x
    for loss in (ABSOLUTE, "huber", "quantile"):
        yield "boosting, " + loss, GradientBoostingRegressor(loss=loss, subsample=0.7, **few).fit(x, y), x
    yield "boosting, from zero", GradientBoostingRegressor(init="zero", learning_rate=1, **few).fit(x, y), x
    yield "boosting, stopped", GradientBoostingRegressor(n_iter_no_change=2, **few).fit(x, y), x
    yield "boosting, two classes", GradientBoostingClassifier(**few).fit(x, two, weight), x
    yield "boosting, exponential", GradientBoostingClassifier(loss="exponential", **few).fit(x, two), x
    yield "boosting, three classes", GradientBoostingClassifier(**few).fit(x, three), x
    yield "boosting, rare classes", GradientBoostingClassifier(**few).fit(x, three, np.where(three == 1, 1e-9, 1)), x
    yield "boosting, a rare class", GradientBoostingClassifier(**few).fit(x, two, np.where(two, 1e-9, 1)), x

    few = {"max_iter": 4, "max_leaf_nodes": 6, "min_samples_leaf": 5, "max_bins": 40}
    yield "hist", HistGradientBoostingRegressor(**few).fit(x, y), x
    loss = "absolute_error" if VERSION >= (1, 0) else "least_absolute_deviation"
    yield "hist, absolute", HistGradientBoostingRegressor(loss=loss, random_state=1, **few).fit(x, y), x
    yield "hist, poisson", HistGradientBoostingRegressor(loss="poisson", **few).fit(x, np.exp(y / 3)), x
    if VERSION >= (1, 3):
        yield "hist, gamma", HistGradientBoostingRegressor(loss="gamma", **few).fit(x, np.exp(y / 3)), x
        yield "hist, quantile", HistGradientBoostingRegressor(loss="quantile", quantile=0.7, **few).fit(x, y), x
    yield "hist, missing values", HistGradientBoostingRegressor(**few).fit(holes, y), holes
    yield "hist, two classes", HistGradientBoostingClassifier(**few).fit(holes, two), holes
    yield "hist, three classes", HistGradientBoostingClassifier(early_stopping=True, random_state=1, **few).fit(x, three, weight), x
    yield "hist, a named score", HistGradientBoostingClassifier(early_stopping=True, scoring="accuracy", random_state=1, **few).fit(x, two), x
    unseen = kinds.copy()
    unseen[::5, 1] = rng.choice([1, 2, 50, 254, -1, -7.0], size=len(unseen[::5]))
    unseen[1::5, 3] = rng.choice([np.nan, 5, 77], size=len(unseen[1::5]))
    yield "hist, categories", HistGradientBoostingRegressor(categorical_features=[1, 3], **few).fit(kinds, kind_y), unseen
    mask = [False, False, False, True]
    yield "hist, one category", HistGradientBoostingClassifier(categorical_features=mask, **few).fit(kinds, kind_y > 1), unseen


def frames():
    """Data frames, whose columns have names and whose categories may be text."""
    try:
        import pandas as pd
    except ImportError:
        return
    few = {"max_iter": 4, "max_leaf_nodes": 6, "min_samples_leaf": 5, "max_bins": 40}
    names = ["a", "b", "größe", "d"]
    yield "frame", RandomForestRegressor(2, max_depth=2, random_state=1).fit(pd.DataFrame(x, columns=names), y), x, x
    if VERSION < (1, 4):
        return
    frame = pd.DataFrame(kinds, columns=names)
    yield "frame, numbers as categories", HistGradientBoostingRegressor(categorical_features=["b", "d"], **few).fit(frame, kind_y), frame, kinds
    text = frame.copy()
    letters = list("klmnopqrstuv")
    text["b"] = pd.Categorical([letters[int(v) // 3] if v == v else None for v in kinds[:, 1]])
    codes = kinds.copy()
    codes[:, 1] = text["b"].cat.codes
    codes[codes[:, 1] < 0, 1] = np.nan
    yield "frame, text", HistGradientBoostingRegressor(categorical_features="from_dtype", **few).fit(text, kind_y), text, codes


def refused():
    yield "classes of 2 targets", RandomForestClassifier(2, max_depth=2).fit(x, np.c_[two, three])
    yield "Pipeline: dump the model inside", make_pipeline(StandardScaler(), DecisionTreeRegressor(max_depth=2)).fit(x, y)
    yield "GridSearchCV: dump the model inside", GridSearchCV(DecisionTreeRegressor(), {"max_depth": [1, 2]}).fit(x, y)
    yield "AdaBoostRegressor: want", AdaBoostRegressor(n_estimators=2).fit(x, y)
    yield "begins with a LinearRegression", GradientBoostingRegressor(init=LinearRegression(), n_estimators=2, max_depth=1).fit(x, y)
    yield "begins with a DummyClassifier", GradientBoostingClassifier(init=DummyClassifier(strategy="most_frequent"), n_estimators=2, max_depth=1).fit(x, two)
    yield "a dict: want a model of scikit-learn by itself", {"model": DecisionTreeRegressor(max_depth=1).fit(x, y)}
    yield "a list: want a model of scikit-learn by itself", [1]


def thresholds(model):
    """(feature, threshold) of splits of a model."""
    if hasattr(model, "tree_"):
        t = model.tree_
        return [(f, v) for f, v in zip(t.feature, t.threshold) if f >= 0]
    if hasattr(model, "_predictors"):
        return [(n["feature_idx"], n["num_threshold"]) for it in model._predictors for p in it for n in p.nodes
                if not n["is_leaf"] and not n["is_categorical"]]
    return [s for e in np.ravel(model.estimators_) for s in thresholds(e)]


def near(model, rows):
    """Some rows, and others with values at, just below and just above thresholds."""
    out = [r for r in rows[:30]]
    splits = [(f, t) for f, t in thresholds(model) if np.isfinite(t)]
    for i, (f, t) in enumerate(splits[:: max(1, len(splits) // 8)]):
        f32 = np.float32(t)
        for v in (t, np.nextafter(t, -np.inf), np.nextafter(t, np.inf), f32, np.nextafter(f32, np.float32(np.inf)), np.nextafter(f32, np.float32(-np.inf))):
            r = rows[i].copy()
            r[f] = v
            out.append(r)
    return np.array(out)


def numbers(a):
    return base64.b64encode(np.ascontiguousarray(a, "<f8")).decode()


def by_joblib(model, compress=0):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "model"
        joblib.dump(model, file, compress=compress)
        return file.read_bytes()


def case(name, model, ask, rows):
    files = {"joblib": by_joblib(model)}
    if name in ("boosting", "hist, categories"):
        files["pickle"] = pickle.dumps(model)
    if name == "tree, pruned":
        files.update({f"pickle {p}": pickle.dumps(model, protocol=p) for p in range(pickle.HIGHEST_PROTOCOL + 1)})
        files.update({c: by_joblib(model, (c, 3)) for c in ("zlib", "gzip", "bz2", "xz", "lzma")})
    out = {"name": name, "columns": rows.shape[1], "rows": numbers(rows)}
    if isinstance(model, IsolationForest):
        out["pred"] = numbers(-model.score_samples(ask))
    elif hasattr(model, "classes_") and "Boosting" in type(model).__name__:
        pred = model.predict_proba(ask)
        out["raw"] = numbers(model.decision_function(ask))
        out["pred"] = numbers(pred if pred.shape[1] > 2 else pred[:, 1])
    elif hasattr(model, "classes_"):
        out["raw"] = out["pred"] = numbers(model.predict_proba(ask))
    else:
        out["pred"] = numbers(model.predict(ask))
        if getattr(model, "loss", None) not in ("poisson", "gamma"):
            out["raw"] = out["pred"]
    if hasattr(model, "tree_") and not hasattr(model, "classes_"):
        out["gain"] = model.feature_importances_.tolist()
    out["names"] = [str(n) for n in getattr(model, "feature_names_in_", [])]
    out["files"] = {k: v.decode("latin-1") for k, v in files.items()}
    return out


cases = []
for name, model, rows in (*forests(), *boosted()):
    if BRIEF and name not in BRIEF:
        continue
    rows = near(model, rows)
    cases.append(case(name, model, rows, rows))
for name, model, ask, rows in frames():
    cases.append(case(name, model, ask[:40], rows[:40]))
for says, model in refused() if not BRIEF else ():
    cases.append({"name": says, "refuse": says, "files": {"pickle": pickle.dumps(model).decode("latin-1")}})
with open(f"{sklearn.__version__}.json.gz", "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as z:
    z.write(json.dumps({"cases": cases}, ensure_ascii=False).encode())
if not BRIEF:  # of the example
    area, rooms = rng.integers(40, 200, size=100), rng.integers(1, 8, size=100)
    price = 3000 * area + 10000 * rooms
    forest = RandomForestRegressor(3, max_depth=3, random_state=1).fit(np.c_[area, rooms], price)
    forest.feature_names_in_ = np.array(["area", "rooms"], dtype=object)
    pathlib.Path("forest.joblib").write_bytes(by_joblib(forest))
    print(forest.predict([[120, 5]]))
print(sklearn.__version__, np.__version__, joblib.__version__, len(cases))
