package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
)

// TestMetrics_NamesOfTheCluster looks at what a daemon that knows pods tells in addition to others. test/e2e has those of all daemons.
func TestMetrics_NamesOfTheCluster(t *testing.T) {
	f := newFake()
	f.sample = func() app.Sample { return app.Sample{Kubernetes: &api.Kubernetes{Relay: new(api.Relay)}} }
	m := New("1.2.3", time.Now)
	m.registry.MustRegister(newSampler(f, m.roles))
	m.registry.MustRegister(m.cluster.all...)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, family := range families {
		name, ok := strings.CutPrefix(family.GetName(), "mock_ec2_metadata_kube_")
		if !ok {
			continue
		}
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, label.GetName())
		}
		got[name] = strings.ToLower(family.GetType().String()) + " " + strings.Join(labels, ",")
	}
	want := map[string]string{
		"lookups_total": "counter by", "lookup_duration_seconds": "histogram ", "pods": "gauge ", "watch_last_event_timestamp_seconds": "gauge ",
		"relists_total": "counter ", "sessions": "gauge ", "denied_total": "counter why", "relay_connected": "gauge ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
