"""Writes estimators.json.gz and objectives.json.gz: estimators and boosters as joblib.dump and
pickle.dump leave them, with and without early stopping, CatBoost's .cbm; and a model of each
objective that LightGBM, XGBoost and CatBoost train, with what the library's predict (or
predict_proba, where there are classes) says of rows.

    python estimators.py FOLDER

A case has "files", in base64 by kind: the whole of it is what a file would hold.
"""

import base64
import gzip
import io
import json
import pathlib
import pickle
import sys
import tempfile
import warnings

import catboost
import joblib
import lightgbm
import numpy as np
import xgboost

warnings.simplefilter("ignore")
folder = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(11)
N, F = 200, 4
x = np.round(rng.normal(size=(N, F)), 3)
signal = 2 * x[:, 0] + np.sin(3 * x[:, 1]) + 0.3 * x[:, 2] ** 2
y = signal + 0.3 * rng.normal(size=N)
x[rng.random((N, F)) < 0.05] = np.nan
positive = np.exp(y / 4)
share = 1 / (1 + np.exp(-y))
two = (y > 0).astype(int)
three = (y > -1).astype(int) + (y > 1)
group = np.repeat(np.arange(10), N // 10)
words = np.array(["left", "right"])[two]


def packed(a):
    return base64.b64encode(np.ascontiguousarray(a, "<f8").tobytes()).decode()


def dumped(model, how):
    b = io.BytesIO()
    how(model, b)
    return base64.b64encode(b.getvalue()).decode()


def saved(save, suffix=""):
    with tempfile.NamedTemporaryFile(suffix=suffix) as f:
        save(f.name)
        return base64.b64encode(open(f.name, "rb").read()).decode()


class Cases:
    def __init__(self):
        self.cases = []

    def add(self, name, files, answer):
        self.cases.append({"name": name, "columns": F, "files": files, "pred": packed(answer)})

    def write(self, file):
        doc = {"columns": F, "rows": packed(x[:60]), "cases": self.cases}
        (folder / file).write_bytes(gzip.compress(json.dumps(doc).encode(), 9, mtime=0))


def by_lightgbm(c):
    common = {"n_estimators": 40, "num_leaves": 5, "n_jobs": 1, "verbose": -1, "min_child_samples": 5}
    half = N // 2
    stop = {"eval_set": [(x[half:], y[half:])], "callbacks": [lightgbm.early_stopping(2, verbose=False)]}
    for name, m, target, more in [
        ("LGBMRegressor", lightgbm.LGBMRegressor(**common | {"n_estimators": 5}), y, {}),
        ("LGBMRegressor, early", lightgbm.LGBMRegressor(**common | {"learning_rate": 0.5}), y, stop),
        ("LGBMClassifier", lightgbm.LGBMClassifier(**common | {"n_estimators": 5}), words, {}),
        ("LGBMClassifier, three", lightgbm.LGBMClassifier(**common | {"n_estimators": 4}), three, {}),
        ("LGBMRanker", lightgbm.LGBMRanker(**common | {"n_estimators": 4}), np.clip(three, 0, 2), {"group": [half // 5] * 5}),
    ]:
        m.fit(x[:half], target[:half], **more)
        answer = m.predict_proba(x[:60]) if hasattr(m, "predict_proba") else m.predict(x[:60])
        if answer.ndim == 2 and answer.shape[1] == 2:
            answer = answer[:, 1]
        files = {"joblib": dumped(m, joblib.dump)}
        c.add("lightgbm " + name, files, answer)
        if name.startswith("LGBMRegressor"):
            files = {"pickle": dumped(m.booster_, pickle.dump), "pickle0": dumped(m.booster_, lambda m, f: pickle.dump(m, f, 0))}
            c.add("lightgbm Booster of " + name, files, m.booster_.predict(x[:60]))
            text = m.booster_.model_to_string().encode()
            c.add("lightgbm text of " + name, {"text": base64.b64encode(text).decode(), "gz": base64.b64encode(gzip.compress(text, mtime=0)).decode(),
                  "bom": base64.b64encode(b"\xef\xbb\xbf" + text).decode()}, m.predict(x[:60]))


    # Kept for more training, a booster keeps the trees behind the best iteration.
    b = lightgbm.train({"num_leaves": 5, "verbose": -1, "num_threads": 1, "learning_rate": 0.5, "min_data_in_leaf": 5}, lightgbm.Dataset(x[:half], y[:half]), 40,
                       valid_sets=[lightgbm.Dataset(x[half:], y[half:])], callbacks=[lightgbm.early_stopping(3, verbose=False)], keep_training_booster=True)
    assert 0 < b.best_iteration < b.num_trees()
    c.add("lightgbm Booster, early", {"pickle": dumped(b, pickle.dump)}, b.predict(x[:60]))


def by_xgboost(c):
    common = {"n_estimators": 40, "max_depth": 2, "n_jobs": 1}
    half = N // 2
    stop = {"eval_set": [(x[half:], y[half:])], "verbose": False}
    for name, m, target, more in [
        ("XGBRegressor", xgboost.XGBRegressor(**common | {"n_estimators": 4}), y, {}),
        ("XGBRegressor, early", xgboost.XGBRegressor(**common, learning_rate=0.6, early_stopping_rounds=2), y, stop),
        ("XGBRegressor, early, parallel", xgboost.XGBRegressor(**common, learning_rate=0.8, num_parallel_tree=2, subsample=0.7, early_stopping_rounds=2), y, stop),
        ("XGBClassifier", xgboost.XGBClassifier(**common | {"n_estimators": 4}), two, {}),
        ("XGBClassifier, three, early", xgboost.XGBClassifier(**common, learning_rate=1, early_stopping_rounds=2), three,
         {"eval_set": [(x[half:], three[half:])], "verbose": False}),
        ("XGBRFRegressor", xgboost.XGBRFRegressor(n_estimators=5, max_depth=2, n_jobs=1), y, {}),
    ]:
        m.fit(x[:half], target[:half], **more)
        if "early" in name:
            assert m.best_iteration + 1 < m.get_booster().num_boosted_rounds(), name
        answer = m.predict_proba(x[:60]) if hasattr(m, "predict_proba") else m.predict(x[:60])
        if answer.ndim == 2 and answer.shape[1] == 2:
            answer = answer[:, 1]
        files = {"joblib": dumped(m, joblib.dump), "json": saved(m.save_model, ".json"), "ubj": saved(m.save_model, ".ubj")}
        c.add("xgboost " + name, files, answer)
        b = m.get_booster()
        c.add("xgboost Booster of " + name, {"pickle": dumped(b, pickle.dump)}, b.predict(xgboost.DMatrix(x[:60])))


def by_catboost(c):
    common = {"iterations": 5, "thread_count": 1, "verbose": 0, "allow_writing_files": False, "depth": 3}
    r, k = catboost.CatBoostRegressor, catboost.CatBoostClassifier
    half = N // 2
    for name, m, target, more in [
        ("regressor", r(**common), y, {}),
        ("Depthwise", r(grow_policy="Depthwise", **common), y, {}),
        ("Lossguide", r(grow_policy="Lossguide", max_leaves=6, **common), y, {}),
        ("two targets", r(loss_function="MultiRMSE", **common), np.c_[y, -y * y], {}),
        ("classes", k(**common), words, {}),
        ("classes, Lossguide", k(grow_policy="Lossguide", max_leaves=5, **common), three, {}),
        ("three", k(**common), three, {}),
        ("early", r(**common | {"iterations": 60, "learning_rate": 0.9}, od_wait=2), y, {"eval_set": (x[half:], y[half:])}),
        ("early, all", r(**common | {"iterations": 60, "learning_rate": 0.9}, od_wait=2, use_best_model=False), y, {"eval_set": (x[half:], y[half:])}),
        ("nan max", r(nan_mode="Max", **common), y, {}),
    ]:
        m.fit(x[:half], target[:half], **more)
        answer = m.predict_proba(x[:60]) if isinstance(m, k) else m.predict(x[:60])
        if isinstance(m, k) and answer.shape[1] == 2:
            answer = answer[:, 1]
        c.add("catboost " + name, {"joblib": dumped(m, joblib.dump), "cbm": saved(m.save_model, ".cbm"),
              "json": saved(lambda f: m.save_model(f, format="json"), ".json")}, answer)


def objectives(c):
    def lgb(name, target, more={}, data={}):
        p = {"objective": name, "num_leaves": 4, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5} | more
        b = lightgbm.train(p, lightgbm.Dataset(x, target, **data), 3)
        c.add("lightgbm " + name + "".join(f" {k}={v}" for k, v in more.items()), {"text": base64.b64encode(b.model_to_string().encode()).decode()}, b.predict(x[:60]))

    for name, target in {"regression": y, "regression_l1": y, "huber": y, "fair": y, "quantile": y, "mape": y + 20, "poisson": positive,
                         "gamma": positive, "tweedie": positive, "binary": two, "cross_entropy": share, "cross_entropy_lambda": share}.items():
        lgb(name, target)
    lgb("regression", y, {"reg_sqrt": True})
    lgb("binary", two, {"sigmoid": 0.7})
    lgb("multiclass", three, {"num_class": 3})
    lgb("multiclassova", three, {"num_class": 3, "sigmoid": 1.5})
    lgb("lambdarank", three, {}, {"group": [20] * 10})
    lgb("rank_xendcg", three, {}, {"group": [20] * 10})

    def xgb(name, target, more={}, **data):
        d = xgboost.DMatrix(x, target, **data)
        if name.startswith("survival:aft"):
            d.set_float_info("label_lower_bound", target)
            d.set_float_info("label_upper_bound", target * 1.5)
        b = xgboost.train({"objective": name, "max_depth": 2, "nthread": 1} | more, d, 3)
        answer = b.predict(xgboost.DMatrix(x[:60]))
        if name == "multi:softmax":  # attune predicts probabilities
            b.set_param({"objective": "multi:softprob"})
            answer = b.predict(xgboost.DMatrix(x[:60]))
            b.set_param({"objective": "multi:softmax"})
        c.add("xgboost " + name + "".join(f" {k}={v}" for k, v in more.items()), {"json": saved(b.save_model, ".json")}, answer)

    for name, target in {"reg:squarederror": y, "reg:squaredlogerror": positive, "reg:logistic": share, "reg:pseudohubererror": y, "reg:absoluteerror": y,
                         "binary:logistic": two, "binary:logitraw": two, "binary:hinge": two, "count:poisson": positive, "reg:gamma": positive,
                         "reg:tweedie": positive, "survival:cox": positive, "survival:aft": positive}.items():
        xgb(name, target)
    xgb("reg:quantileerror", y, {"quantile_alpha": [0.1, 0.5, 0.9]})
    try:
        xgb("reg:expectileerror", y, {"expectile_alpha": 0.3})
    except xgboost.core.XGBoostError as e:
        print("no expectiles:", str(e).splitlines()[0], file=sys.stderr)
    for name in ["multi:softprob", "multi:softmax"]:
        xgb(name, three, {"num_class": 3})
    for name in ["rank:pairwise", "rank:ndcg"]:
        xgb(name, three, qid=group)
    xgb("rank:map", two, qid=group)

    def cat(name, target, classes=False, **data):
        m = catboost.CatBoost({"loss_function": name, "iterations": 3, "depth": 2, "thread_count": 1, "verbose": 0, "allow_writing_files": False})
        if not classes and not data:
            m = catboost.CatBoostRegressor(**m.get_params())
        if classes and name not in ("MultiLogloss", "MultiCrossEntropy"):
            m = catboost.CatBoostClassifier(**m.get_params())
        m.fit(catboost.Pool(x, target, **data))
        answer = m.predict(x[:60], prediction_type="Probability") if classes else m.predict(x[:60])
        if classes and answer.ndim == 2 and answer.shape[1] == 2 and np.ndim(target) == 1:
            answer = answer[:, 1]
        c.add("catboost " + name, {"json": saved(lambda f: m.save_model(f, format="json"), ".json"), "cbm": saved(m.save_model, ".cbm")}, answer)

    for name, target in {"RMSE": y, "MAE": y, "Quantile:alpha=0.3": y, "MultiQuantile:alpha=0.1,0.5,0.9": y, "Expectile:alpha=0.3": y, "LogLinQuantile:alpha=0.4": positive,
                         "MAPE": y + 20, "Poisson": positive, "Huber:delta=1": y, "Tweedie:variance_power=1.4": positive, "LogCosh": y, "Lq:q=3": y,
                         "RMSEWithUncertainty": y, "Cox": positive, "MultiRMSE": np.c_[y, y * y], "MultiRMSEWithMissingValues": np.c_[y, y * y],
                         "SurvivalAft:dist=Normal": np.c_[positive, positive * 1.5], "RMSPE": y + 20}.items():
        try:
            cat(name, target)
        except catboost.CatBoostError as e:
            print(name, str(e).splitlines()[0][-200:], file=sys.stderr)
    for name, target in {"Logloss": two, "CrossEntropy": share, "Focal:focal_alpha=0.4;focal_gamma=1.5": two, "MultiClass": three, "MultiClassOneVsAll": three,
                         "MultiLogloss": np.c_[two, three > 1].astype(int), "MultiCrossEntropy": np.c_[share, 1 - share]}.items():
        try:
            cat(name, target, classes=True)
        except catboost.CatBoostError as e:
            print(name, str(e).splitlines()[0][-200:], file=sys.stderr)
    pairs = [[i, j] for g in range(10) for i in range(20 * g, 20 * g + 5) for j in range(20 * g, 20 * g + 5) if three[i] > three[j]]
    for name in ["QueryRMSE", "QuerySoftMax", "YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise", "StochasticRank:metric=NDCG", "StochasticFilter",
                 "LambdaMart", "GroupQuantile", "QueryCrossEntropy"]:
        try:
            cat(name, (two if name in ("QuerySoftMax", "StochasticFilter", "QueryCrossEntropy") else three), group_id=group, **({"pairs": pairs} if name.startswith("PairLogit") else {}))
        except catboost.CatBoostError as e:
            print(name, str(e).splitlines()[0][-200:], file=sys.stderr)


c = Cases()
by_lightgbm(c)
by_xgboost(c)
by_catboost(c)
c.write("estimators.json.gz")
c = Cases()
objectives(c)
c.write("objectives.json.gz")
