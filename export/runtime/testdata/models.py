"""Makes the models of this folder: python models.py, with numpy and onnx installed.

The expected values in the Go tests are these models' arithmetic, done by hand or,
for the trees, by objective/tree on the same trees (trees.json.gz).
"""

import gzip
import json

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

N = "batch"


def save(name, nodes, inputs, outputs, inits=(), ir=8, opset=17, ml=None, meta=(), check=True):
    opsets = [h.make_opsetid("", opset)]
    if ml:
        opsets.append(h.make_opsetid("ai.onnx.ml", ml))
    graph = h.make_graph(nodes, name, inputs, outputs, list(inits))
    m = h.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="models.py")
    h.set_model_props(m, dict(meta))
    if check:
        onnx.checker.check_model(m, full_check=True)
    with open(name + ".onnx", "wb") as f:
        f.write(m.SerializeToString())
    return m


def value(name, kind, *shape):
    return h.make_tensor_value_info(name, kind, shape)


def const(name, a):
    return nh.from_array(np.asarray(a), name)


f32, f64 = np.float32, np.float64

# y = x1 + 2 x2 + 3 x3 + 0.5
linear = save(
    "linear",
    [h.make_node("Gemm", ["x", "w", "b"], ["y"])],
    [value("x", T.FLOAT, N, 3)],
    [value("y", T.FLOAT, N, 1)],
    [const("w", f32([[1], [2], [3]])), const("b", f32([0.5]))],
    meta={"attune.study": "demand", "attune.trial": "17"},
)

# Two outputs, in double: the sum and the difference of two values.
save(
    "double",
    [h.make_node("MatMul", ["x", "w"], ["y"])],
    [value("x", T.DOUBLE, N, 2)],
    [value("y", T.DOUBLE, N, 2)],
    [const("w", f64([[1, 1], [1, -1]]))],
)

# Means over time of windows of 4 steps of 2 values: three dimensions in, one out.
save(
    "window",
    [h.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)],
    [value("x", T.FLOAT, N, 4, 2)],
    [value("y", T.FLOAT, N)],
)

# A sum of two inputs, and what a predictor cannot be: several of all kinds.
save(
    "two_inputs",
    [h.make_node("Add", ["a", "b"], ["sum"])],
    [value("a", T.FLOAT, N, 2), value("b", T.FLOAT, N, 2)],
    [value("sum", T.FLOAT, N, 2)],
)
save(
    "kinds",
    [
        h.make_node("Identity", ["f"], ["f_out"]),
        h.make_node("Identity", ["d"], ["d_out"]),
        h.make_node("Identity", ["i"], ["i_out"]),
        h.make_node("Identity", ["s"], ["s_out"]),
        h.make_node("Cast", ["f"], ["b_out"], to=T.BOOL),
    ],
    [value("f", T.FLOAT, N), value("d", T.DOUBLE, N, 2), value("i", T.INT64, 2, 2), value("s", T.FLOAT)],
    [
        value("f_out", T.FLOAT, N), value("d_out", T.DOUBLE, N, 2), value("i_out", T.INT64, 2, 2),
        value("s_out", T.FLOAT), value("b_out", T.BOOL, N),
    ],
)
save("text", [h.make_node("Identity", ["s"], ["t"])], [value("s", T.STRING, N)], [value("t", T.STRING, N)])
save("half", [h.make_node("Identity", ["x"], ["y"])], [value("x", T.FLOAT16, N, 2)], [value("y", T.FLOAT16, N, 2)])

# Widths that are not told; and one that is told wrong, which is seen when it runs.
wide = [h.make_node("Gemm", ["x", "w", "b"], ["y"])]
weights = [const("w", f32([[1], [2], [3]])), const("b", f32([0.5]))]
save("symbolic", wide, [value("x", T.FLOAT, N, "width")], [value("y", T.FLOAT, N, "outputs")], weights)
save("wrong_output", wide, [value("x", T.FLOAT, N, 3)], [value("y", T.FLOAT, N, 2)], weights, check=False)

# A batch of three and no other.
save("fixed", wide, [value("x", T.FLOAT, 3, 3)], [value("y", T.FLOAT, 3, 1)], weights)

# Adds 1 to x, n times over: as long as one likes.
body = h.make_graph(
    [h.make_node("Identity", ["c"], ["c_out"]), h.make_node("Add", ["v", "one"], ["v_out"])],
    "body",
    [value("k", T.INT64), value("c", T.BOOL), value("v", T.FLOAT)],
    [value("c_out", T.BOOL), value("v_out", T.FLOAT)],
    [const("one", f32(1))],
)
save(
    "loop",
    [h.make_node("Loop", ["n", "", "x"], ["y"], body=body)],
    [value("n", T.INT64), value("x", T.FLOAT)],
    [value("y", T.FLOAT)],
)

# Newer than any runtime, and operators that there are not.
save("new_ir", linear.graph.node, linear.graph.input, linear.graph.output, linear.graph.initializer, ir=99, check=False)
save("new_opset", linear.graph.node, linear.graph.input, linear.graph.output, linear.graph.initializer, opset=99, check=False)
save("unknown_op", [h.make_node("Levitate", ["x"], ["y"])], [value("x", T.FLOAT, N, 3)], [value("y", T.FLOAT, N, 3)], check=False)


# Trees of 31 leaves on 20 features, grown at random leaves.
def grow(rng, leaves, features):
    nodes, ends = [], [None]  # ends: (parent, is_left) of each leaf

    for leaf in range(1, leaves):
        at = rng.integers(len(ends))
        parent = ends[at]
        n = len(nodes)
        nodes.append({
            "f": int(rng.integers(features)), "t": round(float(rng.normal()), 4), "d": bool(rng.integers(2)),
            "l": ~int(at), "r": ~leaf,
        })
        if parent:
            nodes[parent[0]]["l" if parent[1] else "r"] = n
        ends[at] = (n, True)
        ends.append((n, False))
    return {"nodes": nodes, "leaves": [round(float(v), 5) for v in rng.normal(size=leaves)]}


def ensemble5(trees, features):
    """TreeEnsemble of ai.onnx.ml 5, in double. A root in the table of leaves does not occur."""
    a = {k: [] for k in ("featureids", "splits", "modes", "truenodeids", "falsenodeids", "trueleafs", "falseleafs", "missing")}
    roots, weights = [], []
    for t in trees:
        base, leaf0 = len(a["splits"]), len(weights)
        roots.append(base)
        weights += t["leaves"]
        for n in t["nodes"]:
            a["featureids"].append(n["f"])
            a["splits"].append(n["t"])
            a["modes"].append(0)  # <=
            a["missing"].append(int(n["d"]))
            for side, key in (("true", "l"), ("false", "r")):
                child = n[key]
                a[side + "leafs"].append(int(child < 0))
                a[side + "nodeids"].append(leaf0 + ~child if child < 0 else base + child)
    return h.make_node(
        "TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, aggregate_function=1, post_transform=0,
        tree_roots=roots, nodes_featureids=a["featureids"], nodes_splits=const("", f64(a["splits"])),
        nodes_modes=const("", np.uint8(a["modes"])), nodes_truenodeids=a["truenodeids"],
        nodes_falsenodeids=a["falsenodeids"], nodes_trueleafs=a["trueleafs"], nodes_falseleafs=a["falseleafs"],
        nodes_missing_value_tracks_true=a["missing"], leaf_targetids=[0] * len(weights),
        leaf_weights=const("", f64(weights)),
    )


def floor32(t):
    v = f32(t)
    return float(np.nextafter(v, f32(-np.inf))) if float(v) > t else float(v)


def ensemble3(trees, kind="Regressor", **more):
    """TreeEnsembleRegressor or Classifier of ai.onnx.ml 3, in float: each tree's nodes, then its leaves."""
    n = {k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing")}
    w = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for i, t in enumerate(trees):
        inner = len(t["nodes"])
        place = lambda c: inner + ~c if c < 0 else c
        for j, node in enumerate(t["nodes"]):
            for key, v in zip(n, (i, j, node["f"], floor32(node["t"]), "BRANCH_LEQ", place(node["l"]), place(node["r"]), int(node["d"]))):
                n[key].append(v)
        for j, v in enumerate(t["leaves"]):
            for key, x in zip(n, (i, inner + j, 0, 0.0, "LEAF", 0, 0, 0)):
                n[key].append(x)
            for key, x in zip(w, (i, inner + j, 0, v)):
                w[key].append(x)
    what = "target" if kind == "Regressor" else "class"
    missing = n.pop("missing")
    return h.make_node(
        "TreeEnsemble" + kind, ["x"], more.pop("outputs", ["y"]), domain="ai.onnx.ml",
        nodes_missing_value_tracks_true=missing, **{"nodes_" + k: v for k, v in n.items()},
        **{what + "_" + k: v for k, v in w.items()}, **more,
    )


rng = np.random.default_rng(5)
FEATURES = 20
trees = [grow(rng, 31, FEATURES) for _ in range(100)]
with gzip.GzipFile("trees.json.gz", "wb", mtime=0) as f:
    f.write(json.dumps(trees, separators=(",", ":")).encode())

save("trees_double", [ensemble5(trees, FEATURES)], [value("x", T.DOUBLE, N, FEATURES)], [value("y", T.DOUBLE, N, 1)], ml=5, ir=9, opset=17)
save("trees_float", [ensemble3(trees[:10], n_targets=1)], [value("x", T.FLOAT, N, FEATURES)], [value("y", T.FLOAT, N, 1)], ml=3)

# A feature that is not there: seen when it runs.
save("bad_feature", [ensemble3(trees[:1], n_targets=1)], [value("x", T.FLOAT, N, 2)], [value("y", T.FLOAT, N, 1)], ml=3)

# A classifier: labels and probabilities; and with a ZipMap, as other converters end theirs.
classes = dict(classlabels_int64s=[0, 1], post_transform="LOGISTIC", outputs=["label", "probabilities"])
save(
    "classifier", [ensemble3(trees[:10], "Classifier", **classes)], [value("x", T.FLOAT, N, FEATURES)],
    [value("label", T.INT64, N), value("probabilities", T.FLOAT, N, 2)], ml=3,
)
zipped = h.make_value_info(
    "map", h.make_sequence_type_proto(h.make_map_type_proto(T.INT64, h.make_tensor_type_proto(T.FLOAT, [])))
)
save(
    "zipmap",
    [
        ensemble3(trees[:10], "Classifier", **dict(classes)),
        h.make_node("ZipMap", ["probabilities"], ["map"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]),
    ],
    [value("x", T.FLOAT, N, FEATURES)], [value("label", T.INT64, N), zipped], ml=3, check=False,
)
