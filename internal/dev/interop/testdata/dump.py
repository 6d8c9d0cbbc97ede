"""Prints a study as JSON: dump.py FILE-OR-URL STUDY"""
import datetime
import json
import sys

import optuna

import database

optuna.logging.set_verbosity(optuna.logging.WARNING)


def when(t):
    return None if t is None else t.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")


study = optuna.load_study(study_name=sys.argv[2], storage=database.storage(sys.argv[1]))
print(
    json.dumps(
        {
            "directions": [d.name for d in study.directions],
            "user_attrs": json.dumps(dict(sorted(study.user_attrs.items()))),
            "system_attrs": json.dumps({k: v for k, v in study._storage.get_study_system_attrs(study._study_id).items() if not k.startswith("attune:")}, sort_keys=True),
            "trials": [
                {
                    "number": t.number,
                    "state": t.state.name,
                    "values": None if t.values is None else [repr(v) for v in t.values],
                    "params": [[k, json.dumps(v)] for k, v in t.params.items()],
                    "distributions": [[k, optuna.distributions.distribution_to_json(d)] for k, d in t.distributions.items()],
                    "reports": [[k, repr(v)] for k, v in sorted(t.intermediate_values.items())],
                    "constraints": sorted([k, repr(v)] for k, v in t.constraints.items()),
                    "user_attrs": json.dumps(dict(sorted(t.user_attrs.items()))),
                    "system_attrs": json.dumps(t.system_attrs),
                    "start": when(t.datetime_start),
                    "complete": when(t.datetime_complete),
                }
                for t in study.get_trials()
            ],
        }
    )
)
