package podrole

import (
	"fmt"
	"strings"
	"testing"
)

func wantLines(t *testing.T, got []string, want string) {
	t.Helper()
	if text := strings.Join(got, "\n"); text != strings.TrimSpace(want) {
		t.Errorf("got:\n%s\nwant:\n%s", text, strings.TrimSpace(want))
	}
}

func TestDescribe_SaysWhoGetsWhat(t *testing.T) {
	l := load(t, `
roles: {tools: {source_profile: tools}}
kubernetes:
  enabled: true
  rules:
    default_role: own
    host_network: tools
    service_accounts: {shop/checkout: path/c, shop/cart: none}
    namespaces:
      shop: {allow: ["shop-*", "re:x"], external_id: hidden}
      "team-*": {default_role: team}
    namespace_annotations: true
  session: {tags: {team: "{namespace}"}}
`)
	wantLines(t, Describe(l), `
pods of the service account shop/cart, without an annotation: no role
pods of the service account shop/checkout, without an annotation: role c (arn:aws:iam::123456789012:role/path/c)
pods of the namespace shop: may name shop-*, re:x in annotations; without an annotation the own credentials of the profile dev
pods of namespaces like team-*: may name no role in annotations; without an annotation role team (arn:aws:iam::123456789012:role/team)
pods of other namespaces: may name no role in annotations; without one the own credentials of the profile dev
an annotation of the namespace must allow the role, too: mock-ec2-metadata/allowed-roles, iam.amazonaws.com/allowed-roles, iam.amazonaws.com/permitted
pods with hostNetwork, and the node's own processes: the own credentials of the profile tools
sessions: one for each pod, with the tags team`)
}

func TestDescribe_OfAll(t *testing.T) {
	l := load(t, `kubernetes: {enabled: true, rules: {namespaces: {"*": {allow: ["*"]}}}, session: {scope: service_account}}`)
	wantLines(t, Describe(l), `
pods of namespaces like *: may name * in annotations; without an annotation no role
pods with hostNetwork, and the node's own processes: no role
sessions: one for each service account`)
	l = load(t, `kubernetes: {enabled: true, rules: {host_network: x}}`)
	wantLines(t, Describe(l)[2:], "sessions: pods of one role share one, unless an external id or a session name differs")
	l = load(t, `kubernetes: {enabled: true, rules: {host_network: x}, session: {tags: eks}}`)
	wantLines(t, Describe(l)[2:], "sessions: one for each pod, with the tags eks-cluster-arn, eks-cluster-name, kubernetes-namespace, kubernetes-service-account, kubernetes-pod-name, kubernetes-pod-uid")
	if got := Describe(load(t, `kubernetes: {rules: {host_network: x}}`)); got != nil {
		t.Errorf("off: got %q", got)
	}
}

func TestDescribe_IsShort(t *testing.T) {
	var accounts, allow []string
	for i := range 300 {
		accounts = append(accounts, fmt.Sprintf("shop/a%03d: r", i))
		allow = append(allow, fmt.Sprintf("r%d", i))
	}
	lines := Describe(load(t, "kubernetes: {enabled: true, rules: {service_accounts: {"+strings.Join(accounts, ", ")+"}, namespaces: {shop: {allow: ["+strings.Join(allow, ", ")+"]}}}}"))
	if len(lines) != 205 || lines[200] != "and 100 more service accounts" || !strings.HasSuffix(lines[201], "r19 and 280 more in annotations; without an annotation no role") {
		t.Errorf("got %d lines: %q", len(lines), lines[200:])
	}
}

// Check 39.
func TestDescribePods_SaysWhichRoleAndWhy(t *testing.T) {
	l := load(t, `kubernetes: {enabled: true, rules: {host_network: h, namespaces: {shop: {allow: ["web"]}}}}`)
	lines, err := DescribePods(l, []byte(`
kind: Pod
metadata: {name: a, namespace: shop, annotations: {iam.amazonaws.com/role: web}}
---
kind: Deployment
metadata: {name: b, namespace: shop}
spec: {template: {metadata: {annotations: {iam.amazonaws.com/role: db}}}}
---
kind: DaemonSet
metadata: {name: c}
spec: {template: {spec: {hostNetwork: true}}}
---
kind: Job
metadata: {name: d}
`))
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, lines, `
Pod shop/a: role web (arn:aws:iam::123456789012:role/web), by annotation iam.amazonaws.com/role of the pod
Deployment shop/b: lists db, and is denied: annotation iam.amazonaws.com/role of the pod names the role "db", which kubernetes.rules.namespaces does not allow for the namespace shop; add it to allow
DaemonSet default/c: role h (arn:aws:iam::123456789012:role/h), by kubernetes.rules.host_network
Job default/d: no role, since neither an annotation nor kubernetes.rules names one`)
	if _, err = DescribePods(l, nil); err == nil {
		t.Error("no error for an empty manifest")
	}
}
