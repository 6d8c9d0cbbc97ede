"""Forecasts series of M4 with attune, and prints OWA on the competition's own split: the mean of
sMAPE and of MASE, each divided by that of Naive2 (Makridakis et al. 2020). MASE is scaled by the
errors of the seasonal naive forecast in the training data.

    m4.py ATTUNE FOLDER NAME SEASON [flags of attune optimize ...]

ATTUNE is the program, FOLDER has NAME.csv and NAME_test.csv (id, date, value). SEASON is the one of
the competition: 24 for hourly series, and 1 for weekly ones. attune sees NAME.csv alone, and
forecasts each series from its own end.
"""
import io
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd

program, folder, name, season, *flags = sys.argv[1:]
season = int(season)
train = pd.read_csv(f"{folder}/{name}.csv")
test = {i: s.value.to_numpy(float) for i, s in pd.read_csv(f"{folder}/{name}_test.csv").groupby("id", sort=False)}
past = {i: s.value.to_numpy(float) for i, s in train.groupby("id", sort=False)}
horizon = len(next(iter(test.values())))


def seasonal(x):
    """Whether x has a season: the autocorrelation at its length differs from 0 by a test at 90 %."""
    if len(x) < 3 * season:
        return False
    d = x - x.mean()
    r = [np.sum(d[k:] * d[: len(d) - k]) / np.sum(d * d) for k in range(1, season + 1)]
    return abs(r[-1]) > 1.645 * np.sqrt((1 + 2 * np.sum(np.square(r[:-1]))) / len(x))


def naive2(x):
    """The last value, without its season by the classical multiplicative decomposition, which is put back."""
    if season == 1 or not seasonal(x):
        return np.repeat(x[-1], horizon)
    weights = np.ones(season + 1) if season % 2 == 0 else np.ones(season)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    half = len(weights) // 2
    ratios = x[half:-half] / np.convolve(x, weights / season, "valid")
    place = (np.arange(len(ratios)) + half) % season
    index = np.array([ratios[place == p].mean() for p in range(season)])
    index /= index.mean()
    return x[-1] / index[(len(x) - 1) % season] * index[(len(x) + np.arange(horizon)) % season]


def errors(forecasts):
    smape = [np.mean(200 * np.abs(y - forecasts[i]) / (np.abs(y) + np.abs(forecasts[i]))) for i, y in test.items()]
    mase = [np.mean(np.abs(y - forecasts[i])) / np.mean(np.abs(past[i][season:] - past[i][:-season])) for i, y in test.items()]
    return np.mean(smape), np.mean(mase)


anchor = errors({i: naive2(x) for i, x in past.items()})


def report(method, forecasts):
    smape, mase = errors(forecasts)
    print(f"| {method} | {smape:.3f} | {mase:.3f} | {(smape / anchor[0] + mase / anchor[1]) / 2:.3f} |", flush=True)


print(f"{name}: {len(past)} series, horizon {horizon}\n\n| | sMAPE | MASE | OWA |\n|---|--:|--:|--:|")
report("Naive2", {i: naive2(x) for i, x in past.items()})
with tempfile.TemporaryDirectory() as at:
    train.to_csv(f"{at}/m4.csv", index=False)
    before = os.times()
    run = subprocess.run([program, "optimize", "--data", f"{at}/m4.csv", "--id", "id", "--target", "value", "--horizon", str(horizon), "--ends", "each",
                          "--test", "0", "--metric", "smape", "--storage", f"{at}/m4.db", "--quiet", "--json", *flags], check=True, stdout=subprocess.PIPE, text=True)
    after = os.times()
    outcome = json.loads(run.stdout)
    for row in outcome["rows"]:
        if row["baseline"]:
            continue
        predict = subprocess.run([program, "predict", "--storage", f"{at}/m4.db", "--study", row["study"]], capture_output=True, text=True, cwd=at)
        if predict.returncode != 0:
            print(f"| attune {row['name']} | - | - | {predict.stderr.strip()} |")
            continue
        got = pd.read_csv(io.StringIO(predict.stdout))
        mark = ", its answer" if row["study"] == outcome["winner"] else ""
        report("attune " + row["name"] + mark, {str(i): s.prediction.to_numpy(float) for i, s in got.groupby("id", sort=False)})
    print(f"\nattune optimize took {after.children_user + after.children_system - before.children_user - before.children_system:.0f} CPU s.\n{outcome['verdict']}")
