#!/bin/sh
# Makes the secrets that compose.yaml names, those that are missing. The
# folder is closed to everyone but root; the files in it can be read by the
# containers' users, whom only the containers know.
set -eu
cd "$(dirname "$0")"
umask 022
mkdir -p -m 700 secrets
make() { [ -s "secrets/$1" ] || { cat >"secrets/$1.new" && mv "secrets/$1.new" "secrets/$1"; }; }
openssl rand -base64 32 | make secret
openssl rand -hex 24 | make postgres_password
echo "postgres://homebase:$(openssl rand -hex 24)@database:5432/homebase" | make database_url
