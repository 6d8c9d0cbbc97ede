"""Enqueues a value outside of its distribution, and prints the error: outside.py PORT"""
import sys
import warnings

import grpc
import optuna

warnings.simplefilter("ignore")
optuna.logging.disable_default_handler()
storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(sys.argv[1]))
study = optuna.create_study(storage=storage)
study.enqueue_trial({"x": 20})
study.enqueue_trial({"x": 0.5})
trial = study.ask()
try:
    trial.suggest_float("x", 0, 1)
except grpc.RpcError as e:
    print(e.details())
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
print("next", study.ask().suggest_float("x", 0, 1))
