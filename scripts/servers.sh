#!/usr/bin/env bash
# Starts PostgreSQL and MariaDB for the tests in a temporary folder, as an unprivileged user,
# on free ports of the loopback interface, and prints the variables that name them:
#
#	eval "$(scripts/servers.sh start)"
#	go test ./storage/...
#	scripts/servers.sh stop
#
# Their passwords and data are of no value: the servers are removed with their folder, and do
# not wait for the disk unless ATTUNE_SERVERS_FSYNC=on is set.
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
		port=$(cat "$folder/postgres.port" 2>/dev/null || free_port)
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

start_mariadb() {
	local port flush=2 data=$folder/mariadb
	[ "${ATTUNE_SERVERS_FSYNC:-off}" = off ] || flush=1
	command -v mariadbd >/dev/null || {
		echo "servers.sh: no MariaDB: apt-get install mariadb-server" >&2
		exit 1
	}
	if ! as kill -0 "$(cat "$folder/mariadb.pid" 2>/dev/null || echo x)" 2>/dev/null; then
		port=$(cat "$folder/mariadb.port" 2>/dev/null || free_port)
		if [ ! -d "$data" ]; then
			as mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal --skip-test-db >"$folder/mariadb-install.log" 2>&1
		fi
		as mariadbd --no-defaults --datadir="$data" --bind-address=127.0.0.1 --port="$port" --socket="$folder/mariadb.sock" \
			--pid-file="$folder/mariadb.pid" --innodb-flush-log-at-trx-commit="$flush" --max-connections=200 >"$data.log" 2>&1 &
		until mariadb-admin --no-defaults --socket="$folder/mariadb.sock" -u root ping >/dev/null 2>&1; do
			kill -0 $! || { cat "$data.log" >&2; exit 1; }
			sleep 0.1
		done
		mariadb --no-defaults --socket="$folder/mariadb.sock" -u root \
			-e "CREATE USER IF NOT EXISTS attune@'127.0.0.1' IDENTIFIED BY 'attune'; GRANT ALL ON *.* TO attune@'127.0.0.1' WITH GRANT OPTION"
		as sh -c "echo $port >'$folder/mariadb.port'"
	fi
	echo "export ATTUNE_TEST_MYSQL=mysql://attune:attune@127.0.0.1:$(cat "$folder/mariadb.port")/mysql"
}

stop_mariadb() {
	as kill -9 "$(cat "$folder/mariadb.pid")" || true
}

case ${1:-} in
start)
	mkdir -p "$folder"
	[ "$(id -u)" -ne 0 ] || chown nobody:nogroup "$folder"
	start_postgres
	start_mariadb
	;;
crash) # one of them, PostgreSQL by default, and start it again, on the same port
	if [ "${2:-postgres}" = mariadb ]; then
		stop_mariadb
		while as kill -0 "$(cat "$folder/mariadb.pid" 2>/dev/null || echo x)" 2>/dev/null; do sleep 0.1; done
		start_mariadb >/dev/null
	else
		stop_postgres
		start_postgres >/dev/null
	fi
	;;
stop)
	[ ! -d "$folder/postgres" ] || stop_postgres
	[ ! -f "$folder/mariadb.pid" ] || stop_mariadb
	rm -rf "$folder"
	;;
*)
	echo "usage: scripts/servers.sh start|crash [postgres|mariadb]|stop" >&2
	exit 2
	;;
esac
