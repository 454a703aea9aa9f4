#!/bin/sh
# Alpine: after an upgrade or downgrade.
config=/etc/mock-ec2-metadata/config.yaml
if [ -e "$config" ]; then
	said=$(env -i PATH="$PATH" HOME=/root mock-ec2-metadata check --config "$config" 2>&1 >/dev/null) ||
		printf '%s\n' "warning: this version cannot use $config:" "$said" >&2
fi
if [ -d /run/openrc ]; then
	rc-service --quiet --ifstarted mock-ec2-metadata restart || :
fi
exit 0
