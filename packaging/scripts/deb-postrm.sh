#!/bin/sh
# Debian: after the files are removed. $1 is what dpkg does.
set -e

if [ "$1" = purge ]; then
	rm -rf /etc/mock-ec2-metadata /var/lib/mock-ec2-metadata /var/lib/private/mock-ec2-metadata
fi

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
