#!/bin/sh
# Times attune, Optuna, Rustuna and goptuna one after the other and prints one
# table. About five minutes; nothing else should be running.
set -eu
cd "$(dirname "$0")/.."
python=$(scripts/venv.sh)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore
go build -o "$dir/attune" ./internal/dev/compare/speed
go build -C internal/dev/compare/goptuna -o "$dir/goptuna" .
peers() { "$python" internal/dev/compare/optuna/speed.py "$@"; }
{
	"$dir/attune" -work sphere10 -trials 10000
	peers rustuna sphere10 5000
	peers optuna sphere10 2000
	"$dir/goptuna" -work sphere10 -trials 1000
	"$dir/attune" -work sqlite -trials 1000
	"$dir/attune" -work sqlite-sync -trials 500
	peers optuna sqlite 200
	"$dir/goptuna" -work sqlite -trials 200
} >"$dir/speed.jsonl"
"$python" internal/dev/compare/optuna/speed_table.py <"$dir/speed.jsonl"
