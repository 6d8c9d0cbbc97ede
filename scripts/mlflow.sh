#!/bin/sh
# Makes .venv-mlflow, with the MLflow server that requirements-mlflow.txt pins, and prints
# the path of its interpreter, for ATTUNE_MLFLOW_PYTHON. The environment is a
# separate one, because it takes 800 MB, and pins packages of which others need newer versions.
# Steps that were done before are skipped.
set -eu
cd "$(dirname "$0")/.."
if ! cmp -s scripts/requirements-mlflow.txt .venv-mlflow/requirements.txt; then
	rm -rf .venv-mlflow
	python3 -m venv .venv-mlflow >&2
	.venv-mlflow/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r scripts/requirements-mlflow.txt >&2
	cp scripts/requirements-mlflow.txt .venv-mlflow/requirements.txt
fi
echo "$PWD/.venv-mlflow/bin/python"
