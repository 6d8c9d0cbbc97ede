"""Prints what a tracking server has of an experiment: read.py URI EXPERIMENT MODEL"""
import json
import sys

import mlflow
import numpy as np

client = mlflow.MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name(sys.argv[2])
runs = []
for run in client.search_runs([experiment.experiment_id], max_results=50000):
    id = run.info.run_id
    runs.append({
        "id": id,
        "name": run.info.run_name,
        "status": run.info.status,
        "start": run.info.start_time,
        "end": run.info.end_time,
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": {
            key: sorted([repr(m.value), m.timestamp, m.step] for m in client.get_metric_history(id, key))
            for key in run.data.metrics
        },
        "artifacts": [a.path for a in client.list_artifacts(id)],
    })
versions = [[v.version, v.run_id, v.status] for v in client.search_model_versions("name = '%s'" % sys.argv[3])]
loaded = []
for v in versions:
    mlflow.set_tracking_uri(sys.argv[1])
    graph = mlflow.onnx.load_model("models:/%s/%s" % (sys.argv[3], v[0])).graph
    width = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    model = mlflow.pyfunc.load_model("models:/%s/%s" % (sys.argv[3], v[0]))
    row = np.zeros((1, width), dtype=np.float32)
    loaded.append(sum(len(out) for out in model.predict({graph.input[0].name: row}).values()))
print(json.dumps({"runs": runs, "versions": versions, "loaded": loaded}))
