"""Writes thresholds.json.gz: small models of data that float32 cannot hold (times in
seconds, dates as numbers, values a few ulps apart), with rows on their thresholds and what
the libraries predict for them.

    python thresholds.py > thresholds.json.gz
"""

import base64
import gzip
import io
import json
import sys

import joblib
import lightgbm
import numpy as np
import xgboost
from sklearn.ensemble import HistGradientBoostingRegressor

rng = np.random.default_rng(7)
N = 400
x = np.c_[
    1.7e9 + rng.integers(0, 86400, N),
    20240000 + rng.integers(1, 131, N) + 0.5,
    0.1 + 1e-16 * rng.integers(0, 50, N),
    rng.normal(size=N),
]
y = (x[:, 0] - 1.7e9) / 1e4 + (x[:, 1] - 20240000) / 20 + 1e15 * (x[:, 2] - 0.1) + np.sin(3 * x[:, 3])


def packed(a):
    return base64.b64encode(np.ascontiguousarray(a, "<f8").tobytes()).decode()


cases = []


def add(name, files, answer):
    cases.append({"name": name, "columns": x.shape[1], "files": files, "rows": packed(x), "pred": packed(answer)})


h = HistGradientBoostingRegressor(max_iter=15, random_state=0).fit(x, y)
dumped = io.BytesIO()
joblib.dump(h, dumped)
add("HistGradientBoosting", {"joblib": base64.b64encode(dumped.getvalue()).decode()}, h.predict(x))
m = lightgbm.train({"num_leaves": 15, "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}, lightgbm.Dataset(x, y), 15)
add("LightGBM", {"text": m.model_to_string()}, m.predict(x))
b = xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(x, y), 15)
add("XGBoost", {"json": bytes(b.save_raw("json")).decode()}, b.predict(xgboost.DMatrix(x)))
sys.stdout.buffer.write(gzip.compress(json.dumps({"columns": x.shape[1], "cases": cases}).encode(), 9, mtime=0))
