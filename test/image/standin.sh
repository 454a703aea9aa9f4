#!/usr/bin/env bash
# Makes a stand-in for the Go base image (golang:…-bookworm), for tests where
# no registry can be reached: a minimal Debian with git, and this machine's Go
# tree and CA certificates. It is enough for every stage of the Dockerfile.
set -euo pipefail

suite=bookworm

usage() {
	cat <<EOT
Usage: ${0##*/} TAG

Makes the image TAG out of debootstrap's smallest Debian $suite and the Go
of this machine, then build with it:

  ${0##*/} mock-ec2-metadata-base:test
  ./build-docker.sh --build-arg GO_IMAGE=mock-ec2-metadata-base:test --network host

An image of that name with the same Go is kept. Needs root, Docker, Go and
debootstrap (apt-get install debootstrap). DEBIAN_MIRROR names a mirror other
than debootstrap's own choice.
EOT
}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

case ${1-} in
-h | --help)
	usage
	exit 0
	;;
esac
if [ $# -ne 1 ] || [ -z "$1" ]; then
	usage >&2
	exit 2
fi
tag=$1

for tool in docker go; do
	command -v "$tool" >/dev/null || die "$tool is not installed"
done
docker info >/dev/null 2>&1 || die "no Docker engine answers; start it first (dockerd)"

goroot=$(go env GOROOT)
goversion=$(go env GOVERSION)
goproxy=$(go env GOPROXY)

# The label tells our own stand-in of this Go from anything else of that name.
label=mock-ec2-metadata.standin
have=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$tag" 2>/dev/null || true)
if [ "$have" = "$goversion" ]; then
	echo "$tag is there already ($goversion)"
	exit 0
fi

command -v debootstrap >/dev/null || die "debootstrap is not installed (apt-get install debootstrap)"
[ "$(id -u)" -eq 0 ] || die "debootstrap needs root"

tmp=$(mktemp -d)
trap 'rm -rf --one-file-system -- "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

echo "debootstrap $suite …"
if ! debootstrap --variant=minbase --include=ca-certificates,git \
	"$suite" "$tmp/root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$tmp/log" 2>&1; then
	tail -n 20 "$tmp/log" >&2
	die "debootstrap failed"
fi

# debootstrap may leave /proc or /sys mounted when it runs in a container.
for fs in proc sys; do
	if mountpoint -q "$tmp/root/$fs"; then umount "$tmp/root/$fs"; fi
done
rm -rf "$tmp"/root/var/cache/apt/archives/*.deb "$tmp"/root/var/lib/apt/lists/*

mkdir -p "$tmp/root/usr/local/go" "$tmp/root/go"
cp -a "$goroot/." "$tmp/root/usr/local/go/"
chown -R 0:0 "$tmp/root/usr/local/go"
chmod 1777 "$tmp/root/go"

# The module proxy has to be trusted in there as it is here.
certs=/etc/ssl/certs/ca-certificates.crt
if [ -f "$certs" ]; then cp -L "$certs" "$tmp/root$certs"; fi

# As the real image has it, and the module proxy that works from here.
tar -C "$tmp/root" --numeric-owner -c . | docker import \
	--change "LABEL $label=$goversion" \
	--change "ENV PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
	--change "ENV GOPATH=/go" \
	--change "ENV GOTOOLCHAIN=local" \
	--change "ENV GOPROXY=$goproxy" \
	--change "WORKDIR /go" \
	--change 'CMD ["bash"]' \
	- "$tag" >/dev/null
echo "made $tag ($goversion)"
