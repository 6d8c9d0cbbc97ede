"""Writes again.joblib.gz: a Pipeline that names one scaler of 2,000 columns 100,000 times.

    python again.py > again.joblib.gz
"""

import gzip
import io
import sys

import joblib
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

x = np.arange(8000.0).reshape(4, 2000)
step = ("scale", StandardScaler().fit(x))
p = Pipeline([step, ("model", LinearRegression().fit(x, x[:, 0]))])
p.steps = [step] * 100000 + p.steps
out = io.BytesIO()
joblib.dump(p, out)
sys.stdout.buffer.write(gzip.compress(out.getvalue(), 9, mtime=0))
