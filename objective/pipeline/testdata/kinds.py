"""Writes kinds.json.gz: models of the kinds of scripts/kinds_models.py, one or two of each, in the
form of pipelines.json.gz.

    python kinds.py > kinds.json.gz
    python kinds.py REGEXP > more.json.gz    # those whose kind and name match
"""

import base64
import gzip
import io
import json
import pathlib
import re
import sys

import joblib
import numpy as np
import pandas as pd

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "scripts"))
import kinds_models as made

SHOWN = 40
# Kinds that other tests have, or that are refused.
LEFT_OUT = (r"^(isolation|LightGBM (?!pandas)|XGBoost (?!pandas categories$|missing|binary)|CatBoost|others (SV|Nu|One|KN|Gauss|DummyC))|^scikit-learn's trees(?!.*with categories)|"
            r"^steps .*(LGBMReg|Spline|KNNImp|NMF|KernelPCA)|tables .*(XGB|LGBM)|^models of models .*(XGB|forest|scaled$)|^texts (?!letters.*Log|single letters.*Log|two kinds)")


def packed(a):
    return base64.b64encode(np.ascontiguousarray(a, "<f8").tobytes()).decode()


cases = []
for c in made.cases(sys.argv[1] if len(sys.argv) > 1 else None):
    if len(sys.argv) < 2 and re.search(LEFT_OUT, f"{c.kind} {c.name}"):
        continue
    b = io.BytesIO()
    joblib.dump(c.model, b, compress=3)
    rows = c.rows[:SHOWN]
    columns = []
    if isinstance(rows, pd.DataFrame):
        for name in rows:
            v = rows[name]
            columns.append({"name": name, "numbers": packed(v)} if v.dtype.kind in "fiu" else {"name": name, "texts": ["" if x is None or x != x else str(x) for x in v]})
    elif isinstance(rows, list):
        columns.append({"name": "text", "texts": rows})
    else:
        columns = [{"name": str(i), "numbers": packed(rows[:, i])} for i in range(rows.shape[1])]
    outputs = {}
    for key, v in c.want.items():
        v = np.asarray(v)[:SHOWN]
        outputs[key] = v.tolist() if key.startswith("label") else packed(v)
    cases.append({"name": f"{c.kind}: {c.name}", "file": base64.b64encode(b.getvalue()).decode(), "columns": columns, "outputs": outputs})
print(len(cases), file=sys.stderr)
sys.stdout.buffer.write(gzip.compress(json.dumps({"cases": cases}).encode(), 9, mtime=0))
