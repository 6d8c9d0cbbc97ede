"""Writes catboost.json.gz: models of CatBoost with categories, as .cbm and as JSON.

    python catboost.py > catboost.json.gz
"""

import base64
import gzip
import json
import pathlib
import sys
import tempfile

import catboost
import numpy as np
import pandas as pd

rng = np.random.default_rng(3)
n = 200
x = pd.DataFrame({"size": rng.normal(size=n), "shop": rng.choice(list("abcdef"), n), "kind": rng.choice(["x", "y"], n)})
y = x["size"] + (x.shop == "a") * 2 + (x.kind == "x")
cases = []
for name, settings in {"CTR": {"one_hot_max_size": 1}, "one-hot": {"one_hot_max_size": 10}, "unused": {"ignored_features": [1, 2]}}.items():
    m = catboost.CatBoostRegressor(iterations=4, depth=3, verbose=False, allow_writing_files=False, thread_count=1, **settings)
    m.fit(x, y, cat_features=["shop", "kind"])
    for form in ["cbm", "json"]:
        with tempfile.TemporaryDirectory() as d:
            file = pathlib.Path(d) / "m"
            m.save_model(file, format=form)
            cases.append({"name": f"{name} {form}", "file": base64.b64encode(file.read_bytes()).decode()})
sys.stdout.buffer.write(gzip.compress(json.dumps(cases).encode(), 9, mtime=0))
