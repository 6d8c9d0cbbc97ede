#!/bin/sh
# Tunes six plain tables with attune and with LightGBM + Optuna, and prints their errors on rows
# that neither has seen. The tables come from scikit-learn, statsmodels and vega_datasets.
#
#	scripts/tables.sh [SPLITS [flags of attune optimize]]
#
# Half an hour on two cores for the default of three splits.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-tables
if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import statsmodels, vega_datasets, lightgbm, optuna, sklearn' 2>/dev/null; then
	python3 -m venv "$venv" >&2
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		lightgbm==4.7.0 optuna==5.0.0 scikit-learn==1.9.1 statsmodels==0.14.6 vega_datasets==0.9.0 >&2
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/attune" ./cmd/attune
OMP_NUM_THREADS=1 "$venv/bin/python" internal/dev/compare/tables/tables.py "$dir/attune" "$@"
