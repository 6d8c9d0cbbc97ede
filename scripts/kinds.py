"""Trains some 590 models of many kinds, converts each to ONNX with attune and with skl2onnx and
onnxmltools, and compares the files with the models in ONNX Runtime: see kinds.sh.

    python kinds.py ATTUNE [--json FILE] [--only REGEXP] [--alone] [--keep FOLDER]

It prints the tables of doc/benchmarks/kinds.md. --json writes the result for each model.
--only takes the models whose names match. --alone leaves the other converters out.

A file is right if its results are those of the Python model on every row: labels are equal,
except where the two largest probabilities are as good as equal, and each number is within
1e-4 + 1e-3 times the model's. The rows are made to find errors: values of the training data,
thresholds of the trees, the float64 numbers just below and above both, values far outside,
whole numbers that float32 cannot hold, missing and infinite values where the model takes them,
categories and texts never seen. Where one number of the model is not finite, the file's must be
the same. skl2onnx converts twice, for rows of float64 and of float32, and the better file counts.
"""

import argparse
import collections
import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.simplefilter("ignore")

import joblib
import numpy as np
import onnx
import onnxruntime
import pandas as pd

import kinds_models as made

onnxruntime.set_default_logger_severity(4)


def session(data):
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = o.inter_op_num_threads = 1
    o.log_severity_level = 4
    return onnxruntime.InferenceSession(data, o, providers=["CPUExecutionProvider"])


def column(v, typ):
    """A column of a table as an input of a graph."""
    if "string" in typ:
        return np.array([["" if x is None or x != x else str(x)] for x in v], dtype=object).astype(str)
    dtype = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}[typ]
    if dtype == np.int64:
        v = np.nan_to_num(np.asarray(v, float), posinf=0, neginf=0)
    return np.asarray(v, dtype).reshape(-1, 1)


def feeds(s, rows):
    """The inputs of a graph for a table, an array or texts."""
    inputs = s.get_inputs()
    with np.errstate(all="ignore"):
        if isinstance(rows, pd.DataFrame):
            if len(inputs) == 1 and len(rows.columns) > 1:
                names = json.loads(s.get_modelmeta().custom_metadata_map.get("attune.features", "[]"))
                if set(names) <= set(rows.columns) and names:
                    rows = rows[names]
                return {inputs[0].name: rows.to_numpy(float).astype({"tensor(float)": np.float32, "tensor(double)": np.float64}[inputs[0].type])}
            return {i.name: column(rows[i.name] if i.name in rows else rows.iloc[:, k], i.type) for k, i in enumerate(inputs)}
        if isinstance(rows, list):
            return {inputs[0].name: column(rows, inputs[0].type)}
        return {inputs[0].name: rows.astype({"tensor(float)": np.float32, "tensor(double)": np.float64}[inputs[0].type])}


def close(want, got):
    want, got = np.asarray(want, float), np.asarray(got, float)
    with np.errstate(all="ignore"):
        return (np.abs(want - got) <= 1e-4 + 1e-3 * np.abs(want)) | (want == got) | (np.isnan(want) & np.isnan(got))


def beyond(want, got):
    """Which rows differ."""
    want = np.asarray(want, float)
    want = want.reshape(len(want), -1)
    got = np.asarray(got, float)
    if got.size != want.size:
        raise ValueError(f"{got.shape} numbers instead of {want.shape}")
    return ~close(want, got.reshape(want.shape)).all(axis=1)


def labels_beyond(want, got, scores):
    """Which labels differ, except where the scores are close."""
    same = np.array([a == b or str(a) == str(b) or (str(a) in ("True", "False") and int(a == True) == b) or _number(a) == _number(b)
                     for a, b in zip(np.asarray(want).ravel(), np.asarray(got).ravel(), strict=True)])
    if scores is not None:
        s = np.asarray(scores, float)
        s = s.reshape(len(s), -1)
        with np.errstate(all="ignore"):
            if s.shape[1] == 1:
                same |= np.abs(s[:, 0]) < 1e-4
            else:
                top = np.sort(s, axis=1)
                same |= ~(top[:, -1] - top[:, -2] > 1e-4 * np.maximum(1, np.abs(top[:, -1])))
    return ~same


def _number(x):
    try:
        return float(x)
    except (TypeError, ValueError):
        return x


def judge(case, want, out):
    """Compares the outputs of a file, by name, with the model's answers. It returns the rows that differ."""
    bad = np.zeros(case.size, bool)
    for key, answer in want.items():
        if key not in out:
            raise ValueError(f"there is no output {key}, but {', '.join(out)}")
        if key.startswith("label"):
            scores = want.get(key.replace("label", "probabilities"), want.get(key.replace("label", "scores"), want.get("decision")))
            bad |= labels_beyond(answer, out[key], scores)
        else:
            bad |= beyond(answer, out[key])
    return bad


def timed(s, rows, outputs=None):
    """Milliseconds for all rows."""
    f = feeds(s, rows)
    s.run(outputs, f)
    best = []
    for _ in range(5):
        start = time.process_time()
        s.run(outputs, f)
        best.append(time.process_time() - start)
    return min(best) * 1000


def check(case, data, outputs_of):
    """The verdict on a file."""
    r = {"bytes": len(data)}
    try:
        start = time.process_time()
        s = session(data)
        r["load_ms"] = (time.process_time() - start) * 1000
        names = [o.name for o in s.get_outputs()]
        values = s.run(None, feeds(s, case.rows))
        bad = judge(case, case.want, outputs_of(case, dict(zip(names, values))))
        r["beyond"] = int(bad.sum())
        r["first"] = int(np.argmax(bad)) if bad.any() else -1
        r["ms"] = timed(s, case.rows)
        r["verdict"] = "right" if not bad.any() else "wrong"
    except Exception as e:
        r["verdict"], r["reason"] = "does not run", re.sub(r"\s+", " ", str(e))[:300]
    return r


# What skl2onnx calls its outputs.
def of_skl2onnx(case, out):
    values = list(out.values())
    keys = list(case.want)
    if keys[0] == "label" and "score" in case.want:  # an isolation forest
        return {"label": values[0], "score": values[2] if len(values) > 2 else values[1] + case.offset, "decision": values[1]}
    if keys[0].startswith("label"):
        second = "probabilities" if any(k.startswith("probabilities") for k in keys) else "scores"
        if len([k for k in keys if k.startswith("label")]) > 1:
            got = {}
            for i, k in enumerate(k for k in keys if k.startswith("label")):
                got[k] = values[0][:, i]
                p = values[1]
                got[k.replace("label", second)] = p[i] if isinstance(p, list) or np.ndim(p) == 3 else p
            return got
        got = {"label": values[0]}
        if len(values) > 1:
            v = values[1]
            if isinstance(v, list) and v and isinstance(v[0], dict):
                v = [[row[k] for k in sorted(row)] for row in v]
            v = np.asarray(v, float)
            want = np.asarray(case.want.get(second, v))
            if second == "scores" and want.ndim == 1 and v.ndim == 2 and v.shape[1] == 2:
                v = v[:, 1]
            got[second] = v
        return got
    return {keys[0]: values[0]}


def register():
    import onnxmltools
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes as classes
    from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes as numbers
    import lightgbm
    import xgboost
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    update_registered_converter(lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", classes, convert_lightgbm, options=options)
    update_registered_converter(lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", numbers, convert_lightgbm, options={"split": None})
    for c in [xgboost.XGBClassifier, xgboost.XGBRFClassifier]:
        update_registered_converter(c, "XGBoost" + c.__name__, classes, convert_xgboost, options=options)
    for c in [xgboost.XGBRegressor, xgboost.XGBRFRegressor]:
        update_registered_converter(c, "XGBoost" + c.__name__, numbers, convert_xgboost)


def by_skl2onnx(case, double):
    import catboost
    if isinstance(case.model, catboost.CatBoost):
        with tempfile.TemporaryDirectory() as d:
            case.model.save_model(d + "/m.onnx", format="onnx")
            return pathlib.Path(d, "m.onnx").read_bytes()
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
    number = DoubleTensorType if double else FloatTensorType
    if isinstance(case.rows, pd.DataFrame):
        inputs = [(c, number([None, 1]) if case.rows[c].dtype.kind in "fiub" else StringTensorType([None, 1])) for c in case.rows]
    elif isinstance(case.rows, list):
        inputs = [("text", StringTensorType([None, 1] if case.two_dimensions else [None, 1]))]
    else:
        inputs = [("X", number([None, case.rows.shape[1]]))]
    options = {}
    from sklearn.base import is_classifier
    if is_classifier(case.model) and not case.options.get("plain"):
        options = {"zipmap": False}
    if "score" in case.want:
        options = {"score_samples": True}
    options = {id(case.model): options} if options else None
    try:
        m = skl2onnx.to_onnx(case.model, initial_types=inputs, options=options, target_opset={"": 18, "ai.onnx.ml": 3})
    except NameError as e:
        if options is None or "not in" not in str(e):
            raise
        m = skl2onnx.to_onnx(case.model, initial_types=inputs, target_opset={"": 18, "ai.onnx.ml": 3})
    for node in m.graph.node:  # a locale that every Linux has, as attune's files have
        if node.op_type == "StringNormalizer":
            for attribute in [a for a in node.attribute if a.name == "locale"]:
                node.attribute.remove(attribute)
            node.attribute.append(onnx.helper.make_attribute("locale", "C.UTF-8"))
    return m.SerializeToString()


class TooLong(Exception):
    """A conversion took more than a minute."""


def too_long(*_):
    raise TooLong("it takes more than a minute")


def others(case):
    """The better of the two files that skl2onnx makes."""
    signal.signal(signal.SIGALRM, too_long)
    best = None
    rank = ["right", "wrong", "does not run", "not converted"]
    for double in (True, False):
        start = time.process_time()
        try:
            signal.alarm(60)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                data = by_skl2onnx(case, double)
            spent = (time.process_time() - start) * 1000
            r = check(case, data, of_skl2onnx)
            signal.alarm(0)
            r["convert_ms"] = spent
        except Exception as e:
            signal.alarm(0)
            r = {"verdict": "not converted", "reason": re.sub(r"\s+", " ", f"{type(e).__name__}: {e}")[:300]}
        if best is None or rank.index(r["verdict"]) < rank.index(best["verdict"]):
            best = r
        if best["verdict"] == "right":
            break
    return best


def apart(case):
    """others in a process of its own, which some files end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(others(case)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as f:
        answer = f.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else {"verdict": "does not run", "reason": "it ends the process"}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("attune")
    p.add_argument("--json")
    p.add_argument("--only")
    p.add_argument("--alone", action="store_true")
    p.add_argument("--keep")
    a = p.parse_args()
    folder = pathlib.Path(a.keep or tempfile.mkdtemp())
    (folder / "models").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "onnx", ignore_errors=True)
    cases = []
    start = time.time()
    for case in made.cases(a.only):
        joblib.dump(case.model, folder / "models" / (case.file + ".joblib"))
        cases.append(case)
    print(f"{len(cases)} models of {len({c.kind for c in cases})} kinds in {time.time() - start:.0f} s", file=sys.stderr)

    start = time.time()
    report = folder / "report.json"
    done = subprocess.run([a.attune, "convert", "--input", folder / "models", "--output", folder / "onnx", "--report", report], capture_output=True, text=True)
    if not report.exists():
        sys.exit(done.stderr + done.stdout)
    by_file = {r["model"]: r for r in json.loads(report.read_text())}
    if isinstance(next(iter(by_file.values()), None), str):
        sys.exit("report")
    whole = time.time() - start
    print(f"attune: {whole:.0f} s", file=sys.stderr)
    if not a.alone:
        register()

    results = []
    kept = open(a.json, "w") if a.json else None
    for case in cases:
        line = {"kind": case.kind, "name": case.name, "rows": case.size}
        r = by_file.get(case.file + ".joblib")
        if r is None:
            line["attune"] = {"verdict": "not converted", "reason": "it is not recognised as a model"}
        elif r["verdict"] not in ("pass", "unchanged"):
            line["attune"] = {"verdict": "not converted", "reason": r.get("reason", r["verdict"])[:400]}
        else:
            line["attune"] = check(case, (folder / "onnx" / (case.file + ".onnx")).read_bytes(), lambda case, out: out)
        if not a.alone:
            line["others"] = apart(case) if case.options.get("apart") else others(case)
        results.append(line)
        if kept:
            print(json.dumps(line), file=kept, flush=True)
    tables(results, whole, a.alone)
    if not a.keep:
        shutil.rmtree(folder)
    sys.exit(any(r["attune"]["verdict"] in ("wrong", "does not run") for r in results))


def tables(results, whole, alone):
    kinds = collections.OrderedDict()
    for r in results:
        kinds.setdefault(r["kind"], []).append(r)
    tools = ["attune"] if alone else ["attune", "others"]
    head = {"attune": "attune: converted | right", "others": "skl2onnx, onnxmltools: converted | right"}
    print("| kind | models | " + " | ".join(head[t] for t in tools) + " |")
    print("|---|--:|" + "--:|--:|" * len(tools))
    total = collections.Counter()

    def cells(rows):
        out = []
        for t in tools:
            n = sum(r[t]["verdict"] in ("right", "wrong") for r in rows)
            ok = sum(r[t]["verdict"] == "right" for r in rows)
            total[t, "converted"] += n
            total[t, "right"] += ok
            out += [n, ok]
        return out

    for kind, rows in kinds.items():
        print(f"| {kind} | {len(rows)} | " + " | ".join(map(str, cells(rows))) + " |")
    print(f"| **all** | {len(results)} | " + " | ".join(f"{total[t, 'converted']} | {total[t, 'right']}" for t in tools) + " |")
    print()
    for t in tools:
        for r in results:
            v = r[t]
            if t == "attune" and v["verdict"] != "right":
                print(f"- {r['kind']}, {r['name']}: {v['verdict']}: {v.get('reason', '%s of %s rows' % (v.get('beyond'), r['rows']))}")
    if alone:
        return
    both = [r for r in results if all(r[t]["verdict"] == "right" for t in tools)]
    if both:
        print()
        print(f"{len(both)} models that both converted rightly: the file of attune has {ratio(both, 'bytes'):.2f} times the bytes of the other (median), "
              f"ONNX Runtime takes {ratio(both, 'load_ms'):.2f} times the time to load it and {ratio(both, 'ms'):.2f} times the time to run it.")
    print(f"attune convert took {whole:.0f} s for all; the others took {sum(r['others'].get('convert_ms', 0) for r in results) / 1000:.0f} s of CPU time without any check.")


def ratio(rows, key):
    return statistics.median(r["attune"][key] / max(r["others"][key], 1e-3) for r in rows)


if __name__ == "__main__":
    main()
