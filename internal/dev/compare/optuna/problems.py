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


def total(z, f):
    return sum(f(v) for v in z)


def rosenbrock_shifted(z):
    return sum(100 * (z[i + 1] + 1 - (z[i] + 1) ** 2) ** 2 + z[i] ** 2 for i in range(len(z) - 1))


def rastrigin(z):
    return total(z, lambda v: v * v + 10 * (1 - math.cos(2 * math.pi * v)))


def levy(z):
    w = [1 + v / 4 for v in z]
    last = w[-1] - 1
    value = math.sin(math.pi * w[0]) ** 2 + last * last * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return value + sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])


def terraces(z):
    total = 0.0
    for i, v in enumerate(z):
        width = 1.0 if abs(v) > 1 else 0.2
        total += (i + 1) * width * math.floor(abs(v) / width + 0.5)
    return total


def cliff(z):
    return sum(v * v + 50 * max(v, 0) for v in z)


def cusp(z):
    norm = math.sqrt(sum(v * v for v in z))
    waves = sum(abs(math.sin(4 * v)) for v in z)
    return math.sqrt(norm) * (1 + waves / len(z))


def ellipsoid(z):
    return sum(1000 ** (i / (len(z) - 1)) * v * v for i, v in enumerate(z))


def powers(z):
    return math.sqrt(sum(abs(v) ** (2 + 4 * i / (len(z) - 1)) for i, v in enumerate(z)))


def ridge(z):
    return z[0] * z[0] + 100 * math.sqrt(total(z[1:], lambda v: v * v))


def ackley_shifted(z):
    squares, waves = total(z, lambda v: v * v), total(z, lambda v: math.cos(2 * math.pi * v))
    return -20 * math.exp(-0.2 * math.sqrt(squares / len(z))) - math.exp(waves / len(z)) + 20 + math.e


def griewank(z):
    squares, waves = 0.0, 1.0
    for i, v in enumerate(z):
        squares += 100 * v * v / 4000
        waves *= math.cos(10 * v / math.sqrt(i + 1))
    return squares - waves + 1


def sector(z):
    return total(z, lambda v: (100 * v if v > 0 else v) ** 2) ** 0.9


def discus(z):
    return 1e4 * z[0] * z[0] + total(z[1:], lambda v: v * v)


def schaffer(z):
    value = 0.0
    for a, b in zip(z, z[1:]):
        s = math.hypot(a, b)
        value += math.sqrt(s) * (1 + math.sin(50 * s**0.2) ** 2)
    return (value / (len(z) - 1)) ** 2


def steps(z):
    value = 0.0
    for i, v in enumerate(z):
        at = math.floor(10 * v + 0.5) / 10 if abs(v) <= 0.5 else math.floor(v + 0.5)
        value += 100 ** (i / (len(z) - 1)) * at * at
    return value


def peaks(z):
    best = 0.0
    for k in range(21):
        height, sharp = 10.0, 1.0
        if k > 0:
            height, sharp = 1.1 + 8 * (k - 1) / 19, 1000 ** (k * 7 % 20 / 19) / 10
        far = sum((v - (4 * math.sin(k * (2 * j + 3) + 0.7 * k * k) if k else 0)) ** 2 for j, v in enumerate(z))
        best = max(best, height * math.exp(-sharp * far / (2 * len(z))))
    return 10 - best


def landscape(f, d, k, rotated):
    def g(t):
        z = [t.suggest_float(f"x{i:02d}", -5, 5) - 3.5 * math.sin(1.7 * (i + 1) + k) for i in range(d)]
        if rotated:
            for i in range(d - 1):
                sin, cos = math.sin(0.6 + 0.9 * i + k), math.cos(0.6 + 0.9 * i + k)
                z[i], z[i + 1] = cos * z[i] - sin * z[i + 1], sin * z[i] + cos * z[i + 1]
        return f(z)

    return g


def landscapes(*some):
    return {
        f"{name}-{d}": landscape(f, d, k, rotated) for k, (name, rotated, f) in enumerate(some) for d in (2, 5, 10, 20)
    }


TUNING = landscapes(
    ("sphere", False, lambda z: total(z, lambda v: v * v)),
    ("rosenbrock", True, rosenbrock_shifted),
    ("rastrigin", False, rastrigin),
    ("levy", True, levy),
    ("terraces", True, terraces),
    ("cliff", True, cliff),
    ("cusp", True, cusp),
)
JUDGING = landscapes(
    ("ellipsoid", True, ellipsoid),
    ("ellipsoid-axes", False, ellipsoid),
    ("powers", True, powers),
    ("ridge", True, ridge),
    ("ackley", True, ackley_shifted),
    ("griewank", True, griewank),
)
FRESH = landscapes(
    ("sector", True, sector),
    ("discus", True, discus),
    ("schaffer", True, schaffer),
    ("steps", True, steps),
    ("peaks", True, peaks),
)


def boosting(entangled):
    def f(t):
        rate = math.log10(t.suggest_float("rate", 1e-4, 1, log=True))
        l2 = math.log10(t.suggest_float("l2", 1e-8, 1e2, log=True))
        rows, columns = t.suggest_float("rows", 0.3, 1), t.suggest_float("columns", 0.3, 1, step=0.05)
        n = math.log2(t.suggest_int("rounds", 50, 3000, log=True))
        depth, leaf = t.suggest_int("depth", 2, 14), math.log2(t.suggest_int("leaf", 1, 200, log=True))
        kind = t.suggest_categorical("kind", ["depthwise", "lossguide", "symmetric"])
        bins = t.suggest_categorical("bins", [32, 64, 128, 256, 512])
        good_rate, good_depth = -1.5, 6
        if entangled:
            good_rate = -1.5 - 0.3 * (n - 9)
            good_depth = {"depthwise": 6, "lossguide": 10, "symmetric": 4}[kind]
        loss = {"depthwise": 0, "lossguide": 0.05, "symmetric": 0.08}[kind]
        loss += 0.15 * (rate - good_rate) ** 2 + 0.01 * (n - 9) ** 2
        loss += 0.01 * (depth - good_depth) ** 2 + 0.02 * abs(leaf - 4)
        loss += 0.003 * (l2 + 1) ** 2 + 0.3 * (rows - 0.75) ** 2 + 0.4 * (columns - 0.6) ** 2
        return loss + {32: 0.05, 64: 0.03, 128: 0.01, 256: 0, 512: 0.005}[bins]

    return f


def branches(t):
    kind = t.suggest_categorical("optimizer", ["sgd", "adam", "lion"])
    rate = math.log10(t.suggest_float("rate", 1e-6, 1, log=True))
    loss = 0.01 * (math.log10(t.suggest_float("decay", 1e-8, 1e-1, log=True)) + 4) ** 2
    if kind == "sgd":
        m = t.suggest_float("momentum", 0, 0.999)
        loss += 0.1 * (rate + 1 + 2 * (m - 0.9)) ** 2 + (m - 0.9) ** 2
        loss += {"flat": 0.2, "cosine": 0, "step": 0.1}[t.suggest_categorical("schedule", ["flat", "cosine", "step"])]
    elif kind == "adam":
        loss += 0.05 + 0.1 * (rate + 3) ** 2 + 2 * (t.suggest_float("beta1", 0.5, 0.999) - 0.9) ** 2
        loss += (t.suggest_float("beta2", 0.8, 0.9999) - 0.98) ** 2
    else:
        loss += 0.15 + 0.1 * (rate + 4) ** 2 + 2 * (t.suggest_float("beta", 0.5, 0.999) - 0.95) ** 2
    return loss


def knobs(t):
    x, y = t.suggest_float("a", -4, 4) - 1.3, math.log10(t.suggest_float("b", 1e-3, 1e3, log=True)) + 1.1
    z = (t.suggest_float("c", 0, 10, step=0.5) - 6.5) / 2
    n, m = (t.suggest_int("i", 0, 40) - 29) / 8, math.log2(t.suggest_int("j", 1, 256, log=True)) - 5
    k = t.suggest_int("k", -3, 3) - 1
    loss = (x + y) ** 2 + 0.1 * (x - y) ** 2 + abs(z - 0.5 * n) + n * n + 0.2 * (m + k) ** 2 + 0.05 * (m - k) ** 2
    loss += 0.5 * (1 - t.suggest_int("l", 0, 1))
    modes = {"one": 3, "two": 1, "three": 0, "four": 2, "five": 5, "six": 4}
    at = modes[t.suggest_categorical("mode", list(modes))]
    loss += 0.3 * at
    if t.suggest_categorical("flag", [False, True]) != (at < 3):
        loss += 0.8
    if t.suggest_categorical("shape", ["flat", "tall", "wide"]) != "wide":
        loss += 0.4 + 0.2 * abs(x)
    return loss


def nested(t):
    if t.suggest_categorical("family", ["linear", "trees"]) == "linear":
        penalty = t.suggest_categorical("penalty", ["l1", "l2", "both"])
        loss = 0.25 + 0.03 * (math.log10(t.suggest_float("strength", 1e-6, 1e3, log=True)) - 0.5) ** 2
        if penalty == "both":
            return loss + 0.5 * (t.suggest_float("ratio", 0, 1) - 0.2) ** 2
        return loss + {"l1": 0.06, "l2": 0.03}[penalty]
    method = t.suggest_categorical("method", ["bagging", "boosting"])
    loss = 0.02 * (math.log2(t.suggest_int("leaves", 2, 512, log=True)) - 6) ** 2
    if method == "bagging":
        return loss + 0.15 + (t.suggest_float("share", 0.1, 1) - 0.7) ** 2
    e = math.log10(t.suggest_float("eta", 1e-4, 1, log=True))
    n = math.log10(t.suggest_int("rounds", 10, 5000, log=True))
    return loss + 0.3 * (e + n - 1.2) ** 2 + 0.05 * (n - 2.7) ** 2


MIXED = {"boosting": boosting(False), "boosting-entangled": boosting(True), "branches": branches}
MIXED_FRESH = {"knobs": knobs, "nested": nested}


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


def wfg4(n):
    def multi(y):
        far = abs(y - 0.35) / (2 * (math.floor(0.35 - y) + 0.35))
        return (1 + math.cos(122 * math.pi * (0.5 - far)) + 40 * far * far) / 12

    def f(t):
        m = [multi(t.suggest_float(f"x{i}", 0, 2 * (i + 1)) / (2 * (i + 1))) for i in range(n)]
        place, distance = sum(m[:2]) / 2, sum(m[2:]) / (n - 2)
        return distance / 2 + math.sin(place * math.pi / 2), distance / 4 + math.cos(place * math.pi / 2)

    return f


def zdt3(f1, g):
    return 1 - math.sqrt(f1 / g) - f1 / g * math.sin(10 * math.pi * f1)


FRONTS = {
    "zdt1": zdt(5, lambda f1, g: 1 - math.sqrt(f1 / g)),
    "zdt2": zdt(5, lambda f1, g: 1 - (f1 / g) ** 2),
    "zdt3": zdt(5, zdt3),
    "dtlz2": dtlz2(6, 3),
    "dtlz2-2": dtlz2(6, 2),
    "wfg4": wfg4(6),
}


def within(low, high, f):
    """A problem with constraints: its loss, and values of which none may be above 0."""

    def g(t):
        return f([t.suggest_float(f"x{i:02d}", a, b) for i, (a, b) in enumerate(zip(low, high))])

    return g


def gramacy(x):
    wave = 0.5 * math.sin(2 * math.pi * (x[0] * x[0] - 2 * x[1]))
    return x[0] + x[1], [1.5 - x[0] - 2 * x[1] - wave, x[0] * x[0] + x[1] * x[1] - 1.5]


def vessel(x):
    a, b, r, h = x
    volume = math.pi * r * r * h + 4 / 3 * math.pi * r**3
    return 0.6224 * a * r * h + 1.7781 * b * r * r + 3.1661 * a * a * h + 19.84 * a * a * r, [
        0.0193 * r - a,
        0.00954 * r - b,
        (1296000 - volume) / 1296000,
        (h - 240) / 240,
    ]


def reducer(x):
    b, m, z, l1, l2, d1, d2 = x
    q = m * z
    loss = 0.7854 * b * m * m * (3.3333 * z * z + 14.9334 * z - 43.0934) - 1.508 * b * (d1 * d1 + d2 * d2)
    loss += 7.4777 * (d1**3 + d2**3) + 0.7854 * (l1 * d1 * d1 + l2 * d2 * d2)
    return loss, [
        27 / (b * m * q) - 1,
        397.5 / (b * q * q) - 1,
        1.93 * l1**3 / (q * d1**4) - 1,
        1.93 * l2**3 / (q * d2**4) - 1,
        math.sqrt((745 * l1 / q) ** 2 + 16.9e6) / (110 * d1**3) - 1,
        math.sqrt((745 * l2 / q) ** 2 + 157.5e6) / (85 * d2**3) - 1,
        q / 40 - 1,
        5 * m / b - 1,
        b / (12 * m) - 1,
        (1.5 * d1 + 1.9) / l1 - 1,
        (1.1 * d2 + 1.9) / l2 - 1,
    ]


CONSTRAINED = {
    "gramacy": within([0, 0], [1, 1], gramacy),
    "vessel": within([0, 0, 10, 10], [10, 10, 200, 200], vessel),
    "reducer": within([2.6, 0.7, 17, 7.3, 7.3, 2.9, 5], [3.6, 0.8, 28, 8.3, 8.3, 3.9, 5.5], reducer),
}
