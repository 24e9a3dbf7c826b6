#!/bin/bash
# Builds the working tree twice, in folders and with caches of their own, and
# holds that the two binaries are the same to the byte.
set -euo pipefail
version=$1
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
for place in one another/and-deeper; do
	mkdir -p "$work/$place"
	git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/$place"
	env -u GOFLAGS GOCACHE="$work/cache-${place%%/*}" make --no-print-directory -C "$work/$place" build VERSION="$version" BIN=homebase
done
sha256sum "$work/one/homebase" "$work/another/and-deeper/homebase"
cmp "$work/one/homebase" "$work/another/and-deeper/homebase"
echo "The two builds are the same."
