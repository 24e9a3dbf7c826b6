#!/bin/bash
# docker.sh WORK BASE, in namespaces of its own: the image, and compose with a
# real PostgreSQL, as docs/operations.md tells.
set -euo pipefail
work=$1 base=$2 here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/test/lib.sh
. "$here/lib.sh"
# shellcheck disable=SC2034 # lib.sh uses it
API=http://homebase:8080/api/v1

ip link set lo up
# The engine would keep a key there.
[ ! -d /etc/docker ] || mount -t tmpfs tmpfs /etc/docker
export DOCKER_HOST=unix://$work/docker.sock
dockerd --data-root "$work/docker" --exec-root "$work/exec" -H "$DOCKER_HOST" --pidfile "$work/docker.pid" \
	--storage-driver overlay2 --cgroup-parent homebase-deploy-test --bip 172.30.0.1/24 >"$work/dockerd.log" 2>&1 &
engine=$!
leave() {
	rc=$?
	[ $rc = 0 ] || for id in $(docker ps -aq); do docker inspect -f '{{.Name}} {{.State.Status}}' "$id" && docker logs --tail 20 "$id"; done
	docker rm -f proxy >/dev/null 2>&1 || true
	compose down -v -t 5 >/dev/null 2>&1 || true
	kill $engine
	wait $engine || true
	find /sys/fs/cgroup -depth -type d -path '*/homebase-deploy-test*' -exec rmdir {} + 2>/dev/null || true
	exit $rc
}
trap leave EXIT
until_ok 30 docker version

step "the image, and a stand-in for the official PostgreSQL image"
image() { make --no-print-directory -C "$here/../.." image VERSION="$1-test" BIN="$work/homebase-$1" >"$work/build.log" 2>&1 || { cat "$work/build.log"; fail "make image"; }; }
image v1
docker import "$base" debian:base >/dev/null
mkdir "$work/postgres"
cp "$here/postgres.Dockerfile" "$here/postgres-entry.sh" "$work/postgres/"
docker build -q --network none -f "$work/postgres/postgres.Dockerfile" -t postgres:15 "$work/postgres" >"$work/build.log" 2>&1 || { cat "$work/build.log"; fail "postgres:15"; }

step "compose"
cp -r "$here/.." "$work/deploy"
cd "$work/deploy"
compose() { docker-compose "$@"; }
cat >homebase.env <<-END
	HOMEBASE_PUBLIC_URL=https://api.example.com
	HOMEBASE_ORIGINS=https://storage.example.com
	HOMEBASE_TRUSTED_PROXIES=172.30.8.2
	HOMEBASE_MIN_FREE=100MiB
END
./docker-secrets.sh
same "mode of the secrets' folder" "$(stat -c %a secrets)" 700
first=$(cat secrets/*)
./docker-secrets.sh
same "secrets after a second run" "$(cat secrets/*)" "$first"
compose up -d >"$work/compose.log" 2>&1 || { cat "$work/compose.log"; fail "compose up"; }
id=$(compose ps -q homebase)
health() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$id")" = healthy ]; }
until_ok 180 health

step "how the container is closed"
same "read only, user, memory" "$(docker inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.Config.User}} {{.HostConfig.Memory}} {{.HostConfig.CapDrop}}' "$id")" "true 65532:65532 1073741824 [ALL]"
same "capabilities" "$(awk '/^Cap(Eff|Prm|Bnd)|^NoNewPrivs/ {print $2}' "/proc/$(docker inspect -f '{{.State.Pid}}' "$id")/status" | sort -u | xargs)" "0000000000000000 1"
same "the database's ports" "$(docker port "$(compose ps -q database)")" ""
says 'The server runs as homebase_runtime.' compose exec -T homebase /homebase doctor

step "the first admin, through the proxy's address"
echo "$password" | compose exec -T homebase /homebase user create "$email" --role admin --password-stdin
compose exec -T homebase /homebase app roles | compose exec -T database psql -qU postgres homebase
compose exec -T homebase /homebase migrate
# The proxy is a container at the address that is trusted.
docker run -d --name proxy --network homebase --ip 172.30.8.2 --entrypoint sleep debian:base infinity >/dev/null
ask() { docker exec -i proxy curl -sS -m 30 -H 'X-Forwarded-For: 203.0.113.9' "$@"; }
token=$(sign_in)
head -c 3000000 /dev/urandom >"$work/film.mp4"
same "upload" "$(status PUT /files/content/documents/film.mp4 "$token" -T - <"$work/film.mp4")" 201
want=$(sha256sum <"$work/film.mp4" | cut -d' ' -f1)
same "the file" "$(digest film.mp4 "$token")" "$want"

step "what docs/backup.md prints"
says '1 files' compose exec -T homebase /homebase backup --keep 30 /backup
compose exec -T homebase /homebase backup --verify /backup >/dev/null
compose exec -T homebase /homebase restore --check /backup >/dev/null

step "others are refused"
same "direct access" "$(curl -sS http://127.0.0.1:8080/api/v1/system/health | jq -r .code)" untrusted_peer
says '"client":"172.30.8.128","problem":"untrusted_peer"' compose logs --no-color homebase

step "kill -9, and an upgrade"
kill -9 "$(docker inspect -f '{{.State.Pid}}' "$id")"
until_ok 180 health
same "the file after kill -9" "$(digest film.mp4 "$token")" "$want"
image v2
compose up -d >"$work/compose.log" 2>&1
id=$(compose ps -q homebase)
until_ok 180 health
says v2-test compose exec -T homebase /homebase version
same "the file after the upgrade" "$(digest film.mp4 "$token")" "$want"
docker rm -f proxy >/dev/null
compose down -v -t 30 >/dev/null 2>&1
same "containers left" "$(docker ps -aq)" ""
same "volumes left" "$(docker volume ls -q)" ""
echo "Docker holds."
