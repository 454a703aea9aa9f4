#!/usr/bin/env bash
# Shows the product in a real one-node Kubernetes on this machine, without AWS: an STS for tests stands in for it. Needs root, and Linux.
#
#   make kube-demo               everything, and nothing stays behind
#   make kube-demo ARGS=--keep   the cluster stays, with the commands to play with it and to remove it
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# A cluster of its own, so that one that you have started stays as it is.
export K8S_DIR=${K8S_DIR:-/tmp/k8s}
export K8S_NETNS=${K8S_NETNS:-mock-ec2-kube-demo} K8S_RUN=${K8S_RUN:-$K8S_DIR/run-demo}
# shellcheck source=/dev/null
. "$here/settings.sh"

keep=
case "${1:-}" in
"") ;;
--keep) keep=yes ;;
*) fail "it knows --keep alone, not $1" ;;
esac
[ "$(id -u)" = 0 ] || fail "only root can make namespaces; run this as root"
program=$here/../../bin/mock-ec2-metadata-kube
[ -x "$program" ] || fail "$program is missing; build it with make kube"

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
# run prints a command as you would type it, and runs it on the node's machine, which is the laptop here.
run() {
  printf '$ %s\n' "$*"
  (cd "$work" && inside env "${laptop[@]}" "$@")
}
# ask lets a pod ask the metadata service. The secrets in the answer are cut.
ask() { # pod, path
  printf '$ kubectl exec %s -- wget -qO- http://169.254.169.254/latest/meta-data/%s\n' "$1" "$2"
  inside env "${laptop[@]}" kubectl exec -n demo "$1" -- wget -q -O - "http://169.254.169.254/latest/meta-data/$2" |
    sed -E 's/("(SecretAccessKey|Token)" : ".{6})[^"]*/\1.../'
  echo
}

for name in kube-apiserver kubelet kube-controller-manager kube-scheduler kube-proxy kubectl; do
  if [ ! -x "$BIN/$name" ]; then
    say "Kubernetes is not built yet. That takes 20 minutes, once; it goes to $BIN"
    "$here/build.sh"
    break
  fi
done

work=$(mktemp -d)
pids=()
# end ends the programs of the demo, and the cluster unless it is to stay. up takes itself away from the terminal only.
end() {
  code=$?
  trap - EXIT
  if [ "$code" != 0 ] && [ -e "$work/up.log" ]; then
    echo "what up said:"
    cat "$work/up.log"
  fi
  if [ -n "$keep" ] && [ "$code" = 0 ]; then exit 0; fi
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  "$here/down.sh"
  rm -rf "$work"
  exit "$code"
}
trap end EXIT

say "A Kubernetes 1.34 with one node, in namespaces of its own"
"$here/up.sh" >/dev/null
laptop=(HOME="$work" KUBECONFIG="$RUN/admin.conf" CONTAINERD_ADDRESS="$SOCKET" AWS_EC2_METADATA_DISABLED=true)
run kubectl get nodes

say "An STS for tests, and a profile in ~/.aws whose user may assume four roles there"
account=arn:aws:iam::123456789012:role
(cd "$here/../.." && go build -o "$work/stsfake" ./test/stsfake/cmd/stsfake)
mkdir "$work/.aws"
# exec, so that the process to end is the program itself.
(exec nsenter --net="/run/netns/$K8S_NETNS" "$work/stsfake" -listen "$NODE_IP:0" -profile-file "$work/.aws/credentials" -region eu-central-1 \
  -role $account/shop-web -role $account/shop-jobs -role $account/reports -role $account/admin >"$work/sts.url") &
pids+=($!)
until [ -s "$work/sts.url" ]; do sleep 0.1; done
laptop+=(AWS_ENDPOINT_URL_STS="$(cat "$work/sts.url")")
echo "$account/{shop-web,shop-jobs,reports,admin}"

say "Which roles pods may name: all that begin with shop-, and reports. Not admin"
cat >"$work/roles.yaml" <<'YAML'
kubernetes:
  rules:
    namespaces:
      demo: {allow: ["shop-*", "reports"]}
YAML
cat "$work/roles.yaml"

say "One command puts the daemon on each node, and then gives it credentials. The keys of ~/.aws stay here"
echo "\$ mock-ec2-metadata-kube up --config roles.yaml"
(cd "$work" && exec nsenter --net="/run/netns/$K8S_NETNS" env "${laptop[@]}" "$program" up --yes --config roles.yaml) >"$work/up.log" 2>&1 &
up=$!
pids+=("$up")
until grep -q "credentials go to" "$work/up.log" && grep -q connected "$work/up.log"; do
  kill -0 "$up" 2>/dev/null || fail "up has ended"
  sleep 0.2
done
told=$(wc -l <"$work/up.log")
head -n "$told" "$work/up.log"

say "Four pods, each with an annotation that names its role"
inside env "${laptop[@]}" kubectl create namespace demo >/dev/null
until inside env "${laptop[@]}" kubectl get serviceaccount -n demo default >/dev/null 2>&1; do sleep 0.2; done
for pair in web=shop-web jobs=shop-jobs reports=reports wrong=admin; do
  cat >>"$work/pods.yaml" <<YAML
---
apiVersion: v1
kind: Pod
metadata: {name: ${pair%=*}, namespace: demo, annotations: {iam.amazonaws.com/role: ${pair#*=}}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: localhost/busybox:1, imagePullPolicy: Never}]
YAML
done
sed -n 2,7p "$work/pods.yaml"
run kubectl apply -f pods.yaml
inside env "${laptop[@]}" kubectl wait -n demo --for=condition=Ready pod --all --timeout=60s >/dev/null

say "Each pod finds its own role where EC2 has it, and credentials of that role"
for pod in web jobs reports; do
  ask "$pod" iam/security-credentials/
done
ask web iam/security-credentials/shop-web
ask web placement/region

say "The fourth pod is told why it gets none, and an Event on it says the same"
ask wrong iam/security-credentials/admin
run kubectl get events -n demo --field-selector involvedObject.name=wrong,type=Warning -o custom-columns=REASON:.reason,MESSAGE:.message

say "Who gets what"
printf '$ mock-ec2-metadata-kube status\n'
inside env "${laptop[@]}" "$program" status
echo
echo "and on the laptop, up has printed:"
tail -n +"$((told + 1))" "$work/up.log"

if [ -n "$keep" ]; then
  say "The cluster stays. To play with it, type:"
  cat <<TEXT
nsenter --net=/run/netns/$K8S_NETNS env PATH=$BIN:\$PATH ${laptop[*]} bash
kubectl exec -n demo web -- wget -qO- http://169.254.169.254/latest/meta-data/
$(realpath "$program") status

To remove everything, type outside of that shell:
kill ${pids[*]}; K8S_DIR=$K8S_DIR K8S_NETNS=$K8S_NETNS K8S_RUN=$K8S_RUN $here/down.sh; rm -r $work
TEXT
  exit 0
fi

say "down takes all of it away again"
kill -INT "$up"
wait "$up" || true
printf '$ mock-ec2-metadata-kube down\n'
inside env "${laptop[@]}" "$program" down --yes
