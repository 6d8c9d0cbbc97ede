#!/usr/bin/env bash
# Times 1, 4 and 16 worker processes of attune and of Optuna on one study in PostgreSQL, with
# the server's default settings, on this machine. A few minutes; nothing else should be running.
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
for n in ${WORKERS:-1 4 16}; do
	echo "attune: $("$dir/workers" -storage "$ATTUNE_TEST_POSTGRES" -workers "$n" -trials "${TRIALS:-1600}")"
	echo "Optuna: $("$dir/workers" -storage "$ATTUNE_TEST_POSTGRES" -workers "$n" -trials "${PEER_TRIALS:-160}" \
		-program "$python internal/dev/compare/optuna/workers.py")"
done
