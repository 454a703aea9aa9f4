#!/bin/bash
# The life of the package on a small Debian without a running systemd. /files has older, current and newer.deb.
cd / || exit
ip link set lo up
config=/etc/mock-ec2-metadata/config.yaml
say() { printf -- '-- %s\n' "$*"; }
# Only what the package's own scripts say, and errors: dpkg's progress says where it reads packages from.
pkg() { dpkg "$@" 2>&1 | grep -Ev '^(\(Reading|Preparing|Unpacking|Setting up|Selecting|Removing|Purging|Processing)|^dpkg: warning: downgrading' ; echo "dpkg ${PIPESTATUS[0]}"; }
version() { dpkg-query -f '${Status} ${Version}\n' -W mock-ec2-metadata 2>/dev/null | sed 's/[0-9].*/VERSION/'; }
left() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /files -o -path /var/lib/dpkg -o -path /var/log \) -prune -o -newer /stamp -print 2>/dev/null |
		grep -i mock-ec2 | sort
}
# How often a program here asked for a way to another machine: there is none.
calls() {
	awk '$1 == "Ip:" { if (at) print "calls", $at; for (i = 1; i <= NF; i++) if ($i == "OutNoRoutes") at = i }' /proc/net/snmp
}
touch -d '-1 second' /stamp

say install
pkg -i /files/current.deb
version
dpkg --verify mock-ec2-metadata
ls /usr/bin/mock-ec2-metadata*
find /etc/systemd/system -name 'mock-ec2*'
mock-ec2-metadata check --config $config | grep -E '^  (mock|iam_role|source_profile):' | sed 's|yaml:[0-9]*$|yaml:LINE|'

say serve
mock-ec2-metadata serve --config $config --listen 127.0.0.1:5000 >/serve.log 2>&1 &
daemon=$!
for _ in $(seq 600); do curl -sf 127.0.0.1:5000/status >/dev/null && break; sleep 0.1; done
curl -s 127.0.0.1:5000/latest/meta-data/iam/security-credentials/; echo
curl -s 127.0.0.1:5000/latest/meta-data/iam/security-credentials/mock-role | grep -E 'Code|AccessKeyId'
kill $daemon
wait $daemon
echo "serve $?"
grep -c level=WARN /serve.log
calls
curl -s --max-time 60 192.0.2.1
calls
rm -rf /root/.local /serve.log

say edited, upgrade keeps it
echo '# mine' >>$config
pkg --force-confdef -i /files/newer.deb
version
tail -n 1 $config

say both changed, keep the old one
pkg --force-confold -i /files/changed.deb
tail -n 1 $config
ls /etc/mock-ec2-metadata

say both changed, dpkg asks
cp $config /mine
pkg -i /files/current.deb </dev/null | grep -c 'conffile'
cp /mine $config
pkg -i --force-confold /files/current.deb
version

say downgrade
pkg -i --force-confold /files/older.deb
version

say a key that it does not know
echo 'nosuchkey: 1' >>$config
pkg -i --force-confold /files/current.deb | sed -E 's/(yaml):[0-9]+: (nosuchkey: unknown key).*/\1: \2/'
sed -i '/nosuchkey/d' $config

say the same again
pkg -i --force-confold /files/current.deb

say enabled by hand, remove
systemctl enable mock-ec2-metadata.socket mock-ec2-metadata.service 2>/dev/null
find /etc/systemd/system -name 'mock-ec2*' | sort
pkg -r mock-ec2-metadata
version
left

say reinstall, has my configuration
pkg -i --force-confold /files/current.deb
version
tail -n 1 $config

say purge
mkdir -p /var/lib/private/mock-ec2-metadata
touch /var/lib/private/mock-ec2-metadata/identity.pem
ln -s private/mock-ec2-metadata /var/lib/mock-ec2-metadata
pkg -P mock-ec2-metadata
rm -f /mine
left
pkg -P mock-ec2-metadata 2>&1 | grep -c dpkg:
