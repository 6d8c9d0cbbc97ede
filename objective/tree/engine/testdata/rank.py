"""Writes rank.json: queries with grades and scores, NDCG as LightGBM and scikit-learn compute it,
and LightGBM's derivatives of its lambdarank objective at those scores.

    rank.py > rank.json

LightGBM 4.7 and scikit-learn 1.9 made the file. A tree whose feature numbers the rows has a leaf for about each row.
The value of a leaf is -G/H and its weight is H, the sums of the derivatives of its rows.
"""
import json

import lightgbm as lgb
import numpy as np
from sklearn.metrics import ndcg_score

random = np.random.default_rng(1)
sizes = [7, 1, 45, 12, 5, 33]  # some longer than lambdarank_truncation_level, 30
grades = np.concatenate([random.integers(0, 5, n) for n in sizes])
ends = np.cumsum(sizes)
grades[ends[3] : ends[4]] = 0  # nothing to find
scores = np.round(random.normal(size=len(grades)), 3)
out = []
for scores in scores, np.zeros(len(grades)):
    data = lgb.Dataset(
        np.arange(len(grades), dtype=float)[:, None], grades, group=sizes, init_score=scores, params={"min_data_in_bin": 1, "max_bin": 1000}
    )
    params = {
        "objective": "lambdarank", "metric": "ndcg", "eval_at": [1, 3, 10], "learning_rate": 1, "num_leaves": 1000, "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 0, "min_data_in_bin": 1, "max_bin": 1000, "verbosity": -1, "deterministic": True, "num_threads": 1,
    }
    booster = lgb.Booster(params, data)
    ndcg = [value for _, _, value, _ in booster.eval_train()]
    booster.update()
    leaf = booster.predict(np.arange(len(grades))[:, None], pred_leaf=True).ravel()
    tree = booster.dump_model()["tree_info"][0]["tree_structure"]
    leaves = {}

    def walk(node):
        if "leaf_index" in node:
            leaves[node["leaf_index"]] = (-node["leaf_value"] * node["leaf_weight"], node["leaf_weight"])
        else:
            walk(node["left_child"])
            walk(node["right_child"])

    walk(tree)
    starts = np.concatenate([[0], ends[:-1]])
    tied = [
        float(np.mean([
            ndcg_score([2.0 ** grades[a:b] - 1], [scores[a:b]], k=k) if b - a > 1 and grades[a:b].any() else 1 for a, b in zip(starts, ends)
        ]))
        for k in [1, 3, 10]
    ]
    out.append({
        "sizes": sizes, "grades": grades.tolist(), "scores": scores.tolist(), "lightgbm_ndcg": ndcg, "sklearn_ndcg": tied,
        "leaf": leaf.astype(int).tolist(), "first": [leaves[i][0] for i in range(len(leaves))], "second": [leaves[i][1] for i in range(len(leaves))],
    })
print(json.dumps(out))
