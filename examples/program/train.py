"""Trains a classifier of scikit-learn with the parameters that attune chooses.

    attune run --space space.yaml --trials 30 --workers 2 -- \
        python3 train.py --kind {kind} --trees {trees} --depth {depth} --rate {rate}

It knows attune by the lines that it prints and by ATTUNE_SEED, and runs without it, too.
A forest has no rate: attune then leaves out --rate and its value.
"""

import argparse
import os

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold

p = argparse.ArgumentParser()
p.add_argument("--kind", choices=["forest", "boosting"], required=True)
p.add_argument("--trees", type=int, default=50)
p.add_argument("--depth", type=int, default=3)
p.add_argument("--rate", type=float, default=0.1)
p.add_argument("--folds", type=int, default=5)
args = p.parse_args()

seed = int(os.environ.get("ATTUNE_SEED", 0))
if args.kind == "forest":
    model = RandomForestClassifier(args.trees, max_depth=args.depth, random_state=seed)
else:
    model = GradientBoostingClassifier(n_estimators=args.trees, max_depth=args.depth,
                                       learning_rate=args.rate, random_state=seed)

# After each fold, attune hears of the mean so far, and ends a trial that is worse than most.
x, y = load_breast_cancer(return_X_y=True)
losses = []
for step, (train, test) in enumerate(KFold(args.folds, shuffle=True, random_state=0).split(x)):
    model.fit(x[train], y[train])
    losses.append(log_loss(y[test], model.predict_proba(x[test]), labels=[0, 1]))
    print(f"attune: step={step} value={sum(losses) / len(losses)}")
print(f"attune: value={sum(losses) / len(losses)}")
