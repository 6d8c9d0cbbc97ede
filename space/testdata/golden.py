"""Writes golden.tsv: how Optuna 5.0.0 stores distributions, and what they contain.

Run with that version installed, in this folder: python3 golden.py > golden.tsv
A line is one of these, its fields separated by tabs:

	float  low  high  step  log  JSON     a FloatDistribution; a step of 0 is none
	int    low  high  step  log  JSON     an IntDistribution
	choice JSON                           a CategoricalDistribution
	has    value  True|False              whether the one above contains an internal value
"""

import random
import warnings

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution, distribution_to_json

warnings.simplefilter("ignore")
random.seed(1)


def show(kind, low, high, step, log, d):
    text = distribution_to_json(d)
    print(kind, repr(low), repr(high), repr(step), log, text, sep="\t")
    n = 0 if not d.step else int((d.high - d.low) / d.step)
    values = [d.low, d.high, d.low - 1, d.high + 1, (d.low + d.high) / 2]
    if n:
        k = random.randint(0, n)
        values += [d.low + k * d.step, d.low + k * d.step + d.step / 2, d.low + k * d.step + d.step * 2e-9]
    for x in random.sample(values, 3):
        print("has", repr(float(x)), d._contains(float(x)), sep="\t")


def floats(low, high, step=0.0, log=False):
    show("float", low, high, step, log, FloatDistribution(low, high, log=log, step=step or None))


def ints(low, high, step=1, log=False):
    show("int", low, high, step, log, IntDistribution(low, high, log=log, step=step))


for low, high, step in [
    (0.0, 1.0, 0.0), (-10.0, 10.0, 0.0), (0.0, 1.0, 0.1), (0.0, 0.3, 0.1), (0.0, 0.95, 0.1), (0.1, 1.0, 0.3),
    (-0.3, 0.3, 0.2), (1.0, 1.0, 0.5), (0.0, 0.4, 0.5), (0.0, 1e16, 3.0), (1e-5, 1e-3, 1e-5), (0.7, 12.3, 0.7),
    (1e15, 1e15 + 10, 0.3), (-0.0, 1.0, 0.25), (0.1234567890123456, 0.5, 0.1), (5e-324, 1e-322, 5e-324), (0.0, 1e300, 7e290),
]:
    floats(low, high, step)
for low, high in [(1e-5, 0.1), (1e-300, 1e300), (5e-324, 1.0), (1.0, 1.0)]:
    floats(low, high, log=True)
for _ in range(400):
    digits = random.randint(0, 6)
    low = round(random.uniform(-100, 100), digits)
    high = low + round(random.uniform(0, 200), digits)
    floats(low, high, float(round(random.uniform(0.001, 30), random.randint(3, 5))))
for _ in range(100):
    low = random.uniform(-1, 1) * 10 ** random.randint(-8, 8)
    floats(low, low + random.random() * 10 ** random.randint(-3, 8), random.random() * 10 ** random.randint(-3, 3))
for low, high, step in [(0, 10, 2), (0, 9, 2), (1, 1, 1), (-7, 7, 4), (0, 3, 100), (-(2**53), 2**53, 1), (5, 2**53, 999983)]:
    ints(low, high, step)
ints(1, 1024, log=True)
for _ in range(100):
    low = random.randint(-1000, 1000)
    ints(low, low + random.randint(0, 5000), random.randint(1, 60))
for choices in [
    ["a", None, True, 1, 2.5], [1, 1.0, "1", True, False], [1e16, 1e-5, 0.1, -0.0], ["é", "😀", "\"\\\n\t\u007f"], [""],
    [float("nan"), float("inf"), float("-inf")], [10**25, -3], ["relu", "tanh"], list(range(40)),
]:
    print("choice", distribution_to_json(CategoricalDistribution(choices)), sep="\t")
