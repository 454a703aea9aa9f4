#!/bin/bash
# The package on a machine that boots systemd: /files has older, current and newer.deb.
cd / || exit
say() { printf -- '-- %s\n' "$*"; }
see() { systemctl show --property=ActiveState,SubState --value "$1" | paste -sd ' '; }
all() { for unit in mock-ec2-metadata-address.service mock-ec2-metadata.socket mock-ec2-metadata.service; do see $unit; done; }
get() { curl -qsS --max-time 60 "http://169.254.169.254/$1" 2>&1; echo; }
starts() { journalctl --sync && journalctl --quiet --unit mock-ec2-metadata --output cat | grep -c 'msg=serving'; }
pkg() { DEBIAN_FRONTEND=noninteractive dpkg "$@" 2>&1 | grep -Ev '^(\(Reading|Preparing|Unpacking|Setting up|Selecting|Removing|Purging|Processing)|^dpkg: warning: downgrading'; echo "dpkg ${PIPESTATUS[0]}"; }

say install
pkg -i /files/current.deb
all
get latest/meta-data/instance-id | sed 's/after [0-9]* ms/after N ms/'
systemctl is-enabled mock-ec2-metadata.socket mock-ec2-metadata.service

say verify
systemd-analyze verify /usr/lib/systemd/system/mock-ec2-metadata{,-address}.service /usr/lib/systemd/system/mock-ec2-metadata.socket 2>&1
command -v ps kill | grep /

say upgrade of a stopped one
pkg -i /files/newer.deb
all

say enable
systemctl enable --now mock-ec2-metadata.socket mock-ec2-metadata.service 2>/dev/null
all
get latest/meta-data/iam/security-credentials/
get latest/meta-data/iam/security-credentials/mock-role | grep Code
starts

say reload
sed -i 's/^  hostname: .*/  hostname: two/' /etc/mock-ec2-metadata/config.yaml
systemctl reload mock-ec2-metadata; echo "reload $?"
for _ in $(seq 300); do [ "$(get latest/meta-data/hostname)" = two ] && break; sleep 0.1; done
get latest/meta-data/hostname

say downgrade while it serves
pkg -i /files/older.deb
all
starts
get latest/meta-data/hostname
ls /var/lib/private

say remove
pkg -r mock-ec2-metadata
all
ip -brief address show mock-imds 2>&1
find /etc/systemd/system -name 'mock-ec2*'
ls /etc/mock-ec2-metadata

say purge
pkg -P mock-ec2-metadata
find / -xdev \( -path /proc -o -path /sys -o -path /files -o -path /var/log -o -path /run \) -prune -o -name '*mock-ec2*' -print 2>/dev/null
