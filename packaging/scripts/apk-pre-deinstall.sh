#!/bin/sh
# Alpine: before the files are removed.
if [ -d /run/openrc ]; then
	rc-service --quiet --ifstarted mock-ec2-metadata stop || :
fi
if command -v rc-update >/dev/null 2>&1; then
	rc-update --quiet --all del mock-ec2-metadata >/dev/null 2>&1 || :
fi
exit 0
