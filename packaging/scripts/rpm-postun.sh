#!/bin/sh
# RPM: after the files are removed. $1 is how many versions stay.
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload >/dev/null 2>&1 || :
fi
exit 0
