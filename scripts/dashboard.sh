#!/bin/sh
# Prints the first tables of doc/benchmarks/dashboard.md: attune's dashboard compared with optuna-dashboard,
# on the same files, in one browser. It needs Chromium, and Python to make a virtual environment.
#
#	scripts/dashboard.sh [-trials 1000,10000]
set -eu
cd "$(dirname "$0")/.."
venv=${ATTUNE_DASHBOARD_VENV:-.venv-dashboard}
if [ ! -x "$venv/bin/optuna-dashboard" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install -q optuna-dashboard==0.21.0 optuna==4.5.0
fi
exec go run ./internal/dev/compare/dashboards -optuna "$venv/bin/optuna-dashboard" "$@"
