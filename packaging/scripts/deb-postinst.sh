#!/bin/sh
# Debian: after the files are in place. $1 is what dpkg does, $2 the version that was configured before.
set -e

[ "$1" = configure ] || exit 0
config=/etc/mock-ec2-metadata/config.yaml

# The configuration stays what you made it, so another version may not know a key. That is a warning here, and fails nothing.
if [ -n "$2" ] && [ -e "$config" ]; then
	said=$(env -i PATH="$PATH" HOME=/root mock-ec2-metadata check --config "$config" 2>&1 >/dev/null) ||
		printf '%s\n' "warning: this version cannot use $config:" "$said" >&2
fi

[ -d /run/systemd/system ] || exit 0
systemctl --system daemon-reload >/dev/null || true
if [ -n "$2" ]; then
	deb-systemd-invoke try-restart mock-ec2-metadata.service >/dev/null || true
else
	echo "mock-ec2-metadata is not enabled, since it takes 169.254.169.254. To enable it:"
	echo "  systemctl enable --now mock-ec2-metadata.socket mock-ec2-metadata.service"
fi
