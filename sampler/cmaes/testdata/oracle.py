"""Writes oracle.json: what cmaes 0.13.1 makes of given solutions, for TestAgainstCmaes.

    python oracle.py > oracle.json
"""

import json

import numpy as np
from cmaes import CMA, CatCMA, SepCMA

rng = np.random.default_rng(7)
cases = []


def state(o):
    return {"mean": o._mean.tolist(), "sigma": float(o._sigma), "cov": np.asarray(o._C).tolist()}


for name, d, n, make in [
    ("full", 3, 8, lambda m: CMA(mean=m, sigma=0.2, population_size=8)),
    ("rates", 4, 8, lambda m: CMA(mean=m, sigma=0.2, population_size=8, lr_adapt=True)),
    ("separable", 5, 9, lambda m: SepCMA(mean=m, sigma=0.3, population_size=9)),
]:
    optimizer = make(np.full(d, 0.5))
    generations = []
    for _ in range(12):
        points = [optimizer.ask() for _ in range(n)]
        points = sorted(points, key=lambda x: float(np.sum((x - 0.3) ** 2 * 10.0 ** np.arange(d))))
        optimizer.tell([(x, float(i)) for i, x in enumerate(points)])
        generations.append({"points": [x.tolist() for x in points], **state(optimizer)})
    cases.append({"name": name, "sigma": 0.3 if name == "separable" else 0.2, "generations": generations})

optimizer = CatCMA(mean=np.full(2, 0.5), sigma=0.2, cat_num=np.array([2, 3, 5]), population_size=8)
generations = []
for _ in range(12):
    points = [optimizer.ask() for _ in range(8)]
    points = sorted(points, key=lambda p: (int(np.argmax(p[1][1])), float(p[0][0])))
    # The package computes the step from Δ a generation late; the paper does not.
    optimizer._delta = optimizer._delta_init / optimizer._Delta
    optimizer.tell([(p, float(i)) for i, p in enumerate(points)])
    q = [optimizer._q[i, :k].tolist() for i, k in enumerate([2, 3, 5])]
    generations.append({"choices": [np.argmax(p[1], axis=1).tolist() for p in points], "q": q})
cases.append({"name": "categories", "generations": generations})
print(json.dumps(cases))
