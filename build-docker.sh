#!/usr/bin/env bash
# Builds the two images: mock-ec2-metadata, which runs the daemon, and
# mock-ec2-metadata:dev, which rebuilds it while you edit. With "kube" it builds
# the image for Kubernetes instead.
set -euo pipefail

name=mock-ec2-metadata
program=$name

usage() {
	cat <<EOT
Usage: ./build-docker.sh [kube] [OPTION FOR docker build]...

Builds the images
  $name:latest and $name:<version>   for ./run-docker.sh prd
  $name:dev                          for ./run-docker.sh dev
With kube instead
  $name-kube:latest and $name-kube:<version>   for mock-ec2-metadata-kube up --image

Options go to both runs of docker build, for instance
  ./build-docker.sh --no-cache
  ./build-docker.sh --build-arg GO_IMAGE=golang:1.26-bookworm --network host

Environment:
  VERSION    the version to stamp (default: git describe, else "dev")
  HOMEPAGE   where the source is, for the label org.opencontainers.image.source
EOT
}

die() {
	echo "build-docker.sh: $*" >&2
	exit 1
}

# The folder of this script, also when a symlink leads to it.
script=$0
while [ -L "$script" ]; do
	link=$(readlink "$script")
	case $link in
	/*) script=$link ;;
	*) script=$(dirname "$script")/$link ;;
	esac
done
root=$(cd "$(dirname "$script")" && pwd -P)

case ${1-} in
-h | --help)
	usage
	exit 0
	;;
kube)
	program=$name-kube
	shift
	;;
esac

command -v docker >/dev/null 2>&1 ||
	die "docker is not installed, or not on the PATH: https://docs.docker.com/engine/install/"
docker info >/dev/null 2>&1 ||
	die "Docker does not answer: is it running, and may you use it? (try: docker info)"

version=${VERSION:-$(git -C "$root" describe --tags --always --dirty --abbrev=12 2>/dev/null || echo dev)}
# A tag allows fewer characters than a version (1.2.0+local).
tag=$(printf '%s' "$version" | tr -c 'A-Za-z0-9_.-' - | cut -c1-128)
case $tag in
latest | dev) tags=(--tag "$program:latest") ;;
*) tags=(--tag "$program:latest" --tag "$program:$tag") ;;
esac

# What git knows of the source; the Dockerfile has the other labels. The time is the commit's, so that the same commit has the same labels.
labels=()
label() { if [ -n "$2" ]; then labels+=(--label "org.opencontainers.image.$1=$2"); fi; }
label source "${HOMEPAGE-}"
label revision "$(git -C "$root" describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || true)"
label created "$(TZ=UTC git -C "$root" log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null || true)"
build() { docker build "${tags[@]}" --build-arg "VERSION=$version" ${labels[@]+"${labels[@]}"} "$@" "$root"; }

if [ "$program" != "$name" ]; then
	build --build-arg "PROGRAM=$program" "$@"
	echo
	echo "$program:latest  (version $version)"
	echo "Next: push it to a registry that your nodes reach, and mock-ec2-metadata-kube up --image REF"
	exit
fi

build "$@"
docker build --tag "$name:dev" --target dev "$@" "$root"

megabytes() {
	docker image inspect --format '{{.Size}}' "$1" | awk '{ printf "%.1f MB", $1 / 1e6 }'
}

echo
echo "$name:latest  $(megabytes "$name:latest")  (version $version)"
echo "$name:dev     $(megabytes "$name:dev")"
echo "Next: ./run-docker.sh prd"
