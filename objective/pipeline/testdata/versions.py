"""Adds models of this version of scikit-learn and XGBoost, whose pickles differ from version to version, to a file in the
form of pipelines.json.gz.

    python versions.py versions.json.gz     # with each Python of README.md in turn
"""

import base64
import gzip
import io
import json
import os
import sys
import warnings

import joblib
import numpy as np
import pandas as pd

np.warnings = warnings  # which 0.24 expects of NumPy
warnings.simplefilter("ignore")
import scipy.linalg

scipy.linalg.pinv2 = scipy.linalg.pinv  # likewise of SciPy
import sklearn
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.experimental import enable_hist_gradient_boosting  # noqa: F401, for 0.24
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

rng = np.random.default_rng(8)
x = rng.normal(size=(200, 3)) * [1, 10, 0.1] + [0, 5, 0]
y = x[:, 0] + 0.1 * x[:, 1] ** 2
whole = np.c_[rng.integers(0, 6, 200), rng.integers(0, 4, 200), rng.normal(size=200)].astype(float)
table = pd.DataFrame({"width": x[:, 0], "colour": np.array(["red", "green", "blue"])[rng.integers(0, 3, 200)], "height": x[:, 1]})
odd = [-300, -254, -1, -0.5, 0, 0.5, 1.9999999, 2, 2.5, 3, 5, 6, 255, 256, 258, 2.0**31, 2.0**33 + 1, np.nan]
cases = json.loads(gzip.open(sys.argv[1]).read())["cases"] if os.path.exists(sys.argv[1]) else []


def packed(a):
    return base64.b64encode(np.ascontiguousarray(a, "<f8").tobytes()).decode()


def add(name, m, rows):
    b = io.BytesIO()
    joblib.dump(m, b, compress=3)
    if isinstance(rows, pd.DataFrame):
        columns = [{"name": c, "numbers": packed(rows[c])} if rows[c].dtype.kind == "f" else {"name": c, "texts": rows[c].tolist()} for c in rows]
    else:
        columns = [{"name": "", "numbers": packed(rows[:, i])} for i in range(rows.shape[1])]
    if isinstance(m, RidgeClassifier):
        outputs = {"label": m.predict(rows).tolist(), "scores": packed(m.decision_function(rows))}
    else:
        outputs = {"predictions": packed(m.predict(rows))}
    cases.append({"name": f"{sklearn.__version__}: {name}", "file": base64.b64encode(b.getvalue()).decode(), "columns": columns, "outputs": outputs})


rows = np.r_[whole[:8], [[v, 1, 0.5] for v in odd], [[2, v, 0.5] for v in odd]]
if sklearn.__version__ >= "1":
    add("HistGradientBoosting with categories", HistGradientBoostingRegressor(max_iter=5, max_leaf_nodes=6, categorical_features=[0, 1]).fit(whole, (whole[:, 0] - 2) ** 2 + whole[:, 1] % 2), rows)
add("PLSRegression", PLSRegression(2).fit(x, y), x[:20])
add("PLSRegression of two", PLSRegression(2).fit(x, np.c_[y, x[:, 2]]), x[:20])
add("RidgeClassifier", RidgeClassifier().fit(x, np.where(y > 3, "high", np.where(y > 1, "middle", "low"))), x[:20])
add("FunctionTransformer", make_pipeline(FunctionTransformer(np.abs), FunctionTransformer(), Ridge()).fit(x, y), x[:20])
add("ColumnTransformer", make_pipeline(ColumnTransformer([("n", StandardScaler(), ["height", "width"]), ("c", OneHotEncoder(), ["colour"])]), Ridge()).fit(table, y), table[:20])
add("random forest of XGBoost", xgboost.XGBRFRegressor(n_estimators=4, max_depth=3, n_jobs=1).fit(x, y), x[:20].astype(np.float32).astype(float))
with gzip.GzipFile(sys.argv[1], "wb", 9, mtime=0) as f:
    f.write(json.dumps({"cases": cases}).encode())
