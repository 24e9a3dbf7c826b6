#!/bin/bash
# lxc.sh WORK BASE, in namespaces of its own: lxc-install.sh in a fresh,
# unprivileged Debian 12 container with systemd, as Proxmox makes them.
set -euo pipefail
work=$1 base=$2 here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/test/lib.sh
. "$here/lib.sh"
# shellcheck disable=SC2034 # lib.sh uses it
API=http://127.0.0.1:8080/api/v1

ip link set lo up
echo root:100000:65536 >"$work/subid"
mount --bind "$work/subid" /etc/subuid
mount --bind "$work/subid" /etc/subgid
root=$work/lxc/hb/rootfs
mkdir -p "$root"
tar -C "$root" -xf "$base"
echo hb101 >"$root/etc/hostname"
rm -f "$root/etc/resolv.conf"
# The second disk is small, so that it can be filled; then comes a bigger one.
for disk in data:192M new:512M; do
	truncate -s "${disk#*:}" "$work/${disk%:*}.img"
	mkfs.ext4 -q -F -m 0 "$work/${disk%:*}.img"
	mkdir -p "$work/${disk%:*}"
	mount -o loop "$work/${disk%:*}.img" "$work/${disk%:*}"
done
cat >"$work/lxc/hb/config" <<END
lxc.uts.name = hb101
lxc.rootfs.path = dir:$root
lxc.rootfs.options = idmap=container
lxc.net.0.type = empty
lxc.include = /usr/share/lxc/config/common.conf
lxc.include = /usr/share/lxc/config/userns.conf
lxc.idmap = u 0 100000 65536
lxc.idmap = g 0 100000 65536
lxc.apparmor.profile = unconfined
END
up=no
inside() { lxc-attach -P "$work/lxc" -n hb -- "$@"; }
state() { [[ $(inside systemctl is-system-running 2>/dev/null) =~ running|degraded ]]; }
start() {
	lxc-start -P "$work/lxc" -n hb -o "$work/lxc.log" -d || { cat "$work/lxc.log"; fail lxc-start; }
	up=yes
	until_ok 180 state
	init=$(lxc-info -P "$work/lxc" -n hb -pH)
}
stop() {
	lxc-stop -P "$work/lxc" -n hb -t 60
	up=no
}
leave() {
	rc=$?
	if [ $rc != 0 ] && [ $up = yes ]; then inside journalctl -u homebase -n 20 --no-pager || true; fi
	[ $up = no ] || lxc-stop -P "$work/lxc" -n hb -k || true
	umount "$work/data" "$work/new" 2>/dev/null || true
	rmdir /sys/fs/cgroup/*/lxc.pivot 2>/dev/null || true
	exit $rc
}
trap leave EXIT
ask() { nsenter -t "$init" -n curl -sS -m 30 "$@"; }
ready() { [ "$(ask -o /dev/null -w '%{http_code}' "$API/system/ready")" = 200 ]; }

start
cp -r "$here/.." "$root/root/deploy"
install -m 755 "$work/homebase-v1" "$work/homebase-v2" "$root/root/"
# As docs/backup.md prints it, from /root.
install_it() { inside sh -c "cd /root && deploy/lxc-install.sh $1" >"$work/install.log" 2>&1 || { cat "$work/install.log"; fail "lxc-install.sh $1"; }; }

step "without the disk, and with one of the host's root, it refuses and says how"
says 'pct set 101 -mp0' inside /root/deploy/lxc-install.sh /root/homebase-v1
stop
cat >>"$work/lxc/hb/config" <<END
lxc.mount.entry = $work/data data none bind,create=dir 0 0
lxc.mount.entry = $work/new mnt/new none bind,create=dir 0 0
END
start
says 'chown 100000:100000' inside /root/deploy/lxc-install.sh /root/homebase-v1
chown 100000:100000 "$work/data" "$work/new"

step "install, from Debian's packages"
inside env HOMEBASE_PUBLIC_URL=https://api.example.com HOMEBASE_ORIGINS=https://storage.example.com HOMEBASE_TRUSTED_PROXIES=192.0.2.5 HOMEBASE_MIN_FREE=64MiB \
	/root/deploy/lxc-install.sh /root/homebase-v1
same "the secret's mode" "$(inside stat -c '%a %U' /var/lib/homebase/secret)" "600 homebase"
same "the settings' mode" "$(inside stat -c '%a %G' /etc/homebase/homebase.env)" "640 homebase"
inside systemd-analyze verify homebase.service
inside systemd-analyze security --no-pager --threshold=20 homebase.service | tail -1
says 'The server runs as homebase_runtime.' inside homebase doctor
says '"msg":"serving"' inside journalctl -u homebase --no-pager -o cat

step "the first admin and a file"
echo "$password" | inside homebase user create "$email" --role admin --password-stdin
token=$(sign_in)
head -c 3000000 /dev/urandom >"$work/film.mp4"
same "upload" "$(status PUT /files/content/documents/film.mp4 "$token" -T "$work/film.mp4")" 201
want=$(sha256sum <"$work/film.mp4" | cut -d' ' -f1)
same "the file" "$(digest film.mp4 "$token")" "$want"
[ "$(find "$work/data/users" -name film.mp4 -size 3000000c | wc -l)" = 1 ] || fail "the file is not on the disk"

step "install again changes nothing"
kept() { inside sha256sum /var/lib/homebase/secret /etc/homebase/homebase.env /etc/systemd/system/homebase.socket; }
before=$(kept)
install_it homebase-v1
same "secret, settings, socket" "$(kept)" "$before"

step "reboot"
stop
start
until_ok 180 ready
same "the file after a reboot" "$(digest film.mp4 "$token")" "$want"

# load N: reads and writes, each on a connection of its own as Nginx Proxy
# Manager opens them, until $work/stop is there. A line a request: its status.
load() {
	local several=(-Z --parallel-max 4 -H 'Connection: close' -H "Authorization: Bearer $token" -o /dev/null -w '%{http_code} %{method} %{errormsg}\n')
	while [ ! -e "$work/stop" ]; do
		ask "${several[@]}" "$API/files/content/documents/film.mp4#[1-25]"
		ask "${several[@]}" -T "$work/small" "$API/files/content/documents/load-$1-[1-25]"
	done >>"$work/load.$1" 2>/dev/null || true
}
enough() { [ "$(cat "$work"/load.* | wc -l)" -ge 200 ]; }
# under_load COMMAND…: not one request may fail.
under_load() {
	rm -f "$work"/load.* "$work/stop"
	echo "a small file" >"$work/small"
	local pids=() n bad all
	for n in 1 2; do
		load $n &
		pids+=($!)
	done
	sleep 2
	"$@"
	sleep 2
	until_ok 120 enough # on a slow machine it takes longer
	touch "$work/stop"
	wait "${pids[@]}"
	bad=$(cat "$work"/load.* | grep -cv '^20[01] ' || true)
	all=$(cat "$work"/load.* | wc -l)
	echo "   $all requests, $bad failed"
	[ "$bad" = 0 ] || { cat "$work"/load.* | sort | uniq -c; fail "requests failed under load: $*"; }
}
step "restart under load"
under_load inside systemctl restart homebase
step "upgrade under load"
under_load install_it homebase-v2
says v2-test inside homebase version
says '"msg":"serving","version":"v2-test"' inside journalctl -u homebase --no-pager -o cat

step "kill -9"
same "restarts before" "$(inside systemctl show -p NRestarts --value homebase)" 0
inside systemctl kill -s KILL homebase
until_ok 30 ready
same "restarts" "$(inside systemctl show -p NRestarts --value homebase)" 1
same "the file after kill -9" "$(digest film.mp4 "$token")" "$want"

step "PostgreSQL restarts"
inside systemctl restart postgresql
until_ok 180 ready
same "the file after it" "$(digest film.mp4 "$token")" "$want"

step "disk full"
big() { status PUT "/files/content/documents/$1" "$token" -T "$work/big"; }
head -c 20000000 /dev/zero >"$work/big"
id=$(ask -f -H "Authorization: Bearer $token" -T "$work/big" "$API/files/content/documents/big-0" | jq -r .id)
codes=$(for i in 1 2 3 4 5 6 7 8; do big "big-$i"; echo; done)
same "uploads until MIN_FREE" "$(sort -u <<<"$codes" | xargs)" "201 507"
# Full to the last byte, by someone else.
dd if=/dev/zero of="$work/data/filler" bs=1M 2>/dev/null || true
same "upload to a full disk" "$(big late)" 507
same "readiness says so" "$(ask "$API/system/ready" -o /dev/null -w '%{http_code}')" 503
same "download from a full disk" "$(digest film.mp4 "$token")" "$want"
same "delete on a full disk" "$(status DELETE "/files/items/$id" "$token")" 204
rm "$work/data/filler"
until_ok 30 ready
same "upload when there is room again" "$(status PUT /files/content/documents/after "$token" -T "$work/film.mp4")" 201

step "a bigger disk"
inside apt-get install -y -qq rsync >/dev/null
inside rsync -aHX --delete --exclude=/lost+found /data/ /mnt/new/
inside systemctl stop homebase.socket homebase.service
inside rsync -aHX --delete --exclude=/lost+found /data/ /mnt/new/
stop
umount "$work/data" "$work/new"
mount -o loop "$work/new.img" "$work/data"
start
until_ok 180 ready
inside homebase files verify
same "the file on the bigger disk" "$(digest film.mp4 "$token")" "$want"
{ inside homebase doctor --json 2>/dev/null || true; } | jq -e '[.[] | select(.check | startswith("data_dir")) | select(.level != "ok")] == []' >/dev/null || fail "the doctor dislikes the disk"

step "what docs/operations.md prints"
page=$(cat "$here/../../docs/operations.md")
key=$(inside homebase key create "$email" test --permissions system:read | grep -o 'hb_[A-Za-z0-9_-]*')
figures=$(ask -f "$API/system/metrics" -H 'Accept: text/plain' -H "Authorization: Bearer $key")
grep -o 'homebase_[a-z_]*' <<<"$page" | while read -r name; do
	[[ $figures == *"$name"* ]] || fail "there is no figure $name"
done
# Here the doctor cannot reach the public URL, the admin is there already, and
# what has a placeholder or quotes is not a line to run as it is.
# shellcheck disable=SC2016 # a backquote, as Markdown means it
grep -oE '(^|`)homebase [a-z][^`]*' <<<"$page" | tr -d '`' | sort -u | grep -v "user create\|doctor\|/ID\|METHOD\|['<]" >"$work/commands"
while read -r line; do
	# shellcheck disable=SC2086 # the words of a command
	inside $line >"$work/out" 2>&1 </dev/null || { cat "$work/out"; fail "$line"; }
done <"$work/commands"
echo "   $(wc -l <"$work/commands") commands"

step "uninstall keeps what is the operator's"
says 'dropuser app_analytics' inside /root/deploy/lxc-install.sh --uninstall
ask "$API/system/health" >/dev/null 2>&1 && fail "it still answers"
[ -e "$work/data/.homebase" ] || fail "/data was touched"
install_it homebase-v2
until_ok 30 ready
token=$(sign_in)
same "the file after it all" "$(digest film.mp4 "$token")" "$want"
stop
echo "LXC holds."
