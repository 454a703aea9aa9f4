#!/bin/bash
# Runs a walk in a copy of a small Debian that nothing outside notices, in a network without route, and prints what a user sees.
#
#   chroot.sh ROOT FILES WALK   ROOT is made by debootstrap; FILES has the packages, and is /files there; WALK is one of its scripts
set -euo pipefail
if [ "${4-}" != inside ]; then
	exec unshare --mount --pid --net --uts --ipc --fork --kill-child "$0" "$1" "$2" "$3" inside
fi
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/changes /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/changes,workdir=/mnt/work" /mnt/root
mkdir -p /mnt/root/files
mount --bind "$2" /mnt/root/files
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount -t tmpfs tmpfs /mnt/root/run
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive chroot /mnt/root /bin/bash "/files/$3"
