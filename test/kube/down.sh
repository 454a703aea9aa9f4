#!/usr/bin/env bash
# Ends the cluster of up.sh, and removes all that it made but the programs in $K8S_DIR/bin. It may run at any time, and twice.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/settings.sh"

# With the first process of a process namespace the kernel ends all others, and with the last of them their mounts go.
if pid=$(up_pid); then
  kill -KILL "$pid"
  while [ -d "/proc/$pid" ]; do sleep 0.1; done
fi
if [ -e "/run/netns/$K8S_NETNS" ]; then
  ip netns delete "$K8S_NETNS"
fi
# An ended process leaves its cgroup a little after its end.
for _ in $(seq 50); do
  mapfile -t groups < <(find /sys/fs/cgroup -depth -type d \( -name "$K8S_NETNS" -o -path "*/$K8S_NETNS/*" \) 2>/dev/null)
  [ "${#groups[@]}" -gt 0 ] || break
  rmdir "${groups[@]}" 2>/dev/null || sleep 0.1
done
rm -rf "$RUN"
