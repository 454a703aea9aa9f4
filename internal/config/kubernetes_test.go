package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// account makes the account of roles known.
const account = "aws: {account_id: 123456789012}\n"

func TestKubernetes_AllKeysAreDecoded(t *testing.T) {
	const content = account + `
credentials: {source_profile: dev}
roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}
kubernetes:
  enabled: true
  node: node1
  cluster_name: kind
  pods: {find: watch, wait: 0s, metadata: none}
  annotations: {role: [a.example/role], external_id: a.example/id, session_name: a.example/name, allowed_roles: [a.example/allowed]}
  base_role_arn: arn:aws-cn:iam::210987654321:role/k8s/
  rules:
    default_role: own
    host_network: none
    service_accounts: {shop/checkout: web, shop/cart: path/cart}
    namespaces:
      "*": {allow: []}
      team-?: {allow: ["team-*", "re:x[0-9]+"], default_role: base}
      shop: {allow: "arn:aws:iam::*:role/shop-*", external_id: hidden}
      none:
    namespace_annotations: true
  session: {scope: service_account, name: "{cluster}.{node}", tags: eks, prefetch: false, idle: 12h}
`
	want := Kubernetes{
		Enabled: true, Node: "node1", ClusterName: "kind",
		Pods: KubernetesPods{Find: []string{FindWatch}, Metadata: "none"},
		Annotations: KubernetesAnnotations{
			Role: []string{"a.example/role"}, ExternalID: []string{"a.example/id"}, SessionName: []string{"a.example/name"}, AllowedRoles: []string{"a.example/allowed"},
		},
		BaseRoleARN: "arn:aws-cn:iam::210987654321:role/k8s/",
		Rules: KubernetesRules{
			DefaultRole: OwnRole, HostNetwork: NoRole,
			ServiceAccounts: map[string]string{"shop/checkout": "web", "shop/cart": "path/cart"},
			Namespaces: map[string]NamespaceRule{
				"*": {}, "team-?": {Allow: []string{"team-*", "re:x[0-9]+"}, DefaultRole: "base"},
				"shop": {Allow: []string{"arn:aws:iam::*:role/shop-*"}, ExternalID: "hidden"}, "none": {},
			},
			NamespaceAnnotations: true,
		},
		Session: KubernetesSession{Scope: ScopeServiceAccount, Name: "{cluster}.{node}", Tags: PodTags{EKS: true}, Idle: 12 * time.Hour},
	}
	l := mustLoad(t, content, nil, nil)
	if diff := cmp.Diff(want, l.Config.Kubernetes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	printed := string(l.YAML())
	for _, line := range []string{
		`        external_id: "[redacted]" # f.yaml:19` + "\n", `      "*":` + "\n", "    tags: eks # f.yaml:22\n", "    wait: 0s # f.yaml:9\n", "      shop/checkout: web # f.yaml:15\n",
	} {
		if !strings.Contains(printed, line) {
			t.Errorf("not printed: %s", line)
		}
	}
	if strings.Contains(printed, "hidden") {
		t.Errorf("the external id is printed:\n%s", printed)
	}
	again := mustLoad(t, strings.ReplaceAll(printed, `"[redacted]"`, "hidden"), nil, nil)
	if diff := cmp.Diff(want, again.Config.Kubernetes); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

func TestKubernetes_TagsAreAWordOrAMap(t *testing.T) {
	templates := PodTags{Templates: map[string]string{"team": "{namespace}", "by": "pod {pod}", "empty": ""}}
	const block = "kubernetes:\n  session:\n    tags:\n      team: '{namespace}'\n      by: pod {pod}\n      empty: ''\n"
	for _, tt := range []struct {
		name, yaml string
		set        []string
		want       PodTags
		printed    string
	}{
		{name: "none", yaml: "kubernetes: {session: {tags: none}}", printed: "tags: none # f.yaml:1"},
		{name: "empty", yaml: "kubernetes: {session: {tags: }}", printed: "tags: none # default"},
		{name: "empty map", yaml: "kubernetes: {session: {tags: {}}}", printed: "tags: none # f.yaml:1"},
		{name: "eks", yaml: "kubernetes: {session: {tags: eks}}", want: PodTags{EKS: true}, printed: "tags: eks # f.yaml:1"},
		{name: "a map", yaml: block, want: templates, printed: "tags:\n      by: \"pod {pod}\" # f.yaml:5\n      empty: \"\" # f.yaml:6\n      team: \"{namespace}\" # f.yaml:4"},
		{name: "eks by --set", yaml: block, set: []string{"kubernetes.session.tags=eks"}, want: PodTags{EKS: true}, printed: "tags: eks # --set"},
		{name: "none by --set", yaml: block, set: []string{"kubernetes.session.tags=none"}, printed: "tags: none # --set"},
		{name: "a map by --set", set: []string{"kubernetes.session.tags={by: x}"}, want: PodTags{Templates: map[string]string{"by": "x"}}, printed: "tags:\n      by: x # --set"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := mustLoad(t, tt.yaml, nil, tt.set)
			if diff := cmp.Diff(tt.want, l.Config.Kubernetes.Session.Tags); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if printed := string(l.YAML()); !strings.Contains(printed, "    "+tt.printed+"\n") {
				t.Errorf("%q is not in:\n%s", tt.printed, printed[strings.Index(printed, "kubernetes:"):])
			}
		})
	}
}

func TestKubernetes_SetNamesBlocksOfMaps(t *testing.T) {
	k := mustLoad(t, "", []string{"MOCK_EC2_METADATA__KUBERNETES__RULES__SERVICE_ACCOUNTS__shop/web=none"}, []string{`kubernetes.rules.namespaces.*.allow=["*"]`}).Config.Kubernetes
	want := KubernetesRules{
		ServiceAccounts: map[string]string{"shop/web": "none"},
		Namespaces:      map[string]NamespaceRule{"*": {Allow: []string{"*"}}},
	}
	if diff := cmp.Diff(want, k.Rules); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestKubernetes_BaseRoleIsThatOfTheAccount(t *testing.T) {
	const on = "kubernetes: {enabled: true, rules: {default_role: none}}\n"
	for _, tt := range []struct{ name, yaml, want, printed string }{
		{"nothing tells it", on, "", `base_role_arn: "" # default`},
		{"account_id", on + account, "arn:aws:iam::123456789012:role/", "base_role_arn: arn:aws:iam::123456789012:role/ # aws.account_id"},
		{"iam_role", on + "credentials: {iam_role: 'arn:aws:iam::210987654321:role/x'}", "arn:aws:iam::210987654321:role/", "base_role_arn: arn:aws:iam::210987654321:role/ # credentials.iam_role"},
		{"the role's partition", on + "aws: {region: cn-north-1}\ncredentials: {iam_role: 'arn:aws-cn:iam::210987654321:role/x'}", "arn:aws-cn:iam::210987654321:role/", ""},
		{"account_id beside iam_role", on + account + "credentials: {iam_role: 'arn:aws:iam::210987654321:role/x'}", "arn:aws:iam::123456789012:role/", ""},
		{"mock", on + "credentials: {mock: true}", "arn:aws:iam::123456789012:role/", "base_role_arn: arn:aws:iam::123456789012:role/ # aws.account_id"},
		{"given", account + "kubernetes: {enabled: true, base_role_arn: 'arn:aws:iam::1:role/a/', rules: {default_role: x}}", "arn:aws:iam::1:role/a/", ""},
		{"not enabled", account, "", `base_role_arn: "" # default`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := mustLoad(t, tt.yaml, nil, nil)
			if got := l.Config.Kubernetes.BaseRoleARN; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if printed := string(l.YAML()); !strings.Contains(printed, tt.printed) {
				t.Errorf("%q is not in:\n%s", tt.printed, printed[strings.Index(printed, "kubernetes:"):])
			}
		})
	}
}

func TestKubernetes_Warnings(t *testing.T) {
	const on, named = "enabled: true, ", account + "kubernetes: {enabled: true, "
	for _, tt := range []struct{ name, yaml, want string }{
		{"nothing is given", account + "kubernetes: {enabled: true}", "f.yaml:2: kubernetes.enabled: no pod gets a role: set kubernetes.rules.default_role, service_accounts, or allow of namespaces"},
		{"none is given", named + "rules: {default_role: none, namespaces: {x: {allow: []}}}}", "f.yaml:2: kubernetes.enabled: no pod gets a role: set kubernetes.rules.default_role, service_accounts, or allow of namespaces"},
		{"a default of a namespace", named + "rules: {namespaces: {x: {default_role: y}}}}", ""},
		{"a service account", named + "rules: {service_accounts: {x/y: z}}}", ""},
		{"the scope beside tags", named + "rules: {host_network: x}, session: {scope: role, tags: eks}}", "f.yaml:2: kubernetes.session.scope: without effect: kubernetes.session.tags gives each pod a session of its own"},
		{"the scope of pods beside tags", named + "rules: {host_network: x}, session: {scope: pod, tags: eks}}", ""},
		{"annotations of namespaces", named + "rules: {default_role: x}, annotations: {allowed_roles: x/y}}", "f.yaml:2: kubernetes.annotations.allowed_roles: without effect: kubernetes.rules.namespace_annotations is false"},
		{"annotations of namespaces that count", named + "rules: {default_role: x, namespace_annotations: true}, annotations: {allowed_roles: x/y}}", ""},
		{
			"patterns without an account", "kubernetes: {" + on + "rules: {namespaces: {a: {allow: ['arn:aws:iam::1:role/x', web, '*', b]}}}}\nroles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}",
			`f.yaml:1: kubernetes.rules.namespaces.a.allow: "*" allows only entries of roles: nothing tells the account of other roles; set kubernetes.base_role_arn or aws.account_id`,
		},
		{"all of it while it is off", "kubernetes: {rules: {default_role: x, namespaces: {a: {allow: ['*']}}}, annotations: {allowed_roles: x/y}}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(mustLoad(t, tt.yaml, nil, nil).Warnings, "\n"); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestKubernetes_TagsOfRolesAreCounted(t *testing.T) {
	tags := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("k%d: v", i))
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	const roles = "roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web', session_tags: %s}}\n"
	mustLoad(t, fmt.Sprintf(roles, tags(44))+"kubernetes: {session: {tags: eks}}", nil, nil)
	_, err := loadText(fmt.Sprintf(roles, tags(45))+"kubernetes: {session: {tags: eks}}", nil, nil)
	expectError(t, err, "f.yaml:2: kubernetes.session.tags: roles.web.session_tags has 45 tags; with these 6 they are more than the 50 that STS takes")
	_, err = loadText("kubernetes: {session: {tags: "+tags(51)+"}}", nil, nil)
	expectError(t, err, "f.yaml:1: kubernetes.session.tags: 51 tags; STS takes at most 50")
	_, err = loadText("credentials: {iam_role: 'arn:aws:iam::123456789012:role/x', session_tags: {Team: x}}\nroles: {web: {}}\nkubernetes: {session: {tags: {team: y}}}", nil, nil)
	expectError(t, err, "f.yaml:3: kubernetes.session.tags: credentials.session_tags has Team, too; remove it in one of them")
}

// The characters of templates are those of the values.
func TestText_IsThatOfTheRules(t *testing.T) {
	for r := range rune(0x500) {
		if got, want := SessionNameText(r), check("session name", "aa"+string(r)) == ""; got != want {
			t.Errorf("session name: %q: got %t", r, got)
		}
		if got, want := TagValueText(r), check("session tag value", string(r)) == ""; got != want {
			t.Errorf("tag: %q: got %t", r, got)
		}
	}
}
