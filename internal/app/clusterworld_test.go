package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// realCluster gets the credentials of pods from STS. A test adds keys to its blocks.
const realCluster = `
credentials: {source_profile: default}
kubernetes:
  enabled: true
  node: node1
  cluster_name: local
  base_role_arn: arn:aws:iam::123456789012:role/
  rules:
    namespaces: {"*": {allow: ["*"]}}
server: {allow_clients: [0.0.0.0/0]}
`

// withSession is realCluster with keys of kubernetes.session.
func withSession(keys string) string {
	return strings.Replace(realCluster, "  rules:", "  session: {"+keys+"}\n  rules:", 1)
}

// nodeWorld is a node of a cluster and a fake STS, over a network in memory. It lives in a synctest bubble.
type nodeWorld struct {
	*unserved
	*pods
	sts   *stsfake.Server
	log   *testutil.Buffer // all that the daemon logs, with the access log
	calls *calls
	slow  time.Duration // how long Locate takes
}

func (w *nodeWorld) Locate(ctx context.Context, a netip.Addr) (*caller.Workload, error) {
	time.Sleep(w.slow)
	return w.pods.Locate(ctx, a)
}

// newNodeWorld makes a world with a daemon of the configuration and the roles. It is called within a bubble, in an isolated home.
func newNodeWorld(t *testing.T, configuration string, roles ...string) *nodeWorld {
	t.Helper()
	w := &nodeWorld{pods: &pods{at: map[netip.Addr]PodState{}}, log: new(testutil.Buffer)}
	network := newNetwork()
	w.sts = stsfake.StartOn(t, network)
	for _, role := range roles {
		w.sts.AddRole("arn:aws:iam::123456789012:role/" + role)
	}
	testutil.Write(t, ".aws/credentials", profile(w.sts.AddUser("developer")))
	testutil.Write(t, "conf/config.yaml", configuration)
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://sts.invalid")
	w.calls = &calls{to: dialing(network.dial)}
	opt := options(load(t, ""))
	opt.HTTP, opt.AccessLog = w.calls, w.log
	opt.Log = slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opt.NewCluster = func(_ *config.Config, bound func(*caller.Workload)) (Cluster, error) {
		w.bound = bound
		return w, nil
	}
	w.unserved = newUnserved(t, opt)
	w.begin(t)
	return w
}

// got is what a pod got of its role's credentials.
type got struct {
	status             int
	code, key, message string
	took               time.Duration
}

// get asks for the credentials of a role from an address.
func (w *nodeWorld) get(address, role string) got {
	asked := time.Now()
	rec := w.do(http.MethodGet, "/latest/"+rolesPath+role, address+":1")
	var d document
	_ = json.Unmarshal(rec.Body.Bytes(), &d)
	return got{rec.Code, d.Code, d.AccessKeyID, d.Message, time.Since(asked)}
}

// must is get for credentials that the pod must have. It returns the access key id.
func (w *nodeWorld) must(t *testing.T, address, role string) string {
	t.Helper()
	g := w.get(address, role)
	if g.status != http.StatusOK || g.code != "Success" || !strings.HasSuffix(w.sts.Principal(g.key), "/"+role) {
		t.Fatalf("%s gets %+v, of %q", address, g, w.sts.Principal(g.key))
	}
	return g.key
}

// podAddress is the address of the nth pod.
func podAddress(n int) string { return fmt.Sprintf("10.244.%d.%d", n/250, n%250+2) }

// addPods puts so many pods of a role on the node, each in a service account of its own.
func (w *nodeWorld) addPods(n int, role string) {
	for i := range n {
		w.put(podAddress(i), fmt.Sprintf("shop/pod-%d", i), roleOf, role)
	}
}

// askAll has so many pods ask at once, each until it has credentials. It returns how many have which key.
func (w *nodeWorld) askAll(t *testing.T, n int, role string) map[string]int {
	t.Helper()
	keys := map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for range 60 {
				switch g := w.get(podAddress(i), role); {
				case g.status == http.StatusOK && g.code == "Success":
					mu.Lock()
					defer mu.Unlock()
					keys[g.key]++
					return
				case g.status != http.StatusServiceUnavailable || g.took > patience:
					t.Errorf("pod %d: %+v", i, g)
					return
				}
				time.Sleep(time.Second)
			}
			t.Errorf("pod %d gets nothing in a minute", i)
		})
	}
	all.Wait()
	return keys
}

// mostAtOnce is how many calls were under way at one time.
func (c *calls) mostAtOnce() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := 0
	for _, at := range c.made {
		n := 0
		for _, other := range c.made {
			if !other.began.After(at.began) && other.ended.After(at.began) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
