"""Trains with CatBoost what attune asks for. See worker.go for what is said."""

import json
import os
import struct
import sys

# What CatBoost prints must not get between the answers.
answers = os.fdopen(os.dup(1), "wb", buffering=0)
os.dup2(2, 1)
questions = os.fdopen(os.dup(0), "r", encoding="utf-8", newline="\n")


def say(kind, *parts):
    answers.write(kind + b"".join(parts))


def tell(kind, text):
    data = text.encode()
    say(kind, struct.pack("<I", len(data)), data)


def ask():
    line = questions.readline()
    if not line:
        os._exit(0)  # attune is gone, or needs no more
    return line.rstrip("\n")


try:
    import catboost
    import numpy
except Exception as e:
    tell(b"E", f"{type(e).__name__}: {e}")
    os._exit(1)


def value(text):
    """Settings come as text: numbers, lists and truths as in JSON, or words."""
    try:
        return json.loads(text)
    except ValueError:
        return text


class Scores:
    """A metric that measures nothing, but is shown what the model predicts.

    CatBoost copies it, so that what it has seen is kept outside."""

    seen = []

    def is_max_optimal(self):
        return False

    def get_final_error(self, error, weight):
        return 0.0

    def evaluate(self, approxes, target, weight):
        # Called for the training rows first, which come as eval set when wanted.
        Scores.seen.append([numpy.array(a) for a in approxes] if Scores.seen else None)
        return 0.0, 1.0


class Rounds:
    def __init__(self):
        self.answer = "go"

    def after_iteration(self, info):
        sets, Scores.seen = Scores.seen[1:], []
        say(b"I", *[a.astype("<f8").tobytes() for approxes in sets for a in approxes])
        self.answer = ask()
        return self.answer == "go"


def train(folder):
    def read(name):
        return numpy.fromfile(os.path.join(folder, name), dtype="<f4")

    with open(os.path.join(folder, "job.json"), encoding="utf-8") as f:
        job = json.load(f)
    params = {name: value(text) for name, text in job["settings"].items()}
    width = job["columns"]

    def pool(name, label, weight):
        features = read(name).reshape((-1, width), order="F")
        return catboost.Pool(features, read(label), weight=read(weight) if weight else None)

    sets = [pool(name, label, None) for name, label in job["sets"]]
    if sets:
        params["eval_metric"] = Scores()
        params["use_best_model"] = False
    rounds = Rounds()
    Scores.seen = []
    model = catboost.CatBoost(params)
    model.fit(
        pool("train", "label", "weight" if job["weighted"] else None),
        eval_set=sets or None,
        callbacks=[rounds],
    )
    if rounds.answer != "drop":
        model.save_model(os.path.join(folder, "model.json"), format="json")


tell(b"H", catboost.__version__)
while True:
    folder = ask()
    if not folder:
        tell(b"H", catboost.__version__)
        continue
    try:
        train(folder)
        say(b"D")
    except Exception as e:
        tell(b"E", str(e))
