"""Writes models and the steps before them as files of their own, with a table and what the two predict in turn.

    python beside.py > beside.json.gz

See README.md.
"""

import gzip
import io
import json
import sys
from base64 import b64encode

import joblib
import numpy
import xgboost
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import StandardScaler


def dump(model):
    file = io.BytesIO()
    joblib.dump(model, file, compress=("zlib", 9))
    return b64encode(file.getvalue()).decode()


def floats(x):
    return b64encode(numpy.asarray(x, "<f8").tobytes()).decode()


def text(booster):
    return b64encode(bytes(booster.save_raw("json"))).decode()


r = numpy.random.default_rng(1)
x = r.normal(5, 3, (200, 3))
scaler = StandardScaler().fit(x)
forest = IsolationForest(n_estimators=10, random_state=1).fit(scaler.transform(x))
rows = r.normal(5, 6, (40, 3))
cases = [{
    "name": "isolation forest", "before": [dump(scaler)], "file": dump(forest), "columns": [{"numbers": floats(c)} for c in rows.T],
    "outputs": {"score": floats(forest.score_samples(scaler.transform(rows)))},
}]
words = "red green blue cat dog house tree sea sky sun".split()
texts = [" ".join(r.choice(words, r.integers(1, 8))) for _ in range(300)]
label = numpy.array(["cat" in t or "sea" in t and "sun" not in t for t in texts], int)
vectorizer = TfidfVectorizer().fit(texts)
booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3}, xgboost.DMatrix(vectorizer.transform(texts), label), 10)
more = [" ".join(r.choice(words, r.integers(0, 8))) for _ in range(40)] + ["", "never seen"]
cases.append({
    "name": "TF-IDF and a booster", "before": [dump(vectorizer)], "file": text(booster), "columns": [{"texts": more}],
    "outputs": {"predictions": floats(booster.predict(xgboost.DMatrix(vectorizer.transform(more))))},
})
sparse = vectorizer.transform(more).toarray()
cases.append({
    "name": "zeros of a sparse matrix", "zeros": True, "before": [], "file": text(booster), "columns": [{"numbers": floats(c)} for c in sparse.T],
    "outputs": {"predictions": floats(booster.predict(xgboost.DMatrix(vectorizer.transform(more))))},
})
few = IsolationForest(n_estimators=10, random_state=1, contamination=0.07).fit(scaler.transform(x))
cases.append({
    "name": "contamination", "contamination": 0.07, "before": [dump(scaler)], "file": dump(forest), "columns": [{"numbers": floats(c)} for c in x.T],
    "outputs": {"decision": floats(few.decision_function(scaler.transform(x))), "label": floats(few.predict(scaler.transform(x)) > 0)},
})
sys.stdout.buffer.write(gzip.compress(json.dumps({"cases": cases}).encode(), mtime=0))
