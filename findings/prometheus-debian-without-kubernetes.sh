#!/usr/bin/env bash
# A prometheus.yml that finds targets by Kubernetes, and the Prometheus of Debian 12.
#
# A good guess: it works, as EC2 and DNS do, or the error says that this build has no Kubernetes discovery.
# Seen: Debian builds Prometheus without it. The error is that of a misspelt key: "field kubernetes_sd_configs not found in type
# config.ScrapeConfig", exit 1. So Debian's promtool rejects a file that is valid for the Prometheus of the project.
set -euo pipefail

readonly prometheus=2.42.0+ds-5+deb12u1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}
verdict() { # the line of a job
  local said
  printf 'scrape_configs:\n  - job_name: x\n    %s\n' "$1" >"$work/prometheus.yml"
  if said=$(promtool check config "$work/prometheus.yml" 2>&1); then echo accepted; else grep -o 'field .*' <<<"$said"; fi
}

cd "$work"
if [ "$(dpkg-query -W -f '${Version}' prometheus 2>/dev/null)" != "$prometheus" ]; then # unpacked, so that no service starts
  apt-get download -qq "prometheus=$prometheus"
  dpkg -x prometheus_*.deb .
  PATH="$work/usr/bin:$PATH"
fi
promtool --version | head -1
expect "ec2_sd_configs" accepted "$(verdict 'ec2_sd_configs: [{region: us-east-1}]')"
expect "dns_sd_configs" accepted "$(verdict 'dns_sd_configs: [{names: [x.example]}]')"
expect "kubernetes_sd_configs" "field kubernetes_sd_configs not found in type config.ScrapeConfig" "$(verdict 'kubernetes_sd_configs: [{role: pod}]')"
expect "a misspelt key" "field kubernets_sd_configs not found in type config.ScrapeConfig" "$(verdict 'kubernets_sd_configs: [{role: pod}]')"
