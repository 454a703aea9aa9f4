#!/usr/bin/env bash
# Puts images into the cluster, which reaches no registry: pods need "imagePullPolicy: Never".
#
#   load.sh --base       localhost/pause:1 and localhost/busybox:1, made of this machine's static busybox
#   load.sh FILE.tar     an archive as "docker save" writes it
#   load.sh IMAGE        an image of this machine's Docker engine
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/settings.sh"
[ $# = 1 ] || fail "name one image: --base, FILE.tar or IMAGE"
[ -S "$SOCKET" ] || fail "no cluster runs; start it with $here/up.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# base writes an archive of one layer that has two names.
base() {
  need busybox busybox-static
  mkdir -p "$work"/layer/{bin,tmp,etc} "$work/image"
  cp "$(command -v busybox)" "$work/layer/bin/busybox"
  local applet
  while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$work/layer/bin/$applet"
  done < <(busybox --list)
  echo "root:x:0:0:root:/:/bin/sh" >"$work/layer/etc/passwd"
  tar -C "$work/layer" --sort=name --owner=0 --group=0 --mtime=@0 -cf "$work/image/layer.tar" .
  python3 - "$work/image" <<'PY'
import hashlib, json, pathlib, platform, sys
image = pathlib.Path(sys.argv[1])
layer = "sha256:" + hashlib.sha256((image / "layer.tar").read_bytes()).hexdigest()
cpu = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
(image / "config.json").write_text(json.dumps({
    "architecture": cpu, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]},
    "config": {"Env": ["PATH=/bin"], "Cmd": ["sleep", "2147483647"]}}))
(image / "manifest.json").write_text(json.dumps([{
    "Config": "config.json", "Layers": ["layer.tar"], "RepoTags": ["localhost/pause:1", "localhost/busybox:1"]}]))
PY
  tar -C "$work/image" -cf "$work/archive.tar" .
}

archive=$work/archive.tar
if [ "$1" = --base ]; then
  base
elif [ -f "$1" ]; then
  archive=$1
else
  docker save -o "$archive" "$1"
fi
ctr -a "$SOCKET" -n k8s.io images import "$archive"
