package podrole

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/caller"
)

// Check 34: a value is a name, path/name or an ARN.
func TestPod_Kube2iamValuesAreRoles(t *testing.T) {
	r := rulesOf(t, anyRole)
	for _, tt := range []struct{ value, arn, name string }{
		{"web", arn("web"), "web"},
		{"path/to/web", arn("path/to/web"), "web"},
		{"/web", arn("web"), "web"}, // kiam's
		{"  web\n", arn("web"), "web"},
		{"arn:aws:iam::210987654321:role/k8s/web", "arn:aws:iam::210987654321:role/k8s/web", "web"},
		{"own", arn("own"), "own"},
	} {
		t.Run(tt.value, func(t *testing.T) {
			d := r.Pod("node1", pod(annotations{kube2iamRole: tt.value}))
			want(t, d, tt.arn, "annotation iam.amazonaws.com/role of the pod")
			if d.Name != tt.name || d.From != "kubernetes" || d.Credentials.SourceProfile != "dev" {
				t.Errorf("got %+v", d)
			}
		})
	}
}

// Check 36, and the order of all that can name a role.
func TestPod_FirstThatNamesARoleCounts(t *testing.T) {
	const all = `default_role: r8, service_accounts: {shop/checkout: r6}, namespaces: {shop: {allow: ["*"], default_role: r7}}`
	full := func() *caller.Pod {
		p := pod(annotations{ours: "r1", kube2iamRole: "r2"})
		p.AccountAnnotations = annotations{kube2iamRole: "r3", irsaRole: arn("r4")}
		p.NamespaceAnnotations = annotations{irsaRole: arn("r5")}
		return p
	}
	p := full()
	r := rulesOf(t, all)
	for _, tt := range []struct {
		role, source string
		remove       func() // before the next one
	}{
		{"r1", "annotation mock-ec2-metadata/role of the pod", func() { p.Annotations[ours] = " " }},
		{"r2", "annotation iam.amazonaws.com/role of the pod", func() { delete(p.Annotations, kube2iamRole) }},
		{"r3", "annotation iam.amazonaws.com/role of the service account shop/checkout", func() { p.AccountAnnotations[kube2iamRole] = "" }},
		{"r4", "annotation eks.amazonaws.com/role-arn of the service account shop/checkout", func() { p.AccountAnnotations = nil }},
		{"r5", "annotation eks.amazonaws.com/role-arn of the namespace shop", func() { p.NamespaceAnnotations = nil }},
		{"r6", "kubernetes.rules.service_accounts.shop/checkout", func() { p.ServiceAccount = "other" }},
		{"r7", "kubernetes.rules.namespaces.shop.default_role", func() { p.Namespace = "other" }},
		{"r8", "kubernetes.rules.default_role", func() { r = rulesOf(t, "") }},
	} {
		want(t, r.Pod("node1", p), arn(tt.role), tt.source)
		tt.remove()
	}
	want(t, r.Pod("node1", p), "", "")
}

func TestPod_OrderOfNamesIsTheConfigurations(t *testing.T) {
	r := New(load(t, `kubernetes: {enabled: true, annotations: {role: [b, a]}, rules: {`+anyRole+`}}`).Config)
	want(t, r.Pod("node1", pod(annotations{"a": "r1", "b": "r2"})), arn("r2"), "annotation b of the pod")
	if got := r.Pod("node1", pod(annotations{kube2iamRole: "x"})); got.Name != "" {
		t.Errorf("got %s", got)
	}
}

func TestPod_NoneIsNoRole(t *testing.T) {
	r := rulesOf(t, `default_role: r, service_accounts: {shop/checkout: none}, namespaces: {jobs: {default_role: none}}`)
	want(t, r.Pod("node1", pod(nil)), "", "kubernetes.rules.service_accounts.shop/checkout")
	want(t, r.Pod("node1", &caller.Pod{Namespace: "jobs"}), "", "kubernetes.rules.namespaces.jobs.default_role")
	want(t, r.Pod("node1", pod(annotations{ours: "none"})), "", "annotation mock-ec2-metadata/role of the pod")
}

func TestPod_EntryOfRolesHasAllItsKeys(t *testing.T) {
	r := New(load(t, `
roles:
  web: {iam_role: 'arn:aws:iam::210987654321:role/x/shared', external_id: of-web, duration: 2h, session_name: web}
  tools: {source_profile: tools}
kubernetes: {enabled: true, rules: {default_role: tools, namespaces: {shop: {allow: ["we?"]}}}}
`).Config)
	d := r.Pod("node1", pod(annotations{ours: "web"}))
	want(t, d, "arn:aws:iam::210987654321:role/x/shared", "annotation mock-ec2-metadata/role of the pod")
	if c := d.Credentials; d.Name != "shared" || d.From != "roles.web" || c.ExternalID != "of-web" || c.Duration.Hours() != 2 || c.SessionName != "web" {
		t.Errorf("got %+v", d)
	}
	d = r.Pod("node1", pod(nil))
	want(t, d, "", "kubernetes.rules.default_role")
	if d.Name != "tools" || d.From != "roles.tools" || d.Credentials.SourceProfile != "tools" {
		t.Errorf("got %+v", d)
	}
}

func TestPod_OwnIsTheProfileItself(t *testing.T) {
	r := New(load(t, `
kubernetes: {enabled: true, rules: {default_role: own, namespaces: {shop: {external_id: abc}}}, session: {name: "{pod}", tags: eks}}


`).Config)
	d := r.Pod("node1", pod(nil))
	want(t, d, "", "kubernetes.rules.default_role")
	if c := d.Credentials; d.Name != "dev" || d.From != "kubernetes" || c.SourceProfile != "dev" || c.ExternalID != "" || c.SessionName != "" || c.SessionTags != nil || d.Session != "" {
		t.Errorf("got %+v", d)
	}
}

func TestPod_OwnHasNothingOfTheFilesRole(t *testing.T) {
	l := load(t, "kubernetes: {enabled: true, rules: {default_role: own}}")
	c := &l.Config.Credentials
	c.IAMRole, c.ExternalID, c.Policy, c.SourceIdentity = arn("x"), "abc", "{}", "me"
	c.SessionTags, c.TransitiveTagKeys, c.PolicyARNs = annotations{"a": "b"}, []string{"a"}, []string{"arn:aws:iam::aws:policy/x"}
	d := New(l.Config).Pod("node1", pod(nil))
	got := d.Credentials
	if d.Name != "dev" || got.IAMRole+got.ExternalID.Reveal()+got.Policy+got.SourceIdentity != "" || got.SessionTags != nil || got.TransitiveTagKeys != nil || got.PolicyARNs != nil {
		t.Errorf("got %+v", d)
	}
}

func TestHost_GetsHostNetworkAlone(t *testing.T) {
	want(t, rulesOf(t, "default_role: r").Host("node1"), "", "")
	d := rulesOf(t, "default_role: r, host_network: nodes/h").Host("node1")
	want(t, d, arn("nodes/h"), "kubernetes.rules.host_network")
	if d.Name != "h" || d.Session != "" {
		t.Errorf("got %+v", d)
	}
}

func TestAccount_ReadsServiceAccountsAlone(t *testing.T) {
	r := rulesOf(t, `default_role: r, service_accounts: {shop/checkout: c}, namespaces: {shop: {allow: ["*"], default_role: n, external_id: of-shop}}`)
	d := r.Account("node1", pod(annotations{ours: "x", "iam.amazonaws.com/external-id": "of-pod"}))
	want(t, d, arn("c"), "kubernetes.rules.service_accounts.shop/checkout")
	if d.Credentials.ExternalID != "of-shop" {
		t.Errorf("external id %q", d.Credentials.ExternalID.Reveal())
	}
	want(t, r.Account("node1", &caller.Pod{Namespace: "shop", ServiceAccount: "other"}), "", "")
}

func TestRules_AnnotationsAreThoseThatCount(t *testing.T) {
	for rules, wanted := range map[string][]string{
		"":                            {"a", "b", "c", "d"},
		"namespace_annotations: true": {"a", "b", "c", "d", "e"},
	} {
		r := New(load(t, `kubernetes: {enabled: true, annotations: {role: [d, a], external_id: c, session_name: b, allowed_roles: e}, rules: {host_network: x, `+rules+`}}`).Config)
		if rules == "" {
			r.config.Kubernetes.Annotations.AllowedRoles = []string{"e"}
		}
		if got := r.Annotations(); !slices.Equal(got, wanted) {
			t.Errorf("%q: got %q, want %q", rules, got, wanted)
		}
	}
}

func BenchmarkPod(b *testing.B) {
	r := rulesOf(b, `default_role: base, namespaces: {"*": {allow: []}, "team-*": {allow: ["team-*"]}, shop: {allow: [a-*, "shop-*"]}}`)
	for _, bb := range []struct {
		name string
		pod  *caller.Pod
	}{
		{"annotation", pod(annotations{kube2iamRole: "shop-web"})},
		{"ARN", pod(annotations{kube2iamRole: arn("shop-web")})},
		{"default", pod(nil)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := r.Pod("node1", bb.pod); d.Credentials == nil {
					b.Fatal(d)
				}
			}
		})
	}
	b.Run("tags", func(b *testing.B) {
		r := New(load(b, `kubernetes: {enabled: true, rules: {default_role: x}, session: {tags: eks, name: "{namespace}-{pod}"}}`).Config)
		b.ReportAllocs()
		for b.Loop() {
			r.Pod("node1", pod(nil))
		}
	})
}

func TestRules_DecidingAnnotationsAreFew(t *testing.T) {
	r := rulesOf(t, `namespace_annotations: true, `+anyRole)
	long := strings.Repeat("x", 100_000)
	p := pod(annotations{ours: "web", kube2iamRole: long, "other": long, "mock-ec2-metadata/session-name": " "})
	p.AccountAnnotations = annotations{irsaRole: long, "iam.amazonaws.com/external-id": "id-1", "iam.amazonaws.com/session-name": "of-account"}
	p.NamespaceAnnotations = annotations{ours: long, "iam.amazonaws.com/external-id": long, "iam.amazonaws.com/allowed-roles": `["web"]`, "iam.amazonaws.com/permitted": long}
	only := r.Deciding(p)
	whole, less := r.Pod("node1", p), r.Pod("node1", &only)
	if diff := cmp.Diff(whole, less); diff != "" || whole.Credentials == nil {
		t.Errorf("%+v: %s", whole, diff)
	}
	text, err := json.Marshal(only)
	if err != nil || len(text) > 1000 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if none := r.Deciding(pod(nil)); none.Annotations != nil || none.AccountAnnotations != nil || none.NamespaceAnnotations != nil || none.UID != "0123" {
		t.Errorf("a pod without: %+v", none)
	}
}
