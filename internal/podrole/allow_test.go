package podrole

import (
	"fmt"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/caller"
)

const notAllowed = `annotation iam.amazonaws.com/role of the pod names the role %q, which kubernetes.rules.namespaces does not allow for the namespace %s; add it to allow`

// Check 37, but for the answer.
func TestAllow_WithoutARuleNothingIsNamed(t *testing.T) {
	for _, rules := range []string{"default_role: x", `namespaces: {"*": {allow: []}}`, `namespaces: {other: {allow: ["*"]}}`, `namespaces: {"*": {allow: ["*"]}, shop: {}}`} {
		d := rulesOf(t, rules).Pod("node1", pod(annotations{kube2iamRole: "path/x"}))
		wantDenied(t, d, "x", fmt.Sprintf(notAllowed, "path/x", "shop"))
		if d.ARN != arn("path/x") || d.From != "kubernetes" || d.Source != "annotation iam.amazonaws.com/role of the pod" {
			t.Errorf("%s: got %+v", rules, d)
		}
	}
}

func TestAllow_PatternsOfRoles(t *testing.T) {
	const entry = "roles: {web: {iam_role: 'arn:aws:iam::210987654321:role/shared'}, tools: {source_profile: tools}}\n"
	for _, tt := range []struct {
		allow, named string
		want         bool
	}{
		{"web", "web", true},
		{"x", "x", true},
		{"x", arn("x"), true},
		{"x", "y/x", false},
		{"x", "xx", false},
		{"*", "a/b/x", true},
		{"*", "web", true},
		{"*", "tools", true},
		{"*", "arn:aws:iam::210987654321:role/x", false},
		{"*", "arn:aws-cn:iam::123456789012:role/x", false},
		{"team-*", "team-a", true},
		{"team-*", "xteam-a", false},
		{"team-*", "teama", false},
		{"team-*", "a/team-a", false},
		{"team-?", "team-a", true},
		{"team-?", "team-ab", false},
		{"path/*", "path/x", true},
		{"path/*", "path/y/x", true},
		{"path/*", "x", false},
		{"arn:aws:iam::210987654321:role/shop-*", "arn:aws:iam::210987654321:role/shop-a", true},
		{"arn:aws:iam::210987654321:role/shop-*", "shop-a", false},
		{"arn:*", "x", true},
		{"arn:*", "web", true},
		{"arn:*", "tools", false}, // it has none
		{"arn:aws:iam::210987654321:role/shared", "web", true},
		{"shared", "web", false}, // of another account
		{"re:team-[a-z]", "team-a", true},
		{"re:team-[a-z]", "team-ab", false},
		{"re:team-[a-z]", "xteam-a", false},
		{"re:a|b", "ab", false},
		{"re:a|b", "b", true},
		{"re:path/.*", "path/x", true},
		{"re:.*", "arn:aws:iam::210987654321:role/x", false},
		{"re:we.", "web", true},
		{"re:too.*", "tools", true},
	} {
		t.Run(tt.allow+" "+tt.named, func(t *testing.T) {
			r := New(load(t, entry+"kubernetes: {enabled: true, rules: {namespaces: {shop: {allow: ['"+tt.allow+"']}}}}").Config)
			if d := r.Pod("node1", pod(annotations{kube2iamRole: tt.named})); (d.Denied == "") != tt.want {
				t.Errorf("denied: %q", d.Denied)
			}
		})
	}
}

func TestAllow_NamesStandBehindTheBase(t *testing.T) {
	r := New(load(t, `kubernetes: {enabled: true, base_role_arn: "arn:aws:iam::123456789012:role/k8s/", rules: {namespaces: {"*": {allow: ["a*", "re:k8s/b.*", "re:c.*"]}}}}`).Config)
	for named, allowed := range map[string]string{
		"a": arn("k8s/a"), arn("k8s/a"): arn("k8s/a"), arn("a"): "", "b": arn("k8s/b"), arn("b"): "", arn("c"): arn("c"), "c": "",
	} {
		d := r.Pod("node1", pod(annotations{kube2iamRole: named}))
		if (d.Denied == "") != (allowed != "") || allowed != "" && d.ARN != allowed {
			t.Errorf("%s: got %s, denied %q", named, d.ARN, d.Denied)
		}
	}
}

// Check 38.
func TestAllow_MostSpecificNamespaceCounts(t *testing.T) {
	r := rulesOf(t, `default_role: all, namespaces: {
		"*": {default_role: any}, "team-*": {default_role: team}, "team-a*": {default_role: a}, team-a: {default_role: exact},
		"*-b": {default_role: b}, "te?m-c": {default_role: c}, "re:team-a[0-9]+": {default_role: number}, "re:x.*|y.*": {default_role: xy}, "x*": {default_role: x},
	}`)
	for namespace, role := range map[string]string{
		"team-a": "exact", "team-ab": "a", "team-b": "team", "xteam-a": "x", "teama": "any", "team-a1": "number", "ns-b": "b", "team-c": "team", "teem-c": "c",
		"shop": "any", "yes": "xy", "xyz": "x", "team-": "team", "-b": "b",
	} {
		if got := r.Pod("node1", &caller.Pod{Namespace: namespace}).Name; got != role {
			t.Errorf("%s: got %s, want %s", namespace, got, role)
		}
	}
}

func TestAllow_ExpressionsOfNamespacesAreAnchored(t *testing.T) {
	r := rulesOf(t, `namespaces: {"re:team-[a-z]|dev": {default_role: r}}`)
	for namespace, matches := range map[string]bool{"team-a": true, "dev": true, "xteam-a": false, "team-ab": false, "devx": false, "xdev": false} {
		if got := r.Pod("node1", &caller.Pod{Namespace: namespace}).Name == "r"; got != matches {
			t.Errorf("%s: got %t", namespace, got)
		}
	}
}

func TestAllow_RulesAreAlwaysAllowed(t *testing.T) {
	r := rulesOf(t, `default_role: d, host_network: h, service_accounts: {shop/checkout: a}, namespaces: {jobs: {default_role: n}}, namespace_annotations: true`)
	for _, d := range []Decision{r.Pod("", pod(nil)), r.Pod("", &caller.Pod{Namespace: "jobs"}), r.Pod("", &caller.Pod{}), r.Host(""), r.Account("", pod(nil))} {
		if d.Denied != "" || d.Credentials == nil {
			t.Errorf("got %+v", d)
		}
	}
}

// Check 35, and kube2iam's restriction of namespaces.
func TestAllow_AnnotationsOfTheNamespaceRestrict(t *testing.T) {
	const jsonName, kiamName = "iam.amazonaws.com/allowed-roles", "iam.amazonaws.com/permitted"
	const names = `annotation iam.amazonaws.com/role of the pod names the role "ab", `
	r := rulesOf(t, `namespace_annotations: true, namespaces: {"*": {allow: ["a*"]}}`)
	for _, tt := range []struct {
		name      string
		namespace annotations
		named     string // ab if it is ""
		denied    string // after names
	}{
		{name: "none", denied: "and the namespace shop has no annotation that allows it; add mock-ec2-metadata/allowed-roles"},
		{name: "empty", namespace: annotations{jsonName: " "}, denied: "and the namespace shop has no annotation that allows it; add mock-ec2-metadata/allowed-roles"},
		{name: "a name", namespace: annotations{jsonName: `["x", "ab"]`}},
		{name: "an ARN", namespace: annotations{jsonName: `["arn:aws:iam::123456789012:role/a?"]`}},
		{name: "a pattern", namespace: annotations{jsonName: `["/a*"]`}},
		{name: "an expression", namespace: annotations{jsonName: `["re:a[b-c]"]`}},
		{name: "another", namespace: annotations{jsonName: `["b*"]`}, denied: "which annotation " + jsonName + " of the namespace shop does not allow; add it there"},
		{name: "no list", namespace: annotations{jsonName: "ab"}, denied: "and annotation " + jsonName + ` of the namespace shop is not a JSON list of texts; write ["NAME"]`},
		{name: "a list of numbers", namespace: annotations{jsonName: "[1]"}, denied: "and annotation " + jsonName + ` of the namespace shop is not a JSON list of texts; write ["NAME"]`},
		{name: "a bad expression", namespace: annotations{jsonName: `["re:("]`}, denied: "and annotation " + jsonName + " of the namespace shop has a pattern that is not a regular expression; correct it"},
		{name: "permitted", namespace: annotations{kiamName: "a.*"}},
		{name: "permitted by its ARN", namespace: annotations{kiamName: "arn:aws:iam::123456789012:role/a.+"}},
		{name: "permitted is anchored", namespace: annotations{kiamName: "a"}, denied: "which annotation " + kiamName + " of the namespace shop does not allow; add it there"},
		{name: "permitted is bad", namespace: annotations{kiamName: "a)|(.*"}, denied: "and annotation " + kiamName + " of the namespace shop is not a regular expression; correct it"},
		{name: "permitted is long", namespace: annotations{kiamName: strings.Repeat("a", 2049)}, denied: "and annotation " + kiamName + " of the namespace shop is longer than 2048 characters; shorten it"},
		{name: "the first counts", namespace: annotations{"mock-ec2-metadata/allowed-roles": "[]", kiamName: ".*"}, denied: "which annotation mock-ec2-metadata/allowed-roles of the namespace shop does not allow; add it there"},
		{name: "allow counts too", namespace: annotations{kiamName: ".*"}, named: "b", denied: fmt.Sprintf(notAllowed, "b", "shop")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := pod(annotations{kube2iamRole: "ab"})
			wanted := names + tt.denied
			if tt.named != "" {
				p.Annotations[kube2iamRole], wanted = tt.named, tt.denied
			}
			p.NamespaceAnnotations = tt.namespace
			d := r.Pod("node1", p)
			if tt.denied == "" {
				want(t, d, arn("ab"), "annotation iam.amazonaws.com/role of the pod")
				return
			}
			wantDenied(t, d, p.Annotations[kube2iamRole], wanted)
		})
	}
}

func TestAllow_NoAnnotationCanAllow(t *testing.T) {
	l := load(t, `kubernetes: {enabled: true, annotations: {allowed_roles: []}, rules: {namespace_annotations: true, namespaces: {"*": {allow: ["*"]}}}}`)
	wantDenied(t, New(l.Config).Pod("", pod(annotations{ours: "x"})), "x",
		`annotation mock-ec2-metadata/role of the pod names the role "x", and kubernetes.annotations.allowed_roles has no annotation that could allow it; add one`)
}
