#!/bin/bash
# Makes another version of a deb: rework.sh FROM TO VERSION. The configuration of changed.deb has one more line.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
dpkg-deb --raw-extract "$1" "$dir/x"
if [ "${2##*/}" = changed.deb ]; then echo '# theirs' >>"$dir/x/etc/mock-ec2-metadata/config.yaml"; fi
sed -i "s/^Version: .*/Version: $3/" "$dir/x/DEBIAN/control"
(cd "$dir/x" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb -Znone --root-owner-group --build "$dir/x" "$2" >/dev/null
