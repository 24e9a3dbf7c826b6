#!/bin/bash
# sbom.sh BINARY VERSION prints what is in a binary, as CycloneDX 1.5 JSON: every module with its
# version and licence, as the binary itself and the module cache tell. A
# licence that it does not know is an error, not a guess.
set -euo pipefail
binary=$1 version=$2

# licence names the licence by its text.
licence() {
	local text
	text=$(cat "$1"/LICENSE* "$1"/COPYING* 2>/dev/null | tr -s '[:space:]' ' ') || true
	case $text in
	*"Apache License Version 2.0"*) echo Apache-2.0 ;;
	*"Permission is hereby granted, free of charge"*) echo MIT ;;
	*"Redistribution and use in source and binary forms"*"Neither the name"*) echo BSD-3-Clause ;;
	*"Redistribution and use in source and binary forms"*) echo BSD-2-Clause ;;
	*) echo "sbom.sh: the licence in $1 is not known here" >&2; return 1 ;;
	esac
}

# component NAME VERSION FOLDER PURL
component() {
	local id
	id=$(licence "$3")
	printf '%s    {"type": "library", "name": "%s", "version": "%s", "purl": "%s", "licenses": [{"license": {"id": "%s"}}]}' "$separator" "$1" "$2" "$4" "$id"
	separator=$',\n'
}

go=$(go version "$binary" | awk '{print $NF}')
cat <<END
{
  "bomFormat": "CycloneDX",
  "specVersion": "1.5",
  "version": 1,
  "metadata": {"component": {"type": "application", "name": "homebase", "version": "$version",
    "hashes": [{"alg": "SHA-256", "content": "$(sha256sum <"$binary" | cut -d' ' -f1)"}], "licenses": [{"license": {"id": "$(licence .)"}}]}},
  "components": [
END
separator=
component std "${go#go}" "$(go env GOROOT)" "pkg:golang/std@${go#go}"
while read -r name version; do
	component "$name" "$version" "$(go mod download -json "$name@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')" "pkg:golang/$name@$version"
done < <(go version -m "$binary" | awk '$1 == "dep" {print $2, $3}')
printf '\n  ]\n}\n'
