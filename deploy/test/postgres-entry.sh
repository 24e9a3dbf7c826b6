#!/bin/sh
# Makes the database on the first start, as the official image does: the
# superuser's password from a file, then the SQL that is mounted.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	# shellcheck disable=SC2086 # several options
	initdb -D "$PGDATA" -U postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust $POSTGRES_INITDB_ARGS >/dev/null
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	pg_ctl -D "$PGDATA" -w -s -o "-c listen_addresses='' -k /run/postgresql" start
	for file in /docker-entrypoint-initdb.d/*.sql; do
		psql -v ON_ERROR_STOP=1 -qh /run/postgresql -U postgres -f "$file"
	done
	pg_ctl -D "$PGDATA" -w -s -m fast stop
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql
