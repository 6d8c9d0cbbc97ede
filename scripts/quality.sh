#!/bin/sh
# Runs attune's TPE on the problems of internal/dev/compare and judges it against
# Optuna's, whose runs are kept in doc/benchmarks/data. About two minutes.
#
#	scripts/quality.sh            with the runs that are kept; needs no Python
#	scripts/quality.sh -fresh     runs Optuna again first, which takes 15 minutes
set -eu
cd "$(dirname "$0")/.."
theirs=doc/benchmarks/data/optuna-5.0.0-default.jsonl
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if [ "${1:-}" = -fresh ]; then
	python=$(scripts/venv.sh)
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 "$python" internal/dev/compare/optuna/quality.py >"$dir/theirs.jsonl"
	mv "$dir/theirs.jsonl" "$theirs"
fi
go run ./internal/dev/compare/quality -seeds 200 >"$dir/ours.jsonl"
go run ./internal/dev/compare/versus "$dir/ours.jsonl" "$theirs"
