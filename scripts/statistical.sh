#!/bin/sh
# Compares the statistical forecasters with statsforecast's AutoETS, AutoTheta, AutoARIMA, AutoCES
# and MSTL on the quarterly series of M1 and M3, and MSTL on hourly series of M4, with days and
# weeks: how many of 200 and of 20 forecasts agree within 1 %.
#
#	scripts/statistical.sh FOLDER
#
# FOLDER has m1_quarterly.csv, m3_quarterly.csv and m4_hourly_odd.csv: id, date, value.
# statsforecast is installed into a virtual environment of its own, .venv-statistical. Two minutes,
# most of them for AutoARIMA.
set -eu
folder=${1:?name the folder with m1_quarterly.csv, m3_quarterly.csv and m4_hourly_odd.csv}
folder=$(cd "$folder" && pwd)
cd "$(dirname "$0")/.."
venv=.venv-statistical
if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import statsforecast' 2>/dev/null; then
	python3 -m venv "$venv" >&2
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: statsforecast==2.1.1 >&2
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for part in m1:80 m3:120; do
	name=${part%:*}_quarterly
	go run ./internal/dev/compare/forecasts -data "$folder/$name.csv" -freq quarter -horizon 8 -series "${part#*:}" >"$dir/$name.csv"
	set -- "$@" "$folder/$name.csv" "$dir/$name.csv"
done
shift
"$venv/bin/python" internal/dev/compare/forecasts/statistical.py 4 "$@"
go run ./internal/dev/compare/forecasts -data "$folder/m4_hourly_odd.csv" -freq hour -horizon 48 -series 20 -models mstl >"$dir/hours.csv"
"$venv/bin/python" internal/dev/compare/forecasts/statistical.py 24,168 "$folder/m4_hourly_odd.csv" "$dir/hours.csv"
