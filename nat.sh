#!/bin/sh
# Run this inside a virtual machine, as root. It redirects the machine's own requests to 169.254.169.254:80 (the EC2 metadata
# service) to the mock-ec2-metadata daemon on the host. With METADATA_SERVICES it does the same for the addresses that containers
# of ECS and pods of EKS ask. It adds redirects of its own, each once; all other rules stay. They are rules of iptables where
# iptables works, else a table of nft, "ip mock_ec2_metadata".
#
# --install makes every boot redirect before cloud-init asks. cloud-init's network stage (cloud-init.service, in newer versions
# cloud-init-network.service) asks once the network is up. Where the hardware says EC2, its local stage asks before that, with a
# DHCP lease of its own. So the installed service starts early:
#   - With an address in METADATA_HOST it redirects before the local stage, since that needs no route.
#   - Otherwise it waits for the default route, and the network stage waits for it. Under systemd it waits in parallel to the local
#     stage, whose lease also brings a default route. OpenRC starts one service after the other, so there it runs in between.
# It starts after the services that load a packet filter, which may flush existing rules. It starts after no service that brings
# the network up: it waits for the route instead, and on some distribution such services start only after cloud-init.

set -eu
LC_ALL=C
export LC_ALL

service=169.254.169.254
ecs=169.254.170.2
pod_identity=169.254.170.23
known="$service $ecs $pod_identity"
comment='-m comment --comment mock-ec2-metadata' # marks our rules of iptables
table='ip mock_ec2_metadata'                     # our table of nft
name=mock-ec2-metadata-nat                       # the installed service
program=/usr/local/sbin/$name
unit=/etc/systemd/system/$name.service
unit_link=/etc/systemd/system/multi-user.target.wants/$name.service
initd=/etc/init.d/$name
initd_link=/etc/runlevels/boot/$name

usage() {
	cat <<'EOT'
Usage: nat.sh              redirect 169.254.169.254:80 to the mock-ec2-metadata daemon
       nat.sh --remove     remove the redirect, and those of METADATA_SERVICES
       nat.sh --install    redirect at every boot, before cloud-init asks: a systemd unit, or a service of OpenRC,
                           mock-ec2-metadata-nat. It keeps the METADATA_ variables below as they are now
       nat.sh --uninstall  undo that, and remove the redirect
       nat.sh --boot       the installed service runs this: wait for the default gateway, then redirect; with an address in
                           METADATA_HOST redirect at once, before there is a network
       nat.sh --help       show this

Environment:
  METADATA_HOST      where the daemon runs, an IPv4 address or a name (default: the default gateway)
  METADATA_PORT      the port it listens on (default: 5000)
  METADATA_WAIT      how many seconds --boot waits for a default gateway (default: 120)
  METADATA_SERVICES  what else to redirect: ecs (169.254.170.2:80, credentials and metadata of containers of ECS),
                     pod-identity (169.254.170.23:80, EKS Pod Identity), or ecs,pod-identity (default: nothing else)
  NAT_ROOT           the root directory of an image, for --install and --uninstall (default: this machine itself)

For an image whose first boot must find EC2, also put this into its /etc/cloud/cloud.cfg.d/99-ec2.cfg. Without it,
cloud-init looks for EC2 only on EC2's hardware:

  datasource_list: [Ec2]
  datasource:
    Ec2:
      strict_id: false

cloud-init then configures the network as the metadata says: only the interface whose MAC address is ec2.mac of the daemon's
configuration. If that differs, the image needs its own network and one line more. Otherwise the next boot has no network:

  network: {config: disabled}
EOT
}

say() { printf 'nat.sh: %s\n' "$*"; }

die() {
	say "$*" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# A redirect is written SERVICE=TARGET below: 169.254.169.254=192.0.2.1:5000.

# has LIST REDIRECT: succeeds if a list, one a line, has the redirect.
has() { printf '%s\n' "$1" | grep -Fqx "$2"; }

# rule ACTION REDIRECT: our rule in its only spelling, to find it (-C), insert it first (-I) or delete it (-D).
rule() {
	# shellcheck disable=SC2086 # $comment is several words, or none
	"$iptables" -w -t nat "$1" OUTPUT -d "${2%=*}" -p tcp --dport 80 $comment -j DNAT --to-destination "${2#*=}"
}

# Prints each redirect of ours, one a line. Without comments, only the exact rules for $target are known to be ours.
iptables_redirects() {
	if [ -z "$comment" ]; then
		for each in $known; do
			if rule -C "$each=$target" 2>/dev/null; then echo "$each=$target"; fi
		done
		return
	fi
	"$iptables" -w -t nat -S OUTPUT 2>/dev/null |
		sed -n 's/^-A OUTPUT -d \([0-9.]*\)\/32 .*--comment "\{0,1\}mock-ec2-metadata"\{0,1\} .*--to-destination \([0-9.:]*\)$/\1=\2/p' |
		while read -r each; do
			case " $known " in
			*" ${each%=*} "*) if rule -C "$each" 2>/dev/null; then echo "$each"; fi ;;
			esac
		done
}

# Prints each redirect of our table.
nft_redirects() {
	# shellcheck disable=SC2086 # $table is two words
	nft list table $table 2>/dev/null | sed -n 's/.*ip daddr \([0-9.]*\) tcp dport 80 dnat to \([0-9.:]*\).*/\1=\2/p'
}

# nft_redirect REDIRECT…: replaces our table in one transaction. Its chain runs before those of iptables, which have priority -100.
nft_redirect() {
	commands="add table $table; delete table $table; add table $table; \
add chain $table output { type nat hook output priority -101; policy accept; }"
	for each in "$@"; do
		commands="$commands; add rule $table output ip daddr ${each%=*} tcp dport 80 dnat to ${each#*=}"
	done
	nft "$commands"
}

# Sets tool, which makes the redirect, and others, which may hold a redirect of an earlier run.
find_tools() {
	tool=
	others=
	have ip || die "ip is missing; install it with: apt-get install iproute2 (Debian, Ubuntu), dnf install iproute (Fedora," \
		"RHEL, Amazon Linux), zypper install iproute2 (SUSE), apk add iproute2 (Alpine) or pacman -S iproute2 (Arch)"
	if have iptables && iptables -w -t nat -S OUTPUT >/dev/null 2>&1; then
		tool=iptables
	elif have nft && nft list tables >/dev/null 2>&1; then
		tool=nft
	elif have iptables; then
		iptables -w -t nat -S OUTPUT >/dev/null || die "iptables cannot read the nat table of this machine (see above)"
	elif have nft; then
		nft list tables >/dev/null || die "nft cannot read the tables of this machine (see above)"
	else
		die_without_tool
	fi
	kind=
	if [ "$tool" = iptables ]; then
		case $(iptables -V) in
		*nf_tables*) kind='iptables-nft' ;;
		*) kind='iptables-legacy' ;;
		esac
		if have nft; then others=nft; fi
	fi
	if [ "$kind" != iptables-nft ] && have iptables-nft; then others="$others iptables-nft"; fi
	# Only if its table exists already: iptables-legacy would make it.
	if [ "$kind" != iptables-legacy ] && have iptables-legacy && grep -qx nat /proc/net/ip_tables_names 2>/dev/null; then
		others="$others iptables-legacy"
	fi
}

die_without_tool() {
	die "there is neither iptables nor nft; install one of them with: apt-get install nftables (Debian, Ubuntu), dnf install" \
		"nftables (Fedora, RHEL, Amazon Linux 2023), yum install iptables (Amazon Linux 2), zypper install nftables (SUSE)," \
		"apk add nftables (Alpine) or pacman -S nftables (Arch)"
}

# Prints the gateway of the default route with the lowest metric, or nothing.
gateway() {
	ip -4 route show | awk '
		$1 != "nexthop" { isdefault = ($1 == "default"); metric = 0 }
		isdefault {
			via = ""
			for (i = 2; i < NF; i++) {
				if ($i == "via") via = $(i + 1)
				if ($i == "metric") metric = $(i + 1) + 0
			}
			if (via ~ /^[0-9.]+$/ && (best == "" || metric < lowest)) { best = via; lowest = metric }
		}
		END { if (best != "") print best }'
}

# address HOST: prints the IPv4 address of HOST, or nothing.
address() {
	case $1 in
	*[!0-9.]*) # a name
		{ getent ahostsv4 "$1" || getent hosts "$1" || true; } 2>/dev/null |
			awk '$1 ~ /^[0-9.]+$/ { print $1; exit }'
		;;
	*) echo "$1" | awk -F. '{ for (i = 1; i <= NF; i++) if ($i !~ /^(0|[1-9][0-9]*)$/ || $i > 255) next } NF == 4' ;;
	esac
}

# Sets services (addresses), port, patience (seconds) and given, the kind of METADATA_HOST: address, name or nothing.
read_settings() {
	case ${METADATA_SERVICES:-} in
	'') services=$service ;;
	ecs) services="$service $ecs" ;;
	pod-identity) services="$service $pod_identity" ;;
	ecs,pod-identity | pod-identity,ecs) services=$known ;;
	*) die "METADATA_SERVICES is \"$METADATA_SERVICES\", but must be ecs, pod-identity or ecs,pod-identity" ;;
	esac
	port=${METADATA_PORT:-5000}
	case $port in
	0* | *[!0-9]* | ??????*) port=65536 ;;
	esac
	[ "$port" -le 65535 ] || die "METADATA_PORT is \"$METADATA_PORT\", but must be a port number from 1 to 65535"
	patience=${METADATA_WAIT:-120}
	case $patience in
	*[!0-9]* | ?????*) die "METADATA_WAIT is \"$METADATA_WAIT\", but must be a number of seconds from 0 to 9999" ;;
	esac
	bad_host="METADATA_HOST is \"${METADATA_HOST:-}\", but must be an IPv4 address or a name that has one"
	case ${METADATA_HOST:-} in
	'') given=nothing ;;
	-* | *[!A-Za-z0-9._-]*) die "$bad_host" ;;
	*[!0-9.]*) given=name ;;
	*)
		given=address
		[ -n "$(address "$METADATA_HOST")" ] || die "$bad_host"
		;;
	esac
	[ "$action" = boot ] || patience=0
}

# await COMMAND…: runs it each second and prints its first output, or nothing after $patience seconds.
await() {
	until found=$("$@") && [ -n "$found" ]; do
		[ "$patience" -gt 0 ] || return 0
		patience=$((patience - 1))
		sleep 1
	done
	printf '%s\n' "$found"
}

# Sets target, the address and port of the redirect.
find_target() {
	read_settings
	if [ "$given" != nothing ]; then
		host=$(await address "$METADATA_HOST")
		[ -n "$host" ] || die "$bad_host"
	else
		host=$(await gateway)
		[ -n "$host" ] || die "there is no default gateway to redirect to; say where the daemon runs," \
			"for example: METADATA_HOST=192.168.56.1 sh nat.sh"
	fi
	target=$host:$port
}

# find_client SECONDS: sets get, the words before a file and a URL, to ask without any proxy. Fails if there is no client.
find_client() {
	if have curl; then
		get="curl -q -fsS --max-time $1 -o"
	elif have wget; then
		get="timeout $1 wget -O" # not every wget has a time-out option
	else
		return 1
	fi
	unset http_proxy all_proxy ALL_PROXY
	no_proxy=$service,$ecs,$pod_identity
	export no_proxy
}

# Asks the daemon through each redirect.
check() {
	if ! find_client 5; then
		say "could not check that the daemon answers: there is neither curl nor wget"
		return
	fi
	for each in $services; do ask_daemon "$each"; done
	say "the daemon answers at $target"
}

ask_daemon() {
	# shellcheck disable=SC2086 # $get is several words
	if said=$($get /dev/null "http://$1/status" 2>&1); then return; fi
	case $said in
	*403*)
		die "the redirect is in place and the daemon answers at $target, but it denies this machine (403); its log names the" \
			"address to add to server.allow_clients there"
		;;
	*)
		die "the redirect is in place, but mock-ec2-metadata does not answer at $target; start it there, and let this" \
			"machine through the firewall ($(printf '%s\n' "$said" | awk 'NF { last = $0 } END { print last }'))"
		;;
	esac
}

# Refuses to hide what is at the address of a service for containers already, as on a real node of ECS or EKS. A redirect of ours
# leads to the daemon, not to that.
refuse_occupied() {
	present=
	for each in $tool $others; do
		case $each in
		nft) found=$(nft_redirects) ;;
		*)
			iptables=$each
			found=$(iptables_redirects)
			;;
		esac
		present="$present $found"
	done
	iptables=iptables
	for each in $services; do
		case $each in
		"$service") continue ;;
		"$ecs") leave="leave ecs out of METADATA_SERVICES" ;;
		*) leave="leave pod-identity out of METADATA_SERVICES" ;;
		esac
		case $present in
		*"$each="*) continue ;;
		esac
		case $(ip -4 route get "$each" 2>/dev/null) in
		local*) die "$each is an address of this machine itself, as on a node of EKS, so nothing is redirected; $leave" ;;
		esac
		if taken "$each"; then
			die "another program has a rule for $each, as on a node of ECS, so nothing is redirected; $leave"
		fi
		find_client 2 || die "there is neither curl nor wget to see that nothing answers at $each:80 yet; install curl, or $leave"
		if answers "$each"; then
			die "something answers at $each:80 already, as on a node of ECS or EKS, so nothing is redirected; stop it, or $leave"
		fi
	done
}

# taken SERVICE: succeeds if a rule for requests of this machine names the address.
taken() {
	if [ "$tool" = nft ]; then
		nft list ruleset 2>/dev/null | grep -q "ip daddr $1 "
	else
		"$iptables" -w -t nat -S OUTPUT | grep -q -e "-d $1/32 "
	fi
}

# answers SERVICE: succeeds if something takes the connection. The patterns are of curl, GNU's wget and BusyBox's.
answers() {
	# shellcheck disable=SC2086 # $get is several words
	if said=$({ $get /dev/null "http://$1/" || false; } 2>&1); then return 0; fi # the shell, too, may say how it ended
	case $said in
	*'returned error'* | *'curl: (52)'* | *'curl: (56)'* | *'Operation timed out'*) return 0 ;;
	*' connected.'* | *'error getting response'*) return 0 ;;
	*) return 1 ;;
	esac
}

# Redirects each of $services to $target and removes all other redirects of ours, those of other tools too.
redirect() {
	refuse_occupied
	wanted=$(for each in $services; do echo "$each=$target"; done)
	own=$("${tool}_redirects")
	if [ "$tool" = nft ] && [ "$own" != "$wanted" ]; then
		# shellcheck disable=SC2086 # one word for each redirect
		nft_redirect $wanted || die "nft refused the table (see above)"
	fi
	for each in $wanted; do
		if has "$own" "$each"; then
			say "${each%=*}:80 is already redirected to $target"
			continue
		fi
		if [ "$tool" = iptables ]; then rule -I "$each" || die "iptables refused the rule (see above)"; fi
		say "redirected ${each%=*}:80 to $target"
	done
	if [ "$tool" = iptables ]; then
		delete_rules "$wanted"
	else
		for each in $own; do
			if ! has "$wanted" "$each"; then removed "$each"; fi
		done
	fi
	for other in $others; do drop "$other"; done
}

# drop TOOL: removes all redirects of ours that TOOL holds.
drop() {
	suffix=
	[ "$1" = "$tool" ] || suffix=" by $1"
	case $1 in
	nft)
		# shellcheck disable=SC2086 # $table is two words
		nft list table $table >/dev/null 2>&1 || return 0
		own=$(nft_redirects)
		# shellcheck disable=SC2086
		nft delete table $table || die "nft did not delete its table (see above)"
		for each in ${own:-"$service=nowhere"}; do removed "$each"; done
		;;
	*)
		iptables=$1
		own=$(iptables_redirects)
		delete_rules ''
		;;
	esac
}

# delete_rules KEEP: deletes each rule of $own except the first one for each redirect of KEEP.
delete_rules() {
	keep=' '
	for each in $1; do keep="$keep$each "; done
	for each in $own; do
		case $keep in
		*" $each "*)
			keep="${keep%%" $each "*} ${keep#*" $each "}"
			continue
			;;
		esac
		rule -D "$each" || die "iptables did not delete the rule (see above)"
		removed "$each"
	done
}

# removed REDIRECT
removed() {
	any=yes
	say "removed the redirect of ${1%=*}:80 to ${1#*=}$suffix"
}

# nft shows the rules of an iptables that is not installed, but not their comments.
mention_rules_of_unknown_origin() {
	if [ "$tool" != nft ] || have iptables-nft; then return; fi
	for each in $known; do
		nft list chain ip nat OUTPUT 2>/dev/null |
			sed -n "s/.*ip daddr $each tcp dport 80 .*dnat to \([0-9.:]*\).*/\1/p" |
			while read -r to; do
				say "iptables redirects $each:80 to $to; nft cannot see who made that rule, so it stays; if nat.sh did," \
					"install iptables and run nat.sh again"
			done
	done
}

# Runs every action except --install and --uninstall.
run() {
	find_tools
	iptables=iptables
	suffix=
	any=
	if [ "$tool" = iptables ]; then
		# 2: this iptables knows no comments (1: it does, and there is no such rule).
		status=0
		rule -C "$service=192.0.2.0:1" 2>/dev/null || status=$?
		[ "$status" != 2 ] || comment=
	fi
	if [ "$action" != remove ] || [ -z "$comment" ]; then find_target; fi

	if [ "$action" = remove ]; then
		for each in $tool $others; do drop "$each"; done
		[ -n "$any" ] || say "there was no redirect to remove"
		mention_rules_of_unknown_origin
		return
	fi
	if [ "$action" = boot ] && [ "$given" = address ]; then
		redirect # no network yet, so no check
		return
	fi
	for each in $services; do
		ip -4 route get "$each" >/dev/null 2>&1 || die "there is no route to $each, so nothing sent there could be" \
			"redirected; add one, for example: ip route add $each dev eth0"
	done
	redirect
	mention_rules_of_unknown_origin
	check
}

# Sets root, the prefix of all paths of an image.
find_root() {
	root=${NAT_ROOT:-}
	root=${root%/}
	[ -d "$root/" ] || die "NAT_ROOT is \"$NAT_ROOT\", but must be the root directory of an image"
}

# installed FILE…: succeeds if the image has one of these.
installed() {
	for file in "$@"; do
		# A link in an image may be valid only inside the image.
		if [ -e "$root$file" ] || [ -L "$root$file" ]; then return 0; fi
	done
	return 1
}

# put MODE FILE: writes standard input to FILE, atomically.
put() {
	mkdir -p "${2%/*}"
	cat >"$2.new"
	chmod "$1" "$2.new"
	mv -f "$2.new" "$2"
}

# settings FORMAT: prints a line for each variable to keep.
settings() {
	for setting in "METADATA_HOST=${METADATA_HOST:-}" "METADATA_PORT=${METADATA_PORT:-}" "METADATA_WAIT=${METADATA_WAIT:-}" \
		"METADATA_SERVICES=${METADATA_SERVICES:-}"; do
		# shellcheck disable=SC2059 # the format is ours; none of the values needs quoting
		if [ -n "${setting#*=}" ]; then printf "$1\n" "$setting"; fi
	done
}

systemd_unit() {
	cat <<EOT
# Written by "nat.sh --install"; "$program --uninstall" removes it.
[Unit]
Description=Redirect $service to the mock-ec2-metadata daemon
DefaultDependencies=no
RequiresMountsFor=${program%/*}
After=nftables.service netfilter-persistent.service
EOT
	if [ "$given" = address ]; then
		echo 'Wants=network-pre.target'
		echo 'Before=cloud-init-local.service network-pre.target'
	fi
	cat <<EOT
Before=cloud-init.service cloud-init-network.service
Before=shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
EOT
	settings Environment=%s
	cat <<EOT
ExecStart=$program --boot
ExecStop=$program --remove

[Install]
WantedBy=multi-user.target
EOT
}

openrc_service() {
	cat <<EOT
#!/sbin/openrc-run
# Written by "nat.sh --install"; "$program --uninstall" removes it.

description="Redirect $service to the mock-ec2-metadata daemon"
EOT
	settings 'export %s'
	cat <<EOT

depend() {
	after localmount firewall nftables iptables
EOT
	if [ "$given" = address ]; then
		echo '	before cloud-init-local net'
	else
		echo '	use net'
		echo '	after cloud-init-local'
	fi
	cat <<EOT
	before cloud-init
}

start() {
	ebegin "Redirecting $service to the mock-ec2-metadata daemon"
	$program --boot
	eend \$?
}

stop() {
	ebegin "Taking away the redirect of $service"
	$program --remove
	eend \$?
}
EOT
}

install() {
	umask 022
	find_root
	read_settings
	if [ ! -f "$0" ] || ! grep -q "^name=$name " "$0"; then
		die "--install copies this script, so it must be run from its file, for example: sh nat.sh --install"
	fi
	installed /usr/sbin/iptables /sbin/iptables /usr/sbin/nft /sbin/nft || die_without_tool
	if installed /usr/lib/systemd/systemd /lib/systemd/systemd; then
		systemd_unit | put 644 "$root$unit"
		mkdir -p "$root${unit_link%/*}"
		ln -sf "$unit" "$root$unit_link" # as "systemctl enable" does, which may not work in a build
		reload_systemd
		now="systemctl start $name"
	elif installed /sbin/openrc-run /usr/sbin/openrc-run; then
		openrc_service | put 755 "$root$initd"
		mkdir -p "$root${initd_link%/*}"
		ln -sf "$initd" "$root$initd_link" # as "rc-update add $name boot"
		now="rc-service $name start"
	else
		die "there is neither systemd nor OpenRC; have this machine run nat.sh at every boot, before cloud-init, by other means"
	fi
	put 755 "$root$program" <"$0"
	ports=$service:80
	for each in ${services#"$service"}; do ports="$ports, $each:80"; done
	if [ -n "$root" ]; then
		say "installed $name in $root: every boot of that image redirects $ports"
	else
		say "installed $name: every boot redirects $ports; to do it now: $now"
	fi
}

uninstall() {
	find_root
	if [ -z "$root" ] && { have iptables || have nft; }; then
		(action=remove && run) || say "could not remove the redirect (see above)"
	fi
	if ! installed "$program" "$unit" "$unit_link" "$initd" "$initd_link"; then
		say "$name is not installed${root:+ in $root}"
		return
	fi
	if [ -z "$root" ]; then
		if installed "$unit" && running_systemd; then systemctl stop "$name" || true; fi
		if installed "$initd" && have rc-service; then rc-service --ifstarted "$name" stop || true; fi
	fi
	rm -f "$root$unit_link" "$root$unit" "$root$initd_link" "$root$initd" "$root$program"
	reload_systemd
	say "uninstalled $name${root:+ from $root}"
}

running_systemd() { [ -d /run/systemd/system ] && have systemctl; }

# In a chroot, systemctl skips the reload and says so.
reload_systemd() {
	if [ -z "$root" ] && running_systemd; then
		systemctl daemon-reload || say "systemd did not reload; it will know of the change after a restart"
	fi
}

action=redirect
case $#:${1:-} in
0:) ;;
1:--remove | 1:--boot | 1:--install | 1:--uninstall) action=${1#--} ;;
1:--help | 1:-h) usage && exit ;;
*) usage >&2 && exit 2 ;;
esac

[ "$(id -u)" = 0 ] || die "only root may change the redirect; run it with sudo"
case $action in
install | uninstall) "$action" ;;
*) run ;;
esac
