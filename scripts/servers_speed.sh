#!/usr/bin/env bash
# Times worker processes of attune and of Optuna on one study, in PostgreSQL and in MariaDB, with
# the servers' default settings, on this machine, and then the opening of a large study. Ten minutes; nothing
# else should be running. The numbers are set by WORKERS,
# TRIALS, PEER_TRIALS and LARGE (trials of the large study).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${ATTUNE_PYTHON:-$(scripts/venv.sh)}
dir=$(mktemp -d)
ATTUNE_SERVERS_FOLDER=$(mktemp -d) # which the servers' user has to reach
export ATTUNE_SERVERS_FOLDER ATTUNE_SERVERS_FSYNC=on
trap 'scripts/servers.sh stop 2>/dev/null; rm -rf "$dir"' EXIT
go build -o "$dir/workers" ./internal/dev/compare/workers
servers=$(scripts/servers.sh start 2>/dev/null)
eval "$servers"
mariadb --no-defaults --socket="$ATTUNE_SERVERS_FOLDER/mariadb.sock" -u root -e 'CREATE DATABASE speed'
for at in "$ATTUNE_TEST_POSTGRES" "${ATTUNE_TEST_MYSQL%/*}/speed"; do
	for n in ${WORKERS:-1 4 16}; do
		echo "${at%%:*}, attune: $("$dir/workers" -storage "$at" -workers "$n" -trials "${TRIALS:-800}")"
		echo "${at%%:*}, Optuna: $("$dir/workers" -storage "$at" -workers "$n" -trials "${PEER_TRIALS:-80}" \
			-program "$python internal/dev/compare/optuna/workers.py")"
	done
done
for at in "$ATTUNE_TEST_POSTGRES" "${ATTUNE_TEST_MYSQL%/*}/speed"; do
	echo "${at%%:*}: $("$dir/workers" -storage "$at" -has "${LARGE:-100000}" -open)"
done
