#!/bin/sh
# Prints the times of importance and plots in doc/benchmarks/dashboard.md: attune's, per operation, and the
# processor time of Optuna's evaluators. It takes about five minutes.
#
#	scripts/importance.sh
set -eu
cd "$(dirname "$0")/.."
go test -run '^$' -bench . -benchtime 10x ./importance
go test -run '^$' -bench Plots -benchtime 10x ./export/plot
exec "$(scripts/venv.sh)" scripts/importance.py "$@"
