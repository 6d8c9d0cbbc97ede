"""Takes a running trial for its own, as Optuna may: claim.py FILE STUDY NUMBER"""
import sys

import optuna
from optuna.distributions import FloatDistribution

storage = optuna.storages.RDBStorage("sqlite:///" + sys.argv[1])
study_id = storage.get_study_id_from_name(sys.argv[2])
trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, int(sys.argv[3]))
storage.set_trial_param(trial_id, "x", 0.25, FloatDistribution(0.0, 0.5))
