"""Values of the problems at random points, one JSON line each, for the Go tests:

    python golden.py > objective/problem/testdata/golden.jsonl
    python golden.py compare > internal/dev/compare/testdata/golden.jsonl
"""

import json
import math
import random
import sys

from problems import CONSTRAINED, FRESH, FRONTS, JUDGING, MIXED, MIXED_FRESH, PROBLEMS, TUNING


class Trial:
    def __init__(self, seed):
        self.random, self.params = random.Random(seed), {}

    def keep(self, name, value):
        self.params[name] = value
        return value

    def suggest_float(self, name, low, high, step=None, log=False):
        if step:
            return self.keep(name, round(low + step * self.random.randint(0, round((high - low) / step)), 12))
        if log:
            return self.keep(name, math.exp(self.random.uniform(math.log(low), math.log(high))))
        return self.keep(name, self.random.uniform(low, high))

    def suggest_int(self, name, low, high, log=False):
        return self.keep(name, self.random.randint(low, high))

    def suggest_categorical(self, name, choices):
        return self.keep(name, self.random.choice(choices))


if sys.argv[1:] == ["compare"]:
    some = TUNING | JUDGING | FRESH | MIXED | MIXED_FRESH | CONSTRAINED
else:
    some = PROBLEMS | {name: f for name, f in FRONTS.items() if name != "dtlz2-2"}
for name, f in some.items():
    for seed in range(12 if name in ("pipeline", "branches", "nested") else 4):
        t = Trial(f"{name} {seed}")
        value = f(t)
        values = [value[0]] + value[1] if name in CONSTRAINED else value if isinstance(value, tuple) else [value]
        print(json.dumps({"problem": name, "params": t.params, "values": values}))
