#!/bin/sh
# RPM: before the files are removed. $1 is how many versions stay: 0 in a removal.
if [ "$1" -eq 0 ]; then
	if command -v systemctl >/dev/null 2>&1; then # also where systemd does not run
		systemctl --no-reload disable mock-ec2-metadata.service mock-ec2-metadata.socket >/dev/null 2>&1 || :
	fi
	if [ -d /run/systemd/system ]; then
		systemctl stop mock-ec2-metadata.service mock-ec2-metadata.socket mock-ec2-metadata-address.service >/dev/null 2>&1 || :
	fi
fi
exit 0
