#!/usr/bin/env bash
# Runs four workers on a study in PostgreSQL for SECONDS_ (60), kills one of them every second
# and starts another, crashes and restarts the server every nine seconds, and then checks
# that nothing which a worker told is lost or doubled.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
ATTUNE_SERVERS_FOLDER=$(mktemp -d) # which the servers' user has to reach
export ATTUNE_SERVERS_FOLDER
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null || true; scripts/servers.sh stop 2>/dev/null; rm -rf "$dir"' EXIT
go build -o "$dir/storm" ./internal/dev/compare/storm
servers=$(scripts/servers.sh start 2>/dev/null)
eval "$servers"
started=0
start() {
	"$dir/storm" -storage "$ATTUNE_TEST_POSTGRES" >"$dir/worker-$started.log" 2>&1 &
	pids[$1]=$!
	disown $! # whose death is no news
	started=$((started + 1))
}
for w in 0 1 2 3; do start $w; done
for ((s = 1; s <= ${SECONDS_:-60}; s++)); do
	sleep 1
	w=$((RANDOM % 4))
	kill -9 "${pids[$w]}" || true # which the check finds, if it ended by itself
	start $w
	[ $((s % 9)) -ne 0 ] || scripts/servers.sh crash 2>/dev/null
done
kill -9 "${pids[@]}" || true
sleep 1
"$dir/storm" -storage "$ATTUNE_TEST_POSTGRES" -check "$dir"/worker-*.log
