#!/bin/sh
# RPM: after the files are in place. $1 is how many versions are installed now: 1 at first, 2 in an upgrade.
config=/etc/mock-ec2-metadata/config.yaml
if [ "$1" -gt 1 ] && [ -e "$config" ]; then
	said=$(env -i PATH="$PATH" HOME=/root mock-ec2-metadata check --config "$config" 2>&1 >/dev/null) ||
		printf '%s\n' "warning: this version cannot use $config:" "$said" >&2
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload >/dev/null 2>&1 || :
	if [ "$1" -gt 1 ]; then
		systemctl try-restart mock-ec2-metadata.service >/dev/null 2>&1 || :
	else
		echo "mock-ec2-metadata is not enabled, since it takes 169.254.169.254. To enable it:"
		echo "  systemctl enable --now mock-ec2-metadata.socket mock-ec2-metadata.service"
	fi
fi
exit 0
