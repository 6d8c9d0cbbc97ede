"""The models that kinds.py converts, with rows that find errors."""

import re
import warnings

import catboost
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn import discriminant_analysis, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, FastICA, IncrementalPCA, KernelPCA, NMF, TruncatedSVD
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, BaggingRegressor, ExtraTreesClassifier, ExtraTreesRegressor,
                              GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              IsolationForest, RandomForestClassifier, RandomForestRegressor, StackingClassifier, StackingRegressor, VotingClassifier,
                              VotingRegressor)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, SelectPercentile, VarianceThreshold, f_regression
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.isotonic import IsotonicRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (Binarizer, FunctionTransformer, KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, Normalizer, OneHotEncoder, OrdinalEncoder,
                                   PolynomialFeatures, PowerTransformer, QuantileTransformer, RobustScaler, SplineTransformer, StandardScaler, TargetEncoder)

warnings.simplefilter("ignore")
N = 300
rng = np.random.default_rng(11)
x = rng.normal(size=(N, 4)) * [1, 10, 0.1, 1000] + [0, 5, 0, 2000]
x[:, 3] = np.round(x[:, 3])
y = x[:, 0] + np.sin(x[:, 1]) + 20 * x[:, 2] ** 2 + x[:, 3] / 5000 + 0.1 * rng.normal(size=N)
two = (y > 1).astype(int)
three = (y > 0).astype(int) + (y > 2)
words = np.array(["low", "middle", "high"])[three]
positive = y - y.min() + 0.5
counts = np.round(positive)
z = (x - x.mean(axis=0)) / x.std(axis=0)
whole = np.c_[rng.integers(0, 5, N), rng.integers(0, 3, N), rng.integers(-2, 9, N), rng.integers(0, 2, N)].astype(float)
# Times in seconds and days as numbers, which float32 cannot hold.
large = np.c_[1.7e9 + rng.integers(0, 86400, N), 20240100 + rng.integers(1, 32, N), x[:, 0], 1e15 + rng.integers(0, 999, N)]
large_y = (large[:, 0] - 1.7e9) / 2e4 + (large[:, 1] - 20240100) / 8 + np.sin(x[:, 0]) + (large[:, 3] - 1e15) / 500
holes = np.where(rng.random(x.shape) < 0.15, np.nan, x)
table = pd.DataFrame({"width": x[:, 0], "height": x[:, 1], "colour": np.array(["red", "green", "blue", "grün"])[rng.integers(0, 4, N)],
                      "size": rng.integers(1, 5, N).astype(float), "shop": np.array(["a", "b", "c d"])[rng.integers(0, 3, N)]})
table_y = y + (table["colour"] == "red") * 2 + table["size"] * (table["shop"] == "a")
table_three = (table_y > 2).astype(int) + (table_y > 5)

_lines = ["connection refused by peer {h} port {n}", "timeout after {n} ms while reading from {h}", "write error on /dev/sd{d}: no space left", "I/O error, sector {n}",
          "user {u} logged in from {h}", "Anmeldung von {u} fehlgeschlagen: Straße fehlt", "checksum mismatch in block {n} of table orders"]
texts = [rng.choice(["", "WARN ", "error: "]) + rng.choice(_lines).format(h=f"db-{rng.integers(1, 9)}.example.com", n=rng.integers(1, 900), d=rng.integers(0, 9),
                                                                         u=rng.choice(["josé", "Zoë", "anna", "李雷", "o_neil"])) for _ in range(N)]
text_three = np.array([0 if "refused" in t or "timeout" in t else 1 if "error" in t else 2 for t in texts])
text_y = np.array([len(t) + 5.0 * ("error" in t) for t in texts])
strange = ["", " ", "#", "a", "ab", "été ÀÉ", "x1_y", "中文 李雷", "٣٤", "3.14", "TIMEOUT\tafter\n9 MS", "no-one's  error…", "Straße STRASSE", "zzz unknown words only",
           "error error error", "a" * 500, "q\u0301 e\u0301", "\u00a0timeout\u00a0after", "user user, user. logged;in"]

lgb = {"n_estimators": 8, "num_leaves": 7, "min_child_samples": 5, "n_jobs": 1, "verbose": -1, "random_state": 0}
xgb = {"n_estimators": 6, "max_depth": 3, "n_jobs": 1, "random_state": 0}
cat = {"iterations": 6, "depth": 3, "thread_count": 1, "verbose": 0, "allow_writing_files": False, "random_seed": 0}


class Case:
    """A model with rows and its answers."""

    def __init__(self, kind, name, model, rows, options):
        self.kind, self.name, self.model, self.rows, self.options = kind, name, model, rows, options
        self.file = re.sub(r"[^A-Za-z0-9]+", "-", f"{kind} {name}").strip("-").lower()
        self.size = len(rows)
        self.two_dimensions = False
        self.offset = 0
        self.want = answers(model, rows)
        if "score" in self.want:
            self.offset = model[-1].offset_ if hasattr(model, "steps") else model.offset_


def answers(m, rows):
    if hasattr(m, "score_samples") and hasattr(m, "decision_function"):
        return {"label": m.predict(rows), "score": m.score_samples(rows), "decision": m.decision_function(rows)}
    label = np.asarray(m.predict(rows))
    try:
        p = m.predict_proba(rows) if not isinstance(m, neighbors.NearestCentroid) else None
    except AttributeError:
        p = None
    if isinstance(p, list):
        out = {}
        for i, one in enumerate(p):
            out |= {f"label_{i}": label[:, i], f"probabilities_{i}": one}
        return out
    if p is not None and label.ndim == 2 and p.shape == label.shape and p.shape[1] > 1:  # many labels for a row
        return {f"label_{i}": label[:, i] for i in range(label.shape[1])} | {f"probabilities_{i}": np.c_[1 - p[:, i], p[:, i]] for i in range(label.shape[1])}
    if p is not None:
        return {"label": label, "probabilities": p}
    if label.ndim == 2 and hasattr(m, "classes_"):
        return {f"label_{i}": label[:, i] for i in range(label.shape[1])} | {f"scores_{i}": m.decision_function(rows)[:, i] for i in range(label.shape[1])}
    from sklearn.base import is_classifier
    if is_classifier(m) or type(m).__name__.endswith("KMeans"):
        return {"label": label} | ({"scores": m.decision_function(rows)} if hasattr(m, "decision_function") and not isinstance(m, neighbors.NearestCentroid) else {})
    return {"predictions": label}


def thresholds(m, columns):
    """Values at which the trees of a model that takes the rows as they are part them, by column."""
    out = [[] for _ in range(columns)]
    seen = set()

    def visit(v, depth):
        if id(v) in seen or depth > 5:
            return
        seen.add(id(v))
        if isinstance(v, (lightgbm.LGBMModel, xgboost.XGBModel)) and not v.__sklearn_is_fitted__():
            return
        if isinstance(v, lightgbm.LGBMModel):
            frame = v.booster_.trees_to_dataframe()
            for f, t in zip(frame["split_feature"], frame["threshold"]):
                with_number(v.booster_.feature_name(), f, t)
        elif isinstance(v, xgboost.XGBModel):
            try:
                frame = v.get_booster().trees_to_dataframe()
            except Exception:
                return
            for f, t in zip(frame["Feature"], frame["Split"]):
                with_number([f"f{i}" for i in range(columns)], f, t)
        elif isinstance(v, catboost.CatBoost):
            for i, b in v.get_borders().items():
                out[i].extend(b)
        elif hasattr(v, "tree_") and hasattr(v.tree_, "threshold"):
            t = v.tree_
            for f, value in zip(t.feature, t.threshold):
                if 0 <= f < columns:
                    out[f].append(value)
        elif isinstance(v, (HistGradientBoostingClassifier, HistGradientBoostingRegressor)):
            for row in v._predictors:
                for p in row:
                    for node in p.nodes:
                        if not node["is_leaf"]:
                            out[node["feature_idx"]].append(node["num_threshold"])
        elif hasattr(v, "__dict__") and type(v).__module__.startswith("sklearn") and not isinstance(v, type):
            if hasattr(v, "steps") or hasattr(v, "transformers"):
                return
            for inner in vars(v).values():
                visit(inner, depth + 1)
        elif isinstance(v, (list, tuple)) or isinstance(v, np.ndarray) and v.dtype == object:
            for inner in np.ravel(np.asarray(v, dtype=object)) if isinstance(v, np.ndarray) else v:
                visit(inner, depth + 1)

    def with_number(names, f, t):
        try:
            out[names.index(f)].append(float(t))
        except (ValueError, TypeError, IndexError):
            pass

    visit(m, 0)
    return out


def numbers(v, at, takes, r, n):
    """Adversarial values of a column."""
    v = np.asarray(v, float)
    v, at = v[np.isfinite(v)], np.asarray(at, float)
    at = at[np.isfinite(at)]
    some = r.choice(v, min(len(v), 60), replace=False)
    of = np.concatenate([some, at[:300], (some[1:] + some[:-1]) / 2, [0, 1, -1]])
    all_ = np.concatenate([of, np.nextafter(of, np.inf), np.nextafter(of, -np.inf), [v.min() - np.ptp(v), v.max() + np.ptp(v)]])
    if "inside" in takes:  # some functions have no value outside
        all_ = all_[(all_ >= v.min()) & (all_ <= v.max())]
    if "large" in takes:
        all_ = np.concatenate([all_, [16777217, 1700000001, 20240131]])
    if "nan" in takes:
        all_ = np.concatenate([all_, np.full(len(all_) // 8, np.nan)])
    if "inf" in takes:
        all_ = np.concatenate([all_, [np.inf, -np.inf, 1e300, -1e300]])
    return all_[np.resize(r.permutation(len(all_)), n)] if n else all_


def works(m, rows):
    try:
        with np.errstate(all="ignore"):
            a = answers(m, rows)
        return all(np.asarray(v).dtype.kind not in "fc" or np.isfinite(np.asarray(v, float)).mean() > 0.5 for v in a.values())
    except Exception:
        return False


def adversarial(m, train, options):
    """Rows that find errors."""
    r = np.random.default_rng(5)
    if isinstance(train, list):
        return train[:150] + strange + [t.upper() for t in train[:20]]
    frame = train if isinstance(train, pd.DataFrame) else None
    takes = set()
    for name, value in (("nan", np.nan), ("inf", np.inf), ("large", 16777217.0)):
        if name == "large" and options.get("small"):
            continue
        one = train[:8].copy()
        columns = [c for c in frame if frame[c].dtype.kind == "f"] if frame is not None else range(train.shape[1])
        for i, c in enumerate(columns):
            if frame is not None:
                one.iloc[i % 8, frame.columns.get_loc(c)] = value
            else:
                one[i % 8, c] = value
        if works(m, one):
            takes.add(name)
    for without in ((), ("inf",), ("inf", "nan"), ("inf", "nan", "large"), "inside"):  # some take each, and not together
        rows = mixture(m, train, options, takes - set(without) if without != "inside" else {"inside"}, r)
        if without == "inside" or works(m, rows):
            return rows


def mixture(m, train, options, takes, r):
    """Rows of values of each column in any order."""
    frame = train if isinstance(train, pd.DataFrame) else None
    at = thresholds(m, train.shape[1])
    n = 500
    if frame is None:
        return np.stack([numbers(train[:, i], at[i], takes, r, n) for i in range(train.shape[1])], axis=1)
    out = {}
    for i, c in enumerate(frame):
        if frame[c].dtype.kind == "f":
            out[c] = numbers(frame[c], at[i], takes, r, n)
        else:
            values = np.array(sorted(set(frame[c].dropna())), dtype=object)
            out[c] = r.choice(values, n)
            if isinstance(frame[c].dtype, pd.CategoricalDtype):
                out[c] = pd.Categorical(out[c], categories=frame[c].cat.categories)
    rows = pd.DataFrame(out)
    if not options.get("codes"):
        for c in frame:
            if frame[c].dtype.kind != "f":
                odd = rows.copy()
                odd[c] = odd[c].astype(object)
                odd.loc[:20, c] = "never seen"
                if works(m, odd):
                    rows = odd
    return rows


def _add(out, only, kind, name, make, train, target, **options):
    if only and not re.search(only, f"{kind} {name}"):
        return
    try:
        m = make()
        m = m.fit(train, target) if target is not None else m.fit(train)
    except Exception as e:
        raise RuntimeError(f"{kind}, {name}: {e}") from e
    rows = adversarial(m, train, options)
    with np.errstate(all="ignore"):
        try:
            out.append(Case(kind, name, m, rows, options))
        except Exception as e:
            raise RuntimeError(f"{kind}, {name}: {e}") from e


def cases(only=None):
    out = []

    def add(kind, name, make, train, target, **options):
        _add(out, only, kind, name, make, train, target, **options)

    def clone(m):
        from sklearn.base import clone
        return lambda: clone(m)

    # Linear models.
    L = linear_model
    for m in [L.LinearRegression(), L.LinearRegression(fit_intercept=False), L.Ridge(), L.RidgeCV(), L.Lasso(0.01), L.LassoCV(), L.ElasticNet(0.01), L.ElasticNetCV(), L.BayesianRidge(),
              L.ARDRegression(), L.HuberRegressor(), L.Lars(), L.LarsCV(), L.LassoLars(0.01), L.LassoLarsCV(), L.LassoLarsIC(), L.SGDRegressor(random_state=0),
              L.SGDRegressor(loss="huber", random_state=0), L.SGDRegressor(loss="epsilon_insensitive", random_state=0), L.QuantileRegressor(solver="highs"),
              L.TheilSenRegressor(random_state=0), L.RANSACRegressor(random_state=0), L.OrthogonalMatchingPursuit(), L.OrthogonalMatchingPursuitCV(),
              svm.LinearSVR(random_state=0), L.PassiveAggressiveRegressor(random_state=0), PLSRegression(2), PLSRegression(2, scale=False)]:
        add("linear regression", str(m), clone(m), z, y)
    for m in [L.PoissonRegressor(), L.GammaRegressor(), L.TweedieRegressor(power=1.5), L.TweedieRegressor(power=0), L.TweedieRegressor(power=0, link="log")]:
        add("linear regression", str(m), clone(m), z, positive, small=True)
    for m in [L.LinearRegression(), L.Ridge(), L.MultiTaskLasso(0.01), L.MultiTaskElasticNetCV(), PLSRegression(2), L.RidgeCV()]:
        add("linear regression", f"{m} of two", clone(m), z, np.c_[y, -2 * y])
    for m in [L.LogisticRegression(), L.LogisticRegression(solver="saga"), L.LogisticRegression(solver="liblinear"), L.LogisticRegressionCV(), L.SGDClassifier(loss="log_loss", random_state=0),
              L.SGDClassifier(loss="modified_huber", random_state=0), L.SGDClassifier(random_state=0), L.SGDClassifier(loss="squared_hinge", random_state=0), L.Perceptron(random_state=0),
              L.PassiveAggressiveClassifier(random_state=0), L.RidgeClassifier(), L.RidgeClassifierCV(), svm.LinearSVC(random_state=0),
              discriminant_analysis.LinearDiscriminantAnalysis(), discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr"), discriminant_analysis.QuadraticDiscriminantAnalysis()]:
        add("linear classes", f"{m} of two", clone(m), z, np.array(["no", "yes"])[two])
        if getattr(m, "solver", "") != "liblinear":
            add("linear classes", f"{m} of three", clone(m), z, three)
    add("linear classes", "RidgeClassifier of many labels", lambda: L.RidgeClassifier(), z, np.c_[two, three > 1].astype(int), apart=True)
    add("linear classes", "RidgeClassifierCV of three labels", lambda: L.RidgeClassifierCV(), z, np.c_[two, three > 1, y > 3].astype(int), apart=True)
    # Naive Bayes, neighbours, support vectors, others.
    for m, t in [(naive_bayes.GaussianNB(), z), (naive_bayes.MultinomialNB(), whole + 2), (naive_bayes.ComplementNB(), whole + 2), (naive_bayes.BernoulliNB(), z),
                 (naive_bayes.BernoulliNB(binarize=None), (whole > 1).astype(float))]:
        add("naive Bayes", f"{m} of two", clone(m), t, two, small=True)
        add("naive Bayes", f"{m} of three", clone(m), t, words, small=True)
    for m, t in [(svm.SVC(), three), (svm.SVC(probability=True, random_state=0), two), (svm.SVR(), y), (svm.NuSVC(nu=0.3), two), (svm.OneClassSVM(), None), (neighbors.KNeighborsClassifier(), three),
                 (neighbors.KNeighborsRegressor(), y), (neighbors.NearestCentroid(), three), (GaussianProcessRegressor(), y), (KMeans(3, random_state=0), None),
                 (MiniBatchKMeans(3, random_state=0), None), (GaussianMixture(2, random_state=0), None), (DummyRegressor(), y), (DummyClassifier(), three)]:
        add("others", str(m), clone(m), z, t, small=True)
    for m, t in [(svm.SVC(kernel="poly"), words), (svm.SVC(kernel="sigmoid", coef0=0.3), three), (svm.SVC(kernel="linear"), two), (svm.SVC(decision_function_shape="ovo"), three), (svm.SVC(gamma=2, break_ties=True), three),
                 (svm.NuSVC(nu=0.1), words), (svm.NuSVR(kernel="poly", degree=2), y), (svm.OneClassSVM(kernel="poly", nu=0.1), None), (KernelRidge(kernel="rbf"), y), (KernelRidge(kernel="polynomial"), np.c_[y, -y]),
                 (GaussianMixture(3, covariance_type="tied", random_state=0), None), (GaussianMixture(3, covariance_type="diag", random_state=0), None),
                 (GaussianMixture(3, covariance_type="spherical", random_state=0), None), (DummyClassifier(strategy="most_frequent"), words), (DummyRegressor(strategy="median"), np.c_[y, -y])]:
        add("others", str(m), clone(m), z, t, small=True)
    add("others", "SVC of rows that are not scaled", lambda: svm.SVC(gamma=0.5), x, three)
    add("others", "OneClassSVM behind a scaler", lambda: make_pipeline(StandardScaler(), svm.OneClassSVM(nu=0.05, gamma=0.1)), x, None)
    add("others", "SVC of texts", lambda: make_pipeline(TfidfVectorizer(), svm.SVC(C=10)), texts, text_three)
    add("others", "IsotonicRegression", lambda: IsotonicRegression(out_of_bounds="clip"), x[:, :1], y)
    # Networks.
    for act in ["relu", "tanh", "logistic", "identity"]:
        n = {"hidden_layer_sizes": (8, 5), "activation": act, "max_iter": 60, "random_state": 0}
        add("MLP", f"regression {act}", lambda: neural_network.MLPRegressor(**n), z, y)
        add("MLP", f"regression of two {act}", lambda: neural_network.MLPRegressor(**n), z, np.c_[y, -y])
        add("MLP", f"two classes {act}", lambda: neural_network.MLPClassifier(**n), z, two)
        add("MLP", f"three classes {act}", lambda: neural_network.MLPClassifier(**n), z, words)
    add("MLP", "many labels", lambda: neural_network.MLPClassifier((6,), max_iter=60, random_state=0), z, np.c_[two, three > 1])
    # scikit-learn's trees.
    for data, t, t2, tag in [(x, y, two, ""), (large, large_y, (large_y > 2).astype(int), " of large numbers")]:
        for m in [tree.DecisionTreeRegressor(max_depth=5, random_state=0), tree.ExtraTreeRegressor(max_depth=5, random_state=0), RandomForestRegressor(6, max_depth=5, random_state=0),
                  ExtraTreesRegressor(6, max_depth=5, random_state=0), GradientBoostingRegressor(n_estimators=6, random_state=0), HistGradientBoostingRegressor(max_iter=6, random_state=0)]:
            add("scikit-learn's trees", type(m).__name__ + tag, clone(m), data, t)
        for m in [tree.DecisionTreeClassifier(max_depth=5, random_state=0), tree.ExtraTreeClassifier(max_depth=5, random_state=0), RandomForestClassifier(6, max_depth=5, random_state=0),
                  ExtraTreesClassifier(6, max_depth=5, random_state=0), GradientBoostingClassifier(n_estimators=6, random_state=0), HistGradientBoostingClassifier(max_iter=6, random_state=0)]:
            add("scikit-learn's trees", type(m).__name__ + " of two" + tag, clone(m), data, t2)
            if not tag:
                add("scikit-learn's trees", type(m).__name__ + " of three", clone(m), data, words)
    for loss in ["absolute_error", "huber", "quantile"]:
        add("scikit-learn's trees", f"GradientBoostingRegressor {loss}", lambda: GradientBoostingRegressor(n_estimators=6, loss=loss, random_state=0), x, y)
    for loss in ["poisson", "gamma", "absolute_error"]:
        add("scikit-learn's trees", f"HistGradientBoostingRegressor {loss}", lambda: HistGradientBoostingRegressor(max_iter=6, loss=loss, random_state=0), x, positive)
    add("scikit-learn's trees", "HistGradientBoostingRegressor with holes", lambda: HistGradientBoostingRegressor(max_iter=6, random_state=0), holes, y)
    add("scikit-learn's trees", "HistGradientBoostingRegressor with categories", lambda: HistGradientBoostingRegressor(max_iter=6, categorical_features=[0, 1], random_state=0), whole, y, small=True)
    add("scikit-learn's trees", "RandomForestRegressor with holes", lambda: RandomForestRegressor(6, max_depth=5, random_state=0), holes, y)
    add("scikit-learn's trees", "GradientBoostingClassifier exponential", lambda: GradientBoostingClassifier(n_estimators=6, loss="exponential", random_state=0), x, two)
    named = table.assign(colour=table["colour"].astype("category"), shop=table["shop"].where(np.arange(N) % 9 > 0).astype("category"))
    add("scikit-learn's trees", "HistGradientBoostingRegressor with names of categories", lambda: HistGradientBoostingRegressor(max_iter=6), named, table_y, codes=True, small=True)
    add("scikit-learn's trees", "HistGradientBoostingClassifier with names of categories", lambda: HistGradientBoostingClassifier(max_iter=6, categorical_features=["shop"]), named.drop(columns="colour"), table_three, codes=True, small=True)
    for m in [tree.DecisionTreeRegressor(max_depth=5, random_state=0), RandomForestRegressor(6, max_depth=5, random_state=0), ExtraTreesRegressor(6, max_depth=5, random_state=0)]:
        add("scikit-learn's trees", type(m).__name__ + " of two targets", clone(m), x, np.c_[y, -y])
    for m in [tree.DecisionTreeClassifier(max_depth=5, random_state=0), RandomForestClassifier(6, max_depth=5, random_state=0)]:
        add("scikit-learn's trees", type(m).__name__ + " of two targets", clone(m), x, np.c_[two, three])
        add("scikit-learn's trees", type(m).__name__ + " of two targets, texts", clone(m), x, np.c_[words, np.array(["no", "yes"])[two]])
    # Isolation forests.
    for name, k in [("plain", {}), ("contamination", {"contamination": 0.1}), ("features", {"max_features": 0.5}), ("subsample", {"max_samples": 32})]:
        add("isolation forest", name, lambda: IsolationForest(n_estimators=20, random_state=0, **k), x, None)
        add("isolation forest", name + " behind a scaler", lambda: make_pipeline(StandardScaler(), IsolationForest(n_estimators=20, random_state=0, **k)), x, None)
    # LightGBM.
    for o in ["regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie"]:
        add("LightGBM", o, lambda: lightgbm.LGBMRegressor(objective=o, **lgb), x, positive)
    for b in ["dart", "rf"]:
        add("LightGBM", b, lambda: lightgbm.LGBMRegressor(boosting_type=b, subsample=0.7, subsample_freq=1, **lgb), x, y)
    for o in ["binary", "cross_entropy"]:
        add("LightGBM", o, lambda: lightgbm.LGBMClassifier(objective=o, **lgb), x, two)
    for o in ["multiclass", "multiclassova"]:
        add("LightGBM", o, lambda: lightgbm.LGBMClassifier(objective=o, **lgb), x, words)
    add("LightGBM", "linear trees", lambda: lightgbm.LGBMRegressor(linear_tree=True, **lgb), x, y, small=True)
    add("LightGBM", "with holes", lambda: lightgbm.LGBMRegressor(**lgb), holes, y)
    add("LightGBM", "zero as missing", lambda: lightgbm.LGBMRegressor(zero_as_missing=True, **lgb), whole, y)
    add("LightGBM", "large numbers", lambda: lightgbm.LGBMRegressor(**lgb), large, large_y)
    add("LightGBM", "classes of large numbers", lambda: lightgbm.LGBMClassifier(**lgb), large, (large_y > 2).astype(int))
    add("LightGBM", "ranker", lambda: _Ranked(lightgbm.LGBMRanker(**lgb)), x, three)
    coded = table.assign(colour=table["colour"].astype("category"), shop=table["shop"].astype("category"))
    add("LightGBM", "pandas categories", lambda: lightgbm.LGBMRegressor(min_data_per_group=5, cat_smooth=1, **lgb), coded, table_y, codes=True)
    add("LightGBM", "pandas categories, classes", lambda: lightgbm.LGBMClassifier(min_data_per_group=5, cat_smooth=1, **lgb), coded, table_three, codes=True)
    # XGBoost.
    for o in ["reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "count:poisson", "reg:gamma", "reg:tweedie", "reg:quantileerror"]:
        add("XGBoost", o, lambda: xgboost.XGBRegressor(objective=o, **({"quantile_alpha": 0.7} if "quantile" in o else {}), **xgb), x, positive)
    for o in ["binary:logistic", "binary:hinge", "binary:logitraw"]:
        add("XGBoost", o, lambda: xgboost.XGBClassifier(objective=o, **xgb), x, two)
    for o in ["multi:softprob", "multi:softmax"]:
        add("XGBoost", o, lambda: xgboost.XGBClassifier(objective=o, **xgb), x, three)
    for b in ["dart", "gblinear"]:
        add("XGBoost", b, lambda: xgboost.XGBRegressor(booster=b, **({"n_estimators": 6, "n_jobs": 1} if b == "gblinear" else xgb)), z, y)
    add("XGBoost", "random forest", lambda: xgboost.XGBRFRegressor(**xgb), x, y)
    add("XGBoost", "random forest of classes", lambda: xgboost.XGBRFClassifier(**xgb), x, two)
    add("XGBoost", "with holes", lambda: xgboost.XGBRegressor(**xgb), holes, y)
    add("XGBoost", "missing=-999", lambda: xgboost.XGBRegressor(missing=-999, **xgb), np.where(np.isnan(holes), -999, holes), y)
    add("XGBoost", "many labels", lambda: xgboost.XGBClassifier(**xgb), x, np.c_[two, three > 1].astype(int))
    add("XGBoost", "two targets", lambda: xgboost.XGBRegressor(**xgb), x, np.c_[y, -y])
    add("XGBoost", "vector leaves", lambda: xgboost.XGBRegressor(multi_strategy="multi_output_tree", tree_method="hist", **xgb), x, np.c_[y, -y])
    add("XGBoost", "large numbers", lambda: xgboost.XGBRegressor(**xgb), large, large_y)
    add("XGBoost", "early stopping", lambda: _Stopped(xgboost.XGBRegressor(n_estimators=60, early_stopping_rounds=3, learning_rate=0.9, max_depth=4, n_jobs=1)), x, y)
    add("XGBoost", "ranker", lambda: _Ranked(xgboost.XGBRanker(**xgb)), x, three)
    plain = coded.assign(colour=coded["colour"].cat.rename_categories({"grün": "grey"}))
    add("XGBoost", "pandas categories", lambda: xgboost.XGBRegressor(enable_categorical=True, **xgb), plain, table_y, codes=True)
    add("XGBoost", "pandas categories, not ASCII", lambda: xgboost.XGBRegressor(enable_categorical=True, **xgb), coded, table_y, codes=True)
    # CatBoost.
    for o in ["RMSE", "MAE", "Quantile:alpha=0.3", "LogLinQuantile", "Poisson", "MAPE", "Huber:delta=1", "Expectile:alpha=0.3", "Tweedie:variance_power=1.5", "LogCosh", "Lq:q=3"]:
        add("CatBoost", o, lambda: catboost.CatBoostRegressor(loss_function=o, **cat), x, positive)
    for o in ["Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"]:
        add("CatBoost", o, lambda: catboost.CatBoostClassifier(loss_function=o, **cat), x, words if o.startswith("Multi") else two)
    for g in ["Depthwise", "Lossguide"]:
        add("CatBoost", g, lambda: catboost.CatBoostRegressor(grow_policy=g, **cat), x, y)
    for o in ["MultiLogloss", "MultiCrossEntropy"]:
        add("CatBoost", f"many labels {o}", lambda: catboost.CatBoostClassifier(loss_function=o, **cat), x, np.c_[two, three > 1].astype(int))
    add("CatBoost", "MultiRMSE", lambda: catboost.CatBoostRegressor(loss_function="MultiRMSE", **cat), x, np.c_[y, -y])
    add("CatBoost", "with holes", lambda: catboost.CatBoostRegressor(**cat), holes, y)
    add("CatBoost", "large numbers", lambda: catboost.CatBoostRegressor(**cat), large, large_y)
    add("CatBoost", "one-hot categories", lambda: catboost.CatBoostRegressor(cat_features=["colour", "shop"], one_hot_max_size=10, **cat), table, table_y)
    add("CatBoost", "categories", lambda: catboost.CatBoostRegressor(cat_features=["colour", "shop"], one_hot_max_size=1, max_ctr_complexity=1, **cat), table, table_y)
    add("CatBoost", "combined categories", lambda: catboost.CatBoostClassifier(cat_features=["colour", "shop"], one_hot_max_size=1, **cat), table, table_three > 0)
    # Steps before a model.
    steps = [(StandardScaler(), x), (StandardScaler(with_mean=False), x), (StandardScaler(with_std=False), x), (MinMaxScaler(), x), (MinMaxScaler((-1, 2), clip=True), x), (MaxAbsScaler(), x),
             (RobustScaler(), x), (RobustScaler(with_centering=False), x), (RobustScaler(quantile_range=(10, 90), unit_variance=True), x), (Normalizer(), x), (Normalizer("l1"), x), (Normalizer("max"), x),
             (Binarizer(), x), (Binarizer(threshold=1.5), x), (PolynomialFeatures(2), z), (PolynomialFeatures(3, interaction_only=True), z), (PolynomialFeatures(2, include_bias=False), z),
             (PolynomialFeatures((2, 3)), z), (PowerTransformer(), z), (PowerTransformer(standardize=False), z), (PowerTransformer("box-cox"), np.abs(z) + 0.1),
             (QuantileTransformer(n_quantiles=50), x), (QuantileTransformer(n_quantiles=50, output_distribution="normal"), x),
             (KBinsDiscretizer(5, encode="ordinal"), x), (KBinsDiscretizer(5, encode="onehot"), x), (KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"), x),
             (KBinsDiscretizer(3, encode="ordinal", strategy="kmeans", random_state=0), x), (SplineTransformer(), z), (VarianceThreshold(0.5), x), (SelectKBest(f_regression, k=2), x),
             (SelectPercentile(f_regression, percentile=50), x), (SelectFromModel(L.Lasso(0.01)), z), (RFE(L.Ridge(), n_features_to_select=2), z), (PCA(2), z), (PCA(2, whiten=True), z),
             (IncrementalPCA(2), z), (TruncatedSVD(2, random_state=0), z), (FastICA(2, random_state=0), z), (NMF(2, max_iter=500), np.abs(z)), (KernelPCA(2), z),
             (FunctionTransformer(np.log1p), np.abs(z)), (FunctionTransformer(np.sqrt), np.abs(z)), (FunctionTransformer(np.abs), z), (FunctionTransformer(np.square), z),
             (FunctionTransformer(np.log), np.abs(z) + 0.1), (FunctionTransformer(np.exp), z), (FunctionTransformer(np.sin), z), (FunctionTransformer(np.tanh), z), (FunctionTransformer(), z),
             (FunctionTransformer(np.cbrt), z), (FunctionTransformer(np.log10), np.abs(z) + 0.1), (FunctionTransformer(np.reciprocal), np.abs(z) + 0.1), (FunctionTransformer(np.sign), z),
             (SimpleImputer(), holes), (SimpleImputer(strategy="median", add_indicator=True), holes), (SimpleImputer(strategy="most_frequent"), holes),
             (SimpleImputer(strategy="constant", fill_value=-1), holes), (SimpleImputer(missing_values=0), whole), (KNNImputer(), holes),
             (FeatureUnion([("s", StandardScaler()), ("m", MinMaxScaler())]), x), (FeatureUnion([("s", StandardScaler()), ("p", PCA(2))], transformer_weights={"s": 2.0}), z),
             (FeatureUnion([("i", SimpleImputer()), ("m", MissingIndicator())]), holes),
             (OneHotEncoder(handle_unknown="ignore"), whole), (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), whole),
             (OneHotEncoder(handle_unknown="ignore", min_frequency=40), whole), (OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3), whole),
             (TargetEncoder(), whole), (OrdinalEncoder(max_categories=3, encoded_missing_value=-2, handle_unknown="use_encoded_value", unknown_value=-5), np.where(rng.random(whole.shape) < 0.1, np.nan, whole))]
    for s, data in steps:
        add("steps", f"{s} and Ridge", lambda: make_pipeline(clone(s)(), L.Ridge()), data, y, small=data is not x)
        add("steps", f"{s} and LGBMRegressor", lambda: make_pipeline(clone(s)(), lightgbm.LGBMRegressor(**lgb)), data, y, small=data is not x)
    # Tables.
    encoders = [OneHotEncoder(handle_unknown="ignore"), OneHotEncoder(handle_unknown="ignore", sparse_output=False), OneHotEncoder(drop="first", sparse_output=False),
                OneHotEncoder(drop="if_binary", handle_unknown="ignore"), OneHotEncoder(min_frequency=60, handle_unknown="infrequent_if_exist"), OneHotEncoder(max_categories=3, handle_unknown="ignore"),
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
                OrdinalEncoder(min_frequency=60, handle_unknown="use_encoded_value", unknown_value=-1), TargetEncoder(random_state=0), TargetEncoder(smooth=5.0, random_state=0)]
    for e in encoders:
        for m in [L.Ridge(), lightgbm.LGBMRegressor(**lgb), xgboost.XGBRegressor(**xgb)]:
            prepare = ColumnTransformer([("n", StandardScaler(), ["width", "height"]), ("t", e, ["colour", "shop"])], remainder="passthrough")
            if isinstance(m, L.Ridge) and "nan" in str(e):
                continue
            add("tables", f"{e} and {type(m).__name__}", lambda: make_pipeline(clone(prepare)(), clone(m)()), table, table_y, small=True)
    add("tables", "weights", lambda: make_pipeline(ColumnTransformer([("n", StandardScaler(), ["width", "height"]), ("t", OneHotEncoder(), ["colour"])], transformer_weights={"n": 0.5, "t": 3}), L.Ridge()), table, table_y, small=True)
    gaps = table.assign(colour=table["colour"].where(rng.random(N) > 0.1, np.nan))
    add("tables", "missing texts", lambda: make_pipeline(ColumnTransformer([("t", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), ["colour", "shop"])], remainder="passthrough"), L.Ridge()), table, table_y, small=True)
    add("tables", "filled texts", lambda: make_pipeline(ColumnTransformer([("t", make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder(handle_unknown="ignore")), ["colour", "shop"])], remainder="drop"), L.Ridge()), gaps, table_y, small=True, codes=True)
    add("tables", "classes", lambda: make_pipeline(ColumnTransformer([("t", OneHotEncoder(), ["colour", "shop"])], remainder=StandardScaler()), L.LogisticRegression()), table, table_three, small=True)
    add("tables", "FeatureUnion", lambda: make_pipeline(ColumnTransformer([("n", FeatureUnion([("s", StandardScaler()), ("p", PolynomialFeatures(2))]), ["width", "height"])]), L.Ridge()), table, table_y, small=True)
    # Models of models.
    inner = {"LGBM": (lightgbm.LGBMRegressor(**lgb), lightgbm.LGBMClassifier(**lgb)), "XGB": (xgboost.XGBRegressor(**xgb), xgboost.XGBClassifier(**xgb)),
             "forest": (RandomForestRegressor(5, max_depth=4, random_state=0), RandomForestClassifier(5, max_depth=4, random_state=0)), "linear": (L.Ridge(), L.LogisticRegression()),
             "scaled": (make_pipeline(StandardScaler(), L.Ridge()), make_pipeline(StandardScaler(), L.LogisticRegression()))}
    other = {"LGBM": (L.Ridge(), L.LogisticRegression()), "XGB": (tree.DecisionTreeRegressor(max_depth=3), tree.DecisionTreeClassifier(max_depth=3)),
             "forest": (L.Lasso(0.01), naive_bayes.GaussianNB()), "linear": (tree.DecisionTreeRegressor(max_depth=3), tree.DecisionTreeClassifier(max_depth=3)),
             "scaled": (lightgbm.LGBMRegressor(**lgb), lightgbm.LGBMClassifier(**lgb))}
    for n, (r, c) in inner.items():
        r2, c2 = other[n]
        k = "models of models"
        add(k, f"MultiOutputRegressor {n}", lambda: MultiOutputRegressor(clone(r)()), z, np.c_[y, -y])
        add(k, f"MultiOutputClassifier {n}", lambda: MultiOutputClassifier(clone(c)()), z, np.c_[two, three])
        add(k, f"RegressorChain {n}", lambda: RegressorChain(clone(r)()), z, np.c_[y, -y])
        add(k, f"OneVsRest {n}", lambda: OneVsRestClassifier(clone(c)()), z, three)
        add(k, f"OneVsOne {n}", lambda: OneVsOneClassifier(clone(c)()), z, three)
        add(k, f"Voting regression {n}", lambda: VotingRegressor([("a", clone(r)()), ("b", clone(r2)())], weights=[2, 1]), z, y)
        add(k, f"Voting soft {n}", lambda: VotingClassifier([("a", clone(c)()), ("b", clone(c2)())], voting="soft"), z, three)
        add(k, f"Voting hard {n}", lambda: VotingClassifier([("a", clone(c)()), ("b", clone(c2)()), ("c", L.LogisticRegression(C=0.1))]), z, three)
        add(k, f"Stacking regression {n}", lambda: StackingRegressor([("a", clone(r)()), ("b", clone(r2)())], L.Ridge()), z, y)
        add(k, f"Stacking classes {n}", lambda: StackingClassifier([("a", clone(c)()), ("b", clone(c2)())], L.LogisticRegression()), z, three)
        add(k, f"Bagging regression {n}", lambda: BaggingRegressor(clone(r)(), 4, random_state=0), z, y)
        add(k, f"Bagging classes {n}", lambda: BaggingClassifier(clone(c)(), 4, max_features=0.75, random_state=0), z, three)
        add(k, f"Calibrated sigmoid {n}", lambda: CalibratedClassifierCV(clone(c)(), cv=3), z, two)
        add(k, f"Calibrated isotonic {n}", lambda: CalibratedClassifierCV(clone(c)(), method="isotonic", cv=3), z, three)
        add(k, f"TransformedTarget {n}", lambda: TransformedTargetRegressor(clone(r)(), func=np.log1p, inverse_func=np.expm1), z, positive)
        add(k, f"GridSearchCV {n}", lambda: GridSearchCV(make_pipeline(StandardScaler(), clone(r)()), {}, cv=2), x, y)
    k = "models of models"
    add(k, "AdaBoost regression", lambda: AdaBoostRegressor(tree.DecisionTreeRegressor(max_depth=3), n_estimators=5, random_state=0), z, y)
    add(k, "AdaBoost two classes", lambda: AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=2), n_estimators=5, random_state=0), z, two)
    add(k, "AdaBoost three classes", lambda: AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=2), n_estimators=5, random_state=0), z, words)
    add(k, "Calibrated temperature", lambda: CalibratedClassifierCV(L.LogisticRegression(), method="temperature", cv=3), z, three)
    add(k, "Calibrated LinearSVC", lambda: CalibratedClassifierCV(svm.LinearSVC(random_state=0), cv=3), z, three)
    add(k, "Stacking with the rows", lambda: StackingClassifier([("a", lightgbm.LGBMClassifier(**lgb))], L.LogisticRegression(), passthrough=True), z, two)
    add(k, "ClassifierChain", lambda: ClassifierChain(L.LogisticRegression()), z, np.c_[two, three > 1])
    add(k, "OneVsRest of many labels", lambda: OneVsRestClassifier(L.LogisticRegression()), z, np.c_[two, three > 1])
    add(k, "OneVsRest LinearSVC", lambda: OneVsRestClassifier(svm.LinearSVC(random_state=0)), z, three)
    add(k, "TransformedTarget of a StandardScaler", lambda: TransformedTargetRegressor(L.Ridge(), transformer=StandardScaler()), z, y)
    add(k, "TransformedTarget quantiles", lambda: TransformedTargetRegressor(L.Ridge(), transformer=QuantileTransformer(n_quantiles=30)), z, y)
    add(k, "TransformedTarget power", lambda: TransformedTargetRegressor(L.Ridge(), transformer=PowerTransformer()), z, y)
    add(k, "TransformedTarget sqrt", lambda: TransformedTargetRegressor(L.Ridge(), func=np.sqrt, inverse_func=np.square), z, positive)
    no_yes = np.array(["no", "yes"])[two]
    few = table.assign(colour=table["colour"].astype("category"), shop=table["shop"].astype("category"))
    mixed_columns = ColumnTransformer([("n", StandardScaler(), ["width"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["colour"])])
    add(k, "RegressorChain in another order", lambda: RegressorChain(L.Ridge(), order=[1, 0]), z, np.c_[y, -(y**2)])
    add(k, "Calibrated temperature of two classes", lambda: CalibratedClassifierCV(svm.LinearSVC(random_state=0), method="temperature", cv=3), z, two)
    add(k, "Calibrated temperature of probabilities", lambda: CalibratedClassifierCV(RandomForestClassifier(5, max_depth=4, random_state=0), method="temperature", cv=3), z, three)
    add(k, "Calibrated FrozenEstimator", lambda: CalibratedClassifierCV(FrozenEstimator(L.LogisticRegression().fit(z, two)), method="isotonic"), z, two)
    add(k, "Calibrated table", lambda: CalibratedClassifierCV(make_pipeline(clone(mixed_columns)(), L.LogisticRegression()), cv=3), table, table_three, small=True)
    for m, t in [(discriminant_analysis.QuadraticDiscriminantAnalysis(), two), (discriminant_analysis.QuadraticDiscriminantAnalysis(), three), (BaggingClassifier(L.LogisticRegression(), 3, random_state=0), three),
                 (BaggingClassifier(svm.LinearSVC(random_state=0), 3, random_state=0), two), (OneVsRestClassifier(L.LogisticRegression()), two)]:
        add(k, f"Calibrated scores of {m}, classes {len(set(t))}", lambda: CalibratedClassifierCV(clone(m)(), cv=2), z, t)
    add(k, "OneVsRest of QuadraticDiscriminantAnalysis", lambda: OneVsRestClassifier(discriminant_analysis.QuadraticDiscriminantAnalysis()), z, three)
    add(k, "OneVsRest of Bagging", lambda: OneVsRestClassifier(BaggingClassifier(L.LogisticRegression(), 3, random_state=0)), z, three)
    add(k, "OneVsOne of two classes", lambda: OneVsOneClassifier(L.LogisticRegression()), z, two)
    add(k, "Voting with a dropped model", lambda: VotingClassifier([("a", L.LogisticRegression()), ("b", "drop"), ("c", naive_bayes.GaussianNB())], voting="soft", weights=[3, 2, 1]), z, three)
    add(k, "Voting of tables", lambda: VotingRegressor([("s", StackingRegressor([("a", make_pipeline(clone(mixed_columns)(), L.Ridge()))], L.Ridge())),
        ("t", TransformedTargetRegressor(make_pipeline(ColumnTransformer([("t", TargetEncoder(random_state=0), ["shop"])]), L.Ridge()), transformer=StandardScaler()))]), table, table_y, small=True)
    add(k, "Voting of LightGBM with pandas categories", lambda: VotingRegressor([("a", lightgbm.LGBMRegressor(min_data_per_group=5, cat_smooth=1, **lgb)), ("b", lightgbm.LGBMRegressor(min_data_per_group=5, cat_smooth=1, **{**lgb, "n_estimators": 3}))]), few, table_y, codes=True)
    add(k, "FixedThreshold of probabilities", lambda: FixedThresholdClassifier(L.LogisticRegression(), threshold=0.3, response_method="predict_proba", pos_label="no"), z, no_yes)
    add(k, "FixedThreshold of scores", lambda: FixedThresholdClassifier(L.LogisticRegression(), threshold=-0.4, response_method="decision_function"), z, no_yes)
    add(k, "TunedThreshold", lambda: TunedThresholdClassifierCV(svm.LinearSVC(random_state=0), cv=3, scoring="f1"), z, two)
    # Texts.
    vectorizers = {"counts": CountVectorizer(), "binary counts of pairs": CountVectorizer(binary=True, ngram_range=(1, 2)), "TF-IDF": TfidfVectorizer(), "TF-IDF sublinear l1": TfidfVectorizer(sublinear_tf=True, norm="l1"),
                   "TF-IDF pairs": TfidfVectorizer(ngram_range=(1, 2), max_features=200), "TF-IDF as written": TfidfVectorizer(lowercase=False, use_idf=False, norm=None),
                   "TF-IDF stop words": TfidfVectorizer(stop_words="english"), "stop words and pairs": TfidfVectorizer(stop_words="english", ngram_range=(1, 2)),
                   "accents": TfidfVectorizer(strip_accents="unicode"), "ASCII accents": TfidfVectorizer(strip_accents="ascii"),
                   "letters": TfidfVectorizer(analyzer="char", ngram_range=(2, 3), max_features=300), "letters of words": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=300),
                   "single letters": CountVectorizer(analyzer="char"), "pattern of one letter": CountVectorizer(token_pattern=r"(?u)\b\w+\b"), "pattern of non-blanks": CountVectorizer(token_pattern=r"\S+"),
                   "pattern of ASCII": CountVectorizer(token_pattern=r"[a-zA-Z]+"), "hashing": HashingVectorizer(n_features=64), "hashing letters": HashingVectorizer(n_features=64, analyzer="char_wb", ngram_range=(2, 3)),
                   "hashing plain": HashingVectorizer(n_features=32, alternate_sign=False, norm=None, binary=True)}
    for n, v in vectorizers.items():
        for m in [L.LogisticRegression(), xgboost.XGBClassifier(**xgb)]:
            add("texts", f"{n} and {type(m).__name__}", lambda: make_pipeline(clone(v)(), clone(m)()), texts, text_three)
    for m in [naive_bayes.MultinomialNB(), naive_bayes.ComplementNB(), svm.LinearSVC(random_state=0), L.SGDClassifier(random_state=0), lightgbm.LGBMClassifier(**lgb), RandomForestClassifier(5, max_depth=5, random_state=0)]:
        add("texts", f"TF-IDF and {type(m).__name__}", lambda: make_pipeline(TfidfVectorizer(), clone(m)()), texts, text_three)
    for m in [L.Ridge(), lightgbm.LGBMRegressor(**lgb), xgboost.XGBRegressor(**xgb)]:
        add("texts", f"counts, TF-IDF and {type(m).__name__}", lambda: make_pipeline(CountVectorizer(), TfidfTransformer(), clone(m)()), texts, text_y)
    add("texts", "TF-IDF, SVD and Ridge", lambda: make_pipeline(TfidfVectorizer(), TruncatedSVD(5, random_state=0), L.Ridge()), texts, text_y)
    add("texts", "two kinds of terms", lambda: make_pipeline(FeatureUnion([("w", TfidfVectorizer()), ("c", TfidfVectorizer(analyzer="char", max_features=100))]), L.LogisticRegression()), texts, text_three)
    mixed = pd.DataFrame({"message": texts, "size": x[:, 0]})
    add("texts", "texts and numbers", lambda: make_pipeline(ColumnTransformer([("t", TfidfVectorizer(), "message"), ("n", StandardScaler(), ["size"])]), L.LogisticRegression()), mixed, text_three, small=True)
    return out


class _Wrapped:
    def __init__(self, model):
        self.model = model


class _Ranked(_Wrapped):
    def fit(self, rows, target):
        return self.model.fit(rows, target, group=[len(rows) // 10] * 10)


class _Stopped(_Wrapped):
    def fit(self, rows, target):
        return self.model.fit(rows[:200], target[:200], eval_set=[(rows[200:], target[200:])], verbose=False)
