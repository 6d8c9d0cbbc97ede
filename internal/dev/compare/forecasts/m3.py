"""Forecasts series of M3 with attune and with statsforecast, and prints sMAPE on the
competition's own split: 200·|y-f|/(|y|+|f|), the mean over all values. Beside it are the
percents of the values within attune's intervals of 80 and 95 %.

    m3.py ATTUNE FOLDER NAME SEASON [flags of attune optimize ...]

ATTUNE is the program, FOLDER has NAME.csv and NAME_test.csv (id, date, value). The dates of the
files only give the frequency: here all series end together, by quarters for a season of 4, and
by years for 1. attune sees NAME.csv alone, tunes on it with the flags given, and forecasts by
its own choice.
"""
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
from statsforecast.models import AutoETS, AutoTheta

warnings.filterwarnings("ignore")
program, folder, name, season, *flags = sys.argv[1:]
season = int(season)
train = pd.read_csv(f"{folder}/{name}.csv")
test = pd.read_csv(f"{folder}/{name}_test.csv")
horizon = int(test.groupby("id").size().max())


def stamp(steps):  # before the common end
    if season == 4:
        quarter = 4 * 2000 - steps
        return f"{quarter // 4}-Q{quarter % 4 + 1}"
    return str(2000 - steps)


def smape(forecasts):
    y = np.concatenate([test[test.id == i].value.to_numpy(float) for i in forecasts])
    f = np.concatenate(list(forecasts.values()))
    return np.mean(200 * np.abs(y - f) / (np.abs(y) + np.abs(f)))


def coverage(rows, level):
    inside = []
    for i, s in rows.groupby("id", sort=False):
        y = test[test.id == str(i)].value.to_numpy(float)
        inside.extend((y >= s[f"lower_{level}"].to_numpy()) & (y <= s[f"upper_{level}"].to_numpy()))
    return f"{100 * np.mean(inside):.1f}"


def report(method, forecasts, seconds, rows=None):
    within = "" if rows is None or "lower_80" not in rows else coverage(rows, 80) + ", " + coverage(rows, 95)
    print(f"| {method} | {smape(forecasts):.3f} | {within} | {seconds:.0f} |", flush=True)


print(f"{name}: {train.id.nunique()} series, horizon {horizon}\n\n| | sMAPE | in 80, 95 % | CPU s |\n|---|--:|--:|--:|")
for method, make in (("AutoETS", AutoETS), ("AutoTheta", AutoTheta)):
    begin, out = time.process_time(), {}
    for i, s in train.groupby("id", sort=False):
        out[i] = make(season_length=season).forecast(s.value.to_numpy(float), h=horizon)["mean"]
    report(method, out, time.process_time() - begin)
    theirs = out if method == "AutoETS" else {i: (theirs[i] + out[i]) / 2 for i in out}
report("mean of the two", theirs, 0)

with tempfile.TemporaryDirectory() as at:
    rows = train.copy()
    back = rows.groupby("id").cumcount(ascending=False)
    rows["date"] = [stamp(n) for n in back]
    rows.to_csv(f"{at}/m3.csv", index=False)
    before = os.times()
    run = subprocess.run([program, "optimize", "--data", f"{at}/m3.csv", "--id", "id", "--target", "value", "--horizon", str(horizon),
                          "--test", "0", "--metric", "smape", "--storage", f"{at}/m3.db", "--quiet", "--json", *flags], check=True, capture_output=True, text=True)
    outcome = json.loads(run.stdout)
    for row in outcome["rows"]:
        if row["baseline"]:
            continue
        predict = subprocess.run([program, "predict", "--storage", f"{at}/m3.db", "--study", row["study"], "--levels", "80,95"], capture_output=True, text=True, cwd=at)
        if predict.returncode != 0:
            print(f"| attune {row['name']} | - | {predict.stderr.strip()} |")
            continue
        got = pd.read_csv(io.StringIO(predict.stdout))
        out = {str(i): s.prediction.to_numpy(float) for i, s in got.groupby("id", sort=False)}
        after = os.times()
        mark = ", its answer" if row["study"] == outcome["winner"] else ""
        report("attune " + row["name"] + mark, out, row.get("trial_seconds", 0), got)
    print(f"\nattune took {after.children_user + after.children_system - before.children_user - before.children_system:.0f} CPU s in all.\n{outcome['verdict']}")
