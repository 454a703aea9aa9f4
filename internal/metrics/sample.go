package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/fault"
)

// rules are those of the guard.
var rules = []string{"clients", "hosts", "origins", "proxies", "sizes", "connections"}

// sampler tells what a daemon says of itself at each scrape.
type sampler struct {
	daemon Daemon
	roles  *roles

	refused, open, connections, reloaded, loaded, signing, generation, events *prometheus.Desc
	cluster                                                                   clusterDescs
	inCluster                                                                 bool
}

func newSampler(d Daemon, of *roles) *sampler {
	return &sampler{
		daemon: d, roles: of, inCluster: d.Sample().Kubernetes != nil, cluster: newClusterDescs(),
		refused:     desc("refused_total", "Requests and connections that the guard refused, by its rule.", "rule"),
		open:        desc("connections", "Open connections of clients."),
		connections: desc("connections_total", "Connections of clients since the start."),
		reloaded:    desc("config_last_reload_successful", "Whether the last reload of the configuration succeeded; 1 before the first."),
		loaded:      desc("config_last_reload_success_timestamp_seconds", "When the configuration in force was loaded."),
		signing:     desc("identity_signing_available", "Whether the instance identity document can be signed."),
		generation:  desc("snapshot_generation", "How often what is served has changed since the start."),
		events:      desc("events_active", "Simulated events that have not ended, by kind.", "kind"),
	}
}

// Describe tells the metrics.
func (s *sampler) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{s.refused, s.open, s.connections, s.reloaded, s.loaded, s.signing, s.generation, s.events} {
		to <- desc
	}
	if s.inCluster {
		for _, desc := range s.cluster.all() {
			to <- desc
		}
	}
	s.roles.Describe(to)
}

// Collect tells the values of now.
func (s *sampler) Collect(to chan<- prometheus.Metric) {
	is := s.daemon.Sample()
	s.roles.collect(to, &is)
	for _, rule := range rules {
		to <- prometheus.MustNewConstMetric(s.refused, prometheus.CounterValue, float64(is.Refused[rule]), rule)
	}
	for _, kind := range app.EventKinds() {
		to <- prometheus.MustNewConstMetric(s.events, prometheus.GaugeValue, float64(is.Events[kind]), kind)
	}
	to <- prometheus.MustNewConstMetric(s.connections, prometheus.CounterValue, float64(is.Connections))
	for desc, value := range map[*prometheus.Desc]float64{
		s.open: float64(is.Open), s.reloaded: number(!is.ReloadFailed), s.loaded: seconds(is.LoadedAt), s.signing: number(is.Signing),
		s.generation: float64(is.Generation),
	} {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	if s.inCluster && is.Kubernetes != nil {
		s.cluster.collect(to, &is)
	}
}

// registerFaults makes the counters of faults.
func (m *Metrics) registerFaults() {
	hits := counter("fault_hits_total", "Answers that simulated faults have changed, by what they do.", "effect")
	m.registry.MustRegister(hits)
	for _, effect := range fault.Effects() {
		m.faults[effect] = hits.WithLabelValues(effect)
	}
}
