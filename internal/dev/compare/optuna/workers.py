"""Works on a study as the command in ../workers does: workers.py URL STUDY TRIALS

URL is that of a database, or the port of a gRPC storage proxy on this machine. workers.py serve URL PORT is Optuna's own proxy."""
import sys
import warnings

import optuna

warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.ERROR)


def storage_at(url):
    if url.isdigit():
        return optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(url))
    if "://" not in url:
        return f"sqlite:///{url}"
    return url.replace("postgres://", "postgresql+psycopg://", 1).replace("mysql://", "mysql+pymysql://", 1)


if sys.argv[1] == "serve":
    storage = optuna.storages.get_storage(storage_at(sys.argv[2]))
    optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=int(sys.argv[3]))
    sys.exit()
study = optuna.load_study(study_name=sys.argv[2], storage=storage_at(sys.argv[1]),
                          sampler=optuna.samplers.RandomSampler(), pruner=optuna.pruners.NopPruner())
study.get_trials(deepcopy=False)  # a worker has read the study before the clock runs, as attune's have
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    trial = study.ask()
    total = sum(trial.suggest_float(f"x{i}", -5, 5) ** 2 for i in range(5))
    for step in range(5):
        trial.report(total, step)
    study.tell(trial, total)
