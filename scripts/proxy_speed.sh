#!/usr/bin/env bash
# Times Python workers on two gRPC storage proxies, attune serve and Optuna's own, with SQLite and with
# PostgreSQL, on this machine. It takes a few minutes; nothing else should be running. The numbers are set by
# WORKERS, TRIALS (of each worker) and HAS (trials that the study already has).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${ATTUNE_PYTHON:-$(scripts/venv.sh)}
dir=$(mktemp -d)
ATTUNE_SERVERS_FOLDER=$(mktemp -d) # which the servers' user has to reach
export ATTUNE_SERVERS_FOLDER ATTUNE_SERVERS_FSYNC=on
proxy=
trap 'kill $proxy 2>/dev/null || true; scripts/servers.sh stop 2>/dev/null; rm -rf "$dir"' EXIT
go build -o "$dir/workers" ./internal/dev/compare/workers
go build -o "$dir/attune" ./cmd/attune
servers=$(scripts/servers.sh start 2>/dev/null)
eval "$servers"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
for has in ${HAS:-1000 20000}; do
	for storage in "$dir/a.db" "$ATTUNE_TEST_POSTGRES"; do
		"$dir/workers" -storage "$storage" -workers 1 -trials 1 >/dev/null # makes the tables
		for server in attune Optuna; do
			port=$(free_port)
			if [ $server = attune ]; then
				"$dir/attune" serve --storage "$storage" --grpc "127.0.0.1:$port" 2>/dev/null &
			else
				"$python" internal/dev/compare/optuna/workers.py serve "$storage" "$port" 2>/dev/null &
			fi
			proxy=$!
			until (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
			for n in ${WORKERS:-1 4 16}; do
				echo "${storage%%:*}, $has before, $server: $("$dir/workers" -storage "$storage" -at "$port" -has "$has" -workers "$n" \
					-trials $((n * ${TRIALS:-20})) -program "$python internal/dev/compare/optuna/workers.py")"
			done
			kill "$proxy"
			wait "$proxy" || true
		done
	done
done
