"""Does the same to a storage proxy and to Optuna's storage in memory, and compares what
they say and what they hold: twin.py PORT SEED"""
import datetime
import random
import sys

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
rng = random.Random(int(sys.argv[2]))
name = "twin " + sys.argv[2] + " é☃"
storages = [
    optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(sys.argv[1])),
    optuna.storages.InMemoryStorage(),
]
directions = rng.choice([[1], [2], [1, 2]])
directions = [optuna.study.StudyDirection(d) for d in directions]
studies = [s.create_new_study(directions, name) for s in storages]
ids = [[], []]


def both(call):
    """Returns what one says, when the other says the same."""
    said = []
    for i in range(2):
        try:
            said.append(("returned", call(storages[i], studies[i], ids[i])))
        except Exception as e:
            said.append(("raised", type(e).__name__))
    assert said[0] == said[1], said
    return said[0]


def compare():
    views = []
    for s, study in zip(storages, studies):
        view = []
        for t in s.get_all_trials(study, deepcopy=False):
            view.append((
                t.number, t.state, t.values, t.params, t.distributions, t.user_attrs, t.system_attrs,
                {k: repr(v) for k, v in t.intermediate_values.items()},
                (t.datetime_start is None, t.datetime_complete is None),
            ))
        views.append(view)
    assert views[0] == views[1], [(a, b) for a, b in zip(*views) if a != b] or views
    for call in [
        lambda s, study, _: s.get_study_user_attrs(study),
        lambda s, study, _: s.get_study_system_attrs(study),
        lambda s, study, _: s.get_study_directions(study),
        lambda s, study, _: s.get_study_name_from_id(study),
        lambda s, study, _: s.get_study_id_from_name(name) == study,
        lambda s, study, _: s.get_n_trials(study),
        lambda s, study, _: s.get_best_trial(study).values,  # of equal ones, each names another
    ]:
        both(call)


def template(number):
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, number)
    state = rng.choice([TrialState.WAITING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
    return optuna.trial.create_trial(
        state=state,
        values=[0.5] * len(directions) if state == TrialState.COMPLETE else None,
        params={"x": 0.25, "c": None}, distributions={"x": FloatDistribution(0, 1), "c": choices},
        user_attrs={"k": [1, "two", None]}, system_attrs={"fixed_params": {"x": 0.25}},
        intermediate_values={0: 1.0, 7: float("inf")},
    )


choices = CategoricalDistribution(["a", None, 1, 2.5, True])
dists = {
    "x": FloatDistribution(0, 1), "lr": FloatDistribution(1e-5, 1, log=True), "q": FloatDistribution(0, 1, step=0.1),
    "n": IntDistribution(1, 9), "u": IntDistribution(1, 1024, log=True), "c": choices,
    "x ": CategoricalDistribution(["only"]),
}
internal = {"x": [0.0, 0.3, 1.0], "lr": [0.001], "q": [0.3], "n": [3, 4], "u": [64], "c": [0, 1, 4], "x ": [0]}

for step in range(300):
    what = rng.randrange(14)
    pick = rng.randrange(max(1, len(ids[0])))
    key, value = rng.choice(["a", "b", "ü"]), rng.choice([1, 2.5, "text", None, [1, {"x": "y"}], True])
    if what == 0 or not ids[0]:
        # While others wait, a server that serializes claims hands out one of them.
        if not any(t.state == TrialState.WAITING for t in storages[1].get_all_trials(studies[1])):
            for i in range(2):
                ids[i].append(storages[i].create_new_trial(studies[i]))
    elif what == 1:
        t = template(step)
        for i in range(2):
            ids[i].append(storages[i].create_new_trial(studies[i], template_trial=t))
    elif what in (2, 3, 4):
        p = rng.choice(list(dists))
        v, d = rng.choice(internal[p]), dists[p]
        held = storages[1].get_trial(ids[1][pick])
        if p not in held.params:  # what happens otherwise differs among Optuna's own storages
            both(lambda s, _, ids: s.set_trial_param(ids[pick], p, v, d))
    elif what == 5:
        n = step * 7 % 11
        if n not in storages[1].get_trial(ids[1][pick]).intermediate_values:
            x = rng.choice([0.5, float("nan"), float("inf"), -float("inf")])
            both(lambda s, _, ids: s.set_trial_intermediate_value(ids[pick], n, x))
    elif what == 6:
        both(lambda s, _, ids: s.set_trial_user_attr(ids[pick], key, value))
    elif what == 7:
        both(lambda s, _, ids: s.set_trial_system_attr(ids[pick], key, value))
    elif what == 8:
        both(lambda s, study, _: s.set_study_user_attr(study, key, value))
    elif what == 9:
        both(lambda s, study, _: s.set_study_system_attr(study, key, value))
    elif what == 10:
        state = rng.choice([TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
        values = [rng.choice([0.5, -1.0, float("inf")]) for _ in directions]
        if storages[1].get_trial(ids[1][pick]).state != TrialState.WAITING:
            both(lambda s, _, ids: s.set_trial_state_values(ids[pick], state, values if state == TrialState.COMPLETE else None))
    elif what == 11:
        both(lambda s, _, ids: s.set_trial_state_values(ids[pick], TrialState.RUNNING))
    elif what == 12:
        both(lambda s, study, ids: s.get_trial_id_from_study_id_trial_number(study, pick) == ids[pick])
        both(lambda s, study, ids: s.get_trial(ids[pick]).number)
    else:
        compare()
compare()

# What is refused is refused with the same exception.
running = [s.create_new_trial(i) if not any(t.state == TrialState.WAITING for t in s.get_all_trials(i)) else None for s, i in zip(storages, studies)]
both(lambda s, study, _: s.create_new_study(directions, name))
both(lambda s, study, _: s.get_study_id_from_name("no such study"))
both(lambda s, study, _: s.get_study_name_from_id(987654321))
both(lambda s, study, _: s.get_all_trials(987654321))
both(lambda s, study, _: s.get_trial(987654321))
both(lambda s, study, _: s.get_trial_id_from_study_id_trial_number(study, 10**6))
both(lambda s, study, _: s.delete_study(987654321))
if running[0] is not None:
    ids[0].append(running[0])
    ids[1].append(running[1])
    both(lambda s, _, ids: s.set_trial_param(ids[-1], "new", 0.5, FloatDistribution(0, 1)))
    both(lambda s, _, ids: s.set_trial_state_values(ids[-1], TrialState.FAIL))
    both(lambda s, _, ids: s.set_trial_state_values(ids[-1], TrialState.RUNNING))
    both(lambda s, _, ids: s.set_trial_param(ids[-1], "y", 0.5, FloatDistribution(0, 1)))
    both(lambda s, _, ids: s.set_trial_user_attr(ids[-1], "k", 1))
compare()
assert sorted(s.study_name for s in storages[0].get_all_studies() if s.study_name == name) == [name]
both(lambda s, study, _: s.delete_study(study))
both(lambda s, study, _: s.get_all_trials(study))
