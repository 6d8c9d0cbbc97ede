"""Compares forecasts of attune with those of statsforecast.

    statistical.py SEASONS DATA.csv OURS.csv [DATA.csv OURS.csv ...]

SEASONS are the numbers of steps, such as 4 or 24,168. All but MSTL use the first.
DATA.csv has the columns id, date and value; OURS.csv is what the Go program beside this file
printed for it. A forecast agrees if the sum of the absolute differences is at most 1 % of the
sum of the absolute values of statsforecast's.
"""
import sys
import time
import warnings

import numpy as np
import pandas as pd
from statsforecast.models import MSTL, AutoARIMA, AutoCES, AutoETS, AutoTheta

warnings.filterwarnings("ignore")
seasons = [int(m) for m in sys.argv[1].split(",")]
models = {
    "ets": lambda: AutoETS(season_length=seasons[0]),
    "theta": lambda: AutoTheta(season_length=seasons[0]),
    "mstl": lambda: MSTL(season_length=seasons),
    "arima": lambda: AutoARIMA(season_length=seasons[0]),
    "ces": lambda: AutoCES(season_length=seasons[0]),
}
differences, seconds = {m: [] for m in models}, dict.fromkeys(models, 0.0)
for data, ours in zip(sys.argv[2::2], sys.argv[3::2]):
    data, ours = pd.read_csv(data), pd.read_csv(ours)
    for name, forecasts in ours.groupby("id", sort=False):
        y = data[data.id == name].value.to_numpy(float)
        for model, make in models.items():
            if model not in ours:
                continue
            begin = time.perf_counter()
            theirs = make().forecast(y, h=len(forecasts))["mean"]
            seconds[model] += time.perf_counter() - begin
            difference = np.abs(forecasts[model].to_numpy() - theirs).sum() / np.abs(theirs).sum()
            differences[model].append(difference)
for model, d in differences.items():
    if not d:
        continue
    d = np.array(d)
    print(f"{model}: {100 * np.mean(d <= 0.01):.1f} % of {len(d)} series within 1 %; "
          f"median difference {np.median(d):.1e}, 95th percentile {np.quantile(d, 0.95):.1e}; "
          f"statsforecast took {1000 * seconds[model] / len(d):.1f} ms a series")
