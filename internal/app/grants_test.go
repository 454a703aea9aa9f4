package app

import (
	"strings"
	"testing"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
)

const withGrants = `
credentials: {source_profile: default}
roles: {cart: {iam_role: 'arn:aws:iam::123456789012:role/path/cart', external_id: id-1, session_tags: {team: red}}}
pod_identity: {enabled: true, verify: jwks, associations: [{namespace: shop, service_account: web, role: cart}]}
kubernetes:
  enabled: true
  node: node1
  cluster_name: local
  base_role_arn: arn:aws:iam::123456789012:role/
  rules:
    host_network: nodes
    service_accounts: {shop/jobs: jobs}
    namespaces: {shop: {allow: ["*"]}, team: {allow: []}}
  session: {SESSION}
server: {allow_clients: [0.0.0.0/0]}
`

// subjects are one of each way to ask.
func subjects(role string) map[string]*caller.Subject {
	pod := caller.Pod{UID: "u1", Namespace: "shop", Name: "p1", ServiceAccount: "web", Annotations: map[string]string{roleOf: role}}
	return map[string]*caller.Subject{
		"address": {Via: caller.ViaAddress, Node: "node1", Pod: pod},
		"node":    {Via: caller.ViaHost, Node: "node1"},
		"token":   {Via: caller.ViaToken, Node: "node1", Pod: caller.Pod{Namespace: "shop", ServiceAccount: "web"}},
		"account": {Via: caller.ViaToken, Node: "node1", Pod: caller.Pod{Namespace: "shop", ServiceAccount: "jobs"}},
	}
}

// The laptop makes the very call that the daemon would have made.
func TestGrants_AreThoseOfTheDaemon(t *testing.T) {
	for _, session := range []string{"scope: role", "scope: pod", "scope: service_account", "tags: eks", "name: '{namespace}-{pod}'"} {
		u, p, _ := cluster(t, strings.Replace(withGrants, "SESSION", session, 1))
		s := u.State()
		grants := NewGrants(load(t, ""))
		for via, subject := range subjects("cart") {
			var id *clientIdentity
			switch subject.Via {
			case caller.ViaAddress:
				w := p.put("10.244.0.2", "shop/p1", roleOf, "cart")
				w.Pod.UID, w.Pod.ServiceAccount = "u1", "web"
				known := s.ofPodAt(w)
				id = known.id
			case caller.ViaHost:
				id = s.cluster.host
			default:
				key := podKey{namespace: subject.Pod.Namespace, account: subject.Pod.ServiceAccount}
				id = &clientIdentity{entry: caller.None, grant: s.pods.grantOf(key)}
			}
			in, _ := s.Config.InstanceOf(id.entry, id.grant.credentials)
			want := id.grant.spec(&in)
			got, err := grants.Spec(subject, s.Instance.ID)
			if err != nil || got.Key() != want.Key() || got.Entry != want.Entry {
				t.Errorf("%s, %s: %v, want %v; %v", session, via, inputsOf(got), inputsOf(want), err)
			}
			if got.Subject != subject || want.Subject == nil || want.Subject.Via != subject.Via {
				t.Errorf("%s, %s: subjects %+v and %+v", session, via, got.Subject, want.Subject)
			}
		}
	}
}

// inputsOf is a spec without its secret.
func inputsOf(s credentials.Spec) []any {
	return []any{s.Profile, s.RoleARN, s.SessionName, s.SessionTags, s.Session, s.Entry, len(s.ExternalID)}
}

func TestGrants_SessionNameOfTheNodeCountsOnlyWhereTheConfigurationIsSilent(t *testing.T) {
	testutil.IsolateHome(t)
	for name, want := range map[string]string{"idle: 1h": "i-0123", "name: '{pod}-x'": "p1-x"} {
		testutil.Write(t, "conf/config.yaml", strings.Replace(withGrants, "SESSION", name, 1))
		spec, err := NewGrants(load(t, "")).Spec(subjects("app")["address"], "i-0123")
		if err != nil || spec.SessionName != want || !strings.HasSuffix(spec.RoleARN, ":role/app") {
			t.Errorf("%s: session %q of %q, %v", name, spec.SessionName, spec.RoleARN, err)
		}
	}
}

func TestGrants_RefusalsSayWhy(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", strings.Replace(withGrants, "SESSION", "", 1))
	grants := NewGrants(load(t, ""))
	for want, subject := range map[string]*caller.Subject{
		"conf/config.yaml gives pod shop/p1 no role":               {Via: caller.ViaAddress, Pod: caller.Pod{Namespace: "shop", Name: "p1"}},
		"conf/config.yaml gives service account shop/none no role": {Via: caller.ViaToken, Pod: caller.Pod{Namespace: "shop", ServiceAccount: "none"}},
		`conf/config.yaml gives no credentials by "x"`: {
			Via: "x", Pod: caller.Pod{Namespace: "shop", Name: "p1", Annotations: map[string]string{roleOf: "app"}},
		},
	} {
		if _, err := grants.Spec(subject, "i-1"); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	evil := &caller.Subject{Via: caller.ViaAddress, Pod: caller.Pod{Namespace: "team", Name: "p", Annotations: map[string]string{roleOf: "app"}}}
	if _, err := grants.Spec(evil, "i-1"); err == nil || !strings.Contains(err.Error(), "kubernetes.rules") {
		t.Error(err)
	}
	without := NewGrants(&config.Loaded{Config: &config.Config{}})
	if _, err := without.Spec(subjects("app")["token"], "i-1"); err == nil || !strings.HasSuffix(err.Error(), `gives no credentials by "token"`) {
		t.Error(err)
	}
}
