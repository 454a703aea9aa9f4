package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mock-ec2-metadata/internal/app"
)

// cluster counts what happens to clients in a Kubernetes cluster. It is registered for a daemon that knows pods alone.
type cluster struct {
	lookup prometheus.Histogram
	denied map[string]prometheus.Counter
	all    []prometheus.Collector
}

func newCluster() *cluster {
	c := &cluster{
		lookup: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "kube_lookup_duration_seconds", Help: "How long it took to find the pod of a client.",
			Buckets: []float64{0.00001, 0.0001, 0.001, 0.01, 0.1, 0.5, 1}, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		denied: map[string]prometheus.Counter{},
	}
	denied := counter("kube_denied_total", "Requests of clients in the cluster that got nothing.", "why")
	for _, why := range app.DeniedReasons() {
		c.denied[why] = denied.WithLabelValues(why)
	}
	c.all = []prometheus.Collector{c.lookup, denied}
	return c
}

// ways are how the pod of a client is found.
var ways = []string{"watch", "proc", "wait", "unknown", "ambiguous"}

// clusterDescs are the metrics of a cluster that a sample has.
type clusterDescs struct{ lookups, pods, heard, relists, sessions, relay *prometheus.Desc }

func newClusterDescs() clusterDescs {
	return clusterDescs{
		lookups:  desc("kube_lookups_total", "Searches for the pod of a client, by how it was found.", "by"),
		pods:     desc("kube_pods", "Live pods of the node that are known."),
		heard:    desc("kube_watch_last_event_timestamp_seconds", "When the Kubernetes API last said anything about pods; 0 for never."),
		relists:  desc("kube_relists_total", "Lists of pods and their like that had to be fetched again, since a watch could not go on."),
		sessions: desc("kube_sessions", "Sessions of roles in use."),
		relay:    desc("kube_relay_connected", "Whether the laptop that gives credentials is connected; absent without a relay."),
	}
}

func (d *clusterDescs) all() []*prometheus.Desc {
	return []*prometheus.Desc{d.lookups, d.pods, d.heard, d.relists, d.sessions, d.relay}
}

// collect tells what a sample says of a cluster.
func (d *clusterDescs) collect(to chan<- prometheus.Metric, s *app.Sample) {
	k := s.Kubernetes
	for _, way := range ways {
		to <- prometheus.MustNewConstMetric(d.lookups, prometheus.CounterValue, float64(k.Lookups[way]), way)
	}
	to <- prometheus.MustNewConstMetric(d.pods, prometheus.GaugeValue, float64(k.Pods))
	to <- prometheus.MustNewConstMetric(d.heard, prometheus.GaugeValue, seconds(k.Heard))
	to <- prometheus.MustNewConstMetric(d.relists, prometheus.CounterValue, float64(k.Relists))
	to <- prometheus.MustNewConstMetric(d.sessions, prometheus.GaugeValue, float64(s.Sessions))
	if k.Relay != nil {
		to <- prometheus.MustNewConstMetric(d.relay, prometheus.GaugeValue, number(k.Relay.Connected))
	}
}

// desc describes a metric of a sample.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}
