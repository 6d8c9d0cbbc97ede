"""Writes ../directions.txt and golden.json. Run it in this folder.

Needs SciPy (1.17.1 was used) and NumPy. SciPy bundles the table new-joe-kuo-6 of
S. Joe and F. Y. Kuo; directions.txt is its first 1,111 lines, which is every
primitive polynomial up to degree 13, in the columns of the authors' file:
dimension, degree, coefficients a of the polynomial, initial numbers m.
"""

import importlib.resources
import json

import numpy as np
from scipy.stats import qmc

DIMENSIONS = 1111

table = np.load(importlib.resources.files("scipy.stats") / "_sobol_direction_numbers.npz")
with open("../directions.txt", "w") as f:
    for d in range(1, DIMENSIONS):
        poly = int(table["poly"][d])
        degree = poly.bit_length() - 1
        a = (poly >> 1) & ((1 << (degree - 1)) - 1)
        m = " ".join(str(int(v)) for v in table["vinit"][d][:degree])
        f.write(f"{d + 1} {degree} {a} {m}\n")

dims = [0, 1, 2, 3, 4, 5, 9, 17, 50, 100, 333, 500, 1000, 1023, 1110]
indices = list(range(33)) + [63, 64, 100, 255, 1000, 1023, 4095, 5000]
halton_dims = [0, 1, 2, 3, 4, 5, 9, 17, 50, 100]


def points(engine, columns):
    all_points = engine.random(max(indices) + 1)
    return [[float(all_points[i, d]) for d in columns] for i in indices]


golden = {
    "indices": indices,
    "sobol_dims": dims,
    "sobol": points(qmc.Sobol(DIMENSIONS, scramble=False), dims),
    "halton_dims": halton_dims,
    "halton": points(qmc.Halton(101, scramble=False), halton_dims),
}
with open("golden.json", "w") as f:
    json.dump(golden, f)
    f.write("\n")
