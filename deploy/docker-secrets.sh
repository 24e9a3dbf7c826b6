#!/bin/sh
# Makes the secrets that compose.yaml names, those that are missing. The
# folder is closed to everyone but root; the files in it can be read by the
# containers' users, whom only the containers know.
set -eu
cd "$(dirname "$0")"
umask 022
mkdir -p -m 700 secrets
chmod 700 secrets
# make NAME COMMAND…
make() {
	file=secrets/$1
	shift
	[ -s "$file" ] || { "$@" >"$file.new" && mv "$file.new" "$file"; }
}
make secret openssl rand -base64 32
make postgres_password openssl rand -hex 24
make database_url echo "postgres://homebase:$(openssl rand -hex 24)@database:5432/homebase"
