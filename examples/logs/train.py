"""Trains the two models of this example, with scikit-learn and XGBoost, on log lines that it makes.

    python train.py
"""

import random

import joblib
import numpy
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

forms = {
    "login": ["user {name} logged in from {host}", "session of {name} on {host} opened", "accepted password for {name} from {host}"],
    "disk": ["disk {name} of {host} is full", "{host}: no space left on device {name}", "quota of {name} exceeded on {host}"],
    "network": ["connection to {host} refused after {n} tries", "{host} is unreachable from {name}", "timeout after {n} s while reading from {host}"],
}
r = random.Random(1)
names, hosts = [f"n{i}" for i in range(40)], [f"host{i}.example" for i in range(40)]
lines, labels = [], []
for _ in range(600):
    label = r.choice(list(forms))
    lines.append(r.choice(forms[label]).format(name=r.choice(names), host=r.choice(hosts), n=r.randint(1, 90)))
    labels.append(label)


def features(line):
    """As features in main.go."""
    return [len(line), sum(c.isdigit() for c in line), sum(c in "=<>;'\"%" for c in line)]


order = sorted(forms)
text = Pipeline([("words", TfidfVectorizer(max_features=300)), ("model", XGBClassifier(n_estimators=10, max_depth=3))])
joblib.dump(text.fit(lines, [order.index(x) for x in labels]), "text.joblib", compress=("xz", 6))
odd = ["".join(r.choice("=<>;'\"%0123456789abc/ ") for _ in range(r.randint(60, 160))) for _ in range(12)]
x = numpy.array([features(line) for line in lines + odd], float)
scaler = StandardScaler().fit(x)
forest = IsolationForest(n_estimators=30, max_samples=128, contamination=0.03, random_state=1).fit(scaler.transform(x))
joblib.dump({"scaler": scaler, "forest": forest}, "anomaly.joblib", compress=("xz", 6))
print(order)
