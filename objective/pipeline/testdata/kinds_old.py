"""Writes kinds-0.24.2.json.gz: models of scikit-learn 0.24.2, in the form of pipelines.json.gz.

    python kinds_old.py > kinds-0.24.2.json.gz
"""

import base64
import gzip
import io
import json
import sys
import warnings

import joblib
import numpy as np

np.warnings = warnings  # which 0.24 expects of NumPy
warnings.simplefilter("ignore")
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, SGDClassifier, TweedieRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, PowerTransformer, QuantileTransformer
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

rng = np.random.default_rng(1)
x = rng.normal(size=(200, 4))
y = x[:, 0] + x[:, 1] ** 2
three, two, positive = (y > 0).astype(int) + (y > 1.5), (y > 1).astype(int), y - y.min() + 1
w = rng.integers(0, 4, (200, 4)).astype(float)
holes = np.where(rng.random(x.shape) < 0.2, np.nan, x)
pair = [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))]
models = {
    "gnb": (GaussianNB(), x, three), "ada": (AdaBoostClassifier(n_estimators=5, random_state=0), x, three), "ada2": (AdaBoostClassifier(n_estimators=5, random_state=0), x, two),
    "adar": (AdaBoostRegressor(n_estimators=5, random_state=0), x, y), "cal": (CalibratedClassifierCV(LogisticRegression(), cv=3), x, three),
    "cali": (CalibratedClassifierCV(RandomForestClassifier(4, random_state=0), method="isotonic", cv=3), x, two), "mlp": (MLPClassifier((5,), max_iter=50, random_state=0), x, three),
    "svc": (LinearSVC(), x, three), "sgd": (SGDClassifier(loss="log", random_state=0), x, three), "ovr": (OneVsRestClassifier(LogisticRegression()), x, three),
    "ovo": (OneVsOneClassifier(LogisticRegression()), x, three), "stack": (StackingClassifier(pair), x, three),
    "vote": (VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft"), x, three), "bag": (BaggingClassifier(n_estimators=3, random_state=0), x, three),
    "lda": (LinearDiscriminantAnalysis(), x, three), "qda": (QuadraticDiscriminantAnalysis(), x, three), "iso": (IsotonicRegression(out_of_bounds="clip"), x[:, :1], y),
    "pt": (make_pipeline(PowerTransformer(), Ridge()), x, y), "qt": (make_pipeline(QuantileTransformer(n_quantiles=20), Ridge()), x, y), "kb": (make_pipeline(KBinsDiscretizer(4), Ridge()), x, y),
    "poly": (make_pipeline(PolynomialFeatures(2), Ridge()), x, y), "kbest": (make_pipeline(SelectKBest(f_regression, k=2), Ridge()), x, y),
    "oh": (make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge()), w, y), "oh2": (make_pipeline(OneHotEncoder(drop="first"), Ridge()), w, y), "ord": (make_pipeline(OrdinalEncoder(), Ridge()), w, y),
    "tweedie": (TweedieRegressor(power=1.5), x, positive), "pois": (PoissonRegressor(), x, positive), "imp": (make_pipeline(SimpleImputer(add_indicator=True), Ridge()), holes, y),
    "multinomial": (LogisticRegression(multi_class="ovr"), x, three),
}


def packed(a):
    return base64.b64encode(np.ascontiguousarray(a, "<f8").tobytes()).decode()


cases = []
for name, (m, rows, target) in models.items():
    m.fit(rows, target)
    b = io.BytesIO()
    joblib.dump(m, b)
    rows = rows[:40]
    said = m.predict(rows)
    out = {"predictions": packed(said)}
    if hasattr(m, "predict_proba"):
        out = {"label": said.tolist(), "probabilities": packed(m.predict_proba(rows))}
    elif name in ("svc", "ovo"):
        out = {"label": said.tolist()}
    columns = [{"name": str(i), "numbers": packed(rows[:, i])} for i in range(rows.shape[1])]
    cases.append({"name": "0.24: " + name, "file": base64.b64encode(b.getvalue()).decode(), "columns": columns, "outputs": out})
sys.stdout.buffer.write(gzip.compress(json.dumps({"cases": cases}).encode(), 9, mtime=0))
