#!/bin/sh
# Writes the tables and the pictures of doc/benchmarks/search.md from the runs in doc/benchmarks/data/search.
#
#	scripts/search.sh            from the runs that are kept
#	scripts/search.sh -ours      runs attune's samplers first: what is missing in the data; an hour or two for all
#	scripts/search.sh -peers     runs Optuna's first, likewise; most of a day for all
#	scripts/search.sh -smoke     a few runs of each kind, elsewhere; about a minute
#
# Runs are appended one by one, so that an interrupted run continues where it stopped. To repeat
# some, delete their lines.
set -eu
cd "$(dirname "$0")/.."
data=doc/benchmarks/data/search
quality=${TMPDIR:-/tmp}/attune-quality-$$
trap 'rm -rf "$quality"' EXIT
mkdir "$quality"
run() { # SAMPLER FILE PROBLEMS SEEDS TRIALS [WORKERS]
	"$quality/quality" -sampler "$1" -problems "$3" -seeds "$4" -trials "$5" -workers "${6:-1}" -keep "$data/$2.jsonl"
}
# The problems of the slow peers.
slow=ellipsoid-5,powers-5,ackley-5,griewank-5,ridge-10,sector-5,discus-10,schaffer-5,peaks-5,steps-5,knobs,boosting
case ${1:-} in
-smoke)
	data=$quality
	go build -o "$quality/quality" ./internal/dev/compare/quality
	some=ellipsoid-2,knobs,hpobench_kc1,zdt1,gramacy
	run random random $some 3 50
	for s in auto tpe cmaes; do
		run $s $s ellipsoid-2,knobs,hpobench_kc1,gramacy 2 50
	done
	run nsga2 nsga2 zdt1 2 50
	run auto auto zdt1 2 50
	go run ./internal/dev/compare/overview -trials 25,50 "$data/random.jsonl" "$data/auto.jsonl" "$data/tpe.jsonl" "$data/cmaes.jsonl" "$data/nsga2.jsonl"
	exit
	;;
-ours)
	go build -o "$quality/quality" ./internal/dev/compare/quality
	run random random judging,mixed,tables,fronts,fresh,constrained,rosenbrock-5,levy-10 20 50
	for s in tpe cmaes; do
		run $s $s judging 10 200
		run $s $s-mixed mixed 10 200
		run $s $s-tables tables 10 200
		run $s $s-fresh fresh 20 200
		run $s $s-constrained constrained 10 200
	done
	run gp gp $slow 10 100
	for s in nsga2 nsga3 tpe; do
		run $s $s-fronts fronts 10 500
	done
	for w in 1 8; do
		some=rosenbrock-5,levy-10,ellipsoid-5,ackley-10,boosting
		run tpe workers-tpe-$w $some 20 200 $w
		run cmaes workers-cmaes-$w $some 20 200 $w
		run auto workers-auto-$w $some 3 200 $w
	done
	run auto auto-tables tables 10 200
	run auto auto-mixed mixed 10 200
	run auto auto-fronts fronts 5 500
	run auto auto-constrained constrained 3 100
	run auto auto judging 5 200
	run auto auto-fresh fresh 5 200
	;;
-peers)
	python=$(scripts/venv.sh)
	"$python" -m pip install --quiet --disable-pip-version-check cmaes torch
	peer() { # VARIANT FILE PROBLEMS SEEDS TRIALS
		OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 "$python" -W ignore internal/dev/compare/optuna/quality.py \
			-variant "$1" -problems "$3" -seeds "$4" -trials "$5" -keep "$data/$2.jsonl"
	}
	peer default optuna-tpe fresh,judging,mixed 5 200
	peer default optuna-tpe-fronts fronts 3 500
	peer nsga2 optuna-nsga2-fronts fronts 10 500
	peer cmaes optuna-cmaes judging,fresh 5 200
	peer gp optuna-gp $slow 3 100
	if ! [ -x .venv-smac/bin/python ]; then
		python3 -m venv .venv-smac >&2
		.venv-smac/bin/python -m pip install --quiet --disable-pip-version-check smac==2.4.1 >&2
	fi
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 .venv-smac/bin/python -W ignore internal/dev/compare/optuna/others.py \
		-variant smac -problems $slow -seeds 3 -trials 100 -keep "$data/smac3.jsonl"
	;;
esac
go build -o "$quality/overview" ./internal/dev/compare/overview
overview() { "$quality/overview" "$@"; }
section() {
	echo
	echo "## $1"
	echo
}
section "Continuous functions"
overview -title "Continuous functions" -plot doc/benchmarks/search-continuous.svg \
	$data/random.jsonl $data/auto.jsonl $data/tpe.jsonl $data/cmaes.jsonl $data/optuna-tpe.jsonl $data/optuna-cmaes.jsonl
section "Functions and mixed problems on which nothing was tuned"
overview -title "Problems on which nothing was tuned" -plot doc/benchmarks/search-fresh.svg \
	$data/random.jsonl $data/auto-fresh.jsonl $data/tpe-fresh.jsonl $data/cmaes-fresh.jsonl $data/optuna-tpe.jsonl $data/optuna-cmaes.jsonl
section "Numbers and choices, with and without conditions"
overview $data/random.jsonl $data/auto-mixed.jsonl $data/tpe-mixed.jsonl $data/cmaes-mixed.jsonl
section "Slow samplers of others"
some() { # FILE...: their runs of the problems of the slow peers
	grep -hE "\"problem\": ?\"($(echo $slow | tr , '|'))\"" "$@"
}
for s in auto tpe cmaes; do
	some $data/$s.jsonl $data/$s-mixed.jsonl $data/$s-fresh.jsonl >"$quality/$s.jsonl"
done
overview -trials 50,100 $data/random.jsonl "$quality/auto.jsonl" $data/gp.jsonl "$quality/tpe.jsonl" "$quality/cmaes.jsonl" $data/optuna-gp.jsonl $data/smac3.jsonl
section "Tables"
overview $data/random.jsonl $data/auto-tables.jsonl $data/tpe-tables.jsonl $data/cmaes-tables.jsonl
section "Several objectives"
overview -trials 200,500 $data/random.jsonl $data/auto-fronts.jsonl $data/nsga2-fronts.jsonl $data/nsga3-fronts.jsonl $data/tpe-fronts.jsonl \
	$data/optuna-nsga2-fronts.jsonl $data/optuna-tpe-fronts.jsonl
section "Constraints"
overview -trials 50,100,200 $data/random.jsonl $data/auto-constrained.jsonl $data/tpe-constrained.jsonl $data/cmaes-constrained.jsonl
section "Eight workers"
for s in auto tpe cmaes; do
	overview -trials 200 $data/random.jsonl $data/workers-$s-1.jsonl $data/workers-$s-8.jsonl
	echo
done
