"""Trains LambdaRank with LightGBM's LGBMRanker and with attune on a made table, and prints NDCG@10
on queries that neither has seen, as scikit-learn computes it.

    ranking.py ATTUNE

ATTUNE is the program. All have LightGBM's default settings: 100 trees of 31 leaves. Each table has 600
queries of 5 to 39 rows, a third of them to test on; grades are 0 to 4. LGBMRegressor learns the
grades as numbers.
"""
import os
import subprocess
import sys
import tempfile

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.metrics import ndcg_score


def table(seed):
    random = np.random.default_rng(seed)
    parts = []
    for query in range(600):
        n = random.integers(5, 40)
        own = random.normal(size=2)  # of the query
        x = random.normal(size=(n, 10))
        score = x[:, 0] + x[:, 1] * x[:, 2] + np.sin(2 * x[:, 3]) + np.abs(x[:, 4]) / 2 + own[0] * x[:, 5] + 0.8 * random.normal(size=n)
        part = pd.DataFrame(x, columns=[f"x{i}" for i in range(10)]).assign(c0=own[0], c1=own[1], query=query)
        parts.append(part.assign(grade=np.digitize(score, [0.5, 1.5, 2.5, 3.5])))
    rows = pd.concat(parts)
    return rows[rows["query"] < 400], rows[rows["query"] >= 400]


def quality(rows, scores):
    rows = rows.assign(score=scores)
    return np.mean([
        ndcg_score([2.0**q.grade - 1], [q.score], k=10) if q.grade.any() else 1 for _, q in rows.groupby("query")
    ])


def attune(train, test, engine):
    settings = "num_iterations=100 learning_rate=0.1 num_leaves=31 min_data_in_leaf=20 lambda_l1=0 lambda_l2=0 feature_fraction=1 bagging_fraction=1"
    with tempfile.TemporaryDirectory() as folder:
        train.to_csv(f"{folder}/train.csv", index=False)
        test.to_csv(f"{folder}/test.csv", index=False)
        run = lambda *args: subprocess.run(
            [sys.argv[1], *args, "--storage", "s.db"], cwd=folder, check=True, stdout=subprocess.PIPE, env={**os.environ, "ATTUNE_PYTHON": sys.executable}
        )
        run(*"optimize --task ranking --data train.csv --target grade --group query --models lightgbm --engine".split(), engine,
            *"--trials 1 --test 0 --folds 2 --quiet".split(), *[x for s in settings.split() for x in ("--fixed", s)])
        run("predict", "--data", "test.csv", "--output", "scores.csv")
        return pd.read_csv(f"{folder}/scores.csv").score.to_numpy()


print("| seed | LGBMRanker | attune | attune --engine lightgbm | LGBMRegressor | random order |\n|---|---|---|---|---|---|")
for seed in 1, 2, 3:
    train, test = table(seed)
    features = lambda rows: rows.drop(columns=["grade", "query"])
    ranker = lgb.LGBMRanker(verbose=-1, n_jobs=1).fit(features(train), train.grade, group=train.groupby("query").size())
    numbers = lgb.LGBMRegressor(verbose=-1, n_jobs=1).fit(features(train), train.grade)
    cells = [ranker.predict(features(test)), attune(train, test, "native"), attune(train, test, "lightgbm"), numbers.predict(features(test)), np.zeros(len(test))]
    print(f"| {seed} | " + " | ".join(f"{quality(test, c):.4f}" for c in cells) + " |", flush=True)
