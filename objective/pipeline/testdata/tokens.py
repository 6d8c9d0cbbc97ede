"""Writes tokens.json.gz: vectorizers with token patterns and stop words, in the form of pipelines.json.gz.

    python tokens.py > tokens.json.gz
"""

import base64
import gzip
import io
import json
import sys
import warnings

import joblib
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

warnings.simplefilter("ignore")
rng = np.random.default_rng(5)
words = ["the", "of", "a", "disk", "DISK", "user42", "o'neil", "José", "josé2", "Straße", "李雷", "a-b", "x_y", "c++", "e.g.", "--", "#", "1999", "KELVIN\u212a", "and", "full", "is", "١٢"]
blanks = [" ", " ", "  ", "\t", "\u00a0", "\u2003", "\n", ", ", "/", "\x1c"]
texts = ["", " ", "the", "the of the", "#", "# #", "disk is the full"]
texts += ["".join(w + b for w, b in zip(rng.choice(words, n), rng.choice(blanks, n))) for n in rng.integers(1, 14, 110)]
y = np.array([len(t) % 7 + 2.0 * t.count("disk") for t in texts])
cases = []


def add(name, vectorizer):
    m = make_pipeline(vectorizer, Ridge()).fit(texts, y)
    b = io.BytesIO()
    joblib.dump(m, b)
    packed = base64.b64encode(np.ascontiguousarray(m.predict(texts), "<f8").tobytes()).decode()
    cases.append({"name": name, "file": base64.b64encode(b.getvalue()).decode(), "columns": [{"name": "text", "texts": texts}], "outputs": {"predictions": packed}})


patterns = [r"(?u)\b\w+\b", r"\S+", r"\S\S+", r"[^\s]{3,}", r"[a-z]+", r"[a-zA-Z][a-zA-Z]+", r"[\w'-]+", r"[a-z0-9_.+\-]{2,}", r"\b[a-z]{2,}\b", r"(?u)\b[a-zA-Z0-9]+\b", r"[A-Za-z0-9]+"]
for p in patterns:
    add(f"token pattern {p}", CountVectorizer(token_pattern=p))
add("token pattern of the case given", TfidfVectorizer(token_pattern=r"[A-Z]+", lowercase=False))
add("token pattern and pairs", TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2)))
add("stop words and pairs", TfidfVectorizer(stop_words=["the", "of", "is", "and"], ngram_range=(1, 2)))
add("stop words and triples of non-blanks", CountVectorizer(stop_words=["the", "of", "#", "is", "a b"], ngram_range=(2, 3), token_pattern=r"\S+"))
sys.stdout.buffer.write(gzip.compress(json.dumps({"cases": cases}).encode(), 9, mtime=0))
