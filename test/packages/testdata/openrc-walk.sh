#!/bin/bash
# The apk's service on a small Debian with OpenRC. /files has current.apk, which no apk installs here.
cd / || exit
ip link set lo up
say() { printf -- '-- %s\n' "$*"; }
rc() { rc-service mock-ec2-metadata "$@" 2>&1; echo "$1 $?"; }
get() { curl -qsS --max-time 60 "http://169.254.169.254/latest/meta-data/$1" 2>&1; echo; }
wait_for() { for _ in $(seq 300); do [ "$(get "$1")" = "$2" ] && break; sleep 0.1; done; }
gone() { for _ in $(seq 300); do ip link show mock-imds >/dev/null 2>&1 || break; sleep 0.1; done; ip -brief address show mock-imds 2>&1; }
starts() { grep -c 'msg=serving url=http://169.254.169.254:80/' /var/log/mock-ec2-metadata.log; }

# Alpine's OpenRC has localmount.
printf '#!/sbin/openrc-run\nstart() { :; }\n' >/etc/init.d/localmount
chmod +x /etc/init.d/localmount
mkdir -p /etc/runlevels/default /run/openrc
touch /run/openrc/softlevel
openrc default >/dev/null 2>&1

say install
tar -xzf /files/current.apk -C / --warning=no-unknown-keyword
sh /.post-install
rc status
ls /etc/runlevels/default

say start
rc-update --quiet add mock-ec2-metadata
ls /etc/runlevels/default
rc start
wait_for instance-id i-0123456789abcdef0
get iam/security-credentials/
get iam/security-credentials/mock-role | grep Code
rc status
find /run/mock-ec2-metadata /var/lib/mock-ec2-metadata | sort
find /root -mindepth 1 ! -name .bashrc ! -name .profile

say reload
sed -i 's/^  hostname: .*/  hostname: two/' /etc/mock-ec2-metadata/config.yaml
rc reload
wait_for hostname two
get hostname
for _ in $(seq 300); do grep -q why=SIGHUP /var/log/mock-ec2-metadata.log && break; sleep 0.1; done
grep -o why=SIGHUP /var/log/mock-ec2-metadata.log

say upgrade while it serves
sh /.post-upgrade
wait_for hostname two
get hostname
for _ in $(seq 300); do [ "$(starts)" = 2 ] && break; sleep 0.1; done
starts

say upgrade with a key that it does not know
echo 'nosuchkey: 1' >>/etc/mock-ec2-metadata/config.yaml
rc stop
sh /.post-upgrade 2>&1 | sed -E 's/(yaml):[0-9]+: (nosuchkey: unknown key).*/\1: \2/'
sed -i '/nosuchkey/d' /etc/mock-ec2-metadata/config.yaml
rc status
gone

say remove while it serves
rc start
wait_for hostname two
sh /.pre-deinstall
rc status
gone
ls /etc/runlevels/default
