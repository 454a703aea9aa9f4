#!/bin/sh
# Alpine: after the first installation.
if [ -d /run/openrc ]; then
	echo "mock-ec2-metadata is not enabled, since it takes 169.254.169.254. To enable it:"
	echo "  rc-update add mock-ec2-metadata && rc-service mock-ec2-metadata start"
fi
exit 0
