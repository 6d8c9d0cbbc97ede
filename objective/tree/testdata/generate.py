"""Writes small models of LightGBM, XGBoost and CatBoost, with the rows they were
asked about and what they answered, for the tests of package tree.

    python generate.py [lightgbm] [xgboost] [catboost]

writes LIBRARY-VERSION.json.gz beside this file. README.md says which versions the
committed files come from.

A file is an object: "rows" of "columns" float64 in base64, little endian, by row;
"cases", each with a name, the model's file as text (of some also as UBJSON in base64), and answers as base64 float64: raw, pred, contrib (SHAP).
A case with "refuse" holds a model that must be refused, naming that feature.
"""

import base64
import gzip
import json
import os
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)
N, F, CAT = 500, 6, 4  # column CAT holds categories


def b64(x):
    if isinstance(x, str):
        x = x.encode()
    if isinstance(x, (bytes, bytearray)):
        return base64.b64encode(bytes(x)).decode()
    return base64.b64encode(np.ascontiguousarray(x, dtype="<f8").tobytes()).decode()


def table(n):
    x = np.empty((n, F))
    x[:, 0] = rng.normal(size=n)
    x[:, 1] = rng.integers(0, 12, size=n)  # thresholds meet values
    x[:, 2] = np.where(rng.random(n) < 0.25, np.nan, rng.normal(size=n))
    x[:, 3] = np.where(rng.random(n) < 0.4, 0, rng.normal(size=n))
    x[:, CAT] = rng.integers(0, 40, size=n)
    x[:, 5] = 20200101 + rng.integers(0, 400, size=n)  # neighbours in float32
    return x


def target(x):
    z = np.nan_to_num(x)
    y = 2 * x[:, 0] + np.sin(x[:, 1]) + z[:, 2] * (x[:, 3] > 0) + (x[:, CAT] % 7 > 3) * 1.5
    y = y + np.isnan(x[:, 2]) + (x[:, 3] == 0) * 0.7 + (x[:, 5] % 50) / 25
    return y + rng.normal(size=len(x)) * 0.1


X = table(N)
Y = target(X)
LABEL = (Y > np.median(Y)).astype(float)
CLASS = np.digitize(Y, np.quantile(Y, [1 / 3, 2 / 3])).astype(float)
POS = np.abs(Y) + 0.1

Q = table(48)
SPECIAL = [0.0, -0.0, 1e-36, -1e-36, 1e-30, -1e-30, 1.0, -1.0, 3.7, -0.5, 1e9, -1e9, 3e38, -3e38, 2.0**24, 2.0**31,
           2.0**53, -7, 31, 32, 63, 64, 5.0000001, 20200111.5]
for i, v in enumerate(SPECIAL):
    Q[i, i % F] = v
    Q[(i + 5) % len(Q), (i + 3) % F] = v
Q[40:46, :] = np.where(np.eye(6) > 0, np.nan, Q[40:46, :])
Q[46, :] = np.nan
Q[47, :] = 0
Q32 = np.concatenate([Q, np.repeat(Q[:24], 2, axis=0)])  # + rows at float32's neighbours of trained values
for i in range(24):
    v = np.float32(X[i, 0])
    Q32[48 + 2 * i, 0] = np.nextafter(v, np.float32(-np.inf))
    Q32[49 + 2 * i, 0] = float(v) + 1e-9


def write(name, rows, cases):
    doc = {"columns": F, "rows": b64(rows), "cases": cases}
    path = os.path.join(HERE, name + ".json.gz")
    with open(path, "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as z:
        z.write(json.dumps(doc).encode())
    print(path, os.path.getsize(path), len(cases), "cases")


def lightgbm():
    import lightgbm as lgb

    modern = not lgb.__version__.startswith("2")
    cases = []

    def add(name, params, y, cat=False, x=X, rounds=8, weight=None, contrib=True, group=None):
        p = dict(num_leaves=8, min_data_in_leaf=10, verbose=-1, num_threads=1, seed=1, deterministic=True, learning_rate=0.3)
        p.update(params)
        d = lgb.Dataset(x, y, weight=weight, group=group, categorical_feature=[CAT] if cat else [], params=p, free_raw_data=False)
        b = lgb.train(p, d, rounds)
        q = Q[:, : x.shape[1]]
        c = {"name": name, "columns": x.shape[1], "files": {"text": b.model_to_string(num_iteration=-1)}}
        c["raw"] = b64(b.predict(q, raw_score=True))
        c["pred"] = b64(b.predict(q))
        if contrib and not params.get("linear_tree"):
            c["contrib"] = b64(b.predict(q, pred_contrib=True))
        c["split"] = b.feature_importance("split").tolist()
        c["gain"] = b.feature_importance("gain").tolist()
        cases.append(c)

    add("regression", {}, Y)
    add("one feature", {}, Y, x=X[:, :1])
    add("no split", {"min_data_in_leaf": 10000}, Y)
    for o in ["l1", "huber", "fair", "quantile", "mape"]:
        add(o, {"objective": o}, Y, contrib=False)
    for o in ["poisson", "gamma", "tweedie"]:
        add(o, {"objective": o}, POS, contrib=False)
    add("binary", {"objective": "binary"}, LABEL)
    add("binary, sigmoid 0.7", {"objective": "binary", "sigmoid": 0.7}, LABEL, contrib=False)
    add("multiclass", {"objective": "multiclass", "num_class": 3}, CLASS)
    add("multiclassova", {"objective": "multiclassova", "num_class": 3, "sigmoid": 1.3}, CLASS, contrib=False)
    add("cross_entropy", {"objective": "cross_entropy"}, np.clip(POS / POS.max(), 0, 1), contrib=False)
    add("cross_entropy_lambda", {"objective": "cross_entropy_lambda"}, np.clip(POS / POS.max(), 0, 1), contrib=False)
    add("lambdarank", {"objective": "lambdarank"}, CLASS, group=[50] * 10, contrib=False)
    add("reg_sqrt", {"reg_sqrt": True}, Y, contrib=False)
    rf = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6, "feature_fraction": 0.7}
    add("rf", rf, Y, contrib=False)
    add("rf, binary", dict(rf, objective="binary"), LABEL, contrib=False)
    add("rf, multiclass", dict(rf, objective="multiclass", num_class=3), CLASS, contrib=False)
    add("dart", {"boosting": "dart", "drop_rate": 0.5}, Y)
    add("goss", {"boosting": "goss"}, Y, contrib=False)
    add("categorical", {"min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 2}, Y, cat=True)
    add("categorical, multiclass", {"objective": "multiclass", "num_class": 3, "min_data_per_group": 5}, CLASS, cat=True, contrib=False)
    add("tiny", {"num_leaves": 3}, Y, cat=True, rounds=2)
    add("one-hot", {"max_cat_to_onehot": 64, "min_data_per_group": 2, "min_data_in_leaf": 3}, Y, cat=True)
    add("zero_as_missing", {"zero_as_missing": True}, Y)
    add("use_missing=false", {"use_missing": False}, Y)
    add("monotone", {"monotone_constraints": [1, 0, 0, 0, 0, -1]}, Y, contrib=False)
    add("weighted", {}, Y, weight=np.linspace(0.1, 3, N), contrib=False)
    if modern:
        add("tiny, linear_tree", {"linear_tree": True, "num_leaves": 3}, Y, rounds=2)
        add("linear_tree", {"linear_tree": True, "linear_lambda": 0.1}, Y)
        add("linear_tree, categorical", {"linear_tree": True, "min_data_per_group": 5}, Y, cat=True)
    write("lightgbm-" + lgb.__version__, Q, cases)


UBJ = ["squarederror", "no split", "binary:logistic", "multi:softprob", "forest", "dart", "categorical", "gblinear", "tiny", "tiny, dart"]


def xgboost():
    import xgboost as xgb

    new = int(xgb.__version__.split(".")[0]) >= 2
    cases = []

    def add(name, params, y, cat=False, rounds=8, contrib=False, refuse=None, x=X):
        p = dict(max_depth=4, nthread=1, seed=1, tree_method="hist")
        p.update(params)
        k = x.shape[1]
        types = ["c" if cat and i == CAT else "q" for i in range(k)]
        d = xgb.DMatrix(x, y, feature_types=types, enable_categorical=cat)
        if p.get("objective") == "survival:aft":
            d.set_float_info("label_lower_bound", y)
            d.set_float_info("label_upper_bound", y)
        b = xgb.train(p, d, rounds)
        q = Q32[:, :k].copy()
        if cat:  # what no category can be is refused by newer versions
            bad = ~(q[:, CAT] >= 0) | (q[:, CAT] >= 2**24) if new else np.isnan(q[:, CAT])
            q[:, CAT] = np.where(bad & ~np.isnan(q[:, CAT]), 77, q[:, CAT])
        dq = xgb.DMatrix(q, feature_types=types, enable_categorical=cat)
        c = {"name": name, "columns": k, "files": {}}
        if cat:
            c["rows"] = b64(q)
        c["files"]["json"] = b.save_raw(raw_format="json").decode()
        if name in UBJ:
            c["files"]["ubj"] = b64(b.save_raw(raw_format="ubj"))
        if refuse:
            c["refuse"] = refuse
        else:
            c["raw"] = b64(b.predict(dq, output_margin=True))
            if p.get("objective") == "multi:softmax":
                c["class"] = b64(b.predict(dq))
            else:
                c["pred"] = b64(b.predict(dq))
            if contrib:
                c["contrib"] = b64(b.predict(dq, pred_contribs=True))
            if contrib and p.get("booster") != "dart":
                for kind in ["weight", "total_gain"]:
                    s = b.get_score(importance_type=kind)
                    c["split" if kind == "weight" else "gain"] = [s.get("f%d" % i, 0) for i in range(k)]
        cases.append(c)

    add("squarederror", {}, Y, contrib=True)
    add("one feature", {}, Y, x=X[:, :1])
    add("no split", {"gamma": 1e9}, Y)
    add("base_score 3.5", {"base_score": 3.5}, Y)
    add("exact", {"tree_method": "exact"}, Y)
    add("approx", {"tree_method": "approx"}, Y)
    add("lossguide", {"grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0}, Y)
    add("absoluteerror", {"objective": "reg:absoluteerror"}, Y)
    add("pseudohubererror", {"objective": "reg:pseudohubererror"}, Y)
    add("squaredlogerror", {"objective": "reg:squaredlogerror"}, POS)
    add("reg:logistic", {"objective": "reg:logistic"}, LABEL)
    add("binary:logistic", {"objective": "binary:logistic", "base_score": 0.3}, LABEL, contrib=True)
    add("binary:logitraw", {"objective": "binary:logitraw"}, LABEL)
    add("binary:hinge", {"objective": "binary:hinge"}, LABEL)
    add("count:poisson", {"objective": "count:poisson"}, POS)
    add("reg:gamma", {"objective": "reg:gamma"}, POS)
    add("reg:tweedie", {"objective": "reg:tweedie"}, POS)
    add("survival:cox", {"objective": "survival:cox"}, POS)
    add("survival:aft", {"objective": "survival:aft"}, POS)
    add("multi:softprob", {"objective": "multi:softprob", "num_class": 3}, CLASS, contrib=True)
    add("multi:softmax", {"objective": "multi:softmax", "num_class": 3}, CLASS)
    rf = {"num_parallel_tree": 5, "subsample": 0.6, "colsample_bynode": 0.7, "eta": 1}
    add("forest", rf, Y, rounds=1)
    add("boosted forest, softprob", dict(rf, objective="multi:softprob", num_class=3, eta=0.3), CLASS, rounds=3)
    add("dart", {"booster": "dart", "rate_drop": 0.5}, Y)
    add("dart, softprob", {"booster": "dart", "rate_drop": 0.5, "objective": "multi:softprob", "num_class": 3}, CLASS)
    add("categorical", {"max_cat_to_onehot": 1}, Y, cat=True, contrib=True)
    add("one-hot", {"max_cat_to_onehot": 100}, Y, cat=True)
    add("tiny", {"max_depth": 2}, Y, cat=True, rounds=2)
    add("tiny, dart", {"max_depth": 1, "booster": "dart", "objective": "multi:softprob", "num_class": 3}, CLASS, rounds=2)
    add("monotone", {"monotone_constraints": "(1,0,0,0,0,-1)"}, Y)
    add("gblinear", {"booster": "gblinear", "tree_method": "auto"}, np.nan_to_num(Y), refuse="gblinear")
    if new:
        add("quantileerror", {"objective": "reg:quantileerror", "quantile_alpha": np.array([0.1, 0.5, 0.9])}, Y)
        add("two targets", {}, np.stack([Y, POS], axis=1))
        add("multi_output_tree", {"multi_strategy": "multi_output_tree"}, np.stack([Y, POS], axis=1), refuse="multi_output_tree")
    write("xgboost-" + xgb.__version__, Q32, cases)


def catboost():
    import catboost as cb

    cases = []

    def add(name, params, y, refuse=None, x=X, q=Q32, cats=None, scale=None):
        p = dict(iterations=8, depth=3, learning_rate=0.3, thread_count=1, random_seed=1, allow_writing_files=False, verbose=False)
        p.update(params)
        m = cb.CatBoost(p)
        m.fit(cb.Pool(x, y, cat_features=cats))
        if scale:
            m.set_scale_and_bias(*scale)
        with tempfile.TemporaryDirectory() as d:
            m.save_model(d + "/m.json", format="json")
            text = open(d + "/m.json").read()
        c = {"name": name, "columns": F, "files": {"json": text}}
        if refuse:
            c["refuse"] = refuse
        else:
            c["raw"] = b64(m.predict(q, prediction_type="RawFormulaVal", thread_count=1))
            loss = p.get("loss_function", "RMSE")
            kind = "RawFormulaVal"
            if loss in ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"):
                kind = "Probability"
            if loss in ("Poisson", "Tweedie:variance_power=1.5"):
                kind = "Exponent"
            pred = m.predict(q, prediction_type=kind, thread_count=1)
            if kind == "Probability" and loss in ("Logloss", "CrossEntropy"):
                pred = pred[:, 1]
            c["pred"] = b64(pred)
            if loss == "RMSE" and not scale and "grow_policy" not in params:
                c["contrib"] = b64(m.get_feature_importance(cb.Pool(q), type="ShapValues", thread_count=1))
        cases.append(c)

    add("RMSE", {}, Y)
    for policy in ["Depthwise", "Lossguide"]:
        add(policy, {"grow_policy": policy}, Y)
    add("Quantile", {"loss_function": "Quantile:alpha=0.3"}, Y)
    add("tiny", {"depth": 2, "iterations": 2}, Y)
    add("tiny, MultiClass", {"loss_function": "MultiClass", "grow_policy": "Lossguide", "depth": 2, "iterations": 2}, CLASS)
    add("MAE", {"loss_function": "MAE"}, Y)
    add("Logloss", {"loss_function": "Logloss"}, LABEL)
    add("CrossEntropy", {"loss_function": "CrossEntropy"}, LABEL)
    add("MultiClass", {"loss_function": "MultiClass"}, CLASS)
    add("MultiClass, Lossguide", {"loss_function": "MultiClass", "grow_policy": "Lossguide"}, CLASS)
    add("MultiClassOneVsAll", {"loss_function": "MultiClassOneVsAll"}, CLASS)
    add("MultiRMSE", {"loss_function": "MultiRMSE"}, np.stack([Y, POS], axis=1))
    add("Poisson", {"loss_function": "Poisson"}, POS)
    add("Tweedie", {"loss_function": "Tweedie:variance_power=1.5"}, POS)
    add("nan_mode Max", {"nan_mode": "Max"}, Y)
    forbidden = np.nan_to_num(X)
    add("nan_mode Forbidden", {"nan_mode": "Forbidden"}, Y, x=forbidden)
    add("scale and bias", {}, Y, scale=(0.5, 2.25))
    obj = X.astype(object)
    obj[:, CAT] = [str(int(v) % 7 > 3) for v in X[:, CAT]]
    add("one-hot categories", {"one_hot_max_size": 10}, Y, refuse="one-hot", x=obj, cats=[CAT])
    obj = X.astype(object)
    obj[:, CAT] = [str(int(v)) for v in X[:, CAT]]
    add("CTR", {"one_hot_max_size": 2}, Y, refuse="CTR", x=obj, cats=[CAT])
    write("catboost-" + cb.__version__, Q32, cases)


for lib in sys.argv[1:] or ["lightgbm", "xgboost", "catboost"]:
    {"lightgbm": lightgbm, "xgboost": xgboost, "catboost": catboost}[lib]()
