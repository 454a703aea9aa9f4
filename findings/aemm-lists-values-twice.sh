#!/usr/bin/env bash
# What amazon-ec2-metadata-mock lists for a value that has others below it, such as the role's name and its credentials.
#
# A good guess: as on EC2, a listing has a name once, with a slash if it is a directory: iam/ has info and security-credentials/.
# Seen: it lists the name twice, as a value and as a directory. So who reads the whole tree, and takes each name without a slash for
# a file, gets a file and a directory of the same name.
set -euo pipefail

readonly version=v1.13.0
work=$(mktemp -d)
pid=
trap 'if [ -n "$pid" ]; then kill "$pid"; wait "$pid" 2>/dev/null || true; fi; chmod -R u+w "$work"; rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

export HOME="$work" GOPATH="$work/go" GOCACHE="$work/cache"
GOBIN="$work" go install "github.com/aws/amazon-ec2-metadata-mock/cmd/ec2-metadata-mock@$version" >/dev/null 2>&1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$work/ec2-metadata-mock" -n 127.0.0.1 -p "$port" >"$work/log" 2>&1 &
pid=$!
get() { curl -fs --retry 20 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$port/latest/meta-data/$1" | tr '\n' ' ' | sed 's/ $//'; }

echo "amazon-ec2-metadata-mock $version"
expect "iam/" "info security-credentials security-credentials/" "$(get iam/)"
expect "iam/security-credentials" "baskinc-role" "$(get iam/security-credentials)"
expect "elastic-inference/" "associations associations/" "$(get elastic-inference/)"
