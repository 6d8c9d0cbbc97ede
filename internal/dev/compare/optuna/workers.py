"""Works on a study in a database as the command in ../workers does: workers.py URL STUDY TRIALS"""
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
url = sys.argv[1].replace("postgres://", "postgresql+psycopg://", 1).replace("mysql://", "mysql+pymysql://", 1)
study = optuna.load_study(study_name=sys.argv[2], storage=url, sampler=optuna.samplers.RandomSampler(), pruner=optuna.pruners.NopPruner())
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    trial = study.ask()
    total = sum(trial.suggest_float(f"x{i}", -5, 5) ** 2 for i in range(5))
    for step in range(5):
        trial.report(total, step)
    study.tell(trial, total)
