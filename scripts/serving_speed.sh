#!/usr/bin/env bash
# Times attune serve for workers over HTTP, on this machine: trials of five floats and five reports, by
# clients in another process. It takes a minute; nothing else should be running. TRIALS sets their number.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/serving" ./internal/dev/compare/serving
n=${TRIALS:-5000}
run() { # what it is, and the flags
	local what=$1
	shift
	rm -f "$dir/a.db"*
	echo "$what: $("$dir/serving" -trials "$n" "$@")"
}
run "memory" -storage memory
run "memory, a request for each report" -storage memory -single
run "SQLite" -storage "$dir/a.db"
run "memory, 1,000 clients" -storage memory -clients 1000
run "memory, TPE, 10,000 trials before, 1 client" -storage memory -clients 1 -sampler tpe -study 10000
run "memory, TPE, 10,000 trials before" -storage memory -sampler tpe -study 10000
run "SQLite, storage/remote" -storage "$dir/a.db" -remote
