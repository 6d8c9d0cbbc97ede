#!/bin/sh
# Makes .venv-mlflow, with the MLflow server that requirements-mlflow.txt pins, and prints
# the path of its interpreter, for ATTUNE_MLFLOW_PYTHON. It has an environment of its own,
# as it takes 800 MB and pins packages that others need newer. Does nothing that was done
# before.
set -eu
cd "$(dirname "$0")/.."
if ! cmp -s scripts/requirements-mlflow.txt .venv-mlflow/requirements.txt; then
	rm -rf .venv-mlflow
	python3 -m venv .venv-mlflow >&2
	.venv-mlflow/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r scripts/requirements-mlflow.txt >&2
	cp scripts/requirements-mlflow.txt .venv-mlflow/requirements.txt
fi
echo "$PWD/.venv-mlflow/bin/python"
