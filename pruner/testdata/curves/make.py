# Learning curves of scikit-learn models on its bundled data: validation loss after each of 50 epochs or trees.
import numpy as np, sys, warnings, json, time
warnings.filterwarnings("ignore")
from sklearn.datasets import load_digits, load_breast_cancer, load_wine, load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.metrics import log_loss
E, N = 50, 60
def data(load):
    X, y = load(return_X_y=True)
    a = train_test_split(X, y, test_size=0.3, random_state=0)
    s = StandardScaler().fit(a[0])
    return s.transform(a[0]), s.transform(a[1]), a[2], a[3]
def mlp(load, regress, rng):
    X, V, y, w = load
    out = []
    for _ in range(N):
        kw = dict(hidden_layer_sizes=(int(2**rng.uniform(2, 7)),)*int(rng.integers(1, 3)), alpha=10**rng.uniform(-6, 0),
            learning_rate_init=10**rng.uniform(-4, -0.5), solver=str(rng.choice(["sgd", "adam"])), momentum=rng.uniform(0, .95),
            activation=str(rng.choice(["relu", "tanh", "logistic"])), batch_size=int(2**rng.uniform(4, 8)), random_state=int(rng.integers(1e9)))
        m = (MLPRegressor if regress else MLPClassifier)(**kw)
        curve = []
        for e in range(E):
            try:
                m.partial_fit(X, y) if regress else m.partial_fit(X, y, classes=np.unique(y))
                v = float(np.mean((m.predict(V)-w)**2)) if regress else float(log_loss(w, np.nan_to_num(m.predict_proba(V), nan=1e-9), labels=np.unique(y)))
            except Exception: v = float("nan")
            curve.append(v)
        out.append(curve)
    return out
def sgd(load, rng):
    X, V, y, w = load
    out = []
    for _ in range(N):
        m = SGDClassifier(loss="log_loss", alpha=10**rng.uniform(-7, 0), eta0=10**rng.uniform(-5, 0), learning_rate=str(rng.choice(["constant", "invscaling", "adaptive", "optimal"])),
            penalty=str(rng.choice(["l2", "l1", "elasticnet"])), random_state=int(rng.integers(1e9)))
        curve = []
        for e in range(E):
            m.partial_fit(X, y, classes=np.unique(y)); curve.append(float(1-m.score(V, w)))
        out.append(curve)
    return out
def boost(load, regress, rng):
    X, V, y, w = load
    out = []
    for _ in range(N):
        m = (GradientBoostingRegressor if regress else GradientBoostingClassifier)(n_estimators=E, learning_rate=10**rng.uniform(-2.5, 0), max_depth=int(rng.integers(1, 9)),
            subsample=rng.uniform(.3, 1), min_samples_leaf=int(rng.integers(1, 30)), max_features=rng.uniform(.2, 1), random_state=int(rng.integers(1e9))).fit(X, y)
        out.append([float(np.mean((p-w)**2)) for p in m.staged_predict(V)] if regress else [float(log_loss(w, p, labels=np.unique(y))) for p in m.staged_predict_proba(V)])
    return out
sets = {}
d = {k: data(f) for k, f in dict(digits=load_digits, cancer=load_breast_cancer, wine=load_wine, diabetes=load_diabetes).items()}
for i, (name, f) in enumerate([
  ("mlp-wine", lambda r: mlp(d["wine"], False, r)), ("sgd-cancer", lambda r: sgd(d["cancer"], r)),
  ("boost-diabetes", lambda r: boost(d["diabetes"], True, r)), ("mlp-diabetes", lambda r: mlp(d["diabetes"], True, r)),
  ("sgd-digits", lambda r: sgd(d["digits"], r)), ("mlp-cancer", lambda r: mlp(d["cancer"], False, r)), ("mlp-digits", lambda r: mlp(d["digits"], False, r))]):
    t = time.time(); c = f(np.random.default_rng(i)); a = np.array(c, dtype="<f4")
    a.tofile(f"{name}.f32"); print(name, a.shape, time.time()-t, np.isnan(a).sum(), flush=True)
