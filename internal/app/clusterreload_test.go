package app

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"mock-ec2-metadata/internal/testutil"
)

// rulesOf is realCluster with another rule for all namespaces.
func rulesOf(rule string) string {
	return strings.Replace(realCluster, `{allow: ["*"]}`, rule, 1)
}

func TestClusterReload_SessionsGoOnAndRefusalsHoldAtOnce(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, realCluster, "app", "cart", "base")
		w.put("10.244.0.2", "shop/a", roleOf, "app")
		w.put("10.244.0.3", "shop/b", roleOf, "cart")
		w.put("10.244.0.4", "shop/c")
		app, cart := w.must(t, "10.244.0.2", "app"), w.must(t, "10.244.0.3", "cart")
		if err := w.reload(t, rulesOf(`{allow: ["app"], default_role: base}`)); err != nil {
			t.Fatal(err)
		}
		if key := w.must(t, "10.244.0.2", "app"); key != app {
			t.Error("a role that is allowed still has a new session")
		}
		if g := w.get("10.244.0.3", "cart"); g.status != http.StatusOK || g.code != "AccessDenied" || g.key != "" {
			t.Errorf("a role that is allowed no longer: %+v", g)
		}
		w.must(t, "10.244.0.4", "base")
		synctest.Wait()
		if n := w.sts.Calls("AssumeRole"); n != 3 {
			t.Errorf("%d calls", n)
		}
		if err := w.reload(t, realCluster); err != nil {
			t.Fatal(err)
		}
		if key := w.must(t, "10.244.0.3", "cart"); key != cart {
			t.Error("a role that is allowed again has a new session, though the old one is valid")
		}
		if got := w.from("10.244.0.4:1", rolesPath); got != "Not Found" {
			t.Errorf("a pod without a default role: %q", got)
		}
		synctest.Wait()
		if n := w.sts.Calls("AssumeRole"); n != 4 { // a keeper that was stopped renews what it takes over
			t.Errorf("%d calls", n)
		}
	})
}

func TestClusterReload_AnotherAnnotationDecides(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, realCluster, "app", "cart")
		w.put("10.244.0.2", "shop/a", roleOf, "app", "mock-ec2-metadata/role", "cart")
		w.must(t, "10.244.0.2", "cart")
		if err := w.reload(t, strings.Replace(realCluster, "  rules:", "  annotations: {role: ["+roleOf+"]}\n  rules:", 1)); err != nil {
			t.Fatal(err)
		}
		w.must(t, "10.244.0.2", "app")
		if got := w.State().Restart; len(got) != 1 || got[0] != "kubernetes.annotations" {
			t.Errorf("needs a restart for %q", got)
		}
	})
}

func TestClusterReload_KeysOfTheWatchNeedARestart(t *testing.T) {
	testutil.IsolateHome(t)
	for key, change := range map[string][2]string{
		"kubernetes.enabled":                     {"enabled: true", "enabled: false"},
		"kubernetes.node":                        {"node: node1", "node: node2"},
		"kubernetes.pods.find":                   {"node: node1", "node: node1\n  pods: {find: [watch]}"},
		"kubernetes.pods.wait":                   {"node: node1", "node: node1\n  pods: {wait: 1s}"},
		"kubernetes.session.idle":                {"node: node1", "node: node1\n  session: {idle: 1h}"},
		"kubernetes.rules.namespace_annotations": {"rules:", "rules:\n    namespace_annotations: true"},
		"":                                       {"node: node1", "node: node1\n  pods: {metadata: none}"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newNodeWorld(t, realCluster)
			if err := w.reload(t, strings.Replace(realCluster, change[0], change[1], 1)); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(w.State().Restart, " "); got != key {
				t.Errorf("%s: needs a restart for %q", key, got)
			}
		})
	}
}

func TestClusterReload_PodsAreStillKnownWhenItIsDisabled(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, realCluster, "app")
		w.put("10.244.0.2", "shop/a", roleOf, "app")
		w.must(t, "10.244.0.2", "app")
		if err := w.reload(t, strings.Replace(realCluster, "enabled: true", "enabled: false", 1)); err != nil {
			t.Fatal(err)
		}
		w.must(t, "10.244.0.2", "app")
		if rec := w.do(http.MethodGet, "/latest/meta-data/", "10.244.0.9:1"); rec.Code != http.StatusServiceUnavailable {
			t.Errorf("an unknown address: %d", rec.Code)
		}
	})
}

func TestCluster_OpenConnectionGetsTheRoleOfNow(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, realCluster, "app", "cart")
		for _, role := range []string{"app", "cart", "app"} {
			w.put("10.244.0.2", "shop/a", roleOf, role)
			w.must(t, "10.244.0.2", role)
			other := map[string]string{"app": "cart", "cart": "app"}[role]
			if g := w.get("10.244.0.2", other); g.status != http.StatusNotFound {
				t.Errorf("the role of before: %+v", g)
			}
		}
		if n := w.sts.Calls("AssumeRole"); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}
