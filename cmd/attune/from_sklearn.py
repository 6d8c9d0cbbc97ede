"""Writes a forest of scikit-learn as a file that attune convert reads.

    python from_sklearn.py model.joblib model.json
    attune convert model.json --output model.onnx

Decision trees, random forests and extra trees, of numbers and of classes, and isolation
forests; of scikit-learn 1.0 and later. The file predicts what predict does for numbers,
predict_proba for classes, and -score_samples for isolation forests: anomaly scores from
0 to 1.
"""

import json
import sys

import joblib
import numpy


FORESTS = [kind + target for kind in ("DecisionTree", "RandomForest", "ExtraTrees") for target in ("Classifier", "Regressor")]


def tree(t, leaf, features=None, output=0):
    """One tree_ of scikit-learn; leaf returns the value of the leaf that is node i."""
    inner = t.children_left >= 0
    number = numpy.where(inner, numpy.cumsum(inner) - 1, -numpy.cumsum(~inner))  # -1 is leaf 0
    feature = t.feature[inner] if features is None else numpy.asarray(features)[t.feature[inner]]
    out = {
        "output": output,
        "feature": feature.tolist(),
        "threshold": [x if numpy.isfinite(x) else str(x) for x in t.threshold[inner].tolist()],
        "left": number[t.children_left[inner]].tolist(),
        "right": number[t.children_right[inner]].tolist(),
        "count": t.n_node_samples[inner].tolist(),
        "leaf": [float(leaf(i)) for i in numpy.flatnonzero(~inner)],
        "leaf_count": t.n_node_samples[~inner].tolist(),
    }
    if hasattr(t, "missing_go_to_left"):
        out["default_left"] = t.missing_go_to_left[inner].astype(bool).tolist()
    return out


def path_length(n):
    """The mean depth of a search among n rows that finds nothing."""
    if n <= 2:
        return max(0.0, n - 1.0)
    return 2.0 * (numpy.log(n - 1.0) + numpy.euler_gamma) - 2.0 * (n - 1.0) / n


def isolation(model):
    trees = []
    for e, features in zip(model.estimators_, model.estimators_features_):
        t = e.tree_
        depth = numpy.zeros(t.node_count)
        for i in range(t.node_count):  # parents come before their children
            if t.children_left[i] >= 0:
                depth[[t.children_left[i], t.children_right[i]]] = depth[i] + 1
        trees.append(tree(t, lambda i: depth[i] + path_length(int(t.n_node_samples[i])), features))
    scale = float(path_length(int(model.max_samples_)))
    return {"outputs": 1, "link": "anomaly", "link_scale": scale}, trees


def forest(model):
    if model.n_outputs_ > 1 and hasattr(model, "classes_"):
        sys.exit("classes of several targets: a model for each target is wanted")
    trees, outputs = [], model.n_outputs_
    for e in getattr(model, "estimators_", [model]):
        t = e.tree_
        value = t.value[:, :, 0]
        if hasattr(model, "classes_"):
            value = t.value[:, 0, :]
            value = numpy.where(abs(value.sum(1, keepdims=True) - 1) < 1e-6, value, value / value.sum(1, keepdims=True))
            outputs = value.shape[1]
        for k in range(outputs):
            trees.append(tree(t, lambda i: value[i, k], output=k))
    return {"outputs": outputs}, trees


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    model = joblib.load(sys.argv[1])
    kind = type(model).__name__
    if kind == "IsolationForest":
        head, trees = isolation(model)
    elif kind in FORESTS:
        head, trees = forest(model)
    else:
        sys.exit(f"{kind}: want one of IsolationForest, {', '.join(FORESTS)}")
    names = getattr(model, "feature_names_in_", [""] * model.n_features_in_)
    doc = {"format": "attune tree model", "version": 1, **head, "average": True, "float32": True,
           "features": [{"name": str(n)} for n in names], "trees": trees}
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(doc, file, separators=(",", ":"), allow_nan=False)


if __name__ == "__main__":
    main()
