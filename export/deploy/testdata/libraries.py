"""Trains models with the libraries themselves, and runs what was exported of them: see
README.md.

    python libraries.py train FOLDER
    python libraries.py check FOLDER

train writes each model into a folder and prints a line of JSON for each: "file", its "rows"
and what the library predicts for them, "answer": float64, little endian, in base64. It
leaves out libraries that are not installed; a line names them: {"missing": ...}.

check reads lines {"onnx": FILE, "rows": ...} and prints one for each: {"answer": ...} or
{"error": ...}. The file is checked by the package onnx, with strict shape inference, and run
by ONNX Runtime on one thread.
"""

import base64
import importlib
import json
import os
import pathlib
import sys
import warnings

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
warnings.simplefilter("ignore")

import numpy as np


def packed(x):
    return base64.b64encode(np.ascontiguousarray(x, "<f8").tobytes()).decode()


# The last two columns are a category and one with missing values.
rng = np.random.default_rng(5)
N = 300
x = rng.normal(size=(N, 5))
x[:, 3] = rng.integers(0, 12, size=N)
x[rng.random(N) < 0.2, 4] = np.nan
full = np.where(np.isnan(x), 0, x)
y = 2 * x[:, 0] + np.sin(3 * x[:, 1]) + (x[:, 3] % 3) + np.where(np.isnan(x[:, 4]), 1, full[:, 4]) + 0.1 * rng.normal(size=N)
two = (y > 1).astype(int)
three = (y > 0).astype(int) + (y > 2)


def by_lightgbm(lightgbm, save):
    common = {"num_leaves": 15, "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    for name, params, target, categories in [
        ("regression", {}, y, []),
        ("categories", {"min_data_per_group": 5, "cat_smooth": 1}, y, [3]),
        ("binary", {"objective": "binary"}, two, []),
        ("classes", {"objective": "multiclass", "num_class": 3}, three, []),
        ("poisson", {"objective": "poisson"}, np.exp(y / 4), []),
        ("linear", {"linear_tree": True}, y, []),
        ("dart", {"boosting": "dart"}, y, []),
        ("forest", {"boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1}, y, []),
        ("zeros", {"zero_as_missing": True}, y, []),
    ]:
        m = lightgbm.train(common | params, lightgbm.Dataset(x, target, categorical_feature=categories), 20)
        save(name + ".txt", lambda file: m.save_model(file), x, m.predict(x))


def by_xgboost(xgboost, save):
    for name, params, target in [
        ("regression.json", {}, y),
        ("regression.ubj", {"max_depth": 3}, y),
        ("binary.json", {"objective": "binary:logistic"}, two),
        ("classes.json", {"objective": "multi:softprob", "num_class": 3}, three),
        ("poisson.json", {"objective": "count:poisson"}, np.exp(y / 4)),
        ("dart.json", {"booster": "dart", "rate_drop": 0.2}, y),
        ("forest.json", {"num_parallel_tree": 4, "subsample": 0.6, "learning_rate": 0.5}, y),
    ]:
        data = xgboost.DMatrix(x, target)
        m = xgboost.train({"max_depth": 5, "nthread": 1} | params, data, 15)
        save(name, lambda file: m.save_model(file), x, m.predict(data))


def by_catboost(catboost, save):
    common = {"iterations": 20, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
    for name, model, target, answer in [
        ("regression", catboost.CatBoostRegressor(depth=5, **common), y, lambda m: m.predict(x)),
        ("lossguide", catboost.CatBoostRegressor(grow_policy="Lossguide", **common), y, lambda m: m.predict(x)),
        ("binary", catboost.CatBoostClassifier(depth=4, **common), two, lambda m: m.predict_proba(x)[:, 1]),
        ("classes", catboost.CatBoostClassifier(depth=4, **common), three, lambda m: m.predict_proba(x)),
    ]:
        m = model.fit(x, target)
        save(name + ".json", lambda file: m.save_model(file, format="json"), x, answer(m))


def by_sklearn(sklearn, save):
    import joblib
    from sklearn import ensemble, tree

    proba = lambda m, rows: m.predict_proba(rows)
    for name, m, target, rows, answer in [
        ("tree", tree.DecisionTreeRegressor(max_depth=6), y, full, None),
        ("forest", ensemble.RandomForestRegressor(15, max_depth=6), y, x, None),
        ("forest, two targets", ensemble.RandomForestRegressor(5, max_depth=5), np.c_[y, -y * y], full, None),
        ("forest, classes", ensemble.RandomForestClassifier(10, max_depth=5), three, full, proba),
        ("extra", ensemble.ExtraTreesRegressor(10, max_depth=6), y, full, None),
        ("isolation", ensemble.IsolationForest(n_estimators=20, max_samples=64), None, full, lambda m, rows: -m.score_samples(rows)),
        ("boosting", ensemble.GradientBoostingRegressor(n_estimators=15), y, full, None),
        ("boosting, binary", ensemble.GradientBoostingClassifier(n_estimators=15), two, full, lambda m, rows: m.predict_proba(rows)[:, 1]),
        ("boosting, classes", ensemble.GradientBoostingClassifier(n_estimators=10), three, full, proba),
        ("histograms", ensemble.HistGradientBoostingRegressor(max_iter=15, categorical_features=[3]), y, x, None),
    ]:
        m = m.set_params(random_state=1).fit(rows, target)
        save(name + ".joblib", lambda file: joblib.dump(m, file), rows, answer(m, rows) if answer else m.predict(rows))


def train(folder):
    for library, make in [("lightgbm", by_lightgbm), ("xgboost", by_xgboost), ("catboost", by_catboost), ("sklearn", by_sklearn)]:

        def save(name, write, rows, answer):
            file = f"{library} {name}"
            write(str(folder / file))
            print(json.dumps({"file": file, "rows": packed(rows), "answer": packed(answer)}))

        try:
            module = importlib.import_module(library)
        except ImportError as e:
            print(json.dumps({"missing": str(e)}))
            continue
        make(module, save)


def check(folder):
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for line in sys.stdin:
        request = json.loads(line)
        try:
            file = folder / request["onnx"]
            onnx.checker.check_model(onnx.load(file), full_check=True)
            s = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            first = s.get_inputs()[0]
            rows = np.frombuffer(base64.b64decode(request["rows"]), "<f8").reshape(-1, first.shape[1])
            rows = rows.astype({"tensor(double)": np.float64, "tensor(float)": np.float32}[first.type])
            print(json.dumps({"answer": packed(s.run(None, {first.name: rows})[0])}))
        except Exception as e:
            print(json.dumps({"error": f"{type(e).__name__}: {e}"}))


{"train": train, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
