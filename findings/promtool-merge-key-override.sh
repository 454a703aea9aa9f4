#!/usr/bin/env bash
# A YAML mapping of labels that includes another one by a merge key, and overrides one of its keys: {<<: *base, severity: critical}.
#
# A good guess: Prometheus reads it the same way everywhere, and the mapping's own key wins, as the specification of merge keys says.
# Seen: promtool accepts it only in a file of rules. In a file of tests (exp_labels, exp_annotations) and in
# prometheus.yml (labels of static_configs, params) it fails: "already set in map". A merge without an override works in all three. The
# files are read by two YAML libraries, and the strict mode of one takes the override for a duplicate.
set -euo pipefail

readonly prometheus=2.42.0+ds-5+deb12u1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}
verdict() { # arguments of promtool
  local said
  if said=$(promtool "$@" 2>&1); then echo accepted; else grep -o 'key .*' <<<"$said"; fi
}

cd "$work"
if [ "$(dpkg-query -W -f '${Version}' prometheus 2>/dev/null)" != "$prometheus" ]; then # unpacked, so that no service starts
  apt-get download -qq "prometheus=$prometheus"
  dpkg -x prometheus_*.deb .
  PATH="$work/usr/bin:$PATH"
fi
write() { # what stands beside the merge key
  cat >rules.yml <<YAML
groups:
  - name: g
    rules:
      - {alert: A, expr: a > 0, labels: &base {team: infra, severity: warning}}
      - {alert: B, expr: b > 0, labels: {<<: *base$1}}
YAML
  cat >plain.yml <<'YAML'
groups: [{name: g, rules: [{alert: A, expr: a > 0, labels: {team: infra, severity: warning}}]}]
YAML
  cat >tests.yml <<YAML
rule_files: [plain.yml]
tests:
  - input_series: [{series: a, values: "1x9"}, {series: 'a{severity="x"}', values: "0x9"}]
    alert_rule_test:
      - {alertname: A, eval_time: 1m, exp_alerts: [{exp_labels: &base {team: infra, severity: warning}}]}
      - {alertname: A, eval_time: 2m, exp_alerts: [{exp_labels: {<<: *base$1}}]}
YAML
  cat >prometheus.yml <<YAML
scrape_configs:
  - {job_name: a, static_configs: [{targets: ["x:1"], labels: &base {team: infra, severity: warning}}]}
  - {job_name: b, static_configs: [{targets: ["x:1"], labels: {<<: *base$1}}]}
YAML
}
promtool --version | head -1
write ""
expect "rules, merged" accepted "$(verdict check rules rules.yml)"
expect "tests of rules, merged" accepted "$(verdict test rules tests.yml)"
expect "prometheus.yml, merged" accepted "$(verdict check config prometheus.yml)"
write ", severity: warning"
expect "rules, with a key of its own" accepted "$(verdict check rules rules.yml)"
expect "tests of rules, with a key of its own" 'key "severity" already set in map' "$(verdict test rules tests.yml)"
expect "prometheus.yml, with a key of its own" 'key "severity" already set in map' "$(verdict check config prometheus.yml)"
