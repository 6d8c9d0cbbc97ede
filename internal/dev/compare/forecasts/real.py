"""Forecasts the last steps of real series with attune's default answer and with statsforecast's
AutoETS, AutoARIMA and AutoTheta and their mean, and prints MASE on the same spans.

    real.py ATTUNE WHEELS [names of series]

ATTUNE is the program. WHEELS is a folder with the wheels of statsmodels, sktime, pmdarima and
vega_datasets, which hold the series: see scripts/real.sh. attune gets the whole file, with its
default flags, and holds out the last steps by itself. statsforecast gets the values before them.
The errors are divided by those of the seasonal naive forecast in the values before the span; a
panel has the mean over its series. The baseline is the one of attune's that is best on the span, in
hindsight. attune's seasonal naive MASE must equal the one computed here, so that the spans and the
scales are the same. AutoARIMA takes minutes for seasons of more than 24 steps and for more than
2,000 values, and is left out there.
"""
import ast
import glob
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile

import numpy as np
import pandas as pd
from statsforecast.models import AutoARIMA, AutoETS, AutoTheta

warnings.filterwarnings("ignore")
program, wheels, *only = sys.argv[1:]


def raw(package, path):
    wheel, = glob.glob(f"{wheels}/{package}-*.whl")
    with zipfile.ZipFile(wheel) as z:
        return z.read(f"{package}/datasets/{path}" if package != "vega_datasets" else f"{package}/_data/{path}").decode()


def table(package, path, value, start=None, freq=None, time=None):
    """A column of a CSV file, with the file's own time stamps or with those from start."""
    t = pd.read_csv(io.StringIO(raw(package, path)))
    dates = pd.to_datetime(t[time]) if time else pd.date_range(start, periods=len(t), freq=freq)
    return pd.DataFrame({"id": "a", "date": dates, "y": t[value].astype(float)})


def literal(path, start, freq):
    """The numbers that a module of pmdarima passes to np.array."""
    calls = [n for n in ast.walk(ast.parse(raw("pmdarima", path))) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "array"]
    values = [getattr(e, "value", None) for e in calls[0].args[0].elts]
    y = [float("nan") if v is None or not np.isscalar(v) else float(v) for v in values]
    while np.isnan(y[-1]):
        y.pop()
    return pd.DataFrame({"id": "a", "date": pd.date_range(start, periods=len(y), freq=freq), "y": y})


def stocks():
    t = pd.read_csv(io.StringIO(raw("vega_datasets", "stocks.csv")))
    return pd.DataFrame({"id": t.symbol, "date": pd.to_datetime(t.date), "y": t.price})


def hourly():  # an hour is missing where the clocks change
    t = table("vega_datasets", "sf-temps.csv", "temp", time="date").set_index("date")
    return t.y.resample("h").mean().interpolate().reset_index().assign(id="a")[["id", "date", "y"]]


SERIES = {  # name: season, series
    "nile": (1, lambda: table("statsmodels", "nile/nile.csv", "volume", "1871", "YS")),
    "lynx": (1, lambda: table("sktime", "data/Lynx/Lynx.csv", "0", "1821", "YS")),
    "elnino, January": (1, lambda: table("statsmodels", "elnino/elnino.csv", "JAN", "1950", "YS")),
    "ausbeer": (4, lambda: literal("ausbeer.py", "1956", "QS")),
    "woolyrnq": (4, lambda: literal("woolyrnq.py", "1965", "QS")),
    "austres": (4, lambda: literal("austres.py", "1971-04", "QS")),
    "uschange, consumption": (4, lambda: table("sktime", "data/Uschange/Uschange.csv", "Consumption", "1970", "QS")),
    "macrodata, realgdp": (4, lambda: table("statsmodels", "macrodata/macrodata.csv", "realgdp", "1959", "QS")),
    "shampoo": (12, lambda: table("sktime", "data/ShampooSales/ShampooSales.csv", "Sales", time="Time")),
    "wineind": (12, lambda: literal("wineind.py", "1980", "MS")),
    "us-employment, nonfarm": (12, lambda: table("vega_datasets", "us-employment.csv", "nonfarm", time="month")),
    "PBS": (12, lambda: table("sktime", "data/PBS_dataset/PBS_dataset.csv", "Scripts", "1991-07", "MS")),
    "elec_equip": (12, lambda: table("statsmodels", "elec_equip/elec_equip.csv", "STS.M.I7.W.TOVT.NS0016.4.000", "1995", "MS")),
    "seatbelts, KSI": (12, lambda: table("sktime", "data/seatbelts/seatbelts.csv", "KSI", "1969", "MS")),
    "stocks, 5 series": (12, stocks),
    "solar": (48, lambda: table("sktime", "data/solar/solar.csv", "solar_gen", "2021-05-01", "30min")),
    "taylor": (48, lambda: literal("taylor.py", "2000-06-05", "30min")),
    "sf-temps": (24, hourly),
}


def mase(frame, horizon, season, forecast):
    """The mean over the series that forecast, which gets the values before the span, is scored on."""
    scores = []
    for _, s in frame.groupby("id", sort=False):
        y = s.y.to_numpy()
        past, truth = y[:-horizon], y[-horizon:]
        scores.append(np.mean(np.abs(truth - forecast(past))) / np.mean(np.abs(past[season:] - past[:-season])))
    return float(np.mean(scores))


def tuned(frame):
    with tempfile.TemporaryDirectory() as at:
        frame.to_csv(f"{at}/real.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")
        before = os.times()
        flags = ["--id", "id"] if frame.id.nunique() > 1 else []
        run = subprocess.run([program, "optimize", "--data", f"{at}/real.csv", "--target", "y", *flags, "--storage", f"{at}/real.db", "--quiet", "--json"], check=True, stdout=subprocess.PIPE, text=True)
        after = os.times()
    out = json.loads(run.stdout)
    out["cpu"] = after.children_user + after.children_system - before.children_user - before.children_system
    return out


def row(name):
    season, make = SERIES[name]
    frame = make()
    out = tuned(frame)
    h = out["horizon"]
    scores = {r["name"]: r["test"]["mase"] for r in out["rows"]}
    winner, = [r for r in out["rows"] if r.get("study") == out["winner"]]
    baseline, best = min(((r["name"], r["test"]["mase"]) for r in out["rows"] if r["baseline"]), key=lambda b: b[1])
    simple = "seasonal naive" if season > 1 else "naive"
    own = mase(frame, h, season, lambda x: np.resize(x[-season:], h))
    assert abs(own - scores[simple]) <= 1e-6 * max(own, 1), f"{name}: the {simple} forecast has MASE {own} here, and {scores[simple]} in attune"
    got, forecasts, seconds = {"attune": winner["test"]["mase"]}, {}, 0
    for method, model in ("AutoETS", AutoETS), ("AutoARIMA", AutoARIMA), ("AutoTheta", AutoTheta):
        if model is AutoARIMA and (season > 24 or len(frame) > 2000):
            continue
        begin, kept = time.process_time(), []

        def forecast(x):
            kept.append(model(season_length=season).forecast(x, h=h)["mean"])
            return kept[-1]

        got[method] = mase(frame, h, season, forecast)
        forecasts[method], seconds = kept, seconds + time.process_time() - begin
    means = iter(np.mean(list(forecasts.values()), axis=0))
    got["mean"] = mase(frame, h, season, lambda _: next(means))
    cells = [f"{got[m]:.3f}" if m in got else "" for m in ("attune", "AutoETS", "AutoARIMA", "AutoTheta", "mean")]
    print(f"| {name} | {h} | {winner['name']} | {' | '.join(cells)} | {baseline} {best:.3f} | {out['cpu']:.1f} | {seconds:.1f} |", flush=True)
    return got, best, out["cpu"]


def summary(rows):
    n = len(rows)
    level = sum(g["attune"] <= 1.01 * min(g[m] for m in ("AutoETS", "AutoARIMA", "AutoTheta") if m in g) for g, _, _ in rows)
    worse = sum(g["attune"] > 1.1 * b for g, b, _ in rows)
    print(f"\nOf {n} series, attune is better than the best of the three in hindsight, or equal within 1 %, on {level}.")
    print(f"On {worse} it is worse by more than 10 % than its best baseline in hindsight.")
    for m in "AutoETS", "AutoARIMA", "AutoTheta", "mean":
        ratios = [g["attune"] / g[m] for g, _, _ in rows if g.get(m, 0) > 0 and g["attune"] > 0]
        if ratios:
            print(f"Geometric mean of attune / {m}: {np.exp(np.mean(np.log(ratios))):.3f} on {len(ratios)} series.")
    print(f"Median CPU time of attune: {np.median([c for _, _, c in rows]):.1f} s a series.")


for compile in AutoETS, AutoARIMA, AutoTheta:  # numba compiles once, outside of the times
    compile(season_length=4).forecast(np.sin(np.arange(40.0)) + np.arange(40.0), h=4)
print("| | steps | answer | attune | AutoETS | AutoARIMA | AutoTheta | mean of them | best baseline | attune, CPU s | statsforecast, CPU s |\n|---|--:|---|--:|--:|--:|--:|--:|---|--:|--:|", flush=True)
rows = []
try:
    for name in only or SERIES:
        rows.append(row(name))
except KeyboardInterrupt:
    print(f"\nInterrupted after {len(rows)} of {len(only or SERIES)} series.", file=sys.stderr)
if rows:
    summary(rows)
