#!/bin/sh
# Writes the tables of doc/benchmarks/search.md from the runs in doc/benchmarks/data/search.
#
#	scripts/search.sh            from the runs that are kept
#	scripts/search.sh -fresh     runs attune's samplers again first, which takes an hour or two
set -eu
cd "$(dirname "$0")/.."
data=doc/benchmarks/data/search
if [ "${1:-}" = -fresh ]; then
	run() { # SAMPLER FILE PROBLEMS SEEDS TRIALS
		go run ./internal/dev/compare/quality -sampler "$1" -problems "$3" -seeds "$4" -trials "$5" >"$data/$2.jsonl"
	}
	run random random judging,mixed,tables,fronts 20 50
	run auto auto judging 5 200
	run auto auto-mixed mixed 10 200
	run auto auto-tables tables 10 200
	for s in tpe cmaes; do
		run $s $s judging 10 200
		run $s $s-mixed mixed 10 200
		run $s $s-tables tables 10 200
	done
	for s in nsga2 nsga3 tpe; do
		run $s $s-fronts fronts 10 500
	done
fi
overview() { go run ./internal/dev/compare/overview "$@"; }
echo "## Continuous functions"
echo
overview $data/random.jsonl $data/auto.jsonl $data/tpe.jsonl $data/cmaes.jsonl
echo
echo "## Numbers and choices, with and without conditions"
echo
overview $data/random.jsonl $data/auto-mixed.jsonl $data/tpe-mixed.jsonl $data/cmaes-mixed.jsonl
echo
echo "## Tables"
echo
overview $data/random.jsonl $data/auto-tables.jsonl $data/tpe-tables.jsonl $data/cmaes-tables.jsonl
echo
echo "## Several objectives"
echo
overview -trials 200,500 $data/random.jsonl $data/nsga2-fronts.jsonl $data/nsga3-fronts.jsonl $data/tpe-fronts.jsonl $data/optuna-nsga2-fronts.jsonl
