#!/bin/bash
# Boots this machine's systemd in namespaces, on a temporary copy of this machine's root.
#
#   systemd-boot.sh FILES   lays FILES/root over the copy, runs FILES/walk.sh in it, and writes its output to FILES/log
set -euo pipefail

if [ "${2-}" != inside ]; then
	hierarchy=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET)
	group=$hierarchy/mock-ec2-metadata-test-$$
	mkdir "$group"
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		exec timeout --signal KILL 90 unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child "$0" "$1" inside
	) || code=$?
	for _ in $(seq 50); do # until the last process has ended
		if find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; then break; fi
		sleep 0.1
	done
	if [ "${code-0}" = 130 ]; then code=0; fi # how the first process of a namespace ends by poweroff (reboot(2))
	exit "${code-0}"
fi

files=$1
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/changes /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/changes,workdir=/mnt/work /mnt/root
cd /mnt/root
mount -t proc proc proc
mount --bind proc/sys proc/sys # much of it belongs to this machine
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for dir in dev run tmp; do mount -t tmpfs -o mode=755 tmpfs "$dir"; done
chmod 1777 tmp
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for device in null zero full random urandom tty; do
	touch "dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done

# No service of this machine starts.
rm -rf etc/systemd/system/* etc/fstab root/.aws
: >etc/machine-id
mkdir run/files
mount --bind "$files" run/files
cp -rT --no-preserve=ownership "$files/root" .
systemctl --root="$PWD" --quiet enable mock-ec2-metadata.socket
cat >etc/systemd/system/walk.service <<EOT
[Unit]
Requires=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /run/files/walk.sh
ExecStopPost=systemctl poweroff --force --force --quiet
StandardOutput=append:/run/files/log
StandardError=inherit
EOT

mkdir run/before
pivot_root . run/before
umount --lazy run/before
mount --make-rshared / # as the first process of a machine leaves it
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog /lib/systemd/systemd --unit=walk.service
