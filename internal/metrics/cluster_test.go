package metrics

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/test/stsfake"
)

// pods is a node's cluster that knows what the test says. 10.0.0.0/16 are other nodes' pods.
type pods struct {
	mu     sync.Mutex // guards at and status
	at     map[netip.Addr]*caller.Workload
	status api.Kubernetes
}

func (p *pods) put(address, name, role string) {
	namespace, short, _ := strings.Cut(name, "/")
	pod := &caller.Pod{UID: name, Namespace: namespace, Name: short, ServiceAccount: short, Annotations: map[string]string{"iam.amazonaws.com/role": role}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[netip.MustParseAddr(address)] = &caller.Workload{Name: name, Pod: pod}
}

func (p *pods) Locate(_ context.Context, a netip.Addr) (*caller.Workload, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.at[a]; w != nil {
		return w, nil
	}
	if netip.MustParsePrefix("10.0.0.0/16").Contains(a) {
		return nil, fmt.Errorf("%w: %s", caller.ErrElsewhere, a)
	}
	return nil, fmt.Errorf("%w: %s", caller.ErrUnknown, a)
}

func (p *pods) Confirm(ctx context.Context, a netip.Addr, _ *caller.Workload) (*caller.Workload, error) {
	return p.Locate(ctx, a)
}

func (*pods) Run(ctx context.Context) { <-ctx.Done() }

func (p *pods) Pods() []app.PodState {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []app.PodState
	for a, w := range p.at {
		all = append(all, app.PodState{Workload: w, Addresses: []string{a.String()}})
	}
	return all
}

func (p *pods) Status() *api.Kubernetes {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status
	return &s
}

func (*pods) Refuse(*caller.Workload, string) {}

const inCluster = `
credentials: {source_profile: default}
kubernetes:
  enabled: true
  node: node1
  cluster_name: local
  base_role_arn: arn:aws:iam::123456789012:role/
  rules: {namespaces: {"*": {allow: ["app-*"]}}}
server: {allow_clients: [0.0.0.0/0]}
`

// countPods runs a daemon of a node.
func countPods(t *testing.T) (*counted, *pods, *anywhere, *stsfake.Server) {
	t.Helper()
	p := &pods{at: map[netip.Addr]*caller.Workload{}, status: api.Kubernetes{Synced: true, Pods: 3, WatchAgeSeconds: -1}}
	at := newAnywhere(t)
	at.move("127.0.0.1")
	c, s := countSTS(t, inCluster, at.use, func(opt *app.Options) {
		opt.NewCluster = func(*config.Config, func(*caller.Workload)) (app.Cluster, error) { return p, nil }
		opt.Relay = func() *api.Relay { return &api.Relay{Connected: true} }
	})
	return c, p, at, s
}

// askFrom asks for the credentials of a role from an address.
func (c *counted) askFrom(t *testing.T, at *anywhere, address, role string) (int, series) {
	t.Helper()
	before := c.scrape(t)
	at.move(address)
	status, _ := c.ask(t, "GET", "latest/meta-data/iam/security-credentials/"+role, alone...)
	return status, c.scrape(t).since(before)
}

func TestCluster_DeniedCountOnceByReason(t *testing.T) {
	c, p, at, s := countPods(t)
	s.AddRole("arn:aws:iam::123456789012:role/app-1")
	p.put("10.244.0.2", "shop/fine", "app-1")
	p.put("10.244.0.3", "shop/greedy", "admin")
	p.put("10.244.0.4", "shop/nobody", "app-unknown")
	for _, tt := range []struct{ name, address, role, why string }{
		{name: "allowed", address: "10.244.0.2", role: "app-1"},
		{name: "not allowed", address: "10.244.0.3", role: "admin", why: "not_allowed"},
		{name: "refused by STS", address: "10.244.0.4", role: "app-unknown", why: "refused"},
		{name: "unknown", address: "10.244.0.99", role: "app-1", why: "unknown"},
		{name: "elsewhere", address: "10.0.0.7", role: "app-1", why: "elsewhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, changed := c.askFrom(t, at, tt.address, tt.role)
			want := series{}
			if tt.why != "" {
				want[fmt.Sprintf("kube_denied_total{why=%q}", tt.why)] = 1
			}
			if got := changed.of("kube_denied_total"); !maps.Equal(got, want) {
				t.Errorf("%d is counted as %v, want %v", status, got, want)
			}
			changed.want(t, "kube_lookup_duration_seconds_count", 1)
		})
	}
	got := c.scrape(t)
	got.want(t, ofRole("credentials_valid", "app-1"), 1)
	got.want(t, ofRole("credentials_valid", "app-unknown"), 0)
	got.want(t, "kube_sessions", 2)
	if _, there := got[ofRole("credentials_valid", "admin")]; there {
		t.Error("a role that no client may have has credentials")
	}
}

// TestCluster_MovedAddressCounts has a kept connection whose pod loses its address to another.
func TestCluster_MovedAddressCounts(t *testing.T) {
	c, p, at, s := countPods(t)
	s.AddRole("arn:aws:iam::123456789012:role/app-1")
	p.put("10.244.0.2", "shop/first", "app-1")
	at.move("10.244.0.2")
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	const path = "latest/meta-data/iam/security-credentials/"
	if status, body := c.ask(t, "GET", path); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	p.put("10.244.0.2", "shop/second", "app-1")
	before := c.scrape(t)
	c.ask(t, "GET", path)
	if got := c.scrape(t).since(before).of("kube_denied_total"); !maps.Equal(got, series{`kube_denied_total{why="moved"}`: 1}) {
		t.Errorf("counted as %v", got)
	}
}

func TestCluster_TellsTheWatchAndTheRelay(t *testing.T) {
	c, p, _, _ := countPods(t)
	got := c.scrape(t)
	for _, why := range app.DeniedReasons() {
		got.want(t, fmt.Sprintf("kube_denied_total{why=%q}", why), 0)
	}
	for _, way := range ways {
		got.want(t, fmt.Sprintf("kube_lookups_total{by=%q}", way), 0)
	}
	got.want(t, "kube_pods", 3)
	got.want(t, "kube_relay_connected", 1)
	got.want(t, "kube_watch_last_event_timestamp_seconds", 0)
	p.mu.Lock()
	p.status.Heard, p.status.Relists = time.Unix(1_800_000_000, 250_000_000), 4
	p.status.Lookups = map[string]int64{"watch": 7, "unknown": 1, "a new way": 2}
	p.mu.Unlock()
	got = c.scrape(t)
	got.want(t, `kube_lookups_total{by="watch"}`, 7)
	got.want(t, `kube_lookups_total{by="unknown"}`, 1)
	if n := got.of("kube_lookups_total"); len(n) != len(ways) {
		t.Errorf("lookups are %v", n)
	}
	got.want(t, "kube_watch_last_event_timestamp_seconds", 1_800_000_000.25)
	got.want(t, "kube_relists_total", 4)
	if len(got) > 600 {
		t.Errorf("%d series", len(got))
	}
}

func TestCluster_MetricsOfPodsAreForClustersAlone(t *testing.T) {
	for name := range count(t, mocked).scrape(t) {
		if strings.HasPrefix(name, "kube_") {
			t.Errorf("a daemon without a cluster tells %s", name)
		}
	}
}
