#!/usr/bin/env bash
# Builds Kubernetes into $K8S_DIR/bin, from the source that the Go module proxy has. What is built of this version is left alone.
#
#   build.sh             everything that a node needs: 20 minutes of CPU
#   build.sh NAME...     these alone: kube-apiserver is enough for the tests without a kubelet
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/settings.sh"
need go golang

programs=("$@")
[ $# -gt 0 ] || programs=(kube-apiserver kubelet kube-controller-manager kube-scheduler kube-proxy kubectl)

built() { # program: kubectl alone has no --version
  { "$BIN/$1" --version || "$BIN/$1" version --client; } 2>/dev/null | grep -qwF "v$K8S_VERSION"
}
missing=()
for program in "${programs[@]}"; do
  built "$program" || missing+=("$program")
done
[ "${#missing[@]}" -gt 0 ] || { echo "$BIN has ${programs[*]}"; exit 0; }

module=k8s.io/kubernetes
mkdir -p "$BIN" "$K8S_DIR/build"
cd "$K8S_DIR/build"
export GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
source=$(GO111MODULE=on go mod download -json "$module@v$K8S_VERSION" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')

# Kubernetes names its own libraries by folders of its repository. A dependent must name their published versions.
rm -f go.mod go.sum
go mod init mock-ec2-metadata.test/kubernetes 2>/dev/null
go mod edit -require="$module@v$K8S_VERSION"
while read -r library; do
  go mod edit -replace="$library=$library@v0.${K8S_VERSION#1.}"
done < <(go mod edit -json "$source/go.mod" |
  python3 -c 'import json, sys
for r in json.load(sys.stdin)["Replace"]:
    if r["New"]["Path"].startswith("./staging/"): print(r["Old"]["Path"])')
{
  echo "package kubernetes"
  printf 'import _ "%s"\n' "${missing[@]/#/$module/cmd/}"
} >programs.go
go mod tidy

# Clients and kubelets refuse a server without a version.
minor=${K8S_VERSION#1.}
stamps="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  stamps+=" -X $package.gitVersion=v$K8S_VERSION -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
done
for program in "${missing[@]}"; do
  go build -trimpath -ldflags "$stamps" -o "$BIN/$program" "$module/cmd/$program"
  echo "built $BIN/$program"
done
