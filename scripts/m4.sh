#!/bin/sh
# Forecasts hourly and weekly series of M4 with attune, and prints OWA on the competition's own split.
#
#	scripts/m4.sh FOLDER [flags of attune optimize]
#
# FOLDER has m4_hourly_odd.csv, m4_weekly_odd.csv and the same with _test: id, date, value.
set -eu
folder=${1:?name the folder with m4_hourly_odd.csv and m4_weekly_odd.csv}
folder=$(cd "$folder" && pwd)
shift
cd "$(dirname "$0")/.."
python=$(scripts/venv.sh)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/attune" ./cmd/attune
"$python" internal/dev/compare/forecasts/m4.py "$dir/attune" "$folder" m4_weekly_odd 1 "$@"
"$python" internal/dev/compare/forecasts/m4.py "$dir/attune" "$folder" m4_hourly_odd 24 "$@"
