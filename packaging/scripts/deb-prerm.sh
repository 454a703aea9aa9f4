#!/bin/sh
# Debian: before the files are removed. $1 is what dpkg does.
set -e

[ "$1" = remove ] || exit 0

if [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop mock-ec2-metadata.service mock-ec2-metadata.socket mock-ec2-metadata-address.service >/dev/null || true
fi
# By hand, so that it also works where no systemd is installed. They are the links of "systemctl enable".
rm -f /etc/systemd/system/multi-user.target.wants/mock-ec2-metadata.service \
	/etc/systemd/system/sockets.target.wants/mock-ec2-metadata.socket
