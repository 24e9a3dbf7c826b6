#!/bin/bash
# Installs Homebase into a Debian 12 container, or upgrades it: run it again
# with a newer binary. To run it twice does no harm.
#
#   HOMEBASE_PUBLIC_URL=https://api.example.com HOMEBASE_TRUSTED_PROXIES=192.168.1.5 ./lxc-install.sh BINARY
#   ./lxc-install.sh BINARY          upgrade: requests go on being answered
#   ./lxc-install.sh --uninstall     remove the program; files, database, secret and settings stay
#
# Every HOMEBASE_… variable given goes into /etc/homebase/homebase.env, which
# is the operator's from then on: a later run takes none, and says so. With
# HOMEBASE_DATABASE_URL of another machine no PostgreSQL is installed here; run
# database.sql there first.
set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
lib=/usr/local/lib/homebase
verb=/usr/local/bin/homebase
settings=/etc/homebase/homebase.env
units=/etc/systemd/system

die() { echo "lxc-install.sh: $*" >&2; exit 1; }
say() { echo "== $*"; }
# setting NAME prints it as the settings have it; the last line counts.
setting() { sed -n "s/^$1=//p" "$settings" | tail -n 1; }

uninstall() {
	systemctl disable --quiet --now homebase.socket homebase.service 2>/dev/null || true
	systemctl disable --quiet --now homebase-backup.timer 2>/dev/null || true
	systemctl stop --quiet homebase-backup.service 2>/dev/null || true
	# The roles that its login was given: the server's own, and one for each app.
	roles=$(su - postgres -c 'psql -Atq' 2>/dev/null <<<"SELECT DISTINCT format(' && dropuser %s', m.roleid::regrole) FROM pg_auth_members m WHERE m.member = 'homebase'::regrole" | tr -d '\n') || roles=
	rm -rf "$units/homebase.service" "$units/homebase.socket" "$lib" "$verb"
	systemctl daemon-reload
	cat <<-END
		Homebase is removed. What is yours is still there:
		  /data               users' files
		  /var/lib/homebase   the secret
		  /etc/homebase       the settings
		  the database "homebase" and PostgreSQL itself
		  $units/homebase-backup.*, the nightly backup, if you had one; it is switched off
		To install again, run this script with a binary. To destroy the rest as well:
		  su - postgres -c 'dropdb homebase && dropuser homebase$roles'
		  rm -rf /etc/homebase /var/lib/homebase $units/homebase-backup.*
	END
}

# The binary is looked at before anything is changed.
check() {
	[ "$(id -u)" = 0 ] || die "run it as root, in the container"
	[ "$(ps -p 1 -o comm=)" = systemd ] || die "systemd does not run here; in Docker use compose.yaml"
	[ "${1:-}" = --uninstall ] && return
	[ -f "${1:-}" ] || die "give the path of Homebase's binary, or --uninstall"
	"$1" version >/dev/null || die "$1 does not run here; is it for this processor?"
	mountpoint -q /data || die "/data is not a mount point. Files belong on the disk that was made for them; on the Proxmox host:
  pct set $(hostname | tr -cd '0-9' | grep . || echo ID) -mp0 /path/on/the/host,mp=/data"
}

# database_here says that the database is this container's.
database_here() {
	local url file
	url=$(setting HOMEBASE_DATABASE_URL)
	file=$(setting HOMEBASE_DATABASE_URL_FILE)
	[ -z "$file" ] || url=$(<"$file")
	case $url in
		"" | *host=/* | *@localhost[:/]* | *@127.0.0.1[:/]*) ;;
		*) return 1 ;;
	esac
}

packages() {
	command -v pg_lsclusters >/dev/null && command -v psql >/dev/null && return
	say "PostgreSQL from Debian's packages"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}

database() {
	systemctl start postgresql.service
	for _ in $(seq 50); do
		su - postgres -c 'psql -qc "SELECT 1"' >/dev/null 2>&1 && break
		sleep 0.2
	done
	su - postgres -c 'psql -qv ON_ERROR_STOP=1' <"$here/database.sql"
}

user() {
	id homebase >/dev/null 2>&1 || useradd --system --home-dir /var/lib/homebase --shell /usr/sbin/nologin --user-group homebase
	install -d -o homebase -g homebase -m 700 /var/lib/homebase
	# Only the mount point: the rest has been homebase's since it was written.
	chown homebase:homebase /data 2>/dev/null || die "/data belongs to a user that this container does not know. For an unprivileged container, on the Proxmox host:
  chown 100000:100000 /path/on/the/host"
	chmod 700 /data
}

# configure writes the settings once; the file may hold passwords.
configure() {
	install -d -m 755 /etc/homebase
	if [ ! -e "$settings" ]; then
		[ -n "${HOMEBASE_PUBLIC_URL:-}" ] || die "give HOMEBASE_PUBLIC_URL, the address people will reach the API by"
		[ -n "${HOMEBASE_TRUSTED_PROXIES:-}" ] || die "give HOMEBASE_TRUSTED_PROXIES, the proxy's own address; everyone else is refused"
		(
			umask 077
			: "${HOMEBASE_LISTEN:=0.0.0.0:8080}"
			[ -n "${HOMEBASE_DATABASE_URL_FILE:-}" ] || : "${HOMEBASE_DATABASE_URL:=postgres://homebase@/homebase?host=/run/postgresql}"
			: "${HOMEBASE_DATA_DIR:=/data}"
			: "${HOMEBASE_STATE_DIR:=/var/lib/homebase}"
			export HOMEBASE_LISTEN HOMEBASE_DATABASE_URL HOMEBASE_DATA_DIR HOMEBASE_STATE_DIR
			{ sed -n '1,/^$/p' "$here/homebase.env"; env | grep '^HOMEBASE_' | sort; } >"$settings.new"
		)
		mv "$settings.new" "$settings"
	fi
	# From here on the file is what counts.
	local name
	for name in "${!HOMEBASE_@}"; do
		[[ $'\n'$(<"$settings")$'\n' == *$'\n'"$name=${!name}"$'\n'* ]] ||
			echo "lxc-install.sh: $name is ignored, $settings was there already: change it there, then run this script again" >&2
		unset "$name"
	done
	chown root:homebase "$settings"
	chmod 640 "$settings"
}

# The operator's command: the same settings and the same user as the service.
wrapper() {
	cat >"$verb.new" <<-END
		#!/bin/sh
		while IFS= read -r line; do
			case \$line in HOMEBASE_*=*) export "\$line" ;; esac
		done <$settings
		cd /var/lib/homebase || exit 1
		[ "\$(id -un)" = homebase ] && exec $lib/homebase "\$@"
		exec setpriv --reuid=homebase --regid=homebase --init-groups $lib/homebase "\$@"
	END
	chmod 755 "$verb.new"
	mv "$verb.new" "$verb"
}

# program puts the binary in place when its steps of the schema are done; the
# old one serves until then, and goes on when a step fails.
program() {
	say "schema"
	install -d -m 755 "$lib"
	install -m 755 "$1" "$lib/homebase.new"
	mapfile -t given < <(grep '^HOMEBASE_' "$settings")
	# Exported, because the arguments of env could be read by everybody.
	as_homebase() { (cd /var/lib/homebase && unset "${!PG@}" && export "${given[@]}" && exec setpriv --reuid=homebase --regid=homebase --init-groups "$lib/homebase.new" "$@"); }
	as_homebase migrate
	roles=$(as_homebase app roles)
	if grep -q CREATE <<<"$roles"; then
		database_here || die "the apps need roles in the database. Do this there, then run this script again:
$roles"
		su - postgres -c 'psql -qv ON_ERROR_STOP=1 homebase' <<<"$roles"
		as_homebase migrate
	fi
	mv "$lib/homebase.new" "$lib/homebase"
}

# service starts the new program. The socket is touched only when it changed:
# as long as it stays, no connection is refused.
service() {
	say "service"
	address=$(setting HOMEBASE_LISTEN)
	: "${address:=127.0.0.1:8080}"
	sed "s|^ListenStream=.*|ListenStream=${address#unix:}|" "$here/homebase.socket" >"$units/homebase.socket.new"
	install -m 644 "$here/homebase.service" "$units/homebase.service"
	if ! cmp -s "$units/homebase.socket.new" "$units/homebase.socket"; then
		systemctl stop --quiet homebase.service homebase.socket 2>/dev/null || true
	fi
	mv "$units/homebase.socket.new" "$units/homebase.socket"
	systemctl daemon-reload
	systemctl enable --quiet homebase.socket homebase.service
	systemctl start homebase.socket
	systemctl restart homebase.service
	for _ in $(seq 100); do
		"$verb" healthcheck 2>/dev/null && return
		sleep 0.2
	done
	die "the server does not get ready; look at: journalctl -u homebase"
}

[ ! -f "${1:-}" ] || set -- "$(realpath "$1")" # a bare name would be looked for in PATH
check "$@"
if [ "$1" = --uninstall ]; then
	uninstall
	exit
fi
first=yes
[ -e "$settings" ] && first=no
user
configure
wrapper
if database_here; then
	packages
	database
fi
program "$1"
service
echo "Homebase $("$verb" version | cut -d' ' -f2) serves $(setting HOMEBASE_PUBLIC_URL)."
[ $first = no ] || echo "The first admin: homebase user create you@example.com --role admin"
