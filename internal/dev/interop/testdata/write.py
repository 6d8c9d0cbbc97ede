"""Writes a study that has a bit of everything: write.py FILE"""
import sys

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

optuna.logging.set_verbosity(optuna.logging.WARNING)

study = optuna.create_study(study_name="python", storage="sqlite:///" + sys.argv[1], directions=["minimize", "maximize"])
study.set_user_attr("memo", {"é": [1, 2.0, None, True], "nan": float("nan")})
study.set_metric_names(["loss", "acc"])

dists = {
    "x": FloatDistribution(-1e16, 1e16),
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "q": FloatDistribution(0, 1, step=0.1),
    "n": IntDistribution(0, 10, step=2),
    "u": IntDistribution(1, 1024, log=True),
    "c": CategoricalDistribution(["a", None, True, 1, 2.5, "é\n"]),
}
params = {"x": 0.1, "lr": 1e-3, "q": 0.3, "n": 4, "u": 64, "c": None}
for state, values in [
    (TrialState.COMPLETE, [1.5, float("inf")]),
    (TrialState.COMPLETE, [float("-inf"), 0.0]),
    (TrialState.PRUNED, None),
    (TrialState.FAIL, None),
    (TrialState.WAITING, None),
]:
    study.add_trial(
        create_trial(
            state=state,
            values=values,
            params=params,
            distributions=dists,
            user_attrs={"k": [1, "two", 3.0], "a": {}},
            system_attrs={"retry_history": [0, 1], "completed_rung_0": 0.25},
            intermediate_values={0: 1.0, 3: float("nan"), 7: float("-inf")},
            constraints={"c0": -0.5, "c1": 1e-300},
        )
    )
study.enqueue_trial({"x": 1.5, "c": "a"}, user_attrs={"why": "hunch"})
study.ask()  # runs the trial that waits, parameters and all, as after a retry
