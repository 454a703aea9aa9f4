#!/bin/bash
# Runs setup-policy-routes of amazon-ec2-net-utils for an interface, in a mount namespace of its own ("ip netns exec" makes one).
#
#   policyroutes.sh DIRECTORY INTERFACE   with DIRECTORY/run as /run, and the messages in DIRECTORY/log
#
# There is no systemd-networkd in the namespace: what asks it is replaced, and DIRECTORY/reloads has a line for each "networkctl
# reload". With EC2_IF_INITIAL_SETUP the script does what the unit policy-routes@ does at the attachment, without it what the timer
# does.
set -euo pipefail
dir=$1
mkdir -p "$dir/run" "$dir/bin"
printf '#!/bin/sh\necho "$@" >>%s/reloads\n' "$dir" >"$dir/bin/networkctl"
printf '#!/bin/sh\necho "$@" >>%s/log\n' "$dir" >"$dir/bin/logger"
chmod +x "$dir/bin/networkctl" "$dir/bin/logger"
mount --bind "$dir/run" /run
mount --bind "$(readlink -f /bin/true)" /lib/systemd/systemd-networkd-wait-online
PATH=$dir/bin:$PATH exec setup-policy-routes "$2" start
