#!/bin/sh
# Boots this machine's Debian in a container, as if for the first time, with cloud-init, a DHCP client, and the files of "nat.sh
# --install". It runs in a mount namespace of its own, and in the network namespace of the container's host, which has the
# container's end of a veth pair, eth0. All writes go to an overlay on a tmpfs.
#
# Arguments: a scratch directory, a directory for the container's report, nat.sh. Environment: HIDE, programs that the
# container lacks; CHROOT, to install from inside the image; METADATA_*, for --install.
set -eu
scratch=$1 report=$2 nat=$3

mount -t tmpfs none "$scratch"
cd "$scratch"
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
root=$scratch/root
if [ ! -e "$root/usr/lib/systemd/systemd" ]; then
	echo "this machine's / has no /usr/lib/systemd/systemd: it must be one file system, and Debian with systemd" >&2
	exit 1
fi

# The state of an image before its first boot, without this machine's services.
rm -rf "$root/var/lib/cloud" "$root/etc/cloud/cloud-init.disabled" "$root/etc/resolv.conf" "$root"/etc/rc?.d "$root/etc/systemd/system" \
	"$root/etc/systemd/network" "$root/usr/local/sbin" "$root/var/log/journal" "$root/var/log/cloud-init.log"
for generator in "$root"/usr/lib/systemd/system-generators/*; do
	case $generator in
	*/cloud-init-generator) ;;
	*) rm "$generator" ;;
	esac
done
: >"$root/etc/fstab"
: >"$root/etc/machine-id"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants" "$root/etc/systemd/system/network-online.target.wants" "$root/etc/systemd/network"
for program in ${HIDE:-}; do rm "$root$program"; done

for stage in main local init network; do # newer ones have main, and network instead of init
	unit=cloud-init-$stage.service
	if [ $stage = init ]; then unit=cloud-init.service; fi
	if [ -e "$root/usr/lib/systemd/system/$unit" ]; then systemctl --quiet --root="$root" enable "$unit"; fi
done
ln -s /lib/systemd/system/network-online.target /lib/systemd/system/systemd-networkd.service "$root/etc/systemd/system/multi-user.target.wants/"
ln -s /lib/systemd/system/systemd-networkd-wait-online.service "$root/etc/systemd/system/network-online.target.wants/"
printf '[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\n' >"$root/etc/systemd/network/10-eth0.network"
printf 'nameserver 192.0.2.1\noptions timeout:1 attempts:1\n' >"$root/etc/resolv.conf"

# What "nat.sh --help" says, word for word.
sh "$nat" --help | sed -n 's/^  \(datasource.*\|  *Ec2:\|  *strict_id:.*\|network: .*\)$/\1/p' >"$root/etc/cloud/cloud.cfg.d/99-ec2.cfg"

if [ -n "${CHROOT:-}" ]; then
	cp "$nat" "$root/nat.sh"
	chroot "$root" sh /nat.sh --install
else
	NAT_ROOT=$root sh "$nat" --install
fi

# The report follows the network stage of cloud-init, whether that succeeds or not.
cat >"$root/etc/systemd/system/report.service" <<'EOT'
[Unit]
After=cloud-init.service cloud-init-network.service multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh /report.sh
ExecStopPost=/bin/systemctl --force poweroff
EOT
ln -s ../report.service "$root/etc/systemd/system/multi-user.target.wants/"
cat >"$root/report.sh" <<'EOT'
cd /report
network=cloud-init.service
if systemctl cat cloud-init-network.service >/dev/null 2>&1; then network=cloud-init-network.service; fi
when() { systemctl show -P "$2" "$1"; }
when mock-ec2-metadata-nat.service ActiveEnterTimestampMonotonic >redirected
when cloud-init-local.service ExecMainStartTimestampMonotonic >local
when "$network" ExecMainStartTimestampMonotonic >network
systemctl is-enabled mock-ec2-metadata-nat.service >enabled
systemd-analyze verify mock-ec2-metadata-nat.service 2>&1 | grep mock-ec2-metadata-nat >verify
cp /var/lib/cloud/data/instance-id /user-data-was-here /var/log/cloud-init.log .
journalctl -b --no-pager -o cat -u mock-ec2-metadata-nat.service -t mock-ec2-metadata-nat >said
journalctl -b --no-pager -o short-monotonic >journal
grep -i 'ordering cycle' journal >cycles
nft list ruleset >ruleset
/usr/local/sbin/mock-ec2-metadata-nat --uninstall >uninstall 2>&1
nft list ruleset >ruleset-uninstalled
systemctl is-active mock-ec2-metadata-nat.service >active-uninstalled
find /etc /usr/local -name 'mock-ec2-metadata-nat*' >files-uninstalled
EOT

mkdir "$root/report"
mount -o remount,bind,ro /sys # the host has no udev, so eth0 is as ready as it will be
exec systemd-nspawn --quiet --register=no --keep-unit --directory="$root" --machine=firstboot --bind="$report:/report" \
	--network-interface=eth0 --resolv-conf=off --timezone=off --link-journal=no --boot systemd.unit=multi-user.target </dev/null
