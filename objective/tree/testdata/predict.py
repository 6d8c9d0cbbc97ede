"""Loads LightGBM models that package tree wrote and predicts with them.

    python predict.py DIR

DIR holds N.txt, a model, and N.rows, its rows as float64. Beside them it writes
N.raw, N.pred and N.contrib (SHAP values), each float64.
"""

import glob
import sys

import lightgbm
import numpy as np

for path in sorted(glob.glob(sys.argv[1] + "/*.txt")):
    stem = path[: -len(".txt")]
    booster = lightgbm.Booster(model_file=path)
    rows = np.fromfile(stem + ".rows", dtype="<f8").reshape(-1, booster.num_feature())
    booster.predict(rows, raw_score=True, num_threads=1).astype("<f8").tofile(stem + ".raw")
    booster.predict(rows, num_threads=1).astype("<f8").tofile(stem + ".pred")
    if "is_linear=1" not in open(path).read():
        booster.predict(rows, pred_contrib=True, num_threads=1).astype("<f8").tofile(stem + ".contrib")
print(lightgbm.__version__)
