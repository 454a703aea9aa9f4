#!/usr/bin/env bash
# The first process of the node, which up.sh starts in namespaces of its own: starts all programs, and ends with the first of them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/settings.sh"
[ $$ = 1 ] || fail "up.sh runs this"

# Volumes and pods' namespaces are mounts. They must reach one another, and nothing outside.
mount --make-rshared /
# Folders that some program has written into its code; these are the node's own. Tests find them in $RUN/node.
mount --bind "$RUN/node/lib" /var/lib
mount --bind "$RUN/node/log" /var/log
mount --bind "$RUN/node/run" /run

cat >"$RUN/containerd.toml" <<TOML
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "$SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true # inside a container, processes may not lower theirs
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "$RUN/cni"
TOML
# No masquerading: each pod would add rules to the packet filter, which tests compare.
cat >"$RUN/cni/bridge.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
cat >"$RUN/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $RUN/pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$K8S_NETNS
clusterDNS: [10.96.0.10] # which nothing serves
containerRuntimeEndpoint: unix://$SOCKET
enforceNodeAllocatable: [pods]
failCgroupV1: false
failSwapOn: false
imageGCHighThresholdPercent: 100 # images cannot be pulled again
evictionHard: {memory.available: 50Mi}
localStorageCapacityIsolation: false
maxPods: 220
podLogsDir: /var/log/pods
featureGates: {KubeletCrashLoopBackOffMax: true}
crashLoopBackOff: {maxContainerRestartPeriod: 1s} # tests end containers again and again
registerNode: true
staticPodPath: $RUN/manifests
volumePluginDir: /var/lib/kubelet/plugins-flex
YAML

start() { # name, command
  local name=$1
  shift
  "$@" >"$RUN/log/$name.log" 2>&1 &
}
start etcd etcd --data-dir=/var/lib/etcd --unsafe-no-fsync --listen-client-urls=http://127.0.0.1:2379 \
  --advertise-client-urls=http://127.0.0.1:2379 --listen-peer-urls=http://127.0.0.1:2380
start containerd containerd --config="$RUN/containerd.toml"
# etcd of Debian cannot do what WatchList wants of it.
start apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address="$NODE_IP" --secure-port=6443 \
  --client-ca-file="$RUN/pki/ca.crt" --tls-cert-file="$RUN/pki/apiserver.crt" --tls-private-key-file="$RUN/pki/apiserver.key" \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$RUN/pki/accounts.pub" \
  --service-account-signing-key-file="$RUN/pki/accounts.key" --service-cluster-ip-range=10.96.0.0/16 \
  --authorization-mode=Node,RBAC --allow-privileged=true --feature-gates=WatchList=false \
  --kubelet-client-certificate="$RUN/pki/admin.crt" --kubelet-client-key="$RUN/pki/admin.key" \
  --kubelet-preferred-address-types=InternalIP
until kubectl --kubeconfig="$RUN/admin.conf" get --raw /readyz >/dev/null 2>&1 && [ -S "$SOCKET" ]; do sleep 0.2; done
start controller-manager kube-controller-manager --kubeconfig="$RUN/controller-manager.conf" --leader-elect=false \
  --service-account-private-key-file="$RUN/pki/accounts.key" --root-ca-file="$RUN/pki/ca.crt" --use-service-account-credentials
start scheduler kube-scheduler --kubeconfig="$RUN/scheduler.conf" --leader-elect=false
start kubelet kubelet --config="$RUN/kubelet.yaml" --kubeconfig="$RUN/kubelet.conf" --hostname-override="$NODE" --node-ip="$NODE_IP"
start proxy kube-proxy --kubeconfig="$RUN/proxy.conf" --hostname-override="$NODE" --cluster-cidr=10.244.0.0/16 \
  --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0s --conntrack-tcp-timeout-close-wait=0s

# The shell reaps what the pods' shims leave to the first process.
wait -n || true
echo "a program of the node ended: see $RUN/log"
