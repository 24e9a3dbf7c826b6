#!/bin/bash
# reproduce.sh VERSION builds the working tree twice, in different folders and
# the second time without what the first has cached, and holds that the two
# binaries are the same to the byte.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build() { # FOLDER
	mkdir -p "$work/$1"
	git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/$1"
	make --no-print-directory -C "$work/$1" build VERSION="$version" BIN=homebase
	sha256sum "$work/$1/homebase"
}
version=$1
build one
export GOCACHE=$work/cache
build another/and-deeper
cmp "$work/one/homebase" "$work/another/and-deeper/homebase"
echo "The two builds are the same."
