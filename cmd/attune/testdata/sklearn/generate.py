"""Makes forests.json.gz: see README.md. Run it in this folder."""

import base64
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

import joblib
import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

rng = np.random.default_rng(5)
x = rng.normal(size=(400, 5))
x[:, 2] = np.round(x[:, 2])
y = 2 * x[:, 0] + np.sin(3 * x[:, 1]) + 0.1 * rng.normal(size=400)
classes = (y > 0).astype(int) + (y > 2)
holes = np.where(rng.random(x.shape) < 0.1, np.nan, x)

cases = {
    "isolation": (IsolationForest(n_estimators=20, random_state=1).fit(x), x),
    "isolation, features": (IsolationForest(n_estimators=15, max_features=3, max_samples=50, random_state=1).fit(x), x),
    "isolation, two rows": (IsolationForest(n_estimators=5, max_samples=2, random_state=1).fit(x), x),
    "forest": (RandomForestRegressor(8, max_depth=5, random_state=1).fit(x, y), x),
    "forest, missing values": (RandomForestRegressor(6, max_depth=5, random_state=1).fit(holes, y), holes),
    "two targets": (ExtraTreesRegressor(5, max_depth=4, random_state=1).fit(x, np.c_[y, -y * y]), x),
    "classes": (RandomForestClassifier(6, max_depth=4, random_state=1).fit(x, classes), x),
    "tree": (DecisionTreeRegressor(max_depth=4, random_state=1).fit(x, y), x),
}


def numbers(a):
    return base64.b64encode(np.ascontiguousarray(a, "<f8")).decode()


out = []
with tempfile.TemporaryDirectory() as folder:
    for name, (model, rows) in cases.items():
        dumped, written = f"{folder}/model.joblib", f"{folder}/model.json"
        joblib.dump(model, dumped)
        subprocess.run([sys.executable, "../../from_sklearn.py", dumped, written], check=True)
        rows = rows[:50]
        if isinstance(model, IsolationForest):
            answer = -model.score_samples(rows)
        elif isinstance(model, RandomForestClassifier):
            answer = model.predict_proba(rows)
        else:
            answer = model.predict(rows)
        out.append({"name": name, "rows": numbers(rows), "answer": numbers(answer), "model": pathlib.Path(written).read_text()})
with open("forests.json.gz", "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as z:
    z.write(json.dumps(out).encode())
