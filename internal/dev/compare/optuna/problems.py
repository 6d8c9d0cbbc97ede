"""The problems of attune's comparisons, as Optuna objectives.

Each is a function of an optuna.Trial, or of anything else that has suggest_float,
suggest_int and suggest_categorical. Package objective/problem states the same
functions in Go; its golden values come from golden.py beside this file.
"""

import array
import json
import math
import pathlib
import sys

TABLES = pathlib.Path(__file__).parent.parent / "table" / "testdata"


def offset(i):
    """Coordinate i of the optimum of a shifted problem whose box is [-11, 11]."""
    return 2 * (7 * (i + 1) % 11) - 11


def branin(t):
    x, y = t.suggest_float("x0", -5, 10), t.suggest_float("x1", 0, 15)
    b, c, s = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - s) * math.cos(x) + 10


A6 = [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
]
P6 = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def hartmann6(t):
    x = [t.suggest_float(f"x{i}", 0, 1) for i in range(6)]
    total = 0.0
    for alpha, a, p in zip([1.0, 1.2, 3.0, 3.2], A6, P6):
        total -= alpha * math.exp(-sum(a[i] * (x[i] - p[i]) ** 2 for i in range(6)))
    return total


def ackley(n):
    def f(t):
        squares = waves = 0.0
        for i in range(n):
            x = t.suggest_float(f"x{i}", -32.768, 32.768) - 2 * offset(i)
            squares += x * x
            waves += math.cos(2 * math.pi * x)
        return -20 * math.exp(-0.2 * math.sqrt(squares / n)) - math.exp(waves / n) + 20 + math.e

    return f


def rosenbrock(n):
    def f(t):
        x = [t.suggest_float(f"x{i}", -5, 10) for i in range(n)]
        return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(n - 1))

    return f


def sphere(n):
    def f(t):
        return sum((t.suggest_float(f"x{i}", -5, 5) - offset(i) / 4) ** 2 for i in range(n))

    return f


def pipeline(t):
    """A model to choose, its settings, and as many units as it has layers."""
    model = t.suggest_categorical("model", ["linear", "forest", "network"])
    loss = {"none": 0.3, "standard": 0.0, "quantile": 0.1}[
        t.suggest_categorical("scale", ["none", "standard", "quantile"])
    ]
    loss += 0.1 * (math.log2(t.suggest_int("features", 4, 64, log=True)) - 4) ** 2
    if model == "linear":
        loss += 0.6 + 0.05 * (math.log10(t.suggest_float("alpha", 1e-6, 1e2, log=True)) + 2) ** 2
        loss += {"l1": 0.05, "l2": 0.0}[t.suggest_categorical("penalty", ["l1", "l2"])]
    elif model == "forest":
        loss += 0.4 + 0.004 * (t.suggest_int("depth", 1, 24) - 13) ** 2
        loss += 0.03 * (math.log2(t.suggest_int("leaf", 1, 128, log=True)) - 2) ** 2
    else:
        layers = t.suggest_int("layers", 1, 4)
        rate = math.log10(t.suggest_float("rate", 1e-5, 1, log=True))
        loss += 0.04 * (layers - 2) ** 2 + 0.2 * (rate + 2 + 0.25 * layers) ** 2
        loss += (t.suggest_float("dropout", 0, 0.6, step=0.05) - 0.2) ** 2
        for i in range(layers):
            units = t.suggest_int(f"units{i}", 8, 1024, log=True)
            loss += 0.03 * (math.log2(units) - (8 - i)) ** 2
    return loss


def table(entry):
    values = array.array("f", (TABLES / (entry["name"] + ".f32")).read_bytes())
    if sys.byteorder == "big":
        values.byteswap()

    def f(t):
        at = 0
        for name, card, categorical in zip(entry["params"], entry["card"], entry["categorical"]):
            if categorical:
                i = int(t.suggest_categorical(name, [f"c{k}" for k in range(card)])[1:])
            else:
                i = t.suggest_int(name, 0, card - 1)
            at = at * card + i
        return values[at]

    return f


PROBLEMS = {
    "branin": branin,
    "hartmann6": hartmann6,
    "ackley10": ackley(10),
    "rosenbrock5": rosenbrock(5),
    "sphere10": sphere(10),
    "pipeline": pipeline,
} | {e["name"]: table(e) for e in json.loads((TABLES / "tables.json").read_text())["tables"]}


def zdt(n, h):
    def f(t):
        x = [t.suggest_float(f"x{i}", 0, 1) for i in range(n)]
        g = 1 + 9 * sum(x[1:]) / (n - 1)
        return x[0], g * h(x[0], g)

    return f


def dtlz2(n, m):
    def f(t):
        x = [t.suggest_float(f"x{i}", 0, 1) for i in range(n)]
        g = sum((v - 0.5) ** 2 for v in x[m - 1 :])
        losses = []
        for k in range(m):
            loss = 1 + g
            for v in x[: m - 1 - k]:
                loss *= math.cos(v * math.pi / 2)
            if k > 0:
                loss *= math.sin(x[m - 1 - k] * math.pi / 2)
            losses.append(loss)
        return tuple(losses)

    return f


def zdt3(f1, g):
    return 1 - math.sqrt(f1 / g) - f1 / g * math.sin(10 * math.pi * f1)


FRONTS = {
    "zdt1": zdt(5, lambda f1, g: 1 - math.sqrt(f1 / g)),
    "zdt2": zdt(5, lambda f1, g: 1 - (f1 / g) ** 2),
    "zdt3": zdt(5, zdt3),
    "dtlz2": dtlz2(6, 3),
}
