"""worker.py URL TRIALS: a worker of attune serve, with Python's standard library. It minimizes (x-1)² + 1/steps."""
import json, os, sys, urllib.request, uuid
url, trials = sys.argv[1] + "/v1/studies/python", int(sys.argv[2])


def call(method, path="", body=None):
    request = urllib.request.Request(url + path, json.dumps(body).encode() if body else None, method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", "Bearer " + os.environ.get("ATTUNE_SERVE_TOKEN", ""))
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


call("PUT", body={"parameters": [{"name": "x", "type": "float", "low": -5, "high": 5}]})
for _ in range(trials):
    trial = call("POST", "/trials", {"keys": [str(uuid.uuid4())]})["trials"][0]
    here = f"/trials/{trial['number']}"
    outcome = {"state": "failed", "error": "the worker was interrupted"}
    try:
        for step in range(5):
            loss = (trial["params"]["x"] - 1) ** 2 + 1 / (step + 1)
            if call("POST", here + "/reports", {"step": step, "value": loss})["prune"]:
                outcome = {"state": "pruned"}
                break
        else:
            outcome = {"values": [loss]}
    finally:
        call("POST", here + "/tell", outcome)
best = call("GET", "/best")
print(f"best: trial {best['number']}, x = {best['params']['x']:.2f}")
