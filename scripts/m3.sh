#!/bin/sh
# Forecasts the quarterly and the other series of M3 with attune and with statsforecast, and
# prints their sMAPE on the competition's own split, and what attune's intervals cover.
#
#	scripts/m3.sh FOLDER [flags of attune optimize]
#
# FOLDER has m3_quarterly.csv, m3_quarterly_test.csv, m3_other.csv and m3_other_test.csv: id, date,
# value. With --models ets,theta,arima,ces,nlinear it takes some minutes, with the default models longer.
set -eu
folder=${1:?name the folder with m3_quarterly.csv and m3_other.csv}
folder=$(cd "$folder" && pwd)
shift
cd "$(dirname "$0")/.."
venv=.venv-statistical
if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import statsforecast' 2>/dev/null; then
	python3 -m venv "$venv" >&2
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: statsforecast==2.1.1 >&2
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/attune" ./cmd/attune
"$venv/bin/python" internal/dev/compare/forecasts/m3.py "$dir/attune" "$folder" m3_quarterly 4 "$@"
"$venv/bin/python" internal/dev/compare/forecasts/m3.py "$dir/attune" "$folder" m3_other 1 "$@"
