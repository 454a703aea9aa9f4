package podrole

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
)

// withSession compiles rules by which all pods get the role r, with the keys of kubernetes.session.
func withSession(t *testing.T, session string) *Rules {
	t.Helper()
	return New(load(t, "kubernetes: {enabled: true, cluster_name: kind, rules: {default_role: r, host_network: h}, session: {"+session+"}}").Config)
}

// Check 41: the external id is an input of the call.
func TestInputs_FirstExternalIDCounts(t *testing.T) {
	const name = "iam.amazonaws.com/external-id"
	l := load(t, `kubernetes: {enabled: true, rules: {default_role: r, namespaces: {shop: {external_id: of-rule}}}}`)
	l.Config.Credentials.ExternalID = "of-file"
	r := New(l.Config)
	p := pod(annotations{name: "of-pod", "mock-ec2-metadata/external-id": "of-pod-ours"})
	p.AccountAnnotations, p.NamespaceAnnotations = annotations{name: "of-account"}, annotations{name: "of-namespace"}
	for _, tt := range []struct {
		id     config.Secret
		remove func() // before the next one
	}{
		{"of-pod-ours", func() { delete(p.Annotations, "mock-ec2-metadata/external-id") }},
		{"of-pod", func() { p.Annotations = nil }},
		{"of-account", func() { p.AccountAnnotations = nil }},
		{"of-namespace", func() { p.NamespaceAnnotations = nil }},
		{"of-rule", func() { p.Namespace = "other" }},
		{"of-file", func() {}},
	} {
		if got := r.Pod("node1", p).Credentials.ExternalID; got != tt.id {
			t.Errorf("got %q, want %q", got.Reveal(), tt.id.Reveal())
		}
		tt.remove()
	}
	if l.Config.Credentials.ExternalID != "of-file" {
		t.Error("the configuration has changed")
	}
}

// Check 35.
func TestInputs_SessionNameIsTheAnnotationsOrTheTemplates(t *testing.T) {
	long := strings.Repeat("n", 70)
	for _, tt := range []struct {
		name, template string
		pod            *caller.Pod
		want           string
	}{
		{"no template", "", pod(nil), ""},
		{"annotation", "name: '{pod}'", pod(annotations{"iam.amazonaws.com/session-name": " mine "}), "mine"},
		{"annotation of the account", "", &caller.Pod{Namespace: "a", AccountAnnotations: annotations{"iam.amazonaws.com/session-name": "mine"}}, "mine"},
		{"all", "name: '{cluster}.{node}.{namespace}.{service_account}.{pod}'", pod(nil), "kind.node1.shop.checkout.web-1"},
		{"a constant", "name: team", pod(nil), "team"},
		{"a long one", "name: '{pod}-x'", &caller.Pod{Namespace: "a", Name: long}, long[:64]},
		{"a short one", "name: '{pod}'", &caller.Pod{Namespace: "a", Name: "b"}, "b-"},
		{"bad characters", "name: '{pod}'", &caller.Pod{Namespace: "a", Name: "a:b/ü"}, "a-b--"},
		{"nothing", "name: '{namespace}-{pod}'", &caller.Pod{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := withSession(t, tt.template).Pod("node1", tt.pod).Credentials.SessionName; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	l := load(t, "kubernetes: {enabled: true, rules: {host_network: r}, session: {name: '{pod}'}}")
	l.Config.Credentials.SessionName = "of-file"
	if got := New(l.Config).Host("node1").Credentials.SessionName; got != "of-file" {
		t.Errorf("got %q", got)
	}
}

// Check 44.
func TestInputs_TagsOfEKS(t *testing.T) {
	l := load(t, "kubernetes: {enabled: true, cluster_name: kind, rules: {default_role: r, host_network: h}, session: {tags: eks}}")
	own := map[string]string{"team": "red"}
	l.Config.Credentials.SessionTags, l.Config.Credentials.TransitiveTagKeys = own, []string{"team"}
	r := New(l.Config)
	d := r.Pod("node1", pod(nil))
	want := map[string]string{
		"team": "red", "eks-cluster-arn": "arn:aws:eks:us-east-1:123456789012:cluster/kind", "eks-cluster-name": "kind", "kubernetes-namespace": "shop",
		"kubernetes-service-account": "checkout", "kubernetes-pod-name": "web-1", "kubernetes-pod-uid": "0123",
	}
	if diff := cmp.Diff(want, d.Credentials.SessionTags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(append([]string{"team"}, config.PodTagKeys()...), d.Credentials.TransitiveTagKeys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Session != "0123" || len(own) != 1 || len(l.Config.Credentials.TransitiveTagKeys) != 1 {
		t.Errorf("got %q, own tags %v", d.Session, own)
	}
	if h := r.Host("node1"); h.Credentials.SessionTags["kubernetes-pod-name"] != "" || len(h.Credentials.SessionTags) != 7 || h.Session != "host" {
		t.Errorf("host: got %v, %q", h.Credentials.SessionTags, h.Session)
	}
}

func TestInputs_TagsOfTemplates(t *testing.T) {
	r := withSession(t, "tags: {team: '{namespace}', by: 'pod {pod} of {cluster}', empty: ''}")
	p := pod(nil)
	p.Name, p.Namespace = "a,b\x00ü", strings.Repeat("ü", 300)
	d := r.Pod("node1", p)
	want := map[string]string{"team": strings.Repeat("ü", 256), "by": "pod a-b-ü of kind", "empty": ""}
	if diff := cmp.Diff(want, d.Credentials.SessionTags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Session != "0123" || d.Credentials.TransitiveTagKeys != nil {
		t.Errorf("got %+v", d)
	}
}

// Check 40: what has a session of its own.
func TestInputs_SessionIsByScope(t *testing.T) {
	other := pod(nil)
	other.UID = ""
	for _, tt := range []struct{ session, pod, withoutUID, host string }{
		{"", "", "", ""},
		{"scope: role", "", "", ""},
		{"scope: service_account", "shop/checkout", "shop/checkout", "host"},
		{"scope: pod", "0123", "shop/web-1", "host"},
		{"scope: role, tags: eks", "0123", "shop/web-1", "host"},
		{"scope: service_account, tags: {a: b}", "0123", "shop/web-1", "host"},
	} {
		r := withSession(t, tt.session)
		got := []string{r.Pod("node1", pod(nil)).Session, r.Pod("node1", other).Session, r.Host("node1").Session}
		if diff := cmp.Diff([]string{tt.pod, tt.withoutUID, tt.host}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.session, diff)
		}
	}
}

func TestInputs_CredentialsAreTheFilesOwn(t *testing.T) {
	l := load(t, "kubernetes: {enabled: true, rules: {default_role: r}}")
	c := &l.Config.Credentials
	c.Policy, c.SourceIdentity, c.MFASerial, c.Mock = "{}", "me", "arn:aws:iam::1:mfa/x", true
	want := *c
	want.IAMRole = arn("r")
	if diff := cmp.Diff(&want, New(l.Config).Pod("node1", pod(nil)).Credentials); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Who can read the ConfigMap has the digests, and would share the sessions of pods that have the real external id.
func TestInputs_AnnotationIsNoDigestOfTheLaptopsExternalID(t *testing.T) {
	r := rulesOf(t, `namespaces: {"*": {allow: ["*"]}, paid: {allow: ["*"], external_id: "`+config.KeptExternalID+`0011"}}`)
	p := pod(annotations{ours: "web", "mock-ec2-metadata/external-id": config.KeptExternalID + "0011"})
	wantDenied(t, r.Pod("node1", p), "web",
		"annotation mock-ec2-metadata/external-id of the pod: it stands for an external id that the laptop keeps; write the external id itself")
	p.Namespace, p.Annotations = "paid", annotations{ours: "web"}
	if d := r.Pod("node1", p); d.Credentials == nil || d.Credentials.ExternalID != config.KeptExternalID+"0011" {
		t.Errorf("by the rule: %+v", d)
	}
}
