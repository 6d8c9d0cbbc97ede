#!/usr/bin/env bash
# Runs WORKERS (8) workers on a study for SECONDS_ (60), kills one of them every second and starts
# another, and checks that nothing which a worker told is lost or doubled, and that no worker has seen
# an error. ON selects the storage: postgres (the default), mariadb or sqlite. A database server crashes and
# starts again every CRASH (20) seconds; CRASH=0: never.
set -euo pipefail
cd "$(dirname "$0")/.."
on=${ON:-postgres} crash=${CRASH:-20} workers=${WORKERS:-8}
dir=$(mktemp -d)
ATTUNE_SERVERS_FOLDER=$(mktemp -d) # which the servers' user has to reach
export ATTUNE_SERVERS_FOLDER
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null || true; scripts/servers.sh stop 2>/dev/null; rm -rf "$dir"' EXIT
go build -o "$dir/storm" ./internal/dev/compare/storm
if [ "$on" = sqlite ]; then
	at=$dir/a.db crash=0
else
	servers=$(scripts/servers.sh start 2>/dev/null)
	eval "$servers"
	at=$ATTUNE_TEST_POSTGRES
	if [ "$on" = mariadb ]; then
		mariadb --no-defaults --socket="$ATTUNE_SERVERS_FOLDER/mariadb.sock" -u root -e 'CREATE DATABASE storm'
		at=${ATTUNE_TEST_MYSQL%/*}/storm
	fi
fi
started=0
start() {
	"$dir/storm" -storage "$at" >"$dir/worker-$started.log" 2>&1 &
	pids[$1]=$!
	disown $! # whose death is no news
	started=$((started + 1))
}
for ((w = 0; w < workers; w++)); do start $w; done
for ((s = 1; s <= ${SECONDS_:-60}; s++)); do
	sleep 1
	w=$((RANDOM % workers))
	kill -9 "${pids[$w]}" || true # which the check finds, if it ended by itself
	start $w
	[ "$crash" -eq 0 ] || [ $((s % crash)) -ne 0 ] || scripts/servers.sh crash "$on" 2>/dev/null
done
kill -9 "${pids[@]}" || true
sleep 1
echo "$on, $workers workers: $("$dir/storm" -storage "$at" -check "$dir"/worker-*.log)"
