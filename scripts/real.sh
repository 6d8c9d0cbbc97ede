#!/bin/sh
# Forecasts real series of several frequencies with attune's default answer and with statsforecast,
# and prints MASE on the same spans.
#
#	scripts/real.sh [names of series]
#
# The series are in the wheels of four Python packages, which are downloaded and not installed.
# statsforecast is installed into a virtual environment of its own, .venv-statistical. Some minutes
# on an idle machine.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-statistical
if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import statsforecast' 2>/dev/null; then
	python3 -m venv "$venv" >&2
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: statsforecast==2.1.1 >&2
fi
"$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.12 \
	--dest "$venv/wheels" statsmodels==0.15.0 sktime==1.2.0 pmdarima==2.1.1 vega_datasets==0.9.0 >&2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/attune" ./cmd/attune
"$venv/bin/python" internal/dev/compare/forecasts/real.py "$dir/attune" "$venv/wheels" "$@"
