#!/usr/bin/env bash
# Starts a PostgreSQL server for the tests in a temporary folder, as an unprivileged user,
# on a free port of the loopback interface, and prints the variables that name it:
#
#	eval "$(scripts/servers.sh start)"
#	go test ./storage/...
#	scripts/servers.sh stop
#
# Its password and its data are of no value: the server goes with its folder, and does not
# wait for the disk unless ATTUNE_SERVERS_FSYNC=on is set.
set -euo pipefail

folder=${ATTUNE_SERVERS_FOLDER:-${TMPDIR:-/tmp}/attune-servers-$(id -u)}
export LC_ALL=C.UTF-8 # whatever the user has, the server may lack

# as runs a command as the user of the servers, which refuse to run as root.
as() {
	if [ "$(id -u)" -ne 0 ]; then
		"$@"
	else
		setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/ "$@"
	fi
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# newest prints the newest of the programs that a pattern matches.
newest() { compgen -G "$1" | sort -V | tail -1; }

start_postgres() {
	local initdb bin port data=$folder/postgres
	initdb=$(command -v initdb || newest '/usr/lib/postgresql/*/bin/initdb') || {
		echo "servers.sh: no PostgreSQL: apt-get install postgresql" >&2
		exit 1
	}
	bin=$(dirname "$initdb")
	if ! as "$bin/pg_ctl" -D "$data" status >/dev/null 2>&1; then
		port=$(free_port)
		if [ ! -d "$data" ]; then
			as mkdir -p "$data"
			as sh -c "printf attune >'$folder/password'"
			as "$bin/initdb" -D "$data" -U attune --pwfile="$folder/password" --auth=scram-sha-256 -E UTF8 --no-sync >"$folder/initdb.log"
		fi
		as "$bin/pg_ctl" -D "$data" -w -t 60 -l "$data.log" start \
			-o "-p $port -k '' -c listen_addresses=127.0.0.1 -c max_connections=200 -c fsync=${ATTUNE_SERVERS_FSYNC:-off}" >&2
		as sh -c "echo $port >'$folder/postgres.port'"
	fi
	echo "export ATTUNE_TEST_POSTGRES=postgres://attune:attune@127.0.0.1:$(cat "$folder/postgres.port")/postgres"
}

stop_postgres() {
	local bin
	bin=$(dirname "$(command -v pg_ctl || newest '/usr/lib/postgresql/*/bin/pg_ctl')")
	as "$bin/pg_ctl" -D "$folder/postgres" -m immediate stop >&2 || true
}

case ${1:-} in
start)
	mkdir -p "$folder"
	[ "$(id -u)" -ne 0 ] || chown nobody:nogroup "$folder"
	start_postgres
	;;
stop)
	[ ! -d "$folder/postgres" ] || stop_postgres
	rm -rf "$folder"
	;;
*)
	echo "usage: scripts/servers.sh start|stop" >&2
	exit 2
	;;
esac
