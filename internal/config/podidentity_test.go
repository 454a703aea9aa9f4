package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestPodIdentity_WrongValuesAreNamed(t *testing.T) {
	const file = "credentials: {mock: true}\nroles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}, real: {mock: false, iam_role: 'arn:aws:iam::123456789012:role/real'}}\n"
	tags := make([]string, 45)
	for i := range tags {
		tags[i] = fmt.Sprintf("k%d: v", i)
	}
	for _, tt := range []struct{ name, yaml, want string }{
		{"cluster name", "pod_identity: {cluster_name: -x}", `f.yaml:1: pod_identity.cluster_name: "-x" is not the name of a cluster; it has 1 to 100 of letters, digits and _-`},
		{"cluster ARN", "pod_identity: {cluster_arn: x}", `f.yaml:1: pod_identity.cluster_arn: "x" is not the ARN of a cluster; write arn:aws:eks:REGION:ACCOUNT:cluster/NAME`},
		{"verify", "pod_identity: {verify: maybe}", `f.yaml:1: pod_identity.verify: "maybe" is not one of tokenreview, jwks, none`},
		{"none without mock", "pod_identity: {enabled: true, verify: none}", "f.yaml:1: pod_identity.verify: with none any client can write a token, so that it needs credentials.mock: true; else set it to jwks or tokenreview"},
		{
			"none with a real role", file + "pod_identity: {enabled: true, verify: none, associations: [{namespace: a, service_account: b, role: real}]}",
			"f.yaml:3: pod_identity.verify: with none any client could write a token for roles.real, whose credentials are real; set credentials.mock to true, or verify to jwks or tokenreview",
		},
		{"no file of jwks", "pod_identity: {enabled: true, verify: jwks, jwks: /nowhere/keys}", "f.yaml:1: pod_identity.jwks: /nowhere/keys: no such file; write the key set there, or leave the key out for the daemon's own"},
		{"jwks by ftp", "pod_identity: {verify: jwks, jwks: 'ftp://x'}", `f.yaml:1: pod_identity.jwks: "ftp" is no scheme of a key set; write https://HOST/PATH, http://HOST/PATH or a file's name`},
		{"jwks with a password", "pod_identity: {verify: jwks, jwks: 'https://u:p@x/'}", `f.yaml:1: pod_identity.jwks: "https://u:p@x/" is not the URL of a key set; write e.g. https://example.com/openid/v1/jwks`},
		{"namespace", file + "pod_identity: {associations: [{namespace: Shop, service_account: b, role: web}]}", `f.yaml:3: pod_identity.associations[0].namespace: "Shop" is not a name in Kubernetes; it has lower-case letters, digits, - and .`},
		{"no service account", file + "pod_identity: {associations: [{namespace: a, role: web}]}", "f.yaml:3: pod_identity.associations[0]: has no service_account; set it"},
		{"no namespace", file + "pod_identity: {associations: [{service_account: a, role: web}]}", "f.yaml:3: pod_identity.associations[0]: has no namespace; set it"},
		{"no role", file + "pod_identity: {associations: [{namespace: a, service_account: b}]}", "f.yaml:3: pod_identity.associations[0]: has no role; set it"},
		{"unknown role", file + "pod_identity: {associations: [{namespace: a, service_account: b, role: wep}]}", `f.yaml:3: pod_identity.associations[0].role: there is no role "wep"; did you mean web? roles has: real, web`},
		{
			"a role of a profile", "roles: {own: {source_profile: dev}}\npod_identity: {associations: [{namespace: a, service_account: b, role: own}]}",
			"f.yaml:2: pod_identity.associations[0].role: the role own has no iam_role: pods get credentials of an IAM role; set roles.own.iam_role",
		},
		{
			"twice", file + "pod_identity:\n  associations:\n    - {namespace: a, service_account: b, role: web}\n    - {namespace: a, service_account: b, role: real}",
			"f.yaml:6: pod_identity.associations[1]: is the second one of a/b, after associations[0]; a service account has one",
		},
		{
			"target role", file + "pod_identity: {associations: [{namespace: a, service_account: b, role: web, target_role: x}]}",
			`f.yaml:3: pod_identity.associations[0].target_role: "x" is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME`,
		},
		{
			"external id without a target", file + "pod_identity: {associations: [{namespace: a, service_account: b, role: web, target_external_id: hidden}]}",
			"f.yaml:3: pod_identity.associations[0].target_external_id: without a target_role there is nothing to use it for; set pod_identity.associations[0].target_role",
		},
		{
			"policy with session tags", file + "pod_identity: {session_tags: true, associations: [{namespace: a, service_account: b, role: web, policy: '{}'}]}",
			"f.yaml:3: pod_identity.associations[0].policy: EKS takes a policy only without session tags; set pod_identity.session_tags to false",
		},
		{"policy", file + "pod_identity: {associations: [{namespace: a, service_account: b, role: web, policy: x}]}", "f.yaml:3: pod_identity.associations[0].policy: not valid JSON"},
		{
			"two policies", "roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web', policy: '{}'}}\npod_identity: {associations: [{namespace: a, service_account: b, role: web, policy: '{}'}]}",
			"f.yaml:2: pod_identity.associations[0].policy: roles.web.policy is set too; keep one of them",
		},
		{
			"too many tags", "roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web', session_tags: {" + strings.Join(tags, ", ") + "}}}\npod_identity: {session_tags: true, associations: [{namespace: a, service_account: b, role: web}]}",
			"f.yaml:2: pod_identity.session_tags: roles.web has 45 session_tags; with EKS's 6 these are more than the 50 that STS takes",
		},
		{
			"a tag of EKS", "roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web', session_tags: {kubernetes-namespace: x}}}\npod_identity: {session_tags: true, associations: [{namespace: a, service_account: b, role: web}]}",
			"f.yaml:2: pod_identity.session_tags: roles.web.session_tags has kubernetes-namespace, which EKS sets; remove it there",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadText(tt.yaml, nil, nil)
			expectError(t, err, tt.want)
		})
	}
}

func TestPodIdentity_Warnings(t *testing.T) {
	for _, tt := range []struct{ name, yaml, want string }{
		{"no associations", "pod_identity: {enabled: true}", "f.yaml:1: pod_identity.enabled: without pod_identity.associations no pod gets credentials; add one"},
		{"jwks without effect", "pod_identity: {jwks: /keys}", "f.yaml:1: pod_identity.jwks: without effect: pod_identity.verify is tokenreview, and only jwks takes it"},
		{"issuer without effect", "pod_identity: {issuer: x}", "f.yaml:1: pod_identity.issuer: without effect: pod_identity.verify is tokenreview, and only jwks takes it"},
		{"kubeconfig without effect", "pod_identity: {verify: jwks, kubeconfig: /k}", "f.yaml:1: pod_identity.kubeconfig: without effect: pod_identity.verify is jwks, and only tokenreview takes it"},
		{"duration below boto3's", "credentials: {mock: true, duration: 15m}", "f.yaml:1: credentials.duration: 15m is less than 30m; boto3 renews credentials of less than 15m at each use, and asks the daemon each time"},
		{"of a role", "credentials: {mock: true}\nroles: {web: {duration: 15m}}", "f.yaml:2: roles.web.duration: 15m is less than 30m; boto3 renews credentials of less than 15m at each use, and asks the daemon each time"},
		{"half an hour", "credentials: {mock: true, duration: 30m}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(mustLoad(t, tt.yaml, nil, nil).Warnings, "\n"); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestPodIdentity_ClusterARNIsDerived(t *testing.T) {
	const given = "arn:aws:eks:eu-west-1:210987654321:cluster/x"
	for content, want := range map[string]string{
		"pod_identity: {cluster_name: shop}":           "arn:aws:eks:us-east-1:123456789012:cluster/shop",
		"aws: {region: cn-north-1}":                    "arn:aws-cn:eks:cn-north-1:123456789012:cluster/local",
		"pod_identity: {cluster_arn: '" + given + "'}": given,
	} {
		if got := mustLoad(t, content, nil, nil).Config.EKSClusterARN(); got != want {
			t.Errorf("%s: got %s, want %s", content, got, want)
		}
	}
}
