#!/usr/bin/env bash
# Starts a real Kubernetes with one node, node1, of the programs that build.sh made. Needs root, and Linux.
#
# All of it runs in network, process and mount namespaces of its own: nothing of it reaches this machine's 169.254.169.254 or any
# other network, and nothing stays behind after down.sh. Run what talks to the cluster inside its network namespace, as the last
# lines that this script prints say.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/settings.sh"

[ "$(id -u)" = 0 ] || fail "only root can make namespaces; run this as root"
for program in kube-apiserver kubelet kube-controller-manager kube-scheduler kube-proxy kubectl; do
  [ -x "$BIN/$program" ] || fail "$BIN/$program is missing; build it with $here/build.sh"
done
need etcd etcd-server
need containerd containerd
need ctr containerd
need runc runc
need busybox busybox-static
need openssl openssl
need conntrack conntrack
need iptables iptables
need ip iproute2
need pgrep procps
need python3 python3
[ -x /usr/lib/cni/bridge ] || fail "/usr/lib/cni/bridge is missing; apt-get install containernetworking-plugins"

print_use() {
  echo "KUBECONFIG=$RUN/admin.conf"
  echo "try: KUBECONFIG=$RUN/admin.conf nsenter --net=/run/netns/$K8S_NETNS $BIN/kubectl get pods -A"
}

if up_pid >/dev/null; then
  print_use
  exit 0
fi
"$here/down.sh" # what a cluster left that was killed
mkdir -p "$RUN"/{pki,log,manifests,cni,node/lib,node/log,node/run}
trap '[ $? = 0 ] || { tail -n 5 "$RUN"/log/*.log >&2; "$here/down.sh"; }' EXIT

# Certificates: one authority for the server and all its clients, which are a name and a group each.
pki=$RUN/pki
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$pki/$1.key" 2>/dev/null; }
sign() { # file, subject, extension
  key "$1"
  openssl req -new -key "$pki/$1.key" -subj "$2" |
    openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 30 -extfile <(echo "$3") -out "$pki/$1.crt" 2>/dev/null
}
client() { # file, subject: a certificate, and a kubeconfig that uses it
  sign "$1" "$2" extendedKeyUsage=clientAuth
  cat >"$RUN/$1.conf" <<YAML
apiVersion: v1
kind: Config
current-context: mock-ec2-kube
contexts:
- {name: mock-ec2-kube, context: {cluster: mock-ec2-kube, user: $1}}
clusters:
- {name: mock-ec2-kube, cluster: {server: "https://$NODE_IP:6443", certificate-authority: $pki/ca.crt}}
users:
- {name: $1, user: {client-certificate: $pki/$1.crt, client-key: $pki/$1.key}}
YAML
}
key ca
openssl req -x509 -new -key "$pki/ca.key" -subj /CN=mock-ec2-kube -days 30 -out "$pki/ca.crt"
key accounts
openssl pkey -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub"
sign apiserver /CN=kube-apiserver "subjectAltName=IP:$NODE_IP,IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes.default.svc"
client admin /O=system:masters/CN=admin
client kubelet "/O=system:nodes/CN=system:node:$NODE"
client controller-manager /CN=system:kube-controller-manager
client scheduler /CN=system:kube-scheduler
client proxy /CN=system:kube-proxy

# The node's network: an address, and a default route that leads nowhere. Not every kernel has dummies, but all have bridges.
ip netns add "$K8S_NETNS"
ip -n "$K8S_NETNS" link set lo up
ip -n "$K8S_NETNS" link add node0 type bridge
ip -n "$K8S_NETNS" address add "$NODE_IP/24" dev node0
ip -n "$K8S_NETNS" link set node0 up
ip -n "$K8S_NETNS" route add default via 172.30.0.254 dev node0

# The cgroup above all pods. Version 1 has a tree for each controller, and its cpusets start empty.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir "/sys/fs/cgroup/$K8S_NETNS"
  for controller in cpuset cpu io memory hugetlb pids; do
    for parent in /sys/fs/cgroup "/sys/fs/cgroup/$K8S_NETNS"; do
      grep -qw "$controller" "$parent/cgroup.controllers" || continue
      # In a container the topmost cgroup has processes, and then may have no controlled ones below.
      echo "+$controller" >"$parent/cgroup.subtree_control" || fail "$parent controls no $controller; run this outside of containers"
    done
  done
else
  for tree in /sys/fs/cgroup/*/; do
    [ ! -L "${tree%/}" ] || continue # "cpu" may be a link to "cpu,cpuacct"
    mkdir -p "$tree$K8S_NETNS"
    for file in cpuset.cpus cpuset.mems; do
      [ ! -e "$tree$file" ] || cat "$tree$file" >"$tree$K8S_NETNS/$file"
    done
  done
fi

# node.sh is the first process of the node's process namespace; its id out here is what ends the node.
nsenter --net="/run/netns/$K8S_NETNS" setsid unshare --mount --pid --fork --kill-child --mount-proc "$here/node.sh" \
  >"$RUN/log/node.log" 2>&1 </dev/null &
unshare=$!
for _ in $(seq 50); do
  pid=$(pgrep -P "$unshare" || true)
  [ -z "$pid" ] || break
  sleep 0.1
done
[ -n "$pid" ] || fail "the node did not start"
echo "$pid" >"$RUN/node.pid"

# wait_for SECONDS WHAT COMMAND...: until the command succeeds, or the node ends.
wait_for() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ -d "/proc/$pid" ] || fail "the node ended before $what"
    [ "$SECONDS" -lt "$limit" ] || fail "no $what in time"
    sleep 0.2
  done
}
export KUBECONFIG=$RUN/admin.conf
wait_for 20 "container runtime" test -S "$SOCKET"
"$here/load.sh" --base >/dev/null
wait_for 60 "API server" inside kubectl get --raw /readyz
wait_for 60 "node" inside kubectl get node "$NODE"
inside kubectl wait --for=condition=Ready "node/$NODE" --timeout=60s >/dev/null
wait_for 30 "service account" inside kubectl get serviceaccount default
print_use
