package app

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

func TestCluster_UnknownGetsNeitherTheDefaultNorTheHostsRole(t *testing.T) {
	u, p, _ := cluster(t, strings.NewReplacer("rules:", "rules:\n    default_role: any\n    host_network: nodes",
		`"*": {allow: ["app-*"]}`, `"*": {allow: ["app-*"], default_role: all}`).Replace(withCluster))
	p.put("10.244.0.2", "team/bare")
	if got := u.from("10.244.0.2:1", rolesPath); got != "all" {
		t.Errorf("a known pod: %q", got)
	}
	for _, path := range []string{"", "all", "any", "nodes", "base"} {
		rec := u.do(http.MethodGet, "/latest/"+rolesPath+path, "10.244.0.9:1")
		if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") != "1" || strings.Contains(rec.Body.String(), "Success") {
			t.Errorf("%q: %d %v %s", path, rec.Code, rec.Header(), rec.Body)
		}
	}
}

func TestCluster_RoleWithAPathIsListedByItsName(t *testing.T) {
	u, p, _ := cluster(t, strings.Replace(withCluster, `allow: ["app-*"]`, `allow: ["team/*"]`, 1))
	for address, named := range map[string]string{"10.244.0.2": "team/cart", "10.244.0.3": "arn:aws:iam::123456789012:role/team/cart"} {
		p.put(address, "team/cart", roleOf, named)
		if got := u.from(address+":1", rolesPath); got != "cart" {
			t.Errorf("%s lists %q", named, got)
		}
		if got := u.from(address+":1", rolesPath+"cart"); !strings.Contains(got, `"Code" : "Success"`) {
			t.Errorf("%s: %s", named, got)
		}
		if got := u.from(address+":1", rolesPath+"team/cart"); got != "Not Found" {
			t.Errorf("%s by its path: %s", named, got)
		}
	}
}

func TestCluster_RoleThatTakesNoTagsIsToldWithTheMissingAction(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, withSession("tags: eks"))
		w.sts.AddRole("arn:aws:iam::123456789012:role/app", stsfake.DenyTagSession())
		w.put("10.244.0.2", "shop/a", roleOf, "app")
		const want = "the role's trust policy must allow sts:TagSession to the caller"
		if g := w.get("10.244.0.2", "app"); g.status != http.StatusOK || g.code != "AssumeRoleUnauthorizedAccess" || !strings.Contains(g.message, want) {
			t.Errorf("%+v, want %q", g, want)
		}
		if events := w.events(); !slices.ContainsFunc(events, func(e string) bool { return strings.Contains(e, want) }) {
			t.Errorf("events: %q", events)
		}
	})
}

// Pods get credentials, are refused by the rules and by STS, and have external ids.
func TestCluster_NoSecretIsInLogsEventsAndStatus(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, strings.Replace(realCluster, `allow: ["*"]`, `allow: ["app*", "shut"]`, 1), "app")
		w.sts.AddRole("arn:aws:iam::123456789012:role/shut", stsfake.ExternalID("right-id"))
		const id = "iam.amazonaws.com/external-id"
		w.put("10.244.0.2", "shop/a", roleOf, "app")
		w.put("10.244.0.3", "shop/b", roleOf, "shut", id, "wrong-id")
		w.put("10.244.0.4", "shop/c", roleOf, "denied", id, "third-id")
		w.must(t, "10.244.0.2", "app")
		token := w.token(t, "10.244.0.2:1")
		for address, role := range map[string]string{"10.244.0.2": "app", "10.244.0.3": "shut", "10.244.0.4": "denied"} {
			w.get(address, role)
		}
		secrets := append(w.sts.Secrets(), token, "right-id", "wrong-id", "third-id")
		if len(secrets) < 6 || !w.log.Contains("role of a pod denied") || !w.log.Contains("path=/latest/meta-data/iam/") || len(w.events()) != 2 {
			t.Fatalf("%d secrets, events %q, log:\n%s", len(secrets), w.events(), w.log)
		}
		for place, text := range map[string]string{
			"the log": w.log.String(), "Events": strings.Join(w.events(), "\n"),
			"/status of the node": w.do(http.MethodGet, "/status", "127.0.0.1:1").Body.String(),
			"/status of a pod":    w.do(http.MethodGet, "/status", "10.244.0.2:1").Body.String(),
		} {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s: a secret of %d characters:\n%s", place, len(secret), strings.ReplaceAll(text, secret, "SECRET"))
				}
			}
		}
	})
}
