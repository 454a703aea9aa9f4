#!/usr/bin/env bash
# A histogram of client_golang with classic AND native buckets, scraped by a Prometheus that has just enabled native histograms.
#
# A good guess: the native histogram comes in addition, since the answer holds both. Rules and dashboards with _bucket and _count still
# work.
# Seen: _bucket, _count and _sum are all gone. Nothing fails: an alert on histogram_quantile(0.9, rate(x_bucket[1h])) is silent from then
# on. An exporter that offers both should tell its users of scrape_classic_histograms (from 2.45; always_scrape_classic_histograms from
# 3.0), which 2.42 does not have.
set -euo pipefail

readonly prometheus=2.42.0+ds-5+deb12u1 client=v1.25.0
work=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; chmod -R u+w "$work"; rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

cd "$work"
if [ "$(dpkg-query -W -f '${Version}' prometheus 2>/dev/null)" != "$prometheus" ]; then # unpacked, so that no service starts
  apt-get download -qq "prometheus=$prometheus"
  dpkg -x prometheus_*.deb .
  PATH="$work/usr/bin:$PATH"
fi
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	r := prometheus.NewRegistry()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Help: "x", Buckets: []float64{0.5, 0.9}, NativeHistogramBucketFactor: 1.1})
	r.MustRegister(h)
	h.Observe(0.7)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	_ = http.Serve(l, promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
}
GO
export GOMODCACHE="$work/mod" GOFLAGS=-mod=mod
go mod init finding >/dev/null 2>&1
go get "github.com/prometheus/client_golang@$client" >/dev/null 2>&1
go build -o exporter .
./exporter >address &
pids+=($!)
until [ -s address ]; do kill -0 "${pids[0]}"; sleep 0.1; done # fails if the exporter has ended
printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: x, static_configs: [{targets: ["%s"]}]}]\n' "$(cat address)" >prometheus.yml

names() { # flags of Prometheus
  local at pid
  at=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  prometheus --config.file=prometheus.yml --storage.tsdb.path="$(mktemp -d -p .)" --web.listen-address="$at" --log.level=error "$@" >&2 &
  pid=$!
  for _ in $(seq 100); do
    if promtool query instant "http://$at" up 2>/dev/null | grep -q '=> 1 '; then break; fi
    sleep 0.3
  done
  promtool query series --match='{__name__=~"took_.*"}' "http://$at" | grep -o 'took_[a-z_]*' | sort -u | paste -sd ' '
  kill "$pid"
  wait "$pid" || true
}
prometheus --version 2>&1 | head -1
printf 'client_golang %s\n' "$client"
expect "by default" "took_seconds_bucket took_seconds_count took_seconds_sum" "$(names)"
expect "with native histograms" "took_seconds" "$(names --enable-feature=native-histograms)"
