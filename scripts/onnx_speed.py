"""Measures ways to run tree ensembles: see onnx.sh. Arguments: the program attune, a folder.

The machine may have other work to do. So times in Python are of the processor, the median
of the calls; those in Go are the least of three medians.
"""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import catboost
import joblib
import lightgbm
import numpy as np
import onnx
import onnxruntime
import skl2onnx
import sklearn
import xgboost
from sklearn.ensemble import IsolationForest, RandomForestRegressor

ATTUNE, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
BATCHES = [1, 100]

rng = np.random.default_rng(7)


def table(features):
    """Rows to train on, their targets, and rows to predict."""
    x = rng.normal(size=(6000, features))
    y = 2 * x[:, 0] + np.sin(3 * x[:, 1]) + x[:, 2] * x[:, 3] + 0.1 * rng.normal(size=6000)
    return x[:5000], y[:5000], x[5000:]


def milliseconds(call, seconds):
    """The median time of a call, called for so many seconds."""
    call()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        begin = time.process_time()
        call()
        times.append(1e3 * (time.process_time() - begin))
    return statistics.median(times)


def session(file):
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = o.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file, o, providers=["CPUExecutionProvider"])


def measure(load, predict, rows, file):
    """load opens the file, and predict(model, rows) asks it."""
    model = load(file)
    batches = [rows[:n] for n in BATCHES]
    return {
        "load": milliseconds(lambda: load(file), 0.5),
        "batch": [milliseconds(lambda: predict(model, b), 0.5) for b in batches],
        "size": os.path.getsize(file),
        "answer": np.asarray(predict(model, rows), float).reshape(len(rows), -1),
    }


def onnx_in_python(file, rows, output, dtype, change=lambda y: y):
    def predict(s, rows):
        return change(s.run([output], {s.get_inputs()[0].name: rows.astype(dtype)})[0])

    return measure(session, predict, rows, str(file))


def attune(source, rows, form):
    """What attune convert --benchmark tells of its native predictor and of ONNX Runtime in Go."""
    csv, out, told = FOLDER / "rows.csv", FOLDER / f"{form}.onnx", FOLDER / "speed.json"
    header = ",".join(f"c{i}" for i in range(rows.shape[1]))
    np.savetxt(csv, rows, delimiter=",", header=header, comments="", fmt="%.17g")
    runs = []
    for _ in range(3):
        run = subprocess.run([ATTUNE, "convert", source, "--output", out, "--form", form, "--rows", csv, "--benchmark-json", told],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if run.returncode:
            sys.exit(run.stdout)
        runs.append(json.loads(told.read_text())["subjects"])
    onnx.checker.check_model(onnx.load(out), full_check=True)
    ways = []
    for same in zip(*runs):
        batch = [min(b["p50_ns"] for s in same for b in s["batches"] if b["rows"] == n) / 1e6 for n in BATCHES]
        ways.append({"load": min(s["load"]["p50_ns"] for s in same) / 1e6, "batch": batch, "size": same[0]["file_bytes"], "answer": None})
    dtype = np.float64 if form == "exact" else np.float32
    return ways[0], ways[1], onnx_in_python(out, rows, "predictions", dtype)


def show(title, ways):
    print(f"\n**{title}**\n")
    print("| | 1 row, ms | 100 rows, ms | load, ms | kB | furthest from the library |")
    print("|---|--:|--:|--:|--:|--:|")
    want = ways[0][1]["answer"]
    for name, w in ways:
        far = ""
        if w["answer"] is not None:
            far = f"{abs(w['answer'] - want).max():.2g}"
            if not np.allclose(w["answer"], want, rtol=1e-3, atol=1e-4):
                sys.exit(f"{title}: {name} does not predict what the library does: {far}")
        batch = " | ".join(f"{b:.4f}" for b in w["batch"])
        print(f"| {name} | {batch} | {w['load']:.2f} | {w['size'] / 1e3:.0f} | {far} |", flush=True)


def compare(title, name, library, source, rows, more=()):
    native, go, python = attune(source, rows, "exact")
    _, go32, python32 = attune(source, rows, "compatible")
    show(title, [(name, library), *more, ("attune, native", native), ("attune's ONNX, exact, in Go", go), ("the same in Python", python),
                 ("attune's ONNX, compatible, in Go", go32), ("the same in Python", python32)])


def scikit(title, model, rows, predict, graph, change):
    """A forest of scikit-learn, and skl2onnx beside."""
    file = FOLDER / "model.joblib"
    joblib.dump(model, file)
    kind = [("rows", skl2onnx.common.data_types.FloatTensorType([None, rows.shape[1]]))]
    converted = skl2onnx.convert_sklearn(model, initial_types=kind, target_opset={"": 17, "ai.onnx.ml": 3})
    theirs = FOLDER / "skl2onnx.onnx"
    theirs.write_bytes(converted.SerializeToString())
    more = [("skl2onnx, in Python", onnx_in_python(theirs, rows, graph, np.float32, change))]
    compare(title, "scikit-learn, joblib", measure(joblib.load, predict, rows, file), file, rows, more)


def main():
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one thread each; scikit-learn {sklearn.__version__}, "
          f"skl2onnx {skl2onnx.__version__}, LightGBM {lightgbm.__version__}, XGBoost {xgboost.__version__}, CatBoost {catboost.__version__}, "
          f"onnxruntime {onnxruntime.__version__}")

    x, _, rows = table(8)
    rows = rows.astype(np.float32).astype(float)
    for samples in (100, 256):
        model = IsolationForest(n_estimators=200, max_samples=samples, random_state=1).fit(x)
        # What skl2onnx converts is the decision function: score_samples - offset_.
        scikit(f"Isolation forest, 200 trees of {samples} rows, 8 features", model, rows, lambda m, r: -m.score_samples(r), "scores",
               lambda y: -(y + model.offset_))

    x, y, rows = table(20)
    rows = rows.astype(np.float32).astype(float)
    scikit("Random forest, 100 trees of at most 64 leaves, 20 features", RandomForestRegressor(100, max_leaf_nodes=64, random_state=1).fit(x, y),
           rows, lambda m, r: m.predict(r), "variable", lambda y: y)

    file = str(FOLDER / "lightgbm.txt")
    lightgbm.train({"num_leaves": 31, "num_threads": 1, "verbose": -1}, lightgbm.Dataset(x, y), 100).save_model(file)
    compare("LightGBM, 100 trees of 31 leaves, 20 features", "LightGBM",
            measure(lambda f: lightgbm.Booster(model_file=f), lambda m, r: m.predict(r, num_threads=1), rows, file), file, rows)

    file = str(FOLDER / "xgboost.json")
    xgboost.train({"max_depth": 6, "nthread": 1}, xgboost.DMatrix(x, y), 100).save_model(file)
    compare("XGBoost, 100 trees of depth 6, 20 features", "XGBoost",
            measure(lambda f: xgboost.Booster({"nthread": 1}, model_file=f), lambda m, r: m.inplace_predict(r), rows, file), file, rows)

    file, source = str(FOLDER / "catboost.cbm"), str(FOLDER / "catboost.json")
    model = catboost.CatBoostRegressor(iterations=100, depth=6, thread_count=1, verbose=0).fit(x, y)
    model.save_model(file)
    model.save_model(source, format="json")
    compare("CatBoost, 100 oblivious trees of depth 6, 20 features", "CatBoost",
            measure(lambda f: catboost.CatBoostRegressor().load_model(f), lambda m, r: m.predict(r, thread_count=1), rows, file), source, rows)


main()
