// Package metrics tells a monitoring system about a daemon: counters and gauges in the formats of Prometheus, and whether the daemon is
// healthy and ready. Its listener is one of its own, never that of the metadata service.
//
// The values of all labels are closed lists but for roles, which come from the configuration, and from pods: of the latter there are at
// most 256. So clients cannot make series.
package metrics

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/web"
)

// namespace begins the names of all metrics but those of the process.
const namespace = "mock_ec2_metadata"

// Metrics counts what happens in one daemon. It is an app.Observer.
type Metrics struct {
	registry *prometheus.Registry
	now      func() time.Time
	version  string

	requests *requests
	tokens   [imds.TokenEvents]prometheus.Counter
	calls    *calls
	roles    *roles
	waits    map[bool]prometheus.Observer // by whether the client was served
	reloads  map[bool]prometheus.Counter  // by success
	faults   map[string]prometheus.Counter
	cluster  *cluster
}

// New makes the metrics of a daemon of this version. now is the clock. They are empty until Listen.
func New(version string, now func() time.Time) *Metrics {
	r := prometheus.NewRegistry()
	m := &Metrics{
		registry: r, now: now, version: version, requests: newRequests(r), calls: newCalls(r), roles: newRoles(now),
		waits: map[bool]prometheus.Observer{}, reloads: map[bool]prometheus.Counter{}, faults: map[string]prometheus.Counter{}, cluster: newCluster(),
	}
	m.registerTokens()
	waits := histogram("credentials_wait_seconds", "How long clients waited for credentials that were being fetched.",
		[]float64{0.05, 0.1, 0.25, 0.5, 0.9}, "outcome")
	reloads := counter("config_reloads_total", "Reloads of the configuration.", "outcome")
	r.MustRegister(waits, reloads)
	for ok, outcome := range map[bool]string{true: "served", false: "gave_up"} {
		m.waits[ok] = waits.WithLabelValues(outcome)
	}
	for ok, outcome := range map[bool]string{true: succeeded, false: failed} {
		m.reloads[ok] = reloads.WithLabelValues(outcome)
	}
	m.registerFaults()
	registerProcess(r)
	info := gauge("build_info", "The version of the daemon; always 1.", "version", "goversion", "goos", "goarch")
	r.MustRegister(info)
	info.WithLabelValues(version, runtime.Version(), runtime.GOOS, runtime.GOARCH).Set(1)
	return m
}

// Values of the label outcome.
const (
	succeeded = "success"
	failed    = "failure"
)

var _ app.Observer = (*Metrics)(nil)

// Request counts a request.
func (m *Metrics) Request(route web.Route, status int, version string) {
	m.requests.count(route, status, version)
}

// Token counts a session token, or a request that was refused for its token.
func (m *Metrics) Token(e imds.TokenEvent) { m.tokens[e].Inc() }

// Called counts a call of an AWS service.
func (m *Metrics) Called(c sts.Call) { m.calls.count(c) }

// Renewed counts the end of a call for credentials.
func (m *Metrics) Renewed(r app.Role, ok bool) { m.roles.renewed(r, ok) }

// Waited counts a client that had to wait for credentials.
func (m *Metrics) Waited(took time.Duration, served bool) { m.waits[served].Observe(took.Seconds()) }

// Reloaded counts a reload.
func (m *Metrics) Reloaded(ok bool) { m.reloads[ok].Inc() }

// FaultHit counts an answer that a fault has changed.
func (m *Metrics) FaultHit(effect string) { m.faults[effect].Inc() }

// Located counts the search for a pod.
func (m *Metrics) Located(took time.Duration) { m.cluster.lookup.Observe(took.Seconds()) }

// Denied counts a client in a cluster that gets nothing.
func (m *Metrics) Denied(why string) { m.cluster.denied[why].Inc() }

// registerTokens makes the counters of session tokens.
func (m *Metrics) registerTokens() {
	issued := prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace, Name: "session_tokens_issued_total", Help: "Session tokens of IMDSv2 given.",
	})
	rejected := counter("session_tokens_rejected_total", "Requests refused for their session token, or for the lack of one.", "reason")
	m.registry.MustRegister(issued, rejected)
	for e := range imds.TokenEvents {
		if e != imds.Issued {
			m.tokens[e] = rejected.WithLabelValues(e.String())
		}
	}
	m.tokens[imds.Issued] = issued
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// histogram has these bounds, and native buckets for servers that ask for them.
func histogram(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: bounds,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	}, labels)
}
