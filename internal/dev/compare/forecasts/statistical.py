"""Compares forecasts of attune with those of statsforecast on quarterly series.

    statistical.py DATA.csv OURS.csv [DATA.csv OURS.csv ...]

DATA.csv has the columns id, date and value; OURS.csv is what the Go program beside this file
printed for it. A forecast agrees if the sum of the absolute differences is at most 1 % of the
sum of the absolute values of statsforecast's.
"""
import sys
import time
import warnings

import numpy as np
import pandas as pd
from statsforecast.models import AutoETS, AutoTheta

warnings.filterwarnings("ignore")
season = 4
differences, seconds = {"ets": [], "theta": []}, {"ets": 0.0, "theta": 0.0}
for data, ours in zip(sys.argv[1::2], sys.argv[2::2]):
    data, ours = pd.read_csv(data), pd.read_csv(ours)
    for name, forecasts in ours.groupby("id", sort=False):
        y = data[data.id == name].value.to_numpy(float)
        for model, make in (("ets", AutoETS), ("theta", AutoTheta)):
            begin = time.perf_counter()
            theirs = make(season_length=season).forecast(y, h=len(forecasts))["mean"]
            seconds[model] += time.perf_counter() - begin
            difference = np.abs(forecasts[model].to_numpy() - theirs).sum() / np.abs(theirs).sum()
            differences[model].append(difference)
for model, d in differences.items():
    d = np.array(d)
    print(f"{model}: {100 * np.mean(d <= 0.01):.1f} % of {len(d)} series within 1 %; "
          f"median difference {np.median(d):.1e}, 95th percentile {np.quantile(d, 0.95):.1e}; "
          f"statsforecast took {1000 * seconds[model] / len(d):.1f} ms a series")
