#!/usr/bin/env bash
# A kustomization with `namespace: new` over objects of kinds that have no namespace, such as ValidatingAdmissionPolicy.
#
# A good guess: kustomize knows which built-in kinds belong to no namespace, as it knows of PersistentVolume and IngressClass, and leaves
# them alone.
# Seen: kustomize 5.8.1 knows the kinds of Kubernetes 1.21.2 alone. Built-in kinds that came later, or whose v1 did (ValidatingAdmissionPolicy,
# FlowSchema v1, ServiceCIDR, DeviceClass), get a metadata.namespace that they cannot have, and so do cluster-wide custom resources.
set -euo pipefail

readonly kustomize=v5.8.1
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

GOBIN=$work/bin go install "sigs.k8s.io/kustomize/kustomize/v5@$kustomize"

build() { # apiVersion kind: the namespace that the object gets
  mkdir -p "$work/input"
  printf 'resources: [object.yaml]\nnamespace: new\n' >"$work/input/kustomization.yaml"
  printf 'apiVersion: %s\nkind: %s\nmetadata: {name: example}\n' "$1" "$2" >"$work/input/object.yaml"
  "$work/bin/kustomize" build "$work/input" | sed -n 's/^  namespace: //p'
}

go version
expect "kinds that kustomize $kustomize knows" "{title:Kubernetes,version:v1.21.2}" "$("$work/bin/kustomize" openapi info)"
expect "PersistentVolume" "" "$(build v1 PersistentVolume)"
expect "IngressClass" "" "$(build networking.k8s.io/v1 IngressClass)"
expect "ValidatingAdmissionPolicy" new "$(build admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy)"
expect "FlowSchema" new "$(build flowcontrol.apiserver.k8s.io/v1 FlowSchema)"
expect "ServiceCIDR" new "$(build networking.k8s.io/v1 ServiceCIDR)"
expect "DeviceClass" new "$(build resource.k8s.io/v1 DeviceClass)"
expect "CiliumClusterwideNetworkPolicy" new "$(build cilium.io/v2 CiliumClusterwideNetworkPolicy)"
