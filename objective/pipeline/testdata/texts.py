"""Writes texts.json.gz: pipelines that begin with texts, in the form of pipelines.json.gz.

    python texts.py > texts.json.gz
    python texts.py FOLDER      # a model of 10,000 terms and 2,000 texts to try: big.joblib, big.csv
"""

import base64
import csv
import gzip
import io
import json
import pathlib
import sys
import warnings

import joblib
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")
rng = np.random.default_rng(4)
kinds = {
    "network": "connection refused by peer {host} port {n}|timeout after {n} ms while reading from {host}|TLS handshake with {host} failed: certificate expired|"
               "lost link on eth{d}, retrying|DNS lookup of {host} returned no address",
    "disk": "write error on /dev/sd{d}: no space left on device|I/O error, sector {n}|filesystem /var is {d}0% full|fsync of segment {n} took {n} ms|"
            "checksum mismatch in block {n} of table orders",
    "user": "user {name} logged in from {host}|password of {name} changed|user {name} denied: too many attempts|session {n} of {name} expired|"
            "Anmeldung von {name} fehlgeschlagen: Straße fehlt",
}
hosts = ["db-{}.example.com", "10.0.0.{}", "cache_{}", "MAIL{}"]
names = ["josé", "Zoë", "anna", "李雷", "o_neil", "Bob42"]


def line(kind):
    form = rng.choice(kinds[kind].split("|"))
    return form.format(host=rng.choice(hosts).format(rng.integers(1, 30)), n=rng.integers(1, 9000), d=rng.integers(0, 9), name=rng.choice(names))


def lines(n):
    label = rng.choice(list(kinds), n)
    texts = [("" if rng.random() < 0.01 else rng.choice(["", "WARN ", "error: "]) + line(k) + rng.choice(["", "!", " (again)"])) for k in label]
    return texts, label


texts, label = lines(300)
y = np.array(list(map(len, texts))) + 3.0 * (label == "disk")
number = {k: i for i, k in enumerate(sorted(kinds))}
coded = np.array([number[k] for k in label])
lgb = {"n_estimators": 8, "num_leaves": 7, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}
xgb = {"n_estimators": 8, "max_depth": 3, "n_jobs": 1}
SHOWN = 80
cases = []


def packed(a):
    return base64.b64encode(np.ascontiguousarray(a, "<f8").tobytes()).decode()


def answers(m, rows):
    if hasattr(m, "predict_proba"):
        return {"label": np.asarray(m.predict(rows)).tolist(), "probabilities": packed(m.predict_proba(rows))}
    return {"predictions": packed(m.predict(rows))}


def add(name, m, rows, model=None):
    b = io.BytesIO()
    joblib.dump(m, b)
    rows = rows[:SHOWN]
    if isinstance(rows, pd.DataFrame):
        columns = [{"name": c, "numbers": packed(rows[c])} if rows[c].dtype.kind in "fiu" else {"name": c, "texts": rows[c].tolist()} for c in rows.columns]
    else:
        columns = [{"name": "text", "texts": rows}]
    cases.append({"name": name, "file": base64.b64encode(b.getvalue()).decode(), "columns": columns, "outputs": answers(model or m, rows)})


if len(sys.argv) > 1:
    words = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(3, 10))) for _ in range(12000)]
    many, labels = lines(4000)
    many = [t + " " + " ".join(rng.choice(words, rng.integers(5, 40))) for t in many]
    m = make_pipeline(TfidfVectorizer(max_features=10000), xgboost.XGBClassifier(n_estimators=100, max_depth=6, n_jobs=2))
    m.fit(many, [number[k] for k in labels])
    folder = pathlib.Path(sys.argv[1])
    joblib.dump(m, folder / "big.joblib")
    with open(folder / "big.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["text"])
        w.writerows([t] for t in many[:2000])
    print(len(m[0].vocabulary_), "terms,", sum(m[1].get_booster().trees_to_dataframe().Feature != "Leaf"), "splits")
    sys.exit()

add("TF-IDF and XGBoost", make_pipeline(TfidfVectorizer(ngram_range=(1, 2), max_features=400), xgboost.XGBClassifier(**xgb)).fit(texts, coded), texts)
add("TF-IDF, sublinear, and LightGBM", make_pipeline(TfidfVectorizer(sublinear_tf=True, norm="l1", lowercase=False), lightgbm.LGBMClassifier(**lgb)).fit(texts, label), texts)
add("binary counts and LogisticRegression", make_pipeline(CountVectorizer(binary=True, token_pattern=r"\w+", max_features=200), LogisticRegression()).fit(texts, label), texts)
add("counts, TF-IDF and XGBoost", make_pipeline(CountVectorizer(ngram_range=(2, 3), max_features=300), TfidfTransformer(), xgboost.XGBRegressor(**xgb)).fit(texts, y), texts)
add("stop words", make_pipeline(TfidfVectorizer(stop_words="english", use_idf=False, norm=None), lightgbm.LGBMRegressor(**lgb)).fit(texts, y), texts)
v = TfidfVectorizer(max_features=150)
model = xgboost.XGBClassifier(**xgb).fit(v.fit_transform(texts), coded)
add("vectorizer and model in a dict", {"vectorizer": v, "model": model, "created": "2026"}, texts, make_pipeline(v, model))
table = pd.DataFrame({"message": texts, "size": rng.normal(100, 20, len(texts)), "level": rng.integers(0, 5, len(texts)).astype(float)})
prepare = ColumnTransformer([("text", TfidfVectorizer(max_features=120), "message"), ("numbers", StandardScaler(), ["size", "level"])])
add("texts and numbers", make_pipeline(prepare, lightgbm.LGBMClassifier(**lgb)).fit(table, label), table)
sys.stdout.buffer.write(gzip.compress(json.dumps({"cases": cases}).encode(), 9, mtime=0))
