package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/testutil"
)

const twoPodRoles = `
credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/base'}
roles: {cart: {iam_role: 'arn:aws:iam::123456789012:role/cart'}, admin: {iam_role: 'arn:aws:iam::123456789012:role/admin'}}
ecs: {by_path: true, authorization: s}
pod_identity: {enabled: true, verify: jwks}
kubernetes:
  enabled: true
  node: node1
  cluster_name: local
  rules:
    service_accounts: {shop/cart: cart, shop/none: own}
    namespaces: {shop: {allow: [cart, admin]}}
server: {allow_clients: [0.0.0.0/0]}
`

func TestCluster_PathsOfContainersGiveNothingOfOthers(t *testing.T) {
	u, p, _ := cluster(t, strings.Replace(twoPodRoles, ", shop/none: own", "", 1))
	p.put("10.244.0.2", "shop/cart", roleOf, "cart")
	p.put("10.244.0.3", "shop/boss", roleOf, "admin")
	p.put("10.244.0.4", "shop/bare")
	s := u.State()
	var paths []string
	for _, role := range []string{"", "admin", "cart"} {
		for _, of := range []string{s.Instance.ID, containerID("10.244.0.3"), "node1"} {
			id := ecs.ID(s.Secret.Key(), role, of)
			paths = append(paths, "/v2/credentials/"+id, "/v1/credentials?id="+id)
		}
	}
	for _, role := range []string{"admin", "base", "arn:aws:iam::123456789012:role/admin"} {
		paths = append(paths, "/role/"+role, "/role-arn/"+role, "/creds/"+role)
	}
	paths = append(paths, "/creds", "/v2/metadata", "/v2/stats", "/v3", "/v3/task", "/v4/x", "/v4/x/task", "/task", "/status", "/v1/credentials", "/v2/credentials")
	for _, address := range []string{"10.244.0.2:1", "10.244.0.4:1", "10.244.0.9:1", "127.0.0.1:1"} {
		for _, path := range paths {
			_, body := u.answer(path, address, "Authorization", "s")
			for _, other := range []string{"role/admin", "role/base", "shop/boss", "10.244.0.3"} {
				if strings.Contains(body, other) && !strings.Contains(path, other) && (address != "127.0.0.1:1" || path != "/status") {
					t.Errorf("%s gets %q by %s: %.200s", address, other, path, body)
				}
			}
		}
	}
	if _, body := u.answer("/creds", "10.244.0.2:1", "Authorization", "s"); body != "arn:aws:iam::123456789012:role/cart" {
		t.Errorf("its own: %s", body)
	}
}

func TestCluster_StatusOfAPodIsItsOwn(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "shop/cart", roleOf, "cart")
	p.put("10.244.0.3", "team/app", roleOf, "app-1")
	p.put("10.244.0.4", "team/evil", roleOf, "cart")
	for _, address := range []string{"10.244.0.2:1", "10.244.0.3:1", "10.244.0.4:1"} {
		u.from(address, rolesPath+"cart")
		u.from(address, rolesPath+"app-1")
	}
	for address, want := range map[string][2]string{"10.244.0.2:1": {"cart", "valid"}, "10.244.0.3:1": {"app-1", "valid"}, "10.244.0.4:1": {"cart", "denied"}} {
		rec := u.do(http.MethodGet, "/status", address)
		var s api.Status
		if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		if s.Role != want[0] || s.Credentials.State != want[1] || s.Kubernetes != nil || len(s.Identities) > 0 {
			t.Errorf("%s: %s", address, rec.Body)
		}
		if other := map[string]string{"cart": "app-1", "app-1": "cart"}[want[0]]; strings.Contains(rec.Body.String(), other) {
			t.Errorf("%s sees %s: %s", address, other, rec.Body)
		}
	}
}

func TestCluster_PodIdentityTakesTheRulesOfServiceAccounts(t *testing.T) {
	u, p, _ := cluster(t, strings.Replace(twoPodRoles, ", shop/none: own", "", 1))
	p.put("10.244.0.2", "shop/cart", roleOf, "admin")
	code, document, body := u.pod(t, u.podToken(t, "shop", "cart", "cart-1"))
	if code != http.StatusOK || document.AccountId != "123456789012" {
		t.Fatalf("%d %s", code, body)
	}
	sessions := u.Status().Kubernetes.Sessions
	if len(sessions) != 1 || sessions[0].Role != "cart" || sessions[0].For != "service account shop/cart" {
		t.Errorf("sessions: %+v", sessions)
	}
	for _, other := range [][2]string{{"shop", "boss"}, {"team", "cart"}} {
		if code, _, body := u.pod(t, u.podToken(t, other[0], other[1], "x-1")); code != http.StatusNotFound {
			t.Errorf("%v: %d %s", other, code, body)
		}
	}
}

func TestCluster_DeniedPodsDoNotShareAName(t *testing.T) {
	u, p, _ := cluster(t, strings.Replace(withCluster, "  rules:", "  session: {scope: pod}\n  rules:", 1))
	p.put("10.244.0.2", "team/evil1", roleOf, "cart")
	p.put("10.244.0.3", "team/evil2", roleOf, "cart")
	u.from("10.244.0.2:1", rolesPath+"cart")
	u.from("10.244.0.3:1", rolesPath+"cart")
	for id := range u.State().cluster.identities() {
		if id.grant.denied != nil && id.pod != "" {
			t.Errorf("what both share is called that of %s", id.pod)
		}
	}
	if events := p.events(); len(events) != 2 || !strings.HasPrefix(events[0], "pod team/evil1: ") || !strings.HasPrefix(events[1], "pod team/evil2: ") {
		t.Errorf("events: %q", events)
	}
}

// A node whose pods come and go for months must not grow.
func TestCluster_StateIsSmallAfterManyPods(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, strings.NewReplacer("source_profile: default", "mock: true, iam_role: 'arn:aws:iam::123456789012:role/base'",
			`allow: ["*"]`, `allow: ["app-*"]`, "  rules:", "  session: {scope: pod, idle: 1m}\n  rules:").Replace(realCluster))
		k := w.State().cluster
		for i := range 1000 {
			role := "app-1"
			if i%2 == 1 {
				role = fmt.Sprintf("denied-%d", i)
			}
			w.put("10.244.0.2", fmt.Sprintf("team/pod-%d", i), roleOf, role)
			w.from("10.244.0.2:1", rolesPath+role)
			if i < 4 {
				w.from("10.244.0.2:1", "dynamic/instance-identity/signature")
			}
		}
		time.Sleep(3 * time.Hour)
		w.put("10.244.0.2", "team/last", roleOf, "app-1")
		w.from("10.244.0.2:1", rolesPath)
		known := 0
		k.pods.Range(func(any, any) bool { known++; return true })
		if len(k.sessions) > 2 || known > 2 {
			t.Errorf("%d sessions and %d pods are left", len(k.sessions), known)
		}
	})
}
