#!/bin/sh
# Run inside a virtual machine, as root: what the machine itself asks of 169.254.169.254:80 (the EC2 metadata service)
# goes to the mock-ec2-metadata daemon on the machine that hosts it. Only a rule of its own is added, once; all others stay.

set -eu
LC_ALL=C
export LC_ALL

service=169.254.169.254
comment='-m comment --comment mock-ec2-metadata'

usage() {
	cat <<'EOT'
Usage: nat.sh             redirect 169.254.169.254:80 to the mock-ec2-metadata daemon
       nat.sh --remove    take the redirect away
       nat.sh --help      show this

Environment:
  METADATA_HOST   where the daemon runs, an IPv4 address or a name (default: the default gateway)
  METADATA_PORT   the port it listens on (default: 5000)
EOT
}

say() { printf 'nat.sh: %s\n' "$*"; }

die() {
	say "$*" >&2
	exit 1
}

# rule ACTION TARGET: the one spelling of our rule, to look for it (-C), put it first (-I) or delete it (-D).
rule() {
	# shellcheck disable=SC2086 # $comment is several words, or none
	iptables -w -t nat "$1" OUTPUT -d "$service" -p tcp --dport 80 $comment -j DNAT --to-destination "$2"
}

# Where our rules lead, a line for each of them. Without comments only the exact rule for $target is known to be ours.
own_targets() {
	if [ -z "$comment" ]; then
		if rule -C "$target" 2>/dev/null; then echo "$target"; fi
		return
	fi
	iptables -w -t nat -S OUTPUT |
		sed -n 's/.* --comment "\{0,1\}mock-ec2-metadata"\{0,1\} .*--to-destination \([0-9.:]*\)$/\1/p' |
		while read -r to; do
			if rule -C "$to" 2>/dev/null; then echo "$to"; fi
		done
}

# The gateway of the default route with the lowest metric, nothing if there is none.
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

# address HOST: the IPv4 address of HOST, nothing if it has none.
address() {
	case $1 in
	-* | *[!A-Za-z0-9._-]*) ;;
	*[!0-9.]*) # a name
		{ getent ahostsv4 "$1" || getent hosts "$1" || true; } 2>/dev/null |
			awk '$1 ~ /^[0-9.]+$/ { print $1; exit }'
		;;
	*) echo "$1" | awk -F. '{ for (i = 1; i <= NF; i++) if ($i !~ /^(0|[1-9][0-9]*)$/ || $i > 255) next } NF == 4' ;;
	esac
}

# Sets target, the address and port to redirect to.
find_target() {
	port=${METADATA_PORT:-5000}
	case $port in
	0* | *[!0-9]* | ??????*) port=65536 ;;
	esac
	[ "$port" -le 65535 ] || die "METADATA_PORT is \"$METADATA_PORT\", but must be a port number from 1 to 65535"
	if [ -n "${METADATA_HOST:-}" ]; then
		host=$(address "$METADATA_HOST")
		[ -n "$host" ] || die "METADATA_HOST is \"$METADATA_HOST\", but must be an IPv4 address or a name that has one"
	else
		host=$(gateway)
		[ -n "$host" ] || die "there is no default gateway to redirect to; say where the daemon runs," \
			"for example: METADATA_HOST=192.168.56.1 sh nat.sh"
	fi
	target=$host:$port
}

# Asks the daemon through the redirect, past any proxy.
check() {
	if command -v curl >/dev/null; then
		get='curl -q -fsS --max-time 5 -o'
	elif command -v wget >/dev/null; then
		get='timeout 5 wget -O' # not every wget has a limit of its own
	else
		say "could not check that the daemon answers: there is neither curl nor wget"
		return
	fi
	unset http_proxy all_proxy ALL_PROXY
	no_proxy=$service
	export no_proxy
	# shellcheck disable=SC2086 # $get is several words
	if said=$($get /dev/null "http://$service/status" 2>&1); then
		say "the daemon answers at $target"
	else
		die "the redirect is in place, but mock-ec2-metadata does not answer at $target; start it there, and let this" \
			"machine through the firewall ($(printf '%s\n' "$said" | awk 'NF { last = $0 } END { print last }'))"
	fi
}

action=add
case $#:${1:-} in
0:) ;;
1:--remove) action=remove ;;
1:--help | 1:-h) usage && exit ;;
*) usage >&2 && exit 2 ;;
esac

[ "$(id -u)" = 0 ] || die "only root may change the redirect; run it with sudo"
for tool in iptables ip; do
	command -v "$tool" >/dev/null || die "$tool is missing; install it with: apt-get install iptables iproute2 (Debian," \
		"Ubuntu), dnf install iptables iproute (Fedora, RHEL, Amazon Linux), zypper install iptables iproute2 (SUSE)," \
		"apk add iptables iproute2 (Alpine) or pacman -S iptables iproute2 (Arch)"
done
iptables -w -t nat -S OUTPUT >/dev/null || die "iptables cannot read the nat table of this machine (see above)"

# 2: this iptables knows no comments (1: it does, and there is no such rule).
status=0
rule -C 192.0.2.0:1 2>/dev/null || status=$?
[ "$status" != 2 ] || comment=
if [ "$action" = add ] || [ -z "$comment" ]; then find_target; fi

own=$(own_targets)
keep=
if [ "$action" = add ]; then
	ip -4 route get "$service" >/dev/null 2>&1 || die "there is no route to $service, so nothing sent there could be" \
		"redirected; add one, for example: ip route add $service dev eth0"
	if printf '%s\n' "$own" | grep -Fqx "$target"; then
		keep=$target
		say "$service:80 is already redirected to $target"
	else
		rule -I "$target" || die "iptables refused the rule (see above)"
		say "redirected $service:80 to $target"
	fi
fi
for to in $own; do
	if [ "$to" = "$keep" ]; then
		keep= # the first one stays
		continue
	fi
	rule -D "$to"
	say "removed the redirect of $service:80 to $to"
done
if [ "$action" = add ]; then
	check
elif [ -z "$own" ]; then
	say "there was no redirect to remove"
fi
