"""Writes pipelines.json.gz: pipelines of scikit-learn, LightGBM, XGBoost and CatBoost as
joblib.dump leaves them, with tables and what they predict.

    python pipelines.py > pipelines.json.gz

A case has the "file", in base64, "columns" (numbers as float64 in base64, or texts) and
"outputs": numbers in base64, or labels.
"""

import base64
import gzip
import io
import json
import sys
import warnings

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier, RandomForestRegressor, VotingRegressor
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, MaxAbsScaler, MinMaxScaler, Normalizer, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler

warnings.simplefilter("ignore")
rng = np.random.default_rng(3)
N, SHOWN = 240, 80
x = rng.normal(size=(N, 4)) * [1, 10, 0.1, 1000] + [0, 5, 0, 1.7e9]
y = x[:, 0] + np.sin(x[:, 1]) + 20 * x[:, 2] ** 2 + 0.1 * rng.normal(size=N)
two, three = (y > 1).astype(int), (y > 0).astype(int) + (y > 2)
words = np.array(["low", "middle", "high"])[three]
holes = np.where(rng.random(x.shape) < 0.1, np.nan, x)
table = pd.DataFrame(x[:, :2], columns=["width", "height"])
table["colour"] = np.array(["red", "green", "blue", "grün"])[rng.integers(0, 4, N)]
table["size"] = rng.integers(1, 5, N)
table["shop"] = np.array(["a", "b", "c"])[rng.integers(0, 3, N)]
lgb = {"n_estimators": 8, "num_leaves": 7, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}
xgb = {"n_estimators": 6, "max_depth": 3, "n_jobs": 1}
cat = {"iterations": 5, "depth": 3, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
cases = []


def packed(a):
    return base64.b64encode(np.ascontiguousarray(a, "<f8").tobytes()).decode()


def answers(m, rows):
    if hasattr(m, "score_samples"):
        return {"label": m.predict(rows).tolist(), "score": packed(m.score_samples(rows)), "decision": packed(m.decision_function(rows))}
    if hasattr(m, "predict_proba"):
        p = m.predict_proba(rows)
        label = np.asarray(m.predict(rows))
        if isinstance(p, list):
            out = {}
            for i, one in enumerate(p):
                out |= {f"label_{i}": label[:, i].tolist(), f"probabilities_{i}": packed(one)}
            return out
        return {"label": label.ravel().tolist(), "probabilities": packed(p)}
    return {"predictions": packed(m.predict(rows))}


def add(name, m, rows, model=None, outputs=None):
    b = io.BytesIO()
    joblib.dump(m, b)
    rows = rows[:SHOWN]
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
    columns = []
    for c in frame.columns:
        v = frame[c]
        columns.append({"name": str(c), "numbers": packed(v)} if v.dtype.kind in "fiu" else {"name": str(c), "texts": v.tolist()})
    cases.append({"name": name, "file": base64.b64encode(b.getvalue()).decode(), "columns": columns, "outputs": outputs or answers(model or m, rows)})


scalers = {"standard": StandardScaler(), "minmax": MinMaxScaler((-1, 2), clip=True), "robust": RobustScaler(), "maxabs": MaxAbsScaler(), "normal": Normalizer(),
           "shift only": StandardScaler(with_std=False), "scale only": StandardScaler(with_mean=False)}
for name, s in scalers.items():
    add(f"LightGBM behind {name}", Pipeline([("scale", s), ("model", lightgbm.LGBMRegressor(**lgb))]).fit(x, y), x)
add("XGBoost in a Pipeline", make_pipeline(StandardScaler(), xgboost.XGBRegressor(**xgb)).fit(x, y), x)
add("CatBoost in a Pipeline", make_pipeline(RobustScaler(), catboost.CatBoostRegressor(**cat)).fit(x, y), x)
add("forest in a Pipeline", make_pipeline(StandardScaler(), RandomForestRegressor(5, max_depth=4, random_state=0)).fit(x, y), x)
add("LightGBM classes in a Pipeline", make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(**lgb)).fit(x, words), x)
add("LightGBM two classes", make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(**lgb)).fit(x, two == 1), x)
add("XGBoost classes", make_pipeline(StandardScaler(), xgboost.XGBClassifier(**xgb)).fit(x, three), x)
add("XGBoost two classes", xgboost.XGBClassifier(**xgb).fit(x, two), x)
add("CatBoost classes", catboost.CatBoostClassifier(**cat).fit(x, words), x)
add("CatBoost two classes", catboost.CatBoostClassifier(**cat).fit(x, two + 5), x)
add("forest classes", RandomForestClassifier(6, max_depth=4, random_state=0).fit(x, words), x)
add("forest two classes", RandomForestClassifier(6, max_depth=4, random_state=0).fit(x, two), x)
add("boosting two classes", GradientBoostingClassifier(n_estimators=5, random_state=0).fit(x, two), x)
add("histograms three classes", HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(x, three * 10), x)
add("imputer", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler(), lightgbm.LGBMRegressor(**lgb)).fit(holes, y), holes)
zeros = np.where(np.isnan(holes), 0, holes)
add("imputer of zeros", make_pipeline(SimpleImputer(missing_values=0, strategy="constant", fill_value=-1), lightgbm.LGBMRegressor(**lgb)).fit(zeros, y), zeros)
add("MultiOutputRegressor", MultiOutputRegressor(lightgbm.LGBMRegressor(**lgb)).fit(x, np.c_[y, -y, y * y]), x)
add("MultiOutputRegressor in a Pipeline", make_pipeline(StandardScaler(), MultiOutputRegressor(xgboost.XGBRegressor(**xgb))).fit(x, np.c_[y, -y]), x)
add("MultiOutputRegressor of Pipelines", MultiOutputRegressor(make_pipeline(StandardScaler(), lightgbm.LGBMRegressor(**lgb))).fit(x, np.c_[y, -y]), x)
add("MultiOutputClassifier", MultiOutputClassifier(lightgbm.LGBMClassifier(**lgb)).fit(x, np.c_[two, three]), x)
iso = IsolationForest(n_estimators=20, max_samples=64, contamination=0.1, random_state=0)
s = StandardScaler().fit(x)
iso.fit(s.transform(x))
through = Pipeline([("scaler", s), ("model", iso)])
add("isolation forest in a Pipeline", through, x)
add("isolation forest in a dict", {"model": iso, "scaler": s, "features": ["a", "b", "c", "d"], "threshold": 0.5}, x, through)
add("isolation forest in a tuple", (s, iso), x, through)
add("isolation forest in another tuple", (iso, s), x, through)
bare = IsolationForest(n_estimators=10, max_samples=64, random_state=0).fit(x)
add("isolation forest alone", bare, x)
le = LabelEncoder().fit(words)
m = xgboost.XGBClassifier(**xgb).fit(x, le.transform(words))
add("labels in a dict", {"model": m, "encoder": le}, x, outputs={"label": le.inverse_transform(m.predict(x[:SHOWN])).tolist(), "probabilities": packed(m.predict_proba(x[:SHOWN]))})
m = lightgbm.LGBMClassifier(**lgb).fit(x, words)
other = LabelEncoder().fit(["x", "y", "z"])
add("an encoder of a column in a dict", {"model": m, "shop": other}, x, m)
m = xgboost.XGBClassifier(**xgb).fit(x, le.transform(words))
add("two encoders in a dict", {"model": m, "shop": other, "size": le}, x, m)
z = (x - x.mean(axis=0)) / x.std(axis=0)
for m in [LinearRegression(), Ridge(), ElasticNet(0.01)]:
    add(type(m).__name__, make_pipeline(StandardScaler(), m).fit(x, y), x)
add("LinearRegression of two", LinearRegression().fit(z, np.c_[y, -y]), z)
add("LogisticRegression", make_pipeline(StandardScaler(), LogisticRegression()).fit(x, np.array(["no", "yes"])[two]), x)
add("LogisticRegression of three", LogisticRegression().fit(z, words), z)
add("GridSearchCV", GridSearchCV(make_pipeline(StandardScaler(), lightgbm.LGBMRegressor(**lgb)), {"lgbmregressor__num_leaves": [3, 5]}, cv=2).fit(x, y), x)
add("TransformedTargetRegressor", TransformedTargetRegressor(lightgbm.LGBMRegressor(**lgb), func=np.log1p, inverse_func=np.expm1).fit(x, y - y.min() + 1), x)
add("TransformedTargetRegressor, scaled", TransformedTargetRegressor(Ridge(), transformer=StandardScaler()).fit(z, y), z)
add("VotingRegressor", VotingRegressor([("a", lightgbm.LGBMRegressor(**lgb)), ("b", LinearRegression())]).fit(z, y), z)
add("PCA", make_pipeline(StandardScaler(), PCA(3), Ridge()).fit(x, y), x)
add("TruncatedSVD", make_pipeline(TruncatedSVD(2, random_state=0), Ridge()).fit(z, y), z)
constant = np.c_[x, np.ones(N)]
add("VarianceThreshold", make_pipeline(VarianceThreshold(), lightgbm.LGBMRegressor(**lgb)).fit(constant, y), constant)
add("FeatureUnion", make_pipeline(FeatureUnion([("s", StandardScaler()), ("m", MinMaxScaler())]), lightgbm.LGBMRegressor(**lgb)).fit(x, y), x)
add("XGBRegressor with missing", xgboost.XGBRegressor(missing=-999, **xgb).fit(np.where(np.isnan(holes), -999, holes), y), np.where(np.isnan(holes), -999, holes))
prepare = ColumnTransformer([
    ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["width", "height"]),
    ("colour", OneHotEncoder(handle_unknown="ignore"), ["colour"]),
    ("place", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["shop"]),
], remainder="passthrough")
unseen = table.copy()
unseen.loc[:5, "colour"] = "pink"
unseen.loc[3:9, "shop"] = "z"
for name, m in [("LightGBM", lightgbm.LGBMRegressor(**lgb)), ("XGBoost", xgboost.XGBRegressor(**xgb)), ("Ridge", Ridge())]:
    add(f"ColumnTransformer and {name}", Pipeline([("prepare", prepare), ("model", m)]).fit(table, y), unseen)
onehot = ColumnTransformer([("all", OneHotEncoder(drop="first", sparse_output=False), ["colour", "size", "shop"])])
add("OneHotEncoder of a mixed table", make_pipeline(onehot, LogisticRegression()).fit(table, words), table)
sparse = ColumnTransformer([("all", OneHotEncoder(handle_unknown="ignore"), ["colour", "size", "shop"])], sparse_threshold=1)
add("XGBoost behind a sparse encoder", make_pipeline(sparse, xgboost.XGBRegressor(**xgb)).fit(table, y), unseen)
numbered = x.copy()
numbered[:, 1] = rng.integers(0, 6, N)
add("OneHotEncoder of numbers", make_pipeline(ColumnTransformer([("o", OneHotEncoder(handle_unknown="ignore"), [1])], remainder=StandardScaler()), lightgbm.LGBMClassifier(**lgb)).fit(numbered, three), numbered)
sys.stdout.buffer.write(gzip.compress(json.dumps({"cases": cases}).encode(), 9, mtime=0))
