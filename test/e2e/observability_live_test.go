//go:build e2e && linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// promised are all metrics of a daemon outside of Kubernetes, without the prefix of most, and their labels.
func promised() map[string][]string {
	role := []string{"account_id", "role"}
	names := map[string][]string{
		"build_info": {"goarch", "goos", "goversion", "version"}, "requests_total": {"imds", "route", "status"}, "refused_total": {"rule"},
		"connections": {}, "connections_total": {}, "session_tokens_issued_total": {}, "session_tokens_rejected_total": {"reason"},
		"sts_requests_total": {"code", "operation", "outcome"}, "credentials_valid": role, "credentials_expiration_timestamp_seconds": role,
		"credentials_last_renewal_timestamp_seconds": role, "credentials_failures_in_a_row": role, "mfa_required": role,
		"credentials_renewals_total": {"account_id", "outcome", "role"}, "config_last_reload_successful": {},
		"config_last_reload_success_timestamp_seconds": {}, "config_reloads_total": {"outcome"}, "identity_signing_available": {},
		"snapshot_generation": {}, "events_active": {"kind"}, "fault_hits_total": {"effect"},
	}
	for histogram, labels := range map[string][]string{"sts_request_duration_seconds": {"operation"}, "credentials_wait_seconds": {"outcome"}} {
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			names[histogram+part] = labels
		}
	}
	full := map[string][]string{"go_info": {"version"}}
	for _, name := range []string{
		"process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds", "process_max_fds",
		"process_start_time_seconds", "go_goroutines", "go_threads", "go_memstats_heap_alloc_bytes",
	} {
		full[name] = []string{}
	}
	for name, labels := range names {
		full["mock_ec2_metadata_"+name] = labels
	}
	return full
}

// watched is a daemon that a Prometheus scrapes each second: one role is valid, another one is refused, an event is active, a fault hits,
// and clients are refused.
type watched struct {
	daemon  *local
	metrics string // the address of its metrics
	prometheus
}

func watchDaemon(t *testing.T) watched {
	t.Helper()
	sts, address := stsfake.Start(t), testutil.FreeAddr(t)
	dir := newHome(t, sts, `roles:
  refused: {iam_role: "arn:aws:iam::123456789012:role/refused"}
clients:
  - {from: [127.0.0.2], role: refused}
events:
  - {rebalance: true}
faults:
  - {match: {paths: [meta-data/ami-id]}, status: 503}
metrics: {listen: "`+address+`"}
`)
	w := watched{daemon: startLocal(t, dir, sts.URL()), metrics: address}
	w.ask(t)
	if err := w.daemon.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.prometheus = startPrometheus(t, "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: ["+absolute(t, "alerts.yaml")+"]\n"+scraping(t, address))
	for range 5 {
		w.ask(t)
		w.rest(t)
		if t.Failed() {
			t.FailNow()
		}
	}
	return w
}

// rest waits until Prometheus has scraped once more.
func (w watched) rest(t *testing.T) {
	t.Helper()
	const last = `timestamp(up{job="mock-ec2-metadata"})`
	before := w.value(t, last)
	testutil.Eventually(t, "a scrape", func() bool { return w.value(t, last) != before })
}

// absolute is the path of a file of the folder.
func absolute(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(observability + name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// scraping is scrape.yaml for a daemon at this address. Its job of Kubernetes gets what discovery would find, from the file itself.
func scraping(t *testing.T, address string) string {
	t.Helper()
	static, pods, ok := strings.Cut(string(readObservability(t, "scrape.yaml")), "#  - job_name:")
	discovery := regexp.MustCompile(`(?s)    kubernetes_sd_configs:.*?(    relabel_configs:)`)
	pods = regexp.MustCompile(`(?m)^#`).ReplaceAllString("#  - job_name:"+pods, "")
	host, port, _ := net.SplitHostPort(address)
	found := fmt.Sprintf(`    static_configs:
      - targets: [%[1]s]
        labels: {__meta_kubernetes_pod_ip: %[1]s, __meta_kubernetes_pod_phase: Running, __meta_kubernetes_pod_node_name: node-1}
      - targets: [%[1]s]
        labels: {__meta_kubernetes_pod_ip: %[1]s, __meta_kubernetes_pod_phase: Failed, __meta_kubernetes_pod_node_name: node-2}
      - targets: ["::1"]
        labels: {__meta_kubernetes_pod_ip: "::1", __meta_kubernetes_pod_phase: Running, __meta_kubernetes_pod_node_name: node-3}
$1`, host)
	if !ok || !discovery.MatchString(pods) || strings.Count(static, "127.0.0.1:5080") != 1 {
		t.Fatal("scrape.yaml has another form")
	}
	pods = strings.ReplaceAll(discovery.ReplaceAllString(pods, found), ":5080'", ":"+port+"'")
	return strings.Replace(static, "127.0.0.1:5080", address, 1) + pods
}

// ask sends one request of each kind.
func (w watched) ask(t *testing.T) {
	t.Helper()
	const credentials = "latest/meta-data/iam/security-credentials/"
	token := w.send(t, http.MethodPut, "latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60", http.StatusOK)
	w.send(t, http.MethodGet, credentials+"myrole", "X-aws-ec2-metadata-token", token, http.StatusOK)
	w.send(t, http.MethodGet, credentials+"myrole", "", "", http.StatusOK)
	w.send(t, http.MethodGet, "latest/meta-data/instance-id", "X-aws-ec2-metadata-token", "none", http.StatusUnauthorized)
	w.send(t, http.MethodGet, "latest/meta-data/instance-id", "Host", "other.example", http.StatusForbidden)
	w.send(t, http.MethodGet, "latest/meta-data/ami-id", "", "", http.StatusServiceUnavailable)
	w.send(t, http.MethodGet, credentials+"refused", "from", "127.0.0.2", http.StatusOK)
}

// send sends a request with a header, Host, or the address that it comes from. It returns the answer's body.
func (w watched) send(t *testing.T, method, path, header, value string, want int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.daemon.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	dialer := new(net.Dialer)
	switch header {
	case "":
	case "Host":
		req.Host = value
	case "from":
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(value)}
	default:
		req.Header.Set(header, value)
	}
	resp, err := (&http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Errorf("%s %s (%s: %s): %v, %d, want %d: %s", method, path, header, value, err, resp.StatusCode, want, body)
	}
	return string(body)
}

// TestObservability_RealPrometheus lets Prometheus scrape a daemon by scrape.yaml, with the alerts, and runs all that the dashboard asks.
func TestObservability_RealPrometheus(t *testing.T) {
	w := watchDaemon(t)
	t.Run("daemons are up", w.daemonsAreUp)
	t.Run("names and labels are those promised", func(t *testing.T) {
		if diff := cmp.Diff(promised(), w.labels(t, "mock-ec2-metadata")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("promtool has no objection", w.promtoolIsSilent)
	t.Run("dashboard shows something in each panel", w.dashboardShowsSomething)
	t.Run("alerts know their metrics", w.alertsKnowTheirMetrics)
	t.Run("alerts fire or do not", w.alertsFire)
}

func (w watched) daemonsAreUp(t *testing.T) {
	var targets struct {
		ActiveTargets []struct {
			Labels            map[string]string
			ScrapeURL, Health string
		}
	}
	if err := w.api(t, "targets", nil, &targets); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, target := range targets.ActiveTargets {
		got[target.Labels["job"]+" "+target.Labels["instance"]] = target.Health + " " + target.ScrapeURL
	}
	want := map[string]string{
		"mock-ec2-metadata " + w.metrics: "up http://" + w.metrics + "/metrics",
		"mock-ec2-metadata-kube node-1":  "up http://" + w.metrics + "/metrics", // node-2 has ended, and nothing listens at node-3
		"mock-ec2-metadata-kube node-3":  "down http://[::1]:" + portOf(w.metrics) + "/metrics",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for expr, want := range map[string]string{
		`up{job="mock-ec2-metadata"}`: "1",
		`mock_ec2_metadata_config_reloads_total{job="mock-ec2-metadata", outcome="success"}`: "1",
		`mock_ec2_metadata_credentials_valid{job="mock-ec2-metadata", role="myrole"}`:        "1",
		`mock_ec2_metadata_credentials_valid{job="mock-ec2-metadata", role="refused"}`:       "0",
		`mock_ec2_metadata_events_active{job="mock-ec2-metadata", kind="rebalance"}`:         "1",
		`count({job="mock-ec2-metadata"}) <= bool 600`:                                       "1",
	} {
		if got := w.value(t, expr); got != want {
			t.Errorf("%s is %q, want %q", expr, got, want)
		}
	}
}

func (w watched) promtoolIsSilent(t *testing.T) {
	_, scrape := fetch(t, "http://"+w.metrics+"/metrics")
	cmd := exec.CommandContext(t.Context(), "/usr/bin/promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

var (
	metricName = regexp.MustCompile(`\b(?:mock_ec2_metadata|process|go)_[a-z0-9_]+`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping   = regexp.MustCompile(`\b(?:by|without|on)\s*\(([^)]*)\)`)
	template   = regexp.MustCompile(`{{\s*(?:\$labels\.)?([a-z_]+)\s*}}`)
)

// wantKnown checks that an expression has metrics and labels of a scrape alone. It returns all labels of its metrics.
func wantKnown(t *testing.T, what, expr string, known map[string][]string) []string {
	t.Helper()
	labels := []string{"instance", "job", "le"}
	names := metricName.FindAllString(expr, -1)
	for _, name := range names {
		of, ok := known[name]
		if !ok {
			t.Errorf("%s: no scrape has %s", what, name)
		}
		labels = append(labels, of...)
	}
	var used []string
	for _, m := range matcher.FindAllStringSubmatch(expr, -1) {
		used = append(used, m[1])
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		used = append(used, strings.Split(strings.ReplaceAll(g[1], " ", ""), ",")...)
	}
	for _, label := range used {
		if !slices.Contains(labels, label) {
			t.Errorf("%s: none of %q has the label %s", what, names, label)
		}
	}
	if len(names) == 0 {
		t.Errorf("%s: no metrics in %s", what, expr)
	}
	return labels
}

func (w watched) dashboardShowsSomething(t *testing.T) {
	known := w.labels(t, "mock-ec2-metadata")
	d := readDashboard(t)
	for i := range d.Panels {
		for _, target := range d.Panels[i].Targets {
			what := d.Panels[i].Title + " " + target.RefID
			wantKnown(t, what, target.Expr, known)
			got, err := w.query(t, strings.ReplaceAll(target.Expr, "$__rate_interval", "20s"))
			if err != nil || len(got) == 0 {
				t.Errorf("%s: %v, %d series of %s", what, err, len(got), target.Expr)
				continue
			}
			for _, label := range template.FindAllStringSubmatch(target.LegendFormat, -1) {
				if got[0].Metric[label[1]] == "" {
					t.Errorf("%s: the legend has %s, the series %v", what, label[1], got[0].Metric)
				}
			}
		}
	}
}

func (w watched) alertsKnowTheirMetrics(t *testing.T) {
	known := w.labels(t, "mock-ec2-metadata")
	for _, a := range readAlerts(t) {
		labels := wantKnown(t, a.Alert, a.Expr, known)
		for _, annotation := range a.Annotations {
			for _, label := range template.FindAllStringSubmatch(annotation, -1) {
				if !slices.Contains(labels, label[1]) {
					t.Errorf("%s: its annotations have the label %s, its metrics %q", a.Alert, label[1], labels)
				}
			}
		}
	}
}

// alertsFire looks at what the alerts make of the daemon: a role has no credentials, and an event is active.
func (w watched) alertsFire(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, State string }
		}
	}
	// Each has been evaluated by now: the group is, once a second.
	if err := w.api(t, "rules", nil, &rules); err != nil || len(rules.Groups) != 1 {
		t.Fatalf("%v, %d groups", err, len(rules.Groups))
	}
	got := map[string]string{}
	for _, rule := range rules.Groups[0].Rules {
		got[rule.Name] = rule.Health + " " + rule.State
	}
	delete(got, "RenewalFailing") // the third call may have failed, or not yet
	want := map[string]string{
		"NoCredentials": "ok pending", "ExpireSoon": "ok inactive", "ReloadFailed": "ok inactive", "RefusalBurst": "ok inactive",
		"TokensRejected": "ok inactive", "StsSlow": "ok inactive", "MfaWaiting": "ok inactive", "SimulationActive": "ok pending",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
