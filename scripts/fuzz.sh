#!/usr/bin/env bash
# scripts/fuzz.sh [REGEXP]: runs every fuzz target of the module, or those whose package and
# name match REGEXP, for FUZZTIME each (default 1m; see go help testflag) on FUZZWORKERS
# workers (default: one for each core). It finds the targets by itself, continues after a
# failure, and fails at the end if a target failed. The go command keeps a failing input in
# testdata/fuzz of the package: fix the fault, and commit the input.
set -uo pipefail
cd "$(dirname "$0")/.."

targets=$(go list -f '{{$dir := .Dir}}{{range .TestGoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}' ./... |
	xargs grep -H '^func Fuzz' | sed -E "s|^$PWD/(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*)\(.*|./\1 \2|" | sort | grep -E "${1:-.}")
test -n "$targets" || { echo "no fuzz target matches ${1:-.}"; exit 1; }

failed=0
while read -r package name; do
	# Go tries for a minute to make each input shorter that reaches new code: no more than
	# a hundred runs are spent on that here.
	if out=$(go test -run='^$' -fuzz="^$name\$" -fuzztime="${FUZZTIME:-1m}" -fuzzminimizetime=100x \
		${FUZZWORKERS:+-parallel="$FUZZWORKERS"} "$package" 2>&1 </dev/null); then
		verdict=ok
	else
		verdict=FAILED failed=1
	fi
	executions=$(grep -oE 'execs: [0-9]+' <<<"$out" | tail -1)
	seconds=$(grep -oE 'elapsed: [0-9ms]+' <<<"$out" | tail -1)
	printf '%-34s %-22s %-18s %-14s %s\n' "$package" "$name" "${executions:--}" "${seconds:--}" "$verdict"
	test "$verdict" = ok || printf '%s\n' "$out" | grep -v '^fuzz: elapsed'
done <<<"$targets"
exit $failed
