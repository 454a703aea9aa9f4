package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

// pods is a Cluster that knows what the test says. Addresses in 10.244.0.0/16 are for pods, those in 10.0.0.0/16 of nodes.
type pods struct {
	mu      sync.Mutex
	at      map[netip.Addr]PodState
	refused []string
	bound   func(*caller.Workload)
	// confirm is what Confirm does; nil: it says that w is right.
	confirm func(w *caller.Workload) (*caller.Workload, error)
	asked   int // calls of Confirm
}

func (p *pods) Confirm(_ context.Context, _ netip.Addr, w *caller.Workload) (*caller.Workload, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.confirm != nil {
		return p.confirm(w)
	}
	return w, nil
}

func (p *pods) Locate(_ context.Context, a netip.Addr) (*caller.Workload, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.at[a]; ok {
		return s.Workload, nil
	}
	if netip.MustParsePrefix("10.0.0.0/16").Contains(a) {
		return nil, fmt.Errorf("%w: %s", caller.ErrElsewhere, a)
	}
	return nil, fmt.Errorf("%w: %s", caller.ErrUnknown, a)
}

func (*pods) Run(ctx context.Context) { <-ctx.Done() }

func (p *pods) Pods() []PodState {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []PodState
	for _, s := range p.at {
		all = append(all, s)
	}
	return all
}

func (*pods) Status() *api.Kubernetes { return &api.Kubernetes{Synced: true, Find: []string{"watch"}} }

func (p *pods) Refuse(w *caller.Workload, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = append(p.refused, w.Name+": "+message)
}

func (p *pods) events() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// put says which pod has an address: namespace/name, and pairs of annotations.
func (p *pods) put(address, name string, annotations ...string) *caller.Workload {
	namespace, short, _ := strings.Cut(name, "/")
	pod := &caller.Pod{UID: "uid-" + name, Namespace: namespace, Name: short, ServiceAccount: short, Annotations: map[string]string{}}
	for i := 0; i+1 < len(annotations); i += 2 {
		pod.Annotations[annotations[i]] = annotations[i+1]
	}
	w := &caller.Workload{Name: pod.String(), Pod: pod}
	p.mu.Lock()
	p.at[netip.MustParseAddr(address)] = PodState{Workload: w, Addresses: []string{address}}
	p.mu.Unlock()
	return w
}

func (p *pods) remove(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.at, netip.MustParseAddr(address))
}

const withCluster = `
credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/base'}
kubernetes:
  enabled: true
  node: node1
  cluster_name: local
  rules:
    namespaces:
      "*": {allow: ["app-*"]}
      shop: {allow: ["cart", "app-*"]}
server: {allow_clients: [0.0.0.0/0]}
`

const roleOf = "iam.amazonaws.com/role"

// cluster is a daemon of a node whose pods the test says.
func cluster(t testing.TB, file string, change ...func(*Options)) (*unserved, *pods, *testutil.Buffer) {
	t.Helper()
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", file)
	p := &pods{at: map[netip.Addr]PodState{}}
	opt := options(load(t, ""))
	opt.NewCluster = func(_ *config.Config, bound func(*caller.Workload)) (Cluster, error) {
		p.bound = bound
		return p, nil
	}
	log := new(testutil.Buffer)
	opt.Log = slog.New(slog.NewJSONHandler(log, nil))
	for _, c := range change {
		c(&opt)
	}
	u := newUnserved(t, opt)
	u.begin(t)
	return u, p, log
}

func TestCluster_EachPodGetsItsRole(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "shop/cart", roleOf, "cart")
	p.put("10.244.0.3", "team/app", roleOf, "arn:aws:iam::123456789012:role/app-1")
	p.put("10.244.0.4", "team/none")
	for address, want := range map[string]string{"10.244.0.2:1": "cart", "10.244.0.3:1": "app-1", "10.244.0.4:1": "Not Found"} {
		if got := u.from(address, rolesPath); got != want {
			t.Errorf("%s: role %q, want %q", address, got, want)
		}
	}
	if got := u.from("10.244.0.2:1", rolesPath+"app-1"); got != "Not Found" {
		t.Errorf("another pod's role: %q", got)
	}
	if got := u.from("10.244.0.2:1", rolesPath+"cart"); !strings.Contains(got, `"Code" : "Success"`) {
		t.Errorf("own role: %q", got)
	}
	if got := u.from("10.244.0.4:1", "meta-data/instance-id"); got != u.State().Instance.ID {
		t.Errorf("a pod without a role: instance %q", got)
	}
}

func TestCluster_UnknownIsNeverSomebodyElse(t *testing.T) {
	u, _, _ := cluster(t, withCluster+"\n")
	for _, path := range []string{"/latest/meta-data/instance-id", "/latest/" + rolesPath, "/v1/credentials", "/status"} {
		rec := u.do(http.MethodGet, path, "10.244.0.9:1")
		if rec.Code != http.StatusServiceUnavailable && path != "/v1/credentials" {
			t.Errorf("%s: %d", path, rec.Code)
		}
		if path == "/v1/credentials" && rec.Code == http.StatusOK {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	rec := u.do(http.MethodGet, "/latest/"+rolesPath, "10.244.0.9:1")
	if rec.Header().Get("Retry-After") != "1" || rec.Body.String() != "It is not known yet what runs at this address; ask again.\n" {
		t.Errorf("%v %q", rec.Header(), rec.Body)
	}
	if rec := u.do(http.MethodGet, "/latest/"+rolesPath, "10.0.0.7:1"); rec.Code != http.StatusForbidden {
		t.Errorf("another node: %d", rec.Code)
	}
}

func TestCluster_ForwardedAddressChangesNothing(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "shop/cart", roleOf, "cart")
	p.put("10.244.0.3", "team/app", roleOf, "app-1")
	r := httptest.NewRequest(http.MethodGet, "/latest/"+rolesPath, nil)
	r.Host, r.RemoteAddr = "169.254.169.254", "10.244.0.2:1"
	r.Header.Set("X-Forwarded-For", "10.244.0.3")
	rec := httptest.NewRecorder()
	u.http.ServeHTTP(rec, r)
	if rec.Body.String() != "cart" {
		t.Errorf("%d %q", rec.Code, rec.Body)
	}
}

func TestCluster_DeniedRoleIsListedAndToldAsAnEvent(t *testing.T) {
	u, p, log := cluster(t, withCluster)
	p.put("10.244.0.2", "team/evil", roleOf, "cart")
	if got := u.from("10.244.0.2:1", rolesPath); got != "cart" {
		t.Errorf("listing: %q", got)
	}
	got := u.from("10.244.0.2:1", rolesPath+"cart")
	if !strings.Contains(got, `"Code" : "AccessDenied"`) || !strings.Contains(got, "kubernetes.rules") {
		t.Errorf("credentials: %s", got)
	}
	if events := p.events(); len(events) != 1 || !strings.HasPrefix(events[0], "pod team/evil: ") {
		t.Errorf("events: %q", events)
	}
	if !log.Contains(`"role of a pod denied"`) {
		t.Errorf("log: %s", log)
	}
}

// Prefetch decides before the pod asks, and the pod asks often.
func TestCluster_DeniedRoleIsLoggedOnce(t *testing.T) {
	u, p, log := cluster(t, withCluster)
	p.bound(p.put("10.244.0.2", "team/evil", roleOf, "cart"))
	for range 3 {
		u.from("10.244.0.2:1", rolesPath)
	}
	if n := strings.Count(log.String(), `"role of a pod denied"`); n != 1 {
		t.Errorf("%d lines: %s", n, log)
	}
}

func TestCluster_ChangedAnnotationHoldsFromTheNextRequest(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	for _, role := range []string{"app-1", "app-2", "app-1"} {
		p.put("10.244.0.2", "team/app", roleOf, role)
		if got := u.from("10.244.0.2:1", rolesPath); got != role {
			t.Errorf("%q, want %q", got, role)
		}
	}
}

func TestCluster_HostGetsItsOwnRoleOrNone(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "shop/cart", roleOf, "cart")
	if got := u.from("127.0.0.1:1", rolesPath); got != "Not Found" {
		t.Errorf("without a rule: %q", got)
	}
	u, _, _ = cluster(t, strings.Replace(withCluster, "rules:", "rules:\n    host_network: nodes", 1))
	if got := u.from("127.0.0.1:1", rolesPath); got != "nodes" {
		t.Errorf("with a rule: %q", got)
	}
}

func TestCluster_PodsWithoutMetadataGetWhatSDKsNeed(t *testing.T) {
	u, p, _ := cluster(t, strings.Replace(withCluster, "node: node1", "node: node1\n  pods: {metadata: none}", 1))
	p.put("10.244.0.2", "shop/cart", roleOf, "cart")
	if got := u.from("10.244.0.2:1", "meta-data/"); got != "iam/\nplacement/" {
		t.Errorf("listing: %q", got)
	}
	for path, want := range map[string]bool{
		rolesPath: true, "meta-data/placement/region": true, "dynamic/instance-identity/document": true,
		"meta-data/instance-id": false, "meta-data/local-ipv4": false, "user-data": false, "meta-data/identity-credentials/ec2/info": false,
	} {
		if got := u.from("10.244.0.2:1", path); (got != "Not Found") != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := u.from("127.0.0.1:1", "meta-data/instance-id"); got == "Not Found" {
		t.Error("the node itself has no metadata")
	}
}

func TestCluster_PlainProgramKnowsNoPods(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", withCluster)
	_, err := New(t.Context(), options(load(t, "")))
	const want = "kubernetes.enabled: this program does not know pods; run mock-ec2-metadata-kube, or set it to false"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestCluster_StatusShowsPodsAndSessions(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "shop/cart", roleOf, "cart")
	p.put("10.244.0.3", "shop/cart2", roleOf, "cart")
	p.put("10.244.0.4", "team/evil", roleOf, "cart")
	for _, address := range []string{"10.244.0.2:1", "10.244.0.3:1", "10.244.0.4:1"} {
		u.from(address, rolesPath+"cart")
	}
	k := u.Status().Kubernetes
	if k == nil || k.Node != "node1" || k.Cluster != "local" || len(k.Assigned) != 3 {
		t.Fatalf("%+v", k)
	}
	if got := k.Assigned[2]; got.Name != "evil" || got.Role != "cart" || got.Denied == "" {
		t.Errorf("denied: %+v", got)
	}
	if len(k.Sessions) != 1 || k.Sessions[0].Role != "cart" || k.Sessions[0].Pods != 2 {
		t.Errorf("sessions: %+v", k.Sessions)
	}
}

func TestCluster_RemovedPodIsForgotten(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "shop/cart", roleOf, "cart")
	u.from("10.244.0.2:1", rolesPath+"cart")
	p.remove("10.244.0.2")
	s := u.State()
	s.cluster.mu.Lock()
	s.cluster.tidied = s.cluster.tidied.Add(-2 * tidyEvery)
	s.tidyPods()
	left := 0
	s.cluster.pods.Range(func(any, any) bool { left++; return true })
	s.cluster.mu.Unlock()
	if left != 0 {
		t.Errorf("%d pods are left", left)
	}
}
