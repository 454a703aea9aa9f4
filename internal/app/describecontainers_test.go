package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

func TestDescribeGrants_NamesContainersAndPods(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", `
credentials: {mock: true}
roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}
ecs: {enabled: true, by_path: true, authorization: hidden}
pod_identity:
  enabled: true
  verify: jwks
  session_tags: true
  associations:
    - {namespace: shop, service_account: web, role: web, target_role: 'arn:aws:iam::210987654321:role/target', target_external_id: hidden}
`)
	want := []string{
		"by id (env --role, exec --role): web",
		"ECS (ecs): credentials and task metadata at 169.254.170.2:80",
		"ECS clients must send the Authorization of ecs.authorization",
		"by path (/creds, /role/NAME, /role-arn/ARN): clients of an entry its role and those of also; all others any of roles",
		"EKS Pod Identity (pod_identity): cluster local at 169.254.170.23:80, [fd00:ec2::23]:80; tokens are verified by the daemon's own key (mock-ec2-metadata token)",
		"pods of shop/web: role web, and by it arn:aws:iam::210987654321:role/target, a session for each pod",
		"everybody else: instance i-0123456789abcdef0, role mock-role",
	}
	if diff := cmp.Diff(want, DescribeGrants(load(t, ""))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
