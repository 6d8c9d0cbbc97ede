"""Checks and runs models, for the tests of package onnx.

    python run.py < requests > answers

A request is a line of JSON: "model", the file in base64; "threads"; "inputs", by name
an object of "type" (of NumPy), "dims" and "data" (little endian, in base64). The answer
is a line with "outputs", which look the same, or "error". The checker is that of the
package onnx, with strict shape inference; the models run on the CPU. With "reference", the
number of rows, the first rows are run in onnx's ReferenceEvaluator too: it is an error if
that differs by more than rounding.
"""

import base64
import json
import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
import onnxruntime as ort
from onnx.reference import ReferenceEvaluator

ort.set_default_logger_severity(3)


def array(x):
    return np.frombuffer(base64.b64decode(x["data"]), dtype=x["type"]).reshape(x["dims"])


def answer(request):
    data = base64.b64decode(request["model"])
    model = onnx.load_model_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = request.get("threads", 1)
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    inputs = {k: array(v) for k, v in request["inputs"].items()}
    if n := request.get("reference"):
        few = {k: v[:n] for k, v in inputs.items()}
        with np.errstate(all="ignore"):
            for ours, theirs in zip(ReferenceEvaluator(model).run(None, few), session.run(None, few)):
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-9)
    outputs = {}
    for out, y in zip(session.get_outputs(), session.run(None, inputs)):
        outputs[out.name] = {
            "type": y.dtype.str,
            "dims": list(y.shape),
            "data": base64.b64encode(np.ascontiguousarray(y).tobytes()).decode(),
        }
    return {"outputs": outputs, "metadata": session.get_modelmeta().custom_metadata_map}


for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as e:
        print(json.dumps({"error": f"{type(e).__name__}: {e}"}), flush=True)
