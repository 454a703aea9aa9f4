# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share: the paths of the cluster and the names on this machine. They source it.

K8S_VERSION=${K8S_VERSION:-1.34.4}
K8S_DIR=${K8S_DIR:-/tmp/k8s}
# The name of the cluster's network namespace, and of the cgroup above its pods. Another name and another K8S_RUN make a second cluster.
K8S_NETNS=${K8S_NETNS:-mock-ec2-kube}

BIN=$K8S_DIR/bin # what build.sh makes
RUN=${K8S_RUN:-$K8S_DIR/run} # all that one life of the cluster leaves on the disk
SOCKET=$RUN/containerd.sock
NODE=node1
NODE_IP=172.30.0.1 # of the node, inside the network namespace
# The programs that build.sh made come before those of the machine.
export K8S_DIR K8S_NETNS K8S_RUN=$RUN PATH=$BIN:$PATH

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# need PROGRAM PACKAGE: stops if a program is missing.
need() {
  command -v "$1" >/dev/null || fail "$1 is missing; apt-get install $2"
}

# up_pid prints the process id of the cluster's first process if that runs.
up_pid() {
  local pid
  pid=$(cat "$RUN/node.pid" 2>/dev/null) && grep -qs "node.sh" "/proc/$pid/cmdline" && echo "$pid"
}

# inside runs a command of this machine in the network namespace. "ip netns exec" would hide the cgroups.
inside() {
  nsenter --net="/run/netns/$K8S_NETNS" "$@"
}
