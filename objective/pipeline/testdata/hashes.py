"""Writes hashes.json.gz: vectorizers that hash terms, strip accents or skip English words, in the form of pipelines.json.gz.

    python hashes.py > hashes.json.gz
"""

import base64
import gzip
import io
import json
import sys
import warnings

import joblib
import lightgbm
import numpy as np
import xgboost
from sklearn.decomposition import NMF, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MaxAbsScaler

warnings.simplefilter("ignore")
rng = np.random.default_rng(6)
words = ["the", "of", "a", "disk", "DISK", "user42", "o'neil", "José", "JOSE\u0301", "josé2", "Straße", "李雷", "한국어", "ｆｕｌｌ", "ﬁle", "x²", "½", "naïve", "Ångström", "ǆ", "каждый", "й",
         "Ἀθῆναι", "עִבְרִית", "ประเทศไทย", "a-b", "x_y", "--", "#", "1999", "KELVIN\u212a", "and", "full", "is", "\U0001d538\U0001d539", "e\u0301\u0301", "\u0301", "日", "ｶﾞ"]
blanks = [" ", " ", "  ", "\t", "\u00a0", "\u2003", "\n", ", ", "/", "\x1c", "´"]
texts = ["", " ", "the", "the of the", "#", "# #", "disk is the full", "é", "e", "日", "a", "  a  "]
texts += ["".join(w + b for w, b in zip(rng.choice(words, n), rng.choice(blanks, n))) for n in rng.integers(1, 14, 110)]
y = np.array([len(t) % 7 + 2.0 * t.count("disk") for t in texts])
kind = np.where(["disk" in t for t in texts], "disk", np.where(y > 3, "long", "other"))
cases = []


def add(name, vectorizer, model=None):
    classes = isinstance(model, SGDClassifier)
    m = make_pipeline(vectorizer, model or Ridge()).fit(texts, kind if classes else y)
    b = io.BytesIO()
    joblib.dump(m, b, compress=3)
    packed = lambda x: base64.b64encode(np.ascontiguousarray(x, "<f8").tobytes()).decode()
    outputs = {"label": m.predict(texts).tolist(), "probabilities": packed(m.predict_proba(texts))} if classes else {"predictions": packed(m.predict(texts))}
    cases.append({"name": name, "file": base64.b64encode(b.getvalue()).decode(), "columns": [{"name": "text", "texts": texts}], "outputs": outputs})


xgb = xgboost.XGBRegressor(n_estimators=8, max_depth=3, n_jobs=1)
for strip in ["unicode", "ascii"]:
    add(f"accents stripped, {strip}", TfidfVectorizer(strip_accents=strip))
    add(f"accents stripped, pairs, {strip}", CountVectorizer(strip_accents=strip, ngram_range=(1, 2), lowercase=False))
    add(f"accents stripped, letters, {strip}", TfidfVectorizer(strip_accents=strip, analyzer="char", ngram_range=(1, 3)))
    add(f"accents stripped, letters of words, {strip}", TfidfVectorizer(strip_accents=strip, analyzer="char_wb", ngram_range=(2, 4)))
    add(f"accents stripped, hashes, {strip}", HashingVectorizer(n_features=50, strip_accents=strip))
add("English stop words and pairs", TfidfVectorizer(stop_words="english", ngram_range=(1, 2)))
add("English stop words and pairs, stripped", TfidfVectorizer(stop_words="english", ngram_range=(1, 2), strip_accents="unicode"))
add("English stop words, pairs and XGBoost", CountVectorizer(stop_words="english", ngram_range=(1, 2)), xgb)
add("hashes", HashingVectorizer(n_features=128))
add("hashes, not signed", HashingVectorizer(n_features=100, alternate_sign=False, norm="l1"))
add("hashes, binary", HashingVectorizer(n_features=32, binary=True, norm=None))
add("hashes, pairs and triples", HashingVectorizer(n_features=256, ngram_range=(2, 3), norm=None))
add("hashes, stop words", HashingVectorizer(n_features=64, stop_words="english"))
add("hashes, a list of stop words, pairs", HashingVectorizer(n_features=64, stop_words=["the", "of"], ngram_range=(1, 2)))
add("hashes, pattern", HashingVectorizer(n_features=64, token_pattern=r"\S+", lowercase=False))
add("hashes, letters", HashingVectorizer(n_features=64, analyzer="char", ngram_range=(1, 3)))
add("hashes, letters of words", HashingVectorizer(n_features=64, analyzer="char_wb", ngram_range=(4, 5), norm=None))
add("hashes, letters of words, binary", HashingVectorizer(n_features=64, analyzer="char_wb", ngram_range=(1, 4), binary=True))
add("hashes and TF-IDF", make_pipeline(HashingVectorizer(n_features=64, norm=None), TfidfTransformer()))
add("hashes and XGBoost", HashingVectorizer(n_features=12), xgb)  # where words cancel each other
add("hashes, TF-IDF and XGBoost", make_pipeline(HashingVectorizer(n_features=12, norm=None), TfidfTransformer()), xgb)
add("hashes, not signed, and XGBoost", HashingVectorizer(n_features=24, alternate_sign=False), xgb)
add("hashes and LightGBM", HashingVectorizer(n_features=24), lightgbm.LGBMRegressor(n_estimators=8, num_leaves=7, min_child_samples=5, n_jobs=1, verbose=-1))
add("hashes and SGDClassifier", HashingVectorizer(n_features=512), SGDClassifier(loss="log_loss", random_state=0))
add("hashes beside TF-IDF", make_union(HashingVectorizer(n_features=64), TfidfVectorizer()))
refused = []


def refuse(want, *steps, **then):
    b = io.BytesIO()
    joblib.dump(make_pipeline(*steps).fit(texts, y).set_params(**then), b, compress=3)
    refused.append({"name": want, "file": base64.b64encode(b.getvalue()).decode()})


refuse('step "xgbregressor" of the Pipeline: steps between a HashingVectorizer and XGBoost', HashingVectorizer(n_features=16), SelectKBest(f_regression, k=5), xgb)
refuse('step "tfidftransformer" of the Pipeline: TfidfTransformer with sublinear_tf after a HashingVectorizer', HashingVectorizer(n_features=16, norm=None), TfidfTransformer(), Ridge(), tfidftransformer__sublinear_tf=True)
refuse(r'step "hashingvectorizer" of the Pipeline: HashingVectorizer with token_pattern="\\b[a-z]+\\b"', HashingVectorizer(n_features=16, token_pattern=r"\b[a-z]+\b"), Ridge())
refuse('step "hashingvectorizer" of the Pipeline: HashingVectorizer with n_features=2000000: want 1 to 1048576', HashingVectorizer(n_features=2000000), TruncatedSVD(1), Ridge())
refuse('step "countvectorizer" of the Pipeline: CountVectorizer with a preprocessor', CountVectorizer(preprocessor=str.lower), Ridge())
refuse('step "countvectorizer" of the Pipeline: CountVectorizer with strip_accents=', CountVectorizer(strip_accents=str.lower), Ridge())
refuse('step "featureunion" of the Pipeline: step "pipeline" of the FeatureUnion: step "nmf" of the Pipeline: sklearn.decomposition._nmf.NMF is not among the steps that are read: '
       "it solves a problem for each row. Use TruncatedSVD or PCA", make_union(make_pipeline(TfidfVectorizer(), NMF(2)), TfidfVectorizer()), MaxAbsScaler(), Ridge())
sys.stdout.buffer.write(gzip.compress(json.dumps({"cases": cases, "refused": refused}).encode(), 9, mtime=0))
