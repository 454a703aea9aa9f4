package kubecli

import (
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

const podsOfCheck = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, annotations: {iam.amazonaws.com/role: shop-web}}
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: shop, annotations: {iam.amazonaws.com/role: admin}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: team-a}
`

func TestCheck_SaysWhichRoleAPodGetsAndWhy(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "pods.yaml", podsOfCheck)
	testutil.Write(t, "k.yaml", `
credentials: {source_profile: default}
kubernetes:
  enabled: false # on a laptop; the cluster has it enabled
  base_role_arn: arn:aws:iam::123456789012:role/
  rules:
    namespaces:
      shop: {allow: ["shop-*"]}
      team-*: {default_role: team}
`)
	want := `Pod shop/web: role shop-web (arn:aws:iam::123456789012:role/shop-web), by annotation iam.amazonaws.com/role of the pod
Pod shop/job: lists admin, and is denied: annotation iam.amazonaws.com/role of the pod names the role "admin", which kubernetes.rules.namespaces does not allow for the namespace shop; add it to allow
Deployment team-a/api: role team (arn:aws:iam::123456789012:role/team), by kubernetes.rules.namespaces.team-*.default_role
`
	code, stdout, stderr := run(t, nil, "check", "--config", "k.yaml", "--pod", "pods.yaml")
	if code != 0 || stdout != want || stderr != "" {
		t.Errorf("exit %d, %s\n%s\nwant %s", code, stderr, stdout, want)
	}
	code, _, stderr = run(t, nil, "check", "--config", "k.yaml", "--pod", "none.yaml")
	if code != 1 || !strings.Contains(stderr, "none.yaml") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestCheck_NamesFileLineAndKeyOfEachError(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "k.yaml", `kubernetes:
  pods:
    wait: 11s
    metadata: some
  rules:
    namespaces:
      shop:
        allow: ["re:["]
      Team: {}
  session:
    scope: node
    colour: red
`)
	code, _, stderr := run(t, nil, "check", "--config", "k.yaml")
	for _, want := range []string{
		"k.yaml:3: kubernetes.pods.wait: 11s is not from 0s to 10s",
		`k.yaml:4: kubernetes.pods.metadata: "some" is not one of node, none`,
		`k.yaml:8: kubernetes.rules.namespaces.shop.allow: "re:[" is not a regular expression`,
		`k.yaml:9: kubernetes.rules.namespaces.Team: "Team"`,
		`k.yaml:11: kubernetes.session.scope: "node" is not one of role, service_account, pod`,
		"k.yaml:12: kubernetes.session.colour: unknown key",
	} {
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("exit %d, want 1 and %s in\n%s", code, want, stderr)
		}
	}
}
