# What both halves of the deployment test use. API is set by each.
# shellcheck shell=bash
step() { echo "-- $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
same() { [ "$2" = "$3" ] || fail "$1: $2, want $3"; }
# says TEXT COMMAND…: the output has the text.
says() {
	local text=$1 out
	shift
	out=$("$@" 2>&1) || true
	[[ $out == *"$text"* ]] || fail "$* says: $out"
}
# until_ok SECONDS COMMAND…
until_ok() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "never succeeded: $*"
		sleep 0.2
	done
}
email=you@example.com
password='vivid otter climbs ladders'
sign_in() { # prints an access token
	ask -f "$API/auth/login" -H 'Content-Type: application/json' \
		-d '{"email":"'$email'","password":"'"$password"'","mode":"token"}' | jq -er .access_token
}
# status METHOD PATH TOKEN [CURL…] prints the status, 000 without an answer.
status() {
	local method=$1 path=$2 token=$3
	shift 3
	ask -o /dev/null -w '%{http_code}' -X "$method" -H "Authorization: Bearer $token" "$API$path" "$@" || true
}
digest() { ask -f -H "Authorization: Bearer $2" "$API/files/content/documents/$1" | sha256sum | cut -d' ' -f1; }
